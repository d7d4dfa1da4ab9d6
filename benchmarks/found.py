"""What is committed, and how it is written in Markdown; what was not measured says so."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from measured import Json

NOT_MEASURED = "_Not measured: {} is missing._"
ABSENT = "not on the machine"
TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True, slots=True)
class Found:
    """The snapshot, and the results of each part that was measured."""

    snapshot: Json
    results: Mapping[str, Json | None]

    def figures(self, part: str) -> Any:  # noqa: ANN401 - JSON
        """Return what was measured of a part; None where nothing was."""
        kept = self.results.get(part)
        return None if kept is None else kept["figures"]


def table(
    header: Sequence[str], rows: Iterable[Sequence[object]], *, texts: int = 1, numbers: int | None = None
) -> str:
    """Return a Markdown table: so many columns of text, then numbers, by default all others, then text again."""
    right = len(header) - texts if numbers is None else numbers
    marks = [*["---"] * texts, *["---:"] * right, *["---"] * (len(header) - texts - right)]
    lines = [header, marks, *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def missing(part: str) -> str:
    """Say that a part was not measured."""
    return NOT_MEASURED.format(f"`benchmarks/results/{part}.json`")


def number(value: float | None, digits: int = 0) -> str:
    """Return a number with commas, so many digits behind the point; nothing for None."""
    return "" if value is None else f"{value:,.{digits}f}"


def figure(value: float) -> str:
    """Return a number to three significant digits."""
    if value == 0:
        return "0"
    digits = max(0, 2 - _exponent(value))
    return f"{value:,.{digits}f}" if digits else f"{round(value, 2 - _exponent(value)):,.0f}"


def _exponent(value: float) -> int:
    return int(f"{value:e}".partition("e")[2])


def encode(value: Any) -> str:  # noqa: ANN401 - JSON
    """Return JSON as results are committed: in the order in which it was measured, which the tables keep."""
    return json.dumps(value, indent=2) + "\n"
