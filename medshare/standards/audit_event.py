"""FHIR R4 AuditEvent (4.0.1), after IHE Basic Audit Log Patterns: one for each event the chain tells of a patient.

What discloses follows the profile PrivacyDisclosure.Source. People are named by their accounts only (did:pkh, of
CAIP-10): nothing is in it that the chain could not confirm, so that ``discrepancies`` finds one character edited.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import UUID, uuid5

from medshare.errors import InvalidInputError
from medshare.model.disclosure import AccountedEvent, AccountingOfDisclosures, Disclosure, Manner, Scope
from medshare.model.documents import decode_document
from medshare.model.ids import Address
from medshare.model.purpose import Purpose
from medshare.standards.comparing import Discrepancy, Entry, compare

MAX_BUNDLE_SIZE = 256 << 20

_NAMESPACE = UUID("c5c17175-2dda-4227-89ef-3f1886b77e96")
"""Of the ids of our AuditEvents, fixed for ever."""
_PROFILE = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PrivacyDisclosure.Source"
_DCM = "http://dicom.nema.org/resources/ontology/DCM"
_LIFECYCLE = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
_ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_OBJECT_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
_SNOMED = "http://snomed.info/sct"
_URI = "urn:ietf:rfc:3986"
_OURS = "urn:x-medshare:"
_SCOPE = f"{_OURS}accounting"

_Coded: TypeAlias = tuple[str, str, str | None]
"""System, code, display."""

_EXPORT = (_DCM, "110106", "Export")
_PATIENT_RECORD = (_DCM, "110110", "Patient Record")
_SECURITY_ALERT = (_DCM, "110113", "Security Alert")
_APPLICATION_ACTIVITY = (_DCM, "110100", "Application Activity")
_OVERRIDE_STARTED = (_DCM, "110127", "Emergency Override Started")
_OVERRIDE_STOPPED = (_DCM, "110138", "Emergency Override Stopped")
_OBJECT_SECURITY_CHANGED = (_DCM, "110135", "Object Security Attributes Changed")
_USER_SECURITY_CHANGED = (_DCM, "110137", None)
_SOURCE_ROLE = (_DCM, "110153", "Source Role ID")
_DESTINATION_ROLE = (_DCM, "110152", "Destination Role ID")
_DISCLOSE = (_LIFECYCLE, "disclose", "Disclose Record Lifecycle Event")
_CUSTODIAN = (_SNOMED, "159541003", None)
_AUTHORIZER = (_SNOMED, "429577009", None)

_Kind: TypeAlias = tuple[_Coded, _Coded | None, str]
"""Type, subtype, and action: create, read, update, delete or execute."""

_DISCLOSURE: _Kind = (_EXPORT, _DISCLOSE, "R")
_OTHER_EVENT: _Kind = (_APPLICATION_ACTIVITY, None, "E")
_KINDS: Mapping[str, _Kind] = {
    "RecordRegistered": (_PATIENT_RECORD, (_LIFECYCLE, "originate", "Originate/Retain Record Lifecycle Event"), "C"),
    "RecordSuperseded": (_PATIENT_RECORD, (_LIFECYCLE, "amend", "Amend (Update) Record Lifecycle Event"), "U"),
    "RecordRetracted": (_PATIENT_RECORD, (_LIFECYCLE, "deprecate", None), "D"),
    "AccessRevoked": (_SECURITY_ALERT, _OBJECT_SECURITY_CHANGED, "D"),
    "AllAccessRevoked": (_SECURITY_ALERT, _OBJECT_SECURITY_CHANGED, "D"),
    "BarSet": (_SECURITY_ALERT, _OBJECT_SECURITY_CHANGED, "U"),
    "GlassBroken": (_SECURITY_ALERT, _OVERRIDE_STARTED, "E"),
    "EpisodeEnded": (_SECURITY_ALERT, _OVERRIDE_STOPPED, "E"),
    "EpisodeReviewed": (_SECURITY_ALERT, (_LIFECYCLE, "attest", "Attest Record Lifecycle Event"), "E"),
    "DelegateAppointed": (_SECURITY_ALERT, _USER_SECURITY_CHANGED, "C"),
    "DelegateDismissed": (_SECURITY_ALERT, _USER_SECURITY_CHANGED, "D"),
    "GuardiansNamed": (_SECURITY_ALERT, _USER_SECURITY_CHANGED, "U"),
    "RecoveryProposed": (_SECURITY_ALERT, _USER_SECURITY_CHANGED, "C"),
    "RecoveryObjected": (_SECURITY_ALERT, _USER_SECURITY_CHANGED, "D"),
    "ControlMoved": (_SECURITY_ALERT, _USER_SECURITY_CHANGED, "U"),
}
_REPORT, _DOMAIN_RESOURCE, _SECURITY_RESOURCE = "3", "4", "13"
_ROLES = {"record": _REPORT, "bundle": _DOMAIN_RESOURCE}


def bundle(accounting: AccountingOfDisclosures) -> dict[str, Any]:
    """Return the Bundle of the AuditEvents of an accounting, in the chain's order."""
    entries = [_audit_event(event, accounting.scope) for event in accounting.events]
    return {**_frame(accounting), "entry": [_entry(each) for each in entries]} if entries else _frame(accounting)


def encode(document: Mapping[str, Any]) -> bytes:
    """Return a resource as a JSON file for people and programs."""
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def decode(document: bytes) -> dict[str, Any]:
    """Return the Bundle that ``document`` holds; raises ``InvalidInputError``."""
    found = decode_document(document, MAX_BUNDLE_SIZE)
    if found.get("resourceType") != "Bundle" or not isinstance(found.get("entry", []), list):
        raise InvalidInputError("the document is no FHIR Bundle")
    return found


def scope_of(found: Mapping[str, Any]) -> Scope:
    """Return what a Bundle says that it covers; raises ``InvalidInputError``."""
    identifier = found.get("identifier")
    said = identifier.get("value") if isinstance(identifier, dict) else None
    return Scope.parse(said if isinstance(said, str) else "")


def discrepancies(found: Mapping[str, Any], accounting: AccountingOfDisclosures) -> tuple[Discrepancy, ...]:
    """Return where a Bundle differs from that of ``accounting``, which was made anew from its scope."""
    expected = bundle(accounting)
    about = {str(_id(event, accounting.scope)): _about(event) for event in accounting.events}
    return compare(_entries(found, about), _entries(expected, about))


def _entries(document: Mapping[str, Any], about: Mapping[str, str]) -> list[Entry]:
    frame = {name: value for name, value in document.items() if name != "entry"}
    entries = [Entry(key="Bundle", about="the bundle itself", fields=frame)]
    for number, each in enumerate(document.get("entry", [])):
        resource = each.get("resource") if isinstance(each, dict) else None
        key = resource.get("id") if isinstance(resource, dict) else None
        if not isinstance(key, str):
            key = f"entry {number}"
        entries.append(Entry(key=key, about=about.get(key, "nothing that the chain tells"), fields={"entry": each}))
    return entries


def _frame(accounting: AccountingOfDisclosures) -> dict[str, Any]:
    return {
        "resourceType": "Bundle",
        "identifier": {"system": _SCOPE, "value": accounting.scope.text},
        "type": "collection",
        "timestamp": _instant(accounting.block.time),
    }


def _entry(resource: dict[str, Any]) -> dict[str, Any]:
    return {"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource}


def _audit_event(event: AccountedEvent, scope: Scope) -> dict[str, Any]:
    made = event.disclosure
    is_export = made is not None and made.manner is not Manner.EMERGENCY
    kind, subtype, action = _DISCLOSURE if is_export else _KINDS.get(event.kind, _OTHER_EVENT)
    subtypes = [*([] if subtype is None else [_coding(subtype)]), {"system": f"{_OURS}event", "code": event.kind}]
    resource = {
        "resourceType": "AuditEvent",
        "id": str(_id(event, scope)),
        **({"meta": {"profile": [_PROFILE]}} if is_export else {}),
        "type": _coding(kind),
        "subtype": subtypes,
        "action": action,
        "recorded": _instant(event.place.block.time),
        "outcome": "0",
        **_purposes(event.purposes),
    }
    if made is not None and is_export:
        agents, observer = _disclosing(made, scope), _who(made.given_by, scope)
    else:
        agents, observer = _acting(event, scope), {"display": f"chain eip155:{scope.chain_id}"}
    return {
        **resource,
        "agent": agents,
        "source": {"observer": observer},
        "entity": [_patient(scope), *_objects(event)],
    }


def _disclosing(made: Disclosure, scope: Scope) -> list[dict[str, Any]]:
    """Return the agents of a disclosure: whose client gave the keys, who got them, who said so."""
    is_custodian = made.manner is not Manner.GRANT
    agents = [
        _agent(made.given_by, scope, role=_SOURCE_ROLE, on_network=True),
        _agent(made.recipient, scope, role=_DESTINATION_ROLE, requestor=is_custodian, on_network=True),
    ]
    if is_custodian:
        agents.append(_agent(made.given_by, scope, role=_CUSTODIAN))
    if made.manner is not Manner.EMERGENCY_KEYS:
        word = scope.patient if is_custodian else made.given_by
        agents.append(_agent(word, scope, role=_AUTHORIZER, requestor=not is_custodian))
    return agents


def _acting(event: AccountedEvent, scope: Scope) -> list[dict[str, Any]]:
    agents = [
        {"who": {"display": "not told by the chain"}, "requestor": True}
        if event.by is None
        else _agent(event.by, scope, requestor=True)
    ]
    if event.concerns is not None and event.concerns != scope.patient:
        agents.append(_agent(event.concerns, scope))
    return agents


def _agent(
    account: Address,
    scope: Scope,
    *,
    role: _Coded | None = None,
    requestor: bool = False,
    on_network: bool = False,
) -> dict[str, Any]:
    return {
        **({} if role is None else {"type": {"coding": [_coding(role)]}}),
        "who": _who(account, scope),
        "requestor": requestor,
        **({"network": {"address": _did(account, scope), "type": "5"}} if on_network else {}),
    }


def _patient(scope: Scope) -> dict[str, Any]:
    return {
        "what": {"type": "Patient", **_who(scope.patient, scope)},
        "type": {"system": _ENTITY_TYPE, "code": "1", "display": "Person"},
        "role": {"system": _OBJECT_ROLE, "code": "1", "display": "Patient"},
    }


def _objects(event: AccountedEvent) -> list[dict[str, Any]]:
    """Return what it was about, and last where the chain tells it."""
    entities = [
        {
            "what": {"identifier": {"system": f"{_OURS}{kind}", "value": value}},
            "type": {"system": _ENTITY_TYPE, "code": "2", "display": "System Object"},
            "role": {"system": _OBJECT_ROLE, "code": _ROLES.get(kind, _SECURITY_RESOURCE)},
        }
        for kind, value in event.objects
    ]
    told = {
        "name": "where the chain tells it",
        "type": {"system": _ENTITY_TYPE, "code": "4", "display": "Other"},
        "detail": _details(event),
    }
    return [*entities, told]


def _details(event: AccountedEvent) -> list[dict[str, str]]:
    place, made = event.place, event.disclosure
    said = {
        "transaction": "0x" + place.tx_hash.hex(),
        "log index": str(place.log_index),
        "block": str(place.block.number),
        "block hash": "0x" + place.block.hash.hex(),
        "event digest": event.digest.hex(),
    }
    if made is not None:
        said |= {
            "manner": made.manner.value,
            "given by": made.capacity.value,
            "by right": "yes" if made.by_right else "no",
            "could read from": _instant(made.begins_at),
            "could read until": _instant(made.until),
            **({} if made.ending is None else {"ended": made.ending.value}),
            **({} if made.reason is None else {"reason": made.reason.name}),
            **({"review": made.verdict.name} if made.manner.is_emergency else {}),
        }
    return [{"type": name, "valueString": value} for name, value in said.items()]


def _purposes(purposes: Purpose) -> dict[str, Any]:
    if not purposes:
        return {}
    return {"purposeOfEvent": [{"coding": [{"system": _ACT_REASON, "code": code}]} for code in purposes.codes]}


def _id(event: AccountedEvent, scope: Scope) -> UUID:
    return uuid5(_NAMESPACE, f"{scope.chain_id}/{event.place.tx_hash.hex()}/{event.place.log_index}")


def _about(event: AccountedEvent) -> str:
    place = event.place
    return f"{event.kind} of transaction 0x{place.tx_hash.hex()}, log {place.log_index}"


def _who(account: Address, scope: Scope) -> dict[str, Any]:
    return {"identifier": {"system": _URI, "value": _did(account, scope)}}


def _did(account: Address, scope: Scope) -> str:
    return f"did:pkh:eip155:{scope.chain_id}:{account}"


def _coding(coded: _Coded) -> dict[str, str]:
    system, code, display = coded
    return {"system": system, "code": code} if display is None else {"system": system, "code": code, "display": display}


def _instant(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
