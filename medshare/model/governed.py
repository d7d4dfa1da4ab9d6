"""What a consortium can decide by vote: the calls that its contracts take from nobody else.

Each call has its place (the contract), its words for people, and its calldata, so that who votes reads what he votes
for and not hex. A test compares calldata and signatures with the contracts' own.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

from medshare.hashing import keccak256
from medshare.model.accreditation import AccreditationKind
from medshare.model.eip712 import encode_word
from medshare.model.ids import Address, RequestId, checksummed

_SELECTOR, _WORD = 4, 32


@dataclass(frozen=True, slots=True, kw_only=True)
class GovernedCall:
    """What all of them share."""

    contract: ClassVar[str] = "Consortium"
    """Whose function it is."""
    signature: ClassVar[str] = ""
    """The function's, such as ``admit(address)``; the fields below are its parameters, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmitMember(GovernedCall):
    """Give an institution a seat, its old one if it had one."""

    signature: ClassVar[str] = "admit(address)"

    member: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveMember(GovernedCall):
    """Take a member's seat; what it accredited counts no longer."""

    signature: ClassVar[str] = "remove(address)"

    member: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspendMember(GovernedCall):
    """Take a member's seat for a time."""

    signature: ClassVar[str] = "suspend(address)"

    member: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class ReinstateMember(GovernedCall):
    """Give a suspended member its seat again."""

    signature: ClassVar[str] = "reinstate(address)"

    member: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class SetVotingRules(GovernedCall):
    """Set how many must vote, and for how long they can."""

    signature: ClassVar[str] = "setVotingRules(uint8,uint32)"

    quorum: int
    voting_period: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspendAccreditation(GovernedCall):
    """Suspend an actor, whoever accredited him."""

    signature: ClassVar[str] = "suspendAccreditation(address,uint8)"

    actor: Address
    kind: AccreditationKind


@dataclass(frozen=True, slots=True, kw_only=True)
class ReinstateAccreditation(GovernedCall):
    """Lift the suspension of an actor."""

    signature: ClassVar[str] = "reinstateAccreditation(address,uint8)"

    actor: Address
    kind: AccreditationKind


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproveStudy(GovernedCall):
    """Approve a study on open call."""

    contract: ClassVar[str] = "AccessRequests"
    signature: ClassVar[str] = "approveStudy(uint256)"

    request_id: RequestId


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequest(GovernedCall):
    """End a request, whoever opened it."""

    contract: ClassVar[str] = "AccessRequests"
    signature: ClassVar[str] = "cancel(uint256)"

    request_id: RequestId


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideDispute(GovernedCall):
    """Decide whether the reward of a disputed delivery is paid."""

    contract: ClassVar[str] = "AccessRequests"
    signature: ClassVar[str] = "decide(uint256,address,bool)"

    request_id: RequestId
    patient: Address
    paid: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTokenAllowed(GovernedCall):
    """Allow a token for rewards, or allow it no longer."""

    contract: ClassVar[str] = "AccessRequests"
    signature: ClassVar[str] = "setTokenAllowed(address,bool)"

    token: Address
    allowed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSplit(GovernedCall):
    """Set how rewards of a category are divided, in ten thousandths; the rest is the consortium's."""

    contract: ClassVar[str] = "AccessRequests"
    signature: ClassVar[str] = "setSplit(uint8,uint16,uint16)"

    category: int
    patient: int
    custodian: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPeriods(GovernedCall):
    """Set how long deliveries can be disputed, and disputes wait."""

    contract: ClassVar[str] = "AccessRequests"
    signature: ClassVar[str] = "setPeriods(uint32,uint32)"

    dispute_period: int
    decision_period: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawTreasury(GovernedCall):
    """Send what the consortium earned somewhere."""

    contract: ClassVar[str] = "AccessRequests"
    signature: ClassVar[str] = "withdraw(address,address,address)"

    account: Address
    """The consortium itself."""
    token: Address
    to: Address


GOVERNED: tuple[type[GovernedCall], ...] = (
    AdmitMember,
    RemoveMember,
    SuspendMember,
    ReinstateMember,
    SetVotingRules,
    SuspendAccreditation,
    ReinstateAccreditation,
    ApproveStudy,
    CancelRequest,
    DecideDispute,
    SetTokenAllowed,
    SetSplit,
    SetPeriods,
    WithdrawTreasury,
)
"""Every call that can be proposed."""


def encode_call(call: GovernedCall) -> bytes:
    """Return the calldata of a call: the function's selector, and one word for each field."""
    kinds = _kinds(type(call))
    values = [getattr(call, field.name) for field in fields(call)]
    words = [encode_word(kind, value, type(call).__name__) for kind, value in zip(kinds, values, strict=True)]
    return keccak256(call.signature.encode())[:_SELECTOR] + b"".join(words)


def decode_call(contract: str, call_data: bytes) -> GovernedCall | None:
    """Return the call that calldata makes of a contract; None where it is none of ``GOVERNED``.

    Args:
        contract: the name of the contract that is called.
        call_data: what it is called with.
    """
    for kind in GOVERNED:
        if kind.contract != contract or keccak256(kind.signature.encode())[:_SELECTOR] != call_data[:_SELECTOR]:
            continue
        words, kinds = call_data[_SELECTOR:], _kinds(kind)
        if len(words) != _WORD * len(kinds):
            return None
        try:
            values = [_read(solidity, words[at * _WORD : (at + 1) * _WORD]) for at, solidity in enumerate(kinds)]
            if kind in (SuspendAccreditation, ReinstateAccreditation):
                values[1] = AccreditationKind(int(values[1]))  # type: ignore[call-overload]  # an uint8 it is
        except ValueError:
            return None
        return kind(**dict(zip((field.name for field in fields(kind)), values, strict=True)))
    return None


def _kinds(kind: type[GovernedCall]) -> list[str]:
    return kind.signature.partition("(")[2].rstrip(")").split(",")


def _read(kind: str, word: bytes) -> object:
    number = int.from_bytes(word, "big")
    if kind == "address":
        if number >> 160:
            raise ValueError(kind)
        return checksummed(word[-20:])
    if kind == "bool":
        if number > 1:
            raise ValueError(kind)
        return bool(number)
    if number >> int(kind.removeprefix("uint")):
        raise ValueError(kind)
    return number
