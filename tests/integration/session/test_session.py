"""A session wires one chain, one store and one keyring, and lets go of them.

given a home with two records
├─ connect: by argument, by MEDSHARE_HOME, on another network; services share one ledger and one store
├─ a session at a time: the second is told that the chain is busy; after the block, or an error in it, it is free
├─ nothing is deployed again, and nothing is made in a folder that is no home
├─ the home is for its owner only, whatever the umask
└─ the store: local, or Kubo with a token from the environment, closed at the end; the whole path over Kubo
the keyring
├─ names that cannot be folders are refused, and so are damaged, half or foreign files
└─ nothing is left of an identity that could not be made
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
from homes import OBSERVATION, PASSPHRASE, SCAN, CommandLine, Home

from medshare import Session, connect
from medshare.chain import LocalSigner, open_chain
from medshare.errors import (
    ConfigurationError,
    DeploymentNotFoundError,
    HomeNotFoundError,
    IdentityExistsError,
    InvalidInputError,
    KeyFileError,
    LedgerBusyError,
    StoreFullError,
    UnknownIdentityError,
    UnknownNetworkError,
    WrongPassphraseError,
)
from medshare.keyring import Keyring, read_passphrase
from medshare.model.consent import RecordRef
from medshare.model.purpose import PurposeOfUse
from medshare.places import open_store
from medshare.session import make_home
from medshare.settings import Settings, StoreKind, StoreSettings
from medshare.storage import KuboBlobStore, LocalBlobStore

pytestmark = pytest.mark.integration


def fake_kubo() -> ModuleType:
    path = Path(__file__).parents[1] / "storage" / "fake_kubo.py"
    spec = importlib.util.spec_from_file_location("fake_kubo", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules.setdefault("fake_kubo", importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


def block_number(session: Session) -> int:
    return session.ledger.chain.head().number


# -------------------------------------------------------------------------------------------------- connect


def test_connect__by_argument_or_environment__opens_that_home(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDSHARE_HOME", str(home.path))
    with connect() as session:
        assert session.settings.home == home.path
        assert len(session.auditing.records(session.keyring.resolve("patient"))) == 2
    with connect(home.path) as session:
        assert [entry.name for entry in session.keyring.entries()] == sorted(home.addresses)


def test_connect__library_only__goes_the_whole_path(people: Home, tmp_path: Path) -> None:
    """As in the head of medshare.session."""
    from medshare.services.description import Description

    (tmp_path / "observation.json").write_bytes(OBSERVATION)
    with connect(people.path) as session:
        hospital, patient, doctor = (
            session.keyring.open(name, lambda _name: PASSPHRASE) for name in ("hospital", "patient", "doctor")
        )
        published = session.publishing.publish(
            tmp_path / "observation.json", custodian=hospital, patient=patient.address, description=Description()
        )
        ref = RecordRef(custodian=hospital.address, record_id=published.record_id)
        granted = session.consenting.grant(
            patient=patient,
            grantee=doctor.address,
            records=[ref],
            purposes=PurposeOfUse.TREAT,
            expires_at=session.clock.now() + 3600,
        )
        opened = session.retrieving.open(ref, reader=doctor, purpose=PurposeOfUse.TREAT)
        assert b"".join(opened.stream()) == OBSERVATION
        session.consenting.revoke(granted.grant_id, patient=patient)
        assert session.auditing.may_read(patient.address) == []


def test_connect__again__deploys_nothing_again(home: Home) -> None:
    with connect(home.path) as session:
        first, before = session.chain.deployment, block_number(session)
    with connect(home.path) as session:
        assert session.chain.deployment == first
        assert block_number(session) <= before + 1  # at most a block that tells the time


@pytest.mark.about("embedded", "one process at a time has it open")
def test_connect__while_another_session_is_open__is_busy(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medshare.session.open_chain", partial(open_chain, wait=0.05))
    with connect(home.path) as session, pytest.raises(LedgerBusyError), connect(home.path):
        pytest.fail("two sessions on one embedded chain")
    with connect(home.path) as session:
        assert block_number(session) > 0


def test_connect__error_inside__lets_go_of_the_chain(home: Home) -> None:
    with pytest.raises(ZeroDivisionError), connect(home.path):
        _ = 1 / 0
    with connect(home.path) as session:
        assert block_number(session) > 0


def test_connect__to_a_network_that_is_not_known__is_refused(home: Home, tmp_path: Path) -> None:
    with pytest.raises(UnknownNetworkError), connect(home.path, network="nowhere"):
        pytest.fail("no such network")
    with pytest.raises(UnknownNetworkError):
        make_home(Settings(home=tmp_path / "new", network="nowhere"))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("there", ["nothing", "an empty folder", "a folder of something else"])
def test_connect__to_a_folder_that_is_no_home__makes_nothing(tmp_path: Path, there: str) -> None:
    folder = tmp_path / "mistyped"
    if there != "nothing":
        folder.mkdir()
    if there == "a folder of something else":
        (folder / "letters").mkdir()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(HomeNotFoundError, match=r"no medshare home in .*mistyped") as error, connect(folder):
        pytest.fail("no such home")
    assert "medshare init" in error.value.hint
    assert sorted(tmp_path.rglob("*")) == before


def test_connect__to_an_embedded_chain_that_was_never_made__makes_none(tmp_path: Path) -> None:
    Settings(home=tmp_path, network="anvil").save()
    with pytest.raises(DeploymentNotFoundError, match="embedded") as error, connect(tmp_path, network="embedded"):
        pytest.fail("nothing is deployed")
    assert "medshare init" in error.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["medshare.toml"]


def test_make_home__again__deploys_nothing_again(home: Home) -> None:
    with connect(home.path) as session:
        first = session.chain.deployment
    make_home(Settings.load(home.path))
    with connect(home.path) as session:
        assert session.chain.deployment == first
        assert len(session.auditing.records(session.keyring.resolve("patient"))) == 2


def test_make_home__store_does_not_answer__leaves_no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_TOKEN", raising=False)
    store = StoreSettings(kind=StoreKind.KUBO, address="/ip4/127.0.0.1/tcp/1/http", token="NO_SUCH_TOKEN")
    with pytest.raises(ConfigurationError):
        make_home(Settings(home=tmp_path / "new", store=store))
    with pytest.raises(HomeNotFoundError):
        Settings.load(tmp_path / "new")


def test_home__made_under_any_umask__is_its_owners_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_home(Settings(home=tmp_path / "a" / "home"))
        with connect(tmp_path / "a" / "home") as session:
            session.keyring.create("somebody", PASSPHRASE, signer=LocalSigner.generate())
    finally:
        os.umask(before)
    home = tmp_path / "a" / "home"
    assert {path.stat().st_mode & 0o777 for path in (home, home / "identities", home / "state")} == {0o700}


# ---------------------------------------------------------------------------------------------------- store


def test_open_store__of_settings__is_the_kind_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(open_store(Settings(home=tmp_path / "home")), LocalBlobStore)
    kubo = StoreSettings(kind=StoreKind.KUBO, address="/ip4/127.0.0.1/tcp/5001/http")
    with open_store(Settings(home=tmp_path, store=kubo)) as store:
        assert isinstance(store, KuboBlobStore)
    wanting = StoreSettings(kind=StoreKind.KUBO, address=kubo.address, token="KUBO_TOKEN")
    for value in (None, ""):
        if value is None:
            monkeypatch.delenv("KUBO_TOKEN", raising=False)
        else:
            monkeypatch.setenv("KUBO_TOKEN", value)
        with pytest.raises(ConfigurationError, match="KUBO_TOKEN"):
            open_store(Settings(home=tmp_path, store=wanting))


def test_kubo__whole_path__with_a_token_that_is_written_nowhere(
    people: Home, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = CommandLine(people, capsysbinary)
    (tmp_path / "scan").write_bytes(SCAN)
    with fake_kubo().running_fake() as kubo:
        kubo.authorization = "Bearer CANARY-token"
        monkeypatch.setenv("KUBO_TOKEN", "CANARY-token")
        cli.json("init", "--store", "kubo", "--kubo", kubo.address, "--kubo-token", "KUBO_TOKEN")
        (row,) = cli.json("record", "publish", tmp_path / "scan", "--as", "hospital", "--patient", "patient")
        granted = cli.json("access", "grant", "--all", "--as", "patient", "--to", "doctor", "--until", "1d")
        assert set(kubo.pins) == {row["cid"], granted["bundle"]}
        assert cli.fetched(row["record"], "doctor") == SCAN
        cli.json("access", "revoke", granted["grant"], "--as", "patient")
        assert set(kubo.pins) == {row["cid"]}
        assert cli("doctor").code == 0
        monkeypatch.setenv("KUBO_TOKEN", "wrong")
        answer = cli("record", "fetch", row["record"], "--as", "patient")
        assert answer.code == 1
        assert "KUBO_TOKEN" in answer.err
        assert "CANARY-token" not in answer.err
    assert all(b"CANARY-token" not in path.read_bytes() for path in people.path.rglob("*") if path.is_file())
    assert [path for path in (people.path / "blocks" / "blocks").rglob("*") if path.is_file()] == []


# -------------------------------------------------------------------------------------------------- keyring


def quick(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Keyring:
    monkeypatch.setattr(LocalSigner.save_keystore, "__kwdefaults__", {"work": 1 << 12})
    return Keyring(folder / "identities")


def test_keyring__identity_made__opens_with_its_passphrase_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring = quick(tmp_path, monkeypatch)
    made = keyring.create("somebody", PASSPHRASE)
    asked: list[str] = []

    def passphrase(name: str) -> str:
        asked.append(name)
        return PASSPHRASE

    opened = keyring.open("somebody", passphrase)
    assert (opened.address, opened.identity) == (made.address, made.identity)
    assert asked == ["somebody"]
    assert keyring.resolve("somebody") == keyring.resolve(made.address.lower()) == made.address
    assert keyring.name_of(made.address) == "somebody"
    with pytest.raises(WrongPassphraseError):
        keyring.open("somebody", lambda _: PASSPHRASE + "x")
    with pytest.raises(UnknownIdentityError):
        keyring.open("nobody", lambda _: pytest.fail("asked for the passphrase of nobody"))


def test_keyring__name_taken__changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = quick(tmp_path, monkeypatch)
    made = keyring.create("somebody", PASSPHRASE)
    with pytest.raises(IdentityExistsError):
        keyring.create("somebody", PASSPHRASE)
    assert keyring.resolve("somebody") == made.address


def test_keyring__name_taken_while_keys_were_made__keeps_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring = quick(tmp_path, monkeypatch)
    other = Keyring(tmp_path / "identities")
    generate = LocalSigner.generate

    def slow() -> LocalSigner:
        monkeypatch.setattr(LocalSigner, "generate", generate)
        other.create("somebody", PASSPHRASE)
        return generate()

    monkeypatch.setattr(LocalSigner, "generate", slow)
    with pytest.raises(IdentityExistsError):
        keyring.create("somebody", PASSPHRASE)
    assert [path.name for path in (tmp_path / "identities").iterdir()] == ["somebody"]
    assert keyring.open("somebody", lambda _: PASSPHRASE).address == keyring.resolve("somebody")


def test_keyring__disk_is_full_in_the_middle__leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = quick(tmp_path, monkeypatch)

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("medshare.envelope.key_files.write_public", full)
        with pytest.raises(StoreFullError):
            keyring.create("somebody", PASSPHRASE)
    assert list((tmp_path / "identities").iterdir()) == []
    assert keyring.create("somebody", PASSPHRASE).address


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "A", "ä", "a b", "a\n", "a" * 65, "-a", "\x00"])
def test_keyring__name_that_cannot_be__is_refused(tmp_path: Path, name: str) -> None:
    keyring = Keyring(tmp_path / "identities")
    for act in (keyring.resolve, keyring.key_files, partial(keyring.create, passphrase=PASSPHRASE)):
        with pytest.raises(InvalidInputError):
            act(name)
    assert not (tmp_path / "identities").exists()


@pytest.mark.parametrize(
    "account",
    [
        b"",
        b"[]",
        b"{}",
        b'{"address": 1}',
        b'{"address": "0x12"}',
        b"\xff",
        b"{" * 100_000,
        b"[" * 60_000,
        b"9" * 5_000,
    ],
)
def test_keyring__account_file_damaged__is_a_typed_error(home: Home, account: bytes) -> None:
    (home.identity("doctor") / "account.json").write_bytes(account)
    keyring = Keyring(home.path / "identities")
    for act in (
        keyring.entries,
        partial(keyring.resolve, "doctor"),
        partial(keyring.open, "doctor", lambda _: PASSPHRASE),
    ):
        with pytest.raises(KeyFileError):
            act()
    assert "doctor" in keyring.names()


def test_keyring__account_of_another_in_the_file__is_refused(home: Home) -> None:
    path = home.identity("doctor") / "account.json"
    document = json.loads(path.read_text())
    document["address"] = home.addresses["patient"][2:].lower()
    path.write_text(json.dumps(document))
    with pytest.raises(KeyFileError, match="another account"):
        Keyring(home.path / "identities").open("doctor", lambda _: PASSPHRASE)


@pytest.mark.parametrize(
    ("text", "expected"), [(b"secret", "secret"), (b"se cret\r\n", "se cret"), (b" x \n\n", " x ")]
)
def test_passphrase_file__with_an_end_of_line__is_read_without_it(tmp_path: Path, text: bytes, expected: str) -> None:
    path = tmp_path / "passphrase"
    path.write_bytes(text)
    path.chmod(0o600)
    assert read_passphrase(path) == expected


def test_passphrase_file__is_a_pipe__is_read(tmp_path: Path) -> None:
    """As the shell makes it: --passphrase-file <(pass show medshare)."""
    reading, writing = os.pipe()
    os.write(writing, b"from a pipe\n")
    os.close(writing)
    try:
        assert read_passphrase(Path(f"/dev/fd/{reading}")) == "from a pipe"
    finally:
        os.close(reading)
