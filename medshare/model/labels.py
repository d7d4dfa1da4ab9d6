"""Labels that say how sensitive a record is, in HL7's words.

Confidentiality (v3-Confidentiality) is an order, U < L < M < N < R < V; sensitivity (v3-ActCode) is a tree. A label
that is in neither counts as sensitive: what we do not know must be named to be permitted. Case does not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MAX_LABELS = 64
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,40}")

CONFIDENTIALITY = ("U", "L", "M", "N", "R", "V")
"""The order, from what nobody minds to what is very restricted."""
ORDINARY = frozenset("ULMN")
"""What a permission covers without naming it."""
_CHILDREN: dict[str, str] = {
    "": "ETH GDIS HIV MST SCA SDV SEX SPI STD TBOO VIO SICKLE",
    "SPI": "BH MH PSY PSYTHPN SUD",
    "BH": "COGN DVD EMOTDIS",
    "SUD": "ETHUD OPIOIDUD",
}
SENSITIVITY = {child: parent or None for parent, children in _CHILDREN.items() for child in children.split()}
"""Each sensitivity, and the one that it is a kind of."""


def is_label(text: str) -> bool:
    """Whether ``text`` can be a label: a code of HL7's or of somebody else's."""
    return _LABEL.fullmatch(text) is not None


def must_be_named(labels: Iterable[str]) -> frozenset[str]:
    """Return those of ``labels`` that a permission has to name: R, V, every sensitivity, everything unknown."""
    return frozenset(label.upper() for label in labels) - ORDINARY


def all_named(labels: Iterable[str], named: Iterable[str]) -> bool:
    """Whether ``named`` has each of ``labels`` that must be named, or something above it; naming V names R."""
    allowed = {label.upper() for label in named}
    return all(allowed & _reaching(label) for label in must_be_named(labels))


def any_carried(labels: Iterable[str], wanted: Iterable[str]) -> bool:
    """Whether ``labels`` have one of ``wanted``, something below it, or a confidentiality as high."""
    sought = {label.upper() for label in wanted}
    return any(sought & _at_most(label.upper()) for label in labels)


def _reaching(label: str) -> set[str]:
    """Return the labels that permit ``label``: itself, and what is above it."""
    if label in CONFIDENTIALITY:
        return set(CONFIDENTIALITY[CONFIDENTIALITY.index(label) :])
    return _line(label)


def _at_most(label: str) -> set[str]:
    """Return the labels whose denial reaches ``label``: itself, what is above it, a confidentiality not higher."""
    if label in CONFIDENTIALITY:
        return set(CONFIDENTIALITY[: CONFIDENTIALITY.index(label) + 1])
    return _line(label)


def _line(label: str) -> set[str]:
    line = set()
    above: str | None = label
    while above is not None:
        line.add(above)
        above = SENSITIVITY.get(above)
    return line
