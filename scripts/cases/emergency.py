"""An emergency: an unconscious patient, broken glass, keys within seconds, a review, and what the patient sees of it.

    python scripts/cases/emergency.py

A clinician who has no right opens an episode for a patient who cannot be asked. Everybody sees that; the hospitals'
clients release keys; she reads for this purpose only. The patient wakes up, finds it in her inbox, ends the episode;
a reviewer of another house says whether it was justified; the accounting of disclosures names who could read.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

from case import HOUR, Case, check, counted, ref, run_case

from medshare.errors import EpisodeOverError
from medshare.model.accreditation import AccreditationKind
from medshare.model.disclosure import Manner
from medshare.model.emergency import EmergencyReason, Verdict
from medshare.model.ids import EpisodeId
from medshare.model.purpose import PurposeOfUse
from medshare.services.notices import Urgency
from medshare.testing.synthetic import Chart, chart, terms

SEED = 14
DETAILS = "found at the lake without papers; identified by a friend"
NOTE = "compared with the ward's own file"
HOSPITALS = ("city_hospital", "lake_hospital")


def main(arguments: list[str] | None = None) -> int:
    """Play the case; return the exit code."""
    return run_case(__doc__, "emergency", play, arguments)


def play(case: Case) -> None:
    """Everything, in order."""
    case.people_are(
        patient=None,
        city_hospital=AccreditationKind.CUSTODIAN,
        lake_hospital=AccreditationKind.CUSTODIAN,
        clinician=AccreditationKind.CLINICIAN,
        reviewer=AccreditationKind.REVIEWER,
        bystander=None,
    )
    session, patient = case.session, case.people["patient"]
    today = datetime.fromtimestamp(case.now, UTC).date()
    own = chart(SEED, 0, until=today - timedelta(days=30))
    of_the_lake = Chart(SEED, 0, hospital="Lake Hospital")
    allergy = of_the_lake.allergy(next(iter(terms.ALLERGIES)), today - timedelta(days=600))
    case.plant((*own.identifying, DETAILS, NOTE))

    with case.step("Two hospitals have published the patient's records; the clinician has no right to any"):
        case.publishes("city_hospital", "patient", own.bundle())
        (penicillin,) = case.publishes("lake_hospital", "patient", of_the_lake.bundle_of([allergy]))
        record = ref(penicillin)
        before = case.denied("clinician", record, PurposeOfUse.BTG)

    with case.step("The patient comes in unconscious: the clinician breaks the glass, for an hour"):
        opened = session.emergencies.open(
            clinician=case.people["clinician"],
            patient=patient.address,
            reason=EmergencyReason.UNCONSCIOUS,
            details=DETAILS,
            duration=HOUR,
        )
        case.sees("clinician", "writes what happened; it stays in her house, a salted digest goes on chain")
        case.refused("bystander", lambda: _breaks_glass_too(case))

    with case.step("The hospitals' clients see it, and release the keys by themselves"):
        released = {}
        for hospital in HOSPITALS:
            (served,) = session.emergencies.serve(custodian=case.people[hospital])
            check(served.released is not None, "keys were released")
            released[hospital] = len(served.released.records) if served.released is not None else 0
            case.sees(hospital, f"releases the keys of {counted(released[hospital], 'record')}")
        text = case.reads("clinician", record, PurposeOfUse.BTG)
        check(b"penicillin" in text, "she reads what matters now")
        case.sees("clinician", "reads: allergic to penicillin")
        other_purpose = case.denied("clinician", record, PurposeOfUse.HRESCH)

    with case.step("The patient wakes up, and looks into her inbox: nobody can hold a notice back"):
        notices = [each for each in session.inbox.read(patient.address).notices if each.urgency is Urgency.EMERGENCY]
        check(bool(notices), "the emergency is told first")
        for notice in notices:
            case.sees("patient", f"{notice.says} ({case.name_of(notice.who)})")
        session.emergencies.end(opened.episode.episode_id, actor=patient)
        case.sees("patient", "ends the episode; it would have ended by itself within the hour")
        after = case.denied("clinician", record, PurposeOfUse.BTG)
        over = _release_after_the_end(case, opened.episode.episode_id)

    with case.step("A reviewer, who may be neither of the two, says whether it was justified"):
        session.emergencies.review(opened.episode.episode_id, Verdict.JUSTIFIED, NOTE, reviewer=case.people["reviewer"])
        (standing,) = session.emergencies.episodes(patient=patient.address)
        verdict = standing.emergency.episode.verdict.name.lower()
        case.sees("reviewer", f"{verdict}; the note stays in his house")

    with case.step("The patient asks who could read her records, and why"):
        accounting = session.accounting.of(patient.address)
        for each in accounting.disclosures:
            reason = "" if each.reason is None else f", {each.reason.name.lower()}"
            case.sees(
                "patient",
                f"{each.manner.value}: {case.name_of(each.recipient)}, by {case.name_of(each.given_by)}{reason}, "
                f"{counted(each.records, 'record')}, review: {each.verdict.name.lower()}",
            )
        manners = [each.manner for each in accounting.disclosures]
        check(manners.count(Manner.EMERGENCY_KEYS) == len(HOSPITALS), "each release is accounted for")

    case.result = {
        "released": released,
        "denied": {"before": before, "for_research": other_purpose, "after": after},
        "notices": [notice.kind for notice in notices],
        "release_after_the_end": over,
        "verdict": verdict,
        "disclosures": [each.manner.value for each in accounting.disclosures],
    }


def _breaks_glass_too(case: Case) -> None:
    case.session.emergencies.open(
        clinician=case.people["bystander"],
        patient=case.address("patient"),
        reason=EmergencyReason.UNCONSCIOUS,
        details=DETAILS,
        duration=HOUR,
    )


def _release_after_the_end(case: Case, episode_id: EpisodeId) -> str:
    """See that a custodian's client releases nothing for an episode that is over."""
    try:
        case.session.emergencies.release(episode_id, custodian=case.people["city_hospital"])
    except EpisodeOverError as error:
        case.sees("city_hospital", f"releases nothing more: {error}")
        return type(error).__name__
    check(held=False, what="nothing is released for an episode that is over")
    return ""


if __name__ == "__main__":
    sys.exit(main())
