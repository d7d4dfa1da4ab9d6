"""``medshare network reconcile``: who seals blocks follows who has a seat."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from medshare.cli.console import App, Command
from medshare.cli.network_members import FOLDER, MEMBERS
from medshare.errors import ConfigurationError

if TYPE_CHECKING:
    from medshare.model.ids import Address
    from medshare.network.members import MemberFile
    from medshare.network.reconciling import Change, Difference


@click.command(cls=Command)
@MEMBERS
@FOLDER
@click.option("--as", "institution", required=True, metavar="INSTITUTION", help="Whose validators vote.")
@click.option("--dry-run", is_flag=True, help="Show what differs and what is owed; vote for nothing.")
@click.pass_obj
def reconcile(app: App, members_file: Path, folder: Path, institution: str, dry_run: bool) -> None:
    """Compare the seats in Consortium with those who seal blocks, and cast the votes that an institution owes.

    Every institution does so with its own validators, on their own machine, after each change of a seat and after each
    start of a validator, which forgets what it voted for. A change comes about when more than half have voted for it.
    With QBFT it prints the calls for the operator of the Besu node, and votes for nothing itself.
    """
    from medshare.network.members import Consensus, MemberFile
    from medshare.network.seats import seated_members

    members = MemberFile.load(members_file)
    house = members.institution(institution)
    if not house.validators:
        raise ConfigurationError(f"{institution} has no validator, and so no vote", hint="name another institution")
    with app.session() as session:
        seated = list(seated_members(session.ledger.consortium, block=session.ledger.chain.head()))
        if members.consensus is Consensus.QBFT:
            _show_calls(app, members, seated, session.chain.client.request)
            return
    names = [node.name for node in house.validators]
    _vote(app, members, seated, {name: folder / institution / name for name in names}, dry_run=dry_run)


def _vote(app: App, members: MemberFile, seated: list[Address], places: dict[str, Path], *, dry_run: bool) -> None:
    from medshare.network.asking import GethNode
    from medshare.network.geth import SOCKET
    from medshare.network.reconciling import cast_votes, find_difference

    rows = []
    difference = None
    for name, place in places.items():
        node = GethNode(place / "data" / SOCKET)
        difference = find_difference(members, seated, node.votes())
        rows += [_row(change, difference, validator=name, dry_run=dry_run) for change in difference.changes]
        if not dry_run:
            cast_votes(node, difference)
    app.show_all(rows, nothing="those who seal are the validators of those who have seats")
    _tell_loose_ends(app, difference)


def _show_calls(app: App, members: MemberFile, seated: list[Address], ask: Callable[..., Any]) -> None:
    from medshare.network.reconciling import find_difference, qbft_calls, qbft_votes

    difference = find_difference(members, seated, qbft_votes(ask))
    app.show_all(
        [{"method": method, "params": json.dumps(values)} for method, values in qbft_calls(difference)],
        nothing="those who seal are the validators of those who have seats",
        named=False,
    )
    _tell_loose_ends(app, difference)


def _tell_loose_ends(app: App, difference: Difference | None) -> None:
    if difference is None:
        return
    for name in difference.without_validator:
        app.say(f"{name} has a seat and no validator in the member file")
    for account in difference.unknown:
        app.say(f"{account} has a seat, and is not in the member file")


def _row(change: Change, difference: Difference, *, validator: str, dry_run: bool) -> dict[str, object]:
    owed = "owed" if dry_run else "cast"
    return {
        "validator": validator,
        "votes_that": change.signer,
        "of": change.institution,
        "seals": change.seals,
        "vote": "cast before" if change.proposed else owed,
        "votes": f"{len(change.voters)} of {difference.needed}",
    }
