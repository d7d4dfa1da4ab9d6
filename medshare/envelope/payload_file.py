"""Seal a file into a file, close to the speed of a plain copy.

``seal`` hands each block to its caller, who writes it; here every thread reads, seals and writes blocks of its own at
their places, in two buffers that it keeps. Nothing is copied between threads and nothing waits for its turn.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from medshare.envelope.file_key import FileKey
from medshare.envelope.payload import CIPHER_SEGMENT_SIZE, SEGMENT_SIZE, payload_length, seal_into
from medshare.errors import InvalidInputError
from medshare.files import written_whole

_SEGMENTS_AT_ONCE: Final = 16
_PLAIN_BLOCK: Final = _SEGMENTS_AT_ONCE * SEGMENT_SIZE
_CIPHER_BLOCK: Final = _SEGMENTS_AT_ONCE * CIPHER_SEGMENT_SIZE


def seal_file(source: Path, target: Path, file_key: FileKey, *, header: bytes = b"", threads: int = 2) -> int:
    """Seal ``source`` into the new file ``target``, which appears when it is whole; return the payload's length.

    Needs a system with preadv and pwrite (Linux, macOS, BSD); elsewhere, write what ``seal`` yields.

    Args:
        source: the text; a regular file that nobody changes meanwhile.
        target: where the sealed file shall be; nothing may be there, and its folder must exist.
        file_key: a key that sealed nothing before.
        header: written before the payload, to make a whole Crypt4GH file.
        threads: how many blocks are worked on at once, each with 2 MiB of buffers.

    Raises:
        InvalidInputError: ``target`` exists or its folder is missing, ``source`` is too long or changed meanwhile, or
            ``threads`` is less than 1.
        OSError: ``source`` cannot be read.
        StoreFullError: the disk is full.
    """
    if threads < 1:
        raise InvalidInputError("a file is sealed by at least one thread")
    with source.open("rb", buffering=0) as text, written_whole(target, replace=False) as sealed:
        size = os.fstat(text.fileno()).st_size
        length = payload_length(size)
        sealed.write(header)
        sealed.flush()
        cipher = file_key.cipher()
        blocks = -(-size // _PLAIN_BLOCK)

        def lane(first: int) -> None:
            _seal_blocks(
                cipher, text.fileno(), sealed.fileno(), at=len(header), size=size, blocks=range(first, blocks, threads)
            )

        with ThreadPoolExecutor(max_workers=threads, thread_name_prefix="medshare-envelope") as pool:
            for _ in pool.map(lane, range(min(threads, blocks))):
                pass
        if os.fstat(text.fileno()).st_size != size:
            raise InvalidInputError("the file changed while it was sealed")
    return length


def _seal_blocks(cipher: ChaCha20Poly1305, source: int, target: int, *, at: int, size: int, blocks: range) -> None:
    text, sealed = memoryview(bytearray(_PLAIN_BLOCK)), memoryview(bytearray(_CIPHER_BLOCK))
    for block in blocks:
        offset = block * _PLAIN_BLOCK
        wanted = min(_PLAIN_BLOCK, size - offset)
        _read_whole(source, text[:wanted], offset)
        length = seal_into(cipher, text[:wanted], sealed)
        _write_whole(target, sealed[:length], at + block * _CIPHER_BLOCK)


def _read_whole(source: int, place: memoryview, offset: int) -> None:
    done = 0
    while done < len(place):
        count = os.preadv(source, [place[done:]], offset + done)
        if count == 0:
            raise InvalidInputError("the file changed while it was sealed")
        done += count


def _write_whole(target: int, content: memoryview, offset: int) -> None:
    done = 0
    while done < len(content):
        done += os.pwrite(target, content[done:], offset + done)
