"""Who may read, who could at a past time, and what happened: answers from the chain's own events.

Nothing here is taken from a log that somebody could edit: the index is a copy of the chain's events, and is checked
against the chain each time it is brought up to date. Records of batches stand among them, where they can be shown here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar, get_args

from medshare.errors import InvalidInputError, UnknownRecordError
from medshare.model.attestation import Attestation
from medshare.model.consent import Grant, Reason, liveness
from medshare.model.delegation import Delegation, Verbs
from medshare.model.emergency import Episode
from medshare.model.erasure import erasure_mark
from medshare.model.events import (
    AccessDelivered,
    AccessGranted,
    AccessRevoked,
    AllAccessRevoked,
    AttestationWithdrawn,
    BatchAnchored,
    BatchAttested,
    BlockRef,
    ConsortiumEvent,
    ControlMoved,
    DelegateAppointed,
    EncryptionKeySet,
    EpisodeEnded,
    EpisodeReviewed,
    EventPlace,
    GlassBroken,
    KeysReleased,
    LedgerEvent,
    QualityAttested,
    ReceiptsAnchored,
    RecordEvent,
    RecordRegistered,
    RecordRetracted,
    RecordSuperseded,
    RequestEvent,
    RequestOpened,
    RewardReserved,
    StatedInBatch,
)
from medshare.model.ids import (
    Address,
    BundleId,
    EpisodeId,
    GrantId,
    RecordId,
    RequestId,
    TermsDigest,
    derive_grant_id,
    patient_of,
)
from medshare.model.ledger import LedgerModel
from medshare.model.purpose import Purpose
from medshare.model.record import RecordEntry, RecordRef
from medshare.model.request import request_terms_digest
from medshare.services.acts import acts
from medshare.services.batched_events import StatedOtherwise, chain_order
from medshare.services.index import LedgerIndex

Told = TypeVar("Told", bound=LedgerEvent)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantStanding:
    """A grant, as it stood at a time."""

    grant: Grant
    purposes: Purpose
    """What it was last granted for, also when it was revoked since."""
    terms: TermsDigest
    bundle: BundleId
    """The newest key bundle up to that time."""
    granted_at: int
    """When it was last granted, Unix seconds."""
    granted_by: Address
    """Whose word it is: the patient's, that of the key that took over, or a delegate's. He wrote the bundle."""
    by_right: bool
    """Whether he might, when he granted it. The contract lets nobody else: where this is false, do not trust it."""
    revoked_at: int | None
    """When it was revoked since, alone or with all others."""
    reason: Reason
    """PERMITTED while it is live for its purposes, else why it is not."""

    @property
    def live(self) -> bool:
        """Whether the grant was live."""
        return self.reason is Reason.PERMITTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A custodian's word that a record is of a patient."""

    custodian: Address
    patient: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Emergency:
    """An emergency episode, and what the chain tells of it."""

    episode: Episode
    """As it stands."""
    opened: GlassBroken
    ended: EpisodeEnded | None
    """Where it was ended before its time."""
    released: tuple[KeysReleased, ...]
    reviewed: EpisodeReviewed | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Governance:
    """What the consortium's own events tell, up to a block."""

    events: tuple[LedgerEvent, ...]
    """All of them, in chain order."""
    model: LedgerModel
    """What follows from them; it knows of nothing else."""
    block: BlockRef

    def of(self, kind: type[Told]) -> list[Told]:
        """Return the events of one kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]


class Auditing:
    """Answers about the past and the present of rights.

    Args:
        index: the index of the ledger's events; every question brings it up to date first.
    """

    def __init__(self, *, index: LedgerIndex) -> None:
        self._index = index

    def sync(self, progress: Callable[[int, int], None] | None = None) -> BlockRef:
        """Read what the chain has added; return its newest block. Raises ``LedgerUnavailableError``."""
        return self._index.sync(progress)

    def rebuild(self, progress: Callable[[int, int], None] | None = None) -> BlockRef:
        """Forget the index and read the chain anew; return its newest block. Raises ``LedgerUnavailableError``."""
        return self._index.rebuild(progress)

    def named(self, since: BlockRef) -> frozenset[Address]:
        """Return whom the chain has told something about, or of, after a block; raises as ``sync``."""
        self._index.sync()
        return self._index.named(after_block=since.number)

    def grants(
        self,
        *,
        patient: Address | None = None,
        grantee: Address | None = None,
        at: int | None = None,
        head: BlockRef | None = None,
    ) -> list[GrantStanding]:
        """Return the grants of a patient, or to a grantee, or of the one to the other, oldest first.

        Args:
            patient: who granted.
            grantee: to whom.
            at: as they stood at this time (Unix seconds), by what the chain had told by then; default: now, which is
                the time of the newest block.
            head: what ``sync`` has just returned, where very many are asked about at one block.

        Raises:
            InvalidInputError: neither patient nor grantee is given, or ``at`` lies ahead of the newest block.
            LedgerUnavailableError: the chain cannot be read.
        """
        if patient is None and grantee is None:
            raise InvalidInputError("name a patient or a grantee")
        head = head or self._index.sync()
        if at is not None and at > head.time:
            raise InvalidInputError(
                "that time lies ahead of the chain's newest block", hint="ask about now, or about the past"
            )
        patients = [patient] if patient is not None else self._patients_of(grantee, at)
        standings = [
            standing
            for each in patients
            for standing in self._standings(each, at, now=head.time if at is None else at)
            if grantee is None or standing.grant.grantee == grantee
        ]
        return sorted(standings, key=lambda standing: standing.granted_at)

    def may_read(self, patient: Address, *, at: int | None = None) -> list[GrantStanding]:
        """Return who may read records of ``patient`` now, or could at ``at``: the grants that were live then."""
        return [standing for standing in self.grants(patient=patient, at=at) if standing.live]

    def grant(self, grant_id: GrantId) -> GrantStanding | None:
        """Return how one grant stands now, or None where it was never granted."""
        for standing in self.grants(patient=patient_of(grant_id)):
            if standing.grant.grant_id == grant_id:
                return standing
        return None

    def bundles(self, patient: Address, grant_id: GrantId | None = None) -> list[BundleId]:
        """Return the key bundles that a patient's grants, or one of them, have had."""
        self._index.sync()
        events = self._index.events(patient=patient, grant_id=grant_id)
        return list(dict.fromkeys(event.bundle for event in events if isinstance(event, AccessGranted)))

    def bundle_before(self, patient: Address, grant_id: GrantId, place: EventPlace) -> BundleId | None:
        """Return the key bundle that one of a patient's grants had at a place on the chain; None before the first."""
        self._index.sync()
        events = self._index.events(patient=patient, grant_id=grant_id, kind=AccessGranted)
        earlier = [
            event.bundle
            for event in events
            if isinstance(event, AccessGranted)
            and (event.place.block.number, event.place.log_index) < (place.block.number, place.log_index)
        ]
        return earlier[-1] if earlier else None

    def deliveries(self, requester: Address) -> list[AccessDelivered]:
        """Return what was delivered for the requests that somebody opened, in order."""
        self._index.sync()
        opened = self._index.events(actor=requester, kind=RequestOpened)
        numbers = [event.request.request_id for event in opened if isinstance(event, RequestOpened)]
        told = (event for each in numbers for event in self._index.events(request_id=each, kind=AccessDelivered))
        return [event for event in told if isinstance(event, AccessDelivered)]

    def delivered(self, grant: Grant, escrow: Address) -> BundleId | None:
        """Return the bundle that a custodian delivered for a grant that accepts a request, the newest; else None.

        Args:
            grant: the grant.
            escrow: the AccessRequests of the deployment.
        """
        self._index.sync()
        accepted: set[RequestId] = set()
        found = None
        for event in self._index.events(patient=grant.patient):
            match event:
                case RewardReserved(request_id=request_id, custodian=custodian, content=content):
                    terms = request_terms_digest(escrow, request_id, custodian, content)
                    # Of a request that was accepted anew, what was accepted last counts.
                    accepted.discard(request_id)
                    if derive_grant_id(grant.patient, grant.grantee, terms) == grant.grant_id:
                        accepted.add(request_id)
                case AccessDelivered(request_id=request_id, bundle=bundle) if request_id in accepted:
                    found = bundle
                case _:
                    pass
        return found

    def trail(self, patient: Address) -> list[LedgerEvent]:
        """Return everything the chain tells about a patient, in order.

        Records and their ends, grants and revocations, delegates and recoveries, emergencies with their ends, releases
        and reviews, requests that he accepted and what became of them. ``acts`` says who did each.
        """
        self._index.sync()
        events = self._index.events(patient=patient)
        for event in list(events):
            match event:
                case StatedInBatch():
                    continue  # none ends before it has an entry of its own
                case RecordRegistered() | RecordSuperseded():
                    events += self._index.events(actor=event.custodian, record_id=event.record_id, kind=RecordRetracted)
                case GlassBroken():
                    about = self._index.events(episode_id=event.episode_id)
                    events += [other for other in about if other != event]
                case RewardReserved():
                    about = self._index.events(request_id=event.request_id, kind=RequestOpened)
                    events += [other for other in about if other not in events]
                case _:
                    continue
        return sorted(events, key=chain_order)

    def records(self, patient: Address) -> list[RecordEntry]:
        """Return the records that custodians state of a patient, oldest first."""
        model = _replay(self.trail(patient))
        return sorted(model.records.values(), key=lambda entry: (entry.registered_at, entry.record_id))

    def stated_otherwise(self, patient: Address) -> list[StatedOtherwise]:
        """Return the records that a batch states of a patient, as can be shown here, and their own entries of another.

        They are not among his ``records``: an entry counts, whatever a batch says.
        """
        self._index.sync()
        return self._index.stated_otherwise(patient)

    def newest_versions(self, custodian: Address) -> dict[RecordId, RecordId]:
        """Return, for each record that a custodian has superseded, the newest version that came in its place."""
        self._index.sync()
        newest: dict[RecordId, RecordId] = {}
        for event in reversed(self._index.events(actor=custodian, kind=RecordSuperseded)):
            if isinstance(event, RecordSuperseded):
                newest[event.previous_id] = newest.get(event.record_id, event.record_id)
        return newest

    def lineages(self, patient: Address) -> dict[RecordRef, tuple[RecordId, ...]]:
        """Return the earlier versions, newest first, of each record of a patient that came in another's place."""
        self._index.sync()
        lineages: dict[RecordRef, tuple[RecordId, ...]] = {}
        for event in self._index.events(patient=patient, kind=RecordSuperseded):
            if isinstance(event, RecordSuperseded):
                previous = RecordRef(custodian=event.custodian, record_id=event.previous_id)
                later = RecordRef(custodian=event.custodian, record_id=event.record_id)
                lineages[later] = (event.previous_id, *lineages.get(previous, ()))
        return lineages

    def claims(self, record_id: RecordId) -> list[Claim]:
        """Return who states a record: one custodian, unless another states the same record under his own name.

        Raises:
            UnknownRecordError: nobody has registered it.
        """
        self._index.sync()
        claims = [
            Claim(custodian=event.custodian, patient=event.patient)
            for event in self._index.events(record_id=record_id)
            if isinstance(event, RecordRegistered | RecordSuperseded)
        ]
        if not claims:
            raise UnknownRecordError("anybody", record_id)
        return claims

    def lineage(self, record: RecordEntry) -> tuple[RecordEntry, ...]:
        """Return all versions of a record, earlier and later ones, newest first."""
        self._index.sync()
        newest = self.newest_versions(record.custodian).get(record.record_id, record.record_id)
        last = RecordRef(custodian=record.custodian, record_id=newest)
        entries = {entry.ref: entry for entry in self.records(record.patient)}
        versions = (newest, *self.lineages(record.patient).get(last, ()))
        return tuple(entries[RecordRef(custodian=record.custodian, record_id=version)] for version in versions)

    def erasure(self, record: RecordRef) -> RecordRetracted | None:
        """Return the mark that a custodian has erased a record, or None where he has not."""
        self._index.sync()
        events = self._index.events(actor=record.custodian, record_id=record.record_id, kind=RecordRetracted)
        return next((event for event in events if isinstance(event, RecordRetracted) and is_erasure(event)), None)

    def retracted(self, custodian: Address) -> frozenset[RecordId]:
        """Return the records that a custodian has retracted."""
        self._index.sync()
        events = self._index.events(actor=custodian, kind=RecordRetracted)
        return frozenset(event.record_id for event in events if isinstance(event, RecordRetracted))

    def erasures(self, patient: Address) -> dict[RecordRef, RecordRetracted]:
        """Return the records of a patient that were erased, each version, with its mark."""
        return {
            RecordRef(custodian=event.custodian, record_id=event.record_id): event
            for event in self.trail(patient)
            if isinstance(event, RecordRetracted) and is_erasure(event)
        }

    def encryption_keys(self, actor: Address) -> list[EncryptionKeySet]:
        """Return every encryption key an actor has published, oldest first."""
        self._index.sync()
        events = self._index.events(actor=actor, kind=EncryptionKeySet)
        return [event for event in events if isinstance(event, EncryptionKeySet)]

    def attestations(self, record_id: RecordId, *, up_to_block: int | None = None) -> list[Attestation]:
        """Return what assessors attested of a record, each as it stands, oldest first.

        Whether an assessor is accredited now, the consortium says.

        Args:
            record_id: which record.
            up_to_block: as it stood after the block of this number; default: the newest.

        Raises:
            LedgerUnavailableError: the chain cannot be read.
        """
        self._index.sync()
        told = [
            event
            for kind in (QualityAttested, AttestationWithdrawn)
            for event in self._index.events(record_id=record_id, kind=kind, up_to_block=up_to_block)
        ]
        model = LedgerModel()
        attested = set()
        for event in sorted(told, key=chain_order):
            if isinstance(event, QualityAttested):
                attested.add(event.assessor)
            elif isinstance(event, AttestationWithdrawn) and event.assessor not in attested:
                continue  # of a batch, whose root looks like an id
            model.apply(event)
        return sorted(model.attestations.values(), key=lambda one: one.attested_at)

    def attestation_withdrawn(self, assessor: Address, subject: bytes) -> AttestationWithdrawn | None:
        """Return how an assessor has withdrawn what he attested last of a record, or of a batch by its root, or None.

        Raises:
            LedgerUnavailableError: the chain cannot be read.
        """
        self._index.sync()
        events = self._index.events(actor=assessor, record_id=RecordId(subject))
        told = [event for event in events if isinstance(event, QualityAttested | AttestationWithdrawn)]
        newest = told[-1] if told else None
        return newest if isinstance(newest, AttestationWithdrawn) else None

    def attested_batches(self, assessor: Address, *, up_to_block: int | None = None) -> dict[bytes, Attestation]:
        """Return the batches that an assessor has attested, by their roots, each as it stands; args as above.

        Raises:
            LedgerUnavailableError: the chain cannot be read.
        """
        self._index.sync()
        told = [
            event
            for kind in (BatchAttested, AttestationWithdrawn)
            for event in self._index.events(actor=assessor, kind=kind, up_to_block=up_to_block)
        ]
        model, roots = LedgerModel(), set()
        for event in sorted(told, key=chain_order):
            if isinstance(event, BatchAttested):
                roots.add(event.root)
            elif isinstance(event, AttestationWithdrawn) and event.subject not in roots:
                continue  # of a single record
            model.apply(event)
        return {root: model.attestation(assessor, root) for root in roots}

    def anchored(self, custodian: Address) -> list[ReceiptsAnchored]:
        """Return the roots of read receipts that a custodian has anchored, oldest first."""
        self._index.sync()
        events = self._index.events(actor=custodian, kind=ReceiptsAnchored)
        return [event for event in events if isinstance(event, ReceiptsAnchored)]

    def batches(self, custodian: Address | None = None) -> list[BatchAnchored]:
        """Return the batches of records that custodians, or one of them, have anchored, oldest first."""
        self._index.sync()
        events = self._index.events(actor=custodian, kind=BatchAnchored)
        return [event for event in events if isinstance(event, BatchAnchored)]

    # --------------------------------------------------------------------------- representing, emergencies

    def delegations(self, *, patient: Address | None = None, delegate: Address | None = None) -> list[Delegation]:
        """Return the delegations of a patient, or to a delegate, as they stand: in force or not.

        Raises:
            LedgerUnavailableError: the chain cannot be read.
        """
        self._index.sync()
        events = self._index.events(patient=patient, actor=delegate, kind=DelegateAppointed)
        pairs = dict.fromkeys(
            (event.delegation.patient, event.delegation.delegate)
            for event in events
            if isinstance(event, DelegateAppointed)
        )
        models = {each: _replay(self._index.events(patient=each)) for each in dict.fromkeys(one for one, _ in pairs)}
        return [models[one].delegation(one, other) for one, other in pairs]

    def stamp(self, patient: Address) -> int:
        """Return how often a patient has revoked everything."""
        self._index.sync()
        return _replay(self._index.events(patient=patient, kind=AllAccessRevoked)).stamp(patient)

    def controlled_by(self, account: Address) -> list[Address]:
        """Return the other patients for whom ``account`` ever took over; the chain says whether he still is."""
        self._index.sync()
        events = self._index.events(actor=account, kind=ControlMoved)
        return list(dict.fromkeys(event.patient for event in events if isinstance(event, ControlMoved)))

    def controllers_of(self, patient: Address) -> list[Address]:
        """Return whoever ever took over for a patient, the earliest first; the chain says who is in control."""
        self._index.sync()
        events = self._index.events(patient=patient, kind=ControlMoved)
        return list(dict.fromkeys(event.controller for event in events if isinstance(event, ControlMoved)))

    def recoveries(self) -> list[ControlMoved]:
        """Return each time that another key took over for a patient."""
        self._index.sync()
        return [event for event in self._index.events(kind=ControlMoved) if isinstance(event, ControlMoved)]

    def patients_of(self, custodian: Address) -> list[Address]:
        """Return the patients of whom a custodian has ever registered a record."""
        self._index.sync()
        events = self._index.events(actor=custodian, kind=RecordRegistered)
        return list(dict.fromkeys(event.patient for event in events if isinstance(event, RecordRegistered)))

    def emergencies(self, *, patient: Address | None = None, clinician: Address | None = None) -> list[Emergency]:
        """Return emergency episodes, of a patient, of a clinician, or all, with all that the chain tells of them.

        Raises:
            LedgerUnavailableError: the chain cannot be read.
        """
        self._index.sync()
        broken = self._index.events(patient=patient, actor=clinician, kind=GlassBroken)
        return [self._emergency(event) for event in broken if isinstance(event, GlassBroken)]

    def emergency(self, episode_id: EpisodeId) -> Emergency | None:
        """Return one emergency episode, or None where the chain tells of none."""
        self._index.sync()
        for event in self._index.events(episode_id=episode_id, kind=GlassBroken):
            if isinstance(event, GlassBroken):
                return self._emergency(event)
        return None

    def _emergency(self, opened: GlassBroken) -> Emergency:
        about = self._index.events(episode_id=opened.episode_id)
        ended = [event for event in about if isinstance(event, EpisodeEnded)]
        reviewed = [event for event in about if isinstance(event, EpisodeReviewed)]
        return Emergency(
            episode=_replay(about).episode(opened.episode_id),
            opened=opened,
            ended=ended[-1] if ended else None,
            released=tuple(event for event in about if isinstance(event, KeysReleased)),
            reviewed=reviewed[-1] if reviewed else None,
        )

    # ------------------------------------------------------------------------------------- the consortium

    def governance(self) -> Governance:
        """Return what the consortium's own events tell of members, accreditations and proposals.

        Raises:
            LedgerUnavailableError: the chain cannot be read.
        """
        block = self._index.sync()
        told = [event for kind in get_args(ConsortiumEvent) for event in self._index.events(kind=kind)]
        events = tuple(sorted(told, key=chain_order))
        return Governance(events=events, model=_replay(events), block=block)

    # -------------------------------------------------------------------------------------------- replaying

    def _patients_of(self, grantee: Address | None, at: int | None) -> list[Address]:
        events = self._index.events(actor=grantee, until=at)
        return list(dict.fromkeys(event.grant.patient for event in events if isinstance(event, AccessGranted)))

    def _standings(self, patient: Address, at: int | None, *, now: int) -> list[GrantStanding]:
        model = LedgerModel()
        granted: dict[GrantId, _Given] = {}
        revoked_at: dict[GrantId, int] = {}
        # Most of what is told of a patient is of records, and no grant depends on them.
        for act in acts(self._index.events(patient=patient, without=get_args(RecordEvent), until=at)):
            event = act.event
            match event:
                case AccessGranted():
                    by = act.by or patient
                    might = may_grant(model, by, event.grant, event.place.block.time)
                    granted[event.grant.grant_id] = _Given(event=event, by=by, might=might)
                    revoked_at.pop(event.grant.grant_id, None)
                case AccessRevoked():
                    revoked_at.setdefault(event.grant_id, event.place.block.time)
                case AllAccessRevoked():
                    for grant_id in granted:
                        revoked_at.setdefault(grant_id, event.place.block.time)
                case _:
                    pass
            if not isinstance(event, RequestEvent):
                model.apply(event)
        return [
            _standing(model.get_grant(grant_id), given, revoked_at.get(grant_id), model.stamp(patient), now)
            for grant_id, given in granted.items()
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """The newest event of a grant, whose word it was, and whether he might."""

    event: AccessGranted
    by: Address
    might: bool


def may_grant(model: LedgerModel, by: Address, grant: Grant, now: int) -> bool:
    """Whether ``by`` might give this grant in the state that came before it."""
    if by == model.controller_of(grant.patient).controller:
        return True
    held = model.delegation(grant.patient, by)
    within = held.purposes & grant.purposes == grant.purposes and grant.expires_at <= held.expires_at
    return within and held.permits(Verbs.GRANT, stamp=model.stamp(grant.patient), now=now)


def _standing(grant: Grant, given: _Given, revoked_at: int | None, stamp: int, now: int) -> GrantStanding:
    event = given.event
    return GrantStanding(
        grant=grant,
        purposes=event.grant.purposes,
        terms=event.terms,
        bundle=event.bundle,
        granted_at=event.place.block.time,
        granted_by=given.by,
        by_right=given.might,
        revoked_at=revoked_at,
        reason=liveness(grant, stamp=stamp, purpose=event.grant.purposes, now=now),
    )


def _replay(events: Sequence[LedgerEvent]) -> LedgerModel:
    """Return the state that one patient's events make: requests are others' as well, and left out."""
    model = LedgerModel()
    for event in events:
        if not isinstance(event, RequestEvent):
            model.apply(event)
    return model


def is_erasure(event: RecordRetracted) -> bool:
    """Whether a retraction carries the mark of an erasure."""
    return event.reason == erasure_mark(event.custodian, event.record_id)
