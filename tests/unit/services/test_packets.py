"""Who has a packet of a record, and who would get one now.

given a record that a reader could open when it was published
├─ when nothing changed, he has a packet and would get one
├─ when his grant was revoked, he has one that he would not get
├─ when another was granted it since, he would get one that he has not
├─ when the grant's bundle is missing, it cannot be said of him
├─ when an earlier version was named in a grant, so is this one
└─ when the custodian has another key now, it does not open
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_standing import permit, publish, say, with_key
from world import World

from medshare.envelope import Identity
from medshare.errors import NotARecipientError
from medshare.ports import Actor
from medshare.services.packets import Packets, packets_of
from medshare.services.registering import Published

pytestmark = pytest.mark.unit


def packets(world: World, published: Published) -> Packets:
    return packets_of(
        published.entry,
        custodian=world.hospital,
        store=world.store,
        auditing=world.auditing,
        standing=world.standing,
    )


def keys(*actors: Actor) -> frozenset:
    return frozenset(each.identity.recipient for each in actors)


def test_packets__nothing_changed__are_those_of_who_is_permitted(known: World) -> None:
    say(known, permit())
    found = packets(known, publish(known))
    assert found == Packets(held=keys(known.doctor), permitted=keys(known.doctor), unknown=frozenset())


def test_packets__one_revoked_and_one_granted_since__tell_both(known: World) -> None:
    granted = say(known, permit())
    lab = publish(known)
    known.consenting.revoke(granted.grant_id, patient=known.patient)
    say(known, permit(), grantee=known.stranger.address)
    found = packets(known, lab)
    assert found == Packets(held=keys(known.doctor), permitted=keys(known.stranger), unknown=frozenset())


def test_packets__bundle_is_missing__of_its_reader_it_cannot_be_said(known: World) -> None:
    granted = say(known, permit())
    lab = publish(known)
    del known.store.blocks[granted.bundle]
    found = packets(known, lab)
    assert found == Packets(held=keys(known.doctor), permitted=frozenset(), unknown=keys(known.doctor))


def test_packets__an_earlier_version_is_named__so_is_this_one(known: World) -> None:
    first = publish(known, b"first")
    say(known, permit(records=(first.entry.ref,)))
    second = publish(known, b"second", supersedes=first.record_id)
    third = publish(known, b"third", supersedes=second.record_id)
    assert packets(known, third).permitted == keys(known.doctor)
    assert packets(known, publish(known, b"another")).permitted == frozenset()


def test_packets__custodian_has_another_key__does_not_open(known: World) -> None:
    lab = publish(known)
    known.hospital = with_key(known, replace(known.hospital, identity=Identity.generate()))
    with pytest.raises(NotARecipientError):
        packets(known, lab)
