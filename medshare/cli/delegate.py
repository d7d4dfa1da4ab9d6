"""``medshare delegate``: a patient lets somebody act for him, until a date."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from medshare.cli.console import App, Group, moment
from medshare.cli.sending import Way, for_option, sending_options
from medshare.cli.values import PurposesValue, parse_moment
from medshare.errors import InvalidInputError
from medshare.model.delegation import Delegation, Verbs
from medshare.model.purpose import PurposeOfUse

if TYPE_CHECKING:
    from medshare.services.representing import Represented


@click.group(cls=Group)
def delegate() -> None:
    """Delegates: who may act for a patient, for what, until when."""


@delegate.command("appoint")
@click.argument("who")
@click.option("--as", "patient", required=True, metavar="NAME", help="The patient's identity.")
@click.option(
    "--may",
    "verbs",
    multiple=True,
    type=click.Choice(["grant", "revoke"]),
    default=("grant", "revoke"),
    show_default=True,
    help="What he may do; again for both.",
)
@click.option("--purpose", type=PurposesValue(), default="TREAT", show_default=True, help="For which he may grant.")
@click.option("--until", required=True, metavar="WHEN", help="30d, or a date and time (UTC), such as a majority.")
@click.option("--from", "start", metavar="WHEN", help="Default: now.")
@click.option("--with-access", is_flag=True, help="Let him read everything at my request (PATRQT), for as long.")
@click.option("--label", "labels", multiple=True, metavar="CODE", help="With access: sensitive records, too.")
@for_option
@sending_options
@click.pass_obj
def appoint(
    app: App,
    who: str,
    patient: str,
    verbs: tuple[str, ...],
    purpose: tuple[PurposeOfUse, ...],
    until: str,
    start: str | None,
    with_access: bool,
    labels: tuple[str, ...],
    on_behalf_of: str | None,
    way: Way,
) -> None:
    """Let WHO act for me until a date, or change what he may do.

    He releases keys only of what he may read himself: give him that too, with --with-access, or a grant of its own. He
    can neither revoke everything, nor appoint, nor name guardians, nor grant for other purposes or for longer.
    """
    from medshare.services.representing import delegation_request, everything_for

    if labels and not with_access:
        raise InvalidInputError("labels belong to access", hint="say --with-access, too")
    if with_access and way.sign_to is not None:
        raise InvalidInputError(
            "this is two messages: the appointment and the grant",
            hint="sign the appointment without --with-access, then: medshare consent give --everything --sign-to FILE",
        )
    actor, account = app.actor(patient), app.keyring.resolve(who)
    subject = app.keyring.resolve(on_behalf_of) if on_behalf_of is not None else actor.address
    allowed = Verbs(0)
    for verb in verbs:
        allowed |= Verbs[verb.upper()]
    granting = purpose if Verbs.GRANT in allowed else ()
    with way.session(app, actor) as session:
        now = session.clock.now()
        not_before = parse_moment(start, now) if start is not None else 0
        expires_at = parse_moment(until, now)
        request = delegation_request(account, allowed, granting, not_before=not_before, expires_at=expires_at)
        if way.handed_out(app, session, actor, lambda draft: draft.appoint(subject, request)):
            return
        with way.progress(app) as progress:
            appointed = session.representing.appoint(
                patient=actor,
                delegate=account,
                verbs=allowed,
                purposes=granting,
                not_before=not_before,
                expires_at=expires_at,
                access=[everything_for(PurposeOfUse.PATRQT, labels=labels)] if with_access else [],
                on_behalf_of=subject,
                progress=progress,
            )
    access = appointed.access
    app.show(
        {
            **_fields(appointed.delegation),
            "access": f"{access.grant_id:#x}" if access is not None else None,
            "records_released": len(access.released) if access is not None else 0,
            "block": appointed.receipt.block.number,
        },
        title="appointed",
    )
    app.say(f"he grants for this patient with: medshare access grant ... --as HIS-NAME --for {subject}")


@delegate.command("dismiss")
@click.argument("who")
@click.option("--as", "actor_name", required=True, metavar="NAME", help="The patient's identity, or his own.")
@for_option
@sending_options
@click.pass_obj
def dismiss(app: App, who: str, actor_name: str, on_behalf_of: str | None, way: Way) -> None:
    """Dismiss WHO, from the next block on; a delegate resigns with his own name and --for the patient.

    What he granted stays, and so does his own access: revoke them, or everything.
    """
    actor, account = app.actor(actor_name), app.keyring.resolve(who)
    subject = app.keyring.resolve(on_behalf_of) if on_behalf_of is not None else actor.address
    with way.session(app, actor) as session:
        if way.handed_out(app, session, actor, lambda draft: draft.dismiss(subject, account)):
            return
        receipt = session.representing.dismiss(account, actor=actor, patient=subject)
    app.show(
        {"patient": subject, "delegate": account, "block": receipt.block.number},
        title="dismissed; what he granted stays until it is revoked",
    )


@delegate.command("list")
@click.option("--patient", metavar="WHO", help="Who acts for this patient.")
@click.option("--delegate", "account", metavar="WHO", help="For whom this one acts.")
@click.pass_obj
def list_(app: App, patient: str | None, account: str | None) -> None:
    """List delegations, in force and ended."""
    if not patient and not account:
        raise InvalidInputError("name a patient or a delegate", hint="with --patient WHO or --delegate WHO")
    with app.session() as session:
        found = session.representing.delegations(
            patient=app.keyring.resolve(patient) if patient else None,
            delegate=app.keyring.resolve(account) if account else None,
        )
    app.show_all([_row(each) for each in found], nothing="no delegates")


def _row(represented: Represented) -> dict[str, object]:
    return {"in_force": represented.in_force, **_fields(represented.delegation)}


def _fields(delegation: Delegation) -> dict[str, object]:
    return {
        "patient": delegation.patient,
        "delegate": delegation.delegate,
        "may": [verb.name.lower() for verb in Verbs if verb in delegation.verbs and verb.name],
        "purposes": list(delegation.purposes.codes),
        "not_before": moment(delegation.not_before),
        "expires_at": moment(delegation.expires_at),
    }
