"""What a patient-year costs: a stated model, whose prices are inputs of stated scenarios and no facts.

cost = sum over verbs of count x (gas x price of gas + bytes of the transaction x price of a byte) x price of the coin.
The second term is what a rollup pays for putting its transactions where others can read them.
"""

from __future__ import annotations

from dataclasses import dataclass

from measured import Verb, Verbs

GWEI = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Year:
    """What one patient's year holds."""

    records: float = 40
    grants: float = 6
    revokes: float = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Prices that are supposed. Prices of chains change by orders of magnitude within months."""

    name: str
    gwei_per_gas: float
    gwei_per_byte: float
    """For each byte of a transaction, beside its gas."""
    dollars_per_coin: float
    dollars_per_year: float = 0.0
    """Machines that the members run: each institution's, once for all patients."""
    patients: float = 1.0
    """Among whom the machines are divided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """In dollars."""

    record: float
    batched_record: float
    grant: float
    patient_year: float
    patient_year_in_batches: float


SCENARIOS = (
    Scenario(name="mainnet, quiet", gwei_per_gas=1, gwei_per_byte=0, dollars_per_coin=3_000),
    Scenario(name="mainnet, busy", gwei_per_gas=30, gwei_per_byte=0, dollars_per_coin=3_000),
    Scenario(name="rollup, quiet", gwei_per_gas=0.005, gwei_per_byte=0.05, dollars_per_coin=3_000),
    Scenario(name="rollup, busy", gwei_per_gas=0.1, gwei_per_byte=5, dollars_per_coin=3_000),
    Scenario(
        name="consortium, seven members, 50 million patients",
        gwei_per_gas=0,
        gwei_per_byte=0,
        dollars_per_coin=0,
        dollars_per_year=7 * 20_000,
        patients=50e6,
    ),
    Scenario(
        name="consortium, four members, 100,000 patients",
        gwei_per_gas=0,
        gwei_per_byte=0,
        dollars_per_coin=0,
        dollars_per_year=4 * 5_000,
        patients=100_000,
    ),
)


def cost(verbs: Verbs, scenario: Scenario, year: Year) -> Cost:
    """Return what verbs and a year cost in a scenario."""
    record, batched, grant, revoke = (
        _dollars(verb, scenario) for verb in (verbs.register, verbs.batched, verbs.grant, verbs.revoke)
    )
    machines = scenario.dollars_per_year / scenario.patients
    consents = year.grants * grant + year.revokes * revoke + machines
    return Cost(
        record=record,
        batched_record=batched,
        grant=grant,
        patient_year=year.records * record + consents,
        patient_year_in_batches=year.records * batched + consents,
    )


def _dollars(verb: Verb, scenario: Scenario) -> float:
    gwei = verb.gas * scenario.gwei_per_gas + verb.transaction * scenario.gwei_per_byte
    return gwei * GWEI * scenario.dollars_per_coin
