"""Quality: who has attested what of a record, and whether it counts.

given a published record and accredited assessors
├─ an attestation counts while it was not withdrawn and its assessor is accredited
├─ at least a score: somebody who counts has attested it, and nobody less
├─ a record that nobody registered is not attested; a stranger attests nothing
└─ a batch: each record with its score has a proof, and what cannot be a batch is refused
"""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
from town import Town, new_town
from world import DAY

from medshare.errors import AttestingNotAccreditedError, InvalidInputError, UnknownRecordError
from medshare.model.accreditation import AccreditationKind
from medshare.model.attestation import MAX_BATCH, Assessed, AssessedBatch
from medshare.model.ids import RecordId
from medshare.ports import Actor
from medshare.services.assessing import Assessing
from medshare.testing import new_actor

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]

OTHER = b'{"resourceType":"Observation","id":"other"}'


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return new_town(tmp_path)


@pytest.fixture
def assessing(town: Town) -> Assessing:
    return Assessing(ledger=town.world.ledger, auditing=town.world.auditing)


def assessor(town: Town, days: int = 365) -> Actor:
    actor = new_actor()
    town.accredit(actor, AccreditationKind.ASSESSOR, days)
    return actor


def test_attested__by_an_assessor__counts_until_withdrawn(town: Town, assessing: Assessing) -> None:
    record, me = town.world.publish().record_id, assessor(town)
    assert assessing.of(record) == []
    assessing.attest(record, score=70, method=1, assessor=me)
    assessing.attest(record, score=75, method=2, assessor=me)
    (one,) = assessing.of(record)
    assert (one.attestation.score, one.attestation.method, one.counts) == (75, 2, True)
    assessing.withdraw(record, assessor=me)
    (gone,) = assessing.of(record)
    assert (gone.accredited, gone.counts) == (True, False)


def test_attested__by_one_no_longer_accredited__does_not_count(town: Town, assessing: Assessing) -> None:
    record, me = town.world.publish().record_id, assessor(town, days=1)
    assessing.attest(record, score=70, method=1, assessor=me)
    town.pass_by(2 * DAY)
    (one,) = assessing.of(record)
    assert (one.accredited, one.counts) == (False, False)
    assert assessing.at_least(0, [record]) == set()


def test_at_least__several_assessors__the_lowest_that_counts_decides(town: Town, assessing: Assessing) -> None:
    record, other = town.world.publish().record_id, town.world.publish(OTHER).record_id
    strict, kind = assessor(town), assessor(town)
    assessing.attest(record, score=60, method=1, assessor=strict)
    assessing.attest(record, score=95, method=1, assessor=kind)
    assert assessing.at_least(60, [record, other]) == {record}
    assert assessing.at_least(61, [record, other]) == set()
    assessing.withdraw(record, assessor=strict)
    assert assessing.at_least(95, [record, other]) == {record}


def test_lowest__by_any_method_or_by_one__is_of_those_that_count(town: Town, assessing: Assessing) -> None:
    record = town.world.publish().record_id
    strict, kind = assessor(town), assessor(town)
    assert assessing.lowest(record) is None
    assessing.attest(record, score=60, method=100, assessor=strict)
    assessing.attest(record, score=95, method=101, assessor=kind)
    assert (assessing.lowest(record), assessing.lowest(record, 101), assessing.lowest(record, 102)) == (60, 95, None)
    assessing.withdraw(record, assessor=strict)
    assert (assessing.lowest(record), assessing.lowest(record, 100)) == (95, None)


def test_attest__what_nobody_registered__is_refused(town: Town, assessing: Assessing) -> None:
    with pytest.raises(UnknownRecordError):
        assessing.attest(RecordId(b"\x01" * 32), score=70, method=1, assessor=assessor(town))


@pytest.mark.parametrize("score", [-1, 101])
def test_attest__no_score__is_refused(town: Town, assessing: Assessing, score: int) -> None:
    with pytest.raises(InvalidInputError):
        assessing.attest(town.world.publish().record_id, score=score, method=1, assessor=assessor(town))


def test_attest__by_a_stranger__is_refused(town: Town, assessing: Assessing) -> None:
    with pytest.raises(AttestingNotAccreditedError):
        assessing.attest(town.world.publish().record_id, score=70, method=1, assessor=town.world.stranger)
    batch = AssessedBatch.of([assessed(1)])
    with pytest.raises(AttestingNotAccreditedError):
        assessing.attest_batch(batch, 1, method=1, assessor=town.world.stranger)


def assessed(number: int, score: int = 50) -> Assessed:
    return Assessed(record_id=RecordId(bytes([number]) * 32), score=score, salt=secrets.token_bytes(32))


def test_batch__of_several__proves_each_and_withdraws_as_one(town: Town, assessing: Assessing) -> None:
    several, me = [assessed(number, 10 * number) for number in range(1, 8)], assessor(town)
    batch = AssessedBatch.of(several)
    assessing.attest_batch(batch, len(several), method=1, assessor=me)
    model = town.world.chain.model
    for one in several:
        assert model.is_attested(me.address, batch.root, one, batch.proof(one))
        assert not model.is_attested(town.mother.address, batch.root, one, batch.proof(one))
    assessing.withdraw(batch.root, assessor=me)
    assert not model.is_attested(me.address, batch.root, several[0], batch.proof(several[0]))
    assert assessing.of(RecordId(batch.root)) == []


def test_batch__that_cannot_be__is_refused() -> None:
    one = assessed(1)
    for several in ([], [one, assessed(1)], [one] * (MAX_BATCH + 1)):
        with pytest.raises(InvalidInputError):
            AssessedBatch.of(several)
    with pytest.raises(InvalidInputError):
        AssessedBatch.of([one]).proof(assessed(1))
    for score in (-1, 101):
        with pytest.raises(InvalidInputError):
            assessed(1, score)
