"""The book of batches: which records of batches this home can show, each with its proof.

What lies here leads to its root; whether and when a custodian has anchored that root, the chain is asked each time. So
the book needs no correction after a reorganisation, and who fills it with roots of his own states nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from medshare.envelope import Recipient
from medshare.errors import IntegrityError
from medshare.files import private_folder
from medshare.hashing import DIGEST_SIZE
from medshare.model.ids import Address, RecordId
from medshare.model.record import RecordRef
from medshare.model.record_batch import BatchedRecord, Inclusion, PatientsPart, RecordBatch
from medshare.services.database import opened

_FALSE = "what is told of a batch does not lead to the root on chain"
_HINT = "remove batches.sqlite and find the records anew: medshare record find"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS parts (
    id INTEGER PRIMARY KEY, custodian TEXT NOT NULL, root BLOB NOT NULL, patient TEXT NOT NULL, path BLOB NOT NULL,
    UNIQUE (custodian, root, patient, path)
);
CREATE INDEX IF NOT EXISTS parts_patient ON parts (patient);
CREATE TABLE IF NOT EXISTS records (
    record BLOB NOT NULL, part INTEGER NOT NULL, salt BLOB NOT NULL, path BLOB NOT NULL, PRIMARY KEY (record, part)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS records_part ON records (part);
CREATE TABLE IF NOT EXISTS looked (
    key BLOB NOT NULL, source BLOB NOT NULL, done INTEGER NOT NULL, PRIMARY KEY (key, source)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """A record that a batch states, whether or not the batch is on the chain."""

    custodian: Address
    root: bytes
    record_id: RecordId
    patient: Address


class BatchBook:
    """The records of batches that one home can show, on one deployment.

    Every method raises ``ConfigurationError`` where its file is damaged, and ``StoreFullError`` on a full disk.

    Args:
        folder: where the book is; created where missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "batches.sqlite"

    def keep(self, custodian: Address, batch: RecordBatch) -> int:
        """Keep a whole batch, as its custodian; durable when this returns. Return how many records are new."""
        return self._write(custodian, batch.root, map(batch.part, batch.patients))

    def add(self, custodian: Address, root: bytes, parts: Iterable[PatientsPart]) -> int:
        """Keep what shows records of a batch, all or nothing; durable when this returns. Return how many are new.

        Raises:
            IntegrityError: it does not lead to the root.
        """
        return self._write(custodian, root, (_checked(part, root) for part in parts))

    def add_shown(self, inclusions: Iterable[Inclusion]) -> int:
        """Keep records of several batches, all of one batch or none of it, in one transaction; else as ``add``.

        Anybody can show very many: what does not lead to its root keeps nothing else from being kept.
        """
        batches: dict[tuple[Address, bytes], dict[Address, list[Inclusion]]] = {}
        for one in inclusions:
            batches.setdefault((one.custodian, one.root), {}).setdefault(one.record.patient, []).append(one)
        good, false = [], False
        for (custodian, root), patients in batches.items():
            parts = [
                PatientsPart(patient=patient, records=tuple((one.record, one.proof) for one in shown), path=())
                for patient, shown in patients.items()
            ]
            if all(part.leads_to(root) for part in parts):
                good.append((custodian, root, parts))
            else:
                false = True
        added = 0
        if good:
            with self._open() as database, database:
                added = sum(_write(database, custodian, root, parts) for custodian, root, parts in good)
        if false:
            raise IntegrityError(_FALSE)
        return added

    def forget(self, custodian: Address, root: bytes) -> None:
        """Forget all records of a batch; one that is not known here is no error."""
        if not self._path.exists():
            return
        with self._open() as database, database:
            known = "SELECT id FROM parts WHERE custodian = ? AND root = ?"
            database.execute(f"DELETE FROM records WHERE part IN ({known})", (custodian, root))  # noqa: S608 - as above
            database.execute("DELETE FROM parts WHERE custodian = ? AND root = ?", (custodian, root))

    def stated(
        self, *, patient: Address | None = None, custodian: Address | None = None, record_id: RecordId | None = None
    ) -> list[Stated]:
        """Return the records that match everything that is given."""
        given = {"patient = ?": patient, "custodian = ?": custodian, "record = ?": record_id}
        wanted = {clause: value for clause, value in given.items() if value is not None}
        # The clauses are the constants above; values are bound.
        query = (
            "SELECT custodian, root, record, patient FROM records JOIN parts ON part = id "  # noqa: S608
            f"WHERE {' AND '.join(wanted) or '1'}"
        )
        if not self._path.exists():
            return []
        with self._open() as database:
            rows = database.execute(query, list(wanted.values())).fetchall()
        return [
            Stated(custodian=Address(whose), root=root, record_id=RecordId(record), patient=Address(about))
            for whose, root, record, about in rows
        ]

    def inclusions(self, custodian: Address, record_id: RecordId) -> list[Inclusion]:
        """Return what shows a record of a custodian: one for each batch that states it, none where none does."""
        query = (
            "SELECT root, patient, salt, records.path, parts.path FROM records JOIN parts ON part = id "
            "WHERE record = ? AND custodian = ?"
        )
        if not self._path.exists():
            return []
        with self._open() as database:
            rows = database.execute(query, (record_id, custodian)).fetchall()
        return [
            Inclusion(
                custodian=custodian,
                root=root,
                record=BatchedRecord(record_id=record_id, patient=Address(patient), salt=salt),
                proof=(*_split(below), *_split(above)),
            )
            for root, patient, salt, below, above in rows
        ]

    def showing(self, records: Iterable[RecordRef]) -> list[Inclusion]:
        """Return what shows these records, those of them that are of batches."""
        return [one for record in records for one in self.inclusions(record.custodian, record.record_id)]

    def holds(self, custodian: Address, root: bytes) -> int:
        """Return how many records of a batch can be shown here."""
        query = "SELECT COUNT(*) FROM records JOIN parts ON part = id WHERE custodian = ? AND root = ?"
        with self._open() as database:
            return int(database.execute(query, (custodian, root)).fetchone()[0])

    def known(self, custodian: Address | None = None) -> int:
        """Return how many records of batches are known here, of one custodian or of all."""
        query = (
            "SELECT COUNT(*) FROM (SELECT DISTINCT custodian, record FROM records JOIN parts ON part = id "
            "WHERE custodian = ?1 OR ?1 IS NULL)"
        )
        if not self._path.exists():
            return 0
        with self._open() as database:
            return int(database.execute(query, (custodian,)).fetchone()[0])

    def looked(self, reader: Recipient) -> Mapping[bytes, bool]:
        """Return what was looked for with this key: whether it was looked through."""
        with self._open() as database:
            query = "SELECT source, done FROM looked WHERE key = ?"
            return {source: bool(done) for source, done in database.execute(query, (reader.key,))}

    def note_looked(self, reader: Recipient, sources: Mapping[bytes, bool]) -> None:
        """Note what was looked for with this key, by source, and whether there is no need to look again."""
        with self._open() as database, database:
            database.executemany(
                "INSERT OR REPLACE INTO looked VALUES (?, ?, ?)",
                [(reader.key, source, done) for source, done in sources.items()],
            )

    def _write(self, custodian: Address, root: bytes, parts: Iterable[PatientsPart]) -> int:
        with self._open() as database, database:
            return _write(database, custodian, root, parts)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        private_folder(self._folder)
        with opened(self._path, "the book of batches", hint=_HINT) as database:
            database.executescript(_SCHEMA)
            yield database


def _checked(part: PatientsPart, root: bytes) -> PatientsPart:
    if not part.leads_to(root):
        raise IntegrityError(_FALSE)
    return part


def _write(database: sqlite3.Connection, custodian: Address, root: bytes, parts: Iterable[PatientsPart]) -> int:
    added = 0
    for part in parts:
        number = _part_number(database, custodian, root, part)
        rows = [(record.record_id, number, record.salt, b"".join(path)) for record, path in part.records]
        added += database.executemany("INSERT OR IGNORE INTO records VALUES (?, ?, ?, ?)", rows).rowcount
    return added


def _part_number(database: sqlite3.Connection, custodian: Address, root: bytes, part: PatientsPart) -> int:
    key = (custodian, root, part.patient, b"".join(part.path))
    database.execute("INSERT OR IGNORE INTO parts (custodian, root, patient, path) VALUES (?, ?, ?, ?)", key)
    query = "SELECT id FROM parts WHERE custodian = ? AND root = ? AND patient = ? AND path = ?"
    return int(database.execute(query, key).fetchone()[0])


def _split(path: bytes) -> tuple[bytes, ...]:
    return tuple(path[at : at + DIGEST_SIZE] for at in range(0, len(path), DIGEST_SIZE))
