"""A grant that is killed anywhere and repeated is one grant.

given a home with a record of a patient, and `medshare access grant` in a process of its own
when the process is killed, at 8 points over the calls that it makes or at its end, and the command is given again
├─ the doctor has one live grant, and reads the record
├─ the chain's answers are what its events tell
└─ revoking it leaves nobody who may read
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from homes import SCAN, CommandLine, Home
from zygote import Zygote, running_zygote

pytestmark = pytest.mark.e2e

POINTS = 8
UNTIL = "2090-01-01"


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    with running_zygote(tmp_path_factory.mktemp("zygote")) as running:
        yield running


def words() -> list[str]:
    return ["access", "grant", "--all", "--as", "patient", "--to", "doctor", "--purpose", "TREAT", "--until", UNTIL]


def grant(home: Home) -> list[str]:
    return [*home.options, "--json", *words()]


def test_grant__killed_anywhere_and_repeated__is_one_grant(
    people: Home, zygote: Zygote, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    cli = CommandLine(people, capsysbinary)
    scan = tmp_path / "scan"
    scan.write_bytes(SCAN)
    (published,) = cli.json("record", "publish", scan, "--as", "hospital", "--patient", "patient")
    whole = zygote.run(grant(people.copied_to(tmp_path / "whole")))
    assert whole.code == 0, whole.err

    homes = []
    for number in range(POINTS):
        home = people.copied_to(tmp_path / f"home-{number}")
        # One that is done earlier than it was measured is done: repeating must not harm it either.
        zygote.run(grant(home), dies_at=int(whole.calls * (number + 0.5) / POINTS))
        homes.append(home)
    for number, place in enumerate(("ConsentRegistryAdapter.grant", "TransactionSender._await", "EmbeddedNode.close")):
        homes.append(people.copied_to(tmp_path / f"home-in-{number}"))
        assert zygote.run(grant(homes[-1]), dies_in=place).code is None
    for home in homes:
        cli.json(*words(), home=home)
        live = [row for row in cli.json("access", "list", "--grantee", "doctor", home=home) if row["state"] == "live"]
        assert len(live) == 1
        assert cli.fetched(published["record"], "doctor", home=home) == SCAN
        assert cli.json("audit", "verify", home=home)["differences"] == []
        cli.json("access", "revoke", live[0]["grant"], "--as", "patient", home=home)
        assert cli.json("audit", "may-read", "--patient", "patient", home=home) == []
