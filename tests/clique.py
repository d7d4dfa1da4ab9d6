"""A validator as the consortium kit makes them, real and alone on its chain; it never outlives the tests."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from nodes import _GETH_LISTENING, _START_SECONDS, _stop, _wait_until_listening, require

from medshare.errors import LedgerError
from medshare.model.ids import Address
from medshare.network.asking import GethNode
from medshare.network.generating import write_network
from medshare.network.local_making import MEMBERS_FILE, make_local
from medshare.network.local_nodes import LocalValidator, local_nodes
from medshare.network.members import MemberFile
from medshare.network.places import GENESIS_FILE
from medshare.network.processes import dying_with_parent


@dataclass(frozen=True, slots=True)
class CliqueNode:
    """A running validator that is alone on its chain: over HTTP it answers anybody, over its socket its owner."""

    url: str
    chain_id: int
    asked: GethNode


@contextmanager
def running_clique(funds: Mapping[Address, int]) -> Iterator[CliqueNode]:
    """Run a validator that the consortium kit configures until the block ends; this process is ended, and surely.

    It seals whenever a transaction comes, which no network of several validators does: there every block has its time.

    Args:
        funds: wei that accounts have from the beginning.
    """
    require("geth")
    # Not below pytest's folders: their names make the path too long for a socket.
    with tempfile.TemporaryDirectory(prefix="clique-") as place, tempfile.TemporaryFile("w+b") as log:
        folder = Path(place)
        make_local(folder, validators=1, storage=0, free_gas=False)
        members = replace(MemberFile.load(folder / MEMBERS_FILE), funds=funds)
        write_network(members, folder, members.institutions)
        genesis = json.loads((folder / GENESIS_FILE).read_text())
        genesis["config"]["clique"]["period"] = 0
        (folder / GENESIS_FILE).write_text(json.dumps(genesis))
        (node,) = local_nodes(folder, members).values()
        assert isinstance(node, LocalValidator)
        assert node.first_command is not None
        subprocess.run(node.first_command, check=True, capture_output=True, timeout=_START_SECONDS)
        process = subprocess.Popen(
            node.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=dying_with_parent(),
        )
        try:
            _wait_until_listening(process, log.fileno(), _GETH_LISTENING)
            _wait_until_sealing(node)
            yield CliqueNode(url=node.address, chain_id=members.chain_id, asked=node.asked)
        finally:
            _stop(process)


def _wait_until_sealing(node: LocalValidator) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            return node.begin()
        except LedgerError:  # its signer is not unlocked yet
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
