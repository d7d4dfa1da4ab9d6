"""JSON and TOML documents that come from outside: bounded, without duplicate keys, read field by field."""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Any, NoReturn, TypeGuard, TypeVar

from medshare.errors import InvalidInputError
from medshare.model.ids import Address, address, digest32

MAX_DOCUMENT_SIZE = 4 << 20
_MAX_DEPTH = 32
_MAX_DIGITS = 40
_COUNTABLE: int = 10**_MAX_DIGITS
_MAX_TEXT = 4096
_BRACKETS = re.compile(rb"""[\[\]{}]|"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)""", re.DOTALL)
"""Brackets, and whole strings, so that brackets within them are passed over. Possessive: it takes linear time."""
_HALF_A_CHARACTER = re.compile(rb"\\u[dD][89a-fA-F]")
_PLACE = re.compile(r"\(at [^()]*\)\Z")
"""Where TOML is malformed; the rest of the message may quote a value."""

Choice = TypeVar("Choice", bound=StrEnum)


def encode_document(fields: Mapping[str, Any]) -> bytes:
    """Return ``fields`` as UTF-8 JSON, keys sorted, without white space, absent fields left out."""
    present = {key: value for key, value in fields.items() if value is not None}
    return json.dumps(present, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def decode_document(document: bytes, max_size: int = MAX_DOCUMENT_SIZE) -> dict[str, Any]:
    """Return the JSON object that ``document`` holds.

    Raises:
        InvalidInputError: too large, not UTF-8, not JSON, nested too deep, a key twice, half a character, a number of
            absurd length or beyond every float, NaN or Infinity, or not an object.
    """
    if len(document) > max_size:
        raise InvalidInputError(f"the document has {len(document)} bytes, at most {max_size} are read")
    _refuse_depth(document)
    try:
        value = json.loads(
            document.decode("utf-8"),
            object_pairs_hook=_without_duplicates,
            parse_constant=_refuse_constant,
            parse_int=_bounded_integer,
            parse_float=_bounded_float,
        )
        if _HALF_A_CHARACTER.search(document):
            # A surrogate without its partner can be read and never written, so that no digest could be taken of it.
            json.dumps(value, ensure_ascii=False).encode()
    except (UnicodeError, json.JSONDecodeError, RecursionError) as error:
        # The decoder's message quotes the document: it is left out.
        raise InvalidInputError("the document is not well-formed UTF-8 JSON") from error
    if not isinstance(value, dict):
        raise InvalidInputError("the document is not a JSON object")
    return value


class Reader:
    """Takes the fields of a document one by one, each with its type and limits.

    Args:
        fields: the decoded object.
        what: what the document is called in errors.
    """

    def __init__(self, fields: Mapping[str, Any], what: str) -> None:
        self._fields = dict(fields)
        self._what = what

    def version(self, supported: int) -> None:
        """Check the field ``version``."""
        found = self.integer("version", 0, 1 << 31)
        if found != supported:
            raise InvalidInputError(f"{self._what} of version {found}: this medshare reads version {supported}")

    def present(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self._fields.get(name) is not None

    def text(self, name: str, limit: int = _MAX_TEXT) -> str:
        """Return a text field of at most ``limit`` characters."""
        value = self._fields.pop(name, None)
        if not isinstance(value, str) or len(value) > limit:
            self._refuse(name, f"text of at most {limit} characters")
        return value

    def optional_text(self, name: str) -> str | None:
        """Return a text field, or None where it is absent."""
        if not self.present(name):
            self._fields.pop(name, None)
            return None
        return self.text(name)

    def texts(self, name: str, limit: int) -> tuple[str, ...]:
        """Return a list of at most ``limit`` texts, empty where absent."""
        value = self._fields.pop(name, None)
        if value is None:
            return ()
        if not isinstance(value, list) or len(value) > limit or not all(isinstance(item, str) for item in value):
            self._refuse(name, f"a list of at most {limit} texts")
        return tuple(value)

    def objects(self, name: str, limit: int) -> tuple[Reader, ...]:
        """Return a list of at most ``limit`` objects, each to be read in turn."""
        value = self._fields.pop(name, None)
        if not isinstance(value, list) or len(value) > limit or not all(isinstance(item, dict) for item in value):
            self._refuse(name, f"a list of at most {limit} objects")
        return tuple(Reader(item, f"{self._what}.{name}") for item in value)

    def child(self, name: str) -> Reader:
        """Return an object, to be read in turn."""
        value = self._fields.pop(name, None)
        if not isinstance(value, dict):
            self._refuse(name, "an object")
        return Reader(value, f"{self._what}.{name}")

    def optional_child(self, name: str) -> Reader | None:
        """Return an object, to be read in turn, or None where it is absent."""
        if not self.present(name):
            self._fields.pop(name, None)
            return None
        return self.child(name)

    def flag(self, name: str) -> bool:
        """Return a truth value, false where absent."""
        return bool(self.optional_flag(name))

    def optional_flag(self, name: str) -> bool | None:
        """Return a truth value, or None where it is absent: for a question that may be unanswered."""
        value = self._fields.pop(name, None)
        if value is not None and not isinstance(value, bool):
            self._refuse(name, "true or false")
        return value

    def integer(self, name: str, low: int, high: int) -> int:
        """Return an integer between ``low`` and ``high``, both included."""
        value = self._fields.pop(name, None)
        if not _is_within(value, low, high):
            self._refuse(name, f"an integer from {low} to {high}")
        return value

    def integers(self, name: str, limit: int, low: int, high: int) -> tuple[int, ...]:
        """Return a list of at most ``limit`` integers between ``low`` and ``high``, empty where absent."""
        value = self._fields.pop(name, None)
        if value is None:
            return ()
        if not isinstance(value, list) or len(value) > limit or not all(_is_within(each, low, high) for each in value):
            self._refuse(name, f"a list of at most {limit} integers from {low} to {high}")
        return tuple(value)

    def optional_integer(self, name: str, low: int, high: int) -> int | None:
        """Return an integer, or None where it is absent."""
        if not self.present(name):
            self._fields.pop(name, None)
            return None
        return self.integer(name, low, high)

    def optional_day(self, name: str) -> date | None:
        """Return a day, or None where it is absent."""
        text = self.optional_text(name)
        if text is None:
            return None
        try:
            day = date.fromisoformat(text)
        except ValueError:
            day = None
        # Week dates and the basic format are ISO 8601 too: one day would have several digests.
        if day is None or day.isoformat() != text:
            self._refuse(name, "a day, written YYYY-MM-DD")
        return day

    def digest(self, name: str) -> bytes:
        """Return 32 bytes written in hex."""
        return digest32(self.text(name), f"{self._what}.{name}")

    def digests(self, name: str, limit: int) -> tuple[bytes, ...]:
        """Return a list of at most ``limit`` times 32 bytes written in hex, empty where absent."""
        return tuple(digest32(text, f"{self._what}.{name}") for text in self.texts(name, limit))

    def address(self, name: str) -> Address:
        """Return an address."""
        return address(self.text(name))

    def addresses(self, name: str, limit: int) -> tuple[Address, ...]:
        """Return a list of at most ``limit`` addresses, empty where absent."""
        return tuple(address(text) for text in self.texts(name, limit))

    def choice(self, name: str, kind: type[Choice]) -> Choice:
        """Return a member of ``kind`` by its value."""
        text = self.text(name)
        try:
            return kind(text)
        except ValueError:
            self._refuse(name, f"one of {', '.join(kind)}")

    def optional_choice(self, name: str, kind: type[Choice]) -> Choice | None:
        """Return a member of ``kind`` by its value, or None where it is absent."""
        if not self.present(name):
            self._fields.pop(name, None)
            return None
        return self.choice(name, kind)

    def choices(self, name: str, kind: type[Choice]) -> tuple[Choice, ...]:
        """Return a list of members of ``kind``, each at most once, empty where absent."""
        texts = self.texts(name, len(kind))
        try:
            found = tuple(kind(text) for text in texts)
        except ValueError:
            self._refuse(name, f"of {', '.join(kind)}")
        if len(set(found)) != len(found):
            self._refuse(name, "without repetition")
        return found

    def rest(self) -> dict[str, Any]:
        """Return the fields nobody asked for."""
        return dict(self._fields)

    def end(self) -> None:
        """Refuse fields nobody asked for: where any of them could be a condition, none may be passed over."""
        if self._fields:
            raise InvalidInputError(f"{self._what}: {len(self._fields)} fields that this medshare does not know")

    def _refuse(self, name: str, wanted: str) -> NoReturn:
        raise InvalidInputError(f"{self._what}: field {name!r} must be {wanted}")


def _is_within(value: object, low: int, high: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise InvalidInputError("the document has a key twice in one object")
    return fields


def _refuse_constant(_name: str) -> NoReturn:
    raise InvalidInputError("the document holds NaN or Infinity, which JSON does not have")


def _bounded_integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise InvalidInputError("the document holds an integer of absurd length")
    return int(text)


def _bounded_float(text: str) -> float:
    value = float(text) if len(text) <= _MAX_DIGITS else math.inf
    if math.isinf(value):
        raise InvalidInputError("the document holds a number of absurd length or size")
    return value


def decode_toml(document: bytes, what: str) -> dict[str, Any]:
    """Return the table that a TOML document holds; ``what`` is what it is called.

    Raises:
        InvalidInputError: not UTF-8, not TOML, nested too deep, or an integer of absurd length. Its message names the
            place, and quotes nothing: there may be a secret.
    """
    try:
        table = tomllib.loads(document.decode("utf-8"))
        is_countable = _is_countable(table)
    except (ValueError, RecursionError) as error:
        # ValueError: besides malformed text and TOML, an integer of thousands of digits.
        where = _PLACE.search(str(error))
        raise InvalidInputError(f"{what} is not well-formed TOML{f' {where[0]}' if where else ''}") from None
    if not is_countable:
        raise InvalidInputError(f"{what} holds an integer of absurd length")
    return table


def _is_countable(value: object) -> bool:
    """Whether no integer in a value is longer than JSON's may be."""
    match value:
        case dict():
            return all(map(_is_countable, value.values()))
        case list():
            return all(map(_is_countable, value))
        case int():
            return -_COUNTABLE < value < _COUNTABLE
        case _:
            return True


def _refuse_depth(document: bytes) -> None:
    """Refuse deep nesting before the decoder recurses."""
    depth = 0
    for bracket in _BRACKETS.finditer(document):
        if bracket[0] in b"[{":
            depth += 1
            if depth > _MAX_DEPTH:
                raise InvalidInputError(f"the document nests deeper than {_MAX_DEPTH} levels")
        elif bracket[0] in b"]}":
            depth -= 1
