"""Sealing a record under a fresh file key: payload, manifest, header and commitment, and the directory that holds them.

Who shall have a packet is asked last: sealing a long payload takes a while, in which a right may end or begin.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from medshare.content import Block, Cid, build_directory, build_file
from medshare.envelope import FileKey, Identity, Recipient, payload_length, seal, segment_count, wrap
from medshare.model.record import COMMITMENT_FILE, HEADER_FILE, MANIFEST_FILE, PAYLOAD_FILE, Commitment, Manifest
from medshare.services.padding import packets_for

SALT_SIZE = 32


class Source(Protocol):
    """A plaintext that is there to be encrypted."""

    @property
    def size(self) -> int:
        """Bytes."""
        ...

    @property
    def digest(self) -> bytes:
        """SHA-256 of the whole; known when it has been read."""
        ...

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes; raises at the end if they are not what they should be."""
        ...


def seal_record(
    source: Source,
    *,
    writer: Identity,
    describe: Callable[[bytes], Manifest],
    recipients: Callable[[Manifest], Sequence[Recipient]],
    emit: Callable[[Block], None],
) -> Cid:
    """Seal a record and return the CID of its directory.

    Args:
        source: the plaintext.
        writer: the custodian, in whose name packets are.
        describe: returns the manifest, given its salt; asked when the plaintext has been read.
        recipients: returns who gets a packet; as many more that nobody opens are added as make a power of two.
        emit: takes each block; see ``BlockBatch``.

    Raises:
        InvalidInputError: the plaintext changed while it was read; or there are too many recipients.
    """
    file_key = FileKey.generate()
    payload = build_file(seal(source.chunks(), file_key), emit)
    manifest = describe(secrets.token_bytes(SALT_SIZE))
    commitment = Commitment(
        key_commitment=file_key.commitment,
        payload_length=payload_length(source.size),
        segments=segment_count(source.size),
    )
    keys = recipients(manifest)
    header = wrap(file_key, writer=writer, recipients=keys, packets=packets_for(keys))
    return build_directory(
        {
            HEADER_FILE: build_file([header], emit),
            PAYLOAD_FILE: payload,
            MANIFEST_FILE: build_file(seal([manifest.to_json()], file_key), emit),
            COMMITMENT_FILE: build_file([commitment.to_json()], emit),
        },
        emit,
    ).cid
