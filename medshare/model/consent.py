"""Consent: the terms of a grant, the grant on chain, and what they decide together.

``decide`` is pure: whoever holds the same grant, terms, stamp and time comes to the same answer, and can replay it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from medshare.errors import InvalidInputError
from medshare.hashing import tagged_sha256
from medshare.model.documents import MAX_DOCUMENT_SIZE, Reader, decode_document, encode_document
from medshare.model.ids import (
    Address,
    BundleId,
    GrantId,
    RecordId,
    TermsDigest,
    derive_grant_id,
    patient_of,
)
from medshare.model.purpose import Purpose

TERMS_VERSION = 1
TERMS_FILE = "terms.c4gh"
MAX_TERMS_SIZE = MAX_DOCUMENT_SIZE
MAX_RECORDS = 1000
"""Records in one grant: the directory of their headers stays one block that no IPFS node splits."""
MAX_TIME = (1 << 32) - 1
"""Last second that a grant on chain can name, in 2106."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRef:
    """A record as a grant names it: whose statement on chain, and which record."""

    custodian: Address
    record_id: RecordId


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The full text of a consent under which access is granted. Encrypted for patient and grantee, never on chain."""

    patient: Address
    grantee: Address
    purposes: Purpose
    records: tuple[RecordRef, ...]
    salt: bytes
    """32 random bytes: without them nobody can test a guess about the terms."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Fields that a later version wrote and this one does not know: kept, since the digest covers them."""

    def __post_init__(self) -> None:
        if not self.records:
            raise InvalidInputError("terms name at least one record")
        if len(self.records) > MAX_RECORDS:
            raise InvalidInputError(
                f"terms name at most {MAX_RECORDS} records, not {len(self.records)}",
                hint="make several grants",
            )
        if len(set(self.records)) != len(self.records):
            raise InvalidInputError("terms name a record twice")
        if not self.purposes:
            raise InvalidInputError("terms name at least one purpose")

    @classmethod
    def from_json(cls, document: bytes) -> Self:
        """Return the terms that ``document`` holds, checked; raises ``InvalidInputError``."""
        read = Reader(decode_document(document, MAX_TERMS_SIZE), "terms")
        read.version(TERMS_VERSION)
        return cls(
            patient=read.address("patient"),
            grantee=read.address("grantee"),
            purposes=Purpose.parse(",".join(read.texts("purposes", len(Purpose)))),
            records=tuple(
                RecordRef(custodian=item.address("custodian"), record_id=RecordId(item.digest("record_id")))
                for item in read.objects("records", MAX_RECORDS)
            ),
            salt=read.digest("salt"),
            extra=read.rest(),
        )

    def to_json(self) -> bytes:
        """Return the document that ``from_json`` reads, and whose digest goes on chain."""
        return encode_document(
            {
                **self.extra,
                "version": TERMS_VERSION,
                "patient": self.patient,
                "grantee": self.grantee,
                "purposes": list(self.purposes.codes),
                "records": [
                    {"custodian": record.custodian, "record_id": record.record_id.hex()} for record in self.records
                ],
                "salt": self.salt.hex(),
            }
        )

    def digest(self) -> TermsDigest:
        """Return the salted digest that goes on chain. The salt is one of the fields."""
        return TermsDigest(tagged_sha256("medshare/terms/1", self.to_json()))

    def grant_id(self) -> GrantId:
        """Return the id of the grant under these terms."""
        return derive_grant_id(self.patient, self.grantee, self.digest())

    def header_name(self, record_id: RecordId) -> str:
        """Return the name of a record's header in the bundle: who has no terms cannot tell which record it is of."""
        return tagged_sha256("medshare/bundle/1", self.salt, record_id).hex() + ".c4gh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A grant on chain (``IConsentRegistry.GrantFields`` and its id)."""

    grant_id: GrantId
    grantee: Address
    not_before: int
    """First second in which it is live, Unix time."""
    expires_at: int
    """First second in which it is no longer live."""
    purposes: Purpose
    """0 once revoked."""
    stamp: int
    """The patient's stamp when it was granted."""
    epoch: int
    """How often it was changed."""

    @property
    def patient(self) -> Address:
        """The patient whom the id names."""
        return patient_of(self.grant_id)


class Reason(StrEnum):
    """Why a decision fell as it did."""

    PERMITTED = "permitted"
    OWN_RECORD = "own-record"
    NO_GRANT = "no-grant"
    OTHER_READER = "other-reader"
    RETRACTED = "retracted"
    REVOKED = "revoked"
    NOT_YET = "not-yet"
    EXPIRED = "expired"
    PURPOSE_NOT_GRANTED = "purpose-not-granted"
    RECORD_NOT_COVERED = "record-not-covered"


_SENTENCES = {
    Reason.PERMITTED: "the patient's grant permits it",
    Reason.OWN_RECORD: "the reader is the record's patient or custodian",
    Reason.NO_GRANT: "the patient has granted this reader nothing",
    Reason.OTHER_READER: "the grant is another reader's",
    Reason.RETRACTED: "its custodian has withdrawn the record",
    Reason.REVOKED: "the patient has revoked the grant",
    Reason.NOT_YET: "the grant is not live yet",
    Reason.EXPIRED: "the grant has expired",
    Reason.PURPOSE_NOT_GRANTED: "the grant does not cover this purpose",
    Reason.RECORD_NOT_COVERED: "the grant does not cover this record",
}
_ADVICE = {
    Reason.NO_GRANT: "ask the patient for access",
    Reason.OTHER_READER: "use the identity to which access was granted",
    Reason.RETRACTED: "ask the custodian for a corrected one",
    Reason.REVOKED: "ask the patient; what was fetched before must be treated as the terms say",
    Reason.NOT_YET: "try again when the grant has begun",
    Reason.EXPIRED: "ask the patient to grant access anew",
    Reason.PURPOSE_NOT_GRANTED: "state the purpose that was granted, or ask the patient for this one",
    Reason.RECORD_NOT_COVERED: "ask the patient to include the record",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer to "may this reader use this record for this purpose at this time?", with its grounds."""

    reason: Reason
    reader: Address
    purpose: Purpose
    at: int
    """The time it speaks of, Unix seconds."""
    grant: Grant | None = None
    """The grant that decided."""
    block: int | None = None
    """The block whose state was asked; set by whoever asked the chain."""

    @property
    def permitted(self) -> bool:
        """Whether access is permitted."""
        return self.reason in (Reason.PERMITTED, Reason.OWN_RECORD)

    def explain(self) -> str:
        """Return one sentence for a person: what was decided, why, and as of when."""
        verdict = "permitted" if self.permitted else "denied"
        since = ""
        if self.grant is not None and self.reason is Reason.EXPIRED:
            since = f" on {_moment(self.grant.expires_at)}"
        elif self.grant is not None and self.reason is Reason.NOT_YET:
            since = f", it begins on {_moment(self.grant.not_before)}"
        codes = ",".join(self.purpose.codes)
        block = f", block {self.block}" if self.block is not None else ""
        return f"{verdict} for {codes}: {_SENTENCES[self.reason]}{since} (as of {_moment(self.at)}{block})"

    def advice(self) -> str:
        """Return what the reader can do about a denial, or nothing."""
        return _ADVICE.get(self.reason, "")


def liveness(grant: Grant, *, stamp: int, purpose: Purpose, now: int) -> Reason:
    """Return whether ``grant`` is live for all of ``purpose`` at ``now``, as ``ConsentRegistry.isLive`` says it.

    Args:
        grant: the grant.
        stamp: the patient's stamp now.
        purpose: at least one purpose.
        now: Unix seconds; a grant is live from ``not_before`` on and no longer at ``expires_at``.
    """
    if not grant.purposes or grant.stamp != stamp:
        return Reason.REVOKED
    if now < grant.not_before:
        return Reason.NOT_YET
    if now >= grant.expires_at:
        return Reason.EXPIRED
    if purpose & grant.purposes != purpose or not purpose:
        return Reason.PURPOSE_NOT_GRANTED
    return Reason.PERMITTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A grant, the terms it was given under, and the patient's stamp: all that a decision rests on."""

    grant: Grant
    terms: Terms
    stamp: int

    def __post_init__(self) -> None:
        if self.terms.grant_id() != self.grant.grant_id:
            raise InvalidInputError("these terms are not the ones the grant was given under")


# The nearer a grant came to permitting, the more its reason tells the reader.
NEARNESS = (
    Reason.NO_GRANT,
    Reason.OTHER_READER,
    Reason.RECORD_NOT_COVERED,
    Reason.PURPOSE_NOT_GRANTED,
    Reason.REVOKED,
    Reason.EXPIRED,
    Reason.NOT_YET,
    Reason.PERMITTED,
)


def decide(consents: Sequence[Consent], *, record: RecordRef, purpose: Purpose, reader: Address, now: int) -> Decision:
    """Decide whether ``reader`` may use ``record`` for ``purpose`` at ``now``.

    A grant permits if it is the reader's, its terms name the record and the purpose, and it is live. One grant that
    permits is enough; where none does, the reason is that of the grant which came nearest.

    Args:
        consents: the grants of the record's patient to this reader, with terms and the patient's stamp.
        record: what is to be read.
        purpose: what for; all of it must be granted.
        reader: who asks.
        now: Unix seconds.
    """
    best = Decision(reason=Reason.NO_GRANT, reader=reader, purpose=purpose, at=now)
    for consent in consents:
        reason = _judge(consent, record=record, purpose=purpose, reader=reader, now=now)
        if NEARNESS.index(reason) > NEARNESS.index(best.reason):
            best = Decision(reason=reason, reader=reader, purpose=purpose, at=now, grant=consent.grant)
    return best


def _judge(consent: Consent, *, record: RecordRef, purpose: Purpose, reader: Address, now: int) -> Reason:
    if consent.grant.grantee != reader:
        return Reason.OTHER_READER
    if record not in consent.terms.records:
        return Reason.RECORD_NOT_COVERED
    if purpose & consent.terms.purposes != purpose:
        return Reason.PURPOSE_NOT_GRANTED
    return liveness(consent.grant, stamp=consent.stamp, purpose=purpose, now=now)


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantRequest:
    """What a patient sends to the chain to grant access (the arguments of ``ConsentRegistry.grant``)."""

    grantee: Address
    terms: TermsDigest
    bundle: BundleId
    not_before: int
    """0 or a past time: from the block on in which it is granted."""
    expires_at: int
    purposes: Purpose
