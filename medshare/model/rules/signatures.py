"""What every signed verb asks first (``Signed._requireSignature``)."""

from __future__ import annotations

from medshare.errors import DeadlinePassedError, SignatureInvalidError
from medshare.model.ids import Address


def require_signature(signer: Address, *, deadline: int, now: int, valid: bool) -> None:
    """Refuse a signature that comes too late or is not the signer's.

    Args:
        signer: whose it should be.
        deadline: first second in which it is too late.
        now: Unix seconds.
        valid: what the signature's verification said.

    Raises:
        DeadlinePassedError: it comes too late.
        SignatureInvalidError: it is not the signer's.
    """
    if now >= deadline:
        raise DeadlinePassedError(deadline)
    if not valid:
        raise SignatureInvalidError(signer)
