"""Documents of those who are asked: an invitation, as its patient gets it, and an acceptance, for somebody to send."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from medshare.errors import InvalidInputError
from medshare.model.documents import Reader, decode_document, encode_document
from medshare.model.ids import Address, RequestId
from medshare.model.request import MAX_REQUEST_ID, Acceptance, Invitation, request_terms_digest
from medshare.model.typed_data import MAX_SIGNED_MESSAGE_SIZE, SignableGrant, SignedMessage

INVITATION_VERSION = 1
ACCEPTANCE_VERSION = 1
MAX_INVITATION_SIZE = 8 << 10
MAX_ACCEPTANCE_SIZE = MAX_INVITATION_SIZE + 2 * MAX_SIGNED_MESSAGE_SIZE
_MAX_PROOF = 16


def write_invitation(patient: Address, invitation: Invitation) -> bytes:
    """Return the document by which ``patient`` learns his salt and proof."""
    return encode_document({"version": INVITATION_VERSION, "patient": patient, **_fields(invitation)})


def read_invitation(document: bytes) -> tuple[Address, Invitation]:
    """Return whose invitation ``document`` is, and the invitation; raises ``InvalidInputError``."""
    read = Reader(decode_document(document, MAX_INVITATION_SIZE), "invitation")
    read.version(INVITATION_VERSION)
    return read.address("patient"), _read(read)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedAcceptance:
    """A patient's word that he takes part in a request: all that somebody needs to send it and pay for it."""

    request_id: RequestId
    acceptance: Acceptance

    @property
    def patient(self) -> Address:
        """Who takes part."""
        return self.granted.patient

    @property
    def granted(self) -> SignableGrant:
        """What was signed."""
        message = self.acceptance.signed.message
        if not isinstance(message, SignableGrant):
            raise InvalidInputError("what accepts a request is a signed grant")
        return message

    def check_bound_to(self, contract: Address) -> None:
        """Check that what was signed accepts this request, with this custodian, at ``contract``.

        Raises:
            InvalidInputError: it is a grant for another request, custodian, content or deployment.
        """
        said = self.acceptance
        bound = request_terms_digest(contract, self.request_id, said.custodian, said.content)
        if self.granted.terms != bound:
            raise InvalidInputError("what was signed accepts another request, or names another custodian")

    @classmethod
    def from_json(cls, document: bytes) -> Self:
        """Return the acceptance that ``document`` holds; the signature is not verified here.

        Raises:
            InvalidInputError: malformed, or no signed grant.
        """
        read = Reader(decode_document(document, MAX_ACCEPTANCE_SIZE), "acceptance")
        read.version(ACCEPTANCE_VERSION)
        signed = encode_document(read.child("signed").rest())
        accepted = cls(
            request_id=RequestId(read.integer("request_id", 1, MAX_REQUEST_ID)),
            acceptance=Acceptance(
                custodian=read.address("custodian"),
                content=read.digest("content"),
                signed=SignedMessage.from_json(signed),
                invitation=_read(read.child("invitation")),
            ),
        )
        read.end()
        return accepted

    def to_json(self) -> bytes:
        """Return the document that ``from_json`` reads."""
        said = self.acceptance
        fields: dict[str, Any] = {
            "version": ACCEPTANCE_VERSION,
            "request_id": self.request_id,
            "custodian": said.custodian,
            "content": said.content.hex(),
            "signed": decode_document(said.signed.to_json()),
            "invitation": _fields(said.invitation),
        }
        return encode_document(fields)


def _fields(invitation: Invitation) -> dict[str, object]:
    return {"salt": invitation.salt.hex(), "proof": [node.hex() for node in invitation.proof]}


def _read(read: Reader) -> Invitation:
    invitation = Invitation(salt=read.digest("salt"), proof=read.digests("proof", _MAX_PROOF))
    read.end()
    return invitation
