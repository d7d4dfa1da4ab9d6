"""References of a Consent: accounts as did:pkh, records as ipfs URIs; and who is meant by those of others.

An account on chain is named by the chain's id, too: the same key on another chain is somebody else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from medshare.content import Cid, Codec
from medshare.errors import InvalidInputError
from medshare.model.ids import Address, RecordId, address
from medshare.model.record import RecordRef
from medshare.standards.fhir_consent.elements import Element
from medshare.standards.given import did

URI_SYSTEM = "urn:ietf:rfc:3986"
_DID = re.compile(r"did:pkh:eip155:([1-9]\d{0,19}):(0x[0-9a-fA-F]{40})", re.ASCII)
_IPFS = "ipfs://"
_GROUP = re.compile(r"(.*/)?Group/[^/]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a reader of Consents knows beside them: whom references mean, and which policies say no more."""

    chain_id: int
    people: Mapping[str, Address] = field(default_factory=dict)
    """Accounts, by the literal reference to them, as ``Practitioner/17``."""
    records: Mapping[str, RecordRef] = field(default_factory=dict)
    """Records, by the literal reference to them, as ``Observation/17``."""
    policies: frozenset[str] = frozenset()
    """URIs of policies that somebody has read: they permit and deny nothing beyond the provisions."""

    def person(self, reference: Element) -> Address:
        """Return whom a reference means; raises ``NotExpressibleError`` where nobody knows."""
        found = self._person(reference)
        if found is None:
            reference.refuse("nobody here knows who that is")
        return found

    def person_or_group(self, reference: Element) -> Address | None:
        """Return whom a reference means, or None for a group of people whom nobody has named."""
        is_group = _is_group(reference)
        found = self._person(reference)
        if found is None and not is_group:
            reference.refuse("nobody here knows who that is")
        return found

    def record(self, reference: Element) -> RecordRef:
        """Return which record a reference means; raises ``NotExpressibleError`` where nobody knows."""
        literal, uri, assigner = _parts(reference)
        if literal is not None and literal in self.records:
            return self.records[literal]
        if uri is None or not uri.startswith(_IPFS) or assigner is None:
            reference.refuse("nobody here knows which record that is")
        custodian = self.person(assigner)
        try:
            cid = Cid.parse(uri.removeprefix(_IPFS))
        except InvalidInputError:
            reference.refuse("is not the CID of a record")
        if cid.codec is not Codec.DAG_PB:
            reference.refuse("is the CID of a part of a record")
        return RecordRef(custodian=custodian, record_id=RecordId(cid.digest))

    def _person(self, reference: Element) -> Address | None:
        literal, uri, _ = _parts(reference)
        if literal is not None and literal in self.people:
            return self.people[literal]
        found = _DID.fullmatch(uri) if uri is not None else None
        if found is None:
            return None
        if int(found[1]) != self.chain_id:
            reference.refuse("is an account of another chain")
        try:
            return address(found[2])
        except InvalidInputError:
            reference.refuse("is no account: the checksum is wrong")


def uri_identifier(uri: str) -> dict[str, Any]:
    """Return an Identifier that is a URI."""
    return {"system": URI_SYSTEM, "value": uri}


def person(account: Address, chain_id: int, kind: str | None = None) -> dict[str, Any]:
    """Return a Reference to an account; ``kind`` is its resource type, where that is known."""
    reference = {"identifier": uri_identifier(did(account, chain_id))}
    return reference if kind is None else {"type": kind, **reference}


def record(ref: RecordRef, chain_id: int) -> dict[str, Any]:
    """Return a Reference to a record, as its custodian states it."""
    identifier = uri_identifier(_IPFS + str(Cid.of_directory(ref.record_id)))
    identifier["assigner"] = person(ref.custodian, chain_id, "Organization")
    return {"type": "DocumentReference", "identifier": identifier}


def _is_group(reference: Element) -> bool:
    return reference.peek("type") == "Group" or _GROUP.fullmatch(str(reference.peek("reference"))) is not None


def _parts(reference: Element) -> tuple[str | None, str | None, Element | None]:
    """Return the literal reference, the URI that identifies, and who assigned it."""
    literal = reference.text("reference")
    identifier = reference.one("identifier")
    reference.pass_over("type", "display")
    reference.end()
    if identifier is None:
        return literal, None, None
    system, value, assigner = identifier.text("system"), identifier.text("value"), identifier.one("assigner")
    identifier.pass_over("use", "type", "period")
    identifier.end()
    return literal, value if system == URI_SYSTEM else None, assigner
