"""Refusals of proposals and votes (``Consortium``)."""

from __future__ import annotations

from dataclasses import dataclass

from medshare.errors.ledger import RejectedError, moment


@dataclass(eq=False)
class NotByVoteError(RejectedError):
    """Only a vote of the consortium can do this."""

    solidity = "ConsortiumNotByVote"
    hint = "propose it: medshare consortium propose"
    caller: str


@dataclass(eq=False)
class TargetNotGovernedError(RejectedError):
    """No vote reaches this contract: it is neither the consortium nor governed by it."""

    solidity = "ConsortiumTargetNotGoverned"
    hint = "nobody can vote on consents, records or emergencies"
    target: str


@dataclass(eq=False)
class UnknownProposalError(RejectedError):
    """Nothing was proposed under this number."""

    solidity = "ConsortiumProposalUnknown"
    hint = "see what was proposed: medshare consortium proposals"
    proposal_id: int

    def _message(self) -> str:
        return f"there is no proposal {self.proposal_id}"


@dataclass(eq=False)
class ProposalExpiredError(RejectedError):
    """It is too late to vote for the proposal, or to execute it."""

    solidity = "ConsortiumProposalExpired"
    hint = "propose it anew"
    proposal_id: int
    deadline: int

    def _message(self) -> str:
        return f"proposal {self.proposal_id} could be voted for and executed until {moment(self.deadline)}"


@dataclass(eq=False)
class ProposalExecutedError(RejectedError):
    """The proposal was executed already."""

    solidity = "ConsortiumProposalExecuted"
    hint = "there is nothing to do"
    proposal_id: int

    def _message(self) -> str:
        return f"proposal {self.proposal_id} was executed already"


@dataclass(eq=False)
class VotedAlreadyError(RejectedError):
    """This member voted for the proposal already."""

    solidity = "ConsortiumVotedAlready"
    hint = "there is nothing to do: a vote stands"
    proposal_id: int
    member: str

    def _message(self) -> str:
        return f"{self.member} has voted for proposal {self.proposal_id} already"


@dataclass(eq=False)
class QuorumMissingError(RejectedError):
    """Too few members that have their seats have voted for the proposal."""

    solidity = "ConsortiumQuorumMissing"
    hint = "ask further members to vote: medshare consortium vote"
    proposal_id: int
    votes: int
    needed: int

    def _message(self) -> str:
        return f"proposal {self.proposal_id} has {self.votes} votes that count now, and needs {self.needed}"


@dataclass(eq=False)
class CallMismatchError(RejectedError):
    """This is not the call that was proposed."""

    solidity = "ConsortiumCallMismatch"
    hint = "execute it with the calldata of its event"
    proposal_id: int


@dataclass(eq=False)
class RulesOutOfRangeError(RejectedError):
    """The quorum must be more than half and at most all, the voting period between an hour and 90 days."""

    solidity = "ConsortiumRulesOutOfRange"
    hint = "choose a quorum of 51 to 100 and 3600 to 7776000 seconds"
    quorum: int
    voting_period: int


@dataclass(eq=False)
class WithoutMembersError(RejectedError):
    """A consortium needs a founding member."""

    solidity = "ConsortiumWithoutMembers"
    hint = "name the founding members in the network profile"
