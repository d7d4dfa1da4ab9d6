"""Accounting of disclosures: what the chain tells, all of it, with whose word it was and how long it held.

given any history of a ledger
├─ every event of a patient is there once, in the chain's order, and every grant is a disclosure
└─ who could read at any time is what the chain's state says of that time
given a town
├─ a grant says whose word it was: the patient's, the key's that took over, a delegate's
├─ a right that ended early says when and why: revoked, granted anew, or with its episode
├─ a right that was ended before it began was never in force
├─ emergencies come first, with reason, keys and review
├─ what a custodian delivered ends with the grant it rests on
├─ since a time: what was told, or could be read, then or later
└─ made again from its scope it is the same; on another chain, on another branch or ahead of the chain it is refused
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from histories import ACTORS, BEGIN, DIGESTS, chain_of, histories, request_of
from hypothesis import given
from hypothesis import strategies as st
from study_town import StudyTown, new_study_town
from town import HOUR, Town, new_town
from world import DAY, World

from medshare.errors import IntegrityError, InvalidInputError
from medshare.model.disclosure import Capacity, Disclosure, Ending, Manner, Scope, in_series
from medshare.model.emergency import EmergencyReason, Verdict
from medshare.model.events import AccessGranted, ActedFor
from medshare.model.ids import Address
from medshare.model.purpose import Purpose
from medshare.services.accounting import Accounting
from medshare.services.auditing import Auditing
from medshare.services.index import LedgerIndex
from medshare.testing import InMemoryChain

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]


def accounting_of(world: World) -> Accounting:
    return Accounting(ledger=world.ledger, auditing=world.auditing)


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return new_town(tmp_path)


@pytest.fixture
def study_town(tmp_path: Path) -> StudyTown:
    return new_study_town(tmp_path)


def disclosures(world: World, patient: Address | None = None) -> tuple[Disclosure, ...]:
    return accounting_of(world).of(patient or world.patient.address).disclosures


# --------------------------------------------------------------------------------------------- any history


class _Requests:
    address = InMemoryChain.member.address


class _Ledger:
    """What the accounting needs of a ledger."""

    requests = _Requests()

    def __init__(self, chain: InMemoryChain) -> None:
        self.chain = chain


@given(history=histories)
def test_accounting__any_history__holds_every_event_of_the_patient_once(history) -> None:
    chain, _ = chain_of(history)
    with tempfile.TemporaryDirectory() as folder:
        auditing = Auditing(index=LedgerIndex(Path(folder) / "index", chain))
        accounting = Accounting(ledger=_Ledger(chain), auditing=auditing)
        for patient in ACTORS:
            made = accounting.of(patient)
            trail = [event for event in auditing.trail(patient) if not isinstance(event, ActedFor)]
            assert [event.place for event in made.events] == [event.place for event in trail]
            assert [event.kind for event in made.events] == [type(event).__name__ for event in trail]
            granted = [event.place for event in trail if isinstance(event, AccessGranted)]
            assert [each.place for each in made.disclosures] == granted
            assert len({event.digest for event in made.events}) == len(made.events)
            assert accounting.again(made.scope) == made


@given(history=histories, moments=st.lists(st.integers(-5, 150), min_size=1, max_size=6))
def test_accounting__any_time_of_any_history__says_who_could_read_as_the_chain_s_state_does(history, moments) -> None:
    chain, _ = chain_of(history)
    head = chain.head().time
    with tempfile.TemporaryDirectory() as folder:
        auditing = Auditing(index=LedgerIndex(Path(folder) / "index", chain))
        accounting = Accounting(ledger=_Ledger(chain), auditing=auditing)
        for patient in ACTORS:
            made = accounting.of(patient)
            for at in {*(min(BEGIN + moment, head) for moment in moments), head}:
                could = {
                    (each.grant.grant_id, each.grant.grantee)
                    for each in auditing.may_read(patient, at=at)
                    if each.grant.purposes
                }
                said = {(int(each.reference[1], 16), each.recipient) for each in made.disclosures if each.in_force(at)}
                assert said == could


# ---------------------------------------------------------------------------------------------- grants


def test_grant__by_the_patient__is_his_word(town: Town) -> None:
    world = town.world
    published = world.publish()
    granted = world.grant(published)
    (one,) = disclosures(world)
    assert (one.manner, one.recipient, one.given_by) == (Manner.GRANT, world.doctor.address, world.patient.address)
    assert (one.capacity, one.by_right, one.purposes) == (Capacity.PATIENT, True, Purpose.TREAT)
    assert one.reference == ("grant", f"{granted.grant_id:#x}")
    assert (one.ends_at, one.until, one.ended_at, one.ending) == (one.until, one.ends_at, None, None)
    assert one.records == 1
    assert one.content == granted.terms.digest()


def test_grant__by_a_delegate__is_named_as_his(town: Town) -> None:
    published = town.world.publish()
    town.appoint()
    town.grant_for(published)
    (own, one) = disclosures(town.world)
    assert (own.recipient, own.capacity) == (town.mother.address, Capacity.PATIENT)
    assert (one.given_by, one.capacity, one.by_right) == (town.mother.address, Capacity.DELEGATE, True)


def test_grant__by_the_key_that_took_over__is_named_as_its(town: Town) -> None:
    town.recover()
    now = town.world.chain.head().time
    request = request_of(town.world.doctor.address, DIGESTS[0], now, now + DAY, Purpose.TREAT)
    town.world.ledger.consents.grant_for(town.newcomer.signer, town.world.patient.address, request)
    (one,) = disclosures(town.world)
    assert (one.given_by, one.capacity, one.by_right) == (town.newcomer.address, Capacity.SUCCESSOR, True)


def test_grant__revoked__ended_then(town: Town) -> None:
    world = town.world
    granted = world.grant(world.publish())
    town.pass_by(HOUR)
    revoked = world.consenting.revoke(granted.grant_id, patient=world.patient)
    (one,) = disclosures(world)
    assert (one.ended_at, one.ending) == (revoked.receipt.block.time, Ending.REVOKED)
    assert one.until == revoked.receipt.block.time
    assert one.in_force(one.until - 1)
    assert not one.in_force(one.until)


def test_grant__given_anew__ended_the_earlier_one(town: Town) -> None:
    world = town.world
    published = world.publish()
    world.grant(published)
    town.pass_by(HOUR)
    world.grant(published, expires_at=world.clock.now() + 60 * DAY)
    first, second = disclosures(world)
    assert first.reference == second.reference
    assert (first.ended_at, first.ending) == (second.place.block.time, Ending.REPLACED)
    assert second.ending is None


def test_grant__revoked_with_all_before_it_began__was_never_in_force(town: Town) -> None:
    world = town.world
    begins = world.clock.now() + 5 * DAY
    world.grant(world.publish(), not_before=begins)
    world.consenting.revoke_all(patient=world.patient)
    (one,) = disclosures(world)
    assert (one.begins_at, one.ending, one.ever) == (begins, Ending.REVOKED, False)


def test_grant__that_has_expired__is_not_ended_by_a_later_revocation(town: Town) -> None:
    world = town.world
    world.grant(world.publish())
    town.pass_by(31 * DAY)
    world.consenting.revoke_all(patient=world.patient)
    (one,) = disclosures(world)
    assert (one.ending, one.until) == (None, one.ends_at)


# ------------------------------------------------------------------------------------------ emergencies


def test_emergency__with_keys_and_review__comes_first_and_says_all_of_it(town: Town) -> None:
    world = town.world
    world.grant(world.publish())
    episode = town.break_glass()
    town.emergencies.release(episode, custodian=world.hospital)
    town.emergencies.end(episode, actor=town.clinician)
    town.emergencies.review(episode, Verdict.UNJUSTIFIED, "no emergency", reviewer=town.reviewer)
    broken, keys, granted = disclosures(world)
    assert [each.manner for each in (broken, keys, granted)] == [Manner.EMERGENCY, Manner.EMERGENCY_KEYS, Manner.GRANT]
    for one in (broken, keys):
        assert (one.recipient, one.reason) == (town.clinician.address, EmergencyReason.UNCONSCIOUS)
        assert (one.ending, one.verdict) == (Ending.ENDED, Verdict.UNJUSTIFIED)
        assert one.purposes == Purpose.BTG
        assert one.reference == ("episode", f"{episode:#x}")
    assert (broken.capacity, keys.capacity, keys.given_by) == (
        Capacity.CLINICIAN,
        Capacity.CUSTODIAN,
        world.hospital.address,
    )
    assert any(keys.content)
    assert granted.verdict is Verdict.NONE


def test_keys__of_one_custodian__are_of_his_records(town: Town) -> None:
    world = town.world
    for text in (b'{"resourceType":"Observation","id":"a"}', b'{"resourceType":"Observation","id":"b"}'):
        world.publish(text)
    world.ledger.records.register(
        world.stranger.signer, world.publish(b'{"resourceType":"Observation"}').record_id, world.patient.address
    )
    episode = town.break_glass()
    town.emergencies.release(episode, custodian=world.hospital)
    broken, keys = disclosures(world)
    assert (broken.records, keys.records) == (4, 3)


# ------------------------------------------------------------------------------------------ deliveries


def test_delivery__rests_on_its_grant_and_ends_with_it(study_town: StudyTown) -> None:
    town = study_town
    request_id = town.delivered()
    mary = town.mary.address
    granted, delivered = disclosures(town.world, mary)
    assert (delivered.manner, delivered.recipient) == (Manner.DELIVERY, town.researcher.address)
    assert (delivered.given_by, delivered.capacity) == (town.world.hospital.address, Capacity.CUSTODIAN)
    assert delivered.reference == ("request", str(request_id))
    assert delivered.ends_at == granted.ends_at
    assert delivered.content == town.part(request_id).bundle
    town.world.consenting.revoke_all(patient=town.mary)
    assert [each.ending for each in disclosures(town.world, mary)] == [Ending.REVOKED, Ending.REVOKED]


def test_request__all_that_happened_in_it__is_accounted(study_town: StudyTown) -> None:
    request_id = study_town.delivered()
    study_town.requesting.confirm(request_id, study_town.mary.address, requester=study_town.researcher)
    made = accounting_of(study_town.world).of(study_town.mary.address)
    about = [event.kind for event in made.events if ("request", str(request_id)) in event.objects]
    assert about == ["RequestOpened", "RewardReserved", "AccessDelivered", "RewardPaid"]


# --------------------------------------------------------------------------------------------- the scope


def test_since__a_time__leaves_out_what_had_ended_and_what_was_told_before(town: Town) -> None:
    world = town.world
    world.grant(world.publish(), expires_at=world.clock.now() + DAY)
    world.grant(world.publish(b'{"resourceType":"Observation"}'), expires_at=world.clock.now() + 40 * DAY)
    town.pass_by(10 * DAY)
    since = world.chain.head().time
    made = accounting_of(world).of(world.patient.address, since=since)
    assert [each.ends_at > since for each in made.disclosures] == [True]
    assert made.events == ()
    assert made.scope.since == since


@pytest.mark.parametrize("since", [-1, 1 << 32])
def test_since__no_time_of_the_chain__is_refused(town: Town, since: int) -> None:
    with pytest.raises(InvalidInputError):
        accounting_of(town.world).of(town.world.patient.address, since=since)


def test_again__after_more_happened__is_the_same_as_before(town: Town) -> None:
    world = town.world
    published = world.publish()
    world.grant(published)
    made = accounting_of(world).of(world.patient.address)
    world.consenting.revoke_all(patient=world.patient)
    assert accounting_of(world).again(made.scope) == made
    assert accounting_of(world).again(Scope.parse(made.scope.text)) == made
    assert accounting_of(world).of(world.patient.address) != made


def test_again__on_another_branch__is_refused_as_integrity(town: Town) -> None:
    world = town.world
    world.grant(world.publish())
    scope = accounting_of(world).of(world.patient.address).scope
    world.chain.reorganise(1)
    world.chain.mine()
    with pytest.raises(IntegrityError):
        accounting_of(world).again(scope)


@pytest.mark.parametrize(("field", "more"), [("chain_id", 1), ("block", 1)])
def test_again__of_another_chain_or_ahead_of_it__is_refused(town: Town, field: str, more: int) -> None:
    scope = accounting_of(town.world).of(town.world.patient.address).scope
    with pytest.raises(InvalidInputError):
        accounting_of(town.world).again(replace(scope, **{field: getattr(scope, field) + more}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "eip155:1337",
        "eip155:1337:0x00/0/1/" + "00" * 32,
        f"eip155:1337:{ACTORS[0]}/99999999999/1/" + "00" * 32,
        f"eip155:1337:{ACTORS[0]}/0/1/" + "0x" + "00" * 31,
        f"eip155:1337:{ACTORS[0]}/0/1/" + "00" * 32 + "\n",
    ],
)
def test_scope__that_says_nothing__is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        Scope.parse(text)


# ------------------------------------------------------------------------------------------------ series


def test_series__of_several_to_one__has_first_count_and_last(town: Town) -> None:
    world = town.world
    published = world.publish()
    for _ in range(3):
        world.grant(published)
        town.pass_by(HOUR)
    world.grant(published, grantee=world.stranger.address)
    made = disclosures(world)
    several, single = in_series(made)
    assert (several.count, several.recipient) == (3, world.doctor.address)
    assert (several.first, several.last) == (made[0].place.block.time, made[2].place.block.time)
    assert (single.count, single.recipient) == (1, world.stranger.address)
