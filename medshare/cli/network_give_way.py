"""``medshare network give-way``: a chain that stands still although enough validators run goes on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from medshare.cli.console import App, Command
from medshare.cli.network_members import FOLDER, MEMBERS
from medshare.errors import ConfigurationError

if TYPE_CHECKING:
    from medshare.network.members import MemberFile, ValidatorNode
    from medshare.network.standstill import SealingNode


@click.command("give-way", cls=Command)
@MEMBERS
@FOLDER
@click.option("--as", "institution", required=True, metavar="INSTITUTION", help="Whose validators may give way.")
@click.option("--dry-run", is_flag=True, help="Show whether blocks come; change nothing.")
@click.pass_obj
def give_way(app: App, members_file: Path, folder: Path, institution: str, dry_run: bool) -> None:
    """Where no block comes although enough validators run, drop one's own newest block and take the others'.

    Two validators can seal the same block at the same moment, and neither gives up its own. Each institution runs this
    on its own machine, at any time or by a timer: where blocks come, it does nothing. It watches for as long as it
    takes to be sure: once or twice ten seconds, or five block periods. What was in the block is sent again. The exit
    code is 1 while no block comes, and 6 where the validator does not answer.
    """
    from medshare.network.asking import GethNode
    from medshare.network.geth import SOCKET
    from medshare.network.members import Consensus, MemberFile

    members = MemberFile.load(members_file)
    house = members.institution(institution)
    if members.consensus is not Consensus.CLIQUE:
        raise ConfigurationError("with QBFT no block has a rival, and nobody has to give way")
    if not house.validators:
        raise ConfigurationError(f"{institution} has no validator", hint="name another institution")
    rows = [
        _row(GethNode(folder / institution / node.name / "data" / SOCKET), node, members, dry_run=dry_run)
        for node in house.validators
    ]
    app.show_all(rows, nothing="no validators")
    if not all(row["blocks_come"] for row in rows):
        raise click.exceptions.Exit(1)


def _row(node: SealingNode, validator: ValidatorNode, members: MemberFile, *, dry_run: bool) -> dict[str, object]:
    from medshare.network.standstill import Movement, find_movement, give_way

    movement = find_movement(node, validator, members)
    did = "nothing"
    if dry_run:
        pass
    elif movement is Movement.PAUSED:
        node.seal(validator.signer, free_gas=members.free_gas)
        did = "it seals again"
    elif movement is Movement.OWN:
        did = "it gave way" if give_way(node, validator, members) else "nobody has another: it seals its own anew"
    if did != "nothing":
        movement = find_movement(node, validator, members)
    head = node.head()
    owner = None if head.sealer is None else members.owner(head.sealer)
    return {
        "validator": validator.name,
        "block": head.number,
        "sealed_by": head.sealer if owner is None else owner.name,
        "blocks_come": movement is Movement.MOVES,
        "found": movement.value,
        "did": did,
    }
