"""EmergencyAccess.breakGlass and isLive

given an accredited clinician
    he opens an episode: stored, told by both events, in force for BTG at once, under his address and its number
    its reason is one of four, its length a minute to the limit, its patient somebody else
given anybody else
    not accredited, no longer, as a reviewer only, by another accreditor: refused
given an episode
    it is in force from its block to the second before its end, while its clinician is accredited, to the second
    when his accreditation ends or is withdrawn: at once not; given back within the time: again
    it answers for BTG alone: not for treatment, not for BTG with anything else, not for nothing
    it makes no grant, and nothing in ConsentRegistry changes
given one in force for a patient
    its clinician opens no second for him, for others he does; another clinician does
    when it is over, by time or by its end, he may again
given how many wait for review, and how long
    no more than the limit, none once the oldest is overdue, to the second
    a review out of order helps when the oldest is reviewed too
given a patient who has barred it
    no episode opens for him
given many episodes and reviews in a few hours
    each costs what those of the last hours cost, and reviewing never more than the limit
"""

from __future__ import annotations

from itertools import pairwise

import pytest
from evm import ALL_PURPOSES, ETREAT, NEVER, TREAT, ZERO_ADDRESS, Event, RefusedError, grant_id_of
from people import (
    BTG,
    CLINICIAN,
    DETAILS,
    LONGEST,
    MOST,
    REVIEW_PERIOD,
    REVIEWER,
    UNCONSCIOUS,
    EpisodeView,
    account,
    deploy_emergencies,
    episode_id_of,
)

pytestmark = pytest.mark.contracts


@pytest.fixture
def doctor(emergencies, actors):
    """An accredited clinician."""
    emergencies.accredit(actors.doctor)
    return actors.doctor


@pytest.fixture
def reviewer(emergencies, actors):
    """An accredited reviewer."""
    emergencies.accredit(actors.researcher, REVIEWER)
    return actors.researcher


def assert_refused(act, *args):
    with pytest.raises(RefusedError) as refused:
        act()
    assert refused.value.args == args


def patient_number(number):
    return account(f"patient {number}").address


# ------------------------------------------------------------------------------------------ an episode


def test_break_glass__accredited_clinician__opens_an_episode_and_is_seen(emergencies, actors, doctor):
    sent = emergencies.break_glass(doctor, actors.patient, duration=3600)

    episode_id, address = episode_id_of(doctor, 1), emergencies.contract.address
    opened = EpisodeView(actors.patient, sent.time, sent.time + 3600, UNCONSCIOUS, 0)
    told = {
        "patient": actors.patient,
        "clinician": doctor,
        "id": episode_id,
        "reason": UNCONSCIOUS,
        "details": DETAILS,
        "endsAt": sent.time + 3600,
    }
    token = {"operator": doctor, "from": ZERO_ADDRESS, "to": doctor, "id": episode_id, "value": 1}
    assert emergencies.episode(episode_id) == opened
    assert emergencies.standing(doctor) == (1, 0)
    assert emergencies.is_live(episode_id)
    assert emergencies.balance(doctor, episode_id) == 1
    assert sent.events == (Event("GlassBroken", told, address), Event("TransferSingle", token, address))


def test_break_glass__called__returns_the_id(emergencies, actors, doctor):
    function = emergencies.contract.functions.breakGlass(actors.patient, UNCONSCIOUS, DETAILS, 3600)

    assert emergencies.chain.call(function, sender=doctor) == episode_id_of(doctor, 1)


def test_break_glass__several__are_numbered_by_clinician(emergencies, actors, doctor):
    emergencies.accredit(actors.custodian)
    emergencies.break_glass(doctor, actors.patient)
    emergencies.break_glass(doctor, actors.other_patient)
    emergencies.break_glass(actors.custodian, actors.patient)

    assert emergencies.episode(episode_id_of(doctor, 1)).patient == actors.patient
    assert emergencies.episode(episode_id_of(doctor, 2)).patient == actors.other_patient
    assert emergencies.episode(episode_id_of(actors.custodian, 1)).patient == actors.patient
    assert (emergencies.standing(doctor), emergencies.standing(actors.custodian)) == ((2, 0), (1, 0))


@pytest.mark.parametrize("episode_id", [0, 1, "other number", "other clinician", "number with more bits", "no number"])
def test_episode__there_is_none__is_unknown_and_dead(emergencies, actors, doctor, reviewer, episode_id):
    emergencies.break_glass(doctor, actors.patient)
    unknown = {
        "other number": episode_id_of(doctor, 2),
        "other clinician": episode_id_of(actors.stranger, 1),
        "number with more bits": episode_id_of(doctor, 1 | 1 << 32),
        "no number": episode_id_of(doctor, 0),
    }.get(episode_id, episode_id)

    for act in (
        lambda: emergencies.episode(unknown),
        lambda: emergencies.end(doctor, unknown),
        lambda: emergencies.release(doctor, unknown),
        lambda: emergencies.review(reviewer, unknown),
    ):
        assert_refused(act, "EmergencyAccessEpisodeUnknown", unknown)
    assert not emergencies.is_live(unknown)
    for holder in (doctor, ZERO_ADDRESS, actors.stranger):
        assert emergencies.balance(holder, unknown) == 0


# ------------------------------------------------------------------------------------------ its arguments


@pytest.mark.parametrize("reason", [1, 2, 3, 4])
def test_break_glass__coded_reason__is_kept(emergencies, actors, doctor, reason):
    emergencies.break_glass(doctor, actors.patient, reason=reason)

    assert emergencies.episode(episode_id_of(doctor, 1)).reason == reason


@pytest.mark.parametrize("reason", [0, 5, 255])
def test_break_glass__no_such_reason__is_refused(emergencies, actors, doctor, reason):
    assert_refused(
        lambda: emergencies.break_glass(doctor, actors.patient, reason=reason), "EmergencyAccessReasonUnknown", reason
    )


@pytest.mark.parametrize("duration", [60, 61, LONGEST - 1, LONGEST])
def test_break_glass__length_within_the_limits__is_kept(emergencies, actors, doctor, duration):
    sent = emergencies.break_glass(doctor, actors.patient, duration=duration)

    assert emergencies.episode(episode_id_of(doctor, 1)).ends_at == sent.time + duration


@pytest.mark.parametrize("duration", [0, 1, 59, LONGEST + 1, 2**32 - 1])
def test_break_glass__shorter_or_longer__is_refused(emergencies, actors, doctor, duration):
    assert_refused(
        lambda: emergencies.break_glass(doctor, actors.patient, duration=duration),
        "EmergencyAccessDurationOutOfRange",
        duration,
        LONGEST,
    )


def test_break_glass__for_himself_or_nobody__is_refused(emergencies, actors, doctor):
    for patient in (doctor, ZERO_ADDRESS):
        assert_refused(
            lambda patient=patient: emergencies.break_glass(doctor, patient), "EmergencyAccessPatientInvalid", patient
        )


def test_break_glass__details_say_nothing__is_made(emergencies, actors, doctor):
    function = emergencies.contract.functions.breakGlass(actors.patient, 4, bytes(32), 60)

    sent = emergencies.chain.send(function, sender=doctor)

    assert sent.events[0].values["details"] == bytes(32)


# ------------------------------------------------------------------------------------------ who may


@pytest.mark.parametrize("caller", ["stranger", "patient", "custodian", "deployer", "researcher"])
def test_break_glass__not_accredited_as_clinician__is_refused(emergencies, actors, doctor, reviewer, caller):
    caller = getattr(actors, caller)

    assert_refused(
        lambda: emergencies.break_glass(caller, actors.other_patient), "EmergencyAccessNotAccredited", caller
    )
    assert emergencies.standing(caller) == (0, 0)


@pytest.mark.parametrize(("when", "may"), [(-1, True), (0, False), (1, False)])
def test_break_glass__around_the_end_of_accreditation__no_longer_at_it(emergencies, actors, when, may):
    end = emergencies.chain.now + 1000
    emergencies.accredit(actors.doctor, until=end)

    def opening():
        return emergencies.break_glass(actors.doctor, actors.patient, at=end + when)

    if may:
        assert emergencies.episode(opening().events[0].values["id"]).opened_at == end + when
    else:
        assert_refused(opening, "EmergencyAccessNotAccredited", actors.doctor)


# ------------------------------------------------------------------------------------------ in force


@pytest.mark.parametrize(("when", "live"), [(-15, True), (-1, True), (0, False), (1, False), (15, False)])
def test_is_live__around_its_end__no_longer_at_it(emergencies, actors, doctor, when, live):
    ends_at = emergencies.break_glass(doctor, actors.patient).events[0].values["endsAt"]

    emergencies.chain.mine_at(ends_at + when)

    assert emergencies.is_live(episode_id_of(doctor, 1)) is live
    assert emergencies.balance(doctor, episode_id_of(doctor, 1)) == int(live)


@pytest.mark.parametrize(("when", "live"), [(-1, True), (0, False), (1, False)])
def test_is_live__accreditation_ends_during_it__is_over_to_the_second(emergencies, actors, when, live):
    end = emergencies.chain.now + 1000
    emergencies.accredit(actors.doctor, until=end)
    emergencies.break_glass(actors.doctor, actors.patient)

    emergencies.chain.mine_at(end + when)

    assert emergencies.is_live(episode_id_of(actors.doctor, 1)) is live
    assert emergencies.balance(actors.doctor, episode_id_of(actors.doctor, 1)) == int(live)


def test_is_live__accreditation_withdrawn_during_it__is_over_at_once_and_back_when_given_back(
    emergencies, actors, doctor
):
    episode_id = episode_id_of(doctor, 1)
    ends_at = emergencies.break_glass(doctor, actors.patient).events[0].values["endsAt"]

    emergencies.accredit(doctor, until=0)
    assert not emergencies.is_live(episode_id)
    assert emergencies.balance(doctor, episode_id) == 0
    assert_refused(lambda: emergencies.release(actors.custodian, episode_id), "EmergencyAccessEpisodeOver", episode_id)

    emergencies.accredit(doctor, until=NEVER)
    assert emergencies.is_live(episode_id)
    emergencies.chain.mine_at(ends_at)
    assert not emergencies.is_live(episode_id)


def test_is_live__accredited_as_reviewer_only_meanwhile__is_over(emergencies, actors, doctor):
    emergencies.break_glass(doctor, actors.patient)
    emergencies.accredit(doctor, REVIEWER)

    emergencies.accredit(doctor, CLINICIAN, 0)

    assert not emergencies.is_live(episode_id_of(doctor, 1))


@pytest.mark.parametrize(
    "purposes", [0, TREAT, ETREAT, BTG | TREAT, BTG | ETREAT, BTG | 1 << 15, BTG >> 1, ALL_PURPOSES]
)
def test_is_live__for_anything_but_btg_alone__is_false(emergencies, actors, doctor, purposes):
    emergencies.break_glass(doctor, actors.patient)

    assert emergencies.is_live(episode_id_of(doctor, 1), BTG)
    assert not emergencies.is_live(episode_id_of(doctor, 1), purposes)


def test_break_glass__whatever_happens__consent_registry_knows_nothing_of_it(
    emergencies, authority, ledger, actors, doctor, reviewer
):
    ledger.grant(actors.patient, actors.doctor, expires_at=emergencies.chain.now + 5)
    before = ledger.get_grant(grant_id_of(actors.patient, doctor)), authority.slots_of(actors.patient, doctor)
    episode_id = episode_id_of(doctor, 1)

    sent = [
        emergencies.break_glass(doctor, actors.patient),
        emergencies.release(actors.custodian, episode_id),
        emergencies.end(doctor, episode_id),
        emergencies.review(reviewer, episode_id),
        emergencies.set_bar(actors.patient, actors.patient, True),
    ]

    assert (ledger.get_grant(grant_id_of(actors.patient, doctor)), authority.slots_of(actors.patient, doctor)) == before
    assert {event.address for each in sent for event in each.events} == {emergencies.contract.address}
    assert not authority.is_delegate(actors.patient, doctor, 0, 0)


def test_break_glass__patient_revokes_all__the_episode_goes_on_until_he_ends_it(emergencies, authority, actors, doctor):
    emergencies.break_glass(doctor, actors.patient)

    authority.revoke_all(actors.patient, actors.patient)
    assert emergencies.is_live(episode_id_of(doctor, 1))

    emergencies.end(actors.patient, episode_id_of(doctor, 1))
    assert not emergencies.is_live(episode_id_of(doctor, 1))


# ------------------------------------------------------------------------------------------ one at a time


@pytest.mark.parametrize(("when", "may"), [(-1, False), (0, True), (1, True)])
def test_break_glass__again_around_the_end_of_the_first__not_while_it_lasts(emergencies, actors, doctor, when, may):
    ends_at = emergencies.break_glass(doctor, actors.patient, duration=600).events[0].values["endsAt"]

    def again():
        return emergencies.break_glass(doctor, actors.patient, at=ends_at + when)

    if may:
        assert again().events[0].values["id"] == episode_id_of(doctor, 2)
    else:
        assert_refused(again, "EmergencyAccessEpisodeOpen", episode_id_of(doctor, 1))


def test_break_glass__one_is_open__others_and_by_others_can(emergencies, actors, doctor):
    emergencies.accredit(actors.custodian)
    emergencies.break_glass(doctor, actors.patient)
    emergencies.break_glass(doctor, actors.other_patient)

    assert_refused(
        lambda: emergencies.break_glass(doctor, actors.patient), "EmergencyAccessEpisodeOpen", episode_id_of(doctor, 1)
    )
    emergencies.break_glass(actors.custodian, actors.patient)
    assert emergencies.is_live(episode_id_of(actors.custodian, 1))


@pytest.mark.parametrize("by", ["doctor", "patient"])
def test_break_glass__the_first_was_ended__can_be_in_the_same_second(emergencies, actors, doctor, by):
    emergencies.break_glass(doctor, actors.patient)
    emergencies.end(getattr(actors, by), episode_id_of(doctor, 1))

    emergencies.break_glass(doctor, actors.patient)

    assert emergencies.is_live(episode_id_of(doctor, 2))
    assert not emergencies.is_live(episode_id_of(doctor, 1))


@pytest.mark.parametrize(("when", "may"), [(-1, False), (0, True)])
def test_break_glass__longest_one_with_shorter_ones_after_it__is_still_seen_to_its_last_second(
    emergencies, actors, doctor, when, may
):
    first = emergencies.break_glass(doctor, actors.patient, duration=LONGEST)
    emergencies.break_glass(doctor, actors.other_patient, duration=60)

    def again():
        return emergencies.break_glass(doctor, actors.patient, duration=60, at=first.time + LONGEST + when)

    if may:
        assert again().events[0].values["id"] == episode_id_of(doctor, 3)
    else:
        assert_refused(again, "EmergencyAccessEpisodeOpen", episode_id_of(doctor, 1))


# ------------------------------------------------------------------------------------------ until it is reviewed


def test_break_glass__as_many_as_may_wait__and_no_more(emergencies, actors, doctor, reviewer):
    for number in range(MOST):
        emergencies.break_glass(doctor, patient_number(number))

    def one_more():
        return emergencies.break_glass(doctor, patient_number(MOST))

    assert_refused(one_more, "EmergencyAccessTooManyUnreviewed", doctor, MOST)
    for number in range(MOST):
        emergencies.end(doctor, episode_id_of(doctor, number + 1))
    assert_refused(one_more, "EmergencyAccessTooManyUnreviewed", doctor, MOST)
    emergencies.review(reviewer, episode_id_of(doctor, 1))
    assert one_more().events[0].values["id"] == episode_id_of(doctor, MOST + 1)
    assert_refused(
        lambda: emergencies.break_glass(doctor, patient_number(9)), "EmergencyAccessTooManyUnreviewed", doctor, MOST
    )


def test_break_glass__too_many_of_one_clinician__is_no_others_trouble(emergencies, actors, doctor):
    emergencies.accredit(actors.custodian)
    for number in range(MOST):
        emergencies.break_glass(doctor, patient_number(number))

    emergencies.break_glass(actors.custodian, patient_number(0))

    assert emergencies.is_live(episode_id_of(actors.custodian, 1))


def test_break_glass__later_ones_reviewed_first__count_when_the_oldest_is(emergencies, actors, doctor, reviewer):
    for number in range(MOST):
        emergencies.break_glass(doctor, patient_number(number))
    for number in (3, 2):
        emergencies.review(reviewer, episode_id_of(doctor, number))
        assert emergencies.standing(doctor) == (MOST, 0)
    assert_refused(
        lambda: emergencies.break_glass(doctor, patient_number(9)), "EmergencyAccessTooManyUnreviewed", doctor, MOST
    )

    emergencies.review(reviewer, episode_id_of(doctor, 1))

    assert emergencies.standing(doctor) == (MOST, MOST)
    for number in range(MOST):
        emergencies.break_glass(doctor, patient_number(number + 10))


@pytest.mark.parametrize(("when", "may"), [(-1, True), (0, False), (1, False)])
def test_break_glass__around_the_deadline_of_the_review__no_longer_at_it(emergencies, actors, doctor, when, may):
    opened = emergencies.break_glass(doctor, actors.patient).time

    def another():
        return emergencies.break_glass(doctor, actors.other_patient, at=opened + REVIEW_PERIOD + when)

    if may:
        assert another().events[0].values["id"] == episode_id_of(doctor, 2)
    else:
        assert_refused(another, "EmergencyAccessReviewOverdue", episode_id_of(doctor, 1))


def test_break_glass__overdue__a_late_review_lifts_it(emergencies, actors, doctor, reviewer):
    opened = emergencies.break_glass(doctor, actors.patient).time
    emergencies.chain.mine_at(opened + 10 * REVIEW_PERIOD)
    assert_refused(
        lambda: emergencies.break_glass(doctor, actors.patient),
        "EmergencyAccessReviewOverdue",
        episode_id_of(doctor, 1),
    )

    emergencies.review(reviewer, episode_id_of(doctor, 1))

    emergencies.break_glass(doctor, actors.patient)
    assert emergencies.is_live(episode_id_of(doctor, 2))


def test_break_glass__oldest_reviewed__the_next_oldest_has_its_own_deadline(emergencies, actors, doctor, reviewer):
    first = emergencies.break_glass(doctor, actors.patient).time
    second = emergencies.break_glass(doctor, actors.other_patient, at=first + 5000).time
    emergencies.review(reviewer, episode_id_of(doctor, 1))
    mark = emergencies.chain.snapshot()

    assert_refused(
        lambda: emergencies.break_glass(doctor, actors.patient, at=second + REVIEW_PERIOD),
        "EmergencyAccessReviewOverdue",
        episode_id_of(doctor, 2),
    )
    emergencies.chain.revert(mark)
    emergencies.break_glass(doctor, actors.patient, at=second + REVIEW_PERIOD - 1)
    assert emergencies.is_live(episode_id_of(doctor, 3))


def test_break_glass__later_one_reviewed_and_the_oldest_overdue__is_refused(emergencies, actors, doctor, reviewer):
    first = emergencies.break_glass(doctor, actors.patient).time
    emergencies.break_glass(doctor, actors.other_patient)
    emergencies.review(reviewer, episode_id_of(doctor, 2))

    assert_refused(
        lambda: emergencies.break_glass(doctor, actors.patient, at=first + REVIEW_PERIOD),
        "EmergencyAccessReviewOverdue",
        episode_id_of(doctor, 1),
    )


def test_break_glass__overdue_and_too_many__names_the_overdue_one(emergencies, actors, doctor):
    for number in range(MOST):
        opened = emergencies.break_glass(doctor, patient_number(number)).time

    assert_refused(
        lambda: emergencies.break_glass(doctor, actors.patient, at=opened + REVIEW_PERIOD),
        "EmergencyAccessReviewOverdue",
        episode_id_of(doctor, 1),
    )


def test_break_glass__found_unjustified__suspends_nobody_by_itself(emergencies, actors, doctor, reviewer):
    emergencies.break_glass(doctor, actors.patient)
    emergencies.review(reviewer, episode_id_of(doctor, 1), 2)

    emergencies.break_glass(doctor, actors.other_patient)

    assert emergencies.is_live(episode_id_of(doctor, 2))
    assert emergencies.is_live(episode_id_of(doctor, 1)), "who finds it unjustified has it ended by the accreditor"


# ------------------------------------------------------------------------------------------ barred


def test_break_glass__barred__is_refused_and_others_are_not(emergencies, actors, doctor):
    emergencies.set_bar(actors.patient, actors.patient, True)

    assert_refused(lambda: emergencies.break_glass(doctor, actors.patient), "EmergencyAccessBarred", actors.patient)
    emergencies.break_glass(doctor, actors.other_patient)

    emergencies.set_bar(actors.patient, actors.patient, False)
    emergencies.break_glass(doctor, actors.patient)
    assert emergencies.is_live(episode_id_of(doctor, 2))


# ------------------------------------------------------------------------------------------ its cost


def test_break_glass__many_open_in_the_last_hours__costs_one_look_each(chain, contracts, actors):
    most = 16
    emergencies = deploy_emergencies(chain, contracts, accreditor=actors.member, most=most)
    emergencies.accredit(actors.doctor)

    costs = [emergencies.break_glass(actors.doctor, patient_number(number)).gas_used for number in range(most)]

    assert costs[-1] < 150_000
    assert all(later - earlier < 3_500 for earlier, later in pairwise(costs[1:]))


def test_break_glass__many_long_ago__cost_nothing_more(chain, contracts, actors):
    most = 16
    emergencies = deploy_emergencies(chain, contracts, accreditor=actors.member, most=most)
    emergencies.accredit(actors.doctor)
    costs = [emergencies.break_glass(actors.doctor, patient_number(number)).gas_used for number in range(most - 1)]

    later = emergencies.break_glass(actors.doctor, patient_number(99), at=chain.now + LONGEST).gas_used

    assert later < costs[1] + 3_500


def test_review__longest_gap_there_can_be__is_passed_in_one_call(chain, contracts, actors):
    most = 16
    emergencies = deploy_emergencies(chain, contracts, accreditor=actors.member, most=most)
    emergencies.accredit(actors.doctor)
    emergencies.accredit(actors.researcher, REVIEWER)
    for number in range(most):
        emergencies.break_glass(actors.doctor, patient_number(number))
    for number in range(most, 1, -1):
        emergencies.review(actors.researcher, episode_id_of(actors.doctor, number))

    sent = emergencies.review(actors.researcher, episode_id_of(actors.doctor, 1))

    assert emergencies.standing(actors.doctor) == (most, most)
    assert sent.gas_used < 120_000


# ------------------------------------------------------------------------------------------ the end of 32 bits


def test_break_glass__after_all_times_that_fit__gives_no_power(emergencies, actors):
    emergencies.accredit(actors.doctor, until=2**40 - 1)

    sent = emergencies.break_glass(actors.doctor, actors.patient, at=2**32 + 5)

    assert not emergencies.is_live(sent.events[0].values["id"])
    assert emergencies.balance(actors.doctor, sent.events[0].values["id"]) == 0
