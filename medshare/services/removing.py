"""Removing encrypted blocks from stores, and looking whether they are gone: at each store, whatever the others say."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from medshare.content import Cid
from medshare.errors import MedshareError
from medshare.ports import BlobStore
from medshare.services.progress import Progress, silent
from medshare.services.storage_nodes import told

_QUESTIONS = 8
"""Asked of one store at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What came of removing blocks from one store."""

    name: str
    remaining: int
    """Of the blocks, how many it holds still: something else that is pinned needs them."""
    trouble: str = ""
    """Why it could not be done, or not be verified; empty where it was."""

    @property
    def gone(self) -> bool:
        """Whether the store itself says that it holds none of them."""
        return not self.trouble and self.remaining == 0


def remove_from(
    places: Mapping[str, BlobStore], roots: Collection[Cid], blocks: Collection[Cid], *, progress: Progress = silent
) -> list[Removed]:
    """Unpin roots at every place, remove blocks, and look for each of them.

    Args:
        places: stores by name; each answers for itself alone.
        roots: what is pinned of them.
        blocks: what is to be gone.
        progress: told how far it is.
    """
    removed = []
    for done, (name, store) in enumerate(places.items()):
        progress("removing", done, len(places))
        removed.append(_remove(name, store, roots, blocks))
    return removed


def look_for(places: Mapping[str, BlobStore], blocks: Collection[Cid]) -> list[Removed]:
    """Ask every place how many of the blocks it holds; nothing is removed."""
    return [_remaining(name, store, blocks, "") for name, store in places.items()]


def _remove(name: str, store: BlobStore, roots: Collection[Cid], blocks: Collection[Cid]) -> Removed:
    trouble = ""
    try:
        for root in roots:
            store.unpin(root)
        store.remove(blocks)
    except MedshareError as error:
        trouble = told(error)
    return _remaining(name, store, blocks, trouble)


def _remaining(name: str, store: BlobStore, blocks: Collection[Cid], trouble: str) -> Removed:
    try:
        with ThreadPoolExecutor(_QUESTIONS, "medshare-looking") as pool:
            remaining = sum(pool.map(store.has, blocks))
    except MedshareError as error:
        return Removed(name=name, remaining=0, trouble=trouble or told(error))
    return Removed(name=name, remaining=remaining, trouble=trouble)
