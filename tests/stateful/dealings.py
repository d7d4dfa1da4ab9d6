"""What stories of institutions, requests and money share: by whose word, what is due when, and where all money is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import astuple
from typing import Any

from asking import HOSTILE_MANNERS, RequestView, ReservationView
from bare_evm import Log
from eth_utils import keccak, to_checksum_address
from hypothesis import note
from hypothesis.stateful import invariant
from letters import Letter
from stage import FOUNDERS, NEWCOMER, RECIPIENTS, START
from story import Before, Story, Verb, relaying

from medshare.errors import RejectedError
from medshare.model import events
from medshare.model.accreditation import AccreditationKind, MemberStatus, Suspension
from medshare.model.attestation import BEST_SCORE
from medshare.model.events import LedgerEvent
from medshare.model.ids import Address, derive_grant_id
from medshare.model.request import NATIVE, ReservationStatus, request_terms_digest

REENTERED = keccak(text="Reentered(uint256,bool,bytes)")
REFUSING = {
    "reverts": ("NotToday",),
    "says no": "SafeERC20FailedOperation",
}
"""How the hostile token refuses to move, and with which error that ends."""


class Dealings(Story):
    """Contracts and model, and the money."""

    def __init__(self) -> None:
        super().__init__()
        self.manner = "honest"
        self.coins = (NATIVE, self.stage.good, self.stage.hostile)
        self.flow: Counter[str] = Counter()
        """Deposits less withdrawals of each token, as the events tell them."""
        self.call_data: dict[int, bytes] = {}

    # --------------------------------------------------------------------------------------- tokens of all kinds

    def behave(self, manner: str) -> None:
        """Let the hostile token behave in another way."""
        note(f"-- the token {manner}")
        self.manner = manner
        self.stage.tokens["HostileToken__Mock"].do(FOUNDERS[0], START, "set", HOSTILE_MANNERS[manner])

    def refusal_of(self, token: Address) -> tuple[Any, ...] | None:
        """Return with which error a token refuses to move now, if it does."""
        said = REFUSING.get(self.manner) if token == self.stage.hostile else None
        return (said, token) if isinstance(said, str) else said

    def in_token(
        self,
        token: Address,
        caller: Address,
        call: tuple[Any, ...],
        verb: Verb,
        author: Address,
        *,
        moves: bool = True,
        value: int = 0,
    ) -> bool:
        """Do on both what moves a token; where the token refuses, and nothing else would, nothing happens at all."""
        said = self.refusal_of(token) if moves else None
        if said is not None and self.would_do(verb):
            note(f"    {call[0]}: the token refuses")
            self.refused("AccessRequests", caller, call, said, value=value)
            return False
        return self.both("AccessRequests", caller, call, verb, author, value=value)

    def would_do(self, verb: Verb) -> bool:
        """Whether the model does it now; it is as it was afterwards."""
        kept = deepcopy(vars(self.model))
        try:
            verb(self._place())
        except RejectedError:
            return False
        finally:
            vars(self.model).update(kept)
        return True

    def send_withdrawal(self, letter: Letter, sender: Address) -> None:
        """Let somebody send a withdrawal that another signed."""
        token = letter.message.token
        if self.in_token(token, sender, letter.call, relaying(self, letter), letter.signer):
            self._use(letter)

    def foreign(self, logs: Sequence[Log]) -> None:
        """Whatever a token tried while it moved, it was refused."""
        for log in logs:
            assert log.address in {token.address for token in self.stage.tokens.values()}
            if log.topics[0] == REENTERED:
                assert int.from_bytes(log.data[32:64], "big") == 0

    # ------------------------------------------------------------------------------------------- I1: by whose word

    def _judge(self, event: LedgerEvent, author: Address, before: Before) -> None:
        model, consortium = self.model, self.stage.consortium
        match event:
            case (
                events.MemberAdmitted()
                | events.MemberRemoved()
                | events.MemberSuspended()
                | events.MemberReinstated()
                | events.VotingRulesSet()
                | events.TokenAllowed()
                | events.SplitSet()
                | events.PeriodsSet()
                | events.RewardReturned()
            ):
                assert author == consortium
            case events.AccreditationSuspended(by=by):
                assert (author == consortium) == (by is Suspension.BY_VOTE)
            case events.AccreditationReinstated(actor=actor, kind=kind):
                seat = model.accreditation(actor, kind).seat
                assert author == consortium or model.member(author).seat == seat
            case events.Proposed(proposer=member) | events.Voted(member=member):
                assert author == member
                assert model.member(member).status is MemberStatus.SEATED
            case events.ProposalExecuted():
                assert author == consortium
            case events.Withdrawn(account=account):
                assert author == (account if account == consortium else before.controller(account))
                self.flow[event.token] -= event.amount
            case events.Credited():
                pass
            case events.QualityAttested() | events.BatchAttested() | events.AttestationWithdrawn():
                self._judge_attestation(event, author)
            case events.ReceiptsAnchored(custodian=custodian):
                assert author == custodian
                assert model.is_accredited(author, AccreditationKind.CUSTODIAN, self.now)
            case _:
                self._judge_request(event, author, before)

    def _judge_attestation(
        self, event: events.QualityAttested | events.BatchAttested | events.AttestationWithdrawn, author: Address
    ) -> None:
        assert author == event.assessor
        is_assessor = self.model.is_accredited(author, AccreditationKind.ASSESSOR, self.now)
        assert is_assessor or isinstance(event, events.AttestationWithdrawn)

    def _judge_request(self, event: LedgerEvent, author: Address, before: Before) -> None:
        model, consortium, now = self.model, self.stage.consortium, self.now
        match event:
            case events.RequestOpened(request=request):
                assert author == request.requester
                assert model.is_accredited(author, AccreditationKind.RESEARCHER, now)
                self.flow[request.terms.token] += request.terms.budget
            case events.StudyApproved(by=by):
                assert author == by != model.request(event.request_id).requester
                is_committee = model.is_accredited(by, AccreditationKind.ETHICS_COMMITTEE, now)
                assert by == consortium or is_committee
            case events.RequestCancelled(by=by):
                assert author == by
                assert by in (model.request(event.request_id).requester, consortium)
            case events.UnearnedReturned():
                assert now >= model.request(event.request_id).terms.deadline
            case events.RewardReserved(request_id=request_id, patient=patient, custodian=custodian):
                request = model.request(request_id)
                terms = request_terms_digest(self.stage.requests, request_id, custodian, event.content)
                grant_id = derive_grant_id(patient, request.requester, terms)
                assert model.is_live(grant_id, request.terms.purposes, now)
                assert model.get_grant(grant_id).expires_at >= request.access_until
            case events.AccessDelivered(request_id=request_id, patient=patient, score=score):
                assert model.request(request_id).terms.minimum_score <= score <= BEST_SCORE
                assert author == model.reservation(request_id, patient).custodian
                assert model.is_accredited(author, AccreditationKind.CUSTODIAN, now)
            case events.DeliveryDeclined(request_id=request_id, patient=patient):
                custodian = model.reservation(request_id, patient).custodian
                assert author == custodian or not model.is_accredited(custodian, AccreditationKind.CUSTODIAN, now)
            case events.DeliveryDisputed(request_id=request_id):
                assert author == model.request(request_id).requester
            case events.RewardPaid(request_id=request_id, patient=patient):
                request, part = model.request(request_id), model.reservation(request_id, patient)
                shares = (event.to_patient, event.to_custodian + event.to_requester, event.to_consortium)
                assert shares == request.split.divide(request.terms.reward)
                lost = shares[1] * request.terms.quality_weight * (100 - part.score) // 1_000_000
                assert event.to_requester == lost
                shortest = min(request.periods.dispute_period, request.periods.decision_period)
                assert author in (request.requester, consortium) or now >= part.since + shortest
            case _:
                super()._judge(event, author, before)

    # ------------------------------------------------------------------------------------------------------- time

    def edges(self) -> set[int]:
        model = self.model
        found = super().edges() | {proposal.deadline for proposal in model.proposals.values()}
        found |= {request.terms.deadline for request in model.requests.values()}
        for (request_id, _), part in model.reservations.items():
            periods = model.request(request_id).periods
            if part.status is ReservationStatus.DELIVERED:
                found.add(part.since + periods.dispute_period)
            if part.status is ReservationStatus.DISPUTED:
                found.add(part.since + periods.decision_period)
        return found

    # ----------------------------------------------------------------------------------------------- they agree

    @invariant()
    def institutions_agree(self):
        model = self.model
        for account in (*FOUNDERS, NEWCOMER):
            member = model.member(account)
            if self.is_new(("getMember", account), member):
                assert self.ask("Consortium", "getMember", account) == (member.seat, member.status)
                assert self.ask("Consortium", "isMember", account) is (member.status is MemberStatus.SEATED)
        if self.is_new("seats", model.seated, model.seats_given, model.voting_rules):
            rules = model.voting_rules
            assert self.ask("Consortium", "seats") == (model.seats_given, len(model.seated))
            assert self.ask("Consortium", "votingRules") == (rules.quorum, rules.voting_period)
        for number, proposal in model.proposals.items():
            tally = model.tally(number)
            if self.is_new(("tally", number), proposal, tally):
                assert self.ask("Consortium", "tally", number) == (tally.votes, tally.needed)
                proposer, deadline, executed, *_ = self.ask("Consortium", "getProposal", number)
                fields = (proposal.proposer, proposal.deadline, proposal.executed)
                assert (to_checksum_address(proposer), deadline, executed) == fields

    @invariant()
    def requests_agree(self):
        model = self.model
        for number, request in model.requests.items():
            if self.is_new(("getRequest", number), request):
                view = RequestView(*self.ask("AccessRequests", "getRequest", number))
                counts = (view.places, view.delivered, view.returned, view.status)
                assert counts == (request.places, request.delivered, request.returned, request.status)
                assert view.reward == request.terms.reward
            self._places_add_up(number)
        for (number, patient), part in model.reservations.items():
            if self.is_new(("getReservation", number, patient), part):
                view = ReservationView(*self.ask("AccessRequests", "getReservation", number, patient))
                assert (to_checksum_address(view.custodian), view.since, view.status, view.score) == astuple(part)

    def _places_add_up(self, number: int) -> None:
        """Each reward is in one place: free, reserved, delivered, or gone back."""
        request = self.model.request(number)
        parts = Counter(part.status for (of, _), part in self.model.reservations.items() if of == number)
        delivered = ("DELIVERED", "DISPUTED", "PAID", "RETURNED")
        assert request.delivered == sum(parts[ReservationStatus[name]] for name in delivered)
        kept = request.terms.grants - request.places - request.delivered - request.returned
        is_over = self.model.reservations and kept != parts[ReservationStatus.RESERVED]
        # Who was not delivered by the deadline keeps his reservation, and the reward has gone back.
        assert not is_over or (kept == 0 and self.now >= request.terms.deadline)

    @invariant()
    def money_adds_up(self):
        """I5: to the unit, in each token, whatever one of them does."""
        model = self.model
        for token in self.coins:
            held = self.stage.balance(token, self.stage.requests)
            assert held == model.held.get(token, 0) == self.flow[token]
            assert held == model.credited(token) + model.owed(token)
        for (account, token), amount in model.credits.items():
            if self.is_new(("creditOf", account, token), amount):
                assert self.ask("AccessRequests", "creditOf", account, token) == amount
        for account, count in model.withdrawn.items():
            if self.is_new(("withdrawalsOf", account), count):
                assert self.ask("AccessRequests", "withdrawalsOf", account) == count

    def everybody_withdraws(self) -> None:
        """To the last unit: what was credited can be had, in every token that moves."""
        for account, token in sorted(pair for pair, amount in self.model.credits.items() if amount):
            by = self.model.controller_of(account).controller
            self.stage.contracts["AccessRequests"].do(by, self.now, "withdraw", account, token, RECIPIENTS[0])
        for token in self.coins:
            assert self.stage.balance(token, self.stage.requests) == self.model.owed(token)
