"""Rates of the local block store, as ratios to what the same machine does in the same run.

put is compared with a plain copy of a file (``shutil.copyfile`` and fsync), verified reading with SHA-256 alone and
with a plain read. Prints a table and one JSON line. ``--quick`` takes 32 MiB and one round.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from scale import Scale

from medshare.content import CHUNK_SIZE, BlockBatch, Cid, build_file, read_file
from medshare.storage import LocalBlobStore

MIB = 1024 * 1024
SEGMENT = 65_564  # what the envelope hands over: one sealed segment of Crypt4GH


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def pieces_of(path: Path, size: int = SEGMENT) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while piece := stream.read(size):
            yield piece


def copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    with target.open("rb") as stream:
        os.fsync(stream.fileno())


def put(store: LocalBlobStore, source: Path) -> Cid:
    with BlockBatch(store.put) as emit:
        return build_file(pieces_of(source), emit).cid


def sha256(source: Path) -> None:
    state = hashlib.sha256()
    for piece in pieces_of(source, CHUNK_SIZE):
        state.update(piece)


def read(store: LocalBlobStore, root: Cid, size: int, read_ahead: int) -> None:
    assert sum(map(len, read_file(store.get, root, max_size=size, read_ahead=read_ahead))) == size


def one_round(folder: Path, size: int) -> dict[str, float]:
    source = folder / "source"
    with source.open("wb") as stream:
        for _ in range(size // MIB):
            stream.write(os.urandom(MIB))
    store = LocalBlobStore(folder / "store")
    roots: list[Cid] = []
    times = {
        "copy": seconds(lambda: copy(source, folder / "copy")),
        "put": seconds(lambda: roots.append(put(store, source))),
        "plain read": seconds(lambda: [None for _ in pieces_of(folder / "copy", CHUNK_SIZE)]),
        "sha256": seconds(lambda: sha256(source)),
        "build only": seconds(lambda: build_file(pieces_of(source), lambda _block: None)),
        "put again": seconds(lambda: put(store, source)),
        "pin": seconds(lambda: store.pin(roots[0])),
        "read, 1 at once": seconds(lambda: read(store, roots[0], size, 1)),
        "read, 2 at once": seconds(lambda: read(store, roots[0], size, 2)),
        "read, 4 at once": seconds(lambda: read(store, roots[0], size, 4)),
    }
    for path in (folder / "store", folder / "copy", source):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return times


def figures(scale: Scale) -> dict[str, object]:
    """Return the numbers at a scale."""
    return measure(size=scale.of(32, 256) * MIB, rounds=scale.of(1, 3))


def measure(*, size: int, rounds: int, folder: Path | None = None) -> dict[str, Any]:
    """Return the median of so many rounds, and what is a limit to what."""
    found = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(dir=folder) as place:
            found.append(one_round(Path(place), size))
    times = {name: statistics.median(one[name] for one in found) for name in found[0]}
    limits = {"put": "copy", "build only": "sha256", "put again": "copy"} | {
        name: "sha256" for name in times if name.startswith("read")
    }
    ratios = {name: times[limit] / times[name] for name, limit in limits.items()}
    return {"mib": size // MIB, "rounds": rounds, "seconds": times, "limits": limits, "ratios": ratios}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--folder", type=Path, help="where to measure; the system's folder for temporary files if not given"
    )
    parser.add_argument("--quick", action="store_true", help="32 MiB, one round")
    arguments = parser.parse_args()
    quick = arguments.quick
    found = measure(
        size=(32 if quick else arguments.mib) * MIB, rounds=1 if quick else arguments.rounds, folder=arguments.folder
    )
    print(f"{found['mib']} MiB, median of {found['rounds']}")
    print(f"{'what':<18}{'seconds':>9}{'MiB/s':>9}   of the limit")
    for name, taken in found["seconds"].items():
        against = f"{found['ratios'][name]:.2f} of {found['limits'][name]}" if name in found["ratios"] else ""
        print(f"{name:<18}{taken:>9.3f}{found['mib'] / taken:>9.0f}   {against}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
