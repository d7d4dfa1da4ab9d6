"""A hospital that publishes in batches, and people each with a home of his own: what one finds, no other knows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from service_doubles import Overriding
from world import NOW, publishing_on, resealing_on

from medshare.envelope import Recipient
from medshare.model.ids import CatalogueId, RecordId
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import RecordRef
from medshare.model.record_batch import RecordBatch
from medshare.model.rules.records import entry_of
from medshare.ports import Actor, BlobStore, Ledger, Receipt
from medshare.services.accounting import Accounting
from medshare.services.auditing import Auditing
from medshare.services.batch_book import BatchBook
from medshare.services.batch_catalogue import write_catalogue
from medshare.services.batched_ledger import batched_ledger
from medshare.services.consenting import Consenting, Granted
from medshare.services.description import Description
from medshare.services.emergencies import Emergencies
from medshare.services.finding import Finding, Found
from medshare.services.history import History
from medshare.services.index import LedgerIndex
from medshare.services.journal import PublicationJournal
from medshare.services.retrieving import Retrieving
from medshare.services.rotating import Rotating
from medshare.services.safe import Safe
from medshare.services.standing import StandingConsents
from medshare.services.verifying import Verifying
from medshare.testing import FakeClock, InMemoryChain, MemoryStore, in_memory_ledger, new_actor

DAY = 86_400
SECRET = b"\x5a" * 32


class Home:
    """What one person knows: his book, his index, and the services on them."""

    def __init__(self, town: BatchTown, actor: Actor, folder: Path) -> None:
        self.actor = actor
        self.book = BatchBook(folder)
        self.ledger = ledger = batched_ledger(town.ledger, self.book)
        self.index = LedgerIndex(folder / "index.sqlite", ledger.chain, batched=self.book)
        self.auditing = auditing = Auditing(index=self.index)
        self.finding = Finding(store=town.store, auditing=auditing, book=self.book)
        store, clock = town.store, town.clock
        self.standing = StandingConsents(ledger=ledger, store=store, clock=clock, auditing=auditing)
        self.retrieving = Retrieving(ledger=ledger, store=store, clock=clock, auditing=auditing)
        self.consenting = Consenting(ledger=ledger, store=store, auditing=auditing, batches=self.book)
        self.history = History(auditing=auditing, retrieving=self.retrieving)
        self.accounting = Accounting(ledger=ledger, auditing=auditing)
        self.verifying = Verifying(ledger=ledger, index=self.index)
        self.emergencies = Emergencies(
            ledger=ledger, store=store, clock=clock, auditing=auditing, safe=Safe(folder / "safe"), batches=self.book
        )
        publishes = {
            "ledger": ledger,
            "store": store,
            "journal": PublicationJournal(folder),
            "auditing": auditing,
            "standing": self.standing,
        }
        self.publishing = publishing_on(**publishes)
        self.rotating = Rotating(
            store=store, clock=clock, auditing=auditing, standing=self.standing, resealing=resealing_on(**publishes)
        )

    def find(self, **more) -> Found:
        return self.finding.find(self.actor, **more)

    def ids(self, patient: Home) -> list[RecordId]:
        return [entry.record_id for entry in self.auditing.records(patient.actor.address)]

    def read(self, record: RecordRef, purpose: PurposeOfUse = PurposeOfUse.TREAT) -> bytes:
        return b"".join(self.retrieving.open(record, reader=self.actor, purpose=purpose).stream())


@dataclass
class Load:
    """A batch that was anchored."""

    batch: RecordBatch
    catalogue: CatalogueId
    receipt: Receipt
    ids: dict[str, list[RecordId]]
    """By the patient's name, in the order in which they were given."""
    hospital: Actor

    def ref(self, name: str, number: int = 0) -> RecordRef:
        return RecordRef(custodian=self.hospital.address, record_id=self.ids[name][number])


class BatchTown:
    """A chain, a store, and homes by name.

    Args:
        folder: where the homes are.
        hospital: who publishes; default: one who signs transactions only.
    """

    def __init__(self, folder: Path, *, hospital: Actor | None = None) -> None:
        self.clock = FakeClock(NOW)
        actors = {name: new_actor() for name in ("hospital", "clinic", "anna", "ben", "doctor", "stranger")}
        actors["hospital"] = hospital or actors["hospital"]
        self.ledger: Ledger
        self.chain: InMemoryChain
        self.ledger, self.chain = in_memory_ledger(
            self.clock, custodians=[actors["hospital"].address, actors["clinic"].address]
        )
        self.store = MemoryStore()
        self.folder = folder
        for actor in actors.values():
            self.ledger.directory.set_encryption_key(actor.signer, actor.identity.recipient.key)
        self.homes = {name: self.home(actor, name) for name, actor in actors.items()}

    def __getattr__(self, name: str) -> Home:
        homes: dict[str, Home] = self.__dict__.get("homes", {})
        if name in homes:
            return homes[name]
        raise AttributeError(name)

    def home(self, actor: Actor, name: str) -> Home:
        """Return a home of this name, in which nothing is known but what lies there."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return Home(self, actor, folder)

    def seal(self, by: str, patient: str, text: bytes) -> RecordId:
        """Store a record of which no chain knows yet."""
        home = self.homes[by]
        stated = {}

        def register(signer: Actor, record_id: RecordId, whose: str, *, intent: str | None = None) -> None:
            stated[record_id] = entry_of(record_id, signer.address, whose, at=NOW)

        records = Overriding(
            home.ledger.records,
            register=register,
            record=lambda custodian, record_id, *, block: (
                stated[record_id]
                if record_id in stated
                else home.ledger.records.record(custodian, record_id, block=block)
            ),
        )
        publishing = publishing_on(
            ledger=replace(home.ledger, records=records),
            store=self.store,
            journal=PublicationJournal(self.folder / by),
            auditing=home.auditing,
            standing=home.standing,
        )
        return publishing.publish(
            text, custodian=home.actor, patient=self.homes[patient].actor.address, description=Description()
        ).record_id

    def load(
        self,
        texts: Mapping[str, Sequence[bytes]],
        *,
        by: str = "hospital",
        readers: Mapping[str, Mapping[Recipient, Collection[RecordId] | None]] | None = None,
        secret: bytes = SECRET,
        store: BlobStore | None = None,
        count: int | None = None,
    ) -> Load:
        """Publish records of several patients in one batch; each patient is told of his own."""
        ids = {name: [self.seal(by, name, text) for text in some] for name, some in texts.items()}
        return self.anchor(ids, by=by, readers=readers, secret=secret, store=store, count=count)

    def anchor(self, ids, *, by="hospital", readers=None, secret=SECRET, store=None, count=None) -> Load:
        """Anchor what is stored; keep it in the custodian's book."""
        home = self.homes[by]
        people = {name: self.homes[name].actor for name in ids}
        batch = RecordBatch.of(
            ((each, people[name].address) for name, some in ids.items() for each in some), secret=secret
        )
        told = {
            people[name].address: {people[name].identity.recipient: None, **(readers or {}).get(name, {})}
            for name in ids
        }
        catalogue = write_catalogue(batch, told, custodian=home.actor.identity, store=store or self.store)
        home.book.keep(home.actor.address, batch)
        receipt = self.ledger.records.anchor_batch(home.actor.signer, batch.root, catalogue, count or batch.count)
        return Load(batch=batch, catalogue=catalogue, receipt=receipt, ids=ids, hospital=home.actor)

    def grant(self, by: str, to: str, *records: RecordRef, **more) -> Granted:
        home = self.homes[by]
        wanted = {
            "patient": home.actor,
            "grantee": self.homes[to].actor.address,
            "records": list(records),
            "purposes": PurposeOfUse.TREAT,
            "expires_at": self.clock.now() + 30 * DAY,
        }
        return home.consenting.grant(**{**wanted, **more})
