"""Accounting of disclosures: who could read records of a patient, when, and by whose word, from the chain alone.

Nothing is filtered and nothing is believed: every event of the patient up to one block is there, with where the chain
tells it, and the same accounting can be made again by anybody at any time. What is exported of it is compared in this
way.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from medshare.errors import IntegrityError, InvalidInputError
from medshare.hashing import DIGEST_SIZE, tagged_sha256
from medshare.model.disclosure import (
    AccountedEvent,
    AccountingOfDisclosures,
    Capacity,
    Disclosure,
    Ending,
    Manner,
    Scope,
)
from medshare.model.documents import encode_document
from medshare.model.events import (
    AccessDelivered,
    AccessGranted,
    AccessRevoked,
    AllAccessRevoked,
    BlockRef,
    DeliveryDeclined,
    DeliveryDisputed,
    EpisodeEnded,
    EpisodeReviewed,
    GlassBroken,
    KeysReleased,
    LedgerEvent,
    RecordRegistered,
    RecordRetracted,
    RecordSuperseded,
    RegisteredFromBatch,
    RequestEvent,
    RequestOpened,
    RewardPaid,
    RewardReserved,
    RewardReturned,
    StatedInBatch,
)
from medshare.model.grant import MAX_TIME
from medshare.model.ids import Address, EpisodeId, RequestId, clinician_of, derive_grant_id
from medshare.model.ledger import LedgerModel
from medshare.model.purpose import Purpose
from medshare.model.record import RecordStatus
from medshare.model.request import AccessRequest, request_terms_digest
from medshare.ports import Ledger
from medshare.services.acts import Act, acts
from medshare.services.auditing import Auditing, may_grant
from medshare.services.event_codec import encode

_NOTHING = bytes(DIGEST_SIZE)


class Accounting:
    """Makes accountings of disclosures.

    Args:
        ledger: the contracts, and the chain they are on.
        auditing: what the chain tells of a patient.
    """

    def __init__(self, *, ledger: Ledger, auditing: Auditing) -> None:
        self._ledger = ledger
        self._auditing = auditing

    def of(self, patient: Address, *, since: int = 0) -> AccountingOfDisclosures:
        """Return who could read records of ``patient``, up to the newest block.

        Args:
            patient: whose records.
            since: only what was told, or could be read, at this time or later (Unix seconds).

        Raises:
            InvalidInputError: ``since`` is no time that the chain can count.
            LedgerUnavailableError: the chain cannot be read.
        """
        if not 0 <= since <= MAX_TIME:
            raise InvalidInputError("an accounting begins between 1970 and 2106")
        return self._made(patient, since, self._auditing.sync())

    def again(self, scope: Scope) -> AccountingOfDisclosures:
        """Return the accounting that has this scope, made anew.

        Raises:
            InvalidInputError: it is of another chain, or ahead of this node's newest block.
            IntegrityError: its block is not on the chain.
            LedgerUnavailableError: the chain cannot be read.
        """
        chain = self._ledger.chain
        if scope.chain_id != chain.chain_id:
            raise InvalidInputError(
                f"this is about chain {scope.chain_id}, and here is chain {chain.chain_id}",
                hint="name the network with --network",
            )
        if scope.block > self._auditing.sync().number:
            raise InvalidInputError("this goes further than the chain's newest block", hint="ask a node that is ahead")
        block = chain.block(scope.block)
        if block.hash != scope.block_hash:
            raise IntegrityError(
                f"block {scope.block} of the chain is another one than this names",
                hint="it was edited, or made on a branch that the chain has left: export it anew",
            )
        return self._made(scope.patient, scope.since, block)

    def _made(self, patient: Address, since: int, block: BlockRef) -> AccountingOfDisclosures:
        composer = _Composer(patient=patient, escrow=self._ledger.requests.address)
        # What a batch states is told by no log: anybody shall be able to make the accounting again.
        told = (each for each in self._auditing.trail(patient) if not isinstance(each, StatedInBatch))
        for act in acts(each for each in told if each.place.block.number <= block.number):
            composer.take(act)
        disclosures = [each for each in composer.disclosures if max(each.place.block.time, each.until) >= since]
        # Python's sort keeps the chain's order within each part.
        disclosures.sort(key=lambda each: not each.manner.is_emergency)
        by_place = {_spot(each): each for each in disclosures}
        return AccountingOfDisclosures(
            scope=Scope(
                patient=patient,
                chain_id=self._ledger.chain.chain_id,
                since=since,
                block=block.number,
                block_hash=block.hash,
            ),
            block=block,
            events=tuple(
                replace(each, disclosure=by_place.get(_spot(each)))
                for each in composer.events
                if each.place.block.time >= since
            ),
            disclosures=tuple(disclosures),
        )


def event_digest(event: LedgerEvent) -> bytes:
    """Return the digest of an event and of where the chain tells it."""
    kind, body = encode(event)
    place = event.place
    told = {
        "kind": kind,
        "body": body,
        "block": place.block.hash.hex(),
        "transaction": place.tx_hash.hex(),
        "log_index": place.log_index,
    }
    return tagged_sha256("medshare/accounted-event/1", encode_document(told))


@dataclass
class _Composer:
    """Takes the acts of one patient in the chain's order."""

    patient: Address
    escrow: Address
    events: list[AccountedEvent] = field(default_factory=list)
    disclosures: list[Disclosure] = field(default_factory=list)
    _model: LedgerModel = field(default_factory=LedgerModel)
    _requests: dict[RequestId, AccessRequest] = field(default_factory=dict)
    _reserved: dict[RequestId, RewardReserved] = field(default_factory=dict)
    _rests_on: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    """Which disclosures end with a grant or an episode, by its kind and id."""

    def take(self, act: Act) -> None:
        event = act.event
        self._end(event)
        made = self._disclosed(act)
        self.events.append(_accounted(act, made))
        if made is not None:
            self.disclosures.append(made)
        match event:
            case RequestOpened(request=request):
                self._requests[request.request_id] = request
            case RewardReserved():
                self._reserved[event.request_id] = event
            case _:
                pass
        if not isinstance(event, RequestEvent):
            self._model.apply(event)

    def _disclosed(self, act: Act) -> Disclosure | None:
        match act.event:
            case AccessGranted() as event:
                return self._granted(event, act.by or self.patient)
            case AccessDelivered() as event:
                return self._delivered(event)
            case GlassBroken() as event:
                return self._broken(event)
            case KeysReleased() as event:
                return self._released(event)
            case _:
                return None

    def _granted(self, event: AccessGranted, by: Address) -> Disclosure:
        grant, now = event.grant, event.place.block.time
        reference = ("grant", f"{grant.grant_id:#x}")
        self._resting_on(reference)
        return Disclosure(
            manner=Manner.GRANT,
            place=event.place,
            digest=event_digest(event),
            recipient=grant.grantee,
            given_by=by,
            capacity=self._capacity(by),
            by_right=may_grant(self._model, by, grant, now),
            purposes=grant.purposes,
            begins_at=max(grant.not_before, now),
            ends_at=grant.expires_at,
            reference=reference,
            content=event.terms,
            records=self._active(),
        )

    def _delivered(self, event: AccessDelivered) -> Disclosure:
        reserved, request = self._reserved[event.request_id], self._requests[event.request_id]
        terms = request_terms_digest(self.escrow, event.request_id, reserved.custodian, reserved.content)
        grant_id = derive_grant_id(self.patient, request.requester, terms)
        self._resting_on(("grant", f"{grant_id:#x}"))
        return Disclosure(
            manner=Manner.DELIVERY,
            place=event.place,
            digest=event_digest(event),
            recipient=request.requester,
            given_by=reserved.custodian,
            capacity=Capacity.CUSTODIAN,
            by_right=True,
            purposes=request.terms.purposes,
            begins_at=event.place.block.time,
            ends_at=self._model.get_grant(grant_id).expires_at,
            reference=("request", str(event.request_id)),
            content=event.bundle,
            records=self._active(reserved.custodian),
        )

    def _broken(self, event: GlassBroken) -> Disclosure:
        reference = ("episode", f"{event.episode_id:#x}")
        self._resting_on(reference)
        return Disclosure(
            manner=Manner.EMERGENCY,
            place=event.place,
            digest=event_digest(event),
            recipient=event.clinician,
            given_by=event.clinician,
            capacity=Capacity.CLINICIAN,
            by_right=True,
            purposes=Purpose.BTG,
            begins_at=event.place.block.time,
            ends_at=event.ends_at,
            reference=reference,
            content=_NOTHING,
            records=self._active(),
            reason=event.reason,
        )

    def _released(self, event: KeysReleased) -> Disclosure:
        episode = self._model.episode(event.episode_id)
        reference = ("episode", f"{event.episode_id:#x}")
        self._resting_on(reference)
        return Disclosure(
            manner=Manner.EMERGENCY_KEYS,
            place=event.place,
            digest=event_digest(event),
            recipient=clinician_of(event.episode_id),
            given_by=event.custodian,
            capacity=Capacity.CUSTODIAN,
            by_right=True,
            purposes=Purpose.BTG,
            begins_at=event.place.block.time,
            ends_at=episode.ends_at,
            reference=reference,
            content=event.bundle,
            records=self._active(event.custodian),
            reason=episode.reason,
        )

    def _resting_on(self, reference: tuple[str, str]) -> None:
        """Note that what comes next ends with a grant or an episode."""
        self._rests_on.setdefault(reference, []).append(len(self.disclosures))

    def _end(self, event: LedgerEvent) -> None:
        at = event.place.block.time
        match event:
            case AccessGranted(grant=grant):
                self._ended("grant", f"{grant.grant_id:#x}", at, Ending.REPLACED)
            case AccessRevoked():
                self._ended("grant", f"{event.grant_id:#x}", at, Ending.REVOKED)
            case AllAccessRevoked():
                for kind, reference in self._rests_on:
                    if kind == "grant":
                        self._ended(kind, reference, at, Ending.REVOKED)
            case EpisodeEnded():
                self._ended("episode", f"{event.episode_id:#x}", at, Ending.ENDED)
            case EpisodeReviewed():
                self._reviewed(event.episode_id, event)
            case _:
                pass

    def _ended(self, kind: str, reference: str, at: int, ending: Ending) -> None:
        for number in self._rests_on.get((kind, reference), ()):
            one = self.disclosures[number]
            if one.ended_at is None and at < one.ends_at:
                self.disclosures[number] = replace(one, ended_at=at, ending=ending)

    def _reviewed(self, episode_id: EpisodeId, event: EpisodeReviewed) -> None:
        for number in self._rests_on.get(("episode", f"{episode_id:#x}"), ()):
            self.disclosures[number] = replace(self.disclosures[number], verdict=event.verdict)

    def _capacity(self, by: Address) -> Capacity:
        if by == self.patient:
            return Capacity.PATIENT
        in_control = by == self._model.controller_of(self.patient).controller
        return Capacity.SUCCESSOR if in_control else Capacity.DELEGATE

    def _active(self, custodian: Address | None = None) -> int:
        """Count the patient's active records, those of one custodian where one is named."""
        return sum(
            entry.status is RecordStatus.ACTIVE and custodian in (None, entry.custodian)
            for entry in self._model.records.values()
        )


def _accounted(act: Act, made: Disclosure | None) -> AccountedEvent:
    event = act.event
    return AccountedEvent(
        kind=type(event).__name__,
        place=event.place,
        digest=event_digest(event),
        by=act.by,
        concerns=act.concerns,
        purposes=Purpose(0) if made is None else made.purposes,
        objects=_objects(event),
    )


def _objects(event: LedgerEvent) -> tuple[tuple[str, str], ...]:
    """Return what an event was about: kinds and ids."""
    match event:
        case RecordRegistered() | RegisteredFromBatch() | RecordRetracted():
            return (("record", event.record_id.hex()),)
        case RecordSuperseded():
            return (("record", event.record_id.hex()), ("record", event.previous_id.hex()))
        case AccessGranted(grant=grant):
            ids = (("grant", f"{grant.grant_id:#x}"), ("terms", event.terms.hex()))
            return (*ids, ("bundle", event.bundle.hex()))
        case AccessRevoked():
            return (("grant", f"{event.grant_id:#x}"),)
        case GlassBroken() | EpisodeEnded() | EpisodeReviewed():
            return (("episode", f"{event.episode_id:#x}"),)
        case KeysReleased():
            return (("episode", f"{event.episode_id:#x}"), ("bundle", event.bundle.hex()))
        case AccessDelivered():
            return (("request", str(event.request_id)), ("bundle", event.bundle.hex()))
        case RequestOpened(request=request):
            return (("request", str(request.request_id)),)
        case RewardReserved() | DeliveryDeclined() | DeliveryDisputed() | RewardPaid() | RewardReturned():
            return (("request", str(event.request_id)),)
        case _:
            return ()


def _spot(one: AccountedEvent | Disclosure) -> tuple[bytes, int]:
    return one.place.tx_hash, one.place.log_index
