"""Every official example of FHIR R4 is published, comes back byte for byte and is scored, or refused for a reason.

given all files of the npm package hl7.fhir.r4.examples 4.0.1, on the chain and the store in memory
├─ each is accepted, or its refusal is one of those stated here, with the number of them
├─ what is accepted comes back as it was; a Bundle that only carries, entry by entry
├─ each record that is accepted has a score
└─ of those that are no conformance resources at least 98 of 100 are accepted
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from nodes import require
from world import new_world

from medshare.errors import InvalidInputError
from medshare.ingesting import Arrived, Ingesting, OnePatient
from medshare.model.ids import Address
from medshare.services.registering import Published
from medshare.standards import quality

pytestmark = pytest.mark.integration

FILES = 5306
RECORDS = 32
"""In one town."""
SAMPLE = 40
"""Every so manieth file in the usual run; all of them in `make test-examples`."""

# What FHIR itself calls conformance and terminology: definitions, and no records of anybody.
CONFORMANCE = frozenset(
    {
        "CapabilityStatement",
        "CodeSystem",
        "CompartmentDefinition",
        "ConceptMap",
        "ExampleScenario",
        "GraphDefinition",
        "ImplementationGuide",
        "MessageDefinition",
        "NamingSystem",
        "OperationDefinition",
        "SearchParameter",
        "StructureDefinition",
        "StructureMap",
        "TerminologyCapabilities",
        "ValueSet",
    }
)
# Why, and how many: each is wrong by R4's own definitions.
REFUSALS = {
    "SearchParameter.base: it must be there": 10,
    "SearchParameter.id: it has not the form of the type id": 1,
    "ImplementationGuide.name: it must be there, and 1 more": 2,
    "CodeSystem.concept[].code: it is an empty text": 2,
    "Questionnaire.item[].item[].linkId: it must be there, and 31 more": 1,
    "it is one record, and speaks of several patients": 2,
    "Bundle.entry[].fullUrl: an entry before it has the same, and 11 more": 1,
}


@dataclass
class Tally:
    """What became of the files."""

    files: int = 0
    accepted: int = 0
    """Files of which everything was published."""
    records: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    ordinary: int = 0
    """Files that are no conformance resources."""
    ordinary_accepted: int = 0
    scores: Counter[int] = field(default_factory=Counter)

    def table(self) -> str:
        lines = [
            f"{self.accepted} of {self.files} files accepted, {self.records} records",
            f"{self.ordinary_accepted} of {self.ordinary} accepted that are no conformance resources",
            *(f"{count:5}  {reason}" for reason, count in self.refusals.most_common()),
            "scores: " + ", ".join(f"{ten}0s {count}" for ten, count in sorted(self.scores.items())),
        ]
        return "\n".join(lines)


class Towns:
    """Publishes in one town after the other: the chain in memory replays all of its events whenever it is asked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._published = 0
        self.town = new_world(folder / "0")

    def publish(self, source: Path | bytes, **more: Any) -> Published:
        if self._published % RECORDS == RECORDS - 1:
            self.town = new_world(self._folder / str(self._published))
        self._published += 1
        return self.town.publishing.publish(
            source, **more | {"custodian": self.town.hospital, "patient": self.town.patient.address}
        )


class Anybody:
    """Whoever is named, it is the patient of the test's."""

    def __init__(self, address: Address) -> None:
        self._address = address

    def of(self, _references: Sequence[str]) -> Address:
        return self._address

    def check_together(self, references: Sequence[str]) -> None:
        pass


@pytest.fixture(scope="module")
def package() -> Path:
    return require("fhir-examples")


def files_of(package: Path) -> list[Path]:
    return sorted(path for path in package.glob("*.json") if path.name != "package.json")


def through(towns: Towns, paths: Sequence[Path]) -> Tally:
    """Publish the files, fetch each record back, score it; return what became of them."""
    tally = Tally()
    for path in paths:
        document = path.read_bytes()
        resource = json.loads(document)
        wrong = [*published_back(towns, path, document, resource, tally)]
        tally.files += 1
        tally.accepted += not wrong
        is_ordinary = resource["resourceType"] not in CONFORMANCE
        tally.ordinary += is_ordinary
        tally.ordinary_accepted += is_ordinary and not wrong
        tally.refusals.update(re.sub(r"\[\d+\]", "[]", reason) for reason in wrong)
    return tally


def published_back(towns: Towns, path: Path, document: bytes, resource: dict, tally: Tally) -> Iterator[str]:
    """Publish a file and compare what comes back; yield why any of it was refused."""
    try:
        for arrived in Ingesting(publishing=towns).ingest(
            path, custodian=towns.town.hospital, patients=Anybody(towns.town.patient.address)
        ):
            if arrived.published is None:
                yield reason_of(str(arrived.refusal))
                continue
            tally.records += 1
            fetched = b"".join(towns.town.open(arrived.published, reader=towns.town.patient).stream())
            assert_same(fetched, arrived, document, resource)
            tally.scores[quality.score(fetched, "application/fhir+json").score // 10] += 1
    except InvalidInputError as error:
        yield reason_of(str(error))


def assert_same(fetched: bytes, arrived: Arrived, document: bytes, resource: dict) -> None:
    if not arrived.place:
        assert fetched == document
        return
    assert fetched in document
    assert json.loads(fetched) == resource["entry"][int(arrived.place.removeprefix("entry "))]["resource"]


def reason_of(message: str) -> str:
    return message.removeprefix("it does not conform to FHIR R4: ")


def test_examples__every_so_manieth__is_published_and_comes_back_as_it_was(package: Path, tmp_path: Path) -> None:
    paths = files_of(package)
    assert len(paths) == FILES
    small = [path for path in paths[::SAMPLE] if path.stat().st_size < 1 << 20]
    tally = through(Towns(tmp_path), small)
    print(tally.table())
    assert set(tally.refusals) <= set(REFUSALS)
    assert tally.accepted >= 0.98 * tally.files


@pytest.mark.examples
@pytest.mark.timeout(3600)
def test_examples__all_of_them__are_published_or_refused_for_a_stated_reason(package: Path, tmp_path: Path) -> None:
    tally = through(Towns(tmp_path), files_of(package))
    print(tally.table())
    assert tally.files == FILES
    assert tally.refusals == REFUSALS
    assert tally.ordinary_accepted >= 0.98 * tally.ordinary


def test_examples__with_one_patient_only__refuses_a_bundle_of_several(package: Path, tmp_path: Path) -> None:
    world = new_world(tmp_path)
    ingesting = Ingesting(publishing=world.publishing)
    path = package / "Bundle-b248b1b2-1686-4b94-9936-37d7a5f94b51.json"
    with pytest.raises(InvalidInputError, match="several patients"):
        list(ingesting.ingest(path, custodian=world.hospital, patients=OnePatient(world.patient.address)))
    assert world.store.pins() == set()
