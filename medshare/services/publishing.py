"""Publishing: a custodian encrypts a record, stores it, and registers it on chain. In this order, once.

The steps, numbered as in the code:

(1) read the plaintext once, for its digest: the same record published again is the same publication;
(2) look into the journal: what is stored already is not encrypted again, what is registered is only reported;
(3) ask the Directory for the keys of patient and custodian, at one block;
(4) seal payload and manifest under a fresh file key, and store them with header and commitment;
(5) note the record's id and pin it: from here on a crash loses nothing;
(6) register it on chain, under an intent that cannot be carried out twice.

A crash before (5) leaves blocks that no pin reaches, which a collection removes when they are old enough to be nobody's
work in progress; publishing again begins anew.
A crash after (5) goes on at (6), with ``publish`` of the same record or with ``resume``.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from medshare.content import Cid
from medshare.envelope import FileKey, Recipient, payload_length, seal, segment_count, wrap
from medshare.errors import (
    BlobNotFoundError,
    ConfigurationError,
    InvalidInputError,
    LedgerBusyError,
    MedshareError,
    RecordNotActiveError,
    UnknownRecordError,
    VersionsExhaustedError,
)
from medshare.model.ids import Address, RecordId
from medshare.model.record import (
    COMMITMENT_FILE,
    HEADER_FILE,
    MANIFEST_FILE,
    PAYLOAD_FILE,
    Category,
    Commitment,
    Manifest,
    RecordEntry,
    RecordStatus,
    plaintext_digest,
)
from medshare.ports import Actor, BlobStore, Ledger
from medshare.services.blob_writer import BlobWriter
from medshare.services.journal import Publication, PublicationJournal, Stage
from medshare.services.plaintext import Plaintext, changed
from medshare.services.progress import Progress, silent

_log = logging.getLogger(__name__)
_SALT_SIZE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a custodian says of a record; it goes into the encrypted manifest."""

    media_type: str = "application/octet-stream"
    category: Category = Category.OTHER
    resource_type: str | None = None
    labels: tuple[str, ...] = ()
    clinical_date: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A record that is in the store and on chain."""

    entry: RecordEntry
    cid: Cid
    already: bool
    """Whether it had been published before, so that nothing was done now."""

    @property
    def record_id(self) -> RecordId:
        """The record's id."""
        return self.entry.record_id


class Publishing:
    """Publishes records, as a custodian.

    Args:
        ledger: the contracts.
        store: where records go.
        journal: what this custodian has begun to publish.
    """

    def __init__(self, *, ledger: Ledger, store: BlobStore, journal: PublicationJournal) -> None:
        self._ledger = ledger
        self._store = store
        self._journal = journal

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
            EncryptionKeyNotSetError: patient or custodian has published no encryption key.
            ConfigurationError: the custodian's identity is not the one he has published.
            RecordNotActiveError: the record to supersede was superseded or retracted before.
            StoreError: the store failed; repeat, nothing was lost.
            LedgerError: the chain failed or refused; repeat, nothing is done twice.
        """
        plaintext = Plaintext(source, progress)
        content = plaintext.sha256()  # (1)
        publication_id = self._journal.publication_id(
            custodian.address.encode(),
            patient.encode(),
            supersedes or b"",
            repr(description).encode(),
            content,
        )
        with self._journal.claimed(publication_id):
            publication = self._journal.find(publication_id)  # (2)
            if publication is not None and not self._usable(publication):
                self._journal.forget(publication_id)
                publication = None
            if publication is None:
                publication = Publication(
                    publication_id=publication_id,
                    stage=Stage.STORED,
                    record_id=self._store_record(plaintext, content, custodian, patient, description, supersedes),
                    custodian=custodian.address,
                    patient=patient,
                    supersedes=supersedes,
                )
                self._journal.write(publication)
                self._store.pin(Cid.of_directory(publication.record_id))  # (5)
            return self._register(publication, custodian, progress)

    def resume(self, custodian: Actor, *, progress: Progress = silent) -> list[Published]:
        """Finish what a crash or a lost connection interrupted after it was stored; return what was finished.

        What another process is working on is left to it.

        Raises:
            RecordNotActiveError, VersionsExhaustedError: a record can no longer be superseded, so that its successor
                was given up; raised when all others are finished.
            BlobNotFoundError: what was stored is gone, so that it must be published again; raised likewise.
            StoreError, LedgerError: as ``publish``.
        """
        finished = []
        given_up: MedshareError | None = None
        for publication_id in [each.publication_id for each in self._journal.all(Stage.STORED)]:
            try:
                published = self._resume_one(publication_id, custodian, progress)
            except (RecordNotActiveError, VersionsExhaustedError, BlobNotFoundError) as error:
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
        salt = custodian.identity.derive_secret("medshare/retraction-salt/1", record_id)
        digest = plaintext_digest(salt, hashlib.sha256(reason.encode()).digest())
        self._ledger.records.retract(custodian.signer, record_id, digest)
        return salt

    def _resume_one(self, publication_id: str, custodian: Actor, progress: Progress) -> Published | None:
        with ExitStack() as claims:
            try:
                claims.enter_context(self._journal.claimed(publication_id))
            except LedgerBusyError:
                _log.debug("publication %s is another process's", publication_id)
                return None
            # Looked up only now: before the claim another process may have finished it, or begun it anew.
            publication = self._journal.find(publication_id)
            if publication is None or publication.stage is not Stage.STORED:
                return None
            if publication.custodian != custodian.address:
                return None
            if not self._pinned(publication):
                self._journal.forget(publication_id)
                cid = str(Cid.of_directory(publication.record_id))
                raise BlobNotFoundError(cid, hint="what was stored is gone: publish the record again")
            return self._register(publication, custodian, progress)

    # --------------------------------------------------------------------------------------------- storing

    def _store_record(
        self,
        plaintext: Plaintext,
        content: bytes,
        custodian: Actor,
        patient: Address,
        description: Description,
        supersedes: RecordId | None,
    ) -> RecordId:
        if supersedes is not None:
            self._check_previous(custodian.address, patient, supersedes)
        recipients = self._recipients(custodian, patient)  # (3)
        file_key = FileKey.generate()  # (4)
        with BlobWriter(self._store) as writer:
            payload = writer.file(seal(plaintext.chunks("encrypting"), file_key))
            if plaintext.digest_of_last_reading != content:
                raise changed()
            salt = secrets.token_bytes(_SALT_SIZE)
            manifest = Manifest(
                patient=patient,
                custodian=custodian.address,
                media_type=description.media_type,
                category=description.category,
                resource_type=description.resource_type,
                labels=description.labels,
                clinical_date=description.clinical_date,
                size=plaintext.size,
                salt=salt,
                digest=plaintext_digest(salt, content),
                supersedes=supersedes,
            )
            commitment = Commitment(
                key_commitment=file_key.commitment,
                payload_length=payload_length(plaintext.size),
                segments=segment_count(plaintext.size),
            )
            root = writer.directory(
                {
                    HEADER_FILE: writer.file([wrap(file_key, writer=custodian.identity, recipients=recipients)]),
                    PAYLOAD_FILE: payload,
                    MANIFEST_FILE: writer.file(seal([manifest.to_json()], file_key)),
                    COMMITMENT_FILE: writer.file([commitment.to_json()]),
                }
            )
        _log.debug("stored record %s", root)
        return RecordId(root.digest)

    def _recipients(self, custodian: Actor, patient: Address) -> list[Recipient]:
        block = self._ledger.chain.head()
        published = self._ledger.directory.encryption_key(custodian.address, block=block).key
        if published != custodian.identity.recipient.key:
            raise ConfigurationError(
                f"the encryption key of {custodian.address} in the Directory is not the one used here",
                hint="publish this identity's key, or use the identity that was published",
            )
        return [
            Recipient(self._ledger.directory.encryption_key(patient, block=block).key),
            custodian.identity.recipient,
        ]

    def _check_previous(self, custodian: Address, patient: Address, previous_id: RecordId) -> None:
        previous = self._ledger.records.record(custodian, previous_id, block=self._ledger.chain.head())
        if previous.status is not RecordStatus.ACTIVE:
            raise RecordNotActiveError(custodian, previous_id, previous.status)
        if previous.patient != patient:
            raise InvalidInputError("the record to supersede is another patient's")

    def _usable(self, publication: Publication) -> bool:
        """Whether to go on with an earlier publication of the same record, rather than begin anew."""
        if publication.stage is Stage.STORED:
            # A collection may have come between storing and pinning: no chain knows of the record then.
            return self._pinned(publication)
        entry = self._entry(publication)
        if entry is None:
            # A reorganisation took the registration back, and may bring it in again: a second id would stand beside it.
            return self._pinned(publication)
        return entry.status is not RecordStatus.RETRACTED

    def _pinned(self, publication: Publication) -> bool:
        try:
            self._store.pin(Cid.of_directory(publication.record_id))
        except BlobNotFoundError:
            return False
        return True

    # ------------------------------------------------------------------------------------------ registering

    def _register(self, publication: Publication, custodian: Actor, progress: Progress) -> Published:
        entry = self._entry(publication)
        already = entry is not None
        if entry is None:
            progress("registering", 0, None)
            self._send(publication, custodian)  # (6)
            head = self._ledger.chain.head()
            entry = self._ledger.records.record(publication.custodian, publication.record_id, block=head)
        self._journal.write(replace(publication, stage=Stage.REGISTERED))
        return Published(entry=entry, cid=Cid.of_directory(publication.record_id), already=already)

    def _send(self, publication: Publication, custodian: Actor) -> None:
        # Of the record, not of the publication: one that begins anew after a retraction is another transaction.
        intent = f"publish/{publication.record_id.hex()}"
        records, record_id = self._ledger.records, publication.record_id
        if publication.supersedes is None:
            records.register(custodian.signer, record_id, publication.patient, intent=intent)
            return
        try:
            records.supersede(custodian.signer, record_id, publication.supersedes, intent=intent)
        except (RecordNotActiveError, VersionsExhaustedError):
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
