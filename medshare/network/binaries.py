"""Which node programs the kit is made for, by version, and where they are on this machine.

Looked for in this order: the environment variable of the tool, the user's cache folder, where
``scripts/install_nodes.py`` builds them, and the path.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from medshare.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeProgram:
    """A program that nodes run, built from one Go module."""

    name: str
    version: str
    module: str
    package: str
    """The folder of the program within its module."""
    program: str
    """The file's name."""
    variable: str
    """The environment variable that names another file."""
    build_flags: tuple[str, ...] = ()

    @property
    def built(self) -> Path:
        """Where this version is, or would be, in the user's cache folder."""
        return user_cache_path("medshare") / f"{self.name}-{self.version}" / self.program


GETH = NodeProgram(
    name="geth",
    version="1.13.15",  # the last with Clique
    module="github.com/ethereum/go-ethereum",
    package="./cmd/geth",
    program="geth",
    variable="MEDSHARE_GETH",
    build_flags=("-ldflags=-checklinkname=0",),  # its memsize reaches into the runtime, which Go 1.23 and later forbid
)
KUBO = NodeProgram(
    name="kubo",
    version="0.43.0",  # 0.43.1 replaces a module by a fork that not every module proxy has
    module="github.com/ipfs/kubo",
    package="./cmd/ipfs",
    program="ipfs",
    variable="MEDSHARE_IPFS",
)
PROGRAMS: Mapping[str, NodeProgram] = {program.name: program for program in (GETH, KUBO)}


def find_program(program: NodeProgram, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return where a program is, or None."""
    named = environ.get(program.variable)
    built = Path(named) if named else program.built
    if built.is_file():
        return built
    on_path = shutil.which(program.program)
    return Path(on_path) if on_path else None


def require_program(program: NodeProgram) -> Path:
    """Return where a program is; raises ``ConfigurationError`` where it is not."""
    found = find_program(program)
    if found is None:
        raise ConfigurationError(
            f"{program.name} is not on this machine",
            hint=f"build {program.name} {program.version} with: make nodes; or name it in {program.variable}",
        )
    return found
