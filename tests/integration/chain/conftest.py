"""Chains for the adapters' tests: the embedded one and anvil, or that of ``--on``; deployed once for a module."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from behaviour_world import Scene, scene_of
from chain_world import World
from faulty_node import FaultyNode, serving
from grounds import running_chain

from medshare.chain import LocalSigner, NetworkProfile, OpenChain, load_network, open_chain
from medshare.chain.embedded import EMBEDDED_CHAIN_ID, EmbeddedNode
from medshare.chain.networks import DeploymentChoices, Faucet, NetworkKind
from medshare.services.index import LedgerIndex
from medshare.services.verifying import Verifying

ANVIL = pytest.param("anvil", marks=pytest.mark.anvil)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Ledgers of the tests: the double and two chains, or the one chain that ``--on`` names."""
    named = metafunc.config.getoption("on").chain
    chosen = {"embedded": ["embedded", ANVIL], "anvil": [ANVIL]}.get(named, [named])
    doubles = ["memory"] if named == "embedded" else []
    for fixture, kinds in (("scene", [*doubles, *chosen]), ("world", chosen)):
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, kinds, indirect=True, scope="module")


@pytest.fixture(scope="module")
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    """The double in memory and the adapters on chains, with one face."""
    with scene_of(request.param) as scene:
        yield scene
        if request.param != "memory":
            assert_replayed_is_answered(scene)


def assert_replayed_is_answered(scene: Scene) -> None:
    """Whatever the tests of a module did: what its events tell is what the contracts answer."""
    with tempfile.TemporaryDirectory() as folder:
        index = LedgerIndex(Path(folder) / "index.sqlite", scene.ledger.chain)
        verified = Verifying(ledger=scene.ledger, index=index).verify()
    assert verified.differences == ()
    assert verified.events > 0


@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_chain(request.param) as place, open_chain(place.profile, tmp_path_factory.mktemp("home")) as chain:
        deployer = LocalSigner.generate()
        chain.fund(deployer.address)
        chain.deploy(deployer)
        yield World(chain)


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[OpenChain]:
    """An embedded chain of the test's own, with the contracts."""
    with open_chain(load_network("embedded"), tmp_path) as chain:
        chain.ensure_deployed()
        yield chain


@pytest.fixture
def faulty(tmp_path: Path) -> Iterator[FaultyNode]:
    """An embedded chain behind a server that can break."""
    with EmbeddedNode(tmp_path / "node") as node, serving(node) as server:
        yield server


@pytest.fixture
def wire(faulty: FaultyNode) -> NetworkProfile:
    """The profile of the faulty server."""
    return NetworkProfile(
        name="faulty",
        kind=NetworkKind.RPC,
        chain_id=EMBEDDED_CHAIN_ID,
        url=faulty.url,
        timeout=60,
        receipt_timeout=60,
        faucet=Faucet.NONE,
        deployment=DeploymentChoices(members=(LocalSigner.generate().address,)),
    )


@pytest.fixture
def hasty(wire: NetworkProfile) -> NetworkProfile:
    """The profile of the faulty server, for who is to give an answer up that stays away."""
    return replace(wire, timeout=2)
