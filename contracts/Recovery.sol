// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Authority} from "./Authority.sol";
import {IAuthority} from "./interfaces/IAuthority.sol";
import {Authorization} from "./types/Authorization.sol";
import {Control} from "./types/Control.sol";

/// @title Recovery
/// @notice A patient who lost his key gets a new one from guardians whom he named, after a delay in which he can object.
/// @dev For a lost key, not for a stolen one: who holds the old key can object. Guardians can move control, and that is
/// all: they can neither read nor grant.
abstract contract Recovery is Authority {
    uint32 private constant SHORTEST_DELAY = 1 days;
    uint32 private constant LONGEST_DELAY = 90 days;
    uint256 private constant MOST_GUARDIANS = 16;

    bytes32 private constant NAME_GUARDIANS =
        keccak256(
            "NameGuardians(address patient,bytes32 circle,uint32 delay,uint32 changes,uint8 mandate,uint32 deadline)"
        );
    bytes32 private constant RECOVER =
        keccak256("Recover(address patient,address controller,uint32 attempt,uint32 deadline)");
    bytes32 private constant OBJECT_TO_RECOVERY =
        keccak256("ObjectToRecovery(address patient,uint32 attempt,uint8 mandate,uint32 deadline)");

    // slot 0: circle; slot 1: nextCircle; slot 2: delay, nextDelay, nextFrom, readyAt, attempt, changes; slot 3: proposed
    mapping(address patient => Guardianship) private _guardianships;

    // ------------------------------------------------------------------------------------------- NAMING GUARDIANS

    /// @inheritdoc IAuthority
    function nameGuardians(address patient, bytes32 circle, uint32 delay) external {
        _requireControl(patient, msg.sender);

        _nameGuardians(patient, circle, delay);
    }

    /// @inheritdoc IAuthority
    function nameGuardiansSigned(
        address patient,
        bytes32 circle,
        uint32 delay,
        uint32 changes,
        Authorization authorization,
        bytes calldata signature
    ) external {
        bytes32 hash = keccak256(
            abi.encode(
                NAME_GUARDIANS,
                patient,
                circle,
                delay,
                changes,
                authorization.mandate(),
                authorization.deadline()
            )
        );
        _requireSignedControl(patient, hash, authorization, signature);

        uint32 current = _guardianships[patient].changes;
        if (changes != current) revert SignedOutdated(changes, current);

        _nameGuardians(patient, circle, delay);
    }

    function _nameGuardians(address patient, bytes32 circle, uint32 delay) private {
        if (delay < SHORTEST_DELAY || delay > LONGEST_DELAY) revert AuthorityDelayOutOfRange(delay);

        Guardianship storage guardianship = _guardianships[patient];
        _takeTurn(guardianship);

        uint32 from = uint32(block.timestamp);
        if (guardianship.circle == bytes32(0)) {
            guardianship.circle = circle;
            guardianship.delay = delay;
        } else {
            from += guardianship.delay;
            guardianship.nextCircle = circle;
            guardianship.nextDelay = delay;
            guardianship.nextFrom = from;
        }
        ++guardianship.changes;

        emit GuardiansNamed(patient, circle, delay, from);
    }

    // -------------------------------------------------------------------------------------------- RECOVERING A KEY

    /// @inheritdoc IAuthority
    function proposeRecovery(
        address patient,
        address controller,
        Circle calldata circle,
        uint32 deadline,
        bytes[] calldata signatures
    ) external {
        Guardianship storage guardianship = _guardianships[patient];
        _takeTurn(guardianship);
        Control control = _controls[patient];

        if (control.tenure() == LAST) revert AuthorityExhausted(patient);
        if (controller == address(0) || controller == patient || controller == control.controller()) {
            revert AuthorityControllerInvalid(controller);
        }
        _requireCircle(patient, guardianship.circle, circle, signatures.length);
        uint32 attempt = guardianship.attempt + 1;
        bytes32 hash = keccak256(abi.encode(RECOVER, patient, controller, attempt, deadline));
        uint256 signed = _countSignatures(circle.guardians, hash, deadline, signatures);
        if (signed < circle.threshold) revert AuthorityGuardiansTooFew(signed, circle.threshold);

        uint32 readyAt = uint32(block.timestamp) + guardianship.delay;
        guardianship.proposed = controller;
        guardianship.readyAt = readyAt;
        guardianship.attempt = attempt;

        emit RecoveryProposed(patient, controller, attempt, readyAt);
    }

    function _requireCircle(
        address patient,
        bytes32 named,
        Circle calldata circle,
        uint256 signatures
    ) private pure {
        uint256 count = circle.guardians.length;

        if (
            named == bytes32(0) ||
            named != keccak256(abi.encode(patient, circle.guardians, circle.threshold, circle.salt)) ||
            circle.threshold == 0 ||
            circle.threshold > count ||
            count > MOST_GUARDIANS ||
            count != signatures
        ) revert AuthorityCircleInvalid(patient);
        // Ascending: nobody counts twice. Nobody signs for zero.
        for (uint256 i = 1; i < count; ++i) {
            if (circle.guardians[i] <= circle.guardians[i - 1]) revert AuthorityCircleInvalid(patient);
        }
    }

    function _countSignatures(
        address[] calldata guardians,
        bytes32 hash,
        uint32 deadline,
        bytes[] calldata signatures
    ) private view returns (uint256 signed) {
        for (uint256 i = 0; i < guardians.length; ++i) {
            if (signatures[i].length == 0) continue;
            _requireSignature(guardians[i], hash, deadline, signatures[i]);
            ++signed;
        }
    }

    /// @inheritdoc IAuthority
    function objectToRecovery(address patient) external {
        _requireControl(patient, msg.sender);

        _object(patient);
    }

    /// @inheritdoc IAuthority
    function objectToRecoverySigned(address patient, Authorization authorization, bytes calldata signature) external {
        uint32 attempt = _guardianships[patient].attempt;
        bytes32 hash = keccak256(
            abi.encode(OBJECT_TO_RECOVERY, patient, attempt, authorization.mandate(), authorization.deadline())
        );
        _requireSignedControl(patient, hash, authorization, signature);

        _object(patient);
    }

    function _object(address patient) private {
        Guardianship storage guardianship = _guardianships[patient];

        if (guardianship.readyAt == 0) revert AuthorityNoRecovery(patient);

        guardianship.proposed = address(0);
        guardianship.readyAt = 0;

        emit RecoveryObjected(patient, guardianship.attempt);
    }

    /// @inheritdoc IAuthority
    function completeRecovery(address patient) external {
        Guardianship storage guardianship = _guardianships[patient];
        uint32 readyAt = guardianship.readyAt;

        if (readyAt == 0) revert AuthorityNoRecovery(patient);
        if (block.timestamp < readyAt) revert AuthorityTooEarly(readyAt);

        Control control = _controls[patient];
        address controller = guardianship.proposed;
        uint8 tenure = control.tenure() + 1;
        _controls[patient] = control.movedTo(controller, tenure);
        guardianship.proposed = address(0);
        guardianship.readyAt = 0;

        emit ControlMoved(patient, controller, tenure);
    }

    // ------------------------------------------------------------------------------------------------------ VIEWS

    /// @inheritdoc IAuthority
    function getGuardianship(address patient) external view returns (Guardianship memory) {
        return _guardianships[patient];
    }

    /// @dev Puts the next circle in force when its time has come.
    function _takeTurn(Guardianship storage guardianship) private {
        uint32 nextFrom = guardianship.nextFrom;

        if (nextFrom == 0 || block.timestamp < nextFrom) return;

        guardianship.circle = guardianship.nextCircle;
        guardianship.delay = guardianship.nextDelay;
        guardianship.nextCircle = bytes32(0);
        guardianship.nextDelay = 0;
        guardianship.nextFrom = 0;
    }
}
