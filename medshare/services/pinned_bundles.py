"""Pinned bundles: a patient's client pins the key bundle of a grant before it is made, and gives it up with the grant.

Of what was prepared and never sent no event tells: only the journal of who pinned it knows of it still.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from medshare.content import Cid
from medshare.errors import LedgerUnavailableError, StoreError
from medshare.model.decision import Reason
from medshare.model.ids import Address, BundleId, GrantId
from medshare.ports import BlobStore
from medshare.services.auditing import Auditing
from medshare.services.bundle_journal import BundleJournal

_log = logging.getLogger(__name__)


class PinnedBundles:
    """Pins the bundles of a patient's grants, and gives them up.

    Args:
        store: where they are.
        auditing: which bundles grants have had.
        journal: which bundles were pinned for grants that may never be made; None where nobody needs to know later.
    """

    def __init__(self, *, store: BlobStore, auditing: Auditing, journal: BundleJournal | None) -> None:
        self._store = store
        self._auditing = auditing
        self._journal = journal

    def pin(self, grant_id: GrantId, bundle: Cid) -> None:
        """Pin the bundle of a grant that is about to be made; raises ``StoreError``."""
        if self._journal is not None:
            self._journal.note(grant_id, BundleId(bundle.digest))
        self._store.pin(bundle)

    def withdraw(self, patient: Address, grant_id: GrantId, bundle: BundleId) -> bool:
        """Give up the bundle of a grant that never was granted: no event names it, and nobody else ever would.

        Returns:
            False where it stays: the chain shows it after all, since somebody else has sent the same words, or cannot
            be asked.
        """
        try:
            granted = bundle in self._auditing.bundles(patient, grant_id)
        except LedgerUnavailableError:
            _log.warning("bundle %s is kept: the chain cannot be asked about it", bundle.hex())
            return False
        return not granted and self._give_up([bundle]) == 0

    def give_up_lost(self, patient: Address, grant_id: GrantId, granted: BundleId) -> None:
        """Give up what was pinned for a grant before and never granted: now that it is granted, it never can be."""
        if self._journal is None:
            return
        noted = self._journal.noted(grant_id)
        try:
            named = {granted, *self._auditing.bundles(patient, grant_id)}
        except LedgerUnavailableError:
            _log.warning("the bundles of %x are kept: the chain cannot be asked about them", grant_id)
            return
        self._give_up([bundle for bundle in noted if bundle not in named])
        for bundle in named.intersection(noted):
            self._journal.forget(bundle)

    def give_up(self, patient: Address, grant_id: GrantId | None = None) -> tuple[bool, int]:
        """Give up the bundles of a patient's grants, or of one of them: with it ends what was signed and never sent.

        Returns:
            whether any is on chain, and how many the store could not be told to give up.
        """
        noted = self._noted(patient, grant_id)
        named = self._auditing.bundles(patient, grant_id)
        return bool(named), self._give_up(list(dict.fromkeys([*named, *noted])))

    def give_up_revoked(self, patient: Address) -> int:
        """Give up the bundles of all grants of a patient that the chain shows as revoked; return how many are left."""
        bundles = [
            bundle
            for standing in self._auditing.grants(patient=patient)
            if standing.reason is Reason.REVOKED
            for bundle in self._auditing.bundles(patient, standing.grant.grant_id)
        ]
        return self._give_up(bundles)

    def _noted(self, patient: Address, grant_id: GrantId | None) -> list[BundleId]:
        if self._journal is None:
            return []
        return self._journal.noted_of(patient) if grant_id is None else self._journal.noted(grant_id)

    def _give_up(self, bundles: Sequence[BundleId]) -> int:
        """Unpin bundles; return how many are left. What the chain said must not be hidden by a store that fails."""
        left = 0
        for bundle in bundles:
            try:
                self._store.unpin(Cid.of_directory(bundle))
            except StoreError:
                _log.warning("the store did not give up bundle %s", bundle.hex())
                left += 1
                continue
            if self._journal is not None:
                self._journal.forget(bundle)
        return left
