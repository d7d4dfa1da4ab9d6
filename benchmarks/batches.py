"""Batches of records: the tree, the catalogue, what one patient fetches of it, and what its custodian gets back.

Each batch is made in a process of its own, which says the most memory there was above what it began with. Every patient
has 50 records, and is told of them. Prints a table and one JSON line.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from counted import Counting, size_of
from end_to_end import peak_memory
from scale import Scale

from medshare.content import Cid, list_directory
from medshare.envelope import Identity
from medshare.files import private_folder
from medshare.hashing import sha256
from medshare.model.ids import Address, RecordId, address
from medshare.model.record_batch import RecordBatch
from medshare.services.batch_book import BatchBook
from medshare.services.batch_catalogue import CUSTODIAN_FILE, custodians_batch, parts_for, write_catalogue
from medshare.storage import LocalBlobStore

MIB = 1 << 20
OF_EACH = 50
"""Records of each patient."""
HOSPITAL = address("0x" + "51" * 20)
_Made = TypeVar("_Made")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--worker", nargs=2, metavar=("RECORDS", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        records, folder = arguments.worker
        print(json.dumps(measure(int(records), Path(folder))))
        return
    found = in_a_process(arguments.records)
    for name, value in found.items():
        print(f"{name:<26}{value:>15,}")
    print(json.dumps(found))


def figures(scale: Scale) -> dict[str, Any]:
    """Return the numbers at a scale."""
    sizes = scale.of((10_000,), (10_000, 100_000), (10_000, 100_000, 1_000_000))
    return {"batches": [in_a_process(size) for size in sizes]}


def in_a_process(records: int) -> dict[str, Any]:
    """Measure a batch in a process and a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--worker", str(records), folder]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measure(records: int, folder: Path) -> dict[str, Any]:
    """Make a batch of so many records and its catalogue in a folder, and read it as a patient and as its custodian."""
    custodian, store = Identity.generate(), Counting(LocalBlobStore(folder / "store"))
    people = {_patient(number): Identity.generate() for number in range(records // OF_EACH)}
    readers = {patient: {identity.recipient: None} for patient, identity in people.items()}
    begun_with = peak_memory()
    batch, tree_seconds = _timed(lambda: RecordBatch.of(_rows(records), secret=bytes(32)))
    catalogue, catalogue_seconds = _timed(lambda: write_catalogue(batch, readers, custodian=custodian, store=store))
    memory = peak_memory() - begun_with

    patient, identity = next(iter(people.items()))
    before = store.read
    [part], found_seconds = _timed(lambda: list(parts_for(store, catalogue, identity, root=batch.root, count=records)))
    found_bytes = store.read - before
    assert part.patient == patient
    assert len(part.records) == OF_EACH
    assert part.leads_to(batch.root)

    files = list_directory(store.get, Cid.of_directory(catalogue))
    size = size_of(store, Cid.of_directory(catalogue))
    book, kept_seconds = _timed(lambda: _kept(batch, private_folder(folder / "book")))
    again, restored_seconds = _timed(lambda: custodians_batch(store, catalogue, custodian))
    assert again.root == batch.root
    return {
        "records": records,
        "patients": len(people),
        "tree_seconds": round(tree_seconds, 6),
        "catalogue_seconds": round(catalogue_seconds, 6),
        "catalogue_bytes": size,
        "custodians_file_bytes": files[CUSTODIAN_FILE].size,
        "found_bytes": found_bytes,
        "found_share": round(found_bytes / size, 6),
        "found_seconds": round(found_seconds, 6),
        "memory_mib": round(memory / MIB, 1),
        "book_bytes": book,
        "book_seconds": round(kept_seconds, 6),
        "restored_seconds": round(restored_seconds, 6),
    }


def _rows(records: int) -> Iterator[tuple[RecordId, Address]]:
    for number in range(records):
        yield RecordId(sha256(b"%d" % number)), _patient(number // OF_EACH)


def _patient(number: int) -> Address:
    return address("0x" + sha256(b"patient %d" % number)[:20].hex())


def _kept(batch: RecordBatch, folder: Path) -> int:
    """Keep a batch in a book, as its custodian; return how many bytes the book has."""
    BatchBook(folder).keep(HOSPITAL, batch)
    return sum(path.stat().st_size for path in folder.iterdir())


def _timed(make: Callable[[], _Made]) -> tuple[_Made, float]:
    begun = time.perf_counter()
    made = make()
    return made, time.perf_counter() - begun


if __name__ == "__main__":
    main()
