"""The model of a region, of costs, and of waiting for a block

given the committed snapshot
├─ needs are linear in what people do, and batches take away what each record costs
├─ a chain carries whole transactions, and no more than its machines execute
├─ costs are zero where gas is free, but for the machines
└─ a custodian's core publishes in batches as the load did, where one was measured
given arrivals by chance
├─ the simulated wait is what queueing theory says it is
├─ it grows with the load, and is half a period while blocks are large
└─ the same seed gives the same answer
"""

from __future__ import annotations

from dataclasses import replace

import measured
import prices
import pytest
from models import REGION, chains, custodians
from simulation import Chain, Custodians, carried, expected_waiting, need, waiting

pytestmark = pytest.mark.unit

CHAIN = Chain(name="a chain", gas_limit=30_000_000, block_period=2)
MACHINES = Custodians(seal_bytes_per_second=1e9, publications_per_second=20, batched_per_second=400, copies=3)


@pytest.fixture(scope="module")
def verbs() -> measured.Verbs:
    return measured.verbs(measured.snapshot())


@pytest.mark.parametrize("in_batches", [False, True])
def test_need__twice_as_much_of_all__is_twice_as_much(verbs, in_batches):
    once = need(verbs, REGION, CHAIN, MACHINES, in_batches=in_batches)
    more = replace(REGION, records=2 * REGION.records, grants=2 * REGION.grants, revokes=2 * REGION.revokes)

    twice = need(verbs, more, CHAIN, MACHINES, in_batches=in_batches)

    for name in ("gas_per_second", "load", "transactions_per_second", "ledger_bytes", "store_bytes", "cores"):
        assert getattr(twice, name) == pytest.approx(2 * getattr(once, name))


def test_need__in_batches__leaves_what_grants_cost(verbs):
    nothing_else = replace(REGION, records=0)
    grants = need(verbs, nothing_else, CHAIN, MACHINES, in_batches=False)

    batched = need(verbs, REGION, CHAIN, MACHINES, in_batches=True)
    each = need(verbs, REGION, CHAIN, MACHINES, in_batches=False)

    assert grants.gas_per_second < batched.gas_per_second < each.gas_per_second / 10
    assert batched.store_bytes == each.store_bytes


def test_need__chains__keep_up_with_room(verbs):
    needed = need(verbs, REGION, CHAIN, MACHINES, in_batches=False)

    assert needed.load / needed.chains <= 0.8
    assert needed.load / (needed.chains - 1 or 1) > 0.8


def test_need__cores__are_of_work_and_of_bytes(verbs):
    small = replace(REGION, record_bytes=0)
    records = REGION.records * REGION.peak / (365 * 86_400)

    for in_batches, rate in ((False, 20), (True, 400)):
        assert need(verbs, small, CHAIN, MACHINES, in_batches=in_batches).cores == pytest.approx(records / rate)
        assert need(verbs, REGION, CHAIN, MACHINES, in_batches=in_batches).cores == pytest.approx(
            records / rate + records * REGION.record_bytes / 1e9
        )


def test_carried__blocks__hold_whole_transactions():
    assert carried(CHAIN, 20_000_000) == 0.5
    assert carried(CHAIN, 15_000_000) == 1.0
    assert carried(replace(CHAIN, share=0.4), 15_000_000) == 0.0


def test_carried__machines_are_slower__is_what_they_execute():
    slow = replace(CHAIN, executed_gas_per_second=1_000_000)

    assert carried(slow, 100_000) == 10.0
    assert slow.gas_per_second == 1_000_000


@pytest.mark.parametrize("load", [0.2, 0.5, 0.8])
def test_waiting__one_transaction_in_a_block__is_as_theory_says(load):
    found = waiting(load=load, capacity=1, block_period=2.0, blocks=50_000)

    assert found.mean == pytest.approx(expected_waiting(load=load, block_period=2.0), rel=0.05)


def test_waiting__large_blocks__is_half_a_period_until_nearly_full():
    calm, full = (waiting(load=load, capacity=500, block_period=1.0, blocks=300) for load in (0.5, 0.99))

    assert calm.mean == pytest.approx(0.5, rel=0.02)
    assert calm.p99 <= 1.0 < full.p99
    assert calm.mean < full.mean


def test_waiting__same_seed__is_the_same():
    once, again, other = (waiting(load=0.7, capacity=5, block_period=1.0, blocks=200, seed=seed) for seed in (1, 1, 2))

    assert once == again != other


def test_batch__of_a_thousand__costs_a_thousandth_of_its_verb_for_each(verbs):
    snapshot = measured.snapshot()

    assert verbs.batched.gas == snapshot["gas"]["anchorBatch"]["gas"] / 1_000
    assert verbs.batched.ledger == pytest.approx(sum(snapshot["ledgerBytes"]["anchorBatch"].values()) / 1_000)


@pytest.mark.parametrize("scenario", prices.SCENARIOS, ids=lambda scenario: scenario.name)
def test_cost__patient_year__is_the_sum_of_its_verbs(verbs, scenario):
    found, year = prices.cost(verbs, scenario, prices.Year(revokes=0)), prices.Year(revokes=0)
    machines = scenario.dollars_per_year / scenario.patients

    assert found.patient_year == pytest.approx(year.records * found.record + year.grants * found.grant + machines)
    assert found.patient_year_in_batches <= found.patient_year


def test_cost__free_gas__is_that_of_the_machines(verbs):
    free = next(each for each in prices.SCENARIOS if each.gwei_per_gas == 0)

    assert prices.cost(verbs, free, prices.Year()).patient_year == free.dollars_per_year / free.patients


def test_custodians__load_measured__publish_at_its_rate_for_each_core():
    load = {"figures": {"records_per_second": 416.0}, "machine": {"cores": 2}}

    found = custodians({"load": load})

    assert found.batched_per_second == 208
    assert found.publications_per_second == custodians({}).publications_per_second


def test_models__without_results__stand_on_what_is_supposed():
    supposed = custodians({})
    assert supposed.copies == 3
    assert supposed.batched_per_second == supposed.publications_per_second
    assert [chain for chain in chains(None) if chain.executed_gas_per_second < float("inf")] == []
    measured_chain = {"figures": {"clique": {"per_second": 100.0, "gas_each": 50_000}}}
    [carried_in_fact] = [each for each in chains(measured_chain) if each.executed_gas_per_second < float("inf")]
    assert carried_in_fact.gas_per_second == 5_000_000
