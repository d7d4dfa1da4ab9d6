"""What a script may conclude from the exit code, each with a case that happens.

given a home with two records
├─ 0 done · 1 error · 2 usage or input · 3 denied · 4 not found · 5 integrity · 6 unavailable
├─ errors go to standard error, with what to do next; as JSON if asked for, and with -v with their origin
├─ every error of the library has a code, and no refusal has 0
└─ nothing that is said holds characters that command a terminal, whatever was given
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from filelock import FileLock
from homes import ADDRESS_OF_NOBODY, CommandLine
from nodes import deaf_port

from medshare import errors
from medshare.chain import open_chain
from medshare.cli import main
from medshare.cli.ending import ExitCode, exit_code

pytestmark = pytest.mark.integration

ESCAPE = "\x1b[31m\x07\x9b2J\u202e"
COMMANDS_A_TERMINAL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def damage(cli: CommandLine, record: str) -> None:
    """Change one byte of the largest block under a record."""
    blocks = cli.home.path / "blocks" / "blocks"
    largest = max((path for path in blocks.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[100] ^= 1
    largest.chmod(0o600)
    largest.write_bytes(content)


def test_exit_code__done__is_0(cli: CommandLine) -> None:
    assert cli("record", "show", cli.home.scan).code == 0


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["identity", "new", "doctor"], "IdentityExistsError"),
        (["identity", "publish", "doctor"], "EncryptionKeyUnchangedError"),
        (["record", "retract", "{retracted}", "--as", "hospital", "--reason", "again"], "RecordNotActiveError"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_exit_code__something_stands_against_it__is_1(cli: CommandLine, words: list[str], error: str) -> None:
    cli.json("record", "retract", cli.home.observation, "--as", "hospital", "--reason", "wrong")
    answer = cli("--json", *(word.format(retracted=cli.home.observation) for word in words))
    assert (answer.code, answer.error["error"]) == (1, error)


@pytest.mark.parametrize(
    "words",
    [
        ["record", "show", "not an id"],
        ["record", "show", "ab"],
        ["record", "list", "--patient", "No Such Name"],
        ["record", "list", "--patient", "0x1234"],
        ["record", "list", "--patient", "0xABCDEFabcdefabcdefabcdefabcdefabcdefabcdef"],
        ["access", "list"],
        ["access", "revoke", "0", "--as", "patient"],
        ["access", "revoke", "zz", "--as", "patient"],
        ["access", "check", "{scan}", "--as", "doctor", "--purpose", "CURIOSITY"],
        ["audit", "may-read", "--patient", "patient", "--at", "tomorrow"],
        ["audit", "may-read", "--patient", "patient", "--at", "1d"],
        ["audit", "may-read", "--patient", "patient", "--at", "1890-01-01"],
        ["storage", "export", "bnotacid", "--to", "x"],
        ["identity", "new", "../sneaky"],
        ["identity", "show", "Doctor"],
    ],
    ids=" ".join,
)
def test_exit_code__input_that_cannot_be__is_2(cli: CommandLine, words: list[str]) -> None:
    answer = cli("--json", *(word.format(scan=cli.home.scan) for word in words))
    assert (answer.code, answer.out) == (2, b"")
    assert answer.error["error"] == "InvalidInputError"


def test_exit_code__no_right_or_the_wrong_passphrase__is_3(cli: CommandLine, tmp_path: Path) -> None:
    denied = cli("--json", "record", "fetch", cli.home.scan, "--as", "stranger", "--to", tmp_path / "out")
    assert (denied.code, denied.error["error"]) == (3, "AccessDeniedError")
    assert "ask the patient" in denied.error["hint"]
    assert not (tmp_path / "out").exists()

    wrong = tmp_path / "wrong"
    wrong.write_text("another passphrase")
    wrong.chmod(0o600)
    refused = cli("--passphrase-file", wrong, "--json", "record", "readable", "--as", "doctor")
    assert (refused.code, refused.error["error"]) == (3, "WrongPassphraseError")
    assert "another passphrase" not in refused.err


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["record", "show", "11" * 32], "UnknownRecordError"),
        (["record", "list", "--patient", "nobody"], "UnknownIdentityError"),
        (["record", "readable", "--as", "nobody"], "UnknownIdentityError"),
        (["--network", "nowhere", "network", "show"], "UnknownNetworkError"),
        (["storage", "export", "11" * 32, "--to", "{new}"], "BlobNotFoundError"),
        (
            ["access", "grant", "--all", "--as", "patient", "--to", ADDRESS_OF_NOBODY, "--until", "1d"],
            "EncryptionKeyNotSetError",
        ),
        (["record", "retract", "{scan}", "--as", "clinic", "--reason", "not ours"], "UnknownRecordError"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_exit_code__not_there__is_4(cli: CommandLine, tmp_path: Path, words: list[str], error: str) -> None:
    never = f"{cli.home.addresses['patient']}{'00' * 11}01"
    filled = [word.format(scan=cli.home.scan, new=tmp_path / "new", never=never) for word in words]
    answer = cli("--json", *filled)
    assert (answer.code, answer.error["error"]) == (4, error)
    assert not (tmp_path / "new").exists()


@pytest.mark.about("local", "files of its blocks")
def test_exit_code__block_damaged__is_5_and_no_file_appears(cli: CommandLine, tmp_path: Path) -> None:
    damage(cli, cli.home.scan)
    answer = cli("--json", "record", "fetch", cli.home.scan, "--as", "patient", "--to", tmp_path / "out")
    assert (answer.code, answer.error["error"]) == (5, "BlobMismatchError")
    assert list(tmp_path.glob("*out*")) == []


def test_exit_code__other_code_at_the_contracts_address__is_5(cli: CommandLine) -> None:
    path = cli.home.deployment_file
    deployment = json.loads(path.read_text())
    deployment["contracts"][0]["address"] = deployment["contracts"][1]["address"]
    path.write_text(json.dumps(deployment))
    answer = cli("--json", "network", "show")
    assert (answer.code, answer.error["error"]) == (5, "DeploymentMismatchError")


def test_exit_code__node_not_there__is_6(cli: CommandLine) -> None:
    with deaf_port() as port:
        (cli.home.path / "networks.toml").write_text(f'[networks.anvil]\nurl = "http://127.0.0.1:{port}"\n')
        answer = cli("--network", "anvil", "--json", "network", "show")
    assert (answer.code, answer.error["error"]) == (6, "LedgerUnavailableError")


@pytest.mark.about("embedded", "one process at a time has it open")
def test_exit_code__chain_held_by_another__is_6(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medshare.session.open_chain", partial(open_chain, wait=0.1))
    with FileLock(cli.home.path / "embedded" / "chain.lock"):
        answer = cli("--json", "network", "show")
        assert (answer.code, answer.error["error"]) == (6, "LedgerBusyError")
        assert "wait for the other" in answer.error["hint"]
        # No chain is needed for these.
        assert cli("identity", "list").code == 0
        assert cli("storage", "pins").code == 0


@pytest.mark.parametrize("option", ["-v", "--verbose"])
def test_verbose__on_an_error__shows_where_it_came_from(cli: CommandLine, option: str) -> None:
    assert "Traceback" not in cli("record", "show", "11" * 32).err
    answer = cli(option, "record", "show", "11" * 32)
    assert answer.code == 4
    assert "Traceback" in answer.err
    assert "error: no record" in answer.err


def test_every_error__has_a_code_that_is_not_done() -> None:
    def kinds(kind: type[errors.MedshareError]) -> list[type[errors.MedshareError]]:
        return [kind, *(each for child in kind.__subclasses__() for each in kinds(child))]

    codes = {kind.__name__: exit_code(kind.__new__(kind)) for kind in kinds(errors.MedshareError)}
    assert ExitCode.DONE not in codes.values()
    assert {codes[name] for name in ("GranteeIsZeroError", "GranteeIsPatientError", "PeriodEmptyError")} == {2}
    assert {codes[name] for name in ("AccessDeniedError", "NotAllowedToActError", "NotARecipientError")} == {3}
    assert {codes[name] for name in ("BlobNotFoundError", "UnknownGrantError", "UnknownNetworkError")} == {4}
    assert {codes[name] for name in ("AuthenticationError", "KeyCommitmentError", "MalformedBlobError")} == {5}
    assert {codes[name] for name in ("StoreFullError", "StoreUnavailableError", "LedgerBusyError")} == {6}


# ------------------------------------------------------------------------------------------- what is not ours


def test_output__nobody_reads_to_its_end__ends_quietly(cli: CommandLine) -> None:
    program = [sys.executable, "-m", "medshare", *cli.home.options, "record", "fetch", cli.home.scan, "--as", "patient"]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        process.stdout.read(10)
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait(60) == 1
    assert said == b""


@pytest.mark.parametrize("place", ["--home", "--to"])
def test_path__leads_through_a_file__is_an_error_and_no_traceback(cli: CommandLine, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_bytes(b"in the way")
    under = str(tmp_path / "file" / "below")
    words = ["record", "fetch", cli.home.scan, "--as", "patient", "--to", under]
    answer = cli(*words) if place == "--to" else cli.bare("--home", under, "init")
    assert answer.code in (1, 2)
    assert answer.err.startswith("error: ")
    assert "Traceback" not in answer.err
    assert (tmp_path / "file").read_bytes() == b"in the way"


@pytest.mark.about("embedded", "files of the chain")
def test_home__its_files_cannot_be_written__says_where_to_look(cli: CommandLine) -> None:
    lock = cli.home.path / "embedded" / "chain.lock"
    lock.unlink(missing_ok=True)
    lock.mkdir()
    answer = cli("record", "list", "--patient", "patient")
    assert answer.code == 1
    assert "error: the embedded chain cannot be locked" in answer.err
    assert "let this user write in the folder `embedded` of the home" in answer.err
    assert "Traceback" not in answer.err


# ------------------------------------------------------------------------------------------- the terminal


@pytest.mark.parametrize(
    "words",
    [
        [ESCAPE],
        ["record", ESCAPE],
        ["record", "list", "--" + ESCAPE],
        ["record", "list", "--patient", ESCAPE],
        ["record", "show", ESCAPE],
        ["record", "publish", ESCAPE, "--as", "hospital", "--patient", "patient"],
        ["record", "publish", "{new}", "--as", "hospital", "--patient", "patient", "--media-type", ESCAPE],
        ["record", "publish", "{new}", "--as", "hospital", "--patient", "patient", "--category", ESCAPE],
        ["record", "fetch", "{scan}", "--as", ESCAPE],
        ["record", "fetch", "{scan}", "--as", "patient", "--offset", ESCAPE, "--length", "1"],
        ["access", "grant", "--all", "--as", "patient", "--to", ESCAPE, "--until", "1d"],
        ["access", "grant", "--all", "--as", "patient", "--to", "doctor", "--until", ESCAPE],
        ["access", "grant", "--all", "--as", "patient", "--to", "doctor", "--until", "1d", "--purpose", ESCAPE],
        ["access", "revoke", ESCAPE, "--as", "patient"],
        ["audit", "may-read", "--patient", "patient", "--at", ESCAPE],
        ["storage", "export", ESCAPE, "--to", "{new}"],
        ["storage", "import", ESCAPE],
        ["identity", "new", ESCAPE],
        ["init", "--store", ESCAPE],
        ["init", "--store", "kubo", "--kubo", ESCAPE],
        ["--network", ESCAPE, "network", "show"],
    ],
    ids=lambda words: " ".join(words).replace(ESCAPE, "ESC"),
)
def test_control_characters__in_an_argument__do_not_reach_the_terminal(
    cli: CommandLine, tmp_path: Path, words: list[str]
) -> None:
    (tmp_path / "new").write_bytes(b"a record")
    words = [word.format(scan=cli.home.scan, new=tmp_path / "new") for word in words]
    for answer in (cli(*words), cli("--json", *words)):
        assert answer.code != 0
        assert answer.err
        assert not COMMANDS_A_TERMINAL.search(answer.err + answer.text)


def test_control_characters__in_paths_that_are_shown__are_escaped(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / ESCAPE).mkdir()
    file = tmp_path / ESCAPE / "record"
    file.write_bytes(b"a record")
    for words in (
        ["record", "publish", file, "--as", "hospital", "--patient", "patient"],
        ["record", "fetch", cli.home.scan, "--as", "patient", "--to", tmp_path / ESCAPE / "out"],
        ["storage", "unpack", cli.home.scan, "--to", tmp_path / ESCAPE / "unpacked"],
        ["storage", "export", cli.home.scan, "--to", tmp_path / ESCAPE / "car"],
        ["identity", "export", "doctor", "--to", tmp_path / ESCAPE],
    ):
        answer = cli(*words)
        assert answer.code == 0, answer
        assert "\\x1b" in answer.text
        assert not COMMANDS_A_TERMINAL.search(answer.text)


def test_file_names__that_look_like_rows_or_options__are_shown_in_one_line(cli: CommandLine, tmp_path: Path) -> None:
    names = ("a\n00000000 active", "--as", "caf\udce9.txt", "\N{AMBULANCE} n\u00e9.txt")
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(b"record %d" % number)
    paths = [tmp_path / name for name in names]
    answer = cli("record", "publish", "--as", "hospital", "--patient", "patient", "--", *paths)
    assert answer.code == 0, answer
    assert len(answer.text.splitlines()) == 1 + len(names)
    for shown in ("a\\n00000000 active", "/--as", "caf\\udce9.txt", "\N{AMBULANCE} n\u00e9.txt"):
        assert shown in answer.text


# ------------------------------------------------------------------------------------------- the passphrase


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_passphrase_file__others_can_read_it__is_refused(cli: CommandLine, mode: int) -> None:
    cli.home.passphrase_file.chmod(mode)
    answer = cli("--json", "record", "readable", "--as", "doctor")
    assert (answer.code, answer.error["error"]) == (1, "KeyFileError")
    assert f"chmod 600 {cli.home.passphrase_file}" in answer.error["hint"]


def test_passphrase_file__empty__is_refused_and_says_so(cli: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.write_text("\n")
    path.chmod(0o600)
    answer = cli("--passphrase-file", path, "--json", "record", "readable", "--as", "doctor")
    assert (answer.code, answer.error["error"]) == (1, "KeyFileError")
    assert answer.error["message"] == "the passphrase file is empty"


@pytest.mark.parametrize("what", ["missing", "a folder", "not text"])
def test_passphrase_file__unreadable__is_refused(cli: CommandLine, tmp_path: Path, what: str) -> None:
    path = tmp_path / "other"
    if what == "a folder":
        path.mkdir(mode=0o700)
    if what == "not text":
        path.write_bytes(b"\xff\xfe\xfd")
        path.chmod(0o600)
    answer = cli("--passphrase-file", path, "record", "readable", "--as", "doctor")
    assert (answer.code, answer.out) in ((1, b""), (2, b""))
    assert "error: " in answer.err.lower()


def test_passphrase__nobody_to_ask__says_how_to_give_it(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", open(os.devnull))  # noqa: SIM115, PTH123 - closed by the collector of pytest
    answer = cli("record", "readable", "--as", "doctor", passphrase=False)
    sys.stdin.close()
    assert answer.code == 1
    assert "--passphrase-file" in answer.err


def test_passphrase__in_the_environment__names_the_file(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDSHARE_PASSPHRASE_FILE", str(cli.home.passphrase_file))
    monkeypatch.setenv("MEDSHARE_HOME", str(cli.home.path))
    assert cli.bare("record", "readable", "--as", "doctor").code == 0


def test_main__without_arguments__takes_those_of_the_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["medshare", "--version"])
    assert main() == 0
    assert "version" in capsys.readouterr().out
