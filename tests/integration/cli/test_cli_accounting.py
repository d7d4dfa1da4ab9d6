"""Who could read, on the command line: a report for the patient, exports, and what is found when one is edited.

given a home in which a patient has granted a doctor two records
├─ report: in plain words, emergencies first; who may, who could; what it cannot tell
├─ export: a Bundle, a table, a page; private, and never over another file
├─ check: an export that nobody touched is right, also after more has happened, which is counted
├─ check: an entry left out, or one character edited, is named, and the exit code is 5
├─ check: names that are not known here are shown, and count for nothing
└─ check: what is no export, or of another chain, is refused as input
"""

from __future__ import annotations

import csv
import json
import stat
import time
from pathlib import Path

import pytest
from homes import CommandLine, Home

pytestmark = pytest.mark.integration

KINDS = ("audit-event", "disclosures")


@pytest.fixture
def granted(granted_home: Home, capsysbinary: pytest.CaptureFixture[bytes]) -> CommandLine:
    return CommandLine(granted_home, capsysbinary)


def exported(cli: CommandLine, tmp_path: Path, kind: str, *more: object) -> Path:
    path = tmp_path / kind
    said = cli.json("audit", "export", "--patient", "patient", "--format", kind, "--to", path, *more)
    assert (said["file"], said["format"]) == (str(path), kind)
    return path


def broken(cli: CommandLine, tmp_path: Path) -> None:
    """An emergency that a neighbour has reviewed."""
    for who, kind in (("researcher", "clinician"), ("neighbour", "reviewer")):
        cli.json("consortium", "accredit", who, "--kind", kind, "--until", "365d")
    (tmp_path / "details").write_text("CANARY-details")
    details = ("--details-file", tmp_path / "details")
    opened = cli.json(
        "emergency", "open", "--as", "researcher", "--patient", "patient", "--reason", "unconscious", *details
    )
    cli.json("emergency", "serve", "--as", "hospital", "--once")
    time.sleep(1)  # what begins and ends in one second has never been
    cli.json("emergency", "end", opened["episode"], "--as", "researcher")
    note = ("--note-file", tmp_path / "details")
    cli.json("emergency", "review", opened["episode"], "--as", "neighbour", "--verdict", "justified", *note)


# ------------------------------------------------------------------------------------------------ report


def test_report__for_a_patient__says_in_words_who_may_and_who_could(granted: CommandLine, tmp_path: Path) -> None:
    broken(granted, tmp_path)
    text = granted("audit", "report", "--patient", "patient").text
    doctor, clinician = granted.home.addresses["doctor"], granted.home.addresses["researcher"]
    assert f"! researcher ({clinician}) broke the glass: the patient was unconscious; reviewed: justified." in text
    assert f"doctor ({doctor}), for treatment: granted by the patient." in text
    assert text.index("Emergencies") < text.index("Who may read now") < text.index("Who could read before")
    assert text.index(f"doctor ({doctor})") > text.index("Who may read now")
    assert "UTC; then the emergency was ended." in text
    assert "What was read stays read" in text
    assert "CANARY" not in text
    granted.json("access", "revoke", granted.home.grant, "--as", "patient")
    after = granted("audit", "report", "--patient", "patient").text
    assert "Who may read now:\n  nobody\n" in after
    assert "then it was revoked." in after


def test_report__for_scripts__has_the_same_disclosures(granted: CommandLine, tmp_path: Path) -> None:
    broken(granted, tmp_path)
    said = granted.json("audit", "report", "--patient", "patient")
    assert [each["manner"] for each in said["disclosures"]] == ["emergency", "emergency keys", "grant"]
    assert [each["in_force"] for each in said["disclosures"]] == [False, False, True]
    assert said["disclosures"][2]["grant"] == granted.home.grant
    assert sum(each["count"] for each in said["series"]) == 3


def test_report__since_a_time__leaves_out_what_ended_before(granted: CommandLine) -> None:
    granted.json("access", "revoke", granted.home.grant, "--as", "patient")
    later = granted("audit", "report", "--patient", "patient", "--since", "2100-01-01")
    assert "Who may read now:\n  nobody" in later.text
    assert granted.json("audit", "report", "--patient", "patient", "--since", "2100-01-01")["disclosures"] == []
    assert len(granted.json("audit", "report", "--patient", "patient", "--since", "2001-01-01")["disclosures"]) == 1


# ----------------------------------------------------------------------------------------- export, check


@pytest.mark.parametrize("kind", KINDS)
def test_export__checked__is_what_the_chain_tells(granted: CommandLine, tmp_path: Path, kind: str) -> None:
    broken(granted, tmp_path)
    path = exported(granted, tmp_path, kind)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    checked = granted.json("audit", "check", path)
    assert (checked["discrepancies"], checked["told_since"], checked["names_not_known_here"]) == ([], 0, [])
    assert checked["disclosures"] == 3
    granted.json("access", "revoke-all", "--as", "patient")
    later = granted.json("audit", "check", path)
    assert (later["discrepancies"], later["told_since"]) == ([], 1)
    assert later["block"] == checked["block"]


@pytest.mark.parametrize("kind", KINDS)
def test_export__one_entry_left_out__is_named_and_5(granted: CommandLine, tmp_path: Path, kind: str) -> None:
    path = exported(granted, tmp_path, kind)
    if kind == "audit-event":
        document = json.loads(path.read_text())
        del document["entry"][-1]
        path.write_text(json.dumps(document))
    else:
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join([lines[0], *lines[2:]]))
    answer = granted("--json", "audit", "check", path)
    assert (answer.code, answer.error["error"]) == (5, "IntegrityError")
    (found,) = answer.json["discrepancies"]
    assert found["finding"] == "omitted"
    for_people = granted("audit", "check", path)
    assert for_people.code == 5
    assert "omitted: " in for_people.text


@pytest.mark.parametrize("kind", KINDS)
def test_export__one_character_edited__is_named_and_5(granted: CommandLine, tmp_path: Path, kind: str) -> None:
    path = exported(granted, tmp_path, kind)
    doctor = granted.home.addresses["doctor"]
    other = doctor[:-1] + ("0" if doctor[-1] != "0" else "1")
    path.write_text(path.read_text().replace(doctor, other, 1))
    answer = granted("--json", "audit", "check", path)
    assert (answer.code, answer.error["error"]) == (5, "IntegrityError")
    (found,) = answer.json["discrepancies"]
    assert found["finding"] == "edited"
    assert len(found["fields"]) == 1


def test_export__page__is_for_people_and_names_them(granted: CommandLine, tmp_path: Path) -> None:
    text = exported(granted, tmp_path, "page").read_text()
    assert f"doctor ({granted.home.addresses['doctor']}), for treatment: granted by the patient." in text
    refused = granted("--json", "audit", "check", tmp_path / "page")
    assert (refused.code, refused.error["error"]) == (2, "InvalidInputError")


def test_export__since_a_time__is_checked_as_such(granted: CommandLine, tmp_path: Path) -> None:
    path = exported(granted, tmp_path, "audit-event", "--since", "2100-01-01")
    assert "entry" not in json.loads(path.read_text())
    checked = granted.json("audit", "check", path)
    assert (checked["events"], checked["discrepancies"], checked["since"]) == (0, [], "2100-01-01T00:00:00Z")


def test_export__over_another_file__is_refused(granted: CommandLine, tmp_path: Path) -> None:
    path = exported(granted, tmp_path, "disclosures")
    before = path.read_bytes()
    answer = granted("--json", "audit", "export", "--patient", "patient", "--format", "audit-event", "--to", path)
    assert (answer.code, path.read_bytes()) == (2, before)


def test_check__with_other_names__shows_them_and_ends_well(granted: CommandLine, tmp_path: Path) -> None:
    path = exported(granted, tmp_path, "disclosures")
    rows = list(csv.reader(path.read_text().splitlines()))
    assert "doctor" in rows[1]
    path.write_text(path.read_text().replace(",doctor,", ",physician,"))
    checked = granted.json("audit", "check", path)
    assert checked["discrepancies"] == []
    assert checked["names_not_known_here"] == [
        {"account": granted.home.addresses["doctor"], "said": "physician", "known": "doctor"}
    ]
    assert "is called physician, here doctor" in granted("audit", "check", path).text


@pytest.mark.parametrize("content", [b"", b"{}", b"a,b\n", b"\x00\xff", b'{"resourceType":"Bundle"}'])
def test_check__no_export__is_2(cli: CommandLine, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    answer = cli("--json", "audit", "check", path)
    assert (answer.code, answer.out, answer.error["error"]) == (2, b"", "InvalidInputError")


def test_check__of_another_chain_or_branch__is_refused(granted: CommandLine, tmp_path: Path) -> None:
    path = exported(granted, tmp_path, "audit-event")
    document = json.loads(path.read_text())
    chain, _, rest = document["identifier"]["value"].partition(":0x")
    account, since, block, block_hash = f"0x{rest}".split("/")
    for value, code in (
        (f"eip155:1:{account}/{since}/{block}/{block_hash}", 2),
        (f"{chain}:{account}/{since}/{block}9/{block_hash}", 2),
        (f"{chain}:{account}/{since}/{block}/{block_hash[::-1]}", 5),
    ):
        document["identifier"]["value"] = value
        path.write_text(json.dumps(document))
        assert granted("audit", "check", path).code == code


# ------------------------------------------------------------------------------------------ read receipts


def signed(cli: CommandLine, tmp_path: Path, *, anchored: bool = True, kept: int = 2) -> str:
    """An emergency in which the hospital released keys on a receipt; it keeps several, and has anchored a batch."""
    cli.json("consortium", "accredit", "researcher", "--kind", "clinician", "--until", "365d")
    (tmp_path / "details").write_text("CANARY-details")
    words = ["--patient", "patient", "--reason", "unconscious", "--details-file", tmp_path / "details"]
    episode = str(cli.json("emergency", "open", "--as", "researcher", *words)["episode"])
    for number in range(kept):
        path = tmp_path / f"receipt-{number}.json"
        cli.json("receipt", "sign", episode, "--as", "researcher", "--custodian", "hospital", "--to", path)
        cli.json("receipt", "keep", path, "--as", "hospital")
    cli.json("emergency", "serve", "--as", "hospital", "--once", "--on-receipt")
    if anchored:
        cli.json("receipt", "batch", "--as", "hospital")
        cli.json("receipt", "anchor", "--as", "hospital")
    return episode


def account(cli: CommandLine, path: Path, *more: object) -> Path:
    cli.json("receipt", "export", "--as", "hospital", "--to", path, *more)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return path


def test_report__with_read_receipts__tells_who_signed_when_of_what_and_whether_it_is_on_chain(
    granted: CommandLine, tmp_path: Path
) -> None:
    assert "none that is known here" in granted("audit", "report", "--patient", "patient").text
    episode = signed(granted, tmp_path, anchored=False, kept=1)
    text = granted("audit", "report", "--patient", "patient").text
    clinician, hospital = (granted.home.addresses[name] for name in ("researcher", "hospital"))
    assert f"! researcher ({clinician}), for " in text
    assert "not on chain yet" in text
    assert text.index("Emergencies") < text.index("Who signed") < text.index("Who may read now")
    granted.json("receipt", "batch", "--as", "hospital")
    granted.json("receipt", "anchor", "--as", "hospital")
    text = granted("audit", "report", "--patient", "patient").text
    assert f"Of at most 2 records of hospital ({hospital}); keys were given on " in text
    assert "; on chain since " in text
    said = granted.json("audit", "report", "--patient", "patient")
    (row,) = said["receipts"]
    assert (row["emergency"], row["episode"], row["reader"]) == (True, episode, clinician)
    assert sorted(row["records"]) == sorted([granted.home.observation, granted.home.scan])
    assert row["anchored_at"] >= row["released_at"] >= row["signed_at"]
    assert said["released_without_receipt"] == []
    assert granted.json("audit", "report", "--patient", "neighbour")["receipts"] == []


def test_report__receipts_of_another_home__are_compared_and_told(granted: CommandLine, tmp_path: Path) -> None:
    signed(granted, tmp_path)
    path = account(granted, tmp_path / "for-the-patient.json", "--patient", "patient")
    (journal,) = (granted.home.path / "state").rglob("receipts.sqlite")
    journal.unlink()  # as on the patient's own machine
    assert granted.json("audit", "report", "--patient", "patient")["receipts"] == []
    told = granted.json("audit", "report", "--patient", "patient", "--receipts", path)
    assert len(told["receipts"]) == 2
    document = json.loads(path.read_text())
    document["receipts"][0]["receipt"]["message"]["signedAt"] -= 1
    path.write_text(json.dumps(document))
    answer = granted("--json", "audit", "report", "--patient", "patient", "--receipts", path)
    assert (answer.code, answer.error["error"]) == (5, "IntegrityError")
    other = granted("--json", "audit", "report", "--patient", "neighbour", "--receipts", path)
    assert (other.code, other.error["error"]) == (2, "InvalidInputError")


def test_check__an_account_of_receipts__is_what_the_chain_tells(granted: CommandLine, tmp_path: Path) -> None:
    signed(granted, tmp_path)
    every = granted.json("audit", "check", account(granted, tmp_path / "all.json"))
    assert (every["receipts"], every["batches"], every["not_anchored"]) == (2, 1, [])
    assert (every["patient"], every["discrepancies"]) == (None, [])
    one = granted.json("audit", "check", account(granted, tmp_path / "one.json", "--patient", "patient"))
    assert (one["receipts"], one["patient"]) == (2, granted.home.addresses["patient"])
    none = granted.json("audit", "check", account(granted, tmp_path / "none.json", "--patient", "neighbour"))
    assert (none["receipts"], none["discrepancies"]) == (0, [])


@pytest.mark.parametrize(
    ("edit", "finding"),
    [
        (lambda several: several.pop(), "not what is in its batch: one was left out, added or edited"),
        (lambda several: several.clear(), "a batch that is on chain, and not in the account"),
        (lambda several: several.append(several[0]), "there more than once"),
        (lambda several: several[0]["receipt"]["message"].update(purposes=1), "not signed by its reader"),
        (lambda several: several[0].pop("root"), "not as many as were anchored"),
    ],
    ids=["left out", "batch left out", "doubled", "edited", "taken out of its batch"],
)
def test_check__an_account_of_receipts_that_was_edited__is_named_and_5(
    granted: CommandLine, tmp_path: Path, edit, finding: str
) -> None:
    signed(granted, tmp_path)
    path = account(granted, tmp_path / "all.json")
    document = json.loads(path.read_text())
    edit(document["receipts"])
    path.write_text(json.dumps(document))
    answer = granted("--json", "audit", "check", path)
    assert (answer.code, answer.error["error"]) == (5, "IntegrityError")
    assert finding in [each["finding"] for each in answer.json["discrepancies"]]


@pytest.mark.parametrize("document", ['{"custodian":"x"}', '{"custodian":"x","receipts":[1]}', '{"custodian":1'])
def test_check__no_account_of_receipts__is_2(granted: CommandLine, tmp_path: Path, document: str) -> None:
    path = tmp_path / "receipts.json"
    path.write_text(document)
    answer = granted("--json", "audit", "check", path)
    assert (answer.code, answer.error["error"]) == (2, "InvalidInputError")
