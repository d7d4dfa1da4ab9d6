"""Read receipts on the command line: signed by a clinician, kept by a custodian, asked for, batched, shown.

given a home with two records of a patient, and a clinician who has broken the glass
├─ a custodian who asks for a receipt releases nothing without one; served once it is kept
├─ kept receipts are listed, batched, and one is proven to somebody else
├─ an edited receipt or proof, and one for another custodian, is refused with its exit code
├─ of a request whose study says so, the requester reads when he has signed, and not before; inboxes say it
└─ what is no receipt is input that cannot be
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from homes import OBSERVATION, CommandLine
from studies import write_study
from test_cli_requests import kinds, opened, town

__all__ = ["town"]
pytestmark = pytest.mark.integration


@pytest.fixture
def episode(cli: CommandLine, tmp_path: Path) -> str:
    cli.json("consortium", "accredit", "doctor", "--kind", "clinician", "--until", "365d")
    (tmp_path / "details").write_text("found without papers")
    details = ("--details-file", tmp_path / "details")
    opened = cli.json(
        "emergency", "open", "--as", "doctor", "--patient", "patient", "--reason", "unconscious", *details
    )
    return str(opened["episode"])


def signed(cli: CommandLine, episode: str, path: Path, *more: object) -> Path:
    said = cli.json("receipt", "sign", episode, "--as", "doctor", "--custodian", "hospital", "--to", path, *more)
    assert (said["right"], said["reader"]) == (episode, cli.home.addresses["doctor"])
    return path


def test_receipt__asked_for__opens_what_is_closed_without(cli: CommandLine, episode: str, tmp_path: Path) -> None:
    waiting = cli("--json", "emergency", "serve", "--as", "hospital", "--once", "--on-receipt")
    assert (waiting.code, waiting.error["error"]) == (3, "ReceiptMissingError")
    refused = cli("--json", "emergency", "release", episode, "--as", "hospital", "--on-receipt")
    assert (refused.code, refused.out, refused.error["error"]) == (3, b"", "ReceiptMissingError")
    path = signed(cli, episode, tmp_path / "receipt.json")
    assert cli.json("receipt", "keep", path, "--as", "hospital")["new"]
    assert not cli.json("receipt", "keep", path, "--as", "hospital")["new"]
    (served,) = cli.json("emergency", "serve", "--as", "hospital", "--once", "--on-receipt")
    assert (served["episode"], served["records"]) == (episode, 2)
    assert cli("record", "fetch", cli.home.scan, "--as", "doctor", "--purpose", "BTG").code == 0


def test_receipts__kept__are_listed_batched_and_proven(cli: CommandLine, episode: str, tmp_path: Path) -> None:
    assert cli("receipt", "list", "--as", "hospital").text == "no receipts\n"
    for number in range(3):
        cli.json("receipt", "keep", signed(cli, episode, tmp_path / f"{number}.json"), "--as", "hospital")
    rows = cli.json("receipt", "list", "--as", "hospital")
    assert [row["batch"] for row in rows] == [None] * 3
    batch = cli.json("receipt", "batch", "--as", "hospital")
    assert batch["receipts"] == 3
    assert cli.json("receipt", "batch", "--as", "hospital") == {"root": None, "receipts": 0}
    (anchored,) = cli.json("receipt", "anchor", "--as", "hospital")
    assert (anchored["root"], anchored["receipts"]) == (batch["root"], 3)
    assert cli("receipt", "anchor", "--as", "hospital").text == "every batch is anchored\n"
    assert cli.json("audit", "verify")["differences"] == []
    proof = tmp_path / "proof.json"
    said = cli.json("receipt", "prove", rows[1]["receipt"], "--as", "hospital", "--to", proof)
    assert said["root"] == batch["root"]
    checked = cli.json("receipt", "check", proof, "--root", batch["root"])
    assert checked["receipt"] == rows[1]["receipt"]
    assert "signed, and in the batch" in cli("receipt", "check", proof).text
    refused = cli("--json", "receipt", "check", proof, "--root", "00" * 32)
    assert (refused.code, refused.error["error"]) == (2, "InvalidInputError")
    edited = json.loads(proof.read_text())
    edited["receipt"]["message"]["signedAt"] += 1
    proof.write_text(json.dumps(edited))
    answer = cli("--json", "receipt", "check", proof)
    assert (answer.code, answer.error["error"]) == (5, "IntegrityError")


def test_receipt__edited_or_for_another__is_not_kept(cli: CommandLine, episode: str, tmp_path: Path) -> None:
    path = signed(cli, episode, tmp_path / "receipt.json")
    other = cli("--json", "receipt", "keep", path, "--as", "clinic")
    assert (other.code, other.error["error"]) == (2, "InvalidInputError")
    edited = json.loads(path.read_text())
    edited["message"]["patient"] = cli.home.addresses["stranger"]
    path.write_text(json.dumps(edited))
    answer = cli("--json", "receipt", "keep", path, "--as", "hospital")
    assert (answer.code, answer.error["error"]) == (5, "SignatureInvalidError")
    assert cli.json("receipt", "list", "--as", "hospital") == []


@pytest.mark.parametrize(
    "words",
    [
        ["keep", "{file}", "--as", "hospital"],
        ["keep", "{missing}", "--as", "hospital"],
        ["check", "{file}"],
        ["prove", "00" * 32, "--as", "hospital", "--to", "{missing}"],
        ["prove", "zz", "--as", "hospital", "--to", "{missing}"],
        ["sign", "{episode}", "--as", "hospital", "--custodian", "hospital", "--to", "{missing}"],
        ["sign", "{episode}", "--as", "doctor", "--custodian", "hospital", "--for", "soon", "--to", "{missing}"],
        ["sign", "{episode}", "--as", "doctor", "--custodian", "hospital", "--to", "{file}"],
    ],
    ids=lambda words: " ".join(words[:3]),
)
def test_receipt__input_that_cannot_be__is_2(cli: CommandLine, episode: str, tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "file").write_text("{}")
    places = {"file": tmp_path / "file", "missing": tmp_path / "missing", "episode": episode}
    answer = cli("--json", "receipt", *(word.format(**places) for word in words))
    assert (answer.code, answer.out) == (2, b"")
    assert (tmp_path / "file").read_text() == "{}"
    assert not (tmp_path / "missing").exists()


def test_request__released_on_a_receipt__is_read_when_it_is_signed_and_not_before(
    town: CommandLine, tmp_path: Path
) -> None:
    number = opened(town, write_study(tmp_path, on_receipt=True))
    told = town("request", "accept", number, "--as", "patient", "--yes")
    assert "signed that he is about to read" in told.err
    assert "ReceiptDue" in kinds(town, "researcher")
    wanted = ["record", "fetch", town.home.observation, "--as", "researcher", "--purpose", "BIORCH"]
    assert town(*wanted).code == 3
    delivery = ["request", "deliver", number, "--patient", "patient", "--as", "hospital"]
    answer = town("--json", *delivery)
    assert (answer.code, answer.error["error"]) == (3, "ReceiptMissingError")
    path = tmp_path / "receipt.json"
    of_request = ["receipt", "sign", "--request", number, "--patient", "patient", "--as", "researcher"]
    said = town.json(*of_request, "--to", path)
    assert said["custodian"] == town.home.addresses["hospital"]
    town.json("receipt", "keep", path, "--as", "hospital")
    town.json(*delivery)
    assert "ReceiptDue" not in kinds(town, "researcher")
    assert town(*wanted).out == OBSERVATION
    (grant,) = town.json("access", "list", "--patient", "patient")
    for who in ("patient", "researcher"):
        assert town.json("consent", "receipt", grant["grant"], "--as", who)["study"] == "Sleep and blood sugar"
        assert town.json("consent", "show", grant["grant"], "--as", who)["provisions"]
    assert town.json("request", "confirm", number, "--patient", "patient", "--as", "researcher")["records"] == 1
    assert town("--json", *of_request, "--to", tmp_path / "late.json").code == 2


@pytest.mark.parametrize(
    "words",
    [
        ["--as", "doctor"],
        ["{episode}", "--as", "doctor"],
        ["{episode}", "--request", "1", "--patient", "patient", "--as", "doctor"],
        ["--request", "1", "--as", "doctor"],
        ["{episode}", "--patient", "patient", "--as", "doctor", "--custodian", "hospital"],
    ],
    ids=" ".join,
)
def test_sign__half_said__is_a_question_of_usage(
    cli: CommandLine, episode: str, tmp_path: Path, words: list[str]
) -> None:
    said = [word.format(episode=episode) for word in words]
    assert cli("receipt", "sign", *said, "--to", tmp_path / "receipt.json").code == 2
