"""Opening a chain: client, sender, deployment and ledger, wired and checked.

::

    with open_chain(load_network("embedded"), home) as chain:
        chain.ensure_deployed()
        chain.fund(patient.address)
        chain.ledger.consents.grant(patient, request)
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from medshare.chain.access_requests import AccessRequestsAdapter
from medshare.chain.accounts import LocalSigner
from medshare.chain.attestations import AttestationsAdapter
from medshare.chain.authority import AuthorityAdapter
from medshare.chain.client import ChainClient
from medshare.chain.consent_registry import ConsentRegistryAdapter
from medshare.chain.consortium import AccreditationAdapter, ConsortiumAdapter
from medshare.chain.deployments import Deployment, check_deployment, check_replacing, deploy_all
from medshare.chain.development import member_signer
from medshare.chain.directory import DirectoryAdapter
from medshare.chain.emergency_access import EmergencyAccessAdapter
from medshare.chain.escrow import EscrowAdapter
from medshare.chain.events import ChainEvents
from medshare.chain.networks import Faucet, NetworkKind, NetworkProfile
from medshare.chain.record_registry import RecordRegistryAdapter
from medshare.chain.relay import ContractRelay
from medshare.chain.transactions import TransactionSender
from medshare.errors import ConfigurationError, DeploymentNotFoundError
from medshare.files import private_folder
from medshare.model.ids import Address
from medshare.ports import Ledger, Signer

if TYPE_CHECKING:
    from medshare.chain.embedded import EmbeddedNode

ETHER = 10**18
DEFAULT_FUNDS = 10 * ETHER
_DEFAULT_WAIT = 10.0


class OpenChain:
    """A chain that is open: see ``open_chain``. Closing it closes everything below."""

    def __init__(
        self,
        *,
        client: ChainClient,
        sender: TransactionSender,
        deployment_file: Path,
        node: EmbeddedNode | None,
        resources: ExitStack,
    ) -> None:
        self.client = client
        self.sender = sender
        self.deployment_file = deployment_file
        self.node = node
        """The embedded chain itself, for tests that put its clock forward; None elsewhere."""
        self._resources = resources

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close everything; closing twice is no error."""
        self._resources.close()

    @property
    def profile(self) -> NetworkProfile:
        """The network."""
        return self.client.profile

    @property
    def has_faucet(self) -> bool:
        """Whether ``fund`` works here: on development networks only."""
        return self.profile.has_faucet

    @cached_property
    def deployment(self) -> Deployment:
        """The deployment on file, after its code was compared with the packaged contracts.

        Raises:
            DeploymentNotFoundError: there is none.
            DeploymentMismatchError, WrongChainError, ConfigurationError: it is not what is on the chain.
        """
        deployment = Deployment.load(self.deployment_file, self.profile.name)
        check_deployment(self.client, deployment)
        return deployment

    @cached_property
    def ledger(self) -> Ledger:
        """The contracts as the services need them; raises as ``deployment``."""
        return ledger_of(self.client, self.sender, self.deployment)

    def deploy(self, signer: Signer, *, replacing: str | None = None, keeping: bool = False) -> Deployment:
        """Deploy the contracts, write the file, and use them from now on.

        Args:
            signer: who pays.
            replacing: the id of the deployment on file that shall give way; it stays in the file.
            keeping: whether those of its contracts are kept that have not changed.

        Raises:
            ConfigurationError: a deployment is on file and was not named.
            MedshareError: as ``deploy_all``; run it again to go on where it broke off.
        """
        present = None
        if self.deployment_file.exists():
            present = Deployment.load(self.deployment_file, self.profile.name)
            check_replacing(present, replacing)
        deployment = deploy_all(self.client, self.sender, signer, replacing=present, keeping=keeping)
        deployment.save(self.deployment_file, replacing=replacing)
        self._forget()
        return self.deployment

    def ensure_deployed(self) -> Deployment:
        """Return the deployment; on the embedded chain, which is nobody else's, make it first if there is none.

        Raises:
            DeploymentNotFoundError: there is none, and this is a chain that is shared.
            DeploymentMismatchError, ConfigurationError: as ``deployment``.
        """
        try:
            return self.deployment
        except DeploymentNotFoundError:
            if self.node is None:
                raise
        return self.deploy(genesis_signer())

    def fund(self, address: Address, wei: int = DEFAULT_FUNDS) -> None:
        """See to it that an account has at least ``wei``, on a development network.

        Raises:
            ConfigurationError: the network has no faucet.
            LedgerUnavailableError: the node fails.
        """
        missing = wei - self.client.balance(address)
        match self.profile.faucet:
            case Faucet.NONE:
                raise ConfigurationError(
                    f"network {self.profile.name!r} has no faucet", hint=f"send coins to {address} yourself"
                )
            case _ if missing <= 0:
                return
            case Faucet.GENESIS:
                self.sender.send(genesis_signer(), to=address, value=missing)
            case Faucet.ANVIL:
                self.client.check_chain()
                self.client.request("anvil_setBalance", address, hex(wei))

    def development_member(self) -> LocalSigner:
        """Return the founding member of a development network, with coins: it accredits, and what it proposes passes.

        Its key is in the package, for everybody to read. Other networks have no such member.

        Raises:
            ConfigurationError: this is no development network, or its profile names the members.
            LedgerUnavailableError: the node fails.
        """
        if not self.has_faucet or self.profile.deployment.members:
            raise ConfigurationError(
                f"the members of the consortium on network {self.profile.name!r} are institutions of their own",
                hint="let one of them do it, in its own name",
            )
        member = member_signer()
        self.fund(member.address)
        return member

    def _forget(self) -> None:
        for name in ("deployment", "ledger"):
            self.__dict__.pop(name, None)


def open_chain(
    profile: NetworkProfile,
    home: Path,
    *,
    wait: float = _DEFAULT_WAIT,
    environ: Mapping[str, str] = os.environ,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> OpenChain:
    """Open a network's chain; close it after use, best in a ``with`` block.

    Args:
        profile: the network, from ``load_network``.
        home: medshare's folder: outbox, deployments and the embedded chain lie below it.
        wait: seconds to wait for another process that holds the embedded chain.
        environ: where variables in the URL are looked up.
        clock: the embedded chain's clock, Unix seconds.
        sleep: how to wait for a transaction.

    Raises:
        LedgerBusyError: another process holds the embedded chain.
        WrongChainError: the node is on another chain.
        LedgerUnavailableError: it cannot be reached.
        ConfigurationError: the profile does not fit.
    """
    private_folder(home)
    with ExitStack() as stack:
        node = None
        provider = None
        if profile.kind is NetworkKind.EMBEDDED:
            # py-evm takes a third of a second to import: only who uses it pays.
            from medshare.chain.embedded import EmbeddedNode, EmbeddedProvider

            node = stack.enter_context(EmbeddedNode(home / "embedded", wait=wait, clock=clock))
            provider = EmbeddedProvider(node)
        client = stack.enter_context(ChainClient(profile, provider, environ=environ, sleep=sleep))
        sender = TransactionSender(client, home / "outbox", sleep=sleep)
        stack.callback(sender.close)
        return OpenChain(
            client=client,
            sender=sender,
            deployment_file=deployment_file(home, profile.name),
            node=node,
            resources=stack.pop_all(),
        )


def deployment_file(home: Path, network: str) -> Path:
    """Return where the deployment on a network is kept."""
    return home / "deployments" / f"{network}.json"


def ledger_of(client: ChainClient, sender: TransactionSender, deployment: Deployment) -> Ledger:
    """Return the ports to a deployment; it is for the caller to check the deployment first."""
    addresses = {contract.name: contract.address for contract in deployment.contracts}
    consortium, requests = addresses["Consortium"], addresses["AccessRequests"]
    return Ledger(
        directory=DirectoryAdapter(client, sender, consortium),
        records=RecordRegistryAdapter(client, sender, addresses["RecordRegistry"]),
        consents=ConsentRegistryAdapter(client, sender, addresses["ConsentRegistry"]),
        authority=AuthorityAdapter(client, sender, addresses["ConsentRegistry"]),
        emergencies=EmergencyAccessAdapter(client, sender, addresses["EmergencyAccess"]),
        accreditation=AccreditationAdapter(client, sender, consortium),
        consortium=ConsortiumAdapter(client, sender, addresses),
        requests=AccessRequestsAdapter(client, sender, requests, addresses["ConsentRegistry"]),
        escrow=EscrowAdapter(client, sender, requests),
        attestations=AttestationsAdapter(client, sender, addresses["Attestations"]),
        relay=ContractRelay(client, sender, addresses),
        chain=ChainEvents(client, tuple(addresses.values()), deployment.first_block),
    )


def genesis_signer() -> LocalSigner:
    """Return the account that holds the coins of a development chain since its first block."""
    from medshare.chain.embedded import faucet_key

    return LocalSigner.from_key(faucet_key())
