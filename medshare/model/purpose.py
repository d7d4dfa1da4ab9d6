"""Purposes of use, in HL7's words (v3-ActReason, http://terminology.hl7.org/CodeSystem/v3-ActReason).

On chain a purpose is one of a few coarse bits: enough to enforce, too little to tell a diagnosis.
"""

from __future__ import annotations

from enum import IntFlag
from typing import Self

from medshare.errors import InvalidInputError


class Purpose(IntFlag):
    """Coarse purposes of use, one bit each; the same bits as the Solidity library ``Purposes``.

    ETREAT stands beside TREAT and not under it: treatment never implies an emergency or break-glass.
    """

    TREAT = 1 << 0
    """treatment"""
    ETREAT = 1 << 1
    """emergency treatment, break-glass included"""
    HPAYMT = 1 << 2
    """healthcare payment"""
    HOPERAT = 1 << 3
    """healthcare operations"""
    HRESCH = 1 << 4
    """healthcare research"""
    PATRQT = 1 << 5
    """at the patient's request"""
    PUBHLTH = 1 << 6
    """public health"""
    HMARKT = 1 << 7
    """healthcare marketing"""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the purposes that ``text`` names, separated by commas, in any case.

        Raises:
            InvalidInputError: an unknown code, or none at all.
        """
        purposes = cls(0)
        for code in (part.strip().upper() for part in text.split(",")):
            if code not in cls.__members__:
                raise InvalidInputError(
                    f"unknown purpose {code[:40]!r}",
                    hint=f"one of {', '.join(cls.__members__)} (HL7 PurposeOfUse)",
                )
            purposes |= cls[code]
        return purposes

    @classmethod
    def known(cls) -> Self:
        """Return every purpose that has a code; on chain there is room for more."""
        known = cls(0)
        for member in cls:
            known |= member
        return known

    @property
    def codes(self) -> tuple[str, ...]:
        """The HL7 codes of the bits that are set, in bit order."""
        return tuple(member.name for member in type(self) if member in self and member.name)
