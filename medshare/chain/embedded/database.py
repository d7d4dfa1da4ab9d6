"""The embedded chain's memory: one SQLite file, one commit for each block.

py-evm's trie nodes, headers and code lie in ``state``. Blocks, transactions and logs are kept a second time as the
JSON that is asked for, so that a receipt is one look-up and a log query one range scan. Everything that belongs to a
block is written in one SQLite transaction: after a crash the chain ends with a whole block, or with the one before.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth.db.backends.base import BaseDB

from medshare.errors import ConfigurationError, LedgerUnavailableError
from medshare.files import out_of_space_is_typed

SCHEMA_VERSION = 1
_APPLICATION_ID = 0x6D656473
_CACHE_ENTRIES = 50_000
_SCHEMA = """
CREATE TABLE state (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE blocks (number INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, body TEXT NOT NULL);
CREATE TABLE transactions (hash BLOB PRIMARY KEY, body TEXT NOT NULL, receipt TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE logs (
    block INTEGER NOT NULL, log_index INTEGER NOT NULL, address BLOB NOT NULL, topic BLOB NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (block, log_index)
) WITHOUT ROWID;
"""

_PRIMARY_CODE = 0xFF  # SQLite's extended codes hold the code they refine in their lowest byte
_MUST_WRITE = (
    "to read is to lock it, too: let this user write in the folder `embedded` of the home, or work in a copy of it all"
)
_RESTORE = "restore the folder `embedded` of the home from a backup, all of its files together"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class MinedBlock:
    """A block with what a node is asked about it, as JSON-RPC spells it."""

    number: int
    hash: bytes
    body: Json
    transactions: Sequence[tuple[bytes, Json, Json]]
    """Hash, transaction, receipt."""


class ChainDatabase(BaseDB):  # type: ignore[misc]  # py-evm ships no types: its classes are Any
    """Key/value store for py-evm, and tables of blocks, transactions and logs.

    Writes are held back until ``commit``; reads see them at once. Not for several threads at a time.
    """

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._pending: dict[bytes, bytes | None] = {}
        self._cache: dict[bytes, bytes] = {}
        try:
            self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA journal_mode = WAL")
        # In WAL mode a killed process loses nothing, and a power cut at most the last blocks since the file was closed:
        # never half a block. Waiting for the disk at each block would take longer than mining it.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version == SCHEMA_VERSION:
            return
        if version != 0:
            raise ConfigurationError(
                f"the embedded chain has format {version}, this medshare reads {SCHEMA_VERSION}",
                hint="open it with the version of medshare that made it",
            )
        self._connection.executescript(
            f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA application_id = {_APPLICATION_ID};"
            f" PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        )

    # ------------------------------------------------------------------------------------- py-evm's store

    def __getitem__(self, key: bytes) -> bytes:
        if key in self._pending:
            value = self._pending[key]
            if value is None:
                raise KeyError(key)
            return value
        cached = self._cache.get(key)
        if cached is not None:
            return cached
        row = self._connection.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
        if row is None:
            raise KeyError(key)
        self._remember(key, row[0])
        return bytes(row[0])

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._pending[key] = value

    def __delitem__(self, key: bytes) -> None:
        if key not in self:
            raise KeyError(key)
        self._pending[key] = None

    def _exists(self, key: bytes) -> bool:
        try:
            self[key]
        except KeyError:
            return False
        return True

    def _remember(self, key: bytes, value: bytes) -> None:
        if len(self._cache) >= _CACHE_ENTRIES:
            self._cache.clear()
        self._cache[key] = value

    # --------------------------------------------------------------------------------------------- blocks

    def commit(self, block: MinedBlock) -> None:
        """Make ``block`` and everything written since the last commit durable, in one transaction."""
        execute, many = self._connection.execute, self._connection.executemany
        execute("BEGIN IMMEDIATE")
        try:
            many(
                "INSERT OR REPLACE INTO state VALUES (?, ?)",
                [(key, value) for key, value in self._pending.items() if value is not None],
            )
            many("DELETE FROM state WHERE key = ?", [(key,) for key, value in self._pending.items() if value is None])
            execute("INSERT INTO blocks VALUES (?, ?, ?)", (block.number, block.hash, json.dumps(block.body)))
            for tx_hash, body, receipt in block.transactions:
                execute("INSERT INTO transactions VALUES (?, ?, ?)", (tx_hash, json.dumps(body), json.dumps(receipt)))
                many("INSERT INTO logs VALUES (?, ?, ?, ?, ?)", [_log_row(log) for log in receipt["logs"]])
            execute("COMMIT")
        except BaseException:
            self._connection.rollback()
            self.discard()
            raise
        for key, value in self._pending.items():
            if value is None:
                self._cache.pop(key, None)
            else:
                self._remember(key, value)
        self._pending.clear()

    def discard(self) -> None:
        """Forget what was written since the last commit."""
        self._pending.clear()

    def is_empty(self) -> bool:
        """Whether no block was ever committed."""
        return self._connection.execute("SELECT 1 FROM blocks LIMIT 1").fetchone() is None

    def block(self, key: int | bytes) -> Json | None:
        """Return the block of this number or hash, as JSON."""
        column = "number" if isinstance(key, int) else "hash"
        return self._one(f"SELECT body FROM blocks WHERE {column} = ?", key)  # noqa: S608 - one of two constants

    def transaction(self, tx_hash: bytes) -> Json | None:
        """Return the transaction of this hash, as JSON."""
        return self._one("SELECT body FROM transactions WHERE hash = ?", tx_hash)

    def receipt(self, tx_hash: bytes) -> Json | None:
        """Return the receipt of this transaction, as JSON."""
        return self._one("SELECT receipt FROM transactions WHERE hash = ?", tx_hash)

    def logs(self, first: int, last: int) -> Iterator[tuple[bytes, bytes, Json]]:
        """Yield address, first topic and JSON of every log in the blocks ``first`` to ``last``, in chain order."""
        rows = self._connection.execute(
            "SELECT address, topic, body FROM logs WHERE block BETWEEN ? AND ? ORDER BY block, log_index",
            (first, last),
        )
        for address, topic, body in rows:
            yield address, topic, json.loads(body)

    def close(self) -> None:
        """Write everything through to the disk and close the file; closing twice is no error."""
        # Where the disk does not take it, all of it stays in the journal beside the file, for who opens it next.
        with suppress(sqlite3.ProgrammingError, sqlite3.OperationalError):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()

    def _one(self, query: str, key: int | bytes) -> Json | None:
        row = self._connection.execute(query, (key,)).fetchone()
        if row is None:
            return None
        found: Json = json.loads(row[0])
        return found


@contextmanager
def disk_errors() -> Iterator[None]:
    """Every error of the disk below the chain, as ours.

    Raises:
        StoreFullError: the disk is full.
        ConfigurationError: this user may not write there, or the file is damaged.
        LedgerUnavailableError: the disk failed.
    """
    try:
        with out_of_space_is_typed("the embedded chain"):
            yield
    except OSError as error:
        raise ConfigurationError(f"the embedded chain cannot be locked: {error.strerror}", hint=_MUST_WRITE) from error
    except sqlite3.Error as error:
        match getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE:
            case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
                raise ConfigurationError("the embedded chain's file cannot be written", hint=_MUST_WRITE) from error
            case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
                raise ConfigurationError("the embedded chain is damaged", hint=_RESTORE) from error
            case _:
                raise LedgerUnavailableError("the embedded chain's disk failed") from error


def _log_row(log: Json) -> tuple[int, int, bytes, bytes, str]:
    topic = bytes.fromhex(log["topics"][0][2:]) if log["topics"] else b""
    return (
        int(log["blockNumber"], 16),
        int(log["logIndex"], 16),
        bytes.fromhex(log["address"][2:]),
        topic,
        json.dumps(log),
    )
