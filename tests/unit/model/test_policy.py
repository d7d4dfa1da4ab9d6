"""A patient's policy: the first rule that fits decides, and without one he is asked.

given rules
├─ each condition fits or does not
├─ an approval covers what it names; a decline is about what it names
├─ sensitive labels must be named to be approved
├─ what the data use denies is approved by no rule that does not name that outcome
└─ the first that fits decides
given a file that is no policy
└─ it should raise InvalidInputError
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from studies import DAY, MEMBER, NOW, RESEARCHER, STUDY, TOKEN, on_chain

from medshare.errors import InvalidInputError
from medshare.model.duo import DataUse, DuoCode
from medshare.model.duo_matching import DuoOutcome
from medshare.model.intended_use import DuoPurpose, IntendedUse
from medshare.model.policy import Answer, Asked, Policy, Rule
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Category
from medshare.model.request import RequestCategory
from medshare.model.study import Study

pytestmark = pytest.mark.unit

HEALTH = DataUse(permission=DuoCode.HMB)
ANCESTRY = DataUse(permission=DuoCode.POA)


def asked(study: Study = STUDY, **more: object) -> Asked:
    fields = {"request": on_chain(study), "study": study, "accredited_by": MEMBER, "now": NOW}
    return Asked(**{**fields, **more})


def wanting(**change: object) -> Study:
    return replace(STUDY, wanted=replace(STUDY.wanted, **change))


def answer(*rules: Rule, study: Study = STUDY, data_use: DataUse | None = None, **more: object) -> Answer:
    return Policy(rules=rules, data_use=data_use).decide(asked(study, **more)).answer


def approves(study: Study = STUDY, *, data_use: DataUse | None = None, **said: object) -> bool:
    return answer(Rule(answer=Answer.APPROVE, **said), study=study, data_use=data_use) is Answer.APPROVE


def declines(study: Study = STUDY, **said: object) -> bool:
    return answer(Rule(answer=Answer.DECLINE, **said), study=study) is Answer.DECLINE


def test_decide__no_rules__asks() -> None:
    decision = Policy().decide(asked())
    assert (decision.answer, decision.rule, decision.match) == (Answer.ASK, None, None)
    assert "no rule" in decision.explain()


def test_decide__several_rules__first_that_fits_decides() -> None:
    rules = [
        Rule(answer=Answer.APPROVE, requesters=(TOKEN,)),
        Rule(answer=Answer.DECLINE, requesters=(RESEARCHER,)),
        Rule(answer=Answer.APPROVE),
    ]
    decision = Policy(rules=tuple(rules)).decide(asked())
    assert (decision.answer, decision.rule) == (Answer.DECLINE, 2)
    assert answer(*reversed(rules)) is Answer.APPROVE


@pytest.mark.parametrize(
    ("fits", "not_"),
    [
        ({"requesters": (TOKEN, RESEARCHER)}, {"requesters": (TOKEN,)}),
        ({"accredited_by": (MEMBER,)}, {"accredited_by": (TOKEN,)}),
        ({"categories": (RequestCategory.NON_PROFIT,)}, {"categories": (RequestCategory.COMMERCIAL,)}),
        ({"reward_at_least": 700_001}, {"reward_at_least": 700_002}),
        ({"reward_at_least": 0, "token": TOKEN}, {"reward_at_least": 1, "token": TOKEN}),
        ({"reward_below": 700_002}, {"reward_below": 700_001}),
        ({"days_at_most": 120}, {"days_at_most": 119}),
        ({"days_more_than": 119}, {"days_more_than": 120}),
    ],
    ids=str,
)
@pytest.mark.parametrize("given_", [Answer.APPROVE, Answer.DECLINE])
def test_rule__one_condition__fits_or_does_not(fits: dict, not_: dict, given_: Answer) -> None:
    assert answer(Rule(answer=given_, **fits)) is given_
    assert answer(Rule(answer=given_, **not_)) is Answer.ASK


def test_rule__member_lost_its_word__fits_no_rule_that_names_members() -> None:
    assert answer(Rule(answer=Answer.APPROVE, accredited_by=(MEMBER,)), accredited_by=None) is Answer.ASK


def test_rule__approval__covers_all_that_is_wanted() -> None:
    both = wanting(purposes=(PurposeOfUse.BIORCH, PurposeOfUse.DSRCH))
    assert approves(both, purposes=(PurposeOfUse.BIORCH, PurposeOfUse.DSRCH, PurposeOfUse.TREAT))
    assert not approves(both, purposes=(PurposeOfUse.BIORCH,))
    assert approves(kinds=(Category.LABORATORY, Category.OBSERVATION))
    assert not approves(kinds=(Category.LABORATORY,))
    assert not approves(wanting(categories=(), everything=True), kinds=tuple(Category))


def test_rule__decline__is_about_any_of_what_is_wanted() -> None:
    both = wanting(purposes=(PurposeOfUse.BIORCH, PurposeOfUse.DSRCH))
    assert declines(both, purposes=(PurposeOfUse.DSRCH, PurposeOfUse.TREAT))
    assert not declines(both, purposes=(PurposeOfUse.TREAT,))
    assert declines(kinds=(Category.LABORATORY,))
    assert not declines(kinds=(Category.IMAGING,))
    assert declines(wanting(categories=(), everything=True), kinds=(Category.IMAGING,))


def test_rule__sensitive_labels__must_be_named_to_be_approved() -> None:
    sensitive = wanting(labels=("HIV", "N"))
    assert not approves(sensitive)
    assert approves(sensitive, labels=("HIV",))
    assert not approves(wanting(labels=("HIV", "MH")), labels=("HIV",))
    assert declines(sensitive, labels=("HIV",))
    assert not declines(sensitive, labels=("MH",))
    assert not declines(labels=("HIV",))


def test_rule__data_use__approves_what_matches_or_what_is_named() -> None:
    assert approves(data_use=HEALTH)
    assert not approves(data_use=ANCESTRY)
    assert approves(data_use=ANCESTRY, duo=(DuoOutcome.DENIED,))
    assert not approves(data_use=HEALTH, duo=(DuoOutcome.DENIED,))
    unsaid = replace(STUDY, intended_use=IntendedUse())
    assert not approves(unsaid, data_use=HEALTH)
    assert answer(Rule(answer=Answer.DECLINE, duo=(DuoOutcome.DENIED,)), data_use=ANCESTRY) is Answer.DECLINE
    decision = Policy(data_use=ANCESTRY).decide(asked())
    assert decision.match is not None
    assert decision.match.outcome is DuoOutcome.DENIED
    assert "DUO" in decision.explain()


def test_policy__rule_asks_for_duo_without_a_data_use__is_refused() -> None:
    with pytest.raises(InvalidInputError, match="data_use"):
        Policy(rules=(Rule(answer=Answer.APPROVE, duo=(DuoOutcome.ALLOWED,)),))


@given(
    reward=st.integers(0, 10**9),
    least=st.integers(0, 10**9),
    days=st.integers(0, 1_000),
    most=st.integers(0, 1_000),
)
def test_decide__any_reward_and_duration__approves_exactly_within_the_limits(
    reward: int, least: int, days: int, most: int
) -> None:
    study = replace(STUDY, reward=reward, access_days=days)
    share = reward - reward * 2_000 // 10_000 - reward * 1_000 // 10_000
    expected = share >= least and 30 + days <= most
    assert approves(study, reward_at_least=least, days_at_most=most) == expected


POLICY = b"""
version = 1

[data_use]
permission = "DS"
diseases = ["MONDO:0005015"]

[[data_use.modifiers]]
code = "MOR"
until = 2027-01-01

[parents]
"MONDO:0005148" = ["MONDO:0005015"]
"MONDO:0005015" = []

[[rules]]
answer = "decline"
categories = [3]

[[rules]]
answer = "approve"
duo = ["allowed"]
purposes = ["BIORCH"]
reward_at_least = 1
days_at_most = 200
"""


def test_from_toml__a_policy__decides_as_it_says() -> None:
    policy = Policy.from_toml(POLICY)
    fitting = IntendedUse(purposes=(DuoPurpose.DISEASE,), diseases=("MONDO:0005148",), will_publish=False)
    study = replace(STUDY, intended_use=fitting)
    assert policy.decide(asked(study)).answer is Answer.APPROVE
    assert policy.decide(asked(replace(study, category=3))).answer is Answer.DECLINE
    assert policy.decide(asked()).answer is Answer.ASK


def test_from_json__the_same_rules__are_the_same_policy() -> None:
    document = b'{"version": 1, "rules": [{"answer": "approve", "labels": ["HIV"], "kinds": ["imaging"]}]}'
    rules = b'version = 1\n[[rules]]\nanswer = "approve"\nlabels = ["HIV"]\nkinds = ["imaging"]\n'
    assert Policy.from_json(document) == Policy.from_toml(rules)
    assert Policy.from_json(b'{"version": 1}') == Policy()


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"version = 2",
        b"version = 1\nmore = 1",
        b"version = 1\nrules = 1",
        b'version = 1\n[[rules]]\nanswer = "perhaps"',
        b'version = 1\n[[rules]]\nanswer = "approve"\nmore = 1',
        b'version = 1\n[[rules]]\nanswer = "approve"\nrequesters = ["0x"]',
        b'version = 1\n[[rules]]\nanswer = "approve"\ncategories = [0]',
        b'version = 1\n[[rules]]\nanswer = "approve"\nlabels = ["a b"]',
        b'version = 1\n[[rules]]\nanswer = "approve"\nduo = ["allowed"]',
        b'version = 1\n[data_use]\npermission = "NPU"',
        b"version = 1\n[parents]\nx = []",
        b"\xff",
    ],
    ids=str,
)
def test_from_toml__that_is_no_policy__is_refused(document: bytes) -> None:
    with pytest.raises(InvalidInputError):
        Policy.from_toml(document)


def test_seconds__of_a_request_that_is_over__are_none() -> None:
    assert asked(now=STUDY.access_until + DAY).seconds == 0
