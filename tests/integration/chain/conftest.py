"""Chains for the adapters' tests: the embedded one and anvil, each deployed once for a module."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from behaviour_world import Scene, scene_of
from chain_world import World, anvil_profile
from faulty_node import FaultyNode, serving

from medshare.chain import LocalSigner, NetworkProfile, OpenChain, load_network, open_chain
from medshare.chain.embedded import EMBEDDED_CHAIN_ID, EmbeddedNode
from medshare.chain.networks import DeploymentChoices, Faucet, NetworkKind


@pytest.fixture(scope="module", params=["memory", "embedded", pytest.param("anvil", marks=pytest.mark.anvil)])
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    """The double in memory and the adapters on both chains, with one face."""
    with scene_of(request.param) as scene:
        yield scene


@pytest.fixture(scope="module", params=["embedded", pytest.param("anvil", marks=pytest.mark.anvil)])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("home")
    if request.param == "embedded":
        profile = load_network("embedded")
    else:
        profile = anvil_profile(request.getfixturevalue("anvil").url)
    with open_chain(profile, home) as chain:
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
