"""CARv1 archives: a header with the roots, then block after block. Spec: ipld.io/specs/transport/car/carv1.

The header is the one dag-cbor map that the format needs, ``{"roots": [CID, …], "version": 1}``, in canonical form.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, Final

from medshare.content.cid import CID_SIZE, MAX_BLOCK_SIZE, Block, Cid, verify_block
from medshare.content.reader import BlockSource, walk
from medshare.content.varint import MAX_VARINT_SIZE, decode_varint, encode_varint
from medshare.errors import BlobTooLargeError, InvalidInputError, MalformedBlobError

MAX_ROOTS: Final = 1024
_ROOT_PREFIX = b"\xd8\x2a\x58\x25\x00"  # tag 42, 37 bytes, the multibase prefix of binary CIDs
_ROOT_SIZE = len(_ROOT_PREFIX) + CID_SIZE
_HEAD = b"\xa2\x65roots"
_TAIL = b"\x67version\x01"
_MAX_HEADER_SIZE = len(_HEAD) + 3 + MAX_ROOTS * _ROOT_SIZE + len(_TAIL)


def write_car(source: BlockSource, roots: Sequence[Cid], stream: BinaryIO) -> None:
    """Write everything below ``roots`` to ``stream``, each block once.

    Raises:
        InvalidInputError: no roots, or more than ``MAX_ROOTS``.
        StoreError: a block is missing or wrong; the archive is then not whole.
    """
    stream.writelines(encode_car(roots, _each_once(source, roots)))


def encode_car(roots: Sequence[Cid], blocks: Iterable[Block]) -> Iterator[bytes]:
    """Yield an archive of ``blocks`` piece by piece.

    Raises:
        InvalidInputError: no roots, or more than ``MAX_ROOTS``.
    """
    header = _encode_header(roots)
    yield encode_varint(len(header)) + header
    for block in blocks:
        yield encode_varint(CID_SIZE + len(block.data)) + bytes(block.cid)
        yield block.data


def read_car(stream: BinaryIO) -> tuple[tuple[Cid, ...], Iterator[Block]]:
    """Read an archive: its roots now, its blocks one by one, each verified.

    Raises:
        MalformedBlobError: not a CARv1 in canonical form, or cut off; for blocks, when they are asked for.
        BlobTooLargeError: a header or block is larger than allowed.
        BlobMismatchError: a block is not the one that its CID addresses.
    """
    size = _read_varint(stream)
    if size is None:
        raise MalformedBlobError("an archive is empty")
    if size > _MAX_HEADER_SIZE:
        raise BlobTooLargeError("an archive's header", _MAX_HEADER_SIZE)
    return _decode_header(_read_exactly(stream, size)), _read_blocks(stream)


def _each_once(source: BlockSource, roots: Sequence[Cid]) -> Iterator[Block]:
    seen: set[Cid] = set()
    for root in roots:
        for block in walk(source, root):
            if block.cid not in seen:
                seen.add(block.cid)
                yield block


def _read_blocks(stream: BinaryIO) -> Iterator[Block]:
    while (size := _read_varint(stream)) is not None:
        if size > CID_SIZE + MAX_BLOCK_SIZE:
            raise BlobTooLargeError("a block of an archive", MAX_BLOCK_SIZE)
        section = _read_exactly(stream, size)
        try:
            cid = Cid.from_bytes(section[:CID_SIZE])
        except InvalidInputError as error:
            raise MalformedBlobError(f"an archive holds a block that is not accepted: {error}") from error
        block = Block(cid, section[CID_SIZE:])
        verify_block(block.cid, block.data)
        yield block


def _encode_header(roots: Sequence[Cid]) -> bytes:
    if not 1 <= len(roots) <= MAX_ROOTS:
        raise InvalidInputError(f"an archive has 1 to {MAX_ROOTS} roots")
    return _HEAD + _array_head(len(roots)) + b"".join(_ROOT_PREFIX + bytes(cid) for cid in roots) + _TAIL


def _decode_header(header: bytes) -> tuple[Cid, ...]:
    """Take the roots by their fixed size, then accept the header only if it is the one we would write of them."""
    count = (len(header) - len(_HEAD) - 1 - len(_TAIL)) // _ROOT_SIZE
    if count < 1:
        raise MalformedBlobError("an archive's header names no root, or is not that of a CARv1")
    start = len(_HEAD) + len(_array_head(count))
    try:
        roots = tuple(
            Cid.from_bytes(header[start + index * _ROOT_SIZE :][len(_ROOT_PREFIX) : _ROOT_SIZE])
            for index in range(count)
        )
    except InvalidInputError as error:
        raise MalformedBlobError(f"an archive's root is not accepted: {error}") from error
    if count > MAX_ROOTS or _encode_header(roots) != header:
        raise MalformedBlobError("an archive's header is not that of a CARv1 in canonical form")
    return roots


def _array_head(count: int) -> bytes:
    if count < 24:
        return bytes((0x80 | count,))
    if count < 256:
        return bytes((0x98, count))
    return b"\x99" + count.to_bytes(2, "big")


def _read_varint(stream: BinaryIO) -> int | None:
    """Return the next number, or ``None`` where the archive ends."""
    raw = b""
    while len(raw) < MAX_VARINT_SIZE:
        byte = stream.read(1)
        if not byte:
            if raw:
                raise MalformedBlobError("an archive is cut off")
            return None
        raw += byte
        if byte < b"\x80":
            break
    return decode_varint(raw)[0]


def _read_exactly(stream: BinaryIO, size: int) -> bytes:
    pieces = []
    while size:
        piece = stream.read(size)
        if not piece:
            raise MalformedBlobError("an archive is cut off")
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)
