"""A controller, as a receipt names it: who it is, and what its privacy notice says. Written once, in a JSON file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from medshare.errors import InvalidInputError
from medshare.model.documents import decode_document
from medshare.standards.receipt_27560.fields import BASIS, OPTIONAL_PARTY, OPTIONAL_PROCESSING, PARTY

MAX_PROFILE_SIZE = 64 << 10
NOT_STATED = "not stated"
"""In a mandatory field of which a controller has told nothing."""
_UNDETERMINED = "und"
_MAX_TEXT = 1_000
_MAX_TEXTS = 50
_LISTS = frozenset({"storage_locations", "processing_locations", "privacy_rights", "codes_of_conduct"})
_PROCESSING = (
    "privacy_notice",
    "language",
    "storage_locations",
    "retention_period",
    "jurisdiction",
    "withdrawal_method",
)
_URL = re.compile(r"https?://[^\s/]+\S*")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class PiiController:
    """What a controller says of itself and of its processing, in the fields of ISO/IEC TS 27560."""

    party: Mapping[str, str]
    processing: Mapping[str, str | tuple[str, ...]]

    @property
    def party_id(self) -> str:
        """By which the record refers to it."""
        return self.party["party_id"]

    @property
    def not_stated(self) -> tuple[str, ...]:
        """The mandatory fields of which it has told nothing."""
        said = {**self.party, **self.processing}
        return tuple(name for name in (*PARTY, *_PROCESSING) if said[name] in (NOT_STATED, (NOT_STATED,)))

    @classmethod
    def from_json(cls, document: bytes) -> Self:
        """Return the controller that ``document`` describes.

        Raises:
            InvalidInputError: not well-formed, a mandatory field is missing (all of them are named), or one is not
                what it must be.
        """
        controller = cls.read(decode_document(document, MAX_PROFILE_SIZE))
        if controller.not_stated:
            raise InvalidInputError(f"the PII controller's profile does not state: {', '.join(controller.not_stated)}")
        return controller

    @classmethod
    def silent(cls, party_id: str, *, name: str = NOT_STATED, contact: str = NOT_STATED) -> Self:
        """Return a controller of whom no profile is known: what nobody has told is said to be not stated.

        Args:
            party_id: a URI that names it.
            name: what it is called.
            contact: where questions are answered.
        """
        said = {each: [NOT_STATED] if each in _LISTS else NOT_STATED for each in (*PARTY, *_PROCESSING)}
        known = {"party_id": party_id, "party_name": name, "party_contact": contact, "language": _UNDETERMINED}
        return cls.read({**said, **known, "withdrawal_method": "medshare access revoke"})

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> Self:
        """Return the controller that ``fields`` describe; raises as ``from_json``."""
        missing = [name for name in (*PARTY, *_PROCESSING) if fields.get(name) in (None, "", [])]
        if missing:
            raise InvalidInputError(
                f"the PII controller's profile lacks: {', '.join(missing)}",
                hint="docs/consent-standards.md has its fields",
            )
        known = {*PARTY, *OPTIONAL_PARTY, *_PROCESSING, *OPTIONAL_PROCESSING}
        if set(fields) - known:
            raise InvalidInputError(
                f"the PII controller's profile has {len(set(fields) - known)} fields that ISO/IEC TS 27560 does not"
            )
        said: dict[str, str | tuple[str, ...]] = {
            "lawful_basis": BASIS,
            **{name: _said(name, value) for name, value in fields.items() if value is not None},
        }
        if said["privacy_notice"] != NOT_STATED and not _URL.fullmatch(str(said["privacy_notice"])):
            raise InvalidInputError("the PII controller's privacy_notice must be a URL, http or https")
        if not _LANGUAGE.fullmatch(str(said["language"])):
            raise InvalidInputError("the PII controller's language must be a language tag, such as en or zh-Hans")
        return cls(
            party={name: str(said[name]) for name in (*PARTY, *OPTIONAL_PARTY) if name in said},
            processing={name: said[name] for name in (*_PROCESSING, *OPTIONAL_PROCESSING) if name in said},
        )


def _said(name: str, value: object) -> str | tuple[str, ...]:
    if name not in _LISTS:
        return _text(name, value)
    if not isinstance(value, list | tuple) or not 0 < len(value) <= _MAX_TEXTS:
        raise InvalidInputError(f"the PII controller's {name} must be a list of 1 to {_MAX_TEXTS} texts")
    return tuple(_text(name, each) for each in value)


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value.strip()) <= len(value) <= _MAX_TEXT:
        raise InvalidInputError(f"the PII controller's {name} must be text of 1 to {_MAX_TEXT} characters")
    return value
