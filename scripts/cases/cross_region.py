"""Care far from home: a clinician puts together what four custodians hold, and is told what is missing.

    python scripts/cases/cross_region.py

A patient falls ill on a journey. She permits the clinician everything, for treatment, for a day. Of one custodian the
storage node has lost a record: the history comes without it, says so, and is complete when the node is mended.
"""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta

from case import DAY, Case, check, counted, run_case

from medshare.content import Block, Cid, walk
from medshare.errors import BlobNotFoundError
from medshare.model.accreditation import AccreditationKind
from medshare.model.purpose import PurposeOfUse
from medshare.services.history import HistoryFailure
from medshare.services.representing import everything_for
from medshare.services.retrieving import OpenRecord
from medshare.testing.synthetic import Chart, terms

SEED = 12
CUSTODIANS = ("north_hospital", "south_hospital", "harbour_clinic", "island_practice")


def main(arguments: list[str] | None = None) -> int:
    """Play the case; return the exit code."""
    return run_case(__doc__, "cross_region", play, arguments)


def play(case: Case) -> None:
    """Everything, in order."""
    case.people_are(patient=None, clinician=None, **dict.fromkeys(CUSTODIANS, AccreditationKind.CUSTODIAN))
    session = case.session
    today = datetime.fromtimestamp(case.now, UTC).date()

    records = {}
    with case.step("Over three years, four custodians publish what they saw of the patient, each for itself"):
        for number, name in enumerate(CUSTODIANS):
            chart = _seen_by(name, today - timedelta(days=900 - 210 * number))
            case.plant(chart.identifying)
            records[name] = case.publishes(name, "patient", chart.bundle_of(chart.resources[1:]))
    total = sum(len(each) for each in records.values())

    with case.step("On her journey, the patient permits the clinician everything, for treatment, for a day"):
        granted = session.consenting.grant(
            patient=case.people["patient"],
            grantee=case.address("clinician"),
            provisions=[everything_for(PurposeOfUse.TREAT)],
            expires_at=case.now + DAY,
        )
        check(len(granted.released) == total, "every custodian's records were released")
        case.sees("patient", f"one grant, {len(granted.released)} records, {len(CUSTODIANS)} custodians")

    lost = records["harbour_clinic"][-1]
    with case.step("The storage node of the harbour clinic has lost a record"):
        kept = _lose(case, lost.cid)
        case.sees("harbour_clinic", f"{counted(len(kept), 'block')} of one record are gone")

    with case.step("The clinician reads the history: in order of time, and with what is missing"):
        found, failures = _history(case)
        _tell(case, found)
        missing = [failure for failure in failures if failure.record is not None]
        check([each.record for each in missing] == [lost.entry.ref], "the lost record is named, and no other")
        check(isinstance(missing[0].error, BlobNotFoundError), "it is said why")
        case.sees("clinician", f"1 record is missing, of {case.name_of(lost.entry.custodian)}: it is not in the store")
        check(len(found) == total - 1, "what one custodian lost hides nothing of the others")

    with case.step("The harbour clinic mends its node from its backup; the clinician asks again"):
        session.store.put(kept)
        session.store.pin(lost.cid)
        complete, failures = _history(case)
        check(not failures, "nothing is missing")
        case.sees("clinician", f"{len(complete)} records, nothing is missing")
    dates = [_day(record) for record in complete]
    check(dates == sorted(dates, reverse=True), "the newest is first")

    case.result = {
        "custodians": len({record.entry.custodian for record in complete}),
        "records": total,
        "without_the_lost": len(found),
        "missing": [type(failure.error).__name__ for failure in missing],
        "complete": len(complete),
        "in_order_of_time": dates == sorted(dates, reverse=True),
        "grants": 1,
    }


def _seen_by(hospital: str, day: date) -> Chart:
    """Return what one custodian knows of the patient: a visit, values, a diagnosis or a report."""
    chart = Chart(SEED, 0, hospital=hospital.replace("_", " ").title())
    visit = chart.encounter(day, why=terms.ASTHMA)
    chart.condition(terms.ASTHMA if hospital.startswith("n") else terms.HYPERTENSION, day + timedelta(days=1), visit)
    chart.observation(terms.CREATININE, day + timedelta(days=3), encounter=visit)
    chart.blood_pressure(day + timedelta(days=9), visit)
    chart.report(terms.CHEST_X_RAY, day + timedelta(days=14), "Lungs clear.", encounter=visit)
    return chart


def _lose(case: Case, root: Cid) -> list[Block]:
    """Take a record away from the store; return its blocks, as a backup has them."""
    store = case.session.store
    blocks = list(walk(store.get, root))
    store.unpin(root)
    store.remove([block.cid for block in blocks])
    return blocks


def _history(case: Case) -> tuple[list[OpenRecord], list[HistoryFailure]]:
    history = case.session.history.of(
        case.address("patient"), reader=case.people["clinician"], purpose=PurposeOfUse.TREAT
    )
    return list(history), history.failures


def _day(record: OpenRecord) -> str:
    return record.manifest.clinical_date or ""


def _tell(case: Case, records: list[OpenRecord]) -> None:
    """Tell what a history holds, without days: those depend on when the case is played."""
    for custodian in dict.fromkeys(record.entry.custodian for record in records):
        kinds = [record.manifest.resource_type or "-" for record in records if record.entry.custodian == custodian]
        case.sees("clinician", f"{case.name_of(custodian)}: {', '.join(kinds)}")


if __name__ == "__main__":
    sys.exit(main())
