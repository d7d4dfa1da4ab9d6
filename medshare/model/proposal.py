"""What institutions decide together: a call that they propose, vote for, and anybody executes (``IConsortium``)."""

from __future__ import annotations

from dataclasses import dataclass

from medshare.model.ids import Address, ProposalId

SHORTEST_VOTING, LONGEST_VOTING = 3600, 90 * 86_400
"""Seconds."""
LEAST_QUORUM, MOST_QUORUM = 51, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class VotingRules:
    """How many must vote, and for how long they can."""

    quorum: int = 51
    """How many of a hundred seated members must vote for a proposal."""
    voting_period: int = 7 * 86_400
    """Seconds from proposal to deadline."""

    def needed(self, seated: int) -> int:
        """Return how many votes a proposal needs while ``seated`` members have their seats."""
        return (seated * self.quorum + 99) // 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A proposal as it stands on chain."""

    proposal_id: ProposalId
    proposer: Address
    deadline: int
    """First second in which it is too late to vote or to execute, Unix time."""
    executed: bool
    target: Address
    call_digest: bytes
    """keccak256 of the calldata; the calldata is in the event ``Proposed``."""
    votes: frozenset[int]
    """Seats that voted for it, those of members that have lost theirs included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How a proposal stands now."""

    votes: int
    """Of members that have their seats."""
    needed: int

    @property
    def passed(self) -> bool:
        """Whether it can be executed, if its deadline has not passed."""
        return self.votes >= self.needed
