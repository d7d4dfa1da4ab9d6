"""The consents that IHE PCF describes, and what it says is decided under each. Data only; test_pcf.py runs every row.

A hospital holds a patient's records. The practitioner and the clerk are two readers whom it knows. What a row asks is
a record's label and date, the purpose and the reader; what it states is the profile's word, permit or deny.
"""

from __future__ import annotations

from dataclasses import dataclass

from consent_table import DOCTOR, HOSPITAL, OTHER, PATIENT, RECORD, STRANGER

from medshare.model.purpose import PurposeOfUse
from medshare.model.purpose import PurposeOfUse as P
from medshare.model.record import RecordRef
from medshare.standards.fhir_consent import BreakGlass, Known, Profile
from medshare.standards.fhir_consent.codes import (
    ACT_CODE,
    ACT_REASON,
    CONFIDENTIALITY_SYSTEM,
    CONSENT_DOCUMENT,
    PRIVACY,
    RECIPIENT,
    coding,
    concept,
)
from medshare.standards.fhir_consent.reading import ALL_NORMAL, BASIC_NORMAL, BREAK_GLASS_ONLY, DENY_ALL

PRACTITIONER, CLERK = DOCTOR, STRANGER
POLICY = "http://example.org/policies/basePrivacyConsentPolicy.txt"
KNOWN = Known(
    chain_id=1,
    people={
        "Patient/1": PATIENT,
        "Practitioner/2": PRACTITIONER,
        "Practitioner/3": CLERK,
        "Organization/4": HOSPITAL,
        "Organization/5": PRACTITIONER,
    },
    records={"Observation/6": RECORD, "Observation/7": OTHER},
    policies=frozenset({POLICY}),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question, and the profile's answer."""

    permitted: bool
    purpose: PurposeOfUse = P.TREAT
    reader: str = PRACTITIONER
    label: str | None = "N"
    date: str = "2022-06-13"
    record: RecordRef = RECORD
    now: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One consent."""

    name: str
    profile: Profile
    consent: dict
    asked: tuple[Asked, ...] = ()
    break_glass: BreakGlass = BreakGlass.REFUSED
    refused: str | None = None
    """What medshare answers where it cannot say this."""


def consent(provision: dict, *, policy: str = POLICY, **more) -> dict:
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": concept(PRIVACY),
        "category": [concept(CONSENT_DOCUMENT)],
        "patient": {"reference": "Patient/1"},
        "dateTime": "2022-06-13",
        "performer": [{"reference": "Patient/1"}],
        "organization": [{"reference": "Organization/4"}],
        "sourceReference": {"reference": "DocumentReference/8"},
        "policy": [{"uri": policy}],
        "provision": provision,
        **more,
    }


def rule(effect: str, *purposes: P, label: tuple[str, ...] = (), actor: str | None = None, **more) -> dict:
    said = {"type": effect, **more}
    if purposes:
        said["purpose"] = [coding((ACT_REASON, each)) for each in purposes]
    if label:
        said["securityLabel"] = [
            coding((CONFIDENTIALITY_SYSTEM if each in ("N", "R") else ACT_CODE, each)) for each in label
        ]
    if actor is not None:
        said["actor"] = [{"role": concept(RECIPIENT), "reference": {"reference": actor}}]
    return said


def data(meaning: str, *references: str) -> list[dict]:
    return [{"meaning": meaning, "reference": {"reference": each}} for each in references]


CARE = (P.TREAT, P.HPAYMT, P.HOPERAT)
YEAR = {"start": "2022-01", "end": "2022-12"}
USUAL = (
    Asked(permitted=True),
    Asked(permitted=True, purpose=P.HPAYMT),
    Asked(permitted=True, purpose=P.HOPERAT, reader=CLERK),
    Asked(permitted=True, label="R"),
    Asked(permitted=True, label="PSY"),
    Asked(permitted=True, label=None),
    Asked(permitted=False, purpose=P.HRESCH),
    Asked(permitted=False, purpose=P.BTG),
)
NOTHING = tuple(Asked(permitted=False, purpose=each) for each in (*CARE, P.HRESCH, P.BTG))
NORMAL_ONLY = (
    Asked(permitted=True),
    Asked(permitted=True, label=None),
    Asked(permitted=False, label="R"),
    Asked(permitted=False, label="PSY"),
    Asked(permitted=False, purpose=P.HRESCH),
)
GLASS = rule("permit", P.BTG, actor="Group/9")

EXAMPLES = (
    Example(name="basic-treat", profile=Profile.BASIC, consent=consent(rule("permit", *CARE)), asked=USUAL),
    Example(
        name="basic-by-a-parent",
        profile=Profile.BASIC,
        consent=consent(rule("permit", *CARE), performer=[{"reference": "RelatedPerson/10"}]),
        asked=USUAL,
    ),
    Example(name="basic-reject", profile=Profile.BASIC, consent=consent(rule("deny", *CARE)), asked=NOTHING),
    Example(
        name="basic-that-ends",
        profile=Profile.BASIC,
        consent=consent(rule("permit", *CARE, period={"end": "2022-12-31"})),
        asked=(
            Asked(permitted=True, now=1_672_531_199),
            Asked(permitted=False, now=1_672_531_200),
        ),
    ),
    Example(
        name="basic-for-one-reader",
        profile=Profile.BASIC,
        consent=consent(rule("permit", *CARE, actor="Practitioner/2")),
        asked=(Asked(permitted=True), Asked(permitted=False, purpose=P.HRESCH)),
    ),
    Example(
        name="basic-with-break-glass",
        profile=Profile.BASIC,
        consent=consent(rule("permit", *CARE, P.BTG)),
        asked=(
            Asked(permitted=True),
            Asked(permitted=True, purpose=P.BTG),
            Asked(permitted=True, purpose=P.BTG, label="R"),
        ),
        break_glass=BreakGlass.PERMITTED,
    ),
    Example(
        name="policy-basic-normal",
        profile=Profile.BASIC,
        consent=consent(rule("permit"), policy=BASIC_NORMAL),
        asked=(Asked(permitted=True), *(Asked(permitted=False, purpose=each) for each in (P.HPAYMT, P.HRESCH, P.BTG))),
    ),
    Example(
        name="policy-all-normal",
        profile=Profile.BASIC,
        consent=consent(rule("permit"), policy=ALL_NORMAL),
        asked=tuple(Asked(permitted=True, purpose=each) for each in (*CARE, P.HRESCH, P.ETREAT)),
    ),
    Example(name="policy-deny", profile=Profile.BASIC, consent=consent(rule("deny"), policy=DENY_ALL), asked=NOTHING),
    Example(
        name="policy-deny-agreed-with",
        profile=Profile.BASIC,
        consent=consent(rule("permit"), policy=DENY_ALL),
        refused="a policy that denies is no permission",
    ),
    Example(
        name="timeframe",
        profile=Profile.INTERMEDIATE,
        consent=consent(rule("permit", *CARE, dataPeriod=YEAR)),
        asked=(
            *(Asked(permitted=True, date=each) for each in ("2022-01-01", "2022-12-31")),
            *(Asked(permitted=False, date=each) for each in ("2021-12-31", "2023-01-01")),
        ),
    ),
    Example(
        name="not-timeframe",
        profile=Profile.INTERMEDIATE,
        consent=consent(rule("permit", *CARE, provision=[rule("deny", dataPeriod=YEAR)])),
        asked=(
            *(Asked(permitted=False, date=each) for each in ("2022-01-01", "2022-12-31")),
            *(Asked(permitted=True, date=each) for each in ("2021-12-31", "2023-01-01")),
        ),
    ),
    Example(
        name="data",
        profile=Profile.INTERMEDIATE,
        consent=consent(rule("permit", *CARE, data=data("instance", "Observation/6"))),
        asked=(Asked(permitted=True), Asked(permitted=True, label="R"), Asked(permitted=False, record=OTHER)),
    ),
    Example(
        name="not-data",
        profile=Profile.INTERMEDIATE,
        consent=consent(rule("permit", *CARE, provision=[rule("deny", data=data("instance", "Observation/6"))])),
        asked=(Asked(permitted=False), Asked(permitted=True, record=OTHER)),
    ),
    Example(
        name="authoredby",
        profile=Profile.INTERMEDIATE,
        consent=consent(rule("permit", *CARE, data=data("authoredby", "Practitioner/2"))),
        refused=r"Consent\.provision\.data\[0\]\.meaning",
    ),
    Example(
        name="not-authoredby",
        profile=Profile.INTERMEDIATE,
        consent=consent(rule("permit", *CARE, provision=[rule("deny", data=data("authoredby", "Practitioner/2"))])),
        refused=r"Consent\.provision\.provision\[0\]\.data\[0\]\.meaning",
    ),
    Example(
        name="encounter",
        profile=Profile.INTERMEDIATE,
        consent=consent(rule("permit", *CARE, data=data("related", "Encounter/11"))),
        refused=r"Consent\.provision\.data\[0\]\.meaning",
    ),
    Example(
        name="not-encounter",
        profile=Profile.INTERMEDIATE,
        consent=consent(rule("permit", *CARE, provision=[rule("deny", data=data("related", "Encounter/11"))])),
        refused=r"Consent\.provision\.provision\[0\]\.data\[0\]\.meaning",
    ),
    Example(
        name="purpose-of-a-project",
        profile=Profile.INTERMEDIATE,
        consent=consent(
            {
                **rule("permit", actor="Organization/5"),
                "purpose": [coding(("http://example.org/policies/purposeOfUse", "FooBar"))],
            }
        ),
        refused=r"Consent\.provision\.purpose\[0\]",
    ),
    Example(
        name="research",
        profile=Profile.INTERMEDIATE,
        consent=consent(rule("permit", P.HRESCH, actor="Organization/5")),
        asked=(
            Asked(permitted=True, purpose=P.HRESCH),
            Asked(permitted=True, purpose=P.CLINTRCH),
            Asked(permitted=False),
        ),
    ),
    Example(
        name="dissent-except-break-glass",
        profile=Profile.INTERMEDIATE,
        consent=consent(rule("deny", provision=[GLASS]), policy=BREAK_GLASS_ONLY),
        asked=(
            *(Asked(permitted=False, purpose=each) for each in (*CARE, P.HRESCH, P.ETREAT)),
            Asked(permitted=True, purpose=P.BTG),
            Asked(permitted=True, purpose=P.BTG, label="R"),
        ),
        break_glass=BreakGlass.PERMITTED,
    ),
    Example(
        name="normal",
        profile=Profile.ADVANCED,
        consent=consent(rule("permit", *CARE, label=("N",))),
        asked=NORMAL_ONLY,
    ),
    Example(
        name="normal-restricted",
        profile=Profile.ADVANCED,
        consent=consent(rule("permit", *CARE, label=("N", "R"))),
        asked=(Asked(permitted=True), Asked(permitted=True, label="R"), Asked(permitted=False, label="PSY")),
    ),
    Example(
        name="normal-not-restricted",
        profile=Profile.ADVANCED,
        consent=consent(rule("permit", *CARE, label=("N",), provision=[rule("deny", label=("R",))])),
        asked=NORMAL_ONLY,
    ),
    Example(
        name="normal-focused-restricted",
        profile=Profile.ADVANCED,
        consent=consent(
            rule("permit", *CARE, label=("N",), provision=[rule("permit", label=("R",), actor="Practitioner/2")])
        ),
        asked=(
            Asked(permitted=True),
            Asked(permitted=True, label="R"),
            Asked(permitted=True, reader=CLERK),
            Asked(permitted=False, label="R", reader=CLERK),
            Asked(permitted=False, label="R", purpose=P.HRESCH),
        ),
    ),
    Example(
        name="normal-focused-psy",
        profile=Profile.ADVANCED,
        consent=consent(
            rule("permit", *CARE, label=("N",), provision=[rule("permit", label=("PSY",), actor="Practitioner/2")])
        ),
        asked=(
            Asked(permitted=True),
            Asked(permitted=True, label="PSY"),
            Asked(permitted=False, label="SDV"),
            Asked(permitted=False, label="PSY", reader=CLERK),
            Asked(permitted=True, reader=CLERK),
        ),
    ),
    Example(
        name="normal-focused-psy-or-sdv",
        profile=Profile.ADVANCED,
        consent=consent(
            rule(
                "permit", *CARE, label=("N",), provision=[rule("permit", label=("PSY", "SDV"), actor="Practitioner/2")]
            )
        ),
        asked=(
            *(Asked(permitted=True, label=each) for each in ("N", "PSY", "SDV")),
            *(Asked(permitted=False, label=each) for each in ("R", "HIV")),
            *(Asked(permitted=False, label=each, reader=CLERK) for each in ("PSY", "SDV")),
        ),
    ),
    Example(
        name="normal-break-glass-restricted",
        profile=Profile.ADVANCED,
        consent=consent(
            rule("permit", *CARE, label=("N",), provision=[rule("permit", P.BTG, label=("R",), actor="Group/9")])
        ),
        refused=r"Consent\.provision\.provision\[0\]: an episode opens all",
    ),
)
