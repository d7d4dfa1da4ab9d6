"""Crypt4GH's key files: a public key in PEM armour, a secret key in the ``c4gh-v1`` format.

A secret key file holds, base64-encoded between two armour lines (every string is preceded by its length in two
bytes, high byte first)::

    "c4gh-v1"  string kdf  [string rounds(4) || salt]  string cipher  string nonce || locked key  [string comment]

The file of a stranger decides how long we work on it, so rounds and salts are bounded before any is used.
"""

from __future__ import annotations

import binascii
import hashlib
import os
import shlex
import stat
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import bcrypt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from medshare.errors import InvalidInputError, KeyFileError, WrongPassphraseError
from medshare.files import write_whole

MAX_KEY_FILE_SIZE: Final = 128 * 1024
"""A comment has at most 64 KiB; nothing else in a key file is large."""

MAX_SALT_SIZE: Final = 64
MAX_ROUNDS: Final = {b"scrypt": 0, b"bcrypt": 1_000, b"pbkdf2_hmac_sha256": 5_000_000}
"""The most rounds that a key file may ask for; each takes a few seconds. scrypt's cost is fixed, it has none."""

_MAGIC: Final = b"c4gh-v1"
_NONE: Final = b"none"
_CIPHER: Final = b"chacha20_poly1305"
_KEY_SIZE: Final = 32
_NONCE_SIZE: Final = 12
_SALT_SIZE: Final = 16
_PUBLIC_MODE: Final = 0o644
_PUBLIC: Final = ("CRYPT4GH PUBLIC KEY",)
# The reference tool writes the first name for every secret key, other implementations the second for locked ones.
_SECRET: Final = ("CRYPT4GH PRIVATE KEY", "CRYPT4GH ENCRYPTED PRIVATE KEY")


@dataclass(frozen=True, slots=True)
class _SecretFile:
    kdf: bytes
    rounds: int
    salt: bytes
    material: bytes = field(repr=False)

    @property
    def locked(self) -> bool:
        return self.kdf != _NONE


def read_public(path: Path) -> bytes:
    """Return the 32 bytes in a public key file.

    Raises:
        KeyFileError: the file cannot be read or is not a Crypt4GH public key file.
    """
    key = _armoured(_read(path, private=False), _PUBLIC)
    if len(key) != _KEY_SIZE:
        raise KeyFileError(f"the public key file does not hold {_KEY_SIZE} bytes")
    return key


def write_public(path: Path, key: bytes) -> None:
    """Write a public key file; never over another file.

    Raises:
        InvalidInputError: ``path`` exists already, or its folder is missing.
        StoreFullError: the disk is full.
    """
    write_whole(path, _armour(key, _PUBLIC[0]), replace=False, mode=_PUBLIC_MODE)


def is_locked(path: Path) -> bool:
    """Return whether a secret key file needs a passphrase.

    Raises:
        KeyFileError: the file is unreadable, malformed, or readable by others.
    """
    return _parse(_armoured(_read(path, private=True), _SECRET)).locked


def read_secret(path: Path, passphrase: str | None) -> bytes:
    """Return the 32 bytes in a secret key file.

    Raises:
        WrongPassphraseError: the passphrase does not open the file, or is missing.
        KeyFileError: the file is unreadable, malformed, readable by others, or not locked although a passphrase
            is given.
        InvalidInputError: the passphrase is not text that can be encoded.
    """
    file = _parse(_armoured(_read(path, private=True), _SECRET))
    if not file.locked:
        # Somebody who can put a file in place of the locked one must not pass unnoticed.
        if passphrase is not None:
            raise KeyFileError(
                "the key file is not locked, yet a passphrase was given",
                hint="check that this is the file you mean; open it without a passphrase if it is",
            )
        secret = file.material
    else:
        if passphrase is None:
            raise WrongPassphraseError("the key file is locked and needs a passphrase")
        secret = _unlock(file, passphrase)
    if len(secret) != _KEY_SIZE:
        raise KeyFileError(f"the secret key file does not hold {_KEY_SIZE} bytes")
    return secret


def write_secret(path: Path, secret: bytes, passphrase: str | None, comment: str = "") -> None:
    """Write a secret key file with mode 0600, locked with scrypt unless ``passphrase`` is None; never over another.

    Raises:
        InvalidInputError: ``path`` exists already, its folder is missing, the passphrase is empty, or the comment
            is too long.
        StoreFullError: the disk is full.
    """
    if passphrase is None:
        parts = [_NONE, _NONE, secret]
    else:
        if not passphrase:
            raise InvalidInputError("an empty passphrase locks nothing")
        salt, nonce = os.urandom(_SALT_SIZE), os.urandom(_NONCE_SIZE)
        lock = ChaCha20Poly1305(_scrypt(_encoded(passphrase), salt, 0))
        parts = [b"scrypt", bytes(4) + salt, _CIPHER, nonce + lock.encrypt(nonce, secret, None)]
    if comment:
        parts.append(_encoded(comment))
    write_whole(path, _armour(_MAGIC + b"".join(_string(part) for part in parts), _SECRET[0]), replace=False)


# -------------------------------------------------------------------------------------------------- the file


def _read(path: Path, *, private: bool) -> bytes:
    # One descriptor for the check and the reading, so that the file cannot be exchanged in between; non-blocking,
    # so that a pipe in place of the file cannot hold us.
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except OSError as error:
        raise KeyFileError(f"the key file cannot be read: {error.strerror}") from error
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise KeyFileError("the key file is not a regular file")
        if private and os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise KeyFileError(
                "the key file is open to others", hint=f"take their rights away: chmod 600 {shlex.quote(str(path))}"
            )
        content = b""
        while len(content) <= MAX_KEY_FILE_SIZE and (piece := os.read(descriptor, MAX_KEY_FILE_SIZE + 1)):
            content += piece
    except OSError as error:
        raise KeyFileError(f"the key file cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)
    if len(content) > MAX_KEY_FILE_SIZE:
        raise KeyFileError(f"the key file is larger than {MAX_KEY_FILE_SIZE} bytes")
    return content


def _armour(content: bytes, label: str) -> bytes:
    return f"-----BEGIN {label}-----\n{b64encode(content).decode()}\n-----END {label}-----\n".encode()


def _armoured(content: bytes, labels: tuple[str, ...]) -> bytes:
    lines = [line for line in (line.strip() for line in content.splitlines()) if line]
    for label in labels:
        if lines and lines[0] == f"-----BEGIN {label}-----".encode():
            if len(lines) < 2 or lines[-1] != f"-----END {label}-----".encode():
                raise KeyFileError("the key file is cut off")
            try:
                return b64decode(b"".join(lines[1:-1]), validate=True)
            except binascii.Error as error:
                raise KeyFileError("the key file is not base64 between its armour lines") from error
    raise KeyFileError(f"the file does not begin with -----BEGIN {labels[0]}-----")


# ------------------------------------------------------------------------------------------- the secret's form


def _string(content: bytes) -> bytes:
    if len(content) >= 2**16:
        raise InvalidInputError("the comment is longer than 65,535 bytes")
    return len(content).to_bytes(2, "big") + content


def _parse(content: bytes) -> _SecretFile:
    if not content.startswith(_MAGIC):
        raise KeyFileError("the secret key is not in Crypt4GH's c4gh-v1 format")
    position = len(_MAGIC)

    def take() -> bytes:
        nonlocal position
        start = position + 2
        position = start + int.from_bytes(content[position:start], "big")
        if start > len(content) or position > len(content):
            raise KeyFileError("the secret key file is cut off")
        return content[start:position]

    kdf = take()
    if kdf != _NONE and kdf not in MAX_ROUNDS:
        raise KeyFileError("the secret key file is locked in a way that Crypt4GH does not know")
    options = take() if kdf != _NONE else bytes(4)
    cipher = take()
    material = take()
    if position < len(content):
        take()  # the comment
    if position != len(content):
        raise KeyFileError("there is something behind the end of the secret key file")
    # The reference tool would take a locked name with an open key; nothing honest writes that.
    if cipher != (_NONE if kdf == _NONE else _CIPHER):
        raise KeyFileError("the secret key file names a cipher that does not belong to its lock")
    return _SecretFile(kdf=kdf, rounds=int.from_bytes(options[:4], "big"), salt=options[4:], material=material)


# ---------------------------------------------------------------------------------------------------- the lock


def _unlock(file: _SecretFile, passphrase: str) -> bytes:
    if file.rounds > MAX_ROUNDS[file.kdf]:
        raise KeyFileError("the secret key file asks for more rounds of key derivation than are allowed")
    if not 0 < len(file.salt) <= MAX_SALT_SIZE:
        raise KeyFileError(f"the salt of the secret key file has not 1 to {MAX_SALT_SIZE} bytes")
    if len(file.material) != _NONCE_SIZE + _KEY_SIZE + 16:
        raise KeyFileError(f"the secret key file does not hold {_KEY_SIZE} locked bytes")
    try:
        lock = ChaCha20Poly1305(_KDFS[file.kdf](_encoded(passphrase), file.salt, file.rounds))
    except ValueError as error:  # an empty passphrase for bcrypt, no round for the other two
        raise KeyFileError("the key derivation of the secret key file cannot be done") from error
    try:
        return lock.decrypt(file.material[:_NONCE_SIZE], file.material[_NONCE_SIZE:], None)
    except InvalidTag as error:
        raise WrongPassphraseError("the passphrase does not open the key file") from error


def _encoded(text: str) -> bytes:
    # Raised outside of the handler: UnicodeEncodeError carries the text, and would stay on as the context.
    with suppress(UnicodeEncodeError):
        return text.encode()
    raise InvalidInputError("the passphrase or comment holds characters that cannot be encoded")


def _scrypt(passphrase: bytes, salt: bytes, _rounds: int) -> bytes:
    return hashlib.scrypt(passphrase, salt=salt, n=2**14, r=8, p=1, dklen=_KEY_SIZE)


def _bcrypt(passphrase: bytes, salt: bytes, rounds: int) -> bytes:
    # Who wrote the file chose the rounds: the warning about few of them would reach the wrong person.
    return bcrypt.kdf(passphrase, salt, _KEY_SIZE, rounds, ignore_few_rounds=True)


def _pbkdf2(passphrase: bytes, salt: bytes, rounds: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", passphrase, salt, rounds, dklen=_KEY_SIZE)


_KDFS: Final[dict[bytes, Callable[[bytes, bytes, int], bytes]]] = {
    b"scrypt": _scrypt,
    b"bcrypt": _bcrypt,
    b"pbkdf2_hmac_sha256": _pbkdf2,
}
