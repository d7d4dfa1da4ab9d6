"""``medshare record history``: everything of one patient that a reader may read, newest first."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path

import click

from medshare.cli.batched import warn_of_other_entries
from medshare.cli.console import App, Command, moment
from medshare.cli.ending import exit_code
from medshare.cli.record import min_score_option
from medshare.cli.values import DayValue, PurposeValue
from medshare.errors import InvalidInputError, MedshareError
from medshare.files import private_folder
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Category
from medshare.services.history import HistoryFailure
from medshare.services.progress import Progress
from medshare.services.retrieving import OpenRecord


@click.command("history", cls=Command)
@click.option("--as", "reader", required=True, metavar="NAME", help="The reader's identity.")
@click.option("--patient", required=True, metavar="WHO", help="Name or address of the patient.")
@click.option("--purpose", type=PurposeValue(), default="TREAT", show_default=True, help="What for (HL7 PurposeOfUse).")
@click.option("--category", "categories", multiple=True, type=click.Choice([category.value for category in Category]))
@click.option("--since", type=DayValue(), help="What may have happened on this day or later, YYYY-MM-DD.")
@click.option("--until", type=DayValue(), help="What may have happened before this day, YYYY-MM-DD.")
@min_score_option
@click.option("--every-version", is_flag=True, help="Superseded versions too.")
@click.option(
    "--fetch",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write each record to, as a file named by its id; what is there and right stays.",
)
@click.pass_obj
def history(
    app: App,
    reader: str,
    patient: str,
    purpose: PurposeOfUse,
    categories: tuple[str, ...],
    since: date | None,
    until: date | None,
    min_score: int | None,
    every_version: bool,
    folder: Path | None,
) -> None:
    """List what a reader may read of a patient, from every custodian, newest first.

    Of each record it is the newest version that he may read. What cannot be read hides nothing else: it is told
    afterwards, and the exit code is that of the first such failure.
    """
    actor, account = app.actor(reader), app.keyring.resolve(patient)
    target = private_folder(folder) if folder is not None else None
    rows: list[dict[str, object]] = []
    unsaved: list[HistoryFailure] = []
    with app.session(acts=actor) as session, app.progress() as progress:
        found = session.history.of(
            account,
            reader=actor,
            purpose=purpose,
            categories=[Category(category) for category in categories],
            since=since,
            until=until,
            every_version=every_version,
            progress=progress,
        )
        for record in found:
            if min_score is not None and not session.assessing.at_least(min_score, [record.entry.record_id]):
                continue
            row = _row(record)
            if target is not None:
                try:
                    row["file"] = str(_saved(record, target, progress))
                except MedshareError as error:
                    unsaved.append(HistoryFailure(error=error, record=record.entry.ref))
                    row["file"] = None
            rows.append(row)
        failures = [*found.failures, *unsaved]
        warn_of_other_entries(app, session, account)
    if app.as_json:
        app.show({"records": rows, "failures": [failure_row(failure) for failure in failures]})
    else:
        app.show_all(rows, nothing="nothing of this patient may be read for this purpose")
        _tell(app, failures)
    if failures:
        raise click.exceptions.Exit(exit_code(failures[0].error))


def _row(record: OpenRecord) -> dict[str, object]:
    entry, manifest = record.entry, record.manifest
    return {
        "record": entry.record_id.hex(),
        "clinical_date": manifest.clinical_date,
        "registered_at": moment(entry.registered_at),
        "category": manifest.category.value,
        "resource_type": manifest.resource_type,
        "media_type": manifest.media_type,
        "bytes": manifest.size,
        "version": entry.version,
        "status": entry.status.name.lower(),
        "custodian": entry.custodian,
        "obligations": [obligation.in_words() for obligation in record.decision.obligations],
    }


def _saved(record: OpenRecord, folder: Path, progress: Progress) -> Path:
    """Write a record to its file, whole and verified, unless it is there; raises ``MedshareError``."""
    path = folder / record.entry.record_id.hex()
    if not path.exists():
        record.save(path, progress=progress)
    elif not record.describes(path):
        raise InvalidInputError(f"in the place of {path} is something else", hint="move it away, and repeat")
    return path


def failure_row(failure: HistoryFailure) -> dict[str, object]:
    """Return what a script reads of what could not be read."""
    return {
        "record": failure.record.record_id.hex() if failure.record is not None else None,
        "custodian": failure.record.custodian if failure.record is not None else None,
        "grant": f"{failure.grant_id:#x}" if failure.grant_id is not None else None,
        "error": type(failure.error).__name__,
        "message": str(failure.error),
        "hint": failure.error.hint,
    }


def _tell(app: App, failures: list[HistoryFailure]) -> None:
    """Say what is missing: each grant, and of each custodian how many records, with the first reason."""
    missing = Counter(failure.record.custodian for failure in failures if failure.record is not None)
    for failure in failures:
        if failure.grant_id is not None:
            click.echo(f"not read: all that grant {failure.grant_id:#x} permits: {failure.error}", err=True)
        elif failure.record is not None and (count := missing.pop(failure.record.custodian, 0)):
            who = app.name_of(failure.record.custodian)
            noun = "record" if count == 1 else "records"
            click.echo(f"not read: {count} {noun} of {who}, the first: {failure.error}", err=True)
    if failures:
        click.echo("hint: each with its reason: the same command with --json", err=True)
