"""The script that builds geth and Kubo, with a Go that only pretends.

install_nodes.py
├─ what is there is not built again, and printed
├─ what is missing is built with its own flags, and placed whole
├─ a build that fails leaves nothing, and gives 1; so does a machine without Go
└─ an unknown program gives 2
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import install_nodes
import pytest

from medshare.errors import ConfigurationError
from medshare.network.binaries import GETH, find_program, require_program

pytestmark = pytest.mark.integration

GO = """#!{python}
import json, pathlib, sys
words = sys.argv[1:]
if words[:2] == ["mod", "download"]:
    print(json.dumps({{"Dir": "{folder}"}}))
elif "{fails}":
    pathlib.Path(words[words.index("-o") + 1]).write_text("half")
    sys.exit(1)
else:
    pathlib.Path(words[words.index("-o") + 1]).write_text(" ".join(words))
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("medshare.network.binaries.user_cache_path", lambda _: tmp_path / "cache")
    return tmp_path / "cache"


def _go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, fails: bool = False) -> None:
    program = tmp_path / "bin" / "go"
    program.parent.mkdir()
    program.write_text(GO.format(python=sys.executable, folder=tmp_path, fails="yes" if fails else ""))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


def test_install__what_is_missing__is_built_once(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _go(tmp_path, monkeypatch)
    assert install_nodes.main(["geth"]) == 0
    built = cache / f"geth-{GETH.version}" / "geth"
    assert capsys.readouterr().out == f"{built}\n"
    assert built.read_text().startswith("build -trimpath -ldflags=-checklinkname=0 -o ")
    assert list(built.parent.iterdir()) == [built]
    built.write_text("the one that is there")
    assert install_nodes.main([]) == 0
    assert built.read_text() == "the one that is there"
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_install__build_fails__leaves_nothing(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _go(tmp_path, monkeypatch, fails=True)
    assert install_nodes.main(["kubo"]) == 1
    assert "kubo was not built" in capsys.readouterr().err
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_install__without_go__is_1(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert install_nodes.main(["geth"]) == 1
    assert "built with Go" in capsys.readouterr().err


def test_install__unknown_program__is_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        install_nodes.main(["parity"])
    assert ended.value.code == 2


def test_program__named_or_nowhere__is_found_or_refused(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").touch()
    assert find_program(GETH, {GETH.variable: str(tmp_path / "mine")}) == tmp_path / "mine"
    monkeypatch.setenv("PATH", str(tmp_path))
    nowhere = replace(GETH, variable="MEDSHARE_NOWHERE")
    assert find_program(nowhere) is None
    with pytest.raises(ConfigurationError, match="geth is not on this machine") as refused:
        require_program(nowhere)
    assert "make nodes" in refused.value.hint
