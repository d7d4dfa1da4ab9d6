"""The embedded chain: a node in a folder.

given a chain that was closed, or whose process was killed
├── it should reopen with the same blocks, accounts, logs and receipts, in another process too
└── it should go on from there
given a chain that another process, or this one, holds
└── it should wait, and then say who holds it
given time that passes
├── the head should be as old as the second in which it is asked for
└── many transactions should share a second: the chain's time never runs ahead of the clock
given many logs
└── asking for them should take time in proportion
given questions that make no sense
└── they should be refused as a node refuses them
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest
from chain_world import World
from eth_account import Account

from medshare.chain import ChainClient, LocalSigner, OpenChain, load_network, open_chain
from medshare.chain.artifacts import CONTRACTS
from medshare.chain.embedded import EMBEDDED_CHAIN_ID, EmbeddedNode, faucet_key
from medshare.chain.embedded.node import DEFAULT_WAIT, RpcRefusalError
from medshare.chain.opening import genesis_signer
from medshare.errors import ConfigurationError, DeploymentMismatchError, LedgerBusyError, LedgerUnavailableError
from medshare.hashing import sha256
from medshare.model.events import EncryptionKeySet, RecordRegistered
from medshare.model.ids import Address, RecordId
from medshare.ports import Ledger

pytestmark = pytest.mark.integration

SOMEBODY = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
WRITE_FOR_EVER = """
import sys
from pathlib import Path
from medshare.chain import load_network, open_chain
from medshare.chain.opening import genesis_signer
with open_chain(load_network("embedded"), Path(sys.argv[1])) as chain:
    chain.ensure_deployed()
    signer = genesis_signer()
    for number in range(100_000):
        key = (number + 1).to_bytes(32, "big")
        receipt = chain.ledger.directory.set_encryption_key(signer, key)
        print(receipt.block.number, receipt.block.hash.hex(), flush=True)
"""
HOLD = """
import sys
from pathlib import Path
from medshare.chain.embedded import EmbeddedNode
with EmbeddedNode(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "embedded")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_reopen__in_another_process__everything_is_there(tmp_path: Path) -> None:
    with open_chain(load_network("embedded"), tmp_path) as chain:
        chain.ensure_deployed()
        receipt = chain.ledger.directory.set_encryption_key(genesis_signer(), b"\1" * 32)
        events = list(chain.ledger.chain.events(0, receipt.block.number))
    program = """
import sys
from pathlib import Path
from medshare.chain import load_network, open_chain
from medshare.chain.opening import genesis_signer
with open_chain(load_network("embedded"), Path(sys.argv[1])) as chain:
    source = chain.ledger.chain
    block = source.block(int(sys.argv[2]))
    key = chain.ledger.directory.encryption_key(genesis_signer().address, block=block)
    events = list(source.events(0, block.number))
    print(block.hash.hex(), key.key.hex(), chain.client.nonce(genesis_signer().address, pending=True))
    print(events)
"""
    answer = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), str(receipt.block.number)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert answer == [f"{receipt.block.hash.hex()} {'01' * 32} {len(CONTRACTS) + 1}", repr(events)]


def test_reopen__after_kill_9_while_mining__is_whole_and_goes_on(tmp_path: Path) -> None:
    for round_number in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", WRITE_FOR_EVER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            said = [process.stdout.readline() for _ in range(5 + 3 * round_number)]
            time.sleep(0.003 * round_number)
            process.send_signal(signal.SIGKILL)
            said += process.stdout.read().splitlines()
        number, block_hash = next(line for line in reversed(said) if len(line.split()) == 2).split()
        with open_chain(load_network("embedded"), tmp_path) as chain:
            # What was reported as mined is mined, and every transaction in the outbox is found.
            assert chain.ledger.chain.block(int(number)).hash.hex() == block_hash
            genesis = genesis_signer()
            chain.ledger.records.register(genesis, RecordId(sha256(os.urandom(8))), genesis.address)
            blocks = [chain.client.block(one) for one in range(chain.client.head().number + 1)]
            assert [block.number for block in blocks] == list(range(len(blocks)))
            told = chain.ledger.chain.events(0, len(blocks))
            events = [event for event in told if isinstance(event, EncryptionKeySet | RecordRegistered)]
            assert len(events) == chain.client.nonce(genesis_signer().address, pending=True) - len(CONTRACTS)
            key_before = chain.ledger.directory.encryption_key(genesis_signer().address, block=chain.client.head())
            # The next round writes 1, 2, 3 … again: not the same key twice in a row.
            assert key_before.key != (1).to_bytes(32, "big")


def test_open__held_by_another_process__waits_and_says_who(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    began = time.monotonic()
    with pytest.raises(LedgerBusyError, match=f"process {holder.pid} ") as caught:
        open_chain(load_network("embedded"), tmp_path, wait=0.3)
    assert 0.3 <= time.monotonic() - began < DEFAULT_WAIT
    assert "wait" in caught.value.hint


def test_open__holder_is_killed__opens(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    with open_chain(load_network("embedded"), tmp_path, wait=60) as chain:
        assert chain.client.head().number >= 0


def test_open__twice_in_one_process__is_busy(embedded: OpenChain, tmp_path: Path) -> None:
    with pytest.raises(LedgerBusyError, match=f"process {os.getpid()} "):
        open_chain(load_network("embedded"), tmp_path, wait=0)
    embedded.close()
    embedded.close()
    with open_chain(load_network("embedded"), tmp_path, wait=0) as chain:
        assert chain.deployment.network == "embedded"


def test_folder__its_files__are_private(embedded: OpenChain, tmp_path: Path) -> None:
    assert embedded.client.head()
    assert (tmp_path / "embedded").stat().st_mode & 0o077 == 0
    assert "embedded" in json.loads((tmp_path / "deployments/embedded.json").read_text())["network"]


def test_open__made_by_a_later_version__is_refused(tmp_path: Path) -> None:
    EmbeddedNode(tmp_path).close()
    with sqlite3.connect(tmp_path / "chain.sqlite") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(ConfigurationError, match="format 99"):
        EmbeddedNode(tmp_path)
    with pytest.raises(ConfigurationError, match="format 99"):
        EmbeddedNode(tmp_path, wait=0)


def test_open__its_file_is_something_else__says_so_and_leaves_it(tmp_path: Path) -> None:
    EmbeddedNode(tmp_path).close()
    (tmp_path / "chain.sqlite").write_bytes(b"no database" * 1000)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="damaged") as caught:
            EmbeddedNode(tmp_path, wait=0)
        assert "backup" in caught.value.hint
    assert (tmp_path / "chain.sqlite").read_bytes() == b"no database" * 1000


def test_open__file_is_a_folder__says_so_and_lets_go_of_the_lock(tmp_path: Path) -> None:
    (tmp_path / "chain.sqlite").mkdir()
    with pytest.raises(ConfigurationError, match="cannot be written") as caught:
        EmbeddedNode(tmp_path, wait=0)
    assert "to read is to lock it" in caught.value.hint
    (tmp_path / "chain.sqlite").rmdir()
    EmbeddedNode(tmp_path, wait=0).close()


def test_estimate__of_a_call_inside_a_call__suffices_and_takes_few_trials(
    embedded: OpenChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    from eth.vm.forks.frontier.state import FrontierState

    trials = []
    honest = FrontierState.apply_transaction
    monkeypatch.setattr(FrontierState, "apply_transaction", lambda *given: trials.append(given) or honest(*given))
    world = World(embedded)
    custodian, patient = world.custodian(), world.actor()
    trials.clear()
    receipt = embedded.ledger.records.register(custodian, RecordId(b"\7" * 32), patient.address)
    # Estimating, and mining: it asks another contract whether the custodian is accredited.
    assert len(trials) <= 4
    entry = embedded.ledger.records.record(custodian.address, RecordId(b"\7" * 32), block=receipt.block)
    assert entry.patient == patient.address


def test_head__time_passes__is_never_older_than_the_clock(tmp_path: Path) -> None:
    now = [1_900_000_000.0]
    with open_chain(load_network("embedded"), tmp_path, clock=lambda: now[0]) as chain:
        before = chain.client.head()
        assert chain.client.head() == before
        now[0] += 3600
        after = chain.client.head()
        assert (after.time, after.number) == (int(now[0]), before.number + 1)
        assert chain.node is not None
        chain.node.warp(60)
        assert chain.client.head().time == int(now[0]) + 60


def test_time__many_transactions_in_a_second__does_not_run_ahead(tmp_path: Path) -> None:
    with open_chain(load_network("embedded"), tmp_path, clock=lambda: 1_900_000_000.0) as chain:
        chain.ensure_deployed()
        times = {
            chain.ledger.consents.revoke_all(genesis_signer(), genesis_signer().address).block.time for _ in range(20)
        }
        assert times == {1_900_000_000}


def test_clock__goes_back__time_does_not(tmp_path: Path) -> None:
    now = [1_900_000_000.0]
    with open_chain(load_network("embedded"), tmp_path, clock=lambda: now[0]) as chain:
        chain.ensure_deployed()
        now[0] -= 86_400
        assert chain.ledger.consents.revoke_all(genesis_signer(), genesis_signer().address).block.time == 1_900_000_000


def test_logs__900_of_them__are_read_quickly_and_in_proportion(embedded: OpenChain) -> None:
    node, nonce = embedded.node, embedded.client.nonce(genesis_signer().address, pending=True)
    assert node is not None
    directory = embedded.deployment.contract("Consortium").address
    builder = node._backend.chain.get_transaction_builder()
    raw = [
        _raw(embedded, nonce=nonce + number, gas=80_000, to=directory, value=0, data=_set_key(number + 1))
        for number in range(900)
    ]
    for start in range(0, 900, 300):
        node._backend.mine([builder.decode(bytes.fromhex(one[2:])) for one in raw[start : start + 300]])
    head = embedded.ledger.chain.head().number
    with Counting(node) as rows:
        began = time.thread_time()
        events = list(embedded.ledger.chain.events(0, head))
        took = time.thread_time() - began
    keys = [event for event in events if isinstance(event, EncryptionKeySet)]
    assert [event.version for event in keys] == list(range(1, 901))
    # Stock eth-tester takes more than ten seconds for this. Of the processor's, not the clock's: others may be busy.
    assert rows.count < 5
    assert took < 2


def _set_key(number: int) -> bytes:
    from medshare.chain.codec import selector, word

    return selector("Consortium", "setEncryptionKey(bytes32)") + word(number)


class Counting:
    """Counts the statements that a node's database runs."""

    def __init__(self, node: EmbeddedNode) -> None:
        self._connection = node._database._connection
        self.count = 0

    def __enter__(self) -> Self:
        self._connection.set_trace_callback(self._seen)
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.set_trace_callback(None)

    def _seen(self, _statement: str) -> None:
        self.count += 1


def test_mine__disk_fails_in_the_middle__chain_is_as_before(
    embedded: OpenChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = embedded.node
    assert node is not None
    before = embedded.client.head()

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(node._database, "commit", full)
    with pytest.raises(LedgerUnavailableError):
        embedded.ledger.consents.revoke_all(genesis_signer(), genesis_signer().address)
    monkeypatch.undo()
    receipt = embedded.ledger.consents.revoke_all(genesis_signer(), genesis_signer().address)
    assert embedded.ledger.consents.stamp(genesis_signer().address, block=receipt.block) >= 1
    assert receipt.block.number > before.number


def test_reverted_transaction__sent_with_gas_of_its_own__is_mined_without_effect(embedded: OpenChain) -> None:
    node = embedded.node
    assert node is not None
    transaction = {
        "chainId": EMBEDDED_CHAIN_ID,
        "nonce": embedded.client.nonce(genesis_signer().address, pending=True),
        "gas": 200_000,
        "maxFeePerGas": 2 * 10**9,
        "maxPriorityFeePerGas": 0,
        "to": embedded.deployment.contract("Consortium").address,
        "value": 0,
        "data": _set_key(0),
    }
    raw = Account.from_key(faucet_key()).sign_transaction(transaction).raw_transaction
    tx_hash = node.request("eth_sendRawTransaction", [raw.to_0x_hex()])
    receipt = embedded.client.receipt(bytes.fromhex(tx_hash[2:]))
    assert receipt is not None
    assert not receipt.succeeded
    assert 21_000 < receipt.gas_used < 200_000


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("debug_traceTransaction", ["0x00"]),
        ("eth_sendRawTransaction", ["0x"]),
        ("eth_sendRawTransaction", ["0xdeadbeef"]),
        ("eth_sendRawTransaction", ["text"]),
        ("eth_getBlockByNumber", []),
        ("eth_getBlockByNumber", ["nine"]),
        ("eth_call", [{"to": "0x00"}, {"blockHash": "0x" + "00" * 32}]),
        ("eth_call", [{"to": "0xzz"}, "latest"]),
        ("eth_call", [{}, "0x999"]),
        ("eth_getLogs", ["x"]),
        ("eth_getLogs", [{"blockHash": "0x" + "00" * 32}]),
    ],
)
def test_question__that_makes_no_sense__is_refused(embedded: OpenChain, method: str, params: list[object]) -> None:
    assert embedded.node is not None
    with pytest.raises(RpcRefusalError):
        embedded.node.request(method, params)
    assert embedded.client.head().number > 0


def _raw(chain: OpenChain, **changes: object) -> str:
    transaction = {
        "chainId": EMBEDDED_CHAIN_ID,
        "nonce": chain.client.nonce(genesis_signer().address, pending=True),
        "gas": 21_000,
        "maxFeePerGas": 2 * 10**9,
        "maxPriorityFeePerGas": 0,
        "to": SOMEBODY,
        "value": 1,
        "data": b"",
    }
    return Account.from_key(faucet_key()).sign_transaction(transaction | changes).raw_transaction.to_0x_hex()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"nonce": 0}, "nonce too low"),
        ({"nonce": 99}, "nonce too high"),
        ({"value": 10**30}, "insufficient funds"),
        ({"chainId": 1}, "chain id"),
        ({"gas": 40_000_000}, "invalid transaction"),
        ({"gas": 20_000}, "intrinsic|not a transaction|invalid"),
        ({"maxFeePerGas": 0}, "invalid transaction"),
    ],
)
def test_send__transaction_that_cannot_be__is_refused(
    embedded: OpenChain, changes: dict[str, object], said: str
) -> None:
    assert embedded.node is not None
    before = embedded.client.balance(SOMEBODY)
    with pytest.raises(RpcRefusalError, match=said):
        embedded.node.request("eth_sendRawTransaction", [_raw(embedded, **changes)])
    assert embedded.client.balance(SOMEBODY) == before
    embedded.node.request("eth_sendRawTransaction", [_raw(embedded)])
    assert embedded.client.balance(SOMEBODY) == before + 1


def test_send__known_transaction__says_so(embedded: OpenChain) -> None:
    assert embedded.node is not None
    raw = _raw(embedded)
    embedded.node.request("eth_sendRawTransaction", [raw])
    with pytest.raises(RpcRefusalError, match="already known"):
        embedded.node.request("eth_sendRawTransaction", [raw])


def test_read__at_an_earlier_block__answers_for_that_block(embedded: OpenChain) -> None:
    ledger: Ledger = embedded.ledger
    first = ledger.directory.set_encryption_key(genesis_signer(), b"\1" * 32)
    ledger.directory.set_encryption_key(genesis_signer(), b"\2" * 32)
    assert ledger.directory.encryption_key(genesis_signer().address, block=first.block).key == b"\1" * 32


@pytest.mark.parametrize("ask", [lambda c: c.client.head(), lambda c: c.client.balance(SOMEBODY)])
def test_closed__asked__is_typed(embedded: OpenChain, ask: Callable[[OpenChain], object]) -> None:
    embedded.close()
    with pytest.raises(LedgerUnavailableError):
        ask(embedded)


def test_fund__twice__tops_up_once(embedded: OpenChain) -> None:
    account = LocalSigner.generate().address
    embedded.fund(account, 5)
    embedded.fund(account, 5)
    assert embedded.client.balance(account) == 5
    embedded.fund(account, 7)
    assert embedded.client.balance(account) == 7


def test_ensure_deployed__contracts_of_another_version__says_so(embedded: OpenChain, tmp_path: Path) -> None:
    path = tmp_path / "deployments/embedded.json"
    document = json.loads(path.read_text())
    document["contracts"][0]["runtime_hash"] = "0x" + "00" * 32
    path.write_text(json.dumps(document))
    embedded._forget()
    with pytest.raises(DeploymentMismatchError, match="another version"):
        embedded.ensure_deployed()


def test_client__type__is_the_same_for_every_network(embedded: OpenChain) -> None:
    assert isinstance(embedded.client, ChainClient)
