"""The verbs as people use them, on each chain and store: latency of one client, throughput of several, a long history.

Each client is a process with a home of its own: its own index, outbox and, where the store is local, its own store. On
the embedded chain there is one, since one process at a time holds that chain. The Clique node seals when a transaction
comes; a network of several seals once in a block period, which then is most of a transaction's latency.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from scale import Scale
from standing import GROUNDS, home_on, is_here, unlock

from medshare import Session, connect
from medshare.model.consent import RecordRef
from medshare.model.ids import Address, GrantId, RecordId
from medshare.model.purpose import Purpose, PurposeOfUse
from medshare.ports import Actor
from medshare.services.consenting import Granted
from medshare.services.description import Description
from medshare.services.paid import Paying

Json = dict[str, Any]

KIB = 1 << 10
DAY = 86_400
SEVERAL = (1, 4, 16)
TOLD_FILE = "told.json"
VERBS = ("grant, signed and relayed", "is_live", "fetch")
"""Of several clients at once."""
PERCENTILES = (50, 95, 99)


def figures(scale: Scale) -> Json:
    """Return the numbers of each ground by its name, None for one that is not here."""
    return {ground: on(ground, scale) if is_here(ground) else None for ground in GROUNDS}


def on(ground: str, scale: Scale) -> Json:
    """Return the numbers of one ground."""
    most = 1 if ground == "embedded" else scale.of(4 if ground == "anvil" else 1, 16)
    clients = [count for count in SEVERAL if count <= most]
    histories = scale.of((20,) if ground == "embedded" else (), (100,) if "kubo" in ground else (100, 1_000))
    people = ["hospital", "doctor", "patient"]
    people += [f"{kind}-{number}" for number in range(most) for kind in ("patient", "payer")]
    # Of their own: what several clients at once were granted by others has no bundles.
    people += [f"records-{size}" for size in histories]
    with home_on(ground, people) as home:
        with connect(home) as session:
            latency = _latencies(session, scale.of(5, 40))
            _prepare(session, home, most)
        several = {str(count): _together(home, count, scale.of(4, 25)) for count in clients}
        with connect(home) as session:
            history = {str(size): _history(session, f"records-{size}", size) for size in histories}
    return {"latency": latency, "clients": several, "history": history}


# ----------------------------------------------------------------------------------------------------- one client


def _latencies(session: Session, count: int) -> Json:
    """Return what one client waits for each verb, for records of 1 KiB."""
    times: dict[str, list[float]] = {verb: [] for verb in ("publish", "grant", "fetch", "revoke")}
    hospital, patient, doctor = (unlock(session, name) for name in ("hospital", "patient", "doctor"))
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            marks = [time.perf_counter()]
            ref = _publish(session, hospital, patient.address)
            marks.append(time.perf_counter())
            granted = _grant(session, patient, doctor.address, [ref])
            marks.append(time.perf_counter())
            opened = session.retrieving.open(ref, reader=doctor, purpose=PurposeOfUse.TREAT)
            opened.save(Path(folder) / str(number))
            marks.append(time.perf_counter())
            session.consenting.revoke(granted.grant_id, patient=patient)
            marks.append(time.perf_counter())
            for verb, (begun, ended) in zip(times, pairwise(marks), strict=True):
                times[verb].append(ended - begun)
    return {verb: spread(found) for verb, found in times.items()}


def _grant(
    session: Session, patient: Actor, grantee: Address, refs: Sequence[RecordRef], *, seconds: int = DAY
) -> Granted:
    return session.consenting.grant(
        patient=patient,
        grantee=grantee,
        records=refs,
        purposes=PurposeOfUse.TREAT,
        expires_at=session.clock.now() + seconds,
    )


def _publish(session: Session, hospital: Actor, patient: Address) -> RecordRef:
    published = session.publishing.publish(
        os.urandom(KIB), custodian=hospital, patient=patient, description=Description()
    )
    return RecordRef(custodian=hospital.address, record_id=published.record_id)


def _history(session: Session, patient: str, size: int) -> Json:
    """Publish many records of a patient, grant all of them, and read the whole history."""
    hospital, doctor, owner = (unlock(session, name) for name in ("hospital", "doctor", patient))
    empty, begun = _size(session.settings.home), time.perf_counter()
    refs = [_publish(session, hospital, owner.address) for _ in range(size)]
    published = time.perf_counter()
    _grant(session, owner, doctor.address, refs)
    granted = time.perf_counter()
    history = session.history.of(owner.address, reader=doctor, purpose=PurposeOfUse.TREAT)
    first: float | None = None
    found = 0
    for _ in history:
        found += 1
        first = first or time.perf_counter() - granted
    read = time.perf_counter()
    assert found >= size, found
    return {
        "publish_seconds": round(published - begun, 2),
        "grant_seconds": round(granted - published, 2),
        "first_record_seconds": round(first or 0.0, 2),
        "history_seconds": round(read - granted, 2),
        "home_bytes_each": round((_size(session.settings.home) - empty) / size),
    }


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


# ------------------------------------------------------------------------------------------------ several clients


def _prepare(session: Session, home: Path, clients: int) -> None:
    """Give each client's patient a record and the doctor a grant of it, and write down which."""
    hospital, doctor = unlock(session, "hospital"), session.keyring.resolve("doctor")
    told = []
    for number in range(clients):
        patient = unlock(session, f"patient-{number}")
        ref = _publish(session, hospital, patient.address)
        granted = _grant(session, patient, doctor, [ref])
        told.append({"record": ref.record_id.hex(), "grant": f"{granted.grant_id:#x}"})
    (home / TOLD_FILE).write_text(json.dumps(told))


def _together(home: Path, clients: int, count: int) -> Json:
    """Let so many clients act at once, each so often; return rate and latency of each verb."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, ExitStack() as stack:
        workers = [
            stack.enter_context(_worker(home, Path(folder), number, clients, count)) for number in range(clients)
        ]
        return {verb: _all_at_once(workers) for verb in VERBS}


def _all_at_once(workers: Sequence[subprocess.Popen[str]]) -> Json:
    for worker in workers:
        assert _line(worker) == "ready"
    begun = time.perf_counter()
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    times = [each for worker in workers for each in json.loads(_line(worker))]
    return {"per_second": round(len(times) / (time.perf_counter() - begun), 1), **spread(times)}


@contextmanager
def _worker(home: Path, folder: Path, number: int, clients: int, count: int) -> Iterator[subprocess.Popen[str]]:
    own = home
    if clients > 1:
        own = folder / str(number)
        shutil.copytree(home, own)
    command = [sys.executable, __file__, "--worker", str(own), str(number), str(count)]
    worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield worker
    finally:
        worker.communicate()


def _line(worker: subprocess.Popen[str]) -> str:
    assert worker.stdout is not None
    return worker.stdout.readline().strip()


def _work(home: Path, number: int, count: int) -> None:
    """Do each verb so often, when told to; print how long each took."""
    told = json.loads((home / TOLD_FILE).read_text())[number]
    with connect(home) as session:
        payer, patient, doctor = (unlock(session, name) for name in (f"payer-{number}", f"patient-{number}", "doctor"))
        hospital = session.keyring.resolve("hospital")
    ref = RecordRef(custodian=hospital, record_id=RecordId(bytes.fromhex(told["record"])))
    grant_id = GrantId(int(told["grant"], 16))
    paying = Paying(payer=payer.signer, confirm=lambda _: True, names=lambda _: None)
    with connect(home, paying=paying) as session, tempfile.TemporaryDirectory() as folder:
        acts: dict[str, Callable[[int], object]] = {
            "grant, signed and relayed": lambda step: _grant(
                session, patient, doctor.address, [ref], seconds=DAY + step
            ),
            "is_live": lambda _: session.ledger.consents.is_live(
                grant_id, Purpose.TREAT, block=session.ledger.chain.head()
            ),
            "fetch": lambda step: session.retrieving.open(ref, reader=doctor, purpose=PurposeOfUse.TREAT).save(
                Path(folder) / str(step)
            ),
        }
        for verb in VERBS:
            print("ready", flush=True)
            sys.stdin.readline()
            print(json.dumps([_seconds(acts[verb], step) for step in range(count)]), flush=True)


def _seconds(act: Callable[[int], object], step: int) -> float:
    begun = time.perf_counter()
    act(step)
    return time.perf_counter() - begun


def spread(times: Sequence[float]) -> Json:
    """Return percentiles in milliseconds: the smallest time that so many per cent do not exceed."""
    ordered = sorted(times)
    ranks = {percent: max(-(-percent * len(ordered) // 100), 1) for percent in PERCENTILES}
    return {f"p{percent}_ms": round(ordered[rank - 1] * 1000, 2) for percent, rank in ranks.items()} | {
        "count": len(ordered)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few of each")
    parser.add_argument("--worker", nargs=3, metavar=("HOME", "NUMBER", "COUNT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        home, number, count = arguments.worker
        _work(Path(home), int(number), int(count))
    else:
        print(json.dumps(figures(Scale.QUICK if arguments.quick else Scale.NORMAL), indent=2))


if __name__ == "__main__":
    main()
