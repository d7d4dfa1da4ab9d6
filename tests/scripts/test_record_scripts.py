"""The scripts for integrators and researchers, run as they would run them.

publish_folder.py
├─ publishes each FHIR resource of a folder; what is no resource is refused by name, and the rest goes on
├─ again: the same records, nothing twice; more files: only those are new
└─ broken off, or with an unknown name, or no folder: exit code 1 with a hint, and what was done is printed
fetch_records.py
├─ writes each record that was granted for the purpose, whole and verified, and a dataset.json about them
├─ again: nothing is fetched twice; what was revoked since is no longer in dataset.json
├─ what was retracted meanwhile is refused, exit code 3, and the rest comes
└─ with an unknown purpose or name: exit code 1 with a hint
"""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import fetch_records
import publish_folder
import pytest
from homes import ADDRESS_OF_NOBODY, OBSERVATION, SCAN, CommandLine, Home

pytestmark = pytest.mark.integration


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "resources"
    folder.mkdir()
    for kind in ("Observation", "Immunization", "Patient"):
        (folder / f"{kind}.json").write_text(json.dumps({"resourceType": kind, "id": "one"}))
    return folder


def publishing(home: Home, folder: Path, *more: str) -> list[str]:
    return [str(folder), "--as", "hospital", "--patient", "patient", *home.options, *more]


def fetching(home: Home, folder: Path, *more: str) -> list[str]:
    return ["--as", "doctor", "--purpose", "TREAT", "--to", str(folder), *home.options, *more]


# ------------------------------------------------------------------------------------------- publish_folder


def test_publish_folder__of_resources__publishes_each_once(
    people: Home, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish_folder.main(publishing(people, folder, "--json")) == 0
    first = json.loads(capsys.readouterr().out)
    assert [row["file"] for row in first] == ["Immunization.json", "Observation.json", "Patient.json"]
    (folder / "Zebra.json").write_text('{"resourceType": "Condition"}')
    assert publish_folder.main(publishing(people, folder, "--json")) == 0
    again = json.loads(capsys.readouterr().out)
    assert again[:3] == first
    assert len({row["record"] for row in again}) == 4


def test_publish_folder__what_it_published__opens_as_it_was(
    people: Home, folder: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    cli = CommandLine(people, capsysbinary)
    assert publish_folder.main(publishing(people, folder, "--json")) == 0
    for row in json.loads(capsysbinary.readouterr().out):
        assert cli.fetched(row["record"], "patient") == (folder / row["file"]).read_bytes()


def test_publish_folder__with_a_file_that_is_no_resource__refuses_it_and_goes_on(
    people: Home, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "AAA.json").write_text("[1, 2]")
    (folder / "AAB.json").mkdir()
    (folder / "notes.txt").write_text("not looked at")
    assert publish_folder.main(publishing(people, folder)) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("AAA.json: refused, ")
    assert lines[1] == "AAB.json: refused, Is a directory"
    assert len(lines) == 5
    assert all(len(line.split(": ")[1]) == 64 for line in lines[2:])


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--as", "nobody", "no identity is called 'nobody'"),
        ("--patient", "nobody", "no identity is called 'nobody'"),
        ("--patient", ADDRESS_OF_NOBODY, "published no encryption key"),
        ("--network", "nowhere", "no network is called 'nowhere'"),
        ("--passphrase-file", "/dev/null", "the passphrase does not open"),
    ],
)
def test_publish_folder__that_cannot_go_on__says_why(
    people: Home, folder: Path, capsys: pytest.CaptureFixture[str], option: str, value: str, says: str
) -> None:
    assert publish_folder.main(publishing(people, folder, option, value)) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert f"error: {says}" in said.err or says in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("what", ["missing", "a file"])
def test_publish_folder__that_is_none__is_refused(
    people: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    folder = tmp_path / "resources"
    if what == "a file":
        folder.write_text("{}")
    assert publish_folder.main(publishing(people, folder)) == 1
    assert "error: there is no such folder\nhint: check the path" in capsys.readouterr().err


def test_publish_folder__empty__has_nothing_to_do(
    people: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish_folder.main(publishing(people, tmp_path, "--json")) == 0
    assert json.loads(capsys.readouterr().out) == []


# -------------------------------------------------------------------------------------------- fetch_records


def test_fetch_records__granted__are_written_with_what_is_known_of_them(
    granted_home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "dataset"
    assert fetch_records.main(fetching(granted_home, target, "--json")) == 0
    printed = json.loads(capsys.readouterr().out)
    assert json.loads((target / "dataset.json").read_text()) == printed
    rows = {row["file"]: row for row in printed}
    assert {name: (target / name).read_bytes() for name in rows} == {
        granted_home.observation: OBSERVATION,
        granted_home.scan: SCAN,
    }
    row = rows[granted_home.observation]
    assert (row["bytes"], row["media_type"], row["category"], row["clinical_date"]) == (
        len(OBSERVATION),
        "application/fhir+json",
        "observation",
        "2026-03-04",
    )
    assert (row["patient"], row["custodian"]) == (
        granted_home.addresses["patient"],
        granted_home.addresses["hospital"],
    )
    assert row["grant"] == granted_home.grant
    assert row["usable_until"].endswith("+00:00")
    assert {path.stat().st_mode & 0o777 for path in target.iterdir()} == {0o600}


def test_fetch_records__again__fetches_nothing_twice_and_forgets_what_was_revoked(
    granted_home: Home, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    cli = CommandLine(granted_home, capsysbinary)
    target = tmp_path / "dataset"
    assert fetch_records.main(fetching(granted_home, target)) == 0
    text = capsysbinary.readouterr().out.decode()
    assert text.endswith(f"2 records in {target}\n")
    before = {path.name: path.stat().st_mtime_ns for path in target.iterdir() if path.name != "dataset.json"}
    assert fetch_records.main(fetching(granted_home, target)) == 0
    after = {path.name: path.stat().st_mtime_ns for path in target.iterdir() if path.name != "dataset.json"}
    assert after == before
    cli.json("access", "revoke", granted_home.grant, "--as", "patient")
    assert fetch_records.main(fetching(granted_home, target)) == 0
    assert json.loads((target / "dataset.json").read_text()) == []


def test_fetch_records__one_is_damaged__leaves_no_part_of_it_and_the_rest_comes(
    granted_home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = [path for path in (granted_home.path / "blocks" / "blocks").rglob("*") if path.is_file()]
    max(blocks, key=lambda path: path.stat().st_size).unlink()
    target = tmp_path / "dataset"
    assert fetch_records.main(fetching(granted_home, target)) == 3
    assert "the store has no block" in capsys.readouterr().err
    assert granted_home.scan not in {path.name for path in target.iterdir()}
    assert [row["file"] for row in json.loads((target / "dataset.json").read_text())] == [granted_home.observation]


def test_fetch_records__one_is_retracted_meanwhile__is_refused_and_the_rest_comes(
    granted_home: Home, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    from medshare.model.consent import RecordRef
    from medshare.services.retrieving import Readable, Retrieving

    CommandLine(granted_home, capsysbinary).json(
        "record", "retract", granted_home.scan, "--as", "hospital", "--reason", "wrong"
    )
    everything = [
        RecordRef(custodian=granted_home.addresses["hospital"], record_id=bytes.fromhex(record))
        for record in (granted_home.observation, granted_home.scan)
    ]
    # Between the question and the fetching, as it may happen.
    monkeypatch.setattr(
        Retrieving, "readable", lambda _self, **_more: Readable(records=tuple(everything), unreadable=())
    )
    target = tmp_path / "dataset"
    assert fetch_records.main(fetching(granted_home, target)) == 3
    assert granted_home.scan in capsysbinary.readouterr().err.decode()
    assert [row["file"] for row in json.loads((target / "dataset.json").read_text())] == [granted_home.observation]


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--as", "nobody", "no identity is called 'nobody'"),
        ("--purpose", "CURIOSITY", "unknown purpose"),
        ("--network", "nowhere", "no network is called 'nowhere'"),
    ],
)
def test_fetch_records__that_cannot_go_on__says_why(
    people: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str, says: str
) -> None:
    assert fetch_records.main(fetching(people, tmp_path / "dataset", option, value)) == 1
    said = capsys.readouterr()
    assert says in said.err
    assert "hint: " in said.err


def test_fetch_records__nothing_granted__is_an_empty_dataset(
    people: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetch_records.main(fetching(people, tmp_path / "dataset", "--json")) == 0
    assert json.loads(capsys.readouterr().out) == []


# --------------------------------------------------------------------------------------------- both of them


@pytest.mark.parametrize("script", ["publish_folder", "fetch_records"])
def test_script__as_a_program__needs_its_arguments_and_helps(
    script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(publish_folder.__file__).with_name(f"{script}.py")
    for words, code in ((["--help"], 0), ([], 2)):
        monkeypatch.setattr(sys, "argv", [str(path), *words])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(path), run_name="__main__")
        assert ended.value.code == code
    said = capsys.readouterr()
    assert f"python scripts/{script}.py" in said.out
    assert "--as" in said.err


@pytest.mark.parametrize("script", [publish_folder, fetch_records], ids=["publish_folder", "fetch_records"])
def test_script__passphrase_file_in_the_environment__is_taken(
    people: Home, tmp_path: Path, script, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEDSHARE_HOME", str(people.path))
    monkeypatch.setenv("MEDSHARE_PASSPHRASE_FILE", str(people.passphrase_file))
    (tmp_path / "empty").mkdir()
    words = {
        "publish_folder": [str(tmp_path / "empty"), "--as", "hospital", "--patient", "patient"],
        "fetch_records": ["--as", "doctor", "--to", str(tmp_path / "dataset")],
    }[script.__name__]
    assert script.main(words) == 0
    capsys.readouterr()
    monkeypatch.delenv("MEDSHARE_PASSPHRASE_FILE")
    with pytest.raises(SystemExit):
        script.main(words)
    assert "--passphrase-file" in capsys.readouterr().err
