"""Directory: whose encryption key is which."""

from __future__ import annotations

from dataclasses import dataclass, field

from medshare.errors import (
    EncryptionKeyIsZeroError,
    EncryptionKeyNotSetError,
    EncryptionKeyUnchangedError,
    SignedOutdatedError,
)
from medshare.hashing import DIGEST_SIZE
from medshare.model.events import EncryptionKeySet, EventPlace
from medshare.model.ids import Address
from medshare.model.rules.signatures import require_signature
from medshare.model.typed_data import SignableSetEncryptionKey

_ZERO_KEY = bytes(DIGEST_SIZE)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptionKey:
    """An actor's key in the Directory."""

    key: bytes
    version: int
    set_at: int


@dataclass
class DirectoryRules:
    """State and verbs of Directory."""

    keys: dict[Address, EncryptionKey] = field(default_factory=dict)

    def set_encryption_key(self, caller: Address, key: bytes, place: EventPlace) -> tuple[EncryptionKeySet]:
        """Publish or rotate the caller's key."""
        current = self.keys.get(caller)
        if key == _ZERO_KEY:
            raise EncryptionKeyIsZeroError
        if current is not None and current.key == key:
            raise EncryptionKeyUnchangedError(caller)
        event = EncryptionKeySet(place=place, actor=caller, key=key, version=self._next_version(caller))
        self._apply_key(event)
        return (event,)

    def encryption_key(self, actor: Address) -> EncryptionKey:
        """Return an actor's key; raises ``EncryptionKeyNotSetError``."""
        if actor not in self.keys:
            raise EncryptionKeyNotSetError(actor)
        return self.keys[actor]

    def _set_encryption_key_signed(
        self, message: SignableSetEncryptionKey, signer: Address, place: EventPlace, *, valid: bool
    ) -> tuple[EncryptionKeySet]:
        is_actors = valid and signer == message.actor
        require_signature(message.actor, deadline=message.deadline, now=place.block.time, valid=is_actors)
        if message.version != self._next_version(message.actor):
            raise SignedOutdatedError(message.version, self._next_version(message.actor))
        return self.set_encryption_key(message.actor, message.key, place)

    def _next_version(self, actor: Address) -> int:
        return self.keys[actor].version + 1 if actor in self.keys else 1

    def _apply_key(self, event: EncryptionKeySet) -> None:
        set_at = event.place.block.time
        self.keys[event.actor] = EncryptionKey(key=event.key, version=event.version, set_at=set_at)
