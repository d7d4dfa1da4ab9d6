"""What arrives is described by what it says, published once, and by patient; what cannot be is told and nothing else.

given a file of one record or of many
├─ the manifest says what the record says; the custodian may add, and may say otherwise for a reason that is kept
├─ what does not conform is refused, unless somebody says why it is published all the same
├─ a bad line keeps nothing else from being published; broken off and repeated, only the rest is published
├─ with one patient, what is about a second one is refused; with a file of references, each gets his own
├─ several patients in what came together: nothing of it is published
└─ whom a record is about is in no log, no error and nothing that is in clear
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from world import World, new_world

from medshare.errors import (
    InvalidInputError,
    LedgerUnavailableError,
    MedshareError,
    NonConformantError,
    UnknownIdentityError,
)
from medshare.ingesting import Arrived, Assigned, Ingesting, OnePatient, Patients, Said, arriving, read_mapping
from medshare.model.ids import Address
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Category, Manifest
from medshare.services.publishing import Publishing
from medshare.testing import new_actor

pytestmark = [pytest.mark.unit, pytest.mark.timeout(120)]

CANARY = "CANARY-4711"
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"text": "glucose"},
    "subject": {"reference": f"Patient/{CANARY}"},
    "effectiveDateTime": "2026-03-04T10:00:00Z",
    "meta": {"security": [{"code": "PSY"}, {"code": "R"}]},
}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return new_world(tmp_path)


def observation(**changed: Any) -> bytes:
    return json.dumps({name: value for name, value in {**OBSERVATION, **changed}.items() if value is not None}).encode()


def of(reference: str, number: int = 0) -> bytes:
    return observation(subject={"reference": reference}, id=f"o-{number}")


def carried(*resources: bytes) -> bytes:
    entries = [{"resource": json.loads(each)} for each in resources]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()


def ingest(world: World, source: Path | bytes, patients: Patients | None = None, **more: Any) -> list[Arrived]:
    whose = patients or OnePatient(world.patient.address)
    ingesting = Ingesting(publishing=world.publishing)
    return list(ingesting.ingest(source, custodian=world.hospital, patients=whose, **more))


def manifest(world: World, arrived: Arrived) -> Manifest:
    assert arrived.published is not None, arrived.refusal
    return world.open(arrived.published, reader=world.patient, purpose=PurposeOfUse.PATRQT).manifest


def refusals(several: list[Arrived]) -> dict[str, str]:
    return {arrived.place: str(arrived.refusal) for arrived in several if arrived.refusal is not None}


# ------------------------------------------------------------------------------------------------- describing


def test_ingest__resource__manifest_says_what_it_says(world: World) -> None:
    (arrived,) = ingest(world, observation())
    said = manifest(world, arrived)
    assert (said.media_type, said.category, said.resource_type) == (
        "application/fhir+json",
        Category.OBSERVATION,
        "Observation",
    )
    assert (said.labels, said.clinical_date) == (("PSY", "R"), "2026-03-04")
    assert (said.patient_reference, said.overrides) == (f"Patient/{CANARY}", {})


def test_ingest__said_otherwise_for_a_reason__is_kept_with_it(world: World) -> None:
    said = Said(
        category=Category.LABORATORY,
        clinical_date="2026-03",
        labels=("HIV",),
        dropped_labels=("psy",),
        because="the laboratory's own form",
    )
    (arrived,) = ingest(world, observation(), said=said)
    kept = manifest(world, arrived)
    assert (kept.category, kept.clinical_date, kept.labels) == (Category.LABORATORY, "2026-03", ("R", "HIV"))
    assert kept.overrides == dict.fromkeys(("category", "clinical_date", "labels"), "the laboratory's own form")


@pytest.mark.parametrize(
    ("said", "what"),
    [
        (Said(category=Category.LABORATORY), "category"),
        (Said(clinical_date="2026"), "clinical date"),
        (Said(dropped_labels=("R",)), "labels"),
    ],
)
def test_ingest__said_otherwise_without_a_reason__is_refused(world: World, said: Said, what: str) -> None:
    (arrived,) = ingest(world, observation(), said=said)
    assert str(arrived.refusal) == f"it says otherwise of its {what}"
    assert world.store.pins() == set()


@pytest.mark.parametrize(
    "said",
    [Said(labels=("HIV",)), Said(category=Category.OBSERVATION), Said(clinical_date="2026-03-04"), Said(because="x")],
)
def test_ingest__said_in_addition_or_the_same__needs_no_reason(world: World, said: Said) -> None:
    (arrived,) = ingest(world, observation(), said=said)
    assert manifest(world, arrived).overrides == {}


def test_ingest__bytes_that_say_nothing__are_what_the_custodian_says(world: World) -> None:
    said = Said(category=Category.DOCUMENT, clinical_date="2026", labels=("R",))
    (arrived,) = ingest(world, b"a letter", name="letter.pdf", said=said)
    kept = manifest(world, arrived)
    assert (kept.media_type, kept.category, kept.clinical_date, kept.labels, kept.overrides) == (
        "application/pdf",
        Category.DOCUMENT,
        "2026",
        ("R",),
        {},
    )


def test_ingest__does_not_conform__is_refused_unless_somebody_says_why(world: World) -> None:
    (refused,) = ingest(world, observation(status=None))
    assert isinstance(refused.refusal, NonConformantError)
    assert world.store.pins() == set()
    (without_reason,) = ingest(world, observation(status=None), said=Said(anyway=True))
    assert isinstance(without_reason.refusal, InvalidInputError)
    (arrived,) = ingest(world, observation(status=None), said=Said(anyway=True, because="it is from 1999"))
    assert manifest(world, arrived).overrides == {"conformance": "it is from 1999"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"effectiveDateTime": "2026-02-30", "issued": "2026-03-01T00:00:00Z"},
        {"resourceType": "../x"},
        {"resourceType": None},
        {"meta": {"security": [{"code": "a b"}]}},
        {"subject": {"reference": "Patient/" + "x" * 64, "identifier": {"value": "y" * 10_000}}},
        {"subject": {"identifier": {"value": "y" * 10_000}}, "status": "x"},
    ],
    ids=lambda wrong: str(wrong)[:60],
)
def test_ingest__anyway__takes_what_is_wrong_in_any_way(world: World, wrong: dict[str, Any]) -> None:
    said = Said(anyway=True, because="it is all that is left")
    (arrived,) = ingest(world, carried(observation(**wrong)), said=said)
    assert arrived.published is not None, arrived.refusal


@pytest.mark.parametrize(
    "wrong", [{"clinical_date": "yesterday"}, {"labels": ("a b",)}, {"dropped_labels": ("",)}], ids=str
)
def test_said__what_cannot_be__is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        Said(**wrong)


def test_reseal__of_what_was_ingested__keeps_whose_it_is_and_the_reasons(world: World) -> None:
    (arrived,) = ingest(world, observation(), said=Said(dropped_labels=("PSY",), because="a mistake"))
    assert arrived.published is not None
    again = world.resealing.reseal(arrived.published.entry, custodian=world.hospital)
    kept = world.open(again, reader=world.patient, purpose=PurposeOfUse.PATRQT).manifest
    assert (kept.patient_reference, kept.overrides) == (f"Patient/{CANARY}", {"labels": "a mistake"})


def test_ingest__other_reason__is_the_same_publication(world: World) -> None:
    said = Said(dropped_labels=("PSY",), because="a mistake")
    (first,) = ingest(world, observation(), said=said)
    (second,) = ingest(world, observation(), said=replace(said, because="an error"))
    assert first.published is not None
    assert second.published is not None
    assert (second.published.already, second.published.record_id) == (True, first.published.record_id)


# ---------------------------------------------------------------------------------------------- one after another


def test_ingest__lines_of_which_some_are_bad__publishes_the_others_and_tells_the_place(
    world: World, tmp_path: Path
) -> None:
    path = tmp_path / "export.ndjson"
    lines = [observation(id="a"), b'{"resourceType":"Observation"', observation(id="b", status="x"), b"[]"]
    path.write_bytes(b"\n".join([*lines, observation(id="c")]) + b"\n")
    told: list[tuple[str, int, int | None]] = []
    found = ingest(world, path, progress=lambda *said: told.append(said))
    assert [arrived.place for arrived in found if arrived.published] == ["line 1", "line 5"]
    assert list(refusals(found)) == ["line 2", "line 3", "line 4"]
    assert all(CANARY not in text for text in refusals(found).values())
    assert told[-1] == ("publishing", path.stat().st_size, path.stat().st_size)
    assert [done for _, done, _ in told] == sorted({done for _, done, _ in told})


def test_ingest__broken_off_and_repeated__publishes_only_the_rest(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "export.ndjson"
    path.write_bytes(b"\n".join(observation(id=str(number)) for number in range(5)))
    publish, calls = Publishing.publish, []

    def publish_two(self: Publishing, source: bytes, **more: Any):
        calls.append(source)
        if len(calls) == 3:
            raise LedgerUnavailableError("the line was cut")
        return publish(self, source, **more)

    with monkeypatch.context() as broken:
        broken.setattr(Publishing, "publish", publish_two)
        with pytest.raises(LedgerUnavailableError):
            ingest(world, path)
    assert len(world.store.pins()) == 2
    found = ingest(world, path)
    assert [arrived.published.already for arrived in found if arrived.published] == [True, True, False, False, False]
    assert len(world.store.pins()) == 5


def test_ingest__entry_of_a_bundle__is_its_slice_and_supersedes_nothing(world: World) -> None:
    document = carried(observation(id="a"), observation(id="b"))
    first, second = ingest(world, document)
    for arrived in (first, second):
        assert arrived.published is not None
        opened = world.open(arrived.published, reader=world.patient, purpose=PurposeOfUse.PATRQT)
        assert b"".join(opened.stream()) in document
    assert first.published is not None
    with pytest.raises(InvalidInputError, match="only one can take another's place"):
        ingest(world, document, supersedes=first.published.record_id)


# -------------------------------------------------------------------------------------------------- whose it is


def test_ingest__lines_of_two_patients_for_one__refuses_the_second_only(world: World, tmp_path: Path) -> None:
    path = tmp_path / "export.ndjson"
    path.write_bytes(b"\n".join([of("Patient/1", 1), of("Patient/2", 2), of("Patient/1", 3), of("Group/1", 4)]))
    found = ingest(world, path)
    assert list(refusals(found)) == ["line 2"]


def test_ingest__bundle_of_two_patients_for_one__publishes_nothing(world: World) -> None:
    with pytest.raises(InvalidInputError, match="several patients"):
        ingest(world, carried(of("Patient/1"), of("Patient/2")))
    assert world.store.pins() == set()


def test_ingest__assigned__gives_each_patient_his_own(world: World) -> None:
    other = new_actor()
    world.ledger.directory.set_encryption_key(other.signer, other.identity.recipient.key)
    whose = Assigned(by_reference={"Patient/1": world.patient.address, "Patient/2": other.address})
    found = ingest(world, carried(of("Patient/1"), of("Patient/2"), of("Patient/3"), of("Group/1")), whose)
    assert [arrived.published.entry.patient for arrived in found if arrived.published] == [
        world.patient.address,
        other.address,
    ]
    assert list(refusals(found)) == ["entry 2", "entry 3"]
    again = ingest(world, carried(of("Group/1")), replace(whose, otherwise=other.address))
    assert [arrived.published.entry.patient for arrived in again if arrived.published] == [other.address]


def test_assigned__one_record_of_two_patients__is_refused() -> None:
    whose = Assigned(by_reference={"Patient/1": Address("0x" + "11" * 20), "Patient/2": Address("0x" + "22" * 20)})
    with pytest.raises(InvalidInputError, match="several patients"):
        whose.of(["Patient/1", "Patient/2"])


def resolve(name: str) -> Address:
    if name == "nobody":
        raise UnknownIdentityError(name)
    return Address("0x" + name.encode().hex().rjust(40, "0"))


def test_read_mapping__of_a_csv_file__says_who_is_who(tmp_path: Path) -> None:
    path = tmp_path / "patients.csv"
    path.write_bytes('\ufeffreference,patient\r\nPatient/1,mary\r\n\r\n"a,b",mary\r\nPatient/1,mary\r\n'.encode())
    assert read_mapping(path, resolve) == {"Patient/1": resolve("mary"), "a,b": resolve("mary")}


def test_read_mapping__spaces_around_a_field__are_none_of_it(tmp_path: Path) -> None:
    path = tmp_path / "patients.csv"
    path.write_bytes(b"reference,patient\nPatient/4711 , mary\n")
    assert read_mapping(path, resolve) == {"Patient/4711": resolve("mary")}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "does not begin with"),
        (b"patient,reference\nmary,Patient/1\n", "does not begin with"),
        (b"reference,patient\nPatient/CANARY-4711\n", "line 2 of the file"),
        (b"reference,patient\nPatient/CANARY-4711,\n", "line 2 of the file"),
        (b"reference,patient\nPatient/CANARY-4711, \n", "line 2 of the file"),
        (b"reference,patient\nPatient/CANARY-4711,mary\nPatient/CANARY-4711,john\n", "line 3 of the file"),
        (b'reference,patient\n"CANARY-4711', "no CSV"),
        (b"reference,patient\nCANARY-4711\xff,mary\n", "no CSV"),
        (b"reference,patient\nPatient/1,nobody\n", "nobody"),
    ],
)
def test_read_mapping__what_cannot_be__is_refused_without_its_values(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "patients.csv"
    path.write_bytes(content)
    with pytest.raises(MedshareError, match=says) as refused:
        read_mapping(path, resolve)
    assert CANARY not in str(refused.value)


def test_ingest__whom_it_is_about__is_in_no_log_and_no_error_and_nothing_in_clear(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    path = tmp_path / "export.ndjson"
    path.write_bytes(
        b"\n".join([observation(), observation(status=CANARY), observation(**{CANARY: 1}), b'"' + CANARY.encode()])
    )
    found = ingest(world, path)
    assert len(refusals(found)) == 3
    said = " ".join([*refusals(found).values(), *(arrived.refusal.hint for arrived in found if arrived.refusal)])
    assert CANARY not in said + caplog.text
    assert all(CANARY.encode() not in block for block in blocks(world))
    assert CANARY not in repr(world.chain.events(0, world.chain.head().number))
    for kept in tmp_path.rglob("*"):
        if kept.is_file() and kept != path:
            assert CANARY.encode() not in kept.read_bytes()


def blocks(world: World) -> list[bytes]:
    from medshare.content import references

    return [world.store.get(part.cid) for root in world.store.pins() for part in references(world.store.get, root)]


def test_arriving__examined_only__publishes_nothing_and_says_the_same(world: World) -> None:
    (part,) = arriving(observation())
    assert part.examined is not None
    assert part.examined.patients == (f"Patient/{CANARY}",)
    assert world.store.pins() == set()
