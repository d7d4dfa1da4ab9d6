"""The tests' own loop over code does what py-evm does

given an instruction that the loop does itself, and values at the edges of its range
    stack, memory, gas and error are py-evm's
given any program, with enough gas or too little
    they are, too, and so is all that it stored, logged and answered
given code that jumps into a pushed value, ends within one, or fills the stack
    likewise
"""

from __future__ import annotations

from itertools import product

import pytest
from eth.vm.forks.prague.computation import PragueComputation
from eth.vm.message import Message
from hypothesis import given
from hypothesis import strategies as st
from plain_evm import PlainState, logs_of
from quick_code import HERE

pytestmark = pytest.mark.contracts

CONTRACT, SENDER = b"\xcc" * 20, b"\xdd" * 20
DATA = bytes(range(1, 69))
EDGES = (0, 1, 33, 255, 256, (1 << 255) - 1, 1 << 255, (1 << 256) - 1)
PUSH1, PUSH2, PUSH32, JUMPDEST, STOP, GAS_LEFT, CALLER, MLOAD = 0x60, 0x61, 0x7F, 0x5B, 0x00, 0x5A, 0x33, 0x51
TLOAD, TSTORE = 0x5C, 0x5D
PUSHES, DUPS_AND_SWAPS = range(0x5F, 0x80), range(0x80, 0xA0)
OF_PY_EVM = (0x05, 0x0B, 0x1A, 0x1D, 0x20, 0x30, CALLER, 0x36, 0x37, 0x53, 0x54, 0x55, 0x58, 0x59, GAS_LEFT, 0x5E, 0xA1)
ENDS = (STOP, 0xF3, 0xFD, 0xFE, 0x0C)


class PyEvm(PlainState):
    """The same state, where py-evm does everything."""

    computation_class = PragueComputation


def ended(kind: type[PlainState], code: bytes, gas: int) -> object:
    """Return all that is left of running a program."""
    state = kind(chain_id=1, endowment={SENDER: 3})
    message = Message(gas=gas, to=CONTRACT, sender=SENDER, value=3, data=DATA, code=code)
    context = state.get_transaction_context_class()(gas_price=1, origin=SENDER)
    done = state.computation_class.apply_message(state, message, context)
    error = type(done.error) if done.is_error else None
    stack = [each if isinstance(each, int) else int.from_bytes(each) for each in done._stack.values]
    # Who fails is charged all, or reverts: what lies on the stack then is nobody's.
    left = None if done.is_error else (stack, bytes(done._memory._bytes))
    refund, storage = done.get_gas_refund(), dict(state._account_db._storage)
    return error, done.get_gas_remaining(), bytes(done.output), refund, logs_of(done), storage, left


def assert_same(code: bytes, gas: int = 200_000) -> None:
    assert ended(PlainState, code, gas) == ended(PyEvm, code, gas), code.hex()


def push(value: int) -> bytes:
    """Return the code that pushes a value in as few bytes as it has, zero in one."""
    body = value.to_bytes(max(1, (value.bit_length() + 7) // 8))
    return bytes([PUSH1 + len(body) - 1]) + body


@pytest.mark.parametrize("opcode", sorted(HERE - {*PUSHES, *DUPS_AND_SWAPS}), ids=hex)
def test_instruction__values_at_the_edges__ends_as_in_py_evm(opcode):
    after = bytes([opcode, 0, JUMPDEST, GAS_LEFT])
    for top, below in product(EDGES, repeat=2):
        two = push(below) + push(top)
        assert_same(two + after)
        assert_same(two + after, gas=12)
        assert_same(push(64) + bytes([MLOAD]) + two + after)
    for value in EDGES:
        assert_same(push(value) + bytes([CALLER]) + after)
        assert_same(bytes([CALLER]) + push(value) + after)
        assert_same(push(64) + bytes([MLOAD]) + push(value) + after)
        assert_same(push(value) + push(64) + bytes([MLOAD]) + after)


@pytest.mark.parametrize("values", [0, 1, 2, 15, 16, 17, 1022, 1023, 1024, 1025])
def test_instruction__stack_of_some_size__ends_as_in_py_evm(values):
    for opcode in sorted(HERE):
        assert_same(push(1) * values + bytes([opcode, 7, GAS_LEFT, STOP]))


def jump(draw: st.DrawFn, size: int) -> bytes:
    """Return a jump, or one that depends on a value, to somewhere in the program or a little beyond."""
    place = draw(st.integers(0, size + 8))
    return bytes([PUSH2]) + place.to_bytes(2) + bytes([draw(st.sampled_from((0x56, 0x57)))])


@st.composite
def programs(draw: st.DrawFn) -> bytes:
    """Programs that mostly do not fail at once: values before what takes them, and places to jump to."""
    code = b"".join(push(draw(st.sampled_from(EDGES))) for _ in range(draw(st.integers(0, 6))))
    value = st.one_of(st.sampled_from(EDGES), st.integers(0, 200), st.integers(0, (1 << 256) - 1)).map(push)
    quick = st.sampled_from(sorted(HERE - {*PUSHES})).map(lambda opcode: bytes([opcode]))
    others = st.sampled_from(OF_PY_EVM).map(lambda opcode: bytes([opcode]))
    for _ in range(draw(st.integers(1, 40))):
        match draw(st.integers(0, 9)):
            case 0 | 1 | 2 | 3:
                code += draw(value)
            case 4:
                code += bytes([JUMPDEST])
            case 5:
                code += jump(draw, len(code))
            case 6:
                code += draw(others)
            case _:
                code += draw(quick)
    return code + draw(
        st.one_of(st.just(b""), st.sampled_from(ENDS).map(lambda end: push(64) + push(0) + bytes([end])))
    )


def without_selfdestruct(code: bytes) -> bytes:
    """Return other code: of this instruction py-evm warns."""
    return code.replace(b"\xff", b"\xfe")


@given(program=programs(), gas=st.one_of(st.integers(0, 400), st.integers(0, 60_000)))
def test_program__any__ends_as_in_py_evm(program, gas):
    assert_same(program, gas)


@given(code=st.binary(max_size=80).map(without_selfdestruct), gas=st.integers(0, 60_000))
def test_program__any_bytes__ends_as_in_py_evm(code, gas):
    assert_same(code, gas)


@pytest.mark.parametrize(
    "code",
    [
        push(4) + bytes([0x56, PUSH1, JUMPDEST, STOP]),
        push(5) + bytes([0x56, PUSH2, 0, JUMPDEST, STOP]),
        push(3) + bytes([0x56, JUMPDEST, PUSH32, 1, 2]),
        push(1) + push(1 << 200) + bytes([0x57]),
        push(0) + push(1 << 200) + bytes([0x57, GAS_LEFT]),
        bytes([CALLER, 0x56]),
        push(0) + push(5) + bytes([TSTORE]) + push(5) + bytes([TLOAD]) + push(12) + bytes([0x57, CALLER, JUMPDEST]),
        bytes([JUMPDEST, PUSH1, 0, 0x56]),
        bytes([JUMPDEST, CALLER, PUSH1, 0, 0x56]),
        bytes([PUSH2, 1]),
        b"",
    ],
    ids=lambda code: code.hex() or "nothing",
)
def test_program__jumps_and_ends__as_in_py_evm(code):
    assert_same(code)
