// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";

import {Directory} from "./Directory.sol";
import {IConsortium} from "./interfaces/IConsortium.sol";
import {IGoverned} from "./interfaces/IGoverned.sol";
import {ProposalId} from "./types/Ids.sol";

/// @title Consortium
/// @notice Institutions that govern together, by votes that anybody can count and execute.
/// @dev Immutable, without owner. Votes are one word of seats, compared with the word of members that have theirs now:
/// who lost its seat has lost its vote, in every proposal at once.
contract Consortium is Directory, IConsortium {
    uint8 private constant LEAST_QUORUM = 51;
    uint8 private constant MOST_QUORUM = 100;
    uint32 private constant SHORTEST_VOTING = 1 hours;
    uint32 private constant LONGEST_VOTING = 90 days;

    uint8 private _quorum;
    uint32 private _votingPeriod;

    // slot 0: proposer, deadline, executed; slot 1: target; slot 2: callDigest; slot 3: votes
    mapping(ProposalId id => Proposal) private _proposals;

    /// @inheritdoc IConsortium
    uint256 public proposals;

    modifier byVote() {
        if (msg.sender != address(this)) revert ConsortiumNotByVote(msg.sender);
        _;
    }

    /// @param founders the first members
    /// @param quorum how many of a hundred seated members must vote for a proposal
    /// @param votingPeriod seconds from proposal to deadline
    constructor(address[] memory founders, uint8 quorum, uint32 votingPeriod) {
        if (founders.length == 0) revert ConsortiumWithoutMembers();

        _setVotingRules(quorum, votingPeriod);
        for (uint256 i = 0; i < founders.length; ++i) _admit(founders[i]);
    }

    // --------------------------------------------------------------------------------------------------- PROPOSING

    /// @inheritdoc IConsortium
    function propose(address target, bytes calldata callData, bytes32 reason) external returns (ProposalId id) {
        uint8 seat = _requireMember(msg.sender);

        if (target != address(this) && !_isGoverned(target)) revert ConsortiumTargetNotGoverned(target);

        id = ProposalId.wrap(++proposals);
        uint40 deadline = uint40(block.timestamp) + _votingPeriod;
        _proposals[id] = Proposal({
            proposer: msg.sender,
            deadline: deadline,
            executed: false,
            target: target,
            callDigest: keccak256(callData),
            votes: 1 << seat
        });

        emit Proposed(id, msg.sender, target, callData, reason, deadline);
        emit Voted(id, msg.sender);
    }

    /// @dev Asked of the contract itself: those that no vote may reach have no such function.
    function _isGoverned(address target) private view returns (bool) {
        (bool answered, bytes memory answer) = target.staticcall(abi.encodeCall(IGoverned.consortium, ()));

        return answered && answer.length == 32 && abi.decode(answer, (uint256)) == uint160(address(this));
    }

    // ------------------------------------------------------------------------------------------------------ VOTING

    /// @inheritdoc IConsortium
    function vote(ProposalId id) external {
        Proposal storage proposal = _pending(id);
        uint8 seat = _requireMember(msg.sender);

        if ((proposal.votes >> seat) & 1 == 1) revert ConsortiumVotedAlready(id, msg.sender);

        proposal.votes |= 1 << seat;

        emit Voted(id, msg.sender);
    }

    // --------------------------------------------------------------------------------------------------- EXECUTING

    /// @inheritdoc IConsortium
    function execute(ProposalId id, bytes calldata callData) external {
        Proposal storage proposal = _pending(id);

        if (keccak256(callData) != proposal.callDigest) revert ConsortiumCallMismatch(id);
        (uint256 votes, uint256 needed) = _tally(proposal);
        if (votes < needed) revert ConsortiumQuorumMissing(id, votes, needed);

        proposal.executed = true;

        emit ProposalExecuted(id, msg.sender);

        Address.functionCall(proposal.target, callData);
    }

    function _pending(ProposalId id) private view returns (Proposal storage proposal) {
        proposal = _existing(id);

        if (proposal.executed) revert ConsortiumProposalExecuted(id);
        if (block.timestamp >= proposal.deadline) revert ConsortiumProposalExpired(id, proposal.deadline);
    }

    function _tally(Proposal storage proposal) private view returns (uint256 votes, uint256 needed) {
        for (uint256 counted = proposal.votes & _seated; counted != 0; counted &= counted - 1) ++votes;
        needed = (_seatedMembers() * _quorum + 99) / 100;
    }

    // -------------------------------------------------------------------------------------------- DECIDED BY VOTE

    /// @inheritdoc IConsortium
    function admit(address member) external byVote {
        _admit(member);
    }

    /// @inheritdoc IConsortium
    function remove(address member) external byVote {
        _remove(member);
    }

    /// @inheritdoc IConsortium
    function suspend(address member) external byVote {
        _suspend(member);
    }

    /// @inheritdoc IConsortium
    function reinstate(address member) external byVote {
        _reinstate(member);
    }

    /// @inheritdoc IConsortium
    function setVotingRules(uint8 quorum, uint32 votingPeriod) external byVote {
        _setVotingRules(quorum, votingPeriod);
    }

    function _setVotingRules(uint8 quorum, uint32 votingPeriod) private {
        if (
            quorum < LEAST_QUORUM ||
            quorum > MOST_QUORUM ||
            votingPeriod < SHORTEST_VOTING ||
            votingPeriod > LONGEST_VOTING
        ) revert ConsortiumRulesOutOfRange(quorum, votingPeriod);

        _quorum = quorum;
        _votingPeriod = votingPeriod;

        emit VotingRulesSet(quorum, votingPeriod);
    }

    // ------------------------------------------------------------------------------------------------------ VIEWS

    /// @inheritdoc IConsortium
    function votingRules() external view returns (uint8 quorum, uint32 votingPeriod) {
        return (_quorum, _votingPeriod);
    }

    /// @inheritdoc IConsortium
    function getProposal(ProposalId id) external view returns (Proposal memory) {
        return _existing(id);
    }

    /// @inheritdoc IConsortium
    function tally(ProposalId id) external view returns (uint256 votes, uint256 needed) {
        return _tally(_existing(id));
    }

    // -------------------------------------------------------------------------------------------- SHARED INTERNALS

    function _existing(ProposalId id) private view returns (Proposal storage proposal) {
        proposal = _proposals[id];

        if (proposal.deadline == 0) revert ConsortiumProposalUnknown(id);
    }

    function _domainName() internal pure override returns (string memory) {
        return "medshare Consortium";
    }
}
