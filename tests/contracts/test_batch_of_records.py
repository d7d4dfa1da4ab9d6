"""RecordRegistry.anchorBatch, proveInclusion, registerFromBatch

given an accredited custodian
    he anchors a root with its catalogue and count, once: told by its event, kept under him; another may anchor the same
given a root of zeros, or a count that no batch has
    it is refused
given a batch, of whatever size and shape
    each of its records is shown with salt and proof, as it was when the batch was anchored, and no other is
    anybody who can show it gives it an entry of its own, once; from then on it is a record as any other
    whether or not its custodian is accredited still
given a record that has an entry already, or is in two batches
    the first entry stays
given that one in a batch is superseded or retracted
    it is registered before, in the same transaction
"""

from __future__ import annotations

import random

import pytest
from evm import CUSTODIAN_KIND, ZERO_ADDRESS, Event, RecordView, refusal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medshare.hashing import keccak256
from medshare.model.ids import Address, RecordId
from medshare.model.record_batch import BatchedRecord, Inclusion, RecordBatch

pytestmark = pytest.mark.contracts

RECORD, NEXT, REASON = RecordId(b"\xc1" * 32), RecordId(b"\xc2" * 32), b"\xd1" * 32
CATALOGUE, ROOT, SECRET = b"\xb1" * 32, b"\xd2" * 32, b"\x5a" * 32
ACTIVE, SUPERSEDED, RETRACTED = 1, 2, 3
LARGEST = 1_000_000


def batch_of(actors, count):
    """Return a batch of so many records of two patients, in turns."""
    patients = (Address(actors.patient), Address(actors.other_patient))
    ids = (RecordId(keccak256(bytes([number]))) for number in range(count))
    return RecordBatch.of(((each, patients[at % 2]) for at, each in enumerate(ids)), secret=SECRET)


def anchor(ledger, custodian, batch, **when):
    function = ledger.contracts.records.functions.anchorBatch(batch.root, CATALOGUE, batch.count)
    return ledger.chain.send(function, sender=custodian, **when)


def arguments(inclusion):
    record = inclusion.record
    where = (inclusion.custodian, inclusion.root)
    return (*where, record.record_id, record.patient, record.salt, list(inclusion.proof))


def shown(ledger, *call):
    return RecordView(*ledger.chain.call(ledger.contracts.records.functions.proveInclusion(*call)))


def register(ledger, sender, *call, **when):
    return ledger.chain.send(ledger.contracts.records.functions.registerFromBatch(*call), sender=sender, **when)


def single(ledger, actors, record_id=RECORD, patient=None):
    """Let the custodian anchor a batch of one record; return what it is shown with."""
    record = BatchedRecord(record_id=record_id, patient=patient or actors.patient, salt=SECRET)
    anchored = ledger.chain.send(
        ledger.contracts.records.functions.anchorBatch(record.leaf, CATALOGUE, 1), sender=actors.custodian
    )
    inclusion = Inclusion(custodian=actors.custodian, root=record.leaf, record=record, proof=())
    return arguments(inclusion), anchored


# ---------------------------------------------------------------------------------------------------- anchoring


@pytest.mark.parametrize("count", [1, 3, LARGEST])
def test_anchor__by_custodians__is_kept_under_each_and_told(ledger, actors, count):
    records = ledger.contracts.records
    for custodian in (actors.custodian, actors.other_custodian):
        anchoring = records.functions.anchorBatch(ROOT, CATALOGUE, count)
        sent = ledger.chain.send(anchoring, sender=custodian)

        values = {"custodian": custodian, "root": ROOT, "catalogue": CATALOGUE, "count": count}
        assert sent.events == (Event("BatchAnchored", values, records.address),)
        assert ledger.chain.call(records.functions.getBatch(custodian, ROOT)) == (sent.time, count)
        known = ("RecordRegistryBatchExists", custodian, ROOT)
        assert refusal(lambda one=custodian, call=anchoring: ledger.chain.send(call, sender=one)) == known
    unknown = ("RecordRegistryBatchUnknown", actors.stranger, ROOT)
    assert refusal(lambda: ledger.chain.call(records.functions.getBatch(actors.stranger, ROOT))) == unknown


@pytest.mark.parametrize(
    ("root", "count", "error"),
    [
        (bytes(32), 3, ("RecordRegistryRootIsZero",)),
        (ROOT, 0, ("RecordRegistryCountOutOfRange", 0)),
        (ROOT, LARGEST + 1, ("RecordRegistryCountOutOfRange", LARGEST + 1)),
        (ROOT, 2**32 - 1, ("RecordRegistryCountOutOfRange", 2**32 - 1)),
    ],
)
def test_anchor__what_cannot_be__is_refused(ledger, actors, root, count, error):
    function = ledger.contracts.records.functions.anchorBatch(root, CATALOGUE, count)

    assert refusal(lambda: ledger.chain.send(function, sender=actors.custodian)) == error


@pytest.mark.parametrize("who", ["stranger", "patient", "doctor", "member", "deployer"])
def test_anchor__not_accredited_as_custodian__is_refused(ledger, actors, who):
    caller = getattr(actors, who)

    refused = ("RecordRegistryNotAccredited", caller)
    assert refusal(lambda: anchor(ledger, caller, batch_of(actors, 2))) == refused


# ------------------------------------------------------------------------------------------------ showing a record


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_batch__of_records__shows_each_with_salt_and_proof_and_no_other(ledger, actors, count):
    batch = batch_of(actors, count)
    anchored = anchor(ledger, actors.custodian, batch)

    for inclusion in batch.inclusions(actors.custodian):
        custodian, root, record_id, patient, salt, proof = call = arguments(inclusion)
        assert shown(ledger, *call) == RecordView(patient, anchored.time, 0, 1, ACTIVE)
        missing = ("RecordRegistryNotInBatch", custodian, root)
        for false in (
            (custodian, root, RECORD, patient, salt, proof),
            (custodian, root, record_id, actors.stranger, salt, proof),
            (custodian, root, record_id, patient, bytes(32), proof),
            (custodian, root, record_id, patient, salt, [*proof, bytes(32)]),
        ):
            assert refusal(lambda call=false: shown(ledger, *call)) == (*missing, false[2])
            assert refusal(lambda call=false: register(ledger, actors.stranger, *call)) == (*missing, false[2])
        elsewhere = (actors.other_custodian, *call[1:])
        unknown = ("RecordRegistryBatchUnknown", actors.other_custodian, root)
        assert refusal(lambda call=elsewhere: shown(ledger, *call)) == unknown
        assert refusal(lambda call=elsewhere: register(ledger, actors.stranger, *call)) == unknown


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), count=st.integers(1, 40), patients=st.integers(1, 9))
def test_batch__of_any_shape__contract_and_library_agree_on_every_record(ledger, actors, seed, count, patients):
    dice = random.Random(seed)
    people = [Address(actors.patient), *(Address("0x" + bytes([number]).hex() * 20) for number in range(1, patients))]
    records = [(RecordId(dice.randbytes(32)), dice.choice(people)) for _ in range(count)]
    batch = RecordBatch.of(records, secret=dice.randbytes(32))
    anchored = anchor(ledger, actors.custodian, batch)

    found = list(batch.inclusions(actors.custodian))
    assert {(each.record.record_id, each.record.patient) for each in found} == set(records)
    for inclusion in found:
        assert shown(ledger, *arguments(inclusion)).registered_at == anchored.time


def test_batch__an_inner_node__is_no_record(ledger, actors):
    batch = batch_of(actors, 2)
    anchor(ledger, actors.custodian, batch)
    one, other = (each.record.leaf for each in batch.inclusions(actors.custodian))

    call = (actors.custodian, batch.root, min(one, other), actors.patient, max(one, other), [])
    assert refusal(lambda: shown(ledger, *call))[0] == "RecordRegistryNotInBatch"


# ---------------------------------------------------------------------------------------------- an entry of its own


def test_register_from_batch__by_anybody__is_the_record_since_its_batch(ledger, actors):
    batch = batch_of(actors, 3)
    anchored = anchor(ledger, actors.custodian, batch)
    for inclusion in batch.inclusions(actors.custodian):
        call = arguments(inclusion)
        _, root, record_id, patient, _, _ = call
        sent = register(ledger, actors.stranger, *call, at=ledger.chain.now + 500)

        assert ledger.record(actors.custodian, record_id) == RecordView(patient, anchored.time, 0, 1, ACTIVE)
        named = {"custodian": actors.custodian, "patient": patient, "recordId": record_id}
        address = ledger.contracts.records.address
        assert sent.events == (
            Event("RecordRegistered", named, address),
            Event("RegisteredFromBatch", {**named, "root": root, "anchoredAt": anchored.time}, address),
        )
        exists = ("RecordRegistryRecordExists", actors.custodian, record_id)
        assert refusal(lambda call=call: register(ledger, actors.stranger, *call)) == exists


def test_register_from_batch__custodian_no_longer_accredited__is_made(ledger, institutions, actors):
    call, anchored = single(ledger, actors)
    institutions.accredit(actors.member, actors.custodian, CUSTODIAN_KIND, 0)

    register(ledger, actors.stranger, *call)
    assert ledger.record(actors.custodian, RECORD).registered_at == anchored.time


@pytest.mark.parametrize(
    ("record_id", "patient", "error"),
    [
        (bytes(32), None, ("RecordRegistryRecordIdIsZero",)),
        (RECORD, ZERO_ADDRESS, ("RecordRegistryPatientIsZero",)),
    ],
)
def test_register_from_batch__a_leaf_that_states_what_cannot_be__is_refused(ledger, actors, record_id, patient, error):
    call, _ = single(ledger, actors, RecordId(record_id), patient)

    assert refusal(lambda: register(ledger, actors.stranger, *call)) == error


def test_register_from_batch__registered_singly_before__keeps_its_entry(ledger, actors):
    first = ledger.register(actors.custodian, RECORD, actors.other_patient)
    ledger.retract(actors.custodian, RECORD, REASON)
    call, _ = single(ledger, actors)

    exists = ("RecordRegistryRecordExists", actors.custodian, RECORD)
    assert refusal(lambda: register(ledger, actors.stranger, *call)) == exists
    entry = ledger.record(actors.custodian, RECORD)
    assert (entry.patient, entry.registered_at, entry.status) == (actors.other_patient, first.time, RETRACTED)


def test_register_from_batch__in_two_batches__the_first_entry_stays(ledger, actors):
    call, first = single(ledger, actors)
    other, _ = single(ledger, actors, patient=actors.other_patient)
    register(ledger, actors.stranger, *call)

    exists = ("RecordRegistryRecordExists", actors.custodian, RECORD)
    assert refusal(lambda: register(ledger, actors.stranger, *other)) == exists
    assert ledger.record(actors.custodian, RECORD).registered_at == first.time


@pytest.mark.parametrize("registered", [False, True])
@pytest.mark.parametrize(("verb", "status"), [("supersede", SUPERSEDED), ("retract", RETRACTED)])
def test_batch__supersede_or_retract_one_of_it__in_one_transaction(ledger, actors, registered, verb, status):
    call, anchored = single(ledger, actors)
    if registered:
        register(ledger, actors.stranger, *call)
    records = ledger.contracts.records
    then = (NEXT, RECORD) if verb == "supersede" else (RECORD, REASON)
    calls = [records.functions.registerFromBatch(*call).data, records.functions[verb](*then).data]
    sent = ledger.chain.send(records.functions.batch(calls), sender=actors.custodian)

    entry = ledger.record(actors.custodian, RECORD)
    assert (entry.registered_at, entry.ended_at, entry.status) == (anchored.time, sent.time, status)
    assert any(event.name == "CallRefused" for event in sent.events) is registered


def test_batch__and_a_record_with_the_same_word__do_not_meet(ledger, actors):
    ledger.register(actors.custodian, RECORD, actors.patient)
    ledger.chain.send(ledger.contracts.records.functions.anchorBatch(RECORD, CATALOGUE, 1), sender=actors.custodian)

    assert ledger.record(actors.custodian, RECORD).status == ACTIVE
