"""What a proposal would do, in plain words, for the member that is asked to vote for it.

What follows from it is told first, then what it does, with everything that it names; a call that nobody here knows is
said to be unknown, and shown whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from medshare.model.accreditation import AccreditationKind
from medshare.model.describing import WARNING, Line
from medshare.model.governed import (
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
)
from medshare.model.ids import Address
from medshare.model.proposal import MOST_QUORUM
from medshare.model.request import NATIVE, WHOLE, RequestCategory
from medshare.model.telling import Names, lasting, who

_SELECTOR = 4


def in_words(call: GovernedCall, names: Names) -> str:
    """Return what a call does, in a few words that follow "to".

    Args:
        call: what is proposed.
        names: asked for each address.
    """
    return _ACTS[type(call)](call, names)


def capacity(kind: AccreditationKind) -> str:
    """Return a capacity in words, with its article."""
    said = kind.name.lower().replace("_", " ")
    return f"{'an' if said[0] in 'aeiou' else 'a'} {said}"


def unknown_in_words(call_data: bytes) -> str:
    """Return what is said of calldata that is none of ``GOVERNED``: its selector, and that nobody here knows it."""
    selector = call_data[:_SELECTOR].hex()
    return f"make a call that is unknown here (selector 0x{selector})" if selector else "make an empty call"


def describe_call(
    call: GovernedCall | None, call_data: bytes, *, contract: str | None, target: Address, names: Names
) -> tuple[Line, ...]:
    """Return what one votes for, line by line, warnings first.

    Args:
        call: what is proposed; None where nobody here knows it.
        call_data: what is sent.
        contract: the name of the contract that is called; None where it is none of ours.
        target: its address.
        names: asked for each address.
    """
    place = Line("at the contract", f"{contract or 'unknown here'}, {target}")
    if call is None:
        return (
            Line(WARNING, "Nobody here can say what this does. Vote for it only if you have read that contract."),
            Line("you vote to", unknown_in_words(call_data)),
            Line("with the calldata", f"0x{call_data.hex()}"),
            place,
        )
    return (
        *(Line(WARNING, text) for text in _warnings(call, names)),
        Line("you vote to", in_words(call, names)),
        place,
    )


# -------------------------------------------------------------------------------------------------- acts


def _category(category: int) -> str:
    known = {int(each): each.name.lower().replace("_", "-") for each in RequestCategory}
    return known.get(category, str(category))


def _token(token: Address, names: Names) -> str:
    return "the chain's own coin" if token == NATIVE else f"the token {who(token, names)}"


def _percent(share: int) -> str:
    return f"{share * 100 / WHOLE:g} %"


def _admit(call: AdmitMember, names: Names) -> str:
    return f"give {who(call.member, names)} a seat"


def _remove(call: RemoveMember, names: Names) -> str:
    return f"take the seat of {who(call.member, names)}"


def _suspend(call: SuspendMember, names: Names) -> str:
    return f"take the seat of {who(call.member, names)} until it is reinstated"


def _reinstate(call: ReinstateMember, names: Names) -> str:
    return f"give {who(call.member, names)} its seat again"


def _set_rules(call: SetVotingRules, _names: Names) -> str:
    return (
        f"need the votes of {call.quorum} in a hundred members, and have proposals open for"
        f" {lasting(call.voting_period)}"
    )


def _suspend_actor(call: SuspendAccreditation, names: Names) -> str:
    return f"suspend {who(call.actor, names)} as {capacity(call.kind)}"


def _reinstate_actor(call: ReinstateAccreditation, names: Names) -> str:
    return f"lift the suspension of {who(call.actor, names)} as {capacity(call.kind)}"


def _approve(call: ApproveStudy, _names: Names) -> str:
    return f"approve request {call.request_id}, a study on open call"


def _cancel(call: CancelRequest, _names: Names) -> str:
    return f"end request {call.request_id} before its time"


def _decide(call: DecideDispute, names: Names) -> str:
    outcome = "pay" if call.paid else "return to the requester"
    return f"{outcome} the disputed reward of {who(call.patient, names)} in request {call.request_id}"


def _set_token(call: SetTokenAllowed, names: Names) -> str:
    verb = "allow rewards" if call.allowed else "allow no new rewards"
    return f"{verb} in {_token(call.token, names)}"


def _set_split(call: SetSplit, _names: Names) -> str:
    rest = WHOLE - call.patient - call.custodian
    return (
        f"divide rewards of the category {_category(call.category)}: {_percent(call.patient)} to the patient,"
        f" {_percent(call.custodian)} to the custodian, {_percent(rest)} to the consortium"
    )


def _set_periods(call: SetPeriods, _names: Names) -> str:
    return (
        f"let deliveries be disputed for {lasting(call.dispute_period)}, and disputes wait for a decision"
        f" {lasting(call.decision_period)}"
    )


def _withdraw(call: WithdrawTreasury, names: Names) -> str:
    return (
        f"send all that {who(call.account, names)} has earned in {_token(call.token, names)} to {who(call.to, names)}"
    )


_ACTS: dict[type[GovernedCall], Callable[[Any, Names], str]] = {
    AdmitMember: _admit,
    RemoveMember: _remove,
    SuspendMember: _suspend,
    ReinstateMember: _reinstate,
    SetVotingRules: _set_rules,
    SuspendAccreditation: _suspend_actor,
    ReinstateAccreditation: _reinstate_actor,
    ApproveStudy: _approve,
    CancelRequest: _cancel,
    DecideDispute: _decide,
    SetTokenAllowed: _set_token,
    SetSplit: _set_split,
    SetPeriods: _set_periods,
    WithdrawTreasury: _withdraw,
}


# ----------------------------------------------------------------------------------------------- warnings


_NO_RECORD = "No record opens by this: who may read his is each patient's own decision."
_STANDING = "Requests that are open keep what held when they opened."
_LOST_SEAT = "Whom it accredited is accredited no longer: custodians register nothing, clinicians break no glass."
_WARNINGS: dict[type[GovernedCall], tuple[str, ...]] = {
    RemoveMember: (_LOST_SEAT, "Records that were registered and grants that were given stay as they are."),
    SuspendMember: (_LOST_SEAT, "Records that were registered and grants that were given stay as they are."),
    ReinstateMember: ("Whom it accredited is accredited again, where that has not ended or been suspended.",),
    SetVotingRules: ("Proposals that are open now need as many votes as this says, too.",),
    SuspendAccreditation: ("Only another vote can lift it.",),
    ReinstateAccreditation: ("It accredits nobody: it counts only where a member's word still stands.",),
    ApproveStudy: ("Any patient can accept it from then on.", _NO_RECORD),
    CancelRequest: ("What no patient has reserved goes back to its requester; who has accepted loses nothing.",),
    SetSplit: (_STANDING,),
    SetPeriods: (_STANDING,),
}


def _warnings(call: GovernedCall, names: Names) -> Iterator[str]:
    yield from _WARNINGS.get(type(call), ())
    match call:
        case AdmitMember():
            yield "It votes as you do, and accredits in its own name whom it wants."
            yield from _unnamed(call.member, names)
        case SetVotingRules(quorum=quorum) if quorum == MOST_QUORUM:
            yield "Every member must vote: each can hold up everything, and one that has lost its key does so for ever."
        case SetSplit() if call.patient + call.custodian > WHOLE:
            yield "These shares add up to more than the whole: it cannot be executed."
        case DecideDispute(paid=True):
            yield "What is paid cannot be taken back."
        case DecideDispute():
            yield "Patient and custodian get nothing for what was delivered; the grant stays until he revokes it."
        case SetTokenAllowed(allowed=True):
            yield "A token does what its contract says: make sure that you know it."
            yield from _unnamed(call.token, names)
        case SetTokenAllowed():
            yield _STANDING
        case WithdrawTreasury():
            yield "What is sent cannot be taken back."
            yield from _unnamed(call.to, names)
        case _:
            pass


def _unnamed(address: Address, names: Names) -> Iterator[str]:
    if address != NATIVE and names(address) is None:
        yield f"You have no name for {address}: make sure that it is whom you mean."
