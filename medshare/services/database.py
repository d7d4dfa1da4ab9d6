"""SQLite files of the services: private, opened for one piece of work, and with errors of ours only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from medshare.errors import ConfigurationError, LedgerBusyError
from medshare.files import PRIVATE_FILE, out_of_space_is_typed

_BUSY_SECONDS = 30
_PRIMARY_CODE = 0xFF  # SQLite's extended codes hold the code they refine in their lowest byte


@contextmanager
def opened(path: Path, what: str, *, hint: str) -> Iterator[sqlite3.Connection]:
    """Open a database, created where missing, and close it again.

    Args:
        path: the file.
        what: what it is called in errors.
        hint: what to do where it is damaged.

    Raises:
        StoreFullError: the disk is full.
        LedgerBusyError: another process holds it, for longer than one should.
        ConfigurationError: it is damaged, no database of ours, or cannot be opened.
    """
    try:
        with out_of_space_is_typed(what):
            path.touch(mode=PRIVATE_FILE)
    except OSError as error:
        raise _unopened(what) from error
    try:
        with out_of_space_is_typed(what), closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as database:
            yield database
    except sqlite3.DatabaseError as error:
        match getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE:
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                raise LedgerBusyError(f"another process holds {what}") from error
            case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
                raise _unopened(what) from error
            case _:
                raise damaged(what, hint) from error


def _unopened(what: str) -> ConfigurationError:
    return ConfigurationError(f"{what} cannot be opened", hint="check the folder and its permissions")


def damaged(what: str, hint: str) -> ConfigurationError:
    """Return the error that says that a database cannot be used as it is."""
    return ConfigurationError(f"{what} is damaged, or its file is something else", hint=hint)
