"""Access requests and their money, in the pure model.

given an accredited researcher
├─ a request opens with all its rewards deposited; each thing that cannot be has its refusal
├─ an open call awaits an ethics committee or a vote; who is named needs none
└─ cancelled or past its deadline, what nobody earned goes back, and never more
given a patient's signature
├─ accepting grants and reserves at once, or not at all; the grant that stands already is taken
├─ it is good for this request, this custodian, this content, once
└─ a delegate's signature says that he acted
given a reservation
├─ the custodian whom the patient named delivers or declines, before the deadline
├─ what was delivered is earned whatever the patient does; what was not is lost with the grant
└─ a dispute waits for a vote, and is paid where nobody decides
given credits
└─ the one in control withdraws, all at once, directly or by signature
given any history
└─ its events rebuild the state, money in is money held and paid out, and a refused verb changes nothing
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

import pytest
from founded import CONSORTIUM, ESCROW, MEMBER, NEVER, PERIODS, SPLIT, founded, place_at, refused
from hypothesis import given
from hypothesis import strategies as st

from medshare.errors import (
    AmountMismatchError,
    DeadlinePassedError,
    GrantNotLiveError,
    GrantUnfitError,
    InvalidInputError,
    NothingToReturnError,
    NothingToWithdrawError,
    NotInvitedError,
    RecipientInvalidError,
    RejectedError,
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
    SplitInvalidError,
    TokenNotAllowedError,
    UnknownRequestError,
    WithdrawalNotAllowedError,
)
from medshare.hashing import sha256
from medshare.model.accreditation import AccreditationKind
from medshare.model.delegation import Control, DelegationRequest, Verbs
from medshare.model.eip712 import Domain
from medshare.model.events import (
    AccessGranted,
    ActedFor,
    Credited,
    DeliveryDeclined,
    RequestCancelled,
    RequestOpened,
    RewardPaid,
    RewardReserved,
    RewardReturned,
    UnearnedReturned,
    Withdrawn,
)
from medshare.model.ids import ZERO_ADDRESS, Address, RequestId, address, derive_grant_id
from medshare.model.invitations import InvitationTree
from medshare.model.ledger import LedgerModel
from medshare.model.purpose import Purpose
from medshare.model.request import (
    DAY,
    NATIVE,
    Acceptance,
    AccessRequest,
    Invitation,
    RequestStatus,
    RequestTerms,
    Reservation,
    ReservationStatus,
    Split,
    request_terms_digest,
)
from medshare.model.typed_data import SignableGrant, SignableRevoke, SignableWithdraw, SignedMessage

pytestmark = pytest.mark.unit

RESEARCHER, HOSPITAL, CLINIC, ETHICS, STRANGER, SON = (
    address("0x" + f"{n:02x}" * 20) for n in (0x71, 0x72, 0x73, 0x74, 0x75, 0x76)
)
MARY, JOHN, ANNA = PATIENTS = tuple(address("0x" + f"{n:02x}" * 20) for n in (0x11, 0x12, 0x13))
TOKEN = address("0x" + "7f" * 20)
DOMAIN = Domain.of("ConsentRegistry", 31337, address("0x" + "c5" * 20))
NOW = 1_000_000
DEADLINE = NOW + 10 * DAY
CONTENT, BUNDLE, DOCUMENT, REASON = (sha256(text) for text in (b"content", b"bundle", b"document", b"reason"))
ONE, TWO = RequestId(1), RequestId(2)
REWARD = 1_001
"""Divides by nothing: rounding shows."""


def at(time: int = NOW):
    return place_at(time)


def terms(**change) -> RequestTerms:
    usual = {
        "purposes": Purpose.HRESCH,
        "category": 1,
        "grants": 2,
        "deadline": DEADLINE,
        "access_days": 30,
        "token": NATIVE,
        "reward": REWARD,
        "document": DOCUMENT,
        "invitees": TREE.root,
    }
    return RequestTerms(**{**usual, **change})


TREE = InvitationTree.of({patient: sha256(patient.encode()) for patient in PATIENTS})


def acceptance(patient: Address = MARY, *, request: RequestId = ONE, **change) -> Acceptance:
    """Return what a patient signs to accept; changes are the acceptance's or the message's, by name."""
    custodian, content = change.pop("custodian", HOSPITAL), change.pop("content", CONTENT)
    invitation = change.pop("invitation", TREE.invitation(patient) if patient in PATIENTS else Invitation())
    signer = change.pop("signer", patient)
    usual = {
        "patient": patient,
        "grantee": RESEARCHER,
        "terms": request_terms_digest(ESCROW, request, custodian, content),
        "bundle": BUNDLE,
        "purposes": Purpose.HRESCH,
        "not_before": 0,
        "expires_at": DEADLINE + 30 * DAY,
        "stamp": 0,
        "epoch": 0,
        "deadline": DEADLINE,
    }
    message = SignableGrant(**{**usual, **change})
    signed = SignedMessage(message=message, domain=DOMAIN, signer=signer, signature=bytes(65))
    return Acceptance(custodian=custodian, content=content, signed=signed, invitation=invitation)


@pytest.fixture
def model() -> LedgerModel:
    return accredited()


def accredited() -> LedgerModel:
    model = founded(HOSPITAL, CLINIC)
    model.accredit(MEMBER, RESEARCHER, AccreditationKind.RESEARCHER, NEVER, at())
    model.accredit(MEMBER, ETHICS, AccreditationKind.ETHICS_COMMITTEE, NEVER, at())
    model.set_token_allowed(CONSORTIUM, TOKEN, at(), allowed=True)
    return model


@pytest.fixture
def opened(model: LedgerModel) -> LedgerModel:
    model.open_request(RESEARCHER, terms(), at())
    return model


@pytest.fixture
def reserved(opened: LedgerModel) -> LedgerModel:
    opened.accept(ONE, acceptance(), at())
    return opened


@pytest.fixture
def delivered(reserved: LedgerModel) -> LedgerModel:
    reserved.deliver(HOSPITAL, ONE, MARY, CONTENT, BUNDLE, 0, at(NOW + 5))
    return reserved


@pytest.fixture
def disputed(delivered: LedgerModel) -> LedgerModel:
    delivered.dispute(RESEARCHER, ONE, MARY, REASON, at(NOW + 6))
    return delivered


def status_of(model: LedgerModel, patient: Address = MARY) -> ReservationStatus:
    return model.reservation(ONE, patient).status


def balanced(model: LedgerModel) -> bool:
    """Invariant I5, as far as the chain knows: what is held is owed to requests or credited, to the unit."""
    tokens = {NATIVE, TOKEN}
    return all(model.held.get(token, 0) == model.owed(token) + model.credited(token) for token in tokens)


# ------------------------------------------------------------------------------------------------- opening


def test_open__for_named_patients__is_open_with_its_rewards_held(model: LedgerModel) -> None:
    (event,) = model.open_request(RESEARCHER, terms(), at())
    assert isinstance(event, RequestOpened)
    request = model.request(ONE)
    assert event.request == request
    assert (request.status, request.places, request.split, request.periods) == (RequestStatus.OPEN, 2, SPLIT, PERIODS)
    assert (model.held[NATIVE], model.owed(NATIVE)) == (2 * REWARD, 2 * REWARD)
    with pytest.raises(UnknownRequestError):
        model.request(TWO)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"purposes": Purpose(0)}, RequestTermsInvalidError),
        ({"purposes": Purpose.HRESCH | Purpose.BTG}, RequestTermsInvalidError),
        ({"purposes": Purpose.ETREAT}, RequestTermsInvalidError),
        ({"grants": 0}, RequestTermsInvalidError),
        ({"deadline": NOW}, RequestTermsInvalidError),
        ({"document": bytes(32)}, RequestTermsInvalidError),
        ({"minimum_score": 101, "quality_method": 1}, RequestTermsInvalidError),
        ({"quality_weight": 10_001, "quality_method": 1}, RequestTermsInvalidError),
        ({"minimum_score": 1}, RequestTermsInvalidError),
        ({"quality_weight": 1}, RequestTermsInvalidError),
        ({"category": 0}, RequestCategoryUnknownError),
        ({"category": 4}, RequestCategoryUnknownError),
        ({"token": STRANGER}, TokenNotAllowedError),
    ],
    ids=str,
)
def test_open__that_could_not_be__is_refused(model: LedgerModel, change: dict, error: type) -> None:
    with refused(model, error):
        model.open_request(RESEARCHER, terms(**change), at())


@pytest.mark.parametrize("caller", [STRANGER, MARY, HOSPITAL, ETHICS, MEMBER, CONSORTIUM])
def test_open__by_who_is_no_researcher__is_refused(model: LedgerModel, caller: Address) -> None:
    with refused(model, RequestNotAccreditedError):
        model.open_request(caller, terms(), at())


@pytest.mark.parametrize(
    ("token", "more"),
    [
        (NATIVE, {"value": 2 * REWARD - 1}),
        (NATIVE, {"value": 0}),
        (TOKEN, {"value": 1}),
        (TOKEN, {"arrived": 2 * REWARD - 1}),
        (TOKEN, {"arrived": 2 * REWARD + 1}),
    ],
)
def test_open__what_arrives_is_not_what_was_promised__is_refused(model: LedgerModel, token: Address, more) -> None:
    with refused(model, AmountMismatchError):
        model.open_request(RESEARCHER, terms(token=token), at(), **more)
    model.open_request(RESEARCHER, terms(token=token), at())


def test_open__without_reward__holds_nothing(model: LedgerModel) -> None:
    model.open_request(RESEARCHER, terms(reward=0, token=TOKEN), at(), arrived=7)
    assert model.held[TOKEN] == 0


def test_open__the_split_changes_later__keeps_its_own(opened: LedgerModel) -> None:
    opened.set_split(CONSORTIUM, 1, Split(patient=10_000, custodian=0), at())
    opened.set_periods(CONSORTIUM, replace(PERIODS, dispute_period=3600), at())
    opened.open_request(RESEARCHER, terms(), at())
    assert (opened.request(ONE).split, opened.request(ONE).periods) == (SPLIT, PERIODS)
    assert opened.request(TWO).split == Split(patient=10_000, custodian=0)
    assert opened.request(TWO).periods.dispute_period == 3600


@pytest.mark.parametrize("by", [ETHICS, CONSORTIUM])
def test_approve__an_open_call__by_committee_or_vote_lets_anybody_accept(model: LedgerModel, by: Address) -> None:
    model.open_request(RESEARCHER, terms(invitees=bytes(32)), at())
    assert model.request(ONE).status is RequestStatus.AWAITING_APPROVAL
    stranger = acceptance(STRANGER)
    with refused(model, RequestNotOpenError):
        model.accept(ONE, stranger, at())
    for caller in (STRANGER, HOSPITAL):
        with refused(model, RequestNotAccreditedError):
            model.approve_study(caller, ONE, at())
    model.accredit(MEMBER, RESEARCHER, AccreditationKind.ETHICS_COMMITTEE, NEVER, at())
    with refused(model, RequestNotAllowedError):
        model.approve_study(RESEARCHER, ONE, at())
    model.approve_study(by, ONE, at())
    model.accept(ONE, stranger, at())
    with refused(model, RequestNotOpenError):
        model.approve_study(by, ONE, at())
    with refused(model, UnknownRequestError):
        model.approve_study(by, TWO, at())


# ------------------------------------------------------------------------------------------------ accepting


def test_accept__by_the_patients_signature__grants_and_reserves(opened: LedgerModel) -> None:
    granted, reserved = opened.accept(ONE, acceptance(), at())
    assert isinstance(granted, AccessGranted)
    assert isinstance(reserved, RewardReserved)
    assert (reserved.patient, reserved.custodian, reserved.content) == (MARY, HOSPITAL, CONTENT)
    assert (granted.place.log_index, reserved.place.log_index) == (0, 1)
    assert opened.is_live(granted.grant.grant_id, Purpose.HRESCH, NOW)
    assert opened.reservation(ONE, MARY) == Reservation(
        custodian=HOSPITAL, since=NOW, status=ReservationStatus.RESERVED
    )
    assert opened.request(ONE).places == 1


def test_accept__by_a_delegates_signature__says_that_he_acted(opened: LedgerModel) -> None:
    appointment = DelegationRequest(
        delegate=SON, verbs=Verbs.GRANT, purposes=Purpose.HRESCH, not_before=0, expires_at=NEVER
    )
    opened.appoint(MARY, MARY, appointment, at())
    acted, granted, reserved = opened.accept(ONE, acceptance(signer=SON, mandate=1), at())
    assert acted == ActedFor(place=at(), patient=MARY, actor=SON)
    assert isinstance(granted, AccessGranted)
    assert reserved.place.log_index == 2


@pytest.mark.parametrize(
    "change",
    [
        {"grantee": STRANGER},
        {"purposes": Purpose.TREAT},
        {"not_before": NOW + 1},
        {"expires_at": DEADLINE + 30 * DAY - 1},
    ],
    ids=str,
)
def test_accept__a_grant_that_does_not_fit__is_refused_with_its_word(opened: LedgerModel, change: dict) -> None:
    with refused(opened, GrantUnfitError) as caught:
        opened.accept(ONE, acceptance(**change), at())
    message = acceptance(**change).grant
    assert caught.value.wanted >> 96 == int(message.grantee, 16)
    assert caught.value.wanted >> 16 & 0xFFFF == message.purposes


def test_accept__for_more_or_for_longer__is_the_patients_to_give(opened: LedgerModel) -> None:
    opened.accept(ONE, acceptance(purposes=Purpose.HRESCH | Purpose.TREAT, expires_at=DEADLINE + 40 * DAY), at())
    assert status_of(opened) is ReservationStatus.RESERVED


@pytest.mark.parametrize(
    "other",
    [
        {"terms": request_terms_digest(ESCROW, TWO, HOSPITAL, CONTENT)},
        {"terms": request_terms_digest(ESCROW, ONE, CLINIC, CONTENT)},
        {"terms": request_terms_digest(ESCROW, ONE, HOSPITAL, REASON)},
        {"terms": request_terms_digest(STRANGER, ONE, HOSPITAL, CONTENT)},
    ],
)
def test_accept__signed_for_another_request_custodian_content_or_contract__is_refused(
    opened: LedgerModel, other: dict
) -> None:
    with refused(opened, SignatureInvalidError):
        opened.accept(ONE, acceptance(**other), at())


def test_accept__a_bad_signature_or_outdated_counts__is_refused_and_nothing_reserved(opened: LedgerModel) -> None:
    with refused(opened, SignatureInvalidError):
        opened.accept(ONE, acceptance(), at(), valid=False)
    with refused(opened, SignedOutdatedError):
        opened.accept(ONE, acceptance(epoch=1), at())
    with refused(opened, DeadlinePassedError):
        opened.accept(ONE, acceptance(deadline=NOW), at())
    opened.revoke_all(MARY, MARY, at())
    with refused(opened, SignedOutdatedError):
        opened.accept(ONE, acceptance(), at())


def test_accept__the_signature_was_sent_to_the_registry_before__takes_the_grant_that_stands(
    opened: LedgerModel,
) -> None:
    signed = acceptance()
    opened.relay(signed.grant, MARY, at())
    events = opened.accept(ONE, signed, at(NOW + 1))
    assert [type(event) for event in events] == [RewardReserved]
    assert events[0].place.log_index == 0


def test_accept__the_grant_that_stands_was_revoked_or_ends_too_soon__is_refused(opened: LedgerModel) -> None:
    signed = acceptance()
    grant_id = derive_grant_id(MARY, RESEARCHER, signed.grant.terms)
    opened.relay(replace(signed.grant, expires_at=DEADLINE), MARY, at())
    with refused(opened, SignedOutdatedError):
        opened.accept(ONE, signed, at())
    opened.revoke(MARY, grant_id, at())
    with refused(opened, SignedOutdatedError):
        opened.accept(ONE, signed, at())


def test_accept__not_among_those_who_are_asked__is_refused(opened: LedgerModel) -> None:
    for invitation in (
        Invitation(),
        TREE.invitation(JOHN),
        replace(TREE.invitation(MARY), salt=bytes(32)),
        replace(TREE.invitation(MARY), proof=()),
    ):
        with refused(opened, NotInvitedError):
            opened.accept(ONE, acceptance(invitation=invitation), at())


def test_accept__twice_used_up_late_or_unknown__is_refused(reserved: LedgerModel) -> None:
    with refused(reserved, ReservedAlreadyError):
        reserved.accept(ONE, acceptance(epoch=1), at())
    with refused(reserved, RequestDeadlinePassedError):
        reserved.accept(ONE, acceptance(JOHN), at(DEADLINE))
    with refused(reserved, UnknownRequestError):
        reserved.accept(TWO, acceptance(JOHN), at())
    reserved.accept(ONE, acceptance(JOHN), at(DEADLINE - 1))
    with refused(reserved, RequestUsedUpError):
        reserved.accept(ONE, acceptance(ANNA), at())


def test_accept__the_requester_is_no_longer_accredited__is_refused(opened: LedgerModel) -> None:
    opened.suspend_accreditation(MEMBER, RESEARCHER, AccreditationKind.RESEARCHER, at())
    with refused(opened, RequestNotAccreditedError):
        opened.accept(ONE, acceptance(), at())


def test_acceptance__of_something_else_than_a_grant__has_no_grant() -> None:
    message = SignableRevoke(
        patient=MARY, grant_id=derive_grant_id(MARY, RESEARCHER, CONTENT), last_epoch=0, deadline=DEADLINE
    )
    signed = SignedMessage(message=message, domain=DOMAIN, signer=MARY, signature=bytes(65))
    with pytest.raises(InvalidInputError):
        _ = Acceptance(custodian=HOSPITAL, content=CONTENT, signed=signed).grant


# ----------------------------------------------------------------------------------------------- delivering


def test_deliver__by_the_named_custodian__is_delivered(reserved: LedgerModel) -> None:
    reserved.deliver(HOSPITAL, ONE, MARY, CONTENT, BUNDLE, 0, at(NOW + 5))
    assert reserved.reservation(ONE, MARY) == Reservation(
        custodian=HOSPITAL, since=NOW + 5, status=ReservationStatus.DELIVERED
    )
    assert reserved.request(ONE).delivered == 1


def test_deliver__that_could_not_be__is_refused(reserved: LedgerModel) -> None:
    act = lambda by=HOSPITAL, request=ONE, patient=MARY, content=CONTENT, time=NOW: (  # noqa: E731
        lambda: reserved.deliver(by, request, patient, content, BUNDLE, 0, at(time))
    )
    for verb, error in (
        (act(request=TWO), UnknownRequestError),
        (act(patient=JOHN), ReservationNotError),
        (act(by=CLINIC), RequestNotAllowedError),
        (act(by=RESEARCHER), RequestNotAllowedError),
        (act(time=DEADLINE), RequestDeadlinePassedError),
        (act(content=REASON), GrantNotLiveError),
    ):
        with refused(reserved, error):
            verb()
    reserved.suspend_accreditation(MEMBER, HOSPITAL, AccreditationKind.CUSTODIAN, at())
    with refused(reserved, RequestNotAccreditedError):
        act()()
    reserved.reinstate_accreditation(MEMBER, HOSPITAL, AccreditationKind.CUSTODIAN, at())
    act(time=DEADLINE - 1)()
    with refused(reserved, ReservationNotError):
        act()()


def test_revoke__before_the_delivery__loses_what_was_not_yet_earned_and_no_more(reserved: LedgerModel) -> None:
    reserved.revoke(MARY, derive_grant_id(MARY, RESEARCHER, acceptance().grant.terms), at())
    with refused(reserved, GrantNotLiveError):
        reserved.deliver(HOSPITAL, ONE, MARY, CONTENT, BUNDLE, 0, at())
    reserved.return_unearned(ONE, at(DEADLINE))
    assert reserved.credit(RESEARCHER, NATIVE) == 2 * REWARD


def test_revoke__after_the_delivery__costs_no_reward(delivered: LedgerModel) -> None:
    delivered.revoke_all(MARY, MARY, at(NOW + 6))
    delivered.release_reward(ONE, MARY, at(NOW + 5 + PERIODS.dispute_period))
    assert delivered.credit(MARY, NATIVE) == REWARD - 200 - 100


def test_decline__by_the_named_custodian__frees_the_place_and_leaves_the_grant(reserved: LedgerModel) -> None:
    for caller in (STRANGER, MARY, RESEARCHER, CLINIC):
        with refused(reserved, RequestNotAllowedError):
            reserved.decline(caller, ONE, MARY, at())
    with refused(reserved, RequestDeadlinePassedError):
        reserved.decline(HOSPITAL, ONE, MARY, at(DEADLINE))
    events = reserved.decline(HOSPITAL, ONE, MARY, at())
    assert [type(event) for event in events] == [DeliveryDeclined]
    assert (reserved.request(ONE).places, status_of(reserved)) == (2, ReservationStatus.NONE)
    with refused(reserved, ReservationNotError):
        reserved.decline(HOSPITAL, ONE, MARY, at())
    reserved.accept(ONE, acceptance(), at())
    assert status_of(reserved) is ReservationStatus.RESERVED, "the grant that stands is taken"


def test_decline__the_named_custodian_is_not_accredited__anybody_may(opened: LedgerModel) -> None:
    opened.accept(ONE, acceptance(custodian=STRANGER), at())
    opened.decline(JOHN, ONE, MARY, at())
    assert opened.request(ONE).places == 2


# ----------------------------------------------------------------------------- confirming, disputing, paying


def test_confirm__by_the_requester__divides_the_reward(delivered: LedgerModel) -> None:
    for caller in (STRANGER, MARY, HOSPITAL, CONSORTIUM):
        with refused(delivered, RequestNotAllowedError):
            delivered.confirm(caller, ONE, MARY, at())
    events = delivered.confirm(RESEARCHER, ONE, MARY, at())
    assert [type(event) for event in events] == [RewardPaid, Credited, Credited, Credited]
    assert [event.place.log_index for event in events] == [0, 1, 2, 3]
    assert (events[0].to_patient, events[0].to_custodian, events[0].to_consortium) == (701, 200, 100)
    assert [delivered.credit(account, NATIVE) for account in (MARY, HOSPITAL, CONSORTIUM)] == [701, 200, 100]
    assert balanced(delivered)
    with refused(delivered, ReservationNotError):
        delivered.confirm(RESEARCHER, ONE, MARY, at())


def test_deliver__not_as_good_as_asked__is_refused(model: LedgerModel) -> None:
    model.open_request(RESEARCHER, terms(minimum_score=80, quality_method=3), at())
    model.accept(ONE, acceptance(), at())
    for score in (0, 79, 101):
        with refused(model, ScoreUnfitError) as caught:
            model.deliver(HOSPITAL, ONE, MARY, CONTENT, BUNDLE, score, at())
        assert (caught.value.score, caught.value.minimum_score) == (score, 80)
    (event,) = model.deliver(HOSPITAL, ONE, MARY, CONTENT, BUNDLE, 80, at())
    assert (event.score, model.reservation(ONE, MARY).score) == (80, 80)


def test_confirm__half_depends_on_quality__what_is_not_earned_goes_back(model: LedgerModel) -> None:
    model.open_request(RESEARCHER, terms(quality_method=3, quality_weight=5_000), at())
    model.accept(ONE, acceptance(), at())
    model.deliver(HOSPITAL, ONE, MARY, CONTENT, BUNDLE, 60, at())
    events = model.confirm(RESEARCHER, ONE, MARY, at())
    assert [type(event) for event in events] == [RewardPaid, *[Credited] * 4]
    assert (events[0].to_custodian, events[0].to_requester) == (160, 40)
    accounts = (MARY, HOSPITAL, CONSORTIUM, RESEARCHER)
    assert [model.credit(account, NATIVE) for account in accounts] == [701, 160, 100, 40]
    assert balanced(model)


def test_confirm__before_a_delivery__is_refused(reserved: LedgerModel) -> None:
    for patient in (MARY, JOHN):
        with refused(reserved, ReservationNotError):
            reserved.confirm(RESEARCHER, ONE, patient, at())
        with refused(reserved, ReservationNotError):
            reserved.release_reward(ONE, patient, at(NEVER))


def test_dispute__by_the_requester_in_time__waits_for_a_vote(delivered: LedgerModel) -> None:
    end = NOW + 5 + PERIODS.dispute_period
    with refused(delivered, RequestNotAllowedError):
        delivered.dispute(STRANGER, ONE, MARY, REASON, at())
    with refused(delivered, RequestDeadlinePassedError) as caught:
        delivered.dispute(RESEARCHER, ONE, MARY, REASON, at(end))
    assert caught.value.deadline == end
    delivered.dispute(RESEARCHER, ONE, MARY, REASON, at(end - 1))
    assert delivered.reservation(ONE, MARY).since == end - 1
    with refused(delivered, ReservationNotError):
        delivered.dispute(RESEARCHER, ONE, MARY, REASON, at())
    with refused(delivered, RequestTooEarlyError) as caught:
        delivered.release_reward(ONE, MARY, at(end))
    assert caught.value.earliest == end - 1 + PERIODS.decision_period


def test_decide__for_the_requester__gives_the_reward_back(disputed: LedgerModel) -> None:
    returned, credited = disputed.decide(CONSORTIUM, ONE, MARY, at(), paid=False)
    assert isinstance(returned, RewardReturned)
    assert (credited.account, credited.amount) == (RESEARCHER, REWARD)
    assert balanced(disputed)
    for verb in (
        lambda: disputed.decide(CONSORTIUM, ONE, MARY, at(), paid=True),
        lambda: disputed.confirm(RESEARCHER, ONE, MARY, at()),
        lambda: disputed.release_reward(ONE, MARY, at(NEVER)),
    ):
        with refused(disputed, ReservationNotError):
            verb()


@pytest.mark.parametrize(
    "verb",
    [
        lambda model: model.decide(CONSORTIUM, ONE, MARY, at(), paid=True),
        lambda model: model.confirm(RESEARCHER, ONE, MARY, at()),
        lambda model: model.release_reward(ONE, MARY, at(NOW + 6 + PERIODS.decision_period)),
    ],
    ids=["decided", "confirmed", "undecided"],
)
def test_dispute__decided_for_the_patient_or_withdrawn_or_undecided__is_paid(
    disputed: LedgerModel, verb: Callable
) -> None:
    verb(disputed)
    assert status_of(disputed) is ReservationStatus.PAID
    assert disputed.credit(MARY, NATIVE) == 701


def test_decide__what_nobody_disputed__is_refused(delivered: LedgerModel) -> None:
    with refused(delivered, ReservationNotError):
        delivered.decide(CONSORTIUM, ONE, MARY, at(), paid=True)


def test_release__undisputed__is_paid_once_its_time_has_come(delivered: LedgerModel) -> None:
    end = NOW + 5 + PERIODS.dispute_period
    with refused(delivered, RequestTooEarlyError):
        delivered.release_reward(ONE, MARY, at(end - 1))
    delivered.release_reward(ONE, MARY, at(end))
    assert status_of(delivered) is ReservationStatus.PAID


def test_pay__a_reward_of_nothing__credits_nobody(model: LedgerModel) -> None:
    model.open_request(RESEARCHER, terms(reward=0), at())
    model.accept(ONE, acceptance(), at())
    model.deliver(HOSPITAL, ONE, MARY, CONTENT, BUNDLE, 0, at())
    assert [type(event) for event in model.confirm(RESEARCHER, ONE, MARY, at())] == [RewardPaid]
    assert [type(event) for event in model.return_unearned(ONE, at(DEADLINE))] == [UnearnedReturned]


# -------------------------------------------------------------------------------------------- giving back


@pytest.mark.parametrize("by", [RESEARCHER, CONSORTIUM])
def test_cancel__by_requester_or_vote__gives_back_what_nobody_reserved(reserved: LedgerModel, by: Address) -> None:
    for caller in (STRANGER, MARY, ETHICS):
        with refused(reserved, RequestNotAllowedError):
            reserved.cancel_request(caller, ONE, at())
    with refused(reserved, RequestDeadlinePassedError):
        reserved.cancel_request(by, ONE, at(DEADLINE))
    cancelled, credited = reserved.cancel_request(by, ONE, at())
    assert isinstance(cancelled, RequestCancelled)
    assert (cancelled.returned, credited.amount) == (1, REWARD)
    with refused(reserved, RequestNotOpenError):
        reserved.cancel_request(by, ONE, at())
    with refused(reserved, RequestNotOpenError):
        reserved.accept(ONE, acceptance(JOHN), at())
    reserved.deliver(HOSPITAL, ONE, MARY, CONTENT, BUNDLE, 0, at())
    reserved.confirm(RESEARCHER, ONE, MARY, at())
    with refused(reserved, NothingToReturnError):
        reserved.return_unearned(ONE, at(DEADLINE))
    assert balanced(reserved)


def test_decline__after_a_cancellation__gives_the_reward_back(reserved: LedgerModel) -> None:
    reserved.cancel_request(RESEARCHER, ONE, at())
    credited, declined = reserved.decline(HOSPITAL, ONE, MARY, at())
    assert (credited.account, credited.amount) == (RESEARCHER, REWARD)
    assert declined.place.log_index == 1
    assert reserved.request(ONE).places == 0
    assert reserved.credit(RESEARCHER, NATIVE) == 2 * REWARD
    with refused(reserved, NothingToReturnError):
        reserved.return_unearned(ONE, at(DEADLINE))


def test_return__after_the_deadline__is_what_was_not_delivered_and_once(delivered: LedgerModel) -> None:
    delivered.accept(ONE, acceptance(JOHN), at())
    with refused(delivered, RequestTooEarlyError):
        delivered.return_unearned(ONE, at(DEADLINE - 1))
    returned, credited = delivered.return_unearned(ONE, at(DEADLINE))
    assert (returned.returned, credited.amount) == (1, REWARD)
    with refused(delivered, NothingToReturnError):
        delivered.return_unearned(ONE, at(DEADLINE))
    delivered.confirm(RESEARCHER, ONE, MARY, at(DEADLINE))
    assert balanced(delivered)
    assert delivered.owed(NATIVE) == 0


# ------------------------------------------------------------------------------------------------ withdrawing


@pytest.fixture
def paid(delivered: LedgerModel) -> LedgerModel:
    delivered.confirm(RESEARCHER, ONE, MARY, at())
    return delivered


def test_withdraw__by_the_one_in_control__pays_out_all_at_once(paid: LedgerModel) -> None:
    with refused(paid, WithdrawalNotAllowedError):
        paid.withdraw(STRANGER, MARY, NATIVE, STRANGER, at())
    for to in (ZERO_ADDRESS, ESCROW):
        with refused(paid, RecipientInvalidError):
            paid.withdraw(MARY, MARY, NATIVE, to, at())
    for token in (TOKEN,):
        with refused(paid, NothingToWithdrawError):
            paid.withdraw(MARY, MARY, token, MARY, at())
    (event,) = paid.withdraw(MARY, MARY, NATIVE, JOHN, at())
    assert (event.amount, event.to, event.count) == (701, JOHN, 1)
    assert (paid.credit(MARY, NATIVE), paid.withdrawals(MARY), paid.held[NATIVE]) == (0, 1, 2 * REWARD - 701)
    assert balanced(paid)
    with refused(paid, NothingToWithdrawError):
        paid.withdraw(MARY, MARY, NATIVE, MARY, at())


def test_withdraw__after_a_recovery__is_the_new_keys(paid: LedgerModel) -> None:
    paid.controls[MARY] = Control(controller=SON, tenure=1)
    with refused(paid, WithdrawalNotAllowedError):
        paid.withdraw(MARY, MARY, NATIVE, MARY, at())
    paid.withdraw(SON, MARY, NATIVE, SON, at())


def test_withdraw__by_signature__works_once_in_time(paid: LedgerModel) -> None:
    message = SignableWithdraw(account=MARY, token=NATIVE, to=JOHN, count=0, deadline=NOW + 60)
    with refused(paid, WithdrawalNotAllowedError):
        paid.relay(message, STRANGER, at())
    with refused(paid, DeadlinePassedError):
        paid.relay(message, MARY, at(NOW + 60))
    with refused(paid, SignatureInvalidError):
        paid.relay(message, MARY, at(), valid=False)
    (event,) = paid.relay(message, MARY, at())
    assert isinstance(event, Withdrawn)
    with refused(paid, SignedOutdatedError):
        paid.relay(message, MARY, at())


def test_withdraw__what_the_consortium_earned__is_its_own_by_vote(paid: LedgerModel) -> None:
    paid.withdraw(CONSORTIUM, CONSORTIUM, NATIVE, MEMBER, at())
    assert paid.credit(CONSORTIUM, NATIVE) == 0
    with refused(paid, WithdrawalNotAllowedError):
        paid.withdraw(MEMBER, CONSORTIUM, NATIVE, MEMBER, at())


@pytest.mark.parametrize(
    ("category", "split"), [(0, SPLIT), (1, Split(patient=10_000, custodian=1)), (1, Split(patient=5, custodian=9_996))]
)
def test_set_split__that_could_not_be__is_refused(model: LedgerModel, category: int, split: Split) -> None:
    with refused(model, SplitInvalidError):
        model.set_split(CONSORTIUM, category, split, at())


def test_set_token_allowed__the_native_coin__is_refused_and_a_token_can_be_taken_back(model: LedgerModel) -> None:
    with refused(model, TokenNotAllowedError):
        model.set_token_allowed(CONSORTIUM, NATIVE, at(), allowed=False)
    assert model.is_token_allowed(TOKEN)
    model.set_token_allowed(CONSORTIUM, TOKEN, at(), allowed=False)
    assert not model.is_token_allowed(TOKEN)
    assert model.is_token_allowed(NATIVE)


@given(
    reward=st.integers(0, (1 << 128) - 1),
    shares=st.tuples(st.integers(0, 10_000), st.integers(0, 10_000)).filter(lambda both: sum(both) <= 10_000),
)
def test_divide__any_reward_by_any_shares__loses_nothing_and_rounds_for_the_patient(reward: int, shares) -> None:
    patient, custodian = shares
    parts = Split(patient=patient, custodian=custodian).divide(reward)
    assert sum(parts) == reward
    assert min(parts) >= 0
    assert parts[0] >= reward * patient // 10_000


@given(
    reward=st.integers(0, (1 << 128) - 1),
    shares=st.tuples(st.integers(0, 10_000), st.integers(0, 10_000)).filter(lambda both: sum(both) <= 10_000),
    weight=st.integers(0, 10_000),
    score=st.integers(0, 100),
)
def test_divide__any_weight_and_score__only_the_custodian_loses_and_nothing_is_lost(
    reward: int, shares, weight: int, score: int
) -> None:
    patient, custodian = shares
    split = Split(patient=patient, custodian=custodian)
    asked = AccessRequest(
        request_id=ONE,
        requester=RESEARCHER,
        terms=terms(reward=reward, quality_method=1, quality_weight=weight),
        status=RequestStatus.OPEN,
        places=1,
        delivered=0,
        returned=0,
        split=split,
        periods=PERIODS,
    )
    to_patient, to_custodian, to_consortium, to_requester = asked.divide(score)
    assert to_patient + to_custodian + to_consortium + to_requester == reward
    assert (to_patient, to_custodian + to_requester, to_consortium) == split.divide(reward)
    lost = Fraction(to_custodian + to_requester) * weight * (100 - score) / 1_000_000
    assert lost - 1 < to_requester <= lost


# ------------------------------------------------------------------------------------------------- history


@dataclass(frozen=True)
class Step:
    verb: str
    arguments: tuple

    def take(self, model: LedgerModel, time: int):
        return getattr(self, "_" + self.verb)(model, time, *self.arguments)

    def _open(self, model: LedgerModel, time: int, reward, grants, token, open_call, quality):
        invitees = bytes(32) if open_call else TREE.root
        minimum, weight = quality
        asked = {"minimum_score": minimum, "quality_weight": weight, "quality_method": 1}
        wanted = terms(reward=reward, grants=grants, token=token, invitees=invitees, deadline=time + 40, **asked)
        return model.open_request(RESEARCHER, replace(wanted, access_days=0), at(time))

    def _accept(self, model: LedgerModel, time: int, request, patient, custodian):
        message = acceptance(
            patient,
            request=request,
            custodian=custodian,
            expires_at=time + 100,
            stamp=model.stamp(patient),
            deadline=time + 9,
        )
        grant_id = derive_grant_id(patient, RESEARCHER, message.grant.terms)
        epoch = model.grants[grant_id].epoch if grant_id in model.grants else 0
        signed = replace(message.signed, message=replace(message.grant, epoch=epoch))
        return model.accept(request, replace(message, signed=signed), at(time))

    def _deliver(self, model: LedgerModel, time: int, request, patient, custodian, score):
        return model.deliver(custodian, request, patient, CONTENT, BUNDLE, score, at(time))

    def _call(self, model: LedgerModel, time: int, name, *arguments):
        return getattr(model, name)(*arguments, at(time))

    def _decide(self, model: LedgerModel, time: int, request, patient, paid):
        return model.decide(CONSORTIUM, request, patient, at(time), paid=paid)


requests = st.sampled_from((ONE, TWO, RequestId(3)))
patients = st.sampled_from(PATIENTS)
custodians = st.sampled_from((HOSPITAL, CLINIC))
tokens = st.sampled_from((NATIVE, TOKEN))
scores = st.sampled_from((0, 50, 79, 80, 100, 101))
qualities = st.sampled_from(((0, 0), (80, 0), (0, 3_333), (80, 10_000)))
"""The score asked for, and the weight."""
accounts = st.sampled_from((*PATIENTS, HOSPITAL, CLINIC, RESEARCHER, CONSORTIUM))


def a_call(name: str, *arguments: st.SearchStrategy) -> st.SearchStrategy[Step]:
    return st.tuples(st.just(name), *arguments).map(lambda drawn: Step("call", drawn))


steps = st.one_of(
    st.tuples(st.sampled_from((0, 1, 999)), st.integers(1, 3), tokens, st.booleans(), qualities).map(
        lambda d: Step("open", d)
    ),
    st.tuples(requests, patients, custodians).map(lambda d: Step("accept", d)),
    st.tuples(requests, patients, custodians).map(lambda d: Step("accept", d)),
    st.tuples(requests, patients, custodians, scores).map(lambda d: Step("deliver", d)),
    st.tuples(requests, patients, custodians, scores).map(lambda d: Step("deliver", d)),
    st.tuples(requests, patients, st.booleans()).map(lambda d: Step("decide", d)),
    a_call("approve_study", st.just(ETHICS), requests),
    a_call("cancel_request", st.just(RESEARCHER), requests),
    a_call("return_unearned", requests),
    a_call("decline", custodians, requests, patients),
    a_call("confirm", st.just(RESEARCHER), requests, patients),
    a_call("dispute", st.just(RESEARCHER), requests, patients, st.just(REASON)),
    a_call("release_reward", requests, patients),
    accounts.flatmap(lambda account: a_call("withdraw", st.just(account), st.just(account), tokens, st.just(STRANGER))),
    a_call("revoke_all", st.just(MARY), st.just(MARY)),
)


@given(history=st.lists(st.tuples(steps, st.sampled_from([0, 0, 0, 15, 31 * DAY])), max_size=60))
def test_apply__own_events_of_any_history__rebuild_the_state_and_the_sums_agree(history) -> None:
    model, time = accredited(), NOW
    replayed, put_in, paid_out = copy.deepcopy(model), 0, 0
    for step, pause in history:
        time += pause
        before = copy.deepcopy(model)
        try:
            events = step.take(model, time)
        except RejectedError:
            assert model == before, "a refused verb changed the state"
            continue
        for event in events:
            replayed.apply(event)
            put_in += event.request.terms.budget if isinstance(event, RequestOpened) else 0
            paid_out += event.amount if isinstance(event, Withdrawn) else 0
        assert replayed == model
        assert balanced(model)
        assert put_in == sum(model.held.values()) + paid_out
    for request in model.requests.values():
        terms_of, live = request.terms, [ReservationStatus.RESERVED]
        reserved = sum(
            each.status in live for (number, _), each in model.reservations.items() if number == request.request_id
        )
        accounted = request.places + reserved + request.delivered + request.returned
        assert accounted >= terms_of.grants
        assert request.places <= terms_of.grants
