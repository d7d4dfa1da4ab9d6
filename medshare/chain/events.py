"""Our events, block by block, as ``ports.EventSource``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from medshare.chain.client import ChainClient
from medshare.chain.codec import hex_bytes, hex_int
from medshare.chain.logs import decode_event, event_topics, topic_of
from medshare.chain.wire import BadAnswerError, translated
from medshare.errors import InvalidInputError, LedgerUnavailableError
from medshare.model.consent import MAX_TIME
from medshare.model.events import BlockRef, EventPlace, LedgerEvent
from medshare.model.ids import Address
from medshare.ports import Receipt

Told = TypeVar("Told")

_HASH = 32
_MAX_TOPICS = 4


def told(client: ChainClient, address: Address, contract: str, kind: type[Told], receipt: Receipt) -> Told:
    """Return the event that a transaction of ours must have told.

    Args:
        client: the chain.
        address: the contract.
        contract: its name.
        kind: the event.
        receipt: the transaction's.

    Raises:
        LedgerUnavailableError: the node does not show it.
    """
    number = receipt.block.number
    logs = client.logs([address], [topic_of(contract, kind.__name__)], number, number)
    with translated("eth_getLogs"):
        for log in logs:
            if hex_bytes(log["transactionHash"]) != receipt.tx_hash:
                continue
            place = EventPlace(block=receipt.block, log_index=hex_int(log["logIndex"]), tx_hash=receipt.tx_hash)
            event = decode_event(place, [hex_bytes(topic, _HASH) for topic in log["topics"]], hex_bytes(log["data"]))
            if isinstance(event, kind):
                return event
    raise LedgerUnavailableError(
        "the node does not show the event of a transaction that it mined", hint="repeat: nothing is sent twice"
    )


class ChainEvents:
    """The events of one deployment.

    Args:
        client: the chain.
        addresses: the contracts.
        first_block: the block in which the first of them was deployed.
    """

    def __init__(self, client: ChainClient, addresses: Sequence[Address], first_block: int) -> None:
        self._client = client
        self._addresses = tuple(addresses)
        self._raw_addresses = frozenset(bytes.fromhex(address[2:]) for address in addresses)
        self._first_block = first_block

    @property
    def chain_id(self) -> int:
        """The chain's id."""
        return self._client.chain_id

    @property
    def first_block(self) -> int:
        """The block in which our contracts were deployed."""
        return self._first_block

    def head(self) -> BlockRef:
        """Return the newest block; raises ``LedgerUnavailableError``."""
        return self._client.head()

    def block(self, number: int) -> BlockRef:
        """Return a block; raises ``LedgerUnavailableError`` where there is none of this number."""
        return self._client.block(number)

    def events(self, first: int, last: int) -> Iterator[LedgerEvent]:
        """Yield our events of the blocks ``first`` to ``last``, both included, in chain order.

        Raises:
            LedgerUnavailableError: the node fails, or answers what cannot be.
            InvalidInputError: ``first`` is negative.
        """
        if first < 0:
            raise InvalidInputError("the first block is numbered 0")
        topics = event_topics()
        for start in range(first, last + 1, self._client.profile.log_range):
            stop = min(start + self._client.profile.log_range - 1, last)
            logs = self._client.logs(self._addresses, topics, start, stop)
            with translated("eth_getLogs"):
                events = self._decode(logs, start, stop)
            yield from events

    def _decode(self, logs: Sequence[Mapping[str, Any]], first: int, last: int) -> list[LedgerEvent]:
        blocks = self._blocks_of(logs)
        events = []
        previous = (-1, -1)
        for log in logs:
            block = blocks[hex_int(log["blockNumber"])]
            position = (block.number, hex_int(log["logIndex"]))
            if position <= previous:
                raise BadAnswerError("the node's logs are not in chain order")
            if not first <= block.number <= last or log.get("removed"):
                raise BadAnswerError("the node answered with logs of other blocks")
            if hex_bytes(log["address"], 20) not in self._raw_addresses:
                raise BadAnswerError("the node answered with logs of other contracts")
            if hex_bytes(log["blockHash"], _HASH) != block.hash:
                raise BadAnswerError("the chain was reorganised while its logs were read")
            topics = [hex_bytes(topic, _HASH) for topic in log["topics"][:_MAX_TOPICS]]
            place = EventPlace(block=block, log_index=position[1], tx_hash=hex_bytes(log["transactionHash"], _HASH))
            events.append(decode_event(place, topics, hex_bytes(log["data"])))
            previous = position
        return events

    def _blocks_of(self, logs: Sequence[Mapping[str, Any]]) -> dict[int, BlockRef]:
        """Return the blocks of some logs: from the logs where the node writes the time there, else asked for."""
        blocks: dict[int, BlockRef] = {}
        without_time = set()
        for log in logs:
            number = hex_int(log["blockNumber"])
            if number in blocks or number in without_time:
                continue
            time = log.get("blockTimestamp")
            if time is None:
                without_time.add(number)
            else:
                blocks[number] = BlockRef(
                    number=number, hash=hex_bytes(log["blockHash"], _HASH), time=hex_int(time, MAX_TIME)
                )
        return blocks | self._client.blocks(sorted(without_time))
