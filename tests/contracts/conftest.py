"""The contracts on both EVMs. Each test runs on each, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import compile_contracts
import pytest
from asking import COMMITTEE, OTHER_RESEARCHER, Requests
from between_workers import made_once
from evm import (
    ALWAYS,
    CUSTODIAN_KIND,
    ETHICS_KIND,
    RESEARCHER_KIND,
    AnvilChain,
    Chain,
    Contract,
    Contracts,
    EmbeddedChain,
    Ledger,
    deploy_all,
)
from institutions import Institutions
from nodes import require, running_anvil
from people import Authority, Emergencies, deploy_emergencies

HARNESSES = Path(__file__).parent / "solidity"
NODES = ("embedded", pytest.param("anvil", marks=pytest.mark.anvil))


@pytest.fixture(scope="session", params=NODES)
def shared_chain(request: pytest.FixtureRequest) -> Iterator[Chain]:
    """One chain of each kind for all tests."""
    if request.param == "embedded":
        yield EmbeddedChain()
        return
    with running_anvil("--no-mining") as node, closing(AnvilChain(node)) as chain:
        yield chain


@pytest.fixture(scope="session")
def shared_contracts(shared_chain: Chain, actors) -> Contracts:
    """Our contracts, deployed once on each chain; custodians, researchers and a committee are accredited."""
    contracts = deploy_all(shared_chain, sender=actors.deployer, members=[actors.member])
    for actor, kind in (
        (actors.custodian, CUSTODIAN_KIND),
        (actors.other_custodian, CUSTODIAN_KIND),
        (actors.researcher, RESEARCHER_KIND),
        (OTHER_RESEARCHER, RESEARCHER_KIND),
        (COMMITTEE, ETHICS_KIND),
    ):
        shared_chain.send(contracts.consortium.functions.accredit(actor, kind, ALWAYS), sender=actors.member)
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


@pytest.fixture
def institutions(chain: Chain, contracts: Contracts) -> Institutions:
    """The consortium on an untouched chain: one member."""
    return Institutions(chain, contracts.consortium)


@pytest.fixture
def asking(chain: Chain, contracts: Contracts) -> Requests:
    """Requests for access on an untouched chain, where nobody has asked yet."""
    return Requests(chain, contracts.requests, contracts.consents)


@pytest.fixture
def study(asking: Requests, actors) -> int:
    """An approved open call of the researcher, for two patients, in the chain's own coin."""
    request = asking.opened(actors.researcher)
    asking.approve(COMMITTEE, request)
    return request


@pytest.fixture
def reserved(asking: Requests, actors, study: int) -> int:
    """The study, accepted by the patient, who named the custodian."""
    asking.accept(actors.stranger, study, asking.acceptance(study, actors.patient, actors.custodian))
    return study


@pytest.fixture
def delivered(asking: Requests, actors, reserved: int) -> int:
    """The study, where the custodian has delivered."""
    asking.deliver(actors.custodian, reserved, actors.patient)
    return reserved


@pytest.fixture
def disputed(asking: Requests, actors, delivered: int) -> int:
    """The study, where the researcher disputes what was delivered."""
    asking.dispute(actors.researcher, delivered, actors.patient)
    return delivered


@pytest.fixture(scope="session")
def harnesses(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The contracts under ``solidity/``, compiled as the package's are."""
    compiler = require("solc")
    extra = {f"tests/contracts/solidity/{path.name}": path.read_text("utf-8") for path in HARNESSES.glob("*.sol")}

    def compile_() -> dict[str, dict[str, Any]]:
        output = compile_contracts.compile_sources(compile_contracts.read_sources(extra), compiler)
        return {name: compiled for unit in extra for name, compiled in output["contracts"][unit].items()}

    return made_once(tmp_path_factory, "harnesses", compile_)


@pytest.fixture
def deploy_harness(chain: Chain, harnesses: dict[str, dict[str, Any]], actors) -> Callable[..., Contract]:
    """Deploys a contract of ``solidity/`` by name."""

    def deploy(name: str, *arguments: Any) -> Contract:
        compiled = harnesses[name]
        bytecode = compiled["evm"]["bytecode"]["object"]
        return chain.deploy(compiled["abi"], bytecode, *arguments, sender=actors.deployer)

    return deploy
