"""Small blocks that came by the hundred, in one SQLite file: one barrier for all of them, and no file for each.

A file for each block of a million small records would be five million files. What is here is whole or not there, as a
transaction is; what is removed is overwritten. The store that has this file holds its own lock where it is written.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from medshare.content import Block, Cid
from medshare.errors import StoreUnavailableError
from medshare.files import PRIVATE_FILE, out_of_space_is_typed

SMALL: Final = 16 * 1024
"""Bytes up to which a block is small."""
MANY: Final = 64
"""So many small blocks, or pins, that come at once go here."""

_BUSY_SECONDS: Final = 60.0
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS blocks (cid BLOB PRIMARY KEY, born INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS pins (cid BLOB PRIMARY KEY, pinned_at INTEGER NOT NULL) WITHOUT ROWID;
"""


class SmallBlocks:
    """Blocks and pins in one file, made when the first of them comes. Safe for several threads and processes.

    Every method raises ``StoreUnavailableError`` where the file cannot be used, and ``StoreFullError`` on a full disk.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mutex = threading.RLock()
        self._connection: sqlite3.Connection | None = None

    def get(self, cid: Cid) -> bytes | None:
        """Return a block's bytes, not verified, or None where it is not here."""
        row = self._row("SELECT data FROM blocks WHERE cid = ?", bytes(cid))
        return None if row is None else bytes(row[0])

    def size(self, cid: Cid) -> int | None:
        """Return how long a block is, or None where it is not here."""
        row = self._row("SELECT length(data) FROM blocks WHERE cid = ?", bytes(cid))
        return None if row is None else int(row[0])

    def put(self, blocks: Iterable[Block], *, born: int) -> None:
        """Write blocks, durably; a damaged copy is replaced.

        Args:
            blocks: the blocks.
            born: when they come, Unix nanoseconds, as all times here.
        """
        with self._written() as database:
            database.executemany(
                "INSERT OR REPLACE INTO blocks VALUES (?, ?, ?)",
                [(bytes(block.cid), born, bytes(block.data)) for block in blocks],
            )

    def renew(self, cids: Iterable[Cid], *, born: int) -> None:
        """Let blocks that are here count as if they had come at ``born``."""
        with self._written() as database:
            database.executemany("UPDATE blocks SET born = ? WHERE cid = ?", [(born, bytes(cid)) for cid in cids])

    def pin(self, roots: Iterable[Cid], *, now: int) -> None:
        """Write pins, durably."""
        with self._written() as database:
            database.executemany("INSERT OR REPLACE INTO pins VALUES (?, ?)", [(bytes(root), now) for root in roots])

    def pinned_at(self, root: Cid) -> int | None:
        """Return when a root was pinned here, or None where it is not."""
        row = self._row("SELECT pinned_at FROM pins WHERE cid = ?", bytes(root))
        return None if row is None else int(row[0])

    def unpin(self, root: Cid) -> None:
        """Remove a pin."""
        with self._written() as database:
            database.execute("DELETE FROM pins WHERE cid = ?", (bytes(root),))

    def pins(self) -> Iterator[Cid]:
        """Yield the roots that are pinned here."""
        with self._opened() as database:
            rows = [] if database is None else database.execute("SELECT cid FROM pins").fetchall()
        for (cid,) in rows:
            yield Cid.from_bytes(cid)

    def age(self, cids: Collection[Cid], pinned_at: int) -> None:
        """Let blocks count as old, unless they came again after a time."""
        with self._written() as database:
            database.executemany(
                "UPDATE blocks SET born = 0 WHERE cid = ? AND born <= ?", [(bytes(cid), pinned_at) for cid in cids]
            )

    def remove(self, cids: Iterable[Cid]) -> None:
        """Remove blocks; what they were is overwritten."""
        with self._written() as database:
            database.executemany("DELETE FROM blocks WHERE cid = ?", [(bytes(cid),) for cid in cids])

    def ages(self) -> Iterator[tuple[Cid, int, int]]:
        """Yield each block that is here, when it came, and how long it is."""
        with self._opened() as database:
            query = "SELECT cid, born, length(data) FROM blocks"
            rows = [] if database is None else database.execute(query).fetchall()
        for cid, born, size in rows:
            yield Cid.from_bytes(cid), born, size

    @property
    def is_there(self) -> bool:
        """Whether anything was ever put here."""
        return self._path.exists()

    def _row(self, query: str, value: bytes) -> tuple[bytes | int, ...] | None:
        with self._opened() as database:
            return None if database is None else database.execute(query, (value,)).fetchone()

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection | None]:
        """Open the file where it is there."""
        with self._mutex, _typed():
            if self._connection is None and self.is_there:
                self._connection = self._connect()
            yield self._connection

    @contextmanager
    def _written(self) -> Iterator[sqlite3.Connection]:
        """Open the file, made where missing, for one transaction."""
        with self._mutex, _typed():
            if self._connection is None:
                self._path.touch(mode=PRIVATE_FILE)
                self._connection = self._connect()
            with self._connection as database:
                yield database

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, check_same_thread=False)
        database.execute("PRAGMA secure_delete = ON")
        database.executescript(_SCHEMA)
        return database


@contextmanager
def _typed() -> Iterator[None]:
    try:
        with out_of_space_is_typed("the block store"):
            yield
    except sqlite3.Error as error:
        raise StoreUnavailableError(
            f"the file of small blocks cannot be used ({type(error).__name__})",
            hint="see that nobody else holds it, and that it is whole: blocks.sqlite in the block store",
        ) from error
