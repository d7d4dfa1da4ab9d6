"""The tree of a batch: each record is shown by its patient's part, nothing else is, and memory stays moderate.

given any records of any patients
├─ each is shown by its patient's part; another root, patient, salt or record is not
├─ what shows them has two paths: in the patient's tree, and from there to the root
└─ the same records in any order, with the same secret, are the same batch; with another secret another
given a batch that cannot be
└─ it is refused
given 50,000 records, or in deep runs a million
└─ they take so much memory, and each patient is shown his own
"""

from __future__ import annotations

import os
import random
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medshare.errors import InvalidInputError
from medshare.hashing import sha256
from medshare.model import record_batch
from medshare.model.ids import ZERO_ADDRESS, RecordId, address
from medshare.model.record_batch import RecordBatch, seed_of, whole_part

pytestmark = pytest.mark.unit

PATIENTS = tuple(address("0x" + f"{number:02x}" * 20) for number in range(1, 8))
CUSTODIAN = address("0x" + "ee" * 20)
SECRET, OTHER_SECRET = sha256(b"secret"), sha256(b"other")
records = st.lists(
    st.tuples(st.binary(min_size=32, max_size=32).filter(any).map(RecordId), st.sampled_from(PATIENTS)),
    min_size=1,
    max_size=40,
    unique_by=lambda one: one[0],
)


@given(records=records)
def test_batch__of_any_records__shows_each_by_its_patients_part(records) -> None:
    batch = RecordBatch.of(records, secret=SECRET)
    assert batch.count == len(records)
    found = []
    for patient in batch.patients:
        part = batch.part(patient)
        own = batch.records(patient)
        assert part == whole_part(patient, seed_of(SECRET, patient), own, part.path)
        assert len(part.path) <= len(batch.patients).bit_length()
        for inclusion in part.inclusions(CUSTODIAN, batch.root):
            assert inclusion.holds
            assert len(inclusion.proof) <= len(own).bit_length() + len(batch.patients).bit_length()
            found.append((inclusion.record.record_id, inclusion.record.patient))
    assert sorted(found) == sorted(records)


@given(records=records, data=st.data())
def test_inclusion__with_anything_changed__does_not_hold(records, data) -> None:
    inclusion = data.draw(st.sampled_from(list(RecordBatch.of(records, secret=SECRET).inclusions(CUSTODIAN))))
    for changed in ({"patient": CUSTODIAN}, {"salt": bytes(32)}, {"record_id": RecordId(bytes(32))}):
        assert not replace(inclusion, record=replace(inclusion.record, **changed)).holds
    assert not replace(inclusion, root=bytes(32)).holds
    assert not replace(inclusion, proof=(*inclusion.proof, bytes(32))).holds


@given(records=records, seed=st.integers(0, 99))
def test_batch__in_another_order__is_the_same_and_by_another_secret_another(records, seed) -> None:
    batch = RecordBatch.of(records, secret=SECRET)
    moved = list(records)
    random.Random(seed).shuffle(moved)
    assert RecordBatch.of(moved, secret=SECRET).root == batch.root
    assert RecordBatch.of(records, secret=OTHER_SECRET).root != batch.root


@pytest.mark.parametrize(
    "records",
    [
        [],
        [(RecordId(bytes(32)), PATIENTS[0])],
        [(RecordId(sha256(b"1")), ZERO_ADDRESS)],
        [(RecordId(sha256(b"1")), PATIENTS[0]), (RecordId(sha256(b"1")), PATIENTS[0])],
        [(RecordId(sha256(b"1")), PATIENTS[0]), (RecordId(sha256(b"1")), PATIENTS[1])],
        [(RecordId(b"short"), PATIENTS[0])],
    ],
)
def test_batch__that_cannot_be__is_refused(records) -> None:
    with pytest.raises(InvalidInputError):
        RecordBatch.of(records, secret=SECRET)


def test_batch__without_secret_or_too_large__is_refused(monkeypatch) -> None:
    with pytest.raises(InvalidInputError):
        RecordBatch.of([(RecordId(sha256(b"1")), PATIENTS[0])], secret=b"")
    monkeypatch.setattr(record_batch, "MAX_BATCH", 3)
    with pytest.raises(InvalidInputError, match="at most 3"):
        RecordBatch.of(((RecordId(sha256(bytes([n]))), PATIENTS[0]) for n in range(4)), secret=SECRET)


def test_patient__who_is_not_in_it__has_no_records_and_no_path() -> None:
    batch = RecordBatch.of([(RecordId(sha256(b"1")), PATIENTS[0])], secret=SECRET)
    assert batch.records(PATIENTS[1]) == ()
    with pytest.raises(KeyError):
        batch.path(PATIENTS[1])


@pytest.mark.deep
@pytest.mark.timeout(3_600)
def test_batch__of_very_many__takes_little_memory() -> None:
    count, mebibytes = (1_000_000, 300) if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else (50_000, 16)
    dice = random.Random(7)
    patients = [address("0x" + dice.randbytes(20).hex()) for _ in range(count // 50)]
    tracemalloc.start()
    try:
        batch = RecordBatch.of(
            ((RecordId(dice.randbytes(32)), patients[at % len(patients)]) for at in range(count)), secret=SECRET
        )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < mebibytes << 20
    for patient in patients[:3]:
        assert all(one.holds for one in batch.part(patient).inclusions(CUSTODIAN, batch.root))
