"""Deployments: the contracts on a chain, the file that says where they are, and whether it is true.

A deployment can break off anywhere and be run again: each contract's transaction is in the outbox under the
deployment's own intent, so none is ever made twice.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from medshare.chain.artifacts import CONTRACTS, Artifact, load_artifact
from medshare.chain.client import ChainClient
from medshare.chain.codec import WORD, hex_bytes, selector, to_address, word
from medshare.chain.constructors import (
    LINKS,
    constructor_arguments,
    founders_of,
    founding_members,
    immutables,
    links,
)
from medshare.chain.deployer_rights import prove_no_rights
from medshare.chain.development import member_signer
from medshare.chain.events import ChainEvents
from medshare.chain.fees import quote_fees
from medshare.chain.transactions import TransactionSender, contract_address
from medshare.chain.wire import translated
from medshare.errors import (
    ConfigurationError,
    DeploymentMismatchError,
    DeploymentNotFoundError,
    InvalidInputError,
    LedgerUnavailableError,
    WrongChainError,
)
from medshare.files import private_folder, write_whole
from medshare.hashing import keccak256, sha256
from medshare.model.documents import Reader, decode_document
from medshare.model.eip712 import Domain
from medshare.model.ids import ZERO_ADDRESS, Address
from medshare.ports import Signer

logger = logging.getLogger(__name__)

SCHEMA_VERSION = 1
_SOMEBODY = Address("0x" + "dE" * 20)
"""Stands in for a deployer who is not named: what he would pay is the same for anybody."""
MAX_FILE_SIZE = 1 << 20
_MAX_NUMBER = (1 << 64) - 1
_FILE_MODE = 0o644
"""Addresses are public, and colleagues need the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractDeployment:
    """One contract on a chain."""

    name: str
    address: Address
    deployer: Address
    tx_hash: bytes
    block_number: int
    gas_used: int
    constructor_arguments: bytes
    """As they stand behind the creation code; empty for contracts without."""
    creation_hash: bytes
    """Keccak-256 of the creation code that was sent, arguments left out."""
    runtime_hash: bytes
    """Keccak-256 of the code that lies at the address, its immutables made zero."""
    compiler: str
    compiler_settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """The contracts that belong together on one chain."""

    network: str
    chain_id: int
    contracts: tuple[ContractDeployment, ...]

    @property
    def deployment_id(self) -> str:
        """Twelve hex digits that name this deployment: a digest of chain and addresses."""
        text = f"{self.chain_id}|" + "|".join(f"{one.name}={one.address}" for one in self.contracts)
        return sha256(text.encode()).hex()[:12]

    @property
    def first_block(self) -> int:
        """The block in which the first contract was made."""
        return min(contract.block_number for contract in self.contracts)

    def contract(self, name: str) -> ContractDeployment:
        """Return one contract; raises ``ConfigurationError`` where the deployment has none of this name."""
        for contract in self.contracts:
            if contract.name == name:
                return contract
        raise ConfigurationError(f"the deployment on {self.network!r} has no contract {name}", hint="deploy anew")

    @classmethod
    def from_json(cls, document: bytes) -> Self:
        """Return the deployment in a document; raises ``InvalidInputError``."""
        fields = decode_document(document, MAX_FILE_SIZE)
        read = Reader(fields, "deployment")
        read.version(SCHEMA_VERSION)
        deployment = cls(
            network=read.text("network"),
            chain_id=read.integer("chain_id", 1, _MAX_NUMBER),
            contracts=tuple(_read_contract(one) for one in read.objects("contracts", 64)),
        )
        names = [contract.name for contract in deployment.contracts]
        if not names or len(set(names)) != len(names):
            raise InvalidInputError("a deployment names each of its contracts once")
        return deployment

    def to_json(self) -> bytes:
        """Return the document that ``from_json`` reads, made to be read and compared by people too."""
        document = {
            "version": SCHEMA_VERSION,
            "network": self.network,
            "chain_id": self.chain_id,
            "deployment_id": self.deployment_id,
            "contracts": [_plain(asdict(contract)) for contract in self.contracts],
        }
        return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()

    @classmethod
    def load(cls, path: Path, network: str) -> Self:
        """Return the deployment in a file.

        Raises:
            DeploymentNotFoundError: there is no such file.
            ConfigurationError: it holds no deployment, or another network's.
        """
        try:
            with path.open("rb") as stream:
                document = stream.read(MAX_FILE_SIZE + 1)
        except FileNotFoundError:
            raise DeploymentNotFoundError(network) from None
        except OSError as error:
            raise ConfigurationError("the deployment file cannot be read", hint=f"check {path}") from error
        try:
            deployment = cls.from_json(document)
        except InvalidInputError as error:
            raise ConfigurationError(f"the deployment file is damaged: {error}", hint=f"check {path}") from error
        if deployment.network != network:
            raise ConfigurationError(
                f"the deployment file is for network {deployment.network!r}, not {network!r}", hint=f"check {path}"
            )
        return deployment

    def save(self, path: Path, *, replacing: str | None = None) -> None:
        """Write the deployment to ``path``, whole or not at all.

        Args:
            path: where; its folder is made if missing.
            replacing: the id of the deployment that is there and gives way.

        Raises:
            ConfigurationError: another deployment is there, and it is not the one to be replaced.
        """
        private_folder(path.parent)
        if path.exists():
            present = type(self).load(path, self.network)
            if present == self:
                return
            check_replacing(present, replacing)
        write_whole(path, self.to_json(), replace=path.exists(), mode=_FILE_MODE)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedContract:
    """What deploying a contract would take."""

    name: str
    gas: int
    creation_hash: bytes
    constructor_arguments: bytes | None
    """None where they name contracts that lie where nobody knows yet: who deploys is not named."""


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
    def gas(self) -> int:
        """All gas."""
        return sum(contract.gas for contract in self.contracts)

    @property
    def cost(self) -> int:
        """Most wei that it can cost."""
        return self.gas * self.price


def check_replacing(present: Deployment, replacing: str | None) -> None:
    """Raise ``ConfigurationError`` unless ``replacing`` names the deployment that is present."""
    if replacing != present.deployment_id:
        raise ConfigurationError(
            f"network {present.network!r} has deployment {present.deployment_id} already",
            hint="there is nothing to do, unless you want new contracts beside those, without what is in them: "
            f"--replace {present.deployment_id}",
        )


def plan_deployment(client: ChainClient, deployer: Address) -> Plan:
    """Return what a deployment would take; nothing is signed or sent.

    Args:
        client: the chain.
        deployer: who would deploy; the zero address where nobody is named yet.

    Raises:
        ConfigurationError: gas is dearer than the profile allows; or its founding members cannot be those.
        LedgerUnavailableError: the node fails.
    """
    fees = quote_fees(client)
    payer = _SOMEBODY if deployer == ZERO_ADDRESS else deployer
    first = client.nonce(payer, pending=True)
    # Where they will lie, unless a deployment that broke off is taken up again.
    addresses = {name: contract_address(payer, first + number) for number, name in enumerate(CONTRACTS)}
    return Plan(
        network=client.profile.name,
        chain_id=client.chain_id,
        deployer=deployer,
        balance=client.balance(deployer),
        price=fees.most,
        founding_members=founding_members(client.profile, payer),
        contracts=tuple(
            _planned(client, deployer, artifact, constructor_arguments(artifact.name, client.profile, payer, addresses))
            for artifact in _artifacts()
        ),
    )


def _planned(client: ChainClient, deployer: Address, artifact: Artifact, arguments: bytes) -> PlannedContract:
    return PlannedContract(
        name=artifact.name,
        gas=client.estimate_gas(sender=deployer, to=None, data=artifact.creation_code + arguments),
        creation_hash=artifact.creation_hash,
        constructor_arguments=None if deployer == ZERO_ADDRESS and artifact.name in LINKS else arguments,
    )


def deploy_all(
    client: ChainClient, sender: TransactionSender, signer: Signer, *, replacing: str | None = None
) -> Deployment:
    """Deploy every contract, or finish a deployment that broke off; then check what lies there.

    Run again with the same signer, outbox and ``replacing``, it returns the same deployment.

    Args:
        client: the chain.
        sender: who sends, and remembers.
        signer: who pays, and ends without any right.
        replacing: the id of an earlier deployment that this one takes the place of.

    Raises:
        DeploymentMismatchError: the code on the chain is not the code that was sent.
        ConfigurationError: the profile names no founding members, or the signer among them.
        MedshareError: as ``TransactionSender.send``; run it again to go on.
    """
    contracts = []
    addresses: dict[str, Address] = {}
    for artifact in _artifacts():
        arguments = constructor_arguments(artifact.name, client.profile, signer.address, addresses)
        creation = artifact.creation_code + arguments
        intent = f"deploy/{replacing or 'first'}/{artifact.name}/{keccak256(creation).hex()[:16]}"
        deployed = sender.deploy(signer, creation, intent=intent)
        addresses[artifact.name] = deployed.address
        logger.info("%s deployed at %s, block %d", artifact.name, deployed.address, deployed.receipt.block.number)
        contracts.append(
            ContractDeployment(
                name=artifact.name,
                address=deployed.address,
                deployer=signer.address,
                tx_hash=deployed.receipt.tx_hash,
                block_number=deployed.receipt.block.number,
                gas_used=deployed.receipt.gas_used,
                constructor_arguments=arguments,
                creation_hash=artifact.creation_hash,
                runtime_hash=artifact.runtime_hash,
                compiler=artifact.compiler,
                compiler_settings=artifact.settings,
            )
        )
    deployment = Deployment(network=client.profile.name, chain_id=client.chain_id, contracts=tuple(contracts))
    check_deployment(client, deployment)
    return deployment


def check_deployment(client: ChainClient, deployment: Deployment) -> None:
    """Compare the code at every address with the packaged contracts, and what its constructor wrote with the file.

    Raises:
        WrongChainError: the deployment is on another chain.
        DeploymentMismatchError: no code, other code, code of another version of medshare, or of another deployment.
    """
    if deployment.chain_id != client.chain_id:
        raise WrongChainError(deployment.chain_id, client.chain_id)
    for artifact in _artifacts():
        contract = deployment.contract(artifact.name)
        if contract.runtime_hash != artifact.runtime_hash:
            reason = "was deployed from another version of medshare"
            raise DeploymentMismatchError(contract.name, contract.address, reason)
        _check_code(client, contract, artifact)
    addresses = {contract.name: contract.address for contract in deployment.contracts}
    for contract in deployment.contracts:
        if not contract.constructor_arguments.startswith(links(contract.name, addresses)):
            raise DeploymentMismatchError(contract.name, contract.address, "it asks contracts of another deployment")
    _check_founders(client, deployment.contract("Consortium"))


def _check_founders(client: ChainClient, consortium: ContractDeployment) -> None:
    """Compare the founding members with those that have the first seats: a seat is its member's for ever."""
    reason = "it was made with other constructor arguments: other founding members"
    try:
        founders = founders_of(consortium.constructor_arguments)
    except LedgerUnavailableError as error:
        raise DeploymentMismatchError(consortium.name, consortium.address, reason) from error
    member_at = selector(consortium.name, "memberAt(uint8)")
    questions = [
        ("eth_call", ({"to": consortium.address, "data": "0x" + (member_at + word(seat)).hex()}, "latest"))
        for seat in range(1, len(founders) + 1)
    ]
    with translated("eth_call"):
        seated = tuple(to_address(hex_bytes(answer, WORD)) for answer in client.batch(questions))
    if seated != founders:
        raise DeploymentMismatchError(consortium.name, consortium.address, reason)


def _check_code(client: ChainClient, contract: ContractDeployment, artifact: Artifact) -> None:
    code = client.code(contract.address)
    if not code:
        raise DeploymentMismatchError(contract.name, contract.address, "there is no code at this address")
    dissected = artifact.dissected(code)
    if dissected is None or keccak256(dissected[0]) != artifact.runtime_hash:
        raise DeploymentMismatchError(contract.name, contract.address, "the code there is another")
    expected = immutables(contract.name, contract.constructor_arguments)
    if artifact.is_signed:
        domain = Domain.of(contract.name, client.chain_id, contract.address)
        expected += [word(client.chain_id), domain.separator]
    # In any order: the compiler gives immutables places, not names.
    if sorted(dissected[1]) != sorted(expected):
        reason = "it was made with other constructor arguments, or for another chain"
        raise DeploymentMismatchError(contract.name, contract.address, reason)


def verify_deployment(client: ChainClient, deployment: Deployment) -> tuple[str, ...]:
    """Check all that a deployment file says against the chain; return one line for each thing that is true.

    Among them: that whoever deployed has no right over anything.

    Raises:
        DeploymentMismatchError: transaction, block, deployer, gas, arguments or code differ, or he has a right.
        LedgerUnavailableError: the chain cannot be read.
        WrongChainError: the deployment is on another chain.
    """
    check_deployment(client, deployment)
    lines = []
    for artifact in _artifacts():
        contract = deployment.contract(artifact.name)
        receipt = client.receipt(contract.tx_hash)
        if receipt is None or not receipt.succeeded:
            reason = "its transaction is not on this chain, or failed"
            raise DeploymentMismatchError(contract.name, contract.address, reason)
        stated = (contract.address, contract.deployer, contract.block_number, contract.gas_used)
        found = (receipt.contract, receipt.sender, receipt.block_number, receipt.gas_used)
        for what, ours, theirs in zip(("address", "deployer", "block", "gas"), stated, found, strict=True):
            if ours != theirs:
                reason = f"the file says {what} {ours}, the chain says {theirs}"
                raise DeploymentMismatchError(contract.name, contract.address, reason)
        _check_creation(client, contract, artifact)
        lines.append(
            f"{contract.name} {contract.address}: code 0x{contract.runtime_hash.hex()[:16]}…,"
            f" block {contract.block_number}, by {contract.deployer}"
            + (f", made with 0x{contract.constructor_arguments.hex()}" if contract.constructor_arguments else "")
        )
    events = ChainEvents(client, [contract.address for contract in deployment.contracts], deployment.first_block)
    for deployer in dict.fromkeys(contract.deployer for contract in deployment.contracts):
        lines += prove_no_rights(client, deployer, deployment.contract("Consortium").address, events)
    return tuple(lines)


def _check_creation(client: ChainClient, contract: ContractDeployment, artifact: Artifact) -> None:
    """Compare what was sent with the packaged code and the arguments on file."""
    transaction = client.transaction(contract.tx_hash)
    if transaction is None:
        reason = "its transaction is not on this chain, or failed"
        raise DeploymentMismatchError(contract.name, contract.address, reason)
    with translated("eth_getTransactionByHash"):
        sent = hex_bytes(transaction["input"])
    if sent != artifact.creation_code + contract.constructor_arguments:
        reason = "it was made with other code or constructor arguments than the file says"
        raise DeploymentMismatchError(contract.name, contract.address, reason)


def _artifacts() -> Iterable[Artifact]:
    return (load_artifact(name) for name in CONTRACTS)


def _read_contract(read: Reader) -> ContractDeployment:
    arguments = read.text("constructor_arguments").removeprefix("0x")
    fields = read.rest()
    settings = fields.get("compiler_settings")
    if not isinstance(settings, dict):
        raise InvalidInputError("deployment.contracts: field 'compiler_settings' must be an object")
    try:
        constructor_arguments = bytes.fromhex(arguments)
    except ValueError:
        raise InvalidInputError("deployment.contracts: field 'constructor_arguments' must be hex") from None
    return ContractDeployment(
        name=read.text("name", 64),
        address=read.address("address"),
        deployer=read.address("deployer"),
        tx_hash=read.digest("tx_hash"),
        block_number=read.integer("block_number", 0, _MAX_NUMBER),
        gas_used=read.integer("gas_used", 0, _MAX_NUMBER),
        constructor_arguments=constructor_arguments,
        creation_hash=read.digest("creation_hash"),
        runtime_hash=read.digest("runtime_hash"),
        compiler=read.text("compiler", 128),
        compiler_settings=settings,
    )


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: "0x" + value.hex() if isinstance(value, bytes) else value for name, value in fields.items()}
