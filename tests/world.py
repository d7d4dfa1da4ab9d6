"""One hospital, one patient and two readers on the chain and the store in memory.

The stranger is accredited as a custodian, too: he can state what he likes, and be no better for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medshare.model.consent import RecordRef
from medshare.model.purpose import PurposeOfUse
from medshare.ports import Actor, BlobStore, Ledger
from medshare.services.auditing import Auditing
from medshare.services.consenting import Consenting, Granted
from medshare.services.description import Description
from medshare.services.history import History
from medshare.services.index import LedgerIndex
from medshare.services.journal import PublicationJournal
from medshare.services.publishing import Publishing
from medshare.services.registering import Published, Registering
from medshare.services.resealing import Resealing
from medshare.services.retrieving import OpenRecord, Retrieving
from medshare.services.rotating import Rotating
from medshare.services.standing import StandingConsents
from medshare.services.storing import Storing
from medshare.testing import FakeClock, InMemoryChain, MemoryStore, in_memory_ledger, new_actor

NOW = 1_800_000_000
DAY = 86_400
TEXT = b'{"resourceType":"Observation","note":"CANARY-plaintext"}'


def resealing_on(
    *, ledger: Ledger, store: BlobStore, journal: PublicationJournal, auditing: Auditing, standing: StandingConsents
) -> Resealing:
    """Return what reseals on these parts."""
    return Resealing(
        store=store,
        journal=journal,
        storing=Storing(ledger=ledger, store=store, journal=journal, auditing=auditing, standing=standing),
        registering=Registering(ledger=ledger, store=store, journal=journal),
    )


def publishing_on(
    *, ledger: Ledger, store: BlobStore, journal: PublicationJournal, auditing: Auditing, standing: StandingConsents
) -> Publishing:
    """Return what publishes on these parts."""
    parts = {"ledger": ledger, "store": store, "journal": journal, "auditing": auditing, "standing": standing}
    return Publishing(
        ledger=ledger, journal=journal, auditing=auditing, storing=Storing(**parts), resealing=resealing_on(**parts)
    )


@dataclass
class World:
    clock: FakeClock
    chain: InMemoryChain
    ledger: Ledger
    store: MemoryStore
    folder: Path
    hospital: Actor
    patient: Actor
    doctor: Actor
    stranger: Actor

    def __post_init__(self) -> None:
        for actor in (self.hospital, self.patient, self.doctor, self.stranger):
            self.ledger.directory.set_encryption_key(actor.signer, actor.identity.recipient.key)
        self.journal = PublicationJournal(self.folder)
        self.auditing = Auditing(index=LedgerIndex(self.folder / "index.sqlite", self.ledger.chain))
        self.standing = StandingConsents(ledger=self.ledger, store=self.store, clock=self.clock, auditing=self.auditing)
        parts = {
            "ledger": self.ledger,
            "store": self.store,
            "journal": self.journal,
            "auditing": self.auditing,
            "standing": self.standing,
        }
        self.publishing = publishing_on(**parts)
        self.resealing = resealing_on(**parts)
        self.rotating = Rotating(
            store=self.store,
            clock=self.clock,
            auditing=self.auditing,
            standing=self.standing,
            resealing=self.resealing,
        )
        self.consenting = Consenting(ledger=self.ledger, store=self.store, auditing=self.auditing)
        self.retrieving = Retrieving(ledger=self.ledger, store=self.store, clock=self.clock, auditing=self.auditing)
        self.history = History(auditing=self.auditing, retrieving=self.retrieving)

    def publish(self, text: bytes | Path = TEXT, **more) -> Published:
        return self.publishing.publish(
            text,
            custodian=self.hospital,
            patient=self.patient.address,
            description=Description(media_type="application/fhir+json"),
            **more,
        )

    def ref(self, published: Published) -> RecordRef:
        return RecordRef(custodian=self.hospital.address, record_id=published.record_id)

    def grant(self, *published: Published, **more) -> Granted:
        wanted = {
            "patient": self.patient,
            "grantee": self.doctor.address,
            "records": [self.ref(each) for each in published],
            "purposes": PurposeOfUse.TREAT,
            "expires_at": self.clock.now() + 30 * DAY,
        }
        return self.consenting.grant(**{**wanted, **more})

    def open(
        self, published: Published, reader: Actor | None = None, purpose: PurposeOfUse = PurposeOfUse.TREAT
    ) -> OpenRecord:
        return self.retrieving.open(self.ref(published), reader=reader or self.doctor, purpose=purpose)


def new_world(folder: Path) -> World:
    clock = FakeClock(NOW)
    actors = {name: new_actor() for name in ("hospital", "patient", "doctor", "stranger")}
    ledger, chain = in_memory_ledger(clock, custodians=[actors["hospital"].address, actors["stranger"].address])
    return World(clock=clock, chain=chain, ledger=ledger, store=MemoryStore(), folder=folder, **actors)
