"""A referral between two hospitals: the patient says what the specialist may read, and the answer comes back by itself.

    python scripts/cases/referral.py

The hill hospital writes a letter to a cardiologist of the lake hospital. The patient permits the letter, and of the
last two years results, diagnoses and prescriptions, for thirty days. The cardiologist reads exactly that; the lake
hospital publishes the report, and the general practitioner reads it, since the patient had said so beforehand.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime, timedelta

from case import DAY, Case, check, ref, run_case

from medshare.model.accreditation import AccreditationKind
from medshare.model.provision import Effect, Provision
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Category
from medshare.testing.synthetic import Chart, chart, terms

SEED = 11
CONCLUSION = "Paroxysmal atrial fibrillation. Anticoagulation recommended; control in three months."


def main(arguments: list[str] | None = None) -> int:
    """Play the case; return the exit code."""
    return run_case(__doc__, "referral", play, arguments)


def play(case: Case) -> None:
    """Everything, in order."""
    case.people_are(
        patient=None,
        hill_hospital=AccreditationKind.CUSTODIAN,
        lake_hospital=AccreditationKind.CUSTODIAN,
        general_practitioner=None,
        cardiologist=None,
        stranger=None,
    )
    session, patient = case.session, case.people["patient"]
    today = datetime.fromtimestamp(case.now, UTC).date()
    own = chart(SEED, 0, until=today - timedelta(days=5))
    case.plant((*own.identifying, CONCLUSION))

    with case.step("The hill hospital publishes what it knows of the patient, and the letter of referral"):
        published = case.publishes("hill_hospital", "patient", own.bundle())
        kinds = [each["resourceType"] for each in own.resources]
        vaccination = ref(published[kinds.index("Immunization")])
        (letter,) = case.publishes("hill_hospital", "patient", _letter(own, today))

    with case.step("The patient permits what the cardiologist needs, and the answer to her general practitioner"):
        granted = session.consenting.grant(
            patient=patient,
            grantee=case.address("cardiologist"),
            provisions=[
                Provision(effect=Effect.PERMIT, purposes=(PurposeOfUse.TREAT,), records=(ref(letter),)),
                Provision(
                    effect=Effect.PERMIT,
                    purposes=(PurposeOfUse.TREAT,),
                    categories=(Category.CONDITION, Category.LABORATORY, Category.OBSERVATION, Category.PRESCRIPTION),
                    since=today - timedelta(days=730),
                ),
            ],
            expires_at=case.now + 30 * DAY,
        )
        case.sees("patient", f"permits the cardiologist {len(granted.released)} of {len(published) + 1} records")
        session.consenting.grant(
            patient=patient,
            grantee=case.address("general_practitioner"),
            provisions=[
                Provision(
                    effect=Effect.PERMIT,
                    purposes=(PurposeOfUse.TREAT,),
                    everything=True,
                    custodians=(case.address("lake_hospital"),),
                )
            ],
            expires_at=case.now + 90 * DAY,
        )
        case.sees("patient", "permits the general practitioner all that the lake hospital will publish, for 90 days")

    with case.step("The cardiologist reads the letter and the history, and nothing else"):
        said = json.loads(case.reads("cardiologist", ref(letter)))
        case.sees("cardiologist", f"the letter says: {said['note'][0]['text']}")
        history = session.history.of(patient.address, reader=case.people["cardiologist"], purpose=PurposeOfUse.TREAT)
        read = [record.manifest.category.value for record in history]
        check(not history.failures, "nothing is missing")
        check(len(read) == len(granted.released), "he reads what was permitted, and no more")
        case.sees("cardiologist", f"{len(read)} records, of these kinds: {', '.join(sorted(set(read)))}")
        outside = case.denied("cardiologist", vaccination)

    with case.step("The lake hospital publishes the cardiologist's report; nobody has to grant again"):
        (report,) = case.publishes("lake_hospital", "patient", _report(today))
        readers = sorted(case.name_of(reader) for reader in report.readers)
        check(readers == ["general practitioner"], "the custodian's client made a packet for whom the patient permits")
        conclusion = json.loads(case.reads("general_practitioner", ref(report)))["conclusion"]
        check(conclusion == CONCLUSION, "it is what the cardiologist wrote")
        case.sees("general_practitioner", "reads the report, byte for byte as it was written")
        stranger = case.denied("stranger", ref(report))

    with case.step("The patient ends the cardiologist's right now; it would have ended by itself in 30 days"):
        session.consenting.revoke(granted.grant_id, patient=patient)
        revoked = case.denied("cardiologist", ref(letter))

    case.result = {
        "published": len(published) + 2,
        "permitted": len(granted.released),
        "read": len(read),
        "kinds_read": sorted(set(read)),
        "report_readers": readers,
        "report_is_whole": conclusion == CONCLUSION,
        "denied": {"vaccination": outside, "stranger": stranger, "after_revoking": revoked},
    }


def _letter(own: Chart, today: date) -> bytes:
    letter = own.order(
        terms.TO_CARDIOLOGIST, today, why=terms.ATRIAL_FIBRILLATION, note="Irregular pulse since March. Please see her."
    )
    return own.bundle_of([letter])


def _report(today: date) -> bytes:
    """The same person, as the lake hospital knows her: by a number of its own."""
    of_the_lake = Chart(SEED, 0, hospital="Lake Hospital")
    return of_the_lake.bundle_of([of_the_lake.report(terms.ECHOCARDIOGRAM, today, CONCLUSION, service="CUS")])


if __name__ == "__main__":
    sys.exit(main())
