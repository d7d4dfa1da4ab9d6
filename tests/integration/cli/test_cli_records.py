"""Records on the command line: published once, fetched byte for byte, superseded, retracted, and whose word counts.

given a home with two records
├─ publish: what the plaintext may be, file by file; the same file again is the same record; FHIR describes itself
├─ fetch: to standard output exactly the bytes; to a file that is new; ranges; nothing of what is refused
├─ supersede and retract: readers get the new version, and are refused what was retracted
├─ two custodians claim one record: the reader must say whose word he trusts
└─ a publication that broke off is finished by the same command, or by resume
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from homes import OBSERVATION, SCAN, CommandLine

from medshare import connect
from medshare.chain.record_registry import RecordRegistryAdapter
from medshare.content import Block, Codec
from medshare.errors import LedgerUnavailableError

pytestmark = pytest.mark.integration


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "record"
    path.write_bytes(b"what was found")
    return path


def publish(cli: CommandLine, *words: object) -> str:
    (row,) = cli.json("record", "publish", *words, "--as", "hospital", "--patient", "patient")
    return str(row["record"])


# ----------------------------------------------------------------------------------------------- publishing


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("missing", "does not exist"),
        (".", "publish it with --batch"),
        ("empty", "is empty"),
        ("record/below", "does not exist"),
    ],
)
def test_publish__path_that_cannot_be__is_refused_and_its_name_not_repeated(
    cli: CommandLine, file: Path, name: str, says: str
) -> None:
    (file.parent / "empty").touch()
    before = cli.json("record", "list", "--patient", "patient")
    answer = cli("record", "publish", file.parent / name, "--as", "hospital", "--patient", "patient")
    assert (answer.code, answer.out) == (2, b"")
    assert says in answer.err
    assert str(file.parent) not in answer.err
    assert cli.json("record", "list", "--patient", "patient") == before


def test_publish__same_file_again__is_the_same_record(cli: CommandLine, file: Path) -> None:
    (first,) = cli.json("record", "publish", file, "--as", "hospital", "--patient", "patient")
    (again,) = cli.json("record", "publish", file, "--as", "hospital", "--patient", "patient")
    assert (first["already_published"], again["already_published"]) == (False, True)
    assert again["record"] == first["record"]
    assert len(cli.json("record", "list", "--patient", "patient")) == 3


def test_publish__several_files__says_which_record_each_became(cli: CommandLine, file: Path) -> None:
    other = file.with_name("other")
    other.write_bytes(b"something else")
    rows = cli.json("record", "publish", file, other, "--as", "hospital", "--patient", "patient")
    assert [row["file"] for row in rows] == [str(file), str(other)]
    for row, path in zip(rows, (file, other), strict=True):
        assert cli.fetched(row["record"], "patient") == path.read_bytes()


def test_publish__one_file_of_several_cannot_be__names_its_place_and_publishes_the_rest(
    cli: CommandLine, file: Path
) -> None:
    (file.parent / "empty").touch()
    (file.parent / "other").write_bytes(b"something else")
    files = [file, file.parent / "empty", file.parent / "Jane-Doe.json", file.parent / "other"]
    words = ["record", "publish", *files, "--as", "hospital", "--patient", "patient"]
    answer = cli(*words)
    assert answer.code == 2
    assert [line for line in answer.err.splitlines() if line.startswith("error: ")] == [
        "error: file 2: the plaintext is empty: there is nothing to publish",
        "error: file 3: the plaintext file does not exist",
    ]
    assert "Jane" not in answer.err + answer.text
    assert [line.split()[0] for line in answer.text.splitlines()[1:]] == [str(file), str(file.parent / "other")]
    again = cli("--json", *words)
    assert again.code == 2
    assert [(row["file"], row["already_published"]) for row in again.json] == [
        (str(file), True),
        (str(file.parent / "other"), True),
    ]
    told = [json.loads(line) for line in again.err.splitlines()]
    assert [(each["error"], each["file"]) for each in told] == [("InvalidInputError", 2), ("InvalidInputError", 3)]
    assert len(cli.json("record", "list", "--patient", "patient")) == 4


def test_publish__chain_breaks_off_between_two_files__shows_what_is_published(
    cli: CommandLine, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [file.with_name(f"other-{number}") for number in range(2)]
    for path in others:
        path.write_bytes(path.name.encode())
    register = RecordRegistryAdapter.register
    calls = 0

    def lost(*args: object, **more: object) -> object:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise LedgerUnavailableError("the line was cut")
        return register(*args, **more)

    monkeypatch.setattr(RecordRegistryAdapter, "register", lost)
    answer = cli("--json", "record", "publish", file, *others, "--as", "hospital", "--patient", "patient")
    assert (answer.code, answer.error["error"]) == (6, "LedgerUnavailableError")
    assert [row["file"] for row in answer.json] == [str(file)]
    assert calls == 2


def test_publish__file_that_may_not_be_read__is_refused_and_its_name_not_repeated(
    cli: CommandLine, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Path.open

    def refused(path: Path, *args: object, **more: object) -> object:
        if path == file:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *args, **more)

    monkeypatch.setattr(Path, "open", refused)
    answer = cli("-v", "record", "publish", file, "--as", "hospital", "--patient", "patient")
    assert (answer.code, answer.out) == (2, b"")
    assert "cannot be read" in answer.err
    assert str(file) not in answer.err


def test_publish__to_a_patient_without_a_key__publishes_nothing(cli: CommandLine, file: Path) -> None:
    answer = cli("record", "publish", file, "--as", "hospital", "--patient", "0x" + "00" * 20)
    assert answer.code == 4
    assert "published no encryption key" in answer.err


@pytest.mark.parametrize(
    ("option", "value"),
    [("--clinical-date", "yesterday"), ("--media-type", "?"), ("--label", "a b")],
)
def test_publish__description_that_cannot_be__is_refused(cli: CommandLine, file: Path, option: str, value: str) -> None:
    answer = cli("record", "publish", file, "--as", "hospital", "--patient", "patient", option, value)
    assert (answer.code, answer.out) == (2, b"")


def test_publish__fhir__describes_itself_unless_told_otherwise(cli: CommandLine, file: Path, tmp_path: Path) -> None:
    file.write_bytes(
        b'\xef\xbb\xbf {"resourceType":"Immunization","status":"completed","vaccineCode":{"text":"flu"},'
        b'"patient":{"reference":"Patient/7"},"occurrenceDateTime":"2025-11-02T08:00:00Z"}'
    )
    itself = publish(cli, file)
    otherwise = ("--category", "document", "--clinical-date", "2024", "--label", "PSY")
    told = publish(cli, file, *otherwise, "--because", "it is a letter about it")
    kept = [
        cli.json("record", "fetch", record, "--as", "patient", "--to", tmp_path / record) for record in (itself, told)
    ]
    assert [(each["media_type"], each["category"], each["clinical_date"]) for each in kept] == [
        ("application/fhir+json", "immunization", "2025-11-02"),
        ("application/fhir+json", "document", "2024"),
    ]
    assert (tmp_path / itself).read_bytes() == file.read_bytes()


def test_publish__json_that_is_not_fhir__is_bytes_like_any_other(cli: CommandLine, file: Path, tmp_path: Path) -> None:
    file.write_bytes(b'{"a": 1, "a": 2}')
    said = cli.json("record", "fetch", publish(cli, file), "--as", "patient", "--to", tmp_path / "out")
    assert said["media_type"] == "application/octet-stream"
    answer = cli(
        "record", "publish", file, "--as", "hospital", "--patient", "patient", "--media-type", "application/fhir+json"
    )
    assert (answer.code, answer.out) == (2, b"")


def test_publish__under_a_key_that_is_not_in_the_directory__is_refused(cli: CommandLine, file: Path) -> None:
    for name in ("encryption.sec", "encryption.pub"):
        target, source = cli.home.identity("hospital") / name, cli.home.identity("clinic") / name
        target.unlink()
        source.rename(target)
    answer = cli("record", "publish", file, "--as", "hospital", "--patient", "patient")
    assert answer.code == 1
    assert "is not the one used here" in answer.err


def test_publish__broken_off_before_the_chain__is_finished_by_resume(
    cli: CommandLine, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:

        def lost(*_args: object, **_more: object) -> None:
            raise LedgerUnavailableError("the line was cut")

        broken.setattr(RecordRegistryAdapter, "register", lost)
        assert cli("record", "publish", file, "--as", "hospital", "--patient", "patient").code == 6
    assert len(cli.json("record", "list", "--patient", "patient")) == 2
    assert cli.json("record", "resume", "--as", "clinic") == []
    (finished,) = cli.json("record", "resume", "--as", "hospital")
    assert cli.json("record", "resume", "--as", "hospital") == []
    assert cli.fetched(finished["record"], "patient") == file.read_bytes()
    (again,) = cli.json("record", "publish", file, "--as", "hospital", "--patient", "patient")
    assert (again["record"], again["already_published"]) == (finished["record"], True)


# ------------------------------------------------------------------------------------------------- fetching


@pytest.mark.parametrize("reader", ["patient", "hospital"])
def test_fetch__own_record__needs_no_grant_and_is_byte_exact(cli: CommandLine, reader: str) -> None:
    assert cli.fetched(cli.home.observation, reader) == OBSERVATION
    assert cli.fetched(cli.home.scan, reader) == SCAN


def test_fetch__by_cid__is_the_same_record(cli: CommandLine) -> None:
    (shown,) = cli.json("record", "show", cli.home.scan)
    assert cli.fetched(shown["cid"], "patient") == SCAN
    assert cli.json("record", "show", shown["cid"]) == [shown]
    block = str(Block.of(Codec.RAW, b"a part").cid)
    answer = cli("record", "fetch", block, "--as", "patient")
    assert (answer.code, answer.out) == (2, b"")
    assert "part of a record" in answer.err


@pytest.mark.parametrize("text", ["12ab", "f" * 63, "f" * 65, "bafy", "Mary", "0x", ""])
def test_fetch__id_that_is_none__says_where_ids_are_shown(cli: CommandLine, text: str) -> None:
    answer = cli("record", "fetch", text, "--as", "patient")
    assert (answer.code, answer.out) == (2, b"")
    assert f"medshare --home {cli.home.path} record list --patient WHO" in answer.err


def test_fetch__to_a_dash__is_standard_output(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert cli.fetched(cli.home.scan, "patient", "--to", "-") == SCAN
    assert sorted(tmp_path.iterdir()) == before


def test_fetch__with_a_grant__is_byte_exact_and_with_0x_too(
    granted_home, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    cli = CommandLine(granted_home, capsysbinary)
    assert cli.fetched(cli.home.scan, "doctor") == SCAN
    assert cli.fetched("0x" + cli.home.scan.upper(), "doctor") == SCAN
    readable, listed = (
        [row["record"] for row in cli.json("record", *words)]
        for words in (["readable", "--as", "doctor"], ["list", "--patient", "patient"])
    )
    assert sorted(readable) == sorted(listed)


@pytest.mark.parametrize(
    ("offset", "length"),
    [(0, 1), (0, 0), (5, 70_000), (65_535, 2), (65_536, 65_536), (len(SCAN) - 1, 1), (1 << 20, 17), (0, len(SCAN))],
)
def test_fetch__range__is_that_range(cli: CommandLine, offset: int, length: int) -> None:
    part = cli.fetched(cli.home.scan, "patient", "--offset", offset, "--length", length)
    assert part == SCAN[offset : offset + length]


@pytest.mark.parametrize(
    "words",
    [
        ["--offset", "0", "--length", "99999999"],
        ["--offset", "99999999", "--length", "1"],
        ["--offset", "-1", "--length", "1"],
        ["--offset", "0", "--length", "-1"],
        ["--offset", "0"],
        ["--length", "1"],
        ["--json"],
    ],
    ids=" ".join,
)
def test_fetch__range_that_cannot_be__is_refused(cli: CommandLine, words: list[str]) -> None:
    answer = cli("record", "fetch", cli.home.scan, "--as", "patient", *words)
    assert (answer.code, answer.out) == (2, b"")


def test_fetch__range_to_a_file__says_how_many_bytes(cli: CommandLine, tmp_path: Path) -> None:
    words = ["--to", tmp_path / "part", "--offset", "10", "--length", "20"]
    assert cli.json("record", "fetch", cli.home.scan, "--as", "patient", *words)["bytes"] == 20
    assert (tmp_path / "part").read_bytes() == SCAN[10:30]


@pytest.mark.parametrize("there", ["file", "link"])
def test_fetch__file_is_there__is_not_overwritten(cli: CommandLine, tmp_path: Path, there: str) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(b"precious")
    out = kept
    if there == "link":
        out = tmp_path / "link"
        out.symlink_to(kept)
    answer = cli("record", "fetch", cli.home.scan, "--as", "patient", "--to", out)
    assert answer.code == 2
    assert "exists already" in answer.err
    assert kept.read_bytes() == b"precious"
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == sorted({"kept", out.name})


def test_fetch__written_to_a_file__is_the_owners_only(cli: CommandLine, tmp_path: Path) -> None:
    cli.json("record", "fetch", cli.home.scan, "--as", "patient", "--to", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == SCAN
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o600


@pytest.mark.about("local", "files of its blocks")
def test_fetch__last_block_missing__releases_no_file(cli: CommandLine, tmp_path: Path) -> None:
    blocks = [path for path in (cli.home.path / "blocks" / "blocks").rglob("*") if path.is_file()]
    max(blocks, key=lambda path: path.stat().st_size).unlink()
    answer = cli("record", "fetch", cli.home.scan, "--as", "patient", "--to", tmp_path / "out")
    assert answer.code == 4
    assert list(tmp_path.glob("*out*")) == []


# ------------------------------------------------------------------------------------ superseding, retracting


def test_supersede__by_its_custodian__is_a_new_version(cli: CommandLine, file: Path) -> None:
    new = publish(cli, file, "--supersedes", cli.home.observation)
    rows = {row["record"]: row for row in cli.json("record", "list", "--patient", "patient")}
    assert (rows[new]["status"], rows[new]["version"]) == ("active", 2)
    assert (rows[cli.home.observation]["status"], rows[cli.home.observation]["version"]) == ("superseded", 1)
    trail = cli.json("audit", "trail", "--patient", "patient")
    assert trail[-1]["what"] == f"record {new} in place of {cli.home.observation}"


def test_supersede__twice__each_answer_names_the_newest_version(
    granted_home, capsysbinary: pytest.CaptureFixture[bytes], file: Path, tmp_path: Path
) -> None:
    cli = CommandLine(granted_home, capsysbinary)
    old = cli.home.observation
    second = publish(cli, file, "--supersedes", old)
    file.write_bytes(b"a second thought")
    newest = publish(cli, file, "--supersedes", second)
    for words in (["record", "list", "--patient", "patient"], ["record", "readable", "--as", "doctor"]):
        rows = {row["record"]: row for row in cli.json(*words)}
        assert (rows[old]["status"], rows[old]["newest_version"]) == ("superseded", newest)
        assert (rows[cli.home.scan]["status"], rows[cli.home.scan]["newest_version"]) == ("active", None)
    (shown,) = cli.json("record", "show", second)
    checked = cli.json("access", "check", old, "--as", "doctor")
    fetched = cli.json("record", "fetch", old, "--as", "doctor", "--to", tmp_path / "out")
    for said in (shown, checked, fetched):
        assert (said["status"], said["newest_version"]) == ("superseded", newest)
    streamed = cli("record", "fetch", old, "--as", "doctor")
    assert (streamed.code, streamed.out) == (0, OBSERVATION)
    assert streamed.err == f"note: this record was superseded; the newest version is {newest}\n"


def test_supersede__already_superseded__is_refused_and_nothing_published(cli: CommandLine, file: Path) -> None:
    publish(cli, file, "--supersedes", cli.home.observation)
    file.write_bytes(b"a second thought")
    words = ["--as", "hospital", "--patient", "patient", "--supersedes", cli.home.observation]
    answer = cli("record", "publish", file, *words)
    assert answer.code == 1
    assert "was superseded before" in answer.err
    assert f"medshare --home {cli.home.path} record show {cli.home.observation}" in answer.err
    assert len(cli.json("record", "list", "--patient", "patient")) == 3


@pytest.mark.parametrize(("custodian", "patient", "code"), [("clinic", "patient", 4), ("hospital", "neighbour", 2)])
def test_supersede__anothers_record__is_refused(
    cli: CommandLine, file: Path, custodian: str, patient: str, code: int
) -> None:
    words = ["--as", custodian, "--patient", patient, "--supersedes", cli.home.observation]
    assert cli("record", "publish", file, *words).code == code


def test_supersede__with_two_files__is_a_usage_error(cli: CommandLine, file: Path) -> None:
    words = ["--as", "hospital", "--patient", "patient", "--supersedes", cli.home.observation]
    assert cli("record", "publish", file, file, *words).code == 2


def test_retract__readers_are_refused__patient_and_custodian_are_not(
    granted_home, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    cli = CommandLine(granted_home, capsysbinary)
    assert cli.fetched(cli.home.observation, "doctor") == OBSERVATION
    said = cli.json("record", "retract", cli.home.observation, "--as", "hospital", "--reason", "CANARY wrong patient")
    assert len(bytes.fromhex(said["reason_salt"])) == 32
    refused = cli("record", "fetch", cli.home.observation, "--as", "doctor")
    assert (refused.code, refused.out) == (3, b"")
    assert "withdrawn the record" in refused.err
    assert cli("access", "check", cli.home.observation, "--as", "doctor").code == 3
    assert cli.fetched(cli.home.observation, "patient") == OBSERVATION
    assert cli.fetched(cli.home.observation, "hospital") == OBSERVATION
    assert cli("record", "fetch", cli.home.observation, "--as", "patient").err == "note: this record was retracted\n"
    again = cli("record", "retract", cli.home.observation, "--as", "hospital", "--reason", "again")
    assert "was retracted before" in again.err
    assert "as a new record" in again.err
    assert "CANARY" not in json.dumps(cli.json("audit", "trail", "--patient", "patient"))


# ------------------------------------------------------------------------------------------- two custodians


@pytest.fixture
def claimed_twice(cli: CommandLine) -> CommandLine:
    """A clinic registers the hospital's record under its own name: anybody can, so it proves nothing."""
    with connect(cli.home.path) as session:
        clinic = session.keyring.open("clinic", lambda _: cli.home.passphrase_file.read_text().strip())
        session.ledger.records.register(
            clinic.signer, bytes.fromhex(cli.home.scan), cli.home.addresses["patient"], intent="claim"
        )
    return cli


@pytest.mark.parametrize(
    "words",
    [
        ["record", "fetch", "{scan}", "--as", "patient"],
        ["access", "check", "{scan}", "--as", "patient"],
        ["access", "grant", "{scan}", "--as", "patient", "--to", "doctor", "--until", "1d"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_record_of_two_custodians__asked_for_without_saying_whose__is_refused(
    claimed_twice: CommandLine, words: list[str]
) -> None:
    answer = claimed_twice(*(word.format(scan=claimed_twice.home.scan) for word in words))
    assert (answer.code, answer.out) == (2, b"")
    assert "2 custodians" in answer.err
    assert "--custodian" in answer.err


def test_record_of_two_custodians__whose_word_is_said__only_the_true_one_opens(claimed_twice: CommandLine) -> None:
    cli = claimed_twice
    assert len(cli.json("record", "show", cli.home.scan)) == 2
    assert cli.fetched(cli.home.scan, "patient", "--custodian", "hospital") == SCAN
    false = cli("record", "fetch", cli.home.scan, "--as", "patient", "--custodian", "clinic")
    assert (false.code, false.out) == (5, b"")
    words = ["--as", "patient", "--to", "doctor", "--until", "1d", "--custodian"]
    assert cli("access", "grant", cli.home.scan, *words, "clinic").code == 5
    cli.json("access", "grant", cli.home.scan, *words, "hospital")
    assert cli.fetched(cli.home.scan, "doctor", "--custodian", "hospital") == SCAN


def test_record_of_two_custodians__granted_all__grants_what_is_true(claimed_twice: CommandLine) -> None:
    """A stranger's claim on a patient's record must not keep the patient from granting everything."""
    cli = claimed_twice
    unsaid = cli("access", "grant", "--all", "--as", "patient", "--to", "doctor", "--until", "1d")
    assert (unsaid.code, unsaid.out) == (2, b"")
    assert "--custodian" in unsaid.err
    cli.json(
        "access", "grant", "--all", "--as", "patient", "--to", "doctor", "--until", "1d", "--custodian", "hospital"
    )
    assert cli.fetched(cli.home.scan, "doctor", "--custodian", "hospital") == SCAN
