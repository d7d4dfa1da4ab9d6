"""Institutions' nodes that are full, shut, deaf or lying, through the command line.

given a home with two records, and settings that name two nodes
├─ when a node's disk is full → publishing goes on and says so, and a repair makes up for it when there is space
├─ when a node loses or falsifies its answers → what it does not confirm does not count
├─ when a node takes no token of ours → it is said which setting is wrong, and the token never
├─ when a node is deaf → the others are told all the same
└─ when no nodes are named → it says how to name some
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fake_kubo import FakeKubo, running_fake
from homes import OBSERVATION, CommandLine
from nodes import deaf_port

from medshare.settings import NodeSettings, ReplicationSettings, Settings
from medshare.storage import repeating

pytestmark = pytest.mark.integration

TOKEN = "CANARY-token"


@pytest.fixture
def clinic(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKubo]:
    monkeypatch.setattr(repeating, "RETRY_DELAYS", (0.0, 0.0))
    with running_fake() as fake:
        yield fake


@pytest.fixture
def hospital() -> Iterator[FakeKubo]:
    with running_fake() as fake:
        yield fake


@pytest.fixture(autouse=True)
def _named(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that name both, each with a token; two copies are wanted."""
    cli: CommandLine = request.getfixturevalue("cli")
    monkeypatch.setenv("NODE_TOKEN", TOKEN)
    nodes = {name: request.getfixturevalue(name).address for name in ("clinic", "hospital")}
    name_nodes(cli, nodes)


def name_nodes(cli: CommandLine, nodes: dict[str, str]) -> None:
    replication = ReplicationSettings(
        copies=len(nodes),
        nodes=tuple(NodeSettings(name=name, address=at, token="NODE_TOKEN") for name, at in nodes.items()),
    )
    replace(Settings.load(cli.home.path), replication=replication).save()


def publish(cli: CommandLine, folder: Path, *options: str):
    (folder / "new").write_bytes(b"new " + OBSERVATION)
    return cli(*options, "record", "publish", folder / "new", "--as", "hospital", "--patient", "patient")


def test_disk_full__on_a_node__publishing_goes_on_and_a_repair_makes_up_for_it(
    cli: CommandLine, clinic: FakeKubo, hospital: FakeKubo, tmp_path: Path
) -> None:
    clinic.misbehave("dag/import", "full")
    answer = publish(cli, tmp_path, "--json")
    assert answer.code == 0
    (published,) = answer.json
    assert "clinic: the node's disk is full" in answer.error["warning"]
    assert "pinned by 1 of 2" in answer.error["warning"]
    assert "storage repair" in answer.error["hint"]
    assert published["cid"] in hospital.pins
    assert published["cid"] not in clinic.pins

    failing = cli("--json", "storage", "repair")
    assert failing.code == 1
    assert all("disk is full" in row["trouble"] for row in failing.json)
    clinic.faults.clear()
    assert {row["wanting"] for row in cli.json("storage", "repair")} == {0}
    assert cli.json("storage", "status", "--deep")["sound"]
    assert set(clinic.pins) == set(hospital.pins)
    assert len(clinic.pins) == 3


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("dag/import", "one block less"),
        ("dag/import", "cut silently"),
        ("pin/add", "other CID"),
        ("pin/add", "nothing"),
        ("pin/add", "500"),
    ],
)
def test_node__does_not_confirm__does_not_count(
    cli: CommandLine, clinic: FakeKubo, tmp_path: Path, command: str, fault: str
) -> None:
    clinic.misbehave(command, fault)
    answer = publish(cli, tmp_path)
    assert answer.code == 0
    assert "pinned by 1 of 2 storage nodes: clinic: " in answer.err
    clinic.faults.clear()
    cli.json("storage", "repair")
    assert cli.json("storage", "status", "--deep")["sound"]


def test_node__gives_false_blocks__is_damaged_where_every_block_is_read(cli: CommandLine, clinic: FakeKubo) -> None:
    cli.json("storage", "repair")
    clinic.misbehave("block/get", "one bit")
    assert cli("storage", "status").code == 0
    answer = cli("--json", "storage", "status", "--deep")
    assert answer.code == 1
    assert {tuple(row["damaged_at"]) for row in answer.json["roots"]} == {("clinic",)}


def test_token__refused__names_the_setting_and_never_the_token(
    cli: CommandLine, clinic: FakeKubo, hospital: FakeKubo, tmp_path: Path
) -> None:
    clinic.authorization = "Bearer another"
    hospital.authorization = f"Bearer {TOKEN}"
    answer = cli("--json", "storage", "status")
    assert answer.code == 1
    told = {node["name"]: node["trouble"] for node in answer.json["nodes"]}
    assert told["hospital"] is None
    assert "token in [replication.nodes.clinic]: the environment variable NODE_TOKEN" in told["clinic"]
    text = cli("storage", "status").text
    published = publish(cli, tmp_path)
    assert published.code == 0
    assert "NODE_TOKEN" in published.err
    assert TOKEN not in f"{answer.text}{answer.err}{text}{published.err}{published.text}"


def test_token__variable_is_not_set__says_which(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NODE_TOKEN")
    answer = cli("storage", "status")
    assert answer.code == 1
    assert "NODE_TOKEN" in answer.err
    assert "[replication.nodes.clinic]" in answer.err


def test_node__is_deaf__is_named_and_hides_nothing(cli: CommandLine, hospital: FakeKubo) -> None:
    with deaf_port() as port:
        name_nodes(cli, {"clinic": f"/ip4/127.0.0.1/tcp/{port}/http", "hospital": hospital.address})
        repaired = cli("--json", "storage", "repair")
        assert repaired.code == 1
        assert {tuple(row["pinned_by_now"]) for row in repaired.json} == {("hospital",)}
        assert "clinic did not answer" in repaired.err
        found = cli("storage", "status").text
    assert "clinic: NOT REACHED" in found
    assert "hospital: 2 pins" in found
    assert "under-replicated" in found


def test_status__for_a_person__lists_what_is_wanting_and_all_if_asked(cli: CommandLine) -> None:
    before = cli("storage", "status")
    assert before.code == 1
    assert "missing" in before.text
    assert f"medshare --home {cli.home.path} storage repair" in before.text
    cli.json("storage", "repair")
    after = cli("storage", "status")
    assert after.code == 0
    assert "nothing is wanting" in after.text
    assert "2 of 2 are pinned by 2 nodes or more" in after.text
    assert cli("storage", "status", "--all").text.count("clinic, hospital") == 2


def test_doctor__nodes_are_named__looks_at_them(cli: CommandLine, clinic: FakeKubo) -> None:
    def found() -> dict[str, str]:
        return next(row for row in cli("--json", "doctor").json if row["check"] == "replication")

    before = found()
    assert (before["health"], before["says"]) == ("warning", "2 of 2 records and bundles are not whole at 2 nodes")
    assert f"medshare --home {cli.home.path} storage repair" in before["mend"]
    cli.json("storage", "repair")
    assert (found()["health"], found()["says"]) == ("good", "2 records and bundles are at 2 storage nodes each")
    clinic.misbehave("pin/ls", "500")
    after = found()
    assert (after["health"], after["says"]) == ("warning", "these storage nodes do not answer: clinic")


def test_doctor__no_nodes_are_named__says_nothing_of_them(cli: CommandLine) -> None:
    name_nodes(cli, {})
    assert "replication" not in {row["check"] for row in cli("--json", "doctor").json}


def test_nodes__none_are_named__says_how(cli: CommandLine) -> None:
    name_nodes(cli, {})
    for verb in ("status", "repair"):
        answer = cli("storage", verb)
        assert answer.code == 1
        assert "[replication]" in answer.err


def test_init__again__keeps_the_nodes_and_gateways_that_are_named(cli: CommandLine) -> None:
    before = Settings.load(cli.home.path)
    replace(before, store=replace(before.store, gateways=("http://127.0.0.1:8080",))).save()
    cli.json("init", "--store", "local")
    after = Settings.load(cli.home.path)
    assert after.replication == before.replication
    assert after.store.gateways == ("http://127.0.0.1:8080",)


@pytest.mark.parametrize("words", [["--store", "gateway"], ["--gateway", "http://127.0.0.1:8080"]], ids=str)
def test_init__gateway_without_the_other_half__is_refused(cli: CommandLine, words: list[str]) -> None:
    answer = cli("init", *words)
    assert answer.code == 2
    assert "--gateway" in answer.err


def test_publish_folder__a_node_is_down__says_how_many_fall_short(
    cli: CommandLine, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes], clinic: FakeKubo
) -> None:
    import publish_folder

    clinic.misbehave("block/stat", "500")
    (tmp_path / "one.json").write_bytes(OBSERVATION.replace(b"7", b"8"))
    options = ["--home", str(cli.home.path), "--passphrase-file", str(cli.home.passphrase_file)]
    assert publish_folder.main([str(tmp_path), "--as", "hospital", "--patient", "patient", *options]) == 0
    assert b"1 of them are pinned by fewer storage nodes" in capsysbinary.readouterr().err
