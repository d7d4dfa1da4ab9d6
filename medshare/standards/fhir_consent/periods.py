"""Times, as FHIR writes them: a period's end is included, ours is the first second or day that is not.

A date without a time of day is a whole day of UTC, a month or a year all of its days.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from medshare.errors import InvalidInputError
from medshare.model.grant import MAX_TIME
from medshare.model.record import days_of
from medshare.standards.fhir_consent.elements import Element

_INSTANT = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})", re.ASCII)


def instant(at: int) -> str:
    """Return Unix seconds as FHIR writes an instant."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def span(begin: int, end: int) -> dict[str, str]:
    """Return a Period of time from ``begin`` on and before ``end``, Unix seconds."""
    return {"start": instant(begin), "end": instant(end - 1)}


def days(since: date | None, until: date | None) -> dict[str, str]:
    """Return a Period of days from ``since`` on and before ``until``; raises ``InvalidInputError``."""
    said = {}
    if since is not None:
        said["start"] = since.isoformat()
    if until is not None:
        if until == date.min:
            raise InvalidInputError("nothing happened before the calendar's first day")
        said["end"] = (until - timedelta(days=1)).isoformat()
    return said


def read_span(period: Element | None) -> tuple[int | None, int | None]:
    """Return the first second of a period and the first after it; None where it does not say.

    Raises:
        NotExpressibleError: not as FHIR writes times, or beyond what the chain can count.
    """
    if period is None:
        return None, None
    start, end = period.text("start"), period.text("end")
    period.end()
    if start is None and end is None:
        period.refuse("says nothing")
    begin = None if start is None else _seconds(period, "start", start)[0]
    return begin, None if end is None else _seconds(period, "end", end)[1]


def read_instant(element: Element, name: str) -> int:
    """Return an instant of whole seconds as Unix seconds; raises ``NotExpressibleError``."""
    text = element.text(name)
    if text is None or not _INSTANT.fullmatch(text) or "." in text:
        element.refuse("must be an instant, in whole seconds", name)
    return _seconds(element, name, text)[0]


def read_days(period: Element) -> tuple[date | None, date | None]:
    """Return the first day of a period and the first after it; None where it does not say.

    Raises:
        NotExpressibleError: with a time of day, not as FHIR writes dates, or with nothing in it.
    """
    start, end = period.text("start"), period.text("end")
    period.end()
    try:
        since = None if start is None else date.fromordinal(days_of(start).start)
        until = None if end is None else date.fromordinal(days_of(end).stop)
    except (InvalidInputError, ValueError, OverflowError):
        period.refuse("medshare counts whole days of the calendar, written YYYY, YYYY-MM or YYYY-MM-DD")
    if (since is None and until is None) or (since is not None and until is not None and since >= until):
        period.refuse("has no day in it")
    return since, until


def _seconds(element: Element, name: str, text: str) -> tuple[int, int]:
    """Return the first whole second of a time and the first after it."""
    try:
        if moment := _INSTANT.fullmatch(text):
            second = int(datetime.fromisoformat(moment[1] + moment[3]).timestamp())
            first, after = second + (moment[2] is not None), second + 1
        else:
            spanned = days_of(text)
            begin, stop = date.fromordinal(spanned.start), date.fromordinal(spanned.stop)
            first, after = (_midnight(day) for day in (begin, stop))
    except (InvalidInputError, ValueError, OverflowError):
        element.refuse("is no time as FHIR writes it", name)
    if not 0 <= first <= MAX_TIME or not 0 < after <= MAX_TIME:
        element.refuse("lies outside of what the chain can count: 1970 to 2106-02-07", name)
    return first, after


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
