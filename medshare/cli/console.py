"""What every command has in common: the session, the passphrase, and how an answer is printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from medshare.cli.asking import passphrase_of
from medshare.cli.hints import respelled
from medshare.errors import LedgerError, MedshareError
from medshare.keyring import Keyring
from medshare.places import open_keyring
from medshare.ports import Actor
from medshare.services.progress import Progress as Tell
from medshare.services.progress import silent
from medshare.settings import Settings

if TYPE_CHECKING:
    from rich.progress import TaskID

    from medshare.services.paid import Paying
    from medshare.session import Session

_WIDE = 500


def _want_json(context: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted:
        context.obj = replace(context.obj, as_json=True)


class Command(click.Command):
    """A command that takes ``--json`` after its name, too."""

    def __init__(self, *args: Any, **more: Any) -> None:  # noqa: ANN401 - click's own arguments
        super().__init__(*args, **more)
        self.params.append(
            click.Option(
                ["--json"], is_flag=True, expose_value=False, callback=_want_json, help="Print JSON, for scripts."
            )
        )


class Group(click.Group):
    """A noun: its verbs are such commands."""

    command_class = Command


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """What the options before the command say."""

    home: str | None
    network: str | None
    passphrase_file: str | None
    as_json: bool
    verbose: bool

    @property
    def folder(self) -> Path | None:
        """The folder named in the options, or None for the default."""
        return Path(self.home) if self.home else None

    @property
    def settings(self) -> Settings:
        """The settings of the home these options lead to; raises ``HomeNotFoundError``."""
        return Settings.load(self.folder).on(self.network)

    @property
    def keyring(self) -> Keyring:
        """The keyring; needs no chain."""
        return open_keyring(self.settings)

    @contextmanager
    def session(self, paying: Paying | None = None, *, acts: Actor | None = None) -> Iterator[Session]:
        """Open the session these options lead to.

        Args:
            paying: who pays, where another does.
            acts: who acts: what batches hold for him is found first.
        """
        # The chain's libraries take a second to import: help, and what needs no chain, need not wait for them.
        from medshare.session import connect

        with connect(self.folder, network=self.network, paying=paying) as session:
            if acts is not None:
                self._find(session, acts)
            yield session
            for each in session.shortfalls:
                self.warn(
                    f"{each.root} is pinned by {each.pinned} of {each.wanted} storage nodes: "
                    + "; ".join(f"{name}: {why}" for name, why in each.reasons),
                    hint="nothing is lost; when they answer: medshare storage repair",
                )
            for ignored in session.slips.ignored:
                self.warn(
                    f"{ignored.count or 'all'} slips in bundle {ignored.bundle.hex()} are ignored: {ignored.why}",
                    hint="records are read as before; ask who gave you the keys, or the assessor, for true ones",
                )

    def _find(self, session: Session, actor: Actor) -> None:
        try:
            found = session.finding.find(actor, again=False)
        except LedgerError:
            return  # what the command itself asks of the chain says what is wrong
        unread = [one for one in found.unread if one.custodian is not None]
        if unread or found.passed_over:
            why = f": {unread[0].error}" if unread else ""
            self.warn(
                f"{len(unread) + found.passed_over} batches could not be looked through{why}",
                hint="records may be missing here; try again with: medshare record find --as NAME",
            )

    def respelled(self, text: str) -> str:
        """Return a message whose commands have the options that these are."""
        return respelled(text, home=self.home, network=self.network)

    def actor(self, name: str) -> Actor:
        """Unlock an identity."""
        return self.keyring.open(name, self.passphrase)

    def passphrase(self, name: str) -> str:
        """Return the passphrase of an identity: from the file named in the options, or asked for."""
        return passphrase_of(name, self._passphrase_file)

    def new_passphrase(self, name: str) -> str:
        """Return a passphrase for a new identity; asked for twice."""
        return passphrase_of(name, self._passphrase_file, new=True)

    @property
    def _passphrase_file(self) -> Path | None:
        return Path(self.passphrase_file) if self.passphrase_file is not None else None

    def show(self, document: Mapping[str, Any], *, title: str | None = None) -> None:
        """Print one thing, field by field."""
        if self.as_json:
            click.echo(json.dumps(document, indent=2))
            return
        if title:
            click.echo(self.respelled(title))
        width = max((len(key) for key in document), default=0)
        for key, value in document.items():
            click.echo(f"  {key.replace('_', ' '):<{width}}  {one_line(_text(value))}")

    def show_all(self, rows: Sequence[Mapping[str, Any]], *, nothing: str, named: bool = True) -> None:
        """Print many things of one kind, a line each; for people, ``named`` puts names in the place of addresses."""
        if self.as_json:
            click.echo(json.dumps(list(rows), indent=2))
            return
        if not rows:
            click.echo(self.respelled(nothing))
            return
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        names = self._names() if named else {}
        # A column in which nothing is said only makes lines longer.
        keys = [key for key in rows[0] if any(row[key] is not None for row in rows)]
        table = Table(box=None, pad_edge=False)
        for key in keys:
            table.add_column(key.replace("_", " "), no_wrap=True)
        for row in rows:
            values = [_hashable(row[key]) for key in keys]
            table.add_row(*(Text(one_line(names.get(value) or _text(value))) for value in values))
        # Ids are to be copied: a line is never folded by us, only by the terminal.
        Console(width=_WIDE).print(table, crop=False)

    def _names(self) -> dict[object, str]:
        # Settings that cannot be read must not hide an answer that has been found.
        with suppress(MedshareError):
            return dict(self.keyring.known().items())
        return {}

    def name_of(self, account: str) -> str:
        """Return what a person calls an account: its name, if it is known here."""
        return escaped(self._names().get(account, account))

    def say(self, text: str) -> None:
        """Print a sentence for a person; a script that asked for JSON does not get it."""
        if not self.as_json:
            click.echo(escaped(self.respelled(text)))

    def warn(self, text: str, *, hint: str) -> None:
        """Say on standard error what did not go as it should, and keeps nobody from going on."""
        if self.as_json:
            click.echo(json.dumps({"warning": text, "hint": self.respelled(hint)}), err=True)
            return
        click.echo(f"warning: {escaped(text)}\nhint: {escaped(self.respelled(hint))}", err=True)

    @contextmanager
    def progress(self) -> Iterator[Tell]:
        """Show how far long work is, where a person watches."""
        if self.as_json or not sys.stderr.isatty():
            yield silent
            return
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description:>14}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
            tasks: dict[str, TaskID] = {}

            def tell(what: str, done: int, total: int | None) -> None:
                if what not in tasks:
                    tasks[what] = bars.add_task(what, total=total)
                bars.update(tasks[what], completed=done, total=total)

            yield tell


def escaped(text: str) -> str:
    """Return ``text`` without characters that could command a terminal."""
    return "".join(char if char.isprintable() or char == "\n" else _code(char) for char in text)


def one_line(text: str) -> str:
    """Return ``text`` escaped and in one line: a file's name must not look like another row or field."""
    return escaped(text).replace("\n", "\\n")


def _code(char: str) -> str:
    number = ord(char)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def moment(at: int | None) -> str | None:
    """Return Unix seconds as ISO 8601 in UTC, or None for never."""
    return None if not at else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _hashable(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _text(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(_text(each) for each in value) or "-"
        case dict():
            return ", ".join(f"{key} {_text(each)}" for key, each in value.items())
        case _:
            return str(value)
