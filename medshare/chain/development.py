"""Who founds the consortium of a development network, where its profile names nobody.

The key is in this package for everybody to read: what it decides is worth nothing, and no other network takes it.
"""

from __future__ import annotations

from medshare.chain.accounts import LocalSigner
from medshare.hashing import keccak256


def development_key() -> bytes:
    """Return the key of the founding member of development networks: no secret."""
    return keccak256(b"medshare/development/member/1")


def member_signer() -> LocalSigner:
    """Return the founding member of development networks."""
    return LocalSigner.from_key(development_key())
