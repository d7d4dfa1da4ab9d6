"""The local store when its process is killed, and when two processes use it at once.

given a process that stores blocks
├─ when it is killed at any moment → every block there should be right, and repeating should complete it
└─ when its files may grow no further → it should say that the disk is full
given two processes that publish and collect in one store
└─ when both are done → everything pinned should be whole
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from medshare.content import Block, Codec, build_directory, build_file, walk
from medshare.storage import LocalBlobStore

pytestmark = pytest.mark.integration

SIZE = 64 * 1024
COUNT = 400


def blocks_of_the_writer() -> list[Block]:
    return [Block.of(Codec.RAW, number.to_bytes(4, "big") * (SIZE // 4)) for number in range(COUNT)]


WRITER = """
import sys
from pathlib import Path
from medshare.content import Block, Codec, in_batches
from medshare.storage import LocalBlobStore
store = LocalBlobStore(Path(sys.argv[1]))
print("ready", flush=True)
blocks = (Block.of(Codec.RAW, number.to_bytes(4, "big") * ({size} // 4)) for number in range({count}))
for batch in in_batches(blocks, max_blocks=16):
    store.put(batch)
    print("put", flush=True)
sys.stdin.read()  # it is killed, however fast it is
"""


@pytest.mark.parametrize("batches", [0, 1, 4, 12])
def test_put__killed__leaves_whole_blocks_and_can_be_repeated(tmp_path: Path, batches: int) -> None:
    script = WRITER.format(size=SIZE, count=COUNT)
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert [writer.stdout.readline() for _ in range(1 + batches)] == [b"ready\n", *[b"put\n"] * batches]
        writer.kill()  # in the middle of the next
    assert writer.returncode == -signal.SIGKILL
    store = LocalBlobStore(tmp_path, grace=0)
    blocks = blocks_of_the_writer()
    assert all(store.get(block.cid) == block.data for block in blocks if store.has(block.cid))
    store.put(blocks)
    assert all(store.get(block.cid) == block.data for block in blocks)
    assert store.collect().removed_blocks == COUNT
    assert not list((tmp_path / "incoming").iterdir())


LIMITED = """
import resource, signal, sys
from pathlib import Path
from medshare.content import Block, Codec
from medshare.errors import StoreFullError
from medshare.storage import LocalBlobStore
store = LocalBlobStore(Path(sys.argv[1]))
small, large = Block.of(Codec.RAW, b"small"), Block.of(Codec.RAW, bytes(100_000))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    store.put([small, large])
except StoreFullError:
    print("full", store.has(small.cid), store.has(large.cid))
"""


def test_put__file_may_not_grow__is_full_and_keeps_the_rest(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.split() == ["full", "True", "False"], done.stderr
    assert not list((tmp_path / "incoming").iterdir())


PUBLISHER = """
import sys
from pathlib import Path
from medshare.content import BlockBatch, build_directory, build_file
from medshare.storage import LocalBlobStore
store = LocalBlobStore(Path(sys.argv[1]))
for number in range(15):
    with BlockBatch(store.put, max_bytes=1000) as emit:
        files = {"shared": b"shared" * 500, "own": (sys.argv[2] + str(number)).encode() * 500}
        root = build_directory({name: build_file([data], emit) for name, data in files.items()}, emit)
    store.pin(root.cid)
    if number % 3 == 0:
        store.unpin(root.cid)
    store.collect()
"""


def test_publish__two_processes_that_collect__loses_nothing(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", PUBLISHER, str(tmp_path), name], stderr=subprocess.PIPE)
        for name in ("a", "b")
    ]
    for writer in writers:
        _out, complaint = writer.communicate(timeout=120)
        assert writer.returncode == 0, complaint.decode()
    store = LocalBlobStore(tmp_path)
    expected = set()
    for name in ("a", "b"):
        for number in range(15):
            files = {"shared": b"shared" * 500, "own": f"{name}{number}".encode() * 500}
            entries = {file: build_file([data], lambda _block: None) for file, data in files.items()}
            if number % 3:
                expected.add(build_directory(entries, lambda _block: None).cid)
    assert store.pins() == expected
    for root in expected:
        assert len(list(walk(store.get, root))) == 3
