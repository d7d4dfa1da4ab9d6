"""Certificates, notices and acknowledgements as documents: read as they were written, and nothing else.

given a statement
├─ written and read → the same, with the same digest; its structs are no message that a contract takes
├─ one field changed → another digest
└─ a document that is none, of a later version, with a field too many or out of range → refused
given a record's mark
└─ it is another for each custodian and record
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from medshare.errors import InvalidInputError
from medshare.model.eip712 import Domain
from medshare.model.erasure import (
    Acknowledgement,
    Certificate,
    ErasedPlace,
    ErasedVersion,
    ErasureNotice,
    Ground,
    Statement,
    ToldReader,
    erasure_mark,
)
from medshare.model.ids import RecordId, address
from medshare.model.typed_data import SIGNABLES, to_typed_data

pytestmark = pytest.mark.unit

HOSPITAL, PATIENT, DOCTOR = (address("0x" + each * 20) for each in ("11", "22", "33"))
RECORD, EARLIER = RecordId(b"\1" * 32), RecordId(b"\2" * 32)
DOMAIN = Domain.of("RecordRegistry", 31337, HOSPITAL)
CERTIFICATE = Certificate(
    custodian=HOSPITAL,
    patient=PATIENT,
    record_id=RECORD,
    versions=(
        ErasedVersion(record_id=RECORD, version=2, marked_at=5, transaction=b"\3" * 32, marked=True),
        ErasedVersion(record_id=EARLIER, version=1, marked_at=4, transaction=b"\4" * 32, marked=False),
    ),
    blocks=("bafy",),
    places=(ErasedPlace(name="here", remaining=0, verified_at=6),),
    readers=(ToldReader(reader=DOCTOR, ground=Ground.GRANT),),
    acknowledge_by=7,
    policy=b"\5" * 32,
    jurisdiction="Examplia",
    reason=b"\6" * 32,
    issued_at=8,
    remains=("the chain",),
)
ACKNOWLEDGEMENT = Acknowledgement(
    reader=DOCTOR, custodian=HOSPITAL, record_id=RECORD, signed_at=9, kept_because="a trial's data"
)

NOTICE = ErasureNotice(
    custodian=HOSPITAL,
    patient=PATIENT,
    record_id=RECORD,
    versions=(RECORD, EARLIER),
    acknowledge_by=7,
    issued_at=8,
)


def signed(stated: Any) -> Statement[Any]:
    return Statement(stated=stated, domain=DOMAIN, signature=b"\7" * 65)


STATEMENTS = (
    signed(CERTIFICATE),
    signed(ACKNOWLEDGEMENT),
    signed(NOTICE),
    signed(replace(ACKNOWLEDGEMENT, kept_because=None)),
)


@pytest.mark.parametrize("statement", STATEMENTS, ids=["certificate", "kept", "notice", "erased"])
def test_statement__written_and_read__is_the_same(statement: Statement[Any]) -> None:
    read = Statement.from_json(type(statement.stated), statement.to_json())
    assert read == statement
    assert read.digest == statement.digest


@pytest.mark.parametrize("statement", STATEMENTS[:3], ids=["certificate", "acknowledgement", "notice"])
def test_statement__its_struct__is_shown_field_by_field_and_taken_by_no_contract(statement: Statement[Any]) -> None:
    data = to_typed_data(statement.stated.struct, DOMAIN)
    assert data["primaryType"] not in SIGNABLES
    assert data["domain"]["name"] == "medshare RecordRegistry"
    assert data["message"]["recordId"] == "0x" + RECORD.hex()


@pytest.mark.parametrize(
    "change",
    [
        {"patient": DOCTOR},
        {"versions": CERTIFICATE.versions[:1]},
        {"blocks": ()},
        {"places": ()},
        {"readers": ()},
        {"acknowledge_by": 8},
        {"policy": bytes(32)},
        {"jurisdiction": ""},
        {"reason": bytes(32)},
        {"issued_at": 9},
        {"remains": ()},
    ],
    ids=lambda change: next(iter(change)),
)
def test_certificate__one_field_changed__has_another_digest(change: dict[str, Any]) -> None:
    assert signed(replace(CERTIFICATE, **change)).digest != signed(CERTIFICATE).digest


@pytest.mark.parametrize(
    "change",
    [{"patient": DOCTOR}, {"versions": (RECORD,)}, {"acknowledge_by": 8}, {"issued_at": 9}],
    ids=lambda change: next(iter(change)),
)
def test_notice__one_field_changed__has_another_digest(change: dict[str, Any]) -> None:
    assert signed(replace(NOTICE, **change)).digest != signed(NOTICE).digest


def document(statement: Statement[Any], change: dict[str, Any], stated: dict[str, Any]) -> bytes:
    fields = json.loads(statement.to_json())
    fields["stated"] |= stated
    return json.dumps(fields | change).encode()


@pytest.mark.parametrize(
    ("change", "stated"),
    [
        ({"stated": None}, {}),
        ({"stated": []}, {}),
        ({"more": 1}, {}),
        ({"chain_id": 0}, {}),
        ({"contract": "0x0"}, {}),
        ({"signature": "0x"}, {}),
        ({"signature": "0x" + "00" * 4097}, {}),
        ({"signature": "7" * 130}, {}),
        ({}, {"version": 2}),
        ({}, {"more": 1}),
        ({}, {"record": "00"}),
        ({}, {"record": "09" * 32}),
        ({}, {"readers": [{"reader": DOCTOR, "ground": "rumour"}]}),
        ({}, {"readers": [{"reader": DOCTOR, "ground": "grant", "more": 1}]}),
        ({}, {"places": [{"name": "here", "remaining": -1, "verified_at": 1}]}),
        ({}, {"versions": []}),
        ({}, {"issued_at": 1 << 32}),
        ({}, {"blocks": "bafy"}),
    ],
)
def test_certificate__document_that_is_none__is_refused(change: dict[str, Any], stated: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        Statement.from_json(Certificate, document(signed(CERTIFICATE), change, stated))


@pytest.mark.parametrize(
    "stated",
    [{"version": 2}, {"more": 1}, {"reader": "doctor"}, {"signed_at": -1}, {"kept_because": ""}, {"kept_because": 1}],
)
def test_acknowledgement__document_that_is_none__is_refused(stated: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        Statement.from_json(Acknowledgement, document(signed(ACKNOWLEDGEMENT), {}, stated))


def test_statement__of_another_kind__is_refused() -> None:
    with pytest.raises(InvalidInputError):
        Statement.from_json(Certificate, signed(ACKNOWLEDGEMENT).to_json())
    with pytest.raises(InvalidInputError):
        Statement.from_json(Acknowledgement, signed(CERTIFICATE).to_json())


def test_mark__of_another_custodian_or_record__is_another() -> None:
    marks = {erasure_mark(custodian, record) for custodian in (HOSPITAL, DOCTOR) for record in (RECORD, EARLIER)}
    assert len(marks) == 4
