"""``medshare relay``: send what others have signed, and pay for it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from medshare.cli.console import App, Group
from medshare.cli.ending import exit_code, report
from medshare.cli.signed import read_signed
from medshare.cli.values import parse_span
from medshare.errors import ConfigurationError, MedshareError
from medshare.services.relaying import Relayed, RelayState

if TYPE_CHECKING:
    from medshare.services.drop_box import Handled

_EVERY = "5s"


@click.group(cls=Group)
def relay() -> None:
    """Relay: send what others have signed, and pay for it."""


@relay.command("send")
@click.argument("files", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--as", "payer", required=True, metavar="NAME", help="The identity that pays.")
@click.pass_obj
def send(app: App, files: tuple[Path, ...], payer: str) -> None:
    """Send the signed messages in FILES, together where that can be.

    What is wrong with one keeps no other back; the exit code is that of the first which is not done. A file given
    again is not sent again.
    """
    messages = [read_signed(path) for path in files]
    actor = app.actor(payer)
    with app.session() as session, app.progress() as progress:
        several = session.relaying(actor.signer).relay(messages, progress=progress)
    rows = [_row(str(path), each.state, each, each.error) for path, each in zip(files, several, strict=True)]
    app.show_all(rows, nothing="")
    undone = [each for each in several if each.state is not RelayState.DONE]
    for number, each in enumerate(several, 1):
        if each.error is not None:
            report(each.error, app.respelled(each.error.hint), as_json=app.as_json, about={"file": number})
    if undone:
        error = undone[0].error
        raise click.exceptions.Exit(exit_code(error if error is not None else MedshareError("")))


@relay.command("watch")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--as", "payer", required=True, metavar="NAME", help="The identity that pays.")
@click.option("--once", is_flag=True, help="Send what lies there now, and end.")
@click.option("--every", default=_EVERY, show_default=True, metavar="SPAN", help="How often to look.")
@click.pass_obj
def watch(app: App, folder: Path, payer: str, once: bool, every: str) -> None:
    """Send what is laid into FOLDER/pending, and put it into done or refused, with what became of it beside it.

    What waits its turn stays where it is. It ends from the keyboard, or when it is killed: what is on its way then is
    taken up by the next.
    """
    from medshare.chain.networks import NetworkKind
    from medshare.services.drop_box import DropBox

    pause = parse_span(every)
    actor = app.actor(payer)
    with app.session() as session:
        if not once and session.chain.profile.kind is NetworkKind.EMBEDDED:
            raise ConfigurationError(
                "nobody else can use the embedded chain while this watches",
                hint="say --once, and again when there is something to send; or use a node",
            )
        box = DropBox(folder, session.relaying(actor.signer))
        if once:
            handled = box.handle()
            app.show_all([_handled(each) for each in handled], nothing="nothing lies there")
            return
        app.say(f"watching {folder / 'pending'}; stop with Ctrl-C")
        box.serve(
            every=pause,
            sleep=time.sleep,
            stopped=lambda: False,
            told=lambda round_: _tell(app, round_),
            troubled=lambda error: report(error, app.respelled(error.hint), as_json=app.as_json),
        )


def _tell(app: App, handled: tuple[Handled, ...]) -> None:
    for each in handled:
        row = _handled(each)
        click.echo(json.dumps(row) if app.as_json else " ".join(str(value) for value in row.values() if value))


def _handled(each: Handled) -> dict[str, object]:
    return _row(each.name, each.state, each.relayed, each.error)


def _row(file: str, state: RelayState, relayed: Relayed | None, error: MedshareError | None) -> dict[str, object]:
    tx_hash = None if relayed is None else relayed.tx_hash
    return {
        "file": file,
        "state": state.value,
        "signed": None if relayed is None else relayed.signed.message.struct(),
        "signer": None if relayed is None else relayed.signed.signer,
        "transaction": None if tx_hash is None else "0x" + tx_hash.hex(),
        "block": None if relayed is None else relayed.block_number,
        "error": None if error is None else type(error).__name__,
        "reason": None if error is None else str(error),
    }
