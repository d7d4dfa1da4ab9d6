"""Refusals about money (``Escrow``)."""

from __future__ import annotations

from dataclasses import dataclass

from medshare.errors.ledger import RejectedError


@dataclass(eq=False)
class EscrowNotByVoteError(RejectedError):
    """Only a vote of the consortium can do this."""

    solidity = "EscrowNotByVote"
    hint = "propose it: medshare consortium propose"
    caller: str


@dataclass(eq=False)
class TokenNotAllowedError(RejectedError):
    """Rewards cannot be paid in this token: the consortium has not allowed it."""

    solidity = "EscrowTokenNotAllowed"
    hint = "use the native coin, or a token that is allowed; or propose it to the consortium"
    token: str


@dataclass(eq=False)
class AmountMismatchError(RejectedError):
    """What arrived is not what was promised: wrong value sent, or a token that takes a fee."""

    solidity = "EscrowAmountMismatch"
    hint = "use a token that arrives whole"
    promised: int
    arrived: int

    def _message(self) -> str:
        return f"{self.promised} were promised, and {self.arrived} arrived"


@dataclass(eq=False)
class NothingToWithdrawError(RejectedError):
    """There is nothing to withdraw."""

    solidity = "EscrowNothingToWithdraw"
    hint = "see what there is: medshare reward show"
    account: str
    token: str


@dataclass(eq=False)
class WithdrawalNotAllowedError(RejectedError):
    """This address may not withdraw for this account."""

    solidity = "EscrowNotAllowed"
    hint = "let the one in control of the account do it"
    account: str
    caller: str


@dataclass(eq=False)
class RecipientInvalidError(RejectedError):
    """Nothing can be sent to the zero address, nor left in the escrow."""

    solidity = "EscrowRecipientInvalid"
    hint = "name another address"
    to: str


@dataclass(eq=False)
class SplitInvalidError(RejectedError):
    """Shares add up to more than the whole, or the category is 0."""

    solidity = "EscrowSplitInvalid"
    hint = "shares are ten thousandths, together at most 10000"
    category: int
    patient: int
    custodian: int
