"""An erasure at institutions' real nodes, and in the memory of a real process.

given two nodes of one private swarm that keep a hospital's records, and a doctor who has fetched one
├─ it is erased → no node has a block of it, not even unpinned; the certificate verifies; nothing is wanting
├─ it comes back at a node → status tells it as erased, the certificate holds no longer, a repair does not copy it
└─ a node is down → the erasure is unfinished and names it; when it is back, the same command finishes it
given a process that has opened a record and then erases it
└─ an image of its memory holds the key while the record is open, and neither when it was let go nor after the erasure
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from homes import PASSPHRASE, SCAN, CommandLine, Home
from swarms import SwarmNode, running_swarm
from test_replication import name_nodes

from medshare import connect
from medshare.content import Cid, references
from medshare.model.consent import RecordRef
from medshare.model.purpose import PurposeOfUse
from medshare.network.processes import dying_with_parent
from medshare.storage import KuboBlobStore

POLICY = b'version = 1\njurisdiction = "Examplia"\ndefault = 0\nacknowledge_within = 30\n'

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def swarm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[SwarmNode]]:
    with running_swarm(tmp_path_factory.mktemp("swarm"), 2) as nodes:
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


def prepared(home: Home, tmp_path: Path) -> Home:
    (home.path / "retention.toml").write_bytes(POLICY)
    (tmp_path / "why").write_text("consent withdrawn")
    return home


@pytest.fixture
def replicated(
    granted_home: Home, nodes: list[SwarmNode], capsysbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> CommandLine:
    """``medshare`` in a home of which both nodes keep everything."""
    home = prepared(granted_home, tmp_path)
    name_nodes(home, nodes)
    cli = CommandLine(home, capsysbinary)
    assert {row["done"] for row in cli.json("storage", "repair")} == {True}
    return cli


def erase(cli: CommandLine, tmp_path: Path) -> list[object]:
    words = ["--json", "record", "erase", cli.home.scan, "--as", "hospital", "--reason-file", tmp_path / "why"]
    return [*words, "--yes", "--certificate", tmp_path / "certificate"]


def blocks_of(node: SwarmNode, root: Cid) -> list[Cid]:
    with KuboBlobStore(node.address, alone=True) as store:
        return [part.cid for part in references(store.get, root)]


def held(nodes: list[SwarmNode], blocks: list[Cid]) -> dict[str, int]:
    """Return how many blocks each node says, for itself, that it holds."""
    found = {}
    for node in nodes:
        with KuboBlobStore(node.address, alone=True) as store:
            found[node.name] = sum(store.has(cid) for cid in blocks)
    return found


@pytest.mark.kubo
def test_erase__kept_by_the_members_nodes__no_node_has_a_block_and_the_certificate_holds(
    replicated: CommandLine, nodes: list[SwarmNode], tmp_path: Path
) -> None:
    cli, home = replicated, replicated.home
    assert cli.fetched(home.scan, "doctor") == SCAN
    blocks = blocks_of(nodes[0], Cid.of_directory(bytes.fromhex(home.scan)))
    assert set(held(nodes, blocks).values()) == {len(blocks)}
    answer = cli(*erase(cli, tmp_path))
    assert answer.code == 0, answer
    assert [(row["store"], row["gone"]) for row in answer.json["stores"]] == [
        ("here", True),
        *((node.name, True) for node in nodes),
    ]
    assert set(held(nodes, blocks).values()) == {0}
    cli.json("record", "forget", home.scan, "--as", "patient")
    refused = cli("--json", "record", "fetch", home.scan, "--as", "doctor", "--to", tmp_path / "fetched")
    assert (refused.code, refused.error["error"]) == (4, "RecordErasedError")
    cli.json("record", "acknowledge-erasure", home.scan, "--as", "doctor", "--to", tmp_path / "answer")
    taken = cli.json("record", "take-acknowledgement", tmp_path / "answer", "--as", "hospital")
    assert [row["reader"] for row in taken["acknowledged"]] == [home.addresses["doctor"]]
    assert cli.json("record", "verify-erasure", tmp_path / "certificate")["holds"]
    status = cli.json("storage", "status")
    assert (status["sound"], status["erased"]) == (True, [])
    assert cli.fetched(home.observation, "doctor")


@pytest.mark.kubo
def test_status__what_was_erased_comes_back__is_told_and_copied_nowhere(
    replicated: CommandLine, nodes: list[SwarmNode], tmp_path: Path
) -> None:
    cli, home = replicated, replicated.home
    root = Cid.of_directory(bytes.fromhex(home.scan))
    archive = tmp_path / "record.car"
    cli.json("storage", "export", home.scan, "--to", archive)
    assert cli(*erase(cli, tmp_path)).code == 0
    nodes[0].run("dag", "import", str(archive))
    found = cli("--json", "storage", "status")
    assert (found.code, found.json["erased"]) == (1, [{"cid": str(root), "held_by": [nodes[0].name]}])
    assert f"medshare --home {home.path} storage unpin CID" in cli("storage", "status").text
    assert cli.json("storage", "repair") == []
    assert held(nodes, [root]) == {nodes[0].name: 1, nodes[1].name: 0}
    assert cli("record", "verify-erasure", tmp_path / "certificate").code == 1
    cli.json("storage", "unpin", home.scan, "--yes")
    assert cli.json("record", "verify-erasure", tmp_path / "certificate")["holds"]


@pytest.mark.kubo
def test_erase__node_is_down__is_unfinished_and_finished_when_it_is_back(
    replicated: CommandLine, nodes: list[SwarmNode], tmp_path: Path
) -> None:
    cli, home = replicated, replicated.home
    blocks = blocks_of(nodes[0], Cid.of_directory(bytes.fromhex(home.scan)))
    nodes[1].kill()
    answer = cli(*erase(cli, tmp_path))
    assert answer.code == 1
    assert [row["store"] for row in answer.json["stores"] if not row["gone"]] == [nodes[1].name]
    assert not (tmp_path / "certificate").exists()
    assert cli("record", "fetch", home.scan, "--as", "patient").code == 4
    nodes[1].start()
    assert held(nodes, blocks) == {nodes[0].name: 0, nodes[1].name: len(blocks)}
    assert cli(*erase(cli, tmp_path)).code == 0
    assert set(held(nodes, blocks).values()) == {0}
    assert cli.json("record", "verify-erasure", tmp_path / "certificate")["holds"]


# ------------------------------------------------------------------------------------------------ memory

PROGRAM = f"""
import sys
from pathlib import Path
from medshare import connect
from medshare.model.consent import RecordRef
from medshare.model.purpose import PurposeOfUse

with connect(Path(sys.argv[1])) as session:
    hospital = session.keyring.open("hospital", lambda name: {PASSPHRASE!r})
    record_id = bytes.fromhex(sys.argv[2])
    record = RecordRef(custodian=hospital.address, record_id=record_id)
    opened = session.retrieving.open(record, reader=hospital, purpose=PurposeOfUse.TREAT)
    for _ in opened.stream():
        pass
    print("opened", flush=True)
    input()
    del opened
    print("closed", flush=True)
    input()
    assert session.erasing.erase(record_id, "consent withdrawn", custodian=hospital).certificate is not None
    print("erased", flush=True)
    input()
"""


@contextmanager
def running(home: Home) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", PROGRAM, str(home.path), home.scan]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=dying_with_parent()
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def occurrences(process: subprocess.Popen[str], secret: bytes) -> int:
    """Return how often a secret lies in what another process can read and write of its memory."""
    count = 0
    maps = Path(f"/proc/{process.pid}/maps").read_text()
    with Path(f"/proc/{process.pid}/mem").open("rb", buffering=0) as memory:
        for first, last in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) rw", maps, re.MULTILINE):
            memory.seek(int(first, 16))
            with suppress(OSError):  # a region of the kernel's own
                count += memory.read(int(last, 16) - int(first, 16)).count(secret)
    return count


def step(process: subprocess.Popen[str], word: str) -> None:
    """Wait until the process says a word."""
    assert process.stdout is not None
    assert process.stdout.readline().strip() == word


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_memory__of_the_process_that_erased__holds_the_key_no_longer(granted_home: Home, tmp_path: Path) -> None:
    if not Path("/proc/self/mem").exists():
        pytest.skip("this system shows no memory of processes")
    home = prepared(granted_home, tmp_path)
    with connect(home.path) as session:
        hospital = session.keyring.open("hospital", lambda _: PASSPHRASE)
        record = RecordRef(custodian=hospital.address, record_id=bytes.fromhex(home.scan))
        opened = session.retrieving.open(record, reader=hospital, purpose=PurposeOfUse.TREAT)
        # Its last bytes: what is freed and not overwritten loses its first ones to the allocator all the same.
        key = bytes(opened.file_key.reveal())[-16:]
    with running(home) as process:
        step(process, "opened")
        assert occurrences(process, key) > 0
        for word in ("closed", "erased"):
            go_on(process)
            step(process, word)
            assert occurrences(process, key) == 0, word
