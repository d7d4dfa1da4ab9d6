"""``medshare demo``: the whole path in a minute."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from medshare.cli.console import App, Command

DEFAULT_FOLDER = "medshare-demo"


@click.command(cls=Command)
@click.option(
    "--home",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the demo, default: medshare-demo; it is made, and left for you to go on in.",
)
@click.pass_obj
def demo(app: App, folder: Path | None) -> None:
    """Publish, grant, fetch, refuse, revoke and audit, on real FHIR records, with what the public sees."""
    from medshare.demo import run_demo

    outcome = run_demo((folder or Path(app.home or DEFAULT_FOLDER)).resolve(), app.say)
    if app.as_json:
        app.show(asdict(outcome))
