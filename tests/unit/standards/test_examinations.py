"""Which examinations a record tells: code, day, whether finished, whether it has a result; and what counts as the same.

given a FHIR resource
├─ an observation is one, and each of its components; its status, its value or its absence, its own time
├─ a report, a study of images and a procedure are; a report's result is what it concludes or what it refers to
└─ what is contained or carried is told too; what is referred to and not there cannot be said
given an HL7 v2 message of results
└─ each observation is one, by its own status and time or its order's; each order is one, put together of them
given a DICOM object
└─ it is one, by the code of the procedure that was performed
given codes that a user groups
└─ one counts as those in its groups, and as no others; what is no code, or no such file, is refused
"""

from __future__ import annotations

from io import BytesIO

import pytest
from fhir_documents import bundle, encoded, observation
from pydicom import examples
from pydicom.dataset import Dataset
from test_hl7v2_messages import HEAD, ORDER, PATIENT, VALUE, message

from medshare.errors import ConfigurationError, InvalidInputError
from medshare.standards import dicom, fhir, hl7v2
from medshare.standards.codes import LOINC, SNOMED
from medshare.standards.examinations import MAX_EQUIVALENCE_SIZE, Code, Equivalence, Examination, examinations

pytestmark = pytest.mark.unit

GLUCOSE = Code(system=LOINC, code="2339-0")
SYSTOLIC, DIASTOLIC = Code(system=LOINC, code="8480-6"), Code(system=LOINC, code="8462-4")


def concept(*several: Code) -> dict[str, object]:
    return {"coding": [{"system": each.system, "code": each.code} for each in several]}


def told(resource: object) -> tuple[Examination, ...]:
    return examinations(encoded(resource), fhir.MEDIA_TYPE)


def by_code(found: tuple[Examination, ...]) -> dict[Code, Examination]:
    return {code: each for each in found for code in each.codes}


# ------------------------------------------------------------------------------------------------- FHIR


def test_examinations__observation__is_one() -> None:
    assert told(observation()) == (
        Examination(codes=frozenset({GLUCOSE}), when="2026-03-04", final=True, has_result=True),
    )


@pytest.mark.parametrize(
    ("status", "final"),
    [
        ("final", True),
        ("amended", True),
        ("corrected", True),
        ("preliminary", False),
        ("registered", False),
        ("cancelled", False),
        ("entered-in-error", False),
        ("unknown", False),
        (None, False),
        (7, False),
    ],
)
def test_examinations__observation__is_final_by_its_status(status: object, final: bool) -> None:
    (found,) = told(observation(status=status))
    assert found.final is final


@pytest.mark.parametrize(
    ("changed", "has_result"),
    [
        ({"valueQuantity": None, "dataAbsentReason": {"text": "lost"}}, False),
        ({"valueQuantity": None}, False),
        ({"valueQuantity": {}}, False),
        ({"valueQuantity": None, "valueString": ""}, False),
        ({"valueQuantity": None, "valueBoolean": False}, True),
        ({"valueQuantity": None, "valueInteger": 0}, True),
        ({"valueQuantity": None, "hasMember": [{"reference": "Observation/elsewhere"}]}, None),
    ],
)
def test_examinations__observation__has_a_result_where_it_has_a_value(changed, has_result: bool | None) -> None:
    (found,) = told(observation(**changed))
    assert found.has_result is has_result


@pytest.mark.parametrize(
    ("when", "day"),
    [
        ({"effectiveDateTime": "2026-03"}, "2026-03"),
        ({"effectiveDateTime": None, "effectiveInstant": "2026-03-05T10:00:00Z"}, "2026-03-05"),
        ({"effectiveDateTime": None, "effectivePeriod": {"start": "2026-03-01", "end": "2026-03-02"}}, "2026-03-01"),
        ({"effectiveDateTime": None}, None),
        ({"effectiveDateTime": "2026-02-30"}, None),
    ],
)
def test_examinations__observation__is_as_old_as_it_says_and_not_as_its_writing(when, day: str | None) -> None:
    (found,) = told(observation(**when))
    assert found.when == day


def test_examinations__components__are_each_one_with_a_value_of_its_own() -> None:
    panel = Code(system=LOINC, code="85354-9")
    parts = [
        {"code": concept(SYSTOLIC), "valueQuantity": {"value": 120}},
        {"code": concept(DIASTOLIC), "dataAbsentReason": {"text": "the cuff slipped"}},
    ]
    found = by_code(told(observation(code=concept(panel), valueQuantity=None, component=parts)))
    assert {code: each.has_result for code, each in found.items()} == {panel: True, SYSTOLIC: True, DIASTOLIC: False}
    assert [each.composed for each in found.values()] == [True, False, False]


def test_examinations__code_in_several_systems__is_known_by_each() -> None:
    codings = [
        {"system": "urn:oid:2.16.840.1.113883.6.1", "code": "2339-0"},
        {"system": SNOMED, "code": "38082009"},
        {"code": "no system"},
        {"system": LOINC},
    ]
    (found,) = told(observation(code={"coding": codings}))
    assert found.codes == {GLUCOSE, Code(system=SNOMED, code="38082009")}


@pytest.mark.parametrize("code", [None, "2339-0", [], {"text": "glucose"}, {"coding": ["x"]}, {"coding": {}}])
def test_examinations__code_that_is_none__is_one_without_codes(code: object) -> None:
    (found,) = told(observation(code=code))
    assert found.codes == frozenset()


REPORT = {
    "resourceType": "DiagnosticReport",
    "status": "final",
    "code": concept(Code(system=LOINC, code="58410-2")),
    "effectiveDateTime": "2026-03-04",
}


@pytest.mark.parametrize(
    ("more", "has_result"),
    [
        ({"conclusion": "well"}, True),
        ({"presentedForm": [{"data": "eA=="}]}, True),
        ({}, False),
        ({"text": {"status": "generated"}}, None),
        ({"result": [{"reference": "#1"}], "contained": [{**observation(), "id": "1"}]}, True),
        ({"result": [{"reference": "#1"}], "contained": [{**observation(status="cancelled"), "id": "1"}]}, False),
        ({"result": [{"reference": "#1"}], "contained": [{**observation(valueQuantity=None), "id": "1"}]}, False),
        ({"result": [{"reference": "Observation/elsewhere"}]}, None),
    ],
)
def test_examinations__report__has_a_result_where_it_concludes_or_refers_to_one(more, has_result: bool | None) -> None:
    found = told({**REPORT, **more})[0]
    assert (found.final, found.has_result) == (True, has_result)


def test_examinations__contained_in_a_report__are_as_old_as_the_report() -> None:
    inner = {**observation(effectiveDateTime=None), "id": "1"}
    report, result = told({**REPORT, "contained": [inner], "result": [{"reference": "#1"}]})
    assert (report.composed, result.codes, result.when) == (True, {GLUCOSE}, "2026-03-04")


@pytest.mark.parametrize("reference", ["Observation/glucose", "http://example.org/Observation/glucose"])
def test_examinations__bundle__tells_what_it_carries(reference: str) -> None:
    report = {**REPORT, "result": [{"reference": reference}]}
    found = told(bundle("collection", report, observation(), {"resourceType": "Patient", "id": "one"}))
    assert [each.has_result for each in found] == [True, True]
    assert [each.composed for each in found] == [True, False]


def test_examinations__members_in_a_circle__end() -> None:
    one = observation(id="1", valueQuantity=None, hasMember=[{"reference": "Observation/2"}])
    two = observation(id="2", valueQuantity=None, hasMember=[{"reference": "Observation/1"}])
    assert [each.has_result for each in told(bundle("collection", one, two))] == [None, None]


@pytest.mark.parametrize(
    ("resource", "final", "has_result", "when"),
    [
        ({"resourceType": "ImagingStudy", "status": "available", "started": "2026-03-04"}, True, False, "2026-03-04"),
        ({"resourceType": "ImagingStudy", "status": "available", "series": [{"uid": "1"}]}, True, True, None),
        ({"resourceType": "ImagingStudy", "status": "registered", "series": [{"uid": "1"}]}, False, True, None),
        (
            {"resourceType": "Procedure", "status": "completed", "performedPeriod": {"start": "2026-03-04"}},
            True,
            False,
            "2026-03-04",
        ),
        ({"resourceType": "Procedure", "status": "completed", "outcome": {"text": "well"}}, True, True, None),
        ({"resourceType": "Procedure", "status": "completed", "report": [{"reference": "x/y"}]}, True, None, None),
        ({"resourceType": "Procedure", "status": "in-progress", "outcome": {"text": "well"}}, False, True, None),
    ],
)
def test_examinations__studies_and_procedures__are_ones(resource, final, has_result, when) -> None:
    code = Code(system=SNOMED, code="73761001")
    coded = {"procedureCode": [concept(code)], "code": concept(code)}
    (found,) = told({**resource, **coded})
    assert (found.codes, found.final, found.has_result, found.when) == ({code}, final, has_result, when)


@pytest.mark.parametrize("kind", ["Patient", "Immunization", "MedicationRequest", "Condition"])
def test_examinations__of_other_resources__are_none(kind: str) -> None:
    assert told({"resourceType": kind, "code": concept(GLUCOSE)}) == ()


# ------------------------------------------------------------------------------------------------- HL7 v2


def of_message(*segments: str) -> tuple[Examination, ...]:
    return examinations(message(*segments), hl7v2.MEDIA_TYPE)


def test_examinations__message__are_its_observations_and_its_orders() -> None:
    codes = frozenset({GLUCOSE})
    assert of_message(HEAD, PATIENT, ORDER, VALUE) == (
        Examination(codes=codes, when="2026-03-04", final=True, has_result=True),
        Examination(codes=codes, when="2026-03-04", final=True, has_result=True, composed=True),
    )


@pytest.mark.parametrize(
    ("status", "final"), [("F", True), ("C", True), ("P", False), ("R", False), ("X", False), ("W", False)]
)
def test_examinations__observation_of_a_message__is_final_by_its_own_status(status: str, final: bool) -> None:
    assert of_message(HEAD, PATIENT, ORDER, VALUE[:-1] + status)[0].final is final


@pytest.mark.parametrize(("status", "final"), [("F", True), ("C", True), ("P", False), ("", False)])
def test_examinations__observation_without_a_status__has_its_order_s(status: str, final: bool) -> None:
    assert of_message(HEAD, PATIENT, ORDER[:-1] + status, VALUE[:-1])[0].final is final


def test_examinations__order_without_a_status__is_final_where_all_of_it_is() -> None:
    order = ORDER[:-1]
    assert of_message(HEAD, PATIENT, order, VALUE, VALUE)[-1].final
    assert not of_message(HEAD, PATIENT, order, VALUE, VALUE[:-1] + "P")[-1].final
    assert not of_message(HEAD, PATIENT, order)[-1].final


def test_examinations__observation_of_a_message__has_its_own_time_or_its_order_s() -> None:
    own = of_message(HEAD, PATIENT, ORDER, VALUE + "|||20260307")[0]
    assert (own.when, of_message(HEAD, PATIENT, ORDER, VALUE)[0].when) == ("2026-03-07", "2026-03-04")
    undated = ORDER.replace("20260304100000", "")
    assert of_message(HEAD, PATIENT, undated, VALUE)[0].when is None


@pytest.mark.parametrize("nothing", ["", '""'])
def test_examinations__observation_of_a_message_without_a_value__has_no_result(nothing: str) -> None:
    found = of_message(HEAD, PATIENT, ORDER, VALUE.replace("5.4", nothing))
    assert [each.has_result for each in found] == [False, False]


def test_examinations__alternate_code__is_known_by_both() -> None:
    value = VALUE.replace("2339-0^Glucose^LN", "GLU^Glucose^L^2339-0^Glucose^LN")
    assert of_message(HEAD, PATIENT, ORDER, value)[0].codes == {GLUCOSE, Code(system="L", code="GLU")}


@pytest.mark.parametrize("kind", ["ADT^A01", "ORM^O01", "VXU^V04"])
def test_examinations__of_other_messages__are_none(kind: str) -> None:
    assert of_message(HEAD.replace("ORU^R01^ORU_R01", kind), PATIENT, ORDER, VALUE) == ()


# ------------------------------------------------------------------------------------------------- DICOM


def image(*, pixels: bool = True, **changed: object) -> bytes:
    data = examples.ct
    for name, value in changed.items():
        setattr(data, name, value)
    if not pixels:
        del data.PixelData
    stream = BytesIO()
    data.save_as(stream)
    return stream.getvalue()


def coded(value: str, scheme: str, name: str = "CodeValue") -> Dataset:
    item = Dataset()
    setattr(item, name, value)
    item.CodingSchemeDesignator = scheme
    return item


def test_examinations__image__is_one_by_the_code_of_what_was_performed() -> None:
    document = image(ProcedureCodeSequence=[coded("24627-2", "LN"), coded("169069000", "SCT", "LongCodeValue")])
    assert examinations(document, dicom.MEDIA_TYPE) == (
        Examination(
            codes=frozenset({Code(system=LOINC, code="24627-2"), Code(system=SNOMED, code="169069000")}),
            when="1997-04-30",
            final=True,
            has_result=True,
        ),
    )


@pytest.mark.parametrize(
    ("changed", "final", "has_result"),
    [
        ({"CompletionFlag": "PARTIAL"}, False, True),
        ({"CompletionFlag": "COMPLETE"}, True, True),
        ({"PreliminaryFlag": "PRELIMINARY"}, False, True),
        ({"pixels": False}, True, False),
        ({"pixels": False, "ContentSequence": [Dataset()]}, True, True),
    ],
)
def test_examinations__object__is_final_and_has_a_result_as_it_says(changed, final, has_result) -> None:
    (found,) = examinations(image(**changed), dicom.MEDIA_TYPE)
    assert (found.codes, found.final, found.has_result) == (frozenset(), final, has_result)


def test_examinations__without_the_library__is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicom, "is_there", lambda: False)
    with pytest.raises(ConfigurationError):
        examinations(b"", dicom.MEDIA_TYPE)


# ------------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("document", "media_type"),
    [
        (b"CANARY", fhir.MEDIA_TYPE),
        (b'{"resourceType": 7, "CANARY": 1}', fhir.MEDIA_TYPE),
        (b"CANARY", hl7v2.MEDIA_TYPE),
        (b"CANARY", dicom.MEDIA_TYPE),
        (b"CANARY", "application/pdf"),
    ],
)
def test_examinations__of_what_cannot_be_read__are_refused_without_its_values(document: bytes, media_type: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        examinations(document, media_type)
    assert "CANARY" not in str(caught.value) + caught.value.hint


# ------------------------------------------------------------------------------------------------- equivalence


GROUPS = b"""
version = 1

[[group]]
name = "Haemoglobin"
codes = ["718-7", "20509-6", "http://snomed.info/sct|38082009"]

[[group]]
name = "Haemoglobin, by a meter"
codes = ["20509-6", "30313-1"]
"""


def test_code__parsed__is_loinc_unless_another_system_is_named() -> None:
    for text in ("718-7", "http://snomed.info/sct|38082009", "http://lab.example/codes|a b"):
        assert str(Code.parse(text)) == text
    assert Code.parse("LN|718-7") == Code.parse("http://loinc.org|718-7") == Code(system=LOINC, code="718-7")


@pytest.mark.parametrize("text", ["", "|", "|718-7", "718-8", "HGB", "http://snomed.info/sct|1", "a b|c", "x|", "x|\n"])
def test_code__that_is_none__is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        Code.parse(text)
    assert "SYSTEM|CODE" in caught.value.hint


def test_equivalence__of_a_code__is_what_shares_a_group_with_it() -> None:
    found = Equivalence.from_toml(GROUPS)
    same = {text: {str(each) for each in found.of(Code.parse(text))} for text in ("718-7", "20509-6", "2339-0")}
    snomed = "http://snomed.info/sct|38082009"
    assert same == {
        "718-7": {"718-7", "20509-6", snomed},
        "20509-6": {"718-7", "20509-6", snomed, "30313-1"},
        "2339-0": {"2339-0"},
    }
    assert Equivalence().of(GLUCOSE) == {GLUCOSE}


@pytest.mark.parametrize(
    "document",
    [
        b"version = ",
        b"\xff",
        b"",
        b"version = 2\n[[group]]\nname='x'\ncodes=['718-7','20509-6']",
        b"version = 1",
        b"version = 1\ngroup = 'x'",
        GROUPS.replace(b"718-7", b"718-8"),
        GROUPS + b"more = 1",
        b"version = 1\nmore = 1\n[[group]]\nname='x'\ncodes=['718-7','20509-6']",
        b"version = 1\n[[group]]\nname='x'\ncodes=['718-7','718-7']",
        b"version = 1\n[[group]]\nname='x'",
        b"#" * (MAX_EQUIVALENCE_SIZE + 1),
    ],
)
def test_equivalence__file_that_is_none__is_refused(document: bytes) -> None:
    with pytest.raises(InvalidInputError):
        Equivalence.from_toml(document)
