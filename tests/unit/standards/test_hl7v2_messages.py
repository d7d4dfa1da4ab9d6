"""HL7 v2 messages are read in the character set they name, checked against their version, and taken apart.

given the messages of a library's own tests
├─ each is taken apart and accepted, or refused for the reason stated here
given a message that is right
├─ segments out of order, missing or unheard of, wrong numbers, days and versions are found, without values
├─ a character set that is not the one named is refused
├─ it says whom it is about, when, and how sensitive it is
└─ several patients in one message are refused
"""

from __future__ import annotations

from pathlib import Path

import pytest

from medshare.errors import InvalidInputError
from medshare.model.finding import Severity
from medshare.model.record import Category
from medshare.standards import hl7v2
from medshare.standards.hl7v2 import library
from medshare.standards.ingest import Examined, Part, examine, parts

pytestmark = pytest.mark.unit

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "hl7v2"
SECRET = "Jane-Doe"
HEAD = "MSH|^~\\&|LAB|CLINIC|EHR|CLINIC|20260304120000||ORU^R01^ORU_R01|17|P|2.5||||||8859/1"
PATIENT = "PID|1||7^^^HOSPITAL||Doe^Jane||19800101|F"
ORDER = "OBR|1||9|2339-0^Glucose^LN|||20260304100000|||||||||||||||20260304110000|||F"
VALUE = "OBX|1|NM|2339-0^Glucose^LN||5.4|mmol/L^^UCUM|||||F"

# Places and rules of the errors in each of the library's messages, file by file.
EXPECTED = {
    "bad_batch.hl7": None,
    "bad_batch1.hl7": [["order"]],
    "batch.hl7": [[]],
    "batch1.hl7": [[], []],
    "batch2.hl7": [[], []],
    "batch4.hl7": [[]],
    "file.hl7": [[]],
    "file1.hl7": [[], [], []],
    "file2.hl7": [[], []],
    "hl7.hl7": [[]],
    "msh.hl7": [["order"]],
    "repetitions.hl7": [["order"]],
}


def message(*segments: str, end: str = "\r", charset: str = "latin-1") -> bytes:
    return end.join([*segments, ""]).encode(charset)


def examined(*segments: str) -> Examined:
    return examine(message(*segments), hl7v2.MEDIA_TYPE)


def errors(found: Examined) -> list[tuple[str, str]]:
    return [(each.rule, each.place) for each in found.errors]


def rules(part: Part) -> list[str]:
    assert part.examined is not None
    return [each.rule for each in part.examined.errors]


@pytest.mark.parametrize("name", EXPECTED)
def test_parts__of_a_librarys_own_messages__are_accepted_or_refused_for_the_stated_reason(name: str) -> None:
    document = (VECTORS / name).read_bytes()
    wanted = EXPECTED[name]
    if wanted is None:
        with pytest.raises(InvalidInputError, match="no segment MSH"):
            list(parts(document, hl7v2.MEDIA_TYPE))
        return
    found = list(parts(document, hl7v2.MEDIA_TYPE))
    assert [rules(part) for part in found] == wanted
    assert all(isinstance(part.document, bytes) and part.document in document for part in found)
    if len(found) > 1:
        assert all(part.document.startswith(b"MSH") for part in found)


def test_vectors__all_of_them__have_an_expectation() -> None:
    assert sorted(path.name for path in VECTORS.glob("*.hl7")) == sorted(EXPECTED)


def test_parts__of_one_message__is_all_of_the_bytes() -> None:
    framed = b"\x0b" + message(HEAD, PATIENT, ORDER, VALUE) + b"\x1c\r"
    (part,) = parts(framed, hl7v2.MEDIA_TYPE)
    assert (part.place, part.document) == ("", framed)


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_examine__message_that_is_right__says_what_it_is(end: str) -> None:
    found = examine(message(HEAD, PATIENT, ORDER, VALUE, end=end), hl7v2.MEDIA_TYPE)
    assert found.findings == ()
    assert (found.category, found.clinical_date, found.patients) == (
        Category.LABORATORY,
        "2026-03-04",
        ("7^^^HOSPITAL",),
    )


@pytest.mark.parametrize(
    ("segments", "found"),
    [
        ((HEAD, ORDER, PATIENT, VALUE), [("order", "segment 4")]),
        ((HEAD, PATIENT, VALUE, ORDER), [("order", "segment 3")]),
        ((HEAD, PATIENT), [("order", "the end")]),
        ((HEAD, PATIENT, PATIENT, ORDER), [("order", "segment 3")]),
        ((HEAD, PATIENT, ORDER, "QQQ|Jane-Doe"), [("order", "segment 4"), ("segment", "segment 4")]),
        ((HEAD, PATIENT, ORDER, "ZZZ|Jane-Doe"), []),
        ((HEAD.replace("2.5", "9.9"), PATIENT, ORDER), [("version", "MSH-12")]),
        ((HEAD, PATIENT, ORDER, VALUE.replace("5.4", SECRET)), [("form", "segment 4, OBX-5")]),
        ((HEAD, PATIENT, ORDER.replace("20260304100000", "20260230")), [("date", "segment 3, OBR-7")]),
        ((HEAD, PATIENT, ORDER.replace("20260304100000", SECRET)), [("date", "segment 3, OBR-7")]),
        ((HEAD, PATIENT, ORDER, PATIENT.replace("7", "8"), ORDER), [("patients", "")]),
    ],
)
def test_examine__one_thing_wrong__finds_it_where_it_is(
    segments: tuple[str, ...], found: list[tuple[str, str]]
) -> None:
    seen = examined(*segments)
    assert errors(seen) == found
    assert all(SECRET not in each.explain() for each in seen.findings)


def test_examine__fields_units_and_codes__are_warnings() -> None:
    seen = examined(HEAD, "PID|1||7", ORDER, VALUE.replace("mmol/L", "mmHg").replace("2339-0", "2339-1"))
    assert [(each.severity, each.rule, each.place) for each in seen.findings] == [
        (Severity.WARNING, "missing", "segment 2, PID-5"),
        (Severity.WARNING, "code-form", "segment 4, OBX-3"),
        (Severity.WARNING, "unit", "segment 4, OBX-6"),
    ]


def test_examine__structure_of_another_event__is_the_one_that_hl7_gives_it() -> None:
    head = HEAD.replace("ORU^R01^ORU_R01", "ADT^A08")
    event, visit = "EVN||20260304", "PV1|1|O"
    assert errors(examined(head, event, PATIENT, visit)) == []
    assert errors(examined(head, PATIENT, event, visit)) == [("order", "segment 2")]
    assert examined(head.replace("A08", "Q99"), event).findings[0].rule == "structure"


@pytest.mark.parametrize(
    ("stated", "written", "is_right"),
    [
        ("8859/1", "latin-1", True),
        ("8859/15", "iso8859-15", True),
        ("UNICODE UTF-8", "utf-8", True),
        ("UNICODE UTF-8", "latin-1", False),
        ("", "utf-8", False),
        ("", "latin-1", False),
        ("ASCII", "utf-8", False),
        ("Klingon", "latin-1", False),
    ],
)
def test_read__character_set__must_be_the_one_it_names(stated: str, written: str, is_right: bool) -> None:
    document = message(HEAD.replace("8859/1", stated), PATIENT.replace("Doe", "Döe"), ORDER, charset=written)
    if is_right:
        assert hl7v2.read(document).named("PID")[0].component(5, 1) == "Döe"
        return
    with pytest.raises(InvalidInputError, match="character set") as refused:
        hl7v2.read(document)
    assert "Jane" not in str(refused.value) + refused.value.hint


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"PID|1\r",
        b"MSH",
        b"MSH|",
        b"MSH||||\r",
        b"MSHabcdefgh\r",
        b"MSH|^|a|\r",
        b"MSH|^~|Jane-Doe\rPID|1\rJane-Doe\r",
        b"MSH|^~\\&|a\r" * 2,
        b"MSH|^~\\&|a\r" + b"NTE|1\r" * 100_000,
    ],
    ids=lambda document: str(document[:20]),
)
def test_read__what_is_no_message__is_refused(document: bytes) -> None:
    with pytest.raises(InvalidInputError) as refused:
        hl7v2.read(document)
    assert SECRET not in str(refused.value)


def test_examine__confidentiality_of_its_orders__becomes_labels() -> None:
    codes = ["R", "U", "HIV", "VIP"]
    orders = [line for code in codes for line in ("ORC|RE" + "|" * 27 + code, ORDER)]
    # Usual control is normal, and what v3 has no word for is restricted.
    assert examined(HEAD, PATIENT, *orders).labels == ("HIV", "N", "R")


def test_examine__without_the_library__says_that_its_structure_was_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "is_there", lambda: False)
    (found,) = examined(HEAD, VALUE, PATIENT, ORDER).findings
    assert (found.severity, found.rule) == (Severity.WARNING, "library")
