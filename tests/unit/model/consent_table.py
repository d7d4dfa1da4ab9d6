"""The conflict table: what a patient may have said, what is asked, and what is decided. Data only.

``test_consent_table.py`` runs every row; ``scripts/write_reference.py`` writes the rows into docs/consent-table.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from medshare.model.consent import (
    Consent,
    Duty,
    Effect,
    Grant,
    Obligation,
    Provision,
    Reason,
    RecordRef,
    Subject,
    Terms,
)
from medshare.model.emergency import EmergencyReason, Episode, Verdict
from medshare.model.ids import Address, RecordId, address, derive_episode_id
from medshare.model.purpose import Purpose
from medshare.model.purpose import PurposeOfUse as P
from medshare.model.record import Category, RecordStatus

PATIENT, DOCTOR, STRANGER, HOSPITAL, CLINIC, OTHER_PATIENT = (
    address("0x" + f"{number:02x}" * 20) for number in range(1, 7)
)
RECORD, EARLIER, OTHER, LATER = (
    RecordRef(custodian=HOSPITAL, record_id=RecordId(bytes([number]) * 32)) for number in (1, 2, 3, 4)
)
ELSEWHERE = replace(RECORD, custodian=CLINIC)
NAMES = {
    "01010101…": "the record",
    "02020202…": "its earlier version",
    "03030303…": "another record",
    "04040404…": "its later version",
    HOSPITAL: "the hospital",
    CLINIC: "the clinic",
}

BEGIN, NOW, END = 1_767_225_600, 1_772_366_400, 1_782_864_000
"""Grants run from 2026-01-01 to 2026-07-01; unless a row says otherwise it is 2026-03-01 12:00."""
DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A grant: its provisions, and how it stands on chain."""

    provisions: tuple[Provision, ...]
    patient: str = PATIENT
    grantee: str = DOCTOR
    begin: int = BEGIN
    end: int = END
    revoked: bool = False
    stamp: int = 0
    stamp_now: int = 0
    on_chain: Purpose | None = None
    """None: the bits of what it permits."""
    standing: str = ""
    """How it stands, in words, where that is not simply live."""

    def consent(self, number: int) -> Consent:
        terms = Terms(
            patient=self.patient, grantee=self.grantee, provisions=self.provisions, salt=bytes([number + 1]) * 32
        )
        bits = terms.purposes if self.on_chain is None else self.on_chain
        grant = Grant(
            grant_id=terms.grant_id(),
            grantee=self.grantee,
            not_before=self.begin,
            expires_at=self.end,
            purposes=Purpose(0) if self.revoked else bits,
            stamp=self.stamp,
            epoch=1,
        )
        return Consent(grant=grant, terms=terms, stamp=self.stamp_now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row."""

    name: str
    situation: str
    given: tuple[Given, ...]
    outcome: Reason
    rules: tuple[str, ...]
    subject: Subject
    purpose: P = P.TREAT
    reader: str = DOCTOR
    now: int = NOW
    episodes: tuple[Episode, ...] = ()
    decided_by: tuple[tuple[int, int], ...] | None = None
    """(grant, provision) from 0, where the row says which."""
    obligations: tuple[Obligation, ...] = ()

    def consents(self) -> list[Consent]:
        return [given.consent(number) for number, given in enumerate(self.given)]


def subject(**facts) -> Subject:
    usual = {
        "record": RECORD,
        "patient": PATIENT,
        "status": RecordStatus.ACTIVE,
        "category": Category.LABORATORY,
        "clinical_date": "2026-02-10",
    }
    return Subject(**{**usual, **facts})


def permit(*purposes: P, **what) -> Provision:
    return provision(Effect.PERMIT, purposes, what)


def deny(*purposes: P, **what) -> Provision:
    return provision(Effect.DENY, purposes, what)


def provision(effect: Effect, purposes: tuple[P, ...], what: dict) -> Provision:
    if not what.keys() & {"records", "categories"}:
        what["everything"] = True
    return Provision(effect=effect, purposes=purposes or (P.TREAT,), **what)


def given(*provisions: Provision, **standing) -> Given:
    return Given(provisions=provisions, **standing)


def must(duty: Duty, by: int | None = None) -> Obligation:
    return Obligation(duty=duty, by=by)


def episode(*, clinician: Address = DOCTOR, **facts) -> Episode:
    usual = {
        "episode_id": derive_episode_id(clinician, 7),
        "patient": PATIENT,
        "reason": EmergencyReason.UNCONSCIOUS,
        "opened_at": NOW - 3_600,
        "ends_at": NOW + 3_600,
        "verdict": Verdict.NONE,
    }
    return Episode(**{**usual, **facts})


CASES: list[Case] = []


def case(name: str, situation: str, said, outcome: Reason, rules: str, *, facts=None, **asked) -> None:
    """Add a row. ``said``: grants, or the provisions of one live grant."""
    grants = tuple(said)
    if grants and isinstance(grants[0], Provision):
        grants = (given(*grants),)
    about = subject(**(facts or {}))
    row = Case(
        name=name,
        situation=situation,
        given=grants,
        outcome=outcome,
        rules=tuple(rules.split()),
        subject=about,
        **asked,
    )
    CASES.append(row)


_LAB = (Category.LABORATORY,)
_ALL = permit()
_THIS = permit(records=(RECORD,))
_YES, _NO = Reason.PERMITTED, Reason.REFUSED

# ------------------------------------------------------------------------------------- R0 and R1: who, whose

case("own-patient", "the patient reads his own record", [], Reason.OWN_RECORD, "R0", reader=PATIENT)
case("own-custodian", "the custodian reads what he states", [], Reason.OWN_RECORD, "R0", reader=HOSPITAL)
case(
    "own-denied",
    "a denial does not bind the patient himself",
    [_ALL, deny()],
    Reason.OWN_RECORD,
    "R0",
    reader=PATIENT,
)
case(
    "own-retracted",
    "the patient still reads what was retracted",
    [],
    Reason.OWN_RECORD,
    "R0",
    reader=PATIENT,
    facts={"status": RecordStatus.RETRACTED},
)
case(
    "retracted",
    "a retracted record is permitted to nobody else",
    [_THIS],
    Reason.RETRACTED,
    "R0",
    facts={"status": RecordStatus.RETRACTED},
)
case(
    "superseded",
    "a superseded record stays readable",
    [_THIS],
    _YES,
    "R0 R3",
    facts={"status": RecordStatus.SUPERSEDED},
)
case("nothing-said", "the patient has granted nothing", [], Reason.NO_GRANT, "R1")
case("other-reader", "the grant is to somebody else", [_ALL], Reason.NO_GRANT, "R1", reader=STRANGER)
case(
    "other-patient",
    "the grant is another patient's",
    [given(_ALL, patient=OTHER_PATIENT, standing="another patient's")],
    Reason.NO_GRANT,
    "R1",
)
case(
    "other-patient-denies",
    "another patient's denial does not count either",
    [given(_ALL), given(_ALL, deny(), patient=OTHER_PATIENT, standing="another patient's")],
    _YES,
    "R1",
    decided_by=((0, 0),),
)
case(
    "other-reader-denied",
    "a denial in a grant to somebody else does not count",
    [given(_ALL), given(_ALL, deny(), grantee=STRANGER, standing="to a stranger")],
    _YES,
    "R1",
)

# ------------------------------------------------------------------------------------------- R2: live

case("expiry-minus-1", "one second before the end", [_ALL], _YES, "R2", now=END - 1)
case("expiry", "at the end", [_ALL], Reason.EXPIRED, "R2", now=END)
case("expiry-plus-1", "one second after the end", [_ALL], Reason.EXPIRED, "R2", now=END + 1)
case("begin-minus-1", "one second before the beginning", [_ALL], Reason.NOT_YET, "R2", now=BEGIN - 1)
case("begin", "at the beginning", [_ALL], _YES, "R2", now=BEGIN)
case("revoked", "the grant is revoked", [given(_ALL, revoked=True, standing="revoked")], Reason.REVOKED, "R2")
case(
    "revoked-and-expired",
    "revoked says more than expired",
    [given(_ALL, revoked=True, standing="revoked")],
    Reason.REVOKED,
    "R2",
    now=END,
)
case(
    "stamp-old",
    "the patient has revoked everything since",
    [given(_ALL, stamp_now=1, standing="revoked with all others")],
    Reason.REVOKED,
    "R2",
)
case(
    "stamp-same",
    "granted after the patient revoked everything",
    [given(_ALL, stamp=1, stamp_now=1, standing="given after revoking all")],
    _YES,
    "R2",
)
case(
    "bit-missing",
    "the terms permit research, the grant on chain does not",
    [given(permit(P.TREAT, P.HRESCH), on_chain=Purpose.TREAT, standing="TREAT on chain")],
    Reason.PURPOSE_NOT_ON_CHAIN,
    "R2",
    purpose=P.HRESCH,
)
case(
    "bit-without-words",
    "the chain says research, the terms do not",
    [given(_ALL, on_chain=Purpose.TREAT | Purpose.HRESCH, standing="TREAT, HRESCH on chain")],
    Reason.PURPOSE_NOT_GRANTED,
    "R4",
    purpose=P.HRESCH,
)
case(
    "revoked-denial",
    "a denial ends with its grant",
    [given(_ALL), given(_ALL, deny(), revoked=True, standing="revoked")],
    _YES,
    "R2 R3",
    decided_by=((0, 0),),
)
case(
    "future-denial",
    "a denial that has not begun does not count yet",
    [given(_ALL), given(_ALL, deny(), begin=NOW + 1, standing="begins in a second")],
    _YES,
    "R2 R3",
)
case(
    "denial-beyond-bits",
    "a denial counts for purposes that its own grant does not carry on chain",
    [given(permit(P.HRESCH)), given(_ALL, deny(P.HRESCH))],
    _NO,
    "R2 R3",
    purpose=P.HRESCH,
    decided_by=((1, 1),),
)
case(
    "one-of-two-live",
    "one grant has expired, another lives",
    [given(_ALL, end=NOW, standing="expired this second"), given(_ALL)],
    _YES,
    "R2",
    decided_by=((1, 0),),
)

# ------------------------------------------------------------------------------------------- R3: what beats what

case("permit-all", "everything is permitted", [_ALL], _YES, "R3", decided_by=((0, 0),))
case("deny-beats-permit", "at the same level the denial wins", [_ALL, deny()], _NO, "R3", decided_by=((0, 1),))
case("order-does-not-count", "the denial wins also where it is said first", [deny(), _ALL], _NO, "R3")
case(
    "category-permit-all-deny",
    "category and everything are one level: the denial wins",
    [permit(categories=_LAB), deny()],
    _NO,
    "R3",
)
case("all-permit-category-deny", "everything but laboratory", [_ALL, deny(categories=_LAB)], _NO, "R3")
case(
    "all-permit-other-category-deny",
    "everything but imaging, and this is laboratory",
    [_ALL, deny(categories=(Category.IMAGING,))],
    _YES,
    "R3 R5",
)
case(
    "record-permit-category-deny",
    "no laboratory, but this record",
    [_THIS, deny(categories=_LAB)],
    _YES,
    "R3",
    decided_by=((0, 0),),
)
case("record-permit-all-deny", "nothing, but this record", [_THIS, deny()], _YES, "R3")
case(
    "record-deny-category-permit",
    "all of the laboratory, but not this record",
    [permit(categories=_LAB), deny(records=(RECORD,))],
    _NO,
    "R3",
    decided_by=((0, 1),),
)
case("record-deny-record-permit", "the record permitted and denied", [_THIS, deny(records=(RECORD,))], _NO, "R3")
case(
    "record-deny-other-purpose",
    "a denial for another purpose does not decide its level",
    [_THIS, deny(P.HRESCH, records=(RECORD,))],
    _YES,
    "R3 R4",
)
case(
    "record-permit-other-purpose",
    "a permission for another purpose does not decide its level",
    [permit(P.HRESCH, records=(RECORD,)), deny()],
    _NO,
    "R3 R4",
)
case(
    "two-grants-deny-beats-permit",
    "one grant permits, another denies",
    [given(_ALL), given(permit(P.HRESCH), deny())],
    _NO,
    "R3",
    decided_by=((1, 1),),
)
case(
    "two-grants-record-beats-category",
    "one grant denies the laboratory, another permits this record",
    [given(permit(P.HRESCH), deny(categories=_LAB)), given(_THIS)],
    _YES,
    "R3",
    decided_by=((1, 0),),
)
case(
    "two-grants-both-permit",
    "two grants permit: the one that lasts longest is named first",
    [given(_ALL), given(permit(categories=_LAB), end=END + DAY, standing="a day longer")],
    _YES,
    "R3",
    decided_by=((1, 0), (0, 0)),
)
case(
    "only-denials-match",
    "what is permitted is something else",
    [permit(categories=(Category.IMAGING,)), deny(categories=_LAB)],
    _NO,
    "R3",
)

# ------------------------------------------------------------------------------------------- R4: purposes

case("purpose-below", "who permits treatment permits coordination of care", [_ALL], _YES, "R4", purpose=P.COC)
case(
    "purpose-above",
    "who permits coordination of care does not permit treatment",
    [permit(P.COC)],
    Reason.PURPOSE_NOT_GRANTED,
    "R4",
)
case("purpose-beside", "treatment is not research", [_ALL], Reason.PURPOSE_NOT_GRANTED, "R4", purpose=P.HRESCH)
case("purpose-two-below", "research covers its grandchildren", [permit(P.HRESCH)], _YES, "R4", purpose=P.CLINTRCHPC)
case(
    "emergency-not-implied",
    "treatment never implies emergency treatment",
    [_ALL],
    Reason.PURPOSE_NOT_GRANTED,
    "R4",
    purpose=P.ETREAT,
)
case(
    "er-not-implied-by-treat",
    "treatment never implies the emergency room",
    [_ALL],
    Reason.PURPOSE_NOT_GRANTED,
    "R4",
    purpose=P.ERTREAT,
)
case(
    "er-not-implied-by-emergency",
    "emergency treatment does not imply the emergency room either",
    [permit(P.ETREAT)],
    Reason.PURPOSE_NOT_GRANTED,
    "R4",
    purpose=P.ERTREAT,
)
case("emergency-named", "emergency treatment, named", [permit(P.ETREAT)], _YES, "R4", purpose=P.ETREAT)
case("er-named", "the emergency room, named", [permit(P.ERTREAT)], _YES, "R4", purpose=P.ERTREAT)
case(
    "emergency-does-not-reach-up", "an emergency is no treatment", [permit(P.ETREAT)], Reason.PURPOSE_NOT_GRANTED, "R4"
)
case(
    "deny-treat-reaches-emergency",
    "who denies treatment denies emergency treatment",
    [permit(P.ETREAT), deny(P.TREAT)],
    _NO,
    "R4",
    purpose=P.ETREAT,
)
case(
    "deny-treat-reaches-er",
    "who denies treatment denies the emergency room",
    [permit(P.ERTREAT), deny(P.TREAT)],
    _NO,
    "R4",
    purpose=P.ERTREAT,
)
case("deny-below", "a denied kind of treatment", [_ALL, deny(P.CLINTRL)], _NO, "R4", purpose=P.CLINTRL)
case("deny-below-leaves-above", "a denied kind of treatment leaves the others", [_ALL, deny(P.CLINTRL)], _YES, "R4")

# ------------------------------------------------------------------------------------------- R5: what it is about

case(
    "other-record",
    "another record is named",
    [permit(records=(OTHER,))],
    Reason.RECORD_NOT_COVERED,
    "R5",
)
case(
    "same-id-elsewhere",
    "the same record by another custodian's word is another record",
    [permit(records=(ELSEWHERE,))],
    Reason.RECORD_NOT_COVERED,
    "R5",
)
case("one-of-several", "one of several named records", [permit(records=(OTHER, RECORD))], _YES, "R5")
case(
    "later-version",
    "the patient named an earlier version",
    [permit(records=(EARLIER,))],
    _YES,
    "R5",
    facts={"lineage": (EARLIER.record_id,)},
)
case(
    "later-version-of-version",
    "named two versions ago",
    [permit(records=(EARLIER,))],
    _YES,
    "R5",
    facts={"lineage": (OTHER.record_id, EARLIER.record_id)},
)
case(
    "earlier-version",
    "naming a later version does not cover the earlier one",
    [permit(records=(LATER,))],
    Reason.RECORD_NOT_COVERED,
    "R5",
    facts={"status": RecordStatus.SUPERSEDED},
)
case(
    "deny-later-version",
    "a denied record stays denied in its later versions",
    [_ALL, deny(records=(EARLIER,))],
    _NO,
    "R5",
    facts={"lineage": (EARLIER.record_id,)},
)
case(
    "deny-earlier-permit-later",
    "earlier version denied, this one permitted: one level, the denial wins",
    [_THIS, deny(records=(EARLIER,))],
    _NO,
    "R3 R5",
    facts={"lineage": (EARLIER.record_id,)},
)
case(
    "later-version-elsewhere",
    "an earlier version's id by another custodian's word is not its earlier version",
    [permit(records=(replace(EARLIER, custodian=CLINIC), OTHER))],
    Reason.RECORD_NOT_COVERED,
    "R5",
    facts={"lineage": (EARLIER.record_id,)},
)
case("category", "its category", [permit(categories=_LAB)], _YES, "R5")
case("other-category", "another category", [permit(categories=(Category.IMAGING,))], Reason.RECORD_NOT_COVERED, "R5")
case("custodian", "everything of its custodian", [permit(custodians=(HOSPITAL,))], _YES, "R5")
case(
    "other-custodian",
    "everything of another custodian",
    [permit(custodians=(CLINIC,))],
    Reason.RECORD_NOT_COVERED,
    "R5",
)
case(
    "category-of-custodian",
    "its category, of another custodian only",
    [permit(categories=_LAB, custodians=(CLINIC,))],
    Reason.RECORD_NOT_COVERED,
    "R5",
)
case("deny-custodian", "nothing of its custodian", [_ALL, deny(custodians=(HOSPITAL,))], _NO, "R5")
case("deny-other-custodian", "nothing of another custodian", [_ALL, deny(custodians=(CLINIC,))], _YES, "R5")

# ------------------------------------------------------------------------------------------- R6: labels

case("label-unnamed", "HIV must be named", [_ALL], Reason.LABEL_NOT_NAMED, "R6", facts={"labels": ("HIV",)})
case("label-named", "HIV, named", [permit(labels=("HIV",))], _YES, "R6", facts={"labels": ("HIV",)})
case(
    "label-ancestor",
    "SPI names what is below it",
    [permit(labels=("SPI",))],
    _YES,
    "R6",
    facts={"labels": ("OPIOIDUD",)},
)
case(
    "label-descendant",
    "naming opioids does not name all substance use",
    [permit(labels=("OPIOIDUD",))],
    Reason.LABEL_NOT_NAMED,
    "R6",
    facts={"labels": ("SUD",)},
)
case(
    "label-sibling",
    "naming psychiatry does not name mental health",
    [permit(labels=("PSY",))],
    Reason.LABEL_NOT_NAMED,
    "R6",
    facts={"labels": ("MH",)},
)
case(
    "label-one-of-two",
    "each of its labels must be named",
    [permit(labels=("HIV",))],
    Reason.LABEL_NOT_NAMED,
    "R6",
    facts={"labels": ("HIV", "R")},
)
case("label-both", "both are named", [permit(labels=("R", "HIV"))], _YES, "R6", facts={"labels": ("HIV", "R")})
case("label-none-on-record", "labels named but not carried do no harm", [permit(labels=("HIV",))], _YES, "R6")
case("label-normal", "normal confidentiality needs no naming", [_ALL], _YES, "R6", facts={"labels": ("N",)})
case("label-moderate", "moderate neither", [_ALL], _YES, "R6", facts={"labels": ("M",)})
case("label-restricted", "restricted must be named", [_ALL], Reason.LABEL_NOT_NAMED, "R6", facts={"labels": ("R",)})
case("label-v-names-r", "naming V names R", [permit(labels=("V",))], _YES, "R6", facts={"labels": ("R",)})
case(
    "label-r-not-v",
    "naming R does not name V",
    [permit(labels=("R",))],
    Reason.LABEL_NOT_NAMED,
    "R6",
    facts={"labels": ("V",)},
)
case(
    "label-unknown",
    "a label that HL7's tree does not have must be named",
    [permit(labels=("SPI", "V"))],
    Reason.LABEL_NOT_NAMED,
    "R6",
    facts={"labels": ("42CFRPart2",)},
)
case(
    "label-unknown-named", "and can be", [permit(labels=("42CFRPart2",))], _YES, "R6", facts={"labels": ("42CFRPart2",)}
)
case("label-lower-case", "case does not count", [_ALL], Reason.LABEL_NOT_NAMED, "R6", facts={"labels": ("hiv",)})
case("label-record-named", "who named the record knew its labels", [_THIS], _YES, "R6", facts={"labels": ("HIV", "V")})
case(
    "label-later-version",
    "a later version has a label that the named one had not",
    [permit(records=(EARLIER,))],
    Reason.LABEL_NOT_NAMED,
    "R6",
    facts={"lineage": (EARLIER.record_id,), "labels": ("HIV",)},
)
case(
    "label-later-version-named",
    "a later version has the label that the named one had",
    [permit(records=(EARLIER,), labels=("HIV",))],
    _YES,
    "R6",
    facts={"lineage": (EARLIER.record_id,), "labels": ("HIV",)},
)
case(
    "label-denied",
    "everything, HIV too, but nothing of mental health",
    [permit(labels=("HIV", "MH")), deny(labels=("MH",))],
    _NO,
    "R6",
    facts={"labels": ("HIV", "MH")},
)
case("label-denied-not-carried", "a denied label that it has not", [_ALL, deny(labels=("MH",))], _YES, "R6")
case(
    "label-denied-below",
    "denying SPI denies what is below it",
    [permit(labels=("SPI",)), deny(labels=("SPI",))],
    _NO,
    "R6",
    facts={"labels": ("ETHUD",)},
)
case(
    "label-denied-above",
    "denying opioids leaves other substance use",
    [permit(labels=("SPI",)), deny(labels=("OPIOIDUD",))],
    _YES,
    "R6",
    facts={"labels": ("SUD",)},
)
case(
    "label-denied-r-v",
    "denying R denies V",
    [permit(labels=("V",)), deny(labels=("R",))],
    _NO,
    "R6",
    facts={"labels": ("V",)},
)
case(
    "label-denied-v-r",
    "denying V leaves R",
    [permit(labels=("V",)), deny(labels=("V",))],
    _YES,
    "R6",
    facts={"labels": ("R",)},
)
case(
    "label-denied-record-named",
    "the record was named, though its label is denied in general",
    [_THIS, deny(labels=("HIV",))],
    _YES,
    "R3 R6",
    facts={"labels": ("HIV",)},
)

# ------------------------------------------------------------------------------------------- R7: clinical dates

_FEB = {"since": date(2026, 2, 1), "until": date(2026, 3, 1)}

case("date-inside", "inside the window", [permit(**_FEB)], _YES, "R7")
case("date-first-day", "on its first day", [permit(**_FEB)], _YES, "R7", facts={"clinical_date": "2026-02-01"})
case("date-last-day", "on its last day", [permit(**_FEB)], _YES, "R7", facts={"clinical_date": "2026-02-28"})
case(
    "date-day-before",
    "the day before",
    [permit(**_FEB)],
    Reason.DATE_NOT_COVERED,
    "R7",
    facts={"clinical_date": "2026-01-31"},
)
case(
    "date-until",
    "on the day that the window ends",
    [permit(**_FEB)],
    Reason.DATE_NOT_COVERED,
    "R7",
    facts={"clinical_date": "2026-03-01"},
)
case("date-month", "the whole month is inside", [permit(**_FEB)], _YES, "R7", facts={"clinical_date": "2026-02"})
case(
    "date-year",
    "the year is not wholly inside",
    [permit(**_FEB)],
    Reason.DATE_NOT_COVERED,
    "R7",
    facts={"clinical_date": "2026"},
)
case(
    "date-leap-month",
    "February of a leap year has a day more",
    [permit(since=date(2024, 2, 1), until=date(2024, 2, 29))],
    Reason.DATE_NOT_COVERED,
    "R7",
    facts={"clinical_date": "2024-02"},
)
case("date-open-end", "from a day on", [permit(since=date(2026, 2, 10))], _YES, "R7")
case("date-open-begin", "before a day", [permit(until=date(2026, 2, 10))], Reason.DATE_NOT_COVERED, "R7")
case(
    "date-missing",
    "a record without a date is in no window",
    [permit(since=date(1900, 1, 1))],
    Reason.DATE_NOT_COVERED,
    "R7",
    facts={"clinical_date": None},
)
case("date-denied", "a denied window", [_ALL, deny(**_FEB)], _NO, "R7")
case(
    "date-denied-overlap",
    "a denial needs only to overlap",
    [_ALL, deny(**_FEB)],
    _NO,
    "R7",
    facts={"clinical_date": "2026"},
)
case(
    "date-denied-beside",
    "a denied window that ended the day before",
    [_ALL, deny(until=date(2026, 2, 10))],
    _YES,
    "R7",
)
case(
    "date-denied-after",
    "a denied window that begins the day after",
    [_ALL, deny(since=date(2026, 2, 11))],
    _YES,
    "R7",
)
case(
    "date-denied-first-day",
    "a denied window that begins on the day",
    [_ALL, deny(since=date(2026, 2, 10))],
    _NO,
    "R7",
)
case(
    "date-denied-missing",
    "a record without a date is in every denied window",
    [_ALL, deny(**_FEB)],
    _NO,
    "R7",
    facts={"clinical_date": None},
)
case(
    "date-record-named",
    "a window binds a permission about a record, too",
    [permit(records=(RECORD,), until=date(2026, 1, 1))],
    Reason.DATE_NOT_COVERED,
    "R7",
)

# ------------------------------------------------------------------------------------------- R8: obligations

_AUDIT, _NOREUSE = must(Duty.AUDIT), must(Duty.NOREUSE)
_SOON, _LATER = must(Duty.ERASE_BY, NOW + 1), must(Duty.ERASE_BY, NOW + DAY)

case("obligation", "a duty comes with it", [permit(obligations=(_AUDIT,))], _YES, "R8", obligations=(_AUDIT,))
case(
    "obligations-united",
    "the duties of all permissions that decide are united",
    [given(permit(obligations=(_AUDIT,))), given(permit(categories=_LAB, obligations=(_NOREUSE, _AUDIT)))],
    _YES,
    "R8",
    obligations=(_AUDIT, _NOREUSE),
)
case(
    "obligations-of-the-level",
    "the duties of permissions at another level do not count",
    [permit(obligations=(_AUDIT,)), permit(records=(RECORD,), obligations=(_NOREUSE,))],
    _YES,
    "R8",
    obligations=(_NOREUSE,),
    decided_by=((0, 1),),
)
case(
    "erase-first-date",
    "of two dates of erasure the first counts",
    [permit(obligations=(_LATER,)), permit(categories=_LAB, obligations=(_SOON,))],
    _YES,
    "R8",
    obligations=(_SOON,),
)
case("erase-minus-1", "one second before erasure", [permit(obligations=(_SOON,))], _YES, "R8", obligations=(_SOON,))
case("erase", "erasure is due", [permit(obligations=(_SOON,))], Reason.ERASURE_DUE, "R8", now=NOW + 1)
case("erase-plus-1", "erasure was due", [permit(obligations=(_SOON,))], Reason.ERASURE_DUE, "R8", now=NOW + 2)
case(
    "erase-due-other-permits",
    "another permission, without that date, still permits",
    [permit(obligations=(_SOON,)), permit(categories=_LAB)],
    _YES,
    "R8",
    now=NOW + 1,
    decided_by=((0, 1),),
)

# ------------------------------------------------------------------------------------------- R9: break-glass

case(
    "btg-no-episode",
    "no consent permits break-glass",
    [permit(P.TREAT, P.ETREAT)],
    Reason.NO_EPISODE,
    "R9",
    purpose=P.BTG,
)
case("btg-episode", "an episode in force", [], Reason.EMERGENCY, "R9", purpose=P.BTG, episodes=(episode(),))
case(
    "btg-denied",
    "no denial blocks an episode",
    [_ALL, deny(), deny(records=(RECORD,))],
    Reason.EMERGENCY,
    "R9",
    purpose=P.BTG,
    episodes=(episode(),),
)
case(
    "btg-labels",
    "nor do labels",
    [],
    Reason.EMERGENCY,
    "R9",
    purpose=P.BTG,
    episodes=(episode(),),
    facts={"labels": ("HIV", "V")},
)
case(
    "btg-opened-now",
    "opened this second",
    [],
    Reason.EMERGENCY,
    "R9",
    purpose=P.BTG,
    episodes=(episode(opened_at=NOW),),
)
case(
    "btg-not-opened",
    "opened in a second",
    [],
    Reason.NO_EPISODE,
    "R9",
    purpose=P.BTG,
    episodes=(episode(opened_at=NOW + 1),),
)
case("btg-over", "its time is over", [], Reason.NO_EPISODE, "R9", purpose=P.BTG, episodes=(episode(ends_at=NOW),))
case(
    "btg-last-second",
    "its last second",
    [],
    Reason.EMERGENCY,
    "R9",
    purpose=P.BTG,
    episodes=(episode(ends_at=NOW + 1),),
)
case(
    "btg-ended",
    "ended before its time",
    [],
    Reason.NO_EPISODE,
    "R9",
    purpose=P.BTG,
    episodes=(episode(ends_at=NOW - 60),),
)
case(
    "btg-other-patient",
    "an episode for another patient",
    [],
    Reason.NO_EPISODE,
    "R9",
    purpose=P.BTG,
    episodes=(episode(patient=OTHER_PATIENT),),
)
case(
    "btg-other-clinician",
    "another clinician's episode",
    [],
    Reason.NO_EPISODE,
    "R9",
    purpose=P.BTG,
    episodes=(episode(clinician=STRANGER),),
)
case(
    "btg-other-purpose",
    "an episode opens for break-glass, not for emergency treatment",
    [],
    Reason.NO_GRANT,
    "R1 R9",
    purpose=P.ETREAT,
    episodes=(episode(),),
)
case(
    "btg-retracted",
    "a retracted record is not opened in an emergency either",
    [],
    Reason.RETRACTED,
    "R0 R9",
    purpose=P.BTG,
    episodes=(episode(),),
    facts={"status": RecordStatus.RETRACTED},
)

# ------------------------------------------------------------------------------------------- before the manifest

_CHAIN = {"category": None, "clinical_date": None}

case("chain-record", "a named record is permitted before anything is opened", [_THIS], _YES, "R3", facts=_CHAIN)
case(
    "chain-category",
    "the manifest has to tell the category",
    [permit(categories=_LAB)],
    Reason.MANIFEST_DECIDES,
    "R3",
    facts=_CHAIN,
)
case("chain-all", "the manifest has to tell the labels", [_ALL], Reason.MANIFEST_DECIDES, "R3", facts=_CHAIN)
case(
    "chain-record-window",
    "the manifest has to tell the date of a named record",
    [permit(records=(RECORD,), since=date(2026, 1, 1))],
    Reason.MANIFEST_DECIDES,
    "R3",
    facts=_CHAIN,
)
case(
    "chain-denied-window",
    "and whether a denied window reaches it",
    [_THIS, deny(records=(RECORD,), since=date(2026, 1, 1))],
    Reason.MANIFEST_DECIDES,
    "R3",
    facts=_CHAIN,
)
case(
    "chain-purpose",
    "no manifest can change that the purpose was not granted",
    [_ALL],
    Reason.PURPOSE_NOT_GRANTED,
    "R4",
    facts=_CHAIN,
    purpose=P.HRESCH,
)
case("chain-denied", "nor that everything is denied", [_ALL, deny()], _NO, "R3", facts=_CHAIN)
case(
    "chain-record-category-denied",
    "a named record, and a category denied: the record's own provision decides",
    [_THIS, deny(categories=_LAB)],
    _YES,
    "R3",
    facts=_CHAIN,
)
case(
    "chain-record-label-denied",
    "a denial about the record and a label waits for the manifest",
    [_THIS, deny(records=(RECORD,), labels=("HIV",))],
    Reason.MANIFEST_DECIDES,
    "R3",
    facts=_CHAIN,
)
