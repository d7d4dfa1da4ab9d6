"""A hospital that loads: what its systems export at night, and the service that publishes it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from batch_town import BatchTown, Home
from service_doubles import CrashError, Faults
from world import publishing_on, resealing_on

from medshare.ingesting import Assigned, Ingesting, Patients
from medshare.loading import Anchored, Loaded, Loading, Outcome
from medshare.model.record import RecordEntry, RecordRef
from medshare.model.record_batch import AnchoredBatch
from medshare.ports import Actor, BlobStore, Ledger
from medshare.services.batching import Batching
from medshare.services.journal import PublicationJournal
from medshare.services.load_journal import LoadJournal
from medshare.services.packets import Packets, packets_of
from medshare.services.publishing import Publishing
from medshare.services.registering import Published
from medshare.services.resealing import Resealing

PATIENTS = ("anna", "ben")


def observation(number: int, patient: int = 0) -> bytes:
    """Return a FHIR Observation in one line."""
    return json.dumps(
        {
            "resourceType": "Observation",
            "id": f"o{number}",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "2339-0"}], "text": "glucose"},
            "subject": {"reference": f"Patient/{patient}"},
            "effectiveDateTime": "2026-03-04T10:00:00Z",
            "valueQuantity": {
                "value": 5.5,
                "unit": "mmol/L",
                "system": "http://unitsofmeasure.org",
                "code": "mmol/L",
            },
        }
    ).encode()


def export(path: Path, lines: Iterable[bytes]) -> Path:
    """Write an NDJSON file."""
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


@dataclass(kw_only=True)
class Night:
    """What a load told."""

    loaded: list[Loaded]
    anchored: list[Anchored]

    def count(self, outcome: Outcome) -> int:
        return sum(each.outcome is outcome for each in self.loaded)

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many were stored, there already, and refused."""
        return self.count(Outcome.STORED), self.count(Outcome.ALREADY), self.count(Outcome.REFUSED)

    @property
    def batches(self) -> list[AnchoredBatch]:
        return [each.batch for each in self.anchored]


class LoadTown(BatchTown):
    """A town whose hospital loads; its systems call anna ``Patient/0`` and ben ``Patient/1``."""

    def __init__(self, folder: Path, *, hospital: Actor | None = None) -> None:
        super().__init__(folder, hospital=hospital)
        self.nights = folder
        self.publications = PublicationJournal(folder / "hospital")
        self.loads = LoadJournal(self.publications)
        self.loading = self.rebuilt()

    def rebuilt(self, *, processes: int = 0, **parts) -> Loading:
        """Return the service, made of these parts and else the hospital's: store, ledger, journal, book."""
        home: Home = self.hospital
        store, ledger = parts.get("store", self.store), parts.get("ledger", home.ledger)
        journal, book = parts.get("journal", self.loads), parts.get("book", home.book)
        publishes = self._publishes(ledger, store)
        on_its_way = parts.get("on_its_way", lambda _custodian, _root: None)
        batching = Batching(
            ledger=ledger,
            store=store,
            journal=journal,
            auditing=home.auditing,
            standing=home.standing,
            book=book,
            resealing=resealing_on(**publishes),
            on_its_way=on_its_way,
        )
        return Loading(
            batching=batching,
            publishing=publishing_on(**publishes),
            journal=self.publications,
            loads=journal,
            auditing=home.auditing,
            store=store,
            processes=processes,
        )

    @property
    def assigned(self) -> Assigned:
        return Assigned(
            by_reference={f"Patient/{number}": self.homes[name].actor.address for number, name in enumerate(PATIENTS)}
        )

    def export(self, *lines: bytes) -> Path:
        return export(self.nights / "export.ndjson", lines)

    def night(self, *given: Path, loading: Loading | None = None, patients: Patients | None = None, **more) -> Night:
        night = Night(loaded=[], anchored=[])
        loads = (loading or self.loading).load(
            given, custodian=self.hospital.actor, patients=patients or self.assigned, **more
        )
        for each in loads:
            if isinstance(each, Anchored):
                night.anchored.append(each)
            else:
                night.loaded.append(each)
        return night

    def publish(self, line: bytes) -> Published:
        """Publish one record by itself, as ``record publish`` does."""
        ingesting = Ingesting(publishing=self.publishing)
        path = export(self.nights / "single.ndjson", [line])
        (arrived,) = ingesting.ingest(path, custodian=self.hospital.actor, patients=self.assigned)
        if arrived.published is None:
            raise arrived.refusal or AssertionError
        return arrived.published

    @property
    def publishing(self) -> Publishing:
        return publishing_on(**self._publishes(self.hospital.ledger, self.store))

    @property
    def resealing(self) -> Resealing:
        return resealing_on(**self._publishes(self.hospital.ledger, self.store))

    def _publishes(self, ledger: Ledger, store: BlobStore) -> dict[str, object]:
        home: Home = self.hospital
        return {
            "ledger": ledger,
            "store": store,
            "journal": self.publications,
            "auditing": home.auditing,
            "standing": home.standing,
        }

    def packets(self, entry: RecordEntry) -> Packets:
        """Return who has a packet of one of the hospital's records, and who would get one now."""
        home: Home = self.hospital
        return packets_of(entry, custodian=home.actor, store=self.store, auditing=home.auditing, standing=home.standing)

    def texts(self, name: str) -> list[bytes]:
        """Return what a patient reads of all his records, when he has looked for them."""
        home = self.homes[name]
        home.find()
        refs = [
            RecordRef(custodian=entry.custodian, record_id=entry.record_id)
            for entry in home.auditing.records(home.actor.address)
        ]
        return sorted(home.read(ref) for ref in refs)

    def stated(self, name: str) -> list[RecordEntry]:
        """Return the records of a patient, as the hospital knows them."""
        return self.hospital.auditing.records(self.homes[name].actor.address)

    def check_whole(self, *lines: bytes) -> None:
        """Check that each line is one record on chain, and nothing else pinned but catalogues and bundles."""
        texts = [text for name in PATIENTS for text in self.texts(name)]
        assert sorted(texts) == sorted(lines)
        records = [each for name in PATIENTS for each in self.stated(name)]
        catalogues = {event.catalogue for event in self.hospital.auditing.batches(self.hospital.actor.address)}
        bundles = {each for name in PATIENTS for each in self.hospital.auditing.bundles(self.homes[name].actor.address)}
        pinned = {root.digest for root in self.store.pins()} - bundles
        assert pinned == {each.record_id for each in records} | catalogues
        assert self.loads.unfinished(self.hospital.actor.address) == []


def faulty(town: LoadTown, faults: Faults) -> Loading:
    """Return the hospital's service, which fails at one of its calls."""
    ledger = town.hospital.ledger
    noting = (
        "begin",
        "add",
        "pinned",
        "replaced",
        "let_go",
        "settled",
        "catalogued",
        "sending",
        "anchored",
        "finished",
        "give_up",
    )
    return town.rebuilt(
        store=faults.wrap(town.store, "put", "pin", "pin_all", "unpin"),
        ledger=replace(ledger, records=faults.wrap(ledger.records, "anchor_batch", "supersede")),
        journal=faults.wrap(town.loads, *noting),
        book=faults.wrap(town.hospital.book, "keep", "forget"),
    )


def stopped_before_anchoring(town: LoadTown, *, sent: bool) -> list[bytes]:
    """Load, and die when all is stored, or when the root was sent."""
    lines = [observation(number, number % 2) for number in range(200, 205)]
    path = town.export(*lines)
    faults = Faults()
    ledger = town.hospital.ledger
    dying = replace(ledger, records=faults.wrap(ledger.records, "anchor_batch"))
    journal = faults.wrap(town.loads, "catalogued")
    faults.at, faults.after = (2, True) if sent else (1, False)
    with pytest.raises(CrashError):
        town.night(path, loading=town.rebuilt(ledger=dying, journal=journal))
    return lines
