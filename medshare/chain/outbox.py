"""The outbox: every transaction that was signed, written down before it is sent.

What was signed may be mined, whatever the wire says. So a transaction that is in doubt is sent again as it is, byte by
byte, and never signed anew while it can still be mined.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from medshare.errors import ConfigurationError, LedgerUnavailableError
from medshare.files import PRIVATE_FILE, out_of_space_is_typed, private_folder
from medshare.model.ids import Address

SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE transactions (
    id INTEGER PRIMARY KEY, chain TEXT NOT NULL, account TEXT NOT NULL, nonce INTEGER NOT NULL, tx_hash BLOB NOT NULL,
    raw BLOB NOT NULL, payload BLOB NOT NULL, intent TEXT, state TEXT NOT NULL, written_at INTEGER NOT NULL,
    UNIQUE (chain, tx_hash)
);
CREATE INDEX by_state ON transactions (chain, account, state, nonce);
CREATE INDEX by_intent ON transactions (chain, account, intent) WHERE intent IS NOT NULL;
"""
_COLUMNS = "id, account, nonce, tx_hash, raw, payload, intent, state"
_BUSY_TIMEOUT = 30.0


class EntryState(StrEnum):
    """What is known of a transaction."""

    SIGNED = "signed"
    """It may be anywhere: only here, on its way, waiting, or mined."""
    MINED = "mined"
    FAILED = "failed"
    """Mined, and reverted: it had no effect."""
    DEAD = "dead"
    """It can never be mined: its nonce was used otherwise, or the node would not take it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A signed transaction."""

    number: int
    account: Address
    nonce: int
    tx_hash: bytes
    raw: bytes
    payload: bytes
    """Digest of what it does, without nonce and fees."""
    intent: str | None
    state: EntryState


class Outbox:
    """The outbox of one chain in a SQLite file; several processes may use it at once.

    Args:
        path: the file.
        chain: ``ChainClient.identity``: entries of other chains are not seen.
    """

    def __init__(self, path: Path, chain: str) -> None:
        private_folder(path.parent)
        self._chain = chain
        self._mutex = threading.Lock()
        with _typed():
            path.touch(mode=PRIVATE_FILE)
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
            )
        with self._transaction(), _typed():
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if version == 0:
                for statement in filter(str.strip, _SCHEMA.split(";")):
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        if version not in (0, SCHEMA_VERSION):
            self._connection.close()
            raise ConfigurationError(f"the outbox has format {version}, this medshare reads {SCHEMA_VERSION}")

    def close(self) -> None:
        """Close the file; closing twice is no error."""
        self._connection.close()

    def add(
        self, *, account: Address, nonce: int, tx_hash: bytes, raw: bytes, payload: bytes, intent: str | None
    ) -> Entry:
        """Write a transaction down; it is durable when this returns."""
        with self._transaction() as connection:
            cursor = connection.execute(
                # Signing is deterministic: the bytes of one that the node refused before may come again.
                "INSERT OR REPLACE INTO transactions"
                " (chain, account, nonce, tx_hash, raw, payload, intent, state, written_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (self._chain, account, nonce, tx_hash, raw, payload, intent, EntryState.SIGNED, int(time.time())),
            )
            number = cursor.lastrowid
        return Entry(
            number=number or 0,
            account=account,
            nonce=nonce,
            tx_hash=tx_hash,
            raw=raw,
            payload=payload,
            intent=intent,
            state=EntryState.SIGNED,
        )

    def settle(self, entry: Entry, state: EntryState) -> None:
        """Write down what became of a transaction."""
        with self._transaction() as connection:
            connection.execute("UPDATE transactions SET state = ? WHERE id = ?", (state, entry.number))

    def settle_race(self, winner: Entry, state: EntryState) -> None:
        """Write down what became of a transaction, and that its rivals for the nonce can never be mined."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE transactions SET state = ? WHERE chain = ? AND account = ? AND nonce = ? AND state = ?",
                (EntryState.DEAD, self._chain, winner.account, winner.nonce, EntryState.SIGNED),
            )
            connection.execute("UPDATE transactions SET state = ? WHERE id = ?", (state, winner.number))

    def race(self, account: Address, intent: str) -> list[Entry]:
        """Return the transactions that were last made for an intent, oldest first: all of one nonce, each dearer."""
        found = self._select("AND account = ? AND intent = ? ORDER BY id", account, intent)
        return [entry for entry in found if entry.nonce == found[-1].nonce]

    def rivals(self, entry: Entry) -> list[Entry]:
        """Return what was signed for the same nonce and may still be mined, oldest first; the entry is one of them."""
        return self._select(
            "AND account = ? AND nonce = ? AND payload = ? AND state = ? ORDER BY id",
            entry.account,
            entry.nonce,
            entry.payload,
            EntryState.SIGNED,
        )

    def unsettled(self, account: Address) -> list[Entry]:
        """Return the transactions of which nobody knows what became, by nonce."""
        return self._select("AND account = ? AND state = ? ORDER BY nonce, id", account, EntryState.SIGNED)

    def _select(self, condition: str, *values: object) -> list[Entry]:
        query = f"SELECT {_COLUMNS} FROM transactions WHERE chain = ? {condition}"  # noqa: S608 - constants only
        with self._mutex, _typed():
            rows = self._connection.execute(query, (self._chain, *values)).fetchall()
        return [
            Entry(
                number=number,
                account=Address(account),
                nonce=nonce,
                tx_hash=tx_hash,
                raw=raw,
                payload=payload,
                intent=intent,
                state=EntryState(state),
            )
            for number, account, nonce, tx_hash, raw, payload, intent, state in rows
        ]

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._mutex, _typed():
            # FULL: what is sent after this must be found again even after a power cut.
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.rollback()
                raise
            self._connection.execute("COMMIT")


@contextmanager
def _typed() -> Iterator[None]:
    try:
        with out_of_space_is_typed("the outbox"):
            yield
    except (OSError, sqlite3.Error) as error:
        raise LedgerUnavailableError(
            f"the outbox cannot be used ({type(error).__name__})", hint="check space and rights in medshare's folder"
        ) from error
