#!/usr/bin/env python3
"""What each verb of the contracts costs, beside the design's budgets and the best of others.

usage: gas.py [--snapshot]

Gas is exact and the same on every machine: a fresh py-evm chain (Prague), fixed actors and digests without zero
bytes, one transaction each. New storage slots are counted in the contracts' storage tries; coming repricings make
them several times dearer and leave the rest alone. With ``--snapshot`` the figures, code sizes, ABIs and storage
layouts are written to ``tests/snapshots``, where a test compares them exactly.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import rlp
from eth_tester import EthereumTester, PyEVMBackend
from eth_typing import ChecksumAddress
from eth_utils.crypto import keccak
from trie.hexary import HexaryTrie
from trie.iter import NodeIterator
from web3 import EthereumTesterProvider, Web3
from web3.contract import Contract
from web3.contract.contract import ContractFunction

ROOT = Path(__file__).resolve().parent.parent
ARTIFACTS = ROOT / "medshare" / "_data" / "contracts"
SNAPSHOTS = ROOT / "tests" / "snapshots"
DEPLOYED = ("ConsentRegistry", "Directory", "RecordRegistry")

# anvil's public accounts: none of the addresses has a zero byte, so calldata costs the same for each.
MNEMONIC = "test test test test test test test test test test test junk"
HD_PATH = "m/44'/60'/0'/0"
KEY, OTHER_KEY = b"\x11" * 32, b"\x12" * 32
RECORD, NEXT_RECORD, REASON = b"\x21" * 32, b"\x22" * 32, b"\x23" * 32
TERMS, OTHER_TERMS, BUNDLE = b"\x31" * 32, b"\x32" * 32, b"\x33" * 32
EXPIRES_AT = 0xEEEEEEEE
TREAT = 0x0001
GAS = 2_000_000
MAX_CODE_SIZE = 24_576  # EIP-170

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one transaction cost."""

    gas: int
    new_slots: int


@dataclass(frozen=True, slots=True)
class Target:
    """What the design asks of an operation, and what others need for it."""

    floor: int | None
    budget: int | None
    peer: str = ""


TARGETS = {
    "grant, first": Target(46_365, 53_000, "ERC-4907 49,100 without token events; delegate.xyz 180,000; EAS 222,000"),
    "grant, again": Target(29_277, 35_000, "30,504"),
    "revoke": Target(28_839, 32_700, "delegate.xyz 29,885; EAS 61,800"),
    "revokeAll, first": Target(44_500, 47_000, "nobody"),
    "revokeAll, again": Target(27_400, 30_000, "nobody"),
    "register": Target(47_481, 54_000, "119,000; EAS 245,000; IPEHR 3,168,824"),
}


def main(argv: list[str] | None = None) -> int:
    """Run the command line ``argv``; return the exit code: 1 if a budget is exceeded."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--snapshot", action="store_true", help="write tests/snapshots")
    arguments = parser.parse_args(argv)

    costs = measure()
    print(table(costs))
    if arguments.snapshot:
        for name, text in snapshots(costs).items():
            path = SNAPSHOTS / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
            print(f"wrote {path.relative_to(ROOT).as_posix()}")
    return 1 if over_budget(costs) else 0


# ----------------------------------------------------------------------------------------------- the measuring


def measure() -> dict[str, Cost]:
    """Return what each operation costs, by its name."""
    scene = _Scene()
    _, patient, custodian, doctor, *_ = list(scene.w3.eth.accounts)
    directory, records, consents = (
        scene.contracts[name].functions for name in ("Directory", "RecordRegistry", "ConsentRegistry")
    )
    wanted = int(doctor, 16) << 96 | EXPIRES_AT << 32 | TREAT << 16
    grant_id = consents.grant(TERMS, BUNDLE, wanted).call({"from": patient})
    other_id = consents.grant(OTHER_TERMS, BUNDLE, wanted).call({"from": patient})

    steps: list[tuple[str, ChecksumAddress, ContractFunction]] = [
        ("setEncryptionKey, first", doctor, directory.setEncryptionKey(KEY)),
        ("setEncryptionKey, again", doctor, directory.setEncryptionKey(OTHER_KEY)),
        ("register", custodian, records.register(RECORD, patient)),
        ("supersede", custodian, records.supersede(NEXT_RECORD, RECORD)),
        ("retract", custodian, records.retract(NEXT_RECORD, REASON)),
        ("grant, first", patient, consents.grant(TERMS, BUNDLE, wanted)),
        ("grant, again", patient, consents.grant(TERMS, BUNDLE, wanted)),
        ("revoke", patient, consents.revoke(grant_id)),
        ("revoke, again", patient, consents.revoke(grant_id)),
        ("grant, after revoke", patient, consents.grant(TERMS, BUNDLE, wanted)),
        ("revoke, before grant", patient, consents.revoke(other_id)),
        ("revokeAll, first", patient, consents.revokeAll()),
        ("revokeAll, again", patient, consents.revokeAll()),
        ("grant, after revokeAll", patient, consents.grant(TERMS, BUNDLE, wanted)),
    ]
    return {name: scene.cost(function, sender) for name, sender, function in steps}


class _Scene:
    """Our contracts on a fresh chain."""

    def __init__(self) -> None:
        self._backend = PyEVMBackend.from_mnemonic(MNEMONIC, hd_path=HD_PATH)
        self.w3 = Web3(EthereumTesterProvider(EthereumTester(self._backend)))
        self.contracts = {name: self._deploy(name) for name in DEPLOYED}

    def _deploy(self, name: str) -> Contract:
        artifact = read_artifact(name)
        factory = self.w3.eth.contract(abi=artifact["abi"], bytecode=artifact["bytecode"])
        sent = factory.constructor().transact({"from": self.w3.eth.accounts[0], "gas": 2 * GAS})
        address = self.w3.eth.wait_for_transaction_receipt(sent)["contractAddress"]
        assert address is not None
        return self.w3.eth.contract(address=address, abi=artifact["abi"])

    def cost(self, function: ContractFunction, sender: ChecksumAddress) -> Cost:
        """Send a transaction and return what it cost."""
        before = self._slots()
        sent = function.transact({"from": sender, "gas": GAS})
        receipt = self.w3.eth.wait_for_transaction_receipt(sent)
        assert receipt["status"] == 1, function
        return Cost(gas=receipt["gasUsed"], new_slots=self._slots() - before)

    def _slots(self) -> int:
        return sum(_count_slots(self._backend, contract.address) for contract in self.contracts.values())


def _count_slots(backend: PyEVMBackend, address: ChecksumAddress) -> int:
    chain = backend.chain
    database = chain.chaindb.db
    state_root = chain.get_canonical_head().state_root
    account = rlp.decode(HexaryTrie(database, state_root)[keccak(hexstr=address)])
    slots = NodeIterator(HexaryTrie(database, account[2])).keys()
    return sum(1 for _ in slots)


# -------------------------------------------------------------------------------------------- what comes of it


def over_budget(costs: Mapping[str, Cost]) -> list[str]:
    """Return the operations that cost more than the design allows."""
    return [name for name, target in TARGETS.items() if target.budget is not None and costs[name].gas > target.budget]


def table(costs: Mapping[str, Cost]) -> str:
    """Return the figures for people."""
    rows = [f"{'operation':<24} {'gas':>8} {'new slots':>9} {'floor':>8} {'budget':>8}  best of others"]
    for name, cost in costs.items():
        target = TARGETS.get(name, Target(None, None))
        floor, budget = ("" if figure is None else f"{figure:,}" for figure in (target.floor, target.budget))
        mark = " over budget!" if target.budget is not None and cost.gas > target.budget else ""
        rows.append(
            f"{name:<24} {cost.gas:>8,} {cost.new_slots:>9} {floor:>8} {budget:>8}  {target.peer}{mark}".rstrip()
        )
    rows.append("")
    rows += [f"{name:<24} {size:>8,} bytes of at most {MAX_CODE_SIZE:,}" for name, size in code_sizes().items()]
    return "\n".join(rows)


def snapshots(costs: Mapping[str, Cost]) -> dict[str, str]:
    """Return the snapshot files by their path under ``tests/snapshots``."""
    gas = {
        "gas": {name: {"gas": cost.gas, "newSlots": cost.new_slots} for name, cost in costs.items()},
        "codeSizes": code_sizes(),
    }
    files = {"gas.json": _encode(gas)}
    for name in DEPLOYED:
        artifact = read_artifact(name)
        files[f"abi/{name}.json"] = _encode(
            {"methodIdentifiers": artifact["methodIdentifiers"], "abi": artifact["abi"]}
        )
        files[f"storage_layout/{name}.json"] = _encode(artifact["storageLayout"])
    return files


def code_sizes() -> dict[str, int]:
    """Return the size of each contract's runtime code in bytes."""
    return {name: len(bytes.fromhex(read_artifact(name)["deployedBytecode"][2:])) for name in DEPLOYED}


def read_artifact(name: str) -> Json:
    """Return what the package ships of a contract."""
    artifact: Json = json.loads((ARTIFACTS / f"{name}.json").read_text("utf-8"))
    return artifact


def _encode(value: Json) -> str:
    return json.dumps(value, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.exit(main())
