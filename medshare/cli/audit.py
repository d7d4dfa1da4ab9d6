"""``medshare audit``: who may read, who could, and what happened, from the chain's own events."""

from __future__ import annotations

import click

from medshare.cli.access import standing_row
from medshare.cli.console import App, Group, moment
from medshare.cli.values import parse_moment
from medshare.errors import IntegrityError
from medshare.model.delegation import Verbs
from medshare.model.events import (
    AccessDelivered,
    AccessGranted,
    AccessRevoked,
    Accredited,
    ActedFor,
    AllAccessRevoked,
    AuthorityEvent,
    BarSet,
    ControlMoved,
    DelegateAppointed,
    DelegateDismissed,
    DeliveryDeclined,
    DeliveryDisputed,
    EncryptionKeySet,
    EpisodeEnded,
    EpisodeEvent,
    EpisodeReviewed,
    GlassBroken,
    GuardiansNamed,
    KeysReleased,
    LedgerEvent,
    RecordRegistered,
    RecordRetracted,
    RecordSuperseded,
    RecoveryObjected,
    RecoveryProposed,
    RegisteredFromBatch,
    RequestOpened,
    RewardPaid,
    RewardReserved,
    RewardReturned,
)
from medshare.services.acts import Act, acts
from medshare.services.verifying import Difference


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
    app.show_all([trail_row(act) for act in acts(events)], nothing="the chain tells nothing about this patient")


@audit.command("rebuild")
@click.pass_obj
def rebuild(app: App) -> None:
    """Forget the local index and read the chain anew."""
    with app.session() as session, app.progress() as progress:
        block = session.auditing.rebuild(lambda done, total: progress("reading blocks", done, total))
    app.show({"block": block.number, "block_hash": "0x" + block.hash.hex()}, title="rebuilt")


@audit.command("verify")
@click.pass_obj
def verify(app: App) -> None:
    """Compare all that the chain's events tell with the contracts' own answers, at one block.

    Each answer that differs is named, and the exit code is 5: then a node held events back, or made some up. Try
    another node, and: medshare audit rebuild
    """
    with app.session() as session, app.progress() as progress:
        verified = session.verifying.verify(progress)
    app.show(
        {
            "block": verified.block.number,
            "block_hash": "0x" + verified.block.hash.hex(),
            "events": verified.events,
            "compared": dict(verified.compared) if app.as_json else sum(verified.compared.values()),
            "differences": [_difference(app, one) for one in verified.differences],
        },
        title="compared",
    )
    if verified.differences:
        raise IntegrityError(
            f"the events tell otherwise than the contracts answer, {len(verified.differences)} times",
            hint="a node held events back, or made some up: try another node, and: medshare audit rebuild",
        )


def _difference(app: App, one: Difference) -> dict[str, str] | str:
    if app.as_json:
        return {"what": one.what, "replayed": one.replayed, "answered": one.answered}
    return f"{one.what}: the events tell {one.replayed}, the contract answers {one.answered}"


def trail_row(act: Act) -> dict[str, object]:
    """Return what a script or a person reads of an act: who acted, and whom it concerns."""
    place = act.event.place
    return {
        "block": place.block.number,
        "at": moment(place.block.time),
        "event": type(act.event).__name__,
        "who": act.by,
        "concerns": act.concerns,
        "what": _what(act.event),
        "transaction": "0x" + place.tx_hash.hex(),
    }


def _what(event: LedgerEvent) -> str:
    match event:
        case EncryptionKeySet():
            return f"key version {event.version}"
        case RecordRegistered() | RegisteredFromBatch() | RecordRetracted():
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
        case GlassBroken() | EpisodeEnded() | KeysReleased() | EpisodeReviewed():
            return _what_in_an_emergency(event)
        case Accredited():
            return f"{event.kind.name.lower()} until {moment(event.valid_until)}"
        case _ if isinstance(event, AuthorityEvent | BarSet):
            return _what_of_authority(event)
        case _:
            return _what_of_requests(event)


def _what_in_an_emergency(event: EpisodeEvent) -> str:
    episode = f"episode {event.episode_id:#x}"
    match event:
        case GlassBroken():
            return f"{episode}: {event.reason.name.lower()}, until {moment(event.ends_at)}"
        case KeysReleased():
            return f"{episode}: bundle {event.bundle.hex()}"
        case EpisodeReviewed():
            return f"{episode}: {event.verdict.name.lower()}"
        case EpisodeEnded():
            return episode


def _what_of_authority(event: AuthorityEvent | BarSet) -> str:
    match event:
        case DelegateAppointed(delegation=delegation):
            verbs = ",".join(verb.name.lower() for verb in Verbs if verb in delegation.verbs and verb.name)
            codes = f" for {','.join(delegation.purposes.codes)}" if delegation.purposes else ""
            return f"may {verbs}{codes} until {moment(delegation.expires_at)}"
        case GuardiansNamed():
            return f"guardians {event.circle.hex()} from {moment(event.begins_at)}" if any(event.circle) else "nobody"
        case RecoveryProposed():
            return f"attempt {event.attempt}, ready at {moment(event.ready_at)}"
        case RecoveryObjected():
            return f"attempt {event.attempt}"
        case ControlMoved():
            return f"tenure {event.tenure}"
        case BarSet():
            return "barred" if event.barred else "allowed"
        case DelegateDismissed() | ActedFor():
            return ""


def _what_of_requests(event: LedgerEvent) -> str:
    match event:
        case RequestOpened(request=request):
            codes = ",".join(request.terms.purposes.codes)
            return f"request {request.request_id} for {codes} until {moment(request.terms.deadline)}"
        case AccessDelivered():
            return f"request {event.request_id}: bundle {event.bundle.hex()}, score {event.score}"
        case RewardPaid():
            parts = f"{event.to_patient} to the patient, {event.to_custodian} to the custodian"
            rest = f"{event.to_consortium} to the consortium, {event.to_requester} back to the requester"
            return f"request {event.request_id}: {parts}, {rest}"
        case RewardReserved() | DeliveryDeclined() | DeliveryDisputed() | RewardReturned():
            return f"request {event.request_id}"
        case _:
            return ""
