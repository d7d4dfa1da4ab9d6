"""The examinations that an HL7 v2 message of results tells: each order's (OBR), and each observation's (OBX)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from medshare.standards.examinations.examination import Code, Examination
from medshare.standards.hl7v2 import Message, day_of
from medshare.standards.hl7v2.message import Segment

_OF_RESULTS = frozenset({"ORU", "OUL"})
# HL7's tables 0085 and 0123: final, and corrected.
_FINAL = frozenset({"F", "C"})
# Identifier and system of a coded element, and those of its alternate.
_CODED = ((1, 3), (4, 6))
_NULL = '""'


def of_message(message: Message) -> tuple[Examination, ...]:
    """Return the examinations of a message; none where it is not one of results."""
    if message.head.component(9, 1) not in _OF_RESULTS:
        return ()
    return tuple(found for order, observed in _orders(message) for found in _of_order(order, observed))


def _orders(message: Message) -> Iterator[tuple[Segment | None, list[Segment]]]:
    """Yield each order with what was observed for it; what stands before any order has none."""
    order: Segment | None = None
    observed: list[Segment] = []
    for segment in message.segments:
        if segment.name == "OBR":
            yield order, observed
            order, observed = segment, []
        elif segment.name == "OBX":
            observed.append(segment)
    yield order, observed


def _of_order(order: Segment | None, observed: Sequence[Segment]) -> Iterator[Examination]:
    status = order.field(25) if order is not None else ""
    when = day_of(order.component(7, 1)) if order is not None else None
    several = [
        Examination(
            codes=_codes(each, 3),
            when=day_of(each.component(14, 1)) or when,
            final=(each.field(11) or status) in _FINAL,
            has_result=each.field(5) not in ("", _NULL),
        )
        for each in observed
    ]
    yield from several
    if order is not None:
        yield Examination(
            codes=_codes(order, 4),
            when=when,
            final=status in _FINAL if status else bool(several) and all(each.final for each in several),
            has_result=any(each.has_result and each.final for each in several),
            composed=bool(several),
        )


def _codes(segment: Segment, number: int) -> frozenset[Code]:
    said = ((segment.component(number, code), segment.component(number, system)) for code, system in _CODED)
    return frozenset(Code.of(system, code) for code, system in said if code and system)
