"""Every error medshare raises, in one tree.

::

    MedshareError
    ├─ ConfigurationError
    │  ├─ HomeNotFoundError
    │  ├─ UnknownNetworkError · WrongChainError · DeploymentNotFoundError · DeploymentMismatchError
    │  └─ UnknownIdentityError · IdentityExistsError
    ├─ InvalidInputError            (also ValueError)
    ├─ KeyFileError
    │  └─ WrongPassphraseError
    ├─ EnvelopeError
    │  ├─ MalformedEnvelopeError · UnsupportedVersionError
    │  ├─ NotARecipientError · AuthenticationError
    │  └─ KeyCommitmentError
    ├─ StoreError
    │  ├─ BlobNotFoundError · BlobMismatchError · MalformedBlobError · BlobTooLargeError
    │  └─ StoreUnavailableError · StoreFullError
    ├─ LedgerError
    │  ├─ LedgerUnavailableError · LedgerBusyError · TransactionFailedError · InsufficientFundsError
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


class StoreFullError(StoreError):
    """There is no space left where the store writes."""

    hint = "free space, then repeat; what broken-off work left goes with: medshare storage collect --older-than 0s"


# -------------------------------------------------------------------------------------------------- ledger


class LedgerError(MedshareError):
    """The chain did not do its part."""


class LedgerUnavailableError(LedgerError):
    """The node cannot be reached, broke off, or answered nonsense."""

    hint = "try again: what was signed is on file and is sent again as it is, never twice"


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
class EncryptionKeyNotSetError(RejectedError):
    """The actor has no encryption key in the Directory."""

    solidity = "DirectoryEncryptionKeyNotSet"
    actor: str

    def _message(self) -> str:
        return f"{self.actor} has published no encryption key"


@dataclass(eq=False)
class EncryptionKeyIsZeroError(RejectedError):
    """An encryption key of zeros was refused."""

    solidity = "DirectoryEncryptionKeyIsZero"


@dataclass(eq=False)
class EncryptionKeyUnchangedError(RejectedError):
    """The actor's encryption key is this one already."""

    solidity = "DirectoryEncryptionKeyUnchanged"
    actor: str

    def _message(self) -> str:
        return f"{self.actor} has this encryption key already"


@dataclass(eq=False)
class UnknownRecordError(RejectedError):
    """The custodian has registered no record of this id."""

    solidity = "RecordRegistryRecordUnknown"
    custodian: str
    record_id: bytes

    def _message(self) -> str:
        return f"no record {self.record_id.hex()} is registered by {self.custodian}"


@dataclass(eq=False)
class RecordExistsError(RejectedError):
    """The custodian has registered this record already."""

    solidity = "RecordRegistryRecordExists"
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


@dataclass(eq=False)
class PatientIsZeroError(RejectedError):
    """A record needs a patient."""

    solidity = "RecordRegistryPatientIsZero"


@dataclass(eq=False)
class VersionsExhaustedError(RejectedError):
    """The record has as many versions as the registry can count."""

    solidity = "RecordRegistryVersionsExhausted"
    custodian: str
    record_id: bytes


@dataclass(eq=False)
class GranteeIsZeroError(RejectedError):
    """Access cannot be granted to the zero address."""

    solidity = "ConsentRegistryGranteeIsZero"


@dataclass(eq=False)
class GranteeIsPatientError(RejectedError):
    """A patient needs no grant for his own records."""

    solidity = "ConsentRegistryGranteeIsPatient"
    patient: str


@dataclass(eq=False)
class PeriodEmptyError(RejectedError):
    """The grant would end before it begins, or has ended already."""

    solidity = "ConsentRegistryPeriodEmpty"
    not_before: int
    expires_at: int

    def _message(self) -> str:
        begins, ends = _moment(self.not_before), _moment(self.expires_at)
        return f"a grant from {begins} until {ends} would never be live: it must end after it begins, and after now"


@dataclass(eq=False)
class PurposesEmptyError(RejectedError):
    """A grant or a question needs at least one purpose."""

    solidity = "ConsentRegistryPurposesEmpty"


@dataclass(eq=False)
class NotThePatientError(RejectedError):
    """Only the patient whom the grant names may do this."""

    solidity = "ConsentRegistryNotThePatient"
    hint = "check the id, which is shown by: medshare access list --patient WHO"
    grant_id: int
    caller: str

    def _message(self) -> str:
        return f"{self.caller} is not the patient of grant {self.grant_id:#x}"


@dataclass(eq=False)
class UnknownGrantError(RejectedError):
    """No access was ever granted under this id."""

    solidity = "ConsentRegistryGrantUnknown"
    grant_id: int

    def _message(self) -> str:
        return f"no access was ever granted under {self.grant_id:#x}"


@dataclass(eq=False)
class GrantIdTakenError(RejectedError):
    """Two sets of terms met in one grant id; draw a new salt for the terms."""

    solidity = "ConsentRegistryGrantIdTaken"
    grant_id: int
    grantee: str


@dataclass(eq=False)
class GrantExhaustedError(RejectedError):
    """This grant was changed as often as it can be; write new terms (a new salt) instead."""

    solidity = "ConsentRegistryGrantExhausted"
    grant_id: int


@dataclass(eq=False)
class PatientExhaustedError(RejectedError):
    """This address has revoked all as often as it can; it can grant nothing more, use a new address."""

    solidity = "ConsentRegistryPatientExhausted"
    patient: str


@dataclass(eq=False)
class TokenNotTransferableError(RejectedError):
    """An access token never moves and nobody can be approved for it."""

    solidity = "AccessTokenNotTransferable"


@dataclass(eq=False)
class TokenLengthMismatchError(RejectedError):
    """Two lists that belong together have different lengths."""

    solidity = "AccessTokenLengthMismatch"
    accounts: int
    ids: int


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
