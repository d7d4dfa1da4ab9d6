"""What the contracts tell the world, event by event: enough to rebuild their state."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self, TypeAlias

from medshare.model.accreditation import AccreditationKind, Suspension
from medshare.model.consent import Grant
from medshare.model.delegation import Delegation
from medshare.model.emergency import EmergencyReason, Verdict
from medshare.model.ids import (
    Address,
    BundleId,
    CatalogueId,
    EpisodeId,
    GrantId,
    ProposalId,
    RecordId,
    RequestId,
    TermsDigest,
)
from medshare.model.proposal import VotingRules
from medshare.model.request import AccessRequest, Periods, Split


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

    def after(self, events: int = 1) -> Self:
        """Return the place of what comes after so many events, in the same transaction."""
        return replace(self, log_index=self.log_index + events)


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
class StatedInBatch(RecordRegistered):
    """A record that a custodian stated with very many others: told by no log, but by his batch's catalogue.

    Its place is that of the batch. Who cannot show that the record is in it knows nothing of this.
    """

    root: bytes


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
class BatchAnchored:
    """A custodian stated very many records at once."""

    place: EventPlace
    custodian: Address
    root: bytes
    catalogue: CatalogueId
    count: int
    """How many he says they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredFromBatch:
    """A record of a batch got an entry of its own: it was registered right before this, and counts since its batch."""

    place: EventPlace
    custodian: Address
    patient: Address
    record_id: RecordId
    root: bytes
    anchored_at: int
    """When its batch was anchored: since then it counts."""


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
class MemberAdmitted:
    """An institution became a member, or one again."""

    place: EventPlace
    member: Address
    seat: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRemoved:
    """A member lost its seat for good, until it is admitted again."""

    place: EventPlace
    member: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberSuspended:
    """A member lost its seat for a time."""

    place: EventPlace
    member: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberReinstated:
    """A suspended member has its seat again."""

    place: EventPlace
    member: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Accredited:
    """A member accredited an actor until a time, or withdrew it (0)."""

    place: EventPlace
    actor: Address
    kind: AccreditationKind
    member: Address
    valid_until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccreditationSuspended:
    """An actor was suspended, by the member that accredited him or by vote."""

    place: EventPlace
    actor: Address
    kind: AccreditationKind
    by: Suspension


@dataclass(frozen=True, slots=True, kw_only=True)
class AccreditationReinstated:
    """A suspension was lifted."""

    place: EventPlace
    actor: Address
    kind: AccreditationKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """A member proposed a call, which is a vote for it, too."""

    place: EventPlace
    proposal_id: ProposalId
    proposer: Address
    target: Address
    call_data: bytes
    reason: bytes
    """Salted digest of the reason."""
    deadline: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Voted:
    """A member voted for a proposal."""

    place: EventPlace
    proposal_id: ProposalId
    member: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalExecuted:
    """A proposal that had passed was executed; what it did follows."""

    place: EventPlace
    proposal_id: ProposalId
    by: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class VotingRulesSet:
    """The rules of voting were set."""

    place: EventPlace
    rules: VotingRules


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestOpened:
    """A researcher opened a request, and its rewards are held."""

    place: EventPlace
    request: AccessRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyApproved:
    """A study on open call was approved."""

    place: EventPlace
    request_id: RequestId
    by: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCancelled:
    """A request was ended before its time; what nobody had reserved went back."""

    place: EventPlace
    request_id: RequestId
    by: Address
    returned: int
    """Rewards, not money."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnearnedReturned:
    """What was not earned by the deadline went back."""

    place: EventPlace
    request_id: RequestId
    returned: int
    """Rewards, not money."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardReserved:
    """A patient accepted a request; his grant stands before this in the same transaction, or earlier."""

    place: EventPlace
    request_id: RequestId
    patient: Address
    custodian: Address
    content: bytes
    """The patient's salted digest, which whoever delivers states again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessDelivered:
    """The custodian stated that what was granted can be fetched."""

    place: EventPlace
    request_id: RequestId
    patient: Address
    bundle: BundleId
    score: int
    """The lowest that is attested of what was delivered, 0 to 100."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryDeclined:
    """The custodian has nothing to deliver: the reservation is free again."""

    place: EventPlace
    request_id: RequestId
    patient: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryDisputed:
    """The requester says that what was delivered is not what was promised."""

    place: EventPlace
    request_id: RequestId
    patient: Address
    reason: bytes
    """Salted digest of the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardPaid:
    """A reward was divided."""

    place: EventPlace
    request_id: RequestId
    patient: Address
    to_patient: int
    to_custodian: int
    to_consortium: int
    to_requester: int
    """What of the custodian's share quality has not earned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardReturned:
    """A dispute was decided for the requester: the reward went back."""

    place: EventPlace
    request_id: RequestId
    patient: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodsSet:
    """Requests that open from now on have these periods."""

    place: EventPlace
    periods: Periods


@dataclass(frozen=True, slots=True, kw_only=True)
class Credited:
    """An account may withdraw more now."""

    place: EventPlace
    account: Address
    token: Address
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """An account withdrew all its credit in one token."""

    place: EventPlace
    account: Address
    token: Address
    to: Address
    amount: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAllowed:
    """A token may be used for rewards from now on, or no longer in new requests."""

    place: EventPlace
    token: Address
    allowed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitSet:
    """Rewards of this category are divided in this way, in requests opened after this."""

    place: EventPlace
    category: int
    split: Split


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityAttested:
    """An assessor attested the quality of a record."""

    place: EventPlace
    assessor: Address
    record_id: RecordId
    method: int
    score: int
    """0 to 100."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchAttested:
    """An assessor attested the quality of many records under one root."""

    place: EventPlace
    assessor: Address
    root: bytes
    method: int
    count: int
    """How many records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationWithdrawn:
    """An assessor withdrew what he had attested."""

    place: EventPlace
    assessor: Address
    subject: bytes
    """A record's id, or a batch's root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptsAnchored:
    """A custodian anchored the root of read receipts."""

    place: EventPlace
    custodian: Address
    root: bytes
    count: int
    """How many receipts."""


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
EmergencyEvent: TypeAlias = EpisodeEvent | BarSet
MemberEvent: TypeAlias = MemberAdmitted | MemberRemoved | MemberSuspended | MemberReinstated
AccreditationEvent: TypeAlias = Accredited | AccreditationSuspended | AccreditationReinstated
VotingEvent: TypeAlias = Proposed | Voted | ProposalExecuted | VotingRulesSet
ConsortiumEvent: TypeAlias = MemberEvent | AccreditationEvent | VotingEvent
EscrowEvent: TypeAlias = Credited | Withdrawn | TokenAllowed | SplitSet
ReservationEvent: TypeAlias = (
    RewardReserved | AccessDelivered | DeliveryDeclined | DeliveryDisputed | RewardPaid | RewardReturned
)
"""Of one patient's part in a request."""
RequestEvent: TypeAlias = (
    RequestOpened | StudyApproved | RequestCancelled | UnearnedReturned | ReservationEvent | PeriodsSet
)
AttestationEvent: TypeAlias = QualityAttested | BatchAttested | AttestationWithdrawn | ReceiptsAnchored
RecordEvent: TypeAlias = RecordRegistered | RegisteredFromBatch | RecordSuperseded | RecordRetracted
"""Of one record."""
LedgerEvent: TypeAlias = (
    EncryptionKeySet
    | RecordEvent
    | BatchAnchored
    | ConsentEvent
    | AuthorityEvent
    | EmergencyEvent
    | ConsortiumEvent
    | EscrowEvent
    | RequestEvent
    | AttestationEvent
)
"""Any event of ours. ERC-1155's TransferSingle is not among them: it repeats what these say; and neither is
``CallRefused``, which tells the sender of a batch what became of it, and changes nothing.
"""
