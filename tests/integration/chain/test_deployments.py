"""Deploying, and knowing what was deployed.

given a chain without our contracts
├── a dry run should say what it takes and change nothing
└── deploying should make each contract once, write the file, and check the code
given a deployment that breaks off anywhere
└── running it again should go on and deploy nothing twice
given a deployment on file
├── another should be refused, unless the one to be replaced is named
└── a file that is not true should be noticed: no code, other code, other chain, other version, other facts
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chain_world import World
from eth_abi import decode

from medshare.chain import (
    Deployment,
    OpenChain,
    check_deployment,
    load_network,
    open_chain,
    plan_deployment,
    verify_deployment,
)
from medshare.chain.artifacts import CONTRACTS, load_artifact
from medshare.chain.deployments import ContractDeployment
from medshare.chain.opening import genesis_signer
from medshare.errors import (
    ConfigurationError,
    DeploymentMismatchError,
    DeploymentNotFoundError,
    InvalidInputError,
    WrongChainError,
)
from medshare.hashing import keccak256
from medshare.model.eip712 import Domain

pytestmark = pytest.mark.integration


@pytest.fixture
def bare(tmp_path: Path) -> Any:
    with open_chain(load_network("embedded"), tmp_path) as chain:
        yield chain


def _nonce(chain: OpenChain) -> int:
    return chain.client.nonce(genesis_signer().address, pending=True)


def test_deploy__both_chains__every_fact_is_true(world: World) -> None:
    deployment = world.chain.deployment
    assert [contract.name for contract in deployment.contracts] == list(CONTRACTS)
    assert len(verify_deployment(world.chain.client, deployment)) == len(CONTRACTS)
    for contract in deployment.contracts:
        artifact = load_artifact(contract.name)
        bare, _ = artifact.dissected(world.chain.client.code(contract.address))
        assert contract.runtime_hash == keccak256(bare) == artifact.runtime_hash
        assert contract.compiler_settings == artifact.settings
    assert Deployment.load(world.chain.deployment_file, deployment.network) == deployment


def test_deploy__nothing_chosen__the_deployer_accredits_and_the_limits_are_the_usual(embedded: OpenChain) -> None:
    deployer, deployment = genesis_signer().address, embedded.deployment
    accreditor, emergency = deployment.contract("SoleAccreditor"), deployment.contract("EmergencyAccess")
    assert decode(["address"], accreditor.constructor_arguments) == (deployer.lower(),)
    assert decode(["address", "address", "uint32", "uint32", "uint32"], emergency.constructor_arguments) == (
        deployment.contract("ConsentRegistry").address.lower(),
        accreditor.address.lower(),
        4 * 3600,
        72 * 3600,
        16,
    )
    for contract in deployment.contracts:
        assert contract.constructor_arguments or contract.name in ("Directory", "RecordRegistry", "ConsentRegistry")


def test_deploy__chosen_in_the_profile__is_what_the_contracts_answer(tmp_path: Path) -> None:
    networks = tmp_path / "networks.toml"
    choices = {"accreditor": '"0x' + "11" * 20 + '"', "longest_episode": 60, "most_unreviewed": 3}
    lines = [f"{key} = {value}" for key, value in choices.items()]
    networks.write_text("\n".join(["[networks.embedded.deployment]", *lines]))
    with open_chain(load_network("embedded", networks), tmp_path) as chain:
        deployment = chain.ensure_deployed()
        accreditor, emergency = deployment.contract("SoleAccreditor"), deployment.contract("EmergencyAccess")

        def ask(contract: ContractDeployment, view: str) -> int:
            data = load_artifact(contract.name).selectors[view]
            return int.from_bytes(chain.client.call(contract.address, data), "big")

        assert ask(accreditor, "accreditor()") == int("11" * 20, 16)
        assert ask(emergency, "longestEpisode()") == 60
        assert ask(emergency, "reviewPeriod()") == 72 * 3600
        assert ask(emergency, "mostUnreviewed()") == 3


@pytest.mark.parametrize("name", ["SoleAccreditor", "EmergencyAccess"])
def test_verify__other_constructor_arguments_than_the_file_says__is_noticed(embedded: OpenChain, name: str) -> None:
    deployment = embedded.deployment
    for place in range(0, len(deployment.contract(name).constructor_arguments), 32):
        contracts = tuple(
            replace(each, constructor_arguments=_flipped(each.constructor_arguments, place + 31))
            if each.name == name
            else each
            for each in deployment.contracts
        )
        with pytest.raises(DeploymentMismatchError, match="constructor arguments"):
            check_deployment(embedded.client, replace(deployment, contracts=contracts))


def test_verify__emergency_asks_another_deployment_s_registry__is_noticed(embedded: OpenChain) -> None:
    first = embedded.deployment
    second = embedded.deploy(genesis_signer(), replacing=first.deployment_id)
    mixed = tuple(
        first.contract("EmergencyAccess") if one.name == "EmergencyAccess" else one for one in second.contracts
    )
    with pytest.raises(DeploymentMismatchError, match="another deployment"):
        check_deployment(embedded.client, replace(second, contracts=mixed))


def test_verify__directory_of_another_deployment__is_told_apart_by_its_domain(embedded: OpenChain) -> None:
    first = embedded.deployment
    artifact = load_artifact("Directory")
    found = artifact.dissected(embedded.client.code(first.contract("Directory").address))
    domain = Domain.of("Directory", embedded.client.chain_id, first.contract("Directory").address)
    assert found is not None
    assert sorted(found[1]) == sorted([embedded.client.chain_id.to_bytes(32, "big"), domain.separator])


def test_dissected__one_word_of_an_immutable_differs__is_none() -> None:
    artifact = load_artifact("EmergencyAccess")
    (places, *_) = [places for places in artifact.immutables if len(places) > 1]
    assert artifact.dissected(artifact.runtime_code) is not None
    assert artifact.dissected(_flipped(artifact.runtime_code, places[1])) is None
    assert artifact.dissected(artifact.runtime_code[:-1]) is None


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_plan__dry_run__changes_nothing_and_is_about_right(bare: OpenChain) -> None:
    plan = plan_deployment(bare.client, genesis_signer().address)
    assert _nonce(bare) == 0
    with pytest.raises(DeploymentNotFoundError):
        _ = bare.deployment
    deployment = bare.deploy(genesis_signer())
    planned = {one.name: one.constructor_arguments for one in plan.contracts}
    assert planned == {one.name: one.constructor_arguments for one in deployment.contracts}
    used = sum(contract.gas_used for contract in deployment.contracts)
    assert used <= plan.gas <= used * 1.01
    assert plan.cost == plan.gas * plan.price > 0


def test_ensure_deployed__twice_and_reopened__deploys_once(tmp_path: Path) -> None:
    with open_chain(load_network("embedded"), tmp_path) as chain:
        first = chain.ensure_deployed()
        assert chain.ensure_deployed() == first
        assert _nonce(chain) == len(CONTRACTS)
    with open_chain(load_network("embedded"), tmp_path) as chain:
        assert chain.ensure_deployed() == first
        assert _nonce(chain) == len(CONTRACTS)


@pytest.mark.anvil
def test_ensure_deployed__on_a_shared_chain__deploys_nothing(anvil: Any, tmp_path: Path) -> None:
    with (
        open_chain(replace(load_network("anvil"), url=anvil.url), tmp_path) as chain,
        pytest.raises(DeploymentNotFoundError),
    ):
        chain.ensure_deployed()


@pytest.mark.parametrize("step", range(len(CONTRACTS)))
@pytest.mark.parametrize("moment", ["before", "after"])
def test_deploy__breaks_off__goes_on_and_deploys_nothing_twice(
    bare: OpenChain, monkeypatch: pytest.MonkeyPatch, step: int, moment: str
) -> None:
    send, sent = bare.client.send_raw, []

    def break_off(raw: bytes) -> None:
        if len(sent) == step:
            if moment == "after":
                send(raw)
            raise KeyboardInterrupt
        sent.append(raw)
        send(raw)

    monkeypatch.setattr(bare.client, "send_raw", break_off)
    with pytest.raises(KeyboardInterrupt):
        bare.deploy(genesis_signer())
    assert not bare.deployment_file.exists()
    monkeypatch.undo()
    deployment = bare.deploy(genesis_signer())
    assert _nonce(bare) == len(CONTRACTS)
    verify_deployment(bare.client, deployment)


def test_deploy__breaks_off_before_the_file__is_the_same_deployment(
    bare: OpenChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Deployment, "save", fail)
    with pytest.raises(KeyboardInterrupt):
        bare.deploy(genesis_signer())
    monkeypatch.undo()
    bare.deploy(genesis_signer())
    assert _nonce(bare) == len(CONTRACTS)


def test_deploy__one_is_on_file__is_refused_unless_named(embedded: OpenChain) -> None:
    first = embedded.deployment
    for replacing in (None, "000000000000"):
        with pytest.raises(ConfigurationError, match=first.deployment_id):
            embedded.deploy(genesis_signer(), replacing=replacing)
    assert _nonce(embedded) == len(CONTRACTS)
    second = embedded.deploy(genesis_signer(), replacing=first.deployment_id)
    assert second.deployment_id != first.deployment_id
    assert embedded.deployment == second
    assert _nonce(embedded) == 2 * len(CONTRACTS)
    with pytest.raises(ConfigurationError):
        first.save(embedded.deployment_file)


def _changed(deployment: Deployment, **changes: Any) -> Deployment:
    first, *others = deployment.contracts
    return replace(deployment, contracts=(replace(first, **changes), *others))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: _changed(d, address="0x" + "11" * 20), "no code"),
        (lambda d: _changed(d, address=d.contracts[1].address), "another"),
        (lambda d: _changed(d, runtime_hash=bytes(32)), "another version"),
        (lambda d: _changed(d, deployer="0x" + "11" * 20), "deployer"),
        (lambda d: _changed(d, block_number=0), "block"),
        (lambda d: _changed(d, gas_used=1), "gas"),
        (lambda d: _changed(d, tx_hash=bytes(32)), "not on this chain"),
        (lambda d: _changed(d, tx_hash=d.contracts[1].tx_hash), "address"),
    ],
)
def test_verify__file_that_is_not_true__is_noticed(
    embedded: OpenChain, change: Callable[[Deployment], Deployment], said: str
) -> None:
    with pytest.raises(DeploymentMismatchError, match=said):
        verify_deployment(embedded.client, change(embedded.deployment))


def test_check__deployment_of_another_chain__is_refused(embedded: OpenChain) -> None:
    with pytest.raises(WrongChainError):
        check_deployment(embedded.client, replace(embedded.deployment, chain_id=1))


def test_check__contract_missing_from_the_file__is_refused(embedded: OpenChain) -> None:
    with pytest.raises(ConfigurationError, match="no contract"):
        check_deployment(embedded.client, replace(embedded.deployment, contracts=embedded.deployment.contracts[:1]))


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: d.pop("contracts"),
        lambda d: d.update(version=2),
        lambda d: d.update(contracts=[]),
        lambda d: d.update(contracts=d["contracts"] * 2),
        lambda d: d["contracts"][0].update(address="0x12"),
        lambda d: d["contracts"][0].update(compiler_settings=5),
        lambda d: d["contracts"][0].update(constructor_arguments="0xz"),
        lambda d: d.update(network="elsewhere"),
    ],
)
def test_load__damaged_file__is_refused(embedded: OpenChain, damage: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(embedded.deployment_file.read_text())
    damage(document)
    embedded.deployment_file.write_text(json.dumps(document))
    with pytest.raises(ConfigurationError):
        Deployment.load(embedded.deployment_file, "embedded")


def test_json__there_and_back__is_the_same(embedded: OpenChain) -> None:
    assert Deployment.from_json(embedded.deployment.to_json()) == embedded.deployment
    with pytest.raises(InvalidInputError):
        Deployment.from_json(b"[]")
