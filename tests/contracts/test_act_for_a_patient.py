"""ConsentRegistry.grantFor and revoke, by a delegate

given a delegate in force
    he grants for his purposes, until his last second, in the patient's name; ActedFor names him
    he revokes whatever the patient or another delegate granted, if he may revoke
    what he granted the patient revokes, and what the patient granted he may change if he may grant
    he can be a grantee himself
given more than his delegation allows
    other purposes, one more second, the other verb, another patient: each is refused, and nothing changes
given his dates
    he acts from the first second to the one before the last; a child's majority needs nobody's act
    what he granted lasts no longer than he does
given what nobody can delegate
    revoking everything, appointing, dismissing others, guardians, objections: refused in full
given two delegates with two scopes
    each has his own
given any story of appointments, dismissals, revocations and time
    a small oracle and the contract agree who may do what (test_people_walks)
"""

from __future__ import annotations

import pytest
from evm import (
    ALL_PURPOSES,
    BUNDLE,
    ETREAT,
    HRESCH,
    NEVER,
    OTHER_TERMS,
    TERMS,
    TREAT,
    ZERO_ADDRESS,
    Event,
    GrantView,
    RefusedError,
    grant_id_of,
)
from people import BOTH, DAY, GRANT, REVOKE, Circle, guardians

pytestmark = pytest.mark.contracts


@pytest.fixture
def delegate(actors):
    return actors.custodian


@pytest.fixture
def grant_id(actors):
    return grant_id_of(actors.patient, actors.doctor)


def acted_event(authority, patient, actor):
    return Event("ActedFor", {"patient": patient, "actor": actor}, authority.contract.address)


# ------------------------------------------------------------------------------------------ granting


def test_grant_for__delegate__grants_in_the_patients_name_and_is_named(authority, ledger, actors, delegate, grant_id):
    authority.appoint(actors.patient, delegate, purposes=TREAT | HRESCH)

    sent = authority.grant_for(delegate, actors.patient, actors.doctor, purposes=TREAT)

    expected = GrantView(actors.doctor, sent.time, NEVER, TREAT, stamp=0, epoch=1)
    address = authority.contract.address
    token = {"operator": actors.patient, "from": ZERO_ADDRESS, "to": actors.doctor, "id": grant_id, "value": 1}
    assert ledger.get_grant(grant_id) == expected
    assert ledger.is_live(grant_id)
    assert sent.events == (
        acted_event(authority, actors.patient, delegate),
        Event("AccessGranted", {"id": grant_id, "terms": TERMS, "bundle": BUNDLE, "granted": expected.word}, address),
        Event("TransferSingle", token, address),
    )


def test_grant_for__the_patient_himself__grants_without_limits(authority, ledger, actors, grant_id):
    authority.grant_for(actors.patient, actors.patient, actors.doctor, purposes=ALL_PURPOSES, expires_at=2**32 - 1)

    assert ledger.get_grant(grant_id).purposes == ALL_PURPOSES
    assert ledger.get_grant(grant_id).expires_at == 2**32 - 1


@pytest.mark.parametrize("caller", ["stranger", "doctor", "other_patient", "custodian", "deployer"])
def test_grant_for__nobodys_delegate__is_refused(authority, ledger, actors, grant_id, caller):
    with pytest.raises(RefusedError) as refused:
        authority.grant_for(getattr(actors, caller), actors.patient, actors.doctor)

    assert refused.value.args == ("AuthorityNotAllowed", actors.patient, getattr(actors, caller))
    assert not ledger.is_live(grant_id)


def test_grant_for__delegate_of_another_patient__is_refused(authority, actors, delegate):
    authority.appoint(actors.other_patient, delegate, purposes=ALL_PURPOSES)

    for patient in (actors.patient, actors.stranger):
        with pytest.raises(RefusedError) as refused:
            authority.grant_for(delegate, patient, actors.doctor)
        assert refused.value.args == ("AuthorityNotAllowed", patient, delegate)


def test_grant_for__patient_as_delegate_of_his_delegate__is_a_stranger(authority, actors, delegate):
    authority.appoint(actors.patient, delegate)

    with pytest.raises(RefusedError) as refused:
        authority.grant_for(actors.patient, delegate, actors.doctor)

    assert refused.value.args == ("AuthorityNotAllowed", delegate, actors.patient)


def test_grant_for__delegate_may_only_revoke__is_refused(authority, ledger, actors, delegate, grant_id):
    authority.appoint(actors.patient, delegate, verbs=REVOKE, purposes=0)

    with pytest.raises(RefusedError) as refused:
        authority.grant_for(delegate, actors.patient, actors.doctor)

    assert refused.value.args == ("AuthorityNotAllowed", actors.patient, delegate)
    assert not ledger.is_live(grant_id)


@pytest.mark.parametrize("purposes", [HRESCH, ETREAT, TREAT | HRESCH, TREAT | 1 << 15, 1 << 8, ALL_PURPOSES])
def test_grant_for__for_other_purposes__is_refused(authority, ledger, actors, delegate, grant_id, purposes):
    authority.appoint(actors.patient, delegate, purposes=TREAT)

    with pytest.raises(RefusedError) as refused:
        authority.grant_for(delegate, actors.patient, actors.doctor, purposes=purposes)

    assert refused.value.args == ("AuthorityBeyondDelegation", actors.patient, delegate)
    assert not ledger.is_live(grant_id)


@pytest.mark.parametrize("purposes", [TREAT, HRESCH, TREAT | HRESCH])
def test_grant_for__any_part_of_his_purposes__is_made(authority, ledger, actors, delegate, grant_id, purposes):
    authority.appoint(actors.patient, delegate, purposes=TREAT | HRESCH)

    authority.grant_for(delegate, actors.patient, actors.doctor, purposes=purposes)

    assert ledger.is_live(grant_id, purposes)


@pytest.mark.parametrize(("longer", "made"), [(-1, True), (0, True), (1, False)])
def test_grant_for__until_around_his_own_end__no_second_longer(
    authority, ledger, actors, delegate, grant_id, longer, made
):
    end = authority.chain.now + 10 * DAY
    authority.appoint(actors.patient, delegate, expires_at=end)

    if made:
        authority.grant_for(delegate, actors.patient, actors.doctor, expires_at=end + longer)
        assert ledger.get_grant(grant_id).expires_at == end + longer
        return
    with pytest.raises(RefusedError) as refused:
        authority.grant_for(delegate, actors.patient, actors.doctor, expires_at=end + longer)
    assert refused.value.args == ("AuthorityBeyondDelegation", actors.patient, delegate)


def test_grant_for__begins_ahead_within_his_time__is_live_until_he_ends_and_no_longer(
    authority, ledger, actors, delegate, grant_id
):
    end = authority.chain.now + 10 * DAY
    authority.appoint(actors.patient, delegate, expires_at=end)
    authority.grant_for(delegate, actors.patient, actors.doctor, not_before=end - 1, expires_at=end)

    live = []
    for time in (end - 2, end - 1, end):
        authority.chain.mine_at(time)
        live.append(ledger.is_live(grant_id))

    assert live == [False, True, False]


def test_grant_for__no_purpose_or_no_grantee__is_refused_as_the_patient_would_be(authority, actors, delegate):
    authority.appoint(actors.patient, delegate)
    cases = [
        ({"grantee": actors.doctor, "purposes": 0}, ("ConsentRegistryPurposesEmpty",)),
        ({"grantee": ZERO_ADDRESS}, ("ConsentRegistryGranteeIsZero",)),
        ({"grantee": actors.patient}, ("ConsentRegistryGranteeIsPatient", actors.patient)),
    ]

    for wanted, error in cases:
        with pytest.raises(RefusedError) as refused:
            authority.grant_for(delegate, actors.patient, **wanted)
        assert refused.value.args == error


def test_grant_for__to_himself__is_made_for_all_to_see(authority, ledger, actors, delegate):
    authority.appoint(actors.patient, delegate)

    sent = authority.grant_for(delegate, actors.patient, delegate)

    assert ledger.is_live(grant_id_of(actors.patient, delegate))
    assert sent.events[0] == acted_event(authority, actors.patient, delegate)


def test_grant_for__over_what_the_patient_granted__replaces_it_within_the_delegation(
    authority, ledger, actors, delegate, grant_id
):
    ledger.grant(actors.patient, actors.doctor, purposes=TREAT | HRESCH)
    authority.appoint(actors.patient, delegate, verbs=GRANT, expires_at=NEVER - 9)

    authority.grant_for(delegate, actors.patient, actors.doctor, expires_at=NEVER - 9)

    assert ledger.get_grant(grant_id).purposes == TREAT
    assert ledger.get_grant(grant_id).expires_at == NEVER - 9
    ledger.grant(actors.patient, actors.doctor, purposes=TREAT | HRESCH)
    assert ledger.is_live(grant_id, TREAT | HRESCH)


def test_grant_for__patient_at_the_last_stamp__is_refused(authority, actors, delegate):
    authority.store_control(actors.patient, stamp=254)
    authority.appoint(actors.patient, delegate)
    authority.revoke_all(actors.patient, actors.patient)

    with pytest.raises(RefusedError) as refused:
        authority.grant_for(delegate, actors.patient, actors.doctor)

    assert refused.value.args == ("AuthorityNotAllowed", actors.patient, delegate)


# ------------------------------------------------------------------------------------------ revoking


@pytest.mark.parametrize("verbs", [REVOKE, BOTH])
def test_revoke__delegate__revokes_what_the_patient_granted_for_any_purpose(
    authority, ledger, actors, delegate, grant_id, verbs
):
    granted = ledger.grant(actors.patient, actors.doctor, purposes=HRESCH)
    authority.appoint(actors.patient, delegate, verbs=verbs, purposes=TREAT if verbs & GRANT else 0)

    sent = ledger.revoke(delegate, grant_id)

    assert ledger.get_grant(grant_id) == GrantView(actors.doctor, granted.time, NEVER, 0, stamp=0, epoch=2)
    assert [event.name for event in sent.events] == ["ActedFor", "AccessRevoked", "TransferSingle"]
    assert sent.events[0] == acted_event(authority, actors.patient, delegate)
    assert sent.events[2].values["operator"] == actors.patient


def test_revoke__delegate_may_only_grant__is_refused_his_own_grants_too(authority, ledger, actors, delegate, grant_id):
    authority.appoint(actors.patient, delegate, verbs=GRANT)
    authority.grant_for(delegate, actors.patient, actors.doctor)

    with pytest.raises(RefusedError) as refused:
        ledger.revoke(delegate, grant_id)

    assert refused.value.args == ("AuthorityNotAllowed", actors.patient, delegate)
    assert ledger.is_live(grant_id)


def test_revoke__delegate_of_another_patient__is_refused(authority, ledger, actors, delegate, grant_id):
    ledger.grant(actors.patient, actors.doctor)
    authority.appoint(actors.other_patient, delegate)

    with pytest.raises(RefusedError) as refused:
        ledger.revoke(delegate, grant_id)

    assert refused.value.args == ("AuthorityNotAllowed", actors.patient, delegate)
    assert ledger.is_live(grant_id)


def test_revoke__the_patient_himself__is_never_named_as_acting_for_himself(authority, ledger, actors, grant_id):
    ledger.grant(actors.patient, actors.doctor)

    sent = ledger.revoke(actors.patient, grant_id)

    assert [event.name for event in sent.events] == ["AccessRevoked", "TransferSingle"]


def test_revoke__what_the_delegate_granted__the_patient_and_the_other_delegate_can(authority, ledger, actors, delegate):
    authority.appoint(actors.patient, delegate, verbs=GRANT)
    authority.appoint(actors.patient, actors.researcher, verbs=REVOKE, purposes=0)
    ids = [grant_id_of(actors.patient, actors.doctor, terms) for terms in (TERMS, OTHER_TERMS)]
    for terms in (TERMS, OTHER_TERMS):
        authority.grant_for(delegate, actors.patient, actors.doctor, terms=terms)

    ledger.revoke(actors.patient, ids[0])
    ledger.revoke(actors.researcher, ids[1])

    assert [ledger.is_live(each) for each in ids] == [False, False]


def test_revoke__a_delegate_uses_up_a_grants_count__a_new_salt_is_all_it_takes(authority, ledger, actors, delegate):
    grant_id = grant_id_of(actors.patient, actors.doctor)
    authority.appoint(actors.patient, delegate, verbs=REVOKE, purposes=0)
    ledger.store_grant(grant_id, GrantView(actors.doctor, authority.chain.now, NEVER, TREAT, stamp=0, epoch=253))
    ledger.revoke(delegate, grant_id)

    with pytest.raises(RefusedError) as refused:
        ledger.grant(actors.patient, actors.doctor)
    assert refused.value.args == ("ConsentRegistryGrantExhausted", grant_id)
    ledger.grant(actors.patient, actors.doctor, terms=OTHER_TERMS)
    assert ledger.is_live(grant_id_of(actors.patient, actors.doctor, OTHER_TERMS))


# ------------------------------------------------------------------------------------------ his dates


@pytest.mark.parametrize(("when", "may"), [(-1, False), (0, True), (1, True)])
def test_act__around_his_begin__from_the_first_second(authority, ledger, actors, delegate, grant_id, when, may):
    ledger.grant(actors.patient, actors.researcher)
    begin = authority.chain.now + 5000
    authority.appoint(actors.patient, delegate, not_before=begin)

    assert_may_act(authority, ledger, actors, delegate, begin + when, may)


@pytest.mark.parametrize(("when", "may"), [(-15, True), (-1, True), (0, False), (1, False), (15, False)])
def test_act__around_majority__the_guardians_power_ends_by_itself(
    authority, ledger, actors, delegate, grant_id, when, may
):
    ledger.grant(actors.patient, actors.researcher)
    majority = authority.chain.now + 18 * 365 * DAY
    authority.appoint(actors.patient, delegate, expires_at=majority)

    assert_may_act(authority, ledger, actors, delegate, majority + when, may, expires_at=majority)


def assert_may_act(authority, ledger, actors, delegate, time, may, **wanted):
    """He grants, and revokes what the patient granted, in a block of exactly this time; or is refused both."""
    mark = authority.chain.snapshot()
    for act in (
        lambda: authority.grant_for(delegate, actors.patient, actors.doctor, at=time, **wanted),
        lambda: ledger.revoke(delegate, grant_id_of(actors.patient, actors.researcher), at=time),
    ):
        if may:
            assert act().events[0] == acted_event(authority, actors.patient, delegate)
        else:
            with pytest.raises(RefusedError) as refused:
                act()
            assert refused.value.args == ("AuthorityNotAllowed", actors.patient, delegate)
        authority.chain.revert(mark)
        mark = authority.chain.snapshot()


def test_act__after_majority__nothing_he_granted_is_live(authority, ledger, actors, delegate, grant_id):
    majority = authority.chain.now + 18 * 365 * DAY
    authority.appoint(actors.patient, delegate, expires_at=majority)
    authority.grant_for(delegate, actors.patient, actors.doctor, expires_at=majority)

    authority.chain.mine_at(majority - 1)
    assert ledger.is_live(grant_id)
    authority.chain.mine_at(majority)
    assert not ledger.is_live(grant_id)


def test_act__scope_narrowed_by_a_new_appointment__holds_at_once(authority, ledger, actors, delegate, grant_id):
    authority.appoint(actors.patient, delegate, purposes=TREAT | HRESCH)
    authority.appoint(actors.patient, delegate, purposes=TREAT, verbs=GRANT, expires_at=authority.chain.now + DAY)

    for wanted in ({"purposes": HRESCH}, {"expires_at": NEVER}):
        with pytest.raises(RefusedError) as refused:
            authority.grant_for(delegate, actors.patient, actors.doctor, **wanted)
        assert refused.value.args == ("AuthorityBeyondDelegation", actors.patient, delegate)
    with pytest.raises(RefusedError) as refused:
        ledger.revoke(delegate, grant_id)
    assert refused.value.args == ("AuthorityNotAllowed", actors.patient, delegate)


# ------------------------------------------------------------------------------------------ what cannot be delegated


def test_delegate__with_every_power_there_is__can_do_nothing_that_is_the_patients_alone(authority, actors, delegate):
    circle = Circle(guardians(1), 1)
    patient, other = actors.patient, actors.researcher
    authority.name_guardians(patient, patient, circle.digest(patient))
    signatures = authority.sign(circle.guardians, circle, patient, actors.stranger, attempt=1)
    authority.propose(patient, actors.stranger, circle, signatures, sender=delegate)
    authority.appoint(patient, delegate, purposes=ALL_PURPOSES, expires_at=2**32 - 1)
    authority.appoint(patient, other, expires_at=NEVER - 1)
    before = authority.slots_of(patient, delegate), authority.slots_of(patient, other)

    for act in (
        lambda: authority.revoke_all(delegate, patient),
        lambda: authority.appoint(delegate, actors.doctor, patient=patient),
        lambda: authority.appoint(delegate, delegate, patient=patient, expires_at=2**32 - 1),
        lambda: authority.dismiss(delegate, patient, other),
        lambda: authority.name_guardians(delegate, patient, circle.digest(patient)),
        lambda: authority.name_guardians(delegate, patient, bytes(32)),
        lambda: authority.object(delegate, patient),
    ):
        with pytest.raises(RefusedError) as refused:
            act()
        assert refused.value.args == ("AuthorityNotAllowed", patient, delegate)

    assert (authority.slots_of(patient, delegate), authority.slots_of(patient, other)) == before


def test_delegate__in_a_batch__can_do_no_more(authority, ledger, actors, delegate, grant_id):
    authority.appoint(actors.patient, delegate, purposes=TREAT)
    contract, patient = authority.contract, actors.patient
    wanted = int(actors.doctor, 16) << 96 | NEVER << 32
    calls = [
        contract.functions.grantFor(patient, TERMS, BUNDLE, wanted | HRESCH << 16).data,
        contract.functions.grantFor(patient, TERMS, BUNDLE, wanted | TREAT << 16).data,
        contract.functions.revokeAll(patient).data,
        contract.functions.grant(TERMS, BUNDLE, wanted | TREAT << 16).data,
    ]

    sent = authority.chain.send(contract.functions.batch(calls), sender=delegate)

    refused = [event.values["index"] for event in sent.events if event.name == "CallRefused"]
    assert refused == [0, 2]
    assert ledger.is_live(grant_id)
    assert ledger.stamp(patient) == 0
    assert ledger.is_live(grant_id_of(delegate, actors.doctor)), "grant is in the caller's own name"


def test_events__replayed__rebuild_every_delegation(authority, ledger, actors, delegate):
    other, begin = actors.researcher, authority.chain.now + 5000
    sent = [
        authority.appoint(actors.patient, delegate, purposes=ALL_PURPOSES, not_before=begin),
        authority.appoint(actors.patient, other, verbs=REVOKE, purposes=0),
        authority.dismiss(actors.patient, actors.patient, actors.stranger),
        authority.revoke_all(actors.patient, actors.patient),
        authority.dismiss(other, actors.patient, other),
        authority.appoint(actors.patient, delegate, purposes=HRESCH, verbs=GRANT),
        authority.appoint(actors.other_patient, delegate),
    ]

    rebuilt, stamps = {}, {}
    for event in (event for receipt in sent for event in receipt.events):
        values = event.values
        if event.name == "AllAccessRevoked":
            stamps[values["patient"]] = values["stamp"]
            continue
        key = values["patient"], values["delegate"]
        if event.name == "DelegateAppointed":
            rebuilt[key] = values["delegation"]
        else:
            rebuilt[key] = rebuilt.get(key, 0) & ~0xFF00FF | values["epoch"]

    assert len(rebuilt) == 4
    for (patient, each), word in rebuilt.items():
        assert authority.delegation(patient, each).word == word
        assert authority.slots_of(patient, each)[1] == word
    assert stamps == {actors.patient: 1}
    assert ledger.stamp(actors.patient) == 1
