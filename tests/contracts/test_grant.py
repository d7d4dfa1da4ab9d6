"""ConsentRegistry.grant

given a patient, a grantee, terms, dates and purposes
    the grant is stored as asked, under the patient's stamp, as change 1, and told by both events
    when the wanted begin has passed: it begins with this block; when it lies ahead: it is kept
    when it would end before or as it begins: it is refused; one second later: it is made
    when the grantee is nobody or the patient, or no purpose is named: it is refused
    when a stranger grants under the same terms: that is the stranger's grant, the patient's stays
given a grant
    when granted again: dates, purposes and bundle are replaced, the count goes up, no token moves
    when granted again after a revocation: it is live again, and a token is told
    when other terms met in its id: they are refused, whoever else's grant it is stays
given counts near their ends
    254 is the last change that grants and 254 the last stamp under which one can
"""

from __future__ import annotations

import pytest
from evm import (
    ALL_PURPOSES,
    BUNDLE,
    ETREAT,
    HRESCH,
    NEVER,
    OTHER_BUNDLE,
    OTHER_TERMS,
    TERMS,
    TREAT,
    ZERO_ADDRESS,
    Event,
    GrantView,
    RefusedError,
    grant_id_of,
    pack_grant,
)

pytestmark = pytest.mark.contracts


@pytest.fixture
def grant_id(actors):
    return grant_id_of(actors.patient, actors.doctor)


def granted_event(ledger, grant_id, grant, *, terms=TERMS, bundle=BUNDLE):
    values = {"id": grant_id, "terms": terms, "bundle": bundle, "granted": grant.word}
    return Event("AccessGranted", values, ledger.contracts.consents.address)


def minted_event(ledger, patient, grantee, grant_id):
    values = {"operator": patient, "from": ZERO_ADDRESS, "to": grantee, "id": grant_id, "value": 1}
    return Event("TransferSingle", values, ledger.contracts.consents.address)


# ------------------------------------------------------------------------------------------------ a first grant


def test_grant__first__is_stored_and_told_as_asked(ledger, actors, grant_id):
    sent = ledger.grant(actors.patient, actors.doctor, purposes=TREAT | HRESCH)

    expected = GrantView(actors.doctor, sent.time, NEVER, TREAT | HRESCH, stamp=0, epoch=1)
    assert ledger.get_grant(grant_id) == expected
    assert sent.events == (
        granted_event(ledger, grant_id, expected),
        minted_event(ledger, actors.patient, actors.doctor, grant_id),
    )


def test_grant__called__returns_the_id(ledger, actors, grant_id):
    wanted = pack_grant(actors.doctor, 0, NEVER, TREAT)
    function = ledger.contracts.consents.functions.grant(TERMS, BUNDLE, wanted)

    assert ledger.chain.call(function, sender=actors.patient) == grant_id


def test_grant__every_purpose_bit__is_kept(ledger, actors, grant_id):
    ledger.grant(actors.patient, actors.doctor, purposes=ALL_PURPOSES)

    assert ledger.get_grant(grant_id).purposes == ALL_PURPOSES


def test_grant__patient_revoked_all_before__carries_his_stamp(ledger, actors, grant_id):
    ledger.revoke_all(actors.patient)
    ledger.revoke_all(actors.patient)

    sent = ledger.grant(actors.patient, actors.doctor)

    assert ledger.get_grant(grant_id) == GrantView(actors.doctor, sent.time, NEVER, TREAT, stamp=2, epoch=1)
    assert ledger.is_live(grant_id)


def test_grant__counters_sent_along__are_replaced_by_the_registrys(ledger, actors, grant_id):
    ledger.revoke_all(actors.patient)

    sent = ledger.grant_word(actors.patient, pack_grant(actors.doctor, 0, NEVER, TREAT, stamp=0xEE, epoch=0xDD))

    assert ledger.get_grant(grant_id) == GrantView(actors.doctor, sent.time, NEVER, TREAT, stamp=1, epoch=1)


def test_grant__other_terms_or_grantee__are_other_grants(ledger, actors, grant_id):
    ledger.grant(actors.patient, actors.doctor, purposes=TREAT)
    ledger.grant(actors.patient, actors.doctor, terms=OTHER_TERMS, purposes=HRESCH)
    ledger.grant(actors.patient, actors.researcher, purposes=ETREAT)

    assert ledger.get_grant(grant_id).purposes == TREAT
    assert ledger.get_grant(grant_id_of(actors.patient, actors.doctor, OTHER_TERMS)).purposes == HRESCH
    assert ledger.get_grant(grant_id_of(actors.patient, actors.researcher)).purposes == ETREAT


def test_grant__stranger_uses_the_same_terms__is_his_grant_and_not_the_patients(ledger, actors, grant_id):
    ledger.grant(actors.stranger, actors.doctor)

    assert ledger.get_grant(grant_id_of(actors.stranger, actors.doctor)).grantee == actors.doctor
    assert not ledger.is_live(grant_id)
    with pytest.raises(RefusedError) as refused:
        ledger.get_grant(grant_id)
    assert refused.value.args == ("ConsentRegistryGrantUnknown", grant_id)


def test_grant__stranger_grants_under_the_same_terms__the_patients_stays(ledger, actors, grant_id):
    ledger.grant(actors.patient, actors.doctor)
    before = ledger.get_grant(grant_id)

    ledger.grant(actors.stranger, actors.doctor, expires_at=NEVER - 1, purposes=HRESCH)

    assert ledger.get_grant(grant_id) == before


# ------------------------------------------------------------------------------------------------- its period


@pytest.mark.parametrize("early", [-1000, -1, 0])
def test_grant__begin_is_past_or_now__begins_with_this_block(ledger, actors, grant_id, early):
    now = ledger.chain.now + 5000

    ledger.grant(actors.patient, actors.doctor, not_before=now + early, at=now)

    assert ledger.get_grant(grant_id).not_before == now
    assert ledger.is_live(grant_id)


@pytest.mark.parametrize("late", [1, 1000])
def test_grant__begin_lies_ahead__is_kept(ledger, actors, grant_id, late):
    now = ledger.chain.now + 5000

    ledger.grant(actors.patient, actors.doctor, not_before=now + late, at=now)

    assert ledger.get_grant(grant_id).not_before == now + late
    assert not ledger.is_live(grant_id)


@pytest.mark.parametrize("ends", [-1, 0])
def test_grant__has_ended_already__is_refused(ledger, actors, ends):
    now = ledger.chain.now + 5000

    with pytest.raises(RefusedError) as refused:
        ledger.grant(actors.patient, actors.doctor, expires_at=now + ends, at=now)

    assert refused.value.args == ("ConsentRegistryPeriodEmpty", now, now + ends)


def test_grant__ends_one_second_ahead__is_made(ledger, actors, grant_id):
    now = ledger.chain.now + 5000

    ledger.grant(actors.patient, actors.doctor, expires_at=now + 1, at=now)

    assert ledger.get_grant(grant_id).expires_at == now + 1
    assert ledger.is_live(grant_id)


@pytest.mark.parametrize("length", [-1, 0])
def test_grant__ends_before_or_as_it_begins__is_refused(ledger, actors, length):
    begin = ledger.chain.now + 5000

    with pytest.raises(RefusedError) as refused:
        ledger.grant(actors.patient, actors.doctor, not_before=begin, expires_at=begin + length)

    assert refused.value.args == ("ConsentRegistryPeriodEmpty", begin, begin + length)


def test_grant__lasts_one_second__is_made(ledger, actors, grant_id):
    begin = ledger.chain.now + 5000

    ledger.grant(actors.patient, actors.doctor, not_before=begin, expires_at=begin + 1)

    assert ledger.get_grant(grant_id).expires_at == begin + 1


def test_grant__latest_dates_that_fit__are_kept(ledger, actors, grant_id):
    ledger.grant(actors.patient, actors.doctor, not_before=2**32 - 2, expires_at=2**32 - 1)

    grant = ledger.get_grant(grant_id)
    assert (grant.not_before, grant.expires_at) == (2**32 - 2, 2**32 - 1)


# --------------------------------------------------------------------------------------------- what is refused


def test_grant__grantee_is_zero__is_refused(ledger, actors):
    with pytest.raises(RefusedError) as refused:
        ledger.grant(actors.patient, ZERO_ADDRESS)

    assert refused.value.args == ("ConsentRegistryGranteeIsZero",)


def test_grant__grantee_is_the_patient__is_refused(ledger, actors):
    with pytest.raises(RefusedError) as refused:
        ledger.grant(actors.patient, actors.patient)

    assert refused.value.args == ("ConsentRegistryGranteeIsPatient", actors.patient)


def test_grant__no_purpose__is_refused(ledger, actors):
    with pytest.raises(RefusedError) as refused:
        ledger.grant(actors.patient, actors.doctor, purposes=0)

    assert refused.value.args == ("ConsentRegistryPurposesEmpty",)


def test_grant__no_purpose_over_a_live_grant__is_refused_and_the_grant_stays(ledger, actors, grant_id):
    ledger.grant(actors.patient, actors.doctor)
    before = ledger.get_grant(grant_id)

    with pytest.raises(RefusedError) as refused:
        ledger.grant(actors.patient, actors.doctor, purposes=0)

    assert refused.value.args == ("ConsentRegistryPurposesEmpty",)
    assert ledger.get_grant(grant_id) == before


@pytest.mark.parametrize("revoked", [False, True])
def test_grant__id_is_anothers_by_collision__is_refused(ledger, actors, grant_id, revoked):
    taken = GrantView(actors.researcher, ledger.chain.now, NEVER, 0 if revoked else TREAT, stamp=0, epoch=3)
    ledger.store_grant(grant_id, taken)

    with pytest.raises(RefusedError) as refused:
        ledger.grant(actors.patient, actors.doctor)

    assert refused.value.args == ("ConsentRegistryGrantIdTaken", grant_id, actors.researcher)
    assert ledger.get_grant(grant_id) == taken


# ----------------------------------------------------------------------------------------------- granted again


def test_grant__again__replaces_dates_purposes_and_bundle(ledger, actors, grant_id):
    first = ledger.grant(actors.patient, actors.doctor, purposes=TREAT)

    sent = ledger.grant(
        actors.patient,
        actors.doctor,
        bundle=OTHER_BUNDLE,
        expires_at=NEVER - 7,
        purposes=HRESCH,
        at=first.time + 300,
    )

    expected = GrantView(actors.doctor, first.time + 300, NEVER - 7, HRESCH, stamp=0, epoch=2)
    assert ledger.get_grant(grant_id) == expected
    assert sent.events == (granted_event(ledger, grant_id, expected, bundle=OTHER_BUNDLE),)


def test_grant__again_after_it_expired__is_live_and_no_token_moves(ledger, actors, grant_id):
    first = ledger.grant(actors.patient, actors.doctor, expires_at=ledger.chain.now + 100)

    sent = ledger.grant(actors.patient, actors.doctor, at=first.time + 500)

    assert ledger.is_live(grant_id)
    assert [event.name for event in sent.events] == ["AccessGranted"]


def test_grant__after_revoke__is_live_again_and_a_token_is_told(ledger, actors, grant_id):
    ledger.grant(actors.patient, actors.doctor)
    ledger.revoke(actors.patient, grant_id)

    sent = ledger.grant(actors.patient, actors.doctor)

    expected = GrantView(actors.doctor, sent.time, NEVER, TREAT, stamp=0, epoch=3)
    assert ledger.get_grant(grant_id) == expected
    assert ledger.is_live(grant_id)
    assert ledger.balance(actors.doctor, grant_id) == 1
    assert sent.events == (
        granted_event(ledger, grant_id, expected),
        minted_event(ledger, actors.patient, actors.doctor, grant_id),
    )


def test_grant__revoked_before_it_was_made__is_live_and_counts_on(ledger, actors, grant_id):
    ledger.revoke(actors.patient, grant_id)

    sent = ledger.grant(actors.patient, actors.doctor)

    assert ledger.get_grant(grant_id) == GrantView(actors.doctor, sent.time, NEVER, TREAT, stamp=0, epoch=2)
    assert ledger.is_live(grant_id)
    assert [event.name for event in sent.events] == ["AccessGranted", "TransferSingle"]


def test_grant__after_revoke_all__is_live_under_the_new_stamp_and_no_token_moves(ledger, actors, grant_id):
    ledger.grant(actors.patient, actors.doctor)
    ledger.revoke_all(actors.patient)

    sent = ledger.grant(actors.patient, actors.doctor)

    assert ledger.get_grant(grant_id) == GrantView(actors.doctor, sent.time, NEVER, TREAT, stamp=1, epoch=2)
    assert ledger.is_live(grant_id)
    assert [event.name for event in sent.events] == ["AccessGranted"]


# ------------------------------------------------------------------------------------------- the counts' ends


@pytest.mark.parametrize("purposes", [0, TREAT], ids=["revoked", "live"])
def test_grant__changed_253_times__can_be_changed_once_more(ledger, actors, grant_id, purposes):
    ledger.store_grant(grant_id, GrantView(actors.doctor, ledger.chain.now, NEVER, purposes, stamp=0, epoch=253))

    ledger.grant(actors.patient, actors.doctor)

    assert ledger.get_grant(grant_id).epoch == 254
    assert ledger.is_live(grant_id)


@pytest.mark.parametrize("epoch", [254, 255])
@pytest.mark.parametrize("purposes", [0, TREAT], ids=["revoked", "live"])
def test_grant__changed_254_times_or_more__is_refused(ledger, actors, grant_id, epoch, purposes):
    before = GrantView(actors.doctor, ledger.chain.now, NEVER, purposes, stamp=0, epoch=epoch)
    ledger.store_grant(grant_id, before)

    with pytest.raises(RefusedError) as refused:
        ledger.grant(actors.patient, actors.doctor)

    assert refused.value.args == ("ConsentRegistryGrantExhausted", grant_id)
    assert ledger.get_grant(grant_id) == before


def test_grant__patient_at_stamp_254__is_made(ledger, actors, grant_id):
    ledger.store_stamp(actors.patient, 254)

    ledger.grant(actors.patient, actors.doctor)

    assert ledger.get_grant(grant_id).stamp == 254
    assert ledger.is_live(grant_id)


def test_grant__patient_at_stamp_255__is_refused(ledger, actors):
    ledger.store_stamp(actors.patient, 255)

    with pytest.raises(RefusedError) as refused:
        ledger.grant(actors.patient, actors.doctor)

    assert refused.value.args == ("ConsentRegistryPatientExhausted", actors.patient)


def test_grant__another_patient_at_stamp_255__is_made(ledger, actors, grant_id):
    ledger.store_stamp(actors.other_patient, 255)

    ledger.grant(actors.patient, actors.doctor)

    assert ledger.is_live(grant_id)
