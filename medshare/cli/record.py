"""``medshare record``: publish, find, fetch and withdraw records."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from medshare.cli.batched import tell_own_entry, warn_of_other_entries
from medshare.cli.console import App, Group, moment
from medshare.cli.loading import batch_row
from medshare.cli.publications import published_row, tell_withheld
from medshare.cli.sending import Way, paying_options, sending_options
from medshare.cli.values import PurposeValue, RecordIdValue
from medshare.content import Cid
from medshare.errors import (
    InvalidInputError,
)
from medshare.files import refuse_existing, written_whole
from medshare.model.attestation import BEST_SCORE
from medshare.model.consent import RecordRef
from medshare.model.ids import Address, RecordId
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import RecordEntry, RecordStatus
from medshare.services.publishing import Publishing

if TYPE_CHECKING:
    from medshare.services.load_journal import Batch
    from medshare.session import Session


min_score_option = click.option(
    "--min-score",
    type=click.IntRange(0, BEST_SCORE),
    help="Only records of which every assessor who counts attests at least this; see: medshare quality show.",
)


@click.group(cls=Group)
def record() -> None:
    """Records: publish, find, fetch, withdraw, erase."""


def find(session: Session, app: App, record_id: RecordId, custodian: str | None) -> RecordRef:
    """Return the record of this id; where several custodians state it, the caller must say whose."""
    if custodian is not None:
        return RecordRef(custodian=app.keyring.resolve(custodian), record_id=record_id)
    claims = session.auditing.claims(record_id)
    if len(claims) > 1:
        raise InvalidInputError(
            f"{len(claims)} custodians state this record: {', '.join(claim.custodian for claim in claims)}",
            hint="say whose word you trust, with --custodian",
        )
    return RecordRef(custodian=claims[0].custodian, record_id=record_id)


def rows_of(session: Session, entries: Sequence[RecordEntry]) -> list[dict[str, object]]:
    """Return what a script or a person reads of records."""
    superseded = {entry.custodian for entry in entries if entry.status is RecordStatus.SUPERSEDED}
    newest = {custodian: session.auditing.newest_versions(custodian) for custodian in superseded}
    retracted = {entry.patient for entry in entries if entry.status is RecordStatus.RETRACTED}
    erased = {ref for patient in retracted for ref in session.auditing.erasures(patient)}
    return [
        _row(entry, newest.get(entry.custodian, {}).get(entry.record_id), erased=entry.ref in erased)
        for entry in entries
    ]


def standing(session: Session, entry: RecordEntry) -> dict[str, object]:
    """Return what became of a record: its status, and the newest version that came in its place."""
    (row,) = rows_of(session, [entry])
    return {key: row[key] for key in ("status", "newest_version")}


def _unfinished_row(session: Session, batch: Batch, custodian: Address) -> dict[str, object]:
    return {
        "number": batch.number,
        "stage": batch.stage.value,
        "records": batch.count,
        "batch": None if batch.root is None else batch.root.hex(),
        "can_be_given_up": session.loading.can_be_given_up(batch, custodian),
    }


def _row(entry: RecordEntry, newest: RecordId | None, *, erased: bool) -> dict[str, object]:
    return {
        "record": entry.record_id.hex(),
        "status": "erased" if erased else entry.status.name.lower(),
        "newest_version": newest.hex() if newest is not None else None,
        "version": entry.version,
        "registered_at": moment(entry.registered_at),
        "ended_at": moment(entry.ended_at),
        "custodian": entry.custodian,
        "patient": entry.patient,
    }


@record.command("resume")
@click.option("--as", "custodian", required=True, metavar="NAME", help="The custodian's identity.")
@paying_options
@click.pass_obj
def resume(app: App, custodian: str, way: Way) -> None:
    """Register what was stored when a crash or a lost connection came between, and anchor unfinished batches."""
    actor = app.actor(custodian)
    with way.session(app, actor) as session, way.progress(app) as progress:
        finished = session.publishing.resume(actor, progress=progress)
        anchored = session.loading.resume(actor, progress=progress)
    rows = [published_row(app, each) for each in finished]
    batches = [batch_row(each) for each in anchored]
    if app.as_json:
        app.show_all([*rows, *batches], nothing="")
    elif rows or not batches:
        app.show_all(rows, nothing="nothing was left unfinished")
    if batches and not app.as_json:
        app.show_all(batches, nothing="")
    tell_withheld(app, finished)


@record.command("unfinished")
@click.option("--as", "custodian", required=True, metavar="NAME", help="The custodian's identity.")
@click.pass_obj
def unfinished(app: App, custodian: str) -> None:
    """List the batches of loads that are stored here and not followed to their end, and which of them give-up takes.

    One that is stored only grows with the next load. One that is being sent was given to the chain, which may have
    refused it. One that is registered is on chain, and not yet compared with what its patients have granted since:
    medshare record resume finishes it, and give-up refuses it.
    """
    account = app.keyring.resolve(custodian)
    with app.session() as session:
        rows = [_unfinished_row(session, batch, account) for batch in session.loading.unfinished(account)]
    app.show_all(rows, nothing="no batch is unfinished")


@record.command("give-up")
@click.argument("number", type=click.IntRange(1))
@click.option("--as", "custodian", required=True, metavar="NAME", help="The custodian's identity.")
@click.pass_obj
def give_up(app: App, number: int, custodian: str) -> None:
    """Give up a batch that is stored and not anchored, by its number: see medshare record unfinished.

    For a load that was refused, or took the wrong records, or said they were somebody else's. The store keeps none of
    it any longer, and the same records can be published anew. Refused where the batch is on chain, or may be on its way
    there.
    """
    actor = app.actor(custodian)
    with app.session(acts=actor) as session:
        unpinned = session.loading.give_up(number, actor)
    app.show(
        {"number": number, "unpinned": unpinned},
        title="given up; what the store keeps no longer goes with its next collection",
    )


@record.command("restore")
@click.option("--as", "custodian", required=True, metavar="NAME", help="The custodian's identity.")
@click.pass_obj
def restore(app: App, custodian: str) -> None:
    """Learn from chain and store what you have published, where it was not from here or your home was lost.

    Every record of yours that is not known here is opened and read once: it takes as long as fetching them all. Killed,
    give the same command again: it goes on. Records given again are published already from then on.
    """
    actor = app.actor(custodian)
    with app.session() as session, app.progress() as progress:
        restored = session.restoring.restore(actor, progress=progress)
    app.show(
        {"restored": restored.records, "not_readable": len(restored.unread) + len(restored.batches)},
        title="what was published is known here",
    )
    for batch in restored.batches:
        cid = Cid.of_directory(batch.source)
        app.warn(f"batch {cid}: {batch.error}", hint="given again, its records would be published anew")
    for each in restored.unread:
        app.warn(f"{each.record_id.hex()}: {each.error}", hint="given again, it would be published anew")


@record.command("list")
@click.option("--patient", required=True, metavar="WHO", help="Name or address of the patient.")
@min_score_option
@click.pass_obj
def list_(app: App, patient: str, min_score: int | None) -> None:
    """List the records that custodians state of a patient."""
    account = app.keyring.resolve(patient)
    with app.session() as session:
        entries = session.auditing.records(account)
        if min_score is not None:
            good = session.assessing.at_least(min_score, (entry.record_id for entry in entries))
            entries = [entry for entry in entries if entry.record_id in good]
        rows = rows_of(session, entries)
        warn_of_other_entries(app, session, account)
    app.show_all(
        rows,
        nothing="no records of this patient are known here; those of batches are found with: "
        "medshare record find --as NAME"
        if min_score is None
        else "no record of this patient has this quality attested",
    )


@record.command("find")
@click.option("--as", "who", required=True, metavar="NAME", help="Whose records are looked for: his key opens them.")
@click.option("--custodian", metavar="WHO", help="Look through the batches of this custodian only.")
@click.pass_obj
def find_(app: App, who: str, custodian: str | None) -> None:
    """Find the records of somebody in what custodians have published in batches.

    Commands that act for him do this themselves. A custodian who has lost his home gets back what he published. Told is
    how many are new, and how many of these batches were known in this home before, whoever looked.
    """
    actor = app.actor(who)
    account = app.keyring.resolve(custodian) if custodian is not None else None
    with app.session() as session, app.progress() as progress:
        known = session.batches.known(account)
        found = session.finding.find(actor, custodian=account, progress=progress)
        warn_of_other_entries(app, session, actor.address)
    app.show(
        {
            "new": found.records,
            "known": known,
            "looked_through": found.looked,
            "not_readable": len(found.unread),
        },
        title="looked through what was published in batches",
    )
    for one in found.unread:
        app.warn(f"{Cid.of_directory(one.source)}: {one.error}", hint=one.error.hint or "try again later")


@record.command("register")
@click.argument("record_id", type=RecordIdValue())
@click.option("--as", "payer", required=True, metavar="NAME", help="Who sends and pays: anybody who can show it.")
@click.option("--custodian", metavar="WHO", help="Whose word counts, where several custodians state the record.")
@click.pass_obj
def register(app: App, record_id: RecordId, payer: str, custodian: str | None) -> None:
    """Give a record of a batch an entry of its own: who knows nothing of the batch sees it from then on.

    It counts since its batch. Superseding, retracting and erasing do this themselves; it is for a custodian whose word
    is sent by somebody else, with --sign-to.
    """
    actor = app.actor(payer)
    with app.session(acts=actor) as session:
        ref = find(session, app, record_id, custodian)
        shown = session.batches.showing([ref])
        if not shown:
            raise InvalidInputError("this record is of no batch that can be shown here")
        session.ledger.records.register_from_batch(actor.signer, shown[0])
        (row,) = rows_of(
            session, [session.ledger.records.record(ref.custodian, record_id, block=session.ledger.chain.head())]
        )
    app.show(row, title="registered")


@record.command("readable")
@click.option("--as", "reader", required=True, metavar="NAME", help="The reader's identity.")
@click.option("--purpose", type=PurposeValue(), default="TREAT", show_default=True, help="What for (HL7 PurposeOfUse).")
@click.pass_obj
def readable(app: App, reader: str, purpose: PurposeOfUse) -> None:
    """List the records that patients have granted a reader for a purpose.

    A superseded record stays readable; its row names the newest version, which is readable if the grant covers it and
    its custodian was told.
    """
    actor = app.actor(reader)
    with app.session(acts=actor) as session:
        found = session.retrieving.readable(reader=actor, purpose=purpose)
        head = session.ledger.chain.head()
        entries = [session.ledger.records.record(ref.custodian, ref.record_id, block=head) for ref in found.records]
        rows = rows_of(session, entries)
    if found.unreadable:
        click.echo(
            f"note: {len(found.unreadable)} live grants were passed over, their bundles cannot be read", err=True
        )
    app.show_all(rows, nothing="no live grant covers this purpose")


@record.command("show")
@click.argument("record_id", type=RecordIdValue())
@click.pass_obj
def show(app: App, record_id: RecordId) -> None:
    """Show what the chain says of a record, and its CID."""
    with app.session() as session:
        head = session.ledger.chain.head()
        entries = [
            session.ledger.records.record(claim.custodian, record_id, block=head)
            for claim in session.auditing.claims(record_id)
        ]
        rows = rows_of(session, entries)
    app.show_all([{**row, "cid": str(Cid.of_directory(record_id))} for row in rows], nothing="")


@record.command("fetch")
@click.argument("record_id", type=RecordIdValue())
@click.option("--as", "reader", required=True, metavar="NAME", help="The reader's identity.")
@click.option("--purpose", type=PurposeValue(), default="TREAT", show_default=True, help="What for (HL7 PurposeOfUse).")
@click.option("--custodian", metavar="WHO", help="Whose word counts, where several custodians state the record.")
@click.option(
    "--to",
    "target",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="New file to write; default, and with -: standard output.",
)
@click.option("--offset", type=click.IntRange(0), help="First byte of a range.")
@click.option("--length", type=click.IntRange(0), help="Bytes of a range.")
@click.pass_obj
def fetch(
    app: App,
    record_id: RecordId,
    reader: str,
    purpose: PurposeOfUse,
    custodian: str | None,
    target: Path | None,
    offset: int | None,
    length: int | None,
) -> None:
    """Fetch a record, verified at every step.

    With --to the file appears whole and verified, or not at all. Standard output and ranges come as they are read:
    each segment is authentic, the digest of the whole is checked at the end.
    """
    out = None if target == Path("-") else target
    if (offset is None) != (length is None):
        raise click.UsageError("--offset and --length go together")
    if out is None and app.as_json:
        raise click.UsageError("--json needs --to: the record itself goes to standard output")
    refuse_existing(out)
    actor = app.actor(reader)
    with app.session(acts=actor) as session, app.progress() as progress:
        opened = session.retrieving.open(find(session, app, record_id, custodian), reader=actor, purpose=purpose)
        chunks = opened.stream(progress) if offset is None or length is None else opened.stream_range(offset, length)
        with written_whole(out, replace=False) if out is not None else nullcontext(sys.stdout.buffer) as stream:
            for chunk in chunks:
                stream.write(chunk)
        became = standing(session, opened.entry)
        session.receipting.keep(opened.decision.grant, party=actor)
    if out is None:
        if opened.entry.status is not RecordStatus.ACTIVE:
            newer = f"; the newest version is {became['newest_version']}" if became["newest_version"] else ""
            click.echo(f"note: this record was {became['status']}{newer}", err=True)
        return
    manifest = opened.manifest
    app.show(
        {
            "record": record_id.hex(),
            **became,
            "bytes": manifest.size if length is None else length,
            "media_type": manifest.media_type,
            "category": manifest.category.value,
            "clinical_date": manifest.clinical_date,
            "decision": opened.decision.explain(),
            "file": str(out),
        },
        title="fetched and verified",
    )


@record.command("retract")
@click.argument("record_id", type=RecordIdValue())
@click.option("--as", "custodian", required=True, metavar="NAME", help="The custodian's identity.")
@click.option("--reason", required=True, help="Kept by you; only a salted digest goes on chain.")
@sending_options
@click.pass_obj
def retract(app: App, record_id: RecordId, custodian: str, reason: str, way: Way) -> None:
    """Withdraw a record: readers are refused it, patient and custodian still open it."""
    actor = app.actor(custodian)
    salt, digest = Publishing.reason(record_id, reason, actor)
    with way.session(app, actor) as session:
        if way.handed_out(
            app, session, actor, lambda draft: draft.retract(record_id, digest), also={"reason_salt": salt.hex()}
        ):
            tell_own_entry(app, session, actor.address, record_id)
            return
        salt = session.publishing.retract(record_id, reason, custodian=actor)
    app.show(
        {"record": record_id.hex(), "reason_salt": salt.hex()},
        title="retracted; keep the salt with the reason, to prove it later",
    )
