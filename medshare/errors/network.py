"""What the nodes of a local network did not do."""

from __future__ import annotations

from medshare.errors.base import MedshareError


class NodeFailedError(MedshareError):
    """A node of a local network ended, or did not get ready."""

    hint = "read its log, in state/logs of the network's folder"

    def __init__(self, node: str, reason: str) -> None:
        super().__init__(f"{node}: {reason}")
        self.node = node
