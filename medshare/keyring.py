"""The keyring: the identities that act from this machine, each with a signing key and an encryption key.

::

    identities/NAME/account.json     signing key, keystore v3; or
    identities/NAME/wallet.json      where the wallet is that has it, and no key
    identities/NAME/encryption.sec   encryption key, Crypt4GH's own format
    identities/NAME/encryption.pub   its public half

One passphrase locks both keys. A key is never overwritten and never leaves its file unlocked.
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import shlex
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medshare.envelope import Identity
from medshare.errors import IdentityExistsError, InvalidInputError, KeyFileError, UnknownIdentityError
from medshare.files import out_of_space_is_typed, private_folder, sync_folder
from medshare.model.ids import Address, address
from medshare.ports import Actor

if TYPE_CHECKING:
    from medshare.chain import LocalSigner, RemoteAccount

ACCOUNT_FILE = "account.json"
WALLET_FILE = "wallet.json"
SECRET_FILE = "encryption.sec"  # noqa: S105 - a file's name
PUBLIC_FILE = "encryption.pub"
MIN_PASSPHRASE = 12
_MAX_ACCOUNT_FILE = 1 << 16
_MAX_PASSPHRASE = 4096
_NAME = re.compile(r"(?!0x)[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityEntry:
    """An identity as anybody may see it."""

    name: str
    address: Address


def read_passphrase(path: Path) -> str:
    """Return the passphrase that a file holds, the line's end left out.

    Raises:
        KeyFileError: the file cannot be read, is empty, or others can read it.
    """
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            text = stream.read(_MAX_PASSPHRASE).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError("the passphrase file cannot be read", hint=f"check {path}") from error
    if stat.S_ISREG(mode) and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyFileError("others can read the passphrase file", hint=f"chmod 600 {shlex.quote(str(path))}")
    passphrase = text.rstrip("\r\n")
    if not passphrase:
        raise KeyFileError("the passphrase file is empty", hint=f"write the passphrase into {path}")
    return passphrase


class Keyring:
    """The identities in one folder.

    Args:
        folder: where they are; created when the first is.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def create(
        self,
        name: str,
        passphrase: str,
        *,
        signer: LocalSigner | RemoteAccount | None = None,
        identity: Identity | None = None,
    ) -> Actor:
        """Make an identity with two new keys, or with keys that exist already.

        Args:
            name: lower-case letters, digits, ``-`` and ``_``; it stays on this machine.
            passphrase: locks both key files; at least ``MIN_PASSPHRASE`` characters.
            signer: an imported account, or one whose key is in a wallet elsewhere; default a new one.
            identity: an imported encryption key, default a new one.

        Raises:
            InvalidInputError: the name or the passphrase cannot be used.
            IdentityExistsError: the name is taken.
            StoreFullError: the disk is full; nothing is left of the identity.
        """
        folder = self._folder_of(name)
        if len(passphrase) < MIN_PASSPHRASE:
            raise InvalidInputError(
                f"a passphrase has at least {MIN_PASSPHRASE} characters",
                hint="take several words: whoever gets the file can try passphrases for as long as he likes",
            )
        if folder.exists():
            raise IdentityExistsError(name)
        # The chain's libraries take a second to import: who only lists names need not wait for them.
        from medshare.chain import LocalSigner

        signer = signer or LocalSigner.generate()
        identity = identity or Identity.generate()
        # Both keys appear at once or not at all: an identity with one key is of no use.
        draft = private_folder(self._folder / f".{name}.{secrets.token_hex(4)}")
        try:
            with out_of_space_is_typed("an identity"):
                if isinstance(signer, LocalSigner):
                    signer.save_keystore(draft / ACCOUNT_FILE, passphrase)
                else:
                    signer.save(draft / WALLET_FILE)
                identity.save(draft / SECRET_FILE, passphrase)
                identity.recipient.save(draft / PUBLIC_FILE)
                draft.rename(folder)
        except OSError as error:
            # Another process has made it since we looked.
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                raise IdentityExistsError(name) from error
            raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        sync_folder(self._folder)
        return Actor(signer=signer, identity=identity)

    def open(self, name: str, passphrase: Callable[[str], str]) -> Actor:
        """Unlock an identity.

        Args:
            name: which one.
            passphrase: asked for the passphrase, with the identity's name, once the identity is known to exist.

        Raises:
            UnknownIdentityError: there is none of this name.
            WrongPassphraseError: the passphrase does not open it.
            KeyFileError: a key file is damaged, or others can read it.
        """
        from medshare.chain import LocalSigner, RemoteAccount

        folder = self._existing(name)
        secret = passphrase(name)
        is_remote = self._account_file(folder).name == WALLET_FILE
        return Actor(
            signer=RemoteAccount.load(folder / WALLET_FILE)
            if is_remote
            else LocalSigner.from_keystore(folder / ACCOUNT_FILE, secret),
            identity=Identity.load(folder / SECRET_FILE, secret),
        )

    def names(self) -> list[str]:
        """Return the identities' names, those of damaged ones included."""
        if not self._folder.is_dir():
            return []
        return sorted(path.name for path in self._folder.iterdir() if _NAME.fullmatch(path.name))

    def entries(self) -> list[IdentityEntry]:
        """Return the identities by name. No passphrase is needed; raises ``KeyFileError``."""
        return [IdentityEntry(name=name, address=self._address(name)) for name in self.names()]

    def resolve(self, name_or_address: str) -> Address:
        """Return the address of an identity by its name, or the address itself.

        Raises:
            UnknownIdentityError: neither a name in the keyring nor an address.
            InvalidInputError: an address with a wrong checksum.
        """
        if name_or_address.lower().startswith("0x"):
            return address(name_or_address)
        return self._address(name_or_address)

    def name_of(self, account: Address) -> str | None:
        """Return the name under which ``account`` is in the keyring, or None."""
        return self.known().get(account)

    def known(self) -> dict[Address, str]:
        """Return the identities' names by address; those of damaged account files are left out."""
        known = {}
        for name in self.names():
            with suppress(KeyFileError):
                known[self._address(name)] = name
        return known

    def key_files(self, name: str) -> tuple[Path, Path]:
        """Return where the encryption key's secret and public files are, for other Crypt4GH tools."""
        folder = self._existing(name)
        return folder / SECRET_FILE, folder / PUBLIC_FILE

    def check(self, name: str) -> None:
        """See that an identity's three files are there, and that nobody else can read or exchange its keys.

        Raises:
            UnknownIdentityError: there is none of this name.
            KeyFileError: a file is missing, or its mode lets others in.
        """
        folder = self._existing(name)
        for file, others, mode in (
            (self._account_file(folder).name, stat.S_IRWXG | stat.S_IRWXO, 600),
            (SECRET_FILE, stat.S_IRWXG | stat.S_IRWXO, 600),
            (PUBLIC_FILE, stat.S_IWGRP | stat.S_IWOTH, 644),
        ):
            path = folder / file
            try:
                found = path.stat().st_mode
            except OSError as error:
                raise KeyFileError(f"{file} is missing or out of reach", hint=_restore(folder)) from error
            if not stat.S_ISREG(found):
                raise KeyFileError(f"{file} is not a file", hint=_restore(folder))
            if found & others:
                may = "write" if mode == 644 else "read"
                raise KeyFileError(f"others can {may} {file}", hint=f"chmod {mode} {shlex.quote(str(path))}")

    def _address(self, name: str) -> Address:
        path = self._account_file(self._existing(name))
        try:
            with path.open("rb") as stream:
                written = json.loads(stream.read(_MAX_ACCOUNT_FILE))["address"]
            return address("0x" + written.removeprefix("0x"))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise KeyFileError(
                f"the account file of identity {name!r} is damaged", hint=_restore(path.parent)
            ) from error

    @staticmethod
    def _account_file(folder: Path) -> Path:
        """Return the file that says which account it is: a keystore, unless the key is in a wallet elsewhere."""
        return folder / (WALLET_FILE if (folder / WALLET_FILE).exists() else ACCOUNT_FILE)

    def _existing(self, name: str) -> Path:
        folder = self._folder_of(name)
        if not folder.is_dir():
            raise UnknownIdentityError(name, tuple(self.names()))
        return folder

    def _folder_of(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise InvalidInputError("a name has lower-case letters, digits, '-' and '_', at most 64")
        return self._folder / name


def _restore(folder: Path) -> str:
    return f"restore {shlex.quote(str(folder))} from a backup"
