"""``medshare consortium``: who is a member, whom they accredited, what they decide together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from medshare.cli.console import App, Group, moment
from medshare.cli.values import parse_moment
from medshare.errors import ConfigurationError
from medshare.model.accreditation import AccreditationKind
from medshare.ports import Actor

if TYPE_CHECKING:
    from medshare.ports import Receipt
    from medshare.services.governing import AccreditationStanding
    from medshare.session import Session

KIND_NAMES = {kind: kind.name.lower().replace("_", "-") for kind in AccreditationKind}
KINDS = {name: kind for kind, name in KIND_NAMES.items()}

kind_option = click.option("--kind", type=click.Choice(list(KINDS)), required=True, help="As what.")
member_option = click.option(
    "--as", "member", metavar="NAME", help="The member's identity; on a development network: not needed."
)


@click.group(cls=Group)
def consortium() -> None:
    """Consortium: member institutions, whom they accredit, what they decide by vote."""


def acting(session: Session, actor: Actor | None) -> Actor:
    """Return who acts: the one who was named, or on a development network the member that it has.

    Raises:
        ConfigurationError: nobody was named, and the network is no development network.
    """
    if actor is not None:
        return actor
    from medshare.envelope import Identity
    from medshare.hashing import tagged_sha256

    try:
        signer = session.chain.development_member()
    except ConfigurationError as error:
        error.hint = "say who does it, with --as NAME"
        raise
    # Of one key follows the other, so that what it keeps can be read again; neither is a secret.
    secret = tagged_sha256("medshare/development-member/1", bytes.fromhex(signer.address[2:]))
    return Actor(signer=signer, identity=Identity.from_bytes(secret))


# -------------------------------------------------------------------------------------------- members


@consortium.command("show")
@click.pass_obj
def show(app: App) -> None:
    """Show who has a seat, and how many votes a proposal needs."""
    with app.session() as session:
        stands = session.governing.consortium()
        pending = sum(each.is_open for each in session.governing.proposals())
        address = session.ledger.consortium.address
    seated = list(stands.seated)
    app.show(
        {
            "consortium": address,
            "members": seated if app.as_json else [app.name_of(each) for each in seated],
            "quorum_percent": stands.rules.quorum,
            "votes_needed": stands.rules.needed(len(seated)),
            "voting_period_seconds": stands.rules.voting_period,
            "open_proposals": pending,
            "block": stands.block.number,
        }
    )


@consortium.command("members")
@click.pass_obj
def members(app: App) -> None:
    """List member institutions, those that lost their seats included."""
    with app.session() as session:
        stands = session.governing.consortium()
    rows = [
        {
            "seat": each.seat,
            "member": each.member,
            "status": each.status.name.lower(),
            "admitted_at": moment(each.admitted_at),
        }
        for each in stands.members
    ]
    app.show_all(rows, nothing="no members")


# -------------------------------------------------------------------------------------- accreditations


@consortium.command("accredit")
@click.argument("who")
@kind_option
@click.option("--until", metavar="WHEN", help="365d, or a date and time (UTC).")
@click.option("--withdraw", is_flag=True, help="Take it back.")
@member_option
@click.pass_obj
def accredit(app: App, who: str, kind: str, until: str | None, withdraw: bool, member: str | None) -> None:
    """Accredit WHO, in your institution's own name: you answer for him as long as it holds.

    A custodian may register records of others, a clinician break the glass, a reviewer review that, a researcher open
    requests, an ethics committee approve studies, an assessor attest quality. It lifts no suspension.
    """
    if (until is None) != withdraw:
        raise click.UsageError("say --until or --withdraw")
    account, actor = app.keyring.resolve(who), app.actor(member) if member is not None else None
    with app.session() as session:
        as_member = acting(session, actor)
        if until is None:
            receipt = session.governing.withdraw(account, KINDS[kind], member=as_member)
        else:
            valid_until = parse_moment(until, session.clock.now())
            receipt = session.governing.accredit(account, KINDS[kind], valid_until, member=as_member)
        stands = session.governing.accreditation(account, KINDS[kind])
    _tell(app, stands, receipt, title="withdrawn" if withdraw else "accredited")
    if until is not None and stands is not None and not stands.in_force:
        app.say("it counts for nothing yet, for the reason above")


@consortium.command("suspend")
@click.argument("who")
@kind_option
@member_option
@click.pass_obj
def suspend(app: App, who: str, kind: str, member: str | None) -> None:
    """Suspend WHO from the next block on, as the member that accredited him, until you reinstate him.

    Whom another member accredited can be suspended by vote: medshare consortium propose suspend-actor
    """
    account, actor = app.keyring.resolve(who), app.actor(member) if member is not None else None
    with app.session() as session:
        receipt = session.governing.suspend(account, KINDS[kind], member=acting(session, actor))
        stands = session.governing.accreditation(account, KINDS[kind])
    _tell(app, stands, receipt, title="suspended")


@consortium.command("reinstate")
@click.argument("who")
@kind_option
@member_option
@click.pass_obj
def reinstate(app: App, who: str, kind: str, member: str | None) -> None:
    """Lift your own suspension of WHO. What a vote suspended, only a vote can lift."""
    account, actor = app.keyring.resolve(who), app.actor(member) if member is not None else None
    with app.session() as session:
        receipt = session.governing.reinstate(account, KINDS[kind], member=acting(session, actor))
        stands = session.governing.accreditation(account, KINDS[kind])
    _tell(app, stands, receipt, title="reinstated")


@consortium.command("accreditations")
@click.option("--kind", type=click.Choice(list(KINDS)), help="In this capacity.")
@click.option("--actor", metavar="WHO", help="Of this one.")
@click.pass_obj
def accreditations(app: App, kind: str | None, actor: str | None) -> None:
    """List who is accredited as what, by whom and until when; and why not, where it is not in force."""
    account = app.keyring.resolve(actor) if actor is not None else None
    with app.session() as session:
        found = session.governing.accreditations(kind=KINDS[kind] if kind is not None else None, actor=account)
    app.show_all([_row(each) for each in found], nothing="nobody is accredited")


def _row(each: AccreditationStanding) -> dict[str, object]:
    return {
        "actor": each.actor,
        "kind": KIND_NAMES[each.kind],
        "member": each.member,
        "until": moment(each.valid_until),
        "in_force": each.in_force,
        "why_not": [reason.value for reason in each.not_in_force] or None,
    }


def _tell(app: App, stands: AccreditationStanding | None, receipt: Receipt, *, title: str) -> None:
    told = {} if stands is None else _row(stands)
    app.show({**told, "block": receipt.block.number}, title=title)
