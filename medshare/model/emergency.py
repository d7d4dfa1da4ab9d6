"""An emergency episode: a clinician breaks the glass for one patient, for a short time, and answers for it."""

from __future__ import annotations

from dataclasses import dataclass

from medshare.model.ids import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """An episode on chain. It alone permits BTG; no provision does, and none forbids it."""

    episode_id: int
    patient: Address
    clinician: Address
    reason: int
    """The coded reason, as the contract numbers them."""
    opened_at: int
    """First second in which it is in force, Unix time."""
    ends_at: int
    """First second in which it is no longer in force."""
    ended: bool
    """Whether it was ended before its time."""

    def in_force(self, now: int) -> bool:
        """Whether it is in force at ``now``."""
        return not self.ended and self.opened_at <= now < self.ends_at
