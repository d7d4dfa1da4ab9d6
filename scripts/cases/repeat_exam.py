"""Not twice: before an examination is ordered, whether a result that may stand in its place is there already.

    python scripts/cases/repeat_exam.py

A doctor of the west wants an HbA1c and a chest X-ray. The east has measured the one forty days ago: it is fetched, and
the patient keeps her blood. The other is two years old: it is ordered, made, and found by whoever asks next.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime, timedelta

from case import DAY, YEAR, Case, check, run_case

from medshare.errors import AccessDeniedError, IntegrityError
from medshare.model.accreditation import AccreditationKind
from medshare.model.provision import Effect, Provision
from medshare.model.purpose import PurposeOfUse
from medshare.recognising import Answer, Recognition, Seen, Wanted
from medshare.standards.examinations import Code
from medshare.testing.synthetic import Chart, terms

SEED = 15
HBA1C = Wanted(codes=frozenset({Code.parse(terms.HBA1C.term.code)}), within=90 * DAY, min_score=80)
CHEST_X_RAY = Wanted(codes=frozenset({Code.parse(terms.CHEST_X_RAY.code)}), within=YEAR)


def main(arguments: list[str] | None = None) -> int:
    """Play the case; return the exit code."""
    return run_case(__doc__, "repeat_exam", play, arguments)


def play(case: Case) -> None:
    """Everything, in order."""
    case.people_are(
        patient=None,
        east_hospital=AccreditationKind.CUSTODIAN,
        west_hospital=AccreditationKind.CUSTODIAN,
        doctor=None,
        colleague=None,
    )
    session = case.session
    today = datetime.fromtimestamp(case.now, UTC).date()
    east, west = Chart(SEED, 0, hospital="East Hospital"), Chart(SEED, 0, hospital="West Hospital")
    case.plant(east.identifying)

    with case.step("The east hospital has published an HbA1c of 40 days ago, and a chest X-ray of two years ago"):
        east.observation(terms.HBA1C, today - timedelta(days=40), value="7.2")
        east.report(terms.CHEST_X_RAY, today - timedelta(days=730), "Lungs clear.")
        case.publishes("east_hospital", "patient", east.bundle_of(east.resources[1:]))

    with case.step(
        "The doctor asks before he orders: without a right he is told nothing, not even whether there is one"
    ):
        without = _denied(case)

    with case.step("The patient permits the doctors what the two hospitals hold, for treatment"):
        for name in ("doctor", "colleague"):
            session.consenting.grant(
                patient=case.people["patient"],
                grantee=case.address(name),
                provisions=[
                    Provision(
                        effect=Effect.PERMIT,
                        purposes=(PurposeOfUse.TREAT,),
                        everything=True,
                        custodians=(case.address("east_hospital"), case.address("west_hospital")),
                    )
                ],
                expires_at=case.now + 30 * DAY,
            )

    with case.step("HbA1c, not older than 90 days, of quality 80 or better: it is there, and not drawn again"):
        found = _look(case, "doctor", HBA1C)
        newest = _existing(found)
        value, age = _fetched(newest, today)
        whose = case.name_of(newest.record.entry.custodian)
        case.sees("doctor", f"{value} %, {age} days old, score {newest.score}, of the {whose}: fetched, not ordered")

    with case.step("A chest X-ray, not older than a year: there is one, and it is too old; so it is ordered and made"):
        too_old = _look(case, "doctor", CHEST_X_RAY)
        check(too_old.answer is Answer.NONE, "none fits, and all of it could be decided")
        reasons = [each.verdict.value for each in too_old.others]
        case.sees("doctor", f"none; of those there are: {', '.join(reasons)}")
        order = west.order(terms.CHEST_X_RAY, today, why=terms.ASTHMA, note="Cough for three weeks.")
        report = west.report(terms.CHEST_X_RAY, today, "No infiltrate.")
        case.publishes("west_hospital", "patient", west.bundle_of([order, report]))

    with case.step("A colleague asks the same a little later: now it is there"):
        again = _look(case, "colleague", CHEST_X_RAY)
        whose = case.name_of(_existing(again).record.entry.custodian)
        case.sees("colleague", f"it is there, of the {whose}: nothing is made a third time")

    case.result = {
        "without_a_right": without,
        "hba1c": {"answer": found.answer.value, "value": value, "days_old": age, "score": newest.score},
        "chest_x_ray": {"answer": too_old.answer.value, "because": reasons},
        "chest_x_ray_later": {"answer": again.answer.value, "of": whose},
    }


def _look(case: Case, reader: str, wanted: Wanted) -> Recognition:
    return case.session.recognising.look(
        case.address("patient"), wanted, reader=case.people[reader], purpose=PurposeOfUse.TREAT
    )


def _denied(case: Case) -> str:
    try:
        _look(case, "doctor", HBA1C)
    except AccessDeniedError as error:
        case.sees("doctor", f"is denied: {error.decision.reason.value}")
        return error.decision.reason.value
    check(held=False, what="who may read nothing is told nothing")
    return ""


def _existing(found: Recognition) -> Seen:
    """Return the newest result that fits, which there must be."""
    if found.newest is None:
        raise IntegrityError(f"it is not so: a result exists; the answer is {found.answer.value}")
    return found.newest


def _fetched(newest: Seen, today: date) -> tuple[float, int]:
    """Return the value of a result, and how many days old it is."""
    document = json.loads(b"".join(newest.record.stream()))
    when = date.fromisoformat(document["effectiveDateTime"][:10])
    return document["valueQuantity"]["value"], (today - when).days


if __name__ == "__main__":
    sys.exit(main())
