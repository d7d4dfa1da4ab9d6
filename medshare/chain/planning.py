"""What a deployment would take, and which contracts it would leave as they are. Nothing is signed or sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medshare.chain.artifacts import CONTRACTS, Artifact, load_artifact
from medshare.chain.client import ChainClient
from medshare.chain.constructors import LINKS, constructor_arguments, founders_of, founding_members
from medshare.chain.deployments import ContractDeployment, Deployment, is_unchanged
from medshare.chain.development import member_signer
from medshare.chain.fees import quote_fees
from medshare.chain.transactions import contract_address
from medshare.model.ids import ZERO_ADDRESS, Address

_SOMEBODY = Address("0x" + "dE" * 20)
"""Stands in for a deployer who is not named: what he would pay is the same for anybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedContract:
    """What deploying a contract would take."""

    name: str
    gas: int
    creation_hash: bytes
    constructor_arguments: bytes | None
    """None where they name contracts that lie where nobody knows yet: who deploys is not named."""
    version: int
    """Which one of this name it is: 1 where there was none before."""
    kept: ContractDeployment | None = None
    """The contract on file, where it is unchanged and stays: then nothing is sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a deployment would take."""

    network: str
    chain_id: int
    deployer: Address
    balance: int
    """The deployer's wei."""
    price: int
    """Most wei for one unit of gas."""
    contracts: tuple[PlannedContract, ...]
    founding_members: tuple[Address, ...]
    """Who shall govern."""

    @property
    def is_for_development(self) -> bool:
        """Whether the one who shall govern is the member of development networks, whose key everybody has."""
        return self.founding_members == (member_signer().address,)

    @property
    def changes_nothing(self) -> bool:
        """Whether every contract stays as it is."""
        return all(contract.kept is not None for contract in self.contracts)

    @property
    def gas(self) -> int:
        """All gas."""
        return sum(contract.gas for contract in self.contracts)

    @property
    def cost(self) -> int:
        """Most wei that it can cost."""
        return self.gas * self.price


def plan_deployment(
    client: ChainClient, deployer: Address, *, replacing: Deployment | None = None, keeping: bool = False
) -> Plan:
    """Return what a deployment would take; nothing is signed or sent.

    Args:
        client: the chain.
        deployer: who would deploy; the zero address where nobody is named yet.
        replacing: the deployment that would give way.
        keeping: whether those of its contracts would be kept that have not changed.

    Raises:
        ConfigurationError: gas is dearer than the profile allows; or its founding members cannot be those.
        DeploymentMismatchError: the code of a contract that would be kept is another on the chain.
        LedgerUnavailableError: the node fails.
    """
    fees = quote_fees(client)
    payer = _SOMEBODY if deployer == ZERO_ADDRESS else deployer
    nonce = client.nonce(payer, pending=True)
    contracts = []
    addresses: dict[str, Address] = {}
    for artifact in map(load_artifact, CONTRACTS):
        present = None if replacing is None else replacing.find(artifact.name)
        if keeping and present is not None and is_unchanged(client, present, addresses):
            addresses[artifact.name] = present.address
            contracts.append(_kept(present))
            continue
        # Where it will lie, unless a deployment that broke off is taken up again.
        addresses[artifact.name] = contract_address(payer, nonce)
        nonce += 1
        arguments = constructor_arguments(artifact.name, client.profile, payer, addresses)
        contracts.append(_planned(client, deployer, artifact, arguments, 1 if present is None else present.version + 1))
    return Plan(
        network=client.profile.name,
        chain_id=client.chain_id,
        deployer=deployer,
        balance=client.balance(deployer),
        price=fees.most,
        founding_members=_founders(client, payer, contracts),
        contracts=tuple(contracts),
    )


def _founders(client: ChainClient, payer: Address, contracts: Sequence[PlannedContract]) -> tuple[Address, ...]:
    """Return who founds the consortium, or has founded the one that stays."""
    kept = contracts[0].kept
    if kept is None:
        return founding_members(client.profile, payer)
    return founders_of(kept.constructor_arguments)


def _kept(contract: ContractDeployment) -> PlannedContract:
    return PlannedContract(
        name=contract.name,
        gas=0,
        creation_hash=contract.creation_hash,
        constructor_arguments=contract.constructor_arguments,
        version=contract.version,
        kept=contract,
    )


def _planned(
    client: ChainClient, deployer: Address, artifact: Artifact, arguments: bytes, version: int
) -> PlannedContract:
    return PlannedContract(
        name=artifact.name,
        gas=client.estimate_gas(sender=deployer, to=None, data=artifact.creation_code + arguments),
        creation_hash=artifact.creation_hash,
        constructor_arguments=None if deployer == ZERO_ADDRESS and artifact.name in LINKS else arguments,
        version=version,
    )
