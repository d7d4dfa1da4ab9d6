"""IHE PCF's consents: taken over with the decisions that the profile states, or refused; and ours in its profiles.

given a consent that the profile describes
├─ when it is read, it should be of the profile that the description names
├─ when medshare can say it, each reader, label, date and purpose should get the profile's answer, break-glass too
└─ when medshare cannot, it should refuse and name the element
given terms of ours
├─ when a profile has a place for them, what is written should conform, be valid, and decide as before
└─ when it has none, it should refuse and name the provision
"""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pytest
from consent_table import CLINIC, DOCTOR, HOSPITAL, OTHER, RECORD, Given, deny, episode, must, permit, subject
from consents import KNOWN as OURS
from consents import as_consent, as_given, given_consent, one_grant
from fhir.resources.R4B.consent import Consent as Judge
from hypothesis import given, settings
from hypothesis import strategies as st
from pcf_examples import EXAMPLES, KNOWN, PRACTITIONER, Asked, Example, consent, data, rule
from test_decide import FEW_PURPOSES, subjects

from medshare.errors import NotExpressibleError
from medshare.model.consent import Duty, Grant, Provision, Subject, Terms, decide
from medshare.model.ids import Address
from medshare.model.purpose import Purpose
from medshare.model.purpose import PurposeOfUse as P
from medshare.model.record import Category
from medshare.standards.fhir_consent import BreakGlass, ImportedConsent, Profile, profile_of, r4, read_consent
from medshare.standards.fhir_consent.codes import ACT_CODE, coding

pytestmark = [pytest.mark.unit, pytest.mark.timeout(1_200)]

LEVELS = list(Profile)
SAYABLE = [each for each in EXAMPLES if each.refused is None]
BEFORE, AFTER, NOW = 1_600_000_000, 1_900_000_000, 1_660_000_000


def taken_over(example: Example, reader: Address) -> ImportedConsent:
    return read_consent(json.dumps(example.consent).encode(), KNOWN, reader)


def is_permitted(found: ImportedConsent, asked: Asked) -> bool:
    """Decide as medshare does: granted where there is something to grant, break-glass barred unless it is permitted."""
    consents = []
    if found.permits:
        grant = Grant(
            grant_id=Terms(
                patient=found.patient, grantee=found.reader, provisions=found.provisions, salt=b"\1" * 32
            ).grant_id(),
            grantee=found.reader,
            not_before=found.not_before or BEFORE,
            expires_at=found.expires_at or AFTER,
            purposes=Purpose(0),
            stamp=0,
            epoch=1,
        )
        consents.append(as_consent(found.provisions, grant))
    now = asked.now or NOW
    barred = found.break_glass is not BreakGlass.PERMITTED
    decision = decide(
        consents,
        subject=subject(
            record=asked.record, labels=() if asked.label is None else (asked.label,), clinical_date=asked.date
        ),
        purpose=asked.purpose,
        reader=asked.reader,
        now=now,
        episodes=() if barred else (episode(clinician=asked.reader, opened_at=now - 1, ends_at=now + 1),),
    )
    return decision.permitted


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_example__is_of_its_profile_and_a_valid_resource(example: Example) -> None:
    Judge.model_validate(copy.deepcopy(example.consent))
    found = profile_of(example.consent)
    assert found.profile is example.profile, found.reasons
    assert set(found.reasons) >= set(LEVELS[: LEVELS.index(example.profile)])


@pytest.mark.parametrize("example", SAYABLE, ids=lambda example: example.name)
def test_example__taken_over__decides_what_the_profile_states(example: Example) -> None:
    assert example.asked
    for asked in example.asked:
        found = taken_over(example, asked.reader)
        assert found.break_glass is example.break_glass
        assert is_permitted(found, asked) is asked.permitted, asked


@pytest.mark.parametrize(
    "example", [each for each in EXAMPLES if each.refused is not None], ids=lambda example: example.name
)
def test_example__that_medshare_cannot_say__is_refused(example: Example) -> None:
    with pytest.raises(NotExpressibleError, match=example.refused):
        taken_over(example, PRACTITIONER)


def test_dissent__grants_nothing_and_is_no_error() -> None:
    found = taken_over(next(each for each in EXAMPLES if each.name == "basic-reject"), DOCTOR)
    assert (found.permits, found.provisions) == (False, ())


def test_break_glass__permitted_and_denied__is_refused() -> None:
    both = [rule("permit", P.BTG), rule("deny", P.BTG)]
    with pytest.raises(NotExpressibleError, match="permits and denies break-glass"):
        read_consent(json.dumps(consent(rule("permit", P.TREAT, provision=both))).encode(), KNOWN, DOCTOR)


def test_break_glass__denied_by_name__is_refused_to_everybody() -> None:
    said = consent(rule("permit", P.TREAT, provision=[rule("deny", P.BTG)]))
    found = read_consent(json.dumps(said).encode(), KNOWN, DOCTOR)
    assert (found.break_glass, len(found.provisions)) == (BreakGlass.REFUSED, 1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"scope": {}}, "Consent.scope"),
        ({"organization": []}, "Consent.organization is missing"),
        ({"performer": None}, "Consent.performer is missing"),
        ({"sourceAttachment": {}}, "Consent.source[x]"),
        ({"policyRule": {}}, "Consent.policyRule is not used"),
        ({"verification": [{}]}, "Consent.verification is not used"),
        ({"policy": [{"authority": "x"}]}, "Consent.policy[0].uri is missing"),
        ({"policy": [{"uri": "x", "authority": "x"}]}, "Consent.policy[0].authority is not used"),
        ({"provision": {}}, "Consent.provision.type is missing"),
        ({"provision": rule("permit", action=[{}])}, "Consent.provision.action is not used"),
        ({"provision": rule("permit", **{"class": [{}]})}, "Consent.provision.class is not used"),
        ({"provision": rule("permit", code=[{}])}, "Consent.provision.code is not used"),
        ({"provision": rule("permit", actor="x") | {"actor": [{}]}}, "Consent.provision.actor[0].role is not IRCP"),
        (
            {"provision": rule("permit", provision=[rule("deny", provision=[rule("permit")])])},
            "Consent.provision.provision[0].provision is not used",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_profile_of__what_no_profile_has__is_of_none_with_reasons(change: dict, reason: str) -> None:
    found = profile_of({**consent(rule("permit", P.TREAT)), **change})
    assert found.profile is None
    for profile in LEVELS:
        assert any(each.startswith(reason) for each in found.reasons[profile]), found.reasons[profile]


@pytest.mark.parametrize(
    ("provision", "expected"),
    [
        (rule("permit", P.HRESCH), Profile.INTERMEDIATE),
        (rule("permit", P.TREAT, dataPeriod={"start": "2022"}), Profile.INTERMEDIATE),
        (rule("permit", label=("HIV",)), Profile.ADVANCED),
        (rule("permit", provision=[rule("deny", label=("HIV",))]), Profile.ADVANCED),
        ({**rule("permit"), "securityLabel": [coding((ACT_CODE, "TBOO"))]}, None),
        (rule("permit", data=data("dependents", "Observation/6")), None),
        (rule("permit", provision=[rule("deny", data=data("instance", "Observation/6", "Observation/7"))]), None),
        (rule("permit", data=data("instance", "Observation/6", "Observation/7")), Profile.INTERMEDIATE),
    ],
)
def test_profile_of__what_one_profile_has__is_of_the_least(provision: dict, expected: Profile | None) -> None:
    assert profile_of(consent(provision)).profile is expected


@pytest.mark.parametrize("nonsense", [{}, {"provision": []}, {"policy": "x", "provision": {"actor": [1]}}], ids=str)
def test_profile_of__nonsense__is_of_none(nonsense: dict) -> None:
    assert profile_of(nonsense).profile is None


# ------------------------------------------------------------------------------------------ ours in its clothes

TWO = (RECORD, OTHER)
UNSAYABLE = [
    (Profile.BASIC, (permit(P.HRESCH),), "provision 1", "purposes"),
    (Profile.BASIC, (permit(records=TWO),), "provision 1", "names no records"),
    (Profile.BASIC, (permit(since=date(2026, 1, 1)),), "provision 1", "dates"),
    (Profile.BASIC, (permit(labels=("R",)),), "provision 1", "labels"),
    (Profile.BASIC, (permit(), deny(P.HPAYMT)), "provision 2", "no exceptions"),
    (Profile.BASIC, (permit(), permit(P.HPAYMT)), "provision 2", "one permission"),
    (Profile.INTERMEDIATE, (permit(labels=("R",)),), "provision 1", "labels"),
    (Profile.INTERMEDIATE, (permit(), deny(labels=("R",))), "provision 2", "labels"),
    (Profile.INTERMEDIATE, (permit(records=TWO), deny()), "provision 2", "prevail"),
    (Profile.INTERMEDIATE, (permit(), deny(P.HPAYMT), permit(P.HRESCH)), "provision 2", "which prevails"),
    (Profile.ADVANCED, (permit(labels=("V",)),), "provision 1", "knows the labels"),
    (Profile.ADVANCED, (permit(categories=(Category.IMAGING,)),), "provision 1", "kinds of record"),
    (Profile.ADVANCED, (permit(), deny(custodians=(CLINIC,))), "provision 2", "no custodians"),
    (Profile.ADVANCED, (permit(obligations=(must(Duty.AUDIT),)),), "provision 1", "obligations"),
]


@pytest.mark.parametrize(("profile", "provisions", "what", "reason"), UNSAYABLE)
def test_write__what_the_profile_has_no_place_for__is_refused_by_its_number(profile, provisions, what, reason) -> None:
    with pytest.raises(NotExpressibleError, match=reason) as caught:
        r4.to_fhir(given_consent(*provisions), profile)
    assert caught.value.what == what


@pytest.mark.parametrize("profile", Profile)
def test_write__without_organization__is_refused(profile: Profile) -> None:
    with pytest.raises(NotExpressibleError, match="which organization"):
        r4.to_fhir(given_consent(permit(), organization=None), profile)


SAID = [
    (Profile.BASIC, (permit(P.TREAT, P.HOPERAT),)),
    (Profile.INTERMEDIATE, (permit(P.HRESCH, since=date(2025, 1, 1)), deny(records=TWO))),
    (Profile.INTERMEDIATE, (permit(records=TWO), permit(P.HRESCH))),
    (Profile.ADVANCED, (permit(labels=("R", "HIV")), deny(labels=("PSY",)))),
    (Profile.ADVANCED, (permit(), permit(P.HRESCH, labels=("HIV",)))),
]


@pytest.mark.parametrize(("profile", "provisions"), SAID)
def test_write__what_the_profile_has_a_place_for__conforms_to_it(profile, provisions) -> None:
    written = r4.to_fhir(given_consent(*provisions), profile)
    Judge.model_validate(copy.deepcopy(written))
    assert profile_of(written).profile is profile
    assert written["meta"]["profile"] == [profile.url]


@pytest.mark.parametrize("profile", Profile)
def test_write__any_terms__conform_and_decide_as_before_or_are_refused(profile: Profile) -> None:
    came: Counter[str] = Counter()

    @settings(max_examples=150, deadline=None)
    @given(
        said=one_grant,
        subject=subjects,
        purpose=st.sampled_from([*FEW_PURPOSES, P.HPAYMT, P.BTG]),
        now=st.integers(1, 6),
        plain=st.sampled_from([True, True, False]),
    )
    def check(said: Given, subject: Subject, purpose: P, now: int, plain: bool) -> None:
        provisions = plainer(said.provisions, profile) if plain else said.provisions
        consent = as_given(replace(said, provisions=provisions))
        try:
            written = r4.to_fhir(consent, profile)
        except NotExpressibleError as error:
            came["refused by its number" if error.what.startswith("provision ") else error.what] += 1
            return
        came["written"] += 1
        found = profile_of(written).profile
        assert found is not None
        assert LEVELS.index(found) <= LEVELS.index(profile)
        again = read_consent(json.dumps(written).encode(), OURS)
        pools = [[as_consent(each, consent.grant)] for each in (provisions, again.provisions)]
        answers = [decide(each, subject=subject, purpose=purpose, reader=DOCTOR, now=now).permitted for each in pools]
        assert answers[0] == answers[1]
        assert again.break_glass is BreakGlass.UNSAID

    check()
    assert came.keys() == {"written", "refused by its number"}


def plainer(provisions: Sequence[Provision], profile: Profile) -> tuple[Provision, ...]:
    """Return provisions with little in them that the profile does not have."""
    if profile is Profile.BASIC:
        return (permit(P.TREAT),)
    return tuple(
        Provision(
            effect=each.effect,
            purposes=each.purposes,
            records=each.records,
            everything=not each.records,
            labels=("R",) if "R" in each.labels and profile is Profile.ADVANCED else (),
            since=each.since,
            until=each.until,
        )
        for each in provisions
    )


def test_organization__in_our_own__narrows_nothing() -> None:
    again = read_consent(json.dumps(r4.to_fhir(given_consent(permit(P.TREAT)), Profile.BASIC)).encode(), OURS)
    assert again.provisions == (permit(P.TREAT),)
    assert HOSPITAL not in again.provisions[0].custodians
