"""The quality of a record is a number that anybody computes from its bytes, and that explains itself.

given a record
├─ each part counts what docs/quality.md says, and a part of which there is nothing does not count
├─ what makes a record worse makes its score lower
├─ the same bytes have the same score, and the method has a digest that changes with it
├─ each number that is published stands for one digest, in code and in docs/quality.md; assessors' own begin above
└─ of bytes without a method there is no score
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from fhir_documents import OBSERVATION, PATIENT, bundle, encoded, observation

from medshare.errors import ConfigurationError, InvalidInputError
from medshare.model.attestation import FIRST_OWN_METHOD, MAX_METHOD
from medshare.standards import dicom, fhir, hl7v2, quality
from medshare.standards.hl7v2 import library
from medshare.standards.quality import METHODS, VERSION, WEIGHTS, Aspect, Quality, method_digest, score

pytestmark = pytest.mark.unit

MESSAGE = (
    b"MSH|^~\\&|LAB|CLINIC|EHR|CLINIC|20260304120000||ORU^R01^ORU_R01|17|P|2.5\r"
    b"PID|1||7^^^HOSPITAL||Doe^Jane||19800101|F\r"
    b"OBR|1||9|2339-0^Glucose^LN|||20260304100000|||||||||Dr^Who||||||20260304110000|||F\r"
    b"OBX|1|NM|2339-0^Glucose^LN||5.4|mmol/L^^UCUM|||||F\r"
)


def parts_of(found: Quality) -> dict[str, int | None]:
    return {part.aspect.value: part.score for part in found.parts}


def of(resource: object) -> Quality:
    return score(encoded(resource), fhir.MEDIA_TYPE)


def test_score__of_an_observation__counts_what_is_said_of_it() -> None:
    found = of(OBSERVATION)
    assert {part.aspect.value: (part.met, part.of) for part in found.parts} == {
        "conformance": (14, 14),
        "coded-terms": (1, 1),
        "units": (1, 1),
        "completeness": (5, 9),
        "timeliness": (100, 100),
    }
    assert found.score == round(40 + 20 + 15 + 15 * 5 / 9 + 10)
    assert sum(WEIGHTS.values()) == 100
    assert {part.aspect for part in found.parts} == set(Aspect)


@pytest.mark.parametrize(
    ("changed", "aspect", "worth"),
    [
        ({"status": "x"}, "conformance", 93),
        ({"code": {"text": "glucose"}}, "coded-terms", 0),
        ({"code": {"coding": [{"system": "http://loinc.org", "code": "2339-1"}]}}, "coded-terms", 0),
        ({"valueQuantity": {"value": 5.4, "unit": "mmol/L"}}, "units", 0),
        ({"valueQuantity": None}, "units", None),
        ({"subject": None}, "completeness", 44),
        ({"performer": [{"display": "Dr Who"}]}, "completeness", 67),
        ({"issued": "2026-03-05T23:00:00Z"}, "timeliness", 100),
        ({"issued": "2026-03-06T00:00:00Z"}, "timeliness", 90),
        ({"issued": "2026-03-11T00:00:00Z"}, "timeliness", 90),
        ({"issued": "2026-03-12T00:00:00Z"}, "timeliness", 75),
        ({"issued": "2026-04-04T00:00:00Z"}, "timeliness", 50),
        ({"issued": "2027-03-05T00:00:00Z"}, "timeliness", 25),
        ({"issued": "2025-01-01T00:00:00Z"}, "timeliness", 100),
        ({"issued": None}, "timeliness", 50),
        ({"issued": None, "meta": {"lastUpdated": "2026-03-06T00:00:00Z"}}, "timeliness", 90),
        ({"effectiveDateTime": "2026-03"}, "timeliness", 100),
        ({"effectiveDateTime": None, "issued": None}, "timeliness", 0),
        ({"effectiveDateTime": "2026-02-30"}, "timeliness", 0),
    ],
)
def test_score__one_thing_changed__changes_its_part(changed: dict[str, Any], aspect: str, worth: int | None) -> None:
    assert parts_of(of(observation(**changed)))[aspect] == worth


def test_score__of_a_patient__leaves_out_what_does_not_apply() -> None:
    assert parts_of(of(PATIENT)) == {
        "conformance": 100,
        "coded-terms": None,
        "units": None,
        "completeness": 0,
        "timeliness": None,
    }
    assert of(PATIENT).score == round(100 * 40 / 55)


def test_score__of_a_document__counts_what_is_in_it() -> None:
    found = of(bundle("document", observation(code={"text": "x"}), OBSERVATION))
    assert [(part.met, part.of) for part in found.parts if part.aspect is Aspect.CODED] == [(1, 2)]


def test_score__lost_reference__is_an_error() -> None:
    assert parts_of(of(observation(subject={"reference": "#lost"})))["conformance"] == 93


def test_score__of_a_message__is_made_of_the_same_parts() -> None:
    found = score(MESSAGE, hl7v2.MEDIA_TYPE)
    assert parts_of(found) == {
        "conformance": 100,
        "coded-terms": 100,
        "units": 100,
        "completeness": 100,
        "timeliness": 100,
    }
    worse = MESSAGE.replace(b"mmol/L", b"mmHg").replace(b"Dr^Who", b"").replace(b"20260304110000", b"")
    assert parts_of(score(worse, hl7v2.MEDIA_TYPE)) == {
        "conformance": 100,
        "coded-terms": 100,
        "units": 0,
        "completeness": 75,
        "timeliness": 100,
    }


def test_score__of_an_image__is_made_of_the_same_parts() -> None:
    from pydicom.data import get_testdata_file

    path = get_testdata_file("liver_1frame.dcm", download=False)
    assert isinstance(path, str)
    worth = parts_of(score(Path(path).read_bytes(), dicom.MEDIA_TYPE))
    assert (worth["conformance"], worth["coded-terms"], worth["units"]) == (100, 100, None)


def test_score__again__is_the_same_and_names_its_method() -> None:
    assert of(OBSERVATION) == of(json.loads(encoded(OBSERVATION)))
    assert of(OBSERVATION).method == method_digest()
    assert len(method_digest()) == 32


def test_methods__published__each_has_its_digest_in_code_and_page() -> None:
    """A change of what is counted gets a new number: the digest of one that is published never changes."""
    assert METHODS[VERSION] == method_digest()
    assert set(METHODS) == set(range(1, VERSION + 1))
    assert max(METHODS) < FIRST_OWN_METHOD
    page = (Path(__file__).parents[3] / "docs" / "quality.md").read_text()
    told = re.findall(r"^\| (\d+) \| .* \| `([0-9a-f]{64})` \|$", page, re.MULTILINE)
    assert {int(number): bytes.fromhex(digest) for number, digest in told} == METHODS
    assert f"| {VERSION + 1} to {FIRST_OWN_METHOD - 1} |" in page
    assert f"| {FIRST_OWN_METHOD} to {MAX_METHOD} |" in page


@pytest.mark.parametrize("changed", [("VERSION", 2), ("_LATE", 24), ("WEIGHTS", {Aspect.UNITS: 100})], ids=str)
def test_method_digest__of_another_method__is_another(
    monkeypatch: pytest.MonkeyPatch, changed: tuple[str, object]
) -> None:
    before = method_digest.__wrapped__()
    monkeypatch.setattr(quality, *changed)
    assert method_digest.__wrapped__() != before


@pytest.mark.parametrize("media_type", ["application/pdf", "application/fhir+ndjson", ""])
def test_score__of_bytes_without_a_method__is_refused(media_type: str) -> None:
    with pytest.raises(InvalidInputError, match="no score of such records"):
        score(encoded(OBSERVATION), media_type)


def test_score__without_the_library__is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "is_there", lambda: False)
    with pytest.raises(ConfigurationError) as refused:
        score(MESSAGE, hl7v2.MEDIA_TYPE)
    assert "medshare[hl7]" in refused.value.hint
