"""DUO: the terms, what data may be used for, what is intended, and whether it fits.

given a term's shorthand or CURIE, in any case
├─ it should be found, and nothing else should
└─ docs/duo.md explains each, and its examples run
given a data use or an intended use
├─ when written and read it is the same
└─ when it is malformed, contradicts itself or holds what we do not know, it should raise InvalidInputError
given an ancestry of diseases
├─ a disease is within itself and those above it, by whatever way
└─ when it is unknown, incomplete or circular, nothing is claimed
given any row of docs/duo-table.md
├─ the outcome is the row's, by the row's term
└─ each term of the data's side has been looked at
given any data use and any intended use
├─ denied beats human beats allowed
├─ a restriction more never permits more, and CC nothing but clinical care
├─ a permitted disease more never denies more
├─ a disease studied more never permits more
└─ what is not said is never allowed
"""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from datetime import date
from pathlib import Path

import pytest
from duo_table import (
    ANCESTRY,
    ASTHMA,
    CASES,
    DIABETES,
    LUNG,
    METABOLIC,
    NAMES,
    NOW,
    PARENTS,
    TOP,
    TYPE_2,
    UNHEARD_OF,
    Case,
    data,
    intend,
    limited,
)
from hypothesis import assume, given
from hypothesis import strategies as st

from medshare.errors import InvalidInputError
from medshare.model.diseases import is_within, read_ancestry
from medshare.model.duo import MAX_MONTHS, MAX_NAMED, DataUse, DuoCode, Modifier
from medshare.model.duo_matching import DuoMatch, DuoOutcome, match
from medshare.model.intended_use import DuoPurpose, IntendedUse, Organisation

pytestmark = pytest.mark.unit

PAGE = Path(__file__).resolve().parents[3] / "docs" / "duo.md"
ALLOWED, HUMAN, DENIED = DuoOutcome
weight = (ALLOWED, HUMAN, DENIED).index
PERMISSIONS = [code for code in DuoCode if code.is_permission]
MODIFIERS = [code for code in DuoCode if not code.is_permission]
rows = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def outcome(data_use: DataUse, use: IntendedUse) -> DuoOutcome:
    return match(data_use, use, ancestry=ANCESTRY, now=NOW).outcome


# ------------------------------------------------------------------------------------------------------ strategies

days = st.dates(date(2025, 1, 1), date(2028, 12, 31))
diseases = st.lists(st.sampled_from(sorted(NAMES)), min_size=1, max_size=3, unique=True).map(tuple)
ids = st.lists(st.sampled_from(["a", "b", "c d", "ä"]), max_size=3, unique=True).map(tuple)
countries = st.lists(st.sampled_from(["FI", "SE", "US"]), max_size=3, unique=True).map(tuple)
kinds = st.lists(st.sampled_from(DuoPurpose), max_size=3, unique=True).map(tuple)
answers = st.none() | st.booleans()


@st.composite
def modifiers(draw, codes=tuple(MODIFIERS)) -> Modifier:
    code = draw(st.sampled_from(codes))
    what = {}
    if code is DuoCode.GS:
        what["values"] = draw(countries.filter(bool))
    elif code is DuoCode.RS:
        what["values"] = draw(ids.filter(bool))
    elif code in (DuoCode.US, DuoCode.PS, DuoCode.IS, DuoCode.COL):
        what["values"] = draw(ids)
    elif code is DuoCode.MOR:
        what["until"] = draw(days)
    elif code is DuoCode.TS:
        what["months"] = draw(st.integers(1, 24))
    return Modifier(code=code, **what)


@st.composite
def data_uses(draw, permissions=tuple(PERMISSIONS)) -> DataUse:
    permission = draw(st.sampled_from(permissions))
    return DataUse(
        permission=permission,
        diseases=draw(diseases) if permission is DuoCode.DS else (),
        modifiers=tuple(draw(st.lists(modifiers(), max_size=4, unique_by=lambda each: each.code))),
    )


@st.composite
def intended_uses(draw) -> IntendedUse:
    purposes = draw(kinds)
    approval, publishes, collaborates = draw(answers), draw(answers), draw(answers)
    return IntendedUse(
        purposes=purposes,
        diseases=draw(diseases) if DuoPurpose.DISEASE in purposes else (),
        excluded=tuple(each for each in draw(kinds) if each not in purposes),
        research_types=draw(ids),
        organisation=draw(st.none() | st.sampled_from(Organisation)),
        commercial_use=draw(answers),
        genetic_study=draw(answers),
        countries=draw(countries),
        institutions=draw(ids),
        users=draw(ids),
        projects=draw(ids),
        ethics_approval=approval,
        ethics_reference=None if approval is False else draw(st.none() | st.sampled_from(["HUS/1/2026", "ä"])),
        will_publish=publishes,
        publishes_on=None if publishes is False else draw(st.none() | days),
        will_collaborate=collaborates,
        collaborators=() if collaborates is False else draw(ids),
        will_return=draw(answers),
        starts_on=draw(st.none() | days),
        months=draw(st.none() | st.integers(1, 24)),
    )


# ----------------------------------------------------------------------------------------------------------- terms


@pytest.mark.parametrize("code", DuoCode, ids=lambda code: code.shorthand)
def test_parse__shorthand_or_curie_in_any_case__is_the_term(code: DuoCode) -> None:
    for text in (code.shorthand, code.curie, code.shorthand.lower(), code.curie.lower(), f" {code.curie}\n"):
        assert DuoCode.parse(text) is code
    assert code.iri == f"http://purl.obolibrary.org/obo/DUO_{code.curie.removeprefix('DUO:')}"


@pytest.mark.parametrize("text", ["", "GR", "DUO", "DUO:42", "DUO:0000001", "DUO:0000017", "DUO_0000042", "HMB NPU"])
def test_parse__anything_else__is_refused_with_what_there_is(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        DuoCode.parse(text)
    assert "NPUNCU" in caught.value.hint


def test_terms__counted__are_five_permissions_and_eighteen_modifiers() -> None:
    assert (len(PERMISSIONS), len(MODIFIERS)) == (5, 18)
    assert len({code.label for code in DuoCode}) == 23


@pytest.mark.parametrize("code", DuoCode, ids=lambda code: code.shorthand)
def test_page__each_term__is_explained(code: DuoCode) -> None:
    said = [line for line in PAGE.read_text().splitlines() if line.startswith(f"| {code.shorthand} ")]
    assert len(said) == 1
    assert code.curie in said[0]
    assert code.label in said[0]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_page__its_examples__are_read_and_run(number: int) -> None:
    kind, block = re.findall(r"```(python|json)\n(.*?)```", PAGE.read_text(), re.DOTALL)[number]
    if kind == "python":
        exec(block, {})  # noqa: S102 - our own page
    else:
        assert (DataUse if number == 1 else IntendedUse).from_json(block.encode())


# ------------------------------------------------------------------------------------------- data use, intended use


@given(data_use=data_uses())
def test_data_use__written_and_read__is_the_same(data_use: DataUse) -> None:
    document = data_use.to_json()
    assert DataUse.from_json(document) == data_use
    assert DataUse.from_json(document).to_json() == document


@given(use=intended_uses())
def test_intended_use__written_and_read__is_the_same(use: IntendedUse) -> None:
    document = use.to_json()
    assert IntendedUse.from_json(document) == use
    assert IntendedUse.from_json(document).to_json() == document


def test_data_use__document__holds_curies_and_is_read_with_shorthands_too() -> None:
    data_use = data(DuoCode.DS, limited(DuoCode.TS, months=6), DuoCode.IRB, diseases=(DIABETES,))
    assert json.loads(data_use.to_json()) == {
        "version": 1,
        "permission": "DUO:0000007",
        "diseases": [DIABETES],
        "modifiers": [{"code": "DUO:0000025", "months": 6}, {"code": "DUO:0000021"}],
    }
    short = {
        "version": 1,
        "permission": "ds",
        "diseases": [DIABETES],
        "modifiers": [{"code": "TS", "months": 6}, {"code": "irb"}],
    }
    assert DataUse.from_json(json.dumps(short).encode()) == data_use
    assert data_use.codes == (DuoCode.DS, DuoCode.TS, DuoCode.IRB)
    assert data_use.in_words() == f"DS {DIABETES}; TS 6 months; IRB"
    listed = data(DuoCode.GRU, limited(DuoCode.GS, "FI", "SE"), limited(DuoCode.MOR, until=date(2027, 1, 1)))
    assert listed.in_words() == "GRU; GS FI, SE; MOR until 2027-01-01"


def test_intended_use__nothing_said__is_an_empty_document_and_a_refusal_is_not_nothing() -> None:
    assert json.loads(IntendedUse().to_json()) == {"version": 1}
    nothing = dict.fromkeys(IntendedUse.__dataclass_fields__)
    assert IntendedUse.from_json(json.dumps({"version": 1, **nothing}).encode()) == IntendedUse()
    assert json.loads(IntendedUse(will_publish=False).to_json()) == {"version": 1, "will_publish": False}


@pytest.mark.parametrize(
    "make",
    [
        lambda: DataUse(permission=DuoCode.NPU),
        lambda: DataUse(permission=DuoCode.DS),
        lambda: DataUse(permission=DuoCode.GRU, diseases=(DIABETES,)),
        lambda: DataUse(permission=DuoCode.DS, diseases=("diabetes",)),
        lambda: DataUse(permission=DuoCode.DS, diseases=(DIABETES, DIABETES)),
        lambda: DataUse(permission=DuoCode.DS, diseases=tuple(f"X:{number}" for number in range(MAX_NAMED + 1))),
        lambda: data(DuoCode.GRU, DuoCode.NPU, DuoCode.NPU),
        lambda: data(DuoCode.GRU, limited(DuoCode.GS, "FI"), limited(DuoCode.GS, "SE")),
        lambda: limited(DuoCode.GRU),
        lambda: limited(DuoCode.NPU, "a"),
        lambda: limited(DuoCode.GS),
        lambda: limited(DuoCode.GS, "Finland"),
        lambda: limited(DuoCode.GS, "fi"),
        lambda: limited(DuoCode.RS),
        lambda: limited(DuoCode.RS, ""),
        lambda: limited(DuoCode.US, " a"),
        lambda: limited(DuoCode.US, "a\nb"),
        lambda: limited(DuoCode.US, "a" * 201),
        lambda: limited(DuoCode.US, "a", "a"),
        lambda: limited(DuoCode.US, *(f"user-{number}" for number in range(MAX_NAMED + 1))),
        lambda: limited(DuoCode.MOR),
        lambda: limited(DuoCode.TS),
        lambda: limited(DuoCode.TS, months=0),
        lambda: limited(DuoCode.TS, months=MAX_MONTHS + 1),
        lambda: limited(DuoCode.IRB, months=1),
        lambda: limited(DuoCode.IRB, until=date(2027, 1, 1)),
        lambda: intend(DuoPurpose.DISEASE),
        lambda: intend(DuoPurpose.HEALTH, diseases=(DIABETES,)),
        lambda: intend(DuoPurpose.HEALTH, DuoPurpose.HEALTH),
        lambda: intend(DuoPurpose.HEALTH, excluded=(DuoPurpose.HEALTH,)),
        lambda: intend(DuoPurpose.HEALTH, countries=("Finland",)),
        lambda: intend(DuoPurpose.HEALTH, months=0),
        lambda: intend(DuoPurpose.HEALTH, users=("",)),
        lambda: intend(DuoPurpose.HEALTH, ethics_reference=""),
        lambda: intend(DuoPurpose.HEALTH, ethics_approval=False, ethics_reference="1"),
        lambda: intend(DuoPurpose.HEALTH, will_publish=False, publishes_on=date(2027, 1, 1)),
        lambda: intend(DuoPurpose.HEALTH, will_collaborate=False, collaborators=("a",)),
    ],
)
def test_use__means_nothing__is_refused(make) -> None:
    with pytest.raises(InvalidInputError):
        make()


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (DataUse, {"permission": "GRU", "CANARY": 1}),
        (DataUse, {"permission": "GRU", "modifiers": [{"code": "NPU", "CANARY": 1}]}),
        (DataUse, {"permission": "GRU", "modifiers": [{"code": "MOR", "until": "next year"}]}),
        (DataUse, {"permission": "DUO:0000005"}),
        (DataUse, {"permission": "NPU"}),
        (DataUse, {"permission": ["GRU", "HMB"]}),
        (DataUse, {}),
        (DataUse, {"permission": "GRU", "version": 2}),
        (IntendedUse, {"CANARY": 1}),
        (IntendedUse, {"purposes": ["health", "CANARY"]}),
        (IntendedUse, {"commercial_use": "no"}),
        (IntendedUse, {"version": 2}),
    ],
)
def test_from_json__what_we_do_not_know__is_refused(kind: type, more: dict) -> None:
    with pytest.raises(InvalidInputError) as caught:
        kind.from_json(json.dumps({"version": 1, **more}).encode())
    assert "CANARY" not in str(caught.value)


# -------------------------------------------------------------------------------------------------------- diseases


def test_is_within__by_any_way_up__is_found() -> None:
    ancestry = {"X:0": (), "X:1": ("X:0",), "X:2": ("X:0",), "X:3": ("X:1", "X:2")}
    assert all(is_within("X:3", frozenset({above}), ancestry) for above in ancestry)
    assert is_within("X:1", frozenset({"X:2"}), ancestry) is False
    assert is_within("X:1", frozenset({"X:3"}), ancestry) is False


@pytest.mark.parametrize(
    "ancestry",
    [
        {},
        {"X:9": ()},
        {"X:1": ("X:2",), "X:9": ()},
        {"X:1": ("X:1",), "X:9": ()},
        {"X:1": ("X:9",), "X:9": ("X:1",)},
        {"X:1": ("X:2",), "X:2": ("X:9",), "X:9": ("X:2",)},
        {"X:1": ()},
    ],
    ids=["nothing", "it", "above it", "above itself", "circle", "circle above it", "the other"],
)
def test_is_within__ancestry_does_not_tell__is_nothing_claimed(ancestry: dict) -> None:
    assert is_within("X:1", frozenset({"X:9"}), ancestry) is None
    assert is_within("X:1", frozenset({"X:1"}), ancestry) is True


def test_is_within__a_thousand_generations__is_no_recursion() -> None:
    ancestry = {f"X:{number}": (f"X:{number + 1}",) for number in range(5_000)}
    assert is_within("X:0", frozenset({"X:5000"}), ancestry) is True


def test_read_ancestry__sample__is_as_written() -> None:
    assert {disease: list(above) for disease, above in ANCESTRY.items()} == PARENTS


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"version": 2, "parents": {}},
        {"version": 1},
        {"version": 1, "parents": []},
        {"version": 1, "parents": {"X:1": "X:2"}},
        {"version": 1, "parents": {"X:1": [1]}},
        {"version": 1, "parents": {"asthma": []}},
        {"version": 1, "parents": {"X:1": ["asthma"]}},
        {"version": 1, "parents": {"X:1": ["X:1"]}},
        {"version": 1, "parents": {"X:1": ["X:2"], "X:2": ["X:1"]}},
        {"version": 1, "parents": {}, "more": 1},
    ],
)
def test_read_ancestry__malformed__is_refused(document: dict) -> None:
    with pytest.raises(InvalidInputError):
        read_ancestry(json.dumps(document).encode())


# ------------------------------------------------------------------------------------------------------- the table


def test_table__rows__are_many_named_once_and_each_term_has_what_it_can() -> None:
    assert len(CASES) >= 60
    assert len({case.name for case in CASES}) == len(CASES)
    shown = {(case.code, case.outcome) for case in CASES}
    # NRES denies nothing; what type of research another word means, no rule knows.
    impossible = {(DuoCode.NRES, DENIED), (DuoCode.GRU, DENIED), (DuoCode.RS, DENIED)}
    assert {(code, each) for code in DuoCode for each in DuoOutcome} - shown == impossible


@rows
def test_row__matched__is_as_the_table_says(case: Case) -> None:
    found = match(case.data_use, case.use, ancestry=ANCESTRY, now=NOW)
    assert found.outcome is case.outcome
    assert case.code in {reason.code for reason in found.decisive}
    assert found.explain().startswith(f"{case.outcome}: ")
    assert "(as of 2026-03-01)" in found.explain()


@rows
def test_row__reasons__look_at_each_term_with_a_sentence(case: Case) -> None:
    found = match(case.data_use, case.use, ancestry=ANCESTRY, now=NOW)
    looked_at = {reason.code for reason in found.reasons}
    if case.use.purposes not in ((), (DuoPurpose.CARE,)):
        assert case.data_use.permission in looked_at
    assert looked_at >= set(case.data_use.codes[1:])
    for reason in found.reasons:
        assert reason.sentence
        assert str(reason).startswith(f"{reason.code.shorthand} ({reason.code.curie}): {reason.outcome}: ")


def test_explain__many_outside__names_some_and_counts_the_rest() -> None:
    use = intend(DuoPurpose.HEALTH, users=tuple(f"user-{number}" for number in range(9)))
    said = match(data(DuoCode.GRU, limited(DuoCode.US, "user-x")), use, ancestry={}, now=NOW).explain()
    assert "user-4 and 4 more" in said
    assert "user-5" not in said


def test_match__without_a_reason__is_none() -> None:
    with pytest.raises(InvalidInputError):
        DuoMatch(reasons=(), at=NOW)


# ------------------------------------------------------------------------------------------------------ properties


@given(data_use=data_uses(), use=intended_uses())
def test_outcome__any__is_the_gravest_reason(data_use: DataUse, use: IntendedUse) -> None:
    found = match(data_use, use, ancestry=ANCESTRY, now=NOW)
    said = {reason.outcome for reason in found.reasons}
    assert found.outcome is next(each for each in (DENIED, HUMAN, ALLOWED) if each in said)


@given(data_use=data_uses(), use=intended_uses(), more=modifiers(tuple(set(MODIFIERS) - {DuoCode.CC})))
def test_restriction__added__never_permits_more(data_use: DataUse, use: IntendedUse, more: Modifier) -> None:
    assume(more.code not in data_use.codes)
    stricter = replace(data_use, modifiers=(*data_use.modifiers, more))
    assert weight(outcome(stricter, use)) >= weight(outcome(data_use, use))


@given(data_use=data_uses(), use=intended_uses())
def test_clinical_care__permitted_too__changes_nothing_else(data_use: DataUse, use: IntendedUse) -> None:
    assume(DuoCode.CC not in data_use.codes)
    assume(DuoPurpose.CARE not in use.purposes)
    with_care = replace(data_use, modifiers=(*data_use.modifiers, Modifier(code=DuoCode.CC)))
    assert outcome(with_care, use) is outcome(data_use, use)


@given(data_use=data_uses((DuoCode.DS,)), use=intended_uses(), more=st.sampled_from(sorted(NAMES)))
def test_permitted_disease__added__never_denies_what_was_allowed(
    data_use: DataUse, use: IntendedUse, more: str
) -> None:
    assume(more not in data_use.diseases)
    wider = replace(data_use, diseases=(*data_use.diseases, more))
    before, after = outcome(data_use, use), outcome(wider, use)
    assert after is ALLOWED or before is not ALLOWED


@given(use=intended_uses(), permitted=diseases, studied=diseases, more=st.sampled_from(sorted(NAMES)))
def test_studied_disease__added__never_permits_more(use: IntendedUse, permitted, studied, more: str) -> None:
    assume(more not in studied)
    data_use = data(DuoCode.DS, diseases=permitted)
    fewer = replace(use, purposes=(DuoPurpose.DISEASE,), diseases=studied, excluded=())
    assert weight(outcome(data_use, replace(fewer, diseases=(*studied, more)))) >= weight(outcome(data_use, fewer))


@given(data_use=data_uses(), use=intended_uses())
def test_request__does_not_say_what_for__is_never_allowed(data_use: DataUse, use: IntendedUse) -> None:
    assert outcome(data_use, unsaid(use, ("purposes", "diseases"))) is not ALLOWED
    assert outcome(data_use, IntendedUse()) is HUMAN


ANSWERS = {
    DuoCode.RS: ("research_types",),
    DuoCode.NMDS: ("excluded",),
    DuoCode.GSO: ("genetic_study",),
    DuoCode.NPUNCU: ("organisation", "commercial_use"),
    DuoCode.PUB: ("will_publish",),
    DuoCode.COL: ("will_collaborate",),
    DuoCode.IRB: ("ethics_reference",),
    DuoCode.GS: ("countries",),
    DuoCode.MOR: ("publishes_on", "will_publish"),
    DuoCode.TS: ("months",),
    DuoCode.US: ("users",),
    DuoCode.PS: ("projects",),
    DuoCode.IS: ("institutions",),
    DuoCode.RTN: ("will_return",),
    DuoCode.NPOA: ("excluded",),
    DuoCode.NPU: ("organisation",),
    DuoCode.NCU: ("commercial_use",),
}
"""What each modifier asks. CC asks nothing: it permits."""


def unsaid(use: IntendedUse, names: tuple[str, ...]) -> IntendedUse:
    usual = {field.name: field.default for field in fields(IntendedUse)}
    return replace(use, **{name: usual[name] for name in names})


@given(data_use=data_uses(), use=intended_uses(), more=modifiers(tuple(ANSWERS)))
def test_answer__taken_away__is_never_allowed(data_use: DataUse, use: IntendedUse, more: Modifier) -> None:
    assume(more.code not in data_use.codes)
    assume(more.until is None or more.until > date(2026, 3, 1))
    asked = replace(data_use, modifiers=(*data_use.modifiers, more))
    # Of two answers that count together, one alone does not do either; of a moratorium each does.
    names = ANSWERS[more.code]
    taken = [names] if more.code is DuoCode.MOR else [names, *((name,) for name in names)]
    for each in taken:
        assert outcome(asked, unsaid(use, each)) is not ALLOWED


def test_answers__asked__are_of_each_modifier_but_cc() -> None:
    assert set(ANSWERS) == set(MODIFIERS) - {DuoCode.CC}


@given(now=st.integers(0, 1 << 33), months=st.integers(1, MAX_MONTHS), limit=st.integers(1, MAX_MONTHS))
def test_time_limit__at_any_time__compares_months(now: int, months: int, limit: int) -> None:
    use = intend(DuoPurpose.HEALTH, months=months)
    found = match(data(DuoCode.GRU, limited(DuoCode.TS, months=limit)), use, ancestry={}, now=now)
    assert found.outcome is (ALLOWED if months <= limit else DENIED)


def test_disease__of_the_sample__is_within_what_is_above_it() -> None:
    assert is_within(TYPE_2, frozenset({METABOLIC}), ANCESTRY) is True
    assert is_within(TYPE_2, frozenset({LUNG, TOP}), ANCESTRY) is True
    assert is_within(ASTHMA, frozenset({DIABETES}), ANCESTRY) is False
    assert is_within(ASTHMA, frozenset({UNHEARD_OF}), ANCESTRY) is None
