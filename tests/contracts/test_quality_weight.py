"""AccessRequests: quality as a condition of a request, and as a weight in what its custodian earns

given a request that asks for a score
    with that score or a better one it is delivered, and told; with a lower one it is refused, whoever delivers
given a score above 100, in a delivery
    it is refused, whatever the request asks for
given terms whose score or weight cannot be, or that name no method for them
    they are refused
given a weight
    what the score has not earned of the custodian's share goes back, and is told; patient and consortium lose nothing
    so it does when the reward is released, or a vote decides that it is paid
    a dispute decided for the researcher gives all back
given any shares, reward, weight and score
    the parts add up to the reward, rounding the custodian's gain where quality decides; nothing stays behind
"""

from __future__ import annotations

import pytest
from asking import COMMITTEE, DELIVERED, NATIVE, RESERVED, REWARD, ReservationView, divide, not_earned
from evm import DISPUTE_PERIOD, Event, refusal

pytestmark = pytest.mark.contracts

TO_PATIENT, TO_CUSTODIAN, TO_CONSORTIUM = divide(REWARD, 7_000, 2_000)
HALF = {"quality_method": 3, "quality_weight": 5_000}


@pytest.fixture
def accepted(asking, actors):
    """Opens a request with these terms, which the patient accepts."""

    def do(**terms) -> int:
        request = asking.opened(actors.researcher, asking.terms(**terms))
        asking.approve(COMMITTEE, request)
        asking.accept(actors.stranger, request, asking.acceptance(request, actors.patient, actors.custodian))
        return request

    return do


@pytest.fixture
def earned(asking, institutions, actors):
    """Says what patient, custodian, consortium and researcher have been credited."""
    accounts = (actors.patient, actors.custodian, institutions.contract.address, actors.researcher)
    return lambda: tuple(map(asking.credit, accounts))


# --------------------------------------------------------------------------------------------------- as a condition


@pytest.mark.parametrize("score", [80, 81, 100])
def test_deliver__as_good_as_asked__is_told(asking, actors, accepted, score):
    request = accepted(minimum_score=80, quality_method=3)

    sent = asking.deliver(actors.custodian, request, actors.patient, score=score)

    (event,) = sent.events
    assert (event.name, event.values["score"]) == ("AccessDelivered", score)
    part = asking.reservation(request, actors.patient)
    assert part == ReservationView(actors.custodian, sent.time, DELIVERED, score)


@pytest.mark.parametrize(("minimum", "score"), [(80, 79), (80, 0), (1, 0), (100, 99), (80, 101), (0, 101), (0, 255)])
def test_deliver__not_as_good_or_no_score__is_refused(asking, actors, accepted, minimum, score):
    request = accepted(minimum_score=minimum, quality_method=3)

    refused = refusal(lambda: asking.deliver(actors.custodian, request, actors.patient, score=score))

    assert refused == ("AccessRequestsScoreUnfit", request, score, minimum)
    assert asking.reservation(request, actors.patient).status == RESERVED
    asking.decline(actors.custodian, request, actors.patient)


@pytest.mark.parametrize(
    ("quality", "is_done"),
    [
        ((100, 1, 10_000), True),
        ((0, 2**16 - 1, 0), True),
        ((0, 1, 1), True),
        ((101, 1, 0), False),
        ((0, 1, 10_001), False),
        ((1, 0, 0), False),
        ((0, 0, 1), False),
    ],
)
def test_open__any_condition__is_taken_where_it_can_be(asking, actors, quality, is_done):
    terms = asking.terms(**dict(zip(("minimum_score", "quality_method", "quality_weight"), quality, strict=True)))

    if is_done:
        request = asking.request(asking.opened(actors.researcher, terms))
        assert (request.minimum_score, request.quality_method, request.quality_weight) == quality
    else:
        assert refusal(lambda: asking.open(actors.researcher, terms)) == ("AccessRequestsTermsInvalid",)


# ------------------------------------------------------------------------------------------------------ as a weight


def test_confirm__half_depends_on_quality__the_custodian_alone_loses_it(asking, institutions, actors, accepted, earned):
    request = accepted(**HALF)
    asking.deliver(actors.custodian, request, actors.patient, score=60)

    sent = asking.confirm(actors.researcher, request, actors.patient)

    back = not_earned(TO_CUSTODIAN, 5_000, 60)
    assert (TO_CUSTODIAN, back) == (200, 40)
    shares = {"toPatient": TO_PATIENT, "toCustodian": 160, "toConsortium": TO_CONSORTIUM, "toRequester": 40}
    parts = ((actors.patient, TO_PATIENT), (actors.custodian, 160))
    parts += ((institutions.contract.address, TO_CONSORTIUM), (actors.researcher, 40))
    address = asking.contract.address
    assert sent.events == (
        Event("RewardPaid", {"id": request, "patient": actors.patient, **shares}, address),
        *(Event("Credited", {"account": who, "token": NATIVE, "amount": part}, address) for who, part in parts),
    )
    assert earned() == (TO_PATIENT, 160, TO_CONSORTIUM, 40)


@pytest.mark.parametrize("how", ["release", "decide", "decide against"])
def test_settled_otherwise__half_depends_on_quality__likewise(asking, institutions, actors, accepted, earned, how):
    request = accepted(**HALF)
    asking.deliver(actors.custodian, request, actors.patient, score=60)

    if how == "release":
        asking.release(actors.stranger, request, actors.patient, at=asking.chain.now + DISPUTE_PERIOD)
    else:
        asking.dispute(actors.researcher, request, actors.patient)
        call = asking.call("decide", request, actors.patient, how == "decide")
        institutions.decide([actors.member], call)

    assert earned() == ((0, 0, 0, REWARD) if how == "decide against" else (TO_PATIENT, 160, TO_CONSORTIUM, 40))


@pytest.mark.parametrize(("patient", "custodian"), [(0, 10_000), (3_333, 3_333), (10_000, 0), (1, 1)])
@pytest.mark.parametrize("reward", [1, 10_001, 2**64 + 1])
@pytest.mark.parametrize(("weight", "score"), [(10_000, 0), (10_000, 100), (3_333, 67), (1, 99)])
def test_confirm__any_shares_reward_weight_and_score__add_up(
    asking, institutions, actors, accepted, earned, patient, custodian, reward, weight, score
):
    institutions.decide([actors.member], asking.call("setSplit", 9, patient, custodian))
    request = accepted(category=9, reward=reward, grants=1, quality_method=1, quality_weight=weight)
    asking.deliver(actors.custodian, request, actors.patient, score=score)

    asking.confirm(actors.researcher, request, actors.patient)

    to_patient, to_custodian, to_consortium = divide(reward, patient, custodian)
    back = not_earned(to_custodian, weight, score)
    assert earned() == (to_patient, to_custodian - back, to_consortium, back)
    assert sum(earned()) == reward == asking.held()


def test_confirm__the_largest_reward_and_weight__adds_up(asking, institutions, actors, accepted, deploy_harness):
    reward = 2**128 - 1
    token = deploy_harness("Token__Mock")
    institutions.decide([actors.member], asking.call("setSplit", 9, 0, 10_000))
    institutions.decide([actors.member], asking.call("setTokenAllowed", token.address, True))
    asking.chain.send(token.functions.mint(actors.researcher, reward), sender=actors.researcher)
    asking.chain.send(token.functions.approve(asking.contract.address, reward), sender=actors.researcher)
    wanted = {"category": 9, "reward": reward, "grants": 1, "token": token.address}
    request = accepted(**wanted, quality_method=1, quality_weight=10_000)
    asking.deliver(actors.custodian, request, actors.patient, score=1)

    asking.confirm(actors.researcher, request, actors.patient)

    back = not_earned(reward, 10_000, 1)
    earned = [asking.credit(who, token.address) for who in (actors.custodian, actors.researcher)]
    assert earned == [reward - back, back]
