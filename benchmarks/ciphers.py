"""Encrypting a file into a file: ours, the reference Crypt4GH tool, age, gpg and openssl, in turn in the same run.

What is not on this machine is said to be absent. A program's own start is measured on an empty file and taken off, so
that rates compare the work; ours and the reference tool are called within this process.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from envelope import MIB, write_text
from scale import Scale

from medshare.envelope import FileKey, Identity, seal_file, wrap
from medshare.network.binaries import NodeProgram, find_program

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "scripts"))

logging.getLogger("crypt4gh").setLevel(logging.CRITICAL + 1)

import install_nodes  # noqa: E402 - a script, not a package
from crypt4gh import lib as reference  # noqa: E402 - at DEBUG it would log keys: silenced first

AGE = NodeProgram(
    name="age", version="1.2.1", module="filippo.io/age", package="./cmd/age", program="age", variable="MEDSHARE_AGE"
)
"""Built by its version into the user's cache folder, as the nodes are."""
_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)?[a-z]?")

Encrypt = Callable[[Path, Path], object]


@dataclass(frozen=True, slots=True)
class Tool:
    """A program, and how it encrypts."""

    version: str
    how: str
    encrypt: Encrypt


def figures(scale: Scale) -> dict[str, object]:
    """Return size, rounds, and what was found for each tool: None for one that is absent."""
    size, rounds = scale.of(16, 256) * MIB, scale.of(2, 5)
    memory = Path("/dev/shm")  # noqa: S108 - the folder made in it is private
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as place, _tools(Path(place)) as tools:
        folder = Path(place)
        (folder / "empty").touch()
        write_text(folder / "text", size)
        times: dict[str, list[float]] = {name: [] for name in tools}
        starts: dict[str, list[float]] = {name: [] for name in tools}
        for each in filter(None, tools.values()):
            _seconds(each.encrypt, folder / "empty", folder / "sealed")  # caches, and gpg's agent, are warm then
        for _ in range(rounds):
            for name, tool in tools.items():
                if tool is not None:
                    starts[name].append(_seconds(tool.encrypt, folder / "empty", folder / "sealed"))
                    times[name].append(_seconds(tool.encrypt, folder / "text", folder / "sealed"))
        found = {name: tool and _row(tool, size, times[name], starts[name]) for name, tool in tools.items()}
    return {"mib": size // MIB, "rounds": rounds, "tools": found}


def _row(tool: Tool, size: int, times: list[float], starts: list[float]) -> dict[str, object]:
    start = statistics.median(starts)
    rates = [size / MIB / max(each - start, 1e-9) for each in times]
    return {
        "version": tool.version,
        "how": tool.how,
        "mib_per_second": round(statistics.median(rates), 1),
        "start_ms": round(start * 1000, 1),
    }


def _seconds(encrypt: Encrypt, source: Path, target: Path) -> float:
    target.unlink(missing_ok=True)
    begun = time.perf_counter()
    encrypt(source, target)
    return time.perf_counter() - begun


# --------------------------------------------------------------------------------------------------------- tools


@contextmanager
def _tools(folder: Path) -> Iterator[dict[str, Tool | None]]:
    """Yield every tool by its name, with keys of its own; None for what is not here."""
    with _gpg(folder / "gpg") as gpg:
        yield {
            "medshare": _ours(),
            "crypt4gh (reference)": _reference(),
            "age": _age(folder),
            "gpg": gpg,
            "openssl": _openssl(folder),
        }


def _ours() -> Tool:
    writer, reader = Identity.generate(), Identity.generate()

    def encrypt(source: Path, target: Path) -> None:
        key = FileKey.generate()
        seal_file(source, target, key, header=wrap(key, writer=writer, recipients=[reader.recipient]))

    return Tool(version("medshare"), "X25519, ChaCha20-Poly1305, two threads", encrypt)


def _reference() -> Tool:
    secret, recipient = os.urandom(32), Identity.generate().recipient

    def encrypt(source: Path, target: Path) -> None:
        with source.open("rb") as text, target.open("wb") as out:
            reference.encrypt([(0, secret, recipient.key)], text, out)

    return Tool(version("crypt4gh"), "X25519, ChaCha20-Poly1305", encrypt)


def _age(folder: Path) -> Tool | None:
    program = find_program(AGE)
    if program is None and shutil.which("go"):
        try:
            install_nodes.build(AGE)
        except (OSError, subprocess.CalledProcessError):
            return None  # without a network, or with a Go that is too old: visibly absent in the report
        program = find_program(AGE)
    if program is None:
        return None
    recipient = folder / "recipient"
    recipient.write_text(bech32("age", Identity.generate().recipient.key) + "\n")
    base = [str(program), "--encrypt", "--recipients-file", str(recipient)]
    return Tool(AGE.version, "X25519, ChaCha20-Poly1305", _running(lambda source, to: [*base, "-o", to, source]))


@contextmanager
def _gpg(home: Path) -> Iterator[Tool | None]:
    program = shutil.which("gpg")
    if program is None:
        yield None
        return
    home.mkdir(mode=0o700)
    passphrase = home / "passphrase"
    passphrase.write_text(os.urandom(16).hex())
    base = [program, "--homedir", str(home), "--batch", "--quiet", "--pinentry-mode", "loopback"]
    base += ["--passphrase-file", str(passphrase), "--symmetric", "--cipher-algo", "AES256", "--compress-algo", "none"]
    base += ["--s2k-count", "1024"]  # else its agent first measures how much work this machine can bear
    try:
        encrypt = _running(lambda source, to: [*base, "--output", to, source])
        yield Tool(_version_of([program, "--version"]), "passphrase, AES-256, MDC, no compression", encrypt)
    finally:
        # gpg starts an agent for its folder, and leaves it.
        stop = shutil.which("gpgconf")
        if stop is not None:
            subprocess.run([stop, "--homedir", str(home), "--kill", "gpg-agent"], check=False, capture_output=True)


def _openssl(folder: Path) -> Tool | None:
    program = shutil.which("openssl")
    if program is None:
        return None
    passphrase = folder / "passphrase"
    passphrase.write_text(os.urandom(16).hex())
    base = [program, "enc", "-aes-256-ctr", "-pbkdf2", "-pass", f"file:{passphrase}"]
    encrypt = _running(lambda source, to: [*base, "-in", source, "-out", to])
    return Tool(_version_of([program, "version"]), "passphrase, AES-256-CTR, not authenticated", encrypt)


def _running(command: Callable[[str, str], list[str]]) -> Encrypt:
    def encrypt(source: Path, target: Path) -> None:
        subprocess.run(command(str(source), str(target)), check=True, capture_output=True)

    return encrypt


def _version_of(command: list[str]) -> str:
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = _VERSION.search(said)
    return found[0] if found else "unknown"


def bech32(prefix: str, payload: bytes) -> str:
    """Return a public key as age writes it (BIP 173)."""
    alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    bits = "".join(f"{byte:08b}" for byte in payload)
    bits += "0" * (-len(bits) % 5)
    values = [int(bits[place : place + 5], 2) for place in range(0, len(bits), 5)]
    expanded = [ord(letter) >> 5 for letter in prefix] + [0] + [ord(letter) & 31 for letter in prefix]
    checked = _polymod([*expanded, *values, *[0] * 6]) ^ 1
    checksum = [checked >> 5 * (5 - place) & 31 for place in range(6)]
    return f"{prefix}1" + "".join(alphabet[value] for value in (*values, *checksum))


def _polymod(values: list[int]) -> int:
    generators = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
    state = 1
    for value in values:
        top = state >> 25
        state = (state & 0x1FFFFFF) << 5 ^ value
        for place, generator in enumerate(generators):
            state ^= generator if top >> place & 1 else 0
    return state
