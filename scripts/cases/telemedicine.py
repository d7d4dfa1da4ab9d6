"""A consultation by video: the right begins with the appointment, ends by itself, and is renewed only by the patient.

    python scripts/cases/telemedicine.py

The patient permits a remote doctor results and prescriptions for the twenty minutes of an appointment. Before it the
doctor reads nothing, after it nothing more, and he cannot prolong it himself. The patient grants ten minutes more:
which everybody can see, as a grant of its own.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

from case import HOUR, MINUTE, Case, check, ref, run_case

from medshare.model.accreditation import AccreditationKind
from medshare.model.events import AccessGranted
from medshare.model.provision import Effect, Provision
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Category
from medshare.services.consenting import Granted
from medshare.testing.synthetic import chart

SEED = 13
WANTED = Provision(
    effect=Effect.PERMIT,
    purposes=(PurposeOfUse.TREAT,),
    categories=(Category.LABORATORY, Category.OBSERVATION, Category.PRESCRIPTION),
)


def main(arguments: list[str] | None = None) -> int:
    """Play the case; return the exit code."""
    return run_case(__doc__, "telemedicine", play, arguments)


def play(case: Case) -> None:
    """Everything, in order."""
    case.people_are(patient=None, clinic=AccreditationKind.CUSTODIAN, remote_doctor=None)
    session = case.session
    today = datetime.fromtimestamp(case.now, UTC).date()
    own = chart(SEED, 0, until=today - timedelta(days=2))
    case.plant(own.identifying)

    with case.step("The clinic has published the patient's records"):
        published = case.publishes("clinic", "patient", own.bundle())
        kinds = [each["resourceType"] for each in own.resources]
        value = ref(published[kinds.index("Observation")])

    with case.step("The patient grants the doctor the time of the appointment, and no more"):
        begins_at = case.now + case.lasting(HOUR)
        first = _grant(case, not_before=begins_at, expires_at=begins_at + case.lasting(20 * MINUTE))
        case.sees("patient", f"permits {len(first.released)} of {len(published)} records, from then on, until its end")
        before = case.denied("remote_doctor", value)

    with case.step("The appointment begins"):
        case.wait_until(begins_at)
        check(bool(case.reads("remote_doctor", value)), "he reads")
        case.sees("remote_doctor", "reads a laboratory value")

    with case.step("Its time is over: nobody has to do anything"):
        case.wait_until(first.grant.expires_at)
        after = case.denied("remote_doctor", value)
        own_hand = case.refused(
            "remote_doctor",
            lambda: session.consenting.grant(
                patient=case.people["remote_doctor"],
                on_behalf_of=case.address("patient"),
                grantee=case.address("remote_doctor"),
                provisions=[WANTED],
                expires_at=case.now + HOUR,
            ),
        )

    with case.step("They are not done: the patient grants ten minutes more"):
        second = _grant(case, not_before=0, expires_at=case.now + case.lasting(10 * MINUTE))
        check(second.grant_id == first.grant_id, "the same words are the same grant, granted anew")
        check(bool(case.reads("remote_doctor", value)), "he reads again")
        case.sees("remote_doctor", "reads again, since the patient has said so again")

    with case.step("And it ends again"):
        case.wait_until(second.grant.expires_at)
        ended = case.denied("remote_doctor", value)
        renewals = _grants(case)
        case.sees("patient", f"in the audit trail: {renewals} grants to the doctor, each with its own time")

    case.result = {
        "permitted": len(first.released),
        "published": len(published),
        "denied": {"before": before, "after": after, "after_renewal": ended},
        "prolonging_it_himself": own_hand,
        "grants_in_the_trail": renewals,
    }


def _grant(case: Case, *, not_before: int, expires_at: int) -> Granted:
    return case.session.consenting.grant(
        patient=case.people["patient"],
        grantee=case.address("remote_doctor"),
        provisions=[WANTED],
        not_before=not_before,
        expires_at=expires_at,
    )


def _grants(case: Case) -> int:
    trail = case.session.auditing.trail(case.address("patient"))
    return sum(isinstance(event, AccessGranted) for event in trail)


if __name__ == "__main__":
    sys.exit(main())
