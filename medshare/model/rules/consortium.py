"""Consortium: members propose calls, vote for them, and anybody executes what has passed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from medshare.errors import (
    CallMismatchError,
    MemberInvalidError,
    NotByVoteError,
    ProposalExecutedError,
    ProposalExpiredError,
    QuorumMissingError,
    RulesOutOfRangeError,
    SeatsExhaustedError,
    TargetNotGovernedError,
    UnknownProposalError,
    VotedAlreadyError,
    WithoutMembersError,
)
from medshare.hashing import keccak256
from medshare.model.accreditation import MemberStatus
from medshare.model.events import (
    EventPlace,
    MemberAdmitted,
    MemberReinstated,
    MemberRemoved,
    MemberSuspended,
    ProposalExecuted,
    Proposed,
    Voted,
    VotingEvent,
    VotingRulesSet,
)
from medshare.model.ids import ZERO_ADDRESS, Address, ProposalId
from medshare.model.proposal import (
    LEAST_QUORUM,
    LONGEST_VOTING,
    MOST_QUORUM,
    SHORTEST_VOTING,
    Proposal,
    Tally,
    VotingRules,
)
from medshare.model.rules.directory import LAST_SEAT, DirectoryRules


@dataclass
class ConsortiumRules(DirectoryRules):
    """State and verbs of Consortium; executing needs all contracts, and is in ``LedgerModel``."""

    voting_rules: VotingRules = field(default_factory=VotingRules)
    proposals: dict[ProposalId, Proposal] = field(default_factory=dict)

    def found(
        self, founders: Sequence[Address], rules: VotingRules, place: EventPlace
    ) -> tuple[VotingRulesSet | MemberAdmitted, ...]:
        """Found the consortium, as its constructor does: nobody has a seat before."""
        if not founders:
            raise WithoutMembersError
        _require_rules(rules)
        for number, founder in enumerate(founders):
            is_repeated = founder in founders[:number]
            if is_repeated or founder in (ZERO_ADDRESS, self.consortium):
                raise MemberInvalidError(founder, MemberStatus.SEATED if is_repeated else MemberStatus.UNKNOWN)
        if len(founders) > LAST_SEAT:
            raise SeatsExhaustedError
        began = self._set_voting_rules(rules, place)
        admitted = [self._admit(founder, place.after(at))[0] for at, founder in enumerate(founders, start=1)]
        return (*began, *admitted)

    # ----------------------------------------------------------------------------------------- proposing

    def propose(
        self, caller: Address, target: Address, call_data: bytes, reason: bytes, place: EventPlace
    ) -> tuple[Proposed, Voted]:
        """Propose a call, as a member that has its seat; that is a vote for it, too."""
        self._require_member(caller)
        if target != self.consortium and not self._is_governed(target):
            raise TargetNotGovernedError(target)
        proposed = Proposed(
            place=place,
            proposal_id=ProposalId(len(self.proposals) + 1),
            proposer=caller,
            target=target,
            call_data=call_data,
            reason=reason,
            deadline=place.block.time + self.voting_rules.voting_period,
        )
        voted = Voted(place=place.after(), proposal_id=proposed.proposal_id, member=caller)
        self._apply_voting(proposed)
        self._apply_voting(voted)
        return proposed, voted

    def _is_governed(self, target: Address) -> bool:  # noqa: ARG002 - who has other contracts says which
        """Whether another contract says that this consortium governs it."""
        return False

    # -------------------------------------------------------------------------------------------- voting

    def vote(self, caller: Address, proposal_id: ProposalId, place: EventPlace) -> tuple[Voted]:
        """Vote for a proposal, as a member that has its seat."""
        proposal = self._pending(proposal_id, place.block.time)
        if self._require_member(caller) in proposal.votes:
            raise VotedAlreadyError(proposal_id, caller)
        event = Voted(place=place, proposal_id=proposal_id, member=caller)
        self._apply_voting(event)
        return (event,)

    def _check_execution(self, proposal_id: ProposalId, call_data: bytes, now: int) -> Proposal:
        """Return a proposal that may be executed now."""
        proposal = self._pending(proposal_id, now)
        if keccak256(call_data) != proposal.call_digest:
            raise CallMismatchError(proposal_id)
        tally = self.tally(proposal_id)
        if not tally.passed:
            raise QuorumMissingError(proposal_id, tally.votes, tally.needed)
        return proposal

    def _pending(self, proposal_id: ProposalId, now: int) -> Proposal:
        proposal = self.proposal(proposal_id)
        if proposal.executed:
            raise ProposalExecutedError(proposal_id)
        if now >= proposal.deadline:
            raise ProposalExpiredError(proposal_id, proposal.deadline)
        return proposal

    # ----------------------------------------------------------------------------------- decided by vote

    def admit(self, caller: Address, member: Address, place: EventPlace) -> tuple[MemberAdmitted]:
        """Give an institution a seat, its old one if it had one. By vote."""
        self._require_consortium(caller)
        return self._admit(member, place)

    def remove(self, caller: Address, member: Address, place: EventPlace) -> tuple[MemberRemoved]:
        """Take a member's seat. By vote."""
        self._require_consortium(caller)
        return self._remove(member, place)

    def suspend(self, caller: Address, member: Address, place: EventPlace) -> tuple[MemberSuspended]:
        """Take a member's seat for a time. By vote."""
        self._require_consortium(caller)
        return self._suspend(member, place)

    def reinstate(self, caller: Address, member: Address, place: EventPlace) -> tuple[MemberReinstated]:
        """Give a suspended member its seat again. By vote."""
        self._require_consortium(caller)
        return self._reinstate(member, place)

    def set_voting_rules(self, caller: Address, rules: VotingRules, place: EventPlace) -> tuple[VotingRulesSet]:
        """Set the rules of voting. By vote."""
        self._require_consortium(caller)
        return self._set_voting_rules(rules, place)

    def _set_voting_rules(self, rules: VotingRules, place: EventPlace) -> tuple[VotingRulesSet]:
        _require_rules(rules)
        event = VotingRulesSet(place=place, rules=rules)
        self._apply_voting(event)
        return (event,)

    def _require_consortium(self, caller: Address) -> None:
        if caller != self.consortium:
            raise NotByVoteError(caller)

    # ------------------------------------------------------------------------------------ reads, replay

    def proposal(self, proposal_id: ProposalId) -> Proposal:
        """Return a proposal as it stands; raises ``UnknownProposalError``."""
        if proposal_id not in self.proposals:
            raise UnknownProposalError(proposal_id)
        return self.proposals[proposal_id]

    def tally(self, proposal_id: ProposalId) -> Tally:
        """Return how many votes of members that have their seats a proposal has, and how many it needs."""
        votes = self.proposal(proposal_id).votes & self.seated
        return Tally(votes=len(votes), needed=self.voting_rules.needed(len(self.seated)))

    def _apply_voting(self, event: VotingEvent) -> None:
        match event:
            case Proposed():
                self.proposals[event.proposal_id] = Proposal(
                    proposal_id=event.proposal_id,
                    proposer=event.proposer,
                    deadline=event.deadline,
                    executed=False,
                    target=event.target,
                    call_digest=keccak256(event.call_data),
                    votes=frozenset(),
                )
            case Voted():
                proposal = self.proposals[event.proposal_id]
                votes = proposal.votes | {self.member(event.member).seat}
                self.proposals[event.proposal_id] = replace(proposal, votes=votes)
            case ProposalExecuted():
                self.proposals[event.proposal_id] = replace(self.proposals[event.proposal_id], executed=True)
            case VotingRulesSet():
                self.voting_rules = event.rules


def _require_rules(rules: VotingRules) -> None:
    is_quorum = LEAST_QUORUM <= rules.quorum <= MOST_QUORUM
    if not is_quorum or not SHORTEST_VOTING <= rules.voting_period <= LONGEST_VOTING:
        raise RulesOutOfRangeError(rules.quorum, rules.voting_period)
