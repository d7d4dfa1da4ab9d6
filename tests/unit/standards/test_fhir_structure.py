"""A resource is checked against HL7's own definitions of R4, element by element.

given a resource that is right
├─ each single thing that makes it wrong is found, with its place and its rule, and never with a value of the record
├─ what may be there is not found: extensions of primitives, nulls that keep a place, choices, contained resources
├─ units and codes that cannot be what they are said to be are warnings
└─ what is wrong everywhere is not said for ever
"""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from fhir_documents import OBSERVATION, PATIENT, bundle, observation

from medshare.model.finding import Severity
from medshare.standards import fhir
from medshare.standards.fhir import definitions, library
from medshare.standards.fhir.structure import MAX_FINDINGS, survey

pytestmark = pytest.mark.unit

SECRET = "Jane-Doe"


def errors(resource: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each.rule, each.place) for each in survey(resource).findings if each.severity is Severity.ERROR]


@pytest.mark.parametrize(
    ("changed", "rule", "place"),
    [
        ({"status": None}, "missing", "Observation.status"),
        ({"code": None}, "missing", "Observation.code"),
        ({"status": SECRET}, "required-binding", "Observation.status"),
        ({SECRET: 1}, "unknown-element", "Observation"),
        ({"_code": {"id": "x"}}, "unknown-element", "Observation"),
        ({"status": ["final"]}, "repetition", "Observation.status"),
        ({"category": {"text": "x"}}, "repetition", "Observation.category"),
        ({"_status": [{"id": "a"}]}, "repetition", "Observation.status"),
        ({"valueString": "x"}, "choice", "Observation.value[x]"),
        ({"issued": "2026-03-04"}, "form", "Observation.issued"),
        ({"effectiveDateTime": "2026-02-30"}, "date", "Observation.effectiveDateTime"),
        ({"effectiveDateTime": "2026-13"}, "form", "Observation.effectiveDateTime"),
        ({"effectiveDateTime": 2026}, "type", "Observation.effectiveDateTime"),
        ({"code": "2339-0"}, "type", "Observation.code"),
        ({"code": {}}, "empty", "Observation.code"),
        ({"category": []}, "empty", "Observation.category"),
        ({"id": " "}, "empty", "Observation.id"),
        ({"id": "a b"}, "form", "Observation.id"),
        ({"valueQuantity": {"value": "5.4"}}, "type", "Observation.valueQuantity.value"),
        ({"valueQuantity": {"value": True}}, "type", "Observation.valueQuantity.value"),
        ({"valueQuantity": {"comparator": "=="}}, "required-binding", "Observation.valueQuantity.comparator"),
        ({"note": [{"time": "2026"}]}, "missing", "Observation.note[0].text"),
        ({"component": [{"valueString": "x"}]}, "missing", "Observation.component[0].code"),
        ({"contained": [{"resourceType": SECRET}]}, "resource-type", "Observation.contained[0]"),
        ({"contained": ["x"]}, "resource-type", "Observation.contained[0]"),
        ({"_issued": "x"}, "type", "Observation.issued"),
        ({"subject": {"identifier": {"use": SECRET}}}, "required-binding", "Observation.subject.identifier.use"),
    ],
)
def test_survey__one_thing_wrong__finds_it_where_it_is(changed: dict[str, Any], rule: str, place: str) -> None:
    resource = observation(**changed)
    if "valueString" in changed:
        assert "valueQuantity" in resource
    assert errors(resource) == [(rule, place)]
    assert all(SECRET not in each.explain() for each in survey(resource).findings)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"_status": {"extension": [{"url": "http://example.org/why", "valueString": "x"}]}},
        {"valueQuantity": None, "valueCodeableConcept": {"text": "negative"}},
        {"contained": [{**PATIENT, "name": [{"given": [None, "Eve"], "_given": [{"id": "a"}, None]}]}]},
        {"effectiveDateTime": "2024-02-29"},
        {"effectiveDateTime": "2026"},
        {"extension": [{"url": "http://example.org/x", "valueString": "x", "_valueString": {"id": "a"}}]},
    ],
    ids=str,
)
def test_survey__what_r4_allows__is_not_found(changed: dict[str, Any]) -> None:
    assert survey(observation(**changed)).findings == []
    assert fhir.check(observation(**changed)) == ()


@pytest.mark.parametrize("kind", ["NutritionIntake", "Ingredient", "DeviceComponent", "Resource", "DomainResource", ""])
def test_survey__resource_of_another_version__is_refused(kind: str) -> None:
    # NutritionIntake is R5's, Ingredient R4B's, DeviceComponent STU3's, and the others are nobody's.
    assert errors({"resourceType": kind, "status": "final"}) == [("resource-type", "")]


def test_survey__element_of_another_version__is_refused() -> None:
    # R5 has made a list of one reason that R4 has in two elements.
    assert errors(observation(triggeredBy=[{"type": "reflex"}])) == [("unknown-element", "Observation")]


def test_survey__concept_with_a_required_binding__needs_one_code_of_it() -> None:
    condition = {
        "resourceType": "Condition",
        "subject": {"reference": "Patient/one"},
        "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical"}]},
    }
    assert errors(condition) == [("required-binding", "Condition.clinicalStatus")]
    condition["clinicalStatus"]["coding"][0]["code"] = "active"
    assert errors(condition) == []
    condition["clinicalStatus"]["coding"][0]["system"] = "http://example.org"
    assert errors(condition) == [("required-binding", "Condition.clinicalStatus")]
    condition["clinicalStatus"] = {"text": "active"}
    assert errors(condition) == [("required-binding", "Condition.clinicalStatus")]


@pytest.mark.parametrize(
    ("kind", "number", "is_right"),
    [
        ("positiveInt", 0, False),
        ("positiveInt", 1, True),
        ("unsignedInt", -1, False),
        ("unsignedInt", 0, True),
        ("integer", (1 << 31) - 1, True),
        ("integer", 1 << 31, False),
        ("integer", -(1 << 31), True),
        ("integer", -(1 << 31) - 1, False),
    ],
)
def test_survey__whole_number__is_within_its_kind(kind: str, number: int, is_right: bool) -> None:
    name = f"value{kind[0].upper()}{kind[1:]}"
    resource = observation(extension=[{"url": "http://example.org/x", name: number}])
    assert (errors(resource) == []) is is_right


def test_survey__units_and_codes__are_counted_and_doubts_are_warnings() -> None:
    seen = survey(observation())
    assert (seen.concepts, seen.coded, seen.quantities, seen.in_units, seen.wrong) == (1, 1, 1, 1, 0)
    resource = observation(
        code={"coding": [{"system": "http://loinc.org", "code": "2339-1"}]},
        valueQuantity={"value": 5.4, "system": "http://unitsofmeasure.org", "code": "mmHg"},
    )
    seen = survey(resource)
    assert (seen.coded, seen.in_units) == (0, 0)
    assert [(each.severity, each.rule, each.place) for each in seen.findings] == [
        (Severity.WARNING, "code-form", "Observation.code.coding[0].code"),
        (Severity.WARNING, "unit", "Observation.valueQuantity.code"),
    ]


def test_survey__wrong_everywhere__stops_telling() -> None:
    seen = survey(bundle("collection", *({"resourceType": "Observation"} for _ in range(500))))
    assert len(seen.findings) == MAX_FINDINGS
    assert seen.wrong > 1_000


def test_library__where_r4b_is_another__does_not_judge() -> None:
    evidence = {
        "resourceType": "Evidence",
        "status": "draft",
        "exposureBackground": {"reference": "EvidenceVariable/1"},
    }
    product = {"resourceType": "MedicinalProduct", "name": [{"productName": "x"}]}
    assert fhir.check(evidence) == fhir.check(product) == ()


def test_library__refuses_what_the_definitions_do_not__is_told_without_values(monkeypatch: pytest.MonkeyPatch) -> None:
    from fhir.resources.R4B.observation import Observation
    from pydantic import ValidationError

    def refuse(_resource: object) -> None:
        raise ValidationError.from_exception_data(
            "Observation",
            [{"type": "string_too_short", "loc": ("status", 0), "input": SECRET, "ctx": {"min_length": 9}}],
        )

    monkeypatch.setattr(Observation, "model_validate", refuse)
    (found,) = fhir.check(OBSERVATION)
    assert (found.rule, found.place) == ("library", "Observation.status[0]")
    assert SECRET not in found.explain()


def test_definitions__of_every_type__are_whole() -> None:
    table = definitions._table()
    for kind, defined in table["types"].items():
        for element in definitions.elements(kind).values():
            assert definitions.is_primitive(element.kind) or element.kind in table["types"], (kind, element)
            if element.value_set:
                assert definitions.all_codes(element.value_set)
        assert json.dumps(defined)
    assert sum(1 for kind in table["types"] if definitions.is_resource(kind)) == 146


def test_check__without_the_library__is_by_the_definitions_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "is_there", lambda: False)
    monkeypatch.setitem(sys.modules, "fhir.resources.R4B", None)
    assert fhir.check(OBSERVATION) == ()
    assert [(each.rule, each.place) for each in fhir.check(observation(code=None))] == [("missing", "Observation.code")]


def test_survey__several_missing__are_told_in_the_same_order_each_time() -> None:
    wrong = errors({"resourceType": "ImplementationGuide", "id": "x"})
    assert [place.rpartition(".")[2] for _, place in wrong] == ["fhirVersion", "name", "packageId", "status", "url"]
