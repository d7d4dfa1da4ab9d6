"""Whom a record is sealed for and who opens it: X25519 keys, and the Crypt4GH key files that hold them.

The shared key of a writer and a reader is ``BLAKE2b(X25519(own, peer) || reader || writer)[:32]`` (Crypt4GH 1.0,
"X25519_chacha20_ietf_poly1305 Encryption"; libsodium's ``crypto_kx``). It is computed once for each peer and kept
inside the identity, because sharing a thousand records with one reader would otherwise cost a thousand curve
multiplications.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn, Self

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from medshare.envelope import key_files
from medshare.errors import InvalidInputError
from medshare.hashing import tagged_sha256

KEY_SIZE: Final = 32
MAX_CACHED_PEERS: Final = 1024
"""Shared keys that an identity keeps for each direction; when there are more it starts over."""

_FIELD: Final = 2**255 - 19
# The u-coordinates of order 1, 2, 4 and 8 on Curve25519 and its twist. Whatever one's own key is, X25519 with one of
# these gives zero, so that everybody would know the "shared" key.
_LOW_ORDER: Final = frozenset(
    {
        0,
        1,
        _FIELD - 1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
    }
)


@dataclass(frozen=True, slots=True)
class Recipient:
    """A public X25519 key: somebody who can be given a packet, or who wrote one."""

    key: bytes
    """32 bytes, the u-coordinate in little-endian order, below 2^255 - 19."""

    def __post_init__(self) -> None:
        """Refuse what no honest key generator makes.

        Raises:
            InvalidInputError: the key has not 32 bytes, is not in canonical form, or is a point of low order.
        """
        if type(self.key) is not bytes or len(self.key) != KEY_SIZE:
            raise InvalidInputError(f"a public X25519 key has {KEY_SIZE} bytes")
        u = int.from_bytes(self.key, "little")
        # X25519 would reduce a larger number; but the shared key hashes the key's bytes, so its owner, who derives
        # the canonical form, could never open such a packet.
        if u >= _FIELD:
            raise InvalidInputError("the public X25519 key is not in canonical form")
        if u in _LOW_ORDER:
            raise InvalidInputError("the public X25519 key is a point of low order")

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits for people to compare; not for programs to decide by."""
        return tagged_sha256("medshare/recipient/1", self.key)[:8].hex()

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a Crypt4GH public key file.

        Raises:
            KeyFileError: the file cannot be read or is not a public key file.
            InvalidInputError: the key in it is not a usable X25519 key.
        """
        return cls(key_files.read_public(path))

    def save(self, path: Path) -> None:
        """Write a Crypt4GH public key file, readable by everybody; a file that is there stays as it is.

        Raises:
            InvalidInputError: ``path`` exists already, or its folder is missing.
            StoreFullError: the disk is full.
        """
        key_files.write_public(path, self.key)


class Identity:
    """A private X25519 key: opens packets made for it, and writes packets in its name.

    Never shown, never pickled, never copied. Two identities are equal when their public keys are.
    """

    __slots__ = ("_reading", "_recipient", "_secret", "_writing")

    def __init__(self, secret: X25519PrivateKey) -> None:
        self._secret = secret
        self._recipient = Recipient(secret.public_key().public_bytes_raw())
        self._writing: dict[bytes, ChaCha20Poly1305] = {}
        self._reading: dict[bytes, ChaCha20Poly1305] = {}

    @classmethod
    def generate(cls) -> Self:
        """Make a new identity from the operating system's random numbers."""
        return cls(X25519PrivateKey.generate())

    @classmethod
    def from_bytes(cls, secret: bytes) -> Self:
        """Take an identity from its 32 secret bytes (RFC 7748 clamps them when they are used).

        Raises:
            InvalidInputError: there are not 32 bytes.
        """
        if len(secret) != KEY_SIZE:
            raise InvalidInputError(f"a private X25519 key has {KEY_SIZE} bytes")
        return cls(X25519PrivateKey.from_private_bytes(secret))

    @classmethod
    def load(cls, path: Path, passphrase: str | None) -> Self:
        """Read a Crypt4GH secret key file (``c4gh-v1``).

        Args:
            path: the file; it must be readable by its owner only.
            passphrase: what locks the file, or None for a file without lock.

        Raises:
            WrongPassphraseError: the passphrase does not open the file, or the file has one and none is given.
            KeyFileError: the file is unreadable, malformed, readable by others, or is not locked although a
                passphrase is given.
            InvalidInputError: the passphrase is not text that can be encoded.
        """
        return cls.from_bytes(key_files.read_secret(path, passphrase))

    @staticmethod
    def is_locked(path: Path) -> bool:
        """Return whether the secret key file needs a passphrase, so that a program knows when to ask for one.

        Raises:
            KeyFileError: the file is unreadable, malformed, or readable by others.
        """
        return key_files.is_locked(path)

    def save(self, path: Path, passphrase: str | None, comment: str = "") -> None:
        """Write a Crypt4GH secret key file, readable by its owner only; a file that is there stays as it is.

        The lock is scrypt with Crypt4GH's fixed cost (N = 2^14, r = 8, p = 1), so that every Crypt4GH tool opens
        the file: a long passphrase is worth more here than with costs of one's own choice.

        Args:
            path: where the file shall be; its folder must exist.
            passphrase: what locks the file. None writes the key in clear: for machines that have no one to ask.
            comment: stored in clear beside the key.

        Raises:
            InvalidInputError: ``path`` exists already, its folder is missing, the passphrase is empty, or the
                comment is too long.
            StoreFullError: the disk is full.
        """
        key_files.write_secret(path, self._secret.private_bytes_raw(), passphrase, comment)

    @property
    def recipient(self) -> Recipient:
        """The public half, to give to others."""
        return self._recipient

    def derive_secret(self, tag: str, context: bytes) -> bytes:
        """Return 32 bytes that only the holder of this identity can compute, the same for the same context.

        HMAC-SHA256 under the secret key (RFC 2104), kept apart from every other use of the key by ``tag``.

        Args:
            tag: what the secret is for, such as ``medshare/terms-salt/1``.
            context: what it depends on.
        """
        return hmac.digest(self._secret.private_bytes_raw(), tag.encode("ascii") + b"\0" + context, "sha256")

    def shared_secret(self, peer: Recipient, tag: str, context: bytes) -> bytes:
        """Return 32 bytes that only this identity and ``peer`` can compute, the same on either side.

        HMAC-SHA256 under their X25519 secret, over both public keys and the context; kept apart from the shared keys
        of packets, which are BLAKE2b of it, and from every other use by ``tag``.

        Args:
            peer: the other one.
            tag: what the secret is for, such as ``medshare/excerpt/1``.
            context: what it depends on.
        """
        shared = self._secret.exchange(X25519PublicKey.from_public_bytes(peer.key))
        parties = b"".join(sorted((self._recipient.key, peer.key)))
        return hmac.digest(shared, tag.encode("ascii") + b"\0" + parties + context, "sha256")

    def cipher_to(self, reader: Recipient) -> ChaCha20Poly1305:
        """Return the cipher for packets that this identity writes for ``reader``."""
        return self._cipher(self._writing, peer=reader, reader=reader, writer=self._recipient)

    def cipher_from(self, writer: Recipient) -> ChaCha20Poly1305:
        """Return the cipher for packets that ``writer`` wrote for this identity."""
        return self._cipher(self._reading, peer=writer, reader=self._recipient, writer=writer)

    def _cipher(
        self, cache: dict[bytes, ChaCha20Poly1305], *, peer: Recipient, reader: Recipient, writer: Recipient
    ) -> ChaCha20Poly1305:
        cipher = cache.get(peer.key)
        if cipher is None:
            shared = self._secret.exchange(X25519PublicKey.from_public_bytes(peer.key))
            derived = hashlib.blake2b(shared + reader.key + writer.key).digest()
            cipher = ChaCha20Poly1305(derived[:KEY_SIZE])
            if len(cache) >= MAX_CACHED_PEERS:
                cache.clear()
            cache[peer.key] = cipher
        return cipher

    def __eq__(self, other: object) -> bool:
        return self._recipient == other._recipient if isinstance(other, Identity) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._recipient)

    def __repr__(self) -> str:
        return f"<Identity {self._recipient.fingerprint}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("an identity is not pickled or copied; save it to a key file")
