"""Guardians' approvals of a recovery, lined up as the contract wants them."""

from __future__ import annotations

from collections.abc import Sequence

from medshare.errors import InvalidInputError
from medshare.model.delegation import Circle
from medshare.model.typed_data import SignableRecover, SignedMessage


def line_up(circle: Circle, approvals: Sequence[SignedMessage]) -> tuple[SignableRecover, tuple[bytes, ...]]:
    """Return what the guardians signed, and one signature for each of them, in their order; empty for who has not.

    Args:
        circle: the guardians.
        approvals: what they signed, in any order.

    Raises:
        InvalidInputError: nothing at all, not all the same recovery, or signed by somebody else or twice by one.
    """
    by_signer = {approval.signer: approval for approval in approvals}
    if len({(approval.message, approval.domain) for approval in approvals}) != 1:
        raise InvalidInputError(
            "guardians sign one recovery: the same patient, new key, attempt and deadline",
            hint="have all of them sign the same message",
        )
    message = approvals[0].message
    if not isinstance(message, SignableRecover):
        raise InvalidInputError(f"guardians sign a Recover, not a {message.struct()}")
    if len(by_signer) != len(approvals) or not set(by_signer) <= set(circle.guardians):
        raise InvalidInputError("the approvals are not of the circle's guardians, one of each")
    signatures = (by_signer[one].signature if one in by_signer else b"" for one in circle.guardians)
    return message, tuple(signatures)
