"""The catalogue of a batch: small for whom it concerns, whole for its custodian, refused where it is malformed.

given a batch of 50,000 records of 1,000 patients
├─ one who has fifty fetches less than a hundredth of it, in as few blocks as there are kinds of files
└─ its custodian makes the same tree again
given a head or a custodian's file that cannot be
└─ it is refused
given a catalogue that tells somebody of more than its batch can hold
└─ it is refused, and no more is fetched than a true one of so many records could have had him fetch
"""

from __future__ import annotations

import random

import pytest

from medshare.content import Cid, list_directory
from medshare.envelope import CELL_SIZE, FileKey, Identity, seal, seal_cells, wrap
from medshare.errors import AuthenticationError, IntegrityError, InvalidInputError, NotARecipientError
from medshare.hashing import sha256
from medshare.model.batch_parts import encode_whole
from medshare.model.documents import encode_document
from medshare.model.ids import CatalogueId, RecordId, address
from medshare.model.record_batch import RecordBatch
from medshare.services.batch_catalogue import (
    CUSTODIAN_FILE,
    HEAD_FILE,
    CatalogueHead,
    custodians_batch,
    parts_for,
    write_catalogue,
)
from medshare.services.blob_writer import BlobWriter
from medshare.testing import MemoryStore

pytestmark = pytest.mark.unit

SECRET = sha256(b"secret")
HOSPITAL, PATIENT = Identity.generate(), Identity.generate()


class Counting:
    """A store that counts the bytes it gives."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.given: list[int] = []

    def get(self, cid: Cid, *more: int) -> bytes:
        block = self._store.get(cid, *more)
        self.given.append(len(block))
        return block


def test_catalogue__of_very_many__is_small_for_each_and_whole_for_its_custodian() -> None:
    dice = random.Random(3)
    patients = [address("0x" + dice.randbytes(20).hex()) for _ in range(1_000)]
    records = [(RecordId(dice.randbytes(32)), patients[at % 1_000]) for at in range(50_000)]
    batch = RecordBatch.of(records, secret=SECRET)
    identities = {patient: Identity.generate() for patient in patients}
    store = MemoryStore()
    readers = {patient: {identity.recipient: None} for patient, identity in identities.items()}
    catalogue = write_catalogue(batch, readers, custodian=HOSPITAL, store=store)

    counting = Counting(store)
    (part,) = parts_for(counting, catalogue, identities[patients[7]], root=batch.root, count=50_000)
    assert (part.patient, len(part.records), part.leads_to(batch.root)) == (patients[7], 50, True)
    files = list_directory(store.get, Cid.of_directory(catalogue))
    whole = sum(link.size for name, link in files.items() if name != CUSTODIAN_FILE)
    assert sum(counting.given) < whole / 100
    # The list and the head, each bucket a block.
    assert len(counting.given) <= 4
    again = custodians_batch(store, catalogue, HOSPITAL)
    assert (again.root, again.count, set(again.patients)) == (batch.root, 50_000, set(patients))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", 2),
        ("count", 0),
        ("count", 1_000_001),
        ("buckets", 4_097),
        ("cells", 65),
        ("key", bytes(32).hex()),
    ],
)
def test_head__that_cannot_be__is_refused(field: str, value: object) -> None:
    head = {"version": 1, "count": 1, "buckets": 1, "cells": 4, "key": PATIENT.recipient.key.hex()}
    assert CatalogueHead.from_json(encode_document(head)).count == 1
    assert CatalogueHead.from_json(encode_document({**head, "buckets": 4_096, "cells": 448})).cells == 448
    with pytest.raises(InvalidInputError):
        CatalogueHead.from_json(encode_document({**head, field: value}))


def catalogue_with(book: bytes, *, writer: Identity = HOSPITAL) -> tuple[MemoryStore, CatalogueId]:
    """Return a store with a catalogue of nothing but this custodian's file."""
    store, key = MemoryStore(), FileKey.generate()
    with BlobWriter(store) as files:
        header = wrap(key, writer=writer, recipients=[HOSPITAL.recipient])
        root = files.directory({CUSTODIAN_FILE: files.file([header, *seal([book], key)])})
    return store, CatalogueId(root.digest)


ROW = bytes(19) + b"\1" + (1).to_bytes(4, "big") + b"\2" * 32


@pytest.mark.parametrize(
    "book",
    [b"", SECRET, SECRET + ROW[:-1], SECRET + ROW + ROW, SECRET + ROW[:20] + b"\xff" * 4 + ROW[24:], SECRET + ROW[:9]],
    ids=["nothing", "no rows", "cut", "twice", "more than there are", "half an address"],
)
def test_custodians_file__that_cannot_be__is_refused(book: bytes) -> None:
    with pytest.raises(IntegrityError):
        custodians_batch(*catalogue_with(book), HOSPITAL)


def test_custodians_file__written_by_another__is_not_taken() -> None:
    store, catalogue = catalogue_with(SECRET + ROW)
    assert custodians_batch(store, catalogue, HOSPITAL).count == 1
    with pytest.raises(AuthenticationError):
        custodians_batch(*catalogue_with(SECRET + ROW, writer=PATIENT), HOSPITAL)
    with pytest.raises(NotARecipientError):
        custodians_batch(store, catalogue, PATIENT)


# ------------------------------------------------------------------------------------------------ told of too much


def false_catalogue(text: bytes, count: int) -> tuple[Counting, CatalogueId]:
    """Return a store with a catalogue that tells the patient this, and says that it is of so many records."""
    store, once = MemoryStore(), Identity.generate()
    sealed = seal_cells([(PATIENT.recipient, text)], writer=once)
    head = CatalogueHead(count=count, buckets=len(sealed), cells=sealed.cells, key=once.recipient)
    with BlobWriter(store) as writer:
        files = {f"{number:04x}": writer.file([bucket]) for number, bucket in enumerate(sealed)}
        root = writer.directory({**files, HEAD_FILE: writer.file([head.to_json()])})
    return Counting(store), CatalogueId(root.digest)


@pytest.mark.parametrize("count", [1, 100, 1_000])
def test_catalogue__tells_of_more_than_it_can_hold__fetches_no_more_than_a_true_one(count: int) -> None:
    store, catalogue = false_catalogue(bytes(8 << 20), count)
    with pytest.raises(AuthenticationError):
        list(parts_for(store, catalogue, PATIENT, root=SECRET, count=count))
    # The list, the head, and one bucket, of 64 cells at most.
    assert len(store.given) <= 4
    assert sum(store.given) < 64 * CELL_SIZE + 64_000


def test_catalogue__of_false_parts__is_not_decoded_behind_the_first() -> None:
    patient = address("0x" + "22" * 20)
    false = encode_whole(patient, SECRET, [RecordId(SECRET)], ())
    store, catalogue = false_catalogue(false + b"\xff" * 100, 50)
    with pytest.raises(IntegrityError, match="lead to the root"):
        list(parts_for(store, catalogue, PATIENT, root=SECRET, count=50))


def test_catalogue__as_long_as_it_can_be__is_read() -> None:
    """A reader of everything, each record of a patient of its own."""
    patients = [address("0x" + sha256(b"%d" % number)[:20].hex()) for number in range(1, 40)]
    batch = RecordBatch.of(((RecordId(sha256(bytes.fromhex(each[2:]))), each) for each in patients), secret=SECRET)
    told = {each: {PATIENT.recipient: list(batch.records(each))} for each in patients}
    store = MemoryStore()
    catalogue = write_catalogue(batch, told, custodian=HOSPITAL, store=store)
    found = list(parts_for(store, catalogue, PATIENT, root=batch.root, count=batch.count))
    assert [part.patient for part in found] == list(batch.patients)
    assert all(part.leads_to(batch.root) for part in found)
