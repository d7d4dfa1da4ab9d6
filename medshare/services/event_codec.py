"""Ledger events as rows: how the index writes them down and reads them back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from medshare.model.consent import Grant
from medshare.model.events import (
    AccessGranted,
    AccessRevoked,
    AllAccessRevoked,
    EncryptionKeySet,
    EventPlace,
    LedgerEvent,
    RecordRegistered,
    RecordRetracted,
    RecordSuperseded,
)
from medshare.model.ids import Address, BundleId, GrantId, RecordId, TermsDigest, patient_of
from medshare.model.purpose import Purpose

Subject: TypeAlias = Mapping[str, str | None]
"""What an event is searched by: patient, actor (grantee, custodian or whose key), record and grant."""

_BYTES = frozenset({"key", "record_id", "previous_id", "reason", "terms", "bundle"})
_KINDS: dict[str, type[LedgerEvent]] = {
    kind.__name__: kind
    for kind in (
        EncryptionKeySet,
        RecordRegistered,
        RecordSuperseded,
        RecordRetracted,
        AccessGranted,
        AccessRevoked,
        AllAccessRevoked,
    )
}


def subject(event: LedgerEvent) -> Subject:
    """Return what ``event`` is searched by."""
    match event:
        case EncryptionKeySet():
            return {"actor": event.actor}
        case RecordRegistered() | RecordSuperseded():
            return {"patient": event.patient, "actor": event.custodian, "record": event.record_id.hex()}
        case RecordRetracted():
            return {"actor": event.custodian, "record": event.record_id.hex()}
        case AccessGranted():
            return {
                "patient": event.grant.patient,
                "actor": event.grant.grantee,
                "grant_id": grant_text(event.grant.grant_id),
            }
        case AccessRevoked():
            return {"patient": patient_of(event.grant_id), "grant_id": grant_text(event.grant_id)}
        case AllAccessRevoked():
            return {"patient": event.patient}


def grant_text(grant_id: GrantId) -> str:
    """Return a grant id as text of one length (SQLite has no 256-bit integers)."""
    return f"{grant_id:064x}"


def encode(event: LedgerEvent) -> tuple[str, str]:
    """Return the kind of ``event`` and its fields as JSON."""
    body = {name: _encode(name, getattr(event, name)) for name in event.__dataclass_fields__ if name != "place"}
    return type(event).__name__, json.dumps(body, sort_keys=True, separators=(",", ":"))


def decode(kind: str, body: str, place: EventPlace) -> LedgerEvent:
    """Return the event that ``encode`` wrote."""
    fields = {name: _decode(name, value) for name, value in json.loads(body).items()}
    make: Callable[..., LedgerEvent] = _KINDS[kind]
    return make(place=place, **fields)


def _encode(name: str, value: Any) -> Any:  # noqa: ANN401 - JSON values
    match value:
        case bytes():
            return value.hex()
        case Grant():
            return [
                grant_text(value.grant_id),
                value.grantee,
                value.not_before,
                value.expires_at,
                int(value.purposes),
                value.stamp,
                value.epoch,
            ]
        case _:
            return grant_text(value) if name == "grant_id" else value


def _decode(name: str, value: Any) -> Any:  # noqa: ANN401 - JSON values
    if name in _BYTES:
        return {"record_id": RecordId, "previous_id": RecordId, "terms": TermsDigest, "bundle": BundleId}.get(
            name, bytes
        )(bytes.fromhex(value))
    if name == "grant_id":
        return GrantId(int(value, 16))
    if name == "grant":
        grant, grantee, not_before, expires_at, purposes, stamp, epoch = value
        return Grant(
            grant_id=GrantId(int(grant, 16)),
            grantee=Address(grantee),
            not_before=not_before,
            expires_at=expires_at,
            purposes=Purpose(purposes),
            stamp=stamp,
            epoch=epoch,
        )
    return value
