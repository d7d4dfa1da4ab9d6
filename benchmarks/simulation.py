"""What a region would need: a pure model, fed by measured gas, bytes and rates, and a simulation of its busy hour.

Everything is linear in what is measured but two things: a chain carries no more than its blocks hold, and a
transaction waits for the next block that has room. The second is simulated (``waiting``) and compared with what
queueing theory says of it (``expected_waiting``).
"""

from __future__ import annotations

import math
import random
from collections import deque
from dataclasses import dataclass, replace

from measured import BATCHED, Verbs

YEAR = 365 * 86_400
MIB, TB = float(2**20), 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Whom the network serves, and how much they do in a year."""

    patients: float
    records: float
    """A year, of all patients."""
    grants: float
    """A year, of all patients; signed and relayed."""
    revokes: float
    reads_per_record: float
    record_bytes: float
    """Of one record on average."""
    peak: float
    """How much more is asked for in the busiest hour than on average."""

    def with_records(self, records: float) -> Region:
        """Return the same region with another number of records a year."""
        return replace(self, records=records)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A chain as its rules say it is."""

    name: str
    gas_limit: float
    """Of a block."""
    block_period: float
    """Seconds."""
    share: float = 1.0
    """What part of its blocks this use may have: all of its own network, little of one that the world shares."""
    executed_gas_per_second: float = math.inf
    """What its machines carry, where that was measured."""

    @property
    def gas_per_second(self) -> float:
        """What it carries."""
        return min(self.gas_limit / self.block_period * self.share, self.executed_gas_per_second)


@dataclass(frozen=True, slots=True, kw_only=True)
class Custodians:
    """What the institutions' machines do."""

    seal_bytes_per_second: float
    """Of one core."""
    publications_per_second: float
    """Of one core, of small records by themselves: what does not depend on size."""
    batched_per_second: float
    """The same in batches."""
    copies: float
    """Nodes that hold each record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a region needs."""

    gas_per_second: float
    """On average."""
    peak_gas_per_second: float
    load: float
    """Of what the chain carries, in the busiest hour: above 1 it does not keep up."""
    chains: int
    """Such chains side by side that keep up at 80 % of their load."""
    transactions_per_second: float
    """In the busiest hour."""
    ledger_bytes: float
    """A year, on every node."""
    store_bytes: float
    """A year, all copies."""
    upload_bytes_per_second: float
    """In the busiest hour, of all custodians together, copies included."""
    download_bytes_per_second: float
    """In the busiest hour, of all readers together."""
    cores: float
    """In the busiest hour, of all custodians together."""


COMFORTABLE_LOAD = 0.8


def need(verbs: Verbs, region: Region, chain: Chain, custodians: Custodians, *, in_batches: bool) -> Need:
    """Return what a region needs, with each record registered by itself or in Merkle batches of a thousand."""
    record = verbs.batched if in_batches else verbs.register
    published = custodians.batched_per_second if in_batches else custodians.publications_per_second
    counted = ((record, region.records), (verbs.grant, region.grants), (verbs.revoke, region.revokes))
    gas = sum(verb.gas * count for verb, count in counted) / YEAR
    sent = region.records / (BATCHED if in_batches else 1) + region.grants + region.revokes
    peak_records = region.records / YEAR * region.peak
    load = gas * region.peak / chain.gas_per_second
    return Need(
        gas_per_second=gas,
        peak_gas_per_second=gas * region.peak,
        load=load,
        chains=max(math.ceil(load / COMFORTABLE_LOAD), 1),
        transactions_per_second=sent / YEAR * region.peak,
        ledger_bytes=sum(verb.ledger * count for verb, count in counted),
        store_bytes=region.records * region.record_bytes * custodians.copies,
        upload_bytes_per_second=peak_records * region.record_bytes * custodians.copies,
        download_bytes_per_second=peak_records * region.record_bytes * region.reads_per_record,
        cores=peak_records * (1 / published + region.record_bytes / custodians.seal_bytes_per_second),
    )


def carried(chain: Chain, gas: float) -> float:
    """Return how many transactions of so much gas a chain carries in a second: a block holds only whole ones."""
    by_blocks = chain.gas_limit * chain.share // gas / chain.block_period
    return min(by_blocks, chain.executed_gas_per_second / gas)


# ------------------------------------------------------------------------------------------- waiting for a block


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How long transactions waited until the block that holds them, in seconds."""

    mean: float
    p95: float
    p99: float


def waiting(*, load: float, capacity: int, block_period: float, blocks: int, seed: int = 1) -> Waiting:
    """Simulate arrivals by chance at a share ``load`` of what blocks hold, block by block, first come first served.

    Args:
        load: arrivals as a share of capacity, below 1.
        capacity: transactions that a block holds.
        block_period: seconds.
        blocks: how many.
        seed: of the arrivals; the same seed gives the same answer.
    """
    chance = random.Random(seed)
    rate = load * capacity / block_period
    queue: deque[float] = deque()
    waited: list[float] = []
    arrival = chance.expovariate(rate)
    for number in range(1, blocks + 1):
        sealed_at = number * block_period
        while arrival <= sealed_at:
            queue.append(arrival)
            arrival += chance.expovariate(rate)
        waited += [sealed_at - queue.popleft() for _ in range(min(capacity, len(queue)))]
    waited.sort()
    return Waiting(mean=sum(waited) / len(waited), p95=_percentile(waited, 95), p99=_percentile(waited, 99))


def expected_waiting(*, load: float, block_period: float) -> float:
    """Return the mean of ``waiting`` for blocks that hold one transaction, in seconds.

    Half a period until the next block, and the wait of a queue with arrivals by chance and constant service (M/D/1).
    """
    return block_period / 2 + load * block_period / (2 * (1 - load))


def _percentile(ordered: list[float], percent: int) -> float:
    return ordered[max(-(-percent * len(ordered) // 100), 1) - 1]
