"""What the models of the report are asked: one region, three chains, and machines as measured."""

from __future__ import annotations

from collections.abc import Mapping

from measured import Json, Verbs
from simulation import MIB, Chain, Custodians, Need, Region, need

REGION = Region(
    patients=50e6,
    records=2e9,
    grants=100e6,
    revokes=25e6,
    reads_per_record=2,
    record_bytes=200e3,
    peak=4,
)
"""Supposed, not measured: two billion records of 200 kB on average in a year, two grants for each patient."""
COPIES = 3
SEAL_WITHOUT_RESULTS = 500 * MIB
PUBLICATIONS_WITHOUT_RESULTS = 10.0


def chains(consensus: Json | None) -> tuple[Chain, ...]:
    """Return the chains that are compared; what one carries in fact is what was measured, where it was."""
    clique = ((consensus or {}).get("figures") or {}).get("clique")
    return (
        Chain(name="the kit's Clique, as generated", gas_limit=30e6, block_period=5),
        Chain(name="the kit's Clique, a block a second", gas_limit=30e6, block_period=1),
        *(
            [
                Chain(
                    name="the same, as this machine carried it",
                    gas_limit=30e6,
                    block_period=1,
                    executed_gas_per_second=clique["per_second"] * clique["gas_each"],
                )
            ]
            if clique
            else []
        ),
        Chain(name="a rollup, of which a tenth is ours", gas_limit=60e6, block_period=2, share=0.1),
        Chain(name="mainnet, of which a hundredth is ours", gas_limit=45e6, block_period=12, share=0.01),
    )


def custodians(results: Mapping[str, Json | None]) -> Custodians:
    """Return what the institutions' machines do by what was measured on this one."""
    envelope, clients, load = (results.get(part) for part in ("envelope", "clients", "load"))
    ground = clients["figures"].get("embedded") if clients else None
    each = 1000 / ground["latency"]["publish"]["p50_ms"] if ground else PUBLICATIONS_WITHOUT_RESULTS
    return Custodians(
        seal_bytes_per_second=envelope["figures"]["memory"]["seal_1_mib_s"] * MIB if envelope else SEAL_WITHOUT_RESULTS,
        publications_per_second=each,
        batched_per_second=load["figures"]["records_per_second"] / load["machine"]["cores"] if load else each,
        copies=COPIES,
    )


def needs(verbs: Verbs, chain: Chain, machines: Custodians) -> dict[bool, Need]:
    """Return what the region needs on a chain, without and with batches."""
    return {batched: need(verbs, REGION, chain, machines, in_batches=batched) for batched in (False, True)}
