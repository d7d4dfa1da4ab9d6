"""A record is stored for those who are permitted it, or not at all.

given a plaintext, a custodian and a patient
├─ when a key is missing or another one is in the Directory, or nobody accredits the custodian, nothing is stored
├─ when the version to be superseded is not active, or another patient's, nothing is stored
├─ when what was stored is gone, it begins anew
└─ when it was interrupted, or takes long, and rights changed meanwhile, it is encrypted anew
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from service_doubles import CrashError, Overriding, publishing_with, with_records
from test_publishing import DESCRIPTION, plaintext, publish_with, registrations
from test_standing import LAB, end_by_revoking, holds, opens, permit, publish, say, with_key
from world import TEXT, World, new_world

from medshare.content import Cid
from medshare.envelope import Identity
from medshare.errors import (
    BlobNotFoundError,
    ConfigurationError,
    CustodianNotAccreditedError,
    EncryptionKeyNotSetError,
    InvalidInputError,
    NotARecipientError,
    RecordNotActiveError,
    UnknownRecordError,
)
from medshare.model.ids import RecordId
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import RecordStatus
from medshare.ports import Actor
from medshare.services.description import Description
from medshare.services.registering import Published
from medshare.testing import NamedSigner, new_actor

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]


# ------------------------------------------------------------------------------------------- refused before


def test_publish__superseding_another_patient_s_record__is_refused_before_storing(world: World) -> None:
    first = world.publish(b"one")
    before = dict(world.store.blocks)
    with pytest.raises(InvalidInputError, match="another patient"):
        world.publishing.publish(
            b"two",
            custodian=world.hospital,
            patient=world.doctor.address,
            description=DESCRIPTION,
            supersedes=first.record_id,
        )
    assert world.store.blocks == before


def test_publish__superseding_what_is_not_active__is_refused_before_storing(world: World) -> None:
    first = world.publish(b"one")
    world.publish(b"two", supersedes=first.record_id)
    retracted = world.publish(b"three")
    world.publishing.retract(retracted.record_id, "wrong", custodian=world.hospital)
    before = dict(world.store.blocks)
    for previous, status in ((first, RecordStatus.SUPERSEDED), (retracted, RecordStatus.RETRACTED)):
        with pytest.raises(RecordNotActiveError) as caught:
            world.publish(b"four", supersedes=previous.record_id)
        assert caught.value.status == status
    with pytest.raises(UnknownRecordError):
        world.publish(b"four", supersedes=bytes(31) + b"\1")
    assert world.store.blocks == before


def test_publish__custodian_not_accredited__stores_nothing(tmp_path):
    world = new_world(tmp_path)
    puts = []
    store = Overriding(world.store, put=lambda blocks: puts.extend(blocks))
    publishing = publishing_with(world, store=store)
    with pytest.raises(CustodianNotAccreditedError):
        publish_with(publishing, world, custodian=world.doctor)
    assert (puts, list(world.journal.unfinished())) == ([], [])
    own = publish_with(world.publishing, world, custodian=world.patient)
    assert own.entry.custodian == world.patient.address, "everybody states his own"


# --------------------------------------------------------------------------------------------------- keys


def test_publish__patient_has_no_key__stores_nothing(world: World) -> None:
    nobody = new_actor().address
    with pytest.raises(EncryptionKeyNotSetError) as caught:
        publish_with(world.publishing, world, patient=nobody)
    assert caught.value.actor == nobody
    assert world.store.blocks == {}


def test_publish__custodian_has_no_key__stores_nothing(world: World) -> None:
    clinic = new_actor()
    world.chain.accredit(clinic.address)
    with pytest.raises(EncryptionKeyNotSetError):
        publish_with(world.publishing, world, custodian=clinic)
    assert world.store.blocks == {}


def test_publish__identity_is_not_the_published_one__is_refused(world: World) -> None:
    other = Actor(signer=NamedSigner(world.hospital.address), identity=Identity.generate())
    with pytest.raises(ConfigurationError, match=world.hospital.address) as caught:
        publish_with(world.publishing, world, custodian=other)
    assert caught.value.hint
    assert world.store.blocks == {}


def test_publish__patient_is_the_custodian__opens_for_him(world: World) -> None:
    published = publish_with(world.publishing, world, custodian=world.patient)
    ref = replace(world.ref(published), custodian=world.patient.address)
    opened = world.retrieving.open(ref, reader=world.patient, purpose=PurposeOfUse.PATRQT)
    assert b"".join(opened.stream()) == TEXT


# -------------------------------------------------------------------------------------- interrupted, taken up


def test_publish__attempt_was_abandoned_and_collected__begins_anew(world: World) -> None:
    """The collector ran between noting the id and pinning: the blocks are gone, so the note is worth nothing."""

    def dies(_root: Cid) -> None:
        raise CrashError

    with pytest.raises(CrashError):
        publish_with(publishing_with(world, store=Overriding(world.store, pin=dies)), world)
    assert len(world.journal.unfinished()) == 1
    assert world.store.collect().kept_blocks == 0
    with pytest.raises(BlobNotFoundError) as gone:
        world.publishing.resume(world.hospital)
    assert "publish the record again" in gone.value.hint
    assert world.journal.unfinished() == []
    assert plaintext(world, world.publish()) == TEXT
    assert len(registrations(world)) == 1


def interrupted(world: World, *, sending: bool) -> RecordId:
    """Publish, and die before anything is given to the chain, or while it is sent; return what is stored."""

    def dies(*_args, **_more):
        raise CrashError

    class Dying:
        def __getattr__(self, name: str):
            return getattr(world.store, name)

        def pin(self, root: Cid) -> None:
            world.store.pin(root)
            raise CrashError

    parts = {"ledger": with_records(world, register=dies)} if sending else {"store": Dying()}
    healthy, world.publishing = world.publishing, publishing_with(world, **parts)
    with pytest.raises(CrashError):
        publish(world)
    world.publishing = healthy
    (unfinished,) = world.journal.unfinished()
    return unfinished.record_id


def finish_by_resuming(world: World) -> Published:
    (published,) = world.publishing.resume(world.hospital)
    return published


@pytest.mark.parametrize("finish", [finish_by_resuming, publish])
def test_publish__interrupted_and_nothing_changed__goes_on_with_what_is_stored(known: World, finish) -> None:
    say(known, permit())
    stored = interrupted(known, sending=False)
    finished = finish(known)
    assert finished.record_id == stored
    assert opens(known, finished)


@pytest.mark.parametrize("finish", [finish_by_resuming, publish])
def test_publish__interrupted_and_revoked_meanwhile__is_encrypted_anew(known: World, finish) -> None:
    granted = say(known, permit())
    say(known, permit(), grantee=known.stranger.address)
    stored = interrupted(known, sending=False)
    end_by_revoking(known, granted)
    finished = finish(known)
    assert finished.record_id != stored
    assert finished.readers == (known.stranger.address,)
    assert not holds(known, finished)
    assert opens(known, finished, known.stranger)
    assert opens(known, finished, known.patient)
    assert known.auditing.records(known.patient.address)[-1].record_id == finished.record_id
    assert Cid.of_directory(stored) not in known.store.pins()
    assert finished.cid in known.store.pins()
    assert known.journal.unfinished() == []
    assert publish(known).record_id == finished.record_id


def test_publish__interrupted_and_granted_meanwhile__the_new_reader_is_among_them(known: World) -> None:
    interrupted(known, sending=False)
    say(known, permit())
    assert opens(known, finish_by_resuming(known))


def test_resume__custodian_changed_his_key_and_rights_changed__says_to_publish_again(known: World) -> None:
    granted = say(known, permit())
    interrupted(known, sending=False)
    end_by_revoking(known, granted)
    known.hospital = with_key(known, replace(known.hospital, identity=Identity.generate()))
    with pytest.raises(NotARecipientError) as caught:
        known.publishing.resume(known.hospital)
    assert "publish the record again" in caught.value.hint
    assert known.publishing.resume(known.hospital) == []
    assert opens(known, publish(known), known.patient)


def test_publish__revoked_while_a_large_record_is_encrypted__is_heeded(known: World, tmp_path: Path) -> None:
    granted = say(known, permit())
    path = tmp_path / "large"
    path.write_bytes(bytes(3 << 20))
    readings = 0

    def progress(what: str, done: int, _total: int | None) -> None:
        nonlocal readings
        if what == "encrypting" and not readings:
            readings += 1
            end_by_revoking(known, granted)

    published = known.publishing.publish(
        path,
        custodian=known.hospital,
        patient=known.patient.address,
        description=Description(category=LAB),
        progress=progress,
    )
    assert readings == 1
    assert not holds(known, published)
