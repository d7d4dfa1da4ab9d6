"""Who may read, who could, and what happened: as a plain replay of the chain would answer.

given any history of a ledger
├─ when asked who could read at a past time, the answer is that of the chain's state at that time
├─ when asked from the grantee's side, it is the same answer
├─ when a grant was revoked, alone or with all, the time of the first revocation since is told
├─ when a patient has many records, who may read is told without reading what the chain tells of each
└─ when asked for the trail, everything about the patient comes in the chain's order, retractions included
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from histories import ACTORS, BEGIN, DIGESTS, chain_of, histories
from hypothesis import given
from hypothesis import strategies as st
from world import DAY, World

from medshare.errors import InvalidInputError, UnknownRecordError
from medshare.model.consent import Reason
from medshare.model.events import (
    AccessGranted,
    AccessRevoked,
    AllAccessRevoked,
    RecordRegistered,
    RecordRetracted,
    RecordSuperseded,
    RegisteredFromBatch,
)
from medshare.model.ids import GrantId, patient_of
from medshare.model.ledger import LedgerModel
from medshare.model.record import RecordStatus
from medshare.services import event_codec
from medshare.services.auditing import Auditing
from medshare.services.index import LedgerIndex
from medshare.testing import InMemoryChain, new_actor

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]


def auditing_of(chain: InMemoryChain, folder: str) -> Auditing:
    return Auditing(index=LedgerIndex(Path(folder) / "index", chain))


def state_at(chain: InMemoryChain, at: int) -> LedgerModel:
    model = LedgerModel()
    for event in chain.events(0, chain.head().number):
        if event.place.block.time <= at:
            model.apply(event)
    return model


def live_at(chain: InMemoryChain, at: int) -> set[tuple[GrantId, str]]:
    """By brute force: each grant, each purpose of it, asked of the chain's state at that time."""
    model = state_at(chain, at)
    return {
        (grant.grant_id, grant.grantee)
        for grant in model.grants.values()
        if grant.purposes and model.is_live(grant.grant_id, grant.purposes, at)
    }


# ------------------------------------------------------------------------------------------- who could read


@given(history=histories, moments=st.lists(st.integers(-5, 150), min_size=1, max_size=6))
def test_may_read__any_time_of_any_history__is_what_the_chain_s_state_says(history, moments) -> None:
    chain, _ = chain_of(history)
    head = chain.head().time
    with tempfile.TemporaryDirectory() as folder:
        auditing = auditing_of(chain, folder)
        auditing.sync()
        for at in {*(min(BEGIN + moment, head) for moment in moments), head, None}:
            expected = live_at(chain, head if at is None else at)
            said = {
                (each.grant.grant_id, each.grant.grantee)
                for patient in ACTORS
                for each in auditing.may_read(patient, at=at)
            }
            assert said == expected
            from_the_other_side = {
                (each.grant.grant_id, each.grant.grantee)
                for grantee in ACTORS
                for each in auditing.grants(grantee=grantee, at=at)
                if each.live
            }
            assert from_the_other_side == expected


@given(history=histories)
def test_grants__any_history__revoked_at_is_the_first_revocation_since_the_grant(history) -> None:
    chain, _ = chain_of(history)
    events = list(chain.events(0, chain.head().number))
    with tempfile.TemporaryDirectory() as folder:
        auditing = auditing_of(chain, folder)
        for patient in ACTORS:
            for standing in auditing.grants(patient=patient):
                grant_id = standing.grant.grant_id
                granted = max(
                    number
                    for number, event in enumerate(events)
                    if isinstance(event, AccessGranted) and event.grant.grant_id == grant_id
                )
                revoked = [
                    event.place.block.time
                    for event in events[granted:]
                    if (isinstance(event, AccessRevoked) and event.grant_id == grant_id)
                    or (isinstance(event, AllAccessRevoked) and event.patient == patient)
                ]
                assert standing.revoked_at == (revoked[0] if revoked else None)
                assert standing.granted_at == events[granted].place.block.time
                assert standing.bundle == events[granted].bundle
                assert (standing.reason is Reason.REVOKED) == bool(revoked)
                assert auditing.grant(grant_id) == standing


@given(history=histories)
def test_records__any_history__are_the_chain_s_records_of_the_patient(history) -> None:
    chain, _ = chain_of(history)
    with tempfile.TemporaryDirectory() as folder:
        auditing = auditing_of(chain, folder)
        for patient in ACTORS:
            expected = {entry for entry in chain.model.records.values() if entry.patient == patient}
            assert set(auditing.records(patient)) == expected
            ages = [entry.registered_at for entry in auditing.records(patient)]
            assert ages == sorted(ages)


@given(history=histories)
def test_trail__any_history__is_everything_about_the_patient_in_the_chain_s_order(history) -> None:
    chain, _ = chain_of(history)
    model = chain.model

    def about(event) -> str | None:
        match event:
            case RecordRegistered() | RegisteredFromBatch() | RecordSuperseded() | AllAccessRevoked():
                return event.patient
            case RecordRetracted():
                return model.record(event.custodian, event.record_id).patient
            case AccessGranted():
                return event.grant.patient
            case AccessRevoked():
                return patient_of(event.grant_id)
        return None

    events = list(chain.events(0, chain.head().number))
    with tempfile.TemporaryDirectory() as folder:
        auditing = auditing_of(chain, folder)
        for patient in ACTORS:
            assert auditing.trail(patient) == [event for event in events if about(event) == patient]


@given(history=histories)
def test_claims_and_keys__any_history__are_who_said_so(history) -> None:
    chain, _ = chain_of(history)
    with tempfile.TemporaryDirectory() as folder:
        auditing = auditing_of(chain, folder)
        for record in DIGESTS:
            expected = {
                (custodian, entry.patient) for (custodian, each), entry in chain.model.records.items() if each == record
            }
            if not expected:
                with pytest.raises(UnknownRecordError):
                    auditing.claims(record)
                continue
            assert {(claim.custodian, claim.patient) for claim in auditing.claims(record)} == expected
        for actor in ACTORS:
            keys = auditing.encryption_keys(actor)
            assert [event.version for event in keys] == list(range(1, len(keys) + 1))
            assert ([keys[-1].key] if keys else []) == [
                entry.key for owner, entry in chain.model.keys.items() if owner == actor
            ]


# ---------------------------------------------------------------------------------------------- by example


def test_grants__neither_patient_nor_grantee__is_refused(world: World) -> None:
    with pytest.raises(InvalidInputError):
        world.auditing.grants()


def test_grants__time_ahead_of_the_chain__is_refused_and_the_newest_is_not(world: World) -> None:
    world.grant(world.publish())
    head = world.chain.head().time
    assert len(world.auditing.may_read(world.patient.address, at=head)) == 1
    with pytest.raises(InvalidInputError, match="ahead") as caught:
        world.auditing.may_read(world.patient.address, at=head + 1)
    assert caught.value.hint


def test_may_read__around_each_event__changes_with_its_block(world: World) -> None:
    published = world.publish()
    granted = world.grant(published, expires_at=world.clock.now() + DAY)
    begin = granted.receipt.block.time
    world.clock.advance(100)
    revoked = world.consenting.revoke(granted.grant_id, patient=world.patient).receipt.block.time
    world.clock.advance(100)
    again = world.grant(published, expires_at=world.clock.now() + DAY).receipt.block.time
    world.clock.advance(2 * DAY)
    world.chain.mine()

    def could(at: int) -> bool:
        return bool(world.auditing.may_read(world.patient.address, at=at))

    times = [begin - 1, begin, revoked - 1, revoked, again - 1, again, again + DAY - 10, again + 2 * DAY - 10]
    assert [could(at) for at in times] == [False, True, True, False, False, True, True, False]
    assert world.auditing.grant(granted.grant_id).reason is Reason.EXPIRED


def test_grants__before_it_was_given__is_not_told(world: World) -> None:
    granted = world.grant(world.publish())
    before = granted.receipt.block.time - 1
    assert world.auditing.grants(patient=world.patient.address, at=before) == []
    assert world.auditing.grants(grantee=world.doctor.address, at=before) == []


def test_grants__of_a_patient_with_many_records__reads_none_of_them(world: World, monkeypatch) -> None:
    granted = world.grant(*(world.publish(b"record %d" % number) for number in range(20)))
    read = []
    honest = event_codec.decode
    monkeypatch.setattr(event_codec, "decode", lambda kind, *rest: read.append(kind) or honest(kind, *rest))
    (standing,) = world.auditing.grants(patient=world.patient.address)
    assert (standing.grant.grant_id, standing.live) == (granted.grant_id, True)
    assert read == ["AccessGranted"]


def test_grants__between_two__are_only_theirs(world: World) -> None:
    published = world.publish()
    world.grant(published)
    world.grant(published, grantee=world.stranger.address)
    both = world.auditing.grants(patient=world.patient.address)
    (one,) = world.auditing.grants(patient=world.patient.address, grantee=world.stranger.address)
    assert [each.grant.grantee for each in both] == [world.doctor.address, world.stranger.address]
    assert one.grant.grantee == world.stranger.address
    assert world.auditing.grants(patient=world.stranger.address, grantee=world.doctor.address) == []


def test_grant__never_given__is_none(world: World) -> None:
    granted = world.grant(world.publish())
    assert world.auditing.grant(GrantId(granted.grant_id ^ 1)) is None


def test_grants__revoked_before_it_was_ever_given__is_not_listed(world: World) -> None:
    """A patient may burn a grant's id in advance; that is no grant."""
    published = world.publish()
    granted = world.grant(published)
    world.chain.reorganise(1)
    world.ledger.consents.revoke(world.patient.signer, granted.grant_id)
    assert world.auditing.grants(patient=world.patient.address) == []
    again = world.grant(published)
    assert again.grant_id == granted.grant_id
    assert world.auditing.grant(again.grant_id).live


def test_bundles__granted_repeatedly__are_each_told_once(world: World) -> None:
    one, two = world.publish(b"one"), world.publish(b"two")
    first = world.grant(one)
    second = world.grant(one)
    other = world.grant(two)
    patient = world.patient.address
    assert world.auditing.bundles(patient, first.grant_id) == [first.bundle.digest, second.bundle.digest]
    assert world.auditing.bundles(patient) == [first.bundle.digest, second.bundle.digest, other.bundle.digest]
    assert world.auditing.bundles(world.stranger.address) == []


def test_bundle_before__granted_repeatedly__is_the_last_one_before(world: World) -> None:
    published = world.publish()
    first, second = world.grant(published), world.grant(published)
    places = [event.place for event in world.auditing.trail(world.patient.address) if isinstance(event, AccessGranted)]
    asked = [*places, places[-1].after()]
    found = [world.auditing.bundle_before(world.patient.address, first.grant_id, place) for place in asked]
    assert found == [None, first.bundle.digest, second.bundle.digest]


def test_claims__two_custodians_state_one_record__both_are_named(world: World) -> None:
    published = world.publish()
    world.ledger.records.register(world.stranger.signer, published.record_id, world.doctor.address)
    first, second = world.auditing.claims(published.record_id)
    assert (first.custodian, first.patient) == (world.hospital.address, world.patient.address)
    assert (second.custodian, second.patient) == (world.stranger.address, world.doctor.address)
    assert [entry.custodian for entry in world.auditing.records(world.patient.address)] == [world.hospital.address]


def test_claims__nobody_registered_it__says_so_in_a_sentence(world: World) -> None:
    with pytest.raises(UnknownRecordError) as caught:
        world.auditing.claims(b"\5" * 32)
    assert "no custodian has registered no" not in str(caught.value)
    assert caught.value.record_id == b"\5" * 32


def test_trail__superseded_and_retracted_by_two_custodians__keeps_each_other_s_apart(world: World) -> None:
    first = world.publish(b"one")
    second = world.publish(b"two", supersedes=first.record_id)
    world.ledger.records.register(world.stranger.signer, first.record_id, world.doctor.address)
    world.ledger.records.retract(world.stranger.signer, first.record_id, bytes(32))
    world.publishing.retract(second.record_id, "wrong", custodian=world.hospital)
    kinds = [type(event).__name__ for event in world.auditing.trail(world.patient.address)]
    assert kinds == ["RecordRegistered", "RecordSuperseded", "RecordRetracted"]
    statuses = [entry.status for entry in world.auditing.records(world.patient.address)]
    assert statuses == [RecordStatus.SUPERSEDED, RecordStatus.RETRACTED]


def test_every_question__about_nobody__is_answered_with_nothing(world: World) -> None:
    nobody = new_actor().address
    assert world.auditing.trail(nobody) == []
    assert world.auditing.records(nobody) == []
    assert world.auditing.may_read(nobody) == []
    assert world.auditing.grants(grantee=nobody) == []
    assert world.auditing.encryption_keys(nobody) == []


def test_every_question__after_a_reorganisation__forgets_what_was_dropped(world: World) -> None:
    published = world.publish()
    granted = world.grant(published)
    assert world.auditing.grant(granted.grant_id).live
    world.chain.reorganise(2)
    assert world.auditing.grant(granted.grant_id) is None
    assert world.auditing.trail(world.patient.address) == []
    with pytest.raises(UnknownRecordError):
        world.auditing.claims(published.record_id)
    assert world.auditing.rebuild() == world.auditing.sync() == world.chain.head()
