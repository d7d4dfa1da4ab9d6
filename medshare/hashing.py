"""Hashes with a domain, so that a digest made for one thing never passes for another."""

from __future__ import annotations

import hashlib
import sys

from eth_hash.utils import load_backend

DIGEST_SIZE = 32

# Asked for by name: left alone, eth-hash takes the one that is some six times slower, and trees have millions of nodes.
_keccak = load_backend("pysha3" if sys.implementation.name == "cpython" else "pycryptodome").keccak256


def sha256(data: bytes) -> bytes:
    """Return the SHA-256 digest of ``data`` (32 bytes)."""
    return hashlib.sha256(data).digest()


def keccak256(data: bytes) -> bytes:
    """Return the Keccak-256 digest of ``data`` (32 bytes), the EVM's ``keccak256``."""
    return bytes(_keccak(data))


def tagged_sha256(tag: str, *parts: bytes | bytearray) -> bytes:
    """Return SHA-256 over ``tag`` and ``parts``, in that order, with nothing between them.

    Args:
        tag: the domain, such as ``medshare/kc/1``; ASCII, fixed for ever.
        parts: the bytes hashed; all but the last must have a fixed length, or two inputs could meet.
    """
    state = hashlib.sha256(tag.encode("ascii"))
    for part in parts:
        state.update(part)
    return state.digest()
