"""What the ports to requests and their money promise, asked of the double and of the adapters on both chains alike.

RequestLedger
├── a request is opened with its rewards, approved, accepted by signature, delivered, and paid
├── where quality counts, less than is asked is not delivered, and what was not earned goes back
├── a delivery is disputed and decided, or released once its time has come
├── what nobody earned goes back: declined, cancelled, or past the deadline
├── the same intent is the same request, the same acceptance, and the same delivery
└── each refusal arrives as its exception
EscrowLedger
├── credits are withdrawn by the one in control, directly and by signature, in coins and in a token
└── splits, periods, tokens, credits and balances are read back, for the block that was asked
EventSource
└── all that was done rebuilds what the reads say, and money in is money held and paid out
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from behaviour_world import HOUR, Scene

from medshare.chain import LocalSigner
from medshare.errors import (
    GrantNotLiveError,
    GrantUnfitError,
    InsufficientFundsError,
    InvalidInputError,
    NothingToReturnError,
    NothingToWithdrawError,
    NotInvitedError,
    RecipientInvalidError,
    RequestCategoryUnknownError,
    RequestDeadlinePassedError,
    RequestNotAccreditedError,
    RequestNotAllowedError,
    RequestNotOpenError,
    RequestTermsInvalidError,
    RequestTooEarlyError,
    RequestUsedUpError,
    ReservationNotError,
    ReservedAlreadyError,
    ScoreUnfitError,
    SignatureInvalidError,
    SignedOutdatedError,
    TokenNotAllowedError,
    TransactionFailedError,
    UnknownRequestError,
    WithdrawalNotAllowedError,
    WrongDomainError,
)
from medshare.hashing import sha256
from medshare.model.accreditation import AccreditationKind
from medshare.model.delegation import DelegationRequest, Verbs
from medshare.model.governed import (
    ApproveStudy,
    CancelRequest,
    DecideDispute,
    SetPeriods,
    SetTokenAllowed,
    WithdrawTreasury,
)
from medshare.model.ids import ZERO_ADDRESS, RequestId, derive_grant_id
from medshare.model.invitations import InvitationTree
from medshare.model.ledger import LedgerModel
from medshare.model.purpose import Purpose
from medshare.model.request import (
    DAY,
    NATIVE,
    Acceptance,
    AccessRequest,
    Periods,
    RequestStatus,
    RequestTerms,
    Reservation,
    ReservationStatus,
    Split,
    request_terms_digest,
)
from medshare.model.typed_data import SignableGrant, SignableRevoke, SignableWithdraw, SignedMessage

pytestmark = pytest.mark.integration

CONTENT, BUNDLE, DOCUMENT, REASON = (sha256(text) for text in (b"content", b"bundle", b"document", b"reason"))
REWARD = 10**15 + 1
SPLIT = Split(patient=7_000, custodian=2_000)
PARTS = SPLIT.divide(REWARD)
NOBODYS = RequestId(1 << 40)


@pytest.fixture
def researcher(scene: Scene) -> LocalSigner:
    return scene.accredited(AccreditationKind.RESEARCHER)


@pytest.fixture
def hospital(scene: Scene) -> LocalSigner:
    return scene.accredited(AccreditationKind.CUSTODIAN)


@pytest.fixture
def mary(scene: Scene) -> LocalSigner:
    return scene.person()


def tree_of(*patients: LocalSigner) -> InvitationTree:
    return InvitationTree.of({one.address: sha256(one.address.encode()) for one in patients})


def terms_of(scene: Scene, *patients: LocalSigner, **change) -> RequestTerms:
    """Return terms that name these patients; an open call where there are none."""
    usual = {
        "purposes": Purpose.HRESCH,
        "category": 1,
        "grants": 2,
        "deadline": scene.now + 10 * DAY,
        "access_days": 30,
        "reward": REWARD,
        "document": DOCUMENT,
    }
    if patients:
        usual["invitees"] = tree_of(*patients).root
    return RequestTerms(**{**usual, **change})


def accepting(
    scene: Scene,
    request: AccessRequest,
    patient: LocalSigner,
    custodian: LocalSigner,
    *others: LocalSigner,
    content: bytes = CONTENT,
    **change,
) -> Acceptance:
    """Return a patient's acceptance of a request that names him, and others."""
    contract = scene.ledger.requests.address
    usual = {
        "patient": patient.address,
        "grantee": request.requester,
        "terms": request_terms_digest(contract, request.request_id, custodian.address, content),
        "bundle": BUNDLE,
        "purposes": request.terms.purposes,
        "not_before": 0,
        "expires_at": request.access_until,
        "stamp": 0,
        "epoch": 0,
        "deadline": scene.now + 20 * DAY,
    }
    signed = scene.sign(change.pop("by", patient), SignableGrant, **{**usual, **change})
    acceptance = Acceptance(custodian=custodian.address, content=content, signed=signed)
    if request.is_open_call:
        return acceptance
    return replace(acceptance, invitation=tree_of(patient, *others).invitation(patient.address))


def opened(scene: Scene, researcher: LocalSigner, *patients: LocalSigner, **change) -> AccessRequest:
    terms = terms_of(scene, *patients, **change)
    found = scene.ledger.requests.open(researcher, terms)
    return scene.ledger.requests.request(found.request_id, block=found.receipt.block)


def delivered(scene: Scene, researcher: LocalSigner, patient: LocalSigner, hospital: LocalSigner, **change):
    request = opened(scene, researcher, patient, **change)
    scene.ledger.requests.accept(hospital, request.request_id, accepting(scene, request, patient, hospital))
    scene.ledger.requests.deliver(hospital, request.request_id, patient.address, CONTENT, BUNDLE, 0)
    return request


# ------------------------------------------------------------------------------------- opening, approving


def test_open__with_coins__is_read_back_and_its_rewards_are_held(scene: Scene, researcher, mary) -> None:
    requests, escrow = scene.ledger.requests, scene.ledger.escrow
    terms = terms_of(scene, mary)
    before = scene.ledger.chain.head()
    held = escrow.balance(requests.address, NATIVE, block=before)
    found = requests.open(researcher, terms)
    block = found.receipt.block
    assert requests.request(found.request_id, block=block) == AccessRequest(
        request_id=found.request_id,
        requester=researcher.address,
        terms=terms,
        status=RequestStatus.OPEN,
        places=2,
        delivered=0,
        returned=0,
        split=SPLIT,
        periods=Periods(),
    )
    assert escrow.balance(requests.address, NATIVE, block=block) == held + 2 * REWARD
    assert escrow.balance(requests.address, NATIVE, block=before) == held
    with pytest.raises(UnknownRequestError):
        requests.request(found.request_id, block=before)


@pytest.mark.parametrize("by_vote", [False, True], ids=["committee", "vote"])
def test_open_call__approved_by_committee_or_vote__can_be_accepted(
    scene: Scene, researcher, hospital, mary, by_vote: bool
) -> None:
    requests = scene.ledger.requests
    request = opened(scene, researcher)
    acceptance = accepting(scene, request, mary, hospital)
    assert request.status is RequestStatus.AWAITING_APPROVAL
    with pytest.raises(RequestNotOpenError) as awaiting:
        requests.accept(hospital, request.request_id, acceptance)
    assert awaiting.value.status == RequestStatus.AWAITING_APPROVAL
    with pytest.raises(RequestNotAllowedError):
        requests.approve_study(researcher, request.request_id)
    with pytest.raises(RequestNotAccreditedError):
        requests.approve_study(hospital, request.request_id)
    if by_vote:
        scene.decided(ApproveStudy(request_id=request.request_id))
    else:
        requests.approve_study(scene.accredited(AccreditationKind.ETHICS_COMMITTEE), request.request_id)
    accepted = requests.accept(hospital, request.request_id, acceptance)
    assert requests.reservation(request.request_id, mary.address, block=accepted.block) == Reservation(
        custodian=hospital.address, since=accepted.block.time, status=ReservationStatus.RESERVED
    )


def test_open__refusals__are_typed(scene: Scene, researcher, hospital, mary) -> None:
    open_request = scene.ledger.requests.open
    for error, who, change in (
        (RequestNotAccreditedError, hospital, {}),
        (RequestTermsInvalidError, researcher, {"purposes": Purpose.BTG}),
        (RequestTermsInvalidError, researcher, {"deadline": 5}),
        (RequestTermsInvalidError, researcher, {"minimum_score": 80}),
        (RequestTermsInvalidError, researcher, {"quality_method": 1, "quality_weight": 10_001}),
        (RequestCategoryUnknownError, researcher, {"category": 77}),
        (TokenNotAllowedError, researcher, {"token": mary.address}),
        (InsufficientFundsError, researcher, {"reward": 10**25}),
    ):
        with pytest.raises(error):
            open_request(who, terms_of(scene, mary, **change))


def test_open__with_the_same_intent__is_the_same_request(scene: Scene, researcher, mary) -> None:
    requests, terms = scene.ledger.requests, terms_of(scene, mary)
    first = requests.open(researcher, terms, intent="open/1")
    assert requests.open(researcher, terms, intent="open/1") == first
    assert requests.open(researcher, terms).request_id == first.request_id + 1
    with pytest.raises(InvalidInputError):
        requests.open(researcher, replace(terms, grants=1), intent="open/1")


# ---------------------------------------------------------------------------------------------- accepting


def test_accept__by_signature__grants_and_reserves_at_once(scene: Scene, researcher, hospital, mary) -> None:
    requests, consents = scene.ledger.requests, scene.ledger.consents
    request = opened(scene, researcher, mary)
    acceptance = accepting(scene, request, mary, hospital)
    accepted = requests.accept(hospital, request.request_id, acceptance, intent="accept/1")
    assert requests.accept(hospital, request.request_id, acceptance, intent="accept/1") == accepted
    grant_id = derive_grant_id(mary.address, researcher.address, acceptance.grant.terms)
    assert consents.is_live(grant_id, Purpose.HRESCH, block=accepted.block)
    assert requests.request(request.request_id, block=accepted.block).places == 1
    with pytest.raises(ReservedAlreadyError) as again:
        requests.accept(hospital, request.request_id, acceptance)
    assert again.value.patient == mary.address


def test_accept__by_a_delegates_signature__is_by_his_mandate(scene: Scene, researcher, hospital, mary) -> None:
    son = scene.person()
    appointment = DelegationRequest(
        delegate=son.address,
        verbs=Verbs.GRANT,
        purposes=Purpose.HRESCH,
        not_before=0,
        expires_at=scene.now + 100 * DAY,
    )
    scene.ledger.authority.appoint(mary, mary.address, appointment)
    request = opened(scene, researcher, mary)
    acceptance = accepting(scene, request, mary, hospital, by=son, mandate=1)
    scene.ledger.requests.accept(hospital, request.request_id, acceptance)


def test_accept__the_signature_was_sent_before__takes_the_grant_that_stands(
    scene: Scene, researcher, hospital, mary
) -> None:
    request = opened(scene, researcher, mary)
    acceptance = accepting(scene, request, mary, hospital)
    scene.ledger.relay(scene.person(), [acceptance.signed])
    accepted = scene.ledger.requests.accept(hospital, request.request_id, acceptance)
    reservation = scene.ledger.requests.reservation(request.request_id, mary.address, block=accepted.block)
    assert reservation.status is ReservationStatus.RESERVED


def test_accept__refusals__are_typed_and_reserve_nothing(scene: Scene, researcher, hospital, mary) -> None:
    requests, other = scene.ledger.requests, scene.person()
    request = opened(scene, researcher, mary, other, grants=1)
    number = request.request_id

    def accept(acceptance: Acceptance) -> None:
        requests.accept(hospital, number, acceptance)

    good = accepting(scene, request, mary, hospital, other)
    elsewhere = replace(good.signed, domain=replace(good.signed.domain, chain_id=7))
    revocation = scene.sign(
        mary, SignableRevoke, patient=mary.address, grant_id=int(mary.address, 16) << 96 | 1, last_epoch=0
    )
    for error, acceptance in (
        (NotInvitedError, replace(good, invitation=accepting(scene, request, mary, hospital).invitation)),
        (GrantUnfitError, accepting(scene, request, mary, hospital, other, purposes=Purpose.TREAT)),
        (GrantUnfitError, accepting(scene, request, mary, hospital, other, expires_at=request.access_until - 1)),
        (SignatureInvalidError, replace(good, custodian=other.address)),
        (SignatureInvalidError, replace(good, content=REASON)),
        (SignedOutdatedError, accepting(scene, request, mary, hospital, other, stamp=1)),
        (WrongDomainError, replace(good, signed=elsewhere)),
        (InvalidInputError, replace(good, signed=revocation)),
    ):
        with pytest.raises(error):
            accept(acceptance)
    with pytest.raises(UnknownRequestError) as unknown:
        requests.accept(hospital, NOBODYS, good)
    assert unknown.value.request_id == NOBODYS
    accept(good)
    with pytest.raises(RequestUsedUpError):
        accept(accepting(scene, request, other, hospital, mary))


# --------------------------------------------------------------------------------------- delivering, paying


def test_deliver_and_confirm__pays_all_three(scene: Scene, researcher, hospital, mary) -> None:
    requests, escrow = scene.ledger.requests, scene.ledger.escrow
    request = delivered(scene, researcher, mary, hospital)
    number = request.request_id
    head = scene.ledger.chain.head()
    treasury = escrow.credit(scene.ledger.consortium.address, NATIVE, block=head)
    for refused in (requests.confirm, requests.release):
        with pytest.raises((RequestNotAllowedError, RequestTooEarlyError)):
            refused(hospital, number, mary.address)
    confirmed = requests.confirm(researcher, number, mary.address)
    accounts = (mary.address, hospital.address, scene.ledger.consortium.address)
    earned = [escrow.credit(account, NATIVE, block=confirmed.block) for account in accounts]
    assert earned == [PARTS[0], PARTS[1], treasury + PARTS[2]]
    assert escrow.credit(mary.address, NATIVE, block=head) == 0
    assert requests.request(number, block=confirmed.block).delivered == 1
    with pytest.raises(ReservationNotError) as paid:
        requests.confirm(researcher, number, mary.address)
    assert paid.value.status == ReservationStatus.PAID


def test_deliver__with_the_same_intent__is_the_same_delivery(scene: Scene, researcher, hospital, mary) -> None:
    requests = scene.ledger.requests
    request = opened(scene, researcher, mary)
    number = request.request_id
    requests.accept(hospital, number, accepting(scene, request, mary, hospital))
    first = requests.deliver(hospital, number, mary.address, CONTENT, BUNDLE, 0, intent="deliver/1")
    assert requests.deliver(hospital, number, mary.address, CONTENT, BUNDLE, 0, intent="deliver/1") == first


def test_deliver__refusals__are_typed(scene: Scene, researcher, hospital, mary) -> None:
    requests = scene.ledger.requests
    request = opened(scene, researcher, mary)
    number = request.request_id
    with pytest.raises(ReservationNotError):
        requests.deliver(hospital, number, mary.address, CONTENT, BUNDLE, 0)
    acceptance = accepting(scene, request, mary, hospital)
    requests.accept(hospital, number, acceptance)
    with pytest.raises(RequestNotAllowedError):
        requests.deliver(scene.person(), number, mary.address, CONTENT, BUNDLE, 0)
    with pytest.raises(GrantNotLiveError):
        requests.deliver(hospital, number, mary.address, REASON, BUNDLE, 0)
    scene.ledger.consents.revoke(mary, derive_grant_id(mary.address, researcher.address, acceptance.grant.terms))
    with pytest.raises(GrantNotLiveError) as revoked:
        requests.deliver(hospital, number, mary.address, CONTENT, BUNDLE, 0)
    assert revoked.value.patient == mary.address
    scene.wait(10 * DAY)
    with pytest.raises(RequestDeadlinePassedError):
        requests.deliver(hospital, number, mary.address, CONTENT, BUNDLE, 0)


def test_confirm__where_quality_counts__what_was_not_earned_goes_back(scene: Scene, researcher, hospital, mary) -> None:
    requests, escrow = scene.ledger.requests, scene.ledger.escrow
    asked = {"minimum_score": 50, "quality_method": 3, "quality_weight": 5_000}
    request = opened(scene, researcher, mary, **asked)
    number = request.request_id
    assert {name: getattr(request.terms, name) for name in asked} == asked
    requests.accept(hospital, number, accepting(scene, request, mary, hospital))
    with pytest.raises(ScoreUnfitError) as poor:
        requests.deliver(hospital, number, mary.address, CONTENT, BUNDLE, 49)
    assert (poor.value.score, poor.value.minimum_score) == (49, 50)
    with pytest.raises(ScoreUnfitError):
        requests.deliver(hospital, number, mary.address, CONTENT, BUNDLE, 101)
    sent = requests.deliver(hospital, number, mary.address, CONTENT, BUNDLE, 60)
    assert requests.reservation(number, mary.address, block=sent.block).score == 60
    confirmed = requests.confirm(researcher, number, mary.address)
    back = PARTS[1] * 5_000 * 40 // 1_000_000
    earned = [escrow.credit(each.address, NATIVE, block=confirmed.block) for each in (mary, hospital, researcher)]
    assert earned == [PARTS[0], PARTS[1] - back, back]


@pytest.mark.parametrize("paid", [True, False], ids=["paid", "returned"])
def test_dispute__decided_by_vote__is_paid_or_returned(scene: Scene, researcher, hospital, mary, paid: bool) -> None:
    requests, escrow = scene.ledger.requests, scene.ledger.escrow
    number = delivered(scene, researcher, mary, hospital).request_id
    with pytest.raises(RequestNotAllowedError):
        requests.dispute(hospital, number, mary.address, REASON)
    disputed = requests.dispute(researcher, number, mary.address, REASON)
    reservation = requests.reservation(number, mary.address, block=disputed.block)
    assert (reservation.status, reservation.since) == (ReservationStatus.DISPUTED, disputed.block.time)
    done = scene.decided(DecideDispute(request_id=number, patient=mary.address, paid=paid))
    status = requests.reservation(number, mary.address, block=done.block).status
    assert status is (ReservationStatus.PAID if paid else ReservationStatus.RETURNED)
    assert escrow.credit(mary.address, NATIVE, block=done.block) == (PARTS[0] if paid else 0)
    assert escrow.credit(researcher.address, NATIVE, block=done.block) == (0 if paid else REWARD)


@pytest.mark.parametrize("disputed", [False, True], ids=["undisputed", "undecided"])
def test_release__nobody_disputed_or_decided_in_time__is_paid_by_anybody(
    scene: Scene, researcher, hospital, mary, disputed: bool
) -> None:
    requests, anybody = scene.ledger.requests, scene.person()
    number = delivered(scene, researcher, mary, hospital).request_id
    if disputed:
        requests.dispute(researcher, number, mary.address, REASON)
    scene.ledger.consents.revoke_all(mary, mary.address)
    with pytest.raises(RequestTooEarlyError) as early:
        requests.release(anybody, number, mary.address)
    period = Periods().decision_period if disputed else Periods().dispute_period
    assert early.value.earliest > scene.now + period - HOUR
    scene.wait(period)
    released = requests.release(anybody, number, mary.address)
    assert scene.ledger.escrow.credit(mary.address, NATIVE, block=released.block) == PARTS[0]
    with pytest.raises(ReservationNotError):
        requests.release(anybody, number, mary.address)


# ---------------------------------------------------------------------------------------------- giving back


def test_decline__by_the_custodian__frees_the_place(scene: Scene, researcher, hospital, mary) -> None:
    requests = scene.ledger.requests
    request = opened(scene, researcher, mary)
    acceptance = accepting(scene, request, mary, hospital)
    requests.accept(mary, request.request_id, acceptance)
    with pytest.raises(RequestNotAllowedError):
        requests.decline(mary, request.request_id, mary.address)
    declined = requests.decline(hospital, request.request_id, mary.address)
    assert requests.request(request.request_id, block=declined.block).places == 2
    assert requests.reservation(request.request_id, mary.address, block=declined.block).status is ReservationStatus.NONE


@pytest.mark.parametrize("by_vote", [False, True], ids=["requester", "vote"])
def test_cancel__gives_back_what_nobody_reserved_and_the_rest_once_it_is_late(
    scene: Scene, researcher, hospital, mary, by_vote: bool
) -> None:
    requests, escrow = scene.ledger.requests, scene.ledger.escrow
    request = opened(scene, researcher, mary)
    number = request.request_id
    requests.accept(hospital, number, accepting(scene, request, mary, hospital))
    with pytest.raises(RequestNotAllowedError):
        requests.cancel(hospital, number)
    with pytest.raises(RequestTooEarlyError):
        requests.return_unearned(hospital, number)
    cancelled = scene.decided(CancelRequest(request_id=number)) if by_vote else requests.cancel(researcher, number)
    after = requests.request(number, block=cancelled.block)
    assert (after.status, after.places, after.returned) == (RequestStatus.CANCELLED, 0, 1)
    assert escrow.credit(researcher.address, NATIVE, block=cancelled.block) == REWARD
    with pytest.raises(RequestNotOpenError):
        requests.cancel(researcher, number)
    scene.wait(10 * DAY)
    returned = requests.return_unearned(hospital, number)
    assert escrow.credit(researcher.address, NATIVE, block=returned.block) == 2 * REWARD
    with pytest.raises(NothingToReturnError):
        requests.return_unearned(hospital, number)


# ------------------------------------------------------------------------------------------------ withdrawing


def test_withdraw__by_the_one_in_control__pays_out_once(scene: Scene, researcher, hospital, mary) -> None:
    escrow, purse = scene.ledger.escrow, LocalSigner.generate()
    number = delivered(scene, researcher, mary, hospital).request_id
    scene.ledger.requests.confirm(researcher, number, mary.address)
    with pytest.raises(WithdrawalNotAllowedError) as refused:
        escrow.withdraw(hospital, mary.address, NATIVE, hospital.address)
    assert (refused.value.account, refused.value.caller) == (mary.address, hospital.address)
    for to in (ZERO_ADDRESS, scene.ledger.requests.address):
        with pytest.raises(RecipientInvalidError):
            escrow.withdraw(mary, mary.address, NATIVE, to)
    withdrawn = escrow.withdraw(mary, mary.address, NATIVE, purse.address)
    assert escrow.balance(purse.address, NATIVE, block=withdrawn.block) == PARTS[0]
    assert escrow.credit(mary.address, NATIVE, block=withdrawn.block) == 0
    assert escrow.withdrawals(mary.address, block=withdrawn.block) == 1
    with pytest.raises(NothingToWithdrawError):
        escrow.withdraw(mary, mary.address, NATIVE, purse.address)


def test_withdraw__by_signature__needs_no_coins(scene: Scene, researcher, hospital) -> None:
    escrow, relay, payer = scene.ledger.escrow, scene.ledger.relay, scene.person()
    ann, purse = LocalSigner.generate(), LocalSigner.generate()
    number = delivered(scene, researcher, ann, hospital).request_id
    scene.ledger.requests.confirm(researcher, number, ann.address)
    words = {"account": ann.address, "token": NATIVE, "to": purse.address, "count": 0}
    thiefs = scene.sign(hospital, SignableWithdraw, **words | {"to": hospital.address})
    with pytest.raises(WithdrawalNotAllowedError):
        relay(payer, [thiefs])
    signed: SignedMessage = scene.sign(ann, SignableWithdraw, **words)
    (outcome,) = relay(payer, [signed])
    assert escrow.balance(purse.address, NATIVE, block=outcome.receipt.block) == PARTS[0]
    with pytest.raises(SignedOutdatedError):
        relay(payer, [signed])


def test_withdraw__what_the_consortium_earned__goes_where_a_vote_says(scene: Scene, researcher, hospital, mary) -> None:
    escrow, consortium, purse = scene.ledger.escrow, scene.ledger.consortium.address, LocalSigner.generate()
    number = delivered(scene, researcher, mary, hospital).request_id
    confirmed = scene.ledger.requests.confirm(researcher, number, mary.address)
    earned = escrow.credit(consortium, NATIVE, block=confirmed.block)
    done = scene.decided(WithdrawTreasury(account=consortium, token=NATIVE, to=purse.address))
    assert escrow.balance(purse.address, NATIVE, block=done.block) == earned >= PARTS[2]


def test_token__allowed_by_vote__is_deposited_and_withdrawn(scene: Scene, researcher, hospital, mary) -> None:
    escrow, requests, token = scene.ledger.escrow, scene.ledger.requests, scene.token
    head = scene.ledger.chain.head()
    assert (escrow.is_token_allowed(token, block=head), escrow.is_token_allowed(NATIVE, block=head)) == (False, True)
    allowed = scene.decided(SetTokenAllowed(token=token, allowed=True))
    assert escrow.is_token_allowed(token, block=allowed.block)
    terms = terms_of(scene, mary, token=token, grants=1)
    with pytest.raises(TransactionFailedError):
        requests.open(researcher, terms)
    scene.give(researcher.address, REWARD + 5)
    with pytest.raises(TransactionFailedError):
        requests.open(researcher, terms)
    escrow.allow(researcher, token, REWARD)
    request = delivered(scene, researcher, mary, hospital, token=token, grants=1)
    head = scene.ledger.chain.head()
    assert escrow.balance(researcher.address, token, block=head) == 5
    assert escrow.balance(requests.address, token, block=head) == REWARD
    requests.confirm(researcher, request.request_id, mary.address)
    withdrawn = escrow.withdraw(mary, mary.address, token, mary.address)
    assert escrow.balance(mary.address, token, block=withdrawn.block) == PARTS[0]
    scene.decided(SetTokenAllowed(token=token, allowed=False))
    withdrawn = escrow.withdraw(hospital, hospital.address, token, hospital.address)
    assert escrow.balance(hospital.address, token, block=withdrawn.block) == PARTS[1]


def test_allow__the_native_coin__is_refused(scene: Scene, mary) -> None:
    with pytest.raises(InvalidInputError):
        scene.ledger.escrow.allow(mary, NATIVE, 5)


def test_periods__set_by_vote__are_those_of_the_next_request(scene: Scene, researcher, mary) -> None:
    usual, other = Periods(), Periods(dispute_period=3600, decision_period=7200)
    before = opened(scene, researcher, mary)
    try:
        done = scene.decided(SetPeriods(dispute_period=3600, decision_period=7200))
        assert scene.ledger.escrow.periods(block=done.block) == other
        assert (before.periods, opened(scene, researcher, mary).periods) == (usual, other)
    finally:
        scene.decided(SetPeriods(dispute_period=usual.dispute_period, decision_period=usual.decision_period))


# ------------------------------------------------------------------------------------------------ replaying


def test_events__of_everything__rebuild_what_the_reads_say(scene: Scene, researcher, hospital, mary) -> None:
    ledger = scene.ledger
    number = delivered(scene, researcher, mary, hospital).request_id
    ledger.requests.dispute(researcher, number, mary.address, REASON)
    head = ledger.chain.head()
    replayed = LedgerModel(consortium=ledger.consortium.address, escrow=ledger.requests.address)
    for event in ledger.chain.events(ledger.chain.first_block, head.number):
        replayed.apply(event)
    assert replayed.voting_rules == ledger.consortium.voting_rules(block=head)
    assert replayed.periods == ledger.escrow.periods(block=head)
    for account, member in replayed.members.items():
        assert ledger.consortium.member(account, block=head) == member
    for proposal_id, proposal in replayed.proposals.items():
        assert ledger.consortium.proposal(proposal_id, block=head) == proposal
        assert ledger.consortium.tally(proposal_id, block=head) == replayed.tally(proposal_id)
    for (actor, kind), accreditation in replayed.accreditations.items():
        assert ledger.accreditation.accreditation(actor, kind, block=head) == accreditation
        is_accredited = ledger.accreditation.is_accredited(actor, kind, block=head)
        assert replayed.is_accredited(actor, kind, head.time) == is_accredited
    for request_id, request in replayed.requests.items():
        assert ledger.requests.request(request_id, block=head) == request
    for (request_id, patient), reservation in replayed.reservations.items():
        assert ledger.requests.reservation(request_id, patient, block=head) == reservation
    for category, split in replayed.splits.items():
        assert ledger.escrow.split(category, block=head) == split
    for (account, token), credit in replayed.credits.items():
        assert ledger.escrow.credit(account, token, block=head) == credit
        assert ledger.escrow.withdrawals(account, block=head) == replayed.withdrawals(account)
    for token, held in replayed.held.items():
        assert ledger.escrow.balance(ledger.requests.address, token, block=head) == held
        assert held == replayed.owed(token) + replayed.credited(token)
