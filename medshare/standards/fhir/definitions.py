"""What HL7 defines as FHIR R4 (4.0.1): types and their elements, forms of values, value sets.

The table is written by ``scripts/write_standards.py`` from HL7's own definitions.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medshare.standards.tables import table

NAME = "fhir-r4"
RESOURCE = "Resource"
QUANTITY = "Quantity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """An element of a type, as JSON names it."""

    name: str
    """As it is written: of a choice, with the type in it."""
    choice: str
    """As it is defined: of a choice, with ``[x]``."""
    kind: str
    """Its type: a primitive, a data type, a part of a type by its path, or ``Resource``."""
    least: int
    many: bool
    value_set: str
    five_ws: str
    """Which of the "five Ws" it answers, or nothing."""


@functools.cache
def elements(kind: str) -> Mapping[str, Element]:
    """Return the elements of a type, those it inherits included, by the names that JSON gives them."""
    defined = _table()["types"][kind]
    found = dict(elements(defined["base"])) if defined["base"] else {}
    for choice, row in defined["elements"].items():
        least, many, kinds, value_set, five_ws = (*row, "", "")[:5]
        several = kinds.split("|")
        for each in several:
            name = choice.replace("[x]", each[:1].upper() + each[1:])
            found[name] = Element(
                name=name,
                choice=choice,
                kind=each,
                least=least,
                many=bool(many),
                value_set=value_set,
                five_ws=five_ws,
            )
    return found


@functools.cache
def required(kind: str) -> frozenset[str]:
    """Return the elements that a type must have, as they are defined."""
    return frozenset(element.choice for element in elements(kind).values() if element.least)


def is_resource(name: str) -> bool:
    """Whether R4 has a resource of this type."""
    return bool(_table()["types"].get(name, {}).get("resource"))


def is_primitive(kind: str) -> bool:
    """Whether values of this type are written as one JSON value."""
    return kind in _table()["primitives"]


@functools.cache
def is_quantity(kind: str) -> bool:
    """Whether a type is a quantity, or a special one."""
    return kind == QUANTITY or _table()["types"].get(kind, {}).get("base") == QUANTITY


@functools.cache
def form(primitive: str) -> re.Pattern[str]:
    """Return the form of a primitive's values."""
    return re.compile(_table()["primitives"][primitive] or r"[\s\S]*", re.ASCII)


@functools.cache
def codes(value_set: str) -> Mapping[str, frozenset[str]]:
    """Return the codes of a value set, by their systems."""
    return {system: frozenset(each) for system, each in _table()["value_sets"][value_set].items()}


@functools.cache
def all_codes(value_set: str) -> frozenset[str]:
    """Return the codes of a value set, whatever their system."""
    return frozenset[str]().union(*codes(value_set).values())


@functools.cache
def _table() -> Any:  # noqa: ANN401 - the table's own shape
    return table(NAME)
