"""Exports compared with what they should say: what was left out, added or edited is found and named."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

Fields: TypeAlias = Mapping[str, object]
"""What an entry says: JSON values by name."""


class Finding(StrEnum):
    """What is wrong with an entry."""

    OMITTED = "omitted"
    ADDED = "added"
    """The chain tells of none such; or it is there more than once."""
    EDITED = "edited"


@dataclass(frozen=True, slots=True, kw_only=True)
class Discrepancy:
    """One entry that is not as the chain tells it."""

    finding: Finding
    entry: str
    """Which one, by its key in the document."""
    about: str
    """What it is about, as far as the chain tells of it."""
    fields: tuple[str, ...] = ()
    """Where it was edited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of an export."""

    key: str
    about: str
    fields: Fields


def compare(found: Sequence[Entry], expected: Sequence[Entry]) -> tuple[Discrepancy, ...]:
    """Return what of ``found`` is not as in ``expected``, in the order of these two; their order does not matter."""
    wanted = {entry.key: entry for entry in expected}
    times = Counter(entry.key for entry in found)
    discrepancies = [
        Discrepancy(finding=Finding.OMITTED, entry=entry.key, about=entry.about)
        for entry in expected
        if entry.key not in times
    ]
    for entry in found:
        right = wanted.get(entry.key)
        if right is None:
            discrepancies.append(Discrepancy(finding=Finding.ADDED, entry=entry.key, about=entry.about))
            continue
        if times[entry.key] > 1:
            times[entry.key] -= 1
            discrepancies.append(Discrepancy(finding=Finding.ADDED, entry=entry.key, about=right.about))
        if edited := _edited(entry.fields, right.fields):
            discrepancies.append(Discrepancy(finding=Finding.EDITED, entry=entry.key, about=right.about, fields=edited))
    return tuple(discrepancies)


def _edited(found: Fields, expected: Fields) -> tuple[str, ...]:
    one, other = dict(_leaves(found)), dict(_leaves(expected))
    return tuple(path for path in sorted({*one, *other}) if one.get(path) != other.get(path))


def _leaves(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield each value with where it stands. As JSON: in Python, 1 and true are equal."""
    match value:
        case Mapping() if value:
            for key, each in value.items():
                yield from _leaves(each, f"{path}.{key}" if path else str(key))
        case list() if value:
            for number, each in enumerate(value):
                yield from _leaves(each, f"{path}[{number}]")
        case _:
            yield path, json.dumps(value)
