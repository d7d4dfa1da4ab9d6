"""Everything that is checked of an HL7 v2 message, and what it says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from medshare.model.finding import Finding, error, warning
from medshare.model.record import Category
from medshare.standards import codes, units
from medshare.standards.hl7v2 import library
from medshare.standards.hl7v2.message import Message, Segment
from medshare.standards.hl7v2.sequence import first_out_of_order

_CATEGORIES = {
    "ADT": Category.ADMINISTRATIVE,
    "MDM": Category.DOCUMENT,
    "OMD": Category.CARE_PLAN,
    "OMG": Category.CARE_PLAN,
    "OMI": Category.CARE_PLAN,
    "OML": Category.CARE_PLAN,
    "OMP": Category.PRESCRIPTION,
    "ORU": Category.LABORATORY,
    "OUL": Category.LABORATORY,
    "PGL": Category.CARE_PLAN,
    "PPR": Category.CONDITION,
    "RAS": Category.MEDICATION,
    "RDE": Category.PRESCRIPTION,
    "RDS": Category.DISPENSATION,
    "SIU": Category.ENCOUNTER,
    "VXU": Category.IMMUNIZATION,
}
# ORC-28, HL7's table 0177, in the words of v3. "Usual control" is v3's normal; what has no word there is restricted.
_CONFIDENTIALITY = {"AID": "HIV", "ETH": "ETH", "HIV": "HIV", "PSY": "PSY", "R": "R", "U": "N", "V": "V"}
_RESTRICTED = "R"
_LOINC = "LN"
_SNOMED = frozenset({"SCT", "SNM"})
_UCUM = "UCUM"
_NUMBERS = frozenset({"NM", "SN"})
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?|[+-]?\.\d+", re.ASCII)
_TIME = re.compile(r"(\d{4})(?:(\d\d)(?:(\d\d)(?:\d{2,6}(?:\.\d{1,4})?)?)?)?(?:[+-]\d{4})?", re.ASCII)
# When it happened to the patient: observed, happened, admitted, or at last sent.
_TIMES = (("OBR", 7), ("EVN", 6), ("PV1", 44), ("EVN", 2), ("MSH", 7))
_RECORDED = (("OBR", 22), ("EVN", 2), ("MSH", 7))


@dataclass(slots=True, kw_only=True)
class Surveyed:
    """What was seen of a message."""

    category: Category
    clinical_date: str | None
    recorded_date: str | None
    labels: tuple[str, ...]
    patients: tuple[str, ...]
    """Whom it is about, by PID-3 with its authority: identifying, not for logs and errors."""
    findings: list[Finding] = field(default_factory=list)
    fields: int = 0
    """Fields that must be there."""
    wrong: int = 0
    """Those of them that are not, and segments out of place."""
    concepts: int = 0
    coded: int = 0
    quantities: int = 0
    in_units: int = 0


def check(message: Message) -> Surveyed:
    """Return what a message says of itself, and what is wrong with it."""
    kind = message.head.component(9, 1)
    seen = Surveyed(
        category=_CATEGORIES.get(kind, Category.OTHER),
        clinical_date=_first_day(message, _TIMES),
        recorded_date=_first_day(message, _RECORDED),
        labels=_labels(message),
        patients=_patients(message),
    )
    if library.is_there():
        _structure(seen, message)
    else:
        seen.findings.append(warning("library", "", "its structure was not checked: pip install 'medshare[hl7]'"))
    for segment in message.segments:
        seen.findings.extend(_times(segment))
        if segment.name == "OBX":
            _observation(seen, segment)
    return seen


def _structure(seen: Surveyed, message: Message) -> None:
    head = message.head
    if message.version not in library.versions():
        seen.wrong += 1
        seen.findings.append(error("version", "MSH-12", "it names no version of HL7 v2 that is known: 2.1 to 2.8.2"))
        return
    structure = library.structure(head.component(9, 1), head.component(9, 2), head.component(9, 3), message.version)
    if structure is None:
        seen.findings.append(warning("structure", "MSH-9", "the structure of such messages is not known"))
    else:
        standard = [segment for segment in message.segments if not segment.name.startswith("Z")]
        place = first_out_of_order([segment.name for segment in standard], structure)
        if place is not None:
            seen.wrong += 1
            where = f"segment {standard[place].number}" if place < len(standard) else "the end"
            seen.findings.append(error("order", where, "this is not where the structure of the message has it"))
    for segment in message.segments:
        _required(seen, segment, message.version)


def _required(seen: Surveyed, segment: Segment, version: str) -> None:
    required = library.required_fields(segment.name, version)
    if required is None:
        if not segment.name.startswith("Z"):
            seen.wrong += 1
            text = "this version of HL7 v2 has no such segment"
            seen.findings.append(error("segment", f"segment {segment.number}", text))
        return
    for number in required:
        seen.fields += 1
        if not segment.field(number):
            seen.wrong += 1
            place = f"segment {segment.number}, {segment.name}-{number}"
            seen.findings.append(warning("missing", place, "it must be there"))


def _observation(seen: Surveyed, segment: Segment) -> None:
    place = f"segment {segment.number}"
    seen.concepts += 1
    code, system = segment.component(3, 1), segment.component(3, 3)
    named = {_LOINC: codes.LOINC, **dict.fromkeys(_SNOMED, codes.SNOMED)}.get(system, "")
    if not codes.can_be(named, code):
        seen.findings.append(warning("code-form", f"{place}, OBX-3", "it cannot be a code of the system that it names"))
    else:
        seen.coded += bool(code and system)
    if segment.field(2) not in _NUMBERS or not segment.field(5):
        return
    seen.quantities += 1
    if segment.field(2) == "NM" and not all(_NUMBER.fullmatch(each.strip()) for each in segment.repetitions(5)):
        seen.wrong += 1
        seen.findings.append(error("form", f"{place}, OBX-5", "it says it is a number (NM) and is none"))
    if units.is_unit(segment.component(6, 1)):
        # Without a system the text speaks for itself; with another one it does not.
        seen.in_units += segment.component(6, 3) in ("", _UCUM)
    elif segment.component(6, 3) == _UCUM:
        seen.findings.append(warning("unit", f"{place}, OBX-6", "it is no unit in UCUM's words"))


def _times(segment: Segment) -> Iterator[Finding]:
    for number in {number for name, number in (*_TIMES, *_RECORDED) if name == segment.name}:
        text = segment.component(number, 1)
        if text and day_of(text) is None:
            place = f"segment {segment.number}, {segment.name}-{number}"
            yield error("date", place, "it is no time in HL7's form, or a day that no calendar has")


def _first_day(message: Message, places: tuple[tuple[str, int], ...]) -> str | None:
    for name, number in places:
        for segment in message.named(name):
            found = day_of(segment.component(number, 1))
            if found is not None:
                return found
    return None


def day_of(text: str) -> str | None:
    """Return the day of a time in HL7's form, as FHIR writes it; None where it is no such time."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    year, month, day = found[1], found[2], found[3]
    try:
        date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return None
    return "-".join(part for part in (year, month, day) if part)


def _labels(message: Message) -> tuple[str, ...]:
    said = (text for segment in message.named("ORC") for text in segment.repetitions(28))
    return tuple(sorted({_CONFIDENTIALITY.get(re.split(r"\W", text)[0].upper(), _RESTRICTED) for text in said}))


def _patients(message: Message) -> tuple[str, ...]:
    found = {
        f"{segment.component(3, 1)}^^^{segment.component(3, 4)}"
        for segment in message.named("PID")
        if segment.component(3, 1)
    }
    return tuple(sorted(found))
