"""A chart: one synthetic patient, and the FHIR R4 resources that a hospital would write about him."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from medshare.testing.synthetic import terms
from medshare.testing.synthetic.draws import Draws
from medshare.testing.synthetic.terms import Measure, Term

Resource = dict[str, Any]

BASE = "https://fhir.example.org/r4"
"""Where the resources would lie, were they real."""
_THL7 = "http://terminology.hl7.org/CodeSystem"
_OBSERVATION_CATEGORY = f"{_THL7}/observation-category"
_DIAGNOSTIC_SERVICE = f"{_THL7}/v2-0074"


@dataclass(slots=True)
class Chart:
    """The records of one patient, to be added to and written.

    Args:
        seed: which population.
        number: which patient of it; the same two are the same patient.
        hospital: who writes, as its records call it.
        born_after: the earliest year of birth.
        born_before: the first year that is too late.
    """

    seed: int
    number: int
    hospital: str = "Example Hospital"
    born_after: int = 1935
    born_before: int = 2004
    resources: list[Resource] = field(default_factory=list)
    draws: Draws = field(init=False)
    patient_id: str = field(init=False)

    def __post_init__(self) -> None:
        self.draws = Draws("medshare/synthetic/1", self.seed, self.number)
        self.patient_id = f"p{self.number}-{self.draws.token(8)}"
        self._patient()

    @property
    def name(self) -> str:
        """The patient's name: given and family name."""
        (name,) = self.resources[0]["name"]
        return f"{name['given'][0]} {name['family']}"

    @property
    def identifying(self) -> tuple[str, ...]:
        """What of the patient must be nowhere in clear: name, number, date of birth, address, telephone."""
        patient = self.resources[0]
        return (
            self.name,
            patient["identifier"][0]["value"],
            patient["birthDate"],
            patient["address"][0]["line"][0],
            patient["telecom"][0]["value"],
            self.patient_id,
        )

    def bundle(self) -> bytes:
        """Return all of it as a Bundle that only carries: each entry is a record of its own."""
        return self.bundle_of(self.resources)

    def bundle_of(self, resources: Sequence[Resource]) -> bytes:
        """Return these resources as such a Bundle."""
        entries = [{"fullUrl": f"{BASE}/{each['resourceType']}/{each['id']}", "resource": each} for each in resources]
        return written({"resourceType": "Bundle", "type": "collection", "entry": entries})

    # ------------------------------------------------------------------------------------------- resources

    def encounter(self, day: date, kind: Term = terms.CHECK_UP, why: Term | None = None) -> Resource:
        """Add a visit on a day."""
        return self._add(
            "Encounter",
            {
                "status": "finished",
                "class": {"system": f"{_THL7}/v3-ActCode", "code": "AMB", "display": "ambulatory"},
                "type": [_concept(kind)],
                "priority": _concept(Term(code="R", text="routine", system=f"{_THL7}/v3-ActPriority")),
                "subject": self._subject(),
                "participant": [{"individual": self._clinician()}],
                "period": {"start": _at(day, 8), "end": _at(day, 9)},
                "reasonCode": [_concept(why or terms.HYPERTENSION)],
                "serviceProvider": self._hospital(),
            },
        )

    def condition(self, term: Term, day: date, encounter: Resource | None = None) -> Resource:
        """Add a diagnosis that was made on a day."""
        return self._add(
            "Condition",
            {
                "clinicalStatus": _code("condition-clinical", "active"),
                "verificationStatus": _code("condition-ver-status", "confirmed"),
                "category": [_code("condition-category", "problem-list-item")],
                "code": _concept(term),
                "subject": self._subject(),
                **_encountered(encounter),
                "onsetDateTime": day.isoformat(),
                "recordedDate": day.isoformat(),
                "recorder": self._clinician(),
                "asserter": self._clinician(),
            },
        )

    def observation(
        self, measure: Measure, day: date, *, value: str | None = None, encounter: Resource | None = None
    ) -> Resource:
        """Add a value that was measured on a day; drawn, unless it is given, as decimal text."""
        category = "vital-signs" if measure in terms.VITAL_SIGNS else "laboratory"
        said = {"valueQuantity": self._quantity(measure, value), "referenceRange": [_range(measure)]}
        return self._observed(measure.term, category, day, said, encounter)

    def blood_pressure(self, day: date, encounter: Resource | None = None) -> Resource:
        """Add a blood pressure that was measured on a day."""
        parts = [
            {"code": _concept(each.term), "valueQuantity": self._quantity(each, None)}
            for each in (terms.SYSTOLIC, terms.DIASTOLIC)
        ]
        return self._observed(terms.BLOOD_PRESSURE, "vital-signs", day, {"component": parts}, encounter)

    def report(
        self,
        term: Term,
        day: date,
        conclusion: str,
        *,
        service: str = "RAD",
        results: Sequence[Resource] = (),
        encounter: Resource | None = None,
    ) -> Resource:
        """Add a report of a day, such as that of a chest X-ray; ``service`` is a code of HL7's table 0074."""
        return self._add(
            "DiagnosticReport",
            {
                "status": "final",
                "category": [_concept(Term(code=service, text=service, system=_DIAGNOSTIC_SERVICE))],
                "code": _concept(term),
                "subject": self._subject(),
                **_encountered(encounter),
                "effectiveDateTime": _at(day, 10),
                "issued": _at(day, 12),
                "performer": [self._hospital()],
                "resultsInterpreter": [self._clinician()],
                **({"result": [_reference(each) for each in results]} if results else {}),
                "conclusion": conclusion,
            },
        )

    def prescription(
        self, drug: Term, day: date, *, why: Term | None = None, encounter: Resource | None = None
    ) -> Resource:
        """Add a prescription of a day."""
        return self._add(
            "MedicationRequest",
            {
                "status": "active",
                "intent": "order",
                "category": [_code("medicationrequest-category", "outpatient")],
                "priority": "routine",
                "medicationCodeableConcept": _concept(drug),
                "subject": self._subject(),
                **_encountered(encounter),
                "authoredOn": day.isoformat(),
                "requester": self._clinician(),
                "recorder": self._clinician(),
                "performer": self._hospital(),
                "reasonCode": [_concept(why or terms.HYPERTENSION)],
                "dosageInstruction": [{"text": "one tablet each morning", "route": _concept(terms.BY_MOUTH)}],
            },
        )

    def administration(self, drug: Term, day: date, *, lot: str | None = None, why: Resource | None = None) -> Resource:
        """Add that a drug was given on a day, out of a lot where one is named."""
        medication = {
            "resourceType": "Medication",
            "id": "given",
            "status": "active",
            "code": _concept(drug),
            **({"batch": {"lotNumber": lot}} if lot is not None else {}),
        }
        return self._add(
            "MedicationAdministration",
            {
                "contained": [medication],
                "status": "completed",
                "category": _code("medication-admin-category", "outpatient"),
                "medicationReference": {"reference": "#given"},
                "subject": self._subject(),
                "effectiveDateTime": _at(day, 11),
                "performer": [{"actor": self._clinician()}],
                **({"reasonReference": [_reference(why)]} if why is not None else {}),
                "dosage": {
                    "route": _concept(terms.BY_MOUTH),
                    "dose": {"value": 1, "unit": "tablet", "system": terms.UCUM, "code": "{tbl}"},
                },
            },
        )

    def immunization(self, vaccine: Term, day: date) -> Resource:
        """Add a vaccination of a day."""
        return self._add(
            "Immunization",
            {
                "status": "completed",
                "vaccineCode": _concept(vaccine),
                "patient": self._subject(),
                "occurrenceDateTime": day.isoformat(),
                "recorded": day.isoformat(),
                "primarySource": True,
                "location": {"display": self.hospital},
                "lotNumber": self.draws.token(6).upper(),
                "route": _concept(terms.INTO_MUSCLE),
                "performer": [{"actor": self._clinician()}],
            },
        )

    def allergy(self, term: Term, day: date, encounter: Resource | None = None) -> Resource:
        """Add an allergy, one of ``terms.ALLERGIES``, that was found on a day."""
        return self._add(
            "AllergyIntolerance",
            {
                "clinicalStatus": _code("allergyintolerance-clinical", "active"),
                "verificationStatus": _code("allergyintolerance-verification", "confirmed"),
                "type": "allergy",
                "category": [terms.ALLERGIES[term]],
                "criticality": "low",
                "code": _concept(term),
                "patient": self._subject(),
                **_encountered(encounter),
                "onsetDateTime": day.isoformat(),
                "recordedDate": day.isoformat(),
                "recorder": self._clinician(),
                "asserter": self._clinician(),
            },
        )

    def order(self, term: Term, day: date, *, why: Term, note: str) -> Resource:
        """Add an order, such as a referral, of a day."""
        return self._add(
            "ServiceRequest",
            {
                "status": "active",
                "intent": "order",
                "priority": "routine",
                "category": [_concept(terms.CONSULTATION)],
                "code": _concept(term),
                "subject": self._subject(),
                "occurrenceDateTime": day.isoformat(),
                "authoredOn": day.isoformat(),
                "requester": self._clinician(),
                "performer": [self._hospital()],
                "reasonCode": [_concept(why)],
                "note": [{"text": note}],
            },
        )

    def notice(self, text: str, day: date, *, why: Resource) -> Resource:
        """Add what the hospital tells the patient on a day, and about which of his records."""
        return self._add(
            "Communication",
            {
                "status": "completed",
                "category": [_code("communication-category", "alert")],
                "priority": "urgent",
                "subject": self._subject(),
                "about": [_reference(why)],
                "sent": _at(day, 15),
                "sender": self._hospital(),
                "recipient": [self._subject()],
                "payload": [{"contentString": text}],
            },
        )

    # ------------------------------------------------------------------------------------------- their parts

    def _patient(self) -> None:
        gender = self.draws.one_of(("female", "male"))
        born = date(self.draws.within(self.born_after, self.born_before - 1), 1, 1)
        born += timedelta(days=self.draws.below(365))
        family, given = self.draws.one_of(terms.FAMILY_NAMES), self.draws.one_of(terms.GIVEN_NAMES[gender])
        self.resources.append(
            {
                "resourceType": "Patient",
                "id": self.patient_id,
                "identifier": [
                    {"system": f"{BASE}/identifiers/patient", "value": f"{self.draws.within(10**9, 10**10 - 1)}"}
                ],
                "active": True,
                "name": [{"use": "official", "family": family, "given": [given]}],
                "telecom": [{"system": "phone", "value": f"+358 9 {self.draws.within(10**6, 10**7 - 1)}"}],
                "gender": gender,
                "birthDate": born.isoformat(),
                "address": [{"line": [f"{self.draws.one_of(terms.FAMILY_NAMES)}gatan {self.draws.within(1, 140)}"]}],
            }
        )

    def _add(self, kind: str, said: Resource) -> Resource:
        number = len(self.resources)
        resource = {
            "resourceType": kind,
            "id": f"{self.patient_id}-{number}",
            "identifier": [{"system": f"{BASE}/identifiers/record", "value": f"{self.patient_id}-{number}"}],
            **said,
        }
        self.resources.append(resource)
        return resource

    def _observed(self, term: Term, category: str, day: date, said: Resource, encounter: Resource | None) -> Resource:
        return self._add(
            "Observation",
            {
                "status": "final",
                "category": [_concept(Term(code=category, text=category, system=_OBSERVATION_CATEGORY))],
                "code": _concept(term),
                "subject": self._subject(),
                **_encountered(encounter),
                "effectiveDateTime": _at(day, 8),
                "issued": _at(day, 14),
                "performer": [self._hospital()],
                **said,
            },
        )

    def _quantity(self, measure: Measure, value: str | None) -> Resource:
        drawn = self.draws.within(measure.low, measure.high)
        number = _decimal(drawn, measure.places) if value is None else float(value)
        return {"value": number, "unit": measure.unit, "system": terms.UCUM, "code": measure.ucum}

    def _subject(self) -> Resource:
        return {"reference": f"Patient/{self.patient_id}"}

    def _clinician(self) -> Resource:
        return {"type": "Practitioner", "display": f"a clinician of {self.hospital}"}

    def _hospital(self) -> Resource:
        return {"type": "Organization", "display": self.hospital}


def written(resource: Resource) -> bytes:
    """Return a resource as JSON: UTF-8, fields in the order in which they were said."""
    return json.dumps(resource, ensure_ascii=False, separators=(",", ":")).encode()


def _concept(term: Term) -> Resource:
    return {"coding": [{"system": term.system, "code": term.code, "display": term.text}], "text": term.text}


def _code(system: str, code: str) -> Resource:
    return _concept(Term(code=code, text=code, system=f"{_THL7}/{system}"))


def _reference(resource: Resource) -> Resource:
    return {"reference": f"{resource['resourceType']}/{resource['id']}"}


def _encountered(encounter: Resource | None) -> Resource:
    return {} if encounter is None else {"encounter": _reference(encounter)}


def _range(measure: Measure) -> Resource:
    low, high = (
        {"value": _decimal(each, measure.places), "unit": measure.unit, "system": terms.UCUM, "code": measure.ucum}
        for each in measure.normal
    )
    return {"low": low, "high": high}


def _decimal(value: int, places: int) -> float | int:
    return value if not places else round(value / 10**places, places)


def _at(day: date, hour: int) -> str:
    return f"{day.isoformat()}T{hour:02d}:00:00Z"
