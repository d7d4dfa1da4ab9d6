"""How addresses, times and lengths of time are told to people."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

from medshare.model.ids import Address

Names: TypeAlias = Callable[[Address], str | None]
"""The name that the person who reads has given an address, or None."""

_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def who(address: Address, names: Names) -> str:
    """Return an address whole, after its name where it has one."""
    name = names(address)
    return address if name is None else f"{name} ({address})"


def moment(at: int, now: int) -> str:
    """Return Unix seconds as a date and time, with how far away it is."""
    said = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    away = lasting(abs(at - now))
    return f"{said} (in {away})" if at > now else f"{said} ({away} ago)"


def lasting(seconds: int) -> str:
    """Return a length of time in its two largest units."""
    parts: list[tuple[int, str]] = []
    for unit, size in _UNITS:
        count, seconds = divmod(seconds, size)
        if count or parts:
            parts.append((count, unit))
    return " ".join(f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in parts[:2] if count) or "no time"
