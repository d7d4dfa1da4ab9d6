"""Guardians give a patient a new key; until then nobody learns who they are, and the patient can say no.

given a patient with three guardians, of whom two must sign
├─ the circle is kept encrypted for the patient, and is what the chain's digest says; another cannot read it
├─ a recovery: two sign, the delay passes, anybody completes; too early, too few, others' or other signatures: refused
├─ the patient objects: nothing happens; a stranger, a guardian, a delegate cannot object
└─ after it: the new key reads what is encrypted anew or published later, grants and revokes; the lost one does not;
   of an old version it is told the newest
"""

from __future__ import annotations

import pytest
from town import Town, new_town
from world import DAY, TEXT

from medshare.envelope import Identity
from medshare.errors import (
    AccessDeniedError,
    CircleInvalidError,
    DelayOutOfRangeError,
    EncryptionKeyNotSetError,
    EnvelopeError,
    GuardiansTooFewError,
    InvalidInputError,
    NoRecoveryError,
    NotAllowedToActError,
    NotARecipientError,
    RecoveryTooEarlyError,
)
from medshare.model.delegation import NO_CIRCLE, Circle
from medshare.model.ids import ZERO_ADDRESS
from medshare.model.purpose import PurposeOfUse
from medshare.ports import Actor
from medshare.services.guarding import circle_from_json, circle_to_json

pytestmark = pytest.mark.unit


@pytest.fixture
def town(tmp_path) -> Town:
    return new_town(tmp_path)


def named(town: Town, **more) -> Circle:
    wanted = {
        "patient": town.world.patient,
        "guardians": [each.address for each in town.guardians],
        "threshold": 2,
        "delay": 7 * DAY,
    }
    circle = town.guarding.name(**{**wanted, **more}).circle
    assert circle is not None
    return circle


def rotate_all(town: Town) -> None:
    world = town.world
    due = world.rotating.due(world.patient.address, custodian=world.hospital)
    assert all(each.published for each in world.rotating.rotate(due, custodian=world.hospital))


# ------------------------------------------------------------------------------------------ circle


def test_name__circle__is_kept_for_the_patient_alone(town: Town) -> None:
    circle = named(town)
    patient = town.world.patient
    assert town.guarding.circle(patient=patient) == circle
    assert town.guarding.standing(patient.address).guardianship.circle == circle.digest(patient.address)
    files = [path.read_bytes() for path in (town.world.folder / "safe").iterdir()]
    assert all(each.address.encode() not in file for file in files for each in town.guardians)
    thief = Actor(signer=patient.signer, identity=Identity.generate())
    with pytest.raises(EnvelopeError):
        town.guarding.circle(patient=thief)


def test_circle__given_to_guardians__comes_back_the_same(town: Town) -> None:
    circle = named(town)
    patient = town.world.patient.address
    assert circle_from_json(circle_to_json(circle, patient)) == (circle, patient)
    with pytest.raises(InvalidInputError):
        circle_from_json(circle_to_json(circle, patient).replace(b'"threshold":2', b'"threshold":4'))


def test_name__a_change__holds_after_the_delay(town: Town) -> None:
    first = named(town)
    patient = town.world.patient
    changed = town.guarding.name(patient=patient, guardians=[town.guardians[0].address], threshold=1, delay=DAY)
    assert changed.begins_at == changed.receipt.block.time + 7 * DAY
    assert town.guarding.standing(patient.address).guardianship.circle == first.digest(patient.address)
    town.pass_by(7 * DAY)
    assert town.guarding.circle(patient=patient) == changed.circle
    assert town.guarding.standing(patient.address).guardianship.circle == changed.circle.digest(patient.address)
    town.guarding.dismiss(patient=patient)
    town.pass_by(7 * DAY)
    assert town.guarding.standing(patient.address).guardianship.circle == NO_CIRCLE
    assert town.guarding.circle(patient=patient) is None


def test_name__what_cannot_be__is_refused(town: Town) -> None:
    with pytest.raises(DelayOutOfRangeError):
        named(town, delay=DAY - 1)
    with pytest.raises(InvalidInputError):
        named(town, threshold=4)
    with pytest.raises(InvalidInputError, match="guards nothing"):
        named(town, guardians=[town.world.patient.address, town.guardians[0].address])
    with pytest.raises(NotAllowedToActError):
        named(town, patient=town.world.stranger, on_behalf_of=town.world.patient.address)


# ---------------------------------------------------------------------------------------- recovery


def test_propose__too_few_or_others_or_another_circle__is_refused(town: Town) -> None:
    circle = named(town)
    with pytest.raises(GuardiansTooFewError):
        town.propose(circle, approving=1)
    with pytest.raises(CircleInvalidError):
        town.propose(Circle.of(circle.guardians, 1, circle.salt))
    with pytest.raises(InvalidInputError):
        town.guarding.propose(circle, [], payer=town.world.stranger)
    patient = town.world.patient.address
    deadline = town.world.clock.now() + DAY
    differing = [
        town.guarding.approve(guardian=each.signer, patient=patient, controller=town.newcomer.address, deadline=when)
        for each, when in zip(town.guardians, (deadline, deadline + 1), strict=False)
    ]
    with pytest.raises(InvalidInputError, match="one recovery"):
        town.guarding.propose(circle, differing, payer=town.world.stranger)
    assert town.guarding.standing(patient).guardianship.proposed == ZERO_ADDRESS


def test_complete__before_its_time_or_without_proposal__is_refused(town: Town) -> None:
    patient = town.world.patient.address
    with pytest.raises(NoRecoveryError):
        town.guarding.complete(patient, payer=town.world.stranger)
    town.propose(named(town))
    with pytest.raises(RecoveryTooEarlyError):
        town.guarding.complete(patient, payer=town.world.stranger)
    town.pass_by(7 * DAY)
    assert town.guarding.complete(patient, payer=town.world.stranger).controller == town.newcomer.address


def test_object__by_the_patient_alone__ends_it(town: Town) -> None:
    town.propose(named(town))
    patient = town.world.patient
    town.appoint()
    for other in (town.world.stranger, town.mother, town.newcomer, town.guardians[0]):
        with pytest.raises(NotAllowedToActError):
            town.guarding.object(patient=other, on_behalf_of=patient.address)
    town.guarding.object(patient=patient)
    town.pass_by(7 * DAY)
    with pytest.raises(NoRecoveryError):
        town.guarding.complete(patient.address, payer=town.world.stranger)
    assert town.guarding.standing(patient.address).control.controller == patient.address


# --------------------------------------------------------------------------------------- afterwards


def test_recovered__what_was_published_before__opens_once_it_is_encrypted_anew(town: Town) -> None:
    published = town.world.publish()
    town.recover()
    world = town.world
    with pytest.raises(NotARecipientError):
        world.open(published, town.newcomer)
    rotate_all(town)
    (newest,) = [each for each in world.auditing.records(world.patient.address) if each.version == 2]
    opened = world.retrieving.open(newest.ref, reader=town.newcomer, purpose=PurposeOfUse.PATRQT)
    assert b"".join(opened.stream()) == TEXT
    assert world.rotating.due(world.patient.address, custodian=world.hospital) == []


def test_recovered__an_old_version__says_what_the_new_key_opens(town: Town) -> None:
    world = town.world
    published = world.publish()
    town.recover()
    with pytest.raises(NotARecipientError) as refused:
        world.open(published, town.newcomer)
    assert refused.value.hint is not None
    assert refused.value.hint.endswith("ask its custodian to encrypt it anew (record rotate)")
    for _ in range(2):
        entry = world.auditing.records(world.patient.address)[-1]
        newest = world.resealing.reseal(entry, custodian=world.hospital)
    with pytest.raises(NotARecipientError) as refused:
        world.open(published, town.newcomer)
    assert refused.value.hint is not None
    assert newest.record_id.hex() in refused.value.hint
    assert world.open(newest, town.newcomer).read(0, 1) == TEXT[:1]


def test_recovered__the_new_key__grants_revokes_and_appoints_for_the_patient(town: Town) -> None:
    town.recover()
    world, patient = town.world, town.world.patient.address
    later = world.publish()
    granted = world.grant(later, patient=town.newcomer, on_behalf_of=patient)
    assert b"".join(world.open(later).stream()) == TEXT
    town.appoint(patient=town.newcomer, on_behalf_of=patient)
    town.grant_for(later, grantee=world.stranger.address)
    assert b"".join(world.open(later, world.stranger).stream()) == TEXT
    world.consenting.revoke(granted.grant_id, patient=town.newcomer)
    with pytest.raises(AccessDeniedError):
        world.open(later)
    world.consenting.revoke_all(patient=town.newcomer, on_behalf_of=patient)
    with pytest.raises(AccessDeniedError):
        world.open(later, world.stranger)


def test_recovered__the_lost_key__neither_reads_nor_grants_nor_has_packets_any_more(town: Town) -> None:
    published = town.world.publish()
    town.recover()
    world = town.world
    later = world.publish(b"later")
    for record in (published, later):
        with pytest.raises(NotAllowedToActError):
            world.open(record, world.patient)
        with pytest.raises(NotAllowedToActError):
            world.grant(record)
    with pytest.raises(NotAllowedToActError):
        world.retrieving.pending(world.patient.address, reader=world.patient, purpose=PurposeOfUse.PATRQT)


def test_recovered__the_new_key_is_not_published__publishing_says_so(town: Town) -> None:
    town.newcomer = Actor(signer=town.guardians[2].signer, identity=Identity.generate())
    town.recover()
    with pytest.raises(EncryptionKeyNotSetError) as refused:
        town.world.publish()
    assert refused.value.actor == town.newcomer.address
