"""``medshare request``, for patients and custodians: what one is asked, accepting it, sending and delivering it."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from medshare.cli.console import App, Command, escaped, moment
from medshare.cli.provisions import Said, provision_options
from medshare.cli.request import RequestIdValue, quality_row, study_row, token_name
from medshare.cli.sending import Way, for_option, signing_options
from medshare.cli.values import parse_moment
from medshare.files import refuse_existing, write_whole
from medshare.model.acceptance import MAX_ACCEPTANCE_SIZE, SignedAcceptance
from medshare.model.ids import RequestId

if TYPE_CHECKING:
    from medshare.model.policy import Policy
    from medshare.model.provision import Provision
    from medshare.ports import Actor
    from medshare.services.accepting import Accepted
    from medshare.services.delivering import Deliverable
    from medshare.services.offering import Offer
    from medshare.session import Session

_MAX_POLICY = 4 << 20


# ----------------------------------------------------------------------------------------------------- patients


@click.command("offers", cls=Command)
@click.option(
    "--as", "patient", required=True, metavar="NAME", help="The patient's identity; its key opens invitations."
)
@click.option(
    "--policy",
    "policy_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML or JSON file with what I have decided in advance; docs/requests.md has its fields.",
)
@for_option
@click.pass_obj
def offers(app: App, patient: str, policy_file: Path | None, on_behalf_of: str | None) -> None:
    """Show what I am asked and can accept: open calls, and requests that name me."""
    policy = None if policy_file is None else read_policy(policy_file)
    actor = app.actor(patient)
    with app.session(acts=actor) as session:
        found = session.offering.offers(
            patient=actor,
            on_behalf_of=None if on_behalf_of is None else app.keyring.resolve(on_behalf_of),
            policy=policy,
        )
        now = session.signing.now
    if app.as_json:
        app.show_all([_offer_row(each) for each in found], nothing="")
        return
    if not found:
        click.echo("nobody asks for anything now")
    for each in found:
        _tell(app, each, now)


def _offer_row(offer: Offer) -> dict[str, object]:
    asked, decision = offer.request, offer.decision
    return {
        "request": asked.request_id,
        "requester": asked.requester,
        "accredited_by": offer.accredited_by,
        "open_call": asked.is_open_call,
        "purposes": list(asked.terms.purposes.codes),
        "deadline": moment(asked.terms.deadline),
        "access_until": moment(asked.access_until),
        "reward": asked.split.divide(asked.terms.reward)[0],
        "token": token_name(asked.terms.token),
        **quality_row(asked.terms),
        **(study_row(offer.study) if offer.study is not None else {"study": None}),
        "fault": None if offer.fault is None else type(offer.fault).__name__,
        "policy": None if decision is None else decision.answer.value,
        "duo": None if decision is None or decision.match is None else decision.match.outcome.value,
        "explanation": None if decision is None else decision.explain(),
    }


def _tell(app: App, offer: Offer, now: int) -> None:
    from medshare.services.request_words import request_lines

    if offer.study is None:
        click.echo(f"request {offer.request.request_id}: its study cannot be read: {escaped(str(offer.fault))}\n")
        return
    lines = request_lines(
        offer.request, offer.study, accredited_by=offer.accredited_by, names=app.keyring.name_of, now=now
    )
    for label, text in lines:
        click.echo(f"  {label}: {escaped(text)}")
    if offer.decision is not None:
        click.echo(f"  your policy: {escaped(offer.decision.explain())}")
    click.echo("")


@click.command("accept", cls=Command)
@click.argument("number", metavar="REQUEST", type=RequestIdValue())
@click.option("--as", "patient", required=True, metavar="NAME", help="The patient's identity.")
@click.option(
    "--delivered-by", "deliverer", metavar="WHO", help="The custodian who shall deliver; default: the only one."
)
@click.option("--until", metavar="WHEN", help="Until when access lasts; default: as briefly as the request lets it.")
@provision_options
@for_option
@signing_options
@click.pass_obj
def accept(
    app: App,
    /,
    number: RequestId,
    patient: str,
    deliverer: str | None,
    until: str | None,
    on_behalf_of: str | None,
    way: Way,
    **said: Any,  # noqa: ANN401 - the options of Said
) -> None:
    """Accept a REQUEST with one signature: access is granted, and the reward reserved.

    What is permitted is what the study wants, unless you say less. Revoking later never costs a reward that was
    delivered. With --sign-to it is written to a file, for somebody else to send with: medshare request submit
    """
    refuse_existing(way.sign_to)
    from medshare.services.accepting import Asking, Choice

    actor = app.actor(patient)
    payer = way.payer(app, actor)
    spoken = Said(**said)
    with app.session(acts=actor) as session, way.progress(app) as progress:
        choice = Choice(
            custodian=None if deliverer is None else app.keyring.resolve(deliverer),
            provisions=_provisions(session, app, number, actor, spoken, on_behalf_of) if spoken.anything else (),
            expires_at=None if until is None else parse_moment(until, session.clock.now()),
            on_behalf_of=None if on_behalf_of is None else app.keyring.resolve(on_behalf_of),
        )
        asking = Asking(confirm=way.confirm(app), names=app.keyring.name_of, valid_for=way.valid_for)
        if way.sign_to is not None:
            signed = session.accepting.sign(number, patient=actor, asking=asking, choice=choice, progress=progress)
            write_whole(way.sign_to, signed.to_json(), replace=False)
            _tell_signed(app, way.sign_to, signed)
            return
        accepted = session.accepting.accept(
            number, patient=actor, payer=payer, asking=asking, choice=choice, progress=progress
        )
    _tell_accepted(app, accepted)


def _provisions(
    session: Session,
    app: App,
    number: RequestId,
    actor: Actor,
    spoken: Said,
    on_behalf_of: str | None,
) -> tuple[Provision, ...]:
    """Return the provisions that were said, for the study's purposes where none was."""
    if spoken.file is None and spoken.purposes is None:
        subject = None if on_behalf_of is None else app.keyring.resolve(on_behalf_of)
        offer = session.offering.offer(number, patient=actor, on_behalf_of=subject)
        if offer.study is not None:
            spoken = replace(spoken, purposes=offer.study.wanted.purposes)
    return tuple(spoken.provisions(session, app))


@click.command("submit", cls=Command)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--as", "payer", required=True, metavar="NAME", help="The identity that pays.")
@click.pass_obj
def submit(app: App, file: Path, payer: str) -> None:
    """Send what a patient has signed to accept a request, and pay for it. A file given again is not sent again."""
    with file.open("rb") as stream:
        signed = SignedAcceptance.from_json(stream.read(MAX_ACCEPTANCE_SIZE + 1))
    actor = app.actor(payer)
    with app.session() as session:
        accepted = session.accepting.submit(signed, payer=actor.signer)
    _tell_accepted(app, accepted)


def _tell_signed(app: App, path: Path, signed: SignedAcceptance) -> None:
    app.show(
        {
            "file": str(path),
            "request": signed.request_id,
            "patient": signed.patient,
            "custodian": signed.acceptance.custodian,
            "deadline": moment(signed.granted.deadline),
        },
        title="signed; nothing is sent yet",
    )
    app.say(f"next: give the file to who pays: medshare request submit {shlex.quote(str(path))} --as PAYER")


def _tell_accepted(app: App, accepted: Accepted) -> None:
    receipt = accepted.receipt
    app.show(
        {
            "request": accepted.request_id,
            "patient": accepted.patient,
            "custodian": accepted.reservation.custodian,
            "grant": f"{accepted.grant_id:#x}",
            "block": None if receipt is None else receipt.block.number,
        },
        title="accepted before; nothing was sent" if receipt is None else "accepted; the reward is reserved",
    )


# --------------------------------------------------------------------------------------------------- custodians


@click.command("deliver", cls=Command)
@click.argument("number", metavar="REQUEST", type=RequestIdValue())
@click.option("--patient", required=True, metavar="WHO", help="Whose acceptance.")
@click.option("--as", "custodian", required=True, metavar="NAME", help="The custodian's identity.")
@click.option("--check", "only_check", is_flag=True, help="Only look whether it can be delivered; state nothing.")
@click.option(
    "--on-receipt", is_flag=True, help="Only where the requester has signed a read receipt: medshare receipt keep."
)
@click.pass_obj
def deliver(app: App, number: RequestId, patient: str, custodian: str, only_check: bool, on_receipt: bool) -> None:
    """State that what a patient granted can be fetched: the grant is live, bundle and records are in the store.

    From then on the reward is earned, whatever the patient does. Where the study says that records are released on read
    receipts, the keys are in your hands until the requester has signed one.
    """
    actor, whose = app.actor(custodian), app.keyring.resolve(patient)
    with app.session(acts=actor) as session:
        if only_check:
            found = session.delivering.check(number, whose, custodian=actor, on_receipt=on_receipt)
            app.show(_found_row(found), title="it can be delivered; nothing was stated")
            return
        done = session.delivering.deliver(number, whose, custodian=actor, on_receipt=on_receipt)
    app.show(
        {
            **({"request": number, "patient": whose} if done.found is None else _found_row(done.found)),
            "score": done.score,
            "bundle": done.bundle.hex(),
            "block": done.on_chain.block.number,
            "already": done.on_chain.already,
        },
        title="delivered before; nothing was sent" if done.on_chain.already else "delivered",
    )


def _found_row(found: Deliverable) -> dict[str, object]:
    return {
        "request": found.part.request.request_id,
        "patient": found.part.patient,
        "records": [record.record_id.hex() for record in found.records],
        "score": found.score,
        "left_out": [f"{each.record.record_id.hex()}: {each.explain()}" for each in found.left_out],
        "bundle": found.bundle.hex(),
    }


@click.command("decline", cls=Command)
@click.argument("number", metavar="REQUEST", type=RequestIdValue())
@click.option("--patient", required=True, metavar="WHO", help="Whose acceptance.")
@click.option("--as", "custodian", required=True, metavar="NAME", help="The custodian's identity.")
@click.pass_obj
def decline(app: App, number: RequestId, patient: str, custodian: str) -> None:
    """State that there is nothing to deliver: the patient can accept anew; what he granted stays as it is."""
    actor, whose = app.actor(custodian), app.keyring.resolve(patient)
    with app.session(acts=actor) as session:
        done = session.delivering.decline(number, whose, custodian=actor)
    app.show(
        {"request": number, "patient": whose, "block": done.block.number, "already": done.already},
        title="declined before; nothing was sent" if done.already else "declined",
    )


def read_policy(path: Path) -> Policy:
    """Return the policy in a file, TOML unless its name ends in .json; raises ``InvalidInputError``."""
    from medshare.model.policy import Policy

    with path.open("rb") as stream:
        document = stream.read(_MAX_POLICY + 1)
    return Policy.from_json(document) if path.suffix.lower() == ".json" else Policy.from_toml(document)
