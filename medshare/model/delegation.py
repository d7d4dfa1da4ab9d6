"""Who may act for a patient: the one in control, delegates, and the guardians of a lost key."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntFlag
from typing import Self

from medshare.errors import InvalidInputError
from medshare.hashing import DIGEST_SIZE, keccak256
from medshare.model.ids import ZERO_ADDRESS, Address, digest32
from medshare.model.purpose import Purpose

DAY = 86_400
SHORTEST_DELAY, LONGEST_DELAY = DAY, 90 * DAY
"""Seconds in which a patient can object to a recovery."""
MAX_GUARDIANS = 16
NO_CIRCLE = bytes(DIGEST_SIZE)
"""In place of a circle's digest: nobody."""
_WORD = 32


class Verbs(IntFlag):
    """What a delegate may be allowed to do; the same bits as the Solidity library ``Verbs``."""

    GRANT = 1 << 0
    REVOKE = 1 << 1


ALL_VERBS = Verbs.GRANT | Verbs.REVOKE


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """Who is in control of a patient: himself, unless his key was recovered."""

    controller: Address
    tenure: int
    """How often control moved: the mandate by which a key that took over signs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """A delegate's appointment (``IAuthority.DelegationFields`` and whose it is)."""

    patient: Address
    delegate: Address
    verbs: Verbs
    """0 once dismissed."""
    purposes: Purpose
    """For which he may grant."""
    not_before: int
    """First second in which he may act, Unix time."""
    expires_at: int
    """First second in which he no longer may; no grant of his lasts longer."""
    stamp: int
    """The patient's stamp when he was appointed."""
    epoch: int
    """How often he was appointed or dismissed: the mandate by which he signs."""

    def permits(self, verbs: Verbs, *, stamp: int, now: int) -> bool:
        """Whether the delegate may do all of ``verbs`` at ``now``, as ``Authority._mayNow`` says it.

        Args:
            verbs: what he wants to do.
            stamp: the patient's stamp now.
            now: Unix seconds.
        """
        return (
            bool(self.verbs)
            and self.verbs & verbs == verbs
            and self.not_before <= now < self.expires_at
            and self.stamp == stamp
        )


def no_delegation(patient: Address, delegate: Address) -> Delegation:
    """Return what stands where nobody was ever appointed."""
    return Delegation(
        patient=patient,
        delegate=delegate,
        verbs=Verbs(0),
        purposes=Purpose(0),
        not_before=0,
        expires_at=0,
        stamp=0,
        epoch=0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegationRequest:
    """What a patient sends to the chain to appoint a delegate (the arguments of ``appoint``)."""

    delegate: Address
    verbs: Verbs
    purposes: Purpose
    not_before: int
    """0 or a past time: from the block on in which he is appointed."""
    expires_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Circle:
    """Who together can give a patient a new key. Only its digest is on chain until the day it is needed."""

    guardians: tuple[Address, ...]
    """In ascending order, at most ``MAX_GUARDIANS``."""
    threshold: int
    """How many of them must sign."""
    salt: bytes
    """32 random bytes: without them nobody can test a guess about the guardians."""

    def __post_init__(self) -> None:
        numbers = [int(guardian, 16) for guardian in self.guardians]
        if numbers != sorted(set(numbers)):
            raise InvalidInputError("guardians are named in ascending order, each once")
        if ZERO_ADDRESS in self.guardians:
            raise InvalidInputError("the zero address cannot be a guardian")
        if not 0 < len(numbers) <= MAX_GUARDIANS:
            raise InvalidInputError(f"a circle has 1 to {MAX_GUARDIANS} guardians, not {len(numbers)}")
        if not 0 < self.threshold <= len(numbers):
            raise InvalidInputError(f"of {len(numbers)} guardians, 1 to {len(numbers)} can be asked to sign")
        digest32(self.salt, "salt")

    @classmethod
    def of(cls, guardians: Iterable[Address], threshold: int, salt: bytes) -> Self:
        """Return the circle of these guardians, in whatever order they come; raises ``InvalidInputError``."""
        ascending = sorted(guardians, key=lambda guardian: int(guardian, 16))
        return cls(guardians=tuple(ascending), threshold=threshold, salt=salt)

    def digest(self, patient: Address) -> bytes:
        """Return ``keccak256(abi.encode(patient, guardians, threshold, salt))``, which goes on chain."""
        head = (_word(int(patient, 16)), _word(4 * _WORD), _word(self.threshold), self.salt)
        tail = (_word(len(self.guardians)), *(_word(int(guardian, 16)) for guardian in self.guardians))
        return keccak256(b"".join((*head, *tail)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardianship:
    """What stands about a patient's guardians (``IAuthority.Guardianship``)."""

    circle: bytes = NO_CIRCLE
    """Digest of the circle in force."""
    next_circle: bytes = NO_CIRCLE
    """Digest of the circle that takes its place at ``next_from``."""
    delay: int = 0
    """Seconds between proposing a recovery, or a change of circle, and its effect."""
    next_delay: int = 0
    """The delay that comes with ``next_circle``."""
    next_from: int = 0
    """First second in which ``next_circle`` is in force, 0 where none waits."""
    proposed: Address = ZERO_ADDRESS
    """The key that would take over."""
    ready_at: int = 0
    """First second in which the proposed recovery can be completed, 0 where none is proposed."""
    attempt: int = 0
    """How many recoveries were proposed."""
    changes: int = 0
    """How often guardians were named."""

    def at(self, now: int) -> Guardianship:
        """Return what is in force at ``now``: the chain writes down that a circle's time has come when it next acts."""
        if self.next_from == 0 or now < self.next_from:
            return self
        return replace(
            self,
            circle=self.next_circle,
            delay=self.next_delay,
            next_circle=NO_CIRCLE,
            next_delay=0,
            next_from=0,
        )


def _word(value: int) -> bytes:
    return value.to_bytes(_WORD, "big")
