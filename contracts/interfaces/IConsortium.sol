// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ProposalId} from "../types/Ids.sol";
import {IDirectory} from "./IDirectory.sol";

/// @title Institutions that govern together
/// @notice Members propose, vote, and anybody executes what has passed.
/// @dev A proposal is a call of this contract, or of one that says that this consortium governs it (IGoverned). The
/// consent, record and emergency contracts say no such thing: no vote reaches them, and nobody's records with them. There
/// is no owner, and no key but the members'. A vote counts only while its member has its seat.
interface IConsortium is IDirectory {
    /// @notice A proposal.
    /// @param proposer the member that proposed
    /// @param deadline first second in which it is too late to vote or execute, Unix time
    /// @param executed whether it was executed
    /// @param target the contract that is called
    /// @param callDigest keccak256 of the calldata
    /// @param votes seats that voted for it, one bit each, seat 1 in the second lowest
    struct Proposal {
        address proposer;
        uint40 deadline;
        bool executed;
        address target;
        bytes32 callDigest;
        uint256 votes;
    }

    /// @notice A member proposed a call.
    /// @param id its number, from 1
    /// @param callData the whole calldata: who executes it needs it
    /// @param reason salted digest of the reason; the text is off chain
    /// @custom:privacy Makes public what the institutions are to decide, and who proposed it; the reason only to who has
    /// its text and salt.
    event Proposed(
        ProposalId indexed id,
        address indexed proposer,
        address indexed target,
        bytes callData,
        bytes32 reason,
        uint40 deadline
    );

    /// @notice A member voted for a proposal.
    /// @custom:privacy Makes public how the institution voted, and when.
    event Voted(ProposalId indexed id, address indexed member);

    /// @notice A proposal that had passed was executed.
    /// @custom:privacy Makes public what was decided, and who sent it.
    event ProposalExecuted(ProposalId indexed id, address indexed by);

    /// @notice The rules of voting were set.
    /// @custom:privacy Makes public how the institutions decide.
    event VotingRulesSet(uint8 quorum, uint32 votingPeriod);

    /// @notice Only a vote can do this.
    /// @custom:privacy Nothing: says what the caller asked.
    error ConsortiumNotByVote(address caller);

    /// @notice No vote reaches this contract: it is neither this consortium nor governed by it.
    /// @custom:privacy Nothing: says what the caller asked.
    error ConsortiumTargetNotGoverned(address target);

    /// @notice Nothing was proposed under this number.
    /// @custom:privacy Nothing: says what the caller asked.
    error ConsortiumProposalUnknown(ProposalId id);

    /// @notice It is too late to vote for it, or to execute it.
    /// @custom:privacy Nothing: proposals are public.
    error ConsortiumProposalExpired(ProposalId id, uint40 deadline);

    /// @notice It was executed already.
    /// @custom:privacy Nothing: proposals are public.
    error ConsortiumProposalExecuted(ProposalId id);

    /// @notice This member voted for it already.
    /// @custom:privacy Nothing: votes are public.
    error ConsortiumVotedAlready(ProposalId id, address member);

    /// @notice Too few members that have their seats have voted for it.
    /// @custom:privacy Nothing: votes are public.
    error ConsortiumQuorumMissing(ProposalId id, uint256 votes, uint256 needed);

    /// @notice This is not the call that was proposed.
    /// @custom:privacy Nothing: says what the caller sent.
    error ConsortiumCallMismatch(ProposalId id);

    /// @notice The quorum must be more than half and at most all, the voting period between an hour and 90 days.
    /// @custom:privacy Nothing: says what was proposed.
    error ConsortiumRulesOutOfRange(uint8 quorum, uint32 votingPeriod);

    /// @notice A consortium needs a founding member.
    /// @custom:privacy Nothing.
    error ConsortiumWithoutMembers();

    /// @notice Propose a call of this contract, or of one that it governs; that is a vote for it, too.
    /// @param target whom to call
    /// @param callData with what
    /// @param reason salted digest of the reason
    /// @return id its number
    /// @custom:privacy Makes public what is to be decided, and who proposed it.
    function propose(address target, bytes calldata callData, bytes32 reason) external returns (ProposalId id);

    /// @notice Vote for a proposal.
    /// @custom:privacy Makes public how the institution voted, and when.
    function vote(ProposalId id) external;

    /// @notice Execute a proposal that has passed; anybody may.
    /// @param callData as it was proposed
    /// @custom:privacy Makes public what was decided, and who sent it.
    function execute(ProposalId id, bytes calldata callData) external;

    /// @notice Give an institution a seat, its old one if it had one. By vote.
    /// @custom:privacy Makes public that this address is an institution of the consortium.
    function admit(address member) external;

    /// @notice Take a member's seat. What it accredited counts no longer. By vote.
    /// @custom:privacy Makes public that the institution left, and when.
    function remove(address member) external;

    /// @notice Take a member's seat for a time. By vote.
    /// @custom:privacy Makes public that the institution was suspended, and when.
    function suspend(address member) external;

    /// @notice Give a suspended member its seat again. By vote.
    /// @custom:privacy Makes public that the suspension ended, and when.
    function reinstate(address member) external;

    /// @notice Set the rules of voting. By vote.
    /// @dev Warning: where all must vote, one member's lost key ends all voting.
    /// @param quorum how many of a hundred seated members must vote for a proposal, 51 to 100
    /// @param votingPeriod seconds from proposal to deadline
    /// @custom:privacy Makes public how the institutions decide.
    function setVotingRules(uint8 quorum, uint32 votingPeriod) external;

    /// @notice The rules of voting as they stand.
    /// @custom:privacy Nothing new: reads what is public.
    function votingRules() external view returns (uint8 quorum, uint32 votingPeriod);

    /// @notice A proposal as it stands. Reverts where there is none.
    /// @custom:privacy Nothing new: reads what is public.
    function getProposal(ProposalId id) external view returns (Proposal memory);

    /// @notice How many were proposed so far.
    /// @custom:privacy Nothing new: reads what is public.
    function proposals() external view returns (uint256);

    /// @notice How many votes of members that have their seats a proposal has now, and how many it needs now.
    /// @custom:privacy Nothing new: reads what is public.
    function tally(ProposalId id) external view returns (uint256 votes, uint256 needed);
}
