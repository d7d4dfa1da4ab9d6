#!/usr/bin/env python3
"""What comparable verbs of others cost, on the same kind of chain, in the same run and by the same compiler.

usage: peers.py

OpenZeppelin's and solady's contracts are compiled here, with our optimizer's settings. The Ethereum Attestation Service
asks for another compiler by its pragma, so the bytecode of its own package is measured. What npm does not carry
(Permit2, delegate.xyz, ERC-4907) is not measured, and is said to be quoted where it is quoted.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "scripts"))

import compile_contracts  # noqa: E402 - a script, not a package
import solcx  # noqa: E402
from eth_abi.abi import encode  # noqa: E402
from eth_utils.crypto import keccak  # noqa: E402
from fresh_chain import Cost, FreshChain, Json  # noqa: E402
from scale import Scale  # noqa: E402
from web3.contract import Contract  # noqa: E402
from web3.contract.contract import ContractFunction  # noqa: E402

SOURCE = Path(__file__).resolve().parent / "solidity" / "Peers.sol"
EAS = ROOT / "node_modules" / "@ethereum-attestation-service" / "eas-contracts"
SETTINGS = compile_contracts.SETTINGS | {"evmVersion": "prague"}
"""Ours, but for the newest EVM, which OpenZeppelin's ERC-1155 needs; it makes code cheaper, never dearer."""
PACKAGES = ("@openzeppelin/contracts", "solady", "@ethereum-attestation-service/eas-contracts")

# As in gas.py: no zero byte where a digest is.
TERMS, BUNDLE, RECORD = b"\x31" * 32, b"\x33" * 32, b"\x21" * 32
TREAT = 0x01
EXPIRES_AT = 0xEEEEEEEE
DEADLINE = 0xDDDDDDDD
ATTESTED_AT = 0xAAAAAAAA
"""An attestation's id holds its time, and calldata costs by its bytes."""
REVOCABLE = True
BATCH = 100
NO_ADDRESS = "0x" + "00" * 20
GRANT_SCHEMA = "bytes32 terms, bytes32 bundle, uint16 purposes"
RECORD_SCHEMA = "bytes32 recordId, address patient"
BATCH_GAS = 29_000_000
PERMIT = "address owner,address spender,uint256 value,uint256 nonce,uint256 deadline"
ATTEST = (
    "address attester,bytes32 schema,address recipient,uint64 expirationTime,bool revocable,bytes32 refUID,bytes data,"
    "uint256 value,uint256 nonce,uint64 deadline"
)

Costs = dict[str, Cost]


def main() -> int:
    """Print what each verb costs; return 0, or 2 if packages or a compiler are missing."""
    try:
        costs = measure()
    except compile_contracts.CannotRunError as error:
        print(f"cannot run: {error}", file=sys.stderr)
        return compile_contracts.EXIT_CANNOT_RUN
    for name, cost in costs.items():
        print(f"{name:<60} {cost.gas:>8,} {cost.new_slots:>3}")
    return 0


def measure() -> Costs:
    """Return what each verb costs by its name; raises ``CannotRunError`` where packages or a compiler are missing."""
    compiled = compile_peers()
    parts: tuple[Callable[[], Costs], ...] = (
        lambda: _roles("OpenZeppelin AccessControl", compiled["OpenZeppelinRoles"], TERMS, "grantRole", "revokeRole"),
        lambda: _roles("solady OwnableRoles", compiled["SoladyRoles"], TREAT, "grantRoles", "revokeRoles"),
        lambda: _token("OpenZeppelin ERC-1155", compiled["OpenZeppelinToken"]),
        lambda: _token("solady ERC-1155", compiled["SoladyToken"]),
        lambda: _permit("OpenZeppelin ERC-20 permit", compiled["OpenZeppelinPermit"]),
        lambda: _permit("solady ERC-20 permit", compiled["SoladyPermit"]),
        _attested,
        _attested_in_batches,
        _attested_by_signature,
        _attested_records,
    )
    return {name: cost for part in parts for name, cost in part().items()}


def figures(_: Scale) -> Json:
    """Return costs by name, which are exact at any scale, and the versions they are of."""
    costs = {name: {"gas": cost.gas, "newSlots": cost.new_slots} for name, cost in measure().items()}
    return {"compiler": compile_contracts.COMPILER_VERSION, "costs": costs, "packages": versions()}


def versions() -> dict[str, str]:
    """Return the version of each package that is measured."""
    return {
        name: str(json.loads((ROOT / "node_modules" / name / "package.json").read_text("utf-8"))["version"])
        for name in PACKAGES
    }


# ------------------------------------------------------------------------------------------------- the contracts


def compile_peers() -> dict[str, Json]:
    """Return ABI and bytecode of each contract in ``Peers.sol``."""
    if not (ROOT / "node_modules" / "solady").is_dir() or not EAS.is_dir():
        raise compile_contracts.CannotRunError("the peers are not in node_modules: run npm ci")
    unit = "benchmarks/solidity/Peers.sol"
    sources = compile_contracts.with_imports(
        {unit: SOURCE.read_text("utf-8")}, lambda imported: (ROOT / "node_modules" / imported).read_text("utf-8")
    )
    contents = {name: {"content": content} for name, content in sources.items()}
    # Not by compile_sources, which takes warnings for errors: these are sources of others.
    output = solcx.compile_standard(
        {"language": "Solidity", "settings": SETTINGS, "sources": contents},
        solc_binary=compile_contracts.find_compiler(),
    )
    return {
        name: {"abi": found["abi"], "bytecode": "0x" + found["evm"]["bytecode"]["object"]}
        for name, found in output["contracts"][unit].items()
    }


def _eas(chain: FreshChain) -> tuple[Contract, Contract]:
    """Place the registry of schemas and the service."""
    registry, service = (
        json.loads((EAS / "artifacts" / "contracts" / f"{name}.sol" / f"{name}.json").read_text("utf-8"))
        for name in ("SchemaRegistry", "EAS")
    )
    schemas = chain.place(registry)
    return schemas, chain.place(service, schemas.address)


# ------------------------------------------------------------------------------------------------- the measuring


def _roles(peer: str, artifact: Json, role: bytes | int, grant: str, revoke: str) -> Costs:
    chain = FreshChain()
    contract, admin, reader = chain.place(artifact), chain.accounts[0], chain.accounts[1]
    arguments = (role, reader) if isinstance(role, bytes) else (reader, role)
    granting, revoking = contract.functions[grant](*arguments), contract.functions[revoke](*arguments)
    return {
        f"{peer}: {grant}, first": chain.cost(granting, admin),
        f"{peer}: {revoke}": chain.cost(revoking, admin),
        f"{peer}: {grant}, after {revoke}": chain.cost(granting, admin),
    }


def _token(peer: str, artifact: Json) -> Costs:
    chain = FreshChain()
    contract, sender, reader = chain.place(artifact), chain.accounts[0], chain.accounts[1]
    token = int.from_bytes(TERMS, "big")
    return {
        f"{peer}: mint, first": chain.cost(contract.functions.mint(reader, token), sender),
        f"{peer}: burn": chain.cost(contract.functions.burn(reader, token), sender),
    }


def _permit(peer: str, artifact: Json) -> Costs:
    chain = FreshChain()
    contract = chain.place(artifact)
    relayer, owner, spender = chain.accounts[:3]
    domain = {"name": "peer", "version": "1", "chainId": chain.w3.eth.chain_id, "verifyingContract": contract.address}

    def permit(nonce: int) -> ContractFunction:
        message = {"owner": owner, "spender": spender, "value": nonce + 1, "nonce": nonce, "deadline": DEADLINE}
        r, s, v = _parts(chain.sign(owner, domain, {"Permit": _members(PERMIT)}, message))
        return contract.functions.permit(owner, spender, nonce + 1, DEADLINE, v, r, s)

    return {
        f"{peer}: signed and relayed, first": chain.cost(permit(0), relayer),
        f"{peer}: signed and relayed, again": chain.cost(permit(1), relayer),
    }


def _attested() -> Costs:
    """A grant as an attestation with an end, and its revocation."""
    chain = FreshChain()
    chain.wait_until(ATTESTED_AT)
    _, service = _eas(chain)
    patient, doctor = chain.accounts[:2]
    schema = _schema(chain, service, GRANT_SCHEMA)
    attested = chain.cost(service.functions.attest((schema, _grant(doctor))), patient)
    revoking = service.functions.revoke((schema, (_latest_uid(chain, service), 0)))
    return {"EAS: attest": attested, "EAS: revoke": chain.cost(revoking, patient)}


def _attested_in_batches() -> Costs:
    chain = FreshChain()
    _, service = _eas(chain)
    patient, doctor = chain.accounts[:2]
    schema = _schema(chain, service, GRANT_SCHEMA)
    each = [_grant(doctor, keccak(number.to_bytes(2, "big"))) for number in range(BATCH)]
    digests = [keccak(number.to_bytes(2, "big")) for number in range(BATCH)]
    many = {
        f"EAS: multiAttest, one of {BATCH}": service.functions.multiAttest([(schema, each)]),
        f"EAS: multiTimestamp, one of {BATCH}": service.functions.multiTimestamp(digests),
    }
    costs = {name: chain.cost(function, patient, gas=BATCH_GAS) for name, function in many.items()}
    return {
        name: Cost(gas=round(cost.gas / BATCH), new_slots=round(cost.new_slots / BATCH)) for name, cost in costs.items()
    }


def _attested_by_signature() -> Costs:
    chain = FreshChain()
    _, service = _eas(chain)
    relayer, patient, doctor = chain.accounts[:3]
    schema = _schema(chain, service, GRANT_SCHEMA)
    domain = {
        "name": "EAS",
        "version": service.functions.version().call(),
        "chainId": chain.w3.eth.chain_id,
        "verifyingContract": service.address,
    }

    def attest(nonce: int) -> ContractFunction:
        recipient, expires, revocable, reference, body, value = granted = _grant(doctor)
        message = {
            "attester": patient,
            "schema": schema,
            "recipient": recipient,
            "expirationTime": expires,
            "revocable": revocable,
            "refUID": reference,
            "data": body,
            "value": value,
            "nonce": nonce,
            "deadline": DEADLINE,
        }
        r, s, v = _parts(chain.sign(patient, domain, {"Attest": _members(ATTEST)}, message))
        return service.functions.attestByDelegation((schema, granted, (v, r, s), patient, DEADLINE))

    return {
        "EAS: attestByDelegation, first": chain.cost(attest(0), relayer),
        "EAS: attestByDelegation, again": chain.cost(attest(1), relayer),
    }


def _attested_records() -> Costs:
    chain = FreshChain()
    _, service = _eas(chain)
    custodian, patient = chain.accounts[:2]
    schema = _schema(chain, service, RECORD_SCHEMA)
    body = encode(["bytes32", "address"], [RECORD, patient])
    record = (patient, 0, REVOCABLE, bytes(32), body, 0)
    return {
        "EAS: attest a record": chain.cost(service.functions.attest((schema, record)), custodian),
        "EAS: timestamp a record, no patient": chain.cost(service.functions.timestamp(RECORD), custodian),
    }


def _schema(chain: FreshChain, service: Contract, schema: str) -> bytes:
    address = service.functions.getSchemaRegistry().call()
    registry_abi = json.loads((EAS / "artifacts/contracts/SchemaRegistry.sol/SchemaRegistry.json").read_text("utf-8"))
    registry = chain.w3.eth.contract(address=address, abi=registry_abi["abi"])
    registering = registry.functions.register(schema, NO_ADDRESS, REVOCABLE)
    uid: bytes = registering.call({"from": chain.accounts[0]})
    chain.cost(registering, chain.accounts[0])
    return uid


def _grant(reader: str, terms: bytes = TERMS) -> tuple[str, int, bool, bytes, bytes, int]:
    return (
        reader,
        EXPIRES_AT,
        REVOCABLE,
        bytes(32),
        encode(["bytes32", "bytes32", "uint16"], [terms, BUNDLE, TREAT]),
        0,
    )


def _latest_uid(chain: FreshChain, service: Contract) -> bytes:
    [event] = service.events.Attested.get_logs(from_block=chain.w3.eth.block_number)
    uid: bytes = event["args"]["uid"]
    return uid


def _members(members: str) -> list[dict[str, str]]:
    return [dict(zip(("type", "name"), member.split(" "), strict=True)) for member in members.split(",")]


def _parts(signature: bytes) -> tuple[bytes, bytes, int]:
    return signature[:32], signature[32:64], signature[64]


if __name__ == "__main__":
    sys.exit(main())
