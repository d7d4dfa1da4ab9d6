"""The demo shows the whole path, goes on where it was, and touches no other folder.

given an empty folder
├─ the demo publishes thirteen records, all come back byte for byte, and each refused reader has his own reason
├─ a second run in the folder ends the same, and publishes nothing twice
├─ the commands that it recommends work in its folder
└─ a folder with anything else in it is refused and stays as it is; the home named before the command counts
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from homes import CommandLine, Home

from medshare import demo
from medshare.chain import LocalSigner
from medshare.cli import main
from medshare.demo import IDENTITIES, LARGE_SIZE, Outcome, example_records, run_demo
from medshare.errors import ConfigurationError
from medshare.keyring import Keyring

pytestmark = pytest.mark.e2e

RECORDS = 13


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, list[str]]:
    """One run of the demo, with keystores that are quick to open."""
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as quick:
        quick.setattr(LocalSigner.save_keystore, "__kwdefaults__", {"work": 1 << 12})
        return run_demo(tmp_path_factory.mktemp("demo") / "folder", lines.append), lines


@pytest.fixture
def cli(told: tuple[Outcome, list[str]], capsysbinary: pytest.CaptureFixture[bytes]) -> CommandLine:
    return CommandLine(Home(path=Path(told[0].home), addresses={}), capsysbinary)


def test_demo__in_an_empty_folder__does_what_it_shows(told: tuple[Outcome, list[str]]) -> None:
    outcome, lines = told
    assert outcome.records == RECORDS
    assert outcome.bytes_verified == LARGE_SIZE + sum(len(document) for _, document in example_records())
    assert outcome.refused == {"stranger": "no-grant", "researcher": "expired", "specialist": "revoked"}
    assert outcome.packet_bytes == 124
    assert outcome.events == RECORDS + 4
    text = "\n".join(lines)
    assert len(re.findall(r"^  public: RecordRegistered\(", text, re.MULTILINE)) == 2
    assert "… and 11 more of this kind" in text
    assert "denied for TREAT: the grant does not cover this purpose" in text
    for name in IDENTITIES:
        assert name in text


def test_demo__what_it_fetched__is_what_was_published(told: tuple[Outcome, list[str]]) -> None:
    fetched = sorted((Path(told[0].home) / "fetched").iterdir())
    assert [path.read_bytes() for path in fetched[:-1]] == [document for _, document in example_records()]
    assert fetched[-1].stat().st_size == LARGE_SIZE


def test_demo__shows_as_public__no_key_and_no_plaintext(told: tuple[Outcome, list[str]]) -> None:
    public = [line for line in told[1] if "public:" in line]
    assert len(public) >= 6
    said = "\n".join(public)
    assert not re.search(r"json|Observation|[0-9a-f]{40}", said)


def test_demo__commands_it_recommends__work(told: tuple[Outcome, list[str]], cli: CommandLine) -> None:
    commands = [line.strip() for line in told[1] if line.startswith("  medshare ")]
    assert len(commands) == 6
    for command in commands:
        answer = cli(*shlex.split(command)[1:])
        assert (answer.code, answer.err) == (0, ""), command
    (recommended,) = (line for line in told[1] if "export MEDSHARE_HOME" in line)
    assert f"MEDSHARE_HOME={told[0].home} " in recommended
    assert f"MEDSHARE_PASSPHRASE_FILE={cli.home.passphrase_file}" in recommended


def test_demo__again_in_its_folder__goes_on_and_publishes_nothing_twice(
    told: tuple[Outcome, list[str]], cli: CommandLine
) -> None:
    before = [row["record"] for row in cli.json("record", "list", "--patient", "patient")]
    outcome = run_demo(Path(told[0].home), lambda _line: None)
    assert [row["record"] for row in cli.json("record", "list", "--patient", "patient")] == before
    assert (outcome.records, outcome.refused) == (RECORDS, told[0].refused)
    assert outcome.events > told[0].events
    assert cli("doctor").code == 0


def test_demo__after_grants_that_are_not_its_own__says_so(
    told: tuple[Outcome, list[str]], capsysbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    home = Home(path=Path(told[0].home), addresses={}).copied_to(tmp_path / "copy")
    cli = CommandLine(home, capsysbinary)
    granted = cli.json("access", "grant", "--all", "--as", "patient", "--to", "stranger", "--until", "1h")
    for _ in ("granted", "revoked"):
        with pytest.raises(ConfigurationError, match="the stranger has been granted something"):
            run_demo(home.path, lambda _line: None)
        cli.json("access", "revoke", granted["grant"], "--as", "patient")


@pytest.mark.parametrize("what", ["a file", "a folder", "a passphrase", "a home"])
def test_demo__in_a_folder_with_something_else__refuses_and_touches_nothing(
    people: Home, tmp_path: Path, what: str
) -> None:
    folder = people.path if what == "a home" else tmp_path / "other"
    if what == "a folder":
        (folder / "inner").mkdir(parents=True)
    elif what != "a home":
        folder.mkdir()
        (folder / ("passphrase" if what == "a passphrase" else "file")).write_text("precious")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    with pytest.raises(ConfigurationError, match="holds something else"):
        run_demo(folder, lambda _line: None)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_demo__broken_off_before_its_passphrase__is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "demo"
    first = demo._prepare(home)
    (home / demo.PASSPHRASE_FILE).unlink()
    assert demo._prepare(home) != first
    assert Keyring(home / "identities").names() == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--home", "{here}/before", "demo"], "before"),
        (["demo", "--home", "{here}/after"], "after"),
        (["--home", "{here}/before", "demo", "--home", "{here}/after"], "after"),
        (["demo"], "medshare-demo"),
    ],
    ids=["before", "after", "both", "neither"],
)
def test_demo__on_the_command_line__runs_in_the_folder_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    expected: str,
) -> None:
    outcome = Outcome(home="", records=1, bytes_verified=2, packet_bytes=3, refused={}, events=4, seconds=5.0)
    asked: list[Path] = []

    def run(home: Path, say: demo.Say) -> Outcome:
        asked.append(home)
        say("\x1b[31mtold")
        return outcome

    monkeypatch.setattr("medshare.demo.run_demo", run)
    monkeypatch.chdir(tmp_path)
    filled = [word.format(here=tmp_path) for word in words]
    assert main(filled) == 0
    assert capsys.readouterr().out == "\\x1b[31mtold\n"
    assert main(["--json", *filled]) == 0
    assert json.loads(capsys.readouterr().out)["records"] == 1
    assert asked == [tmp_path / expected] * 2
