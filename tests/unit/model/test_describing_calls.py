"""What a member reads before it votes.

given any call that a vote can make
├── it should be said in one line, with every address in it whole, after its warnings
└── contract and address should be named
given what follows from a call
├── a lost seat, a payment, a quorum of all, a stranger: each is pointed out
└── no proposal is said to open a record
given calldata that nobody here knows
└── it should be said to be unknown, shown whole, with its selector and a warning
"""

from __future__ import annotations

from dataclasses import fields

import pytest

from medshare.model.accreditation import AccreditationKind
from medshare.model.describing import WARNING
from medshare.model.describing_calls import capacity, describe_call, in_words, unknown_in_words
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
from medshare.model.ids import RequestId, address
from medshare.model.request import DAY, NATIVE, RequestCategory

pytestmark = pytest.mark.unit

CLINIC = address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
MARY = address("0x90F79bf6EB2c4f870365E785982E1f101E93b906")
STRANGER = address("0x5FbDB2315678afecb367f032d93F642f64180aa3")
CONSORTIUM = address("0xe7f1725e7734ce288f8367e1bb143e90bb3f0512")
NAMES = {CLINIC: "clinic", MARY: "mary"}.get
CUSTODIAN = AccreditationKind.CUSTODIAN

CALLS: dict[GovernedCall, str] = {
    AdmitMember(member=CLINIC): f"give clinic ({CLINIC}) a seat",
    RemoveMember(member=CLINIC): f"take the seat of clinic ({CLINIC})",
    SuspendMember(member=CLINIC): f"take the seat of clinic ({CLINIC}) until it is reinstated",
    ReinstateMember(member=CLINIC): f"give clinic ({CLINIC}) its seat again",
    SetVotingRules(quorum=60, voting_period=10 * DAY): (
        "need the votes of 60 in a hundred members, and have proposals open for 10 days"
    ),
    SuspendAccreditation(actor=CLINIC, kind=CUSTODIAN): f"suspend clinic ({CLINIC}) as a custodian",
    ReinstateAccreditation(actor=CLINIC, kind=AccreditationKind.ETHICS_COMMITTEE): (
        f"lift the suspension of clinic ({CLINIC}) as an ethics committee"
    ),
    ApproveStudy(request_id=RequestId(7)): "approve request 7, a study on open call",
    CancelRequest(request_id=RequestId(7)): "end request 7 before its time",
    DecideDispute(request_id=RequestId(7), patient=MARY, paid=True): (
        f"pay the disputed reward of mary ({MARY}) in request 7"
    ),
    DecideDispute(request_id=RequestId(7), patient=MARY, paid=False): (
        f"return to the requester the disputed reward of mary ({MARY}) in request 7"
    ),
    SetTokenAllowed(token=STRANGER, allowed=True): f"allow rewards in the token {STRANGER}",
    SetTokenAllowed(token=STRANGER, allowed=False): f"allow no new rewards in the token {STRANGER}",
    SetSplit(category=RequestCategory.NON_PROFIT, patient=7_250, custodian=2_000): (
        "divide rewards of the category non-profit: 72.5 % to the patient, 20 % to the custodian,"
        " 7.5 % to the consortium"
    ),
    SetSplit(category=9, patient=10_000, custodian=0): (
        "divide rewards of the category 9: 100 % to the patient, 0 % to the custodian, 0 % to the consortium"
    ),
    SetPeriods(dispute_period=14 * DAY, decision_period=36 * 3_600): (
        "let deliveries be disputed for 14 days, and disputes wait for a decision 1 day 12 hours"
    ),
    WithdrawTreasury(account=CONSORTIUM, token=NATIVE, to=CLINIC): (
        f"send all that {CONSORTIUM} has earned in the chain's own coin to clinic ({CLINIC})"
    ),
}


def told(call: GovernedCall) -> list[tuple[str, str]]:
    call_data = encode_call(call)
    return list(describe_call(call, call_data, contract=call.contract, target=CONSORTIUM, names=NAMES))


def warnings(call: GovernedCall) -> str:
    return " ".join(text for label, text in told(call) if label == WARNING)


def test_in_words__every_call__is_said_here() -> None:
    assert {type(call) for call in CALLS} == set(GOVERNED)


@pytest.mark.parametrize(("call", "words"), CALLS.items(), ids=lambda value: type(value).__name__)
def test_in_words__a_call__says_what_it_does_with_everything_that_it_names(call: GovernedCall, words: str) -> None:
    assert in_words(call, NAMES) == words
    values = [getattr(call, field.name) for field in fields(call)]
    assert all(value in words for value in values if isinstance(value, str) and value != NATIVE)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: type(call).__name__)
def test_describe_call__any__tells_warnings_first_then_act_and_place(call: GovernedCall) -> None:
    lines = told(call)
    labels = [label for label, _ in lines]
    assert labels == [WARNING] * (len(lines) - 2) + ["you vote to", "at the contract"]
    assert labels.count(WARNING) >= 1
    assert lines[-2][1] == in_words(call, NAMES)
    assert lines[-1][1] == f"{call.contract}, {CONSORTIUM}"
    assert all(text.isprintable() and text for _, text in lines)


def test_describe_call__a_seat_is_lost__says_what_becomes_of_those_it_accredited() -> None:
    for call in (RemoveMember(member=CLINIC), SuspendMember(member=CLINIC)):
        assert "accredited no longer" in warnings(call)
        assert "grants that were given stay" in warnings(call)
    assert "accredited again" in warnings(ReinstateMember(member=CLINIC))


def test_describe_call__money__says_what_cannot_be_undone() -> None:
    dispute = DecideDispute(request_id=RequestId(7), patient=MARY, paid=True)
    assert "cannot be taken back" in warnings(dispute)
    assert "get nothing" in warnings(DecideDispute(request_id=RequestId(7), patient=MARY, paid=False))
    assert "cannot be taken back" in warnings(WithdrawTreasury(account=CONSORTIUM, token=NATIVE, to=CLINIC))


def test_describe_call__address_without_a_name__is_pointed_out() -> None:
    for call, named in (
        (AdmitMember(member=STRANGER), AdmitMember(member=CLINIC)),
        (SetTokenAllowed(token=STRANGER, allowed=True), SetTokenAllowed(token=CLINIC, allowed=True)),
        (
            WithdrawTreasury(account=CONSORTIUM, token=NATIVE, to=STRANGER),
            WithdrawTreasury(account=CONSORTIUM, token=NATIVE, to=CLINIC),
        ),
    ):
        assert f"no name for {STRANGER}" in warnings(call)
        assert "no name" not in warnings(named)


def test_describe_call__quorum_of_all__says_that_one_can_hold_up_everything() -> None:
    assert "hold up everything" in warnings(SetVotingRules(quorum=100, voting_period=DAY))
    assert "hold up" not in warnings(SetVotingRules(quorum=99, voting_period=DAY))


def test_describe_call__shares_beyond_the_whole__are_said_to_be_impossible() -> None:
    assert "cannot be executed" in warnings(SetSplit(category=1, patient=9_000, custodian=2_000))
    assert "cannot be executed" not in warnings(SetSplit(category=1, patient=8_000, custodian=2_000))


def test_describe_call__a_study__says_that_no_record_opens() -> None:
    assert "No record opens by this" in warnings(ApproveStudy(request_id=RequestId(1)))


@pytest.mark.parametrize("contract", [None, "Consortium"])
def test_describe_call__unknown_calldata__is_shown_whole_with_a_warning(contract: str | None) -> None:
    call_data = bytes.fromhex("deadbeef") + b"\1" * 32
    lines = list(describe_call(None, call_data, contract=contract, target=STRANGER, names=NAMES))
    assert lines[0][0] == WARNING
    assert "Nobody here can say" in lines[0][1]
    assert lines[1:] == [
        ("you vote to", "make a call that is unknown here (selector 0xdeadbeef)"),
        ("with the calldata", f"0x{call_data.hex()}"),
        ("at the contract", f"{contract or 'unknown here'}, {STRANGER}"),
    ]


def test_unknown_in_words__no_calldata__says_so() -> None:
    assert unknown_in_words(b"") == "make an empty call"


def test_capacity__each_kind__has_its_article() -> None:
    assert {capacity(kind) for kind in AccreditationKind} == {
        *("a custodian", "a clinician", "a researcher"),
        *("an ethics committee", "an assessor", "a reviewer"),
    }
