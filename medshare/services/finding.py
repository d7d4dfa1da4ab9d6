"""Finding: what custodians have published in batches, for who may know of it.

Nothing on chain says of whom a batch is. So each batch is looked at, once for each key: of its catalogue one fetches
the list of files, the head, and a bucket. A grantee is shown by his bundles what they give him the keys of, and so is a
clinician by what was released to him.

What is found counts where it leads to a root that its custodian has anchored; the book keeps it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from medshare.errors import EnvelopeError, IntegrityError, MedshareError, StoreError
from medshare.model.events import BatchAnchored
from medshare.model.ids import Address, BundleId
from medshare.ports import Actor, BlobStore
from medshare.services.auditing import Auditing
from medshare.services.batch_book import BatchBook
from medshare.services.batch_catalogue import custodians_batch, parts_for
from medshare.services.bundles import open_shown
from medshare.services.progress import Progress, silent

_log = logging.getLogger(__name__)

_FOR_EVER = (EnvelopeError, IntegrityError)
"""What stays as it is, however often one looks: a CID leads to the same bytes."""

_Look: TypeAlias = Callable[[], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A catalogue or bundle that could not be looked through, and why."""

    source: bytes
    """The digest of its CID."""
    error: MedshareError


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What looking brought."""

    records: int
    """That were not known before."""
    looked: int
    """Catalogues and bundles that were looked through; others were before."""
    unread: tuple[Unread, ...]
    """Looked through again the next time, but for those that can never be read."""


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

    def find(self, actor: Actor, *, custodian: Address | None = None, progress: Progress = silent) -> Found:
        """Look through what was not looked through with this key before; what is found, is durable at once.

        Args:
            actor: who looks; a custodian gets back the whole of his own batches.
            custodian: look at the batches of this one only; default: of all.
            progress: told how far it is.

        Raises:
            LedgerError: the chain cannot be read.
        """
        key = actor.identity.recipient
        waiting = {
            source: look
            for source, look in (*self._batches(actor, custodian), *self._bundles(actor))
            if not self._book.has_looked(key, source)
        }
        records, looked, unread = 0, 0, []
        for done, (source, look) in enumerate(waiting.items()):
            progress("looking", done, len(waiting))
            try:
                records += look()
                looked += 1
            except (StoreError, *_FOR_EVER) as error:
                _log.debug("%s was not looked through: %s", source.hex(), type(error).__name__)
                unread.append(Unread(source=source, error=error))
                if not isinstance(error, _FOR_EVER):
                    continue
            self._book.note_looked(key, source)
        return Found(records=records, looked=looked, unread=tuple(unread))

    def _batches(self, actor: Actor, custodian: Address | None) -> Iterator[tuple[bytes, _Look]]:
        for event in self._auditing.batches(custodian):
            own = event.custodian == actor.address
            yield event.catalogue, self._own(event, actor) if own else self._told(event, actor)

    def _bundles(self, actor: Actor) -> Iterator[tuple[bytes, _Look]]:
        for standing in self._auditing.grants(grantee=actor.address):
            if standing.live:
                yield standing.bundle, self._shown(standing.bundle, actor)
        for emergency in self._auditing.emergencies(clinician=actor.address):
            for release in emergency.released:
                yield release.bundle, self._shown(release.bundle, actor)

    def _told(self, event: BatchAnchored, actor: Actor) -> _Look:
        def look() -> int:
            parts = parts_for(self._store, event.catalogue, event.count, actor.identity)
            return self._book.add(event.custodian, event.root, parts)

        return look

    def _own(self, event: BatchAnchored, actor: Actor) -> _Look:
        def look() -> int:
            if self._book.holds(actor.address, event.root) == event.count:
                return 0
            batch = custodians_batch(self._store, event.catalogue, actor.identity)
            if (batch.root, batch.count) != (event.root, event.count):
                raise IntegrityError("the custodian's file of the catalogue is of another batch")
            return self._book.keep(actor.address, batch)

        return look

    def _shown(self, bundle: BundleId, actor: Actor) -> _Look:
        return lambda: self._book.add_shown(open_shown(self._store, bundle, actor.identity))
