"""What synthetic records speak of: codes of LOINC, SNOMED CT and UCUM, with ranges that a laboratory would print."""

from __future__ import annotations

from dataclasses import dataclass

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A code and its words."""

    code: str
    text: str
    system: str = SNOMED


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What is measured: a code of LOINC, its unit, and values by tenths or hundredths."""

    term: Term
    unit: str
    """As a person writes it."""
    ucum: str
    low: int
    """The lowest value that is made, in the last decimal place."""
    high: int
    normal: tuple[int, int]
    """The reference range, likewise."""
    places: int = 0
    """Decimal places."""


def _loinc(code: str, text: str) -> Term:
    return Term(code=code, text=text, system=LOINC)


HBA1C = Measure(
    term=_loinc("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood"),
    unit="%",
    ucum="%",
    low=48,
    high=104,
    normal=(40, 56),
    places=1,
)
CREATININE = Measure(
    term=_loinc("2160-0", "Creatinine [Mass/volume] in Serum or Plasma"),
    unit="mg/dL",
    ucum="mg/dL",
    low=55,
    high=240,
    normal=(60, 120),
    places=2,
)
LABORATORY = (
    HBA1C,
    CREATININE,
    Measure(
        term=_loinc("2345-7", "Glucose [Mass/volume] in Serum or Plasma"),
        unit="mg/dL",
        ucum="mg/dL",
        low=70,
        high=260,
        normal=(70, 99),
    ),
    Measure(
        term=_loinc("718-7", "Hemoglobin [Mass/volume] in Blood"),
        unit="g/dL",
        ucum="g/dL",
        low=95,
        high=172,
        normal=(120, 160),
        places=1,
    ),
    Measure(
        term=_loinc("6690-2", "Leukocytes [#/volume] in Blood by Automated count"),
        unit="10*3/uL",
        ucum="10*3/uL",
        low=32,
        high=148,
        normal=(45, 110),
        places=1,
    ),
    Measure(
        term=_loinc("777-3", "Platelets [#/volume] in Blood by Automated count"),
        unit="10*3/uL",
        ucum="10*3/uL",
        low=110,
        high=460,
        normal=(150, 400),
    ),
    Measure(
        term=_loinc("2823-3", "Potassium [Moles/volume] in Serum or Plasma"),
        unit="mmol/L",
        ucum="mmol/L",
        low=32,
        high=57,
        normal=(35, 51),
        places=1,
    ),
    Measure(
        term=_loinc("2951-2", "Sodium [Moles/volume] in Serum or Plasma"),
        unit="mmol/L",
        ucum="mmol/L",
        low=129,
        high=148,
        normal=(136, 145),
    ),
    Measure(
        term=_loinc("2093-3", "Cholesterol [Mass/volume] in Serum or Plasma"),
        unit="mg/dL",
        ucum="mg/dL",
        low=130,
        high=310,
        normal=(0, 200),
    ),
    Measure(
        term=_loinc("1988-5", "C reactive protein [Mass/volume] in Serum or Plasma"),
        unit="mg/L",
        ucum="mg/L",
        low=1,
        high=90,
        normal=(0, 5),
    ),
)
VITAL_SIGNS = (
    Measure(term=_loinc("8867-4", "Heart rate"), unit="/min", ucum="/min", low=52, high=118, normal=(60, 100)),
    Measure(
        term=_loinc("29463-7", "Body weight"), unit="kg", ucum="kg", low=480, high=1190, normal=(500, 900), places=1
    ),
    Measure(term=_loinc("8302-2", "Body height"), unit="cm", ucum="cm", low=151, high=196, normal=(150, 200)),
    Measure(
        term=_loinc("8310-5", "Body temperature"),
        unit="Cel",
        ucum="Cel",
        low=358,
        high=389,
        normal=(361, 375),
        places=1,
    ),
    Measure(
        term=_loinc("59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry"),
        unit="%",
        ucum="%",
        low=89,
        high=100,
        normal=(95, 100),
    ),
)
BLOOD_PRESSURE = _loinc("85354-9", "Blood pressure panel with all children optional")
SYSTOLIC = Measure(
    term=_loinc("8480-6", "Systolic blood pressure"), unit="mmHg", ucum="mm[Hg]", low=98, high=182, normal=(90, 130)
)
DIASTOLIC = Measure(
    term=_loinc("8462-4", "Diastolic blood pressure"), unit="mmHg", ucum="mm[Hg]", low=54, high=108, normal=(60, 85)
)
CHEST_X_RAY = _loinc("36643-5", "XR Chest 2 Views")
ECHOCARDIOGRAM = _loinc("34552-0", "Cardiac 2D echo panel")
BLOOD_COUNT = _loinc("58410-2", "CBC panel - Blood by Automated count")

DIABETES = Term(code="44054006", text="Diabetes mellitus type 2")
HYPERTENSION = Term(code="38341003", text="Hypertensive disorder")
ATRIAL_FIBRILLATION = Term(code="49436004", text="Atrial fibrillation")
ASTHMA = Term(code="195967001", text="Asthma")
DIAGNOSES = (
    DIABETES,
    HYPERTENSION,
    ATRIAL_FIBRILLATION,
    ASTHMA,
    Term(code="13645005", text="Chronic obstructive lung disease"),
    Term(code="84114007", text="Heart failure"),
    Term(code="55822004", text="Hyperlipidemia"),
    Term(code="40930008", text="Hypothyroidism"),
    Term(code="433144002", text="Chronic kidney disease stage 3"),
)
METFORMIN = Term(code="372567009", text="Metformin")
ATORVASTATIN = Term(code="373444002", text="Atorvastatin")
WARFARIN = Term(code="372756006", text="Warfarin")
SALBUTAMOL = Term(code="372897005", text="Salbutamol")
PARACETAMOL = Term(code="387517004", text="Paracetamol")
DRUGS = (
    METFORMIN,
    ATORVASTATIN,
    WARFARIN,
    SALBUTAMOL,
    Term(code="386873009", text="Lisinopril"),
    Term(code="386864001", text="Amlodipine"),
    Term(code="387458008", text="Aspirin"),
)
ALLERGIES = {
    Term(code="91936005", text="Allergy to penicillin"): "medication",
    Term(code="91935009", text="Allergy to peanut"): "food",
    Term(code="300916003", text="Latex allergy"): "environment",
    Term(code="232350006", text="House dust mite allergy"): "environment",
}
"""What somebody is allergic to, and of which of FHIR's kinds that is."""
VACCINES = (
    Term(code="836377006", text="Vaccine product containing Influenza virus antigen"),
    Term(code="836374004", text="Vaccine product containing Hepatitis B virus antigen"),
    Term(code="863911006", text="Vaccine product containing Clostridium tetani antigen"),
)
CHECK_UP = Term(code="185349003", text="Encounter for check up")
FOLLOW_UP = Term(code="390906007", text="Follow-up encounter")
CONSULTATION = Term(code="11429006", text="Consultation")
TO_CARDIOLOGIST = Term(code="183519002", text="Referral to cardiology service")
BY_MOUTH = Term(code="26643006", text="Oral route")
INTO_MUSCLE = Term(code="78421000", text="Intramuscular route")

FAMILY_NAMES = (
    *("Abiodun", "Bergström", "Castellanos", "Dimitrova", "Eriksdotter", "Fonseca", "Gunawardena", "Haraldsson"),
    *("Ivanenko", "Jääskeläinen", "Kowalczyk", "Lindqvist", "Mahmoudi", "Nakamura", "Okonkwo", "Papadopoulou"),
    *("Quintero", "Rasmussen", "Szymanski", "Takahashi", "Umarova", "Vasiliou", "Wiśniewska", "Yamaguchi"),
)
GIVEN_NAMES = {
    "female": (
        "Amara",
        "Birgitta",
        "Chiara",
        "Dagny",
        "Esperanza",
        "Fatemeh",
        "Galina",
        "Haruka",
        "Ingeborg",
        "Jovana",
    ),
    "male": ("Aleksander", "Bogdan", "Chidi", "Dmytro", "Emeka", "Fredrik", "Giorgos", "Hiroshi", "Isandro", "Jukka"),
}
