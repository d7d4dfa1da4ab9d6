"""Choices that are the same for the same words, on every machine and in every version of Python."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

_Thing = TypeVar("_Thing")


class Draws:
    """A stream of choices that its words decide.

    Args:
        words: what the stream is for; other words are another stream.
    """

    def __init__(self, *words: object) -> None:
        self._start = "/".join(map(str, words)).encode()
        self._drawn = 0

    def below(self, limit: int) -> int:
        """Return a number from 0 up to ``limit``, which is not reached."""
        digest = hashlib.sha256(self._start + b"/%d" % self._drawn).digest()
        self._drawn += 1
        return int.from_bytes(digest) % limit

    def within(self, low: int, high: int) -> int:
        """Return a number from ``low`` to ``high``, both included."""
        return low + self.below(high - low + 1)

    def one_of(self, things: Sequence[_Thing]) -> _Thing:
        """Return one of several things."""
        return things[self.below(len(things))]

    def some_of(self, things: Sequence[_Thing], count: int) -> list[_Thing]:
        """Return ``count`` of several things, each at most once, in their order."""
        left = list(range(len(things)))
        chosen = sorted(left.pop(self.below(len(left))) for _ in range(min(count, len(left))))
        return [things[number] for number in chosen]

    def chance(self, percent: int) -> bool:
        """Return True in so many cases of a hundred."""
        return self.below(100) < percent

    def token(self, length: int) -> str:
        """Return so many hexadecimal digits."""
        return f"{self.below(1 << (4 * length)):0{length}x}"
