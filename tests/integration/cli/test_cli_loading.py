"""A night's records on the command line: ``record publish --batch``.

given a home, and an export with bad lines
├─ what is in it is published with one root for each batch, and what is bad is told by its place
├─ in JSON each batch is a line, as is the end; the report has a line for each record and each batch
├─ given again, nothing is published; published by itself before, neither
├─ a folder is taken with everything below it
├─ by who is not accredited nothing is stored, also singly
├─ stored and not anchored, ``record resume`` and the same command finish it
├─ refused when all was sealed, it can be given up and loaded again; not while it may be on its way, nor on chain
├─ signed, and not paid by another, it can be given up when what was signed is too late
├─ paid by another, the custodian signs each root, and sends nothing himself
└─ what goes with one record only is wrong usage
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from homes import Answer, CommandLine, Home, make_identity

from medshare import connect
from medshare.chain.client import ChainClient
from medshare.cli import loading as cli_loading
from medshare.errors import LedgerUnavailableError
from medshare.services.batching import Batching
from medshare.services.load_journal import LoadJournal

pytestmark = pytest.mark.integration

TO_PATIENTS = ("--as", "hospital", "--patients")


def observation(number: int, patient: int = 1) -> bytes:
    return json.dumps(
        {
            "resourceType": "Observation",
            "id": f"o-{number}",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "2339-0"}]},
            "subject": {"reference": f"Patient/{patient}"},
            "effectiveDateTime": "2026-03-04T10:00:00Z",
        }
    ).encode()


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    path = tmp_path / "patients.csv"
    path.write_text("reference,patient\nPatient/1,patient\nPatient/2,neighbour\n")
    return path


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    path = tmp_path / "export.ndjson"
    path.write_bytes(b"\n".join([observation(1), b"{", observation(2, 2), observation(3), observation(4, 3)]))
    return path


@pytest.fixture
def cli(people: Home, capsysbinary: pytest.CaptureFixture[bytes]) -> CommandLine:
    return CommandLine(people, capsysbinary)


def told(answer: Answer) -> list[Any]:
    return [json.loads(line) for line in answer.text.splitlines()]


def load(cli: CommandLine, *words: object) -> list[Any]:
    answer = cli("--json", "record", "publish", "--batch", *words)
    assert answer.code in (0, 2), answer
    return told(answer)


def records(cli: CommandLine, patient: str) -> list[Any]:
    cli.json("record", "find", "--as", patient)
    return cli.json("record", "list", "--patient", patient)


def test_publish__batch__publishes_and_tells_what_is_bad_by_its_place(
    cli: CommandLine, lines: Path, mapping: Path
) -> None:
    answer = cli("--json", "record", "publish", "--batch", lines, *TO_PATIENTS, mapping)
    assert answer.code == 2
    refused = [json.loads(line) for line in answer.err.splitlines()]
    assert [(each["file"], each["line"]) for each in refused] == [(1, 2), (1, 5)]
    assert "export" not in answer.err
    *batches, end = told(answer)
    assert [each["records"] for each in batches] == [3]
    assert end == {"published": 3, "already_published": 0, "refused": 2, "stored_only": 0}
    mine = records(cli, "patient")
    assert len(mine) == 2
    assert {cli.fetched(each["record"], "patient") for each in mine} == {observation(1), observation(3)}
    assert {each["status"] for each in mine} == {"active"}
    (his,) = records(cli, "neighbour")
    assert cli.fetched(his["record"], "neighbour") == observation(2, 2)


def test_publish__batch_for_people__tells_of_batches_and_counts(cli: CommandLine, lines: Path, mapping: Path) -> None:
    answer = cli("record", "publish", "--batch", "--batch-size", 2, lines, *TO_PATIENTS, mapping)
    assert answer.code == 2
    assert "error: file 1: line 2" in answer.err
    assert "anchored at" in answer.text
    assert "published          3" in answer.text


def test_publish__batch_again_or_singly_before__nothing_twice(cli: CommandLine, lines: Path, mapping: Path) -> None:
    single = lines.with_name("single.ndjson")
    single.write_bytes(observation(3))
    assert cli("record", "publish", single, "--as", "hospital", "--patient", "patient").code == 0
    *batches, end = load(cli, lines, *TO_PATIENTS, mapping)
    assert ([each["records"] for each in batches], end["published"], end["already_published"]) == ([2], 2, 1)
    assert load(cli, lines, *TO_PATIENTS, mapping) == [
        {"published": 0, "already_published": 3, "refused": 2, "stored_only": 0}
    ]
    single.write_bytes(observation(1))
    (row,) = cli.json("record", "publish", single, "--as", "hospital", "--patient", "patient")
    assert row["already_published"] == 1
    assert len(records(cli, "patient")) == 2


def test_publish__batch_with_report__has_a_line_for_each_record_and_batch(
    cli: CommandLine, lines: Path, mapping: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report"
    load(cli, lines, *TO_PATIENTS, mapping, "--report", report)
    rows = [json.loads(line) for line in report.read_text().splitlines()]
    assert [row.get("place") for row in rows] == ["line 1", "line 2", "line 3", "line 4", "line 5", None]
    assert [("record" in row, "refused" in row, "batch" in row) for row in rows] == [
        (True, False, False),
        (False, True, False),
        (True, False, False),
        (True, False, False),
        (False, True, False),
        (False, False, True),
    ]


@pytest.mark.parametrize("how", [["--batch"], []], ids=["batch", "one_by_one"])
def test_publish__report_is_there__is_refused_before_anything_is_published(
    cli: CommandLine, lines: Path, mapping: Path, tmp_path: Path, how: list[str]
) -> None:
    report = tmp_path / "report"
    report.write_text("of last night")
    answer = cli("record", "publish", *how, lines, *TO_PATIENTS, mapping, "--report", report)
    assert (answer.code, report.read_text(), records(cli, "patient")) == (2, "of last night", [])
    assert "exists already" in answer.err


def test_publish__batch_of_a_folder__takes_what_is_below(cli: CommandLine, tmp_path: Path) -> None:
    below = tmp_path / "night" / "ward"
    below.mkdir(parents=True)
    (below / "a.json").write_bytes(observation(1))
    (below.parent / "b.json").write_bytes(observation(2))
    (below.parent / "c.json").write_bytes(b'{"resourceType":"Observation"}')
    answer = cli(
        "--json", "record", "publish", "--batch", tmp_path / "night", "--as", "hospital", "--patient", "patient"
    )
    assert answer.code == 2
    assert (answer.error["file"], answer.error["member"]) == (1, 2)
    assert [each["records"] for each in told(answer)[:-1]] == [2]


@pytest.mark.parametrize("how", [("--batch",), ()])
def test_publish__not_accredited__stores_nothing(
    cli: CommandLine, people: Home, lines: Path, mapping: Path, how: tuple[str, ...]
) -> None:
    with connect(home=people.path) as session:
        before = set(session.store.pins())
    answer = cli("--json", "record", "publish", *how, lines, "--as", "doctor", "--patients", mapping)
    assert answer.code != 0
    assert "is not accredited as a custodian now" in answer.err
    with connect(home=people.path) as session:
        assert set(session.store.pins()) == before
    assert cli.json("record", "resume", "--as", "doctor") == []


@pytest.mark.parametrize("finish", ["resume", "again"])
def test_resume__stored_and_not_anchored__is_anchored(
    cli: CommandLine, lines: Path, mapping: Path, monkeypatch: pytest.MonkeyPatch, finish: str
) -> None:
    def unavailable(*_args: object, **_more: object) -> None:
        raise LedgerUnavailableError("the node went away")

    with monkeypatch.context() as patched:
        patched.setattr(Batching, "_send", unavailable)
        answer = cli("--json", "record", "publish", "--batch", lines, *TO_PATIENTS, mapping)
    assert answer.code == 6
    assert told(answer) == [{"published": 0, "already_published": 0, "refused": 2, "stored_only": 3}]
    (finding,) = [row for row in cli.json("doctor") if row["health"] == "warning"]
    assert "3 publications are stored" in str(finding)
    if finish == "resume":
        (row,) = cli.json("record", "resume", "--as", "hospital")
    else:
        row, end = load(cli, lines, *TO_PATIENTS, mapping)
        assert (end["published"], end["already_published"]) == (3, 0)
    assert row["records"] == 3
    assert cli.json("record", "resume", "--as", "hospital") == []
    assert len(records(cli, "patient")) == 2


def test_resume__for_people__says_what_was_anchored(
    cli: CommandLine, lines: Path, mapping: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Batching, "anchor", lambda *_args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            cli("record", "publish", "--batch", lines, *TO_PATIENTS, mapping)
    assert "anchored at" in cli("record", "resume", "--as", "hospital").text
    assert cli("record", "resume", "--as", "hospital").text == "nothing was left unfinished\n"


def test_give_up__refused_when_all_was_sealed__nothing_is_left_and_it_is_loaded_again(
    cli: CommandLine, people: Home, lines: Path, mapping: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(home=people.path) as session:
        before = set(session.store.pins())
    with monkeypatch.context() as patched:
        # It ended while the load was at work.
        patched.setattr(Batching, "require_accredited", lambda *_args: None)
        cli.json("consortium", "suspend", "hospital", "--kind", "custodian")
        answer = cli("--json", "record", "publish", "--batch", lines, *TO_PATIENTS, mapping)
    assert answer.code == 3
    assert "is not accredited as a custodian now" in answer.err
    (row,) = cli.json("record", "unfinished", "--as", "hospital")
    assert (row["stage"], row["records"], len(row["batch"]), row["can_be_given_up"]) == ("sending", 3, 64, True)
    assert cli("record", "give-up", row["number"] + 1, "--as", "hospital").code == 2
    assert cli.json("record", "give-up", row["number"], "--as", "hospital") == {"number": row["number"], "unpinned": 4}
    assert cli.json("record", "unfinished", "--as", "hospital") == []
    assert cli("record", "unfinished", "--as", "hospital").text == "no batch is unfinished\n"
    assert cli.json("record", "resume", "--as", "hospital") == []
    with connect(home=people.path) as session:
        assert set(session.store.pins()) == before
    assert next(row for row in cli.json("doctor") if row["check"] == "publications")["health"] == "good"
    cli.json("consortium", "reinstate", "hospital", "--kind", "custodian")
    *_, end = load(cli, lines, *TO_PATIENTS, mapping)
    assert (end["published"], end["already_published"]) == (3, 0)
    assert len(records(cli, "patient")) == 2


@pytest.mark.parametrize("paid", [(), ("--paid-by", "clinic", "--yes")], ids=["by himself", "paid by another"])
def test_give_up__on_its_way_or_on_chain__is_refused(
    cli: CommandLine, lines: Path, mapping: Path, monkeypatch: pytest.MonkeyPatch, paid: tuple[str, ...]
) -> None:
    def lost(*_args: object, **_more: object) -> None:
        raise LedgerUnavailableError("the node went away")

    with monkeypatch.context() as patched:
        patched.setattr(ChainClient, "send_raw", lost)
        assert cli("--json", "record", "publish", "--batch", lines, *TO_PATIENTS, mapping, *paid).code == 6
    (row,) = cli.json("record", "unfinished", "--as", "hospital")
    assert (row["stage"], row["can_be_given_up"]) == ("sending", False)
    answer = cli("--json", "record", "give-up", row["number"], "--as", "hospital")
    assert (answer.code, answer.error["error"]) == (2, "InvalidInputError")
    assert "may be on its way" in answer.err
    assert ("signed for another to pay" in answer.error["hint"]) is bool(paid)
    for step, stage in (("anchored", "sending"), ("finished", "registered")):
        with monkeypatch.context() as patched:
            patched.setattr(LoadJournal, step, lambda *_args: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                cli("record", "resume", "--as", "hospital", *paid)
        (row,) = cli.json("record", "unfinished", "--as", "hospital")
        assert (row["stage"], row["can_be_given_up"]) == (stage, False)
        answer = cli("--json", "record", "give-up", row["number"], "--as", "hospital")
        assert answer.code == 2
        assert "this batch is on chain" in answer.err
    (finished,) = cli.json("record", "resume", "--as", "hospital", *paid)
    assert finished["batch"] == row["batch"]
    assert len(records(cli, "patient")) == 2


def test_give_up__another_could_not_pay__is_refused_until_what_was_signed_is_too_late(
    cli: CommandLine, people: Home, lines: Path, mapping: Path, days_later: Callable[[float], None]
) -> None:
    make_identity(people.path, "pauper")
    paid = ("--paid-by", "pauper", "--valid-for", "1h", "--yes")
    assert cli("--json", "record", "publish", "--batch", lines, *TO_PATIENTS, mapping, *paid).code == 1
    (row,) = cli.json("record", "unfinished", "--as", "hospital")
    words = ("--json", "record", "give-up", row["number"], "--as", "hospital")
    answer = cli(*words)
    assert (answer.code, "signed for another to pay" in answer.error["hint"]) == (2, True)
    days_later(1)
    cli.json("access", "revoke-all", "--as", "neighbour")  # which makes a block of that day
    assert cli(*words).code == 0
    *_, end = load(cli, lines, *TO_PATIENTS, mapping)
    assert (end["published"], end["already_published"]) == (3, 0)
    assert len(records(cli, "patient")) == 2


@pytest.mark.parametrize(
    "words",
    [
        ("--batch", "--supersedes", "00" * 32),
        ("--batch", "--sign-to", "out"),
        ("--batch-size", "5"),
        ("--batch", "--batch-size", "0"),
        ("--batch", "--batch-size", "1000001"),
    ],
)
def test_publish__batch_with_what_is_for_one_record__is_wrong_usage(
    cli: CommandLine, lines: Path, mapping: Path, words: tuple[str, ...]
) -> None:
    assert cli("record", "publish", lines, *TO_PATIENTS, mapping, *words).code == 2


@pytest.mark.parametrize("finish", ["at once", "resume"])
def test_publish__batch_paid_by_another__custodian_signs_and_sends_nothing(
    cli: CommandLine, people: Home, lines: Path, mapping: Path, monkeypatch: pytest.MonkeyPatch, finish: str
) -> None:
    before = nonces(people)
    paid = ("--paid-by", "clinic", "--yes")
    if finish == "resume":
        with monkeypatch.context() as patched:
            patched.setattr(Batching, "anchor", lambda *_args: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                cli("record", "publish", "--batch", lines, *TO_PATIENTS, mapping, *paid)
        (row,) = cli.json("record", "resume", "--as", "hospital", *paid)
    else:
        row, _ = load(cli, lines, *TO_PATIENTS, mapping, *paid)
    assert row["records"] == 3
    assert nonces(people) == {"hospital": before["hospital"], "clinic": before["clinic"] + 1}
    assert {cli.fetched(each["record"], "patient") for each in records(cli, "patient")} == {
        observation(1),
        observation(3),
    }


def nonces(home: Home) -> dict[str, int]:
    with connect(home.path) as session:
        return {
            name: session.chain.client.nonce(session.keyring.resolve(name), pending=False)
            for name in ("hospital", "clinic")
        }


def test_publish__batch_for_scripts__tells_how_far_it_is(
    cli: CommandLine, lines: Path, mapping: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_loading, "_TELL_EVERY", 0.0)
    first, *_ = load(cli, lines, *TO_PATIENTS, mapping)
    assert first["of_bytes"] == lines.stat().st_size
    assert 0 < first["bytes"] <= first["of_bytes"]
    assert first["per_second"] > 0
    assert first["remaining_seconds"] >= 0


def test_load__home_lost_its_state__is_refused_until_restored_and_publishes_nothing_twice(
    cli: CommandLine, mapping: Path, lines: Path
) -> None:
    words = ("record", "publish", lines, "--batch", *TO_PATIENTS, mapping)
    assert cli("--json", *words).code == 2
    state = cli.home.path / "state" / cli.home.settings.network
    for lost in (*state.glob("publications.sqlite*"), *state.glob("batches.sqlite*")):
        lost.unlink()
    answer = cli("--json", *words)
    assert (answer.code, answer.error["error"]) == (1, "ConfigurationError")
    assert "record restore" in answer.error["hint"]
    assert cli.json("record", "restore", "--as", "hospital") == {"restored": 3, "not_readable": 0}
    assert cli.json("record", "restore", "--as", "hospital") == {"restored": 0, "not_readable": 0}
    told = [json.loads(line) for line in cli("--json", *words).out.splitlines()]
    assert (told[-1]["published"], told[-1]["already_published"]) == (0, 3)
