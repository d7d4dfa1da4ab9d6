"""The contracts on both EVMs. Each test runs on each, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import compile_contracts
import pytest
from evm import (
    CUSTODIAN_KIND,
    NEVER,
    RESEARCHER_KIND,
    AnvilChain,
    Chain,
    Contracts,
    EmbeddedChain,
    Ledger,
    deploy_all,
)
from nodes import require
from people import Authority, Emergencies, deploy_emergencies
from web3.contract import Contract

HARNESSES = Path(__file__).parent / "solidity"
NODES = ("embedded", pytest.param("anvil", marks=pytest.mark.anvil))


@pytest.fixture(scope="session", params=NODES)
def shared_chain(request: pytest.FixtureRequest) -> Chain:
    """One chain of each kind for all tests."""
    if request.param == "embedded":
        return EmbeddedChain()
    return AnvilChain(request.getfixturevalue("anvil"))


@pytest.fixture(scope="session")
def shared_contracts(shared_chain: Chain, actors) -> Contracts:
    """Our contracts, deployed once on each chain; two custodians and a researcher are accredited."""
    contracts = deploy_all(shared_chain, sender=actors.deployer, members=[actors.member])
    for actor, kind in (
        (actors.custodian, CUSTODIAN_KIND),
        (actors.other_custodian, CUSTODIAN_KIND),
        (actors.researcher, RESEARCHER_KIND),
    ):
        shared_chain.send(contracts.consortium.functions.accredit(actor, kind, NEVER), sender=actors.member)
    return contracts


@pytest.fixture
def chain(shared_chain: Chain, shared_contracts: Contracts) -> Iterator[Chain]:
    """A chain as it was after deployment, whatever other tests did."""
    mark = shared_chain.snapshot()
    yield shared_chain
    shared_chain.revert(mark)


@pytest.fixture
def contracts(chain: Chain, shared_contracts: Contracts) -> Contracts:
    """Our contracts, untouched."""
    return shared_contracts


@pytest.fixture
def ledger(chain: Chain, contracts: Contracts) -> Ledger:
    """Our verbs on an untouched chain."""
    return Ledger(chain, contracts)


@pytest.fixture
def authority(chain: Chain, contracts: Contracts) -> Authority:
    """Who may act for whom, on an untouched chain."""
    return Authority(chain, contracts.consents)


@pytest.fixture
def emergencies(chain: Chain, contracts: Contracts, actors) -> Emergencies:
    """Break-glass on an untouched chain, where nobody is accredited yet."""
    return deploy_emergencies(chain, contracts, accreditor=actors.member)


@pytest.fixture(scope="session")
def harnesses() -> dict[str, dict[str, Any]]:
    """The contracts under ``solidity/``, compiled as the package's are."""
    extra = {f"tests/contracts/solidity/{path.name}": path.read_text("utf-8") for path in HARNESSES.glob("*.sol")}
    output = compile_contracts.compile_sources(compile_contracts.read_sources(extra), require("solc"))
    return {name: compiled for unit in extra for name, compiled in output["contracts"][unit].items()}


@pytest.fixture
def deploy_harness(chain: Chain, harnesses: dict[str, dict[str, Any]], actors) -> Callable[[str], Contract]:
    """Deploys a contract of ``solidity/`` by name."""

    def deploy(name: str) -> Contract:
        compiled = harnesses[name]
        return chain.deploy(compiled["abi"], compiled["evm"]["bytecode"]["object"], sender=actors.deployer)

    return deploy
