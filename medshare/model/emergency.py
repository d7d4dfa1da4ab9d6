"""An emergency episode: a clinician breaks the glass for one patient, for a short time, and answers for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from medshare.model.ids import Address, EpisodeId, clinician_of

SHORTEST_EPISODE = 60
"""Seconds."""


class EmergencyReason(IntEnum):
    """Why the glass was broken, as the contract numbers it."""

    UNCONSCIOUS = 1
    INCAPABLE = 2
    THREAT_TO_LIFE = 3
    THREAT_TO_OTHERS = 4


class Verdict(IntEnum):
    """What a reviewer found."""

    NONE = 0
    """Not reviewed yet."""
    JUSTIFIED = 1
    UNJUSTIFIED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """An episode on chain (``IEmergencyAccess.Episode`` and its id). It alone permits break-glass; no grant does."""

    episode_id: EpisodeId
    patient: Address
    reason: EmergencyReason
    opened_at: int
    """First second of the episode, Unix time."""
    ends_at: int
    """First second after it; brought forward where it was ended before its time."""
    verdict: Verdict

    @property
    def clinician(self) -> Address:
        """The clinician whom the id names."""
        return clinician_of(self.episode_id)

    def in_force(self, now: int) -> bool:
        """Whether it lasts at ``now``. It also asks that its clinician is accredited: the chain says both together."""
        return self.opened_at <= now < self.ends_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A clinician's episodes."""

    episodes: int = 0
    """How many he has opened."""
    reviewed: int = 0
    """Up to which number all are reviewed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """Whether a patient has barred break-glass."""

    barred: bool = False
    count: int = 0
    """How often he set it: what a signature for the next time names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeRequest:
    """What a clinician sends to the chain to break the glass (the arguments of ``breakGlass``)."""

    patient: Address
    reason: EmergencyReason
    details: bytes
    """Salted digest of what happened."""
    duration: int
    """Seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyLimits:
    """What an EmergencyAccess was deployed with."""

    longest_episode: int = 4 * 3600
    """Seconds."""
    review_period: int = 72 * 3600
    """Seconds from the opening of an episode to the deadline of its review."""
    most_unreviewed: int = 16
    """How many episodes of one clinician may wait for review."""
