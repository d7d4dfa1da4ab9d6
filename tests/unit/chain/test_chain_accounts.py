"""Accounts that sign.

given a key
├── it should sign as the account it belongs to
└── it should appear in no repr, pickle, message or traceback
given a keystore file
├── the passphrase that made it should open it, another should not
├── whose it is can be asked without a passphrase
├── a file that others may read, a link, or a file of another account should be refused
└── a file that asks for absurd work, or is no keystore, should be refused at once
given a wallet's mnemonic phrase in a file
├── its accounts should be those that other wallets derive
└── words that are none, or that others may read, should be refused and quoted nowhere
"""

from __future__ import annotations

import json
import pickle
import traceback
from pathlib import Path

import pytest
from eth_account import Account

from medshare.chain.accounts import LocalSigner, keystore_address
from medshare.errors import InvalidInputError, KeyFileError, WrongPassphraseError

pytestmark = pytest.mark.unit

KEY = bytes.fromhex("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d")
ADDRESS = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
LIGHT = 1 << 10


@pytest.fixture
def keystore(tmp_path: Path) -> Path:
    path = tmp_path / "key.json"
    LocalSigner.from_key(KEY).save_keystore(path, "open sesame", work=LIGHT)
    return path


def test_signer__of_a_key__signs_as_its_account() -> None:
    signer = LocalSigner.from_key(KEY)
    raw = signer.sign_transaction(
        {"chainId": 5, "nonce": 0, "gas": 21000, "gasPrice": 1, "to": ADDRESS, "value": 1, "data": b""}
    )
    assert signer.address == ADDRESS
    assert Account.recover_transaction(raw) == ADDRESS


def test_signer__shown__hides_its_key() -> None:
    signer = LocalSigner.from_key(KEY)
    assert repr(signer) == f"LocalSigner({ADDRESS})"
    assert KEY.hex() not in f"{signer} {signer!r}"
    with pytest.raises(TypeError):
        pickle.dumps(signer)


@pytest.mark.parametrize("key", [b"", KEY[:-1], bytes(32), b"\xff" * 32])
def test_from_key__no_key__is_refused_without_quoting_it(key: bytes) -> None:
    with pytest.raises(KeyFileError) as caught:
        LocalSigner.from_key(key)
    assert b"\xff".hex() * 32 not in "".join(traceback.format_exception(caught.value))


def test_generate__twice__differs() -> None:
    assert LocalSigner.generate().address != LocalSigner.generate().address


@pytest.mark.parametrize("text", [KEY.hex(), "0x" + KEY.hex(), f" {KEY.hex()}\n"])
def test_from_environment__hex__is_read(text: str) -> None:
    assert LocalSigner.from_environment("K", {"K": text}).address == ADDRESS


@pytest.mark.parametrize("environ", [{}, {"K": ""}, {"K": "canary-not-hex"}, {"K": "ab"}])
def test_from_environment__nothing_usable__is_refused_without_quoting_it(environ: dict[str, str]) -> None:
    with pytest.raises(KeyFileError) as caught:
        LocalSigner.from_environment("K", environ)
    assert "canary" not in "".join(traceback.format_exception(caught.value))


def test_keystore__right_passphrase__opens(keystore: Path) -> None:
    assert LocalSigner.from_keystore(keystore, "open sesame").address == ADDRESS
    assert keystore.stat().st_mode & 0o777 == 0o600
    assert json.loads(keystore.read_bytes())["crypto"]["kdfparams"]["n"] == LIGHT


@pytest.mark.parametrize(
    ("stated", "expected"),
    [(ADDRESS[2:].lower(), ADDRESS), (ADDRESS, ADDRESS), (None, None), ("nonsense", None), (7, None)],
)
def test_keystore_address__is_what_the_file_says_if_it_does(
    keystore: Path, stated: object, expected: str | None
) -> None:
    assert keystore_address(keystore) == ADDRESS
    document = json.loads(keystore.read_bytes())
    document["address"] = stated
    keystore.write_text(json.dumps(document))
    assert keystore_address(keystore) == expected


def test_keystore_address__no_file__is_refused_and_says_where(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError) as caught:
        keystore_address(tmp_path / "missing.json")
    assert "missing.json" in caught.value.hint


def test_keystore__wrong_passphrase__is_told_apart(keystore: Path) -> None:
    with pytest.raises(WrongPassphraseError):
        LocalSigner.from_keystore(keystore, "open barley")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o606])
def test_keystore__others_may_read__is_refused(keystore: Path, mode: int) -> None:
    keystore.chmod(mode)
    with pytest.raises(KeyFileError, match="by others"):
        LocalSigner.from_keystore(keystore, "open sesame")


def test_keystore__link__is_refused(keystore: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(keystore)
    with pytest.raises(KeyFileError):
        LocalSigner.from_keystore(link, "open sesame")


def test_keystore__exists__is_not_overwritten(keystore: Path) -> None:
    before = keystore.read_bytes()
    with pytest.raises(InvalidInputError):
        LocalSigner.generate().save_keystore(keystore, "x", work=LIGHT)
    assert keystore.read_bytes() == before


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["crypto"]["kdfparams"].update(n=1 << 40),
        lambda d: d["crypto"]["kdfparams"].update(p=1 << 20),
        lambda d: d["crypto"]["kdfparams"].update(r="8"),
        lambda d: d["crypto"].update(kdf="pbkdf2", kdfparams={"c": 1 << 40, "dklen": 32, "prf": "hmac-sha256"}),
        lambda d: d["crypto"].update(kdfparams=None),
        lambda d: d["crypto"].update(ciphertext="zz"),
        lambda d: d["crypto"].pop("mac"),
        lambda d: d.update(version=1),
        lambda d: d.update(address="00" * 20),
        lambda d: d.pop("crypto"),
    ],
)
def test_keystore__hostile_or_damaged__is_refused(keystore: Path, change: object) -> None:
    document = json.loads(keystore.read_bytes())
    change(document)  # type: ignore[operator]  # a lambda of the list above
    keystore.write_text(json.dumps(document))
    with pytest.raises(KeyFileError):
        LocalSigner.from_keystore(keystore, "open sesame")


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"{}", b"[" * 100_000, b" " * 70_000])
def test_keystore__something_else__is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.json"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileError):
        LocalSigner.from_keystore(path, "x")


def test_keystore__missing__is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError):
        LocalSigner.from_keystore(tmp_path / "none.json", "x")


# ---------------------------------------------------------------------------------------------- HD wallets

PHRASE = "test test test test test test test test test test test junk"
"""The development nodes' own, for everybody to know."""
DEVELOPMENT_ACCOUNTS = {
    "m/44'/60'/0'/0/0": "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
    "m/44'/60'/0'/0/1": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    "m/44'/60'/0'/0/9": "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720",
}


@pytest.fixture
def phrase(tmp_path: Path) -> Path:
    path = tmp_path / "phrase"
    path.touch(0o600)
    path.write_text("\n" + PHRASE.replace(" ", "  ", 3) + "\n")
    return path


@pytest.mark.parametrize("place", DEVELOPMENT_ACCOUNTS)
def test_mnemonic__known_phrase__gives_the_known_account(phrase: Path, place: str) -> None:
    assert LocalSigner.from_mnemonic_file(phrase, place).address == DEVELOPMENT_ACCOUNTS[place]


def test_mnemonic__no_place_named__is_the_first_account(phrase: Path) -> None:
    assert LocalSigner.from_mnemonic_file(phrase).address == DEVELOPMENT_ACCOUNTS["m/44'/60'/0'/0/0"]


@pytest.mark.parametrize("words", ["", "junk", PHRASE.replace("junk", "canary"), PHRASE + " test", "\xff" * 9])
def test_mnemonic__words_are_no_phrase__is_refused_without_quoting_them(phrase: Path, words: str) -> None:
    phrase.write_text(words)
    with pytest.raises(KeyFileError) as refused:
        LocalSigner.from_mnemonic_file(phrase)
    assert "canary" not in "".join(traceback.format_exception(refused.value))


def test_mnemonic__others_may_read_it__is_refused(phrase: Path) -> None:
    phrase.chmod(0o644)
    with pytest.raises(KeyFileError, match="mnemonic file can be read by others"):
        LocalSigner.from_mnemonic_file(phrase)


@pytest.mark.parametrize("place", ["", "m", "44'/60'", "m/x", "m/1/", "m/44'/60'/0'/0/99999999999"])
def test_mnemonic__place_is_none__is_refused(phrase: Path, place: str) -> None:
    with pytest.raises(InvalidInputError):
        LocalSigner.from_mnemonic_file(phrase, place)
