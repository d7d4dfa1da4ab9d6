"""Logs of our contracts as the model's events. By hand, since each is a few words.

Words that cannot be what they should be raise ``BadAnswerError``: a node that answers so is not asked further.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from medshare.chain import attestation_logs, consortium_logs, record_logs, request_logs
from medshare.chain.artifacts import CONTRACTS, load_artifact, signature
from medshare.chain.codec import (
    Decoder,
    bounded,
    choice,
    decode_bool,
    to_address,
    unpack_delegation,
    unpack_grant,
    words,
)
from medshare.chain.wire import BadAnswerError
from medshare.hashing import keccak256
from medshare.model.emergency import EmergencyReason, Verdict
from medshare.model.events import (
    AccessGranted,
    AccessRevoked,
    ActedFor,
    AllAccessRevoked,
    BarSet,
    ControlMoved,
    DelegateAppointed,
    DelegateDismissed,
    EpisodeEnded,
    EpisodeReviewed,
    EventPlace,
    GlassBroken,
    GuardiansNamed,
    KeysReleased,
    LedgerEvent,
    RecoveryObjected,
    RecoveryProposed,
)
from medshare.model.ids import BundleId, EpisodeId, GrantId, TermsDigest

_U8, _U32 = (1 << 8) - 1, (1 << 32) - 1


def _granted(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    terms, bundle, packed = words(data, 3)
    return AccessGranted(
        place=place,
        terms=TermsDigest(terms),
        bundle=BundleId(bundle),
        grant=unpack_grant(GrantId(int.from_bytes(topics[0], "big")), int.from_bytes(packed, "big")),
    )


def _revoked(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    (epoch,) = words(data, 1)
    grant_id = GrantId(int.from_bytes(topics[0], "big"))
    return AccessRevoked(place=place, grant_id=grant_id, epoch=bounded(epoch, _U8))


def _all_revoked(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    (stamp,) = words(data, 1)
    return AllAccessRevoked(place=place, patient=to_address(topics[0]), stamp=bounded(stamp, _U8))


def _appointed(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    (packed,) = words(data, 1)
    patient, delegate = to_address(topics[0]), to_address(topics[1])
    delegation = unpack_delegation(patient, delegate, int.from_bytes(packed, "big"))
    return DelegateAppointed(place=place, delegation=delegation)


def _dismissed(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    (epoch,) = words(data, 1)
    patient, delegate = to_address(topics[0]), to_address(topics[1])
    return DelegateDismissed(place=place, patient=patient, delegate=delegate, epoch=bounded(epoch, _U8))


def _acted_for(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    words(data, 0)
    return ActedFor(place=place, patient=to_address(topics[0]), actor=to_address(topics[1]))


def _guardians_named(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    circle, delay, begins_at = words(data, 3)
    return GuardiansNamed(
        place=place,
        patient=to_address(topics[0]),
        circle=circle,
        delay=bounded(delay, _U32),
        begins_at=bounded(begins_at, _U32),
    )


def _recovery_proposed(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    attempt, ready_at = words(data, 2)
    return RecoveryProposed(
        place=place,
        patient=to_address(topics[0]),
        controller=to_address(topics[1]),
        attempt=bounded(attempt, _U32),
        ready_at=bounded(ready_at, _U32),
    )


def _recovery_objected(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    (attempt,) = words(data, 1)
    return RecoveryObjected(place=place, patient=to_address(topics[0]), attempt=bounded(attempt, _U32))


def _control_moved(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    (tenure,) = words(data, 1)
    patient, controller = to_address(topics[0]), to_address(topics[1])
    return ControlMoved(place=place, patient=patient, controller=controller, tenure=bounded(tenure, _U8))


def _glass_broken(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    reason, details, ends_at = words(data, 3)
    return GlassBroken(
        place=place,
        patient=to_address(topics[0]),
        clinician=to_address(topics[1]),
        episode_id=_episode_id(topics[2]),
        reason=choice(EmergencyReason, reason),
        details=details,
        ends_at=bounded(ends_at, _U32),
    )


def _episode_ended(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    words(data, 0)
    return EpisodeEnded(place=place, episode_id=_episode_id(topics[0]), by=to_address(topics[1]))


def _keys_released(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    (bundle,) = words(data, 1)
    custodian = to_address(topics[1])
    return KeysReleased(place=place, episode_id=_episode_id(topics[0]), custodian=custodian, bundle=BundleId(bundle))


def _episode_reviewed(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    verdict, note = words(data, 2)
    return EpisodeReviewed(
        place=place,
        episode_id=_episode_id(topics[0]),
        reviewer=to_address(topics[1]),
        verdict=choice(Verdict, verdict),
        note=note,
    )


def _bar_set(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    barred, count = words(data, 2)
    patient = to_address(topics[0])
    return BarSet(place=place, patient=patient, barred=decode_bool(barred), count=bounded(count, _U32))


def _episode_id(topic: bytes) -> EpisodeId:
    return EpisodeId(int.from_bytes(topic, "big"))


_DECODERS: Mapping[str, tuple[Decoder, int]] = {
    "AccessGranted": (_granted, 1),
    "AccessRevoked": (_revoked, 1),
    "AllAccessRevoked": (_all_revoked, 1),
    "DelegateAppointed": (_appointed, 2),
    "DelegateDismissed": (_dismissed, 2),
    "ActedFor": (_acted_for, 2),
    "GuardiansNamed": (_guardians_named, 1),
    "RecoveryProposed": (_recovery_proposed, 2),
    "RecoveryObjected": (_recovery_objected, 1),
    "ControlMoved": (_control_moved, 2),
    "GlassBroken": (_glass_broken, 3),
    "EpisodeEnded": (_episode_ended, 2),
    "KeysReleased": (_keys_released, 2),
    "EpisodeReviewed": (_episode_reviewed, 2),
    "BarSet": (_bar_set, 1),
    **record_logs.DECODERS,
    **consortium_logs.DECODERS,
    **request_logs.DECODERS,
    **attestation_logs.DECODERS,
}
"""How each event is read, and how many of its parameters are indexed."""
IGNORED_EVENTS = frozenset(
    {"TransferSingle", "TransferBatch", "ApprovalForAll", "URI", "EIP712DomainChanged", "CallRefused"}
)
"""The standards' own repeat what ours say, or never happen; ``CallRefused`` is for the sender of a batch alone."""


@cache
def _event_decoders() -> Mapping[bytes, tuple[Decoder, int]]:
    return {
        keccak256(signature(entry).encode()): _DECODERS[entry["name"]]
        for contract in CONTRACTS
        for entry in load_artifact(contract).entries("event")
        if entry["name"] not in IGNORED_EVENTS
    }


@cache
def topic_of(contract: str, event: str) -> bytes:
    """Return the first topic of an event, by the contract that tells it."""
    (entry,) = (entry for entry in load_artifact(contract).entries("event") if entry["name"] == event)
    return keccak256(signature(entry).encode())


def event_topics() -> tuple[bytes, ...]:
    """Return the first topics of our events, for a log query."""
    return tuple(_event_decoders())


def decode_event(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    """Return the event that a log holds; raises ``BadAnswerError`` where it is none of ours."""
    found = _event_decoders().get(topics[0]) if topics else None
    if found is None:
        raise BadAnswerError("a log is none of our events")
    decoder, indexed = found
    if len(topics) != indexed + 1:
        raise BadAnswerError("a log has another number of topics than its event")
    return decoder(place, topics[1:], data)
