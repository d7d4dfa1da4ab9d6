"""What a custodian's client has begun to publish: enough to go on after a crash, and to publish nothing twice.

The journal holds no key and no plaintext. A publication's id is a hash under a secret of this journal, so that a stolen
journal does not let anybody test a guess about a record.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from filelock import FileLock, Timeout

from medshare.errors import LedgerBusyError
from medshare.files import PRIVATE_FILE, private_folder
from medshare.hashing import tagged_sha256
from medshare.model.ids import Address, RecordId
from medshare.services.database import opened

_HINT = "restore publications.sqlite from a backup; without it, what was published before may be published again"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS secret (value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS publications (
    id TEXT PRIMARY KEY, stage TEXT NOT NULL, record_id BLOB NOT NULL,
    custodian TEXT NOT NULL, patient TEXT NOT NULL, supersedes BLOB
) WITHOUT ROWID;
"""


class Stage(StrEnum):
    """How far a publication has come."""

    STORED = "stored"
    """Encrypted, in the store and pinned; its record id is fixed."""
    SENDING = "sending"
    """Given to the chain: a transaction that registers it may be on its way, and nothing may take its place."""
    REGISTERED = "registered"
    """On chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A publication, as far as it has come."""

    publication_id: str
    stage: Stage
    record_id: RecordId
    custodian: Address
    patient: Address
    supersedes: RecordId | None


class PublicationJournal:
    """The journal of one custodian's client.

    Every method raises ``ConfigurationError`` where its file is damaged, and ``StoreFullError`` on a full disk.

    Args:
        folder: where the journal and its locks are; created where missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = private_folder(folder)
        self._path = folder / "publications.sqlite"

    def publication_id(self, *parts: bytes) -> str:
        """Return the id of the publication that ``parts`` describe: the same parts, the same id."""
        with self._open() as database:
            found = database.execute("SELECT value FROM secret").fetchone()
            if found is None:
                with database:
                    database.execute(
                        "INSERT INTO secret SELECT ? WHERE NOT EXISTS (SELECT 1 FROM secret)",
                        (secrets.token_bytes(32),),
                    )
                found = database.execute("SELECT value FROM secret").fetchone()
        lengths = b"".join(len(part).to_bytes(8, "big") for part in parts)
        return tagged_sha256("medshare/publication/1", found[0], lengths, *parts).hex()

    @contextmanager
    def claimed(self, publication_id: str) -> Iterator[None]:
        """Hold a publication, so that no other process works on it.

        Raises:
            LedgerBusyError: another process holds it.
        """
        lock = FileLock(self._lock_file(publication_id), mode=PRIVATE_FILE)
        try:
            with lock.acquire(timeout=0):
                yield
        except Timeout as error:
            raise LedgerBusyError("another process is publishing the same record") from error

    def find(self, publication_id: str) -> Publication | None:
        """Return how far a publication has come, or None where it has not been stored."""
        with self._open() as database:
            row = database.execute("SELECT * FROM publications WHERE id = ?", (publication_id,)).fetchone()
        return None if row is None else _publication(row)

    def unfinished(self) -> list[Publication]:
        """Return the publications that are stored and not known to be registered."""
        return self._where("stage <> ?", Stage.REGISTERED)

    def finished(self) -> list[Publication]:
        """Return the publications that are registered."""
        return self._where("stage = ?", Stage.REGISTERED)

    def write(self, publication: Publication) -> None:
        """Note how far a publication has come; durable when this returns."""
        with self._open() as database, database:
            database.execute(
                "INSERT OR REPLACE INTO publications VALUES (?, ?, ?, ?, ?, ?)",
                (
                    publication.publication_id,
                    publication.stage,
                    publication.record_id,
                    publication.custodian,
                    publication.patient,
                    publication.supersedes,
                ),
            )

    def resealed(self, publication: Publication) -> None:
        """Let what was published as the version before be this one: published again, it is there already."""
        with self._open() as database, database:
            database.execute(
                "UPDATE publications SET record_id = ?, supersedes = ? WHERE record_id = ? AND custodian = ?",
                (publication.record_id, publication.supersedes, publication.supersedes, publication.custodian),
            )

    def forget(self, publication_id: str) -> None:
        """Forget a publication, so that it begins anew."""
        with self._open() as database, database:
            database.execute("DELETE FROM publications WHERE id = ?", (publication_id,))

    def erase(self, records: Collection[RecordId]) -> None:
        """Forget every publication of these records, so that nothing here leads from a text to them any more.

        What it was is overwritten in the file, too.
        """
        with self._open() as database:
            database.execute("PRAGMA secure_delete = ON")
            with database:
                found = [
                    publication_id
                    for record_id in records
                    for (publication_id,) in database.execute(
                        "SELECT id FROM publications WHERE record_id = ?", (record_id,)
                    )
                ]
                database.executemany("DELETE FROM publications WHERE id = ?", [(each,) for each in found])
        for publication_id in found:
            self._lock_file(publication_id).unlink(missing_ok=True)

    def _where(self, clause: str, stage: Stage) -> list[Publication]:
        with self._open() as database:
            rows = database.execute(f"SELECT * FROM publications WHERE {clause}", (stage,)).fetchall()  # noqa: S608
        return [_publication(row) for row in rows]

    def _lock_file(self, publication_id: str) -> Path:
        return private_folder(self._folder / "locks") / f"{publication_id}.lock"

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with opened(self._path, "the journal of publications", hint=_HINT) as database:
            database.executescript(_SCHEMA)
            yield database


def _publication(row: tuple[str, str, bytes, str, str, bytes | None]) -> Publication:
    publication_id, stage, record_id, custodian, patient, supersedes = row
    return Publication(
        publication_id=publication_id,
        stage=Stage(stage),
        record_id=RecordId(record_id),
        custodian=Address(custodian),
        patient=Address(patient),
        supersedes=None if supersedes is None else RecordId(supersedes),
    )
