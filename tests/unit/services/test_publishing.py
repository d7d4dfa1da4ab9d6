"""A record is published once, whatever happens on the way.

given a plaintext, a custodian and a patient who both have keys
├─ when it is published twice, it is registered once
├─ when its bytes, description, patient or predecessor differ, it is another publication
├─ when the process dies at any call, before or after it took effect
│  └─ it should be finished by publishing again or by resume, with one registration and one pin
├─ when the plaintext cannot be read, is no file, or changes meanwhile, nothing is registered
└─ when one interrupted publication can no longer be finished, the others are
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from service_doubles import CrashError, Faults, faulty_publishing, publishing_with, with_records
from world import TEXT, World, new_world

from medshare.content import Cid, walk
from medshare.errors import (
    InvalidInputError,
    LedgerBusyError,
    LedgerUnavailableError,
    MedshareError,
    RecordNotActiveError,
    StoreFullError,
    StoreUnavailableError,
    UnknownRecordError,
)
from medshare.model.events import RecordRegistered, RecordSuperseded
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Category, RecordStatus
from medshare.services.description import Description
from medshare.services.journal import PublicationJournal
from medshare.services.publishing import Publishing
from medshare.testing import MemoryStore

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]

DESCRIPTION = Description(media_type="application/fhir+json")
MEBIBYTE = 1 << 20


def registrations(world: World) -> list[RecordRegistered | RecordSuperseded]:
    everything = world.chain.events(0, world.chain.head().number)
    return [event for event in everything if isinstance(event, RecordRegistered | RecordSuperseded)]


def publish_with(publishing: Publishing, world: World, text: bytes | Path = TEXT, **more):
    wanted = {"custodian": world.hospital, "patient": world.patient.address, "description": DESCRIPTION}
    return publishing.publish(text, **{**wanted, **more})


def plaintext(world: World, published) -> bytes:
    return b"".join(world.open(published, reader=world.patient, purpose=PurposeOfUse.PATRQT).stream())


# ------------------------------------------------------------------------------------------------- once


def test_publish__same_record_twice__is_registered_once(world: World) -> None:
    first, second = world.publish(), world.publish()
    assert (first.already, second.already) == (False, True)
    assert (first.record_id, first.cid, first.entry) == (second.record_id, second.cid, second.entry)
    assert len(registrations(world)) == 1
    assert world.store.pins() == {first.cid}


def test_publish__from_a_file_and_from_its_bytes__is_the_same_publication(world: World, tmp_path: Path) -> None:
    path = tmp_path / "record"
    path.write_bytes(TEXT)
    assert world.publish(path).record_id == world.publish().record_id
    assert len(registrations(world)) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"media_type": "text/plain"},
        {"category": Category.LABORATORY},
        {"resource_type": "Observation"},
        {"labels": ("R",)},
        {"clinical_date": "2026-02"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_publish__description_changed__is_another_publication(world: World, change: dict) -> None:
    first = world.publish()
    second = publish_with(world.publishing, world, description=replace(DESCRIPTION, **change))
    assert not second.already
    assert second.record_id != first.record_id
    manifest = world.open(second, reader=world.patient).manifest
    for name, value in change.items():
        assert getattr(manifest, name) == value


def test_publish__bytes_or_patient_or_custodian_differ__are_other_publications(world: World) -> None:
    first = world.publish()
    others = [
        world.publish(TEXT + b" "),
        publish_with(world.publishing, world, patient=world.doctor.address),
        publish_with(world.publishing, world, custodian=world.stranger),
    ]
    assert not any(each.already for each in others)
    assert len({first.record_id, *(each.record_id for each in others)}) == 4


def test_publish__same_record_with_two_journals__shares_no_id(world: World, tmp_path: Path) -> None:
    first = world.publish()
    journal = PublicationJournal(tmp_path / "other")
    journal.know(world.hospital.address)
    other = publishing_with(world, journal=journal)
    assert publish_with(other, world).record_id != first.record_id


def test_publish__held_by_another_process__is_busy(world: World) -> None:
    class Held(PublicationJournal):
        def find(self, publication_id):
            with pytest.raises(LedgerBusyError):
                world.publish()
            return super().find(publication_id)

    published = publish_with(publishing_with(world, journal=Held(world.folder)), world)
    assert len(registrations(world)) == 1
    assert world.publish().record_id == published.record_id


def test_publish__progress__tells_how_far_it_is(world: World, tmp_path: Path) -> None:
    path = tmp_path / "record"
    path.write_bytes(bytes(2 * MEBIBYTE + 1))
    told = []
    world.publish(path, progress=lambda *what: told.append(what))
    for what in ("reading", "encrypting"):
        assert [done for each, done, total in told if each == what] == [MEBIBYTE, 2 * MEBIBYTE, 2 * MEBIBYTE + 1]
    assert told[-1] == ("registering", 0, None)


# -------------------------------------------------------------------------------------------- superseding


def test_publish__superseding__the_next_version_takes_the_place(world: World) -> None:
    first = world.publish(b"one")
    second = world.publish(b"two", supersedes=first.record_id)
    again = world.publish(b"two", supersedes=first.record_id)
    assert second.entry.version == 2
    assert world.open(second, reader=world.patient).manifest.supersedes == first.record_id
    assert again.already
    assert [entry.status for entry in world.auditing.records(world.patient.address)] == [
        RecordStatus.SUPERSEDED,
        RecordStatus.ACTIVE,
    ]


# ------------------------------------------------------------------------------------------------ crashes


def crashed(folder: Path, faults: Faults, text: bytes | None, supersedes: bytes | None) -> tuple[World, bool, bytes]:
    """Publish in a new world until the fault strikes; whether it struck."""
    world = new_world(folder)
    previous = world.publish(supersedes).record_id if supersedes is not None else None
    try:
        publish_with(faulty_publishing(world, faults), world, text, supersedes=previous)
    except (CrashError, MedshareError):
        return world, True, previous
    return world, False, previous


@pytest.mark.parametrize("supersedes", [None, b"an earlier version"], ids=["first", "next"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "lost-answer"])
@pytest.mark.parametrize("resumes", [False, True], ids=["again", "resume"])
def test_publish__process_dies_at_any_call__is_finished_once(
    tmp_path: Path, supersedes: bytes | None, after: bool, resumes: bool
) -> None:
    for at in range(1, 100):
        world, struck, previous = crashed(tmp_path / str(at), Faults(at=at, after=after), TEXT, supersedes)
        if not struck:
            break
        if resumes:
            assert len(world.publishing.resume(world.hospital)) <= 1
            assert world.journal.unfinished() == []
        published = world.publish(supersedes=previous)
        expected = 2 if previous else 1
        assert len(registrations(world)) == expected, f"call {at}"
        assert len(world.store.pins()) == expected, f"call {at}"
        assert registrations(world)[-1].record_id == published.record_id
        assert len(world.journal.finished()) == expected
        world.store.collect()
        kept = {block.cid for root in world.store.pins() for block in walk(world.store.get, root)}
        assert set(world.store.blocks) == kept
        assert plaintext(world, published) == TEXT
        assert world.publish(supersedes=previous).already
    else:
        pytest.fail("publishing never came to its end")
    assert at > 12, "the double missed most of the calls"


@pytest.mark.parametrize("error", [StoreUnavailableError, LedgerUnavailableError, StoreFullError])
def test_publish__call_fails_again_and_again__every_repetition_comes_nearer(tmp_path: Path, error: type) -> None:
    """Fault after fault in one world: the second try meets a fault too, and the third finishes."""
    for at in range(1, 20):
        world = new_world(tmp_path / str(at))
        for after in (True, False):
            faults = Faults(at=at, after=after, error=lambda: error("the test says so"))
            with suppress(error):
                publish_with(faulty_publishing(world, faults), world)
        published = world.publish()
        assert len(registrations(world)) == 1
        assert world.store.pins() == {published.cid}
        assert plaintext(world, published) == TEXT


def test_publish__store_is_full_in_the_middle__is_repeated_when_there_is_space(world: World) -> None:
    text = os.urandom(3 * MEBIBYTE)

    class Small(MemoryStore):
        room = 2 * MEBIBYTE

        def put(self, blocks):
            for block in blocks:
                self.room -= len(block.data)
                if self.room < 0:
                    raise StoreFullError("the test's store is full")
                super().put([block])

    store = Small()
    publishing = publishing_with(world, store=store)
    with pytest.raises(StoreFullError):
        publish_with(publishing, world, text)
    assert registrations(world) == []
    assert store.blocks
    assert store.collect().kept_blocks == 0
    store.room = 10 * MEBIBYTE
    published = publish_with(publishing, world, text)
    world.store.blocks = store.blocks
    assert plaintext(world, published) == text
    assert len(registrations(world)) == 1


def test_resume__several_were_interrupted__finishes_one_s_own_only(world: World) -> None:
    def unreachable(*_args, **_more):
        raise LedgerUnavailableError("the test says so")

    offline = publishing_with(world, ledger=with_records(world, register=unreachable))
    for text, custodian in ((b"one", world.hospital), (b"two", world.hospital), (b"three", world.stranger)):
        with pytest.raises(LedgerUnavailableError):
            publish_with(offline, world, text, custodian=custodian)
    finished = world.publishing.resume(world.hospital)
    assert {plaintext(world, each) for each in finished} == {b"one", b"two"}
    assert [each.custodian for each in world.journal.unfinished()] == [world.stranger.address]
    assert world.publishing.resume(world.hospital) == []


def interrupted(world: World, text: bytes, **more) -> None:
    def dies(*_args, **_more):
        raise CrashError

    dying = publishing_with(world, ledger=with_records(world, register=dies, supersede=dies))
    with pytest.raises(CrashError):
        publish_with(dying, world, text, **more)


def test_resume__one_can_no_longer_be_finished__the_others_are(world: World) -> None:
    first = world.publish(b"one")
    for number in range(4):
        interrupted(world, b"good %d" % number)
    interrupted(world, b"late", supersedes=first.record_id)
    world.publish(b"in time", supersedes=first.record_id)

    class LateFirst(PublicationJournal):
        def unfinished(self):
            return sorted(super().unfinished(), key=lambda each: each.supersedes is None)

    with pytest.raises(RecordNotActiveError):
        publishing_with(world, journal=LateFirst(world.folder)).resume(world.hospital)
    assert world.journal.unfinished() == []
    assert len(registrations(world)) == 6
    assert len(world.store.pins()) == 6
    assert world.publishing.resume(world.hospital) == []


def test_resume__another_process_is_at_one_of_them__leaves_that_to_it(world: World) -> None:
    for text in (b"one", b"two"):
        interrupted(world, text)
    held = world.journal.unfinished()[0]
    with world.journal.claimed(held.publication_id):
        finished = world.publishing.resume(world.hospital)
    assert [each.record_id for each in finished] != [held.record_id]
    assert len(finished) == 1
    assert world.journal.unfinished() == [held]


def test_resume__another_process_began_anew_meanwhile__registers_no_second_record(world: World) -> None:
    """Between the list and the claim another process may have found the blocks gone, and published afresh."""
    interrupted(world, TEXT)

    class Late(PublicationJournal):
        def unfinished(self):
            found = super().unfinished()
            for each in found:
                world.store.unpin(Cid.of_directory(each.record_id))
            kept = dict(world.store.blocks)
            world.store.collect()
            world.publish()
            world.store.blocks.update(kept)
            return found

    assert publishing_with(world, journal=Late(world.folder)).resume(world.hospital) == []
    assert len(registrations(world)) == 1
    assert len(world.store.pins()) == 1


# ---------------------------------------------------------------------------------------------- plaintexts


def test_publish__file_changes_between_the_readings__is_refused(world: World, tmp_path: Path) -> None:
    path = tmp_path / "record"
    path.write_bytes(b"a" * 10)

    def change(what: str, _done: int, _total: int | None) -> None:
        if what == "reading":
            path.write_bytes(b"b" * 10)

    with pytest.raises(InvalidInputError, match="changed"):
        world.publish(path, progress=change)
    assert registrations(world) == []
    assert world.store.collect().kept_blocks == 0
    assert plaintext(world, world.publish(path)) == b"b" * 10


@pytest.mark.parametrize("change", [b"", b"more"], ids=["shrinks", "grows"])
def test_publish__file_has_another_size_when_it_is_read__is_refused(
    world: World, tmp_path: Path, change: bytes
) -> None:
    """Both readings agree with each other, and not with the size that was measured before them."""
    path = tmp_path / "record"
    path.write_bytes(bytes(2 * MEBIBYTE))
    sizes = []

    def grow(what: str, _done: int, _total: int | None) -> None:
        if what == "reading" and not sizes:
            sizes.append(len(change))
            if change:
                with path.open("ab") as stream:
                    stream.write(change)
            else:
                os.truncate(path, MEBIBYTE)

    with pytest.raises(InvalidInputError, match="changed"):
        world.publish(path, progress=grow)
    assert sizes
    assert registrations(world) == []


def test_publish__nothing_to_read__says_what_is_wrong_and_not_the_name(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "Mary-Canary-folder"
    folder.mkdir()
    empty = tmp_path / "Mary-Canary-empty"
    empty.touch()
    pipe = tmp_path / "Mary-Canary-pipe"
    os.mkfifo(pipe)
    bad = [
        folder,
        empty,
        pipe,
        tmp_path / "Mary-Canary-missing",
        empty / "Mary-Canary-below-a-file",
        tmp_path / ("Mary-Canary" * 100),
        Path("Mary-Canary\0"),
        Path(os.devnull),
        b"",
    ]
    for source in bad:
        with pytest.raises(InvalidInputError) as caught:
            world.publish(source)
        assert "Canary" not in f"{caught.value} {caught.value.hint}"
    assert world.store.blocks == {}


def test_publish__file_is_unreadable__says_so(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "Canary"
    path.write_bytes(TEXT)

    def refuse(*_args, **_more):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InvalidInputError, match="cannot be read") as caught:
        world.publish(path)
    assert "Canary" not in str(caught.value)


def test_publish__disk_fails_while_reading__says_so(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "Canary"
    path.write_bytes(TEXT)
    opened = Path.open

    class Failing:
        def __init__(self, stream):
            self.stream = stream

        def __enter__(self):
            return self

        def __exit__(self, *_error):
            self.stream.close()

        def seek(self, *where):
            return self.stream.seek(*where)

        def read(self, _size):
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "open", lambda self, *how, **more: Failing(opened(self, *how, **more)))
    with pytest.raises(InvalidInputError, match="cannot be read"):
        world.publish(path)


# --------------------------------------------------------------------------------------------- retracting


def test_retract__reason__is_on_chain_as_a_salted_digest_only(world: World) -> None:
    published = world.publish()
    salt = world.publishing.retract(published.record_id, "entered in error", custodian=world.hospital)
    other = world.publish(b"other")
    world.publishing.retract(other.record_id, "entered in error", custodian=world.hospital)
    *_, one, _, two = world.auditing.trail(world.patient.address)
    assert len(salt) == 32
    assert b"entered" not in one.reason
    with pytest.raises(RecordNotActiveError):
        world.publishing.retract(published.record_id, "again", custodian=world.hospital)
    with pytest.raises(UnknownRecordError):
        world.publishing.retract(published.record_id, "mine?", custodian=world.stranger)
    assert one.reason != two.reason
