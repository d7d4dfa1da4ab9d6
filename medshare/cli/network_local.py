"""``medshare network up``, ``status``, ``stop``, ``start`` and ``down``: a whole network on this machine."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from medshare.cli.console import App, Command
from medshare.errors import ConfigurationError, NodeFailedError
from medshare.files import PRIVATE_FILE
from medshare.settings import default_home

if TYPE_CHECKING:
    from medshare.network.local import LocalNetwork, NodeState

_FOLDER = click.option(
    "--in",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="The network's folder. Default: local-network in the home folder.",
)
_DETACHED_SECONDS = 180.0


@click.command(cls=Command)
@click.option("--local", "members", type=click.IntRange(1, 32), help="How many institutions, each with both nodes.")
@click.option("--validators", type=click.IntRange(1, 32), help="How many validators instead.")
@click.option("--storage", type=click.IntRange(0, 32), help="How many storage nodes instead.")
@click.option("--block-period", default=1, show_default=True, type=click.IntRange(1, 60), help="Seconds for a block.")
@click.option("--paid-gas", is_flag=True, help="Transactions cost coins, which the institutions have.")
@click.option("--detach", is_flag=True, help="Return when it is ready; end it with: medshare network down.")
@_FOLDER
@click.pass_obj
def up(
    app: App,
    members: int | None,
    validators: int | None,
    storage: int | None,
    block_period: int,
    paid_gas: bool,
    detach: bool,
    folder: Path | None,
) -> None:
    """Run a whole network of geth and Kubo on this machine, for development and tests, until Ctrl-C.

    The first time it is made, with new keys; after that it goes on where it was, with the nodes that it has. Each
    institution's folder is a medshare home: medshare --home FOLDER/member-1 …
    """
    from medshare.network.local import LocalNetwork
    from medshare.network.local_making import make_local

    place = _place(app, folder)
    count = members or 4
    make_local(
        place,
        validators=count if validators is None else validators,
        storage=count if storage is None else storage,
        block_period=block_period,
        free_gas=not paid_gas,
    )
    network = LocalNetwork(place)
    if detach:
        _start_detached(network)
        _show(app, network)
        return
    told = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: told.set())
    with network:
        network.start(told.is_set)
        if told.is_set():
            return
        _show(app, network)
        app.say("ready; Ctrl-C ends it")
        sys.stdout.flush()
        network.keep(told.is_set)


@click.command(cls=Command)
@_FOLDER
@click.pass_obj
def status(app: App, folder: Path | None) -> None:
    """Show the nodes of the local network: partners, newest block, and who seals."""
    from medshare.network.local import LocalNetwork

    _show(app, LocalNetwork(_place(app, folder)))


@click.command(cls=Command)
@click.argument("node")
@click.option("--kill", is_flag=True, help="End it without a word, as a power cut does.")
@_FOLDER
@click.pass_obj
def stop(app: App, node: str, kill: bool, folder: Path | None) -> None:
    """End one node of the local network."""
    from medshare.network.local import LocalNetwork
    from medshare.network.local_state import Ending

    LocalNetwork(_place(app, folder)).ask_for(node, Ending.KILLED if kill else Ending.STOPPED)
    app.show({"node": node, "running": False})


@click.command(cls=Command)
@click.argument("node")
@_FOLDER
@click.pass_obj
def start(app: App, node: str, folder: Path | None) -> None:
    """Start one node of the local network again."""
    from medshare.network.local import LocalNetwork

    LocalNetwork(_place(app, folder)).ask_for(node, None)
    app.show({"node": node, "running": True})


@click.command(cls=Command)
@_FOLDER
@click.pass_obj
def down(app: App, folder: Path | None) -> None:
    """End the local network; its chain and blocks stay for the next start."""
    from medshare.network.local import LocalNetwork

    network = LocalNetwork(_place(app, folder))
    app.show({"network": str(network.folder), "was_running": network.end()})


def _place(app: App, folder: Path | None) -> Path:
    return folder or (app.folder or default_home()) / "local-network"


def _start_detached(network: LocalNetwork) -> None:
    from medshare.network.processes import ProcessMark

    if network.is_kept:
        raise ConfigurationError("the network is running already", hint="see: medshare network status")
    network.keeper_log.unlink(missing_ok=True)
    log = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    # Not a Popen, which would want to see the end of what is to outlive this.
    keeper = ProcessMark.of(
        os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", "medshare", "network", "up", "--in", str(network.folder)],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(network.keeper_log), log, PRIVATE_FILE),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
    )
    deadline = time.monotonic() + _DETACHED_SECONDS
    while not network.is_ready:
        if keeper is None or not keeper.is_running:
            said = network.keeper_log.read_text(errors="replace").strip().splitlines()
            raise NodeFailedError("the network", said[0] if said else "it ended, and said nothing")
        if time.monotonic() > deadline:
            network.end()
            raise NodeFailedError("the network", f"it was not ready within {_DETACHED_SECONDS:.0f} s")
        time.sleep(0.1)


def _show(app: App, network: LocalNetwork) -> None:
    app.show_all([_row(each) for each in network.states()], nothing="no nodes", named=False)


def _row(state: NodeState) -> dict[str, Any]:
    figures = state.figures
    return {
        "node": state.name,
        "institution": state.institution,
        "state": state.says,
        "partners": figures.peers if figures else None,
        "block": figures.block if figures else None,
        "sealed_of_64": figures.sealed if figures else None,
        "address": state.address,
        "pid": state.pid,
    }
