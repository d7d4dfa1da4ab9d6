"""A whole network on one machine, on loopback: for development, tests and fault drills.

::

    with LocalNetwork.open(folder, validators=4, storage=3) as network:
        network.start()
        network.kill("validator-2")
        network.resume("validator-2")

It is generated from a member file like any other. Its nodes end with the thread that started them, whatever ends that.
Started again in the same folder, it goes on where it was. Its chain is watched: where Clique stands still although
enough validators run, one of them gives way.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

from filelock import FileLock, Timeout

from medshare.chain import LocalSigner, NetworkProfile, load_network
from medshare.errors import ConfigurationError, InvalidInputError, MedshareError, NodeFailedError
from medshare.network.generating import write_network
from medshare.network.local_making import LOOPBACK, MEMBERS_FILE, make_account, make_local
from medshare.network.local_nodes import Figures, LocalNode, LocalStorage, LocalValidator, local_nodes
from medshare.network.local_state import Ending, LocalState
from medshare.network.local_watch import StandstillWatch
from medshare.network.members import Consensus, MemberFile
from medshare.network.places import is_loopback
from medshare.network.processes import ProcessMark, dying_with_parent
from medshare.settings import NETWORKS_FILE

_Node = TypeVar("_Node", bound=LocalNode)

_START_SECONDS = 90.0
_STOP_SECONDS = 20.0
_CONTACT_SECONDS = 15.0
_LOOK_EVERY = 0.1
_LOG_END = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeState:
    """A node as it is now."""

    name: str
    institution: str
    kind: str
    """``validator`` or ``storage``."""
    says: str
    """``running``, or how it ended, or why it does not answer."""
    address: str
    """Where programs reach it."""
    pid: int | None
    figures: Figures | None


class _ToldToEndError(Exception):
    """Somebody asked for the end while a node was awaited."""


class LocalNetwork:
    """The nodes of a member file, all of whose hosts are loopback; see ``open``.

    Args:
        folder: the network's folder, with its member file and secrets.

    Raises:
        ConfigurationError: there is no network, or one that cannot run here.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        if not (folder / MEMBERS_FILE).exists():
            raise ConfigurationError(f"no local network is in {folder}", hint="make one: medshare network up --local 4")
        self.members = MemberFile.load(folder / MEMBERS_FILE)
        hosts = [node.host for node in self.members.validators] + [node.host for node in self.members.storage]
        if self.members.consensus is not Consensus.CLIQUE or not all(map(is_loopback, hosts)):
            raise ConfigurationError("only a Clique network on loopback runs here", hint="use the start scripts")
        self.nodes = local_nodes(self.folder, self.members)
        self._state = LocalState(folder=self.folder / "state")
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._resources = ExitStack()
        self._told_to_end: Callable[[], bool] = bool

    @classmethod
    def open(
        cls, folder: Path, *, validators: int = 4, storage: int = 3, block_period: int = 1, free_gas: bool = True
    ) -> Self:
        """Return the network in a folder; where none is there, a new one of so many nodes. Raises as ``make_local``."""
        make_local(folder, validators=validators, storage=storage, block_period=block_period, free_gas=free_gas)
        return cls(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --------------------------------------------------------------------------------------------- the whole

    def start(self, told_to_end: Callable[[], bool] = bool) -> None:
        """Start every node and wait until blocks move and partners are connected.

        Args:
            told_to_end: asked while it waits; once it says yes, everything is ended, and this returns.

        Raises:
            ConfigurationError: it is running already, or a program or port is not to be had.
            NodeFailedError: a node ended, or was not ready in time; all others are ended, too.
        """
        self._hold()
        self._told_to_end = told_to_end
        try:
            self._end_leftovers()
            self._check_ports()
            write_network(self.members, self.folder, self.members.institutions)
            for name in self._state.halted():
                self._state.resume(name)
            for node in self._of(LocalValidator):
                self._spawn(node)
            for peer in self._of(LocalStorage):
                # One after the other: who finds a partner not there yet tries again only seconds later.
                self._spawn(peer)
                self._await(peer, lambda _: True, "answers")
            self._await_partners()
            self._watch_over()
            self._begin_sealing()
            for node in self._of(LocalValidator):
                self._await(node, lambda figures: (figures.block or 0) > 0, "sees blocks")
            self._await_next_block()
            self._state.save_ready()
        except _ToldToEndError:
            self.close()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop every node, in order; closing twice is no error."""
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            _end(process)
        if self._running:
            self._running.clear()
            self._write_down()
        self._resources.close()

    def keep(self, told_to_end: Callable[[], bool]) -> None:
        """Keep the nodes as other processes wish, until told to end: see ``ask_for``."""
        self._told_to_end = told_to_end
        while not told_to_end():
            halted = self._state.halted()
            for name in list(self._running):
                if name in halted:
                    self._end_node(name, halted[name])
                elif self._running[name].poll() is not None:
                    self._ended_by_itself(name)
            for name in self.nodes:
                if name not in self._running and name not in self._state.halted():
                    # State and log say why it does not run.
                    with suppress(MedshareError, _ToldToEndError):
                        self.resume(name)
            time.sleep(_LOOK_EVERY)

    # --------------------------------------------------------------------------------------------- single nodes

    def stop(self, name: str) -> None:
        """Ask a node to end, and wait; raises ``InvalidInputError`` where there is no such node."""
        self._halt(name, Ending.STOPPED)

    def kill(self, name: str) -> None:
        """End a node without a word, as a power cut does; raises as ``stop``."""
        self._halt(name, Ending.KILLED)

    def resume(self, name: str) -> None:
        """Start a node that stands still, and wait until it works; one that runs is left alone.

        Raises:
            InvalidInputError: there is no such node.
            NodeFailedError: it ended, or was not ready in time.
        """
        node = self.node(name)
        self._state.resume(name)
        if name not in self._running:
            self._spawn(node)
            self._await(node, lambda _: True, "answers")
            self._await_others(node)
            self._set_to_work(node)

    def ask_for(self, name: str, how: Ending | None, *, seconds: float = _START_SECONDS) -> None:
        """Have the process that keeps the network end a node, or start it (None), and wait until that is so.

        Raises:
            InvalidInputError: there is no such node.
            ConfigurationError: the network does not run.
            NodeFailedError: it did not come about in time.
        """
        node = self.node(name)
        self._check_kept()
        if how is None:
            self._state.resume(name)
        else:
            self._state.halt(name, how)
        deadline = time.monotonic() + seconds
        while (name in self._state.nodes()) == (how is not None) or (how is None and _figures(node) is None):
            if how is None and self._state.halted().get(name) is Ending.BY_ITSELF:
                raise NodeFailedError(name, self._end_of_log(name))
            if time.monotonic() > deadline:
                raise NodeFailedError(name, f"{how or 'started'}: not within {seconds:.0f} s")
            time.sleep(_LOOK_EVERY)

    def end(self) -> bool:
        """End the network, whoever keeps it, and every node that is left of it; return whether there was anything."""
        keeper = self._state.keeper()
        ended = keeper is not None and keeper.send(signal.SIGTERM)
        if keeper is not None and not keeper.ended_within(3 * _STOP_SECONDS):
            keeper.send(signal.SIGKILL)
        return self._end_leftovers() or ended

    # --------------------------------------------------------------------------------------------- looking

    @property
    def is_kept(self) -> bool:
        """Whether a process keeps the network now."""
        return self._state.keeper() is not None

    @property
    def is_ready(self) -> bool:
        """Whether it is kept, and all nodes have come up."""
        return self.is_kept and self._state.ready

    @property
    def keeper_log(self) -> Path:
        """Where a keeper without a terminal says what it does."""
        return self._state.log("keeper")

    def node(self, name: str) -> LocalNode:
        """Return a node by name; raises ``InvalidInputError``."""
        if name not in self.nodes:
            raise InvalidInputError(f"the network has no node {name!r}", hint=f"it has: {', '.join(self.nodes)}")
        return self.nodes[name]

    def validator(self, name: str) -> LocalValidator:
        """Return a validator by name; raises ``InvalidInputError``."""
        node = self.node(name)
        if not isinstance(node, LocalValidator):
            raise InvalidInputError(f"{name} is no validator")
        return node

    def storage(self, name: str) -> LocalStorage:
        """Return a storage node by name; raises ``InvalidInputError``."""
        node = self.node(name)
        if not isinstance(node, LocalStorage):
            raise InvalidInputError(f"{name} is no storage node")
        return node

    def home(self, institution: str) -> Path:
        """Return the medshare home of an institution; raises ``InvalidInputError``."""
        return self.folder / self.members.institution(institution).name

    def profile(self, institution: str) -> NetworkProfile:
        """Return the network profile of an institution; raises ``InvalidInputError``."""
        return load_network(self.members.name, self.home(institution) / NETWORKS_FILE)

    def account(self, institution: str) -> LocalSigner:
        """Return the account of an institution; raises ``InvalidInputError``."""
        return make_account(self.folder, self.members.institution(institution).name)

    def states(self) -> list[NodeState]:
        """Return how every node is: what is written down, and what those that run say themselves."""
        running, halted = self._state.nodes(), self._state.halted()
        return [self._state_of(node, running.get(name), halted) for name, node in self.nodes.items()]

    def _state_of(self, node: LocalNode, mark: ProcessMark | None, halted: Mapping[str, Ending]) -> NodeState:
        figures = None
        if mark is None:
            says = halted.get(node.name, Ending.STOPPED).value
        else:
            says = "running"
            try:
                figures = node.figures()
            except MedshareError as error:
                says = str(error)
        return NodeState(
            name=node.name,
            institution=node.institution.name,
            kind=node.kind,
            says=says,
            address=node.address,
            pid=None if mark is None else mark.pid,
            figures=figures,
        )

    # --------------------------------------------------------------------------------------------- starting

    def _hold(self) -> None:
        lock = FileLock(self._state.lock, mode=0o600)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise ConfigurationError(
                "the network is running already", hint="see: medshare network status; end it: medshare network down"
            ) from None
        self._resources.callback(lock.release)
        mark = ProcessMark.of(os.getpid())
        if mark is not None:
            self._state.save_keeper(mark)
            self._resources.callback(self._state.forget_keeper)

    def _end_leftovers(self) -> bool:
        """End nodes that were left by a keeper that is gone, where the system does not do so itself."""
        there = [mark for mark in self._state.nodes().values() if mark.send(signal.SIGTERM)]
        for mark in there:
            if not mark.ended_within(_STOP_SECONDS):
                mark.send(signal.SIGKILL)
                mark.ended_within(_STOP_SECONDS)
        return bool(there)

    def _check_ports(self) -> None:
        for name, node in self.nodes.items():
            for port in node.ports:
                with socket.socket() as trial:
                    trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    try:
                        trial.bind((LOOPBACK, port))
                    except OSError:
                        raise ConfigurationError(
                            f"port {port} of {name} is taken by another program",
                            hint=f"end that, or give {name} another port in {self.folder / MEMBERS_FILE}",
                        ) from None

    def _check_kept(self) -> None:
        if not self.is_kept:
            raise ConfigurationError("the network does not run", hint="start it: medshare network up")

    def _spawn(self, node: LocalNode) -> None:
        first = node.first_command
        if first is not None and self._begin(node, first).wait():
            raise NodeFailedError(node.name, self._end_of_log(node.name))
        node.prepare()
        self._running[node.name] = self._begin(node, node.command)
        self._write_down()

    def _begin(self, node: LocalNode, command: Sequence[str]) -> subprocess.Popen[bytes]:
        with self._state.log(node.name).open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own nodes
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **node.environment},
                cwd=self.folder,
                # A Ctrl-C at the terminal is for us: we end the nodes in order.
                start_new_session=True,
                preexec_fn=dying_with_parent(),
            )

    def _begin_sealing(self) -> None:
        """Set the validators to work, whose turn it is last, at the beginning of a second.

        The block after one that is old is due at once, and who does not seal yet throws away what others have sealed:
        if several seal it, each follows his own, and where no majority follows the same Clique stands still. So the
        others begin first: they take the block of whose turn it is, which outweighs theirs. And they wait for it, up to
        a second and a half from the beginning of the second.
        """
        nodes = {node.node.signer.lower(): node for node in self._of(LocalValidator)}
        head = max(node.asked.block_number() for node in nodes.values())
        time.sleep(-time.time() % 1)
        for signer in turn_last(sorted(nodes), head + 1):
            self._set_to_work(nodes[signer])

    def _watch_over(self) -> None:
        watch = StandstillWatch(
            self.members, lambda: [node for node in self._of(LocalValidator) if node.name in self._running]
        )
        watch.start()
        self._resources.callback(watch.stop)

    def _await_partners(self) -> None:
        for node in self.nodes.values():
            partners = node.partners
            self._await(node, lambda figures: figures.peers >= partners, "is connected with its partners")  # noqa: B023 - awaited at once

    def _await_next_block(self) -> None:
        last, *_ = reversed(self._of(LocalValidator))
        first = last.asked.block_number()
        self._await(last, lambda figures: (figures.block or 0) > first, "sees a new block")

    def _await_others(self, node: LocalNode) -> None:
        """Wait a while for a node to find the others and have what they have."""
        others = [other for other in self._of(type(node)) if other.name in self._running and other != node]
        newest = max((found.block or 0 for other in others if (found := _figures(other)) is not None), default=0)

        def caught_up(figures: Figures) -> bool:
            return figures.peers > 0 and (figures.block is None or figures.block >= newest)

        if others:
            # One that finds nobody begins all the same: it may be the one that the others wait for.
            with suppress(NodeFailedError):
                self._await(node, caught_up, "found a partner", seconds=_CONTACT_SECONDS)

    def _set_to_work(self, node: LocalNode) -> None:
        def begun(_: Figures) -> bool:
            node.begin()
            return True

        self._await(node, begun, "begins its work")

    def _await(
        self, node: LocalNode, enough: Callable[[Figures], bool], what: str, *, seconds: float = _START_SECONDS
    ) -> None:
        deadline = time.monotonic() + seconds
        while True:
            if self._told_to_end():
                raise _ToldToEndError
            # It may not answer yet, or not be ready for what is asked of it.
            with suppress(MedshareError):
                if enough(node.figures()):
                    return
            if self._running[node.name].poll() is not None:
                self._ended_by_itself(node.name)
                raise NodeFailedError(node.name, self._end_of_log(node.name))
            if time.monotonic() > deadline:
                raise NodeFailedError(node.name, f"not within {seconds:.0f} s: it {what}")
            time.sleep(_LOOK_EVERY)

    def _end_of_log(self, name: str) -> str:
        text = self._state.log(name).read_bytes()[-_LOG_END:].decode(errors="replace")
        lines = [line for line in text.splitlines() if line.strip()]
        return lines[-1] if lines else "it said nothing"

    # --------------------------------------------------------------------------------------------- stopping

    def _halt(self, name: str, how: Ending) -> None:
        self._state.halt(self.node(name).name, how)
        self._end_node(name, how)

    def _end_node(self, name: str, how: Ending) -> None:
        process = self._running.pop(name, None)
        if process is None:
            return
        if how is Ending.KILLED:
            process.kill()
        else:
            process.terminate()
        _end(process)
        self._write_down()

    def _ended_by_itself(self, name: str) -> None:
        self._running.pop(name)
        self._state.halt(name, Ending.BY_ITSELF)
        self._write_down()

    def _write_down(self) -> None:
        marks = {name: ProcessMark.of(process.pid) for name, process in self._running.items()}
        self._state.save_nodes({name: mark for name, mark in marks.items() if mark is not None})

    def _of(self, kind: type[_Node]) -> list[_Node]:
        return [node for node in self.nodes.values() if isinstance(node, kind)]


def turn_last(signers: Sequence[str], number: int) -> list[str]:
    """Return the signers, in their order on chain, but the one on whose turn a block is as the last."""
    after = number % len(signers) + 1
    return [*signers[after:], *signers[:after]]


def _figures(node: LocalNode) -> Figures | None:
    try:
        return node.figures()
    except MedshareError:
        return None


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
