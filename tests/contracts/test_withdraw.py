"""AccessRequests.withdraw, withdrawSigned, and what a vote sets: shares, periods, tokens

given a credit
    who is in control of the account sends all of it where he says, coins or tokens; it is told and counted
    nobody else does: not who earned with him, not a delegate, not a key that is in control no longer
    nothing twice, nothing where nothing is, nothing to nobody nor back
given a signature of who is in control
    anybody sends it; it goes where was signed, and once; with any other value, for another count, too late: refused
    after the key was recovered, the old one's is refused and the new one's is done
given a recipient that takes no coins, burns all gas, or calls back
    nobody else is blocked, nothing is paid twice, and it goes elsewhere
given the treasury
    a vote sends it
given a vote
    shares, periods and tokens are set within their bounds, for what opens from now on; by anybody else it is refused
given coins that were forced upon the contract
    nobody gains or loses any
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from asking import COMMITTEE, NATIVE, REWARD, SOMEWHERE, divide
from evm import NEVER, SPLIT, ZERO_ADDRESS, Event, refusal
from institutions import data_of
from people import BOTH, Circle, guardians
from signing import Domain, key_of, sign, signable

pytestmark = pytest.mark.contracts

TO_PATIENT, TO_CUSTODIAN, TO_CONSORTIUM = divide(REWARD, 7_000, 2_000)
DAY, HOUR = 86_400, 3600
TAKES, REJECTS, EATS_GAS, REENTERS = range(4)


@pytest.fixture
def paid(asking, actors, delivered):
    """The patient, the custodian and the consortium have earned."""
    asking.confirm(actors.researcher, delivered, actors.patient)
    return delivered


def balance(asking, account):
    return asking.chain.balance(account)


@pytest.fixture
def signed(asking, actors):
    """Signs a withdrawal as the one in control, and returns the call that sends it."""

    def make(*, signer=None, key=None, sent=None, domain=None, **changes):
        message = {
            "account": actors.patient,
            "token": NATIVE,
            "to": SOMEWHERE,
            "count": 0,
            "deadline": NEVER,
            **changes,
        }
        chain_id, address = asking.chain.chain_id, asking.contract.address
        domain = domain or Domain("medshare AccessRequests", chain_id, address)
        signer = signer or actors.patient
        signature = sign(key_of(key or signer), signable(domain, "Withdraw", message))
        values = {**message, **(sent or {})}
        named = (values[name] for name in ("account", "token", "to", "count"))
        return asking.call("withdrawSigned", *named, signer, values["deadline"], signature)

    return make


# --------------------------------------------------------------------------------------------------- withdrawing


@pytest.mark.parametrize(("who", "amount"), [("patient", TO_PATIENT), ("custodian", TO_CUSTODIAN)])
def test_withdraw__by_who_earned_it__goes_where_he_says_and_is_told(asking, actors, paid, who, amount):
    account = getattr(actors, who)

    sent = asking.withdraw(account, account, SOMEWHERE)

    told = {"account": account, "token": NATIVE, "to": SOMEWHERE, "amount": amount, "count": 1}
    assert sent.events == (Event("Withdrawn", told, asking.contract.address),)
    assert balance(asking, SOMEWHERE) == amount
    assert (asking.credit(account), asking.withdrawals(account)) == (0, 1)
    assert asking.held() == 2 * REWARD - amount


def test_withdraw__to_himself__is_his(asking, actors, paid):
    asking.withdraw(actors.patient, actors.patient, actors.patient)

    assert asking.held() == 2 * REWARD - TO_PATIENT


def test_withdraw__twice__is_refused_until_more_is_earned(asking, actors, paid):
    asking.withdraw(actors.patient, actors.patient, SOMEWHERE)

    refused = refusal(lambda: asking.withdraw(actors.patient, actors.patient, SOMEWHERE))

    assert refused == ("EscrowNothingToWithdraw", actors.patient, NATIVE)
    assert asking.withdrawals(actors.patient) == 1


@pytest.mark.parametrize("who", ["stranger", "custodian", "researcher", "member", "deployer"])
def test_withdraw__by_anybody_else__is_refused(asking, actors, paid, who):
    caller = getattr(actors, who)

    refused = refusal(lambda: asking.withdraw(caller, actors.patient, caller))

    assert refused == ("EscrowNotAllowed", actors.patient, caller)


def test_withdraw__by_a_delegate__is_refused(asking, authority, actors, paid):
    authority.appoint(actors.patient, actors.doctor, verbs=BOTH, purposes=0xFFFF)

    refused = refusal(lambda: asking.withdraw(actors.doctor, actors.patient, actors.doctor))

    assert refused == ("EscrowNotAllowed", actors.patient, actors.doctor)


def test_withdraw__in_a_batch_of_a_stranger__is_refused(asking, actors, paid):
    calls = [data_of(asking.call("withdraw", actors.patient, NATIVE, actors.stranger))]

    sent = asking.chain.send(asking.call("batch", calls), sender=actors.stranger)

    assert [event.name for event in sent.events] == ["CallRefused"]
    assert asking.credit(actors.patient) == TO_PATIENT


def test_withdraw__key_was_recovered__only_by_the_new_one(asking, authority, actors, paid, signed):
    circle = Circle(guardians(2), 2)
    authority.name_guardians(actors.patient, actors.patient, circle.digest(actors.patient))
    stale = signed()
    authority.recover(actors.patient, actors.doctor, circle, sender=actors.stranger)

    for act in (
        lambda: asking.withdraw(actors.patient, actors.patient, SOMEWHERE),
        lambda: asking.chain.send(stale, sender=actors.stranger),
    ):
        assert refusal(act) == ("EscrowNotAllowed", actors.patient, actors.patient)
    asking.chain.send(signed(signer=actors.doctor), sender=actors.stranger)

    assert balance(asking, SOMEWHERE) == TO_PATIENT


@pytest.mark.parametrize("where", ["nobody", "the contract"])
def test_withdraw__to_nobody_or_back__is_refused(asking, actors, paid, signed, where):
    to = ZERO_ADDRESS if where == "nobody" else asking.contract.address

    for act in (
        lambda: asking.withdraw(actors.patient, actors.patient, to),
        lambda: asking.chain.send(signed(to=to), sender=actors.stranger),
    ):
        assert refusal(act) == ("EscrowRecipientInvalid", to)


def test_withdraw__nothing_there__is_refused(asking, actors, paid, signed):
    for account, token in ((actors.stranger, NATIVE), (actors.patient, actors.stranger)):
        refused = refusal(
            lambda account=account, token=token: asking.withdraw(account, account, SOMEWHERE, token=token)
        )
        assert refused == ("EscrowNothingToWithdraw", account, token)


# -------------------------------------------------------------------------------------------------- by signature


def test_withdraw_signed__by_who_earned_it__anybody_sends_it(asking, actors, paid, signed):
    sent = asking.chain.send(signed(), sender=actors.stranger)

    assert [event.name for event in sent.events] == ["Withdrawn"]
    assert balance(asking, SOMEWHERE) == TO_PATIENT


def test_withdraw_signed__again_when_more_is_earned__is_refused(asking, actors, paid, signed):
    function = signed()
    asking.chain.send(function, sender=actors.stranger)
    earn_again(asking, actors)

    assert refusal(lambda: asking.chain.send(function, sender=actors.stranger)) == ("SignedOutdated", 0, 1)
    asking.chain.send(signed(count=1), sender=actors.stranger)
    assert balance(asking, SOMEWHERE) == 2 * TO_PATIENT


def earn_again(asking, actors):
    request = asking.opened(actors.researcher)
    asking.approve(COMMITTEE, request)
    asking.accept(actors.stranger, request, asking.acceptance(request, actors.patient, actors.custodian))
    asking.deliver(actors.custodian, request, actors.patient)
    asking.confirm(actors.researcher, request, actors.patient)


def test_withdraw_signed__he_withdrew_himself_before__is_refused(asking, actors, paid, signed):
    function = signed()
    asking.withdraw(actors.patient, actors.patient, actors.patient)
    earn_again(asking, actors)

    assert refusal(lambda: asking.chain.send(function, sender=actors.stranger)) == ("SignedOutdated", 0, 1)


@pytest.mark.parametrize(("before", "is_done"), [(1, True), (0, False), (-1, False)])
def test_withdraw_signed__around_its_deadline__no_longer_at_it(asking, actors, paid, signed, before, is_done):
    deadline = asking.chain.now + 1000
    function = signed(deadline=deadline)

    if is_done:
        asking.chain.send(function, sender=actors.stranger, at=deadline - before)
    else:
        refused = refusal(lambda: asking.chain.send(function, sender=actors.stranger, at=deadline - before))
        assert refused == ("SignedDeadlinePassed", deadline)


def test_withdraw_signed__something_was_swapped__is_refused(asking, actors, paid, signed):
    for sent in (
        {"to": actors.stranger},
        {"token": actors.stranger},
        {"count": 1},
        {"deadline": NEVER - 1},
    ):
        refused = refusal(lambda sent=sent: asking.chain.send(signed(sent=sent), sender=actors.stranger))
        assert refused == ("SignedSignatureInvalid", actors.patient), sent
    refused = refusal(lambda: asking.chain.send(signed(key=actors.stranger), sender=actors.stranger))
    assert refused == ("SignedSignatureInvalid", actors.patient)
    refused = refusal(lambda: asking.chain.send(signed(signer=actors.stranger), sender=actors.stranger))
    assert refused == ("EscrowNotAllowed", actors.patient, actors.stranger)
    refused = refusal(
        lambda: asking.chain.send(
            signed(signer=actors.custodian, account=actors.custodian, sent={"account": actors.patient}),
            sender=actors.stranger,
        )
    )
    assert refused == ("EscrowNotAllowed", actors.patient, actors.custodian)


def test_withdraw_signed__for_another_chain_or_contract__is_refused(asking, actors, contracts, paid, signed):
    own = Domain("medshare AccessRequests", asking.chain.chain_id, asking.contract.address)

    for domain in (
        replace(own, chain_id=own.chain_id + 1),
        replace(own, contract=contracts.consents.address),
        replace(own, name="medshare ConsentRegistry"),
    ):
        refused = refusal(lambda domain=domain: asking.chain.send(signed(domain=domain), sender=actors.stranger))
        assert refused == ("SignedSignatureInvalid", actors.patient)


# ------------------------------------------------------------------------------------------- difficult recipients


@pytest.mark.parametrize("manner", [REJECTS, EATS_GAS])
def test_withdraw__recipient_takes_no_coins__goes_elsewhere_and_blocks_nobody(
    asking, actors, paid, deploy_harness, manner
):
    recipient = deploy_harness("Recipient__Mock")
    asking.chain.send(recipient.functions.set(manner, b""), sender=actors.stranger)
    function = asking.call("withdraw", actors.patient, NATIVE, recipient.address)

    assert not asking.chain.attempt(function, sender=actors.patient).is_done
    assert asking.credit(actors.patient) == TO_PATIENT
    assert asking.withdrawals(actors.patient) == 0

    asking.withdraw(actors.custodian, actors.custodian, SOMEWHERE)
    asking.withdraw(actors.patient, actors.patient, SOMEWHERE)
    assert balance(asking, SOMEWHERE) == TO_PATIENT + TO_CUSTODIAN


def test_confirm__the_custodian_takes_no_coins__is_paid_all_the_same(
    asking, institutions, actors, study, deploy_harness
):
    custodian = deploy_harness("Recipient__Mock")
    asking.chain.send(custodian.functions.set(REJECTS, b""), sender=actors.stranger)
    institutions.accredit(actors.member, custodian.address, 1)
    asking.accept(actors.stranger, study, asking.acceptance(study, actors.patient, custodian.address))
    delivering = data_of(asking.call("deliver", study, actors.patient, b"\xc1" * 32, b"\xb1" * 32, 0))
    asking.chain.send(custodian.functions.execute(asking.contract.address, delivering), sender=actors.stranger)

    asking.confirm(actors.researcher, study, actors.patient)
    asking.withdraw(actors.patient, actors.patient, SOMEWHERE)

    assert asking.credit(custodian.address) == TO_CUSTODIAN
    assert balance(asking, SOMEWHERE) == TO_PATIENT


def test_withdraw__recipient_calls_back__gets_its_own_once(asking, institutions, actors, deploy_harness):
    thief = deploy_harness("Recipient__Mock")
    institutions.accredit(actors.member, thief.address, 3)
    opening = data_of(asking.call("open", asking.terms().fields))
    asking.chain.send(
        thief.functions.execute(asking.contract.address, opening), sender=actors.stranger, value=2 * REWARD
    )
    asking.open(actors.researcher)
    cancelling = data_of(asking.call("cancel", 1))
    asking.chain.send(thief.functions.execute(asking.contract.address, cancelling), sender=actors.stranger)
    again = data_of(asking.call("withdraw", thief.address, NATIVE, thief.address))
    asking.chain.send(thief.functions.set(REENTERS, again), sender=actors.stranger)

    sent = asking.chain.send(thief.functions.execute(asking.contract.address, again), sender=actors.stranger)

    [attempt] = [event for event in sent.events if event.name == "Reentered"]
    assert attempt.values["done"] is False
    assert balance(asking, thief.address) == 2 * REWARD
    assert asking.held() == 2 * REWARD


def test_held__coins_were_forced_upon_it__nobody_gains_or_loses(asking, actors, paid):
    asking.chain.force(asking.contract.address, 5)

    asking.withdraw(actors.patient, actors.patient, SOMEWHERE)

    assert balance(asking, SOMEWHERE) == TO_PATIENT
    assert asking.held() == 2 * REWARD - TO_PATIENT + 5


# -------------------------------------------------------------------------------------------------- the treasury


def test_withdraw__of_the_consortium__by_vote(asking, institutions, actors, paid):
    consortium = institutions.contract.address
    refused = refusal(lambda: asking.withdraw(actors.member, consortium, actors.member))

    institutions.decide([actors.member], asking.call("withdraw", consortium, NATIVE, SOMEWHERE))

    assert refused == ("EscrowNotAllowed", consortium, actors.member)
    assert balance(asking, SOMEWHERE) == TO_CONSORTIUM


def test_withdraw__of_a_patient_by_vote__is_refused(asking, institutions, actors, paid):
    consortium = institutions.contract.address
    function = asking.call("withdraw", actors.patient, NATIVE, SOMEWHERE)

    refused = refusal(lambda: institutions.decide([actors.member], function))

    assert refused == ("EscrowNotAllowed", actors.patient, consortium)


# ---------------------------------------------------------------------------------------------- what a vote sets


def test_deploy__shares_and_periods__are_those_of_the_deployment(asking):
    assert [asking.split(category) for category in range(5)] == [(0, 0, False), *[SPLIT] * 3, (0, 0, False)]
    assert asking.periods() == (14 * DAY, 30 * DAY)


@pytest.mark.parametrize(("patient", "custodian"), [(0, 0), (10_000, 0), (0, 10_000), (5_000, 5_000), (1, 2)])
def test_set_split__by_vote__is_told_and_holds(asking, institutions, actors, patient, custodian):
    sent = institutions.decide([actors.member], asking.call("setSplit", 2, patient, custodian))

    assert sent.events[-1].values == {"category": 2, "patient": patient, "custodian": custodian}
    assert asking.split(2) == (patient, custodian, True)
    assert asking.split(1) == SPLIT


@pytest.mark.parametrize(
    ("category", "patient", "custodian"),
    [(0, 1, 1), (1, 10_001, 0), (1, 0, 10_001), (1, 5_001, 5_000), (1, 65_535, 65_535)],
)
def test_set_split__out_of_bounds__is_refused(asking, institutions, actors, category, patient, custodian):
    function = asking.call("setSplit", category, patient, custodian)

    refused = refusal(lambda: institutions.decide([actors.member], function))

    assert refused == ("EscrowSplitInvalid", category, patient, custodian)


@pytest.mark.parametrize(("dispute", "decision"), [(HOUR, HOUR), (90 * DAY, 90 * DAY), (DAY, 2 * DAY)])
def test_set_periods__by_vote__are_told_and_hold(asking, institutions, actors, dispute, decision):
    sent = institutions.decide([actors.member], asking.call("setPeriods", dispute, decision))

    assert sent.events[-1].values == {"disputePeriod": dispute, "decisionPeriod": decision}
    assert asking.periods() == (dispute, decision)


@pytest.mark.parametrize(
    ("dispute", "decision"),
    [(HOUR - 1, HOUR), (HOUR, HOUR - 1), (90 * DAY + 1, HOUR), (HOUR, 90 * DAY + 1), (0, 0), (2**32 - 1, 2**32 - 1)],
)
def test_set_periods__out_of_bounds__are_refused(asking, institutions, actors, dispute, decision):
    function = asking.call("setPeriods", dispute, decision)

    refused = refusal(lambda: institutions.decide([actors.member], function))

    assert refused == ("AccessRequestsPeriodsOutOfRange", dispute, decision)


def test_set_token_allowed__by_vote__is_told_and_holds(asking, institutions, actors):
    ask = asking.contract.functions.isTokenAllowed
    assert not asking.chain.call(ask(actors.stranger))

    for allowed in (True, False):
        sent = institutions.decide([actors.member], asking.call("setTokenAllowed", actors.stranger, allowed))
        assert sent.events[-1].values == {"token": actors.stranger, "allowed": allowed}
        assert asking.chain.call(ask(actors.stranger)) is allowed
        assert asking.chain.call(ask(NATIVE))


def test_set_token_allowed__the_chains_own_coin__is_refused(asking, institutions, actors):
    for allowed in (True, False):
        function = asking.call("setTokenAllowed", NATIVE, allowed)
        refused = refusal(lambda function=function: institutions.decide([actors.member], function))
        assert refused == ("EscrowTokenNotAllowed", NATIVE)


@pytest.mark.parametrize("who", ["member", "researcher", "stranger", "deployer"])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [("setSplit", (1, 0, 0)), ("setPeriods", (HOUR, HOUR)), ("setTokenAllowed", (SOMEWHERE, True))],
)
def test_what_a_vote_sets__by_anybody_else__is_refused(asking, actors, who, name, arguments):
    caller, function = getattr(actors, who), asking.call(name, *arguments)

    assert refusal(lambda: asking.chain.send(function, sender=caller)) == ("EscrowNotByVote", caller)
    sent = asking.chain.send(asking.call("batch", [data_of(function)]), sender=caller)
    assert [event.name for event in sent.events] == ["CallRefused"]
