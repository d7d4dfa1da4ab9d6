"""A study with a cohort: asked, approved, accepted, delivered, read, and paid out to the last wei.

    python scripts/cases/cohort.py

A researcher asks for HbA1c values, deposits the rewards, and an ethics committee approves. Patients answer by what they
have decided beforehand, in the terms of DUO, or asked one by one; hospitals deliver. One revokes after it: her reward
stays hers, her value leaves the data set.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from case import DAY, Case, check, counted, run_case

from medshare.chain import LocalSigner
from medshare.envelope import Identity
from medshare.model.accreditation import AccreditationKind
from medshare.model.governed import WithdrawTreasury
from medshare.model.ids import Address, RequestId
from medshare.model.intended_use import DuoPurpose, IntendedUse, Organisation
from medshare.model.policy import Answer, Policy
from medshare.model.provision import Duty, Effect, Obligation, Provision
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Category
from medshare.model.request import NATIVE, RequestCategory
from medshare.model.study import Study
from medshare.ports import Actor
from medshare.services.accepting import Asking
from medshare.testing.synthetic import Chart, terms

SEED = 18
REWARD = 1_000_003
"""Wei for each patient, hospital and consortium together: a number that does not divide evenly."""
HEALTH_ONLY = Policy.from_toml(
    b'version = 1\ndata_use = { permission = "HMB" }\n'
    b'[[rules]]\nanswer = "approve"\nduo = ["allowed"]\nkinds = ["observation"]\nlabels = []\n'
)
NO_RESEARCH = Policy.from_toml(b'version = 1\n[[rules]]\nanswer = "decline"\npurposes = ["BIORCH"]\n')
ASK_ME = Policy.from_toml(b"version = 1\n")
PATIENTS = {
    "patient_one": ("north_hospital", HEALTH_ONLY, "6.1"),
    "patient_two": ("south_hospital", HEALTH_ONLY, "7.4"),
    "patient_three": ("north_hospital", HEALTH_ONLY, "8.0"),
    "patient_four": ("south_hospital", NO_RESEARCH, "9.9"),
    "patient_five": ("north_hospital", ASK_ME, "6.8"),
    "patient_six": ("south_hospital", HEALTH_ONLY, "9.5"),
}
"""Who publishes for each, what each has decided beforehand, and the HbA1c in percent."""
LEAVING = "patient_six"


def main(arguments: list[str] | None = None) -> int:
    """Play the case; return the exit code."""
    return run_case(__doc__, "cohort", play, arguments)


def play(case: Case) -> None:
    """Everything, in order."""
    case.people_are(
        researcher=AccreditationKind.RESEARCHER,
        committee=AccreditationKind.ETHICS_COMMITTEE,
        north_hospital=AccreditationKind.CUSTODIAN,
        south_hospital=AccreditationKind.CUSTODIAN,
        **dict.fromkeys(PATIENTS),
    )
    session = case.session
    _published(case)
    number = _asked(case)
    accepting = _answered(case, number)

    with case.step("The hospitals deliver: from now on the reward is earned, whatever the patient does"):
        for hospital in ("north_hospital", "south_hospital"):
            for part in session.delivering.waiting(case.address(hospital)):
                found = session.delivering.check(number, part.patient, custodian=case.people[hospital])
                session.delivering.deliver(number, part.patient, custodian=case.people[hospital])
                records = counted(len(found.records), "record")
                case.sees(hospital, f"delivers {records} of {case.name_of(part.patient)}")

    with case.step("The researcher opens what was delivered, and confirms it: that pays"):
        for name in accepting:
            session.requesting.confirm(number, case.address(name), requester=case.people["researcher"])
        case.sees("researcher", f"what {counted(len(accepting), 'patient')} granted is there and verifies: it is paid")

    with case.step("The researcher fetches the data set"):
        first = _dataset(case, accepting)
        case.sees("researcher", f"{counted(len(first), 'value')}, mean {_mean(first)} %")

    with case.step("One patient changes her mind; her reward stays hers, her value leaves the data set"):
        (standing,) = (
            each
            for each in session.auditing.may_read(case.address(LEAVING))
            if each.grant.grantee == case.address("researcher")
        )
        session.consenting.revoke(standing.grant.grant_id, patient=case.people[LEAVING])
        later = _dataset(case, accepting)
        check(len(later) == len(first) - 1, "one value less")
        case.sees("researcher", f"{counted(len(later), 'value')}, mean {_mean(later)} %")

    money = _paid_out(case, number, accepting)
    case.result = {
        "accepted": accepting,
        "values": sorted(first.values()),
        "mean": _mean(first),
        "mean_after_revoking": _mean(later),
        "money": money,
    }


def _published(case: Case) -> None:
    day = datetime.fromtimestamp(case.now, UTC).date() - timedelta(days=14)
    with case.step("Two hospitals have published values of six patients"):
        for number, (name, (hospital, _, value)) in enumerate(PATIENTS.items()):
            chart = Chart(SEED, number)
            case.plant(chart.identifying)
            chart.observation(terms.HBA1C, day, value=value)
            chart.condition(terms.DIABETES, day)
            case.publishes(hospital, name, chart.bundle_of(chart.resources[1:]))


def _asked(case: Case) -> RequestId:
    """A researcher asks, in an open call that everybody can read; a committee approves."""
    study = Study(
        requester=case.address("researcher"),
        title="Blood sugar in two regions",
        summary="We compare the HbA1c of people whom two hospitals treat.",
        institution="University of Example",
        contact="study@example.org",
        wanted=Provision(
            effect=Effect.PERMIT,
            purposes=(PurposeOfUse.BIORCH,),
            categories=(Category.OBSERVATION,),
            obligations=(Obligation(duty=Duty.NORELINK),),
        ),
        intended_use=IntendedUse(
            purposes=(DuoPurpose.HEALTH,), organisation=Organisation.NOT_FOR_PROFIT, commercial_use=False
        ),
        category=RequestCategory.NON_PROFIT,
        grants=len(PATIENTS) - 1,
        deadline=case.now + 20 * DAY,
        access_days=30,
        reward=REWARD,
    )
    with case.step("The researcher asks in an open call, and deposits the rewards; the ethics committee approves"):
        opened = case.session.requesting.open(study, requester=case.people["researcher"])
        case.sees("researcher", f"deposits {REWARD:,} wei for each of {study.grants}")
        case.session.requesting.approve(opened.request_id, committee=case.people["committee"])
        case.sees("committee", "reads the study, and approves")
    return opened.request_id


def _answered(case: Case, number: RequestId) -> list[str]:
    """Patients answer: by a policy of their own, or asked."""
    accepting = []
    with case.step("The patients are asked; most have said beforehand what they want, in the terms of DUO"):
        for name, (_, policy, _) in PATIENTS.items():
            patient = case.people[name]
            (offer,) = (
                each
                for each in case.session.offering.offers(patient=patient, policy=policy)
                if each.request.request_id == number
            )
            answer = Answer.ASK if offer.decision is None else offer.decision.answer
            case.sees(name, f"her policy says: {answer.value}")
            if answer is Answer.DECLINE:
                continue
            asking = Asking(confirm=lambda _: True, names=lambda _: None)
            case.session.accepting.accept(number, patient=patient, payer=patient.signer, asking=asking)
            accepting.append(name)
            case.sees(name, "accepts, with one signature: the grant stands, and the reward is reserved")
    return accepting


def _dataset(case: Case, names: Sequence[str]) -> dict[str, float]:
    """Return what the researcher may read now of the cohort: values by record, verified."""
    values = {}
    for name in names:
        history = case.session.history.of(
            case.address(name), reader=case.people["researcher"], purpose=PurposeOfUse.BIORCH
        )
        for record in history:
            document = json.loads(b"".join(record.stream()))
            values[record.entry.record_id.hex()] = document["valueQuantity"]["value"]
        check(not history.failures, "nothing is missing")
    return values


def _paid_out(case: Case, number: RequestId, accepting: Sequence[str]) -> dict[str, int]:
    """Everybody withdraws, to addresses that nobody has seen before; return where the money went."""
    session = case.session
    payees: dict[str, Address] = {}
    with case.step("Everybody withdraws what was earned, the consortium by vote: to the last wei"):
        for name in (*accepting, "north_hospital", "south_hospital"):
            payees[name] = LocalSigner.generate().address
            actor = case.people[name]
            session.rewarding.withdraw(actor.address, NATIVE, to=payees[name], actor=actor)
        payees["consortium"] = LocalSigner.generate().address
        _withdraw_treasury(case, payees["consortium"])
        arrived = {name: session.chain.client.balance(payee) for name, payee in payees.items()}
        for name, amount in arrived.items():
            case.sees(name, f"{amount:,} wei")
        account = session.rewarding.account_of(number)
        check(sum(arrived.values()) == account.deposited, "what came in is what went out")
        check(account.held == 0, "nothing is left")
    return {"deposited": account.deposited, **arrived}


def _withdraw_treasury(case: Case, to: Address) -> None:
    """The consortium withdraws by vote; on a development network it has one member."""
    session = case.session
    member = Actor(signer=session.chain.development_member(), identity=Identity.generate())
    made = session.governing.propose(
        WithdrawTreasury(account=session.ledger.consortium.address, token=NATIVE, to=to), "as agreed", member=member
    )
    session.governing.execute(made.proposal.proposal_id, payer=member)


def _mean(values: dict[str, float]) -> float:
    return round(sum(values.values()) / len(values), 2)


if __name__ == "__main__":
    sys.exit(main())
