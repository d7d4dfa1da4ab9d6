"""Processes that are told apart for sure: nothing is signalled by its number alone, for numbers are given out again."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_ON_LINUX: bool = sys.platform == "linux"
_PR_SET_PDEATHSIG = 1
_LOOK_EVERY = 0.05
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessMark:
    """One process and no other, now or later."""

    pid: int
    started: str
    """When it began: on Linux the boot and the tick, elsewhere what ``ps`` says."""

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """Return the mark of the process that has this number now, or None."""
        started = _started(pid)
        return None if started is None else cls(pid=pid, started=started)

    @property
    def is_running(self) -> bool:
        """Whether this very process is there."""
        return _started(self.pid) == self.started

    def send(self, number: signal.Signals) -> bool:
        """Send a signal to this very process; return whether it was there to get it."""
        if not hasattr(os, "pidfd_open"):
            if not self.is_running:
                return False
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)
            return True
        try:
            # Held before it is looked at: what is signalled is what was looked at.
            held = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            if not self.is_running:
                return False
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(held, number)
            return True
        finally:
            os.close(held)

    def ended_within(self, seconds: float) -> bool:
        """Wait until it is gone; return whether it is."""
        deadline = time.monotonic() + seconds
        while self.is_running:
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_EVERY)
        return True


def dying_with_parent() -> Callable[[], None] | None:
    """Return a ``preexec_fn``: the kernel ends the new process when the thread that begins it ends, however that comes.

    On Linux; elsewhere None.
    """
    if not _ON_LINUX:
        return None
    parent = os.getpid()

    def ask_for_it() -> None:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before it could be asked for
            os._exit(1)

    return ask_for_it


def _started(pid: int) -> str | None:
    if _ON_LINUX:
        try:
            # The name may hold anything, also ")".
            rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            return None if rest[0] in "ZX" else f"{_BOOT.read_text().strip()} {rest[19]}"
        except (FileNotFoundError, ProcessLookupError):
            return None
    said = subprocess.run(  # noqa: S603 - a number
        ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return None if not said or said.startswith("Z") else said.partition(" ")[2].strip()
