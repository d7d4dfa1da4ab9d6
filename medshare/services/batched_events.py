"""Records of batches beside the chain's own events: what the book can show, where the chain holds its batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from medshare.model.events import BatchAnchored, LedgerEvent, RecordRegistered, RecordSuperseded, StatedInBatch
from medshare.model.ids import Address, RecordId
from medshare.services.batch_book import Stated


class BatchedRecords(Protocol):
    """Which records of batches can be shown here."""

    def stated(
        self, *, patient: Address | None = None, custodian: Address | None = None, record_id: RecordId | None = None
    ) -> Sequence[Stated]:
        """Return the records that match everything that is given."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedOtherwise:
    """A record that a batch states of one patient, and its own entry of another: the entry counts."""

    batch: BatchAnchored
    entry: RecordRegistered | RecordSuperseded
    """Another patient's."""


def stated_in_batches(
    stated: Iterable[Stated],
    *,
    anchored: Mapping[tuple[Address, bytes], BatchAnchored],
    registered: Callable[[Address, RecordId], bool],
) -> list[StatedInBatch]:
    """Return the records of batches as events, each at the place of the first batch that states it.

    Args:
        stated: what can be shown.
        anchored: the batches that are on the chain.
        registered: whether a record has an entry of its own: that one counts, then.
    """
    found: dict[tuple[Address, RecordId], StatedInBatch] = {}
    for one in stated:
        batch = anchored.get((one.custodian, one.root))
        if batch is None or registered(one.custodian, one.record_id):
            continue
        key = (one.custodian, one.record_id)
        if key not in found or chain_order(batch) < chain_order(found[key]):
            found[key] = StatedInBatch(
                place=batch.place,
                custodian=one.custodian,
                patient=one.patient,
                record_id=one.record_id,
                root=one.root,
            )
    return list(found.values())


def chain_order(event: LedgerEvent) -> tuple[int, int]:
    """Return by what events are sorted."""
    return event.place.block.number, event.place.log_index
