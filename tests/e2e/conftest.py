from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from homes import cli, granted_home, home, people, templates

__all__ = ["cli", "granted_home", "home", "people", "templates"]

_DISK = Path("/var/tmp")  # noqa: S108 - the folder made in it is private


@pytest.fixture(scope="module")
def disk() -> Iterator[Path]:
    """A folder on a disk, with a short path: what validators write in advance is too much for memory."""
    with tempfile.TemporaryDirectory(prefix="net-", dir=_DISK if _DISK.is_dir() else None) as folder:
        yield Path(folder)
