"""Which category a record is of, by its type: consents permit and deny by it.

given a resource of any type that R4 has
├─ it is of the category that the table says; every type that can be about a patient was looked at
└─ what may be of several, or tells more than its kind, is in none but ``other``
given an HL7 v2 message
└─ it is of its event's category
the table in docs/ingest.md
└─ says the same
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from medshare.model.record import Category
from medshare.standards.fhir import definitions
from medshare.standards.fhir.describing import describe
from medshare.standards.hl7v2 import MEDIA_TYPE
from medshare.standards.ingest import examine
from medshare.standards.tables import table

pytestmark = pytest.mark.unit

FHIR = {
    Category.PATIENT_SUMMARY: "Composition",
    Category.PRESCRIPTION: "MedicationRequest VisionPrescription",
    Category.DISPENSATION: "MedicationDispense",
    Category.MEDICATION: "Medication MedicationAdministration MedicationStatement",
    Category.IMAGING: "ImagingStudy",
    Category.LABORATORY: "DiagnosticReport Specimen",
    Category.OBSERVATION: "Observation",
    Category.CONDITION: "AllergyIntolerance ClinicalImpression Condition",
    Category.PROCEDURE: "Procedure",
    Category.IMMUNIZATION: "Immunization ImmunizationEvaluation ImmunizationRecommendation",
    Category.ENCOUNTER: "Appointment AppointmentResponse Encounter EpisodeOfCare",
    Category.CARE_PLAN: "CarePlan CareTeam DeviceRequest Goal NutritionOrder RequestGroup ServiceRequest",
    Category.DOCUMENT: "Bundle DocumentManifest DocumentReference",
    Category.ADMINISTRATIVE: "Account Coverage CoverageEligibilityRequest CoverageEligibilityResponse"
    " EnrollmentRequest EnrollmentResponse Patient Person RelatedPerson",
    Category.OTHER: "AdverseEvent AuditEvent Basic Binary BodyStructure ChargeItem Claim ClaimResponse Communication"
    " CommunicationRequest Consent Contract DetectedIssue Device DeviceUseStatement ExplanationOfBenefit"
    " FamilyMemberHistory Flag Group GuidanceResponse Invoice List MeasureReport Media MolecularSequence PaymentNotice"
    " PaymentReconciliation Provenance QuestionnaireResponse ResearchSubject RiskAssessment SupplyDelivery"
    " SupplyRequest Task",
}
V2 = {
    Category.PRESCRIPTION: "OMP RDE",
    Category.DISPENSATION: "RDS",
    Category.MEDICATION: "RAS",
    Category.LABORATORY: "ORU OUL",
    Category.CONDITION: "PPR",
    Category.IMMUNIZATION: "VXU",
    Category.ENCOUNTER: "SIU",
    Category.CARE_PLAN: "OMD OMG OMI OML PGL",
    Category.DOCUMENT: "MDM",
    Category.ADMINISTRATIVE: "ADT",
}
# The elements in which R4 says whom something is about, where they can refer to a patient.
ABOUT = frozenset({"subject", "patient", "beneficiary", "individual", "for", "candidate"})
# Their subject is a product, a batch, or who is meant: they are knowledge, and nobody's record.
KNOWLEDGE = re.compile(r"MedicinalProduct")
GUIDE = Path(__file__).resolve().parents[3] / "docs" / "ingest.md"


def expected(types: dict[Category, str]) -> list[tuple[str, Category]]:
    return [(name, category) for category, names in types.items() for name in names.split()]


@pytest.mark.parametrize(("resource_type", "category"), expected(FHIR))
def test_describe__resource_of_a_type__is_of_its_category(resource_type: str, category: Category) -> None:
    assert definitions.is_resource(resource_type)
    assert describe({"resourceType": resource_type}).category is category


def test_describe__types_that_are_about_a_patient__were_all_looked_at() -> None:
    types = [each for each in table("fhir-r4")["types"] if definitions.is_resource(each) and not KNOWLEDGE.match(each)]
    about = {each for each in types if ABOUT & {element.choice for element in definitions.elements(each).values()}}
    assert about - dict(expected(FHIR)).keys() == set()
    named = {each for each in types if describe({"resourceType": each}).category is not Category.OTHER}
    assert named <= dict(expected(FHIR)).keys()


def test_describe__a_type_that_r4_does_not_have__is_in_none() -> None:
    assert describe({"resourceType": "Novelty"}).category is Category.OTHER


@pytest.mark.parametrize(("event", "category"), [*expected(V2), ("ORM", Category.OTHER)])
def test_examine__message_of_a_kind__is_of_its_category(event: str, category: Category) -> None:
    head = f"MSH|^~\\&|LAB|CLINIC|EHR|CLINIC|20260304120000||{event}^X01|17|P|2.5"
    assert examine(f"{head}\rPID|1||7^^^HOSPITAL\r".encode(), MEDIA_TYPE).category is category


def test_guide__says_of_each_category__the_same_types() -> None:
    rows = re.findall(r"^\| `([a-z-]+)`[^|]*\| ([^|]*) \| ?([^|]*) ?\|$", GUIDE.read_text(), re.MULTILINE)
    said = {Category(name): (fhir, v2) for name, fhir, v2 in rows if name in list(Category)}
    assert said.keys() == set(Category) - {Category.DISCHARGE_REPORT}
    for category, (fhir, v2) in said.items():
        if category is not Category.OTHER:
            types = re.sub(r"(\w+)Request and -Response", r"\1Request, \1Response", fhir.partition(";")[0])
            assert sorted(types.split(", ")) == sorted(FHIR[category].split())
            assert sorted(v2.replace(",", "").split()) == sorted(V2.get(category, "").split())
