"""Every error medshare raises, in one tree.

::

    MedshareError
    ├─ ConfigurationError
    │  ├─ HomeNotFoundError
    │  ├─ UnknownNetworkError · WrongChainError · DeploymentNotFoundError · DeploymentMismatchError
    │  ├─ UnknownIdentityError · IdentityExistsError
    │  └─ ReadOnlyStoreError
    ├─ InvalidInputError            (also ValueError)
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
    │  ├─ LedgerUnavailableError · LedgerBusyError · TransactionFailedError · InsufficientFundsError
    │  ├─ EndpointsDisagreeError
    │  └─ RejectedError             one subclass for each error of each contract
    ├─ AccessDeniedError            .decision says why
    └─ IntegrityError               chain, manifest and store disagree

A message never holds a key, a passphrase, plaintext, or the name of a plaintext file. ``hint`` says what to do next.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from medshare.model.consent import Decision

_MEMBER = {0: "no member", 1: "a member with its seat", 2: "a suspended member", 3: "a former member"}
_SUSPENDED = {1: "the member that accredited it", 2: "vote"}


class MedshareError(Exception):
    """Root of every error that medshare raises on purpose."""

    hint: str = ""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        if hint is not None:
            self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        # Subclasses take values of their own, not a message: remade without calling their __init__.
        return _remade, (type(self), self.args, self.__dict__.copy())


def _remade(kind: type[MedshareError], arguments: tuple[object, ...], state: dict[str, object]) -> MedshareError:
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(state)
    return error


# ------------------------------------------------------------------------------------------- configuration


class ConfigurationError(MedshareError):
    """The settings, files or deployment do not fit what was asked."""


class HomeNotFoundError(ConfigurationError):
    """The folder is no place that medshare works in; only what is asked to make one makes it."""

    def __init__(self, folder: str) -> None:
        super().__init__(
            f"no medshare home in {folder}", hint="check --home and MEDSHARE_HOME, or make a home here: medshare init"
        )
        self.folder = folder


class UnknownNetworkError(ConfigurationError):
    """No network profile has this name."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"no network is called {name!r}", hint=f"known networks: {', '.join(known)}")
        self.name = name


class WrongChainError(ConfigurationError):
    """The node answers for another chain than the profile or the deployment names."""

    hint = "check the URL and the chain id in the network profile; nothing was sent"

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__(f"expected chain {expected}, the node is on chain {actual}")
        self.expected = expected
        self.actual = actual


class DeploymentNotFoundError(ConfigurationError):
    """No deployment is on file for this network."""

    def __init__(self, network: str) -> None:
        super().__init__(
            f"no deployment of the contracts is on file for network {network!r}",
            hint=f"deploy them with scripts/deploy.py --network {network}, or copy the deployment file here; "
            "on the embedded chain: medshare init",
        )
        self.network = network


class DeploymentMismatchError(ConfigurationError):
    """The code at a contract's address is not the code this version of medshare speaks to."""

    hint = "ask who deployed for the deployment file, and for the version of medshare it belongs to; or deploy anew"

    def __init__(self, contract: str, address: str, reason: str) -> None:
        super().__init__(f"{contract} at {address}: {reason}")
        self.contract = contract
        self.address = address


class UnknownIdentityError(ConfigurationError):
    """No identity of this name is in the keyring."""

    def __init__(self, name: str, known: tuple[str, ...] = ()) -> None:
        make = f"make it with: medshare identity new {name}"
        super().__init__(
            f"no identity is called {name!r}",
            hint=f"known here: {', '.join(known)}; give one of these or an address, or {make}" if known else make,
        )
        self.name = name


class IdentityExistsError(ConfigurationError):
    """An identity of this name is in the keyring already; keys are never overwritten."""

    def __init__(self, name: str) -> None:
        super().__init__(f"an identity called {name!r} exists already", hint="choose another name")
        self.name = name


class ReadOnlyStoreError(ConfigurationError):
    """The store only reads, and was to keep or to give up something."""

    hint = 'publish and grant through a node of your own: in [store], kind = "kubo" with its address'

    def __init__(self) -> None:
        super().__init__("a gateway is only read from: it keeps nothing for you")


class InvalidInputError(MedshareError, ValueError):
    """A value from the caller or from a document cannot be what it is said to be."""


# ----------------------------------------------------------------------------------------------- key files


class KeyFileError(MedshareError):
    """A key file is malformed, unreadable, or readable by others."""


class WrongPassphraseError(KeyFileError):
    """The passphrase does not open the key file."""

    hint = "try the passphrase again; the file is unchanged"


# ------------------------------------------------------------------------------------------------ envelope


class EnvelopeError(MedshareError):
    """A Crypt4GH header or payload cannot be used."""


class MalformedEnvelopeError(EnvelopeError):
    """The bytes are not a well-formed Crypt4GH header or payload, or exceed a limit."""


class UnsupportedVersionError(EnvelopeError):
    """The envelope has a version or an encryption method that this library does not speak."""

    def __init__(self, what: str, found: int) -> None:
        super().__init__(f"unsupported {what}: {found}")
        self.found = found


class NotARecipientError(EnvelopeError):
    """No packet of the header opens with this identity."""

    hint = "the header was not made for this key: check the identity, or ask for access"


class AuthenticationError(EnvelopeError):
    """A segment or packet was altered, moved, cut or made under another key."""

    hint = "the bytes are not what was sealed; nothing of the failing part was released"


class KeyCommitmentError(EnvelopeError):
    """The file key is not the one that the record commits to."""

    hint = "do not trust this copy: two readers may have been given two different texts"


# --------------------------------------------------------------------------------------------------- store


class StoreError(MedshareError):
    """The store did not do its part."""


class BlobNotFoundError(StoreError):
    """The store has no block of this CID."""

    hint = "another node may hold it; check that the record was pinned and the node is reachable"

    def __init__(self, cid: str, *, hint: str | None = None) -> None:
        super().__init__(f"the store has no block {cid}", hint=hint)
        self.cid = cid


class BlobMismatchError(StoreError):
    """The store answered with bytes of another CID."""

    hint = "the store lies or is damaged: nothing of its answer was used"

    def __init__(self, expected: str, actual: str) -> None:
        super().__init__(f"asked for {expected}, the bytes are {actual}")
        self.expected = expected
        self.actual = actual


class MalformedBlobError(StoreError):
    """A block has the right CID and the wrong form: not a node, file or directory that we accept."""


class BlobTooLargeError(StoreError):
    """A block, file, or directory is larger than the caller's limit."""

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"{what} is larger than the limit of {limit}")
        self.limit = limit


class StoreUnavailableError(StoreError):
    """The store cannot be reached, stalled, or broke off."""

    hint = "try again: nothing was lost, and a repeated operation does nothing twice"


class StoreRefusedError(StoreUnavailableError):
    """The store asks for credentials, or does not take those it was shown: trying again does not help."""

    hint = "check the name, password or token"


class StoreFullError(StoreError):
    """There is no space left where the store writes."""

    hint = "free space, then repeat; what broken-off work left goes with: medshare storage collect --older-than 0s"


# -------------------------------------------------------------------------------------------- signed messages


class SigningError(MedshareError):
    """A message cannot be signed, or what was signed is not what was asked for."""


class WrongDomainError(SigningError):
    """A message is for another chain or another contract."""

    hint = "nothing was signed or sent: compare network and deployment with the other side's"

    def __init__(self, expected: object, actual: object) -> None:
        super().__init__(f"a message for {actual}, where {expected} is expected")
        self.expected = expected
        self.actual = actual


class DeadlineTooFarError(SigningError):
    """A signature that somebody could keep, and send when nobody remembers it."""

    hint = "sign it anew with a deadline within days"

    def __init__(self, deadline: int, latest: int) -> None:
        super().__init__(f"the deadline {deadline} (Unix seconds) is later than {latest}")
        self.deadline = deadline
        self.latest = latest


class SignerUnavailableError(SigningError):
    """The wallet cannot be reached, did not answer in time, or answered nonsense."""

    hint = "unlock the wallet, check its address, and try again; nothing was sent"


class SigningRefusedError(SigningError):
    """The person at the wallet, or its rules, said no."""

    hint = "nothing was signed; ask again if that was a mistake"


class SignatureMismatchError(SigningError):
    """The wallet signed something else, or with another key."""

    hint = "nothing was sent: check which account is selected in the wallet"

    def __init__(self, expected: str) -> None:
        super().__init__(f"the signature is not {expected}'s for this message")
        self.expected = expected


class RelayError(MedshareError):
    """A relayer does not send a message, and pays nothing for it."""


class NotRelayableError(RelayError):
    """A message that is not for a relayer."""


class RateLimitedError(RelayError):
    """So many messages were sent for this patient, or in all, that the next must wait."""

    def __init__(self, subject: str, wait: int) -> None:
        super().__init__(f"the relayer's limit for {subject} is reached", hint=f"try again in {wait} seconds")
        self.subject = subject
        self.wait = wait


# -------------------------------------------------------------------------------------------------- ledger


class LedgerError(MedshareError):
    """The chain did not do its part."""


class LedgerUnavailableError(LedgerError):
    """The node cannot be reached, broke off, or answered nonsense."""

    hint = "try again: what was signed is on file and is sent again as it is, never twice"


class EndpointsDisagreeError(LedgerError):
    """Two nodes of one network contradict each other: one lies, or follows another branch of the chain."""

    hint = (
        "nothing was done on either's word; repeat, nothing is sent twice. Where it stays so, ask who runs the nodes, "
        "and take the false one out of networks.toml"
    )

    def __init__(self, what: str, nodes: tuple[str, str], said: tuple[str, str]) -> None:
        super().__init__(f"{nodes[0]} and {nodes[1]} contradict each other about {what}: {said[0]}; {said[1]}")
        self.nodes = nodes


class LedgerBusyError(LedgerError):
    """Another process holds what only one may hold: the embedded chain, or an account's next nonce."""

    hint = "wait for the other medshare process to end, then repeat"


class InsufficientFundsError(LedgerError):
    """The account cannot pay for the transaction."""

    def __init__(self, address: str) -> None:
        super().__init__(f"account {address} cannot pay for the transaction", hint=f"send funds to {address}")
        self.address = address


class TransactionFailedError(LedgerError):
    """A transaction was mined and failed, for a reason that no contract error names."""

    def __init__(self, tx_hash: str, reason: str) -> None:
        super().__init__(f"transaction {tx_hash} failed: {reason}")
        self.tx_hash = tx_hash


class RejectedError(LedgerError):
    """A contract refused. One subclass for each contract error, with the error's values as attributes."""

    solidity: ClassVar[str] = ""

    def __init__(self) -> None:
        self.__post_init__()

    def __post_init__(self) -> None:
        super().__init__(self._message())

    def _message(self) -> str:
        return self.__class__.__doc__ or self.solidity


@dataclass(eq=False)
class DeadlinePassedError(RejectedError):
    """The signature comes too late; sign anew."""

    solidity = "SignedDeadlinePassed"
    hint = "sign anew, with a later deadline"
    deadline: int

    def _message(self) -> str:
        return f"the signature could be sent until {self.deadline} (Unix seconds), it is too late"


@dataclass(eq=False)
class SignatureInvalidError(RejectedError):
    """The signature is not the signer's for this meaning, chain, contract and state."""

    solidity = "SignedSignatureInvalid"
    hint = "check who signed, and that network and deployment are the same on both sides"
    signer: str

    def _message(self) -> str:
        return f"the signature is not {self.signer}'s for this message, chain and contract"


@dataclass(eq=False)
class SignedOutdatedError(RejectedError):
    """What was signed counts from a state that has passed: it was used, or something came in between."""

    solidity = "SignedOutdated"
    hint = "look what the chain shows now; if it is not done yet, sign anew"
    signed: int
    current: int


@dataclass(eq=False)
class EncryptionKeyNotSetError(RejectedError):
    """The actor has no encryption key in the Directory."""

    solidity = "DirectoryEncryptionKeyNotSet"
    hint = "ask its owner to publish one; your own: medshare identity publish NAME"
    actor: str

    def _message(self) -> str:
        return f"{self.actor} has published no encryption key"


@dataclass(eq=False)
class EncryptionKeyIsZeroError(RejectedError):
    """An encryption key of zeros was refused."""

    solidity = "DirectoryEncryptionKeyIsZero"
    hint = "make a new identity"


@dataclass(eq=False)
class EncryptionKeyUnchangedError(RejectedError):
    """The actor's encryption key is this one already."""

    solidity = "DirectoryEncryptionKeyUnchanged"
    hint = "there is nothing to do"
    actor: str

    def _message(self) -> str:
        return f"{self.actor} has this encryption key already"


@dataclass(eq=False)
class UnknownRecordError(RejectedError):
    """The custodian has registered no record of this id."""

    solidity = "RecordRegistryRecordUnknown"
    hint = "check the id and the custodian; on a shared chain, also network and deployment"
    custodian: str
    record_id: bytes

    def _message(self) -> str:
        return f"no record {self.record_id.hex()} is registered by {self.custodian}"


@dataclass(eq=False)
class RecordExistsError(RejectedError):
    """The custodian has registered this record already."""

    solidity = "RecordRegistryRecordExists"
    hint = "there is nothing to do"
    custodian: str
    record_id: bytes

    def _message(self) -> str:
        return f"{self.custodian} has registered record {self.record_id.hex()} already"


@dataclass(eq=False)
class RecordNotActiveError(RejectedError):
    """The record was superseded or retracted, so this can no longer be done to it."""

    solidity = "RecordRegistryRecordNotActive"
    custodian: str
    record_id: bytes
    status: int
    """As the contract counts: 2 superseded, 3 retracted."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.hint = (
            "it stays so; publish what is right as a new record"
            if self._retracted
            else f"name its newest version, which this shows: medshare record show {self.record_id.hex()}"
        )

    @property
    def _retracted(self) -> bool:
        return self.status == 3

    def _message(self) -> str:
        became = "retracted" if self._retracted else "superseded"
        return f"record {self.record_id.hex()} of {self.custodian} was {became} before"


@dataclass(eq=False)
class RecordIdIsZeroError(RejectedError):
    """A record id of zeros was refused."""

    solidity = "RecordRegistryRecordIdIsZero"
    hint = "publish the record first: its id is the digest of its CID"


@dataclass(eq=False)
class PatientIsZeroError(RejectedError):
    """A record needs a patient."""

    solidity = "RecordRegistryPatientIsZero"
    hint = "name the patient's address"


@dataclass(eq=False)
class VersionsExhaustedError(RejectedError):
    """The record has as many versions as the registry can count."""

    solidity = "RecordRegistryVersionsExhausted"
    hint = "publish it as a new record"
    custodian: str
    record_id: bytes


@dataclass(eq=False)
class GranteeIsZeroError(RejectedError):
    """Access cannot be granted to the zero address."""

    solidity = "ConsentRegistryGranteeIsZero"
    hint = "name the reader's address"


@dataclass(eq=False)
class GranteeIsPatientError(RejectedError):
    """A patient needs no grant for his own records."""

    solidity = "ConsentRegistryGranteeIsPatient"
    hint = "the patient reads without a grant; name another reader"
    patient: str


@dataclass(eq=False)
class PeriodEmptyError(RejectedError):
    """The grant would end before it begins, or has ended already."""

    solidity = "ConsentRegistryPeriodEmpty"
    hint = "let it end after it begins, and after now"
    not_before: int
    expires_at: int

    def _message(self) -> str:
        begins, ends = _moment(self.not_before), _moment(self.expires_at)
        return f"a grant from {begins} until {ends} would never be live: it must end after it begins, and after now"


@dataclass(eq=False)
class PurposesEmptyError(RejectedError):
    """A grant or a question needs at least one purpose."""

    solidity = "ConsentRegistryPurposesEmpty"
    hint = "name a purpose"


@dataclass(eq=False)
class UnknownGrantError(RejectedError):
    """No access was ever granted under this id."""

    solidity = "ConsentRegistryGrantUnknown"
    hint = "check the id, which the grant showed"
    grant_id: int

    def _message(self) -> str:
        return f"no access was ever granted under {self.grant_id:#x}"


@dataclass(eq=False)
class GrantIdTakenError(RejectedError):
    """Two sets of terms met in one grant id; draw a new salt for the terms."""

    solidity = "ConsentRegistryGrantIdTaken"
    hint = "grant under terms with a new salt"
    grant_id: int
    grantee: str


@dataclass(eq=False)
class GrantExhaustedError(RejectedError):
    """This grant was changed as often as it can be; write new terms (a new salt) instead."""

    solidity = "ConsentRegistryGrantExhausted"
    hint = "grant under terms with a new salt"
    grant_id: int


@dataclass(eq=False)
class PatientExhaustedError(RejectedError):
    """This address has revoked all as often as it can; it can grant nothing more, use a new address."""

    solidity = "ConsentRegistryPatientExhausted"
    hint = "use a new address for the patient"
    patient: str


@dataclass(eq=False)
class TokenNotTransferableError(RejectedError):
    """An access token never moves and nobody can be approved for it."""

    solidity = "AccessTokenNotTransferable"
    hint = "to give somebody else access, let the patient grant it"


@dataclass(eq=False)
class TokenLengthMismatchError(RejectedError):
    """Two lists that belong together have different lengths."""

    solidity = "AccessTokenLengthMismatch"
    hint = "ask with one id for each account"
    accounts: int
    ids: int


@dataclass(eq=False)
class NotAllowedToActError(RejectedError):
    """This address may not do this for this patient."""

    solidity = "AuthorityNotAllowed"
    hint = "only the patient, the key that took over, or a delegate in force may; compare address and patient"
    patient: str
    actor: str

    def _message(self) -> str:
        return f"{self.actor} may not do this for patient {self.patient}"


@dataclass(eq=False)
class BeyondDelegationError(RejectedError):
    """A delegate may grant neither for other purposes nor for longer than he is appointed."""

    solidity = "AuthorityBeyondDelegation"
    hint = "grant within the delegation's purposes and dates, or ask the patient to appoint anew"
    patient: str
    delegate: str


@dataclass(eq=False)
class MandateEndedError(RejectedError):
    """The signature is by a mandate that has ended, or that is not the signer's."""

    solidity = "AuthorityMandateEnded"
    hint = "sign anew, with the mandate that the chain shows now"
    patient: str
    signer: str
    mandate: int


@dataclass(eq=False)
class DelegateInvalidError(RejectedError):
    """Nobody can be his own delegate, and neither can the zero address."""

    solidity = "AuthorityDelegateInvalid"
    hint = "name another address as delegate"
    delegate: str


@dataclass(eq=False)
class DelegationScopeError(RejectedError):
    """A delegation needs a verb that can be delegated, and purposes exactly where it allows granting."""

    solidity = "AuthorityScopeInvalid"
    hint = "allow granting with purposes, or revoking, or both"
    verbs: int
    purposes: int


@dataclass(eq=False)
class DelegationPeriodEmptyError(RejectedError):
    """The delegation would end before it begins, or has ended already."""

    solidity = "AuthorityPeriodEmpty"
    hint = "let it end after it begins, and after now"
    not_before: int
    expires_at: int

    def _message(self) -> str:
        return f"a delegation from {self.not_before} until {self.expires_at} (Unix seconds) would never be in force"


@dataclass(eq=False)
class AuthorityExhaustedError(RejectedError):
    """A counter has come to its end: this delegate, or this patient, can have no more of these."""

    solidity = "AuthorityExhausted"
    hint = "appoint another address; or use a new address for the patient"
    patient: str


@dataclass(eq=False)
class DelayOutOfRangeError(RejectedError):
    """The delay of a recovery must be between one and ninety days."""

    solidity = "AuthorityDelayOutOfRange"
    hint = "choose a delay between 86400 and 7776000 seconds"
    delay: int


@dataclass(eq=False)
class CircleInvalidError(RejectedError):
    """These are not the patient's guardians in force, or not in ascending order, or the threshold cannot be met."""

    solidity = "AuthorityCircleInvalid"
    hint = "use the circle as the patient named it last, once its time has come"
    patient: str


@dataclass(eq=False)
class GuardiansTooFewError(RejectedError):
    """Too few of the guardians signed."""

    solidity = "AuthorityGuardiansTooFew"
    hint = "gather the signatures of more guardians"
    signed: int
    threshold: int

    def _message(self) -> str:
        return f"{self.signed} of the guardians signed, {self.threshold} are needed"


@dataclass(eq=False)
class ControllerInvalidError(RejectedError):
    """The key that shall take over is zero, the patient's own lost one, or the one in control already."""

    solidity = "AuthorityControllerInvalid"
    hint = "let the patient make a new key, and the guardians sign for its address"
    controller: str


@dataclass(eq=False)
class NoRecoveryError(RejectedError):
    """No recovery is proposed for this patient."""

    solidity = "AuthorityNoRecovery"
    hint = "have the guardians propose one, if the key is lost"
    patient: str


@dataclass(eq=False)
class RecoveryTooEarlyError(RejectedError):
    """The patient can still object: the recovery is not ready."""

    solidity = "AuthorityTooEarly"
    hint = "complete it once that time has come"
    ready_at: int

    def _message(self) -> str:
        return f"the patient can object to the recovery until {self.ready_at} (Unix seconds)"


@dataclass(eq=False)
class NotAccreditedError(RejectedError):
    """Only an accredited clinician can break the glass, and only an accredited reviewer review."""

    solidity = "EmergencyAccessNotAccredited"
    hint = "ask a member of the consortium to accredit this one: medshare consortium accredit"
    actor: str


@dataclass(eq=False)
class BreakGlassBarredError(RejectedError):
    """The patient has barred break-glass."""

    solidity = "EmergencyAccessBarred"
    hint = "treat without the records; only the patient can allow it again"
    patient: str


@dataclass(eq=False)
class EpisodePatientInvalidError(RejectedError):
    """An emergency episode needs a patient other than the clinician."""

    solidity = "EmergencyAccessPatientInvalid"
    hint = "name the patient's address"
    patient: str


@dataclass(eq=False)
class EmergencyReasonUnknownError(RejectedError):
    """The reason of an emergency is none of the codes."""

    solidity = "EmergencyAccessReasonUnknown"
    hint = "state one of the coded reasons, 1 to 4"
    reason: int


@dataclass(eq=False)
class EpisodeDurationError(RejectedError):
    """An emergency episode lasts a minute at least, and no longer than the limit."""

    solidity = "EmergencyAccessDurationOutOfRange"
    hint = "choose a duration within these bounds; another episode can follow"
    duration: int
    limit: int

    def _message(self) -> str:
        return f"an emergency episode lasts 60 to {self.limit} seconds, not {self.duration}"


@dataclass(eq=False)
class EpisodeOpenError(RejectedError):
    """The clinician has an emergency episode open for this patient already."""

    solidity = "EmergencyAccessEpisodeOpen"
    hint = "use the episode that is open, or end it first"
    episode_id: int


@dataclass(eq=False)
class ReviewOverdueError(RejectedError):
    """An earlier episode was not reviewed in time: the clinician opens no other until it is."""

    solidity = "EmergencyAccessReviewOverdue"
    hint = "have the earlier episode reviewed: a late review lifts the suspension"
    episode_id: int


@dataclass(eq=False)
class TooManyUnreviewedError(RejectedError):
    """Too many of the clinician's episodes wait for review."""

    solidity = "EmergencyAccessTooManyUnreviewed"
    hint = "have the earlier episodes reviewed"
    clinician: str
    limit: int


@dataclass(eq=False)
class UnknownEpisodeError(RejectedError):
    """There is no such emergency episode."""

    solidity = "EmergencyAccessEpisodeUnknown"
    hint = "check the id, network and deployment"
    episode_id: int

    def _message(self) -> str:
        return f"there is no emergency episode {self.episode_id:#x}"


@dataclass(eq=False)
class EpisodeOverError(RejectedError):
    """The emergency episode is over, or its clinician is no longer accredited."""

    solidity = "EmergencyAccessEpisodeOver"
    hint = "if the emergency lasts, the clinician opens another episode"
    episode_id: int


@dataclass(eq=False)
class EpisodeNotAllowedError(RejectedError):
    """This address may not do this to this emergency episode, or for this patient."""

    solidity = "EmergencyAccessNotAllowed"
    hint = "let the one do it whose part it is: clinician or patient end it, somebody else reviews it"
    actor: str


@dataclass(eq=False)
class AlreadyReviewedError(RejectedError):
    """The emergency episode was reviewed before."""

    solidity = "EmergencyAccessReviewed"
    hint = "there is nothing to do: a review stands"
    episode_id: int


@dataclass(eq=False)
class VerdictMissingError(RejectedError):
    """A review says whether the emergency was justified."""

    solidity = "EmergencyAccessVerdictMissing"
    hint = "state whether it was justified or not"


@dataclass(eq=False)
class CustodianNotAccreditedError(RejectedError):
    """Only an accredited custodian states records of others; everybody states his own."""

    solidity = "RecordRegistryNotAccredited"
    hint = "ask a member of the consortium to accredit this custodian: medshare consortium accredit"
    custodian: str

    def _message(self) -> str:
        return f"{self.custodian} is not accredited as a custodian now"


@dataclass(eq=False)
class NotAMemberError(RejectedError):
    """Only a member that has its seat may do this."""

    solidity = "DirectoryNotAMember"
    hint = "let a member of the consortium do it; see who is one: medshare consortium show"
    caller: str

    def _message(self) -> str:
        return f"{self.caller} is no member of the consortium, or has lost its seat"


@dataclass(eq=False)
class MemberInvalidError(RejectedError):
    """A member is no zero address, and not what it is to become already."""

    solidity = "DirectoryMemberInvalid"
    hint = "compare with: medshare consortium show"
    member: str
    status: int

    def _message(self) -> str:
        return f"that cannot be done to {self.member}: it is {_MEMBER.get(self.status, self.status)}"


@dataclass(eq=False)
class LastMemberError(RejectedError):
    """The last member keeps its seat: nobody would be left to vote."""

    solidity = "DirectoryLastMember"
    hint = "admit another institution first"
    member: str


@dataclass(eq=False)
class SeatsExhaustedError(RejectedError):
    """All 255 seats were given away."""

    solidity = "DirectorySeatsExhausted"
    hint = "readmit a former member, or found another consortium"


@dataclass(eq=False)
class AccreditationInvalidError(RejectedError):
    """Nobody can be accredited as nothing, and the zero address as nothing at all."""

    solidity = "DirectoryAccreditationInvalid"
    hint = "name an address and a capacity"
    actor: str
    kind: int


@dataclass(eq=False)
class AccreditedByAnotherError(RejectedError):
    """Another member's word stands: only that member, or a vote, can change it while it does."""

    solidity = "DirectoryAccreditedByAnother"
    hint = "ask the member that accredited the actor, or propose it to the consortium"
    actor: str
    kind: int
    seat: int

    def _message(self) -> str:
        return f"another member, with seat {self.seat}, answers for {self.actor}: only its word counts, or a vote"


@dataclass(eq=False)
class SuspendedByVoteError(RejectedError):
    """The actor is suspended by vote: only a vote can lift it."""

    solidity = "DirectorySuspendedByVote"
    hint = "propose it to the consortium"
    actor: str
    kind: int

    def _message(self) -> str:
        return f"{self.actor} was suspended by vote: only a vote can lift it"


@dataclass(eq=False)
class SuspensionInvalidError(RejectedError):
    """The actor's accreditation is not suspended, or not there to be suspended, or suspended already."""

    solidity = "DirectorySuspensionInvalid"
    hint = "compare with: medshare consortium accreditations"
    actor: str
    kind: int
    suspension: int

    def _message(self) -> str:
        if not self.suspension:
            return f"{self.actor} is not suspended, or was never accredited"
        return f"{self.actor} is suspended already, by {_SUSPENDED.get(self.suspension, self.suspension)}"


@dataclass(eq=False)
class NotByVoteError(RejectedError):
    """Only a vote of the consortium can do this."""

    solidity = "ConsortiumNotByVote"
    hint = "propose it: medshare consortium propose"
    caller: str


@dataclass(eq=False)
class TargetNotGovernedError(RejectedError):
    """No vote reaches this contract: it is neither the consortium nor governed by it."""

    solidity = "ConsortiumTargetNotGoverned"
    hint = "nobody can vote on consents, records or emergencies"
    target: str


@dataclass(eq=False)
class UnknownProposalError(RejectedError):
    """Nothing was proposed under this number."""

    solidity = "ConsortiumProposalUnknown"
    hint = "see what was proposed: medshare consortium proposals"
    proposal_id: int

    def _message(self) -> str:
        return f"there is no proposal {self.proposal_id}"


@dataclass(eq=False)
class ProposalExpiredError(RejectedError):
    """It is too late to vote for the proposal, or to execute it."""

    solidity = "ConsortiumProposalExpired"
    hint = "propose it anew"
    proposal_id: int
    deadline: int

    def _message(self) -> str:
        return f"proposal {self.proposal_id} could be voted for and executed until {_moment(self.deadline)}"


@dataclass(eq=False)
class ProposalExecutedError(RejectedError):
    """The proposal was executed already."""

    solidity = "ConsortiumProposalExecuted"
    hint = "there is nothing to do"
    proposal_id: int

    def _message(self) -> str:
        return f"proposal {self.proposal_id} was executed already"


@dataclass(eq=False)
class VotedAlreadyError(RejectedError):
    """This member voted for the proposal already."""

    solidity = "ConsortiumVotedAlready"
    hint = "there is nothing to do: a vote stands"
    proposal_id: int
    member: str

    def _message(self) -> str:
        return f"{self.member} has voted for proposal {self.proposal_id} already"


@dataclass(eq=False)
class QuorumMissingError(RejectedError):
    """Too few members that have their seats have voted for the proposal."""

    solidity = "ConsortiumQuorumMissing"
    hint = "ask further members to vote: medshare consortium vote"
    proposal_id: int
    votes: int
    needed: int

    def _message(self) -> str:
        return f"proposal {self.proposal_id} has {self.votes} votes that count now, and needs {self.needed}"


@dataclass(eq=False)
class CallMismatchError(RejectedError):
    """This is not the call that was proposed."""

    solidity = "ConsortiumCallMismatch"
    hint = "execute it with the calldata of its event"
    proposal_id: int


@dataclass(eq=False)
class RulesOutOfRangeError(RejectedError):
    """The quorum must be more than half and at most all, the voting period between an hour and 90 days."""

    solidity = "ConsortiumRulesOutOfRange"
    hint = "choose a quorum of 51 to 100 and 3600 to 7776000 seconds"
    quorum: int
    voting_period: int


@dataclass(eq=False)
class WithoutMembersError(RejectedError):
    """A consortium needs a founding member."""

    solidity = "ConsortiumWithoutMembers"
    hint = "name the founding members in the network profile"


@dataclass(eq=False)
class EscrowNotByVoteError(RejectedError):
    """Only a vote of the consortium can do this."""

    solidity = "EscrowNotByVote"
    hint = "propose it: medshare consortium propose"
    caller: str


@dataclass(eq=False)
class TokenNotAllowedError(RejectedError):
    """Rewards cannot be paid in this token: the consortium has not allowed it."""

    solidity = "EscrowTokenNotAllowed"
    hint = "use the native coin, or a token that is allowed; or propose it to the consortium"
    token: str


@dataclass(eq=False)
class AmountMismatchError(RejectedError):
    """What arrived is not what was promised: wrong value sent, or a token that takes a fee."""

    solidity = "EscrowAmountMismatch"
    hint = "use a token that arrives whole"
    promised: int
    arrived: int

    def _message(self) -> str:
        return f"{self.promised} were promised, and {self.arrived} arrived"


@dataclass(eq=False)
class NothingToWithdrawError(RejectedError):
    """There is nothing to withdraw."""

    solidity = "EscrowNothingToWithdraw"
    hint = "see what there is: medshare reward show"
    account: str
    token: str


@dataclass(eq=False)
class WithdrawalNotAllowedError(RejectedError):
    """This address may not withdraw for this account."""

    solidity = "EscrowNotAllowed"
    hint = "let the one in control of the account do it"
    account: str
    caller: str


@dataclass(eq=False)
class RecipientInvalidError(RejectedError):
    """Nothing can be sent to the zero address, nor left in the escrow."""

    solidity = "EscrowRecipientInvalid"
    hint = "name another address"
    to: str


@dataclass(eq=False)
class SplitInvalidError(RejectedError):
    """Shares add up to more than the whole, or the category is 0."""

    solidity = "EscrowSplitInvalid"
    hint = "shares are ten thousandths, together at most 10000"
    category: int
    patient: int
    custodian: int


@dataclass(eq=False)
class RequestNotAccreditedError(RejectedError):
    """This address is not accredited for what it asked of requests."""

    solidity = "AccessRequestsNotAccredited"
    hint = "ask a member of the consortium: researchers open requests, ethics committees approve, custodians deliver"
    actor: str

    def _message(self) -> str:
        return f"{self.actor} is not accredited for this now"


@dataclass(eq=False)
class RequestNotAllowedError(RejectedError):
    """This address may not do this to this request."""

    solidity = "AccessRequestsNotAllowed"
    hint = "requesters confirm, dispute and cancel; the custodian whom the patient named delivers or declines"
    caller: str


@dataclass(eq=False)
class UnknownRequestError(RejectedError):
    """Nobody opened such a request."""

    solidity = "AccessRequestsRequestUnknown"
    hint = "check the number, network and deployment"
    request_id: int

    def _message(self) -> str:
        return f"there is no request {self.request_id}"


@dataclass(eq=False)
class RequestNotOpenError(RejectedError):
    """The request awaits approval, is approved already, or was cancelled."""

    solidity = "AccessRequestsRequestNotOpen"
    hint = "see how it stands: medshare request show"
    request_id: int
    status: int


@dataclass(eq=False)
class RequestDeadlinePassedError(RejectedError):
    """It is too late for this request."""

    solidity = "AccessRequestsDeadlinePassed"
    hint = "ask the requester to open another"
    request_id: int
    deadline: int

    def _message(self) -> str:
        return f"request {self.request_id}: this could be done until {_moment(self.deadline)}"


@dataclass(eq=False)
class RequestTooEarlyError(RejectedError):
    """It is too early: the period has not ended."""

    solidity = "AccessRequestsTooEarly"
    hint = "repeat it after that time"
    request_id: int
    earliest: int

    def _message(self) -> str:
        return f"request {self.request_id}: this can be done from {_moment(self.earliest)} on"


@dataclass(eq=False)
class RequestUsedUpError(RejectedError):
    """As many patients have accepted as there are rewards."""

    solidity = "AccessRequestsUsedUp"
    hint = "ask the requester to open another"
    request_id: int


@dataclass(eq=False)
class RequestTermsInvalidError(RejectedError):
    """A request needs a purpose that can be asked for, at least one grant, a document, and a deadline ahead."""

    solidity = "AccessRequestsTermsInvalid"
    hint = "emergency purposes cannot be asked for; let the deadline lie ahead"


@dataclass(eq=False)
class RequestCategoryUnknownError(RejectedError):
    """The consortium has not said how rewards of this category are divided."""

    solidity = "AccessRequestsCategoryUnknown"
    hint = "choose one of the categories that have a split, or propose one"
    category: int


@dataclass(eq=False)
class NotInvitedError(RejectedError):
    """The patient is not among those who are asked."""

    solidity = "AccessRequestsNotInvited"
    hint = "the request names its patients: ask the requester for an invitation"
    request_id: int
    patient: str


@dataclass(eq=False)
class ReservedAlreadyError(RejectedError):
    """The patient has accepted already: one reward for each patient."""

    solidity = "AccessRequestsReservedAlready"
    hint = "there is nothing to do"
    request_id: int
    patient: str


@dataclass(eq=False)
class GrantUnfitError(RejectedError):
    """The grant is not what the request asks for: another grantee, fewer purposes, begun later or ended earlier."""

    solidity = "AccessRequestsGrantUnfit"
    hint = "sign anew, from the request as it stands on chain"
    request_id: int
    wanted: int


@dataclass(eq=False)
class GrantNotLiveError(RejectedError):
    """The grant is not live: it was revoked or has ended, or is not for this request."""

    solidity = "AccessRequestsGrantNotLive"
    hint = "nothing can be delivered without a live grant"
    request_id: int
    patient: str


@dataclass(eq=False)
class ReservationNotError(RejectedError):
    """The patient's part in the request has not come so far, or is past it."""

    solidity = "AccessRequestsReservationNot"
    hint = "see how it stands: medshare request show"
    request_id: int
    patient: str
    status: int


@dataclass(eq=False)
class NothingToReturnError(RejectedError):
    """There is nothing to give back."""

    solidity = "AccessRequestsNothingToReturn"
    hint = "all was delivered or went back already"
    request_id: int


@dataclass(eq=False)
class PeriodsOutOfRangeError(RejectedError):
    """Periods must be between an hour and 90 days."""

    solidity = "AccessRequestsPeriodsOutOfRange"
    hint = "choose 3600 to 7776000 seconds"
    dispute_period: int
    decision_period: int


@dataclass(eq=False)
class CallFailedError(RejectedError):
    """A call or a payment that a contract made failed, and the one who was called did not say why."""

    solidity = "FailedCall"
    hint = "if coins were to be paid out, name an address that takes them"


@dataclass(eq=False)
class NothingToCallError(RejectedError):
    """There is no contract at the address that was to be called."""

    solidity = "AddressEmptyCode"
    hint = "compare the address with the deployment"
    target: str


@dataclass(eq=False)
class ContractBalanceError(RejectedError):
    """A contract has fewer coins than it was to pay."""

    solidity = "InsufficientBalance"
    hint = "report this: what a contract owes it must have"
    balance: int
    needed: int


@dataclass(eq=False)
class ReentrantCallError(RejectedError):
    """A contract was called again while it waited for somebody it had called."""

    solidity = "ReentrancyGuardReentrantCall"
    hint = "beware of this token or account: it tried to be served twice"


@dataclass(eq=False)
class TokenFailedError(RejectedError):
    """A token did not do what it was asked, or did not say that it did."""

    solidity = "SafeERC20FailedOperation"
    hint = "compare balance and allowance; the token may be paused, or bar one of the two addresses"
    token: str


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# ----------------------------------------------------------------------------------------------- decisions


class AccessDeniedError(MedshareError):
    """The reader has no right to this record for this purpose now. An answer, not a fault."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(decision.explain(), hint=decision.advice())
        self.decision = decision


class IntegrityError(MedshareError):
    """Chain, manifest, bundle and store do not tell the same story."""

    hint = "nothing was released; report this to the custodian, and run: medshare doctor"
