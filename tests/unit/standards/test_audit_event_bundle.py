"""AuditEvents: FHIR R4 that others can read, after IHE's patterns, and nothing in it that the chain could not confirm.

given a patient of whom the chain tells records, grants, a delegate, an emergency and a study
├─ the Bundle is one for fhir.resources: each event once, in order
├─ what discloses says source, recipient, who authorised, the patient, and why, as PrivacyDisclosure.Source asks
├─ breaking the glass and ending it are DICOM's Emergency Override
├─ names, and what else the chain does not know, are not in it
├─ unchanged it has no discrepancy, whoever wrote its JSON anew
├─ one entry left out, added, doubled or put in another's place is named
├─ one character edited, anywhere, is found and named; so is a type, such as 1 for true
└─ what is no Bundle, or says nothing of what it covers, is refused
"""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from accounts import Told, everything_told
from fhir.resources.R4B.bundle import Bundle

from medshare.errors import InvalidInputError
from medshare.model.disclosure import Manner
from medshare.standards.audit_event import bundle, decode, discrepancies, encode, scope_of
from medshare.standards.comparing import Finding

pytestmark = [pytest.mark.unit, pytest.mark.timeout(120)]

DCM = "http://dicom.nema.org/resources/ontology/DCM"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    return everything_told(tmp_path_factory.mktemp("told"))


@pytest.fixture
def exported(told: Told) -> dict[str, Any]:
    return bundle(told.accounting)


def resources(exported: dict[str, Any]) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in exported["entry"]]


def kind_of(resource: dict[str, Any]) -> str:
    (kind,) = (each["code"] for each in resource["subtype"] if each["system"].endswith(":event"))
    return str(kind)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(each, (*path, key))
    else:
        yield path


def at_place(document: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        document = document[step]
    return document


def edited(document: dict[str, Any], path: tuple[Any, ...], change) -> dict[str, Any]:
    other = copy.deepcopy(document)
    place = at_place(other, path[:-1])
    place[path[-1]] = change(place[path[-1]])
    return other


# ---------------------------------------------------------------------------------------------- what it says


def test_bundle__of_everything__is_fhir_for_another_library(told: Told) -> None:
    judged = Bundle.model_validate_json(encode(bundle(told.accounting)))
    assert judged.type == "collection"
    assert len(judged.entry) == len(told.accounting.events)
    for entry, event in zip(judged.entry, told.accounting.events, strict=True):
        assert entry.fullUrl == f"urn:uuid:{entry.resource.id}"
        assert entry.resource.recorded.timestamp() == event.place.block.time
        assert entry.resource.outcome == "0"
        assert entry.resource.agent
    assert len({entry.resource.id for entry in judged.entry}) == len(judged.entry)


def test_bundle__of_everything__has_each_event_by_its_kind(told: Told, exported: dict[str, Any]) -> None:
    kinds = Counter(kind_of(each) for each in resources(exported))
    assert kinds == Counter(event.kind for event in told.accounting.events)
    assert {"RecordRegistered", "AccessGranted", "AccessRevoked", "DelegateAppointed", "GlassBroken"} <= set(kinds)
    assert {"KeysReleased", "EpisodeEnded", "EpisodeReviewed", "AccessDelivered", "RewardPaid"} <= set(kinds)


def test_disclosures__each__says_what_the_profile_asks(told: Told, exported: dict[str, Any]) -> None:
    disclosing = [each for each in resources(exported) if "meta" in each]
    made = [each for each in told.accounting.disclosures if each.manner is not Manner.EMERGENCY]
    assert len(disclosing) == len(made) >= 4
    for resource in disclosing:
        assert resource["meta"]["profile"][0].endswith("/IHE.BasicAudit.PrivacyDisclosure.Source")
        assert (resource["type"]["system"], resource["type"]["code"], resource["action"]) == (DCM, "110106", "R")
        assert "disclose" in {each["code"] for each in resource["subtype"]}
        (source,) = agents(resource, "110153")
        (recipient,) = agents(resource, "110152")
        assert source["who"] == resource["source"]["observer"]
        assert all(each["network"]["address"] == each["who"]["identifier"]["value"] for each in (source, recipient))
        assert all(each["network"]["type"] == "5" for each in (source, recipient))
        assert sum(each["requestor"] for each in resource["agent"]) == 1
        patient, *others = resource["entity"]
        assert (patient["type"]["code"], patient["role"]["code"], patient["what"]["type"]) == ("1", "1", "Patient")
        assert others
        assert resource["purposeOfEvent"]


def agents(resource: dict[str, Any], code: str) -> list[dict[str, Any]]:
    return [each for each in resource["agent"] if each.get("type", {}).get("coding", [{}])[0].get("code") == code]


def test_disclosures__by_whose_word__is_the_authorizer(told: Told, exported: dict[str, Any]) -> None:
    granted = [each for each in resources(exported) if kind_of(each) == "AccessGranted"]
    words = {agents(each, "429577009")[0]["who"]["identifier"]["value"] for each in granted}
    assert words == {f"did:pkh:eip155:1337:{each}" for each in (told.patient, told.delegate)}
    (released,) = [each for each in resources(exported) if kind_of(each) == "KeysReleased"]
    assert agents(released, "429577009") == []
    assert len(agents(released, "159541003")) == 1
    assert released["purposeOfEvent"][0]["coding"][0]["code"] == "BTG"


@pytest.mark.parametrize(("kind", "code"), [("GlassBroken", "110127"), ("EpisodeEnded", "110138")])
def test_emergency__broken_and_ended__is_dicoms_override(exported: dict[str, Any], kind: str, code: str) -> None:
    (resource,) = [each for each in resources(exported) if kind_of(each) == kind]
    assert (resource["type"]["code"], resource["subtype"][0]["code"]) == ("110113", code)


def test_bundle__whatever_it_holds__names_nobody(told: Told) -> None:
    text = encode(bundle(told.accounting)).decode()
    assert "CANARY" not in text
    assert "display" not in {key for each in json.loads(text)["entry"] for key in each["resource"]["entity"][0]["what"]}


def test_bundle__of_nobody__has_no_entry_and_is_fhir(told: Told) -> None:
    empty = bundle(told.nobody)
    assert "entry" not in empty
    Bundle.model_validate(empty)
    assert discrepancies(decode(encode(empty)), told.nobody) == ()


# ---------------------------------------------------------------------------------------------- comparing


def test_discrepancies__what_was_exported__finds_nothing(told: Told, exported: dict[str, Any]) -> None:
    assert scope_of(exported) == told.accounting.scope
    assert discrepancies(decode(encode(exported)), told.accounting) == ()
    compact = json.dumps(exported, separators=(",", ":"), sort_keys=True).encode()
    assert discrepancies(decode(compact), told.accounting) == ()


def test_discrepancies__any_one_left_out__is_named(told: Told, exported: dict[str, Any]) -> None:
    for number, event in enumerate(told.accounting.events):
        entries = exported["entry"]
        (found,) = discrepancies({**exported, "entry": [*entries[:number], *entries[number + 1 :]]}, told.accounting)
        assert (found.finding, found.entry) == (Finding.OMITTED, entries[number]["resource"]["id"])
        assert event.kind in found.about
        assert event.place.tx_hash.hex() in found.about


def test_discrepancies__one_added_or_doubled__is_named(told: Told, exported: dict[str, Any]) -> None:
    invented = edited(exported["entry"][0], ("resource", "id"), lambda _: "ab" * 16)
    (added,) = discrepancies({**exported, "entry": [*exported["entry"], invented]}, told.accounting)
    assert (added.finding, added.entry, added.about) == (Finding.ADDED, "ab" * 16, "nothing that the chain tells")
    (doubled,) = discrepancies({**exported, "entry": [*exported["entry"], exported["entry"][0]]}, told.accounting)
    assert (doubled.finding, doubled.entry) == (Finding.ADDED, exported["entry"][0]["resource"]["id"])


def places(exported: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return a leaf of each kind that there is: of each kind of event, each field."""
    found: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for path in leaves(exported):
        kind = kind_of(exported["entry"][path[1]]["resource"]) if path[0] == "entry" else ""
        found.setdefault((kind, *path[2:]), path)
    return list(found.values())


def test_discrepancies__one_character_edited_anywhere__is_found(told: Told) -> None:
    exported = bundle(told.accounting)
    every = places(exported)
    assert len(every) > 300
    for number, path in enumerate(every):

        def change(value: Any, number: int = number) -> Any:
            if not isinstance(value, str):
                return not value
            at = number % len(value)
            return value[:at] + ("x" if value[at] != "x" else "y") + value[at + 1 :]

        document = edited(exported, path, change)
        if path == ("resourceType",):
            with pytest.raises(InvalidInputError):
                decode(encode(document))
            continue
        found = discrepancies(document, told.accounting)
        if path[0] == "entry" and path[-2:] != ("resource", "id"):
            (only,) = found
            assert (only.finding, only.entry) == (Finding.EDITED, exported["entry"][path[1]]["resource"]["id"])
            assert len(only.fields) == 1
        assert found


@pytest.mark.parametrize("value", [1, "true", 1.0, None, [True], {}])
def test_discrepancies__another_type_that_python_finds_equal__is_found(told: Told, value: object) -> None:
    exported = bundle(told.accounting)
    path = next(each for each in leaves(exported) if each[-1] == "requestor" and at_place(exported, each) is True)
    assert discrepancies(edited(exported, path, lambda _: value), told.accounting)


@pytest.mark.parametrize("entry", [None, 7, "x", [], {}, {"resource": None}, {"resource": {"id": 7}}])
def test_discrepancies__an_entry_that_is_none__is_added(told: Told, exported: dict[str, Any], entry: object) -> None:
    (found,) = discrepancies({**exported, "entry": [*exported["entry"], entry]}, told.accounting)
    assert found.finding is Finding.ADDED


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{}",
        b'{"resourceType":"AuditEvent"}',
        b'{"resourceType":"Bundle","entry":7}',
        b'{"resourceType":"Bundle","resourceType":"Bundle"}',
        b'{"resourceType":"Bundle","a":' + b"[" * 100 + b"]" * 100 + b"}",
    ],
)
def test_decode__no_bundle__is_refused(document: bytes) -> None:
    with pytest.raises(InvalidInputError):
        decode(document)


@pytest.mark.parametrize("identifier", [None, {}, {"value": 7}, {"value": "eip155:1"}, "eip155:1", []])
def test_scope__of_a_bundle_that_says_none__is_refused(exported: dict[str, Any], identifier: object) -> None:
    with pytest.raises(InvalidInputError):
        scope_of({**exported, "identifier": identifier})


def test_files__of_many_events__are_read_back(told: Told, tmp_path: Path) -> None:
    path = tmp_path / "bundle.json"
    path.write_bytes(encode(bundle(told.accounting)))
    assert discrepancies(decode(path.read_bytes()), told.accounting) == ()
