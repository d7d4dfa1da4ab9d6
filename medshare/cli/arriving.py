"""``medshare record publish``: files as they come from a hospital's systems."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import click

from medshare.cli.batched import tell_own_entry
from medshare.cli.console import App, Command
from medshare.cli.ending import exit_code, report
from medshare.cli.loading import load
from medshare.cli.publications import BY_LINE, about_place, derived_row, examined_of, published_row, tell_withheld
from medshare.cli.sending import Way, sending_options
from medshare.cli.values import RecordIdValue
from medshare.errors import InvalidInputError, MedshareError
from medshare.files import refuse_existing, written_whole
from medshare.ingesting import Arrived, Assigned, OnePatient, Patients, Said, arriving, read_mapping
from medshare.loading import DEFAULT_BATCH_SIZE
from medshare.model.ids import RecordId
from medshare.model.record import Category
from medshare.model.record_batch import MAX_BATCH
from medshare.services.journal import Publication
from medshare.services.registering import ENDS_ALL, Published

if TYPE_CHECKING:
    from medshare.model.typed_data import Signable
    from medshare.ports import Actor
    from medshare.services.drafting import Drafting
    from medshare.services.progress import Progress
    from medshare.session import Session

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


_SAYING = (
    click.option("--media-type", help="What the bytes are; default: what they and the name look like."),
    click.option("--category", type=click.Choice([category.value for category in Category])),
    click.option("--clinical-date", metavar="DATE", help="YYYY, YYYY-MM or YYYY-MM-DD."),
    click.option("--label", "labels", multiple=True, metavar="CODE", help="Sensitivity label to add, HL7 code."),
    click.option("--drop-label", "dropped_labels", multiple=True, metavar="CODE", help="Label of the record to drop."),
    click.option("--anyway", is_flag=True, help="Publish what does not conform to its standard, too."),
    click.option("--because", metavar="TEXT", help="Why you say otherwise than the record; kept in its manifest."),
)


def saying_options(command: Decorated) -> Decorated:
    """Give a command the options that say something beside the record; it gets them as ``said``."""

    @functools.wraps(command)
    def with_said(
        *args: Any,  # noqa: ANN401 - whatever the command takes
        media_type: str | None,
        category: str | None,
        clinical_date: str | None,
        labels: tuple[str, ...],
        dropped_labels: tuple[str, ...],
        anyway: bool,
        because: str | None,
        **more: Any,  # noqa: ANN401 - as above
    ) -> Any:  # noqa: ANN401 - as above
        said = Said(
            media_type=media_type,
            category=Category(category) if category is not None else None,
            clinical_date=clinical_date,
            labels=labels,
            dropped_labels=dropped_labels,
            anyway=anyway,
            because=because,
        )
        return command(*args, said=said, **more)

    decorated: Any = with_said
    for option in reversed(_SAYING):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


# --------------------------------------------------------------------------------------------------- publish


@click.command("publish", cls=Command)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--as", "custodian", required=True, metavar="NAME", help="The custodian's identity.")
@click.option("--patient", metavar="WHO", help="Name or address of the patient.")
@click.option(
    "--patients",
    "mapping",
    type=click.Path(dir_okay=False, path_type=Path),
    help="CSV file with the columns reference and patient: who is who, where it is about several.",
)
@saying_options
@click.option("--supersedes", type=RecordIdValue(), help="Your active record in whose place this comes.")
@click.option(
    "--report",
    "report_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="New file for a line of JSON about each record.",
)
@click.option("--batch", "in_batches", is_flag=True, help="Publish very many, one root on chain for each batch.")
@click.option(
    "--batch-size",
    type=click.IntRange(1, MAX_BATCH),
    help=f"With --batch: records under one root. Default: {DEFAULT_BATCH_SIZE}.",
)
@sending_options
@click.pass_obj
def publish(
    app: App,
    files: tuple[Path, ...],
    custodian: str,
    patient: str | None,
    mapping: Path | None,
    said: Said,
    supersedes: RecordId | None,
    report_file: Path | None,
    in_batches: bool,
    batch_size: int | None,
    way: Way,
) -> None:
    """Encrypt, store and register what FILES hold.

    FHIR R4 (JSON, NDJSON), HL7 v2 and DICOM are recognised, checked and described by what they say; anything else is
    bytes with a media type. An NDJSON file, a Bundle that only carries resources, and a batch of messages are taken
    apart: each resource or message is a record, its bytes as they came.

    What cannot be published is named by its place in the command, its line or its entry, and keeps nothing else from
    being published; the exit code is that of the first such. After a crash or a lost connection give the same command
    again: what is published is not published twice.

    With --batch FILES may be folders, and any number of records is published with one transaction for each batch. What
    a crash left unfinished the same command finishes, or: medshare record resume. A file of a folder is named by its
    place in it, by name and with all below: its own name may say whose record it is. The file of --report names it.
    """
    refuse_existing(report_file)
    if in_batches:
        _check_batch(supersedes, way)
        _load(app, files, custodian, patient, mapping, said, report_file, batch_size or DEFAULT_BATCH_SIZE, way)
        return
    if batch_size is not None:
        raise click.UsageError("--batch-size goes with --batch")
    if supersedes is not None and len(files) != 1:
        raise click.UsageError("--supersedes takes one file")
    if way.sign_to is not None and len(files) != 1:
        raise click.UsageError("--sign-to takes one file")
    actor = app.actor(custodian)
    whose = _whose(app, patient, mapping)
    told = _Told(app=app, files=files)
    try:
        with (
            way.session(app, actor) as session,
            way.progress(app) as progress,
            _written(report_file) as told.report,
        ):
            for number, path in enumerate(files, 1):
                if way.sign_to is not None:
                    _hand_out(app, session, way, path, actor, whose, said, supersedes, progress)
                    return
                try:
                    for arrived in session.ingesting.ingest(
                        path,
                        custodian=actor,
                        patients=whose,
                        said=said,
                        supersedes=supersedes,
                        progress=progress,
                    ):
                        told.tell(number, arrived)
                except ENDS_ALL:
                    raise
                except MedshareError as error:
                    told.refuse(number, "", error)
    finally:
        # Whatever came after them: these are published, and their ids are needed.
        told.end()
    if told.refused:
        raise click.exceptions.Exit(exit_code(told.refused))


def _check_batch(supersedes: RecordId | None, way: Way) -> None:
    if supersedes is not None:
        raise click.UsageError(
            "a batch holds first versions: what comes in a record's place, of a batch or not, is published by itself, "
            "with --supersedes and without --batch"
        )
    if way.sign_to is not None:
        raise click.UsageError(
            "a load signs a root for each batch, when all that it holds is stored, and goes on when that is on chain: "
            "--sign-to writes one message. Say --paid-by, or publish one file with --sign-to"
        )


def _load(
    app: App,
    files: tuple[Path, ...],
    custodian: str,
    patient: str | None,
    mapping: Path | None,
    said: Said,
    report_file: Path | None,
    batch_size: int,
    way: Way,
) -> None:
    actor = app.actor(custodian)
    whose = _whose(app, patient, mapping)
    with way.session(app, actor) as session, _written(report_file) as report_to:
        refused = load(
            app,
            session,
            files,
            custodian=actor,
            patients=whose,
            said=said,
            batch_size=batch_size,
            report_to=report_to,
            asks=way.paid_by is not None and not way.yes,
        )
    if refused:
        raise click.exceptions.Exit(exit_code(refused))


def _whose(app: App, patient: str | None, mapping: Path | None) -> Patients:
    """Return what says whose the records of all files are."""
    account = app.keyring.resolve(patient) if patient is not None else None
    if mapping is not None:
        return Assigned(by_reference=read_mapping(mapping, app.keyring.resolve), otherwise=account)
    if account is None:
        raise click.UsageError("say whose it is: --patient or --patients")
    return OnePatient(account)


@contextmanager
def _written(path: Path | None) -> Iterator[BinaryIO | None]:
    if path is None:
        yield None
        return
    with written_whole(path, replace=False) as stream:
        yield stream


@dataclass(slots=True, kw_only=True)
class _Told:
    """What became of each record, told as it is known; of lines, of which there may be millions, only how many."""

    app: App
    files: tuple[Path, ...]
    report: BinaryIO | None = None
    rows: list[dict[str, object]] = field(default_factory=list)
    sums: dict[int, dict[str, object]] = field(default_factory=dict)
    several: list[Published] = field(default_factory=list)
    refused: MedshareError | None = None
    """The first."""

    def tell(self, number: int, arrived: Arrived) -> None:
        """Tell of one record."""
        by_line = arrived.place.startswith(BY_LINE)
        if by_line:
            self._count(number, arrived)
        published = arrived.published
        if published is None:
            self.refuse(number, arrived.place, arrived.refusal or InvalidInputError("it cannot be read"))
            return
        row = {
            "file": str(self.files[number - 1]),
            "place": arrived.place or None,
            **published_row(self.app, published),
            **derived_row(arrived.examined),
        }
        if arrived.description is not None:
            row |= {
                "media_type": arrived.description.media_type,
                "category": arrived.description.category.value,
                "clinical_date": arrived.description.clinical_date,
                "labels": list(arrived.description.labels),
            }
        self._write(row)
        if not by_line:
            self.rows.append(row)
            self.several.append(published)

    def refuse(self, number: int, place: str, error: MedshareError) -> None:
        """Tell of what is not published."""
        if len(self.files) == 1 and not place:
            raise error
        # By its place: a file's name may say whose record it is.
        about: dict[str, int | str] = {"file": number, **about_place(place)}
        report(error, self.app.respelled(error.hint), as_json=self.app.as_json, about=about)
        self.refused = self.refused or error
        self._write({"file": str(self.files[number - 1]), "place": place or None, "refused": str(error)})

    def end(self) -> None:
        """Print what is to be printed when all is done, or broken off."""
        if self.app.as_json:
            if self.rows or self.sums:
                self.app.show_all([*self.rows, *self.sums.values()], nothing="")
        else:
            for rows in (self.rows, list(self.sums.values())):
                if rows:
                    self.app.show_all(rows, nothing="")
        tell_withheld(self.app, self.several)

    def _count(self, number: int, arrived: Arrived) -> None:
        row = self.sums.setdefault(
            number,
            {"file": str(self.files[number - 1]), "published": 0, "already_published": 0, "refused": 0},
        )
        published = arrived.published
        what = "refused" if published is None else "already_published" if published.already else "published"
        row[what] = int(str(row[what])) + 1

    def _write(self, row: dict[str, object]) -> None:
        if self.report is not None:
            self.report.write(json.dumps(row).encode() + b"\n")


def _hand_out(
    app: App,
    session: Session,
    way: Way,
    path: Path,
    actor: Actor,
    patients: Patients,
    said: Said,
    supersedes: RecordId | None,
    progress: Progress,
) -> None:
    (part, *others) = arriving(path, patients=patients, said=said)
    if others or part.place:
        raise InvalidInputError("it holds several records: --sign-to takes one")
    examined = examined_of(part)
    stored = session.publishing.prepare(
        part.document,
        custodian=actor,
        patient=patients.of(examined.patients),
        description=said.describe(examined),
        supersedes=supersedes,
        progress=progress,
    )
    way.handed_out(app, session, actor, partial(_registration, stored))
    if supersedes is not None:
        tell_own_entry(app, session, actor.address, supersedes)


def _registration(stored: Publication, draft: Drafting) -> Signable:
    if stored.supersedes is not None:
        return draft.supersede(stored.record_id, stored.supersedes)
    return draft.register(stored.record_id, stored.patient)
