"""Ids that the chain, the store and the library share, and how each is derived."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NewType

from eth_utils.address import is_checksum_address

from medshare.errors import InvalidInputError
from medshare.hashing import DIGEST_SIZE, keccak256

Address = NewType("Address", str)
"""An account on chain: 20 bytes, written with 0x and the EIP-55 checksum."""

RecordId = NewType("RecordId", bytes)
"""The 32-byte sha2-256 digest of a record's CID."""

BundleId = NewType("BundleId", bytes)
"""The 32-byte sha2-256 digest of a bundle's CID."""

CatalogueId = NewType("CatalogueId", bytes)
"""The 32-byte sha2-256 digest of the CID of a batch's catalogue."""

TermsDigest = NewType("TermsDigest", bytes)
"""The 32-byte salted digest of a grant's terms."""

GrantId = NewType("GrantId", int)
"""An access token's id: patient (160 bits) and 96 bits of a hash over grantee and terms."""

EpisodeId = NewType("EpisodeId", int)
"""An emergency token's id: clinician (160 bits) and the number of his episode."""

ProposalId = NewType("ProposalId", int)
"""A proposal's number in its consortium, from 1."""

RequestId = NewType("RequestId", int)
"""A request's number, from 1."""

DocumentId = NewType("DocumentId", bytes)
"""The 32-byte sha2-256 digest of the CID of the directory with a request's document."""

ZERO_ADDRESS = Address("0x" + "00" * 20)
_HEX_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_HEX_BYTES = re.compile(r"(0x)?([0-9a-fA-F]{2})*")
_HEX_NUMBER = re.compile(r"(0x)?[0-9a-fA-F]{1,64}")
_LOWER_BITS = 96
_KNOWN_ADDRESSES = 1 << 14
"""Addresses whose checksum is kept in memory: some megabytes at most, however long a process runs."""
_MAX_UINT256 = (1 << 256) - 1


def address(text: str) -> Address:
    """Return ``text`` as an address with its checksum.

    Raises:
        InvalidInputError: not 20 bytes of hex with 0x, or a mixed-case address whose EIP-55 checksum is wrong.
    """
    if not _HEX_ADDRESS.fullmatch(text):
        raise InvalidInputError(f"not an address (0x and 40 hex digits): {text[:80]!r}")
    if text[2:] not in (text[2:].lower(), text[2:].upper()) and not is_checksum_address(text):
        raise InvalidInputError(f"the checksum of address {text} is wrong", hint="a character was mistyped")
    return checksummed(bytes.fromhex(text[2:]))


@lru_cache(maxsize=_KNOWN_ADDRESSES)
def checksummed(raw: bytes) -> Address:
    """Return 20 bytes as an address with its EIP-55 checksum.

    Kept, and by hand: whoever replays a ledger asks for it in every event, and eth_utils takes twice as long.
    """
    digits = raw.hex()
    marks = keccak256(digits.encode("ascii")).hex()
    return Address("0x" + "".join(map(_cased, digits, marks)))


def _cased(digit: str, mark: str) -> str:
    return digit.upper() if mark > "7" else digit


def digest32(text: str | bytes, what: str = "id") -> bytes:
    """Return 32 bytes from ``text``: bytes as they are, or 64 hex digits with or without 0x.

    Raises:
        InvalidInputError: anything else.
    """
    if isinstance(text, str):
        if not _HEX_BYTES.fullmatch(text):
            raise InvalidInputError(f"not a {what} (64 hex digits): {text[:80]!r}")
        value = bytes.fromhex(text.removeprefix("0x"))
    else:
        value = text
    if len(value) != DIGEST_SIZE:
        raise InvalidInputError(f"a {what} has {DIGEST_SIZE} bytes, not {len(value)}")
    return value


def record_id(text: str | bytes) -> RecordId:
    """Return ``text`` (64 hex digits or 32 bytes) as a record id; raises ``InvalidInputError``."""
    return RecordId(digest32(text, "record id"))


def grant_id(text: str | int) -> GrantId:
    """Return ``text`` (hex with 0x, or an integer) as a grant id; raises ``InvalidInputError``."""
    return GrantId(_token_id(text, "grant id"))


def derive_grant_id(patient: Address, grantee: Address, terms: TermsDigest) -> GrantId:
    """Return the id of the grant of ``patient`` to ``grantee`` under ``terms``.

    ``uint160(patient) << 96 | uint96(uint256(keccak256(abi.encode(grantee, terms))))``, as the library
    ``GrantIds`` computes it on chain.
    """
    encoded = bytes(12) + bytes.fromhex(grantee[2:]) + digest32(terms, "terms digest")
    low = int.from_bytes(keccak256(encoded), "big") & ((1 << _LOWER_BITS) - 1)
    return GrantId(int(patient, 16) << _LOWER_BITS | low)


def patient_of(grant: GrantId) -> Address:
    """Return the patient whom a grant id names."""
    return _upper_address(grant)


def episode_id(text: str | int) -> EpisodeId:
    """Return ``text`` (hex with 0x, or an integer) as an episode id; raises ``InvalidInputError``."""
    return EpisodeId(_token_id(text, "episode id"))


def derive_episode_id(clinician: Address, number: int) -> EpisodeId:
    """Return the id of a clinician's episode: ``uint160(clinician) << 96 | number``, his first one is number 1."""
    return EpisodeId(int(clinician, 16) << _LOWER_BITS | number)


def clinician_of(episode: EpisodeId) -> Address:
    """Return the clinician whom an episode id names."""
    return _upper_address(episode)


def number_of(episode: EpisodeId) -> int:
    """Return which of the clinician's episodes an id names."""
    return episode & ((1 << _LOWER_BITS) - 1)


def _token_id(text: str | int, what: str) -> int:
    if isinstance(text, str) and not _HEX_NUMBER.fullmatch(text):
        raise InvalidInputError(f"not a {what} (0x and at most 64 hex digits): {text[:80]!r}")
    value = int(text, 16) if isinstance(text, str) else text
    if not 0 < value <= _MAX_UINT256:
        raise InvalidInputError(f"the {what} is no positive number of at most 256 bits")
    return value


def _upper_address(token_id: int) -> Address:
    return checksummed((token_id >> _LOWER_BITS).to_bytes(20, "big"))
