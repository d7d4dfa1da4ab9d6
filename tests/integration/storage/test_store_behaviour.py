"""What every BlobStore does, asked of each: the local one, Kubo's adapter on a fake, and on a real node if one is here.

given blocks
├─ when they are put, and put again → each should be there, with its bytes
├─ when a root is pinned and the store collects → what it reaches should stay, the rest should go
└─ when a block is missing → reading and pinning should say which
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_kubo import running_fake

from medshare.content import (
    CHUNK_SIZE,
    Block,
    BlockBatch,
    Cid,
    Codec,
    Link,
    build_directory,
    build_file,
    list_directory,
    read_file,
    walk,
)
from medshare.errors import BlobNotFoundError, BlobTooLargeError
from medshare.ports import BlobStore
from medshare.storage import KuboBlobStore, LocalBlobStore

pytestmark = pytest.mark.integration

PAYLOAD = b"".join(bytes([number]) * CHUNK_SIZE for number in range(2)) + b"end"  # three chunks


@pytest.fixture(params=["local", "fake kubo", pytest.param("kubo", marks=pytest.mark.kubo)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BlobStore]:
    if request.param == "local":
        yield LocalBlobStore(tmp_path / "store")
    elif request.param == "fake kubo":
        with running_fake() as fake, KuboBlobStore(fake.address) as kubo:
            yield kubo
    else:
        with KuboBlobStore(request.getfixturevalue("kubo").address) as kubo:
            yield kubo
            for root in kubo.pins():
                kubo.unpin(root)
            kubo.collect()


def publish(store: BlobStore, **files: bytes) -> Link:
    with BlockBatch(store.put) as emit:
        return build_directory({name: build_file([data], emit) for name, data in files.items()}, emit)


class TestBlobStore:
    """One behaviour, several stores."""

    def test_put__blocks__are_there_with_their_bytes(self, store: BlobStore) -> None:
        blocks = [Block.of(Codec.RAW, data) for data in (b"", b"a", bytes(CHUNK_SIZE))]
        assert not any(store.has(block.cid) for block in blocks[1:])
        store.put(blocks)
        store.put(iter(blocks))
        assert all(store.has(block.cid) and store.get(block.cid) == block.data for block in blocks)

    def test_put__nothing__does_nothing(self, store: BlobStore) -> None:
        store.put([])
        assert store.pins() == frozenset()

    def test_get__missing__says_which(self, store: BlobStore) -> None:
        cid = Cid.of(Codec.RAW, b"never stored")
        with pytest.raises(BlobNotFoundError, match=str(cid)):
            store.get(cid)
        assert not store.has(cid)

    def test_get__larger_than_asked__is_too_large(self, store: BlobStore) -> None:
        block = Block.of(Codec.RAW, b"12345")
        store.put([block])
        assert store.get(block.cid, 5) == b"12345"
        with pytest.raises(BlobTooLargeError):
            store.get(block.cid, 4)

    def test_read__record__gives_files_and_ranges(self, store: BlobStore) -> None:
        root = publish(store, header=b"packets", payload=PAYLOAD)
        entries = list_directory(store.get, root.cid)
        assert {name: link.size for name, link in entries.items()} == {"header": 7, "payload": len(PAYLOAD)}
        payload = entries["payload"].cid
        assert b"".join(read_file(store.get, payload, max_size=len(PAYLOAD))) == PAYLOAD
        part = read_file(store.get, payload, max_size=len(PAYLOAD), offset=CHUNK_SIZE - 1, length=2)
        assert b"".join(part) == PAYLOAD[CHUNK_SIZE - 1 : CHUNK_SIZE + 1]

    def test_pin__block_missing__pins_nothing(self, store: BlobStore) -> None:
        blocks: list[Block] = []
        root = build_directory({"a": build_file([PAYLOAD], blocks.append)}, blocks.append)
        store.put(blocks[1:])
        with pytest.raises(BlobNotFoundError):
            store.pin(root.cid)
        assert root.cid not in store.pins()
        store.put(blocks[:1])
        store.pin(root.cid)
        assert root.cid in store.pins()

    def test_pin_all__many__each_is_a_pin_of_its_own(self, store: BlobStore) -> None:
        roots = [publish(store, payload=PAYLOAD, own=b"%d" % number).cid for number in range(300)]
        store.pin_all(roots)
        store.pin_all([*roots, roots[0]])
        assert store.pins() == frozenset(roots)
        store.unpin(roots[0])
        assert store.pins() == frozenset(roots[1:])
        store.pin_all([])

    def test_pin_all__block_missing__is_said(self, store: BlobStore) -> None:
        whole = publish(store, payload=PAYLOAD).cid
        blocks: list[Block] = []
        lacking = build_directory({"a": build_file([b"never stored"], blocks.append)}, blocks.append).cid
        store.put(blocks[1:])
        with pytest.raises(BlobNotFoundError):
            store.pin_all([whole, lacking])
        assert lacking not in store.pins()

    def test_collect__pinned_and_unpinned__keeps_the_one_and_removes_the_other(self, store: BlobStore) -> None:
        kept = publish(store, payload=PAYLOAD, own=b"kept")
        gone = publish(store, payload=b"x" * (3 * CHUNK_SIZE), own=b"gone")
        for root in (kept, gone):
            store.pin(root.cid)
            store.pin(root.cid)
        assert store.pins() >= {kept.cid, gone.cid}
        store.unpin(gone.cid)
        store.unpin(gone.cid)
        collected = store.collect()
        assert store.pins() == {kept.cid}
        assert collected.removed_blocks >= 4
        assert collected.freed_bytes > 0
        assert collected.kept_blocks >= 6
        assert not store.has(gone.cid)
        assert len(list(walk(store.get, kept.cid))) == 6

    def test_remove__young_missing_and_pinned__takes_what_no_pin_reaches(self, store: BlobStore) -> None:
        kept = publish(store, payload=PAYLOAD, own=b"kept")
        gone = publish(store, payload=b"x" * (3 * CHUNK_SIZE), own=b"gone")
        store.pin(kept.cid)
        blocks = [part.cid for root in (kept, gone) for part in walk(store.get, root.cid)]
        store.remove([*blocks, Cid.of(Codec.RAW, b"never stored")])
        store.remove(blocks)
        assert len(list(walk(store.get, kept.cid))) == 6
        assert [cid for cid in blocks[6:] if store.has(cid)] == []
        store.remove([])

    def test_unpin__never_pinned__is_no_error(self, store: BlobStore) -> None:
        store.unpin(Cid.of(Codec.DAG_PB, b"never pinned"))
