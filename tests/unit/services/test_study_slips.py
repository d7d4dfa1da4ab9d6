"""Slips in studies: those in the bundle that the patient signs count, for patient, custodian and requester alike.

given a study with a minimum score, and records that were attested in batches only
├─ of those of which the patient keeps slips, keys are given; they are delivered and confirmed by the slips' scores
│  ├─ single attestations and slips count together, of several the lowest
│  └─ the assessor must be accredited, and the method the study's
├─ slips that somebody keeps besides, or gets later, do not count
├─ a batch withdrawn before the patient accepts, or before the delivery, does not count; after it, it still does
└─ slips that count and are too many for one document are refused, and nothing is signed
given a bundle with slips
├─ the custodian's document holds his own records by the study's method, opens for him, and its length tells little
├─ a false slip, or what are no slips, is ignored and told; what is true still counts
├─ a store that does not answer is asked again: nothing is judged without the slips
├─ on a read receipt: the same, and what the custodian puts in the place of the requester's slips does not count
└─ of an erased record the slips go out of the custodian's document, too
   └─ where he has another key by now, the document goes by that one
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from asked import NoWallets
from quality_town import EIGHTY, HALF, METHOD, OTHER_METHOD, QualityTown
from service_doubles import Overriding
from study_town import StudyTown, new_study_town, signing_actor

from medshare.content import Cid
from medshare.envelope import Identity
from medshare.errors import (
    BlobNotFoundError,
    IntegrityError,
    InvalidInputError,
    NotARecipientError,
    ScoreOverstatedError,
    ScoreTooLowError,
    StoreUnavailableError,
)
from medshare.model.accreditation import AccreditationKind
from medshare.model.attestation import Assessed
from medshare.model.erasure import erasure_mark
from medshare.model.ids import BundleId, RequestId, TermsDigest
from medshare.model.quality_condition import QualityCondition
from medshare.model.record import RecordRef
from medshare.model.request import ReservationStatus
from medshare.model.slip import Slip, slips_from_json, slips_of, slips_to_json
from medshare.ports import Actor
from medshare.services.assessing import AttestedBatch
from medshare.services.auditing import GrantStanding
from medshare.services.blob_writer import BlobWriter
from medshare.services.bundles import bundle_files, open_document, open_sealed, open_terms, sealed_document
from medshare.services.erasure_journal import ErasureJournal
from medshare.services.forgetting import Forgetting
from medshare.services.registering import Published
from medshare.services.replicating import HERE
from medshare.services.slips import IgnoredSlips
from medshare.services.study_slips import StudySlips, custodian_slips_name

pytestmark = [pytest.mark.unit, pytest.mark.timeout(120)]

NOT_TOLD = "not attested as good as the study asks, as far as the chain and the slips in the bundle tell"


class BatchTown(QualityTown):
    """The town, with batches, of which patients are given slips."""

    def batch(self, scores: dict[Published, int], *, method: int = METHOD, by: Actor | None = None) -> AttestedBatch:
        of_records = {published.record_id: score for published, score in scores.items()}
        return self.assessing.attest_batch(of_records, method=method, assessor=by or self.strict)

    def take(self, batch: AttestedBatch, *published: Published) -> None:
        """Have the patient keep the slips of these records, or all."""
        records = [each.record_id for each in published]
        slips = [each for each in batch.slips if not records or each.record_id in records]
        self.town.slips.take(slips_to_json(slips))

    def forget_slips(self, *published: Published) -> None:
        """Nobody keeps slips any more: what is judged from now on is in the bundle."""
        self.town.slips.forget([each.record_id for each in published])

    def attested(self, *scores: int) -> list[Published]:
        """Publish a record for each score, attested in one batch, of which the patient keeps the slips."""
        published = self.published(*[None] * len(scores))
        self.take(self.batch(dict(zip(published, scores, strict=True))))
        return published

    def accepted(self, condition: QualityCondition = EIGHTY) -> RequestId:
        request_id = self.open(condition)
        self.town.accept(request_id)
        return request_id

    def standing(self, request_id: RequestId) -> GrantStanding:
        town = self.town
        found = town.world.auditing.grant(town.part(request_id).grant_id(town.world.ledger.requests.address))
        assert found is not None
        return found

    def name_for_custodian(self, request_id: RequestId) -> str:
        hospital = self.town.world.hospital.identity.recipient
        return custodian_slips_name(self.town.mary.identity, hospital, self.standing(request_id).terms)

    def for_custodian(self, request_id: RequestId) -> tuple[Slip, ...]:
        """Return what the custodian finds in the bundle."""
        link = bundle_files(self.town.world.store, self.standing(request_id).bundle)[
            self.name_for_custodian(request_id)
        ]
        return slips_from_json(open_document(self.town.world.store, link, self.town.world.hospital.identity)[0])


@pytest.fixture
def town(tmp_path: Path) -> BatchTown:
    return BatchTown(new_study_town(tmp_path))


def slip_of(batch: AttestedBatch, published: Published) -> Slip:
    return next(slip for slip in batch.slips if slip.record_id == published.record_id)


# ------------------------------------------------------------------------------------------------------ judging alike


def test_study__records_attested_in_a_batch_only__are_accepted_delivered_and_confirmed_by_their_slips(
    town: BatchTown,
) -> None:
    best, enough, poor, unkept = published = town.published(None, None, None, None)
    batch = town.batch(dict(zip(published, (92, 80, 79, 99), strict=True)))
    town.take(batch, best, enough, poor)

    request_id = town.accepted()
    town.forget_slips(*published)
    found = town.deliver(request_id).found

    assert {each.record_id for each in found.records} == {best.record_id, enough.record_id}
    assert (found.score, town.town.part(request_id).reservation.score) == (80, 80)
    assert {each.record.record_id for each in found.left_out} == {poor.record_id, unkept.record_id}
    # The slip of the poor one exists, and is not in the bundle: nobody says that nothing was attested of it.
    assert {each.explain() for each in found.left_out} == {NOT_TOLD}
    assert [town.opens(each) for each in published] == [True, True, False, False]
    inspected = town.confirm(request_id)
    assert (inspected.score, len(inspected.records)) == (80, 2)
    assert town.town.slips.ignored == ()


@pytest.mark.parametrize(("alone", "score"), [(85, 85), (95, 90)])
def test_study__attested_alone_and_in_a_batch__the_lower_counts_for_all(
    town: BatchTown, alone: int, score: int
) -> None:
    (record,) = town.attested(90)
    town.attest(record, alone, by=town.friendly)
    request_id = town.accepted()
    town.forget_slips(record)
    assert town.deliver(request_id).score == score
    assert town.confirm(request_id).score == score


def test_study__withdrawn_alone_and_standing_in_a_batch__the_batch_counts(town: BatchTown) -> None:
    (record,) = town.attested(90)
    town.attest(record, 10)
    town.assessing.withdraw(record.record_id, assessor=town.strict)
    request_id = town.accepted()
    assert town.deliver(request_id).score == 90


def test_study__slips_of_several_batches__the_strictest_counts_for_all(town: BatchTown) -> None:
    (record,) = town.attested(98)
    town.take(town.batch({record: 81}, by=town.friendly))
    town.take(town.batch({record: 3}, by=town.assessor(), method=OTHER_METHOD))
    request_id = town.accepted()
    assert town.deliver(request_id).score == 81
    assert town.confirm(request_id).score == 81


def test_study__that_only_weighs__counts_what_has_no_slip_as_nothing(town: BatchTown) -> None:
    first, second = town.published(None, None)
    batch = town.batch({first: 90, second: 70})
    town.take(batch, first)
    request_id = town.accepted(HALF)
    assert town.deliver(request_id).score == 0
    assert town.confirm(request_id).score == 0


def test_accept__slips_of_another_method_or_of_nobody_accredited__is_refused_before_signing(town: BatchTown) -> None:
    (record,) = town.published(None)
    town.take(town.batch({record: 95}, method=OTHER_METHOD))
    town.take(town.batch({record: 95}, by=town.friendly))
    town.town.world.chain.accredit(town.friendly.address, AccreditationKind.ASSESSOR, 0)
    request_id = town.open(EIGHTY)
    with pytest.raises(ScoreTooLowError) as caught:
        town.town.accept(request_id)
    assert "medshare quality take-slip" in caught.value.hint
    assert town.town.shown == []


def test_deliver__slips_that_came_after_accepting_or_that_others_keep__do_not_count(town: BatchTown) -> None:
    first, late = town.published(None, None)
    batch = town.batch({first: 90, late: 95})
    town.take(batch, first)
    request_id = town.accepted()
    town.take(batch, late)

    found = town.deliver(request_id).found

    assert [each.record_id for each in found.records] == [first.record_id]
    assert [(each.record.record_id, each.score) for each in found.left_out] == [(late.record_id, None)]
    assert found.left_out[0].explain() == NOT_TOLD
    assert town.confirm(request_id).score == 90


# -------------------------------------------------------------------------------------------------------- withdrawing


def test_accept__the_batch_was_withdrawn__is_refused_before_signing(town: BatchTown) -> None:
    (record,) = town.published(None)
    batch = town.batch({record: 95})
    town.take(batch)
    town.assessing.withdraw(batch.root, assessor=town.strict)
    with pytest.raises(ScoreTooLowError):
        town.accepted()


def test_deliver__the_batch_was_withdrawn_since__is_refused_with_its_reason(town: BatchTown) -> None:
    (record,) = town.published(None)
    batch = town.batch({record: 95})
    town.take(batch)
    request_id = town.accepted()
    town.assessing.withdraw(batch.root, assessor=town.strict)

    with pytest.raises(ScoreTooLowError) as caught:
        town.deliver(request_id)

    assert (caught.value.records, caught.value.minimum_score) == (1, 80)
    assert "the slips" in caught.value.hint
    assert town.town.part(request_id).status is ReservationStatus.RESERVED
    town.state(request_id, 95)
    with pytest.raises(ScoreOverstatedError):
        town.confirm(request_id)


@pytest.mark.parametrize("how", ["withdrawn", "suspended"])
def test_confirm__the_batch_ended_after_the_delivery__is_confirmed(town: BatchTown, how: str) -> None:
    (record,) = town.published(None)
    batch = town.batch({record: 95})
    town.take(batch)
    request_id = town.accepted()
    town.deliver(request_id)
    if how == "withdrawn":
        town.assessing.withdraw(batch.root, assessor=town.strict)
    else:
        town.town.world.chain.accredit(town.strict.address, AccreditationKind.ASSESSOR, 0)
    assert town.confirm(request_id).score == 95


@pytest.mark.parametrize("stated", [91, 100])
def test_confirm__stated_higher_than_the_slips_say__is_refused(town: BatchTown, stated: int) -> None:
    town.attested(90)
    request_id = town.accepted()
    town.state(request_id, stated)
    with pytest.raises(ScoreOverstatedError) as caught:
        town.confirm(request_id)
    assert (caught.value.stated, caught.value.attested) == (stated, 90)


# ------------------------------------------------------------------------------------------- the custodian's document


def test_bundle__slips_for_the_custodian__are_of_his_records_and_the_method_and_open_for_nobody_else(
    town: BatchTown,
) -> None:
    own, other = town.published(None, None)
    clinic = town.town.world.stranger
    town.town.world.hospital, hospital = clinic, town.town.world.hospital
    elsewhere = town.town.publish(text=b'{"resourceType":"Observation","note":"elsewhere"}')
    town.town.world.hospital = hospital
    town.take(town.batch({own: 90, other: 40, elsewhere: 95}))
    town.take(town.batch({own: 99, elsewhere: 99}, method=OTHER_METHOD))
    request_id = town.open(EIGHTY)
    town.town.accept(request_id, custodian=hospital.address)

    assert [(slip.record_id, slip.assessed.score) for slip in town.for_custodian(request_id)] == [(own.record_id, 90)]
    store = town.town.world.store
    link = bundle_files(store, town.standing(request_id).bundle)[town.name_for_custodian(request_id)]
    for actor in (town.town.researcher, clinic):
        with pytest.raises(NotARecipientError):
            open_document(store, link, actor.identity)
    town.deliver(request_id)
    assert town.confirm(request_id).score == 90


def test_bundle__of_a_study_that_asks_no_quality__has_nothing_for_the_custodian(town: BatchTown) -> None:
    town.attested(90)
    request_id = town.open(None)
    town.town.accept(request_id)
    files = bundle_files(town.town.world.store, town.standing(request_id).bundle)
    assert town.name_for_custodian(request_id) not in files


def many(count: int, record: Published, assessor: Actor, *, method: int) -> tuple[Slip, ...]:
    """Return slips of one record, each of a batch of its own."""
    return tuple(
        slips_of(
            [Assessed(record_id=record.record_id, score=90, salt=number.to_bytes(32, "big"))],
            assessor=assessor.address,
            method=method,
        )[0]
        for number in range(count)
    )


def study_slips(town: BatchTown, record: Published, counting: int, others: int = 0) -> tuple[StudySlips, RecordRef]:
    slips = StudySlips(
        method=METHOD,
        custodian=town.town.world.hospital.address,
        slips=many(others, record, town.strict, method=OTHER_METHOD)
        + many(counting, record, town.strict, method=METHOD),
    )
    return slips, RecordRef(custodian=slips.custodian, record_id=record.record_id)


def test_slips__for_the_custodian__their_length_tells_little_of_how_many(town: BatchTown) -> None:
    (record,) = town.published(None)
    hospital, writer = town.town.world.hospital, Identity.generate()

    def length(count: int) -> int:
        slips, ref = study_slips(town, record, count)
        keys = {hospital.address: hospital.identity.recipient}
        (pieces,) = slips.for_custodian([ref], writer, keys, TermsDigest(bytes(32))).values()
        return len(b"".join(pieces))

    assert length(4) == length(5)
    assert length(5) != length(20)


def test_slips__more_than_one_document_holds__those_that_count_are_in_it_or_it_is_refused(town: BatchTown) -> None:
    (record,) = town.published(None)
    writer, reader = Identity.generate(), Identity.generate()
    slips, ref = study_slips(town, record, 400, 700)
    pieces = slips.for_reader([ref], writer, [reader.recipient])
    assert pieces is not None
    opened = slips_from_json(open_sealed(b"".join(pieces), reader)[0])
    assert (len(opened), sum(slip.method == METHOD for slip in opened)) == (1000, 400)
    slips, ref = study_slips(town, record, 1001)
    with pytest.raises(InvalidInputError, match="one bundle holds 1000"):
        slips.for_reader([ref], writer, [reader.recipient])


# ------------------------------------------------------------------------------------------------------- false slips


def accept_with(town: BatchTown, slips: Sequence[Slip], condition: QualityCondition = EIGHTY) -> RequestId:
    """Accept with a client that puts these into the bundle, whatever the chain says."""
    true = town.town.slips
    town.town.wire(slips=Overriding(true, standing=lambda _: list(slips)))
    request_id = town.accepted(condition)
    town.town.wire(slips=true)
    return request_id


def told(town: BatchTown) -> list[tuple[int, type[Exception]]]:
    ignored: Sequence[IgnoredSlips] = town.town.slips.ignored
    return [(each.count, type(each.why)) for each in ignored]


def test_deliver__a_false_slip_beside_a_true_one__is_ignored_and_told_and_the_true_one_counts(town: BatchTown) -> None:
    good, altered = town.published(None, None)
    batch = town.batch({good: 90, altered: 30})
    slip = slip_of(batch, altered)
    false = replace(slip, assessed=replace(slip.assessed, score=100))
    request_id = accept_with(town, [slip_of(batch, good), false])

    found = town.deliver(request_id).found

    assert [each.record_id for each in found.records] == [good.record_id]
    assert [(each.record.record_id, each.score) for each in found.left_out] == [(altered.record_id, None)]
    assert told(town) == [(1, IntegrityError)]
    assert town.confirm(request_id).score == 90
    assert told(town) == [(1, IntegrityError)]


def test_confirm__stated_by_a_false_slip__is_told_and_refused(town: BatchTown) -> None:
    (record,) = town.published(None)
    slip = slip_of(town.batch({record: 30}), record)
    request_id = accept_with(town, [replace(slip, assessed=replace(slip.assessed, score=100))])
    with pytest.raises(ScoreTooLowError):
        town.deliver(request_id)
    town.town.wire()
    town.state(request_id, 100)
    with pytest.raises(ScoreOverstatedError):
        town.confirm(request_id)
    assert told(town) == [(1, IntegrityError)]


@pytest.mark.parametrize("document", [b"no document", b"{}", b" " * (5 << 20)], ids=["text", "empty", "big"])
def test_deliver__what_are_no_slips__is_ignored_and_told(
    town: BatchTown, document: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.attested(90)
    monkeypatch.setattr(
        "medshare.services.study_slips.sealed_slips",
        lambda _, writer, readers: sealed_document(document, writer, [*readers, writer.recipient]),
    )
    request_id = town.accepted()
    with pytest.raises(ScoreTooLowError):
        town.deliver(request_id)
    ((count, _),) = told(town)
    assert count == 0


@pytest.mark.parametrize("error", [StoreUnavailableError("no answer"), BlobNotFoundError("a block")])
def test_deliver__the_store_does_not_give_the_slips__judges_nothing(town: BatchTown, error: Exception) -> None:
    town.attested(90)
    request_id = town.accepted()
    world = town.town.world
    link = bundle_files(world.store, town.standing(request_id).bundle)[town.name_for_custodian(request_id)]

    def get(wanted: Cid, *more: object) -> bytes:
        if wanted == link.cid:
            raise error
        return world.store.get(wanted, *more)

    slips = town.town.slips
    slips._store = Overriding(world.store, get=get)
    with pytest.raises(type(error)):
        town.deliver(request_id)
    slips._store = world.store
    assert town.deliver(request_id).score == 90


# ------------------------------------------------------------------------------------------------- on a read receipt


@pytest.fixture
def held(tmp_path: Path) -> BatchTown:
    town = BatchTown(StudyTown(world=new_study_town(tmp_path).world, researcher=signing_actor()))
    town.town.study = replace(town.town.study, on_receipt=True)
    return town


def sign_receipt(town: BatchTown, request_id: RequestId) -> None:
    grant_id, hospital = town.standing(request_id).grant.grant_id, town.town.world.hospital.address
    signed = town.town.receipts.sign_for_grant(grant_id, reader=town.town.researcher, custodian=hospital)
    town.town.receipts.keep(signed, custodian=hospital)


def test_deliver__on_a_receipt__all_judge_by_the_slips_that_were_closed_in(held: BatchTown) -> None:
    (record,) = held.attested(90)
    request_id = held.accepted()
    held.forget_slips(record)
    sign_receipt(held, request_id)
    done = held.deliver(request_id)
    assert (done.score, done.bundle != held.standing(request_id).bundle) == (90, True)
    assert held.confirm(request_id).score == 90


def test_confirm__the_custodian_delivers_other_slips_than_the_patient_gave__do_not_count(held: BatchTown) -> None:
    (record,) = held.published(None)
    true, friendly = held.batch({record: 80}), held.batch({record: 99}, by=held.friendly)
    held.take(true)
    held.take(friendly)
    request_id = held.accepted()
    sign_receipt(held, request_id)
    world = held.town.world
    found = held.town.delivering.check(request_id, held.town.mary.address, custodian=world.hospital)
    assert found.score == 80
    files = dict(bundle_files(world.store, found.bundle))
    delivered = replace(held.standing(request_id), bundle=found.bundle)
    name = open_terms(world.store, delivered, held.town.researcher.identity).slips_name
    assert name in files
    with BlobWriter(world.store) as writer:
        kept = slips_to_json(friendly.slips)
        own = sealed_document(kept, world.hospital.identity, [held.town.researcher.identity.recipient])
        files[name] = writer.file(own)
        bundle = writer.directory(files)
    part = held.town.part(request_id)
    world.ledger.requests.deliver(
        world.hospital.signer, request_id, part.patient, part.reserved.content, BundleId(bundle.digest), 99
    )

    with pytest.raises(ScoreOverstatedError):
        held.confirm(request_id)

    assert [str(each.why) for each in held.town.slips.ignored] == [
        "the slips were sealed neither by the patient nor by who granted for him"
    ]


# ------------------------------------------------------------------------------------------------------- forgetting


def forgetting_in(town: BatchTown) -> Forgetting:
    world = town.town.world
    return Forgetting(
        ledger=world.ledger,
        store=world.store,
        clock=world.clock,
        auditing=world.auditing,
        journal=ErasureJournal(world.folder),
        places={HERE: world.store},
        own=HERE,
        domain=world.chain.domains["RecordRegistry"],
        wallets=NoWallets(),
        slips=town.town.slips,
    )


def test_forget__of_a_study__the_record_s_slips_go_out_of_the_custodian_s_document_too(town: BatchTown) -> None:
    gone, stays = published = town.published(None, None)
    town.take(town.batch({gone: 95, stays: 90}))
    request_id = town.accepted()
    assert {slip.record_id for slip in town.for_custodian(request_id)} == {each.record_id for each in published}
    world = town.town.world
    mark = erasure_mark(world.hospital.address, gone.record_id)
    world.ledger.records.retract(world.hospital.signer, gone.record_id, mark)
    ref = RecordRef(custodian=world.hospital.address, record_id=gone.record_id)

    assert forgetting_in(town).forget(ref, patient=town.town.mary).finished

    assert [slip.record_id for slip in town.for_custodian(request_id)] == [stays.record_id]
    assert town.deliver(request_id).score == 90
    assert town.confirm(request_id).score == 90


def forgotten_after_another_key(town: BatchTown) -> tuple[RequestId, Published, Actor]:
    """Have the hospital publish another key, and the patient forget one of two records then.

    Returns:
        the request, the record that stays, and the hospital with its earlier key.
    """
    gone, stays = town.published(None, None)
    town.take(town.batch({gone: 95, stays: 90}))
    request_id = town.accepted()
    world, earlier = town.town.world, town.town.world.hospital
    world.ledger.records.retract(earlier.signer, gone.record_id, erasure_mark(earlier.address, gone.record_id))
    world.hospital = replace(earlier, identity=Identity.generate())
    world.ledger.directory.set_encryption_key(world.hospital.signer, world.hospital.identity.recipient.key)
    ref = RecordRef(custodian=world.hospital.address, record_id=gone.record_id)
    assert forgetting_in(town).forget(ref, patient=town.town.mary).finished
    return request_id, stays, earlier


def test_forget__the_custodian_has_another_key_by_now__finds_his_document_by_either(town: BatchTown) -> None:
    request_id, stays, earlier = forgotten_after_another_key(town)
    assert [slip.record_id for slip in town.for_custodian(request_id)] == [stays.record_id]
    town.town.world.hospital = earlier
    assert [slip.record_id for slip in town.for_custodian(request_id)] == [stays.record_id]


def test_forget__the_custodian_has_another_key_by_now__delivers_with_that_which_opens_his_records(
    town: BatchTown,
) -> None:
    request_id, stays, earlier = forgotten_after_another_key(town)
    town.town.world.hospital = earlier
    town.forget_slips(stays)
    delivered = town.deliver(request_id)
    assert ([each.record_id for each in delivered.found.records], delivered.score) == ([stays.record_id], 90)
    confirmed = town.confirm(request_id)
    assert ([each.record_id for each in confirmed.records], confirmed.score) == ([stays.record_id], 90)


def test_forget__the_reader_has_another_key_by_now__opens_slips_and_records_with_the_earlier(town: BatchTown) -> None:
    gone, stays = town.published(None, None)
    town.take(town.batch({gone: 95, stays: 90}))
    request_id = town.accepted()
    world, reader = town.town.world, town.town.researcher
    world.ledger.directory.set_encryption_key(reader.signer, Identity.generate().recipient.key)
    world.ledger.records.retract(
        world.hospital.signer, gone.record_id, erasure_mark(world.hospital.address, gone.record_id)
    )
    ref = RecordRef(custodian=world.hospital.address, record_id=gone.record_id)
    assert forgetting_in(town).forget(ref, patient=town.town.mary).finished
    town.forget_slips(stays)
    assert town.deliver(request_id).score == 90
    assert town.confirm(request_id).score == 90
