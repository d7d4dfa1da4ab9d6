// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Signed} from "./Signed.sol";
import {IDirectory} from "./interfaces/IDirectory.sol";

/// @title Directory
/// @notice Encryption keys of patients, custodians and readers.
/// @dev Immutable, without owner: only an actor sets his own key.
contract Directory is Signed, IDirectory {
    bytes32 private constant SET_ENCRYPTION_KEY =
        keccak256("SetEncryptionKey(address actor,bytes32 key,uint32 version,uint32 deadline)");

    // slot 0: key; slot 1: version, setAt
    mapping(address actor => EncryptionKey) private _keys;

    // ------------------------------------------------------------------------------------------ PUBLISHING A KEY

    /// @inheritdoc IDirectory
    function setEncryptionKey(bytes32 key) external {
        _setEncryptionKey(msg.sender, key);
    }

    /// @inheritdoc IDirectory
    function setEncryptionKeySigned(
        address actor,
        bytes32 key,
        uint32 version,
        uint32 deadline,
        bytes calldata signature
    ) external {
        bytes32 hash = keccak256(abi.encode(SET_ENCRYPTION_KEY, actor, key, version, deadline));
        _requireSignature(actor, hash, deadline, signature);
        uint32 next = _keys[actor].version + 1;
        if (version != next) revert SignedOutdated(version, next);

        _setEncryptionKey(actor, key);
    }

    function _setEncryptionKey(address actor, bytes32 key) private {
        EncryptionKey storage current = _keys[actor];

        if (key == bytes32(0)) revert DirectoryEncryptionKeyIsZero();
        if (key == current.key) revert DirectoryEncryptionKeyUnchanged(actor);

        uint32 version = current.version + 1;
        current.key = key;
        current.version = version;
        current.setAt = uint40(block.timestamp);

        emit EncryptionKeySet(actor, key, version);
    }

    // ------------------------------------------------------------------------------------------------------ VIEWS

    /// @inheritdoc IDirectory
    function getEncryptionKey(address actor) external view returns (EncryptionKey memory) {
        EncryptionKey memory current = _keys[actor];

        if (current.version == 0) revert DirectoryEncryptionKeyNotSet(actor);

        return current;
    }

    // -------------------------------------------------------------------------------------------- SHARED INTERNALS

    function _domainName() internal pure override returns (string memory) {
        return "medshare Directory";
    }
}
