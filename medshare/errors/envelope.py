"""What key files and Crypt4GH's envelopes have wrong."""

from __future__ import annotations

from medshare.errors.base import MedshareError


class KeyFileError(MedshareError):
    """A key file is malformed, unreadable, or readable by others."""


class WrongPassphraseError(KeyFileError):
    """The passphrase does not open the key file."""

    hint = "try the passphrase again; the file is unchanged"


class EnvelopeError(MedshareError):
    """A Crypt4GH header or payload cannot be used."""


class MalformedEnvelopeError(EnvelopeError):
    """The bytes are not a well-formed Crypt4GH header or payload, or exceed a limit."""


class UnsupportedVersionError(EnvelopeError):
    """The envelope has a version or an encryption method that this library does not speak."""

    def __init__(self, what: str, found: int) -> None:
        super().__init__(f"unsupported {what}: {found}")
        self.found = found


class NotARecipientError(EnvelopeError):
    """No packet of the header opens with this identity."""

    hint = "the header was not made for this key: check the identity, or ask for access"


class AuthenticationError(EnvelopeError):
    """A segment or packet was altered, moved, cut or made under another key."""

    hint = "the bytes are not what was sealed; nothing of the failing part was released"


class KeyCommitmentError(EnvelopeError):
    """The file key is not the one that the record commits to."""

    hint = "do not trust this copy: two readers may have been given two different texts"
