"""RecordRegistry for who can show records of batches: what has no entry of its own stands as its batch states it.

It gets its own before it is superseded or retracted, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import cast

from medshare.errors import UnknownBatchError, UnknownRecordError
from medshare.model.events import BlockRef
from medshare.model.ids import Address, CatalogueId, RecordId
from medshare.model.record import RecordEntry
from medshare.model.record_acts import Enter, RecordAct, Retract, Supersede
from medshare.model.record_batch import AnchoredBatch, Inclusion
from medshare.model.rules.records import entry_of
from medshare.ports import CallOutcome, EventSource, Ledger, Receipt, RecordLedger, Signer
from medshare.services.batch_book import BatchBook


def batched_ledger(ledger: Ledger, book: BatchBook) -> Ledger:
    """Return ``ledger``, where what ``book`` can show of batches stands as any other record."""
    return replace(ledger, records=_Records(ledger.records, ledger.chain, book))


class _Records:
    """``RecordLedger``, with the records of batches."""

    def __init__(self, records: RecordLedger, chain: EventSource, book: BatchBook) -> None:
        self._records = records
        self._chain = chain
        self._book = book

    def record(self, custodian: Address, record_id: RecordId, *, block: BlockRef) -> RecordEntry:
        """Return its own entry, or what the first batch that is shown states of it; raises ``UnknownRecordError``."""
        try:
            return self._records.record(custodian, record_id, block=block)
        except UnknownRecordError:
            found = self._shown(custodian, record_id, block)
            if found is None:
                raise
        inclusion, batch = found
        return entry_of(record_id, custodian, inclusion.record.patient, at=batch.anchored_at)

    def register(self, signer: Signer, record_id: RecordId, patient: Address, *, intent: str | None = None) -> Receipt:
        """Register a first version, as the signer."""
        return self._records.register(signer, record_id, patient, intent=intent)

    def supersede(
        self, signer: Signer, record_id: RecordId, previous_id: RecordId, *, intent: str | None = None
    ) -> Receipt:
        """Put a new version in the place of the signer's record; one of a batch gets its own entry before."""
        entry = self._entry_of(signer, previous_id)
        if entry is None:
            return self._records.supersede(signer, record_id, previous_id, intent=intent)
        return self._together(signer, entry, Supersede(record_id=record_id, previous_id=previous_id), intent)

    def retract(self, signer: Signer, record_id: RecordId, reason: bytes) -> Receipt:
        """Withdraw the signer's record; one of a batch gets its own entry before."""
        entry = self._entry_of(signer, record_id)
        if entry is None:
            return self._records.retract(signer, record_id, reason)
        return self._together(signer, entry, Retract(record_id=record_id, reason=reason), None)

    def do_all(
        self, signer: Signer, acts: Sequence[RecordAct], *, intent: str | None = None
    ) -> tuple[CallOutcome, ...]:
        """Do several things with the signer's records; those of batches get their own entries before."""
        sent: list[RecordAct] = []
        places = []
        for act in acts:
            entry = None
            if isinstance(act, Supersede | Retract):
                entry = self._entry_of(signer, act.previous_id if isinstance(act, Supersede) else act.record_id)
            sent += [act] if entry is None else [entry, act]
            places.append(len(sent) - 1)
        outcomes = self._records.do_all(signer, sent, intent=intent)
        return tuple(outcomes[place] for place in places)

    def anchor_batch(
        self, signer: Signer, root: bytes, catalogue: CatalogueId, count: int, *, intent: str | None = None
    ) -> Receipt:
        """State very many records by their root, as an accredited custodian."""
        return self._records.anchor_batch(signer, root, catalogue, count, intent=intent)

    def register_from_batch(self, payer: Signer, inclusion: Inclusion, *, intent: str | None = None) -> Receipt:
        """Give a record of a batch an entry of its own."""
        return self._records.register_from_batch(payer, inclusion, intent=intent)

    def batch(self, custodian: Address, root: bytes, *, block: BlockRef) -> AnchoredBatch:
        """Return a batch that ``custodian`` anchored; raises ``UnknownBatchError``."""
        return self._records.batch(custodian, root, block=block)

    def included(self, inclusion: Inclusion, *, block: BlockRef) -> RecordEntry:
        """Return what is stated of a record by a batch; raises ``UnknownBatchError``, ``NotInBatchError``."""
        return self._records.included(inclusion, block=block)

    def _shown(
        self, custodian: Address, record_id: RecordId, block: BlockRef
    ) -> tuple[Inclusion, AnchoredBatch] | None:
        """Return the first batch that states a record.

        Salt and proof were checked when the book took them: the node is asked for the root only, and not told whose
        record it is.
        """
        found = []
        for inclusion in self._book.inclusions(custodian, record_id):
            with suppress(UnknownBatchError):
                found.append((inclusion, self._records.batch(custodian, inclusion.root, block=block)))
        return min(found, key=lambda one: one[1].anchored_at, default=None)

    def _entry_of(self, signer: Signer, record_id: RecordId) -> Enter | None:
        """Return what gives the signer's record an entry of its own; None where it has one, or cannot be shown."""
        head = self._chain.head()
        try:
            self._records.record(signer.address, record_id, block=head)
        except UnknownRecordError:
            found = self._shown(signer.address, record_id, head)
            # Where it cannot be shown, what comes next says what is unknown.
            return Enter(inclusion=found[0]) if found is not None else None
        return None

    def _together(self, signer: Signer, entry: Enter, act: Supersede | Retract, intent: str | None) -> Receipt:
        """Give a record its entry and do something with it.

        Somebody may have given it the entry a moment before: then that is refused, and the rest is done.
        """
        other = None if intent is None else f"{intent}/entry"
        *_, outcome = self._records.do_all(signer, (entry, act), intent=other)
        if outcome.refusal is not None:
            raise outcome.refusal
        return cast("Receipt", outcome.receipt)  # what is not refused was sent
