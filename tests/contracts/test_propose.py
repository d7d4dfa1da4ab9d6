"""Consortium.propose, vote, execute, setVotingRules: how institutions decide

given a member that has its seat
    it proposes a call of the consortium, or of a contract that says it is governed by it; that is its vote, too
    of the consents, records or emergencies, of nobody, of a stranger's key or another consortium's contract: refused
given a proposal
    members vote, each once, until the second before the deadline; a vote counts while its member has its seat
    a member that was removed or suspended votes no more, and what it voted counts no more; readmitted, it counts again
    what it needs follows how many have their seats now: for one to seven members, and 51, 67 or 100 of a hundred
given enough votes
    anybody executes it, once, with the call that was proposed and no other, until the second before the deadline
    where the call is refused, its error comes through, nothing is kept, and it can be tried again
    while it is executed it cannot be executed again
given the rules of voting
    a vote changes them within their bounds; what runs keeps its deadline, and is counted by the new quorum
given a contract that lies
    it can be called, and nothing else: not as anybody, nor any other contract
"""

from __future__ import annotations

import pytest
from evm import ZERO_ADDRESS, Event, refusal
from institutions import INSTITUTIONS, REASON, ProposalView, call_digest_of, data_of, found

pytestmark = pytest.mark.contracts

FOUNDERS = INSTITUTIONS[:3]
ONE, TWO, THREE = FOUNDERS
NEW = INSTITUTIONS[6]
HOUR, DAY = 3600, 86_400


@pytest.fixture
def consortium(chain, contracts, actors):
    return found(chain, FOUNDERS, sender=actors.deployer)


@pytest.fixture
def admitting(consortium):
    return consortium.call("admit", NEW)


@pytest.fixture
def governed(consortium, deploy_harness):
    contract = deploy_harness("Governed__Mock")
    consortium.chain.send(contract.functions.set(consortium.contract.address, 0), sender=ONE)
    return contract


# ------------------------------------------------------------------------------------------------------ proposing


def test_propose__by_a_member__is_told_and_its_vote(consortium, admitting):
    sent = consortium._send("propose", TWO, consortium.contract.address, data_of(admitting), REASON)

    deadline, address = sent.time + 7 * DAY, consortium.contract.address
    told = {"proposer": TWO, "target": address, "callData": data_of(admitting), "reason": REASON, "deadline": deadline}
    assert sent.events == (
        Event("Proposed", {"id": 1, **told}, address),
        Event("Voted", {"id": 1, "member": TWO}, address),
    )
    digest = call_digest_of(admitting)
    assert consortium.proposal(1) == ProposalView(TWO, deadline, False, address, digest, 1 << 2)
    assert consortium.tally(1) == (1, 2)
    assert consortium.propose(ONE, admitting) == 2
    assert consortium.chain.call(consortium.contract.functions.proposals()) == 2


@pytest.mark.parametrize("who", ["stranger", "deployer", "member"])
def test_propose__by_who_has_no_seat__is_refused(consortium, admitting, actors, who):
    caller = getattr(actors, who)

    assert refusal(lambda: consortium.propose(caller, admitting)) == ("DirectoryNotAMember", caller)


def test_propose__of_the_requests_it_governs__is_taken(institutions, asking, actors):
    number = institutions.propose(actors.member, asking.call("setPeriods", HOUR, HOUR))

    institutions.execute(actors.stranger, number, asking.call("setPeriods", HOUR, HOUR))

    assert asking.periods() == (HOUR, HOUR)


def test_propose__of_every_other_contract_or_key__is_refused(institutions, contracts, emergencies, consortium, actors):
    for target in (
        contracts.consents.address,
        contracts.records.address,
        emergencies.contract.address,
        consortium.contract.address,
        actors.patient,
        actors.member,
        ZERO_ADDRESS,
        "0x" + "00" * 19 + "01",
    ):
        for data in (b"", data_of(contracts.consents.functions.revokeAll(actors.patient))):
            refused = refusal(lambda target=target, data=data: institutions.propose_data(actors.member, target, data))
            assert refused == ("ConsortiumTargetNotGoverned", target)


def test_propose__of_anothers_requests__is_refused(consortium, contracts):
    target = contracts.requests.address

    assert refusal(lambda: consortium.propose_data(ONE, target, b"")) == ("ConsortiumTargetNotGoverned", target)


@pytest.mark.parametrize(
    ("manner", "is_taken"), [(0, True), (1, False), (2, False), (3, False), (4, False), (5, False)]
)
def test_propose__of_a_contract_that_answers_badly__only_a_clean_answer_counts(consortium, governed, manner, is_taken):
    consortium.chain.send(governed.functions.set(consortium.contract.address, manner), sender=ONE)

    if is_taken:
        assert consortium.propose(ONE, governed.functions.act(7)) == 1
    else:
        refused = refusal(lambda: consortium.propose(ONE, governed.functions.act(7)))
        assert refused == ("ConsortiumTargetNotGoverned", governed.address)


def test_execute__of_a_contract_that_lies__it_is_called_and_no_more(consortium, governed):
    consortium.chain.send(governed.functions.open(), sender=ONE)

    consortium.decide(FOUNDERS, governed.functions.act(7))

    assert consortium.chain.call(governed.functions.caller()) == consortium.contract.address
    number = consortium.propose(ONE, governed.functions.grab())
    consortium.vote(TWO, number)
    refused = refusal(lambda: consortium.execute(ONE, number, governed.functions.grab()))
    assert refused == ("ConsortiumNotByVote", governed.address)
    assert consortium.seats() == (3, 3)


# --------------------------------------------------------------------------------------------------------- voting


def test_vote__by_members__is_told_and_counted(consortium, admitting):
    number = consortium.propose(ONE, admitting)

    sent = consortium.vote(THREE, number)

    assert sent.events == (Event("Voted", {"id": 1, "member": THREE}, consortium.contract.address),)
    assert consortium.proposal(number).votes == 1 << 1 | 1 << 3
    assert consortium.tally(number) == (2, 2)


def test_vote__twice__is_refused(consortium, admitting):
    number = consortium.propose(ONE, admitting)
    consortium.vote(TWO, number)

    for member in (ONE, TWO):
        assert refusal(lambda member=member: consortium.vote(member, number)) == (
            "ConsortiumVotedAlready",
            number,
            member,
        )


@pytest.mark.parametrize("who", ["stranger", "deployer", "member"])
def test_vote__by_who_has_no_seat__is_refused(consortium, admitting, actors, who):
    number, caller = consortium.propose(ONE, admitting), getattr(actors, who)

    assert refusal(lambda: consortium.vote(caller, number)) == ("DirectoryNotAMember", caller)


@pytest.mark.parametrize("number", [0, 2])
def test_vote__nothing_was_proposed__is_refused(consortium, admitting, number):
    consortium.propose(ONE, admitting)

    for act in (
        lambda: consortium.vote(TWO, number),
        lambda: consortium.execute(TWO, number, admitting),
        lambda: consortium.proposal(number),
        lambda: consortium.tally(number),
    ):
        assert refusal(act) == ("ConsortiumProposalUnknown", number)


@pytest.mark.parametrize(("before", "is_done"), [(1, True), (0, False), (-1, False)])
def test_vote__around_the_deadline__no_longer_at_it(consortium, admitting, before, is_done):
    number = consortium.propose(ONE, admitting)
    deadline = consortium.proposal(number).deadline

    if is_done:
        consortium.vote(TWO, number, at=deadline - before)
        assert consortium.tally(number) == (2, 2)
    else:
        refused = refusal(lambda: consortium.vote(TWO, number, at=deadline - before))
        assert refused == ("ConsortiumProposalExpired", number, deadline)


def test_vote__after_it_was_executed__is_refused(consortium, admitting):
    number = consortium.propose(ONE, admitting)
    consortium.vote(TWO, number)
    consortium.execute(ONE, number, admitting)

    assert refusal(lambda: consortium.vote(THREE, number)) == ("ConsortiumProposalExecuted", number)


@pytest.mark.parametrize(("verb", "back"), [("suspend", "reinstate"), ("remove", "admit")])
def test_vote__its_member_lost_its_seat__counts_no_more_until_it_has_it_again(consortium, admitting, verb, back):
    number = consortium.propose(THREE, admitting)
    later = consortium.propose(ONE, admitting)
    assert consortium.tally(number) == (1, 2)

    consortium.decide([ONE, TWO], consortium.call(verb, THREE))

    assert consortium.tally(number) == (0, 2)
    assert refusal(lambda: consortium.vote(THREE, later)) == ("DirectoryNotAMember", THREE)
    consortium.vote(ONE, number)
    assert refusal(lambda: consortium.execute(ONE, number, admitting)) == ("ConsortiumQuorumMissing", number, 1, 2)

    consortium.decide([ONE, TWO], consortium.call(back, THREE))

    assert consortium.tally(number) == (2, 2)
    assert refusal(lambda: consortium.vote(THREE, number)) == ("ConsortiumVotedAlready", number, THREE)
    consortium.vote(THREE, later)
    consortium.execute(ONE, number, admitting)


def test_vote__a_member_admitted_later__may_vote_and_is_counted(consortium, admitting):
    number = consortium.propose(ONE, consortium.call("suspend", THREE))
    consortium.decide([ONE, TWO], admitting)
    assert consortium.tally(number) == (1, 3)

    consortium.vote(NEW, number)
    consortium.vote(TWO, number)

    assert consortium.tally(number) == (3, 3)
    consortium.execute(NEW, number, consortium.call("suspend", THREE))


# ------------------------------------------------------------------------------------------------------- executing


@pytest.mark.parametrize("quorum", [51, 67, 100])
@pytest.mark.parametrize("count", range(1, 8))
def test_execute__at_the_boundary__with_enough_votes_and_not_with_one_less(
    chain, contracts, actors, deploy_harness, count, quorum
):
    members = INSTITUTIONS[:count]
    consortium = found(chain, members, sender=actors.deployer, quorum=quorum)
    needed = next(votes for votes in range(1, count + 1) if 100 * votes >= quorum * count)
    rules = consortium.call("setVotingRules", 100, HOUR)
    number = consortium.propose(members[0], rules)
    assert 2 * needed > count

    for votes in range(1, needed):
        assert consortium.tally(number) == (votes, needed)
        refused = refusal(lambda: consortium.execute(actors.stranger, number, rules))
        assert refused == ("ConsortiumQuorumMissing", number, votes, needed)
        consortium.vote(members[votes], number)

    assert consortium.tally(number) == (needed, needed)
    sent = consortium.execute(actors.stranger, number, rules)
    assert [event.name for event in sent.events] == ["ProposalExecuted", "VotingRulesSet"]


def test_execute__by_a_stranger__is_told(consortium, admitting, actors):
    number = consortium.propose(ONE, admitting)
    consortium.vote(TWO, number)

    sent = consortium.execute(actors.stranger, number, admitting)

    told = Event("ProposalExecuted", {"id": number, "by": actors.stranger}, consortium.contract.address)
    assert sent.events[0] == told
    assert consortium.proposal(number).executed


def test_execute__twice__is_refused(consortium):
    suspending, reinstating = consortium.call("suspend", THREE), consortium.call("reinstate", THREE)
    number = consortium.propose(ONE, suspending)
    consortium.vote(TWO, number)
    consortium.execute(ONE, number, suspending)
    consortium.decide([ONE, TWO], reinstating)

    assert refusal(lambda: consortium.execute(ONE, number, suspending)) == ("ConsortiumProposalExecuted", number)
    assert consortium.seats() == (3, 3)


def test_execute__another_call__is_refused(consortium, admitting):
    number = consortium.propose(ONE, admitting)
    consortium.vote(TWO, number)

    for wrong in (consortium.call("admit", INSTITUTIONS[5]), consortium.call("remove", NEW)):
        refused = refusal(lambda wrong=wrong: consortium.execute(ONE, number, wrong))
        assert refused == ("ConsortiumCallMismatch", number)
    for data in (b"", data_of(admitting)[:-1], data_of(admitting) + b"\0"):
        function = consortium.contract.functions.execute(number, data)
        refused = refusal(lambda function=function: consortium.chain.send(function, sender=ONE))
        assert refused == ("ConsortiumCallMismatch", number)


@pytest.mark.parametrize(("before", "is_done"), [(1, True), (0, False), (-1, False)])
def test_execute__around_the_deadline__no_longer_at_it(consortium, admitting, before, is_done):
    number = consortium.propose(ONE, admitting)
    consortium.vote(TWO, number)
    deadline = consortium.proposal(number).deadline

    if is_done:
        consortium.execute(ONE, number, admitting, at=deadline - before)
    else:
        refused = refusal(lambda: consortium.execute(ONE, number, admitting, at=deadline - before))
        assert refused == ("ConsortiumProposalExpired", number, deadline)


def test_execute__the_call_is_refused__its_error_comes_through_and_it_can_be_tried_again(consortium, governed):
    function = governed.functions.act(7)
    number = consortium.propose(ONE, function)
    consortium.vote(TWO, number)

    assert refusal(lambda: consortium.execute(THREE, number, function)) == ("Refused", 7)
    assert not consortium.proposal(number).executed

    consortium.chain.send(governed.functions.open(), sender=ONE)
    consortium.execute(THREE, number, function)
    assert consortium.chain.call(governed.functions.called()) == 1


def test_execute__the_call_fails_without_a_word__is_refused(consortium, governed):
    function = governed.functions.fail()
    number = consortium.propose(ONE, function)
    consortium.vote(TWO, number)

    assert refusal(lambda: consortium.execute(THREE, number, function)) == ("FailedCall",)
    assert not consortium.proposal(number).executed


def test_execute__while_it_is_executed__is_refused(consortium, governed):
    function = governed.functions.reenter()
    number = consortium.propose(ONE, function)
    consortium.vote(TWO, number)
    consortium.chain.send(governed.functions.prepare(number, data_of(function)), sender=ONE)

    refused = refusal(lambda: consortium.execute(THREE, number, function))

    assert refused == ("ConsortiumProposalExecuted", number)
    assert consortium.chain.call(governed.functions.called()) == 0


def test_execute__no_such_verb_of_the_consortium__is_refused(consortium):
    number = consortium.propose_data(ONE, consortium.contract.address, b"\xde\xad\xbe\xef")
    consortium.vote(TWO, number)

    function = consortium.contract.functions.execute(number, b"\xde\xad\xbe\xef")
    assert refusal(lambda: consortium.chain.send(function, sender=ONE)) == ("FailedCall",)


def test_execute__what_needs_a_member__is_refused_by_vote_too(consortium):
    number = consortium.propose(ONE, consortium.call("vote", 1))
    consortium.vote(TWO, number)
    address = consortium.contract.address

    for function in (consortium.call("accredit", NEW, 1, 2**40 - 1), consortium.call("propose", address, b"", REASON)):
        refused = refusal(lambda function=function: consortium.decide([ONE, TWO], function))
        assert refused == ("DirectoryNotAMember", address)


# ------------------------------------------------------------------------------------------------ rules of voting


@pytest.mark.parametrize(("quorum", "period"), [(51, HOUR), (100, 90 * DAY), (67, DAY)])
def test_set_voting_rules__by_vote__are_told_and_hold(consortium, quorum, period):
    sent = consortium.decide(FOUNDERS, consortium.call("setVotingRules", quorum, period))

    assert sent.events[-1].values == {"quorum": quorum, "votingPeriod": period}
    number = consortium.propose(ONE, consortium.call("admit", NEW))
    assert consortium.proposal(number).deadline == consortium.chain.now + period


@pytest.mark.parametrize(
    ("quorum", "period"), [(50, HOUR), (101, HOUR), (255, HOUR), (51, HOUR - 1), (51, 90 * DAY + 1), (51, 2**32 - 1)]
)
def test_set_voting_rules__out_of_bounds__are_refused(consortium, quorum, period):
    rules = consortium.call("setVotingRules", quorum, period)

    assert refusal(lambda: consortium.decide(FOUNDERS, rules)) == ("ConsortiumRulesOutOfRange", quorum, period)


@pytest.mark.parametrize("who", [ONE, "stranger", "deployer"])
def test_set_voting_rules__by_anybody_but_a_vote__is_refused(consortium, actors, who):
    caller = who if who == ONE else getattr(actors, who)
    rules = consortium.call("setVotingRules", 51, HOUR)

    assert refusal(lambda: consortium.chain.send(rules, sender=caller)) == ("ConsortiumNotByVote", caller)


def test_set_voting_rules__while_a_proposal_runs__it_keeps_its_deadline_and_is_counted_anew(consortium, admitting):
    number = consortium.propose(ONE, admitting)
    deadline = consortium.proposal(number).deadline
    consortium.vote(TWO, number)
    assert consortium.tally(number) == (2, 2)

    consortium.decide(FOUNDERS, consortium.call("setVotingRules", 100, HOUR))

    assert consortium.proposal(number).deadline == deadline
    assert refusal(lambda: consortium.execute(ONE, number, admitting)) == ("ConsortiumQuorumMissing", number, 2, 3)
