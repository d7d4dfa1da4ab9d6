"""Crypt4GH envelopes: keys, headers and payloads; and cells for very many. No chain, no store."""

from medshare.envelope.cells import CELL_SIZE, MAX_BUCKETS, SealedCells, max_cells, open_cells, seal_cells
from medshare.envelope.file_key import FileKey
from medshare.envelope.header import (
    MAX_PACKETS,
    PACKET_LENGTH,
    Unwrapped,
    read_header,
    rewrap,
    unwrap,
    wrap,
    wrapped_for,
)
from medshare.envelope.keys import Identity, Recipient
from medshare.envelope.payload import (
    CIPHER_SEGMENT_SIZE,
    MAX_PLAINTEXT_LENGTH,
    SEGMENT_SIZE,
    open_payload,
    open_range,
    payload_length,
    plaintext_length,
    seal,
    segment_count,
)
from medshare.envelope.payload_file import seal_file

__all__ = [
    "CELL_SIZE",
    "CIPHER_SEGMENT_SIZE",
    "MAX_BUCKETS",
    "MAX_PACKETS",
    "MAX_PLAINTEXT_LENGTH",
    "PACKET_LENGTH",
    "SEGMENT_SIZE",
    "FileKey",
    "Identity",
    "Recipient",
    "SealedCells",
    "Unwrapped",
    "max_cells",
    "open_cells",
    "open_payload",
    "open_range",
    "payload_length",
    "plaintext_length",
    "read_header",
    "rewrap",
    "seal",
    "seal_cells",
    "seal_file",
    "segment_count",
    "unwrap",
    "wrap",
    "wrapped_for",
]
