"""What one reader is told of a batch, as bytes: patients' parts, whole by the seed of their salts, or some records.

::

    kind(1)  patient(20)  records(4)  path(1 + 32 each)  then
    whole:   seed(32)  id(32) each
    some:    id(32)  salt(32)  path(1 + 32 each)         each
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from medshare.errors import InvalidInputError
from medshare.hashing import DIGEST_SIZE
from medshare.model.ids import Address, RecordId, address
from medshare.model.record_batch import (
    MAX_BATCH,
    MAX_PROOF,
    BatchedRecord,
    Inclusion,
    PatientsPart,
    whole_part,
)

_WHOLE, _SOME = 0, 1
_ADDRESS_SIZE = 20


def encode_whole(patient: Address, seed: bytes, record_ids: Sequence[RecordId], path: Sequence[bytes]) -> bytes:
    """Return all records of a patient in a batch as bytes."""
    return _head(_WHOLE, patient, len(record_ids), path) + seed + b"".join(record_ids)


def encode_some(part: PatientsPart) -> bytes:
    """Return some records of a patient in a batch as bytes: of the others nothing but hashes."""
    rows = (record.record_id + record.salt + _path(path) for record, path in part.records)
    return _head(_SOME, part.patient, len(part.records), part.path) + b"".join(rows)


def longest_parts(count: int) -> int:
    """Return how many bytes one reader is told at most of a batch of so many records."""
    # Every record by itself, of a patient of its own, and both paths as long as they can be.
    paths = 2 * (1 + DIGEST_SIZE * (count - 1).bit_length())
    return count * (1 + _ADDRESS_SIZE + 4 + 2 * DIGEST_SIZE + paths)


def decode_parts(data: bytes, *, root: bytes, count: int) -> Iterator[PatientsPart]:
    """Yield the parts that one reader was told, as they are asked for, whether or not they are true.

    Args:
        data: what he was told.
        root: of the batch. A whole part that does not lead there is not made.
        count: records of the batch.

    Raises:
        InvalidInputError: it is malformed, or tells of more records than there are.
        IntegrityError: a whole part does not lead to the root.
    """
    read = _Bytes(data, root=root, records=count)
    while read.left:
        yield read.part()


def encode_shown(inclusions: Iterable[Inclusion]) -> bytes:
    """Return what shows records of several batches, of several custodians, as bytes."""
    shown = []
    for one in inclusions:
        part = PatientsPart(patient=one.record.patient, records=((one.record, one.proof),), path=())
        shown.append(bytes.fromhex(one.custodian[2:]) + one.root + encode_some(part))
    return b"".join(shown)


def decode_shown(data: bytes) -> Iterator[Inclusion]:
    """Yield what one was shown, whether or not it is true; raises ``InvalidInputError`` where it is malformed."""
    read = _Bytes(data)
    while read.left:
        custodian = address("0x" + read.take(_ADDRESS_SIZE).hex())
        root = read.take(DIGEST_SIZE)
        yield from read.part().inclusions(custodian, root)


class _Bytes:
    """Bytes from outside, taken from their beginning."""

    def __init__(self, data: bytes, *, root: bytes | None = None, records: int = MAX_BATCH) -> None:
        self._data = data
        self._at = 0
        self._root = root
        self._records = records

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, size: int) -> bytes:
        if size > self.left:
            raise InvalidInputError("what is told of a batch is cut off")
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self, size: int, limit: int) -> int:
        found = int.from_bytes(self.take(size), "big")
        if found > limit:
            raise InvalidInputError("what is told of a batch is malformed")
        return found

    def part(self) -> PatientsPart:
        kind = self.number(1, _SOME)
        patient = address("0x" + self.take(_ADDRESS_SIZE).hex())
        count = self.number(4, self._records)
        path = self.path()
        if not count:
            raise InvalidInputError("a part of a batch holds no records")
        if self._root is not None:
            self._records -= count
        if kind == _SOME:
            return PatientsPart(patient=patient, records=tuple(self.records(patient, count)), path=path)
        seed = self.take(DIGEST_SIZE)
        ids = _split(self.take(count * DIGEST_SIZE))
        return whole_part(patient, seed, tuple(map(RecordId, ids)), path, root=self._root)

    def path(self) -> tuple[bytes, ...]:
        return _split(self.take(self.number(1, MAX_PROOF) * DIGEST_SIZE))

    def records(self, patient: Address, count: int) -> Iterator[tuple[BatchedRecord, tuple[bytes, ...]]]:
        for _ in range(count):
            record_id, salt = RecordId(self.take(DIGEST_SIZE)), self.take(DIGEST_SIZE)
            yield BatchedRecord(record_id=record_id, patient=patient, salt=salt), self.path()


def _head(kind: int, patient: Address, count: int, path: Sequence[bytes]) -> bytes:
    return bytes([kind]) + bytes.fromhex(patient[2:]) + count.to_bytes(4, "big") + _path(path)


def _path(path: Sequence[bytes]) -> bytes:
    return bytes([len(path)]) + b"".join(path)


def _split(data: bytes) -> tuple[bytes, ...]:
    return tuple(data[at : at + DIGEST_SIZE] for at in range(0, len(data), DIGEST_SIZE))
