"""What of a store's content the chain names, and what of it is to be kept.

given the chain's events
├─ records → kept, whatever became of them
├─ a grant given again → its newest bundle is kept, the earlier one has ended
├─ released keys → kept while the episode lasts, ended after it
├─ a request's document → kept; what was delivered for it → its parties decide
└─ a bundle that a live grant and something that has ended name → kept
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from town import HOUR, Town, new_town
from world import DAY, World

from medshare.content import Cid
from medshare.model.events import AccessDelivered, LedgerEvent, RequestOpened
from medshare.services import named_roots as module
from medshare.services.named_roots import Keep, NamedRoot, RootKind, named_roots

pytestmark = pytest.mark.unit


def found(world: World) -> dict[Cid, NamedRoot]:
    head = world.auditing.sync()
    return named_roots(world.auditing._index.events(), now=max(head.time, world.clock.now()))


def kept(world: World, kind: RootKind) -> dict[Cid, Keep]:
    return {root: named.keep for root, named in found(world).items() if named.kind is kind}


def test_record__superseded_and_retracted__is_kept(world: World) -> None:
    first = world.publish()
    second = world.publish(b"corrected", supersedes=first.record_id)
    world.publishing.retract(second.record_id, "wrong patient", custodian=world.hospital)
    assert kept(world, RootKind.RECORD) == {first.cid: Keep.YES, second.cid: Keep.YES}


def test_bundle__granted_again__the_newest_is_kept_until_the_grant_ends(world: World) -> None:
    published = world.publish()
    first = world.grant(published)
    again = world.grant(published, expires_at=world.clock.now() + 60 * DAY)
    assert first.grant_id == again.grant_id
    assert first.bundle != again.bundle
    assert kept(world, RootKind.BUNDLE) == {first.bundle: Keep.NO, again.bundle: Keep.YES}
    world.clock.advance(60 * DAY)
    assert kept(world, RootKind.BUNDLE) == {first.bundle: Keep.NO, again.bundle: Keep.NO}


def test_bundle__revoked_alone_or_with_all__has_ended(world: World) -> None:
    published = world.publish()
    one, other = world.grant(published), world.grant(published, grantee=world.stranger.address)
    world.consenting.revoke(one.grant_id, patient=world.patient)
    assert kept(world, RootKind.BUNDLE) == {one.bundle: Keep.NO, other.bundle: Keep.YES}
    world.consenting.revoke_all(patient=world.patient)
    assert set(kept(world, RootKind.BUNDLE).values()) == {Keep.NO}


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return new_town(tmp_path)


def test_released_keys__while_the_episode_lasts_and_after__are_kept_and_have_ended(town: Town) -> None:
    town.world.publish()
    released = town.emergencies.release(town.break_glass(), custodian=town.world.hospital)
    (bundle,) = released.bundles
    assert kept(town.world, RootKind.RELEASE) == {bundle: Keep.YES}
    town.pass_by(HOUR)
    assert kept(town.world, RootKind.RELEASE) == {bundle: Keep.NO}


DOCUMENT, BUNDLE = b"\1" * 32, b"\2" * 32
OPENED = RequestOpened(place=None, request=SimpleNamespace(terms=SimpleNamespace(document=DOCUMENT)))
DELIVERED = AccessDelivered(place=None, request_id=1, patient="0x" + "11" * 20, bundle=BUNDLE, score=0)


def test_request__its_document_and_what_was_delivered__are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LedgerModel", lambda: SimpleNamespace(apply=lambda _event: None))
    events: list[LedgerEvent] = [OPENED, DELIVERED]
    named = named_roots(events, now=0)
    assert {root.digest: (each.kind, each.keep) for root, each in named.items()} == {
        DOCUMENT: (RootKind.DOCUMENT, Keep.YES),
        BUNDLE: (RootKind.BUNDLE, Keep.EITHER),
    }


def test_bundle__of_a_live_grant_and_delivered__is_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    granted = world.grant(world.publish())
    events = world.auditing._index.events() if world.auditing.sync() else []
    apply = module.LedgerModel.apply
    monkeypatch.setattr(
        module.LedgerModel,
        "apply",
        lambda model, event: None if isinstance(event, AccessDelivered) else apply(model, event),
    )
    delivered = AccessDelivered(
        place=None, request_id=1, patient=world.patient.address, bundle=granted.bundle.digest, score=0
    )
    for order in ([*events, delivered], [delivered, *events]):
        assert named_roots(order, now=world.clock.now())[granted.bundle].keep is Keep.YES
