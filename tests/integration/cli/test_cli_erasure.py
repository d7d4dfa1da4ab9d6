"""Erasure on the command line, from the legal hold to the certificate, and what is bad input at each step.

given a home in which a hospital's two records are granted to a doctor
├─ hold, holds, release-hold: while it is in force the record is not erased; why, only its custodian reads
├─ erase: gone from the disk, refused to everybody with the reason; the other record is read as before
├─ inbox: patient and doctor are told until they have answered; the custodian what is unfinished or overdue
├─ forget and acknowledge: no key of it is left on the disk; the custodian lists who has answered
├─ erasure-notice: what was withdrawn before, the chain does not tell; a signed notice does
├─ verify-erasure: the certificate holds; changed, it does not
└─ what cannot be: before its time, without a policy, an answer that is not the reader's, a file that is there
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from held_keys import commitment, held_keys
from homes import OBSERVATION, PASSPHRASE, CommandLine, Home

from medshare.envelope import Identity
from medshare.errors import StoreRefusedError
from medshare.keyring import SECRET_FILE
from medshare.model.ids import RecordId
from medshare.storage import KuboBlobStore, LocalBlobStore

pytestmark = pytest.mark.integration

POLICY = b"""
version = 1
jurisdiction = "Examplia"
default = 0
acknowledge_within = 30

[years]
patient-summary = 10
"""


@pytest.fixture
def erasing(granted_home: Home, capsysbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> CommandLine:
    """``medshare`` in a home that has a policy, and a file with a reason."""
    (granted_home.path / "retention.toml").write_bytes(POLICY)
    (tmp_path / "why").write_text("CANARY-why: consent withdrawn")
    return CommandLine(granted_home, capsysbinary)


def erase(cli: CommandLine, tmp_path: Path, *more: object) -> list[object]:
    return [
        "record",
        "erase",
        cli.home.scan,
        "--as",
        "hospital",
        "--reason-file",
        tmp_path / "why",
        "--yes",
        *more,
    ]


def keys_on_disk(home: Home) -> set[bytes]:
    """Return the commitments of the keys that anybody of this home gets out of what lies on its disk."""
    files = [path for path in (home.path / "blocks").rglob("*") if path.is_file()]
    names = ("hospital", "patient", "doctor")
    identities = [Identity.load(home.identity(name) / SECRET_FILE, PASSPHRASE) for name in names]
    return held_keys(SimpleNamespace(blocks={path: path.read_bytes() for path in files}), identities)


def kinds(cli: CommandLine, who: str) -> set[str]:
    return {row["kind"] for row in cli.json("inbox", "--as", who) if row["waits"]}


@pytest.mark.about("local", "what lies on its disk")
def test_erasure__from_the_order_to_the_last_answer__leaves_nothing_but_what_it_says(
    erasing: CommandLine, tmp_path: Path
) -> None:
    cli, home = erasing, erasing.home
    key = commitment(LocalBlobStore(home.path / "blocks"), RecordId(bytes.fromhex(home.scan)))
    assert key in keys_on_disk(home)
    certificate = tmp_path / "certificate.json"
    erased = cli.json(*erase(cli, tmp_path, "--certificate", certificate))
    assert (erased["finished"], erased["versions"], erased["already_erased"]) == (True, [home.scan], False)
    assert erased["stores"] == [{"store": "here", "gone": True, "remaining_blocks": 0, "trouble": None}]
    assert erased["readers_told"] == [home.addresses["doctor"]]
    assert "CANARY" not in certificate.read_text()
    assert cli.json(*erase(cli, tmp_path))["already_erased"]
    (shown,) = cli.json("record", "show", home.scan)
    assert shown["status"] == "erased"

    for reader in ("doctor", "patient", "hospital"):
        answer = cli("--json", "record", "fetch", home.scan, "--as", reader, "--to", tmp_path / "fetched")
        assert (answer.code, answer.out, answer.error["error"]) == (4, b"", "RecordErasedError")
        assert "was erased by its custodian at" in answer.error["message"]
    assert not (tmp_path / "fetched").exists()
    assert cli.fetched(home.observation, "doctor") == OBSERVATION

    assert kinds(cli, "doctor") == {"ErasureToAcknowledge"}
    assert kinds(cli, "patient") == {"RecordErased"}
    assert kinds(cli, "hospital") == set()
    assert key in keys_on_disk(home)  # in the bundle that the patient gave
    forgotten = cli.json("record", "forget", home.scan, "--as", "patient")
    assert (forgotten["finished"], forgotten["grants_left"]) == (True, [])
    assert len(forgotten["grants_renewed"]) == 1
    assert key not in keys_on_disk(home)
    assert kinds(cli, "patient") == set()
    assert cli.fetched(home.observation, "doctor") == OBSERVATION
    (listed,) = cli.json("access", "list", "--grantee", "doctor")
    assert listed["grant"] == home.grant

    answered = tmp_path / "answer.json"
    cli.json("record", "acknowledge-erasure", home.scan, "--as", "doctor", "--to", answered)
    assert kinds(cli, "doctor") == set()
    listing = cli("--json", "record", "erasures", "--as", "hospital")
    assert (listing.code, listing.json[0]["missing"]) == (0, [home.addresses["doctor"]])
    taken = cli.json("record", "take-acknowledgement", answered, "--as", "hospital")
    assert taken["missing"] == []
    assert [(row["reader"], row["erased"]) for row in taken["acknowledged"]] == [(home.addresses["doctor"], True)]

    verified = cli.json("record", "verify-erasure", certificate)
    assert (verified["holds"], verified["unmarked"]) == (True, [])
    assert any("A chain forgets nothing" in each for each in verified["remains"])


def test_erase__told_in_words__says_what_cannot_be_erased(erasing: CommandLine, tmp_path: Path) -> None:
    answer = erasing(*erase(erasing, tmp_path))
    assert answer.code == 0
    assert "what cannot be erased, and why:" in answer.text
    assert "Copies that readers made" in answer.text
    assert "leave it out of the next export" in answer.text
    assert "leave it out of the next export" not in erasing("--json", *erase(erasing, tmp_path)).text


def test_erasures__home_lost_its_state__says_only_what_it_knows(erasing: CommandLine, tmp_path: Path) -> None:
    erasing.json(*erase(erasing, tmp_path))
    for lost in (erasing.home.path / "state" / erasing.home.settings.network).glob("*.sqlite*"):
        lost.unlink()
    erasing.json("record", "restore", "--as", "hospital")
    answer = erasing("record", "erasures", "--as", "hospital")
    assert (answer.code, "nothing was erased from this home" in answer.text) == (0, True)
    (shown,) = erasing.json("record", "show", erasing.home.scan)
    assert shown["status"] == "erased"
    assert erasing.json(*erase(erasing, tmp_path))["finished"]
    (row,) = erasing.json("record", "erasures", "--as", "hospital")
    assert (row["record"], row["missing"]) == (erasing.home.scan, [erasing.home.addresses["doctor"]])


def test_grant__of_what_was_erased__is_refused_and_says_how_its_key_is_forgotten(
    erasing: CommandLine, tmp_path: Path
) -> None:
    erasing.json(*erase(erasing, tmp_path))
    words = [erasing.home.scan, "--as", "patient", "--to", "researcher", "--until", "1d"]
    answer = erasing("--json", "access", "grant", *words)
    assert (answer.code, answer.out, answer.error["error"]) == (4, b"", "RecordErasedError")
    assert "was erased by its custodian at" in answer.error["message"]
    assert f"record forget {erasing.home.scan} --as NAME" in answer.error["hint"]
    assert len(erasing.json("access", "list", "--patient", "patient")) == 1


def test_erase__nobody_says_yes__erases_nothing(erasing: CommandLine, tmp_path: Path) -> None:
    words = [word for word in erase(erasing, tmp_path) if word != "--yes"]
    assert erasing(*words).code == 1
    assert erasing("record", "fetch", erasing.home.scan, "--as", "doctor").code == 0


def test_hold__in_force__refuses_to_erase_until_it_is_released(erasing: CommandLine, tmp_path: Path) -> None:
    held = [erasing.home.scan, "--as", "hospital"]
    placed = erasing.json("record", "hold", *held, "--reason-file", tmp_path / "why", "--until", "90d")
    assert placed["in_force"]
    answer = erasing("--json", *erase(erasing, tmp_path))
    assert (answer.code, answer.error["error"]) == (3, "LegalHoldError")
    assert "CANARY" not in answer.err
    (row,) = erasing.json("record", "holds", "--as", "hospital")
    assert row["reason"] == "CANARY-why: consent withdrawn"
    assert erasing.json("record", "holds", "--as", "clinic") == []
    assert not erasing.json("record", "release-hold", *held)["in_force"]
    assert erasing("record", "release-hold", *held).code == 2
    assert erasing.json(*erase(erasing, tmp_path))["finished"]
    answer = erasing("--json", "record", "hold", *held, "--reason-file", tmp_path / "why")
    assert (answer.code, answer.error["error"]) == (4, "RecordErasedError")


@pytest.mark.parametrize("until", ["yesterday", "2020-01-01"])
def test_hold__ends_before_it_begins__is_refused(erasing: CommandLine, tmp_path: Path, until: str) -> None:
    words = ["record", "hold", erasing.home.scan, "--as", "hospital", "--reason-file", tmp_path / "why"]
    assert erasing(*words, "--until", until).code == 2
    assert erasing.json("record", "holds", "--as", "hospital") == []


def test_erase__before_its_time_or_without_a_policy__is_refused(erasing: CommandLine, tmp_path: Path) -> None:
    policy = erasing.home.path / "retention.toml"
    policy.write_bytes(POLICY.replace(b"default = 0", b"default = 10"))
    answer = erasing("--json", *erase(erasing, tmp_path))
    assert (answer.code, answer.error["error"]) == (3, "RetentionError")
    assert "default: 10 years from registration (Examplia)" in answer.error["message"]
    policy.unlink()
    answer = erasing("--json", *erase(erasing, tmp_path))
    assert (answer.code, answer.error["error"]) == (1, "ConfigurationError")
    assert "docs/erasure.md" in answer.error["hint"]
    assert erasing("record", "fetch", erasing.home.scan, "--as", "doctor").code == 0


def test_erase__certificate_file_is_there__is_refused_before_anything_is_done(
    erasing: CommandLine, tmp_path: Path
) -> None:
    assert erasing(*erase(erasing, tmp_path, "--certificate", tmp_path / "why")).code == 2
    assert erasing("record", "fetch", erasing.home.scan, "--as", "doctor").code == 0


def test_erase__store_gives_nothing_up__is_unfinished_until_it_does(
    erasing: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise StoreRefusedError("the node does not let you do this")

    with monkeypatch.context() as patched:
        for store in (LocalBlobStore, KuboBlobStore):
            patched.setattr(store, "remove", refused)
        answer = erasing(*erase(erasing, tmp_path, "--certificate", tmp_path / "certificate"))
        assert answer.code == 1
        assert "NOT FINISHED" in answer.text
        assert "warning: here: the node does not let you do this" in answer.err
    assert not (tmp_path / "certificate").exists()
    assert kinds(erasing, "hospital") == {"ErasureUnfinished"}
    listing = erasing("--json", "record", "erasures", "--as", "hospital")
    assert (listing.code, listing.json[0]["stage"]) == (1, "marked")
    assert erasing("record", "fetch", erasing.home.scan, "--as", "doctor").code == 4
    assert erasing.json(*erase(erasing, tmp_path, "--certificate", tmp_path / "certificate"))["finished"]
    assert kinds(erasing, "hospital") == set()
    assert (tmp_path / "certificate").exists()


def changed(path: Path, **fields: Any) -> Path:
    document = json.loads(path.read_bytes())
    document["stated"] |= fields
    other = path.with_name("changed.json")
    other.write_text(json.dumps(document))
    return other


def test_answers__changed_from_a_stranger_or_of_nothing__are_refused(erasing: CommandLine, tmp_path: Path) -> None:
    cli, record = erasing, erasing.home.scan
    answered, strange = tmp_path / "answer.json", tmp_path / "strange.json"
    words = ["record", "acknowledge-erasure", record, "--as", "doctor", "--to", answered]
    assert cli(*words).code == 2  # it is not erased
    assert cli("record", "forget", record, "--as", "patient").code == 2
    cli.json(*erase(cli, tmp_path, "--certificate", tmp_path / "certificate.json"))
    cli.json(*words, "--kept-because", "the law wants the trial's data kept")
    assert cli(*words).code == 2  # the file is there
    cli.json("record", "acknowledge-erasure", record, "--as", "stranger", "--to", strange)

    take = ["--json", "record", "take-acknowledgement"]
    answer = cli(*take, changed(answered, kept_because="nothing"), "--as", "hospital")
    assert (answer.code, answer.error["error"]) == (5, "SignatureInvalidError")
    answer = cli(*take, strange, "--as", "hospital")
    assert (answer.code, "not among those who could read" in answer.error["message"]) == (2, True)
    answer = cli(*take, answered, "--as", "clinic")
    assert (answer.code, "not erased here" in answer.error["message"]) == (2, True)
    assert cli(*take, tmp_path / "why", "--as", "hospital").code == 2
    taken = cli.json("record", "take-acknowledgement", answered, "--as", "hospital")
    assert taken["acknowledged"][0]["kept_because"] == "the law wants the trial's data kept"

    certificate = tmp_path / "certificate.json"
    answer = cli("--json", "record", "verify-erasure", changed(certificate, readers=[]))
    assert (answer.code, answer.error["error"]) == (5, "SignatureInvalidError")
    assert cli("record", "verify-erasure", answered).code == 2
    assert cli("record", "forget", record, "--as", "doctor").code == 2  # another's


def test_notice__withdrawn_before__tells_patient_and_reader(erasing: CommandLine, tmp_path: Path) -> None:
    cli, record, file = erasing, erasing.home.scan, tmp_path / "notice.json"
    cli.json("record", "retract", record, "--as", "hospital", "--reason", "wrong patient")
    signing = ["record", "erasure-notice", record, "--as", "hospital", "--to", file]
    answer = cli("--json", *signing)
    assert (answer.code, answer.error["error"]) == (2, "InvalidInputError")
    answer = cli(*erase(cli, tmp_path))
    assert answer.code == 0
    assert f"record erasure-notice {record} --as hospital" in answer.err
    assert (kinds(cli, "doctor"), kinds(cli, "patient")) == (set(), set())
    said = cli.json(*signing)
    assert (said["record"], said["versions"], said["patient"]) == (record, [record], cli.home.addresses["patient"])
    assert cli(*signing).code == 2  # the file is there
    answer = cli("--json", "record", "take-erasure-notice", changed(file, acknowledge_by=1))
    assert (answer.code, answer.error["error"]) == (5, "SignatureInvalidError")
    assert cli("record", "take-erasure-notice", tmp_path / "why").code == 2
    taken = cli.json("record", "take-erasure-notice", file)
    assert taken == {key: value for key, value in said.items() if key != "file"}
    assert (kinds(cli, "doctor"), kinds(cli, "patient")) == ({"ErasureToAcknowledge"}, {"RecordErased"})
    cli.json("record", "acknowledge-erasure", record, "--as", "doctor", "--to", tmp_path / "answer.json")
    assert cli.json("record", "forget", record, "--as", "patient")["finished"]
    assert (kinds(cli, "doctor"), kinds(cli, "patient")) == (set(), set())
    taken = cli.json("record", "take-acknowledgement", tmp_path / "answer.json", "--as", "hospital")
    assert (taken["missing"], taken["erased_at"]) == ([], None)


def test_verify__block_came_back__does_not_hold(erasing: CommandLine, tmp_path: Path) -> None:
    store = LocalBlobStore(erasing.home.path / "blocks")
    archive = tmp_path / "record.car"
    erasing.json("storage", "export", erasing.home.scan, "--to", archive)
    certificate = tmp_path / "certificate.json"
    erasing.json(*erase(erasing, tmp_path, "--certificate", certificate))
    assert store.pins().isdisjoint([erasing.home.scan])
    erasing.json("storage", "import", archive)
    answer = erasing("record", "verify-erasure", certificate)
    assert answer.code == 1
    assert "THE CERTIFICATE DOES NOT HOLD" in answer.text


def test_erase_and_forget__paid_by_another__are_signed_and_sent(erasing: CommandLine, tmp_path: Path) -> None:
    cli, home = erasing, erasing.home
    assert cli.json(*erase(cli, tmp_path, "--paid-by", "clinic"))["finished"]
    forgotten = cli.json("record", "forget", home.scan, "--as", "patient", "--paid-by", "clinic", "--yes")
    assert forgotten["grants_renewed"] == [home.grant]
    assert cli.fetched(home.observation, "doctor") == OBSERVATION
