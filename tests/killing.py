"""Homes in which a command was killed, each at another of its steps: at every one in the deep profile, else at some."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from homes import Home
from zygote import Zygote


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """A command that is killed, again and again.

    How many steps a run has depends a little on how long it waits for locks and disks: one may be done before it is
    killed. Repeating must not harm that one, either; most must have been killed.
    """

    zygote: Zygote
    folder: Path
    """For the homes, one at a time."""
    few: int
    """At how many steps it is killed, but for the deep profile."""
    program: str = "medshare.cli"

    def over(self, home: Home, command: Callable[[Home], Sequence[str]]) -> Iterator[Home]:
        """Yield copies of a home in which the command was killed at a step, the first before it did anything."""
        whole = self.zygote.run(command(home.copied_to(self.folder / "whole")), program=self.program)
        assert whole.code == 0, whole.err
        killed = 0
        places = spread(whole.steps, self.few)
        for step in places:
            copy = home.copied_to(self.folder / f"killed-at-{step}")
            ended = self.zygote.run(command(copy), program=self.program, dies_at=step)
            assert ended.code in (None, 0), f"at step {step}: {ended.err}"
            killed += ended.code is None
            yield copy
            shutil.rmtree(copy.path)
        assert killed > 0.9 * len(places), f"killed {killed} of {len(places)} times"


def spread(steps: int, few: int) -> list[int]:
    """Return the numbers of all steps in the deep profile, else of some that lie evenly between first and last."""
    if os.environ.get("HYPOTHESIS_PROFILE") == "deep" or steps <= few:
        return list(range(1, steps + 1))
    return [1 + number * (steps - 1) // (few - 1) for number in range(few)]
