"""Erasing: a custodian destroys a record, in all its versions, and proves what can be proved of it.

    erased = erasing.erase(record_id, "Art. 17(1)(b) GDPR: consent withdrawn", custodian=hospital)

The steps, numbered as in the code:

(1) resolve all versions; refuse under a legal hold, during an emergency of the patient, or before the retention policy
    lets it go;
(2) find all blocks, who could have read it, and what was released in emergencies that are over; write the plan down;
(3) mark every version on chain: from here on nobody fetches it, and nobody copies it to where it is wanting;
(4) forget it here: the journal's way from its text to its ids, and the slips that say how good it was;
(5) at one's own store and at every storage node: unpin, remove each block, and look whether it is gone. With header,
    manifest and payload go the key that the header holds, and the salt of the text that the manifest holds;
(6) sign the certificate, which names what was verified and what could not be erased.

Killed at any step, the same call goes on. A node that is down leaves the erasure unfinished, and named; the same call
again asks it once more. Readers see the mark in their inbox; what they answer is in the ``ErasureBook``.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medshare.errors import IntegrityError, InvalidInputError, LedgerBusyError, RecordNotActiveError
from medshare.model.eip712 import Domain
from medshare.model.erasure import Certificate, ErasedPlace, ErasedVersion, Statement, erasure_mark
from medshare.model.events import RecordRetracted
from medshare.model.ids import RecordId
from medshare.model.record import RecordEntry, RecordRef, RecordStatus
from medshare.ports import Actor, BlobStore, Clock, ContractWallets, Ledger
from medshare.services.auditing import Auditing, is_erasure
from medshare.services.batch_book import BatchBook
from medshare.services.erasure_journal import ErasureEntry, ErasureJournal, ErasurePlan, ErasureStage
from medshare.services.erasure_planning import ErasurePlanning
from medshare.services.journal import PublicationJournal
from medshare.services.kept_texts import MAX_TEXT
from medshare.services.progress import Progress, silent
from medshare.services.removing import Removed, remove_from
from medshare.services.slips import Slips
from medshare.services.statements import state

DAY = 86_400
WHAT_REMAINS = (
    (
        "The chain's entries: ids of encrypted bytes, the addresses of patient and custodian, times, grants, and the "
        "mark. A chain forgets nothing. The ids lead to no text: what they named is gone, and its salt with it."
    ),
    (
        "Copies that readers made while they had the right. They are asked to erase them; what they answer is listed, "
        "and nothing can enforce it."
    ),
    (
        "Header packets in bundles that the patient gave his readers. Without the payload they open nothing; his "
        "client takes them out, with: medshare record forget."
    ),
    (
        "Copies at storage nodes that are not named here, in caches of gateways, in backups, and in freed sectors of "
        "disks, until they are overwritten. They are encrypted; readers who kept the key could open them."
    ),
)
"""What no custodian can erase, and why, for a person."""
_NOT_LISTED = "Blocks of version {}: no store had its directory whole any more, so that not all of them are known."
_IN_BATCH = (
    "Of version {}, which was published in a batch: the batch's root on chain, and in its catalogue the record's id "
    "and salt, for those who could read them before. A catalogue is one for all records of its batch."
)
_BEFORE = (
    "Version {} had been withdrawn before, for another reason, and a record is withdrawn once: the chain does not say "
    "that it was erased since. Patient and readers are told by a signed notice: medshare record erasure-notice."
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What came of erasing a record."""

    record_id: RecordId
    """The newest version."""
    versions: tuple[RecordId, ...]
    removed: tuple[Removed, ...]
    """What each store said; empty where it was finished before."""
    certificate: Statement[Certificate] | None
    """None where a store is left: repeat it."""
    already: bool
    """Whether it had been finished before, so that nothing was done now."""

    @property
    def unfinished(self) -> tuple[Removed, ...]:
        """Stores that did not answer, or hold a block still."""
        return tuple(each for each in self.removed if not each.gone)


class Erasing:
    """Erases records, as their custodian.

    Args:
        ledger: the contracts.
        clock: the time on the wall.
        auditing: versions and marks.
        planning: what is to be erased, and what stands against it.
        publications: the journal of what was published.
        journal: how far erasures have come.
        places: one's own store and the institutions' nodes, by name.
        domain: of the RecordRegistry, for signatures.
        wallets: the custodian may be a contract wallet.
        slips: what is kept of the quality of records; None where nobody keeps any.
        batches: what can be shown of batches; None where nothing is.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        clock: Clock,
        auditing: Auditing,
        planning: ErasurePlanning,
        publications: PublicationJournal,
        journal: ErasureJournal,
        places: Mapping[str, BlobStore],
        domain: Domain,
        wallets: ContractWallets,
        slips: Slips | None = None,
        batches: BatchBook | None = None,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._auditing = auditing
        self._planning = planning
        self._publications = publications
        self._journal = journal
        self._places = places
        self._domain = domain
        self._wallets = wallets
        self._slips = slips
        self._batches = batches

    def erase(self, record_id: RecordId, reason: str, *, custodian: Actor, progress: Progress = silent) -> Erased:
        """Erase a record in all its versions; repeated, it goes on where it was.

        Args:
            record_id: any of its versions.
            reason: why; the text stays in the safe, its salted digest goes into the certificate.
            custodian: whose record it is.
            progress: told how far it is.

        Raises:
            LegalHoldError, RetentionError, EmergencyInForceError: it may not be erased now; nothing was done.
            InvalidInputError: no reason is given, or a new version of it is being published.
            ConfigurationError: there is no retention policy, or it cannot be used.
            UnknownRecordError: the custodian has registered no such record.
            LedgerBusyError: another process is erasing it, or has just published a new version of it.
            SigningError: the certificate was not signed; all else is done.
            StoreUnavailableError: where its blocks are cannot be found out now; nothing was done.
            IntegrityError: the chain does not show the mark that it has taken; nothing was removed.
            LedgerError, StoreFullError: repeat, nothing is done twice.
        """
        if not reason.strip() or len(reason) > MAX_TEXT:
            raise InvalidInputError(f"an erasure has a reason, of at most {MAX_TEXT} characters")
        versions = self._versions(record_id, custodian)  # (1)
        newest = versions[0].record_id
        with self._journal.claimed(custodian.address, newest):
            entry = self._journal.find(custodian.address, newest)
            if entry is not None and entry.certificate is not None:
                return _finished(entry)
            if entry is None or entry.stage is ErasureStage.PLANNED:
                plan = self._planning.plan(versions, reason, custodian=custodian, progress=progress)
                self._journal.write(plan, ErasureStage.PLANNED)  # (2)
                self._mark(versions, custodian, progress)  # (3)
                if self._versions(record_id, custodian)[0].record_id != newest:
                    raise LedgerBusyError("a new version of the record was registered at the same moment")
                for version in plan.versions:
                    self._retraction(plan, version)  # removed is only what the chain shows as marked
                self._journal.write(plan, ErasureStage.MARKED)
            else:
                plan = entry.plan
            self._publications.erase(plan.versions)  # (4)
            if self._slips is not None:
                self._slips.forget(plan.versions)
            removed = remove_from(self._places, plan.roots, plan.blocks, progress=progress)  # (5)
            certificate = None
            if all(each.gone for each in removed):
                certificate = self._certify(plan, removed, custodian)  # (6)
                self._journal.write(plan, ErasureStage.ERASED, certificate)
        return Erased(
            record_id=newest,
            versions=plan.versions,
            removed=tuple(removed),
            certificate=certificate,
            already=False,
        )

    def _versions(self, record_id: RecordId, custodian: Actor) -> tuple[RecordEntry, ...]:
        head = self._ledger.chain.head()
        entry = self._ledger.records.record(custodian.address, record_id, block=head)
        return self._auditing.lineage(entry)

    def _mark(self, versions: Sequence[RecordEntry], custodian: Actor, progress: Progress) -> None:
        for done, entry in enumerate(versions):
            progress("marking", done, len(versions))
            head = self._ledger.chain.head()
            standing = self._ledger.records.record(custodian.address, entry.record_id, block=head)
            if standing.status is RecordStatus.RETRACTED:
                continue
            mark = erasure_mark(custodian.address, entry.record_id)
            try:
                self._ledger.records.retract(custodian.signer, entry.record_id, mark)
            except RecordNotActiveError:
                # What was sent before has been mined since we looked.
                _log.debug("record %s was marked meanwhile", entry.record_id.hex())

    def _certify(self, plan: ErasurePlan, removed: Sequence[Removed], custodian: Actor) -> Statement[Certificate]:
        now = self._now()
        versions = tuple(self._version(each, plan) for each in plan.versions)
        remains = [
            *WHAT_REMAINS,
            *(_IN_BATCH.format(each.hex()) for each in plan.versions if self._of_batch(plan, each)),
            *(_BEFORE.format(each.record_id.hex()) for each in versions if not each.marked),
            *(_NOT_LISTED.format(each.hex()) for each in plan.unlisted),
        ]
        certificate = Certificate(
            custodian=plan.custodian,
            patient=plan.patient,
            record_id=plan.record_id,
            versions=versions,
            blocks=tuple(map(str, plan.blocks)),
            places=tuple(ErasedPlace(name=each.name, remaining=0, verified_at=now) for each in removed),
            readers=plan.readers,
            acknowledge_by=(versions[0].marked_at if versions[0].marked else now) + plan.acknowledge_within * DAY,
            policy=plan.policy,
            jurisdiction=plan.jurisdiction,
            reason=plan.reason,
            issued_at=now,
            remains=tuple(remains),
        )
        return state(certificate, self._domain, signer=custodian.signer, wallets=self._wallets)

    def _of_batch(self, plan: ErasurePlan, record_id: RecordId) -> bool:
        ref = RecordRef(custodian=plan.custodian, record_id=record_id)
        return self._batches is not None and bool(self._batches.showing([ref]))

    def _version(self, record_id: RecordId, plan: ErasurePlan) -> ErasedVersion:
        retracted = self._retraction(plan, record_id)
        entry = self._ledger.records.record(plan.custodian, record_id, block=self._ledger.chain.head())
        return ErasedVersion(
            record_id=record_id,
            version=entry.version,
            marked_at=retracted.place.block.time,
            transaction=retracted.place.tx_hash,
            marked=is_erasure(retracted),
        )

    def _retraction(self, plan: ErasurePlan, record_id: RecordId) -> RecordRetracted:
        for event in self._auditing.trail(plan.patient):
            if isinstance(event, RecordRetracted) and (event.custodian, event.record_id) == (plan.custodian, record_id):
                return event
        raise IntegrityError(f"the chain does not tell that record {record_id.hex()} was withdrawn")

    def _now(self) -> int:
        return max(self._ledger.chain.head().time, self._clock.now())


def _finished(entry: ErasureEntry) -> Erased:
    plan = entry.plan
    return Erased(
        record_id=plan.record_id, versions=plan.versions, removed=(), certificate=entry.certificate, already=True
    )
