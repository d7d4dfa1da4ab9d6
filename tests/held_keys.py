"""What somebody can open who has the whole store and all his keys: every header in it is tried."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from io import BytesIO

from medshare.envelope import Identity, read_header, unwrap
from medshare.errors import NotARecipientError
from medshare.model.ids import RecordId
from medshare.services.record_files import locate
from medshare.testing import MemoryStore


def held_keys(store: MemoryStore, identities: Iterable[Identity]) -> set[bytes]:
    """Return the commitments of all file keys that ``identities`` get out of any header in ``store``."""
    identities = list(identities)
    headers = [data for data in store.blocks.values() if data.startswith(b"crypt4gh")]
    return {key for data in headers for identity in identities if (key := _held(data, identity)) is not None}


@lru_cache(maxsize=100_000)
def _held(data: bytes, identity: Identity) -> bytes | None:
    """Return the commitment of what a header holds for somebody: a walk asks of the same headers after each step."""
    try:
        return unwrap(read_header(BytesIO(data)), identity).file_key.commitment
    except NotARecipientError:
        return None


def commitment(store: MemoryStore, record_id: RecordId) -> bytes:
    return locate(store, record_id).commitment.key_commitment
