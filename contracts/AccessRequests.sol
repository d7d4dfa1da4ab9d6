// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

import {Escrow} from "./Escrow.sol";
import {IAccessRequests} from "./interfaces/IAccessRequests.sol";
import {IAccreditation} from "./interfaces/IAccreditation.sol";
import {IConsentRegistry} from "./interfaces/IConsentRegistry.sol";
import {GrantIds} from "./libraries/GrantIds.sol";
import {Purposes} from "./libraries/Purposes.sol";
import {Grant} from "./types/Grant.sol";
import {BundleId, DocumentId, GrantId, RequestId, TermsDigest} from "./types/Ids.sol";

/// @title AccessRequests
/// @notice A researcher asks and deposits, a patient accepts, his custodian delivers, and the reward is divided.
/// @dev Immutable, without owner. Of each deposit, what is neither reserved and delivered nor given back is returned
/// after the deadline; a reservation that is delivered is paid, unless a dispute is decided against it.
contract AccessRequests is Escrow, IAccessRequests {
    uint32 private constant SHORTEST_PERIOD = 1 hours;
    uint32 private constant LONGEST_PERIOD = 90 days;
    uint8 private constant BEST_SCORE = 100;
    uint16 private constant NEVER_ASKED_FOR = Purposes.ETREAT | Purposes.BTG;

    IAccreditation private immutable _accreditation;
    IConsentRegistry private immutable _consents;

    uint32 private _disputePeriod;
    uint32 private _decisionPeriod;

    // slot 0: requester, deadline, accessDays, purposes, places, status, isOpenCall: what accepting reads;
    // slot 1: token, grants, delivered, returned, patientShare, custodianShare, category, minimumScore;
    // slot 2: reward, disputePeriod, decisionPeriod, qualityMethod, qualityWeight; slot 3: document; slot 4: invitees
    mapping(RequestId id => Request) private _requests;

    // slot 0: custodian, since, status, score
    mapping(RequestId id => mapping(address patient => Reservation)) private _reservations;

    /// @inheritdoc IAccessRequests
    uint256 public requests;

    /// @param consortium_ who governs, and says who is accredited
    /// @param consents where access is granted
    /// @param split how rewards of categories 1 to 3 are divided, until a vote says otherwise
    /// @param disputePeriod seconds in which a delivery can be disputed
    /// @param decisionPeriod seconds in which a dispute must be decided
    constructor(
        address consortium_,
        IConsentRegistry consents,
        Split memory split,
        uint32 disputePeriod,
        uint32 decisionPeriod
    ) Escrow(consortium_, consents) {
        _accreditation = IAccreditation(consortium_);
        _consents = consents;
        for (uint8 category = 1; category <= 3; ++category) _setSplit(category, split.patient, split.custodian);
        _setPeriods(disputePeriod, decisionPeriod);
    }

    // --------------------------------------------------------------------------------------------- OPENING A REQUEST

    /// @inheritdoc IAccessRequests
    function open(Terms calldata terms) external payable nonReentrant returns (RequestId id) {
        _requireAccredited(msg.sender, IAccreditation.Kind.Researcher);

        if (
            terms.purposes == 0 ||
            terms.purposes & NEVER_ASKED_FOR != 0 ||
            terms.grants == 0 ||
            terms.deadline <= block.timestamp ||
            DocumentId.unwrap(terms.document) == bytes32(0) ||
            terms.minimumScore > BEST_SCORE ||
            terms.qualityWeight > WHOLE ||
            (terms.qualityMethod == 0 && (terms.minimumScore != 0 || terms.qualityWeight != 0))
        ) revert AccessRequestsTermsInvalid();
        Split memory split = getSplit(terms.category);
        if (!split.isSet) revert AccessRequestsCategoryUnknown(terms.category);

        _deposit(terms.token, uint256(terms.reward) * terms.grants);

        id = RequestId.wrap(++requests);
        bool isOpenCall = terms.invitees == bytes32(0);
        Request memory request = Request({
            requester: msg.sender,
            deadline: terms.deadline,
            accessDays: terms.accessDays,
            purposes: terms.purposes,
            places: terms.grants,
            status: isOpenCall ? RequestStatus.AwaitingApproval : RequestStatus.Open,
            isOpenCall: isOpenCall,
            token: terms.token,
            grants: terms.grants,
            delivered: 0,
            returned: 0,
            patientShare: split.patient,
            custodianShare: split.custodian,
            category: terms.category,
            minimumScore: terms.minimumScore,
            reward: terms.reward,
            disputePeriod: _disputePeriod,
            decisionPeriod: _decisionPeriod,
            qualityMethod: terms.qualityMethod,
            qualityWeight: terms.qualityWeight,
            document: terms.document,
            invitees: terms.invitees
        });
        _requests[id] = request;

        emit RequestOpened(id, msg.sender, request);
    }

    /// @inheritdoc IAccessRequests
    function approveStudy(RequestId id) external {
        Request storage request = _existing(id);

        if (msg.sender == request.requester) revert AccessRequestsNotAllowed(msg.sender);
        if (msg.sender != consortium) _requireAccredited(msg.sender, IAccreditation.Kind.EthicsCommittee);
        if (request.status != RequestStatus.AwaitingApproval) revert AccessRequestsRequestNotOpen(id, request.status);

        request.status = RequestStatus.Open;

        emit StudyApproved(id, msg.sender);
    }

    // ---------------------------------------------------------------------------------------------- ENDING A REQUEST

    /// @inheritdoc IAccessRequests
    function cancel(RequestId id) external {
        Request storage request = _existing(id);

        if (msg.sender != request.requester && msg.sender != consortium) revert AccessRequestsNotAllowed(msg.sender);
        if (request.status == RequestStatus.Cancelled) {
            revert AccessRequestsRequestNotOpen(id, RequestStatus.Cancelled);
        }
        _requireBefore(id, request.deadline);

        uint16 places = request.places;
        request.status = RequestStatus.Cancelled;
        request.places = 0;
        request.returned = places;

        emit RequestCancelled(id, msg.sender, places);
        _giveBack(request, places);
    }

    /// @inheritdoc IAccessRequests
    function returnUnearned(RequestId id) external {
        Request storage request = _existing(id);
        uint16 unearned = request.grants - request.delivered - request.returned;

        if (block.timestamp < request.deadline) revert AccessRequestsTooEarly(id, request.deadline);
        if (unearned == 0) revert AccessRequestsNothingToReturn(id);

        request.places = 0;
        request.returned += unearned;

        emit UnearnedReturned(id, unearned);
        _giveBack(request, unearned);
    }

    function _giveBack(Request storage request, uint256 rewards) private {
        _credit(request.requester, request.token, request.reward * rewards);
    }

    // --------------------------------------------------------------------------------------------------- ACCEPTING

    /// @inheritdoc IAccessRequests
    function accept(RequestId id, Acceptance calldata acceptance, Invitation calldata invitation) external {
        Request storage request = _requests[id];
        (address requester, uint16 purposes, uint256 accessUntil, bool isOpenCall) = _takePlace(id, request);

        _requireAccredited(requester, IAccreditation.Kind.Researcher);
        address patient = acceptance.patient;
        Reservation storage reservation = _reservations[id][patient];
        if (reservation.status != ReservationStatus.None) revert AccessRequestsReservedAlready(id, patient);
        if (!isOpenCall) _requireInvited(id, request.invitees, patient, invitation);
        _requireFit(id, acceptance.wanted, requester, purposes, accessUntil);

        reservation.custodian = acceptance.custodian;
        reservation.since = uint32(block.timestamp);
        reservation.status = ReservationStatus.Reserved;

        _ensureGranted(id, acceptance, purposes, accessUntil);

        emit RewardReserved(id, patient, acceptance.custodian, acceptance.content);
    }

    /// @dev Reads and writes the first slot, and nothing else. Unchecked, since a time has 32 bits, and days have 16.
    function _takePlace(
        RequestId id,
        Request storage request
    ) private returns (address requester, uint16 purposes, uint256 accessUntil, bool isOpenCall) {
        RequestStatus status = request.status;
        uint32 deadline = request.deadline;
        uint16 places = request.places;
        requester = request.requester;
        purposes = request.purposes;
        unchecked {
            accessUntil = uint256(deadline) + uint256(request.accessDays) * 1 days;
        }
        isOpenCall = request.isOpenCall;

        if (status == RequestStatus.Unknown) revert AccessRequestsRequestUnknown(id);
        if (status != RequestStatus.Open) revert AccessRequestsRequestNotOpen(id, status);
        _requireBefore(id, deadline);
        if (places == 0) revert AccessRequestsUsedUp(id);
        request.places = places - 1;
    }

    function _requireInvited(
        RequestId id,
        bytes32 invitees,
        address patient,
        Invitation calldata invitation
    ) private pure {
        // Hashed twice: a leaf is never as long as two nodes, and cannot stand for them.
        bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(patient, invitation.salt))));

        if (!MerkleProof.verifyCalldata(invitation.proof, invitees, leaf)) {
            revert AccessRequestsNotInvited(id, patient);
        }
    }

    function _requireFit(
        RequestId id,
        Grant wanted,
        address requester,
        uint16 purposes,
        uint256 accessUntil
    ) private view {
        if (
            wanted.grantee() != requester ||
            wanted.purposes() & purposes != purposes ||
            wanted.notBefore() > block.timestamp ||
            wanted.expiresAt() < accessUntil
        ) revert AccessRequestsGrantUnfit(id, wanted);
    }

    /// @dev Who sends the signature to the ConsentRegistry before us does what the patient wanted: it is taken as it
    /// stands.
    function _ensureGranted(
        RequestId id,
        Acceptance calldata acceptance,
        uint16 purposes,
        uint256 accessUntil
    ) private {
        TermsDigest terms = _termsFor(id, acceptance.custodian, acceptance.content);

        try
            _consents.grantSigned(
                acceptance.patient,
                terms,
                acceptance.bundle,
                acceptance.wanted,
                acceptance.authorization,
                acceptance.signature
            )
        {} catch (bytes memory reason) {
            GrantId grantId = GrantIds.derive(acceptance.patient, acceptance.wanted.grantee(), terms);
            if (!_consents.isLive(grantId, purposes) || _consents.getGrant(grantId).expiresAt < accessUntil) {
                assembly ("memory-safe") {
                    revert(add(reason, 0x20), mload(reason))
                }
            }
        }
    }

    /// @dev What binds a grant to this request and this custodian.
    function _termsFor(RequestId id, address custodian, bytes32 content) private view returns (TermsDigest) {
        return TermsDigest.wrap(keccak256(abi.encode(address(this), id, custodian, content)));
    }

    // -------------------------------------------------------------------------------------------------- DELIVERING

    /// @inheritdoc IAccessRequests
    function deliver(RequestId id, address patient, bytes32 content, BundleId bundle, uint8 score) external {
        Request storage request = _existing(id);
        Reservation storage reservation = _reserved(id, patient, ReservationStatus.Reserved);

        if (msg.sender != reservation.custodian) revert AccessRequestsNotAllowed(msg.sender);
        _requireAccredited(msg.sender, IAccreditation.Kind.Custodian);
        _requireBefore(id, request.deadline);
        GrantId grantId = GrantIds.derive(patient, request.requester, _termsFor(id, msg.sender, content));
        if (!_consents.isLive(grantId, request.purposes)) revert AccessRequestsGrantNotLive(id, patient);
        uint8 minimumScore = request.minimumScore;
        if (score < minimumScore || score > BEST_SCORE) revert AccessRequestsScoreUnfit(id, score, minimumScore);

        ++request.delivered;
        reservation.status = ReservationStatus.Delivered;
        reservation.since = uint32(block.timestamp);
        reservation.score = score;

        emit AccessDelivered(id, patient, bundle, score);
    }

    /// @inheritdoc IAccessRequests
    function decline(RequestId id, address patient) external {
        Request storage request = _existing(id);
        Reservation storage reservation = _reserved(id, patient, ReservationStatus.Reserved);

        address custodian = reservation.custodian;
        if (msg.sender != custodian && _isAccredited(custodian, IAccreditation.Kind.Custodian)) {
            revert AccessRequestsNotAllowed(msg.sender);
        }
        _requireBefore(id, request.deadline);

        reservation.status = ReservationStatus.None;
        if (request.status == RequestStatus.Cancelled) {
            ++request.returned;
            _giveBack(request, 1);
        } else {
            ++request.places;
        }

        emit DeliveryDeclined(id, patient);
    }

    // --------------------------------------------------------------------------------------- CONFIRMING, DISPUTING

    /// @inheritdoc IAccessRequests
    function confirm(RequestId id, address patient) external {
        Request storage request = _existing(id);

        if (msg.sender != request.requester) revert AccessRequestsNotAllowed(msg.sender);
        (Reservation storage reservation, ) = _unsettled(id, patient);

        _pay(id, request, patient, reservation);
    }

    /// @inheritdoc IAccessRequests
    function dispute(RequestId id, address patient, bytes32 reason) external {
        Request storage request = _existing(id);
        Reservation storage reservation = _reserved(id, patient, ReservationStatus.Delivered);

        if (msg.sender != request.requester) revert AccessRequestsNotAllowed(msg.sender);
        _requireBefore(id, reservation.since + request.disputePeriod);

        reservation.status = ReservationStatus.Disputed;
        reservation.since = uint32(block.timestamp);

        emit DeliveryDisputed(id, patient, reason);
    }

    /// @inheritdoc IAccessRequests
    function decide(RequestId id, address patient, bool paid) external byVote {
        Request storage request = _existing(id);
        Reservation storage reservation = _reserved(id, patient, ReservationStatus.Disputed);

        if (paid) {
            _pay(id, request, patient, reservation);
            return;
        }
        reservation.status = ReservationStatus.Returned;

        emit RewardReturned(id, patient);
        _giveBack(request, 1);
    }

    /// @inheritdoc IAccessRequests
    function release(RequestId id, address patient) external {
        Request storage request = _existing(id);
        (Reservation storage reservation, bool isDelivered) = _unsettled(id, patient);

        uint256 from = uint256(reservation.since) + (isDelivered ? request.disputePeriod : request.decisionPeriod);
        if (block.timestamp < from) revert AccessRequestsTooEarly(id, from);

        _pay(id, request, patient, reservation);
    }

    /// @dev What was delivered and neither paid nor given back; whether nobody disputes it.
    function _unsettled(
        RequestId id,
        address patient
    ) private view returns (Reservation storage reservation, bool isDelivered) {
        reservation = _reservations[id][patient];
        ReservationStatus status = reservation.status;
        isDelivered = status == ReservationStatus.Delivered;

        if (!isDelivered && status != ReservationStatus.Disputed) {
            revert AccessRequestsReservationNot(id, patient, status);
        }
    }

    /// @dev What quality has not earned is the custodian's loss alone, and rounding his gain. Unchecked, since weight
    /// and score are bounded, and a reward has 128 bits.
    function _pay(RequestId id, Request storage request, address patient, Reservation storage reservation) private {
        address token = request.token;
        (uint256 toPatient, uint256 toCustodian, uint256 toConsortium) = _divide(request);
        uint256 weight = request.qualityWeight;
        uint256 toRequester;
        if (weight != 0) {
            unchecked {
                toRequester = (toCustodian * weight * (BEST_SCORE - reservation.score)) / (WHOLE * BEST_SCORE);
                toCustodian -= toRequester;
            }
        }
        address custodian = reservation.custodian;
        reservation.status = ReservationStatus.Paid;

        emit RewardPaid(id, patient, toPatient, toCustodian, toConsortium, toRequester);
        _credit(patient, token, toPatient);
        _credit(custodian, token, toCustodian);
        _credit(consortium, token, toConsortium);
        if (toRequester != 0) _credit(request.requester, token, toRequester);
    }

    /// @dev The shares before quality counts. Rounding is the patient's gain: nothing is left over. Unchecked, since a
    /// reward has 128 bits, and shares are together at most the whole.
    function _divide(
        Request storage request
    ) private view returns (uint256 toPatient, uint256 toCustodian, uint256 toConsortium) {
        uint256 patientShare = request.patientShare;
        uint256 custodianShare = request.custodianShare;
        uint256 reward = request.reward;

        unchecked {
            toCustodian = (reward * custodianShare) / WHOLE;
            toConsortium = (reward * (WHOLE - patientShare - custodianShare)) / WHOLE;
            toPatient = reward - toCustodian - toConsortium;
        }
    }

    // -------------------------------------------------------------------------------------------- DECIDED BY VOTE

    /// @inheritdoc IAccessRequests
    function setPeriods(uint32 disputePeriod, uint32 decisionPeriod) external byVote {
        _setPeriods(disputePeriod, decisionPeriod);
    }

    function _setPeriods(uint32 disputePeriod, uint32 decisionPeriod) private {
        if (
            disputePeriod < SHORTEST_PERIOD ||
            disputePeriod > LONGEST_PERIOD ||
            decisionPeriod < SHORTEST_PERIOD ||
            decisionPeriod > LONGEST_PERIOD
        ) revert AccessRequestsPeriodsOutOfRange(disputePeriod, decisionPeriod);

        _disputePeriod = disputePeriod;
        _decisionPeriod = decisionPeriod;

        emit PeriodsSet(disputePeriod, decisionPeriod);
    }

    // ------------------------------------------------------------------------------------------------------ VIEWS

    /// @inheritdoc IAccessRequests
    function getRequest(RequestId id) external view returns (Request memory) {
        return _existing(id);
    }

    /// @inheritdoc IAccessRequests
    function getReservation(RequestId id, address patient) external view returns (Reservation memory) {
        return _reservations[id][patient];
    }

    /// @inheritdoc IAccessRequests
    function periods() external view returns (uint32 disputePeriod, uint32 decisionPeriod) {
        return (_disputePeriod, _decisionPeriod);
    }

    // -------------------------------------------------------------------------------------------- SHARED INTERNALS

    function _existing(RequestId id) private view returns (Request storage request) {
        request = _requests[id];

        if (request.status == RequestStatus.Unknown) revert AccessRequestsRequestUnknown(id);
    }

    function _reserved(
        RequestId id,
        address patient,
        ReservationStatus status
    ) private view returns (Reservation storage reservation) {
        reservation = _reservations[id][patient];

        ReservationStatus current = reservation.status;
        if (current != status) revert AccessRequestsReservationNot(id, patient, current);
    }

    function _requireAccredited(address actor, IAccreditation.Kind kind) private view {
        if (!_isAccredited(actor, kind)) revert AccessRequestsNotAccredited(actor);
    }

    function _isAccredited(address actor, IAccreditation.Kind kind) private view returns (bool) {
        return _accreditation.isAccredited(actor, kind);
    }

    function _requireBefore(RequestId id, uint32 deadline) private view {
        if (block.timestamp >= deadline) revert AccessRequestsDeadlinePassed(id, deadline);
    }

    function _domainName() internal pure override returns (string memory) {
        return "medshare AccessRequests";
    }
}
