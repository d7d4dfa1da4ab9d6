"""Retrieving: a reader opens a record, and every statement is verified before a byte of plaintext is released.

The steps, numbered as in the code; each fails with an error of its own:

(0) fix the block all questions are asked at;
(1) resolve the record at that block: which custodian states it, for which patient, in which status;
(2) resolve the grants of this patient to this reader, with terms that hash to what the chain holds;
(3) decide, by the rules of ``medshare.model.consent``;
(4) ask the contract the same, and stop where the two disagree; then decide again by the clock on the wall, since the
    newest block may be old;
(5) find the record's files by its id, which is their CID, and the reader's header in the bundle; every block is
    verified;
(6) unwrap the file key: the header must be the patient's (or, for patient and custodian, the custodian's), and the
    key the one the record commits to;
(7) open the manifest, and compare it with the chain;
(8) stream the payload: each segment's tag, each block's CID; the last bytes are held back until the whole plaintext
    has the manifest's digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

from medshare.content import Cid, list_directory, read_file
from medshare.envelope import FileKey, open_payload, open_range, payload_length, read_header, unwrap
from medshare.errors import (
    AccessDeniedError,
    EnvelopeError,
    IntegrityError,
    InvalidInputError,
    MedshareError,
    StoreError,
    StoreUnavailableError,
    UnknownGrantError,
)
from medshare.files import written_whole
from medshare.model.consent import (
    MAX_TERMS_SIZE,
    NEARNESS,
    TERMS_FILE,
    Consent,
    Decision,
    Grant,
    Reason,
    RecordRef,
    Terms,
    decide,
    liveness,
)
from medshare.model.events import BlockRef
from medshare.model.ids import Address, GrantId, RecordId
from medshare.model.purpose import Purpose
from medshare.model.record import Manifest, RecordEntry, RecordStatus, plaintext_digest
from medshare.ports import Actor, BlobStore, Clock, Ledger
from medshare.services.auditing import Auditing, GrantStanding
from medshare.services.progress import Progress, silent
from medshare.services.record_files import (
    MAX_HEADER_SIZE,
    RecordFiles,
    check_key,
    locate,
    open_manifest,
    own_header,
    read_small,
)

_BAD_BUNDLE = (StoreError, EnvelopeError, IntegrityError, InvalidInputError)
_MAX_SEALED_TERMS = MAX_HEADER_SIZE + payload_length(MAX_TERMS_SIZE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _HeldGrant:
    """A grant to this reader, with the terms its bundle holds."""

    standing: GrantStanding
    consent: Consent


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """The grants of a patient to a reader, sorted by what can be done with them."""

    live: list[_HeldGrant]
    ended: list[tuple[Reason, Grant]]
    """Revoked, expired or not begun; they covered the record, or nobody can say."""
    failures: list[MedshareError]
    """Why the bundle of a live grant could not be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readable:
    """What a reader may read."""

    records: tuple[RecordRef, ...]
    unreadable: tuple[GrantId, ...]
    """Live grants whose bundle is missing, wrong, or made for an earlier key of the reader."""


class OpenRecord:
    """A record that the reader may read: verified up to its manifest, its plaintext verified while it is read.

    Attributes:
        entry: what the chain says of the record.
        manifest: the encrypted description, opened.
        decision: why it may be read.
    """

    def __init__(
        self,
        *,
        entry: RecordEntry,
        manifest: Manifest,
        decision: Decision,
        files: RecordFiles,
        file_key: FileKey,
        store: BlobStore,
    ) -> None:
        self.entry = entry
        self.manifest = manifest
        self.decision = decision
        self._files = files
        self._file_key = file_key
        self._store = store

    def stream(self, progress: Progress = silent) -> Iterator[bytes]:
        """Yield the plaintext; the end comes only if the whole is what the manifest says.

        Raises:
            StoreError: a block is missing or false.
            AuthenticationError: a segment is not authentic.
            IntegrityError: the plaintext is not the one the manifest describes; the last bytes were held back.
        """
        payload = self._files.payload
        sealed = read_file(self._store.get, payload.cid, max_size=payload.size)
        state = hashlib.sha256()
        done = 0
        held = b""
        for chunk in open_payload(sealed, self._file_key, payload_length=payload.size):
            state.update(chunk)
            done += len(chunk)
            progress("fetching", done, self.manifest.size)
            if held:
                yield held
            held = chunk
        if done != self.manifest.size or plaintext_digest(self.manifest.salt, state.digest()) != self.manifest.digest:
            raise IntegrityError("the plaintext is not the one that the manifest describes")
        yield held

    def read(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes from ``offset`` on; see ``stream_range``."""
        return b"".join(self.stream_range(offset, length))

    def stream_range(self, offset: int, length: int) -> Iterator[bytes]:
        """Yield ``length`` bytes from ``offset`` on; only the blocks that hold them are fetched.

        Each byte is verified by its segment's tag and its block's CID; the digest of the whole is not.

        Raises:
            InvalidInputError: the range lies outside of the plaintext.
            StoreError, AuthenticationError: as ``stream``.
        """
        payload = self._files.payload

        def read_at(start: int, size: int) -> bytes:
            chunks = read_file(self._store.get, payload.cid, max_size=payload.size, offset=start, length=size)
            return b"".join(chunks)

        if not 0 <= offset <= self.manifest.size or not 0 <= length <= self.manifest.size - offset:
            raise InvalidInputError(f"the record has {self.manifest.size} bytes, the range lies outside of them")
        return open_range(read_at, self._file_key, payload_length=payload.size, offset=offset, length=length)

    def save(self, path: Path, *, replace_existing: bool = False, progress: Progress = silent) -> int:
        """Write the plaintext to ``path``, whole and verified or not at all; return its size in bytes.

        Raises:
            InvalidInputError: the file exists (and ``replace_existing`` is false), or its folder does not.
            StoreFullError: the disk is full.
            StoreError, AuthenticationError, IntegrityError: as ``stream``.
        """
        with written_whole(path, replace=replace_existing) as target:
            for chunk in self.stream(progress):
                target.write(chunk)
        return self.manifest.size


class Retrieving:
    """Opens records, as a reader, a patient or a custodian.

    Args:
        ledger: the contracts.
        store: where records and bundles are; not trusted.
        clock: the time on the wall.
        auditing: which grants there are.
    """

    def __init__(self, *, ledger: Ledger, store: BlobStore, clock: Clock, auditing: Auditing) -> None:
        self._ledger = ledger
        self._store = store
        self._clock = clock
        self._auditing = auditing

    def open(self, record: RecordRef, *, reader: Actor, purpose: Purpose) -> OpenRecord:
        """Open a record for ``purpose``, after every check.

        Args:
            record: which record, by whose word.
            reader: who reads.
            purpose: what for; the grant must cover all of it.

        Raises:
            UnknownRecordError: the custodian has registered no such record.
            AccessDeniedError: the reader has no live right to it, or it was retracted (patient and custodian still
                open it); ``.decision`` says why.
            IntegrityError: chain, bundle, manifest and store disagree.
            EnvelopeError: header or key do not fit.
            StoreError, LedgerError: store or chain failed.
        """
        block = self._ledger.chain.head()  # (0)
        entry = self._ledger.records.record(record.custodian, record.record_id, block=block)  # (1)
        if reader.address in (entry.patient, entry.custodian):
            return self._open_own(entry, reader, purpose, block)
        held, decision = self._decide(entry, record, reader, purpose, block)
        files = locate(self._store, record.record_id)  # (5)
        header = self._bundle_header(held, record.record_id)
        file_key = self._unwrap(header, reader, written_by=entry.patient, files=files)  # (6)
        return self._open(entry, decision, files, file_key)

    def preview(self, record: RecordRef, *, reader: Actor, purpose: Purpose) -> Decision:
        """Return the decision on a record without fetching any of it; denied is an answer, not an error.

        Raises:
            UnknownRecordError, IntegrityError, StoreError, LedgerError: as ``open``.
        """
        block = self._ledger.chain.head()
        entry = self._ledger.records.record(record.custodian, record.record_id, block=block)
        if reader.address in (entry.patient, entry.custodian):
            return _own(reader, purpose, block)
        try:
            _, decision = self._decide(entry, record, reader, purpose, block)
        except AccessDeniedError as error:
            return error.decision
        return decision

    def readable(self, *, reader: Actor, purpose: Purpose) -> Readable:
        """Return the records that live grants let ``reader`` use for ``purpose``, as their terms name them.

        Anybody may grant a reader anything: a grant whose bundle is missing or wrong is counted and passed over, so
        that it hides no other. What each ``open`` will still check (entries, headers, bytes) is not checked here.

        Raises:
            StoreUnavailableError, LedgerError: store or chain failed.
        """
        now = self._clock.now()
        records: dict[RecordRef, None] = {}
        unreadable = []
        for standing in self._auditing.grants(grantee=reader.address):
            if not standing.live or now >= standing.grant.expires_at:
                continue
            try:
                terms = self._terms(standing, reader)
            except StoreUnavailableError:
                raise
            except _BAD_BUNDLE:
                unreadable.append(standing.grant.grant_id)
                continue
            if purpose & terms.purposes & standing.grant.purposes == purpose:
                records |= dict.fromkeys(terms.records)
        return Readable(records=tuple(records), unreadable=tuple(unreadable))

    # ---------------------------------------------------------------------------------------------- deciding

    def _decide(
        self, entry: RecordEntry, record: RecordRef, reader: Actor, purpose: Purpose, block: BlockRef
    ) -> tuple[_HeldGrant, Decision]:
        """Return the grant that permits and the decision; raises ``AccessDeniedError`` and as ``open``."""

        def denied(reason: Reason, grant: Grant | None = None) -> Decision:
            return Decision(
                reason=reason, reader=reader.address, purpose=purpose, at=block.time, block=block.number, grant=grant
            )

        def judge(grants: list[_HeldGrant], now: int) -> Decision:
            consents = [grant.consent for grant in grants]
            decision = decide(consents, record=record, purpose=purpose, reader=reader.address, now=now)
            return replace(decision, block=block.number)

        if entry.status is RecordStatus.RETRACTED:
            raise AccessDeniedError(denied(Reason.RETRACTED))
        found = self._grants_at(entry, record, reader, purpose, block)  # (2), (4)
        decision = judge(found.live, block.time)  # (3)
        if decision.permitted:
            live = [grant for grant in found.live if judge([grant], block.time).permitted]
            decision = judge(live, max(block.time, self._clock.now()))
            if decision.permitted:
                return next(grant for grant in live if grant.consent.grant == decision.grant), decision
        elif found.failures:
            raise found.failures[0]
        for reason, grant in found.ended:
            if NEARNESS.index(reason) > NEARNESS.index(decision.reason):
                decision = denied(reason, grant)
        raise AccessDeniedError(decision)

    def _grants_at(
        self, entry: RecordEntry, record: RecordRef, reader: Actor, purpose: Purpose, block: BlockRef
    ) -> _Found:
        """Return the patient's grants to the reader at a block, each compared with what the contract says of it."""
        stamp = self._ledger.consents.stamp(entry.patient, block=block)
        found = _Found(live=[], ended=[], failures=[])
        for standing in self._auditing.grants(patient=entry.patient, grantee=reader.address):
            try:
                grant = self._ledger.consents.get_grant(standing.grant.grant_id, block=block)
            except UnknownGrantError:
                continue  # granted after the block we ask about
            reason = liveness(grant, stamp=stamp, purpose=purpose, now=block.time)
            if self._ledger.consents.is_live(grant.grant_id, purpose, block=block) != (reason is Reason.PERMITTED):
                raise IntegrityError(f"the contract and this client disagree about grant {grant.grant_id:#x}")
            ended = reason in (Reason.REVOKED, Reason.EXPIRED, Reason.NOT_YET)
            if ended and not self._store.has(Cid.of_directory(standing.bundle)):
                # Bundles of ended grants are given up: whether it covered this record, nobody can say any more.
                found.ended.append((reason, grant))
                continue
            try:
                consent = Consent(grant=grant, terms=self._terms(standing, reader), stamp=stamp)
            except _BAD_BUNDLE as error:
                if ended:
                    found.ended.append((reason, grant))
                else:
                    found.failures.append(error)
                continue
            if not ended:
                found.live.append(_HeldGrant(standing=standing, consent=consent))
            elif record in consent.terms.records:
                found.ended.append((reason, grant))
        return found

    def _terms(self, standing: GrantStanding, reader: Actor) -> Terms:
        bundle = list_directory(self._store.get, Cid.of_directory(standing.bundle))
        if TERMS_FILE not in bundle:
            raise IntegrityError("the bundle holds no terms")
        sealed = BytesIO(read_small(self._store, bundle[TERMS_FILE], _MAX_SEALED_TERMS))
        opened = unwrap(read_header(sealed), reader.identity)
        payload = sealed.read()
        document = b"".join(open_payload([payload], opened.file_key, payload_length=len(payload)))
        try:
            terms = Terms.from_json(document)
        except InvalidInputError as error:
            raise IntegrityError("the terms in the bundle are malformed") from error
        if terms.digest() != standing.terms:
            raise IntegrityError("the terms in the bundle are not those on chain")
        return terms

    # ----------------------------------------------------------------------------------------------- opening

    def _open_own(self, entry: RecordEntry, reader: Actor, purpose: Purpose, block: BlockRef) -> OpenRecord:
        files = locate(self._store, entry.record_id)
        header = own_header(self._store, files)
        file_key = self._unwrap(header, reader, written_by=entry.custodian, files=files)
        return self._open(entry, _own(reader, purpose, block), files, file_key)

    def _bundle_header(self, held: _HeldGrant, record_id: RecordId) -> bytes:
        bundle = list_directory(self._store.get, Cid.of_directory(held.standing.bundle))
        link = bundle.get(held.consent.terms.header_name(record_id))
        if link is None:
            raise IntegrityError("the bundle holds no header for a record that its terms name")
        return read_small(self._store, link, MAX_HEADER_SIZE)

    def _unwrap(self, header: bytes, reader: Actor, *, written_by: Address, files: RecordFiles) -> FileKey:
        opened = unwrap(header, reader.identity)
        keys = {event.key for event in self._auditing.encryption_keys(written_by)}
        if opened.writer.key not in keys:
            raise IntegrityError(f"the header was not written by {written_by}, who should have")
        check_key(files, opened.file_key)
        return opened.file_key

    def _open(self, entry: RecordEntry, decision: Decision, files: RecordFiles, file_key: FileKey) -> OpenRecord:
        manifest = open_manifest(self._store, files, file_key, entry)  # (7)
        return OpenRecord(  # (8) as it is read
            entry=entry,
            manifest=manifest,
            decision=decision,
            files=files,
            file_key=file_key,
            store=self._store,
        )


def _own(reader: Actor, purpose: Purpose, block: BlockRef) -> Decision:
    return Decision(reason=Reason.OWN_RECORD, reader=reader.address, purpose=purpose, at=block.time, block=block.number)
