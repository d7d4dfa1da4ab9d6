"""Several nodes of one network behind one connection: the next is asked where one fails, lags behind, or is elsewhere.

The first in the profile's order that is fit for use is used. One that fails rests for a minute; so does one on another
chain, and one whose newest block is older than another's by more than ``max_lag``. All are looked at twice a minute, so
that the first comes back into use. A transaction is sent to one node and never passed on from here: whoever sent it
looks it up first, and that question finds the next node. What nodes say of the chain's state is not compared here:
``agreement`` does that, before something counts.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from medshare.chain.codec import hex_bytes, hex_int
from medshare.chain.wire import BadAnswerError, BoundedHTTPProvider, JsonValue, result_of, translated
from medshare.errors import LedgerUnavailableError
from medshare.model.consent import MAX_TIME

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

_REST = 60.0
_LOOK_EVERY = 30.0
_LOOK_PATIENCE = 5.0
"""Seconds for an answer when nodes are only looked at: one that is silent must not hold up the others."""
_SEND = "eth_sendRawTransaction"
_CHAIN_ID = "eth_chainId"
_BLOCK = "eth_getBlockByNumber"
_HASHES_ONLY = False
_HASH = 32


@dataclass(slots=True)
class _Node:
    """One node, and what is known of it."""

    name: str
    """Scheme, host and port."""
    way: BoundedHTTPProvider
    look: BoundedHTTPProvider
    rests_until: float = 0.0


class _UnfitError(LedgerUnavailableError):
    """A node answers, and is not of the chain that is wanted."""


class Endpoints(JSONBaseProvider):
    """web3's provider over several nodes.

    Args:
        urls: name that may be shown and address of each, in the order in which they are preferred.
        chain_id: the chain that they must be on.
        timeout: seconds for one answer.
        max_lag: seconds by which a node's newest block may be older than another's.
    """

    def __init__(
        self,
        urls: Sequence[tuple[str, str]],
        *,
        chain_id: int,
        timeout: float,
        max_lag: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        patience = min(timeout, _LOOK_PATIENCE)
        self._nodes = [
            _Node(
                name=name,
                way=BoundedHTTPProvider(url, timeout=timeout),
                look=BoundedHTTPProvider(url, timeout=patience),
            )
            for name, url in urls
        ]
        self._chain_id = chain_id
        self._max_lag = max_lag
        self._monotonic = monotonic
        self._current = self._nodes[0]
        self._genesis: bytes | None = None
        self._next_look = float("-inf")
        self._looking = threading.Lock()

    def __repr__(self) -> str:
        return f"Endpoints({', '.join(node.name for node in self._nodes)})"

    __str__ = __repr__

    @property
    def name(self) -> str:
        """The node in use: scheme, host and port."""
        return self._current.name

    def make_request(self, method: RPCEndpoint, params: JsonValue) -> RPCResponse:
        """Ask one question; of the next node, where one fails."""
        return self._asked(method, lambda node: node.way.make_request(method, params))

    def make_batch_request(self, batch_requests: Sequence[tuple[RPCEndpoint, Any]]) -> list[RPCResponse]:
        """Ask several questions at once, all of the same node."""
        return self._asked("batch", lambda node: node.way.make_batch_request(batch_requests))

    def close(self) -> None:
        """Close the connections to all nodes."""
        for node in self._nodes:
            node.way.close()
            node.look.close()

    def others(self) -> Iterator[tuple[str, BoundedHTTPProvider]]:
        """Yield name and connection of each node besides the one in use that answers, and for this chain."""
        for node in self._nodes:
            if node is not self._current and not self._rests(node) and self._head_time(node) is not None:
                yield node.name, node.way

    # --------------------------------------------------------------------------------------------- asking

    def _asked(self, method: str, ask: Callable[[_Node], Answer]) -> Answer:
        self._look_now_and_then()
        failures: list[tuple[_Node, LedgerUnavailableError]] = []
        wrong: Answer | None = None
        for node in self._in_order():
            try:
                if node is not self._current:
                    self._newest_time(node)
                with translated(method):
                    answer = ask(node)
                    fits = method != _CHAIN_ID or hex_int(result_of(method, answer)) == self._chain_id
            except LedgerUnavailableError as error:
                failures.append((node, error))
                # An answer that makes no sense may be due to the question: it says nothing of the node yet.
                if not isinstance(error, BadAnswerError):
                    self._rest(node, str(error))
                if method == _SEND:
                    raise
                continue
            if fits:
                self._use(node)
                return answer
            wrong = answer
            self._rest(node, "it is on another chain")
        if wrong is not None:
            return wrong  # whoever asked compares, and says which chain that is
        raise self._none_answers(method, failures)

    def _none_answers(
        self, method: str, failures: Sequence[tuple[_Node, LedgerUnavailableError]]
    ) -> LedgerUnavailableError:
        said = "; ".join(f"{node.name}: {error}" for node, error in failures)
        # Asking for less may help, as with one node: so the kind of failure is kept.
        kind = BadAnswerError if any(isinstance(error, BadAnswerError) for _, error in failures) else None
        return (kind or LedgerUnavailableError)(
            f"{method}: none of the network's {len(self._nodes)} nodes answers ({said})",
            hint="start one of them, or correct url and urls in networks.toml; then repeat: nothing is done twice",
        )

    def _in_order(self) -> list[_Node]:
        """Return the one in use, then the others; those that rest last: something is asked whatever happened."""
        return sorted(self._nodes, key=lambda node: (self._rests(node), node is not self._current))

    def _use(self, node: _Node) -> None:
        if node is not self._current:
            logger.warning("node %s is used now instead of %s", node.name, self._current.name)
            self._current = node

    def _rests(self, node: _Node) -> bool:
        return self._monotonic() < node.rests_until

    def _rest(self, node: _Node, why: str) -> None:
        if not self._rests(node):
            logger.warning("node %s is left alone for a minute: %s", node.name, why)
        node.rests_until = self._monotonic() + _REST

    # -------------------------------------------------------------------------------------------- looking

    def _look_now_and_then(self) -> None:
        """Let the first node that is fit be used: one that does not rest, fail, lag behind, or answer for elsewhere."""
        if self._monotonic() < self._next_look or not self._looking.acquire(blocking=False):
            return
        try:
            seen = [(node, self._head_time(node)) for node in self._nodes if not self._rests(node)]
            times = [time for _, time in seen if time is not None]
            for node, time in seen:
                if time is not None and max(times) - time > self._max_lag:
                    self._rest(node, f"its newest block is {max(times) - time} s older than another node's")
            fit = [node for node, time in seen if time is not None and not self._rests(node)]
            if fit:
                self._use(fit[0])
            self._next_look = self._monotonic() + _LOOK_EVERY
        finally:
            self._looking.release()

    def _head_time(self, node: _Node) -> int | None:
        """Return the time of a node's newest block; None, and the node rests, where it fails or is elsewhere."""
        try:
            return self._newest_time(node)
        except LedgerUnavailableError as error:
            self._rest(node, str(error))
            return None

    def _newest_time(self, node: _Node) -> int:
        self._check_chain(node)
        with translated(_BLOCK):
            return hex_int(self._looked(node, _BLOCK, "latest", _HASHES_ONLY)["timestamp"], MAX_TIME)

    def _check_chain(self, node: _Node) -> None:
        with translated(_CHAIN_ID):
            found = hex_int(self._looked(node, _CHAIN_ID))
        if found != self._chain_id:
            raise _UnfitError(f"it is on chain {found}, not {self._chain_id}")
        with translated(_BLOCK):
            genesis = hex_bytes(self._looked(node, _BLOCK, "0x0", _HASHES_ONLY)["hash"], _HASH)
        if self._genesis is None:
            self._genesis = genesis
        if genesis != self._genesis:
            raise _UnfitError("it is on another chain with the same chain id")

    @staticmethod
    def _looked(node: _Node, method: str, *params: JsonValue) -> JsonValue:
        with translated(method):
            return result_of(method, node.look.make_request(RPCEndpoint(method), list(params)))
