"""The first block of a network.

given a member file
├─ the document is geth's: signers in the extra data in order, no Shanghai, no base fee where gas is free
├─ its hash is the one that geth 1.13.15 computed for the same file (recorded), and any change of rules changes it
├─ what does not concern the chain changes nothing: hosts, ports, who came later where founders are named
└─ with QBFT the extra data is what Besu and GoQuorum encode (recorded from their tests)
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from member_files import account, member_file

from medshare.network.genesis import EPOCH, genesis_document, genesis_hash, qbft_extra_data
from medshare.network.members import Consensus, MemberFile

pytestmark = pytest.mark.unit

FUNDED = member_file(free_gas=False, funds={account(1): 5 * 10**18, account(2): 7 * 10**20, account(3): 10**18})


def test_document__clique__is_what_geth_reads() -> None:
    members = member_file()
    document = genesis_document(members)
    assert document["config"]["clique"] == {"period": 5, "epoch": EPOCH}
    assert not {"londonBlock", "shanghaiTime"} & document["config"].keys()
    assert "baseFeePerGas" not in document
    extra = bytes.fromhex(document["extraData"][2:])
    signers = extra[32:-65]
    assert [signers[at : at + 20].hex() for at in range(0, len(signers), 20)] == sorted(
        node.signer[2:].lower() for node in members.validators
    )
    assert extra[-65:] == bytes(65)


def test_document__paid_gas__has_a_base_fee_and_coins() -> None:
    document = genesis_document(FUNDED)
    assert document["config"]["londonBlock"] == 0
    assert int(document["baseFeePerGas"], 16) == 10**9
    assert document["alloc"][account(2)[2:].lower()] == {"balance": hex(7 * 10**20)}


@pytest.mark.parametrize(
    ("members", "recorded"),
    [
        (member_file(), "e255a386cfe275546e9aad226491c3be2e16e970c61b9706d72351f4b68ba4af"),
        (FUNDED, "9f51821714fd0ca7e07da79d58d6e911c720153a2f7c1349b53ed99ace2e8cdf"),
    ],
    ids=["free gas", "paid gas, with coins"],
)
def test_hash__of_a_member_file__is_what_geth_computed(members: MemberFile, recorded: str) -> None:
    assert genesis_hash(members).hex() == recorded


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "wealth"},
        {"chain_id": 4_712},
        {"block_period": 6},
        {"free_gas": False},
        {"gas_limit": 20_000_000},
        {"funds": {account(1): 1}},
        {"founders": (account(1),)},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_hash__rules_changed__is_another(changed: dict[str, object]) -> None:
    assert genesis_hash(member_file(**changed)) != genesis_hash(member_file())


def test_hash__what_is_no_rule_changed__is_the_same() -> None:
    members = member_file()
    founded = replace(members, founders=members.first_signers)
    south = members.institutions[1]
    moved = replace(south, validators=(replace(south.validators[0], host="elsewhere.example", port=1),))
    assert genesis_hash(replace(founded, institutions=(members.institutions[0], moved))) == genesis_hash(members)


def test_qbft__extra_data__is_what_others_encode() -> None:
    signers = [
        "44add0ec310f115a0e603b2d7db9f067778eaf8a",
        "294fc7e8f22b3bcdcf955dd7ff3ba2ed833f8212",
        "6beaaed781d2d2ab6350f5c4566a2c6eaac407a6",
        "8be76812f765c24641ec63dc2852b378aba2b440",
    ]
    assert qbft_extra_data(bytes(32), [bytes.fromhex(signer) for signer in signers]).hex() == (
        "f87aa00000000000000000000000000000000000000000000000000000000000000000f854"
        "9444add0ec310f115a0e603b2d7db9f067778eaf8a94294fc7e8f22b3bcdcf955dd7ff3ba2ed833f8212"
        "946beaaed781d2d2ab6350f5c4566a2c6eaac407a6948be76812f765c24641ec63dc2852b378aba2b440c080c0"
    )


def test_document__qbft__has_its_rules_and_mark() -> None:
    document = genesis_document(member_file(Consensus.QBFT, block_period=2))
    assert document["config"]["qbft"] == {"blockperiodseconds": 2, "epochlength": EPOCH, "requesttimeoutseconds": 6}
    assert bytes.fromhex(document["mixHash"][2:]) == b"ctical byzantine fault tolerance"
