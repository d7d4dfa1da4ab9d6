"""``medshare network``: which networks are known, what is deployed on one, and the consortium kit."""

from __future__ import annotations

import click

from medshare.cli.console import App, Group
from medshare.cli.network_give_way import give_way
from medshare.cli.network_local import down, start, status, stop, up
from medshare.cli.network_members import check, init, keys
from medshare.cli.network_reconcile import reconcile


@click.group(cls=Group)
def network() -> None:
    """Networks: what is known, what is deployed, and the members' own."""


@network.command("list")
@click.pass_obj
def list_(app: App) -> None:
    """List the known networks; add your own in networks.toml in the home folder."""
    from medshare.chain import load_networks

    settings = app.settings
    profiles = load_networks(settings.networks_file)
    app.show_all(
        [
            {
                "name": profile.name,
                "kind": profile.kind.value,
                "chain_id": profile.chain_id,
                "node": ", ".join(profile.endpoints),
                "in_use": profile.name == settings.network,
            }
            for profile in profiles.values()
        ],
        nothing="no networks",
    )


@network.command("show")
@click.pass_obj
def show(app: App) -> None:
    """Show the network in use: its newest block, and the contracts, compared with this version's code."""
    with app.session() as session:
        head = session.ledger.chain.head()
        contracts = {each.name: each.address for each in session.chain.deployment.contracts}
    app.show(
        {
            "network": session.settings.network,
            "chain_id": session.ledger.chain.chain_id,
            "block": head.number,
            **contracts,
        }
    )


for command in (keys, init, check, reconcile, give_way, up, status, stop, start, down):
    network.add_command(command)
