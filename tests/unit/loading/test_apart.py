"""Examining apart: in processes that get plaintexts and no keys, and end with whoever started them.

given processes that examine
├─ what they answer should be what is found here, errors included, each to its order
├─ when one is killed → it should be said, and how to go on
├─ when who gives the orders is killed → they should end
└─ when the block ends → none should be left
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from medshare.errors import ConfigurationError, InvalidInputError, NonConformantError
from medshare.ingesting import Said
from medshare.loading.apart import Examiners, Files, Lines

pytestmark = [pytest.mark.unit, pytest.mark.timeout(120)]

GOOD = b'{"resourceType":"Basic","code":{"text":"x"},"subject":{"reference":"Patient/1"}}'
NONCONFORMANT = b'{"resourceType":"Observation"}'


def children(pid: int) -> set[int]:
    return {int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()}


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(400):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError


def test_order__lines_and_files__are_answered_as_here(tmp_path: Path) -> None:
    for name, content in (("a.json", GOOD), ("b.json", b"{"), ("c.bin", b"\0")):
        (tmp_path / name).write_bytes(content)
    entries = b'{"resourceType":"Bundle","type":"collection","entry":[{"resource":' + GOOD + b'},{"fullUrl":3}]}'
    (tmp_path / "d.json").write_bytes(entries)
    files = Files(paths=tuple(sorted(tmp_path.iterdir())), said=Said())
    orders = [Lines(documents=(GOOD, b"{", NONCONFORMANT)), files, Lines(documents=())]
    with Examiners(2) as apart, Examiners(0) as here:
        asked = [(apart.order(order), here.order(order)) for order in orders * 3]
        for there, answered in asked:
            assert repr(there.result()) == repr(answered.result())
        lines = asked[0][0].result()
    assert isinstance(lines[1], InvalidInputError)
    with pytest.raises(NonConformantError) as caught:
        lines[2].must_conform()
    assert "record check" in caught.value.hint


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_order__process_is_killed__is_said_and_none_is_left() -> None:
    before = children(os.getpid())
    with Examiners(1) as apart:
        assert apart.order(Lines(documents=(GOOD,))).result()
        (process,) = children(os.getpid()) - before
        os.kill(process, signal.SIGKILL)
        with pytest.raises(ConfigurationError) as caught:
            apart.order(Lines(documents=(GOOD,))).result()
        assert "goes on" in caught.value.hint
    assert children(os.getpid()) == before


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_exit__orders_are_waiting__ends_at_once_and_none_is_left() -> None:
    before = children(os.getpid())
    with Examiners(2) as apart:
        apart.order(Lines(documents=(GOOD,))).result()
        for _ in range(50):
            apart.order(Lines(documents=(GOOD,) * 200))
    assert children(os.getpid()) == before


OWNER = """
import sys
from medshare.loading.apart import Examiners, Lines
with Examiners(1) as apart:
    apart.order(Lines(documents=(b'{}',))).result()
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_serve__who_gives_the_orders_is_killed__ends() -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"ready\n"
        (process,) = children(owner.pid)
        owner.kill()
    wait_until(lambda: not Path(f"/proc/{process}/exe").exists())
