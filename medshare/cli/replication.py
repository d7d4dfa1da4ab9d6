"""``medshare storage status``, ``repair`` and ``unpin``: what the institutions' nodes keep, and what they should."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from medshare.cli.console import App, Command
from medshare.cli.values import CidValue
from medshare.content import Cid
from medshare.errors import ConfigurationError
from medshare.services.named_roots import Keep
from medshare.services.replicating import Repaired, Replicating, Report, RootStatus, Step, Stray, plan

if TYPE_CHECKING:
    from medshare.session import Session


@click.command(cls=Command)
@click.option("--deep", is_flag=True, help="Have every block of what they hold read and hashed, too.")
@click.option("--all", "everything", is_flag=True, help="List what is kept as it should be, too.")
@click.pass_obj
def status(app: App, deep: bool, everything: bool) -> None:
    """Say how the institutions' nodes keep every record and live bundle.

    Under-replicated is what fewer nodes pin than [replication] in the settings says; unpinned, what a collection may
    remove; missing, what no node that answers holds; damaged, a copy that has lost a block, or has a false one, which
    --deep finds. Ended are pins of rights that have ended, foreign those that nothing on the chain names: both are
    told, and left alone. Erased is what its custodian has erased and somebody still holds. The exit code is 1 if
    something is wanting, something erased is held, or a node did not answer.
    """
    with app.session() as session, app.progress() as progress:
        found = _replicating(session).status(deep=deep, progress=progress)
    if app.as_json:
        app.show(_document(found))
    else:
        _tell(app, found, everything=everything)
    if not found.sound:
        raise click.exceptions.Exit(1)


@click.command(cls=Command)
@click.option("--deep", is_flag=True, help="Look for damaged copies first, and mend them: every block is read.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.pass_obj
def repair(app: App, deep: bool, dry_run: bool) -> None:
    """Pin and copy what is wanting, at as many nodes as the settings say.

    Each block is verified on its way, and a node pins only what it holds whole. What broke off goes on where it was.
    Nothing is unpinned. The exit code is 1 if something is wanting still.
    """
    with app.session() as session, app.progress() as progress:
        replicating = _replicating(session)
        found = replicating.status(deep=deep, progress=progress)
        steps = plan(found)
        done = [] if dry_run else list(replicating.repair(steps, progress=progress))
    rows = [_planned(step) for step in steps] if dry_run else [_repaired(one) for one in done]
    app.show_all(rows, nothing="nothing is wanting", named=False)
    for answer in found.unreached:
        app.warn(f"{answer.name} did not answer: {answer.trouble}", hint="when it does: medshare storage status")
    if found.unreached or not all(one.done for one in done):
        raise click.exceptions.Exit(1)


@click.command(cls=Command)
@click.argument("root", type=CidValue())
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def unpin(app: App, root: Cid, yes: bool) -> None:
    """Give a record or bundle up: unpin it here and at every node, collect, and look whether its blocks are gone.

    A collection removes whatever no pin keeps, so what somebody is publishing at that moment may have to be repeated.
    Other copies remain: those of whoever has fetched it, and those of nodes that are not named in the settings. Only
    keys that nobody has any more make a record unreadable. The exit code is 1 if a block is left anywhere.
    """
    with app.session() as session, app.progress() as progress:
        known = session.replicating.named(root)
        if known is not None and known.keep is Keep.YES:
            app.say(f"this is a {known.kind.value} that the chain says is to be kept: nobody will be able to fetch it")
        if not yes and not click.confirm("give it up, here and at every node?", err=True):
            raise click.Abort
        given_up = session.replicating.give_up(root, progress=progress)
    rows = [
        {"place": one.name, "gone": one.gone, "remaining_blocks": one.remaining, "trouble": one.trouble or None}
        for one in given_up
    ]
    app.show_all(rows, nothing="", named=False)
    if not all(one.gone and not one.trouble for one in given_up):
        raise click.exceptions.Exit(1)


def _replicating(session: Session) -> Replicating:
    if not session.settings.replication.nodes:
        raise ConfigurationError(
            "no storage nodes are named",
            hint=f"name them in {session.settings.home / 'medshare.toml'}: [replication] with copies, "
            "[replication.nodes.NAME] with address and token",
        )
    return session.replicating


# -------------------------------------------------------------------------------------------------- telling


def _tell(app: App, found: Report, *, everything: bool) -> None:
    for answer in found.nodes:
        app.say(
            f"{answer.name}: {len(answer.pins)} pins"
            if answer.reached
            else f"{answer.name}: NOT REACHED: {answer.trouble}"
        )
    shown = found.roots if everything else found.wanting
    app.show_all([_row(status) for status in shown], nothing="nothing is wanting", named=False)
    for what, strays in (("of rights that have ended", found.ended), ("foreign", found.foreign)):
        if strays:
            app.say(f"{len(strays)} pins are {what}; to give one up: medshare storage unpin CID")
            app.show_all([_stray(stray) for stray in strays], nothing="", named=False)
    if found.erased:
        app.say(f"{len(found.erased)} records were erased by their custodians and are still held: give them up with")
        app.say("medshare storage unpin CID")
        app.show_all([_held(stray) for stray in found.erased], nothing="", named=False)
    kept = len(found.roots) - len(found.wanting)
    app.say(f"{kept} of {len(found.roots)} are pinned by {found.copies} nodes or more")
    if found.wanting:
        app.say("to mend it: medshare storage repair")


def _document(found: Report) -> dict[str, Any]:
    return {
        "copies": found.copies,
        "sound": found.sound,
        "nodes": [
            {
                "name": answer.name,
                "reached": answer.reached,
                "pins": len(answer.pins) if answer.reached else None,
                "trouble": answer.trouble or None,
            }
            for answer in found.nodes
        ],
        "roots": [_row(status) for status in found.roots],
        "ended": [_stray(stray) for stray in found.ended],
        "foreign": [_stray(stray) for stray in found.foreign],
        "erased": [_held(stray) for stray in found.erased],
    }


def _row(status: RootStatus) -> dict[str, Any]:
    return {
        "cid": str(status.root),
        "kind": status.kind.value,
        "kept": status.kept.value,
        "pinned_by": list(status.pinned),
        "unpinned_at": list(status.unpinned),
        "damaged_at": list(status.damaged),
        "here": status.here,
    }


def _stray(stray: Stray) -> dict[str, Any]:
    return {"cid": str(stray.root), "pinned_by": list(stray.nodes)}


def _held(stray: Stray) -> dict[str, Any]:
    return {"cid": str(stray.root), "held_by": list(stray.nodes)}


def _planned(step: Step) -> dict[str, Any]:
    return {
        "cid": str(step.root),
        "kind": step.kind.value,
        "mend_at": list(step.damaged),
        "pin_at": step.wanted,
        "of": list(step.candidates),
        "copy_from": list(step.sources),
    }


def _repaired(one: Repaired) -> dict[str, Any]:
    return {
        "cid": str(one.root),
        "kind": one.kind.value,
        "done": one.done,
        "pinned_by_now": list(one.pinned),
        "wanting": one.wanting,
        "trouble": _reasons(one.reasons),
    }


def _reasons(reasons: Iterable[tuple[str, str]]) -> str | None:
    return "; ".join(f"{name}: {why}" for name, why in reasons) or None
