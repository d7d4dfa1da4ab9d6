"""A lot is recalled: from its number to the patients who were given it, without telling the manufacturer who they are.

    python scripts/cases/drug_recall.py

The manufacturer's shipments are EPCIS events; what hospitals gave to patients are FHIR records with lot numbers. Some
patients have permitted the medicines agency to look for such things: it finds them by itself. The others are found by
their own hospital, in its own records, and told by it. The manufacturer learns how many, and nothing else.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime, timedelta

import epcis
from case import YEAR, Case, check, counted, ref, run_case

from medshare.model.accreditation import AccreditationKind
from medshare.model.ids import Address
from medshare.model.provision import Effect, Provision
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Category, RecordRef
from medshare.services.description import Description
from medshare.services.retrieving import OpenRecord
from medshare.testing.synthetic import Chart, Resource, terms

SEED = 17
WARFARIN = epcis.Product(company="0614141", item="107346")
RECALLED, SOUND = "WF2611A", "WF2612B"
PLACES = {"city_hospital": "urn:epc:id:sgln:0614141.11111.0", "lake_hospital": "urn:epc:id:sgln:0614141.22222.0"}
PATIENTS = {
    "patient_one": ("city_hospital", RECALLED, True),
    "patient_two": ("city_hospital", SOUND, True),
    "patient_three": ("city_hospital", RECALLED, False),
    "patient_four": ("lake_hospital", RECALLED, True),
    "patient_five": ("lake_hospital", SOUND, False),
    "patient_six": ("lake_hospital", RECALLED, False),
}
"""Where each was given which lot, and whether he permits the agency to look."""
AFFECTED = sorted(name for name, (_, lot, _) in PATIENTS.items() if lot == RECALLED)
ADVICE = "Do not take tablets of lot WF2611A: they may hold twice the dose. Come and have them changed, free of charge."


def main(arguments: list[str] | None = None) -> int:
    """Play the case; return the exit code."""
    return run_case(__doc__, "drug_recall", play, arguments)


def play(case: Case) -> None:
    """Everything, in order."""
    case.people_are(
        manufacturer=None,
        agency=None,
        city_hospital=AccreditationKind.CUSTODIAN,
        lake_hospital=AccreditationKind.CUSTODIAN,
        **dict.fromkeys(PATIENTS),
    )
    today = datetime.fromtimestamp(case.now, UTC).date()
    charts = {name: Chart(SEED, number) for number, name in enumerate(PATIENTS)}
    for chart in charts.values():
        case.plant(chart.identifying)
    case.plant((RECALLED, ADVICE, WARFARIN.lot(RECALLED)))

    shipments = _shipped(case, today - timedelta(days=60))
    given = _given(case, charts, today - timedelta(days=30))
    _permitted(case)
    hospitals = _recalled(case, shipments, today)
    found = _found_by_the_agency(case)
    notices = _told_by_their_hospitals(case, charts, given, today)

    with case.step("What each affected patient has: a notice by the own hospital, and nobody else reads it"):
        for name in AFFECTED:
            said = json.loads(case.reads(name, notices[name], PurposeOfUse.PATRQT))
            check(said["payload"][0]["contentString"] == ADVICE, "it is what the hospital wrote")
            case.sees(name, "reads: do not take tablets of this lot")
        others = {who: case.denied(who, notices[AFFECTED[0]]) for who in ("manufacturer", "agency")}

    with case.step("The manufacturer is told numbers: tablets shipped, and patients reached, by hospital"):
        report = {hospital: sum(PATIENTS[name][0] == hospital for name in AFFECTED) for hospital in PLACES}
        case.sees("manufacturer", ", ".join(f"{_plain(each)}: {counted(n, 'patient')}" for each, n in report.items()))
        told = case.denied("manufacturer", given["patient_one"])

    case.result = {
        "hospitals_that_received_it": sorted(hospitals),
        "affected": AFFECTED,
        "found_by_the_agency": found,
        "reached": sorted(notices),
        "manufacturer_learns": report,
        "denied": {**others, "manufacturer_reads_a_patient": told},
    }


def _shipped(case: Case, day: date) -> dict[str, RecordRef]:
    """The manufacturer keeps its shipments as records of its own, and lets each hospital read those to itself."""
    shipments = {}
    with case.step("The manufacturer ships lots to two hospitals: EPCIS events, encrypted as records of its own"):
        for number, (hospital, place) in enumerate(PLACES.items(), 1):
            at = f"{day.isoformat()}T06:00:00Z"
            lots = {WARFARIN.lot(RECALLED): 200, WARFARIN.lot(SOUND): 300}
            events = [
                epcis.object_event("shipping", "in_transit", at, lots=lots, place=place),
                epcis.transaction_event(f"urn:epcglobal:cbv:bt:0614141000005:{number}", at, lots=lots),
            ]
            shipments[hospital] = _keeps(case, "manufacturer", "manufacturer", epcis.document(events, at))
            case.session.consenting.grant(
                patient=case.people["manufacturer"],
                grantee=case.address(hospital),
                records=[shipments[hospital]],
                purposes=PurposeOfUse.PATSFTY,
                expires_at=case.now + YEAR,
            )
            case.sees(hospital, "may read what was shipped to it, for the safety of patients")
    return shipments


def _given(case: Case, charts: dict[str, Chart], day: date) -> dict[str, RecordRef]:
    """Hospitals write down what they gave to whom, and out of which lot."""
    given = {}
    with case.step("The hospitals give tablets to six patients; that, and the package, become records of the patient"):
        for number, (name, (hospital, lot, _)) in enumerate(PATIENTS.items(), 2017):
            administration = charts[name].administration(terms.WARFARIN, day, lot=lot)
            (published,) = case.publishes(hospital, name, charts[name].bundle_of([administration]))
            given[name] = ref(published)
            at = f"{day.isoformat()}T11:00:00Z"
            dispensed = epcis.object_event(
                "dispensing",
                "dispensed",
                at,
                lots={WARFARIN.lot(lot): 1},
                units=[WARFARIN.unit(str(number))],
                place=PLACES[hospital],
            )
            _keeps(case, hospital, name, epcis.document([dispensed], at), Category.DISPENSATION)
    return given


def _permitted(case: Case) -> None:
    """Some patients let the agency look, for public health, for what was dispensed and given, and for nothing else."""
    with case.step("Three of them permit the medicines agency to look, for public health, for a year"):
        for name, (_, _, permits) in PATIENTS.items():
            if permits:
                case.session.consenting.grant(
                    patient=case.people[name],
                    grantee=case.address("agency"),
                    provisions=[
                        Provision(
                            effect=Effect.PERMIT,
                            purposes=(PurposeOfUse.PUBHLTH,),
                            categories=(Category.DISPENSATION, Category.MEDICATION),
                        )
                    ],
                    expires_at=case.now + YEAR,
                )
                case.sees(name, "permits it")


def _recalled(case: Case, shipments: dict[str, RecordRef], day: date) -> list[str]:
    """The manufacturer recalls a lot; each hospital compares with what was shipped to it."""
    received = []
    with case.step("The manufacturer recalls a lot: one more event, for the agency and the two hospitals"):
        at = f"{day.isoformat()}T07:00:00Z"
        place = "urn:epc:id:sgln:0614141.00000.0"
        recall = epcis.object_event("holding", "recalled", at, lots={WARFARIN.lot(RECALLED): 400}, place=place)
        notice = _keeps(case, "manufacturer", "manufacturer", epcis.document([recall], at))
        for who in ("agency", *PLACES):
            case.session.consenting.grant(
                patient=case.people["manufacturer"],
                grantee=case.address(who),
                records=[notice],
                purposes=PurposeOfUse.PATSFTY,
                expires_at=case.now + YEAR,
            )
        for hospital in PLACES:
            recalled = epcis.lots_of(_events(case, hospital, notice), "recalled")
            shipped = epcis.lots_of(_events(case, hospital, shipments[hospital]), "in_transit")
            for lot in recalled.keys() & shipped.keys():
                check(epcis.lot_number(lot) == RECALLED, "it is the lot that was recalled")
                received.append(hospital)
                case.sees(hospital, f"lot {epcis.lot_number(lot)} is recalled; {shipped[lot]} tablets of it came here")
    return received


def _found_by_the_agency(case: Case) -> list[str]:
    """The agency goes through what it may read, and tells each custodian whom it found among his patients."""
    found = []
    with case.step("The agency looks where it may: it finds those who permitted it, and tells their hospitals"):
        agency = case.people["agency"]
        for standing in case.session.auditing.grants(grantee=agency.address):
            patient = standing.grant.patient
            if patient == case.address("manufacturer"):
                continue
            history = case.session.history.of(patient, reader=agency, purpose=PurposeOfUse.PUBHLTH)
            records = list(history)
            check(not history.failures, "nothing is missing")
            lots = [_lots_told_by(record) for record in records]
            check(lots[0] == lots[1], "what was given is what was taken out of the package")
            if lots[0] == {RECALLED}:
                found.append(patient)
                case.sees(_key_of(case, records[0].entry.custodian), f"is told by the agency: {case.name_of(patient)}")
        case.sees("agency", f"sees {counted(len(found), 'patient')}, by address, and none who has not permitted it")
    return sorted(_key_of(case, patient) for patient in found)


def _told_by_their_hospitals(
    case: Case, charts: dict[str, Chart], given: dict[str, RecordRef], day: date
) -> dict[str, RecordRef]:
    """Each hospital goes through its own records, and publishes a notice to whom it gave the lot."""
    notices = {}
    with case.step("Each hospital looks through its own records, and tells its patients itself: a record for each"):
        for name, record in given.items():
            hospital = PATIENTS[name][0]
            document = json.loads(case.reads(hospital, record, PurposeOfUse.PATSFTY))
            if _lots_given(document) != {RECALLED}:
                continue
            notice = charts[name].notice(ADVICE, day, why=document)
            (published,) = case.publishes(hospital, name, charts[name].bundle_of([notice]))
            notices[name] = ref(published)
    check(sorted(notices) == AFFECTED, "all who were given it are told, and nobody else")
    return notices


def _keeps(
    case: Case, custodian: str, patient: str, content: bytes, category: Category = Category.ADMINISTRATIVE
) -> RecordRef:
    """Publish an EPCIS document; of what is about the manufacturer itself, it is custodian and patient both."""
    epcis.events_of(content)
    published = case.session.publishing.publish(
        content,
        custodian=case.people[custodian],
        patient=case.address(patient),
        description=Description(media_type=epcis.MEDIA_TYPE, category=category),
    )
    return ref(published)


def _events(case: Case, reader: str, record: RecordRef) -> list[Resource]:
    return epcis.events_of(case.reads(reader, record, PurposeOfUse.PATSFTY))


def _lots_told_by(record: OpenRecord) -> set[str]:
    """Return the lots that a record speaks of, be it FHIR or EPCIS."""
    content = b"".join(record.stream())
    if record.manifest.media_type == epcis.MEDIA_TYPE:
        return {epcis.lot_number(lot) for lot in epcis.lots_of(epcis.events_of(content), "dispensed")}
    return _lots_given(json.loads(content))


def _lots_given(resource: Resource) -> set[str]:
    """Return the lots that a FHIR resource says something was given of."""
    contained = resource.get("contained", ())
    return {each["batch"]["lotNumber"] for each in contained if each["resourceType"] == "Medication"}


def _key_of(case: Case, account: Address) -> str:
    return next(name for name, actor in case.people.items() if actor.address == account)


def _plain(name: str) -> str:
    return name.replace("_", " ")


if __name__ == "__main__":
    sys.exit(main())
