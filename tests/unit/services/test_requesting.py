"""A researcher asks, deposits and settles; one study is one request, whatever happened.

given a study and an accredited researcher
├─ an open call awaits approval; named patients can accept at once
├─ when it is opened twice, it is opened once
├─ when the process dies at any call, before or after it took effect
│  └─ it should be opened once, with one pin and one deposit, when it is repeated
├─ in a token, the escrow is let to take exactly what is deposited
└─ when it would be refused on chain, or the money is missing, nothing is stored
given a delivery
├─ it is confirmed after every record of it was opened
├─ what is missing, wrong or nothing is not confirmed
├─ disputed, decided or not; released when the time has come
└─ others are refused
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from service_doubles import CrashError, Faults, Overriding, faulty_store
from studies import STUDY, TOKEN
from study_town import DAY, StudyTown, new_study_town

from medshare.content import Cid
from medshare.envelope import Identity
from medshare.errors import (
    BlobNotFoundError,
    ConfigurationError,
    EncryptionKeyNotSetError,
    GrantNotLiveError,
    InsufficientFundsError,
    IntegrityError,
    InvalidInputError,
    LedgerBusyError,
    MedshareError,
    NotARecipientError,
    NothingToReturnError,
    RequestCategoryUnknownError,
    RequestDeadlinePassedError,
    RequestNotAccreditedError,
    RequestNotAllowedError,
    RequestNotOpenError,
    RequestTermsInvalidError,
    RequestTooEarlyError,
    ReservationNotError,
    TokenNotAllowedError,
    UnknownRequestError,
)
from medshare.model.accreditation import AccreditationKind
from medshare.model.events import RequestOpened, RewardPaid
from medshare.model.governed import ApproveStudy, CancelRequest, DecideDispute, SetTokenAllowed
from medshare.model.request import RequestStatus, ReservationStatus
from medshare.model.study import Study
from medshare.ports import Ledger
from medshare.services.request_book import RequestState
from medshare.services.request_journal import RequestJournal
from medshare.services.studies import store_open_call
from medshare.testing import new_actor

pytestmark = [pytest.mark.unit, pytest.mark.timeout(120)]

VALUES_TOO = b'{"resourceType":"Observation","valueQuantity":{"value":6.1}}'


@pytest.fixture
def town(tmp_path: Path) -> StudyTown:
    return new_study_town(tmp_path)


# ------------------------------------------------------------------------------------------------- opening


def test_open__open_call__awaits_approval_and_is_approved(town: StudyTown) -> None:
    opened = town.requesting.open(town.study, requester=town.researcher)
    assert opened.request.status is RequestStatus.AWAITING_APPROVAL
    assert opened.request.terms.budget == STUDY.reward * STUDY.grants
    assert opened.cid in town.world.store.pins()
    standing = town.requesting.request(opened.request_id)
    assert standing.state(town.world.clock.now()) is RequestState.AWAITING_APPROVAL
    town.requesting.approve(opened.request_id, committee=town.committee)
    assert town.book.request(opened.request_id).state(town.world.clock.now()) is RequestState.OPEN
    assert town.requesting.study(standing.request) == town.study
    assert town.requesting.accredited_by(town.researcher.address) == town.world.chain.member.address


def test_open__named_patients__can_accept_at_once_and_only_they_read_it(town: StudyTown) -> None:
    opened = town.open(town.mary, others=[town.committee.address])
    assert opened.request.status is RequestStatus.OPEN
    for reader in (town.mary, town.researcher, town.committee):
        assert town.requesting.study(opened.request, reader=reader) == town.study_for(town.mary)
    for stranger in (town.paul, None):
        with pytest.raises(NotARecipientError):
            town.requesting.study(opened.request, reader=stranger)


@pytest.mark.parametrize("named", [False, True])
def test_open__twice__is_opened_once(town: StudyTown, named: bool) -> None:
    invitees = [town.mary, town.paul] if named else []
    first, second = town.open(*invitees), town.open(*reversed(invitees))
    assert (first.already, second.already) == (False, True)
    assert (first.request_id, first.cid) == (second.request_id, second.cid)
    assert len(town.events(RequestOpened)) == 1
    assert town.world.store.pins() == {first.cid}


@pytest.mark.parametrize("named", [False, True])
def test_opened_before__asked__tells_it_and_opens_nothing(town: StudyTown, named: bool) -> None:
    said = {"requester": town.researcher, "invitees": [town.mary.address, town.paul.address] if named else None}
    study = town.study_for(*([town.paul, town.mary] if named else []))
    assert town.requesting.opened_before(study, **said) is None
    assert town.events(RequestOpened) == []
    opened = town.open(*([town.paul, town.mary] if named else []))
    found = town.requesting.opened_before(study, **said)
    assert found is not None
    assert (found.request_id, found.cid, found.already) == (opened.request_id, opened.cid, True)
    other = replace(study, title="Another")
    assert town.requesting.opened_before(other, **said) is None


def test_open__as_many_grants_as_named_patients_or_fewer__is_opened(town: StudyTown) -> None:
    for grants in (2, 1):
        opened = town.open(town.mary, town.paul, study=replace(town.study, grants=grants))
        assert opened.request.places == grants


def test_open__another_study_or_other_patients__is_another_request(town: StudyTown) -> None:
    ids = {
        town.open().request_id,
        town.open(town.mary).request_id,
        town.open(town.mary, town.paul).request_id,
        town.open(study=replace(town.study, title="Another")).request_id,
    }
    assert len(ids) == 4


def test_open__without_reward__deposits_nothing(town: StudyTown) -> None:
    opened = town.open(study=replace(town.study, reward=0))
    assert opened.request.terms.budget == 0
    town.publish()
    town.accept(opened.request_id)
    town.delivering.deliver(opened.request_id, town.mary.address, custodian=town.world.hospital)
    town.requesting.confirm(opened.request_id, town.mary.address, requester=town.researcher)
    assert town.credit(town.mary.address) == 0


def test_open__in_a_token__lets_the_escrow_take_exactly_the_deposit(town: StudyTown) -> None:
    town.vote(SetTokenAllowed(token=TOKEN, allowed=True))
    study = replace(town.study, token=TOKEN)
    with pytest.raises(InsufficientFundsError):
        town.open(study=study)
    town.world.chain.give(town.researcher.address, study.reward * study.grants, TOKEN)
    town.open(study=study)
    assert town.world.chain.allowances == {(town.researcher.address, TOKEN): 0}


class RefusedTown:
    """What cannot be opened, and how."""

    @staticmethod
    def by_another(town: StudyTown) -> None:
        town.open(requester=town.committee)

    @staticmethod
    def unaccredited(town: StudyTown) -> None:
        chain = town.world.chain
        chain.accredit(town.researcher.address, AccreditationKind.RESEARCHER, 0)
        town.open()

    @staticmethod
    def too_late(town: StudyTown) -> None:
        town.until(town.study.deadline)
        town.open()

    @staticmethod
    def unknown_category(town: StudyTown) -> None:
        town.open(study=replace(town.study, category=9))

    @staticmethod
    def unknown_token(town: StudyTown) -> None:
        town.open(study=replace(town.study, token=TOKEN))

    @staticmethod
    def too_dear(town: StudyTown) -> None:
        town.open(study=replace(town.study, reward=10**9))

    @staticmethod
    def patient_without_a_key(town: StudyTown) -> None:
        town.open(new_actor())

    @staticmethod
    def other_identity(town: StudyTown) -> None:
        town.open(town.mary, requester=replace(town.researcher, identity=Identity.generate()))

    @staticmethod
    def readers_of_an_open_call(town: StudyTown) -> None:
        town.open(others=[town.committee.address])

    @staticmethod
    def nobody(town: StudyTown) -> None:
        town.requesting.open(town.study, requester=town.researcher, invitees=[])

    @staticmethod
    def more_grants_than_named(town: StudyTown) -> None:
        town.open(town.mary, town.paul, town.mary, study=replace(town.study, grants=3))


@pytest.mark.parametrize(
    ("attempt", "error"),
    [
        (RefusedTown.by_another, InvalidInputError),
        (RefusedTown.unaccredited, RequestNotAccreditedError),
        (RefusedTown.too_late, RequestTermsInvalidError),
        (RefusedTown.unknown_category, RequestCategoryUnknownError),
        (RefusedTown.unknown_token, TokenNotAllowedError),
        (RefusedTown.too_dear, InsufficientFundsError),
        (RefusedTown.patient_without_a_key, EncryptionKeyNotSetError),
        (RefusedTown.other_identity, ConfigurationError),
        (RefusedTown.readers_of_an_open_call, InvalidInputError),
        (RefusedTown.nobody, InvalidInputError),
        (RefusedTown.more_grants_than_named, InvalidInputError),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_open__that_cannot_be__stores_and_sends_nothing(town: StudyTown, attempt, error: type[MedshareError]) -> None:
    with pytest.raises(error):
        attempt(town)
    assert town.world.store.pins() == frozenset()
    assert town.events(RequestOpened) == []


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("how", ["open call", "named", "token"])
def test_open__process_dies_at_any_call__is_opened_once_when_repeated(tmp_path: Path, how: str, after: bool) -> None:
    for at in range(1, 200):
        town = new_study_town(tmp_path / f"{at}")
        study = in_a_token(town) if how == "token" else town.study_for(*([town.mary] if how == "named" else []))
        wanted = {"requester": town.researcher, "invitees": [town.mary.address] if how == "named" else None}
        faults = Faults(at=at, after=after)
        town.wire(ledger=faulty(town, faults), store=faulty_store(town.world, faults), journal=noted(town, faults))
        try:
            town.requesting.open(study, **wanted)
        except CrashError:
            struck = True
        else:
            struck = False
        town.wire()
        opened = town.requesting.open(study, **wanted)
        assert len(town.events(RequestOpened)) == 1
        assert town.world.store.pins() == {opened.cid}
        assert set(town.world.chain.allowances.values()) <= {0}
        town.world.store.collect()
        assert town.requesting.study(opened.request, reader=town.researcher) == study
        if not struck:
            break
    assert at > 10
    assert not struck, "raise the limit: the last calls were not reached"


def in_a_token(town: StudyTown) -> Study:
    """Return the study with its reward in a token that is allowed, and of which the researcher has enough."""
    town.vote(SetTokenAllowed(token=TOKEN, allowed=True))
    town.world.chain.give(town.researcher.address, town.study.reward * town.study.grants, TOKEN)
    return replace(town.study, token=TOKEN)


def faulty(town: StudyTown, faults: Faults) -> Ledger:
    ledger = town.world.ledger
    return replace(
        ledger,
        directory=faults.wrap(ledger.directory, "encryption_key"),
        requests=faults.wrap(ledger.requests, "open", "request"),
        escrow=faults.wrap(ledger.escrow, "split", "is_token_allowed", "balance", "allow"),
        chain=faults.wrap(ledger.chain, "head", "events"),
    )


def noted(town: StudyTown, faults: Faults) -> object:
    return faults.wrap(
        RequestJournal(town.world.folder), "opening", "write_opening", "forget_opening", "acceptance",
        "write_acceptance", "forget_acceptance",
    )  # fmt: skip


def test_open__held_by_another_process__is_busy(town: StudyTown) -> None:
    class Held(RequestJournal):
        def opening(self, key: bytes):
            with pytest.raises(LedgerBusyError):
                town.requesting.open(town.study, requester=town.researcher)
            return super().opening(key)

    other = new_study_town(town.world.folder / "other")
    other.world = town.world
    other.wire(journal=Held(town.world.folder))
    other.requesting.open(town.study, requester=town.researcher)
    assert len(town.events(RequestOpened)) == 1


def test_open__refused_on_chain_after_all__begins_anew_and_leaves_no_pin(town: StudyTown) -> None:
    ledger = town.world.ledger

    def refused(*_args: object, **_more: object):
        raise RequestNotAccreditedError(town.researcher.address)

    town.wire(ledger=replace(ledger, requests=Overriding(ledger.requests, open=refused)))
    with pytest.raises(RequestNotAccreditedError):
        town.requesting.open(town.study, requester=town.researcher)
    town.wire()
    opened = town.open()
    assert town.world.store.pins() == {opened.cid}


# ------------------------------------------------------------------------------------------------ approving


def test_approve__by_vote__opens_it_too(town: StudyTown) -> None:
    opened = town.requesting.open(town.study, requester=town.researcher)
    town.vote(ApproveStudy(request_id=opened.request_id))
    assert town.book.request(opened.request_id).request.status is RequestStatus.OPEN


def test_approve__by_others__is_refused(town: StudyTown) -> None:
    opened = town.requesting.open(town.study, requester=town.researcher)
    for stranger, error in ((town.paul, RequestNotAccreditedError), (town.researcher, RequestNotAllowedError)):
        with pytest.raises(error):
            town.requesting.approve(opened.request_id, committee=stranger)
    town.requesting.approve(opened.request_id, committee=town.committee)
    other = new_actor()
    town.world.chain.accredit(other.address, AccreditationKind.ETHICS_COMMITTEE)
    with pytest.raises(RequestNotOpenError):
        town.requesting.approve(opened.request_id, committee=other)


def test_approve__after_the_deadline__is_refused(town: StudyTown) -> None:
    opened = town.requesting.open(town.study, requester=town.researcher)
    town.until(town.study.deadline)
    with pytest.raises(RequestDeadlinePassedError):
        town.requesting.approve(opened.request_id, committee=town.committee)


def test_approve__document_missing__is_refused(town: StudyTown) -> None:
    opened = town.requesting.open(town.study, requester=town.researcher)
    town.world.store.unpin(opened.cid)
    town.world.store.collect()
    with pytest.raises(BlobNotFoundError):
        town.requesting.approve(opened.request_id, committee=town.committee)


def test_approve__document_says_something_else__is_refused(town: StudyTown) -> None:
    stored = store_open_call(town.world.store, replace(town.study, reward=1))
    opened = town.world.ledger.requests.open(town.researcher.signer, town.study.terms(stored.document))
    with pytest.raises(IntegrityError, match="reward"):
        town.requesting.approve(opened.request_id, committee=town.committee)


# --------------------------------------------------------------------------------------------------- ending


def test_cancel__some_have_accepted__gives_back_the_rest_and_keeps_theirs(town: StudyTown) -> None:
    opened = town.open()
    town.publish()
    town.accept(opened.request_id)
    for stranger in (town.committee, town.mary):
        with pytest.raises(RequestNotAllowedError):
            town.requesting.cancel(opened.request_id, requester=stranger)
    town.requesting.cancel(opened.request_id, requester=town.researcher)
    assert town.credit(town.researcher.address) == 2 * STUDY.reward
    assert town.book.request(opened.request_id).state(town.world.clock.now()) is RequestState.CANCELLED
    with pytest.raises(RequestNotOpenError):
        town.accept(opened.request_id, town.paul)
    town.delivering.deliver(opened.request_id, town.mary.address, custodian=town.world.hospital)
    town.requesting.confirm(opened.request_id, town.mary.address, requester=town.researcher)
    assert town.credit(town.mary.address) == 700_001


def test_cancel__by_vote__ends_it_too(town: StudyTown) -> None:
    opened = town.open()
    town.vote(CancelRequest(request_id=opened.request_id))
    assert town.credit(town.researcher.address) == 3 * STUDY.reward


def test_return_unearned__after_the_deadline__gives_back_once(town: StudyTown) -> None:
    request_id = town.delivered()
    with pytest.raises(RequestTooEarlyError):
        town.requesting.return_unearned(request_id, payer=town.world.stranger.signer)
    town.until(town.study.deadline)
    town.requesting.return_unearned(request_id, payer=town.world.stranger.signer)
    assert town.credit(town.researcher.address) == 2 * STUDY.reward


def test_return_unearned__all_was_earned__is_refused(town: StudyTown) -> None:
    request_id = town.delivered(study=replace(town.study, grants=1))
    town.until(town.study.deadline)
    with pytest.raises(NothingToReturnError):
        town.requesting.return_unearned(request_id, payer=town.world.stranger.signer)


# ------------------------------------------------------------------------------------------------- settling


def test_confirm__a_delivery__opens_every_record_and_pays(town: StudyTown) -> None:
    town.publish(text=VALUES_TOO)
    request_id = town.delivered()
    done = town.requesting.confirm(request_id, town.mary.address, requester=town.researcher)
    assert len(done.found.records) == 2
    assert town.part(request_id).status is ReservationStatus.PAID
    consortium = town.world.ledger.consortium.address
    earned = [town.credit(each) for each in (town.mary.address, town.world.hospital.address, consortium)]
    assert earned == [700_001, 200_000, 100_000]


def test_confirm__by_others_or_before_it_is_delivered__is_refused(town: StudyTown) -> None:
    opened = town.open()
    town.publish()
    town.accept(opened.request_id)
    with pytest.raises(ReservationNotError):
        town.requesting.confirm(opened.request_id, town.mary.address, requester=town.researcher)
    town.delivering.deliver(opened.request_id, town.mary.address, custodian=town.world.hospital)
    with pytest.raises(RequestNotAllowedError):
        town.requesting.confirm(opened.request_id, town.mary.address, requester=town.committee)
    with pytest.raises(ReservationNotError):
        town.requesting.confirm(opened.request_id, town.paul.address, requester=town.researcher)


def test_confirm__bundle_or_records_gone__is_not_confirmed(town: StudyTown) -> None:
    request_id = town.delivered()
    bundle = town.part(request_id).bundle
    assert bundle is not None
    published = town.world.auditing.records(town.mary.address)[0]
    for lost in (Cid.of_directory(published.record_id), Cid.of_directory(bundle)):
        town.world.store.unpin(lost)
        town.world.store.collect()
        with pytest.raises(BlobNotFoundError):
            town.requesting.confirm(request_id, town.mary.address, requester=town.researcher)
    assert town.events(RewardPaid) == []


def test_confirm__nothing_in_it__is_not_confirmed(town: StudyTown) -> None:
    opened = town.open()
    published = town.publish()
    town.accept(opened.request_id)
    town.delivering.deliver(opened.request_id, town.mary.address, custodian=town.world.hospital)
    town.world.publishing.retract(published.record_id, "not his", custodian=town.world.hospital)
    with pytest.raises(IntegrityError, match="no record"):
        town.requesting.confirm(opened.request_id, town.mary.address, requester=town.researcher)


def test_confirm__another_bundle_was_delivered__is_not_confirmed(town: StudyTown) -> None:
    opened = town.open()
    town.publish()
    town.accept(opened.request_id)
    content = town.part(opened.request_id).reserved.content
    town.world.ledger.requests.deliver(
        town.world.hospital.signer, opened.request_id, town.mary.address, content, opened.request.terms.document, 0
    )
    with pytest.raises(IntegrityError, match="another bundle"):
        town.requesting.confirm(opened.request_id, town.mary.address, requester=town.researcher)


def test_revoke__after_delivery__costs_no_reward(town: StudyTown) -> None:
    request_id = town.delivered()
    grant_id = town.part(request_id).grant_id(town.world.ledger.requests.address)
    town.world.consenting.revoke(grant_id, patient=town.mary)
    with pytest.raises(GrantNotLiveError):
        town.requesting.confirm(request_id, town.mary.address, requester=town.researcher)
    town.pass_by(14 * DAY)
    town.requesting.release(request_id, town.mary.address, payer=town.world.stranger.signer)
    assert town.credit(town.mary.address) == 700_001


def test_dispute__decided_or_not__goes_back_or_is_paid(town: StudyTown) -> None:
    request_id = town.delivered(patients=[town.mary, town.paul])
    for patient in (town.mary, town.paul):
        town.requesting.dispute(request_id, patient.address, "empty values", requester=town.researcher)
    reason = town.requesting.reason_of(town.part(request_id), requester=town.researcher)
    assert reason is not None
    assert reason.text == "empty values"
    assert reason.digest == town.part(request_id).disputed.reason
    town.vote(DecideDispute(request_id=request_id, patient=town.mary.address, paid=False))
    assert town.part(request_id).status is ReservationStatus.RETURNED
    assert town.credit(town.researcher.address) == STUDY.reward
    with pytest.raises(RequestTooEarlyError):
        town.requesting.release(request_id, town.paul.address, payer=town.world.stranger.signer)
    town.pass_by(30 * DAY)
    town.requesting.release(request_id, town.paul.address, payer=town.world.stranger.signer)
    assert town.part(request_id, town.paul).status is ReservationStatus.PAID
    assert town.credit(town.paul.address) == 700_001


def test_dispute__too_late_or_by_others__is_refused(town: StudyTown) -> None:
    request_id = town.delivered()
    with pytest.raises(RequestNotAllowedError):
        town.requesting.dispute(request_id, town.mary.address, "no", requester=town.mary)
    town.pass_by(14 * DAY)
    with pytest.raises(RequestDeadlinePassedError):
        town.requesting.dispute(request_id, town.mary.address, "no", requester=town.researcher)


def test_dispute__settled_between_the_two__is_confirmed(town: StudyTown) -> None:
    request_id = town.delivered()
    town.requesting.dispute(request_id, town.mary.address, "empty", requester=town.researcher)
    town.requesting.confirm(request_id, town.mary.address, requester=town.researcher)
    assert town.part(request_id).status is ReservationStatus.PAID


def test_request__nobody_opened__is_unknown(town: StudyTown) -> None:
    town.open()
    with pytest.raises(UnknownRequestError):
        town.requesting.request(9)
    assert len(town.requesting.requests()) == 1
