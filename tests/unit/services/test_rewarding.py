"""What is earned is withdrawn by its owner, and the money of a request adds up to the last unit at any time.

given a request that goes its way
├─ at every step what came in is what was paid, went back, or is held
└─ a request whose events do not add up is an error
given credits
├─ they are shown by token, and withdrawn in whole by who is in control; again, it is said where
├─ who has no coins signs, and another sends
└─ others, nothing, and nowhere are refused
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from service_doubles import Overriding
from studies import STUDY, TOKEN
from study_town import DAY, StudyTown, new_study_town, signing_actor

from medshare.errors import (
    IntegrityError,
    MedshareError,
    NothingToWithdrawError,
    RecipientInvalidError,
    RejectedError,
    SigningError,
    WithdrawalNotAllowedError,
)
from medshare.model.governed import DecideDispute, SetTokenAllowed, WithdrawTreasury
from medshare.model.ids import ZERO_ADDRESS
from medshare.model.request import NATIVE
from medshare.services.paid import Paying, paid_ledger
from medshare.services.relaying import Relaying
from medshare.services.rewarding import Rewarding

pytestmark = [pytest.mark.unit, pytest.mark.timeout(120)]


@pytest.fixture
def town(tmp_path: Path) -> StudyTown:
    return new_study_town(tmp_path)


def account(town: StudyTown, request_id) -> tuple[int, ...]:
    found = town.rewarding.account_of(request_id)
    assert found.deposited == found.paid + found.returned + found.held
    rewards = (found.returned, found.earning, found.reserved, found.free)
    assert all(amount % STUDY.reward == 0 for amount in rewards)
    return (found.paid // STUDY.reward, *(amount // STUDY.reward for amount in rewards))


def test_account__at_every_step__adds_up(town: StudyTown) -> None:
    request_id = town.open().request_id
    assert account(town, request_id) == (0, 0, 0, 0, 3)
    for patient in (town.mary, town.paul):
        town.publish(patient)
        town.accept(request_id, patient)
    assert account(town, request_id) == (0, 0, 0, 2, 1)
    town.delivering.deliver(request_id, town.mary.address, custodian=town.world.hospital)
    assert account(town, request_id) == (0, 0, 1, 1, 1)
    town.delivering.decline(request_id, town.paul.address, custodian=town.world.hospital)
    assert account(town, request_id) == (0, 0, 1, 0, 2)
    town.accept(request_id, town.paul)
    town.requesting.cancel(request_id, requester=town.researcher)
    assert account(town, request_id) == (0, 1, 1, 1, 0)
    town.delivering.decline(request_id, town.paul.address, custodian=town.world.hospital)
    assert account(town, request_id) == (0, 2, 1, 0, 0)
    town.requesting.dispute(request_id, town.mary.address, "empty", requester=town.researcher)
    assert account(town, request_id) == (0, 2, 1, 0, 0)
    town.vote(DecideDispute(request_id=request_id, patient=town.mary.address, paid=True))
    assert account(town, request_id) == (1, 2, 0, 0, 0)
    found = town.rewarding.account_of(request_id)
    assert (found.to_patients, found.to_custodians, found.to_consortium) == (700_001, 200_000, 100_000)


def test_account__after_the_deadline__what_was_not_delivered_goes_back(town: StudyTown) -> None:
    request_id = town.delivered()
    town.publish(town.paul)
    town.accept(request_id, town.paul)
    town.requesting.dispute(request_id, town.mary.address, "empty", requester=town.researcher)
    town.until(town.study.deadline)
    assert account(town, request_id) == (0, 0, 1, 1, 1)
    town.requesting.return_unearned(request_id, payer=town.paul.signer)
    assert account(town, request_id) == (0, 2, 1, 0, 0)
    town.vote(DecideDispute(request_id=request_id, patient=town.mary.address, paid=False))
    assert account(town, request_id) == (0, 3, 0, 0, 0)


STEPS = ("accept", "deliver", "decline", "confirm", "dispute", "decide", "cancel", "release", "return", "wait")


@settings(max_examples=12)
@given(steps=st.lists(st.tuples(st.sampled_from(STEPS), st.booleans()), max_size=12))
def test_account__any_history__adds_up_and_is_what_the_escrow_holds(tmp_path_factory, steps) -> None:
    town = new_study_town(tmp_path_factory.mktemp("town"))
    request_id = town.open(study=replace(town.study, grants=2)).request_id
    for patient in (town.mary, town.paul):
        town.publish(patient)
    for step, first in steps:
        patient = town.mary if first else town.paul
        try:
            take(town, step, request_id, patient, first)
        except RejectedError:
            continue
        found = town.rewarding.account_of(request_id)
        model = town.world.chain.model
        assert found.held == model.owed(NATIVE)
        credited = sum(
            each.credit
            for who in (town.mary, town.paul, town.world.hospital, town.researcher)
            for each in town.rewarding.credits(who.address)
        )
        consortium = town.world.ledger.consortium.address
        credited += sum(each.credit for each in town.rewarding.credits(consortium))
        assert found.deposited == found.held + credited


def take(town: StudyTown, step: str, request_id, patient, first: bool) -> None:
    hospital, address = town.world.hospital, patient.address
    match step:
        case "accept":
            town.accept(request_id, patient)
        case "deliver":
            town.delivering.deliver(request_id, address, custodian=hospital)
        case "decline":
            town.delivering.decline(request_id, address, custodian=hospital)
        case "confirm":
            town.world.ledger.requests.confirm(town.researcher.signer, request_id, address)
        case "dispute":
            town.requesting.dispute(request_id, address, "why", requester=town.researcher)
        case "decide":
            town.vote(DecideDispute(request_id=request_id, patient=address, paid=first))
        case "cancel":
            town.requesting.cancel(request_id, requester=town.researcher)
        case "release":
            town.requesting.release(request_id, address, payer=hospital.signer)
        case "return":
            town.requesting.return_unearned(request_id, payer=hospital.signer)
        case _:
            town.pass_by(10 * DAY)


# ------------------------------------------------------------------------------------------------- credits


def test_withdraw__what_was_earned__goes_where_it_should_once(town: StudyTown) -> None:
    request_id = town.delivered()
    town.requesting.confirm(request_id, town.mary.address, requester=town.researcher)
    (credit,) = town.rewarding.credits(town.mary.address)
    assert (credit.token, credit.credit, credit.earned, credit.withdrawn) == (NATIVE, 700_001, 700_001, 0)
    elsewhere = town.paul.address
    done = town.rewarding.withdraw(town.mary.address, NATIVE, to=elsewhere, actor=town.mary)
    assert done.amount == 700_001
    ledger = town.world.ledger
    assert ledger.escrow.balance(elsewhere, NATIVE, block=ledger.chain.head()) == 700_001
    (credit,) = town.rewarding.credits(town.mary.address)
    assert (credit.credit, credit.earned, credit.withdrawn) == (0, 700_001, 700_001)
    head = ledger.chain.head()
    again = town.rewarding.withdraw(town.mary.address, NATIVE, to=elsewhere, actor=town.mary)
    assert (done.on_chain.already, again.on_chain.already, again.amount) == (False, True, 700_001)
    assert (again.on_chain.block, again.on_chain.tx_hash) == (done.on_chain.block, done.on_chain.tx_hash)
    assert ledger.chain.head() == head


def test_withdraw__nothing_is_left_for_this_account_token_place_or_actor__is_refused(town: StudyTown) -> None:
    mary, paul = town.mary, town.paul
    request_id = town.delivered()
    with pytest.raises(NothingToWithdrawError):
        town.rewarding.withdraw(mary.address, NATIVE, to=mary.address, actor=mary)
    town.requesting.confirm(request_id, mary.address, requester=town.researcher)
    town.rewarding.withdraw(mary.address, NATIVE, to=mary.address, actor=mary)
    for account, token, to, actor in (
        (paul.address, NATIVE, mary.address, paul),
        (mary.address, TOKEN, mary.address, mary),
        (mary.address, NATIVE, paul.address, mary),
        (mary.address, NATIVE, mary.address, paul),
    ):
        with pytest.raises(NothingToWithdrawError):
            town.rewarding.withdraw(account, token, to=to, actor=actor)


def test_withdraw__an_earlier_attempt_was_on_its_way__says_where_it_is(town: StudyTown) -> None:
    mary, ledger = town.mary, town.world.ledger
    request_id = town.delivered()
    town.requesting.confirm(request_id, mary.address, requester=town.researcher)
    first = []

    def overtaken(*words):
        first.append(ledger.escrow.withdraw(*words))
        return ledger.escrow.withdraw(*words)

    overtaking = replace(ledger, escrow=Overriding(ledger.escrow, withdraw=overtaken))
    rewarding = Rewarding(ledger=overtaking, auditing=town.world.auditing, book=town.book)
    done = rewarding.withdraw(mary.address, NATIVE, to=mary.address, actor=mary)
    assert (done.on_chain.already, done.on_chain.tx_hash, done.amount) == (True, first[0].tx_hash, 700_001)


def test_credits__in_a_token__are_apart(town: StudyTown) -> None:
    town.vote(SetTokenAllowed(token=TOKEN, allowed=True))
    town.world.chain.give(town.researcher.address, 10**9, TOKEN)
    for study in (town.study, replace(town.study, token=TOKEN, reward=10)):
        request_id = town.delivered(study=study)
        town.requesting.confirm(request_id, town.mary.address, requester=town.researcher)
    assert [(each.token, each.credit) for each in town.rewarding.credits(town.mary.address)] == [
        (NATIVE, 700_001),
        (TOKEN, 7),
    ]
    assert town.rewarding.credits(town.paul.address) == []


def test_credits__contract_says_something_else__is_an_error(town: StudyTown) -> None:
    request_id = town.delivered()
    town.requesting.confirm(request_id, town.mary.address, requester=town.researcher)
    ledger = town.world.ledger
    lying = replace(ledger, escrow=Overriding(ledger.escrow, credit=lambda *_args, **_more: 1))
    with pytest.raises(IntegrityError):
        Rewarding(ledger=lying, auditing=town.world.auditing, book=town.book).credits(town.mary.address)


def test_withdraw__by_others_or_to_nobody__is_refused(town: StudyTown) -> None:
    request_id = town.delivered()
    town.requesting.confirm(request_id, town.mary.address, requester=town.researcher)
    for to, actor, error in (
        (town.paul.address, town.paul, WithdrawalNotAllowedError),
        (ZERO_ADDRESS, town.mary, RecipientInvalidError),
        (town.world.ledger.requests.address, town.mary, RecipientInvalidError),
    ):
        with pytest.raises(error):
            town.rewarding.withdraw(town.mary.address, NATIVE, to=to, actor=actor)


def test_withdraw__of_the_consortium__is_voted_for(town: StudyTown) -> None:
    request_id = town.delivered()
    town.requesting.confirm(request_id, town.mary.address, requester=town.researcher)
    consortium = town.world.ledger.consortium.address
    town.vote(WithdrawTreasury(account=consortium, token=NATIVE, to=town.committee.address))
    ledger = town.world.ledger
    assert ledger.escrow.balance(town.committee.address, NATIVE, block=ledger.chain.head()) == 100_000


def test_withdraw__signed__another_sends_and_pays(town: StudyTown, tmp_path: Path) -> None:
    world, father = town.world, signing_actor()
    request_id = town.delivered()
    town.requesting.confirm(request_id, town.mary.address, requester=town.researcher)
    relaying = Relaying(
        relay=world.ledger.relay,
        chain=world.ledger.chain,
        payer=father.signer,
        domains=world.chain.domains,
        wallets=Overriding(None, accepts=lambda *_: False),
        clock=world.clock,
        folder=tmp_path / "relay",
    )
    confirmed = []
    paying = Paying(
        payer=father.signer, confirm=lambda lines: bool(confirmed.append(lines)) or True, names=lambda _: None
    )
    ledger = paid_ledger(world.ledger, signing=town.signing, pay=relaying.pay, paying=paying)
    rewarding = Rewarding(ledger=ledger, auditing=world.auditing, book=town.book)
    done = rewarding.withdraw(town.mary.address, NATIVE, to=town.paul.address, actor=town.mary)
    assert done.amount == 700_001
    assert any("cannot be called back" in text for _, text in confirmed[0])
    assert town.credit(town.mary.address) == 0
    for other in (town.paul, father):
        with pytest.raises((SigningError, RejectedError)) as caught:
            rewarding.withdraw(world.hospital.address, NATIVE, to=other.address, actor=other)
        assert isinstance(caught.value, MedshareError)
    assert town.credit(world.hospital.address) == 200_000
