"""ConsentRegistry.revokeAll

given a patient's grants, live, dated into the future, or granted again
    when he revokes all: none is live from this block on, nor ever by time; the event names the stamp
    other patients' grants are untouched
    grants made from then on are live
    when a stranger revokes all: only his own; in the patient's name: refused
given the last stamp
    revoking all is never refused, and the stamp stays
"""

from __future__ import annotations

import pytest
from evm import HRESCH, OTHER_TERMS, Event, RefusedError, grant_id_of

pytestmark = pytest.mark.contracts


@pytest.fixture
def grant_id(actors):
    return grant_id_of(actors.patient, actors.doctor)


def test_revoke_all__live_grants__all_die_in_this_block(ledger, actors, grant_id):
    ledger.grant(actors.patient, actors.doctor)
    ledger.grant(actors.patient, actors.researcher, purposes=HRESCH)
    before = ledger.get_grant(grant_id)

    sent = ledger.revoke_all(actors.patient)

    assert not ledger.is_live(grant_id)
    assert not ledger.is_live(grant_id_of(actors.patient, actors.researcher), HRESCH)
    assert ledger.balance(actors.doctor, grant_id) == 0
    assert ledger.get_grant(grant_id) == before, "the grants' slots are not touched"
    assert sent.events == (
        Event(
            "AllAccessRevoked",
            {"patient": actors.patient, "stamp": 1},
            ledger.contracts.consents.address,
        ),
    )


def test_revoke_all__grant_dated_into_the_future__never_begins(ledger, actors, grant_id):
    begin = ledger.chain.now + 1000
    ledger.grant(actors.patient, actors.doctor, not_before=begin)

    ledger.revoke_all(actors.patient)
    ledger.chain.mine_at(begin)

    assert not ledger.is_live(grant_id)
    assert ledger.balance(actors.doctor, grant_id) == 0


def test_revoke_all__future_grant_without_it__begins(ledger, actors, grant_id):
    begin = ledger.chain.now + 1000
    ledger.grant(actors.patient, actors.doctor, not_before=begin)

    ledger.chain.mine_at(begin)

    assert ledger.is_live(grant_id)


def test_revoke_all__twice__the_first_grants_stay_dead(ledger, actors, grant_id):
    ledger.grant(actors.patient, actors.doctor)
    ledger.revoke_all(actors.patient)
    ledger.grant(actors.patient, actors.doctor, terms=OTHER_TERMS)

    sent = ledger.revoke_all(actors.patient)

    assert [event.values["stamp"] for event in sent.events] == [2]
    assert not ledger.is_live(grant_id)
    assert not ledger.is_live(grant_id_of(actors.patient, actors.doctor, OTHER_TERMS))
    assert ledger.stamp(actors.patient) == 2


def test_revoke_all__new_grant_afterwards__is_live(ledger, actors, grant_id):
    ledger.revoke_all(actors.patient)

    ledger.grant(actors.patient, actors.doctor)

    assert ledger.is_live(grant_id)


@pytest.mark.parametrize("caller", ["stranger", "doctor", "other_patient", "deployer"])
def test_revoke_all__for_a_patient_who_is_not_the_caller__is_refused(ledger, actors, grant_id, caller):
    ledger.grant(actors.patient, actors.doctor)

    with pytest.raises(RefusedError) as refused:
        ledger.revoke_all(actors.patient, sender=getattr(actors, caller))

    assert refused.value.args == ("AuthorityNotAllowed", actors.patient, getattr(actors, caller))
    assert ledger.is_live(grant_id)


@pytest.mark.parametrize("caller", ["stranger", "doctor", "other_patient", "deployer"])
def test_revoke_all__caller_is_another__only_his_own_stamp_moves(ledger, actors, grant_id, caller):
    ledger.grant(actors.patient, actors.doctor)

    ledger.revoke_all(getattr(actors, caller))

    assert ledger.is_live(grant_id)
    assert ledger.stamp(actors.patient) == 0
    assert ledger.stamp(getattr(actors, caller)) == 1


def test_revoke_all__nothing_was_granted__counts(ledger, actors):
    ledger.revoke_all(actors.patient)

    assert ledger.stamp(actors.patient) == 1


@pytest.mark.parametrize(("stamp", "then"), [(253, 254), (254, 255), (255, 255)])
def test_revoke_all__near_the_last_stamp__is_never_refused(ledger, actors, stamp, then):
    ledger.store_stamp(actors.patient, stamp)

    sent = ledger.revoke_all(actors.patient)

    assert ledger.stamp(actors.patient) == then
    assert [event.values for event in sent.events] == [{"patient": actors.patient, "stamp": then}]


def test_revoke_all__last_grant_that_can_be__dies(ledger, actors, grant_id):
    ledger.store_stamp(actors.patient, 254)
    ledger.grant(actors.patient, actors.doctor)

    ledger.revoke_all(actors.patient)

    assert not ledger.is_live(grant_id)
    with pytest.raises(RefusedError) as refused:
        ledger.grant(actors.patient, actors.doctor)
    assert refused.value.args == ("ConsentRegistryPatientExhausted", actors.patient)


def test_revoke_all__260_times__ends_at_255(ledger, actors):
    for _ in range(260):
        ledger.revoke_all(actors.patient)

    assert ledger.stamp(actors.patient) == 255
