"""How good a record is for whoever reads it: a score from 0 to 100, computed by anybody from its bytes alone.

Five parts, each a count of what is as it should be among what there is, so that each explains itself; docs/quality.md
says what they count. A part of which there is nothing in the record (units, where nothing is measured) is left out, and
the others weigh more. The method has a version and a digest: two scores with one digest can be compared.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any

from medshare.errors import InvalidInputError
from medshare.hashing import tagged_sha256
from medshare.model.finding import Severity
from medshare.model.record import days_of
from medshare.standards import dicom, fhir, hl7v2
from medshare.standards.fhir import definitions, describing, references
from medshare.standards.fhir.structure import survey
from medshare.standards.hl7v2 import library as hl7v2_library
from medshare.standards.tables import table_digest

VERSION = 1
METHODS: Mapping[int, bytes] = {
    1: bytes.fromhex("3786415feca112866473d9f9fea0a7666ea3025e1853028186a69fabad3ce521"),
}
"""The methods that medshare has published: the number by which assessors attest each, and its digest. None changes."""
MAX_SCORED = 256 << 20
"""Bytes of a record for which a score is computed."""
_TAG = "medshare/quality/1"
HUNDRED = 100
# A record that is written within so many days of what it tells is worth so much.
_DELAYS = ((1, 100), (7, 90), (30, 75), (365, 50))
_LATE = 25
_UNDATED_WRITING = 50
_TABLES = ("fhir-r4", "ucum")
# What an HL7 v2 message says of whom, when, where and by whom; one of each is enough.
_MESSAGE_WS = (
    (("PID", 3),),
    (("PID", 5),),
    (("PID", 7),),
    (("PID", 8),),
    (("OBR", 7), ("EVN", 6), ("PV1", 44)),
    (("OBR", 22), ("EVN", 2)),
    (("PV1", 3), ("MSH", 4)),
    (("OBR", 16), ("OBR", 32), ("PV1", 7), ("EVN", 5)),
)


class Aspect(StrEnum):
    """What a part of the score is about."""

    CONFORMANCE = "conformance"
    CODED = "coded-terms"
    UNITS = "units"
    COMPLETENESS = "completeness"
    TIMELINESS = "timeliness"


WEIGHTS: Mapping[Aspect, int] = {
    Aspect.CONFORMANCE: 40,
    Aspect.CODED: 20,
    Aspect.UNITS: 15,
    Aspect.COMPLETENESS: 15,
    Aspect.TIMELINESS: 10,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a score."""

    aspect: Aspect
    met: int
    of: int
    """0: there is nothing of this in the record, and the part does not count."""
    text: str
    """What was counted; no value of the record."""

    @property
    def score(self) -> int | None:
        """From 0 to 100, or None where it does not count."""
        return round(Fraction(HUNDRED * self.met, self.of)) if self.of else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """The score of a record, and how it came about."""

    parts: tuple[Part, ...]
    method: bytes
    """The digest of the method, ``method_digest``."""

    @property
    def score(self) -> int:
        """From 0 to 100: the mean of the parts that count, by their weights."""
        counted = [part for part in self.parts if part.of]
        weights = sum(WEIGHTS[part.aspect] for part in counted)
        return round(sum(WEIGHTS[part.aspect] * Fraction(HUNDRED * part.met, part.of) for part in counted) / weights)


@functools.cache
def method_digest() -> bytes:
    """Return the digest of the method: its version, weights and steps, and the tables that it is computed with."""
    method = {
        "version": VERSION,
        "weights": {aspect.value: weight for aspect, weight in WEIGHTS.items()},
        "delays": [*_DELAYS, _LATE, _UNDATED_WRITING],
        "message": _MESSAGE_WS,
        "tables": {name: table_digest(name) for name in _TABLES},
    }
    return tagged_sha256(_TAG, json.dumps(method, sort_keys=True, separators=(",", ":")).encode())


def score(document: bytes, media_type: str) -> Quality:
    """Return the score of a record.

    Args:
        document: its bytes.
        media_type: what they are.

    Raises:
        InvalidInputError: they cannot be read as that, or there is no score of such records.
        ConfigurationError: the library that reads them is not installed.
    """
    methods: Mapping[str, Callable[[bytes], tuple[Part, ...]]] = {
        fhir.MEDIA_TYPE: _resource,
        hl7v2.MEDIA_TYPE: _message,
        dicom.MEDIA_TYPE: _image,
    }
    method = methods.get(media_type)
    if method is None:
        raise InvalidInputError(
            "there is no score of such records", hint=f"there is one of {', '.join(sorted(methods))}"
        )
    return Quality(parts=method(document), method=method_digest())


def _resource(document: bytes) -> tuple[Part, ...]:
    resource = fhir.read(document)
    seen = survey(resource)
    wrong = seen.wrong
    if not wrong:
        wrong = sum(1 for finding in references.check_within(resource) if finding.severity is Severity.ERROR)
    several = [resource, *describing.inner_resources(resource)]
    answers = [_five_ws(each) for each in several]
    recorded = next((day for day in map(_recorded, several) if day), None)
    dated = any("done" in asked or "recorded" in asked for _, asked in answers)
    return (
        _conformance(seen.elements, wrong, "elements without an error"),
        _coded(seen.concepts, seen.coded),
        _units(seen.quantities, seen.in_units),
        Part(
            aspect=Aspect.COMPLETENESS,
            met=sum(len(answered) for answered, _ in answers),
            of=sum(len(asked) for _, asked in answers),
            text="of the five Ws that R4 defines for its type are answered",
        ),
        _timeliness(describing.clinical_date(resource), recorded, counts=dated),
    )


def _five_ws(resource: Mapping[str, Any]) -> tuple[frozenset[str], frozenset[str]]:
    """Return which of the five Ws a resource answers, and which its type asks."""
    kind = resource.get("resourceType")
    if not isinstance(kind, str) or not definitions.is_resource(kind):
        return frozenset(), frozenset()
    known = definitions.elements(kind).values()
    asked = frozenset(element.five_ws for element in known if element.five_ws)
    return frozenset(element.five_ws for element in known if element.five_ws and element.name in resource), asked


def _recorded(resource: Mapping[str, Any]) -> str | None:
    """Return when a resource says it was written."""
    kind, meta = resource.get("resourceType"), resource.get("meta")
    known = definitions.elements(kind) if isinstance(kind, str) and definitions.is_resource(kind) else {}
    said = [resource.get(element.name) for element in known.values() if element.five_ws == "recorded"]
    said.append(meta.get("lastUpdated") if isinstance(meta, dict) else None)
    return next((text.partition("T")[0] for text in said if isinstance(text, str)), None)


def _message(document: bytes) -> tuple[Part, ...]:
    hl7v2_library.need()
    message = hl7v2.read(document)
    seen = hl7v2.check(message)
    answered = sum(
        any(segment.field(number) for name, number in several for segment in message.named(name))
        for several in _MESSAGE_WS
    )
    return (
        _conformance(seen.fields, seen.wrong, "required fields are there, and segments in their places"),
        _coded(seen.concepts, seen.coded),
        _units(seen.quantities, seen.in_units),
        Part(
            aspect=Aspect.COMPLETENESS,
            met=answered,
            of=len(_MESSAGE_WS),
            text="of whom, when, where and by whom are said",
        ),
        _timeliness(seen.clinical_date, seen.recorded_date, counts=True),
    )


def _image(document: bytes) -> tuple[Part, ...]:
    seen = dicom.check(document)
    return (
        _conformance(seen.required, seen.wrong, "required attributes are there, and the pixels whole"),
        _coded(seen.concepts, seen.coded),
        _units(0, 0),
        Part(aspect=Aspect.COMPLETENESS, met=seen.said, of=seen.expected, text="of the usual attributes are there"),
        _timeliness(seen.clinical_date, seen.recorded_date, counts=True),
    )


def _conformance(checked: int, wrong: int, text: str) -> Part:
    of = max(checked, wrong, 1)
    return Part(aspect=Aspect.CONFORMANCE, met=of - wrong, of=of, text=text)


def _coded(concepts: int, coded: int) -> Part:
    return Part(aspect=Aspect.CODED, met=coded, of=concepts, text="concepts with a system and a code of its form")


def _units(quantities: int, in_units: int) -> Part:
    return Part(aspect=Aspect.UNITS, met=in_units, of=quantities, text="measured values with a unit of UCUM")


def _timeliness(happened: str | None, written: str | None, *, counts: bool) -> Part:
    met, text = _delay(happened, written)
    return Part(aspect=Aspect.TIMELINESS, met=met, of=HUNDRED if counts else 0, text=text)


def _delay(happened: str | None, written: str | None) -> tuple[int, str]:
    try:
        first = days_of(happened) if happened else None
        last = days_of(written) if written else None
    except InvalidInputError:
        return 0, "it has a day that no calendar has"
    if first is None:
        return 0, "it does not say when it happened"
    if last is None:
        return _UNDATED_WRITING, "it says when it happened, not when it was written"
    # Where a day is not said, the one that speaks for the record.
    days = max(0, last.start - (first.stop - 1))
    worth = next((worth for limit, worth in _DELAYS if days <= limit), _LATE)
    return worth, f"it was written {_within(days)} after what it tells"


def _within(days: int) -> str:
    limit = next((limit for limit, _ in _DELAYS if days <= limit), None)
    return "more than a year" if limit is None else "at most a day" if limit == 1 else f"at most {limit} days"
