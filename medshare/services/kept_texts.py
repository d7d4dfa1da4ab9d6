"""Texts whose salted digest is on chain: text and salt stay here, encrypted for whoever wrote them.

Whoever is given text and salt, as a small document, compares them with the chain and need not believe anybody.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Self

from medshare.model.documents import Reader, decode_document, encode_document
from medshare.model.record import plaintext_digest
from medshare.ports import Actor
from medshare.services.safe import Safe

MAX_TEXT = 1 << 16
"""Characters."""
MAX_DOCUMENT = 1 << 19
TEXT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SaltedText:
    """A text, and the salt that keeps a guess at it from being tested."""

    text: str
    salt: bytes

    @property
    def digest(self) -> bytes:
        """What is on chain."""
        return plaintext_digest(self.salt, _digest(self.text))

    def to_json(self) -> bytes:
        """Return the document that others are given, to compare with the chain."""
        return encode_document({"version": TEXT_VERSION, "text": self.text, "salt": self.salt.hex()})

    @classmethod
    def from_json(cls, document: bytes) -> Self:
        """Return text and salt that a document holds; raises ``InvalidInputError``."""
        read = Reader(decode_document(document, MAX_DOCUMENT), "text")
        read.version(TEXT_VERSION)
        found = cls(text=read.text("text", MAX_TEXT), salt=read.digest("salt"))
        read.end()
        return found


class KeptTexts:
    """Keeps such texts in a safe.

    Args:
        safe: where they are kept, by their digest.
    """

    def __init__(self, safe: Safe) -> None:
        self._safe = safe

    def keep(self, text: str, *, owner: Actor, tag: str, context: bytes) -> SaltedText:
        """Keep a text with its salt; durable when this returns.

        The salt is derived, so that a repetition after a lost answer says the same.

        Args:
            text: what is said.
            owner: who says it, and can read it again.
            tag: what kind of text it is.
            context: what it is about; the same text about something else has another salt.

        Raises:
            StoreFullError: the disk is full.
            ConfigurationError: the folder cannot be made.
        """
        salt = owner.identity.derive_secret(tag, context + _digest(text))
        kept = SaltedText(text=text, salt=salt)
        self._safe.keep(kept.digest, kept.to_json(), owner.identity)
        return kept

    def find(self, digest: bytes, *, owner: Actor) -> SaltedText | None:
        """Return the text of a digest, where ``owner`` wrote it here, or None.

        Raises:
            EnvelopeError: it is another identity's, or damaged.
            ConfigurationError: its file cannot be read.
        """
        kept = self._safe.find(digest, owner.identity)
        return None if kept is None else SaltedText.from_json(kept)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
