"""AccessRequests.open

given an accredited researcher, and terms that can be
    the request stands as it was sent, with the shares and periods of now; all is told by one event
    all rewards are here: coins by value, tokens taken from him, nothing for a request without reward
    an open call awaits approval, one that names patients is open
given who is no accredited researcher: never was, of another kind, no longer, suspended, his member without its seat
    it is refused
given terms that cannot be
    no purpose, treatment in an emergency or break-glass, no grants, no document, a deadline of now or before: refused
    a category without shares, a token that is not allowed, money that is not what was promised: refused
given the largest of everything
    it is taken
given a batch
    money cannot be sent with it, and none is counted twice
"""

from __future__ import annotations

from dataclasses import astuple

import pytest
from asking import AWAITING, NATIVE, OPEN, REWARD, RequestView
from evm import (
    CUSTODIAN_KIND,
    DECISION_PERIOD,
    DISPUTE_PERIOD,
    ETREAT,
    HRESCH,
    RESEARCHER_KIND,
    SPLIT,
    TREAT,
    Event,
    refusal,
)
from institutions import INSTITUTIONS, data_of
from people import BTG

pytestmark = pytest.mark.contracts

ROOT = b"\x1e" * 32


@pytest.fixture
def token(institutions, asking, actors, deploy_harness):
    """A token that is allowed; the researcher has some, and lets it be taken."""
    contract = deploy_harness("Token__Mock")
    institutions.decide([actors.member], asking.call("setTokenAllowed", contract.address, True))
    asking.chain.send(contract.functions.mint(actors.researcher, 10 * REWARD), sender=actors.researcher)
    asking.chain.send(contract.functions.approve(asking.contract.address, 2**256 - 1), sender=actors.researcher)
    return contract


# ------------------------------------------------------------------------------------------------- as it is sent


@pytest.mark.parametrize(("invitees", "status"), [(bytes(32), AWAITING), (ROOT, OPEN)], ids=["open call", "named"])
def test_open__by_a_researcher__stands_as_sent_and_is_told(asking, actors, invitees, status):
    quality = {"minimum_score": 80, "quality_method": 7, "quality_weight": 5_000}
    terms = asking.terms(invitees=invitees, purposes=HRESCH | TREAT, category=3, grants=7, **quality)

    sent = asking.open(actors.researcher, terms)

    expected = RequestView(
        requester=actors.researcher,
        deadline=terms.deadline,
        access_days=90,
        purposes=HRESCH | TREAT,
        places=7,
        status=status,
        is_open_call=status == AWAITING,
        token=NATIVE,
        grants=7,
        delivered=0,
        returned=0,
        patient_share=SPLIT[0],
        custodian_share=SPLIT[1],
        category=3,
        minimum_score=80,
        reward=REWARD,
        dispute_period=DISPUTE_PERIOD,
        decision_period=DECISION_PERIOD,
        quality_method=7,
        quality_weight=5_000,
        document=terms.document,
        invitees=invitees,
    )
    assert asking.request(1) == expected
    told = {"id": 1, "requester": actors.researcher, "request": astuple(expected)}
    assert sent.events == (Event("RequestOpened", told, asking.contract.address),)
    assert asking.held() == 7 * REWARD
    assert asking.chain.call(asking.contract.functions.requests()) == 1


def test_open__in_a_token__is_taken_from_the_researcher(asking, actors, token):
    terms = asking.terms(token=token.address)

    sent = asking.open(actors.researcher, terms)

    assert [event.name for event in sent.events] == ["Transfer", "RequestOpened"]
    balance = token.functions.balanceOf
    assert asking.chain.call(balance(asking.contract.address)) == 2 * REWARD
    assert asking.chain.call(balance(actors.researcher)) == 8 * REWARD
    assert asking.held() == 0


@pytest.mark.parametrize("kind", ["coins", "token"])
def test_open__without_reward__takes_nothing(asking, actors, token, kind):
    terms = asking.terms(reward=0, token=token.address if kind == "token" else NATIVE)

    request = asking.opened(actors.researcher, terms)

    assert asking.request(request).reward == 0
    assert asking.held() == 0
    assert asking.chain.call(token.functions.balanceOf(asking.contract.address)) == 0


def test_open__again__is_the_next_one(asking, actors):
    assert [asking.opened(actors.researcher) for _ in range(3)] == [1, 2, 3]
    assert asking.held() == 6 * REWARD


def test_open__largest_of_everything__is_taken(asking, actors, token):
    terms = asking.terms(
        token=token.address,
        reward=2**128 - 1,
        grants=2**16 - 1,
        access_days=2**16 - 1,
        deadline=2**32 - 1,
        purposes=0xFFFF & ~(ETREAT | BTG),
    )
    mint = token.functions.mint(actors.researcher, terms.budget)
    asking.chain.send(mint, sender=actors.researcher)

    request = asking.opened(actors.researcher, terms)

    assert asking.chain.call(token.functions.balanceOf(asking.contract.address)) == (2**128 - 1) * (2**16 - 1)
    asking.cancel(actors.researcher, request)
    assert asking.credit(actors.researcher, token.address) == terms.budget


# ----------------------------------------------------------------------------------------------------- by whom


@pytest.mark.parametrize("who", ["stranger", "custodian", "patient", "doctor", "member", "deployer"])
def test_open__by_who_is_no_researcher__is_refused(asking, actors, who):
    caller = getattr(actors, who)

    assert refusal(lambda: asking.open(caller)) == ("AccessRequestsNotAccredited", caller)


@pytest.mark.parametrize("how", ["another kind", "withdrawn", "suspended", "suspended by vote", "member without seat"])
def test_open__no_longer_accredited__is_refused(asking, institutions, actors, how):
    member, researcher = actors.member, actors.researcher
    match how:
        case "another kind":
            institutions.accredit(member, actors.stranger, CUSTODIAN_KIND)
            researcher = actors.stranger
        case "withdrawn":
            institutions.accredit(member, researcher, RESEARCHER_KIND, 0)
        case "suspended":
            institutions.suspend_accreditation(member, researcher, RESEARCHER_KIND)
        case "suspended by vote":
            institutions.decide([member], institutions.call("suspendAccreditation", researcher, RESEARCHER_KIND))
        case _:
            institutions.decide([member], institutions.call("admit", INSTITUTIONS[0]))
            institutions.decide([member, INSTITUTIONS[0]], institutions.call("remove", member))

    assert refusal(lambda: asking.open(researcher)) == ("AccessRequestsNotAccredited", researcher)


@pytest.mark.parametrize(("before", "is_done"), [(1, True), (0, False)])
def test_open__around_the_end_of_the_accreditation__no_longer_at_it(asking, institutions, actors, before, is_done):
    end = asking.chain.now + 1000
    institutions.accredit(actors.member, actors.researcher, RESEARCHER_KIND, end)

    if is_done:
        asking.open(actors.researcher, at=end - before)
    else:
        refused = refusal(lambda: asking.open(actors.researcher, at=end - before))
        assert refused == ("AccessRequestsNotAccredited", actors.researcher)


# ------------------------------------------------------------------------------------------ terms that cannot be


@pytest.mark.parametrize(
    "wrong",
    [
        {"purposes": 0},
        {"purposes": ETREAT},
        {"purposes": BTG},
        {"purposes": HRESCH | ETREAT},
        {"purposes": 0xFFFF},
        {"grants": 0},
        {"document": bytes(32)},
        {"deadline": 1},
    ],
    ids=str,
)
def test_open__terms_that_cannot_be__are_refused(asking, actors, wrong):
    assert refusal(lambda: asking.open(actors.researcher, asking.terms(**wrong))) == ("AccessRequestsTermsInvalid",)
    assert asking.held() == 0


@pytest.mark.parametrize(("after", "is_done"), [(1, True), (0, False), (-1, False)])
def test_open__deadline_around_now__must_be_later(asking, actors, after, is_done):
    now = asking.chain.now + 100
    terms = asking.terms(deadline=now + after)

    if is_done:
        asking.open(actors.researcher, terms, at=now)
    else:
        assert refusal(lambda: asking.open(actors.researcher, terms, at=now)) == ("AccessRequestsTermsInvalid",)


@pytest.mark.parametrize("category", [0, 4, 255])
def test_open__category_without_shares__is_refused(asking, actors, category):
    refused = refusal(lambda: asking.open(actors.researcher, asking.terms(category=category)))

    assert refused == ("AccessRequestsCategoryUnknown", category)


def test_open__category_that_a_vote_gave_shares__is_taken(asking, institutions, actors):
    institutions.decide([actors.member], asking.call("setSplit", 255, 10_000, 0))

    request = asking.opened(actors.researcher, asking.terms(category=255))

    assert (asking.request(request).patient_share, asking.request(request).custodian_share) == (10_000, 0)


# ---------------------------------------------------------------------------------------------------------- money


@pytest.mark.parametrize("value", [0, 2 * REWARD - 1, 2 * REWARD + 1, REWARD])
def test_open__other_value_than_promised__is_refused(asking, actors, value):
    refused = refusal(lambda: asking.open(actors.researcher, value=value))

    assert refused == ("EscrowAmountMismatch", 2 * REWARD, value)
    assert asking.held() == 0


@pytest.mark.parametrize("reward", [0, REWARD])
def test_open__coins_beside_a_token__are_refused(asking, actors, token, reward):
    terms = asking.terms(token=token.address, reward=reward)

    assert refusal(lambda: asking.open(actors.researcher, terms, value=1)) == ("EscrowAmountMismatch", 2 * reward, 1)


def test_open__token_that_is_not_allowed__is_refused(asking, actors, institutions, token, contracts):
    institutions.decide([actors.member], asking.call("setTokenAllowed", token.address, False))

    for address in (token.address, actors.stranger, contracts.consents.address, asking.contract.address):
        refused = refusal(lambda address=address: asking.open(actors.researcher, asking.terms(token=address)))
        assert refused == ("EscrowTokenNotAllowed", address)


def test_open__too_few_tokens_or_not_let_take__is_refused(asking, actors, token):
    assert refusal(lambda: asking.open(actors.researcher, asking.terms(token=token.address, grants=11)))[0] == (
        "ERC20InsufficientBalance"
    )
    asking.chain.send(token.functions.approve(asking.contract.address, 2 * REWARD - 1), sender=actors.researcher)
    assert refusal(lambda: asking.open(actors.researcher, asking.terms(token=token.address)))[0] == (
        "ERC20InsufficientAllowance"
    )


def test_open__a_key_as_token__is_refused(asking, actors, institutions):
    institutions.decide([actors.member], asking.call("setTokenAllowed", actors.stranger, True))
    function = asking.call("open", asking.terms(token=actors.stranger).fields)

    mined = asking.chain.attempt(function, sender=actors.researcher, gas=1_000_000)

    assert not mined.is_done


def test_open__in_a_batch__no_value_can_be_sent_with_it(asking, actors):
    opening = data_of(asking.call("open", asking.terms().fields))
    free = data_of(asking.call("open", asking.terms(reward=0).fields))

    sent = asking.chain.send(asking.call("batch", [opening, opening, free]), sender=actors.researcher)

    assert [event.name for event in sent.events] == ["CallRefused", "CallRefused", "RequestOpened"]
    batch = asking.call("batch", [opening, opening])
    assert not asking.chain.attempt(batch, sender=actors.researcher, value=2 * REWARD, gas=1_000_000).is_done
    assert asking.held() == 0


def test_open__through_a_contract__the_contract_is_who_asks(asking, institutions, actors, deploy_harness):
    contract = deploy_harness("Recipient__Mock")
    opening = data_of(asking.call("open", asking.terms().fields))
    execute = contract.functions.execute(asking.contract.address, opening)
    refused = refusal(lambda: asking.chain.send(execute, sender=actors.researcher, value=2 * REWARD))
    assert refused == ("AccessRequestsNotAccredited", contract.address)

    institutions.accredit(actors.member, contract.address, RESEARCHER_KIND)
    asking.chain.send(execute, sender=actors.stranger, value=2 * REWARD)

    assert asking.request(1).requester == contract.address


def test_get_request__nobody_opened_it__is_refused(asking, actors):
    asking.open(actors.researcher)

    for number in (0, 2):
        assert refusal(lambda number=number: asking.request(number)) == ("AccessRequestsRequestUnknown", number)
