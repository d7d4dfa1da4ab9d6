"""Standing consent on the command line: later versions are covered, rotation, and the history of a patient.

given a home with two records, granted to the doctor
├─ publish: a later version of what was granted is open to the doctor; whose grant gave no packet is said
├─ rotate: by record, by patient, by grant; once; what an old reader may still hold is always said
└─ history: newest first, by category, date and purpose; fetched to a folder; what is missing is said, with an exit code
"""

from __future__ import annotations

from pathlib import Path

import pytest
from homes import OBSERVATION, PASSPHRASE, SCAN, CommandLine, Home

from medshare import connect
from medshare.content import Cid
from medshare.model.ids import record_id
from medshare.services.rotating import WHAT_REMAINS

pytestmark = pytest.mark.integration


@pytest.fixture
def cli(granted_home: Home, capsysbinary: pytest.CaptureFixture[bytes]) -> CommandLine:
    return CommandLine(granted_home, capsysbinary)


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    path = tmp_path / "newer.json"
    path.write_bytes(OBSERVATION.replace(b'"7"', b'"8"'))
    return path


def publish(cli: CommandLine, *words: object) -> dict[str, object]:
    (row,) = cli.json("record", "publish", *words, "--as", "hospital", "--patient", "patient")
    return row


def lose_bundle(cli: CommandLine) -> None:
    """Take the doctor's bundle away from this store."""
    with connect(cli.home.path) as session:
        (standing,) = session.auditing.grants(patient=session.keyring.resolve("patient"))
    cli.lose(Cid.of_directory(standing.bundle))


# -------------------------------------------------------------------------------------------------- publish


def test_publish__later_version_of_what_was_granted__is_open_to_the_reader(cli: CommandLine, newer: Path) -> None:
    row = publish(cli, newer, "--supersedes", cli.home.observation)
    assert row["readers"] == [cli.home.addresses["doctor"]]
    assert row["withheld"] == []
    assert cli.fetched(row["record"], "doctor") == newer.read_bytes()
    readable = cli.json("record", "readable", "--as", "doctor")
    assert row["record"] in {each["record"] for each in readable}


def test_publish__a_grant_s_bundle_is_gone__is_published_and_says_so(cli: CommandLine, newer: Path) -> None:
    lose_bundle(cli)
    answer = cli(
        "record", "publish", newer, "--as", "hospital", "--patient", "patient", "--supersedes", cli.home.observation
    )
    assert answer.code == 0
    assert "note: 1 live grant gave no packet: its bundle is missing" in answer.err
    other = newer.with_name("other")
    other.write_bytes(b"something else")
    row = publish(cli, other)
    assert row["withheld"] == [
        {"grant": cli.home.grant, "reader": cli.home.addresses["doctor"], "obstacle": "bundle-unreadable"}
    ]


def test_grant__given__says_whom_it_told(cli: CommandLine) -> None:
    words = ["access", "grant", cli.home.scan, "--as", "patient", "--to", "researcher", "--until", "1d"]
    answer = cli(*words)
    assert "later versions of these records are covered" in answer.text
    assert "consent give --as patient --to researcher" in answer.text
    assert cli.json(*words)["custodians_told"] == [cli.home.addresses["hospital"]]


@pytest.mark.parametrize(
    ("words", "code"), [(("access", "grant", "--all"), 3), (("consent", "give", "--everything"), 0)]
)
def test_grant__of_all_that_is_there__covers_no_other_record_later(
    cli: CommandLine, newer: Path, words: tuple[str, ...], code: int
) -> None:
    cli.json(*words, "--as", "patient", "--to", "researcher", "--until", "1d")
    row = publish(cli, newer)
    assert cli("record", "fetch", row["record"], "--as", "researcher").code == code


# -------------------------------------------------------------------------------------------------- rotate


def revoke(cli: CommandLine) -> None:
    cli.json("access", "revoke", cli.home.grant, "--as", "patient")


def test_rotate__of_a_patient__is_done_once_and_says_what_remains(cli: CommandLine) -> None:
    cli.json("access", "grant", cli.home.scan, "--as", "patient", "--to", "researcher", "--until", "1d")
    revoke(cli)
    words = ["record", "rotate", "--as", "hospital", "--patient", "patient"]
    answer = cli(*words)
    assert answer.code == 0
    assert WHAT_REMAINS in answer.text
    rows = cli.json("record", "list", "--patient", "patient")
    newest = {row["record"] for row in rows if row["status"] == "active"}
    assert len(rows) == 4
    assert len(newest) == 2
    assert not newest & {cli.home.observation, cli.home.scan}
    again = cli.json(*words)
    assert again == {"rotated": [], "what_remains": WHAT_REMAINS}
    assert {cli.fetched(record, "patient") for record in newest} == {OBSERVATION, SCAN}
    opened = [cli("record", "fetch", record, "--as", "researcher").code for record in newest]
    assert sorted(opened) == [0, 3]
    assert [cli("record", "fetch", record, "--as", "doctor").code for record in newest] == [3, 3]


def test_rotate__named_records_with_their_old_blocks__gives_these_up(cli: CommandLine) -> None:
    words = ["record", "rotate", cli.home.scan, "--as", "hospital", "--forget-old"]
    (row,) = cli.json(*words)["rotated"]
    assert (row["previous"], row["version"], row["old_blocks_given_up"]) == (cli.home.scan, 2, True)
    assert row["readers"] == [cli.home.addresses["doctor"]]
    (again,) = cli.json(*words)["rotated"]
    assert (again["record"], again["already_published"]) == (row["record"], True)
    assert "storage collect" in cli(*words).text
    cli.collect()
    with connect(cli.home.path) as session:
        assert not session.store.has(Cid.of_directory(record_id(cli.home.scan)))
        assert session.store.has(Cid.of_directory(record_id(cli.home.observation)))
    assert cli.fetched(row["record"], "doctor") == SCAN
    cli.json("identity", "list")
    assert {check["health"] for check in cli.json("doctor") if check["check"] == "publications"} == {"good"}


def test_rotate__by_grant__is_what_the_grant_covered(cli: CommandLine, newer: Path) -> None:
    other = publish(cli, newer)
    revoke(cli)
    rotated = cli.json("record", "rotate", "--as", "hospital", "--grant", cli.home.grant)["rotated"]
    assert {row["previous"] for row in rotated} == {cli.home.observation, cli.home.scan}
    assert other["record"] not in {row["previous"] for row in rotated}


def test_rotate__one_cannot_be__names_it_and_rotates_the_rest(cli: CommandLine, newer: Path) -> None:
    publish(cli, newer, "--supersedes", cli.home.observation)
    words = ["record", "rotate", cli.home.observation, cli.home.scan, "--as", "hospital"]
    answer = cli("--json", *words)
    assert answer.code == 1
    assert [row["previous"] for row in answer.json["rotated"]] == [cli.home.scan]
    assert (answer.error["error"], answer.error["record"]) == ("RecordNotActiveError", cli.home.observation)


def test_rotate__of_nothing_or_of_two_things__is_wrong_usage(cli: CommandLine) -> None:
    assert cli("record", "rotate", "--as", "hospital").code == 2
    words = ["record", "rotate", cli.home.scan, "--patient", "patient", "--as", "hospital"]
    assert cli(*words).code == 2


def test_rotate__of_somebody_else_s_record__is_not_found(cli: CommandLine) -> None:
    answer = cli("record", "rotate", cli.home.scan, "--as", "clinic")
    assert answer.code == 4
    assert WHAT_REMAINS not in answer.text


# -------------------------------------------------------------------------------------------------- history


def history(cli: CommandLine, *words: object) -> list[str]:
    found = cli.json("record", "history", "--patient", "patient", *words)
    assert found["failures"] == []
    return [row["record"] for row in found["records"]]


def test_history__of_two_hospitals__is_newest_first(cli: CommandLine, tmp_path: Path) -> None:
    letter = tmp_path / "letter"
    letter.write_bytes(b"a letter")
    (row,) = cli.json(
        "record", "publish", letter, "--as", "clinic", "--patient", "patient", "--clinical-date", "2026-05-01"
    )
    cli.json("access", "grant", row["record"], "--as", "patient", "--to", "doctor", "--until", "1d")
    home = cli.home
    assert history(cli, "--as", "doctor") == [home.scan, row["record"], home.observation]
    assert history(cli, "--as", "doctor", "--category", "imaging") == [home.scan]
    assert history(cli, "--as", "doctor", "--since", "2026-03-05", "--until", "2026-05-02") == [row["record"]]
    assert history(cli, "--as", "doctor", "--purpose", "HRESCH") == []
    assert history(cli, "--as", "clinic") == [row["record"]]
    said = cli("record", "history", "--as", "doctor", "--patient", "patient")
    assert [line.split()[0] for line in said.text.splitlines()[1:]] == [home.scan, row["record"], home.observation]
    nothing = cli("record", "history", "--as", "stranger", "--patient", "patient")
    assert "nothing of this patient may be read" in nothing.text


def test_history__fetched__is_a_file_for_each_record_and_again_the_same(cli: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "history"
    words = ["record", "history", "--as", "doctor", "--patient", "patient", "--fetch", folder]
    rows = cli.json(*words)["records"]
    assert {Path(row["file"]).read_bytes() for row in rows} == {OBSERVATION, SCAN}
    assert {path.name for path in folder.iterdir()} == {cli.home.observation, cli.home.scan}
    assert cli.json(*words)["records"] == rows
    (folder / cli.home.scan).write_bytes(b"mine")
    answer = cli("--json", *words)
    assert answer.code == 2
    assert [row["file"] is None for row in answer.json["records"]] == [True, False]
    assert answer.json["failures"][0]["record"] == cli.home.scan
    assert (folder / cli.home.scan).read_bytes() == b"mine"


def test_history__a_record_s_blocks_are_gone__the_rest_is_listed_and_it_is_said(cli: CommandLine) -> None:
    cli.lose(Cid.of_directory(record_id(cli.home.scan)))
    words = ["record", "history", "--as", "doctor", "--patient", "patient"]
    answer = cli(*words)
    assert answer.code == 4
    assert "not read: 1 record of hospital, the first: the store has no block" in answer.err
    assert cli.home.observation in answer.text
    found = cli("--json", *words)
    assert [row["record"] for row in found.json["records"]] == [cli.home.observation]
    assert [(each["record"], each["error"]) for each in found.json["failures"]] == [
        (cli.home.scan, "BlobNotFoundError")
    ]


def test_history__a_bundle_is_gone__names_the_grant(cli: CommandLine) -> None:
    lose_bundle(cli)
    answer = cli("record", "history", "--as", "doctor", "--patient", "patient")
    assert answer.code == 4
    assert f"not read: all that grant {cli.home.grant} permits" in answer.err


@pytest.mark.parametrize("day", ["2026-1-31", "20260131", "2026-W05-6", "yesterday"])
def test_history__a_day_that_is_none__is_refused(cli: CommandLine, day: str) -> None:
    answer = cli("record", "history", "--as", "doctor", "--patient", "patient", "--since", day)
    assert answer.code == 2
    assert "YYYY-MM-DD" in answer.err


def test_history__in_the_library__streams_the_text(cli: CommandLine) -> None:
    with connect(cli.home.path) as session:
        doctor = session.keyring.open("doctor", lambda _name: PASSPHRASE)
        from medshare.model.purpose import PurposeOfUse

        records = session.history.of(session.keyring.resolve("patient"), reader=doctor, purpose=PurposeOfUse.TREAT)
        assert [b"".join(record.stream()) for record in records] == [SCAN, OBSERVATION]
