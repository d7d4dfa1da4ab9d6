"""Files as they come from a hospital's systems, on the command line: checked, scored, published, each by its own place.

given a home, and files of every kind
├─ check: what would be said of each, and what is wrong; exit code 2 where anything is; nothing is published
├─ score: the same number for the same bytes, in JSON with its parts
├─ publish: what was derived is shown; a Bundle's entries, a batch's messages and a file's lines are records
│  ├─ a bad line is told by its place, in JSON too, and the report has a line for each record
│  ├─ killed and repeated, only the rest is published
│  ├─ several patients need a file that says who is who
│  └─ what does not conform, or is said otherwise, needs a reason
└─ what is asked for and cannot be is wrong usage
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from homes import CommandLine
from pydicom.data import get_testdata_file

from medshare.chain.record_registry import RecordRegistryAdapter
from medshare.errors import LedgerUnavailableError

pytestmark = pytest.mark.integration

CANARY = "CANARY-4711"
MESSAGE = (
    "MSH|^~\\&|LAB|CLINIC|EHR|CLINIC|20260304120000||ORU^R01^ORU_R01|{number}|P|2.5\r"
    "PID|1||7^^^HOSPITAL||Doe^Jane||19800101|F\r"
    "OBR|1||9|2339-0^Glucose^LN|||20260304100000|||||||||||||||20260304110000|||F\r"
)
TO_PATIENT = ("--as", "hospital", "--patient", "patient")


def observation(number: int = 0, **changed: Any) -> bytes:
    resource = {
        "resourceType": "Observation",
        "id": f"o-{number}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2339-0"}]},
        "subject": {"reference": "Patient/1"},
        "effectiveDateTime": "2026-03-04T10:00:00Z",
        "meta": {"security": [{"code": "PSY"}]},
        **changed,
    }
    return json.dumps({name: value for name, value in resource.items() if value is not None}).encode()


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def bundle(*resources: bytes) -> bytes:
    entries = [{"resource": json.loads(each)} for each in resources]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    return written(tmp_path / "export.ndjson", b"\n".join([observation(1), b"{", observation(2), observation(3)]))


# -------------------------------------------------------------------------------------------- check and score


def test_check__files_of_every_kind__says_what_would_be_said_of_them(cli: CommandLine, tmp_path: Path) -> None:
    image = get_testdata_file("MR_small.dcm", download=False)
    files = [
        written(tmp_path / "a.json", observation()),
        written(tmp_path / "b.hl7", MESSAGE.format(number=1).encode()),
        Path(str(image)),
        written(tmp_path / "d.pdf", b"%PDF-1.7"),
    ]
    before = cli.json("record", "list", "--patient", "patient")
    rows = cli.json("record", "check", *files)
    assert cli.json("record", "list", "--patient", "patient") == before
    assert [(row["media_type"], row["category"], row["clinical_date"], row["conforms"]) for row in rows] == [
        ("application/fhir+json", "observation", "2026-03-04", True),
        ("application/hl7-v2", "laboratory", "2026-03-04", True),
        ("application/dicom", "imaging", "2004-08-26", True),
        ("application/pdf", "other", None, True),
    ]
    assert [row["patient_reference"] for row in rows] == ["Patient/1", "7^^^HOSPITAL", "4MR1^^^", None]
    assert rows[0]["labels"] == ["PSY"]


def test_check__one_that_does_not_conform__says_everything_and_ends_with_2(cli: CommandLine, tmp_path: Path) -> None:
    path = written(tmp_path / "a.json", observation(status=CANARY, code=None))
    answer = cli("--json", "record", "check", path)
    assert answer.code == 2
    (row,) = answer.json
    assert [(each["severity"], each["rule"], each["place"]) for each in row["findings"]] == [
        ("error", "required-binding", "Observation.status"),
        ("error", "missing", "Observation.code"),
    ]
    assert CANARY not in answer.text + answer.err
    said = cli("record", "check", path)
    assert "error: missing: Observation.code: it must be there" in said.text


def test_check__lines__tells_each_bad_one_and_sums_up(cli: CommandLine, lines: Path) -> None:
    answer = cli("--json", "record", "check", lines)
    assert (answer.code, answer.json) == (2, [{"file": str(lines), "checked": 4, "refused": 1}])
    assert (answer.error["file"], answer.error["line"]) == (1, 2)


def test_check__needs_no_home(cli: CommandLine, tmp_path: Path) -> None:
    path = written(tmp_path / "a.json", observation())
    assert cli.bare("--home", tmp_path / "nowhere", "record", "check", path).code == 0


def test_score__of_files__is_a_number_with_its_parts(cli: CommandLine, tmp_path: Path, lines: Path) -> None:
    path = written(tmp_path / "a.json", observation())
    (row,) = cli.json("record", "score", path)
    assert row["score"] == cli.json("record", "score", path)[0]["score"]
    assert [part["aspect"] for part in row["parts"]] == [
        "conformance",
        "coded-terms",
        "units",
        "completeness",
        "timeliness",
    ]
    assert len(row["method"]) == 64
    answer = cli("--json", "record", "score", lines, written(tmp_path / "letter", b"a letter"))
    assert answer.code == 2
    assert answer.json == [{"file": str(lines), "scored": 3, "mean": row["score"], "lowest": row["score"]}]
    said = cli("record", "score", path)
    assert str(row["score"]) in said.text


# --------------------------------------------------------------------------------------------------- publish


def test_publish__resource__shows_what_was_derived_and_keeps_it(cli: CommandLine, tmp_path: Path) -> None:
    path = written(tmp_path / "a.json", observation())
    (row,) = cli.json("record", "publish", path, *TO_PATIENT)
    assert (row["category"], row["clinical_date"], row["labels"], row["patient_reference"], row["place"]) == (
        "observation",
        "2026-03-04",
        ["PSY"],
        "Patient/1",
        None,
    )
    assert cli.fetched(row["record"], "patient") == path.read_bytes()


def test_publish__bundle_and_batch__are_a_record_for_each_resource_and_message(
    cli: CommandLine, tmp_path: Path
) -> None:
    carried = written(tmp_path / "a.json", bundle(observation(1), observation(2)))
    batch = written(tmp_path / "b.hl7", "".join(MESSAGE.format(number=number) for number in (1, 2)).encode())
    rows = [row for path in (carried, batch) for row in cli.json("record", "publish", path, *TO_PATIENT)]
    assert [row["place"] for row in rows] == ["entry 0", "entry 1", "message 1", "message 2"]
    for row in rows:
        assert cli.fetched(row["record"], "patient") in Path(row["file"]).read_bytes()


def test_publish__lines__tells_bad_ones_sums_up_and_reports_each(cli: CommandLine, tmp_path: Path, lines: Path) -> None:
    reported = tmp_path / "report.ndjson"
    answer = cli("--json", "record", "publish", lines, *TO_PATIENT, "--report", reported)
    assert answer.code == 2
    assert answer.json == [{"file": str(lines), "published": 3, "already_published": 0, "refused": 1}]
    assert (answer.error["error"], answer.error["file"], answer.error["line"]) == ("InvalidInputError", 1, 2)
    rows = [json.loads(line) for line in reported.read_bytes().splitlines()]
    assert [(row["place"], "record" in row) for row in rows] == [
        ("line 1", True),
        ("line 2", False),
        ("line 3", True),
        ("line 4", True),
    ]
    whole = lines.read_bytes().split(b"\n")
    assert cli.fetched(rows[2]["record"], "patient") == whole[2]
    again = cli("record", "publish", lines, *TO_PATIENT)
    assert again.code == 2
    assert again.text.splitlines()[1].split()[-3:] == ["0", "3", "1"]


def test_publish__lines_broken_off_and_repeated__publishes_only_the_rest(
    cli: CommandLine, lines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register, calls = RecordRegistryAdapter.register, []

    def lost(*args: object, **more: object) -> object:
        calls.append(args)
        if len(calls) > 1:
            raise LedgerUnavailableError("the line was cut")
        return register(*args, **more)

    with monkeypatch.context() as broken:
        broken.setattr(RecordRegistryAdapter, "register", lost)
        answer = cli("--json", "record", "publish", lines, *TO_PATIENT)
    assert answer.code == 6
    assert answer.json == [{"file": str(lines), "published": 1, "already_published": 0, "refused": 1}]
    again = cli("--json", "record", "publish", lines, *TO_PATIENT)
    assert again.json == [{"file": str(lines), "published": 2, "already_published": 1, "refused": 1}]
    assert len(cli.json("record", "list", "--patient", "patient")) == 5


def test_publish__of_several_patients__needs_a_file_that_says_who_is_who(cli: CommandLine, tmp_path: Path) -> None:
    other = observation(2, subject={"reference": f"Patient/{CANARY}"})
    path = written(tmp_path / "a.json", bundle(observation(1), other))
    refused = cli("record", "publish", path, *TO_PATIENT)
    assert (refused.code, refused.out) == (2, b"")
    assert "several patients" in refused.err
    assert "--patients FILE" in refused.err
    mapping = written(tmp_path / "who.csv", f"reference,patient\nPatient/1,patient\nPatient/{CANARY},doctor\n".encode())
    first, second = cli.json("record", "publish", path, "--as", "hospital", "--patients", mapping)
    assert json.loads(cli.fetched(first["record"], "patient"))["id"] == "o-1"
    assert cli.fetched(second["record"], "doctor", "--purpose", "PATRQT") in path.read_bytes()
    assert len(cli.json("record", "list", "--patient", "doctor")) == 1
    assert CANARY not in refused.err + refused.text


def test_publish__files_of_several_patients__only_the_first_one_s_are_published(
    cli: CommandLine, tmp_path: Path
) -> None:
    other = observation(2, subject={"reference": f"Patient/{CANARY}"})
    files = [
        written(tmp_path / "a.json", observation(1)),
        written(tmp_path / "b.json", other),
        written(tmp_path / "c.json", bundle(observation(3), observation(4))),
        written(tmp_path / "d.json", bundle(other)),
    ]
    answer = cli("--json", "record", "publish", *files, *TO_PATIENT)
    assert answer.code == 2
    assert [Path(row["file"]).name for row in answer.json] == ["a.json", "c.json", "c.json"]
    refusals = [json.loads(line) for line in answer.err.splitlines()]
    assert [(row["file"], row["message"]) for row in refusals] == [
        (number, "it is about another patient than what came before it") for number in (2, 4)
    ]
    assert "--patients FILE" in refusals[0]["hint"]
    assert CANARY not in answer.err


def test_publish__what_does_not_conform__needs_a_reason(cli: CommandLine, tmp_path: Path) -> None:
    path = written(tmp_path / "a.json", observation(status=None))
    refused = cli("record", "publish", path, *TO_PATIENT)
    assert (refused.code, refused.out) == (2, b"")
    assert "Observation.status: it must be there" in refused.err
    assert cli("record", "publish", path, *TO_PATIENT, "--anyway").code == 2
    (row,) = cli.json("record", "publish", path, *TO_PATIENT, "--anyway", "--because", "it is from 1999")
    assert cli.fetched(row["record"], "patient") == path.read_bytes()


def test_publish__label_dropped__needs_a_reason(cli: CommandLine, tmp_path: Path) -> None:
    path = written(tmp_path / "a.json", observation())
    refused = cli("record", "publish", path, *TO_PATIENT, "--drop-label", "PSY")
    assert "it says otherwise of its labels" in refused.err
    (row,) = cli.json("record", "publish", path, *TO_PATIENT, "--drop-label", "PSY", "--because", "a mistake")
    assert row["labels"] == []


@pytest.mark.parametrize(
    "words",
    [("--as", "hospital"), (*TO_PATIENT, "--supersedes", "ab" * 32, "more"), (*TO_PATIENT, "--sign-to", "x", "more")],
)
def test_publish__what_cannot_be__is_wrong_usage(cli: CommandLine, tmp_path: Path, words: tuple[str, ...]) -> None:
    path = written(tmp_path / "a.json", observation())
    answer = cli("record", "publish", path, *words)
    assert (answer.code, answer.out) == (2, b"")


def test_publish__several_records_to_sign_or_to_supersede__is_refused(cli: CommandLine, tmp_path: Path) -> None:
    path = written(tmp_path / "a.json", bundle(observation(1), observation(2)))
    signed = cli("record", "publish", path, *TO_PATIENT, "--sign-to", tmp_path / "signed.json", "--yes")
    assert (signed.code, (tmp_path / "signed.json").exists()) == (2, False)
    superseded = cli("record", "publish", path, *TO_PATIENT, "--supersedes", cli.home.observation)
    assert (superseded.code, superseded.out) == (2, b"")
