"""A custodian who has lost his journal, or publishes from another home, publishes nothing twice.

given a hospital with records on chain, and a journal that knows none of them
├─ nothing is published from there, and nothing stored, before it was restored
├─ restored, each record given again is published already: those by themselves, their versions, those that were rotated
├─ what was retracted is published anew, also where it was rotated before, or published anew since
├─ restored again, or where nothing was lost: nothing changes, and no version that was rotated is read
├─ what cannot be read is named, and keeps no other back; where the store is away, it goes on the next time
├─ a hospital without records on chain, or whose journal knows it, is asked nothing
├─ it counts as known once something was stored from there, and not before
└─ the doctor says that it is to be restored
given a hospital with a batch on chain, and a home that knows nothing of it
├─ where its catalogue cannot be fetched now, restoring fails, and nothing is published twice
└─ where it is gone, it is named
"""

from __future__ import annotations

from pathlib import Path

import pytest
from load_town import LoadTown, observation
from service_doubles import CrashError, Faults, Overriding, faulty_store
from world import TEXT, World, new_world, publishing_on

from medshare.content import Cid
from medshare.errors import BlobNotFoundError, ConfigurationError, EncryptionKeyNotSetError, StoreUnavailableError
from medshare.model.events import RecordRegistered, RecordSuperseded
from medshare.ports import BlobStore
from medshare.services.batch_book import BatchBook
from medshare.services.description import Description
from medshare.services.examining import Examining, Health
from medshare.services.finding import Finding
from medshare.services.journal import PublicationJournal
from medshare.services.load_journal import LoadJournal
from medshare.services.registering import Published
from medshare.services.restoring import Restored, Restoring
from medshare.testing import new_actor

pytestmark = pytest.mark.unit

OTHER = b"another text"
DESCRIPTION = Description(media_type="application/fhir+json")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return new_world(tmp_path)


class Elsewhere:
    """Another home of the hospital."""

    def __init__(self, world: World, name: str = "elsewhere") -> None:
        self.world = world
        self.journal = PublicationJournal(world.folder / name)
        self.publishing = publishing_on(
            ledger=world.ledger,
            store=world.store,
            journal=self.journal,
            auditing=world.auditing,
            standing=world.standing,
        )

    def publish(self, text: bytes = TEXT, **more) -> Published:
        wanted = {"custodian": self.world.hospital, "patient": self.world.patient.address, "description": DESCRIPTION}
        return self.publishing.publish(text, **{**wanted, **more})

    def restore(self, **parts: object) -> Restored:
        store = parts.get("store", self.world.store)
        return restore(self.world, self.journal, store)


def restore(world: World, journal: PublicationJournal, store: BlobStore) -> Restored:
    finding = Finding(store=store, auditing=world.auditing, book=BatchBook(world.folder / "batches"))
    restoring = Restoring(journal=journal, store=store, auditing=world.auditing, finding=finding)
    return restoring.restore(world.hospital)


def registered(world: World) -> int:
    events = world.chain.events(0, world.chain.head().number)
    return sum(isinstance(event, RecordRegistered | RecordSuperseded) for event in events)


def test_publish__what_he_has_published_is_not_known_here__is_refused_before_anything(world: World) -> None:
    published, home = world.publish(), Elsewhere(world)
    pins = world.store.pins()
    for act in (home.publishing.publish, home.publishing.prepare):
        with pytest.raises(ConfigurationError, match="twice") as caught:
            act(TEXT, custodian=world.hospital, patient=world.patient.address, description=DESCRIPTION)
        assert "record restore" in caught.value.hint
    assert world.store.pins() == pins
    assert registered(world) == 1
    assert home.restore() == Restored(records=1, unread=(), batches=())
    again = home.publish()
    assert (again.record_id, again.already, registered(world)) == (published.record_id, True, 1)
    assert not home.publish(OTHER).already


def test_restore__versions_and_what_was_rotated__are_known_as_before(world: World) -> None:
    first = world.publish()
    second = world.publish(OTHER, supersedes=first.record_id)
    third = world.resealing.reseal(second.entry, custodian=world.hospital)
    fourth = world.resealing.reseal(third.entry, custodian=world.hospital)
    alone = world.publish(b"a third text")
    rotated = world.resealing.reseal(alone.entry, custodian=world.hospital)
    before = registered(world)
    home = Elsewhere(world)
    assert home.restore().records == 6
    for text, supersedes in ((TEXT, None), (OTHER, first.record_id), (b"a third text", None)):
        here = world.publish(text, supersedes=supersedes)
        there = home.publish(text, supersedes=supersedes)
        assert (there.record_id, there.already) == (here.record_id, True)
    assert home.publish(OTHER, supersedes=first.record_id).record_id == fourth.record_id
    assert home.publish(b"a third text").record_id == rotated.record_id
    assert registered(world) == before


def test_restore__same_text_of_other_patients_or_described_otherwise__are_two(world: World) -> None:
    world.publish()
    home = Elsewhere(world)
    home.restore()
    assert not home.publish(patient=world.doctor.address).already
    assert not home.publish(description=Description(media_type="text/plain")).already


def test_restore__retracted__is_published_anew(world: World) -> None:
    published = world.publish()
    world.publishing.retract(published.record_id, "not his", custodian=world.hospital)
    home = Elsewhere(world)
    assert home.restore().records == 0
    again = home.publish()
    assert (again.already, again.record_id != published.record_id) == (False, True)


def test_restore__rotated_and_then_retracted__is_published_anew_as_where_nothing_was_lost(world: World) -> None:
    first = world.publish()
    second = world.resealing.reseal(first.entry, custodian=world.hospital)
    world.publishing.retract(second.record_id, "not his", custodian=world.hospital)
    home = Elsewhere(world)
    home.restore()
    home.restore()
    restore(world, world.journal, world.store)
    here = world.publish()
    assert not here.already
    late = Elsewhere(world, "late")
    late.restore()
    again = late.publish()
    assert (again.record_id, again.already) == (here.record_id, True)
    assert not home.publish().already


def test_restore__again_after_a_rotation__changes_nothing_and_reads_no_earlier_version(world: World) -> None:
    first = world.publish()
    second = world.resealing.reseal(first.entry, custodian=world.hospital)
    third = world.resealing.reseal(second.entry, custodian=world.hospital)
    home = Elsewhere(world)
    assert home.restore().records == 3
    for earlier in (first, second):
        world.store.unpin(Cid.of_directory(earlier.record_id))
    world.store.collect()
    for journal in (home.journal, world.journal):
        assert restore(world, journal, world.store) == Restored(records=0, unread=(), batches=())
    for again in (home.publish(), world.publish()):
        assert (again.record_id, again.already) == (third.record_id, True)


def test_restore__rotated_elsewhere_since__newest_version_counts(world: World) -> None:
    first = world.publish()
    home = Elsewhere(world)
    home.restore()
    second = world.resealing.reseal(first.entry, custodian=world.hospital)
    assert home.restore().records == 1
    assert home.publish().record_id == second.record_id


def test_restore__one_is_gone__is_named_and_keeps_no_other_back(world: World) -> None:
    gone, there = world.publish(), world.publish(OTHER)
    world.store.unpin(Cid.of_directory(gone.record_id))
    world.store.collect()
    home = Elsewhere(world)
    restored = home.restore()
    assert restored.records == 1
    assert [(each.record_id, type(each.error)) for each in restored.unread] == [(gone.record_id, BlobNotFoundError)]
    assert home.publish(OTHER).record_id == there.record_id
    assert not home.publish().already


def test_restore__store_is_away__is_said_and_nothing_is_published(world: World) -> None:
    world.publish()
    home = Elsewhere(world)

    def away(*_: object, **__: object) -> bytes:
        raise StoreUnavailableError("away")

    with pytest.raises(StoreUnavailableError):
        home.restore(store=Overriding(world.store, get=away))
    with pytest.raises(ConfigurationError):
        home.publish()
    assert home.restore().records == 1


def test_restore__dies_at_any_call__goes_on(world: World) -> None:
    texts = [b"text %d" % number for number in range(3)]
    published = [world.publish(text) for text in texts]
    for at in range(1, 100):
        home, faults = Elsewhere(world, f"elsewhere-{at}"), Faults(at=at, after=False)
        try:
            home.restore(store=faulty_store(world, faults))
        except CrashError:
            struck = True
        else:
            struck = False
        done = 3 if not struck else home.restore().records
        assert done <= 3
        assert home.restore().records == 0
        assert [home.publish(text).record_id for text in texts] == [each.record_id for each in published]
        if not struck:
            break
    assert at > 3
    assert not struck, "raise the limit: the last calls were not reached"


def test_publish__another_custodian_or_known_here__is_asked_nothing(world: World) -> None:
    world.publish()
    clinic = new_actor()
    world.ledger.directory.set_encryption_key(clinic.signer, clinic.identity.recipient.key)
    world.chain.accredit(clinic.address)
    home = Elsewhere(world)
    assert not home.publish(custodian=clinic).already
    assert not home.publish(OTHER, custodian=clinic).already
    assert not world.publish(OTHER).already


def test_publish__failed_before_anything_was_stored__custodian_is_not_known(world: World) -> None:
    home = Elsewhere(world)
    with pytest.raises(EncryptionKeyNotSetError):
        home.publish(patient=new_actor().address)
    world.publish()
    with pytest.raises(ConfigurationError, match="twice"):
        home.publish()
    assert registered(world) == 1


def test_load__first_of_a_custodian__he_is_known_once_something_is_stored(tmp_path: Path) -> None:
    town = LoadTown(tmp_path)
    assert town.night(town.export(b"no record")).counts == (0, 0, 1)
    assert not town.publications.knows(town.hospital.actor.address)
    assert town.night(town.export(observation(1))).counts == (1, 0, 0)
    assert town.publications.knows(town.hospital.actor.address)


def test_examine__nothing_is_known_of_what_he_has_published__says_what_to_do(world: World) -> None:
    def warnings(journal: PublicationJournal) -> list[str]:
        examining = Examining(
            ledger=world.ledger,
            store=world.store,
            clock=world.clock,
            auditing=world.auditing,
            journal=journal,
            folder=world.folder,
        )
        hospital = world.hospital
        found = examining.examine([("hospital", hospital.address, hospital.identity.recipient.key)])
        return [each.mend for each in found if each.check == "publications hospital" and each.health is Health.WARNING]

    home = Elsewhere(world)
    assert warnings(home.journal) == []
    world.publish()
    assert warnings(home.journal) == ["run: medshare record restore --as hospital"]
    assert warnings(world.journal) == []
    home.restore()
    assert warnings(home.journal) == []


class LostTown(LoadTown):
    """A town whose hospital has loaded two records, and lost its state."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.lines = self.export(observation(1), observation(2, 1))
        self.night(self.lines)
        self.homes["hospital"] = self.home(self.hospital.actor, "elsewhere")
        self.publications = PublicationJournal(folder / "elsewhere")
        self.loads = LoadJournal(self.publications)
        self.loading = self.rebuilt()

    def restore(self, store: BlobStore) -> Restored:
        home = self.hospital
        finding = Finding(store=store, auditing=home.auditing, book=home.book)
        restoring = Restoring(journal=self.publications, store=store, auditing=home.auditing, finding=finding)
        return restoring.restore(home.actor)


def test_restore__catalogue_cannot_be_fetched_now__fails_and_nothing_is_published_twice(tmp_path: Path) -> None:
    town = LostTown(tmp_path)

    def away(*_: object, **__: object) -> bytes:
        raise StoreUnavailableError("away")

    with pytest.raises(StoreUnavailableError):
        town.restore(Overriding(town.store, get=away))
    with pytest.raises(ConfigurationError, match="twice"):
        town.night(town.lines)
    assert town.restore(town.store) == Restored(records=2, unread=(), batches=())
    assert town.night(town.lines).counts == (0, 2, 0)


def test_restore__catalogue_is_gone__is_named(tmp_path: Path) -> None:
    town = LostTown(tmp_path)
    (batch,) = town.hospital.auditing.batches(town.hospital.actor.address)
    town.store.unpin(Cid.of_directory(batch.catalogue))
    town.store.collect()
    found = town.restore(town.store)
    assert [(each.source, type(each.error)) for each in found.batches] == [(batch.catalogue, BlobNotFoundError)]
    assert town.night(town.lines).counts == (2, 0, 0)
