"""The Crypt4GH payload: 64 KiB segments, each sealed with ChaCha20-Poly1305 (Crypt4GH 1.0, "Encrypted Data").

::

    segment:  nonce(12)  sealed text(1 to 65,536)  tag(16)

All segments but the last are full; an empty text has no segment at all. **What this layer cannot see:** a segment
does not know its place, so two full segments that change places, or one that is put over another of the same file,
open without an error. The CID (which fixes the sealed bytes) and the manifest's digest (which fixes the text) notice.
A payload of the wrong length is noticed here.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from medshare.envelope.file_key import FileKey
from medshare.errors import AuthenticationError, InvalidInputError, MalformedEnvelopeError

NONCE_SIZE: Final = 12
TAG_SIZE: Final = 16
SEGMENT_SIZE: Final = 65_536
CIPHER_SEGMENT_SIZE: Final = NONCE_SIZE + SEGMENT_SIZE + TAG_SIZE
MAX_PLAINTEXT_LENGTH: Final = 2**44
"""16 TiB: below it, the chance that two of the random nonces of one file meet stays under 10^-12."""

_OVERHEAD: Final = NONCE_SIZE + TAG_SIZE
_SEGMENTS_AT_ONCE: Final = 16
_PLAIN_BLOCK: Final = _SEGMENTS_AT_ONCE * SEGMENT_SIZE
_CIPHER_BLOCK: Final = _SEGMENTS_AT_ONCE * CIPHER_SEGMENT_SIZE
_THREADS: Final = 2
_STRIDE: Final = 1_024
"""Bytes that the widest code of the cipher takes at once; what is left of them goes another way."""

_NOBODYS: Final = ChaCha20Poly1305(bytes(32))
"""A key that is no secret. On some processors the cipher leaves its key on the thread's stack: this one is used after
the other, from the same place, and lies there instead."""

_Work = Callable[[int, memoryview], bytes]
"""Seals or opens a block: takes the number of its first segment and its bytes."""


# ------------------------------------------------------------------------------------------------------ lengths


def segment_count(plaintext_length: int) -> int:
    """Return how many segments a text of this length has.

    Raises:
        InvalidInputError: the length is negative or above ``MAX_PLAINTEXT_LENGTH``.
    """
    if not 0 <= plaintext_length <= MAX_PLAINTEXT_LENGTH:
        raise InvalidInputError(f"a text has 0 to {MAX_PLAINTEXT_LENGTH} bytes")
    return -(-plaintext_length // SEGMENT_SIZE)


def payload_length(plaintext_length: int) -> int:
    """Return the length of the payload that a text of this length becomes.

    Raises:
        InvalidInputError: the length is negative or above ``MAX_PLAINTEXT_LENGTH``.
    """
    return plaintext_length + _OVERHEAD * segment_count(plaintext_length)


def plaintext_length(payload_length: int) -> int:
    """Return the length of the text in a payload of this length.

    Raises:
        MalformedEnvelopeError: no payload has this length.
    """
    full, rest = divmod(payload_length, CIPHER_SEGMENT_SIZE)
    length = full * SEGMENT_SIZE + max(rest - _OVERHEAD, 0)
    if not 0 <= length <= MAX_PLAINTEXT_LENGTH:
        raise MalformedEnvelopeError(f"a payload of {payload_length} bytes is out of bounds")
    if 0 < rest <= _OVERHEAD:
        raise MalformedEnvelopeError(f"no payload has {payload_length} bytes: its last segment would hold no text")
    return length


# ---------------------------------------------------------------------------------------------- seal and open


def seal(chunks: Iterable[bytes], file_key: FileKey, *, threads: int = _THREADS) -> Iterator[bytes]:
    """Seal a text, as a stream: whole segments in buffers of about 1 MiB.

    Memory stays below 8 MiB beside the caller's own chunks, whatever the length.

    Args:
        chunks: the text, in pieces of any size.
        file_key: a key that sealed nothing before.
        threads: 1 to work in the caller's thread alone, 2 to have a helper, which lives as long as the stream.

    Raises:
        InvalidInputError: the text is longer than ``MAX_PLAINTEXT_LENGTH``.
    """
    cipher = file_key.cipher()

    def work(_first: int, text: memoryview) -> bytes:
        return _seal_block(cipher, text)

    return _in_order(_blocks(_at_most(chunks, MAX_PLAINTEXT_LENGTH), _PLAIN_BLOCK), work, threads)


def open_payload(
    chunks: Iterable[bytes], file_key: FileKey, *, payload_length: int, threads: int = _THREADS
) -> Iterator[bytes]:
    """Open a payload, as a stream of about 1 MiB at a time; no byte comes out before its segment is authenticated.

    The last block comes out only after ``chunks`` has ended at exactly ``payload_length``: a payload that was cut,
    doubled or lengthened raises before its end, never after it. What came out before is authentic, but not yet
    complete: put it in a temporary place until the stream has ended. Segments that changed places are *not* noticed
    here; the CID and the manifest's digest notice them.

    Args:
        chunks: the payload, in pieces of any size, without the header.
        file_key: the key from the header, compared with the record's commitment.
        payload_length: how long the payload must be, from the record's commitment file.
        threads: 1 to work in the caller's thread alone, 2 to have a helper, which lives as long as the stream.

    Raises:
        MalformedEnvelopeError: no payload has this length (at once).
        AuthenticationError: a segment is not authentic, or the payload ends too early or too late (in the stream).
    """
    plaintext_length(payload_length)
    cipher = file_key.cipher()

    def work(first: int, sealed: memoryview) -> bytes:
        return _open_block(cipher, first, sealed)

    return _in_order(_last_held_back(_blocks(_exactly(chunks, payload_length), _CIPHER_BLOCK)), work, threads)


def open_range(
    read_at: Callable[[int, int], bytes], file_key: FileKey, *, payload_length: int, offset: int, length: int
) -> Iterator[bytes]:
    """Open ``length`` bytes of the text from ``offset`` on, reading only the segments that hold them.

    The bytes are authentic segments of this file; that they are the segments of this *place* is known only from the
    CID of what ``read_at`` returns. The text as a whole is not checked.

    Args:
        read_at: returns bytes of the payload: takes offset and length, and must return exactly that many.
        file_key: the key from the header, compared with the record's commitment.
        payload_length: how long the payload is, from the record's commitment file.
        offset: first byte of the text.
        length: how many bytes of the text; none may lie behind its end.

    Raises:
        MalformedEnvelopeError: no payload has this length (at once).
        InvalidInputError: the range does not lie inside the text (at once).
        AuthenticationError: a segment is not authentic, or ``read_at`` returned too little or too much.
    """
    total = plaintext_length(payload_length)
    if offset < 0 or length < 0 or offset + length > total:
        raise InvalidInputError(f"bytes {offset} to {offset + length} do not lie in a text of {total} bytes")
    return _range(read_at, file_key.cipher(), payload_length, offset, length)


def _range(
    read_at: Callable[[int, int], bytes], cipher: ChaCha20Poly1305, payload_length: int, offset: int, length: int
) -> Iterator[bytes]:
    end = offset + length
    while offset < end:
        first = offset // SEGMENT_SIZE
        behind = min(first + _SEGMENTS_AT_ONCE, segment_count(end))
        start = first * CIPHER_SEGMENT_SIZE
        size = min(behind * CIPHER_SEGMENT_SIZE, payload_length) - start
        sealed = read_at(start, size)
        if len(sealed) != size:
            raise AuthenticationError(f"asked for {size} bytes of the payload at {start}, got {len(sealed)}")
        text = _open_block(cipher, first, memoryview(sealed))
        until = min(end, behind * SEGMENT_SIZE)
        yield text[offset - first * SEGMENT_SIZE : until - first * SEGMENT_SIZE]
        offset = until


# ------------------------------------------------------------------------------------------------------- blocks


def _seal_block(cipher: ChaCha20Poly1305, text: memoryview) -> bytes:
    block = _room(payload_length(len(text)))
    with block.getbuffer() as sealed:
        seal_into(cipher, text, sealed)
    return block.getvalue()


def seal_into(cipher: ChaCha20Poly1305, text: memoryview, sealed: memoryview) -> int:
    """Seal the segments of ``text`` into ``sealed``, which must have room for them; return the length they take.

    The nonces are drawn here and used up here: none is kept that a fork or a restored snapshot could use again.
    """
    count = segment_count(len(text))
    nonces = os.urandom(NONCE_SIZE * count)
    for number in range(count):
        nonce = nonces[number * NONCE_SIZE : (number + 1) * NONCE_SIZE]
        segment = text[number * SEGMENT_SIZE : (number + 1) * SEGMENT_SIZE]
        at = number * CIPHER_SEGMENT_SIZE
        sealed[at : at + NONCE_SIZE] = nonce
        with sealed[at + NONCE_SIZE : at + _OVERHEAD + len(segment)] as place:
            cipher.encrypt_into(nonce, segment, None, place)
    size = _size_as(len(text))
    _NOBODYS.encrypt_into(bytes(NONCE_SIZE), bytes(size), None, bytearray(size + TAG_SIZE))
    return payload_length(len(text))


def _open_block(cipher: ChaCha20Poly1305, first: int, sealed: memoryview) -> bytes:
    block = _room(plaintext_length(len(sealed)))
    with block.getbuffer() as text:
        for number in range(segment_count(len(text))):
            segment = sealed[number * CIPHER_SEGMENT_SIZE : (number + 1) * CIPHER_SEGMENT_SIZE]
            at = number * SEGMENT_SIZE
            with text[at : at + len(segment) - _OVERHEAD] as place:
                try:
                    cipher.decrypt_into(segment[:NONCE_SIZE], segment[NONCE_SIZE:], None, place)
                except InvalidTag as error:
                    raise AuthenticationError(f"segment {first + number} of the payload is not authentic") from error
        size = _size_as(len(text))
        with suppress(InvalidTag):
            _NOBODYS.decrypt_into(bytes(NONCE_SIZE), bytes(size + TAG_SIZE), None, bytearray(size))
    return block.getvalue()


def _size_as(length: int) -> int:
    """Return a small size that takes the same ways through the cipher's code as segments of ``length`` bytes did."""
    return length if length < _STRIDE else _STRIDE + length % _STRIDE


def _room(size: int) -> io.BytesIO:
    """Return a stream that holds ``size`` bytes to be filled through ``getbuffer``.

    ``getvalue`` then hands out the filled buffer itself, where ``bytes(bytearray)`` would copy it.
    """
    block = io.BytesIO()
    if size:
        block.seek(size - 1)
        block.write(b"\0")
    return block


# ------------------------------------------------------------------------------------------------------ streams


def _at_most(chunks: Iterable[bytes], limit: int) -> Iterator[bytes]:
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > limit:
            raise InvalidInputError(f"a text has 0 to {limit} bytes")
        yield chunk


def _exactly(chunks: Iterable[bytes], length: int) -> Iterator[bytes]:
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > length:
            raise AuthenticationError(f"the payload is longer than the {length} bytes that the record names")
        yield chunk
    if total != length:
        raise AuthenticationError(f"the payload ends after {total} of the {length} bytes that the record names")


def _blocks(chunks: Iterable[bytes], size: int) -> Iterator[memoryview]:
    """Cut a stream anew into blocks of ``size`` bytes, the last one shorter; aligned chunks are not copied."""
    rest = bytearray()
    for chunk in chunks:
        # A caller may hand in a buffer that it fills again: only bytes stay what they are while a helper works.
        view = memoryview(bytes(chunk))
        at = 0
        if rest:
            at = min(size - len(rest), len(view))
            rest += view[:at]
            if len(rest) == size:
                yield memoryview(rest)
                rest = bytearray()
        while len(view) - at >= size:
            yield view[at : at + size]
            at += size
        rest += view[at:]
    if rest:
        yield memoryview(rest)


def _last_held_back(blocks: Iterator[memoryview]) -> Iterator[memoryview]:
    """Let a block through once the next one is there or the stream has ended well."""
    held = next(blocks, None)
    while held is not None:
        following = next(blocks, None)
        yield held
        held = following


def _in_order(blocks: Iterator[memoryview], work: _Work, threads: int) -> Iterator[bytes]:
    """Do ``work`` on each block, on the caller's thread and at most one more; results come in order."""
    numbered = enumerate(blocks)
    first = next(numbered, None)
    second = next(numbered, None) if first is not None and threads > 1 else None
    if first is not None and second is not None:
        yield from _with_helper(first, second, numbered, work)
        return
    if first is not None:
        yield work(0, first[1])
    for number, block in numbered:
        yield work(number * _SEGMENTS_AT_ONCE, block)


def _with_helper(
    first: tuple[int, memoryview],
    second: tuple[int, memoryview],
    numbered: Iterator[tuple[int, memoryview]],
    work: _Work,
) -> Iterator[bytes]:
    # The helper's pool belongs to this stream: a pool for the whole process would not survive a fork.
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="medshare-envelope") as pool:

        def hand_over(block: tuple[int, memoryview]) -> Future[bytes]:
            return pool.submit(work, block[0] * _SEGMENTS_AT_ONCE, block[1])

        theirs: Future[bytes] | None = hand_over(first)
        ours: tuple[int, memoryview] | None = second
        while theirs is not None:
            own = work(ours[0] * _SEGMENTS_AT_ONCE, ours[1]) if ours is not None else b""
            done = theirs.result()
            # The helper has its next block before the caller gets these two: it works while the caller writes.
            following = next(numbered, None)
            theirs = hand_over(following) if following is not None else None
            yield done
            if own:
                yield own
            ours = next(numbered, None) if following is not None else None
