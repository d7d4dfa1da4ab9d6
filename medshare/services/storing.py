"""Storing: a record is sealed for those who are permitted it now, stored, noted and pinned, or found to be so already.

Steps (2) to (6) of publishing are here, and so is whether what was stored earlier still is for whom it should be.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from medshare.content import BlockBatch, Cid
from medshare.envelope import Recipient
from medshare.errors import BlobNotFoundError, InvalidInputError, NotARecipientError, RecordNotActiveError
from medshare.model.ids import Address, RecordId
from medshare.model.record import Manifest, RecordEntry, RecordStatus
from medshare.model.rules.records import entry_of
from medshare.ports import Actor, BlobStore, Ledger
from medshare.services.auditing import Auditing
from medshare.services.before_publishing import require_accredited
from medshare.services.description import Description, description_of
from medshare.services.journal import Publication, PublicationJournal, Stage
from medshare.services.packets import packets_of, unborn_version
from medshare.services.progress import Progress
from medshare.services.published_keys import own_keys
from medshare.services.registering import registered
from medshare.services.sealing import Source, seal_record
from medshare.services.standing import Readers, StandingConsents
from medshare.services.stored_version import StoredVersion

_GONE = "what was stored is gone: publish the record again"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
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


class Storing:
    """Stores records, as a custodian.

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

    def store(
        self, publication_id: str, draft: Callable[[], Draft], custodian: Actor
    ) -> tuple[Publication, Readers | None]:
        """Return the publication, stored now or earlier, and whom it was encrypted for, if that was now.

        Args:
            publication_id: as what it is known; the caller holds the claim to it.
            draft: what is to be published; asked only where it is stored now.
            custodian: who publishes it.

        Raises:
            InvalidInputError: the plaintext changed while it was read, or the record to supersede is another patient's.
            CustodianNotAccreditedError: nobody accredits the custodian now; nothing is stored.
            EncryptionKeyNotSetError: patient or custodian has published no encryption key.
            ConfigurationError: the custodian's identity is not the one he has published.
            RecordNotActiveError: the record to supersede was superseded or retracted before.
            StoreError, LedgerError: store or chain failed; repeat, nothing was lost.
        """
        publication = self._journal.find(publication_id)  # (2)
        if publication is not None and not self._usable(publication, custodian):
            self._give_up(publication)
            publication = None
        if publication is None:
            return self._begin(publication_id, draft(), custodian)
        return publication, None

    def take_up(
        self, publication: Publication, custodian: Actor, progress: Progress
    ) -> tuple[Publication, Readers | None]:
        """Return an interrupted publication, fit to be registered, and whom it was encrypted for, if that was now.

        Where no chain knows of it and others are permitted it now, it is encrypted anew, from what is stored.

        Args:
            publication: what was begun; the caller holds the claim to it.
            custodian: who publishes it.
            progress: told how far it is.

        Raises:
            BlobNotFoundError: what was stored is gone, and given up: it must be published again.
            NotARecipientError: others are permitted it now, and it was encrypted for an earlier key; likewise.
            MedshareError: else as ``store``.
        """
        if not self._pinned(publication):
            self._journal.forget(publication.publication_id)
            cid = str(Cid.of_directory(publication.record_id))
            raise BlobNotFoundError(cid, hint=_GONE)
        if publication.stage is Stage.STORED and not self.still_right(publication, custodian):
            return self._anew(publication, custodian, progress)
        return publication, None

    def still_right(self, publication: Publication, custodian: Actor) -> bool:
        """Whether those have a packet of what is stored whom the patient's grants permit it now, and nobody else.

        Raises:
            StoreError, EnvelopeError, IntegrityError: what is stored is not whole, or not what it should be.
            LedgerError: the chain failed.
        """
        try:
            packets = packets_of(
                _stated(publication),
                custodian=custodian,
                store=self._store,
                auditing=self._auditing,
                standing=self._standing,
            )
        except NotARecipientError:
            return False
        return packets.held == packets.permitted

    def _usable(self, publication: Publication, custodian: Actor) -> bool:
        """Whether to go on with an earlier publication of the same record, rather than begin anew."""
        if publication.stage is Stage.STORED:
            # A collection may have come between storing and pinning: no chain knows of the record then.
            return self._pinned(publication) and self.still_right(publication, custodian)
        entry = registered(self._ledger, publication)
        if entry is None:
            # It may be on its way, or a reorganisation took it back and may bring it in again: a second id would stand
            # beside it.
            return self._pinned(publication)
        return entry.status is not RecordStatus.RETRACTED

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
        draft = Draft.again(stored, supersedes=publication.supersedes)
        return self._begin(publication.publication_id, draft, custodian)

    def _begin(self, publication_id: str, draft: Draft, custodian: Actor) -> tuple[Publication, Readers]:
        record_id, readers = self._sealed(draft, custodian)
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

    def _sealed(self, draft: Draft, custodian: Actor) -> tuple[RecordId, Readers]:
        if custodian.address != draft.patient:  # everybody states his own
            require_accredited(self._ledger, custodian.address)  # (3)
        if draft.supersedes is not None:
            self._check_previous(custodian.address, draft.patient, draft.supersedes)
        own_keys(self._ledger, custodian, draft.patient, self._ledger.chain.head())
        asked: list[Readers] = []

        def recipients(manifest: Manifest) -> list[Recipient]:
            readers = self._standing.readers(custodian, unborn_version(manifest, self._auditing))  # (5)
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

    def _check_previous(self, custodian: Address, patient: Address, previous_id: RecordId) -> None:
        previous = self._ledger.records.record(custodian, previous_id, block=self._ledger.chain.head())
        if previous.status is not RecordStatus.ACTIVE:
            raise RecordNotActiveError(custodian, previous_id, previous.status)
        if previous.patient != patient:
            raise InvalidInputError("the record to supersede is another patient's")

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


def _stated(publication: Publication) -> RecordEntry:
    """Return the entry that a publication is going to have, as far as its manifest is compared with it."""
    return entry_of(publication.record_id, publication.custodian, publication.patient, at=0)
