// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Authorization} from "../types/Authorization.sol";
import {Grant} from "../types/Grant.sol";
import {BundleId, DocumentId, GrantId, RequestId} from "../types/Ids.sol";
import {IEscrow} from "./IEscrow.sol";

/// @title Asking for access, and rewarding it
/// @notice A researcher asks patients for access under stated terms, and holds out a reward; a patient who accepts grants
/// and reserves it in one transaction, with the one signature that grants; whose custodian delivers is paid with him.
/// @dev Nothing here can grant: the ConsentRegistry takes the patient's signature, or nothing. What is signed binds the
/// request and the custodian, since the terms of such a grant are
/// `keccak256(abi.encode(address(this), requestId, custodian, content))`. So a signature that somebody sends to the
/// ConsentRegistry first loses nobody's reward, and nobody can put another custodian or request in its place.
/// What was delivered is earned, whatever the patient does afterwards: revoking never costs a reward.
interface IAccessRequests is IEscrow {
    enum RequestStatus {
        Unknown,
        AwaitingApproval,
        Open,
        Cancelled
    }

    enum ReservationStatus {
        None,
        Reserved,
        Delivered,
        Disputed,
        Paid,
        Returned
    }

    /// @notice What is asked for, and what is held out for it. Who asks is who will read.
    /// @param purposes bits of the library Purposes that each grant must have
    /// @param category by which rewards are divided, as the consortium numbered them
    /// @param grants how many patients at most
    /// @param deadline first second in which it is too late to accept or deliver, Unix time
    /// @param accessDays how many days after the deadline each grant must at least last
    /// @param token what the reward is paid in, 0 for the native coin
    /// @param reward for each grant, in the token's smallest unit; 0 for a request without reward
    /// @param document digest of the CID of the document that says what is asked, by whom and what for
    /// @param invitees root of the Merkle tree of those who are asked, 0 for an open call
    /// @param minimumScore with less, from 0 to 100, nothing can be delivered; 0 for no condition
    /// @param qualityMethod by which method of assessors scores count; 0 where none is asked for
    /// @param qualityWeight ten thousandths of the custodian's share that depend on the score; 0 for none
    struct Terms {
        uint16 purposes;
        uint8 category;
        uint16 grants;
        uint32 deadline;
        uint16 accessDays;
        address token;
        uint128 reward;
        DocumentId document;
        bytes32 invitees;
        uint8 minimumScore;
        uint16 qualityMethod;
        uint16 qualityWeight;
    }

    /// @notice A request as it stands.
    /// @param requester who opened it, pays, and will read
    /// @param deadline as in its terms
    /// @param accessDays as in its terms
    /// @param purposes as in its terms
    /// @param places how many patients can still accept
    /// @param status whether it can be accepted
    /// @param isOpenCall whether anybody can accept
    /// @param token as in its terms
    /// @param grants as in its terms
    /// @param delivered how many of those who accepted were delivered so far
    /// @param returned how many rewards went back unearned, those of disputes apart
    /// @param patientShare ten thousandths of a reward, as they stood when it opened
    /// @param custodianShare ten thousandths of a reward, as they stood when it opened
    /// @param category as in its terms
    /// @param minimumScore as in its terms
    /// @param reward as in its terms
    /// @param disputePeriod seconds from delivery in which the requester can dispute, as when it opened
    /// @param decisionPeriod seconds from a dispute in which it must be decided, as when it opened
    /// @param qualityMethod as in its terms
    /// @param qualityWeight as in its terms
    /// @param document as in its terms
    /// @param invitees as in its terms
    struct Request {
        address requester;
        uint32 deadline;
        uint16 accessDays;
        uint16 purposes;
        uint16 places;
        RequestStatus status;
        bool isOpenCall;
        address token;
        uint16 grants;
        uint16 delivered;
        uint16 returned;
        uint16 patientShare;
        uint16 custodianShare;
        uint8 category;
        uint8 minimumScore;
        uint128 reward;
        uint32 disputePeriod;
        uint32 decisionPeriod;
        uint16 qualityMethod;
        uint16 qualityWeight;
        DocumentId document;
        bytes32 invitees;
    }

    /// @notice One patient's part in a request.
    /// @param custodian who delivers, and is paid with the patient
    /// @param since when it was reserved, delivered or disputed last, Unix time
    /// @param status how far it has come
    /// @param score the lowest that is attested of what was delivered, as the custodian stated it; 0 before
    struct Reservation {
        address custodian;
        uint32 since;
        ReservationStatus status;
        uint8 score;
    }

    /// @notice What a patient signed to accept a request: the Grant struct of the ConsentRegistry.
    /// @param patient whose records
    /// @param custodian who shall deliver
    /// @param content salted digest of the consent's full text
    /// @param bundle digest of the CID of the key bundle
    /// @param wanted the grant, with stamp and epoch as signed
    /// @param authorization who signed and until when it may be sent
    /// @param signature over the Grant struct of the ConsentRegistry
    struct Acceptance {
        address patient;
        address custodian;
        bytes32 content;
        BundleId bundle;
        Grant wanted;
        Authorization authorization;
        bytes signature;
    }

    /// @notice What shows that a patient is among those who are asked; empty for an open call.
    /// @param salt of the patient's leaf, `keccak256(bytes.concat(keccak256(abi.encode(patient, salt))))`
    /// @param proof from that leaf to the root
    struct Invitation {
        bytes32 salt;
        bytes32[] proof;
    }

    /// @notice A researcher opened a request, and its rewards are held here.
    /// @custom:privacy Makes public who asks, for which coarse purposes, how many, of which quality, until when and for
    /// how much; what else the document says is for whom it is meant.
    event RequestOpened(RequestId indexed id, address indexed requester, Request request);

    /// @notice A study on open call was approved: patients can accept from now on.
    /// @custom:privacy Makes public who approved it, and when.
    event StudyApproved(RequestId indexed id, address indexed by);

    /// @notice A request was ended before its time; what nobody has reserved went back.
    /// @custom:privacy Makes public that it ended, by whom, and when; never why.
    event RequestCancelled(RequestId indexed id, address indexed by, uint16 returned);

    /// @notice What was not earned by the deadline went back.
    /// @custom:privacy Nothing beyond the events before it.
    event UnearnedReturned(RequestId indexed id, uint16 returned);

    /// @notice A patient accepted: access is granted and his reward reserved.
    /// @param content the patient's salted digest, which whoever delivers states again
    /// @custom:privacy Makes public that this pseudonym takes part in this request, and with which custodian.
    event RewardReserved(RequestId indexed id, address indexed patient, address indexed custodian, bytes32 content);

    /// @notice The custodian stated that what was granted can be fetched with this bundle.
    /// @param score the lowest that assessors attest of the records that were delivered; 0 where nothing is
    /// @custom:privacy Makes public that and when it was delivered, and how good in form the worst of it is.
    event AccessDelivered(RequestId indexed id, address indexed patient, BundleId bundle, uint8 score);

    /// @notice The custodian has nothing to deliver: the reservation is free again, and the grant as it was.
    /// @custom:privacy Makes public that this custodian declined, and when; never why.
    event DeliveryDeclined(RequestId indexed id, address indexed patient);

    /// @notice The requester says that what was delivered is not what was promised.
    /// @param reason salted digest of the reason; the text is off chain
    /// @custom:privacy Makes public that it was disputed; the reason only to who has its text and salt.
    event DeliveryDisputed(RequestId indexed id, address indexed patient, bytes32 reason);

    /// @notice A reward was divided among patient, custodian and consortium.
    /// @param toRequester what of the custodian's share its quality has not earned, and went back
    /// @custom:privacy Makes public what each of the pseudonyms earned.
    event RewardPaid(
        RequestId indexed id,
        address indexed patient,
        uint256 toPatient,
        uint256 toCustodian,
        uint256 toConsortium,
        uint256 toRequester
    );

    /// @notice The consortium decided a dispute for the requester: the reward went back.
    /// @custom:privacy Makes public how the dispute ended.
    event RewardReturned(RequestId indexed id, address indexed patient);

    /// @notice Requests that open from now on have these periods.
    /// @custom:privacy Makes public what was decided.
    event PeriodsSet(uint32 disputePeriod, uint32 decisionPeriod);

    /// @notice This address is not accredited for what it asked.
    /// @custom:privacy Nothing: accreditations are public.
    error AccessRequestsNotAccredited(address actor);

    /// @notice This address may not do this to this request.
    /// @custom:privacy Nothing: says what the caller asked.
    error AccessRequestsNotAllowed(address caller);

    /// @notice Nobody opened such a request.
    /// @custom:privacy Nothing: says what the caller asked.
    error AccessRequestsRequestUnknown(RequestId id);

    /// @notice The request cannot be accepted, approved or cancelled: it awaits approval, is approved, or was cancelled.
    /// @custom:privacy Nothing: requests are public.
    error AccessRequestsRequestNotOpen(RequestId id, RequestStatus status);

    /// @notice It is too late.
    /// @custom:privacy Nothing: requests are public.
    error AccessRequestsDeadlinePassed(RequestId id, uint32 deadline);

    /// @notice It is too early: the period has not ended.
    /// @custom:privacy Nothing: requests are public.
    error AccessRequestsTooEarly(RequestId id, uint256 earliest);

    /// @notice As many patients have accepted as there are rewards.
    /// @custom:privacy Nothing: requests are public.
    error AccessRequestsUsedUp(RequestId id);

    /// @notice The terms of a request cannot be: no purpose or one that cannot be asked for, no grants, no document, a
    /// deadline that has passed, a score above 100, a weight above the whole, or one of them without a method.
    /// @custom:privacy Nothing: says what the caller asked.
    error AccessRequestsTermsInvalid();

    /// @notice The consortium has not said how rewards of this category are divided.
    /// @custom:privacy Nothing: says what the caller asked.
    error AccessRequestsCategoryUnknown(uint8 category);

    /// @notice The patient is not among those who are asked.
    /// @custom:privacy Nothing: says what the caller sent.
    error AccessRequestsNotInvited(RequestId id, address patient);

    /// @notice The patient has accepted already: one reward for each patient.
    /// @custom:privacy Nothing: reservations are public.
    error AccessRequestsReservedAlready(RequestId id, address patient);

    /// @notice The grant is not what the request asks for: another grantee, fewer purposes, begun later or ended earlier.
    /// @custom:privacy Nothing: says what was sent.
    error AccessRequestsGrantUnfit(RequestId id, Grant wanted);

    /// @notice The grant is not live: it was revoked or has ended.
    /// @custom:privacy Nothing: grants are public.
    error AccessRequestsGrantNotLive(RequestId id, address patient);

    /// @notice What is delivered is not as good as the request asks for, or the score is none.
    /// @custom:privacy Nothing: says what was sent; requests are public.
    error AccessRequestsScoreUnfit(RequestId id, uint8 score, uint8 minimumScore);

    /// @notice The patient's part has not come so far, or is past it.
    /// @custom:privacy Nothing: reservations are public.
    error AccessRequestsReservationNot(RequestId id, address patient, ReservationStatus status);

    /// @notice There is nothing to give back.
    /// @custom:privacy Nothing: requests are public.
    error AccessRequestsNothingToReturn(RequestId id);

    /// @notice Periods must be between an hour and 90 days.
    /// @custom:privacy Nothing: says what was proposed.
    error AccessRequestsPeriodsOutOfRange(uint32 disputePeriod, uint32 decisionPeriod);

    /// @notice Ask patients for access; all rewards are deposited at once.
    /// @dev An open call awaits the approval of an ethics committee, or a vote. Shares and periods are those of now.
    /// For the native coin send reward × grants with the call; for a token, let this contract take as much before.
    /// @custom:privacy Makes public who asks, for which coarse purposes, how many, of which quality, until when and for
    /// how much.
    function open(Terms calldata terms) external payable returns (RequestId id);

    /// @notice Approve a study on open call, as an accredited ethics committee or by vote; never one's own.
    /// @custom:privacy Makes public who approved it, and when.
    function approveStudy(RequestId id) external;

    /// @notice End a request: nobody else can accept. As the requester, or by vote.
    /// @dev What nobody has reserved goes back at once. Who has accepted keeps his reservation, and earns the reward if
    /// it is delivered before the deadline; grants stay as they are, until they end or are revoked.
    /// @custom:privacy Makes public that it ended, by whom, and when; never why.
    function cancel(RequestId id) external;

    /// @notice Give back what was not earned by the deadline. Anybody may send.
    /// @custom:privacy Nothing beyond what is public.
    function returnUnearned(RequestId id) external;

    /// @notice Accept a request with the patient's signature: grant access, reserve the reward. Anybody may send.
    /// @dev Where the signature was sent to the ConsentRegistry before, the grant that stands is taken.
    /// @param acceptance what was signed
    /// @param invitation what shows that the patient is asked
    /// @custom:privacy Makes public that this pseudonym takes part in this request, and with which custodian.
    function accept(RequestId id, Acceptance calldata acceptance, Invitation calldata invitation) external;

    /// @notice State that what was granted can be fetched, as the accredited custodian whom the patient named.
    /// @param content the patient's salted digest, which shows that the grant is for this request
    /// @param bundle digest of the CID of the key bundle
    /// @param score the lowest, from 0 to 100, that assessors attest of what is delivered; 0 where nothing is attested.
    /// A false one is a ground of dispute, like any other false delivery
    /// @custom:privacy Makes public that and when it was delivered, and how good in form the worst of it is.
    function deliver(RequestId id, address patient, bytes32 content, BundleId bundle, uint8 score) external;

    /// @notice State, as the custodian whom the patient named, that there is nothing to deliver.
    /// @dev Who reserves in a stranger's name, or names a custodian who does not know him, takes nobody's place for long.
    /// Anybody may, where the custodian is not accredited. While the grant stands, the patient can be accepted again.
    /// @custom:privacy Makes public that this custodian declined, and when; never why.
    function decline(RequestId id, address patient) external;

    /// @notice Confirm a delivery, as the requester: the reward is paid. Ends a dispute, too.
    /// @dev What of the custodian's share quality has not earned, `share * qualityWeight * (100 - score) / 1,000,000`,
    /// goes back to the requester; patient and consortium have theirs whatever the score.
    /// @custom:privacy Makes public what each of the pseudonyms earned.
    function confirm(RequestId id, address patient) external;

    /// @notice Dispute a delivery, as the requester, while the period for it lasts.
    /// @param reason salted digest of the reason
    /// @custom:privacy Makes public that it was disputed.
    function dispute(RequestId id, address patient, bytes32 reason) external;

    /// @notice Decide a dispute. By vote.
    /// @param paid whether the reward is paid, or goes back
    /// @custom:privacy Makes public how the dispute ended.
    function decide(RequestId id, address patient, bool paid) external;

    /// @notice Pay a reward that nobody disputed in time, or whose dispute nobody decided in time. Anybody may send.
    /// @custom:privacy Makes public what each of the pseudonyms earned.
    function release(RequestId id, address patient) external;

    /// @notice Set the periods of requests that open from now on. By vote.
    /// @custom:privacy Makes public what was decided.
    function setPeriods(uint32 disputePeriod, uint32 decisionPeriod) external;

    /// @notice A request as it stands. Reverts where there is none.
    /// @custom:privacy Nothing new: reads what is public.
    function getRequest(RequestId id) external view returns (Request memory);

    /// @notice A patient's part in a request; zeros where he has none.
    /// @custom:privacy Nothing new: reads what is public.
    function getReservation(RequestId id, address patient) external view returns (Reservation memory);

    /// @notice How many requests were opened so far.
    /// @custom:privacy Nothing new: reads what is public.
    function requests() external view returns (uint256);

    /// @notice The periods of a request that opens now.
    /// @custom:privacy Nothing new: reads what is public.
    function periods() external view returns (uint32 disputePeriod, uint32 decisionPeriod);
}
