"""The plaintext on its way in: a file or bytes, read twice, the same bytes each time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from medshare.errors import InvalidInputError
from medshare.files import open_plaintext, unreadable_is_typed
from medshare.services.progress import Progress

_READ_SIZE = 1 << 20


class Plaintext:
    """A plaintext that is read twice, the same bytes each time.

    Args:
        source: a file, or the bytes themselves.
        progress: told how far a reading is.

    Raises:
        InvalidInputError: the file is missing, not a file, unreadable or empty.
    """

    def __init__(self, source: Path | bytes, progress: Progress) -> None:
        self._source = source
        self._progress = progress
        self.size = self._checked_size()
        self.digest = b""
        """SHA-256 of the whole; known when it has been read."""

    def read(self) -> None:
        """Read it whole, for its digest."""
        for _ in self._chunks("reading"):
            pass

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes again; ends only if they are the same as before, else raises ``InvalidInputError``."""
        before = self.digest
        yield from self._chunks("encrypting")
        if self.digest != before:
            raise _changed()

    def _chunks(self, what: str) -> Iterator[bytes]:
        if isinstance(self._source, bytes):
            self.digest = hashlib.sha256(self._source).digest()
            yield self._source
            return
        state = hashlib.sha256()
        done = 0
        with open_plaintext(self._source) as stream:
            while chunk := _read_chunk(stream):
                state.update(chunk)
                done += len(chunk)
                self._progress(what, done, self.size)
                yield chunk
        if done != self.size:
            raise _changed()
        self.digest = state.digest()

    def _checked_size(self) -> int:
        if isinstance(self._source, bytes):
            size = len(self._source)
        else:
            with open_plaintext(self._source) as stream:
                size = stream.seek(0, 2)
        if not size:
            raise InvalidInputError("the plaintext is empty: there is nothing to publish")
        return size


def _changed() -> InvalidInputError:
    return InvalidInputError("the plaintext changed while it was read", hint="publish it when it is complete")


def _read_chunk(stream: BinaryIO) -> bytes:
    with unreadable_is_typed():
        return stream.read(_READ_SIZE)
