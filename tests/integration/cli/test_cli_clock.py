"""The machine's clock is off by an hour, and the chain's is right.

given a clock an hour behind
├─ grants work and end by the chain's time, and the doctor says by how much the clock is off
└─ what is signed can be sent for as long as was said, by the chain's time
given a clock an hour ahead
├─ what has ended by it is not read, nothing is lost, and with the right clock it is read
├─ a grant from now on is live at once, sent or signed, for it names no beginning
└─ one that names the clock's own time begins by the chain's, and until then it is said that it has not
given a relayer whose clock is an hour ahead, or behind
└─ he refuses what has ended by his clock, or sends what the chain takes; nothing is lost or done twice
"""

from __future__ import annotations

import time

import pytest
from homes import SCAN, Answer, CommandLine, Home

pytestmark = pytest.mark.integration

HOUR = 3_600


@pytest.fixture
def granted(granted_home: Home, capsysbinary: pytest.CaptureFixture[bytes]) -> CommandLine:
    return CommandLine(granted_home, capsysbinary)


@pytest.fixture
def off_by(monkeypatch: pytest.MonkeyPatch):
    def set_to(seconds: int) -> None:
        monkeypatch.setattr("medshare.session.SystemClock.now", lambda _: int(time.time()) + seconds)

    return set_to


def test_clock__an_hour_behind__chain_s_time_counts_and_the_doctor_says_so(granted: CommandLine, off_by) -> None:
    off_by(-HOUR)
    assert granted.fetched(granted.home.scan, "doctor") == SCAN
    clock = next(row for row in granted.json("doctor") if row["check"] == "clock")
    assert clock["health"] == "warning"
    assert "s behind the newest block" in clock["says"]
    # By the chain it has been over for half an hour; by this clock it lasts as long again.
    answer = granted("access", "grant", "--all", "--as", "patient", "--to", "stranger", "--until", "30m")
    assert answer.code != 0
    assert granted.json("audit", "verify")["differences"] == []


def test_clock__an_hour_ahead__refuses_what_ended_by_it_and_loses_nothing(granted: CommandLine, off_by) -> None:
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + HOUR // 2))
    granted.json("access", "grant", "--all", "--as", "patient", "--to", "stranger", "--until", until)
    off_by(HOUR)
    refused = granted("record", "fetch", granted.home.scan, "--as", "stranger", "--to", granted.home.path / "fetched")
    assert refused.code == 3
    assert not (granted.home.path / "fetched").exists()
    off_by(0)
    assert granted.fetched(granted.home.scan, "stranger") == SCAN


def signed_grant(granted: CommandLine, *options: str) -> list[object]:
    words = ["access", "grant", "--all", "--as", "patient", "--to", "stranger", "--until", "1d", *options]
    return [*words, "--sign-to", granted.home.path / "signed", "--yes"]


def relayed(granted: CommandLine) -> Answer:
    return granted("--json", "relay", "send", granted.home.path / "signed", "--as", "neighbour")


@pytest.mark.parametrize("seconds", [-HOUR, HOUR], ids=["behind", "ahead"])
def test_grant__clock_off__begins_at_once_by_the_chain_s_time(granted: CommandLine, off_by, seconds: int) -> None:
    off_by(seconds)
    granted.json("access", "grant", "--all", "--as", "patient", "--to", "stranger", "--until", "1d")
    off_by(0)
    (row,) = granted.json("access", "list", "--grantee", "stranger")
    assert row["state"] == "live"
    assert granted.fetched(granted.home.scan, "stranger") == SCAN


@pytest.mark.parametrize("seconds", [-HOUR, HOUR], ids=["behind", "ahead"])
def test_signed_grant__signer_s_clock_off__is_taken_and_live_at_once(
    granted: CommandLine, off_by, seconds: int
) -> None:
    off_by(seconds)
    granted.json(*signed_grant(granted, "--valid-for", "30m"))
    off_by(0)
    assert [row["state"] for row in relayed(granted).json] == ["done"]
    (row,) = granted.json("access", "list", "--grantee", "stranger")
    assert row["state"] == "live"
    assert granted.fetched(granted.home.scan, "stranger") == SCAN


def test_grant__from_the_time_of_a_clock_ahead__is_said_to_be_not_yet(granted: CommandLine, off_by) -> None:
    off_by(HOUR)
    start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + HOUR))
    granted.json("access", "grant", "--all", "--as", "patient", "--to", "stranger", "--from", start, "--until", "1d")
    off_by(0)
    (row,) = granted.json("access", "list", "--grantee", "stranger")
    assert row["state"] == "not-yet"
    answer = granted("record", "fetch", granted.home.scan, "--as", "stranger")
    assert answer.code == 3
    assert "the grant is not live yet, it begins on" in answer.err


def test_relay__clock_ahead__refuses_what_has_ended_by_it_and_sends_it_by_the_right_one(
    granted: CommandLine, off_by
) -> None:
    granted.json(*signed_grant(granted, "--valid-for", "30m"))
    off_by(HOUR)
    refused = relayed(granted)
    assert (refused.code, refused.error["error"]) == (1, "DeadlinePassedError")
    off_by(0)
    assert [row["state"] for row in relayed(granted).json] == ["done"]
    assert granted.fetched(granted.home.scan, "stranger") == SCAN


def test_relay__clock_behind__sends_what_the_chain_takes(granted: CommandLine, off_by) -> None:
    granted.json(*signed_grant(granted, "--valid-for", "30m"))
    off_by(-HOUR)
    assert [row["state"] for row in relayed(granted).json] == ["done"]
    assert granted.fetched(granted.home.scan, "stranger") == SCAN
