"""An examination, as far as it can be compared with another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from medshare.errors import InvalidInputError
from medshare.standards import codes

MAX_CODE = 256
MAX_SYSTEM = 256

_HINT = "write a code of LOINC's, as in 718-7, or SYSTEM|CODE, as in http://snomed.info/sct|38082009"
_TEXT = re.compile(r"[^\s|]+")
# What HL7 v2, DICOM and OIDs call the systems, in FHIR's words. What is not here keeps its own name.
_SYSTEMS = {
    "LN": codes.LOINC,
    "urn:oid:2.16.840.1.113883.6.1": codes.LOINC,
    "SCT": codes.SNOMED,
    "SNM": codes.SNOMED,
    "urn:oid:2.16.840.1.113883.6.96": codes.SNOMED,
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Code:
    """A code of a system."""

    system: str
    """As FHIR names it."""
    code: str

    @classmethod
    def of(cls, system: str, code: str) -> Self:
        """Return a code as a record has it; its system under one name, whatever the standard calls it."""
        return cls(system=_SYSTEMS.get(system, system), code=code)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the code that a person has written: one of LOINC's, or ``SYSTEM|CODE``.

        Raises:
            InvalidInputError: not written so, or the system has no codes of this form.
        """
        system, separator, code = text.rpartition("|")
        system = system if separator else codes.LOINC
        sizes = len(system) <= MAX_SYSTEM and len(code) <= MAX_CODE
        if not sizes or not _TEXT.fullmatch(system) or not code.strip() or not code.isprintable():
            raise InvalidInputError(f"not a code: {text[:80]!r}", hint=_HINT)
        found = cls.of(system, code)
        if not codes.can_be(found.system, code):
            raise InvalidInputError(f"{text[:80]!r} cannot be a code of {found.system}", hint=_HINT)
        return found

    def __str__(self) -> str:
        """Return it as a person writes it."""
        return self.code if self.system == codes.LOINC else f"{self.system}|{self.code}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """An examination that a record tells of."""

    codes: frozenset[Code]
    """Which one it is, in every system that says so; empty where none does."""
    when: str | None
    """When it was made: YYYY, YYYY-MM or YYYY-MM-DD. Of a period, when it began."""
    final: bool
    """Whether its status is that of a finished one, corrected or not."""
    has_result: bool | None
    """None: what it refers to would say so, and is not in the record."""
    composed: bool = False
    """Whether it is put together of others, which the record tells one by one."""
