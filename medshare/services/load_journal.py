"""What a custodian's loads have stored: each record once, its batch, and how far that has come.

It is in the file of the journal of publications: a record that was published by itself is not loaded, and the reverse.
A load of a million records is some hundred megabytes there, and a group of them one transaction.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from medshare.hashing import tagged_sha256
from medshare.model.ids import Address, CatalogueId, RecordId
from medshare.services.journal import PublicationJournal, Stage

_NONCE_SIZE = 32
_MIXED = b""
_PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch, as far as it has come."""

    number: int
    stage: Stage
    """STORED while records are added, SENDING once its root is given to the chain, REGISTERED when it is anchored."""
    nonce: bytes
    """Random: what hides the batch's leaves is derived from it, by the custodian's key."""
    root: bytes | None
    catalogue: CatalogueId | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchedPublication:
    """A record that a load has stored."""

    publication_id: str
    record_id: RecordId
    patient: Address
    readers: tuple[bytes, ...] = ()
    """Keys of those who have a packet by a standing grant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientOfBatch:
    """A patient of a batch."""

    patient: Address
    key: bytes
    """Whom his records are sealed for: his key, or that of who took over."""
    standing: bytes
    """A digest of what his grants said when they were sealed; empty where it changed meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A publication that is in the journal already."""

    record_id: RecordId
    stage: Stage
    batch: int | None
    """Its batch, or None where it is published by itself."""


class LoadJournal:
    """The loads of one custodian's client; raises as ``PublicationJournal`` does.

    Args:
        publications: the journal whose file it shares.
    """

    def __init__(self, publications: PublicationJournal) -> None:
        self._publications = publications

    def claimed(self, custodian: Address) -> AbstractContextManager[None]:
        """Hold a custodian's loads, so that no other process adds to them; raises ``LedgerBusyError``."""
        return self._publications.claimed(tagged_sha256("medshare/load/1", custodian.encode()).hex())

    def known(self, publication_ids: Iterable[str]) -> dict[str, Known]:
        """Return what the journal knows of these publications."""
        found = {}
        with self._publications.opened() as database:
            for each in dict.fromkeys(publication_ids):
                row = database.execute(
                    "SELECT record_id, stage, NULL FROM publications WHERE id = ?1 UNION ALL "
                    "SELECT record_id, stage, batch FROM batched JOIN batches ON batch = number WHERE batched.id = ?2",
                    (each, bytes.fromhex(each)),
                ).fetchone()
                if row is not None:
                    found[each] = Known(record_id=RecordId(row[0]), stage=Stage(row[1]), batch=row[2])
        return found

    def unfinished(self, custodian: Address) -> list[Batch]:
        """Return the batches that were not followed to their end and hold something, the oldest first."""
        with self._publications.opened() as database:
            rows = database.execute(
                "SELECT number, stage, nonce, root, catalogue, (SELECT count(*) FROM batched WHERE batch = number)"
                " FROM batches WHERE custodian = ? AND (stage <> ? OR number IN (SELECT batch FROM batch_patients))"
                " ORDER BY number",
                (custodian, Stage.REGISTERED),
            ).fetchall()
        return [batch for batch in map(_batch, rows) if batch.count]

    def begin(self, custodian: Address) -> Batch:
        """Return a new batch."""
        nonce = secrets.token_bytes(_NONCE_SIZE)
        with self._publications.opened() as database, database:
            # One that was begun and got nothing is no batch.
            database.execute(
                "DELETE FROM batches WHERE custodian = ? AND number NOT IN (SELECT batch FROM batched)"
                " AND number NOT IN (SELECT batch FROM batch_dropped) AND stage = ?",
                (custodian, Stage.STORED),
            )
            number = database.execute(
                "INSERT INTO batches (custodian, stage, nonce, pinned) VALUES (?, ?, ?, 0)",
                (custodian, Stage.STORED, nonce),
            ).lastrowid
        return Batch(number=number or 0, stage=Stage.STORED, nonce=nonce, root=None, catalogue=None, count=0)

    def add(
        self, batch: Batch, publications: Sequence[BatchedPublication], patients: Sequence[PatientOfBatch]
    ) -> list[BatchedPublication]:
        """Note records that are stored; all or none of them is durable when this returns.

        From then on what their custodian has published counts as known here.

        Args:
            batch: where they go.
            publications: the records.
            patients: whose they are.

        Returns:
            Those that were new: what somebody else has published meanwhile is not added.
        """
        added = []
        with self._publications.opened() as database, database:
            database.execute("BEGIN IMMEDIATE")
            for each in publications:
                single = database.execute("SELECT 1 FROM publications WHERE id = ?", (each.publication_id,)).fetchone()
                if single is not None:
                    continue
                written = database.execute(
                    "INSERT OR IGNORE INTO batched (id, batch, record_id, patient) VALUES (?, ?, ?, ?)",
                    (bytes.fromhex(each.publication_id), batch.number, each.record_id, each.patient),
                )
                if written.rowcount:
                    added.append(each)
            _write_packets(database, batch, added)
            database.execute(
                "INSERT OR IGNORE INTO known SELECT custodian FROM batches WHERE number = ?", (batch.number,)
            )
            database.executemany(
                "INSERT INTO batch_patients VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE"
                " SET key = ?3, standing = CASE standing WHEN ?4 THEN ?4 ELSE ?5 END",
                [(batch.number, each.patient, each.key, each.standing, _MIXED) for each in patients],
            )
        return added

    def unpinned(self, batch: Batch) -> tuple[list[RecordId], int]:
        """Return the records of a batch that may not be pinned yet, and the place up to which ``pinned`` then is."""
        with self._publications.opened() as database:
            rows = database.execute(
                "SELECT record_id, place FROM batched WHERE batch = ?1"
                " AND place > (SELECT pinned FROM batches WHERE number = ?1) ORDER BY place",
                (batch.number,),
            ).fetchall()
        return [RecordId(row[0]) for row in rows], rows[-1][1] if rows else 0

    def pinned(self, batch: Batch, place: int) -> None:
        """Note that the records of a batch up to this place are pinned."""
        with self._publications.opened() as database, database:
            database.execute("UPDATE batches SET pinned = max(pinned, ?) WHERE number = ?", (place, batch.number))

    def patients(self, batch: Batch) -> Iterator[PatientOfBatch]:
        """Yield the patients of a batch."""
        after = ""
        while True:
            with self._publications.opened() as database:
                rows = database.execute(
                    "SELECT patient, key, standing FROM batch_patients WHERE batch = ? AND patient > ?"
                    " ORDER BY patient LIMIT ?",
                    (batch.number, after, _PAGE),
                ).fetchall()
            for patient, key, standing in rows:
                yield PatientOfBatch(patient=Address(patient), key=key, standing=standing)
            if len(rows) < _PAGE:
                return
            after = rows[-1][0]

    def packets(self, batch: Batch, patient: Address) -> dict[bytes, list[RecordId]]:
        """Return who beside patient and custodian has packets in records of a patient, by his key, and in which."""
        found: dict[bytes, list[RecordId]] = {}
        with self._publications.opened() as database:
            for reader, record_id in database.execute(
                "SELECT reader, record_id FROM batch_packets WHERE batch = ? AND patient = ?"
                " ORDER BY reader, record_id",
                (batch.number, patient),
            ):
                found.setdefault(reader, []).append(RecordId(record_id))
        return found

    def of_patient(self, batch: Batch, patient: Address) -> list[BatchedPublication]:
        """Return the records of a patient in a batch."""
        with self._publications.opened() as database:
            rows = database.execute(
                "SELECT id, record_id FROM batched WHERE batch = ? AND patient = ? ORDER BY place",
                (batch.number, patient),
            ).fetchall()
        return [
            BatchedPublication(publication_id=name.hex(), record_id=RecordId(record_id), patient=patient)
            for name, record_id in rows
        ]

    def records(self, batch: Batch) -> Iterator[tuple[RecordId, Address]]:
        """Yield the records of a batch with their patients, in the order in which they were stored."""
        with self._publications.opened() as database:
            rows = database.execute(
                "SELECT record_id, patient FROM batched WHERE batch = ? ORDER BY place", (batch.number,)
            )
            for record_id, patient in rows:
                yield RecordId(record_id), Address(patient)

    def replaced(self, batch: Batch, earlier: RecordId, later: BatchedPublication) -> None:
        """Note that a record of an open batch was sealed anew: the one is not pinned yet, the other not needed."""
        with self._publications.opened() as database, database:
            # A place is given once, also where what had it was forgotten: those up to one of them count as pinned.
            # SQLite sees to it where a row is inserted, and not where its place is changed.
            name = bytes.fromhex(later.publication_id)
            database.execute("DELETE FROM batched WHERE id = ?", (name,))
            database.execute(
                "INSERT INTO batched (id, batch, record_id, patient) VALUES (?, ?, ?, ?)",
                (name, batch.number, later.record_id, later.patient),
            )
            database.execute(
                "DELETE FROM batch_packets WHERE batch = ? AND patient = ? AND record_id = ?",
                (batch.number, later.patient, earlier),
            )
            _write_packets(database, batch, [later])
            database.execute("INSERT INTO batch_dropped VALUES (?, ?)", (batch.number, earlier))

    def lost(self, batch: Batch, record_id: RecordId) -> None:
        """Forget a record of an open batch, so that it is published anew."""
        with self._publications.opened() as database, database:
            for table in ("batched", "batch_packets"):
                database.execute(
                    f"DELETE FROM {table} WHERE batch = ? AND record_id = ?",  # noqa: S608 - the two above
                    (batch.number, record_id),
                )

    def dropped(self, batch: Batch) -> list[RecordId]:
        """Return the records that were in a batch and are to be unpinned."""
        with self._publications.opened() as database:
            rows = database.execute("SELECT record_id FROM batch_dropped WHERE batch = ?", (batch.number,)).fetchall()
        return [RecordId(record_id) for (record_id,) in rows]

    def let_go(self, batch: Batch, record_id: RecordId) -> None:
        """Note that a record that was in a batch is unpinned."""
        with self._publications.opened() as database, database:
            database.execute("DELETE FROM batch_dropped WHERE batch = ? AND record_id = ?", (batch.number, record_id))

    def give_up(self, batch: Batch) -> None:
        """Forget what is in a batch that no chain knows of, so that it is published anew; all of it is to be unpinned.

        Until it is, the batch is among ``given_up``; then it is as one that was begun and got nothing.
        """
        with self._publications.opened() as database, database:
            database.execute(
                "INSERT INTO batch_dropped SELECT batch, record_id FROM batched WHERE batch = ?1"
                " UNION ALL SELECT number, catalogue FROM batches WHERE number = ?1 AND catalogue IS NOT NULL",
                (batch.number,),
            )
            for table in ("batched", "batch_patients", "batch_packets"):
                database.execute(f"DELETE FROM {table} WHERE batch = ?", (batch.number,))  # noqa: S608 - the three above
            database.execute("UPDATE batches SET stage = ? WHERE number = ?", (Stage.STORED, batch.number))

    def given_up(self, custodian: Address) -> list[Batch]:
        """Return the batches that hold nothing any more, and of which something is to be unpinned."""
        with self._publications.opened() as database:
            rows = database.execute(
                "SELECT number, stage, nonce, root, catalogue, 0 FROM batches WHERE custodian = ? AND stage = ?"
                " AND number NOT IN (SELECT batch FROM batched) AND number IN (SELECT batch FROM batch_dropped)"
                " ORDER BY number",
                (custodian, Stage.STORED),
            ).fetchall()
        return [_batch(row) for row in rows]

    def settled(self, batch: Batch, patient: PatientOfBatch) -> None:
        """Note what a patient's grants say of all his records in a batch."""
        with self._publications.opened() as database, database:
            database.execute(
                "INSERT OR REPLACE INTO batch_patients VALUES (?, ?, ?, ?)",
                (batch.number, patient.patient, patient.key, patient.standing),
            )

    def catalogued(self, batch: Batch, root: bytes, catalogue: CatalogueId) -> None:
        """Note the root of a batch, and the catalogue that is stored for it."""
        with self._publications.opened() as database, database:
            database.execute(
                "INSERT INTO batch_dropped SELECT number, catalogue FROM batches"
                " WHERE number = ? AND catalogue IS NOT NULL AND catalogue <> ?",
                (batch.number, catalogue),
            )
            database.execute(
                "UPDATE batches SET root = ?, catalogue = ? WHERE number = ?", (root, catalogue, batch.number)
            )

    def sending(self, batch: Batch) -> None:
        """Note that a batch is given to the chain: nothing may be changed in it any more."""
        with self._publications.opened() as database, database:
            database.execute("UPDATE batches SET stage = ? WHERE number = ?", (Stage.SENDING, batch.number))

    def signed(self, custodian: Address, root: bytes, deadline: int) -> None:
        """Note that a custodian has signed a root for another to pay, and until when the chain takes it."""
        with self._publications.opened() as database, database:
            database.execute(
                "INSERT INTO batch_signed VALUES (?, ?, ?)"
                " ON CONFLICT DO UPDATE SET deadline = max(deadline, excluded.deadline)",
                (custodian, root, deadline),
            )

    def signed_until(self, custodian: Address, root: bytes) -> int | None:
        """Return until when the chain takes what a custodian has signed of a root; None where he has signed nothing."""
        with self._publications.opened() as database:
            row = database.execute(
                "SELECT deadline FROM batch_signed WHERE custodian = ? AND root = ?", (custodian, root)
            ).fetchone()
        return None if row is None else row[0]

    def anchored(self, batch: Batch) -> None:
        """Note that a batch is on chain."""
        with self._publications.opened() as database, database:
            database.execute("UPDATE batches SET stage = ? WHERE number = ?", (Stage.REGISTERED, batch.number))

    def finished(self, batch: Batch) -> None:
        """Note that a batch that is on chain is right for whom it should be."""
        with self._publications.opened() as database, database:
            database.execute("DELETE FROM batch_patients WHERE batch = ?", (batch.number,))
            database.execute("DELETE FROM batch_packets WHERE batch = ?", (batch.number,))


def _write_packets(database: sqlite3.Connection, batch: Batch, publications: Iterable[BatchedPublication]) -> None:
    database.executemany(
        "INSERT OR IGNORE INTO batch_packets VALUES (?, ?, ?, ?)",
        [(batch.number, each.patient, reader, each.record_id) for each in publications for reader in each.readers],
    )


def _batch(row: tuple[int, str, bytes, bytes | None, bytes | None, int]) -> Batch:
    number, stage, nonce, root, catalogue, count = row
    return Batch(
        number=number,
        stage=Stage(stage),
        nonce=nonce,
        root=root,
        catalogue=None if catalogue is None else CatalogueId(catalogue),
        count=count,
    )
