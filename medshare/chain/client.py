"""One node, pinned to one chain, asked in plain JSON-RPC over web3's providers.

web3's formatters and its two extra requests per call cost more than the calls; so questions are put and answers read
here, and ``ChainClient.web3`` is there for whatever else an integrator wants of the same connection.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from web3 import Web3
from web3.middleware import ExtraDataToPOAMiddleware
from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint

from medshare.chain.codec import hex_bytes, hex_int
from medshare.chain.networks import NetworkProfile
from medshare.chain.reverts import decode_revert, is_revert
from medshare.chain.wire import (
    BadAnswerError,
    BoundedHTTPProvider,
    ConnectionLostError,
    JsonValue,
    NodeError,
    result_of,
    translated,
)
from medshare.errors import LedgerUnavailableError, WrongChainError
from medshare.model.consent import MAX_TIME
from medshare.model.events import BlockRef
from medshare.model.ids import ZERO_ADDRESS, Address

logger = logging.getLogger(__name__)

Json = dict[str, Any]
_UINT256 = (1 << 256) - 1
_HASH = 32
_BATCH = 100
_SEND = "eth_sendRawTransaction"
_HASHES_ONLY = False
"""Blocks with their transactions' hashes, not with the transactions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MinedReceipt:
    """What a node says of a transaction that was mined."""

    tx_hash: bytes
    block_number: int
    block_hash: bytes
    succeeded: bool
    gas_used: int
    sender: Address
    contract: Address | None


class ChainClient:
    """A connection to a node of one chain.

    Args:
        profile: the network; its chain id is compared with the node's before anything else.
        provider: web3's way to the node; without one, HTTP to the profile's URL.
        environ: where the URL's variables are looked up.

    Raises:
        WrongChainError: the node is on another chain.
        LedgerUnavailableError: it cannot be reached, or answers nonsense.
        ConfigurationError: the URL cannot be made up.
    """

    def __init__(
        self,
        profile: NetworkProfile,
        provider: JSONBaseProvider | None = None,
        *,
        environ: Mapping[str, str] = os.environ,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.profile = profile
        self._provider = provider or BoundedHTTPProvider(profile.resolved_url(environ), timeout=profile.timeout)
        # Off-chain look-ups that a contract may ask for would send what we read to a server of its choice.
        self._provider.global_ccip_read_enabled = False
        self._sleep = sleep
        try:
            self.check_chain()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; closing twice is no error."""
        if isinstance(self._provider, BoundedHTTPProvider):
            self._provider.close()

    @property
    def chain_id(self) -> int:
        """The chain's id."""
        return self.profile.chain_id

    @cached_property
    def web3(self) -> Web3:
        """A ``Web3`` on the same connection, for what medshare does not do itself. It raises web3's own errors."""
        web3 = Web3(self._provider)
        if self.profile.poa:
            web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
        return web3

    @cached_property
    def identity(self) -> str:
        """Chain id and the beginning of the genesis hash: a development chain that starts anew is another chain."""
        return f"{self.chain_id}-{self.block(0).hash.hex()[:16]}"

    # --------------------------------------------------------------------------------------------- asking

    def request(self, method: str, *params: JsonValue) -> JsonValue:
        """Return the node's answer to one question.

        A question that was lost on the way is asked once more, except for sending: repeating that is the sender's.

        Raises:
            NodeError: the node refused.
            LedgerUnavailableError: it could not be reached, broke off, or answered nonsense.
        """
        try:
            return self._request(method, params)
        except ConnectionLostError:
            if method == _SEND:
                raise
            self._sleep(0.1)
            return self._request(method, params)

    def _request(self, method: str, params: Sequence[JsonValue]) -> JsonValue:
        try:
            with translated(method):
                return result_of(method, self._provider.make_request(RPCEndpoint(method), list(params)))
        except ConnectionLostError as error:
            where = self.profile.endpoint
            error.hint = f"start the node ({where}), or correct its URL in networks.toml; nothing is done twice"
            raise

    def batch(self, questions: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """Return the answers to many questions of reading, in their order, in few round trips."""
        if not isinstance(self._provider, BoundedHTTPProvider):
            return [self.request(method, *params) for method, params in questions]
        answers: list[Any] = []
        for start in range(0, len(questions), _BATCH):
            part = questions[start : start + _BATCH]
            with translated("batch"):
                found = self._provider.make_batch_request([(RPCEndpoint(name), list(args)) for name, args in part])
                answers += [result_of(name, answer) for (name, _), answer in zip(part, found, strict=True)]
        return answers

    def check_chain(self) -> None:
        """Compare the node's chain with the profile's.

        Raises:
            WrongChainError: they differ.
        """
        actual = hex_int(self.request("eth_chainId"))
        if actual != self.chain_id:
            raise WrongChainError(self.chain_id, actual)

    # --------------------------------------------------------------------------------------------- blocks

    def head(self) -> BlockRef:
        """Return the newest block."""
        return self._block_ref(self.request("eth_getBlockByNumber", "latest", _HASHES_ONLY))

    def block(self, number: int) -> BlockRef:
        """Return the block of this number; raises ``LedgerUnavailableError`` where there is none."""
        found = self._block_ref(self.request("eth_getBlockByNumber", hex(number), _HASHES_ONLY))
        if found.number != number:
            raise BadAnswerError(f"asked for block {number}, the node answered with block {found.number}")
        return found

    def blocks(self, numbers: Sequence[int]) -> dict[int, BlockRef]:
        """Return many blocks by number."""
        answers = self.batch([("eth_getBlockByNumber", (hex(number), _HASHES_ONLY)) for number in numbers])
        found = {block.number: block for block in map(self._block_ref, answers)}
        if set(found) != set(numbers):
            raise BadAnswerError("the node answered with other blocks than were asked for")
        return found

    def base_fee(self) -> int | None:
        """Return the newest block's base fee in wei, or None on a chain without."""
        block = self.request("eth_getBlockByNumber", "latest", _HASHES_ONLY)
        with translated("eth_getBlockByNumber"):
            fee = block.get("baseFeePerGas")
            return None if fee is None else hex_int(fee, _UINT256)

    def _block_ref(self, block: JsonValue) -> BlockRef:
        if block is None:
            raise LedgerUnavailableError("the node has no such block")
        with translated("block"):
            return BlockRef(
                number=hex_int(block["number"]),
                hash=hex_bytes(block["hash"], _HASH),
                time=hex_int(block["timestamp"], MAX_TIME),
            )

    # ------------------------------------------------------------------------------------ accounts and calls

    def call(
        self, to: Address, data: bytes, *, block: BlockRef | None = None, sender: Address = ZERO_ADDRESS, value: int = 0
    ) -> bytes:
        """Return what a contract answers at a block; the block's hash is what is asked for, so a reorganisation shows.

        Raises:
            RejectedError: the contract refused; the subclass says why.
            TransactionFailedError: it failed otherwise.
            LedgerUnavailableError: the node does not know the block any more, or any other failure of the wire.
        """
        question = {"from": sender, "to": to, "data": "0x" + data.hex()}
        if value:
            question["value"] = hex(value)
        try:
            return hex_bytes(self.request("eth_call", question, _at(block)))
        except NodeError as error:
            if is_revert(error):
                raise decode_revert(error) from None
            raise

    def estimate_gas(self, *, sender: Address, to: Address | None, data: bytes, value: int = 0) -> int:
        """Return the gas that a transaction would need now; raises as ``call`` does."""
        question = {"from": sender, "data": "0x" + data.hex(), "value": hex(value)}
        if to is not None:
            question["to"] = to
        try:
            return hex_int(self.request("eth_estimateGas", question))
        except NodeError as error:
            if is_revert(error):
                raise decode_revert(error) from None
            raise

    def balance(self, account: Address, *, block: BlockRef | None = None) -> int:
        """Return an account's wei, at a block; default: now."""
        return hex_int(self.request("eth_getBalance", account, _at(block)), _UINT256)

    def code(self, account: Address) -> bytes:
        """Return the code at an address."""
        return hex_bytes(self.request("eth_getCode", account, "latest"))

    def nonce(self, account: Address, *, pending: bool) -> int:
        """Return how many transactions an account has sent, with or without those that wait to be mined."""
        return hex_int(self.request("eth_getTransactionCount", account, "pending" if pending else "latest"))

    # ----------------------------------------------------------------------------------------- transactions

    def send_raw(self, raw: bytes) -> None:
        """Hand a signed transaction to the node, once; raises ``NodeError`` or ``LedgerUnavailableError``."""
        self.request(_SEND, "0x" + raw.hex())

    def transaction(self, tx_hash: bytes) -> Json | None:
        """Return a transaction, mined or waiting, as the node writes it."""
        found = self.request("eth_getTransactionByHash", "0x" + tx_hash.hex())
        if found is not None and not isinstance(found, dict):
            raise BadAnswerError("eth_getTransactionByHash: the answer is no object")
        return found

    def receipt(self, tx_hash: bytes) -> MinedReceipt | None:
        """Return the receipt of a transaction, or None while it is not mined."""
        found = self.request("eth_getTransactionReceipt", "0x" + tx_hash.hex())
        if found is None or (isinstance(found, dict) and found.get("blockHash") is None):
            return None
        with translated("eth_getTransactionReceipt"):
            contract = found.get("contractAddress")
            if hex_bytes(found["transactionHash"], _HASH) != tx_hash:
                raise BadAnswerError("the node answered with another transaction's receipt")
            return MinedReceipt(
                tx_hash=tx_hash,
                block_number=hex_int(found["blockNumber"]),
                block_hash=hex_bytes(found["blockHash"], _HASH),
                succeeded=hex_int(found["status"], 1) == 1,
                gas_used=hex_int(found["gasUsed"]),
                sender=_address(found["from"]),
                contract=None if contract is None else _address(contract),
            )

    # ------------------------------------------------------------------------------------------------ logs

    def logs(self, addresses: Sequence[Address], topics: Sequence[bytes], first: int, last: int) -> list[Json]:
        """Return the logs of some contracts with one of some first topics, as the node writes them, in chain order.

        The range is asked in parts, and a part in halves where the node finds it too large.
        """
        found: list[Json] = []
        for start in range(first, last + 1, self.profile.log_range):
            found += self._logs(addresses, topics, start, min(start + self.profile.log_range - 1, last))
        return found

    def _logs(self, addresses: Sequence[Address], topics: Sequence[bytes], first: int, last: int) -> list[Json]:
        question = {
            "address": list(addresses),
            "topics": [["0x" + topic.hex() for topic in topics]],
            "fromBlock": hex(first),
            "toBlock": hex(last),
        }
        try:
            found = self.request("eth_getLogs", question)
        except (NodeError, BadAnswerError):
            # Nodes word "too many" in a dozen ways, and some just cut the answer: a smaller part is the cure for all.
            if first == last:
                raise
            middle = (first + last) // 2
            logger.debug("logs of blocks %d to %d: asking in halves", first, last)
            return self._logs(addresses, topics, first, middle) + self._logs(addresses, topics, middle + 1, last)
        if not isinstance(found, list) or not all(isinstance(log, dict) for log in found):
            raise BadAnswerError("eth_getLogs: the answer is no list of objects")
        return found


def _at(block: BlockRef | None) -> JsonValue:
    """Return how a node is told at which block to look: by its hash, so that a reorganisation shows (EIP-1898)."""
    return "latest" if block is None else {"blockHash": "0x" + block.hash.hex(), "requireCanonical": True}


def _address(text: str) -> Address:
    return Address(Web3.to_checksum_address(text))
