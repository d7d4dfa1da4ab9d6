"""Content identifiers, by an allow list: CIDv1, sha2-256, raw or dag-pb, lower-case base32.

Everything else that a CID may be (v0, identity hashes, other codecs, hashes and alphabets) is refused by name: a
second way to write an address is a way around a comparison. https://github.com/multiformats/cid
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

from medshare.content.varint import decode_varint
from medshare.errors import BlobMismatchError, InvalidInputError, MalformedBlobError
from medshare.hashing import DIGEST_SIZE, sha256

MAX_BLOCK_SIZE: Final = 2 * 1024 * 1024
"""No block is larger; Kubo and its exchange protocol refuse more, too."""

CID_SIZE: Final = 4 + DIGEST_SIZE
CID_TEXT_SIZE: Final = 59
_MAX_TEXT = 512  # enough to say what a foreign CID is; anything longer is not looked at
_VERSION = 1
_SHA2_256 = 0x12
_IDENTITY = 0x00
_CID_V0_SIZE = 46
_BASE32 = frozenset("abcdefghijklmnopqrstuvwxyz234567")


class Codec(IntEnum):
    """How the bytes of a block are to be read."""

    RAW = 0x55
    DAG_PB = 0x70


@dataclass(frozen=True, slots=True)
class Cid:
    """The address of a block: what it is and the SHA-256 digest of its bytes."""

    codec: Codec
    digest: bytes

    def __post_init__(self) -> None:
        if len(self.digest) != DIGEST_SIZE:
            raise InvalidInputError(f"a digest has {DIGEST_SIZE} bytes, not {len(self.digest)}")

    @classmethod
    def of(cls, codec: Codec, data: bytes) -> Self:
        """Return the CID of a block's bytes."""
        return cls(codec, sha256(data))

    @classmethod
    def of_directory(cls, digest: bytes) -> Self:
        """Return the CID of the record or bundle whose id on chain is ``digest``: a directory, so always dag-pb.

        Raises:
            InvalidInputError: ``digest`` has not 32 bytes.
        """
        return cls(Codec.DAG_PB, bytes(digest))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a CID in its one canonical form.

        Raises:
            InvalidInputError: it is anything else; the message says what.
        """
        if len(text) > _MAX_TEXT:
            raise InvalidInputError("not a CID: too long")
        if len(text) == _CID_V0_SIZE and text.startswith("Qm"):
            raise InvalidInputError("a CIDv0 is not accepted", hint="convert it with: ipfs cid base32 <cid>")
        if not text.startswith("b"):
            raise InvalidInputError("not a CIDv1 in lower-case base32 (those begin with b)")
        body = text[1:]
        if not _BASE32.issuperset(body):
            raise InvalidInputError("not a CID: a character outside lower-case base32")
        try:
            raw = base64.b32decode(body.upper() + "=" * (-len(body) % 8))
        except ValueError as error:
            raise InvalidInputError("not a CID: no base32 text has this length") from error
        cid = cls.from_bytes(raw)
        if str(cid) != text:
            raise InvalidInputError("not a canonical CID: surplus bits at its end")
        return cid

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read a CID in its binary form.

        Raises:
            InvalidInputError: not a CIDv1 with sha2-256 and the codec raw or dag-pb; the message says what.
        """
        if raw[:2] == b"\x12\x20":
            raise InvalidInputError("a CIDv0 is not accepted")
        try:
            version, offset = decode_varint(raw)
            codec, offset = decode_varint(raw, offset)
            hash_code, offset = decode_varint(raw, offset)
            size, offset = decode_varint(raw, offset)
        except MalformedBlobError as error:
            raise InvalidInputError(f"not a CID: {error}") from error
        if version != _VERSION:
            raise InvalidInputError(f"CID version {version} is not accepted, only 1")
        if hash_code == _IDENTITY:
            raise InvalidInputError("an identity hash is not accepted: such a CID addresses nothing")
        if hash_code != _SHA2_256:
            raise InvalidInputError(f"hash function {hash_code:#x} is not accepted, only sha2-256")
        if codec not in Codec._value2member_map_:
            raise InvalidInputError(f"codec {codec:#x} is not accepted, only raw and dag-pb")
        if size != DIGEST_SIZE or len(raw) - offset != DIGEST_SIZE:
            raise InvalidInputError(f"a sha2-256 digest has {DIGEST_SIZE} bytes, not {len(raw) - offset}")
        return cls(Codec(codec), bytes(raw[offset:]))

    def __bytes__(self) -> bytes:
        return bytes((_VERSION, self.codec, _SHA2_256, DIGEST_SIZE)) + self.digest

    def __str__(self) -> str:
        return "b" + base64.b32encode(bytes(self)).decode("ascii").rstrip("=").lower()


@dataclass(frozen=True, slots=True)
class Block:
    """A block's address and bytes. Who makes one from outside bytes calls ``verify_block`` first."""

    cid: Cid
    data: bytes

    @classmethod
    def of(cls, codec: Codec, data: bytes) -> Self:
        """Return the block with these bytes."""
        return cls(Cid.of(codec, data), data)


def verify_block(cid: Cid, data: bytes) -> None:
    """Raise unless ``data`` are the bytes that ``cid`` addresses.

    Raises:
        BlobMismatchError: they are not.
    """
    digest = sha256(data)
    if digest != cid.digest:
        raise BlobMismatchError(str(cid), str(Cid(cid.codec, digest)))
