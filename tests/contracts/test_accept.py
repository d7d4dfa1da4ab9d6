"""AccessRequests.accept

given an open request, and a patient's signature that grants what it asks for
    whoever sends it: access is granted and the reward reserved, in one transaction; all is told
    by the key that took over, by a delegate who may grant, by a contract wallet: as by the patient
    where the signature was sent to the ConsentRegistry before, or he granted it himself, what stands is taken
given a request that cannot be accepted
    unknown, not approved, cancelled, past its deadline, used up, its researcher no longer accredited: refused
given a patient who has accepted, was delivered or paid
    it is refused; after his custodian declined he can be accepted again, while his grant stands, not once he revoked it
given a grant that is not what is asked for
    another grantee, fewer purposes, begun later, ended earlier than asked: refused, and nothing is kept
given a signature of another meaning
    with another custodian, request, contract, content, patient, or of a stranger: refused, and nothing is kept
    too late, or for counts that have passed, with nothing that stands: the ConsentRegistry's error comes through
given a request that names patients
    who is asked shows it; another patient, salt or proof, a proof of another, or none: refused
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from asking import (
    AWAITING,
    CANCELLED,
    COMMITTEE,
    CONTENT,
    NONE,
    OTHER_CONTENT,
    OTHER_RESEARCHER,
    RESERVED,
    REWARD,
    ReservationView,
    leaf_of,
    parent_of,
    tree_of,
)
from evm import (
    BUNDLE,
    CUSTODIAN_KIND,
    DECISION_PERIOD,
    DISPUTE_PERIOD,
    HRESCH,
    NEVER,
    RESEARCHER_KIND,
    SPLIT,
    TREAT,
    ZERO_ADDRESS,
    Event,
    GrantView,
    deploy,
    pack_grant,
    refusal,
)
from institutions import data_of
from people import BOTH, Circle, guardians

pytestmark = pytest.mark.contracts

SALTS = [bytes([0x51 + number]) * 32 for number in range(5)]


@pytest.fixture
def acceptance(asking, actors, study):
    return asking.acceptance(study, actors.patient, actors.custodian)


@pytest.fixture
def nothing_kept(asking, actors, study, ledger):
    """Says that no place is taken, and nothing was granted or reserved."""

    def check(patient=actors.patient, custodian=actors.custodian, content=CONTENT):
        assert asking.request(study).places == 2
        assert asking.reservation(study, patient) == ReservationView(ZERO_ADDRESS, 0, NONE)
        assert not ledger.is_live(asking.grant_id(study, patient, custodian, content), HRESCH)

    return check


# ------------------------------------------------------------------------------------------------------- accepting


@pytest.mark.parametrize("sender", ["patient", "stranger", "custodian", "researcher"])
def test_accept__whoever_sends_it__is_granted_and_reserved_and_told(asking, ledger, actors, study, acceptance, sender):
    sent = asking.accept(getattr(actors, sender), study, acceptance)

    grant_id = asking.grant_id(study, actors.patient, actors.custodian)
    terms = asking.terms_for(study, actors.custodian)
    granted = GrantView(actors.researcher, sent.time, NEVER, HRESCH, stamp=0, epoch=1)
    assert ledger.get_grant(grant_id) == granted
    assert ledger.is_live(grant_id, HRESCH)
    assert asking.reservation(study, actors.patient) == ReservationView(actors.custodian, sent.time, RESERVED)
    assert asking.request(study).places == 1
    names = [event.name for event in sent.events]
    assert names == ["AccessGranted", "TransferSingle", "RewardReserved"]
    assert sent.events[0].values == {"id": grant_id, "terms": terms, "bundle": BUNDLE, "granted": granted.word}
    told = {"id": study, "patient": actors.patient, "custodian": actors.custodian, "content": CONTENT}
    assert sent.events[-1] == Event("RewardReserved", told, asking.contract.address)
    assert asking.credit(actors.patient) == 0


def test_accept__by_two_patients__each_has_a_place(asking, actors, study, acceptance):
    asking.accept(actors.stranger, study, acceptance)
    other = asking.acceptance(study, actors.other_patient, actors.other_custodian)

    asking.accept(actors.stranger, study, other)

    assert asking.request(study).places == 0
    assert asking.reservation(study, actors.other_patient).custodian == actors.other_custodian


def test_accept__in_a_batch__each_is_accepted_or_reported(asking, actors, study, acceptance):
    wrong = replace(acceptance, custodian=actors.other_custodian)
    other = asking.acceptance(study, actors.other_patient, actors.custodian)
    calls = [data_of(asking.accepting(study, each)) for each in (wrong, acceptance, acceptance, other)]

    sent = asking.chain.send(asking.call("batch", calls), sender=actors.stranger)

    refused = [event.values["index"] for event in sent.events if event.name == "CallRefused"]
    assert refused == [0, 2]
    assert asking.request(study).places == 0


@pytest.mark.parametrize("wider", [{"purposes": HRESCH | TREAT}, {"not_before": 1}], ids=str)
def test_accept__more_than_is_asked_for__is_accepted(asking, actors, study, wider):
    asking.accept(actors.stranger, study, asking.acceptance(study, actors.patient, actors.custodian, **wider))

    assert asking.reservation(study, actors.patient).status == RESERVED


def test_accept__by_the_key_that_took_over__is_the_patients(asking, authority, actors, study):
    circle = Circle(guardians(2), 2)
    authority.name_guardians(actors.patient, actors.patient, circle.digest(actors.patient))
    authority.recover(actors.patient, actors.doctor, circle, sender=actors.stranger)
    own = asking.acceptance(study, actors.patient, actors.custodian)
    new = asking.acceptance(study, actors.patient, actors.custodian, signer=actors.doctor, mandate=1)

    refused = refusal(lambda: asking.accept(actors.stranger, study, own))
    asking.accept(actors.stranger, study, new)

    assert refused == ("AuthorityNotAllowed", actors.patient, actors.patient)
    assert asking.reservation(study, actors.patient).status == RESERVED


def test_accept__by_a_delegate_who_may_grant__is_told(asking, authority, actors, study):
    authority.appoint(actors.patient, actors.doctor, verbs=BOTH, purposes=HRESCH)
    signed = asking.acceptance(study, actors.patient, actors.custodian, signer=actors.doctor, mandate=1)

    sent = asking.accept(actors.stranger, study, signed)

    assert [event.name for event in sent.events] == ["ActedFor", "AccessGranted", "TransferSingle", "RewardReserved"]


@pytest.mark.parametrize("how", ["for another purpose", "until too early", "dismissed", "never appointed"])
def test_accept__by_a_delegate_who_may_not__is_refused(asking, authority, actors, study, nothing_kept, how):
    scope = {"verbs": BOTH, "purposes": HRESCH}
    match how:
        case "for another purpose":
            authority.appoint(actors.patient, actors.doctor, **{**scope, "purposes": TREAT})
        case "until too early":
            authority.appoint(actors.patient, actors.doctor, **scope, expires_at=NEVER - 1)
        case "dismissed":
            authority.appoint(actors.patient, actors.doctor, **scope)
            authority.dismiss(actors.patient, actors.patient, actors.doctor)
    signed = asking.acceptance(study, actors.patient, actors.custodian, signer=actors.doctor, mandate=1)

    name, *values = refusal(lambda: asking.accept(actors.stranger, study, signed))

    beyond = how in ("for another purpose", "until too early")
    assert name == ("AuthorityBeyondDelegation" if beyond else "AuthorityNotAllowed")
    assert values == [actors.patient, actors.doctor]
    nothing_kept()


def test_accept__by_a_contract_wallet__as_its_owner_signed(asking, actors, study, deploy_harness):
    wallet = deploy_harness("Wallet__Mock")
    asking.chain.send(wallet.functions.set(actors.other_patient, 0), sender=actors.deployer)
    other = asking.opened(actors.researcher)
    asking.approve(COMMITTEE, other)
    signed = asking.acceptance(study, wallet.address, actors.custodian, key=actors.other_patient)

    asking.accept(actors.stranger, study, signed)

    assert asking.reservation(study, wallet.address).status == RESERVED
    forged = asking.acceptance(other, wallet.address, actors.custodian, key=actors.stranger)
    refused = refusal(lambda: asking.accept(actors.stranger, other, forged))
    assert refused == ("SignedSignatureInvalid", wallet.address)


# -------------------------------------------------------------------------------- the signature was sent before


def test_accept__the_signature_was_sent_before__what_stands_is_taken(asking, ledger, actors, study, acceptance):
    asking.chain.send(asking.grant_signed(acceptance, study), sender=actors.other_patient)

    sent = asking.accept(actors.stranger, study, acceptance)

    assert [event.name for event in sent.events] == ["RewardReserved"]
    assert asking.reservation(study, actors.patient).status == RESERVED
    grant_id = asking.grant_id(study, actors.patient, actors.custodian)
    assert ledger.get_grant(grant_id).epoch == 1


def test_accept__he_granted_it_himself__needs_no_signature(asking, ledger, actors, study, acceptance):
    terms = asking.terms_for(study, actors.custodian)
    ledger.grant_word(actors.patient, pack_grant(actors.researcher, 0, NEVER, HRESCH), terms=terms)

    asking.accept(actors.stranger, study, replace(acceptance, signature=b""))

    assert asking.reservation(study, actors.patient).status == RESERVED


def test_accept__sent_before_and_revoked_in_between__is_refused(
    asking, ledger, actors, study, acceptance, nothing_kept
):
    asking.chain.send(asking.grant_signed(acceptance, study), sender=actors.stranger)
    ledger.revoke(actors.patient, asking.grant_id(study, actors.patient, actors.custodian))

    refused = refusal(lambda: asking.accept(actors.stranger, study, acceptance))

    assert refused == ("SignedOutdated", 0, 2)
    nothing_kept()


def test_accept__revoked_all_in_between__is_refused(asking, ledger, actors, study, acceptance, nothing_kept):
    ledger.revoke_all(actors.patient)

    refused = refusal(lambda: asking.accept(actors.stranger, study, acceptance))

    assert refused == ("SignedOutdated", 0, 1 << 8)
    nothing_kept()


@pytest.mark.parametrize("shorter", ["other purpose", "ends earlier", "begins later"])
def test_accept__what_stands_is_not_what_is_asked_for__is_refused(
    asking, ledger, actors, study, acceptance, nothing_kept, shorter
):
    terms, until = asking.terms_for(study, actors.custodian), asking.terms(deadline=asking.request(study).deadline)
    word = {
        "other purpose": pack_grant(actors.researcher, 0, NEVER, TREAT),
        "ends earlier": pack_grant(actors.researcher, 0, until.access_until - 1, HRESCH),
        "begins later": pack_grant(actors.researcher, asking.chain.now + 10_000, NEVER, HRESCH),
    }[shorter]
    ledger.grant_word(actors.patient, word, terms=terms)
    before = asking.request(study)

    refused = refusal(lambda: asking.accept(actors.stranger, study, acceptance))

    assert refused == ("SignedOutdated", 0, 1)
    assert asking.request(study) == before
    assert asking.reservation(study, actors.patient).status == NONE


# --------------------------------------------------------------------------------- requests that cannot be accepted


@pytest.mark.parametrize("number", [0, 9])
def test_accept__nobody_opened_it__is_refused(asking, actors, study, acceptance, number):
    assert refusal(lambda: asking.accept(actors.stranger, number, acceptance)) == (
        "AccessRequestsRequestUnknown",
        number,
    )


@pytest.mark.parametrize(("how", "status"), [("not approved", AWAITING), ("cancelled", CANCELLED)])
def test_accept__not_open__is_refused(asking, actors, how, status):
    request = asking.opened(actors.researcher)
    signed = asking.acceptance(request, actors.patient, actors.custodian)
    if how == "cancelled":
        asking.approve(COMMITTEE, request)
        asking.cancel(actors.researcher, request)

    refused = refusal(lambda: asking.accept(actors.stranger, request, signed))

    assert refused == ("AccessRequestsRequestNotOpen", request, status)


@pytest.mark.parametrize(("before", "is_done"), [(2, True), (1, True), (0, False), (-1, False)])
def test_accept__around_the_deadline__no_longer_at_it(asking, actors, study, acceptance, before, is_done):
    deadline = asking.request(study).deadline

    if is_done:
        asking.accept(actors.stranger, study, acceptance, at=deadline - before)
        assert asking.reservation(study, actors.patient).status == RESERVED
    else:
        refused = refusal(lambda: asking.accept(actors.stranger, study, acceptance, at=deadline - before))
        assert refused == ("AccessRequestsDeadlinePassed", study, deadline)


def test_accept__used_up__is_refused_until_a_place_is_free(asking, actors, study, acceptance):
    for patient in (actors.other_patient, actors.stranger):
        asking.accept(actors.stranger, study, asking.acceptance(study, patient, actors.custodian))

    assert refusal(lambda: asking.accept(actors.stranger, study, acceptance)) == ("AccessRequestsUsedUp", study)
    asking.decline(actors.custodian, study, actors.other_patient)
    asking.accept(actors.stranger, study, acceptance)


@pytest.mark.parametrize("how", ["suspended", "withdrawn"])
def test_accept__researcher_no_longer_accredited__is_refused(
    asking, institutions, actors, study, acceptance, nothing_kept, how
):
    if how == "suspended":
        institutions.suspend_accreditation(actors.member, actors.researcher, RESEARCHER_KIND)
    else:
        institutions.accredit(actors.member, actors.researcher, RESEARCHER_KIND, 0)

    refused = refusal(lambda: asking.accept(actors.stranger, study, acceptance))

    assert refused == ("AccessRequestsNotAccredited", actors.researcher)
    nothing_kept()


# ------------------------------------------------------------------------------------------------- accepted already


@pytest.mark.parametrize("status", ["reserved", "delivered", "disputed", "paid", "returned"])
def test_accept__a_second_time__is_refused(asking, institutions, actors, reserved, status):
    if status != "reserved":
        asking.deliver(actors.custodian, reserved, actors.patient)
    if status in ("disputed", "returned"):
        asking.dispute(actors.researcher, reserved, actors.patient)
    if status == "paid":
        asking.confirm(actors.researcher, reserved, actors.patient)
    if status == "returned":
        institutions.decide([actors.member], asking.call("decide", reserved, actors.patient, False))

    for custodian, epoch in ((actors.custodian, 1), (actors.other_custodian, 0)):
        again = asking.acceptance(reserved, actors.patient, custodian, epoch=epoch)
        refused = refusal(lambda again=again: asking.accept(actors.patient, reserved, again))
        assert refused == ("AccessRequestsReservedAlready", reserved, actors.patient)


def test_accept__declined_and_his_grant_stands__he_is_accepted_again(asking, actors, reserved, acceptance):
    asking.decline(actors.custodian, reserved, actors.patient)

    asking.accept(actors.stranger, reserved, acceptance)

    assert asking.reservation(reserved, actors.patient).status == RESERVED


def test_accept__declined_and_revoked__is_refused(asking, ledger, actors, reserved, acceptance):
    asking.decline(actors.custodian, reserved, actors.patient)
    ledger.revoke(actors.patient, asking.grant_id(reserved, actors.patient, actors.custodian))

    assert refusal(lambda: asking.accept(actors.stranger, reserved, acceptance)) == ("SignedOutdated", 0, 2)


def test_accept__declined__another_custodian_can_be_named(asking, actors, reserved):
    asking.decline(actors.custodian, reserved, actors.patient)

    asking.accept(actors.stranger, reserved, asking.acceptance(reserved, actors.patient, actors.other_custodian))

    assert asking.reservation(reserved, actors.patient).custodian == actors.other_custodian


# -------------------------------------------------------------------------------------------- grants that are unfit


def test_accept__unfit_grant__is_refused_and_nothing_is_kept(asking, actors, study, nothing_kept):
    until = asking.terms(deadline=asking.request(study).deadline).access_until
    now = asking.chain.now
    for unfit in (
        {"grantee": actors.doctor},
        {"grantee": OTHER_RESEARCHER},
        {"purposes": TREAT},
        {"purposes": 0},
        {"expires_at": until - 1},
        {"expires_at": 0},
        {"not_before": now + 10_000},
    ):
        signed = asking.acceptance(study, actors.patient, actors.custodian, **unfit)
        name, *values = refusal(lambda signed=signed: asking.accept(actors.stranger, study, signed))
        assert (name, values) == ("AccessRequestsGrantUnfit", [study, signed.wanted]), unfit
    nothing_kept()


def test_accept__just_as_long_as_asked_for__is_accepted(asking, actors, study):
    until = asking.terms(deadline=asking.request(study).deadline).access_until
    time = asking.chain.now + 100
    signed = asking.acceptance(study, actors.patient, actors.custodian, expires_at=until, not_before=time)

    refused = refusal(lambda: asking.accept(actors.stranger, study, signed, at=time - 1))
    asking.accept(actors.stranger, study, signed, at=time)

    assert refused[0] == "AccessRequestsGrantUnfit"
    assert asking.reservation(study, actors.patient).status == RESERVED


def test_accept__the_patient_is_the_researcher__is_refused(asking, actors, study):
    signed = asking.acceptance(study, actors.researcher, actors.custodian)

    refused = refusal(lambda: asking.accept(actors.stranger, study, signed))

    assert refused == ("ConsentRegistryGranteeIsPatient", actors.researcher)


# ------------------------------------------------------------------------------------ signatures of another meaning


@pytest.mark.parametrize("swapped", ["custodian", "content", "bundle", "patient", "signature", "request"])
def test_accept__something_was_swapped__is_refused_and_nothing_is_kept(
    asking, actors, study, acceptance, nothing_kept, swapped
):
    request, who = study, actors.patient
    match swapped:
        case "custodian":
            changed = replace(acceptance, custodian=actors.stranger)
        case "content":
            changed = replace(acceptance, content=OTHER_CONTENT)
        case "bundle":
            changed = replace(acceptance, bundle=OTHER_CONTENT)
        case "patient":
            changed, who = replace(acceptance, patient=actors.other_patient), actors.other_patient
        case "signature":
            forged = asking.acceptance(study, actors.patient, actors.custodian, key=actors.stranger)
            changed = replace(acceptance, signature=forged.signature)
        case _:
            changed, request = acceptance, asking.opened(actors.researcher)
            asking.approve(COMMITTEE, request)

    refused = refusal(lambda: asking.accept(actors.stranger, request, changed))

    assert refused == ("SignedSignatureInvalid", who)
    nothing_kept()
    assert asking.request(request).places == 2


def test_accept__of_a_grant_for_another_contract__is_refused(asking, ledger, actors, study, acceptance):
    """What was granted under any other terms binds nobody here."""
    ledger.grant_word(actors.patient, acceptance.wanted, terms=CONTENT)

    refused = refusal(lambda: asking.accept(actors.stranger, study, replace(acceptance, signature=b"")))

    assert refused == ("SignedSignatureInvalid", actors.patient)


def test_accept__a_second_deployment__takes_nothing_of_the_first(
    asking, contracts, chain, actors, study, acceptance, deploy_harness
):
    links = (contracts.consortium.address, contracts.consents.address)
    other = replace(asking, contract=second_deployment(chain, links, actors.deployer))
    request = other.opened(actors.researcher)
    other.approve(COMMITTEE, request)
    assert request == study

    for before in (False, True):
        if before:
            asking.accept(actors.stranger, study, acceptance)
        refused = refusal(lambda: other.accept(actors.stranger, request, acceptance))
        assert refused == ("SignedSignatureInvalid", actors.patient)


def second_deployment(chain, links, sender):
    return deploy(chain, "AccessRequests", *links, SPLIT, DISPUTE_PERIOD, DECISION_PERIOD, sender=sender)


@pytest.mark.parametrize(("before", "is_done"), [(1, True), (0, False)])
def test_accept__signature_around_its_deadline__no_longer_at_it(asking, actors, study, before, is_done):
    deadline = asking.chain.now + 1000
    signed = asking.acceptance(study, actors.patient, actors.custodian, deadline=deadline)

    if is_done:
        asking.accept(actors.stranger, study, signed, at=deadline - before)
    else:
        refused = refusal(lambda: asking.accept(actors.stranger, study, signed, at=deadline - before))
        assert refused == ("SignedDeadlinePassed", deadline)


@pytest.mark.parametrize("counts", [{"epoch": 1}, {"stamp": 1}], ids=str)
def test_accept__signed_for_other_counts__is_refused(asking, actors, study, nothing_kept, counts):
    signed = asking.acceptance(study, actors.patient, actors.custodian, **counts)

    assert refusal(lambda: asking.accept(actors.stranger, study, signed))[0] == "SignedOutdated"
    nothing_kept()


@pytest.mark.parametrize("custodian", ["stranger", "patient"])
def test_accept__custodian_who_is_none__reserves_and_anybody_frees_the_place(asking, actors, study, custodian):
    named = getattr(actors, custodian)
    asking.accept(actors.stranger, study, asking.acceptance(study, actors.patient, named))

    refused = refusal(lambda: asking.deliver(named, study, actors.patient))
    asking.decline(actors.doctor, study, actors.patient)

    assert refused == ("AccessRequestsNotAccredited", named)
    assert asking.request(study).places == 2


def test_accept__too_little_gas__nothing_is_kept_or_all(asking, actors, study, acceptance):
    """Out of gas inside the ConsentRegistry is no answer of its own."""
    function, outcomes = asking.accepting(study, acceptance), []

    for gas in range(60_000, 180_000, 6_000):
        mark = asking.chain.snapshot()
        is_done = asking.chain.attempt(function, sender=actors.stranger, gas=gas).is_done
        outcomes.append(is_done)
        assert asking.reservation(study, actors.patient).status == (RESERVED if is_done else NONE)
        asking.chain.revert(mark)

    assert outcomes == sorted(outcomes)
    assert set(outcomes) == {False, True}


# -------------------------------------------------------------------------------------------------- who is asked


@pytest.fixture(params=[1, 2, 3, 5])
def named(request, asking, actors):
    """A request that names so many patients; its number, its leaves and their proofs."""
    accounts = (actors.patient, actors.other_patient, actors.doctor, actors.stranger, actors.deployer)
    leaves = [leaf_of(account, salt) for account, salt in zip(accounts, SALTS, strict=True)][: request.param]
    root, proofs = tree_of(leaves)
    number = asking.opened(actors.researcher, asking.terms(invitees=root, grants=5))
    return number, leaves, proofs


def test_accept__who_is_asked_shows_it__is_accepted(asking, actors, named):
    number, leaves, proofs = named
    accounts = (actors.patient, actors.other_patient, actors.doctor, actors.stranger, actors.deployer)

    for account, salt, proof in zip(accounts, SALTS, proofs, strict=False):
        signed = asking.acceptance(number, account, actors.custodian)
        asking.accept(actors.stranger, number, signed, (salt, proof))

    assert asking.request(number).places == 5 - len(leaves)


def test_accept__who_is_not_asked__is_refused(asking, actors, named):
    number, leaves, proofs = named
    own = (SALTS[0], proofs[0])
    stranger = "0x8626f6940E2eb28930eFb4CeF49B2d1F2C9C1199"

    for patient, invitation in (
        (stranger, own),
        (actors.patient, (SALTS[1], proofs[0])),
        (actors.patient, (bytes(32), proofs[0])),
        (actors.patient, (SALTS[0], [*proofs[0], leaves[0]])),
        (actors.patient, (SALTS[0], [bytes(32)])),
        (stranger, (bytes(32), [])),
    ):
        signed = asking.acceptance(number, patient, actors.custodian)
        refused = refusal(
            lambda signed=signed, invitation=invitation: asking.accept(actors.stranger, number, signed, invitation)
        )
        assert refused == ("AccessRequestsNotInvited", number, patient)
    assert asking.request(number).places == 5


def test_accept__a_node_in_place_of_a_leaf__is_refused(asking, actors):
    """Two leaves' 64 bytes are no leaf's preimage: leaves are hashed twice."""
    one, other = leaf_of(actors.patient, SALTS[0]), leaf_of(actors.doctor, SALTS[1])
    number = asking.opened(actors.researcher, asking.terms(invitees=parent_of(one, other)))

    for invitation in ((one, []), (other, [one]), (min(one, other), [max(one, other)])):
        signed = asking.acceptance(number, actors.patient, actors.custodian)
        refused = refusal(
            lambda signed=signed, invitation=invitation: asking.accept(actors.stranger, number, signed, invitation)
        )
        assert refused == ("AccessRequestsNotInvited", number, actors.patient)


def test_accept__an_open_call_with_an_invitation__nobody_looks_at_it(asking, actors, study, acceptance):
    asking.accept(actors.stranger, study, acceptance, (SALTS[0], [SALTS[1]]))

    assert asking.reservation(study, actors.patient).status == RESERVED


def test_accept__and_custodian_loses_his_accreditation__he_delivers_no_more(asking, institutions, actors, reserved):
    institutions.suspend_accreditation(actors.member, actors.custodian, CUSTODIAN_KIND)

    refused = refusal(lambda: asking.deliver(actors.custodian, reserved, actors.patient))

    assert refused == ("AccessRequestsNotAccredited", actors.custodian)
    assert asking.request(reserved).reward == REWARD
