"""The contracts on two EVMs behind one face: py-evm inside this process, and anvil.

Nothing of ``medshare.chain`` and nothing of web3 is used here: the contract tests judge the contracts, and later the
adapters; and what is between a test and the EVM is what each of its transactions waits for.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from eth._utils.address import generate_contract_address
from eth.vm.forks.prague import PragueVM
from eth.vm.spoof import SpoofTransaction
from eth_abi import decode, encode
from eth_abi.grammar import parse
from eth_utils import keccak, to_checksum_address
from eth_utils.abi import collapse_if_tuple
from eth_utils.exceptions import ValidationError
from nodes import AnvilNode
from plain_evm import BASE_FEE, BLOCK_GAS, Log, PlainState, logs_of
from signing import keys

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

Abi = list[dict[str, Any]]


@cache
def artifact(name: str) -> dict[str, Any]:
    """Return what the package ships of a contract."""
    return json.loads((ARTIFACTS / f"{name}.json").read_text("utf-8"))


# ------------------------------------------------------------------------------------------------ what is refused


class FailedError(Exception):
    """A call or a deployment failed; ``data`` is what the code said, empty if it said nothing."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data.hex())
        self.data = data


class RefusedError(Exception):
    """A contract refused, with the error it named."""

    def __init__(self, name: str, *values: Any) -> None:
        super().__init__(name, *values)
        self.name = name
        self.values = values


def errors_of(abi: Iterable[dict[str, Any]]) -> dict[bytes, dict[str, Any]]:
    """Return the errors of an ABI by their selectors."""
    return {_digest(_signature(entry))[:4]: entry for entry in abi if entry["type"] == "error"}


def decode_error(data: bytes, errors: Mapping[bytes, dict[str, Any]]) -> RefusedError:
    """Return the contract error that revert data names; data that names none is a failure."""
    entry = errors.get(data[:4])
    if entry is None:
        raise AssertionError(f"the contract reverted with unknown data {data.hex()!r}")
    return RefusedError(entry["name"], *_decoded(_types(entry["inputs"]), data[4:]))


def refusal(act: Callable[[], object]) -> tuple[Any, ...]:
    """Let something be refused, and return the error's name and values."""
    with pytest.raises(RefusedError) as refused:
        act()
    return refused.value.args


# ------------------------------------------------------------------------------------------------------- contracts


class Contract:
    """A contract where it is deployed: ``contract.functions.name(...)`` is a call of it, to be sent or asked."""

    def __init__(self, address: str, abi: Abi) -> None:
        self.address = address
        self.abi = abi

    @cached_property
    def functions(self) -> Functions:
        """What can be called, by name or by signature."""
        return Functions(self)


class Functions:
    """The functions of a contract."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._entries: dict[str, dict[str, Any]] = {}
        for entry in contract.abi:
            if entry["type"] == "function":
                # No contract has two of the same name: a name would not say which is meant.
                assert entry["name"] not in self._entries
                self._entries |= {entry["name"]: entry, _signature(entry): entry}

    def __getitem__(self, name: str) -> Callable[..., Call]:
        entry = self._entries[name]
        return lambda *arguments: Call(self._contract, entry, arguments)

    def __getattr__(self, name: str) -> Callable[..., Call]:
        if name not in self._entries:
            raise AttributeError(name)
        return self[name]


@dataclass(frozen=True)
class Call:
    """A call of a contract, which nobody has sent or asked yet."""

    contract: Contract
    entry: dict[str, Any]
    arguments: tuple[Any, ...]

    @property
    def address(self) -> str:
        """Of the contract."""
        return self.contract.address

    @cached_property
    def data(self) -> bytes:
        """The calldata."""
        return _digest(_signature(self.entry))[:4] + encode(_types(self.entry["inputs"]), self.arguments)

    def answer(self, data: bytes) -> Any:
        """Return what is answered, decoded: one value as it is, several as a list."""
        values = _decoded(_types(self.entry["outputs"]), data)
        return values[0] if len(values) == 1 else values


def _types(items: Sequence[Mapping[str, Any]]) -> list[str]:
    return [collapse_if_tuple(item) for item in items]


def _signature(entry: Mapping[str, Any]) -> str:
    return f"{entry['name']}({','.join(_types(entry['inputs']))})"


@cache
def _digest(signature: str) -> bytes:
    return keccak(text=signature)


def _decoded(types: Sequence[str], data: bytes) -> list[Any]:
    return list(map(_shown, types, decode(types, data)))


def _shown(kind: str, value: Any) -> Any:
    """Return a decoded value as tests write it: addresses with their checksum, arrays as lists, structs as tuples."""
    if kind.endswith("]"):
        item = parse(kind).item_type.to_type_str()
        return [_shown(item, each) for each in value]
    if kind.startswith("("):
        types = (each.to_type_str() for each in parse(kind).components)
        return tuple(map(_shown, types, value))
    return _checksummed(value) if kind == "address" else value


@cache
def _checksummed(address: str | bytes) -> str:
    return to_checksum_address(address)


# ---------------------------------------------------------------------------------------------------------- chains


@dataclass(frozen=True, slots=True)
class Event:
    """A log, decoded."""

    name: str
    values: dict[str, Any]
    address: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came of a transaction that was done."""

    events: tuple[Event, ...]
    gas_used: int
    time: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mined:
    """What came of a transaction, done or failed."""

    is_done: bool
    logs: tuple[Log, ...]
    gas_used: int
    time: int
    created: str | None
    """Address of the contract that it made."""


class Chain(ABC):
    """A chain that tests can bend: exact block times, snapshots, storage written directly."""

    def __init__(self) -> None:
        self._events: dict[bytes, dict[str, Any]] = {}
        self._errors: dict[bytes, dict[str, Any]] = {}

    @property
    @abstractmethod
    def now(self) -> int:
        """Time of the latest block: what a call sees as `block.timestamp`."""

    @property
    @abstractmethod
    def chain_id(self) -> int:
        """What contracts see as `block.chainid`."""

    @abstractmethod
    def set_chain_id(self, chain_id: int) -> None:
        """Let the chain have another id from now on."""

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
    def balance(self, address: str) -> int:
        """Return the coins of an account."""

    @abstractmethod
    def nonce(self, address: str) -> int:
        """Return how many transactions an account has sent."""

    @abstractmethod
    def load(self, address: str, slot: int) -> int:
        """Return a storage slot."""

    @abstractmethod
    def store(self, address: str, slot: int, value: int) -> None:
        """Write a storage slot, past the contract."""

    @abstractmethod
    def force(self, address: str, coins: int) -> None:
        """Give an address coins, whether it takes them or not."""

    @abstractmethod
    def ask(self, to: str, data: bytes, *, sender: str = ANYBODY, value: int = 0, gas: int = BLOCK_GAS) -> bytes:
        """Return what the code at an address answers; raises ``FailedError``."""

    @abstractmethod
    def transact(self, to: str | None, data: bytes, *, sender: str, value: int = 0, gas: int = GAS) -> Mined:
        """Mine a transaction, or with nobody to send it to, a contract's creation; it may fail."""

    def mine_at(self, time: int) -> None:
        """Mine an empty block of exactly this time; calls then see it."""
        self.next_block_at(time)
        self.mine()
        assert self.now == time

    def deploy(self, abi: Abi, bytecode: str, *arguments: Any, sender: str) -> Contract:
        """Deploy a contract with its constructor's arguments; raises ``FailedError``."""
        [types] = [_types(entry["inputs"]) for entry in abi if entry["type"] == "constructor"] or [[]]
        code = bytes.fromhex(bytecode.removeprefix("0x")) + encode(types, arguments)
        mined = self.transact(None, code, sender=sender, gas=8_000_000)
        if not mined.is_done:
            raise FailedError(b"")
        self._events |= {_digest(_signature(entry)): entry for entry in abi if entry["type"] == "event"}
        # A contract that calls another lets its errors through.
        self._errors |= errors_of(abi)
        return Contract(mined.created, abi)

    def call(self, function: Call, *, sender: str = ANYBODY, value: int = 0, gas: int = BLOCK_GAS) -> Any:
        """Ask a view; raises ``RefusedError``, or ``FailedError`` where the code says nothing."""
        try:
            answer = self.ask(function.address, function.data, sender=sender, value=value, gas=gas)
        except FailedError as error:
            if not error.data:
                raise
            raise decode_error(error.data, self._errors) from None
        return function.answer(answer)

    def attempt(self, function: Call, *, sender: str, at: int | None = None, value: int = 0, gas: int = GAS) -> Mined:
        """Send a transaction, mined a second later or `at` a time, which may fail."""
        time = self.now + 1 if at is None else at
        self.next_block_at(time)
        mined = self.transact(function.address, function.data, sender=sender, value=value, gas=gas)
        assert mined.time == time
        return mined

    def send(self, function: Call, *, sender: str, at: int | None = None, value: int = 0) -> Receipt:
        """Send a transaction, mined a second later or `at` a time; raises ``RefusedError`` if it failed."""
        mined = self.attempt(function, sender=sender, at=at, value=value)
        if not mined.is_done:
            assert mined.logs == ()
            # A failed transaction left the state as it was, and a call sees its block's time: it fails alike.
            self.call(function, sender=sender, value=value)
            raise AssertionError(f"{function.entry['name']} was mined and failed, and passes when called")
        return Receipt(events=tuple(map(self._decode, mined.logs)), gas_used=mined.gas_used, time=mined.time)

    def _decode(self, log: Log) -> Event:
        abi = self._events[log.topics[0]]
        topics = iter(log.topics[1:])
        data = iter(_decoded(_types([item for item in abi["inputs"] if not item["indexed"]]), log.data))
        values = {}
        for item in abi["inputs"]:
            values[item["name"]] = _decoded([item["type"]], next(topics))[0] if item["indexed"] else next(data)
        return Event(abi["name"], values, _checksummed(log.address))


class EmbeddedChain(Chain):
    """py-evm, inside this process: Prague's rules for transactions, and of a block its number and its time."""

    def __init__(self) -> None:
        super().__init__()
        endowment = {_bytes(key.address): 10**24 for key in keys()}
        self._state = PlainState(chain_id=31_337, endowment=endowment)
        self._number, self._now, self._next = 0, int(time.time()), 0
        self._state.begin_block(self._number, self._now)

    @property
    def now(self) -> int:
        return self._now

    @property
    def chain_id(self) -> int:
        return self._state.chain_id

    def set_chain_id(self, chain_id: int) -> None:
        self._state.chain_id = chain_id
        self._state.begin_block(self._number, self._now)

    def next_block_at(self, time: int) -> None:
        assert time > self._now
        self._next = time

    def mine(self) -> None:
        self._number, self._now, self._next = self._number + 1, self._next or self._now + 1, 0
        self._state.begin_block(self._number, self._now)

    def snapshot(self) -> Any:
        return self._state.snapshot(), self._number, self._now

    def revert(self, mark: Any) -> None:
        state, self._number, self._now = mark
        self._next = 0
        self._state.revert(state)
        self._state.begin_block(self._number, self._now)

    def balance(self, address: str) -> int:
        return self._state.get_balance(_bytes(address))

    def nonce(self, address: str) -> int:
        return self._state.get_nonce(_bytes(address))

    def load(self, address: str, slot: int) -> int:
        return self._state.get_storage(_bytes(address), slot)

    def store(self, address: str, slot: int, value: int) -> None:
        self._state.set_storage(_bytes(address), slot, value)
        self._state.lock_changes()

    def force(self, address: str, coins: int) -> None:
        self._state.delta_balance(_bytes(address), coins)

    def ask(self, to: str, data: bytes, *, sender: str = ANYBODY, value: int = 0, gas: int = BLOCK_GAS) -> bytes:
        mark = self._state.snapshot()
        try:
            _, computation = self._apply(to, data, sender=sender, value=value, gas=gas)
        finally:
            self._state.revert(mark)
        if computation.is_error:
            raise FailedError(bytes(computation.output))
        return bytes(computation.output)

    def transact(self, to: str | None, data: bytes, *, sender: str, value: int = 0, gas: int = GAS) -> Mined:
        nonce = self.nonce(sender)
        self.mine()
        transaction, computation = self._apply(to, data, sender=sender, value=value, gas=gas)
        return Mined(
            is_done=not computation.is_error,
            logs=logs_of(computation),
            gas_used=PragueVM.finalize_gas_used(transaction, computation),
            time=self._now,
            created=None if to else _checksummed(generate_contract_address(_bytes(sender), nonce)),
        )

    def _apply(self, to: str | None, data: bytes, *, sender: str, value: int, gas: int) -> tuple[Any, Any]:
        unsigned = PragueVM.get_transaction_builder().new_unsigned_dynamic_fee_transaction(
            chain_id=self.chain_id,
            nonce=self.nonce(sender),
            max_priority_fee_per_gas=BASE_FEE,
            max_fee_per_gas=BASE_FEE,
            gas=gas,
            to=_bytes(to) if to else b"",
            value=value,
            data=data,
            access_list=(),
        )
        transaction = SpoofTransaction(unsigned, from_=_bytes(sender))
        if gas > BLOCK_GAS or gas < transaction.intrinsic_gas:
            raise ValidationError("a transaction cannot have this gas")
        try:
            return transaction, self._state.apply_transaction(transaction)
        finally:
            self._state.lock_changes()


class AnvilChain(Chain):
    """An anvil process that mines when it is told to, asked over one connection."""

    def __init__(self, node: AnvilNode) -> None:
        super().__init__()
        self._connection = HTTPConnection("127.0.0.1", node.port)
        self._next: tuple[int, ...] = ()

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def _answer(self, method: str, *parameters: Any) -> dict[str, Any]:
        question = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        self._connection.request("POST", "/", json.dumps(question), {"Content-Type": "application/json"})
        return json.loads(self._connection.getresponse().read())

    def _ask(self, method: str, *parameters: Any) -> Any:
        answer = self._answer(method, *parameters)
        assert "error" not in answer, answer
        return answer["result"]

    @property
    def now(self) -> int:
        return int(self._ask("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    @property
    def chain_id(self) -> int:
        return int(self._ask("eth_chainId"), 16)

    def set_chain_id(self, chain_id: int) -> None:
        self._ask("anvil_setChainId", chain_id)

    def next_block_at(self, time: int) -> None:
        self._next = (time,)

    def mine(self) -> None:
        self._ask("evm_mine", *self._next)
        self._next = ()

    def snapshot(self) -> Any:
        return self._ask("evm_snapshot")

    def revert(self, mark: Any) -> None:
        assert self._ask("evm_revert", mark) is True
        self._next = ()

    def balance(self, address: str) -> int:
        return int(self._ask("eth_getBalance", address, "latest"), 16)

    def nonce(self, address: str) -> int:
        return int(self._ask("eth_getTransactionCount", address, "latest"), 16)

    def load(self, address: str, slot: int) -> int:
        return int(self._ask("eth_getStorageAt", address, hex(slot), "latest"), 16)

    def store(self, address: str, slot: int, value: int) -> None:
        self._ask("anvil_setStorageAt", address, f"0x{slot:064x}", f"0x{value:064x}")

    def force(self, address: str, coins: int) -> None:
        self._ask("anvil_setBalance", address, hex(self.balance(address) + coins))

    def ask(self, to: str, data: bytes, *, sender: str = ANYBODY, value: int = 0, gas: int = BLOCK_GAS) -> bytes:
        answer = self._answer("eth_call", _request(to, data, sender=sender, value=value, gas=gas), "latest")
        if "error" in answer:
            raise FailedError(_bytes(answer["error"].get("data") or "0x"))
        return _bytes(answer["result"])

    def transact(self, to: str | None, data: bytes, *, sender: str, value: int = 0, gas: int = GAS) -> Mined:
        sent = self._ask("eth_sendTransaction", _request(to, data, sender=sender, value=value, gas=gas))
        self.mine()
        receipt = self._ask("eth_getTransactionReceipt", sent)
        return Mined(
            is_done=receipt["status"] == "0x1",
            logs=tuple(
                Log(_bytes(log["address"]), tuple(map(_bytes, log["topics"])), _bytes(log["data"]))
                for log in receipt["logs"]
            ),
            gas_used=int(receipt["gasUsed"], 16),
            time=receipt["blockTimestamp"],
            created=receipt["contractAddress"] and _checksummed(receipt["contractAddress"]),
        )


def _request(to: str | None, data: bytes, *, sender: str, value: int, gas: int) -> dict[str, str]:
    request = {"from": sender, "data": f"0x{data.hex()}", "value": hex(value), "gas": hex(gas)}
    return {**request, "to": to} if to else request


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])


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
ALWAYS = 2**40 - 1
"""The latest time to which anybody can be accredited."""
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
