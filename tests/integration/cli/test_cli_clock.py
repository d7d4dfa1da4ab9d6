"""The machine's clock is off by an hour, and the chain's is right.

given a clock an hour behind
└─ grants work and end by the chain's time, and the doctor says by how much the clock is off
given a clock an hour ahead
└─ what has ended by it is not read, nothing is lost, and with the right clock it is read
"""

from __future__ import annotations

import time

import pytest
from homes import SCAN, CommandLine, Home

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
    refused = granted("record", "fetch", granted.home.scan, "--as", "stranger", "--out", granted.home.path / "fetched")
    assert refused.code == 3
    assert not (granted.home.path / "fetched").exists()
    off_by(0)
    assert granted.fetched(granted.home.scan, "stranger") == SCAN
