"""What a FHIR resource says of itself: its type, category, labels, clinical date, and whom it is about."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from medshare.errors import InvalidInputError
from medshare.model.documents import decode_document
from medshare.model.labels import is_label
from medshare.model.record import Category, days_of
from medshare.standards.fhir.references import patients_of

MEDIA_TYPE = "application/fhir+json"
MAX_RESOURCE_SIZE = 64 << 20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

# A permission for a category shall cover no more than its name says: what may be of several, or tells more, is in none.
_CATEGORIES = {
    "Account": Category.ADMINISTRATIVE,
    "AllergyIntolerance": Category.CONDITION,
    "Appointment": Category.ENCOUNTER,
    "AppointmentResponse": Category.ENCOUNTER,
    "Bundle": Category.DOCUMENT,
    "CarePlan": Category.CARE_PLAN,
    "CareTeam": Category.CARE_PLAN,
    "ClinicalImpression": Category.CONDITION,
    "Composition": Category.PATIENT_SUMMARY,
    "Condition": Category.CONDITION,
    "Coverage": Category.ADMINISTRATIVE,
    "CoverageEligibilityRequest": Category.ADMINISTRATIVE,
    "CoverageEligibilityResponse": Category.ADMINISTRATIVE,
    "DeviceRequest": Category.CARE_PLAN,
    "DiagnosticReport": Category.LABORATORY,
    "DocumentManifest": Category.DOCUMENT,
    "DocumentReference": Category.DOCUMENT,
    "Encounter": Category.ENCOUNTER,
    "EnrollmentRequest": Category.ADMINISTRATIVE,
    "EnrollmentResponse": Category.ADMINISTRATIVE,
    "EpisodeOfCare": Category.ENCOUNTER,
    "Goal": Category.CARE_PLAN,
    "ImagingStudy": Category.IMAGING,
    "Immunization": Category.IMMUNIZATION,
    "ImmunizationEvaluation": Category.IMMUNIZATION,
    "ImmunizationRecommendation": Category.IMMUNIZATION,
    "Medication": Category.MEDICATION,
    "MedicationAdministration": Category.MEDICATION,
    "MedicationDispense": Category.DISPENSATION,
    "MedicationRequest": Category.PRESCRIPTION,
    "MedicationStatement": Category.MEDICATION,
    "NutritionOrder": Category.CARE_PLAN,
    "Observation": Category.OBSERVATION,
    "Patient": Category.ADMINISTRATIVE,
    "Person": Category.ADMINISTRATIVE,
    "Procedure": Category.PROCEDURE,
    "RelatedPerson": Category.ADMINISTRATIVE,
    "RequestGroup": Category.CARE_PLAN,
    "ServiceRequest": Category.CARE_PLAN,
    "Specimen": Category.LABORATORY,
    "VisionPrescription": Category.PRESCRIPTION,
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
_RESTRICTED = "R"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceDescription:
    """What a FHIR resource says of itself."""

    resource_type: str
    category: Category
    clinical_date: str | None
    labels: tuple[str, ...]
    """The codes of ``meta.security``, of what it contains too. One that is no label of ours counts as R, restricted."""
    patients: tuple[str, ...]
    """Whom it is about, as it refers to them: identifying, not for logs and errors."""


def read(document: bytes) -> dict[str, Any]:
    """Return the FHIR resource in ``document`` (JSON), decoded and not checked.

    Raises:
        InvalidInputError: not well-formed JSON (duplicate keys and absurd numbers included), or no FHIR resource.
    """
    resource = decode_document(document.removeprefix(BYTE_ORDER_MARK), MAX_RESOURCE_SIZE)
    resource_type = resource.get("resourceType")
    if not isinstance(resource_type, str) or not _RESOURCE_TYPE.fullmatch(resource_type):
        raise InvalidInputError(
            "the document has no resourceType: it is not a FHIR resource",
            hint="if it is not meant to be one, say what it is, with its media type",
        )
    return resource


def describe(resource: Mapping[str, Any]) -> ResourceDescription:
    """Return what a resource says of itself, however wrong it is otherwise."""
    stated = resource.get("resourceType")
    resource_type = stated if isinstance(stated, str) and _RESOURCE_TYPE.fullmatch(stated) else ""
    return ResourceDescription(
        resource_type=resource_type,
        category=_CATEGORIES.get(resource_type, Category.OTHER),
        clinical_date=clinical_date(resource),
        labels=labels(resource),
        patients=patients_of(resource),
    )


def clinical_date(resource: Mapping[str, Any]) -> str | None:
    """Return when it happened to the patient, as far as the resource says it."""
    for path in _DATES:
        value: object = resource
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
        if isinstance(value, str) and (found := _DATE.match(value)):
            return found[1] if _is_in_calendar(found[1]) else None
    return None


def _is_in_calendar(day: str) -> bool:
    try:
        days_of(day)
    except InvalidInputError:
        return False
    return True


def labels(resource: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the security labels of a resource and of those in it, sorted."""
    found = set()
    for code in _security(resource):
        found.add(code if isinstance(code, str) and is_label(code) else _RESTRICTED)
    return tuple(sorted(found))


def _security(resource: Mapping[str, Any]) -> Iterator[object]:
    meta = resource.get("meta")
    security = meta.get("security") if isinstance(meta, dict) else None
    for coding in security if isinstance(security, list) else ():
        yield coding.get("code") if isinstance(coding, dict) else None
    for inner in inner_resources(resource):
        yield from _security(inner)


def inner_resources(resource: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the resources that one contains, and those of a Bundle's entries."""
    for name, within in (("contained", None), ("entry", "resource")):
        several = resource.get(name)
        for each in several if isinstance(several, list) else ():
            inner = each.get(within) if within is not None and isinstance(each, dict) else each
            if isinstance(inner, dict):
                yield inner
