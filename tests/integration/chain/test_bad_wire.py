"""A real connection to a chain that breaks in every way we know.

given a question of reading that breaks
└── it should raise LedgerUnavailableError, or be answered at the second try
given a transaction that breaks, before or after the chain had it
├── the chain should have it once, and the nonce should move exactly once
└── where the answer stays away, the same intent should find it again
given a node on another chain, not there, or with a redirect
└── nothing should be sent, and the error should say which
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from faulty_node import LATE_SECONDS, FaultyNode
from nodes import deaf_port

from medshare.chain import ChainClient, NetworkProfile, TransactionSender, open_chain
from medshare.chain.embedded import faucet_key
from medshare.chain.events import ChainEvents
from medshare.chain.opening import genesis_signer
from medshare.chain.wire import BadAnswerError
from medshare.errors import DeploymentMismatchError, LedgerUnavailableError, WrongChainError
from medshare.model.events import EncryptionKeySet
from medshare.model.ids import Address

pytestmark = pytest.mark.integration

SOMEBODY = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
BROKEN_ANSWERS = (
    "html",
    "html_404",
    "html_502",
    "cut",
    "cut_json",
    "cut_chunk",
    "busy",
    "slow_after",
    "redirect",
    "list",
    "nonsense",
)
LOST_SENDS = (
    "drop_before",
    "drop_after",
    "html_502",
    "html_after",
    "cut",
    "cut_json",
    "cut_chunk",
    "slow_after",
    "busy",
)


@pytest.fixture
def client(request: pytest.FixtureRequest, wire: NetworkProfile, hasty: NetworkProfile) -> Iterator[ChainClient]:
    """A client that is hasty only where an answer stays away: elsewhere a busy machine is not to look like that."""
    late = "slow_after" in request.node.name
    with ChainClient(hasty if late else wire) as client:
        yield client


@pytest.fixture
def sender(client: ChainClient, tmp_path: Path) -> Iterator[TransactionSender]:
    sender = TransactionSender(client, tmp_path / "outbox")
    yield sender
    sender.close()


@pytest.mark.parametrize("fault", BROKEN_ANSWERS)
def test_read__broken_answer__is_typed(client: ChainClient, faulty: FaultyNode, fault: str) -> None:
    faulty.fail("eth_getBlockByNumber", fault)
    with pytest.raises(LedgerUnavailableError):
        client.head()
    assert client.head().number >= 0


@pytest.mark.parametrize(("fault", "again"), [("html_404", False), ("html_502", True), ("busy", True)])
def test_read__node_refuses__is_not_told_to_try_again_where_that_does_not_help(
    client: ChainClient, faulty: FaultyNode, fault: str, again: bool
) -> None:
    faulty.fail("eth_getBlockByNumber", fault)
    with pytest.raises(LedgerUnavailableError) as refused:
        client.head()
    assert ("try again" in refused.value.hint) == again
    assert ("URL" in refused.value.hint) != again


def test_read__no_connection__names_the_node(client: ChainClient, faulty: FaultyNode) -> None:
    faulty.fail("eth_getBlockByNumber", "drop_before", "drop_before")
    with pytest.raises(LedgerUnavailableError) as lost:
        client.head()
    assert client.profile.endpoint in lost.value.hint


def test_read__connection_lost_once__is_asked_again(client: ChainClient, faulty: FaultyNode) -> None:
    faulty.fail("eth_getBlockByNumber", "drop_before")
    assert client.head().number >= 0
    faulty.fail("eth_getBlockByNumber", "drop_before", "drop_before")
    with pytest.raises(LedgerUnavailableError):
        client.head()


def test_read__answer_comes_drop_by_drop__is_given_up_in_time(hasty: NetworkProfile, faulty: FaultyNode) -> None:
    with ChainClient(hasty) as client:
        faulty.fail("eth_getBlockByNumber", "drip")
        start = time.monotonic()
        with pytest.raises(LedgerUnavailableError, match="in time"):
            client.head()
        assert time.monotonic() - start < LATE_SECONDS / 2
        assert client.head().number >= 0


def test_read__one_after_another__keeps_the_connection(
    client: ChainClient, faulty: FaultyNode, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "urllib3")
    for _ in range(3):
        client.head()
    client.blocks([0])
    assert faulty.seen["eth_getBlockByNumber"] == 3
    assert "new HTTP connection" not in caplog.text


@pytest.mark.parametrize("stamp", [1 << 32, 1_700_000_000_000, (1 << 64) - 1])
def test_block__time_in_milliseconds__is_typed(
    client: ChainClient, monkeypatch: pytest.MonkeyPatch, stamp: int
) -> None:
    honest = client.request("eth_getBlockByNumber", "0x0", False)
    monkeypatch.setattr(client, "request", lambda *_: honest | {"timestamp": hex(stamp)})
    monkeypatch.setattr(client, "batch", lambda _: [honest | {"timestamp": hex(stamp)}])
    for ask in (client.head, lambda: client.block(0), lambda: client.blocks([0])):
        with pytest.raises(BadAnswerError):
            ask()


@pytest.mark.parametrize("fault", LOST_SENDS)
def test_send__answer_lost__chain_has_it_once(
    client: ChainClient, sender: TransactionSender, faulty: FaultyNode, fault: str
) -> None:
    signer = genesis_signer()
    faulty.fail("eth_sendRawTransaction", fault)
    receipt = sender.send(signer, to=SOMEBODY, value=7)
    assert client.nonce(signer.address, pending=True) == 1
    assert client.balance(SOMEBODY) == 7
    assert len(set(faulty.arrived)) == 1
    assert client.receipt(receipt.tx_hash) is not None


@pytest.mark.parametrize("fault", LOST_SENDS)
def test_send__everything_lost__same_intent_finds_it_again(
    client: ChainClient, sender: TransactionSender, faulty: FaultyNode, fault: str
) -> None:
    signer = genesis_signer()
    faulty.fail("eth_sendRawTransaction", *[fault] * 4)
    faulty.fail("eth_getTransactionByHash", *["busy"] * 4)
    with pytest.raises(LedgerUnavailableError):
        sender.send(signer, to=SOMEBODY, value=7, intent="gift")
    faulty.faults.clear()
    sender.send(signer, to=SOMEBODY, value=7, intent="gift")
    assert client.nonce(signer.address, pending=True) == 1
    assert client.balance(SOMEBODY) == 7
    assert len(set(faulty.arrived)) == 1


def test_send__receipt_lost__is_waited_for(client: ChainClient, sender: TransactionSender, faulty: FaultyNode) -> None:
    faulty.fail("eth_getTransactionReceipt", "html", "cut", "busy", "drop_before")
    sender.send(genesis_signer(), to=SOMEBODY, value=7)
    assert client.balance(SOMEBODY) == 7
    assert len(faulty.arrived) == 1


def test_open__other_chain__nothing_is_asked_further(faulty: FaultyNode, wire: NetworkProfile) -> None:
    with pytest.raises(WrongChainError) as caught:
        ChainClient(replace(wire, chain_id=4711))
    assert (caught.value.expected, caught.value.actual) == (4711, wire.chain_id)
    assert dict(faulty.seen) == {"eth_chainId": 1}


def test_send__node_moved_to_another_chain__nothing_is_sent(
    client: ChainClient, sender: TransactionSender, faulty: FaultyNode
) -> None:
    faulty.fail("eth_chainId", "other_chain")
    with pytest.raises(WrongChainError):
        sender.send(genesis_signer(), to=SOMEBODY, value=7)
    assert not faulty.arrived


def test_open__nobody_listens__is_typed(wire: NetworkProfile) -> None:
    with deaf_port() as port, pytest.raises(LedgerUnavailableError):
        ChainClient(replace(wire, url=f"http://127.0.0.1:{port}"))


def test_open__secret_in_the_url__is_in_no_message_and_no_traceback(wire: NetworkProfile) -> None:
    with deaf_port() as port:
        profile = replace(wire, url=f"http://user:canary-5a1e@127.0.0.1:{port}/canary-5a1e?k=canary-5a1e")
        with pytest.raises(LedgerUnavailableError) as caught:
            ChainClient(profile)
    assert "canary-5a1e" not in "".join(traceback.format_exception(caught.value))


def test_log__at_debug__holds_no_secret_of_the_url_and_no_key(
    wire: NetworkProfile, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    profile = replace(wire, url=f"{wire.url}/canary-5a1e?key=canary-5a1e")
    with open_chain(profile, tmp_path / "home") as chain:
        chain.deploy(genesis_signer())
        assert chain.client.web3.eth.chain_id == profile.chain_id
    assert "urllib3" in caplog.text
    assert "medshare.chain" in caplog.text
    assert "canary-5a1e" not in caplog.text
    assert faucet_key().hex() not in caplog.text


def test_logs__too_many__are_asked_in_halves(wire: NetworkProfile, faulty: FaultyNode, tmp_path: Path) -> None:
    with open_chain(wire, tmp_path / "home") as chain:
        chain.deploy(genesis_signer())
        for number in range(4):
            chain.ledger.directory.set_encryption_key(genesis_signer(), bytes([number + 1]) * 32)
        head = chain.ledger.chain.head().number
        whole = list(chain.ledger.chain.events(0, head))
        faulty.fail("eth_getLogs", "too_many", "none", "too_many", "cut_json")
        assert list(chain.ledger.chain.events(0, head)) == whole
        assert sum(isinstance(event, EncryptionKeySet) for event in whole) == 4
        faulty.fail("eth_getLogs", *["too_many"] * 100)
        with pytest.raises(LedgerUnavailableError):
            list(chain.ledger.chain.events(0, head))


def test_logs__long_range__is_asked_in_parts(wire: NetworkProfile, faulty: FaultyNode, tmp_path: Path) -> None:
    with open_chain(replace(wire, log_range=2), tmp_path / "home") as chain:
        chain.deploy(genesis_signer())
        for number in range(4):
            chain.ledger.directory.set_encryption_key(genesis_signer(), bytes([number + 1]) * 32)
        before = faulty.seen["eth_getLogs"]
        head = chain.ledger.chain.head().number
        found = list(chain.ledger.chain.events(0, head))
        assert sum(isinstance(event, EncryptionKeySet) for event in found) == 4
        assert faulty.seen["eth_getLogs"] - before == head // 2 + 1


@pytest.mark.parametrize(
    "change",
    [
        {"blockNumber": "0x999"},
        {"blockHash": "0x" + "00" * 32},
        {"address": "0x" + "00" * 20},
        {"removed": True},
        {"logIndex": "nine"},
        {"topics": []},
        {"topics": ["0x" + "11" * 32]},
        {"data": "0x00"},
        {"transactionHash": None},
        {"blockTimestamp": None, "blockHash": "0x" + "00" * 32},
        {"blockTimestamp": hex(1 << 32)},
    ],
    ids=str,
)
def test_logs__node_lies__is_typed(
    wire: NetworkProfile, tmp_path: Path, change: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_chain(wire, tmp_path / "home") as chain:
        chain.deploy(genesis_signer())
        first, last = (
            chain.ledger.directory.set_encryption_key(genesis_signer(), bytes([number]) * 32).block.number
            for number in (1, 2)
        )
        source = chain.ledger.chain
        assert isinstance(source, ChainEvents)
        honest = chain.client.logs
        monkeypatch.setattr(
            chain.client,
            "logs",
            lambda *question: [log | change for log in honest(*question)[:1]] + honest(*question)[1:],
        )
        if set(change) == {"blockHash"}:
            # Consistent in itself: only who compares with the block, as the index does, can notice.
            assert next(source.events(first, last)).place.block.hash == bytes(32)
            return
        with pytest.raises(LedgerUnavailableError):
            list(source.events(first, last))


def test_deployment__on_a_node_that_lost_it__is_noticed(wire: NetworkProfile, tmp_path: Path) -> None:
    with open_chain(wire, tmp_path / "home") as chain:
        chain.deploy(genesis_signer())
    with open_chain(wire, tmp_path / "home") as chain:
        chain.client.code = lambda _address: b""  # type: ignore[method-assign]  # a node that starts anew
        with pytest.raises(DeploymentMismatchError, match="no code"):
            _ = chain.ledger
