"""The scripts for integrators and researchers, run as they would run them.

publish_folder.py
├─ publishes each FHIR resource of a folder; what is no resource is refused by name, and the rest goes on
├─ again: the same records, nothing twice; more files: only those are new, and it says which
└─ broken off, or with an unknown name, or no folder: the exit code of the error, a hint, and what was done is printed
fetch_records.py
├─ writes each record that was granted for the purpose, whole and verified, and a dataset.json about them
├─ again: nothing is fetched twice; a file that is another or cut short is fetched again, a folder in its place refused
├─ what was revoked, has expired or was retracted since stays in dataset.json, and is told to be deleted
├─ what was superseded since names its newest version
├─ what cannot be had is refused with the exit code of its error, and the rest comes
├─ nothing granted: it says why, as far as the chain does
├─ another data set's folder, or a damaged dataset.json, is refused; half a record is removed
└─ with an unknown purpose or name: the exit code of the error, and a hint
both
└─ ask for the passphrase where nobody named a file, and say so where nobody is there
"""

from __future__ import annotations

import hashlib
import json
import re
import runpy
import sys
from pathlib import Path

import fetch_records
import publish_folder
import pytest
from homes import ADDRESS_OF_NOBODY, OBSERVATION, PASSPHRASE, SCAN, CommandLine, Home

from medshare.errors import LedgerUnavailableError
from medshare.services.publishing import Publishing
from medshare.services.retrieving import Retrieving
from medshare.session import SystemClock

pytestmark = pytest.mark.integration

RESOURCES = {
    "Observation": {"status": "final", "code": {"text": "weight"}},
    "Immunization": {
        "status": "completed",
        "vaccineCode": {"text": "flu"},
        "patient": {"reference": "Patient/one"},
        "occurrenceDateTime": "2026-03-04",
    },
    "Patient": {},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "resources"
    folder.mkdir()
    for kind, more in RESOURCES.items():
        (folder / f"{kind}.json").write_text(json.dumps({"resourceType": kind, "id": "one", **more}))
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
    (folder / "Zebra.json").write_text('{"resourceType": "Condition", "subject": {"reference": "Patient/one"}}')
    assert publish_folder.main(publishing(people, folder, "--json")) == 0
    again = json.loads(capsys.readouterr().out)
    assert [row["already_published"] for row in first] == [False] * 3
    assert again[:3] == [row | {"already_published": True} for row in first]
    assert not again[3]["already_published"]
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
    assert publish_folder.main(publishing(people, folder)) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("AAA.json: refused, ")
    assert lines[1] == "AAB.json: refused, the plaintext is a folder"
    assert len(lines) == 6
    assert all(re.fullmatch(r"\w+\.json: new, [0-9a-f]{64}", line) for line in lines[2:5])
    assert lines[5] == "3 new, 0 published before and unchanged, 2 refused"


def test_publish_folder__again__says_what_is_new_and_what_is_unchanged(
    people: Home, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish_folder.main(publishing(people, folder)) == 0
    (folder / "Patient.json").write_text('{"resourceType": "Patient", "id": "one", "active": true}')
    capsys.readouterr()
    assert publish_folder.main(publishing(people, folder)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(", ")[0] for line in lines[:3]] == [
        "Immunization.json: there already",
        "Observation.json: there already",
        "Patient.json: new",
    ]
    assert lines[3] == "1 new, 2 published before and unchanged, 0 refused"


def test_publish_folder__somebody_else_s_among_them__is_refused(
    people: Home, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "Patient.json").write_text('{"resourceType": "Patient", "id": "two"}')
    assert publish_folder.main(publishing(people, folder)) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "Patient.json: refused, it is about another patient than what came before it"
    assert lines[3] == "2 new, 0 published before and unchanged, 1 refused"


def test_publish_folder__broken_off__tells_what_was_done(
    people: Home, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    publish = Publishing.publish
    calls = []

    def publish_one(self: Publishing, source: bytes, **more):
        calls.append(source)
        if len(calls) == 2:
            raise LedgerUnavailableError("gone")
        return publish(self, source, **more)

    monkeypatch.setattr(Publishing, "publish", publish_one)
    assert publish_folder.main(publishing(people, folder)) == 6
    said = capsys.readouterr()
    assert said.out.endswith("1 new, 0 published before and unchanged, 0 refused\n")
    assert said.err.startswith("error: gone\nhint: ")


@pytest.mark.parametrize(
    ("option", "value", "says", "code"),
    [
        ("--as", "nobody", "no identity is called 'nobody'", 4),
        ("--patient", "nobody", "no identity is called 'nobody'", 4),
        ("--patient", ADDRESS_OF_NOBODY, "published no encryption key", 4),
        ("--network", "nowhere", "no network is called 'nowhere'", 4),
        ("--home", "/nonexistent", "no medshare home", 4),
        ("--passphrase-file", "/dev/null", "the passphrase file is empty", 1),
    ],
)
def test_publish_folder__that_cannot_go_on__says_why(
    people: Home, folder: Path, capsys: pytest.CaptureFixture[str], option: str, value: str, says: str, code: int
) -> None:
    assert publish_folder.main(publishing(people, folder, option, value)) == code
    said = capsys.readouterr()
    assert ": new" not in said.out
    assert says in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("what", ["missing", "a file"])
def test_publish_folder__that_is_none__is_refused(
    people: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    folder = tmp_path / "resources"
    if what == "a file":
        folder.write_text("{}")
    assert publish_folder.main(publishing(people, folder)) == 2
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
    assert {key: printed[key] for key in ("version", "network", "reader", "purposes", "grants", "refused")} == {
        "version": 1,
        "network": granted_home.settings.network,
        "reader": granted_home.addresses["doctor"],
        "purposes": ["TREAT"],
        "grants": {"granted": 1},
        "refused": [],
    }
    rows = {row["file"]: row for row in printed["records"]}
    assert {name: (target / name).read_bytes() for name in rows} == {
        granted_home.observation: OBSERVATION,
        granted_home.scan: SCAN,
    }
    assert rows[granted_home.scan]["sha256"] == hashlib.sha256(SCAN).hexdigest()
    row = rows[granted_home.observation]
    assert row.pop("usable_until").endswith("Z")
    assert row == {
        "record": granted_home.observation,
        "file": granted_home.observation,
        "present": True,
        "sha256": hashlib.sha256(OBSERVATION).hexdigest(),
        "bytes": len(OBSERVATION),
        "media_type": "application/fhir+json",
        "category": "observation",
        "clinical_date": "2026-03-04",
        "patient": granted_home.addresses["patient"],
        "custodian": granted_home.addresses["hospital"],
        "version": 1,
        "status": "active",
        "newest_version": None,
        "grant": granted_home.grant,
        "state": "granted",
        "ended_at": None,
        "noticed_at": None,
    }
    assert {path.stat().st_mode & 0o777 for path in target.iterdir()} == {0o600}


def fetched_rows(target: Path) -> dict[str, dict[str, object]]:
    return {row["record"]: row for row in json.loads((target / "dataset.json").read_text())["records"]}


def test_fetch_records__again__fetches_nothing_twice(
    granted_home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "dataset"
    assert fetch_records.main(fetching(granted_home, target)) == 0
    assert f"2 records in {target} may be used" in capsys.readouterr().out
    before = {path.name: path.stat().st_mtime_ns for path in target.iterdir() if path.name != "dataset.json"}
    assert fetch_records.main(fetching(granted_home, target)) == 0
    assert capsys.readouterr().out.count("there already") == 2
    after = {path.name: path.stat().st_mtime_ns for path in target.iterdir() if path.name != "dataset.json"}
    assert after == before


@pytest.mark.parametrize("what", ["cut short", "another of the same size", "empty"])
def test_fetch_records__file_there_is_another__is_fetched_again(
    granted_home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    target = tmp_path / "dataset"
    target.mkdir()
    flipped = bytes([SCAN[0] ^ 1]) + SCAN[1:]
    there = {"cut short": SCAN[:-1], "another of the same size": flipped, "empty": b""}[what]
    (target / granted_home.scan).write_bytes(there)
    assert fetch_records.main(fetching(granted_home, target)) == 0
    assert "fetched again: what was there was not it" in capsys.readouterr().out
    assert (target / granted_home.scan).read_bytes() == SCAN


def test_fetch_records__folder_in_the_place_of_a_file__is_refused_and_the_rest_comes(
    granted_home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "dataset"
    (target / granted_home.scan).mkdir(parents=True)
    assert fetch_records.main(fetching(granted_home, target, "--json")) == 2
    said = capsys.readouterr()
    assert f"{granted_home.scan}: in the place of the record's file is something else" in said.err
    assert json.loads(said.out)["refused"][0]["error"] == "InvalidInputError"
    assert set(fetched_rows(target)) == {granted_home.observation}


def test_fetch_records__half_a_record_is_left__is_removed(granted_home: Home, tmp_path: Path) -> None:
    target = tmp_path / "dataset"
    target.mkdir()
    (target / f".{granted_home.scan}.0123456789ab.part").write_bytes(SCAN[:100])
    (target / ".mine.part").write_bytes(b"not ours")
    assert fetch_records.main(fetching(granted_home, target)) == 0
    assert {path.name for path in target.iterdir() if path.name.endswith(".part")} == {".mine.part"}


def test_fetch_records__revoked_since__stays_in_the_data_set_and_is_to_be_deleted(
    granted_home: Home, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    cli = CommandLine(granted_home, capsysbinary)
    target = tmp_path / "dataset"
    assert fetch_records.main(fetching(granted_home, target)) == 0
    cli.json("access", "revoke", granted_home.grant, "--as", "patient")
    assert fetch_records.main(fetching(granted_home, target)) == 0
    said = capsysbinary.readouterr().out.decode()
    assert "nothing is granted for TREAT: of the grants to 0x" in said
    assert "1 revoked" in said
    assert "2 files may no longer be used, delete them:" in said
    assert f"{target / granted_home.scan}: revoked 20" in said
    rows = fetched_rows(target)
    assert {row["state"] for row in rows.values()} == {"revoked"}
    assert all(row["ended_at"] and row["noticed_at"] and row["present"] for row in rows.values())

    (target / granted_home.scan).unlink()
    assert fetch_records.main(fetching(granted_home, target)) == 0
    assert "1 files may no longer be used" in capsysbinary.readouterr().out.decode()
    again = fetched_rows(target)
    assert (again[granted_home.scan]["present"], again[granted_home.observation]["present"]) == (False, True)
    assert again[granted_home.scan]["noticed_at"] == rows[granted_home.scan]["noticed_at"]

    cli.json("access", "grant", "--all", "--as", "patient", "--to", "doctor", "--until", "1d")
    assert fetch_records.main(fetching(granted_home, target)) == 0
    assert {(row["state"], row["present"], row["ended_at"]) for row in fetched_rows(target).values()} == {
        ("granted", True, None)
    }


def test_fetch_records__expired_since__says_since_when(
    granted_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "dataset"
    assert fetch_records.main(fetching(granted_home, target)) == 0
    until = {row["usable_until"] for row in fetched_rows(target).values()}
    now = SystemClock().now()
    monkeypatch.setattr(SystemClock, "now", lambda _self: now + 2 * 86_400)
    assert fetch_records.main(fetching(granted_home, target)) == 0
    assert "1 expired" in capsys.readouterr().out
    rows = fetched_rows(target).values()
    assert {(row["state"], row["ended_at"]) for row in rows} == {("expired", each) for each in until}


def test_fetch_records__superseded_or_retracted_since__says_which_and_by_what(
    granted_home: Home, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    cli = CommandLine(granted_home, capsysbinary)
    target = tmp_path / "dataset"
    assert fetch_records.main(fetching(granted_home, target)) == 0
    corrected = tmp_path / "corrected"
    corrected.write_bytes(OBSERVATION + b"\n")
    (newer,) = cli.json(
        "record",
        "publish",
        corrected,
        "--as",
        "hospital",
        "--patient",
        "patient",
        "--supersedes",
        granted_home.observation,
    )
    cli.json("record", "retract", granted_home.scan, "--as", "hospital", "--reason", "wrong")
    assert fetch_records.main(fetching(granted_home, target)) == 0
    said = capsysbinary.readouterr()
    assert f"  {granted_home.observation} by {newer['record']}" in said.out.decode()
    assert f"{target / granted_home.scan}: retracted 20" in said.out.decode()
    assert said.err == b""
    rows = fetched_rows(target)
    states = {record: (row["state"], row["status"], row["newest_version"]) for record, row in rows.items()}
    assert states == {
        granted_home.observation: ("granted", "superseded", newer["record"]),
        granted_home.scan: ("retracted", "retracted", None),
        newer["record"]: ("granted", "active", None),
    }


@pytest.mark.about("local", "files of its blocks")
def test_fetch_records__one_is_damaged__leaves_no_part_of_it_and_the_rest_comes(
    granted_home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = [path for path in (granted_home.path / "blocks" / "blocks").rglob("*") if path.is_file()]
    max(blocks, key=lambda path: path.stat().st_size).unlink()
    target = tmp_path / "dataset"
    assert fetch_records.main(fetching(granted_home, target)) == 4
    assert "the store has no block" in capsys.readouterr().err
    assert {path.name for path in target.iterdir()} == {granted_home.observation, "dataset.json"}
    assert set(fetched_rows(target)) == {granted_home.observation}


def test_fetch_records__one_is_retracted_before_it_was_fetched__is_refused_and_the_rest_comes(
    granted_home: Home, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    CommandLine(granted_home, capsysbinary).json(
        "record", "retract", granted_home.scan, "--as", "hospital", "--reason", "wrong"
    )
    target = tmp_path / "dataset"
    assert fetch_records.main(fetching(granted_home, target)) == 3
    assert granted_home.scan in capsysbinary.readouterr().err.decode()
    assert set(fetched_rows(target)) == {granted_home.observation}


@pytest.mark.parametrize(
    ("error", "code"), [(LedgerUnavailableError("gone"), 6), (KeyboardInterrupt(), 130)], ids=["node", "keyboard"]
)
def test_fetch_records__breaks_off__keeps_what_came_and_goes_on_later(
    granted_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    opened = Retrieving.open
    calls = []

    def open_one(self: Retrieving, record, **more):
        calls.append(record)
        if len(calls) == 2:
            raise error
        return opened(self, record, **more)

    monkeypatch.setattr(Retrieving, "open", open_one)
    target = tmp_path / "dataset"
    assert fetch_records.main(fetching(granted_home, target)) == code
    assert len(fetched_rows(target)) == 1
    monkeypatch.undo()
    assert fetch_records.main(fetching(granted_home, target)) == 0
    assert len(fetched_rows(target)) == 2


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[]", "not a JSON object"),
        ("{", "not well-formed"),
        ('{"version": 2, "records": []}', "version 2"),
        ('{"version": 1, "records": [{"record": "x"}]}', "hex"),
        ('{"version": 1, "records": [], "network": "other"}', "another network, reader or purpose"),
    ],
)
def test_fetch_records__dataset_json_is_not_its_own__is_refused_and_kept(
    granted_home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, says: str
) -> None:
    target = tmp_path / "dataset"
    target.mkdir()
    (target / "dataset.json").write_text(content)
    assert fetch_records.main(fetching(granted_home, target)) == 2
    said = capsys.readouterr().err
    assert says in said
    assert "hint: " in said
    assert (target / "dataset.json").read_text() == content


def test_fetch_records__for_another_purpose__needs_a_folder_of_its_own(
    granted_home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "dataset"
    assert fetch_records.main(fetching(granted_home, target)) == 0
    assert fetch_records.main(fetching(granted_home, target, "--purpose", "HRESCH")) == 2
    assert "choose another folder" in capsys.readouterr().err
    assert len(fetched_rows(target)) == 2


@pytest.mark.parametrize(
    ("option", "value", "says", "code"),
    [
        ("--as", "nobody", "no identity is called 'nobody'", 4),
        ("--purpose", "CURIOSITY", "unknown purpose", 2),
        ("--network", "nowhere", "no network is called 'nowhere'", 4),
        ("--home", "/nonexistent", "no medshare home", 4),
        ("--passphrase-file", "/dev/null", "the passphrase file is empty", 1),
    ],
)
def test_fetch_records__that_cannot_go_on__says_why_and_makes_no_folder(
    people: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str, says: str, code: int
) -> None:
    assert fetch_records.main(fetching(people, tmp_path / "dataset", option, value)) == code
    said = capsys.readouterr()
    assert says in said.err
    assert "hint: " in said.err
    assert not (tmp_path / "dataset").exists()


def test_fetch_records__nothing_granted__is_an_empty_data_set_and_says_why(
    people: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetch_records.main(fetching(people, tmp_path / "dataset")) == 0
    said = capsys.readouterr().out
    assert f"nobody has granted anything to {people.addresses['doctor']}" in said
    assert fetch_records.main(fetching(people, tmp_path / "dataset", "--json")) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["records"], printed["grants"]) == ([], {})


def test_fetch_records__granted_for_something_else__says_so(
    granted_home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetch_records.main(fetching(granted_home, tmp_path / "dataset", "--purpose", "HRESCH")) == 0
    assert "1 purpose-not-granted" in capsys.readouterr().out


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
    monkeypatch.setenv("MEDSHARE_PASSPHRASE_FILE", "")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    assert script.main(words) == 1
    assert "--passphrase-file" in capsys.readouterr().err
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.termui.hidden_prompt_func", lambda _question: PASSPHRASE)
    assert script.main(words) == 0


@pytest.mark.parametrize("script", [publish_folder, fetch_records], ids=["publish_folder", "fetch_records"])
def test_script__stopped_from_the_keyboard__is_130_and_no_traceback(
    people: Home, tmp_path: Path, script, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("medshare.keyring.Keyring.open", stop)
    (tmp_path / "empty").mkdir()
    words = {
        "publish_folder": publishing(people, tmp_path / "empty"),
        "fetch_records": fetching(people, tmp_path / "dataset"),
    }[script.__name__]
    assert script.main(words) == 130
    assert capsys.readouterr().err == "stopped\n"
