"""A request for access as the chain holds it: what is asked, what is held out, and how far each patient has come.

What the document behind it says is in ``medshare.model.study``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Self

from medshare.errors import InvalidInputError
from medshare.hashing import keccak256
from medshare.model.documents import Reader
from medshare.model.ids import ZERO_ADDRESS, Address, DocumentId, RequestId, TermsDigest, digest32
from medshare.model.purpose import Purpose
from medshare.model.quality_condition import QualityCondition
from medshare.model.typed_data import SignableGrant, SignedMessage

NATIVE = ZERO_ADDRESS
"""Stands for the chain's own coin where a token is named."""
NO_INVITEES = bytes(32)
"""Root of an open call."""
MAX_REQUEST_ID = (1 << 64) - 1
"""They are counted from 1: no chain comes so far."""
WHOLE = 10_000
"""Shares are in ten thousandths."""
DAY = 86_400
SHORTEST_PERIOD, LONGEST_PERIOD = 3600, 90 * DAY
"""Seconds, of a dispute or decision."""


class RequestCategory(IntEnum):
    """By which rewards are divided; the consortium may give splits to others by vote."""

    NON_PROFIT = 1
    """research that nobody profits from"""
    PUBLIC = 2
    """public health and public bodies"""
    COMMERCIAL = 3
    """for profit"""


class RequestStatus(IntEnum):
    """``IAccessRequests.RequestStatus``."""

    UNKNOWN = 0
    AWAITING_APPROVAL = 1
    OPEN = 2
    CANCELLED = 3


class ReservationStatus(IntEnum):
    """``IAccessRequests.ReservationStatus``."""

    NONE = 0
    RESERVED = 1
    DELIVERED = 2
    DISPUTED = 3
    PAID = 4
    RETURNED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """How a reward is divided; the rest is the consortium's."""

    patient: int
    """Ten thousandths."""
    custodian: int
    """Ten thousandths."""

    def divide(self, reward: int) -> tuple[int, int, int]:
        """Return what patient, custodian and consortium get, together ``reward``: rounding is the patient's gain."""
        to_custodian = reward * self.custodian // WHOLE
        to_consortium = reward * (WHOLE - self.patient - self.custodian) // WHOLE
        return reward - to_custodian - to_consortium, to_custodian, to_consortium


@dataclass(frozen=True, slots=True, kw_only=True)
class Periods:
    """How long a delivery can be disputed, and how long a dispute can wait for a decision."""

    dispute_period: int = 14 * DAY
    """Seconds."""
    decision_period: int = 30 * DAY
    """Seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestTerms:
    """What a requester sends to the chain to open a request (``IAccessRequests.Terms``)."""

    purposes: Purpose
    category: int
    grants: int
    """How many patients at most, 1 to 65,535."""
    deadline: int
    """First second in which it is too late to accept or deliver, Unix time."""
    access_days: int
    """How many days after the deadline each grant must at least last."""
    token: Address = NATIVE
    reward: int = 0
    """For each grant, in the token's smallest unit; 0 for a request without reward."""
    document: DocumentId
    invitees: bytes = NO_INVITEES
    """Root of the Merkle tree of those who are asked; zeros for an open call."""
    minimum_score: int = 0
    """With less, 0 to 100, nothing can be delivered; 0 for no condition."""
    quality_method: int = 0
    """By which method of assessors scores count; 0 where none is asked for."""
    quality_weight: int = 0
    """Ten thousandths of the custodian's share that depend on the score; 0 for none."""

    @property
    def budget(self) -> int:
        """What is deposited when it opens."""
        return self.reward * self.grants

    @property
    def is_open_call(self) -> bool:
        """Whether anybody can accept, once it is approved."""
        return self.invitees == NO_INVITEES

    @property
    def quality(self) -> QualityCondition | None:
        """What is asked of the quality of records; None where nothing is.

        Raises:
            InvalidInputError: what the chain holds is no condition; the contract takes none such.
        """
        if not self.minimum_score and not self.quality_weight:
            return None
        return QualityCondition(
            method=self.quality_method, minimum_score=self.minimum_score, weight=self.quality_weight
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRequest:
    """A request as it stands on chain (``IAccessRequests.Request`` and its number)."""

    request_id: RequestId
    requester: Address
    """Who opened it, pays, and will read."""
    terms: RequestTerms
    status: RequestStatus
    places: int
    """How many patients can still accept."""
    delivered: int
    """How many of those who accepted were delivered so far."""
    returned: int
    """How many rewards went back unearned, those of disputes apart."""
    split: Split
    """As it stood when the request opened."""
    periods: Periods
    """As they stood when the request opened."""

    @property
    def is_open_call(self) -> bool:
        """Whether anybody can accept."""
        return self.terms.is_open_call

    @property
    def access_until(self) -> int:
        """First second up to which each grant must at least last, Unix time."""
        return self.terms.deadline + self.terms.access_days * DAY

    def divide(self, score: int) -> tuple[int, int, int, int]:
        """Return what patient, custodian, consortium and requester get for a delivery of this score.

        Together they are the reward. What quality has not earned is the custodian's loss alone, and goes back.
        """
        to_patient, to_custodian, to_consortium = self.split.divide(self.terms.reward)
        quality = self.terms.quality
        to_requester = 0 if quality is None else quality.not_earned(to_custodian, score)
        return to_patient, to_custodian - to_requester, to_consortium, to_requester

    def acceptable(self, now: int) -> bool:
        """Whether a patient can accept it at ``now``, as far as the request alone says."""
        return self.status is RequestStatus.OPEN and now < self.terms.deadline and self.places > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """One patient's part in a request (``IAccessRequests.Reservation``)."""

    custodian: Address = ZERO_ADDRESS
    """Who delivers, and is paid with the patient."""
    since: int = 0
    """When it was reserved, delivered or disputed last, Unix time."""
    status: ReservationStatus = ReservationStatus.NONE
    score: int = 0
    """The lowest that is attested of what was delivered, 0 to 100, as the custodian stated it; 0 before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """What shows that a patient is among those who are asked; empty for an open call."""

    salt: bytes = bytes(32)
    proof: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """A patient's word that he takes part: a signed grant whose terms name the request, and what shows that they do."""

    custodian: Address
    """Who shall deliver, and is paid with the patient."""
    content: bytes
    """Salted digest of the consent's full text; with request and custodian it gives the terms that were signed."""
    signed: SignedMessage
    """A ``SignableGrant``, by the patient or by somebody who may grant for him."""
    invitation: Invitation = Invitation()

    @property
    def grant(self) -> SignableGrant:
        """What was signed; raises ``InvalidInputError`` where it is no ``SignableGrant``."""
        if not isinstance(self.signed.message, SignableGrant):
            raise InvalidInputError(f"who accepts signs a Grant, not a {self.signed.message.struct()}")
        return self.signed.message


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedRequest:
    """Which request a consent accepts, and who shall deliver: a part of its terms."""

    contract: Address
    """The AccessRequests of the deployment."""
    request_id: RequestId
    custodian: Address

    @classmethod
    def read(cls, read: Reader) -> Self:
        """Return what ``read`` holds; raises ``InvalidInputError``."""
        accepted = cls(
            contract=read.address("contract"),
            request_id=RequestId(read.integer("request_id", 1, MAX_REQUEST_ID)),
            custodian=read.address("custodian"),
        )
        read.end()
        return accepted

    def fields(self) -> dict[str, Any]:
        """Return the fields of a document that ``read`` reads."""
        return {"contract": self.contract, "request_id": self.request_id, "custodian": self.custodian}


def request_terms_digest(contract: Address, request_id: RequestId, custodian: Address, content: bytes) -> TermsDigest:
    """Return the terms digest of a grant that accepts a request: it binds request and custodian to what is signed.

    ``keccak256(abi.encode(contract, requestId, custodian, content))``, as ``AccessRequests`` computes it.

    Args:
        contract: the AccessRequests of the deployment.
        request_id: the request.
        custodian: who shall deliver.
        content: salted digest of the consent's full text.
    """
    encoded = (
        bytes(12)
        + bytes.fromhex(contract[2:])
        + request_id.to_bytes(32, "big")
        + bytes(12)
        + bytes.fromhex(custodian[2:])
        + digest32(content, "content digest")
    )
    return TermsDigest(keccak256(encoded))
