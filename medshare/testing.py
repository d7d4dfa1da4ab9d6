"""Public test doubles: a chain, a store and a clock in memory, under the same rules as the real ones.

clock = FakeClock(1_800_000_000)
ledger, chain = in_memory_ledger(clock)
store = MemoryStore()
hospital = new_actor()
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from medshare.content import MAX_BLOCK_SIZE, Block, Cid, verify_block, walk
from medshare.envelope import Identity
from medshare.errors import BlobNotFoundError, BlobTooLargeError, InvalidInputError, LedgerUnavailableError
from medshare.hashing import keccak256
from medshare.model.consent import Grant, GrantRequest
from medshare.model.events import BlockRef, EventPlace, LedgerEvent
from medshare.model.ids import Address, GrantId, RecordId, address
from medshare.model.ledger import EncryptionKey, LedgerModel
from medshare.model.purpose import Purpose
from medshare.model.record import RecordEntry
from medshare.ports import Actor, Collected, Ledger, Receipt, Signer

Event = TypeVar("Event", bound=LedgerEvent)


@dataclass(slots=True)
class FakeClock:
    """A clock that moves when told to."""

    time: int

    def now(self) -> int:
        """Return the time it was set to."""
        return self.time

    def advance(self, seconds: int) -> None:
        """Move on by ``seconds``."""
        self.time += seconds


@dataclass(frozen=True, slots=True)
class NamedSigner:
    """A signer for the chain in memory: it has a name and no key."""

    address: Address

    def sign_transaction(self, transaction: Mapping[str, Any]) -> bytes:
        """Refuse: the chain in memory takes no signatures."""
        raise InvalidInputError(f"the chain in memory takes no signed transactions ({len(transaction)} fields)")


def new_actor() -> Actor:
    """Return an actor with a random address and a fresh encryption identity."""
    return Actor(signer=NamedSigner(address("0x" + secrets.token_hex(20))), identity=Identity.generate())


class MemoryStore:
    """A block store in memory."""

    def __init__(self) -> None:
        self.blocks: dict[Cid, bytes] = {}
        self._pins: set[Cid] = set()

    def get(self, cid: Cid, max_size: int = MAX_BLOCK_SIZE) -> bytes:
        """Return a block, verified."""
        if cid not in self.blocks:
            raise BlobNotFoundError(str(cid))
        data = self.blocks[cid]
        if len(data) > max_size:
            raise BlobTooLargeError(f"block {cid}", max_size)
        verify_block(cid, data)
        return data

    def put(self, blocks: Iterable[Block]) -> None:
        """Store blocks."""
        for block in blocks:
            self.blocks[block.cid] = bytes(block.data)

    def has(self, cid: Cid) -> bool:
        """Whether the block is here."""
        return cid in self.blocks

    def pin(self, root: Cid) -> None:
        """Keep everything below ``root``."""
        for _ in walk(self.get, root):
            pass
        self._pins.add(root)

    def unpin(self, root: Cid) -> None:
        """Keep it no longer."""
        self._pins.discard(root)

    def pins(self) -> frozenset[Cid]:
        """Return the pinned roots."""
        return frozenset(self._pins)

    def collect(self) -> Collected:
        """Remove what no pin reaches."""
        kept = {block.cid for root in self._pins for block in walk(self.get, root)}
        removed = [cid for cid in self.blocks if cid not in kept]
        freed = sum(len(self.blocks.pop(cid)) for cid in removed)
        return Collected(removed_blocks=len(removed), freed_bytes=freed, kept_blocks=len(self.blocks))


@dataclass(slots=True)
class _Mined:
    ref: BlockRef
    events: list[LedgerEvent] = field(default_factory=list)


class InMemoryChain:
    """Blocks and events in memory; each transaction is a block. It can be reorganised."""

    chain_id = 1337
    first_block = 0

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._fork = 0
        self.mined = [_Mined(self._next_ref(0))]
        self.model = LedgerModel()
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

    def state_at(self, block: BlockRef) -> LedgerModel:
        """Return the state after ``block``, by replaying."""
        if self.block(block.number) != block:
            raise LedgerUnavailableError(f"block {block.number} is not on the chain any more")
        model = LedgerModel()
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

    def reorganise(self, depth: int) -> None:
        """Drop the newest ``depth`` blocks, as if another branch had won."""
        del self.mined[len(self.mined) - depth :]
        self._fork += 1
        self.model = self.state_at(self.head())

    def _next_ref(self, number: int) -> BlockRef:
        time = self._clock.now()
        if number:
            time = max(time, self.mined[-1].ref.time + 1)
        return BlockRef(number=number, hash=keccak256(f"{self._fork}/{number}/{time}".encode()), time=time)


@dataclass(frozen=True, slots=True)
class _Directory:
    chain: InMemoryChain

    def encryption_key(self, actor: Address, *, block: BlockRef) -> EncryptionKey:
        return self.chain.state_at(block).encryption_key(actor)

    def set_encryption_key(self, signer: Signer, key: bytes) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.set_encryption_key(signer.address, key, place))


@dataclass(frozen=True, slots=True)
class _Records:
    chain: InMemoryChain

    def record(self, custodian: Address, record_id: RecordId, *, block: BlockRef) -> RecordEntry:
        return self.chain.state_at(block).record(custodian, record_id)

    def register(
        self,
        signer: Signer,
        record_id: RecordId,
        patient: Address,
        *,
        intent: str | None = None,  # noqa: ARG002 - the rules alone keep the chain in memory from doing it twice
    ) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.register(signer.address, record_id, patient, place))

    def supersede(
        self,
        signer: Signer,
        record_id: RecordId,
        previous_id: RecordId,
        *,
        intent: str | None = None,  # noqa: ARG002 - as above
    ) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.supersede(signer.address, record_id, previous_id, place))

    def retract(self, signer: Signer, record_id: RecordId, reason: bytes) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.retract(signer.address, record_id, reason, place))


@dataclass(frozen=True, slots=True)
class _Consents:
    chain: InMemoryChain

    def grant(
        self,
        signer: Signer,
        request: GrantRequest,
        *,
        intent: str | None = None,  # noqa: ARG002 - as above
    ) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.grant(signer.address, request, place))

    def revoke(self, signer: Signer, grant_id: GrantId) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.revoke(signer.address, grant_id, place))

    def revoke_all(self, signer: Signer, patient: Address) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.revoke_all(signer.address, patient, place))

    def get_grant(self, grant_id: GrantId, *, block: BlockRef) -> Grant:
        return self.chain.state_at(block).get_grant(grant_id)

    def stamp(self, patient: Address, *, block: BlockRef) -> int:
        return self.chain.state_at(block).stamp(patient)

    def is_live(self, grant_id: GrantId, purpose: Purpose, *, block: BlockRef) -> bool:
        return self.chain.state_at(block).is_live(grant_id, purpose, block.time)


def in_memory_ledger(clock: FakeClock) -> tuple[Ledger, InMemoryChain]:
    """Return a ledger in memory, and its chain for a test to move, inspect and reorganise."""
    chain = InMemoryChain(clock)
    ledger = Ledger(directory=_Directory(chain), records=_Records(chain), consents=_Consents(chain), chain=chain)
    return ledger, chain
