"""A publication that is killed anywhere and repeated is one publication.

given a home with people, and `medshare record publish` in a process of its own
when the process is killed, at 24 points over the calls that it makes or at its end, and the command is given again
├─ there is one record, one pin, and nothing left to resume
├─ its plaintext opens, and the doctor finds nothing wrong
└─ the custodian's next publication works
and when it had stored the record, and `record resume` is given in place of the command, the same holds
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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


def kill(zygote: Zygote, scan: Path, homes: Iterable[Home], calls: int, share: float) -> tuple[Home, int]:
    """Return a home in which a publication was killed after this share of its calls, and how many these are.

    How many a run makes depends on how long it waits for locks and disks: one that is done earlier is the new measure.
    """
    for home in homes:
        ended = zygote.run(publish(home, scan), dies_at=int(calls * share))
        if ended.code is None:
            return home, calls
        calls = ended.calls
    raise AssertionError(f"never killed after {share:.0%} of {calls} calls")


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
    whole = zygote.run(publish(people.copied_to(tmp_path / "whole"), scan))
    assert whole.code == 0

    already, homes, calls = set(), [], whole.calls
    for number in range(POINTS):
        places = (tmp_path / f"home-{number}-{attempt}" for attempt in range(5))
        home, calls = kill(zygote, scan, map(people.copied_to, places), calls, share=(number + 0.5) / POINTS)
        homes.append(home)
    homes.append(people.copied_to(tmp_path / "home-at-its-end"))
    assert zygote.run(publish(homes[-1], scan), dies_in="EmbeddedNode.close").code is None
    for home in homes:
        again = cli.json("record", "publish", scan, "--as", "hospital", "--patient", "patient", home=home)
        already.add(again[0]["already_published"])
        check_one_record(cli, home)
    assert already == {False, True}, "the sweep means something only if it hit both sides of the registration"
    next_one = tmp_path / "next"
    next_one.write_bytes(OBSERVATION)
    assert cli.json("record", "publish", next_one, "--as", "hospital", "--patient", "patient", home=home)
    assert len(cli.json("record", "list", "--patient", "patient", home=home)) == 2


@pytest.mark.parametrize("place", ["RecordRegistryAdapter.register", "TransactionSender._await"])
def test_publish__killed_between_store_and_journal__is_finished_by_resume(
    people: Home, scan: Path, zygote: Zygote, capsysbinary: pytest.CaptureFixture[bytes], place: str
) -> None:
    """The record is pinned, and its registration not yet sent, or sent and not yet known to be mined."""
    cli = CommandLine(people, capsysbinary)
    assert zygote.run(publish(people, scan), dies_in=place).code is None
    assert len(cli.json("record", "resume", "--as", "hospital")) == 1
    check_one_record(cli, people)
