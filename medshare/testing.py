"""Public test doubles: a chain, a store and a clock in memory, under the same rules as the real ones.

clock = FakeClock(1_800_000_000)
ledger, chain = in_memory_ledger(clock)
store = MemoryStore()
hospital = new_actor()
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from medshare.content import MAX_BLOCK_SIZE, Block, Cid, verify_block, walk
from medshare.envelope import Identity
from medshare.errors import (
    BlobNotFoundError,
    BlobTooLargeError,
    InvalidInputError,
    LedgerError,
    LedgerUnavailableError,
    RejectedError,
    WrongDomainError,
)
from medshare.hashing import keccak256
from medshare.model.accreditation import AccreditationKind
from medshare.model.approvals import line_up
from medshare.model.consent import Grant, GrantRequest
from medshare.model.delegation import Circle, Control, Delegation, DelegationRequest, Guardianship
from medshare.model.eip712 import Domain
from medshare.model.emergency import Bar, EmergencyLimits, Episode, EpisodeRequest, Standing, Verdict
from medshare.model.events import BlockRef, EventPlace, LedgerEvent
from medshare.model.ids import Address, BundleId, EpisodeId, GrantId, RecordId, address, derive_episode_id
from medshare.model.ledger import EncryptionKey, LedgerModel
from medshare.model.purpose import Purpose
from medshare.model.record import RecordEntry
from medshare.model.signatures import recover
from medshare.model.typed_data import SIGNABLES, SignedMessage, digest
from medshare.ports import (
    Actor,
    Collected,
    Ledger,
    OpenedEpisode,
    Receipt,
    Rehearsal,
    RelayOutcome,
    Signer,
)

_GAS_OF_ONE = 50_000


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
    accreditor = NamedSigner(address("0x" + "ac" * 20))
    """Who accredits clinicians and reviewers here."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._fork = 0
        self.mined = [_Mined(self._next_ref(0))]
        self.model = self._empty()
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

    def reorganise(self, depth: int) -> None:
        """Drop the newest ``depth`` blocks, as if another branch had won."""
        del self.mined[len(self.mined) - depth :]
        self._fork += 1
        self.model = self.state_at(self.head())

    @property
    def domains(self) -> Mapping[str, Domain]:
        """The domain of each contract that takes signed messages, by the contract's name."""
        contracts = sorted({kind.contract for kind in SIGNABLES.values()})
        return {
            contract: Domain.of(contract, self.chain_id, address(f"0x{number:040x}"))
            for number, contract in enumerate(contracts, start=1)
        }

    def _empty(self) -> LedgerModel:
        return LedgerModel(accreditor=self.accreditor.address)

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

    def grant_for(
        self,
        signer: Signer,
        patient: Address,
        request: GrantRequest,
        *,
        intent: str | None = None,  # noqa: ARG002 - as above
    ) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.grant_for(signer.address, patient, request, place))

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


@dataclass(frozen=True, slots=True)
class _Authority:
    chain: InMemoryChain

    def appoint(self, signer: Signer, patient: Address, request: DelegationRequest) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.appoint(signer.address, patient, request, place))

    def dismiss(self, signer: Signer, patient: Address, delegate: Address) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.dismiss(signer.address, patient, delegate, place))

    def name_guardians(self, signer: Signer, patient: Address, circle: bytes, delay: int) -> Receipt:
        return self.chain.mine(
            lambda place: self.chain.model.name_guardians(signer.address, patient, circle, delay, place)
        )

    def propose_recovery(
        self,
        payer: Signer,  # noqa: ARG002 - anybody may
        circle: Circle,
        approvals: Sequence[SignedMessage],
    ) -> Receipt:
        message, signatures = line_up(circle, approvals)
        attempt = self.chain.model.guardianship(message.patient).attempt + 1
        signed = digest(replace(message, attempt=attempt), self.chain.domains[message.contract])
        found = [
            None if not signature else recover(signed, signature) == guardian
            for guardian, signature in zip(circle.guardians, signatures, strict=True)
        ]
        return self.chain.mine(
            lambda place: self.chain.model.propose_recovery(
                message.patient, message.controller, circle, message.deadline, found, place
            )
        )

    def object_to_recovery(self, signer: Signer, patient: Address) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.object_to_recovery(signer.address, patient, place))

    def complete_recovery(
        self,
        payer: Signer,  # noqa: ARG002 - anybody may
        patient: Address,
    ) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.complete_recovery(patient, place))

    def controller_of(self, patient: Address, *, block: BlockRef) -> Control:
        return self.chain.state_at(block).controller_of(patient)

    def delegation(self, patient: Address, delegate: Address, *, block: BlockRef) -> Delegation:
        return self.chain.state_at(block).delegation(patient, delegate)

    def may_act(self, delegation: Delegation, *, block: BlockRef) -> bool:
        return self.chain.state_at(block).is_delegate(delegation, block.time)

    def guardianship(self, patient: Address, *, block: BlockRef) -> Guardianship:
        return self.chain.state_at(block).guardianship(patient)


@dataclass(frozen=True, slots=True)
class _Emergencies:
    chain: InMemoryChain

    def break_glass(
        self,
        signer: Signer,
        request: EpisodeRequest,
        *,
        intent: str | None = None,  # noqa: ARG002 - as above
    ) -> OpenedEpisode:
        receipt = self.chain.mine(lambda place: self.chain.model.break_glass(signer.address, request, place))
        number = self.chain.model.standing(signer.address).episodes
        return OpenedEpisode(episode_id=derive_episode_id(signer.address, number), receipt=receipt)

    def end(self, signer: Signer, episode_id: EpisodeId) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.end_episode(signer.address, episode_id, place))

    def release(self, signer: Signer, episode_id: EpisodeId, bundle: BundleId) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.release(signer.address, episode_id, bundle, place))

    def review(self, signer: Signer, episode_id: EpisodeId, verdict: Verdict, note: bytes) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.review(signer.address, episode_id, verdict, note, place))

    def set_bar(self, signer: Signer, patient: Address, *, barred: bool) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.set_bar(signer.address, patient, place, barred=barred))

    def episode(self, episode_id: EpisodeId, *, block: BlockRef) -> Episode:
        return self.chain.state_at(block).episode(episode_id)

    def is_live(self, episode_id: EpisodeId, *, block: BlockRef) -> bool:
        return self.chain.state_at(block).is_episode_live(episode_id, block.time)

    def standing(self, clinician: Address, *, block: BlockRef) -> Standing:
        return self.chain.state_at(block).standing(clinician)

    def bar(self, patient: Address, *, block: BlockRef) -> Bar:
        return self.chain.state_at(block).bar(patient)

    def limits(self, *, block: BlockRef) -> EmergencyLimits:
        return self.chain.state_at(block).limits


@dataclass(frozen=True, slots=True)
class _Accreditation:
    chain: InMemoryChain

    def accredit(self, signer: Signer, actor: Address, kind: AccreditationKind, valid_until: int) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.accredit(signer.address, actor, kind, valid_until, place))

    def accreditor(self, *, block: BlockRef) -> Address:
        return self.chain.state_at(block).accreditor

    def accredited_until(self, actor: Address, kind: AccreditationKind, *, block: BlockRef) -> int:
        return self.chain.state_at(block).accredited_until(actor, kind)

    def is_accredited(self, actor: Address, kind: AccreditationKind, *, block: BlockRef) -> bool:
        return self.chain.state_at(block).is_accredited(actor, kind, block.time)


class _Relay:
    """Keys sign here, contract wallets do not: there are no contracts but ours."""

    def __init__(self, chain: InMemoryChain) -> None:
        self._chain = chain
        self._sent: dict[str, tuple[RelayOutcome, ...]] = {}

    def __call__(
        self,
        payer: Signer,
        signed: Sequence[SignedMessage],
        *,
        intent: str | None = None,
    ) -> tuple[RelayOutcome, ...]:
        if intent is not None and intent in self._sent:
            return self._sent[intent]
        refusals = self.rehearse(payer.address, signed).refusals
        if all(refusals):
            if len(signed) == 1 and refusals[0] is not None:
                raise refusals[0]
            return tuple(RelayOutcome(receipt=None, refusal=refusal) for refusal in refusals)
        told: list[LedgerError | None] = []
        receipt = self._chain.mine(lambda place: self._take(self._chain.model, signed, place, told))
        outcomes = tuple(RelayOutcome(receipt=receipt, refusal=refusal) for refusal in told)
        if intent is not None:
            self._sent[intent] = outcomes
        return outcomes

    def rehearse(
        self,
        payer: Address,  # noqa: ARG002 - who pays makes no difference here
        signed: Sequence[SignedMessage],
    ) -> Rehearsal:
        contracts = {one.message.contract for one in signed}
        if len(contracts) != 1:
            raise InvalidInputError("one transaction carries messages of one contract, and at least one message")
        for one in signed:
            if one.domain != self._chain.domains[one.message.contract]:
                raise WrongDomainError(self._chain.domains[one.message.contract], one.domain)
        head = self._chain.head()
        told: list[LedgerError | None] = []
        place = EventPlace(block=head, log_index=0, tx_hash=bytes(len(head.hash)))
        self._take(self._chain.state_at(head), signed, place, told)
        return Rehearsal(refusals=tuple(told), gas=_GAS_OF_ONE * told.count(None))

    def _take(
        self, model: LedgerModel, signed: Sequence[SignedMessage], place: EventPlace, told: list[LedgerError | None]
    ) -> list[LedgerEvent]:
        """Let the model take each message; add to ``told`` why it refused it, or None."""
        events: list[LedgerEvent] = []
        for one in signed:
            try:
                valid = recover(one.digest, one.signature) == one.signer
                here = replace(place, log_index=len(events))
                events += model.relay(one.message, one.signer, here, valid=valid)
                told.append(None)
            except RejectedError as error:
                told.append(error)
        return events


def in_memory_ledger(clock: FakeClock) -> tuple[Ledger, InMemoryChain]:
    """Return a ledger in memory, and its chain for a test to move, inspect and reorganise."""
    chain = InMemoryChain(clock)
    ledger = Ledger(
        directory=_Directory(chain),
        records=_Records(chain),
        consents=_Consents(chain),
        authority=_Authority(chain),
        emergencies=_Emergencies(chain),
        accreditation=_Accreditation(chain),
        relay=_Relay(chain),
        chain=chain,
    )
    return ledger, chain
