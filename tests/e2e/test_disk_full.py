"""A disk that is full, at whatever point, is said by an error of ours; when there is space, the same command completes.

given a home on a disk of its own, and a command that writes there
when the disk has less free than the command needs, from nothing on, at points spread over it, in the deep profile for
each page
├─ it ends with exit code 6 and StoreFullError, and a hint; never with a traceback
└─ with space, the same command does what it should, once: publishing, granting, fetching, making a home, an identity
when nobody may write there
├─ what needs the embedded chain, to read as well as to write, says why it needs to lock it, and what to do
└─ with rights, the same command does what it should
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from homes import SCAN, CommandLine, Home
from killing import spread
from small_disks import SmallDisk, running_small_disk
from zygote import Ended

pytestmark = [pytest.mark.e2e, pytest.mark.deep, pytest.mark.timeout(7_200)]

FEW = 10
GRANT = ["access", "grant", "--all", "--as", "patient", "--to", "stranger", "--until", "2090-01-01"]


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk]:
    with running_small_disk(tmp_path_factory.mktemp("small")) as disk:
        yield disk


class OnDisk:
    """A home on the disk, made anew for each run of a command."""

    def __init__(self, disk: SmallDisk, template: Home | None, words: Sequence[str]) -> None:
        self._disk, self._template = disk, template
        there = disk.mounted / "home"
        options = ["--home", str(there), "--json"]
        if template is not None:
            options += ["--passphrase-file", str(there / "passphrase")]
        self._command = [*options, *words]

    def taken(self, template: Home, folder: Path) -> Home:
        """Return a copy of it elsewhere: SQLite does not follow this process's way to the disk."""
        shutil.rmtree(folder / "taken", ignore_errors=True)
        shutil.copytree(self._disk.seen / "home", folder / "taken")
        return template.at(folder / "taken")

    def renew(self) -> None:
        shutil.rmtree(self._disk.seen / "home", ignore_errors=True)
        (self._disk.seen / "out").unlink(missing_ok=True)
        if self._template is not None:
            shutil.copytree(self._template.path, self._disk.seen / "home")

    def run(self) -> Ended:
        return self._disk.zygote.run(self._command)

    def filled(self) -> Iterator[Ended]:
        """Yield how the command ended with less space than it needs; before each, all is as it was."""
        self.renew()
        before = self._disk.used
        whole = self.run()
        assert whole.code == 0, whole.err
        page = os.statvfs(self._disk.seen).f_frsize
        for pages in spread((self._disk.used - before) // page, FEW):
            self.renew()
            with self._disk.with_free((pages - 1) * page):
                ended = self.run()
            yield ended


def check_full(ended: Ended) -> None:
    """It needed the last page, or it said what was wrong."""
    assert "Traceback" not in ended.err
    if ended.code:
        said = json.loads(ended.err.splitlines()[-1])
        assert (ended.code, said["error"]) == (6, "StoreFullError"), said
        assert said["message"].startswith("no space left while writing ")
        assert said["hint"]


def test_publish__disk_is_full_anywhere__is_said_and_published_once_with_space(
    people: Home, disk: SmallDisk, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "scan").write_bytes(SCAN)
    words = ["record", "publish", str(tmp_path / "scan"), "--as", "hospital", "--patient", "patient"]
    place, cli, full = OnDisk(disk, people, words), CommandLine(people, capsysbinary), 0
    for ended in place.filled():
        check_full(ended)
        full += ended.code == 6
        assert place.run().code == 0
        taken = place.taken(people, tmp_path)
        (row,) = cli.json("record", "list", "--patient", "patient", home=taken)
        assert cli.fetched(row["record"], "patient", home=taken) == SCAN
        assert len(cli.json("storage", "pins", home=taken)) == 1
        assert cli.json("record", "resume", "--as", "hospital", home=taken) == []
        assert cli.json("audit", "verify", home=taken)["differences"] == []
    assert full > FEW // 2


def test_grant__disk_is_full_anywhere__is_said_and_granted_once_with_space(
    home: Home, disk: SmallDisk, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    place, cli, full = OnDisk(disk, home, GRANT), CommandLine(home, capsysbinary), 0
    for ended in place.filled():
        check_full(ended)
        full += ended.code == 6
        assert place.run().code == 0
        taken = place.taken(home, tmp_path)
        (row,) = cli.json("access", "list", "--grantee", "stranger", home=taken)
        assert row["state"] == "live"
        assert cli.fetched(home.scan, "stranger", home=taken) == SCAN
        assert cli.json("audit", "verify", home=taken)["differences"] == []
    assert full > FEW // 2


def test_fetch__disk_is_full_anywhere__leaves_no_file_and_is_whole_with_space(
    granted_home: Home, disk: SmallDisk
) -> None:
    out = disk.mounted / "out"
    words = ["record", "fetch", granted_home.scan, "--as", "doctor", "--to", str(out)]
    place, full = OnDisk(disk, granted_home, words), 0
    for ended in place.filled():
        check_full(ended)
        full += ended.code == 6
        assert [path.name for path in disk.seen.iterdir() if path.name != "home"] == ["out"][: ended.code == 0]
        assert (place.run().code == 0) != (ended.code == 0), "what is there is not written over"
        assert (disk.seen / "out").read_bytes() == SCAN
    assert full > FEW // 2


def test_init__disk_is_full_anywhere__is_said_and_a_home_with_space(
    people: Home, disk: SmallDisk, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    place, cli, full = OnDisk(disk, None, ["init"]), CommandLine(people, capsysbinary), 0
    for ended in place.filled():
        check_full(ended)
        full += ended.code == 6
        assert place.run().code == 0
        answer = cli.bare("--home", place.taken(people, tmp_path).path, "--json", "audit", "verify")
        assert (answer.code, answer.json["differences"]) == (0, [])
    assert full > FEW // 2


def test_identity__disk_is_full_anywhere__is_whole_or_not_there(people: Home, disk: SmallDisk) -> None:
    place = OnDisk(disk, people, ["identity", "new", "somebody"])
    for ended in place.filled():
        check_full(ended)
        there = (disk.seen / "home" / "identities" / "somebody").exists()
        if ended.code and there:
            assert "the keys are made; then: " in json.loads(ended.err.splitlines()[-1])["hint"]
        else:
            assert (place.run().code == 0) != there


@pytest.mark.parametrize(
    "words",
    [
        ["record", "list", "--patient", "patient"],
        ["audit", "verify"],
        ["access", "list", "--patient", "patient"],
        GRANT,
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_read_only__home_with_an_embedded_chain__says_why_and_what_to_do(
    granted_home: Home, disk: SmallDisk, words: Sequence[str]
) -> None:
    place = OnDisk(disk, granted_home, words)
    place.renew()
    with disk.read_only():
        ended = place.run()
    said = json.loads(ended.err)
    assert (ended.code, said["error"]) == (1, "ConfigurationError")
    assert said["message"] == "the embedded chain cannot be locked: Read-only file system"
    assert "to read is to lock it, too" in said["hint"]
    assert place.run().code == 0
