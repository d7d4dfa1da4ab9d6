"""``medshare record hold``, ``erase`` and what follows: legal holds, erasure, its certificate and its answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from medshare.cli.asking import read_text
from medshare.cli.console import App, Command, moment
from medshare.cli.record import find
from medshare.cli.sending import Way, paying_options
from medshare.cli.values import RecordIdValue, parse_moment
from medshare.files import refuse_existing, write_whole
from medshare.model.erasure import (
    MAX_ACKNOWLEDGEMENT_SIZE,
    MAX_CERTIFICATE_SIZE,
    MAX_NOTICE_SIZE,
    Acknowledgement,
    Certificate,
    ErasureNotice,
    Statement,
)
from medshare.model.ids import RecordId
from medshare.services.erasure_book import ErasureStanding
from medshare.services.holds import LegalHold
from medshare.services.removing import Removed

_AS_CUSTODIAN = click.option("--as", "custodian", required=True, metavar="NAME", help="The custodian's identity.")
_REASON_FILE = click.option(
    "--reason-file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="File that says why; - is standard input. Default: asked for.",
)


@click.command("hold", cls=Command)
@click.argument("record_id", type=RecordIdValue())
@_AS_CUSTODIAN
@_REASON_FILE
@click.option("--until", metavar="WHEN", help="When it ends by itself: 90d, or a date and time (UTC).")
@click.pass_obj
def hold(app: App, record_id: RecordId, custodian: str, reason_file: Path | None, until: str | None) -> None:
    """Place a legal hold: the record, in all its versions, is not erased until it ends or is released.

    Why it was placed stays in your safe, encrypted. A hold that is in force is replaced.
    """
    actor = app.actor(custodian)
    reason = read_text(reason_file, "Why")
    with app.session(acts=actor) as session:
        end = None if until is None else parse_moment(until, session.clock.now())
        placed = session.holds.place(record_id, reason, custodian=actor, until=end)
    app.show(_hold_row(placed, in_force=True), title="held")


@click.command("release-hold", cls=Command)
@click.argument("record_id", type=RecordIdValue())
@_AS_CUSTODIAN
@click.pass_obj
def release_hold(app: App, record_id: RecordId, custodian: str) -> None:
    """Release a legal hold; why it was placed, and when it was released, stays in your safe."""
    actor = app.actor(custodian)
    with app.session(acts=actor) as session:
        released = session.holds.release(record_id, custodian=actor)
    app.show(_hold_row(released, in_force=False), title="released")


@click.command("holds", cls=Command)
@_AS_CUSTODIAN
@click.pass_obj
def holds(app: App, custodian: str) -> None:
    """List the legal holds that you have placed, those that are over included."""
    actor = app.actor(custodian)
    with app.session(acts=actor) as session:
        rows = [_hold_row(each, in_force=in_force) for each, in_force in session.holds.placed(actor)]
    app.show_all(rows, nothing="no legal hold was placed")


@click.command("erase", cls=Command)
@click.argument("record_id", type=RecordIdValue())
@_AS_CUSTODIAN
@_REASON_FILE
@click.option(
    "--certificate",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="New file for the certificate, when it is issued.",
)
@paying_options
@click.pass_obj
def erase(
    app: App,
    record_id: RecordId,
    custodian: str,
    reason_file: Path | None,
    target: Path | None,
    way: Way,
) -> None:
    """Erase a record in all its versions: there is no way back.

    Refused under a legal hold, during an emergency of the patient, and before retention.toml in your home lets it go.
    Then it is marked on chain; keys, salts and blocks are removed here and at every storage node, and each is asked
    whether they are gone; who could have read it is asked, by his inbox, to erase his copies. A certificate says what
    was verified, and what cannot be erased and why. Killed, or where a node is down, give the same command again: it
    goes on. The exit code is 1 while a store is left.
    """
    refuse_existing(target)
    actor = app.actor(custodian)
    reason = read_text(reason_file, "Why")
    with way.session(app, actor) as session, way.progress(app) as progress:
        if not way.yes and not click.confirm("erase it, in all its versions, for ever?", err=True):
            raise click.Abort
        erased = session.erasing.erase(record_id, reason, custodian=actor, progress=progress)
    if erased.certificate is not None and target is not None:
        write_whole(target, erased.certificate.to_json(), replace=False)
    app.show(
        {
            "record": erased.record_id.hex(),
            "versions": [each.hex() for each in erased.versions],
            "finished": erased.certificate is not None,
            "already_erased": erased.already,
            "stores": _stores(erased.removed),
            "readers_told": None
            if erased.certificate is None
            else [each.reader for each in erased.certificate.stated.readers],
            "certificate": str(target) if erased.certificate is not None and target is not None else None,
        },
        title="erased" if erased.certificate is not None else "NOT FINISHED",
    )
    if erased.certificate is None:
        for each in erased.unfinished:
            app.warn(
                f"{each.name}: {each.trouble or f'{each.remaining} blocks are left'}",
                hint="when it answers, or lets you: the same command again",
            )
        raise click.exceptions.Exit(1)
    if not any(each.marked for each in erased.certificate.stated.versions):
        app.warn(
            "the record had been withdrawn before: the chain does not tell patient and readers that it was erased",
            hint=f"give them a notice: medshare record erasure-notice {record_id.hex()} --as {custodian} --to FILE",
        )
    app.say("what cannot be erased, and why:")
    for sentence in erased.certificate.stated.remains:
        app.say(f"- {sentence}")
    app.say(
        "leave it out of the next export: nothing here knows its text any more, and the same file would be published"
    )


@click.command("erasure-notice", cls=Command)
@click.argument("record_id", type=RecordIdValue())
@_AS_CUSTODIAN
@click.option(
    "--to",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="New file for the signed notice, to be given to patient and readers.",
)
@click.pass_obj
def erasure_notice(app: App, record_id: RecordId, custodian: str, target: Path) -> None:
    """Sign a notice of an erasure that the chain does not tell: the record had been withdrawn before.

    Patient and readers keep it, and are told by their inbox from then on. It names none of the others.
    """
    refuse_existing(target)
    actor = app.actor(custodian)
    with app.session() as session:
        statement = session.erasures.notice(record_id, custodian=actor)
    write_whole(target, statement.to_json(), replace=False)
    row = {**_notice_row(statement.stated), "file": str(target)}
    app.show(row, title="signed; give the file to patient and readers")


@click.command("take-erasure-notice", cls=Command)
@click.argument("path", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@click.pass_obj
def take_erasure_notice(app: App, path: Path) -> None:
    """Check a custodian's signed notice of an erasure, and keep it: your inbox tells what it asks of you."""
    statement = Statement.from_json(ErasureNotice, _read(path, MAX_NOTICE_SIZE))
    with app.session() as session:
        notice = session.erasures.take_notice(statement)
    app.show(_notice_row(notice), title="taken")


@click.command("erasures", cls=Command)
@click.option("--as", "custodian", required=True, metavar="NAME", help="The custodian: a name or an address, no key.")
@click.pass_obj
def erasures(app: App, custodian: str) -> None:
    """List your erasures: how far each has come, which readers have answered, and who is overdue.

    Those that were made from this home. Where its state was lost, erase again: what is gone stays gone, and what was
    done is listed anew.

    The exit code is 1 if an erasure is not finished, or somebody is overdue.
    """
    account = app.keyring.resolve(custodian)
    with app.session() as session:
        standings = session.erasures.standings(account)
    app.show_all([_standing_row(each) for each in standings], nothing="nothing was erased from this home")
    if any(each.overdue or each.entry.certificate is None for each in standings):
        raise click.exceptions.Exit(1)


@click.command("forget", cls=Command)
@click.argument("record_id", type=RecordIdValue())
@click.option("--as", "patient", required=True, metavar="NAME", help="Who has granted: the patient's identity.")
@click.option("--for", "on_behalf_of", metavar="WHO", help="The patient, where --as has granted for him.")
@click.option("--custodian", metavar="WHO", help="Whose word counts, where several custodians state the record.")
@paying_options
@click.pass_obj
def forget(
    app: App, record_id: RecordId, patient: str, on_behalf_of: str | None, custodian: str | None, way: Way
) -> None:
    """Take the keys of a record that was erased out of everything that was granted.

    Grants stay as they are, but for this record: each gets a bundle without its key, in one transaction. Bundles of
    grants that have ended are given up. What your own store holds of the record goes. The exit code is 1 if something
    is left.
    """
    actor = app.actor(patient)
    subject = None if on_behalf_of is None else app.keyring.resolve(on_behalf_of)
    with way.session(app, actor) as session:
        record = find(session, app, record_id, custodian)
        forgotten = session.forgetting.forget(record, patient=actor, on_behalf_of=subject)
    app.show(
        {
            "record": forgotten.record_id.hex(),
            "finished": forgotten.finished,
            "grants_renewed": [f"{each:#x}" for each in forgotten.renewed],
            "bundles_given_up": len(forgotten.given_up),
            "grants_left": [f"{each:#x}" for each in forgotten.left],
            "stores": _stores(forgotten.removed),
        },
        title="forgotten" if forgotten.finished else "NOT FINISHED",
    )
    if not forgotten.finished:
        if forgotten.left:
            app.say("who gave the grants that are left forgets it, too; or revoke them: medshare access revoke")
        raise click.exceptions.Exit(1)


@click.command("acknowledge-erasure", cls=Command)
@click.argument("record_id", type=RecordIdValue())
@click.option("--as", "reader", required=True, metavar="NAME", help="The reader's identity.")
@click.option("--custodian", metavar="WHO", help="Whose word counts, where several custodians state the record.")
@click.option("--kept-because", metavar="TEXT", help="Why you keep a copy; nothing is removed then.")
@click.option(
    "--to",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="New file for the signed answer, to be given to the custodian.",
)
@click.pass_obj
def acknowledge_erasure(
    app: App, record_id: RecordId, reader: str, custodian: str | None, kept_because: str | None, target: Path
) -> None:
    """Sign that you keep no copy of a record that was erased, or why you do.

    What your own store holds of it is removed. What you have saved as a file elsewhere, erase yourself first: your
    signature says that you have. Had you nothing of it, sign all the same.
    """
    refuse_existing(target)
    actor = app.actor(reader)
    with app.session(acts=actor) as session:
        record = find(session, app, record_id, custodian)
        statement = session.forgetting.acknowledge(record, reader=actor, kept_because=kept_because)
    write_whole(target, statement.to_json(), replace=False)
    app.show(
        {"record": statement.stated.record_id.hex(), "erased": kept_because is None, "file": str(target)},
        title="signed; give the file to the custodian",
    )


@click.command("take-acknowledgement", cls=Command)
@click.argument("path", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@click.option("--as", "custodian", required=True, metavar="NAME", help="The custodian: a name or an address, no key.")
@click.pass_obj
def take_acknowledgement(app: App, path: Path, custodian: str) -> None:
    """Check a reader's signed answer to an erasure, and keep it."""
    account = app.keyring.resolve(custodian)
    statement = Statement.from_json(Acknowledgement, _read(path, MAX_ACKNOWLEDGEMENT_SIZE))
    with app.session() as session:
        standing = session.erasures.take(statement, custodian=account)
    app.show(_standing_row(standing), title="taken")


@click.command("verify-erasure", cls=Command)
@click.argument("path", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@click.pass_obj
def verify_erasure(app: App, path: Path) -> None:
    """Verify a certificate of erasure: its signature, the marks on chain, and the stores that you name, asked anew.

    The exit code is 1 if a mark is missing, a store does not answer, or one holds a block that was to be gone.
    """
    statement = Statement.from_json(Certificate, _read(path, MAX_CERTIFICATE_SIZE))
    with app.session() as session:
        found = session.erasures.verify(statement)
    certificate = found.certificate
    app.show(
        {
            "holds": found.holds,
            "record": certificate.record_id.hex(),
            "custodian": certificate.custodian,
            "patient": certificate.patient,
            "issued_at": moment(certificate.issued_at),
            "versions": [
                {"record": each.record_id.hex(), "marked_at": moment(each.marked_at), "marked": each.marked}
                for each in certificate.versions
            ],
            "unmarked": [each.hex() for each in found.unmarked],
            "blocks": len(certificate.blocks),
            "stores_now": _stores(found.found),
            "readers": [{"reader": each.reader, "ground": each.ground.value} for each in certificate.readers],
            "jurisdiction": certificate.jurisdiction,
            "policy": certificate.policy.hex(),
            "remains": list(certificate.remains),
        },
        title="the certificate holds" if found.holds else "THE CERTIFICATE DOES NOT HOLD",
    )
    if not found.holds:
        raise click.exceptions.Exit(1)


COMMANDS = (
    hold,
    release_hold,
    holds,
    erase,
    erasure_notice,
    take_erasure_notice,
    erasures,
    forget,
    acknowledge_erasure,
    take_acknowledgement,
    verify_erasure,
)


def _read(path: Path, limit: int) -> bytes:
    with path.open("rb") as stream:
        return stream.read(limit + 1)


def _hold_row(placed: LegalHold, *, in_force: bool) -> dict[str, Any]:
    return {
        "record": placed.record_id.hex(),
        "in_force": in_force,
        "placed_at": moment(placed.placed_at),
        "until": moment(placed.until),
        "released_at": moment(placed.released_at),
        "reason": placed.reason,
    }


def _notice_row(notice: ErasureNotice) -> dict[str, Any]:
    return {
        "record": notice.record_id.hex(),
        "versions": [each.hex() for each in notice.versions],
        "custodian": notice.custodian,
        "patient": notice.patient,
        "issued_at": moment(notice.issued_at),
        "acknowledge_by": moment(notice.acknowledge_by),
    }


def _stores(removed: Sequence[Removed]) -> list[dict[str, Any]]:
    return [
        {"store": each.name, "gone": each.gone, "remaining_blocks": each.remaining, "trouble": each.trouble or None}
        for each in removed
    ]


def _standing_row(standing: ErasureStanding) -> dict[str, Any]:
    plan = standing.entry.plan
    return {
        "record": plan.record_id.hex(),
        "stage": standing.entry.stage.value,
        "erased_at": moment(standing.marked_at),
        "patient": plan.patient,
        "acknowledged": [
            {
                "reader": reader,
                "erased": each.stated.kept_because is None,
                "kept_because": each.stated.kept_because,
                "signed_at": moment(each.stated.signed_at),
            }
            for reader, each in standing.acknowledged.items()
        ],
        "missing": list(standing.missing),
        "acknowledge_by": moment(standing.acknowledge_by),
        "overdue": standing.overdue,
    }
