"""``medshare exam``: whether an examination has been made already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from medshare.cli.console import App, Group
from medshare.cli.ending import ExitCode, exit_code
from medshare.cli.history import failure_row
from medshare.cli.values import PurposeValue, parse_span
from medshare.errors import InvalidInputError
from medshare.files import refuse_existing
from medshare.model.attestation import BEST_SCORE
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Category
from medshare.recognising import CATEGORIES, Answer, Recognition, Seen, Wanted
from medshare.services.history import HistoryFailure
from medshare.standards.examinations import MAX_EQUIVALENCE_SIZE, Code, Equivalence

_COLUMNS = ("record", "code", "when", "custodian", "score")
_TITLES = {
    Answer.EXISTS: "a result is there",
    Answer.NONE: "no such result is among what may be read",
    Answer.UNKNOWN: "none was found, and not all could be decided",
}


class CodeValue(click.ParamType[Code]):
    """A code of an examination."""

    name = "code"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Code:  # noqa: ANN401, ARG002 - click's signature
        """Return the code; raises ``InvalidInputError``."""
        return Code.parse(value)


@click.group(cls=Group)
def exam() -> None:
    """Examinations: ask before they are repeated."""


@exam.command("check")
@click.option("--code", required=True, type=CodeValue(), metavar="LOINC", help="The examination, or SYSTEM|CODE.")
@click.option("--patient", required=True, metavar="WHO", help="Name or address of the patient.")
@click.option("--as", "reader", required=True, metavar="NAME", help="The identity of who would order it.")
@click.option("--within", "span", required=True, metavar="SPAN", help="How old it may be, as in 90d.")
@click.option("--min-score", type=click.IntRange(0, BEST_SCORE), help="Quality at least, computed from the record.")
@click.option("--min-attested", type=click.IntRange(0, BEST_SCORE), help="At least this by every assessor who counts.")
@click.option(
    "--equivalent",
    "groups",
    type=click.Path(dir_okay=False, path_type=Path),
    help="TOML file of your own with codes that count as the same.",
)
@click.option(
    "--category",
    "categories",
    multiple=True,
    type=click.Choice(sorted(category.value for category in CATEGORIES)),
    help="Look at these only.",
)
@click.option("--purpose", type=PurposeValue(), default="TREAT", show_default=True, help="What for (HL7 PurposeOfUse).")
@click.option(
    "--to",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="New file to write the newest that fits to, whole and verified.",
)
@click.pass_obj
def check(
    app: App,
    code: Code,
    patient: str,
    reader: str,
    span: str,
    min_score: int | None,
    min_attested: int | None,
    groups: Path | None,
    categories: tuple[str, ...],
    purpose: PurposeOfUse,
    target: Path | None,
) -> None:
    """Ask whether a result that may stand in the place of a new one is there, anywhere you may read.

    Exit code 0: it exists. 4: there is none. Where none was found and something could not be decided, nothing is
    known: 6 where trying again may help, else 1. No value of a record is shown. Codes that count as the same are yours
    to name: docs/exams.md.
    """
    refuse_existing(target)
    equivalence = Equivalence() if groups is None else Equivalence.from_toml(_read(groups))
    wanted = Wanted(
        codes=equivalence.of(code),
        within=parse_span(span),
        min_score=min_score,
        min_attested=min_attested,
        categories=frozenset(map(Category, categories)) or CATEGORIES,
    )
    actor, account = app.actor(reader), app.keyring.resolve(patient)
    with app.session(acts=actor) as session, app.progress() as progress:
        found = session.recognising.look(account, wanted, reader=actor, purpose=purpose, progress=progress)
        if found.newest is not None and target is not None:
            found.newest.record.save(target, progress=progress)
    _show(app, found, target)
    raise click.exceptions.Exit(_exit_code(found))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_EQUIVALENCE_SIZE + 1)
    except OSError as error:
        raise InvalidInputError("the file of equivalent codes cannot be read", hint="check its path") from error


def _show(app: App, found: Recognition, target: Path | None) -> None:
    newest = found.newest
    document = {
        "answer": found.answer.value,
        **(dict.fromkeys(_COLUMNS) if newest is None else _row(newest)),
        "file": str(target) if newest is not None and target is not None else None,
        "looked_at": found.looked_at,
        "not_permitted": found.not_permitted,
    }
    others = [{**_row(each), "why": each.verdict.explain()} for each in found.others]
    if app.as_json:
        app.show(document | {"others": others, "failures": [failure_row(each) for each in found.failures]})
        return
    if newest is not None:
        document["custodian"] = app.name_of(newest.record.entry.custodian)
    app.show({key: value for key, value in document.items() if value is not None}, title=_TITLES[found.answer])
    if others:
        click.echo("not counted:" if newest is None else "not counted, or older:")
        app.show_all(others, nothing="")
    for failure in found.failures:
        app.warn(_unread(app, failure), hint=failure.error.hint or "the same command with --json says more")


def _unread(app: App, failure: HistoryFailure) -> str:
    if failure.record is None:
        return f"not looked at: all that grant {failure.grant_id:#x} permits: {failure.error}"
    custodian = app.name_of(failure.record.custodian)
    return f"not looked at: record {failure.record.record_id.hex()} of {custodian}: {failure.error}"


def _row(seen: Seen) -> dict[str, object]:
    entry = seen.record.entry
    code = str(seen.code) if seen.code is not None else None
    return dict(zip(_COLUMNS, (entry.record_id.hex(), code, seen.when, entry.custodian, seen.score), strict=True))


def _exit_code(found: Recognition) -> ExitCode:
    match found.answer:
        case Answer.EXISTS:
            return ExitCode.DONE
        case Answer.NONE:
            return ExitCode.NOT_FOUND
        case Answer.UNKNOWN:
            again = any(exit_code(each.error) is ExitCode.UNAVAILABLE for each in found.failures)
            return ExitCode.UNAVAILABLE if again else ExitCode.ERROR
