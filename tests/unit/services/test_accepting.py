"""A patient takes part with one signature, which grants and reserves; his custodian delivers.

given a request that a patient can accept
├─ he is offered it, in words, with who vouches for it and what his policy says
├─ he accepts: the grant is bound to it, his reward is reserved, what was signed was shown before
├─ he permits what the study wants, or less; its duties are added
├─ he signs, and another sends and pays; given again, nothing is sent again
├─ when the process dies at any call, before or after it took effect
│  └─ it should be accepted once when it is repeated, with the bundle that the chain shows
└─ somebody else acts for him
given one that he cannot accept
└─ it is not offered, and refused before anything is signed
given a document that is missing, tampered with, or of another request
└─ it is offered with its fault, and refused
given an acceptance
├─ the custodian whom it names delivers after every check, or declines; nobody else
└─ nothing live, nothing permitted, nothing in the store: nothing is delivered
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from service_doubles import CrashError, Faults, Overriding, faulty_store
from studies import STUDY
from study_town import DAY, StudyTown, new_study_town, signing_actor
from test_requesting import noted

from medshare.content import Cid
from medshare.errors import (
    BlobNotFoundError,
    DeadlinePassedError,
    GrantNotLiveError,
    IntegrityError,
    InvalidInputError,
    LedgerUnavailableError,
    MedshareError,
    NotAllowedToActError,
    NotInvitedError,
    RequestDeadlinePassedError,
    RequestNotAccreditedError,
    RequestNotAllowedError,
    RequestNotOpenError,
    RequestUsedUpError,
    ReservationNotError,
    ReservedAlreadyError,
    SignatureInvalidError,
    SigningRefusedError,
    StoreUnavailableError,
    UnknownRequestError,
)
from medshare.model.acceptance import SignedAcceptance
from medshare.model.accreditation import AccreditationKind
from medshare.model.delegation import Verbs
from medshare.model.duo import DataUse, DuoCode
from medshare.model.duo_matching import DuoOutcome
from medshare.model.events import AccessGranted, RewardReserved
from medshare.model.policy import Answer, Policy, Rule
from medshare.model.provision import Duty, Effect, Provision
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Category
from medshare.model.request import ReservationStatus
from medshare.services.accepting import Accepted, Choice
from medshare.services.bundles import open_terms
from medshare.services.consenting import Consenting
from medshare.services.representing import Representing, everything_for
from medshare.services.studies import store_for, store_open_call
from medshare.testing import new_actor

pytestmark = [pytest.mark.unit, pytest.mark.timeout(120)]


@pytest.fixture
def town(tmp_path: Path) -> StudyTown:
    return new_study_town(tmp_path)


def terms_of(town: StudyTown, accepted: Accepted):
    standing = town.world.auditing.grant(accepted.grant_id)
    assert standing is not None
    return open_terms(town.world.store, standing, town.researcher.identity)


# ------------------------------------------------------------------------------------------------- offers


def test_offers__open_call__is_offered_to_everybody(town: StudyTown) -> None:
    opened = town.open()
    for patient in (town.mary, town.paul):
        (offer,) = town.offering.offers(patient=patient)
        assert (offer.request.request_id, offer.study, offer.fault) == (opened.request_id, town.study, None)
        assert offer.accredited_by == town.world.chain.member.address


def test_offers__named_patients__are_offered_to_them_only(town: StudyTown) -> None:
    opened = town.open(town.mary)
    (offer,) = town.offering.offers(patient=town.mary)
    assert offer.study == town.study_for(town.mary)
    assert offer.invitation.proof
    assert town.offering.offers(patient=town.paul) == []
    with pytest.raises(NotInvitedError):
        town.offering.offer(opened.request_id, patient=town.paul)


def test_offers__what_cannot_be_accepted__is_not_offered(town: StudyTown) -> None:
    town.requesting.open(town.study, requester=town.researcher)  # not approved
    accepted = town.open(study=replace(town.study, title="Accepted"))
    cancelled = town.open(study=replace(town.study, title="Cancelled"))
    late = town.open(study=replace(town.study, title="Late", deadline=town.world.clock.now() + 100))
    town.publish()
    town.accept(accepted.request_id)
    town.requesting.cancel(cancelled.request_id, requester=town.researcher)
    town.until(late.request.terms.deadline)
    assert town.offering.offers(patient=town.mary) == []


def test_offers__researcher_lost_his_accreditation__is_not_offered(town: StudyTown) -> None:
    town.open()
    town.world.chain.accredit(town.researcher.address, AccreditationKind.RESEARCHER, 0)
    assert town.offering.offers(patient=town.mary) == []


def test_offers__study_missing_or_false__is_told_with_its_fault_and_hides_no_other(town: StudyTown) -> None:
    missing = town.open(study=replace(town.study, title="Missing"))
    stored = store_open_call(town.world.store, replace(town.study, title="False", grants=2))
    false = town.world.ledger.requests.open(town.researcher.signer, town.study.terms(stored.document))
    town.world.ledger.requests.approve_study(town.committee.signer, false.request_id)
    good = town.open()
    town.world.store.pin(stored.cid)
    town.world.store.unpin(missing.cid)
    town.world.store.collect()
    offers = {offer.request.request_id: offer for offer in town.offering.offers(patient=town.mary)}
    assert isinstance(offers[missing.request_id].fault, BlobNotFoundError)
    assert isinstance(offers[false.request_id].fault, IntegrityError)
    assert offers[good.request_id].study == town.study
    town.publish()
    for request_id, error in ((missing.request_id, BlobNotFoundError), (false.request_id, IntegrityError)):
        with pytest.raises(error):
            town.accept(request_id)


def test_offers__store_unreachable__is_said(town: StudyTown) -> None:
    town.open()

    def unreachable(*_args: object, **_more: object):
        raise StoreUnavailableError("no answer")

    town.wire(store=Overriding(town.world.store, get=unreachable))
    with pytest.raises(StoreUnavailableError):
        town.offering.offers(patient=town.mary)


def test_offers__with_a_policy__say_what_it_says(town: StudyTown) -> None:
    town.open()
    rules = (Rule(answer=Answer.APPROVE, accredited_by=(town.world.chain.member.address,), reward_at_least=700_001),)
    (offer,) = town.offering.offers(patient=town.mary, policy=Policy(rules=rules, data_use=HEALTH))
    assert offer.decision is not None
    assert offer.decision.answer is Answer.APPROVE
    assert offer.decision.match is not None
    assert offer.decision.match.outcome is DuoOutcome.ALLOWED


HEALTH = DataUse(permission=DuoCode.HMB)


# ---------------------------------------------------------------------------------------------- accepting


@pytest.mark.parametrize("named", [False, True], ids=["open call", "named"])
def test_accept__a_request__grants_and_reserves_in_one_transaction(town: StudyTown, named: bool) -> None:
    opened = town.open(*([town.mary] if named else []))
    published = town.publish()
    accepted = town.accept(opened.request_id)
    assert accepted.reservation.status is ReservationStatus.RESERVED
    assert accepted.reservation.custodian == town.world.hospital.address
    (granted,), (reserved,) = town.events(AccessGranted), town.events(RewardReserved)
    assert granted.place.tx_hash == reserved.place.tx_hash
    assert (
        granted.grant.grant_id
        == accepted.grant_id
        == town.part(opened.request_id).grant_id(town.world.ledger.requests.address)
    )
    assert granted.grant.expires_at == opened.request.access_until
    terms = terms_of(town, accepted)
    assert terms.request is not None
    assert terms.request.request_id == opened.request_id
    assert terms.provisions[0].obligations == tuple(sorted(STUDY.wanted.obligations, key=lambda each: each.duty))
    opened_record = town.world.retrieving.open(
        town.world.ref(published), reader=town.researcher, purpose=PurposeOfUse.BIORCH
    )
    assert b"5.4" in b"".join(opened_record.stream())


def test_accept__before_it_is_signed__is_shown_in_words(town: StudyTown) -> None:
    opened = town.open()
    town.publish()
    town.accept(opened.request_id)
    shown = dict(town.shown)
    assert shown["study"] == STUDY.title
    assert shown["request"] == str(opened.request_id)
    assert town.world.chain.member.address in shown["accredited by"]
    assert "700001" in shown["reward"]
    assert "access for a reader" in shown["you sign"]
    assert "who shall read" in shown


def test_accept__not_confirmed__signs_nothing_and_leaves_no_bundle(town: StudyTown) -> None:
    opened = town.open()
    published = town.publish()
    town.confirms = False
    with pytest.raises(SigningRefusedError):
        town.accept(opened.request_id)
    assert town.world.store.pins() == {opened.cid, published.cid}
    assert town.events(AccessGranted) == []
    town.confirms = True
    town.accept(opened.request_id)


def test_accept__permits_less__keeps_the_duties_of_the_study(town: StudyTown) -> None:
    opened = town.open()
    laboratory, observation = town.publish(), town.publish(text=b"{}", category=Category.OBSERVATION)
    only = Provision(effect=Effect.PERMIT, purposes=(PurposeOfUse.BIORCH,), categories=(Category.LABORATORY,))
    never = Provision(effect=Effect.DENY, purposes=(PurposeOfUse.BIORCH,), everything=True, labels=("HIV",))
    accepted = town.accept(opened.request_id, provisions=(only, never))
    terms = terms_of(town, accepted)
    assert {each.duty for each in terms.provisions[0].obligations} == {Duty.NORELINK, Duty.ERASE_BY}
    assert terms.provisions[1].obligations == ()
    readable = town.world.retrieving.readable(reader=town.researcher, purpose=PurposeOfUse.BIORCH).records
    assert readable == (town.world.ref(laboratory),)
    assert town.world.ref(observation) not in readable


def test_accept__longer_than_asked__is_granted_for_longer(town: StudyTown) -> None:
    opened = town.open()
    town.publish()
    until = opened.request.access_until + DAY
    accepted = town.accept(opened.request_id, expires_at=until)
    assert town.world.ledger.consents.get_grant(accepted.grant_id, block=town.world.chain.head()).expires_at == until


class Unacceptable:
    """What cannot be accepted, and how."""

    @staticmethod
    def unknown(town: StudyTown) -> None:
        town.accept(9)

    @staticmethod
    def not_approved(town: StudyTown) -> None:
        town.accept(town.requesting.open(town.study, requester=town.researcher).request_id)

    @staticmethod
    def cancelled(town: StudyTown) -> None:
        opened = town.open()
        town.requesting.cancel(opened.request_id, requester=town.researcher)
        town.accept(opened.request_id)

    @staticmethod
    def too_late(town: StudyTown) -> None:
        opened = town.open()
        town.until(town.study.deadline)
        town.accept(opened.request_id)

    @staticmethod
    def used_up(town: StudyTown) -> None:
        opened = town.open(study=replace(town.study, grants=1))
        town.publish(town.paul)
        town.accept(opened.request_id, town.paul)
        town.accept(opened.request_id)

    @staticmethod
    def requester_suspended(town: StudyTown) -> None:
        opened = town.open()
        town.world.chain.accredit(town.researcher.address, AccreditationKind.RESEARCHER, 0)
        town.accept(opened.request_id)

    @staticmethod
    def for_another(town: StudyTown) -> None:
        town.accept(town.open(town.paul).request_id)

    @staticmethod
    def without_records(town: StudyTown) -> None:
        town.publish(town.mary)
        town.accept(town.open().request_id, town.paul)

    @staticmethod
    def unknown_custodian(town: StudyTown) -> None:
        town.accept(town.open().request_id, custodian=town.committee.address)

    @staticmethod
    def fewer_purposes(town: StudyTown) -> None:
        other = Provision(effect=Effect.PERMIT, purposes=(PurposeOfUse.TREAT,), everything=True)
        town.accept(town.open().request_id, provisions=(other,))

    @staticmethod
    def too_short(town: StudyTown) -> None:
        opened = town.open()
        town.accept(opened.request_id, expires_at=opened.request.access_until - 1)


@pytest.mark.parametrize(
    ("attempt", "error"),
    [
        (Unacceptable.unknown, UnknownRequestError),
        (Unacceptable.not_approved, RequestNotOpenError),
        (Unacceptable.cancelled, RequestNotOpenError),
        (Unacceptable.too_late, RequestDeadlinePassedError),
        (Unacceptable.used_up, RequestUsedUpError),
        (Unacceptable.requester_suspended, RequestNotAccreditedError),
        (Unacceptable.for_another, NotInvitedError),
        (Unacceptable.without_records, InvalidInputError),
        (Unacceptable.unknown_custodian, InvalidInputError),
        (Unacceptable.fewer_purposes, InvalidInputError),
        (Unacceptable.too_short, InvalidInputError),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_accept__that_cannot_be__signs_nothing(town: StudyTown, attempt, error: type[MedshareError]) -> None:
    town.publish()
    with pytest.raises(error):
        attempt(town)
    assert [event for event in town.events(AccessGranted) if event.grant.patient == town.mary.address] == []
    assert not any(label == "you sign" for label, _ in town.shown) or attempt is Unacceptable.used_up


def test_accept__invitation_of_another_patient__is_refused(town: StudyTown) -> None:
    keys = {town.paul.address: town.mary.identity.recipient}  # sealed to Mary's key, for Paul
    stored = store_for(town.world.store, town.study, requester=town.researcher.identity, invitees=keys)
    opened = town.world.ledger.requests.open(town.researcher.signer, town.study.terms(stored.document, stored.invitees))
    town.publish()
    with pytest.raises(NotInvitedError):
        town.accept(opened.request_id)


def test_accept__twice__is_refused_and_changes_nothing(town: StudyTown) -> None:
    opened = town.open()
    town.publish()
    town.accept(opened.request_id)
    with pytest.raises(ReservedAlreadyError):
        town.accept(opened.request_id)
    assert len(town.events(RewardReserved)) == 1


def test_accept__several_custodians__one_must_be_named(town: StudyTown) -> None:
    opened = town.open()
    clinic = new_actor()
    town.world.chain.accredit(clinic.address)
    town.world.ledger.directory.set_encryption_key(clinic.signer, clinic.identity.recipient.key)
    town.publish()
    hospital, town.world.hospital = town.world.hospital, clinic
    town.publish()
    town.world.hospital = hospital
    assert set(town.offering.custodians(town.mary.address)) == {hospital.address, clinic.address}
    with pytest.raises(InvalidInputError, match="2 custodians"):
        town.accept(opened.request_id)
    town.accept(opened.request_id, custodian=clinic.address)
    assert town.part(opened.request_id).reservation.custodian == clinic.address


def test_accept__delegate_for_the_patient__reserves_the_patients_reward(town: StudyTown) -> None:
    world, mother = town.world, signing_actor()
    world.ledger.directory.set_encryption_key(mother.signer, mother.identity.recipient.key)
    consenting = Consenting(
        ledger=world.ledger, store=world.store, auditing=world.auditing, retrieving=world.retrieving
    )
    town.wire(consenting=consenting)
    town.publish()
    opened = town.open()
    with pytest.raises(NotAllowedToActError):
        town.accept(opened.request_id, mother, on_behalf_of=town.mary.address)
    Representing(ledger=world.ledger, auditing=world.auditing, consenting=consenting).appoint(
        patient=town.mary,
        delegate=mother.address,
        verbs=Verbs.GRANT,
        purposes=[PurposeOfUse.HRESCH],
        expires_at=opened.request.access_until + DAY,
        access=[everything_for(PurposeOfUse.PATRQT)],
    )
    accepted = town.accept(opened.request_id, mother, on_behalf_of=town.mary.address)
    assert accepted.patient == town.mary.address
    assert town.part(opened.request_id).status is ReservationStatus.RESERVED


# --------------------------------------------------------------------------------- signed, sent by another


def signed(town: StudyTown, request_id, patient=None, **choice) -> SignedAcceptance:
    return town.accepting.sign(request_id, patient=patient or town.mary, asking=town.asking, choice=Choice(**choice))


def test_submit__signed_by_the_patient__another_sends_and_pays_once(town: StudyTown) -> None:
    opened = town.open()
    town.publish()
    said = signed(town, opened.request_id)
    assert SignedAcceptance.from_json(said.to_json()) == said
    first = town.accepting.submit(said, payer=town.world.stranger.signer)
    second = town.accepting.submit(said, payer=town.paul.signer)
    assert first.receipt is not None
    assert second.receipt is None
    assert first.grant_id == second.grant_id
    assert len(town.events(RewardReserved)) == 1


def test_submit__sent_to_the_consent_registry_before__is_accepted_all_the_same(town: StudyTown) -> None:
    opened = town.open()
    town.publish()
    said = signed(town, opened.request_id)
    town.world.ledger.relay(town.world.stranger.signer, [said.acceptance.signed])
    assert town.book.request(opened.request_id).parts == ()
    town.accepting.submit(said, payer=town.world.stranger.signer)
    assert town.part(opened.request_id).status is ReservationStatus.RESERVED


@pytest.mark.parametrize(
    "change",
    [
        lambda said: replace(said, request_id=said.request_id + 1),
        lambda said: replace(said, acceptance=replace(said.acceptance, custodian=STUDY.requester)),
        lambda said: replace(said, acceptance=replace(said.acceptance, content=bytes(32))),
    ],
    ids=["request", "custodian", "content"],
)
def test_submit__something_was_put_in_its_place__is_refused(town: StudyTown, change) -> None:
    opened = town.open()
    town.publish()
    with pytest.raises(InvalidInputError, match="another request"):
        town.accepting.submit(change(signed(town, opened.request_id)), payer=town.world.stranger.signer)


def test_submit__signed_by_somebody_else__is_refused(town: StudyTown) -> None:
    opened = town.open()
    town.publish()
    said = signed(town, opened.request_id)
    forged = replace(said.acceptance.signed, signature=b"\x01" * 65)
    with pytest.raises(SignatureInvalidError):
        town.accepting.submit(
            replace(said, acceptance=replace(said.acceptance, signed=forged)), payer=town.world.stranger.signer
        )


def test_submit__too_late__is_refused_and_signed_anew_instead(town: StudyTown) -> None:
    opened = town.open()
    town.publish()
    said = signed(town, opened.request_id)
    town.pass_by(DAY)
    with pytest.raises(DeadlinePassedError):
        town.accepting.submit(said, payer=town.world.stranger.signer)
    before = Cid.of_directory(said.granted.bundle)
    other = town.open(study=replace(town.study, title="Another"))
    signed(town, other.request_id)
    assert before not in town.world.store.pins()
    again = signed(town, opened.request_id)
    assert before not in town.world.store.pins()
    assert again.granted.deadline > said.granted.deadline
    town.accepting.submit(again, payer=town.world.stranger.signer)


def test_sign__again_while_it_can_be_sent__is_the_same(town: StudyTown) -> None:
    opened = town.open()
    town.publish()
    said = signed(town, opened.request_id)
    assert signed(town, opened.request_id) == said
    only = Provision(effect=Effect.PERMIT, purposes=(PurposeOfUse.BIORCH,), categories=(Category.LABORATORY,))
    with pytest.raises(InvalidInputError, match="something else was signed"):
        signed(town, opened.request_id, provisions=(only,))
    town.world.consenting.revoke_all(patient=town.mary)
    assert signed(town, opened.request_id, provisions=(only,)) != said


@pytest.mark.parametrize(
    "change",
    [{"version": 2}, {"request_id": 0}, {"custodian": "0x"}, {"content": "00"}, {"signed": {}}, {"more": 1}],
    ids=str,
)
def test_acceptance__that_is_none__is_refused(town: StudyTown, change: dict) -> None:
    opened = town.open()
    town.publish()
    document = json.loads(signed(town, opened.request_id).to_json())
    with pytest.raises(InvalidInputError):
        SignedAcceptance.from_json(json.dumps(document | change).encode())


# ---------------------------------------------------------------------------------------- crashes, failures


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_accept__process_dies_at_any_call__is_accepted_once_when_repeated(tmp_path: Path, after: bool) -> None:
    for at in range(1, 400):
        town = new_study_town(tmp_path / f"{at}")
        opened, published = town.open(town.mary), town.publish()
        world, faults = town.world, Faults(at=at, after=after)
        store = faulty_store(world, faults)
        ledger = replace(
            world.ledger,
            requests=faults.wrap(world.ledger.requests, "accept", "request", "reservation"),
            consents=faults.wrap(world.ledger.consents, "stamp", "get_grant"),
            chain=faults.wrap(world.ledger.chain, "head", "events"),
        )
        consenting = Consenting(ledger=ledger, store=store, auditing=world.auditing)
        town.wire(ledger=ledger, store=store, journal=noted(town, faults), consenting=consenting)
        try:
            town.accept(opened.request_id)
        except CrashError:
            struck = True
        else:
            struck = False
        town.wire()
        if struck:
            repeated(town, opened.request_id)
        assert len(town.events(RewardReserved)) == 1
        assert len(town.events(AccessGranted)) == 1
        world.store.collect()
        town.delivering.deliver(opened.request_id, town.mary.address, custodian=world.hospital)
        found = town.requesting.confirm(opened.request_id, town.mary.address, requester=town.researcher).found
        assert found.records == (world.ref(published),)
        if not struck:
            break
    assert at > 20
    assert not struck, "raise the limit: the last calls were not reached"


def repeated(town: StudyTown, request_id) -> None:
    try:
        town.accept(request_id)
    except ReservedAlreadyError:
        assert town.part(request_id).status is ReservationStatus.RESERVED  # it died with its answer


def test_accept__refused_on_chain_after_all__gives_the_bundle_up(town: StudyTown) -> None:
    opened = town.open()
    published = town.publish()
    ledger = town.world.ledger

    def refused(*_args: object, **_more: object):
        raise RequestUsedUpError(opened.request_id)

    town.wire(ledger=replace(ledger, requests=Overriding(ledger.requests, accept=refused)))
    with pytest.raises(RequestUsedUpError):
        town.accept(opened.request_id)
    assert town.world.store.pins() == {opened.cid, published.cid}


def test_accept__chain_breaks_off__is_sent_again_as_it_was(town: StudyTown) -> None:
    opened = town.open()
    town.publish()
    ledger = town.world.ledger

    def lost(*args: object, **more: object):
        ledger.requests.accept(*args, **more)
        raise LedgerUnavailableError("no answer")

    town.wire(ledger=replace(ledger, requests=Overriding(ledger.requests, accept=lost)))
    with pytest.raises(LedgerUnavailableError) as caught:
        town.accept(opened.request_id)
    assert "again" in caught.value.hint
    town.wire()
    accepted = town.accept(opened.request_id)
    assert accepted.receipt is None
    assert len(town.events(RewardReserved)) == 1


# ------------------------------------------------------------------------------------------------ delivering


def accepted_request(town: StudyTown):
    opened = town.open()
    published = town.publish()
    town.accept(opened.request_id)
    return opened.request_id, published


def test_deliver__what_was_accepted__is_stated_after_every_check(town: StudyTown) -> None:
    request_id, published = accepted_request(town)
    hospital = town.world.hospital
    assert [part.patient for part in town.delivering.waiting(hospital.address)] == [town.mary.address]
    done = town.delivering.deliver(request_id, town.mary.address, custodian=hospital)
    assert done.found.records == (town.world.ref(published),)
    assert town.part(request_id).bundle == done.bundle == done.found.bundle
    assert town.delivering.waiting(hospital.address) == []


def test_deliver__by_another_or_of_another__is_refused(town: StudyTown) -> None:
    request_id, _ = accepted_request(town)
    with pytest.raises(RequestNotAllowedError):
        town.delivering.deliver(request_id, town.mary.address, custodian=town.world.stranger)
    with pytest.raises(ReservationNotError):
        town.delivering.deliver(request_id, town.paul.address, custodian=town.world.hospital)


def test_deliver__revoked_before__is_refused_and_earns_nothing(town: StudyTown) -> None:
    request_id, _ = accepted_request(town)
    town.world.consenting.revoke_all(patient=town.mary)
    with pytest.raises(GrantNotLiveError):
        town.delivering.deliver(request_id, town.mary.address, custodian=town.world.hospital)
    town.until(town.study.deadline)
    town.requesting.return_unearned(request_id, payer=town.world.stranger.signer)
    assert town.credit(town.researcher.address) == 3 * STUDY.reward


def test_deliver__too_late_or_not_accredited__is_refused(town: StudyTown) -> None:
    request_id, _ = accepted_request(town)
    town.world.chain.accredit(town.world.hospital.address, AccreditationKind.CUSTODIAN, 0)
    with pytest.raises(RequestNotAccreditedError):
        town.delivering.deliver(request_id, town.mary.address, custodian=town.world.hospital)
    town.world.chain.accredit(town.world.hospital.address)
    town.until(town.study.deadline)
    with pytest.raises(RequestDeadlinePassedError):
        town.delivering.deliver(request_id, town.mary.address, custodian=town.world.hospital)


def test_deliver__bundle_or_record_gone__is_not_stated(town: StudyTown) -> None:
    request_id, published = accepted_request(town)
    bundle = Cid.of_directory(town.events(AccessGranted)[0].bundle)
    for lost in (published.cid, bundle):
        town.world.store.unpin(lost)
        town.world.store.collect()
        with pytest.raises(BlobNotFoundError):
            town.delivering.deliver(request_id, town.mary.address, custodian=town.world.hospital)
    assert town.part(request_id).status is ReservationStatus.RESERVED


def test_deliver__nothing_is_permitted__is_declined_instead_and_accepted_anew(town: StudyTown) -> None:
    opened = town.open()
    town.publish(category=Category.IMAGING)
    town.accept(opened.request_id)
    with pytest.raises(InvalidInputError, match="nothing to deliver") as caught:
        town.delivering.deliver(opened.request_id, town.mary.address, custodian=town.world.hospital)
    assert "request decline" in caught.value.hint
    town.delivering.decline(opened.request_id, town.mary.address, custodian=town.world.hospital)
    assert town.part(opened.request_id).status is ReservationStatus.NONE
    assert town.book.request(opened.request_id).request.places == 3
    town.publish()
    town.accept(opened.request_id)
    town.delivering.deliver(opened.request_id, town.mary.address, custodian=town.world.hospital)


def test_decline__by_others__only_when_the_custodian_lost_his_accreditation(town: StudyTown) -> None:
    request_id, _ = accepted_request(town)
    with pytest.raises(RequestNotAllowedError):
        town.delivering.decline(request_id, town.mary.address, custodian=town.world.stranger)
    town.world.chain.accredit(town.world.hospital.address, AccreditationKind.CUSTODIAN, 0)
    town.delivering.decline(request_id, town.mary.address, custodian=town.world.stranger)
    assert town.part(request_id).status is ReservationStatus.NONE
