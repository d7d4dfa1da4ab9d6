"""A publication that is killed anywhere and repeated is one publication.

given a home with people, and `medshare record publish` in a process of its own
when the process is killed, at 24 points over the time that it takes, and the same command is given again
├─ there is one record, one pin, and nothing left to resume
├─ its plaintext opens, and the doctor finds nothing wrong
└─ the custodian's next publication works
and when `record resume` is given in place of the command, the same holds
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from homes import OBSERVATION, SCAN, CommandLine, Home
from zygote import Zygote, running_zygote

pytestmark = pytest.mark.e2e

POINTS = 24


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    with running_zygote(tmp_path_factory.mktemp("zygote")) as running:
        yield running


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    path = tmp_path / "scan"
    path.write_bytes(SCAN)
    return path


def publish(home: Home, path: Path) -> list[str]:
    return [*home.options, "--json", "record", "publish", str(path), "--as", "hospital", "--patient", "patient"]


def killed(zygote: Zygote, words: list[str], after: float) -> bool:
    """Kill a command after some seconds; return whether that came before its end."""
    pid = zygote.start(words)
    time.sleep(after)  # not waiting for anything: this is the point at which it dies
    zygote.kill(pid)
    return zygote.wait().code is None


def check_one_record(cli: CommandLine, home: Home) -> None:
    (row,) = cli.json("record", "list", "--patient", "patient", home=home)
    assert (row["status"], row["version"]) == ("active", 1)
    assert len(cli.json("storage", "pins", home=home)) == 1
    assert cli.json("record", "resume", "--as", "hospital", home=home) == []
    assert cli.fetched(row["record"], "patient", home=home) == SCAN
    events = cli.json("audit", "trail", "--patient", "patient", home=home)
    assert [event["event"] for event in events] == ["RecordRegistered"]
    assert {row["health"] for row in cli.json("doctor", home=home)} == {"good"}


def test_publish__killed_anywhere_and_repeated__is_published_once(
    people: Home, scan: Path, zygote: Zygote, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    cli = CommandLine(people, capsysbinary)
    times = []
    for name in ("warm", "measured"):
        home = people.copied_to(tmp_path / name)
        begun = time.monotonic()
        assert zygote.run(publish(home, scan)).code == 0
        times.append(time.monotonic() - begun)

    died = 0
    begun_anew = 0
    for point in range(POINTS):
        home = people.copied_to(tmp_path / f"home-{point}")
        died += killed(zygote, publish(home, scan), after=times[-1] * (point + 0.5) / POINTS)
        again = cli.json("record", "publish", scan, "--as", "hospital", "--patient", "patient", home=home)
        begun_anew += not again[0]["already_published"]
        check_one_record(cli, home)
    # The sweep means something only if it hit both sides of the registration.
    assert died >= POINTS // 3
    assert begun_anew > 0
    next_one = tmp_path / "next"
    next_one.write_bytes(OBSERVATION)
    assert cli.json("record", "publish", next_one, "--as", "hospital", "--patient", "patient", home=home)
    assert len(cli.json("record", "list", "--patient", "patient", home=home)) == 2


def test_publish__killed_between_store_and_chain__is_finished_by_resume(
    people: Home, scan: Path, zygote: Zygote, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Here the moment is awaited, not guessed: the record is pinned, so that it waits for nothing but the chain."""
    cli = CommandLine(people, capsysbinary)
    pins = people.path / "blocks" / "pins"
    pid = zygote.start(publish(people, scan))
    deadline = time.monotonic() + 60
    while not (pins.is_dir() and any(not path.name.startswith(".") for path in pins.iterdir())):
        assert time.monotonic() < deadline
    zygote.kill(pid)
    was_killed = zygote.wait().code is None
    finished = cli.json("record", "resume", "--as", "hospital")
    assert len(finished) <= 1
    assert was_killed or finished == []
    check_one_record(cli, people)
