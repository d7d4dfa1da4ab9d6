// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessToken} from "./AccessToken.sol";
import {Recovery} from "./Recovery.sol";
import {IConsentRegistry} from "./interfaces/IConsentRegistry.sol";
import {GrantIds} from "./libraries/GrantIds.sol";
import {Verbs} from "./libraries/Verbs.sol";
import {Authorization} from "./types/Authorization.sol";
import {Control} from "./types/Control.sol";
import {Delegation} from "./types/Delegation.sol";
import {Grant} from "./types/Grant.sol";
import {BundleId, GrantId, TermsDigest} from "./types/Ids.sol";

/// @title ConsentRegistry
/// @notice Which rights are live, by the patient's word alone.
/// @dev Immutable, without owner. Each grant is one slot, each patient another; revoking flips the slot and never
/// deletes it, or a signature for an earlier epoch would come back to life. Each verb has one core, below its forms.
contract ConsentRegistry is AccessToken, Recovery, IConsentRegistry {
    using GrantIds for GrantId;

    bytes32 private constant GRANT =
        keccak256(
            "Grant(address patient,address grantee,bytes32 terms,bytes32 bundle,uint16 purposes,uint32 notBefore,uint32 expiresAt,uint8 stamp,uint8 epoch,uint8 mandate,uint32 deadline)"
        );
    bytes32 private constant REVOKE =
        keccak256("Revoke(address patient,uint256 grantId,uint8 lastEpoch,uint8 mandate,uint32 deadline)");
    bytes32 private constant REVOKE_ALL =
        keccak256("RevokeAll(address patient,uint8 stamp,uint8 mandate,uint32 deadline)");

    // slot 0: grantee, notBefore, expiresAt, purposes, stamp, epoch
    mapping(GrantId id => Grant) private _grants;

    // -------------------------------------------------------------------------------------------- GRANTING ACCESS

    /// @inheritdoc IConsentRegistry
    function grant(TermsDigest terms, BundleId bundle, Grant wanted) external returns (GrantId id) {
        Control control = _controls[msg.sender];
        if (!control.isPatientHimself()) revert AuthorityNotAllowed(msg.sender, msg.sender);

        id = _grant(msg.sender, control, terms, bundle, wanted, false);
    }

    /// @inheritdoc IConsentRegistry
    function grantFor(
        address patient,
        TermsDigest terms,
        BundleId bundle,
        Grant wanted
    ) external returns (GrantId id) {
        Control control = _controls[patient];
        Delegation delegation = _requireVerb(patient, control, msg.sender, Verbs.GRANT);
        _requireWithin(delegation, patient, msg.sender, wanted);

        emit ActedFor(patient, msg.sender);
        id = _grant(patient, control, terms, bundle, wanted, false);
    }

    /// @inheritdoc IConsentRegistry
    function grantSigned(
        address patient,
        TermsDigest terms,
        BundleId bundle,
        Grant wanted,
        Authorization authorization,
        bytes calldata signature
    ) external returns (GrantId id) {
        Control control = _controls[patient];
        bytes32 hash = _grantHash(patient, terms, bundle, wanted, authorization);
        Delegation delegation = _requireSignedVerb(patient, control, Verbs.GRANT, hash, authorization, signature);
        _requireWithin(delegation, patient, authorization.signer(), wanted);

        if (!authorization.isPatients()) emit ActedFor(patient, authorization.signer());
        id = _grant(patient, control, terms, bundle, wanted, true);
    }

    function _grant(
        address patient,
        Control control,
        TermsDigest terms,
        BundleId bundle,
        Grant wanted,
        bool isSigned
    ) private returns (GrantId id) {
        address grantee = wanted.grantee();
        id = GrantIds.derive(patient, grantee, terms);
        Grant previous = _grants[id];
        uint256 stamp = control.stamp();
        uint256 epoch = uint256(previous.epoch()) + 1;

        if (isSigned && wanted.counts() != ((stamp << 8) | previous.epoch())) {
            revert SignedOutdated(wanted.counts(), (stamp << 8) | previous.epoch());
        }
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

    /// @dev An empty delegation is no delegation: the one in control has no such limits.
    function _requireWithin(Delegation delegation, address patient, address delegate, Grant wanted) private pure {
        if (delegation.epoch() == 0) return;

        if (wanted.expiresAt() > delegation.expiresAt() || wanted.purposes() & ~delegation.purposes() != 0) {
            revert AuthorityBeyondDelegation(patient, delegate);
        }
    }

    function _grantHash(
        address patient,
        TermsDigest terms,
        BundleId bundle,
        Grant wanted,
        Authorization authorization
    ) private pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    GRANT,
                    patient,
                    wanted.grantee(),
                    terms,
                    bundle,
                    wanted.purposes(),
                    wanted.notBefore(),
                    wanted.expiresAt(),
                    wanted.stamp(),
                    wanted.epoch(),
                    authorization.mandate(),
                    authorization.deadline()
                )
            );
    }

    // -------------------------------------------------------------------------------------------- REVOKING ACCESS

    /// @inheritdoc IConsentRegistry
    function revoke(GrantId id) external {
        address patient = id.patientOf();
        if (msg.sender != patient) {
            _requireVerb(patient, _controls[patient], msg.sender, Verbs.REVOKE);
            emit ActedFor(patient, msg.sender);
        }

        uint256 epoch = _grants[id].epoch();

        _revoke(patient, id, epoch == LAST ? LAST : epoch + 1);
    }

    /// @inheritdoc IConsentRegistry
    function revokeSigned(GrantId id, uint8 lastEpoch, Authorization authorization, bytes calldata signature) external {
        address patient = id.patientOf();
        bytes32 hash = keccak256(
            abi.encode(REVOKE, patient, id, lastEpoch, authorization.mandate(), authorization.deadline())
        );
        _requireSignedVerb(patient, _controls[patient], Verbs.REVOKE, hash, authorization, signature);
        uint8 epoch = _grants[id].epoch();
        if (epoch > lastEpoch) revert SignedOutdated(lastEpoch, epoch);

        if (!authorization.isPatients()) emit ActedFor(patient, authorization.signer());
        _revoke(patient, id, lastEpoch == LAST ? LAST : uint256(lastEpoch) + 1);
    }

    function _revoke(address patient, GrantId id, uint256 epoch) private {
        Grant previous = _grants[id];

        _grants[id] = previous.revoked(epoch);

        emit AccessRevoked(id, uint8(epoch));
        if (previous.purposes() != 0) {
            emit TransferSingle(patient, previous.grantee(), address(0), GrantId.unwrap(id), 1);
        }
    }

    /// @inheritdoc IConsentRegistry
    function revokeAll(address patient) external {
        _revokeAll(patient, _requireControl(patient, msg.sender));
    }

    /// @inheritdoc IConsentRegistry
    function revokeAllSigned(address patient, uint8 stamp, Authorization authorization, bytes calldata signature) external {
        bytes32 hash = keccak256(
            abi.encode(REVOKE_ALL, patient, stamp, authorization.mandate(), authorization.deadline())
        );
        Control control = _requireSignedControl(patient, hash, authorization, signature);
        if (stamp != control.stamp()) revert SignedOutdated(stamp, control.stamp());

        _revokeAll(patient, control);
    }

    function _revokeAll(address patient, Control control) private {
        uint8 stamp = control.stamp();
        if (stamp != LAST) ++stamp;

        _controls[patient] = control.stamped(stamp);

        emit AllAccessRevoked(patient, stamp);
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

    // -------------------------------------------------------------------------------------------- SHARED INTERNALS

    function _domainName() internal pure override returns (string memory) {
        return "medshare ConsentRegistry";
    }

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
            current.stamp() == _controls[id.patientOf()].stamp();
    }
}
