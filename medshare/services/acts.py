"""Who did what: events as acts, each with the one who acted and the one whom it concerns.

The chain says who acted for a patient in an event of its own, ``ActedFor``, right before what he did; and who is in
control of a patient by ``ControlMoved``. Here both become part of the act.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from medshare.model.events import (
    AccessGranted,
    AccessRevoked,
    Accredited,
    ActedFor,
    AllAccessRevoked,
    BarSet,
    ControlMoved,
    DelegateAppointed,
    DelegateDismissed,
    EncryptionKeySet,
    EpisodeEnded,
    EpisodeReviewed,
    GlassBroken,
    GuardiansNamed,
    KeysReleased,
    LedgerEvent,
    RecordRegistered,
    RecordRetracted,
    RecordSuperseded,
    RecoveryObjected,
    RecoveryProposed,
)
from medshare.model.ids import Address, GrantId, clinician_of, patient_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Something that was done."""

    event: LedgerEvent
    by: Address | None
    """Whose word it was; None where the chain does not say, or it was several."""
    concerns: Address | None
    """Whom it concerns besides the patient."""


def acts(events: Iterable[LedgerEvent]) -> list[Act]:
    """Return what was done, in order.

    Args:
        events: in chain order, and all that there are about the patients in question: who is in control of one, and
            to whom a grant was given, is known from what came before.
    """
    found: list[Act] = []
    controllers: dict[Address, Address] = {}
    grantees: dict[GrantId, Address] = {}
    acted: ActedFor | None = None
    for event in events:
        if isinstance(event, ActedFor):
            acted = event
            continue
        by = acted.actor if acted is not None and _follows(event, acted) else _author(event, controllers)
        acted = None
        if isinstance(event, ControlMoved):
            controllers[event.patient] = event.controller
        if isinstance(event, AccessGranted):
            grantees[event.grant.grant_id] = event.grant.grantee
        found.append(Act(event=event, by=by, concerns=_concerned(event, grantees)))
    return found


def _follows(event: LedgerEvent, acted: ActedFor) -> bool:
    """Whether an event is the one that was done for the patient: the very next of the transaction."""
    one, other = acted.place, event.place
    return (one.block, one.tx_hash, one.log_index + 1) == (other.block, other.tx_hash, other.log_index)


def _author(event: LedgerEvent, controllers: dict[Address, Address]) -> Address | None:
    match event:
        case EncryptionKeySet():
            return event.actor
        case RecordRegistered() | RecordSuperseded() | RecordRetracted() | KeysReleased():
            return event.custodian
        case AccessGranted():
            return event.grant.patient
        case AccessRevoked():
            return patient_of(event.grant_id)
        case DelegateAppointed():
            return controllers.get(event.delegation.patient, event.delegation.patient)
        case AllAccessRevoked() | GuardiansNamed() | RecoveryObjected() | BarSet():
            return controllers.get(event.patient, event.patient)
        case GlassBroken():
            return event.clinician
        case EpisodeEnded():
            return event.by
        case EpisodeReviewed():
            return event.reviewer
        case ActedFor():
            return event.actor
        case DelegateDismissed() | RecoveryProposed() | ControlMoved() | Accredited():
            return None


def _concerned(event: LedgerEvent, grantees: dict[GrantId, Address]) -> Address | None:
    match event:
        case RecordRegistered() | RecordSuperseded() | GlassBroken() | ActedFor():
            return event.patient
        case AccessGranted():
            return event.grant.grantee
        case AccessRevoked():
            return grantees.get(event.grant_id)
        case DelegateAppointed():
            return event.delegation.delegate
        case DelegateDismissed():
            return event.delegate
        case RecoveryProposed() | ControlMoved():
            return event.controller
        case EpisodeEnded() | KeysReleased() | EpisodeReviewed():
            return clinician_of(event.episode_id)
        case Accredited():
            return event.actor
        case EncryptionKeySet() | RecordRetracted() | AllAccessRevoked():
            return None
        case GuardiansNamed() | RecoveryObjected() | BarSet():
            return None
