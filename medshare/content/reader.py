"""Verified reads: files, ranges, directories and whole DAGs from a source that nobody trusts.

Every block is checked against its CID here, whatever the source did. A file's size decides its tree (``layout``), so
each node is compared with the one that must be there: no DAG is deeper, wider or larger than its root said, and its
root may say no more than ``max_size``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeAlias

from medshare.content.cid import Block, Cid, Codec, verify_block
from medshare.content.dagpb import MAX_NODE_SIZE, DirectoryNode, FileNode, PbLink, decode_node
from medshare.content.layout import MAX_FILE_SIZE, MAX_LARGE_ENTRIES, PROFILE, Layout
from medshare.content.unixfs import Link
from medshare.errors import BlobTooLargeError, InvalidInputError, MalformedBlobError

BlockSource: TypeAlias = Callable[[Cid, int], bytes]
"""Returns the bytes of a block of at most so many bytes. ``BlobStore.get`` is one."""

READ_AHEAD: Final = 4
"""Leaves fetched at once by default, so that a far store's latency is paid once, not for each MiB."""

MAX_READ_AHEAD: Final = 64


@dataclass(frozen=True, slots=True)
class Reference:
    """A block that a DAG needs. ``data`` is there for nodes, which had to be read; leaves are not fetched."""

    cid: Cid
    size: int | None
    """Bytes of the block; ``None`` where nothing but the block itself tells: a file of one leaf, as the root."""
    data: bytes | None


@dataclass(frozen=True, slots=True)
class _Part:
    """A subtree of a file: which bytes it must cover, and at which height it stands."""

    cid: Cid
    height: int
    start: int
    size: int
    total_size: int


@dataclass(frozen=True, slots=True)
class _Root:
    """A file's root block, read: its own bytes, and the parts below (none if the file is one leaf)."""

    data: bytes
    size: int
    total_size: int
    parts: tuple[_Part, ...]


# ------------------------------------------------------------------------------------------------ files


def file_size(source: BlockSource, cid: Cid, *, layout: Layout = PROFILE) -> int:
    """Return the size of a file, as its root block states it.

    Raises:
        StoreError: as ``read_file``.
    """
    return _file_root(source, cid, layout).size


def read_file(
    source: BlockSource,
    cid: Cid,
    *,
    max_size: int,
    offset: int = 0,
    length: int | None = None,
    read_ahead: int = READ_AHEAD,
    layout: Layout = PROFILE,
) -> Iterator[bytes]:
    """Yield a file, or a range of it, in verified pieces of at most one chunk.

    Only the blocks that the range needs are fetched; a range past the end is cut, as in slicing.

    Args:
        source: where blocks come from; called from ``read_ahead`` threads at once if that is more than one.
        cid: the file's root.
        max_size: the largest file accepted, whatever the range.
        offset: where the range begins.
        length: how long it is; to the end if ``None``.
        read_ahead: leaves in flight at once, and held in memory.
        layout: the shape that the file must have.

    Raises:
        BlobTooLargeError: the file, or one of its blocks, is larger than allowed.
        MalformedBlobError: the DAG is not that of a file of this size.
        BlobMismatchError: the source answered with bytes of another CID.
        StoreError: whatever else the source raises.
        InvalidInputError: a negative offset or length.
    """
    if offset < 0 or (length is not None and length < 0):
        raise InvalidInputError("a range begins and ends within the file")
    if not 1 <= read_ahead <= MAX_READ_AHEAD:
        raise InvalidInputError(f"read_ahead is 1 to {MAX_READ_AHEAD}")
    end = MAX_FILE_SIZE if length is None else offset + length
    return _read(source, cid, max_size, (offset, end), read_ahead, layout)


def _read(
    source: BlockSource, cid: Cid, max_size: int, span: tuple[int, int], read_ahead: int, layout: Layout
) -> Iterator[bytes]:
    root = _file_root(source, cid, layout)
    if root.size > max_size:
        raise BlobTooLargeError("a file", max_size)
    low, high = span[0], min(span[1], root.size)
    if low >= high:
        return
    if not root.parts:
        yield root.data[low:high]
        return
    leaves = _leaves(source, root.parts, low, high, layout)
    for leaf, data in _fetched(source, leaves, read_ahead):
        first, last = max(low - leaf.start, 0), min(high - leaf.start, leaf.size)
        yield data if last - first == leaf.size else data[first:last]


def _leaves(source: BlockSource, parts: tuple[_Part, ...], low: int, high: int, layout: Layout) -> Iterator[_Part]:
    for part in parts:
        if part.start >= high or part.start + part.size <= low:
            continue
        if part.height == 0:
            yield part
        else:
            yield from _leaves(source, _children(source, part, layout)[1], low, high, layout)


def _fetched(source: BlockSource, leaves: Iterator[_Part], read_ahead: int) -> Iterator[tuple[_Part, bytes]]:
    """Yield leaves with their bytes, in order, ``read_ahead`` of them in flight."""
    if read_ahead == 1:
        for leaf in leaves:
            yield leaf, _leaf(source, leaf)
        return
    pool = ThreadPoolExecutor(read_ahead, "medshare-read")
    pending: deque[tuple[_Part, Future[bytes]]] = deque()
    try:
        for leaf in leaves:
            pending.append((leaf, pool.submit(_leaf, source, leaf)))
            if len(pending) == read_ahead:
                first, future = pending.popleft()
                yield first, future.result()
        while pending:
            first, future = pending.popleft()
            yield first, future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _leaf(source: BlockSource, leaf: _Part) -> bytes:
    data = _fetch(source, leaf.cid, leaf.size)
    if len(data) != leaf.size:
        raise MalformedBlobError("a leaf is shorter than its file says")
    return data


# ------------------------------------------------------------------------------------------ directories


def list_directory(source: BlockSource, cid: Cid, *, layout: Layout = PROFILE) -> dict[str, Link]:
    """Return the entries of a flat directory, by name.

    Sizes are what the entries' own root blocks state; reading a file verifies them.

    Raises:
        MalformedBlobError: not a flat directory of files.
        StoreError: as ``read_file``.
    """
    entries = {}
    for link in _directory(_fetch(source, cid, MAX_NODE_SIZE), cid).links:
        if link.cid.codec is Codec.RAW:
            size = _raw_entry_size(link, layout)
        else:
            size = _checked_total(_file_root(source, link.cid, layout), link).size
        entries[link.name] = Link(link.cid, size, link.total_size)
    return entries


def _directory(data: bytes, cid: Cid) -> DirectoryNode:
    if cid.codec is not Codec.DAG_PB:
        raise MalformedBlobError("a directory's block is dag-pb, this CID is not")
    node = decode_node(data)
    if not isinstance(node, DirectoryNode):
        raise MalformedBlobError("a file stands where a directory is expected")
    if sum(link.cid.codec is Codec.DAG_PB for link in node.links) > MAX_LARGE_ENTRIES:
        raise BlobTooLargeError("a directory's number of large files", MAX_LARGE_ENTRIES)
    return node


def _raw_entry_size(link: PbLink, layout: Layout) -> int:
    if link.total_size > layout.chunk_size:
        raise MalformedBlobError("a directory says that a leaf is larger than a chunk")
    return link.total_size


# ----------------------------------------------------------------------------------------- whole DAGs


def walk(source: BlockSource, root: Cid, *, max_size: int = MAX_FILE_SIZE, layout: Layout = PROFILE) -> Iterator[Block]:
    """Yield every block of a file or directory once, verified, depth first and parents before children.

    Raises:
        BlobTooLargeError: the files are larger than ``max_size`` together.
        StoreError: as ``read_file``.
    """
    for reference in references(source, root, max_size=max_size, layout=layout):
        data = reference.data
        if data is None:
            limit = layout.chunk_size if reference.size is None else reference.size
            data = _fetch(source, reference.cid, limit)
            if reference.size is not None and len(data) != reference.size:
                raise MalformedBlobError("a leaf is shorter than its file says")
        yield Block(reference.cid, data)


def references(
    source: BlockSource, root: Cid, *, max_size: int = MAX_FILE_SIZE, layout: Layout = PROFILE
) -> Iterator[Reference]:
    """Yield what ``walk`` yields, without fetching leaves: for pins and garbage collection.

    Raises:
        BlobTooLargeError: the files are larger than ``max_size`` together.
        StoreError: as ``read_file``.
    """
    if root.codec is Codec.RAW:
        yield Reference(root, None, None)
        return
    data = _fetch(source, root, MAX_NODE_SIZE)
    node = decode_node(data)
    yield Reference(root, len(data), data)
    # The same part may stand at many places (a file of zeros); each is looked at once, or a few blocks could claim
    # terabytes of walking. The key holds what is claimed of a part, so that a second, different claim is checked.
    seen: set[tuple[Cid, int, int]] = set()
    if isinstance(node, FileNode):
        file_root = _parts_of(node, root, data, layout)
        if file_root.size > max_size:
            raise BlobTooLargeError("a file", max_size)
        yield from _below(source, file_root.parts, seen, layout)
        return
    left = max_size
    for link in _directory(data, root).links:
        if link.cid.codec is Codec.RAW:
            part = _Part(link.cid, 0, 0, _raw_entry_size(link, layout), link.total_size)
            left = _spend(left, part.size, max_size)
            yield from _below(source, (part,), seen, layout)
        else:
            entry = _checked_total(_file_root(source, link.cid, layout), link)
            left = _spend(left, entry.size, max_size)
            if (link.cid, -1, entry.size) not in seen:
                seen.add((link.cid, -1, entry.size))
                yield Reference(link.cid, len(entry.data), entry.data)
                yield from _below(source, entry.parts, seen, layout)


def _below(
    source: BlockSource, parts: tuple[_Part, ...], seen: set[tuple[Cid, int, int]], layout: Layout
) -> Iterator[Reference]:
    for part in parts:
        key = (part.cid, part.height, part.size)
        if key in seen:
            continue
        seen.add(key)
        if part.height == 0:
            yield Reference(part.cid, part.size, None)
        else:
            data, children = _children(source, part, layout)
            yield Reference(part.cid, len(data), data)
            yield from _below(source, children, seen, layout)


def _spend(left: int, size: int, max_size: int) -> int:
    if size > left:
        raise BlobTooLargeError("the files of a directory together", max_size)
    return left - size


# -------------------------------------------------------------------------------------- blocks and nodes


def _fetch(source: BlockSource, cid: Cid, limit: int) -> bytes:
    data = source(cid, limit)
    if len(data) > limit:
        raise BlobTooLargeError(f"block {cid}", limit)
    verify_block(cid, data)
    return data


def _file_root(source: BlockSource, cid: Cid, layout: Layout) -> _Root:
    if cid.codec is Codec.RAW:
        data = _fetch(source, cid, layout.chunk_size)
        return _Root(data, len(data), len(data), ())
    data = _fetch(source, cid, MAX_NODE_SIZE)
    node = decode_node(data)
    if not isinstance(node, FileNode):
        raise MalformedBlobError("a directory stands where a file is expected")
    return _parts_of(node, cid, data, layout)


def _parts_of(node: FileNode, cid: Cid, data: bytes, layout: Layout) -> _Root:
    size = node.size
    if size > MAX_FILE_SIZE:
        raise BlobTooLargeError("a file", MAX_FILE_SIZE)
    total = len(data) + sum(link.total_size for link in node.links)
    part = _Part(cid, layout.height(size), 0, size, total)
    return _Root(data, size, total, _split(part, node, data, layout))


def _children(source: BlockSource, part: _Part, layout: Layout) -> tuple[bytes, tuple[_Part, ...]]:
    data = _fetch(source, part.cid, MAX_NODE_SIZE)
    node = decode_node(data)
    if not isinstance(node, FileNode):
        raise MalformedBlobError("a directory stands inside a file")
    return data, _split(part, node, data, layout)


def _split(part: _Part, node: FileNode, data: bytes, layout: Layout) -> tuple[_Part, ...]:
    """Return the parts below a node, once it is the node that must be here."""
    if part.height == 0:
        raise MalformedBlobError("a file of one chunk is a leaf, not a node")
    if node.block_sizes != layout.child_sizes(part.size, part.height):
        raise MalformedBlobError("a node does not divide its file as the profile does")
    if len(data) + sum(link.total_size for link in node.links) != part.total_size:
        raise MalformedBlobError("a node's total size is not what is said of it")
    codec = Codec.RAW if part.height == 1 else Codec.DAG_PB
    parts = []
    start = part.start
    for link, size in zip(node.links, node.block_sizes, strict=True):
        if link.cid.codec is not codec:
            raise MalformedBlobError("a node links to a block of the wrong kind")
        if codec is Codec.RAW and link.total_size != size:
            raise MalformedBlobError("a leaf's size and total size differ")
        parts.append(_Part(link.cid, part.height - 1, start, size, link.total_size))
        start += size
    return tuple(parts)


def _checked_total(root: _Root, link: PbLink) -> _Root:
    if root.total_size != link.total_size:
        raise MalformedBlobError("a directory states another total size than the file")
    return root
