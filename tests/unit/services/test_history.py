"""A patient's history: what a reader may read of him, from every custodian, newest first.

given records by two hospitals, over years
├─ it should hold what each of the reader's grants permits, and nothing else, by clinical date, then registration
├─ when filtered by category, dates or purpose, it holds those only
├─ it should hold the newest version that the reader may read, or every version where asked, and nothing withdrawn
├─ when one hospital's store fails, or a bundle, the rest comes, and what is missing is said
└─ it should give each record as soon as no other can stand before it, opening several at once
given several stores
└─ a block comes from the first that has it; writing is in one's own
"""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service_doubles import Overriding
from test_standing import LAB, SCAN, deny, permit, publish, say, with_key
from world import DAY, World, new_world

from medshare.content import Block, Cid, Codec
from medshare.errors import AccessDeniedError, BlobMismatchError, BlobNotFoundError, StoreUnavailableError
from medshare.model.decision import Reason
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Category
from medshare.ports import Actor
from medshare.services import consenting
from medshare.services import history as module
from medshare.services.history import History, PatientHistory
from medshare.services.registering import Published
from medshare.services.retrieving import Retrieving
from medshare.storage import SeveralStores
from medshare.testing import MemoryStore, new_actor

pytestmark = [pytest.mark.unit, pytest.mark.timeout(120)]

TREAT, HRESCH = PurposeOfUse.TREAT, PurposeOfUse.HRESCH


def of(world: World, reader: Actor | None = None, purpose: PurposeOfUse = TREAT, **wanted) -> PatientHistory:
    return world.history.of(world.patient.address, reader=reader or world.doctor, purpose=purpose, **wanted)


def ids(history: PatientHistory) -> list[bytes]:
    return [each.entry.record_id for each in history]


def listed(*published: Published) -> list[bytes]:
    return [each.record_id for each in published]


@pytest.fixture
def clinic(world: World) -> Actor:
    return with_key(world, new_actor())


def reading_from(world: World, store) -> History:
    retrieving = Retrieving(ledger=world.ledger, store=store, clock=world.clock, auditing=world.auditing)
    return History(auditing=world.auditing, retrieving=retrieving)


# ------------------------------------------------------------------------------------------------- order


def test_history__of_two_hospitals__is_by_clinical_date_then_registration(world: World, clinic: Actor) -> None:
    old = publish(world, b"old", clinical_date="2019-05-01")
    undated = publish(world, b"undated", by=clinic)
    year = publish(world, b"some day of 2020", clinical_date="2020")
    june = publish(world, b"june", by=clinic, clinical_date="2020-06-30")
    again = publish(world, b"june again", clinical_date="2020-06-30")
    ahead = publish(world, b"planned", clinical_date="2099")
    say(world, permit())
    history = of(world)
    assert ids(history) == listed(ahead, undated, year, again, june, old)
    assert history.failures == []


@given(dates=st.lists(st.sampled_from([None, "2019", "2020-02", "2020-02-29", "2027-01-15", "2031"]), max_size=7))
def test_history__registered_in_any_order__comes_in_the_order_of_its_keys(tmp_path_factory, dates) -> None:
    world = new_world(tmp_path_factory.mktemp("world"))
    for number, day in enumerate(dates):
        publish(world, b"%d" % number, clinical_date=day)
        world.clock.advance(DAY * (number % 2))
    found = list(of(world, world.patient))
    assert len(found) == len(dates)
    assert found == sorted(found, key=module._key)


def test_history__as_each_comes__waits_only_for_what_may_stand_before_it(world: World, monkeypatch) -> None:
    """Registered a month apart, as they happened: the first comes before the third is even begun."""
    monkeypatch.setattr(module, "WORKERS", 1)
    monkeypatch.setattr(module, "_AHEAD", 1)
    published = []
    for number in range(4):
        published.append(publish(world, b"%d" % number))
        world.clock.advance(30 * DAY)
    opened = []
    pending = world.retrieving.pending

    def counting(*args, **more):
        found = pending(*args, **more)

        def noted(each):
            def opens():
                opened.append(each.entry.record_id)
                return each.open()

            return module.replace(each, open=opens)

        return module.replace(found, records=tuple(map(noted, found.records)))

    world.history = History(auditing=world.auditing, retrieving=Overriding(world.retrieving, pending=counting))
    records = iter(of(world, world.patient))
    newest = published[-1]
    assert next(records).entry == newest.entry
    assert opened == [newest.record_id]
    assert [each.entry.record_id for each in records] == listed(*published[-2::-1])


def test_history__several_records__are_opened_at_once_and_no_more_than_the_workers(world: World) -> None:
    for number in range(3 * module.WORKERS):
        publish(world, b"%d" % number)
    together = threading.Barrier(module.WORKERS)
    lock = threading.Lock()
    at_once, most = 0, 0

    def get(cid, *rest):
        nonlocal at_once, most
        if cid in roots:
            with lock:
                at_once += 1
                most = max(most, at_once)
            together.wait(timeout=60)  # all workers are here at the same time, or this breaks
            with lock:
                at_once -= 1
        return world.store.get(cid, *rest)

    roots = {Cid.of_directory(each.record_id) for each in world.auditing.records(world.patient.address)}
    history = reading_from(world, Overriding(world.store, get=get))
    found = list(history.of(world.patient.address, reader=world.patient, purpose=TREAT))
    assert len(found) == 3 * module.WORKERS
    assert most == module.WORKERS


def test_history__left_before_its_end__leaves_no_thread(world: World) -> None:
    for number in range(3):
        publish(world, b"%d" % number)
    records = iter(of(world, world.patient))
    next(records)
    records.close()
    assert not [each for each in threading.enumerate() if each.name.startswith("medshare-history")]


def test_history__closed_before_its_end__gives_nothing_more_and_leaves_no_thread(world: World) -> None:
    for number in range(3):
        publish(world, b"%d" % number)
    history = of(world, world.patient)
    next(iter(history))
    history.close()
    assert list(history) == []
    assert not [each for each in threading.enumerate() if each.name.startswith("medshare-history")]


# ------------------------------------------------------------------------------------------------- what


def test_history__of_a_reader__is_what_the_decision_permits_him(world: World, clinic: Actor) -> None:
    lab, hiv = publish(world, b"lab"), publish(world, b"hiv", by=clinic, labels=("HIV",))
    publish(world, b"scan", category=SCAN)
    say(world, permit(categories=(LAB,)))
    assert of(world, world.stranger).failures == []
    assert ids(of(world, world.stranger)) == []
    assert ids(of(world)) == listed(lab)
    assert ids(of(world, purpose=HRESCH)) == []
    say(world, permit(HRESCH, categories=(LAB,), labels=("HIV",), custodians=(clinic.address,)))
    assert ids(of(world, purpose=HRESCH)) == listed(hiv)
    history = of(world)
    (record,) = history
    assert b"".join(record.stream()) == b"lab"
    assert record.decision.permitted
    assert history.failures == []


@pytest.mark.parametrize("records", [1, 7])
def test_history__of_many_records__lists_the_bundle_as_often_as_of_one(world: World, records: int) -> None:
    """Else a history took the square of what its grant holds."""
    published = [publish(world, b"%d" % number) for number in range(records)]
    bundle = say(world, permit(categories=(LAB,))).bundle
    asked: list[Cid] = []

    def get(cid: Cid, *more) -> Block:
        asked.append(cid)
        return world.store.get(cid, *more)

    history = reading_from(world, Overriding(world.store, get=get)).of(
        world.patient.address, reader=world.doctor, purpose=TREAT
    )
    assert sorted(ids(history)) == sorted(listed(*published))
    assert asked.count(bundle) == 2  # for what there is, and for opening all of it


def test_history__of_the_patient_and_of_a_custodian__is_his_own(world: World, clinic: Actor) -> None:
    lab, scan = publish(world, b"lab"), publish(world, b"scan", by=clinic, category=SCAN)
    assert ids(of(world, world.patient)) == listed(scan, lab)
    assert ids(of(world, clinic)) == listed(scan)
    say(world, permit(), grantee=clinic.address)
    assert ids(of(world, clinic)) == listed(scan, lab)


def test_history__filtered__holds_what_may_belong(world: World) -> None:
    day = publish(world, b"day", clinical_date="2020-02-10", category=Category.IMMUNIZATION)
    month = publish(world, b"month", clinical_date="2020-02")
    year = publish(world, b"year", clinical_date="2020")
    undated = publish(world, b"undated", category=SCAN)
    registered = datetime.fromtimestamp(undated.entry.registered_at, UTC).date()
    own = {"reader": world.patient}
    assert ids(of(world, **own, categories=[Category.IMMUNIZATION, SCAN])) == listed(undated, day)
    assert ids(of(world, **own, since=date(2020, 3, 1))) == listed(undated, year)
    assert ids(of(world, **own, until=date(2020, 2, 10))) == listed(year, month)
    assert ids(of(world, **own, since=date(2020, 2, 10), until=date(2020, 2, 11))) == listed(year, month, day)
    assert ids(of(world, **own, since=registered)) == listed(undated)
    assert ids(of(world, **own, since=date(2020, 12, 31), until=date(2021, 1, 1))) == listed(year)
    assert ids(of(world, **own, until=date(2019, 12, 31))) == []


# ------------------------------------------------------------------------------------------------- versions


def test_history__superseded__is_the_newest_version_unless_all_are_asked_for(world: World) -> None:
    one = publish(world, b"one")
    say(world, permit())
    two = publish(world, b"two", supersedes=one.record_id)
    three = publish(world, b"three", supersedes=two.record_id)
    other = publish(world, b"other")
    assert ids(of(world)) == listed(other, three)
    assert ids(of(world, every_version=True)) == listed(other, three, two, one)


def test_history__newest_version_is_not_permitted__is_the_newest_that_is(world: World) -> None:
    one = publish(world, b"one", labels=("N",))
    say(world, permit())
    publish(world, b"two", labels=("HIV",), supersedes=one.record_id)
    history = of(world)
    assert ids(history) == listed(one)
    assert history.failures == []


def test_history__newest_version_was_retracted__holds_nothing_of_the_record(world: World) -> None:
    one = publish(world, b"one")
    say(world, permit())
    two = publish(world, b"two", supersedes=one.record_id)
    world.publishing.retract(two.record_id, "wrong patient", custodian=world.hospital)
    assert ids(of(world)) == []
    assert ids(of(world, every_version=True)) == listed(one)
    assert ids(of(world, world.patient)) == listed(two)
    assert ids(of(world, world.hospital)) == listed(two)


# ------------------------------------------------------------------------------------------------- failures


def test_history__a_hospital_s_store_fails__the_rest_comes_and_it_is_said(world: World, clinic: Actor) -> None:
    hers = [publish(world, b"hers %d" % number) for number in range(2)]
    theirs = [publish(world, b"theirs %d" % number, by=clinic) for number in range(2)]
    say(world, permit())
    roots = {each.cid for each in theirs}

    def get(cid, *rest):
        if cid in roots:
            raise StoreUnavailableError("the test says so")
        return world.store.get(cid, *rest)

    history = reading_from(world, Overriding(world.store, get=get)).of(
        world.patient.address, reader=world.doctor, purpose=TREAT
    )
    assert ids(history) == listed(*hers[::-1])
    assert {each.record for each in history.failures} == {each.entry.ref for each in theirs}
    assert {type(each.error) for each in history.failures} == {StoreUnavailableError}
    assert {each.grant_id for each in history.failures} == {None}


def test_history__a_bundle_is_missing__what_other_grants_permit_comes_and_it_is_said(world: World) -> None:
    lab = publish(world, b"lab")
    publish(world, b"scan", category=SCAN)
    lost = say(world, permit(categories=(SCAN,)))
    say(world, permit(categories=(LAB,)))
    del world.store.blocks[lost.bundle]
    history = of(world)
    assert ids(history) == listed(lab)
    (failure,) = history.failures
    assert (failure.grant_id, failure.record) == (lost.grant_id, None)
    assert isinstance(failure.error, BlobNotFoundError)


def test_history__permitted_by_name_and_its_key_not_released__is_said(world: World, monkeypatch) -> None:
    lab = publish(world, b"lab")
    monkeypatch.setattr(consenting, "releases", lambda *_args, **_more: False)
    say(world, permit(records=(lab.entry.ref,)))
    history = of(world)
    assert ids(history) == []
    (failure,) = history.failures
    assert failure.record == lab.entry.ref
    assert isinstance(failure.error, AccessDeniedError)
    assert failure.error.decision.reason is Reason.KEY_NOT_RELEASED


def test_history__newer_version_s_key_not_released__is_the_older_one(world: World) -> None:
    one = publish(world, b"one")
    granted = say(world, permit(records=(one.entry.ref,)))
    kept = [Block(granted.bundle, world.store.blocks.pop(granted.bundle))]
    two = publish(world, b"two", supersedes=one.record_id)  # its custodian could not read what covers it
    world.store.put(kept)
    assert two.readers == ()
    assert ids(of(world)) == listed(one)


def test_history__somebody_states_a_record_that_is_none__hides_nothing(world: World) -> None:
    lab = publish(world, b"lab")
    world.ledger.records.register(world.stranger.signer, b"\7" * 32, world.patient.address)
    world.ledger.records.register(world.stranger.signer, lab.record_id, world.patient.address)
    say(world, permit())
    history = of(world)
    assert ids(history) == listed(lab)
    assert {each.record.custodian for each in history.failures} == {world.stranger.address}
    assert len(history.failures) == 2


def test_history__refused_by_the_manifest__is_an_answer_and_no_failure(world: World) -> None:
    lab = publish(world, b"lab", labels=("HIV",))
    say(world, permit(labels=("HIV",)))
    say(world, permit(HRESCH), deny(labels=("HIV",)))
    history = of(world)
    assert ids(history) == []
    assert history.failures == []
    with pytest.raises(AccessDeniedError) as caught:
        world.retrieving.open(lab.entry.ref, reader=world.doctor, purpose=TREAT)
    assert caught.value.decision.reason is Reason.REFUSED


# ------------------------------------------------------------------------------------------------- stores


def block(text: bytes) -> Block:
    return Block.of(Codec.RAW, text)


def test_several_stores__get__is_from_the_first_that_has_it(world: World) -> None:
    own, other, third = MemoryStore(), MemoryStore(), MemoryStore()
    stores = SeveralStores(own, other, third)
    here, there = block(b"here"), block(b"there")
    own.put([here])
    third.put([there])
    assert stores.get(here.cid) == b"here"
    assert stores.get(there.cid) == b"there"
    assert (stores.has(here.cid), stores.has(there.cid)) == (True, False)
    with pytest.raises(BlobNotFoundError):
        stores.get(block(b"nowhere").cid)


def test_several_stores__one_fails_or_lies__another_answers_and_else_the_failure_is_told() -> None:
    def unreachable(*_args):
        raise StoreUnavailableError("the test says so")

    own, down, liar = MemoryStore(), Overriding(MemoryStore(), get=unreachable), MemoryStore()
    true, false = block(b"true"), block(b"false")
    liar.blocks[false.cid] = b"something else"
    own.put([true])
    assert SeveralStores(down, liar, own).get(true.cid) == b"true"
    with pytest.raises(StoreUnavailableError):
        SeveralStores(own, down).get(false.cid)
    with pytest.raises(BlobMismatchError):
        SeveralStores(own, liar).get(false.cid)


def test_several_stores__writing__is_in_one_s_own() -> None:
    own, other = MemoryStore(), MemoryStore()
    stores = SeveralStores(own, other)
    stores.put([block(b"text")])
    stores.pin(block(b"text").cid)
    assert stores.pins() == own.pins() == {block(b"text").cid}
    assert (len(own.blocks), other.blocks) == (1, {})
    stores.unpin(block(b"text").cid)
    assert stores.collect().removed_blocks == 1
    assert own.blocks == {}
