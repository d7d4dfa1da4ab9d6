"""What a client has begun with requests: enough to open none twice, and to send the same acceptance again.

It holds no key and no study. An opening's key is a secret of its requester, so that a stolen journal does not let
anybody test a guess about a study.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from filelock import FileLock, Timeout

from medshare.errors import LedgerBusyError
from medshare.files import PRIVATE_FILE, private_folder
from medshare.model.acceptance import SignedAcceptance
from medshare.model.ids import Address, DocumentId, RequestId
from medshare.services.database import opened

_HINT = "restore requests.sqlite from a backup; without it, a study that was being opened may be opened again"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS openings (
    key BLOB PRIMARY KEY, stage TEXT NOT NULL, document BLOB NOT NULL, invitees BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS acceptances (
    request_id INTEGER NOT NULL, patient TEXT NOT NULL, said BLOB NOT NULL, document BLOB NOT NULL,
    PRIMARY KEY (request_id, patient)
) WITHOUT ROWID;
"""


class OpeningStage(StrEnum):
    """How far the opening of a request has come."""

    STORED = "stored"
    """The study is in the store, and no chain knows of it."""
    SENDING = "sending"
    """Given to the chain: a transaction may be on its way, and no other study may take its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """The opening of a request, as far as it has come."""

    key: bytes
    stage: OpeningStage
    document: DocumentId
    invitees: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedBefore:
    """An acceptance that was signed here, and not known to be on chain."""

    said: bytes
    """Digest of what the patient wanted."""
    signed: SignedAcceptance


class RequestJournal:
    """The journal of one client on one deployment.

    Every method raises ``ConfigurationError`` where its file is damaged, and ``StoreFullError`` on a full disk.

    Args:
        folder: where the journal and its locks are; created where missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = private_folder(folder)
        self._path = folder / "requests.sqlite"

    @contextmanager
    def claimed(self, key: bytes) -> Iterator[None]:
        """Hold an opening or an acceptance, so that no other process works on it; raises ``LedgerBusyError``."""
        lock = FileLock(private_folder(self._folder / "locks") / f"request-{key.hex()}.lock", mode=PRIVATE_FILE)
        try:
            with lock.acquire(timeout=0):
                yield
        except Timeout as error:
            raise LedgerBusyError("another process is working on the same request") from error

    def opening(self, key: bytes) -> Opening | None:
        """Return how far an opening has come, or None where nothing was stored."""
        with self._open() as database:
            row = database.execute("SELECT stage, document, invitees FROM openings WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        return Opening(key=key, stage=OpeningStage(row[0]), document=DocumentId(row[1]), invitees=row[2])

    def write_opening(self, opening: Opening) -> None:
        """Note how far an opening has come; durable when this returns."""
        row = (opening.key, opening.stage, opening.document, opening.invitees)
        with self._open() as database, database:
            database.execute("INSERT OR REPLACE INTO openings VALUES (?, ?, ?, ?)", row)

    def forget_opening(self, key: bytes) -> None:
        """Forget an opening, so that it begins anew."""
        with self._open() as database, database:
            database.execute("DELETE FROM openings WHERE key = ?", (key,))

    def acceptance(self, request_id: RequestId, patient: Address) -> SignedBefore | None:
        """Return what a patient signed to accept a request, or None."""
        return next((each for each in self.acceptances(patient) if each.signed.request_id == request_id), None)

    def acceptances(self, patient: Address) -> list[SignedBefore]:
        """Return what a patient signed to accept requests."""
        query = "SELECT said, document FROM acceptances WHERE patient = ?"
        with self._open() as database:
            rows = database.execute(query, (patient,)).fetchall()
        return [SignedBefore(said=said, signed=SignedAcceptance.from_json(document)) for said, document in rows]

    def write_acceptance(self, before: SignedBefore) -> None:
        """Note what was signed, in the place of what was signed before; durable when this returns."""
        signed = before.signed
        row = (signed.request_id, signed.patient, before.said, signed.to_json())
        with self._open() as database, database:
            database.execute("INSERT OR REPLACE INTO acceptances VALUES (?, ?, ?, ?)", row)

    def forget_acceptance(self, request_id: RequestId, patient: Address) -> None:
        """Forget what was signed: it is on chain, or never will be."""
        with self._open() as database, database:
            database.execute("DELETE FROM acceptances WHERE request_id = ? AND patient = ?", (request_id, patient))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with opened(self._path, "the journal of requests", hint=_HINT) as database:
            database.executescript(_SCHEMA)
            yield database
