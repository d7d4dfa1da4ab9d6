"""A disk of its own size for commands, full or read-only when a test says so: a file system in memory, really mounted.

It is mounted in a namespace that only the commands' process sees, so nobody needs to be root. The test reaches it
through that process's own view.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from nodes import REQUIRE_VARIABLE, require
from zygote import Zygote, running_zygote

SIZE = 64 << 20
_MOUNT = 'mount -t tmpfs -o size="$2" tmpfs "$1" && shift 2 && exec "$@"'


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallDisk:
    """A disk, and a zygote whose commands see it."""

    zygote: Zygote
    mounted: Path
    """Where its commands see it."""

    @property
    def seen(self) -> Path:
        """Where this process sees it."""
        return Path(f"/proc/{self.zygote.pid}/root{self.mounted}")

    @property
    def used(self) -> int:
        """Bytes that are not free."""
        status = os.statvfs(self.seen)
        return (status.f_blocks - status.f_bfree) * status.f_frsize

    @contextmanager
    def with_free(self, size: int) -> Iterator[None]:
        """Leave so many bytes free, as long as the block lasts."""
        filler = self.seen / "filler"
        with filler.open("wb") as stream:
            os.posix_fallocate(stream.fileno(), 0, SIZE - self.used - size)
        yield
        filler.unlink()

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Let nobody write, as long as the block lasts."""
        self._remount("ro")
        yield
        self._remount("rw")

    def _remount(self, how: str) -> None:
        enter = ["nsenter", "--preserve-credentials", "-U", "-m", "-t", str(self.zygote.pid)]
        subprocess.run([*enter, "mount", "-o", f"remount,{how}", str(self.mounted)], check=True, capture_output=True)


@contextmanager
def running_small_disk(folder: Path) -> Iterator[SmallDisk]:
    """Mount a disk until the block ends; skips, or fails as ``require`` does, where the system does not let us."""
    require("unshare", "nsenter")
    mounted = folder / "disk"
    mounted.mkdir()
    prefix = ["unshare", "-U", "-r", "-m", "sh", "-c", _MOUNT, "sh", str(mounted), str(SIZE)]
    tried = subprocess.run([*prefix, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        missing = pytest.fail if os.environ.get(REQUIRE_VARIABLE, "") not in ("", "0") else pytest.skip
        missing(f"no disk can be mounted here: {tried.stderr.strip()}")
    with running_zygote(folder, prefix=prefix) as zygote:
        assert zygote.run(["--version"]).code == 0  # who answers has mounted it
        yield SmallDisk(zygote=zygote, mounted=mounted)
