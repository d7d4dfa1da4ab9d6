"""A whole share on one laptop: memory and time of a large record, and what one more reader costs.

Publishing and fetching run in processes of their own; their memory is the peak above that of the same work on 1 KiB.
Prints a table and one JSON line. ``--quick`` takes 128 MiB in place of 1 GiB.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from scale import Scale
from standing import home_on, unlock

from medshare import Session, connect
from medshare.content import Cid, references
from medshare.model.consent import RecordRef
from medshare.model.ids import RecordId
from medshare.model.purpose import PurposeOfUse
from medshare.services.description import Description

KIB, MIB = 1 << 10, 1 << 20
READERS = 12
PEOPLE = ("hospital", "patient", *(f"reader-{number}" for number in range(READERS)))
DAY = 86_400


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=1024, help="size of the large record")
    parser.add_argument("--quick", action="store_true", help="128 MiB")
    parser.add_argument("--folder", type=Path, help="where to measure; else the system's folder for temporary files")
    parser.add_argument("--worker", nargs=3, metavar=("VERB", "HOME", "WHAT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(json.dumps(work(*arguments.worker)))
        return
    found = measure((128 if arguments.quick else arguments.mib) * MIB, arguments.folder)
    for line in table(found):
        print(line)
    print(json.dumps(found))


def figures(scale: Scale) -> dict[str, Any]:
    """Return the numbers at a scale."""
    return measure(scale.of(128, 1024) * MIB)


def measure(size: int, folder: Path | None = None) -> dict[str, Any]:
    """Return the numbers for a large record of so many bytes; ``folder`` is where, else among temporary files."""
    with home_on("embedded", PEOPLE, within=folder) as home:
        return _measure(home, size)


def _measure(home: Path, size: int) -> dict[str, Any]:
    folder = home.parent
    sources = {"small": folder / "small", "large": folder / "large"}
    write_random(sources["small"], KIB)
    write_random(sources["large"], size)
    copied = seconds(lambda: copy(sources["large"], folder / "copy"))
    (folder / "copy").unlink()

    published = {name: in_a_process("publish", home, path) for name, path in sources.items()}
    records = {name: RecordId(bytes.fromhex(done["record"])) for name, done in published.items()}
    fetched = {name: in_a_process("fetch", home, record.hex()) for name, record in records.items()}
    return {
        "bytes": size,
        "plain_copy_seconds": copied,
        "publish": large_against_small(published, size),
        "fetch": large_against_small(fetched, size),
        "one_more_reader": one_more_reader(home, records),
    }


def large_against_small(done: dict[str, dict[str, Any]], size: int) -> dict[str, float]:
    large, small = done["large"], done["small"]
    return {
        "seconds": round(large["seconds"], 3),
        "mib_per_second": round(size / MIB / large["seconds"], 1),
        "memory_above_small_mib": round((large["peak"] - small["peak"]) / MIB, 1),
        "peak_mib": round(large["peak"] / MIB, 1),
    }


def one_more_reader(home: Path, records: dict[str, RecordId]) -> dict[str, dict[str, float]]:
    """Grant each of the two records, alone, to one reader after the other; in turns, so that both see the same load."""
    found: dict[str, list[tuple[float, int, int]]] = {name: [] for name in records}
    with connect(home) as session:
        patient, hospital = unlock(session, "patient"), session.keyring.resolve("hospital")
        for number in range(READERS):
            for name, record in records.items():
                ref = RecordRef(custodian=hospital, record_id=record)
                begun = time.perf_counter()
                granted = session.consenting.grant(
                    patient=patient,
                    grantee=session.keyring.resolve(f"reader-{number}"),
                    records=[ref],
                    purposes=PurposeOfUse.TREAT,
                    expires_at=session.clock.now() + DAY,
                )
                took = time.perf_counter() - begun
                found[name].append((took, bundle_bytes(session, granted.bundle), packet_bytes(session, granted.bundle)))
    figures = {
        name: {
            "milliseconds": round(statistics.median(took for took, _, _ in each) * 1000, 2),
            "bundle_bytes": statistics.median(size for _, size, _ in each),
            "packet_bytes": statistics.median(size for _, _, size in each),
        }
        for name, each in found.items()
    }
    assert {size for _, size, _ in found["small"]} == {size for _, size, _ in found["large"]}
    return figures


def bundle_bytes(session: Session, bundle: Cid) -> int:
    """Return what a bundle adds to the store: all of its blocks."""
    return sum(len(session.store.get(part.cid)) for part in references(session.store.get, bundle))


def packet_bytes(session: Session, bundle: Cid) -> int:
    return min(len(session.store.get(part.cid)) for part in references(session.store.get, bundle))


# ------------------------------------------------------------------------------------- in its own process


def in_a_process(verb: str, home: Path, what: Path | str) -> dict[str, Any]:
    command: Sequence[str] = [sys.executable, __file__, "--worker", verb, str(home), str(what)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def work(verb: str, home: str, what: str) -> dict[str, Any]:
    """Publish a file, or fetch a record into one; say how long it took and the most memory there was."""
    record = what
    with connect(Path(home)) as session:
        if verb == "publish":
            hospital, patient = unlock(session, "hospital"), session.keyring.resolve("patient")
            begun = time.perf_counter()
            published = session.publishing.publish(
                Path(what), custodian=hospital, patient=patient, description=Description()
            )
            took = time.perf_counter() - begun
            record = published.record_id.hex()
        else:
            patient_actor = unlock(session, "patient")
            ref = RecordRef(custodian=session.keyring.resolve("hospital"), record_id=RecordId(bytes.fromhex(what)))
            target = Path(home).parent / "fetched"
            begun = time.perf_counter()
            session.retrieving.open(ref, reader=patient_actor, purpose=PurposeOfUse.TREAT).save(target)
            took = time.perf_counter() - begun
            target.unlink()
    return {"record": record, "seconds": took, "peak": peak_memory()}


def peak_memory() -> int:
    """Return the most bytes that this process has had resident.

    Linux counts the parent's memory into ``ru_maxrss`` of what it starts, so the process's own mark is read there.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * KIB
    unit = 1 if sys.platform == "darwin" else KIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


# ------------------------------------------------------------------------------------------------------ files


def write_random(path: Path, size: int) -> None:
    with path.open("wb") as stream:
        for start in range(0, size, MIB):
            stream.write(os.urandom(min(MIB, size - start)))


def copy(source: Path, target: Path) -> None:
    with source.open("rb") as read, target.open("wb") as written:
        while chunk := read.read(MIB):
            written.write(chunk)
        written.flush()
        os.fsync(written.fileno())


def seconds(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return round(time.perf_counter() - begun, 3)


def table(figures: dict[str, Any]) -> list[str]:
    size = figures["bytes"] // MIB
    lines = [f"{size} MiB; a plain copy took {figures['plain_copy_seconds']} s", ""]
    lines.append(f"{'':<10}{'seconds':>9}{'MiB/s':>9}{'MiB more memory than 1 KiB':>29}{'peak MiB':>11}")
    for verb in ("publish", "fetch"):
        row = figures[verb]
        lines.append(
            f"{verb:<10}{row['seconds']:>9}{row['mib_per_second']:>9}{row['memory_above_small_mib']:>29}"
            f"{row['peak_mib']:>11}"
        )
    lines += ["", f"{'one more reader of':<20}{'ms':>9}{'bundle bytes':>15}{'packet bytes':>15}"]
    for name, said in (("small", "1 KiB"), ("large", f"{size} MiB")):
        row = figures["one_more_reader"][name]
        lines.append(f"{said:<20}{row['milliseconds']:>9}{row['bundle_bytes']:>15}{row['packet_bytes']:>15}")
    lines.append("")
    return lines


if __name__ == "__main__":
    main()
