"""What the contracts tell the world, event by event: enough to rebuild their state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from medshare.model.consent import Grant
from medshare.model.ids import Address, BundleId, GrantId, RecordId, TermsDigest


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockRef:
    """A block, as one answers for it."""

    number: int
    hash: bytes
    time: int
    """Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPlace:
    """Where an event stands on the chain."""

    block: BlockRef
    log_index: int
    tx_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptionKeySet:
    """An actor published or rotated his encryption key."""

    place: EventPlace
    actor: Address
    key: bytes
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRegistered:
    """A custodian registered the first version of a record."""

    place: EventPlace
    custodian: Address
    patient: Address
    record_id: RecordId


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSuperseded:
    """A custodian put a new version in the place of a record."""

    place: EventPlace
    custodian: Address
    patient: Address
    record_id: RecordId
    previous_id: RecordId


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRetracted:
    """A custodian withdrew a record."""

    place: EventPlace
    custodian: Address
    record_id: RecordId
    reason: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessGranted:
    """A patient granted access, or changed an earlier grant."""

    place: EventPlace
    terms: TermsDigest
    bundle: BundleId
    grant: Grant


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRevoked:
    """A patient revoked a grant."""

    place: EventPlace
    grant_id: GrantId


@dataclass(frozen=True, slots=True, kw_only=True)
class AllAccessRevoked:
    """A patient revoked every grant he had given."""

    place: EventPlace
    patient: Address
    stamp: int


LedgerEvent: TypeAlias = (
    EncryptionKeySet
    | RecordRegistered
    | RecordSuperseded
    | RecordRetracted
    | AccessGranted
    | AccessRevoked
    | AllAccessRevoked
)
"""Any event of ours. ERC-1155's TransferSingle is not among them: it repeats what these say."""
