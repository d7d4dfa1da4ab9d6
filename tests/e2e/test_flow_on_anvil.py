"""The same commands on a node of its own: anvil, by one setting.

given anvil, a networks.toml that says where it is, and contracts deployed by scripts/deploy.py
├─ nothing deployed: every command says so, with exit code 4, and doctor says how to mend it
├─ publish, grant, fetch, revoke and audit work as on the embedded chain
├─ two processes publish at once, which the embedded chain does not allow
└─ the node is gone in the middle: exit code 6; it comes back on another port: the settings decide, the work goes on
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import deploy
import pytest
from homes import OBSERVATION, PASSPHRASE, SCAN, CommandLine, Home, make_identity
from nodes import AnvilNode, running_anvil

from medshare.model.accreditation import AccreditationKind
from medshare.settings import Settings

pytestmark = [pytest.mark.e2e, pytest.mark.anvil]

DEPLOYER = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"  # anvil's first account
PEOPLE = ("hospital", "clinic", "patient", "doctor")


@pytest.fixture(scope="module")
def node() -> Iterator[AnvilNode]:
    with running_anvil() as node:
        yield node


@pytest.fixture
def place(tmp_path: Path, node: AnvilNode) -> Home:
    """A home on anvil, with keys, before anything is deployed."""
    path = tmp_path / "home"
    Settings(home=path, network="anvil").save()
    (path / "networks.toml").write_text(f'[networks.anvil]\nurl = "{node.url}"\n')
    (path / "passphrase").write_text(PASSPHRASE)
    (path / "passphrase").chmod(0o600)
    addresses = {name: make_identity(path, name).address for name in PEOPLE}
    return Home(path=path, addresses=addresses)


def deployed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOYER_KEY", DEPLOYER)
    networks = str(home.path / "networks.toml")
    words = ["--network", "anvil", "--networks", networks, "--home", str(home.path), "--key-env", "DEPLOYER_KEY"]
    assert deploy.main([*words, "--yes"]) == 0


@pytest.fixture
def cli(place: Home, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    deployed(place, monkeypatch)
    cli = CommandLine(place, capsysbinary)
    for name in PEOPLE:
        cli.json("identity", "fund", name)
        cli.json("identity", "publish", name)
    cli.accredit("hospital", AccreditationKind.CUSTODIAN)
    return cli


def test_anvil__nothing_deployed__says_what_to_do(place: Home, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    cli = CommandLine(place, capsysbinary)
    for words in (["network", "show"], ["init"], ["record", "list", "--patient", "patient"]):
        answer = cli("--json", *words)
        assert (answer.code, answer.error["error"]) == (4, "DeploymentNotFoundError")
        assert "scripts/deploy.py --network anvil" in answer.error["hint"]
    doctor = cli("doctor")
    assert doctor.code == 1
    assert "scripts/deploy.py" in doctor.text


def test_anvil__whole_path__as_on_the_embedded_chain(cli: CommandLine, tmp_path: Path) -> None:
    assert cli.json("init")["network"] == "anvil"
    for name, content in (("observation", OBSERVATION), ("scan", SCAN)):
        (tmp_path / name).write_bytes(content)
    words = ["--as", "hospital", "--patient", "patient"]
    rows = cli.json("record", "publish", tmp_path / "observation", tmp_path / "scan", *words)
    again = cli.json("record", "publish", tmp_path / "observation", *words)
    assert (again[0]["record"], again[0]["already_published"]) == (rows[0]["record"], True)

    granted = cli.json("access", "grant", "--all", "--as", "patient", "--to", "doctor", "--until", "1d")
    assert cli.fetched(rows[0]["record"], "doctor") == OBSERVATION
    assert cli.fetched(rows[1]["record"], "doctor", "--offset", "70000", "--length", "9") == SCAN[70_000:70_009]
    assert cli("record", "fetch", rows[0]["record"], "--as", "clinic").code == 3
    assert cli("access", "revoke", granted["grant"], "--as", "doctor").code == 3
    assert [row["grantee"] for row in cli.json("audit", "may-read", "--patient", "patient")] == [
        cli.home.addresses["doctor"]
    ]

    cli.json("access", "revoke", granted["grant"], "--as", "patient")
    assert cli("record", "fetch", rows[0]["record"], "--as", "doctor").code == 3
    new = tmp_path / "corrected"
    new.write_bytes(OBSERVATION + b"\n")
    cli.json("record", "publish", new, *words, "--supersedes", rows[0]["record"])
    cli.json("record", "retract", rows[1]["record"], "--as", "hospital", "--reason", "not his")
    trail = [row["event"] for row in cli.json("audit", "trail", "--patient", "patient")]
    assert trail == [
        "RecordRegistered",
        "RecordRegistered",
        "AccessGranted",
        "AccessRevoked",
        "RecordSuperseded",
        "RecordRetracted",
    ]
    cli.json("audit", "rebuild")
    assert [row["event"] for row in cli.json("audit", "trail", "--patient", "patient")] == trail
    assert {row["health"] for row in cli.json("doctor")} == {"good"}


def test_anvil__two_processes_publish_at_once__both_do(cli: CommandLine, tmp_path: Path) -> None:
    processes = []
    for number in range(2):
        (tmp_path / f"file-{number}").write_bytes(b"record %d" % number)
        words = ["record", "publish", str(tmp_path / f"file-{number}"), "--as", "hospital", "--patient", "patient"]
        processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "medshare", *cli.home.options, "--json", *words],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        )
    answers = [process.communicate(timeout=120) for process in processes]
    assert [(process.returncode, err) for process, (_, err) in zip(processes, answers, strict=True)] == [(0, b"")] * 2
    records = {json.loads(out)[0]["record"] for out, _ in answers}
    assert {row["record"] for row in cli.json("record", "list", "--patient", "patient")} == records


def test_anvil__gone_and_back_elsewhere__nothing_is_lost(
    tmp_path: Path, place: Home, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = CommandLine(place, capsysbinary)
    file = tmp_path / "file"
    file.write_bytes(OBSERVATION)
    words = ["record", "publish", str(file), "--as", "hospital", "--patient", "patient"]
    state = tmp_path / "anvil-state"
    with running_anvil("--state", str(state)) as first:
        (place.path / "networks.toml").write_text(f'[networks.anvil]\nurl = "{first.url}"\n')
        deployed(place, monkeypatch)
        for name in ("hospital", "patient"):
            cli.json("identity", "fund", name)
            cli.json("identity", "publish", name)
        cli.accredit("hospital", AccreditationKind.CUSTODIAN)
    answer = cli("--json", *words)
    assert (answer.code, answer.error["error"]) == (6, "LedgerUnavailableError")
    assert cli("doctor").code == 1
    with running_anvil("--state", str(state)) as second:
        (place.path / "networks.toml").write_text(f'[networks.anvil]\nurl = "{second.url}"\n')
        (row,) = cli.json(*words)
        assert cli.fetched(row["record"], "patient") == OBSERVATION
        assert len(cli.json("record", "list", "--patient", "patient")) == 1
