"""A pointer to a wallet: what it keeps, what it never tells, and what it does not do.

given a pointer in a file
├── it should come back as it was, from a file that only its owner may read
└── a damaged one should be told as such, without its text
given an address with a secret in it
└── neither repr nor an error should hold it; a variable that is not set should be named
given a transaction
└── it should refuse, and say what to do instead
"""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from medshare.chain import Dialect, RemoteAccount
from medshare.errors import ConfigurationError, InvalidInputError, KeyFileError, SigningRefusedError
from medshare.model.ids import address

pytestmark = pytest.mark.unit

ACCOUNT = address("0x" + "a1" * 20)
SECRET = "key-in-the-path"
URL = f"https://wallet.example/{SECRET}"


def test_pointer__saved_and_loaded__is_the_same_and_private(tmp_path: Path) -> None:
    pointer = RemoteAccount(address=ACCOUNT, url=URL, dialect=Dialect.CLEF)
    pointer.save(tmp_path / "wallet.json")
    assert stat.S_IMODE((tmp_path / "wallet.json").stat().st_mode) == 0o600
    assert RemoteAccount.load(tmp_path / "wallet.json") == pointer
    assert SECRET not in repr(pointer)


@pytest.mark.parametrize(
    "change",
    [
        {"address": "0x12"},
        {"address": None},
        {"url": f"ftp://{SECRET}"},
        {"url": ""},
        {"dialect": "morse"},
        None,
    ],
)
def test_pointer__damaged__is_told_without_its_text(tmp_path: Path, change: dict[str, object] | None) -> None:
    document: object = [URL]
    if change is not None:
        document = {"address": ACCOUNT, "url": URL, "dialect": str(Dialect.STANDARD), **change}
    (tmp_path / "wallet.json").write_text(json.dumps(document))
    with pytest.raises(KeyFileError) as caught:
        RemoteAccount.load(tmp_path / "wallet.json")
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("text", ["[" * 16_000, '{"address": ' + "9" * 5_000 + "}"], ids=["deep", "many digits"])
def test_pointer__deep_or_absurd__is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "wallet.json").write_text(text)
    with pytest.raises(KeyFileError):
        RemoteAccount.load(tmp_path / "wallet.json")


def test_pointer__missing__is_told(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError):
        RemoteAccount.load(tmp_path / "wallet.json")


@pytest.mark.parametrize("url", ["", "nowhere", "http://", "http:///path", "https://?", "file:///etc", "http://a b"])
def test_pointer__to_no_address__is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError, match="names a host"):
        RemoteAccount(address=ACCOUNT, url=url)


def test_pointer__variable_not_set__is_named_before_anybody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WALLET_URL", raising=False)
    with pytest.raises(ConfigurationError, match="WALLET_URL"):
        RemoteAccount(address=ACCOUNT, url="${WALLET_URL}").sign_typed_data({})


def test_pointer__transaction__is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SigningRefusedError) as caught:
        RemoteAccount(address=ACCOUNT, url=URL).sign_transaction({})
    assert "--paid-by" in caught.value.hint
    assert SECRET not in str(caught.value)
