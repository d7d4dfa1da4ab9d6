"""Coming of age: a mother acts for her daughter, the daughter takes over, and decides what of it stays.

    python scripts/cases/coming_of_age.py

The daughter's key appoints her mother until the eighteenth birthday. She grants a paediatrician and a school nurse. At
sixteen the daughter takes over: she dismisses her mother, looks at what was granted in her name, revokes it, and grants
the one of the two anew, by her own word. What she had left would end with the day up to which her mother was appointed.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

from case import DAY, YEAR, Case, check, ref, run_case

from medshare.model.accreditation import AccreditationKind
from medshare.model.delegation import Verbs
from medshare.model.provision import Effect, Provision
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Category
from medshare.services.auditing import GrantStanding
from medshare.services.representing import everything_for
from medshare.testing.synthetic import Chart, terms

SEED = 16
SIXTEEN = 16
VACCINATIONS = Provision(
    effect=Effect.PERMIT, purposes=(PurposeOfUse.TREAT,), categories=(Category.IMMUNIZATION, Category.CONDITION)
)


def main(arguments: list[str] | None = None) -> int:
    """Play the case; return the exit code."""
    return run_case(__doc__, "coming_of_age", play, arguments)


def play(case: Case) -> None:
    """Everything, in order."""
    case.people_are(
        daughter=None,
        mother=None,
        paediatrician=None,
        school_nurse=None,
        city_hospital=AccreditationKind.CUSTODIAN,
    )
    session, daughter, mother = case.session, case.people["daughter"], case.people["mother"]
    today = datetime.fromtimestamp(case.now, UTC).date()
    own = Chart(
        SEED, 0, hospital="City Hospital", born_after=today.year - SIXTEEN - 1, born_before=today.year - SIXTEEN
    )
    own.immunization(terms.VACCINES[0], today - timedelta(days=400))
    own.condition(terms.ASTHMA, today - timedelta(days=380))
    own.observation(terms.VITAL_SIGNS[0], today - timedelta(days=20))
    case.plant(own.identifying)

    with case.step("The hospital has published the daughter's records"):
        vaccination, asthma, _ = (
            ref(each) for each in case.publishes("city_hospital", "daughter", own.bundle_of(own.resources[1:]))
        )

    with case.step("The daughter's key appoints her mother until the eighteenth birthday, and lets her read"):
        majority = case.now + 2 * YEAR
        session.representing.appoint(
            patient=daughter,
            delegate=mother.address,
            verbs=Verbs.GRANT | Verbs.REVOKE,
            purposes=[PurposeOfUse.TREAT],
            expires_at=majority,
            access=[everything_for(PurposeOfUse.PATRQT)],
        )
        check(bool(case.reads("mother", asthma, PurposeOfUse.PATRQT)), "she reads")
        case.sees("mother", "may grant and revoke for treatment, until then, and nothing else")

    with case.step("The mother grants: the paediatrician everything, the school nurse vaccinations and diagnoses"):
        for name, provision in (
            ("paediatrician", everything_for(PurposeOfUse.TREAT)),
            ("school_nurse", VACCINATIONS),
        ):
            _grant(case, "mother", name, provision, expires_at=majority)
            check(bool(case.reads(name, asthma)), "they read")
            case.sees(name, "reads the diagnosis")
        too_long = case.refused(
            "mother",
            lambda: _grant(case, "mother", "paediatrician", everything_for(PurposeOfUse.TREAT), majority + DAY),
        )
        all_at_once = case.refused(
            "mother", lambda: session.consenting.revoke_all(patient=mother, on_behalf_of=daughter.address)
        )

    with case.step("At sixteen the daughter takes over, and dismisses her mother"):
        session.representing.dismiss(mother.address, actor=daughter, patient=daughter.address)
        dismissed = case.refused("mother", lambda: _grant(case, "mother", "school_nurse", VACCINATIONS, case.now + DAY))
        check(bool(case.reads("paediatrician", asthma)), "what was granted stays until somebody ends it")
        case.sees("paediatrician", "reads as before: what was granted stays until somebody ends it")

    with case.step("She looks at what was granted in her name, and decides"):
        seen = _standing(case)
        for standing in seen:
            case.sees(
                "daughter",
                f"{case.name_of(standing.grant.grantee)} for {','.join(standing.purposes.codes)}, granted by "
                f"{case.name_of(standing.granted_by)}",
            )
        for standing in seen:
            session.consenting.revoke(standing.grant.grant_id, patient=daughter)
        _grant(case, "daughter", "paediatrician", everything_for(PurposeOfUse.TREAT), majority + YEAR)
        case.sees("daughter", "revokes all three, and grants the paediatrician anew, by her own word")
        revoked = {
            "school_nurse": case.denied("school_nurse", vaccination),
            "mother": case.denied("mother", asthma, PurposeOfUse.PATRQT),
        }
        kept = _standing(case)
        check([each.granted_by for each in kept] == [daughter.address], "one is left, by her own word")
        check(bool(case.reads("paediatrician", asthma)), "he reads")

    with case.step("The trail says for ever who granted what, and by whose word"):
        kinds = [type(event).__name__ for event in session.auditing.trail(daughter.address)]
        for kind in dict.fromkeys(kinds):
            case.sees("daughter", f"{kinds.count(kind)} x {kind}")

    case.result = {
        "refused": {"longer": too_long, "revoke_everything": all_at_once, "after_dismissal": dismissed},
        "granted_in_her_name": len(seen),
        "denied": revoked,
        "kept_by_her_own_word": [case.name_of(each.grant.grantee) for each in kept],
        "trail": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
    }


def _grant(case: Case, who: str, grantee: str, provision: Provision, expires_at: int) -> None:
    case.session.consenting.grant(
        patient=case.people[who],
        on_behalf_of=case.address("daughter"),
        grantee=case.address(grantee),
        provisions=[provision],
        expires_at=expires_at,
    )


def _standing(case: Case) -> list[GrantStanding]:
    return case.session.auditing.may_read(case.address("daughter"))


if __name__ == "__main__":
    sys.exit(main())
