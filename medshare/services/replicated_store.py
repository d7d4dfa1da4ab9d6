"""A store that pins at several institutions' nodes, too: as many as the policy says, or as many as can be had now."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from medshare.content import MAX_BLOCK_SIZE, Block, Cid
from medshare.errors import StoreError, StoreUnavailableError
from medshare.ports import BlobStore, Collected
from medshare.services.storage_nodes import StorageNode, bring, bring_all, in_turn, told

REST_SECONDS = 60.0
"""For how long a node that did not answer is left alone: a thousand records need not wait for it a thousand times."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """A root that fewer nodes pin than the policy says."""

    root: Cid
    pinned: int
    wanted: int
    reasons: tuple[tuple[str, str], ...]
    """Name of a node that does not, and why."""


class ReplicatedStore:
    """A ``BlobStore`` that reads and writes as ``own`` does; what it pins, ``copies`` of the nodes pin as well.

    ``pin`` fails only where ``own`` does. What is missing at the nodes is in ``shortfalls`` and made up for later, by a
    repair. ``unpin`` lets go everywhere it can; what a node keeps all the same, the report on replication names.

    Args:
        own: one's own store.
        nodes: the institutions' nodes; one's own among them, if it counts.
        copies: how many of them are to pin each root.
        now: seconds that only go up.
    """

    def __init__(
        self, own: BlobStore, nodes: Sequence[StorageNode], *, copies: int, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._own = own
        self._nodes = {node.name: node for node in nodes}
        self._copies = copies
        self._now = now
        self._resting: dict[str, float] = {}
        self._shortfalls: dict[Cid, Shortfall] = {}

    @property
    def shortfalls(self) -> tuple[Shortfall, ...]:
        """What was pinned here and at too few nodes, and was not made up for since."""
        return tuple(self._shortfalls.values())

    def get(self, cid: Cid, max_size: int = MAX_BLOCK_SIZE) -> bytes:
        """Return a block, verified; see ``BlobStore.get``."""
        return self._own.get(cid, max_size)

    def put(self, blocks: Iterable[Block]) -> None:
        """Store blocks in one's own store."""
        self._own.put(blocks)

    def has(self, cid: Cid) -> bool:
        """Whether one's own store holds the block."""
        return self._own.has(cid)

    def pins(self) -> frozenset[Cid]:
        """Return the roots that are pinned in one's own store."""
        return self._own.pins()

    def collect(self) -> Collected:
        """Remove what no pin reaches from one's own store."""
        return self._own.collect()

    def remove(self, blocks: Iterable[Cid]) -> None:
        """Remove these blocks from one's own store; a node's are its own to remove."""
        self._own.remove(blocks)

    def pin(self, root: Cid) -> None:
        """Keep everything below ``root``, here and at the nodes; raises as one's own store does."""
        self._own.pin(root)
        pinned = 0
        reasons: dict[str, str] = {}
        for name in self._by_need(root, reasons):
            if pinned == self._copies:
                break
            try:
                bring(root, self._nodes[name], self._own.get)
                pinned += 1
            except StoreError as error:
                self._note(name, error, reasons)
        self._note_copies(root, pinned, reasons)

    def pin_all(self, roots: Iterable[Cid]) -> None:
        """Keep everything below each root, here and at the nodes, which are asked once for many roots."""
        wanted = list(dict.fromkeys(roots))
        self._own.pin_all(wanted)
        pinned = dict.fromkeys(wanted, 0)
        reasons: dict[Cid, dict[str, str]] = {root: {} for root in wanted}
        turns = {root: in_turn(root, list(self._nodes)) for root in wanted}
        # Each root goes to the nodes whose turn it is, those of one node together; where one fails, the next comes.
        for turn in range(len(self._nodes)):
            at_node: dict[str, list[Cid]] = {}
            for root in wanted:
                if pinned[root] < self._copies and not self._rests(name := turns[root][turn], reasons[root]):
                    at_node.setdefault(name, []).append(root)
            for name, several in at_node.items():
                try:
                    bring_all(several, self._nodes[name], self._own.get)
                except StoreError as error:
                    for root in several:
                        self._note(name, error, reasons[root])
                else:
                    for root in several:
                        pinned[root] += 1
        for root in wanted:
            self._note_copies(root, pinned[root], reasons[root])

    def _note_copies(self, root: Cid, pinned: int, reasons: dict[str, str]) -> None:
        if pinned < self._copies:
            self._shortfalls[root] = Shortfall(
                root=root, pinned=pinned, wanted=self._copies, reasons=tuple(reasons.items())
            )
        else:
            self._shortfalls.pop(root, None)

    def unpin(self, root: Cid) -> None:
        """Keep it no longer, here or at any node that answers."""
        self._own.unpin(root)
        self._shortfalls.pop(root, None)
        unsaid: dict[str, str] = {}
        for name, node in self._nodes.items():
            if self._rests(name, unsaid):
                continue
            try:
                node.store.unpin(root)
            except StoreError as error:
                self._note(name, error, unsaid)

    def _by_need(self, root: Cid, reasons: dict[str, str]) -> list[str]:
        """Return the nodes that answer: first those that hold the root, then the others in the root's own order."""
        holding: list[str] = []
        others: list[str] = []
        for name in in_turn(root, list(self._nodes)):
            if self._rests(name, reasons):
                continue
            try:
                (holding if self._nodes[name].store.has(root) else others).append(name)
            except StoreError as error:
                self._note(name, error, reasons)
        return holding + others

    def _rests(self, name: str, reasons: dict[str, str]) -> bool:
        if self._now() < self._resting.get(name, float("-inf")):
            reasons[name] = "it did not answer a moment ago"
            return True
        return False

    def _note(self, name: str, error: StoreError, reasons: dict[str, str]) -> None:
        _log.debug("storage node %s: %s", name, error)
        reasons[name] = told(error)
        if isinstance(error, StoreUnavailableError):
            self._resting[name] = self._now() + REST_SECONDS
