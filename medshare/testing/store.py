"""A block store in memory."""

from __future__ import annotations

from collections.abc import Iterable

from medshare.content import MAX_BLOCK_SIZE, Block, Cid, verify_block, walk
from medshare.errors import BlobNotFoundError, BlobTooLargeError
from medshare.ports import Collected


class MemoryStore:
    """A block store in memory."""

    def __init__(self) -> None:
        self.blocks: dict[Cid, bytes] = {}
        self._pins: set[Cid] = set()

    def get(self, cid: Cid, max_size: int = MAX_BLOCK_SIZE) -> bytes:
        """Return a block, verified."""
        if cid not in self.blocks:
            raise BlobNotFoundError(str(cid))
        data = self.blocks[cid]
        if len(data) > max_size:
            raise BlobTooLargeError(f"block {cid}", max_size)
        verify_block(cid, data)
        return data

    def put(self, blocks: Iterable[Block]) -> None:
        """Store blocks."""
        for block in blocks:
            self.blocks[block.cid] = bytes(block.data)

    def has(self, cid: Cid) -> bool:
        """Whether the block is here."""
        return cid in self.blocks

    def pin(self, root: Cid) -> None:
        """Keep everything below ``root``."""
        for _ in walk(self.get, root):
            pass
        self._pins.add(root)

    def pin_all(self, roots: Iterable[Cid]) -> None:
        """Keep everything below each root."""
        for root in roots:
            self.pin(root)

    def unpin(self, root: Cid) -> None:
        """Keep it no longer."""
        self._pins.discard(root)

    def pins(self) -> frozenset[Cid]:
        """Return the pinned roots."""
        return frozenset(self._pins)

    def collect(self) -> Collected:
        """Remove what no pin reaches."""
        kept = self._kept()
        removed = [cid for cid in self.blocks if cid not in kept]
        freed = sum(len(self.blocks.pop(cid)) for cid in removed)
        return Collected(removed_blocks=len(removed), freed_bytes=freed, kept_blocks=len(self.blocks))

    def remove(self, blocks: Iterable[Cid]) -> None:
        """Remove these blocks, save what a pin reaches."""
        kept = self._kept()
        for cid in blocks:
            if cid not in kept:
                self.blocks.pop(cid, None)

    def _kept(self) -> set[Cid]:
        return {block.cid for root in self._pins for block in walk(self.get, root)}
