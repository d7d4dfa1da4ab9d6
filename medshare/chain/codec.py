"""Between the contracts' words and the model: calls out, structs and events in. By hand, since each is a few words.

Words that cannot be what they should be raise ``BadAnswerError``: a node that answers so is not asked further.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import cache
from itertools import accumulate
from typing import TypeAlias, TypeVar

from medshare.chain.artifacts import load_artifact
from medshare.chain.wire import BadAnswerError
from medshare.errors import InvalidInputError
from medshare.model.consent import MAX_TIME, Grant, GrantRequest
from medshare.model.delegation import Circle, Control, Delegation, DelegationRequest, Guardianship, Verbs
from medshare.model.emergency import Bar, EmergencyReason, Episode, Standing, Verdict
from medshare.model.events import EventPlace, LedgerEvent
from medshare.model.grant import grant_word
from medshare.model.ids import Address, EpisodeId, GrantId, RecordId, checksummed
from medshare.model.ledger import EncryptionKey
from medshare.model.purpose import Purpose
from medshare.model.record import RecordEntry, RecordStatus

Choice = TypeVar("Choice", bound=IntEnum)
Decoder: TypeAlias = Callable[[EventPlace, Sequence[bytes], bytes], LedgerEvent]
"""Makes an event of its place, its indexed parameters, and its data."""

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


def to_address(raw: bytes) -> Address:
    """Return the address in the last 20 bytes of a word."""
    if any(raw[:-20]):
        raise BadAnswerError("a word that should be an address is larger")
    return checksummed(raw[-20:])


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


def choice(kind: type[Choice], raw: bytes) -> Choice:
    """Return a word as one of an enum's members."""
    number = int.from_bytes(raw, "big")
    if number not in list(kind):
        raise BadAnswerError("a number in the contract's answer is none of its enum")
    return kind(number)


@cache
def selector(contract: str, function: str) -> bytes:
    """Return the first four bytes of a call, by the function's signature."""
    return load_artifact(contract).selectors[function]


# ----------------------------------------------------------------------------------------------- structs


def pack_request(request: GrantRequest, *, stamp: int = 0, epoch: int = 0) -> bytes:
    """Return the word ``Grant wanted`` of a request; raises ``InvalidInputError``.

    Args:
        request: grantee, dates and purposes.
        stamp: as it was signed; empty where nothing is signed, the registry fills it in.
        epoch: likewise.
    """
    _check_times(request.not_before, request.expires_at)
    return word(
        grant_word(
            grantee=request.grantee,
            not_before=request.not_before,
            expires_at=request.expires_at,
            purposes=request.purposes,
            stamp=stamp,
            epoch=epoch,
        )
    )


def _check_times(*times: int) -> None:
    if not all(0 <= time <= MAX_TIME for time in times):
        raise InvalidInputError(f"times on chain lie between 0 and {MAX_TIME} (Unix seconds)")


def unpack_grant(grant_id: GrantId, packed: int) -> Grant:
    """Return the grant that one word holds (``contracts/types/Grant.sol``)."""
    return Grant(
        grant_id=grant_id,
        grantee=checksummed((packed >> 96 & _U160).to_bytes(20, "big")),
        not_before=packed >> 64 & _U32,
        expires_at=packed >> 32 & _U32,
        purposes=_PURPOSES[packed >> 16 & _U16],
        stamp=packed >> 8 & _U8,
        epoch=packed & _U8,
    )


def pack_grant(grant: Grant) -> int:
    """Return the word that holds a grant: the opposite of ``unpack_grant``."""
    return grant_word(
        grantee=grant.grantee,
        not_before=grant.not_before,
        expires_at=grant.expires_at,
        purposes=grant.purposes,
        stamp=grant.stamp,
        epoch=grant.epoch,
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


def pack_delegation_request(request: DelegationRequest, *, stamp: int = 0, epoch: int = 0) -> bytes:
    """Return the word ``Delegation wanted`` of a request; raises ``InvalidInputError``.

    Args:
        request: dates, purposes and verbs.
        stamp: as it was signed; empty where nothing is signed, the registry fills it in.
        epoch: likewise.
    """
    _check_times(request.not_before, request.expires_at)
    return word(
        request.not_before << 72
        | request.expires_at << 40
        | int(request.purposes) << 24
        | int(request.verbs) << 16
        | stamp << 8
        | epoch
    )


def unpack_delegation(patient: Address, delegate: Address, packed: int) -> Delegation:
    """Return the delegation that one word holds (``contracts/types/Delegation.sol``)."""
    return Delegation(
        patient=patient,
        delegate=delegate,
        not_before=packed >> 72 & _U32,
        expires_at=packed >> 40 & _U32,
        purposes=_PURPOSES[packed >> 24 & _U16],
        verbs=Verbs(packed >> 16 & _U8),
        stamp=packed >> 8 & _U8,
        epoch=packed & _U8,
    )


def decode_delegation(patient: Address, delegate: Address, answer: bytes) -> Delegation:
    """Return ``IAuthority.DelegationFields``."""
    not_before, expires_at, purposes, verbs, stamp, epoch = words(answer, 6)
    return Delegation(
        patient=patient,
        delegate=delegate,
        not_before=bounded(not_before, _U32),
        expires_at=bounded(expires_at, _U32),
        purposes=Purpose(bounded(purposes, _U16)),
        verbs=Verbs(bounded(verbs, _U8)),
        stamp=bounded(stamp, _U8),
        epoch=bounded(epoch, _U8),
    )


def decode_control(answer: bytes) -> Control:
    """Return what ``controllerOf`` answers."""
    controller, tenure = words(answer, 2)
    return Control(controller=to_address(controller), tenure=bounded(tenure, _U8))


def decode_guardianship(answer: bytes) -> Guardianship:
    """Return ``IAuthority.Guardianship``."""
    circle, next_circle, delay, next_delay, next_from, ready_at, attempt, changes, proposed = words(answer, 9)
    return Guardianship(
        circle=circle,
        next_circle=next_circle,
        delay=bounded(delay, _U32),
        next_delay=bounded(next_delay, _U32),
        next_from=bounded(next_from, _U32),
        proposed=to_address(proposed),
        ready_at=bounded(ready_at, _U32),
        attempt=bounded(attempt, _U32),
        changes=bounded(changes, _U32),
    )


def decode_episode(episode_id: EpisodeId, answer: bytes) -> Episode:
    """Return ``IEmergencyAccess.Episode``."""
    patient, opened_at, ends_at, reason, verdict = words(answer, 5)
    return Episode(
        episode_id=episode_id,
        patient=to_address(patient),
        opened_at=bounded(opened_at, _U32),
        ends_at=bounded(ends_at, _U32),
        reason=choice(EmergencyReason, reason),
        verdict=choice(Verdict, verdict),
    )


def decode_standing(answer: bytes) -> Standing:
    """Return ``IEmergencyAccess.Standing``."""
    episodes, reviewed = words(answer, 2)
    return Standing(episodes=bounded(episodes, _U32), reviewed=bounded(reviewed, _U32))


def decode_bar(answer: bytes) -> Bar:
    """Return what ``getBar`` answers."""
    barred, count = words(answer, 2)
    return Bar(barred=decode_bool(barred), count=bounded(count, _U32))


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


def encode_bytes(data: bytes) -> bytes:
    """Return ``bytes`` as the ABI writes them where they lie: length, content, padding."""
    return word(len(data)) + data.ljust(-(-len(data) // WORD) * WORD, b"\0")


def decode_bytes(data: bytes, place: int, head: int) -> bytes:
    """Return the ``bytes`` that one of a list of values is, where it is the only one that has no fixed length.

    Args:
        data: all of them, as the ABI writes them.
        place: which of them it is.
        head: how many they are.
    """
    start = head * WORD
    if bounded(data[place * WORD : (place + 1) * WORD], _U32) != start or len(data) < start + WORD:
        raise BadAnswerError("a text in the contract's answer begins elsewhere")
    length, body = bounded(data[start : start + WORD], _U32), data[start + WORD :]
    if len(body) != -(-length // WORD) * WORD:
        raise BadAnswerError("a text in the contract's answer is cut")
    return body[:length]


def encode_bytes_list(items: Sequence[bytes]) -> bytes:
    """Return ``bytes[]`` as the ABI writes them where they lie."""
    bodies = [encode_bytes(item) for item in items]
    starts = accumulate((len(body) for body in bodies[:-1]), initial=len(items) * WORD)
    offsets = [word(start) for start, _ in zip(starts, bodies, strict=False)]
    return word(len(items)) + b"".join(offsets) + b"".join(bodies)


def encode_recovery(
    patient: Address, controller: Address, circle: Circle, deadline: int, signatures: Sequence[bytes]
) -> bytes:
    """Return the arguments of ``proposeRecovery(address,address,(address[],uint8,bytes32),uint32,bytes[])``."""
    guardians = word(len(circle.guardians)) + b"".join(map(address_word, circle.guardians))
    struct = word(3 * WORD) + word(circle.threshold) + digest_word(circle.salt) + guardians
    head = 5 * WORD
    return b"".join(
        (
            address_word(patient),
            address_word(controller),
            word(head),
            word(deadline),
            word(head + len(struct)),
            struct,
            encode_bytes_list(signatures),
        )
    )


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


def to_purposes(bits: int) -> Purpose:
    """Return the purposes that these bits stand for."""
    return _PURPOSES[bits]


# -------------------------------------------------------------------------------------------------- hex


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
