"""What is signed: the contracts' structs, letter for letter, and nothing that is not exactly of its type.

given the contracts' sources
└── every struct whose hash they hold should have one class, with the same members in the same order
given any message
├── eth-account should compute the same digest from the same JSON
├── the JSON should hold no number that JavaScript does not hold exactly
└── carried in a file and read back it should be the same
given a value that is not of its member's type
└── the message should not be made
given a document that is no signed message
└── it should be refused, with an error of ours and nothing else
given a deadline, a signer, a chain or a contract that cannot be
└── each should be refused before anything is signed
"""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
from eth_account.messages import _hash_eip191_message, encode_typed_data
from hypothesis import given
from hypothesis import strategies as st
from messages import KINDS, anything, digests

from medshare.errors import DeadlinePassedError, DeadlineTooFarError, InvalidInputError, WrongDomainError
from medshare.model.delegation import Verbs
from medshare.model.eip712 import Domain, field_name, parsed
from medshare.model.ids import address
from medshare.model.purpose import Purpose
from medshare.model.typed_data import (
    LONGEST_VALIDITY,
    MAX_SIGNATURE_SIZE,
    MAX_SIGNED_MESSAGE_SIZE,
    SIGNABLES,
    Mandated,
    SignableAppoint,
    SignableEndEpisode,
    SignableGrant,
    SignableRecover,
    SignableRegister,
    SignableRevoke,
    SignableSetBar,
    SignedMessage,
    check_deadline,
    check_signer,
    digest,
    to_typed_data,
)

pytestmark = pytest.mark.unit

CONTRACTS = Path(__file__).resolve().parents[3] / "contracts"
ENCODING = re.compile(r'keccak256\(\s*"(\w+\([^"]+\))"\s*\)')
MARY = address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
DOCTOR = address("0x90F79bf6EB2c4f870365E785982E1f101E93b906")
PLACE = address("0x5FbDB2315678afecb367f032d93F642f64180aa3")
DOMAIN = Domain.of("ConsentRegistry", 31337, PLACE)
GRANT = SignableGrant(
    patient=MARY,
    grantee=DOCTOR,
    terms=b"\xa1" * 32,
    bundle=b"\xb1" * 32,
    purposes=Purpose.TREAT,
    not_before=0,
    expires_at=1_900_000_000,
    stamp=0,
    epoch=0,
    deadline=1_800_000_000,
)
SIGNED = SignedMessage(message=GRANT, domain=DOMAIN, signer=MARY, signature=bytes(range(65)))


def encodings() -> dict[str, str]:
    """Return every struct in the contracts' sources, with the contract that holds it."""
    found = {
        match[1]: path.stem for path in sorted(CONTRACTS.glob("*.sol")) for match in ENCODING.finditer(path.read_text())
    }
    return {encoding: contract for encoding, contract in found.items() if not encoding.startswith("EIP712Domain")}


def test_encoding__of_every_struct__is_the_contract_s_letter_for_letter() -> None:
    parts = {
        "Authority": "ConsentRegistry",
        "Recovery": "ConsentRegistry",
        "Directory": "Consortium",
        "Escrow": "AccessRequests",
    }
    theirs = {encoding: parts.get(contract, contract) for encoding, contract in encodings().items()}

    assert {kind.encoding: kind.contract for kind in KINDS} == theirs
    assert len(theirs) == 16


@pytest.mark.parametrize("kind", KINDS)
def test_members__of_every_struct__are_the_class_s_fields(kind) -> None:
    assert {field_name(name) for name, _ in kind.members()} == {field.name for field in dataclasses.fields(kind)}
    assert SIGNABLES[kind.struct()] is kind
    assert (kind.members()[-1], ("mandate", "uint8") in kind.members()) == (
        ("deadline", "uint32"),
        issubclass(kind, Mandated),
    )


@given(anything)
def test_digest__of_any_message__is_eth_account_s(drawn) -> None:
    message, domain = drawn
    theirs = encode_typed_data(full_message=json.loads(json.dumps(to_typed_data(message, domain))))

    assert digest(message, domain) == _hash_eip191_message(theirs)


def numbers_in(value: Any) -> list[int]:
    if isinstance(value, dict):
        return [number for one in value.values() for number in numbers_in(one)]
    return [value] if isinstance(value, int) else []


@given(anything)
def test_to_typed_data__of_any_message__holds_no_number_that_javascript_cannot(drawn) -> None:
    typed_data = to_typed_data(*drawn)

    assert all(number < 2**53 for number in numbers_in(typed_data))
    assert typed_data["types"]["EIP712Domain"] == [
        {"name": "name", "type": "string"},
        {"name": "version", "type": "string"},
        {"name": "chainId", "type": "uint256"},
        {"name": "verifyingContract", "type": "address"},
    ]


@given(anything, st.binary(min_size=1, max_size=MAX_SIGNATURE_SIZE))
def test_signed_message__carried_in_a_file__is_the_same(drawn, signature) -> None:
    message, domain = drawn
    signer = DOCTOR
    if isinstance(message, Mandated):
        signer = message.patient if message.mandate == 0 else DOCTOR
    elif message.author is not None:
        signer = message.subject
    signed = SignedMessage(message=message, domain=domain, signer=signer, signature=signature)

    document = signed.to_json()
    again = SignedMessage.from_json(document)

    assert again == signed
    assert (again.digest, again.to_json()) == (digest(message, domain), document)
    assert {type(getattr(again.message, one.name)) for one in dataclasses.fields(message)} == {
        type(getattr(message, one.name)) for one in dataclasses.fields(message)
    }


# ------------------------------------------------------------------------------------------- exact types


@pytest.mark.parametrize(
    "change",
    [
        {"patient": MARY.lower()},
        {"patient": "mary"},
        {"patient": bytes.fromhex(MARY[2:])},
        {"patient": None},
        {"terms": "a1" * 32},
        {"terms": "0x" + "a1" * 32},
        {"terms": b"\xa1" * 31},
        {"terms": b"\xa1" * 33},
        {"terms": bytearray(32)},
        {"purposes": 1 << 16},
        {"purposes": "TREAT"},
        {"not_before": -1},
        {"not_before": 1 << 32},
        {"not_before": 1.0},
        {"expires_at": "5"},
        {"stamp": 256},
        {"stamp": True},
        {"epoch": None},
        {"mandate": 256},
        {"deadline": 1 << 32},
    ],
    ids=str,
)
def test_message__value_of_another_type__is_not_made(change) -> None:
    with pytest.raises(InvalidInputError):
        dataclasses.replace(GRANT, **change)


@pytest.mark.parametrize("barred", ["False", 0, 1, None])
def test_message__boolean_that_is_none__is_not_made(barred) -> None:
    with pytest.raises(InvalidInputError, match="barred"):
        SignableSetBar(patient=MARY, barred=barred, count=0, deadline=5)


@pytest.mark.parametrize("encoding", ["", "Grant", "Grant()", "Grant(address patient"])
def test_parsed__no_encoding_of_a_struct__is_refused(encoding) -> None:
    with pytest.raises(InvalidInputError):
        parsed(encoding)


def test_message__grant_of_another_patient__is_not_made() -> None:
    with pytest.raises(InvalidInputError, match="another patient"):
        SignableRevoke(patient=MARY, grant_id=int(DOCTOR, 16) << 96 | 1, last_epoch=1, deadline=5)


@pytest.mark.parametrize(
    "change",
    [
        {"chain_id": 0},
        {"chain_id": 1 << 64},
        {"chain_id": True},
        {"chain_id": "1"},
        {"verifying_contract": "0x" + "00" * 20},
        {"verifying_contract": PLACE.lower()},
    ],
    ids=str,
)
def test_domain__that_cannot_be__is_not_made(change) -> None:
    with pytest.raises(InvalidInputError):
        dataclasses.replace(DOMAIN, **change)


@pytest.mark.parametrize("hashed", [digest, to_typed_data])
@pytest.mark.parametrize("name", ["medshare Directory", "ConsentRegistry", "medshare consentRegistry"])
def test_hash__domain_of_another_contract__is_refused(hashed, name) -> None:
    with pytest.raises(WrongDomainError) as caught:
        hashed(GRANT, dataclasses.replace(DOMAIN, name=name))
    assert (caught.value.expected, caught.value.actual) == ("medshare ConsentRegistry", name)


@given(anything, st.data())
def test_digest__any_member_differs__is_another(drawn, data) -> None:
    message, domain = drawn
    field = data.draw(st.sampled_from(dataclasses.fields(message))).name
    value = getattr(message, field)
    if field in ("patient", "grant_id") and isinstance(message, SignableRevoke):
        return  # the two name one patient: neither changes alone
    match value:
        case bool():
            other = not value
        case str():
            other = DOCTOR if value != DOCTOR else MARY
        case bytes():
            other = data.draw(digests.filter(lambda one: one != value))
        case _:
            other = type(value)(value ^ 1)

    assert digest(dataclasses.replace(message, **{field: other}), domain) != digest(message, domain)


# ------------------------------------------------------------------------------------- who, when, where


def test_check_deadline__at_its_limits__is_exact() -> None:
    check_deadline(GRANT, GRANT.deadline - 1)
    check_deadline(GRANT, GRANT.deadline - LONGEST_VALIDITY)
    with pytest.raises(DeadlinePassedError):
        check_deadline(GRANT, GRANT.deadline)
    with pytest.raises(DeadlineTooFarError):
        check_deadline(GRANT, GRANT.deadline - LONGEST_VALIDITY - 1)


def test_check_signer__patient_with_or_without_mandate__only_without() -> None:
    check_signer(GRANT, MARY)
    check_signer(dataclasses.replace(GRANT, mandate=2), DOCTOR)
    with pytest.raises(InvalidInputError, match="mandate"):
        check_signer(GRANT, DOCTOR)
    with pytest.raises(InvalidInputError, match="mandate"):
        check_signer(dataclasses.replace(GRANT, mandate=2), MARY)


def test_check_signer__custodian_s_word__is_his_alone() -> None:
    message = SignableRegister(custodian=DOCTOR, record_id=b"\1" * 32, patient=MARY, deadline=5)
    check_signer(message, DOCTOR)
    with pytest.raises(InvalidInputError, match="only"):
        check_signer(message, MARY)


def test_signed_message__who_may_sign_is_for_the_chain_to_say__anybody_can() -> None:
    domain = Domain.of("EmergencyAccess", 1, PLACE)
    for message in (
        SignableEndEpisode(episode_id=int(DOCTOR, 16) << 96 | 1, deadline=5),
        SignableSetBar(patient=MARY, barred=True, count=0, deadline=5),
    ):
        signed = SignedMessage(message=message, domain=domain, signer=PLACE, signature=b"\1")
        assert (signed.mandate, signed.is_authors) == (0, False)
        assert signed.subject == (message.subject or PLACE)


def test_signed_message__by_the_patient_or_by_mandate__says_so() -> None:
    recover = SignableRecover(patient=MARY, controller=DOCTOR, attempt=1, deadline=5)
    appoint = SignableAppoint(
        patient=MARY,
        delegate=DOCTOR,
        verbs=Verbs.GRANT,
        purposes=Purpose.TREAT,
        not_before=0,
        expires_at=9,
        stamp=0,
        epoch=0,
        mandate=3,
        deadline=5,
    )
    by_mandate = SignedMessage(message=appoint, domain=DOMAIN, signer=PLACE, signature=b"\1")
    by_guardian = SignedMessage(message=recover, domain=DOMAIN, signer=PLACE, signature=b"\1")

    assert (SIGNED.is_authors, SIGNED.mandate, SIGNED.deadline, SIGNED.subject) == (True, 0, GRANT.deadline, MARY)
    assert (by_mandate.is_authors, by_mandate.mandate, by_mandate.subject) == (False, 3, MARY)
    assert (by_guardian.is_authors, by_guardian.mandate, by_guardian.subject) == (False, 0, MARY)


# --------------------------------------------------------------------------------------- hostile documents


def document(**changes: Any) -> bytes:
    fields = json.loads(SIGNED.to_json())
    for name, value in changes.items():
        where, _, member = name.partition("__")
        if member:
            fields[where][member] = value
        else:
            fields[where] = value
    return json.dumps(fields).encode()


def without(name: str) -> bytes:
    fields = json.loads(SIGNED.to_json())
    del fields[name]
    return json.dumps(fields).encode()


HOSTILE = {
    "empty": b"",
    "no object": b"[]",
    "no JSON": b"{",
    "not UTF-8": b'{"version":"\xff"}',
    "too large": b" " * (MAX_SIGNED_MESSAGE_SIZE + 1),
    "deep": b'{"message":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    "a key twice": SIGNED.to_json()[:-1] + b',"version":1}',
    "other version": document(version=2),
    "no version": without("version"),
    "unknown struct": document(struct="Transfer"),
    "struct of another contract": document(struct="Register"),
    "struct no text": document(struct=["Grant"]),
    "no message": without("message"),
    "message no object": document(message=[]),
    "no signature": without("signature"),
    "field too many": document(note="hello"),
    "member too many": document(message__note="hello"),
    "chain id zero": document(chain_id=0),
    "chain id as text": document(chain_id="31337"),
    "chain id absurd": document(chain_id=1 << 64),
    "contract zero": document(contract="0x" + "00" * 20),
    "contract's checksum wrong": document(contract="0x5fbDB2315678afecb367f032d93F642f64180aa3"),
    "signer another": document(signer=DOCTOR),
    "signer no address": document(signer="mary"),
    "signature empty": document(signature="0x"),
    "signature odd": document(signature="0x123"),
    "signature in capitals": document(signature="0xAB"),
    "signature without 0x": document(signature="ab" * 65),
    "signature too long": document(signature="0x" + "ab" * (MAX_SIGNATURE_SIZE + 1)),
    "purposes as text": document(message__purposes="1"),
    "purposes as boolean": document(message__purposes=True),
    "purposes too many": document(message__purposes=1 << 16),
    "time as float": document(message__notBefore=1.5),
    "time negative": document(message__notBefore=-1),
    "terms too short": document(message__terms="0x" + "a1" * 31),
    "terms as text": document(message__terms="terms"),
    "terms null": document(message__terms=None),
    "mandate of the patient": document(message__mandate=1),
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_from_json__hostile_document__is_refused(hostile) -> None:
    with pytest.raises(InvalidInputError):
        SignedMessage.from_json(hostile)


@pytest.mark.parametrize("text", ["-1", "+1", "01", "0x1", "1.0", " 1", "", "\u0661", str(1 << 256), "9" * 79])
def test_from_json__large_number_in_another_spelling__is_refused(text) -> None:
    message = SignableEndEpisode(episode_id=int(DOCTOR, 16) << 96 | 1, deadline=5)
    domain = Domain.of("EmergencyAccess", 1, PLACE)
    fields = json.loads(SignedMessage(message=message, domain=domain, signer=MARY, signature=b"\1").to_json())
    fields["message"]["episodeId"] = text

    with pytest.raises(InvalidInputError):
        SignedMessage.from_json(json.dumps(fields).encode())


@given(st.binary(max_size=200) | st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists).map(str))
def test_from_json__anything_else__is_refused(noise) -> None:
    with pytest.raises(InvalidInputError):
        SignedMessage.from_json(noise if isinstance(noise, bytes) else noise.encode(errors="replace"))


@given(st.data())
def test_from_json__one_value_replaced_by_anything__is_refused_or_a_message(data) -> None:
    fields = json.loads(SIGNED.to_json())
    target = data.draw(st.sampled_from([fields, fields["message"]]))
    name = data.draw(st.sampled_from(sorted(target)))
    target[name] = data.draw(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70) | st.lists(st.none(), max_size=2)
    )
    try:
        signed = SignedMessage.from_json(json.dumps(fields).encode())
    except InvalidInputError:
        return
    assert SignedMessage.from_json(signed.to_json()) == signed
