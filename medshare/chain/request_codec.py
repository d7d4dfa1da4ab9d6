"""Between the words of AccessRequests and the model: calls out, structs in."""

from __future__ import annotations

from medshare.chain.codec import (
    WORD,
    address_word,
    bounded,
    choice,
    decode_bool,
    digest_word,
    encode_bytes,
    pack_request,
    to_address,
    to_purposes,
    word,
    words,
)
from medshare.chain.signed_calls import authorization_word
from medshare.chain.wire import BadAnswerError
from medshare.model.attestation import BEST_SCORE, MAX_METHOD
from medshare.model.eip712 import encode_word
from medshare.model.grant import GrantRequest
from medshare.model.ids import Address, DocumentId, RequestId
from medshare.model.request import (
    WHOLE,
    Acceptance,
    AccessRequest,
    Invitation,
    Periods,
    RequestStatus,
    RequestTerms,
    Reservation,
    ReservationStatus,
    Split,
)

REQUEST_WORDS = 22
_U8, _U16, _U32, _U128 = (1 << 8) - 1, (1 << 16) - 1, (1 << 32) - 1, (1 << 128) - 1


def encode_terms(terms: RequestTerms) -> bytes:
    """Return ``IAccessRequests.Terms``; raises ``InvalidInputError`` for what the chain could not hold."""
    return b"".join(
        encode_word(kind, value, name)
        for name, kind, value in (
            ("purposes", "uint16", int(terms.purposes)),
            ("category", "uint8", terms.category),
            ("grants", "uint16", terms.grants),
            ("deadline", "uint32", terms.deadline),
            ("access_days", "uint16", terms.access_days),
            ("token", "address", terms.token),
            ("reward", "uint128", terms.reward),
            ("document", "bytes32", terms.document),
            ("invitees", "bytes32", terms.invitees),
            ("minimum_score", "uint8", terms.minimum_score),
            ("quality_method", "uint16", terms.quality_method),
            ("quality_weight", "uint16", terms.quality_weight),
        )
    )


def encode_accepting(request_id: RequestId, acceptance: Acceptance) -> bytes:
    """Return the arguments of ``accept``; raises ``InvalidInputError`` for what the chain could not hold."""
    struct = _encode_acceptance(acceptance)
    head = 3 * WORD
    return b"".join(
        (
            word(request_id),
            word(head),
            word(head + len(struct)),
            struct,
            _encode_invitation(acceptance.invitation),
        )
    )


def _encode_acceptance(acceptance: Acceptance) -> bytes:
    message, signed = acceptance.grant, acceptance.signed
    wanted = GrantRequest(
        grantee=message.grantee,
        terms=message.terms,
        bundle=message.bundle,
        not_before=message.not_before,
        expires_at=message.expires_at,
        purposes=message.purposes,
    )
    return b"".join(
        (
            address_word(message.patient),
            address_word(acceptance.custodian),
            digest_word(acceptance.content),
            digest_word(message.bundle),
            pack_request(wanted, stamp=message.stamp, epoch=message.epoch),
            authorization_word(signed),
            word(7 * WORD),
            encode_bytes(signed.signature),
        )
    )


def _encode_invitation(invitation: Invitation) -> bytes:
    proof = b"".join(map(digest_word, invitation.proof))
    return digest_word(invitation.salt) + word(2 * WORD) + word(len(invitation.proof)) + proof


def encode_setting_up(consortium: Address, consents: Address, split: Split, periods: Periods) -> bytes:
    """Return what the constructor is told."""
    shares = word(split.patient) + word(split.custodian) + word(1)
    return (
        address_word(consortium)
        + address_word(consents)
        + shares
        + word(periods.dispute_period)
        + word(periods.decision_period)
    )


def decode_request(request_id: RequestId, answer: bytes) -> AccessRequest:
    """Return ``IAccessRequests.Request``."""
    (
        requester,
        deadline,
        access_days,
        purposes,
        places,
        status,
        is_open_call,
        token,
        grants,
        delivered,
        returned,
        patient_share,
        custodian_share,
        category,
        minimum_score,
        reward,
        dispute_period,
        decision_period,
        quality_method,
        quality_weight,
        document,
        invitees,
    ) = words(answer, REQUEST_WORDS)
    terms = RequestTerms(
        purposes=to_purposes(bounded(purposes, _U16)),
        category=bounded(category, _U8),
        grants=bounded(grants, _U16),
        deadline=bounded(deadline, _U32),
        access_days=bounded(access_days, _U16),
        token=to_address(token),
        reward=bounded(reward, _U128),
        document=DocumentId(document),
        invitees=invitees,
        minimum_score=bounded(minimum_score, BEST_SCORE),
        quality_method=bounded(quality_method, MAX_METHOD),
        quality_weight=bounded(quality_weight, WHOLE),
    )
    if (terms.minimum_score or terms.quality_weight) and not terms.quality_method:
        raise BadAnswerError("a request asks for quality by no method")
    if decode_bool(is_open_call) != terms.is_open_call:
        raise BadAnswerError("a request says that it is an open call, and names whom it asks, or neither")
    return AccessRequest(
        request_id=request_id,
        requester=to_address(requester),
        terms=terms,
        status=choice(RequestStatus, status),
        places=bounded(places, _U16),
        delivered=bounded(delivered, _U16),
        returned=bounded(returned, _U16),
        split=_split(patient_share, custodian_share),
        periods=_periods(dispute_period, decision_period),
    )


def decode_reservation(answer: bytes) -> Reservation:
    """Return ``IAccessRequests.Reservation``."""
    custodian, since, status, score = words(answer, 4)
    return Reservation(
        custodian=to_address(custodian),
        since=bounded(since, _U32),
        status=choice(ReservationStatus, status),
        score=bounded(score, BEST_SCORE),
    )


def decode_split(answer: bytes) -> Split | None:
    """Return ``IEscrow.Split``; None where nobody said."""
    patient, custodian, is_set = words(answer, 3)
    return _split(patient, custodian) if decode_bool(is_set) else None


def decode_periods(answer: bytes) -> Periods:
    """Return what ``periods`` answers."""
    return _periods(*words(answer, 2))


def _split(patient: bytes, custodian: bytes) -> Split:
    split = Split(patient=bounded(patient, WHOLE), custodian=bounded(custodian, WHOLE))
    if split.patient + split.custodian > WHOLE:
        raise BadAnswerError("shares add up to more than the whole")
    return split


def _periods(dispute: bytes, decision: bytes) -> Periods:
    return Periods(dispute_period=bounded(dispute, _U32), decision_period=bounded(decision, _U32))
