"""Members, whom they accredit, and what they decide, in the pure model.

given a founded consortium
├─ a member accredits alone, in its own name; its word counts while it has its seat
├─ another takes over only where that word has ended; what was suspended by vote stays so
└─ a member suspends its own, a vote anybody, and only a vote lifts what a vote suspended
given a proposal
├─ it passes with enough votes of members that have their seats when it is executed, by anybody, once, in time
├─ every call that can be governed does what its verb does, with the consortium as caller
└─ where the call is refused, the proposal stands as it was
given any history
└─ its events rebuild the state, and a refused verb changes nothing
"""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
from founded import (
    BEGIN,
    CONSORTIUM,
    ESCROW,
    MEMBER,
    MEMBERS,
    NEVER,
    PERIODS,
    RULES,
    SECOND_MEMBER,
    SPLIT,
    THIRD_MEMBER,
    founded,
    place_at,
    refused,
)
from hypothesis import given
from hypothesis import strategies as st

from medshare.errors import (
    AccreditationInvalidError,
    AccreditedByAnotherError,
    CallMismatchError,
    EscrowNotByVoteError,
    InvalidInputError,
    LastMemberError,
    MemberInvalidError,
    NotAMemberError,
    NotByVoteError,
    PeriodsOutOfRangeError,
    ProposalExecutedError,
    ProposalExpiredError,
    QuorumMissingError,
    RejectedError,
    RulesOutOfRangeError,
    SeatsExhaustedError,
    SuspendedByVoteError,
    SuspensionInvalidError,
    TargetNotGovernedError,
    UnknownProposalError,
    VotedAlreadyError,
    WithoutMembersError,
)
from medshare.hashing import keccak256, sha256
from medshare.model.accreditation import Accreditation, AccreditationKind, Member, MemberStatus, Suspension
from medshare.model.events import LedgerEvent, MemberAdmitted, ProposalExecuted, Proposed, Voted
from medshare.model.governed import (
    GOVERNED,
    AdmitMember,
    ApproveStudy,
    CancelRequest,
    DecideDispute,
    GovernedCall,
    ReinstateAccreditation,
    ReinstateMember,
    RemoveMember,
    SetPeriods,
    SetSplit,
    SetTokenAllowed,
    SetVotingRules,
    SuspendAccreditation,
    SuspendMember,
    WithdrawTreasury,
    encode_call,
)
from medshare.model.ids import ZERO_ADDRESS, Address, ProposalId, address
from medshare.model.ledger import LedgerModel
from medshare.model.proposal import Proposal, Tally, VotingRules
from medshare.model.request import DAY, NATIVE, Periods, Split

pytestmark = pytest.mark.unit

NEWCOMER, DOCTOR, STRANGER = (address("0x" + f"{n:02x}" * 20) for n in (0xB4, 0xD0, 0x57))
CLINICIAN = AccreditationKind.CLINICIAN
REASON = sha256(b"reason")
NOW = 1_000_000
FIRST, SECOND = ProposalId(1), ProposalId(2)


@pytest.fixture
def model() -> LedgerModel:
    return founded(founders=MEMBERS)


@pytest.fixture
def alone() -> LedgerModel:
    """Of one member: what it proposes has passed."""
    return founded()


def target_of(call: GovernedCall) -> Address:
    return CONSORTIUM if call.contract == "Consortium" else ESCROW


def propose(model: LedgerModel, call: GovernedCall, by: Address = MEMBER, now: int = NOW) -> ProposalId:
    proposed, _ = model.propose(by, target_of(call), encode_call(call), REASON, place_at(now))
    return proposed.proposal_id


def decide(model: LedgerModel, call: GovernedCall, now: int = NOW) -> tuple[LedgerEvent, ...]:
    """Propose, let every member that has its seat vote, and execute."""
    proposer, *others = [one for one, each in model.members.items() if each.status is MemberStatus.SEATED]
    number = propose(model, call, proposer, now)
    for member in others:
        model.vote(member, number, place_at(now))
    return model.execute(STRANGER, number, encode_call(call), place_at(now))


# ------------------------------------------------------------------------------------------------ founding


def test_found__with_members__seats_them_in_their_order(model: LedgerModel) -> None:
    assert [model.member(each) for each in MEMBERS] == [
        Member(seat=seat, status=MemberStatus.SEATED) for seat in (1, 2, 3)
    ]
    assert [model.member_at(seat) for seat in (0, 1, 2, 3, 4)] == [ZERO_ADDRESS, *MEMBERS, ZERO_ADDRESS]
    assert (model.seats_given, model.voting_rules) == (3, RULES)
    assert (model.split(1), model.split(3), model.split(4), model.periods) == (SPLIT, SPLIT, None, PERIODS)


@pytest.mark.parametrize(
    ("founders", "rules", "error"),
    [
        ([], RULES, WithoutMembersError),
        ([MEMBER, MEMBER], RULES, MemberInvalidError),
        ([MEMBER, ZERO_ADDRESS], RULES, MemberInvalidError),
        ([CONSORTIUM], RULES, MemberInvalidError),
        ([MEMBER], replace(RULES, quorum=50), RulesOutOfRangeError),
        ([MEMBER], replace(RULES, quorum=101), RulesOutOfRangeError),
        ([MEMBER], replace(RULES, voting_period=3599), RulesOutOfRangeError),
        ([MEMBER], replace(RULES, voting_period=90 * DAY + 1), RulesOutOfRangeError),
        ([address(f"0x{number:040x}") for number in range(1, 257)], RULES, SeatsExhaustedError),
    ],
)
def test_found__that_could_not_be__is_refused(founders: list[Address], rules: VotingRules, error: type) -> None:
    model = LedgerModel(consortium=CONSORTIUM)
    with refused(model, error):
        model.found(founders, rules, place_at(NOW))


@pytest.mark.parametrize(
    ("split", "periods", "error"),
    [(SPLIT, replace(PERIODS, dispute_period=3599), PeriodsOutOfRangeError)],
)
def test_set_up__that_could_not_be__is_refused(split: Split, periods: Periods, error: type) -> None:
    model = LedgerModel()
    with refused(model, error):
        model.set_up(split, periods, place_at(NOW))


# --------------------------------------------------------------------------------------------- accrediting


def test_accredit__by_a_member__holds_until_its_time(model: LedgerModel) -> None:
    (event,) = model.accredit(SECOND_MEMBER, DOCTOR, CLINICIAN, NOW + 10, place_at(NOW))
    assert (event.member, event.actor) == (SECOND_MEMBER, DOCTOR)
    assert model.accreditation(DOCTOR, CLINICIAN) == Accreditation(valid_until=NOW + 10, seat=2)
    assert [model.is_accredited(DOCTOR, CLINICIAN, time) for time in (NOW, NOW + 9, NOW + 10)] == [True, True, False]
    assert not model.is_accredited(DOCTOR, AccreditationKind.REVIEWER, NOW)


@pytest.mark.parametrize("caller", [STRANGER, DOCTOR, CONSORTIUM])
def test_accredit__by_who_is_no_member__is_refused(model: LedgerModel, caller: Address) -> None:
    with refused(model, NotAMemberError):
        model.accredit(caller, DOCTOR, CLINICIAN, NEVER, place_at(NOW))


def test_accredit__of_nothing_or_nobody__is_refused(model: LedgerModel) -> None:
    with refused(model, AccreditationInvalidError):
        model.accredit(MEMBER, ZERO_ADDRESS, CLINICIAN, NEVER, place_at(NOW))
    with refused(model, AccreditationInvalidError):
        model.accredit(MEMBER, DOCTOR, 0, NEVER, place_at(NOW))


def test_accredit__another_members_word_stands__is_taken_over_once_it_ends(model: LedgerModel) -> None:
    model.accredit(MEMBER, DOCTOR, CLINICIAN, NOW + 10, place_at(NOW))
    with refused(model, AccreditedByAnotherError) as caught:
        model.accredit(SECOND_MEMBER, DOCTOR, CLINICIAN, NEVER, place_at(NOW + 9))
    assert caught.value.seat == 1
    model.accredit(MEMBER, DOCTOR, CLINICIAN, NOW + 20, place_at(NOW + 9))
    model.accredit(SECOND_MEMBER, DOCTOR, CLINICIAN, NEVER, place_at(NOW + 20))
    assert model.accreditation(DOCTOR, CLINICIAN).seat == 2


def test_accreditation__its_member_loses_the_seat__counts_no_longer_and_can_be_taken_over(model: LedgerModel) -> None:
    model.accredit(MEMBER, DOCTOR, CLINICIAN, NEVER, place_at(NOW))
    decide(model, SuspendMember(member=MEMBER))
    assert not model.is_accredited(DOCTOR, CLINICIAN, NOW)
    with refused(model, NotAMemberError):
        model.accredit(MEMBER, DOCTOR, CLINICIAN, NEVER, place_at(NOW))
    decide(model, ReinstateMember(member=MEMBER))
    assert model.is_accredited(DOCTOR, CLINICIAN, NOW)
    decide(model, RemoveMember(member=MEMBER))
    assert not model.is_accredited(DOCTOR, CLINICIAN, NOW)
    model.accredit(SECOND_MEMBER, DOCTOR, CLINICIAN, NEVER, place_at(NOW))
    assert model.is_accredited(DOCTOR, CLINICIAN, NOW)
    decide(model, AdmitMember(member=MEMBER))
    assert model.accreditation(DOCTOR, CLINICIAN).seat == 2


def test_suspend__by_its_member__is_lifted_by_it(model: LedgerModel) -> None:
    with refused(model, SuspensionInvalidError):
        model.suspend_accreditation(MEMBER, DOCTOR, CLINICIAN, place_at(NOW))
    model.accredit(MEMBER, DOCTOR, CLINICIAN, NEVER, place_at(NOW))
    with refused(model, SuspensionInvalidError):
        model.reinstate_accreditation(MEMBER, DOCTOR, CLINICIAN, place_at(NOW))
    for other, error in ((SECOND_MEMBER, AccreditedByAnotherError), (STRANGER, NotAMemberError)):
        with refused(model, error):
            model.suspend_accreditation(other, DOCTOR, CLINICIAN, place_at(NOW))
    (event,) = model.suspend_accreditation(MEMBER, DOCTOR, CLINICIAN, place_at(NOW))
    assert event.by is Suspension.BY_MEMBER
    assert not model.is_accredited(DOCTOR, CLINICIAN, NOW)
    with refused(model, SuspensionInvalidError):
        model.suspend_accreditation(MEMBER, DOCTOR, CLINICIAN, place_at(NOW))
    model.accredit(MEMBER, DOCTOR, CLINICIAN, NEVER, place_at(NOW))
    assert not model.is_accredited(DOCTOR, CLINICIAN, NOW), "accrediting anew lifts no suspension"
    with refused(model, AccreditedByAnotherError):
        model.reinstate_accreditation(SECOND_MEMBER, DOCTOR, CLINICIAN, place_at(NOW))
    model.reinstate_accreditation(MEMBER, DOCTOR, CLINICIAN, place_at(NOW))
    assert model.is_accredited(DOCTOR, CLINICIAN, NOW)


def test_suspend__by_vote__is_lifted_by_vote_alone_and_outlives_a_taking_over(model: LedgerModel) -> None:
    model.accredit(MEMBER, DOCTOR, CLINICIAN, NOW + 10, place_at(NOW))
    model.suspend_accreditation(MEMBER, DOCTOR, CLINICIAN, place_at(NOW))
    decide(model, SuspendAccreditation(actor=DOCTOR, kind=CLINICIAN))
    with refused(model, SuspendedByVoteError):
        model.reinstate_accreditation(MEMBER, DOCTOR, CLINICIAN, place_at(NOW))
    model.accredit(SECOND_MEMBER, DOCTOR, CLINICIAN, NEVER, place_at(NOW + 10))
    assert model.accreditation(DOCTOR, CLINICIAN).suspension is Suspension.BY_VOTE
    decide(model, ReinstateAccreditation(actor=DOCTOR, kind=CLINICIAN), NOW + 10)
    assert model.is_accredited(DOCTOR, CLINICIAN, NOW + 10)


def test_suspend__by_a_member__ends_where_another_takes_over(model: LedgerModel) -> None:
    model.accredit(MEMBER, DOCTOR, CLINICIAN, NOW + 10, place_at(NOW))
    model.suspend_accreditation(MEMBER, DOCTOR, CLINICIAN, place_at(NOW))
    model.accredit(SECOND_MEMBER, DOCTOR, CLINICIAN, NEVER, place_at(NOW + 10))
    assert model.is_accredited(DOCTOR, CLINICIAN, NOW + 10)


# ------------------------------------------------------------------------------------------------- members


def test_admit__again__gets_the_old_seat_back(model: LedgerModel) -> None:
    decide(model, AdmitMember(member=NEWCOMER))
    assert model.member(NEWCOMER) == Member(seat=4, status=MemberStatus.SEATED)
    decide(model, RemoveMember(member=NEWCOMER))
    assert model.member(NEWCOMER) == Member(seat=4, status=MemberStatus.REMOVED)
    executed, admitted = decide(model, AdmitMember(member=NEWCOMER))
    assert isinstance(executed, ProposalExecuted)
    assert admitted == MemberAdmitted(place=place_at(NOW).after(), member=NEWCOMER, seat=4)


@pytest.mark.parametrize(
    "call",
    [
        AdmitMember(member=MEMBER),
        AdmitMember(member=ZERO_ADDRESS),
        AdmitMember(member=CONSORTIUM),
        RemoveMember(member=STRANGER),
        SuspendMember(member=STRANGER),
        ReinstateMember(member=MEMBER),
        ReinstateMember(member=STRANGER),
    ],
    ids=repr,
)
def test_execute__a_change_of_members_that_cannot_be__is_refused_and_the_proposal_stands(
    alone: LedgerModel, call: GovernedCall
) -> None:
    number = propose(alone, call)
    with refused(alone, MemberInvalidError):
        alone.execute(STRANGER, number, encode_call(call), place_at(NOW))
    assert not alone.proposal(number).executed


@pytest.mark.parametrize("call", [RemoveMember(member=MEMBER), SuspendMember(member=MEMBER)], ids=repr)
def test_execute__the_last_member_would_lose_its_seat__is_refused(alone: LedgerModel, call: GovernedCall) -> None:
    number = propose(alone, call)
    with refused(alone, LastMemberError):
        alone.execute(STRANGER, number, encode_call(call), place_at(NOW))


def test_remove__a_suspended_member_beside_the_last__is_done(model: LedgerModel) -> None:
    for member in (SECOND_MEMBER, THIRD_MEMBER):
        decide(model, SuspendMember(member=member))
    decide(model, RemoveMember(member=SECOND_MEMBER))
    assert model.member(SECOND_MEMBER).status is MemberStatus.REMOVED
    assert model.seated == {1}


def test_admit__the_256th__is_refused_and_a_former_member_is_not(alone: LedgerModel) -> None:
    for number in range(2, 256):
        decide(alone, AdmitMember(member=address(f"0x{number:040x}")))
    decide(alone, RemoveMember(member=address(f"0x{2:040x}")))
    call = AdmitMember(member=NEWCOMER)
    with pytest.raises(SeatsExhaustedError):
        decide(alone, call)
    decide(alone, AdmitMember(member=address(f"0x{2:040x}")))
    assert alone.seats_given == 255


# ------------------------------------------------------------------------------------------------ proposing


def test_propose__by_a_member__is_a_vote_too(model: LedgerModel) -> None:
    call = AdmitMember(member=NEWCOMER)
    proposed, voted = model.propose(SECOND_MEMBER, CONSORTIUM, encode_call(call), REASON, place_at(NOW))
    assert isinstance(proposed, Proposed)
    assert voted == Voted(place=place_at(NOW).after(), proposal_id=FIRST, member=SECOND_MEMBER)
    assert model.proposal(FIRST) == Proposal(
        proposal_id=FIRST,
        proposer=SECOND_MEMBER,
        deadline=NOW + 7 * DAY,
        executed=False,
        target=CONSORTIUM,
        call_digest=keccak256(encode_call(call)),
        votes=frozenset({2}),
    )
    assert propose(model, call, MEMBER) == SECOND


def test_propose__by_a_stranger_or_to_a_contract_that_is_not_governed__is_refused(model: LedgerModel) -> None:
    call = encode_call(AdmitMember(member=NEWCOMER))
    with refused(model, NotAMemberError):
        model.propose(STRANGER, CONSORTIUM, call, REASON, place_at(NOW))
    for target in (STRANGER, ZERO_ADDRESS, MEMBER):
        with refused(model, TargetNotGovernedError):
            model.propose(MEMBER, target, call, REASON, place_at(NOW))
    model.propose(MEMBER, ESCROW, call, REASON, place_at(NOW))


# ---------------------------------------------------------------------------------------- voting, executing


def test_vote__of_each_member_once_and_in_time__counts(model: LedgerModel) -> None:
    call = AdmitMember(member=NEWCOMER)
    number = propose(model, call)
    assert model.tally(number) == Tally(votes=1, needed=2)
    for caller, error in ((MEMBER, VotedAlreadyError), (STRANGER, NotAMemberError)):
        with refused(model, error):
            model.vote(caller, number, place_at(NOW))
    with refused(model, UnknownProposalError):
        model.vote(MEMBER, SECOND, place_at(NOW))
    with refused(model, ProposalExpiredError):
        model.vote(SECOND_MEMBER, number, place_at(NOW + 7 * DAY))
    model.vote(SECOND_MEMBER, number, place_at(NOW + 7 * DAY - 1))
    assert model.tally(number).passed


def test_execute__before_it_has_passed_or_too_late_or_twice__is_refused(model: LedgerModel) -> None:
    call = encode_call(AdmitMember(member=NEWCOMER))
    number = propose(model, AdmitMember(member=NEWCOMER))
    with refused(model, QuorumMissingError) as caught:
        model.execute(MEMBER, number, call, place_at(NOW))
    assert (caught.value.votes, caught.value.needed) == (1, 2)
    model.vote(THIRD_MEMBER, number, place_at(NOW))
    with refused(model, CallMismatchError):
        model.execute(MEMBER, number, encode_call(AdmitMember(member=STRANGER)), place_at(NOW))
    with refused(model, ProposalExpiredError):
        model.execute(MEMBER, number, call, place_at(NOW + 7 * DAY))
    with refused(model, UnknownProposalError):
        model.execute(MEMBER, SECOND, call, place_at(NOW))
    model.execute(STRANGER, number, call, place_at(NOW))
    for verb in (
        lambda: model.execute(STRANGER, number, call, place_at(NOW)),
        lambda: model.vote(SECOND_MEMBER, number, place_at(NOW)),
    ):
        with refused(model, ProposalExecutedError):
            verb()


def test_votes__of_a_member_that_lost_its_seat__count_again_once_it_has_it_back(model: LedgerModel) -> None:
    number = propose(model, AdmitMember(member=NEWCOMER), SECOND_MEMBER)
    model.vote(THIRD_MEMBER, number, place_at(NOW))
    decide(model, SuspendMember(member=THIRD_MEMBER))
    assert model.tally(number) == Tally(votes=1, needed=2)
    decide(model, ReinstateMember(member=THIRD_MEMBER))
    assert model.tally(number) == Tally(votes=2, needed=2)
    assert model.proposal(number).votes == {2, 3}


@pytest.mark.parametrize(
    ("quorum", "seated", "needed"), [(51, 1, 1), (51, 2, 2), (51, 3, 2), (67, 3, 3), (100, 3, 3), (51, 100, 51)]
)
def test_needed__of_seated_members__is_rounded_up(quorum: int, seated: int, needed: int) -> None:
    assert VotingRules(quorum=quorum, voting_period=DAY).needed(seated) == needed


CALLS: dict[GovernedCall, type[RejectedError] | None] = {
    AdmitMember(member=NEWCOMER): None,
    RemoveMember(member=SECOND_MEMBER): None,
    SuspendMember(member=SECOND_MEMBER): None,
    ReinstateMember(member=SECOND_MEMBER): MemberInvalidError,
    SetVotingRules(quorum=67, voting_period=DAY): None,
    SuspendAccreditation(actor=DOCTOR, kind=CLINICIAN): None,
    ReinstateAccreditation(actor=DOCTOR, kind=CLINICIAN): SuspensionInvalidError,
    ApproveStudy(request_id=9): RejectedError,
    CancelRequest(request_id=9): RejectedError,
    DecideDispute(request_id=9, patient=DOCTOR, paid=True): RejectedError,
    SetTokenAllowed(token=STRANGER, allowed=True): None,
    SetSplit(category=9, patient=1, custodian=2): None,
    SetPeriods(dispute_period=DAY, decision_period=DAY): None,
    WithdrawTreasury(account=CONSORTIUM, token=NATIVE, to=STRANGER): RejectedError,
}


def test_calls__of_this_test__are_all_that_can_be_governed() -> None:
    assert [type(call) for call in CALLS] == list(GOVERNED)


@pytest.mark.parametrize("call", CALLS, ids=repr)
def test_execute__each_call_that_can_be_governed__is_done_or_refused_by_its_own_rule(
    model: LedgerModel, call: GovernedCall
) -> None:
    model.accredit(MEMBER, DOCTOR, CLINICIAN, NEVER, place_at(NOW))
    replayed = copy.deepcopy(model)
    if CALLS[call] is not None:
        with pytest.raises(CALLS[call]):
            decide(model, call)
        return
    before = copy.deepcopy(model)
    events = decide(model, call)
    assert [event.place.log_index for event in events] == [0, 1]
    for event in (*_proposing(model, before), *events):
        replayed.apply(event)
    assert replayed == model


def _proposing(model: LedgerModel, before: LedgerModel) -> list[LedgerEvent]:
    """The events of the proposal that came after ``before``, by its votes."""
    (number,) = set(model.proposals) - set(before.proposals)
    proposal = model.proposal(number)
    call = next(call for call in CALLS if keccak256(encode_call(call)) == proposal.call_digest)
    proposed = Proposed(
        place=place_at(NOW),
        proposal_id=number,
        proposer=proposal.proposer,
        target=proposal.target,
        call_data=encode_call(call),
        reason=REASON,
        deadline=proposal.deadline,
    )
    voted = [Voted(place=place_at(NOW), proposal_id=number, member=model.member_at(seat)) for seat in proposal.votes]
    return [proposed, *voted]


def test_execute__calldata_that_nobody_knows__is_refused_by_the_model(alone: LedgerModel) -> None:
    alone.propose(MEMBER, CONSORTIUM, b"\1\2\3\4", REASON, place_at(NOW))
    with refused(alone, InvalidInputError):
        alone.execute(MEMBER, FIRST, b"\1\2\3\4", place_at(NOW))


@pytest.mark.parametrize("caller", [MEMBER, STRANGER, ESCROW])
def test_governed__called_by_anybody_but_the_consortium__is_refused(model: LedgerModel, caller: Address) -> None:
    for verb in (
        lambda: model.admit(caller, NEWCOMER, place_at(NOW)),
        lambda: model.remove(caller, SECOND_MEMBER, place_at(NOW)),
        lambda: model.suspend(caller, SECOND_MEMBER, place_at(NOW)),
        lambda: model.reinstate(caller, SECOND_MEMBER, place_at(NOW)),
        lambda: model.set_voting_rules(caller, RULES, place_at(NOW)),
    ):
        with refused(model, NotByVoteError):
            verb()
    for verb in (
        lambda: model.set_token_allowed(caller, STRANGER, place_at(NOW), allowed=True),
        lambda: model.set_split(caller, 1, SPLIT, place_at(NOW)),
        lambda: model.set_periods(caller, PERIODS, place_at(NOW)),
        lambda: model.decide(caller, 1, DOCTOR, place_at(NOW), paid=True),
    ):
        with refused(model, EscrowNotByVoteError):
            verb()


def test_set_voting_rules__while_a_proposal_waits__count_for_it_but_not_its_deadline(model: LedgerModel) -> None:
    number = propose(model, AdmitMember(member=NEWCOMER))
    decide(model, SetVotingRules(quorum=100, voting_period=3600))
    assert model.tally(number).needed == 3
    assert model.proposal(number).deadline == NOW + 7 * DAY
    assert model.proposal(propose(model, AdmitMember(member=NEWCOMER))).deadline == NOW + 3600


# ------------------------------------------------------------------------------------------------- history

people = st.sampled_from((*MEMBERS, NEWCOMER, DOCTOR))
members = st.sampled_from((*MEMBERS, NEWCOMER))
kinds = st.sampled_from((CLINICIAN, AccreditationKind.CUSTODIAN))
numbers = st.integers(1, 5).map(ProposalId)
calls = st.one_of(
    *(st.builds(kind, member=members) for kind in (AdmitMember, RemoveMember, SuspendMember, ReinstateMember)),
    *(st.builds(kind, actor=people, kind=kinds) for kind in (SuspendAccreditation, ReinstateAccreditation)),
    st.builds(SetVotingRules, quorum=st.sampled_from((50, 51, 100)), voting_period=st.sampled_from((3600, DAY))),
    st.builds(SetSplit, category=st.integers(0, 4), patient=st.just(5_000), custodian=st.sampled_from((5_000, 5_001))),
)
steps = st.one_of(
    st.tuples(st.just("accredit"), people, people, kinds, st.sampled_from([0, NOW + 1000, NEVER])),
    st.tuples(st.just("suspend_accreditation"), people, people, kinds),
    st.tuples(st.just("reinstate_accreditation"), people, people, kinds),
    st.tuples(st.just("propose"), people, calls),
    st.tuples(st.just("vote"), people, numbers),
    st.tuples(st.just("vote"), people, numbers),
    st.tuples(st.just("execute"), people, numbers),
    st.tuples(st.just("execute"), people, numbers),
)


@given(history=st.lists(st.tuples(steps, st.sampled_from([0, 0, 0, 500, 3600])), max_size=60))
def test_apply__own_events_of_any_history__rebuild_the_state(history) -> None:
    model, time = founded(founders=MEMBERS), NOW
    replayed, calldata = copy.deepcopy(model), {}
    for (verb, caller, *arguments), pause in history:
        time += pause
        before = copy.deepcopy(model)
        try:
            match verb, arguments:
                case "propose", [call]:
                    events = model.propose(caller, target_of(call), encode_call(call), REASON, place_at(time))
                    calldata[events[0].proposal_id] = encode_call(call)
                case "execute", [number]:
                    events = model.execute(caller, number, calldata.get(number, b""), place_at(time))
                case _:
                    events = getattr(model, verb)(caller, *arguments, place_at(time))
        except RejectedError:
            assert model == before, "a refused verb changed the state"
            continue
        for event in events:
            replayed.apply(event)
        assert replayed == model
        assert model.seated, "nobody is left to vote"


def test_replay__of_the_founding__is_the_founded_model() -> None:
    model = LedgerModel(consortium=CONSORTIUM, escrow=ESCROW)
    events = [*model.found(MEMBERS, RULES, place_at(BEGIN)), *model.set_up(SPLIT, PERIODS, place_at(BEGIN))]
    replayed = LedgerModel(consortium=CONSORTIUM, escrow=ESCROW)
    for event in events:
        replayed.apply(event)
    assert replayed == model == founded(founders=MEMBERS)
