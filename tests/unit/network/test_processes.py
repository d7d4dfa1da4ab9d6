"""Processes that are told apart, and what a local network writes down of them.

given a process
├─ its mark finds it while it runs, and nothing once it has ended, not even before it is waited for
├─ a signal reaches it, and never another process that has its number
└─ the state of a local network names only processes that are still the same, and survives a torn file
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from medshare.network.local_state import Ending, LocalState
from medshare.network.processes import ProcessMark, dying_with_parent

pytestmark = pytest.mark.unit


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], preexec_fn=dying_with_parent())
    yield process
    process.kill()
    process.wait()


def test_mark__process_ends__finds_nothing(sleeper: subprocess.Popen[bytes]) -> None:
    mark = ProcessMark.of(sleeper.pid)
    assert mark is not None
    assert mark.is_running
    assert not mark.ended_within(0)
    assert mark.send(signal.SIGKILL)
    assert mark.ended_within(10)  # nobody has waited for it: it is a zombie
    assert not mark.send(signal.SIGKILL)
    assert ProcessMark.of(sleeper.pid) is None


def test_signal__number_is_anothers_now__is_not_sent(sleeper: subprocess.Popen[bytes]) -> None:
    mark = ProcessMark.of(sleeper.pid)
    assert mark is not None
    earlier = replace(mark, started="another boot 1")
    assert not earlier.is_running
    assert not earlier.send(signal.SIGKILL)
    assert sleeper.poll() is None


def test_signal__nobody_has_the_number__is_not_sent() -> None:
    assert not ProcessMark(pid=2**22 + 1, started="x").send(signal.SIGTERM)


def test_state__of_processes__names_those_that_run(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    state = LocalState(folder=tmp_path)
    mark = ProcessMark.of(sleeper.pid)
    assert mark is not None
    assert (state.keeper(), state.nodes(), state.ready) == (None, {}, False)
    state.save_keeper(mark)
    state.save_ready()
    state.save_nodes({"validator-1": mark, "storage-1": replace(mark, started="earlier")})
    assert (state.keeper(), state.nodes(), state.ready) == (mark, {"validator-1": mark}, True)
    state.forget_keeper()
    assert (state.keeper(), state.ready) == (None, False)


def test_state__torn_file__is_as_if_it_was_not_there(tmp_path: Path) -> None:
    state = LocalState(folder=tmp_path)
    for text in ("", "{", "[]", '{"pid": "x"}', '{"validator-1": 5}'):
        (tmp_path / "keeper.json").write_text(text)
        (tmp_path / "nodes.json").write_text(text)
        assert (state.keeper(), state.nodes()) == (None, {})


def test_halted__until_resumed__says_how(tmp_path: Path) -> None:
    state = LocalState(folder=tmp_path)
    state.halt("validator-1", Ending.KILLED)
    assert state.halted() == {"validator-1": Ending.KILLED}
    state.resume("validator-1")
    state.resume("validator-1")
    assert state.halted() == {}
