"""What became of erasures: who has answered, who is overdue, and whether a certificate still says what is so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from medshare.content import Cid
from medshare.errors import IntegrityError, InvalidInputError
from medshare.model.eip712 import Domain
from medshare.model.erasure import Acknowledgement, Certificate, ErasedVersion, ErasureNotice, Statement
from medshare.model.ids import Address, RecordId
from medshare.model.record import RecordEntry, RecordRef, RecordStatus
from medshare.ports import Actor, BlobStore, Clock, ContractWallets, Ledger
from medshare.services.auditing import Auditing
from medshare.services.erasure_journal import ErasureEntry, ErasureJournal, ErasureStage
from medshare.services.removing import Removed, look_for
from medshare.services.statements import check, state

DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureStanding:
    """How an erasure stands, and what its readers have answered."""

    entry: ErasureEntry
    marked_at: int | None
    """None where nothing is on chain yet."""
    acknowledged: Mapping[Address, Statement[Acknowledgement]]
    missing: tuple[Address, ...]
    """Readers who have not answered."""
    acknowledge_by: int | None
    overdue: bool
    """Whether somebody has not answered in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedErasure:
    """What chain and stores say today of a certificate, whose signature is good."""

    certificate: Certificate
    unmarked: tuple[RecordId, ...]
    """Versions that it says are marked, and are not."""
    found: tuple[Removed, ...]
    """What each store says that is named here."""

    @property
    def holds(self) -> bool:
        """Whether every version is marked, and no store that is named here has a block of it."""
        return not self.unmarked and all(each.gone for each in self.found)


class ErasureBook:
    """Answers about erasures.

    Args:
        ledger: the contracts.
        clock: the time on the wall.
        auditing: marks on chain.
        journal: how far erasures have come, and what was answered.
        places: one's own store and the institutions' nodes, by name.
        domain: of the RecordRegistry, for signatures.
        wallets: authors may be contract wallets.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        clock: Clock,
        auditing: Auditing,
        journal: ErasureJournal,
        places: Mapping[str, BlobStore],
        domain: Domain,
        wallets: ContractWallets,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._auditing = auditing
        self._journal = journal
        self._places = places
        self._domain = domain
        self._wallets = wallets

    def standings(self, custodian: Address) -> list[ErasureStanding]:
        """Return how each erasure of a custodian stands, and who has not answered. Raises ``LedgerError``."""
        now = self._now()
        return [self._standing(entry, now) for entry in self._journal.all(custodian)]

    def _standing(self, entry: ErasureEntry, now: int) -> ErasureStanding:
        plan = entry.plan
        mark = self._auditing.erasure(RecordRef(custodian=plan.custodian, record_id=plan.record_id))
        marked_at = None if mark is None else mark.place.block.time
        due = None if marked_at is None else marked_at + plan.acknowledge_within * DAY
        if due is None and entry.certificate is not None:
            due = entry.certificate.stated.acknowledge_by  # withdrawn before: nothing marks it
        taken = self._journal.taken(plan.custodian, plan.record_id)
        missing = tuple(each.reader for each in plan.readers if each.reader not in taken)
        return ErasureStanding(
            entry=entry,
            marked_at=marked_at,
            acknowledged=taken,
            missing=missing,
            acknowledge_by=due,
            overdue=bool(missing) and due is not None and due <= now,
        )

    def take(self, statement: Statement[Acknowledgement], *, custodian: Address) -> ErasureStanding:
        """Keep what a reader has answered.

        Raises:
            WrongDomainError, SignatureInvalidError: it is another deployment's, or not the reader's word.
            InvalidInputError: it is of a record that this custodian has not erased, or of somebody to whom the patient
                never granted anything.
            LedgerError, StoreFullError: repeat.
        """
        check(statement, self._domain, wallets=self._wallets)
        said = statement.stated
        entry = self._journal.find(custodian, said.record_id) if said.custodian == custodian else None
        if entry is None:
            raise InvalidInputError("the acknowledgement is of a record that is not erased here")
        if not self._was_asked(said.reader, entry):
            raise InvalidInputError(f"{said.reader} is not among those who could read this record")
        self._journal.take(statement)
        return self._standing(entry, self._now())

    # ------------------------------------------------------------------------------------------- notices

    def notice(self, record_id: RecordId, *, custodian: Actor) -> Statement[ErasureNotice]:
        """Sign a notice of an erasure that the chain does not tell, for patient and readers.

        Args:
            record_id: any of the record's versions.
            custodian: who has erased it.

        Raises:
            UnknownRecordError: the custodian has registered no such record.
            InvalidInputError: it is not erased, or the chain tells it already.
            SigningError: it was not signed.
            LedgerError: the chain failed.
        """
        record = RecordRef(custodian=custodian.address, record_id=record_id)
        versions = self._auditing.lineage(self._entry(record))
        entry = self._journal.find(custodian.address, versions[0].record_id)
        if entry is None or entry.stage is ErasureStage.PLANNED:
            raise InvalidInputError("the record is not erased here", hint="first: medshare record erase")
        if any(self._auditing.erasure(each.ref) for each in versions):
            raise InvalidInputError("the chain tells of this erasure already, and so do inboxes")
        now = self._now()
        by = now + entry.plan.acknowledge_within * DAY
        said = ErasureNotice(
            custodian=custodian.address,
            patient=entry.plan.patient,
            record_id=entry.plan.record_id,
            versions=entry.plan.versions,
            acknowledge_by=by if entry.certificate is None else entry.certificate.stated.acknowledge_by,
            issued_at=now,
        )
        return state(said, self._domain, signer=custodian.signer, wallets=self._wallets)

    def take_notice(self, statement: Statement[ErasureNotice]) -> ErasureNotice:
        """Check a custodian's notice, and keep it: inboxes of this home tell it from now on.

        Raises:
            WrongDomainError, SignatureInvalidError: it is another deployment's, or not the custodian's word.
            UnknownRecordError: he has registered no such record.
            IntegrityError: the chain tells of another patient or of other versions, or one is not withdrawn.
            LedgerError, StoreFullError: repeat.
        """
        check(statement, self._domain, wallets=self._wallets)
        said = statement.stated
        versions = self._auditing.lineage(self._entry(RecordRef(custodian=said.custodian, record_id=said.record_id)))
        told = (said.patient, said.record_id, said.versions)
        if told != (versions[0].patient, versions[0].record_id, tuple(each.record_id for each in versions)):
            raise IntegrityError("the notice tells of another patient or of other versions than the chain")
        if versions[0].status is not RecordStatus.RETRACTED:
            raise IntegrityError("the notice is of a record that its custodian has not withdrawn")
        self._journal.keep_notice(statement)
        return said

    def _entry(self, record: RecordRef) -> RecordEntry:
        return self._ledger.records.record(record.custodian, record.record_id, block=self._ledger.chain.head())

    def _was_asked(self, reader: Address, entry: ErasureEntry) -> bool:
        """Whether his inbox has asked him; the chain does not tell which record a grant was about."""
        patient = entry.plan.patient
        listed = reader in {each.reader for each in entry.plan.readers}
        granted = self._auditing.grants(patient=patient, grantee=reader)
        return listed or bool(granted) or bool(self._auditing.emergencies(patient=patient, clinician=reader))

    def verify(self, statement: Statement[Certificate]) -> VerifiedErasure:
        """Check a certificate, and ask chain and stores anew. Anybody may.

        Raises:
            WrongDomainError, SignatureInvalidError: it is another deployment's, or not the custodian's word.
            InvalidInputError: a block that it names is none.
            LedgerError: the chain failed. Stores that cannot be asked are in the answer.
        """
        check(statement, self._domain, wallets=self._wallets)
        certificate = statement.stated
        blocks = [Cid.parse(each) for each in certificate.blocks]
        return VerifiedErasure(
            certificate=certificate,
            unmarked=tuple(
                each.record_id
                for each in certificate.versions
                if each.marked and not self._agrees(each, certificate.custodian)
            ),
            found=tuple(look_for(self._places, blocks)),
        )

    def _agrees(self, version: ErasedVersion, custodian: Address) -> bool:
        mark = self._auditing.erasure(RecordRef(custodian=custodian, record_id=version.record_id))
        said = (version.transaction, version.marked_at)
        return mark is not None and (mark.place.tx_hash, mark.place.block.time) == said

    def _now(self) -> int:
        return max(self._ledger.chain.head().time, self._clock.now())
