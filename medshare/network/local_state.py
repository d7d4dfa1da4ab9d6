"""What a local network has written down of itself, for commands in other processes.

::

    FOLDER/state/
      lock              held while the network runs
      keeper.json       the process that runs it
      ready             all nodes came up
      nodes.json        its nodes: process, or how it ended
      halted/<node>     the node shall not run; the text says how to end it
      logs/<node>.log
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from medshare.files import private_folder, write_whole
from medshare.network.processes import ProcessMark


class Ending(StrEnum):
    """How a node came to stand still."""

    STOPPED = "stopped"
    """It was asked to end, and closed its files."""
    KILLED = "killed"
    """It was ended without a word, as in a power cut."""
    BY_ITSELF = "ended by itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalState:
    """The folder with all that."""

    folder: Path

    @property
    def lock(self) -> Path:
        """Held while the network runs."""
        return private_folder(self.folder) / "lock"

    def log(self, node: str) -> Path:
        """Return where a node's output goes."""
        return private_folder(self.folder / "logs") / f"{node}.log"

    @property
    def ready(self) -> bool:
        """Whether all nodes came up."""
        return (self.folder / "ready").exists()

    def save_ready(self) -> None:
        """Write down that all nodes came up."""
        write_whole(self.folder / "ready", b"", replace=True)

    def save_keeper(self, mark: ProcessMark) -> None:
        """Write down who runs the network."""
        (self.folder / "ready").unlink(missing_ok=True)
        self._save("keeper.json", asdict(mark))

    def forget_keeper(self) -> None:
        """Write down that nobody runs the network."""
        (self.folder / "ready").unlink(missing_ok=True)
        (self.folder / "keeper.json").unlink(missing_ok=True)

    def keeper(self) -> ProcessMark | None:
        """Return who runs the network, if anybody does."""
        mark = _mark(self._load("keeper.json"))
        return mark if mark is not None and mark.is_running else None

    def save_nodes(self, marks: Mapping[str, ProcessMark]) -> None:
        """Write down which processes the nodes are."""
        self._save("nodes.json", {name: asdict(mark) for name, mark in marks.items()})

    def nodes(self) -> dict[str, ProcessMark]:
        """Return the nodes that are running."""
        marks = {name: _mark(found) for name, found in self._load("nodes.json").items()}
        return {name: mark for name, mark in marks.items() if mark is not None and mark.is_running}

    def halt(self, node: str, how: Ending) -> None:
        """Say that a node shall not run."""
        write_whole(private_folder(self.folder / "halted") / node, how.value.encode(), replace=True)

    def resume(self, node: str) -> None:
        """Say that a node shall run."""
        (self.folder / "halted" / node).unlink(missing_ok=True)

    def halted(self) -> dict[str, Ending]:
        """Return which nodes shall not run."""
        folder = self.folder / "halted"
        if not folder.is_dir():
            return {}
        return {path.name: Ending(path.read_text()) for path in folder.iterdir() if not path.name.startswith(".")}

    def _save(self, name: str, document: object) -> None:
        write_whole(private_folder(self.folder) / name, json.dumps(document).encode(), replace=True)

    def _load(self, name: str) -> dict[str, Any]:
        try:
            found = json.loads((self.folder / name).read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def _mark(found: Any) -> ProcessMark | None:  # noqa: ANN401 - from a file
    try:
        return ProcessMark(pid=int(found["pid"]), started=str(found["started"]))
    except (KeyError, TypeError, ValueError):
        return None
