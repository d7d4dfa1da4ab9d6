"""What the ports to the consortium promise, asked of the double in memory and of the adapters on both chains alike.

AccreditationLedger
├── a member accredits, withdraws, suspends and reinstates in its own name, and all is read back
├── what was suspended by vote only a vote reinstates
└── nobody else does any of it
ConsortiumLedger
├── a proposal is voted for, counted, and executed once by anybody, with the calldata of its event
├── what its call is refused for is the error that arrives, and the proposal stands
├── the same intent is the same proposal
└── each refusal arrives as its exception
"""

from __future__ import annotations

import pytest
from behaviour_world import Scene

from medshare.chain import LocalSigner
from medshare.errors import (
    AccreditationInvalidError,
    AccreditedByAnotherError,
    CallMismatchError,
    InvalidInputError,
    LastMemberError,
    NotAMemberError,
    ProposalExecutedError,
    ProposalExpiredError,
    QuorumMissingError,
    SuspendedByVoteError,
    SuspensionInvalidError,
    UnknownProposalError,
    VotedAlreadyError,
)
from medshare.hashing import keccak256, sha256
from medshare.model.accreditation import Accreditation, AccreditationKind, Member, MemberStatus, Suspension
from medshare.model.events import Proposed, Voted
from medshare.model.governed import (
    AdmitMember,
    ReinstateAccreditation,
    RemoveMember,
    SetSplit,
    SuspendAccreditation,
    encode_call,
)
from medshare.model.ids import ZERO_ADDRESS, ProposalId
from medshare.model.proposal import Proposal, Tally, VotingRules
from medshare.model.request import DAY, Split

pytestmark = pytest.mark.integration

KIND = AccreditationKind.CLINICIAN
REASON = sha256(b"reason")
NOBODYS = ProposalId(1 << 40)


@pytest.fixture
def clinician(scene: Scene) -> LocalSigner:
    return scene.accredited(KIND)


# --------------------------------------------------------------------------------------------- accrediting


def test_accredit__until_a_time_or_withdrawn__is_read_back(scene: Scene, clinician: LocalSigner) -> None:
    accreditation, block = scene.ledger.accreditation, scene.ledger.chain.head()
    held = accreditation.accreditation(clinician.address, KIND, block=block)
    assert (held.seat, held.suspension) == (1, Suspension.NONE)
    assert held.valid_until > block.time
    assert accreditation.is_accredited(clinician.address, KIND, block=block)
    assert not accreditation.is_accredited(clinician.address, AccreditationKind.REVIEWER, block=block)
    nothing = accreditation.accreditation(clinician.address, AccreditationKind.REVIEWER, block=block)
    assert nothing == Accreditation()

    withdrawn = accreditation.accredit(scene.member, clinician.address, KIND, 0)
    assert accreditation.accreditation(clinician.address, KIND, block=withdrawn.block).valid_until == 0
    assert not accreditation.is_accredited(clinician.address, KIND, block=withdrawn.block)
    assert accreditation.is_accredited(clinician.address, KIND, block=block), "as it was then"


def test_accredit__refusals__are_typed(scene: Scene, clinician: LocalSigner) -> None:
    accredit = scene.ledger.accreditation.accredit
    with pytest.raises(NotAMemberError) as caught:
        accredit(clinician, clinician.address, KIND, scene.now + DAY)
    assert caught.value.caller == clinician.address
    with pytest.raises(AccreditationInvalidError):
        accredit(scene.member, ZERO_ADDRESS, KIND, scene.now + DAY)


def test_suspend__by_its_member__ends_it_until_it_is_reinstated(scene: Scene, clinician: LocalSigner) -> None:
    accreditation = scene.ledger.accreditation
    suspended = accreditation.suspend(scene.member, clinician.address, KIND)
    held = accreditation.accreditation(clinician.address, KIND, block=suspended.block)
    assert held.suspension is Suspension.BY_MEMBER
    assert not accreditation.is_accredited(clinician.address, KIND, block=suspended.block)
    with pytest.raises(SuspensionInvalidError) as caught:
        accreditation.suspend(scene.member, clinician.address, KIND)
    assert caught.value.suspension == Suspension.BY_MEMBER
    reinstated = accreditation.reinstate(scene.member, clinician.address, KIND)
    assert accreditation.is_accredited(clinician.address, KIND, block=reinstated.block)
    with pytest.raises(NotAMemberError):
        accreditation.suspend(clinician, clinician.address, KIND)


def test_suspend__by_vote__is_lifted_by_vote_alone(scene: Scene, clinician: LocalSigner) -> None:
    accreditation = scene.ledger.accreditation
    suspended = scene.decided(SuspendAccreditation(actor=clinician.address, kind=KIND))
    held = accreditation.accreditation(clinician.address, KIND, block=suspended.block)
    assert held.suspension is Suspension.BY_VOTE
    with pytest.raises(SuspendedByVoteError):
        accreditation.reinstate(scene.member, clinician.address, KIND)
    lifted = scene.decided(ReinstateAccreditation(actor=clinician.address, kind=KIND))
    assert accreditation.is_accredited(clinician.address, KIND, block=lifted.block)


# ------------------------------------------------------------------------------------------ proposing, voting


def test_proposal__of_a_second_member__is_counted_and_done(scene: Scene, clinician: LocalSigner) -> None:
    consortium, second, anybody = scene.ledger.consortium, scene.person(), scene.person()
    call = AdmitMember(member=second.address)
    opened = consortium.propose(scene.member, call, REASON)
    number = opened.proposal_id
    block = opened.receipt.block
    proposal = consortium.proposal(number, block=block)
    assert proposal == Proposal(
        proposal_id=number,
        proposer=scene.member.address,
        deadline=block.time + 7 * DAY,
        executed=False,
        target=consortium.address,
        call_digest=keccak256(encode_call(call)),
        votes=frozenset({1}),
    )
    assert consortium.tally(number, block=block) == Tally(votes=1, needed=1)
    told = list(scene.ledger.chain.events(block.number, block.number))
    assert [type(event) for event in told] == [Proposed, Voted]
    assert (told[0].call_data, told[0].reason) == (encode_call(call), REASON)

    admitted = consortium.execute(anybody, number, encode_call(call))
    seat = consortium.member(second.address, block=admitted.block).seat
    assert consortium.member(second.address, block=admitted.block) == Member(seat=seat, status=MemberStatus.SEATED)
    assert consortium.member(second.address, block=block) == Member()
    assert consortium.member_at(seat, block=admitted.block) == second.address
    assert consortium.member_at(200, block=admitted.block) == ZERO_ADDRESS
    with pytest.raises(ProposalExecutedError):
        consortium.execute(anybody, number, encode_call(call))
    with pytest.raises(AccreditedByAnotherError) as another:
        scene.ledger.accreditation.accredit(second, clinician.address, KIND, scene.now + DAY)
    assert another.value.seat == 1

    removal = RemoveMember(member=second.address)
    number = consortium.propose(scene.member, removal, REASON).proposal_id
    with pytest.raises(QuorumMissingError) as missing:
        consortium.execute(anybody, number, encode_call(removal))
    assert (missing.value.proposal_id, missing.value.votes, missing.value.needed) == (number, 1, 2)
    with pytest.raises(VotedAlreadyError):
        consortium.vote(scene.member, number)
    with pytest.raises(NotAMemberError):
        consortium.vote(anybody, number)
    voted = consortium.vote(second, number)
    assert consortium.tally(number, block=voted.block) == Tally(votes=2, needed=2)
    assert consortium.proposal(number, block=voted.block).votes == {1, seat}
    with pytest.raises(CallMismatchError):
        consortium.execute(anybody, number, encode_call(call))
    removed = consortium.execute(anybody, number, encode_call(removal))
    assert consortium.member(second.address, block=removed.block).status is MemberStatus.REMOVED
    assert consortium.tally(number, block=removed.block) == Tally(votes=1, needed=1)


def test_execute__what_the_call_is_refused_for__is_the_error_and_the_proposal_stands(scene: Scene) -> None:
    consortium, call = scene.ledger.consortium, RemoveMember(member=scene.member.address)
    opened = consortium.propose(scene.member, call, REASON)
    with pytest.raises(LastMemberError):
        consortium.execute(scene.member, opened.proposal_id, encode_call(call))
    assert not consortium.proposal(opened.proposal_id, block=scene.ledger.chain.head()).executed
    scene.wait(7 * DAY)
    for late in (
        lambda: consortium.execute(scene.member, opened.proposal_id, encode_call(call)),
        lambda: consortium.vote(scene.member, opened.proposal_id),
    ):
        with pytest.raises(ProposalExpiredError):
            late()


def test_propose__to_the_escrow__is_done_there(scene: Scene) -> None:
    call = SetSplit(category=9, patient=5_000, custodian=1_000)
    before = scene.ledger.chain.head()
    done = scene.decided(call)
    assert scene.ledger.escrow.split(9, block=done.block) == Split(patient=5_000, custodian=1_000)
    assert scene.ledger.escrow.split(9, block=before) is None


def test_propose__with_the_same_intent__is_the_same_proposal(scene: Scene) -> None:
    propose, member = scene.ledger.consortium.propose, scene.member
    first = propose(member, AdmitMember(member=ZERO_ADDRESS), REASON, intent="propose/1")
    assert propose(member, AdmitMember(member=ZERO_ADDRESS), REASON, intent="propose/1") == first
    assert propose(member, AdmitMember(member=ZERO_ADDRESS), REASON).proposal_id == first.proposal_id + 1
    with pytest.raises(InvalidInputError):
        propose(member, RemoveMember(member=ZERO_ADDRESS), REASON, intent="propose/1")


def test_consortium__refusals__are_typed(scene: Scene) -> None:
    consortium, head = scene.ledger.consortium, scene.ledger.chain.head()
    with pytest.raises(NotAMemberError):
        consortium.propose(scene.person(), AdmitMember(member=ZERO_ADDRESS), REASON)
    for ask in (
        lambda: consortium.proposal(NOBODYS, block=head),
        lambda: consortium.tally(NOBODYS, block=head),
        lambda: consortium.vote(scene.member, NOBODYS),
        lambda: consortium.execute(scene.member, NOBODYS, b""),
    ):
        with pytest.raises(UnknownProposalError) as unknown:
            ask()
        assert unknown.value.proposal_id == NOBODYS
    assert consortium.voting_rules(block=head) == VotingRules(quorum=51, voting_period=7 * DAY)
