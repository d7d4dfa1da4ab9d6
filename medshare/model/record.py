"""A record: its entry on chain, its encrypted manifest, and the commitment beside it."""

from __future__ import annotations

import re
from calendar import isleap, monthrange
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum, StrEnum
from typing import Any, Self

from medshare.errors import InvalidInputError
from medshare.hashing import tagged_sha256
from medshare.model.documents import (
    MAX_DOCUMENT_SIZE,
    Reader,
    decode_document,
    encode_document,
)
from medshare.model.ids import Address, RecordId
from medshare.model.labels import MAX_LABELS, is_label

HEADER_FILE = "header.c4gh"
PAYLOAD_FILE = "payload.c4gh"
COMMITMENT_FILE = "commitment"
MANIFEST_FILE = "manifest.c4gh"
RECORD_FILES = frozenset({HEADER_FILE, PAYLOAD_FILE, COMMITMENT_FILE, MANIFEST_FILE})

MANIFEST_VERSION = 1
COMMITMENT_VERSION = 1
MAX_MANIFEST_SIZE = MAX_DOCUMENT_SIZE
MAX_COMMITMENT_SIZE = 4096
MAX_PATIENT_REFERENCE = 256
MAX_REASON = 1024
MAX_OVERRIDES = 16
MAX_SIZE = 1 << 50
"""A pebibyte: larger sizes are mistakes or attacks."""

_DATE = re.compile(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?", re.ASCII)
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_OVERRIDE = re.compile(r"[a-z_]{1,40}")
_RESOURCE_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}")


class RecordStatus(IntEnum):
    """What became of a record; the same numbers as ``IRecordRegistry.Status``."""

    ACTIVE = 1
    SUPERSEDED = 2
    RETRACTED = 3


class Category(StrEnum):
    """What kind of record it is: the priority categories of the EHDS (Art. 14), and the rest a record may be."""

    PATIENT_SUMMARY = "patient-summary"
    PRESCRIPTION = "prescription"
    DISPENSATION = "dispensation"
    MEDICATION = "medication"
    """What was given or taken."""
    IMAGING = "imaging"
    LABORATORY = "laboratory"
    DISCHARGE_REPORT = "discharge-report"
    OBSERVATION = "observation"
    CONDITION = "condition"
    PROCEDURE = "procedure"
    IMMUNIZATION = "immunization"
    ENCOUNTER = "encounter"
    CARE_PLAN = "care-plan"
    """What is planned or ordered, but for medication."""
    DOCUMENT = "document"
    ADMINISTRATIVE = "administrative"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRef:
    """A record as grants and requests name it: whose statement on chain, and which record."""

    custodian: Address
    record_id: RecordId


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordEntry:
    """What a custodian states on chain about a record (``IRecordRegistry.Record`` and its key)."""

    record_id: RecordId
    custodian: Address
    patient: Address
    registered_at: int
    """Block time, Unix seconds."""
    ended_at: int
    """Block time of superseding or first retraction, 0 while active."""
    version: int
    """1 for a first version."""
    status: RecordStatus

    @property
    def ref(self) -> RecordRef:
        """The record as grants and requests name it."""
        return RecordRef(custodian=self.custodian, record_id=self.record_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The encrypted description in a record's directory."""

    patient: Address
    custodian: Address
    media_type: str
    category: Category
    size: int
    """Plaintext bytes."""
    digest: bytes
    """Salted SHA-256 of the plaintext, see ``plaintext_digest``."""
    salt: bytes
    resource_type: str | None = None
    """FHIR resource type, where the record is one."""
    labels: tuple[str, ...] = ()
    """Sensitivity and confidentiality codes (HL7 v3-ActCode, v3-Confidentiality)."""
    clinical_date: str | None = None
    """When it happened to the patient: YYYY, YYYY-MM or YYYY-MM-DD, as FHIR writes dates."""
    supersedes: RecordId | None = None
    patient_reference: str | None = None
    """Whom the record itself says it is about, as it refers to him: identifying, and for its readers only."""
    overrides: Mapping[str, str] = field(default_factory=dict)
    """Why the custodian says otherwise than the record does of its ``category``, ``clinical_date`` or ``labels``, or
    publishes it without ``conformance``."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Fields that a later version wrote and this one does not know: kept on a round trip."""

    def __post_init__(self) -> None:
        if not _MEDIA_TYPE.fullmatch(self.media_type):
            raise InvalidInputError(f"not a media type: {self.media_type[:80]!r}")
        if self.resource_type is not None and not _RESOURCE_TYPE.fullmatch(self.resource_type):
            raise InvalidInputError(f"not a FHIR resource type: {self.resource_type[:80]!r}")
        if self.clinical_date is not None:
            days_of(self.clinical_date)
        if len(self.labels) > MAX_LABELS or not all(is_label(label) for label in self.labels):
            raise InvalidInputError(f"a record has at most {MAX_LABELS} labels, each a code of HL7's")
        if not 0 <= self.size <= MAX_SIZE:
            raise InvalidInputError("the size is out of range")
        if len(self.patient_reference or "") > MAX_PATIENT_REFERENCE:
            raise InvalidInputError(f"a reference to a patient has at most {MAX_PATIENT_REFERENCE} characters")
        if len(self.overrides) > MAX_OVERRIDES or not all(_OVERRIDE.fullmatch(name) for name in self.overrides):
            raise InvalidInputError(f"at most {MAX_OVERRIDES} things are said otherwise, each a name")
        if not all(0 < len(reason) <= MAX_REASON for reason in self.overrides.values()):
            raise InvalidInputError(f"a reason has 1 to {MAX_REASON} characters")

    @classmethod
    def from_json(cls, document: bytes) -> Self:
        """Return the manifest that ``document`` holds, checked.

        Raises:
            InvalidInputError: not a manifest of a version we speak.
        """
        read = Reader(decode_document(document, MAX_MANIFEST_SIZE), "manifest")
        read.version(MANIFEST_VERSION)
        return cls(
            patient=read.address("patient"),
            custodian=read.address("custodian"),
            media_type=read.text("media_type"),
            category=read.choice("category", Category),
            size=read.integer("size", 0, MAX_SIZE),
            digest=read.digest("digest"),
            salt=read.digest("salt"),
            resource_type=read.optional_text("resource_type"),
            labels=read.texts("labels", MAX_LABELS),
            clinical_date=read.optional_text("clinical_date"),
            supersedes=RecordId(read.digest("supersedes")) if read.present("supersedes") else None,
            patient_reference=read.optional_text("patient_reference"),
            overrides=_reasons(read.optional_child("overrides")),
            extra=read.rest(),
        )

    def to_json(self) -> bytes:
        """Return the document that ``from_json`` reads: UTF-8, keys sorted, no white space."""
        return encode_document(
            {
                **self.extra,
                "version": MANIFEST_VERSION,
                "patient": self.patient,
                "custodian": self.custodian,
                "media_type": self.media_type,
                "category": self.category.value,
                "size": self.size,
                "digest": self.digest.hex(),
                "salt": self.salt.hex(),
                "resource_type": self.resource_type,
                "labels": list(self.labels),
                "clinical_date": self.clinical_date,
                "supersedes": self.supersedes.hex() if self.supersedes is not None else None,
                "patient_reference": self.patient_reference,
                "overrides": dict(self.overrides) or None,
            }
        )


def _reasons(read: Reader | None) -> dict[str, str]:
    return {} if read is None else {name: read.text(name, MAX_REASON) for name in read.rest()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitment:
    """What a record says in clear, so that one ciphertext opens to one text only.

    Crypt4GH neither binds a file to one key nor notices a payload cut at a segment; this does, and the CID binds it.
    """

    key_commitment: bytes
    """SHA-256("medshare/kc/1" ‖ file key)."""
    payload_length: int
    segments: int

    @classmethod
    def from_json(cls, document: bytes) -> Self:
        """Return the commitment that ``document`` holds; raises ``InvalidInputError``."""
        read = Reader(decode_document(document, MAX_COMMITMENT_SIZE), "commitment")
        read.version(COMMITMENT_VERSION)
        return cls(
            key_commitment=read.digest("key_commitment"),
            payload_length=read.integer("payload_length", 0, MAX_SIZE),
            segments=read.integer("segments", 0, MAX_SIZE),
        )

    def to_json(self) -> bytes:
        """Return the document that ``from_json`` reads."""
        return encode_document(
            {
                "version": COMMITMENT_VERSION,
                "key_commitment": self.key_commitment.hex(),
                "payload_length": self.payload_length,
                "segments": self.segments,
            }
        )


def plaintext_digest(salt: bytes, plaintext_sha256: bytes) -> bytes:
    """Return the salted digest that a manifest states of its plaintext.

    Args:
        salt: 32 random bytes, known to readers only.
        plaintext_sha256: SHA-256 of the plaintext; hashed once more so that a stream is hashed in one pass.
    """
    return tagged_sha256("medshare/plaintext/1", salt, plaintext_sha256)


def days_of(text: str) -> range:
    """Return the days (proleptic ordinals) that a date as FHIR writes it may mean: YYYY, YYYY-MM or YYYY-MM-DD.

    Raises:
        InvalidInputError: not such a date, or none of the calendar's.
    """
    first = None
    if _DATE.fullmatch(text):
        with suppress(ValueError):
            first = date.fromisoformat(f"{text}-01-01"[:10])
    if first is None:
        raise InvalidInputError("a clinical date is written YYYY, YYYY-MM or YYYY-MM-DD")
    length = {4: 366 if isleap(first.year) else 365, 7: monthrange(first.year, first.month)[1], 10: 1}[len(text)]
    return range(first.toordinal(), first.toordinal() + length)
