"""batch, of every contract that has it

given direct and signed verbs of many in one batch
    each does what it does alone, with the same events in the same order; the caller stays the caller
    one that is refused is told with its place and its error, does nothing, and the others are done
    many fit into a block
given nothing, questions, or a batch in a batch
    the batch is made, and tells nothing of its own
given a call that fails without saying why: no such verb, no data, a value that does not fit, no gas
    the whole is reverted
given a stranger who sends a batch
    he acts for himself, however deep the batch
"""

from __future__ import annotations

import pytest
from eth_utils import keccak
from evm import (
    BUNDLE,
    NEVER,
    OTHER_TERMS,
    TERMS,
    TREAT,
    FailedError,
    RefusedError,
    decode_error,
    errors_of,
    grant_id_of,
    pack_grant,
)
from signed_cases import (
    DELEGATES_GRANT,
    NEXT_RECORD,
    OWN_APPOINT,
    OWN_GRANT,
    OWN_NAME_GUARDIANS,
    OWN_REVOKE,
    OWN_REVOKE_ALL,
    RECORD,
    REGISTER,
    RETRACT,
    SET_KEY,
    SUPERSEDE,
    Scene,
    delegate_appointed,
)

pytestmark = pytest.mark.contracts

BLOCK_GAS = 30_000_000
PANIC = bytes.fromhex("4e487b71")


@pytest.fixture
def scene(chain, contracts, actors) -> Scene:
    return Scene(chain, contracts, actors)


@pytest.fixture
def consents(contracts):
    return contracts.consents


@pytest.fixture
def grant_id(actors):
    return grant_id_of(actors.patient, actors.doctor)


def data(function) -> bytes:
    return function.data


def batch(scene: Scene, calls, *, sender: str | None = None, contract: str = "ConsentRegistry", **when):
    function = scene.contract(contract).functions.batch(
        [each if isinstance(each, bytes) else data(each) for each in calls]
    )
    return scene.chain.send(function, sender=sender or scene.actors.stranger, **when)


def refusals(scene: Scene, receipt, contract: str = "ConsentRegistry"):
    """Return place and error of each call that was refused."""
    errors = errors_of(scene.contract(contract).abi)
    refused = [event.values for event in receipt.events if event.name == "CallRefused"]
    return [(values["index"], decode_error(values["reason"], errors).args) for values in refused]


def names(receipt):
    return [event.name for event in receipt.events]


def reverts_whole(scene: Scene, calls, *, contract: str = "ConsentRegistry", gas: int = 2_000_000) -> None:
    """Send a batch that must be reverted without a reason, and leave nothing."""
    function = scene.contract(contract).functions.batch(calls)
    mined = scene.chain.attempt(function, sender=scene.actors.patient, gas=gas)
    assert (mined.is_done, mined.logs) == (False, ())
    with pytest.raises(FailedError) as failed:
        scene.chain.call(function, sender=scene.actors.patient, gas=gas)
    assert failed.value.data == b""


def granting(scene: Scene, terms: bytes = TERMS, *, grantee: str | None = None, purposes: int = TREAT):
    wanted = pack_grant(grantee or scene.actors.doctor, 0, NEVER, purposes)
    return scene.contracts.consents.functions.grant(terms, BUNDLE, wanted)


# ------------------------------------------------------------------------------------------- verbs of many at once


def test_batch__direct_and_signed__each_does_what_it_does_alone(scene, actors, consents):
    at = scene.chain.now + 100
    functions = [
        scene.signed(OWN_GRANT),
        granting(scene, grantee=actors.doctor),
        scene.signed(OWN_APPOINT),
        scene.signed(OWN_NAME_GUARDIANS),
        consents.functions.revokeAll(actors.stranger),
        scene.signed(OWN_REVOKE),
        scene.signed(OWN_REVOKE_ALL),
    ]
    mark, alone = scene.chain.snapshot(), []
    for number, function in enumerate(functions):
        alone += scene.relay(function, at=at + number).events
    scene.chain.revert(mark)

    together = batch(scene, functions, at=at)

    assert names(together) == [event.name for event in alone]
    assert [event.values["patient"] for event in together.events if event.name == "AllAccessRevoked"] == [
        actors.stranger,
        actors.patient,
    ]
    assert scene.ledger.stamp(actors.patient) == scene.ledger.stamp(actors.stranger) == 1


def test_batch__called__says_which_were_done(scene, actors, consents, grant_id):
    calls = [granting(scene), granting(scene, grantee=actors.patient), consents.functions.revoke(grant_id)]

    done = scene.chain.call(consents.functions.batch([data(each) for each in calls]), sender=actors.patient)

    assert done == [True, False, True]


def test_batch__direct_verbs__are_the_callers(scene, actors, grant_id):
    sent = batch(scene, [granting(scene), granting(scene, OTHER_TERMS)], sender=actors.patient)

    assert "CallRefused" not in names(sent)
    assert {event.values["operator"] for event in sent.events if event.name == "TransferSingle"} == {actors.patient}
    assert scene.ledger.is_live(grant_id)
    assert not scene.ledger.is_live(grant_id_of(scene.contracts.consents.address, actors.doctor))


def test_batch__signed_by_several__are_each_signers(scene, actors):
    delegate_appointed(scene)
    other = scene.signed(
        OWN_GRANT, scene.message(OWN_GRANT, patient=actors.patient, terms=OTHER_TERMS), by=actors.patient
    )

    sent = batch(scene, [scene.signed(DELEGATES_GRANT), other])

    assert names(sent) == ["ActedFor", "AccessGranted", "TransferSingle", "AccessGranted", "TransferSingle"]


def test_batch__of_the_consortium_and_of_records__is_made(scene, actors):
    keys = batch(scene, [scene.signed(SET_KEY)], contract="Consortium")
    records = batch(
        scene,
        [scene.signed(REGISTER), scene.signed(SUPERSEDE), scene.signed(RETRACT)],
        contract="RecordRegistry",
    )

    assert names(keys) == ["EncryptionKeySet"]
    assert names(records) == ["RecordRegistered", "RecordSuperseded", "RecordRetracted"]
    assert scene.ledger.record(actors.custodian, NEXT_RECORD).version == 2
    assert scene.ledger.record(actors.custodian, RECORD).status == 3


def test_batch__of_emergencies__is_made(scene, actors, emergencies):
    functions = emergencies.contract.functions
    calls = [data(functions.setBar(actors.patient, barred)) for barred in (True, False, True)]

    sent = scene.chain.send(
        functions.batch([*calls, data(functions.setBar(actors.doctor, True))]), sender=actors.patient
    )

    assert names(sent) == ["BarSet", "BarSet", "BarSet", "CallRefused"]
    assert emergencies.bar(actors.patient) == (True, 3)
    assert emergencies.bar(actors.doctor) == (False, 0)


# ------------------------------------------------------------------------------------------------ some are refused


@pytest.mark.parametrize("place", [0, 1, 2])
def test_batch__one_is_refused__is_told_and_the_others_are_done(scene, actors, place):
    good = [granting(scene, terms) for terms in (TERMS, OTHER_TERMS)]
    bad = granting(scene, grantee=actors.patient)
    calls = [*good[:place], bad, *good[place:]]

    sent = batch(scene, calls, sender=actors.patient)

    assert refusals(scene, sent) == [(place, ("ConsentRegistryGranteeIsPatient", actors.patient))]
    assert names(sent).index("CallRefused") == 2 * place
    for terms in (TERMS, OTHER_TERMS):
        assert scene.ledger.is_live(grant_id_of(actors.patient, actors.doctor, terms))


def test_batch__each_is_refused__is_made_and_tells_each(scene, actors, grant_id):
    expired = scene.signed(OWN_GRANT, scene.message(OWN_GRANT, deadline=scene.chain.now))
    forged = scene.signed(OWN_GRANT, by=actors.stranger)
    forbidden = scene.contracts.consents.functions.revoke(grant_id)

    sent = batch(scene, [expired, forged, forbidden])

    assert [error[0] for _, error in refusals(scene, sent)] == [
        "SignedDeadlinePassed",
        "SignedSignatureInvalid",
        "AuthorityNotAllowed",
    ]
    assert len(sent.events) == 3


def test_batch__same_signature_twice__is_done_once(scene, grant_id):
    function = scene.signed(OWN_GRANT)

    sent = batch(scene, [function, function, function])

    assert refusals(scene, sent) == [(1, ("SignedOutdated", 0, 1)), (2, ("SignedOutdated", 0, 1))]
    assert scene.ledger.get_grant(grant_id).epoch == 1


def test_batch__one_is_refused_halfway__leaves_nothing(scene, actors, consents):
    """A nested batch whose whole is refused: what it did first is undone, and its events are not told."""
    inner = consents.functions.batch([data(granting(scene)), b""])

    reverts_whole(scene, [data(inner)])

    assert not scene.ledger.is_live(grant_id_of(actors.patient, actors.doctor))


def test_batch__an_error_of_solidity__is_told(scene, actors, contracts):
    """A record whose status is none: reading it panics, which has a reason too."""
    base = bytes.fromhex(actors.custodian[2:]).rjust(32, b"\0") + bytes(32)
    slot = int.from_bytes(keccak(RECORD + keccak(base)), "big")
    scene.chain.store(contracts.records.address, slot, 9 << 240 | 1)

    sent = batch(scene, [contracts.records.functions.getRecord(actors.custodian, RECORD)], contract="RecordRegistry")

    [event] = sent.events
    assert (event.name, event.values["index"]) == ("CallRefused", 0)
    assert event.values["reason"][:4] == PANIC


# ------------------------------------------------------------------------------------------ nothing, and questions


@pytest.mark.parametrize("contract", ["ConsentRegistry", "Consortium", "RecordRegistry", "AccessRequests"])
def test_batch__empty__is_made(scene, contract):
    assert batch(scene, [], contract=contract).events == ()


def test_batch__of_questions__is_made_and_tells_nothing(scene, actors, consents, grant_id):
    functions = consents.functions
    calls = [functions.isLive(grant_id, TREAT), functions.getStamp(actors.patient), functions.eip712Domain()]

    assert batch(scene, calls).events == ()


def test_batch__a_question_is_refused__is_told(scene, consents, grant_id):
    sent = batch(scene, [consents.functions.getGrant(grant_id), consents.functions.isLive(grant_id, 0)])

    assert refusals(scene, sent) == [
        (0, ("ConsentRegistryGrantUnknown", grant_id)),
        (1, ("ConsentRegistryPurposesEmpty",)),
    ]


def test_batch__in_a_batch__is_the_callers_too(scene, actors, consents, grant_id):
    inner = consents.functions.batch([data(granting(scene)), data(granting(scene, grantee=actors.patient))])
    middle = consents.functions.batch([data(inner), data(granting(scene, OTHER_TERMS))])

    sent = batch(scene, [middle, granting(scene, BUNDLE)], sender=actors.patient)

    assert refusals(scene, sent) == [(1, ("ConsentRegistryGranteeIsPatient", actors.patient))]
    for terms in (TERMS, OTHER_TERMS, BUNDLE):
        assert scene.ledger.is_live(grant_id_of(actors.patient, actors.doctor, terms))


# ------------------------------------------------------------------------------------------------ without a reason


def test_batch__no_such_verb__reverts_the_whole(scene, actors, grant_id):
    for nonsense in (b"", b"\x01", b"\xde\xad\xbe\xef", b"\xde\xad\xbe\xef" + bytes(64)):
        reverts_whole(scene, [data(granting(scene)), nonsense])

    assert not scene.ledger.is_live(grant_id)


def test_batch__a_value_that_does_not_fit_or_is_cut__reverts_the_whole(scene, consents, grant_id):
    question = data(consents.functions.isLive(grant_id, TREAT))
    wide = question[:-32] + (1 << 16).to_bytes(32, "big")

    for nonsense in (wide, question[:-1], data(scene.signed(OWN_GRANT))[:-96]):
        reverts_whole(scene, [data(granting(scene)), nonsense])

    assert not scene.ledger.is_live(grant_id)


def test_batch__too_little_gas__reverts_the_whole_or_does_all(scene, actors, consents):
    calls = [data(granting(scene, keccak(bytes([number])))) for number in range(4)]
    function = consents.functions.batch(calls)
    outcomes = []

    for gas in range(60_000, 260_000, 5_000):
        try:
            done = scene.chain.call(function, sender=actors.patient, gas=gas)
        except FailedError:
            outcomes.append("nothing")
        else:
            assert done == [True] * 4, gas
            outcomes.append("done")

    assert outcomes == sorted(outcomes, reverse=True)
    assert set(outcomes) == {"done", "nothing"}


def test_batch__with_money__is_refused(scene, actors, consents):
    function = consents.functions.batch([])

    mined = scene.chain.attempt(function, sender=actors.patient, value=1, gas=100_000)

    assert not mined.is_done
    assert scene.chain.balance(consents.address) == 0


# --------------------------------------------------------------------------------------------- nobody but oneself


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_batch__by_a_stranger__acts_for_nobody_else(scene, actors, consents, grant_id, depth):
    scene.ledger.grant(actors.patient, actors.doctor)
    functions = consents.functions
    word = pack_grant(actors.stranger, 0, NEVER, TREAT)
    calls = [
        functions.revoke(grant_id),
        functions.revokeAll(actors.patient),
        functions.grantFor(actors.patient, TERMS, BUNDLE, word),
        functions.appoint(actors.patient, actors.stranger, NEVER << 40 | 1 << 24 | 3 << 16),
        functions.dismiss(actors.patient, actors.researcher),
        functions.nameGuardians(actors.patient, TERMS, 86_400),
        functions.objectToRecovery(actors.patient),
        functions.completeRecovery(actors.patient),
        functions.setApprovalForAll(actors.stranger, True),
        functions.safeTransferFrom(actors.doctor, actors.stranger, grant_id, 1, b""),
        functions.grant(TERMS, BUNDLE, word | 1 << 16),
    ]
    count, slots = len(calls), scene.authority.slots_of(actors.patient, actors.stranger)
    for _ in range(depth - 1):
        calls = [functions.batch([data(each) for each in calls])]

    sent = batch(scene, calls)

    assert [event.name for event in sent.events] == ["CallRefused"] * count
    assert scene.ledger.is_live(grant_id)
    assert scene.authority.slots_of(actors.patient, actors.stranger) == slots


def test_batch__the_contract_itself__has_no_rights(scene, actors, consents):
    """No call of a batch comes from the contract's own address, so nothing is ever granted in its name."""
    inner = consents.functions.batch([data(granting(scene))])

    batch(scene, [inner], sender=actors.patient)

    with pytest.raises(RefusedError):
        scene.ledger.get_grant(grant_id_of(consents.address, actors.doctor))


# ---------------------------------------------------------------------------------------------------------- many


def test_batch__a_hundred_signed_grants__fit_into_a_block(scene, actors, consents):
    terms = [keccak(number.to_bytes(2, "big")) for number in range(100)]
    calls = [data(scene.signed(OWN_GRANT, scene.message(OWN_GRANT, terms=each))) for each in terms]
    function = consents.functions.batch([*calls[:50], calls[0], *calls[50:]])

    mined = scene.chain.attempt(function, sender=actors.stranger, gas=BLOCK_GAS // 2)

    assert mined.is_done
    assert mined.gas_used < BLOCK_GAS // 5
    assert len(mined.logs) == 201
    ids = [grant_id_of(actors.patient, actors.doctor, each) for each in terms]
    assert scene.chain.call(consents.functions.areLive(ids, TREAT)) == [True] * 100
