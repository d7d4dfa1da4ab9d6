"""FHIR resources to begin tests with."""

from __future__ import annotations

import json
from typing import Any

OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "glucose",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "2339-0"}]},
    "subject": {"reference": "Patient/one"},
    "effectiveDateTime": "2026-03-04T10:00:00Z",
    "issued": "2026-03-04T12:00:00Z",
    "valueQuantity": {"value": 5.4, "system": "http://unitsofmeasure.org", "code": "mmol/L"},
}
PATIENT: dict[str, Any] = {"resourceType": "Patient", "id": "one", "gender": "female"}


def encoded(resource: object) -> bytes:
    return json.dumps(resource).encode()


def observation(**changed: Any) -> dict[str, Any]:
    return {name: value for name, value in {**OBSERVATION, **changed}.items() if value is not None}


def bundle(kind: str, *resources: dict[str, Any], **more: Any) -> dict[str, Any]:
    entries = [
        {"fullUrl": f"http://example.org/{each['resourceType']}/{each.get('id', number)}", "resource": each}
        for number, each in enumerate(resources)
    ]
    return {"resourceType": "Bundle", "type": kind, "entry": entries, **more}
