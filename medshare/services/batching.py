"""Batching: what a custodian's loads have stored is gathered into batches, and each is anchored by its root, once.

The steps of ``add``, numbered as in the code; a group of records at a time:

(1) store the blocks of all of them: one barrier for the group;
(2) note them, in one transaction. Here it shows what somebody else has published meanwhile: it is not added;
(3) pin them, each by itself, so that one can be erased.

The steps of ``anchor``:

(4) pin what a crash left unpinned, and unpin what was sealed anew;
(5) compare, for each patient, what his grants said when his records were sealed with what they say now. Where it
    differs, seal those records anew of which somebody has a packet who must not, or the reverse;
(6) make the tree, store the catalogue from which patients find their records, note both, pin the catalogue;
(7) note that the root is given to the chain, and anchor it, under an intent that cannot be carried out twice;
(8) note that it is there;
(9) where it was in doubt for a while, supersede those of its records that (5) would have sealed anew.

A crash loses nothing and doubles nothing, at whichever step: up to (7) a batch goes on where it was, with more records
if there are, from then on as it is.

A batch that no chain knows of, nor will, can be given up, with ``give_up``: up to (7), or where the chain has refused
its root, and takes nothing any more that was signed for it. What was in it is forgotten first, and unpinned then: a
crash in between leaves nothing that counts as pinned.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace

from medshare.content import Block, BlockBatch, Cid
from medshare.envelope import Recipient
from medshare.errors import BatchExistsError, BlobNotFoundError, InvalidInputError, UnknownBatchError
from medshare.errors.ledger import moment
from medshare.model.ids import Address, CatalogueId, RecordId
from medshare.model.record import RecordEntry, plaintext_digest
from medshare.model.record_batch import AnchoredBatch, RecordBatch
from medshare.model.rules.records import entry_of
from medshare.ports import Actor, BlobStore, Ledger
from medshare.services.auditing import Auditing
from medshare.services.batch_book import BatchBook
from medshare.services.batch_catalogue import write_catalogue
from medshare.services.before_publishing import require_accredited
from medshare.services.journal import Stage
from medshare.services.load_journal import Batch, BatchedPublication, LoadJournal, PatientOfBatch
from medshare.services.packets import Packets, packets_of
from medshare.services.patients_asked import PatientsAsked
from medshare.services.progress import Progress, silent
from medshare.services.resealing import Resealing
from medshare.services.sealing import seal_record
from medshare.services.sent_roots import OnItsWay, anchoring_intent
from medshare.services.standing import StandingConsents
from medshare.services.stored_version import StoredVersion

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A record that is sealed and not stored."""

    publication: BatchedPublication
    blocks: Sequence[Block]
    """None of them where they are in the store already."""


class Batching:
    """Gathers stored records into batches and anchors them, as a custodian.

    Args:
        ledger: the contracts.
        store: where records and catalogues go.
        journal: what loads have stored.
        auditing: what the chain has told.
        standing: whom live grants permit what is published.
        book: where the custodian's own batches are kept.
        resealing: publishes anew what was given to the chain and is no longer right.
        on_its_way: returns by what a root of a custodian may still be anchored, or is; None where by nothing.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        store: BlobStore,
        journal: LoadJournal,
        auditing: Auditing,
        standing: StandingConsents,
        book: BatchBook,
        resealing: Resealing,
        on_its_way: Callable[[Address, bytes], OnItsWay | None],
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._journal = journal
        self._auditing = auditing
        self._standing = standing
        self._book = book
        self._resealing = resealing
        self._on_its_way = on_its_way

    def claimed(self, custodian: Actor) -> AbstractContextManager[None]:
        """Hold the custodian's loads; raises ``LedgerBusyError`` where another process does."""
        return self._journal.claimed(custodian.address)

    def require_accredited(self, custodian: Actor) -> None:
        """Raise ``CustodianNotAccreditedError`` where nobody accredits the custodian now, before he stores a load."""
        require_accredited(self._ledger, custodian.address)

    def asking(self, custodian: Actor) -> PatientsAsked:
        """Return what answers about patients at the chain's newest block; raises ``LedgerError``."""
        return PatientsAsked(ledger=self._ledger, auditing=self._auditing, standing=self._standing, custodian=custodian)

    def begin(self, custodian: Actor) -> Batch:
        """Return the custodian's batch that is not given to the chain yet, or a new one.

        What a crash left unpinned and a collection has removed since, is forgotten, so that it is published anew; what
        was given up, and was not unpinned yet, is.

        Raises:
            StoreError: the store failed.
        """
        self.clear(custodian)
        for batch in self._journal.unfinished(custodian.address):
            if batch.stage is Stage.STORED:
                try:
                    self._pin(batch)
                except BlobNotFoundError:
                    self._forget_lost(batch)
        for batch in self._journal.unfinished(custodian.address):
            if batch.stage is Stage.STORED:
                return batch
        return self._journal.begin(custodian.address)

    def add(self, batch: Batch, sealed: Sequence[Sealed], patients: Sequence[PatientOfBatch]) -> set[str]:
        """Store records and note them; return the publications that were new.

        Args:
            batch: where they go.
            sealed: the records.
            patients: whose they are.

        Raises:
            StoreError: the store failed; repeat, nothing was lost.
        """
        self._store.put(block for each in sealed for block in each.blocks)  # (1)
        added = self._journal.add(batch, [each.publication for each in sealed], patients)  # (2)
        self._pin(batch)  # (3)
        return {each.publication_id for each in added}

    def anchor(self, batch: Batch, custodian: Actor, asked: PatientsAsked, progress: Progress) -> AnchoredBatch:
        """Anchor a batch, or find that it is anchored; one in doubt goes on as it is.

        Args:
            batch: the batch.
            custodian: whose it is.
            asked: what answers about patients.
            progress: told how far it is.

        Raises:
            CustodianNotAccreditedError: nobody accredits the custodian now; the batch stays as it is.
            BlobNotFoundError: what was stored is gone.
            NotARecipientError: records must be sealed anew, and were made for an earlier key of the custodian.
            StoreError, LedgerError: the store or the chain failed; repeat, nothing is done twice.
        """
        fresh = batch.stage is Stage.STORED
        root = batch.root or b""
        if batch.stage is Stage.SENDING and self._is_anchored(root, custodian.address):
            # Not by a tree that is made anew: records may have been erased or superseded since.
            self._journal.anchored(batch)  # (8)
        elif batch.stage is not Stage.REGISTERED:
            if fresh:
                self._make_right(batch, custodian, asked)
            progress("anchoring", 0, None)
            tree = RecordBatch.of(
                self._journal.records(batch),
                secret=custodian.identity.derive_secret("medshare/batch-secret/1", batch.nonce),
            )
            catalogue = self._catalogued(batch, tree, custodian)
            self._send(tree, catalogue, custodian)
            self._journal.anchored(batch)  # (8)
            root = tree.root
        if not fresh:
            for patient in self._changed(batch, asked):  # (9)
                self._supersede(batch, patient, custodian, progress)
        self._journal.finished(batch)
        _log.debug("anchored batch %s", root.hex())
        return self._ledger.records.batch(custodian.address, root, block=self._ledger.chain.head())

    def give_up(self, batch: Batch, custodian: Actor) -> int:
        """Give a batch up that is not on chain: the store keeps none of it, and its records can be published anew.

        Args:
            batch: the batch.
            custodian: whose it is.

        Returns:
            how many roots were unpinned: of records, and of the catalogue where there was one.

        Raises:
            InvalidInputError: it is on chain, or may be on its way there; it stays as it is.
            StoreError, LedgerError: the store or the chain failed; repeat.
        """
        refusal = self._not_given_up(batch, custodian.address)
        if refusal is not None:
            raise refusal
        self._journal.give_up(batch)
        return self.clear(custodian)

    def can_be_given_up(self, batch: Batch, custodian: Address) -> bool:
        """Whether ``give_up`` would take a batch of a custodian now; raises ``LedgerError``, ``StoreError``."""
        return self._not_given_up(batch, custodian) is None

    def _not_given_up(self, batch: Batch, custodian: Address) -> InvalidInputError | None:
        """Return why a batch cannot be given up, or None."""
        root = batch.root
        # Asked first: what arrives after this was on its way.
        on_its_way = None if root is None else self._on_its_way(custodian, root)
        if batch.stage is Stage.REGISTERED or (root is not None and self._is_anchored(root, custodian)):
            return InvalidInputError(
                "this batch is on chain, and stays there",
                hint="finish it: medshare record resume --as CUSTODIAN; which of its records are wrong, retract: "
                "medshare record retract",
            )
        if on_its_way is not None:
            finish = "medshare record resume --as CUSTODIAN"
            return InvalidInputError(
                "this batch was given to the chain, and may be on its way there",
                hint=f"anchor it, or see it refused: {finish}"
                if on_its_way.until is None
                else f"what was signed for another to pay can be sent until {moment(on_its_way.until)}: anchor it: "
                f"{finish}; or give it up when a block of that time or later is confirmed",
            )
        return None

    def clear(self, custodian: Actor) -> int:
        """Unpin what was given up, and show it no longer; return how many roots were unpinned.

        Raises:
            StoreError: the store failed; repeat.
        """
        unpinned = 0
        for batch in self._journal.given_up(custodian.address):
            if batch.root is not None:
                self._book.forget(custodian.address, batch.root)
            unpinned += self._let_go(batch)
        return unpinned

    def _make_right(self, batch: Batch, custodian: Actor, asked: PatientsAsked) -> None:
        """Let everything be pinned that is in a batch, and sealed for those who are permitted it now."""
        self._pin(batch)  # (4)
        self._let_go(batch)
        for patient in self._changed(batch, asked):  # (5)
            self._seal_anew(batch, patient, custodian, asked)
        self._pin(batch)
        self._let_go(batch)

    def _pin(self, batch: Batch) -> None:
        unpinned, place = self._journal.unpinned(batch)
        if not unpinned:
            return
        try:
            self._store.pin_all(Cid.of_directory(record_id) for record_id in unpinned)
        except BlobNotFoundError as error:
            error.hint = "what was stored is gone: give the command of the load again"
            raise
        self._journal.pinned(batch, place)

    def _forget_lost(self, batch: Batch) -> None:
        unpinned, place = self._journal.unpinned(batch)
        for record_id in unpinned:
            try:
                self._store.pin(Cid.of_directory(record_id))
            except BlobNotFoundError:
                self._journal.lost(batch, record_id)
        self._journal.pinned(batch, place)

    def _let_go(self, batch: Batch) -> int:
        roots = self._journal.dropped(batch)
        for root in roots:
            self._store.unpin(Cid.of_directory(root))
            self._journal.let_go(batch, root)
        return len(roots)

    def _changed(self, batch: Batch, asked: PatientsAsked) -> Iterator[Address]:
        """Yield the patients of a batch whose grants say something else than when his records were sealed."""
        asked.refresh()
        for noted in self._journal.patients(batch):
            if asked.of(noted.patient).standing != noted.standing:
                yield noted.patient

    def _seal_anew(self, batch: Batch, patient: Address, custodian: Actor, asked: PatientsAsked) -> None:
        """Seal those records of a patient anew that are not for whom they should be."""
        for each in self._journal.of_patient(batch, patient):
            entry = entry_of(each.record_id, custodian.address, patient, at=0)
            packets = self._packets(entry, custodian)
            if packets.held != packets.permitted:
                self._journal.replaced(batch, each.record_id, self._again(each, entry, custodian, asked))
        self._journal.settled(batch, asked.of(patient))

    def _packets(self, entry: RecordEntry, custodian: Actor) -> Packets:
        return packets_of(
            entry, custodian=custodian, store=self._store, auditing=self._auditing, standing=self._standing
        )

    def _again(
        self, publication: BatchedPublication, entry: RecordEntry, custodian: Actor, asked: PatientsAsked
    ) -> BatchedPublication:
        stored = StoredVersion.open(self._store, entry, custodian.identity, progress=silent)
        readers = asked.readers(entry.patient, stored.manifest)
        with BlockBatch(self._store.put) as emit:
            root = seal_record(
                stored,
                writer=custodian.identity,
                describe=lambda salt: replace(stored.manifest, salt=salt, digest=plaintext_digest(salt, stored.digest)),
                recipients=lambda _: asked.recipients(entry.patient, readers),
                emit=emit,
            )
        return replace(
            publication,
            record_id=RecordId(root.digest),
            readers=tuple(key.key for key in readers.admitted.values()),
        )

    def _catalogued(self, batch: Batch, tree: RecordBatch, custodian: Actor) -> CatalogueId:
        """Return the catalogue that is given to the chain with the root: one only, once it may be there."""
        if batch.stage is Stage.SENDING and batch.catalogue is not None and batch.root == tree.root:
            return batch.catalogue
        catalogue = self._write_catalogue(batch, tree, custodian)  # (6)
        self._journal.catalogued(batch, tree.root, catalogue)
        self._book.keep(custodian.address, tree)
        self._let_go(batch)
        self._store.pin(Cid.of_directory(catalogue))
        self._journal.sending(batch)  # (7)
        return catalogue

    def _write_catalogue(self, batch: Batch, tree: RecordBatch, custodian: Actor) -> CatalogueId:
        readers: dict[Address, dict[Recipient, list[RecordId] | None]] = {}
        for patient in self._journal.patients(batch):
            packets = self._journal.packets(batch, patient.patient)
            told: dict[Recipient, list[RecordId] | None] = {Recipient(key): ids for key, ids in packets.items()}
            readers[patient.patient] = {**told, Recipient(patient.key): None}
        return write_catalogue(tree, readers, custodian=custodian.identity, store=self._store)

    def _send(self, tree: RecordBatch, catalogue: CatalogueId, custodian: Actor) -> None:
        if self._is_anchored(tree.root, custodian.address):
            return
        # Somebody may have sent what was signed, between the question and the answer.
        with suppress(BatchExistsError):
            intent = anchoring_intent(tree.root)
            self._ledger.records.anchor_batch(custodian.signer, tree.root, catalogue, tree.count, intent=intent)

    def _is_anchored(self, root: bytes, custodian: Address) -> bool:
        try:
            self._ledger.records.batch(custodian, root, block=self._ledger.chain.head())
        except UnknownBatchError:
            return False
        return True

    def _supersede(self, batch: Batch, patient: Address, custodian: Actor, progress: Progress) -> None:
        """Publish those records of a patient again that are on chain and not for whom they should be."""
        for each in self._journal.of_patient(batch, patient):
            entry = entry_of(each.record_id, custodian.address, patient, at=0)
            packets = self._packets(entry, custodian)
            if packets.held != packets.permitted:
                self._resealing.reseal(entry, custodian=custodian, progress=progress)
