"""Records and bundles on their way into a store: memory stays bounded whatever their size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

from medshare.content import BlockBatch, Cid, Link, build_directory, build_file
from medshare.ports import BlobStore


class BlobWriter:
    """Builds files and directories and hands their blocks to a store, in a ``with`` block.

    Args:
        store: where the blocks go.
    """

    def __init__(self, store: BlobStore) -> None:
        self._batch = BlockBatch(store.put)

    def __enter__(self) -> Self:
        self._batch.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._batch.__exit__(kind, error, trace)

    def file(self, chunks: Iterable[bytes]) -> Link:
        """Store a file; return the link to it. Its last blocks are durable after ``directory``."""
        return build_file(chunks, self._batch)

    def directory(self, entries: Mapping[str, Link]) -> Cid:
        """Store a directory and return its CID; all blocks written so far are durable then."""
        root = build_directory(entries, self._batch).cid
        self._batch.flush()
        return root
