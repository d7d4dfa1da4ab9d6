"""py-evm over dictionaries: Prague's rules for messages, transactions and gas, without database, trie or blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from eth.constants import EMPTY_SHA3
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.prague.computation import PragueComputation
from eth.vm.forks.prague.state import PragueState
from eth_utils import keccak

BASE_FEE = 10**9
BLOCK_GAS = 30_000_000
_ABSENT: Any = object()


@dataclass(frozen=True, slots=True)
class Log:
    """A log as it is on the wire."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


class Accounts:
    """All accounts, with a journal of what each change replaced; a mark is a place in the journal."""

    def __init__(self, *_: object) -> None:
        self._balances: dict[bytes, int] = {}
        self._nonces: dict[bytes, int] = {}
        self._codes: dict[bytes, bytes] = {}
        self._storage: dict[tuple[bytes, int], int] = {}
        self._transient: dict[tuple[bytes, int], bytes] = {}
        self._warm: dict[Any, bool] = {}
        self._original: dict[tuple[bytes, int], int] = {}
        self._journal: list[tuple[dict[Any, Any], Any, Any]] = []

    def _put(self, values: dict[Any, Any], key: Any, value: Any) -> None:
        self._journal.append((values, key, values.get(key, _ABSENT)))
        values[key] = value

    # marks

    def record(self) -> int:
        return len(self._journal)

    def discard(self, mark: int) -> None:
        while len(self._journal) > mark:
            values, key, before = self._journal.pop()
            if before is _ABSENT:
                values.pop(key, None)
            else:
                values[key] = before

    def lock_changes(self) -> None:
        """End a transaction: what it read is cold again, and what it wrote is what the next one finds."""
        self._warm.clear()
        self._original.clear()

    # storage

    def get_storage(self, address: bytes, slot: int, from_journal: bool = True) -> int:
        """Return a slot; without the journal, as it was when the transaction began."""
        key = (address, slot)
        now = self._storage.get(key, 0)
        return now if from_journal else self._original.get(key, now)

    def set_storage(self, address: bytes, slot: int, value: int) -> None:
        key = (address, slot)
        self._original.setdefault(key, self._storage.get(key, 0))
        self._put(self._storage, key, value)

    def delete_storage(self, address: bytes) -> None:
        for owner, slot in [key for key in self._storage if key[0] == address]:
            self.set_storage(owner, slot, 0)

    def is_storage_warm(self, address: bytes, slot: int) -> bool:
        return (address, slot) in self._warm

    def mark_storage_warm(self, address: bytes, slot: int) -> None:
        self.mark_address_warm((address, slot))

    def is_address_warm(self, address: bytes) -> bool:
        return address in self._warm

    def mark_address_warm(self, address: Any) -> None:
        if address not in self._warm:
            self._put(self._warm, address, True)

    def get_transient(self, address: bytes, slot: int) -> bytes:
        return self._transient.get((address, slot), b"")

    def set_transient(self, address: bytes, slot: int, value: bytes) -> None:
        self._put(self._transient, (address, slot), value)

    def clear_transient(self) -> None:
        for key, value in self._transient.items():
            self._journal.append((self._transient, key, value))
        self._transient.clear()

    # accounts

    def get_balance(self, address: bytes) -> int:
        return self._balances.get(address, 0)

    def set_balance(self, address: bytes, balance: int) -> None:
        assert 0 <= balance < 1 << 256
        self._put(self._balances, address, balance)

    def get_nonce(self, address: bytes) -> int:
        return self._nonces.get(address, 0)

    def set_nonce(self, address: bytes, nonce: int) -> None:
        self._put(self._nonces, address, nonce)

    def increment_nonce(self, address: bytes) -> None:
        self.set_nonce(address, self.get_nonce(address) + 1)

    def get_code(self, address: bytes) -> bytes:
        return self._codes.get(address, b"")

    def set_code(self, address: bytes, code: bytes) -> None:
        self._put(self._codes, address, code)

    def delete_code(self, address: bytes) -> None:
        self.set_code(address, b"")

    def get_code_hash(self, address: bytes) -> bytes:
        code = self.get_code(address)
        return keccak(code) if code else EMPTY_SHA3

    def account_has_code_or_nonce(self, address: bytes) -> bool:
        return bool(self.get_nonce(address) or self.get_code(address))

    def account_is_empty(self, address: bytes) -> bool:
        return not (self.account_has_code_or_nonce(address) or self.get_balance(address))

    def account_exists(self, address: bytes) -> bool:
        return not self.account_is_empty(address)

    def touch_account(self, address: bytes) -> None:
        """Do nothing: an empty account is none."""

    def delete_account(self, address: bytes) -> None:
        self.delete_storage(address)
        self.set_balance(address, 0)
        self.set_nonce(address, 0)
        self.delete_code(address)


@lru_cache(maxsize=256)
def _positions(_code: bytes) -> tuple[set[int], set[int]]:
    """Return where instructions are known to begin and not to begin: the same whenever this code runs."""
    return set(), set()


class _Computation(PragueComputation):
    def __init__(self, state: Any, message: Any, transaction_context: Any) -> None:
        super().__init__(state, message, transaction_context)
        self.code.valid_positions, self.code.invalid_positions = _positions(bytes(message.code))


class PlainState(PragueState):
    """A state that messages and transactions are applied to, in a block that can be changed at any time."""

    computation_class = _Computation
    account_db_class = Accounts

    def __init__(self, *, chain_id: int, endowment: Mapping[bytes, int]) -> None:
        self.chain_id = chain_id
        super().__init__(db=None, execution_context=None, state_root=b"")
        self.begin_block(0, 0)
        for account, coins in endowment.items():
            self.set_balance(account, coins)

    def begin_block(self, number: int, time: int) -> None:
        """Let all that follows be in this block."""
        self.execution_context = ExecutionContext(
            coinbase=bytes(20),
            timestamp=time,
            block_number=number,
            difficulty=0,
            mix_hash=bytes(32),
            gas_limit=BLOCK_GAS,
            prev_hashes=(),
            chain_id=self.chain_id,
            base_fee_per_gas=BASE_FEE,
            excess_blob_gas=0,
        )

    def snapshot(self) -> int:
        return self._account_db.record()

    def revert(self, snapshot: int) -> None:
        self._account_db.discard(snapshot)

    def commit(self, snapshot: int) -> None:
        """Do nothing: changes stay until a mark before them is gone back to."""

    def get_transient_storage(self, address: bytes, slot: int) -> bytes:
        return self._account_db.get_transient(address, slot)

    def set_transient_storage(self, address: bytes, slot: int, value: bytes) -> None:
        self._account_db.set_transient(address, slot, value)

    def clear_transient_storage(self) -> None:
        self._account_db.clear_transient()


def logs_of(computation: Any) -> tuple[Log, ...]:
    """Return what a computation logged."""
    return tuple(
        Log(address, tuple(topic.to_bytes(32, "big") for topic in topics), body)
        for address, topics, body in computation.get_log_entries()
    )
