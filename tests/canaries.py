"""What must be nowhere is searched for: in every file of a home, in any spelling, and by what a guess would give."""

from __future__ import annotations

import base64
import functools
import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from medshare.hashing import keccak256


def spellings(secret: bytes) -> Iterator[bytes]:
    """Yield how bytes may be written down: raw, hexadecimal, base64 at each of its three offsets."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    for shift in range(3):
        # What comes before shifts the digits; the first and last of them depend on the neighbours.
        coded = base64.b64encode(b"\0" * shift + secret)
        yield (inner := coded[4 if shift else 0 : len(coded) - 4])
        yield inner.translate(bytes.maketrans(b"+/", b"-_"))


def digests(guess: bytes) -> Iterator[bytes]:
    """Yield what anybody who guesses can compute."""
    for text in (guess, guess + b"\n"):
        yield hashlib.sha256(text).digest()
        yield hashlib.sha512(text).digest()
        yield hashlib.md5(text, usedforsecurity=False).digest()
        yield hashlib.blake2b(text, digest_size=32).digest()
        yield keccak256(text)


def found(needles: dict[str, bytes], places: dict[str, bytes]) -> list[str]:
    """Return which needle is where, in any spelling."""
    spelled = {name: sorted(set(spellings(needle)), key=len) for name, needle in needles.items()}
    assert all(len(form) >= 8 for forms in spelled.values() for form in forms), "shorter ones occur by chance"
    return [
        f"{name} in {place}"
        for place, content in places.items()
        for name, forms in spelled.items()
        if any(form in content for form in forms)
    ]


@functools.cache
def contents(home: Path) -> dict[str, bytes]:
    """Return the bytes of every file, and for databases every cell on its own: pages may cut a value in two."""
    places = {str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()}
    for path in home.rglob("*.sqlite"):
        connection = sqlite3.connect(path)
        try:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for table in tables:
                cells = [
                    cell if isinstance(cell, bytes) else str(cell).encode()
                    for row in connection.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - our own tables
                    for cell in row
                ]
                places[f"{path.relative_to(home)}: {table}"] = b"\n".join(cells)
        finally:
            connection.close()
    return places
