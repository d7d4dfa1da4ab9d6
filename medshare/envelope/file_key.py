"""The key of one record version, and what commits to it.

A key is overwritten in memory as soon as nobody holds it: after a record was erased, no image of the process opens what
somebody has kept of its blocks. What the operating system has written to its swap file meanwhile, is out of reach here.
"""

from __future__ import annotations

import hmac
import os
from typing import Final, NoReturn, Self

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from medshare.errors import InvalidInputError, KeyCommitmentError
from medshare.hashing import tagged_sha256

FILE_KEY_SIZE: Final = 32
COMMITMENT_TAG: Final = "medshare/kc/1"


class FileKey:
    """The 32 random bytes that seal one version of one record; never shown, never pickled, never copied.

    They are overwritten when it is let go.
    """

    __slots__ = ("_key",)

    def __init__(self, key: bytes | bytearray | memoryview) -> None:
        """Take a file key from its bytes, of which a copy is kept.

        Raises:
            InvalidInputError: there are not 32 bytes.
        """
        self._key = bytearray(key)
        if len(key) != FILE_KEY_SIZE:
            raise InvalidInputError(f"a file key has {FILE_KEY_SIZE} bytes")

    def __del__(self) -> None:
        wipe(self._key)

    @classmethod
    def generate(cls) -> Self:
        """Make a new file key from the operating system's random numbers: one for each version of a record."""
        return cls(os.urandom(FILE_KEY_SIZE))

    @property
    def commitment(self) -> bytes:
        """The digest that stands in clear in the record's directory; safe to show, because the key is random."""
        return tagged_sha256(COMMITMENT_TAG, self._key)

    def verify_commitment(self, commitment: bytes) -> None:
        """Compare with the commitment of the record, before anything is opened with this key.

        ChaCha20-Poly1305 does not commit to its key: without this check one file can be made that two readers open
        as two different texts.

        Raises:
            KeyCommitmentError: the record commits to another key.
        """
        if not hmac.compare_digest(self.commitment, commitment):
            raise KeyCommitmentError("the file key is not the one that the record commits to")

    def cipher(self) -> ChaCha20Poly1305:
        """Return the cipher for the segments of the record."""
        return ChaCha20Poly1305(self._key)

    def reveal(self) -> bytearray:
        """Return a copy of the secret bytes, to be put into a packet and nowhere else; ``wipe`` it."""
        return self._key.copy()

    def __eq__(self, other: object) -> bool:
        return hmac.compare_digest(self._key, other._key) if isinstance(other, FileKey) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.commitment)

    def __repr__(self) -> str:
        return "<FileKey>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a file key is not pickled or copied; wrap it in a header")


def wipe(secret: bytearray) -> None:
    """Overwrite secret bytes with zeros, in their place."""
    secret[:] = bytes(len(secret))
