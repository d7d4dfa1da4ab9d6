"""The contract Consortium, as ``ports.ConsortiumLedger`` and ``ports.AccreditationLedger``."""

from __future__ import annotations

from collections.abc import Mapping

from medshare.chain.client import ChainClient
from medshare.chain.codec import address_word, decode_bool, selector, to_address, word, words
from medshare.chain.consortium_codec import (
    decode_accreditation,
    decode_member,
    decode_proposal,
    decode_tally,
    decode_voting_rules,
    encode_executing,
    encode_proposing,
)
from medshare.chain.events import told
from medshare.chain.transactions import TransactionSender
from medshare.model.accreditation import Accreditation, AccreditationKind, Member
from medshare.model.eip712 import encode_word
from medshare.model.events import BlockRef, Proposed
from medshare.model.governed import GovernedCall, encode_call
from medshare.model.ids import Address, ProposalId
from medshare.model.proposal import Proposal, Tally, VotingRules
from medshare.ports import OpenedProposal, Receipt, Signer

CONTRACT = "Consortium"


class ConsortiumAdapter:
    """Speaks to a deployed Consortium about members, proposals and votes.

    Every method raises ``LedgerUnavailableError`` where the node fails, and writing raises as
    ``TransactionSender.send``.

    Args:
        client: the chain.
        sender: who sends, and remembers.
        addresses: the contracts that it governs, itself among them, by name.
    """

    def __init__(self, client: ChainClient, sender: TransactionSender, addresses: Mapping[str, Address]) -> None:
        self._client = client
        self._sender = sender
        self._addresses = addresses

    @property
    def address(self) -> Address:
        """The contract's own, which earns the consortium's share of rewards."""
        return self._addresses[CONTRACT]

    def propose(
        self, signer: Signer, call: GovernedCall, reason: bytes, *, intent: str | None = None
    ) -> OpenedProposal:
        """Propose a call, as a member, which is a vote for it.

        Raises:
            NotAMemberError: the signer has no seat now.
            InvalidInputError: a value that the chain could not hold, or the reason has not 32 bytes.
        """
        data = selector(CONTRACT, "propose(address,bytes,bytes32)")
        data += encode_proposing(self._addresses[call.contract], encode_call(call), reason)
        receipt = self._sender.send(signer, to=self.address, data=data, intent=intent)
        proposed = told(self._client, self.address, CONTRACT, Proposed, receipt)
        return OpenedProposal(proposal_id=proposed.proposal_id, receipt=receipt)

    def vote(self, signer: Signer, proposal_id: ProposalId) -> Receipt:
        """Vote for a proposal, as a member.

        Raises:
            UnknownProposalError, ProposalExecutedError, ProposalExpiredError: there is nothing to vote for.
            NotAMemberError, VotedAlreadyError: the signer has no seat, or voted before.
        """
        return self._sender.send(signer, to=self.address, data=self._asked("vote(uint256)", proposal_id))

    def execute(self, payer: Signer, proposal_id: ProposalId, call_data: bytes) -> Receipt:
        """Execute a proposal that has passed, with the calldata of its event; anybody may send.

        Raises:
            UnknownProposalError, ProposalExecutedError, ProposalExpiredError: there is nothing to execute.
            CallMismatchError, QuorumMissingError: this was not proposed, or has not passed.
            RejectedError: as the call that it makes.
        """
        data = selector(CONTRACT, "execute(uint256,bytes)") + encode_executing(proposal_id, call_data)
        return self._sender.send(payer, to=self.address, data=data)

    def proposal(self, proposal_id: ProposalId, *, block: BlockRef) -> Proposal:
        """Return a proposal as it stands; raises ``UnknownProposalError``."""
        data = self._asked("getProposal(uint256)", proposal_id)
        return decode_proposal(proposal_id, self._client.call(self.address, data, block=block))

    def tally(self, proposal_id: ProposalId, *, block: BlockRef) -> Tally:
        """Return how many votes count now, and how many are needed; raises ``UnknownProposalError``."""
        return decode_tally(self._client.call(self.address, self._asked("tally(uint256)", proposal_id), block=block))

    def member(self, member: Address, *, block: BlockRef) -> Member:
        """Return an institution's seat and standing; empty where it was never a member."""
        data = selector(CONTRACT, "getMember(address)") + address_word(member)
        return decode_member(self._client.call(self.address, data, block=block))

    def member_at(self, seat: int, *, block: BlockRef) -> Address:
        """Return who has, or had, a seat; the zero address where nobody did."""
        data = selector(CONTRACT, "memberAt(uint8)") + encode_word("uint8", seat, "seat")
        (member,) = words(self._client.call(self.address, data, block=block), 1)
        return to_address(member)

    def voting_rules(self, *, block: BlockRef) -> VotingRules:
        """Return the rules of voting as they stand."""
        return decode_voting_rules(self._client.call(self.address, selector(CONTRACT, "votingRules()"), block=block))

    @staticmethod
    def _asked(function: str, proposal_id: ProposalId) -> bytes:
        return selector(CONTRACT, function) + encode_word("uint256", proposal_id, "proposal")


class AccreditationAdapter:
    """Speaks to a deployed Consortium about whom its members accredited.

    Every method raises ``LedgerUnavailableError`` where the node fails, and writing raises as
    ``TransactionSender.send``.
    """

    def __init__(self, client: ChainClient, sender: TransactionSender, address: Address) -> None:
        self._client = client
        self._sender = sender
        self.address = address

    def accredit(self, signer: Signer, actor: Address, kind: AccreditationKind, valid_until: int) -> Receipt:
        """Accredit an actor until a time, or withdraw it with 0, as a member.

        Raises:
            NotAMemberError: the signer has no seat now.
            AccreditedByAnotherError: another member's word stands.
            AccreditationInvalidError: the actor is the zero address.
            InvalidInputError: no time that the chain could hold.
        """
        until = encode_word("uint40", valid_until, "the time until when somebody is accredited")
        return self._send(signer, "accredit(address,uint8,uint40)", _of(actor, kind) + until)

    def suspend(self, signer: Signer, actor: Address, kind: AccreditationKind) -> Receipt:
        """Suspend an actor, as the member that accredited him.

        Raises:
            NotAMemberError, AccreditedByAnotherError: it is not the signer's to suspend.
            SuspensionInvalidError: nobody accredited him, or he is suspended.
        """
        return self._send(signer, "suspendAccreditation(address,uint8)", _of(actor, kind))

    def reinstate(self, signer: Signer, actor: Address, kind: AccreditationKind) -> Receipt:
        """Lift one's own suspension of an actor, as the member that accredited him.

        Raises:
            NotAMemberError, AccreditedByAnotherError, SuspendedByVoteError: it is not the signer's to lift.
            SuspensionInvalidError: he is not suspended.
        """
        return self._send(signer, "reinstateAccreditation(address,uint8)", _of(actor, kind))

    def accreditation(self, actor: Address, kind: AccreditationKind, *, block: BlockRef) -> Accreditation:
        """Return an accreditation as it stands, in force or not; empty where nobody ever gave one."""
        data = selector(CONTRACT, "getAccreditation(address,uint8)") + _of(actor, kind)
        return decode_accreditation(self._client.call(self.address, data, block=block))

    def is_accredited(self, actor: Address, kind: AccreditationKind, *, block: BlockRef) -> bool:
        """Return the contract's own answer at that block's time."""
        data = selector(CONTRACT, "isAccredited(address,uint8)") + _of(actor, kind)
        (accredited,) = words(self._client.call(self.address, data, block=block), 1)
        return decode_bool(accredited)

    def _send(self, signer: Signer, function: str, arguments: bytes) -> Receipt:
        return self._sender.send(signer, to=self.address, data=selector(CONTRACT, function) + arguments)


def _of(actor: Address, kind: AccreditationKind) -> bytes:
    return address_word(actor) + word(kind)
