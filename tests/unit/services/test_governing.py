"""Institutions govern together: they accredit alone, decide by votes, and no vote opens a record.

given a consortium of three members, two of which pass a proposal
├─ a member accredits in its own name, with a date, and suspends, reinstates, withdraws what it accredited; a stranger,
│  another member, one without a seat: refused, each for its reason
├─ who is accredited is told with every reason why it does not count; contract and client agree
├─ a proposal: made by a member, voted for once each, executed by anybody when it has passed, and not before or after;
│  votes count only while their members are seated; a removed member's actors count no longer, its records stay
├─ the reason is kept for who proposed it alone; its file is compared with the chain
├─ calldata that nobody here knows is told as unknown; a node that lies about it is found out
├─ a crash between any two steps: the same command again makes no second proposal; one that is over can be made anew
└─ inbox: members are told what waits for their vote, actors what became of their accreditation, nobody else anything
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from council import CUSTODIAN, Council, new_council
from service_doubles import CrashError, Faults, Overriding
from world import DAY, TEXT

from medshare.errors import (
    AccreditationInvalidError,
    AccreditedByAnotherError,
    CustodianNotAccreditedError,
    EnvelopeError,
    IntegrityError,
    InvalidInputError,
    LastMemberError,
    MemberInvalidError,
    NotAMemberError,
    ProposalExecutedError,
    ProposalExpiredError,
    QuorumMissingError,
    SuspendedByVoteError,
    SuspensionInvalidError,
    UnknownProposalError,
    VotedAlreadyError,
)
from medshare.model.accreditation import AccreditationKind, MemberStatus
from medshare.model.events import Proposed
from medshare.model.governed import (
    AdmitMember,
    ReinstateAccreditation,
    ReinstateMember,
    RemoveMember,
    SetPeriods,
    SetVotingRules,
    SuspendAccreditation,
    SuspendMember,
)
from medshare.model.ids import ZERO_ADDRESS, ProposalId
from medshare.ports import Actor
from medshare.services.auditing import Auditing
from medshare.services.governing import Governing, NotInForce, ProposalState
from medshare.services.index import LedgerIndex
from medshare.services.notices import Urgency
from medshare.testing import new_actor

pytestmark = pytest.mark.unit
CLINICIAN = AccreditationKind.CLINICIAN


@pytest.fixture
def council(tmp_path) -> Council:
    return new_council(tmp_path)


def why_not(council: Council, actor: Actor, kind: AccreditationKind = CUSTODIAN) -> tuple[NotInForce, ...]:
    standing = council.governing.accreditation(actor.address, kind)
    assert standing is not None
    assert standing.in_force == council.counts(actor, kind)
    return standing.not_in_force


def made(council: Council, call, member: Actor | None = None) -> ProposalId:
    return council.propose(call, member=member).proposal.proposal_id


# -------------------------------------------------------------------------------------- accreditation


def test_accredit__by_a_member__counts_until_its_date(council: Council) -> None:
    lab = new_actor()
    council.accredit(lab, days=10)
    (standing,) = council.governing.accreditations(actor=lab.address)
    assert (standing.kind, standing.member, standing.in_force) == (CUSTODIAN, council.university.address, True)
    assert standing.valid_until == standing.said_at + 10 * DAY - 1
    assert why_not(council, lab) == ()
    council.pass_by(10 * DAY)
    assert why_not(council, lab) == (NotInForce.EXPIRED,)
    council.accredit(lab)
    assert why_not(council, lab) == ()


def test_accredit__by_who_has_no_seat__is_refused(council: Council) -> None:
    with pytest.raises(NotAMemberError):
        council.accredit(new_actor(), member=council.world.stranger)
    council.decide(SuspendMember(member=council.clinic.address))
    with pytest.raises(NotAMemberError):
        council.accredit(new_actor(), member=council.clinic)
    council.decide(ReinstateMember(member=council.clinic.address))
    council.accredit(new_actor(), member=council.clinic)


def test_accredit__what_cannot_be__is_refused(council: Council) -> None:
    with pytest.raises(InvalidInputError, match="has passed"):
        council.accredit(new_actor(), days=0)
    with pytest.raises(AccreditationInvalidError):
        council.governing.accredit(ZERO_ADDRESS, CUSTODIAN, council.world.clock.now() + DAY, member=council.university)


def test_accredit__whom_another_member_accredited__is_refused_and_names_it(council: Council) -> None:
    lab = new_actor()
    council.accredit(lab, days=10)
    for act in (
        lambda: council.accredit(lab, member=council.clinic),
        lambda: council.governing.withdraw(lab.address, CUSTODIAN, member=council.clinic),
        lambda: council.governing.suspend(lab.address, CUSTODIAN, member=council.clinic),
        lambda: council.governing.reinstate(lab.address, CUSTODIAN, member=council.clinic),
    ):
        with pytest.raises(AccreditedByAnotherError) as refused:
            act()
        assert council.university.address in refused.value.hint
    council.pass_by(10 * DAY)
    council.accredit(lab, member=council.clinic)
    (standing,) = council.governing.accreditations(actor=lab.address)
    assert (standing.member, standing.in_force) == (council.clinic.address, True)


def test_suspend__by_the_member__counts_no_longer_until_reinstated(council: Council) -> None:
    lab = new_actor()
    with pytest.raises(SuspensionInvalidError):
        council.governing.suspend(lab.address, CUSTODIAN, member=council.university)
    council.accredit(lab)
    with pytest.raises(SuspensionInvalidError):
        council.governing.reinstate(lab.address, CUSTODIAN, member=council.university)
    council.governing.suspend(lab.address, CUSTODIAN, member=council.university)
    with pytest.raises(SuspensionInvalidError):
        council.governing.suspend(lab.address, CUSTODIAN, member=council.university)
    council.accredit(lab)
    assert why_not(council, lab) == (NotInForce.SUSPENDED_BY_MEMBER,)
    council.governing.reinstate(lab.address, CUSTODIAN, member=council.university)
    assert why_not(council, lab) == ()


def test_suspend__by_vote__only_a_vote_lifts_it(council: Council) -> None:
    lab = new_actor()
    council.accredit(lab)
    council.decide(SuspendAccreditation(actor=lab.address, kind=CUSTODIAN))
    assert why_not(council, lab) == (NotInForce.SUSPENDED_BY_VOTE,)
    with pytest.raises(SuspendedByVoteError):
        council.governing.reinstate(lab.address, CUSTODIAN, member=council.university)
    council.decide(ReinstateAccreditation(actor=lab.address, kind=CUSTODIAN))
    assert why_not(council, lab) == ()


def test_withdraw__by_the_member__is_told_as_withdrawn(council: Council) -> None:
    lab = new_actor()
    council.accredit(lab)
    council.governing.withdraw(lab.address, CUSTODIAN, member=council.university)
    assert why_not(council, lab) == (NotInForce.WITHDRAWN,)


def test_accreditations__several_reasons__are_all_told(council: Council) -> None:
    lab = new_actor()
    council.accredit(lab, days=10, member=council.clinic)
    council.governing.suspend(lab.address, CUSTODIAN, member=council.clinic)
    council.decide(RemoveMember(member=council.clinic.address))
    council.pass_by(10 * DAY)
    assert why_not(council, lab) == (
        NotInForce.EXPIRED,
        NotInForce.SUSPENDED_BY_MEMBER,
        NotInForce.MEMBER_LOST_SEAT,
    )


def test_accreditations__by_kind_and_actor__are_those(council: Council) -> None:
    lab, doctor = new_actor(), new_actor()
    council.accredit(lab)
    council.accredit(doctor, CLINICIAN)
    council.accredit(doctor)
    of_doctor = council.governing.accreditations(actor=doctor.address)
    assert [(each.actor, each.kind) for each in of_doctor] == [(doctor.address, CLINICIAN), (doctor.address, CUSTODIAN)]
    assert [each.actor for each in council.governing.accreditations(kind=CLINICIAN)] == [doctor.address]
    assert council.governing.accreditation(lab.address, CLINICIAN) is None


# ------------------------------------------------------------------------------------------ proposals


def test_consortium__members_and_rules__are_those_of_the_contract(council: Council) -> None:
    stands = council.governing.consortium()
    ledger, block = council.world.ledger.consortium, stands.block
    assert stands.seated == (council.university.address, council.clinic.address, council.laboratory.address)
    assert [each.seat for each in stands.members] == [1, 2, 3]
    assert stands.rules == ledger.voting_rules(block=block)
    council.decide(RemoveMember(member=council.clinic.address))
    removed = council.governing.consortium().members[1]
    assert (removed.member, removed.status) == (council.clinic.address, MemberStatus.REMOVED)
    assert council.clinic.address not in council.governing.consortium().seated


def test_propose__from_proposal_to_execution__is_told_at_each_step(council: Council) -> None:
    newcomer = new_actor()
    call = AdmitMember(member=newcomer.address)
    proposal = council.propose(call).proposal
    assert (proposal.call, proposal.contract, proposal.state) == (call, "Consortium", ProposalState.PENDING)
    assert (proposal.tally.votes, proposal.tally.needed) == (1, 2)
    assert proposal.voted(council.university.address)
    with pytest.raises(QuorumMissingError):
        council.governing.execute(proposal.proposal_id, payer=council.world.stranger)
    council.vote(proposal.proposal_id, council.laboratory)
    passed = council.governing.proposal(proposal.proposal_id)
    assert (passed.state, passed.is_open) == (ProposalState.PASSED, True)
    assert [each.member for each in passed.ballots] == [council.university.address, council.laboratory.address]
    council.governing.execute(proposal.proposal_id, payer=council.world.stranger)
    executed = council.governing.proposal(proposal.proposal_id)
    assert (executed.state, executed.is_open) == (ProposalState.EXECUTED, False)
    assert executed.executed.by == council.world.stranger.address
    assert newcomer.address in council.governing.consortium().seated


def test_propose__a_call_of_the_requests__says_which_contract(council: Council) -> None:
    proposal = council.propose(SetPeriods(dispute_period=7 * DAY, decision_period=7 * DAY)).proposal
    assert proposal.contract == "AccessRequests"
    assert proposal.proposed.target == council.world.ledger.requests.address


def test_propose_and_vote__by_who_has_no_seat__is_refused(council: Council) -> None:
    call = AdmitMember(member=new_actor().address)
    with pytest.raises(NotAMemberError):
        made(council, call, council.world.stranger)
    proposal_id = made(council, call)
    with pytest.raises(NotAMemberError):
        council.vote(proposal_id, council.world.stranger)
    council.decide(SuspendMember(member=council.clinic.address))
    with pytest.raises(NotAMemberError):
        council.vote(proposal_id, council.clinic)
    council.vote(proposal_id, council.laboratory)


def test_vote__twice_late_or_for_nothing__is_refused(council: Council) -> None:
    proposal_id = made(council, AdmitMember(member=new_actor().address))
    with pytest.raises(VotedAlreadyError):
        council.vote(proposal_id, council.university)
    with pytest.raises(UnknownProposalError):
        council.vote(ProposalId(99), council.university)
    with pytest.raises(UnknownProposalError):
        council.governing.execute(ProposalId(99), payer=council.university)
    with pytest.raises(UnknownProposalError):
        council.governing.proposal(ProposalId(99))
    council.pass_by(7 * DAY)
    assert council.governing.proposal(proposal_id).state is ProposalState.EXPIRED
    with pytest.raises(ProposalExpiredError):
        council.vote(proposal_id, council.clinic)


def test_execute__too_late_or_again__is_refused(council: Council) -> None:
    done = council.decide(AdmitMember(member=new_actor().address))
    with pytest.raises(ProposalExecutedError):
        council.governing.execute(done, payer=council.university)
    late = made(council, AdmitMember(member=new_actor().address))
    for member in (council.clinic, council.laboratory):
        council.vote(late, member)
    council.pass_by(7 * DAY)
    with pytest.raises(ProposalExpiredError):
        council.governing.execute(late, payer=council.university)


def test_execute__what_cannot_be_done_as_things_stand__says_why_and_stays_open(council: Council) -> None:
    proposal_id = made(council, AdmitMember(member=council.clinic.address))
    council.vote(proposal_id, council.laboratory)
    with pytest.raises(MemberInvalidError):
        council.governing.execute(proposal_id, payer=council.university)
    assert council.governing.proposal(proposal_id).state is ProposalState.PASSED
    for member in (council.clinic, council.laboratory):
        council.decide(RemoveMember(member=member.address))
    with pytest.raises(LastMemberError):
        council.decide(RemoveMember(member=council.university.address))


def test_proposal__a_voter_loses_its_seat__its_vote_counts_no_longer(council: Council) -> None:
    fourth = new_actor()
    council.decide(AdmitMember(member=fourth.address))
    proposal_id = made(council, SetVotingRules(quorum=60, voting_period=DAY), council.clinic)
    council.vote(proposal_id, council.laboratory)
    council.vote(proposal_id, fourth)
    assert council.governing.proposal(proposal_id).state is ProposalState.PASSED
    council.decide(SuspendMember(member=council.clinic.address))
    council.decide(SuspendMember(member=council.laboratory.address))
    stands = council.governing.proposal(proposal_id)
    assert (stands.state, stands.tally.votes, stands.tally.needed) == (ProposalState.PENDING, 1, 2)
    assert [each.counts for each in stands.ballots] == [False, False, True]
    with pytest.raises(QuorumMissingError):
        council.governing.execute(proposal_id, payer=council.university)
    council.decide(ReinstateMember(member=council.laboratory.address), fourth)
    assert council.governing.proposal(proposal_id).state is ProposalState.PASSED


def test_remove__a_member__ends_what_it_accredited_and_leaves_what_there_is(council: Council) -> None:
    world = council.world
    lab = new_actor()
    world.ledger.directory.set_encryption_key(lab.signer, lab.identity.recipient.key)
    council.accredit(lab, member=council.clinic)
    world.hospital = lab
    published = world.publish()
    world.grant(published)
    council.decide(RemoveMember(member=council.clinic.address))
    assert why_not(council, lab) == (NotInForce.MEMBER_LOST_SEAT,)
    with pytest.raises(CustodianNotAccreditedError):
        world.publish(b"another")
    assert b"".join(world.open(published).stream()) == TEXT
    council.accredit(lab, member=council.laboratory)
    world.publish(b"another")


# --------------------------------------------------------------------------------------------- reasons


def test_propose__its_reason__is_kept_for_the_proposer_alone(council: Council) -> None:
    reason = "CANARY-reason: they treat a third of our patients"
    made_ = council.propose(AdmitMember(member=new_actor().address), reason)
    assert council.governing.reason_of(made_.proposal, owner=council.university).text == reason
    assert council.governing.check_reason(made_.proposal, made_.reason.to_json()) == reason
    files = [path.read_bytes() for path in (council.world.folder / "safe").iterdir()]
    assert all(b"CANARY" not in file for file in files)
    told = [event for mined in council.world.chain.mined for event in mined.events]
    assert "CANARY" not in repr(told)
    with pytest.raises(EnvelopeError):
        council.governing.reason_of(made_.proposal, owner=council.clinic)


def test_check_reason__another_text_salt_or_document__is_refused(council: Council) -> None:
    made_ = council.propose(AdmitMember(member=new_actor().address), "this is why")
    other = council.propose(AdmitMember(member=new_actor().address), "this is why")
    assert made_.reason.digest != other.reason.digest
    for forged in (replace(made_.reason, text="that is why"), other.reason):
        with pytest.raises(IntegrityError):
            council.governing.check_reason(made_.proposal, forged.to_json())
    for broken in (b"", b"{}", made_.reason.to_json().replace(b'"version":1', b'"version":2')):
        with pytest.raises(InvalidInputError):
            council.governing.check_reason(made_.proposal, broken)


def test_reason_of__proposed_elsewhere__is_none(council: Council) -> None:
    made_ = council.propose(AdmitMember(member=new_actor().address))
    for file in (council.world.folder / "safe").iterdir():
        file.unlink()
    assert council.governing.reason_of(made_.proposal, owner=council.university) is None


# -------------------------------------------------------------------------------------- unknown, lies


def test_proposals__calldata_that_nobody_knows__is_told_as_unknown(council: Council) -> None:
    chain, target = council.world.chain, council.world.ledger.consortium.address
    unknown = bytes.fromhex("deadbeef") + bytes(32)
    chain.mine(lambda place: chain.model.propose(council.university.address, target, unknown, bytes(32), place))
    proposal = council.governing.proposals()[-1]
    assert (proposal.call, proposal.contract, proposal.proposed.call_data) == (None, "Consortium", unknown)


def test_vote__another_branch_won_since_it_was_shown__votes_for_nothing(council: Council) -> None:
    shown = council.propose(AdmitMember(member=new_actor().address)).proposal
    council.world.chain.reorganise(1)
    swapped = council.propose(RemoveMember(member=council.clinic.address)).proposal
    assert swapped.proposal_id == shown.proposal_id
    with pytest.raises(IntegrityError):
        council.governing.vote(shown, member=council.clinic)
    council.governing.vote(swapped, member=council.clinic)


def test_vote_and_execute__events_that_are_not_what_was_proposed__are_found_out(council: Council) -> None:
    world = council.world
    proposal_id = made(council, AdmitMember(member=council.world.stranger.address))
    council.vote(proposal_id, council.clinic)

    def lying(first: int, last: int):
        for event in world.chain.events(first, last):
            is_it = isinstance(event, Proposed) and event.proposal_id == proposal_id
            yield replace(event, call_data=event.call_data[:-1] + b"\0") if is_it else event

    auditing = Auditing(index=LedgerIndex(world.folder / "lied.sqlite", Overriding(world.chain, events=lying)))
    governing = Governing(ledger=world.ledger, clock=world.clock, auditing=auditing, safe=council.safe)
    with pytest.raises(IntegrityError):
        governing.vote(governing.proposal(proposal_id), member=council.laboratory)
    with pytest.raises(IntegrityError):
        governing.execute(proposal_id, payer=council.university)
    council.governing.execute(proposal_id, payer=council.university)


# --------------------------------------------------------------------------------------------- crashes


def test_propose__again_while_open__is_the_same_proposal(council: Council) -> None:
    call = AdmitMember(member=new_actor().address)
    first, again = council.propose(call), council.propose(call)
    assert again.proposal.proposal_id == first.proposal.proposal_id
    assert (first.receipt is None, again.receipt) == (False, None)
    assert made(council, call, council.clinic) != first.proposal.proposal_id
    assert council.propose(call, "for another reason").proposal.proposal_id != first.proposal.proposal_id


def test_propose__again_when_it_is_over__is_another_one(council: Council) -> None:
    call = AdmitMember(member=new_actor().address)
    first = made(council, call)
    council.pass_by(7 * DAY)
    second = made(council, call)
    assert second != first
    council.vote(second, council.clinic)
    council.governing.execute(second, payer=council.clinic)
    assert made(council, call) not in (first, second)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_propose__crash_at_any_call__repeated_it_is_one_proposal(council: Council, after: bool) -> None:
    at = 0
    while True:
        at += 1
        call = AdmitMember(member=new_actor().address)
        faults = Faults(at=at, after=after)
        try:
            council.failing(faults).propose(call, "because", member=council.university)
        except CrashError:
            council.governing.propose(call, "because", member=council.university)
            assert [each.call for each in council.governing.proposals()].count(call) == 1
        else:
            break
    assert at > 5


# ----------------------------------------------------------------------------------------------- inbox


def kinds(council: Council, actor: Actor, *, seen: bool = False, **more) -> list[str]:
    mail = council.inbox.read(actor.address, **more)
    if seen:
        council.inbox.mark_seen(actor.address, mail)
    return [notice.kind for notice in mail.notices]


def test_inbox__a_pending_proposal__waits_for_each_member_until_it_has_voted(council: Council) -> None:
    for member in (council.university, council.clinic, council.laboratory):
        kinds(council, member, seen=True)
    newcomer = new_actor()
    proposal_id = made(council, AdmitMember(member=newcomer.address))
    (notice,) = council.inbox.read(council.clinic.address).notices
    assert (notice.kind, notice.urgency, notice.waits) == ("VoteDue", Urgency.DUE, True)
    assert (notice.who, notice.proposal_id) == (council.university.address, proposal_id)
    assert f"give {newcomer.address} a seat" in notice.says
    assert notice.answer == f"medshare consortium vote {proposal_id} --as {{me}}"
    assert kinds(council, council.university) == []
    assert kinds(council, council.clinic, seen=True) == kinds(council, council.clinic) == ["VoteDue"]
    council.vote(proposal_id, council.clinic)
    assert kinds(council, council.clinic) == kinds(council, council.laboratory) == []
    (passed,) = council.inbox.read(council.university.address).notices
    assert (passed.kind, passed.answer) == ("ExecutionDue", f"medshare consortium execute {proposal_id} --as {{me}}")
    council.governing.execute(proposal_id, payer=council.university)
    assert kinds(council, council.university) == []
    assert kinds(council, newcomer) == ["MemberAdmitted"]


def test_inbox__an_expired_proposal_or_one_without_a_seat__waits_for_nobody(council: Council) -> None:
    made(council, AdmitMember(member=new_actor().address))
    assert "VoteDue" in kinds(council, council.clinic)
    assert kinds(council, new_actor()) == []
    council.decide(SuspendMember(member=council.clinic.address))
    assert "VoteDue" not in kinds(council, council.clinic)
    council.pass_by(7 * DAY)
    assert "VoteDue" not in kinds(council, council.laboratory)


def test_inbox__an_accredited_actor__is_told_what_becomes_of_it(council: Council) -> None:
    lab = new_actor()
    council.accredit(lab, member=council.clinic)
    (notice,) = council.inbox.read(lab.address).notices
    assert (notice.kind, notice.who) == ("Accredited", council.clinic.address)
    assert (notice.says, notice.until) == (
        "you were accredited as a custodian",
        council.governing.accreditation(lab.address, CUSTODIAN).valid_until,
    )
    kinds(council, lab, seen=True)
    council.governing.suspend(lab.address, CUSTODIAN, member=council.clinic)
    council.governing.reinstate(lab.address, CUSTODIAN, member=council.clinic)
    council.decide(SuspendAccreditation(actor=lab.address, kind=CUSTODIAN))
    council.decide(SuspendMember(member=council.clinic.address))
    council.decide(ReinstateMember(member=council.clinic.address))
    council.governing.withdraw(lab.address, CUSTODIAN, member=council.clinic)
    said = [notice.says for notice in reversed(council.inbox.read(lab.address).notices)]
    assert said == [
        "you were suspended as a custodian, by the member that accredited you",
        "your suspension as a custodian was lifted",
        "you were suspended as a custodian, by vote",
        "the member that accredited you lost its seat: you are accredited no longer",
        "the member that accredited you has its seat again",
        "your accreditation as a custodian was withdrawn",
    ]
    assert kinds(council, new_actor()) == []


def test_inbox__a_member__is_told_what_becomes_of_its_seat(council: Council) -> None:
    kinds(council, council.clinic, seen=True)
    council.decide(SuspendMember(member=council.clinic.address))
    (lost,) = council.inbox.read(council.clinic.address).notices
    assert (lost.kind, lost.urgency) == ("MemberSuspended", Urgency.NEWS)
    assert "you lost your seat" in lost.says
    council.decide(ReinstateMember(member=council.clinic.address))
    assert kinds(council, council.clinic) == ["MemberReinstated", "MemberSuspended"]
