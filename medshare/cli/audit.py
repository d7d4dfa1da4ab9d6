"""``medshare audit``: who may read, who could, and what happened, from the chain's own events."""

from __future__ import annotations

from collections.abc import Mapping

import click

from medshare.cli.access import standing_row
from medshare.cli.console import App, Group, moment
from medshare.cli.values import parse_moment
from medshare.model.events import (
    AccessGranted,
    AccessRevoked,
    AllAccessRevoked,
    EncryptionKeySet,
    LedgerEvent,
    RecordRegistered,
    RecordRetracted,
    RecordSuperseded,
)
from medshare.model.ids import Address, GrantId, patient_of


@click.group(cls=Group)
def audit() -> None:
    """Audit: who may read, who could, what happened."""


@audit.command("may-read")
@click.option("--patient", required=True, metavar="WHO", help="Name or address of the patient.")
@click.option("--at", "when", metavar="WHEN", help="At a past time (ISO 8601); default: now.")
@click.pass_obj
def may_read(app: App, patient: str, when: str | None) -> None:
    """Say who may read records of a patient, or could at a past time."""
    account = app.keyring.resolve(patient)
    with app.session() as session:
        at = None if when is None else parse_moment(when, session.clock.now())
        standings = session.auditing.may_read(account, at=at)
    app.show_all([standing_row(standing) for standing in standings], nothing="nobody")


@audit.command("trail")
@click.option("--patient", required=True, metavar="WHO", help="Name or address of the patient.")
@click.pass_obj
def trail(app: App, patient: str) -> None:
    """Show everything the chain tells about a patient, in order: who acted, and whom it concerns."""
    account = app.keyring.resolve(patient)
    with app.session() as session:
        events = session.auditing.trail(account)
    grantees = {event.grant.grant_id: event.grant.grantee for event in events if isinstance(event, AccessGranted)}
    app.show_all([trail_row(event, grantees) for event in events], nothing="the chain tells nothing about this patient")


@audit.command("rebuild")
@click.pass_obj
def rebuild(app: App) -> None:
    """Forget the local index and read the chain anew."""
    with app.session() as session, app.progress() as progress:
        block = session.auditing.rebuild(lambda done, total: progress("reading blocks", done, total))
    app.show({"block": block.number, "block_hash": "0x" + block.hash.hex()}, title="rebuilt")


def trail_row(event: LedgerEvent, grantees: Mapping[GrantId, Address]) -> dict[str, object]:
    """Return what a script or a person reads of an event: who acted, and whom it concerns.

    Args:
        event: what happened.
        grantees: whom each grant is for; an event that ends one does not say it.
    """
    return {
        "block": event.place.block.number,
        "at": moment(event.place.block.time),
        "event": type(event).__name__,
        "who": _who(event),
        "concerns": _concerns(event, grantees),
        "what": _what(event),
        "transaction": "0x" + event.place.tx_hash.hex(),
    }


def _who(event: LedgerEvent) -> Address:
    match event:
        case EncryptionKeySet():
            return event.actor
        case RecordRegistered() | RecordSuperseded() | RecordRetracted():
            return event.custodian
        case AccessGranted():
            return event.grant.patient
        case AccessRevoked():
            return patient_of(event.grant_id)
        case AllAccessRevoked():
            return event.patient


def _concerns(event: LedgerEvent, grantees: Mapping[GrantId, Address]) -> Address | None:
    match event:
        case RecordRegistered() | RecordSuperseded():
            return event.patient
        case AccessGranted():
            return event.grant.grantee
        case AccessRevoked():
            return grantees.get(event.grant_id)
        case EncryptionKeySet() | RecordRetracted() | AllAccessRevoked():
            return None


def _what(event: LedgerEvent) -> str:
    match event:
        case EncryptionKeySet():
            return f"key version {event.version}"
        case RecordRegistered() | RecordRetracted():
            return f"record {event.record_id.hex()}"
        case RecordSuperseded():
            return f"record {event.record_id.hex()} in place of {event.previous_id.hex()}"
        case AccessGranted():
            codes = ",".join(event.grant.purposes.codes)
            return f"grant {event.grant.grant_id:#x} for {codes} until {moment(event.grant.expires_at)}"
        case AccessRevoked():
            return f"grant {event.grant_id:#x}"
        case AllAccessRevoked():
            return "every grant"
