"""How the logs of Attestations are read; ``medshare.chain.logs`` puts all together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medshare.chain.codec import Decoder, bounded, to_address, words
from medshare.model.events import (
    AttestationWithdrawn,
    BatchAttested,
    EventPlace,
    LedgerEvent,
    QualityAttested,
    ReceiptsAnchored,
)
from medshare.model.ids import RecordId

_U8, _U16, _U32 = (1 << 8) - 1, (1 << 16) - 1, (1 << 32) - 1


def _attested(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    method, score = words(data, 2)
    return QualityAttested(
        place=place,
        assessor=to_address(topics[0]),
        record_id=RecordId(topics[1]),
        method=bounded(method, _U16),
        score=bounded(score, _U8),
    )


def _batch_attested(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    method, count = words(data, 2)
    return BatchAttested(
        place=place,
        assessor=to_address(topics[0]),
        root=topics[1],
        method=bounded(method, _U16),
        count=bounded(count, _U32),
    )


def _withdrawn(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    words(data, 0)
    return AttestationWithdrawn(place=place, assessor=to_address(topics[0]), subject=topics[1])


def _anchored(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    (count,) = words(data, 1)
    return ReceiptsAnchored(place=place, custodian=to_address(topics[0]), root=topics[1], count=bounded(count, _U32))


DECODERS: Mapping[str, tuple[Decoder, int]] = {
    "QualityAttested": (_attested, 2),
    "BatchAttested": (_batch_attested, 2),
    "AttestationWithdrawn": (_withdrawn, 2),
    "ReceiptsAnchored": (_anchored, 2),
}
"""How each event is read, and how many of its parameters are indexed."""
