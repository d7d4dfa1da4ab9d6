"""Institutions, requests and money: the contracts and the pure model, side by side (README.md has it in words)

given any story of members, researchers, committees, patients and custodians, of votes, requests, deliveries and payouts
    contract and model answer each call alike, and agree on everything that can be asked, after each step
    nothing happens but by the word of who may say it, and what a vote decides, by a vote that has passed
    all money is in one place, to the unit, in coins and in two tokens, one of which behaves badly
    in the end everybody who earned has it
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
from asking import HOSTILE_MANNERS, leaf_of, tree_of
from dealings import Dealings
from evm import ZERO_ADDRESS
from evm import pack_grant as grant_word
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, precondition, rule
from letters import FORGERIES, write
from people import NOTE
from signing import authorize
from stage import (
    ACCREDITOR,
    ANNA,
    BEN,
    BUNDLES,
    CLINIC,
    COMMITTEE,
    DOCTOR,
    END_OF_TIME,
    EVERYBODY,
    FOUNDERS,
    HOSPITAL,
    LABORATORY,
    MINISTRY,
    NAMES,
    NEW_KEY,
    NEWCOMER,
    OTHER_RESEARCHER,
    PARENT,
    RECIPIENTS,
    RECORDS,
    RESEARCHER,
    REVIEWER,
    START,
)

from medshare.model import governed
from medshare.model.accreditation import Accreditation, AccreditationKind, MemberStatus
from medshare.model.consent import GrantRequest
from medshare.model.delegation import DAY, Control, Delegation, Verbs
from medshare.model.eip712 import Domain
from medshare.model.governed import encode_call
from medshare.model.ids import DocumentId, derive_grant_id
from medshare.model.purpose import Purpose
from medshare.model.request import (
    NATIVE,
    NO_INVITEES,
    Acceptance,
    Invitation,
    RequestStatus,
    RequestTerms,
    ReservationStatus,
    request_terms_digest,
)
from medshare.model.typed_data import SignableGrant, SignableWithdraw, SignedMessage

ALWAYS = 2**40 - 1
HOUR = 3600
CONTENTS = (b"\xf1" * 32, b"\xf2" * 32)
DOCUMENT = DocumentId(b"\xd0" * 32)
SALT, WRONG_SALT = b"\x5a" * 32, b"\x5b" * 32
SUBJECTS = (ANNA, BEN, PARENT)
"""Who may be asked; Ben's key may have been recovered, and Anna's mother may grant for her."""
INVITEES, PROOFS = tree_of([leaf_of(each, SALT) for each in SUBJECTS])
CUSTODIANS = (HOSPITAL, HOSPITAL, LABORATORY)
HRESCH = Purpose.HRESCH
KINDS = {
    HOSPITAL: AccreditationKind.CUSTODIAN,
    LABORATORY: AccreditationKind.CUSTODIAN,
    RESEARCHER: AccreditationKind.RESEARCHER,
    OTHER_RESEARCHER: AccreditationKind.RESEARCHER,
    COMMITTEE: AccreditationKind.ETHICS_COMMITTEE,
    REVIEWER: AccreditationKind.ASSESSOR,
}
MISTAKES = ("grantee", "purposes", "begin", "end", "late", "salt", "proof", "swapped", "unknown")
"""In what a patient signs, or in what is sent with it."""
SPLITS = ((0, 0), (10_000, 0), (3_333, 3_333), (7_000, 2_000), (9_000, 2_000))

anybody = st.sampled_from(EVERYBODY)
subjects = st.sampled_from(SUBJECTS)
custodians = st.sampled_from(CUSTODIANS)
GOOD, NO_QUALITY = 90, (0, 0, 0)
scores = st.sampled_from([GOOD, GOOD, 80, 79, 0, 100, 101, 255])
qualities = st.sampled_from([NO_QUALITY, NO_QUALITY, (80, 1, 0), (0, 1, 3_333), (80, 0xFFFF, 10_000)])
"""The minimum score, the method and the weight."""
rewards = st.sampled_from([10_001, 10_001, 9_999, 3, 1, 0])


def faults(*kinds):
    """Return at most one thing that is wrong, and most often none."""
    return st.sampled_from([*[None] * (4 * len(kinds)), *kinds])


class DealingsAgainstModel(Dealings):
    """Every verb of institutions and of requests by anybody, on both."""

    withdrawals = Bundle("withdrawals")

    # ------------------------------------------------------------------------------------------ the beginning

    @initialize(
        recovered=st.sampled_from([False, False, True]),
        token=st.sampled_from([0, 1, 2]),
        rewarded=rewards,
        is_open=st.booleans(),
        steps=st.sampled_from([0, 1, 2, 3, 4, 4, 5, 5]),
        quality=qualities,
    )
    def begin_with_people_who_know_each_other(self, recovered, token, rewarded, is_open, steps, quality):
        """Everybody is accredited, both tokens are allowed, and a study is under way, more or less far."""
        model = self.model
        for actor, kind in KINDS.items():
            model.accreditations[actor, kind] = Accreditation(valid_until=ALWAYS, seat=1)
        model.allowed_tokens |= {self.stage.good, self.stage.hostile}
        if recovered:
            model.controls[BEN] = Control(controller=NEW_KEY, tenure=1)
        model.delegations[ANNA, PARENT] = Delegation(
            patient=ANNA,
            delegate=PARENT,
            verbs=Verbs.GRANT | Verbs.REVOKE,
            purposes=HRESCH,
            not_before=START,
            expires_at=START + 400 * DAY,
            stamp=0,
            epoch=1,
        )
        self.begin_with()
        self.prepare_the_token()
        self.open_request(RESEARCHER, 3, 1, rewarded, token, 9 * DAY, 1, is_open, quality, None)
        if is_open and steps:
            self.both(
                "AccessRequests", COMMITTEE, ("approveStudy", 1), partial(model.approve_study, COMMITTEE, 1), COMMITTEE
            )
        for patient in (ANNA, BEN) if steps > 1 else ():
            self.accept_for(1, patient, HOSPITAL, CONTENTS[0], model.controller_of(patient).controller, DOCTOR)
        for patient in (ANNA, BEN)[: steps - 2] if steps > 2 else ():
            stating = (1, patient, CONTENTS[0], BUNDLES[0], GOOD)
            self.both(
                "AccessRequests", HOSPITAL, ("deliver", *stating), partial(model.deliver, HOSPITAL, *stating), HOSPITAL
            )
        if steps > 4:
            verb = partial(model.confirm, RESEARCHER, 1, ANNA)
            self.both("AccessRequests", RESEARCHER, ("confirm", 1, ANNA), verb, RESEARCHER)

    def prepare_the_token(self):
        """What the hostile token tries while it moves: all that somebody might gain by."""
        requests, token = self.stage.contracts["AccessRequests"], self.stage.hostile
        terms = (int(HRESCH), 1, 1, END_OF_TIME, 1, NATIVE, 0, DOCUMENT, NO_INVITEES, *NO_QUALITY)
        calls = [
            requests.data("withdraw", ANNA, NATIVE, token),
            requests.data("withdraw", HOSPITAL, token, token),
            requests.data("open", terms),
            requests.data("cancel", 1),
            requests.data("confirm", 1, ANNA),
            requests.data("decide", 1, ANNA, False),
            requests.data("setSplit", 1, 0, 0),
        ]
        contract = self.stage.tokens["HostileToken__Mock"]
        contract.do(ACCREDITOR, START, "prepare", self.stage.requests, calls)

    def teardown(self):
        mark = self.stage.evm.snapshot()
        try:
            self.behave("honest")
            self.everybody_withdraws()
        finally:
            self.stage.evm.revert(mark)
            super().teardown()

    # ---------------------------------------------------------------------------------------------- institutions

    def seated(self):
        """Return the members that have their seats, in order."""
        return [each for each in (*FOUNDERS, NEWCOMER) if self.model.member(each).status is MemberStatus.SEATED]

    @rule(
        data=st.data(),
        actor=st.sampled_from(tuple(KINDS)),
        seconds=st.sampled_from([None, None, None, 0, 300, 2 * DAY]),
        fault=faults("stranger", "nobody", "kind", "any member"),
    )
    def accredit(self, data, actor, seconds, fault):
        kind = KINDS[actor]
        seat = self.model.accreditation(actor, kind).seat
        own = [each for each in self.seated() if self.model.member(each).seat == seat]
        caller = data.draw(st.sampled_from(self.seated() if fault == "any member" else own or self.seated()))
        caller = DOCTOR if fault == "stranger" else caller
        actor = ZERO_ADDRESS if fault == "nobody" else actor
        kind = 0 if fault == "kind" else kind
        until = ALWAYS if seconds is None else self.now + seconds if seconds else 0
        verb = partial(self.model.accredit, caller, actor, kind, until)
        self.both("Consortium", caller, ("accredit", actor, kind, until), verb, caller)

    @rule(
        actor=st.sampled_from(tuple(KINDS)),
        name=st.sampled_from(["suspendAccreditation", "reinstateAccreditation", "reinstateAccreditation"]),
        caller=st.sampled_from([ACCREDITOR, ACCREDITOR, CLINIC, NEWCOMER, DOCTOR]),
    )
    def suspend_or_reinstate(self, actor, name, caller):
        act = self.model.suspend_accreditation if name.startswith("s") else self.model.reinstate_accreditation
        verb = partial(act, caller, actor, KINDS[actor])
        self.both("Consortium", caller, (name, actor, KINDS[actor]), verb, caller)

    def a_call(self, data):
        """Return what somebody wants to be decided, as things stand."""
        treasury, split = self.stage.consortium, data.draw(st.sampled_from(SPLITS))
        disputed = self.parts(ReservationStatus.DISPUTED)
        calls = [
            governed.SuspendMember(member=CLINIC),
            governed.ReinstateMember(member=CLINIC),
            governed.RemoveMember(member=data.draw(st.sampled_from((MINISTRY, CLINIC, ACCREDITOR)))),
            governed.AdmitMember(member=data.draw(st.sampled_from((NEWCOMER, MINISTRY, ZERO_ADDRESS)))),
            governed.SetVotingRules(
                quorum=data.draw(st.sampled_from((51, 67, 100, 50))), voting_period=data.draw(st.sampled_from((DAY, 1)))
            ),
            governed.SuspendAccreditation(actor=HOSPITAL, kind=KINDS[HOSPITAL]),
            governed.ReinstateAccreditation(actor=HOSPITAL, kind=KINDS[HOSPITAL]),
            governed.SetTokenAllowed(
                token=data.draw(st.sampled_from(self.coins)), allowed=data.draw(st.sampled_from((True, True, False)))
            ),
            governed.SetSplit(category=1, patient=split[0], custodian=split[1]),
            governed.SetPeriods(
                dispute_period=data.draw(st.sampled_from((HOUR, DAY, HOUR - 1))), decision_period=2 * DAY
            ),
            governed.CancelRequest(request_id=1),
            governed.WithdrawTreasury(
                account=treasury,
                token=data.draw(st.sampled_from(self.coins)),
                to=data.draw(st.sampled_from(RECIPIENTS)),
            ),
        ]
        calls += 4 * [governed.ApproveStudy(request_id=each) for each in self.awaiting()]
        calls += 8 * [
            governed.DecideDispute(request_id=each, patient=patient, paid=data.draw(st.booleans()))
            for each, patient in disputed
        ]
        return data.draw(st.sampled_from(calls))

    def propose(self, caller, call):
        target = self.stage.consortium if call.contract == "Consortium" else self.stage.requests
        data = encode_call(call)
        verb = partial(self.model.propose, caller, target, data, NOTE)
        if self.both("Consortium", caller, ("propose", target, data, NOTE), verb, caller):
            self.call_data[len(self.model.proposals)] = data
            return True
        return False

    def vote(self, caller, number):
        verb = partial(self.model.vote, caller, number)
        return self.both("Consortium", caller, ("vote", number), verb, caller)

    def execute(self, sender, number, data):
        """Whom it calls is called by the consortium: it is the consortium's word."""
        verb = partial(self.model.execute, sender, number, data)
        call, said = ("execute", number, data), None
        decoded = governed.decode_call("AccessRequests", data)
        if isinstance(decoded, governed.WithdrawTreasury):
            said = self.refusal_of(decoded.token)
        if said is not None and self.would_do(verb):
            note("    execute: the token refuses")
            self.refused("Consortium", sender, call, said)
            return False
        return self.both("Consortium", sender, call, verb, self.stage.consortium)

    @rule(data=st.data(), sender=anybody, enough=st.sampled_from([True, True, True, False]))
    def decide(self, data, sender, enough):
        """Members propose and vote until it has passed, or one too few, and somebody executes."""
        call, members = self.a_call(data), self.seated()
        assert self.propose(members[0], call)
        number = len(self.model.proposals)
        needed = self.model.tally(number).needed
        for member in members[1 : needed if enough else needed - 1]:
            assert self.vote(member, number)
        assert self.model.tally(number).passed is (enough or needed == 1)
        self.execute(sender, number, self.call_data[number])

    @rule(
        data=st.data(),
        caller=st.sampled_from((*FOUNDERS, *FOUNDERS, NEWCOMER, DOCTOR)),
        whose=st.sampled_from([None] * 6 + ["ConsentRegistry", "RecordRegistry", "EmergencyAccess"]),
    )
    def propose_something(self, data, caller, whose):
        """Perhaps of a contract that no vote reaches."""
        if whose is None:
            self.propose(caller, self.a_call(data))
            return
        address = self.stage.address(whose)
        verb = partial(self.model.propose, caller, address, NOTE, NOTE)
        assert not self.both("Consortium", caller, ("propose", address, NOTE, NOTE), verb, caller)

    def number(self, data, fault=None):
        """Return a proposal, most often the newest ones, or one that there is not."""
        known = sorted(self.model.proposals)[-3:]
        return data.draw(st.sampled_from(known)) if known and not fault else len(self.model.proposals) + 1

    @precondition(lambda self: self.model.proposals)
    @rule(data=st.data(), caller=st.sampled_from((*FOUNDERS, *FOUNDERS, NEWCOMER, DOCTOR)), fault=faults("none"))
    def vote_for_something(self, data, caller, fault):
        self.vote(caller, self.number(data, fault))

    @precondition(lambda self: self.model.proposals)
    @rule(data=st.data(), sender=anybody, fault=faults("none", "call"))
    def execute_something(self, data, sender, fault):
        number = self.number(data, fault == "none")
        call_data = self.call_data.get(number, NOTE)
        self.execute(sender, number, call_data[:-1] if fault == "call" else call_data)

    # -------------------------------------------------------------------------------------------------- requests

    @rule(
        caller=st.sampled_from([RESEARCHER, RESEARCHER, OTHER_RESEARCHER]),
        grants=st.sampled_from([1, 2, 3]),
        category=st.sampled_from([1, 1, 2, 3]),
        reward=rewards,
        token=st.sampled_from([0, 1, 2]),
        seconds=st.sampled_from([HOUR, 3 * DAY, 9 * DAY]),
        access_days=st.sampled_from([0, 1, 30]),
        is_open=st.booleans(),
        quality=qualities,
        fault=faults(
            *("stranger", "purposes", "never asked for", "grants", "document", "late", "category", "value", "coins"),
            *("score", "weight", "method"),
        ),
    )
    def open_request(self, caller, grants, category, reward, token, seconds, access_days, is_open, quality, fault):
        caller = DOCTOR if fault == "stranger" else caller
        token = self.coins[token]
        quality = {"score": (101, 1, 0), "weight": (0, 1, 10_001), "method": (0, 0, 1)}.get(fault, quality)
        terms = RequestTerms(
            purposes={"purposes": Purpose(0), "never asked for": HRESCH | Purpose.BTG}.get(fault, HRESCH),
            category=9 if fault == "category" else category,
            grants=0 if fault == "grants" else grants,
            deadline=self.now if fault == "late" else self.now + seconds,
            access_days=access_days,
            token=token,
            reward=reward,
            document=DocumentId(bytes(32)) if fault == "document" else DOCUMENT,
            invitees=NO_INVITEES if is_open else INVITEES,
            minimum_score=quality[0],
            quality_method=quality[1],
            quality_weight=quality[2],
        )
        value = terms.budget if token == NATIVE else 0
        value += {"value": -1 if value else 1, "coins": 1}.get(fault, 0)
        moves = terms.budget > 0 and token != NATIVE
        arrived = terms.budget
        if token == self.stage.hostile and moves:
            arrived += {"takes a fee": -1, "gives more": 1}.get(self.manner, 0)
        fields = (int(terms.purposes), terms.category, terms.grants, terms.deadline, terms.access_days)
        call = ("open", (*fields, token, reward, terms.document, terms.invitees, *quality))
        verb = partial(self.model.open_request, caller, terms, value=value, arrived=arrived)
        self.in_token(token, caller, call, verb, caller, moves=moves, value=value)

    def a_request(self, data, of=lambda _: True):
        """Return one of these requests, or of all; or one that there is not."""
        known = sorted(self.model.requests)
        chosen = [each for each in known if of(self.model.requests[each])] or known
        return data.draw(st.sampled_from(chosen[-4:])) if chosen else 1

    def parts(self, *statuses):
        """Return the reservations that have come so far."""
        return sorted(pair for pair, part in self.model.reservations.items() if part.status in statuses)

    # --------------------------------------------------------------------------------------------- vouching

    @rule(
        caller=st.sampled_from([REVIEWER, REVIEWER, REVIEWER, DOCTOR, HOSPITAL]),
        subject=st.sampled_from((*RECORDS[:2], *RECORDS[:2], bytes(32))),
        method=st.sampled_from([1, 1, 1, 0, 0xFFFF]),
        number=st.sampled_from([1, 1, 100, 101, 255, 0]),
        many=st.booleans(),
    )
    def attest(self, caller, subject, method, number, many):
        name, do = ("attestBatch", self.model.attest_batch) if many else ("attest", self.model.attest)
        verb = partial(do, caller, subject, method, number)
        self.both("Attestations", caller, (name, subject, method, number), verb, caller)

    @rule(caller=st.sampled_from([REVIEWER, REVIEWER, DOCTOR]), subject=st.sampled_from(RECORDS[:2]))
    def withdraw_attestation(self, caller, subject):
        verb = partial(self.model.withdraw_attestation, caller, subject)
        self.both("Attestations", caller, ("withdraw", subject), verb, caller)

    @rule(
        caller=st.sampled_from([HOSPITAL, HOSPITAL, LABORATORY, REVIEWER]),
        root=st.sampled_from((*RECORDS[:3], bytes(32))),
        count=st.sampled_from([1, 1, 1 << 31, 0]),
    )
    def anchor_receipts(self, caller, root, count):
        verb = partial(self.model.anchor_receipts, caller, root, count)
        self.both("Attestations", caller, ("anchorReceipts", root, count), verb, caller)

    def awaiting(self):
        return [each for each, of in self.model.requests.items() if of.status is RequestStatus.AWAITING_APPROVAL]

    @precondition(awaiting)
    @rule(data=st.data(), caller=st.sampled_from([COMMITTEE, COMMITTEE, COMMITTEE, RESEARCHER, CLINIC]))
    def approve_study(self, data, caller):
        request_id = self.a_request(data, lambda request: request.status is RequestStatus.AWAITING_APPROVAL)
        verb = partial(self.model.approve_study, caller, request_id)
        self.both("AccessRequests", caller, ("approveStudy", request_id), verb, caller)

    @rule(data=st.data(), by=st.sampled_from(["requester", DOCTOR, CLINIC]), fault=faults("none"))
    def cancel(self, data, by, fault):
        request_id = len(self.model.requests) + 1 if fault else self.a_request(data)
        known = self.model.requests.get(request_id)
        caller = known.requester if known and by == "requester" else DOCTOR if by == "requester" else by
        verb = partial(self.model.cancel_request, caller, request_id)
        self.both("AccessRequests", caller, ("cancel", request_id), verb, caller)

    def unearned(self):
        """Return the requests that are over, and have something left."""
        return [
            each
            for each, of in self.model.requests.items()
            if self.now >= of.terms.deadline and of.terms.grants > of.delivered + of.returned
        ]

    @precondition(unearned)
    @rule(data=st.data(), sender=anybody)
    def return_unearned(self, data, sender):
        request_id = data.draw(st.sampled_from(self.unearned()))
        verb = partial(self.model.return_unearned, request_id)
        self.both("AccessRequests", sender, ("returnUnearned", request_id), verb, sender)

    # ------------------------------------------------------------------------------------------------- accepting

    def granting(self, request_id, patient, custodian, content, signer):
        """Return the grant that a patient signs to accept, as things stand."""
        model, request = self.model, self.model.requests[request_id]
        terms = request_terms_digest(self.stage.requests, request_id, custodian, content)
        grant_id = derive_grant_id(patient, request.requester, terms)
        control = model.controller_of(patient)
        mandate = control.tenure if signer == control.controller else model.delegation(patient, signer).epoch
        return SignableGrant(
            patient=patient,
            grantee=request.requester,
            terms=terms,
            bundle=BUNDLES[0],
            purposes=HRESCH,
            not_before=0,
            expires_at=request.access_until + DAY,
            stamp=model.stamp(patient),
            epoch=model.grants[grant_id].epoch if grant_id in model.grants else 0,
            mandate=0 if signer == patient else mandate,
            deadline=END_OF_TIME,
        )

    def acceptable(self):
        """Return which patients can accept which requests."""
        return [
            (each, patient)
            for each, of in self.model.requests.items()
            for patient in SUBJECTS
            if of.acceptable(self.now)
            and self.model.reservation(each, patient).status is ReservationStatus.NONE
            and patient != of.requester
        ]

    @precondition(acceptable)
    @rule(
        data=st.data(),
        custodian=custodians,
        content=st.sampled_from(CONTENTS),
        by=st.sampled_from(["controller", "controller", "mother"]),
        before=st.sampled_from([None, None, "signed", "himself"]),
        sender=anybody,
        fault=faults(
            *("grantee", "purposes", "begin", "end", "late", "salt", "proof", "swapped", "unknown"), *FORGERIES
        ),
    )
    def accept(self, data, custodian, content, by, before, sender, fault):
        """A patient's word, sent by anybody; perhaps it was sent to the ConsentRegistry before."""
        request_id, patient = data.draw(st.sampled_from(self.acceptable()))
        control = self.model.controller_of(patient)
        signer = PARENT if by == "mother" and patient == ANNA else control.controller
        if before == "himself":
            self.grant_himself(request_id, patient, custodian, content)
        self.accept_for(request_id, patient, custodian, content, signer, sender, fault=fault, before=before == "signed")

    def accept_for(self, request_id, patient, custodian, content, signer, sender, *, fault=None, before=False):
        request = self.model.requests[request_id]
        message = replace(
            self.granting(request_id, patient, custodian, content, signer),
            **{
                "grantee": {"grantee": DOCTOR},
                "purposes": {"purposes": Purpose.TREAT},
                "begin": {"not_before": self.now + HOUR},
                "end": {"expires_at": request.access_until - 1},
                "late": {"deadline": self.now},
            }.get(fault, {}),
        )
        letter = write(message, signer, fault if fault in FORGERIES else None, DOCTOR)
        if before:
            self.send(letter, sender)
        named = LABORATORY if fault == "swapped" and custodian == HOSPITAL else custodian
        proof = PROOFS[SUBJECTS.index(patient)] if fault != "proof" else []
        invitation = Invitation(salt=WRONG_SALT if fault == "salt" else SALT, proof=tuple(proof))
        asked = len(self.model.requests) + 1 if fault == "unknown" else request_id
        self.send_acceptance(asked, letter, named, content, invitation, sender)

    def send_acceptance(self, request_id, letter, custodian, content, invitation, sender):
        message, signer = letter.message, letter.signer
        named = (
            "ConsentRegistry",
            self.stage.domain("ConsentRegistry").chain_id,
            self.stage.address("ConsentRegistry"),
        )
        domain = Domain.of(*named)
        signed = SignedMessage(message=message, domain=domain, signer=signer, signature=letter.signature)
        acceptance = Acceptance(custodian=custodian, content=content, signed=signed, invitation=invitation)
        word = grant_word(
            message.grantee, message.not_before, message.expires_at, message.purposes, message.stamp, message.epoch
        )
        by = authorize(message.deadline, signer=None if signer == message.patient else signer, mandate=message.mandate)
        fields = (message.patient, custodian, content, message.bundle, word, by, letter.signature)
        call = ("accept", request_id, fields, (invitation.salt, list(invitation.proof)))
        verb = partial(self.model.accept, request_id, acceptance, valid=letter.is_genuine)
        return self.both("AccessRequests", sender, call, verb, signer)

    @precondition(lambda self: self.model.grants)
    @rule(data=st.data(), everything=st.sampled_from([False, False, False, True]), patient=subjects)
    def revoke(self, data, everything, patient):
        """A patient takes back what he granted, whenever he likes."""
        if everything:
            caller = self.model.controller_of(patient).controller
            verb = partial(self.model.revoke_all, caller, patient)
            assert self.both("ConsentRegistry", caller, ("revokeAll", patient), verb, caller)
            return
        grant = self.model.grants[data.draw(st.sampled_from(sorted(self.model.grants)))]
        caller = self.model.controller_of(grant.patient).controller
        verb = partial(self.model.revoke, caller, grant.grant_id)
        assert self.both("ConsentRegistry", caller, ("revoke", grant.grant_id), verb, caller)

    def grant_himself(self, request_id, patient, custodian, content):
        """Without a signature, under the terms of a request."""
        caller = self.model.controller_of(patient).controller
        wanted = self.granting(request_id, patient, custodian, content, caller)
        request = GrantRequest(
            grantee=wanted.grantee,
            terms=wanted.terms,
            bundle=wanted.bundle,
            not_before=0,
            expires_at=wanted.expires_at,
            purposes=wanted.purposes,
        )
        word = grant_word(wanted.grantee, 0, wanted.expires_at, wanted.purposes)
        call = ("grantFor", patient, wanted.terms, wanted.bundle, word)
        verb = partial(self.model.grant_for, caller, patient, request)
        self.both("ConsentRegistry", caller, call, verb, caller)

    # ------------------------------------------------------------------------------------- delivering, disputing

    def content_of(self, request_id, patient, custodian):
        """Return the content under which the patient's grant stands, if one does."""
        request = self.model.requests.get(request_id)
        for content in CONTENTS if request else ():
            terms = request_terms_digest(self.stage.requests, request_id, custodian, content)
            grant_id = derive_grant_id(patient, request.requester, terms)
            if grant_id in self.model.grants and self.model.is_live(grant_id, HRESCH, self.now):
                return content
        return CONTENTS[0]

    def reserved(self):
        return [
            pair
            for pair in self.parts(ReservationStatus.RESERVED)
            if self.now < self.model.requests[pair[0]].terms.deadline
        ]

    @precondition(reserved)
    @rule(data=st.data(), fault=faults("stranger", "content"), bundle=st.sampled_from(BUNDLES), score=scores)
    def deliver(self, data, fault, bundle, score):
        request_id, patient = data.draw(st.sampled_from(self.reserved()))
        custodian = self.model.reservation(request_id, patient).custodian
        caller = DOCTOR if fault == "stranger" or custodian == ZERO_ADDRESS else custodian
        content = NOTE if fault == "content" else self.content_of(request_id, patient, caller)
        stating = (request_id, patient, content, bundle, score)
        self.both(
            "AccessRequests", caller, ("deliver", *stating), partial(self.model.deliver, caller, *stating), caller
        )

    @precondition(reserved)
    @rule(data=st.data(), by=st.sampled_from(["custodian", DOCTOR, DOCTOR]))
    def decline(self, data, by):
        request_id, patient = data.draw(st.sampled_from(self.reserved()))
        custodian = self.model.reservation(request_id, patient).custodian
        caller = DOCTOR if by == DOCTOR or custodian == ZERO_ADDRESS else custodian
        verb = partial(self.model.decline, caller, request_id, patient)
        self.both("AccessRequests", caller, ("decline", request_id, patient), verb, caller)

    def unsettled(self):
        return self.parts(ReservationStatus.DELIVERED, ReservationStatus.DISPUTED)

    @precondition(unsettled)
    @rule(data=st.data(), disputes=st.sampled_from([True, True, False]), fault=faults("stranger"))
    def confirm_or_dispute(self, data, disputes, fault):
        request_id, patient = data.draw(st.sampled_from(self.unsettled()))
        caller = DOCTOR if fault else self.model.requests[request_id].requester
        if disputes:
            verb = partial(self.model.dispute, caller, request_id, patient, NOTE)
            self.both("AccessRequests", caller, ("dispute", request_id, patient, NOTE), verb, caller)
        else:
            verb = partial(self.model.confirm, caller, request_id, patient)
            self.both("AccessRequests", caller, ("confirm", request_id, patient), verb, caller)

    @precondition(unsettled)
    @rule(data=st.data(), sender=anybody, when=st.sampled_from([None, -1, 0, 0]))
    def release_reward(self, data, sender, when):
        """Perhaps in the second in which it is due, or the one before."""
        request_id, patient = data.draw(st.sampled_from(self.unsettled()))
        part, periods = self.model.reservation(request_id, patient), self.model.requests[request_id].periods
        is_disputed = part.status is ReservationStatus.DISPUTED
        due = part.since + (periods.decision_period if is_disputed else periods.dispute_period)
        if when is not None and due + when > self.now:
            self.travel(due + when)
        verb = partial(self.model.release_reward, request_id, patient)
        self.both("AccessRequests", sender, ("release", request_id, patient), verb, sender)

    @rule(
        data=st.data(),
        patient=subjects,
        name=st.sampled_from(["deliver", "decline", "confirm", "dispute", "release", "approveStudy", "returnUnearned"]),
    )
    def do_something_at_any_time(self, data, patient, name):
        """By whom it would belong to, whether or not its time has come."""
        model, request_id = self.model, self.a_request(data)
        part, requester = model.reservation(request_id, patient), model.requests[request_id].requester
        custodian = HOSPITAL if part.custodian == ZERO_ADDRESS else part.custodian
        stating = (CONTENTS[0], BUNDLES[0], GOOD)
        caller, verb, more = {
            "deliver": (custodian, partial(model.deliver, custodian, request_id, patient, *stating), stating),
            "decline": (custodian, partial(model.decline, custodian, request_id, patient), ()),
            "confirm": (requester, partial(model.confirm, requester, request_id, patient), ()),
            "dispute": (requester, partial(model.dispute, requester, request_id, patient, NOTE), (NOTE,)),
            "release": (DOCTOR, partial(model.release_reward, request_id, patient), ()),
            "approveStudy": (COMMITTEE, partial(model.approve_study, COMMITTEE, request_id), None),
            "returnUnearned": (DOCTOR, partial(model.return_unearned, request_id), None),
        }[name]
        call = (name, request_id) if more is None else (name, request_id, patient, *more)
        self.both("AccessRequests", caller, call, verb, caller)

    # ----------------------------------------------------------------------------------------------------- money

    def a_credit(self, data):
        """Return who has a credit, and in what."""
        return data.draw(st.sampled_from(self.credited()))

    def credited(self):
        return sorted(pair for pair, amount in self.model.credits.items() if amount)

    @precondition(credited)
    @rule(
        data=st.data(),
        to=st.sampled_from(RECIPIENTS),
        fault=faults("stranger", "nobody", "back", "nothing"),
    )
    def withdraw(self, data, to, fault):
        account, token = self.a_credit(data)
        account = DOCTOR if fault == "nothing" or account == self.stage.consortium else account
        caller = MINISTRY if fault == "stranger" else self.model.controller_of(account).controller
        to = {"nobody": ZERO_ADDRESS, "back": self.stage.requests}.get(fault, to)
        verb = partial(self.model.withdraw, caller, account, token, to)
        self.in_token(token, caller, ("withdraw", account, token, to), verb, caller)

    @precondition(credited)
    @rule(
        target=withdrawals,
        data=st.data(),
        to=st.sampled_from(RECIPIENTS),
        shift=st.sampled_from([0, 0, 0, 1]),
        seconds=st.sampled_from([None, None, 0, DAY]),
        fault=faults("stranger", *FORGERIES),
        sender=st.sampled_from([None, *EVERYBODY]),
    )
    def sign_withdrawal(self, data, to, shift, seconds, fault, sender):
        """Somebody signs for what he earned, and perhaps it is sent at once."""
        account, token = self.a_credit(data)
        account = DOCTOR if account == self.stage.consortium else account
        signer = MINISTRY if fault == "stranger" else self.model.controller_of(account).controller
        message = SignableWithdraw(
            account=account,
            token=token,
            to=to,
            count=self.model.withdrawals(account) + shift,
            deadline=END_OF_TIME if seconds is None else self.now + seconds,
        )
        letter = write(message, signer, fault if fault in FORGERIES else None, DOCTOR)
        note(f"{NAMES[signer]} signs: {letter} {fault or ''}")
        self.deadlines.add(message.deadline)
        if sender is not None:
            self.send_withdrawal(letter, sender)
        return letter

    @rule(letter=withdrawals, sender=anybody)
    def send_withdrawal_again(self, letter, sender):
        """Anybody sends it, as often as he likes."""
        self.send_withdrawal(letter, sender)

    @rule(manner=st.sampled_from(["honest", "honest", *HOSTILE_MANNERS]))
    def let_the_token_behave(self, manner):
        self.behave(manner)

    # ------------------------------------------------------------------------------------------------------ time

    @rule(seconds=st.sampled_from([1, 60, HOUR, HOUR, DAY]))
    def wait(self, seconds):
        self.travel(self.now + seconds)

    @precondition(lambda self: self.moments())
    @rule(data=st.data())
    def wait_for_a_moment(self, data):
        """To the second in which something ends or is due, the one before or the one after."""
        self.travel(data.draw(st.sampled_from(self.moments()[:12])))


TestDealingsAgainstModel = DealingsAgainstModel.TestCase
TestDealingsAgainstModel.pytestmark = [pytest.mark.stateful, pytest.mark.timeout(4 * 3600)]
