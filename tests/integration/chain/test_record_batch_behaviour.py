"""What the port to records promises of batches, asked of the double in memory and of the adapters on both chains alike.

RecordLedger
├── a custodian anchors a batch, once; it is read back, with the time of its block
├── a record of it is shown, and gets an entry of its own by whoever can show it, once; it counts since its batch
├── signed, it is anchored by whoever sends it
├── several things with records go in one transaction: what is refused is said, and keeps no other back
├── each refusal arrives as its exception
└── reads at an earlier block answer for that block; the events rebuild what the reads say
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from behaviour_world import Scene

from medshare.chain import LocalSigner
from medshare.errors import (
    BatchCountOutOfRangeError,
    BatchExistsError,
    CustodianNotAccreditedError,
    InvalidInputError,
    NotInBatchError,
    RecordExistsError,
    RootIsZeroError,
    UnknownBatchError,
    UnknownRecordError,
)
from medshare.hashing import sha256
from medshare.model.accreditation import AccreditationKind
from medshare.model.ids import CatalogueId, RecordId
from medshare.model.ledger import LedgerModel
from medshare.model.record import RecordStatus
from medshare.model.record_acts import Enter, Retract, Supersede
from medshare.model.record_batch import MAX_BATCH, AnchoredBatch, Inclusion, RecordBatch
from medshare.model.typed_data import SignableAnchorBatch
from medshare.ports import RecordLedger

pytestmark = pytest.mark.integration

CATALOGUE, ROOT, ZERO = CatalogueId(sha256(b"catalogue")), sha256(b"root"), bytes(32)
IDS = tuple(RecordId(sha256(bytes([number]))) for number in range(3))
NEXT = RecordId(sha256(b"next"))


@pytest.fixture
def custodian(scene: Scene) -> LocalSigner:
    return scene.accredited(AccreditationKind.CUSTODIAN)


@pytest.fixture
def port(scene: Scene) -> RecordLedger:
    return scene.ledger.records


def batch_of(scene: Scene) -> RecordBatch:
    patients = [scene.person().address for _ in IDS]
    return RecordBatch.of(zip(IDS, patients, strict=True), secret=sha256(b"secret"))


def shown(batch: RecordBatch, custodian: LocalSigner) -> list[Inclusion]:
    return list(batch.inclusions(custodian.address))


def test_anchor__a_batch__is_read_back_at_its_block(scene: Scene, port: RecordLedger, custodian: LocalSigner) -> None:
    before = scene.ledger.chain.head()
    batch = batch_of(scene)
    sent = port.anchor_batch(custodian, batch.root, CATALOGUE, batch.count)
    anchored = AnchoredBatch(custodian=custodian.address, root=batch.root, anchored_at=sent.block.time, count=3)
    assert port.batch(custodian.address, batch.root, block=sent.block) == anchored
    with pytest.raises(UnknownBatchError):
        port.batch(custodian.address, batch.root, block=before)
    with pytest.raises(BatchExistsError):
        port.anchor_batch(custodian, batch.root, CATALOGUE, batch.count)


def test_anchor__with_the_same_intent_twice__is_one_transaction(port: RecordLedger, custodian: LocalSigner) -> None:
    first = port.anchor_batch(custodian, ROOT, CATALOGUE, MAX_BATCH, intent="batch/one")
    assert port.anchor_batch(custodian, ROOT, CATALOGUE, MAX_BATCH, intent="batch/one") == first


def test_register__from_a_batch__counts_since_the_batch(
    scene: Scene, port: RecordLedger, custodian: LocalSigner
) -> None:
    batch = batch_of(scene)
    anchored = port.anchor_batch(custodian, batch.root, CATALOGUE, batch.count)
    scene.wait(100)
    for inclusion in shown(batch, custodian):
        record_id, patient = inclusion.record.record_id, inclusion.record.patient
        entry = port.included(inclusion, block=scene.ledger.chain.head())
        assert (entry.patient, entry.registered_at, entry.version) == (patient, anchored.block.time, 1)
        with pytest.raises(UnknownRecordError):
            port.record(custodian.address, record_id, block=scene.ledger.chain.head())
        sent = port.register_from_batch(scene.person(), inclusion)
        assert port.record(custodian.address, record_id, block=sent.block) == entry
        with pytest.raises(RecordExistsError):
            port.register_from_batch(custodian, inclusion)
    gone = port.retract(custodian, IDS[0], ZERO)
    entry = port.record(custodian.address, IDS[0], block=gone.block)
    assert (entry.status, entry.registered_at) == (RecordStatus.RETRACTED, anchored.block.time)


def test_relay__a_batch_that_was_signed__is_the_signers(
    scene: Scene, port: RecordLedger, custodian: LocalSigner
) -> None:
    wanted = {"custodian": custodian.address, "root": ROOT, "catalogue": CATALOGUE, "records": 7}
    signed = scene.sign(custodian, SignableAnchorBatch, **wanted)
    (outcome,) = scene.ledger.relay(scene.person(), [signed])
    assert outcome.receipt is not None
    block = outcome.receipt.block
    assert port.batch(custodian.address, ROOT, block=block) == AnchoredBatch(
        custodian=custodian.address, root=ROOT, anchored_at=block.time, count=7
    )
    with pytest.raises(BatchExistsError):
        scene.ledger.relay(scene.person(), [signed])
    stranger = scene.person()
    with pytest.raises(CustodianNotAccreditedError):
        scene.ledger.relay(
            scene.person(), [scene.sign(stranger, SignableAnchorBatch, **{**wanted, "custodian": stranger.address})]
        )


def test_do_all__some_of_them_are_refused__the_others_are_done(
    scene: Scene, port: RecordLedger, custodian: LocalSigner
) -> None:
    batch = batch_of(scene)
    port.anchor_batch(custodian, batch.root, CATALOGUE, batch.count)
    by_id = {one.record.record_id: one for one in shown(batch, custodian)}
    acts = [
        Enter(inclusion=by_id[IDS[0]]),
        Supersede(record_id=NEXT, previous_id=IDS[0]),
        Supersede(record_id=NEXT, previous_id=IDS[1]),
        Enter(inclusion=by_id[IDS[1]]),
        Retract(record_id=IDS[1], reason=ZERO),
        Enter(inclusion=by_id[IDS[1]]),
    ]
    outcomes = port.do_all(custodian, acts)
    kinds = [type(each.refusal) for each in outcomes]
    assert kinds == [type(None), type(None), UnknownRecordError, type(None), type(None), RecordExistsError]
    (receipt,) = {each.receipt for each in outcomes}
    assert receipt is not None
    entries = {each: port.record(custodian.address, each, block=receipt.block) for each in (*IDS[:2], NEXT)}
    assert [entries[each].status for each in (*IDS[:2], NEXT)] == [
        RecordStatus.SUPERSEDED,
        RecordStatus.RETRACTED,
        RecordStatus.ACTIVE,
    ]
    assert (entries[NEXT].patient, entries[NEXT].version) == (entries[IDS[0]].patient, 2)


def test_do_all__every_one_is_refused__nothing_is_sent(
    scene: Scene, port: RecordLedger, custodian: LocalSigner
) -> None:
    acts = [Supersede(record_id=NEXT, previous_id=each) for each in IDS]
    before = scene.sent(custodian)
    for some in (acts, acts[:1]):
        outcomes = port.do_all(custodian, some)
        assert [(type(each.refusal), each.receipt) for each in outcomes] == [(UnknownRecordError, None)] * len(some)
    assert scene.sent(custodian) == before


def test_refusals__each__arrives_as_its_exception(scene: Scene, port: RecordLedger, custodian: LocalSigner) -> None:
    batch, stranger, head = batch_of(scene), scene.person(), scene.ledger.chain.head
    port.anchor_batch(custodian, batch.root, CATALOGUE, batch.count)
    (one, *_) = shown(batch, custodian)
    false = replace(one, proof=(*one.proof, ZERO))
    unknown = replace(one, root=ROOT)
    cases: list[tuple[Callable[[], object], type[Exception]]] = [
        (lambda: port.anchor_batch(stranger, ROOT, CATALOGUE, 3), CustodianNotAccreditedError),
        (lambda: port.anchor_batch(custodian, ZERO, CATALOGUE, 3), RootIsZeroError),
        (lambda: port.anchor_batch(custodian, ROOT, CATALOGUE, 0), BatchCountOutOfRangeError),
        (lambda: port.anchor_batch(custodian, ROOT, CATALOGUE, MAX_BATCH + 1), BatchCountOutOfRangeError),
        (lambda: port.register_from_batch(stranger, false), NotInBatchError),
        (lambda: port.register_from_batch(stranger, unknown), UnknownBatchError),
        (lambda: port.included(false, block=head()), NotInBatchError),
        (lambda: port.included(unknown, block=head()), UnknownBatchError),
        (lambda: port.batch(stranger.address, batch.root, block=head()), UnknownBatchError),
    ]
    for act, error in cases:
        with pytest.raises(error):
            act()


@pytest.mark.parametrize("count", [-1, 1 << 32])
def test_anchor__a_count_that_no_word_holds__is_refused(port: RecordLedger, custodian: LocalSigner, count: int) -> None:
    with pytest.raises((InvalidInputError, BatchCountOutOfRangeError)):
        port.anchor_batch(custodian, ROOT, CATALOGUE, count)


def test_events__of_a_batch__rebuild_what_the_reads_say(
    scene: Scene, port: RecordLedger, custodian: LocalSigner
) -> None:
    batch = batch_of(scene)
    first = port.anchor_batch(custodian, batch.root, CATALOGUE, batch.count)
    one, other, _ = shown(batch, custodian)
    port.register_from_batch(custodian, one)
    port.register_from_batch(custodian, other)
    port.supersede(custodian, RecordId(sha256(b"new")), one.record.record_id)
    last = port.retract(custodian, other.record.record_id, ZERO)
    model = LedgerModel()
    for event in scene.ledger.chain.events(first.block.number, last.block.number):
        model.apply(event)
    assert model.batch(custodian.address, batch.root) == port.batch(custodian.address, batch.root, block=last.block)
    assert len(model.records) == 3
    for whose, record_id in model.records:
        assert model.record(whose, record_id) == port.record(whose, record_id, block=last.block)
