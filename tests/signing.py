"""Signing as wallets do: EIP-712 typed data by eth-account, and the word that goes with a signature.

The structs are written down once more, from the interfaces: the contract tests judge the contracts by them, and not
by what the package or the contracts hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from eth_account import Account
from eth_account.messages import SignableMessage, _hash_eip191_message, encode_typed_data
from eth_account.signers.local import LocalAccount
from nodes import ACCOUNTS, HD_PATH, MNEMONIC

STRUCTS: Mapping[str, str] = {
    "SetEncryptionKey": "address actor,bytes32 key,uint32 version,uint32 deadline",
    "Register": "address custodian,bytes32 recordId,address patient,uint32 deadline",
    "Supersede": "address custodian,bytes32 recordId,bytes32 previousId,uint32 deadline",
    "Retract": "address custodian,bytes32 recordId,bytes32 reason,uint32 deadline",
    "AnchorBatch": "address custodian,bytes32 root,bytes32 catalogue,uint32 records,uint32 deadline",
    "Grant": "address patient,address grantee,bytes32 terms,bytes32 bundle,uint16 purposes,uint32 notBefore,"
    "uint32 expiresAt,uint8 stamp,uint8 epoch,uint8 mandate,uint32 deadline",
    "Revoke": "address patient,uint256 grantId,uint8 lastEpoch,uint8 mandate,uint32 deadline",
    "RevokeAll": "address patient,uint8 stamp,uint8 mandate,uint32 deadline",
    "Appoint": "address patient,address delegate,uint8 verbs,uint16 purposes,uint32 notBefore,uint32 expiresAt,"
    "uint8 stamp,uint8 epoch,uint8 mandate,uint32 deadline",
    "Dismiss": "address patient,address delegate,uint8 lastEpoch,uint8 mandate,uint32 deadline",
    "NameGuardians": "address patient,bytes32 circle,uint32 delay,uint32 changes,uint8 mandate,uint32 deadline",
    "Recover": "address patient,address controller,uint32 attempt,uint32 deadline",
    "ObjectToRecovery": "address patient,uint32 attempt,uint8 mandate,uint32 deadline",
    "EndEpisode": "uint256 episodeId,uint32 deadline",
    "SetBar": "address patient,bool barred,uint32 count,uint32 deadline",
    "Withdraw": "address account,address token,address to,uint32 count,uint32 deadline",
}

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""How many points secp256k1's group has."""


@dataclass(frozen=True, slots=True)
class Domain:
    """For which contract, on which chain."""

    name: str
    chain_id: int
    contract: str
    version: str = "1"

    def but(self, **changes: Any) -> Domain:
        """Return another domain."""
        return replace(self, **changes)


def members_of(struct: str) -> list[tuple[str, str]]:
    """Return type and name of each member."""
    return [tuple(member.split(" ")) for member in STRUCTS[struct].split(",")]


def signable(domain: Domain, struct: str, message: Mapping[str, Any], *, called: str | None = None) -> SignableMessage:
    """Return typed data as a wallet encodes it; `called` gives the struct another name."""
    return encode_typed_data(
        domain_data={
            "name": domain.name,
            "version": domain.version,
            "chainId": domain.chain_id,
            "verifyingContract": domain.contract,
        },
        message_types={called or struct: [{"type": kind, "name": name} for kind, name in members_of(struct)]},
        message_data=dict(message),
    )


def digest_of(message: SignableMessage) -> bytes:
    """Return what a key signs in the end."""
    return bytes(_hash_eip191_message(message))


def sign(key: LocalAccount, message: SignableMessage) -> bytes:
    """Return r, s and v: 65 bytes."""
    return bytes(key.sign_message(message).signature)


@cache
def key_of(address: str) -> LocalAccount:
    """Return the key of one of the nodes' accounts."""
    return next(key for key in keys() if key.address == address)


@cache
def keys() -> tuple[LocalAccount, ...]:
    """Return the keys of the nodes' accounts, which have ether."""
    Account.enable_unaudited_hdwallet_features()
    return tuple(Account.from_mnemonic(MNEMONIC, account_path=f"{HD_PATH}/{number}") for number in range(ACCOUNTS))


def authorize(deadline: int, *, signer: str | None = None, mandate: int = 0, unused: int = 0) -> int:
    """Return the word: signer (160), unused (56), deadline (32), mandate (8); the patient's own names no signer."""
    return int(signer or "0x0", 16) << 96 | unused << 40 | deadline << 8 | mandate


def malformed(signature: bytes) -> Mapping[str, bytes]:
    """Return what resembles a signature of 65 bytes, and must not count as one."""
    r, s, v = signature[:32], signature[32:64], signature[64]
    other_s = (ORDER - int.from_bytes(s, "big")).to_bytes(32, "big")
    compact = (int.from_bytes(s, "big") | (v - 27) << 255).to_bytes(32, "big")
    return {
        "other half of s": r + other_s + bytes([55 - v]),
        "other half of s, same v": r + other_s + bytes([v]),
        "v from 0": r + s + bytes([v - 27]),
        "v of the other point": r + s + bytes([55 - v]),
        "v 29": r + s + bytes([29]),
        "v as EIP-155 writes it": r + s + bytes([v + 10]),
        "compact": r + compact,
        "without v": r + s,
        "empty": b"",
        "zeros": bytes(65),
        "zero r": bytes(32) + s + bytes([v]),
        "zero s": r + bytes(32) + bytes([v]),
        "r beyond the group": ORDER.to_bytes(32, "big") + s + bytes([v]),
        "66 bytes": signature + b"\0",
        "64 zeros and v": bytes(64) + bytes([v]),
        "a bit of r": bytes([r[0] ^ 1]) + signature[1:],
        "a bit of s": r + s[:-1] + bytes([s[-1] ^ 1, v]),
        "of nothing but ones": b"\xff" * 65,
    }
