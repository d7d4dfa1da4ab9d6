"""Accounts that sign: a key in memory, from a keystore file, a mnemonic phrase, the environment, or drawn anew.

A key is never logged, printed or put into a message.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn, Self

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_keyfile.keyfile import create_keyfile_json, decode_keyfile_json

from medshare.errors import InvalidInputError, KeyFileError, WrongPassphraseError
from medshare.files import write_whole
from medshare.model.ids import Address, address

KEY_SIZE = 32
SCRYPT_WORK = 1 << 18
"""0.6 s and 256 MiB for each guess at a passphrase."""
MAX_KEYSTORE_SIZE = 1 << 16
FIRST_ACCOUNT = "m/44'/60'/0'/0/0"
"""Where wallets keep the first account of a mnemonic phrase (BIP-44)."""
_MAX_SCRYPT_MEMORY = 1 << 30
_MAX_SCRYPT_PARALLEL = 16
_MAX_PBKDF2_ROUNDS = 10_000_000
_HD_PATH = re.compile(r"m(/[0-9]{1,10}'?){1,10}")
_HEX_ADDRESS = re.compile(r"(0x)?[0-9a-fA-F]{40}")


class LocalSigner:
    """Signs with a key in this process's memory."""

    __slots__ = ("_account",)

    def __init__(self, account: LocalAccount) -> None:
        self._account = account

    def __repr__(self) -> str:
        return f"LocalSigner({self.address})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signer is not pickled: its key would be written in clear")

    @classmethod
    def from_key(cls, key: bytes) -> Self:
        """Return the signer of a 32-byte key; raises ``KeyFileError`` where it cannot be one."""
        if len(key) != KEY_SIZE:
            raise KeyFileError(f"an account's key has {KEY_SIZE} bytes")
        try:
            return cls(Account.from_key(key))
        except Exception:  # noqa: BLE001 - eth-keys raises several kinds, and their messages may hold the key
            raise KeyFileError("these bytes are not an account's key") from None

    @classmethod
    def generate(cls) -> Self:
        """Return a signer with a new random key."""
        return cls.from_key(secrets.token_bytes(KEY_SIZE))

    @classmethod
    def from_environment(cls, variable: str, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the signer whose key, 64 hex digits, is in an environment variable.

        Raises:
            KeyFileError: it is not set, or no key.
        """
        text = environ.get(variable, "").strip()
        if not text:
            raise KeyFileError(f"the environment variable {variable} is not set")
        try:
            key = bytes.fromhex(text.removeprefix("0x"))
        except ValueError:
            raise KeyFileError(f"the environment variable {variable} holds no key in hex") from None
        return cls.from_key(key)

    @classmethod
    def from_keystore(cls, path: Path, passphrase: str) -> Self:
        """Return the signer in a keystore file (Web3 Secret Storage, version 3).

        Raises:
            WrongPassphraseError: the passphrase does not open it.
            KeyFileError: it is missing, malformed, asks for absurd work, or others may read it.
        """
        document = _read_private(path)
        _check_work(document)
        try:
            key = decode_keyfile_json(document, passphrase.encode("utf-8"))
        except ValueError as error:
            if "MAC" in str(error):
                raise WrongPassphraseError("the passphrase does not open the keystore") from None
            raise KeyFileError("the keystore cannot be decoded") from None
        except Exception:  # noqa: BLE001 - whatever a malformed document does to the decoder
            raise KeyFileError("the keystore cannot be decoded") from None
        signer = cls.from_key(key)
        stated = document.get("address")
        if isinstance(stated, str) and stated.lower().removeprefix("0x") != signer.address[2:].lower():
            raise KeyFileError("the keystore holds another account's key than it says")
        return signer

    @classmethod
    def from_mnemonic_file(cls, path: Path, hd_path: str = FIRST_ACCOUNT) -> Self:
        """Return an account of a wallet by its mnemonic phrase (BIP-39) and its place in the wallet (BIP-32).

        eth-account's own derivation is used, which its authors call unaudited: tests compare what it gives with the
        accounts that others derive. The phrase opens every account of the wallet: keep it elsewhere.

        Args:
            path: a file that only its owner may read, which holds the words.
            hd_path: which account, such as ``m/44'/60'/0'/0/1`` for the second.

        Raises:
            InvalidInputError: the path is none.
            KeyFileError: the file is missing, others may read it, or the words are no such phrase.
        """
        if not _HD_PATH.fullmatch(hd_path):
            raise InvalidInputError(f"a place in a wallet is written like {FIRST_ACCOUNT}")
        words = " ".join(_private_bytes(path, "mnemonic file").decode("utf-8", "replace").split())
        Account.enable_unaudited_hdwallet_features()
        try:
            return cls(Account.from_mnemonic(words, account_path=hd_path))
        except Exception:  # noqa: BLE001 - of several kinds, and their messages may hold the words
            raise KeyFileError("the words in the mnemonic file are no phrase, or one of them is mistyped") from None

    @property
    def address(self) -> Address:
        """The account."""
        return Address(self._account.address)

    def sign_transaction(self, transaction: Mapping[str, Any]) -> bytes:
        """Return the signed transaction, ready to be sent."""
        return bytes(self._account.sign_transaction(dict(transaction)).raw_transaction)

    def sign_typed_data(self, typed_data: Mapping[str, Any]) -> bytes:
        """Return the signature of EIP-712 typed data, as ``to_typed_data`` makes it."""
        return bytes(self._account.sign_typed_data(full_message=dict(typed_data)).signature)

    def save_keystore(self, path: Path, passphrase: str, *, work: int = SCRYPT_WORK) -> None:
        """Write the key, encrypted, to a new file that only its owner may read.

        Args:
            path: must not exist.
            passphrase: what opens the file.
            work: scrypt's n; a power of two. Less than the default is for tests.

        Raises:
            InvalidInputError: the file exists, or its folder does not.
        """
        document = create_keyfile_json(
            bytes(self._account.key), passphrase.encode("utf-8"), version=3, kdf="scrypt", iterations=work
        )
        write_whole(path, json.dumps(document).encode(), replace=False)


def keystore_address(path: Path) -> Address | None:
    """Return the account that a keystore file names, if it does; no passphrase is needed, and nothing proves it yet.

    Raises:
        KeyFileError: it is missing, malformed, or others may read it.
    """
    stated = _read_private(path).get("address")
    if not isinstance(stated, str) or not _HEX_ADDRESS.fullmatch(stated):
        return None
    return address("0x" + stated.lower().removeprefix("0x"))


def _read_private(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(_private_bytes(path, "keystore"))
    except (ValueError, RecursionError):
        raise KeyFileError("the keystore is not JSON") from None
    if not isinstance(document, dict):
        raise KeyFileError("the keystore is not a JSON object")
    return {str(name).lower(): value for name, value in document.items()}


def _private_bytes(path: Path, what: str) -> bytes:
    """Return what is in a file that only its owner may read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        raise KeyFileError(f"the {what} cannot be read", hint=f"check that {path} is there and yours") from None
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise KeyFileError(f"the {what} is not a file")
        if os.name == "posix" and status.st_mode & 0o077:
            raise KeyFileError(
                f"the {what} can be read by others", hint=f"chmod 600 {shlex.quote(str(path))}, and consider a new key"
            )
        text = stream.read(MAX_KEYSTORE_SIZE + 1)
    if len(text) > MAX_KEYSTORE_SIZE:
        raise KeyFileError(f"the {what} is too large to be one")
    return text


def _check_work(document: Mapping[str, Any]) -> None:
    """Refuse a file that would have us fill the memory or compute for hours."""
    crypto = document.get("crypto")
    parameters = crypto.get("kdfparams") if isinstance(crypto, dict) else None
    if document.get("version") != 3 or not isinstance(parameters, dict):
        raise KeyFileError("the keystore is not of version 3")

    def number(name: str) -> int:
        value = parameters.get(name, 1)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise KeyFileError("the keystore's key derivation is malformed")
        return value

    memory = 128 * number("n") * number("r")
    if memory > _MAX_SCRYPT_MEMORY or number("p") > _MAX_SCRYPT_PARALLEL or number("c") > _MAX_PBKDF2_ROUNDS:
        raise KeyFileError("the keystore asks for more work than any honest one")
