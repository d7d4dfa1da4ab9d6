"""Which disease is below which, as an ontology such as MONDO (http://purl.obolibrary.org/obo/mondo.owl) has it.

medshare brings no ontology: who asks brings as much of one as he needs. What it does not tell stays unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import TypeAlias

from medshare.errors import InvalidInputError
from medshare.model.documents import Reader, decode_document
from medshare.model.duo import check_diseases

ANCESTRY_VERSION = 1
MAX_PARENTS = 100

DiseaseAncestry: TypeAlias = Mapping[str, tuple[str, ...]]
"""Each known disease with those right above it, none at the top; a disease that is no key is unknown."""


def read_ancestry(document: bytes) -> DiseaseAncestry:
    """Return the ancestry that ``document`` holds: ``{"version": 1, "parents": {child: [parent, ...]}}``.

    A disease at the top has an empty list. A parent need not be a key itself: it is unknown then.

    Raises:
        InvalidInputError: malformed, no CURIEs, or a disease that comes out above itself.
    """
    read = Reader(decode_document(document), "disease ancestry")
    read.version(ANCESTRY_VERSION)
    parents = read.child("parents")
    read.end()
    ancestry = {disease: parents.texts(disease, MAX_PARENTS) for disease in parents.rest()}
    for disease, above in ancestry.items():
        check_diseases((disease,))
        check_diseases(above)
    if _has_cycle(ancestry):
        raise InvalidInputError("disease ancestry: a disease is above itself")
    return ancestry


def is_within(disease: str, others: frozenset[str], ancestry: DiseaseAncestry) -> bool | None:
    """Return whether ``disease`` is one of ``others`` or below one; None where ``ancestry`` does not tell."""
    if disease in others:
        return True
    line = _line(disease, ancestry)
    if _has_cycle(line):
        return None
    if others & line.keys():
        return True
    # It is outside only if all that is above it is known, and the others are.
    return False if ancestry.keys() >= line.keys() | others else None


def _line(disease: str, ancestry: DiseaseAncestry) -> DiseaseAncestry:
    """Return the part of ``ancestry`` at ``disease`` and above it."""
    line: dict[str, tuple[str, ...]] = {}
    waiting = [disease]
    while waiting:
        each = waiting.pop()
        if each not in line:
            line[each] = ancestry.get(each, ())
            waiting.extend(line[each])
    return line


def _has_cycle(ancestry: DiseaseAncestry) -> bool:
    try:
        TopologicalSorter(ancestry).prepare()
    except CycleError:
        return True
    return False
