"""ConsentRegistry.dismiss

given a delegate in force, not yet in force, or past his date
    when the patient dismisses him: he has no power from this block on nor by time; told by its event; dates stay
    when he resigns: the same
    when a stranger, another delegate or another patient tries: it is refused
given somebody who was never appointed
    the patient may dismiss him, and he may resign: the count goes up, so that nothing signed before fits
given a delegate dismissed or resigned
    what he granted stays, he can revoke it no more, the patient can
    only a new appointment brings him back
given the last count
    dismissing is never refused, and the count stays
given revokeAll
    it ends every delegation, those dated into the future included, and none but this patient's
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from evm import NEVER, TREAT, Event, RefusedError, grant_id_of
from people import BOTH, GRANT, REVOKE, DelegationView

pytestmark = pytest.mark.contracts


@pytest.fixture
def delegate(actors):
    return actors.custodian


def dismissed_event(authority, patient, delegate, epoch):
    values = {"patient": patient, "delegate": delegate, "epoch": epoch}
    return Event("DelegateDismissed", values, authority.contract.address)


@pytest.mark.parametrize("by", ["patient", "custodian"], ids=["dismissed", "resigned"])
def test_dismiss__delegate_in_force__has_no_power_from_this_block_on(authority, actors, delegate, by):
    authority.appoint(actors.patient, delegate)
    before = authority.delegation(actors.patient, delegate)

    sent = authority.dismiss(getattr(actors, by), actors.patient, delegate)

    assert authority.delegation(actors.patient, delegate) == replace(before, verbs=0, epoch=2)
    assert not authority.is_delegate(actors.patient, delegate)
    assert not authority.is_delegate(actors.patient, delegate, 0, 0)
    assert sent.events == (dismissed_event(authority, actors.patient, delegate, 2),)


@pytest.mark.parametrize("verbs", [GRANT, REVOKE, BOTH])
def test_dismiss__delegate_in_force__is_refused_each_verb(authority, ledger, actors, delegate, verbs):
    ledger.grant(actors.patient, actors.doctor)
    authority.appoint(actors.patient, delegate, verbs=verbs, purposes=TREAT if verbs & GRANT else 0)
    authority.dismiss(actors.patient, actors.patient, delegate)

    for act in (
        lambda: authority.grant_for(delegate, actors.patient, actors.researcher),
        lambda: ledger.revoke(delegate, grant_id_of(actors.patient, actors.doctor)),
    ):
        with pytest.raises(RefusedError) as refused:
            act()
        assert refused.value.args == ("AuthorityNotAllowed", actors.patient, delegate)
    assert ledger.is_live(grant_id_of(actors.patient, actors.doctor))


def test_dismiss__dated_into_the_future__never_begins(authority, actors, delegate):
    begin = authority.chain.now + 1000
    authority.appoint(actors.patient, delegate, not_before=begin)

    authority.dismiss(actors.patient, actors.patient, delegate)
    authority.chain.mine_at(begin)

    assert not authority.is_delegate(actors.patient, delegate)


def test_dismiss__other_delegates_and_patients__are_untouched(authority, actors, delegate):
    authority.appoint(actors.patient, delegate)
    authority.appoint(actors.patient, actors.researcher)
    authority.appoint(actors.other_patient, delegate)

    authority.dismiss(delegate, actors.patient, delegate)

    assert authority.is_delegate(actors.patient, actors.researcher)
    assert authority.is_delegate(actors.other_patient, delegate)


@pytest.mark.parametrize("caller", ["stranger", "researcher", "other_patient", "deployer", "doctor"])
def test_dismiss__caller_is_another__is_refused(authority, actors, delegate, caller):
    authority.appoint(actors.patient, delegate)
    authority.appoint(actors.patient, actors.researcher, expires_at=NEVER - 1)

    with pytest.raises(RefusedError) as refused:
        authority.dismiss(getattr(actors, caller), actors.patient, delegate)

    assert refused.value.args == ("AuthorityNotAllowed", actors.patient, getattr(actors, caller))
    assert authority.is_delegate(actors.patient, delegate)


@pytest.mark.parametrize("by", ["patient", "custodian"], ids=["dismissed", "resigned"])
def test_dismiss__never_appointed__counts_and_gives_nothing(authority, actors, delegate, by):
    sent = authority.dismiss(getattr(actors, by), actors.patient, delegate)

    assert authority.delegation(actors.patient, delegate) == DelegationView(0, 0, 0, 0, stamp=0, epoch=1)
    assert not authority.is_delegate(actors.patient, delegate, 0, 0)
    assert sent.events == (dismissed_event(authority, actors.patient, delegate, 1),)


def test_dismiss__twice__counts_twice(authority, actors, delegate):
    authority.appoint(actors.patient, delegate)
    authority.dismiss(actors.patient, actors.patient, delegate)

    sent = authority.dismiss(actors.patient, actors.patient, delegate)

    assert authority.delegation(actors.patient, delegate).epoch == 3
    assert sent.events == (dismissed_event(authority, actors.patient, delegate, 3),)


def test_dismiss__the_patient_resigns_from_himself__keeps_all_he_has(authority, ledger, actors):
    authority.dismiss(actors.patient, actors.patient, actors.patient)

    ledger.grant(actors.patient, actors.doctor)
    authority.grant_for(actors.patient, actors.patient, actors.researcher)
    ledger.revoke(actors.patient, grant_id_of(actors.patient, actors.doctor))
    assert ledger.is_live(grant_id_of(actors.patient, actors.researcher))


@pytest.mark.parametrize(("epoch", "then"), [(253, 254), (254, 255), (255, 255)])
@pytest.mark.parametrize("by", ["patient", "custodian"], ids=["dismissed", "resigned"])
@pytest.mark.parametrize("verbs", [0, BOTH], ids=["dismissed before", "in force"])
def test_dismiss__near_the_last_count__is_never_refused(authority, actors, delegate, epoch, then, by, verbs):
    before = DelegationView(authority.chain.now, NEVER, TREAT, verbs, stamp=0, epoch=epoch)
    authority.store_delegation(actors.patient, delegate, before)

    authority.dismiss(getattr(actors, by), actors.patient, delegate)

    assert authority.delegation(actors.patient, delegate) == replace(before, verbs=0, epoch=then)
    assert not authority.is_delegate(actors.patient, delegate, 0, 0)


def test_dismiss__patient_at_the_last_stamp__is_not_refused(authority, actors, delegate):
    authority.store_control(actors.patient, stamp=255)

    authority.dismiss(actors.patient, actors.patient, delegate)

    assert authority.delegation(actors.patient, delegate).epoch == 1


def test_dismiss__a_stranger_resigns_260_times__only_he_can_no_more_be_appointed(authority, actors):
    for _ in range(260):
        authority.dismiss(actors.stranger, actors.patient, actors.stranger)

    with pytest.raises(RefusedError) as refused:
        authority.appoint(actors.patient, actors.stranger)
    assert refused.value.args == ("AuthorityExhausted", actors.patient)
    authority.appoint(actors.patient, actors.custodian)
    authority.appoint(actors.other_patient, actors.stranger)
    assert authority.is_delegate(actors.patient, actors.custodian)
    assert authority.is_delegate(actors.other_patient, actors.stranger)


# ------------------------------------------------------------------------------------------ what he has granted


def test_dismiss__what_he_granted__stays_until_the_patient_revokes_it(authority, ledger, actors, delegate):
    grant_id = grant_id_of(actors.patient, actors.doctor)
    authority.appoint(actors.patient, delegate)
    authority.grant_for(delegate, actors.patient, actors.doctor)

    authority.dismiss(actors.patient, actors.patient, delegate)

    assert ledger.is_live(grant_id)
    with pytest.raises(RefusedError) as refused:
        ledger.revoke(delegate, grant_id)
    assert refused.value.args == ("AuthorityNotAllowed", actors.patient, delegate)
    ledger.revoke(actors.patient, grant_id)
    assert not ledger.is_live(grant_id)


def test_dismiss__appointed_again__acts_again(authority, ledger, actors, delegate):
    authority.appoint(actors.patient, delegate)
    authority.dismiss(actors.patient, actors.patient, delegate)
    authority.appoint(actors.patient, delegate)

    authority.grant_for(delegate, actors.patient, actors.doctor)

    assert ledger.is_live(grant_id_of(actors.patient, actors.doctor))
    assert authority.delegation(actors.patient, delegate).epoch == 3


# ------------------------------------------------------------------------------------------ revokeAll ends them too


def test_revoke_all__delegates_of_the_patient__have_no_power_from_this_block_on(authority, ledger, actors, delegate):
    authority.appoint(actors.patient, delegate)
    authority.appoint(actors.patient, actors.researcher, verbs=REVOKE, purposes=0)
    authority.appoint(actors.other_patient, delegate)
    before = authority.delegation(actors.patient, delegate)

    authority.revoke_all(actors.patient, actors.patient)

    assert authority.delegation(actors.patient, delegate) == before, "the delegations' slots are not touched"
    assert not authority.is_delegate(actors.patient, delegate)
    assert not authority.is_delegate(actors.patient, actors.researcher, REVOKE, 0)
    assert authority.is_delegate(actors.other_patient, delegate)
    with pytest.raises(RefusedError) as refused:
        authority.grant_for(delegate, actors.patient, actors.doctor)
    assert refused.value.args == ("AuthorityNotAllowed", actors.patient, delegate)


def test_revoke_all__delegation_dated_into_the_future__never_begins(authority, actors, delegate):
    begin = authority.chain.now + 1000
    authority.appoint(actors.patient, delegate, not_before=begin)

    authority.revoke_all(actors.patient, actors.patient)
    authority.chain.mine_at(begin)

    assert not authority.is_delegate(actors.patient, delegate)


def test_revoke_all__at_the_last_stamp__the_last_delegates_end(authority, actors, delegate):
    authority.store_control(actors.patient, stamp=254)
    authority.appoint(actors.patient, delegate)

    authority.revoke_all(actors.patient, actors.patient)
    assert not authority.is_delegate(actors.patient, delegate)

    authority.revoke_all(actors.patient, actors.patient)
    assert not authority.is_delegate(actors.patient, delegate)
