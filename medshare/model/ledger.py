"""The three contracts as one pure state machine: the reference they are tested against.

A verb checks the rules, raises the error the contract would, or returns the event the contract would emit and applies
it. ``apply`` alone, event by event, rebuilds the same state: that is what an index does.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import assert_never

from medshare.errors import (
    EncryptionKeyIsZeroError,
    EncryptionKeyNotSetError,
    EncryptionKeyUnchangedError,
    GranteeIsPatientError,
    GranteeIsZeroError,
    GrantExhaustedError,
    GrantIdTakenError,
    NotThePatientError,
    PatientExhaustedError,
    PatientIsZeroError,
    PeriodEmptyError,
    PurposesEmptyError,
    RecordExistsError,
    RecordIdIsZeroError,
    RecordNotActiveError,
    UnknownGrantError,
    UnknownRecordError,
    VersionsExhaustedError,
)
from medshare.hashing import DIGEST_SIZE
from medshare.model.consent import Grant, GrantRequest, Reason, liveness
from medshare.model.events import (
    AccessGranted,
    AccessRevoked,
    AllAccessRevoked,
    EncryptionKeySet,
    EventPlace,
    LedgerEvent,
    RecordRegistered,
    RecordRetracted,
    RecordSuperseded,
)
from medshare.model.ids import (
    ZERO_ADDRESS,
    Address,
    GrantId,
    RecordId,
    derive_grant_id,
    patient_of,
)
from medshare.model.purpose import Purpose
from medshare.model.record import RecordEntry, RecordStatus

LAST_COUNT = 255
"""Stamps and epochs stop here: what has come so far can be revoked, never granted."""
LAST_VERSION = (1 << 16) - 1
_ZERO_DIGEST = bytes(DIGEST_SIZE)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptionKey:
    """An actor's key in the Directory."""

    key: bytes
    version: int
    set_at: int


@dataclass(slots=True)
class LedgerModel:
    """State of Directory, RecordRegistry and ConsentRegistry, with their verbs."""

    keys: dict[Address, EncryptionKey] = field(default_factory=dict)
    records: dict[tuple[Address, RecordId], RecordEntry] = field(default_factory=dict)
    grants: dict[GrantId, Grant] = field(default_factory=dict)
    stamps: dict[Address, int] = field(default_factory=dict)

    # ------------------------------------------------------------------------------------------- verbs

    def set_encryption_key(self, caller: Address, key: bytes, place: EventPlace) -> EncryptionKeySet:
        """Publish or rotate the caller's key."""
        current = self.keys.get(caller)
        if key == _ZERO_DIGEST:
            raise EncryptionKeyIsZeroError
        if current is not None and current.key == key:
            raise EncryptionKeyUnchangedError(caller)
        version = current.version + 1 if current is not None else 1
        event = EncryptionKeySet(place=place, actor=caller, key=key, version=version)
        self.apply(event)
        return event

    def register(self, caller: Address, record_id: RecordId, patient: Address, place: EventPlace) -> RecordRegistered:
        """Register a first version, as custodian."""
        if patient == ZERO_ADDRESS:
            raise PatientIsZeroError
        self._check_new(caller, record_id)
        event = RecordRegistered(place=place, custodian=caller, patient=patient, record_id=record_id)
        self.apply(event)
        return event

    def supersede(
        self, caller: Address, record_id: RecordId, previous_id: RecordId, place: EventPlace
    ) -> RecordSuperseded:
        """Put a new version in the place of the caller's active record."""
        previous = self.record(caller, previous_id)
        if previous.status is not RecordStatus.ACTIVE:
            raise RecordNotActiveError(caller, previous_id, previous.status)
        if previous.version == LAST_VERSION:
            raise VersionsExhaustedError(caller, previous_id)
        self._check_new(caller, record_id)
        event = RecordSuperseded(
            place=place,
            custodian=caller,
            patient=previous.patient,
            record_id=record_id,
            previous_id=previous_id,
        )
        self.apply(event)
        return event

    def retract(self, caller: Address, record_id: RecordId, reason: bytes, place: EventPlace) -> RecordRetracted:
        """Withdraw the caller's record, once."""
        entry = self.record(caller, record_id)
        if entry.status is RecordStatus.RETRACTED:
            raise RecordNotActiveError(caller, record_id, entry.status)
        event = RecordRetracted(place=place, custodian=caller, record_id=record_id, reason=reason)
        self.apply(event)
        return event

    def grant(self, caller: Address, request: GrantRequest, place: EventPlace) -> AccessGranted:
        """Grant access, as patient."""
        grant_id = derive_grant_id(caller, request.grantee, request.terms)
        previous = self.grants.get(grant_id)
        stamp = self.stamp(caller)
        epoch = (previous.epoch if previous is not None else 0) + 1
        if stamp == LAST_COUNT:
            raise PatientExhaustedError(caller)
        if epoch >= LAST_COUNT:
            raise GrantExhaustedError(grant_id)
        if request.grantee == ZERO_ADDRESS:
            raise GranteeIsZeroError
        if request.grantee == caller:
            raise GranteeIsPatientError(caller)
        if previous is not None and previous.grantee not in (ZERO_ADDRESS, request.grantee):
            raise GrantIdTakenError(grant_id, previous.grantee)
        if not request.purposes:
            raise PurposesEmptyError
        not_before = max(request.not_before, place.block.time)
        if not_before >= request.expires_at:
            raise PeriodEmptyError(not_before, request.expires_at)
        granted = Grant(
            grant_id=grant_id,
            grantee=request.grantee,
            not_before=not_before,
            expires_at=request.expires_at,
            purposes=request.purposes,
            stamp=stamp,
            epoch=epoch,
        )
        event = AccessGranted(place=place, terms=request.terms, bundle=request.bundle, grant=granted)
        self.apply(event)
        return event

    def revoke(self, caller: Address, grant_id: GrantId, place: EventPlace) -> AccessRevoked:
        """Take a grant back. Never refused to the patient, also where nothing was granted yet."""
        if patient_of(grant_id) != caller:
            raise NotThePatientError(grant_id, caller)
        event = AccessRevoked(place=place, grant_id=grant_id)
        self.apply(event)
        return event

    def revoke_all(self, caller: Address, place: EventPlace) -> AllAccessRevoked:
        """Take everything back. Never refused."""
        event = AllAccessRevoked(place=place, patient=caller, stamp=min(self.stamp(caller) + 1, LAST_COUNT))
        self.apply(event)
        return event

    # ------------------------------------------------------------------------------------------- reads

    def encryption_key(self, actor: Address) -> EncryptionKey:
        """Return an actor's key; raises ``EncryptionKeyNotSetError``."""
        if actor not in self.keys:
            raise EncryptionKeyNotSetError(actor)
        return self.keys[actor]

    def record(self, custodian: Address, record_id: RecordId) -> RecordEntry:
        """Return what a custodian states of a record; raises ``UnknownRecordError``."""
        if (custodian, record_id) not in self.records:
            raise UnknownRecordError(custodian, record_id)
        return self.records[custodian, record_id]

    def get_grant(self, grant_id: GrantId) -> Grant:
        """Return a grant as it stands; raises ``UnknownGrantError``."""
        if grant_id not in self.grants:
            raise UnknownGrantError(grant_id)
        return self.grants[grant_id]

    def stamp(self, patient: Address) -> int:
        """Return how often a patient has revoked everything, up to ``LAST_COUNT``."""
        return self.stamps.get(patient, 0)

    def is_live(self, grant_id: GrantId, purpose: Purpose, now: int) -> bool:
        """Whether a grant is live for all of ``purpose`` at ``now``; raises ``PurposesEmptyError`` for none."""
        if not purpose:
            raise PurposesEmptyError
        grant = self.grants.get(grant_id)
        if grant is None:
            return False
        return liveness(grant, stamp=self.stamp(grant.patient), purpose=purpose, now=now) is Reason.PERMITTED

    # ------------------------------------------------------------------------------------------- replay

    def apply(self, event: LedgerEvent) -> None:
        """Change the state as ``event`` says it changed."""
        match event:
            case EncryptionKeySet():
                self.keys[event.actor] = EncryptionKey(
                    key=event.key, version=event.version, set_at=event.place.block.time
                )
            case RecordRegistered():
                self._enter(event.custodian, event.record_id, event.patient, 1, event.place.block.time)
            case RecordSuperseded():
                previous = self.records[event.custodian, event.previous_id]
                at = event.place.block.time
                self._enter(event.custodian, event.record_id, event.patient, previous.version + 1, at)
                self._end(previous, RecordStatus.SUPERSEDED, at)
            case RecordRetracted():
                entry = self.records[event.custodian, event.record_id]
                self._end(entry, RecordStatus.RETRACTED, event.place.block.time)
            case AccessGranted():
                self.grants[event.grant.grant_id] = event.grant
            case AccessRevoked():
                self.grants[event.grant_id] = self._revoked(event.grant_id)
            case AllAccessRevoked():
                self.stamps[event.patient] = event.stamp
            case _:
                assert_never(event)

    def _check_new(self, custodian: Address, record_id: RecordId) -> None:
        if record_id == _ZERO_DIGEST:
            raise RecordIdIsZeroError
        if (custodian, record_id) in self.records:
            raise RecordExistsError(custodian, record_id)

    def _enter(self, custodian: Address, record_id: RecordId, patient: Address, version: int, at: int) -> None:
        self.records[custodian, record_id] = RecordEntry(
            record_id=record_id,
            custodian=custodian,
            patient=patient,
            registered_at=at,
            ended_at=0,
            version=version,
            status=RecordStatus.ACTIVE,
        )

    def _end(self, entry: RecordEntry, status: RecordStatus, at: int) -> None:
        ended = replace(entry, status=status, ended_at=entry.ended_at or at)
        self.records[entry.custodian, entry.record_id] = ended

    def _revoked(self, grant_id: GrantId) -> Grant:
        grant = self.grants.get(grant_id)
        if grant is None:
            return Grant(
                grant_id=grant_id,
                grantee=ZERO_ADDRESS,
                not_before=0,
                expires_at=0,
                purposes=Purpose(0),
                stamp=0,
                epoch=1,
            )
        return replace(grant, purposes=Purpose(0), epoch=min(grant.epoch + 1, LAST_COUNT))
