"""Between the contracts' words and the model: calls out, structs and events in. By hand, since each is a few words.

Words that cannot be what they should be raise ``BadAnswerError``: a node that answers so is not asked further.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache

from eth_utils.address import to_checksum_address

from medshare.chain.artifacts import CONTRACTS, load_artifact, signature
from medshare.chain.wire import BadAnswerError
from medshare.errors import InvalidInputError
from medshare.hashing import keccak256
from medshare.model.consent import MAX_TIME, Grant, GrantRequest
from medshare.model.events import (
    AccessGranted,
    AccessRevoked,
    AllAccessRevoked,
    EncryptionKeySet,
    EventPlace,
    LedgerEvent,
    RecordRegistered,
    RecordRetracted,
    RecordSuperseded,
)
from medshare.model.ids import Address, BundleId, GrantId, RecordId, TermsDigest
from medshare.model.ledger import EncryptionKey
from medshare.model.purpose import Purpose
from medshare.model.record import RecordEntry, RecordStatus

WORD = 32
_U8, _U16, _U32, _U160 = (1 << 8) - 1, (1 << 16) - 1, (1 << 32) - 1, (1 << 160) - 1

# ------------------------------------------------------------------------------------------------- words


def word(value: int) -> bytes:
    """Return an unsigned integer as the ABI writes it."""
    return value.to_bytes(WORD, "big")


def address_word(address: Address) -> bytes:
    """Return an address as the ABI writes it."""
    return bytes(12) + bytes.fromhex(address[2:])


def digest_word(digest: bytes) -> bytes:
    """Return 32 bytes as they are; raises ``InvalidInputError`` for any other length."""
    if len(digest) != WORD:
        raise InvalidInputError(f"expected {WORD} bytes, not {len(digest)}")
    return digest


@cache
def _checksummed(raw: bytes) -> Address:
    return Address(str(to_checksum_address(raw)))


def to_address(raw: bytes) -> Address:
    """Return the address in the last 20 bytes of a word."""
    if any(raw[:-20]):
        raise BadAnswerError("a word that should be an address is larger")
    return _checksummed(raw[-20:])


def words(answer: bytes, count: int) -> list[bytes]:
    """Return an answer's words, which must be ``count``."""
    if len(answer) != count * WORD:
        raise BadAnswerError(f"the contract's answer has {len(answer)} bytes instead of {count * WORD}")
    return [answer[at : at + WORD] for at in range(0, len(answer), WORD)]


def bounded(raw: bytes, limit: int) -> int:
    """Return a word as an integer of at most ``limit``."""
    value = int.from_bytes(raw, "big")
    if value > limit:
        raise BadAnswerError("a number in the contract's answer is too large")
    return value


@cache
def selector(contract: str, function: str) -> bytes:
    """Return the first four bytes of a call, by the function's signature."""
    return load_artifact(contract).selectors[function]


# ----------------------------------------------------------------------------------------------- structs


def pack_request(request: GrantRequest) -> bytes:
    """Return the word ``Grant wanted`` of a request; stamp and epoch stay empty, the registry fills them in.

    Raises:
        InvalidInputError: a time that 32 bits do not hold.
    """
    for time in (request.not_before, request.expires_at):
        if not 0 <= time <= MAX_TIME:
            raise InvalidInputError(f"a grant's times lie between 0 and {MAX_TIME} (Unix seconds)")
    return word(
        int(request.grantee, 16) << 96
        | request.not_before << 64
        | request.expires_at << 32
        | int(request.purposes) << 16
    )


def unpack_grant(grant_id: GrantId, packed: int) -> Grant:
    """Return the grant that one word holds (``contracts/types/Grant.sol``)."""
    return Grant(
        grant_id=grant_id,
        grantee=_checksummed((packed >> 96 & _U160).to_bytes(20, "big")),
        not_before=packed >> 64 & _U32,
        expires_at=packed >> 32 & _U32,
        purposes=_PURPOSES[packed >> 16 & _U16],
        stamp=packed >> 8 & _U8,
        epoch=packed & _U8,
    )


def pack_grant(grant: Grant) -> int:
    """Return the word that holds a grant: the opposite of ``unpack_grant``."""
    return (
        int(grant.grantee, 16) << 96
        | grant.not_before << 64
        | grant.expires_at << 32
        | int(grant.purposes) << 16
        | grant.stamp << 8
        | grant.epoch
    )


def decode_grant(grant_id: GrantId, answer: bytes) -> Grant:
    """Return ``IConsentRegistry.GrantFields``."""
    grantee, not_before, expires_at, purposes, stamp, epoch = words(answer, 6)
    return Grant(
        grant_id=grant_id,
        grantee=to_address(grantee),
        not_before=bounded(not_before, _U32),
        expires_at=bounded(expires_at, _U32),
        purposes=Purpose(bounded(purposes, _U16)),
        stamp=bounded(stamp, _U8),
        epoch=bounded(epoch, _U8),
    )


def decode_record(custodian: Address, record_id: RecordId, answer: bytes) -> RecordEntry:
    """Return ``IRecordRegistry.Record``."""
    patient, registered_at, ended_at, version, status = words(answer, 5)
    return RecordEntry(
        record_id=record_id,
        custodian=custodian,
        patient=to_address(patient),
        registered_at=bounded(registered_at, _U32),
        ended_at=bounded(ended_at, _U32),
        version=bounded(version, _U16),
        status=RecordStatus(bounded(status, max(RecordStatus))),
    )


def decode_encryption_key(answer: bytes) -> EncryptionKey:
    """Return ``IDirectory.EncryptionKey``."""
    key, version, set_at = words(answer, 3)
    return EncryptionKey(key=key, version=bounded(version, _U32), set_at=bounded(set_at, (1 << 40) - 1))


def decode_bool(raw: bytes) -> bool:
    """Return a word as a boolean."""
    return bounded(raw, 1) == 1


def encode_are_live(grant_ids: Sequence[GrantId], purpose: Purpose) -> bytes:
    """Return the arguments of ``areLive(uint256[],uint16)``."""
    head = word(2 * WORD) + word(int(purpose)) + word(len(grant_ids))
    return head + b"".join(grant_id.to_bytes(WORD, "big") for grant_id in grant_ids)


def decode_bools(answer: bytes, count: int) -> tuple[bool, ...]:
    """Return a ``bool[]`` of ``count`` entries."""
    if len(answer) != (count + 2) * WORD or answer[: 2 * WORD] != word(WORD) + word(count):
        raise BadAnswerError("the contract's answer is no list of the length asked for")
    body = answer[2 * WORD :]
    flags = body[WORD - 1 :: WORD]
    if body.count(0) + flags.count(1) != len(body):
        raise BadAnswerError("the contract's answer holds something else than booleans")
    return tuple(flag == 1 for flag in flags)


class _Purposes(dict[int, Purpose]):
    """Flags made once: an enum's constructor is slow where events come by the ten thousand."""

    def __missing__(self, bits: int) -> Purpose:
        purpose = self[bits] = Purpose(bits)
        return purpose


_PURPOSES = _Purposes()

# ------------------------------------------------------------------------------------------------ events

_Decoder = Callable[[EventPlace, Sequence[bytes], bytes], LedgerEvent]


def _key_set(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    key, version = words(data, 2)
    return EncryptionKeySet(place=place, actor=to_address(topics[0]), key=key, version=bounded(version, _U32))


def _registered(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    words(data, 0)
    return RecordRegistered(
        place=place,
        custodian=to_address(topics[0]),
        patient=to_address(topics[1]),
        record_id=RecordId(topics[2]),
    )


def _superseded(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    (previous,) = words(data, 1)
    return RecordSuperseded(
        place=place,
        custodian=to_address(topics[0]),
        patient=to_address(topics[1]),
        record_id=RecordId(topics[2]),
        previous_id=RecordId(previous),
    )


def _retracted(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    (reason,) = words(data, 1)
    return RecordRetracted(place=place, custodian=to_address(topics[0]), record_id=RecordId(topics[1]), reason=reason)


def _granted(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    terms, bundle, packed = words(data, 3)
    return AccessGranted(
        place=place,
        terms=TermsDigest(terms),
        bundle=BundleId(bundle),
        grant=unpack_grant(GrantId(int.from_bytes(topics[0], "big")), int.from_bytes(packed, "big")),
    )


def _revoked(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    words(data, 0)
    return AccessRevoked(place=place, grant_id=GrantId(int.from_bytes(topics[0], "big")))


def _all_revoked(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    (stamp,) = words(data, 1)
    return AllAccessRevoked(place=place, patient=to_address(topics[0]), stamp=bounded(stamp, _U8))


_DECODERS: Mapping[str, tuple[_Decoder, int]] = {
    "EncryptionKeySet": (_key_set, 1),
    "RecordRegistered": (_registered, 3),
    "RecordSuperseded": (_superseded, 3),
    "RecordRetracted": (_retracted, 2),
    "AccessGranted": (_granted, 1),
    "AccessRevoked": (_revoked, 1),
    "AllAccessRevoked": (_all_revoked, 1),
}
IGNORED_EVENTS = frozenset({"TransferSingle", "TransferBatch", "ApprovalForAll", "URI"})
"""ERC-1155's own: they repeat what ours say, or never happen."""


@cache
def _event_decoders() -> Mapping[bytes, tuple[_Decoder, int]]:
    return {
        keccak256(signature(entry).encode()): _DECODERS[entry["name"]]
        for contract in CONTRACTS
        for entry in load_artifact(contract).entries("event")
        if entry["name"] not in IGNORED_EVENTS
    }


def event_topics() -> tuple[bytes, ...]:
    """Return the first topics of our events, for a log query."""
    return tuple(_event_decoders())


def decode_event(place: EventPlace, topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    """Return the event that a log holds; raises ``BadAnswerError`` where it is none of ours."""
    found = _event_decoders().get(topics[0]) if topics else None
    if found is None:
        raise BadAnswerError("a log is none of our events")
    decoder, indexed = found
    if len(topics) != indexed + 1:
        raise BadAnswerError("a log has another number of topics than its event")
    return decoder(place, topics[1:], data)


def hex_bytes(value: object, length: int | None = None) -> bytes:
    """Return bytes that a node wrote as hex with 0x; raises ``BadAnswerError``."""
    if not isinstance(value, str) or not value.startswith("0x"):
        raise BadAnswerError("the node's answer is not hex where it must be")
    try:
        found = bytes.fromhex(value[2:])
    except ValueError:
        raise BadAnswerError("the node's answer is not hex where it must be") from None
    if length is not None and len(found) != length:
        raise BadAnswerError(f"the node's answer has {len(found)} bytes instead of {length}")
    return found


def hex_int(value: object, limit: int = (1 << 64) - 1) -> int:
    """Return a number that a node wrote as hex with 0x; raises ``BadAnswerError``."""
    if not isinstance(value, str) or not value.startswith("0x"):
        raise BadAnswerError("the node's answer is no number where it must be")
    try:
        found = int(value, 16)
    except ValueError:
        raise BadAnswerError("the node's answer is no number where it must be") from None
    if not 0 <= found <= limit:
        raise BadAnswerError("a number in the node's answer is out of range")
    return found
