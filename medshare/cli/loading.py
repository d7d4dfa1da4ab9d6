"""``medshare record publish --batch``: a load, told batch by batch."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from medshare.cli.console import App, moment
from medshare.cli.ending import report
from medshare.cli.publications import about_place, derived_row, tell_obstacles
from medshare.errors import MedshareError
from medshare.ingesting import Patients, Said
from medshare.loading import Anchored, Loaded, Outcome
from medshare.ports import Actor
from medshare.services.progress import Progress, silent

if TYPE_CHECKING:
    from medshare.session import Session

_TELL_EVERY = 5.0
"""Seconds between two lines of progress, for scripts."""


def load(
    app: App,
    session: Session,
    given: Sequence[Path],
    *,
    custodian: Actor,
    patients: Patients,
    said: Said,
    batch_size: int,
    report_to: BinaryIO | None,
    asks: bool,
) -> MedshareError | None:
    """Load what files and folders hold and tell of it; return why the first record was refused, if one was.

    Where it ``asks`` a person in the middle of it, it shows no progress.
    """
    told = _Told(app=app, report=report_to)
    try:
        with nullcontext(silent) if asks else _progress(app, told) as progress:
            for each in session.loading.load(
                given, custodian=custodian, patients=patients, said=said, batch_size=batch_size, progress=progress
            ):
                told.tell(each)
    finally:
        # Whatever came after them: these are anchored, and their roots are needed.
        told.end()
    return told.refused


def batch_row(anchored: Anchored) -> dict[str, object]:
    """Return what a script or a person reads of a batch."""
    batch = anchored.batch
    return {"batch": batch.root.hex(), "records": batch.count, "anchored_at": moment(batch.anchored_at)}


@dataclass(slots=True, kw_only=True)
class _Told:
    """What became of a load: of records, of which there may be millions, only how many."""

    app: App
    report: BinaryIO | None
    counts: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    batches: list[Anchored] = field(default_factory=list)
    unanchored: int = 0
    refused: MedshareError | None = None
    """The first."""

    @property
    def records(self) -> int:
        """How many records have been told of."""
        return sum(self.counts.values())

    def tell(self, each: Loaded | Anchored) -> None:
        """Tell of a record, or of a batch."""
        if isinstance(each, Anchored):
            self.batches.append(each)
            self.unanchored = 0
            self._write(batch_row(each))
            if self.app.as_json:
                click.echo(json.dumps(batch_row(each)))
            return
        self.counts[each.outcome] += 1
        self.unanchored += each.outcome is Outcome.STORED
        row: dict[str, object] = {"file": str(each.path), "place": each.place or None}
        if each.refusal is not None:
            # By its place: a file's name may say whose record it is.
            member = {} if each.member is None else {"member": each.member}
            about: dict[str, int | str] = {"file": each.file, **member, **about_place(each.place)}
            report(each.refusal, self.app.respelled(each.refusal.hint), as_json=self.app.as_json, about=about)
            self.refused = self.refused or each.refusal
            self._write({**row, "refused": str(each.refusal)})
        elif each.record_id is not None:
            already = each.outcome is Outcome.ALREADY
            self._write(
                {
                    **row,
                    "record": each.record_id.hex(),
                    "already_published": already,
                    **derived_row(each.examined),
                }
            )

    def end(self) -> None:
        """Print what is to be printed when all is done, or broken off."""
        counts = self.counts
        row: dict[str, object] = {
            "published": counts[Outcome.STORED] + counts[Outcome.PUBLISHED] - self.unanchored,
            "already_published": counts[Outcome.ALREADY],
            "refused": counts[Outcome.REFUSED],
            "stored_only": self.unanchored,
        }
        if self.app.as_json:
            click.echo(json.dumps(row))
            return
        if self.batches:
            self.app.show_all([batch_row(each) for each in self.batches], nothing="")
        self.app.show(row)
        tell_obstacles(dict.fromkeys(each for one in self.batches for each in one.withheld))

    def _write(self, row: dict[str, object]) -> None:
        if self.report is not None:
            self.report.write(json.dumps(row).encode() + b"\n")


@contextmanager
def _progress(app: App, told: _Told) -> Iterator[Progress]:
    """Show how far a load is, how fast, and how long it takes still."""
    started = time.monotonic()
    if app.as_json:
        yield _as_lines(told, started)
        return
    if not sys.stderr.isatty():
        yield lambda _what, _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:>10}"), BarColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("publishing", rate="")

        def tell(what: str, done: int, total: int | None) -> None:
            rate = f"{told.records:,} records, {told.records / (time.monotonic() - started):,.0f} a second"
            if total is None:
                bars.update(task, description=what, rate=rate)
            else:
                bars.update(task, description=what, completed=done, total=total, rate=rate)

        yield tell


def _as_lines(told: _Told, started: float) -> Callable[[str, int, int | None], None]:
    last = started

    def tell(_what: str, done: int, total: int | None) -> None:
        nonlocal last
        now = time.monotonic()
        if total is None or now - last < _TELL_EVERY:
            return
        last = now
        seconds = now - started
        click.echo(
            json.dumps(
                {
                    "records": told.records,
                    "bytes": done,
                    "of_bytes": total,
                    "per_second": round(told.records / seconds, 1),
                    "remaining_seconds": round(seconds * (total - done) / done) if done else None,
                }
            )
        )

    return tell
