// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDirectory} from "./interfaces/IDirectory.sol";

/// @title Directory
/// @notice Encryption keys of patients, custodians and readers.
/// @dev Immutable, without owner: only an actor sets his own key.
contract Directory is IDirectory {
    // slot 0: key; slot 1: version, setAt
    mapping(address actor => EncryptionKey) private _keys;

    // ------------------------------------------------------------------------------------------ PUBLISHING A KEY

    /// @inheritdoc IDirectory
    function setEncryptionKey(bytes32 key) external {
        EncryptionKey storage current = _keys[msg.sender];

        if (key == bytes32(0)) revert DirectoryEncryptionKeyIsZero();
        if (key == current.key) revert DirectoryEncryptionKeyUnchanged(msg.sender);

        uint32 version = current.version + 1;
        current.key = key;
        current.version = version;
        current.setAt = uint40(block.timestamp);

        emit EncryptionKeySet(msg.sender, key, version);
    }

    // ------------------------------------------------------------------------------------------------------ VIEWS

    /// @inheritdoc IDirectory
    function getEncryptionKey(address actor) external view returns (EncryptionKey memory) {
        EncryptionKey memory current = _keys[actor];

        if (current.version == 0) revert DirectoryEncryptionKeyNotSet(actor);

        return current;
    }
}
