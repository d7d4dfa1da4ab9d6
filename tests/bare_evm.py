"""py-evm without blocks, transactions, signatures or web3: thousands of calls a second for property tests.

Code, storage, logs, callers and block times are the real thing; nonces, fees and gas are not looked at.
"""

from __future__ import annotations

from typing import Any

from eth.vm.message import Message
from eth.vm.transaction_context import BaseTransactionContext
from plain_evm import Log, PlainState, logs_of

_GAS = 10_000_000
_CHAIN_ID = 31_337


class RevertedError(Exception):
    """A call reverted, with these bytes."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data.hex())
        self.data = data


class BareEvm:
    """A state that is called, at any time, by anybody."""

    def __init__(self) -> None:
        self._state = PlainState(chain_id=_CHAIN_ID, endowment={})
        self._deployed = 0

    def snapshot(self) -> Any:
        """Return a mark to go back to."""
        return self._state.snapshot()

    def revert(self, mark: Any) -> None:
        """Go back to a mark."""
        self._state.revert(mark)

    def deploy(self, bytecode: bytes) -> bytes:
        """Deploy a contract and return its address."""
        self._deployed += 1
        address = b"\xcc" * 19 + bytes([self._deployed])
        message = Message(
            gas=_GAS,
            to=b"",
            sender=b"\xdd" * 20,
            value=0,
            data=b"",
            code=bytecode,
            create_address=address,
        )
        computation = self._state.computation_class.apply_create_message(self._state, message, _context(b"\xdd" * 20))
        computation.raise_if_error()
        return address

    def transact(self, sender: bytes, to: bytes, data: bytes, time: int, value: int = 0) -> tuple[Log, ...]:
        """Execute a call and keep what it does, with coins from nowhere; raises ``RevertedError``."""
        return logs_of(self._execute(sender, to, data, time, value))

    def call(self, sender: bytes, to: bytes, data: bytes, time: int) -> bytes:
        """Execute a call, return its answer and forget what it did; raises ``RevertedError``."""
        mark = self._state.snapshot()
        try:
            return bytes(self._execute(sender, to, data, time).output)
        finally:
            self._state.revert(mark)

    def load(self, address: bytes, slot: int) -> int:
        """Return a storage slot."""
        return int(self._state.get_storage(address, slot))

    def balance(self, account: bytes) -> int:
        """Return the coins of an account."""
        return int(self._state.get_balance(account))

    def store(self, address: bytes, slot: int, value: int) -> None:
        """Write a storage slot, past the contract."""
        self._state.set_storage(address, slot, value)

    def _execute(self, sender: bytes, to: bytes, data: bytes, time: int, value: int = 0) -> Any:
        self._state.begin_block(0, time)
        self._state.delta_balance(sender, value)
        message = Message(gas=_GAS, to=to, sender=sender, value=value, data=data, code=self._state.get_code(to))
        computation = self._state.computation_class.apply_message(self._state, message, _context(sender))
        if computation.is_error:
            self._state.delta_balance(sender, -value)
            raise RevertedError(bytes(computation.output))
        return computation


def _context(origin: bytes) -> BaseTransactionContext:
    return BaseTransactionContext(gas_price=1, origin=origin)
