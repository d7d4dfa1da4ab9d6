"""The catalogue of a batch: the directory on the store in which each finds the records he may know of, and no others.

::

    head             in clear: version, records, buckets, cells in each, and the key that was made for it
    custodian.c4gh   the secret and every id, for its custodian: what makes his book anew
    0000, 0001, …    buckets of cells, each as long as the others: ``medshare.envelope.cells``

It is not trusted: what it tells counts where it leads to the root that the chain holds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from medshare.content import Cid, Link, list_directory, read_file
from medshare.envelope import (
    CELL_SIZE,
    MAX_BUCKETS,
    FileKey,
    Identity,
    Recipient,
    max_cells,
    open_cells,
    open_payload,
    payload_length,
    read_header,
    seal,
    seal_cells,
    unwrap,
    wrap,
)
from medshare.errors import IntegrityError, InvalidInputError
from medshare.model.batch_parts import decode_parts, encode_some, encode_whole, longest_parts
from medshare.model.documents import Reader, decode_document, encode_document
from medshare.model.ids import Address, CatalogueId, RecordId, address
from medshare.model.record_batch import MAX_BATCH, SECRET_SIZE, PatientsPart, RecordBatch
from medshare.ports import BlobStore
from medshare.services.blob_writer import BlobWriter
from medshare.services.record_files import MAX_HEADER_SIZE, read_small

HEAD_FILE = "head"
CUSTODIAN_FILE = "custodian.c4gh"
_VERSION = 1
_MAX_HEAD = 1024
_ADDRESS_SIZE, _COUNT_SIZE, _ID_SIZE = 20, 4, 32
_MAX_BOOK = SECRET_SIZE + MAX_BATCH * (_ADDRESS_SIZE + _COUNT_SIZE + _ID_SIZE)
_MAX_SEALED_BOOK = MAX_HEADER_SIZE + payload_length(_MAX_BOOK)

Readers = Mapping[Recipient, Collection[RecordId] | None]
"""Who learns of a patient's records in a batch: of all of them (None), or of some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueHead:
    """What a catalogue says in clear."""

    count: int
    """Records of the batch."""
    buckets: int
    cells: int
    """In each bucket."""
    key: Recipient
    """Made for this catalogue alone."""

    @classmethod
    def from_json(cls, document: bytes) -> Self:
        """Return the head that ``document`` holds; raises ``InvalidInputError``."""
        read = Reader(decode_document(document, _MAX_HEAD), "catalogue")
        read.version(_VERSION)
        buckets = read.integer("buckets", 1, MAX_BUCKETS)
        return cls(
            count=read.integer("count", 1, MAX_BATCH),
            buckets=buckets,
            cells=read.integer("cells", 1, max_cells(buckets)),
            key=Recipient(read.digest("key")),
        )

    def to_json(self) -> bytes:
        """Return the head as the catalogue holds it."""
        return encode_document(
            {
                "version": _VERSION,
                "count": self.count,
                "buckets": self.buckets,
                "cells": self.cells,
                "key": self.key.key.hex(),
            }
        )


def write_catalogue(
    batch: RecordBatch, readers: Mapping[Address, Readers], *, custodian: Identity, store: BlobStore
) -> CatalogueId:
    """Store the catalogue of a batch and return its id; its blocks are durable then, and not pinned.

    Args:
        batch: the records.
        readers: for each patient who learns of his records: himself, and who has a standing grant, of what it permits.
        custodian: for whom the whole is sealed, too.
        store: where it goes.

    Raises:
        InvalidInputError: it is too much for one catalogue.
        StoreError: as ``BlobStore.put``.
    """
    once = Identity.generate()
    texts: dict[Recipient, bytearray] = {}
    for patient in batch.patients:
        for reader, record_ids in readers.get(patient, {}).items():
            texts.setdefault(reader, bytearray()).extend(_told(batch, patient, record_ids))
    sealed = seal_cells(((reader, bytes(texts.pop(reader))) for reader in list(texts)), writer=once)
    head = CatalogueHead(count=batch.count, buckets=len(sealed), cells=sealed.cells, key=once.recipient)
    file_key = FileKey.generate()
    with BlobWriter(store) as writer:
        entries = {_bucket_name(number): writer.file([bucket]) for number, bucket in enumerate(sealed)}
        header = wrap(file_key, writer=custodian, recipients=[custodian.recipient])
        entries[CUSTODIAN_FILE] = writer.file(_chained(header, seal(_book_of(batch), file_key)))
        entries[HEAD_FILE] = writer.file([head.to_json()])
        return CatalogueId(writer.directory(entries).digest)


def parts_for(
    store: BlobStore, catalogue: CatalogueId, identity: Identity, *, root: bytes, count: int
) -> Iterator[PatientsPart]:
    """Yield what a catalogue tells ``identity``, true or not: nothing where he is not in it.

    Fetched are its list of files, its head, and each bucket with a cell of his, once. His cells are no more than a
    batch of ``count`` records needs for one reader: that bounds what a false catalogue can have anybody fetch. Parts
    are decoded as they are asked for: who stops at the first that is false has decoded nothing of the others.

    Args:
        store: where it is; not trusted.
        catalogue: which.
        identity: who asks.
        root: of its batch.
        count: how many records its batch has on chain.

    Raises:
        StoreError: it is missing, not whole, or false.
        IntegrityError: it is malformed, of another batch, or false.
        AuthenticationError: a part of what is his is missing, or it is longer than it can be.
    """
    files = list_directory(store.get, Cid.of_directory(catalogue))
    try:
        head = CatalogueHead.from_json(read_small(store, _file(files, HEAD_FILE), _MAX_HEAD))
        if head.count != count:
            raise IntegrityError("the catalogue is of another number of records than the chain says")

        def bucket(number: int) -> bytes:
            found = read_small(store, _file(files, _bucket_name(number)), head.cells * CELL_SIZE)
            if len(found) != head.cells * CELL_SIZE:
                raise IntegrityError("a bucket of the catalogue is not whole")
            return found

        longest = longest_parts(count)
        text = open_cells(bucket, identity, writer=head.key, buckets=head.buckets, longest=longest)
        yield from decode_parts(text or b"", root=root, count=count)
    except InvalidInputError as error:
        raise IntegrityError("the catalogue is malformed") from error


def custodians_batch(store: BlobStore, catalogue: CatalogueId, custodian: Identity) -> RecordBatch:
    """Return the whole batch, from its custodian's own file: for who has lost his home and not his key.

    Raises:
        StoreError: it is missing, not whole, or false.
        EnvelopeError: it is another custodian's, or made for an earlier key of his.
        IntegrityError: it is malformed.
    """
    link = _file(list_directory(store.get, Cid.of_directory(catalogue)), CUSTODIAN_FILE)
    stream = _Stream(read_file(store.get, link.cid, max_size=_MAX_SEALED_BOOK))
    header = read_header(stream)
    opened = unwrap(header, custodian, writer=custodian.recipient)
    book = b"".join(open_payload(stream.rest(), opened.file_key, payload_length=link.size - len(header)))
    try:
        return RecordBatch.of(_book_rows(book), secret=book[:SECRET_SIZE])
    except InvalidInputError as error:
        raise IntegrityError("the custodian's file of the catalogue is malformed") from error


def _told(batch: RecordBatch, patient: Address, record_ids: Collection[RecordId] | None) -> bytes:
    if record_ids is None:
        return encode_whole(patient, batch.seed(patient), batch.records(patient), batch.path(patient))
    part = batch.part(patient)
    wanted = frozenset(record_ids)
    some = tuple(one for one in part.records if one[0].record_id in wanted)
    return encode_some(PatientsPart(patient=patient, records=some, path=part.path)) if some else b""


def _book_of(batch: RecordBatch) -> Iterator[bytes]:
    yield batch.secret
    for patient in batch.patients:
        ids = batch.records(patient)
        yield bytes.fromhex(patient[2:]) + len(ids).to_bytes(_COUNT_SIZE, "big") + b"".join(ids)


def _book_rows(book: bytes) -> Iterator[tuple[RecordId, Address]]:
    at = SECRET_SIZE
    while at < len(book):
        patient = address("0x" + book[at : at + _ADDRESS_SIZE].hex())
        at += _ADDRESS_SIZE
        count = int.from_bytes(book[at : at + _COUNT_SIZE], "big")
        at += _COUNT_SIZE
        for _ in range(min(count, MAX_BATCH)):
            yield RecordId(book[at : at + _ID_SIZE]), patient
            at += _ID_SIZE


def _bucket_name(number: int) -> str:
    return f"{number:04x}"


def _file(files: Mapping[str, Link], name: str) -> Link:
    if name not in files:
        raise IntegrityError("the directory does not hold the files of a catalogue")
    return files[name]


def _chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


class _Stream:
    """Chunks of bytes, read by size first and then to the end."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._held = b""

    def read(self, size: int, /) -> bytes:
        while len(self._held) < size and (chunk := next(self._chunks, b"")):
            self._held += chunk
        taken, self._held = self._held[:size], self._held[size:]
        return taken

    def rest(self) -> Iterator[bytes]:
        return _chained(self._held, self._chunks)
