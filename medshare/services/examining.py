"""Examining: what is wrong with chain, store, keys and clock, and how to mend it.

Each check stands alone: one that fails does not keep the others from being made.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

from medshare.content import Block, Cid, Codec, references
from medshare.errors import (
    EncryptionKeyNotSetError,
    MedshareError,
    ReadOnlyStoreError,
    StoreError,
    StoreUnavailableError,
)
from medshare.model.accreditation import AccreditationKind, Suspension
from medshare.model.ids import Address
from medshare.model.telling import lasting
from medshare.ports import BlobStore, Clock, Ledger
from medshare.services.auditing import Auditing
from medshare.services.before_publishing import published_unknown
from medshare.services.journal import PublicationJournal
from medshare.services.progress import Progress, silent
from medshare.services.replicating import Replicating

CLOCK_TOLERANCE = 120
"""Seconds that the clock may lie behind the newest block's time."""
STALE_AFTER = 3_600
"""Seconds after which a newest block is conspicuously old."""
LOW_SPACE = 1 << 30
"""Bytes of free disk below which something may soon fail to be written."""
ENDS_SOON = 30
"""Days before an accreditation ends from which on it is told."""
_DAY = 86_400


class Health(StrEnum):
    """How a check came out."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found."""

    check: str
    health: Health
    says: str
    mend: str = ""
    """What to do about it."""


class Examining:
    """Examines an installation.

    Args:
        ledger: the contracts.
        store: the store.
        clock: the time on the wall.
        auditing: the index of the chain's events.
        journal: what was begun to be published.
        folder: the home, on whose disk there must be space.
        replicating: where the institutions' nodes keep what is published; None where none are named.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        store: BlobStore,
        clock: Clock,
        auditing: Auditing,
        journal: PublicationJournal,
        folder: Path,
        replicating: Replicating | None = None,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._clock = clock
        self._auditing = auditing
        self._journal = journal
        self._folder = folder
        self._replicating = replicating

    def examine(
        self, identities: Sequence[tuple[str, Address, bytes]], *, deep: bool = False, progress: Progress = silent
    ) -> Iterator[Finding]:
        """Yield what each check finds; never raises for what it examines.

        Args:
            identities: name, address and public encryption key of each identity on this machine.
            deep: read and hash every block of the records published from here, which takes as long as fetching them.
            progress: told how far a deep examination is.
        """
        yield self._guarded("chain", self._chain)
        yield self._guarded("clock", self._clock_against_chain)
        yield self._guarded("index", self._index)
        yield self._guarded("store", self._store_keeps)
        yield self._guarded("space", self._space)
        if self._replicating is not None:
            yield self._guarded("replication", partial(self._replication, self._replicating, deep=deep))
        yield self._guarded("publications", partial(self._publications, deep=deep, progress=progress))
        for name, account, key in identities:
            yield self._guarded(f"identity {name}", partial(self._identity, name, account, key))
            if self._published_unknown(account):
                yield Finding(
                    check=f"publications {name}",
                    health=Health.WARNING,
                    says="it has published before, and nothing of it is known here: nothing is published from here",
                    mend=f"run: medshare record restore --as {name}",
                )
            if self._publishes_for_others(account):
                yield self._guarded(f"accreditation {name}", partial(self._accreditation, name, account))

    @staticmethod
    def _guarded(check: str, examine: Callable[[], tuple[Health, str, str]]) -> Finding:
        try:
            health, says, mend = examine()
        except MedshareError as error:
            health, says, mend = Health.BAD, str(error), error.hint
        except OSError as error:
            health, says, mend = Health.BAD, str(error), "see that this user may read and write there"
        return Finding(check=check, health=health, says=says, mend=mend)

    def _chain(self) -> tuple[Health, str, str]:
        head = self._ledger.chain.head()
        return Health.GOOD, f"chain {self._ledger.chain.chain_id}, block {head.number}, contracts checked", ""

    def _clock_against_chain(self) -> tuple[Health, str, str]:
        behind = self._ledger.chain.head().time - self._clock.now()
        if behind > CLOCK_TOLERANCE:
            return (
                Health.WARNING,
                f"this machine's clock is {behind} s behind the newest block",
                "set the clock: until then the chain's time is used",
            )
        if -behind > STALE_AFTER:
            return (
                Health.WARNING,
                f"the newest block is {-behind} s old: nothing happens on this chain, or the node stands still",
                "ask another node: revocations after that block are not seen here",
            )
        return Health.GOOD, "clock and chain agree about the time", ""

    def _index(self) -> tuple[Health, str, str]:
        block = self._auditing.sync()
        return Health.GOOD, f"the index has read the chain up to block {block.number}", ""

    def _store_keeps(self) -> tuple[Health, str, str]:
        probe = Block.of(Codec.RAW, b"medshare probe " + secrets.token_bytes(16))
        try:
            self._store.put([probe])
            self._store.get(probe.cid)
        except ReadOnlyStoreError:
            return Health.GOOD, "the store is a gateway: it is read from, and nothing is published or granted here", ""
        except StoreUnavailableError as error:
            return Health.BAD, str(error), "start the store's node, or choose another store: medshare init --store ..."
        return Health.GOOD, f"the store takes and returns blocks and keeps {len(self._store.pins())} pins", ""

    @staticmethod
    def _replication(replicating: Replicating, *, deep: bool) -> tuple[Health, str, str]:
        found = replicating.status(deep=deep)
        if found.unreached:
            names = ", ".join(answer.name for answer in found.unreached)
            return (
                Health.WARNING,
                f"these storage nodes do not answer: {names}",
                "ask who runs them; then: medshare storage repair",
            )
        if found.wanting:
            return (
                Health.WARNING,
                f"{len(found.wanting)} of {len(found.roots)} records and bundles are not whole at {found.copies} nodes",
                "run: medshare storage repair; which they are says: medshare storage status",
            )
        return Health.GOOD, f"{len(found.roots)} records and bundles are at {found.copies} storage nodes each", ""

    def _space(self) -> tuple[Health, str, str]:
        free = shutil.disk_usage(self._folder).free
        if free < LOW_SPACE:
            return (
                Health.WARNING,
                f"{free >> 20} MiB are free on the home's disk",
                "free some: what cannot be written is refused",
            )
        return Health.GOOD, f"{free >> 30} GiB are free on the home's disk", ""

    def _publications(self, *, deep: bool, progress: Progress) -> tuple[Health, str, str]:
        unfinished = len(self._journal.unfinished()) + len(self._journal.batched(anchored=False))
        if unfinished:
            return (
                Health.WARNING,
                f"{unfinished} publications are stored and not registered",
                "run: medshare record resume --as NAME, as the custodian",
            )
        published = [each.record_id for each in self._journal.finished()] + self._journal.batched(anchored=True)
        missing = []
        try:
            for done, each in enumerate(published):
                if deep:
                    progress("hashing", done, len(published))
                if not self._whole(each, deep=deep):
                    missing.append(each)
        except StoreUnavailableError:
            return (
                Health.WARNING,
                "whether published records are whole cannot be said without the store",
                "mend the store",
            )
        if missing:
            return (
                Health.BAD,
                f"{len(missing)} published records are not whole in the store, first {missing[0].hex()}",
                "import them from another node or a CAR archive",
            )
        if deep:
            return Health.GOOD, "every block of the records published from here is there and has its hash", ""
        return Health.GOOD, "every block of the records published from here is there; --deep hashes them, too", ""

    def _whole(self, record_id: bytes, *, deep: bool) -> bool:
        try:
            for part in references(self._store.get, Cid.of_directory(record_id)):
                if part.data is not None:
                    continue
                if deep:
                    self._store.get(part.cid)
                elif not self._store.has(part.cid):
                    return False
        except StoreUnavailableError:
            raise
        except StoreError:
            return False
        return True

    def _identity(self, name: str, account: Address, key: bytes) -> tuple[Health, str, str]:
        try:
            published = self._ledger.directory.encryption_key(account, block=self._ledger.chain.head())
        except EncryptionKeyNotSetError:
            mend = f"run: medshare identity publish {name}"
            return Health.WARNING, "its encryption key is not in the Directory", mend
        if published.key != key:
            return (
                Health.BAD,
                "the Directory holds another encryption key than this machine",
                "if that was not you, revoke everything; else publish this key or import the other one",
            )
        return Health.GOOD, "its encryption key is in the Directory", ""

    def _published_unknown(self, account: Address) -> bool:
        with suppress(MedshareError):
            return published_unknown(self._journal, self._auditing, account)
        return False

    def _publishes_for_others(self, account: Address) -> bool:
        """Whether this is a custodian; where the chain cannot be read, that is told by its own check."""
        with suppress(MedshareError):
            return any(patient != account for patient in self._auditing.patients_of(account))
        return False

    def _accreditation(self, name: str, account: Address) -> tuple[Health, str, str]:
        block = self._ledger.chain.head()
        stands = self._ledger.accreditation.accreditation(account, AccreditationKind.CUSTODIAN, block=block)
        ask = f"ask a member: medshare consortium accredit {name} --kind custodian --until 365d --as MEMBER"
        if not self._ledger.accreditation.is_accredited(account, AccreditationKind.CUSTODIAN, block=block):
            if stands.suspension is Suspension.BY_VOTE:
                ask = "ask a member to propose it: medshare consortium propose reinstate-actor"
            elif stands.suspension is Suspension.BY_MEMBER:
                ask = f"ask the member that suspended it: medshare consortium reinstate {name} --kind custodian"
            return Health.BAD, "it holds records of others and is no accredited custodian: it can register nothing", ask
        left = stands.valid_until - max(block.time, self._clock.now())
        if left < ENDS_SOON * _DAY:
            return Health.WARNING, f"its accreditation as a custodian ends in {lasting(left)}", ask
        return Health.GOOD, "it is an accredited custodian", ""
