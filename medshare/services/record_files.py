"""A record's directory, read with every check that needs no chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from medshare.content import Cid, Link, list_directory, read_file
from medshare.envelope import FileKey, open_payload, payload_length, plaintext_length, segment_count
from medshare.errors import IntegrityError, InvalidInputError
from medshare.model.ids import RecordId
from medshare.model.record import (
    COMMITMENT_FILE,
    HEADER_FILE,
    MANIFEST_FILE,
    MAX_COMMITMENT_SIZE,
    MAX_MANIFEST_SIZE,
    PAYLOAD_FILE,
    RECORD_FILES,
    Commitment,
    Manifest,
    RecordEntry,
)
from medshare.ports import BlobStore

MAX_HEADER_SIZE = 1 << 20
_MAX_MANIFEST_PAYLOAD = payload_length(MAX_MANIFEST_SIZE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFiles:
    """The files of one record, located and bounded; the payload's length is checked against the commitment."""

    record_id: RecordId
    files: Mapping[str, Link]
    commitment: Commitment

    @property
    def payload(self) -> Link:
        """The link to the payload."""
        return self.files[PAYLOAD_FILE]


def locate(store: BlobStore, record_id: RecordId) -> RecordFiles:
    """Return the files of a record.

    Raises:
        StoreError: the store has them not, not whole, or lies.
        IntegrityError: the directory is not that of a record, or its payload is not what it commits to.
    """
    files = list_directory(store.get, Cid.of_directory(record_id))
    if set(files) != RECORD_FILES:
        raise IntegrityError(f"the directory {record_id.hex()} does not hold the files of a record")
    try:
        commitment = Commitment.from_json(read_small(store, files[COMMITMENT_FILE], MAX_COMMITMENT_SIZE))
        size = plaintext_length(commitment.payload_length)
    except InvalidInputError as error:
        raise IntegrityError(f"the commitment of record {record_id.hex()} is malformed") from error
    if files[PAYLOAD_FILE].size != commitment.payload_length or segment_count(size) != commitment.segments:
        raise IntegrityError(f"the payload of record {record_id.hex()} is not as long as it commits to")
    return RecordFiles(record_id=record_id, files=files, commitment=commitment)


def own_header(store: BlobStore, record: RecordFiles) -> bytes:
    """Return the header that was published with the record: for patient and custodian. Raises ``StoreError``."""
    return read_small(store, record.files[HEADER_FILE], MAX_HEADER_SIZE)


def check_key(record: RecordFiles, file_key: FileKey) -> None:
    """Check that ``file_key`` is the one the record commits to; raises ``KeyCommitmentError``."""
    file_key.verify_commitment(record.commitment.key_commitment)


def open_manifest(store: BlobStore, record: RecordFiles, file_key: FileKey, entry: RecordEntry) -> Manifest:
    """Return the manifest, decrypted and compared with the chain's entry.

    Raises:
        EnvelopeError: it does not open.
        IntegrityError: it is malformed, or names another patient, custodian or size than chain and payload do.
    """
    link = record.files[MANIFEST_FILE]
    sealed = read_file(store.get, link.cid, max_size=_MAX_MANIFEST_PAYLOAD)
    try:
        manifest = Manifest.from_json(b"".join(open_payload(sealed, file_key, payload_length=link.size)))
    except InvalidInputError as error:
        raise IntegrityError(f"the manifest of record {record.record_id.hex()} is malformed") from error
    if (manifest.patient, manifest.custodian) != (entry.patient, entry.custodian):
        raise IntegrityError(f"the manifest of record {record.record_id.hex()} names others than the chain does")
    if payload_length(manifest.size) != record.commitment.payload_length:
        raise IntegrityError(
            f"the manifest of record {record.record_id.hex()} states another size than the payload has"
        )
    return manifest


def read_small(store: BlobStore, link: Link, limit: int) -> bytes:
    """Return a whole file of at most ``limit`` bytes, verified; raises ``StoreError``."""
    return b"".join(read_file(store.get, link.cid, max_size=limit))
