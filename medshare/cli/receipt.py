"""``medshare receipt``: what readers sign before keys are released, kept by custodians and batched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from medshare.cli.console import App, Group, moment
from medshare.cli.emergency import EpisodeIdValue
from medshare.cli.request import RequestIdValue
from medshare.cli.values import parse_span
from medshare.errors import InvalidInputError
from medshare.files import refuse_existing, write_whole
from medshare.model.ids import Address, EpisodeId, RequestId, digest32
from medshare.model.read_receipt import ReceiptProof, receipt_from_json, receipt_of
from medshare.model.request import ReservationStatus
from medshare.model.typed_data import SignedMessage
from medshare.ports import Actor
from medshare.services.receipt_journal import KeptReceipt

if TYPE_CHECKING:
    from medshare.session import Session

_MAX_FILE = 1 << 16
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group(cls=Group)
def receipt() -> None:
    """Read receipts: signed before keys are released, kept, batched."""


@receipt.command("sign")
@click.argument("episode", type=EpisodeIdValue(), required=False)
@click.option("--request", "number", type=RequestIdValue(), help="Your request, where it is no emergency.")
@click.option("--patient", metavar="WHO", help="With --request: whose acceptance.")
@click.option("--as", "reader", required=True, metavar="NAME", help="The identity of the clinician, or the requester.")
@click.option("--custodian", metavar="WHO", help="Who shall release keys on it; default: who is to deliver.")
@click.option("--for", "validity", default="24h", show_default=True, metavar="SPAN", help="How long he may.")
@click.option("--to", "path", required=True, type=_FILE, help="New file, for the custodian.")
@click.pass_obj
def sign(
    app: App,
    episode: EpisodeId | None,
    number: RequestId | None,
    patient: str | None,
    reader: str,
    custodian: str | None,
    validity: str,
    path: Path,
) -> None:
    """Sign that you are about to read: as the clinician of an EPISODE, or as who made a request.

    In an emergency it is for what a custodian holds of the patient, of a request for what he delivers of what the
    patient granted.
    """
    if (episode is None) == (number is None) or (number is None) != (patient is None):
        raise click.UsageError("say EPISODE, or --request and --patient")
    refuse_existing(path)
    account = None if custodian is None else app.keyring.resolve(custodian)
    whose, seconds = None if patient is None else app.keyring.resolve(patient), parse_span(validity)
    actor = app.actor(reader)
    with app.session() as session:
        if number is not None and whose is not None:
            signed = _signed_for_request(session, number, whose, actor, account, seconds)
        elif episode is not None and account is not None:
            signed = session.receipts.sign(episode, reader=actor, custodian=account, validity=seconds)
        else:
            raise click.UsageError("say for which --custodian")
    write_whole(path, signed.to_json(), replace=False)
    app.show({**_row(signed), "file": str(path)}, title="signed")
    app.say(f"for the custodian: medshare receipt keep {path} --as {custodian or receipt_of(signed).custodian}")


@receipt.command("keep")
@click.argument("file", type=_FILE)
@click.option("--as", "custodian", required=True, metavar="WHO", help="The custodian: a name or an address, no key.")
@click.pass_obj
def keep(app: App, file: Path, custodian: str) -> None:
    """Check a receipt in a FILE and keep it, as the custodian for whom it was signed."""
    account = app.keyring.resolve(custodian)
    signed = receipt_from_json(_read(file))
    with app.session() as session:
        is_new = session.receipts.keep(signed, custodian=account)
    app.show({**_row(signed), "new": is_new}, title="kept")


@receipt.command("list")
@click.option("--as", "custodian", required=True, metavar="WHO", help="The custodian: a name or an address, no key.")
@click.pass_obj
def list_(app: App, custodian: str) -> None:
    """List the receipts that a custodian keeps: who was about to read, of whom, when."""
    account = app.keyring.resolve(custodian)
    with app.session() as session:
        kept = session.receipts.all(account)
    app.show_all([_kept_row(each) for each in kept], nothing="no receipts")


@receipt.command("batch")
@click.option("--as", "custodian", required=True, metavar="WHO", help="The custodian: a name or an address, no key.")
@click.pass_obj
def batch(app: App, custodian: str) -> None:
    """Put the receipts that are in no batch yet into one, and say its root, which tells nothing of them."""
    account = app.keyring.resolve(custodian)
    with app.session() as session:
        closed = session.receipts.close_batch(account)
    app.show(
        {
            "root": None if closed is None else closed.root.hex(),
            "receipts": 0 if closed is None else closed.count,
        },
        title="batched",
    )


@receipt.command("anchor")
@click.option("--as", "custodian", required=True, metavar="NAME", help="The custodian's identity.")
@click.pass_obj
def anchor(app: App, custodian: str) -> None:
    """Put the roots of your batches on chain, as an accredited custodian: each once, and nothing of what is in them."""
    actor = app.actor(custodian)
    with app.session() as session:
        rows = [
            {"root": each.root.hex(), "receipts": each.count, "block": sent.block.number}
            for each in session.receipts.batches(actor.address)
            if (sent := session.receipts.anchor(each, custodian=actor)) is not None
        ]
    app.show_all(rows, nothing="every batch is anchored")


@receipt.command("prove")
@click.argument("digest", metavar="RECEIPT")
@click.option("--as", "custodian", required=True, metavar="WHO", help="The custodian: a name or an address, no key.")
@click.option("--to", "path", required=True, type=_FILE, help="New file, for whoever shall believe it.")
@click.pass_obj
def prove(app: App, digest: str, custodian: str, path: Path) -> None:
    """Write what shows that a RECEIPT is in its batch."""
    refuse_existing(path)
    account, wanted = app.keyring.resolve(custodian), digest32(digest, "receipt")
    with app.session() as session:
        proof = session.receipts.prove(wanted, custodian=account)
    write_whole(path, proof.to_json(), replace=False)
    app.show({**_row(proof.signed), "root": proof.root.hex(), "file": str(path)}, title="proven")


@receipt.command("export")
@click.option("--as", "custodian", required=True, metavar="WHO", help="The custodian: a name or an address, no key.")
@click.option("--patient", metavar="WHO", help="Of this patient alone, for him; default: all, for an auditor.")
@click.option("--to", "path", required=True, type=_FILE, help="New file.")
@click.pass_obj
def export(app: App, custodian: str, patient: str | None, path: Path) -> None:
    """Write the receipts that a custodian keeps, for who compares them with the chain: medshare audit check.

    The file is about people: only you may read it.
    """
    refuse_existing(path)
    account = app.keyring.resolve(custodian)
    whose = None if patient is None else app.keyring.resolve(patient)
    with app.session() as session:
        found = session.receipt_accounts.of(account, patient=whose)
    write_whole(path, found.to_json(), replace=False)
    app.show(
        {
            "custodian": account,
            "patient": whose,
            "receipts": len(found.receipts),
            "batches": len(found.batches),
            "file": str(path),
        },
        title="exported",
    )


@receipt.command("check")
@click.argument("file", type=_FILE)
@click.option("--root", metavar="ROOT", help="The root that it must be; default: the one that the file says.")
@click.pass_obj
def check(app: App, file: Path, root: str | None) -> None:
    """Check a proof in a FILE: the reader signed this receipt, and it is in the batch of this root."""
    proof = ReceiptProof.from_json(_read(file))
    if root is not None and digest32(root, "root") != proof.root:
        raise InvalidInputError("the proof is for another root", hint="ask for the proof in the batch that you know")
    with app.session() as session:
        session.receipts.check(proof)
        anchored = session.auditing.anchored(receipt_of(proof.signed).custodian)
    at = next((each.place.block.time for each in anchored if each.root == proof.root), None)
    app.show(
        {**_row(proof.signed), "root": proof.root.hex(), "anchored_at": moment(at)}, title="signed, and in the batch"
    )


def _signed_for_request(
    session: Session, number: RequestId, patient: Address, reader: Actor, custodian: Address | None, validity: int
) -> SignedMessage:
    part = session.requesting.request(number).part(patient)
    if part is None or part.status is not ReservationStatus.RESERVED:
        raise InvalidInputError("nothing of this patient waits to be delivered for this request")
    return session.receipts.sign_for_grant(
        part.grant_id(session.ledger.requests.address),
        reader=reader,
        custodian=custodian or part.reservation.custodian,
        validity=validity,
    )


def _row(signed: SignedMessage) -> dict[str, object]:
    said = receipt_of(signed)
    return {
        "receipt": signed.digest.hex(),
        "reader": said.reader,
        "custodian": said.custodian,
        "patient": said.patient,
        "right": f"{said.right:#x}",
        "purposes": list(said.purposes.codes),
        "signed_at": moment(said.signed_at),
        "good_until": moment(said.deadline),
    }


def _kept_row(kept: KeptReceipt) -> dict[str, object]:
    return {**_row(kept.signed), "batch": None if kept.batch is None else kept.batch.hex()}


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_MAX_FILE)
    except OSError as error:
        raise InvalidInputError(f"the file {path} cannot be read") from error
