"""The slips that are kept in a home: each of one record, and from which bundles they were taken over.

At an assessor's, also the scores that he has computed for a batch which is not attested yet.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from medshare.files import private_folder
from medshare.model.ids import Address, BundleId, RecordId
from medshare.model.slip import Slip, slips_from_json, slips_to_json
from medshare.services.database import opened

_HINT = "restore slips.sqlite from a backup, or move it away and take your slips again"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS slips (
    record BLOB NOT NULL, assessor TEXT NOT NULL, root BLOB NOT NULL, document BLOB NOT NULL,
    PRIMARY KEY (record, assessor, root)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bundles (bundle BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS computed (
    assessor TEXT NOT NULL, record BLOB NOT NULL, method BLOB NOT NULL, score INTEGER NOT NULL,
    PRIMARY KEY (assessor, record, method)
) WITHOUT ROWID;
"""


class SlipJournal:
    """The slips of one home on one deployment.

    Every method raises ``ConfigurationError`` where its file is damaged, and ``StoreFullError`` on a full disk.

    Args:
        folder: where the journal is; created where missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "slips.sqlite"

    def keep(self, slips: Sequence[Slip]) -> int:
        """Keep slips, which the caller has verified; durable when this returns. Return how many are new."""
        rows = [(each.record_id, each.assessor, each.root, slips_to_json([each])) for each in slips]
        with self._open() as database, database:
            return database.executemany("INSERT OR IGNORE INTO slips VALUES (?, ?, ?, ?)", rows).rowcount

    def of(self, record_id: RecordId) -> list[Slip]:
        """Return the slips of a record."""
        with self._open() as database:
            rows = database.execute("SELECT document FROM slips WHERE record = ?", (record_id,)).fetchall()
        return [slip for (document,) in rows for slip in slips_from_json(document)]

    def all(self) -> list[Slip]:
        """Return all slips, record by record."""
        with self._open() as database:
            rows = database.execute("SELECT document FROM slips ORDER BY record").fetchall()
        return [slip for (document,) in rows for slip in slips_from_json(document)]

    def forget(self, records: Sequence[RecordId]) -> None:
        """Remove the slips of records: what they say of what is gone, nobody needs."""
        with self._open() as database, database:
            database.execute("PRAGMA secure_delete = ON")
            database.executemany("DELETE FROM slips WHERE record = ?", [(each,) for each in records])
            database.executemany("DELETE FROM computed WHERE record = ?", [(each,) for each in records])

    # ------------------------------------------------------------------------------------------- bundles

    def is_taken(self, bundle: BundleId) -> bool:
        """Whether the slips of a bundle were taken over before."""
        with self._open() as database:
            return database.execute("SELECT 1 FROM bundles WHERE bundle = ?", (bundle,)).fetchone() is not None

    def note_taken(self, bundle: BundleId) -> None:
        """Note that the slips of a bundle were taken over, if there were any."""
        with self._open() as database, database:
            database.execute("INSERT OR IGNORE INTO bundles VALUES (?)", (bundle,))

    # -------------------------------------------------------------------------------------------- scores

    def note_score(self, assessor: Address, record_id: RecordId, method: bytes, score: int) -> None:
        """Note the score of a record that an assessor has read, by a method's digest; durable when this returns."""
        with self._open() as database, database:
            database.execute(
                "INSERT OR REPLACE INTO computed VALUES (?, ?, ?, ?)", (assessor, record_id, method, score)
            )

    def noted_scores(self, assessor: Address, method: bytes) -> dict[RecordId, int]:
        """Return the scores that were noted and not dropped since."""
        query = "SELECT record, score FROM computed WHERE assessor = ? AND method = ?"
        with self._open() as database:
            return {RecordId(record): score for record, score in database.execute(query, (assessor, method))}

    def drop_scores(self, assessor: Address, records: Iterable[RecordId]) -> None:
        """Forget scores that were noted: they are attested."""
        with self._open() as database, database:
            several = [(assessor, each) for each in records]
            database.executemany("DELETE FROM computed WHERE assessor = ? AND record = ?", several)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        private_folder(self._folder)
        with opened(self._path, "the journal of slips", hint=_HINT) as database:
            database.executescript(_SCHEMA)
            yield database
