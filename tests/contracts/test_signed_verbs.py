"""Every signed verb, by everybody who may sign it: patient, key that took over, delegate, custodian, reader

given what an actor signed
    a stranger who sends it does what the direct form does: same events, same state
    one second before the deadline it is done; from the deadline on it is refused
    a second time it is refused
    signed by a stranger, or of another struct, contract, chain, domain or any other value: it is refused
    sent with any other value: it is refused
    what resembles a signature and is none is refused: the other half of s, other v, compact, empty, too long
    for the zero address nobody signs
given a contract that says which domain is signed
    it is the one that the verbs ask for
"""

from __future__ import annotations

import pytest
from eth_utils import to_checksum_address
from evm import ZERO_ADDRESS, RefusedError
from signed_cases import BY_PATIENT, CASES, FAR, NAMING_THE_SIGNER, REGISTER, RETRACT, SET_KEY, SUPERSEDE, Case, Scene
from signing import STRUCTS, malformed, members_of

pytestmark = pytest.mark.contracts

NAMING_A_SIGNER = [case for case in CASES if case.contract not in ("Consortium", "RecordRegistry")]
"""Elsewhere the signer is a member of what is signed."""
NAMING_WHOSE = [SET_KEY, REGISTER, SUPERSEDE, RETRACT, *(case for case in BY_PATIENT if case.struct != "EndEpisode")]
"""An episode has its patient."""


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request) -> Case:
    return request.param


@pytest.fixture
def scene(request, chain, contracts, actors, case) -> Scene:
    needed = case.contract == "EmergencyAccess"
    scene = Scene(chain, contracts, actors, request.getfixturevalue("emergencies") if needed else None)
    case.set_up(scene)
    return scene


def refusal(scene: Scene, function) -> RefusedError:
    with pytest.raises(RefusedError) as refused:
        scene.chain.call(function, sender=scene.actors.stranger)
    return refused.value


def other(kind: str, value):
    """Return a value of the type that differs in one bit."""
    match kind:
        case "address":
            return to_checksum_address(f"{int(value, 16) ^ 1:#042x}")
        case "bytes32":
            return value[:-1] + bytes([value[-1] ^ 1])
        case "bool":
            return not value
        case _:
            return value ^ 1


def signer_of(scene: Scene, case: Case) -> str:
    return getattr(scene.actors, case.by)


# -------------------------------------------------------------------------------------------------- what is allowed


def test_signed__sent_by_a_stranger__does_what_the_direct_form_does(scene, case):
    at = scene.chain.now + 100
    message = scene.message(case)
    mark = scene.chain.snapshot()
    direct = scene.chain.send(case.direct(scene, message), sender=signer_of(scene, case), at=at)
    after_direct = scene.observe(case)
    scene.chain.revert(mark)

    relayed = scene.relay(scene.signed(case, message), at=at)

    assert relayed.events == direct.events
    assert relayed.events
    assert scene.observe(case) == after_direct


def test_signed__sent_by_its_signer__does_the_same(scene, case):
    at = scene.chain.now + 100
    function = scene.signed(case)
    mark = scene.chain.snapshot()
    relayed = scene.relay(function, at=at)
    scene.chain.revert(mark)

    sent = scene.chain.send(function, sender=signer_of(scene, case), at=at)

    assert sent.events == relayed.events


# ---------------------------------------------------------------------------------------------------- the deadline


def test_signed__last_second_before_the_deadline__is_done(scene, case):
    deadline = scene.chain.now + 100

    sent = scene.relay(scene.signed(case, scene.message(case, deadline=deadline)), at=deadline - 1)

    assert sent.time == deadline - 1


@pytest.mark.parametrize("late", [0, 1])
def test_signed__deadline_has_come__is_refused(scene, case, late):
    deadline = scene.chain.now + 100
    function = scene.signed(case, scene.message(case, deadline=deadline))

    with pytest.raises(RefusedError) as refused:
        scene.relay(function, at=deadline + late)

    assert refused.value.args == ("SignedDeadlinePassed", deadline)


def test_signed__no_deadline__is_refused(scene, case):
    refused = refusal(scene, scene.signed(case, scene.message(case, deadline=0)))

    assert refused.args == ("SignedDeadlinePassed", 0)


# -------------------------------------------------------------------------------------------------------- only once


def test_signed__twice__is_refused_the_second_time(scene, case):
    function = scene.signed(case)
    scene.relay(function)

    with pytest.raises(RefusedError) as refused:
        scene.relay(function)

    # Who resigned has no appointment left by which he could sign.
    assert refused.value.name in (case.again, "AuthorityMandateEnded" if case.by == "other_custodian" else case.again)


# --------------------------------------------------------------------------------------------- signed something else


def test_signed__by_a_stranger__is_refused(scene, case):
    message = scene.message(case)

    refused = refusal(scene, scene.form(case, message, scene.sign(case, message, by=scene.actors.stranger)))

    assert refused.args == ("SignedSignatureInvalid", signer_of(scene, case))


def test_signed__another_value_was_signed__is_refused(scene, case):
    message = scene.message(case)

    for kind, name in members_of(case.struct):
        signature = scene.sign(case, {**message, name: other(kind, message[name])})
        refused = refusal(scene, scene.form(case, message, signature))
        assert refused.args == ("SignedSignatureInvalid", signer_of(scene, case)), name


def test_signed__another_value_is_sent__is_refused(scene, case):
    message = scene.message(case)
    signature = scene.sign(case, message)

    sent = [member for member in members_of(case.struct) if member[1] not in case.of_state]
    for kind, name in sent:
        if name == "patient" and "grantId" in message:
            continue  # not sent: the grant's id names the patient
        changed = {**message, name: other(kind, message[name])}
        refused = refusal(scene, scene.form(case, changed, signature, mandate=changed.get("mandate", 0)))
        allowed = {"SignedSignatureInvalid"}
        if name in ("patient", "account", "grantId", "episodeId", "mandate", "delegate"):
            # Whose word it must be follows from these: it is refused before the signature is looked at.
            allowed |= {
                "AuthorityNotAllowed",
                "AuthorityMandateEnded",
                "EmergencyAccessNotAllowed",
                "EmergencyAccessEpisodeUnknown",
                "EscrowNotAllowed",
            }
        assert refused.name in allowed, name


def test_signed__another_struct_with_these_members__is_refused(scene, case):
    message = scene.message(case)

    for struct in [*(set(STRUCTS) - {case.struct}), "EIP712Domain2", case.struct.lower()]:
        refused = refusal(scene, scene.signed(case, message, called=struct))
        assert refused.args == ("SignedSignatureInvalid", signer_of(scene, case)), struct


def test_signed__for_another_contract_or_chain__is_refused(scene, case):
    message, domain = scene.message(case), scene.domain(case.contract)
    twin = scene.contracts.consortium.address if case.contract != "Consortium" else scene.contracts.records.address

    for wrong in (
        domain.but(contract=twin),
        domain.but(contract=ZERO_ADDRESS),
        domain.but(contract=other("address", domain.contract)),
        domain.but(chain_id=domain.chain_id + 1),
        domain.but(chain_id=1),
        domain.but(chain_id=0),
        domain.but(version="2"),
        domain.but(version=""),
        domain.but(name=f"medshare {case.contract} "),
        domain.but(name=case.contract),
        domain.but(name="medshare Other"),
    ):
        refused = refusal(scene, scene.signed(case, message, domain=wrong))
        assert refused.args == ("SignedSignatureInvalid", signer_of(scene, case)), wrong


# ------------------------------------------------------------------------------------------------- no signature at all


def test_signed__what_resembles_a_signature__is_refused(scene, case):
    message = scene.message(case)

    for what, signature in malformed(scene.sign(case, message)).items():
        refused = refusal(scene, scene.form(case, message, signature))
        assert refused.args == ("SignedSignatureInvalid", signer_of(scene, case)), what


@pytest.mark.parametrize("case", NAMING_A_SIGNER, ids=lambda case: case.name, indirect=True)
def test_signed__another_signer_is_named__is_refused(scene, case):
    message = scene.message(case)
    signature = scene.sign(case, message, by=scene.actors.stranger)

    refused = refusal(scene, scene.form(case, message, signature, signer=scene.actors.stranger))

    assert refused.name in ("AuthorityNotAllowed", "EmergencyAccessNotAllowed", "EscrowNotAllowed")
    assert scene.actors.stranger in refused.values


@pytest.mark.parametrize("case", NAMING_WHOSE, ids=lambda case: case.name, indirect=True)
def test_signed__for_the_zero_address__is_refused(scene, case):
    message = scene.message(case)
    named = {"Consortium": "actor", "RecordRegistry": "custodian", "AccessRequests": "account"}
    whose = named.get(case.contract, "patient")
    changed = {**message, whose: ZERO_ADDRESS}
    if "grantId" in message:
        changed["grantId"] = message["grantId"] & ((1 << 96) - 1)

    for signature in (*malformed(scene.sign(case, changed)).values(), scene.sign(case, changed)):
        signer = {"signer": ZERO_ADDRESS} if case.contract in NAMING_THE_SIGNER else {}
        refused = refusal(scene, scene.form(case, changed, signature, **signer))
        assert refused.args == ("SignedSignatureInvalid", ZERO_ADDRESS)


# ---------------------------------------------------------------------------------------------------- the domain


def test_eip712_domain__asked__is_the_one_that_is_signed(scene, case):
    domain = scene.domain(case.contract)

    fields, name, version, chain_id, contract, salt, extensions = scene.chain.call(
        scene.contract(case.contract).functions.eip712Domain()
    )

    assert (fields, salt, extensions) == (b"\x0f", bytes(32), [])
    assert (name, version, chain_id, contract) == (domain.name, "1", domain.chain_id, domain.contract)
    assert scene.message(case)["deadline"] == FAR
