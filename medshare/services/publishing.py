"""Publishing: a custodian encrypts a record, stores it, and registers it on chain. In this order, once.

The steps, numbered as in the code:

(1) read the plaintext once, for its digest: the same record published again is the same publication;
(2) look into the journal: what is stored already is not encrypted again, what is registered is only reported;
(3) ask the Directory whether the custodian may state it, and for the keys of patient, or who is in control of him since
    his was recovered, and custodian;
(4) seal the payload under a fresh file key;
(5) now, at one block, ask whom the patient's live grants permit this record, and store header, manifest and commitment:
    a packet for the patient, for the custodian, and for each of these readers;
(6) note the record's id and pin it: from here on a crash loses nothing;
(7) register it on chain, under an intent that cannot be carried out twice.

A crash before (6) leaves blocks that no pin reaches, which a collection removes when they are old enough to be nobody's
work in progress; publishing again begins anew.
A crash after (6) goes on at (7), with ``publish`` of the same record or with ``resume``. If somebody's right has ended
or begun meanwhile, the record is encrypted anew first; if it was given to the chain already, it is registered as it
was and superseded at once by a version for those who are permitted now.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from medshare.content import BlockBatch, Cid
from medshare.envelope import Recipient
from medshare.errors import (
    BlobNotFoundError,
    ConfigurationError,
    CustodianNotAccreditedError,
    EncryptionKeyNotSetError,
    InsufficientFundsError,
    InvalidInputError,
    LedgerBusyError,
    LedgerError,
    LedgerUnavailableError,
    MedshareError,
    NotARecipientError,
    RecordExistsError,
    RecordNotActiveError,
    StoreFullError,
    StoreUnavailableError,
    UnknownRecordError,
    VersionsExhaustedError,
)
from medshare.hashing import sha256
from medshare.model.accreditation import AccreditationKind
from medshare.model.ids import Address, RecordId
from medshare.model.record import (
    Category,
    Manifest,
    RecordEntry,
    RecordRef,
    RecordStatus,
    plaintext_digest,
)
from medshare.model.record_acts import Supersede
from medshare.model.subject import Subject
from medshare.ports import Actor, BlobStore, Ledger
from medshare.services.auditing import Auditing
from medshare.services.journal import Publication, PublicationJournal, Stage
from medshare.services.plaintext import Plaintext
from medshare.services.progress import Progress, silent
from medshare.services.published_keys import own_keys
from medshare.services.sealing import Source, seal_record
from medshare.services.standing import Readers, StandingConsents, Withheld
from medshare.services.stored_version import StoredVersion

ENDS_ALL = (
    ConfigurationError,
    EncryptionKeyNotSetError,
    InsufficientFundsError,
    LedgerUnavailableError,
    StoreFullError,
    StoreUnavailableError,
)
"""What would stop each further record in the same way."""

_log = logging.getLogger(__name__)
_NO_ID_YET = RecordId(bytes(32))
_GONE = "what was stored is gone: publish the record again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a custodian says of a record; it goes into the encrypted manifest."""

    media_type: str = "application/octet-stream"
    category: Category = Category.OTHER
    resource_type: str | None = None
    labels: tuple[str, ...] = ()
    clinical_date: str | None = None
    # These two do not make it another publication: the one is in the bytes, the other only says why.
    patient_reference: str | None = field(default=None, repr=False)
    overrides: Mapping[str, str] = field(default_factory=dict, repr=False)

    def manifest(
        self,
        source: Source,
        *,
        patient: Address,
        custodian: Address,
        salt: bytes,
        supersedes: RecordId | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Manifest:
        """Return the manifest of a plaintext that has been read; ``extra`` goes into it as it is."""
        return Manifest(
            patient=patient,
            custodian=custodian,
            media_type=self.media_type,
            category=self.category,
            resource_type=self.resource_type,
            labels=self.labels,
            clinical_date=self.clinical_date,
            size=source.size,
            salt=salt,
            digest=plaintext_digest(salt, source.digest),
            supersedes=supersedes,
            patient_reference=self.patient_reference,
            overrides=self.overrides,
            extra=extra or {},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A record that is in the store and on chain."""

    entry: RecordEntry
    cid: Cid
    already: bool
    """Whether it had been published before, so that nothing was done now."""
    readers: tuple[Address, ...] = ()
    """Whom standing consents let read it, beside patient and custodian; told where it was encrypted now."""
    withheld: tuple[Withheld, ...] = ()
    """Live grants whose readers got no packet, for another reason than what they say; told likewise."""

    @property
    def record_id(self) -> RecordId:
        """The record's id."""
        return self.entry.record_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Packets:
    """Of one record: keys, beside those of patient and custodian."""

    held: frozenset[Recipient]
    """Those that its header has a packet for."""
    permitted: frozenset[Recipient]
    """Those that would get one now."""
    unknown: frozenset[Recipient]
    """Those of readers of whom it cannot be said now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """What is to be published."""

    source: Source
    patient: Address
    description: Description
    supersedes: RecordId | None
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Of the manifest of what is published again: kept as it is."""
    anew: bool = False
    """Whether it was published before: that says nothing of what else its custodian has published."""

    @classmethod
    def again(cls, stored: StoredVersion, *, supersedes: RecordId | None) -> Self:
        """Return a draft of what was published before."""
        manifest = stored.manifest
        return cls(
            source=stored,
            patient=manifest.patient,
            description=description_of(manifest),
            supersedes=supersedes,
            extra=manifest.extra,
            anew=True,
        )


class Publishing:
    """Publishes records, as a custodian.

    Args:
        ledger: the contracts.
        store: where records go.
        journal: what this custodian has begun to publish.
        auditing: which earlier versions a record has.
        standing: whom live grants permit what is published.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        store: BlobStore,
        journal: PublicationJournal,
        auditing: Auditing,
        standing: StandingConsents,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._journal = journal
        self._auditing = auditing
        self._standing = standing

    def publish(
        self,
        source: Path | bytes,
        *,
        custodian: Actor,
        patient: Address,
        description: Description,
        supersedes: RecordId | None = None,
        progress: Progress = silent,
    ) -> Published:
        """Encrypt, store and register a record; the same record again is not published again.

        Args:
            source: the plaintext: a file, or its bytes. The bytes are kept exactly as they are.
            custodian: who publishes.
            patient: whom the record is about.
            description: what the encrypted manifest says of it.
            supersedes: the custodian's active record in whose place this one comes.
            progress: told how far it is.

        Raises:
            InvalidInputError: the plaintext is missing, not a file, empty, or changed while it was read.
            CustodianNotAccreditedError: nobody accredits the custodian now; nothing is stored.
            EncryptionKeyNotSetError: patient or custodian has published no encryption key.
            ConfigurationError: the custodian's identity is not the one he has published; or what he has published was
                never known here, or is lost.
            RecordNotActiveError: the record to supersede was superseded or retracted before.
            StoreError: the store failed; repeat, nothing was lost.
            LedgerError: the chain failed or refused; repeat, nothing is done twice.
        """
        require_known(self._journal, self._auditing, custodian.address)
        publication_id, draft = self._read(source, custodian, patient, description, supersedes, progress)
        return self._carry_out(publication_id, lambda: draft, custodian, progress)

    def prepare(
        self,
        source: Path | bytes,
        *,
        custodian: Actor,
        patient: Address,
        description: Description,
        supersedes: RecordId | None = None,
        progress: Progress = silent,
    ) -> Publication:
        """Do all of publishing but registering: somebody else shall send what the custodian signs.

        From now on it counts as given to the chain. When it is there, ``publish`` of the same record says so; until
        then that, or ``resume``, registers it.

        Args, Raises: as ``publish``.
        """
        require_known(self._journal, self._auditing, custodian.address)
        publication_id, draft = self._read(source, custodian, patient, description, supersedes, progress)
        with self._journal.claimed(publication_id):
            publication, _ = self._stored(publication_id, lambda: draft, custodian)
            if publication.stage is Stage.STORED:
                publication = replace(publication, stage=Stage.SENDING)
                self._journal.write(publication)
        return publication

    def _read(
        self,
        source: Path | bytes,
        custodian: Actor,
        patient: Address,
        description: Description,
        supersedes: RecordId | None,
        progress: Progress,
    ) -> tuple[str, _Draft]:
        plaintext = Plaintext(source, progress)
        plaintext.read()  # (1)
        publication_id = publication_of(
            self._journal, plaintext, custodian.address, patient, description, supersedes=supersedes
        )
        return publication_id, _Draft(source=plaintext, patient=patient, description=description, supersedes=supersedes)

    def reseal(self, previous: RecordEntry, *, custodian: Actor, progress: Progress = silent) -> Published:
        """Publish a record of one's own again, as its next version: same text and description, a fresh key.

        Only those who are permitted now get a packet. Repeated for the same version, it is done once.

        Args:
            previous: the version to be superseded.
            custodian: who published it.
            progress: told how far it is.

        Raises:
            NotARecipientError: it was encrypted for an earlier key of the custodian.
            RecordNotActiveError: it was superseded otherwise, or retracted.
            StoreError, EnvelopeError, IntegrityError: it is not whole, or not what it should be.
            LedgerError: the chain failed or refused; repeat, nothing is done twice.
        """
        publication_id = self._resealing(previous, custodian)
        published = self._carry_out(
            publication_id, self._draft_again(previous, custodian, progress), custodian, progress
        )
        self._note_resealed(previous, published)
        return published

    def reseal_all(
        self, entries: Sequence[RecordEntry], *, custodian: Actor, progress_of: Callable[[RecordEntry], Progress]
    ) -> list[Published | MedshareError]:
        """Publish several records of one's own again, as ``reseal``, in one transaction; return what became of each.

        Args:
            entries: the versions to be superseded, each once: so many as one transaction carries.
            custodian: who published them.
            progress_of: for each, what is told how far it is.

        Returns:
            For each its successor, or why there is none.

        Raises:
            ConfigurationError, EncryptionKeyNotSetError, InsufficientFundsError, LedgerUnavailableError,
            StoreFullError, StoreUnavailableError: what would stop each further record in the same way.
        """
        begun: dict[RecordEntry, tuple[Publication, Readers | None]] = {}
        failed: dict[RecordEntry, MedshareError] = {}
        with ExitStack() as claims:
            for previous in entries:
                publication_id = self._resealing(previous, custodian)
                draft = self._draft_again(previous, custodian, progress_of(previous))
                with _kept(failed, previous):
                    claims.enter_context(self._journal.claimed(publication_id))
                    begun[previous] = self._stored(publication_id, draft, custodian)
            sent = self._send_all([publication for publication, _ in begun.values()], custodian)
            published: dict[RecordEntry, Published] = {}
            for previous, (publication, readers) in begun.items():
                with _kept(failed, previous):
                    # What was refused among the others is tried by itself, and says why.
                    news = publication.publication_id in sent
                    done = self._finish(publication, readers, custodian, progress_of(previous), news=news)
                    self._note_resealed(previous, done)
                    published[previous] = done
        return [published[each] if each in published else failed[each] for each in entries]

    def _resealing(self, previous: RecordEntry, custodian: Actor) -> str:
        return self._journal.publication_id(b"reseal", custodian.address.encode(), previous.record_id)

    def _draft_again(self, previous: RecordEntry, custodian: Actor, progress: Progress) -> Callable[[], _Draft]:
        def draft() -> _Draft:
            stored = StoredVersion.open(self._store, previous, custodian.identity, progress=progress)
            return _Draft.again(stored, supersedes=previous.record_id)

        return draft

    def _note_resealed(self, previous: RecordEntry, published: Published) -> None:
        self._journal.resealed(
            Publication(
                publication_id=self._journal.publication_id(b"reseal", previous.custodian.encode(), previous.record_id),
                stage=Stage.REGISTERED,
                record_id=published.record_id,
                custodian=previous.custodian,
                patient=previous.patient,
                supersedes=previous.record_id,
            )
        )

    def packets(self, entry: RecordEntry, *, custodian: Actor) -> Packets:
        """Return who has a packet in the header of a record of one's own, and who would get one now.

        Raises:
            NotARecipientError: it was encrypted for an earlier key of the custodian.
            StoreError, EnvelopeError, IntegrityError: it is not whole, or not what it should be.
            LedgerError: the chain failed.
        """
        stored = StoredVersion.open(self._store, entry, custodian.identity, progress=silent)
        readers = self._standing.readers(custodian, self._subject(stored.manifest))
        permitted = frozenset(readers.admitted.values())
        candidates = self._standing.keys_ever(entry.patient) | permitted
        unknown = {key for each in readers.withheld for key in self._standing.keys_of(each.reader)}
        return Packets(
            held=stored.readers(custodian.identity, candidates), permitted=permitted, unknown=frozenset(unknown)
        )

    def _carry_out(
        self, publication_id: str, draft: Callable[[], _Draft], custodian: Actor, progress: Progress
    ) -> Published:
        with self._journal.claimed(publication_id):
            publication, readers = self._stored(publication_id, draft, custodian)
            return self._finish(publication, readers, custodian, progress)

    def _stored(
        self, publication_id: str, draft: Callable[[], _Draft], custodian: Actor
    ) -> tuple[Publication, Readers | None]:
        """Return the publication, stored now or earlier, and whom it was encrypted for, if that was now."""
        publication = self._journal.find(publication_id)  # (2)
        if publication is not None and not self._usable(publication, custodian):
            self._give_up(publication)
            publication = None
        if publication is None:
            return self._begin(publication_id, draft(), custodian)
        return publication, None

    def _begin(self, publication_id: str, draft: _Draft, custodian: Actor) -> tuple[Publication, Readers]:
        record_id, readers = self._store_record(draft, custodian)
        publication = Publication(
            publication_id=publication_id,
            stage=Stage.STORED,
            record_id=record_id,
            custodian=custodian.address,
            patient=draft.patient,
            supersedes=draft.supersedes,
        )
        self._journal.write(publication, known=not draft.anew)
        self._store.pin(Cid.of_directory(record_id))  # (6)
        return publication, readers

    def resume(self, custodian: Actor, *, progress: Progress = silent) -> list[Published]:
        """Finish what a crash or a lost connection interrupted after it was stored; return what was finished.

        What another process is working on is left to it.

        Raises:
            RecordNotActiveError, VersionsExhaustedError: a record can no longer be superseded, so that its successor
                was given up; raised when all others are finished.
            BlobNotFoundError, NotARecipientError: what was stored is gone, or must be encrypted anew and was made for
                an earlier key, so that it must be published again; raised likewise.
            StoreError, LedgerError: as ``publish``.
        """
        finished = []
        given_up: MedshareError | None = None
        for publication_id in [each.publication_id for each in self._journal.unfinished()]:
            try:
                published = self._resume_one(publication_id, custodian, progress)
            except (RecordNotActiveError, VersionsExhaustedError, BlobNotFoundError, NotARecipientError) as error:
                given_up = given_up or error
                continue
            if published is not None:
                finished.append(published)
        if given_up is not None:
            raise given_up
        return finished

    def retract(self, record_id: RecordId, reason: str, *, custodian: Actor) -> bytes:
        """Withdraw a record; return the salt of the reason, to be kept with its text.

        On chain goes a salted digest of the reason. The salt is derived from the custodian's key: it is not lost with a
        lost answer. The record stays in the store, for those who must see what others
        relied on.

        Raises:
            UnknownRecordError: the custodian has registered no such record.
            RecordNotActiveError: it was retracted before.
            LedgerError: the chain failed.
        """
        salt, digest = self.reason(record_id, reason, custodian)
        self._ledger.records.retract(custodian.signer, record_id, digest)
        return salt

    @staticmethod
    def reason(record_id: RecordId, reason: str, custodian: Actor) -> tuple[bytes, bytes]:
        """Return the salt of a retraction's reason, and the digest that goes on chain."""
        salt = custodian.identity.derive_secret("medshare/retraction-salt/1", record_id)
        return salt, plaintext_digest(salt, hashlib.sha256(reason.encode()).digest())

    def _resume_one(self, publication_id: str, custodian: Actor, progress: Progress) -> Published | None:
        with ExitStack() as claims:
            try:
                claims.enter_context(self._journal.claimed(publication_id))
            except LedgerBusyError:
                _log.debug("publication %s is another process's", publication_id)
                return None
            # Looked up only now: before the claim another process may have finished it, or begun it anew.
            publication = self._journal.find(publication_id)
            if publication is None or publication.stage is Stage.REGISTERED:
                return None
            if publication.custodian != custodian.address:
                return None
            if not self._pinned(publication):
                self._journal.forget(publication_id)
                cid = str(Cid.of_directory(publication.record_id))
                raise BlobNotFoundError(cid, hint=_GONE)
            readers = None
            if publication.stage is Stage.STORED and not self._still_right(publication, custodian):
                publication, readers = self._anew(publication, custodian, progress)
            return self._finish(publication, readers, custodian, progress)

    def _anew(self, publication: Publication, custodian: Actor, progress: Progress) -> tuple[Publication, Readers]:
        """Encrypt anew what no chain knows of, since other readers are permitted now."""
        try:
            stored = StoredVersion.open(self._store, _stated(publication), custodian.identity, progress=progress)
        except NotARecipientError as error:
            self._give_up(publication)
            error.hint = _GONE
            raise
        # First: after a crash it is pinned again, as long as the journal names it.
        self._store.unpin(Cid.of_directory(publication.record_id))
        draft = _Draft.again(stored, supersedes=publication.supersedes)
        return self._begin(publication.publication_id, draft, custodian)

    # --------------------------------------------------------------------------------------------- storing

    def _store_record(self, draft: _Draft, custodian: Actor) -> tuple[RecordId, Readers]:
        if custodian.address != draft.patient:  # everybody states his own
            require_accredited(self._ledger, custodian.address)  # (3)
        if draft.supersedes is not None:
            self._check_previous(custodian.address, draft.patient, draft.supersedes)
        own_keys(self._ledger, custodian, draft.patient, self._ledger.chain.head())
        asked: list[Readers] = []

        def recipients(manifest: Manifest) -> list[Recipient]:
            readers = self._standing.readers(custodian, self._subject(manifest))  # (5)
            asked.append(readers)
            return [*own_keys(self._ledger, custodian, draft.patient, readers.block), *readers.admitted.values()]

        with BlockBatch(self._store.put) as emit:
            root = seal_record(  # (4)
                draft.source,
                writer=custodian.identity,
                describe=lambda salt: draft.description.manifest(
                    draft.source,
                    patient=draft.patient,
                    custodian=custodian.address,
                    salt=salt,
                    supersedes=draft.supersedes,
                    extra=draft.extra,
                ),
                recipients=recipients,
                emit=emit,
            )
        _log.debug("stored record %s", root)
        return RecordId(root.digest), asked[0]

    def _subject(self, manifest: Manifest) -> Subject:
        """Return what is known of a record before its id is, which no provision can name yet."""
        previous = manifest.supersedes
        lineage: tuple[RecordId, ...] = ()
        if previous is not None:
            earlier = RecordRef(custodian=manifest.custodian, record_id=previous)
            lineage = (previous, *self._auditing.lineages(manifest.patient).get(earlier, ()))
        return unborn(manifest, custodian=manifest.custodian, patient=manifest.patient, lineage=lineage)

    def _check_previous(self, custodian: Address, patient: Address, previous_id: RecordId) -> None:
        previous = self._ledger.records.record(custodian, previous_id, block=self._ledger.chain.head())
        if previous.status is not RecordStatus.ACTIVE:
            raise RecordNotActiveError(custodian, previous_id, previous.status)
        if previous.patient != patient:
            raise InvalidInputError("the record to supersede is another patient's")

    def _usable(self, publication: Publication, custodian: Actor) -> bool:
        """Whether to go on with an earlier publication of the same record, rather than begin anew."""
        if publication.stage is Stage.STORED:
            # A collection may have come between storing and pinning: no chain knows of the record then.
            return self._pinned(publication) and self._still_right(publication, custodian)
        entry = self._entry(publication)
        if entry is None:
            # It may be on its way, or a reorganisation took it back and may bring it in again: a second id would stand
            # beside it.
            return self._pinned(publication)
        return entry.status is not RecordStatus.RETRACTED

    def _still_right(self, publication: Publication, custodian: Actor) -> bool:
        """Whether those have a packet of what is stored whom the patient's grants permit it now, and nobody else."""
        try:
            packets = self.packets(_stated(publication), custodian=custodian)
        except NotARecipientError:
            return False
        return packets.held == packets.permitted

    def _give_up(self, publication: Publication) -> None:
        if publication.stage is Stage.STORED:
            self._store.unpin(Cid.of_directory(publication.record_id))
        self._journal.forget(publication.publication_id)

    def _pinned(self, publication: Publication) -> bool:
        try:
            self._store.pin(Cid.of_directory(publication.record_id))
        except BlobNotFoundError:
            return False
        return True

    # ------------------------------------------------------------------------------------------ registering

    def _send_all(self, publications: Sequence[Publication], custodian: Actor) -> set[str]:
        """Supersede several records in one transaction; return the publications that were in it."""
        waiting = [each for each in publications if self._entry(each) is None]
        acts = [
            Supersede(record_id=each.record_id, previous_id=each.supersedes)
            for each in waiting
            if each.supersedes is not None
        ]
        if len(acts) <= 1:
            return set()
        for each in waiting:
            if each.stage is Stage.STORED:
                self._journal.write(replace(each, stage=Stage.SENDING))
        intent = f"publish/{sha256(b''.join(act.record_id for act in acts)).hex()}/all"
        try:
            self._ledger.records.do_all(custodian.signer, acts, intent=intent)
        except ENDS_ALL:
            raise
        except LedgerError as error:
            _log.debug("%d records were not superseded together: %s", len(acts), type(error).__name__)
        return {each.publication_id for each in waiting}

    def _finish(
        self,
        publication: Publication,
        readers: Readers | None,
        custodian: Actor,
        progress: Progress,
        *,
        news: bool = False,
    ) -> Published:
        """Register what is stored, or find that it is.

        Args:
            publication: what is stored.
            readers: those it was encrypted for, if that was now.
            custodian: who publishes.
            progress: told how far it is.
            news: whether it was sent just now, with others.
        """
        entry = self._entry(publication)
        already = entry is not None and not news
        in_doubt = publication.stage is Stage.SENDING
        if entry is None:
            progress("registering", 0, None)
            if publication.stage is Stage.STORED:
                publication = replace(publication, stage=Stage.SENDING)
                self._journal.write(publication)
            self._send(publication, custodian)  # (7)
            head = self._ledger.chain.head()
            entry = self._ledger.records.record(publication.custodian, publication.record_id, block=head)
        self._journal.write(replace(publication, stage=Stage.REGISTERED))
        if in_doubt and entry.status is RecordStatus.ACTIVE and not self._still_right(publication, custodian):
            return self.reseal(entry, custodian=custodian, progress=progress)
        return Published(
            entry=entry,
            cid=Cid.of_directory(publication.record_id),
            already=already,
            readers=tuple(readers.admitted) if readers is not None else (),
            withheld=readers.withheld if readers is not None else (),
        )

    def _send(self, publication: Publication, custodian: Actor) -> None:
        # Of the record, not of the publication: one that begins anew after a retraction is another transaction.
        intent = f"publish/{publication.record_id.hex()}"
        records, record_id = self._ledger.records, publication.record_id
        try:
            if publication.supersedes is None:
                records.register(custodian.signer, record_id, publication.patient, intent=intent)
            else:
                records.supersede(custodian.signer, record_id, publication.supersedes, intent=intent)
        except (RecordExistsError, RecordNotActiveError, VersionsExhaustedError):
            if self._entry(publication) is not None:
                return  # the custodian has signed it before, and somebody else has just sent it
            # It can never be registered any more: without this, each resume would fail at it again.
            self._journal.forget(publication.publication_id)
            self._store.unpin(Cid.of_directory(record_id))
            raise

    def _entry(self, publication: Publication) -> RecordEntry | None:
        head = self._ledger.chain.head()
        try:
            return self._ledger.records.record(publication.custodian, publication.record_id, block=head)
        except UnknownRecordError:
            return None


@contextmanager
def _kept(failed: dict[RecordEntry, MedshareError], previous: RecordEntry) -> Iterator[None]:
    """Let what fails keep no other record back."""
    try:
        yield
    except ENDS_ALL:
        raise
    except MedshareError as error:
        failed[previous] = error


def publication_of(
    journal: PublicationJournal,
    source: Source,
    custodian: Address,
    patient: Address,
    description: Description,
    *,
    supersedes: RecordId | None = None,
) -> str:
    """Return the id of the publication of a plaintext that has been read: the same record, the same id."""
    said = (custodian.encode(), patient.encode(), supersedes or b"", repr(description).encode(), source.digest)
    return journal.publication_id(*said)


def description_of(manifest: Manifest) -> Description:
    """Return what a custodian has said of a record."""
    return Description(
        media_type=manifest.media_type,
        category=manifest.category,
        resource_type=manifest.resource_type,
        labels=manifest.labels,
        clinical_date=manifest.clinical_date,
        patient_reference=manifest.patient_reference,
        overrides=manifest.overrides,
    )


def published_unknown(journal: PublicationJournal, auditing: Auditing, custodian: Address) -> bool:
    """Whether a custodian has records or batches on chain, of which nothing is known here."""
    return not journal.knows(custodian) and bool(auditing.patients_of(custodian) or auditing.batches(custodian))


def require_known(journal: PublicationJournal, auditing: Auditing, custodian: Address) -> None:
    """Refuse to publish as a custodian of whose records on chain nothing is known here.

    The same record given again would stand there twice, for ever. That all is known is noted once something of his is
    in the journal, and not before: until then another home may be the first.

    Raises:
        ConfigurationError: there are such records, or batches.
    """
    if published_unknown(journal, auditing, custodian):
        raise ConfigurationError(
            "this custodian has published before, and not from here, or what was known of it here is lost: the same "
            "record given again would stand on chain twice",
            hint="let it be read from chain and store first: medshare record restore --as CUSTODIAN",
        )


def require_accredited(ledger: Ledger, custodian: Address) -> None:
    """Refuse to store what the chain would not take: who is no custodian now states no record of others.

    Raises:
        CustodianNotAccreditedError: nobody accredits him now.
        LedgerError: the chain failed.
    """
    if not ledger.accreditation.is_accredited(custodian, AccreditationKind.CUSTODIAN, block=ledger.chain.head()):
        raise CustodianNotAccreditedError(custodian)


def unborn(
    described: Manifest | Description, *, custodian: Address, patient: Address, lineage: tuple[RecordId, ...] = ()
) -> Subject:
    """Return what is known of a record before its id is, which no provision can name yet."""
    return Subject(
        record=RecordRef(custodian=custodian, record_id=_NO_ID_YET),
        patient=patient,
        status=RecordStatus.ACTIVE,
        lineage=lineage,
        category=described.category,
        labels=described.labels,
        clinical_date=described.clinical_date,
    )


def _stated(publication: Publication) -> RecordEntry:
    """Return the entry that a publication is going to have, as far as its manifest is compared with it."""
    return RecordEntry(
        record_id=publication.record_id,
        custodian=publication.custodian,
        patient=publication.patient,
        registered_at=0,
        ended_at=0,
        version=1,
        status=RecordStatus.ACTIVE,
    )
