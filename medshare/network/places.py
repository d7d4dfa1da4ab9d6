"""Where the files of a network lie, and how its start scripts begin.

::

    FOLDER/
      genesis.json                the same for all
      swarm.key                   the members' secret
      <institution>/
        medshare.toml  networks.toml    a medshare home: what its own programs need
        <validator>/  config.toml  start.sh     and, once it has run, data/
        <storage>/    kubo.json    start.sh     and, once it has run, repo/
        secrets/                  see ``medshare.network.keys``
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address

GENESIS_FILE = "genesis.json"
START_SCRIPT = "start.sh"
_HEAD = """#!/bin/sh
# {says} Written by "medshare network init": change the member file instead.
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd)
"""


@dataclass(slots=True)
class Script:
    """A start script in the making."""

    says: str
    lines: list[str] = field(default_factory=list)

    def add(self, *lines: str) -> None:
        """Add lines."""
        self.lines += lines

    @property
    def text(self) -> str:
        """The script."""
        return _HEAD.format(says=self.says) + "\n".join([*self.lines, ""])


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, and nobody else comes to it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listening_host(host: str) -> str:
    """Return where a node listens that others reach at ``host``: at that name it may stand behind a router."""
    return "127.0.0.1" if is_loopback(host) else ""
