"""ConsentRegistry.appoint

given a patient, a delegate, dates, purposes and verbs
    the delegation is stored as asked, under the patient's stamp, as change 1, and told by its event
    when the wanted begin has passed: it begins with this block; when it lies ahead: it is kept
    when it would end before or as it begins: it is refused; one second later: it is made
    when appointed again: all is replaced and the count goes up
    when another patient appoints the same delegate: these are two delegations
given who may not
    a stranger, the delegate, another delegate and a guardian appoint nobody for the patient
given what cannot be
    the zero address, the patient himself and the key in control are no delegates
    no verbs, a verb that cannot be delegated, granting without purposes, purposes without granting: all refused
given counts near their ends
    254 is the last appointment and 254 the last stamp under which one can appoint
given any of its dates
    the delegate may act from the first second to the one before the last, and never by half a scope
"""

from __future__ import annotations

import pytest
from evm import ALL_PURPOSES, HRESCH, NEVER, TREAT, ZERO_ADDRESS, Event, RefusedError
from people import BOTH, GRANT, REVOKE, Circle, DelegationView, account, guardians, pack_delegation

pytestmark = pytest.mark.contracts

EMPTY = DelegationView(0, 0, 0, 0, stamp=0, epoch=0)


@pytest.fixture
def delegate(actors):
    return actors.custodian


def appointed_event(authority, patient, delegate, delegation):
    values = {"patient": patient, "delegate": delegate, "delegation": delegation.word}
    return Event("DelegateAppointed", values, authority.contract.address)


def assert_refused(refused, *args):
    assert refused.value.args == args


# ------------------------------------------------------------------------------------------ a first appointment


def test_appoint__first__is_stored_and_told_as_asked(authority, actors, delegate):
    sent = authority.appoint(actors.patient, delegate, purposes=TREAT | HRESCH, verbs=BOTH)

    expected = DelegationView(sent.time, NEVER, TREAT | HRESCH, BOTH, stamp=0, epoch=1)
    assert authority.delegation(actors.patient, delegate) == expected
    assert sent.events == (appointed_event(authority, actors.patient, delegate, expected),)


def test_appoint__nobody_was__all_is_zero(authority, actors, delegate):
    assert authority.delegation(actors.patient, delegate) == EMPTY
    assert not authority.is_delegate(actors.patient, delegate)
    assert not authority.is_delegate(actors.patient, delegate, 0, 0)


def test_appoint__patient_revoked_all_before__carries_his_stamp(authority, actors, delegate):
    authority.revoke_all(actors.patient, actors.patient)
    authority.revoke_all(actors.patient, actors.patient)

    authority.appoint(actors.patient, delegate)

    assert authority.delegation(actors.patient, delegate).stamp == 2
    assert authority.is_delegate(actors.patient, delegate)


def test_appoint__counters_and_more_sent_along__are_replaced_or_dropped(authority, actors, delegate):
    authority.revoke_all(actors.patient, actors.patient)
    wanted = pack_delegation(0, NEVER, TREAT, BOTH, stamp=0xEE, epoch=0xDD)

    sent = authority.appoint_word(actors.patient, delegate, wanted | (2**152 - 1) << 104)

    expected = DelegationView(sent.time, NEVER, TREAT, BOTH, stamp=1, epoch=1)
    assert authority.delegation(actors.patient, delegate) == expected
    assert sent.events == (appointed_event(authority, actors.patient, delegate, expected),)
    assert authority.slots_of(actors.patient, delegate)[1] == expected.word


def test_appoint__again__replaces_all_and_counts(authority, actors, delegate):
    authority.appoint(actors.patient, delegate, purposes=ALL_PURPOSES, verbs=BOTH)

    sent = authority.appoint(actors.patient, delegate, expires_at=NEVER - 7, purposes=HRESCH, verbs=GRANT)

    expected = DelegationView(sent.time, NEVER - 7, HRESCH, GRANT, stamp=0, epoch=2)
    assert authority.delegation(actors.patient, delegate) == expected
    assert sent.events == (appointed_event(authority, actors.patient, delegate, expected),)
    assert not authority.is_delegate(actors.patient, delegate, REVOKE, 0)
    assert not authority.is_delegate(actors.patient, delegate, GRANT, TREAT)


def test_appoint__dismissed_before__counts_on(authority, actors, delegate):
    authority.dismiss(actors.patient, actors.patient, delegate)

    authority.appoint(actors.patient, delegate)

    assert authority.delegation(actors.patient, delegate).epoch == 2
    assert authority.is_delegate(actors.patient, delegate)


def test_appoint__two_delegates_of_two_patients__are_four_delegations(authority, actors, delegate):
    other = actors.researcher
    scopes = {
        (actors.patient, delegate): TREAT,
        (actors.patient, other): HRESCH,
        (actors.other_patient, delegate): TREAT | HRESCH,
    }
    for (patient, each), purposes in scopes.items():
        authority.appoint(patient, each, purposes=purposes)

    for (patient, each), purposes in scopes.items():
        assert authority.delegation(patient, each).purposes == purposes
    assert authority.delegation(actors.other_patient, other) == EMPTY


# ------------------------------------------------------------------------------------------ its period


@pytest.mark.parametrize("early", [-1000, -1, 0])
def test_appoint__begin_is_past_or_now__begins_with_this_block(authority, actors, delegate, early):
    now = authority.chain.now + 5000

    authority.appoint(actors.patient, delegate, not_before=now + early, at=now)

    assert authority.delegation(actors.patient, delegate).not_before == now
    assert authority.is_delegate(actors.patient, delegate)


def test_appoint__begin_lies_ahead__is_kept(authority, actors, delegate):
    now = authority.chain.now + 5000

    authority.appoint(actors.patient, delegate, not_before=now + 1, at=now)

    assert authority.delegation(actors.patient, delegate).not_before == now + 1
    assert not authority.is_delegate(actors.patient, delegate)


@pytest.mark.parametrize("ends", [-1, 0])
def test_appoint__has_ended_already__is_refused(authority, actors, delegate, ends):
    now = authority.chain.now + 5000

    with pytest.raises(RefusedError) as refused:
        authority.appoint(actors.patient, delegate, expires_at=now + ends, at=now)

    assert_refused(refused, "AuthorityPeriodEmpty", now, now + ends)


def test_appoint__ends_one_second_ahead__is_made(authority, actors, delegate):
    now = authority.chain.now + 5000

    authority.appoint(actors.patient, delegate, expires_at=now + 1, at=now)

    assert authority.is_delegate(actors.patient, delegate)


@pytest.mark.parametrize("length", [-1, 0])
def test_appoint__ends_before_or_as_it_begins__is_refused(authority, actors, delegate, length):
    begin = authority.chain.now + 5000

    with pytest.raises(RefusedError) as refused:
        authority.appoint(actors.patient, delegate, not_before=begin, expires_at=begin + length)

    assert_refused(refused, "AuthorityPeriodEmpty", begin, begin + length)


def test_appoint__latest_dates_that_fit__are_kept(authority, actors, delegate):
    authority.appoint(actors.patient, delegate, not_before=2**32 - 2, expires_at=2**32 - 1)

    delegation = authority.delegation(actors.patient, delegate)
    assert (delegation.not_before, delegation.expires_at) == (2**32 - 2, 2**32 - 1)


@pytest.mark.parametrize("wanted", [TREAT, TREAT | HRESCH, ALL_PURPOSES])
def test_appoint__any_time_after_dates_fit_in_32_bits__gives_no_power(authority, actors, delegate, wanted):
    authority.appoint(actors.patient, delegate, expires_at=2**32 - 1, purposes=ALL_PURPOSES)

    with pytest.raises(RefusedError) as refused:
        authority.appoint(actors.patient, delegate, expires_at=5, purposes=wanted, at=2**32 + 5)

    assert_refused(refused, "AuthorityPeriodEmpty", 5, 5)
    authority.appoint(actors.patient, delegate, expires_at=2**32 - 1, purposes=wanted, at=2**32 + 6)
    assert not authority.is_delegate(actors.patient, delegate, BOTH, wanted)


@pytest.mark.parametrize(("when", "may"), [(-1, False), (0, True), (1, True)])
def test_is_delegate__around_its_begin__from_the_first_second(authority, actors, delegate, when, may):
    begin = authority.chain.now + 5000
    authority.appoint(actors.patient, delegate, not_before=begin)

    authority.chain.mine_at(begin + when)

    assert authority.is_delegate(actors.patient, delegate) is may


@pytest.mark.parametrize(("when", "may"), [(-1, True), (0, False), (1, False)])
def test_is_delegate__around_its_end__no_longer_at_the_last_second(authority, actors, delegate, when, may):
    end = authority.chain.now + 5000
    authority.appoint(actors.patient, delegate, expires_at=end)

    authority.chain.mine_at(end + when)

    assert authority.is_delegate(actors.patient, delegate) is may


# ------------------------------------------------------------------------------------------ who may


@pytest.mark.parametrize("caller", ["custodian", "stranger", "doctor", "other_patient", "deployer"])
def test_appoint__caller_is_another__is_refused(authority, actors, delegate, caller):
    caller = getattr(actors, caller)

    for wanted in (delegate, caller, actors.researcher):
        with pytest.raises(RefusedError) as refused:
            authority.appoint(caller, wanted, patient=actors.patient)
        assert_refused(refused, "AuthorityNotAllowed", actors.patient, caller)
        assert authority.delegation(actors.patient, wanted) == EMPTY


def test_appoint__caller_is_a_delegate_in_force__appoints_neither_another_nor_himself_for_longer(
    authority, actors, delegate
):
    authority.appoint(actors.patient, delegate, expires_at=NEVER - 1, purposes=ALL_PURPOSES)
    before = authority.delegation(actors.patient, delegate)

    for wanted in (actors.researcher, delegate):
        with pytest.raises(RefusedError) as refused:
            authority.appoint(delegate, wanted, patient=actors.patient)
        assert_refused(refused, "AuthorityNotAllowed", actors.patient, delegate)

    assert authority.delegation(actors.patient, delegate) == before
    assert authority.delegation(actors.patient, actors.researcher) == EMPTY


def test_appoint__caller_is_a_delegate_of_another__is_refused(authority, actors, delegate):
    authority.appoint(actors.other_patient, delegate)

    with pytest.raises(RefusedError) as refused:
        authority.appoint(delegate, actors.researcher, patient=actors.patient)

    assert_refused(refused, "AuthorityNotAllowed", actors.patient, delegate)


# ------------------------------------------------------------------------------------------ what cannot be


def test_appoint__nobody_or_the_patient_himself__is_refused(authority, actors):
    for delegate in (ZERO_ADDRESS, actors.patient):
        with pytest.raises(RefusedError) as refused:
            authority.appoint(actors.patient, delegate)
        assert_refused(refused, "AuthorityDelegateInvalid", delegate)


def test_appoint__the_key_in_control_or_the_lost_one__is_refused(authority, actors):
    circle = Circle(guardians(1), 1)
    authority.name_guardians(actors.patient, actors.patient, circle.digest(actors.patient))
    authority.recover(actors.patient, actors.stranger, circle, sender=actors.doctor)

    for delegate in (ZERO_ADDRESS, actors.patient, actors.stranger):
        with pytest.raises(RefusedError) as refused:
            authority.appoint(actors.stranger, delegate, patient=actors.patient)
        assert_refused(refused, "AuthorityDelegateInvalid", delegate)


@pytest.mark.parametrize(("verbs", "purposes"), [(BOTH, TREAT), (GRANT, ALL_PURPOSES), (GRANT, 1 << 15), (REVOKE, 0)])
def test_appoint__scope_that_can_be__is_made(authority, actors, delegate, verbs, purposes):
    authority.appoint(actors.patient, delegate, verbs=verbs, purposes=purposes)

    assert authority.is_delegate(actors.patient, delegate, verbs, purposes)


@pytest.mark.parametrize(
    ("verbs", "purposes"),
    [
        (0, 0),
        (0, TREAT),
        (GRANT, 0),
        (BOTH, 0),
        (REVOKE, TREAT),
        (4, 0),
        (4, TREAT),
        (BOTH | 4, TREAT),
        (BOTH | 128, TREAT),
        (255, ALL_PURPOSES),
    ],
)
def test_appoint__scope_that_cannot_be__is_refused(authority, actors, delegate, verbs, purposes):
    with pytest.raises(RefusedError) as refused:
        authority.appoint(actors.patient, delegate, verbs=verbs, purposes=purposes)

    assert_refused(refused, "AuthorityScopeInvalid", verbs, purposes)
    assert authority.delegation(actors.patient, delegate) == EMPTY


@pytest.mark.parametrize("has", [GRANT, REVOKE, BOTH])
@pytest.mark.parametrize("asked", [GRANT, REVOKE, BOTH, 4, BOTH | 4])
def test_is_delegate__verbs_asked__are_all_needed(authority, actors, delegate, has, asked):
    authority.appoint(actors.patient, delegate, verbs=has, purposes=TREAT if has & GRANT else 0)

    assert authority.is_delegate(actors.patient, delegate, asked, 0) is (asked & ~has == 0)


@pytest.mark.parametrize("asked", [TREAT, HRESCH, TREAT | HRESCH, TREAT | 2, ALL_PURPOSES, 0])
def test_is_delegate__purposes_asked__are_all_needed(authority, actors, delegate, asked):
    authority.appoint(actors.patient, delegate, purposes=TREAT | HRESCH)

    assert authority.is_delegate(actors.patient, delegate, GRANT, asked) is (asked & ~(TREAT | HRESCH) == 0)


def test_is_delegate__of_another_patient__is_a_stranger(authority, actors, delegate):
    authority.appoint(actors.other_patient, delegate, purposes=ALL_PURPOSES)

    assert authority.is_delegate(actors.other_patient, delegate)
    assert not authority.is_delegate(actors.patient, delegate)
    assert not authority.is_delegate(delegate, actors.other_patient)


# ------------------------------------------------------------------------------------------ the counts' ends


@pytest.mark.parametrize("verbs", [0, BOTH], ids=["dismissed", "in force"])
def test_appoint__changed_253_times__can_be_once_more(authority, actors, delegate, verbs):
    earlier = DelegationView(authority.chain.now, NEVER, TREAT, verbs, stamp=0, epoch=253)
    authority.store_delegation(actors.patient, delegate, earlier)

    authority.appoint(actors.patient, delegate)

    assert authority.delegation(actors.patient, delegate).epoch == 254
    assert authority.is_delegate(actors.patient, delegate)


@pytest.mark.parametrize("epoch", [254, 255])
def test_appoint__changed_254_times_or_more__is_refused(authority, actors, delegate, epoch):
    before = DelegationView(authority.chain.now, NEVER, TREAT, 0, stamp=0, epoch=epoch)
    authority.store_delegation(actors.patient, delegate, before)

    with pytest.raises(RefusedError) as refused:
        authority.appoint(actors.patient, delegate)

    assert_refused(refused, "AuthorityExhausted", actors.patient)
    assert authority.delegation(actors.patient, delegate) == before


@pytest.mark.parametrize("stamp", [253, 254])
def test_appoint__patient_at_a_stamp_before_the_last__is_made(authority, actors, delegate, stamp):
    authority.store_control(actors.patient, stamp=stamp)

    authority.appoint(actors.patient, delegate)

    assert authority.delegation(actors.patient, delegate).stamp == stamp
    assert authority.is_delegate(actors.patient, delegate)


def test_appoint__patient_at_the_last_stamp__is_refused_and_another_patients_is_not(authority, actors, delegate):
    authority.store_control(actors.patient, stamp=255)

    with pytest.raises(RefusedError) as refused:
        authority.appoint(actors.patient, delegate)

    assert_refused(refused, "AuthorityExhausted", actors.patient)
    authority.appoint(actors.other_patient, delegate)
    assert authority.is_delegate(actors.other_patient, delegate)


def test_appoint__somebody_without_code_or_coins__is_made(authority, actors):
    nobody_yet = account("a delegate without coins").address

    authority.appoint(actors.patient, nobody_yet)

    assert authority.is_delegate(actors.patient, nobody_yet)
