"""The chains and stores that the integration suite stands on; which, ``pytest --on`` says: see ``where``.

Nodes are real. Each process of the tests runs its own, for all its tests: before one begins, the chain is set back to
what every test finds there. Content stays in the store: no two tests seal the same.
"""

from __future__ import annotations

import functools
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest
from clique import CliqueNode, running_clique
from nodes import KuboNode, running_anvil

from medshare.chain import ChainClient, LocalSigner, NetworkProfile, OpenChain, load_network, open_chain
from medshare.chain.networks import Faucet, NetworkKind
from medshare.chain.opening import genesis_signer
from medshare.content import Block, Cid, walk
from medshare.files import private_folder, write_whole
from medshare.session import make_home
from medshare.settings import NETWORKS_FILE, Settings, StoreKind, StoreSettings
from medshare.storage import KuboBlobStore

HOUR = 3_600
_COINS = 10**27
_TIME_PASSES = "the time of a Clique chain cannot be put forward"


class Chain(ABC):
    """A chain that homes stand on."""

    is_copied_with_home: ClassVar[bool] = False
    """Whether a copy of a home has a copy of the chain; else both are on the same one, as two machines are."""

    @property
    @abstractmethod
    def profile(self) -> NetworkProfile:
        """The network."""

    @abstractmethod
    def building(self) -> AbstractContextManager[None]:
        """Have every test find what is done until the block ends, and find that it was done before."""

    @abstractmethod
    def begin(self) -> None:
        """Undo what tests did, and let the chain have the machine's time."""

    @abstractmethod
    def set_ahead(self, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
        """Set the chain's clock ahead of the machine's; skip the test where that cannot be."""

    @abstractmethod
    def put_forward(self, chain: OpenChain, seconds: int) -> None:
        """Put the clock of this chain, which is open, forward; skip the test where that cannot be."""


class Embedded(Chain):
    """The embedded chain: it lies in the home, and is copied with it."""

    is_copied_with_home = True

    @property
    def profile(self) -> NetworkProfile:
        """The network."""
        return load_network("embedded")

    @contextmanager
    def building(self) -> Iterator[None]:
        """Have it done an hour ago: nothing that a test does falls into the same second."""
        with pytest.MonkeyPatch.context() as patched:
            self.set_ahead(-HOUR, patched)
            yield

    def begin(self) -> None:
        """Nothing: the test has a copy."""

    def set_ahead(self, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let it be opened with such a clock from now on."""
        later = functools.partial(open_chain, clock=lambda: time.time() + seconds)
        monkeypatch.setattr("medshare.session.open_chain", later)

    def put_forward(self, chain: OpenChain, seconds: int) -> None:
        """Mine a block at that time."""
        assert chain.node is not None
        chain.node.warp(seconds)


class Anvil(Chain):
    """An anvil that began an hour ago."""

    def __init__(self, client: ChainClient) -> None:
        self._client = client
        self._snapshot = client.request("evm_snapshot")

    @property
    def profile(self) -> NetworkProfile:
        """The network."""
        return self._client.profile

    @contextmanager
    def building(self) -> Iterator[None]:
        """Go on where the last block ended, an hour ago."""
        self._go_back()
        yield
        self._snapshot = self._client.request("evm_snapshot")

    def begin(self) -> None:
        """Go back to the snapshot."""
        self._go_back()
        self._set_clock(0)

    def set_ahead(self, seconds: float, _: pytest.MonkeyPatch) -> None:
        """Set its clock, and mine a block by it."""
        self._set_clock(seconds)

    def put_forward(self, chain: OpenChain, seconds: int) -> None:
        """Have the next block be that much later."""
        chain.client.request("evm_increaseTime", seconds)

    def _go_back(self) -> None:
        # A snapshot is used up by going back to it.
        assert self._client.request("evm_revert", self._snapshot)
        self._snapshot = self._client.request("evm_snapshot")

    def _set_clock(self, seconds: float) -> None:
        self._client.request("anvil_setTime", int(time.time() + seconds))
        self._client.request("evm_mine")


class Clique(Chain):
    """A validator as the consortium kit makes them, which seals a block whenever a transaction comes."""

    def __init__(self, node: CliqueNode) -> None:
        self._node = node
        self._block = 0

    @property
    def profile(self) -> NetworkProfile:
        """The network."""
        return NetworkProfile(
            name="clique",
            kind=NetworkKind.RPC,
            url=self._node.url,
            chain_id=self._node.chain_id,
            poa=True,
            faucet=Faucet.GENESIS,
        )

    @contextmanager
    def building(self) -> Iterator[None]:
        """Go on after the last block, and let its second pass."""
        self.begin()
        yield
        self._block = self._node.asked.block_number()
        time.sleep(1)

    def begin(self) -> None:
        """Have the node forget later blocks."""
        self._node.asked.ask("debug_setHead", hex(self._block))

    def set_ahead(self, _seconds: float, _: pytest.MonkeyPatch) -> None:
        """Skip: no validator seals a block that is dated ahead."""
        pytest.skip(_TIME_PASSES)

    def put_forward(self, _chain: OpenChain, _seconds: int) -> None:
        """Skip, as well."""
        pytest.skip(_TIME_PASSES)


@contextmanager
def running_chain(name: str) -> Iterator[Chain]:
    """Run a chain of one's own until the block ends."""
    match name:
        case "anvil":
            with (
                running_anvil("--timestamp", str(int(time.time()) - HOUR)) as node,
                ChainClient(replace(load_network("anvil"), url=node.url)) as client,
            ):
                yield Anvil(client)
        case "clique":
            with running_clique({genesis_signer().address: _COINS}) as validator:
                yield Clique(validator)
        case _:
            yield Embedded()


class Kept:
    """What a store holds for every test; where it lies in the home, as the local one does, nothing needs to be done."""

    settings = StoreSettings()

    @contextmanager
    def building(self) -> Iterator[None]:
        """Have every test find what is kept until the block ends."""
        yield

    def begin(self) -> None:
        """Undo what tests did."""


class KeptInKubo(Kept):
    """What a Kubo node holds."""

    def __init__(self, store: KuboBlobStore, address: str) -> None:
        self.settings = StoreSettings(kind=StoreKind.KUBO, address=address)
        self._store = store
        self._of_the_node = store.pins()
        self._kept: dict[Cid, list[Block]] = {}

    @contextmanager
    def building(self) -> Iterator[None]:
        """Remember what is pinned at the end of the block."""
        self.begin()
        yield
        self._kept = {root: list(walk(self._store.get, root)) for root in self._store.pins() - self._of_the_node}

    def begin(self) -> None:
        """Pin what was pinned, and nothing else."""
        pins = self._store.pins() - self._of_the_node
        for root in pins - self._kept.keys():
            self._store.unpin(root)
        for root in self._kept.keys() - pins:
            self._store.put(self._kept[root])
            self._store.pin(root)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A chain that runs, and a store."""

    chain: Chain
    store: Kept

    @contextmanager
    def building(self) -> Iterator[None]:
        """Have every test find what is done until the block ends, and find that it was done before."""
        with self.chain.building(), self.store.building():
            yield

    def begin(self) -> None:
        """Undo what tests did."""
        self.chain.begin()
        self.store.begin()

    def found_home(self, folder: Path) -> None:
        """Make a home, with contracts of its own."""
        profile = self.chain.profile
        settings = Settings(home=private_folder(folder), network=profile.name, store=self.store.settings)
        if profile.kind is NetworkKind.RPC:
            write_whole(folder / NETWORKS_FILE, _written(profile).encode(), replace=False)
            with open_chain(profile, folder) as chain:
                deployer = LocalSigner.generate()
                chain.fund(deployer.address)
                chain.deploy(deployer)
        make_home(settings)


@contextmanager
def standing_on(chain: str, kubo: KuboNode | None) -> Iterator[Ground]:
    """Run a chain until the block ends, beside a node that keeps content, or without one where homes keep it."""
    with ExitStack() as stack:
        kept = Kept()
        if kubo is not None:
            kept = KeptInKubo(stack.enter_context(KuboBlobStore(kubo.address)), kubo.address)
        yield Ground(chain=stack.enter_context(running_chain(chain)), store=kept)


def _written(profile: NetworkProfile) -> str:
    """Return a profile as it stands in ``networks.toml``."""
    return "\n".join(
        [
            f"[networks.{profile.name}]",
            f'kind = "{profile.kind}"',
            f'url = "{profile.url}"',
            f"chain_id = {profile.chain_id}",
            f"poa = {str(profile.poa).lower()}",
            f'faucet = "{profile.faucet}"',
            "",
        ]
    )
