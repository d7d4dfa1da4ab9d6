"""Populations: charts of as many patients as are wanted, with what happens to people over some years."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from medshare.testing.synthetic import terms
from medshare.testing.synthetic.chart import Chart

NEWEST_DAY = date(2026, 11, 1)
"""The day up to which records reach, unless another is named."""


def generate(seed: int, patients: int, *, until: date = NEWEST_DAY) -> Iterator[bytes]:
    """Yield one FHIR R4 Bundle for each patient; the same arguments give the same bytes.

    A patient's Bundle does not depend on how many others there are.

    Args:
        seed: which population.
        patients: how many.
        until: the day up to which records reach.
    """
    for number in range(patients):
        yield chart(seed, number, until=until).bundle()


def chart(seed: int, number: int, *, until: date = NEWEST_DAY) -> Chart:
    """Return the chart of one patient of a population, of which ``generate`` yields the Bundle."""
    made = Chart(seed, number)
    draws = made.draws
    diagnoses = draws.some_of(terms.DIAGNOSES, draws.within(1, 3))
    found_on = until - timedelta(days=draws.within(400, 1400))
    first = made.encounter(found_on, why=diagnoses[0])
    problems = [made.condition(each, found_on, first) for each in diagnoses]
    if draws.chance(35):
        made.allergy(draws.one_of(tuple(terms.ALLERGIES)), found_on, first)
    for drug in draws.some_of(terms.DRUGS, draws.within(1, 2)):
        made.prescription(drug, found_on, why=diagnoses[0], encounter=first)
    day = found_on
    for _ in range(draws.within(2, 3)):
        day = min(until, day + timedelta(days=draws.within(60, 160)))
        _follow_up(made, day)
    made.administration(terms.PARACETAMOL, day, lot=draws.token(6).upper(), why=problems[0])
    made.immunization(draws.one_of(terms.VACCINES), until - timedelta(days=draws.within(10, 700)))
    if draws.chance(60):
        made.report(
            terms.CHEST_X_RAY,
            day,
            draws.one_of(
                (
                    "Heart and mediastinum of normal size. Lungs clear. No pleural effusion.",
                    "Slightly enlarged heart. No infiltrate. No pleural effusion.",
                    "Flattened diaphragm, in keeping with chronic obstructive lung disease. No infiltrate.",
                )
            ),
        )
    return made


def _follow_up(made: Chart, day: date) -> None:
    draws = made.draws
    visit = made.encounter(day, terms.FOLLOW_UP)
    made.blood_pressure(day, visit)
    for sign in draws.some_of(terms.VITAL_SIGNS, 2):
        made.observation(sign, day, encounter=visit)
    results = [
        made.observation(each, day, encounter=visit) for each in draws.some_of(terms.LABORATORY, draws.within(2, 4))
    ]
    if draws.chance(50):
        made.report(terms.BLOOD_COUNT, day, "See the values.", service="LAB", results=results, encounter=visit)
