"""Private swarms of real Kubo nodes on the loopback: one swarm key, partners by name, nobody else.

``running_swarm(3)`` gives three nodes that see each other and nothing beyond. A node can be stopped, killed, started
again under the same address, and told to speak to a partner no more; what was started is ended with the block.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nodes import _stop, require

from medshare.content import Cid
from medshare.network.processes import dying_with_parent

_START_SECONDS = 120.0
_SEEN_SECONDS = 60.0
_COMMAND_SECONDS = 300.0
_NAMES = ("clinic", "hospital", "laboratory", "practice", "registry")


def new_swarm_key() -> str:
    """Return a pre-shared key as Kubo reads it from ``swarm.key``."""
    return f"/key/swarm/psk/1.0.0/\n/base16/\n{secrets.token_hex(32)}\n"


@dataclass
class SwarmNode:
    """One institution's Kubo. Its addresses stay what they are when it is stopped and started again."""

    name: str
    folder: Path
    binary: Path
    ports: Mapping[str, int]
    peer_id: str = ""
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """Multiaddr of the RPC."""
        return f"/ip4/127.0.0.1/tcp/{self.ports['API']}/http"

    @property
    def gateway(self) -> str:
        """URL of the gateway, which answers with what the node holds and fetches nothing."""
        return f"http://127.0.0.1:{self.ports['Gateway']}"

    @property
    def swarm_address(self) -> str:
        """Multiaddr at which partners find it."""
        return f"/ip4/127.0.0.1/tcp/{self.ports['Swarm']}/p2p/{self.peer_id}"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "IPFS_PATH": str(self.folder / "repo"),
            "HOME": str(self.folder),
            "LIBP2P_FORCE_PNET": "1",
            "IPFS_TELEMETRY": "off",
        }

    def run(self, *arguments: str) -> str:
        """Run ``ipfs`` against the node; return what it prints."""
        command = [str(self.binary), *arguments]
        done = subprocess.run(
            command, env=self.environment, check=True, capture_output=True, text=True, timeout=_COMMAND_SECONDS
        )
        return done.stdout.strip()

    def output(self, *arguments: str) -> Iterator[bytes]:
        """Run ``ipfs`` against the node; yield what it prints, piece by piece."""
        with subprocess.Popen([str(self.binary), *arguments], env=self.environment, stdout=subprocess.PIPE) as running:
            assert running.stdout is not None
            yield from iter(lambda: running.stdout.read(1 << 20), b"")
        assert running.returncode == 0

    def block_file(self, cid: Cid) -> Path:
        """Return where a block lies on its disk."""
        digest = base64.b32encode(b"\x12\x20" + cid.digest).decode().rstrip("=")
        return self.folder / "repo" / "blocks" / digest[-3:-1] / f"{digest}.data"

    # ------------------------------------------------------------------------------------------- configuring

    def initialise(self, swarm_key: str) -> None:
        """Make its repository: private, and bound to the loopback."""
        self.folder.mkdir(parents=True)
        self.run("init", "--profile=test,unixfs-v1-2025")
        (self.folder / "repo" / "swarm.key").write_text(swarm_key)
        self.peer_id = self.configured()["Identity"]["PeerID"]
        self.configure(
            Addresses={
                "API": f"/ip4/127.0.0.1/tcp/{self.ports['API']}",
                "Gateway": f"/ip4/127.0.0.1/tcp/{self.ports['Gateway']}",
                "Swarm": [f"/ip4/127.0.0.1/tcp/{self.ports['Swarm']}"],
            },
            AutoConf={"Enabled": False},
            AutoTLS={"Enabled": False},
            HTTPRetrieval={"Enabled": False},
            Routing={"Type": "none"},
            Gateway={"NoFetch": True},
            # A private network shares no listener with WebSocket, and says so as an error.
            Swarm={"DisableNatPortMap": True, "Transports": {"Network": {"Websocket": False}}},
        )

    def configured(self) -> dict[str, Any]:
        """Return its configuration."""
        found: dict[str, Any] = json.loads((self.folder / "repo" / "config").read_text())
        return found

    def configure(self, **sections: object) -> None:
        """Put sections into the place of those in its configuration; takes effect when it is started."""
        (self.folder / "repo" / "config").write_text(json.dumps({**self.configured(), **sections}))

    def partner_with(self, others: Sequence[SwarmNode]) -> None:
        """Let it keep up a connection to each of the others."""
        self.configure(Peering={"Peers": [{"ID": other.peer_id, "Addrs": [other.swarm_address]} for other in others]})

    # ---------------------------------------------------------------------------------- starting and stopping

    def start(self) -> None:
        """Start it, unless it runs, and wait until it answers."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start it, unless it runs, and do not wait. It ends with the thread that starts it: the main one."""
        assert threading.current_thread() is threading.main_thread()
        if self.process is not None and self.process.poll() is None:
            return
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(self.binary), "daemon"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=dying_with_parent(),
            )

    def wait_until_ready(self) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + _START_SECONDS
        while "Daemon is ready" not in (said := self._log.read_text(errors="replace")):
            if self.process is None or self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended:\n{said}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} was not ready within {_START_SECONDS:.0f} s:\n{said}")
            time.sleep(0.05)

    @property
    def _log(self) -> Path:
        return self.folder / "log"

    def stop(self) -> None:
        """Stop it as its administrator would."""
        process, self.process = self.process, None
        if process is not None:
            _stop(process)

    def kill(self) -> None:
        """End it without a chance to say or write anything."""
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(signal.SIGKILL)
            process.wait()

    # ---------------------------------------------------------------------------------------------- partners

    def sees(self) -> frozenset[str]:
        """Return the peer ids that it is connected to."""
        return frozenset(line.rsplit("/", 1)[-1] for line in self.run("swarm", "peers").splitlines())

    def part_from(self, *others: SwarmNode) -> None:
        """Speak to others no more, until ``meet``."""
        for other in others:
            self.run("swarm", "peering", "rm", other.peer_id)
            # Refused by address, or the other's own peering would be back at once.
            self.run("swarm", "filters", "add", "/ip4/127.0.0.1/ipcidr/32")
            if other.peer_id in self.sees():
                self.run("swarm", "disconnect", f"/p2p/{other.peer_id}")

    def meet(self, *others: SwarmNode) -> None:
        """Speak to others again."""
        self.run("swarm", "filters", "rm", "all")
        for other in others:
            self.run("swarm", "peering", "add", other.swarm_address)
            self.run("swarm", "connect", other.swarm_address)


def wait_until_connected(*nodes: SwarmNode) -> None:
    """Wait until each of these nodes is connected to all others."""
    wanted = frozenset(node.peer_id for node in nodes)
    deadline = time.monotonic() + _SEEN_SECONDS
    while any(wanted - {node.peer_id} - node.sees() for node in nodes):
        if time.monotonic() > deadline:
            raise RuntimeError(f"the nodes did not find each other within {_SEEN_SECONDS:.0f} s")
        time.sleep(0.1)


@contextmanager
def free_ports(count: int) -> Iterator[list[int]]:
    """Ports that nobody listens on, held until the block ends."""
    with ExitStack() as held:
        ports = []
        for _ in range(count):
            one = held.enter_context(socket.socket())
            one.bind(("127.0.0.1", 0))
            ports.append(int(one.getsockname()[1]))
        yield ports


def new_node(folder: Path, name: str, swarm_key: str) -> SwarmNode:
    """Return a node with a repository, not started and without partners."""
    with free_ports(3) as ports:
        purposes = dict(zip(("API", "Gateway", "Swarm"), ports, strict=True))
        node = SwarmNode(name=name, folder=folder / name, binary=require("kubo"), ports=purposes)
        node.initialise(swarm_key)
    return node


@contextmanager
def running_swarm(folder: Path, count: int) -> Iterator[list[SwarmNode]]:
    """Run ``count`` nodes of one private swarm, each partner of all others, until the block ends."""
    require("kubo")
    key = new_swarm_key()
    nodes = [new_node(folder, name, key) for name in _NAMES[:count]]
    with ExitStack() as running:
        for node in nodes:
            node.partner_with([other for other in nodes if other is not node])
            running.callback(node.stop)
            node.launch()
        for node in nodes:
            node.wait_until_ready()
        wait_until_connected(*nodes)
        yield nodes
