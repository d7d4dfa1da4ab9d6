"""How many bytes are read of a store, and how many there are."""

from __future__ import annotations

from medshare.content import MAX_BLOCK_SIZE, Cid, references
from medshare.ports import BlobStore
from medshare.storage import SeveralStores


class Counting(SeveralStores):
    """A store of which it is counted how many bytes are read."""

    read = 0

    def get(self, cid: Cid, max_size: int = MAX_BLOCK_SIZE) -> bytes:
        """Return a block."""
        data = super().get(cid, max_size)
        self.read += len(data)
        return data


def size_of(store: BlobStore, root: Cid) -> int:
    """Return the bytes of all blocks below a root."""
    return sum(len(part.data) if part.data is not None else part.size or 0 for part in references(store.get, root))
