"""EmergencyAccess.review

given an episode, in force or over
    an accredited reviewer finds it justified or not, once; told by its event, kept in the episode
given who may not
    a stranger, a clinician, a reviewer whose accreditation has ended; the clinician himself, though a reviewer too;
    the patient, though a reviewer too, by his own key or the one that took over
given a verdict
    none is none; a second one is refused, by the same reviewer or another
given many episodes
    in any order of reviews, the standing says up to which number all are reviewed, and no review is lost
"""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest
from evm import NEVER, Event, FailedError, RefusedError
from people import (
    CLINICIAN,
    DAY,
    JUSTIFIED,
    NOTE,
    REVIEW_PERIOD,
    REVIEWER,
    UNJUSTIFIED,
    Circle,
    account,
    deploy_emergencies,
    episode_id_of,
    guardians,
)

pytestmark = pytest.mark.contracts


@pytest.fixture
def doctor(emergencies, actors):
    emergencies.accredit(actors.doctor)
    return actors.doctor


@pytest.fixture
def reviewer(emergencies, actors):
    emergencies.accredit(actors.researcher, REVIEWER)
    return actors.researcher


@pytest.fixture
def episode_id(emergencies, actors, doctor):
    return emergencies.break_glass(doctor, actors.patient, duration=3600).events[0].values["id"]


def assert_refused(act, *args):
    with pytest.raises(RefusedError) as refused:
        act()
    assert refused.value.args == args


@pytest.mark.parametrize("verdict", [JUSTIFIED, UNJUSTIFIED])
@pytest.mark.parametrize("after", [1, 3600, REVIEW_PERIOD - 1, REVIEW_PERIOD, 100 * REVIEW_PERIOD])
def test_review__by_a_reviewer_at_any_time__is_kept_and_told(emergencies, doctor, reviewer, episode_id, verdict, after):
    before = emergencies.episode(episode_id)

    sent = emergencies.review(reviewer, episode_id, verdict, at=emergencies.chain.now + 1 + after)

    values = {"id": episode_id, "reviewer": reviewer, "verdict": verdict, "note": NOTE}
    assert sent.events == (Event("EpisodeReviewed", values, emergencies.contract.address),)
    assert emergencies.episode(episode_id) == replace(before, verdict=verdict)
    assert emergencies.standing(doctor) == (1, 1)


@pytest.mark.parametrize("verdict", [JUSTIFIED, UNJUSTIFIED])
def test_review__while_in_force__leaves_it_in_force(emergencies, doctor, reviewer, episode_id, verdict):
    emergencies.review(reviewer, episode_id, verdict)

    assert emergencies.is_live(episode_id)
    emergencies.end(doctor, episode_id)
    assert emergencies.episode(episode_id).verdict == verdict


@pytest.mark.parametrize("caller", ["stranger", "patient", "deployer", "custodian", "doctor"])
def test_review__not_accredited_as_reviewer__is_refused(emergencies, actors, doctor, reviewer, episode_id, caller):
    emergencies.accredit(actors.custodian, CLINICIAN)
    caller = getattr(actors, caller)

    assert_refused(lambda: emergencies.review(caller, episode_id), "EmergencyAccessNotAccredited", caller)

    assert emergencies.standing(doctor) == (1, 0)


@pytest.mark.parametrize(("when", "may"), [(-1, True), (0, False), (1, False)])
def test_review__around_the_end_of_accreditation__no_longer_at_it(emergencies, actors, doctor, episode_id, when, may):
    end = emergencies.chain.now + 1000
    emergencies.accredit(actors.researcher, REVIEWER, end)

    def review():
        return emergencies.review(actors.researcher, episode_id, at=end + when)

    if may:
        assert [event.name for event in review().events] == ["EpisodeReviewed"]
    else:
        assert_refused(review, "EmergencyAccessNotAccredited", actors.researcher)


def test_review__by_the_clinician_himself__is_refused_and_of_another_is_made(emergencies, actors, doctor, episode_id):
    emergencies.accredit(doctor, REVIEWER)
    emergencies.accredit(actors.custodian)
    other = emergencies.break_glass(actors.custodian, actors.patient).events[0].values["id"]

    assert_refused(lambda: emergencies.review(doctor, episode_id), "EmergencyAccessNotAllowed", doctor)
    emergencies.review(doctor, other)

    assert emergencies.episode(episode_id).verdict == 0
    assert emergencies.episode(other).verdict == JUSTIFIED


def test_review__by_the_patient__is_refused_and_of_anothers_episode_is_made(emergencies, actors, doctor, episode_id):
    emergencies.accredit(actors.patient, REVIEWER)
    other = emergencies.break_glass(doctor, actors.other_patient).events[0].values["id"]

    assert_refused(lambda: emergencies.review(actors.patient, episode_id), "EmergencyAccessNotAllowed", actors.patient)
    emergencies.review(actors.patient, other)

    assert emergencies.episode(other).verdict == JUSTIFIED


def test_review__by_the_key_that_took_over_for_the_patient__is_refused(emergencies, authority, actors, episode_id):
    circle, new_key = Circle(guardians(1), 1), actors.custodian
    authority.name_guardians(actors.patient, actors.patient, circle.digest(actors.patient), DAY)
    authority.recover(actors.patient, new_key, circle, sender=actors.stranger)
    emergencies.accredit(new_key, REVIEWER)

    assert_refused(lambda: emergencies.review(new_key, episode_id), "EmergencyAccessNotAllowed", new_key)

    assert emergencies.episode(episode_id).verdict == 0


def test_review__no_verdict__is_refused(emergencies, reviewer, episode_id):
    assert_refused(lambda: emergencies.review(reviewer, episode_id, 0), "EmergencyAccessVerdictMissing")


def test_review__a_verdict_there_is_not__is_refused(emergencies, reviewer, episode_id):
    data = emergencies.contract.functions.review(episode_id, JUSTIFIED, NOTE).data
    forged = data[:36] + (3).to_bytes(32, "big") + data[68:]

    with pytest.raises(FailedError):
        emergencies.chain.ask(emergencies.contract.address, forged, sender=reviewer)


@pytest.mark.parametrize("first", [JUSTIFIED, UNJUSTIFIED])
@pytest.mark.parametrize("second", [JUSTIFIED, UNJUSTIFIED, 0])
def test_review__twice__is_refused_to_anybody(emergencies, actors, reviewer, episode_id, first, second):
    emergencies.accredit(actors.stranger, REVIEWER, NEVER)
    emergencies.review(reviewer, episode_id, first)

    for by in (reviewer, actors.stranger):
        assert_refused(lambda by=by: emergencies.review(by, episode_id, second), "EmergencyAccessReviewed", episode_id)
    assert emergencies.episode(episode_id).verdict == first


@pytest.mark.parametrize("order", list(permutations([1, 2, 3])))
def test_review__in_any_order__the_standing_is_up_to_which_all_are_reviewed(emergencies, doctor, reviewer, order):
    for number in (1, 2, 3):
        emergencies.break_glass(doctor, account(f"patient {number}").address)

    done = set()
    for number in order:
        emergencies.review(reviewer, episode_id_of(doctor, number))
        done.add(number)
        up_to = next(each for each in range(4) if each + 1 not in done)
        assert emergencies.standing(doctor) == (3, up_to)


def test_review__of_one_clinician__counts_for_no_other(emergencies, actors, doctor, reviewer, episode_id):
    emergencies.accredit(actors.custodian)
    emergencies.break_glass(actors.custodian, actors.patient)

    emergencies.review(reviewer, episode_id)

    assert emergencies.standing(actors.custodian) == (1, 0)


def test_review__none_may_wait__one_episode_at_a_time(chain, contracts, actors):
    emergencies = deploy_emergencies(chain, contracts, accreditor=actors.member, most=1)
    emergencies.accredit(actors.doctor)
    emergencies.accredit(actors.researcher, REVIEWER)
    emergencies.break_glass(actors.doctor, actors.patient)

    assert_refused(
        lambda: emergencies.break_glass(actors.doctor, actors.other_patient),
        "EmergencyAccessTooManyUnreviewed",
        actors.doctor,
        1,
    )
    emergencies.review(actors.researcher, episode_id_of(actors.doctor, 1))
    emergencies.break_glass(actors.doctor, actors.other_patient)
    assert emergencies.standing(actors.doctor) == (2, 1)
