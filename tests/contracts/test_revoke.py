"""ConsentRegistry.revoke

given a live grant
    when its patient revokes: it is dead from this block on, told by both events, and its fields stay but purposes
    when the grantee, a stranger or another patient tries: it is refused and the grant is live
given a grant that is revoked, expired, not yet begun or ended by revokeAll
    its patient may still revoke, and it never comes back by time
given nothing
    its patient may revoke: the count goes up, no token moves, nothing is live
given the last count
    revoking is never refused, and the count stays
"""

from __future__ import annotations

import pytest
from evm import (
    ALL_PURPOSES,
    HRESCH,
    NEVER,
    TREAT,
    ZERO_ADDRESS,
    Event,
    GrantView,
    RefusedError,
    grant_id_of,
)

from medshare.model.ids import patient_of

pytestmark = pytest.mark.contracts


@pytest.fixture
def grant_id(actors):
    return grant_id_of(actors.patient, actors.doctor)


def revoked_event(ledger, grant_id, epoch):
    return Event("AccessRevoked", {"id": grant_id, "epoch": epoch}, ledger.contracts.consents.address)


def burned_event(ledger, patient, grantee, grant_id):
    values = {"operator": patient, "from": grantee, "to": ZERO_ADDRESS, "id": grant_id, "value": 1}
    return Event("TransferSingle", values, ledger.contracts.consents.address)


def test_revoke__live_grant__is_dead_from_this_block_on(ledger, actors, grant_id):
    ledger.revoke_all(actors.patient)
    granted = ledger.grant(actors.patient, actors.doctor, purposes=ALL_PURPOSES)

    sent = ledger.revoke(actors.patient, grant_id)

    assert not ledger.is_live(grant_id)
    assert ledger.balance(actors.doctor, grant_id) == 0
    assert ledger.get_grant(grant_id) == GrantView(actors.doctor, granted.time, NEVER, 0, stamp=1, epoch=2)
    assert sent.events == (
        revoked_event(ledger, grant_id, 2),
        burned_event(ledger, actors.patient, actors.doctor, grant_id),
    )


def test_revoke__live_grant__leaves_the_patients_others(ledger, actors, grant_id):
    ledger.grant(actors.patient, actors.doctor)
    ledger.grant(actors.patient, actors.researcher, purposes=HRESCH)
    ledger.grant(actors.other_patient, actors.doctor)

    ledger.revoke(actors.patient, grant_id)

    assert ledger.is_live(grant_id_of(actors.patient, actors.researcher), HRESCH)
    assert ledger.is_live(grant_id_of(actors.other_patient, actors.doctor))
    assert ledger.stamp(actors.patient) == 0


@pytest.mark.parametrize("caller", ["doctor", "stranger", "other_patient", "custodian", "deployer"])
def test_revoke__caller_is_not_the_patient__is_refused(ledger, actors, grant_id, caller):
    ledger.grant(actors.patient, actors.doctor)
    before = ledger.get_grant(grant_id)

    with pytest.raises(RefusedError) as refused:
        ledger.revoke(getattr(actors, caller), grant_id)

    assert refused.value.args == ("AuthorityNotAllowed", actors.patient, getattr(actors, caller))
    assert ledger.get_grant(grant_id) == before
    assert ledger.is_live(grant_id)


def test_revoke__id_names_almost_the_patient__is_refused(ledger, actors, grant_id):
    neighbour = grant_id ^ (1 << 96)

    with pytest.raises(RefusedError) as refused:
        ledger.revoke(actors.patient, neighbour)

    assert refused.value.args == ("AuthorityNotAllowed", patient_of(neighbour), actors.patient)


def test_revoke__twice__is_told_twice_and_no_second_token_moves(ledger, actors, grant_id):
    ledger.grant(actors.patient, actors.doctor)
    ledger.revoke(actors.patient, grant_id)

    sent = ledger.revoke(actors.patient, grant_id)

    assert ledger.get_grant(grant_id).epoch == 3
    assert sent.events == (revoked_event(ledger, grant_id, 3),)


def test_revoke__nothing_was_granted__counts_and_moves_no_token(ledger, actors, grant_id):
    sent = ledger.revoke(actors.patient, grant_id)

    assert ledger.get_grant(grant_id) == GrantView(ZERO_ADDRESS, 0, 0, 0, stamp=0, epoch=1)
    assert not ledger.is_live(grant_id)
    assert ledger.balance(ZERO_ADDRESS, grant_id) == 0
    assert sent.events == (revoked_event(ledger, grant_id, 1),)


def test_revoke__expired_grant__is_told_and_stays_dead(ledger, actors, grant_id):
    granted = ledger.grant(actors.patient, actors.doctor, expires_at=ledger.chain.now + 100)

    sent = ledger.revoke(actors.patient, grant_id, at=granted.time + 200)

    assert ledger.get_grant(grant_id).purposes == 0
    assert sent.events == (
        revoked_event(ledger, grant_id, 2),
        burned_event(ledger, actors.patient, actors.doctor, grant_id),
    )


def test_revoke__grant_has_not_begun__never_begins(ledger, actors, grant_id):
    begin = ledger.chain.now + 1000
    ledger.grant(actors.patient, actors.doctor, not_before=begin)

    ledger.revoke(actors.patient, grant_id)
    ledger.chain.mine_at(begin + 10)

    assert not ledger.is_live(grant_id)


def test_revoke__after_revoke_all__is_not_refused(ledger, actors, grant_id):
    ledger.grant(actors.patient, actors.doctor)
    ledger.revoke_all(actors.patient)

    ledger.revoke(actors.patient, grant_id)

    assert ledger.get_grant(grant_id).purposes == 0
    assert ledger.get_grant(grant_id).stamp == 0


@pytest.mark.parametrize(("epoch", "then"), [(253, 254), (254, 255), (255, 255)])
@pytest.mark.parametrize("purposes", [0, TREAT], ids=["revoked", "live"])
def test_revoke__near_the_last_count__is_never_refused(ledger, actors, grant_id, epoch, then, purposes):
    before = GrantView(actors.doctor, ledger.chain.now, NEVER, purposes, stamp=0, epoch=epoch)
    ledger.store_grant(grant_id, before)

    sent = ledger.revoke(actors.patient, grant_id)

    assert sent.events[0] == revoked_event(ledger, grant_id, then)

    assert ledger.get_grant(grant_id) == GrantView(actors.doctor, before.not_before, NEVER, 0, stamp=0, epoch=then)
    assert not ledger.is_live(grant_id)


def test_revoke__patient_at_the_last_stamp__is_not_refused(ledger, actors, grant_id):
    ledger.grant(actors.patient, actors.doctor)
    ledger.store_stamp(actors.patient, 255)

    ledger.revoke(actors.patient, grant_id)

    assert ledger.get_grant(grant_id).purposes == 0


def test_get_grant__nothing_was_granted__is_refused(ledger, actors, grant_id):
    ledger.grant(actors.patient, actors.researcher)

    with pytest.raises(RefusedError) as refused:
        ledger.get_grant(grant_id)

    assert refused.value.args == ("ConsentRegistryGrantUnknown", grant_id)
