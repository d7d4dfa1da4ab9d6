"""A request in words: who, accredited by whom, what, why, how long, how much, and what nobody vouches for.

given a request and its study
├─ each thing that a patient must know is a line
└─ names are used where there are some; what is not there is said
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from studies import DAY, MEMBER, NOW, RESEARCHER, STUDY, TOKEN, on_chain

from medshare.model.intended_use import IntendedUse
from medshare.model.quality_condition import QualityCondition
from medshare.model.request import RequestCategory
from medshare.services.request_words import category_in_words, request_lines, reward_in_words

pytestmark = pytest.mark.unit

NAMES = {RESEARCHER: "professor", MEMBER: "ministry", TOKEN: "coupon"}


def words(study=STUDY, *, accredited_by=MEMBER, names=NAMES.get) -> dict[str, str]:
    return dict(request_lines(on_chain(study), study, accredited_by=accredited_by, names=names, now=NOW))


def test_lines__of_a_study__tell_all_that_a_patient_must_know() -> None:
    said = words()
    assert said["study"] == STUDY.title
    assert said["what for"] == STUDY.summary
    assert said["who asks"] == f"professor ({RESEARCHER}), for {STUDY.institution}, by his own word"
    assert said["accredited by"] == f"ministry ({MEMBER})"
    assert said["contact"] == STUDY.contact
    assert "laboratory" in said["wants"]
    assert "NORELINK" in said["wants"]
    assert said["category"] == "research that nobody profits from"
    assert "in 120 days" in said["access lasts until"]
    assert said["reward"].startswith("700001 wei")
    assert said["reward, in the requester's words"] == STUDY.reward_in_words
    assert said["ethics approval, by the requester's word"] == "HUS/1/2026"


def test_lines__without_names_reward_or_approval__say_so() -> None:
    bare = replace(STUDY, reward=0, reward_in_words=None, intended_use=IntendedUse())
    said = words(bare, accredited_by=None, names=lambda _: None)
    assert said["who asks"].startswith(RESEARCHER)
    assert said["accredited by"] == "nobody vouches for the requester now"
    assert said["reward"] == "none"
    assert not any("approval" in label or "own words" in label for label in said)


def test_reward__in_a_token__names_it() -> None:
    assert "units of token coupon" in reward_in_words(on_chain(replace(STUDY, token=TOKEN)), NAMES.get)


@pytest.mark.parametrize("quality", [{"minimum_score": 80}, {"weight": 5_000}])
def test_lines__of_a_study_that_asks_for_quality__say_it(quality: dict) -> None:
    study = replace(STUDY, quality=QualityCondition(method=3, **quality))
    said = words(study)
    assert said["quality"] == study.quality.in_words()
    assert ("up to 200000, by quality, for the custodian" in said["reward"]) == ("weight" in quality)
    assert "quality" not in words()


def test_days__of_access_that_is_over_or_ends_tomorrow__are_counted() -> None:
    study = replace(STUDY, access_days=0)
    for now, said in ((study.deadline - DAY, "in 1 day"), (study.deadline + DAY, "1 day ago")):
        lines = dict(request_lines(on_chain(study), study, accredited_by=None, names=NAMES.get, now=now))
        assert said in lines["access lasts until"]


@pytest.mark.parametrize(
    ("category", "said"),
    [(RequestCategory.COMMERCIAL, "for profit"), (RequestCategory.PUBLIC, "public health"), (9, "9")],
)
def test_category__known_or_not__is_said(category: int, said: str) -> None:
    assert said in category_in_words(category)
