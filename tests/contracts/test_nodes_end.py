"""Nodes end with the tests

given an anvil
    it ends with the block that runs it, also when the block fails, and when the tests are killed
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from nodes import require, running_anvil

pytestmark = [pytest.mark.contracts, pytest.mark.anvil]

HOLD = """
import sys, time
sys.path[:0] = {paths!r}
from nodes import running_anvil
with running_anvil() as node:
    print(node.pid, flush=True)
    time.sleep(60)
"""


def runs(pid):
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and only Linux ends a child with its parent")
def test_running_anvil__block_fails__the_process_is_gone():
    pids = []

    def fail_within():
        with running_anvil() as node:
            pids.append(node.pid)
            assert runs(node.pid)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_within()
    assert not runs(pids[0])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and only Linux ends a child with its parent")
def test_running_anvil__tests_are_killed__the_process_is_gone():
    require("anvil")
    script = HOLD.format(paths=[str(Path(__file__).parents[1])])
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as tests:
        pid = int(tests.stdout.readline())
        assert runs(pid)
        os.kill(tests.pid, signal.SIGKILL)

    deadline = time.monotonic() + 60
    while runs(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not runs(pid)


def test_running_anvil__two_at_once__have_ports_of_their_own():
    with running_anvil() as first, running_anvil() as second:
        assert first.port != second.port
