"""The packaged tables are what their sources say, and the script that writes them says where they are not.

write_standards.py
├─ --check: the tables that come with medshare are what HL7's definitions and UCUM's table say
├─ --check where one is another or missing: it is named, exit code 1, and nothing is written
└─ without it: the tables are written, the same each time
"""

from __future__ import annotations

from pathlib import Path

import pytest
import write_standards
from nodes import require

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _definitions() -> None:
    require("fhir-examples")


def test_check__of_the_packaged_tables__finds_them_true() -> None:
    assert write_standards.main(["--check"]) == 0


def test_check__of_another_and_of_none__names_them_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ucum.json").write_text("{}")
    monkeypatch.setattr(write_standards, "TARGET", tmp_path)
    assert write_standards.main(["--check"]) == 1
    told = capsys.readouterr().err
    assert "fhir-r4.json is not" in told
    assert "ucum.json is not" in told
    assert [path.name for path in tmp_path.iterdir()] == ["ucum.json"]


def test_main__writes_the_tables_that_are_packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packaged = write_standards.TARGET
    monkeypatch.setattr(write_standards, "TARGET", tmp_path)
    assert write_standards.main([]) == 0
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (packaged / path.name).read_bytes()
    assert len(list(tmp_path.iterdir())) == 2
