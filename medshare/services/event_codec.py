"""Ledger events as rows: how the index writes them down and reads them back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple, TypeAlias, get_args, get_type_hints

from medshare.model.accreditation import AccreditationKind, Suspension
from medshare.model.consent import Grant
from medshare.model.delegation import Delegation, Verbs
from medshare.model.emergency import EmergencyReason, Verdict
from medshare.model.events import (
    AccessDelivered,
    AccessGranted,
    AccessRevoked,
    AccreditationReinstated,
    AccreditationSuspended,
    Accredited,
    ActedFor,
    AllAccessRevoked,
    AttestationEvent,
    AttestationWithdrawn,
    BarSet,
    BatchAnchored,
    BatchAttested,
    ConsentEvent,
    ConsortiumEvent,
    ControlMoved,
    Credited,
    DelegateAppointed,
    DelegateDismissed,
    DeliveryDeclined,
    DeliveryDisputed,
    EncryptionKeySet,
    EpisodeEnded,
    EpisodeEvent,
    EpisodeReviewed,
    EscrowEvent,
    EventPlace,
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
    RecordEvent,
    RecordRegistered,
    RecordRetracted,
    RecordSuperseded,
    RecoveryObjected,
    RecoveryProposed,
    RegisteredFromBatch,
    RequestCancelled,
    RequestEvent,
    RequestOpened,
    ReservationEvent,
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
from medshare.model.ids import (
    Address,
    BundleId,
    CatalogueId,
    DocumentId,
    EpisodeId,
    GrantId,
    ProposalId,
    RecordId,
    RequestId,
    TermsDigest,
    patient_of,
)
from medshare.model.proposal import VotingRules
from medshare.model.purpose import Purpose
from medshare.model.request import AccessRequest, Periods, RequestStatus, RequestTerms, Split

Subject: TypeAlias = Mapping[str, str | None]
"""What an event is searched by: patient, actor (who did it, or to whom), record, grant, episode, proposal, request."""

_KINDS: Mapping[str, type[LedgerEvent]] = {kind.__name__: kind for kind in get_args(LedgerEvent)}


def subject(event: LedgerEvent) -> Subject:
    """Return what ``event`` is searched by."""
    match event:
        case EncryptionKeySet():
            return {"actor": event.actor}
        case RecordRegistered() | RegisteredFromBatch() | RecordSuperseded() | RecordRetracted():
            return _of_record(event)
        case BatchAnchored():
            return {"actor": event.custodian}
        case AccessGranted() | AccessRevoked() | AllAccessRevoked():
            return _of_consent(event)
        case GlassBroken() | EpisodeEnded() | KeysReleased() | EpisodeReviewed():
            return _of_episode(event)
        case DelegateAppointed():
            return {"patient": event.delegation.patient, "actor": event.delegation.delegate}
        case DelegateDismissed():
            return {"patient": event.patient, "actor": event.delegate}
        case ActedFor():
            return {"patient": event.patient, "actor": event.actor}
        case RecoveryProposed() | ControlMoved():
            return {"patient": event.patient, "actor": event.controller}
        case GuardiansNamed() | RecoveryObjected() | BarSet():
            return {"patient": event.patient}
        case QualityAttested() | BatchAttested() | AttestationWithdrawn() | ReceiptsAnchored():
            return _of_attestation(event)
        case _:
            return _of_governing(event)


def _of_attestation(event: AttestationEvent) -> Subject:
    match event:
        case QualityAttested():
            return {"actor": event.assessor, "record": event.record_id.hex()}
        case BatchAttested():
            return {"actor": event.assessor}
        case AttestationWithdrawn():
            return {"actor": event.assessor, "record": event.subject.hex()}
        case ReceiptsAnchored():
            return {"actor": event.custodian}


def _of_governing(event: ConsortiumEvent | EscrowEvent | RequestEvent) -> Subject:
    match event:
        case MemberAdmitted() | MemberRemoved() | MemberSuspended() | MemberReinstated():
            return {"actor": event.member}
        case Accredited() | AccreditationSuspended() | AccreditationReinstated():
            return {"actor": event.actor}
        case Proposed():
            return {"actor": event.proposer, "proposal": counted_text(event.proposal_id)}
        case Voted():
            return {"actor": event.member, "proposal": counted_text(event.proposal_id)}
        case ProposalExecuted():
            return {"actor": event.by, "proposal": counted_text(event.proposal_id)}
        case Credited() | Withdrawn():
            return {"actor": event.account}
        case VotingRulesSet() | TokenAllowed() | SplitSet() | PeriodsSet():
            return {}
        case _:
            return _of_request(event)


def _of_request(
    event: RequestOpened | StudyApproved | RequestCancelled | UnearnedReturned | ReservationEvent,
) -> Subject:
    if isinstance(event, RequestOpened):
        return {"actor": event.request.requester, "request": counted_text(event.request.request_id)}
    request = counted_text(event.request_id)
    match event:
        case StudyApproved() | RequestCancelled():
            return {"actor": event.by, "request": request}
        case UnearnedReturned():
            return {"request": request}
        case RewardReserved():
            return {"patient": event.patient, "actor": event.custodian, "request": request}
        case AccessDelivered() | DeliveryDeclined() | DeliveryDisputed() | RewardPaid() | RewardReturned():
            return {"patient": event.patient, "request": request}


def _of_record(event: RecordEvent) -> Subject:
    about = {"actor": event.custodian, "record": event.record_id.hex()}
    return about if isinstance(event, RecordRetracted) else {**about, "patient": event.patient}


def _of_consent(event: ConsentEvent) -> Subject:
    match event:
        case AccessGranted(grant=grant):
            return {"patient": grant.patient, "actor": grant.grantee, "grant_id": token_text(grant.grant_id)}
        case AccessRevoked():
            return {"patient": patient_of(event.grant_id), "grant_id": token_text(event.grant_id)}
        case AllAccessRevoked():
            return {"patient": event.patient}


def _of_episode(event: EpisodeEvent) -> Subject:
    episode = token_text(event.episode_id)
    match event:
        case GlassBroken():
            return {"patient": event.patient, "actor": event.clinician, "episode": episode}
        case EpisodeEnded():
            return {"actor": event.by, "episode": episode}
        case KeysReleased():
            return {"actor": event.custodian, "episode": episode}
        case EpisodeReviewed():
            return {"actor": event.reviewer, "episode": episode}


def token_text(token_id: GrantId | EpisodeId) -> str:
    """Return an id as text of one length (SQLite has no 256-bit integers)."""
    return f"{token_id:064x}"


def counted_text(number: ProposalId | RequestId) -> str:
    """Return a number that counts from 1 as text."""
    return str(number)


def encode(event: LedgerEvent) -> tuple[str, str]:
    """Return the kind of ``event`` and its fields as JSON."""
    body = {name: codec.write(getattr(event, name)) for name, codec in _fields(type(event).__name__).items()}
    return type(event).__name__, json.dumps(body, sort_keys=True, separators=(",", ":"))


def decode(kind: str, body: str, place: EventPlace) -> LedgerEvent:
    """Return the event that ``encode`` wrote."""
    make: Callable[..., LedgerEvent] = _KINDS[kind]
    codecs = _fields(kind)
    return make(place=place, **{name: codecs[name].read(value) for name, value in json.loads(body).items()})


class _Codec(NamedTuple):
    """How values of one type are written as JSON and read again."""

    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


def _plain(value: Any) -> Any:  # noqa: ANN401 - a JSON value
    return value


def _write_grant(grant: Grant) -> list[Any]:
    return [
        token_text(grant.grant_id),
        grant.grantee,
        grant.not_before,
        grant.expires_at,
        int(grant.purposes),
        grant.stamp,
        grant.epoch,
    ]


def _read_grant(value: list[Any]) -> Grant:
    grant_id, grantee, not_before, expires_at, purposes, stamp, epoch = value
    return Grant(
        grant_id=GrantId(int(grant_id, 16)),
        grantee=Address(grantee),
        not_before=not_before,
        expires_at=expires_at,
        purposes=Purpose(purposes),
        stamp=stamp,
        epoch=epoch,
    )


def _write_delegation(delegation: Delegation) -> list[Any]:
    return [
        delegation.patient,
        delegation.delegate,
        int(delegation.verbs),
        int(delegation.purposes),
        delegation.not_before,
        delegation.expires_at,
        delegation.stamp,
        delegation.epoch,
    ]


def _read_delegation(value: list[Any]) -> Delegation:
    patient, delegate, verbs, purposes, not_before, expires_at, stamp, epoch = value
    return Delegation(
        patient=Address(patient),
        delegate=Address(delegate),
        verbs=Verbs(verbs),
        purposes=Purpose(purposes),
        not_before=not_before,
        expires_at=expires_at,
        stamp=stamp,
        epoch=epoch,
    )


def _write_request(request: AccessRequest) -> list[Any]:
    terms = request.terms
    return [
        request.request_id,
        request.requester,
        [
            int(terms.purposes),
            terms.category,
            terms.grants,
            terms.deadline,
            terms.access_days,
            terms.token,
            terms.reward,
            terms.document.hex(),
            terms.invitees.hex(),
            [terms.minimum_score, terms.quality_method, terms.quality_weight],
        ],
        int(request.status),
        [request.places, request.delivered, request.returned],
        _SPLIT.write(request.split),
        _PERIODS.write(request.periods),
    ]


def _read_request(value: list[Any]) -> AccessRequest:
    request_id, requester, terms, status, (places, delivered, returned), split, periods = value
    purposes, category, grants, deadline, access_days, token, reward, document, invitees, quality = terms
    minimum_score, quality_method, quality_weight = quality
    return AccessRequest(
        request_id=RequestId(request_id),
        requester=Address(requester),
        terms=RequestTerms(
            purposes=Purpose(purposes),
            category=category,
            grants=grants,
            deadline=deadline,
            access_days=access_days,
            token=Address(token),
            reward=reward,
            document=DocumentId(bytes.fromhex(document)),
            invitees=bytes.fromhex(invitees),
            minimum_score=minimum_score,
            quality_method=quality_method,
            quality_weight=quality_weight,
        ),
        status=RequestStatus(status),
        places=places,
        delivered=delivered,
        returned=returned,
        split=_SPLIT.read(split),
        periods=_PERIODS.read(periods),
    )


def _numbers(kind: Callable[..., Any], *names: str) -> _Codec:
    """Return the codec of a class of nothing but numbers: they in their order."""
    return _Codec(
        lambda value: [getattr(value, name) for name in names],
        lambda numbers: kind(**dict(zip(names, numbers, strict=True))),
    )


_SPLIT = _numbers(Split, "patient", "custodian")
_PERIODS = _numbers(Periods, "dispute_period", "decision_period")
_TOKEN = _Codec(token_text, lambda text: int(text, 16))
_BYTES = _Codec(bytes.hex, bytes.fromhex)
_CODECS: Mapping[Any, _Codec] = {
    **dict.fromkeys((bytes, RecordId, TermsDigest, BundleId, CatalogueId), _BYTES),
    **dict.fromkeys((GrantId, EpisodeId), _TOKEN),
    **dict.fromkeys((Address, int, bool, ProposalId, RequestId), _Codec(_plain, _plain)),
    **{kind: _Codec(int, kind) for kind in (AccreditationKind, EmergencyReason, Suspension, Verdict)},
    Grant: _Codec(_write_grant, _read_grant),
    Delegation: _Codec(_write_delegation, _read_delegation),
    AccessRequest: _Codec(_write_request, _read_request),
    Split: _SPLIT,
    Periods: _PERIODS,
    VotingRules: _numbers(VotingRules, "quorum", "voting_period"),
}


@cache
def _fields(kind: str) -> Mapping[str, _Codec]:
    return {name: _CODECS[of] for name, of in get_type_hints(_KINDS[kind]).items() if name != "place"}
