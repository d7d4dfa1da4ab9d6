"""What became of the messages of a batch, read from the transaction's own logs.

given the logs of the block
├── those of other transactions should not count
├── an error that no contract of ours knows should be a failure with its bytes
└── logs of a block that was replaced, or that are cut, should be no answer
given a transaction that opened an episode
└── its id should be read from its own event, and a node that shows none gives no answer
"""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi import encode

from medshare.chain.emergency_access import EmergencyAccessAdapter
from medshare.chain.logs import topic_of
from medshare.chain.relay import ContractRelay
from medshare.errors import LedgerUnavailableError, SignedOutdatedError, TransactionFailedError
from medshare.hashing import keccak256
from medshare.model.eip712 import Domain
from medshare.model.emergency import EmergencyReason, EpisodeRequest
from medshare.model.events import BlockRef
from medshare.model.ids import address, derive_episode_id
from medshare.model.typed_data import SignableRevokeAll, SignedMessage
from medshare.ports import Receipt
from medshare.testing import NamedSigner

pytestmark = pytest.mark.unit

PLACE, MARY, PAYER = (address("0x" + f"{number:02x}" * 20) for number in (1, 2, 3))
BLOCK = BlockRef(number=7, hash=b"\x07" * 32, time=1)
RECEIPT = Receipt(tx_hash=b"\x70" * 32, block=BLOCK, gas_used=1)
DOMAIN = Domain.of("ConsentRegistry", 5, PLACE)
OUTDATED = keccak256(b"SignedOutdated(uint256,uint256)")[:4] + encode(["uint256", "uint256"], [3, 4])
BATCH = [
    SignedMessage(
        message=SignableRevokeAll(patient=MARY, stamp=stamp, deadline=9),
        domain=DOMAIN,
        signer=MARY,
        signature=b"\1",
    )
    for stamp in range(3)
]


class Node:
    """Answers what it was told to, and takes what it is sent."""

    chain_id = 5

    def __init__(self, *logs: dict[str, Any]) -> None:
        self._logs = logs
        self.asked: list[tuple] = []

    def call(self, *_: object, **__: object) -> bytes:
        return encode(["bool[]"], [[True] * len(BATCH)])

    def logs(self, *question: Any) -> list[dict[str, Any]]:
        self.asked.append(question)
        return list(self._logs)

    def send(self, *_: object, **__: object) -> Receipt:
        return RECEIPT


def hexed(data: bytes) -> str:
    return "0x" + data.hex()


def refused(place: int, reason: bytes, **change: str) -> dict[str, Any]:
    log = {
        "transactionHash": hexed(RECEIPT.tx_hash),
        "blockHash": hexed(BLOCK.hash),
        "topics": [hexed(topic_of("ConsentRegistry", "CallRefused")), hexed(place.to_bytes(32, "big"))],
        "data": hexed(encode(["bytes"], [reason])),
    }
    return log | change


def outcomes_of(*logs: dict[str, Any]):
    node = Node(*logs)
    found = ContractRelay(node, node, {"ConsentRegistry": PLACE})(NamedSigner(PAYER), BATCH)
    assert node.asked == [([PLACE], [topic_of("ConsentRegistry", "CallRefused")], 7, 7)]
    return found


def test_relay__one_of_a_batch_was_refused__says_which_and_why() -> None:
    outcomes = outcomes_of(refused(1, OUTDATED))
    assert [one.done for one in outcomes] == [True, False, True]
    assert {one.receipt for one in outcomes} == {RECEIPT}
    error = outcomes[1].refusal
    assert isinstance(error, SignedOutdatedError)
    assert (error.signed, error.current) == (3, 4)


def test_relay__logs_of_another_transaction__do_not_count() -> None:
    other = refused(0, OUTDATED, transactionHash=hexed(b"\x71" * 32), blockHash="0x")
    assert all(one.done for one in outcomes_of(other))


def test_relay__reason_of_no_contract_of_ours__is_a_failure_with_its_bytes() -> None:
    error = outcomes_of(refused(2, b"\xde\xad\xbe\xef"))[2].refusal
    assert isinstance(error, TransactionFailedError)
    assert "deadbeef" in str(error)
    assert RECEIPT.tx_hash.hex() in str(error)


@pytest.mark.parametrize(
    "log",
    [
        refused(0, OUTDATED, blockHash=hexed(b"\x08" * 32)),
        refused(0, OUTDATED) | {"data": refused(0, OUTDATED)["data"][:-2]},
        refused(0, OUTDATED) | {"data": hexed((32).to_bytes(32, "big") + (99).to_bytes(32, "big"))},
        refused(0, OUTDATED) | {"data": "0x"},
        refused(0, OUTDATED) | {"data": "yes"},
        refused(0, OUTDATED) | {"topics": refused(0, OUTDATED)["topics"][:1]},
    ],
    ids=["replaced", "a byte less", "cut", "empty", "no hex", "no place"],
)
def test_relay__log_that_cannot_be__is_no_answer(log: dict[str, Any]) -> None:
    with pytest.raises(LedgerUnavailableError):
        outcomes_of(log)


REQUEST = EpisodeRequest(patient=MARY, reason=EmergencyReason.UNCONSCIOUS, details=bytes(32), duration=60)


def opened(number: int, **change: str) -> dict[str, Any]:
    topics = [topic_of("EmergencyAccess", "GlassBroken"), bytes(32), bytes(32)]
    topics.append(derive_episode_id(PAYER, number).to_bytes(32, "big"))
    words = encode(["uint8", "bytes32", "uint32"], [1, bytes(32), 9])
    log = {"transactionHash": hexed(RECEIPT.tx_hash), "logIndex": "0x0", "data": hexed(words)}
    return log | {"topics": [hexed(topic) for topic in topics]} | change


def break_glass(*logs: dict[str, Any]):
    node = Node(*logs)
    return EmergencyAccessAdapter(node, node, PLACE).break_glass(NamedSigner(PAYER), REQUEST)


def test_break_glass__among_others_in_its_block__is_the_one_of_its_transaction() -> None:
    found = break_glass(opened(4, transactionHash=hexed(bytes(32))), opened(5))
    assert (found.episode_id, found.receipt) == (derive_episode_id(PAYER, 5), RECEIPT)


@pytest.mark.parametrize(
    "logs", [(), (opened(4, transactionHash=hexed(bytes(32))),), (opened(4) | {"topics": []},), (opened(4, data="0x"),)]
)
def test_break_glass__node_shows_no_event_of_it__is_no_answer(logs: tuple) -> None:
    with pytest.raises(LedgerUnavailableError):
        break_glass(*logs)
