"""dag-pb nodes with UnixFS data, in one canonical form: files and flat directories.

A node is read only if writing it again gives the same bytes, so one content has one CID. Files hold no data of their
own (their leaves are raw blocks), directories hold sorted, unique and harmless names.
https://ipld.io/specs/codecs/dag-pb/spec/ · https://specs.ipfs.tech/unixfs/
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from medshare.content.cid import Cid
from medshare.content.varint import MAX_VARINT, decode_varint, encode_varint
from medshare.errors import BlobTooLargeError, InvalidInputError, MalformedBlobError

MAX_NODE_SIZE: Final = 256 * 1024
"""From here on Kubo would shard a directory; a file's node of 1024 links has about 60 KiB."""

MAX_NAME_SIZE: Final = 255
"""Bytes of UTF-8 in one name, as in the file systems."""

_VARINT, _BYTES = 0, 2  # protobuf wire types
_NODE_LINK, _NODE_DATA = 2, 1
_LINK_HASH, _LINK_NAME, _LINK_SIZE = 1, 2, 3
_UNIXFS_TYPE, _UNIXFS_FILE_SIZE, _UNIXFS_BLOCK_SIZE = 1, 3, 4
_DIRECTORY, _FILE = 1, 2


@dataclass(frozen=True, slots=True)
class PbLink:
    """A link of a node: to what, under which name, and the size of all blocks below (Tsize)."""

    cid: Cid
    name: str
    total_size: int


@dataclass(frozen=True, slots=True)
class FileNode:
    """An inner node of a file; ``block_sizes`` says how many bytes of the file are below each link."""

    links: tuple[PbLink, ...]
    block_sizes: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes of the file below this node."""
        return sum(self.block_sizes)


@dataclass(frozen=True, slots=True)
class DirectoryNode:
    """A flat directory."""

    links: tuple[PbLink, ...]


Node: TypeAlias = FileNode | DirectoryNode


def check_name(name: str) -> None:
    """Raise unless ``name`` is harmless as a file name on any system and on a terminal.

    Raises:
        InvalidInputError: empty, a path, ``.`` or ``..``, too long, or with control characters.
    """
    if name in {"", ".", ".."} or "/" in name or "\\" in name:
        raise InvalidInputError("a name in a directory cannot be empty, '.', '..' or a path")
    if any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for character in name):
        raise InvalidInputError("a name in a directory cannot hold control characters")
    if len(name.encode()) > MAX_NAME_SIZE:
        raise InvalidInputError(f"a name in a directory has at most {MAX_NAME_SIZE} bytes")


# ------------------------------------------------------------------------------------------------- encoding


def encode_node(node: Node) -> bytes:
    """Return the bytes of a node: links first, sorted by name, then the UnixFS data."""
    links = sorted(node.links, key=lambda link: link.name.encode())
    out = [_field(_NODE_LINK, _encode_link(link)) for link in links]
    out.append(_field(_NODE_DATA, _encode_unixfs(node)))
    return b"".join(out)


def _encode_link(link: PbLink) -> bytes:
    return b"".join(
        (
            _field(_LINK_HASH, bytes(link.cid)),
            _field(_LINK_NAME, link.name.encode()),
            _number(_LINK_SIZE, link.total_size),
        )
    )


def _encode_unixfs(node: Node) -> bytes:
    if isinstance(node, DirectoryNode):
        return _number(_UNIXFS_TYPE, _DIRECTORY)
    out = [_number(_UNIXFS_TYPE, _FILE), _number(_UNIXFS_FILE_SIZE, node.size)]
    out.extend(_number(_UNIXFS_BLOCK_SIZE, size) for size in node.block_sizes)
    return b"".join(out)


def _field(number: int, body: bytes) -> bytes:
    return encode_varint(number << 3 | _BYTES) + encode_varint(len(body)) + body


def _number(number: int, value: int) -> bytes:
    return encode_varint(number << 3 | _VARINT) + encode_varint(value)


# ------------------------------------------------------------------------------------------------- decoding


def decode_node(data: bytes) -> Node:
    """Read a node.

    Raises:
        MalformedBlobError: not the canonical form of a file's inner node or of a flat directory.
        BlobTooLargeError: longer than ``MAX_NODE_SIZE``.
    """
    if len(data) > MAX_NODE_SIZE:
        raise BlobTooLargeError("a node", MAX_NODE_SIZE)
    links: list[PbLink] = []
    unixfs: bytes | None = None
    for number, value in _fields(data):
        if number == _NODE_LINK and isinstance(value, bytes):
            links.append(_decode_link(value))
        elif number == _NODE_DATA and isinstance(value, bytes):
            unixfs = value
        else:
            raise MalformedBlobError("a node has a field that dag-pb does not know")
    if unixfs is None:
        raise MalformedBlobError("a node has no UnixFS data")
    node = _decode_unixfs(unixfs, tuple(links))
    if encode_node(node) != data:
        raise MalformedBlobError("a node is not in its canonical form")
    return node


def _decode_link(data: bytes) -> PbLink:
    values = dict(_fields(data))
    raw, name, size = values.get(_LINK_HASH), values.get(_LINK_NAME), values.get(_LINK_SIZE)
    if not (isinstance(raw, bytes) and isinstance(name, bytes) and isinstance(size, int)):
        raise MalformedBlobError("a link lacks its CID, name or size")
    try:
        return PbLink(Cid.from_bytes(raw), name.decode(), size)
    except (InvalidInputError, UnicodeDecodeError) as error:
        raise MalformedBlobError(f"a link cannot be followed: {error}") from error


def _decode_unixfs(data: bytes, links: tuple[PbLink, ...]) -> Node:
    fields = list(_fields(data))
    kind = next((value for number, value in fields if number == _UNIXFS_TYPE), None)
    if kind == _DIRECTORY:
        _check_directory(links)
        return DirectoryNode(links)
    if kind == _FILE:
        sizes = tuple(value for number, value in fields if number == _UNIXFS_BLOCK_SIZE and isinstance(value, int))
        if len(sizes) != len(links) or not links or 0 in sizes or sum(sizes) > MAX_VARINT:
            raise MalformedBlobError("a file's node has not one size for each link")
        if any(link.name for link in links):
            raise MalformedBlobError("a link of a file has a name")
        return FileNode(links, sizes)
    raise MalformedBlobError("a node is neither a file nor a flat directory")


def _check_directory(links: tuple[PbLink, ...]) -> None:
    if len({link.name for link in links}) != len(links):
        raise MalformedBlobError("a directory has two entries of one name")
    for link in links:
        try:
            check_name(link.name)
        except InvalidInputError as error:
            raise MalformedBlobError(f"a directory cannot be used: {error}") from error


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield each protobuf field of ``data``: its number, and a number or bytes."""
    offset = 0
    while offset < len(data):
        tag, offset = decode_varint(data, offset)
        value, offset = decode_varint(data, offset)
        if tag & 7 == _VARINT:
            yield tag >> 3, value
        elif tag & 7 == _BYTES:
            if value > len(data) - offset:
                raise MalformedBlobError("a field is cut off")
            yield tag >> 3, data[offset : offset + value]
            offset += value
        else:
            raise MalformedBlobError(f"a field has wire type {tag & 7}")
