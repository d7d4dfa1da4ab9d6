"""A clock that moves when told to, and people without keys on a chain."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medshare.envelope import Identity
from medshare.errors import InvalidInputError
from medshare.model.ids import Address, address
from medshare.ports import Actor


@dataclass(slots=True)
class FakeClock:
    """A clock that moves when told to."""

    time: int

    def now(self) -> int:
        """Return the time it was set to."""
        return self.time

    def advance(self, seconds: int) -> None:
        """Move on by ``seconds``."""
        self.time += seconds


@dataclass(frozen=True, slots=True)
class NamedSigner:
    """A signer for the chain in memory: it has a name and no key."""

    address: Address

    def sign_transaction(self, transaction: Mapping[str, Any]) -> bytes:
        """Refuse: the chain in memory takes no signatures."""
        raise InvalidInputError(f"the chain in memory takes no signed transactions ({len(transaction)} fields)")


def new_actor() -> Actor:
    """Return an actor with a random address and a fresh encryption identity."""
    return Actor(signer=NamedSigner(address("0x" + secrets.token_hex(20))), identity=Identity.generate())
