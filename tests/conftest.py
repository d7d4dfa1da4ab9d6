"""What every test gets: one marker that says what it needs, no sockets for unit tests, actors with roles, a node."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from figures import tell_figures
from hypothesis import HealthCheck, Phase, settings
from nodes import AnvilNode, KuboNode, running_anvil, running_kubo
from where import CHAINS, STORES, WORDS, Where

if TYPE_CHECKING:
    from grounds import Ground

# Left alone, eth-hash takes the one that is some six times slower; the library asks for the same by name.
if sys.implementation.name == "cpython":
    os.environ.setdefault("ETH_HASH_BACKEND", "pysha3")

KINDS = frozenset({"unit", "contracts", "integration", "e2e", "stateful"})

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - pytest makes a folder in it that is nobody else's
_ENOUGH_MEMORY = 4 << 30


def keep_files_in_memory() -> None:
    """Let temporary files lie in memory, where there is enough of it and nobody has said where they are to be.

    Journals, stores and chains sync at each of their steps. Tests kill processes, and no machines: what a disk makes of
    it is only waited for, and takes longer than all the rest.
    """
    if "TMPDIR" in os.environ or not os.access(_SHARED_MEMORY, os.W_OK):
        return
    if os.statvfs(_SHARED_MEMORY).f_flag & os.ST_NOEXEC:
        return  # tests write programs, too
    if shutil.disk_usage(_SHARED_MEMORY).free >= _ENOUGH_MEMORY:
        os.environ["TMPDIR"] = tempfile.tempdir = str(_SHARED_MEMORY)


keep_files_in_memory()

# Neither a deadline nor too_slow: both measure how busy the machine is.
untimed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("dev", untimed, max_examples=25, stateful_step_count=25)
settings.register_profile("ci", untimed, max_examples=75, stateful_step_count=30, derandomize=True, print_blob=True)
settings.register_profile(
    "deep", untimed, max_examples=2_500, stateful_step_count=60, print_blob=True, phases=tuple(Phase)
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--on``: what the integration suite stands on."""
    parser.addoption(
        "--on",
        type=Where.of,
        default="embedded",
        metavar="WHERE",
        help=f"what the integration suite stands on: {', '.join(WORDS)}, or a chain and kubo, as clique+kubo; "
        "elsewhere than on embedded nothing else runs",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse tests that do not say what they are; choose those that stand on what is named."""
    check_kinds(items)
    check_subjects(items)
    where = config.getoption("on")
    config.hook.pytest_deselected(items=[item for item in items if not stands_on(item, where)])
    items[:] = [item for item in items if stands_on(item, where)]


def check_kinds(items: Iterable[pytest.Item]) -> None:
    """Refuse tests that do not say of which one kind they are."""
    wrong = [
        f"  {item.nodeid}: {', '.join(sorted(kinds)) or 'none'}"
        for item in items
        if len(kinds := KINDS & {mark.name for mark in item.iter_markers()}) != 1
    ]
    if wrong:
        raise pytest.UsageError(
            f"every test carries exactly one marker of {', '.join(sorted(KINDS))}; these do not:\n" + "\n".join(wrong)
        )


def check_subjects(items: Iterable[pytest.Item]) -> None:
    """Refuse tests about a chain or store that there is not: they would be skipped everywhere."""
    for item in items:
        for mark in item.iter_markers("about"):
            if mark.args[0] not in (*CHAINS, *STORES):
                raise pytest.UsageError(f"{item.nodeid} is about {mark.args[0]!r}, which nobody can stand on")


def stands_on(item: pytest.Item, where: Where) -> bool:
    """Whether a test is to run there: everything on the embedded chain, elsewhere what has another chain or store."""
    if where == Where():
        return True
    if item.get_closest_marker("integration") is None:
        return False
    of_chain = {"scene", "world"} if where.chain != Where().chain else set()
    return not {"ground", *of_chain}.isdisjoint(getattr(item, "fixturenames", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell the figures that tests have measured."""
    tell_figures(terminalreporter)


class SocketBlockedError(RuntimeError):
    """A unit test tried to reach the network."""


@pytest.fixture(autouse=True)
def _about_another(request: pytest.FixtureRequest) -> None:
    mark = request.node.get_closest_marker("about")
    if mark is not None and not request.config.getoption("on").has(mark.args[0]):
        pytest.skip(f"about {mark.args[0]}: {mark.args[1]}")


@pytest.fixture(autouse=True)
def _no_sockets(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("unit") is None:
        return

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise SocketBlockedError("unit tests open no sockets: mark the test integration, or use a test double")

    for name in ("connect", "connect_ex", "bind", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("create_connection", "getaddrinfo", "gethostbyname"):
        monkeypatch.setattr(socket, name, refuse)


@pytest.fixture(autouse=True)
def _space_on_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    # `doctor` warns of a disk that is nearly full: that of the machine is not what is tested.
    monkeypatch.setattr("shutil.disk_usage", lambda _path: SimpleNamespace(total=1 << 41, used=1 << 40, free=1 << 40))


@dataclass(frozen=True, slots=True, kw_only=True)
class Actors:
    """Accounts by the part they play; the first accounts of the nodes' mnemonic, with ether."""

    deployer: str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    patient: str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
    custodian: str = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"
    doctor: str = "0x90F79bf6EB2c4f870365E785982E1f101E93b906"
    researcher: str = "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65"
    stranger: str = "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc"
    other_patient: str = "0x976EA74026E726554dB657fA54763abd0C3a0aa9"
    other_custodian: str = "0x14dC79964da2C08b23698B3D3cc7Ca32193d9955"
    member: str = "0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f"


@pytest.fixture(scope="session")
def actors() -> Actors:
    """Role-named accounts."""
    return Actors()


@pytest.fixture(scope="session")
def anvil() -> Iterator[AnvilNode]:
    """One anvil for the whole run: tests take snapshots, or use addresses of their own."""
    with running_anvil() as node:
        yield node


@pytest.fixture(scope="session")
def kubo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KuboNode]:
    """One Kubo for the whole run, private and offline: tests use content of their own."""
    with running_kubo(tmp_path_factory.mktemp("kubo")) as node:
        yield node


@pytest.fixture(scope="session")
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    """What homes stand on: see ``--on``."""
    where = request.config.getoption("on")
    # It imports the whole library, for which unit tests need not wait.
    from grounds import standing_on

    with standing_on(where.chain, request.getfixturevalue("kubo") if where.store == "kubo" else None) as ground:
        yield ground
