"""How many messages a relayer pays for: for each patient, and in all.

A patient's address costs nothing to make, so a limit for each would not hold a crowd of one: hence the second. A limit
lets its whole number through at once and then one for each fraction of the period. One number for each subject is kept:
when its last turn ends (the generic cell rate algorithm).
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medshare.errors import InvalidInputError
from medshare.services.database import opened

_SCHEMA = "CREATE TABLE IF NOT EXISTS turns (subject TEXT PRIMARY KEY, ends_at REAL NOT NULL)"
_ALL = "all"
_HINT = "delete it: limits then begin anew"


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """At most ``most`` in ``period`` seconds."""

    most: int
    period: int

    def __post_init__(self) -> None:
        if self.most < 1 or self.period < 1:
            raise InvalidInputError("a rate limit lets at least one through, in at least one second")

    @property
    def turn(self) -> float:
        """Seconds that one takes."""
        return self.period / self.most

    def wait(self, ends_at: float, now: int) -> float:
        """Return how long the next must wait, 0 or less where it need not."""
        return ends_at + self.turn - (now + self.period)


class RateLimits:
    """Limits that survive a restart.

    Args:
        path: the SQLite file; its folder exists.
        each: for one patient, custodian or whoever a message is about.
        together: for all of them.
    """

    def __init__(self, path: Path, *, each: RateLimit, together: RateLimit) -> None:
        self._path = path
        self._each = each
        self._together = together

    def admit(self, subjects: Sequence[str], now: int) -> list[int]:
        """Take a turn for each of ``subjects`` in their order; return for each 0, or the seconds until it has one.

        Raises:
            StoreFullError, LedgerBusyError, ConfigurationError: the file cannot be used; no turn was taken.
        """
        with opened(self._path, "the file of rate limits", hint=_HINT) as database, database:
            database.execute(_SCHEMA)
            database.execute("DELETE FROM turns WHERE ends_at < ?", (now,))
            return [self._admit(database, subject, now) for subject in subjects]

    def give_back(self, subjects: Sequence[str], now: int) -> None:
        """Give back turns that were taken and not used; errors as ``admit``."""
        with opened(self._path, "the file of rate limits", hint=_HINT) as database, database:
            for subject in subjects:
                for name, limit in self._limits(subject):
                    self._end(database, name, self._ends_at(database, name, now) - limit.turn)

    def _admit(self, database: sqlite3.Connection, subject: str, now: int) -> int:
        turns = [(name, limit, self._ends_at(database, name, now)) for name, limit in self._limits(subject)]
        wait = max(limit.wait(ends_at, now) for _, limit, ends_at in turns)
        if wait <= 0:
            for name, limit, ends_at in turns:
                self._end(database, name, ends_at + limit.turn)
        return max(0, math.ceil(wait))

    def _limits(self, subject: str) -> tuple[tuple[str, RateLimit], ...]:
        return (subject, self._each), (_ALL, self._together)

    @staticmethod
    def _ends_at(database: sqlite3.Connection, name: str, now: int) -> float:
        row = database.execute("SELECT ends_at FROM turns WHERE subject = ?", (name,)).fetchone()
        return max(float(row[0]), now) if row else float(now)

    @staticmethod
    def _end(database: sqlite3.Connection, name: str, ends_at: float) -> None:
        database.execute("INSERT OR REPLACE INTO turns VALUES (?, ?)", (name, ends_at))
