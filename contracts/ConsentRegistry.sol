// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessToken} from "./AccessToken.sol";
import {IConsentRegistry} from "./interfaces/IConsentRegistry.sol";
import {GrantIds} from "./libraries/GrantIds.sol";
import {Grant} from "./types/Grant.sol";
import {BundleId, GrantId, TermsDigest} from "./types/Ids.sol";

/// @title ConsentRegistry
/// @notice Which rights are live, by the patient's word alone.
/// @dev Immutable, without owner. Each grant is one slot, each patient another; revoking flips the slot and never
/// deletes it, or a signature for an earlier epoch would come back to life.
contract ConsentRegistry is AccessToken, IConsentRegistry {
    using GrantIds for GrantId;

    /// @dev Counters stop here instead of wrapping: what has come so far can still be revoked, never granted.
    uint256 private constant LAST = type(uint8).max;

    struct Patient {
        uint8 stamp;
    }

    // slot 0: grantee, notBefore, expiresAt, purposes, stamp, epoch
    mapping(GrantId id => Grant) private _grants;

    // slot 0: stamp
    mapping(address patient => Patient) private _patients;

    // -------------------------------------------------------------------------------------------- GRANTING ACCESS

    /// @inheritdoc IConsentRegistry
    function grant(TermsDigest terms, BundleId bundle, Grant wanted) external returns (GrantId id) {
        return _grant(msg.sender, terms, bundle, wanted);
    }

    function _grant(
        address patient,
        TermsDigest terms,
        BundleId bundle,
        Grant wanted
    ) private returns (GrantId id) {
        address grantee = wanted.grantee();
        id = GrantIds.derive(patient, grantee, terms);
        Grant previous = _grants[id];
        uint256 stamp = _patients[patient].stamp;
        uint256 epoch = uint256(previous.epoch()) + 1;

        if (stamp == LAST) revert ConsentRegistryPatientExhausted(patient);
        if (epoch >= LAST) revert ConsentRegistryGrantExhausted(id);

        if (grantee == address(0)) revert ConsentRegistryGranteeIsZero();
        if (grantee == patient) revert ConsentRegistryGranteeIsPatient(patient);
        if (previous.grantee() != grantee && previous.grantee() != address(0)) {
            revert ConsentRegistryGrantIdTaken(id, previous.grantee());
        }
        if (wanted.purposes() == 0) revert ConsentRegistryPurposesEmpty();
        Grant granted = wanted.startingFrom(block.timestamp).underCount(stamp, epoch);
        if (granted.notBefore() >= granted.expiresAt()) {
            revert ConsentRegistryPeriodEmpty(granted.notBefore(), granted.expiresAt());
        }

        _grants[id] = granted;

        emit AccessGranted(id, terms, bundle, granted);
        if (previous.purposes() == 0) emit TransferSingle(patient, address(0), grantee, GrantId.unwrap(id), 1);
    }

    // -------------------------------------------------------------------------------------------- REVOKING ACCESS

    /// @inheritdoc IConsentRegistry
    function revoke(GrantId id) external {
        if (id.patientOf() != msg.sender) revert ConsentRegistryNotThePatient(id, msg.sender);

        _revoke(msg.sender, id);
    }

    function _revoke(address patient, GrantId id) private {
        Grant previous = _grants[id];
        uint256 epoch = previous.epoch() == LAST ? LAST : uint256(previous.epoch()) + 1;

        _grants[id] = previous.revoked(epoch);

        emit AccessRevoked(id);
        if (previous.purposes() != 0) {
            emit TransferSingle(patient, previous.grantee(), address(0), GrantId.unwrap(id), 1);
        }
    }

    /// @inheritdoc IConsentRegistry
    function revokeAll() external {
        uint8 stamp = _patients[msg.sender].stamp;
        if (stamp != LAST) ++stamp;

        _patients[msg.sender].stamp = stamp;

        emit AllAccessRevoked(msg.sender, stamp);
    }

    // ------------------------------------------------------------------------------------------------------ VIEWS

    /// @inheritdoc IConsentRegistry
    function isLive(GrantId id, uint16 purposes) public view returns (bool) {
        if (purposes == 0) revert ConsentRegistryPurposesEmpty();

        Grant current = _grants[id];

        return _isLive(id, current) && current.purposes() & purposes == purposes;
    }

    /// @inheritdoc IConsentRegistry
    function areLive(GrantId[] calldata ids, uint16 purposes) external view returns (bool[] memory live) {
        live = new bool[](ids.length);
        for (uint256 i = 0; i < ids.length; ++i) live[i] = isLive(ids[i], purposes);
    }

    /// @inheritdoc IConsentRegistry
    function getGrant(GrantId id) external view returns (GrantFields memory) {
        Grant current = _grants[id];

        if (current.epoch() == 0) revert ConsentRegistryGrantUnknown(id);

        return
            GrantFields({
                grantee: current.grantee(),
                notBefore: current.notBefore(),
                expiresAt: current.expiresAt(),
                purposes: current.purposes(),
                stamp: current.stamp(),
                epoch: current.epoch()
            });
    }

    /// @inheritdoc IConsentRegistry
    function getStamp(address patient) external view returns (uint8) {
        return _patients[patient].stamp;
    }

    // -------------------------------------------------------------------------------------------- SHARED INTERNALS

    /// @inheritdoc AccessToken
    function _isHolder(address account, uint256 id) internal view override returns (bool) {
        Grant current = _grants[GrantId.wrap(id)];

        return account == current.grantee() && _isLive(GrantId.wrap(id), current);
    }

    /// @dev The one place that says what live means.
    function _isLive(GrantId id, Grant current) private view returns (bool) {
        return
            current.purposes() != 0 &&
            current.notBefore() <= block.timestamp &&
            block.timestamp < current.expiresAt() &&
            current.stamp() == _patients[id.patientOf()].stamp;
    }
}
