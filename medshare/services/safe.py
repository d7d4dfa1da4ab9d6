"""A safe for small documents that must not be lost and not be read: each is encrypted for its owner."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from medshare.envelope import FileKey, Identity, open_payload, read_header, seal, unwrap, wrap
from medshare.errors import ConfigurationError
from medshare.files import private_folder, write_whole

_SUFFIX = ".c4gh"
_MAX_SIZE = 16 << 20


class Safe:
    """Encrypted documents in a folder, by a 32-byte name that tells nothing of them.

    Args:
        folder: where they are; made when the first is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, name: bytes, document: bytes, owner: Identity) -> None:
        """Keep a document for ``owner``, in the place of an earlier one of this name; durable when this returns.

        Raises:
            StoreFullError: the disk is full.
            ConfigurationError: the folder cannot be made.
        """
        file_key = FileKey.generate()
        sealed = [wrap(file_key, writer=owner, recipients=[owner.recipient]), *seal([document], file_key)]
        write_whole(private_folder(self._folder) / (name.hex() + _SUFFIX), b"".join(sealed), replace=True)

    def find(self, name: bytes, owner: Identity) -> bytes | None:
        """Return the document of this name, or None where none is kept.

        Raises:
            ConfigurationError: its file cannot be read.
            EnvelopeError: it is another identity's, or damaged.
        """
        try:
            with (self._folder / (name.hex() + _SUFFIX)).open("rb") as stream:
                sealed = BytesIO(stream.read(_MAX_SIZE))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigurationError(
                f"a document in {self._folder} cannot be read", hint="check its permissions"
            ) from error
        opened = unwrap(read_header(sealed), owner, writer=owner.recipient)
        payload = sealed.read()
        return b"".join(open_payload([payload], opened.file_key, payload_length=len(payload)))
