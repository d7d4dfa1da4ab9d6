// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccreditation} from "./interfaces/IAccreditation.sol";
import {ISoleAccreditor} from "./interfaces/ISoleAccreditor.sol";

/// @title SoleAccreditor
/// @notice One institution accredits. It can neither read nor grant.
contract SoleAccreditor is ISoleAccreditor {
    /// @inheritdoc ISoleAccreditor
    address public immutable accreditor;

    // slot 0: validUntil
    mapping(address actor => mapping(Kind kind => uint40)) private _validUntil;

    constructor(address accreditor_) {
        if (accreditor_ == address(0)) revert SoleAccreditorInvalid(accreditor_, Kind.None);

        accreditor = accreditor_;
    }

    // ------------------------------------------------------------------------------------------------ ACCREDITING

    /// @inheritdoc ISoleAccreditor
    function accredit(address actor, Kind kind, uint40 until) external {
        if (msg.sender != accreditor) revert SoleAccreditorNotAllowed(msg.sender);
        if (actor == address(0) || kind == Kind.None) revert SoleAccreditorInvalid(actor, kind);

        _validUntil[actor][kind] = until;

        emit Accredited(actor, kind, until);
    }

    // ------------------------------------------------------------------------------------------------------ VIEWS

    /// @inheritdoc IAccreditation
    function isAccredited(address actor, Kind kind) external view returns (bool) {
        return block.timestamp < _validUntil[actor][kind];
    }

    /// @inheritdoc ISoleAccreditor
    function validUntil(address actor, Kind kind) external view returns (uint40) {
        return _validUntil[actor][kind];
    }
}
