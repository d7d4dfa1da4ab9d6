"""Terms that were opened in this process: under one digest on chain they are always the same, and are opened once."""

from __future__ import annotations

from collections.abc import Mapping

from medshare.content import Link
from medshare.envelope import Identity, Recipient
from medshare.model.ids import TermsDigest
from medshare.model.terms import Terms
from medshare.ports import BlobStore
from medshare.services.auditing import GrantStanding
from medshare.services.bundles import terms_among

MAX_KEPT = 500
"""Terms that are kept; when there are more it starts over, and opens them again."""


class OpenedTerms:
    """Opens terms, and keeps them in memory for who has opened them; nothing is written anywhere."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Recipient, TermsDigest], Terms] = {}

    def open(self, store: BlobStore, files: Mapping[str, Link], standing: GrantStanding, identity: Identity) -> Terms:
        """Return the terms of a grant; Args, Raises: as ``terms_among``."""
        terms = self._kept.get((identity.recipient, standing.terms))
        if terms is None:
            terms = terms_among(store, files, standing, identity)
            self.keep(terms, identity)
        return terms

    def keep(self, terms: Terms, identity: Identity) -> None:
        """Keep terms for somebody who has opened them, or written them."""
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        # Under his key: who holds another is told nothing that he could not open.
        self._kept[identity.recipient, terms.digest()] = terms
