"""Records of a batch on the command line: found by whom they concern, and from then on as any other.

given a custodian who has published two records of a patient in a batch
├─ nobody lists them who cannot show them; the patient's own commands find them, and ``record find`` says how many
├─ the patient grants one: the grantee lists and fetches it, and not the other
├─ the custodian, in a new home, retracts one: everybody sees it, at the time of its batch
├─ erased, it is marked, and its neighbours are as before
├─ anybody who can show one registers it; where another pays for a retraction, he does
├─ the chain verifies, and an accounting is made anew alike
├─ who attests, computes anew, rotates or answers an emergency finds them himself
├─ the patient's key is recovered: the custodian rotates, and the new key finds and opens all of them
├─ the custodian registers one of another patient: the first is warned, wherever he looks
├─ what is signed of one for somebody to send is said to need an entry of its own
├─ nothing is known here of a patient: it is said how records of batches are found
└─ a catalogue that is not there is warned of, and keeps nobody from anything
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from homes import PASSPHRASE, CommandLine, Home
from test_cli_people import guarded

from medshare import connect
from medshare.chain.record_registry import RecordRegistryAdapter
from medshare.content import Cid
from medshare.errors import LedgerUnavailableError
from medshare.hashing import sha256
from medshare.model.ids import CatalogueId, RecordId
from medshare.model.record_batch import RecordBatch
from medshare.services.batch_catalogue import write_catalogue
from medshare.services.description import Description

pytestmark = pytest.mark.integration

TEXTS = (b"one", b"two")


@dataclass
class Load:
    ids: list[str]
    catalogue: CatalogueId
    registered_at: int


def load(home: Home) -> Load:
    """Publish the texts in one batch. Each is stored first, as if the line had been cut before it was registered."""

    def lost(*_: object, **__: object) -> None:
        raise LedgerUnavailableError("the line was cut")

    with connect(home.path) as session, pytest.MonkeyPatch.context() as broken:
        hospital = session.keyring.open("hospital", lambda _: PASSPHRASE)
        patient = session.keyring.open("patient", lambda _: PASSPHRASE)
        broken.setattr(RecordRegistryAdapter, "register", lost)
        ids = []
        for text in TEXTS:
            before = set(session.store.pins())
            with pytest.raises(LedgerUnavailableError):
                session.publishing.publish(text, custodian=hospital, patient=patient.address, description=Description())
            (root,) = set(session.store.pins()) - before
            ids.append(RecordId(root.digest))
        batch = RecordBatch.of(((each, patient.address) for each in ids), secret=sha256(b"secret"))
        readers = {patient.address: {patient.identity.recipient: None}}
        catalogue = write_catalogue(batch, readers, custodian=hospital.identity, store=session.store)
        session.store.pin(Cid.of_directory(catalogue))
        receipt = session.ledger.records.anchor_batch(hospital.signer, batch.root, catalogue, batch.count)
    return Load(ids=[each.hex() for each in ids], catalogue=catalogue, registered_at=receipt.block.time)


@pytest.fixture
def batch(people: Home) -> Load:
    return load(people)


@pytest.fixture
def cli(people: Home, capsysbinary: pytest.CaptureFixture[bytes]) -> CommandLine:
    return CommandLine(people, capsysbinary)


def listed(cli: CommandLine) -> list[str]:
    return [row["record"] for row in cli.json("record", "list", "--patient", "patient")]


def test_find__by_the_patient__finds_his_and_lists_and_fetches_them(cli: CommandLine, batch: Load) -> None:
    assert listed(cli) == []
    assert cli("record", "show", batch.ids[0]).code == 4
    stranger = cli.json("record", "find", "--as", "doctor")
    assert (stranger["new"], stranger["known"], stranger["looked_through"]) == (0, 0, 1)
    found = cli.json("record", "find", "--as", "patient", "--custodian", "hospital")
    assert found == {"new": 2, "known": 0, "looked_through": 1, "not_readable": 0}
    again = cli.json("record", "find", "--as", "patient")
    assert again == {"new": 0, "known": 2, "looked_through": 0, "not_readable": 0}
    assert cli.json("record", "find", "--as", "patient", "--custodian", "doctor")["known"] == 0
    assert sorted(listed(cli)) == sorted(batch.ids)
    assert cli.fetched(batch.ids[1], "patient") == b"two"
    assert cli.json("audit", "verify")["differences"] == []


def test_fetch__by_the_patient__finds_by_itself(cli: CommandLine, batch: Load) -> None:
    assert cli.fetched(batch.ids[0], "patient") == b"one"


def test_grant__one_of_a_batch__its_grantee_reads_it_and_not_the_other(
    cli: CommandLine, batch: Load, people: Home
) -> None:
    cli.json("access", "grant", batch.ids[0], "--as", "patient", "--to", "doctor", "--until", "30d")
    forget(people)
    readable = cli.json("record", "readable", "--as", "doctor")
    assert [row["record"] for row in readable] == [batch.ids[0]]
    assert cli.fetched(batch.ids[0], "doctor") == b"one"
    assert cli("record", "fetch", batch.ids[1], "--as", "doctor").code == 4


def test_retract__by_a_custodian_without_his_book__has_an_entry_since_the_batch(
    cli: CommandLine, batch: Load, people: Home
) -> None:
    cli.json("record", "retract", batch.ids[0], "--as", "hospital", "--reason", "a mistake")
    forget(people)
    (row,) = cli.json("record", "list", "--patient", "patient")
    assert (row["record"], row["status"], row["version"]) == (batch.ids[0], "retracted", 1)
    cli.json("record", "find", "--as", "patient")
    rows = {row["record"]: row for row in cli.json("record", "list", "--patient", "patient")}
    assert len({row["registered_at"] for row in rows.values()}) == 1
    assert rows[batch.ids[1]]["status"] == "active"


def test_register__by_the_patient__is_seen_by_everybody(cli: CommandLine, batch: Load, people: Home) -> None:
    row = cli.json("record", "register", batch.ids[0], "--as", "patient")
    assert (row["record"], row["status"], row["version"]) == (batch.ids[0], "active", 1)
    forget(people)
    assert listed(cli) == [batch.ids[0]]
    again = cli("record", "register", batch.ids[0], "--as", "patient")
    assert (again.code, "already" in again.err) == (1, True)
    forget(people)
    nothing = cli("record", "register", batch.ids[0], "--as", "doctor")
    assert (nothing.code, "no batch" in nothing.err) == (2, True)


def test_retract__paid_by_another__is_registered_by_who_pays(cli: CommandLine, batch: Load, people: Home) -> None:
    words = ("--as", "hospital", "--reason", "a mistake", "--paid-by", "doctor", "--yes")
    cli.json("record", "retract", batch.ids[0], *words)
    forget(people)
    assert listed(cli) == [batch.ids[0]]


def test_erase__one_of_a_batch__is_marked_and_the_other_stays(
    cli: CommandLine, batch: Load, people: Home, tmp_path: Path
) -> None:
    (people.path / "retention.toml").write_text(
        'version = 1\njurisdiction = "Examplia"\ndefault = 0\nacknowledge_within = 30\n'
    )
    reason = tmp_path / "reason"
    reason.write_text("asked for")
    certificate = tmp_path / "certificate.json"
    words = ("--as", "hospital", "--reason-file", reason, "--yes", "--certificate", certificate)
    erased = cli.json("record", "erase", batch.ids[0], *words)
    assert (erased["finished"], erased["versions"]) == (True, [batch.ids[0]])
    remains = cli.json("record", "verify-erasure", certificate)["remains"]
    assert any("the batch's root on chain" in each and batch.ids[0] in each for each in remains)
    cli.json("record", "find", "--as", "patient")
    rows = {row["record"]: row["status"] for row in cli.json("record", "list", "--patient", "patient")}
    assert rows == {batch.ids[0]: "erased", batch.ids[1]: "active"}
    assert cli("record", "fetch", batch.ids[0], "--as", "patient").code == 4
    assert cli.fetched(batch.ids[1], "patient") == b"two"


def test_find__catalogue_is_gone__is_warned_of_and_keeps_nobody_from_anything(cli: CommandLine, batch: Load) -> None:
    cli.lose(Cid.of_directory(batch.catalogue))
    answer = cli("--json", "record", "find", "--as", "patient")
    assert (answer.code, answer.json["new"], answer.json["not_readable"]) == (0, 0, 1)
    assert str(Cid.of_directory(batch.catalogue)) in answer.err
    readable = cli("record", "readable", "--as", "patient")
    assert readable.code == 0
    assert "could not be looked through" in readable.err


def test_attest__records_of_a_batch__are_found_by_the_assessor(
    cli: CommandLine, batch: Load, people: Home, tmp_path: Path
) -> None:
    cli.json("consortium", "accredit", "doctor", "--kind", "assessor", "--until", "30d")
    words = ("--as", "doctor", "--purpose", "HQUALIMP")
    cli.json("access", "grant", *batch.ids, "--as", "patient", "--to", "doctor", "--until", "30d", *words[2:])
    forget(people)
    refused = cli("quality", "attest-batch", *batch.ids, *words, "--to", tmp_path / "slips")
    assert "no score" in refused.err
    assert "no record" not in refused.err
    forget(people)
    assert "no record" not in cli("quality", "show", batch.ids[0], "--recompute", *words).err


def test_rotate__by_a_custodian_without_his_book__finds_his_records(
    cli: CommandLine, batch: Load, people: Home
) -> None:
    forget(people)
    (rotated,) = cli.json("record", "rotate", batch.ids[0], "--as", "hospital")["rotated"]
    assert rotated["previous"] == batch.ids[0]


def test_rotate__after_a_recovery__the_new_key_finds_and_opens_all_of_the_batch(
    cli: CommandLine, batch: Load, people: Home, tmp_path: Path, days_later
) -> None:
    circle, signatures = guarded(cli, tmp_path)
    cli.json("guardian", "propose", circle, *signatures, "--as", "researcher")
    days_later(3)
    cli.json("guardian", "complete", "--patient", "patient", "--as", "researcher")
    assert cli.json("record", "find", "--as", "stranger")["new"] == 0
    # An entry of its own makes it known, and opens nothing: it is due as before.
    cli.json("record", "register", batch.ids[0], "--as", "hospital")
    assert cli("record", "fetch", batch.ids[0], "--as", "stranger").code == 3
    forget(people)
    before = transactions(people)
    rotated = cli.json("record", "rotate", "--as", "hospital", "--patient", "patient")["rotated"]
    assert transactions(people) == before + 1
    assert {row["previous"] for row in rotated} >= set(batch.ids)
    forget(people)
    newest = {row["previous"]: row["record"] for row in rotated}
    listed_now = cli.json("record", "list", "--patient", "patient")
    assert {row["record"] for row in listed_now if row["status"] == "active"} == set(newest.values())
    assert [cli.fetched(newest[each], "stranger") for each in batch.ids] == list(TEXTS)
    assert cli.json("record", "rotate", "--as", "hospital", "--patient", "patient")["rotated"] == []
    assert cli.json("audit", "verify")["differences"] == []


def transactions(home: Home) -> int:
    """How many the hospital has sent."""
    with connect(home.path) as session:
        account = session.keyring.resolve("hospital")
        return session.chain.client.nonce(account, pending=False)


def test_list__of_which_one_is_registered_of_another__warns(cli: CommandLine, batch: Load, people: Home) -> None:
    assert cli("record", "find", "--as", "patient").err == ""
    with connect(people.path) as session:
        hospital = session.keyring.open("hospital", lambda _: PASSPHRASE)
        other = session.keyring.resolve("stranger")
        session.ledger.records.register(hospital.signer, RecordId(bytes.fromhex(batch.ids[0])), other)
    rows = cli("--json", "record", "list", "--patient", "patient").json
    assert [row["record"] for row in rows] == [batch.ids[1]]
    for words in (
        ("list", "--patient", "patient"),
        ("find", "--as", "patient"),
        ("history", "--as", "patient", "--patient", "patient"),
    ):
        assert f"states two things of record {batch.ids[0]}" in cli("record", *words).err
    assert cli("record", "list", "--patient", "stranger").err == ""


def test_serve__by_a_custodian_without_his_book__releases_his_records(
    cli: CommandLine, batch: Load, people: Home, tmp_path: Path
) -> None:
    cli.json("consortium", "accredit", "doctor", "--kind", "clinician", "--until", "30d")
    details = tmp_path / "details"
    details.write_text("unconscious")
    words = ("--as", "doctor", "--patient", "patient", "--reason", "unconscious", "--details-file", details)
    cli.json("emergency", "open", *words)
    forget(people)
    cli("emergency", "serve", "--as", "hospital", "--once")
    forget(people)
    rows = cli.json("record", "history", "--as", "doctor", "--patient", "patient", "--purpose", "BTG")
    assert set(batch.ids) <= {row["record"] for row in rows["records"]}


def test_retract__signed_for_somebody_to_send__says_that_it_needs_an_entry(
    cli: CommandLine, batch: Load, tmp_path: Path
) -> None:
    signed = tmp_path / "retract.json"
    words = ("--as", "hospital", "--reason", "a mistake", "--sign-to", signed, "--yes")
    answer = cli("record", "retract", batch.ids[0], *words)
    assert f"record register {batch.ids[0]} --as PAYER" in answer.text
    assert cli("relay", "send", signed, "--as", "doctor").code == 4
    cli.json("record", "register", batch.ids[0], "--as", "doctor")
    assert cli("relay", "send", signed, "--as", "doctor").code == 0
    single = cli("record", "retract", cli.home.scan, *words[:-2], tmp_path / "scan.json", "--yes")
    assert "record register" not in single.text


def test_list__of_whom_nothing_is_known__says_how_batches_are_looked_through(cli: CommandLine, batch: Load) -> None:
    assert "record find --as" in cli("record", "list", "--patient", "patient").text


def forget(home: Home) -> None:
    """Forget what was found, as in another home."""
    for book in (home.path / "state").glob("*/batches.sqlite"):
        shutil.move(book, book.with_suffix(".forgotten"))
