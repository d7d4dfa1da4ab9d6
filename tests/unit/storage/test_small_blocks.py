"""Small blocks that come by the hundred: in one file, and alike in everything else.

given a store with hundreds of small blocks that came at once
├─ they should be in one file, be read, pinned and unpinned as any other
├─ when it collects → what pins reach, what is young and what was put again should stay, all else should go
├─ when one is removed → nothing of its bytes should be left in the file
├─ when one rots → it should raise, and putting it again should repair it
├─ when the file is no database → it should say which
├─ when the disk is full → it should say so, and keep what was there
└─ when another process reads → it should find them
"""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from medshare.content import Block, Cid, Codec, build_directory, build_file
from medshare.errors import (
    BlobMismatchError,
    BlobNotFoundError,
    BlobTooLargeError,
    StoreFullError,
    StoreUnavailableError,
)
from medshare.storage import LocalBlobStore
from medshare.storage.small_blocks import MANY, SMALL

pytestmark = pytest.mark.unit

DAY = 24 * 60 * 60


def records(count: int, text: bytes = b"record %d") -> tuple[list[Cid], list[Block]]:
    blocks: list[Block] = []
    roots = [
        build_directory({"a": build_file([text % number], blocks.append)}, blocks.append).cid for number in range(count)
    ]
    return roots, blocks


@pytest.fixture
def store(tmp_path: Path) -> LocalBlobStore:
    return LocalBlobStore(tmp_path)


def files(folder: Path) -> list[Path]:
    return list(folder.glob("blocks/*/*"))


def test_put__many_small_ones__are_in_one_private_file(store: LocalBlobStore, tmp_path: Path) -> None:
    roots, blocks = records(MANY)
    store.put(blocks)
    store.pin_all(roots)
    assert files(tmp_path) == []
    assert list((tmp_path / "pins").iterdir()) == []
    assert stat.S_IMODE((tmp_path / "blocks.sqlite").stat().st_mode) == 0o600
    assert all(store.has(block.cid) and store.get(block.cid) == block.data for block in blocks)
    assert store.pins() == frozenset(roots)
    with pytest.raises(BlobTooLargeError):
        store.get(blocks[0].cid, len(blocks[0].data) - 1)
    other = LocalBlobStore(tmp_path)
    assert other.get(blocks[0].cid) == blocks[0].data
    assert other.pins() == frozenset(roots)


def test_put__few_or_large__are_files(store: LocalBlobStore, tmp_path: Path) -> None:
    _, few = records(MANY // 2 - 1)
    store.put(few)
    large = [Block.of(Codec.RAW, number.to_bytes(4, "big") + bytes(SMALL)) for number in range(MANY)]
    store.put(large)
    assert len(files(tmp_path)) == len(few) + len(large)
    assert not (tmp_path / "blocks.sqlite").exists()


def test_pin_all__a_block_is_missing__pins_none_of_them(store: LocalBlobStore) -> None:
    roots, blocks = records(MANY)
    store.put(blocks[:-2])
    with pytest.raises(BlobNotFoundError):
        store.pin_all(roots)
    assert store.pins() == frozenset()


def test_collect__some_are_pinned__keeps_these_and_what_is_young(store: LocalBlobStore, tmp_path: Path) -> None:
    roots, blocks = records(MANY)
    store.put(blocks)
    store.pin_all(roots[:MANY])
    assert store.collect(grace=0).removed_blocks == 0
    for root in roots[1:]:
        store.unpin(root)
    store.put(blocks[2:4])  # somebody else relies on this one
    collected = store.collect()
    assert (collected.removed_blocks, collected.kept_blocks) == (len(blocks) - 4, 4)
    assert store.pins() == {roots[0]}
    later = LocalBlobStore(tmp_path, now=lambda: 4e9)
    assert later.collect().removed_blocks == 2
    assert later.get(blocks[0].cid) == blocks[0].data


def test_remove__one_that_no_pin_reaches__is_gone_and_its_bytes_too(store: LocalBlobStore, tmp_path: Path) -> None:
    roots, blocks = records(MANY, b"CANARY-%d-of-many")
    store.put(blocks)
    store.pin_all(roots)
    store.unpin(roots[7])
    store.remove([block.cid for block in blocks])
    assert not store.has(blocks[14].cid)
    assert b"CANARY-7-of-many" not in (tmp_path / "blocks.sqlite").read_bytes()
    assert all(store.has(block.cid) for block in blocks[:14])


@pytest.mark.parametrize("few", [False, True])
def test_get__bit_rot__is_a_mismatch_and_putting_again_repairs(
    store: LocalBlobStore, tmp_path: Path, few: bool
) -> None:
    _, blocks = records(MANY)
    store.put(blocks)
    with closing(sqlite3.connect(tmp_path / "blocks.sqlite")) as database, database:
        database.execute("UPDATE blocks SET data = ? WHERE cid = ?", (b"recXrd 0", bytes(blocks[0].cid)))
    with pytest.raises(BlobMismatchError):
        store.get(blocks[0].cid)
    store.put(blocks[:1] if few else blocks)
    assert store.get(blocks[0].cid) == blocks[0].data
    assert store.collect(grace=-2 * DAY).removed_blocks == len(blocks)


def test_put__a_file_of_one_is_damaged__is_repaired(store: LocalBlobStore, tmp_path: Path) -> None:
    _, blocks = records(MANY)
    store.put(blocks[:2])
    for path in files(tmp_path):
        path.write_bytes(b"")
    store.put(blocks)
    assert all(store.get(block.cid) == block.data for block in blocks)


def test_get__the_file_is_no_database__is_said(store: LocalBlobStore, tmp_path: Path) -> None:
    (tmp_path / "blocks.sqlite").write_bytes(b"something else" * 1000)
    with pytest.raises(StoreUnavailableError) as caught:
        store.get(Cid.of(Codec.RAW, b"nowhere"))
    assert "blocks.sqlite" in caught.value.hint


def test_get__later_than_a_day__stays_where_it_is_pinned(store: LocalBlobStore, tmp_path: Path) -> None:
    roots, blocks = records(MANY)
    store.put(blocks)
    store.pin_all(roots)
    assert LocalBlobStore(tmp_path, now=lambda: 4e9).collect().kept_blocks == len(blocks)


def test_put__disk_is_full__is_said_and_what_was_there_stays(store: LocalBlobStore) -> None:
    _, first = records(MANY)
    store.put(first)
    connection = store._small._connection
    assert connection is not None
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    _, more = records(MANY, b"another " * 100 + b"%d")
    with pytest.raises(StoreFullError):
        store.put(more)
    assert not any(store.has(block.cid) for block in more)
    assert all(store.get(block.cid) == block.data for block in first)
    connection.execute("PRAGMA max_page_count = 1000000")
    store.put(more)
    assert all(store.get(block.cid) == block.data for block in more)
