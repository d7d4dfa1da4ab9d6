"""A published record belongs to nobody's program: other tools open it, address it and carry it.

given a home in which a FHIR record and one of several blocks are published
├─ `cat header.c4gh payload.c4gh` opens with the reference Crypt4GH tool and an exported key: the original bytes
├─ its directory's blocks are, one for one, those of npm ipfs-unixfs-importer, and those in the exported CAR
└─ the CAR imported into a home without blocks: the record is fetched there
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from homes import OBSERVATION, PASSPHRASE, SCAN, CommandLine
from nodes import ROOT, require

from medshare.content import read_car
from medshare.envelope import PACKET_LENGTH

pytestmark = pytest.mark.e2e

HEADER_SIZE = 16 + PACKET_LENGTH
LARGE = SCAN * 4  # several MiB, so that its payload has a tree
RECORDS = {"FHIR": OBSERVATION, "large": LARGE}


@pytest.fixture(params=RECORDS)
def original(request: pytest.FixtureRequest) -> bytes:
    return RECORDS[request.param]


@pytest.fixture
def record(cli: CommandLine, tmp_path: Path, original: bytes) -> str:
    (tmp_path / "file").write_bytes(original)
    (row,) = cli.json("record", "publish", tmp_path / "file", "--as", "hospital", "--patient", "neighbour")
    return str(row["record"])


def reference_tool(key: Path, sealed: bytes) -> bytes:
    done = subprocess.run(
        [Path(sys.executable).with_name("crypt4gh"), "decrypt", "--sk", key],
        input=sealed,
        capture_output=True,
        env={"PATH": os.environ["PATH"], "C4GH_PASSPHRASE": PASSPHRASE},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.mark.parametrize("reader", ["neighbour", "hospital"])
def test_record__header_and_payload_in_one__opens_with_the_reference_tool(
    cli: CommandLine, record: str, original: bytes, reader: str, tmp_path: Path
) -> None:
    cli.json("storage", "unpack", record, "--to", tmp_path / "unpacked")
    exported = cli.json("identity", "export", reader, "--to", tmp_path)
    sealed = b"".join((tmp_path / "unpacked" / name).read_bytes() for name in ("header.c4gh", "payload.c4gh"))
    assert reference_tool(Path(exported["secret"]), sealed) == original


def test_record__granted__opens_with_the_reference_tool_and_the_readers_own_header(
    cli: CommandLine, record: str, original: bytes, tmp_path: Path
) -> None:
    granted = cli.json("access", "grant", record, "--as", "neighbour", "--to", "doctor", "--until", "1d")
    cli.json("storage", "unpack", record, "--to", tmp_path / "record")
    cli.json("storage", "unpack", granted["bundle"], "--to", tmp_path / "bundle")
    exported = cli.json("identity", "export", "doctor", "--to", tmp_path)
    # The only file that is a header and nothing more; the others are terms and excerpts.
    (header,) = (path.read_bytes() for path in (tmp_path / "bundle").iterdir() if path.stat().st_size == HEADER_SIZE)
    payload = (tmp_path / "record" / "payload.c4gh").read_bytes()
    assert reference_tool(Path(exported["secret"]), header + payload) == original


def test_record__exported__has_block_for_block_the_cids_of_the_reference_importer(
    cli: CommandLine, record: str, tmp_path: Path
) -> None:
    node = require("node")
    if not (ROOT / "node_modules" / "ipfs-unixfs-importer").is_dir():
        require("ipfs-unixfs-importer")  # skips, or fails where nodes are required
    cli.json("storage", "unpack", record, "--to", tmp_path / "unpacked")
    exported = cli.json("storage", "export", record, "--to", tmp_path / "record.car")
    judged = subprocess.run(
        [node, "tests/judges/directory.mjs", tmp_path / "unpacked"],
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        check=True,
    )
    judgement = json.loads(judged.stdout)
    roots, blocks = read_car(io.BytesIO((tmp_path / "record.car").read_bytes()))
    archived = {str(block.cid): len(block.data) for block in blocks}
    assert [str(root) for root in roots] == [judgement["root"]] == [exported["root"]]
    assert archived == judgement["blocks"]
    assert judgement["root"] == cli.json("record", "show", record)[0]["cid"]


def test_record__imported_into_a_home_without_blocks__is_fetched_there(
    cli: CommandLine, record: str, original: bytes, tmp_path: Path
) -> None:
    granted = cli.json("access", "grant", record, "--as", "neighbour", "--to", "doctor", "--until", "1d")
    for root, name in ((record, "record.car"), (granted["bundle"], "bundle.car")):
        cli.json("storage", "export", root, "--to", tmp_path / name)
    elsewhere = cli.home.copied_to(tmp_path / "elsewhere")
    shutil.rmtree(elsewhere.path / "blocks")
    assert cli("record", "fetch", record, "--as", "neighbour", home=elsewhere).code == 4

    assert cli.json("storage", "import", tmp_path / "record.car", home=elsewhere)["roots"]
    assert cli.fetched(record, "neighbour", home=elsewhere) == original
    assert cli("record", "fetch", record, "--as", "doctor", home=elsewhere).code == 4
    cli.json("storage", "import", tmp_path / "bundle.car", home=elsewhere)
    assert cli.fetched(record, "doctor", home=elsewhere) == original
    assert len(cli.json("storage", "pins", home=elsewhere)) == 2


@pytest.mark.parametrize("fault", ["cut", "flipped", "empty", "no archive"])
def test_import__damaged_archive__keeps_nothing_of_it(cli: CommandLine, tmp_path: Path, fault: str) -> None:
    cli.json("storage", "export", cli.home.scan, "--to", tmp_path / "scan.car")
    archive = bytearray((tmp_path / "scan.car").read_bytes())
    match fault:
        case "cut":
            archive = archive[:-100]
        case "flipped":
            archive[len(archive) // 2] ^= 1
        case "empty":
            archive = bytearray()
        case "no archive":
            archive = bytearray(b"this is text, and no archive of blocks")
    (tmp_path / "damaged.car").write_bytes(archive)
    elsewhere = cli.home.copied_to(tmp_path / "elsewhere")
    shutil.rmtree(elsewhere.path / "blocks")
    answer = cli("storage", "import", tmp_path / "damaged.car", home=elsewhere)
    assert (answer.code, answer.out) == (5, b"")
    assert cli.json("storage", "pins", home=elsewhere) == []
