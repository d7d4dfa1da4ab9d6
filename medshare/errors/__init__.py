"""Every error medshare raises, in one tree.

::

    MedshareError
    ├─ ConfigurationError
    │  ├─ HomeNotFoundError
    │  ├─ UnknownNetworkError · WrongChainError · DeploymentNotFoundError · DeploymentMismatchError
    │  ├─ UnknownIdentityError · IdentityExistsError
    │  └─ ReadOnlyStoreError
    ├─ InvalidInputError            (also ValueError)
    │  ├─ NotExpressibleError       a standard has no words for it, or medshare has none
    │  └─ NonConformantError        .findings says where
    ├─ KeyFileError
    │  └─ WrongPassphraseError
    ├─ EnvelopeError
    │  ├─ MalformedEnvelopeError · UnsupportedVersionError
    │  ├─ NotARecipientError · AuthenticationError
    │  └─ KeyCommitmentError
    ├─ StoreError
    │  ├─ BlobNotFoundError · BlobMismatchError · MalformedBlobError · BlobTooLargeError
    │  ├─ StoreFullError
    │  └─ StoreUnavailableError
    │     └─ StoreRefusedError
    ├─ SigningError
    │  ├─ WrongDomainError · DeadlineTooFarError
    │  └─ SignerUnavailableError · SigningRefusedError · SignatureMismatchError
    ├─ RelayError
    │  └─ NotRelayableError · RateLimitedError
    ├─ LedgerError
    │  ├─ EndpointsDisagreeError
    │  ├─ LedgerUnavailableError · LedgerBusyError · TransactionFailedError · InsufficientFundsError
    │  └─ RejectedError             one subclass for each error of each contract
    ├─ ErasureError
    │  ├─ LegalHoldError · RetentionError · EmergencyInForceError
    │  └─ RecordErasedError         there is nothing to be opened any more
    ├─ NodeFailedError              a node of a local network
    ├─ AccessDeniedError            .decision says why
    ├─ ReceiptMissingError          a custodian releases keys on a read receipt only
    ├─ DeliveryGoneError            what was delivered was erased or forgotten since, by right
    ├─ ScoreTooLowError             nothing of it is as good as a study asks for
    └─ IntegrityError               chain, manifest and store disagree
       └─ ScoreOverstatedError      a custodian states more than assessors attest

A message never holds a key, a passphrase, plaintext, or the name of a plaintext file. ``hint`` says what to do next.
"""

from medshare.errors.base import (
    InvalidInputError,
    MedshareError,
    NotExpressibleError,
)
from medshare.errors.configuration import (
    ConfigurationError,
    DeploymentMismatchError,
    DeploymentNotFoundError,
    HomeNotFoundError,
    IdentityExistsError,
    ReadOnlyStoreError,
    UnknownIdentityError,
    UnknownNetworkError,
    WrongChainError,
)
from medshare.errors.decisions import (
    AccessDeniedError,
    DeliveryGoneError,
    IntegrityError,
    ReceiptMissingError,
    ScoreOverstatedError,
    ScoreTooLowError,
)
from medshare.errors.documents import NonConformantError
from medshare.errors.envelope import (
    AuthenticationError,
    EnvelopeError,
    KeyCommitmentError,
    KeyFileError,
    MalformedEnvelopeError,
    NotARecipientError,
    UnsupportedVersionError,
    WrongPassphraseError,
)
from medshare.errors.erasure import (
    EmergencyInForceError,
    ErasureError,
    LegalHoldError,
    RecordErasedError,
    RetentionError,
)
from medshare.errors.ledger import (
    EndpointsDisagreeError,
    InsufficientFundsError,
    LedgerBusyError,
    LedgerError,
    LedgerUnavailableError,
    RejectedError,
    TransactionFailedError,
)
from medshare.errors.network import NodeFailedError
from medshare.errors.rejections.attestations import (
    AttestationWithdrawnError,
    AttestingNotAccreditedError,
    CountIsZeroError,
    MethodMissingError,
    RootKnownError,
    ScoreOutOfRangeError,
    SubjectIsZeroError,
    UnknownAttestationError,
)
from medshare.errors.rejections.authority import (
    AuthorityExhaustedError,
    BeyondDelegationError,
    CircleInvalidError,
    ControllerInvalidError,
    DelayOutOfRangeError,
    DelegateInvalidError,
    DelegationPeriodEmptyError,
    DelegationScopeError,
    GuardiansTooFewError,
    MandateEndedError,
    NoRecoveryError,
    NotAllowedToActError,
    RecoveryTooEarlyError,
)
from medshare.errors.rejections.consents import (
    GranteeIsPatientError,
    GranteeIsZeroError,
    GrantExhaustedError,
    GrantIdTakenError,
    PatientExhaustedError,
    PeriodEmptyError,
    PurposesEmptyError,
    TokenLengthMismatchError,
    TokenNotTransferableError,
    UnknownGrantError,
)
from medshare.errors.rejections.consortium import (
    CallMismatchError,
    NotByVoteError,
    ProposalExecutedError,
    ProposalExpiredError,
    QuorumMissingError,
    RulesOutOfRangeError,
    TargetNotGovernedError,
    UnknownProposalError,
    VotedAlreadyError,
    WithoutMembersError,
)
from medshare.errors.rejections.directory import (
    AccreditationInvalidError,
    AccreditedByAnotherError,
    EncryptionKeyIsZeroError,
    EncryptionKeyNotSetError,
    EncryptionKeyUnchangedError,
    LastMemberError,
    MemberInvalidError,
    NotAMemberError,
    SeatsExhaustedError,
    SuspendedByVoteError,
    SuspensionInvalidError,
)
from medshare.errors.rejections.emergencies import (
    AlreadyReviewedError,
    BreakGlassBarredError,
    EmergencyReasonUnknownError,
    EpisodeDurationError,
    EpisodeNotAllowedError,
    EpisodeOpenError,
    EpisodeOverError,
    EpisodePatientInvalidError,
    NotAccreditedError,
    ReviewOverdueError,
    TooManyUnreviewedError,
    UnknownEpisodeError,
    VerdictMissingError,
)
from medshare.errors.rejections.escrow import (
    AmountMismatchError,
    EscrowNotByVoteError,
    NothingToWithdrawError,
    RecipientInvalidError,
    SplitInvalidError,
    TokenNotAllowedError,
    WithdrawalNotAllowedError,
)
from medshare.errors.rejections.libraries import (
    CallFailedError,
    ContractBalanceError,
    NothingToCallError,
    ReentrantCallError,
    TokenFailedError,
)
from medshare.errors.rejections.records import (
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
from medshare.errors.rejections.requests import (
    GrantNotLiveError,
    GrantUnfitError,
    NothingToReturnError,
    NotInvitedError,
    PeriodsOutOfRangeError,
    RequestCategoryUnknownError,
    RequestDeadlinePassedError,
    RequestNotAccreditedError,
    RequestNotAllowedError,
    RequestNotOpenError,
    RequestTermsInvalidError,
    RequestTooEarlyError,
    RequestUsedUpError,
    ReservationNotError,
    ReservedAlreadyError,
    ScoreUnfitError,
    UnknownRequestError,
)
from medshare.errors.rejections.signed import (
    DeadlinePassedError,
    SignatureInvalidError,
    SignedOutdatedError,
)
from medshare.errors.signing import (
    DeadlineTooFarError,
    NotRelayableError,
    RateLimitedError,
    RelayError,
    SignatureMismatchError,
    SignerUnavailableError,
    SigningError,
    SigningRefusedError,
    WrongDomainError,
)
from medshare.errors.store import (
    BlobMismatchError,
    BlobNotFoundError,
    BlobTooLargeError,
    MalformedBlobError,
    StoreError,
    StoreFullError,
    StoreRefusedError,
    StoreUnavailableError,
)

__all__ = [
    "AccessDeniedError",
    "AccreditationInvalidError",
    "AccreditedByAnotherError",
    "AlreadyReviewedError",
    "AmountMismatchError",
    "AttestationWithdrawnError",
    "AttestingNotAccreditedError",
    "AuthenticationError",
    "AuthorityExhaustedError",
    "BatchCountOutOfRangeError",
    "BatchExistsError",
    "BeyondDelegationError",
    "BlobMismatchError",
    "BlobNotFoundError",
    "BlobTooLargeError",
    "BreakGlassBarredError",
    "CallFailedError",
    "CallMismatchError",
    "CircleInvalidError",
    "ConfigurationError",
    "ContractBalanceError",
    "ControllerInvalidError",
    "CountIsZeroError",
    "CustodianNotAccreditedError",
    "DeadlinePassedError",
    "DeadlineTooFarError",
    "DelayOutOfRangeError",
    "DelegateInvalidError",
    "DelegationPeriodEmptyError",
    "DelegationScopeError",
    "DeliveryGoneError",
    "DeploymentMismatchError",
    "DeploymentNotFoundError",
    "EmergencyInForceError",
    "EmergencyReasonUnknownError",
    "EncryptionKeyIsZeroError",
    "EncryptionKeyNotSetError",
    "EncryptionKeyUnchangedError",
    "EndpointsDisagreeError",
    "EnvelopeError",
    "EpisodeDurationError",
    "EpisodeNotAllowedError",
    "EpisodeOpenError",
    "EpisodeOverError",
    "EpisodePatientInvalidError",
    "ErasureError",
    "EscrowNotByVoteError",
    "GrantExhaustedError",
    "GrantIdTakenError",
    "GrantNotLiveError",
    "GrantUnfitError",
    "GranteeIsPatientError",
    "GranteeIsZeroError",
    "GuardiansTooFewError",
    "HomeNotFoundError",
    "IdentityExistsError",
    "InsufficientFundsError",
    "IntegrityError",
    "InvalidInputError",
    "KeyCommitmentError",
    "KeyFileError",
    "LastMemberError",
    "LedgerBusyError",
    "LedgerError",
    "LedgerUnavailableError",
    "LegalHoldError",
    "MalformedBlobError",
    "MalformedEnvelopeError",
    "MandateEndedError",
    "MedshareError",
    "MemberInvalidError",
    "MethodMissingError",
    "NoRecoveryError",
    "NodeFailedError",
    "NonConformantError",
    "NotAMemberError",
    "NotARecipientError",
    "NotAccreditedError",
    "NotAllowedToActError",
    "NotByVoteError",
    "NotExpressibleError",
    "NotInBatchError",
    "NotInvitedError",
    "NotRelayableError",
    "NothingToCallError",
    "NothingToReturnError",
    "NothingToWithdrawError",
    "PatientExhaustedError",
    "PatientIsZeroError",
    "PeriodEmptyError",
    "PeriodsOutOfRangeError",
    "ProposalExecutedError",
    "ProposalExpiredError",
    "PurposesEmptyError",
    "QuorumMissingError",
    "RateLimitedError",
    "ReadOnlyStoreError",
    "ReceiptMissingError",
    "RecipientInvalidError",
    "RecordErasedError",
    "RecordExistsError",
    "RecordIdIsZeroError",
    "RecordNotActiveError",
    "RecoveryTooEarlyError",
    "ReentrantCallError",
    "RejectedError",
    "RelayError",
    "RequestCategoryUnknownError",
    "RequestDeadlinePassedError",
    "RequestNotAccreditedError",
    "RequestNotAllowedError",
    "RequestNotOpenError",
    "RequestTermsInvalidError",
    "RequestTooEarlyError",
    "RequestUsedUpError",
    "ReservationNotError",
    "ReservedAlreadyError",
    "RetentionError",
    "ReviewOverdueError",
    "RootIsZeroError",
    "RootKnownError",
    "RulesOutOfRangeError",
    "ScoreOutOfRangeError",
    "ScoreOverstatedError",
    "ScoreTooLowError",
    "ScoreUnfitError",
    "SeatsExhaustedError",
    "SignatureInvalidError",
    "SignatureMismatchError",
    "SignedOutdatedError",
    "SignerUnavailableError",
    "SigningError",
    "SigningRefusedError",
    "SplitInvalidError",
    "StoreError",
    "StoreFullError",
    "StoreRefusedError",
    "StoreUnavailableError",
    "SubjectIsZeroError",
    "SuspendedByVoteError",
    "SuspensionInvalidError",
    "TargetNotGovernedError",
    "TokenFailedError",
    "TokenLengthMismatchError",
    "TokenNotAllowedError",
    "TokenNotTransferableError",
    "TooManyUnreviewedError",
    "TransactionFailedError",
    "UnknownAttestationError",
    "UnknownBatchError",
    "UnknownEpisodeError",
    "UnknownGrantError",
    "UnknownIdentityError",
    "UnknownNetworkError",
    "UnknownProposalError",
    "UnknownRecordError",
    "UnknownRequestError",
    "UnsupportedVersionError",
    "VerdictMissingError",
    "VersionsExhaustedError",
    "VotedAlreadyError",
    "WithdrawalNotAllowedError",
    "WithoutMembersError",
    "WrongChainError",
    "WrongDomainError",
    "WrongPassphraseError",
]
