"""Escrow: takes money in whole, credits it in parts, and lets each account withdraw its own.

What accounts have outside is the caller's to know. What was taken in and not paid out is in ``held``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from medshare.errors import (
    AmountMismatchError,
    EscrowNotByVoteError,
    NothingToWithdrawError,
    RecipientInvalidError,
    SignedOutdatedError,
    SplitInvalidError,
    TokenNotAllowedError,
    WithdrawalNotAllowedError,
)
from medshare.model.events import Credited, EscrowEvent, EventPlace, SplitSet, TokenAllowed, Withdrawn
from medshare.model.ids import ZERO_ADDRESS, Address
from medshare.model.request import NATIVE, WHOLE, Split
from medshare.model.rules.authority import AuthorityRules
from medshare.model.rules.directory import DirectoryRules
from medshare.model.rules.signatures import require_signature
from medshare.model.typed_data import SignableWithdraw

Credits: TypeAlias = tuple[()] | tuple[Credited]


@dataclass
class EscrowRules(AuthorityRules, DirectoryRules):
    """State and verbs of Escrow, which asks the authority who is in control of an account."""

    escrow: Address = ZERO_ADDRESS
    """The contract's own address."""
    held: dict[Address, int] = field(default_factory=dict)
    """What it has of each token."""
    credits: dict[tuple[Address, Address], int] = field(default_factory=dict)
    """By account and token."""
    withdrawn: dict[Address, int] = field(default_factory=dict)
    """How often each account has withdrawn."""
    allowed_tokens: set[Address] = field(default_factory=set)
    splits: dict[int, Split] = field(default_factory=dict)

    # ---------------------------------------------------------------------------------------- depositing

    def _check_deposit(self, token: Address, amount: int, *, value: int | None, arrived: int | None) -> None:
        """Refuse a deposit that is not ``amount``; None stands for exactly what is due."""
        if not self.is_token_allowed(token):
            raise TokenNotAllowedError(token)
        due = amount if token == NATIVE else 0
        if value is not None and value != due:
            raise AmountMismatchError(amount, value)
        if token != NATIVE and amount and arrived is not None and arrived != amount:
            raise AmountMismatchError(amount, arrived)

    def _credit(self, account: Address, token: Address, amount: int, place: EventPlace) -> Credits:
        if not amount:
            return ()
        event = Credited(place=place, account=account, token=token, amount=amount)
        self._apply_escrow(event)
        return (event,)

    # --------------------------------------------------------------------------------------- withdrawing

    def withdraw(
        self, caller: Address, account: Address, token: Address, to: Address, place: EventPlace
    ) -> tuple[Withdrawn]:
        """Withdraw all of an account's credit in one token, as the one in control of it."""
        self._require_control_of_account(account, caller)
        return self._withdraw(account, token, to, place)

    def _withdraw_signed(
        self, message: SignableWithdraw, signer: Address, place: EventPlace, *, valid: bool
    ) -> tuple[Withdrawn]:
        self._require_control_of_account(message.account, signer)
        require_signature(signer, deadline=message.deadline, now=place.block.time, valid=valid)
        count = self.withdrawals(message.account)
        if message.count != count:
            raise SignedOutdatedError(message.count, count)
        return self._withdraw(message.account, message.token, message.to, place)

    def _withdraw(self, account: Address, token: Address, to: Address, place: EventPlace) -> tuple[Withdrawn]:
        amount = self.credit(account, token)
        if not amount:
            raise NothingToWithdrawError(account, token)
        if to in (ZERO_ADDRESS, self.escrow):
            raise RecipientInvalidError(to)
        count = self.withdrawals(account) + 1
        event = Withdrawn(place=place, account=account, token=token, to=to, amount=amount, count=count)
        self._apply_escrow(event)
        return (event,)

    def _require_control_of_account(self, account: Address, actor: Address) -> None:
        if actor != self.controller_of(account).controller:
            raise WithdrawalNotAllowedError(account, actor)

    # ----------------------------------------------------------------------------------- decided by vote

    def set_token_allowed(
        self, caller: Address, token: Address, place: EventPlace, *, allowed: bool
    ) -> tuple[TokenAllowed]:
        """Allow a token for rewards, or allow it no longer. By vote."""
        self._require_vote(caller)
        if token == NATIVE:
            raise TokenNotAllowedError(token)
        event = TokenAllowed(place=place, token=token, allowed=allowed)
        self._apply_escrow(event)
        return (event,)

    def set_split(self, caller: Address, category: int, split: Split, place: EventPlace) -> tuple[SplitSet]:
        """Set how rewards of a category are divided, in requests that open from now on. By vote."""
        self._require_vote(caller)
        return self._set_split(category, split, place)

    def _set_split(self, category: int, split: Split, place: EventPlace) -> tuple[SplitSet]:
        if category == 0 or split.patient + split.custodian > WHOLE:
            raise SplitInvalidError(category, split.patient, split.custodian)
        event = SplitSet(place=place, category=category, split=split)
        self._apply_escrow(event)
        return (event,)

    def _require_vote(self, caller: Address) -> None:
        if caller != self.consortium:
            raise EscrowNotByVoteError(caller)

    # ------------------------------------------------------------------------------------ reads, replay

    def credit(self, account: Address, token: Address) -> int:
        """Return what an account can withdraw."""
        return self.credits.get((account, token), 0)

    def credited(self, token: Address) -> int:
        """Return what all accounts together can withdraw."""
        return sum(amount for (_, of), amount in self.credits.items() if of == token)

    def withdrawals(self, account: Address) -> int:
        """Return how often an account has withdrawn."""
        return self.withdrawn.get(account, 0)

    def is_token_allowed(self, token: Address) -> bool:
        """Whether new requests may pay in this token; the native coin always may."""
        return token == NATIVE or token in self.allowed_tokens

    def split(self, category: int) -> Split | None:
        """Return how rewards of a category are divided now; None where nobody said."""
        return self.splits.get(category)

    def _apply_escrow(self, event: EscrowEvent) -> None:
        match event:
            case Credited():
                credit = self.credit(event.account, event.token) + event.amount
                self.credits[event.account, event.token] = credit
            case Withdrawn():
                self.credits[event.account, event.token] = self.credit(event.account, event.token) - event.amount
                self.withdrawn[event.account] = event.count
                self.held[event.token] = self.held.get(event.token, 0) - event.amount
            case TokenAllowed(allowed=True):
                self.allowed_tokens.add(event.token)
            case TokenAllowed():
                self.allowed_tokens.discard(event.token)
            case SplitSet():
                self.splits[event.category] = event.split
