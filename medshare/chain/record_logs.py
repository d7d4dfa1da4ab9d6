"""Logs of RecordRegistry as the model's events. Errors are those of ``logs``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medshare.chain.codec import Decoder, bounded, to_address, words
from medshare.model.events import (
    BatchAnchored,
    EventPlace,
    LedgerEvent,
    RecordRegistered,
    RecordRetracted,
    RecordSuperseded,
    RegisteredFromBatch,
)
from medshare.model.ids import CatalogueId, RecordId

_U32 = (1 << 32) - 1


def _registered(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    words(data, 0)
    return RecordRegistered(
        place=place,
        custodian=to_address(topics[0]),
        patient=to_address(topics[1]),
        record_id=RecordId(topics[2]),
    )


def _superseded(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    (previous,) = words(data, 1)
    return RecordSuperseded(
        place=place,
        custodian=to_address(topics[0]),
        patient=to_address(topics[1]),
        record_id=RecordId(topics[2]),
        previous_id=RecordId(previous),
    )


def _retracted(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    (reason,) = words(data, 1)
    return RecordRetracted(place=place, custodian=to_address(topics[0]), record_id=RecordId(topics[1]), reason=reason)


def _batch_anchored(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    catalogue, count = words(data, 2)
    return BatchAnchored(
        place=place,
        custodian=to_address(topics[0]),
        root=topics[1],
        catalogue=CatalogueId(catalogue),
        count=bounded(count, _U32),
    )


def _registered_from_batch(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    root, anchored_at = words(data, 2)
    return RegisteredFromBatch(
        place=place,
        custodian=to_address(topics[0]),
        patient=to_address(topics[1]),
        record_id=RecordId(topics[2]),
        root=root,
        anchored_at=bounded(anchored_at, _U32),
    )


DECODERS: Mapping[str, tuple[Decoder, int]] = {
    "RecordRegistered": (_registered, 3),
    "RecordSuperseded": (_superseded, 3),
    "RecordRetracted": (_retracted, 2),
    "BatchAnchored": (_batch_anchored, 2),
    "RegisteredFromBatch": (_registered_from_batch, 3),
}
"""How each event is read, and how many of its parameters are indexed."""
