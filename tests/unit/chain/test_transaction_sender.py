"""Sending: nothing twice, nothing forgotten.

given a node that answers
├── it should estimate, sign, write down, send, and return the receipt
├── a contract's refusal, an empty account, a wrong chain, a fee above the cap should surface before anything is signed
└── the same intent again should return the same receipt, and another payload under it should be refused
given an answer that is lost, before or after the node had the transaction
└── it should be looked up, and the same bytes sent again: the nonce moves once
given a crash after signing
└── the same intent, or the account's next transaction, should send the same bytes
given a nonce that somebody else used
└── it should take the next one, and know the first for dead
given a nonce that nobody holds, below one that waits
└── it should be used next: what waits is mined after it
given a fee below what the node takes
└── it should say so, and not that somebody else is sending
given a node that drops, reverts, reorganises or stalls
└── each should end in its own error or be healed
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
from medshare.chain.agreement import newest_confirmed
from medshare.chain.client import ChainClient
from medshare.chain.networks import FeeMode, load_network
from medshare.chain.outbox import EntryState, Outbox
from medshare.chain.transactions import TransactionSender
from medshare.errors import (
    ConfigurationError,
    InsufficientFundsError,
    InvalidInputError,
    LedgerBusyError,
    LedgerUnavailableError,
    TransactionFailedError,
    UnknownGrantError,
    WrongChainError,
)
from medshare.hashing import keccak256
from medshare.model.ids import Address

pytestmark = pytest.mark.unit

CONTRACT = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
LOST = requests.ConnectionError("lost")


class Time:
    """A clock that sleeping puts forward, and what is done meanwhile."""

    def __init__(self) -> None:
        self.now = 0.0
        self.meanwhile: list[Callable[[], None]] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.meanwhile:
            self.meanwhile.pop(0)()

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def node() -> ScriptedNode:
    return ScriptedNode()


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
        profile = replace(load_network("anvil"), receipt_timeout=30.0, **changes)
        client = ChainClient(profile, node, sleep=time.sleep)
        senders.append(TransactionSender(client, tmp_path, sleep=time.sleep, monotonic=time.monotonic))
        return senders[-1]

    yield build
    for sender in senders:
        sender.close()


@pytest.fixture
def sender(make: Callable[..., TransactionSender]) -> TransactionSender:
    return make()


def _outbox(node: ScriptedNode, tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox.sqlite", ChainClient(load_network("anvil"), node).identity)


def test_send__all_well__returns_the_receipt(
    sender: TransactionSender, node: ScriptedNode, signer: LocalSigner
) -> None:
    receipt = sender.send(signer, to=CONTRACT, data=b"\1")
    assert receipt.tx_hash == keccak256(node.sent[0])
    assert (receipt.block.number, receipt.gas_used) == (2, 40_000)
    fields = transaction_fields(node.sent[0])
    assert fields["gas"] == 57_500
    assert (fields["maxFeePerGas"], fields["maxPriorityFeePerGas"]) == (22, 2)
    assert fields["chainId"] == 31337


def test_send__all_well__was_written_down_before(
    sender: TransactionSender, node: ScriptedNode, signer: LocalSigner, tmp_path: Path
) -> None:
    seen = []

    def look(raw: str) -> str:
        outbox = _outbox(node, tmp_path)
        seen.extend(entry.raw for entry in outbox.unsettled(signer.address))
        outbox.close()
        return node.eth_sendRawTransaction(raw)

    node.fail("eth_sendRawTransaction", look)
    sender.send(signer, to=CONTRACT)
    assert seen == node.sent


def test_send__contract_refuses_the_estimate__nothing_is_signed(
    sender: TransactionSender, node: ScriptedNode, signer: LocalSigner, tmp_path: Path
) -> None:
    data = keccak256(b"ConsentRegistryGrantUnknown(uint256)")[:4] + bytes(31) + b"\7"
    node.fail("eth_estimateGas", {"code": 3, "message": "execution reverted", "data": "0x" + data.hex()})
    with pytest.raises(UnknownGrantError) as caught:
        sender.send(signer, to=CONTRACT)
    assert caught.value.grant_id == 7
    assert not node.sent
    outbox = _outbox(node, tmp_path)
    assert outbox.unsettled(signer.address) == []
    outbox.close()


def test_send__empty_account__nothing_is_signed(
    sender: TransactionSender, node: ScriptedNode, signer: LocalSigner
) -> None:
    node.balance = 57_500 * 22 - 1
    with pytest.raises(InsufficientFundsError):
        sender.send(signer, to=CONTRACT)
    node.balance += 1
    sender.send(signer, to=CONTRACT)
    assert len(node.sent) == 1


def test_send__node_changed_chains__nothing_is_sent(
    sender: TransactionSender, node: ScriptedNode, signer: LocalSigner
) -> None:
    node.chain_id = 1
    with pytest.raises(WrongChainError):
        sender.send(signer, to=CONTRACT)
    assert not node.sent


def test_client__wrong_chain__does_not_open(node: ScriptedNode) -> None:
    node.chain_id = 1
    with pytest.raises(WrongChainError):
        ChainClient(load_network("anvil"), node)


@pytest.mark.parametrize(
    ("changes", "base_fee", "expected"),
    [
        ({"fees": FeeMode.ZERO}, 10, {"gasPrice": 0}),
        ({"fees": FeeMode.LEGACY}, 10, {"gasPrice": 7}),
        ({}, None, {"gasPrice": 7}),
        ({"max_fee_gwei": 15e-9}, 10, {"maxFeePerGas": 15, "maxPriorityFeePerGas": 2}),
        ({"priority_fee_gwei": 4e-9}, 10, {"maxFeePerGas": 24, "maxPriorityFeePerGas": 4}),
    ],
)
def test_fees__policy_fits__decides_the_fields(
    make: Callable[..., TransactionSender],
    node: ScriptedNode,
    changes: dict[str, Any],
    base_fee: int | None,
    expected: dict[str, int],
) -> None:
    node.base_fee = base_fee
    signed: list[dict[str, Any]] = []

    class Recorder:
        address = CONTRACT

        def sign_transaction(self, transaction: dict[str, Any]) -> bytes:
            signed.append(transaction)
            return LocalSigner.generate().sign_transaction(transaction)

    make(**changes).send(Recorder(), to=CONTRACT)
    assert expected.items() <= signed[0].items()


@pytest.mark.parametrize(("changes", "base_fee"), [({"max_fee_gwei": 11e-9}, 10), ({"fees": FeeMode.EIP1559}, None)])
def test_fees__policy_does_not_fit__nothing_is_sent(
    make: Callable[..., TransactionSender],
    node: ScriptedNode,
    signer: LocalSigner,
    changes: dict[str, Any],
    base_fee: int | None,
) -> None:
    node.base_fee = base_fee
    with pytest.raises(ConfigurationError):
        make(**changes).send(signer, to=CONTRACT)
    assert not node.sent


# ------------------------------------------------------------------------------------------------ lost answers


@pytest.mark.parametrize(
    "error",
    [LOST, requests.Timeout("slow"), requests.exceptions.ChunkedEncodingError("cut"), ValueError("html")],
    ids=lambda error: type(error).__name__,
)
def test_send__answer_lost_after_arrival__is_found_and_not_sent_again(
    sender: TransactionSender, node: ScriptedNode, signer: LocalSigner, error: BaseException
) -> None:
    node.fail("eth_sendRawTransaction", node.forwarded_then(error))
    sender.send(signer, to=CONTRACT)
    assert len(node.mined) == len(node.sent) == 1


def test_send__lost_before_arrival__same_bytes_are_sent_again(
    sender: TransactionSender, node: ScriptedNode, signer: LocalSigner, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="medshare")
    node.fail("eth_sendRawTransaction", LOST, LOST)
    receipt = sender.send(signer, to=CONTRACT)
    assert len(node.mined) == len(node.sent) == 1
    assert [record.message for record in caplog.records] == [f"0x{receipt.tx_hash.hex()} is sent again"] * 2


def test_send__answer_and_look_up_lost__same_bytes_and_nonce_moves_once(
    sender: TransactionSender, node: ScriptedNode, signer: LocalSigner
) -> None:
    node.fail("eth_sendRawTransaction", node.forwarded_then(LOST))
    node.fail("eth_getTransactionByHash", LOST, LOST)
    sender.send(signer, to=CONTRACT)
    assert len(set(node.sent)) == 1
    assert len(node.mined) == 1


@pytest.mark.parametrize("intent", ["publish/1", None])
def test_send__node_gone_for_good__is_taken_up_later(
    sender: TransactionSender, node: ScriptedNode, signer: LocalSigner, intent: str | None
) -> None:
    node.fail("eth_sendRawTransaction", *[LOST] * 4)
    with pytest.raises(LedgerUnavailableError):
        sender.send(signer, to=CONTRACT, data=b"\1", intent=intent)
    assert not node.sent
    receipt = sender.send(signer, to=CONTRACT, data=b"\1", intent=intent)
    # With an intent it is the same transaction; without, the first goes before the second, none is lost.
    assert len(node.mined) == (1 if intent else 2)
    assert receipt.tx_hash == keccak256(node.sent[-1])
    assert [transaction_fields(raw)["nonce"] for raw in node.sent] == list(range(len(node.sent)))


def test_send__too_many_requests__waits_and_sends_the_same_bytes(
    sender: TransactionSender, node: ScriptedNode, signer: LocalSigner
) -> None:
    node.fail("eth_sendRawTransaction", {"code": -32005, "message": "rate limit exceeded"})
    sender.send(signer, to=CONTRACT)
    assert len(node.mined) == 1


# ---------------------------------------------------------------------------------------------------- intents


def test_intent__repeated__returns_the_same_receipt(
    sender: TransactionSender, node: ScriptedNode, signer: LocalSigner
) -> None:
    first = sender.send(signer, to=CONTRACT, data=b"\1", intent="publish/1")
    assert sender.send(signer, to=CONTRACT, data=b"\1", intent="publish/1") == first
    assert len(node.sent) == 1


def test_intent__for_something_else__is_refused(
    sender: TransactionSender, node: ScriptedNode, signer: LocalSigner
) -> None:
    sender.send(signer, to=CONTRACT, data=b"\1", intent="publish/1")
    with pytest.raises(InvalidInputError):
        sender.send(signer, to=CONTRACT, data=b"\2", intent="publish/1")
    assert len(node.sent) == 1


@pytest.mark.parametrize("intent", ["", "x" * 257])
def test_intent__of_no_use__is_refused(sender: TransactionSender, signer: LocalSigner, intent: str) -> None:
    with pytest.raises(InvalidInputError):
        sender.send(signer, to=CONTRACT, intent=intent)


def test_intent__after_a_crash_between_writing_and_sending__sends_what_was_signed(
    make: Callable[..., TransactionSender], node: ScriptedNode, signer: LocalSigner
) -> None:
    node.fail("eth_sendRawTransaction", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        make().send(signer, to=CONTRACT, intent="publish/1")
    assert not node.sent
    make().send(signer, to=CONTRACT, intent="publish/1")
    assert len(node.mined) == 1


def test_intent__after_a_crash_between_sending_and_answer__sends_no_second(
    make: Callable[..., TransactionSender], node: ScriptedNode, signer: LocalSigner
) -> None:
    node.fail("eth_sendRawTransaction", node.forwarded_then(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        make().send(signer, to=CONTRACT, intent="publish/1")
    make().send(signer, to=CONTRACT, intent="publish/1")
    assert len(node.mined) == len(set(node.sent)) == 1


def test_intent__earlier_one_is_dead__a_new_one_is_made(
    make: Callable[..., TransactionSender], node: ScriptedNode, signer: LocalSigner, tmp_path: Path
) -> None:
    node.fail("eth_sendRawTransaction", *[LOST] * 4)
    sender = make()
    with pytest.raises(LedgerUnavailableError):
        sender.send(signer, to=CONTRACT, intent="publish/1")
    # The same key is used elsewhere meanwhile, with another outbox.
    elsewhere = TransactionSender(ChainClient(load_network("anvil"), node), tmp_path / "elsewhere")
    elsewhere.send(signer, to=CONTRACT, data=b"\7")
    elsewhere.close()
    receipt = sender.send(signer, to=CONTRACT, intent="publish/1")
    assert len(node.mined) == 2
    assert transaction_fields(node.sent[-1])["nonce"] == 1
    assert receipt.tx_hash == keccak256(node.sent[-1])


def test_intent__earlier_one_reverted__a_new_one_is_made(
    sender: TransactionSender, node: ScriptedNode, signer: LocalSigner
) -> None:
    node.reverting = True
    with pytest.raises(TransactionFailedError):
        sender.send(signer, to=CONTRACT, intent="publish/1")
    node.reverting = False
    sender.send(signer, to=CONTRACT, intent="publish/1")
    assert len(node.mined) == 2


def test_intent__on_a_chain_that_began_anew__is_another(
    make: Callable[..., TransactionSender], node: ScriptedNode, signer: LocalSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    make().send(signer, to=CONTRACT, intent="publish/1")
    node.mined.clear()
    monkeypatch.setattr("scripted_node.block_hash", lambda number: "0x" + keccak256(b"%d" % number).hex())
    make().send(signer, to=CONTRACT, intent="publish/1")
    assert len(node.sent) == 2


# ----------------------------------------------------------------------------------------------------- nonces


def test_nonce__taken_by_somebody_else_meanwhile__the_next_is_used(
    sender: TransactionSender, node: ScriptedNode, signer: LocalSigner, tmp_path: Path
) -> None:
    def race(*_: object) -> str:
        rival = LocalSigner.from_key(bytes(signer._account.key))
        elsewhere = TransactionSender(ChainClient(load_network("anvil"), node), tmp_path / "elsewhere")
        elsewhere.send(rival, to=CONTRACT, data=b"\7")
        elsewhere.close()
        return "0x0"

    node.fail("eth_getTransactionCount", race)
    receipt = sender.send(signer, to=CONTRACT)
    assert len(node.mined) == 2
    assert node.mined[receipt.tx_hash]["nonce"] == 1


def test_nonce__earlier_ones_wait_in_the_node__follows_them(
    sender: TransactionSender, node: ScriptedNode, signer: LocalSigner, time: Time
) -> None:
    node.mining = False
    time.meanwhile = [lambda: None] * 3 + [lambda: sender.send(signer, to=CONTRACT, data=b"\2")]
    time.meanwhile += [lambda: None, node.mine]
    sender.send(signer, to=CONTRACT, data=b"\1")
    assert sorted(one["nonce"] for one in node.mined.values()) == [0, 1]


def test_nonce__gap_below_one_that_waits__is_filled(
    sender: TransactionSender, node: ScriptedNode, signer: LocalSigner
) -> None:
    node.mining = False
    for data in (b"\1", b"\2"):
        with pytest.raises(LedgerUnavailableError, match="not mined"):
            sender.send(signer, to=CONTRACT, data=data)
    node.drop()
    node.mining = True
    node.fail("eth_sendRawTransaction", {"code": -32000, "message": "exceeds block gas limit"})
    receipt = sender.send(signer, to=CONTRACT, data=b"\3")
    assert node.mined[receipt.tx_hash]["nonce"] == 0
    following = sender.send(signer, to=CONTRACT, data=b"\4")
    assert node.mined[following.tx_hash]["nonce"] == 2
    assert not node.pool


@pytest.mark.parametrize(
    "reason",
    [
        "transaction underpriced",
        "transaction underpriced: tip needed 30000000000, tip permitted 2",
        "FeeTooLow, EffectivePriorityFeePerGas too low",
        "Gas price below configured minimum gas price",
        "max fee per gas less than block base fee: address 0x11, maxFeePerGas: 1, baseFee: 7",
    ],
)
def test_send__fee_below_what_the_node_takes__says_so(
    sender: TransactionSender, node: ScriptedNode, signer: LocalSigner, reason: str
) -> None:
    node.fail("eth_sendRawTransaction", *[{"code": -32000, "message": reason}] * 5)
    with pytest.raises(TransactionFailedError, match="fee is too low.*" + reason):
        sender.send(signer, to=CONTRACT)
    node.faults.clear()
    receipt = sender.send(signer, to=CONTRACT)
    assert node.mined[receipt.tx_hash]["nonce"] == 0


@pytest.mark.parametrize("reason", ["replacement transaction underpriced", "Replacement transaction underpriced: x"])
def test_send__another_holds_the_nonce_at_the_node__takes_the_next(
    sender: TransactionSender, node: ScriptedNode, signer: LocalSigner, reason: str
) -> None:
    node.fail("eth_sendRawTransaction", {"code": -32000, "message": reason})
    sender.send(signer, to=CONTRACT)
    node.fail("eth_sendRawTransaction", *[{"code": -32000, "message": reason}] * 5)
    with pytest.raises(LedgerBusyError):
        sender.send(signer, to=CONTRACT)


def test_next_transaction__after_one_the_node_refused__uses_its_nonce(
    sender: TransactionSender, node: ScriptedNode, signer: LocalSigner
) -> None:
    node.fail("eth_sendRawTransaction", {"code": -32000, "message": "exceeds block gas limit"})
    with pytest.raises(TransactionFailedError, match="exceeds block gas limit"):
        sender.send(signer, to=CONTRACT)
    receipt = sender.send(signer, to=CONTRACT)
    assert node.mined[receipt.tx_hash]["nonce"] == 0


def test_send__node_says_no_funds__is_typed(sender: TransactionSender, node: ScriptedNode, signer: LocalSigner) -> None:
    node.fail("eth_sendRawTransaction", {"code": -32000, "message": "insufficient funds for gas * price + value"})
    with pytest.raises(InsufficientFundsError):
        sender.send(signer, to=CONTRACT)


# ---------------------------------------------------------------------------------------------------- waiting


def test_wait__node_drops_the_transaction__it_is_sent_again(
    sender: TransactionSender, node: ScriptedNode, signer: LocalSigner, time: Time
) -> None:
    node.mining = False

    def drop() -> None:
        node.drop()
        node.mining = True

    time.meanwhile = [drop]
    sender.send(signer, to=CONTRACT)
    assert len(node.mined) == 1
    assert len(set(node.sent)) == 1


def test_wait__never_mined__ends_in_time_and_can_be_taken_up(
    sender: TransactionSender, node: ScriptedNode, signer: LocalSigner, time: Time
) -> None:
    node.mining = False
    with pytest.raises(LedgerUnavailableError, match="not mined"):
        sender.send(signer, to=CONTRACT, intent="publish/1")
    assert time.now < 60
    node.mining = True
    node.mine()
    sender.send(signer, to=CONTRACT, intent="publish/1")
    assert len(node.mined) == 1


def test_wait__answers_lost_now_and_then__goes_on(
    sender: TransactionSender, node: ScriptedNode, signer: LocalSigner
) -> None:
    node.fail("eth_getTransactionReceipt", LOST, LOST, LOST, LOST)
    sender.send(signer, to=CONTRACT)
    assert len(node.sent) == 1


def test_wait__confirmations__counts_blocks_and_notices_another_block(
    make: Callable[..., TransactionSender],
    node: ScriptedNode,
    signer: LocalSigner,
    time: Time,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", logger="medshare")
    time.meanwhile = [node.mine, node.mine]
    receipt = make(confirmations=3).send(signer, to=CONTRACT)
    assert (receipt.block.number, node.head_number) == (2, 4)
    assert [record.message for record in caplog.records] == [
        "block 2 has 1 of 3 confirmations",
        "block 2 has 2 of 3 confirmations",
    ]


def test_wait__receipt_comes_before_its_block_is_the_newest__waits_for_it(
    sender: TransactionSender, node: ScriptedNode, signer: LocalSigner, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = node.mine

    def mine_ahead() -> None:
        mine()
        node.head_number -= 1

    def catch_up() -> None:
        node.head_number += 1

    monkeypatch.setattr(node, "mine", mine_ahead)
    time.meanwhile = [catch_up]
    receipt = sender.send(signer, to=CONTRACT)
    assert (receipt.block.number, node.head_number, time.meanwhile) == (2, 2, [])


def test_wait__finalized__waits_until_the_chain_says_so(
    make: Callable[..., TransactionSender],
    node: ScriptedNode,
    signer: LocalSigner,
    time: Time,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", logger="medshare")

    def finalize() -> None:
        node.final_number = node.head_number

    time.meanwhile = [node.mine, finalize]
    receipt = make(finalized=True).send(signer, to=CONTRACT)
    assert (receipt.block.number, node.final_number) == (2, 3)
    assert [record.message for record in caplog.records] == ["block 2 is not final yet"] * 2


@pytest.mark.parametrize(
    ("head", "final", "profile", "number"),
    [
        (9, 0, {}, 9),
        (9, 0, {"confirmations": 3}, 7),
        (1, 0, {"confirmations": 3}, 0),
        (9, 5, {"finalized": True}, 5),
        (9, 9, {"finalized": True, "confirmations": 2}, 8),
    ],
)
def test_newest_confirmed__as_the_profile_wants(
    node: ScriptedNode, head: int, final: int, profile: dict[str, Any], number: int
) -> None:
    node.head_number, node.final_number = head, final
    assert newest_confirmed(ChainClient(replace(load_network("anvil"), **profile), node)).number == number


def test_wait__block_is_never_final__ends_in_time_and_can_be_taken_up(
    make: Callable[..., TransactionSender], node: ScriptedNode, signer: LocalSigner
) -> None:
    with pytest.raises(LedgerUnavailableError):
        make(finalized=True).send(signer, to=CONTRACT, intent="gift")
    node.final_number = node.head_number
    make(finalized=True).send(signer, to=CONTRACT, intent="gift")
    assert len(node.mined) == 1


def test_wait__no_block_comes_after_it__says_what_confirms_and_sends_nothing_twice(
    make: Callable[..., TransactionSender], node: ScriptedNode, signer: LocalSigner
) -> None:
    with pytest.raises(LedgerUnavailableError) as caught:
        make(confirmations=2).send(signer, to=CONTRACT)
    assert "confirmations = 1" in caught.value.hint
    assert len(node.sent) == 1


def test_wait__reverted__says_why(
    sender: TransactionSender, node: ScriptedNode, signer: LocalSigner, tmp_path: Path
) -> None:
    node.reverting = True
    data = keccak256(b"ConsentRegistryGrantUnknown(uint256)")[:4] + bytes(31) + b"\7"
    node.fail("eth_call", {"code": 3, "message": "execution reverted", "data": "0x" + data.hex()})
    with pytest.raises(UnknownGrantError):
        sender.send(signer, to=CONTRACT, intent="x")
    outbox = _outbox(node, tmp_path)
    states = [entry.state for entry in outbox.race(signer.address, "x")]
    outbox.close()
    assert states == [EntryState.FAILED]


def test_send__several_in_a_row__count_nonces_without_a_gap(
    sender: TransactionSender, node: ScriptedNode, signer: LocalSigner
) -> None:
    node.balance = ETHER
    for number in range(5):
        sender.send(signer, to=CONTRACT, data=bytes([number]))
    assert [transaction_fields(raw)["nonce"] for raw in node.sent] == [0, 1, 2, 3, 4]
