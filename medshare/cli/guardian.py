"""``medshare guardian``: people who together can give a patient a new key, should he lose his."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from medshare.cli.console import App, Group, moment
from medshare.cli.sending import Way, for_option, sending_options
from medshare.cli.signed import read_signed
from medshare.cli.values import parse_moment, parse_span
from medshare.errors import InvalidInputError
from medshare.files import refuse_existing, write_whole
from medshare.model.delegation import NO_CIRCLE, Circle
from medshare.model.ids import ZERO_ADDRESS, Address
from medshare.model.typed_data import SignableRecover

if TYPE_CHECKING:
    from medshare.services.guarding import Guarded

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group(cls=Group)
def guardian() -> None:
    """Guardians: a new key for a patient who lost his."""


@guardian.command("name")
@click.argument("guardians", nargs=-1)
@click.option("--as", "patient", required=True, metavar="NAME", help="The patient's identity.")
@click.option("--threshold", type=click.IntRange(1), help="How many of them must sign; default: more than half.")
@click.option("--delay", default="7d", show_default=True, metavar="SPAN", help="In which I can object: 1d to 90d.")
@click.option("--export", "target", type=_FILE, help="New file with the circle, to give to each guardian.")
@click.option("--none", "nobody", is_flag=True, help="Have no guardians any more.")
@for_option
@sending_options
@click.pass_obj
def name(
    app: App,
    guardians: tuple[str, ...],
    patient: str,
    threshold: int | None,
    delay: str,
    target: Path | None,
    nobody: bool,
    on_behalf_of: str | None,
    way: Way,
) -> None:
    """Name GUARDIANS, by name or address. On chain goes a digest: who they are stays between you and them.

    The first circle holds at once, a change after the delay of the one before. Guardians can neither read nor grant.
    Give each the file of --export: without it nobody can recover.
    """
    from medshare.services.guarding import circle_to_json

    if nobody == bool(guardians):
        raise click.UsageError("name guardians, or say --none")
    refuse_existing(target)
    actor = app.actor(patient)
    subject = app.keyring.resolve(on_behalf_of) if on_behalf_of is not None else actor.address
    accounts = [app.keyring.resolve(each) for each in guardians]
    wanted = threshold or len(accounts) // 2 + 1
    with way.session(app, actor) as session:
        if way.sign_to is not None:
            seconds = session.guarding.standing(subject).guardianship.delay if nobody else parse_span(delay)
            drawn = (
                None
                if nobody
                else session.guarding.draw(patient=actor, guardians=accounts, threshold=wanted, on_behalf_of=subject)
            )
            digest = NO_CIRCLE if drawn is None else drawn.digest(subject)
            _export(drawn, subject, target)
            way.handed_out(app, session, actor, lambda draft: draft.name_guardians(subject, digest, seconds))
            return
        if nobody:
            named = session.guarding.dismiss(patient=actor, on_behalf_of=subject)
        else:
            named = session.guarding.name(
                patient=actor,
                guardians=accounts,
                threshold=wanted,
                delay=parse_span(delay),
                on_behalf_of=subject,
            )
    if target is not None and named.circle is not None:
        write_whole(target, circle_to_json(named.circle, subject), replace=False)
    app.show(
        {
            "patient": subject,
            "guardians": list(named.circle.guardians) if named.circle is not None else [],
            "threshold": named.circle.threshold if named.circle is not None else None,
            "begins_at": moment(named.begins_at),
            "file": str(target) if target is not None and named.circle is not None else None,
            "block": named.receipt.block.number,
        },
        title="named" if named.circle is not None else "dismissed",
    )
    if named.circle is not None and target is None:
        app.say(f"give each guardian the circle: medshare guardian show --as {patient} --export FILE")


def _export(circle: Circle | None, patient: Address, target: Path | None) -> None:
    from medshare.services.guarding import circle_to_json

    if circle is not None and target is not None:
        write_whole(target, circle_to_json(circle, patient), replace=False)


@guardian.command("show")
@click.option("--as", "patient", metavar="NAME", help="The patient's identity: shows who the guardians are.")
@click.option("--patient", "account", metavar="WHO", help="Of this patient, what everybody sees.")
@click.option("--export", "target", type=_FILE, help="New file with the circle, to give to each guardian.")
@for_option
@click.pass_obj
def show(app: App, patient: str | None, account: str | None, target: Path | None, on_behalf_of: str | None) -> None:
    """Show what stands about a patient's guardians and recovery."""
    if (patient is None) == (account is None):
        raise click.UsageError("say --as NAME or --patient WHO")
    if target is not None and patient is None:
        raise click.UsageError("--export needs --as")
    refuse_existing(target)
    actor = app.actor(patient) if patient is not None else None
    circle = None
    with app.session() as session:
        if actor is not None:
            subject = app.keyring.resolve(on_behalf_of) if on_behalf_of is not None else actor.address
            circle = session.guarding.circle(patient=actor, on_behalf_of=subject)
        else:
            subject = app.keyring.resolve(account or "")
        standing = session.guarding.standing(subject)
    if target is not None and circle is None:
        raise InvalidInputError("the circle is not kept in this home", hint="use the home in which it was named")
    _export(circle, subject, target)
    app.show(
        {
            **_standing(standing, subject),
            "guardians": list(circle.guardians) if circle is not None else None,
            "threshold": circle.threshold if circle is not None else None,
            "file": str(target) if target is not None else None,
        }
    )


def _standing(standing: Guarded, patient: Address) -> dict[str, object]:
    guardianship = standing.guardianship
    return {
        "patient": patient,
        "in_control": standing.control.controller,
        "guarded": guardianship.circle != NO_CIRCLE,
        "delay_days": guardianship.delay / 86_400 if guardianship.circle != NO_CIRCLE else None,
        "change_begins_at": moment(guardianship.next_from),
        "proposed": guardianship.proposed if guardianship.proposed != ZERO_ADDRESS else None,
        "ready_at": moment(guardianship.ready_at),
    }


@guardian.command("sign")
@click.option("--as", "guardian_name", required=True, metavar="NAME", help="The guardian's identity.")
@click.option("--patient", metavar="WHO", help="Who lost his key.")
@click.option("--to", "controller", metavar="WHO", help="The key that shall take over.")
@click.option("--until", metavar="WHEN", help="Until when it can be sent; the same for all guardians. Default: 7d.")
@click.option("--like", type=_FILE, help="Sign what another guardian signed into this file.")
@click.option("--out", "target", type=_FILE, required=True, help="New file for the signature.")
@click.option("--yes", is_flag=True, help="Sign without asking, for scripts.")
@click.pass_obj
def sign(
    app: App,
    guardian_name: str,
    patient: str | None,
    controller: str | None,
    until: str | None,
    like: Path | None,
    target: Path,
    yes: bool,
) -> None:
    """Sign, as a guardian, that another key shall take over for a patient.

    Ask him first, by voice: whoever holds that key will act for him. The first guardian says --patient and --to; the
    others sign the same with --like and his file.
    """
    if (like is None) != (patient is not None and controller is not None):
        raise click.UsageError("say --patient and --to, or --like")
    if like is not None and (patient or controller or until):
        raise click.UsageError("--like says it all")
    actor = app.actor(guardian_name)
    message = _recovery(like) if like is not None else None
    refuse_existing(target)
    way = Way(sign_to=target, paid_by=None, valid_for=parse_span("7d"), yes=yes)
    with way.session(app, actor) as session:
        if message is None:
            draft = session.signing.draft(actor.address, valid_for=way.valid_for)
            message = draft.recover(app.keyring.resolve(patient or ""), app.keyring.resolve(controller or ""))
            if until is not None:
                message = replace(message, deadline=parse_moment(until, session.signing.now))
        signed = session.signing.sign(message, actor.signer, confirm=way.confirm(app), names=app.keyring.name_of)
    write_whole(target, signed.to_json(), replace=False)
    app.show(
        {
            "file": str(target),
            "patient": message.patient,
            "controller": message.controller,
            "signer": signed.signer,
            "deadline": moment(signed.deadline),
        },
        title="signed; nothing is sent yet",
    )
    app.say(f"next: each other guardian: medshare guardian sign --as NAME --like {target} --out FILE")
    app.say(f"then anybody: medshare guardian propose CIRCLE {target} ... --as NAME")


def _recovery(path: Path) -> SignableRecover:
    message = read_signed(path).message
    if not isinstance(message, SignableRecover):
        raise InvalidInputError(f"the file holds a {message.struct()}, not a guardian's signature")
    return message


@guardian.command("propose")
@click.argument("circle", type=_FILE)
@click.argument("signatures", nargs=-1, required=True, type=_FILE)
@click.option("--as", "payer", required=True, metavar="NAME", help="Who sends it and pays; anybody may.")
@click.pass_obj
def propose(app: App, circle: Path, signatures: tuple[Path, ...], payer: str) -> None:
    """Propose the new key: CIRCLE is the patient's file, SIGNATURES those of the guardians.

    From then on everybody sees who the guardians are, and the patient has the delay to object.
    """
    from medshare.services.guarding import MAX_CIRCLE_SIZE, circle_from_json

    try:
        with circle.open("rb") as stream:
            known, patient = circle_from_json(stream.read(MAX_CIRCLE_SIZE + 1))
    except OSError as error:
        raise InvalidInputError(f"the circle cannot be read: {error.strerror}", hint=f"check {circle}") from error
    approvals = [read_signed(path) for path in signatures]
    if any(approval.subject != patient for approval in approvals):
        raise InvalidInputError("circle and signatures are of different patients")
    actor = app.actor(payer)
    with app.session() as session:
        standing = session.guarding.propose(known, approvals, payer=actor)
    app.show(_standing(standing, patient), title="proposed; the patient can object until it is ready")
    app.say(f"then: medshare guardian complete --patient {patient} --as {payer}")


@guardian.command("object")
@click.option("--as", "patient", required=True, metavar="NAME", help="The patient's identity.")
@for_option
@sending_options
@click.pass_obj
def object_(app: App, patient: str, on_behalf_of: str | None, way: Way) -> None:
    """Object to the recovery that is proposed: my key is not lost."""
    actor = app.actor(patient)
    subject = app.keyring.resolve(on_behalf_of) if on_behalf_of is not None else actor.address
    with way.session(app, actor) as session:
        if way.handed_out(app, session, actor, lambda draft: draft.object_to_recovery(subject)):
            return
        receipt = session.guarding.object(patient=actor, on_behalf_of=subject)
    app.show({"patient": subject, "block": receipt.block.number}, title="objected; the recovery will not happen")


@guardian.command("complete")
@click.option("--patient", required=True, metavar="WHO", help="Whose recovery.")
@click.option("--as", "payer", required=True, metavar="NAME", help="Who sends it and pays; anybody may.")
@click.pass_obj
def complete(app: App, patient: str, payer: str) -> None:
    """Complete a recovery to which nobody objected in time.

    The new key acts for the patient from then on, with --for. Each custodian has to encrypt his records anew for it:
    medshare record rotate --patient WHO.
    """
    account, actor = app.keyring.resolve(patient), app.actor(payer)
    with app.session() as session:
        control = session.guarding.complete(account, payer=actor)
    app.show(
        {"patient": account, "in_control": control.controller, "tenure": control.tenure},
        title="completed: another key has taken over",
    )
    app.say("each custodian encrypts his records anew for it with: medshare record rotate --as NAME --patient WHO")
