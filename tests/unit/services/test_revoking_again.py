"""A grant that was revoked is not revoked again, unless something of it may be on its way.

given a patient with a journal, and a grant that is revoked
├─ revoked again, it says where it was, sends nothing, and gives up the bundles that were left
├─ when everything was revoked, it says where that was
├─ granted anew, or prepared anew since, it is revoked anew
└─ others stay refused; and what cannot be looked up keeps no revocation back
"""

from __future__ import annotations

import pytest
from service_doubles import Overriding, consenting_with, prepared
from world import World

from medshare.errors import NotAllowedToActError, StoreFullError, StoreUnavailableError
from medshare.model.events import AccessRevoked, AllAccessRevoked
from medshare.services.bundle_journal import BundleJournal

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]


def revocations(world: World) -> list[AccessRevoked]:
    return [each for each in world.chain.events(0, world.chain.head().number) if isinstance(each, AccessRevoked)]


def test_revoke__twice__says_where_it_was_revoked_and_sends_nothing(journalled: World) -> None:
    granted = journalled.grant(journalled.publish())
    first = journalled.consenting.revoke(granted.grant_id, patient=journalled.patient)
    again = journalled.consenting.revoke(granted.grant_id, patient=journalled.patient)
    (event,) = revocations(journalled)
    assert (first.on_chain.already, again.on_chain.already) == (False, True)
    assert again.had_been_granted
    assert first.on_chain.block == again.on_chain.block == event.place.block
    assert first.on_chain.tx_hash == again.on_chain.tx_hash == event.place.tx_hash


def test_revoke__after_everything_was_revoked__says_where_and_sends_nothing(journalled: World) -> None:
    granted = journalled.grant(journalled.publish())
    journalled.consenting.revoke_all(patient=journalled.patient)
    revoked = journalled.consenting.revoke(granted.grant_id, patient=journalled.patient)
    (event,) = (
        each
        for each in journalled.chain.events(0, journalled.chain.head().number)
        if isinstance(each, AllAccessRevoked)
    )
    assert revoked.on_chain.already
    assert revoked.on_chain.block == event.place.block
    assert revocations(journalled) == []


def test_revoke__granted_anew_since__is_sent(journalled: World) -> None:
    published = journalled.publish()
    granted = journalled.grant(published)
    journalled.consenting.revoke(granted.grant_id, patient=journalled.patient)
    assert journalled.grant(published).grant_id == granted.grant_id
    revoked = journalled.consenting.revoke(granted.grant_id, patient=journalled.patient)
    assert not revoked.on_chain.already
    assert journalled.auditing.may_read(journalled.patient.address) == []


def test_revoke__grant_on_its_way_since__is_sent_and_ends_it(journalled: World) -> None:
    published = journalled.publish()
    granted = journalled.grant(published)
    journalled.consenting.revoke(granted.grant_id, patient=journalled.patient)
    lost = prepared(journalled, published)
    assert lost.grant_id == granted.grant_id
    revoked = journalled.consenting.revoke(granted.grant_id, patient=journalled.patient)
    assert not revoked.on_chain.already
    assert len(revocations(journalled)) == 2
    assert journalled.store.pins() == {published.cid}
    assert journalled.consenting.revoke(granted.grant_id, patient=journalled.patient).on_chain.already


def test_revoke__revoked_before_and_bundles_left__gives_them_up_and_sends_nothing(journalled: World) -> None:
    published = journalled.publish()
    granted = journalled.grant(published)

    def fail(_root) -> None:
        raise StoreUnavailableError("the test says so")

    journal = BundleJournal(journalled.folder / "bundles.sqlite")
    failing = consenting_with(journalled, store=Overriding(journalled.store, unpin=fail), journal=journal)
    assert failing.revoke(granted.grant_id, patient=journalled.patient).bundles_left == 1
    again = journalled.consenting.revoke(granted.grant_id, patient=journalled.patient)
    assert (again.on_chain.already, again.bundles_left) == (True, 0)
    assert journalled.store.pins() == {published.cid}
    assert len(revocations(journalled)) == 1


def test_revoke__revoked_before_by_its_patient__stays_refused_to_others(journalled: World) -> None:
    granted = journalled.grant(journalled.publish())
    journalled.consenting.revoke(granted.grant_id, patient=journalled.patient)
    with pytest.raises(NotAllowedToActError):
        journalled.consenting.revoke(granted.grant_id, patient=journalled.stranger)


def test_revoke__that_it_was_revoked_cannot_be_looked_up__is_sent(journalled: World) -> None:
    granted = journalled.grant(journalled.publish())
    journalled.consenting.revoke(granted.grant_id, patient=journalled.patient)

    def fail() -> None:
        raise StoreFullError("the test says so")

    consenting = consenting_with(
        journalled,
        auditing=Overriding(journalled.auditing, sync=fail),
        journal=BundleJournal(journalled.folder / "bundles.sqlite"),
    )
    assert not consenting.revoke(granted.grant_id, patient=journalled.patient).on_chain.already
    assert len(revocations(journalled)) == 2
