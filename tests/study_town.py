"""The world in memory with a researcher, a committee and patients who sign: all that requests need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from asked import NoWallets, erasure_notices
from studies import STUDY
from world import DAY, World, new_world

from medshare.chain import LocalSigner
from medshare.envelope import Identity
from medshare.model.accreditation import AccreditationKind
from medshare.model.events import LedgerEvent
from medshare.model.governed import GovernedCall, encode_call
from medshare.model.ids import Address, RecordId, RequestId
from medshare.model.record import Category
from medshare.model.study import Study
from medshare.ports import Actor
from medshare.services.accepting import Accepted, Accepting, Asking, Choice
from medshare.services.delivering import Delivering
from medshare.services.description import Description
from medshare.services.emergencies import Emergencies
from medshare.services.governing import Governing
from medshare.services.inbox import Inbox
from medshare.services.index import LedgerIndex
from medshare.services.judging import Judging
from medshare.services.offering import Offering
from medshare.services.receipt_journal import ReceiptJournal
from medshare.services.receipts import Receipts
from medshare.services.registering import Published
from medshare.services.request_book import Part, RequestBook
from medshare.services.request_journal import RequestJournal
from medshare.services.request_notices import RequestNotices
from medshare.services.requesting import OpenedStudy, Requesting
from medshare.services.rewarding import Rewarding
from medshare.services.safe import Safe
from medshare.services.signing import Signing
from medshare.services.slip_journal import SlipJournal
from medshare.services.slips import Slips
from medshare.testing import new_actor

VALUES = b'{"resourceType":"Observation","valueQuantity":{"value":5.4}}'


def signing_actor() -> Actor:
    return Actor(signer=LocalSigner.generate(), identity=Identity.generate())


@dataclass
class StudyTown:
    """A world in which a researcher asks, with the services for it."""

    world: World
    researcher: Actor = field(default_factory=new_actor)
    committee: Actor = field(default_factory=new_actor)
    mary: Actor = field(default_factory=signing_actor)
    """A patient of the hospital."""
    paul: Actor = field(default_factory=signing_actor)
    """Another one."""
    shown: list[tuple[str, str]] = field(default_factory=list)
    """What was shown before it was signed, the last time."""
    confirms: bool = True

    def __post_init__(self) -> None:
        world = self.world
        for actor in (self.researcher, self.committee, self.mary, self.paul):
            world.ledger.directory.set_encryption_key(actor.signer, actor.identity.recipient.key)
        world.chain.accredit(self.researcher.address, AccreditationKind.RESEARCHER)
        world.chain.accredit(self.committee.address, AccreditationKind.ETHICS_COMMITTEE)
        world.chain.give(self.researcher.address, 10**9)
        self.asking = Asking(confirm=self.confirm, names=lambda _: None)
        self.study = replace(STUDY, requester=self.researcher.address)
        self.wire()

    def wire(self, **parts: object) -> None:
        """Make the services, some of their parts replaced: ledger, store, journal, slips."""
        world = self.world
        ledger, store = parts.get("ledger", world.ledger), parts.get("store", world.store)
        journal = parts.get("journal", RequestJournal(world.folder))
        consenting = parts.get("consenting", world.consenting)
        self.book = RequestBook(index=LedgerIndex(world.folder / "index.sqlite", ledger.chain))
        self.safe = Safe(world.folder / "safe")
        common = {"ledger": ledger, "store": store, "clock": world.clock, "auditing": world.auditing, "book": self.book}
        judging = Judging(auditing=world.auditing)
        kept = Slips(ledger=ledger, store=store, auditing=world.auditing, journal=SlipJournal(world.folder))
        self.slips = parts.get("slips", kept)
        self.requesting = Requesting(
            **common, journal=journal, safe=self.safe, retrieving=world.retrieving, judging=judging, slips=self.slips
        )
        self.offering = Offering(**common, requesting=self.requesting)
        self.signing = Signing(ledger=ledger, domains=world.chain.domains, wallets=NoWallets(), clock=world.clock)
        self.accepting = Accepting(
            ledger=ledger,
            book=self.book,
            journal=journal,
            offering=self.offering,
            consenting=consenting,
            auditing=world.auditing,
            judging=judging,
            slips=self.slips,
            signing=self.signing,
        )
        self.receipts = Receipts(
            ledger=ledger,
            journal=ReceiptJournal(world.folder),
            consents=world.chain.domains["ConsentRegistry"],
            wallets=NoWallets(),
            clock=world.clock,
        )
        self.delivering = Delivering(
            **common, standing=world.standing, judging=judging, receipts=self.receipts, slips=self.slips
        )
        self.rewarding = Rewarding(ledger=ledger, auditing=world.auditing, book=self.book)
        emergencies = Emergencies(
            ledger=ledger, store=store, clock=world.clock, auditing=world.auditing, safe=self.safe
        )
        self.inbox = Inbox(
            ledger=ledger,
            clock=world.clock,
            auditing=world.auditing,
            emergencies=emergencies,
            governing=Governing(ledger=ledger, clock=world.clock, auditing=world.auditing, safe=self.safe),
            requests=RequestNotices(ledger=ledger, auditing=world.auditing, book=self.book, requesting=self.requesting),
            erasures=erasure_notices(world),
            folder=world.folder / "inbox",
        )

    def confirm(self, lines: Sequence[tuple[str, str]]) -> bool:
        self.shown = [(label, text) for label, text in lines]
        return self.confirms

    def publish(
        self, patient: Actor | None = None, text: bytes = VALUES, *, supersedes: RecordId | None = None, **more
    ) -> Published:
        said = {"media_type": "application/fhir+json", "category": Category.LABORATORY}
        return self.world.publishing.publish(
            text,
            custodian=self.world.hospital,
            patient=(patient or self.mary).address,
            description=Description(**{**said, **more}),
            supersedes=supersedes,
        )

    def study_for(self, *invitees: Actor) -> Study:
        """Return the study as it is opened for these patients, or for all."""
        return replace(self.study, grants=len(invitees)) if invitees else self.study

    def open(self, *invitees: Actor, **more) -> OpenedStudy:
        """Open the study: for these patients, or as an open call that is approved at once."""
        wanted = {"requester": self.researcher, "invitees": [each.address for each in invitees] or None}
        study: Study = more.pop("study", self.study_for(*invitees))
        opened = self.requesting.open(study, **{**wanted, **more})
        if not invitees and not opened.already:
            self.requesting.approve(opened.request_id, committee=self.committee)
        return opened

    def accept(self, request_id: RequestId, patient: Actor | None = None, **choice) -> Accepted:
        actor = patient or self.mary
        return self.accepting.accept(
            request_id, patient=actor, payer=actor.signer, asking=self.asking, choice=Choice(**choice)
        )

    def delivered(self, *, patients: Sequence[Actor] = (), **more) -> RequestId:
        """Return a request that Mary, or these patients, have accepted, and the hospital has delivered."""
        opened = self.open(**more)
        for patient in patients or (self.mary,):
            self.publish(patient)
            self.accept(opened.request_id, patient)
            self.delivering.deliver(opened.request_id, patient.address, custodian=self.world.hospital)
        return opened.request_id

    def part(self, request_id: RequestId, patient: Actor | None = None) -> Part:
        part = self.book.request(request_id).part((patient or self.mary).address)
        assert part is not None
        return part

    def vote(self, call: GovernedCall) -> None:
        """Have the founding member propose, which is enough to pass, and execute."""
        ledger, member = self.world.ledger, self.world.chain.member
        proposed = ledger.consortium.propose(member, call, bytes(32))
        ledger.consortium.execute(member, proposed.proposal_id, encode_call(call))

    def pass_by(self, seconds: int) -> None:
        """Let time pass, on the wall and on the chain."""
        self.world.clock.time = max(self.world.clock.time, self.world.chain.head().time) + seconds
        self.world.chain.mine()

    def until(self, at: int) -> None:
        """Let time pass up to ``at``."""
        self.pass_by(at - max(self.world.clock.time, self.world.chain.head().time))

    def credit(self, account: Address, token: Address = STUDY.token) -> int:
        return self.world.ledger.escrow.credit(account, token, block=self.world.chain.head())

    def events(self, kind: type[LedgerEvent]) -> list[LedgerEvent]:
        chain = self.world.chain
        return [event for event in chain.events(0, chain.head().number) if isinstance(event, kind)]


def new_study_town(folder: Path) -> StudyTown:
    return StudyTown(world=new_world(folder))


__all__ = ["DAY", "StudyTown", "new_study_town"]
