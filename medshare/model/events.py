"""What the contracts tell the world, event by event: enough to rebuild their state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from medshare.model.consent import Grant
from medshare.model.delegation import Delegation
from medshare.model.emergency import AccreditationKind, EmergencyReason, Verdict
from medshare.model.ids import Address, BundleId, EpisodeId, GrantId, RecordId, TermsDigest


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
    epoch: int
    """The grant's epoch from now on: signatures for an earlier one are dead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AllAccessRevoked:
    """A patient revoked every grant he had given."""

    place: EventPlace
    patient: Address
    stamp: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegateAppointed:
    """A patient appointed a delegate, or changed what he may do."""

    place: EventPlace
    delegation: Delegation


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegateDismissed:
    """A patient dismissed a delegate, or the delegate resigned."""

    place: EventPlace
    patient: Address
    delegate: Address
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ActedFor:
    """The next event was done for the patient by somebody who may act for him."""

    place: EventPlace
    patient: Address
    actor: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardiansNamed:
    """A patient named the guardians of his key, or changed or dismissed them."""

    place: EventPlace
    patient: Address
    circle: bytes
    """Salted digest, zeros for none."""
    delay: int
    begins_at: int
    """First second in which this holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryProposed:
    """Enough guardians want to give a patient a new key; he can object until ``ready_at``."""

    place: EventPlace
    patient: Address
    controller: Address
    attempt: int
    ready_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryObjected:
    """A patient objected to the recovery that was proposed."""

    place: EventPlace
    patient: Address
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlMoved:
    """From now on this key acts for the patient."""

    place: EventPlace
    patient: Address
    controller: Address
    tenure: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Accredited:
    """An actor was accredited until a time, or suspended (0)."""

    place: EventPlace
    actor: Address
    kind: AccreditationKind
    valid_until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GlassBroken:
    """A clinician broke the glass for a patient."""

    place: EventPlace
    patient: Address
    clinician: Address
    episode_id: EpisodeId
    reason: EmergencyReason
    details: bytes
    """Salted digest of what happened."""
    ends_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeEnded:
    """An episode was ended before its time."""

    place: EventPlace
    episode_id: EpisodeId
    by: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysReleased:
    """A custodian states that he released keys to the clinician of an episode."""

    place: EventPlace
    episode_id: EpisodeId
    custodian: Address
    bundle: BundleId


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeReviewed:
    """Somebody else reviewed an episode."""

    place: EventPlace
    episode_id: EpisodeId
    reviewer: Address
    verdict: Verdict
    note: bytes
    """Salted digest of the review."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BarSet:
    """A patient barred break-glass for himself, or allowed it again."""

    place: EventPlace
    patient: Address
    barred: bool
    count: int


ConsentEvent: TypeAlias = AccessGranted | AccessRevoked | AllAccessRevoked
AuthorityEvent: TypeAlias = (
    DelegateAppointed
    | DelegateDismissed
    | ActedFor
    | GuardiansNamed
    | RecoveryProposed
    | RecoveryObjected
    | ControlMoved
)
EpisodeEvent: TypeAlias = GlassBroken | EpisodeEnded | KeysReleased | EpisodeReviewed
EmergencyEvent: TypeAlias = EpisodeEvent | Accredited | BarSet
RecordEvent: TypeAlias = RecordRegistered | RecordSuperseded | RecordRetracted
LedgerEvent: TypeAlias = EncryptionKeySet | RecordEvent | ConsentEvent | AuthorityEvent | EmergencyEvent
"""Any event of ours. ERC-1155's TransferSingle is not among them: it repeats what these say; and neither is
``CallRefused``, which tells the sender of a batch what became of it, and changes nothing.
"""
