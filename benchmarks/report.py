"""docs/performance.md, made of a template by hand and of tables out of the committed results: no figure is typed."""

from __future__ import annotations

import re
from pathlib import Path

import batch_tables
import model_tables
import plots
import tables
from found import Found, encode
from goals import goals
from measured import RESULTS, ROOT, Json, result, snapshot

TEMPLATE = ROOT / "benchmarks" / "performance.template.md"
PAGE = ROOT / "docs" / "performance.md"
PLOTS = ROOT / "docs" / "plots"
TABLES = {**tables.TABLES, **batch_tables.TABLES, **model_tables.TABLES, "goals": goals}
_PLACE = re.compile(r"\{\{(\w+)\}\}")


def keep(part: str, found: Json) -> Path:
    """Write what was measured of a part."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{part}.json"
    path.write_bytes(encode(found).encode())
    return path


def read() -> Found:
    """Return everything that is committed."""
    return Found(snapshot=snapshot(), results={part: result(part) for part in tables.PARTS})


def render(found: Found, template: str) -> str:
    """Return the page: the template with each ``{{name}}`` replaced by what ``tables`` has under it."""
    return _PLACE.sub(lambda place: TABLES[place[1]](found), template)


def write() -> list[Path]:
    """Write the page and its plots anew; return what was written."""
    found = read()
    PAGE.write_bytes(render(found, TEMPLATE.read_text("utf-8")).encode())
    PLOTS.mkdir(exist_ok=True)
    written = [PAGE]
    for name, shown in plots.SHOWN.items():
        path = PLOTS / f"{name}.svg"
        path.write_bytes(plots.draw(shown(found)))
        written.append(path)
    return written
