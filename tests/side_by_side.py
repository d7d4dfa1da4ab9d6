"""Programs that run at the same time in this process, each in a thread of its own, with what each of them prints."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a program ended, and what it printed."""

    code: int
    out: str
    err: str


class _OfEachThread(io.TextIOBase):
    """A stream to print on that keeps apart what threads print."""

    encoding = "utf-8"
    errors = "strict"

    def __init__(self) -> None:
        self._said = threading.local()

    def begin(self) -> None:
        self._said.text = ""

    def write(self, text: str) -> int:
        self._said.text += text
        return len(text)

    @property
    def text(self) -> str:
        said: str = self._said.text
        return said


def run_together(programs: Sequence[Callable[[], int]]) -> list[Ended]:
    """Run programs at the same time; return how each ended, in their order."""
    out, err = _OfEachThread(), _OfEachThread()

    def run(program: Callable[[], int]) -> Ended:
        out.begin()
        err.begin()
        return Ended(code=program(), out=out.text, err=err.text)

    with pytest.MonkeyPatch.context() as patched, ThreadPoolExecutor(len(programs)) as pool:
        patched.setattr(sys, "stdout", out)
        patched.setattr(sys, "stderr", err)
        return list(pool.map(run, programs))
