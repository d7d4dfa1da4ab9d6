"""RecordRegistry: which records exist, by whose word, in which version."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from medshare.errors import (
    BatchCountOutOfRangeError,
    BatchExistsError,
    CustodianNotAccreditedError,
    NotInBatchError,
    PatientIsZeroError,
    RecordExistsError,
    RecordIdIsZeroError,
    RecordNotActiveError,
    RootIsZeroError,
    UnknownBatchError,
    UnknownRecordError,
    VersionsExhaustedError,
)
from medshare.hashing import DIGEST_SIZE
from medshare.model.accreditation import AccreditationKind
from medshare.model.events import (
    BatchAnchored,
    EventPlace,
    RecordEvent,
    RecordRegistered,
    RecordRetracted,
    RecordSuperseded,
    RegisteredFromBatch,
)
from medshare.model.ids import ZERO_ADDRESS, Address, CatalogueId, RecordId
from medshare.model.record import RecordEntry, RecordStatus
from medshare.model.record_batch import MAX_BATCH, AnchoredBatch, Inclusion
from medshare.model.rules.directory import DirectoryRules
from medshare.model.rules.signatures import require_signature
from medshare.model.typed_data import SignableAnchorBatch, SignableRegister, SignableRetract, SignableSupersede

LAST_VERSION = (1 << 16) - 1
_ZERO_ID = bytes(DIGEST_SIZE)


@dataclass
class RecordRules(DirectoryRules):
    """State and verbs of RecordRegistry, which asks the directory who is a custodian."""

    records: dict[tuple[Address, RecordId], RecordEntry] = field(default_factory=dict)
    batches: dict[tuple[Address, bytes], AnchoredBatch] = field(default_factory=dict)

    def register(
        self, caller: Address, record_id: RecordId, patient: Address, place: EventPlace
    ) -> tuple[RecordRegistered]:
        """Register a first version, as an accredited custodian; everybody may register his own."""
        if patient == ZERO_ADDRESS:
            raise PatientIsZeroError
        self._check_new(caller, record_id, patient, place)
        event = RecordRegistered(place=place, custodian=caller, patient=patient, record_id=record_id)
        self._apply_record(event)
        return (event,)

    def supersede(
        self, caller: Address, record_id: RecordId, previous_id: RecordId, place: EventPlace
    ) -> tuple[RecordSuperseded]:
        """Put a new version in the place of the caller's active record."""
        previous = self.record(caller, previous_id)
        if previous.status is not RecordStatus.ACTIVE:
            raise RecordNotActiveError(caller, previous_id, previous.status)
        if previous.version == LAST_VERSION:
            raise VersionsExhaustedError(caller, previous_id)
        self._check_new(caller, record_id, previous.patient, place)
        event = RecordSuperseded(
            place=place,
            custodian=caller,
            patient=previous.patient,
            record_id=record_id,
            previous_id=previous_id,
        )
        self._apply_record(event)
        return (event,)

    def retract(self, caller: Address, record_id: RecordId, reason: bytes, place: EventPlace) -> tuple[RecordRetracted]:
        """Withdraw the caller's record, once."""
        entry = self.record(caller, record_id)
        if entry.status is RecordStatus.RETRACTED:
            raise RecordNotActiveError(caller, record_id, entry.status)
        event = RecordRetracted(place=place, custodian=caller, record_id=record_id, reason=reason)
        self._apply_record(event)
        return (event,)

    def anchor_batch(
        self, caller: Address, root: bytes, catalogue: CatalogueId, count: int, place: EventPlace
    ) -> tuple[BatchAnchored]:
        """State very many records by their root, once, as an accredited custodian."""
        self._require_custodian(caller, place)
        if root == _ZERO_ID:
            raise RootIsZeroError
        if not 0 < count <= MAX_BATCH:
            raise BatchCountOutOfRangeError(count)
        if (caller, root) in self.batches:
            raise BatchExistsError(caller, root)
        event = BatchAnchored(place=place, custodian=caller, root=root, catalogue=catalogue, count=count)
        self._apply_batch(event)
        return (event,)

    def register_from_batch(
        self, inclusion: Inclusion, place: EventPlace
    ) -> tuple[RecordRegistered, RegisteredFromBatch]:
        """Give a record of a batch an entry of its own. Anybody who can show it may."""
        entry = self.included(inclusion)
        if entry.patient == ZERO_ADDRESS:
            raise PatientIsZeroError
        self._check_free(entry.custodian, entry.record_id)
        registered = RecordRegistered(
            place=place, custodian=entry.custodian, patient=entry.patient, record_id=entry.record_id
        )
        drawn = RegisteredFromBatch(
            place=place.after(),
            custodian=entry.custodian,
            patient=entry.patient,
            record_id=entry.record_id,
            root=inclusion.root,
            anchored_at=entry.registered_at,
        )
        self._apply_record(registered)
        self._apply_record(drawn)
        return registered, drawn

    def batch(self, custodian: Address, root: bytes) -> AnchoredBatch:
        """Return a batch that a custodian anchored; raises ``UnknownBatchError``."""
        if (custodian, root) not in self.batches:
            raise UnknownBatchError(custodian, root)
        return self.batches[custodian, root]

    def included(self, inclusion: Inclusion) -> RecordEntry:
        """Return what a custodian states of a record by a batch; raises ``UnknownBatchError``, ``NotInBatchError``."""
        batch = self.batch(inclusion.custodian, inclusion.root)
        record = inclusion.record
        if not inclusion.holds:
            raise NotInBatchError(inclusion.custodian, inclusion.root, record.record_id)
        return entry_of(record.record_id, inclusion.custodian, record.patient, at=batch.anchored_at)

    def record(self, custodian: Address, record_id: RecordId) -> RecordEntry:
        """Return what a custodian states of a record; raises ``UnknownRecordError``."""
        if (custodian, record_id) not in self.records:
            raise UnknownRecordError(custodian, record_id)
        return self.records[custodian, record_id]

    def _custodians_word(
        self,
        message: SignableRegister | SignableSupersede | SignableRetract | SignableAnchorBatch,
        signer: Address,
        place: EventPlace,
        *,
        valid: bool,
    ) -> tuple[RecordEvent | BatchAnchored]:
        custodian = message.custodian
        is_custodians = valid and signer == custodian
        require_signature(custodian, deadline=message.deadline, now=place.block.time, valid=is_custodians)
        match message:
            case SignableRegister():
                return self.register(custodian, message.record_id, message.patient, place)
            case SignableSupersede():
                return self.supersede(custodian, message.record_id, message.previous_id, place)
            case SignableRetract():
                return self.retract(custodian, message.record_id, message.reason, place)
            case SignableAnchorBatch():
                return self.anchor_batch(custodian, message.root, message.catalogue, message.records, place)

    def _apply_record(self, event: RecordEvent) -> None:
        at = event.place.block.time
        match event:
            case RecordRegistered():
                self._enter(event.custodian, event.record_id, event.patient, 1, at)
            case RegisteredFromBatch():
                entry = self.records[event.custodian, event.record_id]
                self.records[event.custodian, event.record_id] = replace(entry, registered_at=event.anchored_at)
            case RecordSuperseded():
                previous = self.records[event.custodian, event.previous_id]
                self._enter(event.custodian, event.record_id, event.patient, previous.version + 1, at)
                self._end(previous, RecordStatus.SUPERSEDED, at)
            case RecordRetracted():
                self._end(self.records[event.custodian, event.record_id], RecordStatus.RETRACTED, at)

    def _apply_batch(self, event: BatchAnchored) -> None:
        self.batches[event.custodian, event.root] = AnchoredBatch(
            custodian=event.custodian, root=event.root, anchored_at=event.place.block.time, count=event.count
        )

    def _require_custodian(self, actor: Address, place: EventPlace) -> None:
        if not self.is_accredited(actor, AccreditationKind.CUSTODIAN, place.block.time):
            raise CustodianNotAccreditedError(actor)

    def _check_new(self, custodian: Address, record_id: RecordId, patient: Address, place: EventPlace) -> None:
        if custodian != patient:
            self._require_custodian(custodian, place)
        self._check_free(custodian, record_id)

    def _check_free(self, custodian: Address, record_id: RecordId) -> None:
        if record_id == _ZERO_ID:
            raise RecordIdIsZeroError
        if (custodian, record_id) in self.records:
            raise RecordExistsError(custodian, record_id)

    def _enter(self, custodian: Address, record_id: RecordId, patient: Address, version: int, at: int) -> None:
        self.records[custodian, record_id] = entry_of(record_id, custodian, patient, at=at, version=version)

    def _end(self, entry: RecordEntry, status: RecordStatus, at: int) -> None:
        ended = replace(entry, status=status, ended_at=entry.ended_at or at)
        self.records[entry.custodian, entry.record_id] = ended


def entry_of(record_id: RecordId, custodian: Address, patient: Address, *, at: int, version: int = 1) -> RecordEntry:
    """Return the entry of a record that is stated from ``at`` on (Unix seconds)."""
    return RecordEntry(
        record_id=record_id,
        custodian=custodian,
        patient=patient,
        registered_at=at,
        ended_at=0,
        version=version,
        status=RecordStatus.ACTIVE,
    )
