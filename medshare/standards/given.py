"""A consent as it was given on chain: what standards' documents are written from."""

from __future__ import annotations

from dataclasses import dataclass

from medshare.errors import InvalidInputError
from medshare.model.grant import Grant
from medshare.model.ids import Address, BundleId, GrantId
from medshare.model.stated_use import StatedStudy
from medshare.model.terms import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenConsent:
    """A grant with its terms, and what the chain tells of it up to some time."""

    terms: Terms
    grant: Grant
    given_at: int
    """When it was last granted, Unix seconds."""
    given_by: Address
    """The patient, or somebody who acts for him."""
    revoked_at: int | None
    """When it was revoked since."""
    as_of: int
    """Up to when the chain was asked, Unix seconds."""
    chain_id: int
    registry: Address
    """The contract that holds the grant."""
    bundle: BundleId | None
    """Where its sealed text is; None as long as it is in no bundle."""
    organization: Address | None = None
    """Who applies it, where a profile wants that said."""
    study: StatedStudy | None = None
    """What it accepts, where it accepts a request."""

    def __post_init__(self) -> None:
        if self.terms.grant_id() != self.grant.grant_id:
            raise InvalidInputError("these terms are not the ones the grant was given under")

    @property
    def ended(self) -> bool:
        """Whether it was revoked, or has expired."""
        return self.revoked_at is not None or self.as_of >= self.grant.expires_at

    @property
    def token(self) -> str:
        """The grant, as the token that it is."""
        return token(self.grant.grant_id, self.registry, self.chain_id)

    def did(self, account: Address) -> str:
        """Return an account on the same chain as a decentralized identifier."""
        return did(account, self.chain_id)


def did(account: Address, chain_id: int) -> str:
    """Return an account as did:pkh names it; the same key on another chain is somebody else."""
    return f"did:pkh:eip155:{chain_id}:{account}"


def token(grant_id: GrantId, registry: Address, chain_id: int) -> str:
    """Return a grant as CAIP-19 names the token that it is."""
    return f"eip155:{chain_id}/erc1155:{registry}/{grant_id}"
