"""Consortium.admit, remove, suspend, reinstate

given a consortium at its beginning
    its founders have seats in their order, told by events; it has at least one, none twice, none that is nobody
given a vote
    an institution is admitted, suspended, has its seat again, is removed, is readmitted into its old seat; all is told
    what it is already it does not become: it is refused, with how it stands
    the zero address and the consortium itself are no members
    the last member keeps its seat
    each change is seen in how many votes are needed
given anybody but a vote: a member, a stranger, the deployer
    it is refused, in a batch too
given 255 seats
    there are no more, and a former member still has its own
"""

from __future__ import annotations

import pytest
from eth_utils import to_checksum_address
from evm import ALWAYS, CUSTODIAN_KIND, ZERO_ADDRESS, Event, FailedError, _slot, artifact, refusal
from institutions import INSTITUTIONS, REMOVED, SEATED, SUSPENDED, UNKNOWN, data_of, found

pytestmark = pytest.mark.contracts

FOUNDERS = INSTITUTIONS[:3]
ONE, TWO, THREE = FOUNDERS
NEW = INSTITUTIONS[3]


@pytest.fixture
def consortium(chain, contracts, actors):
    return found(chain, FOUNDERS, sender=actors.deployer)


def decided(consortium, name, account):
    """All three founders, or as many as have their seats, decide."""
    seated = [each for each in FOUNDERS if consortium.member(each)[1] == SEATED]
    return consortium.decide(seated, consortium.call(name, account))


# ------------------------------------------------------------------------------------------------ the beginning


def test_deploy__founders__have_seats_in_their_order(consortium):
    assert [consortium.member(each) for each in FOUNDERS] == [(1, SEATED), (2, SEATED), (3, SEATED)]
    assert consortium.seats() == (3, 3)
    ask = consortium.contract.functions
    assert [consortium.chain.call(ask.memberAt(seat)) for seat in range(5)] == [ZERO_ADDRESS, *FOUNDERS, ZERO_ADDRESS]
    assert consortium.chain.call(ask.votingRules()) == [51, 7 * 86_400]


def test_deploy__by_the_deployer__has_no_right_at_all(consortium, actors):
    assert consortium.member(actors.deployer) == (0, UNKNOWN)
    for act in (
        lambda: consortium.propose(actors.deployer, consortium.call("admit", NEW)),
        lambda: consortium.accredit(actors.deployer, actors.deployer, CUSTODIAN_KIND),
    ):
        assert refusal(act) == ("DirectoryNotAMember", actors.deployer)


@pytest.mark.parametrize(
    "founders", [[], [ZERO_ADDRESS], [ONE, ONE], [ONE, TWO, ONE]], ids=["none", "nobody", "twice", "twice, apart"]
)
def test_deploy__no_founder_or_one_twice__is_refused(chain, contracts, actors, founders):
    with pytest.raises(FailedError):
        found(chain, founders, sender=actors.deployer)


@pytest.mark.parametrize(
    ("quorum", "period", "is_done"),
    [
        (51, 3600, True),
        (100, 90 * 86_400, True),
        (50, 3600, False),
        (101, 3600, False),
        (0, 3600, False),
        (51, 3599, False),
        (51, 90 * 86_400 + 1, False),
        (51, 0, False),
    ],
)
def test_deploy__rules_of_voting__only_within_their_bounds(chain, contracts, actors, quorum, period, is_done):
    if is_done:
        rules = found(chain, FOUNDERS, sender=actors.deployer, quorum=quorum, period=period).contract.functions
        assert chain.call(rules.votingRules()) == [quorum, period]
    else:
        with pytest.raises(FailedError):
            found(chain, FOUNDERS, sender=actors.deployer, quorum=quorum, period=period)


# --------------------------------------------------------------------------------------------------- by vote


def test_admit__a_new_institution__has_the_next_seat(consortium):
    sent = decided(consortium, "admit", NEW)

    assert consortium.member(NEW) == (4, SEATED)
    assert consortium.seats() == (4, 4)
    assert sent.events[-1] == Event("MemberAdmitted", {"member": NEW, "seat": 4}, consortium.contract.address)


def test_suspend_and_reinstate__a_member__has_no_seat_in_between(consortium):
    suspended = decided(consortium, "suspend", THREE)
    assert consortium.member(THREE) == (3, SUSPENDED)
    assert consortium.seats() == (3, 2)
    assert not consortium.chain.call(consortium.contract.functions.isMember(THREE))
    assert refusal(lambda: consortium.propose(THREE, consortium.call("admit", NEW))) == ("DirectoryNotAMember", THREE)

    back = decided(consortium, "reinstate", THREE)
    assert consortium.member(THREE) == (3, SEATED)
    assert consortium.seats() == (3, 3)
    assert consortium.chain.call(consortium.contract.functions.isMember(THREE))
    assert [each.events[-1].name for each in (suspended, back)] == ["MemberSuspended", "MemberReinstated"]


def test_remove_and_admit__a_member__comes_back_into_its_old_seat(consortium):
    removed = decided(consortium, "remove", TWO)
    decided(consortium, "admit", NEW)
    assert consortium.member(TWO) == (2, REMOVED)
    assert consortium.chain.call(consortium.contract.functions.memberAt(2)) == TWO

    back = decided(consortium, "admit", TWO)

    assert consortium.member(TWO) == (2, SEATED)
    assert consortium.seats() == (4, 4)
    assert removed.events[-1] == Event("MemberRemoved", {"member": TWO}, consortium.contract.address)
    assert back.events[-1] == Event("MemberAdmitted", {"member": TWO, "seat": 2}, consortium.contract.address)


def test_remove__a_suspended_member__is_removed(consortium):
    decided(consortium, "suspend", TWO)

    decided(consortium, "remove", TWO)

    assert consortium.member(TWO) == (2, REMOVED)
    assert consortium.seats() == (3, 2)


@pytest.mark.parametrize(
    ("name", "before", "status"),
    [
        ("admit", (), SEATED),
        ("admit", ("suspend",), SUSPENDED),
        ("reinstate", (), SEATED),
        ("reinstate", ("remove",), REMOVED),
        ("suspend", ("suspend",), SUSPENDED),
        ("suspend", ("remove",), REMOVED),
        ("remove", ("remove",), REMOVED),
    ],
)
def test_member__is_what_it_is_to_become_or_cannot__is_refused(consortium, name, before, status):
    for each in before:
        decided(consortium, each, THREE)

    assert refusal(lambda: decided(consortium, name, THREE)) == ("DirectoryMemberInvalid", THREE, status)


@pytest.mark.parametrize("name", ["reinstate", "suspend", "remove"])
def test_member__never_was_one__is_refused(consortium, name):
    assert refusal(lambda: decided(consortium, name, NEW)) == ("DirectoryMemberInvalid", NEW, UNKNOWN)


def test_admit__nobody_or_the_consortium__is_refused(consortium):
    for account in (ZERO_ADDRESS, consortium.contract.address):
        assert refusal(lambda account=account: decided(consortium, "admit", account)) == (
            "DirectoryMemberInvalid",
            account,
            UNKNOWN,
        )


@pytest.mark.parametrize("name", ["suspend", "remove"])
def test_member__the_last_one__keeps_its_seat(consortium, name):
    decided(consortium, "suspend", TWO)
    decided(consortium, "remove", THREE)

    assert refusal(lambda: decided(consortium, name, ONE)) == ("DirectoryLastMember", ONE)
    assert consortium.member(ONE) == (1, SEATED)


def test_remove__a_suspended_one_while_one_is_left__is_done(consortium):
    decided(consortium, "suspend", TWO)
    decided(consortium, "suspend", THREE)

    decided(consortium, "remove", THREE)

    assert consortium.seats() == (3, 1)


# --------------------------------------------------------------------------------------------------- by nobody else


@pytest.mark.parametrize("name", ["admit", "remove", "suspend", "reinstate"])
@pytest.mark.parametrize("who", ["member", "deployer", "stranger"])
def test_member__by_anybody_but_a_vote__is_refused(consortium, actors, name, who):
    caller = ONE if who == "member" else getattr(actors, who)
    function = consortium.call(name, NEW if name == "admit" else TWO)

    assert refusal(lambda: consortium.chain.send(function, sender=caller)) == ("ConsortiumNotByVote", caller)


def test_member__in_a_batch_of_a_member__is_refused(consortium):
    calls = [data_of(consortium.call(name, TWO)) for name in ("suspend", "remove")]
    inner = data_of(consortium.call("batch", calls))

    sent = consortium.chain.send(consortium.call("batch", [*calls, inner]), sender=ONE)

    assert {event.name for event in sent.events} == {"CallRefused"}
    assert consortium.member(TWO) == (2, SEATED)


def test_member__many_changes_in_one_batch_by_vote__are_made(consortium):
    calls = [data_of(consortium.call("admit", NEW)), data_of(consortium.call("suspend", TWO))]

    consortium.decide(FOUNDERS, consortium.call("batch", calls))

    assert (consortium.member(NEW), consortium.member(TWO)) == ((4, SEATED), (2, SUSPENDED))


# ------------------------------------------------------------------------------------------------------- 255 seats


def test_admit__255_seats_were_given__no_more_but_a_former_one(consortium):
    fields = {each["label"]: each for each in artifact("Consortium")["storageLayout"]["storage"]}
    slot, address = _slot("Consortium", "_seatsGiven"), consortium.contract.address
    shift = 8 * fields["_seatsGiven"]["offset"]
    word = consortium.chain.load(address, slot)
    assert word >> shift & 0xFF == 3
    decided(consortium, "remove", THREE)
    word = consortium.chain.load(address, slot)
    consortium.chain.store(address, slot, word & ~(0xFF << shift) | 254 << shift)

    decided(consortium, "admit", NEW)
    assert consortium.member(NEW) == (255, SEATED)
    consortium.accredit(NEW, NEW, CUSTODIAN_KIND)
    assert consortium.accreditation(NEW, CUSTODIAN_KIND) == (ALWAYS, 255, 0)
    assert consortium.is_accredited(NEW, CUSTODIAN_KIND)

    another = to_checksum_address("0x" + "ab" * 20)
    proposal = consortium.propose(NEW, consortium.call("admit", another))
    consortium.vote(ONE, proposal)
    assert consortium.tally(proposal) == (2, 2)
    refused = refusal(lambda: consortium.execute(ONE, proposal, consortium.call("admit", another)))
    assert refused == ("DirectorySeatsExhausted",)
    decided(consortium, "admit", THREE)
    assert consortium.member(THREE) == (3, SEATED)
