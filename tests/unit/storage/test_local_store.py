"""The local block store: what its folder must survive.

given a store with blocks and pins
├─ when a block rots, grows or becomes a link → it should raise, never give wrong bytes; putting it again repairs it
├─ when the disk is full → it should raise StoreFullError and keep what was written
├─ when it collects → it should keep what pins reach and what is young, and remove the rest
└─ when another user looks → it should find nothing readable
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from medshare.content import Block, Cid, Codec, Link, build_directory, build_file, read_file
from medshare.errors import (
    BlobMismatchError,
    BlobNotFoundError,
    BlobTooLargeError,
    ConfigurationError,
    StoreFullError,
    StoreUnavailableError,
)
from medshare.storage import LocalBlobStore
from medshare.storage import local as local_module

pytestmark = pytest.mark.unit

DAY = 24 * 60 * 60


def blocks_of(*texts: bytes) -> list[Block]:
    return [Block.of(Codec.RAW, text) for text in texts]


def record(*texts: bytes) -> tuple[Link, list[Block]]:
    blocks: list[Block] = []
    entries = {str(i): build_file([text], blocks.append) for i, text in enumerate(texts)}
    return build_directory(entries, blocks.append), blocks


def path_of(folder: Path, cid: Cid) -> Path:
    (path,) = folder.glob(f"blocks/*/{cid}")
    return path


@pytest.fixture
def store(tmp_path: Path) -> LocalBlobStore:
    return LocalBlobStore(tmp_path)


# ---------------------------------------------------------------------------------------------- damage


def test_get__bit_rot__is_a_mismatch_and_putting_again_repairs(store: LocalBlobStore, tmp_path: Path) -> None:
    (block,) = blocks_of(b"blood group 0")
    store.put([block])
    path_of(tmp_path, block.cid).write_bytes(b"blood group 1")
    with pytest.raises(BlobMismatchError):
        store.get(block.cid)
    store.put([block])
    assert store.get(block.cid) == block.data


@pytest.mark.parametrize("damage", [b"", b"shor", b"much longer than it was"])
def test_put__block_here_has_another_length__is_repaired(store: LocalBlobStore, tmp_path: Path, damage: bytes) -> None:
    (block,) = blocks_of(b"short")
    store.put([block])
    path_of(tmp_path, block.cid).write_bytes(damage)
    store.put([block])
    assert store.get(block.cid) == block.data


def test_get__larger_than_asked__is_too_large(store: LocalBlobStore) -> None:
    (block,) = blocks_of(b"12345")
    store.put([block])
    assert store.get(block.cid, 5) == b"12345"
    with pytest.raises(BlobTooLargeError):
        store.get(block.cid, 4)


def test_get__block_is_a_link__is_not_followed(store: LocalBlobStore, tmp_path: Path) -> None:
    (block,) = blocks_of(b"elsewhere")
    store.put([block])
    path = path_of(tmp_path, block.cid)
    (tmp_path / "other").write_bytes(b"elsewhere")
    path.unlink()
    path.symlink_to(tmp_path / "other")
    assert not store.has(block.cid)
    with pytest.raises(StoreUnavailableError):
        store.get(block.cid)
    store.put([block])
    assert not path.is_symlink()
    assert store.get(block.cid) == b"elsewhere"


def test_get__block_is_a_pipe__does_not_wait(store: LocalBlobStore, tmp_path: Path) -> None:
    (block,) = blocks_of(b"x")
    store.put([block])
    path = path_of(tmp_path, block.cid)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(StoreUnavailableError):
        store.get(block.cid)


@pytest.mark.parametrize("part", ["blocks", "pins", "incoming", "blocks/a"])
def test_open__part_of_the_store_is_a_link__is_refused(tmp_path: Path, part: str) -> None:
    folder = tmp_path / "store"
    (folder / part).parent.mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (folder / part).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="not a folder"):
        LocalBlobStore(folder)


def test_open__folder_is_a_file__is_said(tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(b"")
    with pytest.raises(ConfigurationError):
        LocalBlobStore(tmp_path / "store")


def test_put_and_pin__any__nobody_else_can_read(tmp_path: Path) -> None:
    store = LocalBlobStore(tmp_path / "store")
    root, blocks = record(b"a", b"b")
    store.put(blocks)
    store.pin(root.cid)
    for path in (tmp_path / "store").rglob("*"):
        assert stat.S_IMODE(path.lstat().st_mode) == (0o700 if path.is_dir() else 0o600), path


# --------------------------------------------------------------------------------------------- full disk


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_put__disk_full__keeps_what_was_written_and_can_be_repeated(
    store: LocalBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    blocks = blocks_of(*(f"block {i}".encode() for i in range(6)))
    real = getattr(os, call)
    calls = iter(range(100))

    def full(*arguments: object) -> object:
        if next(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(local_module.os, call, full)
        with pytest.raises(StoreFullError):
            store.put(blocks)
    kept = [block for block in blocks if store.has(block.cid)]
    assert len(kept) >= 3
    assert all(store.get(block.cid) == block.data for block in kept)
    assert not list((tmp_path / "incoming").iterdir())
    store.put(blocks)
    assert all(store.get(block.cid) == block.data for block in blocks)


def test_put__write_takes_only_a_part__writes_the_rest(store: LocalBlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(local_module.os, "write", lambda descriptor, data: real(descriptor, data[:3]))
    (block,) = blocks_of(b"more than three bytes")
    store.put([block])
    assert store.get(block.cid) == block.data


def test_put__disk_fails__is_unavailable_and_leaves_nothing(
    store: LocalBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(local_module.os, "fsync", broken)
        with pytest.raises(StoreUnavailableError):
            store.put(blocks_of(b"a", b"b"))
    assert not list((tmp_path / "incoming").iterdir())


# ------------------------------------------------------------------------------------------- collecting


def test_collect__young_and_not_pinned__is_kept_for_the_grace_period(tmp_path: Path) -> None:
    time = [0.0]
    store = LocalBlobStore(tmp_path, now=lambda: time[0])
    blocks = blocks_of(b"a", b"b")
    store.put(blocks)
    put_at = [path_of(tmp_path, block.cid).lstat().st_mtime for block in blocks]
    time[0] = min(put_at) + DAY - 10
    young = store.collect()
    assert (young.removed_blocks, young.kept_blocks, young.spared_blocks, young.spared_bytes) == (0, 2, 2, 2)
    time[0] = max(put_at) + DAY + 10
    collected = store.collect()
    assert (collected.removed_blocks, collected.freed_bytes, collected.kept_blocks) == (2, 2, 0)


def test_collect__with_less_grace__removes_what_an_interrupted_writer_left_and_nothing_pinned(tmp_path: Path) -> None:
    time = [0.0]
    store = LocalBlobStore(tmp_path, now=lambda: time[0])
    root, blocks = record(b"kept")
    (left,) = blocks_of(b"left")
    store.put([*blocks, left])
    store.pin(root.cid)
    time[0] = path_of(tmp_path, left.cid).lstat().st_mtime + 60
    assert store.collect(grace=61).removed_blocks == 0
    collected = store.collect(grace=59)
    assert (collected.removed_blocks, collected.spared_blocks, collected.kept_blocks) == (1, 0, len(blocks))
    assert not store.has(left.cid)


def test_collect__unpinned__removes_at_once_what_no_other_pin_reaches(store: LocalBlobStore) -> None:
    shared = b"shared"
    one, one_blocks = record(shared, b"one")
    two, two_blocks = record(shared, b"two")
    for root, blocks in ((one, one_blocks), (two, two_blocks)):
        store.put(blocks)
        store.pin(root.cid)
    store.unpin(one.cid)
    collected = store.collect()
    assert (collected.removed_blocks, collected.kept_blocks) == (2, 3)
    assert all(store.get(block.cid) == block.data for block in two_blocks)
    assert not store.has(one.cid)


@pytest.mark.parametrize("first", ["mine", "theirs"])
def test_collect__put_by_two_and_unpinned_by_one__is_kept_for_the_other(
    store: LocalBlobStore, tmp_path: Path, first: str
) -> None:
    root, blocks = record(b"a")
    other = LocalBlobStore(tmp_path)
    for one in (store, other) if first == "mine" else (other, store):
        one.put(blocks)
    store.pin(root.cid)
    store.unpin(root.cid)
    assert store.collect().removed_blocks == 0
    other.pin(root.cid)
    assert store.pins() == {root.cid}


def test_collect__put_by_two_at_once_and_unpinned_by_one__is_kept_for_the_other(
    store: LocalBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, blocks = record(b"a")
    other = LocalBlobStore(tmp_path)
    real = LocalBlobStore._publish

    def overtaken(self: LocalBlobStore, new: list[tuple[Block, Path]], present: list[Block]) -> None:
        if self is store:
            other.put(blocks)
        real(self, new, present)

    monkeypatch.setattr(LocalBlobStore, "_publish", overtaken)
    store.put(blocks)
    store.pin(root.cid)
    store.unpin(root.cid)
    assert store.collect().removed_blocks == 0
    other.pin(root.cid)


@pytest.mark.parametrize("damage", ["missing", "rotten"])
def test_collect__pinned_directory_is_damaged__removes_nothing(tmp_path: Path, damage: str) -> None:
    store = LocalBlobStore(tmp_path, grace=0)
    root, blocks = record(b"a")
    store.put([*blocks, *blocks_of(b"unreached")])
    store.pin(root.cid)
    path = path_of(tmp_path, root.cid)
    path.unlink() if damage == "missing" else path.write_bytes(b"rot")
    with pytest.raises((BlobNotFoundError, BlobMismatchError)):
        store.collect()
    assert store.has(blocks[0].cid)
    assert store.has(blocks_of(b"unreached")[0].cid)
    store.put(blocks)
    assert store.collect().removed_blocks == 1


def test_collect__leftovers_of_a_crash__go_when_they_are_old(tmp_path: Path) -> None:
    store = LocalBlobStore(tmp_path)
    young, old = tmp_path / "incoming" / "young.part", tmp_path / "incoming" / "old.part"
    for path in (young, old):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    store.collect()
    assert young.exists()
    assert not old.exists()


def test_collect__files_of_others_in_the_store__are_left(tmp_path: Path) -> None:
    store = LocalBlobStore(tmp_path, grace=0)
    foreign = tmp_path / "blocks" / "a" / "README"
    foreign.write_bytes(b"not a block")
    store.collect()
    assert foreign.exists()


def test_put__incoming_file_was_swept_away__is_written_again(
    store: LocalBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (block,) = blocks_of(b"slow")
    real = LocalBlobStore._publish

    def late(self: LocalBlobStore, new: list[tuple[Block, Path]], present: list[Block]) -> None:
        for path in (tmp_path / "incoming").iterdir():
            path.unlink()
        real(self, new, present)

    monkeypatch.setattr(LocalBlobStore, "_publish", late)
    store.put([block])
    assert store.get(block.cid) == b"slow"


def test_pin__leaf_missing_or_cut__pins_nothing(store: LocalBlobStore, tmp_path: Path) -> None:
    root, blocks = record(b"a", b"b")
    store.put(blocks[1:])
    with pytest.raises(BlobNotFoundError):
        store.pin(root.cid)
    store.put(blocks)
    path_of(tmp_path, blocks[0].cid).write_bytes(b"")
    with pytest.raises(BlobMismatchError):
        store.pin(root.cid)
    assert store.pins() == frozenset()


def test_pins__store_opened_again__are_still_there(store: LocalBlobStore, tmp_path: Path) -> None:
    root, blocks = record(b"a")
    store.put(blocks)
    store.pin(root.cid)
    store.pin(root.cid)
    (tmp_path / "pins" / "README").write_bytes(b"not a pin")
    assert LocalBlobStore(tmp_path).pins() == {root.cid}


def test_lock__held_by_another__is_unavailable_in_bounded_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_module, "LOCK_TIMEOUT_SECONDS", 0.1)
    one, two = LocalBlobStore(tmp_path), LocalBlobStore(tmp_path)
    with one._lock, pytest.raises(StoreUnavailableError, match="another process"):
        two.put(blocks_of(b"a"))
    assert not list((tmp_path / "incoming").iterdir())
    two.put(blocks_of(b"a"))


def test_put__many_threads_and_a_collector__loses_nothing(tmp_path: Path) -> None:
    store = LocalBlobStore(tmp_path)
    failures: list[BaseException] = []

    def publish(number: int) -> None:
        try:
            for round_ in range(5):
                root, blocks = record(b"shared", f"{number}/{round_}".encode())
                store.put(blocks)
                store.pin(root.cid)
                assert b"".join(read_file(store.get, blocks[0].cid, max_size=10)) == b"shared"
                if round_ % 2:
                    store.unpin(root.cid)
                    store.collect()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            failures.append(error)

    threads = [threading.Thread(target=publish, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(store.pins()) == 12
    store.collect()
    for root in store.pins():
        store.pin(root)
