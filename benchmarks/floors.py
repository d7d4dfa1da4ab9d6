"""The least that a verb can cost: hand-written bytecode that does nothing but write its slots and emit its event.

It carries the verb's own arguments (with no offset and no padding of the ABI), writes as many slots, emits the verb's
own event with as many topics and bytes (a token's event beside it is not counted), and recovers a signature where one
is due. It dispatches nothing, checks nothing and reads nothing, so no contract in any language can be below it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from fresh_chain import Cost, FreshChain
from web3.types import TxParams

TERMS, BUNDLE, RECORD, CONTENT = b"\x31" * 32, b"\x33" * 32, b"\x21" * 32, b"\x41" * 32
ADDRESS = bytes(12) + b"\x51" * 20
COUNT = bytes.fromhex("00011111")
SELECTOR = b"\x61" * 4
WANTED = b"\x52" * 20 + bytes(4) + b"\xee" * 4 + b"\x01" + bytes(3)
"""A grant's word: grantee, two times, purposes, and zeros where nothing was granted before."""
GRANT_ID = b"\x53" * 32
AUTHORIZATION = bytes(27) + b"\xdd" * 4 + bytes(1)
SIGNATURE = b"\x71" * 32 + b"\x72" * 32 + b"\x1b"
REQUEST = bytes(31) + b"\x01"
BATCH: Final = 100

_STOP, _EQ, _BYTE, _KECCAK, _CALLDATALOAD, _CALLDATACOPY = 0x00, 0x14, 0x1A, 0x20, 0x35, 0x37
_TIMESTAMP, _POP, _MLOAD, _MSTORE, _SSTORE, _GAS = 0x42, 0x50, 0x51, 0x52, 0x55, 0x5A
_PUSH0, _PUSH1, _LOG0, _STATICCALL = 0x5F, 0x60, 0xA0, 0xFA
_ECRECOVER, _HASHED_WORDS, _SIGNED_BYTES = 1, 12, 66


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """An event: its topics, the name among them, and the bytes beside them."""

    topics: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """What a verb cannot do without."""

    arguments: tuple[bytes, ...]
    logs: tuple[Log, ...]
    again: bool = False
    """Whether the slots hold something already."""
    signed: bool = False
    times: int = 1
    """How often in one transaction; each has its arguments."""


_GRANTED = Log(topics=2, size=96)
_GRANT = (TERMS, BUNDLE, WANTED)
_SIGNED = (ADDRESS, AUTHORIZATION, SIGNATURE)

FLOORS = {
    "grant, first": Floor(arguments=_GRANT, logs=(_GRANTED,)),
    "grant, again": Floor(arguments=_GRANT, logs=(_GRANTED,), again=True),
    "grantSigned, first": Floor(arguments=(*_GRANT, *_SIGNED), logs=(_GRANTED,), signed=True),
    "grantSigned, again": Floor(arguments=(*_GRANT, *_SIGNED), logs=(_GRANTED,), signed=True, again=True),
    f"grant, one of {BATCH} in a batch": Floor(arguments=_GRANT, logs=(_GRANTED,), times=BATCH),
    "revoke": Floor(arguments=(GRANT_ID,), logs=(Log(topics=2, size=32),), again=True),
    "revokeAll, first": Floor(arguments=(ADDRESS,), logs=(Log(topics=2, size=32),)),
    "revokeAll, again": Floor(arguments=(ADDRESS,), logs=(Log(topics=2, size=32),), again=True),
    "register": Floor(arguments=(RECORD, ADDRESS), logs=(Log(topics=4, size=0),)),
    "register, one's own": Floor(arguments=(RECORD, ADDRESS), logs=(Log(topics=4, size=0),)),
    "anchorBatch": Floor(arguments=(CONTENT, RECORD, COUNT), logs=(Log(topics=3, size=64),)),
    "accept, open call": Floor(
        arguments=(CONTENT, REQUEST, BUNDLE, WANTED, ADDRESS, *_SIGNED),
        logs=(_GRANTED, Log(topics=4, size=32)),  # one slot for each: the grant and the reservation
        signed=True,
    ),
}
"""By the operation's name in the snapshot."""


@cache
def measure() -> dict[str, Cost]:
    """Return the floor of each operation that has one."""
    return {name: _measured(floor) for name, floor in FLOORS.items()}


def _measured(floor: Floor) -> Cost:
    chain = FreshChain()
    address = chain.place_code(program(floor))
    calldata = SELECTOR + b"".join(floor.arguments) * floor.times
    if floor.times > 1:  # a slot of its own for each: the slot is named by the first word
        width = sum(map(len, floor.arguments))
        named = [
            (number + 1).to_bytes(1, "big") * 32 + b"".join(floor.arguments)[32:width] for number in range(floor.times)
        ]
        calldata = SELECTOR + b"".join(named)
    sending: TxParams = {"from": chain.accounts[0], "to": address, "data": calldata, "gas": 12_000_000}
    if floor.again:
        chain.send(sending)
    cost = chain.cost_of(sending)
    return Cost(gas=round(cost.gas / floor.times), new_slots=round(cost.new_slots / floor.times))


def program(floor: Floor) -> bytes:
    """Return the bytecode."""
    return bytes(_program(floor))


def _program(floor: Floor) -> Iterator[int]:
    width = sum(map(len, floor.arguments))
    for number in range(floor.times):
        start = len(SELECTOR) + number * width
        if floor.signed:
            yield from _recovering(start + width - len(SIGNATURE))
        for place, log in enumerate(floor.logs):
            # The time as the value: no later transaction writes the same.
            yield from (_TIMESTAMP, *_word(start + 32 * place), _SSTORE)
            yield from _logging(log, start)
    yield _STOP


def _word(offset: int) -> tuple[int, ...]:
    """Put a word of the calldata onto the stack."""
    return (*_push(offset), _CALLDATALOAD)


def _logging(log: Log, start: int) -> Iterator[int]:
    if log.size:
        yield from (*_push(log.size), *_push(start), _PUSH0, _CALLDATACOPY)
    for _ in range(log.topics):
        yield from _word(start)
    yield from (*_push(log.size), _PUSH0, _LOG0 + log.topics)


def _recovering(signature: int) -> Iterator[int]:
    """Hash a struct and its domain, as EIP-712 does, recover who signed, and compare: what anybody must do."""
    size = 32 * _HASHED_WORDS
    yield from (*_push(size), *_push(len(SELECTOR)), _PUSH0, _CALLDATACOPY)
    yield from (*_push(size), _PUSH0, _KECCAK, *_push(34), _MSTORE)
    yield from (*_push(_SIGNED_BYTES), _PUSH0, _KECCAK, _PUSH0, _MSTORE)
    yield from (*_word(signature + 64), _PUSH0, _BYTE, *_push(32), _MSTORE)
    yield from (*_push(64), *_push(signature), *_push(64), _CALLDATACOPY)
    yield from (*_push(32), _PUSH0, *_push(128), _PUSH0, *_push(_ECRECOVER), _GAS, _STATICCALL, _POP)
    yield from (_PUSH0, _MLOAD, *_word(len(SELECTOR)), _EQ, _POP)


def _push(number: int) -> tuple[int, ...]:
    if number == 0:
        return (_PUSH0,)
    length = (number.bit_length() + 7) // 8
    return (_PUSH1 + length - 1, *number.to_bytes(length, "big"))
