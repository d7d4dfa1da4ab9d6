"""Between builders that push blocks one by one, and stores that take them by the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self

from medshare.content.cid import MAX_BLOCK_SIZE, Block
from medshare.errors import BlobTooLargeError

BATCH_SIZE: Final = 16 * 1024 * 1024
"""Bytes in memory at once; enough that a sync or a request for each batch costs little."""

MAX_BATCH_BLOCKS: Final = 4096


class BlockBatch:
    """Collects blocks up to ``max_bytes`` and gives them to ``put``; what is left when the block ends well, too.

    While one batch is being put, the next is built: sealing and hashing need not wait for the disk or the network. An
    error of ``put`` is raised at the next batch or at the end, whichever comes first.

    ::

        with BlockBatch(store.put) as emit:
            payload = build_file(chunks, emit)
            record = build_directory({"payload.c4gh": payload}, emit)
    """

    def __init__(self, put: Callable[[Iterable[Block]], None], *, max_bytes: int = BATCH_SIZE) -> None:
        self._put = put
        self._max_bytes = max_bytes
        self._blocks: list[Block] = []
        self._bytes = 0
        self._worker: ThreadPoolExecutor | None = None
        self._running: Future[None] | None = None

    def __call__(self, block: Block) -> None:
        """Take one block."""
        self._blocks.append(block)
        self._bytes += len(block.data)
        if self._bytes >= self._max_bytes:
            self._settle()
            if self._worker is None:
                self._worker = ThreadPoolExecutor(1, "medshare-put")
            self._running = self._worker.submit(self._put, self._taken())

    def flush(self) -> None:
        """Give on what has been collected; all of it has been put when this returns."""
        self._settle()
        if self._blocks:
            self._put(self._taken())

    def _taken(self) -> list[Block]:
        blocks, self._blocks, self._bytes = self._blocks, [], 0
        return blocks

    def _settle(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.flush()
        finally:
            if self._worker is not None:
                self._worker.shutdown(wait=True)


def in_batches(
    blocks: Iterable[Block], *, max_bytes: int = BATCH_SIZE, max_blocks: int = MAX_BATCH_BLOCKS
) -> Iterator[list[Block]]:
    """Yield blocks in lists of about ``max_bytes`` and at most ``max_blocks``.

    Raises:
        BlobTooLargeError: a block is larger than ``MAX_BLOCK_SIZE``.
    """
    batch: list[Block] = []
    size = 0
    for block in blocks:
        if len(block.data) > MAX_BLOCK_SIZE:
            raise BlobTooLargeError(f"block {block.cid}", MAX_BLOCK_SIZE)
        batch.append(block)
        size += len(block.data)
        if size >= max_bytes or len(batch) >= max_blocks:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
