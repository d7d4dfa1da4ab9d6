"""Signed messages as calldata.

given any message with its signature
├── its call should be what eth_abi writes by the ABI: every argument a member, the patient's own signer left out
└── a batch should be what eth_abi writes
given a guardian's approval
└── no verb should take it by itself; a proposal with several should be what eth_abi writes
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_abi import decode, encode
from eth_utils.abi import collapse_if_tuple
from hypothesis import given
from hypothesis import strategies as st
from messages import KINDS, placed

from medshare.chain import codec
from medshare.chain.artifacts import load_artifact
from medshare.chain.reverts import field_name
from medshare.chain.signed_calls import encode_batch, encode_signed
from medshare.errors import NotRelayableError
from medshare.model.delegation import Circle
from medshare.model.ids import ZERO_ADDRESS, address
from medshare.model.typed_data import Mandated, SignableAppoint, SignableGrant, SignableRecover, SignedMessage

pytestmark = pytest.mark.unit

STRANGER = address("0x" + "5a" * 20)
VERBS = {"EndEpisode": "endSigned"}
relayable = [kind for kind in KINDS if kind is not SignableRecover]


def abi_of(message: Any) -> dict[str, Any]:
    struct = message.struct()
    verb = VERBS.get(struct, struct[0].lower() + struct[1:] + "Signed")
    (entry,) = (one for one in load_artifact(message.contract).entries("function") if one["name"] == verb)
    return entry


def signed(message: Any, domain: Any, signature: bytes, *, by_other: bool) -> SignedMessage:
    if isinstance(message, Mandated):
        by_other = by_other or message.patient == STRANGER
        message = replace(message, mandate=max(message.mandate, 1) if by_other else 0)
    own = message.subject if message.author is not None else STRANGER
    signer = STRANGER if by_other and isinstance(message, Mandated) else own
    return SignedMessage(message=message, domain=domain, signer=signer, signature=signature)


def expected(message: Any, one: SignedMessage, parameter: dict[str, Any]) -> Any:
    """What an argument of the call must be."""
    name = parameter["name"]
    match parameter.get("internalType", "").split()[-1], name:
        case "Authorization", _:
            signer = ZERO_ADDRESS if one.signer == message.patient else one.signer
            return int(signer, 16) << 96 | message.deadline << 8 | message.mandate
        case "Grant", _:
            return (
                int(message.grantee, 16) << 96
                | message.not_before << 64
                | message.expires_at << 32
                | message.purposes << 16
                | message.stamp << 8
                | message.epoch
            )
        case "Delegation", _:
            return (
                message.not_before << 72
                | message.expires_at << 40
                | message.purposes << 24
                | message.verbs << 16
                | message.stamp << 8
                | message.epoch
            )
        case _, "signature":
            return one.signature
        case _, "signer":
            return one.signer.lower()
        case _:
            value = getattr(message, field_name(parameter))
            return value.lower() if isinstance(value, str) else value


@pytest.mark.parametrize("kind", relayable, ids=lambda kind: kind.struct())
@given(data=st.data())
def test_encode_signed__any_message__is_every_argument_of_its_verb(kind: type, data: st.DataObject) -> None:
    message, domain = data.draw(placed(kind).filter(lambda one: one[0].subject != ZERO_ADDRESS))
    one = signed(message, domain, data.draw(st.binary(min_size=1, max_size=200)), by_other=data.draw(st.booleans()))
    entry, call = abi_of(message), encode_signed(one)
    types = [collapse_if_tuple(parameter) for parameter in entry["inputs"]]
    assert call[:4] == load_artifact(kind.contract).selectors[f"{entry['name']}({','.join(types)})"]
    wanted = [expected(one.message, one, parameter) for parameter in entry["inputs"]]
    assert list(decode(types, call[4:])) == wanted
    assert call[4:] == encode(types, wanted)


def test_kinds__that_carry_a_packed_word__are_the_ones_looked_at_above() -> None:
    packed = {
        kind
        for kind in relayable
        for parameter in abi_of(kind)["inputs"]
        if parameter.get("internalType") in ("Grant", "Delegation")
    }
    assert packed == {SignableGrant, SignableAppoint}


@given(placed(SignableRecover))
def test_encode_signed__a_guardians_approval__is_not_relayable(drawn: tuple[SignableRecover, Any]) -> None:
    message, domain = drawn
    one = SignedMessage(message=message, domain=domain, signer=STRANGER, signature=b"\1")
    with pytest.raises(NotRelayableError):
        encode_signed(one)


@given(st.lists(st.binary(max_size=100), max_size=5))
def test_encode_batch__any_calls__is_what_eth_abi_says(calls: list[bytes]) -> None:
    assert encode_batch("Consortium", calls)[4:] == encode(["bytes[]"], [calls])


@given(
    guardians=st.sets(st.integers(1, (1 << 160) - 1), min_size=1, max_size=16),
    signatures=st.lists(st.binary(max_size=70), max_size=16),
    deadline=st.integers(0, (1 << 32) - 1),
)
def test_encode_recovery__any__is_what_eth_abi_says(guardians: set, signatures: list, deadline: int) -> None:
    circle = Circle.of([address(f"0x{number:040x}") for number in guardians], 1, b"\5" * 32)
    kinds = ["address", "address", "(address[],uint8,bytes32)", "uint32", "bytes[]"]
    values = [STRANGER, STRANGER, (circle.guardians, 1, circle.salt), deadline, signatures]
    assert codec.encode_recovery(STRANGER, STRANGER, circle, deadline, signatures) == encode(kinds, values)
