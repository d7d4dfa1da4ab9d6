"""FHIR in NDJSON, as bulk exports write it: a resource in each line, read line by line whatever the file's size."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from medshare.errors import InvalidInputError
from medshare.files import open_plaintext, unreadable_is_typed
from medshare.standards.fhir.describing import MAX_RESOURCE_SIZE

MEDIA_TYPE = "application/fhir+ndjson"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line that is not blank."""

    number: int
    """From 1."""
    document: bytes
    """Its bytes, without the line's end."""
    end: int
    """Where the next line begins in the file."""
    refusal: InvalidInputError | None = None


def lines(source: Path | bytes) -> Iterator[Line]:
    """Yield the lines that are not blank; of one that is too long only where it is.

    Raises:
        InvalidInputError: the file cannot be read.
    """
    with opened(source) as stream:
        number = end = 0
        while line := stream.readline(MAX_RESOURCE_SIZE + 2):
            number += 1
            end += len(line)
            document = line.rstrip(b"\r\n")
            if len(document) > MAX_RESOURCE_SIZE:
                end += 0 if line.endswith(b"\n") else _skip_line(stream)
                refusal = InvalidInputError(f"the line is longer than {MAX_RESOURCE_SIZE} bytes")
                yield Line(number=number, document=b"", end=end, refusal=refusal)
            elif document.strip():
                yield Line(number=number, document=document, end=end)


@contextmanager
def opened(source: Path | bytes) -> Iterator[BinaryIO]:
    """Open what is to be read; neither message nor cause of an error repeats its name.

    Raises:
        InvalidInputError: it is missing, no file, or cannot be read.
    """
    if isinstance(source, bytes):
        yield BytesIO(source)
        return
    with open_plaintext(source) as stream, unreadable_is_typed():
        yield stream


def _skip_line(stream: BinaryIO) -> int:
    skipped = 0
    while chunk := stream.readline(_CHUNK):
        skipped += len(chunk)
        if chunk.endswith(b"\n"):
            break
    return skipped
