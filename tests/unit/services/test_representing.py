"""A delegate acts for a patient: within what he was given, and never beyond it.

given a mother appointed for a child, to grant and revoke for treatment
├─ what she grants opens for the reader, and for the child; custodians apply it to what they publish later
├─ she reads only by a grant of her own; without one she releases nothing
├─ never: revoke everything, appoint, name guardians, object, bar; other purposes, or longer than she is appointed
├─ when her date has come, or all was revoked, or she is dismissed, or resigns: nothing more; what she gave stays
├─ what the patient granted a reader, she cannot read and does not change; she may revoke it
└─ a bundle written by somebody else than who granted, or by one who might not, opens nothing
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from service_doubles import Overriding
from town import Town, new_town
from world import DAY, TEXT

from medshare.content import Cid
from medshare.errors import (
    AccessDeniedError,
    BeyondDelegationError,
    DelegateInvalidError,
    DelegationPeriodEmptyError,
    EpisodeNotAllowedError,
    IntegrityError,
    NotAllowedToActError,
)
from medshare.model.decision import Reason
from medshare.model.delegation import Verbs
from medshare.model.purpose import PurposeOfUse
from medshare.services.representing import everything_for
from medshare.services.retrieving import Retrieving

pytestmark = pytest.mark.unit


@pytest.fixture
def town(tmp_path) -> Town:
    return new_town(tmp_path)


def read(record) -> bytes:
    return b"".join(record.stream())


# --------------------------------------------------------------------------------------------- may


def test_grant_for__by_a_delegate__opens_for_the_reader_and_shows_who_granted(town: Town) -> None:
    published = town.world.publish()
    town.appoint()
    granted = town.grant_for(published)
    assert read(town.world.open(published)) == TEXT
    (standing,) = town.world.auditing.grants(patient=town.world.patient.address, grantee=town.world.doctor.address)
    assert (standing.granted_by, standing.by_right) == (town.mother.address, True)
    assert granted.grant.patient == town.world.patient.address


def test_grant_for__of_everything__is_applied_by_the_custodian_to_later_records(town: Town) -> None:
    town.world.publish()
    town.appoint()
    town.world.consenting.grant(
        patient=town.mother,
        on_behalf_of=town.world.patient.address,
        grantee=town.world.doctor.address,
        provisions=[everything_for(PurposeOfUse.TREAT)],
        expires_at=town.world.clock.now() + DAY,
    )
    later = town.world.publish(b"later")
    assert set(later.readers) == {town.world.doctor.address, town.mother.address}
    assert read(town.world.open(later)) == b"later"


def test_grant_for__the_patient_afterwards__knows_its_terms_and_grants_beside_it(town: Town) -> None:
    first, second = town.world.publish(), town.world.publish(b"second")
    town.appoint()
    town.grant_for(first)
    town.world.grant(second)
    assert read(town.world.open(first)) == TEXT
    assert read(town.world.open(second)) == b"second"
    assert town.world.publish(b"third").withheld == ()


def test_revoke__by_a_delegate__of_what_the_patient_granted__counts(town: Town) -> None:
    published = town.world.publish()
    granted = town.world.grant(published)
    town.appoint()
    revoked = town.world.consenting.revoke(granted.grant_id, patient=town.mother)
    assert revoked.had_been_granted
    with pytest.raises(AccessDeniedError) as denied:
        town.world.open(published)
    assert denied.value.decision.reason is Reason.REVOKED


def test_preview__by_a_delegate__is_as_the_patient_sees_it(town: Town) -> None:
    published = town.world.publish()
    town.appoint()
    asked = {"reader": town.world.doctor.address, "provisions": [everything_for(PurposeOfUse.TREAT)]}
    by_patient = town.world.consenting.preview(patient=town.world.patient, **asked)
    by_mother = town.world.consenting.preview(patient=town.mother, on_behalf_of=town.world.patient.address, **asked)
    assert [each.decision.permitted for each in by_mother] == [each.decision.permitted for each in by_patient] == [True]
    assert by_mother[0].entry.record_id == published.record_id


def test_delegations__tell_who_is_in_force(town: Town) -> None:
    town.appoint()
    (one,) = town.representing.delegations(patient=town.world.patient.address)
    (other,) = town.representing.delegations(delegate=town.mother.address)
    assert one == other
    assert one.in_force
    town.representing.dismiss(town.mother.address, actor=town.world.patient, patient=town.world.patient.address)
    (after,) = town.representing.delegations(patient=town.world.patient.address)
    assert not after.in_force


# ------------------------------------------------------------------------------------------- never


def test_grant_for__without_being_able_to_read__releases_nothing(town: Town) -> None:
    published = town.world.publish()
    town.appoint(access=[])
    before = len(town.world.chain.mined)
    with pytest.raises(AccessDeniedError):
        town.grant_for(published)
    everything = town.world.consenting.grant(
        patient=town.mother,
        on_behalf_of=town.world.patient.address,
        grantee=town.world.doctor.address,
        provisions=[everything_for(PurposeOfUse.TREAT)],
        expires_at=town.world.clock.now() + DAY,
    )
    assert everything.released == ()
    assert [each.record_id for each in everything.passed_over] == [published.record_id]
    assert len(town.world.chain.mined) == before + 1


@pytest.mark.parametrize(
    "more", [{"purposes": PurposeOfUse.HRESCH}, {"expires_at": 2_000_000_000}], ids=["for", "until"]
)
def test_grant_for__beyond_the_delegation__is_refused_before_anything_is_stored(town: Town, more) -> None:
    published = town.world.publish()
    town.appoint()
    pins, sent = town.world.store.pins(), town.world.chain.sent
    with pytest.raises(BeyondDelegationError):
        town.grant_for(published, **more)
    assert (town.world.store.pins(), town.world.chain.sent) == (pins, sent)


def test_grant_for__by_a_stranger_or_for_revoking_only__is_refused(town: Town) -> None:
    published = town.world.publish()
    with pytest.raises(NotAllowedToActError):
        town.grant_for(published, town.world.stranger)
    town.appoint(verbs=Verbs.REVOKE, purposes=[])
    with pytest.raises(NotAllowedToActError):
        town.grant_for(published)


def test_delegate__what_only_the_patient_does__is_refused(town: Town) -> None:
    town.appoint()
    patient, mother = town.world.patient.address, town.mother
    for forbidden in (
        lambda: town.world.consenting.revoke_all(patient=mother, on_behalf_of=patient),
        lambda: town.appoint(town.world.stranger, patient=mother, on_behalf_of=patient, access=[]),
        lambda: town.guarding.name(
            patient=mother, on_behalf_of=patient, guardians=[town.clinician.address], threshold=1, delay=DAY
        ),
        lambda: town.guarding.object(patient=mother, on_behalf_of=patient),
        lambda: town.representing.dismiss(town.world.doctor.address, actor=mother, patient=patient),
    ):
        with pytest.raises(NotAllowedToActError):
            forbidden()
    with pytest.raises(EpisodeNotAllowedError):
        town.emergencies.set_bar(patient=mother, on_behalf_of=patient, barred=True)


def test_grant_for__at_majority__has_ended_by_itself(town: Town) -> None:
    published = town.world.publish()
    town.appoint(expires_at=town.world.clock.now() + 10 * DAY)
    town.grant_for(published, expires_at=town.world.clock.now() + 9 * DAY)
    town.pass_by(10 * DAY)
    with pytest.raises(NotAllowedToActError):
        town.grant_for(published, expires_at=town.world.clock.now() + DAY)
    with pytest.raises(AccessDeniedError):
        town.world.open(published, town.mother, PurposeOfUse.PATRQT)
    assert read(town.world.open(published, town.world.patient)) == TEXT


@pytest.mark.parametrize("ending", ["dismissed", "resigned", "all revoked"])
def test_grant_for__when_the_delegation_was_ended__is_refused(town: Town, ending: str) -> None:
    published = town.world.publish()
    town.appoint()
    town.grant_for(published)
    patient = town.world.patient
    match ending:
        case "dismissed":
            town.representing.dismiss(town.mother.address, actor=patient, patient=patient.address)
        case "resigned":
            town.representing.dismiss(town.mother.address, actor=town.mother, patient=patient.address)
        case _:
            town.world.consenting.revoke_all(patient=patient)
    with pytest.raises(NotAllowedToActError):
        town.grant_for(published)
    if ending == "all revoked":
        with pytest.raises(AccessDeniedError):
            town.world.open(published)
    else:
        assert read(town.world.open(published)) == TEXT


def test_grant_for__to_a_reader_whom_the_patient_granted__is_refused_for_what_it_may_deny(town: Town) -> None:
    first, second = town.world.publish(), town.world.publish(b"second")
    town.world.grant(first)
    town.appoint()
    with pytest.raises(IntegrityError, match="cannot be read"):
        town.grant_for(second)


def test_appoint__oneself_or_into_the_past__is_refused(town: Town) -> None:
    with pytest.raises(DelegateInvalidError):
        town.appoint(town.world.patient)
    with pytest.raises(DelegationPeriodEmptyError):
        town.appoint(expires_at=0)


# ------------------------------------------------------------------------------------------ forged


def test_open__granted_by_a_delegate_who_might_not__is_an_integrity_error(town: Town) -> None:
    published = town.world.publish()
    town.appoint()
    town.grant_for(published)

    def as_if_not(**asked):
        return [replace(each, by_right=False) for each in town.world.auditing.grants(**asked)]

    world = town.world
    doubting = Retrieving(
        ledger=world.ledger, store=world.store, clock=world.clock, auditing=Overriding(world.auditing, grants=as_if_not)
    )
    with pytest.raises(IntegrityError, match="who might not"):
        doubting.open(world.ref(published), reader=world.doctor, purpose=PurposeOfUse.TREAT)
    assert read(world.open(published)) == TEXT


def test_open__bundle_by_somebody_else_than_who_granted__is_an_integrity_error(town: Town) -> None:
    published = town.world.publish()
    town.appoint()
    town.grant_for(published)

    def by_the_patient(**asked):
        return [replace(each, granted_by=town.world.patient.address) for each in town.world.auditing.grants(**asked)]

    world = town.world
    doubting = Retrieving(
        ledger=world.ledger,
        store=world.store,
        clock=world.clock,
        auditing=Overriding(world.auditing, grants=by_the_patient),
    )
    with pytest.raises(IntegrityError, match="was not written by"):
        doubting.open(world.ref(published), reader=world.doctor, purpose=PurposeOfUse.TREAT)


def test_grant_for__its_bundle__is_pinned_once_and_given_up_when_revoked(town: Town) -> None:
    published = town.world.publish()
    town.appoint()
    granted = town.grant_for(published)
    assert granted.bundle in town.world.store.pins()
    town.world.consenting.revoke(granted.grant_id, patient=town.world.patient)
    assert granted.bundle not in town.world.store.pins()
    assert Cid.of_directory(published.record_id) in town.world.store.pins()
