"""What somebody can open who has the whole store and all his keys: every header in it is tried."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO

from medshare.envelope import Identity, read_header, unwrap
from medshare.errors import NotARecipientError
from medshare.model.ids import RecordId
from medshare.services.record_files import locate
from medshare.testing import MemoryStore


def held_keys(store: MemoryStore, identities: Iterable[Identity]) -> set[bytes]:
    """Return the commitments of all file keys that ``identities`` get out of any header in ``store``."""
    identities = list(identities)
    held = set()
    for data in store.blocks.values():
        if not data.startswith(b"crypt4gh"):
            continue
        header = read_header(BytesIO(data))
        for identity in identities:
            try:
                held.add(unwrap(header, identity).file_key.commitment)
            except NotARecipientError:
                continue
    return held


def commitment(store: MemoryStore, record_id: RecordId) -> bytes:
    return locate(store, record_id).commitment.key_commitment
