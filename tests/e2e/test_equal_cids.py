"""One directory, one CID: by our local store, by Kubo's own ``add`` with the profile, and by the CAR between them.

given a directory with files of 0, 1, 1 MiB and 1 MiB + 1 bytes, and one of 1.1 GiB
├─ the local store and ``ipfs add`` (profile unixfs-v1-2025) should say the same CID
├─ our CAR archive of it, imported by Kubo, should have it as its root, whole; Kubo's, read by us, too
└─ memory should stay bounded
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from random import Random

import pytest
from swarms import SwarmNode, new_node, new_swarm_key

from medshare.content import (
    CHUNK_SIZE,
    BlockBatch,
    Cid,
    build_directory,
    build_file,
    read_car,
    references,
    walk,
    write_car,
)
from medshare.ports import BlobStore
from medshare.storage import KuboBlobStore, LocalBlobStore

pytestmark = [pytest.mark.e2e, pytest.mark.kubo]

SMALL = {"empty": 0, "one": 1, "chunk": CHUNK_SIZE, "chunk-and-one": CHUNK_SIZE + 1}
LARGE = {**SMALL, "large": 11 * (1 << 30) // 10 + 7}
"""1.1 GiB is more than 1,024 chunks: its tree has two levels."""
MEMORY = 256 << 20
"""Bytes that this process may grow by at the most, however large the file."""
DISTINCT = 61
"""Chunks after which the content repeats: the tree is as large as any, and the disk need not be."""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwarmNode]:
    node = new_node(tmp_path_factory.mktemp("kubo"), "kubo", new_swarm_key())
    try:
        node.start()
        yield node
    finally:
        node.stop()


def content(size: int) -> Iterator[bytes]:
    random = Random(20)
    chunks = [random.randbytes(min(size, CHUNK_SIZE)) for _ in range(min(DISTINCT, size // CHUNK_SIZE + 1))]
    for chunk in cycle(chunks):
        if size <= 0:
            return
        yield chunk[:size]
        size -= len(chunk)


def written(folder: Path, sizes: dict[str, int]) -> Path:
    folder.mkdir()
    for name, size in sizes.items():
        with (folder / name).open("wb") as stream:
            stream.writelines(content(size))
    return folder


def put(store: BlobStore, sizes: dict[str, int]) -> Cid:
    with BlockBatch(store.put) as emit:
        root = build_directory({name: build_file(content(size), emit) for name, size in sizes.items()}, emit)
    store.pin(root.cid)
    return root.cid


@pytest.mark.timeout(600)
@pytest.mark.parametrize("sizes", [SMALL, LARGE], ids=["up to 1 MiB + 1", "with 1.1 GiB"])
def test_directory__local_store_kubo_and_car__have_one_cid_in_bounded_memory(
    node: SwarmNode, tmp_path: Path, sizes: dict[str, int]
) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    local = LocalBlobStore(tmp_path / "store")
    root = put(local, sizes)
    folder = written(tmp_path / "files", sizes)
    assert node.run("add", "-r", "-Q", "--pin=false", str(folder)) == str(root)

    with KuboBlobStore(node.address, alone=True) as store:
        theirs = tmp_path / "theirs.car"
        with theirs.open("wb") as stream:
            stream.writelines(node.output("dag", "export", "--progress=false", str(root)))
        with theirs.open("rb") as stream:
            roots, blocks = read_car(stream)
            assert roots == (root,)
            exported = {block.cid for block in blocks}
        assert exported == {part.cid for part in references(local.get, root)}

        store.collect()
        assert not store.has(root)
        ours = tmp_path / "ours.car"
        with ours.open("wb") as stream:
            write_car(local.get, [root], stream)
        assert str(root) in node.run("dag", "import", str(ours))
        assert root in store.pins()
        assert {block.cid for block in walk(store.get, root)} == exported
        store.unpin(root)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10 < MEMORY
