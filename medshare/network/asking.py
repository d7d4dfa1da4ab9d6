"""Asking the members' own nodes: geth over its socket, Kubo over its RPC.

Only an institution's own nodes are asked, on its own machine: what votes and what shows keys is open to nobody else.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medshare.chain.codec import hex_bytes, hex_int
from medshare.chain.wire import MAX_ANSWER_SIZE, BadAnswerError, ConnectionLostError, JsonValue, result_of, translated
from medshare.errors import InvalidInputError, StoreUnavailableError
from medshare.model.ids import Address, address
from medshare.storage.credentials import BearerAuth
from medshare.storage.kubo_rpc import KuboRpc

_TIMEOUT = 10.0
_PIECE = 1 << 16
_HASH = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Votes:
    """Where a set of validators stands."""

    signers: frozenset[Address]
    votes: Mapping[Address, frozenset[Address]]
    """Who has voted, in blocks, for a change that concerns each account."""
    proposals: Mapping[Address, bool]
    """What the asked node votes for when it seals: True to add, False to remove."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The newest block that a validator knows."""

    number: int
    hash: bytes
    time: int
    sealer: Address | None
    """None of the first block."""


def account_in(answer: JsonValue) -> Address:
    """Return an account that stands in a node's answer; raises ``BadAnswerError``."""
    try:
        return address(answer)
    except (InvalidInputError, TypeError):
        raise BadAnswerError("a node's answer holds no account where one should be") from None


class GethNode:
    """A geth of one's own, asked over its socket.

    Args:
        path: the socket.
        timeout: seconds for one answer.
    """

    def __init__(self, path: Path, *, timeout: float = _TIMEOUT) -> None:
        self._path = path
        self._timeout = timeout

    def ask(self, method: str, *params: JsonValue) -> JsonValue:
        """Return the answer to one question.

        Raises:
            NodeError: the node refused.
            LedgerUnavailableError: it cannot be reached, or answers nonsense.
        """
        question = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        with translated(method), socket.socket(socket.AF_UNIX) as line:
            line.settimeout(self._timeout)
            self._connect(line)
            line.sendall(json.dumps(question).encode() + b"\n")
            answer = bytearray()
            while not answer.endswith(b"\n"):
                piece = line.recv(_PIECE)
                answer += piece
                if not piece or len(answer) > MAX_ANSWER_SIZE:
                    raise BadAnswerError(f"{method}: the node's answer broke off, or has no end")
            return result_of(method, json.loads(answer))

    def _block(self, which: str) -> JsonValue:
        return self.ask("eth_getBlockByNumber", which, False)  # noqa: FBT003 - JSON-RPC has no keywords

    def _connect(self, line: socket.socket) -> None:
        try:
            line.connect(str(self._path))
        except PermissionError:
            raise ConnectionLostError(
                f"the socket {self._path} is closed to this user", hint="be the user who runs the node"
            ) from None
        except OSError:
            raise ConnectionLostError(
                f"no node answers at {self._path}", hint="start it, by start.sh in its folder; then repeat"
            ) from None

    def block_number(self) -> int:
        """Return the number of the newest block."""
        return hex_int(self.ask("eth_blockNumber"))

    def head(self) -> Head:
        """Return the newest block."""
        block = self._block("latest")
        with translated("eth_getBlockByNumber"):
            number, digest = hex_int(block["number"]), hex_bytes(block["hash"], _HASH)
            time = hex_int(block["timestamp"])
        sealer = account_in(self.ask("clique_getSigner", block["hash"])) if number else None
        return Head(number=number, hash=digest, time=time, sealer=sealer)

    def genesis_hash(self) -> bytes:
        """Return the hash of the first block."""
        block = self._block("0x0")
        with translated("eth_getBlockByNumber"):
            return hex_bytes(block["hash"], _HASH)

    def peers(self) -> frozenset[str]:
        """Return the public keys of the nodes that this one is connected with."""
        found = self.ask("admin_peers")
        with translated("admin_peers"):
            return frozenset(each["enode"].removeprefix("enode://").partition("@")[0] for each in found)

    def signers(self) -> frozenset[Address]:
        """Return who may seal."""
        found = self.ask("clique_getSigners", "latest")
        with translated("clique_getSigners"):
            return frozenset(account_in(each) for each in found)

    def sealers(self) -> dict[Address, int]:
        """Return how many of the last 64 blocks each signer sealed."""
        found = self.ask("clique_status")
        with translated("clique_status"):
            return {account_in(signer): int(blocks) for signer, blocks in found["sealerActivity"].items()}

    def votes(self) -> Votes:
        """Return signers, votes and what this node proposes."""
        snapshot = self.ask("clique_getSnapshot", "latest")
        proposals = self.ask("clique_proposals")
        with translated("clique_getSnapshot"):
            cast: dict[Address, set[Address]] = {}
            for vote in snapshot["votes"] or ():
                cast.setdefault(account_in(vote["address"]), set()).add(account_in(vote["signer"]))
            return Votes(
                signers=frozenset(account_in(each) for each in snapshot["signers"]),
                votes={account: frozenset(voters) for account, voters in cast.items()},
                proposals={account_in(account): bool(wanted) for account, wanted in proposals.items()},
            )

    def propose(self, account: Address, *, seals: bool) -> None:
        """Vote in one's own blocks that an account shall seal, or no longer, until that is so."""
        self.ask("clique_propose", account, seals)

    def discard(self, account: Address) -> None:
        """Vote no longer on an account."""
        self.ask("clique_discard", account)

    def seal(self, signer: Address, *, free_gas: bool) -> None:
        """Begin to seal blocks, and where gas is free take transactions that offer nothing.

        Raises:
            NodeError: the signer is not unlocked yet: what it cannot sign now, it would try to again only after the
                next block, which may be its own.
            LedgerUnavailableError: the node does not answer.
        """
        self.ask("eth_sign", signer, "0x")
        if free_gas:
            self.ask("miner_setGasPrice", "0x0")
        self.ask("miner_start")

    def is_sealing(self) -> bool:
        """Whether it seals blocks when it may."""
        return self.ask("eth_mining") is True

    def pause(self) -> None:
        """Seal no more, until told to."""
        self.ask("miner_stop")

    def rewind(self, number: int) -> None:
        """Drop the blocks after one, as if they had never come."""
        self.ask("debug_setHead", hex(number))

    def reconnect(self, enodes: Iterable[str]) -> None:
        """Part from other nodes and meet them anew."""
        nodes = list(enodes)
        for method in ("admin_removePeer", "admin_addPeer"):
            for node in nodes:
                self.ask(method, node)

    def transactions(self, number: int) -> list[str]:
        """Return the signed transactions of a block, as hex."""
        block = self._block(hex(number))
        with translated("eth_getBlockByNumber"):
            return [self.ask("eth_getRawTransactionByHash", each) for each in block["transactions"]]

    def resend(self, transaction: str) -> None:
        """Send a signed transaction, as hex; raises ``NodeError`` where the node will not have it."""
        self.ask("eth_sendRawTransaction", transaction)


class StoragePeer:
    """A Kubo of one's own, asked over its RPC.

    Args:
        api_address: multiaddr of its RPC.
        token: what the RPC asks for.
    """

    def __init__(self, api_address: str, token: str) -> None:
        self._rpc = KuboRpc(api_address, auth=BearerAuth(token))

    def close(self) -> None:
        """Close the connection."""
        self._rpc.close()

    def ask(self, command: str) -> Any:  # noqa: ANN401 - what a node answers
        """Return the answer to one question; raises ``StoreUnavailableError``."""
        try:
            return json.loads(self._rpc.call(command, seconds=_TIMEOUT))
        except (ValueError, RecursionError):
            raise StoreUnavailableError(f"the node's answer to {command} makes no sense") from None

    def peers(self) -> frozenset[str]:
        """Return the peer ids of the nodes that this one is connected with."""
        found = self.ask("swarm/peers")
        try:
            return frozenset(each["Peer"] for each in found["Peers"] or ())
        except (TypeError, KeyError):
            raise StoreUnavailableError("the node's answer to swarm/peers makes no sense") from None

    def config(self) -> dict[str, Any]:
        """Return the node's configuration, without its secrets."""
        found = self.ask("config/show")
        return found if isinstance(found, dict) else {}
