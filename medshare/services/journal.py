"""What a custodian's client has begun to publish: enough to go on after a crash, and to publish nothing twice.

The journal holds no key and no plaintext. A publication's id is a hash under a secret of this journal, so that a stolen
journal does not let anybody test a guess about a record.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections import Counter
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

_HINT = "restore publications.sqlite from a backup; or move it away, and: medshare record restore --as CUSTODIAN"
_FINISH_LOAD = (
    "finish the load: give its command again, or medshare record resume; or give it up: medshare record unfinished"
)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS secret (value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS publications (
    id TEXT PRIMARY KEY, stage TEXT NOT NULL, record_id BLOB NOT NULL,
    custodian TEXT NOT NULL, patient TEXT NOT NULL, supersedes BLOB
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batches (
    number INTEGER PRIMARY KEY AUTOINCREMENT, custodian TEXT NOT NULL, stage TEXT NOT NULL, nonce BLOB NOT NULL,
    pinned INTEGER NOT NULL, root BLOB, catalogue BLOB
);
CREATE TABLE IF NOT EXISTS batched (
    place INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE, batch INTEGER NOT NULL, record_id BLOB NOT NULL,
    patient TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS batched_by_patient ON batched (batch, patient);
CREATE TABLE IF NOT EXISTS batch_patients (
    batch INTEGER NOT NULL, patient TEXT NOT NULL, key BLOB NOT NULL, standing BLOB NOT NULL,
    PRIMARY KEY (batch, patient)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batch_packets (
    batch INTEGER NOT NULL, patient TEXT NOT NULL, reader BLOB NOT NULL, record_id BLOB NOT NULL,
    PRIMARY KEY (batch, patient, reader, record_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batch_dropped (batch INTEGER NOT NULL, record_id BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS batch_signed (
    custodian TEXT NOT NULL, root BLOB NOT NULL, deadline INTEGER NOT NULL, PRIMARY KEY (custodian, root)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS known (custodian TEXT PRIMARY KEY) WITHOUT ROWID;
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
        self._secret: bytes | None = None

    def publication_id(self, *parts: bytes) -> str:
        """Return the id of the publication that ``parts`` describe: the same parts, the same id."""
        if self._secret is None:
            self._secret = self._read_secret()
        lengths = b"".join(len(part).to_bytes(8, "big") for part in parts)
        return tagged_sha256("medshare/publication/1", self._secret, lengths, *parts).hex()

    def _read_secret(self) -> bytes:
        with self.opened() as database:
            found = database.execute("SELECT value FROM secret").fetchone()
            if found is None:
                with database:
                    database.execute(
                        "INSERT INTO secret SELECT ? WHERE NOT EXISTS (SELECT 1 FROM secret)",
                        (secrets.token_bytes(32),),
                    )
                found = database.execute("SELECT value FROM secret").fetchone()
        return bytes(found[0])

    @contextmanager
    def claimed(self, publication_id: str) -> Iterator[None]:
        """Hold a publication, or a custodian's loads, so that no other process works on it.

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
        """Return how far a publication has come, or None where it has not been stored.

        Raises:
            LedgerBusyError: a load has stored it, and anchored its batch not yet.
        """
        with self.opened() as database:
            row = database.execute("SELECT * FROM publications WHERE id = ?", (publication_id,)).fetchone()
            batched = None if row is not None else _batched(database, publication_id)
        return batched if row is None else _publication(row)

    def unfinished(self) -> list[Publication]:
        """Return the publications that are stored and not known to be registered."""
        return self._where("stage <> ?", Stage.REGISTERED)

    def finished(self) -> list[Publication]:
        """Return the publications that are registered."""
        return self._where("stage = ?", Stage.REGISTERED)

    def batched(self, *, anchored: bool) -> list[RecordId]:
        """Return the records of batches that are on chain, or of those that are not known to be."""
        sign = "=" if anchored else "<>"
        query = f"SELECT record_id FROM batched JOIN batches ON batch = number WHERE stage {sign} ?"  # noqa: S608
        with self.opened() as database:
            return [RecordId(record_id) for (record_id,) in database.execute(query, (Stage.REGISTERED,))]

    def record_ids(self, custodian: Address) -> dict[RecordId, int]:
        """Return the records of a custodian's publications, by themselves or in batches, however far they have come.

        With how many publications lead to each: one more each time that it was encrypted anew.
        """
        query = (
            "SELECT record_id FROM publications WHERE custodian = ?1 UNION ALL "
            "SELECT record_id FROM batched JOIN batches ON batch = number WHERE custodian = ?1"
        )
        with self.opened() as database:
            return Counter(RecordId(record_id) for (record_id,) in database.execute(query, (custodian,)))

    def knows(self, custodian: Address) -> bool:
        """Whether a custodian has published from here, or what he had published was restored."""
        with self.opened() as database:
            return database.execute("SELECT 1 FROM known WHERE custodian = ?", (custodian,)).fetchone() is not None

    def know(self, custodian: Address) -> None:
        """Note that what a custodian has published is known here."""
        with self.opened() as database, database:
            _note_known(database, custodian)

    def write(self, publication: Publication, *, known: bool = False) -> None:
        """Note how far a publication has come; durable when this returns.

        Args:
            publication: what is noted.
            known: note, too, that what its custodian has published is known here.

        Raises:
            LedgerBusyError: a load has stored the same meanwhile.
        """
        with self.opened() as database, database:
            database.execute("BEGIN IMMEDIATE")
            _batched(database, publication.publication_id)
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
            if known:
                _note_known(database, publication.custodian)

    def resealed(self, publication: Publication) -> None:
        """Let what was published as the version before be this one: published again, it is there already."""
        with self.opened() as database, database:
            database.execute(
                "INSERT INTO publications SELECT lower(hex(id)), ?, record_id, custodian, patient, NULL"
                " FROM batched JOIN batches ON batch = number WHERE record_id = ? AND custodian = ?",
                (Stage.REGISTERED, publication.supersedes, publication.custodian),
            )
            database.execute("DELETE FROM batched WHERE record_id = ?", (publication.supersedes,))
            database.execute(
                "UPDATE publications SET record_id = ?, supersedes = ? WHERE record_id = ? AND custodian = ?",
                (publication.record_id, publication.supersedes, publication.supersedes, publication.custodian),
            )

    def forget(self, publication_id: str) -> None:
        """Forget a publication, so that it begins anew."""
        with self.opened() as database, database:
            database.execute("DELETE FROM publications WHERE id = ?", (publication_id,))
            database.execute("DELETE FROM batched WHERE id = ?", (bytes.fromhex(publication_id),))

    def erase(self, records: Collection[RecordId]) -> None:
        """Forget every publication of these records, so that nothing here leads from a text to them any more.

        What it was is overwritten in the file, too.
        """
        with self.opened() as database:
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
                database.executemany("DELETE FROM batched WHERE record_id = ?", [(each,) for each in records])
        for publication_id in found:
            self._lock_file(publication_id).unlink(missing_ok=True)

    def _where(self, clause: str, stage: Stage) -> list[Publication]:
        with self.opened() as database:
            rows = database.execute(f"SELECT * FROM publications WHERE {clause}", (stage,)).fetchall()  # noqa: S608
        return [_publication(row) for row in rows]

    def _lock_file(self, publication_id: str) -> Path:
        return private_folder(self._folder / "locks") / f"{publication_id}.lock"

    @contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        """Open the file, for one piece of work."""
        with opened(self._path, "the journal of publications", hint=_HINT) as database:
            database.executescript(_SCHEMA)
            yield database


def _note_known(database: sqlite3.Connection, custodian: Address) -> None:
    """Note that what a custodian has published is known here."""
    database.execute("INSERT OR IGNORE INTO known VALUES (?)", (custodian,))


def _batched(database: sqlite3.Connection, publication_id: str) -> Publication | None:
    row = database.execute(
        "SELECT stage, record_id, custodian, patient FROM batched JOIN batches ON batch = number WHERE id = ?",
        (bytes.fromhex(publication_id),),
    ).fetchone()
    if row is None:
        return None
    stage, record_id, custodian, patient = row
    if stage != Stage.REGISTERED:
        raise LedgerBusyError("the same record is in a batch that is not anchored yet", hint=_FINISH_LOAD)
    return Publication(
        publication_id=publication_id,
        stage=Stage.REGISTERED,
        record_id=RecordId(record_id),
        custodian=Address(custodian),
        patient=Address(patient),
        supersedes=None,
    )


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
