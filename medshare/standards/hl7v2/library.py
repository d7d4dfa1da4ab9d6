"""The structures of messages and segments, version by version, as the library ``hl7apy`` has them.

Only its tables are used: its parser's errors quote the message.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from medshare.errors import ConfigurationError

# Which structure an event has that has none of its own name (HL7's table 0354).
_STRUCTURES = {
    "ADT_A01": "A04 A08 A13",
    "ADT_A05": "A14 A28 A31",
    "ADT_A06": "A07",
    "ADT_A09": "A10 A11",
    "ADT_A21": "A22 A23 A25 A26 A27 A29 A32 A33",
    "ADT_A30": "A34 A35 A36 A46 A47 A48 A49",
    "ADT_A39": "A40 A41 A42",
    "ADT_A43": "A44",
    "ADT_A50": "A51",
    "ADT_A52": "A53",
    "ADT_A54": "A55",
    "ADT_A61": "A62",
    "ORU_R30": "R31 R32",
}
_BY_EVENT = {
    f"{structure[:3]}_{event}": structure for structure, events in _STRUCTURES.items() for event in events.split()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a structure has in one place: a segment, or a group of them."""

    name: str
    least: int
    most: int
    """-1 for any number."""
    inner: tuple[Part, ...]
    """Empty for a segment."""
    choice: bool
    """One of the inner parts only."""


def is_there() -> bool:
    """Whether the library is installed."""
    return importlib.util.find_spec("hl7apy") is not None


def need() -> None:
    """Refuse to go on without the library.

    Raises:
        ConfigurationError: it is not installed.
    """
    if not is_there():
        raise ConfigurationError("HL7 v2 messages cannot be checked here", hint="pip install 'medshare[hl7]'")


def versions() -> frozenset[str]:
    """Return the versions that the library knows."""
    from hl7apy import SUPPORTED_LIBRARIES

    return frozenset(SUPPORTED_LIBRARIES)


@functools.cache
def structure(kind: str, event: str, stated: str, version: str) -> tuple[Part, ...] | None:
    """Return the structure of a message, or None where the library does not know it.

    Args:
        kind: MSH-9.1.
        event: MSH-9.2.
        stated: MSH-9.3, empty where absent.
        version: MSH-12.1, one of ``versions``.
    """
    from hl7apy import load_reference
    from hl7apy.exceptions import ChildNotFound

    by_event = f"{kind}_{event}" if event else kind
    for name in (stated, by_event, _BY_EVENT.get(by_event, "")):
        if name:
            try:
                return tuple(_parts(load_reference(name, "Message", version)))
            except ChildNotFound:
                continue
    return None


@functools.cache
def required_fields(segment: str, version: str) -> tuple[int, ...] | None:
    """Return the numbers of the fields that a segment must have, or None where the library does not know it."""
    from hl7apy import load_reference
    from hl7apy.exceptions import ChildNotFound

    try:
        reference = load_reference(segment, "Segment", version)
    except ChildNotFound:
        return None
    return tuple(int(name.rpartition("_")[2]) for name, _, (least, _most), _kind in reference[1] if least)


def _parts(reference: Sequence[object]) -> Iterator[Part]:
    children: Sequence[tuple[str, Sequence[object], tuple[int, int], str]] = reference[1]  # type: ignore[assignment]
    for name, inner, (least, most), kind in children:
        yield Part(
            name=name,
            least=least,
            most=most,
            inner=tuple(_parts(inner)) if kind == "GRP" else (),
            choice=kind == "GRP" and inner[0] == "choice",
        )
