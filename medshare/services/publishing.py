"""Publishing: a custodian encrypts a record, stores it, and registers it on chain. In this order, once.

The steps, numbered as in the code; (2) to (6) are in ``storing``, (7) is in ``registering``:

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
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from medshare.errors import (
    BlobNotFoundError,
    LedgerBusyError,
    MedshareError,
    NotARecipientError,
    RecordNotActiveError,
    VersionsExhaustedError,
)
from medshare.model.ids import Address, RecordId
from medshare.model.record import plaintext_digest
from medshare.ports import Actor, Ledger
from medshare.services.auditing import Auditing
from medshare.services.before_publishing import require_known
from medshare.services.description import Description, publication_of
from medshare.services.journal import Publication, PublicationJournal, Stage
from medshare.services.plaintext import Plaintext
from medshare.services.progress import Progress, silent
from medshare.services.registering import Published
from medshare.services.resealing import Resealing
from medshare.services.storing import Draft, Storing

_log = logging.getLogger(__name__)


class Publishing:
    """Publishes records, as a custodian.

    Args:
        ledger: the contracts.
        journal: what this custodian has begun to publish.
        auditing: what he has on chain.
        storing: stores the records.
        resealing: registers them, and publishes anew what was in doubt and is no longer right.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        journal: PublicationJournal,
        auditing: Auditing,
        storing: Storing,
        resealing: Resealing,
    ) -> None:
        self._ledger = ledger
        self._journal = journal
        self._auditing = auditing
        self._storing = storing
        self._resealing = resealing

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
        with self._journal.claimed(publication_id):
            publication, readers = self._storing.store(publication_id, lambda: draft, custodian)
            return self._resealing.finish(publication, readers, custodian, progress)

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
            publication, _ = self._storing.store(publication_id, lambda: draft, custodian)
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
    ) -> tuple[str, Draft]:
        plaintext = Plaintext(source, progress)
        plaintext.read()  # (1)
        publication_id = publication_of(
            self._journal, plaintext, custodian.address, patient, description, supersedes=supersedes
        )
        return publication_id, Draft(source=plaintext, patient=patient, description=description, supersedes=supersedes)

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
        lost answer. The record stays in the store, for those who must see what others relied on.

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
            publication, readers = self._storing.take_up(publication, custodian, progress)
            return self._resealing.finish(publication, readers, custodian, progress)
