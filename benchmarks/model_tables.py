"""The tables of docs/performance.md that models make: costs, a region, and waiting."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import prices
from found import TIMES, Found, figure, missing, number, table
from measured import BATCHED, verbs
from models import COPIES, REGION, chains, custodians, needs
from simulation import TB, carried, expected_waiting, waiting

LOADS = (0.2, 0.5, 0.8, 0.9, 0.95)
CAPACITIES = (1, 20, 500)
BLOCKS = {1: 20_000, 20: 4_000, 500: 400}
"""How many blocks are simulated, by what a block holds."""
PREDICTED_BLOCKS = 400
GIGABIT = 1e9 / 8


def cost_inputs(_: Found) -> str:
    rows = [
        (
            each.name,
            figure(each.gwei_per_gas),
            figure(each.gwei_per_byte),
            number(each.dollars_per_coin),
            number(each.dollars_per_year),
            number(each.patients) if each.patients > 1 else "",
        )
        for each in prices.SCENARIOS
    ]
    head = ("scenario", "gwei a gas", "gwei a byte", "$ a coin", "$ a year for machines", "among patients")
    return table(head, rows)


def patient_year(found: Found) -> str:
    counted = verbs(found.snapshot)
    year = prices.Year()
    rows = []
    for scenario in prices.SCENARIOS:
        cost = prices.cost(counted, scenario, year)
        rows.append(
            (
                scenario.name,
                figure(cost.record),
                figure(cost.batched_record),
                figure(cost.grant),
                figure(cost.patient_year),
                figure(cost.patient_year_in_batches),
            )
        )
    head = ("scenario", "$ a record", "$ in a batch", "$ a grant", "$ a patient-year", "$ with records in batches")
    counts = (
        f"{year.records:.0f} records, {year.grants:.0f} grants (signed and relayed) and {year.revokes:.0f} revocations"
    )
    return f"A patient-year is {counts}.\n\n" + table(head, rows)


def region_inputs(_: Found) -> str:
    rows = [
        ("patients", number(REGION.patients)),
        ("records a year", number(REGION.records)),
        ("grants a year, signed and relayed", number(REGION.grants)),
        ("revocations a year, signed", number(REGION.revokes)),
        ("reads of a record", figure(REGION.reads_per_record)),
        ("bytes of a record on average", number(REGION.record_bytes)),
        ("copies of a record", COPIES),
        ("busiest hour, against the average", f"{REGION.peak:.0f} {TIMES}"),
    ]
    return table(("supposed", "value"), rows)


def region_chains(found: Found) -> str:
    counted = verbs(found.snapshot)
    machines = custodians(found.results)
    rows = []
    for chain in chains(found.results.get("consensus")):
        each, batched = needs(counted, chain, machines).values()
        rows.append(
            (
                chain.name,
                figure(chain.gas_per_second / 1e6),
                f"{each.load:.0%}",
                each.chains,
                f"{batched.load:.0%}",
                batched.chains,
            )
        )
    head = ("chain", "Mgas/s", "busiest hour", "such chains", "in batches", "such chains")
    return table(head, rows)


def region_machines(found: Found) -> str:
    counted = verbs(found.snapshot)
    machines = custodians(found.results)
    each, batched = needs(counted, chains(None)[0], machines).values()
    rows = [
        (
            "transactions per second, busiest hour",
            figure(each.transactions_per_second),
            figure(batched.transactions_per_second),
        ),
        ("ledger, each node, TB a year", figure(each.ledger_bytes / TB), figure(batched.ledger_bytes / TB)),
        (f"store, {COPIES} copies, TB a year", figure(each.store_bytes / TB), figure(batched.store_bytes / TB)),
        (
            "upload, busiest hour, Gbit/s, all together",
            *(figure(_.upload_bytes_per_second / GIGABIT) for _ in (each, batched)),
        ),
        (
            "download, busiest hour, Gbit/s, all together",
            *(figure(_.download_bytes_per_second / GIGABIT) for _ in (each, batched)),
        ),
        ("custodians' cores, busiest hour, all together", figure(each.cores), figure(batched.cores)),
    ]
    return table(("what", "each record by itself", "in batches"), rows)


def batch_note(found: Found) -> str:
    each = verbs(found.snapshot).batched.gas
    return f"A record of a batch is taken as one of {number(BATCHED)}: {figure(each)} gas, as measured."


def predicted(found: Found) -> str:
    """The model against the one point where both exist."""
    figures = found.figures("consensus")
    clique = figures and figures["clique"]
    if not clique:
        return missing("consensus")
    chain = chains(None)[1]
    by_blocks = carried(chain, clique["gas_each"])
    rows = [
        ("registrations per second by gas limit and block period", figure(by_blocks)),
        ("measured", figure(clique["per_second"])),
        ("measured, of what was predicted", f"{clique['per_second'] / by_blocks:.0%}"),
        ("fullest block, of what a block holds", f"{clique['fullest_block'] / (by_blocks * chain.block_period):.0%}"),
    ]
    held, waited = int(by_blocks * chain.block_period), clique["waiting"]
    load = waited["per_second"] / by_blocks
    simulated = waiting(load=load, capacity=held, block_period=chain.block_period, blocks=PREDICTED_BLOCKS)
    rows += [
        (f"waiting for a block at {load:.0%} load: simulated, mean / p95", _pair(simulated.mean, simulated.p95)),
        (f"measured, of {waited['transactions']}, mean / p95", _pair(waited["mean"], waited["p95"])),
    ]
    return table(("what", "value"), rows)


def _pair(mean: float, p95: float) -> str:
    return f"{figure(mean)} / {figure(p95)} s"


def block_waiting(_: Found) -> str:
    rows = []
    for capacity in CAPACITIES:
        for load in LOADS:
            found = waiting(load=load, capacity=capacity, block_period=1.0, blocks=BLOCKS[capacity])
            theory = figure(expected_waiting(load=load, block_period=1.0)) if capacity == 1 else ""
            rows.append((capacity, f"{load:.0%}", figure(found.mean), theory, figure(found.p95), figure(found.p99)))
    return table(("a block holds", "load", "mean s", "by theory s", "p95 s", "p99 s"), rows)


TABLES: Mapping[str, Callable[[Found], str]] = {
    each.__name__: each
    for each in (
        *(cost_inputs, patient_year, region_inputs, region_chains, region_machines, batch_note, predicted),
        block_waiting,
    )
}
"""By the name in the template."""
