"""Records of batches: who may know of them finds them, nobody else does, and from then on they are as any other.

given a batch of several patients' records
├─ each patient finds his own, and no other's; whoever is not in it finds nothing
├─ a reader with a standing grant finds what it permits; the custodian gets back the whole after losing his home
├─ a grantee is shown what his bundle gives him keys of, a clinician what was released to him
├─ what was looked through is not fetched again, also where the rest was broken off; it is noted in one transaction
├─ what could not be fetched is tried again
└─ listed, granted, read, accounted for, superseded, retracted, rotated: as if it had been registered by itself, in as
   few transactions
given a record that a batch states of one patient, and its own entry of another
└─ it is of the other, and the first is told
given a catalogue that lies, is cut, or is of another batch
└─ nothing of it counts, it is named, and hides no other
given a branch that the chain leaves
└─ the batch is not on the chain, and its records are not stated
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from batch_town import DAY, SECRET, BatchTown, Home, Load
from service_doubles import Overriding
from world import NOW

from medshare.content import Cid, list_directory
from medshare.envelope import CELL_SIZE
from medshare.errors import (
    AccessDeniedError,
    BlobMismatchError,
    IntegrityError,
    RecordNotActiveError,
    StoreUnavailableError,
    UnknownRecordError,
)
from medshare.model.accreditation import AccreditationKind
from medshare.model.consent import Reason
from medshare.model.emergency import EmergencyReason
from medshare.model.events import RecordRegistered, StatedInBatch
from medshare.model.ids import RecordId
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import RecordStatus
from medshare.model.record_acts import RecordAct
from medshare.model.record_batch import RecordBatch
from medshare.ports import Actor, CallOutcome
from medshare.services import batch_book, database
from medshare.services.auditing import Auditing
from medshare.services.batch_catalogue import CUSTODIAN_FILE, HEAD_FILE, write_catalogue
from medshare.services.batched_ledger import batched_ledger
from medshare.services.blob_writer import BlobWriter
from medshare.services.description import Description
from medshare.services.named_roots import Keep, RootKind, named_roots
from medshare.testing import MemoryStore

pytestmark = pytest.mark.unit

TEXTS = {"anna": [b"one", b"two", b"three"], "ben": [b"four"]}


@pytest.fixture
def town(tmp_path: Path) -> BatchTown:
    return BatchTown(tmp_path)


@pytest.fixture
def load(town: BatchTown) -> Load:
    return town.load(TEXTS)


class Watched:
    """A store that counts, and answers otherwise for some blocks."""

    def __init__(self, store: MemoryStore, change=lambda _cid, block: block) -> None:
        self._store = store
        self._change = change
        self.fetched: list[Cid] = []

    def get(self, cid: Cid, *more) -> bytes:
        self.fetched.append(cid)
        return self._change(cid, self._store.get(cid, *more))

    def __getattr__(self, name: str):
        return getattr(self._store, name)


def watched(town: BatchTown, name: str, change=lambda _cid, block: block) -> tuple[Home, Watched]:
    """Return somebody's home, on a store that is watched."""
    store, town.store = town.store, Watched(town.store, change)
    try:
        home = town.home(town.homes[name].actor, name)
        return home, home.finding._store
    finally:
        town.store = store


# --------------------------------------------------------------------------------------------------- who finds what


@pytest.mark.parametrize(("name", "records"), [("anna", 3), ("ben", 1), ("doctor", 0), ("stranger", 0), ("clinic", 0)])
def test_find__each__finds_his_own_and_no_other(town: BatchTown, load: Load, name: str, records: int) -> None:
    home = town.homes[name]
    assert home.ids(town.anna) == home.ids(town.ben) == []
    found = home.find()
    assert (found.records, found.looked, found.unread) == (records, 1, ())
    for other in ("anna", "ben"):
        assert sorted(home.ids(town.homes[other])) == (sorted(load.ids[other]) if other == name else [])


def test_find__again__fetches_nothing_and_a_new_batch_is_looked_at(town: BatchTown, load: Load) -> None:
    home, store = watched(town, "anna")
    assert home.find().records == 3
    store.fetched.clear()
    again = home.find()
    assert (again.records, again.looked, store.fetched) == (0, 0, [])
    town.load({"anna": [b"five"]}, secret=bytes(31) + b"\1")
    assert (home.find().records, len(home.ids(home))) == (1, 4)


def test_find__of_very_many_batches__notes_them_in_one_transaction(
    town: BatchTown, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        town.load({"ben": [b"%d" % number]}, secret=bytes(31) + bytes([number + 1]))
    noted = []
    note = town.anna.book.note_looked
    monkeypatch.setattr(town.anna.book, "note_looked", lambda *given: noted.append(given) or note(*given))
    assert town.anna.find().looked == 6
    assert len(noted) == 1
    assert town.anna.find().looked == 0


def test_find__broken_off__does_not_look_again_at_what_it_had(town: BatchTown, load: Load) -> None:
    town.load({"anna": [b"five"]}, secret=bytes(31) + b"\1")

    def broken_off(_what: str, done: int, _total: int | None) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        town.anna.find(progress=broken_off)
    assert (len(town.anna.ids(town.anna)), town.anna.find().looked) == (3, 1)


def test_find__with_another_key__looks_again(town: BatchTown, load: Load) -> None:
    town.anna.find()
    earlier, now = town.anna.actor, town.stranger.actor
    assert town.home(replace(earlier, identity=now.identity), "anna").find().records == 0
    fresh = town.home(replace(earlier, identity=now.identity), "fresh")
    assert fresh.find().records == 0
    # The earlier key, where he still holds it, finds what was written for it.
    assert fresh.finding.find(earlier).records == 3


def test_find__of_one_custodian__leaves_the_others(town: BatchTown, load: Load) -> None:
    town.load({"anna": [b"five"]}, by="clinic")
    assert town.anna.find(custodian=town.clinic.actor.address).records == 1
    assert town.anna.find().records == 3


def test_find__standing_reader_of_some__is_shown_these_and_nothing_of_the_others(town: BatchTown) -> None:
    ids = {name: [town.seal("hospital", name, text) for text in some] for name, some in TEXTS.items()}
    some = {town.doctor.actor.identity.recipient: [ids["anna"][1]]}
    load = town.anchor(ids, readers={"anna": some, "ben": {town.doctor.actor.identity.recipient: []}})
    assert town.doctor.find().records == 1
    assert town.doctor.ids(town.anna) == [load.ids["anna"][1]]
    assert town.doctor.ids(town.ben) == []


def test_find__custodian_who_lost_his_home__gets_back_the_whole(town: BatchTown, load: Load) -> None:
    home = town.home(town.hospital.actor, "new home")
    assert home.ids(town.anna) == []
    assert home.find().records == 4
    assert sorted(home.ids(town.anna)) == sorted(load.ids["anna"])
    assert home.book.holds(home.actor.address, load.batch.root) == 4
    # Where it has the book, it fetches nothing.
    kept, store = watched(town, "hospital")
    assert kept.find().records == 0
    assert store.fetched == []


# ------------------------------------------------------------------------------------------------------------ alike


def test_records__of_a_batch__stand_as_any_other(town: BatchTown, load: Load) -> None:
    town.anna.find()
    (first, *_) = entries = town.anna.auditing.records(town.anna.actor.address)
    assert {(one.registered_at, one.version, one.status) for one in entries} == {
        (load.receipt.block.time, 1, RecordStatus.ACTIVE)
    }
    head = town.chain.head()
    assert town.anna.ledger.records.record(first.custodian, first.record_id, block=head) == first
    assert [claim.patient for claim in town.anna.auditing.claims(first.record_id)] == [town.anna.actor.address]
    assert town.anna.auditing.lineage(first) == (first,)
    assert town.hospital.auditing.patients_of(town.hospital.actor.address) == sorted(
        [town.anna.actor.address, town.ben.actor.address], key=load.batch.patients.index
    )
    told = [event for event in town.anna.auditing.trail(town.anna.actor.address) if isinstance(event, RecordRegistered)]
    assert all(isinstance(event, StatedInBatch) and event.root == load.batch.root for event in told)
    assert town.anna.verifying.verify().differences == ()
    with pytest.raises(UnknownRecordError):
        town.ben.ledger.records.record(first.custodian, first.record_id, block=head)
    before = town.chain.block(load.receipt.block.number - 1)
    with pytest.raises(UnknownRecordError):
        town.anna.ledger.records.record(first.custodian, first.record_id, block=before)


def test_records__of_a_batch__are_asked_for_at_once(town: BatchTown, load: Load) -> None:
    town.anna.find()
    asked = []
    index = Overriding(town.anna.index, events=lambda **given: asked.append(given) or town.anna.index.events(**given))
    assert len(Auditing(index=index).records(town.anna.actor.address)) == len(load.ids["anna"]) > 1
    assert len(asked) == 1


def test_open__of_a_batch__by_patient_and_custodian(town: BatchTown, load: Load) -> None:
    town.anna.find()
    assert town.anna.read(load.ref("anna", 1)) == b"two"
    assert town.hospital.read(load.ref("ben")) == b"four"
    with pytest.raises(UnknownRecordError):
        town.ben.read(load.ref("anna"))


def test_grant__of_records_of_a_batch__shows_them_to_the_grantee_and_no_others(town: BatchTown, load: Load) -> None:
    town.anna.find()
    granted = town.grant("anna", "doctor", load.ref("anna", 0), load.ref("anna", 2))
    assert len(granted.released) == 2
    with pytest.raises(UnknownRecordError):
        town.doctor.read(load.ref("anna"))
    found = town.doctor.find()
    assert (found.records, found.unread) == (2, ())
    assert town.doctor.read(load.ref("anna", 2)) == b"three"
    readable = town.doctor.retrieving.readable(reader=town.doctor.actor, purpose=PurposeOfUse.TREAT)
    assert {one.record_id for one in readable.records} == {load.ids["anna"][0], load.ids["anna"][2]}
    with pytest.raises(UnknownRecordError):
        town.doctor.read(load.ref("anna", 1))
    town.anna.consenting.revoke(granted.grant_id, patient=town.anna.actor)
    with pytest.raises(AccessDeniedError) as denied:
        town.doctor.read(load.ref("anna"))
    assert denied.value.decision.reason is Reason.REVOKED


def test_emergency__of_records_of_a_batch__shows_them_to_the_clinician(town: BatchTown, load: Load) -> None:
    town.chain.accredit(town.doctor.actor.address, AccreditationKind.CLINICIAN)
    opened = town.doctor.emergencies.open(
        clinician=town.doctor.actor,
        patient=town.anna.actor.address,
        reason=EmergencyReason.UNCONSCIOUS,
        details="found in the street",
        duration=3_600,
    )
    released = town.hospital.emergencies.release(opened.episode.episode_id, custodian=town.hospital.actor)
    assert len(released.records) == 3
    assert town.doctor.find().records == 3
    assert town.doctor.read(load.ref("anna"), PurposeOfUse.BTG) == b"one"


def test_accounting__with_records_of_a_batch__is_made_again_by_who_cannot_show_them(
    town: BatchTown, load: Load
) -> None:
    town.anna.find()
    town.grant("anna", "doctor", load.ref("anna"))
    town.hospital.publishing.retract(load.ids["anna"][1], "a mistake", custodian=town.hospital.actor)
    made = town.anna.accounting.of(town.anna.actor.address)
    kinds = ["AccessGranted", "RecordRegistered", "RegisteredFromBatch", "RecordRetracted"]
    assert [one.kind for one in made.events] == kinds
    assert town.stranger.accounting.again(made.scope) == made


# -------------------------------------------------------------------------------------------- entries of their own


def test_retract__of_a_batch__gives_it_an_entry_first_and_everybody_sees_it(town: BatchTown, load: Load) -> None:
    town.anna.find()
    town.clock.advance(DAY)
    before = town.chain.sent
    town.hospital.publishing.retract(load.ids["anna"][0], "a mistake", custodian=town.hospital.actor)
    assert town.chain.sent - before == 1
    for home in (town.anna, town.hospital):
        entry = home.ledger.records.record(town.hospital.actor.address, load.ids["anna"][0], block=town.chain.head())
        assert (entry.status, entry.registered_at) == (RecordStatus.RETRACTED, load.receipt.block.time)
        assert entry in home.auditing.records(town.anna.actor.address)
        assert home.verifying.verify().differences == ()
    # Who could not show it sees what is public now, and no more.
    assert town.stranger.ids(town.anna) == [load.ids["anna"][0]]
    with pytest.raises(RecordNotActiveError):
        town.hospital.publishing.retract(load.ids["anna"][0], "again", custodian=town.hospital.actor)


def test_supersede__of_a_batch__is_a_second_version(town: BatchTown, load: Load) -> None:
    town.anna.find()
    published = town.hospital.publishing.publish(
        b"one, corrected",
        custodian=town.hospital.actor,
        patient=town.anna.actor.address,
        description=Description(),
        supersedes=load.ids["anna"][0],
    )
    assert published.entry.version == 2
    lineage = town.anna.auditing.lineage(published.entry)
    assert [one.record_id for one in lineage] == [published.record_id, load.ids["anna"][0]]
    assert lineage[1].registered_at == load.receipt.block.time


def test_supersede__somebody_gave_it_an_entry_a_moment_before__is_a_second_version(town: BatchTown, load: Load) -> None:
    inclusion = town.hospital.book.inclusions(load.hospital.address, load.ids["anna"][0])[0]

    def late(signer: Actor, acts: Sequence[RecordAct], **more: str) -> tuple[CallOutcome, ...]:
        town.ledger.records.register_from_batch(town.stranger.actor.signer, inclusion)
        return town.ledger.records.do_all(signer, acts, **more)

    ledger = replace(town.ledger, records=Overriding(town.ledger.records, do_all=late))
    records = batched_ledger(ledger, town.hospital.book).records
    records.supersede(load.hospital.signer, RecordId(SECRET), load.ids["anna"][0])
    entry = town.ledger.records.record(load.hospital.address, RecordId(SECRET), block=town.chain.head())
    assert entry.version == 2


def test_rotate__of_a_batch__is_as_many_transactions_as_of_others(town: BatchTown, load: Load) -> None:
    town.anna.find()
    granted = town.grant("anna", "doctor", load.ref("anna"))
    town.anna.consenting.revoke(granted.grant_id, patient=town.anna.actor)
    due = town.hospital.rotating.due(town.anna.actor.address, custodian=town.hospital.actor)
    assert len(due) == 3
    before = town.chain.sent
    rotations = list(town.hospital.rotating.rotate(due, custodian=town.hospital.actor))
    assert [(each.error, each.published.entry.version) for each in rotations] == [(None, 2)] * 3
    assert town.chain.sent - before == 1
    assert {town.anna.read(each.published.entry.ref) for each in rotations} == {b"one", b"two", b"three"}
    assert town.hospital.verifying.verify().differences == ()
    assert town.hospital.rotating.due(town.anna.actor.address, custodian=town.hospital.actor) == []


def test_rotate__got_its_entry_after_a_consent_changed__is_due_nevertheless(town: BatchTown, load: Load) -> None:
    town.anna.find()
    granted = town.grant("anna", "doctor", load.ref("anna"))
    town.anna.consenting.revoke(granted.grant_id, patient=town.anna.actor)
    inclusion = town.hospital.book.inclusions(load.hospital.address, load.ids["anna"][2])[0]
    town.ledger.records.register_from_batch(town.stranger.actor.signer, inclusion)
    due = town.hospital.rotating.due(town.anna.actor.address, custodian=town.hospital.actor)
    assert sorted(each.record_id for each in due) == sorted(load.ids["anna"])


def test_until__before_its_own_entry__it_is_stated_by_the_batch(town: BatchTown, load: Load) -> None:
    town.anna.find()
    before = town.chain.head()
    inclusion = town.anna.book.inclusions(load.hospital.address, load.ids["anna"][0])[0]
    town.ledger.records.register_from_batch(town.stranger.actor.signer, inclusion)
    patient = town.anna.actor.address
    town.anna.auditing.sync()
    then = town.anna.index.events(patient=patient, kind=RecordRegistered, up_to_block=before.number)
    now = town.anna.index.events(patient=patient, kind=RecordRegistered)
    assert [type(event) for event in then] == [StatedInBatch] * 3
    assert sorted(type(event).__name__ for event in now) == ["RecordRegistered", "StatedInBatch", "StatedInBatch"]
    assert len(town.anna.auditing.records(patient)) == 3


def test_registered_singly__and_in_a_batch__its_own_entry_counts(town: BatchTown) -> None:
    record_id = town.seal("hospital", "anna", b"one")
    single = town.ledger.records.register(town.hospital.actor.signer, record_id, town.anna.actor.address)
    town.clock.advance(DAY)
    town.anchor({"anna": [record_id]})
    town.anna.find()
    (entry,) = town.anna.auditing.records(town.anna.actor.address)
    assert entry.registered_at == single.block.time


def test_registered_singly__of_another_patient__is_said_to_whom_the_batch_states_it_of(
    town: BatchTown, load: Load
) -> None:
    town.anna.find()
    assert town.anna.auditing.stated_otherwise(town.anna.actor.address) == []
    of_ben, of_anna = load.ids["anna"][0], load.ids["anna"][1]
    town.ledger.records.register(town.hospital.actor.signer, of_ben, town.ben.actor.address)
    town.ledger.records.register(town.hospital.actor.signer, of_anna, town.anna.actor.address)
    assert of_ben not in town.anna.ids(town.anna)
    (one,) = town.anna.auditing.stated_otherwise(town.anna.actor.address)
    assert (one.batch.root, one.entry.record_id, one.entry.patient) == (
        load.batch.root,
        of_ben,
        town.ben.actor.address,
    )
    assert town.ben.auditing.stated_otherwise(town.anna.actor.address) == []
    assert town.ben.auditing.stated_otherwise(town.ben.actor.address) == []


def test_in_two_batches__the_first_counts(town: BatchTown) -> None:
    record_id = town.seal("hospital", "anna", b"one")
    first = town.anchor({"anna": [record_id]})
    town.clock.advance(DAY)
    town.anchor({"anna": [record_id]}, secret=bytes(31) + b"\1")
    town.anna.find()
    (entry,) = town.anna.auditing.records(town.anna.actor.address)
    assert entry.registered_at == first.receipt.block.time
    assert town.anna.ledger.records.record(entry.custodian, record_id, block=town.chain.head()) == entry


def test_reorganised_away__is_stated_no_more_and_again_when_it_comes_back(town: BatchTown, load: Load) -> None:
    town.anna.find()
    town.chain.reorganise(1)
    assert town.anna.ids(town.anna) == []
    with pytest.raises(UnknownRecordError):
        town.anna.read(load.ref("anna"))
    town.ledger.records.anchor_batch(load.hospital.signer, load.batch.root, load.catalogue, load.batch.count)
    assert len(town.anna.ids(town.anna)) == 3


def test_named_roots__of_a_batch__are_its_catalogue_and_for_its_custodian_its_records(
    town: BatchTown, load: Load
) -> None:
    def kept(home: Home) -> list[RootKind]:
        home.auditing.sync()
        named = named_roots(home.index.events(), now=NOW)
        assert all(one.keep is Keep.YES for one in named.values())
        return sorted(one.kind for one in named.values())

    assert kept(town.hospital) == [RootKind.CATALOGUE, *[RootKind.RECORD] * 4]
    assert kept(town.stranger) == [RootKind.CATALOGUE]


# --------------------------------------------------------------------------------------------------------- bad input


def test_find__bucket_is_missing__is_named_and_tried_again(town: BatchTown, load: Load) -> None:
    def gone(cid: Cid, block: bytes) -> bytes:
        if len(block) % CELL_SIZE == 0:
            raise StoreUnavailableError("the store stalls")
        return block

    home, _ = watched(town, "anna", gone)
    found = home.find()
    assert (found.records, found.looked, [type(one.error) for one in found.unread]) == (0, 0, [StoreUnavailableError])
    assert [one.custodian for one in found.unread] == [load.hospital.address]
    by_the_way = town.anna.find(again=False)
    assert (by_the_way.records, by_the_way.passed_over, by_the_way.unread) == (0, 1, ())
    assert (town.anna.find().records, town.anna.find(again=False).passed_over) == (3, 0)


def test_find__bundle_is_nowhere__is_waited_for_once(town: BatchTown, load: Load) -> None:
    town.anna.find()
    granted = town.grant("anna", "doctor", load.ref("anna"))
    town.store.blocks.pop(granted.bundle)
    first = town.doctor.find(again=False)
    assert [(one.source, one.custodian) for one in first.unread] == [(granted.bundle.digest, None)]
    home, store = watched(town, "doctor")
    assert home.find(again=False).passed_over == 0
    assert store.fetched == []


def test_find__store_lies__is_named_and_tried_again(town: BatchTown, load: Load) -> None:
    def false(cid: Cid, block: bytes) -> bytes:
        if len(block) % CELL_SIZE == 0:
            raise BlobMismatchError(str(cid), str(cid))
        return block

    home, _ = watched(town, "anna", false)
    assert [type(one.error) for one in home.find().unread] == [BlobMismatchError]
    assert town.anna.find().records == 3


def test_find__count_on_chain_is_another__nothing_counts_and_the_rest_is_found(town: BatchTown) -> None:
    town.load({"anna": [b"one"]}, count=7)
    town.load({"anna": [b"two"]}, secret=bytes(31) + b"\1")
    found = town.anna.find()
    assert (found.records, [type(one.error) for one in found.unread]) == (1, [IntegrityError])
    # A CID leads to the same bytes for ever: it is not fetched again.
    assert town.anna.find().unread == ()


def test_find__catalogue_of_another_batch__nothing_counts(town: BatchTown, load: Load) -> None:
    other = RecordBatch.of(
        ((RecordId(bytes([number]) * 32), town.anna.actor.address) for number in range(1, 5)), secret=SECRET
    )
    told = {town.anna.actor.address: {town.anna.actor.identity.recipient: None}}
    false = write_catalogue(other, told, custodian=town.clinic.actor.identity, store=town.store)
    town.ledger.records.anchor_batch(town.clinic.actor.signer, load.batch.root, false, 4)
    found = town.anna.find()
    assert (found.records, [type(one.error) for one in found.unread]) == (3, [IntegrityError])
    assert {entry.custodian for entry in town.anna.auditing.records(town.anna.actor.address)} == {load.hospital.address}


def test_find__another_names_the_same_catalogue__hides_nothing(town: BatchTown, load: Load) -> None:
    town.ledger.records.anchor_batch(town.clinic.actor.signer, SECRET, load.catalogue, load.batch.count)
    found = town.anna.find()
    assert (found.records, [one.custodian for one in found.unread]) == (3, [town.clinic.actor.address])


def test_find__catalogue_is_no_catalogue__is_named(town: BatchTown, load: Load) -> None:
    with BlobWriter(town.store) as writer:
        for number, files in enumerate(({}, {HEAD_FILE: b"{}"}, {HEAD_FILE: b"\xff"}, {CUSTODIAN_FILE: b""}), start=1):
            false = writer.directory({name: writer.file([text]) for name, text in files.items()})
            town.ledger.records.anchor_batch(town.clinic.actor.signer, bytes([number]) * 32, false.digest, 1)
    found = town.anna.find()
    assert (found.records, [type(one.error) for one in found.unread]) == (3, [IntegrityError] * 4)


def test_bundle__that_shows_what_is_not_so__shows_nothing_that_counts(town: BatchTown, load: Load) -> None:
    # The stranger states, in a grant of his own, that a record of Anna's is his.
    inclusion = town.hospital.book.inclusions(load.hospital.address, load.ids["anna"][0])[0]
    false = replace(inclusion, record=replace(inclusion.record, patient=town.stranger.actor.address))
    with pytest.raises(IntegrityError):
        town.doctor.book.add_shown([false])
    own_root = replace(false, root=false.record.leaf, proof=())
    assert town.doctor.book.add_shown([own_root]) == 1
    assert town.doctor.ids(town.stranger) == []


def test_bundle__that_shows_what_is_not_so_beside_what_is__keeps_what_is(town: BatchTown, load: Load) -> None:
    inclusion = town.hospital.book.inclusions(load.hospital.address, load.ids["anna"][0])[0]
    false = replace(inclusion, root=bytes(32))
    with pytest.raises(IntegrityError):
        town.doctor.book.add_shown([false, inclusion])
    assert town.doctor.book.inclusions(load.hospital.address, load.ids["anna"][0]) == [inclusion]


def test_bundle__that_shows_very_many_batches__is_one_transaction(
    town: BatchTown, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Anybody can grant such a bundle: each batch by itself would keep the doctor waiting for half an hour.
    inclusion = town.hospital.book.inclusions(load.hospital.address, load.ids["anna"][0])[0]
    several = [replace(inclusion.record, salt=bytes([number]) * 32) for number in range(20)]
    opened = []
    monkeypatch.setattr(
        batch_book, "opened", lambda *args, **more: opened.append(args) or database.opened(*args, **more)
    )
    shown = [replace(inclusion, record=each, root=each.leaf, proof=()) for each in several]
    assert town.doctor.book.add_shown(shown) == len(several)
    assert len(opened) == 1


def test_catalogue__of_one_record__looks_as_one_of_several(town: BatchTown) -> None:
    sizes = set()
    for number, texts in enumerate(({"anna": [b"one"]}, {"anna": [b"two"], "ben": [b"three"]})):
        load = town.load(texts, secret=bytes([number + 1]) * 32)
        files = list_directory(town.store.get, Cid.of_directory(load.catalogue))
        sizes.add(tuple(link.size for name, link in files.items() if name not in (HEAD_FILE, CUSTODIAN_FILE)))
    assert sizes == {(4 * CELL_SIZE,)}
