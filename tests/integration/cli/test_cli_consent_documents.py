"""Consents in the standards' clothes on the command line: exported, imported, receipts made and verified.

given a home with two records of a patient, and a consent to a doctor
├─ export writes a Consent of R4, R5 or a profile of PCF, valid by the judge; what has no place is refused by number
├─ import gives the same provisions back, which can be given again; what provisions cannot say is refused by element
├─ a Consent of others needs to be told whom it means and that its policy was read; one that permits nothing is refused
├─ receipt encrypts for patient, reader and whom else was named; the chain agrees with it while nothing has changed
├─ each consent has a receipt without being asked: both parties find it, also when its bundle is gone
├─ what no PII controller has told is said to be not stated, until his profile is kept
└─ nothing is overwritten, and what is wrong with a file is said with an exit code of 2
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fhir.resources.consent import Consent as JudgeR5
from fhir.resources.R4B.consent import Consent as JudgeR4
from homes import CommandLine, Home

pytestmark = pytest.mark.integration

PROFILE = {
    "party_id": "https://clinic.example",
    "party_name": "Clinic of the Example",
    "party_address": "1 Example Street",
    "party_contact": "dpo@clinic.example",
    "party_type": "hospital",
    "privacy_notice": "https://clinic.example/privacy",
    "language": "en",
    "storage_locations": ["DE"],
    "retention_period": "P10Y",
    "jurisdiction": "DE",
    "withdrawal_method": "medshare access revoke",
}


def give(cli: CommandLine, *words: object) -> str:
    granted = cli.json("consent", "give", "--as", "patient", "--to", "doctor", "--until", "30d", *words)
    return str(granted["grant"])


def shown(cli: CommandLine, grant: str) -> list[str]:
    return list(cli.json("consent", "show", grant, "--as", "patient")["provisions"])


def refused(cli: CommandLine, *words: object) -> dict[str, str]:
    answer = cli("--json", "consent", *words)
    assert answer.code == 2, answer
    return dict(answer.error)


SAID = ["--everything", "--label", "HIV", "--except-category", "imaging", "--duty", "NORDSCLCD", "--erase-by", "60d"]


@pytest.mark.parametrize(("version", "judge"), [("fhir-r4", JudgeR4), ("fhir-r5", JudgeR5)])
def test_export_and_import__a_consent__come_to_the_same_provisions(
    cli: CommandLine, home: Home, tmp_path: Path, version: str, judge: type
) -> None:
    grant = give(cli, *SAID)
    consent, provisions = tmp_path / "consent.json", tmp_path / "provisions.json"
    written = cli.json("consent", "export", grant, "--as", "doctor", "--format", version, "--to", consent)
    assert (written["format"], written["status"], written["provisions"]) == (version, "active", 2)
    judge.model_validate_json(consent.read_bytes())
    found = cli.json("consent", "import", consent, "--to", provisions)
    assert found["provisions"] == shown(cli, grant)
    assert (found["patient"], found["reader"]) == (home.addresses["patient"], home.addresses["doctor"])
    assert (found["break_glass"], found["not_before"] < found["expires_at"]) == ("unsaid", True)
    again = cli.json(
        *["consent", "give", "--as", "patient", "--to", "neighbour", "--until", found["expires_at"]],
        *["--provisions", provisions],
    )
    assert again["provisions"] == found["provisions"]


def test_export__in_a_profile__conforms_or_is_refused_by_its_number(cli: CommandLine, tmp_path: Path) -> None:
    grant = give(cli, "--everything")
    words = ["export", grant, "--as", "patient", "--profile", "basic", "--to", tmp_path / "basic.json"]
    assert "--organization" in refused(cli, *words)["hint"]
    assert cli.json("consent", *words, "--organization", "hospital")["profile"] == "basic"
    narrow = give(cli, "--everything", "--except-category", "imaging")
    words = ["export", narrow, "--as", "patient", "--profile", "advanced", "--organization", "hospital"]
    error = refused(cli, *words, "--to", tmp_path / "advanced.json")
    assert (error["error"], error["message"][:11]) == ("NotExpressibleError", "provision 2")
    assert not (tmp_path / "advanced.json").exists()
    answer = cli("consent", *words, "--format", "fhir-r5", "--to", tmp_path / "r5.json")
    assert (answer.code, "R4" in answer.err) == (2, True)


def test_export__of_an_ended_consent__is_inactive_and_not_imported(cli: CommandLine, tmp_path: Path) -> None:
    grant = give(cli, "--everything")
    cli.json("access", "revoke", grant, "--as", "patient")
    consent = tmp_path / "consent.json"
    assert cli.json("consent", "export", grant, "--as", "patient", "--to", consent)["status"] == "inactive"
    assert "Consent.status" in refused(cli, "import", consent, "--to", tmp_path / "provisions.json")["message"]


def test_export__by_a_stranger_or_onto_a_file__writes_nothing(cli: CommandLine, tmp_path: Path) -> None:
    grant = give(cli, "--everything")
    target = tmp_path / "consent.json"
    assert cli("consent", "export", grant, "--as", "neighbour", "--to", target).code == 3
    assert not target.exists()
    target.write_text("mine")
    assert "exists" in refused(cli, "export", grant, "--as", "patient", "--to", target)["message"]
    assert target.read_text() == "mine"
    answer = cli("--json", "consent", "export", "0x" + "ab" * 32, "--as", "patient", "--to", tmp_path / "none.json")
    assert (answer.code, answer.error["error"]) == (4, "UnknownGrantError")


def others(effect: str = "permit", **more: object) -> dict[str, object]:
    """A Consent as another system writes it."""
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]
        },
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": "Patient/1"},
        "organization": [{"reference": "Organization/2"}],
        "policy": [{"uri": "https://example.org/policy"}],
        "provision": {
            "type": effect,
            "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}],
            **more,
        },
    }


def test_import__of_others__needs_to_be_told_whom_it_means(cli: CommandLine, home: Home, tmp_path: Path) -> None:
    file, target = tmp_path / "consent.json", tmp_path / "provisions.json"
    data = [{"meaning": "instance", "reference": {"reference": "Observation/3"}}]
    file.write_text(json.dumps(others(data=data)))
    words: list[object] = ["import", file, "--to", target]
    for says, more in (
        ("which record", ["--record", f"Observation/3={home.observation}"]),
        ("Consent.patient", ["--who", "Patient/1=patient"]),
        ("Consent.organization[0]", ["--who", "Organization/2=hospital"]),
        ("has read this policy", ["--policy", "https://example.org/policy"]),
        ("names not one reader", ["--reader", "doctor"]),
    ):
        assert says in refused(cli, *words)["message"]
        words += more
    found = cli.json("consent", *words)
    assert found["break_glass"] == "refused"
    granted = cli.json(
        *["consent", "give", "--as", "patient", "--to", "doctor", "--until", "30d", "--provisions", target]
    )
    assert granted["released"] == 1
    assert cli("access", "check", home.observation, "--as", "doctor").code == 0
    assert cli("access", "check", home.scan, "--as", "doctor").code == 3
    told = cli("consent", *words[:3], tmp_path / "again.json", *words[4:])
    assert "emergency bar" in told.text


def test_import__that_permits_nothing__says_what_to_do(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "consent.json"
    file.write_text(json.dumps(others("deny")))
    error = refused(
        cli,
        *["import", file, "--to", tmp_path / "provisions.json", "--reader", "doctor", "--who", "Patient/1=patient"],
        *["--who", "Organization/2=hospital", "--policy", "https://example.org/policy"],
    )
    assert "permits this reader nothing" in error["message"]
    assert "revoke-all" in error["hint"]
    assert not (tmp_path / "provisions.json").exists()


def test_import__of_a_period__is_said_and_what_has_ended_is_refused(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "consent.json"
    known = ["--reader", "doctor", "--who", "Patient/1=patient", "--who", "Organization/2=hospital"]
    words = [*known, "--policy", "https://example.org/policy"]
    file.write_text(json.dumps(others(period={"start": "2090-01-01", "end": "2090-12-31"})))
    told = cli("consent", "import", file, "--to", tmp_path / "later.json", *words)
    assert "--from 2090-01-01T00:00:00Z" in told.text
    assert "--until 2091-01-01T00:00:00Z" in told.text
    file.write_text(json.dumps(others(period={"end": "2022-12-31"})))
    error = refused(cli, "import", file, "--to", tmp_path / "ended.json", *words)
    assert "ended at 2023-01-01T00:00:00Z" in error["message"]
    assert not (tmp_path / "ended.json").exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "JSON"),
        ('{"resourceType":"Consent","status":"active","status":"active"}', "twice"),
        ('{"resourceType":"Bundle"}', "is no Consent"),
    ],
    ids=["empty", "duplicate keys", "another resource"],
)
def test_import__of_what_is_no_consent__is_refused(cli: CommandLine, tmp_path: Path, content: str, says: str) -> None:
    file = tmp_path / "consent.json"
    file.write_text(content)
    assert says in refused(cli, "import", file, "--to", tmp_path / "provisions.json")["message"]
    assert "REFERENCE=NAME" in refused(cli, "import", file, "--to", tmp_path / "p.json", "--who", "doctor")["message"]


def controller(folder: Path, **change: object) -> Path:
    file = folder / "controller.json"
    said = {**PROFILE, **change}
    file.write_text(json.dumps({name: value for name, value in said.items() if value is not None}))
    return file


def make(cli: CommandLine, grant: str, folder: Path, name: str, *words: object) -> tuple[Path, dict[str, object]]:
    target = folder / name
    made = cli.json(
        *["consent", "receipt", grant, "--as", "patient", "--controller", controller(folder), "--to", target, *words]
    )
    return target, made


def test_receipt__of_a_consent__opens_for_its_readers_and_agrees_with_the_chain(
    cli: CommandLine, home: Home, tmp_path: Path
) -> None:
    grant = give(cli, *SAID)
    file, made = make(cli, grant, tmp_path, "receipt.c4gh", "--for", "clinic")
    assert made["readers"] == [home.addresses[name] for name in ("patient", "doctor", "clinic")]
    assert b"Clinic" not in file.read_bytes()
    assert (file.stat().st_mode & 0o777) == 0o600
    for name in ("patient", "doctor", "clinic"):
        verified = cli.json("consent", "receipt", "--verify", file, "--as", name)
        for key in ("grant", "receipt", "record", "created", "consent_state", "digest"):
            assert verified[key] == made[key]
        assert (verified["state"], verified["controller"]) == ("live", "Clinic of the Example")
        assert verified["provisions"] == shown(cli, grant)
    assert cli("consent", "receipt", "--verify", file, "--as", "neighbour").code == 3
    assert cli("consent", "receipt", "--verify", file).code == 2
    _, again = make(cli, grant, tmp_path, "again.c4gh")
    assert (again["receipt"], again["digest"]) == (made["receipt"], made["digest"])


def test_receipt__after_a_revocation__no_longer_verifies_and_another_says_so(cli: CommandLine, tmp_path: Path) -> None:
    grant = give(cli, "--everything")
    before, _ = make(cli, grant, tmp_path, "before.c4gh")
    cli.json("access", "revoke", grant, "--as", "patient")
    answer = cli("--json", "consent", "receipt", "--verify", before, "--as", "doctor")
    assert (answer.code, answer.error["error"]) == (5, "IntegrityError")
    assert "withdrawn at" in answer.error["message"]
    after, made = make(cli, grant, tmp_path, "after.c4gh")
    assert made["consent_state"] == "dpv:ConsentWithdrawn"
    assert cli.json("consent", "receipt", "--verify", after, "--as", "doctor")["state"] == "revoked"
    give(cli, "--everything")
    # Where all of it falls into one second, the events differ, and else the time.
    answer = cli("--json", "consent", "receipt", "--verify", after, "--as", "doctor")
    assert (answer.code, answer.error["error"]) == (5, "IntegrityError")
    assert "given anew" in answer.error["message"] or "consent_record.events" in answer.error["message"]


def test_receipt__of_an_expired_consent__verifies_and_says_that_it_has_ended(
    cli: CommandLine, tmp_path: Path, days_later
) -> None:
    """It says what was given, and until when: that time has passed makes nothing of it untrue."""
    grant = give(cli, "--everything")
    before, made = make(cli, grant, tmp_path, "before.c4gh")
    days_later(400)
    verified = cli.json("consent", "receipt", "--verify", before, "--as", "doctor")
    assert (verified["state"], verified["consent_state"], verified["digest"]) == (
        "expired",
        made["consent_state"],
        made["digest"],
    )
    after, _ = make(cli, grant, tmp_path, "after.c4gh")
    assert cli.json("consent", "receipt", "--verify", after, "--as", "doctor")["state"] == "expired"


def test_receipt__in_clear_altered_or_of_another_chain__is_found_out(
    cli: CommandLine, home: Home, tmp_path: Path
) -> None:
    from medshare.cli.asking import passphrase_of
    from medshare.envelope import Identity
    from medshare.keyring import SECRET_FILE
    from medshare.services.bundles import open_sealed

    grant = give(cli, "--everything")
    file, _ = make(cli, grant, tmp_path, "receipt.c4gh")
    passphrase = passphrase_of("patient", home.passphrase_file)
    identity = Identity.load(home.identity("patient") / SECRET_FILE, passphrase)
    document, _ = open_sealed(file.read_bytes(), identity)
    fields = json.loads(document)
    clear = tmp_path / "receipt.json"

    def verify(altered: dict[str, object]) -> tuple[int, str]:
        clear.write_text(json.dumps(altered))
        answer = cli("--json", "consent", "receipt", "--verify", clear)
        return answer.code, "" if answer.code == 0 else answer.error["message"]

    assert verify(fields) == (0, "")
    record = fields["consent_record"]
    code, says = verify({**fields, "consent_record": {**record, "pii_principal_id": "did:pkh:eip155:1:0x"}})
    assert (code, "pii_principal_id" in says) == (5, True)
    code, says = verify({**fields, "terms": {**fields["terms"], "salt": "00" * 32}})
    assert (code, "not those of the grant" in says) == (5, True)
    code, says = verify({**fields, "grant": "eip155:1/" + fields["grant"].split("/", 1)[1]})
    assert (code, "another chain" in says) == (2, True)
    code, says = verify({name: value for name, value in fields.items() if name != "receipt_id"})
    assert (code, "lacks: receipt_id" in says) == (2, True)
    code, says = verify({**fields, "created": "2100-01-01T00:00:00Z"})
    assert (code, says.endswith(": created")) == (5, True)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["{grant}"],
        ["{grant}", "--as", "patient", "--for", "clinic"],
        ["--as", "patient", "--controller", "{controller}"],
        ["{grant}", "--verify", "{controller}"],
        ["--verify", "{controller}", "--for", "clinic"],
    ],
    ids=" ".join,
)
def test_receipt__half_said__is_a_question_of_usage(cli: CommandLine, tmp_path: Path, words: list[str]) -> None:
    file = controller(tmp_path)
    said = [word.format(grant="0x" + "ab" * 32, controller=file) for word in words]
    assert cli("consent", "receipt", *said).code == 2


def test_receipt__profile_that_lacks_fields__is_refused_with_their_names(cli: CommandLine, tmp_path: Path) -> None:
    grant = give(cli, "--everything")
    file = controller(tmp_path, party_name=None, jurisdiction=None)
    target = tmp_path / "receipt.c4gh"
    words = ["receipt", grant, "--as", "patient", "--controller", file, "--to", target]
    assert "lacks: party_name, jurisdiction" in refused(cli, *words)["message"]
    assert not target.exists()
