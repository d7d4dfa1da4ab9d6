"""Several threads and processes that send as one account: no gap, no loss, nothing twice.

given one account, two processes, eight threads each
└── every transaction should be mined, with nonces from 0 on without a gap
given two processes with the same intent at once
└── one transaction should be made
given a process killed anywhere between signing and the receipt
└── the next one should finish what it began, once
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from chain_world import anvil_profile
from filelock import FileLock
from nodes import AnvilNode

from medshare.chain import ChainClient, LocalSigner, TransactionSender, open_chain
from medshare.errors import LedgerBusyError, TransactionFailedError
from medshare.model.ids import Address

pytestmark = [pytest.mark.integration, pytest.mark.anvil]

SOMEBODY = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
THREADS, EACH = 8, 3
SEND = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from medshare.chain import LocalSigner, load_network, open_chain
SOMEBODY = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
home, url, threads, each, intent = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
signer = LocalSigner.from_environment("SENDER_KEY")
with open_chain(replace(load_network("anvil"), url=url), home) as chain:
    sys.stdin.readline()
    def work(_):
        return [
            chain.sender.send(signer, to=SOMEBODY, value=1, intent=intent or None).tx_hash.hex()
            for _ in range(each)
        ]
    with ThreadPoolExecutor(threads) as pool:
        print(json.dumps([one for part in pool.map(work, range(threads)) for one in part]))
"""


def _processes(
    home: Path, url: str, signer: LocalSigner, *, threads: int, each: int, intent: str = ""
) -> list[list[str]]:
    """Run two sending processes at the same time; return the hashes that each reports."""
    environment = os.environ | {"SENDER_KEY": bytes(signer._account.key).hex()}
    command = [sys.executable, "-c", SEND, str(home), url, str(threads), str(each), intent]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(2)
    ]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda process: process.communicate("go\n", timeout=120)[0], processes))
    assert [process.returncode for process in processes] == [0, 0]
    return [json.loads(answer) for answer in answers]


def test_send__two_processes_of_eight_threads__no_gap_no_loss(anvil: AnvilNode, tmp_path: Path) -> None:
    signer = LocalSigner.generate()
    with open_chain(anvil_profile(anvil.url), tmp_path) as chain:
        chain.fund(signer.address)
        before = chain.client.balance(SOMEBODY)
        first, second = _processes(tmp_path, anvil.url, signer, threads=THREADS, each=EACH)
        assert len(set(first) | set(second)) == 2 * THREADS * EACH
        assert chain.client.nonce(signer.address, pending=False) == 2 * THREADS * EACH
        assert chain.client.balance(SOMEBODY) - before == 2 * THREADS * EACH


def test_send__same_intent_from_all_sides__is_one_transaction(anvil: AnvilNode, tmp_path: Path) -> None:
    signer = LocalSigner.generate()
    with open_chain(anvil_profile(anvil.url), tmp_path) as chain:
        chain.fund(signer.address)
        first, second = _processes(tmp_path, anvil.url, signer, threads=4, each=2, intent="gift/1")
        assert len(set(first) | set(second)) == 1
        assert chain.client.nonce(signer.address, pending=False) == 1


@contextmanager
def suppress_lost_nonce() -> Iterator[None]:
    try:
        yield
    except TransactionFailedError as error:
        if "took its place; repeat the operation" not in str(error):
            raise


def test_send__two_senders_that_do_not_know_each_other__both_get_through(anvil: AnvilNode, tmp_path: Path) -> None:
    # Different calls: the same bytes under the same nonce would be one transaction, whoever signs them.
    signer, profile = LocalSigner.generate(), anvil_profile(anvil.url)
    with open_chain(profile, tmp_path / "one") as one, open_chain(profile, tmp_path / "two") as two:
        one.fund(signer.address)
        begin = threading.Barrier(2)

        def send(sender: TransactionSender, data: bytes) -> bytes:
            while True:
                # The node may take both for one nonce and mine one: who is told to repeat has sent nothing.
                with suppress_lost_nonce():
                    return sender.send(signer, to=SOMEBODY, data=data).tx_hash

        def work(sender: TransactionSender, data: bytes) -> int:
            begin.wait()
            return len({send(sender, data) for _ in range(6)})

        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(work, [one.sender, two.sender], [b"one", b"two"])) == [6, 6]
        assert one.client.nonce(signer.address, pending=False) == 12


def test_send__another_process_holds_the_account__is_busy(anvil: AnvilNode, tmp_path: Path) -> None:
    signer = LocalSigner.generate()
    with ChainClient(anvil_profile(anvil.url)) as client:
        sender = TransactionSender(client, tmp_path, lock_wait=0.1)
        lock = FileLock(tmp_path / "locks" / f"{client.identity}-{signer.address}.lock")
        with lock, pytest.raises(LedgerBusyError):
            sender.send(signer, to=SOMEBODY)
        sender.close()


@pytest.mark.parametrize("method", ["eth_sendRawTransaction before", "eth_sendRawTransaction after", "receipt"])
def test_send__killed_on_the_way__the_next_process_finishes_it_once(
    anvil: AnvilNode, tmp_path: Path, method: str
) -> None:
    signer = LocalSigner.generate()
    program = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from medshare.chain import LocalSigner, load_network, open_chain
home, url, where = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
signer = LocalSigner.from_environment("SENDER_KEY")
with open_chain(replace(load_network("anvil"), url=url), home) as chain:
    send, receipt = chain.client.send_raw, chain.client.receipt
    def die(*_):
        os.kill(os.getpid(), signal.SIGKILL)
    def send_and_die(raw):
        send(raw)
        die()
    if where.endswith("before"): chain.client.send_raw = die
    if where.endswith("after"): chain.client.send_raw = send_and_die
    if where == "receipt": chain.client.receipt = die
    chain.sender.send(signer, to="0x70997970C51812dc3A010C7d01b50e0d17dc79C8", value=1, intent="gift/1")
"""
    environment = os.environ | {"SENDER_KEY": bytes(signer._account.key).hex()}
    with open_chain(anvil_profile(anvil.url), tmp_path) as chain:
        chain.fund(signer.address)
        killed = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path), anvil.url, method], env=environment, check=False
        )
        assert killed.returncode == -9
        chain.sender.send(signer, to=SOMEBODY, value=1, intent="gift/1")
        chain.sender.send(signer, to=SOMEBODY, value=1, intent="gift/1")
        assert chain.client.nonce(signer.address, pending=False) == 1
