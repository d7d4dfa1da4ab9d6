"""Quality: who has attested what of a record, and whether it counts.

given a published record and accredited assessors
├─ an attestation counts while it was not withdrawn and its assessor is accredited
├─ withdrawn again, it is said where, and nothing is sent
├─ at least a score: somebody who counts has attested it, and nobody less
├─ a record that nobody registered is not attested; a stranger attests nothing
├─ a batch: each record with its score has a proof, and what cannot be a batch is refused
├─ repeated, a batch is attested once; withdrawn, it is attested anew under another root
└─ a slip that is kept counts as an attestation does; one that the chain does not bear out does not
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from service_doubles import CrashError, Faults
from town import Town, new_town
from world import DAY

from medshare.errors import (
    AttestingNotAccreditedError,
    InvalidInputError,
    UnknownAttestationError,
    UnknownRecordError,
)
from medshare.model.accreditation import AccreditationKind
from medshare.model.attestation import MAX_BATCH, Assessed, AssessedBatch, Attestation
from medshare.model.events import BlockRef, EventPlace
from medshare.model.ids import Address, RecordId
from medshare.model.slip import slips_to_json
from medshare.ports import Actor, AttestationLedger
from medshare.services.assessing import Assessing
from medshare.services.auditing import Auditing
from medshare.services.slip_journal import SlipJournal
from medshare.services.slips import Slips
from medshare.testing import new_actor

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]

OTHER = b'{"resourceType":"Observation","id":"other"}'


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return new_town(tmp_path)


@pytest.fixture
def assessing(town: Town) -> Assessing:
    world = town.world
    slips = Slips(
        ledger=world.ledger, store=world.store, auditing=world.auditing, journal=SlipJournal(world.folder / "slips")
    )
    return Assessing(ledger=world.ledger, auditing=world.auditing, slips=slips)


def elsewhere(town: Town, document: bytes | None = None) -> Assessing:
    """Return what another home knows, which has taken the slips of ``document``."""
    world = town.world
    folder = world.folder / f"home-{secrets.token_hex(4)}"
    slips = Slips(ledger=world.ledger, store=world.store, auditing=world.auditing, journal=SlipJournal(folder))
    if document is not None:
        slips.take(document)
    return Assessing(ledger=world.ledger, auditing=world.auditing, slips=slips)


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


def test_withdraw__twice__says_where_and_sends_nothing(town: Town, assessing: Assessing) -> None:
    record, me = town.world.publish().record_id, assessor(town)
    assessing.attest(record, score=70, method=1, assessor=me)
    root = assessing.attest_batch({record: 80}, method=1, assessor=me).root
    for subject in (record, root):
        first = assessing.withdraw(subject, assessor=me)
        head = town.world.chain.head()
        again = assessing.withdraw(subject, assessor=me)
        assert (first.already, again.already) == (False, True)
        assert (again.block, again.tx_hash) == (first.block, first.tx_hash)
        assert town.world.chain.head() == head


def test_withdraw__attested_anew_since__is_withdrawn(town: Town, assessing: Assessing) -> None:
    record, me = town.world.publish().record_id, assessor(town)
    for score in (70, 80):
        assessing.attest(record, score=score, method=1, assessor=me)
        assert not assessing.withdraw(record, assessor=me).already
    assert [one.attestation.stands for one in assessing.of(record)] == [False]


def test_withdraw__attested_anew_and_the_answer_lost__is_withdrawn(
    town: Town, assessing: Assessing, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, me = town.world.publish().record_id, assessor(town)
    assessing.attest(record, score=70, method=1, assessor=me)
    first = assessing.withdraw(record, assessor=me)
    assessing.attest(record, score=80, method=1, assessor=me)
    # What was looked up shows the earlier withdrawal still.
    before = SimpleNamespace(place=EventPlace(block=first.block, log_index=0, tx_hash=first.tx_hash))
    monkeypatch.setattr(Auditing, "attestation_withdrawn", lambda *_: before)
    assert not assessing.withdraw(record, assessor=me).already
    assert [one.attestation.stands for one in assessing.of(record)] == [False]


def test_withdraw__what_only_another_has_withdrawn__is_refused(town: Town, assessing: Assessing) -> None:
    record, me, other = town.world.publish().record_id, assessor(town), assessor(town)
    assessing.attest(record, score=70, method=1, assessor=me)
    assessing.withdraw(record, assessor=me)
    with pytest.raises(UnknownAttestationError):
        assessing.withdraw(record, assessor=other)


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
    with pytest.raises(AttestingNotAccreditedError):
        assessing.attest_batch({town.world.publish().record_id: 70}, method=1, assessor=town.world.stranger)


def assessed(number: int, score: int = 50) -> Assessed:
    return Assessed(record_id=RecordId(bytes([number]) * 32), score=score, salt=secrets.token_bytes(32))


def several(town: Town, *scores: int) -> dict[RecordId, int]:
    return {town.world.publish(b"record %d" % number).record_id: score for number, score in enumerate(scores)}


def test_batch__of_several__proves_each_and_withdraws_as_one(town: Town, assessing: Assessing) -> None:
    scores, me = several(town, 10, 20, 30, 40, 50, 60, 70), assessor(town)
    batch = assessing.attest_batch(scores, method=100, assessor=me)
    model = town.world.chain.model
    assert {slip.record_id: slip.assessed.score for slip in batch.slips} == scores
    for one in batch.slips:
        assert one.holds
        assert model.is_attested(me.address, batch.root, one.assessed, one.proof)
        assert not model.is_attested(town.mother.address, batch.root, one.assessed, one.proof)
    assessing.withdraw(batch.root, assessor=me)
    first = batch.slips[0]
    assert not model.is_attested(me.address, batch.root, first.assessed, first.proof)
    (gone,) = assessing.of(first.record_id)
    assert (gone.batch, gone.counts) == (batch.root, False)


def test_batch__repeated__has_the_same_root_and_is_attested_once(town: Town, assessing: Assessing) -> None:
    scores, me = several(town, 10, 20), assessor(town)
    first = assessing.attest_batch(scores, method=100, assessor=me)
    again = elsewhere(town).attest_batch(dict(reversed(scores.items())), method=100, assessor=me)
    assert first.receipt is not None
    assert (again.root, again.receipt, again.slips) == (first.root, None, first.slips)
    assert assessing.attest_batch(scores, method=101, assessor=me).root != first.root


def test_batch__that_was_withdrawn__is_attested_anew_under_another_root(town: Town, assessing: Assessing) -> None:
    scores, me = several(town, 10), assessor(town)
    first = assessing.attest_batch(scores, method=100, assessor=me)
    assessing.withdraw(first.root, assessor=me)
    second = assessing.attest_batch(scores, method=100, assessor=me)
    assert second.root != first.root
    assert assessing.attest_batch(scores, method=100, assessor=me).root == second.root
    assert assessing.lowest(first.slips[0].record_id) == 10


def test_batch__sent_by_another_process_meanwhile__is_not_an_error(town: Town) -> None:
    scores, me = several(town, 10), assessor(town)
    first = elsewhere(town).attest_batch(scores, method=100, assessor=me)
    ledger = replace(town.world.ledger, attestations=Late(town.world.ledger.attestations, blind=2))
    late = Assessing(ledger=ledger, auditing=town.world.auditing)
    again = late.attest_batch(scores, method=100, assessor=me)
    assert (again.root, again.receipt) == (first.root, None)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_batch__process_is_gone_when_it_is_sent__the_same_command_finishes(town: Town, after: bool) -> None:
    scores, me, world = several(town, 10, 20), assessor(town), town.world
    faults = Faults(at=1, after=after)
    ledger = replace(world.ledger, attestations=faults.wrap(world.ledger.attestations, "attest_batch"))
    with pytest.raises(CrashError):
        Assessing(ledger=ledger, auditing=world.auditing).attest_batch(scores, method=100, assessor=me)
    done = elsewhere(town).attest_batch(scores, method=100, assessor=me)
    assert (done.receipt is None) == after
    roots = [subject for owner, subject in world.chain.model.attestations if owner == me.address]
    assert roots == [done.root]


class Late:
    """Does not see at first what was attested already."""

    def __init__(self, attestations: AttestationLedger, blind: int) -> None:
        self._attestations = attestations
        self._blind = blind

    def __getattr__(self, name: str) -> Any:
        return getattr(self._attestations, name)

    def attestation(self, assessor: Address, subject: bytes, *, block: BlockRef) -> Attestation:
        self._blind -= 1
        if self._blind >= 0:
            raise UnknownAttestationError(assessor, subject)
        return self._attestations.attestation(assessor, subject, block=block)


def test_slip__kept__counts_as_an_attestation_does(town: Town, assessing: Assessing) -> None:
    scores, me, other = several(town, 40, 90), assessor(town), assessor(town)
    low, high = scores
    batch = assessing.attest_batch(scores, method=100, assessor=me)
    slip = next(each for each in batch.slips if each.record_id == low)
    home = elsewhere(town, slips_to_json([slip]))
    assert (home.lowest(low), home.lowest(low, 100), home.lowest(low, 101), home.lowest(high)) == (40, 40, None, None)
    assert elsewhere(town).lowest(low) is None
    home.attest(low, score=95, method=100, assessor=other)
    assert [one.attestation.score for one in home.of(low)] == [40, 95]
    assert (home.lowest(low), home.at_least(40, [low, high]), home.at_least(41, [low, high])) == (40, {low}, set())
    assessing.withdraw(batch.root, assessor=me)
    assert home.lowest(low) == 95


def test_slip__of_an_assessor_no_longer_accredited__does_not_count(town: Town, assessing: Assessing) -> None:
    (record,) = scores = several(town, 40)
    assessing.attest_batch(scores, method=100, assessor=assessor(town, days=1))
    town.pass_by(2 * DAY)
    (one,) = assessing.of(record)
    assert (one.accredited, one.counts, assessing.lowest(record)) == (False, False, None)


def test_batch__of_what_nobody_registered_or_without_records__is_refused(town: Town, assessing: Assessing) -> None:
    me = assessor(town)
    with pytest.raises(UnknownRecordError):
        assessing.attest_batch({RecordId(b"\x01" * 32): 70}, method=100, assessor=me)
    with pytest.raises(InvalidInputError):
        assessing.attest_batch({}, method=100, assessor=me)
    for score in (-1, 101):
        with pytest.raises(InvalidInputError):
            assessing.attest_batch(several(town, score), method=100, assessor=me)


def test_batch__that_cannot_be__is_refused() -> None:
    one = assessed(1)
    for cannot_be in ([], [one, assessed(1)], [one] * (MAX_BATCH + 1)):
        with pytest.raises(InvalidInputError):
            AssessedBatch.of(cannot_be)
    with pytest.raises(InvalidInputError):
        AssessedBatch.of([one]).proof(assessed(1))
    for score in (-1, 101):
        with pytest.raises(InvalidInputError):
            assessed(1, score)
