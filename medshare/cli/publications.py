"""How a publication is shown: what became of it, who can open it, and whose grant gave no packet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import click

from medshare.cli.console import App
from medshare.services.publishing import Published


def published_row(app: App, published: Published) -> dict[str, object]:
    """Return what a script or a person reads of a publication."""
    row: dict[str, object] = {
        "record": published.record_id.hex(),
        "cid": str(published.cid),
        "version": published.entry.version,
        "already_published": published.already,
        "readers": list(published.readers),
    }
    if app.as_json:
        row["withheld"] = [
            {"grant": f"{each.grant_id:#x}", "reader": each.reader, "obstacle": each.obstacle.value}
            for each in published.withheld
        ]
    return row


def tell_withheld(app: App, several: Sequence[Published]) -> None:
    """Say which live grants gave their readers no packet, and what helps; in JSON it is in the rows."""
    if app.as_json:
        return
    counts = Counter(dict.fromkeys((each.grant_id, each.obstacle) for one in several for each in one.withheld))
    for obstacle, grants in Counter(obstacle for _, obstacle in counts).items():
        noun = "live grant" if grants == 1 else "live grants"
        click.echo(f"note: {grants} {noun} gave no packet: {obstacle.explain()}", err=True)
