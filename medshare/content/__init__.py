"""Content addressing: CIDs, UnixFS directories and CAR archives. Pure: bytes in, bytes out.

::

    varint  →  cid  →  dagpb  →  layout  →  unixfs (build) · reader (verify)  →  car
"""

from medshare.content.batch import BATCH_SIZE, BlockBatch, in_batches
from medshare.content.car import encode_car, read_car, write_car
from medshare.content.cid import MAX_BLOCK_SIZE, Block, Cid, Codec, verify_block
from medshare.content.layout import CHUNK_SIZE, MAX_FILE_SIZE, MAX_LINKS, PROFILE, Layout
from medshare.content.reader import (
    BlockSource,
    Reference,
    file_size,
    list_directory,
    read_file,
    references,
    walk,
)
from medshare.content.unixfs import Link, build_directory, build_file

__all__ = [
    "BATCH_SIZE",
    "CHUNK_SIZE",
    "MAX_BLOCK_SIZE",
    "MAX_FILE_SIZE",
    "MAX_LINKS",
    "PROFILE",
    "Block",
    "BlockBatch",
    "BlockSource",
    "Cid",
    "Codec",
    "Layout",
    "Link",
    "Reference",
    "build_directory",
    "build_file",
    "encode_car",
    "file_size",
    "in_batches",
    "list_directory",
    "read_car",
    "read_file",
    "references",
    "verify_block",
    "walk",
    "write_car",
]
