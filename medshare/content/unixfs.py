"""Build a file's tree and a flat directory, block for block what Kubo builds with ``unixfs-v1-2025``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from medshare.content.cid import Block, Cid, Codec
from medshare.content.dagpb import MAX_NODE_SIZE, DirectoryNode, FileNode, PbLink, check_name, encode_node
from medshare.content.layout import MAX_FILE_SIZE, MAX_LARGE_ENTRIES, PROFILE, Layout
from medshare.errors import InvalidInputError

_MAX_PARTS = 1024  # a stream of single bytes is not held as a million objects


@dataclass(frozen=True, slots=True)
class Link:
    """Where a file or directory is, and how large."""

    cid: Cid
    size: int
    """Bytes of the file; of a directory, of all its files."""
    total_size: int
    """Bytes of all blocks below (Tsize)."""
    is_directory: bool = False


def build_file(chunks: Iterable[bytes], emit: Callable[[Block], None], *, layout: Layout = PROFILE) -> Link:
    """Cut a stream into blocks and give each to ``emit``, children before parents.

    Holds one chunk and at most ``layout.max_links`` links for each level, whatever the file's size.

    Args:
        chunks: the file, in pieces of any size.
        emit: takes each block; see ``BlockBatch``.
        layout: chunk size and fan-out.

    Raises:
        InvalidInputError: the file is larger than ``MAX_FILE_SIZE``.
    """
    levels: list[list[Link]] = [[]]
    size = 0
    for chunk in _rechunk(chunks, layout.chunk_size):
        size += len(chunk)
        if size > MAX_FILE_SIZE:
            raise InvalidInputError(f"a file has at most {MAX_FILE_SIZE} bytes")
        block = Block.of(Codec.RAW, chunk)
        emit(block)
        _add(levels, 0, Link(block.cid, len(chunk), len(chunk)), emit, layout)
    return _close(levels, emit, layout)


def build_directory(entries: Mapping[str, Link], emit: Callable[[Block], None]) -> Link:
    """Give the one block of a flat directory to ``emit``.

    Raises:
        InvalidInputError: a name is not acceptable, an entry is a directory, more than ``MAX_LARGE_ENTRIES`` are
            files of several blocks, or the block would be larger than 256 KiB, where Kubo begins to shard and the
            CID would depend on its settings.
    """
    if sum(link.cid.codec is Codec.DAG_PB for link in entries.values()) > MAX_LARGE_ENTRIES:
        raise InvalidInputError(f"a directory has at most {MAX_LARGE_ENTRIES} files of more than one block")
    for name, link in entries.items():
        check_name(name)
        if link.is_directory:
            raise InvalidInputError("a directory in a directory is not supported")
    links = tuple(PbLink(link.cid, name, link.total_size) for name, link in entries.items())
    data = encode_node(DirectoryNode(links))
    if len(data) > MAX_NODE_SIZE:
        raise InvalidInputError(
            f"a directory of {len(links)} entries takes more than {MAX_NODE_SIZE} bytes and would be sharded",
            hint="divide the entries among several directories",
        )
    block = Block.of(Codec.DAG_PB, data)
    emit(block)
    total = len(data) + sum(link.total_size for link in entries.values())
    return Link(block.cid, sum(link.size for link in entries.values()), total, is_directory=True)


def _add(levels: list[list[Link]], level: int, link: Link, emit: Callable[[Block], None], layout: Layout) -> None:
    """Put a link on its level; a full level becomes one node on the next, but only when one more link comes."""
    if level == len(levels):
        levels.append([])
    if len(levels[level]) == layout.max_links:
        _add(levels, level + 1, _node(levels[level], emit), emit, layout)
        levels[level].clear()
    levels[level].append(link)


def _close(levels: list[list[Link]], emit: Callable[[Block], None], layout: Layout) -> Link:
    """Fold the levels upwards until one link is left: the root."""
    level = 0
    while level < len(levels) - 1 or len(levels[level]) > 1:
        _add(levels, level + 1, _node(levels[level], emit), emit, layout)
        level += 1
    return levels[level][0]


def _node(links: list[Link], emit: Callable[[Block], None]) -> Link:
    node = FileNode(tuple(PbLink(link.cid, "", link.total_size) for link in links), tuple(link.size for link in links))
    data = encode_node(node)
    block = Block.of(Codec.DAG_PB, data)
    emit(block)
    return Link(block.cid, node.size, len(data) + sum(link.total_size for link in links))


def _rechunk(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Yield the same bytes in pieces of ``size``; the last may be shorter, and an empty stream is one empty piece."""
    parts: list[bytes | memoryview] = []
    missing = size
    empty = True
    for chunk in chunks:
        rest = memoryview(chunk)
        while len(rest) >= missing:
            parts.append(rest[:missing])
            rest = rest[missing:]
            yield b"".join(parts)  # the only copy
            empty = False
            parts.clear()
            missing = size
        if rest:
            parts.append(rest)
            missing -= len(rest)
        if len(parts) >= _MAX_PARTS:
            parts = [b"".join(parts)]
    if parts or empty:
        yield b"".join(parts)
