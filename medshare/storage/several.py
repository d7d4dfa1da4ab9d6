"""One's own store, and other people's to read from: of each block, the first that has it."""

from __future__ import annotations

from collections.abc import Iterable

from medshare.content import MAX_BLOCK_SIZE, Block, Cid
from medshare.errors import BlobNotFoundError, StoreError
from medshare.ports import BlobStore, Collected


class SeveralStores:
    """Reads from several stores, in order; writes, pins and collects in the first, which is one's own.

    A store that fails or lies hides no block that another has.

    Args:
        own: where one's own blocks are kept.
        others: where else blocks may be.
    """

    def __init__(self, own: BlobStore, *others: BlobStore) -> None:
        self._own = own
        self._stores = (own, *others)

    def get(self, cid: Cid, max_size: int = MAX_BLOCK_SIZE) -> bytes:
        """Return a block, verified, from the first store that has it.

        Raises:
            StoreError: as the stores did; ``BlobNotFoundError`` only if all say that they have it not.
        """
        failure: StoreError | None = None
        for store in self._stores:
            try:
                return store.get(cid, max_size)
            except StoreError as error:
                if failure is None or isinstance(failure, BlobNotFoundError):
                    failure = error
        raise failure or BlobNotFoundError(str(cid))

    def put(self, blocks: Iterable[Block]) -> None:
        """Store blocks in one's own store."""
        self._own.put(blocks)

    def has(self, cid: Cid) -> bool:
        """Whether one's own store holds the block."""
        return self._own.has(cid)

    def pin(self, root: Cid) -> None:
        """Keep everything below ``root`` in one's own store."""
        self._own.pin(root)

    def unpin(self, root: Cid) -> None:
        """Keep it no longer."""
        self._own.unpin(root)

    def pins(self) -> frozenset[Cid]:
        """Return the roots that are pinned in one's own store."""
        return self._own.pins()

    def collect(self) -> Collected:
        """Remove what no pin reaches from one's own store."""
        return self._own.collect()
