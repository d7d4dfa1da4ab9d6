"""Restoring: a custodian who has lost his journal learns from chain and store what he has published.

    restored = restoring.restore(hospital)

His batches are looked for first: nothing on chain says what is in them. The journal says by which text a record is
known, and no text is in what is public: so each record of his own is opened and read once, with his key. What is done,
is done: repeated, it goes on. From then on the same record given again is published already, by itself or in a load.

Of a record that was encrypted anew the newest version counts, also where it was retracted: given again, it is published
anew, as from a home that lost nothing. What the journal knows already is never written over.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from medshare.errors import MedshareError, StoreFullError, StoreUnavailableError
from medshare.model.ids import RecordId
from medshare.model.record import RecordEntry, RecordStatus
from medshare.ports import Actor, BlobStore
from medshare.services.auditing import Auditing
from medshare.services.description import description_of, publication_of
from medshare.services.finding import Finding, Unread
from medshare.services.journal import Publication, PublicationJournal, Stage
from medshare.services.progress import Progress, silent
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
    batches: tuple[Unread, ...]
    """Catalogues of his own that are gone, or false: of their records nothing is known."""


class Restoring:
    """Writes a custodian's journal anew.

    Args:
        journal: what this custodian has published, as far as it is known here.
        store: where records are; not trusted.
        auditing: which records there are. Those of batches are told once they are found.
        finding: finds them.
    """

    def __init__(self, *, journal: PublicationJournal, store: BlobStore, auditing: Auditing, finding: Finding) -> None:
        self._journal = journal
        self._store = store
        self._auditing = auditing
        self._finding = finding

    def restore(self, custodian: Actor, *, progress: Progress = silent) -> Restored:
        """Read every record of one's own that the journal does not know, and note it there.

        Args:
            custodian: who has published them.
            progress: told how far it is.

        Raises:
            StoreUnavailableError, StoreFullError, LedgerError: store, disk or chain failed; repeat, it goes on.
        """
        batches = self._batches_gone(custodian, progress)
        waiting = self._waiting(custodian)
        records, unread = 0, []
        for number, (entry, lineage) in enumerate(waiting):
            progress("reading", number, len(waiting))
            try:
                records += self._restore(entry, lineage, custodian)
            except (StoreUnavailableError, StoreFullError):
                raise
            except MedshareError as error:
                unread.append(Unrestored(record_id=entry.record_id, error=error))
        self._journal.know(custodian.address)
        _log.debug("restored %d records", records)
        return Restored(records=records, unread=tuple(unread), batches=batches)

    def _batches_gone(self, custodian: Actor, progress: Progress) -> tuple[Unread, ...]:
        """Look for one's own batches; return those that cannot be read, however often one tries."""
        found = self._finding.find(custodian, custodian=custodian.address, progress=progress)
        own = [each for each in found.unread if each.custodian == custodian.address]
        for each in own:
            if isinstance(each.error, StoreUnavailableError):
                raise each.error
        return tuple(own)

    def _waiting(self, custodian: Actor) -> list[tuple[RecordEntry, Sequence[RecordId]]]:
        """Return what is to be read: neither known, nor the same text as a later version that is."""
        own, known = list(self._own(custodian)), self._journal.record_ids(custodian.address)
        settled = set(known)
        for entry, lineage in own:
            if entry.record_id in known:
                settled.update(lineage[: known[entry.record_id] - 1])
        return [each for each in own if each[0].record_id not in settled]

    def _own(self, custodian: Actor) -> Iterator[tuple[RecordEntry, Sequence[RecordId]]]:
        """Yield one's own records, earlier versions first; each with these, newest first.

        What was erased is left alone, and so is what was retracted, unless it has other versions: whether those count
        hangs on it. The same text may have been published anew after it was retracted: what stands comes first.
        """
        for patient in self._auditing.patients_of(custodian.address):
            lineages, erasures = self._auditing.lineages(patient), self._auditing.erasures(patient)
            own = [each for each in self._auditing.records(patient) if each.custodian == custodian.address]
            histories: dict[RecordId, list[tuple[RecordEntry, Sequence[RecordId]]]] = {}
            for entry, lineage in sorted(((each, lineages.get(each.ref, ())) for each in own), key=_age):
                histories.setdefault((entry.record_id, *lineage)[-1], []).append((entry, lineage))
            for versions in sorted(histories.values(), key=_retracted):
                if len(versions) > 1 or not _retracted(versions):
                    yield from (version for version in versions if version[0].ref not in erasures)

    def _restore(self, entry: RecordEntry, lineage: Sequence[RecordId], custodian: Actor) -> bool:
        """Note a record in the journal; return whether it was not known."""
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
        news = self._journal.find(found.publication_id) is None
        for earlier in (None, *lineage) if previous is not None else ():
            before = self._journal.find(publication(earlier))
            if before is not None and before.record_id == previous:
                # The same text and description: encrypted anew. First, since what is noted is not read again.
                self._journal.resealed(found)
                break
        if news:
            self._journal.write(found)
        return news


def _age(version: tuple[RecordEntry, Sequence[RecordId]]) -> int:
    return len(version[1])


def _retracted(versions: Sequence[tuple[RecordEntry, Sequence[RecordId]]]) -> bool:
    return versions[-1][0].status is RecordStatus.RETRACTED
