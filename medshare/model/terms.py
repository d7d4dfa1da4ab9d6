"""Terms: the full text of a consent, and the excerpt of it that one custodian needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from medshare.errors import InvalidInputError
from medshare.hashing import tagged_sha256
from medshare.model.documents import MAX_DOCUMENT_SIZE, Reader, decode_document, encode_document
from medshare.model.ids import Address, GrantId, RecordId, TermsDigest, derive_grant_id
from medshare.model.provision import MAX_RECORDS, Effect, Provision
from medshare.model.purpose import Purpose
from medshare.model.request import AcceptedRequest, request_terms_digest

TERMS_VERSION = 3
EXCERPT_VERSION = 2
TERMS_FILE = "terms.c4gh"
MAX_TERMS_SIZE = MAX_DOCUMENT_SIZE
MAX_PROVISIONS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The full text of a consent under which access is granted. Encrypted for patient and grantee, never on chain."""

    patient: Address
    grantee: Address
    provisions: tuple[Provision, ...]
    salt: bytes
    """32 random bytes: without them nobody can test a guess about the terms."""
    request: AcceptedRequest | None = None
    """The request that this consent accepts, where it accepts one: the chain binds the grant to it."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Fields that a later version wrote and this one does not know: kept, since the digest covers them."""

    def __post_init__(self) -> None:
        if not any(provision.effect is Effect.PERMIT for provision in self.provisions):
            raise InvalidInputError("terms permit something: at least one provision")
        if len(self.provisions) > MAX_PROVISIONS:
            raise InvalidInputError(f"terms have at most {MAX_PROVISIONS} provisions", hint="make several grants")
        named = sum(len(provision.records) for provision in self.provisions)
        if named > MAX_RECORDS:
            raise InvalidInputError(
                f"terms name at most {MAX_RECORDS} records, not {named}",
                hint=f"make several grants, each of up to {MAX_RECORDS}",
            )

    @classmethod
    def from_json(cls, document: bytes) -> Self:
        """Return the terms that ``document`` holds, checked; raises ``InvalidInputError``."""
        read = Reader(decode_document(document, MAX_TERMS_SIZE), "terms")
        read.version(TERMS_VERSION)
        accepted = read.optional_child("request")
        return cls(
            patient=read.address("patient"),
            grantee=read.address("grantee"),
            provisions=tuple(Provision.read(each) for each in read.objects("provisions", MAX_PROVISIONS)),
            salt=read.digest("salt"),
            request=None if accepted is None else AcceptedRequest.read(accepted),
            extra=read.rest(),
        )

    def to_json(self) -> bytes:
        """Return the document that ``from_json`` reads, and on which the digest on chain depends."""
        return encode_document(
            {
                **self.extra,
                "version": TERMS_VERSION,
                "patient": self.patient,
                "grantee": self.grantee,
                "provisions": [provision.fields() for provision in self.provisions],
                "salt": self.salt.hex(),
                "request": self.request.fields() if self.request is not None else None,
            }
        )

    def content(self) -> bytes:
        """Return the salted digest of the whole text. The salt is one of the fields."""
        return tagged_sha256("medshare/terms/3", self.to_json())

    def digest(self) -> TermsDigest:
        """Return the digest that goes on chain: the content's; for a request, request and custodian bound to it."""
        if self.request is None:
            return TermsDigest(self.content())
        accepted = self.request
        return request_terms_digest(accepted.contract, accepted.request_id, accepted.custodian, self.content())

    def grant_id(self) -> GrantId:
        """Return the id of the grant under these terms."""
        return derive_grant_id(self.patient, self.grantee, self.digest())

    @property
    def purposes(self) -> Purpose:
        """The coarse bits that the grant on chain needs: those of everything it permits."""
        bits = Purpose(0)
        for provision in self.provisions:
            if provision.effect is Effect.PERMIT:
                for purpose in provision.purposes:
                    bits |= purpose.coarse
        return bits

    @property
    def numbered(self) -> tuple[tuple[int, Provision], ...]:
        """The provisions, each with the number by which a decision names it."""
        return tuple(enumerate(self.provisions))

    def header_name(self, record_id: RecordId) -> str:
        """Return the name of a record's header in the bundle: who has no terms cannot tell which record it is of."""
        return tagged_sha256("medshare/bundle/1", self.salt, record_id).hex() + ".c4gh"

    @property
    def slips_name(self) -> str:
        """The name of the slips in the bundle: who has no terms cannot tell it from a header's."""
        return tagged_sha256("medshare/bundle-slips/1", self.salt).hex() + ".c4gh"

    def excerpt_for(self, custodian: Address) -> Excerpt:
        """Return what of these terms concerns one custodian's records, denials included.

        The excerpt decides about his records as the terms do, names no other institution, and has no salt: nobody can
        test a guess about the rest with it. That other provisions exist shows in the numbers of those that are there.
        """
        return Excerpt(
            patient=self.patient,
            grantee=self.grantee,
            terms=self.digest(),
            custodian=custodian,
            numbered=tuple(
                (number, provision.narrowed_to(custodian))
                for number, provision in self.numbered
                if provision.concerns(custodian)
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """What of a consent concerns one custodian, for his client to apply to what he publishes later.

    Nothing in it proves that the terms say so: it is worth what the patient's seal around it is worth.
    """

    patient: Address
    grantee: Address
    terms: TermsDigest
    """Digest of the full terms, as it stands on chain."""
    custodian: Address
    numbered: tuple[tuple[int, Provision], ...]
    """Provisions with their numbers in the full terms; none where nothing concerns this custodian."""
    on_receipt: bool = False
    """Whether the grant's keys are released on a read receipt: until they are delivered, it permits nothing."""

    def __post_init__(self) -> None:
        numbers = [number for number, _ in self.numbered]
        if numbers != sorted(set(numbers)) or not all(0 <= number < MAX_PROVISIONS for number in numbers):
            raise InvalidInputError("an excerpt's provisions are numbered as in the terms, in order")
        for _, provision in self.numbered:
            if not provision.concerns(self.custodian) or provision != provision.narrowed_to(self.custodian):
                raise InvalidInputError("an excerpt speaks of one custodian only")

    @classmethod
    def from_json(cls, document: bytes) -> Self:
        """Return the excerpt that ``document`` holds, checked; raises ``InvalidInputError``."""
        read = Reader(decode_document(document, MAX_TERMS_SIZE), "excerpt")
        read.version(EXCERPT_VERSION)
        excerpt = cls(
            patient=read.address("patient"),
            grantee=read.address("grantee"),
            terms=TermsDigest(read.digest("terms")),
            custodian=read.address("custodian"),
            numbered=tuple(
                (each.integer("number", 0, MAX_PROVISIONS - 1), Provision.read(each.child("provision")))
                for each in read.objects("provisions", MAX_PROVISIONS)
            ),
            on_receipt=read.flag("on_receipt"),
        )
        read.end()
        return excerpt

    def to_json(self) -> bytes:
        """Return the document that ``from_json`` reads."""
        return encode_document(
            {
                "version": EXCERPT_VERSION,
                "patient": self.patient,
                "grantee": self.grantee,
                "terms": self.terms.hex(),
                "custodian": self.custodian,
                "provisions": [
                    {"number": number, "provision": provision.fields()} for number, provision in self.numbered
                ],
                "on_receipt": self.on_receipt,
            }
        )

    def denying(self) -> Self:
        """Return what it denies, without what it permits: with it less is permitted, whatever else is granted."""
        denials = tuple((number, each) for number, each in self.numbered if each.effect is Effect.DENY)
        return replace(self, numbered=denials)

    def grant_id(self) -> GrantId:
        """Return the id of the grant under the full terms."""
        return derive_grant_id(self.patient, self.grantee, self.terms)
