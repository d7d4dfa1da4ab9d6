"""What a chain of the consortium kit carries: its blocks filled with registrations by accounts that pay nothing.

The kit's own network runs here, on loopback and on the same cores as what measures it, so this is the least that such
machines carry. ``simulation.py`` predicts the same figure from gas, block limit and block period alone.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eth_account import Account
from gas import read_artifact
from scale import Scale
from standing import has
from web3 import Web3

from medshare.chain import LocalSigner, OpenChain, open_chain
from medshare.hashing import keccak256
from medshare.network.local import LocalNetwork

Json = dict[str, Any]

VALIDATORS = 3
BLOCK_PERIOD = 1
"""Seconds."""
ACCOUNTS = 50
ROOM = 60_000
"""Units of gas that a transaction may take."""
CALM_RATE = 20.0
"""Transactions in a second, by chance: few of what a block holds."""
AT_ONCE = 100
"""Transactions handed over in one request."""
PATIENCE = 300.0


def figures(scale: Scale) -> Json:
    """Return the numbers at a scale; without geth, that there are none."""
    if not has("geth"):
        return {"clique": None}
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        LocalNetwork.open(Path(folder), validators=VALIDATORS, storage=0, block_period=BLOCK_PERIOD) as network,
    ):
        network.start()
        institution = network.members.institutions[0].name
        with open_chain(network.profile(institution), network.home(institution)) as chain:
            registry = chain.deploy(LocalSigner.generate()).contract("RecordRegistry").address
            filled = _filled(chain, registry, scale.of(1_000, 6_000))
            return {"clique": filled | {"waiting": _waited(chain, registry, scale.of(100, 600))}}


def _filled(chain: OpenChain, registry: str, count: int) -> Json:
    """Hand over signed transactions as fast as the node takes them; return what its blocks held until all were in."""
    client = chain.client
    signed = _signed(chain, registry, count)
    before = client.head().number
    begun = time.perf_counter()
    for start in range(0, count, AT_ONCE):
        client.batch([("eth_sendRawTransaction", ["0x" + raw.hex()]) for raw in signed[start : start + AT_ONCE]])
    handed_over = time.perf_counter() - begun
    blocks = _blocks_with(client.web3, before, count)
    busy = [block for block in blocks if block["transactions"]]
    # The first block began to fill in the middle of its period, and the last ended with the last transaction.
    whole = busy[1:-1] or busy
    held = sum(len(block["transactions"]) for block in whole)
    gas_used = sum(block["gasUsed"] for block in whole)
    return {
        "validators": VALIDATORS,
        "block_period": BLOCK_PERIOD,
        "gas_limit": busy[0]["gasLimit"],
        "transactions": count,
        "gas_each": round(gas_used / held),
        "handed_over_per_second": round(count / handed_over, 1),
        "per_second": round(held / (len(whole) * BLOCK_PERIOD), 1),
        "fullest_block": max(len(block["transactions"]) for block in busy),
        "blocks": len(busy),
        "share_of_gas_limit": round(gas_used / sum(block["gasLimit"] for block in whole), 3),
    }


def _waited(chain: OpenChain, registry: str, count: int) -> Json:
    """Hand over transactions by chance, one by one; return how long each waited until the time of its block."""
    client, chance = chain.client, random.Random(1)
    signed = _signed(chain, registry, count)
    before, sent_at = client.head().number, {}
    begun = due = time.time()
    for raw in signed:
        due += chance.expovariate(CALM_RATE)
        time.sleep(max(due - time.time(), 0))
        sent_at[keccak256(raw)] = time.time()
        client.send_raw(raw)
    rate = count / (time.time() - begun)
    waited = sorted(
        block["timestamp"] - sent_at[bytes(mined)]
        for block in _blocks_with(client.web3, before, count)
        for mined in block["transactions"]
    )
    return {
        "transactions": count,
        "per_second": round(rate, 1),
        "mean": round(sum(waited) / count, 2),
        "p95": round(waited[-(-95 * count // 100) - 1], 2),
    }


def _signed(chain: OpenChain, registry: str, count: int) -> Sequence[bytes]:
    w3 = chain.client.web3
    contract = w3.eth.contract(address=Web3.to_checksum_address(registry), abi=read_artifact("RecordRegistry")["abi"])
    accounts = [Account.create() for _ in range(min(ACCOUNTS, count))]
    signed = []
    for number in range(count):
        account = accounts[number % len(accounts)]
        sending = {
            "to": contract.address,
            "value": 0,
            "gas": ROOM,
            "gasPrice": 0,
            "chainId": chain.client.chain_id,
            "nonce": number // len(accounts),
            "data": contract.encode_abi("register", [os.urandom(32), account.address]),
        }
        signed.append(bytes(account.sign_transaction(sending).raw_transaction))
    return signed


def _blocks_with(w3: Web3, before: int, count: int) -> list[Any]:
    """Wait until the blocks after ``before`` hold so many transactions, and return them."""
    deadline = time.monotonic() + PATIENCE
    blocks: list[Any] = []
    while sum(len(block["transactions"]) for block in blocks) < count:
        assert time.monotonic() < deadline, f"not in {PATIENCE:.0f} s"
        newest = w3.eth.block_number
        blocks += [w3.eth.get_block(number) for number in range(before + len(blocks) + 1, newest + 1)]
        time.sleep(0.2)
    return blocks
