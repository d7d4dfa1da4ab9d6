"""Finding: what custodians have published in batches, for who may know of it.

Nothing on chain says of whom a batch is. So each batch is looked at, once for each key: of its catalogue one fetches
the list of files, the head, and a bucket. A grantee is shown by his bundles what they give him the keys of, and so is a
clinician by what was released to him.

What is found counts where it leads to a root that its custodian has anchored; the book keeps it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from medshare.errors import BlobNotFoundError, EnvelopeError, IntegrityError, MedshareError, StoreError
from medshare.hashing import tagged_sha256
from medshare.model.events import AccessDelivered, BatchAnchored
from medshare.model.ids import Address, BundleId
from medshare.ports import Actor, BlobStore
from medshare.services.auditing import Auditing
from medshare.services.batch_book import BatchBook
from medshare.services.batch_catalogue import custodians_batch, parts_for
from medshare.services.bundles import open_shown
from medshare.services.progress import Progress, silent

_log = logging.getLogger(__name__)

_KEY = "medshare/looked/1"
_FOR_EVER = (EnvelopeError, IntegrityError)
"""What stays as it is, however often one looks: a CID leads to the same bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """A catalogue or bundle that may tell of records."""

    key: bytes
    """By which it is remembered: of a batch not its catalogue alone, which another custodian can name as his."""
    digest: bytes
    """Of its CID."""
    custodian: Address | None
    """Whose batch it is of; None of a bundle, which anybody can name."""
    look: Callable[[], int]
    """Looks through it; returns how many records are new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A catalogue or bundle that could not be looked through, and why."""

    source: bytes
    """The digest of its CID."""
    custodian: Address | None
    """Whose batch it is of; None of a bundle."""
    error: MedshareError


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What looking brought."""

    records: int
    """That were not known before."""
    looked: int
    """Catalogues and bundles that were looked through; others were before."""
    unread: tuple[Unread, ...]
    passed_over: int
    """Catalogues that could not be fetched before, and were not tried again."""


class Finding:
    """Finds records of batches, as a patient, a reader or a custodian.

    Args:
        store: where catalogues and bundles are; not trusted.
        auditing: which batches, grants and emergencies there are.
        book: keeps what is found.
    """

    def __init__(self, *, store: BlobStore, auditing: Auditing, book: BatchBook) -> None:
        self._store = store
        self._auditing = auditing
        self._book = book

    def find(
        self, actor: Actor, *, custodian: Address | None = None, again: bool = True, progress: Progress = silent
    ) -> Found:
        """Look through what was not looked through with this key before; what is found, is durable at once.

        Args:
            actor: who looks; a custodian gets back the whole of his own batches.
            custodian: look at the batches of this one only; default: of all.
            again: try again what could not be fetched before. Anybody can grant a bundle that is nowhere: who finds by
                the way should not wait for it each time.
            progress: told how far it is.

        Raises:
            LedgerError: the chain cannot be read.
        """
        reader = actor.identity.recipient
        before = self._book.looked(reader)
        sources = {each.key: each for each in (*self._batches(actor, custodian), *self._bundles(actor))}
        missed = [each for each in sources.values() if before.get(each.key) is False]
        waiting = [each for each in sources.values() if each.key not in before or (again and not before[each.key])]
        records, unread = 0, []
        done: dict[bytes, bool] = {}
        try:
            for number, source in enumerate(waiting):
                progress("looking", number, len(waiting))
                try:
                    records += source.look()
                    done[source.key] = True
                except (StoreError, *_FOR_EVER) as error:
                    _log.debug("%s was not looked through: %s", source.digest.hex(), type(error).__name__)
                    unread.append(Unread(source=source.digest, custodian=source.custodian, error=error))
                    done[source.key] = isinstance(error, _FOR_EVER)
        finally:
            # In one transaction, since each waits for the disk. Whatever came between: these were looked at.
            news = {key: value for key, value in done.items() if before.get(key) is not value}
            if news:
                self._book.note_looked(reader, news)
        return Found(
            records=records,
            looked=len(done) - len(unread),
            unread=tuple(unread),
            passed_over=0 if again else sum(each.custodian is not None for each in missed),
        )

    def _batches(self, actor: Actor, custodian: Address | None) -> Iterator[_Source]:
        for event in self._auditing.batches(custodian):
            own = event.custodian == actor.address
            look = self._own(event, actor) if own else self._told(event, actor)
            key = tagged_sha256(_KEY, bytes.fromhex(event.custodian[2:]), event.root, event.catalogue)
            yield _Source(key=key, digest=event.catalogue, custodian=event.custodian, look=look)

    def _bundles(self, actor: Actor) -> Iterator[_Source]:
        granted = {each.bundle: None for each in self._auditing.grants(grantee=actor.address) if each.live}
        for bundle in granted:
            yield self._shown(bundle, actor)
        for delivery in self._auditing.deliveries(actor.address):
            # Where the granted one was closed in, another is delivered in its place.
            if delivery.bundle not in granted:
                yield self._delivered(delivery, actor)
        for emergency in self._auditing.emergencies(clinician=actor.address):
            for release in emergency.released:
                yield self._shown(release.bundle, actor)

    def _told(self, event: BatchAnchored, actor: Actor) -> Callable[[], int]:
        def look() -> int:
            parts = parts_for(self._store, event.catalogue, actor.identity, root=event.root, count=event.count)
            return self._book.add(event.custodian, event.root, parts)

        return look

    def _own(self, event: BatchAnchored, actor: Actor) -> Callable[[], int]:
        def look() -> int:
            if self._book.holds(actor.address, event.root) == event.count:
                return 0
            batch = custodians_batch(self._store, event.catalogue, actor.identity)
            if (batch.root, batch.count) != (event.root, event.count):
                raise IntegrityError("the custodian's file of the catalogue is of another batch")
            return self._book.keep(actor.address, batch)

        return look

    def _delivered(self, delivery: AccessDelivered, actor: Actor) -> _Source:
        shown = self._shown(delivery.bundle, actor)

        def look() -> int:
            try:
                return shown.look()
            except BlobNotFoundError:
                if delivery.bundle not in self._auditing.bundles(delivery.patient):
                    raise
                return 0  # the patient has granted another in its place since, or revoked

        return replace(shown, look=look)

    def _shown(self, bundle: BundleId, actor: Actor) -> _Source:
        def look() -> int:
            return self._book.add_shown(open_shown(self._store, bundle, actor.identity))

        return _Source(key=bundle, digest=bundle, custodian=None, look=look)
