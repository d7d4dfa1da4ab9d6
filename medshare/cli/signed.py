"""``medshare signed``: what a file with a signed message says, and whether it can still be sent."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from medshare.cli.console import App, Group, escaped, moment
from medshare.errors import InvalidInputError, LedgerUnavailableError, MedshareError
from medshare.model.acceptance import MAX_ACCEPTANCE_SIZE, SignedAcceptance
from medshare.model.documents import decode_document
from medshare.model.ids import derive_grant_id
from medshare.model.typed_data import SignableGrant, SignedMessage

if TYPE_CHECKING:
    from medshare.session import Session


@click.group(cls=Group)
def signed() -> None:
    """Signed messages: what a person has signed, for a relayer to send."""


@signed.command("show")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_obj
def show(app: App, file: Path) -> None:
    """Say in words what was signed, whose signature it is, and whether the chain would take it now."""
    from medshare.model.describing import Line, describe

    message, acceptance = _read(file)
    names = app.keyring.name_of
    with app.session() as session:
        words = describe(message.message, message.domain, names=names, now=session.signing.now)
        if acceptance is not None:
            custodian = app.name_of(acceptance.acceptance.custodian)
            words = (*words, Line("accepts", f"request {acceptance.request_id}, delivered by {custodian}"))
        fault = _fault(session, message, acceptance)
    if app.as_json:
        app.show(
            {
                "signed": message.message.struct(),
                "request": None if acceptance is None else acceptance.request_id,
                "signer": message.signer,
                "deadline": moment(message.deadline),
                "digest": "0x" + message.digest.hex(),
                "words": [{"label": label, "text": text} for label, text in words],
                "sendable": fault is None,
                "error": None if fault is None else type(fault).__name__,
            }
        )
    else:
        for label, text in words:
            click.echo(f"  {label}: {escaped(text)}")
        click.echo(f"  signed by: {app.name_of(message.signer)}")
    if fault is not None:
        raise fault
    send = "relay send" if acceptance is None else "request submit"
    app.say(f"it can be sent now: medshare {send} {shlex.quote(str(file))} --as PAYER")


@signed.command("discard")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_obj
def discard(app: App, file: Path) -> None:
    """Remove a file that cannot be sent any more, and, of a grant that never was granted, its keys from this store.

    What can still be sent is kept: end it first, such as with: medshare access revoke
    """
    message, acceptance = _read(file)
    given_up = False
    with app.session() as session:
        if _fault(session, message, acceptance) is None:
            raise InvalidInputError(
                "it can still be sent, by whoever has a copy",
                hint="wait for its deadline; of a grant, revoke it first: that ends what is on its way, too",
            )
        granting = message.message
        if isinstance(granting, SignableGrant):
            grant_id = derive_grant_id(granting.patient, granting.grantee, granting.terms)
            given_up = session.consenting.withdraw(granting.patient, grant_id, granting.bundle)
    file.unlink()
    app.show({"file": str(file), "bundle_given_up": given_up}, title="discarded")


def read_signed(path: Path) -> SignedMessage:
    """Return the signed message in a file, for a relayer; raises ``InvalidInputError``."""
    message, acceptance = _read(path)
    if acceptance is not None:
        raise InvalidInputError(
            f"what was signed accepts request {acceptance.request_id}: as a grant alone it would reserve no reward",
            hint=f"send it with: medshare request submit {shlex.quote(str(path))} --as PAYER",
        )
    return message


def _read(path: Path) -> tuple[SignedMessage, SignedAcceptance | None]:
    """Return what was signed, and the acceptance around it where the file holds one."""
    try:
        with path.open("rb") as stream:
            document = stream.read(MAX_ACCEPTANCE_SIZE + 1)
    except OSError as error:
        raise InvalidInputError(f"the file cannot be read: {error.strerror}", hint=f"check {path}") from error
    if "request_id" not in decode_document(document, MAX_ACCEPTANCE_SIZE):
        return SignedMessage.from_json(document), None
    acceptance = SignedAcceptance.from_json(document)
    return acceptance.acceptance.signed, acceptance


def _fault(session: Session, signed: SignedMessage, acceptance: SignedAcceptance | None) -> MedshareError | None:
    """Return why it cannot be sent now, or None."""
    try:
        if acceptance is not None:
            acceptance.check_bound_to(session.ledger.requests.address)
        session.signing.check(signed)
        (refusal,) = session.ledger.relay.rehearse(signed.signer, [signed]).refusals
    except LedgerUnavailableError:
        raise
    except MedshareError as error:
        return error
    return refusal
