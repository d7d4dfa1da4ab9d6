"""The journal: one worker for each publication, ids that tell nothing, and files of one's own.

given a custodian's journal
├─ when a publication is claimed, no other thread, process or journal object may claim it, until it is released
├─ when the same record is described to two journals, their ids differ
├─ when a publication is written, it is found with every field, at its stage
└─ when the file is damaged or the disk is full, it says so by an error of ours
"""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from medshare.errors import ConfigurationError, LedgerBusyError, StoreFullError
from medshare.model.ids import RecordId, address
from medshare.services.journal import Publication, PublicationJournal, Stage

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]

PUBLICATION = Publication(
    publication_id="ab" * 32,
    stage=Stage.STORED,
    record_id=RecordId(b"\1" * 32),
    custodian=address("0x" + "11" * 20),
    patient=address("0x" + "22" * 20),
    supersedes=None,
)


@pytest.fixture
def journal(tmp_path: Path) -> PublicationJournal:
    return PublicationJournal(tmp_path / "journal")


def test_claimed__by_another_object_of_the_same_folder__is_busy_until_released(journal, tmp_path: Path) -> None:
    other = PublicationJournal(tmp_path / "journal")
    with journal.claimed("ab"):
        with pytest.raises(LedgerBusyError) as caught, other.claimed("ab"):
            pytest.fail("two held it")
        assert caught.value.hint
        with other.claimed("cd"):
            pass
    with other.claimed("ab"), pytest.raises(LedgerBusyError), journal.claimed("ab"):
        pytest.fail("two held it")


def test_claimed__by_another_thread__is_busy(journal: PublicationJournal) -> None:
    caught = []

    def claim() -> None:
        try:
            with journal.claimed("ab"):
                caught.append(None)
        except LedgerBusyError as error:
            caught.append(error)

    with journal.claimed("ab"):
        thread = threading.Thread(target=claim)
        thread.start()
        thread.join()
    claim()
    assert isinstance(caught[0], LedgerBusyError)
    assert caught[1] is None


def test_claimed__by_another_process__is_busy_until_that_dies(journal: PublicationJournal, tmp_path: Path) -> None:
    """Another process holds the lock in the way the operating system knows, and is killed while it does."""
    with journal.claimed("ab"):
        pass  # makes the folder
    program = (
        "import sys, filelock; lock = filelock.FileLock(sys.argv[1]); lock.acquire();"
        "print('held', flush=True); sys.stdin.read()"
    )
    path = str(tmp_path / "journal" / "locks" / "ab.lock")
    command = [sys.executable, "-c", program, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(LedgerBusyError), journal.claimed("ab"):
            pytest.fail("two held it")
        other.kill()
    with journal.claimed("ab"):
        assert journal.find("ab") is None


def test_claimed__work_fails__is_released(journal: PublicationJournal) -> None:
    with pytest.raises(ZeroDivisionError), journal.claimed("ab"):
        raise ZeroDivisionError
    with journal.claimed("ab"):
        assert journal.find("ab") is None


def test_publication_id__same_parts__same_id_in_one_journal_and_another_in_the_next(journal, tmp_path: Path) -> None:
    parts = (b"custodian", b"patient", b"", b"description")
    reopened = PublicationJournal(tmp_path / "journal")
    other = PublicationJournal(tmp_path / "other")
    assert journal.publication_id(*parts) == reopened.publication_id(*parts)
    assert journal.publication_id(*parts) != other.publication_id(*parts)


def test_publication_id__parts_are_cut_elsewhere__is_another_id(journal: PublicationJournal) -> None:
    cuts = [(b"ab", b"c"), (b"a", b"bc"), (b"abc", b""), (b"", b"abc"), (b"abc",), (b"ab", b"c", b"")]
    assert len({journal.publication_id(*parts) for parts in cuts}) == len(cuts)


def test_publication_id__two_begin_a_journal_at_once__they_agree(tmp_path: Path) -> None:
    journals = [PublicationJournal(tmp_path / "journal") for _ in range(4)]
    ids: list[str] = []
    begin = threading.Barrier(4)

    def ask(journal: PublicationJournal) -> None:
        begin.wait()
        ids.append(journal.publication_id(b"part"))

    threads = [threading.Thread(target=ask, args=(journal,)) for journal in journals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 4
    assert len(set(ids)) == 1


@pytest.mark.parametrize("supersedes", [None, RecordId(b"\2" * 32)])
def test_write__then_find__gives_every_field_back(journal: PublicationJournal, supersedes) -> None:
    publication = replace(PUBLICATION, supersedes=supersedes)
    assert journal.find(publication.publication_id) is None
    journal.write(publication)
    assert journal.find(publication.publication_id) == publication
    assert journal.unfinished() == [publication]
    assert journal.finished() == []
    registered = replace(publication, stage=Stage.REGISTERED)
    journal.write(registered)
    assert journal.unfinished() == []
    assert journal.finished() == [registered]
    journal.forget(publication.publication_id)
    assert journal.find(publication.publication_id) is None
    journal.forget(publication.publication_id)


def test_folder__whatever_the_umask__is_the_owner_s_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        journal = PublicationJournal(tmp_path / "journal")
        journal.write(PUBLICATION)
        with journal.claimed("ab"):
            pass
    finally:
        os.umask(before)
    for each in (tmp_path / "journal").rglob("*"):
        assert stat.S_IMODE(each.stat().st_mode) == (0o700 if each.is_dir() else 0o600), each.name
    assert stat.S_IMODE((tmp_path / "journal").stat().st_mode) == 0o700


def test_any_verb__file_is_no_database__is_a_typed_error(journal: PublicationJournal, tmp_path: Path) -> None:
    journal.write(PUBLICATION)
    (tmp_path / "journal" / "publications.sqlite").write_bytes(b"this is no database at all " * 400)
    verbs = [
        lambda: journal.publication_id(b"part"),
        lambda: journal.find("ab"),
        lambda: journal.unfinished(),
        lambda: journal.write(PUBLICATION),
        lambda: journal.forget("ab"),
    ]
    for verb in verbs:
        with pytest.raises(ConfigurationError, match="journal") as caught:
            verb()
        assert "backup" in caught.value.hint


def test_write__disk_is_full__is_a_typed_error(journal: PublicationJournal, monkeypatch) -> None:
    connect = sqlite3.connect
    journal.write(PUBLICATION)

    def connect_to_a_full_disk(*args, **more):
        database = connect(*args, **more)
        database.execute("PRAGMA max_page_count = 1")
        return database

    monkeypatch.setattr(sqlite3, "connect", connect_to_a_full_disk)
    written = 0

    def fill() -> None:
        nonlocal written
        for number in range(500):
            journal.write(replace(PUBLICATION, publication_id=f"{number:064x}"))
            written += 1

    with pytest.raises(StoreFullError):
        fill()
    assert len(journal.unfinished()) == written + 1


def test_write__another_process_holds_the_file__is_busy(journal: PublicationJournal, tmp_path, monkeypatch) -> None:
    from medshare.services import database

    monkeypatch.setattr(database, "_BUSY_SECONDS", 0)
    journal.write(PUBLICATION)
    holder = sqlite3.connect(tmp_path / "journal" / "publications.sqlite")
    try:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LedgerBusyError):
            journal.write(PUBLICATION)
    finally:
        holder.close()
    journal.write(PUBLICATION)
