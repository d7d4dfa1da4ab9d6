"""Retrieving: a reader opens a record, and every statement is verified before a byte of plaintext is released.

The steps, numbered as in the code; each fails with an error of its own:

(0) fix the block all questions are asked at;
(1) resolve the record at that block: which custodian states it, for which patient, in which status, after which
    earlier versions;
(2) resolve the grants of this patient to this reader, with terms that hash to what the chain holds, or for break-glass
    his emergency episodes; ask the contract what it says of each, and stop where the two disagree;
(3) decide, by the rules of docs/consent.md, with what the chain tells of the record; at the block's time, and again by
    the clock on the wall, since the newest block may be old;
(4) find the record's files by its id, which is their CID, and the reader's packet: in the bundle of a live grant, in
    what its custodian released for an episode, or in the record's own header, where its custodian makes one for whom a
    grant permitted it already; every block is verified;
(5) unwrap the file key: the header must be written by who granted, the patient or somebody who might for him (or, from
    the custodian, by him), and the key the one the record commits to;
(6) open the manifest, and compare it with the chain;
(7) decide again, with what the manifest tells;
(8) stream the payload: each segment's tag, each block's CID; the last bytes are held back until the whole plaintext
    has the manifest's digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from medshare.content import Cid, Link, read_file
from medshare.envelope import FileKey, open_payload, open_range, unwrap
from medshare.errors import (
    AccessDeniedError,
    BlobNotFoundError,
    IntegrityError,
    InvalidInputError,
    MedshareError,
    NotAllowedToActError,
    NotARecipientError,
    RecordErasedError,
    StoreUnavailableError,
    UnknownGrantError,
)
from medshare.files import written_whole
from medshare.model.consent import Consent, decide, liveness
from medshare.model.decision import NEARNESS, Decision, Reason
from medshare.model.emergency import Episode
from medshare.model.events import BlockRef, KeysReleased
from medshare.model.grant import Grant
from medshare.model.ids import Address, GrantId, RecordId
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Manifest, RecordEntry, RecordRef, RecordStatus, plaintext_digest
from medshare.model.subject import Subject
from medshare.model.terms import Terms
from medshare.ports import Actor, BlobStore, Clock, Ledger
from medshare.services.auditing import Auditing, GrantStanding
from medshare.services.bundles import BAD_BUNDLE, bundle_files, open_terms, terms_among
from medshare.services.emergency_keys import release_names, released_header, standing_episode
from medshare.services.held_keys import as_read
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
from medshare.services.slips import BundleNames, Slips

_BUNDLE_MISSING = (
    "it is of the bundle of a live grant, without which nobody knows what that says: another node may hold it; "
    "or ask the patient to grant it anew"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """What a patient has granted a reader, as far as it can be known."""

    consents: list[Consent] = field(default_factory=list)
    """The grants whose terms can be read, live and ended."""
    released: list[tuple[Terms, Mapping[str, Link], Address]] = field(default_factory=list)
    """Terms of those that are live, what their bundles hold, and who gave them."""
    ended: list[tuple[Reason, Grant]] = field(default_factory=list)
    """Revoked, expired or not begun, with a bundle that is gone: what they covered, nobody can say any more."""
    failures: list[tuple[GrantId, MedshareError]] = field(default_factory=list)
    """Live grants whose bundle could not be used, and why."""
    episodes: list[Episode] = field(default_factory=list)
    """The reader's emergency episodes for this patient; none lasts longer than his accreditation."""
    keys_released: list[KeysReleased] = field(default_factory=list)
    """What custodians released for them, the newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A question, and all that can be known to answer it."""

    entry: RecordEntry
    subject: Subject
    purpose: PurposeOfUse
    reader: Actor
    reads_as: Address
    """The patient, where the reader is in control of him."""
    block: BlockRef
    now: int
    """The later of the block's time and the clock's."""
    held: _Held
    writers: Mapping[Address, Collection[bytes]]
    """The keys that custodian and granters have published: one of them must have written the header."""

    def decide(self, subject: Subject) -> Decision:
        """Decide at the block's time and at the clock's; what the one denies, the other does not permit."""
        decision = self._decide_at(self.block.time, subject)
        if decision.permitted or decision.undecided:
            return self._decide_at(self.now, subject)
        return decision

    def _decide_at(self, now: int, subject: Subject) -> Decision:
        return decide(
            self.held.consents,
            subject=subject,
            purpose=self.purpose,
            reader=self.reads_as,
            now=now,
            episodes=self.held.episodes,
            block=self.block.number,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """A record of which the manifest has been read."""

    files: RecordFiles
    file_key: FileKey
    manifest: Manifest


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
        file_key: opens this version, and no other; for who may release it to others.
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
        self.file_key = file_key
        self._files = files
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
        for chunk in open_payload(sealed, self.file_key, payload_length=payload.size):
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
        return open_range(read_at, self.file_key, payload_length=payload.size, offset=offset, length=length)

    def describes(self, path: Path) -> bool:
        """Whether ``path`` is a file with this very plaintext."""
        try:
            if not path.is_file() or path.stat().st_size != self.manifest.size:
                return False
            with path.open("rb") as stream:
                found = hashlib.file_digest(stream, "sha256").digest()
        except OSError:
            return False
        return plaintext_digest(self.manifest.salt, found) == self.manifest.digest

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


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRecord:
    """A record that a reader may read as far as the chain tells, or that only its manifest decides."""

    entry: RecordEntry
    lineage: tuple[RecordId, ...]
    """Its earlier versions, newest first."""
    undecided: bool
    """Whether the manifest decides."""
    open: Callable[[], OpenRecord]
    """Opens it, as ``Retrieving.open`` does, asking nothing but the store: several may be opened at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """What of one patient a reader may perhaps read."""

    records: tuple[PendingRecord, ...]
    """In the order in which they were registered."""
    unreadable: tuple[tuple[GrantId, MedshareError], ...]
    """Live grants whose bundle could not be used, and why."""


class Retrieving:
    """Opens records, as a reader, a patient or a custodian.

    Args:
        ledger: the contracts.
        store: where records and bundles are; not trusted.
        clock: the time on the wall.
        auditing: which grants there are.
        slips: takes over those that are in bundles; None where nobody keeps any.
    """

    def __init__(
        self, *, ledger: Ledger, store: BlobStore, clock: Clock, auditing: Auditing, slips: Slips | None = None
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._clock = clock
        self._auditing = auditing
        self._slips = slips

    def open(self, record: RecordRef, *, reader: Actor, purpose: PurposeOfUse) -> OpenRecord:
        """Open a record for ``purpose``, after every check.

        Args:
            record: which record, by whose word.
            reader: who reads.
            purpose: what for.

        Raises:
            UnknownRecordError: the custodian has registered no such record.
            RecordErasedError: the custodian has erased it: nobody opens it any more.
            AccessDeniedError: the reader has no right to it, or was not given its key, or it was retracted (patient and
                custodian still open it); ``.decision`` says why.
            NotAllowedToActError: the reader was the patient, and another key has taken over.
            IntegrityError: chain, bundle, manifest and store disagree.
            EnvelopeError: header or key do not fit.
            StoreError, LedgerError: store or chain failed.
        """
        asked = self._ask(record, reader, purpose)
        return self._opened(asked, self._decide_by_chain(asked))

    def pending(self, patient: Address, *, reader: Actor, purpose: PurposeOfUse) -> Pending:
        """Return what of ``patient`` the reader may perhaps read for ``purpose``, all at one block.

        What was erased is not among it.

        Raises:
            IntegrityError: the contract and this client disagree.
            LedgerError: the chain failed.
        """
        block = self._ledger.chain.head()
        reads_as = self._reads_as(patient, reader, block)
        held = _Held() if reads_as == patient else self._held(patient, reader, purpose, block)
        lineages = self._auditing.lineages(patient)
        erased = self._auditing.erasures(patient)
        entries = [entry for entry in self._auditing.records(patient) if entry.ref not in erased]
        writers = self._writers(held, *(entry.custodian for entry in entries))
        records = []
        for entry in entries:
            lineage = lineages.get(entry.ref, ())
            asked = _Asked(
                entry=entry,
                subject=Subject.on_chain(entry, lineage),
                purpose=purpose,
                reader=reader,
                reads_as=reads_as,
                block=block,
                now=self._now(block),
                held=held,
                writers=writers,
            )
            decision = asked.decide(asked.subject)
            if decision.permitted or decision.undecided:
                records.append(
                    PendingRecord(
                        entry=entry,
                        lineage=lineage,
                        undecided=decision.undecided,
                        open=partial(self._opened, asked, decision),
                    )
                )
        return Pending(records=tuple(records), unreadable=tuple(held.failures))

    def preview(self, record: RecordRef, *, reader: Actor, purpose: PurposeOfUse) -> Decision:
        """Return the decision on a record; denied is an answer, not an error.

        Of the record nothing is fetched but its manifest, and that only where the decision depends on it.

        Raises:
            UnknownRecordError, RecordErasedError, IntegrityError, EnvelopeError, StoreError, LedgerError: as ``open``.
        """
        asked = self._ask(record, reader, purpose)
        try:
            decision = self._decide_by_chain(asked)
            if decision.undecided:
                decision = self._decide_by_manifest(asked, self._open(asked, decision).manifest)
        except AccessDeniedError as error:
            return error.decision
        return decision

    def readable(self, *, reader: Actor, purpose: PurposeOfUse) -> Readable:
        """Return the records that live grants let ``reader`` use for ``purpose``, whose keys were released to him.

        A retracted record is among them: opening it tells that it was withdrawn. What was erased is not.

        Anybody may grant a reader anything: a grant whose bundle is missing or wrong is counted and passed over, so
        that it hides no other. What each ``open`` will still check (manifests, headers, bytes) is not checked here.

        Raises:
            StoreUnavailableError, LedgerError: store or chain failed.
        """
        block = self._ledger.chain.head()
        unreadable: list[GrantId] = []
        records: list[RecordRef] = []
        by_patient: dict[Address, list[tuple[GrantStanding, Terms]]] = {}
        for standing in self._auditing.grants(grantee=reader.address):
            if not standing.live or self._now(block) >= standing.grant.expires_at:
                continue
            try:
                mine = self._as_read(standing, reader)
                terms = open_terms(self._store, mine, reader.identity)
            except StoreUnavailableError:
                raise
            except BAD_BUNDLE:
                unreadable.append(standing.grant.grant_id)
                continue
            by_patient.setdefault(standing.grant.patient, []).append((mine, terms))
        for patient, held in by_patient.items():
            records += self._readable_of(patient, held, reader, purpose, block)
        return Readable(records=tuple(records), unreadable=tuple(unreadable))

    def _readable_of(
        self,
        patient: Address,
        held: list[tuple[GrantStanding, Terms]],
        reader: Actor,
        purpose: PurposeOfUse,
        block: BlockRef,
    ) -> Iterator[RecordRef]:
        stamp = self._ledger.consents.stamp(patient, block=block)
        consents = [Consent(grant=standing.grant, terms=terms, stamp=stamp) for standing, terms in held]
        released = [(terms, bundle_files(self._store, standing.bundle)) for standing, terms in held]
        lineages = self._auditing.lineages(patient)
        erased = self._auditing.erasures(patient)
        for entry in self._auditing.records(patient):
            if entry.ref in erased:
                continue
            subject = Subject.on_chain(replace(entry, status=RecordStatus.ACTIVE), lineages.get(entry.ref, ()))
            decision = decide(consents, subject=subject, purpose=purpose, reader=reader.address, now=self._now(block))
            possible = decision.permitted or decision.undecided
            bundled = any(terms.header_name(entry.record_id) in files for terms, files in released)
            if possible and (bundled or self._standing_packet(entry, reader)):
                yield entry.ref

    def _standing_packet(self, entry: RecordEntry, reader: Actor) -> bool:
        """Whether the custodian made a packet for the reader when he published; not where it cannot be found out."""
        try:
            unwrap(own_header(self._store, locate(self._store, entry.record_id)), reader.identity)
        except StoreUnavailableError:
            raise
        except BAD_BUNDLE:
            return False
        return True

    # ---------------------------------------------------------------------------------------------- deciding

    def _now(self, block: BlockRef) -> int:
        return max(block.time, self._clock.now())

    def _ask(self, record: RecordRef, reader: Actor, purpose: PurposeOfUse) -> _Asked:
        """Collect what chain and bundles tell; raises as ``open``."""
        block = self._ledger.chain.head()  # (0)
        entry = self._ledger.records.record(record.custodian, record.record_id, block=block)  # (1)
        if entry.status is RecordStatus.RETRACTED and (mark := self._auditing.erasure(record)) is not None:
            raise RecordErasedError(record.record_id, mark.place.block.time)
        lineage = self._auditing.lineages(entry.patient).get(record, ()) if entry.version > 1 else ()
        reads_as = reader.address if reader.address == entry.custodian else self._reads_as(entry.patient, reader, block)
        own = reads_as in (entry.patient, entry.custodian)
        held = _Held() if own else self._held(entry.patient, reader, purpose, block)
        return _Asked(
            entry=entry,
            subject=Subject.on_chain(entry, lineage),
            purpose=purpose,
            reader=reader,
            reads_as=reads_as,
            block=block,
            now=self._now(block),
            held=held,
            writers=self._writers(held, entry.custodian),
        )

    def _reads_as(self, patient: Address, reader: Actor, block: BlockRef) -> Address:
        """Return as whom he reads: as the patient, if in control of him; raises ``NotAllowedToActError``."""
        controller = self._ledger.authority.controller_of(patient, block=block).controller
        if reader.address == controller:
            return patient
        if reader.address == patient:
            raise NotAllowedToActError(patient, reader.address)
        return reader.address

    def _writers(self, held: _Held, *custodians: Address) -> dict[Address, frozenset[bytes]]:
        granters = (granter for _, _, granter in held.released)
        return {actor: self._keys_of(actor) for actor in {*custodians, *granters}}

    def _held(self, patient: Address, reader: Actor, purpose: PurposeOfUse, block: BlockRef) -> _Held:
        if purpose is PurposeOfUse.BTG:
            return self._emergencies(patient, reader, block)
        return self._grants(patient, reader, purpose, block)

    def _emergencies(self, patient: Address, reader: Actor, block: BlockRef) -> _Held:
        """Return the reader's episodes for the patient that may be in force at the block, and their keys (2)."""
        held = _Held()
        for emergency in self._auditing.emergencies(patient=patient, clinician=reader.address):
            if emergency.episode.ends_at <= block.time or emergency.episode.opened_at > block.time:
                continue
            held.episodes.append(standing_episode(self._ledger, emergency.episode.episode_id, block))
            held.keys_released.extend(reversed(emergency.released))
            if self._slips is not None:
                for release in emergency.released:
                    names = list(release_names(release, reader.identity, self._keys_of(release.custodian)))
                    self._slips.take_over(release.bundle, names, reader.identity)
        return held

    def _grants(self, patient: Address, reader: Actor, purpose: PurposeOfUse, block: BlockRef) -> _Held:
        """Return the patient's grants to the reader at the block, each compared with what the contract says (2)."""
        held, bits = _Held(), purpose.coarse
        stamp = self._ledger.consents.stamp(patient, block=block)
        for standing in self._auditing.grants(patient=patient, grantee=reader.address):
            try:
                grant = self._ledger.consents.get_grant(standing.grant.grant_id, block=block)
            except UnknownGrantError:
                continue  # granted after the block we ask about
            reason = liveness(grant, stamp=stamp, purpose=bits, now=block.time)
            if self._ledger.consents.is_live(grant.grant_id, bits, block=block) != (reason is Reason.PERMITTED):
                raise IntegrityError(f"the contract and this client disagree about grant {grant.grant_id:#x}")
            ended = reason in (Reason.REVOKED, Reason.EXPIRED, Reason.NOT_YET)
            if ended and not self._store.has(Cid.of_directory(standing.bundle)):
                held.ended.append((reason, grant))
                continue
            try:
                if not standing.by_right:
                    raise IntegrityError(f"grant {grant.grant_id:#x} was given by {standing.granted_by}, who might not")
                mine = self._as_read(standing, reader)
                files = bundle_files(self._store, mine.bundle)
                terms = terms_among(self._store, files, mine, reader.identity)
                held.consents.append(Consent(grant=grant, terms=terms, stamp=stamp))
            except BAD_BUNDLE as error:
                if ended:
                    held.ended.append((reason, grant))
                    continue
                if isinstance(error, BlobNotFoundError):
                    error.hint = _BUNDLE_MISSING
                held.failures.append((grant.grant_id, error))
                continue
            if not ended:
                held.released.append((terms, files, standing.granted_by))
                if self._slips is not None:
                    names = BundleNames(slips=terms.slips_name, header_of=terms.header_name)
                    self._slips.take_over(mine.bundle, [names], reader.identity)
        return held

    def _as_read(self, standing: GrantStanding, reader: Actor) -> GrantStanding:
        escrow = self._ledger.requests.address
        return as_read(self._store, self._auditing, standing, party=reader.address, escrow=escrow)

    def _decide_by_chain(self, asked: _Asked) -> Decision:
        """Return the decision before anything of the record is opened (3); raises ``AccessDeniedError``."""
        decision = asked.decide(asked.subject)
        if decision.permitted or decision.undecided:
            return decision
        if decision.reason in NEARNESS:  # neither retracted nor an emergency: it is the grants that do not permit
            if asked.held.failures:
                raise asked.held.failures[0][1]
            for reason, grant in asked.held.ended:
                if NEARNESS.index(reason) > NEARNESS.index(decision.reason):
                    decision = replace(decision, reason=reason, grant=grant)
        raise AccessDeniedError(decision)

    def _decide_by_manifest(self, asked: _Asked, manifest: Manifest) -> Decision:
        """Return the decision on all that is known (7); raises ``AccessDeniedError``."""
        decision = asked.decide(Subject.described(asked.entry, manifest, asked.subject.lineage))
        if not decision.permitted:
            raise AccessDeniedError(decision)
        return decision

    # ----------------------------------------------------------------------------------------------- opening

    def _opened(self, asked: _Asked, decision: Decision) -> OpenRecord:
        opened = self._open(asked, decision)
        return OpenRecord(  # (8) as it is read
            entry=asked.entry,
            manifest=opened.manifest,
            decision=self._decide_by_manifest(asked, opened.manifest),
            files=opened.files,
            file_key=opened.file_key,
            store=self._store,
        )

    def _open(self, asked: _Asked, decision: Decision) -> _Opened:
        """Open the record up to its manifest; raises ``AccessDeniedError`` where the reader was not given its key."""
        files = locate(self._store, asked.entry.record_id)  # (4)
        failures = []
        for header, written_by in self._headers(asked, files):
            try:
                file_key = _unwrapped(header, asked, written_by, files)  # (5)
            except NotARecipientError as error:
                failures.append(error)
                continue
            manifest = open_manifest(self._store, files, file_key, asked.entry)  # (6)
            return _Opened(files=files, file_key=file_key, manifest=manifest)
        if decision.reason is Reason.OWN_RECORD and asked.reads_as == asked.entry.patient:
            failures[0].hint = self._for_the_patient(asked.entry)
        if decision.reason is Reason.OWN_RECORD or len(failures) > 1:
            raise failures[0]
        denied = AccessDeniedError(
            replace(decision, reason=Reason.KEY_NOT_RELEASED, decided_by=(), obligations=(), episode_id=None)
        )
        if asked.purpose is PurposeOfUse.BTG:
            denied.hint = "the custodian releases keys while the episode lasts: try again in a moment, or call him"
        raise denied from failures[0]

    def _for_the_patient(self, entry: RecordEntry) -> str:
        """Return what helps a patient whose key opens no packet: he has another one since the record was encrypted."""
        newest = self._auditing.newest_versions(entry.custodian).get(entry.record_id)
        if newest is not None:
            return f"fetch its newest version, {newest.hex()}: its custodian encrypted it anew since"
        return "made for an earlier key: check the identity, or ask its custodian to encrypt it anew (record rotate)"

    def _headers(self, asked: _Asked, files: RecordFiles) -> Iterator[tuple[bytes, Address]]:
        """Yield what may hold the reader's packet, and who must have written it: live grants' bundles, the record."""
        entry = asked.entry
        for terms, bundled, granter in asked.held.released:
            link = bundled.get(terms.header_name(entry.record_id))
            if link is not None:
                yield read_small(self._store, link, MAX_HEADER_SIZE), granter
        for release in asked.held.keys_released:
            if release.custodian == entry.custodian:
                keys = asked.writers[entry.custodian]
                link = released_header(self._store, release, entry.record_id, asked.reader.identity, keys)
                if link is not None:
                    yield read_small(self._store, link, MAX_HEADER_SIZE), entry.custodian
        yield own_header(self._store, files), entry.custodian

    def _keys_of(self, actor: Address) -> frozenset[bytes]:
        return frozenset(event.key for event in self._auditing.encryption_keys(actor))


def _unwrapped(header: bytes, asked: _Asked, written_by: Address, files: RecordFiles) -> FileKey:
    try:
        opened = unwrap(header, asked.reader.identity)
    except NotARecipientError as error:
        error.hint = "released to another key, or not to you: check the identity, or ask the patient to grant anew"
        raise
    if opened.writer.key not in asked.writers[written_by]:
        raise IntegrityError(f"the header was not written by {written_by}, who should have")
    check_key(files, opened.file_key)
    return opened.file_key
