"""Cells: what one writer has for very many recipients, so that each finds his own, and nobody sees what others have.

A recipient's text is cut into cells of one size. Where each lies, the tag by which he knows it and the key that opens
it follow from the secret that he shares with the writer's key, which is made for this one writing (X25519, then HKDF,
RFC 5869). Cells lie in buckets; a bucket is filled up with random bytes until all are equally long, and its cells are
in the order of their tags, which are as random as the rest. So a recipient fetches one bucket for each of his cells,
and nothing in it tells whose the others are, or how many.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from medshare.envelope.keys import KEY_SIZE, Identity, Recipient
from medshare.errors import AuthenticationError, InvalidInputError

CELL_TEXT: Final = 2304
"""Bytes of text in one cell: the seed, the path and the ids of some fifty records."""
MAX_BUCKETS: Final = 4096
"""As many files as one directory holds."""
MAX_TEXT: Final = 64 << 20
"""Bytes for one recipient; a longer text is taken for an attack."""

_TAG_SIZE: Final = 16
_SEAL_SIZE: Final = 16
CELL_SIZE: Final = _TAG_SIZE + CELL_TEXT + _SEAL_SIZE
_LENGTH_SIZE: Final = 4
_CELLS_IN_A_BUCKET: Final = 8
"""So many on average: the bucket that a recipient fetches is then not much longer than the list of all of them."""
_FULLEST: Final = 64
"""Cells of the fullest bucket, while there can be more buckets: chance alone fills none of them so far."""
_STEP: Final = 4
"""A bucket's cells are a multiple of it, so that their number tells little of how many there are in all."""
_PURPOSE: Final = "medshare/cells/1"
_NONCE: Final = bytes(12)
"""Each key seals one cell."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a recipient's cell lies, and how he knows and opens it."""

    bucket: int
    tag: bytes
    cipher: ChaCha20Poly1305


@dataclass(frozen=True, slots=True)
class SealedCells:
    """What was written for all, bucket by bucket: filled up only when it is asked for."""

    cells: int
    """In each bucket."""
    _buckets: list[list[bytes]]

    def __len__(self) -> int:
        """How many buckets there are: a power of two."""
        return len(self._buckets)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the buckets in their order, each as long as the others."""
        for bucket in self._buckets:
            nobodys = (os.urandom(CELL_SIZE) for _ in range(self.cells - len(bucket)))
            yield b"".join(sorted((*bucket, *nobodys)))


def seal_cells(texts: Iterable[tuple[Recipient, bytes]], *, writer: Identity) -> SealedCells:
    """Return the cells of all texts.

    Args:
        texts: one for each recipient.
        writer: a key made for this, and for nothing else.

    Raises:
        InvalidInputError: a text is longer than ``MAX_TEXT``, or all of them are more than ``MAX_BUCKETS`` can hold
            within a block of the store.
    """
    waiting = list(texts)
    buckets: list[list[bytes]] = [[] for _ in range(_bucket_count(sum(_cell_count(len(text)) for _, text in waiting)))]
    while waiting:
        recipient, text = waiting.pop()
        secret = writer.shared_secret(recipient, _PURPOSE, b"")
        for number, piece in enumerate(_cut(text)):
            place = _place(secret, number, len(buckets))
            buckets[place.bucket].append(place.tag + place.cipher.encrypt(_NONCE, piece, None))
    room = max(map(len, buckets))
    room += -room % _STEP or (0 if room else _STEP)
    if room > max_cells(len(buckets)):
        raise InvalidInputError("one batch cannot tell so many readers of so much", hint="divide it")
    return SealedCells(room, buckets)


def open_cells(
    fetch: Callable[[int], bytes], identity: Identity, *, writer: Recipient, buckets: int, longest: int = MAX_TEXT
) -> bytes | None:
    """Return what was written for ``identity``, or None where nothing was.

    The first of his cells says how many there are. Each bucket with any of them is fetched once, and none after the
    first in which one is missing.

    Args:
        fetch: returns a bucket, by its number.
        identity: whose cells are looked for.
        writer: the public half of the key that was made for this writing.
        buckets: how many there are.
        longest: bytes that a true text for him has at most.

    Raises:
        AuthenticationError: the first of his cells is there, and another is not, or they state a length that cannot be.
    """
    secret = identity.shared_secret(writer, _PURPOSE, b"")
    place = _place(secret, 0, buckets)
    bucket = _Bucket(fetch(place.bucket))
    first = bucket.find(place)
    if first is None:
        return None
    length = int.from_bytes(first[:_LENGTH_SIZE], "big")
    if length > min(longest, MAX_TEXT):
        raise AuthenticationError("a cell states a length that no text has")
    pieces = {0: first[_LENGTH_SIZE:]}
    here = place.bucket
    wanted: dict[int, dict[int, _Place]] = {here: {}}  # the bucket that is here comes first
    for number in range(1, _cell_count(length)):
        place = _place(secret, number, buckets)
        wanted.setdefault(place.bucket, {})[number] = place
    for at, places in wanted.items():
        if at != here:
            bucket = _Bucket(fetch(at))
        for number, each in places.items():
            piece = bucket.find(each)
            if piece is None:
                raise AuthenticationError("the text in the cells is not whole")
            pieces[number] = piece
    return b"".join(pieces[number] for number in range(len(pieces)))[:length]


def max_cells(buckets: int) -> int:
    """Return how many cells each of so many buckets holds at most: never more than one block of the store."""
    return _FULLEST if buckets < MAX_BUCKETS else (1 << 20) // CELL_SIZE


def _bucket_count(cells: int) -> int:
    """Return the power of two that comes nearest to ``_CELLS_IN_A_BUCKET`` on average."""
    wanted = max(1, cells // _CELLS_IN_A_BUCKET)
    lower = 1 << (wanted.bit_length() - 1)
    return min(lower if wanted * wanted < 2 * lower * lower else 2 * lower, MAX_BUCKETS)


def _cell_count(length: int) -> int:
    return -(-(length + _LENGTH_SIZE) // CELL_TEXT)


def _cut(text: bytes) -> list[bytes]:
    if len(text) > MAX_TEXT:
        raise InvalidInputError("one batch tells a reader of no more", hint="divide it")
    whole = len(text).to_bytes(_LENGTH_SIZE, "big") + text
    return [whole[at : at + CELL_TEXT].ljust(CELL_TEXT, b"\0") for at in range(0, len(whole), CELL_TEXT)]


def _place(secret: bytes, number: int, buckets: int) -> _Place:
    info = number.to_bytes(4, "big")
    derived = HKDFExpand(SHA256(), 8 + _TAG_SIZE + KEY_SIZE, info).derive(secret)
    return _Place(
        bucket=int.from_bytes(derived[:8], "big") % buckets,
        tag=derived[8 : 8 + _TAG_SIZE],
        cipher=ChaCha20Poly1305(derived[8 + _TAG_SIZE :]),
    )


class _Bucket:
    """A bucket that was fetched, and where in it each tag is."""

    def __init__(self, cells: bytes) -> None:
        self._cells = memoryview(cells)
        self._at: dict[bytes, list[int]] = {}
        for at in range(0, len(cells) - CELL_SIZE + 1, CELL_SIZE):
            self._at.setdefault(cells[at : at + _TAG_SIZE], []).append(at)

    def find(self, place: _Place) -> bytes | None:
        """Return the text of the cell that lies here, or None."""
        for at in self._at.get(place.tag, ()):
            try:
                return place.cipher.decrypt(_NONCE, self._cells[at + _TAG_SIZE : at + CELL_SIZE], None)
            except InvalidTag:
                continue  # another's tag may be the same, by chance or by malice
        return None
