"""What was signed before, and what came in between

given a signed grant that nobody sent yet
    after a revocation, of this or of everything, it is dead, also if the patient grants again
    signed for a count yet to come it is refused until the count comes
    sent by another first it is done once, and a batch with it goes on
given a signed revocation of every change up to one yet to come
    it passes whether or not the grant lands first, and the grant's signature is dead afterwards
given counts near their ends
    ending is never refused, beginning is
given a delegate who signed
    it counts while the appointment lasts under which he signed, for its purposes and dates, and not a second longer
given a key that took over
    what the lost key signed is dead; what the new one signed counts for its tenure
given a word with bits that mean nothing
    they change nothing where a signer is named, and are refused where none is
given a chain that forks and changes its id
    signatures are for the new id from then on
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from evm import (
    HRESCH,
    NEVER,
    OTHER_TERMS,
    TERMS,
    TREAT,
    ZERO_ADDRESS,
    GrantView,
    RefusedError,
    artifact,
    decode_error,
    errors_of,
    grant_id_of,
    pack_grant,
)
from people import BOTH, DAY, NO_CIRCLE, Circle, DelegationView, guardians
from people import GRANT as MAY_GRANT
from people import REVOKE as MAY_REVOKE
from signed_cases import (
    BY_PATIENT,
    CIRCLE,
    CONTROLLERS_GRANT,
    CONTROLLERS_REVOKE,
    DELEGATES_GRANT,
    DELEGATES_REVOKE,
    OWN_APPOINT,
    OWN_DISMISS,
    OWN_GRANT,
    OWN_NAME_GUARDIANS,
    OWN_OBJECT,
    OWN_REVOKE,
    OWN_REVOKE_ALL,
    OWN_SET_BAR,
    REGISTER,
    RESIGN,
    RETRACT,
    SET_KEY,
    SUPERSEDE,
    Scene,
    control_moved,
    recovery_proposed,
    registered,
)

pytestmark = pytest.mark.contracts


@pytest.fixture
def scene(chain, contracts, actors) -> Scene:
    return Scene(chain, contracts, actors)


@pytest.fixture
def grant_id(actors):
    return grant_id_of(actors.patient, actors.doctor)


def refusal(scene: Scene, function) -> tuple:
    with pytest.raises(RefusedError) as refused:
        scene.chain.call(function, sender=scene.actors.stranger)
    return refused.value.args


def revoke_signed(scene: Scene, last_epoch: int, **how):
    return scene.signed(OWN_REVOKE, scene.message(OWN_REVOKE, lastEpoch=last_epoch), **how)


def grant_signed(scene: Scene, *, stamp: int = 0, epoch: int = 0, **changes):
    return scene.signed(OWN_GRANT, scene.message(OWN_GRANT, stamp=stamp, epoch=epoch, **changes))


# --------------------------------------------------------------------------------------- a grant that nobody sent yet


@pytest.mark.parametrize("granted_before", [False, True])
def test_grant_signed__revoked_since__is_dead(scene, actors, grant_id, granted_before):
    if granted_before:
        scene.ledger.grant(actors.patient, actors.doctor)
    epoch = int(granted_before)
    function = grant_signed(scene, epoch=epoch)

    scene.ledger.revoke(actors.patient, grant_id)

    assert refusal(scene, function) == ("SignedOutdated", epoch, epoch + 1)
    scene.ledger.grant(actors.patient, actors.doctor)
    assert refusal(scene, function) == ("SignedOutdated", epoch, epoch + 2)


def test_grant_signed__not_revoked_since__is_done(scene, actors, grant_id):
    scene.ledger.grant(actors.patient, actors.doctor)
    scene.ledger.revoke(actors.patient, grant_id)

    scene.relay(grant_signed(scene, epoch=2))

    assert scene.ledger.is_live(grant_id)


def test_grant_signed__all_revoked_since__is_dead(scene, actors, grant_id):
    function = grant_signed(scene)

    scene.ledger.revoke_all(actors.patient)

    assert refusal(scene, function) == ("SignedOutdated", 0, 1 << 8)
    scene.relay(grant_signed(scene, stamp=1))
    assert scene.ledger.is_live(grant_id)
    assert refusal(scene, function) == ("SignedOutdated", 0, 1 << 8 | 1)


def test_grant_signed__granted_since__is_dead(scene, actors, grant_id):
    function = grant_signed(scene, purposes=TREAT | HRESCH)

    scene.ledger.grant(actors.patient, actors.doctor)

    assert refusal(scene, function) == ("SignedOutdated", 0, 1)
    assert scene.ledger.get_grant(grant_id).purposes == TREAT


def test_grant_signed__two_signed_for_one_count__the_first_that_lands_counts(scene, grant_id):
    first, second = grant_signed(scene, purposes=TREAT), grant_signed(scene, purposes=HRESCH)

    scene.relay(second)

    assert refusal(scene, first) == ("SignedOutdated", 0, 1)
    assert scene.ledger.get_grant(grant_id).purposes == HRESCH


@pytest.mark.parametrize(("stamp", "epoch"), [(0, 1), (1, 0), (1, 1), (0, 255), (255, 255)])
def test_grant_signed__for_counts_yet_to_come__is_refused(scene, stamp, epoch):
    assert refusal(scene, grant_signed(scene, stamp=stamp, epoch=epoch)) == ("SignedOutdated", stamp << 8 | epoch, 0)


def test_grant_signed__for_a_count_that_came__is_done(scene, actors, grant_id):
    function = grant_signed(scene, epoch=1)

    scene.ledger.revoke(actors.patient, grant_id)
    scene.relay(function)

    assert scene.ledger.is_live(grant_id), "as the interface warns: clients sign what the chain shows"


def test_grant_signed__other_terms_since__is_done(scene, actors, grant_id):
    function = grant_signed(scene)

    scene.ledger.revoke(actors.patient, grant_id_of(actors.patient, actors.doctor, OTHER_TERMS))
    scene.ledger.revoke_all(actors.other_patient)
    scene.relay(function)

    assert scene.ledger.is_live(grant_id)


def test_grant_signed__two_out_of_order__both_are_done(scene, actors):
    first, second = grant_signed(scene, terms=TERMS), grant_signed(scene, terms=OTHER_TERMS)

    scene.relay(second)
    scene.relay(first)

    for terms in (TERMS, OTHER_TERMS):
        assert scene.ledger.is_live(grant_id_of(actors.patient, actors.doctor, terms))


def test_grant_signed__period_and_arguments__are_checked_as_for_grant(scene, actors):
    now = scene.chain.now

    assert refusal(scene, grant_signed(scene, purposes=0)) == ("ConsentRegistryPurposesEmpty",)
    assert refusal(scene, grant_signed(scene, grantee=ZERO_ADDRESS)) == ("ConsentRegistryGranteeIsZero",)
    assert refusal(scene, grant_signed(scene, grantee=actors.patient)) == (
        "ConsentRegistryGranteeIsPatient",
        actors.patient,
    )
    assert refusal(scene, grant_signed(scene, expiresAt=now)) == ("ConsentRegistryPeriodEmpty", now, now)


def test_grant_signed__someone_sent_it_first__the_batch_goes_on(scene, actors, grant_id):
    function, other = grant_signed(scene), grant_signed(scene, terms=OTHER_TERMS)
    consents = scene.contracts.consents
    calls = [each.data for each in (function, other)]

    scene.chain.send(function, sender=actors.custodian)
    sent = scene.relay(consents.functions.batch(calls))

    [refused] = [event.values for event in sent.events if event.name == "CallRefused"]
    assert refused["index"] == 0
    assert decode_error(refused["reason"], errors_of(consents.abi)).args == ("SignedOutdated", 0, 1)
    for terms in (TERMS, OTHER_TERMS):
        assert scene.ledger.is_live(grant_id_of(actors.patient, actors.doctor, terms))


# --------------------------------------------------------------------------- a revocation that no grant can hold back


@pytest.mark.parametrize("epoch", [0, 1, 2])
@pytest.mark.parametrize("lands_first", [False, True])
def test_revoke_signed__up_to_the_next_change__passes_whatever_lands_first(scene, actors, grant_id, epoch, lands_first):
    for _ in range(epoch):
        scene.ledger.grant(actors.patient, actors.doctor)
    granting, revoking = grant_signed(scene, epoch=epoch), revoke_signed(scene, epoch + 1)

    if lands_first:
        scene.relay(granting)
        assert scene.ledger.is_live(grant_id)
    scene.relay(revoking)

    assert not scene.ledger.is_live(grant_id)
    assert refusal(scene, granting) == ("SignedOutdated", epoch, epoch + 2)
    assert refusal(scene, revoking) == ("SignedOutdated", epoch + 1, epoch + 2)


@pytest.mark.parametrize("lands_first", [False, True])
def test_revoke_signed__in_one_batch_with_the_grant__ends_revoked(scene, grant_id, lands_first):
    order = [grant_signed(scene), revoke_signed(scene, 1)]
    calls = [each.data for each in (order if lands_first else reversed(order))]

    scene.relay(scene.contracts.consents.functions.batch(calls))

    assert not scene.ledger.is_live(grant_id)
    assert scene.ledger.get_grant(grant_id).epoch == 2


def test_revoke_signed__only_up_to_now_and_a_grant_lands_first__is_refused(scene, actors, grant_id):
    scene.ledger.grant(actors.patient, actors.doctor)
    revoking = revoke_signed(scene, 1)

    scene.ledger.grant(actors.patient, actors.doctor)

    assert refusal(scene, revoking) == ("SignedOutdated", 1, 2)
    assert scene.ledger.is_live(grant_id)


def test_revoke_signed__granted_again_after_it__does_not_come_back(scene, actors, grant_id):
    scene.ledger.grant(actors.patient, actors.doctor)
    revoking = revoke_signed(scene, 2)
    scene.relay(revoking)

    scene.ledger.grant(actors.patient, actors.doctor)

    assert refusal(scene, revoking) == ("SignedOutdated", 2, 4)
    assert scene.ledger.is_live(grant_id)


def test_revoke_signed__patient_revokes_himself_first__passes_or_is_not_needed(scene, actors, grant_id):
    revoking = revoke_signed(scene, 1)

    scene.ledger.revoke(actors.patient, grant_id)
    scene.relay(revoking)

    assert scene.ledger.get_grant(grant_id).epoch == 2


@pytest.mark.parametrize("last_epoch", [254, 255])
def test_revoke_signed__up_to_the_last_change__ends_all_that_could_be(scene, actors, grant_id, last_epoch):
    scene.ledger.grant(actors.patient, actors.doctor)

    scene.relay(revoke_signed(scene, last_epoch))

    assert scene.ledger.get_grant(grant_id).epoch == 255
    with pytest.raises(RefusedError) as refused:
        scene.ledger.grant(actors.patient, actors.doctor)
    assert refused.value.args == ("ConsentRegistryGrantExhausted", grant_id)


def test_revoke_signed__of_a_grant_at_its_last_change__is_never_refused(scene, actors, grant_id):
    scene.ledger.store_grant(grant_id, GrantView(actors.doctor, scene.chain.now, NEVER, TREAT, stamp=0, epoch=255))

    scene.relay(revoke_signed(scene, 255))

    assert not scene.ledger.is_live(grant_id)
    assert scene.ledger.get_grant(grant_id).epoch == 255


@pytest.mark.parametrize(("stamp", "then"), [(253, 254), (254, 255), (255, 255)])
def test_revoke_all_signed__near_the_last_stamp__is_never_refused(scene, actors, stamp, then):
    scene.ledger.chain.mine()
    scene.authority.store_control(actors.patient, stamp=stamp)

    scene.relay(scene.signed(OWN_REVOKE_ALL, scene.message(OWN_REVOKE_ALL, stamp=stamp)))

    assert scene.ledger.stamp(actors.patient) == then


@pytest.mark.parametrize("signed", [0, 2])
def test_revoke_all_signed__for_another_stamp__is_refused(scene, actors, signed):
    scene.ledger.chain.send(scene.contracts.consents.functions.revokeAll(actors.patient), sender=actors.patient)

    function = scene.signed(OWN_REVOKE_ALL, scene.message(OWN_REVOKE_ALL, stamp=signed))

    assert refusal(scene, function) == ("SignedOutdated", signed, 1)


@pytest.mark.parametrize("epoch", [253, 254, 255])
def test_grant_signed__near_the_last_change__is_done_up_to_254(scene, actors, grant_id, epoch):
    scene.ledger.store_grant(grant_id, GrantView(actors.doctor, scene.chain.now, NEVER, 0, stamp=0, epoch=epoch))
    function = grant_signed(scene, epoch=epoch)

    if epoch == 253:
        scene.relay(function)
        assert scene.ledger.get_grant(grant_id).epoch == 254
    else:
        assert refusal(scene, function) == ("ConsentRegistryGrantExhausted", grant_id)


@pytest.mark.parametrize("stamp", [254, 255])
def test_grant_signed__near_the_last_stamp__is_done_up_to_254(scene, actors, grant_id, stamp):
    scene.authority.store_control(actors.patient, stamp=stamp)
    function = grant_signed(scene, stamp=stamp)

    if stamp == 254:
        scene.relay(function)
        assert scene.ledger.get_grant(grant_id).stamp == 254
    else:
        assert refusal(scene, function) == ("ConsentRegistryPatientExhausted", actors.patient)


# ------------------------------------------------------------------------------------------- delegates who signed


def delegate_signed(scene: Scene, case=DELEGATES_GRANT, **changes):
    return scene.signed(case, scene.message(case, **changes))


def appoint(scene: Scene, **how):
    return scene.authority.appoint(scene.actors.patient, scene.actors.researcher, **how)


def test_delegate_signed__dismissed_since__is_refused(scene, actors):
    appoint(scene)
    function = delegate_signed(scene)

    scene.authority.dismiss(actors.patient, actors.patient, actors.researcher)

    assert refusal(scene, function) == ("AuthorityNotAllowed", actors.patient, actors.researcher)


@pytest.mark.parametrize("dismissed", [False, True])
@pytest.mark.parametrize("case", [DELEGATES_GRANT, DELEGATES_REVOKE], ids=lambda case: case.name)
def test_delegate_signed__appointed_again_since__is_refused(scene, actors, case, dismissed):
    appoint(scene)
    function = delegate_signed(scene, case)
    if dismissed:
        scene.authority.dismiss(actors.patient, actors.patient, actors.researcher)

    appoint(scene)

    assert refusal(scene, function) == ("AuthorityMandateEnded", actors.patient, actors.researcher, 1)
    epoch = 3 if dismissed else 2
    assert scene.relay(delegate_signed(scene, case, mandate=epoch)).events[0].name == "ActedFor"


@pytest.mark.parametrize("mandate", [0, 2, 255])
def test_delegate_signed__under_another_mandate__is_refused(scene, actors, mandate):
    appoint(scene)

    refused = refusal(scene, delegate_signed(scene, mandate=mandate))

    assert refused == ("AuthorityMandateEnded", actors.patient, actors.researcher, mandate)


@pytest.mark.parametrize("case", [DELEGATES_GRANT, DELEGATES_REVOKE], ids=lambda case: case.name)
def test_delegate_signed__patient_revoked_all_since__is_refused(scene, actors, case):
    appoint(scene)

    scene.ledger.chain.send(scene.contracts.consents.functions.revokeAll(actors.patient), sender=actors.patient)

    changes = {"stamp": 1} if case is DELEGATES_GRANT else {}
    refused = refusal(scene, delegate_signed(scene, case, **changes))
    assert refused == ("AuthorityNotAllowed", actors.patient, actors.researcher)


@pytest.mark.parametrize(
    ("case", "verbs", "allowed"),
    [
        (DELEGATES_GRANT, MAY_GRANT, True),
        (DELEGATES_GRANT, BOTH, True),
        (DELEGATES_GRANT, MAY_REVOKE, False),
        (DELEGATES_REVOKE, MAY_REVOKE, True),
        (DELEGATES_REVOKE, BOTH, True),
        (DELEGATES_REVOKE, MAY_GRANT, False),
    ],
)
def test_delegate_signed__verb__is_done_if_delegated(scene, actors, case, verbs, allowed):
    appoint(scene, verbs=verbs, purposes=TREAT if verbs & MAY_GRANT else 0)
    function = delegate_signed(scene, case)

    if allowed:
        assert scene.relay(function).events[0].name == "ActedFor"
    else:
        assert refusal(scene, function) == ("AuthorityNotAllowed", actors.patient, actors.researcher)


@pytest.mark.parametrize(
    ("purposes", "allowed"),
    [(TREAT, True), (HRESCH, True), (TREAT | HRESCH, True), (TREAT | 2, False), (1 << 15, False)],
)
def test_delegate_signed__purposes__are_within_the_delegations(scene, actors, grant_id, purposes, allowed):
    appoint(scene, purposes=TREAT | HRESCH)
    function = delegate_signed(scene, purposes=purposes)

    if allowed:
        scene.relay(function)
        assert scene.ledger.get_grant(grant_id).purposes == purposes
    else:
        assert refusal(scene, function) == ("AuthorityBeyondDelegation", actors.patient, actors.researcher)


@pytest.mark.parametrize(("longer", "allowed"), [(-1, True), (0, True), (1, False)])
def test_delegate_signed__end__is_within_the_delegations(scene, actors, grant_id, longer, allowed):
    until = scene.chain.now + 10_000
    appoint(scene, expires_at=until)
    function = delegate_signed(scene, expiresAt=until + longer)

    if allowed:
        scene.relay(function)
        assert scene.ledger.get_grant(grant_id).expires_at == until + longer
    else:
        assert refusal(scene, function) == ("AuthorityBeyondDelegation", actors.patient, actors.researcher)


@pytest.mark.parametrize("case", [DELEGATES_GRANT, DELEGATES_REVOKE], ids=lambda case: case.name)
@pytest.mark.parametrize(("late", "allowed"), [(-1, True), (0, False), (1, False)])
def test_delegate_signed__his_end_has_come__is_refused(scene, actors, case, late, allowed):
    until = scene.chain.now + 10_000
    appoint(scene, expires_at=until)
    changes = {"expiresAt": until} if case is DELEGATES_GRANT else {}
    function = delegate_signed(scene, case, **changes)

    if allowed:
        scene.relay(function, at=until + late)
    else:
        with pytest.raises(RefusedError) as refused:
            scene.relay(function, at=until + late)
        assert refused.value.args == ("AuthorityNotAllowed", actors.patient, actors.researcher)


@pytest.mark.parametrize(("early", "allowed"), [(-1, False), (0, True), (1, True)])
def test_delegate_signed__before_his_begin__is_refused(scene, actors, early, allowed):
    begin = scene.chain.now + 10_000
    appoint(scene, not_before=begin)
    function = delegate_signed(scene)

    if allowed:
        scene.relay(function, at=begin + early)
    else:
        with pytest.raises(RefusedError) as refused:
            scene.relay(function, at=begin + early)
        assert refused.value.args == ("AuthorityNotAllowed", actors.patient, actors.researcher)


@pytest.mark.parametrize("case", [OWN_REVOKE_ALL, OWN_APPOINT, OWN_DISMISS, OWN_NAME_GUARDIANS], ids=lambda c: c.name)
def test_delegate_signed__what_cannot_be_delegated__is_refused(scene, actors, case):
    appoint(scene)
    delegates = replace(case, by="researcher", role="delegate", mandate=1)

    refused = refusal(scene, scene.signed(delegates))

    assert refused == ("AuthorityNotAllowed", actors.patient, actors.researcher)


def test_delegate_signed__objection__is_refused(scene, actors):
    recovery_proposed(scene)
    appoint(scene)
    delegates = replace(OWN_OBJECT, by="researcher", role="delegate", mandate=1)

    assert refusal(scene, scene.signed(delegates)) == ("AuthorityNotAllowed", actors.patient, actors.researcher)


def test_delegate_signed__for_another_patient__is_refused(scene, actors):
    appoint(scene)

    refused = refusal(scene, delegate_signed(scene, patient=actors.other_patient))

    assert refused == ("AuthorityNotAllowed", actors.other_patient, actors.researcher)


# -------------------------------------------------------------------------------------- appointing and dismissing


@pytest.mark.parametrize(("stamp", "epoch"), [(1, 0), (0, 1), (255, 0), (0, 255)])
def test_appoint_signed__for_other_counts__is_refused(scene, stamp, epoch):
    refused = refusal(scene, scene.signed(OWN_APPOINT, scene.message(OWN_APPOINT, stamp=stamp, epoch=epoch)))

    assert refused == ("SignedOutdated", stamp or epoch, 0)


@pytest.mark.parametrize("what", ["dismissed", "appointed", "revoked all"])
def test_appoint_signed__something_came_in_between__is_dead(scene, actors, what):
    function = scene.signed(OWN_APPOINT)
    delegate = actors.other_custodian
    match what:
        case "dismissed":
            scene.authority.dismiss(actors.patient, actors.patient, delegate)
        case "appointed":
            scene.authority.appoint(actors.patient, delegate)
        case _:
            scene.ledger.chain.send(scene.contracts.consents.functions.revokeAll(actors.patient), sender=actors.patient)

    assert refusal(scene, function) == ("SignedOutdated", 0, 1)


@pytest.mark.parametrize("lands_first", [False, True])
def test_dismiss_signed__up_to_the_next_appointment__passes_whatever_lands_first(scene, actors, lands_first):
    appointing = scene.signed(OWN_APPOINT)
    dismissing = scene.signed(OWN_DISMISS, scene.message(OWN_DISMISS, lastEpoch=1))

    if lands_first:
        scene.relay(appointing)
        assert scene.authority.is_delegate(actors.patient, actors.other_custodian)
    scene.relay(dismissing)

    assert not scene.authority.is_delegate(actors.patient, actors.other_custodian)
    assert refusal(scene, appointing) == ("SignedOutdated", 0, 2)
    assert refusal(scene, dismissing) == ("SignedOutdated", 1, 2)


def test_dismiss_signed__appointed_again_beyond_it__is_refused(scene, actors):
    scene.authority.appoint(actors.patient, actors.other_custodian)
    function = scene.signed(OWN_DISMISS)

    scene.authority.appoint(actors.patient, actors.other_custodian)

    assert refusal(scene, function) == ("SignedOutdated", 1, 2)
    assert scene.authority.is_delegate(actors.patient, actors.other_custodian)


@pytest.mark.parametrize("last_epoch", [254, 255])
def test_dismiss_signed__up_to_the_last_appointment__ends_all_that_could_be(scene, actors, last_epoch):
    scene.relay(scene.signed(OWN_DISMISS, scene.message(OWN_DISMISS, lastEpoch=last_epoch)))

    assert scene.authority.delegation(actors.patient, actors.other_custodian).epoch == 255
    with pytest.raises(RefusedError) as refused:
        scene.authority.appoint(actors.patient, actors.other_custodian)
    assert refused.value.args == ("AuthorityExhausted", actors.patient)


@pytest.mark.parametrize("epoch", [253, 254])
def test_appoint_signed__near_the_last_epoch__is_done_up_to_254(scene, actors, epoch):
    view = DelegationView(0, NEVER, TREAT, 0, 0, epoch)
    scene.authority.store_delegation(actors.patient, actors.other_custodian, view)
    function = scene.signed(OWN_APPOINT, scene.message(OWN_APPOINT, epoch=epoch))

    if epoch == 253:
        scene.relay(function)
        assert scene.authority.delegation(actors.patient, actors.other_custodian).epoch == 254
    else:
        assert refusal(scene, function) == ("AuthorityExhausted", actors.patient)


def test_resign_signed__of_an_appointment_that_ended__is_refused(scene, actors):
    scene.authority.appoint(actors.patient, actors.other_custodian)
    function = scene.signed(RESIGN)

    scene.authority.appoint(actors.patient, actors.other_custodian)

    assert refusal(scene, function) == ("AuthorityMandateEnded", actors.patient, actors.other_custodian, 1)
    assert scene.authority.is_delegate(actors.patient, actors.other_custodian)


def test_resign_signed__up_to_an_earlier_appointment__is_refused(scene, actors):
    scene.authority.appoint(actors.patient, actors.other_custodian)
    scene.authority.appoint(actors.patient, actors.other_custodian)
    function = scene.signed(RESIGN, scene.message(RESIGN, mandate=2, lastEpoch=1))

    assert refusal(scene, function) == ("SignedOutdated", 1, 2)


def test_resign_signed__by_another_delegate__is_refused(scene, actors):
    scene.authority.appoint(actors.patient, actors.other_custodian)
    scene.authority.appoint(actors.patient, actors.researcher)
    case = replace(RESIGN, by="researcher")

    assert refusal(scene, scene.signed(case)) == ("AuthorityNotAllowed", actors.patient, actors.researcher)


# ---------------------------------------------------------------------------------------------- the key that took over


MANDATED = [case for case in BY_PATIENT if case.contract == "ConsentRegistry"]


@pytest.mark.parametrize("case", MANDATED, ids=lambda case: case.name)
def test_patient_signed__control_has_moved_since__is_refused(scene, actors, case):
    case.set_up(scene)
    message = scene.message(case)
    signature = scene.sign(case, message)

    control_moved(scene)

    assert refusal(scene, scene.form(case, message, signature)) == (
        "AuthorityNotAllowed",
        actors.patient,
        actors.patient,
    )
    named = replace(case, role="itself")
    assert refusal(scene, scene.form(named, message, signature)) == (
        "AuthorityNotAllowed",
        actors.patient,
        actors.patient,
    )


@pytest.mark.parametrize("case", [CONTROLLERS_GRANT, CONTROLLERS_REVOKE], ids=lambda case: case.name)
@pytest.mark.parametrize(("tenure", "holder"), [(2, "other_patient"), (2, "researcher"), (3, "researcher")])
def test_controller_signed__control_has_moved_on__is_refused(scene, actors, case, tenure, holder):
    case.set_up(scene)
    function = scene.signed(case)

    scene.authority.store_control(actors.patient, controller=int(getattr(actors, holder), 16), tenure=tenure)

    if holder == "researcher":
        assert refusal(scene, function) == ("AuthorityMandateEnded", actors.patient, actors.researcher, 1)
    else:
        assert refusal(scene, function) == ("AuthorityNotAllowed", actors.patient, actors.researcher)


@pytest.mark.parametrize("mandate", [0, 2])
def test_controller_signed__under_another_mandate__is_refused(scene, actors, mandate):
    control_moved(scene)

    for case in (CONTROLLERS_GRANT, replace(OWN_REVOKE_ALL, by="researcher", role="controller")):
        refused = refusal(scene, scene.signed(case, scene.message(case, mandate=mandate)))
        assert refused == ("AuthorityMandateEnded", actors.patient, actors.researcher, mandate)


def test_controller_signed__grant_beyond_any_delegation__is_done(scene, actors, grant_id):
    appoint(scene, expires_at=scene.chain.now + 1000)
    control_moved(scene)

    scene.relay(scene.signed(CONTROLLERS_GRANT, scene.message(CONTROLLERS_GRANT, purposes=HRESCH)))

    assert scene.ledger.is_live(grant_id, HRESCH)


def test_delegates_of_before__control_has_moved__still_count(scene, actors, grant_id):
    scene.authority.appoint(actors.patient, actors.other_custodian)
    control_moved(scene)
    case = replace(DELEGATES_GRANT, by="other_custodian")

    scene.relay(scene.signed(case))

    assert scene.ledger.is_live(grant_id)


# -------------------------------------------------------------------------------------------- guardians and objections


def test_object_signed__for_an_earlier_attempt__is_refused(scene, actors):
    recovery_proposed(scene)
    message = scene.message(OWN_OBJECT, attempt=1)
    signature = scene.sign(OWN_OBJECT, message)
    authority, patient = scene.authority, actors.patient
    signatures = authority.sign(CIRCLE.guardians[:2], CIRCLE, patient, actors.researcher, attempt=2)

    authority.propose(patient, actors.researcher, CIRCLE, signatures, sender=actors.stranger)

    assert refusal(scene, scene.form(OWN_OBJECT, message, signature)) == ("SignedSignatureInvalid", patient)
    scene.relay(scene.signed(OWN_OBJECT, scene.message(OWN_OBJECT, attempt=2)))
    assert authority.guardianship(patient).ready_at == 0


def test_object_signed__nothing_is_proposed__is_refused(scene, actors):
    refused = refusal(scene, scene.signed(OWN_OBJECT, scene.message(OWN_OBJECT, attempt=0)))

    assert refused == ("AuthorityNoRecovery", actors.patient)


def name_signed(scene: Scene, circle: bytes, changes: int, delay: int = DAY):
    message = scene.message(OWN_NAME_GUARDIANS, circle=circle, changes=changes, delay=delay)
    return scene.signed(OWN_NAME_GUARDIANS, message)


def test_name_signed__another_was_named_since__is_refused(scene, actors):
    first, second = (circle.digest(actors.patient) for circle in (CIRCLE, Circle(guardians(4), 3)))
    function = name_signed(scene, second, 0)

    scene.relay(name_signed(scene, first, 0))

    assert refusal(scene, function) == ("SignedOutdated", 0, 1)
    scene.relay(name_signed(scene, second, 1))
    assert scene.authority.guardianship(actors.patient).next_circle == second


def test_name_signed__for_changes_yet_to_come__is_refused(scene, actors):
    function = name_signed(scene, CIRCLE.digest(actors.patient), 1)

    assert refusal(scene, function) == ("SignedOutdated", 1, 0)


def test_name_signed__the_guardians_were_dismissed_since__cannot_be_sent_again(scene, actors):
    named = CIRCLE.digest(actors.patient)
    function = name_signed(scene, named, 0)
    scene.relay(function)

    scene.authority.name_guardians(actors.patient, actors.patient, NO_CIRCLE)

    assert refusal(scene, function) == ("SignedOutdated", 0, 2)


def test_name_signed__a_longer_delay_for_the_same_circle__cannot_be_sent_again(scene, actors):
    named = CIRCLE.digest(actors.patient)
    scene.relay(name_signed(scene, named, 0))
    function = name_signed(scene, named, 1, delay=30 * DAY)
    scene.relay(function)

    assert refusal(scene, function) == ("SignedOutdated", 1, 2)


# --------------------------------------------------------------------------------------------- records, keys and bars


@pytest.mark.parametrize("version", [0, 1, 3])
def test_set_key_signed__for_another_version__is_refused(scene, actors, version):
    scene.relay(scene.signed(SET_KEY))

    function = scene.signed(SET_KEY, scene.message(SET_KEY, key=b"\xc9" * 32, version=version))

    assert refusal(scene, function) == ("SignedOutdated", version, 2)


def test_set_key_signed__the_next_version__is_done(scene, actors):
    scene.relay(scene.signed(SET_KEY))

    sent = scene.relay(scene.signed(SET_KEY, scene.message(SET_KEY, key=b"\xc9" * 32, version=2)))

    assert sent.events[0].values == {"actor": actors.doctor, "key": b"\xc9" * 32, "version": 2}


def test_set_key_signed__an_older_key__does_not_come_back(scene, actors):
    function = scene.signed(SET_KEY)
    scene.relay(function)
    scene.relay(scene.signed(SET_KEY, scene.message(SET_KEY, key=b"\xc9" * 32, version=2)))

    assert refusal(scene, function) == ("SignedOutdated", 1, 3)


def test_records_signed__two_next_versions__only_one_is_done(scene, actors):
    registered(scene)
    first = scene.signed(SUPERSEDE)
    second = scene.signed(SUPERSEDE, scene.message(SUPERSEDE, recordId=b"\xc8" * 32))

    scene.relay(first)

    assert refusal(scene, second)[0] == "RecordRegistryRecordNotActive"


def test_records_signed__registered_again_after_retracting__is_refused(scene, actors):
    function = scene.signed(REGISTER)
    scene.relay(function)
    scene.relay(scene.signed(RETRACT))

    assert refusal(scene, function)[0] == "RecordRegistryRecordExists"


@pytest.mark.parametrize("count", [0, 2])
def test_set_bar_signed__for_another_count__is_refused(scene, actors, emergencies, count):
    scene = replace(scene, emergencies=emergencies)
    emergencies.set_bar(actors.patient, actors.patient, True)

    function = scene.signed(OWN_SET_BAR, scene.message(OWN_SET_BAR, barred=False, count=count))

    assert refusal(scene, function) == ("SignedOutdated", count, 1)


def test_set_bar_signed__lifted_since__does_not_come_back(scene, actors, emergencies):
    scene = replace(scene, emergencies=emergencies)
    function = scene.signed(OWN_SET_BAR)
    scene.relay(function)
    emergencies.set_bar(actors.patient, actors.patient, False)

    assert refusal(scene, function) == ("SignedOutdated", 0, 2)


def test_set_bar_signed__control_has_moved__is_the_new_keys(scene, actors, emergencies):
    scene = replace(scene, emergencies=emergencies)
    function = scene.signed(OWN_SET_BAR)

    control_moved(scene)

    assert refusal(scene, function) == ("EmergencyAccessNotAllowed", actors.patient)
    scene.relay(scene.signed(replace(OWN_SET_BAR, by="researcher", role="controller")))
    assert emergencies.bar(actors.patient) == (True, 1)


# ------------------------------------------------------------------------------------- bits that mean nothing


UNUSED = [1, 1 << 55, (1 << 56) - 1]


@pytest.mark.parametrize("unused", UNUSED)
def test_authorization__unused_bits_beside_a_signer__change_nothing(scene, actors, grant_id, unused):
    control_moved(scene)
    message = scene.message(CONTROLLERS_GRANT)
    signature = scene.sign(CONTROLLERS_GRANT, message)

    scene.relay(scene.form(CONTROLLERS_GRANT, message, signature, unused=unused))

    assert scene.ledger.is_live(grant_id)
    assert refusal(scene, scene.form(CONTROLLERS_GRANT, message, signature)) == ("SignedOutdated", 0, 1)


@pytest.mark.parametrize("unused", UNUSED)
@pytest.mark.parametrize("case", MANDATED, ids=lambda case: case.name)
def test_authorization__unused_bits_without_a_signer__are_refused(scene, actors, case, unused):
    case.set_up(scene)
    message = scene.message(case)

    refused = refusal(scene, scene.form(case, message, scene.sign(case, message), unused=unused))

    assert refused == ("AuthorityNotAllowed", actors.patient, ZERO_ADDRESS)


@pytest.mark.parametrize("unused", UNUSED)
def test_delegation_word__bits_above_it__change_nothing(scene, actors, unused):
    clean, message = scene.signed(OWN_APPOINT), scene.message(OWN_APPOINT)
    word = clean.arguments[2] | unused << 104
    dirty = scene.contracts.consents.functions.appointSigned(
        message["patient"], message["delegate"], word, *clean.arguments[3:]
    )

    scene.relay(dirty)

    assert scene.authority.delegation(actors.patient, actors.other_custodian).epoch == 1
    assert scene.authority.slots_of(actors.patient, actors.other_custodian)[1] < 1 << 104


def test_authorization__the_patient_names_himself__is_done_once_and_told(scene, actors, grant_id):
    message = scene.message(OWN_GRANT)
    signature = scene.sign(OWN_GRANT, message)

    sent = scene.relay(scene.form(replace(OWN_GRANT, role="itself"), message, signature))

    assert sent.events[0].values == {"patient": actors.patient, "actor": actors.patient}
    assert scene.ledger.is_live(grant_id)
    assert refusal(scene, scene.form(OWN_GRANT, message, signature)) == ("SignedOutdated", 0, 1)


def test_grant_signed__a_word_with_other_counts_than_signed__is_refused(scene, actors):
    function = grant_signed(scene)
    patient, terms, bundle, word, *rest = function.arguments
    assert word == pack_grant(actors.doctor, 0, NEVER, TREAT)

    for other in (word | 1, word | 1 << 8):
        changed = scene.contracts.consents.functions.grantSigned(patient, terms, bundle, other, *rest)
        assert refusal(scene, changed) == ("SignedSignatureInvalid", actors.patient)


# ------------------------------------------------------------------------------------------------- a chain that forks


@pytest.fixture
def forked(chain):
    """Lets the chain have another id from then on, and gives it back its own."""
    own = chain.chain_id
    yield chain.set_chain_id
    chain.set_chain_id(own)


def test_signed__the_chain_has_another_id_now__is_refused(scene, actors, forked):
    cases = (OWN_GRANT, OWN_REVOKE_ALL, OWN_APPOINT, SET_KEY, REGISTER)
    functions = [(case, scene.signed(case)) for case in cases]
    new_id = scene.domain("Consortium").chain_id + 7
    for _, function in functions:
        scene.chain.call(function, sender=actors.stranger)

    forked(new_id)

    for case, function in functions:
        assert refusal(scene, function) == ("SignedSignatureInvalid", getattr(actors, case.by))
        anew = scene.signed(case, domain=scene.domain(case.contract).but(chain_id=new_id))
        scene.chain.call(anew, sender=actors.stranger)
        assert scene.chain.call(scene.contract(case.contract).functions.eip712Domain())[3] == new_id


def test_signed__the_chain_has_its_id_again__is_done(scene, actors, forked):
    own_id, function = scene.domain("ConsentRegistry").chain_id, scene.signed(OWN_GRANT)

    forked(own_id + 7)
    forked(own_id)

    scene.relay(function)
    assert scene.ledger.is_live(grant_id_of(actors.patient, actors.doctor))


def test_signed__for_a_second_deployment__is_refused(scene, actors):
    shipped = artifact("ConsentRegistry")
    twin = scene.chain.deploy(shipped["abi"], shipped["bytecode"], sender=actors.deployer)
    other = replace(scene, contracts=replace(scene.contracts, consents=twin))
    function = scene.signed(OWN_GRANT)
    there = twin.functions.grantSigned(*function.arguments)

    assert refusal(other, there) == ("SignedSignatureInvalid", actors.patient)
    scene.relay(function)
    assert refusal(other, there) == ("SignedSignatureInvalid", actors.patient)
    other.relay(other.signed(OWN_GRANT))
