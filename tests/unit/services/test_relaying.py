"""A relayer: pays for what the chain would do, once, and for nothing else.

given signed messages of several patients
├── they should go out in one transaction for each contract, cut at the cap of items and of gas
├── each should get its own outcome, in the order in which they came
└── one that is wrong should keep no other back
given a message that is wrong by itself
├── another chain or contract, too late, too soon for its deadline, forged, a guardian's: refused
└── neither the chain asked nor anything paid
given a message that the chain would refuse
└── it should be refused as the chain says it, and not be paid for, in company of others too
given a message that fails without a reason
└── it should be found and refused alone, the others sent
given the same message again, in one call or later
└── it should be done once, and the answer be the same
given more messages of one patient, or of all, than the limits allow
└── the rest should wait, and go out when their turn comes
given a relayer that broke off before or after its transaction was mined
└── the next should take it up with the same intent: nothing paid twice, nothing lost
given a relayer that cannot pay
└── every message should wait, and its turns be given back
given two relayers on one folder
└── the second should say so
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from relay_doubles import (
    DOMAIN,
    GAS,
    HOUR,
    NOW,
    PLACE,
    FakeHead,
    FakeRelay,
    FakeWallets,
    forged,
    person,
    revocation,
    revocation_of_all,
)

from medshare.errors import (
    ConfigurationError,
    DeadlinePassedError,
    DeadlineTooFarError,
    InsufficientFundsError,
    LedgerBusyError,
    LedgerUnavailableError,
    NotRelayableError,
    RateLimitedError,
    SignatureInvalidError,
    SignedOutdatedError,
    TransactionFailedError,
    UnknownGrantError,
    WrongDomainError,
)
from medshare.model.eip712 import Domain
from medshare.model.ids import address
from medshare.model.typed_data import (
    LONGEST_VALIDITY,
    SignableRecover,
    SignableSetEncryptionKey,
    SignedMessage,
    to_typed_data,
)
from medshare.services.rate_limits import RateLimit
from medshare.services.relaying import Relaying, RelayPolicy, RelayState
from medshare.testing import FakeClock

pytestmark = pytest.mark.unit

PAYER = person(0)
MARY, JOHN, ANN = person(1), person(2), person(3)
CONSORTIUM = Domain.of("Consortium", 31337, address("0x" + "d1" * 20))
DONE, REFUSED, LATER = RelayState.DONE, RelayState.REFUSED, RelayState.LATER


class Office:
    """A relayer with all it needs, that can be closed and opened again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.relay = FakeRelay()
        self.clock = FakeClock(NOW)
        self.head = FakeHead(self.clock)
        self.wallets = FakeWallets()
        self.policy = RelayPolicy()
        self.domains = {"ConsentRegistry": DOMAIN, "Consortium": CONSORTIUM}

    def open(self) -> Relaying:
        return Relaying(
            relay=self.relay,
            chain=self.head,
            payer=PAYER,
            domains=self.domains,
            wallets=self.wallets,
            clock=self.clock,
            folder=self.folder,
            policy=self.policy,
        )

    def send(self, *messages):
        return self.open().relay(messages)


@pytest.fixture
def office(tmp_path) -> Office:
    return Office(tmp_path / "relay")


def states(relayed):
    return [one.state for one in relayed]


def new_key(who, version=1):
    message = SignableSetEncryptionKey(actor=who.address, key=b"\5" * 32, version=version, deadline=NOW + HOUR)
    signature = who.sign_typed_data(to_typed_data(message, CONSORTIUM))
    return SignedMessage(message=message, domain=CONSORTIUM, signer=who.address, signature=signature)


# ------------------------------------------------------------------------------------------------ sending


def test_relay__several_patients_and_contracts__one_transaction_for_each_contract(office) -> None:
    messages = [revocation(MARY), new_key(JOHN), revocation(JOHN), new_key(ANN)]

    relayed = office.send(*messages)

    assert states(relayed) == [DONE] * 4
    assert [one.signed for one in relayed] == messages
    assert office.relay.batches == [(messages[0], messages[2]), (messages[1], messages[3])]
    assert [one.tx_hash[0] for one in relayed] == [1, 2, 1, 2]
    assert [one.block_number for one in relayed] == [1, 2, 1, 2]


def test_relay__nothing__nothing_is_sent(office) -> None:
    assert office.send() == ()
    assert office.relay.batches == []


def test_relay__more_than_the_cap_of_items__cut(office) -> None:
    office.policy = RelayPolicy(max_items=2)
    messages = [revocation(MARY, number) for number in range(1, 6)]

    assert states(office.send(*messages)) == [DONE] * 5
    assert [len(batch) for batch in office.relay.batches] == [2, 2, 1]


def test_relay__more_than_the_cap_of_gas__halved_until_it_fits(office) -> None:
    office.policy = RelayPolicy(max_gas=2 * GAS)
    messages = [revocation(MARY, number) for number in range(1, 6)]

    assert states(office.send(*messages)) == [DONE] * 5
    assert [len(batch) for batch in office.relay.batches] == [2, 1, 2]
    assert [one for batch in office.relay.batches for one in batch] == messages


def test_relay__one_that_takes_too_much_gas__is_refused_and_the_others_sent(office) -> None:
    messages = [revocation(MARY, number) for number in range(1, 5)]
    office.relay.gas[messages[1].digest] = 10**7

    relayed = office.send(*messages)

    assert states(relayed) == [DONE, REFUSED, DONE, DONE]
    assert isinstance(relayed[1].error, NotRelayableError)
    assert messages[1] not in {one for batch in office.relay.batches for one in batch}


def test_relay__told_of_its_progress__counts(office) -> None:
    told = []
    office.open().relay([revocation(MARY), revocation(JOHN)], progress=lambda *step: told.append(step))

    assert told == [("relaying", 1, 2), ("relaying", 2, 2)]


# ---------------------------------------------------------------------------------- wrong by themselves


def elsewhere(**changes):
    return revocation(MARY, domain=replace(DOMAIN, **changes))


def guardians_word():
    message = SignableRecover(patient=MARY.address, controller=PLACE, attempt=1, deadline=NOW + HOUR)
    signature = JOHN.sign_typed_data(to_typed_data(message, DOMAIN))
    return SignedMessage(message=message, domain=DOMAIN, signer=JOHN.address, signature=signature)


def of_somebody_else():
    signed = revocation(MARY)
    return replace(signed, signature=JOHN.sign_typed_data(to_typed_data(signed.message, DOMAIN)))


@pytest.mark.parametrize(
    ("signed", "error"),
    [
        (elsewhere(chain_id=1), WrongDomainError),
        (elsewhere(verifying_contract=MARY.address), WrongDomainError),
        (revocation(MARY, deadline=NOW), DeadlinePassedError),
        (revocation(MARY, deadline=NOW + 60), DeadlinePassedError),
        (revocation(MARY, deadline=NOW + 61 + LONGEST_VALIDITY), DeadlineTooFarError),
        (forged(revocation(MARY)), SignatureInvalidError),
        (of_somebody_else(), SignatureInvalidError),
        (replace(revocation(MARY), signature=b"\1" * 64), SignatureInvalidError),
        (replace(revocation(MARY), signature=b"\1" * 4096), SignatureInvalidError),
        (guardians_word(), NotRelayableError),
    ],
)
def test_relay__wrong_by_itself__is_refused_before_the_chain_is_asked(signed, error, office) -> None:
    good = revocation(JOHN)

    relayed = office.send(signed, good)

    assert states(relayed) == [REFUSED, DONE]
    assert type(relayed[0].error) is error
    assert office.relay.rehearsed == office.relay.batches == [(good,)]


def test_relay__contract_that_is_not_served__is_refused(office) -> None:
    del office.domains["Consortium"]

    (relayed,) = office.send(new_key(MARY))

    assert (relayed.state, type(relayed.error)) == (REFUSED, NotRelayableError)


def test_relay__just_before_the_margin__is_sent(office) -> None:
    assert states(office.send(revocation(MARY, deadline=NOW + 61))) == [DONE]


@pytest.mark.parametrize("behind", [HOUR, -HOUR])
def test_relay__clock_and_chain_disagree__the_later_counts(behind, office) -> None:
    office.head.behind = behind
    signed = revocation(MARY, deadline=NOW + 90)

    assert states(office.send(signed)) == [DONE if behind > 0 else REFUSED]


def test_relay__contract_wallet__is_asked_on_chain(office) -> None:
    signed = replace(revocation(MARY), signature=b"by two of three")
    office.wallets.taken[MARY.address] = b"by two of three"

    assert states(office.send(signed)) == [DONE]
    assert states(office.send(replace(revocation(JOHN), signature=b"by two of three"))) == [REFUSED]
    assert office.wallets.asked == 2


# ------------------------------------------------------------------------------------ the chain refuses


def test_relay__one_that_the_chain_would_refuse__is_not_paid_for(office) -> None:
    messages = [revocation(MARY), revocation(JOHN), revocation(ANN)]
    office.relay.refusals[messages[1].digest] = UnknownGrantError(7)

    relayed = office.send(*messages)

    assert states(relayed) == [DONE, REFUSED, DONE]
    assert isinstance(relayed[1].error, UnknownGrantError)
    assert relayed[1].tx_hash is None
    assert office.relay.batches == [(messages[0], messages[2])]


def test_relay__two_that_exclude_each_other__only_the_first_is_paid_for(office) -> None:
    first, second = revocation_of_all(MARY), replace_deadline(revocation_of_all, MARY)

    relayed = office.send(first, second)

    assert states(relayed) == [DONE, REFUSED]
    assert isinstance(relayed[1].error, SignedOutdatedError)
    assert office.relay.batches == [(first,)]


def replace_deadline(make, who):
    signed = make(who)
    message = replace(signed.message, deadline=signed.deadline + 1)
    return replace(signed, message=message, signature=who.sign_typed_data(to_typed_data(message, DOMAIN)))


def test_relay__refused_between_rehearsal_and_block__says_in_which_transaction(office) -> None:
    messages = [revocation(MARY), revocation(JOHN)]
    rehearse = office.relay.rehearse

    def overtaken(payer, signed):
        rehearsal = rehearse(payer, signed)
        office.relay.refusals[messages[1].digest] = SignedOutdatedError(0, 1)
        return rehearsal

    office.relay.rehearse = overtaken
    relayed = office.send(*messages)

    assert states(relayed) == [DONE, REFUSED]
    assert relayed[1].tx_hash == relayed[0].tx_hash is not None


@pytest.mark.parametrize("number", range(5))
def test_relay__one_that_fails_without_a_reason__is_found_and_the_others_sent(number, office) -> None:
    messages = [revocation(MARY, one) for one in range(1, 6)]
    office.relay.poison = {messages[number].digest}
    office.relay.poison_error = lambda: TransactionFailedError("(not sent)", "reverted without a reason")

    relayed = office.send(*messages)

    assert states(relayed) == [REFUSED if one == number else DONE for one in range(5)]
    assert isinstance(relayed[number].error, TransactionFailedError)
    assert office.relay.done == {one.digest for at, one in enumerate(messages) if at != number}


def test_relay__fails_only_when_it_is_sent__is_found_too_and_takes_no_second_turn(office) -> None:
    messages = [revocation(MARY, one) for one in range(1, 5)]
    office.policy = RelayPolicy(each=RateLimit(most=4, period=HOUR))
    office.relay.faults = [TransactionFailedError("0x", "out of gas"), TransactionFailedError("0x", "out of gas")]

    assert states(office.send(*messages)) == [DONE] * 4
    assert [len(batch) for batch in office.relay.batches] == [1, 1, 2]


# ------------------------------------------------------------------------------------------------- twice


def test_relay__same_message_twice__is_done_once(office) -> None:
    signed = revocation(MARY)

    relayed = office.send(signed, signed)
    again = office.send(signed)

    assert states(relayed) == [DONE, DONE]
    assert (again[0].state, again[0].tx_hash, again[0].block_number) == (DONE, relayed[0].tx_hash, 1)
    assert office.relay.batches == [(signed,)]


def test_relay__refused_before__is_looked_at_anew(office) -> None:
    signed = revocation(MARY)
    office.relay.refusals[signed.digest] = UnknownGrantError(7)
    assert states(office.send(signed)) == [REFUSED]
    office.relay.refusals.clear()

    assert states(office.send(signed)) == [DONE]


def test_relay__forgery_of_one_that_is_done__tells_only_what_the_chain_shows(office) -> None:
    signed = revocation(MARY)
    office.send(signed)

    (relayed,) = office.send(forged(signed))

    assert relayed.state is DONE
    assert len(office.relay.batches) == 1


@pytest.mark.parametrize("order", [1, -1])
def test_relay__forgery_beside_the_real_one__keeps_it_not_back(order, office) -> None:
    real = revocation(MARY)
    both = [real, forged(real)][::order]

    relayed = office.send(*both)

    assert {one.signed: one.state for one in relayed} == {real: DONE, forged(real): REFUSED}
    assert office.relay.batches == [(real,)]


def test_relay__two_good_signatures_of_one_message__is_done_once(office) -> None:
    by_key = revocation(MARY)
    by_wallet = replace(by_key, signature=b"by two of three")
    office.wallets.taken[MARY.address] = b"by two of three"

    relayed = office.send(by_key, by_wallet)

    assert [(one.signed, one.state) for one in relayed] == [(by_key, DONE), (by_wallet, DONE)]
    assert office.relay.batches == [(by_key,)]


# ------------------------------------------------------------------------------------------------ limits


def test_relay__more_than_a_patient_s_limit__the_rest_wait_their_turn(office) -> None:
    office.policy = RelayPolicy(each=RateLimit(most=2, period=HOUR))
    messages = [revocation(MARY, number, deadline=NOW + 10 * HOUR) for number in range(1, 5)]

    relayed = office.send(*messages, revocation(JOHN))

    assert states(relayed) == [DONE, DONE, LATER, LATER, DONE]
    assert isinstance(relayed[2].error, RateLimitedError)
    assert (relayed[2].error.subject, relayed[2].error.wait) == (MARY.address, HOUR // 2)
    office.clock.advance(HOUR // 2)
    assert states(office.send(*messages)) == [DONE, DONE, DONE, LATER]


def test_relay__limit_of_all_is_reached__others_wait_too(office) -> None:
    office.policy = RelayPolicy(together=RateLimit(most=2, period=HOUR))

    assert states(office.send(*map(revocation, (MARY, JOHN, ANN)))) == [DONE, DONE, LATER]


def test_relay__refused_or_forged__takes_nobody_s_turn(office) -> None:
    office.policy = RelayPolicy(each=RateLimit(most=1, period=HOUR))
    refused = revocation(MARY, 1)
    office.relay.refusals[refused.digest] = UnknownGrantError(7)

    assert states(office.send(refused, forged(revocation(MARY, 2)), revocation(MARY, 3))) == [REFUSED, REFUSED, DONE]


# ------------------------------------------------------------------------------------------- broken off


@pytest.mark.parametrize("where", ["faults", "lost"])
def test_relay__broke_off_before_or_after_it_was_mined__the_next_takes_it_up(where, office) -> None:
    messages = [revocation(MARY), revocation(JOHN)]
    getattr(office.relay, where).append(LedgerUnavailableError("the answer was lost"))

    assert states(office.send(*messages)) == [LATER, LATER]
    assert states(office.send(*messages, revocation(ANN))) == [DONE, DONE, DONE]
    assert office.relay.batches == [tuple(messages), (revocation(ANN),)]
    assert len(office.relay.mined) == 2


def test_relay__taken_up_in_another_company__is_sent_as_it_was(office) -> None:
    first = [revocation(MARY), revocation(JOHN)]
    office.relay.lost.append(LedgerUnavailableError("the answer was lost"))
    office.send(*first)

    relayed = office.send(revocation(ANN), first[1])

    assert states(relayed) == [DONE, DONE]
    assert [one.tx_hash[0] for one in relayed] == [2, 1]
    assert office.relay.batches == [tuple(first), (revocation(ANN),)]


def test_relay__still_cut_off__says_so_and_keeps_what_is_on_its_way(office) -> None:
    signed = revocation(MARY)
    office.relay.faults = [LedgerUnavailableError("lost"), LedgerUnavailableError("lost")]
    office.send(signed)

    with pytest.raises(LedgerUnavailableError):
        office.send(signed)
    assert states(office.send(signed)) == [DONE]
    assert len(office.relay.batches) == 1


def test_relay__what_was_on_its_way_can_never_be_mined__is_looked_at_anew(office) -> None:
    signed = revocation(MARY)
    office.relay.faults = [LedgerUnavailableError("lost"), TransactionFailedError("0x", "its place was taken")]
    office.send(signed)

    assert states(office.send(signed)) == [DONE]


def test_relay__chain_cannot_be_asked_at_all__raises_and_nothing_is_decided(office) -> None:
    office.head.fault = LedgerUnavailableError("no node")

    with pytest.raises(LedgerUnavailableError):
        office.send(revocation(MARY))


def test_relay__chain_is_lost_in_the_middle__what_follows_waits(office) -> None:
    messages = [revocation(MARY), new_key(JOHN)]
    rehearse = office.relay.rehearse

    def lost(payer, signed):
        if signed[0].message.contract == "Consortium":
            raise LedgerUnavailableError("no node")
        return rehearse(payer, signed)

    office.relay.rehearse = lost
    relayed = office.send(*messages, forged(revocation(ANN)))

    assert states(relayed) == [DONE, LATER, REFUSED]
    assert isinstance(relayed[1].error, LedgerUnavailableError)


@pytest.mark.parametrize(
    "fault", [InsufficientFundsError(PAYER.address), ConfigurationError("gas is dear"), LedgerBusyError("busy")]
)
def test_relay__cannot_pay__all_wait_and_no_turn_is_lost(fault, office) -> None:
    office.policy = RelayPolicy(each=RateLimit(most=1, period=HOUR), max_items=1)
    messages = [revocation(MARY), revocation(JOHN)]
    office.relay.faults = [fault]

    relayed = office.send(*messages)

    assert states(relayed) == [LATER, LATER]
    assert {one.error for one in relayed} == {fault}
    assert office.relay.batches == []
    assert states(office.send(*messages)) == [DONE, DONE]


def test_relay__another_relayer_on_the_same_folder__says_so(office) -> None:
    second = office.open()
    head = office.head.head
    caught = []

    def meanwhile():
        with pytest.raises(LedgerBusyError, match="same folder") as error:
            second.relay([revocation(JOHN)])
        caught.append(error.value)
        return head()

    office.head.head = meanwhile
    assert states(office.send(revocation(MARY))) == [DONE]
    assert len(caught) == 1
