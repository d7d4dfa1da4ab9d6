"""One's own store, and other people's to read from: of each block, the first that has it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Final

from medshare.content import MAX_BLOCK_SIZE, Block, Cid
from medshare.errors import BlobNotFoundError, StoreError, StoreUnavailableError
from medshare.ports import BlobStore, Collected
from medshare.storage.gateway import GatewayBlobStore
from medshare.storage.kubo import KuboBlobStore

REST_SECONDS: Final = 30.0
"""For how long a store that was unavailable is asked last: a record's thousand blocks need not each wait for it."""

_log = logging.getLogger(__name__)


class SeveralStores:
    """Reads from several stores, in order; writes, pins and collects in the first, which is one's own.

    A store that fails or lies hides no block that another has. The one that had the last block is asked first: where
    one had a part of a record, the rest is likely to be, and a search for it elsewhere takes long.

    Args:
        own: where one's own blocks are kept.
        others: where else blocks may be.
        now: seconds that only go up.
    """

    def __init__(self, own: BlobStore, *others: BlobStore, now: Callable[[], float] = time.monotonic) -> None:
        self._own = own
        self._stores = (own, *others)
        self._now = now
        self._last = 0
        self._resting: dict[int, float] = {}

    def close(self) -> None:
        """Close the connections of those that have some."""
        for store in self._stores:
            if isinstance(store, KuboBlobStore | GatewayBlobStore):
                store.close()

    def get(self, cid: Cid, max_size: int = MAX_BLOCK_SIZE) -> bytes:
        """Return a block, verified, from the first store that has it.

        Raises:
            StoreError: as the stores did; ``BlobNotFoundError`` only if all say that they have it not.
        """
        failure: StoreError | None = None
        for place in self._order():
            try:
                data = self._stores[place].get(cid, max_size)
            except StoreError as error:
                if isinstance(error, StoreUnavailableError):
                    self._resting[place] = self._now() + REST_SECONDS
                if failure is None or isinstance(failure, BlobNotFoundError):
                    failure = error
            else:
                if place != self._last:
                    _log.info("blocks come from store %d of %d now", place + 1, len(self._stores))
                    self._last = place
                return data
        raise failure or BlobNotFoundError(str(cid))

    def _order(self) -> list[int]:
        now = self._now()
        places = range(len(self._stores))
        return sorted(places, key=lambda place: (now < self._resting.get(place, now), place != self._last))

    def put(self, blocks: Iterable[Block]) -> None:
        """Store blocks in one's own store."""
        self._own.put(blocks)

    def has(self, cid: Cid) -> bool:
        """Whether one's own store holds the block."""
        return self._own.has(cid)

    def pin(self, root: Cid) -> None:
        """Keep everything below ``root`` in one's own store."""
        self._own.pin(root)

    def pin_all(self, roots: Iterable[Cid]) -> None:
        """Keep everything below each root in one's own store."""
        self._own.pin_all(roots)

    def unpin(self, root: Cid) -> None:
        """Keep it no longer."""
        self._own.unpin(root)

    def pins(self) -> frozenset[Cid]:
        """Return the roots that are pinned in one's own store."""
        return self._own.pins()

    def collect(self) -> Collected:
        """Remove what no pin reaches from one's own store."""
        return self._own.collect()

    def remove(self, blocks: Iterable[Cid]) -> None:
        """Remove these blocks from one's own store."""
        self._own.remove(blocks)
