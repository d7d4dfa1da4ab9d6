"""Synthetic patients: the same bytes for the same seed, and nothing that would be refused of what arrives.

├─ a population has the bytes that it always had; another seed, another population
├─ a patient does not depend on how many others there are, and is one person all through
├─ a hundred patients: each record conforms, warns of nothing, scores well, and is the patient's
├─ every kind of record is among them, with codes of LOINC, SNOMED CT and UCUM
└─ no two patients share what identifies them
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from datetime import date

import pytest

from medshare.ingesting import OnePatient, arriving
from medshare.model.ids import address
from medshare.standards import fhir, units
from medshare.standards.codes import LOINC, SNOMED
from medshare.standards.ingest import Part
from medshare.standards.quality import score
from medshare.testing.synthetic import Chart, chart, generate, terms, written
from medshare.testing.synthetic.draws import Draws

pytestmark = pytest.mark.unit

SEED, PATIENTS = 2026, 100
DIGEST = "b2727bcfd32e12ff6993d7e967df995e202c652bf98348802f6b3167ccd5fd7d"
PATIENT = address("0x" + "4e" * 20)


@pytest.fixture(scope="module")
def population() -> list[bytes]:
    return list(generate(SEED, PATIENTS))


@pytest.fixture(scope="module")
def records(population: list[bytes]) -> list[Part]:
    return [part for bundle in population for part in arriving(bundle, patients=OnePatient(PATIENT))]


def codes(value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        if isinstance(value.get("system"), str) and isinstance(value.get("code"), str):
            yield value["system"], value["code"]
        for each in value.values():
            yield from codes(each)
    elif isinstance(value, list):
        for each in value:
            yield from codes(each)


def test_generate__same_seed__has_the_bytes_that_it_always_had(population: list[bytes]) -> None:
    assert hashlib.sha256(b"".join(population)).hexdigest() == DIGEST
    assert list(generate(SEED, 3)) == population[:3]
    assert list(generate(SEED + 1, 3)) != population[:3]
    assert list(generate(SEED, 1, until=date(2026, 10, 1))) != population[:1]


def test_generate__a_hundred_patients__each_record_conforms_and_scores_well(records: list[Part]) -> None:
    assert len(records) > 20 * PATIENTS
    assert [part.refusal for part in records if part.refusal] == []
    assert Counter(finding for part in records if part.examined for finding in part.examined.findings) == {}
    scores = [score(part.document, fhir.MEDIA_TYPE).score for part in records]
    assert min(scores) >= 90


def test_generate__a_hundred_patients__have_every_kind_of_record(records: list[Part]) -> None:
    kinds = {part.examined.resource_type for part in records if part.examined}
    assert kinds == {
        *("Patient", "Encounter", "Condition", "Observation", "MedicationRequest", "MedicationAdministration"),
        *("Immunization", "DiagnosticReport", "AllergyIntolerance"),
    }
    systems = {system for part in records for system, _ in codes(json.loads(part.document))}
    assert {LOINC, SNOMED, units.SYSTEM} <= systems
    assert {
        system for system in systems if not system.startswith(("http://terminology.hl7.org/", "https://fhir.example"))
    } == {LOINC, SNOMED, units.SYSTEM}


def test_generate__patients__are_told_apart(population: list[bytes]) -> None:
    charts = [chart(SEED, number) for number in range(PATIENTS)]
    assert [each.bundle() for each in charts] == population
    assert len({each.patient_id for each in charts}) == PATIENTS
    assert len({each.identifying[1] for each in charts}) == PATIENTS
    for each, bundle in zip(charts, population, strict=True):
        for word in each.identifying[1:]:
            assert word.encode() in bundle


def test_chart__the_same_person_in_two_hospitals__is_one() -> None:
    one, other = Chart(SEED, 7, hospital="One"), Chart(SEED, 7, hospital="Other")
    assert one.identifying == other.identifying
    one.order(terms.TO_CARDIOLOGIST, date(2026, 3, 4), why=terms.ASTHMA, note="Please see.")
    given = other.administration(terms.WARFARIN, date(2026, 3, 4), lot="WF1")
    other.notice("Come back.", date(2026, 3, 5), why=given)
    for each in (one, other):
        for part in arriving(each.bundle(), patients=OnePatient(PATIENT)):
            assert part.examined is not None
            assert part.examined.findings == ()


def test_chart__what_is_said__is_written_so() -> None:
    made = Chart(SEED, 7, born_after=2010, born_before=2011)
    assert made.resources[0]["birthDate"].startswith("2010-")
    value = made.observation(terms.HBA1C, date(2026, 3, 4), value="7.2")
    assert value["valueQuantity"]["value"] == 7.2
    assert written({"a": "ä"}) == '{"a":"ä"}'.encode()


def test_draws__same_words__same_choices() -> None:
    draws, again = Draws("a", 1), Draws("a", 1)
    drawn = [draws.below(1000) for _ in range(100)]
    assert drawn == [again.below(1000) for _ in range(100)]
    assert drawn != [Draws("a", 2).below(1000) for _ in range(100)]
    assert {draws.within(3, 5) for _ in range(100)} == {3, 4, 5}
    assert {draws.one_of("xy") for _ in range(100)} == {"x", "y"}
    assert draws.some_of("abc", 5) == ["a", "b", "c"]
    assert all(len(set(draws.some_of("abcd", 2))) == 2 for _ in range(100))
    assert {draws.chance(100), draws.chance(0)} == {True, False}
    assert len(draws.token(6)) == 6
