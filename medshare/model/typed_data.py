"""What people sign: EIP-712 typed data, one class for each struct that the contracts know.

A message's ``encoding`` is, letter for letter, the string whose hash the contract holds; a test compares the two. Each
message names a count that its effect uses up, so that a signature works once, on one chain, at one contract, with one
meaning, before its deadline. Nothing here signs, and nothing signs a bare hash: a signer gets ``to_typed_data``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from medshare.errors import DeadlinePassedError, DeadlineTooFarError, InvalidInputError, WrongDomainError
from medshare.hashing import keccak256
from medshare.model.delegation import Verbs
from medshare.model.documents import Reader, decode_document, encode_document
from medshare.model.eip712 import (
    DOMAIN_ENCODING,
    DOMAIN_VERSION,
    MAX_CHAIN_ID,
    Domain,
    encode_word,
    field_name,
    from_json_value,
    listed,
    parsed,
    read_hex,
    to_json_value,
)
from medshare.model.ids import Address, BundleId, CatalogueId, EpisodeId, GrantId, RecordId, TermsDigest, patient_of
from medshare.model.purpose import Purpose

LONGEST_VALIDITY = 30 * 86_400
"""Seconds until the deadline, at most: what was signed and forgotten does not come back next year."""
MAX_SIGNATURE_SIZE = 4096
"""A contract wallet of several owners answers for all of their signatures at once."""
MAX_SIGNED_MESSAGE_SIZE = 16 << 10
SIGNED_MESSAGE_VERSION = 1


# ------------------------------------------------------------------------------------------- messages


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedStruct:
    """What is signed as a struct. A field's name is the member's, in snake case."""

    contract: ClassVar[str] = ""
    """In which contract's domain it is signed."""
    encoding: ClassVar[str] = ""
    """EIP-712's encodeType."""

    def __post_init__(self) -> None:
        for name, kind, value in self.values():
            encode_word(kind, value, f"{self.struct()}.{name}")

    @classmethod
    def struct(cls) -> str:
        """Return the struct's name, which wallets show."""
        return parsed(cls.encoding)[0]

    @classmethod
    def members(cls) -> tuple[tuple[str, str], ...]:
        """Return the struct's members, name and type, in their order."""
        return parsed(cls.encoding)[1]

    def values(self) -> Iterator[tuple[str, str, Any]]:
        """Yield name, type and value of each member, in their order."""
        for name, kind in self.members():
            yield name, kind, getattr(self, field_name(name))

    def struct_hash(self) -> bytes:
        """Return EIP-712's hashStruct."""
        words = [encode_word(kind, value, name) for name, kind, value in self.values()]
        return keccak256(keccak256(self.encoding.encode()) + b"".join(words))


@dataclass(frozen=True, slots=True, kw_only=True)
class Signable(TypedStruct):
    """What all messages share that a contract takes; its ``encoding`` is as the contract writes it."""

    author: ClassVar[str | None] = None
    """The field that names whose word this is; None where the contract finds it out."""

    deadline: int
    """First second in which it is too late to send it, Unix time."""

    @property
    def subject(self) -> Address | None:
        """Whom it is about: the patient, the custodian, or whose key it is; None where only the contract knows."""
        return None if self.author is None else getattr(self, self.author)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mandated(Signable):
    """A message of a patient, or of somebody who may act for him."""

    author: ClassVar[str | None] = "patient"

    mandate: int = 0
    """0 for the patient's own key; else the tenure of the key that took over, or the epoch of the appointment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignableSetEncryptionKey(Signable):
    """Publish or rotate the actor's encryption key."""

    contract: ClassVar[str] = "Consortium"
    encoding: ClassVar[str] = "SetEncryptionKey(address actor,bytes32 key,uint32 version,uint32 deadline)"
    author: ClassVar[str | None] = "actor"

    actor: Address
    key: bytes
    version: int
    """The version that this key becomes: one more than the chain shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignableRegister(Signable):
    """Register the first version of a record."""

    contract: ClassVar[str] = "RecordRegistry"
    encoding: ClassVar[str] = "Register(address custodian,bytes32 recordId,address patient,uint32 deadline)"
    author: ClassVar[str | None] = "custodian"

    custodian: Address
    record_id: RecordId
    patient: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class SignableSupersede(Signable):
    """Put a new version in the place of a record."""

    contract: ClassVar[str] = "RecordRegistry"
    encoding: ClassVar[str] = "Supersede(address custodian,bytes32 recordId,bytes32 previousId,uint32 deadline)"
    author: ClassVar[str | None] = "custodian"

    custodian: Address
    record_id: RecordId
    previous_id: RecordId


@dataclass(frozen=True, slots=True, kw_only=True)
class SignableRetract(Signable):
    """Withdraw a record."""

    contract: ClassVar[str] = "RecordRegistry"
    encoding: ClassVar[str] = "Retract(address custodian,bytes32 recordId,bytes32 reason,uint32 deadline)"
    author: ClassVar[str | None] = "custodian"

    custodian: Address
    record_id: RecordId
    reason: bytes
    """Salted digest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignableAnchorBatch(Signable):
    """State very many records by their root."""

    contract: ClassVar[str] = "RecordRegistry"
    encoding: ClassVar[str] = (
        "AnchorBatch(address custodian,bytes32 root,bytes32 catalogue,uint32 records,uint32 deadline)"
    )
    author: ClassVar[str | None] = "custodian"

    custodian: Address
    root: bytes
    catalogue: CatalogueId
    records: int
    """How many are under the root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignableGrant(Mandated):
    """Grant a reader access."""

    contract: ClassVar[str] = "ConsentRegistry"
    encoding: ClassVar[str] = (
        "Grant(address patient,address grantee,bytes32 terms,bytes32 bundle,uint16 purposes,uint32 notBefore,"
        "uint32 expiresAt,uint8 stamp,uint8 epoch,uint8 mandate,uint32 deadline)"
    )

    patient: Address
    grantee: Address
    terms: TermsDigest
    bundle: BundleId
    purposes: Purpose
    not_before: int
    """0 or a past time: from the block on that takes it."""
    expires_at: int
    stamp: int
    """As it stands on chain."""
    epoch: int
    """As it stands on chain, 0 where nothing was granted yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignableRevoke(Mandated):
    """Take a grant back."""

    contract: ClassVar[str] = "ConsentRegistry"
    encoding: ClassVar[str] = "Revoke(address patient,uint256 grantId,uint8 lastEpoch,uint8 mandate,uint32 deadline)"

    patient: Address
    grant_id: GrantId
    last_epoch: int
    """Every change of the grant up to this one ends, those on their way included."""

    def __post_init__(self) -> None:
        Mandated.__post_init__(self)
        if patient_of(self.grant_id) != self.patient:
            raise InvalidInputError("the grant to be revoked is another patient's")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignableRevokeAll(Mandated):
    """Take back everything granted, delegated or signed so far."""

    contract: ClassVar[str] = "ConsentRegistry"
    encoding: ClassVar[str] = "RevokeAll(address patient,uint8 stamp,uint8 mandate,uint32 deadline)"

    patient: Address
    stamp: int
    """As it stands on chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignableAppoint(Mandated):
    """Let somebody act for the patient, or change what he may do."""

    contract: ClassVar[str] = "ConsentRegistry"
    encoding: ClassVar[str] = (
        "Appoint(address patient,address delegate,uint8 verbs,uint16 purposes,uint32 notBefore,uint32 expiresAt,"
        "uint8 stamp,uint8 epoch,uint8 mandate,uint32 deadline)"
    )

    patient: Address
    delegate: Address
    verbs: Verbs
    purposes: Purpose
    not_before: int
    expires_at: int
    stamp: int
    """As it stands on chain."""
    epoch: int
    """As it stands on chain, 0 where the delegate was never appointed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignableDismiss(Mandated):
    """Dismiss a delegate; or resign, as the delegate."""

    contract: ClassVar[str] = "ConsentRegistry"
    encoding: ClassVar[str] = "Dismiss(address patient,address delegate,uint8 lastEpoch,uint8 mandate,uint32 deadline)"

    patient: Address
    delegate: Address
    last_epoch: int
    """Every appointment up to this one ends, those on their way included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignableNameGuardians(Mandated):
    """Name those who together can give the patient a new key."""

    contract: ClassVar[str] = "ConsentRegistry"
    encoding: ClassVar[str] = (
        "NameGuardians(address patient,bytes32 circle,uint32 delay,uint32 changes,uint8 mandate,uint32 deadline)"
    )

    patient: Address
    circle: bytes
    """Salted digest, ``Circle.digest``; zeros for none."""
    delay: int
    """Seconds in which the patient can object to a recovery."""
    changes: int
    """How often guardians were named so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignableRecover(Signable):
    """Propose a new key for a patient who lost his, as one of his guardians."""

    contract: ClassVar[str] = "ConsentRegistry"
    encoding: ClassVar[str] = "Recover(address patient,address controller,uint32 attempt,uint32 deadline)"

    patient: Address
    controller: Address
    attempt: int
    """One more than the chain shows."""

    @property
    def subject(self) -> Address | None:
        """The patient, whose word it is not."""
        return self.patient


@dataclass(frozen=True, slots=True, kw_only=True)
class SignableObjectToRecovery(Mandated):
    """Object to the recovery that is proposed."""

    contract: ClassVar[str] = "ConsentRegistry"
    encoding: ClassVar[str] = "ObjectToRecovery(address patient,uint32 attempt,uint8 mandate,uint32 deadline)"

    patient: Address
    attempt: int
    """As it stands on chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignableEndEpisode(Signable):
    """End an emergency episode, as the one in control of its patient."""

    contract: ClassVar[str] = "EmergencyAccess"
    encoding: ClassVar[str] = "EndEpisode(uint256 episodeId,uint32 deadline)"

    episode_id: EpisodeId


@dataclass(frozen=True, slots=True, kw_only=True)
class SignableSetBar(Signable):
    """Bar break-glass for a patient, or allow it again, as the one in control of him."""

    contract: ClassVar[str] = "EmergencyAccess"
    encoding: ClassVar[str] = "SetBar(address patient,bool barred,uint32 count,uint32 deadline)"

    patient: Address
    barred: bool
    count: int
    """How often it was set so far."""

    @property
    def subject(self) -> Address | None:
        """The patient; who is in control of him is for the chain to say."""
        return self.patient


@dataclass(frozen=True, slots=True, kw_only=True)
class SignableWithdraw(Signable):
    """Withdraw all of an account's credit in one token, as the one in control of the account."""

    contract: ClassVar[str] = "AccessRequests"
    encoding: ClassVar[str] = "Withdraw(address account,address token,address to,uint32 count,uint32 deadline)"

    account: Address
    token: Address
    to: Address
    count: int
    """How often the account has withdrawn so far."""

    @property
    def subject(self) -> Address | None:
        """Whose credit it is; who is in control of it is for the chain to say."""
        return self.account


SIGNABLES: Mapping[str, type[Signable]] = {
    kind.struct(): kind
    for kind in (
        SignableSetEncryptionKey,
        SignableRegister,
        SignableSupersede,
        SignableRetract,
        SignableAnchorBatch,
        SignableGrant,
        SignableRevoke,
        SignableRevokeAll,
        SignableAppoint,
        SignableDismiss,
        SignableNameGuardians,
        SignableRecover,
        SignableObjectToRecovery,
        SignableEndEpisode,
        SignableSetBar,
        SignableWithdraw,
    )
}
"""Every message by its struct's name."""


# ------------------------------------------------------------------------------------------ computing


def digest(message: TypedStruct, domain: Domain) -> bytes:
    """Return what is signed: EIP-712's hash over domain and message; raises ``WrongDomainError``."""
    check_contract(message, domain)
    return keccak256(b"\x19\x01" + domain.separator + message.struct_hash())


def to_typed_data(message: TypedStruct, domain: Domain) -> dict[str, Any]:
    """Return the JSON that wallets take for ``eth_signTypedData_v4``.

    Integers that a JavaScript number does not hold exactly are decimal strings, bytes are hex with 0x.

    Raises:
        WrongDomainError: the domain is another contract's.
    """
    check_contract(message, domain)
    return {
        "types": {
            "EIP712Domain": listed(DOMAIN_ENCODING),
            message.struct(): listed(message.encoding),
        },
        "primaryType": message.struct(),
        "domain": {
            "name": domain.name,
            "version": DOMAIN_VERSION,
            "chainId": to_json_value(domain.chain_id),
            "verifyingContract": domain.verifying_contract,
        },
        "message": {name: to_json_value(value) for name, _, value in message.values()},
    }


def check_contract(message: TypedStruct, domain: Domain) -> None:
    """Refuse a message for another contract than the domain's; raises ``WrongDomainError``."""
    if domain.name != f"medshare {message.contract}":
        raise WrongDomainError(f"medshare {message.contract}", domain.name)


def check_deadline(message: Signable, now: int) -> None:
    """Refuse what comes too late, or could be sent for absurdly long.

    Args:
        message: the message.
        now: the chain's time, Unix seconds.

    Raises:
        DeadlinePassedError: the contract would not take it any more.
        DeadlineTooFarError: it lies further ahead than ``LONGEST_VALIDITY``.
    """
    if now >= message.deadline:
        raise DeadlinePassedError(message.deadline)
    if message.deadline > now + LONGEST_VALIDITY:
        raise DeadlineTooFarError(message.deadline, now + LONGEST_VALIDITY)


def check_signer(message: Signable, signer: Address) -> None:
    """Refuse a signer who cannot be the one whose word the message is; raises ``InvalidInputError``."""
    is_authors = signer == message.subject
    if isinstance(message, Mandated):
        if is_authors != (message.mandate == 0):
            raise InvalidInputError("the mandate is 0 for the patient's own signature, and for nobody else's")
    elif message.author is not None and not is_authors:
        raise InvalidInputError(f"only {message.subject} can sign this, not {signer}")


# ------------------------------------------------------------------------------------- signed messages


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedMessage:
    """A message with its signature: all that a relayer needs. Whoever has it can send it, and nothing else."""

    message: Signable
    domain: Domain
    signer: Address
    """Whose key or contract wallet signed."""
    signature: bytes

    def __post_init__(self) -> None:
        check_contract(self.message, self.domain)
        encode_word("address", self.signer, "signer")
        if type(self.signature) is not bytes or not 0 < len(self.signature) <= MAX_SIGNATURE_SIZE:
            raise InvalidInputError(f"a signature has 1 to {MAX_SIGNATURE_SIZE} bytes")
        check_signer(self.message, self.signer)

    @property
    def digest(self) -> bytes:
        """What was signed."""
        return digest(self.message, self.domain)

    @property
    def deadline(self) -> int:
        """First second in which it is too late to send it."""
        return self.message.deadline

    @property
    def mandate(self) -> int:
        """By which mandate the signer acts for the patient; 0 where he is the patient, or needs none."""
        return self.message.mandate if isinstance(self.message, Mandated) else 0

    @property
    def is_authors(self) -> bool:
        """Whether the one whose word it is signed himself."""
        return self.message.author is not None and self.signer == self.message.subject

    @property
    def subject(self) -> Address:
        """Whom it is about, as far as can be told without the chain; else who signed."""
        return self.message.subject or self.signer

    @classmethod
    def from_json(cls, document: bytes, kinds: Mapping[str, type[Signable]] = SIGNABLES) -> Self:
        """Return the signed message that ``document`` holds. The signature is not verified here.

        Args:
            document: what ``to_json`` wrote.
            kinds: the messages that it may hold, by their structs' names.

        Raises:
            InvalidInputError: not a signed message of a version we speak, or with a field too many.
        """
        fields = decode_document(document, MAX_SIGNED_MESSAGE_SIZE)
        members = fields.pop("message", None)
        read = Reader(fields, "signed message")
        read.version(SIGNED_MESSAGE_VERSION)
        struct = read.text("struct", 64)
        kind = kinds.get(struct)
        if kind is None:
            raise InvalidInputError(f"nothing is called {struct[:40]!r} that could be signed")
        domain = Domain.of(kind.contract, read.integer("chain_id", 1, MAX_CHAIN_ID), read.address("contract"))
        signed = cls(
            message=_read_message(kind, members),
            domain=domain,
            signer=read.address("signer"),
            signature=read_hex(read.text("signature", 2 + 2 * MAX_SIGNATURE_SIZE), "signature"),
        )
        if read.rest():
            raise InvalidInputError("the signed message has fields that this medshare does not know")
        return signed

    def to_json(self) -> bytes:
        """Return the document that ``from_json`` reads: UTF-8, keys sorted, no white space."""
        return encode_document(
            {
                "version": SIGNED_MESSAGE_VERSION,
                "struct": self.message.struct(),
                "chain_id": self.domain.chain_id,
                "contract": self.domain.verifying_contract,
                "message": {name: to_json_value(value) for name, _, value in self.message.values()},
                "signer": self.signer,
                "signature": "0x" + self.signature.hex(),
            }
        )


def _read_message(kind: type[Signable], fields: object) -> Signable:
    if not isinstance(fields, dict) or set(fields) != {name for name, _ in kind.members()}:
        raise InvalidInputError(f"a {kind.struct()} has exactly the members {', '.join(n for n, _ in kind.members())}")
    values = {field_name(name): from_json_value(name, solidity, fields[name]) for name, solidity in kind.members()}
    for name, flags in (("purposes", Purpose), ("verbs", Verbs)):
        if name in values:
            values[name] = flags(values[name])
    return kind(**values)
