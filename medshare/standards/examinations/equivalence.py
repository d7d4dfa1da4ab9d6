"""Which codes count as the same examination: a file of the user's own.

::

    version = 1

    [[group]]
    name = "Haemoglobin in blood"     # for a person
    codes = ["718-7", "20509-6", "http://snomed.info/sct|38082009"]

LOINC's own groups are licensed apart, and what may stand for what is for clinicians to say: nothing here knows it. A
code alone is the same as itself. Groups are not joined: where A is with B, and B with C, A is not with C.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from medshare.errors import InvalidInputError
from medshare.model.documents import Reader, decode_toml
from medshare.standards.examinations.examination import Code

EQUIVALENCE_VERSION = 1
MAX_EQUIVALENCE_SIZE = 1 << 20
_MAX_GROUPS = 10_000
_MAX_CODES = 1_000
_MAX_NAME = 200
_SEVERAL = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivalence:
    """Groups of codes that count as the same."""

    groups: tuple[frozenset[Code], ...] = ()

    @classmethod
    def from_toml(cls, document: bytes) -> Self:
        """Return the groups that a TOML file holds; raises ``InvalidInputError``."""
        if len(document) > MAX_EQUIVALENCE_SIZE:
            raise InvalidInputError(f"a file of equivalent codes has at most {MAX_EQUIVALENCE_SIZE} bytes")
        read = Reader(decode_toml(document, "the file of equivalent codes"), "equivalent codes")
        read.version(EQUIVALENCE_VERSION)
        groups = tuple(map(_group, read.objects("group", _MAX_GROUPS)))
        read.end()
        return cls(groups=groups)

    def of(self, code: Code) -> frozenset[Code]:
        """Return the codes that count as ``code``, itself included."""
        return frozenset({code}).union(*(group for group in self.groups if code in group))


def _group(read: Reader) -> frozenset[Code]:
    read.text("name", _MAX_NAME)
    group = frozenset(map(Code.parse, read.texts("codes", _MAX_CODES)))
    read.end()
    if len(group) < _SEVERAL:
        raise InvalidInputError("a group of equivalent codes has two codes at least")
    return group
