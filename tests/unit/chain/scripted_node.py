"""A node made of dictionaries: takes signed transactions, counts nonces, fails when told to. No EVM, no socket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rlp
from eth_account import Account
from eth_account.typed_transactions import TypedTransaction
from hexbytes import HexBytes
from web3.providers.base import JSONBaseProvider

from medshare.hashing import keccak256

CHAIN_ID = 31337
ETHER = 10**18


class ScriptedNode(JSONBaseProvider):
    """What a node knows of one account's transactions.

    ``faults`` holds, by method, what to do instead of answering: an exception to raise, a JSON-RPC error to answer, or
    a function that is called with the parameters. Each is used once, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.chain_id = CHAIN_ID
        self.mining = True
        self.balance = 10 * ETHER
        self.base_fee: int | None = 10
        self.sent: list[bytes] = []
        self.fees: dict[bytes, tuple[int, int]] = {}
        self.pool: dict[bytes, tuple[str, int]] = {}
        self.mined: dict[bytes, dict[str, Any]] = {}
        self.reverting = False
        self.head_number = 1
        self.final_number = 0
        self.faults: dict[str, list[object]] = {}

    def make_request(self, method: str, params: list[Any]) -> dict[str, Any]:
        for fault in self.faults.get(method, [])[:1]:
            self.faults[method].pop(0)
            if isinstance(fault, BaseException):
                raise fault
            if isinstance(fault, dict):
                return {"error": fault}
            assert callable(fault)
            return {"result": fault(*params)}
        try:
            return {"result": getattr(self, method)(*params)}
        except RefusedError as refusal:
            return {"error": {"code": -32000, "message": str(refusal)}}

    # --------------------------------------------------------------------------------------------- answers

    def eth_chainId(self) -> str:  # noqa: N802 - JSON-RPC's names, here and below
        return hex(self.chain_id)

    def eth_getBlockByNumber(self, tag: str, _full: bool) -> dict[str, Any] | None:  # noqa: N802
        named = {"latest": self.head_number, "finalized": self.final_number}
        number = named[tag] if tag in named else int(tag, 16)
        if number > self.head_number:
            return None
        block = {"number": hex(number), "hash": block_hash(number), "timestamp": hex(1_700_000_000 + number)}
        return block if self.base_fee is None else block | {"baseFeePerGas": hex(self.base_fee)}

    def eth_gasPrice(self) -> str:  # noqa: N802
        return hex(7)

    def eth_maxPriorityFeePerGas(self) -> str:  # noqa: N802
        return hex(2)

    def eth_estimateGas(self, _call: dict[str, Any]) -> str:  # noqa: N802
        return hex(50_000)

    def eth_getBalance(self, _account: str, _tag: str) -> str:  # noqa: N802
        return hex(self.balance)

    def eth_getTransactionCount(self, account: str, tag: str) -> str:  # noqa: N802
        count = sum(one["from"] == account for one in self.mined.values())
        # After a gap, transactions are queued: they do not count.
        while tag == "pending" and (account, count) in self.pool.values():
            count += 1
        return hex(count)

    def eth_sendRawTransaction(self, raw: str) -> str:  # noqa: N802
        data = bytes.fromhex(raw[2:])
        self.sent.append(data)
        tx_hash = keccak256(data)
        if tx_hash in self.pool:
            raise RefusedError("already known")
        sender, nonce = Account.recover_transaction(raw), transaction_fields(data)["nonce"]
        if nonce < int(self.eth_getTransactionCount(sender, "latest"), 16):
            raise RefusedError("nonce too low")
        for other in [one for one, place in self.pool.items() if place == (sender, nonce)]:
            if any(10 * fee < 11 * before for fee, before in zip(_fees(data), self.fees[other], strict=True)):
                raise RefusedError("replacement transaction underpriced")
            del self.pool[other]
        self.fees[tx_hash] = _fees(data)
        self.pool[tx_hash] = (sender, nonce)
        if self.mining:
            self.mine()
        return "0x" + tx_hash.hex()

    def eth_getTransactionByHash(self, tx_hash: str) -> dict[str, Any] | None:  # noqa: N802
        key = bytes.fromhex(tx_hash[2:])
        if key in self.pool or key in self.mined:
            return {"hash": tx_hash, "to": "0x" + "11" * 20, "input": "0x", "value": "0x0", "gas": hex(57_500)}
        return None

    def eth_getTransactionReceipt(self, tx_hash: str) -> dict[str, Any] | None:  # noqa: N802
        found = self.mined.get(bytes.fromhex(tx_hash[2:]))
        if found is None:
            return None
        return {
            "transactionHash": tx_hash,
            "blockNumber": hex(found["block"]),
            "blockHash": block_hash(found["block"]),
            "status": hex(found["status"]),
            "gasUsed": hex(40_000),
            "from": found["from"],
            "contractAddress": None,
        }

    def eth_call(self, *_: object) -> str:
        return "0x"

    # ----------------------------------------------------------------------------------------------- bending

    def mine(self) -> None:
        """Mine what waits; what comes after a gap goes on waiting."""
        self.head_number += 1
        for tx_hash, (sender, nonce) in sorted(self.pool.items(), key=lambda one: one[1]):
            if nonce != int(self.eth_getTransactionCount(sender, "latest"), 16):
                continue
            del self.pool[tx_hash]
            self.mined[tx_hash] = {
                "from": sender,
                "nonce": nonce,
                "block": self.head_number,
                "status": 0 if self.reverting else 1,
            }

    def drop(self) -> None:
        """Forget what waits."""
        self.pool.clear()

    def fail(self, method: str, *faults: object) -> None:
        """Let the next requests of ``method`` go wrong."""
        self.faults.setdefault(method, []).extend(faults)

    def forwarded_then(self, error: BaseException) -> Callable[[str], str]:
        """Return a fault: the transaction arrives, its answer does not."""

        def lose(raw: str) -> str:
            self.eth_sendRawTransaction(raw)
            raise error

        return lose


class RefusedError(Exception):
    """The scripted node refuses."""


def block_hash(number: int) -> str:
    """Return a block's hash."""
    return "0x" + keccak256(number.to_bytes(8, "big")).hex()


def _fees(raw: bytes) -> tuple[int, int]:
    if raw[0] >= 0xC0:
        price = int.from_bytes(rlp.decode(raw)[1], "big")
        return price, price
    fields = transaction_fields(raw)
    return fields["maxFeePerGas"], fields["maxPriorityFeePerGas"]


def transaction_fields(raw: bytes) -> dict[str, Any]:
    """Return the fields of a signed transaction; of a legacy one, the nonce."""
    if raw[0] >= 0xC0:
        return {"nonce": int.from_bytes(rlp.decode(raw)[0], "big")}
    return TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
