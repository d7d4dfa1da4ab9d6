"""Relaying: somebody who has coins sends what patients have signed, so that patients need none.

    relaying = Relaying(
        relay=ledger.relay, chain=ledger.chain, payer=payer, domains=domains, wallets=wallets, clock=clock, folder=state
    )
    for relayed in relaying.relay(messages):
        print(relayed.state, relayed.error)

The steps, numbered as in the code:

(1) take up what was on its way when this last ended: the same bytes are sent again, and asked for;
(2) pass over what is done already;
(3) check each message alone: kind, chain, contract, deadline, signature. The chain is asked only whether a signer whose
    key did not sign is a contract wallet that did;
(4) rehearse: the chain says what it would do with all of them, together and in this order;
(5) take a turn for each, within the limits for its patient and for all;
(6) write the batch down, send it in one transaction, and wait.

A relayer can neither change what was signed nor use it for anything else; the worst that one can do is to send late, or
never: then the patient takes another, or sends it himself.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import chain as chained
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from medshare.errors import (
    ConfigurationError,
    InsufficientFundsError,
    LedgerBusyError,
    LedgerError,
    LedgerUnavailableError,
    MedshareError,
    NotRelayableError,
    RateLimitedError,
    RejectedError,
    StoreError,
    TransactionFailedError,
)
from medshare.files import private_folder
from medshare.hashing import keccak256
from medshare.model.eip712 import Domain
from medshare.model.typed_data import SignableRecover, SignedMessage
from medshare.ports import CallOutcome, Clock, ContractWallets, EventSource, Receipt, Relay, Signer
from medshare.services.progress import Progress, silent
from medshare.services.rate_limits import RateLimit, RateLimits
from medshare.services.relay_journal import DoneBefore, RelayJournal
from medshare.services.signing import verify

_log = logging.getLogger(__name__)

_EACH = RateLimit(most=50, period=86_400)
_TOGETHER = RateLimit(most=5_000, period=86_400)
_CANNOT_PAY = (InsufficientFundsError, ConfigurationError, LedgerBusyError, StoreError)
"""What hits the relayer, whatever it would send: nothing is wrong with the messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayPolicy:
    """What a relayer pays for."""

    each: RateLimit = _EACH
    """For one patient."""
    together: RateLimit = _TOGETHER
    """For all of them."""
    max_items: int = 64
    """Messages in one transaction."""
    max_gas: int = 6_000_000
    """Units of gas for one transaction."""
    max_gas_each: int = 700_000
    """Units of gas for one message: a contract wallet that asks for more sends it itself."""
    margin: int = 60
    """Seconds before its deadline in which a message is no longer sent: it could be mined too late, and be paid for."""


class RelayState(StrEnum):
    """What became of a message."""

    DONE = "done"
    REFUSED = "refused"
    """It will never be sent as it is: sign it anew."""
    LATER = "later"
    """Nothing is wrong with it; it waits its turn, or the relayer cannot send now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relayed:
    """What a relayer did with one message."""

    signed: SignedMessage
    state: RelayState
    error: MedshareError | None = None
    """Why it is not done."""
    tx_hash: bytes | None = None
    """The transaction in which it was sent."""
    block_number: int | None = None

    @classmethod
    def of(cls, signed: SignedMessage, outcome: CallOutcome) -> Self:
        """Return what the chain did with a message."""
        receipt: Receipt | None = outcome.receipt
        return cls(
            signed=signed,
            state=RelayState.DONE if outcome.done else RelayState.REFUSED,
            error=outcome.refusal,
            tx_hash=None if receipt is None else receipt.tx_hash,
            block_number=None if receipt is None else receipt.block.number,
        )


class Relaying:
    """Sends signed messages, as a relayer.

    Args:
        relay: what sends.
        chain: asked for the time of its newest block.
        payer: whose coins pay.
        domains: the contracts that are served, by name, as ``Domain`` of this deployment.
        wallets: asked where a signature is no key's.
        clock: the time of day.
        folder: where journal and limits lie; one for each deployment.
        policy: what is paid for.
    """

    def __init__(
        self,
        *,
        relay: Relay,
        chain: EventSource,
        payer: Signer,
        domains: Mapping[str, Domain],
        wallets: ContractWallets,
        clock: Clock,
        folder: Path,
        policy: RelayPolicy | None = None,
    ) -> None:
        self._relay = relay
        self._chain = chain
        self._payer = payer
        self._domains = domains
        self._wallets = wallets
        self._clock = clock
        self._policy = policy or RelayPolicy()
        private_folder(folder)
        self._lock = folder / "relay.lock"
        self._journal = RelayJournal(folder / "relay.sqlite")
        self._limits = RateLimits(folder / "limits.sqlite", each=self._policy.each, together=self._policy.together)

    def relay(self, messages: Sequence[SignedMessage], *, progress: Progress = silent) -> tuple[Relayed, ...]:
        """Send messages of any patients; return what became of each, in their order.

        What is wrong with one keeps no other back. A message given twice, now or later, is done once.

        Raises:
            LedgerBusyError: another process relays from the same folder.
            LedgerUnavailableError: the chain cannot be asked at all; repeat.
            StoreFullError, ConfigurationError: journal or limits cannot be used.
        """
        with self._alone():
            self._take_up()  # (1)
            now = max(self._clock.now(), self._chain.head().time)
            found: dict[SignedMessage, Relayed] = {}
            # By digest only what is signed well: a forged copy must not stand in for the real one.
            chosen: dict[bytes, SignedMessage] = {}
            done = self._journal.done(one.digest for one in messages)  # (2)
            for signed in dict.fromkeys(messages):
                known = done.get(signed.digest)
                relayed = self._fault(signed, now) if known is None else _done(signed, known)  # (3)
                if relayed is None:
                    chosen.setdefault(signed.digest, signed)
                else:
                    found[signed] = relayed
            halted: MedshareError | None = None
            try:
                for relayed in self._send_all(_by_contract(chosen.values()), now):
                    found[relayed.signed] = relayed
                    progress("relaying", len(found), len(messages))
            except (LedgerUnavailableError, *_CANNOT_PAY) as error:
                _log.warning("relaying stopped: %s", error)
                halted = error
        decided = (found.get(one) or found.get(chosen[one.digest]) or _later(one, halted) for one in messages)
        return tuple(replace(relayed, signed=one) for relayed, one in zip(decided, messages, strict=True))

    def pay(self, signed: SignedMessage) -> Receipt:
        """Send one message at once, of somebody for whom the payer answers: no limit holds it back.

        Raises:
            LedgerBusyError: another process relays from the same folder.
            RejectedError, SigningError, NotRelayableError: it is refused, and nothing was sent.
            LedgerError: as for every transaction. Repeated, the same message is done once.
        """
        with self._alone():
            self._take_up()
            refused = self._fault(signed, max(self._clock.now(), self._chain.head().time))
            if refused is not None and refused.error is not None:
                raise refused.error
            intent = _intent([signed])
            self._journal.begin(intent, [signed])
            try:
                (outcome,) = self._relay(self._payer, [signed], intent=intent)
            except LedgerUnavailableError:
                raise
            except (LedgerError, *_CANNOT_PAY):
                self._journal.abandon(intent)
                raise
            self._journal.finish(intent, [signed], [outcome])
        if outcome.receipt is None:
            raise outcome.refusal or NotRelayableError("the chain does not take it")
        return outcome.receipt

    # ------------------------------------------------------------------------------------------- checking

    def _fault(self, signed: SignedMessage, now: int) -> Relayed | None:
        """Return the refusal of a message that no chain need be asked about."""
        try:
            if isinstance(signed.message, SignableRecover):
                raise NotRelayableError(
                    "a guardian's signature is not relayed by itself",
                    hint="gather those of enough guardians, and propose the recovery with them",
                )
            domain = self._domains.get(signed.message.contract)
            if domain is None:
                raise NotRelayableError(f"this relayer does not serve {signed.message.contract}")
            verify(signed, domain, now=now + self._policy.margin, wallets=self._wallets)
        except LedgerUnavailableError as error:
            return _later(signed, error)
        except MedshareError as error:
            return _refused(signed, error)
        return None

    # -------------------------------------------------------------------------------------------- sending

    def _send_all(self, groups: Iterable[Sequence[SignedMessage]], now: int) -> Iterator[Relayed]:
        for group in groups:
            for start in range(0, len(group), self._policy.max_items):
                yield from self._send(group[start : start + self._policy.max_items], now)

    def _send(self, batch: Sequence[SignedMessage], now: int) -> Iterator[Relayed]:
        """Send messages of one contract; in smaller parts where the whole fails or takes too much gas.

        Raises:
            LedgerUnavailableError: nobody knows about the last ones.
            MedshareError: one of ``_CANNOT_PAY``.
        """
        try:
            rehearsal = self._relay.rehearse(self._payer.address, batch)  # (4)
        except (RejectedError, TransactionFailedError) as error:
            if len(batch) == 1:
                yield _refused(batch[0], error)
            else:
                yield from chained.from_iterable(self._send(half, now) for half in _halves(batch))
            return
        good = []
        for signed, refusal in zip(batch, rehearsal.refusals, strict=True):
            if refusal is None:
                good.append(signed)
            else:
                yield _refused(signed, refusal)
        most = min(self._policy.max_gas, self._policy.max_gas_each * len(good))
        if rehearsal.gas <= most:
            admitted = []
            for signed, wait in zip(good, self._limits.admit([one.subject for one in good], now), strict=True):  # (5)
                if wait:
                    yield _later(signed, RateLimitedError(signed.subject, wait))
                else:
                    admitted.append(signed)
            yield from self._pay(admitted, now)
        elif len(good) > 1:
            yield from chained.from_iterable(self._send(half, now) for half in _halves(good))
        else:
            yield _refused(
                good[0], NotRelayableError(f"it takes {rehearsal.gas} units of gas, at most {most} are paid")
            )

    def _pay(self, batch: Sequence[SignedMessage], now: int) -> Iterator[Relayed]:
        if not batch:
            return
        intent = _intent(batch)
        self._journal.begin(intent, batch)  # (6)
        try:
            outcomes = self._relay(self._payer, batch, intent=intent)
        except (RejectedError, TransactionFailedError) as error:
            self._journal.abandon(intent)
            if len(batch) == 1:
                yield _refused(batch[0], error)
            else:
                yield from chained.from_iterable(self._pay(half, now) for half in _halves(batch))
        except _CANNOT_PAY:
            self._journal.abandon(intent)
            self._limits.give_back([signed.subject for signed in batch], now)
            raise
        else:
            self._journal.finish(intent, batch, outcomes)
            _log.info("relayed %d messages, %d done", len(batch), sum(outcome.done for outcome in outcomes))
            yield from (Relayed.of(signed, outcome) for signed, outcome in zip(batch, outcomes, strict=True))

    def _take_up(self) -> None:
        """Wait for what was on its way when a relayer ended. What became of it is in the journal afterwards."""
        for intent, batch in self._journal.on_their_way().items():
            try:
                outcomes = self._relay(self._payer, batch, intent=intent)
            except LedgerUnavailableError:
                raise
            except (LedgerError, *_CANNOT_PAY):
                # It will never be mined; who gave it to us gives it again, and it is looked at anew.
                self._journal.abandon(intent)
            else:
                self._journal.finish(intent, batch, outcomes)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        lock = FileLock(self._lock, timeout=0, mode=0o600)
        try:
            lock.acquire()
        except Timeout:
            raise LedgerBusyError("another process relays from the same folder") from None
        try:
            yield
        finally:
            lock.release()


def _by_contract(messages: Iterable[SignedMessage]) -> Iterable[Sequence[SignedMessage]]:
    groups: dict[str, list[SignedMessage]] = {}
    for signed in messages:
        groups.setdefault(signed.message.contract, []).append(signed)
    return groups.values()


def _halves(batch: Sequence[SignedMessage]) -> tuple[Sequence[SignedMessage], Sequence[SignedMessage]]:
    middle = len(batch) // 2
    return batch[:middle], batch[middle:]


def _intent(batch: Sequence[SignedMessage]) -> str:
    """Return the name of the transaction that sends exactly these signatures."""
    return "relay/" + keccak256(b"".join(keccak256(signed.to_json()) for signed in batch)).hex()


def _done(signed: SignedMessage, known: DoneBefore) -> Relayed:
    return Relayed(signed=signed, state=RelayState.DONE, tx_hash=known.tx_hash, block_number=known.block_number)


def _refused(signed: SignedMessage, error: MedshareError) -> Relayed:
    return Relayed(signed=signed, state=RelayState.REFUSED, error=error)


def _later(signed: SignedMessage, error: MedshareError | None) -> Relayed:
    return Relayed(signed=signed, state=RelayState.LATER, error=error)
