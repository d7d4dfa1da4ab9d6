"""Rewards in tokens that behave badly, beside rewards in coins and in a token that does not

given a token that takes a fee, gives more, says no, reverts, burns all gas, or hides its balances
    no request opens in it; where it turns so later, only what is in this token waits, until it behaves again
given a token that returns nothing
    it is as good as any
given a token that has blacklisted somebody, or this contract
    he has it sent elsewhere; in the worst case only what is in this token waits
given a token whose balances shrink
    who comes first is paid, and nobody is paid out of anything else
given a token that calls back while it moves: to open, withdraw, confirm, cancel, release, accept
    nothing is opened or paid inside, nothing is counted twice
given any of them
    credits in coins and in other tokens, and other requests, are untouched: all is paid to the last
"""

from __future__ import annotations

import pytest
from asking import COMMITTEE, NATIVE, PAID, REWARD, SOMEWHERE, divide
from evm import CUSTODIAN_KIND, RESEARCHER_KIND, RefusedError, refusal
from institutions import data_of

pytestmark = pytest.mark.contracts

(
    HONEST,
    TAKES_FEE,
    GIVES_MORE,
    RETURNS_NOTHING,
    RETURNS_FALSE,
    REVERTS,
    REVERTS_SILENTLY,
    EATS_GAS,
    REENTERS,
    BALANCE_REVERTS,
) = range(10)
TO_PATIENT, TO_CUSTODIAN, TO_CONSORTIUM = divide(REWARD, 7_000, 2_000)


class World:
    """A study in coins, one in a good token, one in a hostile one; all delivered by the same people."""

    def __init__(self, asking, institutions, actors, deploy) -> None:
        self.asking, self.institutions, self.actors = asking, institutions, actors
        self.good, self.hostile = deploy("Token__Mock"), deploy("HostileToken__Mock")
        for token in (self.good, self.hostile):
            institutions.decide([actors.member], asking.call("setTokenAllowed", token.address, True))
            self.does(token.functions.mint(actors.researcher, 100 * REWARD))
            self.does(token.functions.approve(asking.contract.address, 2**255))
        self.studies = {token: self.delivered(token) for token in (NATIVE, self.good.address, self.hostile.address)}

    def does(self, function):
        return self.asking.chain.send(function, sender=self.actors.researcher)

    def behaves(self, manner):
        self.does(self.hostile.functions.set(manner))

    def opened(self, token):
        request = self.asking.opened(self.actors.researcher, self.asking.terms(token=token))
        self.asking.approve(COMMITTEE, request)
        return request

    def delivered(self, token):
        request = self.opened(token)
        asking, patient, custodian = self.asking, self.actors.patient, self.actors.custodian
        asking.accept(self.actors.stranger, request, asking.acceptance(request, patient, custodian))
        asking.deliver(custodian, request, patient)
        return request

    def balance(self, token, account):
        if token == NATIVE:
            return self.asking.chain.balance(account)
        contract = self.good if token == self.good.address else self.hostile
        return self.asking.chain.call(contract.functions.balanceOf(account))

    def pay_out(self, token, to=SOMEWHERE):
        """Confirm the study in this token, give back the rest, and let everybody withdraw."""
        asking, request = self.asking, self.studies[token]
        if asking.reservation(request, self.actors.patient).status != PAID:
            asking.confirm(self.actors.researcher, request, self.actors.patient)
        if asking.request(request).places:
            asking.cancel(self.actors.researcher, request)
        self.withdraw_all(token, to)

    def withdraw_all(self, token, to=SOMEWHERE):
        for account in (self.actors.patient, self.actors.custodian, self.actors.researcher):
            self.asking.withdraw(account, account, to, token=token)
        consortium = self.institutions.contract.address
        treasury = self.asking.call("withdraw", consortium, token, to)
        self.institutions.decide([self.actors.member], treasury)

    def others_are_paid_to_the_last(self):
        for token in (NATIVE, self.good.address):
            before = self.balance(token, SOMEWHERE)
            self.pay_out(token)
            assert self.balance(token, SOMEWHERE) - before == 2 * REWARD
            assert self.balance(token, self.asking.contract.address) == 0


@pytest.fixture
def world(asking, institutions, actors, deploy_harness):
    return World(asking, institutions, actors, deploy_harness)


def fails(world, function, sender):
    """Whatever the error is: it is mined and fails."""
    return not world.asking.chain.attempt(function, sender=sender).is_done


# --------------------------------------------------------------------------------------------------- nothing opens


@pytest.mark.parametrize(
    ("manner", "said"),
    [
        (TAKES_FEE, ("EscrowAmountMismatch", 2 * REWARD, 2 * REWARD - 1)),
        (GIVES_MORE, ("EscrowAmountMismatch", 2 * REWARD, 2 * REWARD + 1)),
        (RETURNS_FALSE, "SafeERC20FailedOperation"),
        (REVERTS, ("NotToday",)),
        (REVERTS_SILENTLY, None),
        (EATS_GAS, None),
        (BALANCE_REVERTS, ("NotToday",)),
    ],
)
def test_open__token_behaves_badly__is_refused_and_others_are_untouched(world, actors, manner, said):
    world.behaves(manner)
    function = world.asking.call("open", world.asking.terms(token=world.hostile.address).fields)

    if said is None:
        assert fails(world, function, actors.researcher)
    else:
        with pytest.raises(RefusedError) as refused:
            world.asking.chain.send(function, sender=actors.researcher)
        expected = (said, world.hostile.address) if isinstance(said, str) else said
        assert refused.value.args == expected
    world.others_are_paid_to_the_last()


def test_open__token_returns_nothing__is_as_good_as_any(world):
    world.behaves(RETURNS_NOTHING)

    world.opened(world.hostile.address)
    world.pay_out(world.hostile.address)

    assert world.balance(world.hostile.address, SOMEWHERE) == 2 * REWARD
    world.others_are_paid_to_the_last()


# ---------------------------------------------------------------------------------------------- it turns so later


@pytest.mark.parametrize("manner", [RETURNS_FALSE, REVERTS, REVERTS_SILENTLY, EATS_GAS])
def test_withdraw__token_turned_bad__only_what_is_in_it_waits(world, actors, manner):
    world.behaves(manner)
    world.asking.confirm(actors.researcher, world.studies[world.hostile.address], actors.patient)

    assert fails(world, world.asking.call("withdraw", actors.patient, world.hostile.address, SOMEWHERE), actors.patient)
    assert world.asking.credit(actors.patient, world.hostile.address) == TO_PATIENT
    world.others_are_paid_to_the_last()

    world.behaves(HONEST)
    world.pay_out(world.hostile.address)
    assert world.balance(world.hostile.address, SOMEWHERE) == 2 * REWARD
    assert world.balance(world.hostile.address, world.asking.contract.address) == 0


@pytest.mark.parametrize("manner", [TAKES_FEE, GIVES_MORE])
def test_withdraw__token_takes_a_fee_later__the_recipient_bears_it(world, manner):
    world.behaves(manner)

    world.pay_out(world.hostile.address)

    change = -1 if manner == TAKES_FEE else 1
    assert world.balance(world.hostile.address, SOMEWHERE) == 2 * REWARD + 4 * change
    assert world.balance(world.hostile.address, world.asking.contract.address) == 0
    world.others_are_paid_to_the_last()


def test_withdraw__recipient_is_blacklisted__goes_elsewhere(world, actors):
    world.does(world.hostile.functions.blacklist(actors.patient, True))
    world.asking.confirm(actors.researcher, world.studies[world.hostile.address], actors.patient)

    refused = refusal(
        lambda: world.asking.withdraw(actors.patient, actors.patient, actors.patient, token=world.hostile.address)
    )
    world.pay_out(world.hostile.address)

    assert refused == ("Blacklisted", actors.patient)
    assert world.balance(world.hostile.address, SOMEWHERE) == 2 * REWARD
    world.others_are_paid_to_the_last()


def test_withdraw__the_contract_is_blacklisted__only_what_is_in_it_waits(world, actors):
    world.does(world.hostile.functions.blacklist(world.asking.contract.address, True))
    world.asking.confirm(actors.researcher, world.studies[world.hostile.address], actors.patient)
    withdraw = world.asking.call("withdraw", actors.patient, world.hostile.address, SOMEWHERE)

    refused = refusal(lambda: world.asking.chain.send(withdraw, sender=actors.patient))

    assert refused == ("Blacklisted", world.asking.contract.address)
    world.others_are_paid_to_the_last()


def test_withdraw__balances_shrink__first_come_first_paid_and_out_of_nothing_else(world, actors):
    token = world.hostile.address
    world.asking.confirm(actors.researcher, world.studies[token], actors.patient)
    world.does(world.hostile.functions.rebase(36))

    world.asking.withdraw(actors.patient, actors.patient, SOMEWHERE, token=token)
    refused = refusal(lambda: world.asking.withdraw(actors.custodian, actors.custodian, SOMEWHERE, token=token))

    assert refused == ("TooFew", world.asking.contract.address)
    assert world.asking.credit(actors.custodian, token) == TO_CUSTODIAN
    assert world.balance(token, SOMEWHERE) in (TO_PATIENT - 1, TO_PATIENT)
    world.others_are_paid_to_the_last()


# ------------------------------------------------------------------------------------------------------ it calls back


@pytest.fixture
def scheming(world, actors):
    """The hostile token is researcher and custodian itself, has a study and a credit, and knows what to call."""
    asking, institutions, token = world.asking, world.institutions, world.hostile
    for kind in (RESEARCHER_KIND, CUSTODIAN_KIND):
        institutions.accredit(actors.member, token.address, kind)

    def acts(function, value=0):
        execute = token.functions.execute(asking.contract.address, data_of(function))
        return asking.chain.send(execute, sender=actors.stranger, value=value)

    world.does(token.functions.mint(token.address, 100 * REWARD))
    own = asking.terms(token=token.address).fields
    acts(asking.call("open", own))
    mine = asking.chain.call(asking.contract.functions.requests())
    asking.approve(COMMITTEE, mine)
    asking.accept(actors.stranger, mine, asking.acceptance(mine, actors.patient, token.address))
    acts(asking.call("deliver", mine, actors.patient, b"\xc1" * 32, b"\xb1" * 32, 0))
    acts(asking.call("open", own))
    acts(asking.call("cancel", mine + 1))
    assert asking.credit(token.address, token.address) == 2 * REWARD

    acceptance = asking.acceptance(world.studies[NATIVE], actors.other_patient, token.address)
    calls = [
        asking.call("open", own),
        asking.call("withdraw", token.address, token.address, SOMEWHERE),
        asking.call("withdraw", actors.patient, NATIVE, token.address),
        asking.call("confirm", world.studies[NATIVE], actors.patient),
        asking.call("cancel", world.studies[NATIVE]),
        asking.call("decide", world.studies[NATIVE], actors.patient, False),
        asking.call("release", world.studies[NATIVE], actors.patient),
        asking.call("setSplit", 1, 0, 0),
        asking.call("batch", [data_of(asking.call("withdraw", token.address, token.address, SOMEWHERE))]),
        asking.call("confirm", mine, actors.patient),
        asking.accepting(world.studies[NATIVE], acceptance),
    ]
    world.does(token.functions.prepare(asking.contract.address, [data_of(each) for each in calls]))
    world.behaves(REENTERS)
    return acts, mine


ALLOWED_INSIDE = {8, 9, 10}
"""A batch, which reports that what it held was refused; its own confirmation; a patient's signature."""


@pytest.mark.parametrize("through", ["open", "withdraw"])
def test_reentering__whatever_it_calls__nothing_is_opened_or_paid_twice(world, actors, scheming, through):
    acts, mine = scheming
    asking, token = world.asking, world.hostile
    before = asking.chain.call(asking.contract.functions.requests())
    lies = world.balance(token.address, asking.contract.address)

    if through == "open":
        sent = acts(asking.call("open", asking.terms(token=token.address).fields))
    else:
        sent = acts(asking.call("withdraw", token.address, token.address, actors.doctor))

    done = {event.values["index"] for event in sent.events if event.name == "Reentered" and event.values["done"]}
    assert done == ALLOWED_INSIDE
    refused = [event.values["reason"] for event in sent.events if event.name == "CallRefused"]
    assert len(refused) == 1
    assert asking.chain.call(asking.contract.functions.requests()) == before + (through == "open")
    moved = 2 * REWARD if through == "open" else -2 * REWARD
    assert world.balance(token.address, asking.contract.address) == lies + moved
    assert world.balance(token.address, SOMEWHERE) == 0
    credited = 2 * REWARD if through == "open" else 0
    assert asking.credit(token.address, token.address) == credited + TO_CUSTODIAN
    assert asking.reservation(mine, actors.patient).status == PAID

    world.behaves(HONEST)
    acts(asking.call("decline", world.studies[NATIVE], actors.other_patient))
    world.others_are_paid_to_the_last()
    asking.withdraw(actors.patient, actors.patient, SOMEWHERE, token=token.address)
    assert world.balance(token.address, SOMEWHERE) == TO_PATIENT
