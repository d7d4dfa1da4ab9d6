"""Who did what: events as acts, each with the one who acted and the one whom it concerns.

The chain says who acted for a patient in an event of its own, ``ActedFor``, right before what he did; and who is in
control of a patient by ``ControlMoved``. Here both become part of the act.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from medshare.model.accreditation import AccreditationKind, Suspension
from medshare.model.events import (
    AccessDelivered,
    AccessGranted,
    AccessRevoked,
    AccreditationReinstated,
    AccreditationSuspended,
    Accredited,
    ActedFor,
    AllAccessRevoked,
    AttestationWithdrawn,
    BarSet,
    BatchAnchored,
    BatchAttested,
    ConsortiumEvent,
    ControlMoved,
    Credited,
    DelegateAppointed,
    DelegateDismissed,
    DeliveryDeclined,
    DeliveryDisputed,
    EncryptionKeySet,
    EpisodeEnded,
    EpisodeReviewed,
    EscrowEvent,
    GlassBroken,
    GuardiansNamed,
    KeysReleased,
    LedgerEvent,
    MemberAdmitted,
    MemberReinstated,
    MemberRemoved,
    MemberSuspended,
    PeriodsSet,
    ProposalExecuted,
    Proposed,
    QualityAttested,
    ReceiptsAnchored,
    RecordRegistered,
    RecordRetracted,
    RecordSuperseded,
    RecoveryObjected,
    RecoveryProposed,
    RegisteredFromBatch,
    RequestCancelled,
    RequestEvent,
    RequestOpened,
    RewardPaid,
    RewardReserved,
    RewardReturned,
    SplitSet,
    StudyApproved,
    TokenAllowed,
    UnearnedReturned,
    Voted,
    VotingRulesSet,
    Withdrawn,
)
from medshare.model.ids import Address, GrantId, RequestId, clinician_of, patient_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Something that was done."""

    event: LedgerEvent
    by: Address | None
    """Whose word it was; None where the chain does not say, or it was several: a vote, or the guardians."""
    concerns: Address | None
    """Whom it concerns besides the patient."""


def acts(events: Iterable[LedgerEvent]) -> list[Act]:
    """Return what was done, in order.

    Args:
        events: in chain order, and all that there are about the patients in question: who is in control of one, and
            to whom a grant was given, is known from what came before.
    """
    found: list[Act] = []
    known = _Known()
    acted: ActedFor | None = None
    for event in events:
        if isinstance(event, ActedFor):
            acted = event
            continue
        by = acted.actor if acted is not None and _follows(event, acted) else _author(event, known)
        if isinstance(event, RewardReserved):
            by = _granter(event, found)
        acted = None
        known.learn(event)
        found.append(Act(event=event, by=by, concerns=_concerned(event, known)))
    return found


@dataclass
class _Known:
    """What earlier events told."""

    controllers: dict[Address, Address] = field(default_factory=dict)
    grantees: dict[GrantId, Address] = field(default_factory=dict)
    accreditors: dict[tuple[Address, AccreditationKind], Address] = field(default_factory=dict)
    requesters: dict[RequestId, Address] = field(default_factory=dict)
    custodians: dict[tuple[RequestId, Address], Address] = field(default_factory=dict)
    """Of a patient's part in a request."""

    def learn(self, event: LedgerEvent) -> None:
        match event:
            case ControlMoved():
                self.controllers[event.patient] = event.controller
            case AccessGranted():
                self.grantees[event.grant.grant_id] = event.grant.grantee
            case Accredited():
                self.accreditors[event.actor, event.kind] = event.member
            case RequestOpened(request=request):
                self.requesters[request.request_id] = request.requester
            case RewardReserved():
                self.custodians[event.request_id, event.patient] = event.custodian
            case _:
                pass

    def in_control(self, account: Address) -> Address:
        return self.controllers.get(account, account)


def _follows(event: LedgerEvent, acted: ActedFor) -> bool:
    """Whether an event is the one that was done for the patient: the very next of the transaction."""
    one, other = acted.place, event.place
    return (one.block, one.tx_hash, one.log_index + 1) == (other.block, other.tx_hash, other.log_index)


def _granter(event: RewardReserved, before: list[Act]) -> Address | None:
    """Return who granted what a patient's part in a request rests on, where that was in the same transaction."""
    granted = before[-1] if before else None
    if granted is None or not isinstance(granted.event, AccessGranted):
        return None
    is_this = granted.event.place.tx_hash == event.place.tx_hash and granted.event.grant.patient == event.patient
    return granted.by if is_this else None


def _author(event: LedgerEvent, known: _Known) -> Address | None:
    match event:
        case EncryptionKeySet():
            return event.actor
        case (
            RecordRegistered()
            | RegisteredFromBatch()
            | RecordSuperseded()
            | RecordRetracted()
            | BatchAnchored()
            | KeysReleased()
            | ReceiptsAnchored()
        ):
            return event.custodian
        case AccessGranted():
            return event.grant.patient
        case AccessRevoked():
            return patient_of(event.grant_id)
        case DelegateAppointed():
            return known.in_control(event.delegation.patient)
        case AllAccessRevoked() | GuardiansNamed() | RecoveryObjected() | BarSet():
            return known.in_control(event.patient)
        case GlassBroken():
            return event.clinician
        case EpisodeEnded():
            return event.by
        case EpisodeReviewed():
            return event.reviewer
        case ActedFor():
            return event.actor
        case DelegateDismissed() | RecoveryProposed() | ControlMoved():
            return None
        case _:
            return _governor(event, known)


def _governor(
    event: ConsortiumEvent | EscrowEvent | RequestEvent | QualityAttested | BatchAttested | AttestationWithdrawn,
    known: _Known,
) -> Address | None:
    match event:
        case QualityAttested() | BatchAttested() | AttestationWithdrawn():
            return event.assessor
        case Accredited() | Voted():
            return event.member
        case AccreditationSuspended(by=Suspension.BY_MEMBER):
            return known.accreditors.get((event.actor, event.kind))
        case Proposed():
            return event.proposer
        case ProposalExecuted() | StudyApproved() | RequestCancelled():
            return event.by
        case Withdrawn():
            return known.in_control(event.account)
        case RequestOpened():
            return event.request.requester
        case AccessDelivered():
            return known.custodians.get((event.request_id, event.patient))
        case DeliveryDisputed():
            return known.requesters.get(event.request_id)
        case _:
            return None


def _concerned(event: LedgerEvent, known: _Known) -> Address | None:
    match event:
        case RecordRegistered() | RegisteredFromBatch() | RecordSuperseded() | GlassBroken() | ActedFor():
            return event.patient
        case AccessGranted():
            return event.grant.grantee
        case AccessRevoked():
            return known.grantees.get(event.grant_id)
        case DelegateAppointed():
            return event.delegation.delegate
        case DelegateDismissed():
            return event.delegate
        case RecoveryProposed() | ControlMoved():
            return event.controller
        case EpisodeEnded() | KeysReleased() | EpisodeReviewed():
            return clinician_of(event.episode_id)
        case EncryptionKeySet() | RecordRetracted() | BatchAnchored() | AllAccessRevoked():
            return None
        case GuardiansNamed() | RecoveryObjected() | BarSet():
            return None
        case QualityAttested() | BatchAttested() | AttestationWithdrawn() | ReceiptsAnchored():
            return None
        case _:
            return _concerned_by_governing(event, known)


def _concerned_by_governing(event: ConsortiumEvent | EscrowEvent | RequestEvent, known: _Known) -> Address | None:
    match event:
        case MemberAdmitted() | MemberRemoved() | MemberSuspended() | MemberReinstated():
            return event.member
        case Accredited() | AccreditationSuspended() | AccreditationReinstated():
            return event.actor
        case Credited():
            return event.account
        case Withdrawn():
            return event.to
        case RewardReserved():
            return event.custodian
        case StudyApproved() | RequestCancelled() | UnearnedReturned():
            return known.requesters.get(event.request_id)
        case AccessDelivered() | RewardReturned():
            return known.requesters.get(event.request_id)
        case DeliveryDeclined() | DeliveryDisputed() | RewardPaid():
            return known.custodians.get((event.request_id, event.patient))
        case Proposed() | Voted() | ProposalExecuted() | VotingRulesSet():
            return None
        case RequestOpened() | TokenAllowed() | SplitSet() | PeriodsSet():
            return None
