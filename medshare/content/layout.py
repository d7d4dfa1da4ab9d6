"""The shape of a file's tree, which its size alone decides.

Kubo's profile ``unixfs-v1-2025`` (IPIP-499): chunks of 1 MiB, nodes of at most 1024 links, balanced, filled from the
left, every leaf at the same depth. A reader who knows the size knows the whole tree before the first download, so a
DAG of another shape (too deep, too wide, with sizes that lie) is refused at its first wrong node.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CHUNK_SIZE: Final = 1024 * 1024
MAX_LINKS: Final = 1024
MAX_FILE_SIZE: Final = 2**46
"""64 TiB; a larger file is taken for an attack."""

MAX_LARGE_ENTRIES: Final = 256
"""Entries of one directory that are files of more than one block: a reader reads each one's root for its size."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Chunk size and fan-out. Only tests use others than ``PROFILE``."""

    chunk_size: int = CHUNK_SIZE
    max_links: int = MAX_LINKS

    def __post_init__(self) -> None:
        if not (0 < self.chunk_size <= CHUNK_SIZE and 1 < self.max_links <= MAX_LINKS):
            raise ValueError("a layout is at most that of the profile")

    def height(self, size: int) -> int:
        """Return how many levels of nodes stand above the leaves of a file; 0 if the file is one leaf."""
        height, capacity = 0, self.chunk_size
        while capacity < size:
            height, capacity = height + 1, capacity * self.max_links
        return height

    def child_sizes(self, size: int, height: int) -> tuple[int, ...]:
        """Return how many bytes are below each link of the node at ``height`` that covers ``size`` bytes."""
        each: int = self.chunk_size * self.max_links ** (height - 1)
        full, rest = divmod(size, each)
        return (each,) * full + ((rest,) if rest else ())


PROFILE: Final = Layout()
