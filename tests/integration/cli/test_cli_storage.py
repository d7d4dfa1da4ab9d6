"""Storage on the command line: roots by CID or by id, archives, pins, collection.

given a home with two records
├─ a root is named by its CID or by its id in hex, whatever digit the id begins with
├─ export and unpack write new files only; a root that is not there leaves none
└─ collect removes what no pin keeps, says what it spares because it is young, and a record's blocks stay
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click
import pytest
from homes import SCAN, CommandLine

from medshare.cli.values import CidValue
from medshare.content import Cid
from medshare.errors import InvalidInputError, StoreFullError
from medshare.settings import StoreKind, StoreSettings
from medshare.storage import LocalBlobStore

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("first", "0123456789abcdefABCDEF")
def test_root__id_in_hex__is_an_id_whatever_it_begins_with(first: str) -> None:
    record = first + "7" * 63
    expected = Cid.of_directory(bytes.fromhex(record))
    for text in (record, f"0x{record}", str(expected)):
        assert CidValue().convert(text, None, None) == expected


@pytest.mark.parametrize("text", ["", "b", "bafy", "Qm" + "a" * 44, "zzz", "7" * 63, "b" * 65, "0x", "../x"])
def test_root__that_is_none__is_refused(text: str) -> None:
    with pytest.raises((InvalidInputError, click.UsageError)):
        CidValue().convert(text, None, None)


def test_export__by_id_and_by_cid__is_the_same_archive(cli: CommandLine, tmp_path: Path) -> None:
    (shown,) = cli.json("record", "show", cli.home.scan)
    by_id = cli.json("storage", "export", cli.home.scan, "--to", tmp_path / "by-id")
    by_cid = cli.json("storage", "export", shown["cid"], "--to", tmp_path / "by-cid")
    assert by_id["root"] == by_cid["root"] == shown["cid"]
    assert (tmp_path / "by-id").read_bytes() == (tmp_path / "by-cid").read_bytes()
    assert by_id["bytes"] == (tmp_path / "by-id").stat().st_size > len(SCAN)


def test_export_and_unpack__something_is_there__leave_it(cli: CommandLine, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(b"precious")
    assert cli("storage", "export", cli.home.scan, "--to", kept).code == 2
    assert cli("storage", "unpack", cli.home.scan, "--to", tmp_path).code == 2
    assert cli("storage", "unpack", cli.home.scan, "--to", tmp_path / "missing" / "folder").code == 2
    assert kept.read_bytes() == b"precious"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["kept"]


@pytest.mark.parametrize("verb", ["export", "unpack"])
def test_root__is_not_in_the_store__leaves_nothing(cli: CommandLine, tmp_path: Path, verb: str) -> None:
    answer = cli("storage", verb, "ab" * 32, "--to", tmp_path / "new")
    assert (answer.code, answer.out) == (4, b"")
    assert not (tmp_path / "new").exists()


def test_unpack__a_record__is_four_files_in_cipher(cli: CommandLine, tmp_path: Path) -> None:
    said = cli.json("storage", "unpack", cli.home.scan, "--to", tmp_path / "new")
    assert said["files"] == ["commitment", "header.c4gh", "manifest.c4gh", "payload.c4gh"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == said["files"]
    assert SCAN[:64] not in (tmp_path / "new" / "payload.c4gh").read_bytes()


def test_collect__after_a_revocation__keeps_the_records(cli: CommandLine) -> None:
    granted = cli.json("access", "grant", "--all", "--as", "patient", "--to", "doctor", "--until", "1d")
    assert granted["bundle"] in {row["cid"] for row in cli.json("storage", "pins")}
    cli.json("access", "revoke", granted["grant"], "--as", "patient")
    assert granted["bundle"] not in {row["cid"] for row in cli.json("storage", "pins")}
    assert cli.json("storage", "collect")["kept_blocks"] > 0
    assert cli.fetched(cli.home.scan, "patient") == SCAN


@pytest.mark.about("local", "a Kubo node spares nothing for its age")
def test_collect__after_an_interrupted_publication__says_what_it_spares_and_removes_it_if_told(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "large").write_bytes(SCAN)
    with monkeypatch.context() as broken:

        def full(*_args: object) -> None:
            raise StoreFullError("no space left while writing a pin")

        broken.setattr(LocalBlobStore, "pin", full)
        answer = cli("record", "publish", tmp_path / "large", "--as", "clinic", "--patient", "patient")
    assert answer.code == 6
    assert f"medshare --home {cli.home.path} storage collect --older-than 0s" in answer.err
    spared = cli.json("storage", "collect")
    assert spared["removed_blocks"] == 0
    assert spared["spared_bytes"] > len(SCAN)
    assert "--older-than 0s" in cli("storage", "collect").text
    removed = cli.json("storage", "collect", "--older-than", "0s")
    assert (removed["removed_blocks"], removed["freed_bytes"]) == (spared["spared_blocks"], spared["spared_bytes"])
    assert removed["spared_blocks"] == 0
    assert cli.fetched(cli.home.scan, "patient") == SCAN


@pytest.mark.parametrize("span", ["soon", "-1s", "1", ""])
def test_collect__age_that_is_none__is_refused(cli: CommandLine, span: str) -> None:
    assert cli("storage", "collect", f"--older-than={span}").code == 2


def test_collect__age_for_a_kubo_node__is_refused(cli: CommandLine) -> None:
    store = StoreSettings(kind=StoreKind.KUBO, address="/ip4/127.0.0.1/tcp/1/http")
    replace(cli.home.settings, store=store).save()
    answer = cli("storage", "collect", "--older-than", "0s")
    assert answer.code == 2
    assert "Kubo" in answer.err
