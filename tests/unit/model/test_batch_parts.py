"""What readers are told of a batch, as bytes: read as it was written, and refused where it is malformed.

given parts of any batch, whole or some records of them
├─ as bytes and back they are the same, and no longer than the longest
├─ with a byte too few they are refused, and junk is refused or is something else
└─ more records than the batch has, or another root, and they are refused before more is made of them
"""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medshare.errors import IntegrityError, InvalidInputError
from medshare.hashing import sha256
from medshare.model.batch_parts import (
    decode_parts,
    decode_shown,
    encode_shown,
    encode_some,
    encode_whole,
    longest_parts,
)
from medshare.model.ids import RecordId, address
from medshare.model.record_batch import MAX_BATCH, RecordBatch

pytestmark = pytest.mark.unit

PATIENTS = tuple(address("0x" + f"{number:02x}" * 20) for number in range(1, 5))
CUSTODIAN = address("0x" + "ee" * 20)
batches = st.lists(st.sampled_from(PATIENTS), min_size=1, max_size=30).map(
    lambda patients: RecordBatch.of(
        ((RecordId(sha256(bytes([at]))), patient) for at, patient in enumerate(patients)), secret=sha256(b"secret")
    )
)


def whole(batch: RecordBatch) -> bytes:
    return b"".join(
        encode_whole(patient, batch.seed(patient), batch.records(patient), batch.path(patient))
        for patient in batch.patients
    )


@given(batch=batches)
def test_parts__whole__are_read_as_they_were_written(batch: RecordBatch) -> None:
    parts = list(decode_parts(whole(batch), root=batch.root, count=batch.count))
    assert parts == [batch.part(patient) for patient in batch.patients]
    assert all(part.leads_to(batch.root) for part in parts)
    assert len(whole(batch)) <= longest_parts(batch.count)


@given(batch=batches, data=st.data())
def test_parts__some_records__are_read_as_they_were_written(batch: RecordBatch, data) -> None:
    part = batch.part(data.draw(st.sampled_from(batch.patients)))
    some = replace(part, records=tuple(data.draw(st.lists(st.sampled_from(part.records), min_size=1, unique=True))))
    assert list(decode_parts(encode_some(some), root=batch.root, count=len(some.records))) == [some]
    assert some.leads_to(batch.root)
    assert not some.leads_to(bytes(32))
    everything = b"".join(encode_some(batch.part(patient)) for patient in batch.patients)
    assert len(everything) <= longest_parts(batch.count)


@given(batch=batches)
def test_parts__of_more_records_than_there_are__are_refused(batch: RecordBatch) -> None:
    told = decode_parts(whole(batch) + encode_some(batch.part(batch.patients[0])), root=batch.root, count=batch.count)
    assert [next(told) for _ in batch.patients] == [batch.part(patient) for patient in batch.patients]
    with pytest.raises(InvalidInputError):
        next(told)


@given(batch=batches)
def test_parts__whole_and_of_another_root__are_not_made(batch: RecordBatch) -> None:
    with pytest.raises(IntegrityError):
        list(decode_parts(whole(batch), root=sha256(b"root"), count=batch.count))


@given(batch=batches)
def test_shown__of_several_batches__are_read_as_they_were_written(batch: RecordBatch) -> None:
    inclusions = list(batch.inclusions(CUSTODIAN))
    assert list(decode_shown(encode_shown(inclusions))) == inclusions
    assert list(decode_shown(b"")) == []


@given(batch=batches, cut=st.integers(1, 60))
def test_parts__cut_off__are_refused(batch: RecordBatch, cut: int) -> None:
    data = encode_whole(*_first(batch))
    with pytest.raises(InvalidInputError):
        list(decode_parts(data[: -min(cut, len(data) - 1)], root=batch.root, count=MAX_BATCH))


def _first(batch: RecordBatch):
    patient = batch.patients[0]
    return patient, batch.seed(patient), batch.records(patient), batch.path(patient)


@pytest.mark.parametrize(
    "data",
    [
        b"\2" + bytes(60),
        b"\0" + bytes(24) + b"\0",
        b"\0" + bytes(20) + b"\xff\xff\xff\xff",
        b"\0" * 24 + b"\1" + b"\x41",
    ],
    ids=["kind", "no records", "too many", "path too long"],
)
def test_parts__that_cannot_be__are_refused(data: bytes) -> None:
    with pytest.raises(InvalidInputError):
        list(decode_parts(data, root=sha256(b"root"), count=MAX_BATCH))


@given(data=st.binary(max_size=300))
def test_parts__junk__is_refused_or_leads_nowhere(data: bytes) -> None:
    root = sha256(b"root")
    with contextlib.suppress(InvalidInputError, IntegrityError):
        assert not any(part.leads_to(root) for part in decode_parts(data, root=root, count=MAX_BATCH))


@given(batch=batches, data=st.data())
def test_leads_to__true_below_and_false_above__is_not_taken(batch: RecordBatch, data) -> None:
    """A node that is known to be under the root does not make a path good that goes on otherwise."""
    part = batch.part(data.draw(st.sampled_from(batch.patients)))
    longer = replace(part, records=(*part.records, (part.records[0][0], (*part.records[0][1], bytes(32)))))
    assert not longer.leads_to(batch.root)
