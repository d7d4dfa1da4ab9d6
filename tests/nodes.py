"""Tools that tests need and machines may lack, and real nodes that never outlive the tests.

``require("anvil")`` returns where the tool is. Where it is missing the test is skipped, visibly; with
``MEDSHARE_REQUIRE_NODES=1``, as in CI, it fails instead: a check that cannot run is not a check that passed.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from medshare.network.binaries import GETH, KUBO, find_program
from medshare.network.processes import dying_with_parent

ROOT = Path(__file__).resolve().parent.parent
REQUIRE_VARIABLE = "MEDSHARE_REQUIRE_NODES"

MNEMONIC = "test test test test test test test test test test test junk"
HD_PATH = "m/44'/60'/0'/0"
"""Where anvil finds its accounts; the embedded chain of the tests looks in the same place."""
ACCOUNTS = 20

_START_SECONDS = 120.0
_STOP_SECONDS = 10.0
_LISTENING = re.compile(r"Listening on 127\.0\.0\.1:(\d+)\n")
_GETH_LISTENING = re.compile(r"HTTP server started +endpoint=127\.0\.0\.1:(\d+) auth=false")
_KUBO_LISTENING = re.compile(r"RPC API server listening on /ip4/127\.0\.0\.1/tcp/(\d+)\n(?:.*\n)*?Daemon is ready")


def require(*tools: str) -> Path:
    """Return the path of the first of ``tools``, all of which must be there.

    Where one is missing the calling test is skipped, or fails if MEDSHARE_REQUIRE_NODES is set.
    """
    paths = {tool: find(tool) for tool in tools}
    missing = [tool for tool, path in paths.items() if path is None]
    if missing:
        reason = f"not on this machine: {', '.join(missing)}"
        if os.environ.get(REQUIRE_VARIABLE, "") not in ("", "0"):
            pytest.fail(f"{reason} (and {REQUIRE_VARIABLE} is set)", pytrace=False)
        pytest.skip(reason)
    first = paths[tools[0]]
    assert first is not None
    return first


def find(tool: str) -> Path | None:
    """Return where ``tool`` is, or None."""
    finder = _FINDERS.get(tool)
    if finder is not None:
        return finder()
    on_path = shutil.which(tool)
    return Path(on_path) if on_path else None


def _find_anvil() -> Path | None:
    # npm's `anvil` is a wrapper: killing it orphans the node. The package of the platform holds the node itself.
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine().lower())
    name = f"anvil-{sys.platform}-{machine}"
    packaged = ROOT / "node_modules" / "@foundry-rs" / name / "bin" / "anvil"
    if packaged.is_file():
        return packaged
    on_path = shutil.which("anvil")
    if on_path is None or Path(on_path).read_bytes()[:2] == b"#!":
        return None
    return Path(on_path)


def _find_solc() -> Path | None:
    import compile_contracts

    try:
        return compile_contracts.find_compiler()
    except compile_contracts.CannotRunError:
        return None


def _find_fhir_examples() -> Path | None:
    package = ROOT / "node_modules" / "hl7.fhir.r4.examples"
    return package if package.is_dir() else None


_FINDERS: dict[str, Callable[[], Path | None]] = {
    "anvil": _find_anvil,
    "fhir-examples": _find_fhir_examples,
    "geth": partial(find_program, GETH),
    "kubo": partial(find_program, KUBO),
    "solc": _find_solc,
}


@contextmanager
def deaf_port() -> Iterator[int]:
    """A loopback port that refuses connections: it is held until the block ends, so that nobody else listens there."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


@dataclass(frozen=True, slots=True)
class AnvilNode:
    """A running anvil, and where it answers."""

    url: str
    port: int
    pid: int


@contextmanager
def running_anvil(*options: str) -> Iterator[AnvilNode]:
    """Run anvil on a free loopback port until the block ends; exactly this process is ended, and surely."""
    binary = require("anvil")
    with tempfile.TemporaryFile("w+b") as log:
        process = subprocess.Popen(
            # Port 0: the system chooses a free one, and anvil says which.
            [
                *(str(binary), "--host", "127.0.0.1", "--port", "0"),
                *("--mnemonic", MNEMONIC, "--accounts", str(ACCOUNTS), *options),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=dying_with_parent(),
        )
        try:
            port = _wait_until_listening(process, log.fileno(), _LISTENING)
            yield AnvilNode(url=f"http://127.0.0.1:{port}", port=port, pid=process.pid)
        finally:
            _stop(process)


@dataclass(frozen=True, slots=True)
class GethNode:
    """A running ``geth --dev``, and where it answers: over HTTP anybody, over its socket its owner."""

    url: str
    socket: Path


@contextmanager
def running_geth(folder: Path) -> Iterator[GethNode]:
    """Run a development chain of geth's until the block ends; exactly this process is ended, and surely."""
    binary = require("geth")
    with tempfile.TemporaryFile("w+b") as log:
        process = subprocess.Popen(
            [
                *(str(binary), "--dev", "--datadir", str(folder), "--port", "0", "--authrpc.port", "0"),
                *("--http", "--http.addr", "127.0.0.1", "--http.port", "0"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=dying_with_parent(),
        )
        try:
            port = _wait_until_listening(process, log.fileno(), _GETH_LISTENING)
            yield GethNode(url=f"http://127.0.0.1:{port}", socket=folder / "geth.ipc")
        finally:
            _stop(process)


@dataclass(frozen=True, slots=True)
class KuboNode:
    """A running Kubo, private and offline, and where its RPC answers."""

    address: str
    binary: Path
    environment: Mapping[str, str]

    def run(self, *arguments: str) -> str:
        """Run ``ipfs`` against the node; return what it prints."""
        done = subprocess.run(
            [str(self.binary), *arguments], env=self.environment, check=True, capture_output=True, text=True, timeout=60
        )
        return done.stdout.strip()


@contextmanager
def running_kubo(folder: Path) -> Iterator[KuboNode]:
    """Run Kubo with a repository in ``folder`` until the block ends; exactly this process is ended, and surely."""
    binary = require("kubo")
    environment = {**os.environ, "IPFS_PATH": str(folder / "repo"), "HOME": str(folder)}
    for arguments in (["init", "--profile=test,unixfs-v1-2025"], ["config", "Addresses.API", "/ip4/127.0.0.1/tcp/0"]):
        subprocess.run([str(binary), *arguments], env=environment, check=True, capture_output=True, timeout=60)
    with tempfile.TemporaryFile("w+b") as log:
        process = subprocess.Popen(
            [str(binary), "daemon", "--offline"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=dying_with_parent(),
        )
        try:
            port = _wait_until_listening(process, log.fileno(), _KUBO_LISTENING)
            yield KuboNode(address=f"/ip4/127.0.0.1/tcp/{port}/http", binary=binary, environment=environment)
        finally:
            _stop(process)


def _wait_until_listening(process: subprocess.Popen[bytes], log: int, announced: re.Pattern[str]) -> int:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        said = os.pread(log, 1 << 16, 0).decode(errors="replace")
        found = announced.search(said)
        if found:
            return int(found[1])
        if process.poll() is not None:
            raise RuntimeError(f"the node ended with {process.returncode}:\n{said}")
        time.sleep(0.02)
    raise RuntimeError(f"the node did not listen within {_START_SECONDS:.0f} s:\n{said}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
