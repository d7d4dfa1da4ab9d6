"""The contracts on two EVMs behind one face: py-evm inside this process, and anvil.

Nothing of ``medshare.chain`` is used here: the contract tests judge the contracts, and later the adapters.
"""

from __future__ import annotations

import ast
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from eth_abi import decode
from eth_tester import EthereumTester, PyEVMBackend
from eth_tester.exceptions import TransactionFailed
from eth_utils import event_abi_to_log_topic, function_abi_to_4byte_selector, keccak, to_checksum_address
from eth_utils.abi import collapse_if_tuple
from nodes import ACCOUNTS, HD_PATH, MNEMONIC, AnvilNode
from web3 import EthereumTesterProvider, HTTPProvider, Web3
from web3.contract import Contract
from web3.contract.contract import ContractFunction
from web3.exceptions import ContractCustomError, ContractPanicError

ARTIFACTS = Path(__file__).resolve().parent.parent / "medshare" / "_data" / "contracts"
GAS = 2_000_000
"""Set explicitly, so that a refused transaction is mined and fails, as it would for a careless sender."""
ZERO_ADDRESS = "0x" + "00" * 20
ANYBODY = "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720"
"""Who asks the views: the tenth account of the mnemonic, which plays no part in any test."""
QUORUM, VOTING_PERIOD = 51, 7 * 86_400
CUSTODIAN_KIND, CLINICIAN_KIND, RESEARCHER_KIND, ETHICS_KIND, ASSESSOR_KIND, REVIEWER_KIND = range(1, 7)
SPLIT = (7_000, 2_000, True)
"""Ten thousandths for patient and custodian, in categories 1 to 3; the rest is the consortium's."""
DISPUTE_PERIOD, DECISION_PERIOD = 14 * 86_400, 30 * 86_400


@cache
def artifact(name: str) -> dict[str, Any]:
    """Return what the package ships of a contract."""
    return json.loads((ARTIFACTS / f"{name}.json").read_text("utf-8"))


class RefusedError(Exception):
    """A contract refused, with the error it named."""

    def __init__(self, name: str, *values: Any) -> None:
        super().__init__(name, *values)
        self.name = name
        self.values = values


def decode_error(data: bytes, abi: list[dict[str, Any]]) -> RefusedError:
    """Return the contract error that revert data names; data that names none is a failure."""
    for entry in abi:
        if entry["type"] == "error" and function_abi_to_4byte_selector(entry) == data[:4]:
            types = [collapse_if_tuple(item) for item in entry["inputs"]]
            return RefusedError(entry["name"], *map(_checksummed, types, decode(types, data[4:])))
    raise AssertionError(f"the contract reverted with unknown data {data.hex()!r}")


@dataclass(frozen=True, slots=True)
class Event:
    """A log, decoded."""

    name: str
    values: dict[str, Any]
    address: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came of a transaction."""

    events: tuple[Event, ...]
    gas_used: int
    time: int


class Chain(ABC):
    """A chain that tests can bend: exact block times, snapshots, storage written directly."""

    def __init__(self, w3: Web3) -> None:
        self.w3 = w3
        self._events: dict[bytes, dict[str, Any]] = {}
        self.extra_errors: list[dict[str, Any]] = []

    @abstractmethod
    def next_block_at(self, time: int) -> None:
        """Give the next block exactly this time."""

    @abstractmethod
    def mine(self) -> None:
        """Mine an empty block."""

    @abstractmethod
    def snapshot(self) -> Any:
        """Return a mark to go back to."""

    @abstractmethod
    def revert(self, mark: Any) -> None:
        """Go back to a mark."""

    @abstractmethod
    def store(self, address: str, slot: int, value: int) -> None:
        """Write a storage slot, past the contract."""

    @property
    def now(self) -> int:
        """Time of the latest block: what a call sees as `block.timestamp`."""
        return self.w3.eth.get_block("latest")["timestamp"]

    def mine_at(self, time: int) -> None:
        """Mine an empty block of exactly this time; calls then see it."""
        self.next_block_at(time)
        self.mine()
        assert self.now == time

    def deploy(self, abi: list[dict[str, Any]], bytecode: str, *arguments: Any, sender: str) -> Contract:
        """Deploy a contract with its constructor's arguments."""
        factory = self.w3.eth.contract(abi=abi, bytecode=bytecode)
        sent = factory.constructor(*arguments).transact({"from": sender, "gas": 8_000_000})
        receipt = self.w3.eth.wait_for_transaction_receipt(sent)
        assert receipt["status"] == 1
        self._events |= {event_abi_to_log_topic(entry): entry for entry in abi if entry["type"] == "event"}
        return self.w3.eth.contract(address=receipt["contractAddress"], abi=abi)

    def call(self, function: ContractFunction, *, sender: str = ANYBODY) -> Any:
        """Ask a view; raises ``RefusedError``."""
        try:
            return function.call({"from": sender})
        except TransactionFailed as error:
            said = str(error.args[0]).removeprefix("execution reverted: ")
            raise decode_error(ast.literal_eval(said), function.contract_abi) from None
        except ContractPanicError:
            raise
        except ContractCustomError as error:
            raise decode_error(bytes.fromhex(str(error.data)[2:]), function.contract_abi) from None

    def send(self, function: ContractFunction, *, sender: str, at: int | None = None) -> Receipt:
        """Send a transaction, mined a second later or `at` a time; raises ``RefusedError`` if it failed."""
        time = self.now + 1 if at is None else at
        self.next_block_at(time)
        sent = function.transact({"from": sender, "gas": GAS})
        receipt = self.w3.eth.wait_for_transaction_receipt(sent)
        assert self.now == time
        if receipt["status"] != 1:
            assert receipt["logs"] == []
            # A failed transaction left the state as it was, and a call sees its block's time: it fails alike.
            self.call(function, sender=sender)
            raise AssertionError(f"{function.fn_name} was mined and failed, and passes when called")
        events = tuple(self._decode(log) for log in receipt["logs"])
        return Receipt(events=events, gas_used=receipt["gasUsed"], time=time)

    def _decode(self, log: Any) -> Event:
        abi = self._events[bytes(log["topics"][0])]
        topics = iter(log["topics"][1:])
        plain = [item for item in abi["inputs"] if not item["indexed"]]
        data = iter(decode([collapse_if_tuple(item) for item in plain], bytes(log["data"])))
        values = {}
        for item in abi["inputs"]:
            value = decode([item["type"]], bytes(next(topics)))[0] if item["indexed"] else next(data)
            values[item["name"]] = _checksummed(item["type"], value)
        return Event(abi["name"], values, log["address"])


def _checksummed(kind: str, value: Any) -> Any:
    return to_checksum_address(value) if kind == "address" else value


class EmbeddedChain(Chain):
    """eth-tester and py-evm, inside this process."""

    def __init__(self) -> None:
        self._backend = PyEVMBackend.from_mnemonic(MNEMONIC, num_accounts=ACCOUNTS, hd_path=HD_PATH)
        self._tester = EthereumTester(self._backend)
        super().__init__(Web3(EthereumTesterProvider(self._tester)))

    def next_block_at(self, time: int) -> None:
        chain = self._backend.chain
        assert time > self.now
        chain.header = chain.header.copy(timestamp=time)

    def mine(self) -> None:
        self._backend.mine_blocks()

    def snapshot(self) -> Any:
        return self._tester.take_snapshot()

    def revert(self, mark: Any) -> None:
        self._tester.revert_to_snapshot(mark)

    def store(self, address: str, slot: int, value: int) -> None:
        chain = self._backend.chain
        state = chain.get_vm().state
        state.set_storage(bytes.fromhex(address[2:]), slot, value)
        state.persist()
        chain.header = chain.header.copy(state_root=state.state_root)
        self.mine()


class AnvilChain(Chain):
    """An anvil process."""

    def __init__(self, node: AnvilNode) -> None:
        self._provider = HTTPProvider(node.url)
        super().__init__(Web3(self._provider))

    def _ask(self, method: str, *parameters: Any) -> Any:
        answer = self.w3.provider.make_request(method, list(parameters))
        assert "error" not in answer, answer
        return answer["result"]

    def next_block_at(self, time: int) -> None:
        self._ask("evm_setNextBlockTimestamp", time)

    def mine(self) -> None:
        self._ask("evm_mine")

    def snapshot(self) -> Any:
        return self._ask("evm_snapshot")

    def revert(self, mark: Any) -> None:
        assert self._ask("evm_revert", mark) is True

    def store(self, address: str, slot: int, value: int) -> None:
        self._ask("anvil_setStorageAt", address, f"0x{slot:064x}", f"0x{value:064x}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contracts:
    """Our contracts, deployed."""

    consortium: Contract
    records: Contract
    consents: Contract
    requests: Contract


def deploy(chain: Chain, name: str, *arguments: Any, sender: str) -> Contract:
    """Deploy one contract from what the package ships."""
    return chain.deploy(artifact(name)["abi"], artifact(name)["bytecode"], *arguments, sender=sender)


def deploy_all(chain: Chain, *, sender: str, members: Sequence[str]) -> Contracts:
    """Deploy our contracts, EmergencyAccess apart, with these founding members."""
    consortium = deploy(chain, "Consortium", list(members), QUORUM, VOTING_PERIOD, sender=sender)
    records = deploy(chain, "RecordRegistry", consortium.address, sender=sender)
    consents = deploy(chain, "ConsentRegistry", sender=sender)
    links = (consortium.address, consents.address)
    requests = deploy(chain, "AccessRequests", *links, SPLIT, DISPUTE_PERIOD, DECISION_PERIOD, sender=sender)
    return Contracts(consortium=consortium, records=records, consents=consents, requests=requests)


# -------------------------------------------------------------------------------------------- our verbs, in short


NEVER = 0xEEEEEEEE
"""A time after any that tests reach, which a grant can still name."""
TERMS, OTHER_TERMS = b"\xa1" * 32, b"\xa2" * 32
BUNDLE, OTHER_BUNDLE = b"\xb1" * 32, b"\xb2" * 32
TREAT, ETREAT, HRESCH, ALL_PURPOSES = 1, 2, 16, 0xFFFF


@dataclass(frozen=True, slots=True)
class GrantView:
    """IConsentRegistry.GrantFields."""

    grantee: str
    not_before: int
    expires_at: int
    purposes: int
    stamp: int
    epoch: int

    @property
    def word(self) -> int:
        """The grant as it lies in its slot."""
        return pack_grant(self.grantee, self.not_before, self.expires_at, self.purposes, self.stamp, self.epoch)


def pack_grant(grantee: str, not_before: int, expires_at: int, purposes: int, stamp: int = 0, epoch: int = 0) -> int:
    """Return the word: grantee (160), notBefore (32), expiresAt (32), purposes (16), stamp (8), epoch (8)."""
    return int(grantee, 16) << 96 | not_before << 64 | expires_at << 32 | purposes << 16 | stamp << 8 | epoch


@dataclass(frozen=True, slots=True)
class RecordView:
    """IRecordRegistry.Record."""

    patient: str
    registered_at: int
    ended_at: int
    version: int
    status: int

    @property
    def word(self) -> int:
        """The record as it lies in its slot."""
        fields = self.registered_at << 160 | self.ended_at << 192 | self.version << 224 | self.status << 240
        return int(self.patient, 16) | fields


@dataclass(frozen=True, slots=True)
class Ledger:
    """Our contracts on one chain: verbs as actors use them, views as values, slots as the layout has them."""

    chain: Chain
    contracts: Contracts

    # records

    def register(self, custodian: str, record_id: bytes, patient: str, **when: int) -> Receipt:
        function = self.contracts.records.functions.register(record_id, patient)
        return self.chain.send(function, sender=custodian, **when)

    def supersede(self, custodian: str, record_id: bytes, previous_id: bytes, **when: int) -> Receipt:
        function = self.contracts.records.functions.supersede(record_id, previous_id)
        return self.chain.send(function, sender=custodian, **when)

    def retract(self, custodian: str, record_id: bytes, reason: bytes, **when: int) -> Receipt:
        function = self.contracts.records.functions.retract(record_id, reason)
        return self.chain.send(function, sender=custodian, **when)

    def record(self, custodian: str, record_id: bytes) -> RecordView:
        return RecordView(*self.chain.call(self.contracts.records.functions.getRecord(custodian, record_id)))

    def store_record(self, custodian: str, record_id: bytes, record: RecordView) -> None:
        base = _mapping_slot(_slot("RecordRegistry", "_records"), custodian)
        self.chain.store(self.contracts.records.address, _mapping_slot(base, record_id), record.word)

    # grants

    def grant(
        self,
        patient: str,
        grantee: str,
        *,
        terms: bytes = TERMS,
        bundle: bytes = BUNDLE,
        not_before: int = 0,
        expires_at: int = NEVER,
        purposes: int = TREAT,
        **when: int,
    ) -> Receipt:
        wanted = pack_grant(grantee, not_before, expires_at, purposes)
        return self.grant_word(patient, wanted, terms=terms, bundle=bundle, **when)

    def grant_word(
        self, patient: str, wanted: int, *, terms: bytes = TERMS, bundle: bytes = BUNDLE, **when: int
    ) -> Receipt:
        function = self.contracts.consents.functions.grant(terms, bundle, wanted)
        return self.chain.send(function, sender=patient, **when)

    def revoke(self, caller: str, grant_id: int, **when: int) -> Receipt:
        return self.chain.send(self.contracts.consents.functions.revoke(grant_id), sender=caller, **when)

    def revoke_all(self, patient: str, *, sender: str | None = None, **when: int) -> Receipt:
        function = self.contracts.consents.functions.revokeAll(patient)
        return self.chain.send(function, sender=sender or patient, **when)

    def get_grant(self, grant_id: int) -> GrantView:
        return GrantView(*self.chain.call(self.contracts.consents.functions.getGrant(grant_id)))

    def stamp(self, patient: str) -> int:
        return self.chain.call(self.contracts.consents.functions.getStamp(patient))

    def is_live(self, grant_id: int, purposes: int = TREAT) -> bool:
        return self.chain.call(self.contracts.consents.functions.isLive(grant_id, purposes))

    def balance(self, account: str, grant_id: int) -> int:
        return self.chain.call(self.contracts.consents.functions.balanceOf(account, grant_id))

    def store_grant(self, grant_id: int, grant: GrantView) -> None:
        slot = _mapping_slot(_slot("ConsentRegistry", "_grants"), grant_id)
        self.chain.store(self.contracts.consents.address, slot, grant.word)

    def store_stamp(self, patient: str, stamp: int) -> None:
        slot = _mapping_slot(_slot("ConsentRegistry", "_controls"), patient)
        self.chain.store(self.contracts.consents.address, slot, stamp)


def grant_id_of(patient: str, grantee: str, terms: bytes = TERMS) -> int:
    """Return a grant's id, as the interface describes it."""
    digest = keccak(bytes(12) + bytes.fromhex(grantee[2:]) + terms)
    return int(patient, 16) << 96 | int.from_bytes(digest[-12:], "big")


def _slot(contract: str, label: str) -> int:
    layout = artifact(contract)["storageLayout"]["storage"]
    return next(int(entry["slot"]) for entry in layout if entry["label"] == label)


def _member(contract: str, struct: str, label: str) -> tuple[int, int]:
    """Return in which slot of a stored struct a member lies, and by how many bits it is shifted there."""
    members = artifact(contract)["storageLayout"]["types"][f"t_struct({struct})_storage"]["members"]
    return next((int(each["slot"]), 8 * each["offset"]) for each in members if each["label"] == label)


def _mapping_slot(base: int, key: str | bytes | int) -> int:
    if isinstance(key, str):
        key = int(key, 16)
    word = key if isinstance(key, bytes) else key.to_bytes(32, "big")
    return int.from_bytes(keccak(word + base.to_bytes(32, "big")), "big")
