"""History: everything of one patient that a reader may read, from every custodian, newest first.

    history = session.history.of(patient, reader=doctor, purpose=PurposeOfUse.TREAT)
    for record in history:
        print(record.manifest.clinical_date, record.manifest.category)
    for failure in history.failures:
        ...

The chain is asked once, at one block; then manifests are opened several at a time, and each record comes as soon as
nothing that is still on its way can stand before it. What one custodian's store does wrong hides nothing of others.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Collection, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from medshare.errors import AccessDeniedError, MedshareError
from medshare.model.ids import Address, GrantId, RecordId
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Category, RecordEntry, RecordRef, RecordStatus, days_of
from medshare.ports import Actor
from medshare.services.auditing import Auditing
from medshare.services.progress import Progress, silent
from medshare.services.retrieving import OpenRecord, PendingRecord, Retrieving

WORKERS = 8
"""Records that are opened at once."""
_AHEAD = 4 * WORKERS


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryFailure:
    """Something that may belong to the history and cannot be said: a record, or all that a grant permits."""

    error: MedshareError
    record: RecordRef | None = None
    grant_id: GrantId | None = None


class PatientHistory:
    """The records, to be gone through once; ``failures`` is complete when that is done.

    Attributes:
        failures: what could not be read, and why.
    """

    def __init__(self, records: Generator[OpenRecord, None, None], failures: list[HistoryFailure]) -> None:
        self._records = records
        self.failures = failures

    def __iter__(self) -> Iterator[OpenRecord]:
        return self._records

    def close(self) -> None:
        """Leave it before its end: what is left of it is not opened."""
        self._records.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    categories: frozenset[Category]
    since: date | None
    until: date | None

    def takes(self, record: OpenRecord) -> bool:
        if self.categories and record.manifest.category not in self.categories:
            return False
        days = _days(record)
        return (self.since is None or days.stop > self.since.toordinal()) and (
            self.until is None or days.start < self.until.toordinal()
        )


class History:
    """Puts histories together.

    Args:
        auditing: which records there are.
        retrieving: opens them.
    """

    def __init__(self, *, auditing: Auditing, retrieving: Retrieving) -> None:
        self._auditing = auditing
        self._retrieving = retrieving

    def of(
        self,
        patient: Address,
        *,
        reader: Actor,
        purpose: PurposeOfUse,
        categories: Collection[Category] = (),
        since: date | None = None,
        until: date | None = None,
        every_version: bool = False,
        progress: Progress = silent,
    ) -> PatientHistory:
        """Return what ``reader`` may read of ``patient``, newest first.

        Records are in the order of their clinical dates, then of their registration. A record without a clinical date
        counts as of the day on which it was registered, and none as of a later day than that.

        Args:
            patient: whose history.
            reader: who reads.
            purpose: what for.
            categories: of these only.
            since: what may have happened on this day or later.
            until: what may have happened before this day.
            every_version: earlier versions too; else of each record the newest that he may read, and nothing of a
                record whose newest version was retracted.
            progress: told how many have been opened.

        Raises:
            IntegrityError: the contract and this client disagree.
            LedgerError: the chain failed.
        """
        pending = self._retrieving.pending(patient, reader=reader, purpose=purpose)
        failures = [HistoryFailure(error=error, grant_id=grant_id) for grant_id, error in pending.unreadable]
        each_alone = [[each] for each in pending.records]
        lines = each_alone if every_version else self._lines(patient, pending.records, reader)
        lines.sort(key=lambda line: (line[0].entry.registered_at, line[0].entry.record_id), reverse=True)
        wanted = _Wanted(categories=frozenset(categories), since=since, until=until)
        return PatientHistory(_in_order(lines, wanted, failures, progress), failures)

    def _lines(self, patient: Address, records: Sequence[PendingRecord], reader: Actor) -> list[list[PendingRecord]]:
        """Return the versions of each record, newest first."""
        lineages = self._auditing.lineages(patient)
        newest: dict[RecordRef, RecordEntry] = {}
        for entry in self._auditing.records(patient):
            first = _first(entry.ref, lineages.get(entry.ref, ()))
            if first not in newest or newest[first].version < entry.version:
                newest[first] = entry
        lines: dict[RecordRef, list[PendingRecord]] = {}
        for each in records:
            first = _first(each.entry.ref, each.lineage)
            own = reader.address in (patient, each.entry.custodian)
            if own or first not in newest or newest[first].status is not RecordStatus.RETRACTED:
                lines.setdefault(first, []).append(each)
        return [sorted(line, key=lambda each: each.entry.version, reverse=True) for line in lines.values()]


_Found = tuple[OpenRecord | None, list[HistoryFailure]]
_Key = tuple[int, int, bytes]


def _in_order(
    lines: Sequence[Sequence[PendingRecord]], wanted: _Wanted, failures: list[HistoryFailure], progress: Progress
) -> Generator[OpenRecord, None, None]:
    ready: list[tuple[_Key, OpenRecord]] = []  # a heap, whose least key is of the newest record
    running: deque[Future[_Found]] = deque()
    waiting = iter(lines)
    pool = ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix="medshare-history")
    try:
        for done in range(len(lines)):
            while len(running) < _AHEAD and (line := next(waiting, None)) is not None:
                running.append(pool.submit(_newest_readable, line))
            found, failed = running.popleft().result()
            failures += failed
            progress("opening", done + 1, len(lines))
            if found is not None and wanted.takes(found):
                heapq.heappush(ready, (_key(found), found))
            # What is still to come was registered before this, and so stands behind what is newer than that.
            bound = _bound(lines[done + 1][0].entry) if done + 1 < len(lines) else None
            while ready and (bound is None or ready[0][0] < bound):
                yield heapq.heappop(ready)[1]
    finally:
        pool.shutdown(cancel_futures=True)


def _newest_readable(line: Sequence[PendingRecord]) -> _Found:
    failures: list[HistoryFailure] = []
    for each in line:
        try:
            return each.open(), failures
        except MedshareError as error:
            # Where the manifest decides, to be refused it, or not to have its key, is an answer.
            if not (each.undecided and isinstance(error, AccessDeniedError)):
                failures.append(HistoryFailure(error=error, record=each.entry.ref))
    return None, failures


def _first(record: RecordRef, lineage: Sequence[RecordId]) -> RecordRef:
    return replace(record, record_id=lineage[-1]) if lineage else record


def _days(record: OpenRecord) -> range:
    said = record.manifest.clinical_date
    if said is not None:
        return days_of(said)
    day = _day(record.entry)
    return range(day, day + 1)


def _key(record: OpenRecord) -> _Key:
    day = min(_days(record)[-1], _day(record.entry))
    return -day, -record.entry.registered_at, record.entry.record_id


def _bound(entry: RecordEntry) -> _Key:
    return -_day(entry), -entry.registered_at, b""


def _day(entry: RecordEntry) -> int:
    return datetime.fromtimestamp(entry.registered_at, UTC).toordinal()
