"""Whose signature it is, as the contracts recover it (OpenZeppelin's ECDSA).

65 bytes, v 27 or 28, s in the lower half: a second form of the same signature is nobody's.
"""

from __future__ import annotations

from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

from medshare.model.ids import Address

SIGNATURE_SIZE = 65
_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_V_BASE = 27
_S_START, _V_AT = 32, 64


def recover(digest: bytes, signature: bytes) -> Address | None:
    """Return whose key signed ``digest``, or None where the contracts would not say anybody's."""
    if len(signature) != SIGNATURE_SIZE or signature[_V_AT] not in (_V_BASE, _V_BASE + 1):
        return None
    r = int.from_bytes(signature[:_S_START], "big")
    s = int.from_bytes(signature[_S_START:_V_AT], "big")
    if not 0 < r < _ORDER or not 0 < s <= _ORDER // 2:
        return None
    try:
        found = Signature(vrs=(signature[_V_AT] - _V_BASE, r, s)).recover_public_key_from_msg_hash(digest)
    except (BadSignature, ValidationError):
        return None
    return Address(found.to_checksum_address())


def normalised(signature: bytes) -> bytes:
    """Return a key's signature with v as the contracts want it: some wallets count from 0 instead of 27."""
    if len(signature) == SIGNATURE_SIZE and signature[_V_AT] in (0, 1):
        return signature[:_V_AT] + bytes([signature[_V_AT] + _V_BASE])
    return signature
