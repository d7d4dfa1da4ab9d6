"""AccessRequests: a researcher asks and deposits, a patient accepts, his custodian delivers, the reward is divided."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from medshare.errors import (
    GrantNotLiveError,
    GrantUnfitError,
    NothingToReturnError,
    NotInvitedError,
    PeriodsOutOfRangeError,
    RejectedError,
    RequestCategoryUnknownError,
    RequestDeadlinePassedError,
    RequestNotAccreditedError,
    RequestNotAllowedError,
    RequestNotOpenError,
    RequestTermsInvalidError,
    RequestTooEarlyError,
    RequestUsedUpError,
    ReservationNotError,
    ReservedAlreadyError,
    ScoreUnfitError,
    UnknownRequestError,
)
from medshare.hashing import DIGEST_SIZE
from medshare.model.accreditation import AccreditationKind
from medshare.model.attestation import BEST_SCORE
from medshare.model.events import (
    AccessDelivered,
    AccessGranted,
    ActedFor,
    Credited,
    DeliveryDeclined,
    DeliveryDisputed,
    EventPlace,
    PeriodsSet,
    RequestCancelled,
    RequestOpened,
    ReservationEvent,
    RewardPaid,
    RewardReserved,
    RewardReturned,
    SplitSet,
    StudyApproved,
    UnearnedReturned,
)
from medshare.model.grant import grant_word
from medshare.model.ids import Address, BundleId, RequestId, derive_grant_id
from medshare.model.invitations import is_invited
from medshare.model.purpose import Purpose
from medshare.model.request import (
    LONGEST_PERIOD,
    SHORTEST_PERIOD,
    WHOLE,
    Acceptance,
    AccessRequest,
    Periods,
    RequestCategory,
    RequestStatus,
    RequestTerms,
    Reservation,
    ReservationStatus,
    Split,
    request_terms_digest,
)
from medshare.model.rules.consents import ConsentRules
from medshare.model.rules.escrow import Credits, EscrowRules
from medshare.model.typed_data import SignableGrant

_NEVER_ASKED_FOR = Purpose.ETREAT | Purpose.BTG
_NO_DOCUMENT = bytes(DIGEST_SIZE)
_UNSETTLED = (ReservationStatus.DELIVERED, ReservationStatus.DISPUTED)


@dataclass
class RequestRules(EscrowRules, ConsentRules):
    """State and verbs of AccessRequests, which holds the money and lets the patient's signature grant."""

    periods: Periods = field(default_factory=Periods)
    requests: dict[RequestId, AccessRequest] = field(default_factory=dict)
    reservations: dict[tuple[RequestId, Address], Reservation] = field(default_factory=dict)
    """By request and patient."""

    def set_up(self, split: Split, periods: Periods, place: EventPlace) -> tuple[SplitSet | PeriodsSet, ...]:
        """Set splits and periods, as the constructor does."""
        _require_periods(periods)
        splits = [self._set_split(each, split, place.after(at))[0] for at, each in enumerate(RequestCategory)]
        return (*splits, *self._set_periods(periods, place.after(len(splits))))

    # ----------------------------------------------------------------------------------- opening a request

    def open_request(
        self,
        caller: Address,
        terms: RequestTerms,
        place: EventPlace,
        *,
        value: int | None = None,
        arrived: int | None = None,
    ) -> tuple[RequestOpened]:
        """Ask patients for access, as an accredited researcher; all rewards are deposited at once.

        Args:
            caller: who asks, and will read.
            terms: what he asks for, and holds out.
            place: where it happens.
            value: what he sends of the native coin; default: exactly what is due.
            arrived: what arrived of the token; default: all.
        """
        self._require_accredited(caller, AccreditationKind.RESEARCHER, place)
        if (
            not terms.purposes
            or terms.purposes & _NEVER_ASKED_FOR
            or not terms.grants
            or terms.deadline <= place.block.time
            or terms.document == _NO_DOCUMENT
            or not _is_condition(terms)
        ):
            raise RequestTermsInvalidError
        split = self.split(terms.category)
        if split is None:
            raise RequestCategoryUnknownError(terms.category)
        self._check_deposit(terms.token, terms.budget, value=value, arrived=arrived)
        request = AccessRequest(
            request_id=RequestId(len(self.requests) + 1),
            requester=caller,
            terms=terms,
            status=RequestStatus.AWAITING_APPROVAL if terms.is_open_call else RequestStatus.OPEN,
            places=terms.grants,
            delivered=0,
            returned=0,
            split=split,
            periods=self.periods,
        )
        event = RequestOpened(place=place, request=request)
        self._apply_request(event)
        return (event,)

    def approve_study(self, caller: Address, request_id: RequestId, place: EventPlace) -> tuple[StudyApproved]:
        """Approve a study on open call, as an accredited ethics committee or by vote; never one's own."""
        request = self.request(request_id)
        if caller == request.requester:
            raise RequestNotAllowedError(caller)
        if caller != self.consortium:
            self._require_accredited(caller, AccreditationKind.ETHICS_COMMITTEE, place)
        if request.status is not RequestStatus.AWAITING_APPROVAL:
            raise RequestNotOpenError(request_id, request.status)
        event = StudyApproved(place=place, request_id=request_id, by=caller)
        self._apply_request(event)
        return (event,)

    # ----------------------------------------------------------------------------------- ending a request

    def cancel_request(
        self, caller: Address, request_id: RequestId, place: EventPlace
    ) -> tuple[RequestCancelled | Credited, ...]:
        """End a request, as its requester or by vote: what nobody has reserved goes back at once."""
        request = self.request(request_id)
        if caller not in (request.requester, self.consortium):
            raise RequestNotAllowedError(caller)
        if request.status is RequestStatus.CANCELLED:
            raise RequestNotOpenError(request_id, request.status)
        _require_before(request_id, request.terms.deadline, place)
        event = RequestCancelled(place=place, request_id=request_id, by=caller, returned=request.places)
        self._apply_request(event)
        return event, *self._give_back(request, request.places, place.after())

    def return_unearned(self, request_id: RequestId, place: EventPlace) -> tuple[UnearnedReturned | Credited, ...]:
        """Give back what was not earned by the deadline. Anybody may send."""
        request = self.request(request_id)
        unearned = request.terms.grants - request.delivered - request.returned
        if place.block.time < request.terms.deadline:
            raise RequestTooEarlyError(request_id, request.terms.deadline)
        if not unearned:
            raise NothingToReturnError(request_id)
        event = UnearnedReturned(place=place, request_id=request_id, returned=unearned)
        self._apply_request(event)
        return event, *self._give_back(request, unearned, place.after())

    def _give_back(self, request: AccessRequest, rewards: int, place: EventPlace) -> Credits:
        return self._credit(request.requester, request.terms.token, request.terms.reward * rewards, place)

    # ------------------------------------------------------------------------------------------ accepting

    def accept(
        self, request_id: RequestId, acceptance: Acceptance, place: EventPlace, *, valid: bool = True
    ) -> tuple[ActedFor | AccessGranted | RewardReserved, ...]:
        """Accept a request by a patient's signature: grant access, reserve the reward. Anybody may send.

        Args:
            request_id: which request.
            acceptance: what was signed, and what shows that the patient is asked.
            place: where it happens.
            valid: whether the signature is the signer's for this message.
        """
        wanted = acceptance.grant
        request = self._acceptable(request_id, place)
        self._require_accredited(request.requester, AccreditationKind.RESEARCHER, place)
        patient = wanted.patient
        if self.reservation(request_id, patient).status is not ReservationStatus.NONE:
            raise ReservedAlreadyError(request_id, patient)
        terms = request.terms
        if not terms.is_open_call and not is_invited(terms.invitees, patient, acceptance.invitation):
            raise NotInvitedError(request_id, patient)
        _require_fit(request, wanted, place)
        granted = self._ensure_granted(request, acceptance, place, valid=valid)
        reserved = RewardReserved(
            place=place.after(len(granted)),
            request_id=request_id,
            patient=patient,
            custodian=acceptance.custodian,
            content=acceptance.content,
        )
        self._apply_reservation(reserved)
        return (*granted, reserved)

    def _acceptable(self, request_id: RequestId, place: EventPlace) -> AccessRequest:
        request = self.request(request_id)
        if request.status is not RequestStatus.OPEN:
            raise RequestNotOpenError(request_id, request.status)
        _require_before(request_id, request.terms.deadline, place)
        if not request.places:
            raise RequestUsedUpError(request_id)
        return request

    def _ensure_granted(
        self, request: AccessRequest, acceptance: Acceptance, place: EventPlace, *, valid: bool
    ) -> tuple[ActedFor | AccessGranted, ...]:
        """Grant, or take the grant that stands: who sent the signature before did what the patient wanted."""
        wanted, signer = acceptance.grant, acceptance.signed.signer
        terms = request_terms_digest(self.escrow, request.request_id, acceptance.custodian, acceptance.content)
        # The contract computes the terms: a signature for others is nobody's.
        for_these = valid and wanted.terms == terms
        try:
            return self._grant_signed(replace(wanted, terms=terms), signer, place, valid=for_these)
        except RejectedError:
            grant_id = derive_grant_id(wanted.patient, wanted.grantee, terms)
            is_live = self.is_live(grant_id, request.terms.purposes, place.block.time)
            if not is_live or self.get_grant(grant_id).expires_at < request.access_until:
                raise
            return ()

    # ------------------------------------------------------------------------------------------ delivering

    def deliver(
        self,
        caller: Address,
        request_id: RequestId,
        patient: Address,
        content: bytes,
        bundle: BundleId,
        score: int,
        place: EventPlace,
    ) -> tuple[AccessDelivered]:
        """State that what was granted can be fetched, as the accredited custodian whom the patient named."""
        request = self.request(request_id)
        reservation = self._reserved(request_id, patient, ReservationStatus.RESERVED)
        if caller != reservation.custodian:
            raise RequestNotAllowedError(caller)
        self._require_accredited(caller, AccreditationKind.CUSTODIAN, place)
        _require_before(request_id, request.terms.deadline, place)
        terms = request_terms_digest(self.escrow, request_id, caller, content)
        grant_id = derive_grant_id(patient, request.requester, terms)
        if not self.is_live(grant_id, request.terms.purposes, place.block.time):
            raise GrantNotLiveError(request_id, patient)
        minimum_score = request.terms.minimum_score
        if not minimum_score <= score <= BEST_SCORE:
            raise ScoreUnfitError(request_id, score, minimum_score)
        event = AccessDelivered(place=place, request_id=request_id, patient=patient, bundle=bundle, score=score)
        self._apply_reservation(event)
        return (event,)

    def decline(
        self, caller: Address, request_id: RequestId, patient: Address, place: EventPlace
    ) -> tuple[Credited | DeliveryDeclined, ...]:
        """State, as the custodian whom the patient named, that there is nothing to deliver."""
        request = self.request(request_id)
        custodian = self._reserved(request_id, patient, ReservationStatus.RESERVED).custodian
        is_custodian = self.is_accredited(custodian, AccreditationKind.CUSTODIAN, place.block.time)
        if caller != custodian and is_custodian:
            raise RequestNotAllowedError(caller)
        _require_before(request_id, request.terms.deadline, place)
        is_cancelled = request.status is RequestStatus.CANCELLED
        returned = self._give_back(request, 1, place) if is_cancelled else ()
        event = DeliveryDeclined(place=place.after(len(returned)), request_id=request_id, patient=patient)
        self._apply_reservation(event)
        return (*returned, event)

    # ------------------------------------------------------------------------------- confirming, disputing

    def confirm(
        self, caller: Address, request_id: RequestId, patient: Address, place: EventPlace
    ) -> tuple[RewardPaid | Credited, ...]:
        """Confirm a delivery, as the requester: the reward is paid. Ends a dispute, too."""
        request = self.request(request_id)
        if caller != request.requester:
            raise RequestNotAllowedError(caller)
        reservation = self._unsettled(request_id, patient)
        return self._pay(request, patient, reservation, place)

    def dispute(
        self, caller: Address, request_id: RequestId, patient: Address, reason: bytes, place: EventPlace
    ) -> tuple[DeliveryDisputed]:
        """Dispute a delivery, as the requester, while the period for it lasts."""
        request = self.request(request_id)
        reservation = self._reserved(request_id, patient, ReservationStatus.DELIVERED)
        if caller != request.requester:
            raise RequestNotAllowedError(caller)
        _require_before(request_id, reservation.since + request.periods.dispute_period, place)
        event = DeliveryDisputed(place=place, request_id=request_id, patient=patient, reason=reason)
        self._apply_reservation(event)
        return (event,)

    def decide(
        self, caller: Address, request_id: RequestId, patient: Address, place: EventPlace, *, paid: bool
    ) -> tuple[RewardPaid | RewardReturned | Credited, ...]:
        """Decide whether the reward of a disputed delivery is paid, or goes back. By vote."""
        self._require_vote(caller)
        request = self.request(request_id)
        reservation = self._reserved(request_id, patient, ReservationStatus.DISPUTED)
        if paid:
            return self._pay(request, patient, reservation, place)
        event = RewardReturned(place=place, request_id=request_id, patient=patient)
        self._apply_reservation(event)
        return event, *self._give_back(request, 1, place.after())

    def release_reward(
        self, request_id: RequestId, patient: Address, place: EventPlace
    ) -> tuple[RewardPaid | Credited, ...]:
        """Pay a reward that nobody disputed or decided in time. Anybody may send."""
        request = self.request(request_id)
        reservation = self._unsettled(request_id, patient)
        is_delivered = reservation.status is ReservationStatus.DELIVERED
        periods = request.periods
        earliest = reservation.since + (periods.dispute_period if is_delivered else periods.decision_period)
        if place.block.time < earliest:
            raise RequestTooEarlyError(request_id, earliest)
        return self._pay(request, patient, reservation, place)

    def _pay(
        self, request: AccessRequest, patient: Address, reservation: Reservation, place: EventPlace
    ) -> tuple[RewardPaid | Credited, ...]:
        shares = request.divide(reservation.score)
        to_patient, to_custodian, to_consortium, to_requester = shares
        paid = RewardPaid(
            place=place,
            request_id=request.request_id,
            patient=patient,
            to_patient=to_patient,
            to_custodian=to_custodian,
            to_consortium=to_consortium,
            to_requester=to_requester,
        )
        self._apply_reservation(paid)
        events: list[RewardPaid | Credited] = [paid]
        accounts = (patient, reservation.custodian, self.consortium, request.requester)
        for account, share in zip(accounts, shares, strict=True):
            events += self._credit(account, request.terms.token, share, place.after(len(events)))
        return tuple(events)

    def _unsettled(self, request_id: RequestId, patient: Address) -> Reservation:
        reservation = self.reservation(request_id, patient)
        if reservation.status not in _UNSETTLED:
            raise ReservationNotError(request_id, patient, reservation.status)
        return reservation

    # ------------------------------------------------------------------------------------ decided by vote

    def set_periods(self, caller: Address, periods: Periods, place: EventPlace) -> tuple[PeriodsSet]:
        """Set the periods of requests that open from now on. By vote."""
        self._require_vote(caller)
        return self._set_periods(periods, place)

    def _set_periods(self, periods: Periods, place: EventPlace) -> tuple[PeriodsSet]:
        _require_periods(periods)
        event = PeriodsSet(place=place, periods=periods)
        self._apply_request(event)
        return (event,)

    # ------------------------------------------------------------------------------------- reads, replay

    def request(self, request_id: RequestId) -> AccessRequest:
        """Return a request as it stands; raises ``UnknownRequestError``."""
        if request_id not in self.requests:
            raise UnknownRequestError(request_id)
        return self.requests[request_id]

    def reservation(self, request_id: RequestId, patient: Address) -> Reservation:
        """Return a patient's part in a request; empty where he has none."""
        return self.reservations.get((request_id, patient), Reservation())

    def owed(self, token: Address) -> int:
        """Return what is held for requests and credited to nobody: ``held`` is this and ``credited``, to the unit."""
        return sum(
            request.terms.reward * (request.terms.grants - request.returned - self._settled(request.request_id))
            for request in self.requests.values()
            if request.terms.token == token
        )

    def _settled(self, request_id: RequestId) -> int:
        """Return how many rewards of a request were paid, or went back after a dispute."""
        over = (ReservationStatus.PAID, ReservationStatus.RETURNED)
        return sum(of == request_id and each.status in over for (of, _), each in self.reservations.items())

    def _reserved(self, request_id: RequestId, patient: Address, status: ReservationStatus) -> Reservation:
        reservation = self.reservation(request_id, patient)
        if reservation.status is not status:
            raise ReservationNotError(request_id, patient, reservation.status)
        return reservation

    def _require_accredited(self, actor: Address, kind: AccreditationKind, place: EventPlace) -> None:
        if not self.is_accredited(actor, kind, place.block.time):
            raise RequestNotAccreditedError(actor)

    def _apply_request(
        self, event: RequestOpened | StudyApproved | RequestCancelled | UnearnedReturned | PeriodsSet
    ) -> None:
        match event:
            case RequestOpened(request=request):
                token = request.terms.token
                self.requests[request.request_id] = request
                self.held[token] = self.held.get(token, 0) + request.terms.budget
            case StudyApproved():
                self._change(event.request_id, status=RequestStatus.OPEN)
            case RequestCancelled():
                self._change(event.request_id, status=RequestStatus.CANCELLED, places=0, returned=event.returned)
            case UnearnedReturned():
                returned = self.request(event.request_id).returned + event.returned
                self._change(event.request_id, places=0, returned=returned)
            case PeriodsSet():
                self.periods = event.periods

    def _apply_reservation(self, event: ReservationEvent) -> None:
        request, at = self.request(event.request_id), event.place.block.time
        reservation = self.reservation(event.request_id, event.patient)
        match event:
            case RewardReserved():
                self._change(event.request_id, places=request.places - 1)
                reservation = Reservation(custodian=event.custodian, since=at, status=ReservationStatus.RESERVED)
            case AccessDelivered():
                self._change(event.request_id, delivered=request.delivered + 1)
                reservation = replace(reservation, since=at, status=ReservationStatus.DELIVERED, score=event.score)
            case DeliveryDeclined():
                if request.status is RequestStatus.CANCELLED:
                    self._change(event.request_id, returned=request.returned + 1)
                else:
                    self._change(event.request_id, places=request.places + 1)
                reservation = replace(reservation, status=ReservationStatus.NONE)
            case DeliveryDisputed():
                reservation = replace(reservation, since=at, status=ReservationStatus.DISPUTED)
            case RewardPaid():
                reservation = replace(reservation, status=ReservationStatus.PAID)
            case RewardReturned():
                reservation = replace(reservation, status=ReservationStatus.RETURNED)
        self.reservations[event.request_id, event.patient] = reservation

    def _change(self, request_id: RequestId, **changes: object) -> None:
        self.requests[request_id] = replace(self.request(request_id), **changes)  # type: ignore[arg-type]  # its fields


def _is_condition(terms: RequestTerms) -> bool:
    """Whether what is asked of quality can be: bounded, and by some method."""
    bounded = terms.minimum_score <= BEST_SCORE and terms.quality_weight <= WHOLE
    return bounded and (terms.quality_method > 0 or not (terms.minimum_score or terms.quality_weight))


def _require_before(request_id: RequestId, deadline: int, place: EventPlace) -> None:
    if place.block.time >= deadline:
        raise RequestDeadlinePassedError(request_id, deadline)


def _require_fit(request: AccessRequest, wanted: SignableGrant, place: EventPlace) -> None:
    purposes = request.terms.purposes
    if (
        wanted.grantee != request.requester
        or wanted.purposes & purposes != purposes
        or wanted.not_before > place.block.time
        or wanted.expires_at < request.access_until
    ):
        word = grant_word(
            grantee=wanted.grantee,
            not_before=wanted.not_before,
            expires_at=wanted.expires_at,
            purposes=wanted.purposes,
            stamp=wanted.stamp,
            epoch=wanted.epoch,
        )
        raise GrantUnfitError(request.request_id, word)


def _require_periods(periods: Periods) -> None:
    each = (periods.dispute_period, periods.decision_period)
    if not all(SHORTEST_PERIOD <= period <= LONGEST_PERIOD for period in each):
        raise PeriodsOutOfRangeError(*each)
