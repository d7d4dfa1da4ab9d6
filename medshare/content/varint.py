"""Unsigned varints: the one integer encoding of CIDs, protobuf and CAR.

Only the shortest form is accepted, so that one value has one encoding:
https://github.com/multiformats/unsigned-varint
"""

from __future__ import annotations

from medshare.errors import MalformedBlobError

MAX_VARINT = 2**63 - 1
MAX_VARINT_SIZE = 9


def encode_varint(value: int) -> bytes:
    """Return ``value`` (0 to 2^63 - 1) as a varint."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode_varint(data: bytes, offset: int = 0) -> tuple[int, int]:
    """Return the varint at ``offset`` and the offset behind it.

    Raises:
        MalformedBlobError: cut off, longer than nine bytes, or not in its shortest form.
    """
    value = 0
    for index in range(MAX_VARINT_SIZE):
        if offset + index >= len(data):
            raise MalformedBlobError("a number is cut off")
        byte = data[offset + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            if byte == 0 and index > 0:
                raise MalformedBlobError("a number is not in its shortest form")
            return value, offset + index + 1
    raise MalformedBlobError("a number is longer than nine bytes")
