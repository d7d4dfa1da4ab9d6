"""Rotating: a custodian encrypts anew what is published, under fresh keys for those who are permitted now.

    for rotation in rotating.rotate(rotating.due(patient, custodian=hospital), custodian=hospital):
        ...

Each version gets a successor with the same text and description, registered in its place, some in one transaction. What
fails keeps no other from being rotated, and after a crash the same call goes on where it was.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from medshare.content import Cid
from medshare.errors import LedgerError, MedshareError, StoreError, StoreUnavailableError, UnknownGrantError
from medshare.model.events import (
    AccessGranted,
    AccessRevoked,
    AllAccessRevoked,
    ControlMoved,
    RecordRegistered,
    RecordSuperseded,
    RegisteredFromBatch,
)
from medshare.model.grant import MAX_TIME
from medshare.model.ids import Address, GrantId
from medshare.model.record import RecordEntry, RecordRef, RecordStatus
from medshare.model.subject import Subject
from medshare.ports import Actor, BlobStore, Clock
from medshare.services.auditing import Auditing
from medshare.services.packets import packets_of
from medshare.services.progress import Progress, silent
from medshare.services.registering import Published
from medshare.services.resealing import Resealing
from medshare.services.standing import StandingConsents, may_have_covered
from medshare.services.stored_version import StoredVersion

WHAT_REMAINS = (
    "Whoever could read an earlier version may have kept its text, its key and its encrypted blocks: rotating takes "
    "none of that back. Earlier versions stay registered on chain, and open with their old keys wherever a store still "
    "has their blocks. What is published from now on is out of reach for those whose right has ended."
)
"""What rotating does not do, for a person."""

TOGETHER = 50
"""Records whose successors are registered in one transaction: of batches, some 80,000 units of gas each."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """What became of one record."""

    previous: RecordEntry
    published: Published | None
    """Its successor, or None where it failed."""
    error: MedshareError | None = None
    """Why it failed."""
    forgotten: bool = False
    """Whether the store was told to give up the blocks of the previous version, which goes with its next collection."""


class Rotating:
    """Rotates records, as their custodian.

    Args:
        store: where the records are.
        clock: the time on the wall.
        auditing: which records and grants there are.
        standing: what excerpts of terms say.
        resealing: publishes the new versions.
    """

    def __init__(
        self,
        *,
        store: BlobStore,
        clock: Clock,
        auditing: Auditing,
        standing: StandingConsents,
        resealing: Resealing,
    ) -> None:
        self._store = store
        self._clock = clock
        self._auditing = auditing
        self._standing = standing
        self._resealing = resealing

    def due(self, patient: Address, *, custodian: Actor) -> list[RecordEntry]:
        """Return the active records of a patient that may be readable to other people than they should be.

        These are all that ``custodian`` registered before anything changed in the patient's consents (granted, begun,
        ended or revoked; another key took over for him, which cannot open them), and those whose header is not for
        exactly those who are permitted now.

        Raises:
            StoreUnavailableError, LedgerError: store or chain failed.
        """
        changed = self._changed(patient)
        return [
            entry
            for entry in self._active(patient, custodian)
            if entry.ref in changed or self._is_for_others(entry, custodian)
        ]

    def covered(self, grant_id: GrantId, *, custodian: Actor, progress: Progress = silent) -> list[RecordEntry]:
        """Return the active records to which a grant, live or ended, may have given a reader the key.

        Where its excerpt for this custodian is gone, nobody can say any more what it covered: then all that he had
        registered of the patient by its end. Likewise each record that does not open any more.

        Raises:
            UnknownGrantError: it was never granted.
            StoreUnavailableError, LedgerError: store or chain failed.
        """
        standing = self._auditing.grant(grant_id)
        if standing is None:
            raise UnknownGrantError(grant_id)
        patient, grant = standing.grant.patient, standing.grant
        ended_at = min(standing.revoked_at or MAX_TIME, grant.expires_at)
        candidates = [entry for entry in self._active(patient, custodian) if entry.registered_at <= ended_at]
        excerpt = self._standing.excerpt(custodian, standing)
        if excerpt is None:
            return candidates
        lineages = self._auditing.lineages(patient)
        covered = []
        for done, entry in enumerate(candidates):
            progress("looking", done, len(candidates))
            subject = Subject.on_chain(entry, lineages.get(entry.ref, ()))
            try:
                manifest = StoredVersion.open(self._store, entry, custodian.identity, progress=silent).manifest
                subject = Subject.described(entry, manifest, subject.lineage)
            except StoreUnavailableError:
                raise
            except MedshareError:
                _log.warning("record %s does not open for its custodian", entry.record_id.hex())
            if may_have_covered(standing, excerpt, subject):
                covered.append(entry)
        return covered

    def rotate(
        self,
        entries: Iterable[RecordEntry],
        *,
        custodian: Actor,
        forget_old: bool = False,
        progress: Progress = silent,
    ) -> Iterator[Rotation]:
        """Rotate records, and yield what became of each. Given again for the same ones, it is done once.

        Args:
            entries: the versions to be superseded; ``custodian`` registered them.
            custodian: whose they are.
            forget_old: give up the blocks of these versions in the store, once their successors are registered.
            progress: told how far each is, and of which it speaks.

        Raises:
            ConfigurationError, EncryptionKeyNotSetError, InsufficientFundsError, LedgerUnavailableError,
            StoreFullError, StoreUnavailableError: what would stop each further record in the same way.
        """
        places = {entry: place for place, entry in enumerate(dict.fromkeys(entries), 1)}

        def progress_of(entry: RecordEntry) -> Progress:
            return lambda what, done, total: progress(f"{what} {places[entry]} of {len(places)}", done, total)

        wanted = list(places)
        for first in range(0, len(wanted), TOGETHER):
            group = wanted[first : first + TOGETHER]
            told = self._resealing.reseal_all(group, custodian=custodian, progress_of=progress_of)
            for entry, published in zip(group, told, strict=True):
                if isinstance(published, MedshareError):
                    yield Rotation(previous=entry, published=None, error=published)
                    continue
                forgotten = forget_old and self._forget(entry)
                yield Rotation(previous=entry, published=published, forgotten=forgotten)

    def _active(self, patient: Address, custodian: Actor) -> list[RecordEntry]:
        return [
            entry
            for entry in self._auditing.records(patient)
            if entry.custodian == custodian.address and entry.status is RecordStatus.ACTIVE
        ]

    def _changed(self, patient: Address) -> set[RecordRef]:
        """Return the records that were registered before a grant last began or ceased to permit something."""
        before: set[RecordRef] = set()
        since: set[RecordRef] = set()
        changed_at = 0
        for event in self._auditing.trail(patient):
            if isinstance(event, RecordRegistered | RecordSuperseded):
                since.add(RecordRef(custodian=event.custodian, record_id=event.record_id))
            elif isinstance(event, RegisteredFromBatch) and event.anchored_at <= changed_at:
                # Its entry is younger than it is: it was sealed before its batch was anchored.
                before.add(RecordRef(custodian=event.custodian, record_id=event.record_id))
            elif isinstance(event, AccessGranted | AccessRevoked | AllAccessRevoked | ControlMoved):
                changed_at = event.place.block.time
                before |= since
                since.clear()
        now = max(self._auditing.sync().time, self._clock.now())
        moments = [
            moment
            for standing in self._auditing.grants(patient=patient)
            for moment in (standing.grant.not_before, standing.grant.expires_at)
            if moment <= now
        ]
        latest = max(moments, default=0)
        return before | {entry.ref for entry in self._auditing.records(patient) if entry.registered_at < latest}

    def _is_for_others(self, entry: RecordEntry, custodian: Actor) -> bool:
        try:
            packets = packets_of(
                entry, custodian=custodian, store=self._store, auditing=self._auditing, standing=self._standing
            )
        except (StoreUnavailableError, LedgerError):
            raise
        except MedshareError:
            return True  # rotating it will say what is wrong
        return bool(packets.held - packets.permitted - packets.unknown or packets.permitted - packets.held)

    def _forget(self, entry: RecordEntry) -> bool:
        """Give up the blocks of a version; what the chain says must not be hidden by a store that fails."""
        try:
            self._store.unpin(Cid.of_directory(entry.record_id))
        except StoreError:
            _log.warning("the store did not give up record %s", entry.record_id.hex())
            return False
        return True
