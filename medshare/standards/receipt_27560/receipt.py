"""A receipt: made from a consent and its controller, read, and compared with what the chain tells."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from medshare.content import Cid
from medshare.errors import IntegrityError, InvalidInputError
from medshare.hashing import tagged_sha256
from medshare.model.documents import MAX_DOCUMENT_SIZE, decode_document, encode_document
from medshare.model.ids import Address, GrantId, address, grant_id
from medshare.model.provision import Effect, Provision
from medshare.model.stated_use import StatedStudy
from medshare.model.terms import Terms
from medshare.standards.given import GivenConsent
from medshare.standards.receipt_27560.fields import (
    BASIS,
    CONTEXT,
    EVENT,
    HEADER,
    OPTIONAL_PARTY,
    OPTIONAL_PROCESSING,
    PARTY,
    PII,
    PROCESSING,
    RECEIPT_SCHEMA,
    RECORD,
    RECORD_SCHEMA,
)
from medshare.standards.receipt_27560.pii_controller import PiiController
from medshare.standards.receipt_27560.study import purposes_of, read_study, study_fields

MAX_RECEIPT_SIZE = 2 * MAX_DOCUMENT_SIZE
_ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason#"
_HEALTH = "health data (GDPR Art. 9)"
_TOKEN = re.compile(r"eip155:([1-9]\d{0,19})/erc1155:(0x[0-9a-fA-F]{40})/([1-9]\d{0,77})", re.ASCII)
_OF_CONTROLLER = frozenset(OPTIONAL_PROCESSING) | {
    *("privacy_notice", "language", "storage_locations", "jurisdiction", "withdrawal_method", "retention_period")
}


class ConsentState(StrEnum):
    """The state of a consent, in the words of the Data Privacy Vocabulary."""

    GIVEN = "dpv:ConsentGiven"
    WITHDRAWN = "dpv:ConsentWithdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A receipt that has all mandatory fields, and terms that are those of the grant it names."""

    fields: Mapping[str, Any]
    terms: Terms
    chain_id: int
    registry: Address
    grant_id: GrantId

    @classmethod
    def of(cls, given: GivenConsent, controller: PiiController) -> Self:
        """Return the receipt of a consent, the same each time for the same state of the grant."""
        events = _events(given)
        record: dict[str, Any] = {
            "@type": "dpv:ConsentRecord",
            "schema_version": RECORD_SCHEMA,
            "record_id": _uuid(given.terms, "record", b""),
            "pii_principal_id": given.did(given.terms.patient),
            "processing": [
                _processing(each, given, controller) for each in given.terms.provisions if each.effect is Effect.PERMIT
            ],
            "parties": [dict(controller.party)],
            "events": events,
        }
        if given.study is not None:
            record["study"] = study_fields(given.study)
        fields = {
            "@context": CONTEXT,
            "@type": "dpv:ConsentReceipt",
            "schema_version": RECEIPT_SCHEMA,
            "receipt_id": _uuid(given.terms, "receipt", encode_document(record)),
            "created": events[-1]["event_time"],
            "consent_record": record,
            "grant": given.token,
            "terms": decode_document(given.terms.to_json()),
        }
        return cls.from_json(encode_document(fields))

    @classmethod
    def from_json(cls, document: bytes) -> Self:
        """Return the receipt that ``document`` holds.

        Raises:
            InvalidInputError: not well-formed, or mandatory fields are missing: the message names them all.
            IntegrityError: its terms are not those of the grant that it names.
        """
        fields = decode_document(document, MAX_RECEIPT_SIZE)
        missing = list(_missing(fields))
        if missing:
            raise InvalidInputError(f"the receipt lacks: {', '.join(missing[:20])}")
        found = _TOKEN.fullmatch(str(fields["grant"]))
        if found is None or not isinstance(fields["terms"], dict):
            raise InvalidInputError("the receipt names no grant on a chain")
        terms = Terms.from_json(encode_document(fields["terms"]))
        receipt = cls(
            fields=fields,
            terms=terms,
            chain_id=int(found[1]),
            registry=address(found[2]),
            grant_id=grant_id(int(found[3])),
        )
        if terms.grant_id() != receipt.grant_id:
            raise IntegrityError("the terms in the receipt are not those of the grant that it names")
        return receipt

    def to_json(self) -> bytes:
        """Return the document that ``from_json`` reads."""
        return encode_document(self.fields)

    def digest(self) -> bytes:
        """Return its salted digest: it can be shown, and tells nobody what it is of."""
        return tagged_sha256("medshare/receipt/1", self.terms.salt, self.to_json())

    @property
    def created_at(self) -> int:
        """When what it says last changed, Unix seconds; raises ``InvalidInputError``."""
        try:
            return int(datetime.strptime(str(self.fields["created"]), _MOMENT).replace(tzinfo=UTC).timestamp())
        except (ValueError, OverflowError) as error:
            raise InvalidInputError("the receipt does not say when it was made") from error

    @property
    def state(self) -> ConsentState:
        """The state that it states last; raises ``InvalidInputError``."""
        said = self.fields["consent_record"]["events"][-1]["event_state"]
        if said not in list(ConsentState):
            raise InvalidInputError("the receipt states no state of a consent that medshare knows")
        return ConsentState(said)

    @property
    def study(self) -> StatedStudy | None:
        """The study that it states, where the consent accepts a request; raises ``InvalidInputError``."""
        return read_study(self.fields["consent_record"].get("study"))

    @property
    def pii_controller(self) -> PiiController:
        """The controller that it names; raises ``InvalidInputError``."""
        record = self.fields["consent_record"]
        numbered = enumerate(each for each in self.terms.provisions if each.effect is Effect.PERMIT)
        # Where all is to be erased by a time, that time stands in the place of the controller's own.
        number = next((number for number, each in numbered if each.erase_by is None), 0)
        said = record["processing"][number] if number < len(record["processing"]) else {}
        party = {name: value for name, value in record["parties"][0].items() if name in (*PARTY, *OPTIONAL_PARTY)}
        return PiiController.read({**party, **{name: said[name] for name in said if name in _OF_CONTROLLER}})

    def check_against(self, given: GivenConsent) -> None:
        """Compare with the consent, as the chain tells it.

        Args:
            given: the consent, with the receipt's own terms, and nothing that happened after ``created_at``.

        Raises:
            IntegrityError: the receipt says something else; the message names the first field.
            InvalidInputError: it names no controller.
        """
        made = Receipt.of(given, self.pii_controller)
        # The id follows from all of the record: where that differs, it says more.
        for path in sorted(_differing(self.fields, made.fields), key="receipt_id".__eq__):
            raise IntegrityError(f"the receipt says something else than terms and chain: {path}")


_MOMENT = "%Y-%m-%dT%H:%M:%SZ"


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime(_MOMENT)


def _uuid(terms: Terms, what: str, content: bytes) -> str:
    """Return a UUID that nobody can link to the grant without the salt, and which is the same each time."""
    digest = tagged_sha256(f"medshare/receipt-{what}/1", terms.salt, terms.digest(), content)
    return str(UUID(bytes=digest[:16], version=4))


def _events(given: GivenConsent) -> list[dict[str, str]]:
    events = [
        {
            "event_time": _moment(given.given_at),
            "validity_duration": f"{_moment(given.grant.not_before)}/{_moment(given.grant.expires_at)}",
            "entity_id": given.did(given.given_by),
            "event_type": BASIS,
            "event_state": ConsentState.GIVEN.value,
        }
    ]
    if given.revoked_at is not None:
        events.append(
            {
                "event_time": _moment(given.revoked_at),
                "validity_duration": f"{_moment(given.revoked_at)}/..",
                "entity_id": given.did(given.terms.patient),
                "event_type": BASIS,
                "event_state": ConsentState.WITHDRAWN.value,
            }
        )
    return events


def _processing(provision: Provision, given: GivenConsent, controller: PiiController) -> dict[str, Any]:
    said: dict[str, Any] = {
        **{name: list(value) if isinstance(value, tuple) else value for name, value in controller.processing.items()},
        "purposes": [*(_ACT_REASON + each for each in provision.purposes), *purposes_of(given.study)],
        "pii_information": _pii(provision),
        "pii_controllers": [controller.party_id],
        "recipient_third_parties": [given.did(given.terms.grantee)],
    }
    if provision.erase_by is not None:
        said["retention_period"] = f"until {_moment(provision.erase_by)}"
    if provision.obligations:
        said["obligations"] = [each.in_words() for each in provision.obligations]
    return said


def _pii(provision: Provision) -> list[dict[str, Any]]:
    if provision.records:
        kinds: list[dict[str, Any]] = [
            {"pii_type": "health record", "pii_attribute_id": f"ipfs://{Cid.of_directory(each.record_id)}"}
            for each in provision.records
        ]
    elif provision.categories:
        kinds = [{"pii_type": f"health records: {each}"} for each in provision.categories]
    else:
        kinds = [{"pii_type": "health records of every kind"}]
    for kind in kinds:
        kind["special_pii_category"] = _HEALTH
        if provision.labels:
            kind["sensitive_pii_category"] = list(provision.labels)
    return kinds


def _missing(fields: Mapping[str, Any]) -> Iterator[str]:
    """Yield the mandatory fields that are not there, by their paths."""
    yield from _absent(fields, HEADER, "")
    said = fields.get("consent_record")
    record = said if isinstance(said, dict) else {}
    yield from _absent(record, RECORD, "consent_record.")
    for name, mandatory in (("processing", PROCESSING), ("parties", PARTY), ("events", EVENT)):
        for path, each in _each(record.get(name), f"consent_record.{name}"):
            yield from _absent(each, mandatory, f"{path}.")
            if name == "processing":
                for place, kind in _each(each.get("pii_information"), f"{path}.pii_information"):
                    yield from _absent(kind, PII, f"{place}.")


def _absent(fields: Mapping[str, Any], mandatory: Sequence[str], path: str) -> Iterator[str]:
    return (path + name for name in mandatory if fields.get(name) in (None, "", [], {}))


def _each(several: object, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the objects of a list with their paths; what is none has no fields."""
    listed = several if isinstance(several, list) else [several]
    for number, each in enumerate(listed):
        yield f"{path}[{number}]", each if isinstance(each, dict) else {}


def _differing(one: object, other: object, path: str = "") -> Iterator[str]:
    """Yield where two documents differ, by paths of the second one's names."""
    if isinstance(one, dict) and isinstance(other, dict):
        if one.keys() - other.keys():
            yield f"{path or 'its'} fields".strip()
        for name, value in other.items():
            yield from _differing(one.get(name), value, f"{path}.{name}".lstrip("."))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (mine, theirs) in enumerate(zip(one, other, strict=True)):
            yield from _differing(mine, theirs, f"{path}[{number}]")
    elif one != other:
        yield path
