"""RecordRegistry for who can show records of batches: what has no entry of its own stands as its batch states it.

It gets its own before it is superseded or retracted.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace

from medshare.errors import RecordExistsError, UnknownBatchError, UnknownRecordError
from medshare.model.events import BlockRef
from medshare.model.ids import Address, CatalogueId, RecordId
from medshare.model.record import RecordEntry
from medshare.model.record_batch import AnchoredBatch, Inclusion
from medshare.model.rules.records import entry_of
from medshare.ports import EventSource, Ledger, Receipt, RecordLedger, Signer
from medshare.services.batch_book import BatchBook

_log = logging.getLogger(__name__)


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
        self._enter(signer, previous_id)
        return self._records.supersede(signer, record_id, previous_id, intent=intent)

    def retract(self, signer: Signer, record_id: RecordId, reason: bytes) -> Receipt:
        """Withdraw the signer's record; one of a batch gets its own entry before."""
        self._enter(signer, record_id)
        return self._records.retract(signer, record_id, reason)

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

    def _enter(self, signer: Signer, record_id: RecordId) -> None:
        """Give the signer's record an entry of its own, where it has none: two transactions, each with its own refusal.

        Where it ends between them, the record is stated as before, and only the second is to be repeated.
        """
        head = self._chain.head()
        try:
            self._records.record(signer.address, record_id, block=head)
        except UnknownRecordError:
            found = self._shown(signer.address, record_id, head)
            if found is None:
                return  # what comes next says what is unknown
            with suppress(RecordExistsError):
                self._records.register_from_batch(signer, found[0])
                _log.debug("record %s got an entry of its own", record_id.hex())
