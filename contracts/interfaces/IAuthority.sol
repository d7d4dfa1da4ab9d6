// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Authorization} from "../types/Authorization.sol";
import {Delegation} from "../types/Delegation.sol";
import {ISigned} from "./ISigned.sol";

/// @title Who may act for a patient
/// @notice The patient himself; the key that guardians gave him after he lost his own; and delegates whom he appointed,
/// for some verbs, for some purposes, until a date.
/// @dev What nobody but the patient can do: revoke everything, appoint, name guardians, object to a recovery. A delegate
/// can never appoint another, nor grant for longer than he is appointed. A delegate whose date has come (the majority
/// of a child) has no power left, without anybody's act. All times are Unix seconds.
interface IAuthority is ISigned {
    /// @notice A delegation, field by field.
    /// @param notBefore first second in which the delegate may act
    /// @param expiresAt first second in which he no longer may
    /// @param purposes purposes for which he may grant, bits of the library Purposes
    /// @param verbs what he may do, bits of the library Verbs; 0 once dismissed
    /// @param stamp the patient's stamp when he was appointed: another stamp now means that all was revoked since
    /// @param epoch how often he was appointed or dismissed
    struct DelegationFields {
        uint32 notBefore;
        uint32 expiresAt;
        uint16 purposes;
        uint8 verbs;
        uint8 stamp;
        uint8 epoch;
    }

    /// @notice Who can give a patient a new key. Only its digest is on chain until the day it is needed.
    /// @param guardians in ascending order, at most 16
    /// @param threshold how many of them must sign
    /// @param salt 32 random bytes, so that nobody can test a guess about who the guardians are
    struct Circle {
        address[] guardians;
        uint8 threshold;
        bytes32 salt;
    }

    /// @notice What stands about a patient's guardians.
    /// @param circle digest of the circle in force, 0 for none
    /// @param nextCircle digest of the circle that takes its place at `nextFrom`
    /// @param delay seconds between proposing a recovery, or a change of circle, and its effect
    /// @param nextDelay the delay that comes with `nextCircle`
    /// @param nextFrom first second in which `nextCircle` is in force, 0 where none is waiting
    /// @param readyAt first second in which the proposed recovery can be completed, 0 where none is proposed
    /// @param attempt how many recoveries were proposed
    /// @param changes how often guardians were named
    /// @param proposed the key that would take over, 0 where none is proposed
    struct Guardianship {
        bytes32 circle;
        bytes32 nextCircle;
        uint32 delay;
        uint32 nextDelay;
        uint32 nextFrom;
        uint32 readyAt;
        uint32 attempt;
        uint32 changes;
        address proposed;
    }

    /// @notice A patient appointed a delegate, or changed what he may do.
    /// @custom:privacy Makes public that patient and delegate, two pseudonyms, are related, until when, and for what.
    event DelegateAppointed(address indexed patient, address indexed delegate, Delegation delegation);

    /// @notice A patient dismissed a delegate, or the delegate resigned.
    /// @custom:privacy Makes public that the relation ended, and when.
    event DelegateDismissed(address indexed patient, address indexed delegate, uint8 epoch);

    /// @notice What follows in this transaction about the patient was done by somebody who may act for him.
    /// @custom:privacy Makes public that this pseudonym acted for the patient.
    event ActedFor(address indexed patient, address indexed actor);

    /// @notice A patient named the guardians of his key, or changed or dismissed them.
    /// @param circle salted digest of the circle, 0 for none
    /// @param delay seconds between a proposal and its effect, from then on
    /// @param from first second in which this holds
    /// @custom:privacy Makes public that the patient has guardians, and the delay; never who they are or how many.
    event GuardiansNamed(address indexed patient, bytes32 circle, uint32 delay, uint32 from);

    /// @notice Enough guardians want to give the patient a new key. The patient can object until `readyAt`.
    /// @custom:privacy Makes public who the guardians are, and which key shall take over.
    event RecoveryProposed(address indexed patient, address indexed controller, uint32 attempt, uint32 readyAt);

    /// @notice The patient objected: the proposed recovery will not happen.
    /// @custom:privacy Makes public that the patient's key is alive.
    event RecoveryObjected(address indexed patient, uint32 attempt);

    /// @notice From now on this key acts for the patient. All that is left to the lost one is to revoke single grants.
    /// @custom:privacy Makes public which address took over.
    event ControlMoved(address indexed patient, address indexed controller, uint8 tenure);

    /// @notice This address may not do this for this patient.
    /// @custom:privacy Nothing: says what the caller asked.
    error AuthorityNotAllowed(address patient, address actor);

    /// @notice The delegate may grant neither for other purposes nor for longer than he is appointed.
    /// @custom:privacy Nothing: the delegation is public.
    error AuthorityBeyondDelegation(address patient, address delegate);

    /// @notice A signature by a mandate that has ended, or by one that is not the signer's.
    /// @custom:privacy Nothing: the counts are public.
    error AuthorityMandateEnded(address patient, address signer, uint8 mandate);

    /// @notice Nobody can be his own delegate, and neither can the zero address.
    /// @custom:privacy Nothing: says what the caller asked.
    error AuthorityDelegateInvalid(address delegate);

    /// @notice A delegation needs a verb that can be delegated, and purposes where it allows granting.
    /// @custom:privacy Nothing: says what the caller asked.
    error AuthorityScopeInvalid(uint8 verbs, uint16 purposes);

    /// @notice The delegation would end before it begins, or has ended already.
    /// @custom:privacy Nothing: says what the caller asked.
    error AuthorityPeriodEmpty(uint32 notBefore, uint32 expiresAt);

    /// @notice A counter has come to its end: this delegate, or this patient, can have no more of these.
    /// @custom:privacy Nothing: the counts are public.
    error AuthorityExhausted(address patient);

    /// @notice The delay must be between one and ninety days.
    /// @custom:privacy Nothing: says what the caller asked.
    error AuthorityDelayOutOfRange(uint32 delay);

    /// @notice These are not the patient's guardians, or not in ascending order, or the threshold cannot be met.
    /// @custom:privacy Nothing: says what the caller sent.
    error AuthorityCircleInvalid(address patient);

    /// @notice Too few of the guardians signed.
    /// @custom:privacy Nothing: says what the caller sent.
    error AuthorityGuardiansTooFew(uint256 signed, uint8 threshold);

    /// @notice The key that shall take over is zero, the patient's own lost one, or the one in control already.
    /// @custom:privacy Nothing: says what the caller sent.
    error AuthorityControllerInvalid(address controller);

    /// @notice No recovery is proposed.
    /// @custom:privacy Nothing: says what the caller asked.
    error AuthorityNoRecovery(address patient);

    /// @notice The patient can still object: the recovery is not ready.
    /// @custom:privacy Nothing: the proposal is public.
    error AuthorityTooEarly(uint32 readyAt);

    /// @notice Let somebody act for you, until a date; or change what he may do.
    /// @dev Warning: a delegate who may grant can open to others whatever he can read. Dismissing him leaves what he
    /// granted; revoke it, or revoke everything, which also ends every delegation.
    /// @param patient for whom; the caller is the one in control of this patient
    /// @param delegate who shall act
    /// @param wanted dates, purposes and verbs; a `notBefore` that has passed means from this block on
    /// @custom:privacy Makes public that patient and delegate, two pseudonyms, are related, until when, and for what.
    function appoint(address patient, address delegate, Delegation wanted) external;

    /// @notice As appoint, by the signature of the one in control.
    /// @dev The signed struct is `Appoint(address patient,address delegate,uint8 verbs,uint16 purposes,uint32 notBefore,
    /// uint32 expiresAt,uint8 stamp,uint8 epoch,uint8 mandate,uint32 deadline)`: stamp and epoch as they stand.
    /// @param wanted as for appoint, with stamp and epoch as they were signed
    /// @custom:privacy As appoint.
    function appointSigned(
        address patient,
        address delegate,
        Delegation wanted,
        Authorization authorization,
        bytes calldata signature
    ) external;

    /// @notice Dismiss a delegate, from this block on; the delegate himself may resign.
    /// @dev Never refused to the one in control, and may be repeated: it also ends what was signed before.
    /// @custom:privacy Makes public that the relation ended, and when.
    function dismiss(address patient, address delegate) external;

    /// @notice As dismiss, by signature of the one in control, or of the delegate.
    /// @dev The signed struct is `Dismiss(address patient,address delegate,uint8 lastEpoch,uint8 mandate,
    /// uint32 deadline)`: it ends every appointment up to this epoch, those that come before it in the queue included.
    /// @custom:privacy As dismiss.
    function dismissSigned(
        address patient,
        address delegate,
        uint8 lastEpoch,
        Authorization authorization,
        bytes calldata signature
    ) external;

    /// @notice Name those who together can give you a new key if you lose yours.
    /// @dev The first circle holds at once. A change holds after the delay of the one before, so that who finds a key
    /// cannot lock the guardians out before they act.
    /// @param circle keccak256(abi.encode(patient, guardians, threshold, salt)), 0 for none
    /// @param delay seconds in which the patient can object to a recovery, 1 to 90 days
    /// @custom:privacy Makes public that the patient has guardians, and the delay; never who they are or how many.
    function nameGuardians(address patient, bytes32 circle, uint32 delay) external;

    /// @notice As nameGuardians, by the signature of the one in control.
    /// @dev The signed struct is `NameGuardians(address patient,bytes32 circle,uint32 delay,uint32 changes,
    /// uint8 mandate,uint32 deadline)`: how often guardians were named so far.
    /// @custom:privacy As nameGuardians.
    function nameGuardiansSigned(
        address patient,
        bytes32 circle,
        uint32 delay,
        uint32 changes,
        Authorization authorization,
        bytes calldata signature
    ) external;

    /// @notice Propose a new key for a patient who lost his, with the signatures of enough guardians. Anybody may send.
    /// @dev The signed struct is `Recover(address patient,address controller,uint32 attempt,uint32 deadline)`.
    /// A later proposal takes the place of an earlier one, and its delay begins anew.
    /// @param circle the circle in force
    /// @param signatures one for each guardian, in their order; empty for who has not signed
    /// @custom:privacy Makes public who the guardians are, and which key shall take over.
    function proposeRecovery(
        address patient,
        address controller,
        Circle calldata circle,
        uint32 deadline,
        bytes[] calldata signatures
    ) external;

    /// @notice Object to the recovery that is proposed: my key is not lost.
    /// @custom:privacy Makes public that the patient's key is alive.
    function objectToRecovery(address patient) external;

    /// @notice As objectToRecovery, by the signature of the one in control.
    /// @dev The signed struct is `ObjectToRecovery(address patient,uint32 attempt,uint8 mandate,uint32 deadline)`.
    /// @custom:privacy As objectToRecovery.
    function objectToRecoverySigned(address patient, Authorization authorization, bytes calldata signature) external;

    /// @notice Complete a recovery to which nobody objected in time. Anybody may send.
    /// @custom:privacy Makes public which address took over.
    function completeRecovery(address patient) external;

    /// @notice The address in control of this patient: himself, unless his key was recovered.
    /// @custom:privacy Nothing new: reads what is public.
    function controllerOf(address patient) external view returns (address controller, uint8 tenure);

    /// @notice A delegation as it stands, in force or not. Nothing but zeros where nobody was ever appointed.
    /// @custom:privacy Nothing new: reads what is public.
    function getDelegation(address patient, address delegate) external view returns (DelegationFields memory);

    /// @notice Whether a delegate may do all of `verbs` for all of `purposes` now.
    /// @custom:privacy Nothing new: reads what is public.
    function isDelegate(
        address patient,
        address delegate,
        uint8 verbs,
        uint16 purposes
    ) external view returns (bool);

    /// @notice What stands about a patient's guardians and recovery.
    /// @custom:privacy Nothing new: reads what is public.
    function getGuardianship(address patient) external view returns (Guardianship memory);

    /// @notice How often a patient has revoked everything: only grants and delegations with this stamp can be live.
    /// @custom:privacy Nothing new: reads what is public.
    function getStamp(address patient) external view returns (uint8);
}
