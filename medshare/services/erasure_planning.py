"""What is to be erased of a record, where it is, who could have read it, and whether it may be erased now."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from medshare.content import Cid
from medshare.errors import (
    ConfigurationError,
    EmergencyInForceError,
    InvalidInputError,
    LedgerError,
    MedshareError,
    RetentionError,
    StoreUnavailableError,
)
from medshare.model.erasure import MAX_BLOCKS
from medshare.model.ids import Address, RecordId
from medshare.model.record import Manifest, RecordEntry
from medshare.model.retention import MAX_POLICY_SIZE, RetentionPolicy
from medshare.ports import Actor, BlobStore, Clock, Ledger
from medshare.services.auditing import Auditing
from medshare.services.emergencies import Emergencies
from medshare.services.erasure_journal import ErasurePlan
from medshare.services.holds import LegalHolds
from medshare.services.journal import PublicationJournal
from medshare.services.kept_texts import KeptTexts
from medshare.services.past_readers import PastReaders
from medshare.services.progress import Progress, silent
from medshare.services.safe import Safe
from medshare.services.storage_nodes import blocks_of
from medshare.services.stored_version import StoredVersion

_log = logging.getLogger(__name__)


class ErasurePlanning:
    """Plans erasures, as a custodian.

    Args:
        ledger: the contracts.
        store: where records are read.
        clock: the time on the wall.
        auditing: emergencies and marks.
        holds: legal holds.
        emergencies: what was released in them.
        readers: who could have read a record.
        publications: the journal of what was published.
        safe: where reasons are kept.
        policy: the file with the retention policy.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        store: BlobStore,
        clock: Clock,
        auditing: Auditing,
        holds: LegalHolds,
        emergencies: Emergencies,
        readers: PastReaders,
        publications: PublicationJournal,
        safe: Safe,
        policy: Path,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._clock = clock
        self._auditing = auditing
        self._holds = holds
        self._emergencies = emergencies
        self._readers = readers
        self._publications = publications
        self._texts = KeptTexts(safe)
        self._policy = policy

    def plan(
        self, versions: Sequence[RecordEntry], reason: str, *, custodian: Actor, progress: Progress = silent
    ) -> ErasurePlan:
        """Return what is to be erased of one record, if nothing stands against it.

        Args:
            versions: all of them, newest first.
            reason: why; kept in the safe.
            custodian: whose record it is.
            progress: told how far it is.

        Raises:
            LegalHoldError, RetentionError, EmergencyInForceError: it may not be erased now.
            InvalidInputError: a new version of it is being published, or it is too large for one certificate.
            ConfigurationError: there is no retention policy, or it cannot be used.
            StoreUnavailableError: where its blocks are cannot be found out now.
            LedgerError, StoreFullError: repeat.
        """
        patient = versions[0].patient
        ids = tuple(entry.record_id for entry in versions)
        policy = self._load_policy()
        self._holds.check(versions[0], custodian=custodian)
        self._check_emergencies(patient)
        self._check_retention(versions, policy, custodian)
        if any(each.supersedes in ids for each in self._publications.unfinished()):
            raise InvalidInputError(
                "a new version of this record is being published",
                hint="finish it first: medshare record resume",
            )
        progress("looking for blocks", 0, len(versions))
        over = tuple(
            bundle
            for emergency in self._auditing.emergencies(patient=patient)
            for bundle in self._emergencies.bundles_with(ids, emergency, custodian=custodian)
        )
        blocks: dict[Cid, None] = {}
        unlisted = []
        for done, each in enumerate((*ids, *over)):
            root = Cid.of_directory(each)
            found = self._blocks(root)
            blocks |= dict.fromkeys(found)
            if len(found) == 1 and each in ids:
                unlisted.append(RecordId(each))
            progress("looking for blocks", done, len(ids) + len(over))
        if len(blocks) > MAX_BLOCKS:
            raise InvalidInputError(f"the record has {len(blocks)} blocks, one certificate names {MAX_BLOCKS}")
        kept = self._texts.keep(reason, owner=custodian, tag="medshare/erasure-salt/1", context=ids[0])
        return ErasurePlan(
            custodian=custodian.address,
            patient=patient,
            record_id=ids[0],
            versions=ids,
            releases=over,
            blocks=tuple(blocks),
            unlisted=tuple(unlisted),
            readers=self._readers.of(versions, custodian=custodian),
            policy=policy.digest,
            jurisdiction=policy.jurisdiction,
            acknowledge_within=policy.acknowledge_within,
            reason=kept.digest,
        )

    def _blocks(self, root: Cid) -> list[Cid]:
        """Return the blocks of a root; only the root where its directory is gone. Raises ``StoreUnavailableError``."""
        try:
            self._store.get(root)
        except StoreUnavailableError:
            raise
        except MedshareError:
            return [root]
        return blocks_of(root, self._store.get)

    def _load_policy(self) -> RetentionPolicy:
        try:
            with self._policy.open("rb") as stream:
                return RetentionPolicy.from_toml(stream.read(MAX_POLICY_SIZE + 1))
        except OSError as error:
            raise ConfigurationError(
                f"there is no retention policy that can be read: {self._policy}",
                hint="write how long records are to be kept into it, as docs/erasure.md shows",
            ) from error
        except InvalidInputError as error:
            raise ConfigurationError(f"{self._policy}: {error}", hint="docs/erasure.md shows one") from error

    def _check_emergencies(self, patient: Address) -> None:
        now = self._now()
        for emergency in self._auditing.emergencies(patient=patient):
            if emergency.episode.ends_at > now:
                raise EmergencyInForceError(patient, emergency.episode.ends_at)

    def _check_retention(self, versions: Sequence[RecordEntry], policy: RetentionPolicy, custodian: Actor) -> None:
        """Raise ``RetentionError`` with the latest day of all versions; those that are marked were let go before."""
        kept = []
        for entry in versions:
            if self._auditing.erasure(entry.ref) is None:
                manifest = self._manifest(entry, custodian)
                category, clinical_date = (
                    (None, None) if manifest is None else (manifest.category, manifest.clinical_date)
                )
                kept.append((policy.kept_until(category, clinical_date, entry.registered_at), entry.record_id))
        today = datetime.fromtimestamp(self._now(), UTC).date()
        late = [(each.until, record_id, each.rule) for each, record_id in kept if today < each.until]
        if late:
            until, record_id, rule = max(late)
            raise RetentionError(record_id, until, rule)

    def _manifest(self, entry: RecordEntry, custodian: Actor) -> Manifest | None:
        try:
            return StoredVersion.open(self._store, entry, custodian.identity, progress=silent).manifest
        except (StoreUnavailableError, LedgerError):
            raise
        except MedshareError:
            _log.warning("record %s does not open for its custodian", entry.record_id.hex())
            return None

    def _now(self) -> int:
        return max(self._ledger.chain.head().time, self._clock.now())
