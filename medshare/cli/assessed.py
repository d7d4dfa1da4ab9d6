"""Which records are to be attested in one batch: named one by one, or in a CSV file, with scores or without."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medshare.cli.values import RecordIdValue
from medshare.errors import InvalidInputError
from medshare.model.attestation import BEST_SCORE, FIRST_OWN_METHOD, MAX_BATCH, MAX_METHOD
from medshare.model.ids import RecordId

MAX_LIST_SIZE = 16 << 20
_COLUMNS = (["record"], ["record", "score", "method"])
_MAX_DIGITS = 9
_HINT = "its first line is: record, or: record,score,method"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """The records of a batch."""

    records: tuple[RecordId, ...]
    scores: dict[RecordId, int] | None = None
    """By an assessor's own method; None where they are to be computed."""
    method: int | None = None


def read_list(sources: Sequence[str]) -> Listed:
    """Return what is to be attested.

    Args:
        sources: a CSV file, or records.

    Raises:
        InvalidInputError: the file cannot be read, a line of it is wrong, or a record is there twice.
    """
    if len(sources) == 1 and sources[0].lower().endswith(".csv"):
        return _read_csv(Path(sources[0]))
    return Listed(records=_once([_record(each) for each in sources]))


def _read_csv(path: Path) -> Listed:
    header, *rows = _lines(path)
    if header not in _COLUMNS:
        raise InvalidInputError("the file has other columns than it should", hint=_HINT)
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise InvalidInputError(f"line {number} has {len(row)} fields, not {len(header)}", hint=_HINT)
    records = _once([_record(row[0]) for row in rows])
    if len(header) == 1:
        return Listed(records=records)
    methods = {_number(row[2], FIRST_OWN_METHOD, MAX_METHOD, "method") for row in rows}
    if len(methods) != 1:
        raise InvalidInputError("a batch has one method", hint="divide the file: one for each method")
    scores = {record: _number(row[1], 0, BEST_SCORE, "score") for record, row in zip(records, rows, strict=True)}
    return Listed(records=records, scores=scores, method=methods.pop())


def _lines(path: Path) -> list[list[str]]:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_LIST_SIZE + 1)
        lines = [row for row in csv.reader(content.decode("utf-8-sig").splitlines(), strict=True) if row]
    except OSError as error:
        raise InvalidInputError("the file of records cannot be read", hint="check its path") from error
    except (UnicodeError, csv.Error) as error:
        raise InvalidInputError("the file of records is not CSV in UTF-8", hint=_HINT) from error
    if len(content) > MAX_LIST_SIZE or not 1 < len(lines) <= MAX_BATCH + 1:
        raise InvalidInputError(f"the file holds from 1 to {MAX_BATCH} records", hint=_HINT)
    return [[field.strip() for field in row] for row in lines]


def _record(text: str) -> RecordId:
    return RecordIdValue().convert(text, None, None)


def _once(records: list[RecordId]) -> tuple[RecordId, ...]:
    if len(set(records)) != len(records):
        raise InvalidInputError("a record is there twice")
    return tuple(records)


def _number(text: str, low: int, high: int, what: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > _MAX_DIGITS or not low <= int(text) <= high:
        raise InvalidInputError(f"a {what} is a number from {low} to {high}", hint=_HINT)
    return int(text)
