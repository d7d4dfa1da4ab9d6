"""An account of read receipts: all that a custodian keeps, or those of one patient, to be compared with the chain.

Of all of them the roots of the batches follow, so that one which is left out is missed. Of one patient's each has a
proof of its own, and the others stay unsaid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from medshare.errors import InvalidInputError
from medshare.model.documents import Reader, decode_document, encode_document
from medshare.model.ids import Address, address
from medshare.model.merkle import nodes_of, root_of
from medshare.model.read_receipt import SignableReadReceipt, leaf_of, receipt_from_json, receipt_of
from medshare.model.typed_data import SignedMessage

ACCOUNT_VERSION = 1
MAX_ACCOUNT_SIZE = 256 << 20
MAX_RECEIPTS = 100_000
_MAX_PROOF = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountedReceipt:
    """A receipt, and the batch it is in."""

    signed: SignedMessage
    root: bytes | None
    """None where it is in no batch yet."""
    proof: tuple[bytes, ...] = ()
    """What leads to the root, in an account of one patient."""

    @property
    def said(self) -> SignableReadReceipt:
        """What its reader signed."""
        return receipt_of(self.signed)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptAccount:
    """The receipts that a custodian keeps, or those of one patient among them."""

    custodian: Address
    patient: Address | None
    """Whose receipts these are; None for all of them."""
    receipts: tuple[AccountedReceipt, ...]

    @property
    def batches(self) -> dict[bytes, list[AccountedReceipt]]:
        """Which of these receipts are said to be in each batch."""
        found: dict[bytes, list[AccountedReceipt]] = {}
        for each in self.receipts:
            if each.root is not None:
                found.setdefault(each.root, []).append(each)
        return found

    def proven(self, root: bytes, within: Sequence[AccountedReceipt]) -> bool:
        """Whether those that are said to be in a batch are: by their own proofs, or all of them together."""
        if self.patient is not None:
            return all(root_of(leaf_of(each.signed), each.proof) == root for each in within)
        return nodes_of(leaf_of(each.signed) for each in within)[0] == root

    def to_json(self) -> bytes:
        """Return the document that ``from_json`` reads."""
        return encode_document(
            {
                "version": ACCOUNT_VERSION,
                "custodian": self.custodian,
                "patient": self.patient,
                "receipts": [
                    {
                        "receipt": decode_document(each.signed.to_json()),
                        "root": None if each.root is None else each.root.hex(),
                        "proof": [node.hex() for node in each.proof],
                    }
                    for each in self.receipts
                ],
            }
        )

    @classmethod
    def from_json(cls, document: bytes) -> Self:
        """Return the account that ``document`` holds; nothing is verified here.

        Raises:
            InvalidInputError: it holds none of a version we speak, or more receipts than are read at once.
        """
        fields = decode_document(document, MAX_ACCOUNT_SIZE)
        several = fields.pop("receipts", None)
        if not isinstance(several, list):
            raise InvalidInputError("this is no account of receipts", hint="medshare receipt export writes one")
        if len(several) > MAX_RECEIPTS:
            raise InvalidInputError(f"an account of receipts lists at most {MAX_RECEIPTS} of them")
        read = Reader(fields, "account of receipts")
        read.version(ACCOUNT_VERSION)
        patient = read.optional_text("patient")
        found = cls(
            custodian=read.address("custodian"),
            patient=None if patient is None else address(patient),
            receipts=tuple(_receipt(each) for each in several),
        )
        read.end()
        return found


def _receipt(fields: Any) -> AccountedReceipt:  # noqa: ANN401 - an entry of a document
    if not isinstance(fields, dict) or not isinstance(fields.get("receipt"), dict):
        raise InvalidInputError("the account of receipts has an entry that is none")
    fields = dict(fields)
    signed = receipt_from_json(encode_document(fields.pop("receipt")))
    read = Reader(fields, "receipt in the account")
    found = AccountedReceipt(
        signed=signed,
        root=read.digest("root") if read.present("root") else None,
        proof=read.digests("proof", _MAX_PROOF),
    )
    if found.root is None:
        read.optional_text("root")
    read.end()
    return found
