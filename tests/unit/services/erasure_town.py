"""The world in memory with two storage nodes, keys that sign statements, and a retention policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from asked import NoWallets
from replicas import NodeStore, nodes_of
from service_doubles import Faults
from town import Town, new_town
from world import World

from medshare.chain import LocalSigner
from medshare.content import Cid, references
from medshare.envelope import Identity
from medshare.ports import Actor, BlobStore, Ledger
from medshare.services.erasing import Erased, Erasing
from medshare.services.erasure_book import ErasureBook
from medshare.services.erasure_journal import ErasureJournal
from medshare.services.erasure_notices import ErasureNotices
from medshare.services.erasure_planning import ErasurePlanning
from medshare.services.forgetting import Forgetting
from medshare.services.holds import LegalHolds
from medshare.services.past_readers import PastReaders
from medshare.services.registering import Published
from medshare.services.replicating import HERE
from medshare.services.slips import Slips
from medshare.services.storage_nodes import StorageNode, bring
from medshare.testing import FakeClock, MemoryStore, in_memory_ledger

NOW = 1_800_000_000
EVERY_VERB = ("get", "put", "has", "pin", "unpin", "remove")
POLICY = b"""
version = 1
jurisdiction = "Examplia, Act on Records, s. 5"
default = 0
acknowledge_within = 30

[years]
imaging = 10
"""
REASON = "CANARY-reason: the patient has withdrawn his consent"


@dataclass
class ErasureTown:
    """A town whose hospital erases."""

    town: Town
    stores: dict[str, NodeStore]
    nodes: tuple[StorageNode, ...]
    erasing: Erasing = field(init=False)

    def __post_init__(self) -> None:
        world = self.world
        self.policy = world.folder / "retention.toml"
        self.policy.write_bytes(POLICY)
        self.journal = ErasureJournal(world.folder)
        self.holds = LegalHolds(ledger=world.ledger, clock=world.clock, auditing=world.auditing, safe=self.town.safe)
        self.places: dict[str, BlobStore] = {HERE: world.store, **self.stores}
        self.signed = {"domain": world.chain.domains["RecordRegistry"], "wallets": NoWallets()}
        self.erasing = self.erasing_with()
        self.common = {
            "ledger": world.ledger,
            "clock": world.clock,
            "auditing": world.auditing,
            "journal": self.journal,
            "places": self.places,
            **self.signed,
        }
        self.book = ErasureBook(**self.common)
        self.forgetting = self.forgetting_with()
        self.notices = ErasureNotices(auditing=world.auditing, book=self.book, journal=self.journal)

    @property
    def world(self) -> World:
        return self.town.world

    def forgetting_with(self, **other: object) -> Forgetting:
        return Forgetting(**{**self.common, "store": self.world.store, "own": HERE, **other})

    def erasing_with(
        self,
        *,
        ledger: Ledger | None = None,
        faults: Faults | None = None,
        failing: Sequence[str] = EVERY_VERB,
        slips: Slips | None = None,
    ) -> Erasing:
        """Return what erases, on another ledger or with stores and journals that fail at one of their calls."""
        world = self.world
        ledger = ledger or world.ledger
        store, publications, journal, places = world.store, world.journal, self.journal, self.places
        if faults is not None:
            store = faults.wrap(store, *failing)
            places = {name: faults.wrap(each, *failing) for name, each in places.items()}
            publications = faults.wrap(publications, "erase", "unfinished")
            journal = faults.wrap(journal, "find", "write")
        planning = ErasurePlanning(
            ledger=ledger,
            store=store,
            clock=world.clock,
            auditing=world.auditing,
            holds=self.holds,
            emergencies=self.town.emergencies,
            readers=PastReaders(
                store=store, auditing=world.auditing, standing=world.standing, emergencies=self.town.emergencies
            ),
            publications=publications,
            safe=self.town.safe,
            policy=self.policy,
        )
        return Erasing(
            ledger=ledger,
            clock=world.clock,
            auditing=world.auditing,
            planning=planning,
            publications=publications,
            journal=journal,
            places=places,
            slips=slips,
            **self.signed,
        )

    def erase(self, published: Published, **more: object) -> Erased:
        return self.erasing.erase(published.record_id, REASON, custodian=self.world.hospital, **more)

    def replicate(self, *roots: Cid) -> None:
        """Have both nodes keep what the hospital's store keeps."""
        for root in roots:
            for node in self.nodes:
                bring(root, node, self.world.store.get)

    def blocks(self, *roots: Cid) -> list[Cid]:
        return [part.cid for root in roots for part in references(self.world.store.get, root)]

    def held(self, blocks: list[Cid]) -> dict[str, int]:
        """Return how many of the blocks each store holds that is up."""
        return {name: sum(cid in store.blocks for cid in blocks) for name, store in self.places.items()}

    def identities(self) -> list[Identity]:
        world = self.world
        return [each.identity for each in (world.hospital, world.patient, world.doctor, world.stranger)]


def signing_actor() -> Actor:
    return Actor(signer=LocalSigner.generate(), identity=Identity.generate())


def new_erasure_town(folder: Path) -> ErasureTown:
    clock = FakeClock(NOW)
    actors = {name: signing_actor() for name in ("hospital", "patient", "doctor", "stranger")}
    ledger, chain = in_memory_ledger(clock, custodians=[actors["hospital"].address, actors["stranger"].address])
    world = World(clock=clock, chain=chain, ledger=ledger, store=MemoryStore(), folder=folder, **actors)
    stores, nodes = nodes_of("clinic", "university")
    return ErasureTown(town=new_town(folder, world), stores=stores, nodes=nodes)
