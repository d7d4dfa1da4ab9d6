"""Signing on the command line: a person without coins does everything a patient does, and others pay.

given a home, and in it a pauper: keys, and neither coins nor anything published
├─ paid by another of the keyring: publish the key and a record, grant, revoke, revoke all
├─ signed into a file: nothing happens until a relayer sends it; twice, and by two relayers, it is done once
├─ a grant that is signed and never sent: discarded with its keys, once it is revoked
├─ the file is private, and says in words what was signed, and whether it can still be sent
├─ he is asked, and no is no
├─ nothing is signed: yes says nothing, and for how long it is valid makes no sense
├─ nobody there to be asked: nothing is signed, and the bundle of the grant is given up
├─ a drop box: what lies there is sent, what is nonsense is refused
└─ an identity whose key is in a wallet: signs messages, and no transactions
"""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest
from homes import OBSERVATION, CommandLine, Home, make_identity

from medshare import connect
from medshare.keyring import ACCOUNT_FILE, WALLET_FILE
from medshare.model.typed_data import SignedMessage

pytestmark = pytest.mark.integration

PAID = ["--paid-by", "neighbour", "--yes"]


@pytest.fixture
def cli(people: Home, capsysbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> CommandLine:
    make_identity(people.path, "pauper")
    (tmp_path / "diary").write_bytes(OBSERVATION)
    return CommandLine(people, capsysbinary)


def balance_of(cli: CommandLine, name: str) -> int:
    with connect(cli.home.path) as session:
        return session.chain.client.balance(session.keyring.resolve(name))


def with_a_record(cli: CommandLine, tmp_path: Path) -> str:
    """Publish the pauper's key and a record of his own; return its id."""
    cli.json("identity", "publish", "pauper", *PAID)
    diary = [tmp_path / "diary", "--as", "pauper", "--patient", "pauper"]
    return str(cli.json("record", "publish", *diary, *PAID)[0]["record"])


def test_pauper__every_verb_paid_by_another__is_done(cli: CommandLine, tmp_path: Path) -> None:
    record = with_a_record(cli, tmp_path)
    to_doctor = ["--as", "pauper", "--to", "doctor", "--until", "1d"]
    first = cli.json("access", "grant", record, *to_doctor, *PAID)
    assert cli.fetched(record, "doctor") == OBSERVATION
    assert cli.json("access", "revoke", first["grant"], "--as", "pauper", *PAID)["had_been_granted"]
    assert cli("record", "fetch", record, "--as", "doctor").code == 3
    cli.json("consent", "give", "--everything", *to_doctor, *PAID)
    assert cli.fetched(record, "doctor") == OBSERVATION
    cli.json("access", "revoke-all", "--as", "pauper", *PAID)
    assert cli("record", "fetch", record, "--as", "doctor").code == 3
    cli.json("record", "retract", record, "--as", "pauper", "--reason", "a mistake", *PAID)
    assert cli.json("record", "list", "--patient", "pauper")[0]["status"] == "retracted"
    assert balance_of(cli, "pauper") == 0


def test_pauper__every_verb_signed_to_a_file__is_done_when_a_relayer_sends_it(cli: CommandLine, tmp_path: Path) -> None:
    def relayed(name: str, *words: object) -> dict[str, object]:
        file = tmp_path / f"{name}.json"
        said = cli.json(*words, "--sign-to", file, "--yes")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        shown = cli.json("signed", "show", file)
        assert (shown["sendable"], shown["signer"]) == (True, cli.json("identity", "show", "pauper")["address"])
        (sent,) = cli.json("relay", "send", file, "--as", "neighbour")
        assert sent["state"] == "done"
        return dict(said)

    relayed("key", "identity", "publish", "pauper")
    diary = ["record", "publish", tmp_path / "diary", "--as", "pauper", "--patient", "pauper"]
    relayed("record", *diary)
    (published,) = cli.json(*diary)
    assert published["already_published"]
    to_doctor = ["--as", "pauper", "--to", "doctor", "--until", "1d"]
    granted = relayed("grant", "access", "grant", "--all", *to_doctor)
    assert cli.fetched(published["record"], "doctor") == OBSERVATION
    relayed("revoke", "access", "revoke", granted["grant"], "--as", "pauper")
    assert cli("record", "fetch", published["record"], "--as", "doctor").code == 3
    assert granted["bundle"] in {row["cid"] for row in cli.json("storage", "pins")}
    cli.json("access", "tidy", "--patient", "pauper")
    assert granted["bundle"] not in {row["cid"] for row in cli.json("storage", "pins")}
    relayed("everything", "access", "revoke-all", "--as", "pauper")
    assert balance_of(cli, "pauper") == 0


def test_signed_grant__before_it_is_sent__changes_nothing(cli: CommandLine, tmp_path: Path) -> None:
    record = with_a_record(cli, tmp_path)
    file = tmp_path / "grant.json"
    cli.json("access", "grant", record, "--as", "pauper", "--to", "doctor", "--until", "1d", "--sign-to", file, "--yes")
    assert cli("record", "fetch", record, "--as", "doctor").code == 3
    assert cli.json("access", "list", "--patient", "pauper") == []


def test_signed_grant__never_sent__is_discarded_with_its_keys_when_it_has_ended(
    cli: CommandLine, tmp_path: Path
) -> None:
    record = with_a_record(cli, tmp_path)
    pins = cli.json("storage", "pins")
    file = tmp_path / "grant.json"
    words = ["access", "grant", record, "--as", "pauper", "--to", "doctor", "--until", "1d"]
    said = cli.json(*words, "--sign-to", file, "--yes")
    assert cli("signed", "discard", file).code == 2
    cli.json("access", "revoke", said["grant"], "--as", "pauper", *PAID)
    assert cli.json("signed", "discard", file)["bundle_given_up"]
    assert not file.exists()
    assert cli.json("storage", "pins") == pins


def test_signed_grant__that_was_sent__is_discarded_and_keeps_its_keys(cli: CommandLine, tmp_path: Path) -> None:
    record = with_a_record(cli, tmp_path)
    file = tmp_path / "grant.json"
    words = ["access", "grant", record, "--as", "pauper", "--to", "doctor", "--until", "1d"]
    cli.json(*words, "--sign-to", file, "--yes")
    cli.json("relay", "send", file, "--as", "neighbour")
    assert not cli.json("signed", "discard", file)["bundle_given_up"]
    assert cli.fetched(record, "doctor") == OBSERVATION


def test_signed_file__sent_by_two_relayers__is_done_once_and_the_second_is_told(
    cli: CommandLine, tmp_path: Path
) -> None:
    file = tmp_path / "key.json"
    cli.json("identity", "publish", "pauper", "--sign-to", file, "--yes")
    assert cli.json("relay", "send", file, "--as", "neighbour")[0]["state"] == "done"
    assert cli.json("relay", "send", file, "--as", "neighbour")[0]["state"] == "done"
    assert len(cli.json("identity", "show", "pauper")["encryption_keys"]) == 1
    before = balance_of(cli, "stranger")
    answer = cli("--json", "relay", "send", file, "--as", "stranger")
    assert answer.code == 1
    assert (answer.json[0]["state"], answer.json[0]["error"]) == ("refused", "SignedOutdatedError")
    assert answer.error["error"] == "SignedOutdatedError"
    assert balance_of(cli, "stranger") == before
    shown = cli("--json", "signed", "show", file)
    assert (shown.code, shown.json["sendable"], shown.json["error"]) == (1, False, "SignedOutdatedError")


def test_signed_file__exists_already__is_not_replaced_and_nothing_is_signed(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "mine"
    file.write_text("kept")
    answer = cli("--json", "access", "revoke-all", "--as", "pauper", "--sign-to", file, "--yes")
    assert (answer.code, answer.error["error"], file.read_text()) == (2, "InvalidInputError", "kept")


def test_signed_file__with_another_signature__is_refused_as_not_whole(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "all.json"
    cli.json("access", "revoke-all", "--as", "pauper", "--sign-to", file, "--yes")
    document = json.loads(file.read_bytes())
    flipped = bytearray.fromhex(document["signature"][2:])
    flipped[5] ^= 1
    file.write_text(json.dumps(document | {"signature": "0x" + flipped.hex()}))
    assert cli("signed", "show", file).code == 5
    answer = cli("--json", "relay", "send", file, "--as", "neighbour")
    assert (answer.code, answer.error["error"]) == (5, "SignatureInvalidError")


def test_signing__nobody_to_be_asked__signs_nothing_and_gives_the_bundle_up(cli: CommandLine, tmp_path: Path) -> None:
    record = with_a_record(cli, tmp_path)
    pins = cli.json("storage", "pins")
    words = ["access", "grant", record, "--as", "pauper", "--to", "doctor", "--until", "1d"]
    for way in (["--sign-to", tmp_path / "file"], ["--paid-by", "neighbour"]):
        answer = cli(*words, *way)
        assert answer.code == 1
        assert "nobody is there to be asked" in answer.err
        assert "who shall read: doctor" in answer.err
        assert cli.json("storage", "pins") == pins
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize(("answer", "code", "stamps"), [("n", 1, 0), ("y", 0, 1)])
def test_signing__person_is_asked__signs_only_what_he_wants(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, stamps: int
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: answer)
    said = cli("access", "revoke-all", "--as", "pauper", "--paid-by", "neighbour")
    assert said.code == code
    assert "you sign: the end of everything granted, delegated or signed so far" in said.err
    with connect(cli.home.path) as session:
        patient = session.keyring.resolve("pauper")
        assert session.ledger.consents.stamp(patient, block=session.ledger.chain.head()) == stamps


def test_ways__that_exclude_each_other__are_a_usage_error(cli: CommandLine, tmp_path: Path) -> None:
    words = ["access", "revoke-all", "--as", "pauper"]
    assert cli(*words, "--sign-to", tmp_path / "file", "--paid-by", "neighbour").code == 2
    alone = cli(*words, "--valid-for", "2d", "--yes")
    assert (alone.code, "say --paid-by, or --sign-to, too" in alone.err) == (2, True)
    alone = cli("record", "erase", "11" * 32, "--as", "hospital", "--valid-for", "2d", "--yes")
    assert (alone.code, "say --paid-by, too" in alone.err) == (2, True)
    assert cli(*words, "--sign-to", tmp_path / "file", "--yes", "--valid-for", "31d").code == 1
    assert cli(*words, "--sign-to", tmp_path / "file", "--yes", "--valid-for", "soon").code == 2


def test_yes__where_nothing_is_signed__asks_nothing_and_is_no_error(cli: CommandLine, tmp_path: Path) -> None:
    cli.json("record", "publish", tmp_path / "diary", "--as", "patient", "--patient", "patient", "--yes")
    granting = ["--all", "--as", "patient", "--to", "doctor", "--until", "1d"]
    granted = cli.json("access", "grant", *granting, "--yes")["grant"]
    assert cli.json("access", "revoke", granted, "--as", "patient", "--yes")["had_been_granted"]
    assert cli.json("record", "resume", "--as", "hospital", "--yes") == []


def test_drop_box__good_and_nonsense__are_sorted(cli: CommandLine, tmp_path: Path) -> None:
    box = tmp_path / "box"
    assert cli.json("relay", "watch", box, "--as", "neighbour", "--once") == []
    cli.json("access", "revoke-all", "--as", "pauper", "--sign-to", box / "pending" / "good", "--yes")
    (box / "pending" / "nonsense").write_text("nothing")
    rows = cli.json("relay", "watch", box, "--as", "neighbour", "--once")
    assert [(row["file"], row["state"]) for row in rows] == [("good", "done"), ("nonsense", "refused")]
    assert {path.name for path in (box / "done").iterdir()} == {"good", "good.outcome.json"}


@pytest.mark.about("embedded", "one process at a time has it open")
def test_drop_box__watched_without_end__holds_the_chain_and_is_refused(cli: CommandLine, tmp_path: Path) -> None:
    answer = cli("--json", "relay", "watch", tmp_path / "box", "--as", "neighbour")
    assert (answer.code, answer.error["error"]) == (1, "ConfigurationError")


def test_identity__whose_key_is_in_a_wallet__keeps_a_pointer_and_sends_nothing(
    cli: CommandLine, tmp_path: Path
) -> None:
    account = "0x000000000000000000000000000000000000dEaD"
    where = ["--signer-url", "http://127.0.0.1:1", "--address", account]
    assert cli("identity", "new", "remote", "--signer-url", "http://127.0.0.1:1").code == 2
    assert cli("identity", "new", "remote", "--signer-url", "nowhere", "--address", account).code == 2
    assert cli.json("identity", "new", "remote", *where)["address"] == account
    folder = cli.home.identity("remote")
    assert not (folder / ACCOUNT_FILE).exists()
    assert stat.S_IMODE((folder / WALLET_FILE).stat().st_mode) == 0o600
    assert cli.json("identity", "show", "remote")["address"] == account
    answer = cli("--json", "access", "revoke-all", "--as", "remote")
    assert (answer.code, answer.error["error"]) == (1, "SigningRefusedError")
    assert "--paid-by" in answer.error["hint"]
    file = tmp_path / "file"
    answer = cli("--json", "access", "revoke-all", "--as", "remote", "--sign-to", file, "--yes")
    assert (answer.code, answer.error["error"], file.exists()) == (6, "SignerUnavailableError", False)


def test_signed_file__is_a_signed_message_that_any_relayer_reads(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "all.json"
    said = cli.json("access", "revoke-all", "--as", "pauper", "--sign-to", file, "--yes", "--valid-for", "2d")
    signed = SignedMessage.from_json(file.read_bytes())
    assert (said["signed"], signed.message.struct()) == ("RevokeAll", "RevokeAll")
