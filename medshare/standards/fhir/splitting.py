"""Which Bundles are one record and which are many, and the bytes of each entry's resource as they were.

A ``document`` or a ``message`` is composed, and perhaps signed, as a whole: it is one record. Every other Bundle only
carries resources that came together, so that each of them is a record: the slice of the original bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_WHOLE = frozenset({"document", "message"})
_TOKEN = re.compile(rb'[\[\]{},:]|"(?:[^"\\]++|\\.)*+"|[^\s\[\]{},:"]++', re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntrySlice:
    """Where the resource of a Bundle's entry is in its bytes."""

    number: int
    """Of the entry, from 0."""
    start: int
    end: int


def is_split(resource: Mapping[str, Any]) -> bool:
    """Whether a resource is a Bundle of which each entry is a record of its own."""
    return resource.get("resourceType") == "Bundle" and resource.get("type") not in _WHOLE


def frame(bundle: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Bundle without the resources of its entries: what it says itself."""
    several = bundle.get("entry")
    if not isinstance(several, list):
        return dict(bundle)
    return {**bundle, "entry": [_without_resource(number, entry) for number, entry in enumerate(several)]}


def _without_resource(number: int, entry: object) -> object:
    if not isinstance(entry, dict) or "resource" not in entry:
        return entry
    # An entry may have nothing else, and may not be empty.
    return {"id": str(number), **{name: value for name, value in entry.items() if name != "resource"}}


def entries(document: bytes) -> Iterator[EntrySlice]:
    """Yield where the resources of a Bundle's entries are.

    Args:
        document: well-formed, as ``read`` has found it.
    """
    # Of each object that is open its key, of each list the place of its item.
    path: list[str | int] = []
    start = -1
    is_key = False
    for token in _TOKEN.finditer(document):
        mark = token[0][:1]
        if mark in b"{[":
            if mark == b"{" and _is_resource(path):
                start = token.start()
            path.append("" if mark == b"{" else 0)
        elif mark in b"}]":
            path.pop()
            if start >= 0 and _is_resource(path):
                yield EntrySlice(number=int(path[1]), start=start, end=token.end())
                start = -1
        elif mark == b"," and isinstance(path[-1], int):
            path[-1] += 1
        elif is_key and mark == b'"':
            # A name may be written with escapes.
            path[-1] = json.loads(token[0])
        is_key = mark in b"{," and bool(path) and isinstance(path[-1], str)


def _is_resource(path: list[str | int]) -> bool:
    return len(path) == 3 and path[0] == "entry" and isinstance(path[1], int) and path[2] == "resource"
