"""Whether a resource is FHIR R4, element by element, and what it has: codes, units, who, what, when.

One walk over the decoded resource, against HL7's own definitions (``definitions``): names, repetitions, what must be
there, the forms of values, days that no calendar has, and required bindings. Extensions are taken as they are
written; profiles are not looked up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from medshare.model.finding import Finding, error, warning
from medshare.standards import codes, units
from medshare.standards.fhir import definitions
from medshare.standards.fhir.definitions import Element

MAX_FINDINGS = 100
"""Of one resource: what is wrong everywhere need not be said a thousand times."""

_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
_INTEGER_LIMIT = 1 << 31
_INTEGERS = frozenset({"integer", "positiveInt", "unsignedInt"})
_DATES = frozenset({"date", "dateTime", "instant"})
# Numbers and truth values are written as such, everything else as text.
_WRITTEN_AS: Mapping[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "decimal": (int, float),
    **dict.fromkeys(_INTEGERS, (int,)),
}


@dataclass(slots=True, kw_only=True)
class Survey:
    """What one walk over a resource has seen."""

    findings: list[Finding] = field(default_factory=list)
    """The first ``MAX_FINDINGS``."""
    elements: int = 0
    """Elements that were looked at."""
    wrong: int = 0
    """Those of them with an error."""
    concepts: int = 0
    """Concepts: codings, and codeable concepts that say anything."""
    coded: int = 0
    """Those of them with a system and a code that can be one of it."""
    quantities: int = 0
    """Quantities with a value."""
    in_units: int = 0
    """Those of them with a unit in UCUM's words."""

    def tell(self, finding: Finding) -> None:
        """Note a finding."""
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(finding)

    def refuse(self, rule: str, place: str, text: str) -> None:
        """Note an error."""
        self.wrong += 1
        self.tell(error(rule, place, text))


def survey(resource: Mapping[str, Any]) -> Survey:
    """Walk over a resource and return what was seen."""
    seen = Survey()
    kind = resource.get("resourceType")
    _resource(seen, resource, str(kind) if isinstance(kind, str) else "", "")
    return seen


def _resource(seen: Survey, resource: object, place: str, within: str) -> None:
    kind = resource.get("resourceType") if isinstance(resource, Mapping) else None
    where = within or place
    if not isinstance(resource, Mapping) or not isinstance(kind, str) or not definitions.is_resource(kind):
        seen.refuse(
            "resource-type", within, "R4 has no such resource type; a resource of another version is not accepted"
        )
        return
    _object(seen, resource, kind, where)


def _object(seen: Survey, fields: Mapping[str, Any], kind: str, place: str) -> None:
    known = definitions.elements(kind)
    there: dict[str, str] = {}
    for key, value in fields.items():
        name = key.removeprefix("_")
        element = known.get(name)
        if element is None or (key != name and not definitions.is_primitive(element.kind)):
            if key != "resourceType" or not definitions.is_resource(kind):
                # Not by its name, which may be anything.
                seen.refuse("unknown-element", place, f"it has an element that R4's {kind} does not have")
            continue
        if there.setdefault(element.choice, name) != name:
            seen.refuse("choice", f"{place}.{element.choice}", "it is there in two types")
        at = f"{place}.{name}"
        if key == name:
            _element(seen, value, element, at)
        else:
            _extensions(seen, value, element, at)
    if not there:
        seen.refuse("empty", place, "it says nothing")
    for missing in sorted(definitions.required(kind) - there.keys()):
        seen.refuse("missing", f"{place}.{missing}", "it must be there")
    _look_at(seen, fields, kind, place)


def _element(seen: Survey, value: object, element: Element, place: str) -> None:
    if element.many != isinstance(value, list):
        seen.refuse("repetition", place, "it must be a list" if element.many else "it must be there once only")
        return
    values: Sequence[object] = value if isinstance(value, list) else (value,)
    if not values:
        seen.refuse("empty", place, "it is an empty list")
    for number, each in enumerate(values):
        at = f"{place}[{number}]" if element.many else place
        seen.elements += 1
        if definitions.is_primitive(element.kind):
            # In a list, null keeps the place of a value of which only an extension is said.
            if each is not None or not element.many:
                _primitive(seen, each, element, at)
        elif element.kind == definitions.RESOURCE:
            _resource(seen, each, at, at)
        elif isinstance(each, Mapping):
            _object(seen, each, element.kind, at)
            if element.value_set and not _is_bound(each, element):
                seen.refuse("required-binding", at, f"it has no code of the value set {element.value_set}")
        else:
            seen.refuse("type", at, f"it must be an object: a {element.kind}")


def _extensions(seen: Survey, value: object, element: Element, place: str) -> None:
    """Check what is said of a primitive beside its value: an id, extensions."""
    if element.many != isinstance(value, list):
        seen.refuse("repetition", place, "its extensions must be a list if it is one, and else not")
        return
    for number, each in enumerate(value if isinstance(value, list) else (value,)):
        at = f"{place}[{number}]" if element.many else place
        if isinstance(each, Mapping):
            _object(seen, each, "Element", at)
        elif each is not None or not element.many:
            seen.refuse("type", at, "what is said of it must be an object")


def _primitive(seen: Survey, value: object, element: Element, place: str) -> None:
    kind = element.kind
    wanted = _WRITTEN_AS.get(kind, (str,))
    if not isinstance(value, wanted) or (isinstance(value, bool) and kind != "boolean"):
        seen.refuse("type", place, f"it must be written as a {kind}")
        return
    if isinstance(value, int | float):
        if kind in _INTEGERS and not _is_in_range(int(value), kind):
            seen.refuse("form", place, f"it has not the form of the type {kind}")
        return
    text = str(value)
    if not text.strip():
        seen.refuse("empty", place, "it is an empty text")
    elif not definitions.form(kind).fullmatch(text):
        seen.refuse("form", place, f"it has not the form of the type {kind}")
    elif kind in _DATES and not _is_in_calendar(text):
        seen.refuse("date", place, "no calendar has this day")
    elif element.value_set and kind == "code" and text not in definitions.all_codes(element.value_set):
        seen.refuse("required-binding", place, f"it is no code of the value set {element.value_set}")


def _is_in_range(number: int, kind: str) -> bool:
    least = {"integer": -_INTEGER_LIMIT, "positiveInt": 1, "unsignedInt": 0}[kind]
    return least <= number < _INTEGER_LIMIT


def _is_in_calendar(text: str) -> bool:
    found = _DAY.match(text)
    if found is None:
        return True
    try:
        date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return False
    return True


def _is_bound(concept: Mapping[str, Any], element: Element) -> bool:
    """Whether a coding, or one of a concept's, is of the value set; nobody is asked to code what is not said."""
    if element.kind == "CodeableConcept" and not concept.get("coding"):
        return "extension" in concept
    allowed = definitions.codes(element.value_set)
    return any(coding.get("code") in allowed.get(_text(coding, "system"), ()) for coding in _codings(concept))


def _codings(concept: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    several = concept.get("coding", [concept])
    if isinstance(several, list):
        yield from (each for each in several if isinstance(each, Mapping))


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _look_at(seen: Survey, fields: Mapping[str, Any], kind: str, place: str) -> None:
    """Count codes and units; those that cannot be what they are said to be are told."""
    if kind == "CodeableConcept" and ("text" in fields or "coding" in fields):
        seen.concepts += 1
        seen.coded += any(_is_coded(each) for each in _codings(fields))
    if kind == "Coding" and not codes.can_be(_text(fields, "system"), _text(fields, "code")):
        seen.tell(warning("code-form", f"{place}.code", "it cannot be a code of the system that it names"))
    if definitions.is_quantity(kind) and "value" in fields:
        seen.quantities += 1
        if _text(fields, "system") == units.SYSTEM and units.is_unit(_text(fields, "code")):
            seen.in_units += 1
        elif _text(fields, "system") == units.SYSTEM:
            seen.tell(warning("unit", f"{place}.code", "it is no unit in UCUM's words"))


def _is_coded(coding: Mapping[str, Any]) -> bool:
    system, code = _text(coding, "system"), _text(coding, "code")
    return bool(system and code) and codes.can_be(system, code)
