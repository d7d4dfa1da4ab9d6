"""A grant, as the chain holds it and as a patient asks for it."""

from __future__ import annotations

from dataclasses import dataclass

from medshare.model.ids import Address, BundleId, GrantId, TermsDigest, patient_of
from medshare.model.purpose import Purpose

MAX_TIME = (1 << 32) - 1
"""Last second that a grant on chain can name, in 2106."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A grant on chain (``IConsentRegistry.GrantFields`` and its id)."""

    grant_id: GrantId
    grantee: Address
    not_before: int
    """First second in which it is live, Unix time."""
    expires_at: int
    """First second in which it is no longer live."""
    purposes: Purpose
    """0 once revoked."""
    stamp: int
    """The patient's stamp when it was granted."""
    epoch: int
    """How often it was changed."""

    @property
    def patient(self) -> Address:
        """The patient whom the id names."""
        return patient_of(self.grant_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantRequest:
    """What a patient sends to the chain to grant access (the arguments of ``ConsentRegistry.grant``)."""

    grantee: Address
    terms: TermsDigest
    bundle: BundleId
    not_before: int
    """0 or a past time: from the block on in which it is granted."""
    expires_at: int
    purposes: Purpose


def grant_word(
    *, grantee: Address, not_before: int, expires_at: int, purposes: int, stamp: int = 0, epoch: int = 0
) -> int:
    """Return the one word that holds a grant (``contracts/types/Grant.sol``)."""
    return int(grantee, 16) << 96 | not_before << 64 | expires_at << 32 | int(purposes) << 16 | stamp << 8 | epoch
