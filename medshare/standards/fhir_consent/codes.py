"""The code systems of a Consent: which code says what a provision says, and back.

Where HL7 has the word, it is HL7's. Kinds of record and labels of somebody else have systems of their own, which
docs/consent-standards.md describes: nobody mistakes one for a code of HL7's.
"""

from __future__ import annotations

from typing import TypeAlias

from medshare.model.labels import CONFIDENTIALITY, SENSITIVITY, is_label
from medshare.model.provision import Duty
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Category

Code: TypeAlias = tuple[str, str]
"""A system and a code of it."""

_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
ACT_CODE = _TERMINOLOGY + "v3-ActCode"
ACT_REASON = _TERMINOLOGY + "v3-ActReason"
CONFIDENTIALITY_SYSTEM = _TERMINOLOGY + "v3-Confidentiality"
PARTICIPATION = _TERMINOLOGY + "v3-ParticipationType"
SCOPE = _TERMINOLOGY + "consentscope"
CATEGORY_CODES = _TERMINOLOGY + "consentcategorycodes"
LOINC = "http://loinc.org"

POLICY = "urn:uuid:f2287a9d-e96b-4daa-a29f-bc28ebc88051"
"""The rules of docs/consent.md, under which the provisions of what we write are to be read."""
KIND_SYSTEM = "urn:uuid:a90d0d39-238e-4e11-b77d-0e99240a36d7"
"""Kinds of record: the codes are ``Category``'s."""
LABEL_SYSTEM = "urn:uuid:c3f8a95c-a045-450e-b823-97fa224470fe"
"""Labels that are no codes of HL7's, as they stand in manifests."""
ERASE_BY = "urn:uuid:7d5572be-8a97-4ebb-afc8-e3d2c9f26a3e"
"""Modifier extension: from this instant on the provision permits nothing, and nothing obtained may be kept."""

RECIPIENT: Code = (PARTICIPATION, "IRCP")
CUSTODIAN: Code = (PARTICIPATION, "CST")
PRIVACY: Code = (SCOPE, "patient-privacy")
RESEARCH: Code = (SCOPE, "research")
CONSENT_DOCUMENT: Code = (LOINC, "59284-0")
OPT_IN: Code = (ACT_CODE, "OPTIN")
OPT_OUT: Code = (ACT_CODE, "OPTOUT")
CATEGORIES = frozenset(
    {
        CONSENT_DOCUMENT,
        (LOINC, "57016-8"),
        (LOINC, "57017-6"),
        (LOINC, "64292-6"),
        (ACT_CODE, "INFA"),
        (ACT_CODE, "IDSCL"),
        (CATEGORY_CODES, "research"),
    }
)
"""What kinds of Consent are about access to information, and about nothing else."""

NORMAL = "N"
CLEARED = frozenset("NRV")
"""Confidentiality is a high-water mark: a permission with one of these is about what is ordinary, too."""
EVERY_LABEL = ("V", *(code for code, parent in SENSITIVITY.items() if parent is None))
"""Named together, these cover every label of HL7's."""
_DUTIES = {duty.value: duty for duty in Duty if duty is not Duty.ERASE_BY}


def coding(code: Code, display: str | None = None) -> dict[str, str]:
    """Return a Coding."""
    said = {"system": code[0], "code": code[1]}
    return said if display is None else {**said, "display": display}


def concept(code: Code) -> dict[str, list[dict[str, str]]]:
    """Return a CodeableConcept with one coding."""
    return {"coding": [coding(code)]}


def label_code(label: str) -> Code:
    """Return the code of a label: HL7's where it is one as HL7 writes it."""
    if label in CONFIDENTIALITY:
        return CONFIDENTIALITY_SYSTEM, label
    return (ACT_CODE if label in SENSITIVITY else LABEL_SYSTEM), label


def label_of(code: Code) -> str | None:
    """Return the label that a code is, or None where it is none that we know."""
    system, value = code
    if system == LABEL_SYSTEM:
        return value if is_label(value) and label_code(value) == code else None
    known = {CONFIDENTIALITY_SYSTEM: frozenset(CONFIDENTIALITY), ACT_CODE: frozenset(SENSITIVITY)}
    return value if value in known.get(system, ()) else None


def duty_code(duty: Duty) -> Code:
    """Return the code of an obligation that has no time."""
    return ACT_CODE, duty.value


def duty_of(code: Code) -> Duty | None:
    """Return the obligation that a code is, or None where it is none."""
    return _DUTIES.get(code[1]) if code[0] == ACT_CODE else None


def purpose_of(code: Code) -> PurposeOfUse | None:
    """Return the purpose that a code is, or None where it is none of HL7's."""
    return PurposeOfUse(code[1]) if code[0] == ACT_REASON and code[1] in PurposeOfUse.__members__ else None


def kind_of(code: Code) -> Category | None:
    """Return the kind of record that a code is, or None where it is none of ours."""
    return Category(code[1]) if code[0] == KIND_SYSTEM and code[1] in list(Category) else None
