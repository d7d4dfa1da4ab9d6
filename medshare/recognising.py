"""Recognising: before an examination is ordered, whether a result that may stand in its place is there already.

    found = session.recognising.look(
        patient, Wanted(codes=frozenset({Code.parse("718-7")}), within=90 * DAY), reader=doctor, purpose=TREAT
    )
    if found.answer is Answer.EXISTS:
        found.newest.record.save(Path("haemoglobin"))

There are three answers. What cannot be decided, since it cannot be read, is not coded or says no day, is never a "no":
where nothing is found and something is undecided, the answer is that it is unknown. What the reader has no right to is
not looked at, and counted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from medshare.errors import AccessDeniedError, InvalidInputError, MedshareError
from medshare.model.attestation import check_score
from medshare.model.ids import Address
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Category, RecordRef, RecordStatus, days_of
from medshare.ports import Actor, Clock
from medshare.services.assessing import Assessing
from medshare.services.auditing import Auditing
from medshare.services.history import History, HistoryFailure
from medshare.services.progress import Progress, silent
from medshare.services.retrieving import OpenRecord, Retrieving
from medshare.standards import dicom
from medshare.standards.examinations import MAX_EXAMINED, Code, Examination, examinations
from medshare.standards.quality import score

CATEGORIES = frozenset(
    {
        Category.DISCHARGE_REPORT,
        Category.DOCUMENT,
        Category.IMAGING,
        Category.LABORATORY,
        Category.OBSERVATION,
        Category.OTHER,
        Category.PATIENT_SUMMARY,
        Category.PROCEDURE,
    }
)
"""Of which records are looked at: those that may tell an examination."""
# Types that tell of one day only: the manifest has it.
_OF_ONE_DAY = frozenset({"ImagingStudy", "Observation", "Procedure"})
# Somewhere it is tomorrow already, or still yesterday.
_ZONES = 1


class Answer(StrEnum):
    """Whether there is a result that may stand in the place of a new one."""

    EXISTS = "exists"
    NONE = "none"
    UNKNOWN = "unknown"
    """None was found, and something could not be decided."""


class Verdict(StrEnum):
    """What a record that tells the examination, or may tell it, is worth."""

    FITS = "fits"
    TOO_OLD = "too-old"
    NOT_FINAL = "not-final"
    NO_RESULT = "no-result"
    SCORE_TOO_LOW = "score-too-low"
    NOT_ATTESTED = "not-attested"
    RETRACTED = "retracted"
    NOT_COMPARABLE = "not-comparable"
    UNDATED = "undated"
    PERHAPS_TOO_OLD = "perhaps-too-old"
    AHEAD = "ahead"
    RESULT_ELSEWHERE = "result-elsewhere"
    NO_SCORE = "no-score"
    SUPERSEDED = "superseded"

    @property
    def undecided(self) -> bool:
        """Whether it may fit for all that is known."""
        return self in _UNDECIDED

    def explain(self) -> str:
        """Return it in words, after which a record does not count."""
        return _WORDS[self]


_WORDS = {
    Verdict.FITS: "it is there, recent and good enough",
    Verdict.TOO_OLD: "it is too old",
    Verdict.NOT_FINAL: "its status is not that of a finished one",
    Verdict.NO_RESULT: "it has no value",
    Verdict.SCORE_TOO_LOW: "its quality is too low",
    Verdict.NOT_ATTESTED: "no assessor who counts attests that it is good enough",
    Verdict.RETRACTED: "its custodian has withdrawn it",
    Verdict.NOT_COMPARABLE: "it is not coded in a system that is asked for",
    Verdict.UNDATED: "it does not say when it was made",
    Verdict.PERHAPS_TOO_OLD: "it does not say the day, and may be too old",
    Verdict.AHEAD: "its day is still to come",
    Verdict.RESULT_ELSEWHERE: "its values are in another record",
    Verdict.NO_SCORE: "its quality cannot be computed",
    Verdict.SUPERSEDED: "there is a newer version that may not be read",
}
_UNDECIDED = frozenset(
    {
        Verdict.NOT_COMPARABLE,
        Verdict.UNDATED,
        Verdict.PERHAPS_TOO_OLD,
        Verdict.AHEAD,
        Verdict.RESULT_ELSEWHERE,
        Verdict.NO_SCORE,
        Verdict.SUPERSEDED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What would do."""

    codes: frozenset[Code]
    """The examination, and what counts as the same."""
    within: int
    """How old it may be, seconds; it counts in whole days."""
    min_score: int | None = None
    """The quality, computed from its bytes, that it must have at least."""
    min_attested: int | None = None
    """The score that assessors who count must attest at least."""
    categories: Collection[Category] = CATEGORIES

    def __post_init__(self) -> None:
        if not self.codes or self.within < 0:
            raise InvalidInputError("a code is needed, and a span of time that is not negative")
        for least in (self.min_score, self.min_attested):
            if least is not None:
                check_score(least)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A record that tells the examination, or may tell it."""

    record: OpenRecord
    verdict: Verdict
    code: Code | None
    """Which of the wanted codes it has; None where it has none that can be compared."""
    when: str | None
    """When the examination was made."""
    score: int | None
    """The quality of the record, where it can be computed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognition:
    """The answer, and how it came about."""

    newest: Seen | None
    """The newest that fits."""
    others: tuple[Seen, ...]
    """What was looked at besides and tells the examination, or may tell it; newest first."""
    failures: tuple[HistoryFailure, ...]
    """What could not be looked at, and may hold it: records and grants, and why."""
    looked_at: int
    """Records that were read."""
    not_permitted: int
    """Current records of the patient, registered in that time, to which the reader has no right; 0 where it exists."""

    @property
    def answer(self) -> Answer:
        """Whether it exists among what the reader may read."""
        if self.newest is not None:
            return Answer.EXISTS
        if self.failures or any(each.verdict.undecided for each in self.others):
            return Answer.UNKNOWN
        return Answer.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    first: int
    """The first day that counts, as an ordinal."""
    last: int

    def judge(self, when: str | None) -> Verdict:
        if when is None:
            return Verdict.UNDATED
        days = days_of(when)
        if days.stop <= self.first:
            return Verdict.TOO_OLD
        if days.start > self.last:
            return Verdict.AHEAD
        return Verdict.FITS if days.start >= self.first else Verdict.PERHAPS_TOO_OLD

    def may_hold(self, registered_at: int) -> bool:
        """Whether what was registered then may tell of a day that counts."""
        return _day(registered_at) + _ZONES >= self.first


@dataclass(slots=True, kw_only=True)
class _Looking:
    """What has been found so far."""

    newest: Seen | None = None
    others: list[Seen] = field(default_factory=list)
    failures: list[HistoryFailure] = field(default_factory=list)
    looked_at: int = 0
    listed: set[RecordRef] = field(default_factory=set)

    def take(self, seen: Seen) -> None:
        """Keep what was seen, and know the newest that fits."""
        if seen.verdict is not Verdict.FITS:
            self.others.append(seen)
        elif self.newest is None:
            self.newest = seen
        else:
            self.newest, older = sorted((self.newest, seen), key=lambda each: -_last_day(each.when))
            self.others.append(older)


class Recognising:
    """Finds results that may stand in the place of new ones.

    Args:
        auditing: which records there are.
        history: opens what a reader may read.
        retrieving: says why he may read nothing.
        assessing: what assessors attest.
        clock: the time on the wall.
    """

    def __init__(
        self, *, auditing: Auditing, history: History, retrieving: Retrieving, assessing: Assessing, clock: Clock
    ) -> None:
        self._auditing = auditing
        self._history = history
        self._retrieving = retrieving
        self._assessing = assessing
        self._clock = clock

    def look(
        self,
        patient: Address,
        wanted: Wanted,
        *,
        reader: Actor,
        purpose: PurposeOfUse,
        progress: Progress = silent,
    ) -> Recognition:
        """Return whether there is such a result of ``patient`` among what ``reader`` may read, newest first.

        No more is read than is needed to find the newest. A record that cannot be opened or read hides no other.

        Args:
            patient: who is to be examined.
            wanted: what would do.
            reader: who would order the examination.
            purpose: what for.
            progress: told how many records have been opened.

        Raises:
            AccessDeniedError: the reader may read nothing of this patient.
            IntegrityError: the contract and this client disagree.
            LedgerError: the chain failed.
        """
        now = self._clock.now()
        window = _Window(first=_day(max(0, now - wanted.within)), last=_day(now) + _ZONES)
        history = self._history.of(patient, reader=reader, purpose=purpose, progress=progress)
        found = _Looking()
        with closing(history):
            for record in history:
                if found.newest is not None and _order(record) <= _last_day(found.newest.when):
                    break
                found.listed.add(record.entry.ref)
                if _is_candidate(record, wanted, window):
                    self._look_at(record, wanted, window, found)
        registered = {entry.ref: entry.registered_at for entry in self._auditing.records(patient)}
        found.failures += (
            each
            for each in history.failures
            if each.record is None or each.record not in registered or window.may_hold(registered[each.record])
        )
        hidden = [] if found.newest is not None else self._not_permitted(patient, found, history.failures)
        if hidden and not found.listed and not history.failures:
            self._refuse(hidden[-1], reader, purpose)
        return Recognition(
            newest=found.newest,
            others=tuple(found.others),
            failures=tuple(found.failures),
            looked_at=found.looked_at,
            not_permitted=sum(window.may_hold(registered[ref]) for ref in hidden),
        )

    def _look_at(self, record: OpenRecord, wanted: Wanted, window: _Window, found: _Looking) -> None:
        found.looked_at += 1
        try:
            document = _read(record)
            told = examinations(document, record.manifest.media_type)
        except MedshareError as error:
            found.failures.append(HistoryFailure(error=error, record=record.entry.ref))
            return
        possible = [(each, _matching(each, wanted.codes)) for each in told if _is_possible(each, wanted.codes)]
        if not possible:
            return
        quality = _score(document, record.manifest.media_type)
        shared = self._of_record(record, wanted, quality)
        judged = [
            Seen(record=record, verdict=_verdict(each, code, window, shared), code=code, when=each.when, score=quality)
            for each, code in possible
        ]
        best = min(judged, key=_preference)
        if best.code is not None or best.verdict.undecided:
            found.take(best)

    def _of_record(self, record: OpenRecord, wanted: Wanted, quality: int | None) -> list[Verdict]:
        """Return what there is to say against all that a record tells."""
        against = []
        if record.entry.status is RecordStatus.RETRACTED:
            against.append(Verdict.RETRACTED)
        if wanted.min_score is not None:
            if quality is None:
                against.append(Verdict.NO_SCORE)
            elif quality < wanted.min_score:
                against.append(Verdict.SCORE_TOO_LOW)
        record_id = record.entry.record_id
        if wanted.min_attested is not None and not self._assessing.at_least(wanted.min_attested, [record_id]):
            against.append(Verdict.NOT_ATTESTED)
        if record.entry.status is RecordStatus.SUPERSEDED:
            # The newer version may be another in everything.
            return [Verdict.SUPERSEDED]
        return against

    def _not_permitted(self, patient: Address, found: _Looking, failures: Iterable[HistoryFailure]) -> list[RecordRef]:
        known = found.listed | {each.record for each in failures}
        return [
            entry.ref
            for entry in self._auditing.records(patient)
            if entry.status is RecordStatus.ACTIVE and entry.ref not in known
        ]

    def _refuse(self, record: RecordRef, reader: Actor, purpose: PurposeOfUse) -> None:
        decision = self._retrieving.preview(record, reader=reader, purpose=purpose)
        if not decision.permitted:
            raise AccessDeniedError(decision)


def _is_candidate(record: OpenRecord, wanted: Wanted, window: _Window) -> bool:
    """Whether a record may hold the examination, by what chain and manifest tell."""
    manifest = record.manifest
    if manifest.category not in wanted.categories or not window.may_hold(record.entry.registered_at):
        return False
    of_one_day = manifest.resource_type in _OF_ONE_DAY or manifest.media_type == dicom.MEDIA_TYPE
    if manifest.clinical_date is None or not of_one_day or "clinical_date" in manifest.overrides:
        return True
    return window.judge(manifest.clinical_date) is not Verdict.TOO_OLD


def _read(record: OpenRecord) -> bytes:
    if record.manifest.size > MAX_EXAMINED:
        raise InvalidInputError(f"the record is larger than {MAX_EXAMINED} bytes", hint="look at it yourself")
    return b"".join(record.stream())


def _is_possible(told: Examination, codes: frozenset[Code]) -> bool:
    """Whether it is the examination, or may be it for all that is said."""
    if told.codes & codes:
        return True
    systems = {code.system for code in codes}
    return not told.composed and not any(code.system in systems for code in told.codes)


def _matching(told: Examination, codes: frozenset[Code]) -> Code | None:
    return min(told.codes & codes, default=None)


def _verdict(told: Examination, code: Code | None, window: _Window, of_record: list[Verdict]) -> Verdict:
    """Return what speaks against it: what is sure before what is not."""
    against = [window.judge(told.when)]
    if Verdict.SUPERSEDED not in of_record:
        if not told.final:
            against.append(Verdict.NOT_FINAL)
        if told.has_result is None:
            against.append(Verdict.RESULT_ELSEWHERE)
        elif not told.has_result:
            against.append(Verdict.NO_RESULT)
    if code is None:
        against.append(Verdict.NOT_COMPARABLE)
    several = [each for each in (*against, *of_record) if each is not Verdict.FITS]
    return min(several, key=lambda each: each.undecided, default=Verdict.FITS)


def _preference(seen: Seen) -> tuple[bool, bool, bool, int]:
    verdict = seen.verdict
    return verdict is not Verdict.FITS, not verdict.undecided, seen.code is None, -_last_day(seen.when)


def _score(document: bytes, media_type: str) -> int | None:
    try:
        return score(document, media_type).score
    except MedshareError:
        return None


def _order(record: OpenRecord) -> int:
    """Return the day by which a record stands in the history."""
    registered = _day(record.entry.registered_at)
    said = record.manifest.clinical_date
    return registered if said is None else min(days_of(said)[-1], registered)


def _last_day(when: str | None) -> int:
    return 0 if when is None else days_of(when)[-1]


def _day(at: int) -> int:
    return datetime.fromtimestamp(at, UTC).toordinal()
