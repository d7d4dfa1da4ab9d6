"""A real mempool: a transaction that waits is outbid, and one of the two is mined.

given an anvil that mines on demand only
└── the dearer transaction should take the place of the cheaper one, be mined once, and be what is returned
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from chain_world import anvil_profile
from nodes import running_anvil

from medshare.chain import ChainClient, LocalSigner, TransactionSender
from medshare.chain.opening import open_chain
from medshare.model.ids import Address

pytestmark = [pytest.mark.integration, pytest.mark.anvil]

SOMEBODY = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")


def test_send__waits_in_the_mempool__is_outbid_and_mined_once(tmp_path) -> None:
    with running_anvil() as anvil, open_chain(anvil_profile(anvil.url), tmp_path) as chain:
        signer = LocalSigner.generate()
        chain.fund(signer.address)
        chain.client.request("evm_setAutomine", False)
        waited = threading.Event()
        sender = TransactionSender(chain.client, tmp_path / "sender", stuck_after=0.0, sleep=pausing(waited))
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(sender.send, signer, to=SOMEBODY, value=1, intent="x")
            try:
                prices = until_outbid(chain.client, signer.address)
            finally:
                waited.set()
                chain.client.request("evm_mine")
            receipt = sending.result(timeout=60)
        sender.close()

        (first, *_, last) = prices
        assert all(new >= old * 1.1 for old, new in zip(first, last, strict=True))
        assert chain.client.nonce(signer.address, pending=False) == 1
        mined = chain.client.transaction(receipt.tx_hash)
        assert mined is not None
        assert int(mined["maxFeePerGas"], 16) >= last[0]
        assert chain.client.receipt(receipt.tx_hash).block_number == receipt.block.number


def pausing(waited: threading.Event) -> Callable[[float], None]:
    def sleep(seconds: float) -> None:
        waited.wait(min(seconds, 0.05))

    return sleep


def until_outbid(client: ChainClient, account: Address) -> list[tuple[int, int]]:
    """Return the fees of what waits in the mempool, as it is replaced."""
    seen: list[tuple[int, int]] = []
    while len(seen) < 2:
        waiting = client.request("txpool_content")["pending"]
        for by_nonce in (found for owner, found in waiting.items() if owner.lower() == account.lower()):
            assert list(by_nonce) == ["0"]
            fees = tuple(int(by_nonce["0"][name], 16) for name in ("maxFeePerGas", "maxPriorityFeePerGas"))
            if fees not in seen:
                seen.append(fees)
    return seen
