"""How far erasures have come, and what was answered: enough to go on after a crash, and to ask who has not answered.

It holds no key and no plaintext: ids, the names of encrypted blocks, addresses, and what was signed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from medshare.content import Cid
from medshare.errors import LedgerBusyError
from medshare.files import PRIVATE_FILE, private_folder
from medshare.model.documents import Reader, decode_document, encode_document
from medshare.model.erasure import (
    MAX_BLOCKS,
    MAX_CERTIFICATE_SIZE,
    MAX_READERS,
    MAX_VERSIONS,
    Acknowledgement,
    Certificate,
    ErasureNotice,
    Ground,
    Statement,
    ToldReader,
)
from medshare.model.ids import Address, RecordId
from medshare.services.database import opened

_HINT = "restore erasures.sqlite from a backup; without it, erase again: what is gone stays gone"
_MAX_DAYS = 1_000
_MAX_TIME = (1 << 32) - 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS erasures (
    custodian TEXT NOT NULL, record BLOB NOT NULL, stage TEXT NOT NULL, plan BLOB NOT NULL, certificate BLOB,
    PRIMARY KEY (custodian, record)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS acknowledgements (
    custodian TEXT NOT NULL, record BLOB NOT NULL, reader TEXT NOT NULL, statement BLOB NOT NULL,
    PRIMARY KEY (custodian, record, reader)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notices (
    custodian TEXT NOT NULL, record BLOB NOT NULL, statement BLOB NOT NULL,
    PRIMARY KEY (custodian, record)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answered (
    account TEXT NOT NULL, custodian TEXT NOT NULL, record BLOB NOT NULL,
    PRIMARY KEY (account, custodian, record)
) WITHOUT ROWID;
"""


class ErasureStage(StrEnum):
    """How far an erasure has come."""

    PLANNED = "planned"
    """Nothing stood against it; what is to be erased is written down."""
    MARKED = "marked"
    """The chain says that the record is erased: there is no way back."""
    ERASED = "erased"
    """No store that is named holds a block of it, and the certificate is issued."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasurePlan:
    """What is to be erased, and who is to be told."""

    custodian: Address
    patient: Address
    record_id: RecordId
    """The newest version."""
    versions: tuple[RecordId, ...]
    """All of them, newest first."""
    releases: tuple[bytes, ...]
    """Bundles of emergencies that are over, in which keys of it were released: ids."""
    blocks: tuple[Cid, ...]
    """All blocks of both."""
    unlisted: tuple[RecordId, ...]
    """Versions of which no store had all nodes any more, so that not every block is known."""
    readers: tuple[ToldReader, ...]
    policy: bytes
    jurisdiction: str
    acknowledge_within: int
    """Days."""
    reason: bytes
    """Salted digest."""

    @property
    def roots(self) -> tuple[Cid, ...]:
        """What is unpinned."""
        return tuple(Cid.of_directory(each) for each in (*self.versions, *self.releases))

    def to_json(self) -> bytes:
        """Return the document that ``from_json`` reads."""
        fields: dict[str, Any] = {
            "custodian": self.custodian,
            "patient": self.patient,
            "record": self.record_id.hex(),
            "versions": [each.hex() for each in self.versions],
            "releases": [each.hex() for each in self.releases],
            "blocks": [str(each) for each in self.blocks],
            "unlisted": [each.hex() for each in self.unlisted],
            "readers": [{"reader": each.reader, "ground": each.ground.value} for each in self.readers],
            "policy": self.policy.hex(),
            "jurisdiction": self.jurisdiction,
            "acknowledge_within": self.acknowledge_within,
            "reason": self.reason.hex(),
        }
        return encode_document(fields)

    @classmethod
    def from_json(cls, document: bytes) -> Self:
        """Return the plan that ``document`` holds; raises ``InvalidInputError``."""
        read = Reader(decode_document(document, MAX_CERTIFICATE_SIZE), "erasure plan")
        return cls(
            custodian=read.address("custodian"),
            patient=read.address("patient"),
            record_id=RecordId(read.digest("record")),
            versions=tuple(map(RecordId, read.digests("versions", MAX_VERSIONS))),
            releases=read.digests("releases", MAX_VERSIONS),
            blocks=tuple(map(Cid.parse, read.texts("blocks", MAX_BLOCKS))),
            unlisted=tuple(map(RecordId, read.digests("unlisted", MAX_VERSIONS))),
            readers=tuple(
                ToldReader(reader=each.address("reader"), ground=each.choice("ground", Ground))
                for each in read.objects("readers", MAX_READERS)
            ),
            policy=read.digest("policy"),
            jurisdiction=read.text("jurisdiction"),
            acknowledge_within=read.integer("acknowledge_within", 1, _MAX_DAYS),
            reason=read.digest("reason"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureEntry:
    """An erasure, as far as it has come."""

    plan: ErasurePlan
    stage: ErasureStage
    certificate: Statement[Certificate] | None


class ErasureJournal:
    """The journal of one client: of custodians, and of what readers and patients here were told and have answered.

    Every method raises ``ConfigurationError`` where its file is damaged, and ``StoreFullError`` on a full disk.

    Args:
        folder: where the journal and its locks are; created where missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = private_folder(folder)
        self._path = folder / "erasures.sqlite"

    @contextmanager
    def claimed(self, custodian: Address, record_id: RecordId) -> Iterator[None]:
        """Hold an erasure, so that no other process works on it; raises ``LedgerBusyError`` where one does."""
        name = f"erase-{custodian}-{record_id.hex()}.lock"
        lock = FileLock(private_folder(self._folder / "locks") / name, mode=PRIVATE_FILE)
        try:
            with lock.acquire(timeout=0):
                yield
        except Timeout as error:
            raise LedgerBusyError("another process is erasing the same record") from error

    def find(self, custodian: Address, record_id: RecordId) -> ErasureEntry | None:
        """Return how far an erasure has come, or None where none was begun; ``record_id`` is the newest version."""
        with self._open() as database:
            row = database.execute(
                "SELECT stage, plan, certificate FROM erasures WHERE custodian = ? AND record = ?",
                (custodian, record_id),
            ).fetchone()
        return None if row is None else _entry(row)

    def all(self, custodian: Address) -> list[ErasureEntry]:
        """Return all erasures that a custodian began."""
        with self._open() as database:
            rows = database.execute(
                "SELECT stage, plan, certificate FROM erasures WHERE custodian = ?", (custodian,)
            ).fetchall()
        return [_entry(row) for row in rows]

    def write(self, plan: ErasurePlan, stage: ErasureStage, certificate: Statement[Certificate] | None = None) -> None:
        """Note how far an erasure has come; durable when this returns."""
        with self._open() as database, database:
            database.execute(
                "INSERT OR REPLACE INTO erasures VALUES (?, ?, ?, ?, ?)",
                (
                    plan.custodian,
                    plan.record_id,
                    stage,
                    plan.to_json(),
                    None if certificate is None else certificate.to_json(),
                ),
            )

    # ----------------------------------------------------------------------------------------------- answers

    def take(self, statement: Statement[Acknowledgement]) -> None:
        """Keep what a reader has answered, in the place of an earlier answer; the caller has checked it."""
        said = statement.stated
        with self._open() as database, database:
            database.execute(
                "INSERT OR REPLACE INTO acknowledgements VALUES (?, ?, ?, ?)",
                (said.custodian, said.record_id, said.reader, statement.to_json()),
            )

    def taken(self, custodian: Address, record_id: RecordId) -> dict[Address, Statement[Acknowledgement]]:
        """Return what readers have answered."""
        with self._open() as database:
            rows = database.execute(
                "SELECT statement FROM acknowledgements WHERE custodian = ? AND record = ? ORDER BY reader",
                (custodian, record_id),
            ).fetchall()
        found = [Statement.from_json(Acknowledgement, row[0]) for row in rows]
        return {each.stated.reader: each for each in found}

    def keep_notice(self, statement: Statement[ErasureNotice]) -> None:
        """Keep a custodian's notice, in the place of an earlier one; the caller has checked it."""
        said = statement.stated
        with self._open() as database, database:
            database.execute(
                "INSERT OR REPLACE INTO notices VALUES (?, ?, ?)",
                (said.custodian, said.record_id, statement.to_json()),
            )

    def notices(self) -> dict[tuple[Address, RecordId], ErasureNotice]:
        """Return the notices that are kept, by custodian and newest version."""
        with self._open() as database:
            rows = database.execute("SELECT statement FROM notices").fetchall()
        found = [Statement.from_json(ErasureNotice, row[0]).stated for row in rows]
        return {(each.custodian, each.record_id): each for each in found}

    def answer(self, account: Address, custodian: Address, record_id: RecordId) -> None:
        """Note that an account of this home has done what an erasure asks of it."""
        with self._open() as database, database:
            database.execute("INSERT OR IGNORE INTO answered VALUES (?, ?, ?)", (account, custodian, record_id))

    def answered(self, account: Address) -> set[tuple[Address, RecordId]]:
        """Return to what an account of this home has answered: custodian and newest version."""
        with self._open() as database:
            rows = database.execute("SELECT custodian, record FROM answered WHERE account = ?", (account,)).fetchall()
        return {(Address(custodian), RecordId(record)) for custodian, record in rows}

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with opened(self._path, "the journal of erasures", hint=_HINT) as database:
            database.executescript(_SCHEMA)
            yield database


def _entry(row: tuple[str, bytes, bytes | None]) -> ErasureEntry:
    stage, plan, certificate = row
    return ErasureEntry(
        plan=ErasurePlan.from_json(plan),
        stage=ErasureStage(stage),
        certificate=None if certificate is None else Statement.from_json(Certificate, certificate),
    )
