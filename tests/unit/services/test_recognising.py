"""Whether a result is there that may stand in the place of a new one: it is, it is not, or nobody can say.

given results of a patient by two hospitals, granted to a doctor
├─ the newest that has the code, or an equal one, and is good enough is found; no more is read than needed
├─ what does not count is said with its reason; what cannot be decided, or opened, makes "none" an "unknown"
├─ days at the edge of the window count, days that are not said do not decide
├─ what is older than asked for, by the chain or by its manifest, is not read, and its failure is nobody's
├─ retracted and erased ones do not count, superseded ones do not decide
└─ what the reader has no right to is counted; who may read nothing is denied
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from erasure_town import new_erasure_town
from service_doubles import Overriding
from test_standing import LAB, SCAN, permit, publish, say, with_key
from town import new_town
from world import DAY, World

from medshare.errors import AccessDeniedError, InvalidInputError, StoreUnavailableError
from medshare.model.accreditation import AccreditationKind
from medshare.model.decision import Reason
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Category
from medshare.ports import Actor
from medshare.recognising import Answer, Recognising, Recognition, Verdict, Wanted
from medshare.services.assessing import Assessing
from medshare.services.history import History
from medshare.services.registering import Published
from medshare.services.retrieving import Retrieving
from medshare.standards import fhir
from medshare.standards.codes import LOINC
from medshare.standards.examinations import Code
from medshare.testing import new_actor

pytestmark = [pytest.mark.unit, pytest.mark.timeout(120)]

TREAT = PurposeOfUse.TREAT
HAEMOGLOBIN, SAME, OTHER = (Code(system=LOINC, code=code) for code in ("718-7", "20509-6", "2339-0"))
CANARY = "CANARY-4711"


def today(world: World) -> date:
    return datetime.fromtimestamp(world.clock.now(), UTC).date()


def ago(world: World, days: int) -> str:
    return (today(world) - timedelta(days=days)).isoformat()


def resource(when: str | None, code: Code | None = HAEMOGLOBIN, **changed) -> dict[str, object]:
    made = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": CANARY} if code is None else {"coding": [{"system": code.system, "code": code.code}]},
        "effectiveDateTime": when,
        "valueQuantity": {"value": 4711, "unit": CANARY},
        **changed,
    }
    return {name: value for name, value in made.items() if value is not None}


def result(world: World, days: int | None, code: Code | None = HAEMOGLOBIN, *, by=None, supersedes=None, **changed):
    """Publish a result that is so many days old."""
    when = None if days is None else ago(world, days)
    return told(world, resource(when, code, **changed), clinical_date=when, by=by, supersedes=supersedes)


def told(world: World, *several: dict[str, object], by: Actor | None = None, supersedes=None, **what) -> Published:
    """Publish a resource, or several in a Bundle."""
    one = several[0] if len(several) == 1 else None
    document = one or {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": each} for each in several],
    }
    described = {"media_type": fhir.MEDIA_TYPE, "resource_type": str(document["resourceType"]), **what}
    return publish(world, json.dumps(document).encode(), by=by, supersedes=supersedes, **described)


def recognising(world: World, store=None) -> Recognising:
    store = store or world.store
    retrieving = Retrieving(ledger=world.ledger, store=store, clock=world.clock, auditing=world.auditing)
    return Recognising(
        auditing=world.auditing,
        history=History(auditing=world.auditing, retrieving=retrieving),
        retrieving=retrieving,
        assessing=Assessing(ledger=world.ledger, auditing=world.auditing),
        clock=world.clock,
    )


def look(world: World, *codes: Code, reader: Actor | None = None, days: int = 90, store=None, **more) -> Recognition:
    wanted = Wanted(codes=frozenset(codes or {HAEMOGLOBIN}), within=days * DAY, **more)
    return recognising(world, store).look(world.patient.address, wanted, reader=reader or world.doctor, purpose=TREAT)


def newest(found: Recognition) -> bytes:
    assert found.answer is Answer.EXISTS
    assert found.newest is not None
    return found.newest.record.entry.record_id


def others(found: Recognition) -> list[tuple[bytes, Verdict]]:
    return [(each.record.entry.record_id, each.verdict) for each in found.others]


def without(world: World, *lost: Published) -> Overriding:
    """Return the store, which does not answer for some records."""
    roots = {each.cid for each in lost}

    def get(cid, *rest):
        if cid in roots:
            raise StoreUnavailableError("the test says so")
        return world.store.get(cid, *rest)

    return Overriding(world.store, get=get)


@pytest.fixture
def clinic(world: World) -> Actor:
    return with_key(world, new_actor())


# ------------------------------------------------------------------------------------------------- found


def test_look__of_two_custodians__is_the_newest(world: World, clinic: Actor) -> None:
    result(world, 20)
    theirs = result(world, 10, by=clinic)
    result(world, 30)
    say(world, permit())
    found = look(world)
    assert newest(found) == theirs.record_id
    assert found.newest is not None
    assert (found.newest.code, found.newest.when, found.newest.record.entry.custodian) == (
        HAEMOGLOBIN,
        ago(world, 10),
        clinic.address,
    )
    assert (found.looked_at, found.others, found.failures, found.not_permitted) == (1, (), (), 0)
    assert b"".join(found.newest.record.stream()) == json.dumps(resource(ago(world, 10))).encode()


def test_look__newest_in_a_bundle_of_older_ones__is_by_the_day_of_the_examination(world: World) -> None:
    alone = result(world, 8)
    carried = told(world, resource(ago(world, 50)), resource(ago(world, 9)), resource(ago(world, 1), OTHER))
    say(world, permit())
    found = look(world)
    assert newest(found) == alone.record_id
    assert others(found) == [(carried.record_id, Verdict.FITS)]
    assert found.others[0].when == ago(world, 9)


def test_look__another_code__is_none_and_an_equal_one_exists(world: World) -> None:
    same = result(world, 5, SAME)
    result(world, 4, OTHER)
    say(world, permit())
    found = look(world)
    assert (found.answer, found.others, found.looked_at) == (Answer.NONE, (), 2)
    found = look(world, HAEMOGLOBIN, SAME)
    assert newest(found) == same.record_id
    assert found.newest is not None
    assert found.newest.code == SAME


def test_look__the_patient_himself__may(world: World) -> None:
    one = result(world, 5)
    assert newest(look(world, reader=world.patient)) == one.record_id


def test_look__only_of_categories__passes_over_others(world: World) -> None:
    result(world, 5)
    say(world, permit())
    assert look(world, categories=frozenset({Category.IMAGING})).answer is Answer.NONE


@pytest.mark.parametrize("category", [Category.PRESCRIPTION, Category.IMMUNIZATION, Category.ADMINISTRATIVE])
def test_look__what_tells_no_examinations__is_not_read(world: World, category: Category) -> None:
    publish(world, b"a letter", category=category)
    say(world, permit())
    found = look(world)
    assert (found.answer, found.looked_at) == (Answer.NONE, 0)


# ------------------------------------------------------------------------------------------------- not counted


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({"status": "preliminary"}, Verdict.NOT_FINAL),
        ({"status": "entered-in-error"}, Verdict.NOT_FINAL),
        ({"valueQuantity": None, "dataAbsentReason": {"text": "lost"}}, Verdict.NO_RESULT),
    ],
)
def test_look__what_does_not_count__is_said_and_is_a_no(world: World, changed, verdict: Verdict) -> None:
    one = result(world, 5, **changed)
    say(world, permit())
    found = look(world)
    assert (found.answer, others(found)) == (Answer.NONE, [(one.record_id, verdict)])
    assert verdict.explain()


@pytest.mark.parametrize(
    ("code", "changed", "verdict"),
    [
        (None, {}, Verdict.NOT_COMPARABLE),
        (Code(system="http://lab.example", code="HB"), {}, Verdict.NOT_COMPARABLE),
        (HAEMOGLOBIN, {"effectiveDateTime": None}, Verdict.UNDATED),
        (HAEMOGLOBIN, {"effectiveDateTime": "2031"}, Verdict.AHEAD),
        (HAEMOGLOBIN, {"valueQuantity": None, "hasMember": [{"reference": "x"}]}, Verdict.RESULT_ELSEWHERE),
    ],
)
def test_look__what_cannot_be_decided__is_unknown(world: World, code, changed, verdict: Verdict) -> None:
    one = result(world, 5, code, **changed)
    say(world, permit())
    found = look(world)
    assert (found.answer, others(found)) == (Answer.UNKNOWN, [(one.record_id, verdict)])
    sure = result(world, 6)
    assert newest(look(world)) == sure.record_id


def test_look__undecided_and_surely_not_final__is_a_no(world: World) -> None:
    result(world, None, status="preliminary")
    say(world, permit())
    assert look(world).answer is Answer.NONE


def test_look__not_comparable_and_surely_too_old__is_not_told(world: World) -> None:
    told(world, resource(ago(world, 100), None), resource(ago(world, 1), OTHER))
    say(world, permit())
    found = look(world)
    assert (found.answer, found.others, found.looked_at) == (Answer.NONE, (), 1)


def test_look__local_code_of_what_is_put_together__does_not_make_it_unknown(world: World) -> None:
    local = {"coding": [{"system": "http://lab.example", "code": "PANEL"}]}
    part = {**resource(ago(world, 3), OTHER), "id": "1"}
    report = {"resourceType": "DiagnosticReport", "status": "final", "code": local, "contained": [part]}
    told(world, {**report, "effectiveDateTime": ago(world, 3), "result": [{"reference": "#1"}]})
    say(world, permit())
    assert look(world).answer is Answer.NONE
    assert look(world, OTHER).answer is Answer.EXISTS


def test_look__with_a_score__is_what_is_computed_from_the_bytes(world: World) -> None:
    poor = result(world, 5)
    say(world, permit())
    (score,) = {each.newest.score for each in [look(world)] if each.newest is not None}
    assert score is not None
    assert newest(look(world, min_score=score)) == poor.record_id
    found = look(world, min_score=score + 1)
    assert (found.answer, others(found)) == (Answer.NONE, [(poor.record_id, Verdict.SCORE_TOO_LOW)])
    assert found.others[0].score == score


def test_look__attested__counts_by_assessors_who_count(tmp_path: Path) -> None:
    town = new_town(tmp_path)
    world, assessor = town.world, new_actor()
    town.accredit(assessor, AccreditationKind.ASSESSOR, 365)
    one = result(world, 5)
    say(world, permit())
    found = look(world, min_attested=70)
    assert (found.answer, others(found)) == (Answer.NONE, [(one.record_id, Verdict.NOT_ATTESTED)])
    assessing = Assessing(ledger=world.ledger, auditing=world.auditing)
    assessing.attest(one.record_id, score=70, method=1, assessor=assessor)
    assert newest(look(world, min_attested=70)) == one.record_id
    assert look(world, min_attested=71).answer is Answer.NONE


@pytest.mark.parametrize("wrong", [{"codes": frozenset()}, {"within": -1}, {"min_score": 101}, {"min_attested": -1}])
def test_wanted__that_cannot_be__is_refused(wrong) -> None:
    with pytest.raises(InvalidInputError):
        Wanted(**{"codes": frozenset({HAEMOGLOBIN}), "within": DAY, **wrong})


# ------------------------------------------------------------------------------------------------- days


@pytest.mark.parametrize(("days", "verdict"), [(0, None), (89, None), (90, None), (91, Verdict.TOO_OLD), (-1, None)])
def test_look__at_the_edge_of_the_window__counts_in_whole_days(world: World, days: int, verdict) -> None:
    one = told(world, resource(ago(world, days)), resource(ago(world, 1), OTHER))
    say(world, permit())
    found = look(world)
    if verdict is None:
        assert newest(found) == one.record_id
    else:
        assert (found.answer, others(found)) == (Answer.NONE, [(one.record_id, verdict)])


@pytest.mark.parametrize(
    ("when", "days", "answer"),
    [
        # It is the 15th of January 2027.
        ("2027-01", 14, Answer.EXISTS),
        ("2027-01", 13, Answer.UNKNOWN),
        ("2026-12", 15, Answer.UNKNOWN),
        ("2026-12", 14, Answer.NONE),
        ("2026-12", 45, Answer.EXISTS),
        ("2026", 400, Answer.EXISTS),
        ("2026", 90, Answer.UNKNOWN),
        ("2026", 10, Answer.NONE),
    ],
)
def test_look__day_is_not_said__decides_where_all_days_agree(world: World, when: str, days: int, answer) -> None:
    told(world, resource(when), clinical_date=when)
    say(world, permit())
    assert today(world) == date(2027, 1, 15)
    found = look(world, days=days)
    assert found.answer is answer
    if answer is Answer.UNKNOWN:
        assert found.others[0].verdict is Verdict.PERHAPS_TOO_OLD


def test_look__older_by_chain_or_manifest__is_not_read(world: World) -> None:
    early = told(world, resource(None), resource(None))
    world.clock.advance(100 * DAY)
    late = result(world, 95)
    say(world, permit())
    found = look(world, store=without(world, early))
    assert (found.answer, found.looked_at, found.failures) == (Answer.NONE, 0, ())
    found = look(world, days=110, store=without(world, early))
    assert newest(found) == late.record_id
    assert look(world, OTHER, days=110, store=without(world, early)).answer is Answer.UNKNOWN


def test_look__custodian_says_another_day_than_the_record__is_read(world: World) -> None:
    one = told(
        world,
        resource(ago(world, 5)),
        clinical_date=ago(world, 200),
        overrides={"clinical_date": "the resource has the day of the report"},
    )
    say(world, permit())
    assert newest(look(world)) == one.record_id


# ------------------------------------------------------------------------------------------------- failures


def test_look__a_record_that_cannot_be_opened__is_unknown_and_hides_no_other(world: World, clinic: Actor) -> None:
    lost = result(world, 3, by=clinic)
    result(world, 5, OTHER)
    say(world, permit())
    store = without(world, lost)
    found = look(world, store=store)
    assert found.answer is Answer.UNKNOWN
    assert [(each.record, type(each.error)) for each in found.failures] == [(lost.entry.ref, StoreUnavailableError)]
    there = result(world, 4)
    assert newest(look(world, store=store)) == there.record_id


@pytest.mark.parametrize(
    ("text", "media_type"),
    [
        (b"{", fhir.MEDIA_TYPE),
        (b"CANARY-4711", "application/hl7-v2"),
        (b"CANARY-4711", "application/dicom"),
        (b"%PDF-1.7 CANARY-4711", "application/pdf"),
    ],
)
def test_look__a_record_that_cannot_be_read__is_unknown_and_hides_no_other(
    world: World, text: bytes, media_type: str
) -> None:
    bad = publish(world, text, media_type=media_type)
    say(world, permit())
    found = look(world)
    assert (found.answer, [each.record for each in found.failures]) == (Answer.UNKNOWN, [bad.entry.ref])
    assert CANARY not in str(found.failures[0].error)
    there = result(world, 5)
    assert newest(look(world)) == there.record_id


def test_look__a_record_too_large_to_be_read__is_unknown(world: World, monkeypatch) -> None:
    result(world, 5)
    say(world, permit())
    monkeypatch.setattr("medshare.recognising.MAX_EXAMINED", 10)
    found = look(world)
    assert (found.answer, len(found.failures)) == (Answer.UNKNOWN, 1)


def test_look__a_grant_whose_bundle_is_gone__is_unknown(world: World) -> None:
    result(world, 5)
    granted = say(world, permit())
    del world.store.blocks[granted.bundle]
    found = look(world)
    assert (found.answer, [each.grant_id for each in found.failures]) == (Answer.UNKNOWN, [granted.grant_id])


# ------------------------------------------------------------------------------------------------- versions


def test_look__superseded__is_the_newer_version(world: World) -> None:
    one = result(world, 5)
    say(world, permit())
    two = result(world, 5, supersedes=one.record_id, status="corrected")
    assert newest(look(world)) == two.record_id
    three = result(world, 5, supersedes=two.record_id, status="entered-in-error")
    found = look(world)
    assert (found.answer, others(found)) == (Answer.NONE, [(three.record_id, Verdict.NOT_FINAL)])


@pytest.mark.parametrize("status", ["final", "preliminary"])
def test_look__newer_version_may_not_be_read__is_unknown(world: World, status: str) -> None:
    one = told(world, resource(ago(world, 5), status=status), labels=("N",))
    say(world, permit())
    told(world, resource(ago(world, 5)), labels=("HIV",), supersedes=one.record_id)
    found = look(world)
    assert (found.answer, others(found)) == (Answer.UNKNOWN, [(one.record_id, Verdict.SUPERSEDED)])


def test_look__retracted__does_not_count(world: World) -> None:
    one, other = result(world, 5), result(world, 6, OTHER)
    say(world, permit())
    world.publishing.retract(one.record_id, "wrong patient", custodian=world.hospital)
    assert look(world).answer is Answer.NONE
    assert newest(look(world, OTHER)) == other.record_id
    found = look(world, reader=world.patient)
    assert (found.answer, others(found)) == (Answer.NONE, [(one.record_id, Verdict.RETRACTED)])


def test_look__erased__is_none_and_is_not_counted(tmp_path: Path) -> None:
    town = new_erasure_town(tmp_path)
    world = town.world
    one = result(world, 5)
    result(world, 6, OTHER)
    say(world, permit())
    town.erase(one)
    found = look(world)
    assert (found.answer, found.failures, found.not_permitted) == (Answer.NONE, (), 0)
    assert look(world, reader=world.patient).answer is Answer.NONE


# ------------------------------------------------------------------------------------------------- rights


def test_look__no_records__is_none(world: World) -> None:
    assert look(world).answer is Answer.NONE


def test_look__no_grant__is_denied(world: World) -> None:
    result(world, 5)
    with pytest.raises(AccessDeniedError) as caught:
        look(world)
    assert caught.value.decision.reason is Reason.NO_GRANT


def test_look__granted_and_revoked__is_denied(world: World) -> None:
    one = result(world, 5)
    granted = say(world, permit())
    assert newest(look(world)) == one.record_id
    world.consenting.revoke(granted.grant_id, patient=world.patient)
    with pytest.raises(AccessDeniedError) as caught:
        look(world)
    assert caught.value.decision.reason is Reason.REVOKED


def test_look__granted_and_expired__is_denied(world: World) -> None:
    result(world, 5)
    say(world, permit())
    world.clock.advance(31 * DAY)
    with pytest.raises(AccessDeniedError) as caught:
        look(world)
    assert caught.value.decision.reason is Reason.EXPIRED


def test_look__granted_for_another_purpose__is_denied(world: World) -> None:
    result(world, 5)
    say(world, permit(PurposeOfUse.HRESCH))
    with pytest.raises(AccessDeniedError):
        look(world)


def test_look__what_he_has_no_right_to__is_counted(world: World) -> None:
    result(world, 5)
    told(world, resource(ago(world, 5), OTHER), category=SCAN)
    say(world, permit(categories=(SCAN,)))
    found = look(world)
    assert (found.answer, found.not_permitted) == (Answer.NONE, 1)
    say(world, permit(categories=(LAB,)))
    assert look(world).answer is Answer.EXISTS


def test_look__what_he_has_no_right_to_and_is_older__is_not_counted(world: World) -> None:
    publish(world, b"old")
    world.clock.advance(100 * DAY)
    told(world, resource(ago(world, 5), OTHER), category=SCAN)
    say(world, permit(categories=(SCAN,)))
    assert look(world).not_permitted == 0


def test_look__at_debug__logs_no_value(world: World, caplog: pytest.LogCaptureFixture) -> None:
    result(world, 5)
    result(world, 6, None)
    publish(world, f"MSH|{CANARY}".encode(), media_type="application/hl7-v2")
    say(world, permit())
    with caplog.at_level(logging.DEBUG):
        found = [look(world), look(world, OTHER)]
    assert caplog.text
    assert CANARY not in caplog.text
    assert CANARY not in "".join(str(each.error) + each.error.hint for one in found for each in one.failures)
