"""Records of one chain on three institutions' real Kubo nodes: kept as the policy says, whatever happens to a node.

given three nodes of one private swarm, settings that name them, and a policy of two
├─ what was published before the nodes were named → status finds it missing there; repair copies it, a dry run does not
├─ what is published from now on → two nodes pin it at once, and a reader elsewhere opens it through a third
├─ a block is gone from a node's disk, another is false → a deep status finds them, a deep repair mends them
├─ a node is killed → status names it, publishing goes on and says what is missing; back again, a repair makes up for it
├─ somebody pins what nobody named → it is told as foreign
└─ a record is given up → its blocks are gone from each node
given a publication to a node
└─ the node is killed in the middle → a clear error; the same command again, when it is back, publishes it once
given a fetch from a node
├─ the node is killed in the middle, others hold it → it goes on from another
└─ nobody else holds it → a clear error, no file; the same command again, when it is back, fetches it
given records that are published one after the other
├─ a node is stopped and started, again and again → all are published, and a repair has each at two nodes
└─ the swarm is parted → nothing changes: copies do not go through the swarm
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from homes import OBSERVATION, PASSPHRASE, SCAN, CommandLine, Home
from swarms import SwarmNode, running_swarm, wait_until_connected

from medshare import connect
from medshare.content import Cid, references
from medshare.errors import StoreUnavailableError
from medshare.model.consent import RecordRef
from medshare.model.purpose import PurposeOfUse
from medshare.services.description import Description
from medshare.session import Session
from medshare.settings import NodeSettings, ReplicationSettings, Settings, StoreKind, StoreSettings
from medshare.storage import KuboBlobStore

pytestmark = [pytest.mark.e2e, pytest.mark.kubo]

COPIES = 2
LARGE = 48 << 20
MANY = int(os.environ.get("MEDSHARE_MANY_RECORDS", "200"))
"""How many records are published while nodes restart; ``make test-many`` takes 10,000."""
ATTEMPTS = 100
"""How often a record is given to a store that restarts, a second apart."""
DOWN_SECONDS, UP_SECONDS = 2.0, 4.0
"""How long a node is away, and how long all run until the next is."""


@pytest.fixture(scope="module")
def swarm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[SwarmNode]]:
    with running_swarm(tmp_path_factory.mktemp("swarm"), 3) as nodes:
        yield nodes


@pytest.fixture
def nodes(swarm: list[SwarmNode]) -> Iterator[list[SwarmNode]]:
    """The nodes, all running, and empty when the test is over."""
    yield swarm
    for node in swarm:
        node.start()
        with KuboBlobStore(node.address) as store:
            for root in store.pins():
                store.unpin(root)
            store.collect()


def name_nodes(home: Home, nodes: list[SwarmNode], *, own: SwarmNode | None = None) -> None:
    """Write into a home's settings where the nodes are, and which of them is its own store."""
    settings = Settings.load(home.path)
    replace(
        settings,
        store=StoreSettings() if own is None else StoreSettings(kind=StoreKind.KUBO, address=own.address),
        replication=ReplicationSettings(
            copies=COPIES, nodes=tuple(NodeSettings(name=node.name, address=node.address) for node in nodes)
        ),
    ).save()


@pytest.fixture
def named(home: Home, nodes: list[SwarmNode]) -> Home:
    name_nodes(home, nodes)
    return home


def status(cli: CommandLine, *options: str) -> dict[str, Any]:
    answer = cli("--json", "storage", "status", *options)
    assert answer.err == ""
    assert (answer.code == 0) == answer.json["sound"]
    found: dict[str, Any] = answer.json
    return found


def kept(found: dict[str, Any]) -> dict[str, str]:
    return {row["cid"]: row["kept"] for row in found["roots"]}


def assert_sound(cli: CommandLine) -> None:
    found = status(cli, "--deep")
    assert found["sound"], found
    assert all(len(row["pinned_by"]) >= COPIES for row in found["roots"])


def holding(nodes: list[SwarmNode], root: Cid) -> list[str]:
    """Return which nodes say, each for itself, that they hold a block."""
    found = []
    for node in nodes:
        with KuboBlobStore(node.address, alone=True) as store:
            if store.has(root):
                found.append(node.name)
    return found


def large_file(folder: Path) -> Path:
    path = folder / "scan"
    path.write_bytes(hashlib.shake_256(b"large").digest(LARGE))
    return path


def actor(session: Session, name: str) -> Any:
    return session.keyring.open(name, lambda _: PASSPHRASE)


# ------------------------------------------------------------------------------------------- keeping


def test_repair__published_before_the_nodes_were_named__is_copied_and_sound(
    cli: CommandLine, named: Home, nodes: list[SwarmNode]
) -> None:
    roots = [Cid.of_directory(bytes.fromhex(record)) for record in (named.observation, named.scan)]
    found = status(cli)
    assert kept(found) == {str(root): "missing" for root in roots}
    assert all(row["here"] for row in found["roots"])
    planned = cli("--json", "storage", "repair", "--dry-run")
    assert (planned.code, len(planned.json)) == (0, 2)
    assert kept(status(cli)) == kept(found)
    assert {row["done"] for row in cli.json("storage", "repair")} == {True}
    assert_sound(cli)
    assert cli.json("storage", "repair") == []
    assert all(len(holding(nodes, root)) == COPIES for root in roots)


def test_publish_and_grant__nodes_are_named__are_pinned_at_once_and_read_through_another(
    cli: CommandLine, named: Home, nodes: list[SwarmNode], tmp_path: Path
) -> None:
    (tmp_path / "new").write_bytes(b"new " + OBSERVATION)
    (published,) = cli.json("record", "publish", tmp_path / "new", "--as", "hospital", "--patient", "patient")
    granted = cli.json("access", "grant", published["record"], "--as", "patient", "--to", "doctor", "--until", "1d")
    rows = {row["cid"]: row for row in status(cli)["roots"]}
    assert len(rows[published["cid"]]["pinned_by"]) == COPIES
    assert (rows[granted["bundle"]]["kind"], len(rows[granted["bundle"]]["pinned_by"])) == ("bundle", COPIES)

    # The doctor has neither the hospital's blocks nor other nodes than the third in his settings.
    (third,) = [node for node in nodes if node.name not in rows[published["cid"]]["pinned_by"]]
    elsewhere = named.copied_to(tmp_path / "practice")
    replace(
        Settings.load(elsewhere.path),
        store=StoreSettings(kind=StoreKind.KUBO, address=third.address),
        replication=ReplicationSettings(),
    ).save()
    assert cli.fetched(published["record"], "doctor", home=elsewhere) == b"new " + OBSERVATION

    cli.json("access", "revoke", granted["grant"], "--as", "patient")
    found = status(cli)
    assert granted["bundle"] not in {row["cid"] for row in found["roots"] + found["ended"] + found["foreign"]}


def test_gateway_store__doctor_who_only_reads__fetches_and_cannot_publish(
    granted_home: Home, nodes: list[SwarmNode], tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    cli = CommandLine(granted_home, capsysbinary)
    name_nodes(granted_home, nodes)
    cli.json("storage", "repair")
    rows = {row["cid"]: row for row in status(cli)["roots"]}
    names = set.intersection(*(set(row["pinned_by"]) for row in rows.values()))
    reader = granted_home.copied_to(tmp_path / "practice")
    replace(Settings.load(reader.path), replication=ReplicationSettings()).save()
    # Each gateway fetches nothing: where no node has both, several stand behind each other.
    first, *others = sorted(nodes, key=lambda node: node.name not in names)
    assert cli.json("init", "--store", "gateway", "--gateway", first.gateway, home=reader)["store"] == "gateway"
    settings = Settings.load(reader.path)
    replace(settings, store=replace(settings.store, gateways=tuple(node.gateway for node in others))).save()
    assert cli.fetched(granted_home.scan, "doctor", home=reader) == SCAN
    # Whether one gateway has all that the hospital published, which wrote this home, depends on where it was pinned.
    told = cli("--json", "doctor", home=reader).json
    assert {row["health"] for row in told if row["check"] == "store"} == {"good"}
    (tmp_path / "new").write_bytes(b"new")
    answer = cli(
        "--json", "record", "publish", tmp_path / "new", "--as", "hospital", "--patient", "patient", home=reader
    )
    assert (answer.code, answer.error["error"]) == (1, "ReadOnlyStoreError")


def test_deep__block_gone_and_block_false_on_a_disk__are_found_and_mended(
    cli: CommandLine, named: Home, nodes: list[SwarmNode]
) -> None:
    cli.json("storage", "repair")
    scan = Cid.of_directory(bytes.fromhex(named.scan))
    (row,) = [row for row in status(cli)["roots"] if row["cid"] == str(scan)]
    (victim,) = [node for node in nodes if node.name == row["pinned_by"][0]]
    with KuboBlobStore(victim.address, alone=True) as store:
        parts = sorted((part.size or 0, part.cid) for part in references(store.get, scan) if part.data is None)
    victim.stop()
    victim.block_file(parts[-1][1]).unlink()
    spoilt = victim.block_file(parts[-2][1])
    spoilt.write_bytes(bytes([spoilt.read_bytes()[0] ^ 1]) + spoilt.read_bytes()[1:])
    victim.start()

    assert status(cli)["sound"]
    found = {row["cid"]: row["damaged_at"] for row in status(cli, "--deep")["roots"]}
    assert found[str(scan)] == [victim.name]
    answer = cli("--json", "storage", "repair", "--deep")
    assert answer.code == 1  # Kubo takes no block that it believes it has
    assert "ipfs repo verify --drop" in answer.json[0]["trouble"]
    assert victim.block_file(parts[-1][1]).exists()
    victim.stop()
    victim.run("repo", "verify", "--drop")
    victim.start()
    (mended,) = cli.json("storage", "repair", "--deep")
    assert (mended["cid"], mended["pinned_by_now"]) == (str(scan), [victim.name])
    assert_sound(cli)


def test_foreign__pinned_by_nobodys_word__is_told_and_left_alone(
    cli: CommandLine, named: Home, nodes: list[SwarmNode], tmp_path: Path
) -> None:
    (tmp_path / "film").write_bytes(b"holiday")
    foreign = nodes[0].run("add", "-r", "-Q", "-w", str(tmp_path / "film"))
    cli.json("storage", "repair")
    found = status(cli)
    assert found["sound"]
    assert found["foreign"] == [{"cid": foreign, "pinned_by": [nodes[0].name]}]
    text = cli("storage", "status").text
    assert "foreign" in text
    assert foreign in text


def test_unpin__a_record__is_gone_from_every_node(cli: CommandLine, named: Home, nodes: list[SwarmNode]) -> None:
    cli.json("storage", "repair")
    scan = Cid.of_directory(bytes.fromhex(named.scan))
    with KuboBlobStore(nodes[0].address) as store:
        blocks = [part.cid for part in references(store.get, scan)]
    assert cli("storage", "unpin", named.scan).code != 0  # nobody said yes
    assert len(holding(nodes, scan)) >= COPIES
    rows = cli.json("storage", "unpin", named.scan, "--yes")
    assert [(row["place"], row["gone"]) for row in rows] == [("here", True)] + [(node.name, True) for node in nodes]
    assert all(holding(nodes, block) == [] for block in blocks)
    assert cli("record", "fetch", named.scan, "--as", "patient").code == 4
    assert cli.fetched(named.observation, "patient") == OBSERVATION


# ---------------------------------------------------------------------------------------------- faults


def test_node_killed__publishing_goes_on_and_says_so__a_repair_makes_up_for_it(
    cli: CommandLine, named: Home, nodes: list[SwarmNode], tmp_path: Path
) -> None:
    cli.json("storage", "repair")
    for node in nodes[1:]:
        node.kill()
    (tmp_path / "new").write_bytes(b"new " + OBSERVATION)
    answer = cli("record", "publish", tmp_path / "new", "--as", "hospital", "--patient", "patient")
    assert answer.code == 0
    assert "pinned by 1 of 2 storage nodes" in answer.err
    assert f"medshare --home {named.path} storage repair" in answer.err
    found = status(cli)
    assert {row["name"]: row["reached"] for row in found["nodes"]} == {node.name: node is nodes[0] for node in nodes}
    told = cli("storage", "status").text
    assert all(f"{node.name}: NOT REACHED" in told for node in nodes[1:])

    for node in nodes[1:]:
        node.start()
    assert all(row["done"] for row in cli.json("storage", "repair"))
    assert_sound(cli)


def test_node_killed_in_the_middle_of_a_publish__is_said_and_repeating_publishes_once(
    people: Home, nodes: list[SwarmNode], tmp_path: Path
) -> None:
    hospital = nodes[1]
    name_nodes(people, nodes, own=hospital)
    killed = threading.Event()

    def kill(what: str, done: int, _total: int | None) -> None:
        if what == "encrypting" and done > LARGE // 2 and not killed.is_set():
            killed.set()
            hospital.kill()

    path = large_file(tmp_path)
    with connect(people.path) as session:
        wanted = {
            "custodian": actor(session, "hospital"),
            "patient": session.keyring.resolve("patient"),
            "description": Description(),
        }
        with pytest.raises(StoreUnavailableError) as caught:
            session.publishing.publish(path, progress=kill, **wanted)
        assert killed.is_set()
        assert "try again" in caught.value.hint
        assert session.auditing.records(session.keyring.resolve("patient")) == []
        hospital.start()
        published = session.publishing.publish(path, **wanted)
        assert not published.already
        assert session.shortfalls == ()
        assert len(session.auditing.records(session.keyring.resolve("patient"))) == 1
        found = session.replicating.status(deep=True)
        assert found.sound
        assert found.foreign == ()


def test_node_killed_in_the_middle_of_a_fetch__another_holds_it__goes_on_from_there(
    people: Home, nodes: list[SwarmNode], tmp_path: Path
) -> None:
    clinic = nodes[0]
    name_nodes(people, nodes, own=clinic)
    path = large_file(tmp_path)
    with connect(people.path) as session:
        ref = publish_large(session, path)
        opened = session.retrieving.open(ref, reader=actor(session, "patient"), purpose=PurposeOfUse.PATRQT)
        digest = hashlib.sha256()
        for number, piece in enumerate(opened.stream()):
            if number == 4:
                clinic.kill()
            digest.update(piece)
        assert digest.digest() == hashlib.sha256(path.read_bytes()).digest()


def test_node_killed_in_the_middle_of_a_fetch__nobody_else_holds_it__leaves_no_file_and_is_repeated(
    people: Home, nodes: list[SwarmNode], tmp_path: Path
) -> None:
    clinic = nodes[0]
    name_nodes(people, [], own=clinic)
    path = large_file(tmp_path)
    with connect(people.path) as session:
        ref = publish_large(session, path)
        patient = actor(session, "patient")

        def kill(_what: str, done: int, _total: int | None) -> None:
            if done > LARGE // 4:
                clinic.kill()

        opened = session.retrieving.open(ref, reader=patient, purpose=PurposeOfUse.PATRQT)
        with pytest.raises(StoreUnavailableError):
            opened.save(tmp_path / "fetched", progress=kill)
        assert sorted(each.name for each in tmp_path.iterdir() if each.is_file()) == ["scan"]
        clinic.start()
        opened = session.retrieving.open(ref, reader=patient, purpose=PurposeOfUse.PATRQT)
        opened.save(tmp_path / "fetched")
        assert (tmp_path / "fetched").read_bytes() == path.read_bytes()


def publish_large(session: Session, path: Path) -> RecordRef:
    hospital = actor(session, "hospital")
    published = session.publishing.publish(
        path, custodian=hospital, patient=session.keyring.resolve("patient"), description=Description()
    )
    return RecordRef(custodian=hospital.address, record_id=published.record_id)


@pytest.mark.timeout(300 + 2 * MANY)
def test_nodes_restart_while_records_are_published__all_are_there_and_a_repair_has_each_at_two(
    people: Home, nodes: list[SwarmNode], capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """One's own store restarts like the others: what it broke off is published again, as a person would."""
    cli = CommandLine(people, capsysbinary)
    name_nodes(people, nodes, own=nodes[0])
    figures: dict[str, float] = {"records": MANY, "broken off": 0, "restarts": 0}
    with connect(people.path) as session:
        hospital, patient = actor(session, "hospital"), session.keyring.resolve("patient")

        def publish(number: int) -> RecordRef:
            for _ in range(ATTEMPTS):
                with suppress(StoreUnavailableError):
                    published = session.publishing.publish(
                        b"record %d" % number, custodian=hospital, patient=patient, description=Description()
                    )
                    return RecordRef(custodian=hospital.address, record_id=published.record_id)
                figures["broken off"] += 1
                time.sleep(1)
            raise AssertionError(f"record {number} was not published in {ATTEMPTS} attempts")

        with ThreadPoolExecutor(1) as worker, measured(figures, "publishing"):
            publishing = worker.submit(lambda: [publish(number) for number in range(MANY)])
            while figures["restarts"] < 2 * len(nodes) or not publishing.done():
                # Each is stopped in order, and killed, in turn.
                node = nodes[int(figures["restarts"]) % len(nodes)]
                node.kill() if figures["restarts"] % 2 else node.stop()
                time.sleep(DOWN_SECONDS)
                node.start()
                figures["restarts"] += 1
                time.sleep(UP_SECONDS)
        refs = publishing.result()
        assert len(set(refs)) == len(session.auditing.records(patient)) == MANY
        figures["pinned by too few"] = len(session.shortfalls)
        assert figures["broken off"], "the restarts mean something only if they came between"
    with measured(figures, "repairing"):
        assert all(row["done"] for row in cli.json("storage", "repair"))
    with measured(figures, "looking at every block"):
        assert_sound(cli)
    found = status(cli)
    assert (len(found["roots"]), found["foreign"], found["ended"]) == (MANY, [], [])
    assert cli.json("audit", "verify")["differences"] == []
    for number in range(0, MANY, max(1, MANY // 10)):
        assert cli.fetched(refs[number].record_id.hex(), "patient") == b"record %d" % number
    print(json.dumps({what: round(figure, 1) for what, figure in figures.items()}))


@contextmanager
def measured(figures: dict[str, float], what: str) -> Iterator[None]:
    """Note how long a block takes, and by how much the process's greatest memory grows in it."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    figures[f"{what}, s"] = time.monotonic() - began
    figures[f"{what}, MiB more"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def test_swarm_parted__while_publishing__changes_nothing(
    cli: CommandLine, named: Home, nodes: list[SwarmNode], tmp_path: Path
) -> None:
    cli.json("storage", "repair")
    nodes[0].part_from(*nodes[1:])
    try:
        (tmp_path / "new").write_bytes(b"new " + OBSERVATION)
        cli.json("record", "publish", tmp_path / "new", "--as", "hospital", "--patient", "patient")
        assert_sound(cli)
    finally:
        nodes[0].meet(*nodes[1:])
        wait_until_connected(*nodes)
