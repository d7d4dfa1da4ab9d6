"""The Crypt4GH header: one packet for each reader, each holding the file key (Crypt4GH 1.0, "Header").

::

    "crypt4gh"  version(4)  packet count(4)  packet...
    packet:     length(4)  method(4)  writer's public key(32)  nonce(12)  sealed content  tag(16)
    content:    packet type(4)  data encryption method(4)  file key(32)  [padding]

All numbers are little-endian. Stricter than the standard in three ways, because each of them lets one file tell two
readers two stories: one file key only, no edit lists, and (where the caller names the writer) no packet by another.
The header is not signed: who holds a reader's private key can write packets to that reader in anybody's name.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from medshare.envelope.file_key import FILE_KEY_SIZE, FileKey, wipe
from medshare.envelope.keys import KEY_SIZE, Identity, Recipient
from medshare.errors import (
    AuthenticationError,
    InvalidInputError,
    MalformedEnvelopeError,
    NotARecipientError,
    UnsupportedVersionError,
)

__all__ = [
    "MAX_HEADER_LENGTH",
    "MAX_PACKETS",
    "MAX_PACKET_LENGTH",
    "PACKET_LENGTH",
    "FileKey",
    "Unwrapped",
    "read_header",
    "rewrap",
    "unwrap",
    "wrap",
    "wrapped_for",
]

PACKET_LENGTH: Final = 108
"""Bytes that one more reader adds to a header."""

MAX_PACKETS: Final = 1024
MAX_PACKET_LENGTH: Final = 64 * 1024
"""The standard allows padding, and edit lists in files of others; nothing honest is longer."""

MAX_HEADER_LENGTH: Final = 1024 * 1024

_MAGIC: Final = b"crypt4gh"
_VERSION: Final = 1
_X25519_CHACHA20: Final = 0
_DATA_ENCRYPTION: Final = 0
_EDIT_LIST: Final = 1
_CHACHA20: Final = 0

_START_LENGTH: Final = 16
_NONCE_SIZE: Final = 12
_TAG_SIZE: Final = 16
_WRITER_AT: Final = 8
_NONCE_AT: Final = _WRITER_AT + KEY_SIZE
_SEALED_AT: Final = _NONCE_AT + _NONCE_SIZE
_SHORTEST: Final = 8
# What stands in clear before the writer's key of each packet that we write.
_PACKET_START: Final = PACKET_LENGTH.to_bytes(4, "little") + _X25519_CHACHA20.to_bytes(4, "little")
_CONTENT_START: Final = _DATA_ENCRYPTION.to_bytes(4, "little") + _CHACHA20.to_bytes(4, "little")


class ByteSource(Protocol):
    """What ``read_header`` reads from: any binary stream."""

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes, none at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """What a header holds for one reader."""

    file_key: FileKey
    """The one key of the file. Compare it with the record's commitment before opening anything."""

    writer: Recipient
    """Whose packet gave it; the first, if several did."""


def wrap(file_key: FileKey, *, writer: Identity, recipients: Sequence[Recipient], packets: int = 0) -> bytes:
    """Make a header that gives ``file_key`` to each recipient, in the name of ``writer``.

    Args:
        file_key: the key of the payload.
        writer: the granting party; readers may ask for a header by exactly this key.
        recipients: who shall be able to open the file; named twice, they still get one packet.
        packets: how many there shall be at least. Those that are missing are sealed with keys that nobody has, and look
            like all others.

    Raises:
        InvalidInputError: there is no recipient, or there are more than ``MAX_PACKETS``.
    """
    readers = dict.fromkeys(recipients)
    count = max(len(readers), packets)
    if not readers:
        raise InvalidInputError("a header needs at least one recipient")
    if count > MAX_PACKETS:
        raise InvalidInputError(f"a header has room for {MAX_PACKETS} recipients")
    key = file_key.reveal()
    content = bytearray(_CONTENT_START) + key
    start = _PACKET_START + writer.recipient.key
    parts = [_MAGIC, _VERSION.to_bytes(4, "little"), count.to_bytes(4, "little")]
    ciphers = [writer.cipher_to(reader) for reader in readers]
    ciphers += [ChaCha20Poly1305(ChaCha20Poly1305.generate_key()) for _ in range(count - len(readers))]
    for cipher in ciphers:
        nonce = os.urandom(_NONCE_SIZE)
        parts += (start, nonce, cipher.encrypt(nonce, content, None))
    wipe(key)
    wipe(content)
    return b"".join(parts)


def unwrap(header: bytes, identity: Identity, *, writer: Recipient | None = None) -> Unwrapped:
    """Take the file key out of a header.

    Every packet is tried, also after one has opened, so that the work does not tell which packet is ours.

    Args:
        header: the header and nothing behind it; see ``read_header``.
        identity: the reader.
        writer: the only key whose packets are accepted. None accepts everybody's: for files of others.

    Raises:
        MalformedEnvelopeError: the bytes are not a header, exceed a limit, name two file keys, or hold an edit list.
        UnsupportedVersionError: the version, or a method in a packet that matters to this reader, is unknown.
        NotARecipientError: no packet opens with this identity.
        AuthenticationError: a packet opens that is not by ``writer``.
    """
    opened: list[tuple[Recipient, bytearray]] = []
    unknown_method: int | None = None
    try:
        for packet in _packets(header):
            method = int.from_bytes(packet[4:8], "little")
            if method != _X25519_CHACHA20:
                unknown_method = method  # perhaps another reader's; it only matters if nothing else opens
            elif (found := _open(packet, identity)) is not None:
                opened.append(found)
        if not opened:
            if unknown_method is not None:
                raise UnsupportedVersionError("header packet encryption method", unknown_method)
            raise NotARecipientError("no packet of the header opens with this identity")
        if writer is not None and any(found_writer != writer for found_writer, _ in opened):
            raise AuthenticationError(
                "the header holds a packet for this reader by another writer than the one expected"
            )
        keys = {_file_key(content) for _, content in opened}
        if len(keys) != 1:
            raise MalformedEnvelopeError("the header gives this reader two different file keys")
        return Unwrapped(file_key=keys.pop(), writer=opened[0][0])
    finally:
        for _, content in opened:
            wipe(content)


def rewrap(
    header: bytes, *, identity: Identity, recipients: Sequence[Recipient], writer: Recipient | None = None
) -> bytes:
    """Make a header for other recipients out of one that ``identity`` can open; the payload stays as it is.

    Nobody is taken over: a reader of ``header`` who is not among ``recipients`` is not a reader of the new one.

    Args:
        header: the header to open.
        identity: who opens it and is the writer of the new one.
        recipients: the readers of the new header.
        writer: the only key whose packets are accepted in ``header``; None accepts everybody's.

    Raises:
        EnvelopeError: as ``unwrap``.
        InvalidInputError: as ``wrap``.
    """
    return wrap(unwrap(header, identity, writer=writer).file_key, writer=identity, recipients=recipients)


def wrapped_for(header: bytes, *, writer: Identity, candidates: Iterable[Recipient]) -> frozenset[Recipient]:
    """Return those of ``candidates`` to whom ``writer`` gave a packet; a packet itself does not name its reader.

    Args:
        header: a header that ``writer`` made.
        writer: who made it: the key that he shares with a reader opens the packet on either side.
        candidates: whose packets are looked for.

    Raises:
        MalformedEnvelopeError: the bytes are not a header, or exceed a limit.
    """
    ours = [packet for packet in _packets(header) if packet[_WRITER_AT:_NONCE_AT] == writer.recipient.key]
    return frozenset(
        reader for reader in candidates if any(_opens(packet, writer.cipher_to(reader)) for packet in ours)
    )


def read_header(stream: ByteSource) -> bytes:
    """Take the header off the front of a whole Crypt4GH file; the stream then stands at its payload.

    Raises:
        MalformedEnvelopeError: the stream does not begin with a whole header, or the header exceeds a limit.
        UnsupportedVersionError: the header has another version than 1.
    """
    start = _read_exactly(stream, _START_LENGTH)
    parts = [start]
    total = _START_LENGTH
    for _ in range(_packet_count(start)):
        length_field = _read_exactly(stream, 4)
        length = _packet_length(length_field)
        total += length
        if total > MAX_HEADER_LENGTH:
            raise MalformedEnvelopeError(f"the header is longer than {MAX_HEADER_LENGTH} bytes")
        parts += (length_field, _read_exactly(stream, length - 4))
    return b"".join(parts)


# ---------------------------------------------------------------------------------------------------- the form


def _packet_count(start: bytes) -> int:
    if start[:8] != _MAGIC:
        raise MalformedEnvelopeError("the bytes are not a Crypt4GH file")
    version = int.from_bytes(start[8:12], "little")
    if version != _VERSION:
        raise UnsupportedVersionError("Crypt4GH version", version)
    count = int.from_bytes(start[12:16], "little")
    if not 0 < count <= MAX_PACKETS:
        raise MalformedEnvelopeError(f"the header says it has {count} packets; 1 to {MAX_PACKETS} are allowed")
    return count


def _packet_length(field: bytes) -> int:
    length = int.from_bytes(field, "little")
    if not _SHORTEST <= length <= MAX_PACKET_LENGTH:
        raise MalformedEnvelopeError(
            f"a packet says it has {length} bytes; {_SHORTEST} to {MAX_PACKET_LENGTH} are allowed"
        )
    return length


def _packets(header: bytes) -> list[bytes]:
    """Split the header, all of it, before any packet costs a curve multiplication."""
    if len(header) < _START_LENGTH:
        raise MalformedEnvelopeError("the header is cut off")
    if len(header) > MAX_HEADER_LENGTH:
        raise MalformedEnvelopeError(f"the header is longer than {MAX_HEADER_LENGTH} bytes")
    packets: list[bytes] = []
    position = _START_LENGTH
    for _ in range(_packet_count(header[:_START_LENGTH])):
        if position + 4 > len(header):
            raise MalformedEnvelopeError("the header is cut off")
        end = position + _packet_length(header[position : position + 4])
        if end > len(header):
            raise MalformedEnvelopeError("a packet of the header is cut off")
        packets.append(header[position:end])
        position = end
    if position != len(header):
        raise MalformedEnvelopeError("there is something behind the last packet of the header")
    return packets


def _read_exactly(stream: ByteSource, size: int) -> bytes:
    received = b""
    while len(received) < size:
        piece = stream.read(size - len(received))
        if not piece:
            raise MalformedEnvelopeError("the file ends inside its header")
        received += piece
    return received


# ------------------------------------------------------------------------------------------------- the content


def _open(packet: bytes, identity: Identity) -> tuple[Recipient, bytearray] | None:
    """Return the packet's writer and content, or None if it is not for this identity."""
    try:
        writer = Recipient(packet[_WRITER_AT:_NONCE_AT])
    except InvalidInputError:
        return None  # cut off, or a writer's key that gives everybody the same shared key
    content = _decrypt(packet, identity.cipher_from(writer))
    return None if content is None else (writer, content)


def _decrypt(packet: bytes, cipher: ChaCha20Poly1305) -> bytearray | None:
    if len(packet) < _SEALED_AT + _TAG_SIZE:
        return None
    content = bytearray(len(packet) - _SEALED_AT - _TAG_SIZE)
    try:
        cipher.decrypt_into(packet[_NONCE_AT:_SEALED_AT], packet[_SEALED_AT:], None, content)
    except InvalidTag:
        return None
    return content


def _opens(packet: bytes, cipher: ChaCha20Poly1305) -> bool:
    content = _decrypt(packet, cipher)
    if content is None:
        return False
    wipe(content)
    return True


def _file_key(content: bytearray) -> FileKey:
    packet_type = int.from_bytes(content[:4], "little")
    if len(content) >= 4 and packet_type == _EDIT_LIST:
        raise MalformedEnvelopeError(
            "the header holds an edit list, which medshare refuses: it hides parts of the file from the reader"
        )
    if len(content) < _SHORTEST:
        raise MalformedEnvelopeError("a packet for this reader is too short")
    if packet_type != _DATA_ENCRYPTION:
        raise UnsupportedVersionError("header packet type", packet_type)
    method = int.from_bytes(content[4:8], "little")
    if method != _CHACHA20:
        raise UnsupportedVersionError("data encryption method", method)
    key = memoryview(content)[8 : 8 + FILE_KEY_SIZE]
    if len(key) != FILE_KEY_SIZE:
        raise MalformedEnvelopeError("a packet for this reader is too short for a file key")
    return FileKey(key)
