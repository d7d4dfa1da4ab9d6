"""Sending: one owner of an account's nonces, and nothing sent twice.

The order is: look whether it was sent before → estimate (a contract's refusal surfaces here, before anything is signed)
→ quote fees → check the balance → sign → write to the outbox → send → wait. Whatever breaks after signing leaves the
transaction in the outbox; the same intent, or the account's next transaction, takes it up from there. What waits too
long is outbid by one of the same nonce, and both are watched: exactly one of them is mined.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rlp
from eth_utils.address import to_checksum_address
from filelock import FileLock, Timeout

from medshare.chain.agreement import is_final
from medshare.chain.client import ChainClient, MinedReceipt
from medshare.chain.codec import hex_bytes, hex_int
from medshare.chain.fees import quote_fees
from medshare.chain.outbox import Entry, EntryState, Outbox
from medshare.chain.replacement import most_wei, outbid
from medshare.chain.wire import NodeError, printable
from medshare.errors import (
    EndpointsDisagreeError,
    InsufficientFundsError,
    InvalidInputError,
    LedgerBusyError,
    LedgerError,
    LedgerUnavailableError,
    RejectedError,
    TransactionFailedError,
)
from medshare.files import private_folder
from medshare.hashing import keccak256
from medshare.model.ids import Address
from medshare.ports import Receipt, Signer

logger = logging.getLogger(__name__)

_LOCK_WAIT = 60.0
_STUCK_AFTER = 60.0
_GAS_MARGIN_PERCENT = 115
_PLAIN_TRANSFER_GAS = 21_000
_SEND_ATTEMPTS = 4
_NONCE_ATTEMPTS = 5
_LOOKS = 3
_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 1.0
_PATIENCE = 10
"""Answers lost in a row until waiting gives up."""
_NUDGE_EVERY = 8
"""Looks in vain until the transaction is sent again."""
_MAX_INTENT = 256

_KNOWN = re.compile(r"already (known|imported|exists|in)|known transaction|alreadyknown", re.IGNORECASE)
_NONCE_TAKEN = re.compile(
    r"nonce.{0,20}too low|invalid nonce|old nonce|replacement transaction underpriced|nonce.{0,30}(used|mismatch)",
    re.IGNORECASE,
)
_FEE_TOO_LOW = re.compile(
    r"underpriced|fee.?too.?low|gas price.{0,20}(too low|below)|less than block base fee", re.IGNORECASE
)
_NO_FUNDS = re.compile(r"insufficient (funds|balance)|upfront cost exceeds", re.IGNORECASE)
_TOO_FAST = re.compile(r"rate.?limit|too many requests|limit exceeded|capacity", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """A contract that a transaction made."""

    receipt: Receipt
    address: Address


class TransactionSender:
    """Sends transactions for any signer; shared by threads, and safe beside other processes with the same folder.

    Args:
        client: the chain.
        folder: where outbox and locks lie; the same for every process that sends for these accounts. Two that do not
            share it compete for nonces, and where both sign the very same bytes, one transaction is made for both.
        lock_wait: seconds to wait for another process that is sending as the same account.
        stuck_after: seconds after which a transaction that is not mined is outbid with a higher fee.
    """

    def __init__(
        self,
        client: ChainClient,
        folder: Path,
        *,
        lock_wait: float = _LOCK_WAIT,
        stuck_after: float = _STUCK_AFTER,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._locks_folder = private_folder(folder / "locks")
        self._outbox = Outbox(folder / "outbox.sqlite", client.identity)
        self._lock_wait = lock_wait
        self._stuck_after = stuck_after
        self._sleep = sleep
        self._monotonic = monotonic
        self._mutexes: dict[Address, threading.Lock] = {}
        self._mutexes_guard = threading.Lock()

    def close(self) -> None:
        """Close the outbox; closing twice is no error."""
        self._outbox.close()

    def send(
        self, signer: Signer, *, to: Address, data: bytes = b"", value: int = 0, intent: str | None = None
    ) -> Receipt:
        """Send a transaction and wait until it is mined and confirmed.

        Args:
            signer: who sends.
            to: the contract, or whoever gets ``value``.
            data: the call.
            value: wei.
            intent: what it is for. Repeated with the same intent, the earlier transaction is taken up and its receipt
                returned; only where that one failed or died is another made.

        Raises:
            RejectedError: the contract refuses; the subclass says why. Mostly before anything is signed.
            InsufficientFundsError: the account cannot pay; nothing was signed, or nothing taken.
            TransactionFailedError: mined without effect, or refused by the node.
            LedgerBusyError: another process is sending as this account.
            LedgerUnavailableError: the node broke off. The transaction may still be mined: repeat with the intent.
            EndpointsDisagreeError: two nodes contradict each other about it; the same.
            WrongChainError: the node changed to another chain; nothing was sent.
            InvalidInputError: the intent was used for a transaction that does something else.
        """
        return self._receipt(self._await(self._submit(signer, to, data, value, intent), signer))

    def deploy(self, signer: Signer, creation_code: bytes, *, intent: str | None = None) -> Deployed:
        """Make a contract; arguments and errors as for ``send``."""
        entry = self._submit(signer, None, creation_code, 0, intent)
        receipt = self._receipt(self._await(entry, signer))
        return Deployed(receipt=receipt, address=contract_address(signer.address, entry.nonce))

    def has_sent(self, account: Address, intent: str) -> bool:
        """Whether a transaction was signed for this intent that was mined and did what it should, or may still be."""
        race = self._outbox.race(account, intent)
        return any(entry.state in (EntryState.SIGNED, EntryState.MINED) for entry in race)

    # ------------------------------------------------------------------------------------------- sending

    def _submit(self, signer: Signer, to: Address | None, data: bytes, value: int, intent: str | None) -> Entry:
        if intent is not None and not 0 < len(intent) <= _MAX_INTENT:
            raise InvalidInputError(f"an intent has 1 to {_MAX_INTENT} characters")
        account = signer.address
        payload = keccak256((to or "").encode() + b"|" + str(value).encode() + b"|" + data)
        with self._sending_as(account):
            self._client.check_chain()
            earlier = self._earlier(account, intent, payload)
            if earlier is not None:
                return earlier
            self._rebroadcast(account)
            transaction = self._transaction(account, to, data, value)
            for _ in range(_NONCE_ATTEMPTS):
                nonce = self._next_nonce(account)
                raw = signer.sign_transaction(transaction | {"nonce": nonce})
                entry = self._outbox.add(
                    account=account, nonce=nonce, tx_hash=keccak256(raw), raw=raw, payload=payload, intent=intent
                )
                if self._broadcast(entry, fresh=True):
                    logger.debug("sent %s, nonce %d", entry.tx_hash.hex(), nonce)
                    return entry
        raise LedgerBusyError(
            f"somebody else is sending as {account}: its next nonce was taken {_NONCE_ATTEMPTS} times"
        )

    def _earlier(self, account: Address, intent: str | None, payload: bytes) -> Entry | None:
        """Return the transaction that was made for this intent, if it is mined or may still be."""
        race = [] if intent is None else self._outbox.race(account, intent)
        if not race or any(entry.state is EntryState.FAILED for entry in race):
            return None
        decided = self._decided(race)
        alive = [entry for entry in race if entry.state is not EntryState.DEAD]
        if decided is None and alive:
            if self._broadcast(alive[-1]):
                return self._checked(alive[-1], payload)
            decided = self._decided(race)  # refused, perhaps because one of its rivals was mined meanwhile
        if decided is None:
            return None
        entry, receipt = decided
        # On one node's word, or while it can still be undone, nothing is made in its place: it might do it twice.
        if not receipt.succeeded and is_final(self._client, receipt):
            self._outbox.settle_race(entry, EntryState.FAILED)
            return None
        return self._checked(entry, payload)

    @staticmethod
    def _checked(entry: Entry, payload: bytes) -> Entry:
        if entry.payload != payload:
            raise InvalidInputError(f"the intent {entry.intent!r} was used for a transaction that does something else")
        return entry

    def _decided(self, race: Sequence[Entry]) -> tuple[Entry, MinedReceipt] | None:
        """Return the one of a race that was mined."""
        for entry in race:
            receipt = self._client.receipt(entry.tx_hash)
            if receipt is not None:
                return entry, receipt
        return None

    def _rebroadcast(self, account: Address) -> None:
        """Send again what was signed before and did not reach the node: it holds the next nonce."""
        unsettled = self._outbox.unsettled(account)
        if not unsettled:
            return
        pending = self._client.nonce(account, pending=True)
        # The dearest of each nonce: it would be refused for the same price or less.
        for entry in {entry.nonce: entry for entry in unsettled}.values():
            if entry.nonce >= pending:
                # Refused for good means dead: that must not hold up what comes after it.
                with suppress(InsufficientFundsError, TransactionFailedError):
                    self._broadcast(entry)

    def _transaction(self, account: Address, to: Address | None, data: bytes, value: int) -> dict[str, Any]:
        # Nodes word it in a dozen ways when they are asked what it would take to send more than there is.
        if value and self._client.balance(account) < value:
            raise InsufficientFundsError(account)
        gas = self._client.estimate_gas(sender=account, to=to, data=data, value=value)
        if gas != _PLAIN_TRANSFER_GAS:
            gas = gas * _GAS_MARGIN_PERCENT // 100
        fees = quote_fees(self._client)
        if self._client.balance(account) < gas * fees.most + value:
            raise InsufficientFundsError(account)
        transaction = {"chainId": self._client.chain_id, "gas": gas, "value": value, "data": data, **fees.fields}
        return transaction if to is None else transaction | {"to": to}

    def _next_nonce(self, account: Address) -> int:
        # The lowest that is free: what waits above a gap is never mined until somebody fills it.
        held = {entry.nonce for entry in self._outbox.unsettled(account)}
        nonce = self._client.nonce(account, pending=True)
        while nonce in held:
            nonce += 1
        return nonce

    def _broadcast(self, entry: Entry, *, fresh: bool = False) -> bool:
        """Send the bytes of an entry until the node has them; False where another transaction took the nonce.

        Raises:
            InsufficientFundsError, TransactionFailedError: the node will not take it; it is dead.
            LedgerUnavailableError: nobody knows; it stays in the outbox.
        """
        lost = LedgerUnavailableError("the node does not take the transaction now")
        for attempt in range(_SEND_ATTEMPTS):
            if attempt:
                self._sleep(0.1 * 2**attempt)
            if attempt or not fresh:
                logger.info("0x%s is sent again", entry.tx_hash.hex())
            try:
                self._client.send_raw(entry.raw)
            except NodeError as refusal:
                # The node may have it in spite of what it says: an earlier answer may have been lost.
                if _KNOWN.search(refusal.reason) or self._is_known(entry, looks=1 if fresh else _LOOKS):
                    return True
                if not _TOO_FAST.search(refusal.reason):
                    return self._buried(entry, refusal)
                lost = refusal
            except LedgerUnavailableError as error:
                logger.debug("%s: the answer was lost, looking it up", entry.tx_hash.hex())
                lost, fresh = error, False
                with suppress(LedgerUnavailableError):
                    if self._is_known(entry, looks=1):
                        return True
            else:
                return True
        raise lost

    def _buried(self, entry: Entry, refusal: NodeError) -> bool:
        """Write down that an entry is dead; return False if its nonce was taken, else raise what the node said."""
        self._outbox.settle(entry, EntryState.DEAD)
        if _NONCE_TAKEN.search(refusal.reason):
            return False
        if _NO_FUNDS.search(refusal.reason):
            raise InsufficientFundsError(entry.account) from None
        reason = printable(refusal.reason)
        if _FEE_TOO_LOW.search(refusal.reason):
            reason = f"the fee is too low for the node: {reason}"
        raise TransactionFailedError("0x" + entry.tx_hash.hex(), reason) from None

    def _is_known(self, entry: Entry, *, looks: int) -> bool:
        """Whether the node has a transaction; looked up more than once where nodes behind one address may differ."""
        for look in range(looks):
            if look:
                self._sleep(_FIRST_PAUSE * 10)
            if self._client.transaction(entry.tx_hash) is not None:
                return True
        return False

    # ------------------------------------------------------------------------------------------- waiting

    def _await(self, entry: Entry, signer: Signer) -> MinedReceipt:
        """Return the receipt of a transaction that did what it should, or of its rival; raises as ``send`` does."""
        winner, receipt = self._mined(entry, signer)
        if not receipt.succeeded:
            self._outbox.settle_race(winner, EntryState.FAILED)
            raise self._why(receipt)
        if winner.state is not EntryState.MINED:
            self._outbox.settle_race(winner, EntryState.MINED)
        logger.debug("%s mined in block %d", winner.tx_hash.hex(), receipt.block_number)
        return receipt

    def _mined(self, entry: Entry, signer: Signer) -> tuple[Entry, MinedReceipt]:
        """Return which of the transactions for a nonce was mined, once it is confirmed, patiently."""
        race = self._outbox.rivals(entry) or [entry]
        deadline = self._monotonic() + self._client.profile.receipt_timeout
        stuck_at = self._monotonic() + self._stuck_after
        pause, failures, looks = _FIRST_PAUSE, 0, 0
        while True:
            try:
                for rival in race:
                    receipt = self._confirmed(rival)
                    if receipt is not None:
                        return rival, receipt
                failures = 0
                looks += 1
                if looks % _NUDGE_EVERY == 0:
                    self._nudge(race)
                if self._monotonic() > stuck_at:
                    stuck_at = self._monotonic() + self._stuck_after
                    race = [*race, *self._outbid(race, signer)]
            except (LedgerUnavailableError, EndpointsDisagreeError):
                # Two nodes may be on two branches for a moment, where blocks compete.
                failures += 1
                if failures >= _PATIENCE:
                    raise
            if self._monotonic() > deadline:
                raise LedgerUnavailableError(
                    f"transaction 0x{entry.tx_hash.hex()} was not mined and confirmed in time",
                    hint="it may still be mined: repeat the operation, it is not sent twice" + self._on_demand(),
                )
            self._sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def _outbid(self, race: Sequence[Entry], signer: Signer) -> list[Entry]:
        """Sign and send a transaction that pays more for the same; none where that cannot be, or helps no more."""
        last = race[-1]
        if self._decided(race) is not None:
            return []
        fields = outbid(self._client, last.raw)
        if fields is None or self._client.balance(last.account) < most_wei(fields):
            logger.info("0x%s waits, and a higher fee is not allowed or cannot be paid", last.tx_hash.hex())
            return []
        with self._sending_as(last.account):
            raw = signer.sign_transaction(fields)
            rival = self._outbox.add(
                account=last.account,
                nonce=last.nonce,
                tx_hash=keccak256(raw),
                raw=raw,
                payload=last.payload,
                intent=last.intent,
            )
            try:
                sent = self._broadcast(rival, fresh=True)
            except (InsufficientFundsError, TransactionFailedError):
                return []
            except LedgerUnavailableError:
                return [rival]
        logger.info("0x%s waits: outbid by 0x%s", last.tx_hash.hex(), rival.tx_hash.hex())
        return [rival] if sent else []

    def _on_demand(self) -> str:
        if self._client.profile.confirmations == 1:
            return ""
        return "; a node that mines only when something is sent adds no confirmations: set confirmations = 1 for it"

    def _confirmed(self, entry: Entry) -> MinedReceipt | None:
        receipt = self._client.receipt(entry.tx_hash)
        return receipt if receipt is not None and is_final(self._client, receipt) else None

    def _nudge(self, race: Sequence[Entry]) -> None:
        """Send a transaction again that the node has lost; notice that it can never be mined."""
        entry = race[-1]
        if self._is_known(entry, looks=1) or self._broadcast(entry) or self._decided(race[:-1]):
            return
        raise TransactionFailedError(
            "0x" + entry.tx_hash.hex(), "another transaction of the account took its place; repeat the operation"
        )

    def _why(self, receipt: MinedReceipt) -> LedgerError:
        """Return why a transaction reverted: ask the same again at its block, then at the block before."""
        name = "0x" + receipt.tx_hash.hex()
        try:
            transaction = self._client.transaction(receipt.tx_hash) or {}
            if not transaction.get("to"):
                return TransactionFailedError(name, "the contract could not be made")
            gas = hex_int(transaction["gas"])
            for number in (receipt.block_number, max(0, receipt.block_number - 1)):
                self._client.call(
                    Address(transaction["to"]),
                    hex_bytes(transaction["input"]),
                    block=self._client.block(number),
                    sender=receipt.sender,
                    value=hex_int(transaction["value"], (1 << 256) - 1),
                )
        except RejectedError as error:
            return error
        except TransactionFailedError as error:
            return _renamed(error, name)
        except (LedgerError, KeyError):
            return TransactionFailedError(name, "reverted")
        reason = "out of gas" if receipt.gas_used >= gas else "reverted"
        return TransactionFailedError(name, reason)

    def _receipt(self, mined: MinedReceipt) -> Receipt:
        block = self._client.block(mined.block_number)
        if block.hash != mined.block_hash:
            raise LedgerUnavailableError(
                f"block {mined.block_number} was replaced while it was read", hint="repeat: nothing is sent twice"
            )
        return Receipt(tx_hash=mined.tx_hash, block=block, gas_used=mined.gas_used)

    # ------------------------------------------------------------------------------------------- one at a time

    @contextmanager
    def _sending_as(self, account: Address) -> Iterator[None]:
        """Hold the account's next nonce, among threads and among processes."""
        with self._mutexes_guard:
            mutex = self._mutexes.setdefault(account, threading.Lock())
        path = self._locks_folder / f"{self._client.identity}-{account}.lock"
        with mutex:
            lock = FileLock(path, timeout=self._lock_wait, mode=0o600, poll_interval=0.01)
            try:
                lock.acquire()
            except Timeout:
                raise LedgerBusyError(f"another process is sending as {account}") from None
            try:
                yield
            finally:
                lock.release()


def contract_address(creator: Address, nonce: int) -> Address:
    """Return the address of the contract that an account makes with a nonce."""
    encoded = rlp.encode([bytes.fromhex(creator[2:]), nonce])
    return Address(str(to_checksum_address(keccak256(encoded)[-20:])))


def _renamed(error: TransactionFailedError, tx_hash: str) -> TransactionFailedError:
    reason = str(error).partition(" failed: ")[2]
    return TransactionFailedError(tx_hash, reason or "reverted")
