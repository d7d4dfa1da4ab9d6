"""Several nodes of one network: one that fails is replaced, one that lies is contradicted.

given two nodes
├── where one refuses, breaks off, is silent, lags behind, or is on another chain, the other should be asked
├── where it comes back, it should be used again
├── where one is lost while a transaction is sent, the chain should have it once
└── where none is left, the error should name both, and no secret
given two nodes that contradict each other about a receipt, a block, or a contract's code
├── EndpointsDisagreeError should name both, and nothing should be taken for done
└── when they agree again, the same intent should find the transaction, once
given one of two that does not answer
└── the other should be believed with a warning, and not where the profile wants two
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from faulty_node import FaultyNode, serving
from nodes import deaf_port

from medshare.chain import ChainClient, LocalSigner, NetworkProfile, TransactionSender, open_chain
from medshare.chain.agreement import newest_confirmed
from medshare.chain.endpoints import Endpoints
from medshare.chain.networks import DeploymentChoices
from medshare.chain.opening import genesis_signer
from medshare.errors import EndpointsDisagreeError, LedgerUnavailableError, TransactionFailedError, WrongChainError
from medshare.model.ids import Address

pytestmark = pytest.mark.integration

SOMEBODY = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
RECEIPT, BLOCK, SEND = "eth_getTransactionReceipt", "eth_getBlockByNumber", "eth_sendRawTransaction"


@pytest.fixture
def second(faulty: FaultyNode) -> Iterator[FaultyNode]:
    """Another server of the same chain."""
    with serving(faulty.node) as server:
        yield server


@pytest.fixture
def both(wire: NetworkProfile, second: FaultyNode) -> NetworkProfile:
    """The profile of both servers."""
    deployment = DeploymentChoices(members=(LocalSigner.generate().address,))
    return replace(wire, urls=(second.url,), deployment=deployment)


@pytest.fixture
def client(both: NetworkProfile) -> Iterator[ChainClient]:
    with ChainClient(both) as client:
        yield client


@pytest.fixture
def sender(client: ChainClient, tmp_path: Path) -> Iterator[TransactionSender]:
    sender = TransactionSender(client, tmp_path / "outbox")
    yield sender
    sender.close()


def _in_use(client: ChainClient) -> str:
    assert client.endpoints is not None
    return client.endpoints.name


# ------------------------------------------------------------------------------------------------- failover


@pytest.mark.parametrize("fault", ["drop_before", "html", "html_502", "html_404", "cut", "busy", "list", "redirect"])
def test_read__first_node_breaks__second_answers(client: ChainClient, faulty: FaultyNode, fault: str) -> None:
    faulty.fail("eth_getBalance", fault)
    assert client.balance(SOMEBODY) == 0
    assert _in_use(client) == client.profile.endpoints[1]
    assert client.batch([("eth_chainId", ())]) == [hex(client.chain_id)]


def test_open__first_node_is_not_there__second_is_used(both: NetworkProfile, second: FaultyNode) -> None:
    with deaf_port() as port, ChainClient(replace(both, url=f"http://127.0.0.1:{port}")) as client:
        assert client.head().number >= 0
        assert _in_use(client) == client.profile.endpoints[1]


def test_open__first_node_is_silent__second_is_used(both: NetworkProfile, faulty: FaultyNode) -> None:
    faulty.fail("eth_chainId", "slow_after")
    with ChainClient(replace(both, timeout=1)) as client:
        assert _in_use(client) == client.profile.endpoints[1]


def test_open__first_node_is_on_another_chain__second_is_used_and_it_is_said(
    both: NetworkProfile, faulty: FaultyNode, caplog: pytest.LogCaptureFixture
) -> None:
    faulty.lies["eth_chainId"] = lambda *_: "0x1"
    with ChainClient(both) as client:
        assert _in_use(client) == client.profile.endpoints[1]
    assert "it is on chain 1" in caplog.text


def test_send__first_node_moved_to_another_chain__second_is_used(
    client: ChainClient, sender: TransactionSender, faulty: FaultyNode, second: FaultyNode
) -> None:
    faulty.lies["eth_chainId"] = lambda *_: "0x1"
    sender.send(genesis_signer(), to=SOMEBODY, value=7)
    assert (faulty.arrived, len(second.arrived)) == ([], 1)


def test_open__both_nodes_are_on_another_chain__says_so(
    both: NetworkProfile, faulty: FaultyNode, second: FaultyNode
) -> None:
    faulty.lies["eth_chainId"] = second.lies["eth_chainId"] = lambda *_: "0x1"
    with pytest.raises(WrongChainError):
        ChainClient(both)


def test_open__second_node_has_another_first_block__is_left_alone(
    both: NetworkProfile, second: FaultyNode, caplog: pytest.LogCaptureFixture
) -> None:
    second.lies[BLOCK] = lambda _, block: block | {"hash": "0x" + "77" * 32}
    with ChainClient(both) as client:
        assert _in_use(client) == client.profile.endpoints[0]
    assert "another chain with the same chain id" in caplog.text


def test_open__first_node_lags_behind__second_is_used_and_it_is_said(
    both: NetworkProfile, faulty: FaultyNode, caplog: pytest.LogCaptureFixture
) -> None:
    faulty.lies[BLOCK] = lambda _, block: block | {"timestamp": hex(int(block["timestamp"], 16) - 3_600)}
    with ChainClient(both) as client:
        assert _in_use(client) == client.profile.endpoints[1]
    # The other's block may have come a second or two later.
    assert re.search(r"\b36\d\d s older than another node's", caplog.text)
    with ChainClient(replace(both, max_lag=3_700)) as client:
        assert _in_use(client) == client.profile.endpoints[0]


def test_read__first_node_comes_back__is_used_again(faulty: FaultyNode, second: FaultyNode, both: Any) -> None:
    now = [0.0]
    urls = list(zip(both.endpoints, both.resolved_urls(), strict=True))
    nodes = Endpoints(urls, chain_id=both.chain_id, timeout=60, max_lag=60, monotonic=lambda: now[0])
    with ChainClient(both, nodes) as client:
        faulty.fail("eth_getBalance", "busy")
        client.balance(SOMEBODY)
        now[0] += 31
        client.balance(SOMEBODY)
        assert _in_use(client) == both.endpoints[1]
        now[0] += 31
        client.balance(SOMEBODY)
        assert _in_use(client) == both.endpoints[0]


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "html_502", "html_after", "cut", "busy"])
def test_send__first_node_is_lost_while_it_sends__chain_has_it_once(
    client: ChainClient, sender: TransactionSender, faulty: FaultyNode, second: FaultyNode, fault: str
) -> None:
    faulty.fail(SEND, fault)
    sender.send(genesis_signer(), to=SOMEBODY, value=7)
    assert client.nonce(genesis_signer().address, pending=True) == 1
    assert client.balance(SOMEBODY) == 7
    assert len({*faulty.arrived, *second.arrived}) == 1


def test_read__both_nodes_are_lost__names_both_and_no_secret(both: NetworkProfile) -> None:
    with ChainClient(replace(both, urls=(f"{both.urls[0]}/canary-5a1e",))) as client:
        with deaf_port() as one, deaf_port() as other:
            gone = replace(both, url=f"http://127.0.0.1:{one}/canary-5a1e", urls=(f"http://127.0.0.1:{other}",))
            with pytest.raises(LedgerUnavailableError) as lost:
                ChainClient(gone)
        assert client.head().number >= 0
        assert "canary" not in repr(client.endpoints) + repr(client.profile)
    assert all(name in str(lost.value) for name in gone.endpoints)
    assert "canary" not in str(lost.value) + lost.value.hint


def test_logs__both_nodes_find_it_too_much__are_asked_for_less(
    both: NetworkProfile, faulty: FaultyNode, second: FaultyNode, tmp_path: Path
) -> None:
    with open_chain(both, tmp_path / "home") as chain:
        chain.deploy(genesis_signer())
        whole = list(chain.ledger.chain.events(0, chain.client.head().number))
        for server in (faulty, second):
            server.fail("eth_getLogs", "cut_json", "cut_json")
        assert list(chain.ledger.chain.events(0, chain.client.head().number)) == whole


# -------------------------------------------------------------------------------------------- disagreement


def _failed(_: list[Any], receipt: Any) -> Any:
    return receipt and receipt | {"status": "0x0"}


def _elsewhere(_: list[Any], receipt: Any) -> Any:
    return receipt and receipt | {"blockHash": "0x" + "77" * 32}


def _never(*_: object) -> None:
    return None


LIES = [(RECEIPT, _failed), (RECEIPT, _elsewhere), (RECEIPT, _never)]


@pytest.mark.parametrize(("method", "lie"), LIES)
def test_send__second_node_contradicts__is_not_taken_for_done_and_found_again(
    client: ChainClient, sender: TransactionSender, second: FaultyNode, method: str, lie: Callable[..., Any]
) -> None:
    second.lies[method] = lie
    with pytest.raises(EndpointsDisagreeError) as raised:
        sender.send(genesis_signer(), to=SOMEBODY, value=7, intent="gift")
    assert raised.value.nodes == client.profile.endpoints
    second.lies.clear()
    sender.send(genesis_signer(), to=SOMEBODY, value=7, intent="gift")
    assert client.balance(SOMEBODY) == 7
    assert client.nonce(genesis_signer().address, pending=True) == 1


def test_send__first_node_says_it_failed__is_not_believed_and_not_made_twice(
    client: ChainClient, sender: TransactionSender, faulty: FaultyNode
) -> None:
    faulty.lies[RECEIPT] = _failed
    for _ in range(2):  # whoever repeats it must not pay twice
        with pytest.raises(EndpointsDisagreeError):
            sender.send(genesis_signer(), to=SOMEBODY, value=7, intent="gift")
    faulty.lies.clear()
    sender.send(genesis_signer(), to=SOMEBODY, value=7, intent="gift")
    assert client.balance(SOMEBODY) == 7
    assert client.nonce(genesis_signer().address, pending=True) == 1


def test_send__first_node_alone_says_it_failed__is_believed(
    wire: NetworkProfile, faulty: FaultyNode, tmp_path: Path
) -> None:
    # What one node cannot be kept from: the reason for naming two.
    with open_chain(wire, tmp_path / "home") as chain:
        faulty.lies[RECEIPT] = _failed
        with pytest.raises(TransactionFailedError):
            chain.sender.send(genesis_signer(), to=SOMEBODY, value=7)


def test_send__second_node_is_not_as_far_yet__is_waited_for(
    client: ChainClient, sender: TransactionSender, second: FaultyNode
) -> None:
    asked = []

    def behind(params: list[Any], block: Any) -> Any:
        if params[0] == "latest":
            asked.append(block)
            if len(asked) < 6:
                return block | {"number": "0x0"}
        return block

    second.lies[BLOCK] = behind
    sender.send(genesis_signer(), to=SOMEBODY, value=7)
    assert len(asked) >= 6


def test_newest_confirmed__second_node_is_on_another_branch_or_not_as_far_yet__is_not_taken_for_confirmed(
    client: ChainClient, sender: TransactionSender, second: FaultyNode
) -> None:
    sender.send(genesis_signer(), to=SOMEBODY, value=7)
    before = client.head()
    confirmed = newest_confirmed(client)
    # Blocks come because time passes.
    assert before.number <= confirmed.number <= client.head().number
    assert confirmed == client.block(confirmed.number)
    second.lies[BLOCK] = lambda params, block: block if params[0] == "0x0" else block | {"hash": "0x" + "77" * 32}
    with pytest.raises(EndpointsDisagreeError, match="block"):
        newest_confirmed(client)
    with ChainClient(replace(client.profile, confirmations=2)) as deeper:
        second.lies[BLOCK] = lambda params, block: block | {"number": "0x0"} if params[0] == "latest" else block
        with pytest.raises(LedgerUnavailableError, match="the second node"):
            newest_confirmed(deeper)


def test_ledger__second_node_has_other_code__nothing_is_read(
    both: NetworkProfile, second: FaultyNode, tmp_path: Path
) -> None:
    with open_chain(both, tmp_path / "home") as chain:
        chain.deploy(genesis_signer())
    second.lies["eth_getCode"] = lambda *_: "0x6000"
    with open_chain(both, tmp_path / "home") as chain, pytest.raises(EndpointsDisagreeError, match="the code at 0x"):
        _ = chain.ledger


def test_send__no_second_node_answers__is_done_with_a_warning_or_not_at_all(
    both: NetworkProfile, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with deaf_port() as port:
        alone = replace(both, urls=(f"http://127.0.0.1:{port}",))
        with open_chain(alone, tmp_path / "home") as chain:
            chain.sender.send(genesis_signer(), to=SOMEBODY, value=7)
        assert "nothing contradicts it" in caplog.text
        with open_chain(replace(alone, must_agree=True), tmp_path / "strict") as chain:
            with pytest.raises(LedgerUnavailableError, match="no second node"):
                chain.sender.send(genesis_signer(), to=SOMEBODY, value=7, intent="gift")
            assert chain.sender.has_sent(genesis_signer().address, "gift")


def test_deploy__over_two_nodes__is_done_once(both: NetworkProfile, tmp_path: Path) -> None:
    with open_chain(both, tmp_path / "home") as chain:
        deployment = chain.deploy(genesis_signer())
        assert chain.client.nonce(genesis_signer().address, pending=True) == len(deployment.contracts)
        patient = LocalSigner.generate()
        chain.sender.send(genesis_signer(), to=patient.address, value=10**18)
        chain.ledger.directory.set_encryption_key(patient, b"\1" * 32)
