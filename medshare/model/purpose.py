"""Purposes of use, in HL7's words (v3-ActReason, http://terminology.hl7.org/CodeSystem/v3-ActReason).

Terms and requests say one of HL7's 59 codes. On chain a purpose is one of a few coarse bits: enough to enforce, too
little to tell a diagnosis.
"""

from __future__ import annotations

from enum import IntFlag, StrEnum
from typing import Self

from medshare.errors import InvalidInputError


class Purpose(IntFlag):
    """Coarse purposes of use, one bit each; the same bits as the Solidity library ``Purposes``.

    ETREAT and BTG stand beside TREAT and not under it: treatment never implies an emergency or break-glass.
    """

    TREAT = 1 << 0
    """treatment"""
    ETREAT = 1 << 1
    """emergency treatment"""
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
    BTG = 1 << 8
    """break-glass: by an emergency episode only, never by a grant"""

    @property
    def codes(self) -> tuple[str, ...]:
        """The HL7 codes of the bits that are set, in bit order."""
        return tuple(member.name for member in type(self) if member in self and member.name)


class PurposeOfUse(StrEnum):
    """HL7 PurposeOfUse: why a record is read. A tree, see ``parent``."""

    HMARKT = "HMARKT"
    """healthcare marketing"""
    HOPERAT = "HOPERAT"
    """healthcare operations"""
    CAREMGT = "CAREMGT"
    """care management"""
    DONAT = "DONAT"
    """donation"""
    FRAUD = "FRAUD"
    """fraud detection"""
    GOV = "GOV"
    """government"""
    HACCRED = "HACCRED"
    """accreditation"""
    HCOMPL = "HCOMPL"
    """compliance"""
    HDECD = "HDECD"
    """about a decedent"""
    HDIRECT = "HDIRECT"
    """directory"""
    HDM = "HDM"
    """delivery management"""
    HLEGAL = "HLEGAL"
    """legal"""
    HOUTCOMS = "HOUTCOMS"
    """outcome measure"""
    HPRGRP = "HPRGRP"
    """program reporting"""
    HQUALIMP = "HQUALIMP"
    """quality improvement"""
    HSYSADMIN = "HSYSADMIN"
    """health system administration"""
    LABELING = "LABELING"
    """labeling"""
    METAMGT = "METAMGT"
    """metadata management"""
    MEMADMIN = "MEMADMIN"
    """member administration"""
    MILCDM = "MILCDM"
    """military command"""
    PATADMIN = "PATADMIN"
    """patient administration"""
    PATSFTY = "PATSFTY"
    """patient safety"""
    PERFMSR = "PERFMSR"
    """performance measure"""
    RECORDMGT = "RECORDMGT"
    """records management"""
    SYSDEV = "SYSDEV"
    """system development"""
    HTEST = "HTEST"
    """test data"""
    TRAIN = "TRAIN"
    """training"""
    HPAYMT = "HPAYMT"
    """healthcare payment"""
    CLMATTCH = "CLMATTCH"
    """claim attachment"""
    COVAUTH = "COVAUTH"
    """coverage authorization"""
    COVERAGE = "COVERAGE"
    """coverage under policy or program"""
    ELIGDTRM = "ELIGDTRM"
    """eligibility determination"""
    ELIGVER = "ELIGVER"
    """eligibility verification"""
    ENROLLM = "ENROLLM"
    """enrollment"""
    MILDCRG = "MILDCRG"
    """military discharge"""
    REMITADV = "REMITADV"
    """remittance advice"""
    HRESCH = "HRESCH"
    """healthcare research"""
    BIORCH = "BIORCH"
    """biomedical research"""
    CLINTRCH = "CLINTRCH"
    """clinical trial research"""
    CLINTRCHNPC = "CLINTRCHNPC"
    """clinical trial research without patient care"""
    CLINTRCHPC = "CLINTRCHPC"
    """clinical trial research with patient care"""
    PRECLINTRCH = "PRECLINTRCH"
    """preclinical trial research"""
    DSRCH = "DSRCH"
    """disease specific research"""
    POARCH = "POARCH"
    """population origins or ancestry research"""
    TRANSRCH = "TRANSRCH"
    """translational research"""
    PATRQT = "PATRQT"
    """at the patient's request"""
    FAMRQT = "FAMRQT"
    """at the family's request"""
    PWATRNY = "PWATRNY"
    """power of attorney"""
    SUPNWK = "SUPNWK"
    """support network"""
    PUBHLTH = "PUBHLTH"
    """public health"""
    DISASTER = "DISASTER"
    """disaster"""
    THREAT = "THREAT"
    """threat"""
    TREAT = "TREAT"
    """treatment"""
    CLINTRL = "CLINTRL"
    """clinical trial"""
    COC = "COC"
    """coordination of care"""
    ETREAT = "ETREAT"
    """emergency treatment"""
    BTG = "BTG"
    """break the glass"""
    ERTREAT = "ERTREAT"
    """emergency room treatment"""
    POPHLTH = "POPHLTH"
    """population health"""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the purpose that ``text`` names, in any case; raises ``InvalidInputError``."""
        code = text.strip().upper()
        if code not in cls.__members__:
            raise InvalidInputError(
                f"unknown purpose {code[:40]!r}",
                hint=f"an HL7 PurposeOfUse, such as {', '.join(each for each in cls if each.parent is None)}",
            )
        return cls[code]

    @property
    def parent(self) -> PurposeOfUse | None:
        """The purpose that this one is a kind of, or None at the top."""
        return _PARENTS.get(self)

    @property
    def line(self) -> tuple[PurposeOfUse, ...]:
        """This purpose and those above it, nearest first."""
        return _LINES[self]

    @property
    def coarse(self) -> Purpose:
        """The bit on chain."""
        return next(Purpose[each.name] for each in self.line if each.name in Purpose.__members__)

    @property
    def is_emergency(self) -> bool:
        """Whether it is ETREAT, BTG or ERTREAT, which nothing above them implies."""
        return PurposeOfUse.ETREAT in self.line

    def spans(self, other: PurposeOfUse) -> bool:
        """Whether ``other`` is this purpose or below it: how far a denial reaches."""
        return self in other.line

    def covers(self, other: PurposeOfUse) -> bool:
        """Whether who is permitted this purpose is permitted ``other``: emergencies must be named themselves."""
        return self is other or (self.spans(other) and not other.is_emergency)


_CHILDREN: dict[str, str] = {
    "HOPERAT": "CAREMGT DONAT FRAUD GOV HACCRED HCOMPL HDECD HDIRECT HDM HLEGAL HOUTCOMS HPRGRP HQUALIMP HSYSADMIN "
    "MEMADMIN MILCDM PATADMIN PATSFTY PERFMSR RECORDMGT SYSDEV TRAIN",
    "HSYSADMIN": "LABELING METAMGT",
    "SYSDEV": "HTEST",
    "HPAYMT": "CLMATTCH COVAUTH COVERAGE REMITADV",
    "COVERAGE": "ELIGDTRM ELIGVER ENROLLM MILDCRG",
    "HRESCH": "BIORCH CLINTRCH DSRCH POARCH TRANSRCH",
    "CLINTRCH": "CLINTRCHNPC CLINTRCHPC PRECLINTRCH",
    "PATRQT": "FAMRQT PWATRNY SUPNWK",
    "PUBHLTH": "DISASTER THREAT",
    "TREAT": "CLINTRL COC ETREAT POPHLTH",
    "ETREAT": "BTG ERTREAT",
}
_PARENTS = {
    PurposeOfUse[child]: PurposeOfUse[parent] for parent, children in _CHILDREN.items() for child in children.split()
}


def _line(purpose: PurposeOfUse) -> tuple[PurposeOfUse, ...]:
    parent = _PARENTS.get(purpose)
    return (purpose,) if parent is None else (purpose, *_line(parent))


_LINES = {purpose: _line(purpose) for purpose in PurposeOfUse}
