"""A chain that takes signed messages and nothing else, and people who sign them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from medshare.chain.accounts import LocalSigner
from medshare.errors import LedgerError, SignedOutdatedError
from medshare.hashing import keccak256
from medshare.model.eip712 import Domain
from medshare.model.events import BlockRef
from medshare.model.ids import Address, address
from medshare.model.typed_data import SignableRevoke, SignableRevokeAll, SignedMessage, to_typed_data
from medshare.ports import CallOutcome, Receipt, Rehearsal, Signer
from medshare.testing import FakeClock

NOW = 1_800_000_000
HOUR = 3_600
PLACE = address("0x" + "c0" * 20)
DOMAIN = Domain.of("ConsentRegistry", 31337, PLACE)
GAS = 50_000


def person(number: int) -> LocalSigner:
    """Return somebody who can sign, and has no coins."""
    return LocalSigner.from_key(keccak256(b"person" + number.to_bytes(4, "big")))


def revocation(who: LocalSigner, number: int = 1, *, deadline: int = NOW + HOUR, domain: Domain = DOMAIN):
    """Return one's signed revocation of one of his grants."""
    message = SignableRevoke(
        patient=who.address, grant_id=int(who.address, 16) << 96 | number, last_epoch=1, deadline=deadline
    )
    signature = who.sign_typed_data(to_typed_data(message, domain))
    return SignedMessage(message=message, domain=domain, signer=who.address, signature=signature)


def revocation_of_all(who: LocalSigner, stamp: int = 0):
    """Return one's signed revocation of everything."""
    message = SignableRevokeAll(patient=who.address, stamp=stamp, deadline=NOW + HOUR)
    signature = who.sign_typed_data(to_typed_data(message, DOMAIN))
    return SignedMessage(message=message, domain=DOMAIN, signer=who.address, signature=signature)


@dataclass
class FakeRelay:
    """Does each message once, and knows an intent again, as contracts and outbox do.

    ``faults`` are raised, one by one, instead of sending; ``lost`` after sending, in place of the answer.
    """

    refusals: dict[bytes, LedgerError] = field(default_factory=dict)
    poison: set[bytes] = field(default_factory=set)
    """Messages that fail without saying why, and with them the whole."""
    poison_error: Callable[[], LedgerError] | None = None
    gas: dict[bytes, int] = field(default_factory=dict)
    faults: list[Exception] = field(default_factory=list)
    lost: list[Exception] = field(default_factory=list)
    mined: dict[str, tuple[CallOutcome, ...]] = field(default_factory=dict)
    batches: list[tuple[SignedMessage, ...]] = field(default_factory=list)
    """What was paid for."""
    rehearsed: list[tuple[SignedMessage, ...]] = field(default_factory=list)
    done: set[bytes] = field(default_factory=set)

    def rehearse(self, _payer: Address, signed: Sequence[SignedMessage]) -> Rehearsal:
        self.rehearsed.append(tuple(signed))
        self._check(signed)
        refusals = self._refusals(signed)
        good = [one for one, refusal in zip(signed, refusals, strict=True) if refusal is None]
        return Rehearsal(refusals=refusals, gas=sum(self.gas.get(one.digest, GAS) for one in good))

    def __call__(self, _payer: Signer, signed: Sequence[SignedMessage], *, intent: str | None = None):
        assert intent is not None
        if intent in self.mined:
            return self.mined[intent]
        if self.faults:
            raise self.faults.pop(0)
        self._check(signed)
        number = len(self.batches) + 1
        block = BlockRef(number=number, hash=bytes([number]) * 32, time=NOW)
        receipt = Receipt(tx_hash=bytes([number]) * 32, block=block, gas_used=1)
        self.mined[intent] = tuple(CallOutcome(receipt=receipt, refusal=one) for one in self._refusals(signed))
        self.batches.append(tuple(signed))
        self.done |= {one.digest for one, outcome in zip(signed, self.mined[intent], strict=True) if outcome.done}
        if self.lost:
            raise self.lost.pop(0)
        return self.mined[intent]

    def _check(self, signed: Sequence[SignedMessage]) -> None:
        assert len({one.message.contract for one in signed}) == 1
        if self.poison_error is not None and self.poison & {one.digest for one in signed}:
            raise self.poison_error()

    def _refusals(self, signed: Sequence[SignedMessage]) -> tuple[LedgerError | None, ...]:
        told: list[LedgerError | None] = []
        stamped: set[Address] = set()
        for one in signed:
            refusal = self.refusals.get(one.digest)
            if one.digest in self.done or (isinstance(one.message, SignableRevokeAll) and one.subject in stamped):
                refusal = SignedOutdatedError(0, 1)
            if isinstance(one.message, SignableRevokeAll):
                stamped.add(one.subject)
            told.append(refusal)
        return tuple(told)


@dataclass
class FakeHead:
    """The newest block, and no more of a chain."""

    clock: FakeClock
    behind: int = 0
    fault: Exception | None = None

    def head(self) -> BlockRef:
        if self.fault is not None:
            raise self.fault
        return BlockRef(number=1, hash=bytes(32), time=self.clock.now() - self.behind)


@dataclass
class FakeWallets:
    """Contract wallets by address, with what they take as their signature."""

    taken: dict[Address, bytes] = field(default_factory=dict)
    asked: int = 0

    def accepts(self, wallet: Address, _digest: bytes, signature: bytes) -> bool:
        self.asked += 1
        return self.taken.get(wallet) == signature


def forged(signed: SignedMessage) -> SignedMessage:
    """Return a message with one bit of its signature turned."""
    return replace(signed, signature=bytes([signed.signature[0] ^ 1]) + signed.signature[1:])
