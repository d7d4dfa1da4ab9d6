"""The world in memory with more people in it, and the services for those who act for others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from asked import NoWallets, erasure_notices, request_notices
from world import DAY, World, new_world

from medshare.chain import LocalSigner
from medshare.envelope import Identity
from medshare.model.accreditation import AccreditationKind
from medshare.model.delegation import Verbs
from medshare.model.emergency import EmergencyReason
from medshare.model.ids import Address, EpisodeId
from medshare.model.purpose import PurposeOfUse
from medshare.ports import Actor
from medshare.services.consenting import Consenting
from medshare.services.emergencies import Emergencies
from medshare.services.governing import Governing
from medshare.services.guarding import Guarding
from medshare.services.inbox import Inbox
from medshare.services.representing import Appointed, Representing, everything_for
from medshare.services.safe import Safe
from medshare.testing import NamedSigner, new_actor

HOUR = 3600


@dataclass
class Town:
    """A world, and in it a mother, guardians, a clinician and a reviewer."""

    world: World
    mother: Actor
    clinician: Actor
    reviewer: Actor
    newcomer: Actor
    """The key that shall take over."""
    guardians: tuple[Actor, ...]

    def __post_init__(self) -> None:
        world = self.world
        for actor in (self.mother, self.clinician, self.reviewer, self.newcomer):
            world.ledger.directory.set_encryption_key(actor.signer, actor.identity.recipient.key)
        world.consenting = Consenting(
            ledger=world.ledger, store=world.store, auditing=world.auditing, retrieving=world.retrieving
        )
        self.safe = Safe(world.folder / "safe")
        self.representing = Representing(ledger=world.ledger, auditing=world.auditing, consenting=world.consenting)
        self.guarding = Guarding(
            ledger=world.ledger, safe=self.safe, domain=world.chain.domains["ConsentRegistry"], wallets=NoWallets()
        )
        self.emergencies = Emergencies(
            ledger=world.ledger, store=world.store, clock=world.clock, auditing=world.auditing, safe=self.safe
        )
        self.governing = Governing(ledger=world.ledger, clock=world.clock, auditing=world.auditing, safe=self.safe)
        self.inbox = Inbox(
            ledger=world.ledger,
            clock=world.clock,
            auditing=world.auditing,
            emergencies=self.emergencies,
            governing=self.governing,
            requests=request_notices(world, self.safe),
            erasures=erasure_notices(world),
            folder=world.folder / "inbox",
        )
        self.accredit(self.clinician)
        self.accredit(self.reviewer, AccreditationKind.REVIEWER)

    def accredit(self, actor: Actor, kind: AccreditationKind = AccreditationKind.CLINICIAN, days: int = 365) -> None:
        self.world.chain.accredit(actor.address, kind, self.world.clock.now() + days * DAY)

    def appoint(self, delegate: Actor | None = None, **more) -> Appointed:
        wanted = {
            "patient": self.world.patient,
            "delegate": (delegate or self.mother).address,
            "verbs": Verbs.GRANT | Verbs.REVOKE,
            "purposes": [PurposeOfUse.TREAT],
            "expires_at": self.world.clock.now() + 300 * DAY,
            "access": [everything_for(PurposeOfUse.PATRQT)],
        }
        return self.representing.appoint(**{**wanted, **more})

    def grant_for(self, published, delegate: Actor | None = None, **more):
        return self.world.grant(
            published, patient=delegate or self.mother, on_behalf_of=self.world.patient.address, **more
        )

    def break_glass(self, clinician: Actor | None = None, **more) -> EpisodeId:
        wanted = {
            "patient": self.world.patient.address,
            "reason": EmergencyReason.UNCONSCIOUS,
            "details": "found CANARY-details at the station",
            "duration": HOUR,
        }
        return self.emergencies.open(clinician=clinician or self.clinician, **{**wanted, **more}).episode.episode_id

    def recover(self, *, approving: int = 2) -> None:
        """Guardians give the patient the newcomer's key; the delay passes."""
        world = self.world
        named = self.guarding.name(
            patient=world.patient, guardians=[each.address for each in self.guardians], threshold=2, delay=7 * DAY
        )
        self.propose(named.circle, approving=approving)
        self.pass_by(7 * DAY)
        self.guarding.complete(world.patient.address, payer=world.stranger)

    def pass_by(self, seconds: int, *, mining: bool = True) -> None:
        """Let time pass, from the newest block on: on the wall, and on the chain where it goes on."""
        self.world.clock.time = self.world.chain.head().time + seconds
        if mining:
            self.world.chain.mine()

    def propose(self, circle, *, approving: int = 2) -> None:
        approvals = [
            self.guarding.approve(
                guardian=each.signer,
                patient=self.world.patient.address,
                controller=self.newcomer.address,
                deadline=self.world.clock.now() + DAY,
            )
            for each in self.guardians[:approving]
        ]
        self.guarding.propose(circle, approvals, payer=self.world.stranger)


def new_town(folder: Path, world: World | None = None) -> Town:
    guardians = tuple(
        Actor(signer=LocalSigner.from_key(bytes([number]) * 32), identity=Identity.generate()) for number in (1, 2, 3)
    )
    return Town(
        world=world or new_world(folder),
        mother=new_actor(),
        clinician=new_actor(),
        reviewer=new_actor(),
        newcomer=new_actor(),
        guardians=guardians,
    )


def with_address(actor: Actor, account: Address) -> Actor:
    """Return an actor who says he is another: his keys stay his own."""
    return replace(actor, signer=NamedSigner(account))
