"""``medshare consent``: what a patient permits and denies, in provisions; what a reader would see, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from medshare.cli.access import send_grant
from medshare.cli.console import App, Group, moment
from medshare.cli.provisions import Said, provision_options
from medshare.cli.sending import Way, for_option, sending_options
from medshare.cli.values import GrantIdValue, parse_moment
from medshare.errors import UnknownGrantError
from medshare.model.ids import Address, GrantId, patient_of
from medshare.ports import Actor

if TYPE_CHECKING:
    from medshare.model.consent import Consent
    from medshare.services.consenting import Granted, Previewed
    from medshare.session import Session


@click.group(cls=Group)
def consent() -> None:
    """Consent: provisions by kind of record, label, date and purpose."""


@consent.command("give")
@click.option("--as", "patient", required=True, metavar="NAME", help="The patient's identity.")
@click.option("--to", "grantee", required=True, metavar="WHO", help="Name or address of the reader.")
@click.option("--until", required=True, metavar="WHEN", help="30d, 12h, 90m, or a date and time (UTC).")
@click.option("--from", "start", metavar="WHEN", help="Default: now.")
@provision_options
@for_option
@sending_options
@click.pass_obj
def give(
    app: App,
    /,
    patient: str,
    grantee: str,
    until: str,
    start: str | None,
    on_behalf_of: str | None,
    way: Way,
    **said: Any,  # noqa: ANN401 - the options of Said
) -> None:
    """Grant what the provisions permit: what is there now, and what custodians publish later.

    A permission covers sensitive records only by the labels it names; an exception beats it. See what it comes to
    first, with: medshare consent preview, and the same options.
    """
    actor, reader = app.actor(patient), app.keyring.resolve(grantee)
    with way.session(app, actor) as session:
        now = session.clock.now()
        with app.progress() as progress:
            prepared = session.consenting.prepare(
                patient=actor,
                grantee=reader,
                provisions=Said(**said).provisions(session, app),
                not_before=parse_moment(start, now) if start is not None else 0,
                expires_at=parse_moment(until, now),
                on_behalf_of=None if on_behalf_of is None else app.keyring.resolve(on_behalf_of),
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
            "provisions": [each.in_words() for each in granted.terms.provisions],
            "released": len(granted.released),
            "passed_over": [record.record_id.hex() for record in granted.passed_over],
            "told": list(granted.told),
            "untold": list(granted.untold),
            "not_before": moment(granted.grant.not_before),
            "expires_at": moment(granted.grant.expires_at),
            "block": granted.receipt.block.number,
        },
        title="granted; custodians who were told apply it to what they publish later",
    )


@consent.command("renew")
@click.option("--as", "patient", required=True, metavar="NAME", help="The patient's identity.")
@click.option("--to", "grantee", metavar="WHO", help="Only what this reader was granted. Default: every reader.")
@for_option
@sending_options
@click.pass_obj
def renew(app: App, patient: str, grantee: str | None, on_behalf_of: str | None, way: Way) -> None:
    """Tell custodians whom you met later what you have granted: one grant to each reader is given again.

    It keeps its terms and dates. Until a custodian is told, what he publishes does not reach the reader; the inbox
    says of whom that may be so.
    """
    if way.sign_to is not None and grantee is None:
        raise click.UsageError("one file holds one grant: say whose, with --to")
    actor = app.actor(patient)
    reader = None if grantee is None else app.keyring.resolve(grantee)
    subject = None if on_behalf_of is None else app.keyring.resolve(on_behalf_of)
    rows: list[dict[str, object]] = []
    is_left = is_handed_out = False
    with way.session(app, actor) as session:
        for each in session.consenting.untold(patient=actor, on_behalf_of=subject):
            if reader not in (None, each.reader):
                continue
            if each.again is None:
                app.warn(
                    f"no grant to {each.reader} can be given again as it is, and not every custodian knows of all",
                    hint=f"any new one tells them: medshare consent give --as {patient} --to {each.reader}",
                )
                is_left = True
                continue
            granted = _given_again(app, session, way, actor, each.again, subject)
            if granted is None:
                is_handed_out = True
            else:
                rows.append(
                    {
                        "grant": f"{granted.grant_id:#x}",
                        "grantee": each.reader,
                        "told": [custodian for custodian in each.custodians if custodian in granted.told],
                        "released": len(granted.released),
                        "expires_at": moment(granted.grant.expires_at),
                        "block": granted.receipt.block.number,
                    }
                )
    if not is_handed_out and (rows or not is_left or app.as_json):
        whose = "the grants" if grantee is None else f"the grants to {grantee}"
        app.show_all(rows, nothing=f"every custodian who can be told of {whose} has been told; nothing to do")


def _given_again(
    app: App, session: Session, way: Way, actor: Actor, consent: Consent, subject: Address | None
) -> Granted | None:
    """Give a grant again, with its terms and dates; None where it was handed out, signed."""
    grant, terms = consent.grant, consent.terms
    with way.progress(app) as progress:
        prepared = session.consenting.prepare(
            patient=actor,
            grantee=grant.grantee,
            provisions=[each for _, each in terms.numbered],
            not_before=grant.not_before,
            expires_at=grant.expires_at,
            on_behalf_of=subject,
            progress=progress,
        )
    return send_grant(app, session, way, actor, prepared)


@consent.command("preview")
@click.option("--as", "patient", required=True, metavar="NAME", help="The patient's identity.")
@click.option("--reader", required=True, metavar="WHO", help="Name or address of the reader.")
@click.option("--at", metavar="WHEN", help="A span from now, or a date and time (UTC). Default: now.")
@provision_options
@for_option
@click.pass_obj
def preview(
    app: App,
    /,
    patient: str,
    reader: str,
    at: str | None,
    on_behalf_of: str | None,
    **said: Any,  # noqa: ANN401 - the options of Said
) -> None:
    """Show what a reader would see of each of my records, and why; nothing is granted.

    By the grants that stand; with provisions, as if they were granted too. With --purpose and no provisions, for
    these purposes alone.
    """
    actor, account = app.actor(patient), app.keyring.resolve(reader)
    spoken = Said(**said)
    asked_only = spoken.anything and spoken.purposes is not None and not _says_more_than_purposes(spoken)
    with app.session(acts=actor) as session:
        rows: list[Previewed] = []
        for purpose in spoken.purposes or () if asked_only else (None,):
            rows += session.consenting.preview(
                patient=actor,
                reader=account,
                purpose=purpose,
                provisions=None if asked_only or not spoken.anything else spoken.provisions(session, app),
                at=None if at is None else parse_moment(at, session.clock.now()),
                on_behalf_of=None if on_behalf_of is None else app.keyring.resolve(on_behalf_of),
            )
    app.show_all([_row(each) for each in rows], nothing="there are no records of this patient")


@consent.command("show")
@click.argument("grant_id", type=GrantIdValue())
@click.option("--as", "party", required=True, metavar="NAME", help="Identity of the patient, or of the reader.")
@click.pass_obj
def show(app: App, grant_id: GrantId, party: str) -> None:
    """Show the terms of a grant, as one of its two parties."""
    from medshare.services.bundles import open_terms
    from medshare.services.held_keys import as_read

    actor = app.actor(party)
    with app.session() as session:
        standings = session.auditing.grants(patient=patient_of(grant_id))
        standing = next((each for each in standings if each.grant.grant_id == grant_id), None)
        if standing is None:
            raise UnknownGrantError(grant_id)
        escrow = session.ledger.requests.address
        mine = as_read(session.store, session.auditing, standing, party=actor.address, escrow=escrow)
        terms = open_terms(session.store, mine, actor.identity)
    app.show(
        {
            "grant": f"{grant_id:#x}",
            "state": "live" if standing.live else standing.reason.value,
            "patient": terms.patient,
            "grantee": terms.grantee,
            "provisions": [each.in_words() for each in terms.provisions],
            "not_before": moment(standing.grant.not_before),
            "expires_at": moment(standing.grant.expires_at),
        }
    )


def _says_more_than_purposes(said: Said) -> bool:
    return any(getattr(said, name) for name in said.__slots__ if name != "purposes")


def _row(previewed: Previewed) -> dict[str, object]:
    entry, manifest, decision = previewed.entry, previewed.manifest, previewed.decision
    return {
        "record": entry.record_id.hex(),
        "custodian": entry.custodian,
        "category": manifest.category.value if manifest is not None else None,
        "labels": list(manifest.labels) if manifest is not None else None,
        "clinical_date": manifest.clinical_date if manifest is not None else None,
        "purpose": decision.purpose.value,
        "permitted": decision.permitted,
        "reason": decision.reason.value,
        "explanation": decision.explain(),
    }
