"""A study: what a requester tells, written, read, and compared with the chain.

given a study
├─ when it is written and read it is the same
├─ when the chain says what it says it passes
└─ when the chain says another requester, purpose, category, count, deadline, duration, token or reward
   └─ it should raise IntegrityError, which names the field
given a study that cannot be, or a document that is none
└─ it should raise InvalidInputError
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from studies import PATIENTS, RESEARCHER, STUDY, TOKEN, on_chain

from medshare.errors import IntegrityError, InvalidInputError
from medshare.model.grant import MAX_TIME
from medshare.model.provision import Effect, Provision
from medshare.model.purpose import Purpose, PurposeOfUse
from medshare.model.quality_condition import QualityCondition
from medshare.model.record import RecordRef
from medshare.model.request import DAY
from medshare.model.study import MAX_REWARD, MAX_STUDY_SIZE, Study

pytestmark = pytest.mark.unit

QUALITY = QualityCondition(method=3, minimum_score=80, weight=5_000)


def test_study__written_and_read__is_the_same() -> None:
    for study in (
        STUDY,
        replace(STUDY, quality=QUALITY),
        replace(STUDY, token=TOKEN, reward=MAX_REWARD, reward_in_words=None, access_days=0),
    ):
        assert Study.from_json(study.to_json()) == study


def test_terms__of_a_study__say_what_it_says() -> None:
    terms = STUDY.terms(PATIENTS.document, PATIENTS.root)
    assert terms.purposes == Purpose.HRESCH
    assert terms.budget == STUDY.reward * STUDY.grants
    assert (terms.document, terms.invitees) == (PATIENTS.document, PATIENTS.root)
    assert STUDY.access_until == STUDY.deadline + STUDY.access_days * DAY
    STUDY.check_against(on_chain(STUDY))


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("requester", TOKEN),
        ("category", 2),
        ("grants", 9),
        ("deadline", STUDY.deadline + 1),
        ("access_days", 3),
        ("token", TOKEN),
        ("reward", 1),
        ("quality", QUALITY),
        ("wanted", replace(STUDY.wanted, purposes=(PurposeOfUse.PUBHLTH,))),
    ],
)
def test_check_against__chain_says_something_else__names_the_field(field: str, other: object) -> None:
    elsewhere = on_chain(replace(STUDY, **{field: other}))
    with pytest.raises(IntegrityError, match="purposes" if field == "wanted" else field):
        STUDY.check_against(elsewhere)


@pytest.mark.parametrize(
    "change",
    [
        {"title": ""},
        {"title": "  "},
        {"title": "x" * 201},
        {"summary": "x" * 8_001},
        {"institution": ""},
        {"contact": ""},
        {"reward_in_words": ""},
        {"category": 0},
        {"category": 256},
        {"grants": 0},
        {"grants": 65_536},
        {"deadline": 0},
        {"deadline": MAX_TIME + 1},
        {"access_days": -1},
        {"access_days": 65_535},
        {"reward": -1},
        {"reward": MAX_REWARD + 1},
        {"wanted": replace(STUDY.wanted, purposes=(PurposeOfUse.ETREAT,))},
        {"wanted": Provision(effect=Effect.DENY, purposes=(PurposeOfUse.HRESCH,), everything=True)},
        {
            "wanted": Provision(
                effect=Effect.PERMIT,
                purposes=(PurposeOfUse.HRESCH,),
                records=(RecordRef(custodian=TOKEN, record_id=PATIENTS.record),),
            )
        },
    ],
    ids=lambda change: next(iter(change)),
)
def test_study__that_cannot_be__is_refused(change: dict) -> None:
    with pytest.raises(InvalidInputError):
        replace(STUDY, **change)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"requester": "0x12"},
        {"title": None},
        {"wanted": []},
        {"wanted": {"effect": "permit"}},
        {"intended_use": None},
        {"intended_use": {"more": 1}},
        {"deadline": 1_900_000_000},
        {"deadline": "2030-1-01T00:00:00Z"},
        {"deadline": "2030-01-01"},
        {"reward": "1"},
        {"reward": True},
        {"grants": 1.5},
        {"more": 1},
    ],
    ids=str,
)
def test_from_json__that_is_no_study__is_refused(change: dict) -> None:
    fields = json.loads(STUDY.to_json())
    Study.from_json(json.dumps(fields).encode())
    with pytest.raises(InvalidInputError):
        Study.from_json(json.dumps(fields | change).encode())


def test_from_json__too_large__is_refused() -> None:
    with pytest.raises(InvalidInputError, match="bytes"):
        Study.from_json(STUDY.to_json().ljust(MAX_STUDY_SIZE + 1))


def test_requester__in_the_study__is_who_may_open_it() -> None:
    assert STUDY.requester == RESEARCHER


@pytest.mark.parametrize(
    "quality",
    [
        {"method": 3},
        {"method": 0, "weight": 1},
        {"method": 65_536, "weight": 1},
        {"method": 3, "minimum_score": 101},
        {"method": 3, "minimum_score": -1, "weight": 1},
        {"method": 3, "weight": 10_001},
        {"minimum_score": 80},
        {"method": 3, "weight": 1, "assessor": TOKEN},
    ],
)
def test_from_json__a_condition_of_quality_that_cannot_be__is_refused(quality: dict) -> None:
    document = json.loads(STUDY.to_json()) | {"quality": quality}
    with pytest.raises(InvalidInputError):
        Study.from_json(json.dumps(document).encode())


@pytest.mark.parametrize(
    ("quality", "said"),
    [
        (QUALITY, ("below 80 of 100 are not delivered", "50 % of the custodian's part", "by method 3")),
        (replace(QUALITY, minimum_score=0), ("50 % of the custodian's part",)),
        (replace(QUALITY, weight=0), ("below 80 of 100 are not delivered",)),
    ],
)
def test_quality__in_words__says_what_is_asked_and_no_more(quality: QualityCondition, said: tuple[str, ...]) -> None:
    words = quality.in_words()
    assert all(each in words for each in said)
    assert ("custodian" in words) == bool(quality.weight)
    assert ("delivered" in words) == bool(quality.minimum_score)
