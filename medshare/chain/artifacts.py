"""The compiled contracts that this version of medshare speaks to, as they lie in the package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from medshare.hashing import keccak256

CONTRACTS = ("Consortium", "RecordRegistry", "ConsentRegistry", "EmergencyAccess", "AccessRequests", "Attestations")
"""The contracts of a deployment, in the order in which they are deployed: each asks only those before it."""


_WORD = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A compiled contract."""

    name: str
    abi: tuple[Mapping[str, Any], ...] = field(repr=False)
    creation_code: bytes = field(repr=False)
    runtime_code: bytes = field(repr=False)
    """With zeros where the constructor writes immutables."""
    immutables: tuple[tuple[int, ...], ...] = field(repr=False)
    """For each immutable, where its words begin in the code."""
    selectors: Mapping[str, bytes] = field(repr=False)
    """Four bytes by signature, such as ``getStamp(address)``."""
    compiler: str
    settings: Mapping[str, Any]

    @property
    def creation_hash(self) -> bytes:
        """Keccak-256 of the creation code."""
        return keccak256(self.creation_code)

    @property
    def runtime_hash(self) -> bytes:
        """Keccak-256 of the code at the contract's address, its immutables left zero."""
        return keccak256(self.runtime_code)

    @property
    def is_signed(self) -> bool:
        """Whether the contract takes signed messages, and so holds an EIP-712 domain."""
        return "eip712Domain()" in self.selectors

    def dissected(self, code: bytes) -> tuple[bytes, tuple[bytes, ...]] | None:
        """Return code with its immutables made zero, and the immutables; None where it is not shaped like this one's.

        Args:
            code: what lies at the contract's address.
        """
        if len(code) != len(self.runtime_code):
            return None
        bare = bytearray(code)
        values: list[bytes] = []
        for places in self.immutables:
            found = {bytes(code[at : at + _WORD]) for at in places}
            if len(found) != 1:
                return None
            values += found
            for at in places:
                bare[at : at + _WORD] = bytes(_WORD)
        return bytes(bare), tuple(values)

    def entries(self, kind: str) -> tuple[Mapping[str, Any], ...]:
        """Return the ABI's entries of one kind: ``function``, ``event`` or ``error``."""
        return tuple(entry for entry in self.abi if entry["type"] == kind)


@cache
def load_artifact(name: str) -> Artifact:
    """Return the packaged contract ``name``; one of ``CONTRACTS``."""
    text = resources.files("medshare").joinpath("_data", "contracts", f"{name}.json").read_text(encoding="utf-8")
    document = json.loads(text)
    return Artifact(
        name=document["contractName"],
        abi=tuple(document["abi"]),
        creation_code=bytes.fromhex(document["bytecode"].removeprefix("0x")),
        runtime_code=bytes.fromhex(document["deployedBytecode"].removeprefix("0x")),
        immutables=tuple(map(tuple, document["immutables"])),
        selectors={signature: bytes.fromhex(four) for signature, four in document["methodIdentifiers"].items()},
        compiler=document["compiler"],
        settings=document["settings"],
    )


def signature(entry: Mapping[str, Any]) -> str:
    """Return an ABI entry's canonical signature, such as ``AccessRevoked(uint256,uint8)``."""
    return f"{entry['name']}({','.join(map(_type, entry['inputs']))})"


def _type(parameter: Mapping[str, Any]) -> str:
    """Return a parameter's type as signatures have it: a struct by its members' types, in brackets."""
    kind = str(parameter["type"])
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(map(_type, parameter['components']))}){kind.removeprefix('tuple')}"
