"""Refusals of OpenZeppelin's libraries that our contracts stand on."""

from __future__ import annotations

from dataclasses import dataclass

from medshare.errors.ledger import RejectedError


@dataclass(eq=False)
class CallFailedError(RejectedError):
    """A call or a payment that a contract made failed, and the one who was called did not say why."""

    solidity = "FailedCall"
    hint = "if coins were to be paid out, name an address that takes them"


@dataclass(eq=False)
class NothingToCallError(RejectedError):
    """There is no contract at the address that was to be called."""

    solidity = "AddressEmptyCode"
    hint = "compare the address with the deployment"
    target: str


@dataclass(eq=False)
class ContractBalanceError(RejectedError):
    """A contract has fewer coins than it was to pay."""

    solidity = "InsufficientBalance"
    hint = "report this: what a contract owes it must have"
    balance: int
    needed: int


@dataclass(eq=False)
class ReentrantCallError(RejectedError):
    """A contract was called again while it waited for somebody it had called."""

    solidity = "ReentrancyGuardReentrantCall"
    hint = "beware of this token or account: it tried to be served twice"


@dataclass(eq=False)
class TokenFailedError(RejectedError):
    """A token did not do what it was asked, or did not say that it did."""

    solidity = "SafeERC20FailedOperation"
    hint = "compare balance and allowance; the token may be paused, or bar one of the two addresses"
    token: str
