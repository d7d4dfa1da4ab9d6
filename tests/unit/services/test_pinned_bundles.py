"""Of the bundles that were pinned for grants those stay that a grant names, or may come to name.

given a patient who grants
├─ when the chain refuses, the bundle is given up; when it is in doubt, it is kept
├─ when a process died before the chain knew of a bundle, repeating or revoking gives that bundle up, and no other
├─ when a bundle is withdrawn, it stays where the chain names it, or cannot be asked
└─ when a grant is revoked, all its bundles are given up; where the store fails, it is revoked and says what is left
"""

from __future__ import annotations

import pytest
from service_doubles import Overriding, consenting_with, prepared, with_consents
from world import DAY, World

from medshare.errors import LedgerUnavailableError, PatientExhaustedError, StoreUnavailableError
from medshare.model.purpose import PurposeOfUse
from medshare.services.consenting import Consenting

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]


def test_grant__chain_refuses__gives_the_bundle_up(world: World) -> None:
    published = world.publish()
    pins = world.store.pins()

    def refuse(*_args, **_more):
        raise PatientExhaustedError(world.patient.address)

    with pytest.raises(PatientExhaustedError):
        consenting_with(world, ledger=with_consents(world, grant=refuse)).grant(
            patient=world.patient,
            grantee=world.doctor.address,
            records=[world.ref(published)],
            purposes=PurposeOfUse.TREAT,
            expires_at=world.clock.now() + DAY,
        )
    assert world.store.pins() == pins


def test_grant__chain_is_in_doubt__keeps_the_bundle(world: World) -> None:
    """What was sent may still be mined: then the reader needs the bundle."""
    published = world.publish()
    grant = world.ledger.consents.grant

    def lost(*args, **more):
        grant(*args, **more)
        raise LedgerUnavailableError("the test says so")

    with pytest.raises(LedgerUnavailableError):
        consenting_with(world, ledger=with_consents(world, grant=lost)).grant(
            patient=world.patient,
            grantee=world.doctor.address,
            records=[world.ref(published)],
            purposes=PurposeOfUse.TREAT,
            expires_at=world.clock.now() + DAY,
        )
    world.store.collect()
    assert b"".join(world.open(published).stream())


# ---------------------------------------------------------------------------------------------- never sent


def test_grant__prepared_before_and_never_sent__gives_the_lost_bundle_up_and_no_other(journalled: World) -> None:
    one, two = journalled.publish(b"one"), journalled.publish(b"two")
    waiting = prepared(journalled, two)
    first = journalled.grant(one)
    lost = prepared(journalled, one)
    again = journalled.grant(one)
    assert lost.grant_id == first.grant_id == again.grant_id
    kept = {one.cid, two.cid, waiting.bundle, first.bundle, again.bundle}
    assert journalled.store.pins() == kept
    journalled.grant(one)
    assert journalled.store.pins() > kept


def test_grant__prepared_and_sent_by_somebody_else__keeps_the_bundle(journalled: World) -> None:
    published = journalled.publish()
    sent = prepared(journalled, published)
    journalled.ledger.consents.grant(journalled.patient.signer, sent.request)
    again = journalled.grant(published)
    assert journalled.store.pins() == {published.cid, sent.bundle, again.bundle}


@pytest.mark.parametrize("everything", [False, True], ids=["one", "all"])
def test_revoke__prepared_and_never_sent__gives_the_lost_bundle_up(journalled: World, everything: bool) -> None:
    published = journalled.publish()
    lost = prepared(journalled, published)
    if everything:
        journalled.consenting.revoke_all(patient=journalled.patient)
    else:
        journalled.consenting.revoke(lost.grant_id, patient=journalled.patient)
    assert journalled.store.pins() == {published.cid}


@pytest.mark.parametrize("ends", ["unsent", "granted", "unasked"])
def test_withdraw__of_what_was_prepared__gives_up_only_what_the_chain_surely_never_names(
    journalled: World, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    sent = prepared(journalled, journalled.publish())
    if ends == "granted":
        journalled.ledger.consents.grant(journalled.patient.signer, sent.request)
    if ends == "unasked":

        def unreachable(*_args: object) -> None:
            raise LedgerUnavailableError("the test says so")

        monkeypatch.setattr(journalled.auditing, "bundles", unreachable)
    gone = journalled.consenting.withdraw(sent.patient, sent.grant_id, sent.request.bundle)
    assert gone == (ends == "unsent")
    assert (sent.bundle in journalled.store.pins()) == (not gone)


# ------------------------------------------------------------------------------------------------ revoked


def test_revoke__granted_twice__gives_both_bundles_up(world: World) -> None:
    published = world.publish()
    world.grant(published)
    granted = world.grant(published, expires_at=world.clock.now() + DAY)
    assert len(world.store.pins()) == 3
    world.consenting.revoke(granted.grant_id, patient=world.patient)
    assert world.store.pins() == {published.cid}


@pytest.mark.parametrize("everything", [False, True], ids=["one", "all"])
def test_revoke__store_fails__has_revoked_and_says_what_is_left(world: World, everything: bool) -> None:
    published = world.publish()
    world.grant(published)
    granted = world.grant(published, expires_at=world.clock.now() + DAY)

    def fail(_root) -> None:
        raise StoreUnavailableError("the test says so")

    consenting = consenting_with(world, store=Overriding(world.store, unpin=fail))

    def revoke(by: Consenting):
        if everything:
            return by.revoke_all(patient=world.patient)
        return by.revoke(granted.grant_id, patient=world.patient)

    assert revoke(consenting).bundles_left == 2
    assert world.auditing.may_read(world.patient.address) == []
    assert len(world.store.pins()) == 3
    assert revoke(world.consenting).bundles_left == 0
    assert world.store.pins() == {published.cid}
