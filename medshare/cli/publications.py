"""How a publication is shown: what became of it, who can open it, and whose grant gave no packet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import click

from medshare.cli.console import App
from medshare.errors import InvalidInputError
from medshare.services.registering import Published
from medshare.services.standing import Withheld
from medshare.standards.ingest import Examined, Part

BY_LINE = "line "
"""How the place of a record begins of which there may be millions."""


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
    if not app.as_json:
        tell_obstacles([each for one in several for each in one.withheld])


def tell_obstacles(withheld: Iterable[Withheld]) -> None:
    """Say which live grants gave their readers no packet, and what helps."""
    counts = dict.fromkeys((each.grant_id, each.obstacle) for each in withheld)
    for obstacle, grants in Counter(obstacle for _, obstacle in counts).items():
        noun = "live grant" if grants == 1 else "live grants"
        click.echo(f"note: {grants} {noun} gave no packet: {obstacle.explain()}", err=True)


def derived_row(examined: Examined | None) -> dict[str, object]:
    """Return what a record says of itself."""
    if examined is None:
        return {}
    return {
        "media_type": examined.media_type,
        "category": examined.category.value,
        "clinical_date": examined.clinical_date,
        "labels": list(examined.labels),
        "patient_reference": examined.patients[0] if len(examined.patients) == 1 else None,
        "warnings": len(examined.findings) - len(examined.errors),
    }


def about_place(place: str) -> dict[str, int | str]:
    """Return where a record is in its file, as errors tell it."""
    what, _, number = place.partition(" ")
    return {what: int(number)} if number else {}


def examined_of(part: Part) -> Examined:
    """Return what was found of a record; raises ``InvalidInputError`` where it could not be read."""
    if part.examined is None:
        raise part.refusal or InvalidInputError("it cannot be read")
    return part.examined
