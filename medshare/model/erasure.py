"""Erasure of a record: the mark on chain, the custodian's certificate, and what readers answer.

The mark takes the place of a retraction's salted digest and can be recomputed by everybody, so that nobody keeps or
copies what was erased, and readers find out from the chain. Why it was erased it does not say.

A record that had been withdrawn before, for another reason, carries no mark: a record is withdrawn once. Who could
read it is told by a notice instead, which its custodian signs and hands out.

Certificate, notice and answer are documents of which the digest is signed as typed data, in the RecordRegistry's
domain. No contract takes these structs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Generic, Self, TypeVar

from medshare.errors import InvalidInputError
from medshare.hashing import tagged_sha256
from medshare.model.documents import Reader, decode_document, encode_document
from medshare.model.eip712 import MAX_CHAIN_ID, Domain, read_hex
from medshare.model.ids import Address, RecordId
from medshare.model.typed_data import MAX_SIGNATURE_SIZE, TypedStruct, digest

CERTIFICATE_VERSION = 1
ACKNOWLEDGEMENT_VERSION = 1
NOTICE_VERSION = 1
MAX_CERTIFICATE_SIZE = 32 << 20
MAX_ACKNOWLEDGEMENT_SIZE = 64 << 10
MAX_NOTICE_SIZE = 8 << 20
MAX_KEPT_BECAUSE = 2_000
MAX_VERSIONS = 1 << 16
MAX_BLOCKS = 1 << 18
"""Of all versions together: 256 GiB."""
MAX_READERS = 1 << 16
_MAX_PLACES = 1_000
_MAX_REMAINS = 100
_MAX_TIME = (1 << 32) - 1
_REGISTRY = "RecordRegistry"


def erasure_mark(custodian: Address, record_id: RecordId) -> bytes:
    """Return what a retraction says in the place of its reason where the record was erased."""
    return tagged_sha256("medshare/erased/1", bytes.fromhex(custodian.removeprefix("0x")), record_id)


class Ground(StrEnum):
    """Why somebody could have read a record."""

    STANDING_PACKET = "standing-packet"
    """Its own header has a packet for him."""
    GRANT = "grant"
    """A grant covers it, or nobody can say any more what it covered."""
    EMERGENCY = "emergency"
    """Its key was released to him in an emergency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedVersion:
    """One version of the record, and its mark on chain."""

    record_id: RecordId
    version: int
    marked_at: int
    """Block time of its retraction, Unix seconds."""
    transaction: bytes
    marked: bool
    """Whether the retraction carries the mark; not where the record had been withdrawn before, for another reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedPlace:
    """A store, and what it holds still."""

    name: str
    remaining: int
    """Of the record's blocks."""
    verified_at: int
    """When it was asked, Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldReader:
    """Somebody who could have read the record."""

    reader: Address
    ground: Ground


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What a custodian states of an erasure."""

    custodian: Address
    patient: Address
    record_id: RecordId
    """The newest version."""
    versions: tuple[ErasedVersion, ...]
    """All of them, newest first."""
    blocks: tuple[str, ...]
    """CIDs of all blocks that they had."""
    places: tuple[ErasedPlace, ...]
    readers: tuple[ToldReader, ...]
    acknowledge_by: int
    """Until when readers are to answer, Unix seconds."""
    policy: bytes
    """SHA-256 of the retention policy by which it might be erased."""
    jurisdiction: str
    reason: bytes
    """Salted digest of why it was erased; the text is the custodian's."""
    issued_at: int
    """Unix seconds."""
    remains: tuple[str, ...]
    """What could not be erased, and why."""

    limit: ClassVar[int] = MAX_CERTIFICATE_SIZE

    @property
    def author(self) -> Address:
        """Whose word it is."""
        return self.custodian

    @property
    def struct(self) -> TypedStruct:
        """What is signed."""
        return SignedCertificate(
            custodian=self.custodian,
            record_id=self.record_id,
            issued_at=self.issued_at,
            document=_digest("medshare/erasure-certificate/1", self),
        )

    def fields(self) -> dict[str, Any]:
        """Return the document's fields."""
        return {
            "version": CERTIFICATE_VERSION,
            "custodian": self.custodian,
            "patient": self.patient,
            "record": self.record_id.hex(),
            "versions": [
                {
                    "record": each.record_id.hex(),
                    "number": each.version,
                    "marked_at": each.marked_at,
                    "transaction": each.transaction.hex(),
                    "marked": each.marked,
                }
                for each in self.versions
            ],
            "blocks": list(self.blocks),
            "places": [
                {"name": each.name, "remaining": each.remaining, "verified_at": each.verified_at}
                for each in self.places
            ],
            "readers": [{"reader": each.reader, "ground": each.ground.value} for each in self.readers],
            "acknowledge_by": self.acknowledge_by,
            "policy": self.policy.hex(),
            "jurisdiction": self.jurisdiction,
            "reason": self.reason.hex(),
            "issued_at": self.issued_at,
            "remains": list(self.remains),
        }

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> Self:
        """Return the certificate that a document's fields are; raises ``InvalidInputError``."""
        read = Reader(fields, "certificate")
        read.version(CERTIFICATE_VERSION)
        certificate = cls(
            custodian=read.address("custodian"),
            patient=read.address("patient"),
            record_id=RecordId(read.digest("record")),
            versions=tuple(_version(each) for each in read.objects("versions", MAX_VERSIONS)),
            blocks=read.texts("blocks", MAX_BLOCKS),
            places=tuple(_place(each) for each in read.objects("places", _MAX_PLACES)),
            readers=tuple(_reader(each) for each in read.objects("readers", MAX_READERS)),
            acknowledge_by=read.integer("acknowledge_by", 0, _MAX_TIME),
            policy=read.digest("policy"),
            jurisdiction=read.text("jurisdiction"),
            reason=read.digest("reason"),
            issued_at=read.integer("issued_at", 0, _MAX_TIME),
            remains=read.texts("remains", _MAX_REMAINS),
        )
        read.end()
        if certificate.record_id not in {each.record_id for each in certificate.versions}:
            raise InvalidInputError("the certificate is of a record that is not among its versions")
        return certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """What a reader answers when a record that he could read was erased."""

    reader: Address
    custodian: Address
    record_id: RecordId
    """The newest version: it stands for all."""
    signed_at: int
    """Unix seconds."""
    kept_because: str | None
    """Why he keeps a copy; None where he has erased all that he had, or never had any."""

    limit: ClassVar[int] = MAX_ACKNOWLEDGEMENT_SIZE

    def __post_init__(self) -> None:
        if self.kept_because is not None and not 0 < len(self.kept_because) <= MAX_KEPT_BECAUSE:
            raise InvalidInputError(f"why a copy is kept is said in 1 to {MAX_KEPT_BECAUSE} characters")

    @property
    def author(self) -> Address:
        """Whose word it is."""
        return self.reader

    @property
    def struct(self) -> TypedStruct:
        """What is signed."""
        return SignedAcknowledgement(
            reader=self.reader,
            custodian=self.custodian,
            record_id=self.record_id,
            signed_at=self.signed_at,
            erased=self.kept_because is None,
            document=_digest("medshare/erasure-acknowledgement/1", self),
        )

    def fields(self) -> dict[str, Any]:
        """Return the document's fields."""
        return {
            "version": ACKNOWLEDGEMENT_VERSION,
            "reader": self.reader,
            "custodian": self.custodian,
            "record": self.record_id.hex(),
            "signed_at": self.signed_at,
            "kept_because": self.kept_because,
        }

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> Self:
        """Return the acknowledgement that a document's fields are; raises ``InvalidInputError``."""
        read = Reader(fields, "acknowledgement")
        read.version(ACKNOWLEDGEMENT_VERSION)
        acknowledgement = cls(
            reader=read.address("reader"),
            custodian=read.address("custodian"),
            record_id=RecordId(read.digest("record")),
            signed_at=read.integer("signed_at", 0, _MAX_TIME),
            kept_because=read.optional_text("kept_because"),
        )
        read.end()
        return acknowledgement


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureNotice:
    """What a custodian tells patient and readers of an erasure that carries no mark on chain."""

    custodian: Address
    patient: Address
    record_id: RecordId
    """The newest version."""
    versions: tuple[RecordId, ...]
    """All of them, newest first."""
    acknowledge_by: int
    """Until when readers are to answer, Unix seconds."""
    issued_at: int
    """Unix seconds."""

    limit: ClassVar[int] = MAX_NOTICE_SIZE

    @property
    def author(self) -> Address:
        """Whose word it is."""
        return self.custodian

    @property
    def struct(self) -> TypedStruct:
        """What is signed."""
        return SignedErasureNotice(
            custodian=self.custodian,
            record_id=self.record_id,
            issued_at=self.issued_at,
            document=_digest("medshare/erasure-notice/1", self),
        )

    def fields(self) -> dict[str, Any]:
        """Return the document's fields."""
        return {
            "version": NOTICE_VERSION,
            "custodian": self.custodian,
            "patient": self.patient,
            "record": self.record_id.hex(),
            "versions": [each.hex() for each in self.versions],
            "acknowledge_by": self.acknowledge_by,
            "issued_at": self.issued_at,
        }

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> Self:
        """Return the notice that a document's fields are; raises ``InvalidInputError``."""
        read = Reader(fields, "erasure notice")
        read.version(NOTICE_VERSION)
        notice = cls(
            custodian=read.address("custodian"),
            patient=read.address("patient"),
            record_id=RecordId(read.digest("record")),
            versions=tuple(map(RecordId, read.digests("versions", MAX_VERSIONS))),
            acknowledge_by=read.integer("acknowledge_by", 0, _MAX_TIME),
            issued_at=read.integer("issued_at", 0, _MAX_TIME),
        )
        read.end()
        return notice


# ------------------------------------------------------------------------------------------- what is signed


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCertificate(TypedStruct):
    """A certificate, as a wallet shows it."""

    contract: ClassVar[str] = _REGISTRY
    encoding: ClassVar[str] = "ErasureCertificate(address custodian,bytes32 recordId,uint32 issuedAt,bytes32 document)"

    custodian: Address
    record_id: RecordId
    issued_at: int
    document: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedAcknowledgement(TypedStruct):
    """An acknowledgement, as a wallet shows it."""

    contract: ClassVar[str] = _REGISTRY
    encoding: ClassVar[str] = (
        "ErasureAcknowledgement(address reader,address custodian,bytes32 recordId,uint32 signedAt,bool erased,"
        "bytes32 document)"
    )

    reader: Address
    custodian: Address
    record_id: RecordId
    signed_at: int
    erased: bool
    document: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedErasureNotice(TypedStruct):
    """An erasure notice, as a wallet shows it."""

    contract: ClassVar[str] = _REGISTRY
    encoding: ClassVar[str] = "ErasureNotice(address custodian,bytes32 recordId,uint32 issuedAt,bytes32 document)"

    custodian: Address
    record_id: RecordId
    issued_at: int
    document: bytes


Stated = TypeVar("Stated", Certificate, Acknowledgement, ErasureNotice)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement(Generic[Stated]):
    """A certificate, an acknowledgement or a notice, with its author's signature."""

    stated: Stated
    domain: Domain
    signature: bytes

    def __post_init__(self) -> None:
        if type(self.signature) is not bytes or not 0 < len(self.signature) <= MAX_SIGNATURE_SIZE:
            raise InvalidInputError(f"a signature has 1 to {MAX_SIGNATURE_SIZE} bytes")

    @property
    def digest(self) -> bytes:
        """What was signed."""
        return digest(self.stated.struct, self.domain)

    @classmethod
    def from_json(cls, kind: type[Stated], document: bytes) -> Self:
        """Return the statement that ``document`` holds. The signature is not verified here.

        Raises:
            InvalidInputError: not a statement of this kind and of a version we speak, or with a field too many.
        """
        fields = decode_document(document, kind.limit)
        stated = fields.pop("stated", None)
        if not isinstance(stated, dict):
            raise InvalidInputError("the document is not a signed statement")
        read = Reader(fields, "statement")
        chain_id, contract = read.integer("chain_id", 1, MAX_CHAIN_ID), read.address("contract")
        signature = read_hex(read.text("signature", 2 + 2 * MAX_SIGNATURE_SIZE), "signature")
        read.end()
        return cls(stated=kind.read(stated), domain=Domain.of(_REGISTRY, chain_id, contract), signature=signature)

    def to_json(self) -> bytes:
        """Return the document that ``from_json`` reads: UTF-8, keys sorted, no white space."""
        return encode_document(
            {
                "stated": {key: value for key, value in self.stated.fields().items() if value is not None},
                "chain_id": self.domain.chain_id,
                "contract": self.domain.verifying_contract,
                "signature": "0x" + self.signature.hex(),
            }
        )


def _digest(tag: str, stated: Certificate | Acknowledgement | ErasureNotice) -> bytes:
    return tagged_sha256(tag, encode_document(stated.fields()))


def _version(read: Reader) -> ErasedVersion:
    version = ErasedVersion(
        record_id=RecordId(read.digest("record")),
        version=read.integer("number", 1, MAX_VERSIONS),
        marked_at=read.integer("marked_at", 0, _MAX_TIME),
        transaction=read.digest("transaction"),
        marked=read.flag("marked"),
    )
    read.end()
    return version


def _place(read: Reader) -> ErasedPlace:
    place = ErasedPlace(
        name=read.text("name"),
        remaining=read.integer("remaining", 0, MAX_BLOCKS),
        verified_at=read.integer("verified_at", 0, _MAX_TIME),
    )
    read.end()
    return place


def _reader(read: Reader) -> ToldReader:
    reader = ToldReader(reader=read.address("reader"), ground=read.choice("ground", Ground))
    read.end()
    return reader
