"""Blocks and events in memory, under the rules of the model."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from medshare.errors import InvalidInputError, LedgerUnavailableError
from medshare.hashing import keccak256
from medshare.model.accreditation import AccreditationKind
from medshare.model.eip712 import Domain
from medshare.model.events import BlockRef, EventPlace, LedgerEvent, RequestOpened, Withdrawn
from medshare.model.grant import MAX_TIME
from medshare.model.ids import Address, address
from medshare.model.ledger import LedgerModel
from medshare.model.proposal import VotingRules
from medshare.model.request import NATIVE, Periods, Split
from medshare.model.typed_data import SIGNABLES
from medshare.ports import Receipt
from medshare.testing.people import FakeClock, NamedSigner

Event = TypeVar("Event")

SPLIT = Split(patient=7_000, custodian=2_000)
"""How rewards are divided here, until a vote says otherwise."""


@dataclass(slots=True)
class _Mined:
    ref: BlockRef
    events: list[LedgerEvent] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Sent:
    what: object
    receipt: Receipt


class InMemoryChain:
    """Blocks and events in memory; each transaction is a block. It can be reorganised.

    Its consortium has one founding member, so that what ``member`` proposes has passed.

    Args:
        clock: gives the blocks their times.
        custodians: who is accredited as a custodian from the first block on.
    """

    chain_id = 1337
    first_block = 0
    member = NamedSigner(address("0x" + "ac" * 20))
    """The founding member, who accredits here."""

    def __init__(self, clock: FakeClock, custodians: Sequence[Address] = ()) -> None:
        self._clock = clock
        self._fork = 0
        self._sent: dict[tuple[Address, str], _Sent] = {}
        self._gifts: dict[tuple[Address, Address], int] = {}
        self.allowances: dict[tuple[Address, Address], int] = {}
        """What the escrow may take of an account's tokens."""
        self.model = self._empty()
        genesis = _Mined(self._next_ref(0))
        place = EventPlace(block=genesis.ref, log_index=0, tx_hash=keccak256(b"tx" + genesis.ref.hash))
        genesis.events += self.model.found([self.member.address], VotingRules(), place)
        genesis.events += self.model.set_up(SPLIT, Periods(), place.after(len(genesis.events)))
        for custodian in custodians:
            here = place.after(len(genesis.events))
            genesis.events += self.model.accredit(
                self.member.address, custodian, AccreditationKind.CUSTODIAN, MAX_TIME, here
            )
        self.mined = [genesis]
        self.sent = 0
        """Transactions sent so far, those a reorganisation dropped included."""

    def head(self) -> BlockRef:
        """Return the newest block."""
        return self.mined[-1].ref

    def block(self, number: int) -> BlockRef:
        """Return a block by number."""
        if not 0 <= number < len(self.mined):
            raise LedgerUnavailableError(f"there is no block {number}")
        return self.mined[number].ref

    def events(self, first: int, last: int) -> Iterator[LedgerEvent]:
        """Yield the events of the blocks ``first`` to ``last``."""
        for mined in self.mined[max(first, 0) : last + 1]:
            yield from mined.events

    def events_of(self, receipt: Receipt, kind: type[Event]) -> list[Event]:
        """Return the events of one kind in a transaction."""
        number = receipt.block.number
        return [event for event in self.events(number, number) if isinstance(event, kind)]

    def state_at(self, block: BlockRef) -> LedgerModel:
        """Return the state after ``block``, by replaying."""
        if self.block(block.number) != block:
            raise LedgerUnavailableError(f"block {block.number} is not on the chain any more")
        model = self._empty()
        for event in self.events(0, block.number):
            model.apply(event)
        return model

    def mine(self, act: Callable[[EventPlace], Sequence[LedgerEvent]] | None = None) -> Receipt:
        """Mine a block in which ``act`` runs."""
        ref = self._next_ref(len(self.mined))
        mined = _Mined(ref)
        tx_hash = keccak256(b"tx" + ref.hash)
        self.sent += 1
        if act is not None:
            mined.events.extend(act(EventPlace(block=ref, log_index=0, tx_hash=tx_hash)))
        self.mined.append(mined)
        return Receipt(tx_hash=tx_hash, block=ref, gas_used=0)

    def mine_once(
        self,
        sender: Address,
        intent: str | None,
        what: object,
        act: Callable[[EventPlace], Sequence[LedgerEvent]],
    ) -> Receipt:
        """Mine a block in which ``act`` runs, once for each sender and intent, as an outbox sees to it.

        Raises:
            InvalidInputError: the intent was used for something else than ``what``.
        """
        earlier = None if intent is None else self._sent.get((sender, intent))
        if earlier is not None and earlier.receipt.block in (mined.ref for mined in self.mined):
            if earlier.what != what:
                raise InvalidInputError(f"the intent {intent!r} was used for a transaction that does something else")
            return earlier.receipt
        receipt = self.mine(act)
        if intent is not None:
            self._sent[sender, intent] = _Sent(what, receipt)
        return receipt

    def reorganise(self, depth: int) -> None:
        """Drop the newest ``depth`` blocks, as if another branch had won."""
        del self.mined[len(self.mined) - depth :]
        self._fork += 1
        self.model = self.state_at(self.head())

    # ------------------------------------------------------------------------------------------ for tests

    def accredit(
        self,
        actor: Address,
        kind: AccreditationKind = AccreditationKind.CUSTODIAN,
        valid_until: int = MAX_TIME,
    ) -> Receipt:
        """Accredit an actor, as the founding member."""
        return self.mine(lambda place: self.model.accredit(self.member.address, actor, kind, valid_until, place))

    def give(self, account: Address, amount: int, token: Address = NATIVE) -> None:
        """Let an account have so much more of a token, from nowhere."""
        self._gifts[account, token] = self._gifts.get((account, token), 0) + amount

    def balance(self, account: Address, token: Address, block: BlockRef) -> int:
        """Return what an account has itself after ``block``: what it was given, and what requests moved."""
        escrow = self.model.escrow
        balance = self._gifts.get((account, token), 0)
        for event in self.events(0, block.number):
            match event:
                case RequestOpened(request=request) if request.terms.token == token:
                    balance += request.terms.budget * ((account == escrow) - (account == request.requester))
                case Withdrawn() if event.token == token:
                    balance += event.amount * ((account == event.to) - (account == escrow))
                case _:
                    pass
        return balance

    @property
    def domains(self) -> Mapping[str, Domain]:
        """The domain of each contract that takes signed messages, by the contract's name."""
        return _domains(self.chain_id)

    def _empty(self) -> LedgerModel:
        return LedgerModel(
            consortium=self.domains["Consortium"].verifying_contract,
            escrow=self.domains["AccessRequests"].verifying_contract,
        )

    def _next_ref(self, number: int) -> BlockRef:
        time = self._clock.now()
        if number:
            time = max(time, self.mined[-1].ref.time + 1)
        return BlockRef(number=number, hash=keccak256(f"{self._fork}/{number}/{time}".encode()), time=time)


@functools.cache
def _domains(chain_id: int) -> Mapping[str, Domain]:
    # Asked for at each replay.
    contracts = sorted({kind.contract for kind in SIGNABLES.values()})
    return {
        contract: Domain.of(contract, chain_id, address(f"0x{number:040x}"))
        for number, contract in enumerate(contracts, start=1)
    }
