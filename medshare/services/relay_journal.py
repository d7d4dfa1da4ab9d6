"""The relayer's journal: what is on its way, and what is done, so that a restart neither forgets nor repeats."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from medshare.model.typed_data import SignedMessage
from medshare.ports import CallOutcome
from medshare.services.database import opened

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sent (intent TEXT NOT NULL, place INTEGER NOT NULL, document BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS done (digest BLOB PRIMARY KEY, tx_hash BLOB NOT NULL, block INTEGER NOT NULL);
"""
_HINT = "move it away: what was sent and not confirmed is then looked up on chain, where nothing is done twice"


@dataclass(frozen=True, slots=True, kw_only=True)
class DoneBefore:
    """In which transaction a message was done."""

    tx_hash: bytes
    block_number: int


class RelayJournal:
    """The journal of one relayer on one deployment.

    Every method raises ``StoreFullError``, ``LedgerBusyError`` or ``ConfigurationError`` where the file cannot be used.

    Args:
        path: the SQLite file; its folder exists.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def begin(self, intent: str, batch: Sequence[SignedMessage]) -> None:
        """Write down a batch before it is sent."""
        with self._open() as database, database:
            database.executemany(
                "INSERT INTO sent VALUES (?, ?, ?)",
                [(intent, place, signed.to_json()) for place, signed in enumerate(batch)],
            )

    def finish(self, intent: str, batch: Sequence[SignedMessage], outcomes: Sequence[CallOutcome]) -> None:
        """Write down what became of a batch. What was refused may be tried again, and is forgotten."""
        done = [
            (signed.digest, outcome.receipt.tx_hash, outcome.receipt.block.number)
            for signed, outcome in zip(batch, outcomes, strict=True)
            if outcome.done and outcome.receipt is not None
        ]
        with self._open() as database, database:
            database.executemany("INSERT OR IGNORE INTO done VALUES (?, ?, ?)", done)
            database.execute("DELETE FROM sent WHERE intent = ?", (intent,))

    def abandon(self, intent: str) -> None:
        """Forget a batch that cannot be mined."""
        with self._open() as database, database:
            database.execute("DELETE FROM sent WHERE intent = ?", (intent,))

    def on_their_way(self) -> dict[str, tuple[SignedMessage, ...]]:
        """Return the batches of which nobody knows what became, by intent, oldest first."""
        with self._open() as database:
            rows = database.execute("SELECT intent, document FROM sent ORDER BY rowid, place").fetchall()
        batches: dict[str, tuple[SignedMessage, ...]] = {}
        for intent, document in rows:
            batches[intent] = (*batches.get(intent, ()), SignedMessage.from_json(document))
        return batches

    def done(self, digests: Iterable[bytes]) -> dict[bytes, DoneBefore]:
        """Return which messages are done, and where."""
        with self._open() as database:
            rows = [
                row
                for digest in digests
                for row in database.execute("SELECT digest, tx_hash, block FROM done WHERE digest = ?", (digest,))
            ]
        return {digest: DoneBefore(tx_hash=tx_hash, block_number=block) for digest, tx_hash, block in rows}

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with opened(self._path, "the relayer's journal", hint=_HINT) as database:
            database.executescript(_SCHEMA)
            yield database
