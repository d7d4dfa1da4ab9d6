"""Values on the command line: moments, purposes, ids."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

import click

from medshare.content import Cid, Codec
from medshare.errors import InvalidInputError
from medshare.model.consent import MAX_TIME
from medshare.model.ids import GrantId, RecordId, grant_id, record_id
from medshare.model.purpose import PurposeOfUse

_SPAN = re.compile(r"(\d{1,6})([smhd])")
_HEX = re.compile(r"[0-9a-fA-F]+")
_ID_DIGITS = 64
_GRANT_ID = re.compile(r"(0x)?[0-9a-fA-F]{25,64}")
_RECORD_HINT = "give a record's id or CID, whole, as in: medshare record list --patient WHO"
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class PurposeValue(click.ParamType[PurposeOfUse]):
    """An HL7 purpose of use."""

    name = "purpose"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> PurposeOfUse:  # noqa: ANN401, ARG002 - click's signature
        """Return the purpose; raises ``InvalidInputError``."""
        return PurposeOfUse.parse(value)


class PurposesValue(click.ParamType[tuple[PurposeOfUse, ...]]):
    """HL7 purposes of use, separated by commas."""

    name = "purposes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[PurposeOfUse, ...]:  # noqa: ANN401, ARG002 - click's signature
        """Return the purposes, each once; raises ``InvalidInputError``."""
        return value if isinstance(value, tuple) else tuple(dict.fromkeys(map(PurposeOfUse.parse, value.split(","))))


class RecordIdValue(click.ParamType[RecordId]):
    """A record id, or the CID that says the same."""

    name = "record"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> RecordId:  # noqa: ANN401, ARG002 - click's signature
        """Return the record id; raises ``InvalidInputError``."""
        cid = root_of(value)
        if cid.codec is not Codec.DAG_PB:
            raise InvalidInputError("this is the CID of a part of a record", hint=_RECORD_HINT)
        return RecordId(cid.digest)


class CidValue(click.ParamType[Cid]):
    """A CID, or the id of a record or bundle."""

    name = "cid"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Cid:  # noqa: ANN401, ARG002 - click's signature
        """Return the CID; raises ``InvalidInputError``."""
        return root_of(value)


class GrantIdValue(click.ParamType[GrantId]):
    """A grant id."""

    name = "grant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> GrantId:  # noqa: ANN401, ARG002 - click's signature
        """Return the grant id; raises ``InvalidInputError``."""
        # A cut-off number would be another number, and a patient can revoke ids in advance.
        if not _GRANT_ID.fullmatch(value):
            raise InvalidInputError(
                f"a grant id is 0x and at least 25 hex digits: {value[:80]!r}",
                hint="copy it whole from: medshare access list --patient WHO",
            )
        return grant_id(value)


class DayValue(click.ParamType[date]):
    """A day of the calendar."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:  # noqa: ANN401, ARG002 - click's signature
        """Return the day; raises ``InvalidInputError``."""
        if isinstance(value, date):
            return value
        with suppress(ValueError):
            day = date.fromisoformat(value)
            if day.isoformat() == value:  # week dates and the basic format are ISO 8601, too
                return day
        raise InvalidInputError(f"not a day: {value[:40]!r}", hint="write it YYYY-MM-DD, as 2026-01-31")


def root_of(text: str) -> Cid:
    """Return the CID of a record or bundle, from its CID or its id; raises ``InvalidInputError``."""
    digits = text.removeprefix("0x")
    if _HEX.fullmatch(digits) and len(digits) != _ID_DIGITS:
        raise InvalidInputError(f"a record id has {_ID_DIGITS} hex digits, this has {len(digits)}", hint=_RECORD_HINT)
    try:
        # A record id may begin with "b", too: one in sixteen does.
        if text.startswith("b") and not _HEX.fullmatch(text):
            return Cid.parse(text)
        return Cid.of_directory(record_id(text))
    except InvalidInputError as error:
        error.hint = error.hint or _RECORD_HINT
        raise


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
