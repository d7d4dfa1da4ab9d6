"""Two terminals share a folder and nothing else.

given a home with people, and each command a process of its own
├─ one after the other: published in one; granted, fetched and revoked in the other
├─ at the same time: the second waits for the first, and both succeed
└─ at the same time, the first does not let go: the second says that it is busy, with exit code 6, and does nothing
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from filelock import FileLock
from homes import SCAN, CommandLine, Home

pytestmark = pytest.mark.e2e


def terminal(home: Home, words: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "medshare", *home.options, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=home.path,
    )


def ended(process: subprocess.Popen[bytes]) -> tuple[int, bytes, str]:
    try:
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    return process.returncode, out, err.decode()


def said(home: Home, *words: str) -> bytes:
    code, out, err = ended(terminal(home, words))
    assert (code, err) == (0, "")
    return out


def test_terminals__one_after_the_other__share_what_is_in_the_folder(people: Home, tmp_path: Path) -> None:
    (tmp_path / "scan").write_bytes(SCAN)
    words = ["record", "publish", str(tmp_path / "scan"), "--as", "hospital", "--patient", "patient"]
    (row,) = json.loads(said(people, "--json", *words))
    granted = json.loads(
        said(people, "--json", "access", "grant", "--all", "--as", "patient", "--to", "doctor", "--until", "1h")
    )
    assert said(people, "record", "fetch", row["record"], "--as", "doctor") == SCAN
    said(people, "access", "revoke", granted["grant"], "--as", "patient")
    code, out, err = ended(terminal(people, ["record", "fetch", row["record"], "--as", "doctor"]))
    assert (code, out) == (3, b"")
    assert "revoked" in err


def test_terminals__at_the_same_time__wait_for_each_other(people: Home, tmp_path: Path, capsysbinary) -> None:
    paths = [tmp_path / name for name in ("one", "two")]
    for number, path in enumerate(paths):
        path.write_bytes(SCAN + bytes([number]))
    running = [
        terminal(people, ["--json", "record", "publish", str(path), "--as", "hospital", "--patient", "patient"])
        for path in paths
    ]
    answers = [ended(process) for process in running]
    assert [(code, err) for code, _, err in answers] == [(0, "")] * 2
    records = {json.loads(out)[0]["record"] for _, out, _ in answers}
    cli = CommandLine(people, capsysbinary)
    assert {row["record"] for row in cli.json("record", "list", "--patient", "patient")} == records
    assert len(records) == 2


def test_terminals__the_same_publication_at_the_same_time__is_one_record(
    people: Home, tmp_path: Path, capsysbinary
) -> None:
    (tmp_path / "scan").write_bytes(SCAN)
    words = ["--json", "record", "publish", str(tmp_path / "scan"), "--as", "hospital", "--patient", "patient"]
    answers = [ended(process) for process in [terminal(people, words), terminal(people, words)]]
    assert {code for code, _, _ in answers} <= {0, 6}
    assert any(code == 0 for code, _, _ in answers)
    assert len(CommandLine(people, capsysbinary).json("record", "list", "--patient", "patient")) == 1


def test_terminals__the_first_does_not_let_go__the_second_is_busy(people: Home, tmp_path: Path, capsysbinary) -> None:
    (tmp_path / "scan").write_bytes(SCAN)
    words = ["--json", "record", "publish", str(tmp_path / "scan"), "--as", "hospital", "--patient", "patient"]
    begun = time.monotonic()
    with FileLock(people.path / "embedded" / "chain.lock"):
        code, out, err = ended(terminal(people, words))
    assert (code, out) == (6, b"")
    assert json.loads(err)["error"] == "LedgerBusyError"
    assert time.monotonic() - begun >= 10  # and not for ever: `ended` has a limit
    cli = CommandLine(people, capsysbinary)
    assert cli.json("record", "list", "--patient", "patient") == []
    assert cli.json("storage", "pins") == []
