"""Which Bundles are taken apart, what each entry's bytes are, and what they refer to.

given a Bundle
├─ a document and a message are one record; any other is taken apart into the slices of its own bytes
├─ a slice is the resource as it was written: white space, escapes, order of names
├─ a reference to something that must be within, and is not, is an error; elsewhere nothing is looked up
├─ a full URL that two entries have is an error, unless they are two versions
└─ each patient has one reference, by whatever URL entries speak of him
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from fhir_documents import OBSERVATION, PATIENT, bundle, encoded, observation
from hypothesis import given
from hypothesis import strategies as st

from medshare.errors import NonConformantError
from medshare.standards import fhir
from medshare.standards.ingest import Part, parts

pytestmark = pytest.mark.unit

URN = "urn:uuid:04121321-4af5-424c-a0e1-ed3aab1c349d"


def taken_apart(resource: object) -> list[Part]:
    return list(parts(encoded(resource), fhir.MEDIA_TYPE))


def rules(part: Part) -> list[str]:
    assert part.examined is not None
    return [finding.rule for finding in part.examined.errors]


@pytest.mark.parametrize("kind", ["document", "message"])
def test_parts__composed_as_a_whole__is_one_record(kind: str) -> None:
    document = encoded(bundle(kind, OBSERVATION, PATIENT))
    (part,) = parts(document, fhir.MEDIA_TYPE)
    assert (part.place, part.document) == ("", document)


@pytest.mark.parametrize(
    "kind",
    ["collection", "searchset", "history", "batch", "transaction", "batch-response", "transaction-response"],
)
def test_parts__only_carried__is_a_record_for_each_entry(kind: str) -> None:
    resource = bundle(kind, OBSERVATION, PATIENT)
    resource["entry"].insert(1, {"request": {"method": "DELETE", "url": "Observation/2"}})
    found = taken_apart(resource)
    assert [part.place for part in found] == ["entry 0", "entry 2"]
    assert [json.loads(part.document) for part in found] == [OBSERVATION, PATIENT]
    assert [rules(part) for part in found] == [[], []]


def test_parts__of_a_bundle_written_strangely__are_the_bytes_as_they_were() -> None:
    first = b'{ "resourceType" : "Basic",\n"code":{"text":"a \\" } ] , entry"}, "id":"\\u0031" }'
    second = b'{"code":{"text":"x"},"extension":[{"url":"a","valueString":"[{"}],"resourceType":"Basic"}'
    document = (
        b'\xef\xbb\xbf{"id":"x","\\u0065ntry":[ {"search":{"score":1},"resource":' + first + b"} ,\n"
        b'{"\\u0072esource":' + second + b',"fullUrl":"http://example.org/Basic/2"}],"type":"collection",'
        b'"resourceType":"Bundle"}'
    )
    found = list(parts(document, fhir.MEDIA_TYPE))
    assert [part.document for part in found] == [first, second]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.lists(st.dictionaries(st.sampled_from(["resource", "entry", "a"]), json_values, max_size=3), max_size=4),
    st.sampled_from([None, 1]),
)
def test_entries__of_whatever_json__are_its_resources(entries: list[dict[str, Any]], indent: int | None) -> None:
    document = json.dumps({"a": {"entry": [{"resource": {}}]}, "entry": entries}, indent=indent).encode()
    found = {each.number: json.loads(document[each.start : each.end]) for each in fhir.entries(document)}
    wanted = {
        number: entry["resource"] for number, entry in enumerate(entries) if isinstance(entry.get("resource"), dict)
    }
    assert found == wanted


def test_parts__entry_that_does_not_conform__is_told_and_the_others_are_not() -> None:
    first, second = taken_apart(bundle("collection", observation(status="x"), PATIENT))
    assert (rules(first), rules(second)) == (["required-binding"], [])


@pytest.mark.parametrize("changed", [{"type": None}, {"type": "letter"}, {"total": -1}, {"entry": {}}])
def test_parts__bundle_itself_is_wrong__none_of_it_is_a_record(changed: dict[str, Any]) -> None:
    resource = {
        name: value for name, value in {**bundle("collection", PATIENT), **changed}.items() if value is not None
    }
    with pytest.raises(NonConformantError):
        taken_apart(resource)


def test_parts__reference_to_an_entry_that_is_not_there__is_an_error() -> None:
    there = bundle("collection", PATIENT, observation(subject={"reference": URN}))
    assert [rules(part) for part in taken_apart(there)] == [[], ["reference"]]
    there["entry"][0]["fullUrl"] = URN
    assert [rules(part) for part in taken_apart(there)] == [[], []]


def test_check__reference_to_what_is_not_contained__is_an_error() -> None:
    lost = observation(subject={"reference": "#one"})
    assert [(each.rule, each.place) for each in fhir.check(lost)] == [("reference", "Observation.subject.reference")]
    assert fhir.check({**lost, "contained": [PATIENT]}) == ()
    assert fhir.check(observation(subject={"reference": "Patient/elsewhere"})) == ()


def test_parts__one_full_url_twice__is_an_error_unless_it_is_another_version() -> None:
    twice = bundle("collection", PATIENT, {**PATIENT, "gender": "male"})
    with pytest.raises(NonConformantError) as refused:
        taken_apart(twice)
    assert [(each.rule, each.place) for each in refused.value.findings] == [("full-url", "Bundle.entry[1].fullUrl")]
    for number, entry in enumerate(twice["entry"]):
        entry["resource"] = {**entry["resource"], "meta": {"versionId": str(number)}}
    assert [rules(part) for part in taken_apart(twice)] == [[], []]
    history = bundle("history", PATIENT, {**PATIENT, "gender": "male"})
    assert [rules(part) for part in taken_apart(history)] == [[], []]


def test_parts__by_whatever_url__a_patient_has_one_reference() -> None:
    resource = bundle(
        "collection",
        PATIENT,
        observation(subject={"reference": "http://example.org/Patient/one"}),
        observation(subject={"reference": "Patient/one/_history/2"}, id="b"),
        observation(subject={"reference": "Group/7"}, id="c"),
    )
    assert [part.examined.patients for part in taken_apart(resource) if part.examined] == [
        ("Patient/one",),
        ("Patient/one",),
        ("Patient/one",),
        (),
    ]


@pytest.mark.parametrize(
    ("subject", "patients"),
    [
        ({"reference": "Patient/7"}, ("Patient/7",)),
        ({"reference": "http://example.org/fhir/Patient/7"}, ("http://example.org/fhir/Patient/7",)),
        ({"reference": URN, "type": "Patient"}, (URN,)),
        ({"identifier": {"system": "urn:x", "value": "7"}}, ("urn:x|7",)),
        ({"identifier": {"value": "7"}, "type": "Group"}, ()),
        ({"reference": "Device/7"}, ()),
        ({"display": "Eve"}, ()),
        ("Patient/7", ()),
    ],
)
def test_describe__subject__is_the_patient_where_it_names_one(subject: object, patients: tuple[str, ...]) -> None:
    assert fhir.describe(observation(subject=subject)).patients == patients


def test_parts__document_of_two_patients__is_refused() -> None:
    other = observation(subject={"reference": "Patient/two"})
    (part,) = taken_apart(bundle("document", PATIENT, other))
    assert "patients" in rules(part)


def test_describe__security_labels__are_those_of_all_that_is_in_it() -> None:
    def labelled(code: object) -> dict[str, Any]:
        return {"meta": {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": code}]}}

    contained = observation(**labelled("PSY"), contained=[{**PATIENT, **labelled("HIV")}])
    assert fhir.describe(contained).labels == ("HIV", "PSY")
    carried = bundle("collection", PATIENT, observation(**labelled("SEX")), **labelled("R"))
    assert [part.examined.labels for part in taken_apart(carried) if part.examined] == [("R",), ("R", "SEX")]
    # What cannot be a label of ours is not lost: it counts as restricted.
    assert fhir.describe(observation(**labelled("a b"))).labels == ("R",)
    assert fhir.describe(observation(meta={"security": ["x"]})).labels == ("R",)
