"""What is said of a record: its manifest and its commitment.

given a manifest, a commitment, or terms
├─ when it is written and read, it is the same, fields of a later version included
├─ when a field is out of range or form, it is refused, in the constructor too
└─ when a field is missing or of another type, it is refused
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medshare.errors import InvalidInputError
from medshare.hashing import sha256
from medshare.model.ids import RecordId, address
from medshare.model.record import (
    MAX_LABELS,
    MAX_OVERRIDES,
    MAX_PATIENT_REFERENCE,
    MAX_REASON,
    MAX_SIZE,
    Category,
    Commitment,
    Manifest,
    plaintext_digest,
)

pytestmark = pytest.mark.unit

PATIENT = address("0x" + "11" * 20)
CUSTODIAN = address("0x" + "22" * 20)
MANIFEST = Manifest(
    patient=PATIENT,
    custodian=CUSTODIAN,
    media_type="application/fhir+json",
    category=Category.LABORATORY,
    size=5,
    digest=bytes(32),
    salt=b"\1" * 32,
)
COMMITMENT = Commitment(key_commitment=b"\3" * 32, payload_length=33, segments=1)

words = st.binary(min_size=32, max_size=32)
accounts = st.binary(min_size=20, max_size=20).map(lambda raw: address("0x" + raw.hex()))
characters = st.characters(exclude_categories=["Cs"])
values = st.recursive(
    st.booleans() | st.integers(-(10**30), 10**30) | st.text(characters),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(characters), inner, max_size=3),
    max_leaves=6,
)
FIELDS = {*Manifest.__dataclass_fields__, "version"} - {"extra"}
extras = st.dictionaries(st.text(characters).filter(lambda name: name not in FIELDS), values, max_size=4)
dates = st.dates().map(lambda day: day.isoformat())
manifests = st.builds(
    Manifest,
    patient=accounts,
    custodian=accounts,
    media_type=st.from_regex(r"[a-z0-9][a-z0-9.+-]{0,20}/[a-z0-9][a-z0-9.+-]{0,20}", fullmatch=True),
    category=st.sampled_from(Category),
    size=st.integers(0, MAX_SIZE),
    digest=words,
    salt=words,
    resource_type=st.none() | st.from_regex(r"[A-Z][A-Za-z]{1,20}", fullmatch=True),
    labels=st.lists(st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True), max_size=MAX_LABELS).map(tuple),
    clinical_date=st.none() | dates | dates.map(lambda day: day[:7]) | dates.map(lambda day: day[:4]),
    supersedes=st.none() | words.map(RecordId),
    patient_reference=st.none() | st.text(characters, max_size=MAX_PATIENT_REFERENCE),
    overrides=st.dictionaries(
        st.from_regex(r"[a-z_]{1,40}", fullmatch=True), st.text(characters, min_size=1, max_size=80), max_size=4
    ),
    extra=extras,
)


@given(manifest=manifests)
def test_manifest__any__comes_back_with_the_fields_of_a_later_version(manifest: Manifest) -> None:
    document = manifest.to_json()
    again = Manifest.from_json(document)
    assert again == manifest
    assert again.to_json() == document
    assert again.extra == manifest.extra


@given(
    commitment=st.builds(
        Commitment,
        key_commitment=words,
        payload_length=st.integers(0, MAX_SIZE),
        segments=st.integers(0, MAX_SIZE),
    )
)
def test_commitment__any__comes_back(commitment: Commitment) -> None:
    assert Commitment.from_json(commitment.to_json()) == commitment


@pytest.mark.parametrize(
    "change",
    [
        {"media_type": ""},
        {"media_type": "text"},
        {"media_type": "text/"},
        {"media_type": "Text/Plain"},
        {"media_type": "text/plain; charset=utf-8"},
        {"media_type": "text/plain\n"},
        {"media_type": "text/" + "a" * 200},
        {"resource_type": ""},
        {"resource_type": "observation"},
        {"resource_type": "Obs ervation"},
        {"resource_type": "Observation\n"},
        {"resource_type": "O" * 100},
        {"clinical_date": ""},
        {"clinical_date": "2026-13"},
        {"clinical_date": "2026-02-32"},
        {"clinical_date": "2026-2"},
        {"clinical_date": "26-02-03"},
        {"clinical_date": "2026-02-03T10:00"},
        {"clinical_date": "2026\n"},
        {"clinical_date": "٢٠٢٦"},
        {"labels": ("",)},
        {"labels": ("two words",)},
        {"labels": ("a" * 41,)},
        {"labels": ("\x1b[2J",)},
        {"labels": ("R",) * (MAX_LABELS + 1)},
        {"patient_reference": "x" * (MAX_PATIENT_REFERENCE + 1)},
        {"overrides": {"labels": ""}},
        {"overrides": {"labels": "x" * (MAX_REASON + 1)}},
        {"overrides": {"two words": "x"}},
        {"overrides": {"a" * number: "x" for number in range(1, MAX_OVERRIDES + 2)}},
        {"size": -1},
        {"size": MAX_SIZE + 1},
    ],
    ids=lambda change: repr(change)[:50],
)
def test_manifest__field_out_of_form__is_refused_in_constructor_and_document(change: dict) -> None:
    with pytest.raises(InvalidInputError):
        replace(MANIFEST, **change)
    document = json.loads(MANIFEST.to_json()) | change
    with pytest.raises(InvalidInputError):
        Manifest.from_json(json.dumps(document).encode())


@pytest.mark.parametrize("overrides", ["x", [], {"labels": 7}, {"labels": None}, {"labels": ["x"]}], ids=repr)
def test_manifest__reasons_that_are_no_texts__are_refused(overrides: object) -> None:
    document = json.loads(MANIFEST.to_json()) | {"overrides": overrides}
    with pytest.raises(InvalidInputError):
        Manifest.from_json(json.dumps(document).encode())


WRONG = [None, 1, -1, 1.5, True, "", "x", [], {}, [1], "0x" + "11" * 21]


@pytest.mark.parametrize(
    ("valid", "field"),
    [(valid, field) for valid in (MANIFEST, COMMITMENT) for field in json.loads(valid.to_json()) if field != "labels"],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_from_json__field_missing_or_of_another_type__is_refused(valid, field: str) -> None:
    document = json.loads(valid.to_json())
    right = document.pop(field)
    with pytest.raises(InvalidInputError):
        type(valid).from_json(json.dumps(document).encode())
    for wrong in WRONG:
        if wrong == right or (
            isinstance(wrong, int) and field in ("size", "payload_length", "segments") and wrong == 1
        ):
            continue
        with pytest.raises(InvalidInputError):
            type(valid).from_json(json.dumps(document | {field: wrong}).encode())


def test_manifest__of_a_later_version__is_refused_by_its_number() -> None:
    document = json.loads(MANIFEST.to_json()) | {"version": 2}
    with pytest.raises(InvalidInputError, match="version 2"):
        Manifest.from_json(json.dumps(document).encode())


def test_plaintext_digest__another_salt_or_text__is_another_and_never_the_plain_hash() -> None:
    text = sha256(b"text")
    digests = {plaintext_digest(salt, each) for salt in (bytes(32), b"\1" * 32) for each in (text, sha256(b"other"))}
    assert len(digests) == 4
    assert text not in digests
