"""Read receipts: what a reader signs before a custodian's client releases keys to him.

No contract takes one: its domain is its own, so that no transaction can carry the signature. Custodians keep receipts,
and put them in batches of which only the root becomes public. A receipt has a salt, and so has its leaf: nobody who
lacks the receipt can test a guess at it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from medshare.errors import InvalidInputError
from medshare.hashing import DIGEST_SIZE, keccak256
from medshare.model.documents import Reader, decode_document, encode_document
from medshare.model.eip712 import Domain
from medshare.model.ids import Address
from medshare.model.merkle import root_of
from medshare.model.purpose import Purpose
from medshare.model.typed_data import MAX_SIGNED_MESSAGE_SIZE, Signable, SignedMessage

WHATEVER_IT_COVERS = bytes(DIGEST_SIZE)
"""In the place of a record: all that the right covers and the custodian holds."""
PROOF_VERSION = 1
_MAX_PROOF = 32
_MAX_PROOF_SIZE = 2 * MAX_SIGNED_MESSAGE_SIZE


@dataclass(frozen=True, slots=True, kw_only=True)
class SignableReadReceipt(Signable):
    """State that one is about to read, before the keys are released."""

    contract: ClassVar[str] = "ReadReceipts"
    encoding: ClassVar[str] = (
        "ReadReceipt(address reader,address custodian,address patient,bytes32 record,uint256 right,uint16 purposes,"
        "uint32 signedAt,bytes32 salt,uint32 deadline)"
    )
    author: ClassVar[str | None] = "reader"

    reader: Address
    custodian: Address
    """Who is to release the keys: for another the receipt is worth nothing."""
    patient: Address
    record: bytes
    """A record's id, or ``WHATEVER_IT_COVERS``."""
    right: int
    """The id of the grant or of the emergency episode."""
    purposes: Purpose
    signed_at: int
    """The reader's time, Unix seconds."""
    salt: bytes
    """32 random bytes."""


RECEIPTS: Mapping[str, type[Signable]] = {SignableReadReceipt.struct(): SignableReadReceipt}


def receipts_domain(consents: Domain) -> Domain:
    """Return for what receipts of a deployment are signed; ``consents`` is the domain of its ConsentRegistry."""
    return Domain.of(SignableReadReceipt.contract, consents.chain_id, consents.verifying_contract)


def receipt_of(signed: SignedMessage) -> SignableReadReceipt:
    """Return the receipt that was signed; raises ``InvalidInputError`` where it is another message."""
    if not isinstance(signed.message, SignableReadReceipt):
        raise InvalidInputError("what was signed is no read receipt")
    return signed.message


def receipt_from_json(document: bytes) -> SignedMessage:
    """Return the signed receipt that ``document`` holds; its signature is not verified here.

    Raises:
        InvalidInputError: it holds none of a version we speak.
    """
    return SignedMessage.from_json(document, RECEIPTS)


def leaf_of(signed: SignedMessage) -> bytes:
    """Return a receipt's leaf in its batch: its digest, hashed twice."""
    return keccak256(keccak256(signed.digest))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptProof:
    """A receipt, and what shows that it is in the batch of a root."""

    signed: SignedMessage
    root: bytes
    proof: tuple[bytes, ...]

    @property
    def holds(self) -> bool:
        """Whether the receipt is in that batch."""
        return root_of(leaf_of(self.signed), self.proof) == self.root

    def to_json(self) -> bytes:
        """Return the document that whoever shall believe it is given."""
        return encode_document(
            {
                "version": PROOF_VERSION,
                "receipt": decode_document(self.signed.to_json()),
                "root": self.root.hex(),
                "proof": [each.hex() for each in self.proof],
            }
        )

    @classmethod
    def from_json(cls, document: bytes) -> Self:
        """Return the proof that ``document`` holds; raises ``InvalidInputError``. Nothing is verified here."""
        fields = decode_document(document, _MAX_PROOF_SIZE)
        receipt = fields.pop("receipt", None)
        if not isinstance(receipt, dict):
            raise InvalidInputError("the document holds no receipt")
        read = Reader(fields, "proof")
        read.version(PROOF_VERSION)
        found = cls(
            signed=receipt_from_json(encode_document(receipt)),
            root=read.digest("root"),
            proof=read.digests("proof", _MAX_PROOF),
        )
        read.end()
        return found
