"""A node of a local network: how it is prepared, started and asked. What runs it is in ``medshare.network.local``."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from medshare.errors import ConfigurationError
from medshare.files import write_whole
from medshare.network.asking import GethNode, StoragePeer
from medshare.network.binaries import GETH, KUBO, require_program
from medshare.network.geth import MAX_SOCKET_PATH, SOCKET, geth_flags
from medshare.network.keys import SWARM_KEY_FILE, StorageSecrets, secrets_folder
from medshare.network.kubo import CONFIG_FILE, ENVIRONMENT
from medshare.network.members import Institution, MemberFile, StorageNode, ValidatorNode
from medshare.network.places import GENESIS_FILE


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a node says of itself."""

    peers: int
    block: int | None = None
    sealed: int | None = None
    """How many of the last 64 blocks it sealed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalNode(ABC):
    """What validators and storage nodes have in common."""

    kind: ClassVar[str]

    folder: Path
    """The network's."""
    members: MemberFile
    institution: Institution

    @property
    @abstractmethod
    def name(self) -> str:
        """The node's name."""

    @property
    @abstractmethod
    def ports(self) -> tuple[int, ...]:
        """Where it listens."""

    @property
    @abstractmethod
    def address(self) -> str:
        """Where programs reach it."""

    @property
    @abstractmethod
    def partners(self) -> int:
        """With how many others it is connected when all run."""

    @property
    @abstractmethod
    def first_command(self) -> Sequence[str] | None:
        """What is run once before it starts, or None where that was done."""

    @property
    @abstractmethod
    def command(self) -> Sequence[str]:
        """What it is."""

    @property
    def environment(self) -> Mapping[str, str]:
        """What it finds in its environment besides what we find."""
        return {}

    @abstractmethod
    def prepare(self) -> None:
        """See to it that what it reads at its start is what the member file says."""

    @abstractmethod
    def figures(self) -> Figures:
        """Return what it says of itself; raises ``MedshareError`` where it does not answer."""

    @abstractmethod
    def begin(self) -> None:
        """Have it do its work, once it has found others; raises ``MedshareError`` where it is not ready yet."""

    @property
    def place(self) -> Path:
        """Its own folder."""
        return self.folder / self.institution.name / self.name

    @property
    def secrets(self) -> Path:
        """The folder of its secrets."""
        return secrets_folder(self.folder, self.institution.name, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalValidator(LocalNode):
    """A geth."""

    kind = "validator"

    node: ValidatorNode

    def __post_init__(self) -> None:
        excess = len(os.fsencode(self.socket)) - MAX_SOCKET_PATH
        if excess > 0:
            raise ConfigurationError(
                f"the folder's path is {excess} bytes too long for the socket of {self.name}",
                hint="use a folder with a shorter path",
            )

    @property
    def name(self) -> str:
        """The node's name."""
        return self.node.name

    @property
    def ports(self) -> tuple[int, ...]:
        """Where it listens."""
        return self.node.port, self.node.rpc_port

    @property
    def address(self) -> str:
        """The URL of its RPC."""
        return self.node.rpc_url

    @property
    def partners(self) -> int:
        """The other validators."""
        return len(self.members.validators) - 1

    @property
    def socket(self) -> Path:
        """Where its own institution commands it."""
        return self.place / "data" / SOCKET

    @property
    def asked(self) -> GethNode:
        """The node, to ask."""
        return GethNode(self.socket)

    @property
    def first_command(self) -> Sequence[str] | None:
        """Write the first block."""
        data = self.place / "data"
        if (data / "geth" / "chaindata").is_dir():
            return None
        return [str(require_program(GETH)), "init", "--datadir", str(data), str(self.folder / GENESIS_FILE)]

    @property
    def command(self) -> Sequence[str]:
        """Geth. It seals when it is told to: it shall not start a chain of its own before it sees the others."""
        flags = geth_flags(self.node, folder=str(self.place), secrets=str(self.secrets))
        return [str(require_program(GETH)), *flags]

    def prepare(self) -> None:
        """Nothing: geth reads the generated file where it lies."""

    def figures(self) -> Figures:
        """Return what it says of itself."""
        return Figures(
            peers=len(self.asked.peers()),
            block=self.asked.block_number(),
            sealed=self.asked.sealers().get(self.node.signer, 0),
        )

    def begin(self) -> None:
        """Seal."""
        self.asked.seal(self.node.signer, free_gas=self.members.free_gas)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalStorage(LocalNode):
    """A Kubo."""

    kind = "storage"

    node: StorageNode

    @property
    def name(self) -> str:
        """The node's name."""
        return self.node.name

    @property
    def ports(self) -> tuple[int, ...]:
        """Where it listens."""
        return self.node.port, self.node.api_port, self.node.gateway_port

    @property
    def address(self) -> str:
        """The multiaddr of its RPC."""
        return self.node.api_address

    @property
    def partners(self) -> int:
        """The other storage nodes."""
        return len(self.members.storage) - 1

    @property
    def token(self) -> str:
        """What its RPC asks for; raises ``KeyFileError``."""
        return StorageSecrets(folder=self.secrets).read_token()

    @property
    def first_command(self) -> Sequence[str] | None:
        """Make the repository."""
        if (self._repository / "version").exists():
            return None
        return [str(require_program(KUBO)), "init", "--empty-repo", str(self.secrets / CONFIG_FILE)]

    @property
    def command(self) -> Sequence[str]:
        """Kubo."""
        return [str(require_program(KUBO)), "daemon", "--migrate=false"]

    @property
    def environment(self) -> Mapping[str, str]:
        """Its repository, and that there is no network but the members'."""
        return {"IPFS_PATH": str(self._repository), "HOME": str(self.place), **ENVIRONMENT}

    def prepare(self) -> None:
        """Give it its configuration and the swarm key."""
        for source, name in ((self.secrets / CONFIG_FILE, "config"), (self.folder / SWARM_KEY_FILE, SWARM_KEY_FILE)):
            write_whole(self._repository / name, source.read_bytes(), replace=True)

    def figures(self) -> Figures:
        """Return what it says of itself."""
        with self.asked() as peer:
            return Figures(peers=len(peer.peers()))

    def begin(self) -> None:
        """Nothing: it serves since it answers."""

    @contextmanager
    def asked(self) -> Iterator[StoragePeer]:
        """The node, to ask, until the block ends."""
        peer = StoragePeer(self.address, self.token)
        try:
            yield peer
        finally:
            peer.close()

    @property
    def _repository(self) -> Path:
        return self.place / "repo"


def local_nodes(folder: Path, members: MemberFile) -> dict[str, LocalNode]:
    """Return the nodes of a network by name: validators first."""
    found: list[LocalNode] = [
        LocalValidator(folder=folder, members=members, institution=each, node=node)
        for each in members.institutions
        for node in each.validators
    ]
    found += [
        LocalStorage(folder=folder, members=members, institution=each, node=peer)
        for each in members.institutions
        for peer in each.storage
    ]
    return {node.name: node for node in found}
