"""Storage nodes of several institutions, and how one of them comes to keep what another holds."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from medshare.content import MAX_BLOCK_SIZE, Block, BlockSource, Cid, references, verify_block, walk
from medshare.errors import BlobMismatchError, BlobNotFoundError, MedshareError, StoreError, StoreUnavailableError
from medshare.ports import BlobStore

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageNode:
    """One institution's storage node."""

    name: str
    """As the settings call it."""
    store: BlobStore
    """Answers for itself alone: what it lacks it says, and fetches from nobody."""


def bring(root: Cid, node: StorageNode, source: BlockSource) -> int:
    """Let a node keep everything below ``root``; return how many blocks had to be sent.

    What it holds is not sent again, so that what broke off goes on where it was. Each block is verified on its way,
    and the node pins only when it holds them all.

    Args:
        root: the record or bundle.
        node: who is to keep it.
        source: where blocks come from that it lacks.

    Raises:
        BlobNotFoundError: the source lacks a block, too.
        StoreError: the node or the source failed; repeating goes on.
    """
    try:
        node.store.pin(root)
    except (BlobNotFoundError, BlobMismatchError):
        return _send(root, node, source, node.store.has)
    return 0


def bring_all(roots: Sequence[Cid], node: StorageNode, source: BlockSource) -> None:
    """Let a node keep everything below several roots: all or none of it has to be sent.

    Args:
        roots: records that came together.
        node: who is to keep them.
        source: where blocks come from where it lacks some.

    Raises:
        BlobNotFoundError: the source lacks a block, too.
        StoreError: the node or the source failed; repeating goes on.
    """
    if not all(map(node.store.has, (roots[0], roots[-1]))):
        node.store.put(block for root in roots for block in walk(source, root))
    try:
        node.store.pin_all(roots)
    except (BlobNotFoundError, BlobMismatchError):
        for root in roots:
            bring(root, node, source)


def mend(root: Cid, node: StorageNode, source: BlockSource) -> int:
    """Give a node again what of ``root`` is gone or false there, and let it keep it; return how many blocks were sent.

    Args:
        root: the record or bundle.
        node: who is to keep it.
        source: where blocks come from.

    Raises:
        BlobMismatchError: the node's copy is as false as before.
        StoreError: as ``bring``.
    """

    def is_sound(cid: Cid) -> bool:
        try:
            node.store.get(cid)
        except StoreUnavailableError:
            raise
        except StoreError:
            return False
        return True

    sent = _send(root, node, source, is_sound)
    try:
        for _ in walk(node.store.get, root):
            pass
    except BlobMismatchError as error:
        # Kubo takes no block that it believes it has.
        error.hint = "stop that node, let it drop false blocks (ipfs repo verify --drop), start it and repair again"
        raise
    return sent


def told(error: MedshareError) -> str:
    """Return why a node could not do something, in one line."""
    # What is always said of such an error speaks of one's own store; what was said of this one is worth repeating.
    return f"{error}; {error.hint}" if error.hint != type(error).hint else str(error)


def _send(root: Cid, node: StorageNode, source: BlockSource, holds: Callable[[Cid], bool]) -> int:
    sent = _Counted(_lacking(root, source, holds))
    node.store.put(sent)
    node.store.pin(root)
    return sent.count


class _Counted:
    """Blocks, and how many have gone by."""

    def __init__(self, blocks: Iterator[Block]) -> None:
        self._blocks = blocks
        self.count = 0

    def __iter__(self) -> Iterator[Block]:
        for block in self._blocks:
            self.count += 1
            yield block


def _lacking(root: Cid, source: BlockSource, holds: Callable[[Cid], bool]) -> Iterator[Block]:
    for part in references(source, root):
        if holds(part.cid):
            continue
        data = part.data
        if data is None:
            data = source(part.cid, MAX_BLOCK_SIZE if part.size is None else part.size)
            verify_block(part.cid, data)
        yield Block(part.cid, data)


def blocks_of(root: Cid, source: BlockSource) -> list[Cid]:
    """Return the blocks below a root, as far as it can be read; the root itself is one."""
    blocks = [root]
    try:
        blocks += [part.cid for part in references(source, root) if part.cid != root]
    except StoreError as error:
        # What cannot be read any more cannot be listed either: what is known of it is looked for.
        _log.debug("the blocks of %s: %s", root, error)
    return blocks


def first_of(sources: Sequence[BlockSource]) -> BlockSource:
    """Return a source that gives each block from the first of several that has it."""

    def get(cid: Cid, max_size: int = MAX_BLOCK_SIZE) -> bytes:
        failure: StoreError | None = None
        for source in sources:
            try:
                return source(cid, max_size)
            except StoreError as error:
                failure = failure or error
        raise failure or BlobNotFoundError(str(cid))

    return get


def in_turn(root: Cid, names: Sequence[str]) -> list[str]:
    """Return names in an order that is each root's own, and the same for whoever asks.

    So roots spread evenly, and where a node joins or leaves, few have to move (rendezvous hashing).
    """
    return sorted(names, key=lambda name: hashlib.sha256(bytes(root) + name.encode()).digest())
