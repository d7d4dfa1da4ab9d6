"""A transaction that waits too long is outbid, and done once.

given a transaction that is not mined in time
├── it should be signed again with the same nonce and effect, and both fees an eighth higher, or as the node asks now
├── whichever of the two is mined, its receipt should be returned and the other be known for dead
└── it should wait in peace where fees are zero, the cap is reached, or the account cannot pay more
given a process that ended while two were on their way
├── the same intent should find the one that was mined, dear or cheap, and send nothing
├── the same intent should send the dearer one again where neither is mined
└── the account's next transaction should take the next nonce
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from scripted_node import ETHER, ScriptedNode, transaction_fields

from medshare.chain.accounts import LocalSigner
from medshare.chain.client import ChainClient
from medshare.chain.networks import FeeMode, load_network
from medshare.chain.outbox import EntryState, Outbox
from medshare.chain.replacement import most_wei, outbid
from medshare.chain.transactions import TransactionSender
from medshare.errors import LedgerUnavailableError
from medshare.hashing import keccak256
from medshare.model.ids import Address

pytestmark = pytest.mark.unit

CONTRACT = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
STUCK = 10.0
PATIENT = 30.0


class Time:
    """A clock that sleeping puts forward, with what is done once it has come so far."""

    def __init__(self) -> None:
        self.now = 0.0
        self.at: dict[float, Callable[[], None]] = {}

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for moment in [one for one in self.at if one <= self.now]:
            self.at.pop(moment)()

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def node() -> ScriptedNode:
    node = ScriptedNode()
    node.mining = False
    return node


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def signer() -> LocalSigner:
    return LocalSigner.generate()


@pytest.fixture
def make(node: ScriptedNode, time: Time, tmp_path: Path) -> Iterator[Callable[..., TransactionSender]]:
    senders = []

    def build(**changes: Any) -> TransactionSender:
        profile = replace(load_network("anvil"), receipt_timeout=PATIENT, **changes)
        client = ChainClient(profile, node, sleep=time.sleep)
        senders.append(
            TransactionSender(client, tmp_path, sleep=time.sleep, monotonic=time.monotonic, stuck_after=STUCK)
        )
        return senders[-1]

    yield build
    for sender in senders:
        sender.close()


def states(node: ScriptedNode, signer: LocalSigner, tmp_path: Path) -> list[EntryState]:
    outbox = Outbox(tmp_path / "outbox.sqlite", ChainClient(load_network("anvil"), node).identity)
    found = [entry.state for entry in outbox.race(signer.address, "x")]
    outbox.close()
    return found


def mine_first(node: ScriptedNode, signer: LocalSigner) -> Callable[[], None]:
    """Return an act: a miner who never heard of the dearer one mines the first."""

    def act() -> None:
        node.drop()
        node.pool[keccak256(node.sent[0])] = (signer.address, 0)
        node.mine()

    return act


def test_send__waits_too_long__is_outbid_with_the_same_nonce_and_effect(make, node, time, signer, tmp_path) -> None:
    time.at[STUCK + 5] = node.mine

    receipt = make().send(signer, to=CONTRACT, data=b"\1\2", intent="x")

    first, second = (transaction_fields(raw) for raw in dict.fromkeys(node.sent))
    assert receipt.tx_hash == keccak256(node.sent[-1])
    assert all(first[name] == second[name] for name in ("nonce", "to", "data", "value", "gas", "chainId"))
    assert second["maxFeePerGas"] >= first["maxFeePerGas"] * 1.125
    assert second["maxPriorityFeePerGas"] >= first["maxPriorityFeePerGas"] * 1.125
    assert states(node, signer, tmp_path) == [EntryState.DEAD, EntryState.MINED]


def test_send__fees_have_risen__offers_what_the_node_asks_now(make, node, time, signer) -> None:
    time.at[STUCK / 2] = lambda: setattr(node, "base_fee", 1_000)
    time.at[STUCK + 5] = node.mine

    make().send(signer, to=CONTRACT)

    assert transaction_fields(node.sent[-1])["maxFeePerGas"] == 2 * 1_000 + 2


def test_send__the_cheaper_one_is_mined_after_all__its_receipt_counts(make, node, time, signer, tmp_path) -> None:
    time.at[STUCK + 5] = mine_first(node, signer)

    receipt = make().send(signer, to=CONTRACT, intent="x")

    assert receipt.tx_hash == keccak256(node.sent[0])
    assert len(set(node.sent)) == 2
    assert states(node, signer, tmp_path) == [EntryState.MINED, EntryState.DEAD]


@pytest.mark.parametrize(
    ("changes", "balance"),
    [
        ({"fees": FeeMode.ZERO}, 10 * ETHER),
        ({"max_fee_gwei": 22e-9}, 10 * ETHER),
        ({}, 57_500 * 22),
    ],
    ids=["no fees", "at the cap", "cannot pay more"],
)
def test_send__more_cannot_be_offered__goes_on_waiting(changes, balance, make, node, time, signer) -> None:
    node.balance = balance
    time.at[STUCK + 5] = node.mine

    receipt = make(**changes).send(signer, to=CONTRACT)

    assert receipt.tx_hash == keccak256(node.sent[0])
    assert len(set(node.sent)) == 1


def test_send__gas_has_become_dearer_than_allowed__goes_on_waiting(make, node, time, signer) -> None:
    time.at[STUCK / 2] = lambda: setattr(node, "base_fee", 10**12)
    time.at[STUCK + 5] = node.mine

    receipt = make(max_fee_gwei=1.0).send(signer, to=CONTRACT)

    assert receipt.tx_hash == keccak256(node.sent[0])
    assert len(set(node.sent)) == 1


@pytest.mark.parametrize(
    "fault", [{"code": -32000, "message": "insufficient funds for gas"}, {"code": -32000, "message": "fee too low"}]
)
def test_send__node_will_not_take_the_dearer_one__goes_on_waiting(fault, make, node, time, signer, tmp_path) -> None:
    node.fail("eth_sendRawTransaction", node.eth_sendRawTransaction, fault)
    time.at[STUCK + 5] = node.mine

    receipt = make().send(signer, to=CONTRACT, intent="x")

    assert receipt.tx_hash == keccak256(node.sent[0])
    assert states(node, signer, tmp_path) == [EntryState.MINED, EntryState.DEAD]


def test_send__dearer_one_is_lost_on_its_way__both_are_watched(make, node, time, signer, tmp_path) -> None:
    lost = [requests.ConnectionError("lost")] * 4
    node.fail("eth_sendRawTransaction", node.eth_sendRawTransaction, *lost)
    time.at[STUCK + 5] = node.mine

    receipt = make().send(signer, to=CONTRACT, intent="x")

    assert receipt.tx_hash in {keccak256(raw) for raw in node.sent}
    assert sorted(states(node, signer, tmp_path)) == [EntryState.DEAD, EntryState.MINED]


def test_send__legacy_fees__the_price_rises(make, node, time, signer) -> None:
    time.at[STUCK + 5] = node.mine

    make(fees=FeeMode.LEGACY).send(signer, to=CONTRACT)

    client = ChainClient(replace(load_network("anvil"), fees=FeeMode.LEGACY), node)
    first, second = (outbid(client, raw) for raw in dict.fromkeys(node.sent))
    assert (first["gasPrice"], second["gasPrice"]) == (8, 9)
    assert first["nonce"] == second["nonce"] == 0
    assert most_wei(second) == 9 * 57_500


@pytest.mark.parametrize("cheap", [True, False])
def test_send__repeated_after_both_were_sent__finds_the_one_that_was_mined(
    cheap, make, node, time, signer, tmp_path
) -> None:
    with pytest.raises(LedgerUnavailableError, match="in time"):
        make().send(signer, to=CONTRACT, intent="x")
    count = len(node.sent)
    mined = node.sent[0] if cheap else list(dict.fromkeys(node.sent))[-1]
    mine_first(node, signer)() if cheap else node.mine()

    receipt = make().send(signer, to=CONTRACT, intent="x")

    assert receipt.tx_hash == keccak256(mined)
    assert len(node.sent) == count
    assert states(node, signer, tmp_path).count(EntryState.MINED) == 1


def test_send__repeated_while_neither_is_mined__sends_the_dearer_again(make, node, time, signer) -> None:
    with pytest.raises(LedgerUnavailableError, match="in time"):
        make().send(signer, to=CONTRACT, intent="x")
    dearest = list(dict.fromkeys(node.sent))[-1]
    node.drop()
    count = len(node.sent)
    node.mining = True

    receipt = make().send(signer, to=CONTRACT, intent="x")

    assert node.sent[count:] == [dearest]
    assert receipt.tx_hash == keccak256(dearest)


def test_send__another_one_after_a_race_was_left__takes_the_next_nonce(make, node, time, signer) -> None:
    with pytest.raises(LedgerUnavailableError, match="in time"):
        make().send(signer, to=CONTRACT, intent="x")
    dearest = list(dict.fromkeys(node.sent))[-1]
    node.drop()
    count = len(node.sent)
    node.mining = True

    make().send(signer, to=CONTRACT, intent="y")

    assert node.sent[count] == dearest
    assert [transaction_fields(raw)["nonce"] for raw in node.sent[count:]] == [0, 1]
