"""The script that writes what the code says into docs/.

write_reference.py
├─ writes three pages, the same each time; every command, every function, event and error, every case is in them
└─ --check: 0 on pages as they should be, 1 on one that is changed or missing, and writes nothing
compile_contracts.py --check
└─ the packaged contracts are those of the sources, and a changed one is noticed
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import compile_contracts
import pytest
import write_reference
from nodes import require

from medshare.chain.artifacts import CONTRACTS, load_artifact

pytestmark = pytest.mark.integration


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.setattr(write_reference, "ROOT", tmp_path)
    monkeypatch.setattr(write_reference, "COMMAND_LINE", tmp_path / "command-line.md")
    monkeypatch.setattr(write_reference, "ON_CHAIN", tmp_path / "public-on-chain.md")
    monkeypatch.setattr(write_reference, "CONSENT_TABLE", tmp_path / "consent-table.md")
    monkeypatch.setattr(write_reference, "PERMISSIONS", tmp_path / "permissions.md")
    assert write_reference.main([]) == 0
    names = ("command-line.md", "public-on-chain.md", "consent-table.md", "permissions.md")
    return [tmp_path / name for name in names]


def test_pages__written__hold_everything(pages: list[Path]) -> None:
    command_line, on_chain, cases, permissions = (page.read_text() for page in pages)
    for name in ("medshare", "medshare record publish", "medshare access revoke-all", "medshare doctor"):
        assert f"## `{name}`\n" in command_line
    public = set(re.findall(r"\| (function|event|error) \| `(\w+)` \|", on_chain))
    for name in CONTRACTS:
        ours = {(entry["type"], entry["name"]) for entry in load_artifact(name).abi if "name" in entry}
        ours = {entry for entry in ours if entry[1].startswith(name)}
        assert ours <= public
    assert all(line.count("|") == 5 for line in on_chain.splitlines() if line.startswith("| "))
    rows = [line for line in cases.splitlines() if line.startswith("| `")]
    assert len(rows) == len(set(rows)) >= 70
    assert all(line.count("|") == 7 for line in rows)
    rows = [line for line in permissions.splitlines() if line.startswith("| `")]
    assert len(rows) >= 70
    assert all(line.count("|") == 5 for line in rows)


def test_pages__written_again__are_the_same(pages: list[Path]) -> None:
    before = [page.read_bytes() for page in pages]
    assert write_reference.main([]) == 0
    assert [page.read_bytes() for page in pages] == before


def test_check__of_pages_as_they_should_be__is_0(pages: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert write_reference.main(["--check"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("how", ["changed", "missing"])
def test_check__of_a_stale_page__is_1_and_writes_nothing(
    pages: list[Path], capsys: pytest.CaptureFixture[str], number: int, how: str
) -> None:
    page = pages[number]
    if how == "missing":
        page.unlink()
    else:
        page.write_text(page.read_text() + "\n")
    stale = page.read_text() if page.exists() else None
    assert write_reference.main(["--check"]) == 1
    assert f"{page.name} is not what the code says; run: make snapshot" in capsys.readouterr().err
    assert (page.read_text() if page.exists() else None) == stale


def test_compile_contracts__check_of_what_is_packaged__is_0(capsys: pytest.CaptureFixture[str]) -> None:
    require("solc")
    assert compile_contracts.main(["--check"]) == 0
    assert "up to date" in capsys.readouterr().out


def test_compile_contracts__check_of_a_changed_package__is_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    require("solc")
    shutil.copytree(compile_contracts.PACKAGED, tmp_path / "packaged")
    artifact = tmp_path / "packaged" / "Consortium.json"
    artifact.write_text(artifact.read_text().replace("60", "61", 1))
    assert compile_contracts.main(["--check", "--output", str(tmp_path / "packaged")]) == 1
    assert "Consortium.json: 2 lines differ" in capsys.readouterr().err
