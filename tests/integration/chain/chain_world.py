"""A chain with our contracts and fresh accounts, for the adapters' tests."""

from __future__ import annotations

from dataclasses import dataclass, replace

from medshare.chain import LocalSigner, NetworkProfile, OpenChain, load_network
from medshare.model.accreditation import AccreditationKind
from medshare.model.consent import MAX_TIME
from medshare.ports import Ledger


@dataclass(frozen=True, slots=True)
class World:
    """A chain with our contracts, and accounts that nobody used before."""

    chain: OpenChain

    @property
    def ledger(self) -> Ledger:
        return self.chain.ledger

    def actor(self) -> LocalSigner:
        signer = LocalSigner.generate()
        self.chain.fund(signer.address)
        return signer

    def custodian(self) -> LocalSigner:
        """Return somebody who is accredited as a custodian."""
        signer = self.actor()
        member = self.chain.development_member()
        self.ledger.accreditation.accredit(member, signer.address, AccreditationKind.CUSTODIAN, MAX_TIME)
        return signer


def anvil_profile(url: str) -> NetworkProfile:
    """Return the profile of an anvil at ``url``."""
    return replace(load_network("anvil"), url=url)
