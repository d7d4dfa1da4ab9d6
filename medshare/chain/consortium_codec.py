"""Between the words of Consortium and the model: calls out, structs in."""

from __future__ import annotations

from medshare.chain.codec import (
    WORD,
    address_word,
    bounded,
    choice,
    decode_bool,
    digest_word,
    encode_bytes,
    to_address,
    word,
    words,
)
from medshare.chain.wire import BadAnswerError
from medshare.model.accreditation import Accreditation, Member, MemberStatus, Suspension
from medshare.model.ids import Address, ProposalId
from medshare.model.proposal import Proposal, Tally, VotingRules

_U8, _U32, _U40 = (1 << 8) - 1, (1 << 32) - 1, (1 << 40) - 1
_SEATS = 256


def encode_proposing(target: Address, call_data: bytes, reason: bytes) -> bytes:
    """Return the arguments of ``propose(address,bytes,bytes32)``."""
    return address_word(target) + word(3 * WORD) + digest_word(reason) + encode_bytes(call_data)


def encode_executing(proposal_id: ProposalId, call_data: bytes) -> bytes:
    """Return the arguments of ``execute(uint256,bytes)``."""
    return word(proposal_id) + word(2 * WORD) + encode_bytes(call_data)


def encode_founding(founders: tuple[Address, ...], rules: VotingRules) -> bytes:
    """Return what the constructor is told: ``(address[],uint8,uint32)``."""
    head = word(3 * WORD) + word(rules.quorum) + word(rules.voting_period)
    return head + word(len(founders)) + b"".join(map(address_word, founders))


def decode_founding(arguments: bytes) -> tuple[tuple[Address, ...], VotingRules]:
    """Return founders and rules that ``encode_founding`` wrote; raises ``BadAnswerError`` for anything else."""
    if len(arguments) < 4 * WORD or len(arguments) % WORD:
        raise BadAnswerError("these are not the arguments of a consortium")
    offset, quorum, period, count, *founders = words(arguments, len(arguments) // WORD)
    if bounded(offset, _U32) != 3 * WORD or bounded(count, _U32) != len(founders):
        raise BadAnswerError("these are not the arguments of a consortium")
    rules = VotingRules(quorum=bounded(quorum, _U8), voting_period=bounded(period, _U32))
    return tuple(map(to_address, founders)), rules


def decode_member(answer: bytes) -> Member:
    """Return ``IDirectory.Member``."""
    seat, status = words(answer, 2)
    return Member(seat=bounded(seat, _U8), status=choice(MemberStatus, status))


def decode_accreditation(answer: bytes) -> Accreditation:
    """Return ``IDirectory.Accreditation``."""
    valid_until, seat, suspension = words(answer, 3)
    return Accreditation(
        valid_until=bounded(valid_until, _U40),
        seat=bounded(seat, _U8),
        suspension=choice(Suspension, suspension),
    )


def decode_proposal(proposal_id: ProposalId, answer: bytes) -> Proposal:
    """Return ``IConsortium.Proposal``."""
    proposer, deadline, executed, target, call_digest, votes = words(answer, 6)
    bits = int.from_bytes(votes, "big")
    return Proposal(
        proposal_id=proposal_id,
        proposer=to_address(proposer),
        deadline=bounded(deadline, _U40),
        executed=decode_bool(executed),
        target=to_address(target),
        call_digest=call_digest,
        votes=frozenset(seat for seat in range(_SEATS) if bits >> seat & 1),
    )


def decode_tally(answer: bytes) -> Tally:
    """Return what ``tally`` answers."""
    votes, needed = words(answer, 2)
    return Tally(votes=bounded(votes, _SEATS), needed=bounded(needed, _SEATS))


def decode_voting_rules(answer: bytes) -> VotingRules:
    """Return what ``votingRules`` answers."""
    quorum, period = words(answer, 2)
    return VotingRules(quorum=bounded(quorum, _U8), voting_period=bounded(period, _U32))
