"""Slips of batches: verified against the chain before they are kept, and handed on in the bundles of grants.

    slips.take(Path("slip.json").read_bytes())      # from an assessor, or from who has it from him
    slips.of(record_id)                             # what is kept of a record, and how each batch stands

A slip travels with the key of its record: who makes a bundle, for a grant or in an emergency, puts the slips that he
keeps of its records into one sealed document, and the reader's client takes them over when it opens the bundle. Nothing
hangs on them but what is said of quality: a false one is ignored and told, and keeps nobody from reading.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from medshare.envelope import Identity, Recipient
from medshare.errors import (
    AttestationWithdrawnError,
    BlobTooLargeError,
    EnvelopeError,
    IntegrityError,
    InvalidInputError,
    LedgerError,
    MalformedBlobError,
    MedshareError,
    RecordErasedError,
    StoreUnavailableError,
    UnknownAttestationError,
)
from medshare.model.attestation import Attestation
from medshare.model.events import BlockRef
from medshare.model.ids import BundleId, RecordId
from medshare.model.record import RecordRef
from medshare.model.slip import MAX_SLIPS, Slip, slips_from_json, slips_to_json
from medshare.ports import BlobStore, Ledger
from medshare.services.auditing import Auditing
from medshare.services.bundles import BAD_BUNDLE, bundle_files, document_readers, open_document, sealed_document
from medshare.services.padding import padded_document
from medshare.services.slip_journal import SlipJournal

_log = logging.getLogger(__name__)
_FALSE = (IntegrityError, UnknownAttestationError)
_SPOILT = (BlobTooLargeError, MalformedBlobError, EnvelopeError, IntegrityError, InvalidInputError)
"""What reading slips raises of which their writer has made something else; what a store does wrong is another thing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSlip:
    """A slip that is kept here, and its batch as it stands on chain."""

    slip: Slip
    batch: Attestation


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleNames:
    """How things are named in a bundle: only its parties can tell."""

    slips: str
    header_of: Callable[[RecordId], str]
    """The name of a record's header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoredSlips:
    """Slips in a bundle that were not taken over."""

    bundle: BundleId
    why: MedshareError
    """The first reason."""
    count: int
    """How many; 0 where the document could not be read."""


class Slips:
    """Keeps slips, and hands them on.

    Args:
        ledger: the contracts.
        store: where bundles are.
        auditing: which records there are, and which were erased.
        journal: where slips are kept.
    """

    def __init__(self, *, ledger: Ledger, store: BlobStore, auditing: Auditing, journal: SlipJournal) -> None:
        self._ledger = ledger
        self._store = store
        self._auditing = auditing
        self._journal = journal
        self._ignored: list[IgnoredSlips] = []

    @property
    def ignored(self) -> tuple[IgnoredSlips, ...]:
        """What was in bundles that were opened, and not taken over."""
        return tuple(self._ignored)

    def take(self, document: bytes) -> tuple[tuple[Slip, ...], int]:
        """Verify the slips of a document and keep them: all or none. Return them, and how many are new here.

        Raises:
            InvalidInputError: it holds no slips.
            IntegrityError: a slip is not in the batch that it names, or says something else than the chain.
            UnknownAttestationError, AttestationWithdrawnError: there is no such batch, or no longer.
            UnknownRecordError, RecordErasedError: nobody has registered the record, or its custodian has erased it.
            LedgerError, StoreFullError: repeat.
        """
        slips = slips_from_json(document)
        block = self._auditing.sync()
        for slip in slips:
            self._check_record(slip.record_id)
            self._check(slip, block)
        return slips, self._journal.keep(slips)

    def of(self, record_id: RecordId, *, block: BlockRef | None = None) -> list[KeptSlip]:
        """Return the slips of a record that are kept here and that the chain bears out, withdrawn or not.

        Raises:
            LedgerUnavailableError: the chain cannot be read.
        """
        several = self._journal.of(record_id)
        at = (block or self._ledger.chain.head()) if several else None
        return [] if at is None else list(self._borne_out(several, at))

    def all(self) -> list[KeptSlip]:
        """Return all slips that are kept here and that the chain bears out; raises as ``of``."""
        return list(self._borne_out(self._journal.all(), self._ledger.chain.head()))

    def standing(self, records: Iterable[RecordId]) -> list[Slip]:
        """Return the slips of records that are kept here, and whose batches stand; raises as ``of``."""
        return [kept.slip for each in dict.fromkeys(records) for kept in self.of(each) if kept.batch.stands]

    def keep(self, slips: Sequence[Slip]) -> None:
        """Keep slips of a batch that one has attested oneself."""
        self._journal.keep(slips)

    def forget(self, records: Sequence[RecordId]) -> None:
        """Remove the slips of records that were erased."""
        self._journal.forget(records)

    # ------------------------------------------------------------------------------------------- in bundles

    def sealed(self, records: Iterable[RecordId], writer: Identity, readers: Sequence[Recipient]) -> list[bytes] | None:
        """Return the slips that stand of records, as one document encrypted for ``readers`` and the writer, in pieces.

        What is too much for one document is left out. None where no slip is kept.

        Raises:
            LedgerUnavailableError: the chain cannot be read.
        """
        standing = self.standing(records)
        return sealed_slips(standing[:MAX_SLIPS], writer, readers) if standing else None

    def sealed_without(
        self,
        bundle: BundleId,
        name: str,
        erased: Sequence[RecordId],
        writer: Identity,
        *,
        reader: Recipient | None,
        as_before: Collection[Recipient],
    ) -> list[bytes] | None:
        """Return the slips of a bundle without those of erased records, encrypted anew; None where none is left.

        Args:
            bundle: which bundle.
            name: the name of the slips in it.
            erased: what is to go.
            writer: who made the bundle, and makes it anew.
            reader: for whom, whoever could open them before; None where he has no key now.
            as_before: keys of those for whom they are only where they were: what else is in the bundle, these open.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        try:
            link = bundle_files(self._store, bundle)[name]
            slips = slips_from_json(open_document(self._store, link, writer)[0])
            before = document_readers(self._store, link, writer, as_before)
        except StoreUnavailableError:
            raise
        except (*BAD_BUNDLE, KeyError):
            return None
        left = [each for each in slips if each.record_id not in erased]
        readers = before if reader is None else before | {reader}
        return sealed_slips(left, writer, sorted(readers, key=lambda each: each.key)) if left and readers else None

    def in_bundle(
        self, bundle: BundleId, names: Sequence[str], identity: Identity, *, writers: Collection[Recipient]
    ) -> list[Slip]:
        """Return the slips in a bundle for one of its parties that the chain bears out, withdrawn or not.

        Nothing is kept. False ones, and a document of them that does not open, are in ``ignored``, and no error.

        Args:
            bundle: which bundle.
            names: how the document for this party may be named in it.
            identity: the party's.
            writers: the keys of those whose word the bundle is; of others nothing is taken.

        Raises:
            StoreError: the bundle is missing or false, or the store does not answer: nobody knows what it says.
            LedgerUnavailableError: the chain cannot be read.
        """
        files = bundle_files(self._store, bundle)
        block, found, wrong = self._ledger.chain.head(), [], []
        for link in [files[name] for name in names if name in files]:
            try:
                document, writer = open_document(self._store, link, identity)
                if writer not in writers:
                    raise IntegrityError("the slips were sealed neither by the patient nor by who granted for him")
                slips = slips_from_json(document)
            except _SPOILT as error:
                self._ignore(bundle, error, 0)
                continue
            for slip in slips:
                try:
                    self._batch(slip, block)
                except _FALSE as error:
                    wrong.append(error)
                else:
                    found.append(slip)
        if wrong:
            self._ignore(bundle, wrong[0], len(wrong))
        return found

    def take_over(self, bundle: BundleId, names: Sequence[BundleNames], identity: Identity) -> None:
        """Keep the slips in a bundle that its reader opens, each verified; once for each bundle.

        What cannot be taken over is in ``ignored``, and no error.

        Args:
            bundle: which bundle.
            names: how its parties may have named what is in it.
            identity: the reader's.
        """
        try:
            if self._journal.is_taken(bundle):
                return
            for each in names:
                self._take_over(bundle, each, identity)
            self._journal.note_taken(bundle)
        except (StoreUnavailableError, LedgerError) as error:
            _log.warning("slips of bundle %s are taken over another time: %s", bundle.hex(), error)
        except MedshareError as error:
            self._ignore(bundle, error, 0)

    def _take_over(self, bundle: BundleId, names: BundleNames, identity: Identity) -> None:
        files = bundle_files(self._store, bundle)
        link = files.get(names.slips)
        if link is None:
            return
        try:
            slips = slips_from_json(open_document(self._store, link, identity)[0])
        except StoreUnavailableError:
            raise
        except BAD_BUNDLE as error:
            self._ignore(bundle, error, 0)
            return
        block, good, wrong = self._ledger.chain.head(), [], []
        for slip in slips:
            try:
                if names.header_of(slip.record_id) not in files:
                    raise IntegrityError("the slip is of a record whose key the bundle does not hold")
                self._check(slip, block)
            except AttestationWithdrawnError:
                continue  # true, and no longer
            except _FALSE as error:
                wrong.append(error)
            else:
                good.append(slip)
        self._journal.keep(good)
        if wrong:
            self._ignore(bundle, wrong[0], len(wrong))

    def _ignore(self, bundle: BundleId, why: MedshareError, count: int) -> None:
        if any(each.bundle == bundle for each in self._ignored):
            return  # told before: its reader takes slips over, and judges by them
        _log.warning("slips in bundle %s are ignored: %s", bundle.hex(), why)
        self._ignored.append(IgnoredSlips(bundle=bundle, why=why, count=count))

    # -------------------------------------------------------------------------------------------- verifying

    def _borne_out(self, slips: Iterable[Slip], block: BlockRef) -> Iterable[KeptSlip]:
        for slip in slips:
            try:
                yield KeptSlip(slip=slip, batch=self._batch(slip, block))
            except _FALSE as error:
                _log.warning("a slip of record %s does not count: %s", slip.record_id.hex(), error)

    def _check(self, slip: Slip, block: BlockRef) -> None:
        if not self._batch(slip, block).stands:
            raise AttestationWithdrawnError(slip.assessor, slip.root)

    def _batch(self, slip: Slip, block: BlockRef) -> Attestation:
        if not slip.holds:
            raise IntegrityError("the slip is not of the batch that it names: salt, score or proof is another")
        batch = self._ledger.attestations.attestation(slip.assessor, slip.root, block=block)
        if batch.count == 0 or batch.method != slip.method:
            raise IntegrityError("the slip says something else of its batch than the chain does")
        return batch

    def _check_record(self, record_id: RecordId) -> None:
        claims = self._auditing.claims(record_id)
        refs = [RecordRef(custodian=claim.custodian, record_id=record_id) for claim in claims]
        marks = [mark for ref in refs if (mark := self._auditing.erasure(ref)) is not None]
        if len(marks) == len(refs):
            raise RecordErasedError(record_id, marks[0].place.block.time)


def sealed_slips(slips: Sequence[Slip], writer: Identity, readers: Sequence[Recipient]) -> list[bytes]:
    """Return slips as one document encrypted for ``readers`` and the writer; its length tells little of their number.

    Raises:
        InvalidInputError: they are too many.
    """
    document = padded_document(slips_to_json(slips))
    return sealed_document(document, writer, [*readers, writer.recipient])
