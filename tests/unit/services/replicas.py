"""Storage nodes in memory that can be down, full, or forget."""

from __future__ import annotations

from collections.abc import Iterable

from medshare.content import MAX_BLOCK_SIZE, Block, Cid
from medshare.errors import StoreFullError, StoreRefusedError, StoreUnavailableError
from medshare.ports import Collected
from medshare.services.storage_nodes import StorageNode
from medshare.testing import MemoryStore


class NodeStore(MemoryStore):
    """A store that can be told what to do wrong; it counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.down = False
        self.space: int | None = None
        self.pins_only = False
        """Whether it lets nobody give up anything, as a partner's token may."""
        self.asked = 0
        self.received: list[Cid] = []

    def _ask(self) -> None:
        self.asked += 1
        if self.down:
            raise StoreUnavailableError("the node cannot be reached")

    def get(self, cid: Cid, max_size: int = MAX_BLOCK_SIZE) -> bytes:
        self._ask()
        return super().get(cid, max_size)

    def put(self, blocks: Iterable[Block]) -> None:
        for block in blocks:
            self._ask()
            if self.space is not None and len(self.received) >= self.space:
                raise StoreFullError("the node's disk is full")
            self.received.append(block.cid)
            super().put([block])

    def has(self, cid: Cid) -> bool:
        self._ask()
        return super().has(cid)

    def pin(self, root: Cid) -> None:
        self._ask()
        super().pin(root)

    def unpin(self, root: Cid) -> None:
        self._ask()
        self._may()
        super().unpin(root)

    def pins(self) -> frozenset[Cid]:
        self._ask()
        return super().pins()

    def collect(self) -> Collected:
        self._ask()
        self._may()
        return super().collect()

    def _may(self) -> None:
        if self.pins_only:
            raise StoreRefusedError("the node refuses these credentials, or does not let them do this")

    def lose(self, cid: Cid) -> None:
        """Forget a block, and nothing else: the pin stays."""
        del self.blocks[cid]

    def spoil(self, cid: Cid) -> None:
        """Have another byte in a block."""
        self.blocks[cid] = bytes([self.blocks[cid][0] ^ 1]) + self.blocks[cid][1:]


def nodes_of(*names: str) -> tuple[dict[str, NodeStore], tuple[StorageNode, ...]]:
    """Return stores by name, and the nodes that they are."""
    stores = {name: NodeStore() for name in names}
    return stores, tuple(StorageNode(name=name, store=store) for name, store in stores.items())
