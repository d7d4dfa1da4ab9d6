"""Runs transactions and calls on py-evm, one block for each transaction, over the chain's database."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from eth.chains.base import MiningChain
from eth.consensus import ConsensusApplier, NoProofConsensus
from eth.db.atomic import AtomicDB
from eth.exceptions import Revert, VMError
from eth.vm.chain_context import ChainContext
from eth.vm.forks.prague import PragueVM
from eth.vm.message import Message
from eth.vm.spoof import SpoofTransaction
from eth_tester.backends.pyevm.main import PyEVMBackend, get_default_genesis_params

from medshare.chain.embedded import serialize
from medshare.chain.embedded.database import ChainDatabase, MinedBlock
from medshare.chain.embedded.serialize import Evm

logger = logging.getLogger(__name__)

GAS_LIMIT = 30_000_000
CALL_GAS = 300_000_000
"""A call costs nobody anything: enough for several thousand grants asked at once."""
_FLOOR_PER_TOKEN = 10
_TOKENS_PER_BYTE = 4
_BASE_GAS = 21_000
_CALL_STIPEND = 2_300


class ExecutionRevertedError(Exception):
    """The code reverted (``data`` is what it said) or failed otherwise (``data`` is None)."""

    def __init__(self, reason: str, data: bytes | None) -> None:
        super().__init__(reason)
        self.data = data


class EmbeddedBackend(PyEVMBackend):  # type: ignore[misc]  # eth-tester ships no types: its classes are Any
    """eth-tester's backend on a database that lasts, without its quadratic look-ups.

    Args:
        database: where the chain is, or shall be.
        chain_id: the chain's id.
        clock: Unix seconds; a block's time is the clock's, and never before its parent's.
        endowment: wei at genesis, by account.
    """

    def __init__(
        self,
        database: ChainDatabase,
        *,
        chain_id: int,
        endowment: Mapping[bytes, int],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.database = database
        self.clock = clock
        self._chain_class = _chain_class(chain_id)
        self._context = ChainContext(chain_id)
        self._endowment = endowment
        self._call_state: tuple[bytes, Any] | None = None
        super().__init__()

    def reset_to_genesis(self, *_args: object, **_options: object) -> None:
        """Open the chain; make its genesis if there is none.

        The name is eth-tester's; nothing is ever reset.
        """
        self.account_keys = ()
        store = AtomicDB(self.database)
        if not self.database.is_empty():
            self.chain = self._chain_class(store)
            self.head = self.chain.get_canonical_head()
            return
        parameters = get_default_genesis_params(overrides={"timestamp": int(self.clock()), "gas_limit": GAS_LIMIT})
        accounts = {
            account: {"balance": wei, "nonce": 0, "code": b"", "storage": {}}
            for account, wei in self._endowment.items()
        }
        self.chain = self._chain_class.from_genesis(store, parameters, accounts)
        self.head = self.chain.get_canonical_head()
        self.database.commit(serialize.mined_block(self.head, (), ()))
        logger.info("embedded chain: genesis made")

    # -------------------------------------------------------------------------------------------- writing

    def pending_time(self) -> int:
        """Return the time that the next block would have.

        Blocks may share a second, as on anvil: with one block for each transaction, a strictly growing time would run
        ahead of the clock, and grants would expire early.
        """
        return max(int(self.clock()), int(self.head.timestamp))

    def mine(self, transactions: Sequence[Any] = ()) -> MinedBlock:
        """Mine one block with ``transactions`` and make it durable. On any failure the chain is as before."""
        header = self.chain.create_header_from_parent(self.head, timestamp=self.pending_time())
        self.chain.header = header
        try:
            result, receipts, _ = self.chain.mine_all(transactions)
            block = serialize.mined_block(result.imported_block.header, transactions, receipts)
            self.database.commit(block)
        except BaseException:
            self.database.discard()
            self.chain.header = header
            raise
        self.head = result.imported_block.header
        return block

    # -------------------------------------------------------------------------------------------- reading

    def header(self, number: int) -> Evm:
        """Return the header of a block that exists."""
        return (
            self.head if number == self.head.block_number else self.chain.get_canonical_block_header_by_number(number)
        )

    def state(self, header: Evm) -> Evm:
        """Return the accounts as ``header`` left them. For reading only, and only until the next call."""
        if self._call_state is None or self._call_state[0] != header.hash:
            self._call_state = (header.hash, self._build_state(header.copy(base_fee_per_gas=0)))
        return self._call_state[1]

    def run_call(self, header: Evm, *, sender: bytes, to: bytes, data: bytes, value: int) -> bytes:
        """Return what a call answers at a block, at that block's time; raises ``ExecutionRevertedError``."""
        state = self.state(header)
        snapshot = state.snapshot()
        try:
            message = Message(gas=CALL_GAS, to=to, sender=sender, value=value, data=data, code=state.get_code(to))
            context = state.get_transaction_context_class()(gas_price=0, origin=sender)
            computation = state.computation_class.apply_message(state, message, context)
        finally:
            state.revert(snapshot)
        _raise_if_failed(computation)
        return bytes(computation.output)

    def run_estimate(self, *, sender: bytes, to: bytes, data: bytes, value: int) -> int:
        """Return the gas limit that a transaction needs in the next block; raises ``ExecutionRevertedError``."""
        pending = self.chain.create_header_from_parent(self.head, timestamp=self.pending_time())
        state = self._build_state(pending.copy(base_fee_per_gas=0, state_root=self.head.state_root))
        unsigned = self.chain.get_transaction_builder().create_unsigned_transaction(
            nonce=state.get_nonce(sender), gas_price=0, gas=GAS_LIMIT, to=to, value=value, data=data
        )

        def attempt(gas: int) -> Evm:
            snapshot = state.snapshot()
            try:
                return state.apply_transaction(SpoofTransaction(unsigned, from_=sender, gas=gas))
            finally:
                state.revert(snapshot)

        computation = attempt(GAS_LIMIT)
        _raise_if_failed(computation)
        needed = max(GAS_LIMIT - int(computation.get_gas_remaining()), _floor_gas(data))
        # A call inside a call keeps back one sixty-fourth of the gas: mostly that is all, else search upwards.
        likely = needed * 64 // 63 + _CALL_STIPEND
        for gas in (needed, likely):
            if not attempt(gas).is_error:
                return gas
        low, high = likely, GAS_LIMIT
        while high - low > needed // 100:
            middle = (low + high) // 2
            low, high = (middle, high) if attempt(middle).is_error else (low, middle)
        return high

    def _build_state(self, header: Evm) -> Evm:
        return PragueVM.build_state(self.chain.chaindb.db, header, self._context, (header.parent_hash,))


class _EmbeddedVM(PragueVM):  # type: ignore[misc]  # as above
    """Prague's rules for transactions; blocks are our own and need no second look."""

    def validate_block(self, block: Evm) -> None:
        """Do nothing: the check would insist on a new second for each block."""


def _chain_class(identifier: int) -> Evm:
    class EmbeddedChain(MiningChain):  # type: ignore[misc]  # as above
        chain_id = identifier
        vm_configuration = ConsensusApplier(NoProofConsensus).amend_vm_configuration(((0, _EmbeddedVM),))

        def create_header_from_parent(self, parent_header: Evm, **fields: Evm) -> Evm:
            return super().create_header_from_parent(parent_header, **fields, gas_limit=parent_header.gas_limit)

        def validate_block(self, block: Evm) -> None:
            """Do nothing, as the VM's."""

        def get_transaction_builder(self) -> Evm:
            return PragueVM.get_transaction_builder()

    return EmbeddedChain


def _raise_if_failed(computation: Evm) -> None:
    if not computation.is_error:
        return
    error: VMError = computation.error
    if isinstance(error, Revert):
        data = error.args[0] if error.args and isinstance(error.args[0], bytes) else b""
        raise ExecutionRevertedError("execution reverted", data)
    raise ExecutionRevertedError(type(error).__name__, None)


def _floor_gas(data: bytes) -> int:
    """Return what EIP-7623 asks at least for calldata."""
    zeros = data.count(0)
    tokens = zeros + (len(data) - zeros) * _TOKENS_PER_BYTE
    return _BASE_GAS + _FLOOR_PER_TOKEN * tokens
