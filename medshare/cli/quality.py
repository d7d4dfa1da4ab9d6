"""``medshare quality``: how good records are in form, by the word of accredited assessors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from medshare.cli.assessed import read_list
from medshare.cli.console import App, Group, moment
from medshare.cli.ending import exit_code, report
from medshare.cli.record import find
from medshare.cli.values import PurposeValue, RecordIdValue
from medshare.errors import IntegrityError, InvalidInputError, MedshareError, RecordErasedError, RejectedError
from medshare.files import private_folder, refuse_existing, write_whole
from medshare.model.attestation import BEST_SCORE, FIRST_OWN_METHOD, MAX_METHOD
from medshare.model.ids import Address, RecordId
from medshare.model.purpose import PurposeOfUse
from medshare.model.slip import MAX_SLIPS_SIZE, Slip, slips_from_json, slips_to_json
from medshare.services.assessing import AttestedBatch, Quality
from medshare.standards.quality import METHODS, VERSION

if TYPE_CHECKING:
    from medshare.scoring import Unscored

_FILE = click.Path(dir_okay=False, path_type=Path)
_AS_ASSESSOR = click.option("--as", "assessor", required=True, metavar="NAME", help="The assessor's identity.")
_PURPOSE = click.option(
    "--purpose",
    type=PurposeValue(),
    default="HQUALIMP",
    show_default=True,
    help="What for the record is read (HL7 PurposeOfUse).",
)
_CUSTODIAN = click.option(
    "--custodian", metavar="WHO", help="Whose word counts, where several custodians state a record."
)
_OWN_METHOD = click.option(
    "--method",
    type=click.IntRange(FIRST_OWN_METHOD, MAX_METHOD),
    help=f"By which of your own methods, from {FIRST_OWN_METHOD}; goes with --score.",
)


@click.group(cls=Group)
def quality() -> None:
    """Quality: assessors attest it, everybody sees it."""


@quality.command("attest")
@click.argument("record_id", metavar="RECORD", type=RecordIdValue())
@_AS_ASSESSOR
@_PURPOSE
@_CUSTODIAN
@click.option("--file", type=_FILE, help="The record's bytes, where you have them; compared with its manifest.")
@click.option("--score", type=click.IntRange(0, BEST_SCORE), help="By a method of your own: 0 to 100.")
@_OWN_METHOD
@click.pass_obj
def attest(
    app: App,
    record_id: RecordId,
    assessor: str,
    purpose: PurposeOfUse,
    custodian: str | None,
    file: Path | None,
    score: int | None,
    method: int | None,
) -> None:
    """Attest the quality of a RECORD, or attest it anew, as an accredited assessor. The score is public, for ever.

    It is medshare's own score, computed from the record: you read it by a grant that is live for the purpose, and
    without one it is refused, since nobody attests what he has not seen. With --score and --method it is yours, by a
    method of your own.
    """
    if (score is None) != (method is None) or (score is not None and file is not None):
        raise click.UsageError("--score and --method go together, and without --file")
    actor = app.actor(assessor)
    with app.session(acts=actor) as session:
        if score is None or method is None:
            record = find(session, app, record_id, custodian)
            with app.progress() as progress:
                done = session.scoring.attest(record, assessor=actor, purpose=purpose, file=file, progress=progress)
            score, method, receipt = done.quality.score, VERSION, done.receipt
        else:
            receipt = session.assessing.attest(record_id, score=score, method=method, assessor=actor)
    app.show(
        {"record": record_id.hex(), "score": score, "method": _named(method), "block": receipt.block.number},
        title="attested",
    )


@quality.command("attest-batch")
@click.argument("sources", metavar="FILE.csv|RECORD...", nargs=-1, required=True)
@_AS_ASSESSOR
@_PURPOSE
@_CUSTODIAN
@click.option(
    "--to",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the slips, one file for each record, named by its id; those of a batch you withdrew are replaced.",
)
@click.pass_obj
def attest_batch(
    app: App, sources: tuple[str, ...], assessor: str, purpose: PurposeOfUse, custodian: str | None, folder: Path
) -> None:
    """Attest the quality of many records under one root, in one transaction; write a slip for each.

    Name records, or a FILE.csv whose first line names its columns: record, and for a method of your own score and
    method. Without scores each record is read, and medshare's own score computed; where one cannot be, nothing is
    attested, and the exit code is that of the first. A slip shows the score to whom you give it: custodian and patient
    keep it with: medshare quality take-slip. Killed, give the same command again: the same records have the same root,
    and are attested once.
    """
    wanted, target = read_list(sources), private_folder(folder)
    actor = app.actor(assessor)
    places = {record_id: target / f"{record_id.hex()}.json" for record_id in wanted.records}
    for record_id, path in places.items():
        _own_slip(path, record_id, actor.address)  # what is something else is said before anything is attested
    attested: AttestedBatch | None
    unscored: tuple[Unscored, ...] = ()
    with app.session(acts=actor) as session, app.progress() as progress:
        has_withdrawn = cache(partial(session.assessing.has_withdrawn, assessor=actor.address))

        def check(slips: Sequence[Slip]) -> None:
            for slip in slips:
                _before(places[slip.record_id], slip, has_withdrawn)

        if wanted.scores is not None and wanted.method is not None:
            method = wanted.method
            attested = session.assessing.attest_batch(wanted.scores, method=method, assessor=actor, check=check)
        else:
            method = VERSION
            records = [find(session, app, each, custodian) for each in wanted.records]
            scored = session.scoring.attest_batch(
                records, assessor=actor, purpose=purpose, check=check, progress=progress
            )
            attested, unscored = scored.attested, scored.unscored
        if attested is None:
            _tell_unscored(app, unscored)
            raise click.exceptions.Exit(exit_code(unscored[0].error))
        for slip in attested.slips:
            _write(places[slip.record_id], slip, has_withdrawn)
    app.show({**_batch_row(attested, method), "slips": str(folder)}, title="attested")


@quality.command("withdraw")
@click.argument("subject", metavar="RECORD|ROOT", type=RecordIdValue())
@_AS_ASSESSOR
@click.pass_obj
def withdraw(app: App, subject: RecordId, assessor: str) -> None:
    """Withdraw what you attested of a RECORD, or of all records of a batch by its ROOT."""
    actor = app.actor(assessor)
    with app.session() as session:
        done = session.assessing.withdraw(subject, assessor=actor)
    app.show(
        {"withdrawn": subject.hex(), "block": done.block.number, "already": done.already},
        title="withdrawn before; nothing was sent" if done.already else "withdrawn",
    )


@quality.command("show")
@click.argument("record_id", metavar="RECORD", type=RecordIdValue())
@click.option("--recompute", is_flag=True, help="Compute medshare's own score anew, as --as, and compare.")
@click.option("--as", "reader", metavar="NAME", help="The reader's identity, with --recompute.")
@click.option("--purpose", type=PurposeValue(), help="What for the record is read (HL7 PurposeOfUse).")
@_CUSTODIAN
@click.pass_obj
def show(
    app: App,
    record_id: RecordId,
    recompute: bool,
    reader: str | None,
    purpose: PurposeOfUse | None,
    custodian: str | None,
) -> None:
    """Show what assessors attested of a RECORD, and whether it counts now; of batches, where a slip is kept here.

    With --recompute whoever may read the record computes medshare's score from its bytes: the exit code is 1 if what
    counts by medshare's newest method is another. What was attested by other methods is not compared.
    """
    if recompute != (reader is not None and purpose is not None) or (not recompute and (reader or purpose)):
        raise click.UsageError("--recompute, --as and --purpose go together")
    actor = app.actor(reader) if reader is not None else None
    recomputed = None
    with app.session(acts=actor) as session:
        found = session.assessing.of(record_id)
        if actor is not None and purpose is not None:
            record = find(session, app, record_id, custodian)
            with app.progress() as progress:
                recomputed = session.scoring.score(record, reader=actor, purpose=purpose, progress=progress).score
    rows = [_row(one) for one in found]
    nothing = "nobody has attested the quality of this record"
    if recomputed is None:
        app.show_all(rows, nothing=nothing)
        return
    compared = [one for one in found if one.counts and one.attestation.method == VERSION]
    agrees = all(one.attestation.score == recomputed for one in compared) if compared else None
    computed = {"recomputed": recomputed, "method": _named(VERSION), "agrees": agrees}
    if app.as_json:
        app.show({**computed, "attested": rows})
    else:
        app.show_all(rows, nothing=nothing)
        app.show(computed)
    if agrees is False:
        raise click.exceptions.Exit(1)


@quality.command("take-slip")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=_FILE)
@click.pass_obj
def take_slip(app: App, files: tuple[Path, ...]) -> None:
    """Keep slips of batches, each compared with the chain first. Needs no key.

    What is kept counts wherever quality is looked at, and travels to your readers with the key of its record. In a
    study counts what its patient keeps when he accepts. It goes when the record is erased. A file that is refused is
    told by its place and keeps no other back; the exit code is that of the first such.
    """
    rows: list[dict[str, object]] = []
    refused: list[MedshareError] = []
    with app.session() as session:
        for place, file in enumerate(files, start=1):
            try:
                slips, new = session.slips.take(_read(file))
            except (InvalidInputError, IntegrityError, RejectedError, RecordErasedError) as error:
                refused.append(error)
                report(error, app.respelled(error.hint), as_json=app.as_json, about={"file": place})
            else:
                rows.append({"file": str(file), "records": [each.record_id.hex() for each in slips], "new": new})
    app.show_all(rows, nothing="")
    if refused:
        raise click.exceptions.Exit(exit_code(refused[0]))


@quality.command("slips")
@click.option("--patient", metavar="WHO", help="Only those of this patient's records.")
@click.option(
    "--to", "target", type=_FILE, help="Write those that stand to this file, for the patient; with --patient."
)
@click.pass_obj
def slips(app: App, patient: str | None, target: Path | None) -> None:
    """List the slips that are kept here: of which records, and whether their batches stand.

    As custodian, hand them to a patient with --patient and --to: he keeps them with: medshare quality take-slip FILE
    """
    if target is not None and patient is None:
        raise click.UsageError("say whose slips are to be written, with --patient")
    refuse_existing(target)
    account = None if patient is None else app.keyring.resolve(patient)
    with app.session() as session:
        kept = session.slips.all()
        if account is not None:
            records = {entry.record_id for entry in session.auditing.records(account)}
            kept = [each for each in kept if each.slip.record_id in records]
    if target is not None:
        standing = [each.slip for each in kept if each.batch.stands]
        if not standing:
            raise InvalidInputError("no slip that stands is kept here of this patient's records")
        write_whole(target, slips_to_json(standing), replace=False)
    rows = [
        {
            **_slip_row(each.slip),
            "attested_at": moment(each.batch.attested_at),
            "withdrawn_at": moment(each.batch.withdrawn_at),
        }
        for each in kept
    ]
    app.show_all(rows, nothing="no slips")


def _named(method: int) -> str:
    """Return how a method is called: medshare's own by its number, others by that of their assessor."""
    if method >= FIRST_OWN_METHOD:
        return str(method)
    return f"medshare {method}" if method in METHODS else f"medshare {method}, unknown to this version"


def _row(one: Quality) -> dict[str, object]:
    attestation = one.attestation
    return {
        "assessor": attestation.assessor,
        "score": attestation.score,
        "method": _named(attestation.method),
        "attested_at": moment(attestation.attested_at),
        "withdrawn_at": moment(attestation.withdrawn_at),
        "accredited": one.accredited,
        "counts": one.counts,
        "batch": None if one.batch is None else one.batch.hex(),
    }


def _slip_row(slip: Slip) -> dict[str, object]:
    return {
        "record": slip.record_id.hex(),
        "assessor": slip.assessor,
        "score": slip.assessed.score,
        "method": _named(slip.method),
        "batch": slip.root.hex(),
    }


def _batch_row(attested: AttestedBatch, method: int) -> dict[str, object]:
    return {
        "root": attested.root.hex(),
        "records": len(attested.slips),
        "method": _named(method),
        "already_attested": attested.receipt is None,
        "block": None if attested.receipt is None else attested.receipt.block.number,
    }


def _tell_unscored(app: App, unscored: tuple[Unscored, ...]) -> None:
    for each in unscored:
        app.warn(
            f"no score of record {each.record.record_id.hex()}: {each.error}",
            hint=each.error.hint or "leave it out, or ask its patient for access; nothing was attested",
        )


def _write(path: Path, slip: Slip, has_withdrawn: Callable[[bytes], bool]) -> None:
    """Write a slip, unless it is there; one of a batch that was withdrawn since is replaced. Raises as ``_before``."""
    before = _before(path, slip, has_withdrawn)
    if before != slip:
        write_whole(path, slips_to_json([slip]), replace=before is not None)


def _before(path: Path, slip: Slip, has_withdrawn: Callable[[bytes], bool]) -> Slip | None:
    """Return what is in the place of a slip: itself, one of a batch that was withdrawn since, or None.

    Raises:
        InvalidInputError: it is one of a batch that stands, or something else.
    """
    before = _own_slip(path, slip.record_id, slip.assessor)
    if before is not None and before != slip and not has_withdrawn(before.root):
        raise _taken(path, "a slip of another batch, which stands")
    return before


def _own_slip(path: Path, record_id: RecordId, assessor: Address) -> Slip | None:
    """Return the assessor's slip of a record in the file that is named by it, or None where there is no such file.

    Raises:
        InvalidInputError: it holds something else.
    """
    if not path.exists():
        return None
    try:
        (slip,) = slips_from_json(_read(path))
    except ValueError:
        raise _taken(path, "something else") from None
    if (slip.record_id, slip.assessor) != (record_id, assessor):
        raise _taken(path, "a slip of somebody else")
    return slip


def _taken(path: Path, what: str) -> InvalidInputError:
    return InvalidInputError(f"in the place of {path} is {what}", hint="name another folder, and repeat")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_SLIPS_SIZE + 1)
    except OSError as error:
        raise InvalidInputError("the file of slips cannot be read", hint="check its path") from error
