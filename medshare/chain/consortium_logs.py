"""How the logs of Consortium are read; ``medshare.chain.logs`` puts all together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medshare.chain.codec import WORD, Decoder, bounded, choice, decode_bytes, to_address, words
from medshare.model.accreditation import AccreditationKind, Suspension
from medshare.model.events import (
    AccreditationReinstated,
    AccreditationSuspended,
    Accredited,
    EncryptionKeySet,
    EventPlace,
    LedgerEvent,
    MemberAdmitted,
    MemberReinstated,
    MemberRemoved,
    MemberSuspended,
    ProposalExecuted,
    Proposed,
    Voted,
    VotingRulesSet,
)
from medshare.model.ids import ProposalId
from medshare.model.proposal import VotingRules

_U8, _U32, _U40 = (1 << 8) - 1, (1 << 32) - 1, (1 << 40) - 1


def _key_set(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    key, version = words(data, 2)
    return EncryptionKeySet(place=place, actor=to_address(topics[0]), key=key, version=bounded(version, _U32))


def _member_admitted(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    (seat,) = words(data, 1)
    return MemberAdmitted(place=place, member=to_address(topics[0]), seat=bounded(seat, _U8))


def _of_member(kind: type[MemberRemoved | MemberSuspended | MemberReinstated]) -> Decoder:
    def decode(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
        words(data, 0)
        return kind(place=place, member=to_address(topics[0]))

    return decode


def _accredited(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    (valid_until,) = words(data, 1)
    return Accredited(
        place=place,
        actor=to_address(topics[0]),
        kind=choice(AccreditationKind, topics[1]),
        member=to_address(topics[2]),
        valid_until=bounded(valid_until, _U40),
    )


def _suspended(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    (by,) = words(data, 1)
    kind = choice(AccreditationKind, topics[1])
    return AccreditationSuspended(place=place, actor=to_address(topics[0]), kind=kind, by=choice(Suspension, by))


def _reinstated(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    words(data, 0)
    kind = choice(AccreditationKind, topics[1])
    return AccreditationReinstated(place=place, actor=to_address(topics[0]), kind=kind)


def _proposed(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    _, reason, deadline = words(data[: 3 * WORD], 3)
    return Proposed(
        place=place,
        proposal_id=_proposal_id(topics[0]),
        proposer=to_address(topics[1]),
        target=to_address(topics[2]),
        call_data=decode_bytes(data, 0, 3),
        reason=reason,
        deadline=bounded(deadline, _U40),
    )


def _voted(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    words(data, 0)
    return Voted(place=place, proposal_id=_proposal_id(topics[0]), member=to_address(topics[1]))


def _executed(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    words(data, 0)
    return ProposalExecuted(place=place, proposal_id=_proposal_id(topics[0]), by=to_address(topics[1]))


def _rules_set(place: EventPlace, _topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    quorum, period = words(data, 2)
    rules = VotingRules(quorum=bounded(quorum, _U8), voting_period=bounded(period, _U32))
    return VotingRulesSet(place=place, rules=rules)


def _proposal_id(topic: bytes) -> ProposalId:
    return ProposalId(int.from_bytes(topic, "big"))


DECODERS: Mapping[str, tuple[Decoder, int]] = {
    "EncryptionKeySet": (_key_set, 1),
    "MemberAdmitted": (_member_admitted, 1),
    "MemberRemoved": (_of_member(MemberRemoved), 1),
    "MemberSuspended": (_of_member(MemberSuspended), 1),
    "MemberReinstated": (_of_member(MemberReinstated), 1),
    "Accredited": (_accredited, 3),
    "AccreditationSuspended": (_suspended, 2),
    "AccreditationReinstated": (_reinstated, 2),
    "Proposed": (_proposed, 3),
    "Voted": (_voted, 2),
    "ProposalExecuted": (_executed, 2),
    "VotingRulesSet": (_rules_set, 0),
}
"""How each event is read, and how many of its parameters are indexed."""
