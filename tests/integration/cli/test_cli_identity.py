"""Identities on the command line: made, imported, published, exported.

given a new home, or one with people
├─ new: both keys locked by one passphrase, readable by the owner only; funded and published where there is a faucet
├─ new with a keystore and a Crypt4GH key: the imported keys act; a wrong passphrase imports nothing
├─ new where the chain does not answer: the keys are kept, and it says how to go on
├─ publish another key: a rotation; what was sealed for the old key opens with the old key
└─ export: the reference tool opens it with the same passphrase, and it is never written over
"""

from __future__ import annotations

import json
from pathlib import Path

import homes
import pytest
from crypt4gh.keys import get_private_key, get_public_key
from crypt4gh.keys.c4gh import generate as reference_generate
from filelock import FileLock
from homes import LITTLE_WORK, PASSPHRASE, CommandLine, Home

from medshare.chain import LocalSigner, open_chain
from medshare.envelope import Identity

pytestmark = pytest.mark.integration


@pytest.fixture
def fresh(people: Home, capsysbinary: pytest.CaptureFixture[bytes]) -> CommandLine:
    return CommandLine(people, capsysbinary)


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in [folder, *folder.iterdir()]}


def test_new__in_a_new_home__makes_it_whole(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    home = Home(path=tmp_path / "deep" / "home", addresses={})
    passphrase = tmp_path / "passphrase"
    passphrase.write_text(PASSPHRASE)
    passphrase.chmod(0o600)
    cli = CommandLine(home, capsysbinary)
    assert cli.bare("--home", home.path, "init").code == 0
    made = cli("--passphrase-file", passphrase, "--json", "identity", "new", "first").json
    assert made["published"] is True
    shown = cli.bare("--home", home.path, "--json", "identity", "show", "first").json
    assert shown == {
        "address": made["address"],
        "name": "first",
        "encryption_keys": [f"v1 {made['encryption_key']}"],
    }
    assert modes(home.identity("first")) == {
        "first": 0o700,
        "account.json": 0o600,
        "encryption.sec": 0o600,
        "encryption.pub": 0o644,
    }
    assert home.identity("first").parent.stat().st_mode & 0o777 == 0o700
    assert json.loads((home.identity("first") / "account.json").read_text())["crypto"]["kdfparams"]["n"] == 1 << 18


def test_new__offline__makes_keys_and_tells_no_chain(tmp_path: Path, fresh: CommandLine) -> None:
    made = fresh.json("identity", "new", "quiet", "--offline")
    assert made["published"] is False
    assert fresh.json("identity", "show", "quiet")["encryption_keys"] == []
    poor = fresh("identity", "publish", "quiet")
    assert poor.code == 1
    assert "cannot pay" in poor.err
    assert made["address"] in poor.err
    fresh.json("identity", "fund", "quiet")
    assert fresh.json("identity", "publish", "quiet")["encryption_key"] == made["encryption_key"]


@pytest.mark.parametrize("name", ["Doctor", "a b", "../up", "", ".hidden", "x" * 65, "-dash"])
def test_new__name_that_cannot_be__makes_nothing(fresh: CommandLine, name: str) -> None:
    before = sorted(fresh.home.path.rglob("*"))
    assert fresh("identity", "new", "--offline", "--", name).code == 2
    assert sorted(fresh.home.path.rglob("*")) == before


def test_new__passphrase_too_short__makes_nothing(fresh: CommandLine) -> None:
    fresh.home.passphrase_file.write_text("short\n")
    answer = fresh("identity", "new", "somebody", "--offline")
    assert answer.code == 2
    assert "at least 12" in answer.err
    assert "hint: take several words" in answer.err
    assert "somebody" not in fresh("identity", "list").text


def test_new__name_is_taken__keeps_the_keys_that_are_there(fresh: CommandLine) -> None:
    before = {path: path.read_bytes() for path in fresh.home.identity("doctor").iterdir()}
    assert fresh("identity", "new", "doctor").code == 1
    assert {path: path.read_bytes() for path in fresh.home.identity("doctor").iterdir()} == before


def test_new__with_imported_keys__acts_with_them(fresh: CommandLine, tmp_path: Path) -> None:
    signer = LocalSigner.generate()
    signer.save_keystore(tmp_path / "keystore.json", PASSPHRASE, work=LITTLE_WORK)
    reference_generate(tmp_path / "key.sec", tmp_path / "key.pub", passphrase=PASSPHRASE.encode(), comment=None)
    (tmp_path / "key.sec").chmod(0o600)
    made = fresh.json(
        "identity",
        "new",
        "imported",
        "--keystore",
        tmp_path / "keystore.json",
        "--encryption-key",
        tmp_path / "key.sec",
    )
    theirs = Identity.load(tmp_path / "key.sec", PASSPHRASE).recipient
    assert made["address"] == signer.address
    assert made["encryption_key"] == theirs.fingerprint
    assert fresh.json("identity", "show", "imported")["encryption_keys"] == [f"v1 {theirs.fingerprint}"]


def test_new__from_a_mnemonic_phrase__acts_as_that_account(fresh: CommandLine, tmp_path: Path) -> None:
    phrase = tmp_path / "phrase"
    phrase.touch(0o600)
    phrase.write_text("test test test test test test test test test test test junk\n")
    made = fresh.json("identity", "new", "imported", "--mnemonic-file", phrase, "--hd-path", "m/44'/60'/0'/0/1")
    assert made["address"] == "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
    assert fresh.json("identity", "show", "imported")["encryption_keys"]
    for words in (["--hd-path", "m/1"], ["--mnemonic-file", phrase, "--keystore", phrase]):
        assert fresh("identity", "new", "another", *words).code == 2


@pytest.mark.parametrize("which", ["keystore", "encryption-key"])
@pytest.mark.parametrize(("fault", "code"), [("wrong passphrase", 3), ("others can read it", 1), ("missing", 1)])
def test_new__import_that_fails__makes_nothing(
    fresh: CommandLine, tmp_path: Path, which: str, fault: str, code: int
) -> None:
    path = tmp_path / "key"
    locked = "another passphrase" if fault == "wrong passphrase" else PASSPHRASE
    if which == "keystore":
        LocalSigner.generate().save_keystore(path, locked, work=LITTLE_WORK)
    else:
        Identity.generate().save(path, locked)
    if fault == "others can read it":
        path.chmod(0o644)
    if fault == "missing":
        path.unlink()
    answer = fresh("identity", "new", "imported", f"--{which}", path)
    assert answer.code == code, answer
    assert not fresh.home.identity("imported").exists()


@pytest.mark.about("embedded", "one process at a time has it open")
def test_new__chain_is_busy__keeps_the_keys_and_says_how_to_go_on(
    fresh: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as impatient, FileLock(fresh.home.path / "embedded" / "chain.lock"):
        impatient.setattr("medshare.session.open_chain", lambda *args: open_chain(*args, wait=0.05))
        answer = fresh("--json", "identity", "new", "somebody")
    assert answer.code == 6
    steps = answer.error["hint"].split("then: ")[1].split(" && ")
    here = f"medshare --home {fresh.home.path}"
    assert steps == [f"{here} identity fund somebody", f"{here} identity publish somebody"]
    for step in steps:
        assert fresh.bare("--passphrase-file", fresh.home.passphrase_file, *step.split()[1:]).code == 0
    assert len(fresh.json("identity", "show", "somebody")["encryption_keys"]) == 1


def test_new__where_nobody_gives_coins__says_to_whom_to_send_them(fresh: CommandLine) -> None:
    networks = '[networks.clinic]\nkind = "rpc"\nurl = "http://127.0.0.1:1"\nchain_id = 5\n'
    (fresh.home.path / "networks.toml").write_text(networks)
    answer = fresh("--network", "clinic", "identity", "new", "somebody")
    assert answer.code == 0
    (address,) = (row["address"] for row in fresh.json("identity", "list") if row["name"] == "somebody")
    here = f"medshare --home {fresh.home.path} --network clinic"
    assert f"next: send coins to {address}, then: {here} identity publish somebody" in answer.text
    assert fresh("--network", "nowhere", "identity", "new", "other").code == 4
    assert not fresh.home.identity("other").exists()


def test_list__one_identity_is_damaged__shows_the_rest_and_says_which(fresh: CommandLine) -> None:
    (fresh.home.identity("doctor") / "account.json").write_text("{")
    rows = {row["name"]: row for row in fresh.json("identity", "list")}
    assert set(rows) == set(fresh.home.addresses)
    assert rows["doctor"]["address"] is None
    assert "is damaged" in rows["doctor"]["damaged"]
    assert rows["patient"] == {"name": "patient", "address": fresh.home.addresses["patient"], "damaged": None}
    assert fresh.json("identity", "show", "patient")["name"] == "patient"
    assert "is damaged" in fresh("identity", "list").text


def test_name__that_is_not_here__the_known_ones_are_named(fresh: CommandLine) -> None:
    answer = fresh("identity", "show", "docter")
    assert answer.code == 4
    assert "known here: clinic, doctor, hospital" in answer.err
    assert f"medshare --home {fresh.home.path} identity new docter" in answer.err


def test_publish__another_key__is_a_rotation_and_old_records_open_with_the_old_key(
    cli: CommandLine, tmp_path: Path
) -> None:
    folder = cli.home.identity("patient")
    for name in ("encryption.sec", "encryption.pub"):
        (folder / name).rename(tmp_path / name)
    new = Identity.generate()
    new.save(folder / "encryption.sec", PASSPHRASE)
    new.recipient.save(folder / "encryption.pub")
    cli.json("identity", "publish", "patient")
    keys = cli.json("identity", "show", "patient")["encryption_keys"]
    assert [key.split()[0] for key in keys] == ["v1", "v2"]
    refused = cli("record", "fetch", cli.home.scan, "--as", "patient")
    assert (refused.code, refused.out) == (3, b"")
    assert "check the identity" in refused.err
    for name in ("encryption.sec", "encryption.pub"):
        (tmp_path / name).replace(folder / name)
    assert cli.fetched(cli.home.scan, "patient") == homes.SCAN


def test_export__opened_by_the_reference_tool__is_the_same_key(fresh: CommandLine, tmp_path: Path) -> None:
    said = fresh.json("identity", "export", "doctor", "--to", tmp_path)
    secret = get_private_key(said["secret"], lambda: PASSPHRASE)
    public = get_public_key(said["public"])
    own = Identity.load(fresh.home.identity("doctor") / "encryption.sec", PASSPHRASE)
    assert bytes(public) == own.recipient.key
    assert Identity.from_bytes(bytes(secret)) == own
    assert Path(said["secret"]).stat().st_mode & 0o777 == 0o600
    assert PASSPHRASE.encode() not in Path(said["secret"]).read_bytes()


def test_export__file_is_there__is_not_written_over(fresh: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "doctor.sec").write_bytes(b"precious")
    answer = fresh("identity", "export", "doctor", "--to", tmp_path)
    assert answer.code == 2
    assert (tmp_path / "doctor.sec").read_bytes() == b"precious"
    assert not (tmp_path / "doctor.pub").exists()


def test_export__folder_is_not_there__is_refused(fresh: CommandLine, tmp_path: Path) -> None:
    answer = fresh("identity", "export", "doctor", "--to", tmp_path / "missing")
    assert answer.code == 2
    assert "hint: make it, or name another" in answer.err
    assert not (tmp_path / "missing").exists()


def test_key_files__others_can_read_them__are_refused(cli: CommandLine) -> None:
    for name in ("account.json", "encryption.sec"):
        path = cli.home.identity("doctor") / name
        path.chmod(0o644)
        answer = cli("record", "readable", "--as", "doctor")
        assert answer.code == 1
        assert "chmod 600" in answer.err
        path.chmod(0o600)
    assert cli("record", "readable", "--as", "doctor").code == 0
