"""Reading and writing dag-pb nodes.

given a node that we wrote
├─ when it is read → it should be the same
└─ when bytes of it are changed → it should be another node in canonical form, or raise MalformedBlobError
given a node in a form of its own (unsorted, doubled, unknown fields, other kinds)
└─ when it is read → it should raise MalformedBlobError
"""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medshare.content import Cid, Codec
from medshare.content.dagpb import (
    MAX_NODE_SIZE,
    DirectoryNode,
    FileNode,
    PbLink,
    check_name,
    decode_node,
    encode_node,
)
from medshare.content.varint import MAX_VARINT, decode_varint, encode_varint
from medshare.errors import BlobTooLargeError, InvalidInputError, MalformedBlobError, MedshareError

pytestmark = pytest.mark.unit

A, B = Cid(Codec.RAW, b"a" * 32), Cid(Codec.DAG_PB, b"b" * 32)
FILE = FileNode((PbLink(A, "", 4), PbLink(B, "", 9)), (4, 3))
DIRECTORY = DirectoryNode((PbLink(B, "header.c4gh", 124), PbLink(A, "payload.c4gh", 2**40)))


def field(number: int, body: bytes) -> bytes:
    return bytes((number << 3 | 2, len(body))) + body


def link(name: bytes = b"x", cid: bytes = bytes(A), size: bytes = b"\x18\x04") -> bytes:
    return field(2, field(1, cid) + field(2, name) + size)


@pytest.mark.parametrize("node", [FILE, DIRECTORY, DirectoryNode(())])
def test_node__written_and_read__is_the_same(node: FileNode | DirectoryNode) -> None:
    assert decode_node(encode_node(node)) == node


def test_node__written__are_the_bytes_of_the_specification() -> None:
    assert encode_node(DirectoryNode(())) == b"\x0a\x02\x08\x01"
    assert encode_node(FileNode((PbLink(A, "", 4),), (4,))) == link(b"") + b"\x0a\x06\x08\x02\x18\x04\x20\x04"


DIR = b"\x0a\x02\x08\x01"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="no data"),
        pytest.param(link(), id="links only"),
        pytest.param(DIR + link(), id="data first"),
        pytest.param(DIR + DIR, id="data twice"),
        pytest.param(link(b"b") + link(b"a") + DIR, id="unsorted"),
        pytest.param(link(b"a") + link(b"a") + DIR, id="one name twice"),
        pytest.param(link(b"..") + DIR, id="path to the parent"),
        pytest.param(link(b"a/b") + DIR, id="path"),
        pytest.param(link(b"\x1b[2J") + DIR, id="escape sequence"),
        pytest.param(link(b"\xff") + DIR, id="not UTF-8"),
        pytest.param(link(b"") + DIR, id="no name"),
        pytest.param(link(size=b"") + DIR, id="no size"),
        pytest.param(link(size=b"\x18\x84\x00") + DIR, id="long varint"),
        pytest.param(link(size=b"\x18" + b"\xff" * 9 + b"\x01") + DIR, id="ten byte varint"),
        pytest.param(link(cid=b"\x12\x20" + b"a" * 32) + DIR, id="link to v0"),
        pytest.param(link(cid=b"\x01\x55\x00\x02hi") + DIR, id="link to an identity hash"),
        pytest.param(link(cid=b"\x01\x71\x12\x20" + b"a" * 32) + DIR, id="link to dag-cbor"),
        pytest.param(link() + field(1, b"\x08\x05"), id="sharded directory"),
        pytest.param(field(1, b"\x08\x04\x12\x01x"), id="symbolic link"),
        pytest.param(field(1, b"\x08\x02\x12\x02hi\x18\x02"), id="file with data of its own"),
        pytest.param(field(1, b"\x08\x02\x18\x00"), id="file of no links"),
        pytest.param(link(b"") + field(1, b"\x08\x02\x18\x05\x20\x04"), id="size that lies"),
        pytest.param(link(b"") + field(1, b"\x08\x02\x18\x04"), id="no block sizes"),
        pytest.param(link(b"") + field(1, b"\x08\x02\x18\x00\x20\x00"), id="empty part"),
        pytest.param(link(b"") + field(1, b"\x08\x02\x18\x04\x22\x01\x04"), id="packed sizes"),
        pytest.param(link(b"") + field(1, b"\x08\x02\x18\x04\x20\x04\x38\x01"), id="mode"),
        pytest.param(DIR + b"\x1a\x00", id="unknown field"),
        pytest.param(DIR + b"\x0d\x00\x00\x00\x00", id="fixed32"),
        pytest.param(b"\x0a\x7f\x08\x01", id="cut"),
        pytest.param(b"\x0a\xff\xff\xff\xff\xff\xff\xff\x7f", id="length of 2^56"),
    ],
)
def test_decode__a_form_of_its_own__is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedBlobError):
        decode_node(data)


def test_decode__larger_than_a_node_may_be__is_too_large() -> None:
    with pytest.raises(BlobTooLargeError):
        decode_node(bytes(MAX_NODE_SIZE + 1))


@given(st.data(), st.sampled_from([FILE, DIRECTORY]))
def test_decode__changed_bytes__are_canonical_or_refused(data: st.DataObject, node: FileNode | DirectoryNode) -> None:
    raw = bytearray(encode_node(node))
    for _ in range(data.draw(st.integers(1, 3))):
        where = data.draw(st.integers(0, len(raw) - 1))
        raw[where : where + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
        if not raw:
            break
    with contextlib.suppress(MedshareError):
        assert encode_node(decode_node(bytes(raw))) == raw


@given(st.binary(max_size=200))
def test_decode__any_bytes__are_canonical_or_refused(raw: bytes) -> None:
    with contextlib.suppress(MedshareError):
        assert encode_node(decode_node(raw)) == raw


@given(st.integers(0, MAX_VARINT))
def test_varint__written_and_read__is_the_same(value: int) -> None:
    raw = encode_varint(value)
    assert decode_varint(raw + b"rest") == (value, len(raw))


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a/b", "/", "a\\b", "a\0", "\n", "\x7f", "\x9b", "\u202e.exe", "\u2028", "x" * 256, "é" * 128],
)
def test_check_name__a_name_that_could_do_harm__is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError):
        check_name(name)


@pytest.mark.parametrize("name", ["header.c4gh", "...", ".a", "Müller 心電図", "x" * 255])
def test_check_name__a_harmless_name__is_accepted(name: str) -> None:
    check_name(name)
