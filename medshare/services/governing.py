"""Governing: member institutions accredit actors alone, and decide together, by votes that anybody can count.

    governing.accredit(hospital, AccreditationKind.CUSTODIAN, until, member=us)
    made = governing.propose(AdmitMember(member=clinic), "They treat a third of our patients.", member=us)
    file.write_bytes(made.reason.to_json())                          # to the other members, who check it
    governing.vote(made.proposal, member=them)
    governing.execute(made.proposal.proposal_id, payer=anybody)

How things stand is read from the chain's own events, at one block. Why something is proposed never leaves this machine
by itself: a salted digest goes on chain, text and salt into the safe. No vote reaches a consent, a record or an
emergency.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from medshare.errors import AccreditedByAnotherError, IntegrityError, InvalidInputError, UnknownProposalError
from medshare.hashing import keccak256
from medshare.model.accreditation import AccreditationKind, MemberStatus, Suspension
from medshare.model.events import Accredited, BlockRef, LedgerEvent, MemberAdmitted, ProposalExecuted, Proposed, Voted
from medshare.model.governed import GovernedCall, decode_call, encode_call
from medshare.model.ids import Address, ProposalId
from medshare.model.ledger import LedgerModel
from medshare.model.proposal import Tally, VotingRules
from medshare.ports import Actor, Clock, Ledger, Receipt
from medshare.services.auditing import Auditing, Governance
from medshare.services.kept_texts import KeptTexts, SaltedText
from medshare.services.safe import Safe

_REASON = "medshare/proposal-reason/1"
_log = logging.getLogger(__name__)


class ProposalState(StrEnum):
    """How far a proposal has come."""

    PENDING = "pending"
    """More votes are needed, and can still come."""
    PASSED = "passed"
    """Anybody can execute it, as long as it lasts and the votes count."""
    EXECUTED = "executed"
    EXPIRED = "expired"


class NotInForce(StrEnum):
    """Why an accreditation does not count now."""

    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    SUSPENDED_BY_MEMBER = "suspended by the member"
    SUSPENDED_BY_VOTE = "suspended by vote"
    MEMBER_LOST_SEAT = "the member lost its seat"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberStanding:
    """A member institution, as it stands."""

    member: Address
    seat: int
    status: MemberStatus
    admitted_at: int
    """When it last became a member, Unix time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccreditationStanding:
    """What one member said of an actor in one capacity, and whether it counts now."""

    actor: Address
    kind: AccreditationKind
    member: Address
    """Whose word it is."""
    said_at: int
    """When, Unix time."""
    valid_until: int
    """First second in which it no longer holds, Unix time; 0 where it was withdrawn."""
    not_in_force: tuple[NotInForce, ...]
    """Every reason why it does not count; empty while it does."""

    @property
    def in_force(self) -> bool:
        """Whether the actor is accredited."""
        return not self.not_in_force


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """A member's vote for a proposal."""

    member: Address
    at: int
    """Unix time."""
    counts: bool
    """Whether the member has its seat now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalStanding:
    """A proposal, as it stands."""

    proposed: Proposed
    contract: str | None
    """The name of the contract that it calls; None where it is none of ours."""
    call: GovernedCall | None
    """What it does; None where nobody here knows."""
    ballots: tuple[Ballot, ...]
    tally: Tally
    """The votes that count now, and how many are needed now."""
    state: ProposalState
    executed: ProposalExecuted | None

    @property
    def proposal_id(self) -> ProposalId:
        """Its number."""
        return self.proposed.proposal_id

    @property
    def is_open(self) -> bool:
        """Whether it can still be voted for or executed."""
        return self.state in (ProposalState.PENDING, ProposalState.PASSED)

    def voted(self, member: Address) -> bool:
        """Whether a member has voted for it."""
        return any(ballot.member == member for ballot in self.ballots)


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeProposal:
    """A proposal that was made."""

    proposal: ProposalStanding
    reason: SaltedText
    """Its document is for the other members: they compare it with the chain."""
    receipt: Receipt | None
    """None where the same proposal was open already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsortiumStanding:
    """The consortium, as it stands at a block."""

    members: tuple[MemberStanding, ...]
    """All there ever were, by seat."""
    rules: VotingRules
    block: BlockRef

    @property
    def seated(self) -> tuple[Address, ...]:
        """Those that have their seats now."""
        return tuple(each.member for each in self.members if each.status is MemberStatus.SEATED)


class Governing:
    """Accredits, proposes, votes and executes.

    Args:
        ledger: the contracts.
        clock: the time on the wall.
        auditing: what the chain tells of members, accreditations and proposals.
        safe: where the reasons of proposals are kept.
    """

    def __init__(self, *, ledger: Ledger, clock: Clock, auditing: Auditing, safe: Safe) -> None:
        self._ledger = ledger
        self._clock = clock
        self._auditing = auditing
        self._texts = KeptTexts(safe)

    # ------------------------------------------------------------------------------------------ members

    def consortium(self) -> ConsortiumStanding:
        """Return members and rules as they stand. Raises ``LedgerError``."""
        known = self._auditing.governance()
        admitted = {event.member: event.place.block.time for event in known.of(MemberAdmitted)}
        members = [
            MemberStanding(member=account, seat=member.seat, status=member.status, admitted_at=admitted[account])
            for account, member in known.model.members.items()
        ]
        members.sort(key=lambda each: each.seat)
        return ConsortiumStanding(members=tuple(members), rules=known.model.voting_rules, block=known.block)

    # ----------------------------------------------------------------------------------- accreditations

    def accredit(self, actor: Address, kind: AccreditationKind, until: int, *, member: Actor) -> Receipt:
        """Accredit an actor until a time, in the member's own name. It lifts no suspension.

        Args:
            actor: who.
            kind: as what.
            until: first second in which it no longer holds, Unix time.
            member: who answers for him.

        Raises:
            InvalidInputError: that time has passed.
            NotAMemberError: this is no member, or has lost its seat.
            AccreditedByAnotherError: another member's word stands.
            AccreditationInvalidError: the zero address.
        """
        if until <= self._now(self._ledger.chain.head()):
            raise InvalidInputError(
                "that moment has passed: nobody would be accredited", hint="name a moment that lies ahead"
            )
        with self._naming_the_other():
            return self._ledger.accreditation.accredit(member.signer, actor, kind, until)

    def withdraw(self, actor: Address, kind: AccreditationKind, *, member: Actor) -> Receipt:
        """Take back what the member said of an actor; raises as ``accredit``."""
        with self._naming_the_other():
            return self._ledger.accreditation.accredit(member.signer, actor, kind, 0)

    def suspend(self, actor: Address, kind: AccreditationKind, *, member: Actor) -> Receipt:
        """Suspend an actor from the next block on, as the member that accredited him.

        Raises:
            NotAMemberError: this is no member, or has lost its seat.
            AccreditedByAnotherError: another member accredited him: propose it.
            SuspensionInvalidError: nobody accredited him, or he is suspended already.
        """
        with self._naming_the_other():
            return self._ledger.accreditation.suspend(member.signer, actor, kind)

    def reinstate(self, actor: Address, kind: AccreditationKind, *, member: Actor) -> Receipt:
        """Lift the member's own suspension of an actor.

        Raises:
            NotAMemberError, AccreditedByAnotherError: as ``suspend``.
            SuspensionInvalidError: he is not suspended.
            SuspendedByVoteError: a vote suspended him, and only a vote can lift it.
        """
        with self._naming_the_other():
            return self._ledger.accreditation.reinstate(member.signer, actor, kind)

    def accreditations(
        self, *, kind: AccreditationKind | None = None, actor: Address | None = None
    ) -> list[AccreditationStanding]:
        """Return who is accredited as what, by whom and until when, in force or not, oldest first.

        Args:
            kind: in this capacity only.
            actor: of this actor only.

        Raises:
            LedgerError: the chain failed.
        """
        known = self._auditing.governance()
        now = self._now(known.block)
        said = {(event.actor, event.kind): event for event in known.of(Accredited)}
        return [
            _accreditation(event, known.model, now)
            for event in said.values()
            if kind in (None, event.kind) and actor in (None, event.actor)
        ]

    def accreditation(self, actor: Address, kind: AccreditationKind) -> AccreditationStanding | None:
        """Return an actor's accreditation in one capacity, or None where nobody gave one. Raises ``LedgerError``."""
        found = self.accreditations(kind=kind, actor=actor)
        return found[0] if found else None

    @contextmanager
    def _naming_the_other(self) -> Iterator[None]:
        try:
            yield
        except AccreditedByAnotherError as error:
            other = self._ledger.consortium.member_at(error.seat, block=self._ledger.chain.head())
            error.hint = f"ask {other}, whose word it is; or propose it: medshare consortium propose suspend-actor"
            raise

    # ---------------------------------------------------------------------------------------- proposals

    def propose(self, call: GovernedCall, reason: str, *, member: Actor) -> MadeProposal:
        """Propose a call, which is a vote for it, too. Repeated, it is the same proposal as long as that is open.

        Args:
            call: what shall be decided.
            reason: why; kept here, only a salted digest goes on chain.
            member: who proposes.

        Raises:
            NotAMemberError: this is no member, or has lost its seat.
            TargetNotGovernedError: no vote reaches this contract.
            LedgerError, StoreFullError: chain or disk failed; repeat.
        """
        target, call_data = self._targets[call.contract], encode_call(call)
        context = bytes.fromhex(target[2:]) + call_data
        # Kept before it is sent: a digest whose text nobody has says nothing.
        kept = self._texts.keep(reason, owner=member, tag=_REASON, context=context)
        same = [each for each in self.proposals() if _is(each.proposed, member.address, target, call_data, kept.digest)]
        for each in same:
            if each.is_open:
                return MadeProposal(proposal=each, reason=kept, receipt=None)
        # The count tells one that shall be made anew from a repetition after a lost answer.
        intent = f"propose/{member.address}/{len(same)}/{keccak256(context).hex()}/{kept.digest.hex()}"
        opened = self._ledger.consortium.propose(member.signer, call, kept.digest, intent=intent)
        _log.debug("proposal %d in block %d", opened.proposal_id, opened.receipt.block.number)
        return MadeProposal(proposal=self.proposal(opened.proposal_id), reason=kept, receipt=opened.receipt)

    def vote(self, proposal: ProposalStanding, *, member: Actor) -> Receipt:
        """Vote for a proposal, as it was shown: ``describe_call`` says what it does.

        Raises:
            ProposalExpiredError, ProposalExecutedError: it is too late.
            NotAMemberError: this is no member, or has lost its seat.
            VotedAlreadyError: it has voted: its vote stands.
            IntegrityError: what was shown is not what the contract holds under this number.
        """
        self._check_told(proposal.proposed)
        return self._ledger.consortium.vote(member.signer, proposal.proposal_id)

    def execute(self, proposal_id: ProposalId, *, payer: Actor) -> Receipt:
        """Execute a proposal that has passed; anybody may.

        Raises:
            UnknownProposalError: there is none.
            QuorumMissingError: too few of the votes count now.
            ProposalExpiredError, ProposalExecutedError: it is too late.
            IntegrityError: the node's events are not what was proposed.
            RejectedError: what was decided cannot be done as things stand.
        """
        proposed = self.proposal(proposal_id).proposed
        self._check_told(proposed)
        return self._ledger.consortium.execute(payer.signer, proposal_id, proposed.call_data)

    def _check_told(self, proposed: Proposed) -> None:
        """Compare what an event told with what the contract holds now: another branch may have won meanwhile."""
        held = self._ledger.consortium.proposal(proposed.proposal_id, block=self._ledger.chain.head())
        if (held.target, held.call_digest) != (proposed.target, keccak256(proposed.call_data)):
            raise IntegrityError(
                f"the contract holds another proposal {proposed.proposal_id} than the one that was told",
                hint="look at it again; if that does not help: medshare audit rebuild",
            )

    def proposals(self) -> list[ProposalStanding]:
        """Return all proposals, as they stand, oldest first. Raises ``LedgerError``."""
        known = self._auditing.governance()
        return [self._standing(each, known) for each in known.of(Proposed)]

    def proposal(self, proposal_id: ProposalId) -> ProposalStanding:
        """Return a proposal as it stands; raises ``UnknownProposalError``, ``LedgerError``."""
        for each in self.proposals():
            if each.proposal_id == proposal_id:
                return each
        raise UnknownProposalError(proposal_id)

    def reason_of(self, proposal: ProposalStanding, *, owner: Actor) -> SaltedText | None:
        """Return why something was proposed, where ``owner`` proposed it from here, or None.

        Raises:
            EnvelopeError: it is another identity's.
        """
        return self._texts.find(proposal.proposed.reason, owner=owner)

    def check_reason(self, proposal: ProposalStanding, document: bytes) -> str:
        """Return the reason in a document that the proposer gave out.

        Raises:
            InvalidInputError: it is no such document.
            IntegrityError: it is not what the proposal's digest is of.
        """
        found = SaltedText.from_json(document)
        if found.digest != proposal.proposed.reason:
            raise IntegrityError(
                f"this is not the reason that was given for proposal {proposal.proposal_id}",
                hint="ask the member that proposed it for the file",
            )
        return found.text

    def events(self) -> tuple[LedgerEvent, ...]:
        """Return all that happened to members, accreditations and proposals, in order. Raises ``LedgerError``."""
        return self._auditing.governance().events

    # ----------------------------------------------------------------------------------------- internals

    @property
    def _targets(self) -> dict[str, Address]:
        """The contracts that a vote reaches, by name."""
        return {"Consortium": self._ledger.consortium.address, "AccessRequests": self._ledger.requests.address}

    def _standing(self, proposed: Proposed, known: Governance) -> ProposalStanding:
        names = {address: name for name, address in self._targets.items()}
        contract = names.get(proposed.target)
        tally = known.model.tally(proposed.proposal_id)
        done = [each for each in known.of(ProposalExecuted) if each.proposal_id == proposed.proposal_id]
        return ProposalStanding(
            proposed=proposed,
            contract=contract,
            call=None if contract is None else decode_call(contract, proposed.call_data),
            ballots=tuple(
                Ballot(member=each.member, at=each.place.block.time, counts=_is_seated(each.member, known.model))
                for each in known.of(Voted)
                if each.proposal_id == proposed.proposal_id
            ),
            tally=tally,
            state=_state(proposed, tally, self._now(known.block), is_executed=bool(done)),
            executed=done[0] if done else None,
        )

    def _now(self, block: BlockRef) -> int:
        return max(block.time, self._clock.now())


def _is_seated(member: Address, model: LedgerModel) -> bool:
    return model.member(member).status is MemberStatus.SEATED


def _state(proposed: Proposed, tally: Tally, now: int, *, is_executed: bool) -> ProposalState:
    if is_executed:
        return ProposalState.EXECUTED
    if now >= proposed.deadline:
        return ProposalState.EXPIRED
    return ProposalState.PASSED if tally.passed else ProposalState.PENDING


def _is(proposed: Proposed, proposer: Address, target: Address, call_data: bytes, reason: bytes) -> bool:
    wanted = (proposer, target, call_data, reason)
    return (proposed.proposer, proposed.target, proposed.call_data, proposed.reason) == wanted


def _accreditation(event: Accredited, model: LedgerModel, now: int) -> AccreditationStanding:
    stands = model.accreditation(event.actor, event.kind)
    reasons = {
        NotInForce.WITHDRAWN: stands.valid_until == 0,
        NotInForce.EXPIRED: 0 < stands.valid_until <= now,
        NotInForce.SUSPENDED_BY_MEMBER: stands.suspension is Suspension.BY_MEMBER,
        NotInForce.SUSPENDED_BY_VOTE: stands.suspension is Suspension.BY_VOTE,
        NotInForce.MEMBER_LOST_SEAT: not _is_seated(event.member, model),
    }
    return AccreditationStanding(
        actor=event.actor,
        kind=event.kind,
        member=event.member,
        said_at=event.place.block.time,
        valid_until=stands.valid_until,
        not_in_force=tuple(reason for reason, holds in reasons.items() if holds),
    )
