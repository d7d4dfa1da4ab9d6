"""How the logs of AccessRequests are read; ``medshare.chain.logs`` puts all together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medshare.chain.codec import Decoder, bounded, decode_bool, to_address, words
from medshare.chain.request_codec import decode_periods, decode_request
from medshare.chain.wire import BadAnswerError
from medshare.model.attestation import BEST_SCORE
from medshare.model.events import (
    AccessDelivered,
    Credited,
    DeliveryDeclined,
    DeliveryDisputed,
    EventPlace,
    LedgerEvent,
    PeriodsSet,
    RequestCancelled,
    RequestOpened,
    RewardPaid,
    RewardReserved,
    RewardReturned,
    SplitSet,
    StudyApproved,
    TokenAllowed,
    UnearnedReturned,
    Withdrawn,
)
from medshare.model.ids import BundleId, RequestId
from medshare.model.request import WHOLE, Split

_U8, _U16, _U32, _U256 = (1 << 8) - 1, (1 << 16) - 1, (1 << 32) - 1, (1 << 256) - 1


def _opened(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    request = decode_request(_request_id(topics[0]), data)
    if request.requester != to_address(topics[1]):
        raise BadAnswerError("a log names two requesters of one request")
    return RequestOpened(place=place, request=request)


def _approved(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    words(data, 0)
    return StudyApproved(place=place, request_id=_request_id(topics[0]), by=to_address(topics[1]))


def _cancelled(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    (returned,) = words(data, 1)
    by = to_address(topics[1])
    return RequestCancelled(place=place, request_id=_request_id(topics[0]), by=by, returned=bounded(returned, _U16))


def _unearned(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    (returned,) = words(data, 1)
    return UnearnedReturned(place=place, request_id=_request_id(topics[0]), returned=bounded(returned, _U16))


def _reserved(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    (content,) = words(data, 1)
    return RewardReserved(
        place=place,
        request_id=_request_id(topics[0]),
        patient=to_address(topics[1]),
        custodian=to_address(topics[2]),
        content=content,
    )


def _delivered(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    bundle, score = words(data, 2)
    return AccessDelivered(
        place=place,
        request_id=_request_id(topics[0]),
        patient=to_address(topics[1]),
        bundle=BundleId(bundle),
        score=bounded(score, BEST_SCORE),
    )


def _declined(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    words(data, 0)
    return DeliveryDeclined(place=place, request_id=_request_id(topics[0]), patient=to_address(topics[1]))


def _disputed(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    (reason,) = words(data, 1)
    patient = to_address(topics[1])
    return DeliveryDisputed(place=place, request_id=_request_id(topics[0]), patient=patient, reason=reason)


def _paid(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    to_patient, to_custodian, to_consortium, to_requester = (bounded(part, _U256) for part in words(data, 4))
    return RewardPaid(
        place=place,
        request_id=_request_id(topics[0]),
        patient=to_address(topics[1]),
        to_patient=to_patient,
        to_custodian=to_custodian,
        to_consortium=to_consortium,
        to_requester=to_requester,
    )


def _returned(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    words(data, 0)
    return RewardReturned(place=place, request_id=_request_id(topics[0]), patient=to_address(topics[1]))


def _periods_set(place: EventPlace, _topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    return PeriodsSet(place=place, periods=decode_periods(data))


def _credited(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    (amount,) = words(data, 1)
    account, token = to_address(topics[0]), to_address(topics[1])
    return Credited(place=place, account=account, token=token, amount=bounded(amount, _U256))


def _withdrawn(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    to, amount, count = words(data, 3)
    return Withdrawn(
        place=place,
        account=to_address(topics[0]),
        token=to_address(topics[1]),
        to=to_address(to),
        amount=bounded(amount, _U256),
        count=bounded(count, _U32),
    )


def _token_allowed(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    (allowed,) = words(data, 1)
    return TokenAllowed(place=place, token=to_address(topics[0]), allowed=decode_bool(allowed))


def _split_set(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    patient, custodian = words(data, 2)
    split = Split(patient=bounded(patient, WHOLE), custodian=bounded(custodian, WHOLE))
    return SplitSet(place=place, category=bounded(topics[0], _U8), split=split)


def _request_id(topic: bytes) -> RequestId:
    return RequestId(int.from_bytes(topic, "big"))


DECODERS: Mapping[str, tuple[Decoder, int]] = {
    "RequestOpened": (_opened, 2),
    "StudyApproved": (_approved, 2),
    "RequestCancelled": (_cancelled, 2),
    "UnearnedReturned": (_unearned, 1),
    "RewardReserved": (_reserved, 3),
    "AccessDelivered": (_delivered, 2),
    "DeliveryDeclined": (_declined, 2),
    "DeliveryDisputed": (_disputed, 2),
    "RewardPaid": (_paid, 2),
    "RewardReturned": (_returned, 2),
    "PeriodsSet": (_periods_set, 0),
    "Credited": (_credited, 2),
    "Withdrawn": (_withdrawn, 2),
    "TokenAllowed": (_token_allowed, 1),
    "SplitSet": (_split_set, 1),
}
"""How each event is read, and how many of its parameters are indexed."""
