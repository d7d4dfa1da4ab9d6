"""Bytes of any kind are recognised, read within limits, and refused by one error that repeats nothing of them.

given a file of some name
├─ its content says what it is, and then its name; archives are not opened
├─ hostile JSON that is said to be FHIR is refused, quickly
├─ an NDJSON file is read line by line: a bad line has its place, and memory does not grow with the file
└─ a file that cannot be read is refused without its name
"""

from __future__ import annotations

import gzip
import io
import time
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from fhir_documents import OBSERVATION, PATIENT, encoded, observation

from medshare.errors import InvalidInputError, NonConformantError
from medshare.standards import dicom, fhir, hl7v2, ndjson
from medshare.standards.ingest import OTHER, examine, parts, recognise

pytestmark = pytest.mark.unit

SECRET = "Jane-Doe"
MEBIBYTE = 1 << 20
BAD = {
    "1e5 deep lists": b'{"resourceType":"Basic","extension":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "1e5 deep objects": b'{"resourceType":"Basic","extension":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
    "a key twice": b'{"resourceType":"Basic","id":"Jane-Doe","id":"2"}',
    "a key twice by an escape": b'{"resourceType":"Basic","id":"1","\\u0069d":"Jane-Doe"}',
    "NaN": b'{"resourceType":"Basic","Jane-Doe":NaN}',
    "Infinity": b'{"resourceType":"Basic","Jane-Doe":-Infinity}',
    "1e6 digits": b'{"resourceType":"Basic","id":' + b"9" * 1_000_000 + b"}",
    "1e6 digits behind the point": b'{"resourceType":"Basic","id":0.' + b"9" * 1_000_000 + b"}",
    "a number beyond every float": b'{"resourceType":"Basic","id":1e999}',
    "no UTF-8": b'{"resourceType":"Basic","id":"Jane-Doe\xff"}',
    "UTF-16": '{"resourceType":"Basic"}'.encode("utf-16"),
    "half a character": b'{"resourceType":"Basic","id":"\\ud800"}',
    "two byte order marks": b"\xef\xbb\xbf\xef\xbb\xbf" + encoded(PATIENT),
    "cut": encoded(OBSERVATION)[:-1],
    "two documents": encoded(PATIENT) + encoded(PATIENT),
    "no object": b'["resourceType"]',
    "no resource": b'{"resource":{"resourceType":"Basic"}}',
    "a resource type that is none": b'{"resourceType":"../Jane-Doe"}',
    "a resource type that is a list": b'{"resourceType":["Patient"]}',
    "nothing": b"",
}


def zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(64 * MEBIBYTE))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "name", "media_type"),
    [
        (encoded(OBSERVATION), "a.json", fhir.MEDIA_TYPE),
        (encoded(OBSERVATION), "", fhir.MEDIA_TYPE),
        (b"\xef\xbb\xbf \n" + encoded(OBSERVATION), "a", fhir.MEDIA_TYPE),
        (b'{"text":"' + b"x" * 200_000 + b'","resourceType":"Basic"}', "a", fhir.MEDIA_TYPE),
        (encoded(OBSERVATION), "a.NDJSON", ndjson.MEDIA_TYPE),
        (encoded(OBSERVATION), "a.jsonl", ndjson.MEDIA_TYPE),
        (b'{"a":1}', "a.json", "application/json"),
        (b'{"a":1}', "", OTHER),
        (b"MSH|^~\\&|a", "a.txt", hl7v2.MEDIA_TYPE),
        (b"\x0bMSH|^~\\&|a", "", hl7v2.MEDIA_TYPE),
        (b"BHS|^~\\&|a\rMSH|", "", hl7v2.MEDIA_TYPE),
        (b"MSHA", "", OTHER),
        (bytes(128) + b"DICM", "", dicom.MEDIA_TYPE),
        (b"\x08\x00", "a.DCM", dicom.MEDIA_TYPE),
        (gzip.compress(encoded(OBSERVATION)), "a.json", "application/gzip"),
        (zipped(), "a.dcm", "application/zip"),
        (b"%PDF-1.7", "", "application/pdf"),
        (b"<a/>", "a.xml", "text/xml"),
        (b"anything", "letter.pdf", "application/pdf"),
        (b"anything", "Jane-Doe.unheard-of", OTHER),
    ],
)
def test_recognise__by_content_and_then_by_name(content: bytes, name: str, media_type: str, tmp_path: Path) -> None:
    assert recognise(content, name) == media_type
    path = tmp_path / "file"
    path.write_bytes(content)
    assert recognise(path, name) == media_type


@pytest.mark.parametrize("content", [gzip.compress(bytes(64 * MEBIBYTE)), zipped()], ids=["gzip", "zip"])
def test_parts__archive_that_would_be_huge__is_bytes_and_never_opened(content: bytes) -> None:
    tracemalloc.start()
    try:
        (part,) = parts(content, recognise(content))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert part.document is content
    assert part.examined is not None
    assert part.examined.findings == ()
    assert peak < MEBIBYTE


@pytest.mark.parametrize("what", BAD)
def test_examine__hostile_json_said_to_be_fhir__is_refused_quickly_and_not_repeated(what: str) -> None:
    begun = time.process_time()
    with pytest.raises(InvalidInputError) as refused:
        examine(BAD[what], fhir.MEDIA_TYPE)
    assert time.process_time() - begun < 10
    assert SECRET not in str(refused.value) + refused.value.hint


def test_examine__larger_than_can_be__is_refused_before_it_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("medshare.standards.fhir.describing.MAX_RESOURCE_SIZE", 100)
    monkeypatch.setattr("medshare.standards.fhir.MAX_RESOURCE_SIZE", 100)
    path = tmp_path / "file"
    path.write_bytes(encoded(OBSERVATION))
    with pytest.raises(InvalidInputError, match="has 101 bytes, at most 100 are read"):
        examine(path, fhir.MEDIA_TYPE)


def test_examine__byte_order_mark__is_a_warning_and_kept() -> None:
    document = b"\xef\xbb\xbf" + encoded(OBSERVATION)
    (part,) = parts(document, fhir.MEDIA_TYPE)
    assert part.document == document
    assert part.examined is not None
    assert [each.rule for each in part.examined.findings] == ["byte-order-mark"]
    part.examined.must_conform()


def test_must_conform__does_not__says_the_first_and_how_many_more() -> None:
    examined = examine(encoded(observation(status=SECRET, code=None)), fhir.MEDIA_TYPE)
    with pytest.raises(NonConformantError) as refused:
        examined.must_conform()
    says = "it does not conform to FHIR R4: Observation.status: it is no code of the value set observation-status"
    assert str(refused.value) == f"{says}, and 1 more"
    assert refused.value.findings == examined.errors


@pytest.mark.parametrize(("name", "says"), [("gone", "does not exist"), (".", "is a folder")])
def test_recognise__file_that_cannot_be_read__is_refused_without_its_name(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says) as refused:
        recognise(tmp_path / name)
    assert str(tmp_path) not in str(refused.value)


# --------------------------------------------------------------------------------------------------- NDJSON


def test_parts__of_ndjson__are_its_lines_as_they_were_and_a_bad_one_has_its_place(tmp_path: Path) -> None:
    lines = [encoded(OBSERVATION), b"", b'{"resourceType":', b" " + encoded(PATIENT) + b" ", b"[]", encoded(PATIENT)]
    path = tmp_path / "export.ndjson"
    path.write_bytes(b"\r\n".join(lines))
    found = list(parts(path, ndjson.MEDIA_TYPE))
    assert [part.place for part in found] == ["line 1", "line 3", "line 4", "line 5", "line 6"]
    assert [part.document for part in found] == [line for line in lines if line]
    assert [part.refusal is None for part in found] == [True, False, True, False, True]
    assert found[-1].end == path.stat().st_size


def test_lines__one_too_long__is_passed_over_and_not_held(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ndjson, "MAX_RESOURCE_SIZE", 1_000)
    path = tmp_path / "export.ndjson"
    with path.open("wb") as stream:
        stream.write(b"x" * 1_000 + b"\n" + b"y" * 1_001 + b"\n")
        for _ in range(32):
            stream.write(b"z" * MEBIBYTE)
        stream.write(b"\nlast")
    tracemalloc.start()
    try:
        found = list(ndjson.lines(path))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [(line.number, line.refusal is None) for line in found] == [(1, True), (2, False), (3, False), (4, True)]
    assert (found[-1].document, found[-1].end) == (b"last", path.stat().st_size)
    assert peak < 8 * MEBIBYTE


def test_parts__of_ten_times_the_lines__take_no_more_memory(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        path = tmp_path / f"{count}.ndjson"
        with path.open("wb") as stream:
            for number in range(count):
                stream.write(encoded(observation(id=f"o-{number}", note=[{"text": "x" * 50_000}])) + b"\n")
        tracemalloc.start()
        try:
            assert sum(part.refusal is None for part in parts(path, ndjson.MEDIA_TYPE)) == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)  # what is read once and kept
    assert peak(400) < 1.5 * peak(40)
