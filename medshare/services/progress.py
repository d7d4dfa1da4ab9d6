"""How long work tells how far it has come."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Progress: TypeAlias = Callable[[str, int, int | None], None]
"""Called with (what is done now, units done, units to do or None where unknown)."""


def silent(_what: str, _done: int, _total: int | None) -> None:
    """Tell nobody."""
