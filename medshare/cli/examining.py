"""``medshare record check`` and ``score``: what is wrong with a record, and how good it is; nothing is published."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from medshare.cli.console import App, Command, escaped
from medshare.cli.ending import exit_code, report
from medshare.cli.publications import BY_LINE, about_place, derived_row, examined_of
from medshare.errors import InvalidInputError, MedshareError
from medshare.files import unreadable_is_typed
from medshare.ingesting import Said, arriving
from medshare.standards.ingest import Examined, Part
from medshare.standards.quality import Quality, score


@click.command("check", cls=Command)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--media-type", help="What the bytes are; default: what they and the name look like.")
@click.pass_obj
def check(app: App, files: tuple[Path, ...], media_type: str | None) -> None:
    """Check FILES against their standards, and show what would be said of them; publish nothing.

    Findings name a place and a rule, and no value of the record. The exit code is 2 where one of them is an error, for
    which publishing refuses it.
    """
    checked = _Checked(app=app)
    _each(app, files, Said(media_type=media_type), checked.tell, checked.refuse)
    checked.end()
    if checked.refused:
        raise click.exceptions.Exit(exit_code(checked.refused))


@click.command("score", cls=Command)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--media-type", help="What the bytes are; default: what they and the name look like.")
@click.pass_obj
def score_(app: App, files: tuple[Path, ...], media_type: str | None) -> None:
    """Score the quality of FILES from 0 to 100, and show how it came about.

    Anybody gets the same score from the same bytes, by a method that the digest names: docs/quality.md. In JSON each
    part explains itself.
    """
    scored = _Scored(app=app)
    _each(app, files, Said(media_type=media_type), scored.tell, scored.refuse)
    scored.end()
    if scored.refused:
        raise click.exceptions.Exit(exit_code(scored.refused))


def _each(
    app: App,
    files: Sequence[Path],
    said: Said,
    tell: Callable[[int, Path, Part], None],
    refuse: Callable[[int, str, MedshareError], None],
) -> None:
    with app.progress() as progress:
        for number, path in enumerate(files, 1):
            try:
                for part in arriving(path, said=said):
                    tell(number, path, part)
                    if part.end is not None:
                        progress("reading", part.end, None)
            except MedshareError as error:
                refuse(number, "", error)


@dataclass(slots=True, kw_only=True)
class _Listing:
    """Rows, and what was refused; of lines only sums."""

    app: App
    rows: list[dict[str, object]] = field(default_factory=list)
    sums: dict[Path, list[int]] = field(default_factory=dict)
    refused: MedshareError | None = None

    def refuse(self, number: int, place: str, error: MedshareError) -> None:
        """Tell of what cannot be read, or does not conform."""
        about: dict[str, int | str] = {"file": number, **about_place(place)}
        report(error, self.app.respelled(error.hint), as_json=self.app.as_json, about=about)
        self.refused = self.refused or error


@dataclass(slots=True, kw_only=True)
class _Checked(_Listing):
    """What is wrong with each record."""

    def tell(self, number: int, path: Path, part: Part) -> None:
        """Tell of one record."""
        by_line = part.place.startswith(BY_LINE)
        try:
            examined = examined_of(part)
            examined.must_conform()
        except InvalidInputError as error:
            if by_line or part.examined is None:
                self.refuse(number, part.place, error)
            self.refused = self.refused or error
        if by_line:
            sums = self.sums.setdefault(path, [0, 0])
            sums[0] += 1
            sums[1] += part.examined is None or bool(part.examined.errors)
        elif part.examined is not None:
            self.rows.append(self._row(path, part, part.examined))

    def end(self) -> None:
        """Print them; for a person each finding has a line."""
        rows = [
            *self.rows,
            *({"file": str(path), "checked": sums[0], "refused": sums[1]} for path, sums in self.sums.items()),
        ]
        if self.app.as_json:
            self.app.show_all(rows, nothing="")
            return
        for row in rows:
            findings = row.pop("findings", [])
            self.app.show(row)
            for finding in findings if isinstance(findings, list) else ():
                said = ": ".join(filter(None, (finding["place"], finding["text"])))
                click.echo(f"  {finding['severity']}: {finding['rule']}: {escaped(said)}")

    @staticmethod
    def _row(path: Path, part: Part, examined: Examined) -> dict[str, object]:
        return {
            "file": str(path),
            "place": part.place or None,
            **derived_row(examined),
            "conforms": not examined.errors,
            "findings": [
                {
                    "severity": finding.severity.value,
                    "rule": finding.rule,
                    "place": finding.place,
                    "text": finding.text,
                }
                for finding in examined.findings
            ],
        }


@dataclass(slots=True, kw_only=True)
class _Scored(_Listing):
    """How good each record is."""

    def tell(self, number: int, path: Path, part: Part) -> None:
        """Tell of one record."""
        try:
            examined = examined_of(part)
            with unreadable_is_typed():
                document = part.document if isinstance(part.document, bytes) else part.document.read_bytes()
            quality = score(document, examined.media_type)
        except MedshareError as error:
            self.refuse(number, part.place, error)
            return
        if part.place.startswith(BY_LINE):
            sums = self.sums.setdefault(path, [0, 0, 100])
            sums[0] += 1
            sums[1] += quality.score
            sums[2] = min(sums[2], quality.score)
        else:
            self.rows.append(self._row(path, part, quality))

    def end(self) -> None:
        """Print them."""
        lines = [
            {"file": str(path), "scored": count, "mean": round(total / count), "lowest": lowest}
            for path, (count, total, lowest) in self.sums.items()
        ]
        if self.app.as_json:
            self.app.show_all([*self.rows, *lines], nothing="")
            return
        for rows in (self.rows, lines):
            if rows:
                self.app.show_all(rows, nothing="")

    def _row(self, path: Path, part: Part, quality: Quality) -> dict[str, object]:
        row: dict[str, object] = {"file": str(path), "place": part.place or None, "score": quality.score}
        if not self.app.as_json:
            return row | {each.aspect.value: each.score for each in quality.parts} | {"method": quality.method.hex()}
        return row | {
            "parts": [
                {
                    "aspect": each.aspect.value,
                    "score": each.score,
                    "met": each.met,
                    "of": each.of,
                    "text": each.text,
                }
                for each in quality.parts
            ],
            "method": quality.method.hex(),
        }
