"""What a patient says on the command line: one permission by options, with exceptions, or provisions in a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from medshare.cli.console import App
from medshare.cli.record import find
from medshare.cli.values import DayValue, PurposesValue, RecordIdValue, parse_moment
from medshare.errors import InvalidInputError
from medshare.model.documents import MAX_DOCUMENT_SIZE, Reader, decode_document
from medshare.model.ids import RecordId
from medshare.model.provision import Duty, Effect, Obligation, Provision
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Category, RecordRef
from medshare.model.terms import MAX_PROVISIONS

if TYPE_CHECKING:
    from medshare.session import Session

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
_CATEGORIES = click.Choice([category.value for category in Category])
_DUTIES = click.Choice([duty.value for duty in Duty if duty is not Duty.ERASE_BY])

_OPTIONS = (
    click.option("--category", "categories", multiple=True, type=_CATEGORIES, help="Permit this kind of record."),
    click.option("--everything", is_flag=True, help="Permit records of any kind."),
    click.option("--record", "records", multiple=True, type=RecordIdValue(), help="Permit this record by name."),
    click.option("--purpose", "purposes", type=PurposesValue(), help="What for: HL7 PurposeOfUse, by commas."),
    click.option("--label", "labels", multiple=True, metavar="CODE", help="Sensitive records with this label, too."),
    click.option("--since", type=DayValue(), help="Only what happened on this day or later, YYYY-MM-DD."),
    click.option("--before", type=DayValue(), help="Only what happened before this day, YYYY-MM-DD."),
    click.option("--custodian", "custodians", multiple=True, metavar="WHO", help="Only what this custodian states."),
    click.option("--duty", "duties", multiple=True, type=_DUTIES, help="What the reader must do, or refrain from."),
    click.option("--erase-by", metavar="WHEN", help="When nothing may be kept: 90d, or a date and time (UTC)."),
    click.option("--except-category", "but_categories", multiple=True, type=_CATEGORIES, help="But not this kind."),
    click.option("--except-label", "but_labels", multiple=True, metavar="CODE", help="But nothing with this label."),
    click.option("--except-record", "but_records", multiple=True, type=RecordIdValue(), help="But not this record."),
    click.option(
        "--provisions",
        "file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help='JSON file {"provisions": [...]}, in place of these options; docs/consent.md has its fields.',
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the options say, before names and records are looked up."""

    categories: tuple[str, ...]
    everything: bool
    records: tuple[RecordId, ...]
    purposes: tuple[PurposeOfUse, ...] | None
    labels: tuple[str, ...]
    since: date | None
    before: date | None
    custodians: tuple[str, ...]
    duties: tuple[str, ...]
    erase_by: str | None
    but_categories: tuple[str, ...]
    but_labels: tuple[str, ...]
    but_records: tuple[RecordId, ...]
    file: Path | None

    @property
    def anything(self) -> bool:
        """Whether something was said at all."""
        return any(getattr(self, name) for name in self.__slots__)

    def provisions(self, session: Session, app: App) -> list[Provision]:
        """Return the provisions that were said.

        Raises:
            InvalidInputError: nothing, too much, or nonsense was said.
            UnknownRecordError: a named record is not there.
        """
        if self.file is not None:
            others = [name for name in self.__slots__ if name != "file" and getattr(self, name)]
            if others:
                raise InvalidInputError("say it in the file or in the options, not in both")
            return read_provisions(self.file)
        purposes = self.purposes or (PurposeOfUse.TREAT,)
        by = tuple(app.keyring.resolve(each) for each in self.custodians)
        return [self._permission(session, app, purposes, by), *self._denials(session, app, purposes)]

    def _permission(
        self, session: Session, app: App, purposes: tuple[PurposeOfUse, ...], by: Sequence[Any]
    ) -> Provision:
        named = _refs(session, app, self.records)
        duties = [Obligation(duty=Duty(each)) for each in self.duties]
        if self.erase_by is not None:
            duties.append(Obligation(duty=Duty.ERASE_BY, by=parse_moment(self.erase_by, session.clock.now())))
        return Provision(
            effect=Effect.PERMIT,
            purposes=purposes,
            records=named,
            categories=tuple(Category(each) for each in self.categories),
            everything=self.everything,
            custodians=() if named else tuple(by),
            labels=self.labels,
            since=self.since,
            until=self.before,
            obligations=tuple(duties),
        )

    def _denials(self, session: Session, app: App, purposes: tuple[PurposeOfUse, ...]) -> list[Provision]:
        denials = []
        if self.but_categories:
            kinds = tuple(Category(each) for each in self.but_categories)
            denials.append(Provision(effect=Effect.DENY, purposes=purposes, categories=kinds))
        if self.but_labels:
            denials.append(Provision(effect=Effect.DENY, purposes=purposes, everything=True, labels=self.but_labels))
        if self.but_records:
            named = _refs(session, app, self.but_records)
            denials.append(Provision(effect=Effect.DENY, purposes=purposes, records=named))
        return denials


def provision_options(command: Decorated) -> Decorated:
    """Give a command the options of a consent; it gets them as keyword arguments for ``Said``."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def read_provisions(path: Path) -> list[Provision]:
    """Return the provisions in a file; raises ``InvalidInputError``, which names the place."""
    try:
        with path.open("rb") as file:
            document = file.read(MAX_DOCUMENT_SIZE + 1)
    except OSError as error:
        raise InvalidInputError(f"the file of provisions cannot be read: {error.strerror}") from error
    read = Reader(decode_document(document), "provisions")
    provisions = []
    for number, each in enumerate(read.objects("provisions", MAX_PROVISIONS), 1):
        try:
            provisions.append(Provision.read(each))
        except InvalidInputError as error:
            raise InvalidInputError(f"provision {number}: {error}", hint=error.hint) from error
    read.end()
    if not provisions:
        raise InvalidInputError("the file holds no provisions")
    return provisions


def _refs(session: Session, app: App, records: Sequence[RecordId]) -> tuple[RecordRef, ...]:
    return tuple(find(session, app, record_id, None) for record_id in records)
