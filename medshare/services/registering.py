"""Registering: what is stored is registered on chain, once.

Step (7) of publishing. Each is noted as given to the chain before it is sent, under an intent that cannot be carried
out twice.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from medshare.content import Cid
from medshare.errors import (
    ConfigurationError,
    EncryptionKeyNotSetError,
    InsufficientFundsError,
    LedgerError,
    LedgerUnavailableError,
    RecordExistsError,
    RecordNotActiveError,
    StoreFullError,
    StoreUnavailableError,
    UnknownRecordError,
    VersionsExhaustedError,
)
from medshare.hashing import sha256
from medshare.model.ids import Address, RecordId
from medshare.model.record import RecordEntry
from medshare.model.record_acts import Supersede
from medshare.ports import Actor, BlobStore, Ledger
from medshare.services.journal import Publication, PublicationJournal, Stage
from medshare.services.progress import Progress
from medshare.services.standing import Withheld

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


class Registering:
    """Registers what is stored, as a custodian.

    Args:
        ledger: the contracts.
        store: where it is pinned.
        journal: what this custodian has begun to publish.
    """

    def __init__(self, *, ledger: Ledger, store: BlobStore, journal: PublicationJournal) -> None:
        self._ledger = ledger
        self._store = store
        self._journal = journal

    def register(self, publication: Publication, custodian: Actor, progress: Progress) -> tuple[RecordEntry, bool]:
        """Register what is stored, or find that it is; return its entry, and whether it was sent now.

        Args:
            publication: what is stored.
            custodian: who publishes it.
            progress: told how far it is.

        Raises:
            RecordExistsError, RecordNotActiveError, VersionsExhaustedError: it can never be registered any more, and
                was given up.
            LedgerError: the chain failed or refused; repeat, nothing is done twice.
        """
        entry = registered(self._ledger, publication)
        sends = entry is None
        if entry is None:
            progress("registering", 0, None)
            self._note_sending(publication)
            self._send(publication, custodian)  # (7)
            head = self._ledger.chain.head()
            entry = self._ledger.records.record(publication.custodian, publication.record_id, block=head)
        self._journal.write(replace(publication, stage=Stage.REGISTERED))
        return entry, sends

    def supersede_all(self, publications: Sequence[Publication], custodian: Actor) -> set[str]:
        """Supersede several records in one transaction; return the publications that were in it.

        What the chain refuses together, ``register`` tries one by one.

        Raises:
            ConfigurationError, EncryptionKeyNotSetError, InsufficientFundsError, LedgerUnavailableError,
            StoreFullError, StoreUnavailableError: what would stop each further record in the same way.
        """
        waiting = [each for each in publications if registered(self._ledger, each) is None]
        acts = [
            Supersede(record_id=each.record_id, previous_id=each.supersedes)
            for each in waiting
            if each.supersedes is not None
        ]
        if len(acts) <= 1:
            return set()
        for each in waiting:
            self._note_sending(each)
        intent = f"publish/{sha256(b''.join(act.record_id for act in acts)).hex()}/all"
        try:
            self._ledger.records.do_all(custodian.signer, acts, intent=intent)
        except ENDS_ALL:
            raise
        except LedgerError as error:
            _log.debug("%d records were not superseded together: %s", len(acts), type(error).__name__)
        return {each.publication_id for each in waiting}

    def _note_sending(self, publication: Publication) -> None:
        if publication.stage is Stage.STORED:
            self._journal.write(replace(publication, stage=Stage.SENDING))

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
            if registered(self._ledger, publication) is not None:
                return  # the custodian has signed it before, and somebody else has just sent it
            # It can never be registered any more: without this, each resume would fail at it again.
            self._journal.forget(publication.publication_id)
            self._store.unpin(Cid.of_directory(record_id))
            raise


def registered(ledger: Ledger, publication: Publication) -> RecordEntry | None:
    """Return a publication's entry on chain, as its newest block has it; None where there is none.

    Raises:
        LedgerError: the chain failed.
    """
    head = ledger.chain.head()
    try:
        return ledger.records.record(publication.custodian, publication.record_id, block=head)
    except UnknownRecordError:
        return None
