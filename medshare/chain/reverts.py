"""What a contract said when it refused, as the exception that names it.

A custom error arrives in several dresses: raw hex in a node's ``data`` (or nested in it, or in the message), web3's
``ContractCustomError``, or, on stock eth-tester, the repr of the bytes inside a ``TransactionFailed`` message.

Names: an error's Solidity name is the ``solidity`` of one ``RejectedError`` subclass. A parameter ``camelCase`` is
the field ``camel_case``; a parameter ``id`` is named by its type: ``grant_id`` for a ``GrantId``, and so on.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from eth_utils.address import to_checksum_address

from medshare.chain.artifacts import CONTRACTS, load_artifact, signature
from medshare.chain.wire import NodeError, printable
from medshare.errors import LedgerError, RejectedError, TransactionFailedError
from medshare.hashing import keccak256

NOT_SENT = "(not sent)"
"""Stands in place of a hash where a transaction failed before there was one."""
WORD = 32
_SELECTOR = 4
_MAX_REASON_BYTES = 1024
_ERROR_STRING = keccak256(b"Error(string)")[:_SELECTOR]
_PANIC = keccak256(b"Panic(uint256)")[:_SELECTOR]
_PANICS = {
    0x01: "an assertion does not hold",
    0x11: "arithmetic overflow or underflow",
    0x12: "division by zero",
    0x21: "a number outside its enum",
    0x22: "storage is badly encoded",
    0x31: "pop from an empty array",
    0x32: "index out of bounds",
    0x41: "out of memory",
    0x51: "call of an uninitialised function",
}
_HEX = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_BYTES_LITERAL = re.compile(r"b'(?:[^'\\]|\\.)*'|b\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_OUT_OF_GAS = re.compile(r"out ?of ?gas|gas required exceeds|intrinsic gas|OutOfGas", re.IGNORECASE)
_REVERTED = re.compile(r"revert|VM Exception|execution (error|failed)|out ?of ?gas|gas required exceeds", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorShape:
    """A contract error: its exception and how to read its values."""

    exception: type[RejectedError]
    kinds: tuple[str, ...]


def field_name(parameter: Mapping[str, Any]) -> str:
    """Return the Python name of an ABI parameter."""
    name = parameter["internalType"] if parameter["name"] == "id" else parameter["name"]
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def exceptions() -> Iterator[type[RejectedError]]:
    """Yield every exception that stands for a contract error."""
    for exception in RejectedError.__subclasses__():
        if exception.solidity:
            yield exception


@cache
def error_shapes() -> Mapping[bytes, ErrorShape]:
    """Return every error of our contracts by its selector."""
    by_name = {exception.solidity: exception for exception in exceptions()}
    shapes = {}
    for contract in CONTRACTS:
        for entry in load_artifact(contract).entries("error"):
            exception = by_name.get(entry["name"])
            names = tuple(field_name(parameter) for parameter in entry["inputs"])
            if exception is None or names != tuple(one.name for one in fields(exception)):  # type: ignore[arg-type]  # each is a dataclass
                continue  # A test sees to it that none is passed over; at run time an unknown error is still an error.
            kinds = tuple(parameter["type"] for parameter in entry["inputs"])
            shapes[keccak256(signature(entry).encode())[:_SELECTOR]] = ErrorShape(exception=exception, kinds=kinds)
    return shapes


def decode_revert(revert: BaseException | bytes, *, tx_hash: str = NOT_SENT) -> LedgerError:
    """Return the exception for a refusal; it is for the caller to raise.

    Args:
        revert: the bytes that a contract answered, or whatever a node, web3 or eth-tester raised.
        tx_hash: the transaction, where there is one.
    """
    if isinstance(revert, LedgerError) and not isinstance(revert, NodeError):
        return revert
    if isinstance(revert, bytes):
        return _from_bytes(revert, tx_hash)
    data = revert_data(revert)
    if data is not None:
        return _from_bytes(data, tx_hash)
    message = revert.reason if isinstance(revert, NodeError) else str(revert)
    if _OUT_OF_GAS.search(message):
        return TransactionFailedError(tx_hash, "out of gas")
    return TransactionFailedError(tx_hash, printable(message) or "no reason given")


def is_revert(error: NodeError) -> bool:
    """Whether a node's refusal says that the code refused, and not the node."""
    return revert_data(error) is not None or bool(_REVERTED.search(error.reason))


def revert_data(error: BaseException) -> bytes | None:
    """Return the bytes with which a contract reverted, wherever ``error`` carries them; None where it does not."""
    for candidate in (getattr(error, "data", None), getattr(error, "rpc_response", None), *error.args):
        found = _bytes_in(candidate)
        if found is not None:
            return found
    return None


def _bytes_in(value: object, depth: int = 4) -> bytes | None:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return _bytes_in_text(value)
    if isinstance(value, Mapping) and depth:
        for key in ("data", "result", "output", "error", "message"):
            found = _bytes_in(value.get(key), depth - 1)
            if found is not None:
                return found
    return None


def _bytes_in_text(text: str) -> bytes | None:
    if _HEX.fullmatch(text):
        return bytes.fromhex(text[2:])
    literal = _BYTES_LITERAL.search(text)
    if literal is not None:
        try:
            value = ast.literal_eval(literal[0])
        except (ValueError, SyntaxError):
            return None
        return value if isinstance(value, bytes) else None
    for match in _HEX.finditer(text):
        # A message may name addresses and hashes too: only a known selector makes bytes a revert.
        found = bytes.fromhex(match[0][2:])
        if found[:_SELECTOR] in error_shapes() or found[:_SELECTOR] in (_ERROR_STRING, _PANIC):
            return found
    return None


def _from_bytes(data: bytes, tx_hash: str) -> LedgerError:
    if not data:
        return TransactionFailedError(tx_hash, "reverted without a reason")
    selector, body = data[:_SELECTOR], data[_SELECTOR:]
    shape = error_shapes().get(selector)
    if shape is not None and len(body) >= WORD * len(shape.kinds):
        values = [
            _READERS[kind.rstrip("0123456789") if kind != "bytes32" else kind](body[at * WORD : (at + 1) * WORD])
            for at, kind in enumerate(shape.kinds)
        ]
        return shape.exception(*values)
    if selector == _PANIC and len(body) >= WORD:
        code = int.from_bytes(body[:WORD], "big")
        return TransactionFailedError(tx_hash, f"panic: {_PANICS.get(code, hex(code))}")
    if selector == _ERROR_STRING and len(body) >= 2 * WORD:
        length = min(int.from_bytes(body[WORD : 2 * WORD], "big"), _MAX_REASON_BYTES)
        text = body[2 * WORD : 2 * WORD + length].decode("utf-8", "replace")
        return TransactionFailedError(tx_hash, f"reverted: {printable(text)}")
    return TransactionFailedError(
        tx_hash, f"reverted with an error that is not of these contracts: 0x{data[:36].hex()}"
    )


_READERS: Mapping[str, Callable[[bytes], object]] = {
    "address": lambda word: str(to_checksum_address(word[-20:])),
    "uint": lambda word: int.from_bytes(word, "big"),
    "bytes32": bytes,
}

__all__ = [
    "NOT_SENT",
    "ErrorShape",
    "decode_revert",
    "error_shapes",
    "exceptions",
    "field_name",
    "is_revert",
    "revert_data",
]
