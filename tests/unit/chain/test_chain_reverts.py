"""What a contract said, as an exception.

every error of every ABI
├── it should have exactly one exception, whose fields have its parameters' names in their order
└── no exception should stand for an error that no contract has
given revert bytes, in any dress a node or library puts them in
├── it should become the contract's exception with the values as attributes
├── Error(string) and Panic should become TransactionFailedError with the reason
└── unknown, empty and cut bytes should become TransactionFailedError, never a crash
"""

from __future__ import annotations

from dataclasses import fields

import pytest
from eth_tester.exceptions import TransactionFailed
from hypothesis import given
from hypothesis import strategies as st
from web3.exceptions import ContractCustomError, ContractLogicError, Web3RPCError

from medshare.chain.artifacts import CONTRACTS, load_artifact
from medshare.chain.reverts import decode_revert, error_shapes, exceptions, field_name, is_revert
from medshare.chain.wire import NodeError
from medshare.errors import (
    LedgerBusyError,
    MedshareError,
    NotAllowedToActError,
    PeriodEmptyError,
    TransactionFailedError,
    UnknownRecordError,
)
from medshare.hashing import keccak256

pytestmark = pytest.mark.unit

PATIENT = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
ACTOR = "0x90F79bf6EB2c4f870365E785982E1f101E93b906"
ERRORS = {entry["name"]: entry for name in CONTRACTS for entry in load_artifact(name).entries("error")}
NOT_ALLOWED = (
    keccak256(b"AuthorityNotAllowed(address,address)")[:4]
    + bytes(12)
    + bytes.fromhex(PATIENT[2:])
    + bytes(12)
    + bytes.fromhex(ACTOR[2:])
)


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_error__of_an_abi__has_one_exception_with_its_fields(name: str) -> None:
    (exception,) = [one for one in exceptions() if one.solidity == name]
    assert [one.name for one in fields(exception)] == [field_name(one) for one in ERRORS[name]["inputs"]]


def test_exceptions__all__stand_for_an_error_of_a_contract() -> None:
    assert {one.solidity for one in exceptions()} == set(ERRORS)
    assert {shape.exception.solidity for shape in error_shapes().values()} == set(ERRORS)


def test_field_name__id_of_a_token__is_not_just_id() -> None:
    assert field_name({"name": "id", "internalType": "GrantId"}) == "grant_id"
    assert field_name({"name": "id", "internalType": "EpisodeId"}) == "episode_id"
    assert field_name({"name": "id", "internalType": "RequestId"}) == "request_id"
    assert field_name({"name": "id", "internalType": "ProposalId"}) == "proposal_id"
    assert field_name({"name": "notBefore", "internalType": "uint32"}) == "not_before"


@pytest.mark.parametrize(
    "dressed",
    [
        NOT_ALLOWED,
        NodeError(3, "execution reverted", "0x" + NOT_ALLOWED.hex()),
        NodeError(3, "execution reverted", {"data": "0x" + NOT_ALLOWED.hex(), "message": "x"}),
        NodeError(-32000, "VM Exception: revert 0x" + NOT_ALLOWED.hex()),
        ContractCustomError("0x" + NOT_ALLOWED.hex(), data="0x" + NOT_ALLOWED.hex()),
        ContractLogicError("execution reverted", data="0x" + NOT_ALLOWED.hex()),
        Web3RPCError("x", rpc_response={"error": {"code": 3, "message": "m", "data": "0x" + NOT_ALLOWED.hex()}}),
        TransactionFailed(repr(NOT_ALLOWED)),
        TransactionFailed(f"execution reverted: {NOT_ALLOWED!r}"),
    ],
    ids=lambda dressed: type(dressed).__name__,
)
def test_decode_revert__in_any_dress__is_the_contract_s_exception(dressed: BaseException | bytes) -> None:
    error = decode_revert(dressed)
    assert isinstance(error, NotAllowedToActError)
    assert (error.patient, error.actor) == (PATIENT, ACTOR)


def test_decode_revert__bytes_and_small_numbers__have_their_types() -> None:
    record = keccak256(b"record")
    data = keccak256(b"RecordRegistryRecordUnknown(address,bytes32)")[:4] + bytes(12) + bytes.fromhex(PATIENT[2:])
    error = decode_revert(data + record)
    assert isinstance(error, UnknownRecordError)
    assert (error.custodian, error.record_id) == (PATIENT, record)
    period = keccak256(b"ConsentRegistryPeriodEmpty(uint32,uint32)")[:4]
    error = decode_revert(period + (7).to_bytes(32, "big") + (6).to_bytes(32, "big"))
    assert isinstance(error, PeriodEmptyError)
    assert (error.not_before, error.expires_at) == (7, 6)


def test_decode_revert__error_string_and_panic__keep_the_reason() -> None:
    text = b"no luck"
    string = keccak256(b"Error(string)")[:4] + (32).to_bytes(32, "big") + len(text).to_bytes(32, "big")
    assert "reverted: no luck" in str(decode_revert(string + text.ljust(32, b"\0"), tx_hash="0xab"))
    panic = keccak256(b"Panic(uint256)")[:4] + (0x11).to_bytes(32, "big")
    assert "overflow" in str(decode_revert(panic))


@pytest.mark.parametrize(
    ("revert", "said"),
    [
        (b"", "without a reason"),
        (b"\x01\x02\x03\x04", "not of these contracts"),
        (NOT_ALLOWED[:40], "not of these contracts"),
        (NodeError(-32000, "out of gas"), "out of gas"),
        (NodeError(-32000, "gas required exceeds allowance (30000000)"), "out of gas"),
        (TransactionFailed("Out of gas"), "out of gas"),
        (ValueError("line\nbreak\x1b[31m"), "line?break?[31m"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_decode_revert__no_error_of_ours__is_transaction_failed(revert: BaseException | bytes, said: str) -> None:
    error = decode_revert(revert)
    assert isinstance(error, TransactionFailedError)
    assert said in str(error)


def test_decode_revert__one_of_ours_already__is_kept() -> None:
    ours = LedgerBusyError("busy")
    assert decode_revert(ours) is ours


@given(st.binary(max_size=200), st.sampled_from(sorted(error_shapes())))
def test_decode_revert__any_bytes__never_crashes(body: bytes, selector: bytes) -> None:
    for data in (body, selector + body):
        assert isinstance(decode_revert(data), MedshareError)


@given(st.text(max_size=200))
def test_decode_revert__any_message__never_crashes(text: str) -> None:
    assert isinstance(decode_revert(TransactionFailed(text)), MedshareError)


def test_is_revert__node_trouble__is_none() -> None:
    assert not is_revert(NodeError(-32005, "limit exceeded"))
    assert not is_revert(NodeError(-32000, "header not found"))
    assert is_revert(NodeError(3, "execution reverted", "0x"))
    assert is_revert(NodeError(-32000, "execution reverted"))
