"""Blocks as files in one private folder: what an installation without an IPFS node uses.

::

    <folder>/blocks/<shard>/<CID>    one block each, whole or not there
    <folder>/pins/<CID>              empty; its presence is the pin
    <folder>/blocks.sqlite           small blocks that came by the hundred, and their pins: one barrier for all
    <folder>/incoming/               blocks being written; leftovers of a crash are removed by collect()
    <folder>/lock                    held while blocks appear or disappear, by one process at a time

A block is written beside its place, synced, and renamed, so a crash at any moment leaves whole blocks only, and
repeating what was interrupted completes it. ``collect`` keeps blocks that no pin reaches while they are younger than
the grace period, because another process may have put them and not pinned them yet. Blocks that lose their pin by
``unpin`` go at once, unless they were put more than once: then two may rely on them. A put-then-pin that takes longer
than the grace period may have to be repeated: ``pin`` then raises, it never pins a part.
"""

from __future__ import annotations

import logging
import os
import secrets
import stat
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import filelock

from medshare.content import MAX_BLOCK_SIZE, Block, Cid, in_batches, references, verify_block
from medshare.errors import (
    BlobNotFoundError,
    BlobTooLargeError,
    ConfigurationError,
    InvalidInputError,
    StoreError,
    StoreUnavailableError,
)
from medshare.files import PRIVATE_FILE, out_of_space_is_typed, private_folder, sync_folder
from medshare.ports import Collected
from medshare.storage.small_blocks import MANY, SMALL, SmallBlocks

GRACE_SECONDS: Final = 24 * 60 * 60
LOCK_TIMEOUT_SECONDS: Final = 60.0
_MAX_BATCH_BLOCKS: Final = 1024
_MAX_BATCH_PINS: Final = 1024
_NANO: Final = 1_000_000_000
_SYNC_THREADS: Final = 8
_SHARDS: Final = "abcdefghijklmnopqrstuvwxyz234567"
_NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_R = TypeVar("_R")


class LocalBlobStore:
    """A ``BlobStore`` in a folder. Safe for several threads and processes at once.

    Args:
        folder: made if missing, readable by the owner only.
        grace: seconds for which ``collect`` spares blocks that were put and not pinned.
        now: Unix seconds, to tell a block's age.

    Raises:
        ConfigurationError: something in the folder is a link or a file where a folder must be.
        StoreFullError: there is no space for the folders.
        StoreUnavailableError: the folder cannot be used.
    """

    def __init__(self, folder: Path, *, grace: float = GRACE_SECONDS, now: Callable[[], float] = time.time) -> None:
        self._blocks = folder / "blocks"
        self._pins = folder / "pins"
        self._incoming = folder / "incoming"
        self._small = SmallBlocks(folder / "blocks.sqlite")
        self._grace = grace
        self._now = now
        with _disk_errors():
            private_folder(folder)
            for part in (self._blocks, self._pins, self._incoming, *(self._blocks / name for name in _SHARDS)):
                _own_folder(part)
            sync_folder(self._blocks)
            sync_folder(folder)
        self._lock = filelock.FileLock(folder / "lock", timeout=LOCK_TIMEOUT_SECONDS, mode=PRIVATE_FILE)

    # ------------------------------------------------------------------------------------------ reading

    def get(self, cid: Cid, max_size: int = MAX_BLOCK_SIZE) -> bytes:
        """Return a block's bytes, verified; see ``BlobStore.get``."""
        with _disk_errors():
            data = self._read(cid, max_size)
        verify_block(cid, data)
        return data

    def has(self, cid: Cid) -> bool:
        """Whether the block is here; its bytes are not looked at."""
        with _disk_errors():
            return self._size(cid) is not None

    def pins(self) -> frozenset[Cid]:
        """Return the roots that are pinned."""
        with _disk_errors(), os.scandir(self._pins) as entries:
            names = [entry.name for entry in entries]
        return frozenset(cid for cid in map(_cid_of, names) if cid is not None) | frozenset(self._small.pins())

    # ------------------------------------------------------------------------------------------ writing

    def put(self, blocks: Iterable[Block]) -> None:
        """Store blocks, durably; see ``BlobStore.put``. A damaged copy that is here is replaced.

        Raises:
            StoreFullError: no space is left; blocks that were written whole are kept.
            StoreUnavailableError: the disk or the lock failed; repeating is safe.
        """
        for batch in in_batches(blocks, max_blocks=_MAX_BATCH_BLOCKS):
            blocks = list({block.cid: block for block in batch}.values())
            small = [block for block in blocks if len(block.data) <= SMALL]
            with _disk_errors():
                if len(small) < MANY:
                    self._put_batch(blocks)
                else:
                    rest = self._put_small(small)
                    self._put_batch([*rest, *(block for block in blocks if len(block.data) > SMALL)])

    def _put_small(self, blocks: list[Block]) -> list[Block]:
        """Give new ones to the file of small blocks, and those that are here a new age; return damaged files'."""
        with self._lock:
            new, here, damaged = [], [], []
            for block in blocks:
                if self._small.get(block.cid) == block.data:
                    here.append(block.cid)
                elif not os.path.lexists(self._path(block.cid)):
                    new.append(block)
                elif self._holds(block):
                    here.append(block.cid)
                else:
                    damaged.append(block)
            self._small.put(new, born=time.time_ns())
            self._renew_all(here)
        _log.debug("stored %d small blocks, %d were here", len(new), len(here))
        return damaged

    def _put_batch(self, blocks: list[Block]) -> None:
        written = _each(self._write, blocks)
        new = [(block, path) for block, path in zip(blocks, written, strict=True) if isinstance(path, Path)]
        present = [block for block, path in zip(blocks, written, strict=True) if path is None]
        try:
            self._publish(new, present)  # what is whole is kept, even if the disk is full now
        finally:
            for _, path in new:
                path.unlink(missing_ok=True)
        for error in written:
            if isinstance(error, Exception):
                raise error
        _log.debug("stored %d blocks, %d were here", len(new), len(present))

    def _write(self, block: Block) -> Path | Exception | None:
        """Write a block beside its place, durably, unless it is here; an error is returned, not to stop the others."""
        try:
            return None if self._holds(block) else self._stage(block)
        except (OSError, StoreError) as error:
            return error

    def _publish(self, staged: list[tuple[Block, Path]], present: list[Block]) -> None:
        """Give new blocks their names and old ones a new age, in one step as seen from ``collect``."""
        with self._lock:
            touched = set()
            for block, path in staged:
                target = self._path(block.cid)
                touched.add(target.parent)
                contested = self._size(block.cid) is not None
                try:
                    path.replace(target)
                except FileNotFoundError:  # so slow that collect() took it for a leftover
                    self._stage(block).replace(self._path(block.cid))
                if contested:
                    if self._small.is_there:
                        self._small.remove([block.cid])  # it was damaged there: a block is in one place
                    self._renew(block.cid)
            for block in present:
                try:
                    self._renew(block.cid)
                except FileNotFoundError:  # collected since we looked
                    self._stage(block).replace(self._path(block.cid))
                    touched.add(self._path(block.cid).parent)
            _each(sync_folder, list(touched))

    def _renew(self, cid: Cid) -> None:
        """Keep a block that was put twice young for longer: ``unpin`` by one must not age what another relies on."""
        if self._renew_all([cid]):
            raise FileNotFoundError(cid)

    def _renew_all(self, cids: Iterable[Cid]) -> list[Cid]:
        """Keep blocks young for longer; return those that are not here."""
        renewed = self._now() + self._grace
        small, absent = [], []
        for cid in cids:
            if self._small.size(cid) is not None:
                small.append(cid)
                continue
            try:
                os.utime(self._path(cid), (renewed, renewed))
            except FileNotFoundError:
                absent.append(cid)
        if small:
            self._small.renew(small, born=int(renewed * _NANO))
        return absent

    def _stage(self, block: Block) -> Path:
        path = self._incoming / f"{secrets.token_hex(16)}.part"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW, PRIVATE_FILE)
        try:
            view = memoryview(block.data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        return path

    # ----------------------------------------------------------------------------------------- pinning

    def pin(self, root: Cid) -> None:
        """Keep everything below ``root``, which must be here.

        Nodes are verified, leaves are only seen to be here with their size; reading verifies them.

        Raises:
            BlobNotFoundError: a block is missing; nothing was pinned.
            StoreError: a node is damaged, or as ``put``.
        """
        self.pin_all([root])

    def pin_all(self, roots: Iterable[Cid]) -> None:
        """Keep everything below each root; see ``pin``. The lock and the barrier are taken once for many."""
        cids = list(dict.fromkeys(roots))
        for start in range(0, len(cids), _MAX_BATCH_PINS):
            with _disk_errors(), self._lock:
                several = cids[start : start + _MAX_BATCH_PINS]
                for root in several:
                    self._check_whole(root)
                if len(several) >= MANY:
                    self._small.pin(several, now=time.time_ns())
                else:
                    self._write_pins(several)

    def _write_pins(self, roots: list[Cid]) -> None:
        for root in roots:
            path = self._pins / str(root)
            with out_of_space_is_typed("a pin"):
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | _NO_FOLLOW, PRIVATE_FILE))
                os.utime(path)
        sync_folder(self._pins)

    def _check_whole(self, root: Cid) -> None:
        for reference in references(self.get, root):
            if reference.data is None and (reference.size is None or self._size(reference.cid) != reference.size):
                self.get(reference.cid)  # says what is wrong with it

    def unpin(self, root: Cid) -> None:
        """Keep it no longer. Not pinned is no error."""
        with _disk_errors(), self._lock:
            path = self._pins / str(root)
            pinned = []
            with suppress(FileNotFoundError):
                pinned.append(path.lstat().st_mtime_ns)
                path.unlink()
                sync_folder(self._pins)
            among_many = self._small.pinned_at(root)
            if among_many is not None:
                pinned.append(among_many)
                self._small.unpin(root)
            if not pinned:
                return
            with suppress(StoreError):  # a damaged DAG: what is not reached waits for the grace period
                self._age({reference.cid for reference in references(self.get, root)}, max(pinned))

    def _age(self, cids: Collection[Cid], pinned_at: int) -> None:
        """Let the next ``collect`` remove blocks, unless somebody put them again after they were pinned."""
        small = [cid for cid in cids if self._small.size(cid) is not None]
        if small:
            self._small.age(small, pinned_at)
        for path in map(self._path, set(cids).difference(small)):
            with suppress(FileNotFoundError):
                if path.lstat().st_mtime_ns <= pinned_at:
                    os.utime(path, (0, 0))

    def collect(self, *, grace: float | None = None) -> Collected:
        """Remove what no pin reaches and is not young, and what crashed writers left.

        Args:
            grace: seconds for which what no pin reaches is spared, in place of the store's own. With less than a
                put-then-pin takes that is under way, its ``pin`` raises and it must be repeated.

        Raises:
            StoreError: a pinned DAG cannot be read whole. Nothing is removed then: what it needs is not known.
        """
        with _disk_errors(), self._lock:
            needed = {str(reference.cid) for root in self.pins() for reference in references(self.get, root)}
            born_before = self._now() - (self._grace if grace is None else grace)
            swept = _Swept()
            for shard in _SHARDS:
                _sweep(self._blocks / shard, needed, born_before, swept)
            self._sweep_small(needed, born_before, swept)
            _sweep(self._incoming, set(), born_before, _Swept(), names_are_cids=False)
        _log.debug("collected %d blocks, kept %d, spared %d", swept.removed, swept.needed, swept.spared)
        return Collected(
            removed_blocks=swept.removed,
            freed_bytes=swept.freed,
            kept_blocks=swept.needed + swept.spared,
            spared_blocks=swept.spared,
            spared_bytes=swept.spared_bytes,
        )

    def _sweep_small(self, needed: set[str], born_before: float, swept: _Swept) -> None:
        old = []
        for cid, born, size in self._small.ages():
            if str(cid) in needed:
                swept.needed += 1
            elif born > born_before * _NANO:
                swept.spared, swept.spared_bytes = swept.spared + 1, swept.spared_bytes + size
            else:
                old.append(cid)
                swept.removed, swept.freed = swept.removed + 1, swept.freed + size
        if old:
            self._small.remove(old)

    def remove(self, blocks: Iterable[Cid]) -> None:
        """Remove these blocks now, however young; see ``BlobStore.remove``. It lasts through a power cut.

        Raises:
            StoreError: a pinned DAG cannot be read whole. Nothing is removed then: what it needs is not known.
        """
        with _disk_errors(), self._lock:
            needed = {reference.cid for root in self.pins() for reference in references(self.get, root)}
            touched = set()
            removed = [cid for cid in blocks if cid not in needed]
            for path in map(self._path, removed):
                path.unlink(missing_ok=True)
                touched.add(path.parent)
            _each(sync_folder, list(touched))
            if self._small.is_there:
                self._small.remove(removed)

    # ------------------------------------------------------------------------------------------- files

    def _path(self, cid: Cid) -> Path:
        name = str(cid)
        return self._blocks / name[-2] / name  # the last character holds three bits only

    def _size(self, cid: Cid) -> int | None:
        small = self._small.size(cid)
        if small is not None:
            return small
        try:
            status = self._path(cid).lstat()
        except FileNotFoundError:
            return None
        return status.st_size if stat.S_ISREG(status.st_mode) else None

    def _holds(self, block: Block) -> bool:
        """Whether exactly these bytes are here. Comparing is cheaper than hashing, and repairs damage."""
        if self._size(block.cid) != len(block.data):
            return False
        with suppress(StoreError):
            return self._read(block.cid, len(block.data)) == block.data
        return False

    def _read(self, cid: Cid, max_size: int) -> bytes:
        path = self._path(cid)
        small = self._small.get(cid)
        if small is not None:
            if len(small) > max_size:
                raise BlobTooLargeError(f"block {cid}", max_size)
            return small
        try:
            # Not to wait for a writer, should somebody have put a pipe here.
            descriptor = os.open(path, os.O_RDONLY | _NO_FOLLOW | getattr(os, "O_NONBLOCK", 0))
        except FileNotFoundError:
            raise BlobNotFoundError(str(cid)) from None
        with os.fdopen(descriptor, "rb", buffering=0) as stream:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise StoreUnavailableError(f"block {cid} is not a file")
            if status.st_size > max_size:
                raise BlobTooLargeError(f"block {cid}", max_size)
            return stream.read(max_size + 1)


def _own_folder(path: Path) -> None:
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    if not stat.S_ISDIR(path.lstat().st_mode):
        raise ConfigurationError(
            f"{path.name!r} in the block store is not a folder",
            hint="links inside the store are not followed; move it away and try again",
        )


def _each(work: Callable[[_T], _R], items: list[_T]) -> list[_R]:
    """Do ``work`` on each item, several at once: the disk joins syncs that wait at the same time into one."""
    if len(items) < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(min(_SYNC_THREADS, len(items)), "medshare-sync") as pool:
        return list(pool.map(work, items))


@dataclass(slots=True)
class _Swept:
    """What a sweep has found so far: files, and bytes."""

    removed: int = 0
    freed: int = 0
    needed: int = 0
    spared: int = 0
    spared_bytes: int = 0


def _sweep(folder: Path, needed: set[str], born_before: float, swept: _Swept, *, names_are_cids: bool = True) -> None:
    """Remove old files that are not needed, and count them all."""
    before = swept.removed
    with os.scandir(folder) as entries:
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            if not stat.S_ISREG(status.st_mode) or (names_are_cids and _cid_of(entry.name) is None):
                continue  # not ours
            if entry.name in needed:
                swept.needed += 1
            elif status.st_mtime > born_before:
                swept.spared, swept.spared_bytes = swept.spared + 1, swept.spared_bytes + status.st_size
            else:
                Path(entry.path).unlink(missing_ok=True)
                swept.removed, swept.freed = swept.removed + 1, swept.freed + status.st_size
    if swept.removed > before:
        sync_folder(folder)


def _cid_of(name: str) -> Cid | None:
    try:
        return Cid.parse(name)
    except InvalidInputError:
        return None


@contextmanager
def _disk_errors() -> Iterator[None]:
    """Every error of the disk and the lock, as ours."""
    try:
        with out_of_space_is_typed("the block store"):
            yield
    except filelock.Timeout as error:
        raise StoreUnavailableError("another process holds the block store") from error
    except OSError as error:
        raise StoreUnavailableError(f"the block store's disk failed: {error.strerror}") from error
