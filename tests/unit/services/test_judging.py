"""A study asks for quality: what is attested decides what is delivered, and what its custodian earns.

given a study with a minimum score, and patients whose records were attested
├─ of the records that are as good, keys are given, and the lowest score is stated
├─ a record below it, of another method, or without a score is left out: no key of it, and why is told
├─ where nothing is as good, nobody signs and nothing is delivered
└─ of several assessors who count the strictest decides; who is accredited no longer does not count
given what is attested otherwise after the patient accepted
├─ worse: it is not delivered either, although its key was given
└─ better: its key was not given, and it is not delivered
given a delivery
├─ stated higher than what was attested then: it is not confirmed
├─ withdrawn, attested worse or suspended after it: it is confirmed all the same
└─ what quality has not earned comes back to the requester
given a study without a condition
└─ nothing is asked about quality
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from quality_town import EIGHTY, HALF, METHOD, OTHER_METHOD, QualityTown
from study_town import new_study_town

from medshare.errors import IntegrityError, ScoreOverstatedError, ScoreTooLowError
from medshare.model.accreditation import AccreditationKind
from medshare.model.quality_condition import QualityCondition
from medshare.model.record import Category
from medshare.model.request import ReservationStatus

pytestmark = [pytest.mark.unit, pytest.mark.timeout(120)]

TO_CUSTODIAN = 200_000


@pytest.fixture
def town(tmp_path: Path) -> QualityTown:
    return QualityTown(new_study_town(tmp_path))


# ------------------------------------------------------------------------------------------------- as a condition


def test_deliver__some_records_as_good_as_asked__the_others_are_left_out_and_told(town: QualityTown) -> None:
    best, enough, poor, unseen = town.published(92, 80, 79, None)
    request_id = town.open(EIGHTY)
    town.town.accept(request_id)

    found = town.deliver(request_id).found

    assert {record.record_id for record in found.records} == {best.record_id, enough.record_id}
    assert found.score == 80
    assert {each.record.record_id: each.score for each in found.left_out} == {
        poor.record_id: 79,
        unseen.record_id: None,
    }
    assert {each.explain() for each in found.left_out} == {
        "attested with 79 of 100",
        "not attested as good as the study asks, as far as the chain and the slips in the bundle tell",
    }
    assert town.town.part(request_id).reservation.score == 80
    assert [town.opens(each) for each in (best, enough, poor, unseen)] == [True, True, False, False]
    inspected = town.confirm(request_id)
    assert (inspected.score, len(inspected.records)) == (80, 2)


def test_accept__one_patient_as_good_and_another_not__who_is_not_is_refused_before_signing(town: QualityTown) -> None:
    town.published(92)
    town.published(70, patient=town.town.paul)
    request_id = town.open(EIGHTY)
    town.town.accept(request_id)
    town.town.shown = []

    with pytest.raises(ScoreTooLowError) as caught:
        town.town.accept(request_id, town.town.paul)

    assert (caught.value.records, caught.value.minimum_score, caught.value.method) == (1, 80, METHOD)
    assert town.town.shown == []
    town.deliver(request_id)


def test_accept__none_is_as_good__counts_those_that_the_study_wants(town: QualityTown) -> None:
    town.published(70, None)
    town.town.publish(text=b"a scan", category=Category.IMAGING)

    with pytest.raises(ScoreTooLowError) as caught:
        town.town.accept(town.open(EIGHTY))

    assert caught.value.records == 2


def test_accept__a_study_that_asks_for_quality__says_so_before_it_is_signed(town: QualityTown) -> None:
    town.published(92, 70)
    request_id = town.open(QualityCondition(method=METHOD, minimum_score=80, weight=5_000))

    town.town.accept(request_id)

    said = dict(town.town.shown)["quality"]
    assert "records below 80 of 100 are not delivered" in said
    assert "50 % of the custodian's part" in said


def test_deliver__several_assessors_and_methods__the_strictest_of_the_method_decides(town: QualityTown) -> None:
    (record,) = town.published(85)
    town.attest(record, 99, by=town.friendly)
    town.attest(record, 10, method=OTHER_METHOD, by=town.assessor())
    request_id = town.open(EIGHTY)
    town.town.accept(request_id)

    assert town.deliver(request_id).score == 85


def test_accept__attested_by_another_method_only__is_refused(town: QualityTown) -> None:
    (record,) = town.published(None)
    town.attest(record, 99, method=OTHER_METHOD)
    with pytest.raises(ScoreTooLowError):
        town.town.accept(town.open(EIGHTY))


def test_accept__the_assessor_is_accredited_no_longer__does_not_count(town: QualityTown) -> None:
    (record,) = town.published(60)
    town.attest(record, 99, by=town.friendly)
    request_id = town.open(EIGHTY)
    with pytest.raises(ScoreTooLowError):
        town.town.accept(request_id)
    town.town.world.chain.accredit(town.strict.address, AccreditationKind.ASSESSOR, 0)

    town.town.accept(request_id)

    assert town.deliver(request_id).score == 99


# ------------------------------------------------------------------------------ attested otherwise after accepting


def test_deliver__worse_since_the_patient_accepted__is_left_out_and_not_counted(town: QualityTown) -> None:
    _, fallen = town.published(90, 95)
    request_id = town.open(EIGHTY)
    town.town.accept(request_id)
    town.attest(fallen, 40)

    found = town.deliver(request_id).found

    assert (found.score, [(each.record.record_id, each.score) for each in found.left_out]) == (
        90,
        [(fallen.record_id, 40)],
    )
    assert town.confirm(request_id).score == 90


def test_deliver__nothing_is_as_good_any_more__is_refused_and_can_be_declined(town: QualityTown) -> None:
    (record,) = town.published(90)
    request_id = town.open(EIGHTY)
    town.town.accept(request_id)
    town.assessing.withdraw(record.record_id, assessor=town.strict)

    with pytest.raises(ScoreTooLowError):
        town.deliver(request_id)

    assert town.town.part(request_id).status is ReservationStatus.RESERVED
    town.town.delivering.decline(request_id, town.town.mary.address, custodian=town.town.world.hospital)


def test_deliver__better_since_the_patient_accepted__its_key_was_not_given(town: QualityTown) -> None:
    _, risen = town.published(90, 70)
    request_id = town.open(EIGHTY)
    town.town.accept(request_id)
    town.attest(risen, 85)

    found = town.deliver(request_id).found

    assert (found.score, [(each.record.record_id, each.score) for each in found.left_out]) == (
        90,
        [(risen.record_id, 70)],
    )
    assert not town.opens(risen)


# ------------------------------------------------------------------------------------------------------ confirming


@pytest.mark.parametrize(("attested", "stated"), [(81, 82), (81, 100), (None, 80)])
def test_confirm__stated_higher_than_attested__is_refused(town: QualityTown, attested: int | None, stated: int) -> None:
    (record,) = town.published(90)
    request_id = town.open(EIGHTY)
    town.town.accept(request_id)
    if attested is None:
        town.assessing.withdraw(record.record_id, assessor=town.strict)
    else:
        town.attest(record, attested)
    town.state(request_id, stated)

    with pytest.raises(ScoreOverstatedError) as caught:
        town.confirm(request_id)

    assert isinstance(caught.value, IntegrityError)
    assert (caught.value.stated, caught.value.attested) == (stated, attested or 0)
    assert town.town.part(request_id).status is ReservationStatus.DELIVERED


def test_confirm__stated_lower_than_attested__is_confirmed(town: QualityTown) -> None:
    town.published(90)
    request_id = town.open(EIGHTY)
    town.town.accept(request_id)
    town.state(request_id, 80)
    assert town.confirm(request_id).score == 90


@pytest.mark.parametrize("how", ["withdrawn", "worse", "suspended"])
def test_confirm__attested_otherwise_after_the_delivery__is_confirmed(town: QualityTown, how: str) -> None:
    (record,) = town.published(90)
    request_id = town.open(EIGHTY)
    town.town.accept(request_id)
    town.deliver(request_id)
    match how:
        case "withdrawn":
            town.assessing.withdraw(record.record_id, assessor=town.strict)
        case "worse":
            town.attest(record, 5)
        case _:
            town.town.world.chain.accredit(town.strict.address, AccreditationKind.ASSESSOR, 0)

    assert town.confirm(request_id).score == 90


def test_confirm__a_record_came_or_ended_after_the_delivery__is_no_part_of_it(town: QualityTown) -> None:
    town.published(90)
    request_id = town.open(HALF)
    town.town.accept(request_id)
    town.deliver(request_id)
    later = town.town.publish(text=b'{"resourceType":"Observation","note":"later"}')
    town.attest(later, 1)

    inspected = town.confirm(request_id)

    assert (inspected.score, len(inspected.records)) == (90, 2)


# ----------------------------------------------------------------------------------------------------- as a weight


@pytest.mark.parametrize(
    ("scores", "score", "back"), [((60, 90), 60, 40_000), ((100,), 100, 0), ((90, None), 0, 100_000)]
)
def test_confirm__half_depends_on_quality__what_is_not_earned_comes_back(
    town: QualityTown, scores: tuple[int | None, ...], score: int, back: int
) -> None:
    town.published(*scores)
    request_id = town.open(HALF)
    town.town.accept(request_id)
    found = town.deliver(request_id).found
    assert (found.score, len(found.records), found.left_out) == (score, len(scores), ())

    town.confirm(request_id)

    town_, hospital = town.town, town.town.world.hospital
    assert town_.credit(hospital.address) == TO_CUSTODIAN - back
    assert town_.credit(town_.researcher.address) == back
    assert town_.credit(town_.mary.address) == 700_001
    account = town_.rewarding.account_of(request_id)
    assert (account.to_custodians, account.returned) == (TO_CUSTODIAN - back, back)


def test_study__without_a_condition__asks_nothing_about_quality(town: QualityTown) -> None:
    town.published(None, 10)
    request_id = town.open(None)
    town.town.accept(request_id)
    assert "quality" not in dict(town.town.shown)
    found = town.deliver(request_id).found
    assert (found.score, len(found.records), found.left_out) == (0, 2, ())
    town.confirm(request_id)
    assert town.town.credit(town.town.world.hospital.address) == TO_CUSTODIAN


def test_confirm__a_score_is_stated_that_nobody_asked_for__is_confirmed(town: QualityTown) -> None:
    town.published(None)
    request_id = town.open(None)
    town.town.accept(request_id)
    town.state(request_id, 100)
    town.confirm(request_id)
    assert town.town.credit(town.town.world.hospital.address) == TO_CUSTODIAN


def test_study__that_says_another_condition_than_the_chain__cannot_be_accepted(town: QualityTown) -> None:
    town.published(90)
    asked = town.town.world.ledger.requests.request(town.open(EIGHTY), block=town.town.world.chain.head())
    study = replace(town.town.study, quality=replace(EIGHTY, method=OTHER_METHOD))
    with pytest.raises(IntegrityError, match="quality"):
        study.check_against(asked)
