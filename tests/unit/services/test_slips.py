"""Slips that are kept, and that travel in bundles: true ones count at the reader's, false ones are told.

given two records of a patient in a batch that an assessor has attested
├─ take: kept is what the chain bears out; what it does not, or what was erased, is refused with its reason
├─ a grant's bundle carries the slips of its records, and of no others; the reader's home has them once he has read
│  ├─ a false one, or one of a record that is not in the bundle, is ignored and told; the record is read all the same
│  ├─ a store or chain that fails is asked again another time
│  └─ withdrawn ones do not travel, and who has one learns that it does not count
├─ so does what a custodian releases in an emergency
└─ erasing and forgetting: slips of the record go, those of the others stay; in the bundle, too
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from erasure_town import ErasureTown, new_erasure_town
from service_doubles import Overriding
from world import World

from medshare.content import Cid
from medshare.envelope import Identity, Recipient
from medshare.errors import (
    AttestationWithdrawnError,
    ConfigurationError,
    IntegrityError,
    LedgerUnavailableError,
    RecordErasedError,
    StoreUnavailableError,
    UnknownAttestationError,
    UnknownRecordError,
)
from medshare.model.accreditation import AccreditationKind
from medshare.model.attestation import Assessed
from medshare.model.ids import RecordId
from medshare.model.purpose import PurposeOfUse
from medshare.model.slip import Slip, slips_of, slips_to_json
from medshare.ports import Actor
from medshare.services.assessing import Assessing, AttestedBatch
from medshare.services.bundles import bundle_files, sealed_document
from medshare.services.consenting import Consenting, Granted
from medshare.services.emergencies import Emergencies
from medshare.services.forgetting import Forgetting
from medshare.services.registering import Published
from medshare.services.retrieving import Retrieving
from medshare.services.slip_journal import SlipJournal
from medshare.services.slips import Slips
from medshare.testing import MemoryStore, new_actor

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]


TREAT = PurposeOfUse.TREAT


@dataclass
class Home:
    """What one of the people keeps, and reads and grants with."""

    world: World
    name: str

    def __post_init__(self) -> None:
        world = self.world
        self.parts = {"ledger": world.ledger, "store": world.store, "auditing": world.auditing}
        self.journal = SlipJournal(world.folder / self.name)
        self.slips = Slips(**self.parts, journal=self.journal)
        self.assessing = Assessing(ledger=world.ledger, auditing=world.auditing, slips=self.slips)
        self.retrieving = Retrieving(**self.parts, clock=world.clock, slips=self.slips)

    def kept(self, *published: Published) -> list[int]:
        return [kept.slip.assessed.score for each in published for kept in self.slips.of(each.record_id)]

    def read(self, published: Published) -> bytes:
        opened = self.retrieving.open(self.world.ref(published), reader=self.world.doctor, purpose=TREAT)
        return b"".join(opened.stream())

    def grant(self, *published: Published, slips: object = None) -> Granted:
        self.world.consenting = Consenting(**self.parts, slips=slips or self.slips)
        return self.world.grant(*published)


class Forged:
    """Puts into a bundle what somebody wrote himself."""

    def __init__(self, document: bytes) -> None:
        self._document = document

    def sealed(self, _records: object, writer: Identity, readers: Sequence[Recipient]) -> list[bytes]:
        return sealed_document(self._document, writer, [*readers, writer.recipient])


@pytest.fixture
def erasures(tmp_path: Path) -> ErasureTown:
    return new_erasure_town(tmp_path)


@pytest.fixture
def world(erasures: ErasureTown) -> World:
    return erasures.world


@pytest.fixture
def assessor(erasures: ErasureTown) -> Actor:
    actor = new_actor()
    erasures.town.accredit(actor, AccreditationKind.ASSESSOR)
    return actor


@pytest.fixture
def one(world: World) -> Published:
    return world.publish(b"one record")


@pytest.fixture
def other(world: World) -> Published:
    return world.publish(b"another record")


@pytest.fixture
def batch(world: World, assessor: Actor, one: Published, other: Published) -> AttestedBatch:
    scores = {one.record_id: 40, other.record_id: 90}
    return Assessing(ledger=world.ledger, auditing=world.auditing).attest_batch(scores, method=100, assessor=assessor)


@pytest.fixture
def patient(world: World) -> Home:
    return Home(world, "patient")


@pytest.fixture
def doctor(world: World) -> Home:
    return Home(world, "doctor")


def of(batch: AttestedBatch, published: Published) -> Slip:
    return next(slip for slip in batch.slips if slip.record_id == published.record_id)


# ------------------------------------------------------------------------------------------------------ taking


def test_take__what_the_chain_bears_out__is_kept_once(patient: Home, batch: AttestedBatch, one: Published) -> None:
    document = slips_to_json(batch.slips)
    assert patient.slips.take(document) == (batch.slips, 2)
    assert patient.slips.take(document) == (batch.slips, 0)
    (kept,) = patient.slips.of(one.record_id)
    assert (kept.slip, kept.batch.subject, kept.batch.count) == (of(batch, one), batch.root, 2)
    assert {each.slip for each in patient.slips.all()} == set(batch.slips)


def test_take__one_of_several_is_false__keeps_none(patient: Home, batch: AttestedBatch, one: Published) -> None:
    true, false = batch.slips
    false = replace(false, assessed=replace(false.assessed, score=100))
    with pytest.raises(IntegrityError):
        patient.slips.take(slips_to_json([true, false]))
    assert patient.slips.all() == []


def test_take__what_is_false__is_refused_with_its_reason(
    patient: Home, batch: AttestedBatch, assessor: Actor, one: Published, world: World
) -> None:
    slip = of(batch, one)
    patient.assessing.attest(one.record_id, score=99, method=100, assessor=assessor)
    alone = replace(slip, root=one.record_id)
    forged = slips_of([slip.assessed], assessor=assessor.address, method=100)[0]
    nobody = Assessed(record_id=RecordId(bytes([7]) * 32), score=9, salt=bytes(32))
    for false, error in (
        (replace(slip, method=101), IntegrityError),
        (replace(slip, proof=()), IntegrityError),
        (alone, IntegrityError),
        (forged, UnknownAttestationError),
        (replace(slip, assessor=world.stranger.address), UnknownAttestationError),
        (slips_of([nobody], assessor=assessor.address, method=100)[0], UnknownRecordError),
    ):
        with pytest.raises(error):
            patient.slips.take(slips_to_json([false]))
    assert patient.slips.all() == []


def test_take__withdrawn__is_refused(patient: Home, batch: AttestedBatch, assessor: Actor) -> None:
    patient.assessing.withdraw(batch.root, assessor=assessor)
    with pytest.raises(AttestationWithdrawnError):
        patient.slips.take(slips_to_json(batch.slips))


def test_take__of_an_erased_record__is_refused(
    erasures: ErasureTown, patient: Home, batch: AttestedBatch, one: Published
) -> None:
    erasures.erase(one)
    with pytest.raises(RecordErasedError):
        patient.slips.take(slips_to_json([of(batch, one)]))


def test_kept__what_was_altered_on_the_disk__does_not_count(
    patient: Home, batch: AttestedBatch, one: Published
) -> None:
    altered = replace(of(batch, one), assessed=replace(of(batch, one).assessed, score=100))
    patient.journal.keep([altered])
    assert patient.slips.of(one.record_id) == []
    assert patient.assessing.lowest(one.record_id) is None


# ---------------------------------------------------------------------------------------------------- in bundles


def test_bundle__of_a_grant__carries_slips_of_its_records_only(
    patient: Home, doctor: Home, batch: AttestedBatch, one: Published, other: Published
) -> None:
    patient.slips.take(slips_to_json(batch.slips))
    patient.grant(one)
    assert doctor.kept(one, other) == []
    assert doctor.read(one) == b"one record"
    assert doctor.kept(one, other) == [40]
    assert doctor.assessing.lowest(one.record_id) == 40
    assert doctor.slips.ignored == ()


def test_bundle__without_slips__has_no_document_of_them(patient: Home, world: World, one: Published) -> None:
    granted = patient.grant(one)
    assert granted.terms.slips_name not in bundle_files(world.store, granted.request.bundle)


def test_bundle__withdrawn_before__carries_none(
    patient: Home, doctor: Home, batch: AttestedBatch, assessor: Actor, one: Published
) -> None:
    patient.slips.take(slips_to_json(batch.slips))
    patient.assessing.withdraw(batch.root, assessor=assessor)
    patient.grant(one)
    doctor.read(one)
    assert doctor.kept(one) == []


def test_bundle__withdrawn_on_the_way__is_neither_kept_nor_told(
    patient: Home, doctor: Home, batch: AttestedBatch, assessor: Actor, one: Published
) -> None:
    patient.slips.take(slips_to_json(batch.slips))
    patient.grant(one)
    patient.assessing.withdraw(batch.root, assessor=assessor)
    doctor.read(one)
    assert (doctor.kept(one), doctor.slips.ignored) == ([], ())


def test_bundle__with_false_slips__is_read_and_they_are_told_once(
    patient: Home, doctor: Home, batch: AttestedBatch, one: Published, other: Published
) -> None:
    true = of(batch, one)
    false = replace(true, assessed=replace(true.assessed, score=100))
    elsewhere = of(batch, other)
    granted = patient.grant(one, slips=Forged(slips_to_json([false, true, elsewhere])))
    assert doctor.read(one) == b"one record"
    assert doctor.kept(one, other) == [40]
    (ignored,) = doctor.slips.ignored
    assert (ignored.bundle, ignored.count, type(ignored.why)) == (granted.request.bundle, 2, IntegrityError)
    doctor.read(one)
    assert len(doctor.slips.ignored) == 1


@pytest.mark.parametrize(
    "document",
    [b"no document", b"{}", b'{"version":1,"slips":[{}]}', b" " * (5 << 20)],
    ids=["text", "empty", "bad", "big"],
)
def test_bundle__with_what_are_no_slips__is_read_and_it_is_told(
    patient: Home, doctor: Home, one: Published, document: bytes
) -> None:
    patient.grant(one, slips=Forged(document))
    assert doctor.read(one) == b"one record"
    (ignored,) = doctor.slips.ignored
    assert ignored.count == 0


def test_bundle__store_or_chain_fails_at_the_slips__asks_another_time(
    patient: Home, doctor: Home, world: World, batch: AttestedBatch, one: Published
) -> None:
    patient.slips.take(slips_to_json(batch.slips))
    granted = patient.grant(one)
    link = bundle_files(world.store, granted.request.bundle)[granted.terms.slips_name]
    for broken in (
        {"store": deaf_to(world.store, link.cid)},
        {"ledger": replace(world.ledger, attestations=Down())},
    ):
        slips = Slips(**{**doctor.parts, **broken}, journal=doctor.journal)
        retrieving = Retrieving(**doctor.parts, clock=world.clock, slips=slips)
        assert retrieving.open(world.ref(one), reader=world.doctor, purpose=TREAT).manifest.size
        assert (slips.ignored, doctor.kept(one)) == ((), [])
    doctor.read(one)
    assert doctor.kept(one) == [40]


def deaf_to(store: MemoryStore, cid: Cid) -> object:
    """Return a store that does not answer for one block."""

    def get(wanted: Cid, *more: object) -> bytes:
        if wanted == cid:
            raise StoreUnavailableError("no answer")
        return store.get(wanted, *more)

    return Overriding(store, get=get)


class Down:
    """A contract on a node that does not answer."""

    def attestation(self, *_: object, **__: object) -> None:
        raise LedgerUnavailableError("no answer")


def test_release__in_an_emergency__carries_the_custodian_s_slips(
    erasures: ErasureTown, batch: AttestedBatch, one: Published, other: Published
) -> None:
    world, clinician = erasures.world, erasures.town.clinician
    hospital, reader = Home(world, "hospital"), Home(world, "clinician")
    hospital.slips.take(slips_to_json([of(batch, one)]))
    emergencies = Emergencies(**hospital.parts, clock=world.clock, safe=erasures.town.safe, slips=hospital.slips)
    emergencies.release(erasures.town.break_glass(), custodian=world.hospital)
    opened = reader.retrieving.open(world.ref(one), reader=clinician, purpose=PurposeOfUse.BTG)
    assert b"".join(opened.stream()) == b"one record"
    assert (reader.kept(one, other), reader.slips.ignored) == ([40], ())


def test_release__journal_of_slips_is_damaged__keys_are_released_all_the_same(
    erasures: ErasureTown, one: Published
) -> None:
    world = erasures.world
    hospital = Home(world, "hospital")
    assert hospital.slips.all() == []
    (world.folder / "hospital" / "slips.sqlite").write_bytes(b"no database of ours" * 100)
    emergencies = Emergencies(**hospital.parts, clock=world.clock, safe=erasures.town.safe, slips=hospital.slips)
    emergencies.release(erasures.town.break_glass(), custodian=world.hospital)
    assert world.open(one, erasures.town.clinician, PurposeOfUse.BTG).manifest.size
    with pytest.raises(ConfigurationError):
        hospital.grant(one)


def test_bundle__reader_s_journal_is_damaged__is_read_and_it_is_told(
    patient: Home, doctor: Home, world: World, one: Published
) -> None:
    patient.grant(one)
    assert doctor.slips.all() == []
    (world.folder / "doctor" / "slips.sqlite").write_bytes(b"no database of ours" * 100)
    assert doctor.read(one) == b"one record"
    assert [type(each.why) for each in doctor.slips.ignored] == [ConfigurationError]


# ------------------------------------------------------------------------------------------------------- erasing


def test_erase__the_record__its_slips_go_and_no_others(
    erasures: ErasureTown, patient: Home, batch: AttestedBatch, one: Published, other: Published
) -> None:
    patient.slips.take(slips_to_json(batch.slips))
    erasing = erasures.erasing_with(slips=patient.slips)
    erasing.erase(one.record_id, "why", custodian=erasures.world.hospital)
    assert patient.kept(one, other) == [90]


def forgetting(erasures: ErasureTown, home: Home) -> Forgetting:
    return erasures.forgetting_with(slips=home.slips)


def test_forget__erased__goes_out_of_bundle_and_home(
    erasures: ErasureTown, patient: Home, doctor: Home, batch: AttestedBatch, one: Published, other: Published
) -> None:
    world = erasures.world
    patient.slips.take(slips_to_json(batch.slips))
    granted = patient.grant(one, other)
    before = bundle_files(world.store, granted.request.bundle)[granted.terms.slips_name]
    erasures.erase(one)
    forgotten = forgetting(erasures, patient).forget(world.ref(one), patient=world.patient)
    assert forgotten.finished
    assert patient.kept(one, other) == [90]
    assert before.cid not in world.store.blocks
    assert doctor.read(other) == b"another record"
    assert doctor.kept(one, other) == [90]


def test_forget__a_delegate_granted_for_a_recovered_patient__who_is_in_control_opens_the_other_slips_still(
    erasures: ErasureTown, patient: Home, assessor: Actor
) -> None:
    world, town = erasures.world, erasures.town
    town.recover()
    one, other = world.publish(b"one record"), world.publish(b"another record")
    scores = {one.record_id: 40, other.record_id: 90}
    patient.slips.take(slips_to_json(patient.assessing.attest_batch(scores, method=100, assessor=assessor).slips))
    subject = world.patient.address
    town.appoint(patient=town.newcomer, on_behalf_of=subject)
    world.consenting = Consenting(**patient.parts, retrieving=world.retrieving, slips=patient.slips)
    granted = world.grant(one, other, patient=town.mother, on_behalf_of=subject)

    def opened_by_who_is_in_control() -> set[RecordId]:
        standing = world.auditing.grant(granted.grant_id)
        assert standing is not None
        found = patient.slips.in_bundle(
            standing.bundle,
            [granted.terms.slips_name],
            town.newcomer.identity,
            writers=[town.mother.identity.recipient],
        )
        return {slip.record_id for slip in found}

    assert opened_by_who_is_in_control() == {one.record_id, other.record_id}
    erasures.erase(one)
    forgotten = forgetting(erasures, patient).forget(world.ref(one), patient=town.mother, on_behalf_of=subject)
    assert forgotten.renewed == (granted.grant_id,)
    assert opened_by_who_is_in_control() == {other.record_id}


def test_forget__slips_of_nothing_else__bundle_has_none(
    erasures: ErasureTown, patient: Home, batch: AttestedBatch, one: Published, other: Published
) -> None:
    world = erasures.world
    patient.slips.take(slips_to_json([of(batch, one)]))
    granted = patient.grant(one, other)
    erasures.erase(one)
    assert forgetting(erasures, patient).forget(world.ref(one), patient=world.patient).finished
    standing = world.auditing.grant(granted.grant_id)
    assert standing is not None
    assert granted.terms.slips_name not in bundle_files(world.store, standing.bundle)


def test_acknowledge__erased__reader_keeps_no_slip(
    erasures: ErasureTown, patient: Home, doctor: Home, batch: AttestedBatch, one: Published
) -> None:
    world = erasures.world
    patient.slips.take(slips_to_json(batch.slips))
    patient.grant(one)
    doctor.read(one)
    erasures.erase(one)
    forgetting(erasures, doctor).acknowledge(world.ref(one), reader=world.doctor)
    assert doctor.kept(one) == []
