"""AccessRequests.confirm, dispute, decide and release: how a reward is earned

given a delivery
    the researcher confirms it: the reward is divided, nothing left over, rounding the patient's gain; all is told
    he disputes it within the period, until its last second: it waits for a decision
    nobody disputes it in time: anybody releases it, from the first second after the period, and he disputes no more
given a dispute
    a vote decides: paid, or back to the researcher; anybody but a vote is refused
    he confirms after all: paid
    nobody decides in time: anybody releases it, as soon as the time is over; until that is sent a vote can decide
given anybody else, or a part that has not come so far or is past it
    it is refused; nothing is paid twice
given a patient who revokes after delivery
    it is earned all the same
given shares of every kind and any reward
    the parts add up to it
given shares or periods that change later
    those of the opening count
"""

from __future__ import annotations

import pytest
from asking import (
    COMMITTEE,
    DELIVERED,
    DISPUTED,
    NATIVE,
    NONE,
    PAID,
    REASON,
    RESERVED,
    RETURNED,
    REWARD,
    ReservationView,
    divide,
)
from evm import DECISION_PERIOD, DISPUTE_PERIOD, Event, refusal
from institutions import data_of

pytestmark = pytest.mark.contracts

TO_PATIENT, TO_CUSTODIAN, TO_CONSORTIUM = divide(REWARD, 7_000, 2_000)


@pytest.fixture
def earned(asking, institutions, actors):
    """Says what patient, custodian and consortium have been credited, and the researcher."""

    def ask() -> tuple[int, int, int, int]:
        accounts = (actors.patient, actors.custodian, institutions.contract.address, actors.researcher)
        return tuple(map(asking.credit, accounts))

    return ask


ALL = (TO_PATIENT, TO_CUSTODIAN, TO_CONSORTIUM, 0)
BACK = (0, 0, 0, REWARD)


def decide(institutions, asking, actors, request, paid):
    return institutions.decide([actors.member], asking.call("decide", request, actors.patient, paid))


# ------------------------------------------------------------------------------------------------------ confirming


def test_confirm__by_the_researcher__is_paid_and_told(asking, institutions, actors, delivered, earned):
    since = asking.reservation(delivered, actors.patient).since

    sent = asking.confirm(actors.researcher, delivered, actors.patient)

    assert (TO_PATIENT, TO_CUSTODIAN, TO_CONSORTIUM) == (701, 200, 100)
    address = asking.contract.address
    shares = {"toPatient": TO_PATIENT, "toCustodian": TO_CUSTODIAN, "toConsortium": TO_CONSORTIUM, "toRequester": 0}
    parts = ((actors.patient, TO_PATIENT), (actors.custodian, TO_CUSTODIAN))
    parts += ((institutions.contract.address, TO_CONSORTIUM),)
    assert sent.events == (
        Event("RewardPaid", {"id": delivered, "patient": actors.patient, **shares}, address),
        *(Event("Credited", {"account": who, "token": NATIVE, "amount": part}, address) for who, part in parts),
    )
    assert earned() == ALL
    assert asking.reservation(delivered, actors.patient) == ReservationView(actors.custodian, since, PAID)
    assert asking.held() == 2 * REWARD


def test_confirm__while_it_is_disputed__is_paid(asking, actors, disputed, earned):
    asking.confirm(actors.researcher, disputed, actors.patient)

    assert earned() == ALL


def test_confirm__long_after__is_paid(asking, actors, delivered, earned):
    asking.confirm(actors.researcher, delivered, actors.patient, at=asking.chain.now + 10 * DISPUTE_PERIOD)

    assert earned() == ALL


@pytest.mark.parametrize("who", ["patient", "custodian", "stranger", "member", "deployer"])
def test_confirm_and_dispute__by_anybody_else__is_refused(asking, actors, delivered, who):
    caller = getattr(actors, who)

    for act in (asking.confirm, asking.dispute):
        refused = refusal(lambda act=act: act(caller, delivered, actors.patient))
        assert refused == ("AccessRequestsNotAllowed", caller)


def test_confirm__without_reward__is_paid_and_credits_nothing(asking, actors):
    request = asking.opened(actors.researcher, asking.terms(reward=0))
    asking.approve(COMMITTEE, request)
    asking.accept(actors.stranger, request, asking.acceptance(request, actors.patient, actors.custodian))
    asking.deliver(actors.custodian, request, actors.patient)

    sent = asking.confirm(actors.researcher, request, actors.patient)

    assert [event.name for event in sent.events] == ["RewardPaid"]
    assert asking.reservation(request, actors.patient).status == PAID


def test_confirm__the_patient_has_revoked__is_paid_all_the_same(asking, ledger, actors, delivered, earned):
    ledger.revoke_all(actors.patient)

    asking.confirm(actors.researcher, delivered, actors.patient)

    assert earned() == ALL


def test_release__the_patient_has_revoked__is_paid_all_the_same(asking, ledger, actors, delivered, earned):
    ledger.revoke(actors.patient, asking.grant_id(delivered, actors.patient, actors.custodian))

    asking.release(actors.stranger, delivered, actors.patient, at=asking.chain.now + DISPUTE_PERIOD)

    assert earned() == ALL


# -------------------------------------------------------------------------------------------- disputing, releasing


def test_dispute__by_the_researcher__is_told_and_waits(asking, actors, delivered, earned):
    sent = asking.dispute(actors.researcher, delivered, actors.patient)

    told = {"id": delivered, "patient": actors.patient, "reason": REASON}
    assert sent.events == (Event("DeliveryDisputed", told, asking.contract.address),)
    assert asking.reservation(delivered, actors.patient) == ReservationView(actors.custodian, sent.time, DISPUTED)
    assert earned() == (0, 0, 0, 0)


@pytest.mark.parametrize("before", [2, 1, 0, -1])
def test_dispute_or_release__around_the_end_of_the_period__one_or_the_other(asking, actors, delivered, earned, before):
    end = asking.reservation(delivered, actors.patient).since + DISPUTE_PERIOD

    def dispute():
        return asking.dispute(actors.researcher, delivered, actors.patient, at=end - before)

    def release():
        return asking.release(actors.stranger, delivered, actors.patient, at=end - before)

    if before > 0:
        assert refusal(release) == ("AccessRequestsTooEarly", delivered, end)
    else:
        assert refusal(dispute) == ("AccessRequestsDeadlinePassed", delivered, end)
        asking.release(actors.stranger, delivered, actors.patient)
        assert earned() == ALL


@pytest.mark.parametrize("before", [2, 1])
def test_dispute__in_the_last_seconds__is_done(asking, actors, delivered, before):
    end = asking.reservation(delivered, actors.patient).since + DISPUTE_PERIOD

    asking.dispute(actors.researcher, delivered, actors.patient, at=end - before)

    assert asking.reservation(delivered, actors.patient).status == DISPUTED


@pytest.mark.parametrize("who", ["patient", "custodian", "researcher", "stranger", "deployer"])
def test_release__undisputed__by_anybody_at_the_end_of_the_period(asking, actors, delivered, earned, who):
    end = asking.reservation(delivered, actors.patient).since + DISPUTE_PERIOD

    asking.release(getattr(actors, who), delivered, actors.patient, at=end)

    assert earned() == ALL


def test_release__the_deadline_has_passed_meanwhile__is_paid(asking, actors, delivered, earned):
    deadline = asking.request(delivered).deadline
    asking.return_unearned(actors.stranger, delivered, at=deadline)

    asking.release(actors.stranger, delivered, actors.patient)

    assert earned() == (*ALL[:3], REWARD)


@pytest.mark.parametrize(("before", "is_done"), [(1, False), (0, True)])
def test_release__undecided__at_the_end_of_the_decision_period(asking, actors, disputed, earned, before, is_done):
    end = asking.reservation(disputed, actors.patient).since + DECISION_PERIOD

    if is_done:
        asking.release(actors.stranger, disputed, actors.patient, at=end - before)
        assert earned() == ALL
    else:
        refused = refusal(lambda: asking.release(actors.stranger, disputed, actors.patient, at=end - before))
        assert refused == ("AccessRequestsTooEarly", disputed, end)


# -------------------------------------------------------------------------------------------------------- deciding


@pytest.mark.parametrize(("paid", "result", "status"), [(True, ALL, PAID), (False, BACK, RETURNED)])
def test_decide__by_vote__is_paid_or_goes_back(asking, institutions, actors, disputed, earned, paid, result, status):
    sent = decide(institutions, asking, actors, disputed, paid)

    assert earned() == result
    assert asking.reservation(disputed, actors.patient).status == status
    assert sent.events[1].name == ("RewardPaid" if paid else "RewardReturned")
    assert asking.request(disputed).returned == 0


@pytest.mark.parametrize("who", ["researcher", "patient", "custodian", "member", "stranger", "deployer"])
@pytest.mark.parametrize("paid", [True, False])
def test_decide__by_anybody_but_a_vote__is_refused(asking, actors, disputed, who, paid):
    caller, function = getattr(actors, who), asking.call("decide", disputed, actors.patient, paid)

    assert refusal(lambda: asking.chain.send(function, sender=caller)) == ("EscrowNotByVote", caller)
    sent = asking.chain.send(asking.call("batch", [data_of(function)]), sender=caller)
    assert [event.name for event in sent.events] == ["CallRefused"]


@pytest.mark.parametrize("first", ["decide", "release"])
def test_decide_or_release__after_the_period__whichever_is_sent_first(asking, institutions, actors, disputed, first):
    end = asking.reservation(disputed, actors.patient).since + DECISION_PERIOD
    asking.chain.mine_at(end - 100)
    function = asking.call("decide", disputed, actors.patient, False)
    proposal = institutions.propose(actors.member, function)

    if first == "decide":
        institutions.execute(actors.stranger, proposal, function, at=end + 1)
        refused = refusal(lambda: asking.release(actors.stranger, disputed, actors.patient))
        assert refused == ("AccessRequestsReservationNot", disputed, actors.patient, RETURNED)
    else:
        asking.release(actors.stranger, disputed, actors.patient, at=end + 1)
        refused = refusal(lambda: institutions.execute(actors.stranger, proposal, function))
        assert refused == ("AccessRequestsReservationNot", disputed, actors.patient, PAID)
    credited = asking.credit(actors.researcher) + asking.credit(actors.patient)
    assert credited == (REWARD if first == "decide" else TO_PATIENT)


# --------------------------------------------------------------------------------------------- at the wrong time


@pytest.mark.parametrize("status", [NONE, RESERVED, DELIVERED, DISPUTED, PAID, RETURNED])
@pytest.mark.parametrize("verb", ["confirm", "dispute", "decide", "release"])
def test_each_verb__in_each_state__only_where_it_belongs(asking, institutions, actors, study, earned, verb, status):
    if status != NONE:
        asking.accept(actors.stranger, study, asking.acceptance(study, actors.patient, actors.custodian))
    if status >= DELIVERED:
        asking.deliver(actors.custodian, study, actors.patient)
    if status in (DISPUTED, RETURNED):
        asking.dispute(actors.researcher, study, actors.patient)
    if status == RETURNED:
        decide(institutions, asking, actors, study, False)
    if status == PAID:
        asking.confirm(actors.researcher, study, actors.patient)
    before, much_later = earned(), asking.chain.now + DECISION_PERIOD
    act = {
        "confirm": lambda: asking.confirm(actors.researcher, study, actors.patient),
        "dispute": lambda: asking.dispute(actors.researcher, study, actors.patient),
        "decide": lambda: decide(institutions, asking, actors, study, True),
        "release": lambda: asking.release(actors.stranger, study, actors.patient, at=much_later),
    }[verb]
    allowed = {
        "confirm": (DELIVERED, DISPUTED),
        "dispute": (DELIVERED,),
        "decide": (DISPUTED,),
        "release": (DELIVERED, DISPUTED),
    }[verb]

    if status in allowed:
        act()
        assert earned() == (before if verb == "dispute" else ALL)
    else:
        assert refusal(act) == ("AccessRequestsReservationNot", study, actors.patient, status)
        assert earned() == before


@pytest.mark.parametrize("number", [0, 9])
def test_each_verb__nobody_opened_it__is_refused(asking, institutions, actors, study, number):
    for act in (
        lambda: asking.confirm(actors.researcher, number, actors.patient),
        lambda: asking.dispute(actors.researcher, number, actors.patient),
        lambda: asking.release(actors.researcher, number, actors.patient),
        lambda: decide(institutions, asking, actors, number, True),
    ):
        assert refusal(act) == ("AccessRequestsRequestUnknown", number)


# -------------------------------------------------------------------------------------------------------- dividing


@pytest.mark.parametrize(
    ("patient", "custodian"), [(10_000, 0), (0, 10_000), (0, 0), (3_333, 3_333), (1, 1), (9_999, 1), (5_000, 4_999)]
)
@pytest.mark.parametrize("reward", [1, 3, 9_999, 10_001, 2**64 + 1])
def test_confirm__any_shares_and_reward__add_up(asking, institutions, actors, earned, patient, custodian, reward):
    institutions.decide([actors.member], asking.call("setSplit", 9, patient, custodian))
    request = asking.opened(actors.researcher, asking.terms(category=9, reward=reward, grants=1))
    asking.approve(COMMITTEE, request)
    asking.accept(actors.stranger, request, asking.acceptance(request, actors.patient, actors.custodian))
    asking.deliver(actors.custodian, request, actors.patient)

    asking.confirm(actors.researcher, request, actors.patient)

    parts = divide(reward, patient, custodian)
    assert earned() == (*parts, 0)
    assert sum(parts) == reward == asking.held()
    assert parts[0] >= reward * patient // 10_000


def test_confirm__the_custodian_is_the_researcher__is_credited_to_one(asking, institutions, actors, study):
    institutions.accredit(actors.member, actors.researcher, 1)
    asking.accept(actors.stranger, study, asking.acceptance(study, actors.patient, actors.researcher))
    asking.deliver(actors.researcher, study, actors.patient)

    asking.confirm(actors.researcher, study, actors.patient)

    assert asking.credit(actors.researcher) == TO_CUSTODIAN


def test_confirm__shares_and_periods_were_changed__those_of_the_opening_count(
    asking, institutions, actors, delivered, earned
):
    institutions.decide([actors.member], asking.call("setSplit", 1, 0, 10_000))
    institutions.decide([actors.member], asking.call("setPeriods", 3600, 3600))
    since = asking.reservation(delivered, actors.patient).since
    refused = refusal(lambda: asking.release(actors.stranger, delivered, actors.patient, at=since + 7200))
    assert refused == ("AccessRequestsTooEarly", delivered, since + DISPUTE_PERIOD)

    asking.confirm(actors.researcher, delivered, actors.patient)

    assert earned() == ALL
    later = asking.request(asking.opened(actors.researcher))
    assert (later.patient_share, later.custodian_share) == (0, 10_000)
    assert (later.dispute_period, later.decision_period) == (3600, 3600)
