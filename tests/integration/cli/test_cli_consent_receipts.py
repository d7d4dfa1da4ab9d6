"""The receipts that consents have without being asked, on the command line.

given a home with two records of a patient
├─ each consent has one: sent, signed and relayed, a delegate's, one that accepts a request, one that is given again
├─ both parties find theirs, and nobody else does; what the reader has once seen is there when the bundle is gone
├─ who has read a record by a consent has kept its receipt
├─ it says how the consent stands: live, withdrawn, given again
├─ what no PII controller has told is said to be not stated, until his profile is kept
├─ of a request it states the study and DUO's terms; another study in it is found out
└─ a receipt that cannot be made keeps no consent from being given
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from homes import OBSERVATION, CommandLine
from studies import write_study
from test_cli_consent_documents import PROFILE
from test_cli_requests import town

from medshare.cli.asking import passphrase_of
from medshare.envelope import Identity
from medshare.keyring import SECRET_FILE
from medshare.services.bundles import open_sealed

__all__ = ["town"]
pytestmark = pytest.mark.integration


def given_to_doctor(cli: CommandLine, *words: object) -> str:
    row = cli.json("consent", "give", "--as", "patient", "--to", "doctor", "--until", "30d", "--everything", *words)
    return str(row["grant"])


def listed(cli: CommandLine, who: str) -> list[dict[str, object]]:
    return list(cli.json("consent", "receipt", "--as", who))


def shown(cli: CommandLine, grant: str, who: str) -> dict[str, object]:
    return dict(cli.json("consent", "receipt", grant, "--as", who))


def opened(cli: CommandLine, file: Path, name: str) -> dict[str, object]:
    passphrase = passphrase_of(name, cli.home.passphrase_file)
    document, _ = open_sealed(file.read_bytes(), Identity.load(cli.home.identity(name) / SECRET_FILE, passphrase))
    return dict(json.loads(document))


def test_consent__given__has_a_receipt_that_both_parties_find_and_nobody_else(cli: CommandLine) -> None:
    assert listed(cli, "patient") == []
    grant = given_to_doctor(cli)
    (one,) = listed(cli, "patient")
    assert (one["grant"], one["state"], one["consent_state"]) == (grant, "live", "dpv:ConsentGiven")
    assert listed(cli, "doctor") == [one]
    assert listed(cli, "neighbour") == []
    assert shown(cli, grant, "patient") == shown(cli, grant, "doctor")
    assert cli("consent", "receipt", grant, "--as", "neighbour").code == 3


def test_receipt__of_a_consent_that_ended__is_found_when_its_bundle_is_gone(cli: CommandLine) -> None:
    grant = given_to_doctor(cli)
    before = shown(cli, grant, "doctor")
    cli.json("access", "revoke", grant, "--as", "patient")
    cli.collect()
    assert cli("consent", "show", grant, "--as", "patient").code != 0
    for who in ("patient", "doctor"):
        after = shown(cli, grant, who)
        assert (after["state"], after["consent_state"]) == ("revoked", "dpv:ConsentWithdrawn")
        assert (after["record"], after["provisions"]) == (before["record"], before["provisions"])
        assert after["receipt"] != before["receipt"]


def test_receipt__never_seen_and_its_bundle_gone__is_said_to_lack(cli: CommandLine) -> None:
    grant = given_to_doctor(cli)
    cli.json("access", "revoke", grant, "--as", "patient")
    cli.collect()
    (row,) = listed(cli, "doctor")
    assert (row["grant"], row["state"], row["receipt"]) == (grant, "revoked", None)
    assert row["lacks"]
    assert listed(cli, "patient")[0]["receipt"] is not None


def test_receipt__of_a_consent_by_which_a_record_was_read__is_kept_by_its_reader(cli: CommandLine) -> None:
    grant = given_to_doctor(cli)
    cli.fetched(cli.home.observation, "doctor")
    cli.fetched(cli.home.observation, "doctor")
    cli.json("access", "revoke", grant, "--as", "patient")
    cli.collect()
    assert shown(cli, grant, "doctor")["consent_state"] == "dpv:ConsentWithdrawn"


def test_consent__given_again__has_a_receipt_of_the_last_time(cli: CommandLine, tmp_path: Path) -> None:
    grant = given_to_doctor(cli)
    first = shown(cli, grant, "doctor")
    assert given_to_doctor(cli, "--until", "60d") == grant
    again = shown(cli, grant, "doctor")
    assert again["expires_at"] != first["expires_at"]
    assert again["receipt"] != first["receipt"]
    assert len(listed(cli, "doctor")) == 1
    target = tmp_path / "receipt.c4gh"
    cli.json("consent", "receipt", grant, "--as", "doctor", "--to", target)
    assert cli.json("consent", "receipt", "--verify", target, "--as", "patient")["receipt"] == again["receipt"]


def test_consent__signed_here_and_sent_by_another__has_its_receipt_from_the_signing(
    cli: CommandLine, tmp_path: Path
) -> None:
    file = tmp_path / "grant.json"
    words = ["access", "grant", "--all", "--as", "patient", "--to", "doctor", "--until", "1d"]
    grant = cli.json(*words, "--sign-to", file, "--yes")["grant"]
    assert listed(cli, "patient") == []  # nothing is granted yet
    cli.json("relay", "send", file, "--as", "neighbour")
    assert shown(cli, grant, "doctor")["consent_state"] == "dpv:ConsentGiven"
    assert listed(cli, "doctor") == listed(cli, "patient")
    assert listed(cli, "neighbour") == []


def test_consent__of_a_delegate__has_a_receipt_for_patient_delegate_and_reader(cli: CommandLine) -> None:
    cli.json("delegate", "appoint", "neighbour", "--as", "patient", "--until", "300d", "--with-access")
    words = ["access", "grant", cli.home.observation, "--to", "doctor", "--until", "1d"]
    grant = cli.json(*words, "--as", "neighbour", "--for", "patient")["grant"]
    rows = [shown(cli, grant, who) for who in ("patient", "neighbour", "doctor")]
    assert rows[0] == rows[1] == rows[2]
    assert rows[0]["patient"] == cli.home.addresses["patient"]
    assert grant in [row["grant"] for row in listed(cli, "neighbour")]
    assert cli.fetched(cli.home.observation, "doctor") == OBSERVATION


def test_controller__not_known__is_said_to_be_not_stated_until_his_profile_is_kept(
    cli: CommandLine, tmp_path: Path
) -> None:
    before = given_to_doctor(cli)
    row = shown(cli, before, "patient")
    assert row["controller"] == "not stated"
    assert "privacy_notice" in row["not_stated"]
    profile = tmp_path / "profile.json"
    profile.write_text(json.dumps(PROFILE))
    kept = cli.json("consent", "controller", profile, "--of", "doctor")
    assert (kept["of"], kept["party_name"]) == (cli.home.addresses["doctor"], "Clinic of the Example")
    for grant in (before, given_to_doctor(cli, "--purpose", "HPAYMT")):
        row = shown(cli, grant, "patient")
        assert (row["controller"], row["not_stated"]) == ("Clinic of the Example", [])
    profile.write_text(json.dumps({**PROFILE, "jurisdiction": "not stated"}))
    answer = cli("--json", "consent", "controller", profile, "--of", "doctor")
    assert (answer.code, answer.error["error"]) == (2, "InvalidInputError")


def test_request__accepted__has_a_receipt_with_study_and_duo_that_verifies(town: CommandLine, tmp_path: Path) -> None:
    use = {"purposes": ["disease"], "diseases": ["MONDO:0005015"], "countries": ["FI"], "ethics_approval": True}
    number = str(town.json("request", "open", write_study(tmp_path, intended_use=use), "--as", "researcher")["request"])
    town.json("request", "approve", number, "--as", "clinic")
    town.json("request", "accept", number, "--as", "patient", "--yes")
    (row,) = listed(town, "patient")
    assert listed(town, "researcher") == [row]
    assert row["controller"] == "University Hospital"
    said = shown(town, str(row["grant"]), "researcher")
    assert (said["study"], said["institution"]) == ("Sleep and blood sugar", "University Hospital")
    assert said["data_use"] == [
        "DS (disease specific research) MONDO:0005015",
        "IRB (ethics approval required)",
        "GS (geographical restriction) FI",
    ]
    target = tmp_path / "receipt.c4gh"
    town.json("consent", "receipt", row["grant"], "--as", "patient", "--to", target)
    assert town.json("consent", "receipt", "--verify", target, "--as", "researcher")["study_compared"]
    fields = opened(town, target, "patient")
    clear = tmp_path / "receipt.json"
    for change, names in (
        ({"title": "Another"}, "study.title"),
        ({"data_use": []}, "purposes"),
    ):
        record = fields["consent_record"]
        altered = {**fields, "consent_record": {**record, "study": {**record["study"], **change}}}
        clear.write_text(json.dumps(altered))
        answer = town("--json", "consent", "receipt", "--verify", clear)
        assert (answer.code, answer.error["error"]) == (5, "IntegrityError"), names
    without = {name: value for name, value in fields["consent_record"].items() if name != "study"}
    clear.write_text(json.dumps({**fields, "consent_record": without}))
    assert town("--json", "consent", "receipt", "--verify", clear).code == 5


def test_request__for_named_patients__has_a_receipt_whose_study_only_its_readers_compare(
    town: CommandLine, tmp_path: Path
) -> None:
    words = ["request", "open", write_study(tmp_path, grants=1), "--as", "researcher", "--patient", "patient"]
    number = str(town.json(*words)["request"])
    town.json("request", "accept", number, "--as", "patient", "--yes")
    (row,) = listed(town, "patient")
    target = tmp_path / "receipt.c4gh"
    town.json("consent", "receipt", row["grant"], "--as", "patient", "--for", "clinic", "--to", target)
    assert town.json("consent", "receipt", "--verify", target, "--as", "patient")["study_compared"]
    read = town.json("consent", "receipt", "--verify", target, "--as", "clinic")
    assert (read["study"], read["study_compared"]) == ("Sleep and blood sugar", False)


def test_receipt__that_cannot_be_made__keeps_no_consent_from_being_given(cli: CommandLine) -> None:
    folder = cli.home.path / "controllers"
    folder.mkdir()
    (folder / f"{cli.home.addresses['doctor']}.json").write_text("{}")
    answer = cli("access", "grant", cli.home.observation, "--as", "patient", "--to", "doctor", "--until", "1d")
    assert answer.code == 0
    assert "no receipt could be made" in answer.text
    assert cli.fetched(cli.home.observation, "doctor") == OBSERVATION
    (folder / f"{cli.home.addresses['doctor']}.json").unlink()
    (row,) = listed(cli, "patient")
    assert (row["consent_state"], row["lacks"]) == ("dpv:ConsentGiven", None)
