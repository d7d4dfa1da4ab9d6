"""Resealing: a custodian publishes a record of his own again: same text and description, under a fresh key.

So is what was given to the chain before a crash, and is for others than it should be by the time it is registered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from medshare.content import Cid
from medshare.errors import MedshareError
from medshare.model.record import RecordEntry, RecordStatus
from medshare.ports import Actor, BlobStore
from medshare.services.journal import Publication, PublicationJournal, Stage
from medshare.services.progress import Progress, silent
from medshare.services.registering import ENDS_ALL, Published, Registering
from medshare.services.standing import Readers
from medshare.services.stored_version import StoredVersion
from medshare.services.storing import Draft, Storing


class Resealing:
    """Publishes records again, as their custodian.

    Args:
        store: where they are; not trusted.
        journal: what this custodian has begun to publish.
        storing: stores the new versions.
        registering: registers them.
    """

    def __init__(
        self, *, store: BlobStore, journal: PublicationJournal, storing: Storing, registering: Registering
    ) -> None:
        self._store = store
        self._journal = journal
        self._storing = storing
        self._registering = registering

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
        publication_id = self._publication_of(previous, custodian)
        with self._journal.claimed(publication_id):
            publication, readers = self._storing.store(
                publication_id, self._draft(previous, custodian, progress), custodian
            )
            published = self.finish(publication, readers, custodian, progress)
        self._note(previous, published, custodian)
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
                publication_id = self._publication_of(previous, custodian)
                draft = self._draft(previous, custodian, progress_of(previous))
                with _kept(failed, previous):
                    claims.enter_context(self._journal.claimed(publication_id))
                    begun[previous] = self._storing.store(publication_id, draft, custodian)
            sent = self._registering.supersede_all([publication for publication, _ in begun.values()], custodian)
            published: dict[RecordEntry, Published] = {}
            for previous, (publication, readers) in begun.items():
                with _kept(failed, previous):
                    # What was refused among the others is tried by itself, and says why.
                    news = publication.publication_id in sent
                    done = self.finish(publication, readers, custodian, progress_of(previous), news=news)
                    self._note(previous, done, custodian)
                    published[previous] = done
        return [published[each] if each in published else failed[each] for each in entries]

    def finish(
        self,
        publication: Publication,
        readers: Readers | None,
        custodian: Actor,
        progress: Progress,
        *,
        news: bool = False,
    ) -> Published:
        """Register what is stored, or find that it is; reseal it where it was in doubt, and is for others by now.

        Args:
            publication: what is stored; the caller holds the claim to it.
            readers: those it was encrypted for, if that was now.
            custodian: who publishes.
            progress: told how far it is.
            news: whether it was sent just now, with others.

        Raises:
            MedshareError: as ``Registering.register`` and ``reseal``.
        """
        in_doubt = publication.stage is Stage.SENDING
        entry, sent = self._registering.register(publication, custodian, progress)
        if in_doubt and entry.status is RecordStatus.ACTIVE and not self._storing.still_right(publication, custodian):
            return self.reseal(entry, custodian=custodian, progress=progress)
        return Published(
            entry=entry,
            cid=Cid.of_directory(publication.record_id),
            already=not (sent or news),
            readers=tuple(readers.admitted) if readers is not None else (),
            withheld=readers.withheld if readers is not None else (),
        )

    def _publication_of(self, previous: RecordEntry, custodian: Actor) -> str:
        return self._journal.publication_id(b"reseal", custodian.address.encode(), previous.record_id)

    def _draft(self, previous: RecordEntry, custodian: Actor, progress: Progress) -> Callable[[], Draft]:
        def draft() -> Draft:
            stored = StoredVersion.open(self._store, previous, custodian.identity, progress=progress)
            return Draft.again(stored, supersedes=previous.record_id)

        return draft

    def _note(self, previous: RecordEntry, published: Published, custodian: Actor) -> None:
        self._journal.resealed(
            Publication(
                publication_id=self._publication_of(previous, custodian),
                stage=Stage.REGISTERED,
                record_id=published.record_id,
                custodian=previous.custodian,
                patient=previous.patient,
                supersedes=previous.record_id,
            )
        )


@contextmanager
def _kept(failed: dict[RecordEntry, MedshareError], previous: RecordEntry) -> Iterator[None]:
    """Let what fails keep no other record back."""
    try:
        yield
    except ENDS_ALL:
        raise
    except MedshareError as error:
        failed[previous] = error
