"""What the contracts tell: each log as the model's event, as a token's move, or as a batch's refusal."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from asking import RequestView
from bare_contract import every_error
from bare_evm import Log
from eth_abi import decode
from eth_utils import event_abi_to_log_topic, to_checksum_address
from eth_utils.abi import collapse_if_tuple
from evm import ZERO_ADDRESS, artifact, decode_error
from people import unpack_delegation
from stage import Stage

from medshare.model import events
from medshare.model.accreditation import AccreditationKind, Suspension
from medshare.model.consent import Grant
from medshare.model.delegation import Delegation, Verbs
from medshare.model.eip712 import field_name
from medshare.model.emergency import EmergencyReason, Verdict
from medshare.model.events import EventPlace, LedgerEvent
from medshare.model.ids import DocumentId, GrantId, RequestId, patient_of
from medshare.model.proposal import VotingRules
from medshare.model.purpose import Purpose
from medshare.model.request import AccessRequest, Periods, RequestStatus, RequestTerms, Split


@dataclass(frozen=True)
class Moved:
    """A token begins, from nobody, or ends, to nobody (TransferSingle)."""

    contract: str
    operator: str
    sender: str
    receiver: str
    token: int


@dataclass(frozen=True)
class Refused:
    """A call of a batch was refused (CallRefused)."""

    index: int
    said: tuple[Any, ...]


Told = LedgerEvent | Moved | Refused

_RENAMED: dict[tuple[str, str], str] = {
    ("AccessGranted", "id"): "grant_id",
    ("AccessRevoked", "id"): "grant_id",
    ("GuardiansNamed", "from"): "begins_at",
    **dict.fromkeys(
        ((event, "id") for event in ("GlassBroken", "EpisodeEnded", "KeysReleased", "EpisodeReviewed")), "episode_id"
    ),
    **dict.fromkeys(((event, "id") for event in ("Proposed", "Voted", "ProposalExecuted")), "proposal_id"),
    **dict.fromkeys(
        (
            (event, "id")
            for event in (
                *("StudyApproved", "RequestCancelled", "UnearnedReturned", "RewardReserved", "AccessDelivered"),
                *("DeliveryDeclined", "DeliveryDisputed", "RewardPaid", "RewardReturned"),
            )
        ),
        "request_id",
    ),
}
_KINDS: dict[tuple[str, str], Callable[[int], Any]] = {
    ("GlassBroken", "reason"): EmergencyReason,
    ("EpisodeReviewed", "verdict"): Verdict,
    **dict.fromkeys(
        ((event, "kind") for event in ("Accredited", "AccreditationSuspended", "AccreditationReinstated")),
        AccreditationKind,
    ),
    ("AccreditationSuspended", "by"): Suspension,
}


@cache
def _shapes(contract: str) -> dict[bytes, dict[str, Any]]:
    return {event_abi_to_log_topic(entry): entry for entry in artifact(contract)["abi"] if entry["type"] == "event"}


def read_logs(stage: Stage, logs: Iterable[Log], place: EventPlace) -> list[Told]:
    """Return what the logs of one transaction tell, in their order; events of ours are counted from ``place`` on."""
    told: list[Told] = []
    for log in logs:
        one = _read(stage, log, place)
        if not isinstance(one, Moved | Refused):
            place = replace(place, log_index=place.log_index + 1)
        told.append(one)
    return told


def _read(stage: Stage, log: Log, place: EventPlace) -> Told:
    contract = stage.names[log.address]
    shape = _shapes(contract)[log.topics[0]]
    values = dict(_values(shape, log))
    name = shape["name"]
    match name:
        case "TransferSingle":
            assert values["value"] == 1
            return Moved(contract, values["operator"], values["from"], values["to"], values["id"])
        case "CallRefused":
            return Refused(values["index"], decode_error(values["reason"], every_error()).args)
        case "AccessGranted":
            grant = unpack_grant(values["id"], values["granted"])
            return events.AccessGranted(place=place, terms=values["terms"], bundle=values["bundle"], grant=grant)
        case "DelegateAppointed":
            fields = unpack_delegation(values["delegation"])
            assert fields.word == values["delegation"]
            return events.DelegateAppointed(
                place=place,
                delegation=Delegation(
                    patient=values["patient"],
                    delegate=values["delegate"],
                    verbs=Verbs(fields.verbs),
                    purposes=Purpose(fields.purposes),
                    not_before=fields.not_before,
                    expires_at=fields.expires_at,
                    stamp=fields.stamp,
                    epoch=fields.epoch,
                ),
            )
        case "VotingRulesSet":
            rules = VotingRules(quorum=values["quorum"], voting_period=values["votingPeriod"])
            return events.VotingRulesSet(place=place, rules=rules)
        case "PeriodsSet":
            periods = Periods(dispute_period=values["disputePeriod"], decision_period=values["decisionPeriod"])
            return events.PeriodsSet(place=place, periods=periods)
        case "SplitSet":
            split = Split(patient=values["patient"], custodian=values["custodian"])
            return events.SplitSet(place=place, category=values["category"], split=split)
        case "RequestOpened":
            request = unpack_request(values["id"], values["request"])
            assert values["requester"] == request.requester
            return events.RequestOpened(place=place, request=request)
    named = {_RENAMED.get((name, key), field_name(key)): value for key, value in values.items()}
    return getattr(events, name)(place=place, **named)


def _values(shape: dict[str, Any], log: Log) -> Iterable[tuple[str, Any]]:
    topics = iter(log.topics[1:])
    plain = iter(decode([collapse_if_tuple(item) for item in shape["inputs"] if not item["indexed"]], log.data))
    for item in shape["inputs"]:
        kind = item["type"]
        value = decode([kind], next(topics))[0] if item["indexed"] else next(plain)
        if kind == "address":
            value = to_checksum_address(value)
        yield item["name"], _KINDS.get((shape["name"], item["name"]), lambda same: same)(value)


def unpack_request(number: int, fields: tuple[Any, ...]) -> AccessRequest:
    view = RequestView(*fields)
    terms = RequestTerms(
        purposes=Purpose(view.purposes),
        category=view.category,
        grants=view.grants,
        deadline=view.deadline,
        access_days=view.access_days,
        token=to_checksum_address(view.token),
        reward=view.reward,
        document=DocumentId(view.document),
        invitees=view.invitees,
        minimum_score=view.minimum_score,
        quality_method=view.quality_method,
        quality_weight=view.quality_weight,
    )
    request = AccessRequest(
        request_id=RequestId(number),
        requester=to_checksum_address(view.requester),
        terms=terms,
        status=RequestStatus(view.status),
        places=view.places,
        delivered=view.delivered,
        returned=view.returned,
        split=Split(patient=view.patient_share, custodian=view.custodian_share),
        periods=Periods(dispute_period=view.dispute_period, decision_period=view.decision_period),
    )
    assert request.is_open_call is view.is_open_call
    return request


def unpack_grant(grant_id: int, word: int) -> Grant:
    return Grant(
        grant_id=GrantId(grant_id),
        grantee=to_checksum_address((word >> 96).to_bytes(20, "big")),
        not_before=word >> 64 & 0xFFFFFFFF,
        expires_at=word >> 32 & 0xFFFFFFFF,
        purposes=Purpose(word >> 16 & 0xFFFF),
        stamp=word >> 8 & 0xFF,
        epoch=word & 0xFF,
    )


def moves(event: LedgerEvent, held: Callable[[int], str | None]) -> list[Moved]:
    """Return how tokens move with an event.

    Args:
        event: what happened.
        held: who held a token until then, live or not: whose grant had purposes, whose episode was open.
    """
    match event:
        case events.AccessGranted(grant=grant):
            if held(grant.grant_id) is None:
                return [Moved("ConsentRegistry", grant.patient, ZERO_ADDRESS, grant.grantee, grant.grant_id)]
        case events.AccessRevoked(grant_id=grant_id):
            holder = held(grant_id)
            if holder is not None:
                return [Moved("ConsentRegistry", patient_of(grant_id), holder, ZERO_ADDRESS, grant_id)]
        case events.GlassBroken(clinician=clinician, episode_id=episode_id):
            return [Moved("EmergencyAccess", clinician, ZERO_ADDRESS, clinician, episode_id)]
        case events.EpisodeEnded(episode_id=episode_id, by=by):
            return [Moved("EmergencyAccess", by, held(episode_id), ZERO_ADDRESS, episode_id)]
    return []
