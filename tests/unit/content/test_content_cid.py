"""Reading a CID.

given the one canonical form
├─ when it is read → it should give the CID, and the CID the text again
given anything else that a CID may be, or any text or bytes at all
└─ when it is read → it should raise InvalidInputError and say what is wrong
"""

from __future__ import annotations

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medshare.content import Block, Cid, Codec, verify_block
from medshare.errors import BlobMismatchError, InvalidInputError

pytestmark = pytest.mark.unit

EMPTY = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"


def base32(raw: bytes) -> str:
    return "b" + base64.b32encode(raw).decode().rstrip("=").lower()


def test_cid__empty_raw_block__is_the_one_everybody_knows() -> None:
    assert str(Cid.of(Codec.RAW, b"")) == EMPTY


@given(st.sampled_from(Codec), st.binary(min_size=32, max_size=32))
def test_cid__written_and_read__is_the_same(codec: Codec, digest: bytes) -> None:
    cid = Cid(codec, digest)
    assert Cid.parse(str(cid)) == cid
    assert Cid.from_bytes(bytes(cid)) == cid


def test_of_directory__digest__gives_a_dag_pb_cid_and_back() -> None:
    cid = Cid.of_directory(b"\x07" * 32)
    assert cid.codec is Codec.DAG_PB
    assert cid.digest == b"\x07" * 32
    with pytest.raises(InvalidInputError, match="32 bytes"):
        Cid.of_directory(b"\x07" * 31)


DIGEST = bytes(range(32))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("", "begin with b", id="empty"),
        pytest.param("QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n", "CIDv0", id="v0"),
        pytest.param(EMPTY.upper(), "begin with b", id="upper-case multibase"),
        pytest.param("b" + EMPTY[1:].upper(), "outside lower-case", id="upper-case body"),
        pytest.param("zb2rhe5P4gXftAwvA4eXQ5HJwsER2owDyS9sKaQRRVQPn93bA", "begin with b", id="base58"),
        pytest.param("f01551220" + DIGEST.hex(), "begin with b", id="base16"),
        pytest.param(base32(b"\x01\x55\x00\x05hello"), "identity", id="identity hash"),
        pytest.param(base32(b"\x01\x55\x12\x20" + DIGEST[:31]), "32 bytes, not 31", id="truncated digest"),
        pytest.param(base32(b"\x01\x55\x12\x20" + DIGEST + b"\0"), "32 bytes, not 33", id="longer digest"),
        pytest.param(base32(b"\x01\x55\x12\x14" + DIGEST[:20]), "32 bytes, not 20", id="cut multihash"),
        pytest.param(base32(b"\x01\x71\x12\x20" + DIGEST), "codec 0x71", id="dag-cbor"),
        pytest.param(base32(b"\x01\x72\x12\x20" + DIGEST), "codec 0x72", id="libp2p key"),
        pytest.param(base32(b"\x01\x55\x1b\x20" + DIGEST), "hash function 0x1b", id="keccak"),
        pytest.param(base32(b"\x02\x55\x12\x20" + DIGEST), "version 2", id="version 2"),
        pytest.param(base32(b"\x12\x20" + DIGEST), "CIDv0", id="v0 in base32"),
        pytest.param(base32(b"\x01\xd5\x00\x12\x20" + DIGEST), "shortest form", id="long varint"),
        pytest.param(base32(b"\x01"), "cut off", id="cut"),
        pytest.param(EMPTY[:-1] + "v", "surplus bits", id="surplus bits"),
        pytest.param(EMPTY + "=", "outside lower-case", id="padding"),
        pytest.param(EMPTY + "\n", "outside lower-case", id="line feed"),
        pytest.param("../../etc/passwd", "begin with b", id="path"),
        pytest.param("b" + "a" * 100_000, "too long", id="too long"),
    ],
)
def test_parse__anything_but_the_canonical_form__says_what_is_wrong(text: str, why: str) -> None:
    with pytest.raises(InvalidInputError, match=why):
        Cid.parse(text)


@given(st.one_of(st.text(), st.text("abcdefghijklmnopqrstuvwxyz234567").map(lambda text: "b" + text)))
def test_parse__any_text__is_canonical_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidInputError):
        assert str(Cid.parse(text)) == text


@given(st.binary(max_size=80))
def test_from_bytes__any_bytes__are_canonical_or_refused(raw: bytes) -> None:
    with contextlib.suppress(InvalidInputError):
        assert bytes(Cid.from_bytes(raw)) == raw


def test_verify_block__one_bit_is_wrong__names_both_cids() -> None:
    block = Block.of(Codec.RAW, b"blood group 0")
    verify_block(block.cid, block.data)
    with pytest.raises(BlobMismatchError) as caught:
        verify_block(block.cid, b"blood group 1")
    assert caught.value.expected == str(block.cid)
    assert caught.value.actual == str(Cid.of(Codec.RAW, b"blood group 1"))
