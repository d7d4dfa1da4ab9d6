// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Signed} from "./Signed.sol";
import {IAuthority} from "./interfaces/IAuthority.sol";
import {Verbs} from "./libraries/Verbs.sol";
import {Authorization} from "./types/Authorization.sol";
import {Control} from "./types/Control.sol";
import {Delegation} from "./types/Delegation.sol";

/// @title Authority
/// @notice Who may act for a patient: himself or the key that took over, and delegates.
/// @dev Each verb asks once, through one of `_requireControl`, `_requireSignedControl` or `_requireVerb`.
abstract contract Authority is Signed, IAuthority {
    /// @dev Counters stop here instead of wrapping: what has come so far can still be ended, never begun.
    uint256 internal constant LAST = type(uint8).max;

    bytes32 private constant APPOINT =
        keccak256(
            "Appoint(address patient,address delegate,uint8 verbs,uint16 purposes,uint32 notBefore,uint32 expiresAt,uint8 stamp,uint8 epoch,uint8 mandate,uint32 deadline)"
        );
    bytes32 private constant DISMISS =
        keccak256("Dismiss(address patient,address delegate,uint8 lastEpoch,uint8 mandate,uint32 deadline)");

    // slot 0: stamp, tenure, controller
    mapping(address patient => Control) internal _controls;

    // slot 0: notBefore, expiresAt, purposes, verbs, stamp, epoch
    mapping(address patient => mapping(address delegate => Delegation)) private _delegations;

    // ----------------------------------------------------------------------------------------- APPOINTING DELEGATES

    /// @inheritdoc IAuthority
    function appoint(address patient, address delegate, Delegation wanted) external {
        Control control = _requireControl(patient, msg.sender);

        _appoint(patient, control, delegate, wanted);
    }

    /// @inheritdoc IAuthority
    function appointSigned(
        address patient,
        address delegate,
        Delegation wanted,
        Authorization authorization,
        bytes calldata signature
    ) external {
        Control control = _requireSignedControl(
            patient,
            _appointHash(patient, delegate, wanted, authorization),
            authorization,
            signature
        );

        uint8 epoch = _delegations[patient][delegate].epoch();
        if (wanted.stamp() != control.stamp()) revert SignedOutdated(wanted.stamp(), control.stamp());
        if (wanted.epoch() != epoch) revert SignedOutdated(wanted.epoch(), epoch);

        _appoint(patient, control, delegate, wanted);
    }

    function _appoint(address patient, Control control, address delegate, Delegation wanted) private {
        uint256 epoch = uint256(_delegations[patient][delegate].epoch()) + 1;

        if (epoch >= LAST || control.stamp() == LAST) revert AuthorityExhausted(patient);
        if (delegate == address(0) || delegate == patient || delegate == control.controller()) {
            revert AuthorityDelegateInvalid(delegate);
        }
        uint8 verbs = wanted.verbs();
        if (verbs == 0 || verbs & ~Verbs.ALL != 0 || (verbs & Verbs.GRANT != 0) != (wanted.purposes() != 0)) {
            revert AuthorityScopeInvalid(verbs, wanted.purposes());
        }
        Delegation delegation = wanted.startingFrom(block.timestamp).underCount(control.stamp(), epoch);
        if (delegation.notBefore() >= delegation.expiresAt()) {
            revert AuthorityPeriodEmpty(delegation.notBefore(), delegation.expiresAt());
        }

        _delegations[patient][delegate] = delegation;

        emit DelegateAppointed(patient, delegate, delegation);
    }

    function _appointHash(
        address patient,
        address delegate,
        Delegation wanted,
        Authorization authorization
    ) private pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    APPOINT,
                    patient,
                    delegate,
                    wanted.verbs(),
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

    // ----------------------------------------------------------------------------------------- DISMISSING DELEGATES

    /// @inheritdoc IAuthority
    function dismiss(address patient, address delegate) external {
        if (msg.sender != delegate) _requireControl(patient, msg.sender);

        uint256 epoch = _delegations[patient][delegate].epoch();

        _dismiss(patient, delegate, epoch == LAST ? LAST : epoch + 1);
    }

    /// @inheritdoc IAuthority
    function dismissSigned(
        address patient,
        address delegate,
        uint8 lastEpoch,
        Authorization authorization,
        bytes calldata signature
    ) external {
        bytes32 hash = keccak256(
            abi.encode(DISMISS, patient, delegate, lastEpoch, authorization.mandate(), authorization.deadline())
        );
        uint8 epoch = _delegations[patient][delegate].epoch();

        if (authorization.signer() == delegate) {
            // Resigning needs no more than being the delegate; the epoch says of which appointment.
            if (authorization.mandate() != epoch) {
                revert AuthorityMandateEnded(patient, authorization.signer(), authorization.mandate());
            }
            _requireSignature(authorization.signer(), hash, authorization.deadline(), signature);
        } else {
            _requireSignedControl(patient, hash, authorization, signature);
        }
        if (epoch > lastEpoch) revert SignedOutdated(lastEpoch, epoch);

        _dismiss(patient, delegate, lastEpoch == LAST ? LAST : uint256(lastEpoch) + 1);
    }

    function _dismiss(address patient, address delegate, uint256 epoch) private {
        _delegations[patient][delegate] = _delegations[patient][delegate].dismissed(epoch);

        emit DelegateDismissed(patient, delegate, uint8(epoch));
    }

    // ------------------------------------------------------------------------------------------------------ VIEWS

    /// @inheritdoc IAuthority
    function controllerOf(address patient) external view returns (address controller, uint8 tenure) {
        Control control = _controls[patient];

        return (_controllerOf(patient, control), control.tenure());
    }

    /// @inheritdoc IAuthority
    function getDelegation(address patient, address delegate) external view returns (DelegationFields memory) {
        Delegation delegation = _delegations[patient][delegate];

        return
            DelegationFields({
                notBefore: delegation.notBefore(),
                expiresAt: delegation.expiresAt(),
                purposes: delegation.purposes(),
                verbs: delegation.verbs(),
                stamp: delegation.stamp(),
                epoch: delegation.epoch()
            });
    }

    /// @inheritdoc IAuthority
    function isDelegate(
        address patient,
        address delegate,
        uint8 verbs,
        uint16 purposes
    ) external view returns (bool) {
        Delegation delegation = _delegations[patient][delegate];

        return
            _mayNow(delegation, _controls[patient], verbs) && delegation.purposes() & purposes == purposes;
    }

    /// @inheritdoc IAuthority
    function getStamp(address patient) external view returns (uint8) {
        return _controls[patient].stamp();
    }

    // -------------------------------------------------------------------------------------------- SHARED INTERNALS

    /// @dev The one in control of this patient, and nobody else.
    function _requireControl(address patient, address actor) internal view returns (Control control) {
        control = _controls[patient];

        if (actor != _controllerOf(patient, control)) revert AuthorityNotAllowed(patient, actor);
    }

    /// @dev As `_requireControl`, by signature.
    function _requireSignedControl(
        address patient,
        bytes32 structHash,
        Authorization authorization,
        bytes calldata signature
    ) internal view returns (Control control) {
        if (authorization.isPatients()) {
            control = _requireControl(patient, patient);
            _requireSignature(patient, structHash, authorization.deadline(), signature);
            return control;
        }
        control = _requireControl(patient, authorization.signer());
        _requireMandate(patient, control.tenure(), authorization);
        _requireSignature(authorization.signer(), structHash, authorization.deadline(), signature);
    }

    /// @dev The one in control, or a delegate in force who may do this verb; his delegation, empty for who is in control.
    function _requireVerb(
        address patient,
        Control control,
        address actor,
        uint8 verb
    ) internal view returns (Delegation delegation) {
        if (actor == _controllerOf(patient, control)) return delegation;

        delegation = _delegations[patient][actor];
        if (!_mayNow(delegation, control, verb)) revert AuthorityNotAllowed(patient, actor);
    }

    /// @dev As `_requireVerb`, by signature.
    function _requireSignedVerb(
        address patient,
        Control control,
        uint8 verb,
        bytes32 structHash,
        Authorization authorization,
        bytes calldata signature
    ) internal view returns (Delegation delegation) {
        if (authorization.isPatients()) {
            if (!control.isPatientHimself()) revert AuthorityNotAllowed(patient, patient);
            _requireSignature(patient, structHash, authorization.deadline(), signature);
            return delegation;
        }
        delegation = _requireVerb(patient, control, authorization.signer(), verb);
        bool isController = delegation.epoch() == 0;
        _requireMandate(patient, isController ? control.tenure() : delegation.epoch(), authorization);
        _requireSignature(authorization.signer(), structHash, authorization.deadline(), signature);
    }

    function _requireMandate(address patient, uint8 current, Authorization authorization) private pure {
        if (authorization.mandate() != current) {
            revert AuthorityMandateEnded(patient, authorization.signer(), authorization.mandate());
        }
    }

    function _controllerOf(address patient, Control control) internal pure returns (address) {
        return control.isPatientHimself() ? patient : control.controller();
    }

    /// @dev The one place that says when a delegate may act.
    function _mayNow(Delegation delegation, Control control, uint8 verbs) private view returns (bool) {
        return
            delegation.verbs() & verbs == verbs &&
            delegation.verbs() != 0 &&
            delegation.notBefore() <= block.timestamp &&
            block.timestamp < delegation.expiresAt() &&
            delegation.stamp() == control.stamp();
    }
}
