"""What a patient says is what opens: the keys in a bundle are those of the records that the decision permits.

given records of many kinds, by two custodians
├─ when the patient grants by provisions, the bundle opens the permitted ones and no other
├─ when he names records, their labels are written down, and none lends its labels to another
├─ when another live grant denies, it is heeded; when it cannot be read, nothing is granted
├─ when somebody states records that are none, they hide nothing
└─ when he asks what a reader would see, the answer is what that reader gets
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world import DAY, World, new_world

from medshare.content import Block, Cid, list_directory
from medshare.envelope import PACKET_LENGTH
from medshare.errors import (
    AccessDeniedError,
    IntegrityError,
    InvalidInputError,
    RecordNotActiveError,
)
from medshare.model.consent import Consent, Duty, Effect, Obligation, Provision, Reason, RecordRef, decide
from medshare.model.purpose import Purpose, PurposeOfUse
from medshare.model.record import Category
from medshare.ports import Actor
from medshare.services import consenting
from medshare.services.description import Description
from medshare.services.registering import Published
from medshare.testing import new_actor

pytestmark = [pytest.mark.unit, pytest.mark.timeout(120)]

TREAT, HRESCH = PurposeOfUse.TREAT, PurposeOfUse.HRESCH
HEADER_SIZE = 16 + PACKET_LENGTH
LAB, SCAN = Category.LABORATORY, Category.IMAGING


def publish(world: World, text: bytes, *, custodian: Actor | None = None, supersedes=None, **said) -> RecordRef:
    by = custodian or world.hospital
    published: Published = world.publishing.publish(
        text,
        custodian=by,
        patient=world.patient.address,
        description=Description(media_type="text/plain", **said),
        supersedes=supersedes,
    )
    return published.entry.ref


def say(world: World, *provisions: Provision, **more):
    wanted = {"patient": world.patient, "grantee": world.doctor.address, "expires_at": world.clock.now() + 30 * DAY}
    return world.consenting.grant(**{**wanted, "provisions": provisions, **more})


def permit(*purposes: PurposeOfUse, **what) -> Provision:
    return said(Effect.PERMIT, purposes, what)


def deny(*purposes: PurposeOfUse, **what) -> Provision:
    return said(Effect.DENY, purposes, what)


def said(effect: Effect, purposes, what: dict) -> Provision:
    if not what.keys() & {"records", "categories"}:
        what["everything"] = True
    return Provision(effect=effect, purposes=purposes or (TREAT,), **what)


def opens(world: World, record: RecordRef, purpose: PurposeOfUse = TREAT, reader: Actor | None = None) -> bool:
    try:
        opened = world.retrieving.open(record, reader=reader or world.doctor, purpose=purpose)
    except AccessDeniedError:
        return False
    assert b"".join(opened.stream())
    return True


def names_in(world: World, bundle: Cid) -> set[str]:
    """Names of the headers; the rest are terms and excerpts."""
    files = list_directory(world.store.get, bundle)
    return {name for name, link in files.items() if link.size == HEADER_SIZE}


# ------------------------------------------------------------------------------------------- the property

descriptions = st.fixed_dictionaries(
    {
        "category": st.sampled_from([LAB, SCAN]),
        "labels": st.lists(st.sampled_from(["N", "R", "HIV", "SUD", "homemade"]), max_size=2, unique=True).map(tuple),
        "clinical_date": st.sampled_from([None, "2025", "2026-02", "2026-02-10"]),
    }
)


@st.composite
def provisions(draw, effects=tuple(Effect)):
    what: dict = {
        "purposes": draw(st.sampled_from([(TREAT,), (HRESCH,), (PurposeOfUse.ETREAT, HRESCH), (PurposeOfUse.COC,)])),
        "effect": draw(st.sampled_from(effects)),
        "labels": draw(st.lists(st.sampled_from(["R", "HIV", "SPI", "homemade"]), max_size=2, unique=True).map(tuple)),
    }
    match draw(st.sampled_from(["records", "categories", "everything"])):
        case "records":
            what["records"] = draw(st.lists(st.integers(0, 5), min_size=1, max_size=3, unique=True).map(tuple))
        case "categories":
            what["categories"] = (draw(st.sampled_from([LAB, SCAN])),)
        case _:
            what["everything"] = True
    if draw(st.sampled_from([False, False, True])):
        what["since"] = date(2026, 1, 1)
    return what


consents = st.tuples(provisions(effects=(Effect.PERMIT,)), st.lists(provisions(), max_size=2)).map(
    lambda drawn: [drawn[0], *drawn[1]]
)


@settings(max_examples=20)
@given(
    kinds=st.lists(descriptions, min_size=6, max_size=6),
    superseding=descriptions,
    first=consents,
    second=consents,
    purposes=st.lists(st.sampled_from([TREAT, HRESCH, PurposeOfUse.ETREAT, PurposeOfUse.COC]), min_size=2, unique=True),
)
def test_bundle__of_any_consent__opens_what_is_permitted_and_nothing_else(
    kinds, superseding, first, second, purposes
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = new_world(Path(folder))
        clinic = new_actor()
        world.chain.accredit(clinic.address)
        world.ledger.directory.set_encryption_key(clinic.signer, clinic.identity.recipient.key)
        records = [
            publish(world, b"record %d" % number, custodian=clinic if number == 5 else None, **kind)
            for number, kind in enumerate(kinds)
        ]
        records.append(publish(world, b"newer", supersedes=records[0].record_id, **superseding))

        def meant(what: dict) -> Provision:
            return Provision(**{**what, "records": tuple(records[each] for each in what.get("records", ()))})

        one = say(world, *map(meant, first))
        doctor = world.doctor.address
        subjects = [
            row.decision.subject
            for row in world.consenting.preview(patient=world.patient, reader=doctor, purpose=TREAT)
        ]
        consent = Consent(grant=one.grant, terms=one.terms, stamp=0)
        now = world.chain.head().time
        permitted = {
            subject.record
            for subject in subjects
            for purpose in PurposeOfUse
            if decide([consent], subject=subject, purpose=purpose, reader=doctor, now=now).permitted
        }
        assert names_in(world, one.bundle) == {one.terms.header_name(each.record_id) for each in permitted}
        assert set(one.released) == permitted

        two = say(world, *map(meant, second))
        for purpose in purposes:
            rows = world.consenting.preview(patient=world.patient, reader=doctor, purpose=purpose)
            assert [row.entry.ref for row in rows] == [
                entry.ref for entry in world.auditing.records(world.patient.address)
            ]
            for row in rows:
                assert opens(world, row.entry.ref, purpose) == row.decision.permitted
                if row.decision.permitted and two.grant_id in {each.grant_id for each in row.decision.decided_by}:
                    assert row.entry.ref in two.released
            readable = world.retrieving.readable(reader=world.doctor, purpose=purpose).records
            assert {row.entry.ref for row in rows if row.decision.permitted} <= set(readable)
        assert not opens(world, records[0], PurposeOfUse.BTG)


# ------------------------------------------------------------------------------------------- by name


def test_grant__named_records_with_labels__each_keeps_its_labels_to_itself(world: World) -> None:
    plain, hiv, both = (
        publish(world, text, labels=labels)
        for text, labels in ((b"plain", ("N",)), (b"hiv", ("HIV",)), (b"both", ("R", "HIV", "M")))
    )
    granted = say(world, permit(records=(both, hiv, plain)))
    assert {each.labels: each.records for each in granted.terms.provisions} == {
        (): (plain,),
        ("HIV",): (hiv,),
        ("HIV", "R"): (both,),
    }
    assert set(granted.released) == {plain, hiv, both}
    later_plain = publish(world, b"plain 2", labels=("HIV",), supersedes=plain.record_id)
    later_hiv = publish(world, b"hiv 2", labels=("HIV",), supersedes=hiv.record_id)
    rows = {
        row.entry.ref: row.decision.reason
        for row in world.consenting.preview(patient=world.patient, reader=world.doctor.address)
    }
    assert rows[later_plain] is Reason.LABEL_NOT_NAMED
    assert rows[later_hiv] is Reason.PERMITTED


def test_open__later_version_whose_key_was_not_released__says_so_until_it_is(world: World) -> None:
    first = publish(world, b"one")
    once = say(world, permit(records=(first,)))
    kept = [
        Block(once.bundle, world.store.blocks.pop(once.bundle))
    ]  # so that the custodian does not learn that it covers later versions
    later = publish(world, b"two", supersedes=first.record_id)
    world.store.put(kept)
    with pytest.raises(AccessDeniedError) as caught:
        world.retrieving.open(later, reader=world.doctor, purpose=TREAT)
    assert caught.value.decision.reason is Reason.KEY_NOT_RELEASED
    assert later not in world.retrieving.readable(reader=world.doctor, purpose=TREAT).records
    again = say(world, permit(records=(first,)))
    assert again.grant_id == once.grant_id
    assert opens(world, later)


def test_grant__by_category__is_on_chain_in_coarse_bits_only(world: World) -> None:
    lab, scan = publish(world, b"lab", category=LAB), publish(world, b"scan", category=SCAN)
    granted = say(world, permit(PurposeOfUse.COC, PurposeOfUse.BIORCH, categories=(LAB,)))
    assert granted.grant.purposes == Purpose.TREAT | Purpose.HRESCH
    assert granted.released == (lab,)
    assert opens(world, lab, PurposeOfUse.COC)
    assert not opens(world, lab)
    assert not opens(world, scan, PurposeOfUse.COC)
    readable = world.retrieving.readable(reader=world.doctor, purpose=PurposeOfUse.BIORCH)
    assert readable.records == (lab,)


def test_open__obligations__are_in_the_decision(world: World) -> None:
    record = publish(world, b"lab")
    until = world.clock.now() + DAY
    duties = (Obligation(duty=Duty.AUDIT), Obligation(duty=Duty.ERASE_BY, by=until))
    say(world, permit(obligations=duties))
    decision = world.retrieving.open(record, reader=world.doctor, purpose=TREAT).decision
    assert (set(decision.obligations), decision.erase_by) == (set(duties), until)
    world.clock.advance(DAY)
    preview = world.retrieving.preview(record, reader=world.doctor, purpose=TREAT)
    assert preview.reason is Reason.ERASURE_DUE


def test_open__denied_by_what_only_the_manifest_tells__releases_nothing(world: World) -> None:
    """The key was given once; what was denied since is refused by the reader's client, after the manifest."""
    record = publish(world, b"lab", labels=("HIV",))
    say(world, permit(labels=("HIV",)))
    assert opens(world, record)
    say(world, permit(HRESCH), deny(labels=("HIV",)))
    with pytest.raises(AccessDeniedError) as caught:
        world.retrieving.open(record, reader=world.doctor, purpose=TREAT)
    assert caught.value.decision.reason is Reason.REFUSED
    assert caught.value.decision.block == world.chain.head().number


# ------------------------------------------------------------------------------------------- refused


def test_grant__both_ways_of_saying_it__is_refused(world: World) -> None:
    record = publish(world, b"lab")
    with pytest.raises(InvalidInputError, match="not both"):
        say(world, permit(), records=[record], purposes=TREAT)


@pytest.mark.parametrize("purposes", [["TREATMENT"], [Purpose.TREAT], "TREAT"], ids=str)
def test_grant__purposes_that_are_none__are_refused(world: World, purposes) -> None:
    record = publish(world, b"lab")
    with pytest.raises(ValueError, match="not a valid PurposeOfUse"):
        say(world, provisions=(), records=[record], purposes=purposes)


def test_grant__named_record_was_retracted__is_refused_and_a_denial_of_it_is_not(world: World) -> None:
    record, other = publish(world, b"lab"), publish(world, b"other")
    world.publishing.retract(record.record_id, "wrong", custodian=world.hospital)
    with pytest.raises(RecordNotActiveError):
        say(world, permit(records=(record,)))
    granted = say(world, permit(), deny(records=(record,)))
    assert granted.released == (other,)


def test_grant__more_keys_than_a_bundle_holds__is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    records = tuple(publish(world, b"%d" % number) for number in range(3))
    monkeypatch.setattr(consenting, "MAX_RECORDS", 2)
    with pytest.raises(InvalidInputError, match="permit 3 records") as caught:
        say(world, permit())
    assert "each of up to 2 records by name" in str(caught.value.hint)
    for half in (records[:2], records[2:]):
        say(world, permit(records=half))
    assert all(opens(world, each) for each in records)


# ------------------------------------------------------------------------------------------- other grants


def test_grant__another_live_grant_denies__its_record_gets_no_key(world: World) -> None:
    lab, scan = publish(world, b"lab", category=LAB), publish(world, b"scan", category=SCAN)
    say(world, permit(HRESCH, categories=(SCAN,)), deny(categories=(LAB,)))
    granted = say(world, permit())
    assert granted.released == (scan,)
    assert not opens(world, lab)


def test_grant__another_live_grant_permits__its_records_are_not_repeated(world: World) -> None:
    lab, scan = publish(world, b"lab", category=LAB), publish(world, b"scan", category=SCAN)
    assert say(world, permit(categories=(LAB,))).released == (lab,)
    assert say(world, permit(categories=(SCAN,))).released == (scan,)


def test_grant__another_live_grant_cannot_be_read__is_refused_until_it_is_revoked(world: World) -> None:
    publish(world, b"lab")
    lost = say(world, permit(HRESCH), deny())
    del world.store.blocks[lost.bundle]
    with pytest.raises(IntegrityError, match="may deny") as caught:
        say(world, permit())
    assert "revoke" in caught.value.hint
    with pytest.raises(IntegrityError):
        world.consenting.preview(patient=world.patient, reader=world.doctor.address)
    again = say(world, permit(HRESCH), deny())
    assert again.grant_id == lost.grant_id
    del world.store.blocks[again.bundle]
    world.consenting.revoke(lost.grant_id, patient=world.patient)
    assert say(world, permit()).released


def test_grant__records_that_somebody_made_up__are_passed_over(world: World) -> None:
    real = publish(world, b"lab")
    made_up = RecordRef(custodian=world.stranger.address, record_id=b"\5" * 32)
    stolen = replace(real, custodian=world.stranger.address)
    for ref in (made_up, stolen):
        world.ledger.records.register(world.stranger.signer, ref.record_id, world.patient.address)
    granted = say(world, permit())
    assert granted.released == (real,)
    assert set(granted.passed_over) == {made_up, stolen}
    rows = {row.entry.ref: row for row in world.consenting.preview(patient=world.patient, reader=world.doctor.address)}
    assert rows[real].decision.permitted
    for ref in (made_up, stolen):
        assert rows[ref].manifest is None
        assert rows[ref].decision.undecided


# ------------------------------------------------------------------------------------------- preview


def test_preview__nothing_granted__asks_for_treatment(world: World) -> None:
    publish(world, b"lab")
    (row,) = world.consenting.preview(patient=world.patient, reader=world.doctor.address)
    assert (row.decision.reason, row.decision.purpose) == (Reason.NO_GRANT, TREAT)
    assert row.decision.block == world.chain.head().number


def test_preview__provisions_not_yet_given__are_decided_as_if_they_were(world: World) -> None:
    lab = publish(world, b"lab", category=LAB, labels=("HIV",))
    scan = publish(world, b"scan", category=SCAN)
    say(world, permit(HRESCH, categories=(SCAN,)))
    before = dict(world.store.blocks)
    head = world.chain.head()
    wanted = [permit(records=(lab,)), deny(HRESCH)]
    rows = world.consenting.preview(patient=world.patient, reader=world.doctor.address, provisions=wanted)
    assert {(row.entry.ref, row.decision.purpose): row.decision.reason for row in rows} == {
        (lab, TREAT): Reason.PERMITTED,
        (lab, HRESCH): Reason.REFUSED,
        (scan, TREAT): Reason.PURPOSE_NOT_GRANTED,
        (scan, HRESCH): Reason.REFUSED,
    }
    assert next(row.manifest.labels for row in rows if row.entry.ref == lab) == ("HIV",)
    assert (world.store.blocks, world.chain.head()) == (before, head)


def test_preview__at_another_time__is_as_of_then(world: World) -> None:
    publish(world, b"lab")
    end = world.clock.now() + DAY
    say(world, permit(), expires_at=end)
    for at, reason in ((end - 1, Reason.PERMITTED), (end, Reason.EXPIRED)):
        (row,) = world.consenting.preview(patient=world.patient, reader=world.doctor.address, at=at)
        assert (row.decision.reason, row.decision.at) == (reason, at)


def test_preview__retracted_record__says_so(world: World) -> None:
    record = publish(world, b"lab")
    say(world, permit())
    world.publishing.retract(record.record_id, "wrong", custodian=world.hospital)
    (row,) = world.consenting.preview(patient=world.patient, reader=world.doctor.address)
    assert row.decision.reason is Reason.RETRACTED
    (own,) = world.consenting.preview(patient=world.patient, reader=world.hospital.address)
    assert own.decision.reason is Reason.OWN_RECORD
