"""Requests and credits as they stand, from the chain's own events: how far each has come, and each patient's part."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from medshare.errors import UnknownRequestError
from medshare.model.events import (
    AccessDelivered,
    Credited,
    DeliveryDeclined,
    DeliveryDisputed,
    LedgerEvent,
    RequestCancelled,
    RequestOpened,
    RewardPaid,
    RewardReserved,
    RewardReturned,
    StudyApproved,
    UnearnedReturned,
    Withdrawn,
)
from medshare.model.ids import Address, BundleId, GrantId, RequestId, derive_grant_id
from medshare.model.ledger import LedgerModel
from medshare.model.request import (
    AccessRequest,
    RequestStatus,
    Reservation,
    ReservationStatus,
    request_terms_digest,
)
from medshare.services.index import LedgerIndex

_KINDS: tuple[type[LedgerEvent], ...] = (
    RequestOpened,
    StudyApproved,
    RequestCancelled,
    UnearnedReturned,
    RewardReserved,
    AccessDelivered,
    DeliveryDeclined,
    DeliveryDisputed,
    RewardPaid,
    RewardReturned,
)


class RequestState(StrEnum):
    """How a request stands at a time."""

    AWAITING_APPROVAL = "awaiting approval"
    OPEN = "open"
    USED_UP = "used up"
    """As many patients as there are rewards have accepted."""
    CANCELLED = "cancelled"
    ENDED = "ended"
    """Its deadline has passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One patient's part in a request, as it stands."""

    request: AccessRequest
    patient: Address
    reservation: Reservation
    reserved: RewardReserved
    delivered: AccessDelivered | None = None
    declined: DeliveryDeclined | None = None
    disputed: DeliveryDisputed | None = None
    settled: RewardPaid | RewardReturned | None = None

    @property
    def status(self) -> ReservationStatus:
        """How far it has come; NONE where the custodian declined."""
        return self.reservation.status

    @property
    def bundle(self) -> BundleId | None:
        """The bundle that the custodian says can be fetched."""
        return None if self.delivered is None else self.delivered.bundle

    @property
    def released_at(self) -> int | None:
        """From when on anybody can have the reward paid, Unix time; None where it does not wait for that."""
        periods = self.request.periods
        match self.status:
            case ReservationStatus.DELIVERED:
                return self.reservation.since + periods.dispute_period
            case ReservationStatus.DISPUTED:
                return self.reservation.since + periods.decision_period
            case _:
                return None

    def grant_id(self, contract: Address) -> GrantId:
        """Return the grant by which the patient accepted; ``contract`` is the AccessRequests of the deployment."""
        reserved, request = self.reserved, self.request
        terms = request_terms_digest(contract, request.request_id, reserved.custodian, reserved.content)
        return derive_grant_id(self.patient, request.requester, terms)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestStanding:
    """A request, and what the chain tells of it."""

    request: AccessRequest
    """As it stands."""
    opened: RequestOpened
    approved: StudyApproved | None
    cancelled: RequestCancelled | None
    returned: UnearnedReturned | None
    """That what nobody had earned by the deadline went back."""
    parts: tuple[Part, ...]
    """Of those who accepted, in the order in which they did, those whom a custodian declined included."""

    def state(self, now: int) -> RequestState:
        """Return how the request stands at ``now``."""
        request = self.request
        if request.status is RequestStatus.CANCELLED:
            return RequestState.CANCELLED
        if now >= request.terms.deadline:
            return RequestState.ENDED
        if request.status is RequestStatus.AWAITING_APPROVAL:
            return RequestState.AWAITING_APPROVAL
        return RequestState.OPEN if request.places else RequestState.USED_UP

    def part(self, patient: Address) -> Part | None:
        """Return a patient's part, or None where he has not accepted."""
        return next((part for part in self.parts if part.patient == patient), None)

    def count(self, *statuses: ReservationStatus) -> int:
        """Return how many parts have come to one of ``statuses``."""
        return sum(part.status in statuses for part in self.parts)

    @property
    def unearned(self) -> int:
        """How many rewards are held that nobody has earned: after the deadline they go back."""
        request = self.request
        return request.terms.grants - request.delivered - request.returned


class RequestBook:
    """All requests of a deployment, and what accounts have earned.

    Args:
        index: the index of the ledger's events; every question brings it up to date first.
    """

    def __init__(self, *, index: LedgerIndex) -> None:
        self._index = index

    def requests(self) -> list[RequestStanding]:
        """Return every request, in the order in which they were opened; raises ``LedgerUnavailableError``."""
        self._index.sync()
        events = [event for kind in _KINDS for event in self._index.events(kind=kind)]
        return _standings(sorted(events, key=_chain_order))

    def request(self, request_id: RequestId) -> RequestStanding:
        """Return how one request stands.

        Raises:
            UnknownRequestError: nobody opened it.
            LedgerUnavailableError: the chain cannot be read.
        """
        self._index.sync()
        found = _standings(self._index.events(request_id=request_id))
        if not found:
            raise UnknownRequestError(request_id)
        return found[0]

    def credits(self, account: Address) -> list[Credited | Withdrawn]:
        """Return what was credited to an account and withdrawn from it, in order; ``LedgerUnavailableError``."""
        self._index.sync()
        events = [event for kind in (Credited, Withdrawn) for event in self._index.events(actor=account, kind=kind)]
        return [event for event in sorted(events, key=_chain_order) if isinstance(event, Credited | Withdrawn)]


def _standings(events: Iterable[LedgerEvent]) -> list[RequestStanding]:
    model = LedgerModel()
    opened: dict[RequestId, RequestOpened] = {}
    approved: dict[RequestId, StudyApproved] = {}
    cancelled: dict[RequestId, RequestCancelled] = {}
    returned: dict[RequestId, UnearnedReturned] = {}
    parts: dict[RequestId, dict[Address, Part]] = {}
    for event in events:
        model.apply(event)
        match event:
            case RequestOpened(request=request):
                opened[request.request_id] = event
                parts[request.request_id] = {}
            case StudyApproved():
                approved[event.request_id] = event
            case RequestCancelled():
                cancelled[event.request_id] = event
            case UnearnedReturned():
                returned[event.request_id] = event
            case RewardReserved():
                # Anew, where a custodian declined before.
                parts[event.request_id].pop(event.patient, None)
                parts[event.request_id][event.patient] = Part(
                    request=opened[event.request_id].request,
                    patient=event.patient,
                    reservation=Reservation(),
                    reserved=event,
                )
            case AccessDelivered() | DeliveryDeclined() | DeliveryDisputed() | RewardPaid() | RewardReturned():
                _note(parts[event.request_id], event)
            case _:
                pass
    return [
        RequestStanding(
            request=model.request(request_id),
            opened=event,
            approved=approved.get(request_id),
            cancelled=cancelled.get(request_id),
            returned=returned.get(request_id),
            parts=tuple(
                replace(part, request=model.request(request_id), reservation=model.reservation(request_id, patient))
                for patient, part in parts[request_id].items()
            ),
        )
        for request_id, event in opened.items()
    ]


def _note(
    parts: dict[Address, Part],
    event: AccessDelivered | DeliveryDeclined | DeliveryDisputed | RewardPaid | RewardReturned,
) -> None:
    part = parts[event.patient]
    match event:
        case AccessDelivered():
            part = replace(part, delivered=event)
        case DeliveryDeclined():
            part = replace(part, declined=event)
        case DeliveryDisputed():
            part = replace(part, disputed=event)
        case RewardPaid() | RewardReturned():
            part = replace(part, settled=event)
    parts[event.patient] = part


def _chain_order(event: LedgerEvent) -> tuple[int, int]:
    return event.place.block.number, event.place.log_index
