"""Values on the command line: moments, purposes, ids."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import click

from medshare.errors import InvalidInputError
from medshare.model.consent import MAX_TIME
from medshare.model.ids import GrantId, RecordId, grant_id, record_id
from medshare.model.purpose import Purpose

_SPAN = re.compile(r"(\d{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class PurposeValue(click.ParamType[Purpose]):
    """HL7 purposes of use, separated by commas."""

    name = "purpose"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Purpose:  # noqa: ANN401, ARG002 - click's signature
        """Return the purposes; raises ``InvalidInputError``."""
        return value if isinstance(value, Purpose) else Purpose.parse(value)


class RecordIdValue(click.ParamType[RecordId]):
    """A record id."""

    name = "record"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> RecordId:  # noqa: ANN401, ARG002 - click's signature
        """Return the record id; raises ``InvalidInputError``."""
        return record_id(value)


class GrantIdValue(click.ParamType[GrantId]):
    """A grant id."""

    name = "grant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> GrantId:  # noqa: ANN401, ARG002 - click's signature
        """Return the grant id; raises ``InvalidInputError``."""
        return grant_id(value)


def parse_span(text: str) -> int:
    """Return the seconds of a span such as 30d, 12h, 90m or 10s; raises ``InvalidInputError``."""
    span = _SPAN.fullmatch(text)
    if span is None:
        raise InvalidInputError(f"not a span of time: {text[:40]!r}", hint="write 30d, 12h, 90m or 10s")
    return int(span[1]) * _SECONDS[span[2]]


def parse_moment(text: str, now: int) -> int:
    """Return Unix seconds for a span from now (30d, 12h, 90m, 10s) or a date and time in ISO 8601 (UTC if it says not).

    Raises:
        InvalidInputError: neither of the two, or not a time that the chain can count.
    """
    if _SPAN.fullmatch(text):
        return _countable(now + parse_span(text))
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInputError(
            f"not a moment: {text[:40]!r}", hint="write 30d, 12h, 90m, 10s, 2027-01-31 or 2027-01-31T12:00:00Z"
        ) from error
    return _countable(int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()))


def _countable(at: int) -> int:
    if not 0 < at <= MAX_TIME:
        raise InvalidInputError("that moment lies outside of what the chain can count: 1970 to 2106-02-07")
    return at
