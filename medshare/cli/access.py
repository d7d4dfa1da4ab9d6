"""``medshare access``: a patient grants and revokes; anybody asks what stands."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

import click

from medshare.cli.console import App, Group, moment
from medshare.cli.record import find, standing
from medshare.cli.sending import Way, for_option, sending_options
from medshare.cli.values import GrantIdValue, PurposesValue, PurposeValue, RecordIdValue, parse_moment
from medshare.errors import AccessDeniedError, InvalidInputError, MedshareError
from medshare.model.consent import RecordRef
from medshare.model.ids import Address, GrantId, RecordId
from medshare.model.provision import Effect
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import RecordStatus
from medshare.ports import Actor
from medshare.services.auditing import GrantStanding
from medshare.services.consenting import Granted, Prepared, Revoked

if TYPE_CHECKING:
    from medshare.session import Session


@click.group(cls=Group)
def access() -> None:
    """Access: grant, revoke, and see what stands."""


def standing_row(standing: GrantStanding) -> dict[str, object]:
    """Return what a script or a person reads of a grant."""
    grant = standing.grant
    return {
        "grant": f"{grant.grant_id:#x}",
        "state": "live" if standing.live else standing.reason.value,
        "patient": grant.patient,
        "grantee": grant.grantee,
        "purposes": list(standing.purposes.codes),
        "not_before": moment(grant.not_before),
        "expires_at": moment(grant.expires_at),
        "revoked_at": moment(standing.revoked_at),
    }


@access.command("grant")
@click.argument("record_ids", nargs=-1, type=RecordIdValue())
@click.option("--as", "patient", required=True, metavar="NAME", help="The patient's identity.")
@click.option("--to", "grantee", required=True, metavar="WHO", help="Name or address of the reader.")
@click.option("--purpose", type=PurposesValue(), default="TREAT", show_default=True, help="HL7 purposes, by commas.")
@click.option("--until", required=True, metavar="WHEN", help="30d, 12h, 90m, or a date and time (UTC).")
@click.option("--from", "start", metavar="WHEN", help="Default: now.")
@click.option("--all", "every", is_flag=True, help="All my active records; with --custodian, those that he states.")
@click.option("--custodian", metavar="WHO", help="Whose word counts, where several custodians state a record.")
@for_option
@sending_options
@click.pass_obj
def grant(
    app: App,
    record_ids: tuple[RecordId, ...],
    patient: str,
    grantee: str,
    purpose: tuple[PurposeOfUse, ...],
    until: str,
    start: str | None,
    every: bool,
    custodian: str | None,
    on_behalf_of: str | None,
    way: Way,
) -> None:
    """Grant a reader access to RECORD_IDS until a date: to these and their later versions.

    --all names those that are there now. To cover what is published later, too: medshare consent give

    The same reader, records and purposes again give the same grant with new dates. A delegate grants what he may read
    himself, within his appointment.
    """
    if every == bool(record_ids):
        raise click.UsageError("name records, or say --all")
    actor, reader = app.actor(patient), app.keyring.resolve(grantee)
    subject = app.keyring.resolve(on_behalf_of) if on_behalf_of is not None else actor.address
    with way.session(app, actor) as session:
        now = session.clock.now()
        if every:
            records = _every(session, app, subject, custodian)
        else:
            records = [find(session, app, record_id, custodian) for record_id in record_ids]
        with app.progress() as progress:
            prepared = session.consenting.prepare(
                patient=actor,
                grantee=reader,
                records=records,
                purposes=purpose,
                not_before=parse_moment(start, now) if start is not None else 0,
                expires_at=parse_moment(until, now),
                on_behalf_of=subject,
                progress=progress,
            )
        granted = send_grant(app, session, way, actor, prepared)
    if granted is None:
        return
    app.show(
        {
            "grant": f"{granted.grant_id:#x}",
            "grantee": reader,
            "purposes": list(granted.grant.purposes.codes),
            "records": len(records),
            "not_before": moment(granted.grant.not_before),
            "expires_at": moment(granted.grant.expires_at),
            "bundle": str(granted.bundle),
            "custodians_told": list(granted.told),
            "custodians_not_told": list(granted.untold),
            "block": granted.receipt.block.number,
        },
        title="granted",
    )
    app.say(
        "of what comes later, later versions of these records are covered, where their custodian was told; to cover "
        f"other records too: medshare consent give --as {patient} --to {grantee}"
    )


def send_grant(app: App, session: Session, way: Way, actor: Actor, prepared: Prepared) -> Granted | None:
    """Grant on chain what was prepared, in the way that was said; None where it was handed out, signed."""
    if not prepared.receipted:
        app.say("no receipt could be made with it; see: medshare consent receipt --as NAME")
    _tell_coarser(app, prepared)
    if way.sign_to is None:
        return session.consenting.send(prepared, patient=actor)
    try:
        way.handed_out(
            app,
            session,
            actor,
            lambda draft: draft.grant(prepared.patient, prepared.request),
            also={"grant": f"{prepared.grant_id:#x}", "bundle": str(prepared.bundle)},
        )
    except MedshareError:
        session.consenting.withdraw(prepared.patient, prepared.grant_id, prepared.request.bundle)
        raise
    return None


def _tell_coarser(app: App, prepared: Prepared) -> None:
    permits = (each for each in prepared.terms.provisions if each.effect is Effect.PERMIT)
    finer = sorted({each for provision in permits for each in provision.purposes if each.coarse.name != each})
    if finer:
        coarser = reduce(or_, (each.coarse for each in finer))
        app.say(
            f"the chain shows {', '.join(coarser.codes)} only; that it is for {', '.join(finer)} stands in the "
            f"encrypted terms, by which is decided: medshare consent show {prepared.grant_id:#x} --as NAME"
        )


def _every(session: Session, app: App, patient: Address, custodian: str | None) -> list[RecordRef]:
    """Return a patient's active records; anybody can state some of him, so he may say whose word counts."""
    stated_by = None if custodian is None else app.keyring.resolve(custodian)
    records = [
        RecordRef(custodian=entry.custodian, record_id=entry.record_id)
        for entry in session.auditing.records(patient)
        if entry.status is RecordStatus.ACTIVE and stated_by in (None, entry.custodian)
    ]
    if not records:
        raise InvalidInputError("there are no active records of this patient")
    if len({record.record_id for record in records}) < len(records):
        raise InvalidInputError(
            "several custodians state the same record", hint="say whose word you trust, with --custodian"
        )
    return records


@access.command("revoke")
@click.argument("grant_id", type=GrantIdValue())
@click.option("--as", "patient", required=True, metavar="NAME", help="The patient's identity.")
@sending_options
@click.pass_obj
def revoke(app: App, grant_id: GrantId, patient: str, way: Way) -> None:
    """Take a grant back. What the reader has read stays with him."""
    actor = app.actor(patient)
    with way.session(app, actor) as session:
        if way.handed_out(app, session, actor, lambda draft: draft.revoke(grant_id)):
            _tell_tidy(app, patient)
            return
        revoked = session.consenting.revoke(grant_id, patient=actor)
    app.show(
        {
            "grant": f"{grant_id:#x}",
            "had_been_granted": revoked.had_been_granted,
            "block": revoked.receipt.block.number,
            "bundles_left": revoked.bundles_left,
        },
        title="revoked; what was read before cannot be taken back"
        if revoked.had_been_granted
        else "nothing had been granted under this id; if a grant was on its way, it has ended",
    )
    _tell_left(app, revoked)


@access.command("revoke-all")
@click.option("--as", "patient", required=True, metavar="NAME", help="The patient's identity.")
@for_option
@sending_options
@click.pass_obj
def revoke_all(app: App, patient: str, on_behalf_of: str | None, way: Way) -> None:
    """Take back everything, the grants that have not begun included; delegations end, too."""
    actor = app.actor(patient)
    subject = app.keyring.resolve(on_behalf_of) if on_behalf_of is not None else actor.address
    with way.session(app, actor) as session:
        if way.handed_out(app, session, actor, lambda draft: draft.revoke_all(subject)):
            _tell_tidy(app, patient)
            return
        revoked = session.consenting.revoke_all(patient=actor, on_behalf_of=subject)
    app.show(
        {"patient": subject, "block": revoked.receipt.block.number, "bundles_left": revoked.bundles_left},
        title="all revoked; what was read before cannot be taken back",
    )
    _tell_left(app, revoked)


@access.command("tidy")
@click.option("--patient", required=True, metavar="WHO", help="Whose grants.")
@click.pass_obj
def tidy(app: App, patient: str) -> None:
    """Give up the key bundles of revoked grants in this store, whoever has sent the revocation."""
    account = app.keyring.resolve(patient)
    with app.session() as session:
        left = session.consenting.tidy(account)
    app.show({"patient": account, "bundles_left": left}, title="tidied; the next collection removes what nothing keeps")


def _tell_tidy(app: App, patient: str) -> None:
    app.say(f"when it is on chain, its key bundles can go from this store: medshare access tidy --patient {patient}")


def _tell_left(app: App, revoked: Revoked) -> None:
    if revoked.bundles_left:
        app.say(
            f"the grants have ended, but the store still keeps {revoked.bundles_left} of their key bundles: "
            "give the same command again when it answers"
        )


@access.command("list")
@click.option("--patient", metavar="WHO", help="Grants that this patient gave.")
@click.option("--grantee", metavar="WHO", help="Grants that this reader has.")
@click.pass_obj
def list_(app: App, patient: str | None, grantee: str | None) -> None:
    """List grants, live and ended."""
    if not patient and not grantee:
        raise InvalidInputError("name a patient or a grantee", hint="with --patient WHO or --grantee WHO")
    keyring = app.keyring
    with app.session() as session:
        standings = session.auditing.grants(
            patient=keyring.resolve(patient) if patient else None,
            grantee=keyring.resolve(grantee) if grantee else None,
        )
    app.show_all([standing_row(standing) for standing in standings], nothing="no grants")


@access.command("check")
@click.argument("record_id", type=RecordIdValue())
@click.option("--as", "reader", required=True, metavar="NAME", help="The reader's identity.")
@click.option("--purpose", type=PurposeValue(), default="TREAT", show_default=True, help="What for (HL7 PurposeOfUse).")
@click.option("--custodian", metavar="WHO", help="Whose word counts, where several custodians state the record.")
@click.pass_obj
def check(app: App, record_id: RecordId, reader: str, purpose: PurposeOfUse, custodian: str | None) -> None:
    """Say whether a reader may fetch a record now, and why; exit code 3 if not."""
    actor = app.actor(reader)
    with app.session(acts=actor) as session:
        ref = find(session, app, record_id, custodian)
        decision = session.retrieving.preview(ref, reader=actor, purpose=purpose)
        entry = session.ledger.records.record(ref.custodian, ref.record_id, block=session.ledger.chain.head())
        became = standing(session, entry)
    app.show(
        {
            "permitted": decision.permitted,
            "reason": decision.reason.value,
            "explanation": decision.explain(),
            "as_of": moment(decision.at),
            "block": decision.block,
            **became,
        }
    )
    if not decision.permitted:
        raise AccessDeniedError(decision)
