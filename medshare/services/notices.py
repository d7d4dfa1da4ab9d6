"""What an inbox tells: one thing that happened, or that waits, and how pressing it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from medshare.model.ids import Address, EpisodeId, ProposalId, RequestId


class Urgency(IntEnum):
    """What comes first."""

    EMERGENCY = 0
    CONTROL = 1
    """Who is in control of a patient is about to change, or has changed."""
    DUE = 2
    """Somebody waits for an answer."""
    NEWS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing that happened or waits."""

    urgency: Urgency
    kind: str
    """A word for a script: the event's class, or what waits."""
    at: int
    """When it happened, Unix seconds."""
    says: str
    """A sentence for a person."""
    who: Address | None = None
    """Who did it, or is waited for."""
    patient: Address | None = None
    until: int | None = None
    """First second in which it is too late, Unix time."""
    waits: bool = False
    """Whether it is told again until it is answered."""
    episode_id: EpisodeId | None = None
    request_id: RequestId | None = None
    proposal_id: ProposalId | None = None
    answer: str = ""
    """The command that answers it; ``{me}`` stands for whose inbox it is."""
