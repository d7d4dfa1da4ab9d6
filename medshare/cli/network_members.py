"""``medshare network keys``, ``init`` and ``check``: from a member file to the nodes of an institution."""

from __future__ import annotations

from pathlib import Path

import click

from medshare.cli.console import App, Command
from medshare.cli.place import show_findings
from medshare.errors import InvalidInputError
from medshare.model.ids import address

MEMBERS = click.argument("members_file", metavar="MEMBERS", type=click.Path(dir_okay=False, path_type=Path))
FOLDER = click.option(
    "--in",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The network's folder, with a folder for each institution.",
)
ONLY = click.option("--only", metavar="INSTITUTION", help="Of this institution only; else of all.")


@click.command(cls=Command)
@click.argument("institution")
@FOLDER
@click.option(
    "--address", "account", required=True, metavar="ADDRESS", help="Its account, with the seat in Consortium."
)
@click.option("--host", required=True, help="Name or IP address at which other members reach its nodes.")
@click.option("--validators", default=1, show_default=True, type=click.IntRange(0, 8), help="Validators to make.")
@click.option("--storage", default=1, show_default=True, type=click.IntRange(0, 8), help="Storage nodes to make.")
@click.option("--qbft", is_flag=True, help="For Besu, whose node key seals; else for geth.")
@click.option(
    "--swarm-key", "with_swarm_key", is_flag=True, help="Make the members' swarm key, too: once, by one member."
)
@click.pass_obj
def keys(
    app: App,
    institution: str,
    folder: Path,
    account: str,
    host: str,
    validators: int,
    storage: int,
    qbft: bool,
    with_swarm_key: bool,
) -> None:
    """Make the keys of an institution's nodes, on its own machine; print its part of the member file.

    What is printed is public. The keys stay in INSTITUTION/secrets, readable by their owner only; those that are there
    already stay as they are.
    """
    from medshare.network.keys import SWARM_KEY_FILE, make_swarm_key
    from medshare.network.making import make_institution
    from medshare.network.members import Consensus, institution_text

    made = make_institution(
        folder,
        institution,
        address(account),
        host=host,
        validators=validators,
        storage=storage,
        consensus=Consensus.QBFT if qbft else Consensus.CLIQUE,
    )
    digest = make_swarm_key(folder / SWARM_KEY_FILE) if with_swarm_key else None
    text = institution_text(made)
    if app.as_json:
        app.show({"institution": institution, "member_file": text, "swarm_key": digest})
        return
    click.echo(text)
    if digest:
        click.echo(f'\n# above the institutions:\nswarm_key = "{digest}"')


@click.command(cls=Command)
@MEMBERS
@FOLDER
@ONLY
@click.pass_obj
def init(app: App, members_file: Path, folder: Path, only: str | None) -> None:
    """Write what nodes and programs of the institutions need: genesis, configuration, start scripts, profiles.

    Members who have the same member file get the same files. What holds a secret is written where the secrets are, and
    nowhere else: run it on each institution's own machine. Run it again after each change of the member file.
    """
    from medshare.network.generating import write_network
    from medshare.network.members import MemberFile

    members = MemberFile.load(members_file)
    chosen = [members.institution(only)] if only else list(members.institutions)
    changed = write_network(members, folder, chosen)
    app.show(
        {
            "network": members.name,
            "chain_id": members.chain_id,
            "consensus": members.consensus.value,
            "validators": len(members.validators),
            "storage": len(members.storage),
            "confirmations": members.confirmations,
            "written": changed,
        },
        title="generated; start each node with its start.sh, as a service of the system",
    )


@click.command(cls=Command)
@MEMBERS
@FOLDER
@ONLY
@click.pass_obj
def check(app: App, members_file: Path, folder: Path, only: str | None) -> None:
    """Compare files and running nodes with the member file: chain, signers, partners, storage profile.

    Only nodes on this machine are asked. The exit code is 1 if a line says BAD.
    """
    from medshare.network.checking import check_network
    from medshare.network.members import MemberFile

    members = MemberFile.load(members_file)
    if not folder.is_dir():
        raise InvalidInputError(f"there is no folder {folder}", hint="make it with: medshare network init")
    chosen = [members.institution(only)] if only else list(members.institutions)
    show_findings(app, check_network(members, folder, chosen))
