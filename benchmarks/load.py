"""A hospital's night, measured: very many small records published in batches, by a command that is killed twice.

The records are laboratory results, allergies and conditions of ``--patients`` patients, made up and the same each time;
one patient has exactly 50. The command runs in processes of its own, of which the memory of all together is sampled. At
the end it is checked that nothing was lost and nothing doubled, and that patient finds and opens his records. Prints a
table and one JSON line. ``--quick`` takes 2,000 records of 40 patients.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from counted import Counting, size_of
from scale import Scale

from medshare import Session, connect
from medshare.chain import LocalSigner
from medshare.content import Block, Cid
from medshare.envelope import Identity
from medshare.files import private_folder
from medshare.hashing import sha256
from medshare.keyring import ACCOUNT_FILE, PUBLIC_FILE, SECRET_FILE
from medshare.model.accreditation import AccreditationKind
from medshare.model.grant import MAX_TIME
from medshare.model.ids import Address, RecordId
from medshare.model.purpose import PurposeOfUse
from medshare.model.record_batch import RecordBatch
from medshare.services.auditing import Auditing
from medshare.services.batch_book import BatchBook
from medshare.services.batch_catalogue import write_catalogue
from medshare.services.batched_ledger import batched_ledger
from medshare.services.description import Description
from medshare.services.finding import Finding
from medshare.services.index import LedgerIndex
from medshare.services.plaintext import Plaintext
from medshare.services.progress import silent
from medshare.services.retrieving import Retrieving
from medshare.services.sealing import seal_record
from medshare.session import make_home
from medshare.settings import Settings, StoreKind, StoreSettings
from medshare.standards import fhir
from medshare.standards.ingest import examine
from medshare.storage import LocalBlobStore

MIB = 1 << 20
PASSPHRASE = "a passphrase for a benchmark"  # noqa: S105
HIS_RECORDS = 50
QUICK, NORMAL, FULL = (2_000, 40, 500), (100_000, 2_000, 10_000), (1_000_000, 20_000, 10_000)
"""Records, patients, and records of a batch."""
LITTLE_WORK = 1 << 12
SAMPLE_SECONDS = 0.1
PAGE = os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=NORMAL[0])
    parser.add_argument("--patients", type=int, help=f"default: one for each {HIS_RECORDS} records")
    parser.add_argument("--batch-size", type=int, default=NORMAL[2])
    parser.add_argument("--quick", action="store_true", help="2,000 records of 40 patients, in batches of 500")
    parser.add_argument("--kubo", metavar="ADDRESS", help="the store: a Kubo node's multiaddr; default: a folder")
    parser.add_argument("--folder", type=Path, help="where to measure; else the system's folder for temporary files")
    options = parser.parse_args()
    if options.quick:
        options.records, options.patients, options.batch_size = QUICK
    patients = options.patients or max(2, options.records // HIS_RECORDS)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        found = measure(Path(folder), options.records, patients, options.batch_size, options.kubo)
    for line in table(found):
        print(line)
    print(json.dumps(found))


def figures(scale: Scale) -> dict[str, Any]:
    """Return the numbers at a scale."""
    with tempfile.TemporaryDirectory() as folder:
        return measure(Path(folder), *scale.of(QUICK, NORMAL, FULL))


# ------------------------------------------------------------------------------------------------- the night


def measure(folder: Path, records: int, patients: int, batch_size: int, kubo: str | None = None) -> dict[str, Any]:
    """Load an export, killed at a third and at two thirds of it, and return the figures."""
    home = private_folder(folder / "home")
    addresses = make_people(home, patients, kubo)
    export = folder / "export.ndjson"
    write_export(export, records, patients)
    mapping = folder / "patients.csv"
    mapping.write_text(
        "reference,patient\n" + "".join(f"Patient/{number},{each}\n" for number, each in enumerate(addresses))
    )
    command = [
        *(sys.executable, "-m", "medshare", "--home", str(home), "--passphrase-file", str(home / "passphrase")),
        *("--json", "record", "publish", "--batch", "--batch-size", str(batch_size), str(export)),
        *("--as", "hospital", "--patients", str(mapping)),
    ]
    runs = [run(command, home, dies_at=records * third // 3) for third in (1, 2)]
    runs.append(run(command, home))
    again = run(command, home)
    last = runs[-1]["told"][-1]
    return {
        "records": records,
        "patients": patients,
        "batch_size": batch_size,
        "store": "kubo" if kubo else "local",
        "bytes": export.stat().st_size,
        "seconds": [each["seconds"] for each in runs],
        "killed_at": [each["stored"] for each in runs[:-1]],
        "records_per_second": round(records / sum(each["seconds"] for each in runs), 1),
        "again_seconds": again["seconds"],
        "again_published": again["told"][-1]["published"],
        "refused": last["refused"],
        "peak_mib": max(each["peak_mib"] for each in runs),
        "peak_mib_by_records": curve([sample for each in runs for sample in each["memory"]], records),
        **check(home, addresses, records),
        **his_own(home, folder / "his"),
        "milliseconds_a_record": stages(folder / "stages"),
    }


def run(command: Sequence[str], home: Path, *, dies_at: int | None = None) -> dict[str, Any]:
    """Run the command, and kill it when so many records are stored; return what it told, what it took and stored."""
    begun = time.perf_counter()
    memory: list[tuple[int, float]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        while process.poll() is None:
            time.sleep(SAMPLE_SECONDS)
            done = stored(home)
            memory.append((done, round(resident(process.pid) / MIB, 1)))
            if dies_at is not None and done >= dies_at:
                os.killpg(process.pid, signal.SIGKILL)
                break
        seconds = time.perf_counter() - begun
        said, _ = process.communicate()
    assert (process.returncode == 0) is (dies_at is None), "it was to be killed, or to end well"
    return {
        "seconds": round(seconds, 2),
        "stored": stored(home),
        "told": [json.loads(line) for line in said.splitlines()],
        "memory": memory,
        "peak_mib": max((mib for _, mib in memory), default=0.0),
    }


def curve(samples: Sequence[tuple[int, float]], records: int) -> dict[int, float]:
    """Return the most memory in each tenth of a load, by how many records were stored at its end."""
    peaks: dict[int, float] = {}
    for done, mib in samples:
        tenth = min(10, 10 * done // records + 1) * records // 10
        peaks[tenth] = max(peaks.get(tenth, 0.0), mib)
    return dict(sorted(peaks.items()))


def stored(home: Path) -> int:
    """Return how many records the load has noted."""
    (path,) = home.glob("state/*/")
    with suppress(sqlite3.Error), closing(sqlite3.connect(path / "publications.sqlite", timeout=5)) as database:
        return int(database.execute("SELECT count(*) FROM batched").fetchone()[0])
    return 0


def resident(pid: int) -> int:
    """Return the bytes of memory that a process and all below it have."""
    total = 0
    with suppress(OSError):
        total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                total += resident(int(child))
    return total


# ---------------------------------------------------------------------------------------- people and records


def make_people(home: Path, patients: int, kubo: str | None) -> list[str]:
    """Make a hospital that is accredited, and patients; of the first the keys are kept, of the others the addresses."""
    store = StoreSettings(kind=StoreKind.KUBO, address=kubo) if kubo else StoreSettings(kind=StoreKind.LOCAL)
    make_home(Settings(home=home, store=store))
    (home / "passphrase").write_text(PASSPHRASE)
    (home / "passphrase").chmod(0o600)
    addresses = []
    with connect(home) as session:
        hospital = LocalSigner.generate()
        for name, signer in (("hospital", hospital), ("patient", LocalSigner.generate())):
            keep(session, home, name, signer)
        addresses = [session.keyring.resolve("patient")]
        addresses += [publish_key(session, LocalSigner.generate(), Identity.generate()) for _ in range(patients - 1)]
        member = session.chain.development_member()
        session.ledger.accreditation.accredit(member, hospital.address, AccreditationKind.CUSTODIAN, MAX_TIME)
    return [str(each) for each in addresses]


def keep(session: Session, home: Path, name: str, signer: LocalSigner) -> None:
    """Write the files of an identity, quick to unlock, and publish its key."""
    identity = Identity.generate()
    folder = private_folder(home / "identities" / name)
    signer.save_keystore(folder / ACCOUNT_FILE, PASSPHRASE, work=LITTLE_WORK)
    identity.save(folder / SECRET_FILE, PASSPHRASE)
    identity.recipient.save(folder / PUBLIC_FILE)
    publish_key(session, signer, identity)


def publish_key(session: Session, signer: LocalSigner, identity: Identity) -> Address:
    session.chain.fund(signer.address)
    session.ledger.directory.set_encryption_key(signer, identity.recipient.key)
    return signer.address


def write_export(path: Path, records: int, patients: int) -> None:
    """Write what the hospital's systems export: the first patient has exactly 50 records, evenly among the others'."""
    his = {number * records // HIS_RECORDS for number in range(HIS_RECORDS)}
    with path.open("wb") as stream:
        for number in range(records):
            patient = 0 if number in his else 1 + number % (patients - 1)
            stream.write(json.dumps(resource(number, patient)).encode() + b"\n")


def resource(number: int, patient: int) -> dict[str, Any]:
    """Return a resource that conforms: two laboratory results of three, then an allergy or a condition."""
    drawn = int.from_bytes(sha256(b"%d" % number)[:4], "big")
    day = f"2026-{1 + drawn % 12:02}-{1 + drawn % 28:02}"
    about = {"id": f"r{number}"}
    match number % 6:
        case 4:
            return {
                "resourceType": "AllergyIntolerance",
                **about,
                "patient": {"reference": f"Patient/{patient}"},
                "code": {"coding": [{"system": "http://snomed.info/sct", "code": "372687004"}], "text": "amoxicillin"},
                "recordedDate": day,
            }
        case 5:
            return {
                "resourceType": "Condition",
                **about,
                "subject": {"reference": f"Patient/{patient}"},
                "code": {"coding": [{"system": "http://snomed.info/sct", "code": "44054006"}], "text": "diabetes"},
                "onsetDateTime": day,
            }
        case _:
            code, name, unit = (("2339-0", "glucose", "mg/dL"), ("718-7", "haemoglobin", "g/dL"))[number % 2]
            quantity = {"value": 50 + drawn % 1000 / 10, "unit": unit, "code": unit}
            return {
                "resourceType": "Observation",
                **about,
                "status": "final",
                "code": {"coding": [{"system": "http://loinc.org", "code": code}], "text": name},
                "subject": {"reference": f"Patient/{patient}"},
                "effectiveDateTime": day,
                "valueQuantity": {**quantity, "system": "http://unitsofmeasure.org"},
            }


# ------------------------------------------------------------------------------------------- what came of it


def check(home: Path, addresses: Sequence[str], records: int) -> dict[str, Any]:
    """Check that each record is in one batch on chain, and pinned; and nothing is pinned besides, but catalogues."""
    with connect(home) as session:
        hospital = session.keyring.resolve("hospital")
        events = session.auditing.batches(hospital)
        assert sum(event.count for event in events) == records, "lost or doubled"
        stated = session.batches.stated(custodian=hospital)
        assert len({each.record_id for each in stated}) == len(stated) == records, "lost or doubled"
        pins = {Cid.of_directory(each.record_id) for each in stated}
        pins |= {Cid.of_directory(event.catalogue) for event in events}
        assert session.store.pins() == pins
        assert {each.patient for each in stated} <= set(addresses)
    return {"batches": len(events)}


def his_own(home: Path, folder: Path) -> dict[str, Any]:
    """Let the patient with 50 records find and open them, where nothing is known but his key."""
    private_folder(folder)
    with connect(home) as session:
        patient = session.keyring.open("patient", lambda _: PASSPHRASE)
        book = BatchBook(folder)
        ledger = batched_ledger(session.chain.ledger, book)
        deployment = session.chain.deployment.deployment_id
        index = LedgerIndex(folder / "index.sqlite", ledger.chain, deployment=deployment, batched=book)
        auditing, store = Auditing(index=index), Counting(session.store)
        begun = time.perf_counter()
        found = Finding(store=store, auditing=auditing, book=book).find(patient)
        found_in = time.perf_counter() - begun
        assert found.records == HIS_RECORDS
        retrieving = Retrieving(ledger=ledger, store=session.store, clock=session.clock, auditing=auditing)
        entries = auditing.records(patient.address)
        begun = time.perf_counter()
        texts = {
            b"".join(retrieving.open(entry.ref, reader=patient, purpose=PurposeOfUse.TREAT).stream())
            for entry in entries
        }
        opened_in = time.perf_counter() - begun
        assert len(texts) == HIS_RECORDS
        assert all(b'"Patient/0"' in text for text in texts)
        whole = sum(size_of(session.store, Cid.of_directory(event.catalogue)) for event in auditing.batches())
    return {
        "catalogue_bytes": whole,
        "found_bytes": store.read,
        "found_share": round(store.read / whole, 5),
        "found_seconds": round(found_in, 2),
        "opened_seconds": round(opened_in, 2),
    }


def stages(folder: Path, count: int = 1_000) -> dict[str, float]:
    """Return what each stage takes of one process, for one record in the local store, without asking the chain."""
    custodian, patient = Identity.generate(), Identity.generate()
    account = LocalSigner.generate().address
    documents = [json.dumps(resource(number, number % 40)).encode() for number in range(count)]
    examine(documents[0], fhir.MEDIA_TYPE)
    took = {"examine": spent(lambda: [examine(document, fhir.MEDIA_TYPE) for document in documents])}
    blocks: list[Block] = []
    roots: list[Cid] = []
    description = Description(media_type=fhir.MEDIA_TYPE)

    def sealed(document: bytes) -> Cid:
        source = Plaintext(document, silent)
        source.read()
        return seal_record(
            source,
            writer=custodian,
            describe=lambda salt: description.manifest(source, patient=account, custodian=account, salt=salt),
            recipients=lambda _: [patient.recipient, custodian.recipient],
            emit=blocks.append,
        )

    took["seal"] = spent(lambda: roots.extend(map(sealed, documents)))
    store = LocalBlobStore(folder)
    took["store"] = spent(lambda: store.put(blocks))
    took["pin"] = spent(lambda: store.pin_all(roots))

    def catalogue() -> None:
        ids = ((RecordId(root.digest), account) for root in roots)
        batch = RecordBatch.of(ids, secret=bytes(32))
        readers = {account: {patient.recipient: None}}
        write_catalogue(batch, readers, custodian=custodian, store=store)
        BatchBook(folder).keep(account, batch)

    took["tree, catalogue and book"] = spent(catalogue)
    return {name: round(seconds / count * 1000, 3) for name, seconds in took.items()}


def spent(work: Callable[[], object]) -> float:
    """Return the seconds of processor that some work takes, waiting not counted."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def table(figures: dict[str, Any]) -> list[str]:
    total = sum(figures["seconds"])
    share, catalogues = f"{figures['found_share']:.2%}", f"{figures['catalogue_bytes'] / MIB:.1f} MiB of catalogues"
    return [
        f"{figures['records']} records of {figures['patients']} patients, {figures['bytes'] // MIB} MiB",
        f"  killed twice and repeated: {total:.1f} s, {figures['records_per_second']} records a second",
        f"  the same again: {figures['again_seconds']} s, {figures['again_published']} published",
        f"  memory: {figures['peak_mib']} MiB at most; by records: "
        + ", ".join(f"{done:,}: {mib}" for done, mib in figures["peak_mib_by_records"].items()),
        f"  batches on chain: {figures['batches']}",
        f"  one patient finds his {HIS_RECORDS} in {figures['found_seconds']} s, reading {share} of {catalogues}",
        f"  he opens them in {figures['opened_seconds']} s",
        "  of one processor, a record: "
        + ", ".join(f"{name} {took} ms" for name, took in figures["milliseconds_a_record"].items()),
    ]


if __name__ == "__main__":
    main()
