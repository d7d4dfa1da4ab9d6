"""``decide`` against a second implementation, deliberately naive, written straight from docs/consent.md.

given any grants, provisions, record, purpose, reader and time
├─ both come to the same answer
├─ a denial more never permits more, a permission less never permits more
├─ the excerpt for the record's custodian decides as the terms do
├─ before the manifest is opened the answer holds whatever the manifest says, or waits for it
└─ the decision, kept as JSON, is the same again
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from consent_table import (
    CLINIC,
    DOCTOR,
    EARLIER,
    ELSEWHERE,
    HOSPITAL,
    OTHER,
    OTHER_PATIENT,
    PATIENT,
    RECORD,
    STRANGER,
    Given,
    episode,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from medshare.model.consent import Consent, Decision, Duty, Effect, Obligation, Provision, Reason, Subject, decide
from medshare.model.purpose import Purpose, PurposeOfUse
from medshare.model.record import Category, RecordStatus

pytestmark = [pytest.mark.unit, pytest.mark.timeout(1_200)]  # thousands of examples in the deep profile

FEW_PURPOSES = [PurposeOfUse[code] for code in ("TREAT", "COC", "ETREAT", "ERTREAT", "HRESCH", "BIORCH")]
FEW_LABELS = ["N", "R", "V", "HIV", "SPI", "SUD", "OPIOIDUD", "homemade"]
CATEGORIES = [Category.LABORATORY, Category.IMAGING]
DATES = [None, "2025", "2026", "2026-02", "2026-02-10", "2026-03-01"]
DAYS = [None, date(2025, 1, 1), date(2026, 1, 1), date(2026, 2, 1), date(2026, 2, 10), date(2026, 3, 1)]
MOMENTS = st.integers(1, 6)


def some(values, **limits):
    return st.lists(st.sampled_from(values), unique=True, **limits).map(tuple)


@st.composite
def provisions(draw, effect: Effect | None = None) -> Provision:
    what: dict = {
        "effect": effect or draw(st.sampled_from(Effect)),
        "purposes": draw(some(FEW_PURPOSES, min_size=1, max_size=2)),
    }
    match draw(st.sampled_from(["records", "categories", "everything"])):
        case "records":
            what["records"] = draw(some([RECORD, EARLIER, OTHER, ELSEWHERE], min_size=1, max_size=2))
        case "categories":
            what["categories"] = draw(some(CATEGORIES, min_size=1))
        case "everything":
            what["everything"] = True
    if "records" not in what:
        what["custodians"] = draw(some([HOSPITAL, CLINIC], max_size=1))
    what["labels"] = draw(some(FEW_LABELS, max_size=3))
    what["since"], what["until"] = draw(
        st.sampled_from([(None, None)] * 8 + [(a, b) for a in DAYS for b in DAYS if a is None or b is None or a < b])
    )
    if what["effect"] is Effect.PERMIT:
        what["obligations"] = draw(
            st.sampled_from([(), (), (Obligation(duty=Duty.AUDIT),), (Obligation(duty=Duty.ERASE_BY, by=4),)])
        )
    return Provision(**what)


@st.composite
def grants(draw) -> Given:
    said = [draw(provisions(Effect.PERMIT)), *draw(st.lists(provisions(), max_size=3))]
    return Given(
        provisions=tuple(draw(st.permutations(said))),
        patient=draw(st.sampled_from([PATIENT] * 6 + [OTHER_PATIENT])),
        grantee=draw(st.sampled_from([DOCTOR] * 6 + [STRANGER])),
        begin=draw(st.sampled_from([1, 1, 1, 2, 3])),
        end=draw(st.sampled_from([7, 7, 7, 3, 5])),
        revoked=draw(st.sampled_from([False] * 6 + [True])),
        stamp_now=draw(st.sampled_from([0] * 6 + [1])),
        on_chain=draw(st.sampled_from([None] * 6 + [Purpose.TREAT, Purpose.HRESCH])),
    )


subjects = st.builds(
    Subject,
    record=st.sampled_from([RECORD, RECORD, RECORD, OTHER, ELSEWHERE]),
    patient=st.just(PATIENT),
    status=st.sampled_from([RecordStatus.ACTIVE] * 4 + [RecordStatus.SUPERSEDED, RecordStatus.RETRACTED]),
    lineage=st.sampled_from([(), (), (EARLIER.record_id,)]),
    category=st.sampled_from(CATEGORIES),
    labels=some(FEW_LABELS, max_size=2),
    clinical_date=st.sampled_from(DATES),
)
worlds = st.lists(grants(), max_size=3).map(lambda said: [each.consent(number) for number, each in enumerate(said)])
episodes = st.lists(
    st.builds(
        episode,
        patient=st.sampled_from([PATIENT, OTHER_PATIENT]),
        clinician=st.sampled_from([DOCTOR, STRANGER]),
        opened_at=MOMENTS,
        ends_at=MOMENTS,
    ),
    max_size=1,
)
asked = {
    "purpose": st.sampled_from([*FEW_PURPOSES, PurposeOfUse.BTG]),
    "reader": st.sampled_from([DOCTOR] * 8 + [STRANGER, PATIENT, HOSPITAL]),
    "now": MOMENTS,
}

# ------------------------------------------------------------------------------------------------ the naive one


def naive(consents, subject, purpose, reader, now, episodes) -> tuple[bool, set[Obligation]]:
    """Permitted or not, and the obligations. Rule after rule, with no care for speed or reasons."""
    if reader in (subject.patient, subject.record.custodian):  # R0
        return True, set()
    if subject.status == RecordStatus.RETRACTED:
        return False, set()
    if purpose == "BTG":  # R9
        return any(
            each.patient == subject.patient and each.clinician == reader and now in range(each.opened_at, each.ends_at)
            for each in episodes
        ), set()
    found: dict[tuple[bool, str], list[Provision]] = {
        (specific, effect): [] for specific in (0, 1) for effect in Effect
    }
    for consent in consents:
        for provision in naive_counting(consent, subject, purpose, reader, now):
            found[bool(provision.records), provision.effect].append(provision)
    for specific in (True, False):  # R3
        if found[specific, Effect.DENY]:
            return False, set()
        if found[specific, Effect.PERMIT]:
            return True, {duty for each in found[specific, Effect.PERMIT] for duty in each.obligations}
    return False, set()


def naive_counting(consent, subject, purpose, reader, now):
    """The provisions of one grant that count and match."""
    grant = consent.grant
    if grant.patient != subject.patient or grant.grantee != reader:  # R1
        return
    if (
        grant.purposes == 0 or grant.stamp != consent.stamp or now not in range(grant.not_before, grant.expires_at)
    ):  # R2
        return
    for _, provision in consent.terms.numbered:
        permit = provision.effect == "permit"
        if permit and not set(naive_bits(purpose)) & set(grant.purposes.codes):  # R2
            continue
        if any(each.duty == "erase-by" and each.by <= now for each in provision.obligations):  # R8
            continue
        if naive_match(provision, subject, purpose, permit=permit):
            yield provision


def naive_bits(purpose) -> list[str]:
    if purpose in ("ETREAT", "ERTREAT"):
        return ["ETREAT"]
    return ["HRESCH"] if purpose in ("HRESCH", "BIORCH") else ["TREAT"]


def naive_match(provision, subject, purpose, *, permit: bool) -> bool:
    trees = {"TREAT": ["COC"], "HRESCH": ["BIORCH"]}
    denied_too = {"TREAT": ["ETREAT", "ERTREAT"], "ETREAT": ["ERTREAT"]}
    reached = set()
    for named in provision.purposes:  # R4
        reached |= {named, *trees.get(named, [])}
        if not permit:
            reached |= set(denied_too.get(named, []))
    if purpose not in reached:
        return False
    very = False
    if provision.records:  # R5
        very = any(each == subject.record for each in provision.records)
        earlier = [(subject.record.custodian, each) for each in subject.lineage]
        if not very and not any((each.custodian, each.record_id) in earlier for each in provision.records):
            return False
    elif provision.categories and subject.category not in provision.categories:
        return False
    if provision.custodians and subject.record.custodian not in provision.custodians:
        return False
    return naive_dates(provision, subject, permit=permit) and naive_labels(provision, subject, very=very, permit=permit)


def naive_dates(provision, subject, *, permit: bool) -> bool:  # R7
    since, until = provision.since or date.min, provision.until or date.max
    if provision.since is None and provision.until is None:
        return True
    if subject.clinical_date is None:
        return not permit
    first = date.fromisoformat((subject.clinical_date + "-01-01")[:10])
    days = [first + timedelta(days=count) for count in range(366)]
    days = [day for day in days if day.isoformat().startswith(subject.clinical_date)]
    inside = [since <= day < until for day in days]
    return all(inside) if permit else any(inside)


def naive_labels(provision, subject, *, very: bool, permit: bool) -> bool:  # R6
    above = {"SUD": ["SPI"], "OPIOIDUD": ["SUD", "SPI"]}
    said = set(provision.labels)
    if permit:
        by = {"N": None, "R": {"R", "V"}}
        needed = [
            by.get(label, {label, *above.get(label, [])}) for label in subject.labels if by.get(label, True) is not None
        ]
        return very or all(said & names for names in needed)
    by = {"N": {"N"}, "R": {"R", "N"}, "V": {"V", "R", "N"}}
    return not said or any(said & by.get(label, {label, *above.get(label, [])}) for label in subject.labels)


# ------------------------------------------------------------------------------------------------ properties


@settings(max_examples=200)
@given(consents=worlds, subject=subjects, episodes=episodes, **asked)
def test_decide__any_world__agrees_with_the_naive_one(consents, subject, purpose, reader, now, episodes) -> None:
    decision = decide(consents, subject=subject, purpose=purpose, reader=reader, now=now, episodes=episodes)
    permitted, obligations = naive(consents, subject, purpose, reader, now, episodes)
    assert decision.permitted == permitted
    assert {each.duty for each in decision.obligations} == {each.duty for each in obligations}
    assert not decision.undecided
    assert decision.explain().startswith("permitted" if permitted else "denied")
    assert all("(R" in line for line in decision.grounds())
    again = decide(consents[::-1], subject=subject, purpose=purpose, reader=reader, now=now, episodes=episodes)
    assert again == decision
    assert Decision.from_json(decision.to_json()) == decision


@given(consents=worlds, more=grants(), denial=provisions(Effect.DENY), subject=subjects, at=st.integers(0, 3), **asked)
def test_decide__a_denial_more__never_permits_more(consents, more, denial, subject, at, purpose, reader, now) -> None:
    def permitted(extra: list[Consent]) -> bool:
        return decide([*consents, *extra], subject=subject, purpose=purpose, reader=reader, now=now).permitted

    with_denial = replace(more, provisions=(*more.provisions[:at], denial, *more.provisions[at:]))
    # The bits on chain are those of what is permitted: a denial does not change them.
    assert permitted([with_denial.consent(9)]) <= permitted([more.consent(9)])


@given(consents=worlds, more=grants(), extra=provisions(Effect.PERMIT), subject=subjects, **asked)
def test_decide__a_permission_less__never_permits_more(consents, more, extra, subject, purpose, reader, now) -> None:
    def permitted(said: Given) -> bool:
        held = [*consents, said.consent(9)]
        return decide(held, subject=subject, purpose=purpose, reader=reader, now=now).permitted

    assert permitted(more) <= permitted(replace(more, provisions=(*more.provisions, extra)))


@given(consents=worlds, subject=subjects, **asked)
def test_decide__by_excerpts__is_the_same_decision(consents, subject, purpose, reader, now) -> None:
    custodian = subject.record.custodian
    excerpts = [replace(each, terms=each.terms.excerpt_for(custodian)) for each in consents]
    whole = decide(consents, subject=subject, purpose=purpose, reader=reader, now=now)
    assert decide(excerpts, subject=subject, purpose=purpose, reader=reader, now=now) == whole


@given(consents=worlds, subject=subjects, **asked)
def test_decide__before_the_manifest__holds_or_waits(consents, subject, purpose, reader, now) -> None:
    undescribed = replace(subject, category=None, labels=(), clinical_date=None)
    before = decide(consents, subject=undescribed, purpose=purpose, reader=reader, now=now)
    after = decide(consents, subject=subject, purpose=purpose, reader=reader, now=now)
    if not before.undecided:
        assert before.permitted == after.permitted
    assert not (before.undecided and before.permitted)


@given(consents=worlds, subject=subjects, **asked)
def test_decide__permitted_by_consent__its_grant_is_live_for_the_coarse_purpose(
    consents, subject, purpose, reader, now
) -> None:
    """Whatever ``decide`` permits, the chain says is live: the terms only ever narrow it."""
    decision = decide(consents, subject=subject, purpose=purpose, reader=reader, now=now)
    if decision.reason is Reason.PERMITTED:
        for ref in decision.decided_by:
            held = next(each for each in consents if each.grant.grant_id == ref.grant_id)
            assert purpose.coarse in held.grant.purposes
            assert held.grant.not_before <= now < held.grant.expires_at
            assert held.grant.stamp == held.stamp
        assert decision.decided_by[0].grant_id == decision.grant.grant_id
