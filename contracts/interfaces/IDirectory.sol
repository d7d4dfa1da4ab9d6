// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ISigned} from "./ISigned.sol";

/// @title Where actors publish the key that others encrypt to
/// @notice A patient, custodian or reader publishes an X25519 key here, and rotates it.
/// @dev The key is separate from the signing key. Clients refuse low-order points before they publish or use a key;
/// the contract refuses only zero, since the rest cannot harm the chain.
interface IDirectory is ISigned {
    /// @notice An actor's current encryption key.
    /// @param key X25519 public key, 32 bytes as in RFC 7748
    /// @param version 1 for the first key, one more at each rotation
    /// @param setAt block time of the last change, Unix seconds
    struct EncryptionKey {
        bytes32 key;
        uint32 version;
        uint40 setAt;
    }

    /// @notice An actor published or rotated his encryption key.
    /// @custom:privacy Makes public that this address takes part, its public key, and when the key changed.
    event EncryptionKeySet(address indexed actor, bytes32 key, uint32 version);

    /// @notice This actor has published no key.
    /// @custom:privacy Nothing: a failed call says only what the caller asked.
    error DirectoryEncryptionKeyNotSet(address actor);

    /// @notice A key of zeros was refused.
    /// @custom:privacy Nothing.
    error DirectoryEncryptionKeyIsZero();

    /// @notice The key is the current one already.
    /// @custom:privacy Nothing: the key is public.
    error DirectoryEncryptionKeyUnchanged(address actor);

    /// @notice Publish your encryption key, or put a new one in its place.
    /// @dev Warning: who holds only the old key's secret opens nothing that is wrapped from now on, and keeps what
    /// he could open before. Old keys stay readable in the events, so that old headers stay attributable.
    /// @param key X25519 public key, not zero
    /// @custom:privacy Makes public that the caller takes part, his public key, and the time.
    function setEncryptionKey(bytes32 key) external;

    /// @notice As setEncryptionKey, by the actor's signature.
    /// @dev The signed struct is `SetEncryptionKey(address actor,bytes32 key,uint32 version,uint32 deadline)`: `version`
    /// is the one this key will have.
    /// @param actor whose key it is, and who signed
    /// @custom:privacy As setEncryptionKey.
    function setEncryptionKeySigned(
        address actor,
        bytes32 key,
        uint32 version,
        uint32 deadline,
        bytes calldata signature
    ) external;

    /// @notice The current encryption key of an actor. Reverts where there is none.
    /// @custom:privacy Nothing new: reads what is public.
    function getEncryptionKey(address actor) external view returns (EncryptionKey memory);
}
