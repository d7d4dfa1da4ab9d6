"""Which bundles a patient's client has pinned for grants that may never be made: so that none stays pinned for ever.

It holds what the chain would show anyway, the ids of grants and the digests of their bundles.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medshare.model.ids import Address, BundleId, GrantId, patient_of
from medshare.services.database import opened

_SCHEMA = """
CREATE TABLE IF NOT EXISTS bundles (grant_id TEXT NOT NULL, bundle BLOB NOT NULL, PRIMARY KEY (grant_id, bundle))
WITHOUT ROWID;
"""
_HINT = "move it away: bundles of grants that were never made may then stay pinned"


class BundleJournal:
    """The journal of one client on one deployment.

    Every method raises ``StoreFullError``, ``LedgerBusyError`` or ``ConfigurationError`` where the file cannot be used.

    Args:
        path: the SQLite file; its folder exists.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self, grant_id: GrantId, bundle: BundleId) -> None:
        """Write down a bundle before it is pinned."""
        with self._open() as database, database:
            database.execute("INSERT OR IGNORE INTO bundles VALUES (?, ?)", (_named(grant_id), bundle))

    def noted(self, grant_id: GrantId) -> list[BundleId]:
        """Return the bundles that were noted for a grant."""
        with self._open() as database:
            rows = database.execute("SELECT bundle FROM bundles WHERE grant_id = ?", (_named(grant_id),)).fetchall()
        return [BundleId(bundle) for (bundle,) in rows]

    def noted_of(self, patient: Address) -> list[BundleId]:
        """Return the bundles that were noted for all grants of a patient."""
        with self._open() as database:
            rows = database.execute("SELECT grant_id, bundle FROM bundles").fetchall()
        return [BundleId(bundle) for name, bundle in rows if patient_of(GrantId(int(name, 16))) == patient]

    def forget(self, bundle: BundleId) -> None:
        """Forget a bundle that an event names, or that was given up."""
        with self._open() as database, database:
            database.execute("DELETE FROM bundles WHERE bundle = ?", (bundle,))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with opened(self._path, "the journal of bundles", hint=_HINT) as database:
            database.executescript(_SCHEMA)
            yield database


def _named(grant_id: GrantId) -> str:
    # SQLite's integers are too small for it.
    return f"{grant_id:#x}"
