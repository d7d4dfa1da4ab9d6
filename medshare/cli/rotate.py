"""``medshare record rotate``: encrypt anew for those who are permitted now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from medshare.cli.console import App, Command
from medshare.cli.ending import exit_code, report
from medshare.cli.publications import published_row, tell_withheld
from medshare.cli.values import GrantIdValue, RecordIdValue
from medshare.model.ids import GrantId, RecordId
from medshare.model.record import RecordEntry
from medshare.ports import Actor
from medshare.services.rotating import WHAT_REMAINS, Rotation

if TYPE_CHECKING:
    from medshare.session import Session


@click.command("rotate", cls=Command)
@click.argument("record_ids", nargs=-1, type=RecordIdValue())
@click.option("--as", "custodian", required=True, metavar="NAME", help="The custodian's identity.")
@click.option("--patient", metavar="WHO", help="All active records of this patient, where a consent has changed since.")
@click.option("--grant", "grant_id", type=GrantIdValue(), help="All that this grant, live or ended, may have covered.")
@click.option("--forget-old", is_flag=True, help="Give up the blocks of the old versions in this store.")
@click.pass_obj
def rotate(
    app: App,
    record_ids: tuple[RecordId, ...],
    custodian: str,
    patient: str | None,
    grant_id: GrantId | None,
    forget_old: bool,
) -> None:
    """Encrypt RECORD_IDS anew, as new versions, for those who are permitted now.

    The text stays the same; patient, custodian and every reader whom a live grant permits get the new key. A record
    that cannot be rotated keeps no other back; the exit code is that of the first such record. After a crash give the
    same command again: what is rotated is not rotated twice.
    """
    if (bool(record_ids), patient is not None, grant_id is not None).count(True) != 1:
        raise click.UsageError("name records, or --patient, or --grant: one of them")
    actor = app.actor(custodian)
    account = app.keyring.resolve(patient) if patient is not None else None
    rotations: list[Rotation] = []
    try:
        with app.session(acts=actor) as session, app.progress() as progress:
            if account is not None:
                entries = session.rotating.due(account, custodian=actor)
            elif grant_id is not None:
                entries = session.rotating.covered(grant_id, custodian=actor, progress=progress)
            else:
                entries = _named(session, actor, record_ids)
            for rotation in session.rotating.rotate(entries, custodian=actor, forget_old=forget_old, progress=progress):
                rotations.append(rotation)
                if rotation.error is not None:
                    about = {"record": rotation.previous.record_id.hex()}
                    report(rotation.error, app.respelled(rotation.error.hint), as_json=app.as_json, about=about)
    except BaseException:
        # Whatever came after them: these are rotated, and their new ids are needed.
        if rotations:
            _tell(app, rotations)
        raise
    _tell(app, rotations)
    refused = [rotation.error for rotation in rotations if rotation.error is not None]
    if refused:
        raise click.exceptions.Exit(exit_code(refused[0]))


def _named(session: Session, custodian: Actor, record_ids: tuple[RecordId, ...]) -> list[RecordEntry]:
    head = session.ledger.chain.head()
    return [session.ledger.records.record(custodian.address, record_id, block=head) for record_id in record_ids]


def _tell(app: App, rotations: list[Rotation]) -> None:
    rows = [
        {
            "previous": rotation.previous.record_id.hex(),
            **published_row(app, rotation.published),
            "old_blocks_given_up": rotation.forgotten,
        }
        for rotation in rotations
        if rotation.published is not None
    ]
    if app.as_json:
        app.show({"rotated": rows, "what_remains": WHAT_REMAINS})
        return
    app.show_all(
        rows, nothing="nothing to rotate: no consent of the patient has changed since" if not rotations else ""
    )
    tell_withheld(app, [rotation.published for rotation in rotations if rotation.published is not None])
    if any(rotation.forgotten for rotation in rotations):
        app.say("the old versions' blocks go with the next collection: medshare storage collect")
    app.say(WHAT_REMAINS)
