"""What is stored is registered once, or given up.

given a record that is stored
├─ when its predecessor was superseded in a race, it is given up, and nothing of it is left
├─ when its registration was lost in a reorganisation, the same record is registered, as long as it is there
└─ when it was retracted, it is published again under a new id
"""

from __future__ import annotations

import pytest
from service_doubles import publishing_with, with_intents_kept, with_records
from test_publishing import plaintext, publish_with, registrations
from world import TEXT, World

from medshare.errors import RecordNotActiveError
from medshare.model.record import RecordStatus

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]


def superseded_in_a_race(world: World):
    """Two successors of one record: the second is stored when the first is already registered."""
    first = world.publish(b"one")
    records = world.ledger.records

    def beaten(signer, record_id, previous_id, *, intent=None):
        records.supersede(signer, b"\7" * 32, previous_id)
        return records.supersede(signer, record_id, previous_id, intent=intent)

    racing = publishing_with(world, ledger=with_records(world, supersede=beaten))
    with pytest.raises(RecordNotActiveError):
        publish_with(racing, world, b"two", supersedes=first.record_id)
    return first


def test_publish__superseded_in_a_race__loses_and_leaves_nothing_behind(world: World) -> None:
    first = superseded_in_a_race(world)
    assert world.store.pins() == {first.cid}
    assert world.publishing.resume(world.hospital) == []
    with pytest.raises(RecordNotActiveError):
        world.publish(b"two", supersedes=first.record_id)


def test_publish__retracted_before__is_published_again_under_a_new_id(world: World) -> None:
    publishing = publishing_with(world, ledger=with_intents_kept(world))
    first = publish_with(publishing, world)
    publishing.retract(first.record_id, "entered in error", custodian=world.hospital)
    second = publish_with(publishing, world)
    assert not second.already
    assert second.record_id != first.record_id
    assert second.entry.status is RecordStatus.ACTIVE
    assert publish_with(publishing, world).record_id == second.record_id
    assert len(registrations(world)) == 2


def test_publish__registration_lost_in_a_reorganisation__registers_the_same_record(world: World) -> None:
    first = world.publish()
    world.chain.reorganise(1)
    assert registrations(world) == []
    again = world.publish()
    assert again.record_id == first.record_id
    assert not again.already
    assert world.store.pins() == {first.cid}
    assert len(registrations(world)) == 1


def test_publish__registration_and_blocks_are_lost__begins_anew(world: World) -> None:
    first = world.publish()
    world.chain.reorganise(1)
    world.store.unpin(first.cid)
    world.store.collect()
    again = world.publish()
    assert again.record_id != first.record_id
    assert plaintext(world, again) == TEXT
