"""Erasures that the chain does not tell: a record that had been withdrawn before carries no mark.

given a record that was withdrawn for another reason, and then erased
├─ its custodian signs a notice; where it is kept, patient and reader are told, and do their parts as ever
│  └─ whoever has not answered in time is overdue, counted from the erasure
├─ a version that carries the mark tells of all of them: no notice is needed
└─ a notice that is changed, another's, or of what the chain tells otherwise is refused; so is one before the erasure
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from erasure_town import ErasureTown, new_erasure_town
from world import DAY

from medshare.errors import (
    IntegrityError,
    InvalidInputError,
    SignatureInvalidError,
    UnknownRecordError,
    WrongDomainError,
)
from medshare.model.eip712 import Domain
from medshare.model.erasure import ErasureNotice, Statement
from medshare.model.ids import RecordId
from medshare.ports import Actor
from medshare.services.registering import Published
from medshare.services.statements import state

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]


@pytest.fixture
def town(tmp_path: Path) -> ErasureTown:
    return new_erasure_town(tmp_path)


@pytest.fixture
def record(town: ErasureTown) -> Published:
    """A record that was granted to the doctor, and then withdrawn."""
    published = town.world.publish(b"of another patient")
    town.world.grant(published)
    town.world.publishing.retract(published.record_id, "wrong patient", custodian=town.world.hospital)
    return published


def notice(town: ErasureTown, record: Published) -> Statement[ErasureNotice]:
    return town.book.notice(record.record_id, custodian=town.world.hospital)


def kinds(town: ErasureTown, who: Actor) -> list[str]:
    return [each.kind for each in town.notices.of(who.address, [who.address])]


def test_notice__kept__tells_patient_and_reader_until_they_have_answered(town: ErasureTown, record: Published) -> None:
    world = town.world
    town.town.pass_by(40 * DAY)
    certificate = town.erase(record).certificate.stated
    assert certificate.acknowledge_by == certificate.issued_at + 30 * DAY
    assert any("erasure-notice" in each for each in certificate.remains)
    assert (kinds(town, world.patient), kinds(town, world.doctor)) == ([], [])
    with pytest.raises(InvalidInputError, match="not told it here"):
        town.forgetting.forget(world.ref(record), patient=world.patient)

    signed = Statement.from_json(ErasureNotice, notice(town, record).to_json())
    said = town.book.take_notice(signed)
    assert (said.versions, said.acknowledge_by) == ((record.record_id,), certificate.acknowledge_by)
    assert (kinds(town, world.patient), kinds(town, world.doctor)) == (["RecordErased"], ["ErasureToAcknowledge"])
    assert kinds(town, world.stranger) == []
    assert town.forgetting.forget(world.ref(record), patient=world.patient).finished
    answer = town.forgetting.acknowledge(world.ref(record), reader=world.doctor)
    assert (kinds(town, world.patient), kinds(town, world.doctor)) == ([], [])
    assert town.book.take(answer, custodian=world.hospital.address).missing == ()


def test_notice__not_answered_in_time__is_overdue(town: ErasureTown, record: Published) -> None:
    town.erase(record)
    (standing,) = town.book.standings(town.world.hospital.address)
    assert (standing.marked_at, standing.overdue) == (None, False)
    town.town.pass_by(31 * DAY)
    (standing,) = town.book.standings(town.world.hospital.address)
    assert standing.overdue
    assert kinds(town, town.world.hospital) == ["AcknowledgementOverdue"]


def test_notice__store_is_down__can_be_signed_before_the_certificate(town: ErasureTown, record: Published) -> None:
    town.stores["clinic"].down = True
    assert town.erase(record).certificate is None
    said = notice(town, record).stated
    assert said.acknowledge_by == said.issued_at + 30 * DAY


def test_notice__an_earlier_version_is_marked__is_not_needed(town: ErasureTown) -> None:
    world = town.world
    first = world.publish(b"first")
    second = world.publish(b"second", supersedes=first.record_id)
    world.grant(second)
    world.publishing.retract(second.record_id, "wrong patient", custodian=world.hospital)
    town.erase(second)
    assert (kinds(town, world.patient), kinds(town, world.doctor)) == (["RecordErased"], ["ErasureToAcknowledge"])
    assert town.forgetting.forget(world.ref(second), patient=world.patient).finished
    with pytest.raises(InvalidInputError, match="the chain tells"):
        notice(town, second)


def test_notice__before_the_erasure__is_refused(town: ErasureTown, record: Published) -> None:
    with pytest.raises(InvalidInputError, match="not erased here"):
        notice(town, record)
    with pytest.raises(UnknownRecordError):
        town.book.notice(RecordId(b"\1" * 32), custodian=town.world.hospital)


def test_notice__changed_or_of_what_the_chain_tells_otherwise__is_refused(town: ErasureTown, record: Published) -> None:
    world = town.world
    town.erase(record)
    true = notice(town, record)
    other = world.publish(b"current")
    with pytest.raises(SignatureInvalidError):
        town.book.take_notice(replace(true, stated=replace(true.stated, patient=world.doctor.address)))
    elsewhere = Domain.of("RecordRegistry", true.domain.chain_id + 1, true.domain.verifying_contract)
    with pytest.raises(WrongDomainError):
        town.book.take_notice(replace(true, domain=elsewhere))
    for changed, error in (
        ({"patient": world.doctor.address}, IntegrityError),
        ({"versions": (record.record_id, other.record_id)}, IntegrityError),
        ({"record_id": other.record_id, "versions": (other.record_id,)}, IntegrityError),
        ({"record_id": RecordId(b"\1" * 32)}, UnknownRecordError),
    ):
        lying = state(replace(true.stated, **changed), signer=world.hospital.signer, **town.signed)
        with pytest.raises(error):
            town.book.take_notice(lying)
    assert kinds(town, world.doctor) == []
