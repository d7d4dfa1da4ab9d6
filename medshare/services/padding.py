"""Padding: sizes and counts that anybody sees are powers of two, so that they tell little of what is within."""

from __future__ import annotations

from collections.abc import Sequence

from medshare.envelope import Identity, Recipient

_SHORTEST = 1024
_FEWEST = 4


def power_of_two(count: int) -> int:
    """Return the smallest power of two that is not less than ``count``, 4 at least."""
    return 1 << (max(count, _FEWEST) - 1).bit_length()


def padded_document(document: bytes) -> bytes:
    """Return ``document`` with white space up to a power of two, 1 KiB at least."""
    return document.ljust(power_of_two(max(len(document), _SHORTEST)))


def packets_for(keys: Sequence[Recipient]) -> int:
    """Return how many packets a header for ``keys`` is to have: it does not count its readers."""
    return power_of_two(len(set(keys)))


def padded_keys(keys: Sequence[Recipient]) -> list[Recipient]:
    """Return ``keys``, each once, and as many of nobody as make a power of two, for what takes keys only."""
    several = list(dict.fromkeys(keys))
    return several + [Identity.generate().recipient for _ in range(packets_for(several) - len(several))]
