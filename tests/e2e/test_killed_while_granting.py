"""What a patient does is done once, wherever it is killed, when the command is given again.

given a home with two records of a patient, and a command in a process of its own
when the process is killed, at points spread over the steps that leave something on a disk, in the deep profile at each
of them, and the command is given again
├─ `access grant`, sent by the patient or signed and paid by another → the doctor has one live grant, and reads
├─ `access grant --sign-to`, then `relay send` → the same
├─ `access revoke` → nobody may read; to repeat it is no error
└─ after each of them the chain's answers are what its events tell, a revocation leaves nobody who may read, and nothing
   is pinned but records and the bundles that live grants have had; what was signed and lost goes with the revocation
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from homes import SCAN, CommandLine, Home
from killing import Sweep
from zygote import Zygote, running_zygote

from medshare import connect
from medshare.content import Cid
from medshare.model.ids import Address

pytestmark = [pytest.mark.e2e, pytest.mark.deep, pytest.mark.timeout(7_200)]

GRANT = [*("access", "grant", "--all", "--as", "patient", "--to", "stranger", "--purpose", "TREAT")]
UNTIL = ["--until", "2090-01-01"]
PAID = ["--paid-by", "neighbour", "--yes"]


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    with running_zygote(tmp_path_factory.mktemp("zygote")) as running:
        yield running


@pytest.fixture
def sweep(zygote: Zygote, tmp_path: Path) -> Sweep:
    return Sweep(zygote=zygote, folder=tmp_path, few=16)


def words(home: Home, *command: str) -> list[str]:
    return [*home.options, "--json", *command]


def check_one_grant(cli: CommandLine, home: Home, *, signed_twice: bool = False) -> None:
    rows = cli.json("access", "list", "--grantee", "stranger", home=home)
    assert [row["state"] for row in rows] == ["live"]
    assert cli.fetched(home.scan, "stranger", home=home) == SCAN
    if not signed_twice:
        assert_sound(cli, home)
    cli.json("access", "revoke", rows[0]["grant"], "--as", "patient", home=home)
    assert readers(cli, home) == []
    assert_sound(cli, home)


def assert_sound(cli: CommandLine, home: Home) -> None:
    assert cli.json("audit", "verify", home=home)["differences"] == []
    named = {Cid.of_directory(bytes.fromhex(record)) for record in (home.observation, home.scan)}
    with connect(home.path) as session:
        patient = Address(home.addresses["patient"])
        live = [each.grant.grant_id for each in session.auditing.grants(patient=patient) if each.live]
        bundles = [bundle for grant_id in live for bundle in session.auditing.bundles(patient, grant_id)]
        assert session.store.pins() == named | set(map(Cid.of_directory, bundles))


def send(home: Home) -> list[str]:
    return ["relay", "send", str(home.path / "signed"), "--as", "neighbour"]


def assert_relayed(cli: CommandLine, home: Home) -> None:
    assert [row["state"] for row in cli.json(*send(home), home=home)] == ["done"]


def readers(cli: CommandLine, home: Home) -> list[Any]:
    found: list[Any] = cli.json("audit", "may-read", "--patient", "patient", home=home)
    return found


@pytest.mark.parametrize("paid", [[], PAID], ids=["own coins", "paid by another"])
def test_grant__killed_anywhere_and_repeated__is_one_grant(
    home: Home, sweep: Sweep, capsysbinary: pytest.CaptureFixture[bytes], paid: list[str]
) -> None:
    cli = CommandLine(home, capsysbinary)
    for killed in sweep.over(home, lambda home: words(home, *GRANT, *UNTIL, *paid)):
        cli.json(*GRANT, *UNTIL, *paid, home=killed)
        check_one_grant(cli, killed)


def test_signed_grant__killed_while_it_is_signed_and_repeated__is_one_grant(
    home: Home, sweep: Sweep, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    cli = CommandLine(home, capsysbinary)

    def sign(home: Home) -> list[str]:
        return [*GRANT, *UNTIL, "--sign-to", str(home.path / "signed"), "--yes"]

    for killed in sweep.over(home, lambda home: words(home, *sign(home))):
        if not (killed.path / "signed").exists():
            cli.json(*sign(killed), home=killed)
        assert_relayed(cli, killed)
        check_one_grant(cli, killed, signed_twice=True)


def test_signed_grant__relayer_killed_anywhere_and_repeated__is_one_grant(
    home: Home, sweep: Sweep, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    cli = CommandLine(home, capsysbinary)
    cli.json(*GRANT, *UNTIL, "--sign-to", home.path / "signed", "--yes")
    for killed in sweep.over(home, lambda home: words(home, *send(home))):
        assert_relayed(cli, killed)
        check_one_grant(cli, killed)


def test_revoke__killed_anywhere_and_repeated__leaves_nobody_who_may_read(
    granted_home: Home, sweep: Sweep, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    cli = CommandLine(granted_home, capsysbinary)
    revoke = ["access", "revoke", granted_home.grant, "--as", "patient"]
    for killed in sweep.over(granted_home, lambda home: words(home, *revoke)):
        cli.json(*revoke, home=killed)
        assert readers(cli, killed) == []
        assert_sound(cli, killed)
