"""Consents of others against a second reading of FHIR, deliberately naive: what is taken over is never weakened.

given any Consent of R4 or R5 in words that medshare has, under another's policy, and any record, purpose and reader
├─ when it is taken over, what is granted then permits nothing that FHIR's reading denies
├─ and, emergencies aside, permits all that it permits
└─ when it is refused, it should say where; what is refused and what is taken over are both common
given any terms of ours, written as R5 or in a profile of PCF that has labels
└─ who knows FHIR and not our policy permits nothing, emergencies aside, that the terms deny
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import date

import pytest
from consent_table import DOCTOR, HOSPITAL, OTHER, PATIENT, RECORD, STRANGER, subject
from consents import CHAIN, as_consent, as_given, one_grant
from hypothesis import given, settings
from hypothesis import strategies as st
from test_decide import FEW_PURPOSES, subjects

from medshare.content import Cid
from medshare.errors import InvalidInputError, NotExpressibleError
from medshare.model.consent import Grant, Subject, Terms, decide
from medshare.model.labels import SENSITIVITY
from medshare.model.purpose import Purpose, PurposeOfUse
from medshare.model.record import RecordStatus
from medshare.standards.fhir_consent import Known, Profile, read_consent
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
from medshare.standards.fhir_consent.r4 import to_fhir as write_r4
from medshare.standards.fhir_consent.r5 import to_fhir as write_r5

pytestmark = [pytest.mark.unit, pytest.mark.timeout(1_200)]

POLICY = "https://example.org/policy"
KNOWN = Known(
    chain_id=1,
    people={"Patient/1": PATIENT, "Practitioner/2": DOCTOR, "Practitioner/3": STRANGER, "Organization/4": HOSPITAL},
    records={"Observation/5": RECORD, "Observation/6": OTHER},
    policies=frozenset({POLICY}),
)
PURPOSES = [PurposeOfUse[code] for code in ("TREAT", "COC", "ETREAT", "HRESCH", "CLINTRCH", "HPAYMT")]
LABELS = ["N", "R", "V", "PSY", "SPI", "OPIOIDUD", "HIV"]
ORDER = "UL" + "MNRV"
NAMED = {"Observation/5": RECORD, "Observation/6": OTHER}
READERS = {"Practitioner/2": DOCTOR, "Practitioner/3": STRANGER}


def some(values, **limits):
    return st.lists(st.sampled_from(values), unique=True, **limits)


rules = st.fixed_dictionaries(
    {
        "effect": st.sampled_from(["permit", "deny"]),
        "purposes": some(PURPOSES, max_size=2),
        "labels": st.just([]) | some(LABELS, max_size=2),
        "window": st.sampled_from(
            [None, None, None, ("2026-02", "2026-02"), ("2026-02-10", None), (None, "2026-02-09")]
        ),
        "data": st.just([]) | some(list(NAMED), max_size=2),
        "readers": st.just([]) | some(list(READERS), max_size=1),
    }
)


# ---------------------------------------------------------------------------------------------- as documents


def conditions(rule: dict) -> dict:
    said = {
        "purpose": [coding((ACT_REASON, each.value)) for each in rule["purposes"]],
        "securityLabel": [
            coding((CONFIDENTIALITY_SYSTEM if each in ORDER else ACT_CODE, each)) for each in rule["labels"]
        ],
        "data": [{"meaning": "instance", "reference": {"reference": each}} for each in rule["data"]],
        "actor": [{"role": concept(RECIPIENT), "reference": {"reference": each}} for each in rule["readers"]],
    }
    if rule["window"] is not None:
        start, end = rule["window"]
        said["dataPeriod"] = {name: each for name, each in (("start", start), ("end", end)) if each is not None}
    return {name: value for name, value in said.items() if value}


def r4(root: dict, nested: list[dict]) -> dict:
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": concept(PRIVACY),
        "category": [concept(CONSENT_DOCUMENT)],
        "patient": {"reference": "Patient/1"},
        "policy": [{"uri": POLICY}],
        "provision": {
            "type": root["effect"],
            **conditions(root),
            **({"provision": [{"type": each["effect"], **conditions(each)} for each in nested]} if nested else {}),
        },
    }


def r5(permits: bool, branches: list[tuple[dict, list[dict]]]) -> dict:
    provisions = [
        {**conditions(rule), **({"provision": [conditions(each) for each in exceptions]} if exceptions else {})}
        for rule, exceptions in branches
    ]
    return {
        "resourceType": "Consent",
        "status": "active",
        "subject": {"reference": "Patient/1"},
        "policyBasis": {"url": POLICY},
        "decision": "permit" if permits else "deny",
        **({"provision": provisions} if provisions else {}),
    }


# ------------------------------------------------------------------------------------------------ the naive one


def applies(rule: dict, asked, *, effect: str, root: dict | None = None) -> bool:
    """Whether a rule is about what is asked, as FHIR describes its elements."""
    reader, purpose, record, label, day = asked
    purposes = rule["purposes"] or (root["purposes"] if root else [])
    labels = rule["labels"] or (root["labels"] if root and effect == "permit" else [])
    return all(
        (
            not rule["readers"] or reader in [READERS[each] for each in rule["readers"]],
            not purposes or any(each in purpose.line for each in purposes),
            not rule["data"] or record in [NAMED[each] for each in rule["data"]],
            rule["window"] is None or in_window(rule["window"], day),
            not labels or carries(labels, label, effect),
        )
    )


def in_window(window: tuple, day: date) -> bool:
    first = {"2026-02": date(2026, 2, 1), "2026-02-10": date(2026, 2, 10)}
    last = {"2026-02": date(2026, 2, 28), "2026-02-09": date(2026, 2, 9)}
    start, end = window
    return (start is None or first[start] <= day) and (end is None or day <= last[end])


def carries(labels: list, label: str | None, effect: str) -> bool:
    """Confidentiality is a high-water mark, and data without a label is normal; sensitivity is a tree."""
    if label is None or label in ORDER:
        rank = ORDER.index(label or "N")
        ranks = [ORDER.index(each) for each in labels if each in ORDER]
        if effect == "permit":
            return any(rank <= each for each in ranks)
        return label is not None and any(rank >= each for each in ranks)
    above: str | None = label
    while above is not None:
        if above in labels:
            return True
        above = SENSITIVITY[above]
    return False


def naive_r4(root: dict, nested: list[dict], asked) -> bool:
    if not applies(root, asked, effect=root["effect"]) and root["readers"]:
        reader_in = asked[0] in [READERS[each] for each in root["readers"]]
        if not reader_in:
            return False
    permitted = root["effect"] == "permit" and applies(root, asked, effect="permit")
    permitted |= any(each["effect"] == "permit" and applies(each, asked, effect="permit", root=root) for each in nested)
    denied = any(each["effect"] == "deny" and applies(each, asked, effect="deny", root=root) for each in nested)
    return permitted and not denied


def naive_r5(permits: bool, branches, asked) -> bool:
    if permits:
        return not any(applies(rule, asked, effect="deny") for rule, _ in branches)
    return any(
        applies(rule, asked, effect="permit")
        and not any(applies(each, asked, effect="deny", root={**rule, "labels": []}) for each in exceptions)
        for rule, exceptions in branches
    )


# ----------------------------------------------------------------------------------------------- side by side


def ours(document: dict, asked) -> bool:
    reader, purpose, record, label, day = asked
    found = read_consent(json.dumps(document).encode(), KNOWN, reader)
    if not found.permits:
        return False
    terms = Terms(patient=found.patient, grantee=reader, provisions=found.provisions, salt=b"\1" * 32)
    grant = Grant(
        grant_id=terms.grant_id(), grantee=reader, not_before=1, expires_at=9, purposes=Purpose(0), stamp=0, epoch=1
    )
    about = subject(record=record, labels=() if label is None else (label,), clinical_date=day.isoformat())
    return decide([as_consent(found.provisions, grant)], subject=about, purpose=purpose, reader=reader, now=5).permitted


questions = st.tuples(
    st.just(DOCTOR),
    st.sampled_from(PURPOSES),
    st.sampled_from([RECORD, OTHER]),
    st.sampled_from([None, *LABELS]),
    st.sampled_from([date(2026, 1, 31), date(2026, 2, 9), date(2026, 2, 10), date(2026, 3, 1)]),
)
branches = st.lists(st.tuples(rules, st.lists(rules, max_size=2)), max_size=2)


@pytest.mark.parametrize("version", ["R4", "R5"])
def test_foreign__any_consent__is_never_weakened(version: str) -> None:
    came: Counter[str] = Counter()

    @settings(max_examples=200, deadline=None)
    @given(root=rules, nested=st.lists(rules, max_size=3), permits=st.booleans(), tree=branches, asked=questions)
    def check(root, nested, permits, tree, asked) -> None:
        if version == "R4":
            document, expected = r4(root, nested), naive_r4(root, nested, asked)
        else:
            document, expected = r5(permits, tree), naive_r5(permits, tree, asked)
        try:
            permitted = ours(document, asked)
        except NotExpressibleError as error:
            came["refused by path" if error.what.startswith("Consent") else error.what] += 1
            return
        except InvalidInputError as error:
            came["for other readers" if not expected else str(error)] += 1
            return
        came[f"taken over, {'permitted' if permitted else 'denied'}"] += 1
        assert not permitted or expected, "weakened"
        if not asked[1].is_emergency:
            assert permitted == expected, "not what FHIR says"

    check()
    came.pop("for other readers", None)
    assert came.keys() == {"refused by path", "taken over, permitted", "taken over, denied"}


# -------------------------------------------------------------------------------- ours, read by who knows FHIR only


def taken_apart(rule: dict, effect: str) -> dict:
    """Return a rule that we wrote as the naive reading has them."""
    period = rule.get("dataPeriod")
    return {
        "effect": effect,
        "purposes": [PurposeOfUse(each["code"]) for each in rule.get("purpose", [])],
        "labels": [each["code"] for each in rule.get("securityLabel", [])],
        "window": None if period is None else (period.get("start"), period.get("end")),
        "data": [
            (
                each["reference"]["identifier"]["value"],
                each["reference"]["identifier"]["assigner"]["identifier"]["value"],
            )
            for each in rule.get("data", [])
        ],
        "custodians": [
            each["reference"]["identifier"]["value"]
            for each in rule.get("actor", [])
            if each["role"]["coding"][0]["code"] == "CST"
        ],
        "kinds": [each["code"] for each in rule.get("documentType", [])],
    }


def is_about(rule: dict, subject: Subject, purpose: PurposeOfUse) -> bool:
    custodian = f"did:pkh:eip155:{CHAIN}:{subject.record.custodian}"
    days = subject.days
    start, end = rule["window"] or (None, None)
    label = subject.labels[0] if subject.labels else None
    return all(
        (
            any(each in purpose.line for each in rule["purposes"]),
            not rule["data"] or (f"ipfs://{Cid.of_directory(subject.record.record_id)}", custodian) in rule["data"],
            not rule["custodians"] or custodian in rule["custodians"],
            not rule["kinds"] or subject.category in rule["kinds"],
            rule["window"] is None
            or (
                days is not None
                and (start is None or date.fromisoformat(start).toordinal() <= days.start)
                and (end is None or days.stop <= date.fromisoformat(end).toordinal() + 1)
            ),
            not rule["labels"] or carries(rule["labels"], label, rule["effect"]),
        )
    )


def naive_reading(consent: dict, subject: Subject, purpose: PurposeOfUse) -> bool:
    if "decision" in consent:
        tree = [(each, each.get("provision", [])) for each in consent["provision"]]
    elif consent["provision"]["type"] == "permit":
        tree = [(consent["provision"], consent["provision"].get("provision", []))]
    else:
        tree = [(each, []) for each in consent["provision"]["provision"]]
    return any(
        is_about(taken_apart(rule, "permit"), subject, purpose)
        and not any(is_about(taken_apart(each, "deny"), subject, purpose) for each in exceptions)
        for rule, exceptions in tree
    )


@pytest.mark.parametrize("profile", [None, Profile.ADVANCED], ids=["R5", "PCF advanced"])
def test_ours__read_by_who_does_not_know_our_policy__is_never_weakened(profile: Profile | None) -> None:
    came: Counter[str] = Counter()

    @settings(max_examples=150, deadline=None)
    @given(
        said=one_grant, about=subjects, label=st.sampled_from([None, *LABELS]), purpose=st.sampled_from(FEW_PURPOSES)
    )
    def check(said, about, label, purpose) -> None:
        provisions = tuple(replace(each, obligations=()) for each in said.provisions)
        if profile is not None:
            provisions = tuple(
                replace(each, categories=(), custodians=(), everything=not each.records) for each in provisions
            )
        consent = as_given(replace(said, provisions=provisions))
        asked = replace(
            about,
            patient=consent.terms.patient,
            labels=() if label is None else (label,),
            clinical_date="2026-02-10",
            status=RecordStatus.ACTIVE,
            lineage=(),
        )
        try:
            written = write_r5(consent) if profile is None else write_r4(consent, profile)
        except NotExpressibleError:
            came["refused"] += 1
            return
        if purpose.is_emergency:
            return
        others = naive_reading(written, asked, purpose)
        granted = as_consent(provisions, consent.grant)
        reader, now = consent.terms.grantee, consent.grant.not_before
        decided = decide([granted], subject=asked, purpose=purpose, reader=reader, now=now)
        came[f"{'permitted' if others else 'denied'} elsewhere"] += 1
        assert decided.permitted or not others

    check()
    assert came.keys() == {"refused", "permitted elsewhere", "denied elsewhere"}
