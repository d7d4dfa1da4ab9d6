// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IConsortium} from "../../../contracts/interfaces/IConsortium.sol";
import {ProposalId} from "../../../contracts/types/Ids.sol";

/// @notice A contract that says it is governed, truly or not, and answers as badly as one can.
contract Governed__Mock {
    enum Manner {
        Honest,
        Short,
        Long,
        Dirty,
        Reverts,
        Huge
    }

    error Refused(uint256 asked);

    address private _consortium;
    Manner private _manner;
    bool private _isOpen;

    uint256 public called;
    address public caller;
    ProposalId public again;
    bytes public againWith;

    function set(address consortium_, Manner manner) external {
        _consortium = consortium_;
        _manner = manner;
    }

    function open() external {
        _isOpen = true;
    }

    function prepare(ProposalId id, bytes calldata data) external {
        again = id;
        againWith = data;
    }

    function consortium() external view returns (address) {
        uint256 answer = uint160(_consortium);
        Manner manner = _manner;
        assembly ("memory-safe") {
            mstore(0, answer)
            mstore(32, 0)
            if eq(manner, 1) {
                return(0, 31)
            }
            if eq(manner, 2) {
                return(0, 64)
            }
            if eq(manner, 3) {
                mstore(0, or(answer, shl(160, 1)))
                return(0, 32)
            }
            if eq(manner, 4) {
                revert(0, 32)
            }
            if eq(manner, 5) {
                return(0, 100000)
            }
        }
        return _consortium;
    }

    /// @notice What is decided: done once it is open.
    function act(uint256 number) external {
        if (!_isOpen) revert Refused(number);
        ++called;
        caller = msg.sender;
    }

    /// @notice Fail without a word.
    function fail() external pure {
        revert();
    }

    /// @notice While executed, take a seat.
    function grab() external {
        IConsortium(msg.sender).admit(address(this));
    }

    /// @notice While executed, execute again.
    function reenter() external {
        ++called;
        IConsortium(msg.sender).execute(again, againWith);
    }
}
