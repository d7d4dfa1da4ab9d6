"""A chain that was just made, on which gas and new storage slots are exact, and the same on every machine.

py-evm (Prague) with fixed actors. New slots are counted in the storage tries of the contracts that were placed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import rlp
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_tester import EthereumTester, PyEVMBackend
from eth_typing import ChecksumAddress
from eth_utils.crypto import keccak
from hexbytes import HexBytes
from trie.hexary import HexaryTrie
from trie.iter import NodeIterator
from web3 import EthereumTesterProvider, Web3
from web3.contract import Contract
from web3.contract.contract import ContractFunction
from web3.types import TxParams, TxReceipt, Wei

# anvil's public accounts: none of the addresses has a zero byte, so calldata costs the same for each.
MNEMONIC = "test test test test test test test test test test test junk"
HD_PATH = "m/44'/60'/0'/0"
GAS = 2_000_000
SLOT_BYTES = 64
DEPLOYING_GAS = 8_000_000

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one transaction cost."""

    gas: int
    new_slots: int


@dataclass(frozen=True, slots=True)
class Size:
    """What one transaction adds to the ledger, in bytes as they are stored."""

    transaction: int
    """Signed and encoded, as the block holds it."""
    receipt: int
    """With its logs and without its bloom filter, as nodes keep it."""
    slots: int
    """New words of the state with their keys, 64 bytes each; nodes need some of them twice for their trees."""


class FreshChain:
    """A chain of one run: what is placed on it is counted."""

    def __init__(self) -> None:
        self._backend = PyEVMBackend.from_mnemonic(MNEMONIC, hd_path=HD_PATH)
        self._tester = EthereumTester(self._backend)
        self.w3 = Web3(EthereumTesterProvider(self._tester))
        self.accounts = list(self.w3.eth.accounts)
        self._placed: list[ChecksumAddress] = []

    def wait_until(self, time: int) -> None:
        """Let the next block have this time."""
        self._tester.time_travel(time)

    def place(self, artifact: Mapping[str, Any], *arguments: object) -> Contract:
        """Deploy a compiled contract, whose slots are counted from now on."""
        factory = self.w3.eth.contract(abi=artifact["abi"], bytecode=artifact["bytecode"])
        sent = factory.constructor(*arguments).transact({"from": self.accounts[0], "gas": DEPLOYING_GAS})
        return self.w3.eth.contract(address=self._created(sent), abi=artifact["abi"])

    def place_code(self, code: bytes) -> ChecksumAddress:
        """Deploy hand-written runtime code; return where it is."""
        # PUSH2 size, DUP1, PUSH1 where the code begins, RETURNDATASIZE (0), CODECOPY, RETURNDATASIZE (0), RETURN
        creating = b"\x61" + len(code).to_bytes(2, "big") + b"\x80\x60\x0a\x3d\x39\x3d\xf3" + code
        return self._created(
            self.w3.eth.send_transaction({"from": self.accounts[0], "data": creating, "gas": DEPLOYING_GAS})
        )

    def cost(self, function: ContractFunction, sender: ChecksumAddress, *, gas: int = GAS, value: int = 0) -> Cost:
        """Send a transaction and return what it cost."""
        return self.cost_of(function.build_transaction({"from": sender, "gas": gas, "value": Wei(value)}))

    def cost_of(self, transaction: TxParams) -> Cost:
        """Send a transaction as it is and return what it cost."""
        before = self._slots()
        receipt = self.send(transaction)
        return Cost(gas=receipt["gasUsed"], new_slots=self._slots() - before)

    def size_of(self, transaction: TxParams) -> Size:
        """Send a transaction and return what it adds."""
        before = self._slots()
        receipt = self.send(transaction)
        [mined] = self._backend.chain.get_canonical_block_by_number(receipt["blockNumber"]).transactions
        logs = [[bytes.fromhex(log["address"][2:]), log["topics"], log["data"]] for log in receipt["logs"]]
        kept = [receipt["status"], receipt["gasUsed"], logs]
        return Size(
            transaction=len(mined.encode()),
            receipt=len(rlp.encode(kept)),
            slots=SLOT_BYTES * (self._slots() - before),
        )

    def send(self, transaction: TxParams) -> TxReceipt:
        """Send a transaction, which must succeed."""
        receipt = self.w3.eth.wait_for_transaction_receipt(self.w3.eth.send_transaction(transaction))
        assert receipt["status"] == 1, transaction
        return receipt

    def sign(self, signer: ChecksumAddress, domain: Json, types: Json, message: Json) -> bytes:
        """Return an account's EIP-712 signature."""
        signable = encode_typed_data(domain_data=domain, message_types=types, message_data=message)
        key = self._backend.account_keys[self.accounts.index(signer)]
        return bytes(Account.from_key(key.to_bytes()).sign_message(signable).signature)

    def code_size(self, address: ChecksumAddress) -> int:
        """Return how many bytes of code are there."""
        return len(self.w3.eth.get_code(address))

    def _created(self, sent: HexBytes) -> ChecksumAddress:
        receipt = self.w3.eth.wait_for_transaction_receipt(sent)
        address = receipt["contractAddress"]
        assert address is not None
        self._placed.append(address)
        return address

    def _slots(self) -> int:
        return sum(_count_slots(self._backend, address) for address in self._placed)


def _count_slots(backend: PyEVMBackend, address: ChecksumAddress) -> int:
    chain = backend.chain
    database = chain.chaindb.db
    state_root = chain.get_canonical_head().state_root
    account = rlp.decode(HexaryTrie(database, state_root)[keccak(hexstr=address)])
    slots = NodeIterator(HexaryTrie(database, account[2])).keys()
    return sum(1 for _ in slots)


def encode_json(value: Json) -> str:
    """Return JSON as this folder writes it."""
    return json.dumps(value, indent=2, sort_keys=True) + "\n"
