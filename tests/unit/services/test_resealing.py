"""A record is published again as its next version, once: same text and description, a fresh key.

given a record of one's own
├─ when it is resealed, its successor says the same, and what this medshare does not know of it, too
├─ when it is done again, or after a crash at any call, it is resealed once
├─ when several are, and the chain cannot be reached, all wait and are resealed later
├─ when it does not open, or is not what it says, nothing is published
└─ when it was given to the chain, and rights changed by the time it is registered, it is superseded at once
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from service_doubles import CrashError, Faults, faulty_resealing, resealing_with, with_records
from test_standing import end_by_revoking, holds, opens, permit, publish, say, with_key
from test_storing import finish_by_resuming, interrupted
from world import World, new_world

from medshare.envelope import Identity
from medshare.errors import IntegrityError, LedgerUnavailableError, MedshareError, NotARecipientError
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Manifest, RecordEntry, RecordStatus
from medshare.ports import Actor
from medshare.services.progress import silent
from medshare.services.registering import Published
from medshare.services.resealing import Resealing

pytestmark = [pytest.mark.unit, pytest.mark.timeout(120)]


def reseal(world: World, previous: Published) -> Published:
    return world.resealing.reseal(previous.entry, custodian=world.hospital)


def alone(resealing: Resealing, entries: list[RecordEntry], custodian: Actor) -> list[Published | MedshareError]:
    return [resealing.reseal(each, custodian=custodian) for each in entries]


def together(resealing: Resealing, entries: list[RecordEntry], custodian: Actor) -> list[Published | MedshareError]:
    return resealing.reseal_all(entries, custodian=custodian, progress_of=lambda _: silent)


def manifest(world: World, published: Published) -> Manifest:
    return world.retrieving.open(published.entry.ref, reader=world.patient, purpose=PurposeOfUse.TREAT).manifest


def test_reseal__fields_of_a_later_version_of_the_manifest__are_kept(known: World, monkeypatch) -> None:
    written = Manifest.to_json
    monkeypatch.setattr(Manifest, "to_json", lambda self: written(replace(self, extra={"laterality": "left"})))
    lab = publish(known)
    monkeypatch.undo()
    assert manifest(known, reseal(known, lab)).extra == {"laterality": "left"}


# ------------------------------------------------------------------------------------------------ once


def test_reseal__again__is_done_once_and_publishing_again_finds_it(known: World) -> None:
    say(known, permit())
    lab = publish(known)
    first, again = reseal(known, lab), reseal(known, lab)
    assert (first.already, again.already) == (False, True)
    assert again.record_id == first.record_id
    second = reseal(known, first)
    assert second.entry.version == 3
    assert publish(known).record_id == second.record_id
    assert publish(known).already
    assert reseal(known, lab).record_id == second.record_id
    assert known.journal.unfinished() == []


def prepared(folder: Path) -> tuple[World, Published]:
    world = new_world(folder)
    say_first = publish(world)
    granted = say(world, permit())
    say(world, permit(), grantee=world.stranger.address)
    world.consenting.revoke(granted.grant_id, patient=world.patient)
    return world, say_first


@pytest.mark.parametrize("how", [alone, together])
@pytest.mark.parametrize("after", [False, True], ids=["before it took effect", "after it took effect"])
def test_reseal__process_dies_at_any_call__is_finished_once(tmp_path: Path, after: bool, how: Callable) -> None:
    at = 0
    while True:
        at += 1
        world, lab = prepared(tmp_path / str(at))
        dying = faulty_resealing(world, Faults(at=at, after=after))
        try:
            how(dying, [lab.entry], world.hospital)
        except CrashError:
            world.publishing.resume(world.hospital)
        else:
            assert at > 20, "the sweep means something only if it goes through the whole"
            return
        (published,) = how(world.resealing, [lab.entry], world.hospital)
        old, new = world.auditing.records(world.patient.address)
        assert (old.status, new.status, new.version) == (RecordStatus.SUPERSEDED, RecordStatus.ACTIVE, 2)
        assert new.record_id == published.record_id
        assert len(world.store.pins()) == 2 + len(world.auditing.bundles(world.patient.address)) - 1
        assert opens(world, published, world.stranger)
        assert not holds(world, published)
        assert world.journal.unfinished() == []
        assert publish(world).record_id == new.record_id


@pytest.mark.parametrize("after", [False, True], ids=["before it took effect", "after it took effect"])
def test_reseal_all__process_dies_among_several__each_is_finished_once(tmp_path: Path, after: bool) -> None:
    at = 0
    while True:
        at += 2
        world = new_world(tmp_path / str(at))
        labs = [publish(world, b"one"), publish(world, b"two")]
        say(world, permit())
        dying = faulty_resealing(world, Faults(at=at, after=after))
        entries = [each.entry for each in labs]
        try:
            together(dying, entries, world.hospital)
        except CrashError:
            pass
        else:
            assert at > 40, "the sweep means something only if it goes through the whole"
            return
        resealed = together(world.resealing, entries, world.hospital)
        assert [type(each) for each in resealed] == [Published, Published]
        found = world.auditing.records(world.patient.address)
        assert sorted((each.version, each.status) for each in found) == [
            (1, RecordStatus.SUPERSEDED),
            (1, RecordStatus.SUPERSEDED),
            (2, RecordStatus.ACTIVE),
            (2, RecordStatus.ACTIVE),
        ]
        assert world.journal.unfinished() == []


def test_reseal_all__chain_cannot_be_reached__ends_and_goes_on_later(known: World) -> None:
    def unreachable(*_args, **_more):
        raise LedgerUnavailableError("the test says so")

    entries = [publish(known, b"one").entry, publish(known, b"two").entry]
    offline = resealing_with(known, ledger=with_records(known, do_all=unreachable))
    with pytest.raises(LedgerUnavailableError):
        together(offline, entries, known.hospital)
    assert len(known.journal.unfinished()) == 2
    assert [each.entry.version for each in together(known.resealing, entries, known.hospital)] == [2, 2]
    assert len([each for each in known.auditing.records(known.patient.address) if each.version == 2]) == 2


# ------------------------------------------------------------------------------------------------ in doubt


@pytest.mark.parametrize("finish", [finish_by_resuming, publish])
def test_publish__given_to_the_chain_and_revoked_meanwhile__is_superseded_at_once(known: World, finish) -> None:
    """A transaction that registers it may be on its way: a second record must not stand beside it."""
    granted = say(known, permit())
    stored = interrupted(known, sending=True)
    end_by_revoking(known, granted)
    finished = finish(known)
    assert finished.entry.version == 2
    old, new = known.auditing.records(known.patient.address)[-2:]
    assert (old.record_id, old.status) == (stored, RecordStatus.SUPERSEDED)
    assert new.record_id == finished.record_id
    assert not holds(known, finished)
    assert opens(known, finished, known.patient)


def test_reseal_all__given_to_the_chain_and_revoked_meanwhile__each_is_superseded_at_once(known: World) -> None:
    def dies(*_args, **_more):
        raise CrashError

    granted = say(known, permit())
    entries = [publish(known, b"one").entry, publish(known, b"two").entry]
    with pytest.raises(CrashError):
        together(resealing_with(known, ledger=with_records(known, do_all=dies)), entries, known.hospital)
    given = {each.record_id for each in known.journal.unfinished()}
    end_by_revoking(known, granted)
    resealed = together(known.resealing, entries, known.hospital)
    assert [each.entry.version for each in resealed] == [3, 3]
    records = known.auditing.records(known.patient.address)
    assert {each.record_id for each in records if each.version == 2} == given
    assert not any(holds(known, each) for each in resealed)


# ------------------------------------------------------------------------------------------------ refusals


def test_reseal__custodian_changed_his_key__says_which_key_opens_it(known: World) -> None:
    lab = publish(known)
    known.hospital = with_key(known, replace(known.hospital, identity=Identity.generate()))
    with pytest.raises(NotARecipientError) as caught:
        reseal(known, lab)
    assert "earlier key" in caught.value.hint


def test_reseal__plaintext_is_not_what_the_manifest_says__publishes_nothing(known: World, monkeypatch) -> None:
    written = Manifest.to_json
    monkeypatch.setattr(Manifest, "to_json", lambda self: written(replace(self, digest=bytes(32))))
    lab = publish(known)
    monkeypatch.undo()
    pins = known.store.pins()
    with pytest.raises(IntegrityError):
        reseal(known, lab)
    assert known.store.pins() == pins
    assert known.journal.unfinished() == []
