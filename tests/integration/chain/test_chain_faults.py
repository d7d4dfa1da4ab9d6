"""The chain goes back under what was done, and deployers are killed: nothing is lost, nothing done twice.

given a transaction that was mined
├── when its block is dropped before it is confirmed, it should be sent again as it is, and be mined once
└── when its block is dropped after it was confirmed, the same intent should send it again as it is
given an index that has read an event
└── when the event's block is dropped, the index should tell what the chain tells, and the contracts answer the same
given a deployment
└── when its process is killed at every sending, before and after, repeating it should deploy each contract once
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from chain_world import anvil_profile
from nodes import AnvilNode, running_anvil

from medshare.chain import LocalSigner, OpenChain, open_chain, verify_deployment
from medshare.chain.artifacts import CONTRACTS
from medshare.model.events import EncryptionKeySet
from medshare.model.ids import Address
from medshare.services.index import LedgerIndex
from medshare.services.verifying import Verifying

pytestmark = [pytest.mark.integration, pytest.mark.anvil]

SOMEBODY = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")


@pytest.fixture(scope="module")
def node() -> Iterator[AnvilNode]:
    """A node of this module's own: its chain goes back."""
    with running_anvil() as node:
        yield node


@pytest.fixture
def chain(node: AnvilNode, tmp_path: Path) -> Iterator[OpenChain]:
    with open_chain(anvil_profile(node.url), tmp_path) as chain:
        yield chain


def _funded(chain: OpenChain) -> LocalSigner:
    signer = LocalSigner.generate()
    chain.fund(signer.address)
    # A block of its own below what goes back.
    chain.client.request("anvil_mine", "0x1")
    return signer


def _go_back(chain: OpenChain, depth: int = 1) -> None:
    """Drop the newest blocks, with what is in them, and put empty ones in their places."""
    chain.client.request("anvil_reorg", depth, [])


@pytest.mark.parametrize("depth", [1, 3, 7])
def test_send__block_dropped_after_it_counted__same_intent_sends_the_same_bytes_once(
    chain: OpenChain, depth: int
) -> None:
    signer = _funded(chain)
    before = chain.client.balance(SOMEBODY)
    first = chain.sender.send(signer, to=SOMEBODY, value=7, intent="gift")
    for _ in range(depth - 1):
        chain.client.request("anvil_mine", "0x1")
    _go_back(chain, depth)
    assert chain.client.balance(SOMEBODY) == before
    again = chain.sender.send(signer, to=SOMEBODY, value=7, intent="gift")
    assert again.tx_hash == first.tx_hash
    assert again.block != first.block
    assert chain.client.balance(SOMEBODY) == before + 7
    assert chain.client.nonce(signer.address, pending=True) == 1


def test_send__block_dropped_before_it_counts__is_sent_again_and_mined_once(node: AnvilNode, tmp_path: Path) -> None:
    with open_chain(replace(anvil_profile(node.url), confirmations=3), tmp_path) as chain:
        signer = _funded_with_blocks(chain)
        before = chain.client.balance(SOMEBODY)
        mined, dropped = threading.Event(), threading.Event()
        honest = chain.client.receipt

        def receipt(tx_hash: bytes) -> object:
            found = honest(tx_hash)
            if found is not None and not mined.is_set():
                mined.set()
                dropped.wait(60)
            return found

        chain.client.receipt = receipt  # type: ignore[method-assign, assignment]  # tells when it was mined
        sending = threading.Thread(target=lambda: chain.sender.send(signer, to=SOMEBODY, value=7, intent="gift"))
        sending.start()
        assert mined.wait(60)
        _go_back(chain)
        assert chain.client.balance(SOMEBODY) == before
        dropped.set()
        while sending.is_alive():
            chain.client.request("anvil_mine", "0x1")
            sending.join(0.2)
        assert chain.client.balance(SOMEBODY) == before + 7
        assert chain.client.nonce(signer.address, pending=True) == 1


def _funded_with_blocks(chain: OpenChain) -> LocalSigner:
    signer = LocalSigner.generate()
    chain.client.request("anvil_setBalance", signer.address, hex(10**18))
    chain.client.request("anvil_mine", "0x4")
    return signer


def test_index__block_of_an_event_dropped__tells_what_the_chain_tells(chain: OpenChain, tmp_path: Path) -> None:
    chain.deploy(_funded(chain))
    actor = _funded(chain)
    ledger = chain.ledger
    index = LedgerIndex(tmp_path / "index.sqlite", ledger.chain, deployment=chain.deployment.deployment_id)
    ledger.directory.set_encryption_key(actor, b"\1" * 32)
    chain.client.request("anvil_mine", "0x1")
    ledger.directory.set_encryption_key(actor, b"\2" * 32)
    index.sync()
    assert [event.version for event in index.events(kind=EncryptionKeySet)] == [1, 2]  # type: ignore[attr-defined]
    _go_back(chain)
    index.sync()
    assert [event.version for event in index.events(kind=EncryptionKeySet)] == [1]  # type: ignore[attr-defined]
    verified = Verifying(ledger=ledger, index=index).verify()
    assert (verified.differences, verified.compared["encryption key"]) == ((), 1)
    assert index.events() == list(ledger.chain.events(0, verified.block.number))
    ledger.directory.set_encryption_key(actor, b"\3" * 32)
    assert Verifying(ledger=ledger, index=index).verify().differences == ()


DEPLOY = """
import os, signal, sys
from pathlib import Path
from dataclasses import replace
from medshare.chain import LocalSigner, load_network, open_chain
home, url, where = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
with open_chain(replace(load_network("anvil"), url=url), home) as chain:
    send = chain.client.send_raw
    def send_and_die(raw):
        if where == "after":
            send(raw)
        os.kill(os.getpid(), signal.SIGKILL)
    chain.client.send_raw = send_and_die
    chain.deploy(LocalSigner.from_environment("SENDER_KEY"))
"""


def test_deploy__killed_at_every_sending__repeated_deploys_each_contract_once(node: AnvilNode, tmp_path: Path) -> None:
    signer = LocalSigner.generate()
    environment = os.environ | {"SENDER_KEY": bytes(signer._account.key).hex()}
    with open_chain(anvil_profile(node.url), tmp_path) as chain:
        chain.fund(signer.address)
        for number in range(1, len(CONTRACTS) + 1):
            for where in ("before", "after"):
                killed = subprocess.run(
                    [sys.executable, "-c", DEPLOY, str(tmp_path), node.url, where],
                    env=environment,
                    check=False,
                    capture_output=True,
                )
                assert killed.returncode == -9, killed.stderr
                assert chain.client.nonce(signer.address, pending=True) == number - (where == "before")
                assert not chain.deployment_file.exists()
        deployment = chain.deploy(signer)
        assert chain.client.nonce(signer.address, pending=True) == len(CONTRACTS)
        verify_deployment(chain.client, deployment)
