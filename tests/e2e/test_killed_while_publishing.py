"""A publication that is killed anywhere and repeated is one publication.

given a home with people, and `medshare record publish` in a process of its own
when the process is killed, at 32 points spread over the steps that leave something on a disk, in the deep profile at
each of them, and the command is given again
├─ there is one record, one pin, and nothing left to resume
├─ its plaintext opens, and the doctor finds nothing wrong
├─ the custodian's next publication works
└─ of a file of lines, too: each line is one record
and when it had stored the record, and `record resume` is given in place of the command, the same holds
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from homes import OBSERVATION, SCAN, CommandLine, Home
from killing import Sweep
from zygote import Zygote, running_zygote

pytestmark = [pytest.mark.e2e, pytest.mark.deep]


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


def check_one_record(cli: CommandLine, home: Home) -> None:
    (row,) = cli.json("record", "list", "--patient", "patient", home=home)
    assert (row["status"], row["version"]) == ("active", 1)
    assert len(cli.json("storage", "pins", home=home)) == 1
    assert cli.json("record", "resume", "--as", "hospital", home=home) == []
    assert cli.fetched(row["record"], "patient", home=home) == SCAN
    events = cli.json("audit", "trail", "--patient", "patient", home=home)
    assert [event["event"] for event in events] == ["RecordRegistered"]
    assert {row["health"] for row in cli.json("doctor", home=home)} == {"good"}


@pytest.mark.timeout(7_200)
def test_publish__killed_anywhere_and_repeated__is_published_once(
    people: Home, scan: Path, zygote: Zygote, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    cli = CommandLine(people, capsysbinary)
    next_one = tmp_path / "next"
    next_one.write_bytes(OBSERVATION)
    already = set()
    for home in Sweep(zygote=zygote, folder=tmp_path, few=32).over(people, lambda home: publish(home, scan)):
        again = cli.json("record", "publish", scan, "--as", "hospital", "--patient", "patient", home=home)
        already.add(again[0]["already_published"])
        check_one_record(cli, home)
        assert cli.json("record", "publish", next_one, "--as", "hospital", "--patient", "patient", home=home)
        assert len(cli.json("record", "list", "--patient", "patient", home=home)) == 2
    assert already == {False, True}, "the sweep means something only if it hit both sides of the registration"


@pytest.mark.parametrize("place", ["RecordRegistryAdapter.register", "TransactionSender._await"])
def test_publish__killed_between_store_and_journal__is_finished_by_resume(
    people: Home, scan: Path, zygote: Zygote, capsysbinary: pytest.CaptureFixture[bytes], place: str
) -> None:
    """The record is pinned, and its registration not yet sent, or sent and not yet known to be mined."""
    cli = CommandLine(people, capsysbinary)
    assert zygote.run(publish(people, scan), dies_in=place).code is None
    assert len(cli.json("record", "resume", "--as", "hospital")) == 1
    check_one_record(cli, people)


@pytest.mark.timeout(7_200)
def test_publish__lines__killed_anywhere_and_repeated__is_each_published_once(
    people: Home, zygote: Zygote, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    cli = CommandLine(people, capsysbinary)
    lines = [OBSERVATION.replace(b'"7"', b'"%d"' % hours) for hours in (5, 6, 8, 9)]
    path = tmp_path / "export.ndjson"
    path.write_bytes(b"\n".join(lines))
    killed_between = set()
    for home in Sweep(zygote=zygote, folder=tmp_path, few=12).over(people, lambda home: publish(home, path)):
        killed_between.add(len(cli.json("record", "list", "--patient", "patient", home=home)))
        (row,) = cli.json("record", "publish", path, "--as", "hospital", "--patient", "patient", home=home)
        assert (row["published"] + row["already_published"], row["refused"]) == (len(lines), 0)
        records = cli.json("record", "list", "--patient", "patient", home=home)
        assert len(cli.json("storage", "pins", home=home)) == len(records) == len(lines)
        assert sorted(cli.fetched(each["record"], "patient", home=home) for each in records) == sorted(lines)
        assert cli.json("record", "resume", "--as", "hospital", home=home) == []
    assert len(killed_between) > 2, "the sweep means something only if it hit several lines"
