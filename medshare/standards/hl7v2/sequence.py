"""Whether segments come in the order that a message's structure gives them."""

from __future__ import annotations

from collections.abc import Sequence

from medshare.standards.hl7v2.library import Part


def first_out_of_order(names: Sequence[str], structure: Sequence[Part]) -> int | None:
    """Return the place of the first segment that cannot be where it is, or None if all can.

    That is ``len(names)`` where all are in order and one is missing at the end.

    Args:
        names: the segments, without those of nobody's standard (Z).
        structure: what the message may have.
    """
    walk = _Walk(names)
    end = walk.sequence(tuple(structure), 0)
    return None if end == len(names) else walk.furthest


class _Walk:
    """A reading of the segments, greedy as HL7's own rule is: a segment belongs to the first place that takes it."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self.furthest = 0

    def sequence(self, parts: tuple[Part, ...], at: int) -> int | None:
        """Return where the parts end that begin at ``at``, or None where a required one is missing."""
        for part in parts:
            count = 0
            while part.most < 0 or count < part.most:
                end = self._part(part, at)
                if end is None or end == at:
                    break
                at, count = end, count + 1
            if count < part.least and not self._may_be_empty(part):
                return None
        return at

    def _part(self, part: Part, at: int) -> int | None:
        if not part.inner:
            if at < len(self._names) and self._names[at] == part.name:
                self.furthest = max(self.furthest, at + 1)
                return at + 1
            return None
        if part.choice:
            ends = (self._part(each, at) for each in part.inner)
            return next((end for end in ends if end is not None), None)
        return self.sequence(part.inner, at)

    def _may_be_empty(self, part: Part) -> bool:
        return bool(part.inner) and not part.choice and all(each.least == 0 for each in part.inner)
