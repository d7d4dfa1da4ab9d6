"""EIP-712's arithmetic: a struct's members, their words, and how wallets' JSON writes them.

The structs of our contracts have members of one word only: addresses, bytes32, booleans and unsigned integers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Self, TypeAlias

from medshare.errors import InvalidInputError
from medshare.hashing import DIGEST_SIZE, keccak256
from medshare.model.ids import ZERO_ADDRESS, Address, address

DOMAIN_VERSION = "1"
DOMAIN_ENCODING = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
MAX_CHAIN_ID = (1 << 64) - 1

_MAX_EXACT_IN_JAVASCRIPT = (1 << 53) - 1
_WORD = 32
Value: TypeAlias = Any
"""A member's value: text for an address, bytes, a boolean or an integer."""

_STRUCT = re.compile(r"(\w+)\((.+)\)")
_HEX = re.compile(r"0x([0-9a-f]{2})*")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,77}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """For which contract, on which chain, something is signed."""

    name: str
    """As a wallet shows it: ``medshare`` and the contract's name."""
    chain_id: int
    verifying_contract: Address

    def __post_init__(self) -> None:
        if type(self.chain_id) is not int or not 0 < self.chain_id <= MAX_CHAIN_ID:
            raise InvalidInputError("a chain id is a positive number of at most 64 bits")
        encode_word("address", self.verifying_contract, "verifyingContract")
        if self.verifying_contract == ZERO_ADDRESS:
            raise InvalidInputError("nothing is signed for a contract at the zero address")

    @classmethod
    def of(cls, contract: str, chain_id: int, verifying_contract: Address) -> Self:
        """Return the domain of a contract by its name, such as ``ConsentRegistry``."""
        return cls(name=f"medshare {contract}", chain_id=chain_id, verifying_contract=verifying_contract)

    @property
    def separator(self) -> bytes:
        """The domain's hash, as ``Signed._domainSeparator`` computes it."""
        return keccak256(
            keccak256(DOMAIN_ENCODING.encode())
            + keccak256(self.name.encode())
            + keccak256(DOMAIN_VERSION.encode())
            + encode_word("uint256", self.chain_id, "chainId")
            + encode_word("address", self.verifying_contract, "verifyingContract")
        )


def field_name(member: str) -> str:
    """Return the Python name of a struct's member."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", member).lower()


@cache
def parsed(encoding: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return the struct's name, and its members' names and types, from EIP-712's encodeType."""
    struct = _STRUCT.fullmatch(encoding)
    if struct is None:
        raise InvalidInputError("not a struct's encoding")
    members = (member.split(" ") for member in struct[2].split(","))
    return struct[1], tuple((name, kind) for kind, name in members)


def listed(encoding: str) -> list[dict[str, str]]:
    """Return the members as wallets' JSON lists them."""
    return [{"name": name, "type": kind} for name, kind in parsed(encoding)[1]]


def encode_word(kind: str, value: object, what: str) -> bytes:
    """Return a value as one word, if it is exactly of its type: no text for bytes, no number for a boolean."""
    match kind:
        case "address" if isinstance(value, str) and address(value) == value:
            return bytes(12) + bytes.fromhex(value[2:])
        case "bytes32" if isinstance(value, bytes) and len(value) == DIGEST_SIZE:
            return value
        case "bool" if isinstance(value, bool):
            return int(value).to_bytes(_WORD, "big")
        case _ if kind.startswith("uint") and isinstance(value, int) and not isinstance(value, bool):
            if 0 <= value < 1 << int(kind.removeprefix("uint")):
                return int(value).to_bytes(_WORD, "big")
    raise InvalidInputError(f"{what} is no {kind}", hint="nothing was signed")


def to_json_value(value: Value) -> Value:
    """Return a value as wallets' JSON writes it: exact in JavaScript too."""
    match value:
        case bool() | str():
            return value
        case bytes():
            return "0x" + value.hex()
        case _:
            return int(value) if value <= _MAX_EXACT_IN_JAVASCRIPT else str(int(value))


def from_json_value(name: str, kind: str, value: object) -> Value:
    """Return a member's value from JSON; ``encode_word`` checks it once more when the message is made."""
    match kind, value:
        case "address", str():
            return address(value)
        case "bytes32", str():
            return read_hex(value, name)
        case "bool", bool():
            return value
        case _, int() if not isinstance(value, bool) and kind.startswith("uint"):
            return value
        case "uint256", str() if _DECIMAL.fullmatch(value):
            return int(value)
    raise InvalidInputError(f"the member {name!r} is no {kind}")


def read_hex(text: str, what: str) -> bytes:
    """Return bytes written as 0x and lower-case hex, and in no other way; raises ``InvalidInputError``."""
    if not _HEX.fullmatch(text):
        raise InvalidInputError(f"{what} is not written as 0x and lower-case hex")
    return bytes.fromhex(text[2:])
