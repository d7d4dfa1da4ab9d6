"""A version of a record as its custodian opens it, to encrypt it anew: same text, same description, another key."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Self

from medshare.content import read_file
from medshare.envelope import FileKey, Identity, Recipient, open_payload, unwrap, wrapped_for
from medshare.errors import IntegrityError, NotARecipientError
from medshare.model.record import Manifest, RecordEntry, plaintext_digest
from medshare.ports import BlobStore
from medshare.services.progress import Progress
from medshare.services.record_files import RecordFiles, check_key, locate, open_manifest, own_header


class StoredVersion:
    """A version in the store, opened up to its manifest; its plaintext is verified while it is read.

    Attributes:
        manifest: what it says of the record.
        file_key: opens this version, and no other.
    """

    def __init__(
        self, store: BlobStore, files: RecordFiles, file_key: FileKey, manifest: Manifest, progress: Progress
    ) -> None:
        self._store = store
        self._files = files
        self.file_key = file_key
        self._progress = progress
        self.manifest = manifest
        self.size = manifest.size
        self.digest = b""
        """SHA-256 of the whole; known when it has been read."""

    @classmethod
    def open(cls, store: BlobStore, entry: RecordEntry, custodian: Identity, *, progress: Progress) -> Self:
        """Open a version that ``custodian`` published.

        Raises:
            NotARecipientError: it was made for an earlier key of his.
            StoreError, EnvelopeError, IntegrityError: it is not whole, or not what it should be.
        """
        files = locate(store, entry.record_id)
        try:
            opened = unwrap(own_header(store, files), custodian, writer=custodian.recipient)
        except NotARecipientError as error:
            error.hint = "it was encrypted for an earlier key of the custodian: only that key opens it"
            raise
        check_key(files, opened.file_key)
        return cls(store, files, opened.file_key, open_manifest(store, files, opened.file_key, entry), progress)

    def chunks(self) -> Iterator[bytes]:
        """Yield the plaintext; ends only if it is what the manifest says.

        Raises:
            StoreError, AuthenticationError: a part of it is missing or false.
            IntegrityError: it is another than the manifest describes.
        """
        state = hashlib.sha256()
        done = 0
        payload = self._files.payload
        sealed = read_file(self._store.get, payload.cid, max_size=payload.size)
        for chunk in open_payload(sealed, self.file_key, payload_length=payload.size):
            state.update(chunk)
            done += len(chunk)
            self._progress("encrypting", done, self.size)
            yield chunk
        self.digest = state.digest()
        if done != self.size or plaintext_digest(self.manifest.salt, self.digest) != self.manifest.digest:
            raise IntegrityError("the plaintext is not the one that the manifest describes")

    def readers(self, custodian: Identity, candidates: frozenset[Recipient]) -> frozenset[Recipient]:
        """Return those of ``candidates`` to whom its own header gives the key."""
        return wrapped_for(own_header(self._store, self._files), writer=custodian, candidates=candidates)
