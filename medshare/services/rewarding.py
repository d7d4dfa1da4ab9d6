"""Rewarding: what an account has earned and can withdraw, and where the money of a request is, to the last unit.

    for credit in rewarding.credits(me.address):
        rewarding.withdraw(me.address, credit.token, to=somewhere, actor=me)

Whoever has earned something withdraws it himself; nobody is sent anything. Who has no coins signs, and another pays.
"""

from __future__ import annotations

from dataclasses import dataclass

from medshare.errors import IntegrityError, NothingToWithdrawError
from medshare.model.events import Credited, EventPlace, RewardPaid, Withdrawn
from medshare.model.ids import Address, RequestId
from medshare.model.request import ReservationStatus
from medshare.ports import Actor, Ledger, Receipt
from medshare.services.auditing import Auditing
from medshare.services.on_chain import OnChain, once
from medshare.services.request_book import RequestBook, RequestStanding

_EARNING = (ReservationStatus.DELIVERED, ReservationStatus.DISPUTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditStanding:
    """What an account has in one token, as the chain tells it."""

    token: Address
    credit: int
    """What it can withdraw now."""
    earned: int
    """All that was ever credited."""
    withdrawn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """A withdrawal that is on chain."""

    amount: int
    on_chain: OnChain


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestAccount:
    """Where the money of a request is, in its token's smallest unit: what came in is what follows, to the last one."""

    request_id: RequestId
    token: Address
    deposited: int
    to_patients: int
    to_custodians: int
    to_consortium: int
    returned: int
    """To the requester: what nobody earned, and what quality did not."""
    earning: int
    """Delivered, or disputed: held until it is settled."""
    reserved: int
    """Held for those who have accepted, and are not delivered yet."""
    free: int
    """Held for whoever accepts; after the deadline, until the requester has it back."""

    @property
    def paid(self) -> int:
        """What was divided."""
        return self.to_patients + self.to_custodians + self.to_consortium

    @property
    def held(self) -> int:
        """What the escrow still holds for this request."""
        return self.earning + self.reserved + self.free


class Rewarding:
    """Shows credits and accounts, and withdraws.

    Args:
        ledger: the contracts.
        auditing: the chain's events.
        book: how requests stand.
    """

    def __init__(self, *, ledger: Ledger, auditing: Auditing, book: RequestBook) -> None:
        self._ledger = ledger
        self._auditing = auditing
        self._book = book

    def credits(self, account: Address) -> list[CreditStanding]:
        """Return what an account has earned, by token, in the order in which it first did.

        Raises:
            IntegrityError: the events and the contract disagree.
            LedgerError: the chain failed.
        """
        block = self._auditing.sync()
        earned: dict[Address, int] = {}
        withdrawn: dict[Address, int] = {}
        for event in self._book.credits(account):
            total = earned if isinstance(event, Credited) else withdrawn
            total[event.token] = total.get(event.token, 0) + event.amount
        found = []
        for token, amount in earned.items():
            credit = self._ledger.escrow.credit(account, token, block=block)
            if credit != amount - withdrawn.get(token, 0):
                raise IntegrityError(f"the contract's credit of {account} is not what its events add up to")
            found.append(CreditStanding(token=token, credit=credit, earned=amount, withdrawn=withdrawn.get(token, 0)))
        return found

    def withdraw(self, account: Address, token: Address, *, to: Address, actor: Actor) -> Withdrawal:
        """Withdraw all of an account's credit in one token, as the one in control of it.

        Where all of it has gone there before, it returns the newest withdrawal, and sends nothing.

        Args:
            account: whose credit; a patient whose key was recovered keeps what he earned.
            token: which token.
            to: where it goes. This becomes public: an address of its own links nothing else.
            actor: the account itself, or who is in control of it.

        Raises:
            NothingToWithdrawError, WithdrawalNotAllowedError, RecipientInvalidError: as the contract would.
            LedgerError: the chain failed; repeat.
        """
        amount = 0
        before: Withdrawn | None = None

        def withdrawn() -> EventPlace | None:
            nonlocal before
            before = self._withdrawn_before(account, token, to=to, actor=actor.address)
            return None if before is None else before.place

        def send() -> Receipt:
            nonlocal amount
            amount = self._ledger.escrow.credit(account, token, block=self._ledger.chain.head())
            if not amount:
                raise NothingToWithdrawError(account, token)
            return self._ledger.escrow.withdraw(actor.signer, account, token, to)

        on_chain = once(send, place=withdrawn)
        return Withdrawal(amount=amount if before is None else before.amount, on_chain=on_chain)

    def _withdrawn_before(self, account: Address, token: Address, *, to: Address, actor: Address) -> Withdrawn | None:
        """Return the newest withdrawal, where nothing was earned since, it went there, and ``actor`` is in control."""
        block = self._ledger.chain.head()
        if self._ledger.escrow.credit(account, token, block=block):
            return None
        if self._ledger.authority.controller_of(account, block=block).controller != actor:
            return None
        told = [event for event in self._book.credits(account) if event.token == token]
        newest = told[-1] if told else None
        return newest if isinstance(newest, Withdrawn) and newest.to == to else None

    def account_of(self, request_id: RequestId) -> RequestAccount:
        """Return where the money of a request is, by the chain's own events.

        Raises:
            UnknownRequestError: nobody opened it.
            IntegrityError: it does not add up.
            LedgerError: the chain failed.
        """
        return _account(self._book.request(request_id))


def _account(standing: RequestStanding) -> RequestAccount:
    request = standing.request
    reward = request.terms.reward
    paid = [part.settled for part in standing.parts if isinstance(part.settled, RewardPaid)]
    reserved = min(standing.count(ReservationStatus.RESERVED), standing.unearned)
    account = RequestAccount(
        request_id=request.request_id,
        token=request.terms.token,
        deposited=request.terms.budget,
        to_patients=sum(each.to_patient for each in paid),
        to_custodians=sum(each.to_custodian for each in paid),
        to_consortium=sum(each.to_consortium for each in paid),
        returned=reward * (request.returned + standing.count(ReservationStatus.RETURNED))
        + sum(each.to_requester for each in paid),
        earning=reward * standing.count(*_EARNING),
        reserved=reward * reserved,
        free=reward * (standing.unearned - reserved),
    )
    if account.deposited != account.paid + account.returned + account.held:
        raise IntegrityError(f"the money of request {request.request_id} does not add up")
    return account
