"""The first block of a network: who may seal, by which rules, who has coins. A pure function of the member file.

Its hash is computed here, too, so that every running node can be compared with the member file and not only with its
neighbour. The hash of a block does not cover the rules of a chain; here it does: the block's free 32 bytes are their
digest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import rlp
from trie import HexaryTrie

from medshare.hashing import keccak256
from medshare.model.ids import ZERO_ADDRESS, Address
from medshare.network.members import Consensus, MemberFile

Json = dict[str, Any]

EPOCH: Final = 30_000
"""Blocks after which Clique and QBFT forget votes that came to nothing."""
FIRST_BASE_FEE: Final = 10**9
_SEAL: Final = 65
_HASH: Final = 32
_BLOOM: Final = 256
_NONCE: Final = 8
_QBFT_MIX: Final = "63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365"
"""By this Besu knows blocks of its own consensus: practical byzantine fault tolerance, in part."""
_EMPTY_ROOT: Final = keccak256(rlp.encode(b""))
_EMPTY_CODE: Final = keccak256(b"")
_NO_UNCLES: Final = keccak256(rlp.encode([]))
# Up to Berlin there is no base fee. From London on there is one, and it rises, also from nothing.
_UP_TO_BERLIN: Final = (
    "homesteadBlock",
    "eip150Block",
    "eip155Block",
    "eip158Block",
    "byzantiumBlock",
    "constantinopleBlock",
    "petersburgBlock",
    "istanbulBlock",
    "berlinBlock",
)


def genesis_document(members: MemberFile) -> Json:
    """Return the genesis file of geth or Besu."""
    rules = chain_rules(members)
    document = {
        "config": rules,
        "nonce": "0x0",
        "timestamp": "0x0",
        "extraData": "0x" + _extra_data(members, rules).hex(),
        "gasLimit": hex(members.gas_limit),
        "difficulty": "0x1",
        "mixHash": "0x" + _mix(members).hex(),
        "coinbase": ZERO_ADDRESS,
        "alloc": {account[2:].lower(): {"balance": hex(wei)} for account, wei in _by_address(members.funds)},
    }
    return document | ({"baseFeePerGas": hex(FIRST_BASE_FEE)} if _has_base_fee(members) else {})


def chain_rules(members: MemberFile) -> Json:
    """Return the rules of the chain: the genesis file's ``config``."""
    rules: Json = {"chainId": members.chain_id} | dict.fromkeys(_UP_TO_BERLIN, 0)
    if _has_base_fee(members):
        rules["londonBlock"] = 0
    if members.consensus is Consensus.CLIQUE:
        return rules | {"clique": {"period": members.block_period, "epoch": EPOCH}}
    patience = 2 * members.block_period + 2
    return rules | {
        "qbft": {
            "blockperiodseconds": members.block_period,
            "epochlength": EPOCH,
            "requesttimeoutseconds": patience,
        }
    }


def genesis_hash(members: MemberFile) -> bytes:
    """Return the hash of the first block."""
    header = [
        bytes(_HASH),
        _NO_UNCLES,
        bytes.fromhex(ZERO_ADDRESS[2:]),
        _state_root(members.funds),
        _EMPTY_ROOT,
        _EMPTY_ROOT,
        bytes(_BLOOM),
        1,
        0,
        members.gas_limit,
        0,
        0,
        _extra_data(members, chain_rules(members)),
        _mix(members),
        bytes(_NONCE),
    ]
    return keccak256(rlp.encode(header + ([FIRST_BASE_FEE] if _has_base_fee(members) else [])))


def _has_base_fee(members: MemberFile) -> bool:
    return not members.free_gas


def _extra_data(members: MemberFile, rules: Json) -> bytes:
    digest = keccak256(json.dumps([members.name, rules], sort_keys=True, separators=(",", ":")).encode())
    signers = [bytes.fromhex(signer[2:]) for signer in members.first_signers]
    if members.consensus is Consensus.CLIQUE:
        return digest + b"".join(signers) + bytes(_SEAL)
    return qbft_extra_data(digest, signers)


def qbft_extra_data(vanity: bytes, signers: list[bytes]) -> bytes:
    """Return the extra data of QBFT's first block: free bytes, validators, no vote, round 0, no seals."""
    return bytes(rlp.encode([vanity, signers, [], 0, []]))


def _mix(members: MemberFile) -> bytes:
    return bytes(_HASH) if members.consensus is Consensus.CLIQUE else bytes.fromhex(_QBFT_MIX)


def _state_root(funds: Mapping[Address, int]) -> bytes:
    trie = HexaryTrie({})
    for account, wei in funds.items():
        trie[keccak256(bytes.fromhex(account[2:]))] = rlp.encode([0, wei, _EMPTY_ROOT, _EMPTY_CODE])
    return bytes(trie.root_hash)


def _by_address(funds: Mapping[Address, int]) -> list[tuple[Address, int]]:
    return sorted(funds.items(), key=lambda item: item[0].lower())
