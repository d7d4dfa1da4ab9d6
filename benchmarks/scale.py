"""How much a run measures."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

_Size = TypeVar("_Size")


class Scale(StrEnum):
    """How much a run measures."""

    QUICK = "quick"
    """Small sizes and few rounds, in minutes: to see that it runs."""
    NORMAL = "normal"
    """What docs/performance.md shows, in less than half an hour on two cores."""
    FULL = "full"
    """The largest sizes, too, in hours."""

    def of(self, quick: _Size, normal: _Size, full: _Size | None = None) -> _Size:
        """Return what is due at this scale; ``full`` is as ``normal`` where nothing else is said."""
        if self is Scale.QUICK:
            return quick
        return full if self is Scale.FULL and full is not None else normal
