"""Restoring: a custodian who has lost his journal learns from chain and store what he has published.

    restored = restoring.restore(hospital)

The journal says by which text a record is known, and no text is in what is public: so each record of his own is opened
and read once, with his key. What is done, is done: repeated, it goes on. From then on the same record given again is
published already, by itself or in a load.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from medshare.errors import MedshareError, StoreFullError, StoreUnavailableError
from medshare.model.ids import RecordId
from medshare.model.record import RecordEntry, RecordRef, RecordStatus
from medshare.ports import Actor, BlobStore
from medshare.services.auditing import Auditing
from medshare.services.journal import Publication, PublicationJournal, Stage
from medshare.services.progress import Progress, silent
from medshare.services.publishing import description_of, publication_of
from medshare.services.stored_version import StoredVersion

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unrestored:
    """A record that could not be read, and why: given again, it would be published anew."""

    record_id: RecordId
    error: MedshareError


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What restoring brought."""

    records: int
    """That were not known before."""
    unread: tuple[Unrestored, ...]


class Restoring:
    """Writes a custodian's journal anew.

    Args:
        journal: what this custodian has published, as far as it is known here.
        store: where records are; not trusted.
        auditing: which records there are. Those of batches are told once they are found.
    """

    def __init__(self, *, journal: PublicationJournal, store: BlobStore, auditing: Auditing) -> None:
        self._journal = journal
        self._store = store
        self._auditing = auditing

    def restore(self, custodian: Actor, *, progress: Progress = silent) -> Restored:
        """Read every record of one's own that the journal does not know, and note it there.

        Args:
            custodian: who has published them.
            progress: told how far it is.

        Raises:
            StoreUnavailableError, StoreFullError, LedgerError: store, disk or chain failed; repeat, it goes on.
        """
        known = self._journal.record_ids(custodian.address)
        waiting = [each for each in self._own(custodian) if each[0].record_id not in known]
        records, unread = 0, []
        for number, (entry, lineage) in enumerate(waiting):
            progress("reading", number, len(waiting))
            try:
                self._restore(entry, lineage, custodian)
            except (StoreUnavailableError, StoreFullError):
                raise
            except MedshareError as error:
                unread.append(Unrestored(record_id=entry.record_id, error=error))
            else:
                records += 1
        self._journal.know(custodian.address)
        _log.debug("restored %d records", records)
        return Restored(records=records, unread=tuple(unread))

    def _own(self, custodian: Actor) -> Iterator[tuple[RecordEntry, Sequence[RecordId]]]:
        """Yield one's own records, but for those that were retracted, earlier versions first; each with these."""
        for patient in self._auditing.patients_of(custodian.address):
            lineages: Mapping[RecordRef, Sequence[RecordId]] = self._auditing.lineages(patient)
            own = [each for each in self._auditing.records(patient) if each.custodian == custodian.address]
            versions = ((each, lineages.get(each.ref, ())) for each in own if each.status is not RecordStatus.RETRACTED)
            yield from sorted(versions, key=lambda version: len(version[1]))

    def _restore(self, entry: RecordEntry, lineage: Sequence[RecordId], custodian: Actor) -> None:
        stored = StoredVersion.open(self._store, entry, custodian.identity, progress=silent)
        for _ in stored.chunks():
            pass  # for the digest of the whole

        def publication(supersedes: RecordId | None) -> str:
            described = description_of(stored.manifest)
            return publication_of(
                self._journal, stored, custodian.address, entry.patient, described, supersedes=supersedes
            )

        previous = stored.manifest.supersedes
        found = Publication(
            publication_id=publication(previous),
            stage=Stage.REGISTERED,
            record_id=entry.record_id,
            custodian=custodian.address,
            patient=entry.patient,
            supersedes=previous,
        )
        self._journal.write(found)
        for earlier in (None, *lineage):
            before = self._journal.find(publication(earlier))
            if previous is not None and before is not None and before.record_id == previous:
                self._journal.resealed(found)  # the same text and description: encrypted anew
                return
