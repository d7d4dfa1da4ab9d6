"""Very many records under one root: the tree of a batch, and what shows that a record is in it.

Each patient's records make a tree of their own, whose roots are the leaves of the batch's: so what shows all records of
one patient is one path, and what shows one of them is a path in his tree and that one. The salt of a leaf follows from
the record's id and the patient's seed, the seeds from the batch's secret, which its custodian keeps.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from medshare.errors import IntegrityError, InvalidInputError
from medshare.hashing import DIGEST_SIZE, keccak256
from medshare.model.ids import ZERO_ADDRESS, Address, RecordId, digest32
from medshare.model.merkle import nodes_of, proof_at, root_of
from medshare.model.record import RecordRef

MAX_BATCH = 1_000_000
"""Records under one root, as the contract allows."""
MAX_PROOF = 64
"""Siblings of one proof; no tree of ours is half as high."""
SECRET_SIZE = 32
_SEED_TAG = b"medshare/batch-seed/1\0"
_ZERO_ID = bytes(DIGEST_SIZE)
_PADDING = bytes(12)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchoredBatch:
    """A batch on chain (``IRecordRegistry.Batch`` and its key)."""

    custodian: Address
    root: bytes
    anchored_at: int
    """Block time, Unix seconds."""
    count: int
    """How many records the custodian says are in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchedRecord:
    """What a leaf of a batch states."""

    record_id: RecordId
    patient: Address
    salt: bytes
    """32 bytes: nobody shall try record ids that he has come by."""

    def __post_init__(self) -> None:
        digest32(self.salt, "salt")

    @property
    def leaf(self) -> bytes:
        """Its leaf, ``keccak256(bytes.concat(keccak256(abi.encode(recordId, patient, salt))))``."""
        return _leaf(self.record_id, bytes.fromhex(self.patient[2:]), self.salt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inclusion:
    """A record of a batch, and what shows that it is in it."""

    custodian: Address
    root: bytes
    record: BatchedRecord
    proof: tuple[bytes, ...]
    """Siblings from its leaf up to the root."""

    @property
    def ref(self) -> RecordRef:
        """The record as grants and requests name it."""
        return RecordRef(custodian=self.custodian, record_id=self.record.record_id)

    @property
    def holds(self) -> bool:
        """Whether the proof leads to the root. That the custodian has anchored it, the chain says."""
        return root_of(self.record.leaf, self.proof) == self.root


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientsPart:
    """The records of one patient in a batch, or some of them, as one is told of them who may know."""

    patient: Address
    records: tuple[tuple[BatchedRecord, tuple[bytes, ...]], ...]
    """Each with the siblings from its leaf up to the root of the patient's tree."""
    path: tuple[bytes, ...]
    """The siblings from there up to the batch's."""

    def leads_to(self, root: bytes) -> bool:
        """Whether each of its records is shown to be under this root; each node is hashed once."""
        known: dict[bytes, tuple[bytes, ...]] = {root: ()}
        for record, below in self.records:
            node, proof = record.leaf, (*below, *self.path)
            passed = {}
            while node not in known and proof:
                passed[node] = proof
                node, proof = root_of(node, proof[:1]), proof[1:]
            if known.get(node) != proof:
                return False
            known |= passed
        return True

    def inclusions(self, custodian: Address, root: bytes) -> Iterator[Inclusion]:
        """Yield the records with what shows that they are in this batch."""
        for record, proof in self.records:
            yield Inclusion(custodian=custodian, root=root, record=record, proof=proof + self.path)


def seed_of(secret: bytes, patient: Address) -> bytes:
    """Return the seed of a patient's salts in the batch with this secret (32 bytes)."""
    return hmac.digest(secret, _SEED_TAG + bytes.fromhex(patient[2:]), "sha256")


def salted(seed: bytes, patient: Address, record_ids: Iterable[RecordId]) -> tuple[BatchedRecord, ...]:
    """Return the leaves of a patient's records by the seed of their salts."""
    return tuple(
        BatchedRecord(record_id=record_id, patient=patient, salt=_salt(seed, record_id)) for record_id in record_ids
    )


def whole_part(
    patient: Address,
    seed: bytes,
    record_ids: Sequence[RecordId],
    path: tuple[bytes, ...],
    *,
    root: bytes | None = None,
) -> PatientsPart:
    """Return the part of a patient by all his records of a batch: his tree is made anew.

    Args:
        patient: whose.
        seed: of his salts.
        record_ids: his records.
        path: the siblings from the root of his tree up to the batch's.
        root: the batch's, where somebody else tells of it: what leads elsewhere is refused before its proofs are made.

    Raises:
        IntegrityError: it does not lead to ``root``.
    """
    nodes = nodes_of(_leaves(seed, patient, record_ids))
    if root is not None and root_of(nodes[0], path) != root:
        raise IntegrityError("what is told of a batch does not lead to the root on chain")
    places = {node: at for at, node in enumerate(nodes)}
    records = salted(seed, patient, record_ids)
    proven = tuple((record, proof_at(nodes, places[record.leaf])) for record in records)
    return PatientsPart(patient=patient, records=proven, path=path)


class RecordBatch:
    """The tree of a batch, held as bytes: some 100 bytes for each record.

    Attributes:
        secret: what the salts follow from; for its custodian only.
        root: what goes on chain.
        count: how many records are in it.
        patients: whose.
    """

    def __init__(self, secret: bytes, ids_of: dict[Address, bytes]) -> None:
        self.secret = secret
        self.patients: tuple[Address, ...] = tuple(ids_of)
        self._ids = ids_of
        self.count = sum(map(len, ids_of.values())) // DIGEST_SIZE
        roots = [nodes_of(_leaves(self.seed(patient), patient, self.records(patient)))[0] for patient in self.patients]
        # Ordered by their hashes: a place in the tree says nothing of an address.
        order = sorted(range(len(roots)), key=roots.__getitem__, reverse=True)
        first = len(roots) - 1
        self._place = {self.patients[at]: first + place for place, at in enumerate(order)}
        self._nodes = bytearray(b"".join(nodes_of(roots)))
        self.root = bytes(self._nodes[:DIGEST_SIZE])

    @classmethod
    def of(cls, records: Iterable[tuple[RecordId, Address]], *, secret: bytes) -> Self:
        """Return the batch of these records.

        Args:
            records: each with its patient; from 1 to ``MAX_BATCH``.
            secret: 32 random bytes; the same records with the same secret make the same batch.

        Raises:
            InvalidInputError: none, too many, a record twice, an id or an address of zeros, or no secret.
        """
        digest32(secret, "batch's secret")
        ids_of: dict[Address, bytearray] = {}
        seen: set[bytes] = set()
        for record_id, patient in records:
            if record_id in seen:
                raise InvalidInputError("a record is twice in one batch")
            if digest32(record_id, "record id") == _ZERO_ID or patient == ZERO_ADDRESS:
                raise InvalidInputError("a record of a batch needs an id and a patient")
            if len(seen) == MAX_BATCH:
                raise InvalidInputError(f"a batch holds at most {MAX_BATCH} records", hint="anchor several batches")
            seen.add(record_id)
            ids_of.setdefault(patient, bytearray()).extend(record_id)
        if not seen:
            raise InvalidInputError("a batch holds at least one record")
        del seen
        return cls(secret, {patient: bytes(ids_of[patient]) for patient in sorted(ids_of)})

    def records(self, patient: Address) -> tuple[RecordId, ...]:
        """Return the records of a patient, in the order in which they came; none where he is not in it."""
        ids = self._ids.get(patient, b"")
        return tuple(RecordId(ids[at : at + DIGEST_SIZE]) for at in range(0, len(ids), DIGEST_SIZE))

    def seed(self, patient: Address) -> bytes:
        """Return the seed of a patient's salts."""
        return seed_of(self.secret, patient)

    def path(self, patient: Address) -> tuple[bytes, ...]:
        """Return the siblings from the root of a patient's tree up to the batch's; ``KeyError`` where he has none."""
        at = self._place[patient]
        path = []
        while at > 0:
            sibling = at + 1 if at % 2 else at - 1
            path.append(bytes(self._nodes[sibling * DIGEST_SIZE : (sibling + 1) * DIGEST_SIZE]))
            at = (at - 1) // 2
        return tuple(path)

    def part(self, patient: Address) -> PatientsPart:
        """Return what shows a patient's records; ``KeyError`` where he has none."""
        return whole_part(patient, self.seed(patient), self.records(patient), self.path(patient))

    def inclusions(self, custodian: Address) -> Iterator[Inclusion]:
        """Yield every record with what shows that it is in it, patient by patient."""
        for patient in self.patients:
            yield from self.part(patient).inclusions(custodian, self.root)


def _leaves(seed: bytes, patient: Address, record_ids: Iterable[RecordId]) -> Iterator[bytes]:
    subject = bytes.fromhex(patient[2:])
    for record_id in record_ids:
        yield _leaf(record_id, subject, _salt(seed, record_id))


def _salt(seed: bytes, record_id: RecordId) -> bytes:
    return hmac.digest(seed, record_id, "sha256")


def _leaf(record_id: bytes, patient: bytes, salt: bytes) -> bytes:
    return keccak256(keccak256(record_id + _PADDING + patient + salt))
