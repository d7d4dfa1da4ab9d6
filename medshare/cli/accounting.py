"""``medshare audit report``, ``export`` and ``check``: who could read, for patients, auditors and authorities."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from medshare.cli.console import App, Command, escaped, moment
from medshare.cli.receipts_told import Signed, check_receipts, is_receipt_account, receipt_lines, receipt_rows, told
from medshare.cli.values import parse_moment
from medshare.errors import IntegrityError, InvalidInputError
from medshare.files import refuse_existing, write_whole
from medshare.model.describing_access import (
    LIMITS,
    day_and_time,
    in_summary,
    what,
    when,
    who_could_read,
)
from medshare.model.disclosure import AccountingOfDisclosures, Disclosure, in_series
from medshare.model.ids import Address
from medshare.model.receipt_account import ReceiptAccount
from medshare.standards import audit_event, disclosures
from medshare.standards.comparing import Discrepancy

if TYPE_CHECKING:
    from medshare.model.telling import Names
    from medshare.session import Session

_AUDIT_EVENT, _DISCLOSURES, _PAGE = "audit-event", "disclosures", "page"
_SINCE_HELP = "Only what was told, or could be read, then or later (ISO 8601); default: everything."


@click.command("report", cls=Command)
@click.option("--patient", required=True, metavar="WHO", help="Name or address of the patient.")
@click.option("--since", metavar="WHEN", help=_SINCE_HELP)
@click.option(
    "--receipts",
    "files",
    multiple=True,
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="Read receipts that a custodian has exported for the patient; those kept here are told anyhow.",
)
@click.pass_obj
def report(app: App, patient: str, since: str | None, files: tuple[Path, ...]) -> None:
    """Tell a patient in plain words who may read his records, who could, and who signed that he would.

    Emergencies come first. Who could is read from the chain, so that nobody can leave anything out; read receipts are
    compared with it. It needs no passphrase.
    """
    account = app.keyring.resolve(patient)
    given = [ReceiptAccount.from_json(_read(path)) for path in files]
    if any(each.patient != account for each in given):
        raise InvalidInputError(
            "the receipts are not of this patient alone", hint="medshare receipt export --patient PATIENT"
        )
    with app.session() as session:
        accounting = _made(session, account, since)
        kept = session.receipt_accounts.about(account)
        signed = told(session, [*given, *kept], since=accounting.scope.since)
    if app.as_json:
        app.show({**_report(accounting), **receipt_rows(signed)})
    else:
        _tell(app, accounting, signed)


@click.command("export", cls=Command)
@click.option("--patient", required=True, metavar="WHO", help="Name or address of the patient.")
@click.option(
    "--format",
    "kind",
    required=True,
    type=click.Choice([_AUDIT_EVENT, _DISCLOSURES, _PAGE]),
    help="FHIR R4 AuditEvents as a Bundle (IHE BALP), a CSV table (45 CFR 164.528, EHDS Art. 9), or a page to print.",
)
@click.option("--to", "path", required=True, type=click.Path(dir_okay=False, path_type=Path), help="New file.")
@click.option("--since", metavar="WHEN", help=_SINCE_HELP)
@click.pass_obj
def export(app: App, patient: str, kind: str, path: Path, since: str | None) -> None:
    """Write who could read records of a patient, for an auditor or an authority.

    Bundle and table can be compared with the chain at any time: medshare audit check. The file is about a person: only
    you may read it.
    """
    refuse_existing(path)
    account = app.keyring.resolve(patient)
    with app.session() as session:
        accounting = _made(session, account, since)
    match kind:
        case "audit-event":
            document = audit_event.encode(audit_event.bundle(accounting))
        case "disclosures":
            document = disclosures.table(accounting, _names(app))
        case _:
            document = disclosures.page(accounting, _names(app))
    write_whole(path, document, replace=False)
    app.show(
        {
            "patient": account,
            "format": kind,
            "file": str(path),
            "events": len(accounting.events),
            "disclosures": len(accounting.disclosures),
            "block": accounting.block.number,
        },
        title="exported",
    )


@click.command("check", cls=Command)
@click.argument("path", metavar="FILE", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@click.pass_obj
def check(app: App, path: Path) -> None:
    """Compare an exported FILE, a Bundle, a table or read receipts, with the chain.

    What was left out, added or edited is named, and the exit code is 5. Of read receipts, signatures, the roots of the
    batches and what is on chain must fit. The chain knows no names: those in a table
    that are not the ones you know are shown, and count for nothing.
    """
    document = _read(path)
    if is_receipt_account(document):
        check_receipts(app, ReceiptAccount.from_json(document))
        return
    unknown: tuple[disclosures.NameSaid, ...] = ()
    with app.session() as session:
        if document.lstrip().startswith(b"{"):
            bundle = audit_event.decode(document)
            accounting = session.accounting.again(audit_event.scope_of(bundle))
            found = audit_event.discrepancies(bundle, accounting)
        else:
            rows = disclosures.decode(document)
            accounting = session.accounting.again(disclosures.scope_of(rows))
            found = disclosures.discrepancies(rows, accounting)
            unknown = disclosures.names_said(rows, _names(app))
        events = session.accounting.of(accounting.scope.patient).events
        later = sum(each.place.block.number > accounting.block.number for each in events)
    app.show(
        {
            "patient": accounting.scope.patient,
            "since": moment(accounting.scope.since),
            "block": accounting.block.number,
            "at": moment(accounting.block.time),
            "events": len(accounting.events),
            "disclosures": len(accounting.disclosures),
            "told_since": later,
            "discrepancies": [_discrepancy(app, each) for each in found],
            "names_not_known_here": [_name_said(app, each) for each in unknown],
        },
        title="compared",
    )
    if found:
        noun = "place" if len(found) == 1 else "places"
        raise IntegrityError(
            f"the file is not what the chain tells, in {len(found)} {noun}",
            hint="somebody edited it, or left something out: export it anew",
        )


COMMANDS = (report, export, check)


def _made(session: Session, patient: Address, since: str | None) -> AccountingOfDisclosures:
    begin = 0 if since is None else parse_moment(since, session.clock.now())
    return session.accounting.of(patient, since=begin)


def _names(app: App) -> Names:
    return app.keyring.known().get


def _read(path: Path) -> bytes:
    if path.stat().st_size > audit_event.MAX_BUNDLE_SIZE:
        raise InvalidInputError(f"the file is larger than {audit_event.MAX_BUNDLE_SIZE >> 20} MiB")
    return path.read_bytes()


def _report(accounting: AccountingOfDisclosures) -> dict[str, object]:
    return {
        "patient": accounting.scope.patient,
        "since": moment(accounting.scope.since),
        "block": accounting.block.number,
        "at": moment(accounting.block.time),
        "disclosures": [_row(each, accounting.block.time) for each in accounting.disclosures],
        "series": [
            {
                "manner": each.manner.value,
                "recipient": each.recipient,
                "purposes": list(each.purposes.codes),
                "first": moment(each.first),
                "last": moment(each.last),
                "count": each.count,
            }
            for each in in_series(accounting.disclosures)
        ],
        "limits": list(LIMITS),
    }


def _row(one: Disclosure, now: int) -> dict[str, object]:
    kind, reference = one.reference
    return {
        "manner": one.manner.value,
        "recipient": one.recipient,
        "purposes": list(one.purposes.codes),
        "from": moment(one.begins_at),
        "until": moment(one.until),
        "ended": one.ending.value if one.ending is not None else None,
        "in_force": one.in_force(now),
        "given_by": one.given_by,
        "capacity": one.capacity.value,
        "by_right": one.by_right,
        "reason": one.reason.name.lower().replace("_", "-") if one.reason is not None else None,
        "review": one.verdict.name.lower() if one.manner.is_emergency else None,
        kind: reference,
        "what": what(one),
        "told_at": moment(one.place.block.time),
        "transaction": "0x" + one.place.tx_hash.hex(),
    }


def _tell(app: App, accounting: AccountingOfDisclosures, signed: Signed) -> None:
    now, names = accounting.block.time, _names(app)
    emergencies = [each for each in accounting.disclosures if each.manner.is_emergency]
    others = [each for each in accounting.disclosures if not each.manner.is_emergency]
    click.echo(f"Who could read the records of {app.name_of(accounting.scope.patient)}")
    click.echo(f"As the chain tells it, up to {day_and_time(now)} (block {accounting.block.number}).")
    _section("Emergencies, in which nobody asked", [_sentence(each, names, now, "! ") for each in emergencies])
    _section("Who signed that he was about to read", [app.respelled(each) for each in receipt_lines(signed, names)])
    in_force = [each for each in others if each.in_force(now)]
    to_come = [each for each in others if now < each.begins_at < each.until]
    _section("Who may read now", [_sentence(each, names, now) for each in in_force])
    if to_come:
        _section("Who may read later", [_sentence(each, names, now) for each in to_come])
    _section(
        "Who could read before", [_sentence(each, names, now) for each in others if each not in (*in_force, *to_come)]
    )
    _section("In summary", [f"  {in_summary(each, names)}." for each in in_series(accounting.disclosures)])
    _section("What this cannot tell", [f"  {app.respelled(each)}" for each in LIMITS])


def _section(title: str, lines: list[str]) -> None:
    click.echo(f"\n{title}:")
    for line in lines or ["  nobody" if title.startswith("Who") else "  none"]:
        click.echo(escaped(line))


def _sentence(one: Disclosure, names: Names, now: int, mark: str = "  ") -> str:
    said = when(one, now)
    return f"{mark}{who_could_read(one, names)}.\n    {said[0].upper()}{said[1:]}."


def _discrepancy(app: App, one: Discrepancy) -> dict[str, object] | str:
    if app.as_json:
        return {
            "finding": one.finding.value,
            "entry": one.entry,
            "about": one.about,
            "fields": list(one.fields),
        }
    where = f", in {', '.join(one.fields)}" if one.fields else ""
    return f"{one.finding.value}: {one.about} ({one.entry}){where}"


def _name_said(app: App, one: disclosures.NameSaid) -> dict[str, object] | str:
    if app.as_json:
        return {"account": one.account, "said": one.said, "known": one.known}
    known = "unknown here" if one.known is None else f"here {one.known}"
    return f"{one.account} is called {one.said}, {known}"
