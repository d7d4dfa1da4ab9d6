"""FHIR R4 (4.0.1) at the edge: what a resource says of itself, without changing a byte of it.

Only the outermost fields are read; validation against profiles and value sets is another module's work.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from medshare.errors import InvalidInputError
from medshare.model.documents import decode_document
from medshare.model.record import Category

MEDIA_TYPE = "application/fhir+json"
MAX_RESOURCE_SIZE = 32 << 20

_CATEGORIES = {
    "AllergyIntolerance": Category.CONDITION,
    "Bundle": Category.DOCUMENT,
    "Composition": Category.PATIENT_SUMMARY,
    "Condition": Category.CONDITION,
    "DiagnosticReport": Category.LABORATORY,
    "DocumentReference": Category.DOCUMENT,
    "Encounter": Category.ENCOUNTER,
    "ImagingStudy": Category.IMAGING,
    "Immunization": Category.IMMUNIZATION,
    "MedicationDispense": Category.DISPENSATION,
    "MedicationRequest": Category.PRESCRIPTION,
    "Observation": Category.OBSERVATION,
    "Patient": Category.ADMINISTRATIVE,
    "Procedure": Category.PROCEDURE,
}
# When it happened to the patient, in the words of the resource types; the first that is there counts.
_DATES: tuple[tuple[str, ...], ...] = (
    ("effectiveDateTime",),
    ("effectivePeriod", "start"),
    ("performedDateTime",),
    ("performedPeriod", "start"),
    ("occurrenceDateTime",),
    ("onsetDateTime",),
    ("started",),
    ("period", "start"),
    ("whenHandedOver",),
    ("authoredOn",),
    ("recordedDate",),
    ("date",),
    ("issued",),
    ("timestamp",),
)
_DATE = re.compile(r"(\d{4}(?:-\d{2}(?:-\d{2})?)?)(?:T|$)")
_RESOURCE_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceDescription:
    """What a FHIR resource says of itself in its outermost fields."""

    resource_type: str
    category: Category
    clinical_date: str | None


def describe(document: bytes) -> ResourceDescription:
    """Return what the FHIR resource in ``document`` (JSON) says of itself.

    Raises:
        InvalidInputError: not well-formed JSON (duplicate keys and absurd numbers included), or no FHIR resource.
    """
    resource = decode_document(document.removeprefix(b"\xef\xbb\xbf"), MAX_RESOURCE_SIZE)
    resource_type = resource.get("resourceType")
    if not isinstance(resource_type, str) or not _RESOURCE_TYPE.fullmatch(resource_type):
        raise InvalidInputError("the document has no resourceType: it is not a FHIR resource")
    return ResourceDescription(
        resource_type=resource_type,
        category=_CATEGORIES.get(resource_type, Category.OTHER),
        clinical_date=_clinical_date(resource),
    )


def _clinical_date(resource: dict[str, Any]) -> str | None:
    for path in _DATES:
        value: object = resource
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
        if isinstance(value, str) and (found := _DATE.match(value)):
            return found[1]
    return None
