"""The instructions that compiled contracts mostly consist of, done in one loop; all others are left to py-evm.

Of fifteen million instructions that a walk executes, nine in ten push, move, compare, add or jump. py-evm calls half a
dozen functions for each of them. Wherever something is out of the ordinary (gas that does not suffice, a jump to
nowhere), the instruction is py-evm's, too. ``contracts/test_quick_code.py`` compares both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from eth.exceptions import FullStack, InsufficientStack
from eth.vm.code_stream import CodeStream
from eth.vm.forks.prague.opcodes import PRAGUE_OPCODES
from eth.vm.opcode_values import STOP

_WORD = (1 << 256) - 1
_SIGN = 1 << 255
_STACK_LIMIT = 1024
_ISZERO, _NOT, _CALLDATALOAD, _POP, _MLOAD, _MSTORE = 0x15, 0x19, 0x35, 0x50, 0x51, 0x52
_JUMP, _JUMPI, _JUMPDEST, _PUSH0, _DUP1, _SWAP1 = 0x56, 0x57, 0x5B, 0x5F, 0x80, 0x90


def _number(value: int | bytes) -> int:
    return value if type(value) is int else int.from_bytes(value)


def _signed(value: int) -> int:
    return value - (1 << 256) if value & _SIGN else value


_BINARY: dict[int, Callable[[int, int], int]] = {
    0x01: lambda top, next_: top + next_ & _WORD,
    0x02: lambda top, next_: top * next_ & _WORD,
    0x03: lambda top, next_: top - next_ & _WORD,
    0x04: lambda top, next_: top // next_ if next_ else 0,
    0x06: lambda top, next_: top % next_ if next_ else 0,
    0x10: lambda top, next_: int(top < next_),
    0x11: lambda top, next_: int(top > next_),
    0x12: lambda top, next_: int(_signed(top) < _signed(next_)),
    0x13: lambda top, next_: int(_signed(top) > _signed(next_)),
    0x14: lambda top, next_: int(top == next_),
    0x16: lambda top, next_: top & next_,
    0x17: lambda top, next_: top | next_,
    0x18: lambda top, next_: top ^ next_,
    0x1B: lambda top, next_: next_ << top & _WORD if top < 256 else 0,
    0x1C: lambda top, next_: next_ >> top if top < 256 else 0,
}
_UNARY: dict[int, Callable[[int], int]] = {_ISZERO: lambda top: int(not top), _NOT: lambda top: top ^ _WORD}
HERE = {*_BINARY, *_UNARY, _CALLDATALOAD, _POP, _MLOAD, _MSTORE, _JUMP, _JUMPI, _JUMPDEST, *range(_PUSH0, 0xA0)}
"""What is done here; how is not py-evm's affair."""
_COSTS = [PRAGUE_OPCODES[opcode].gas_cost if opcode in HERE else 1 << 256 for opcode in range(256)]
"""What an instruction costs; more than anybody has where it is py-evm's."""


@lru_cache(maxsize=256)
def _parsed(code: bytes) -> tuple[dict[int, tuple[int, int]], frozenset[int]]:
    """Return what is pushed where and what follows it, and where one can jump to."""
    pushes, destinations, here = {}, set(), 0
    while here < len(code):
        after, opcode = here + 1, code[here]
        if _PUSH0 <= opcode < _DUP1:
            after += opcode - _PUSH0
            pushes[here] = int.from_bytes(code[here + 1 : after].ljust(opcode - _PUSH0, b"\0")), after
        elif opcode == _JUMPDEST:
            destinations.add(here)
        here = after
    return pushes, frozenset(destinations)


class QuickCode(CodeStream):
    """The code of a computation. Iterated, it yields what py-evm has to do, and has done what comes before."""

    def __init__(self, code: bytes, computation: Any) -> None:
        super().__init__(code)
        self._computation = computation

    def __iter__(self) -> Iterator[int]:  # noqa: C901 - one loop, since calls would cost what it saves
        """Run the code; raises ``VMError``."""
        computation, code = self._computation, self._raw_code_bytes
        pushes, destinations = _parsed(code)
        meter, memory, stack = computation._gas_meter, computation._memory._bytes, computation._stack.values
        push, pop = stack.append, stack.pop
        data = computation.msg.data_as_bytes
        size, here, gas = len(code), self.program_counter, meter.gas_remaining
        try:
            while here < size:
                opcode = code[here]
                cost = _COSTS[opcode]
                if cost > gas:
                    pass
                elif opcode >= _SWAP1:
                    place = _SWAP1 - opcode - 2
                    stack[-1], stack[place] = stack[place], stack[-1]
                    here, gas = here + 1, gas - cost
                    continue
                elif opcode >= _PUSH0:
                    if opcode < _DUP1:
                        value, here = pushes[here]
                    else:
                        value, here = stack[_DUP1 - opcode - 1], here + 1
                    push(value)
                    if len(stack) > _STACK_LIMIT:
                        raise FullStack("more values than it can hold")
                    gas -= cost
                    continue
                elif opcode in _BINARY:
                    top = pop()
                    stack[-1] = _BINARY[opcode](_number(top), _number(stack[-1]))
                    here, gas = here + 1, gas - cost
                    continue
                elif opcode in _UNARY:
                    stack[-1] = _UNARY[opcode](_number(stack[-1]))
                    here, gas = here + 1, gas - cost
                    continue
                elif opcode == _JUMPDEST:
                    here, gas = here + 1, gas - cost
                    continue
                elif opcode == _JUMPI:
                    if not _number(stack[-2]):
                        del stack[-2:]
                        here, gas = here + 1, gas - cost
                        continue
                    if stack[-1] in destinations:
                        here, gas = stack[-1], gas - cost
                        del stack[-2:]
                        continue
                elif opcode == _JUMP:
                    if stack[-1] in destinations:
                        here, gas = pop(), gas - cost
                        continue
                elif opcode == _POP:
                    pop()
                    here, gas = here + 1, gas - cost
                    continue
                elif opcode in (_MSTORE, _MLOAD):
                    start, value = _number(stack[-1]), stack[-1] if opcode == _MLOAD else stack[-2]
                    if start + 32 > len(memory):
                        meter.gas_remaining = gas - cost
                        computation.extend_memory(start, 32)
                        gas, memory = meter.gas_remaining + cost, computation._memory._bytes
                    if opcode == _MLOAD:
                        stack[-1] = int.from_bytes(memory[start : start + 32])
                    else:
                        word = value.rjust(32, b"\0") if isinstance(value, bytes) else value.to_bytes(32)
                        memory[start : start + 32] = word
                        del stack[-2:]
                    here, gas = here + 1, gas - cost
                    continue
                elif opcode == _CALLDATALOAD:
                    start = _number(stack[-1])
                    stack[-1] = int.from_bytes(data[start : start + 32].ljust(32, b"\0"))
                    here, gas = here + 1, gas - cost
                    continue
                self.program_counter, meter.gas_remaining = here + 1, gas
                yield opcode
                here, gas, memory = self.program_counter, meter.gas_remaining, computation._memory._bytes
        except IndexError:
            raise InsufficientStack("fewer values than it needs") from None
        self.program_counter, meter.gas_remaining = here, gas
        yield STOP
