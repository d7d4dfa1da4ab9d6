"""ConsentRegistry.objectToRecovery and completeRecovery

given a recovery that is proposed
    when the patient objects, up to its completion: it will not happen, and what was signed for it is used up
    when anybody else objects: it is refused
    it can be completed from its day on, not a second earlier, by anybody, once
given no proposal
    nobody can object or complete
given a completed recovery
    the new key does whatever the patient did, in the patient's name
    the lost key revokes single grants, and does nothing else, though it signs what it likes
    grants stay live, delegates stay, guardians stay, the stamp stays; the records' patient is the same address
given a second recovery
    by the same circle or the one that the new key named; the first new key is then a stranger, and can come back
    the patient's own lost key can never be in control again
"""

from __future__ import annotations

import pytest
from evm import HRESCH, NEVER, OTHER_TERMS, TERMS, TREAT, ZERO_ADDRESS, Event, GrantView, RefusedError, grant_id_of
from people import BOTH, DAY, NO_CIRCLE, REVOKE, Circle, GuardianshipView, guardians

pytestmark = pytest.mark.contracts

CIRCLE = Circle(guardians(3), 2)
DELAY = 3 * DAY


@pytest.fixture
def new_key(actors):
    return actors.researcher


@pytest.fixture
def named(authority, actors):
    """The patient has guardians."""
    return authority.name_guardians(actors.patient, actors.patient, CIRCLE.digest(actors.patient), DELAY)


@pytest.fixture
def ready_at(authority, actors, new_key, named):
    """A recovery is proposed; when it can be completed."""
    return propose(authority, actors, new_key, attempt=1).events[0].values["readyAt"]


@pytest.fixture
def recovered(authority, actors, ready_at):
    """The new key is in control."""
    return authority.complete(actors.stranger, actors.patient, at=ready_at)


def propose(authority, actors, new_key, *, attempt):
    signatures = authority.sign(CIRCLE.guardians, CIRCLE, actors.patient, new_key, attempt=attempt)
    return authority.propose(actors.patient, new_key, CIRCLE, signatures, sender=actors.stranger)


def assert_refused(act, *args):
    with pytest.raises(RefusedError) as refused:
        act()
    assert refused.value.args == args


# ------------------------------------------------------------------------------------------ objecting


@pytest.mark.parametrize("when", [None, -1, 0, 1, 1000 * DAY])
def test_object__by_the_patient_before_it_is_completed__ends_it(authority, actors, ready_at, when):
    timing = {} if when is None else {"at": ready_at + when}

    sent = authority.object(actors.patient, actors.patient, **timing)

    stands = GuardianshipView(CIRCLE.digest(actors.patient), NO_CIRCLE, DELAY, 0, 0, 0, 1, 1, ZERO_ADDRESS)
    assert authority.guardianship(actors.patient) == stands
    values = {"patient": actors.patient, "attempt": 1}
    assert sent.events == (Event("RecoveryObjected", values, authority.contract.address),)
    later = max(ready_at, sent.time + 1)
    assert_refused(
        lambda: authority.complete(actors.stranger, actors.patient, at=later), "AuthorityNoRecovery", actors.patient
    )
    assert authority.controller(actors.patient) == (actors.patient, 0)


@pytest.mark.parametrize("caller", ["stranger", "researcher", "doctor", "custodian", "other_patient", "deployer"])
def test_object__by_anybody_else__is_refused(authority, actors, ready_at, caller):
    authority.appoint(actors.patient, actors.custodian)
    caller = getattr(actors, caller)

    assert_refused(lambda: authority.object(caller, actors.patient), "AuthorityNotAllowed", actors.patient, caller)

    authority.complete(caller, actors.patient, at=ready_at)


def test_object__nothing_is_proposed__is_refused(authority, actors, named):
    assert_refused(lambda: authority.object(actors.patient, actors.patient), "AuthorityNoRecovery", actors.patient)


def test_object__twice__is_refused(authority, actors, ready_at):
    authority.object(actors.patient, actors.patient)

    assert_refused(lambda: authority.object(actors.patient, actors.patient), "AuthorityNoRecovery", actors.patient)


def test_object__after_completion__is_refused_to_the_lost_key_and_the_new_one(authority, actors, new_key, recovered):
    assert_refused(
        lambda: authority.object(actors.patient, actors.patient), "AuthorityNotAllowed", actors.patient, actors.patient
    )
    assert_refused(lambda: authority.object(new_key, actors.patient), "AuthorityNoRecovery", actors.patient)
    assert authority.controller(actors.patient) == (new_key, 1)


def test_object__again_and_again__guardians_may_propose_again(authority, actors, new_key, named):
    for attempt in (1, 2, 3):
        propose(authority, actors, new_key, attempt=attempt)
        authority.object(actors.patient, actors.patient)

    assert authority.guardianship(actors.patient).attempt == 3
    ready_at = propose(authority, actors, new_key, attempt=4).events[0].values["readyAt"]
    authority.complete(actors.stranger, actors.patient, at=ready_at)
    assert authority.controller(actors.patient) == (new_key, 1)


# ------------------------------------------------------------------------------------------ completing


@pytest.mark.parametrize(("when", "done"), [(-15, False), (-1, False), (0, True), (1, True), (1000 * DAY, True)])
def test_complete__around_its_day__no_second_earlier(authority, actors, new_key, ready_at, when, done):
    def complete():
        return authority.complete(actors.stranger, actors.patient, at=ready_at + when)

    if not done:
        assert_refused(complete, "AuthorityTooEarly", ready_at)
        assert authority.controller(actors.patient) == (actors.patient, 0)
        return
    sent = complete()
    values = {"patient": actors.patient, "controller": new_key, "tenure": 1}
    assert sent.events == (Event("ControlMoved", values, authority.contract.address),)
    assert authority.controller(actors.patient) == (new_key, 1)
    stands = GuardianshipView(CIRCLE.digest(actors.patient), NO_CIRCLE, DELAY, 0, 0, 0, 1, 1, ZERO_ADDRESS)
    assert authority.guardianship(actors.patient) == stands


def test_complete__nothing_was_proposed__is_refused(authority, actors, named):
    assert_refused(lambda: authority.complete(actors.patient, actors.patient), "AuthorityNoRecovery", actors.patient)
    assert_refused(
        lambda: authority.complete(actors.stranger, actors.other_patient), "AuthorityNoRecovery", actors.other_patient
    )


def test_complete__twice__is_refused(authority, actors, recovered):
    assert_refused(lambda: authority.complete(actors.stranger, actors.patient), "AuthorityNoRecovery", actors.patient)


def test_complete__circle_changed_meanwhile__is_completed_by_what_was_proposed(authority, actors, new_key, ready_at):
    friends = Circle(guardians(2, family="friend"), 1)
    authority.name_guardians(actors.patient, actors.patient, friends.digest(actors.patient), 90 * DAY)

    authority.complete(actors.stranger, actors.patient, at=ready_at)

    assert authority.controller(actors.patient) == (new_key, 1)


def test_complete__of_one_patient__touches_no_other(authority, actors, new_key, recovered):
    assert authority.controller(actors.other_patient) == (actors.other_patient, 0)
    assert authority.controller(new_key) == (new_key, 0)
    assert_refused(
        lambda: authority.revoke_all(new_key, actors.other_patient),
        "AuthorityNotAllowed",
        actors.other_patient,
        new_key,
    )


# ------------------------------------------------------------------------------------------ after it


def test_recovered__all_that_was_granted_and_appointed__stays(authority, ledger, actors, new_key, named):
    grant_id = grant_id_of(actors.patient, actors.doctor)
    authority.revoke_all(actors.patient, actors.patient)
    ledger.grant(actors.patient, actors.doctor)
    authority.appoint(actors.patient, actors.custodian)
    before = ledger.get_grant(grant_id), authority.delegation(actors.patient, actors.custodian)

    authority.recover(actors.patient, new_key, CIRCLE, sender=actors.stranger)

    assert (ledger.get_grant(grant_id), authority.delegation(actors.patient, actors.custodian)) == before
    assert ledger.is_live(grant_id)
    assert ledger.balance(actors.doctor, grant_id) == 1
    assert ledger.stamp(actors.patient) == 1
    assert authority.is_delegate(actors.patient, actors.custodian)
    authority.grant_for(actors.custodian, actors.patient, actors.deployer)


def test_recovered__the_new_key__does_whatever_the_patient_did(authority, ledger, actors, new_key, ready_at):
    patient, grant_id = actors.patient, grant_id_of(actors.patient, actors.doctor)
    ledger.grant(patient, actors.doctor)
    authority.appoint(patient, actors.stranger)
    authority.complete(actors.stranger, patient, at=ready_at)
    friends = Circle(guardians(2, family="friend"), 1)

    revoked = ledger.revoke(new_key, grant_id)
    granted = authority.grant_for(new_key, patient, actors.doctor, purposes=HRESCH, expires_at=2**32 - 1)
    authority.appoint(new_key, actors.custodian, patient=patient)
    authority.dismiss(new_key, patient, actors.stranger)
    authority.name_guardians(new_key, patient, friends.digest(patient))
    propose(authority, actors, actors.deployer, attempt=2)
    authority.object(new_key, patient)

    assert revoked.events[0] == Event("ActedFor", {"patient": patient, "actor": new_key}, authority.contract.address)
    assert granted.events[0] == revoked.events[0]
    assert ledger.get_grant(grant_id) == GrantView(actors.doctor, granted.time, 2**32 - 1, HRESCH, stamp=0, epoch=3)
    assert authority.is_delegate(patient, actors.custodian)
    assert not authority.is_delegate(patient, actors.stranger, 0, 0)
    authority.revoke_all(new_key, patient)
    assert ledger.stamp(patient) == 1
    assert ledger.stamp(new_key) == 0
    assert not ledger.is_live(grant_id, HRESCH)


def test_recovered__the_new_key__grants_in_its_own_name_with_grant(authority, ledger, actors, new_key, recovered):
    ledger.grant(new_key, actors.doctor)

    assert ledger.is_live(grant_id_of(new_key, actors.doctor))
    with pytest.raises(RefusedError):
        ledger.get_grant(grant_id_of(actors.patient, actors.doctor))


def test_recovered__the_patient_to_the_new_key__can_be_granted(authority, ledger, actors, new_key, recovered):
    authority.grant_for(new_key, actors.patient, new_key)

    assert ledger.is_live(grant_id_of(actors.patient, new_key))
    assert_refused(
        lambda: authority.grant_for(new_key, actors.patient, actors.patient),
        "ConsentRegistryGranteeIsPatient",
        actors.patient,
    )


def test_recovered__the_lost_key__is_refused_all_but_revoking(authority, ledger, actors, new_key, recovered):
    patient = actors.patient
    authority.appoint(new_key, actors.custodian, patient=patient)
    propose(authority, actors, actors.deployer, attempt=2)
    before = authority.slots_of(patient, actors.custodian)

    for act in (
        lambda: ledger.grant(patient, actors.doctor),
        lambda: authority.grant_for(patient, patient, actors.doctor),
        lambda: authority.revoke_all(patient, patient),
        lambda: authority.appoint(patient, actors.doctor),
        lambda: authority.dismiss(patient, patient, actors.custodian),
        lambda: authority.name_guardians(patient, patient, NO_CIRCLE),
        lambda: authority.object(patient, patient),
    ):
        assert_refused(act, "AuthorityNotAllowed", patient, patient)

    assert authority.slots_of(patient, actors.custodian) == before


def test_recovered__the_lost_key__revokes_single_grants_new_ones_too(authority, ledger, actors, new_key, ready_at):
    patient = actors.patient
    ledger.grant(patient, actors.doctor)
    authority.complete(actors.stranger, patient, at=ready_at)
    authority.grant_for(new_key, patient, actors.doctor, terms=OTHER_TERMS)

    for terms in (TERMS, OTHER_TERMS):
        sent = ledger.revoke(patient, grant_id_of(patient, actors.doctor, terms))
        assert [event.name for event in sent.events] == ["AccessRevoked", "TransferSingle"]
        assert not ledger.is_live(grant_id_of(patient, actors.doctor, terms))
    authority.grant_for(new_key, patient, actors.doctor)
    assert ledger.is_live(grant_id_of(patient, actors.doctor))


def test_recovered__the_lost_key_resigns_as_its_own_delegate__gains_nothing(
    authority, ledger, actors, new_key, recovered
):
    patient = actors.patient
    authority.dismiss(patient, patient, patient)

    for act in (
        lambda: authority.grant_for(patient, patient, actors.doctor),
        lambda: authority.appoint(patient, actors.doctor),
    ):
        assert_refused(act, "AuthorityNotAllowed", patient, patient)
    assert not authority.is_delegate(patient, patient, 0, 0)


def test_recovered__a_delegate_took_over__has_no_more_limits_and_resigns_nothing(authority, ledger, actors, named):
    delegate, patient = actors.custodian, actors.patient
    authority.appoint(patient, delegate, purposes=TREAT, expires_at=NEVER - 1)
    authority.recover(patient, delegate, CIRCLE, sender=actors.stranger)

    authority.grant_for(delegate, patient, actors.doctor, purposes=HRESCH, expires_at=NEVER)
    authority.dismiss(delegate, patient, delegate)
    authority.grant_for(delegate, patient, actors.doctor, purposes=HRESCH | TREAT)
    authority.revoke_all(delegate, patient)

    assert authority.controller(patient) == (delegate, 1)
    assert ledger.stamp(patient) == 1


def test_recovered__delegations_end_with_the_new_keys_revoke_all(authority, actors, new_key, ready_at):
    authority.appoint(actors.patient, actors.custodian, verbs=REVOKE, purposes=0)
    authority.complete(actors.stranger, actors.patient, at=ready_at)
    assert authority.is_delegate(actors.patient, actors.custodian, REVOKE, 0)

    authority.revoke_all(new_key, actors.patient)

    assert not authority.is_delegate(actors.patient, actors.custodian, REVOKE, 0)
    assert authority.controller(actors.patient) == (new_key, 1), "the stamp moves, control does not"


# ------------------------------------------------------------------------------------------ once more


def test_recovered__twice__the_first_new_key_is_a_stranger(authority, ledger, actors, new_key, recovered):
    patient, second = actors.patient, actors.deployer
    authority.recover(patient, second, CIRCLE, sender=actors.stranger)

    assert authority.controller(patient) == (second, 2)
    assert_refused(lambda: authority.revoke_all(new_key, patient), "AuthorityNotAllowed", patient, new_key)
    assert_refused(
        lambda: ledger.revoke(new_key, grant_id_of(patient, actors.doctor)), "AuthorityNotAllowed", patient, new_key
    )
    assert_refused(lambda: ledger.grant(patient, actors.doctor), "AuthorityNotAllowed", patient, patient)
    authority.revoke_all(second, patient)
    ledger.revoke(patient, grant_id_of(patient, actors.doctor))


def test_recovered__three_times__control_can_come_back_but_never_to_the_lost_key(authority, actors, new_key, recovered):
    authority.recover(actors.patient, actors.deployer, CIRCLE, sender=actors.stranger)
    authority.recover(actors.patient, new_key, CIRCLE, sender=actors.stranger)

    assert authority.controller(actors.patient) == (new_key, 3)
    assert_refused(
        lambda: propose(authority, actors, actors.patient, attempt=4), "AuthorityControllerInvalid", actors.patient
    )


def test_recovered__by_the_circle_that_the_new_key_named__after_its_delay(authority, actors, new_key, recovered):
    friends = Circle(guardians(2, family="friend"), 2)
    sent = authority.name_guardians(new_key, actors.patient, friends.digest(actors.patient), DAY)
    signatures = authority.sign(friends.guardians, friends, actors.patient, actors.deployer, attempt=2)

    def by_friends(time):
        return authority.propose(actors.patient, actors.deployer, friends, signatures, sender=actors.stranger, at=time)

    mark = authority.chain.snapshot()
    assert_refused(lambda: by_friends(sent.time + DELAY - 1), "AuthorityCircleInvalid", actors.patient)
    authority.chain.revert(mark)
    proposed = by_friends(sent.time + DELAY)
    authority.complete(actors.stranger, actors.patient, at=proposed.time + DAY)
    assert authority.controller(actors.patient) == (actors.deployer, 2)


def test_recovered__two_patients_to_one_key__are_kept_apart(authority, ledger, actors, new_key, recovered):
    patient, other = actors.patient, actors.other_patient
    authority.name_guardians(other, other, CIRCLE.digest(other), DELAY)
    authority.recover(other, new_key, CIRCLE, sender=actors.stranger)

    authority.grant_for(new_key, patient, actors.doctor)
    authority.grant_for(new_key, other, actors.doctor)
    authority.revoke_all(new_key, patient)

    assert not ledger.is_live(grant_id_of(patient, actors.doctor))
    assert ledger.is_live(grant_id_of(other, actors.doctor))


def test_events__replayed__rebuild_control_and_guardianship(authority, actors, new_key, named):
    steps = [named, propose(authority, actors, new_key, attempt=1), authority.object(actors.patient, actors.patient)]
    steps.append(propose(authority, actors, new_key, attempt=2))
    steps.append(authority.complete(actors.stranger, actors.patient, at=steps[-1].events[0].values["readyAt"]))
    steps.append(propose(authority, actors, actors.deployer, attempt=3))

    control, stands = (actors.patient, 0), {}
    for event in (event for step in steps for event in step.events):
        values = {name: value for name, value in event.values.items() if name != "patient"}
        match event.name:
            case "GuardiansNamed":
                stands |= {"circle": values["circle"], "delay": values["delay"]}
            case "RecoveryProposed":
                stands |= {
                    "proposed": values["controller"],
                    "ready_at": values["readyAt"],
                    "attempt": values["attempt"],
                }
            case "RecoveryObjected" | "ControlMoved":
                stands |= {"proposed": ZERO_ADDRESS, "ready_at": 0}
                if event.name == "ControlMoved":
                    control = values["controller"], values["tenure"]

    empty = {"next_circle": NO_CIRCLE, "next_delay": 0, "next_from": 0, "changes": 1}
    assert authority.guardianship(actors.patient) == GuardianshipView(**stands, **empty)
    assert authority.controller(actors.patient) == control == (new_key, 1)


def test_controller_of__any_scope_of_a_delegate__is_never_control(authority, actors):
    authority.appoint(actors.patient, actors.custodian, verbs=BOTH)

    assert authority.controller(actors.patient) == (actors.patient, 0)
    assert authority.controller(actors.custodian) == (actors.custodian, 0)
