"""The embedded chain as a JSON-RPC node: the same questions, answers and errors as over a wire.

One process holds the chain at a time. Each transaction is mined at once, in a block of its own. The head is never
older than the second in which it is asked for, so a grant that has expired is seen to have expired.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from eth_keys.datatypes import PrivateKey
from eth_utils.exceptions import ValidationError
from filelock import FileLock, Timeout
from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from medshare.chain.embedded.database import ChainDatabase, Json, disk_errors
from medshare.chain.embedded.evm import EmbeddedBackend, ExecutionRevertedError
from medshare.chain.embedded.serialize import Evm
from medshare.errors import LedgerBusyError
from medshare.files import private_folder
from medshare.hashing import keccak256

logger = logging.getLogger(__name__)

EMBEDDED_CHAIN_ID = 0x6D656473
"""1835361395, "meds" in ASCII; no public chain has it."""
ENDOWMENT = 10**27
DEFAULT_WAIT = 10.0
_MAX_LOGS = 10_000
_REVERTED = 3
_SERVER_ERROR = -32000
_INVALID_PARAMS = -32602
_UNKNOWN_METHOD = -32601


def faucet_key() -> bytes:
    """Return the key of the account that holds the embedded chain's coins: no secret, its coins buy nothing."""
    return keccak256(b"medshare/embedded/faucet/1")


class RpcRefusalError(Exception):
    """A question that the node refuses, with JSON-RPC's code."""

    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        super().__init__(message)
        self.body: Json = {"code": code, "message": message}
        if data is not None:
            self.body["data"] = data


class EmbeddedNode:
    """The chain in ``folder``, held until ``close``.

    Args:
        folder: where it is, or shall be.
        wait: seconds to wait for another process that holds it.
        clock: Unix seconds.

    Raises:
        LedgerBusyError: another process still holds it.
        ConfigurationError: its files have a format of another version, are damaged, or may not be written.
        StoreFullError: the disk is full.
        LedgerUnavailableError: the disk failed.
    """

    def __init__(self, folder: Path, *, wait: float = DEFAULT_WAIT, clock: Callable[[], float] = time.time) -> None:
        private_folder(folder)
        self._mutex = threading.RLock()
        self._clock = clock
        self._ahead = 0.0
        self._owner = folder / "chain.owner"
        self._lock = FileLock(folder / "chain.lock", mode=0o600, thread_local=False)
        with disk_errors():
            self._acquire(wait)
            self._open(folder / "chain.sqlite")
        logger.debug("embedded chain opened at block %d", self._backend.head.block_number)

    def _open(self, path: Path) -> None:
        try:
            self._database = ChainDatabase(path)
            self._backend = EmbeddedBackend(
                self._database,
                chain_id=EMBEDDED_CHAIN_ID,
                endowment={PrivateKey(faucet_key()).public_key.to_canonical_address(): ENDOWMENT},
                clock=self._now,
            )
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the chain; closing twice is no error."""
        with self._mutex:
            if self._lock.is_locked:
                self._database.close()
                with suppress(OSError):
                    self._owner.unlink(missing_ok=True)
                self._lock.release()

    def warp(self, seconds: float) -> None:
        """Put the chain's clock forward and mine a block at the new time. For tests and demonstrations only."""
        with self._mutex, disk_errors():
            self._ahead += seconds
            self._backend.mine()

    def _now(self) -> float:
        return self._clock() + self._ahead

    def _acquire(self, wait: float) -> None:
        try:
            self._lock.acquire(timeout=wait, poll_interval=0.02)
        except Timeout:
            raise LedgerBusyError(f"the embedded chain is in use by {self._holder()}; waited {wait:g} s") from None
        since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        # The program's name only: arguments may name a patient's file.
        owner = {"process": os.getpid(), "program": Path(sys.argv[0]).name, "since": since}
        # For whoever waits: no chain stays shut for want of it.
        with suppress(OSError):
            self._owner.write_text(json.dumps(owner), encoding="utf-8")

    def _holder(self) -> str:
        try:
            owner = json.loads(self._owner.read_text(encoding="utf-8"))
            return f"process {owner['process']} ({owner['program']}), since {owner['since']}"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"

    # ------------------------------------------------------------------------------------------- JSON-RPC

    def request(self, method: str, params: Sequence[Any]) -> Evm:
        """Answer one question; raises ``RpcRefusalError``."""
        answer = _METHODS.get(method)
        if answer is None:
            raise RpcRefusalError(_UNKNOWN_METHOD, f"the method {method} does not exist")
        with self._mutex:
            if not self._lock.is_locked:
                raise RpcRefusalError(_SERVER_ERROR, "the embedded chain is closed")
            try:
                with disk_errors():
                    return answer(self, *params)
            except ExecutionRevertedError as error:
                if error.data is None:
                    raise RpcRefusalError(_SERVER_ERROR, f"execution failed: {error}") from error
                raise RpcRefusalError(_REVERTED, "execution reverted", _hex(error.data)) from error
            except (TypeError, ValueError, AttributeError, ValidationError) as error:
                raise RpcRefusalError(_INVALID_PARAMS, f"invalid argument: {error}") from error

    def _head(self) -> Evm:
        if int(self._now()) > self._backend.head.timestamp:
            self._backend.mine()
        return self._backend.head

    def _number(self, tag: str | Json) -> int | None:
        """Return the number that a tag, number or hash (EIP-1898) names, if there is such a block."""
        if isinstance(tag, dict):
            if "blockHash" in tag:
                found = self._database.block(_bytes(tag["blockHash"]))
                return None if found is None else int(found["number"], 16)
            tag = str(tag["blockNumber"])
        if tag == "earliest":
            return 0
        if tag in ("latest", "safe", "finalized", "pending"):
            return int(self._backend.head.block_number)
        number = int(tag, 16)
        return number if number <= self._backend.head.block_number else None

    def _header(self, tag: str | Json) -> Evm:
        number = self._number(tag)
        if number is None:
            raise RpcRefusalError(_SERVER_ERROR, "header not found")
        return self._backend.header(number)

    def _chain_id(self) -> str:
        return hex(EMBEDDED_CHAIN_ID)

    def _block_number(self) -> str:
        return hex(self._head().block_number)

    def _block_by_number(self, tag: str, full: bool = False) -> Json | None:  # noqa: FBT001, FBT002 - JSON-RPC's order
        if tag in ("latest", "pending", "safe", "finalized"):
            self._head()
        return self._block(self._number(tag), full=full)

    def _block_by_hash(self, block_hash: str, full: bool = False) -> Json | None:  # noqa: FBT001, FBT002 - as above
        return self._block(self._number({"blockHash": block_hash}), full=full)

    def _block(self, number: int | None, *, full: bool) -> Json | None:
        block = None if number is None else self._database.block(number)
        if block is not None and full:
            block["transactions"] = [self._database.transaction(_bytes(tx)) for tx in block["transactions"]]
        return block

    def _call(self, call: Json, tag: str | Json = "latest", *_: object) -> str:
        if tag == "latest":
            self._head()
        return _hex(self._backend.run_call(self._header(tag), **_call_arguments(call)))

    def _estimate_gas(self, call: Json, *_: object) -> str:
        return hex(self._backend.run_estimate(**_call_arguments(call)))

    def _send(self, raw: str) -> str:
        transaction = _decoded(self._backend, _bytes(raw))
        if self._database.transaction(transaction.hash) is not None:
            raise RpcRefusalError(_SERVER_ERROR, "already known")
        nonce = self._backend.state(self._backend.head).get_nonce(transaction.sender)
        if transaction.nonce != nonce:
            word = "low" if transaction.nonce < nonce else "high"
            raise RpcRefusalError(_SERVER_ERROR, f"nonce too {word}: next nonce {nonce}, tx nonce {transaction.nonce}")
        balance = self._backend.state(self._backend.head).get_balance(transaction.sender)
        if balance < transaction.gas * transaction.max_fee_per_gas + transaction.value:
            raise RpcRefusalError(_SERVER_ERROR, "insufficient funds for gas * price + value")
        try:
            block = self._backend.mine((transaction,))
        except ValidationError as error:
            raise RpcRefusalError(_SERVER_ERROR, f"invalid transaction: {error}") from error
        logger.debug("embedded chain: block %d mined", block.number)
        return _hex(transaction.hash)

    def _transaction(self, tx_hash: str) -> Json | None:
        return self._database.transaction(_bytes(tx_hash))

    def _receipt(self, tx_hash: str) -> Json | None:
        return self._database.receipt(_bytes(tx_hash))

    def _nonce(self, account: str, tag: str | Json = "latest") -> str:
        return hex(self._backend.state(self._header(tag)).get_nonce(_bytes(account)))

    def _balance(self, account: str, tag: str | Json = "latest") -> str:
        return hex(self._backend.state(self._header(tag)).get_balance(_bytes(account)))

    def _code(self, account: str, tag: str | Json = "latest") -> str:
        return _hex(self._backend.state(self._header(tag)).get_code(_bytes(account)))

    def _storage(self, account: str, slot: str, tag: str | Json = "latest") -> str:
        value = self._backend.state(self._header(tag)).get_storage(_bytes(account), int(slot, 16))
        return _hex(int(value).to_bytes(32, "big"))

    def _gas_price(self) -> str:
        return hex(self._backend.head.base_fee_per_gas)

    def _priority_fee(self) -> str:
        return "0x0"

    def _logs(self, query: Json) -> list[Json]:
        if "blockHash" in query:
            first = last = self._header({"blockHash": query["blockHash"]}).block_number
        else:
            head = int(self._backend.head.block_number)
            first = self._number(query.get("fromBlock", "latest"))
            last = self._number(query.get("toBlock", "latest"))
            first, last = head + 1 if first is None else first, head if last is None else last
        addresses = frozenset(_bytes(one) for one in _listed(query.get("address")))
        topics = list(query.get("topics") or ())
        wanted = frozenset(_bytes(one) for one in _listed(topics[0] if topics else None))
        found: list[Json] = []
        for address, topic, log in self._database.logs(first, last):
            if (addresses and address not in addresses) or (wanted and topic not in wanted):
                continue
            if not _topics_match(log["topics"][1:], topics[1:]):
                continue
            found.append(log)
            if len(found) > _MAX_LOGS:
                raise RpcRefusalError(-32005, f"query returned more than {_MAX_LOGS} results")
        return found


class EmbeddedProvider(JSONBaseProvider):
    """web3's way to the embedded node."""

    def __init__(self, node: EmbeddedNode) -> None:
        super().__init__()
        self.node = node

    def make_request(self, method: RPCEndpoint, params: Evm) -> RPCResponse:
        """Answer one request, in the form of JSON-RPC."""
        try:
            result = self.node.request(method, params)
        except RpcRefusalError as refusal:
            return {"jsonrpc": "2.0", "id": 1, "error": refusal.body}  # type: ignore[typeddict-item]  # built above
        return {"jsonrpc": "2.0", "id": 1, "result": result}

    def is_connected(self, show_traceback: bool = False) -> bool:  # noqa: ARG002, FBT001, FBT002 - web3's signature
        """Return True: it is in this process."""
        return True


_METHODS: dict[str, Callable[..., Any]] = {
    "eth_chainId": EmbeddedNode._chain_id,  # noqa: SLF001 - this and the following: one table of the class's own
    "net_version": lambda _node: str(EMBEDDED_CHAIN_ID),
    "web3_clientVersion": lambda _node: "medshare/embedded",
    "eth_syncing": lambda _node: False,
    "eth_accounts": lambda _node: [],
    "eth_blockNumber": EmbeddedNode._block_number,  # noqa: SLF001
    "eth_getBlockByNumber": EmbeddedNode._block_by_number,  # noqa: SLF001
    "eth_getBlockByHash": EmbeddedNode._block_by_hash,  # noqa: SLF001
    "eth_call": EmbeddedNode._call,  # noqa: SLF001
    "eth_estimateGas": EmbeddedNode._estimate_gas,  # noqa: SLF001
    "eth_sendRawTransaction": EmbeddedNode._send,  # noqa: SLF001
    "eth_getTransactionByHash": EmbeddedNode._transaction,  # noqa: SLF001
    "eth_getTransactionReceipt": EmbeddedNode._receipt,  # noqa: SLF001
    "eth_getTransactionCount": EmbeddedNode._nonce,  # noqa: SLF001
    "eth_getBalance": EmbeddedNode._balance,  # noqa: SLF001
    "eth_getCode": EmbeddedNode._code,  # noqa: SLF001
    "eth_getStorageAt": EmbeddedNode._storage,  # noqa: SLF001
    "eth_gasPrice": EmbeddedNode._gas_price,  # noqa: SLF001
    "eth_maxPriorityFeePerGas": EmbeddedNode._priority_fee,  # noqa: SLF001
    "eth_getLogs": EmbeddedNode._logs,  # noqa: SLF001
}


def _decoded(backend: EmbeddedBackend, raw: bytes) -> Evm:
    try:
        transaction = backend.chain.get_transaction_builder().decode(raw)
        transaction.validate()
        _ = transaction.sender
    except Exception as error:
        raise RpcRefusalError(_INVALID_PARAMS, f"not a transaction: {type(error).__name__}") from error
    if transaction.chain_id not in (None, EMBEDDED_CHAIN_ID):
        raise RpcRefusalError(_SERVER_ERROR, f"invalid chain id for signer: have {transaction.chain_id}")
    return transaction


def _call_arguments(call: Json) -> dict[str, Any]:
    return {
        "sender": _bytes(call.get("from") or "0x" + "00" * 20),
        "to": _bytes(call.get("to") or "0x"),
        "data": _bytes(call.get("data") or call.get("input") or "0x"),
        "value": int(call.get("value") or "0x0", 16),
    }


def _listed(value: str | Iterable[str] | None) -> Iterable[str]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else value


def _topics_match(found: Sequence[str], wanted: Sequence[Any]) -> bool:
    if len(wanted) > len(found):
        return False
    for topic, choice in zip(found, wanted, strict=False):
        choices = [one.lower() for one in _listed(choice)]
        if choices and topic not in choices:
            return False
    return True


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
