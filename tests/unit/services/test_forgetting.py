"""What an erasure asks of patient and readers: the keys in what was granted go, and each says what became of his part.

given an erased record that a patient had granted together with another
├─ when the patient forgets it: the grant stands, the other record opens as before, no key of it is in any bundle
├─ grants that ended, earlier bundles of a grant, all versions of the record → their headers go, too
├─ what a delegate granted → is left and named; who granted it forgets it in the patient's name
├─ forgotten again, or after a crash at any call → finished, and nothing is done twice
└─ a record that is not erased, another patient's, a bundle that does not open → refused, or named
given a reader
├─ when he acknowledges: his own store holds nothing of it, and the custodian takes his word
└─ when he keeps a copy: nothing is removed, and his reason is signed
given inboxes
└─ patient, readers and custodian are told until they have done their part, and nobody else is
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from erasure_town import REASON, ErasureTown, new_erasure_town, signing_actor
from held_keys import commitment, held_keys
from service_doubles import CrashError, Faults
from town import HOUR
from world import DAY

from medshare.content import Cid
from medshare.errors import (
    AccessDeniedError,
    InvalidInputError,
    NotAllowedToActError,
    ReadOnlyStoreError,
    SignatureInvalidError,
    StoreUnavailableError,
    UnknownRecordError,
)
from medshare.model.erasure import Acknowledgement, Statement
from medshare.ports import Actor
from medshare.services.consenting import Granted
from medshare.services.forgetting import Forgetting, Forgotten
from medshare.services.notices import Urgency
from medshare.services.registering import Published
from medshare.services.replicating import HERE
from medshare.storage import SeveralStores

pytestmark = [pytest.mark.unit, pytest.mark.timeout(120)]


@pytest.fixture
def town(tmp_path: Path) -> ErasureTown:
    return new_erasure_town(tmp_path)


@pytest.fixture
def record(town: ErasureTown) -> Published:
    return town.world.publish()


@pytest.fixture
def other(town: ErasureTown) -> Published:
    return town.world.publish(b"another record")


def forget(town: ErasureTown, record: Published, patient: Actor | None = None, **more) -> Forgotten:
    return town.forgetting.forget(town.world.ref(record), patient=patient or town.world.patient, **more)


def text(town: ErasureTown, record: Published, reader: Actor | None = None) -> bytes:
    return b"".join(town.world.open(record, reader).stream())


def give(town: ErasureTown, *records: Published, **more) -> Granted:
    """Grant, and have both nodes keep the bundle."""
    granted = town.world.grant(*records, **more)
    town.replicate(granted.bundle)
    return granted


def kinds(town: ErasureTown, who: Actor) -> list[str]:
    return [each.kind for each in town.notices.of(who.address, [who.address])]


def forgetting_with(town: ErasureTown, **other) -> Forgetting:
    world = town.world
    wanted = {
        "ledger": world.ledger,
        "store": world.store,
        "clock": world.clock,
        "auditing": world.auditing,
        "journal": town.journal,
        "places": town.places,
        "own": HERE,
        **town.signed,
    }
    return Forgetting(**{**wanted, **other})


# ----------------------------------------------------------------------------------------------------- patients


def test_forget__granted_with_another__only_its_key_goes(
    town: ErasureTown, record: Published, other: Published
) -> None:
    world = town.world
    granted = give(town, record, other)
    key = commitment(world.store, record.record_id)
    town.erase(record)
    assert key in held_keys(world.store, town.identities())
    forgotten = forget(town, record)
    assert (forgotten.finished, forgotten.left) == (True, ())
    assert (forgotten.renewed, forgotten.given_up) == ((granted.grant_id,), (granted.request.bundle,))
    for store in town.places.values():
        assert key not in held_keys(store, town.identities())
        assert granted.bundle not in store.pins()
    (standing,) = world.auditing.grants(patient=world.patient.address)
    assert (standing.live, standing.terms, standing.grant.expires_at) == (
        True,
        granted.terms.digest(),
        granted.request.expires_at,
    )
    assert Cid.of_directory(standing.bundle) in world.store.pins()
    world.store.collect()
    assert text(town, other) == b"another record"


def test_forget__all_versions__each_header_goes(town: ErasureTown, record: Published) -> None:
    world = town.world
    second = world.publish(b"corrected", supersedes=record.record_id)
    give(town, record)
    keys = {commitment(world.store, each.record_id) for each in (record, second)}
    assert keys <= held_keys(world.store, [world.doctor.identity])
    town.erase(record)
    forget(town, record)
    assert keys.isdisjoint(held_keys(world.store, town.identities()))


def test_forget__granted_again_and_ended_grants__earlier_bundles_go(
    town: ErasureTown, record: Published, other: Published
) -> None:
    world = town.world
    give(town, record, other)
    give(town, record, other, expires_at=world.clock.now() + 60 * DAY)
    ended = give(town, record, grantee=world.stranger.address)
    key = commitment(world.store, record.record_id)
    world.consenting.revoke(ended.grant_id, patient=world.patient)
    town.erase(record)
    forgotten = forget(town, record)
    assert (len(forgotten.renewed), len(forgotten.given_up), forgotten.finished) == (1, 3, True)
    for store in town.places.values():
        assert key not in held_keys(store, town.identities())
    assert text(town, other) == b"another record"


def test_forget__ended_and_its_newest_bundle_is_gone__the_earlier_one_goes_too(
    town: ErasureTown, record: Published
) -> None:
    world = town.world
    first = give(town, record)
    again = give(town, record, expires_at=world.clock.now() + 60 * DAY)
    key = commitment(world.store, record.record_id)
    world.consenting.revoke(first.grant_id, patient=world.patient)
    for store in town.places.values():
        store.unpin(again.bundle)
        store.remove([again.bundle])
    town.erase(record)
    assert forget(town, record).given_up == (first.request.bundle,)
    for store in town.places.values():
        store.collect()
        assert key not in held_keys(store, town.identities())


def test_forget__not_begun_yet__begins_when_it_was_to(town: ErasureTown, record: Published, other: Published) -> None:
    world = town.world
    begins = world.clock.now() + 10 * DAY
    give(town, record, other, not_before=begins)
    town.erase(record)
    assert forget(town, record).finished
    (standing,) = world.auditing.grants(patient=world.patient.address)
    assert standing.grant.not_before == begins


def test_forget__a_delegate_granted__is_left_until_he_forgets_it_too(
    town: ErasureTown, record: Published, other: Published
) -> None:
    world = town.world
    mother = town.town.mother
    world.grant(record, other, grantee=world.stranger.address)
    town.town.appoint()
    granted = town.town.grant_for(record)
    town.erase(record)
    forgotten = forget(town, record)
    assert (forgotten.finished, forgotten.left) == (False, (granted.grant_id,))
    assert "RecordErased" in kinds(town, world.patient)
    forgotten = forget(town, record, patient=mother, on_behalf_of=world.patient.address)
    assert forgotten.renewed == (granted.grant_id,)
    assert forget(town, record).finished
    assert kinds(town, world.patient) == []


def test_forget__delegate_was_dismissed__may_not_grant_anew(town: ErasureTown, record: Published) -> None:
    world = town.world
    town.town.appoint()
    town.town.grant_for(record)
    town.erase(record)
    town.town.representing.dismiss(town.town.mother.address, patient=world.patient.address, actor=world.patient)
    with pytest.raises(NotAllowedToActError):
        forget(town, record, patient=town.town.mother, on_behalf_of=world.patient.address)


def test_forget__again__does_nothing_twice(town: ErasureTown, record: Published, other: Published) -> None:
    give(town, record, other)
    town.erase(record)
    forget(town, record)
    again = forget(town, record)
    assert (again.renewed, again.given_up, again.finished) == ((), (), True)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_forget__process_is_gone_at_any_call__the_same_call_finishes(tmp_path: Path, after: bool) -> None:
    at = 0
    while True:
        at += 1
        town = new_erasure_town(tmp_path / str(at) / str(after))
        world = town.world
        record, other = world.publish(), world.publish(b"another record")
        give(town, record, other)
        key = commitment(world.store, record.record_id)
        town.erase(record)
        faults = Faults(at=at, after=after)
        failing = ("put", "pin", "unpin", "remove")
        forgetting = forgetting_with(
            town,
            store=faults.wrap(world.store, *failing),
            places={name: faults.wrap(store, *failing) for name, store in town.places.items()},
            ledger=replace(world.ledger, consents=faults.wrap(world.ledger.consents, "grant")),
            journal=faults.wrap(town.journal, "answer"),
        )
        try:
            forgetting.forget(world.ref(record), patient=world.patient)
        except CrashError:
            pass
        else:
            break
        assert forget(town, record).finished
        for store in town.places.values():
            assert key not in held_keys(store, town.identities())
        assert text(town, other) == b"another record"
    assert at > 8


def test_forget__node_is_down__is_unfinished_until_it_answers(
    town: ErasureTown, record: Published, other: Published
) -> None:
    give(town, record, other)
    key = commitment(town.world.store, record.record_id)
    town.erase(record)
    town.stores["clinic"].down = True
    forgotten = forget(town, record)
    assert not forgotten.finished
    assert key in held_keys(town.stores["clinic"], town.identities())
    assert kinds(town, town.world.patient) == ["RecordErased"]


def test_forget__bundle_does_not_open__is_left_and_named(town: ErasureTown, record: Published) -> None:
    world = town.world
    granted = world.grant(record)
    town.erase(record)
    lost = replace(world.patient, identity=signing_actor().identity)
    forgotten = forget(town, record, patient=lost)
    assert (forgotten.left, forgotten.finished) == ((granted.grant_id,), False)


def test_forget__bundle_is_gone__there_is_nothing_to_do(town: ErasureTown, record: Published) -> None:
    granted = town.world.grant(record)
    town.erase(record)
    del town.world.store.blocks[granted.bundle]
    town.world.store.unpin(granted.bundle)
    assert forget(town, record).finished


def test_forget__not_erased_or_anothers__is_refused(town: ErasureTown, record: Published) -> None:
    world = town.world
    with pytest.raises(InvalidInputError, match="has not erased"):
        forget(town, record)
    world.publishing.retract(record.record_id, "wrong", custodian=world.hospital)
    with pytest.raises(InvalidInputError, match="has not erased"):
        forget(town, record)
    erased = world.publish(b"erased")
    town.erase(erased)
    with pytest.raises(InvalidInputError, match="another patient's"):
        forget(town, erased, patient=world.doctor)
    with pytest.raises(UnknownRecordError):
        town.forgetting.forget(replace(world.ref(erased), record_id=b"\1" * 32), patient=world.patient)


# ------------------------------------------------------------------------------------------------------ readers


def test_acknowledge__his_own_store_had_it__is_cleared_and_his_word_is_taken(
    town: ErasureTown, record: Published
) -> None:
    world = town.world
    granted = give(town, record)
    key = commitment(world.store, record.record_id)
    town.replicate(record.cid)
    own = town.stores.pop("clinic")
    del town.places["clinic"]  # it is the doctor's, and no member's
    town.erase(record)
    assert forget(town, record).finished
    theirs = forgetting_with(town, places={HERE: own}, store=SeveralStores(own, world.store))
    assert granted.bundle in own.pins()
    assert key in held_keys(own, [world.doctor.identity])
    statement = theirs.acknowledge(world.ref(record), reader=world.doctor)
    assert key not in held_keys(own, [world.doctor.identity])
    assert not any(own.has(Cid.parse(each)) for each in town.erase(record).certificate.stated.blocks)
    standing = town.book.take(
        Statement.from_json(Acknowledgement, statement.to_json()), custodian=world.hospital.address
    )
    assert (standing.missing, standing.overdue) == ((), False)
    assert standing.acknowledged[world.doctor.address] == statement


def test_acknowledge__keeps_a_copy__nothing_is_removed_and_why_is_signed(town: ErasureTown, record: Published) -> None:
    world = town.world
    world.grant(record)
    town.erase(record)
    before = dict(world.store.blocks)
    statement = town.forgetting.acknowledge(world.ref(record), reader=world.doctor, kept_because="a trial's data")
    assert world.store.blocks == before
    assert statement.stated.kept_because == "a trial's data"
    town.book.take(statement, custodian=world.hospital.address)
    with pytest.raises(SignatureInvalidError):
        town.book.take(
            replace(statement, stated=replace(statement.stated, kept_because=None)), custodian=world.hospital.address
        )


def test_take__asked_although_the_grant_was_of_another_record__is_taken_and_a_strangers_is_not(
    town: ErasureTown, record: Published, other: Published
) -> None:
    world = town.world
    world.grant(other)
    town.erase(record)
    (standing,) = town.book.standings(world.hospital.address)
    assert standing.missing == ()
    assert kinds(town, world.doctor) == ["ErasureToAcknowledge"]
    statement = town.forgetting.acknowledge(world.ref(record), reader=world.doctor)
    assert town.book.take(statement, custodian=world.hospital.address).acknowledged == {world.doctor.address: statement}
    strange = town.forgetting.acknowledge(world.ref(record), reader=world.stranger)
    with pytest.raises(InvalidInputError, match="not among those"):
        town.book.take(strange, custodian=world.hospital.address)
    with pytest.raises(InvalidInputError, match="not erased here"):
        town.book.take(statement, custodian=world.stranger.address)


def test_acknowledge__store_gives_nothing_up__is_not_signed(town: ErasureTown, record: Published) -> None:
    world = town.world
    world.grant(record)
    town.erase(record)
    node = town.stores["clinic"]
    node.pins_only = True
    with pytest.raises(StoreUnavailableError):
        forgetting_with(town, places={HERE: node}).acknowledge(world.ref(record), reader=world.doctor)
    assert kinds(town, world.doctor) == ["ErasureToAcknowledge"]


def test_acknowledge__he_reads_through_a_gateway__has_no_store_to_clear(town: ErasureTown, record: Published) -> None:
    world = town.world
    world.grant(record)
    town.erase(record)

    class Gateway:
        def remove(self, _blocks: object) -> None:
            raise ReadOnlyStoreError

    theirs = forgetting_with(town, places={HERE: Gateway()})
    assert theirs.acknowledge(world.ref(record), reader=world.doctor).stated.kept_because is None


@pytest.mark.parametrize("reason", ["", "x" * 2_001], ids=["empty", "too long"])
def test_acknowledge__reason_that_cannot_be__is_refused(town: ErasureTown, record: Published, reason: str) -> None:
    town.world.grant(record)
    town.erase(record)
    with pytest.raises(InvalidInputError, match="why a copy is kept"):
        town.forgetting.acknowledge(town.world.ref(record), reader=town.world.doctor, kept_because=reason)


def test_acknowledge__not_erased__is_refused(town: ErasureTown, record: Published) -> None:
    with pytest.raises(InvalidInputError, match="has not erased"):
        town.forgetting.acknowledge(town.world.ref(record), reader=town.world.doctor)


def test_acknowledge__his_bundle_does_not_open_any_more__is_signed_all_the_same(
    town: ErasureTown, record: Published
) -> None:
    world = town.world
    world.grant(record)
    town.erase(record)
    another = replace(world.doctor, identity=signing_actor().identity)
    assert town.forgetting.acknowledge(world.ref(record), reader=another).stated.reader == world.doctor.address


def test_forget__store_does_not_answer__says_so_and_changes_nothing(town: ErasureTown, record: Published) -> None:
    world = town.world
    granted = world.grant(record)
    town.erase(record)
    for at in (1, 2, 3):
        store = Faults(at=at, error=lambda: StoreUnavailableError("down")).wrap(world.store, "get", "has")
        with pytest.raises(StoreUnavailableError):
            forgetting_with(town, store=store).forget(world.ref(record), patient=world.patient)
    assert world.auditing.bundles(world.patient.address) == [granted.request.bundle]
    assert granted.bundle in world.store.pins()


# ------------------------------------------------------------------------------------------------------ inboxes


def test_inbox__until_each_has_done_his_part__tells_him_and_nobody_else(town: ErasureTown, record: Published) -> None:
    world = town.world
    world.grant(record)
    assert [kinds(town, each) for each in (world.patient, world.doctor, world.hospital)] == [[], [], []]
    town.erase(record)
    (notice,) = town.notices.of(world.doctor.address, [world.doctor.address])
    assert (notice.urgency, notice.waits, notice.who) == (Urgency.DUE, True, world.hospital.address)
    assert record.record_id.hex() in notice.answer
    (notice,) = town.notices.of(world.patient.address, [world.patient.address])
    assert notice.answer == f"medshare record forget {record.record_id.hex()} --as {{me}}"
    (notice,) = town.notices.of(town.town.mother.address, [town.town.mother.address, world.patient.address])
    assert notice.answer.endswith(f"--for {world.patient.address}")
    assert kinds(town, world.stranger) == []
    forget(town, record)
    statement = town.forgetting.acknowledge(world.ref(record), reader=world.doctor)
    assert [kinds(town, each) for each in (world.patient, world.doctor, world.hospital)] == [[], [], []]
    world.clock.advance(31 * DAY)
    (notice,) = town.notices.of(world.hospital.address, [world.hospital.address])
    assert (notice.kind, notice.answer) == ("AcknowledgementOverdue", "medshare record erasures --as {me}")
    (standing,) = town.book.standings(world.hospital.address)
    assert (standing.overdue, standing.missing) == (True, (world.doctor.address,))
    town.book.take(statement, custodian=world.hospital.address)
    assert kinds(town, world.hospital) == []


def test_inbox__clinician_of_an_emergency__is_asked_too(town: ErasureTown, record: Published) -> None:
    town.town.emergencies.release(town.town.break_glass(), custodian=town.world.hospital)
    town.town.pass_by(2 * HOUR)
    town.erase(record)
    assert kinds(town, town.town.clinician) == ["ErasureToAcknowledge"]


def test_inbox__grant_ended_before_the_record_was_there__is_not_asked(town: ErasureTown, other: Published) -> None:
    world = town.world
    granted = world.grant(other)
    world.consenting.revoke(granted.grant_id, patient=world.patient)
    world.clock.advance(DAY)
    record = world.publish(b"published after the revocation")
    town.erase(record)
    assert kinds(town, world.doctor) == []


def test_inbox__erasure_is_unfinished__its_custodian_is_told_how_to_go_on(town: ErasureTown, record: Published) -> None:
    town.stores["clinic"].down = True
    town.erase(record)
    (notice,) = town.notices.of(town.world.hospital.address, [town.world.hospital.address])
    assert (notice.kind, "medshare record erase" in notice.answer) == ("ErasureUnfinished", True)
    assert REASON not in notice.says


def test_fetch__with_the_renewed_grant__the_erased_record_is_refused_and_its_grant_still_names_it(
    town: ErasureTown, record: Published, other: Published
) -> None:
    world = town.world
    give(town, record, other)
    town.erase(record)
    forget(town, record)
    assert text(town, other) == b"another record"
    with pytest.raises(AccessDeniedError):
        world.open(other, world.stranger)
