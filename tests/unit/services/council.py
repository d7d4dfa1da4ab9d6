"""The world in memory with three members of the consortium, who govern it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from asked import erasure_notices, request_notices
from service_doubles import Faults
from world import DAY, World, new_world

from medshare.envelope import Identity
from medshare.model.accreditation import AccreditationKind
from medshare.model.governed import AdmitMember, GovernedCall
from medshare.model.ids import ProposalId
from medshare.ports import Actor
from medshare.services.auditing import Auditing
from medshare.services.emergencies import Emergencies
from medshare.services.governing import Governing, MadeProposal
from medshare.services.inbox import Inbox
from medshare.services.index import LedgerIndex
from medshare.services.safe import Safe
from medshare.testing import new_actor

CUSTODIAN = AccreditationKind.CUSTODIAN


@dataclass
class Council:
    """A world whose consortium has three members; two of them pass a proposal."""

    world: World
    university: Actor
    """The founding member."""
    clinic: Actor
    laboratory: Actor

    def __post_init__(self) -> None:
        world = self.world
        self.safe = Safe(world.folder / "safe")
        self.governing = Governing(ledger=world.ledger, clock=world.clock, auditing=world.auditing, safe=self.safe)
        self.inbox = Inbox(
            ledger=world.ledger,
            clock=world.clock,
            auditing=world.auditing,
            emergencies=Emergencies(
                ledger=world.ledger, store=world.store, clock=world.clock, auditing=world.auditing, safe=self.safe
            ),
            governing=self.governing,
            requests=request_notices(world, self.safe),
            erasures=erasure_notices(world),
            folder=world.folder / "inbox",
        )
        for newcomer in (self.clinic, self.laboratory):
            self.decide(AdmitMember(member=newcomer.address))

    def propose(
        self, call: GovernedCall, reason: str = "CANARY-reason: they asked us to", member: Actor | None = None
    ) -> MadeProposal:
        return self.governing.propose(call, reason, member=member or self.university)

    def decide(self, call: GovernedCall, *others: Actor) -> ProposalId:
        """Propose, vote as far as is needed, by these others or the two that are there; execute."""
        proposal_id = self.propose(call).proposal.proposal_id
        seated = self.governing.consortium().seated
        for member in others or (self.clinic, self.laboratory):
            if member.address in seated and not self.governing.proposal(proposal_id).tally.passed:
                self.vote(proposal_id, member)
        self.governing.execute(proposal_id, payer=self.world.stranger)
        return proposal_id

    def vote(self, proposal_id: ProposalId, member: Actor) -> None:
        self.governing.vote(self.governing.proposal(proposal_id), member=member)

    def accredit(
        self, actor: Actor, kind: AccreditationKind = CUSTODIAN, days: int = 365, member: Actor | None = None
    ) -> None:
        until = self.world.chain.head().time + days * DAY
        self.governing.accredit(actor.address, kind, until, member=member or self.university)

    def counts(self, actor: Actor, kind: AccreditationKind = CUSTODIAN) -> bool:
        """Whether the contract takes an actor's word now."""
        block = self.world.chain.mine().block
        return self.world.ledger.accreditation.is_accredited(actor.address, kind, block=block)

    def pass_by(self, seconds: int) -> None:
        self.world.clock.time = self.world.chain.head().time + seconds
        self.world.chain.mine()

    def failing(self, faults: Faults) -> Governing:
        """The same service in a world that crashes at a chosen call."""
        world = self.world
        chain = faults.wrap(world.ledger.chain, "head", "block", "events")
        ledger = replace(
            world.ledger, consortium=faults.wrap(world.ledger.consortium, "propose", "proposal"), chain=chain
        )
        auditing = Auditing(index=LedgerIndex(world.folder / "index.sqlite", chain))
        return Governing(
            ledger=ledger, clock=world.clock, auditing=auditing, safe=faults.wrap(self.safe, "keep", "find")
        )


def new_council(folder: Path) -> Council:
    world = new_world(folder)
    founder = Actor(signer=world.chain.member, identity=Identity.generate())
    return Council(world=world, university=founder, clinic=new_actor(), laboratory=new_actor())
