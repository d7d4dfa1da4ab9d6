"""The consortium kit on the command line, without nodes.

given three institutions
├─ each makes its keys, and prints its part of the member file; made again they are the same
├─ from the file put together, init writes the folders of one or all; written again nothing changes
├─ check finds all well but that nodes stand still, and after a change what is wrong, with exit code 1
├─ reconcile and give-way of an institution without a validator are refused before anything is asked
└─ give-way of a node that does not run says so; with QBFT nobody has to
given no network on this machine
├─ status and down say so; stop and start of a node too
└─ up of a network on another machine's hosts is refused
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from medshare.chain import LocalSigner
from medshare.cli import main
from medshare.network.local_making import make_local
from medshare.network.members import MemberFile

pytestmark = pytest.mark.integration

NAMES = ("north", "south", "west")


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """The command line: what it prints as JSON, or what it says of an error."""

    def run(*words: str, code: int = 0) -> Any:
        capsys.readouterr()
        ended = main(["network", *words, "--json"])
        said = capsys.readouterr()
        assert ended == code, said.err
        return json.loads(said.out or said.err)

    return run


@pytest.fixture
def members_file(told: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The member file that three institutions have put together, all of whose secrets are here."""
    monkeypatch.setattr("medshare.network.keys.SCRYPT_WORK", 1 << 12)
    parts = []
    for number, name in enumerate(NAMES, start=1):
        account = LocalSigner.from_key(number.to_bytes(32)).address
        words = ["keys", name, "--in", str(tmp_path), "--address", account, "--host", f"{name}.example"]
        made = told(*words, *(["--swarm-key"] if number == 1 else []))
        if number == 1:
            parts.insert(0, f'name = "health"\nchain_id = 4711\nswarm_key = "{made["swarm_key"]}"\n')
        parts.append(made["member_file"])
        assert told(*words)["member_file"] == made["member_file"]
    path = tmp_path / "members.toml"
    path.write_text("\n\n".join(parts) + "\n")
    return path


def test_kit__keys_to_folders__is_checked_and_mended(
    told: Callable[..., Any], members_file: Path, tmp_path: Path
) -> None:
    where = (str(members_file), "--in", str(tmp_path))
    first = told("init", *where, "--only", "north")
    assert {path.partition("/")[0] for path in first["written"]} == {"genesis.json", "north"}
    done = told("init", *where)
    assert (done["network"], done["validators"], done["storage"], done["confirmations"]) == ("health", 3, 3, 2)
    assert told("init", *where)["written"] == []

    found = {each["check"]: each for each in told("check", *where)}
    assert found["files"]["health"] == "good"
    assert found["validator-north"] == {
        "check": "validator-north",
        "health": "warning",
        "says": "does not answer",
        "mend": "start it: validator-north/start.sh",
    }
    (tmp_path / "south/validator-south/config.toml").unlink()
    wrong = told("check", *where, code=1)
    assert [each["check"] for each in wrong if each["health"] == "bad"] == ["file south/validator-south/config.toml"]
    assert told("init", *where)["written"] == ["south/validator-south/config.toml"]
    assert told("check", str(members_file), "--in", str(tmp_path / "none"), code=2)["error"] == "InvalidInputError"


def test_keys__for_people__are_toml_to_copy(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    account = LocalSigner.from_key(bytes([9]) * 32).address
    words = ["keys", "east", "--in", str(tmp_path), "--address", account, "--host", "192.0.2.9", "--swarm-key"]
    assert main(["network", *words, "--qbft", "--validators", "2"]) == 0
    part, _, below = capsys.readouterr().out.partition("# above the institutions:")
    text = f'name = "x"\nchain_id = 1\nconsensus = "qbft"\n{below}\n{part}'
    members = MemberFile.parse(text.encode())
    assert [node.rpc_port for node in members.validators] == [8545, 8546]
    assert members.institution("east").address == account


def test_keys__swarm_key_twice__is_refused(told: Callable[..., Any], members_file: Path, tmp_path: Path) -> None:
    account = LocalSigner.from_key(bytes([9]) * 32).address
    words = ("keys", "north", "--in", str(tmp_path), "--address", account, "--host", "north.example", "--swarm-key")
    assert "exists already" in told(*words, code=2)["message"]


@pytest.mark.parametrize("command", ["reconcile", "give-way"])
def test_votes_and_ways__institution_without_validator__are_refused(
    told: Callable[..., Any], members_file: Path, tmp_path: Path, command: str
) -> None:
    part = f'[[institutions]]\nname = "small"\naddress = "{LocalSigner.from_key(bytes([9]) * 32).address}"\n'
    members_file.write_text(members_file.read_text() + "\n" + part)
    said = told(command, str(members_file), "--in", str(tmp_path), "--as", "small", code=1)
    assert "no validator" in said["message"]


def test_give_way__nothing_to_ask__says_so(told: Callable[..., Any], members_file: Path, tmp_path: Path) -> None:
    where = (str(members_file), "--in", str(tmp_path), "--as")
    said = told("give-way", *where, "north", "--dry-run", code=6)
    assert "no node answers at" in said["message"]
    assert "start.sh" in said["hint"]
    qbft = tmp_path / "qbft.toml"
    qbft.write_text('consensus = "qbft"\n' + members_file.read_text())
    assert "QBFT" in told("give-way", str(qbft), *where[1:], "north", code=1)["message"]


@pytest.mark.parametrize("words", [("status",), ("down",), ("stop", "validator-1"), ("start", "validator-1")])
def test_local_network__not_there__says_how_to_make_one(
    told: Callable[..., Any], tmp_path: Path, words: tuple[str, ...]
) -> None:
    said = told(*words, "--in", str(tmp_path), code=1)
    assert "no local network" in said["message"]
    assert "network up" in said["hint"]


def test_local_network__stands_still__says_so(told: Callable[..., Any]) -> None:
    # Not below tmp_path: what tests are called makes its path too long for a socket.
    with TemporaryDirectory(prefix="network-") as folder:
        make_local(Path(folder), validators=1, storage=1)
        assert [row["state"] for row in told("status", "--in", folder)] == ["stopped"] * 2
        assert "does not run" in told("start", "validator-1", "--in", folder, code=1)["message"]
        assert "has no node" in told("stop", "validator-7", "--in", folder, code=2)["message"]
        assert not told("down", "--in", folder)["was_running"]


def test_up__hosts_elsewhere__is_refused(told: Callable[..., Any], members_file: Path, tmp_path: Path) -> None:
    assert "on loopback" in told("up", "--in", str(tmp_path), code=1)["message"]
