#!/usr/bin/env python3
"""What each verb of the contracts costs, beside the design's budgets and the best of others.

usage: gas.py [--snapshot]

Gas is exact and the same on every machine: a fresh py-evm chain (Prague), fixed actors and digests without zero
bytes, one transaction each. New storage slots are counted in the contracts' storage tries; coming repricings make
them several times dearer and leave the rest alone. Floors are measured likewise. With ``--snapshot`` the
figures, code sizes, ABIs and storage layouts are written to ``tests/snapshots``, where a test compares them exactly.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import floors
from eth_typing import ChecksumAddress
from eth_utils.crypto import keccak
from fresh_chain import GAS, Cost, FreshChain, Json, Size, encode_json
from web3 import Web3
from web3.contract import Contract
from web3.contract.contract import ContractFunction, ContractFunctions

ROOT = Path(__file__).resolve().parent.parent
ARTIFACTS = ROOT / "medshare" / "_data" / "contracts"
SNAPSHOTS = ROOT / "tests" / "snapshots"
DEPLOYED = ("Consortium", "RecordRegistry", "ConsentRegistry", "EmergencyAccess", "AccessRequests", "Attestations")
TOKEN = ROOT / "tests" / "vectors" / "tokens" / "Token__Mock.json"

KEY, OTHER_KEY = b"\x11" * 32, b"\x12" * 32
RECORD, NEXT_RECORD, REASON = b"\x21" * 32, b"\x22" * 32, b"\x23" * 32
TERMS, OTHER_TERMS, BUNDLE = b"\x31" * 32, b"\x32" * 32, b"\x33" * 32
EXPIRES_AT = 0xEEEEEEEE
TREAT, RESEARCH = 0x0001, 0x0010
BOTH_VERBS = 0x03
BATCH = 100
DEADLINE = 0xDDDDDDDD
CUSTODIAN, CLINICIAN, RESEARCHER, ETHICS, ASSESSOR, REVIEWER = 1, 2, 3, 4, 5, 6
FOR_EVER = (1 << 40) - 1
REQUEST_DEADLINE = 0xCCCCCCCC
NATIVE = "0x" + "00" * 20
REWARD = 10**18
CONTENT, DOCUMENT, SALT = b"\x41" * 32, b"\x42" * 32, b"\x43" * 32
COUNT = 0x11111
OPEN_CALL: tuple[bytes, list[bytes]] = (bytes(32), [])
MAX_CODE_SIZE = 24_576  # EIP-170


@dataclass(frozen=True, slots=True)
class Target:
    """What the design asks of an operation, and what others need for it by what they or others published."""

    floor: int | None
    """Only where none is measured: ``floors.py``."""
    budget: int | None
    peer: str = ""


STRUCTS: Mapping[str, list[dict[str, str]]] = {
    name: [dict(zip(("type", "name"), member.split(" "), strict=True)) for member in members.split(",")]
    for name, members in {
        "SetEncryptionKey": "address actor,bytes32 key,uint32 version,uint32 deadline",
        "Register": "address custodian,bytes32 recordId,address patient,uint32 deadline",
        "Grant": "address patient,address grantee,bytes32 terms,bytes32 bundle,uint16 purposes,uint32 notBefore,"
        "uint32 expiresAt,uint8 stamp,uint8 epoch,uint8 mandate,uint32 deadline",
        "Revoke": "address patient,uint256 grantId,uint8 lastEpoch,uint8 mandate,uint32 deadline",
        "RevokeAll": "address patient,uint8 stamp,uint8 mandate,uint32 deadline",
        "Withdraw": "address account,address token,address to,uint32 count,uint32 deadline",
    }.items()
}

TARGETS = {
    "grant, first": Target(None, 53_000, "ERC-4907 49,100 without token events; delegate.xyz 180,000; EAS 222,000"),
    "grant, again": Target(None, 35_000, "30,504"),
    "revoke": Target(None, 32_700, "delegate.xyz 29,885; EAS 61,800"),
    "revokeAll, first": Target(None, 47_000, "nobody"),
    "revokeAll, again": Target(None, 30_000, "nobody"),
    "grantSigned, first": Target(None, 60_500, "Permit2 57,454; EAS 255,600"),
    "grantSigned, again": Target(None, 41_500, "Permit2 40,378"),
    "grant, one of 100 in a batch": Target(None, 32_000, "Permit2 30,700 at 10; EAS 188,000"),
    # The design's 54,000 was set before an accreditation was asked, and is missed: docs/adr/0017.
    "register": Target(None, 56_000, "119,000; EAS 245,000; IPEHR 3,168,824"),
    "register, one's own": Target(None, 54_000, "119,000; EAS 245,000; IPEHR 3,168,824"),
    # A record of a batch of 1,000 costs a thousandth of it: the design's 60.
    "anchorBatch": Target(None, 60_000, "nobody"),
    "accept, open call": Target(None, 110_000, "Ocean escrow 350,000"),
    "accept, by invitation": Target(None, 110_000, "Ocean escrow 350,000"),
    "confirm, first earnings": Target(None, 110_000),
    "confirm, later": Target(None, 80_000),
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
    parts = (_signed, _people, _batched, _emergency, _attesting, _governing, _asking, _weighing, _paying_in_tokens)
    return {**_direct(scene), **{name: cost for part in parts for name, cost in part(_Scene()).items()}}


def _direct(scene: _Scene) -> dict[str, Cost]:
    """Verbs by the patient's, custodian's or doctor's own transaction."""
    patient, custodian, doctor = scene.patient, scene.custodian, scene.doctor
    consortium, records, consents = (
        scene.functions(name) for name in ("Consortium", "RecordRegistry", "ConsentRegistry")
    )
    wanted = scene.wanted(doctor)
    grant_id = consents.grant(TERMS, BUNDLE, wanted).call({"from": patient})
    other_id = consents.grant(OTHER_TERMS, BUNDLE, wanted).call({"from": patient})
    steps: list[tuple[str, ChecksumAddress, ContractFunction]] = [
        ("setEncryptionKey, first", doctor, consortium.setEncryptionKey(KEY)),
        ("setEncryptionKey, again", doctor, consortium.setEncryptionKey(OTHER_KEY)),
        ("register", custodian, records.register(RECORD, patient)),
        ("register, one's own", patient, records.register(RECORD, patient)),
        ("supersede", custodian, records.supersede(NEXT_RECORD, RECORD)),
        ("retract", custodian, records.retract(NEXT_RECORD, REASON)),
        ("anchorBatch", custodian, records.anchorBatch(_leaf(patient), CONTENT, COUNT)),
        (
            "registerFromBatch",
            doctor,
            records.registerFromBatch(custodian, _leaf(patient), DOCUMENT, patient, SALT, []),
        ),
        ("grant, first", patient, consents.grant(TERMS, BUNDLE, wanted)),
        ("grant, again", patient, consents.grant(TERMS, BUNDLE, wanted)),
        ("revoke", patient, consents.revoke(grant_id)),
        ("revoke, again", patient, consents.revoke(grant_id)),
        ("grant, after revoke", patient, consents.grant(TERMS, BUNDLE, wanted)),
        ("revoke, before grant", patient, consents.revoke(other_id)),
        ("revokeAll, first", patient, consents.revokeAll(patient)),
        ("revokeAll, again", patient, consents.revokeAll(patient)),
        ("grant, after revokeAll", patient, consents.grant(TERMS, BUNDLE, wanted)),
    ]
    return {name: scene.cost(function, sender) for name, sender, function in steps}


def _leaf(patient: str) -> bytes:
    """Return the root of a batch of one record."""
    return keccak(keccak(DOCUMENT + bytes(12) + bytes.fromhex(patient[2:]) + SALT))


def _signed(scene: _Scene) -> dict[str, Cost]:
    """Verbs by the signature of a patient without coins, sent by a relayer."""
    patient, doctor, relayer = scene.patient, scene.doctor, scene.relayer
    consortium, records, consents = (
        scene.functions(name) for name in ("Consortium", "RecordRegistry", "ConsentRegistry")
    )
    grant_id = consents.grant(TERMS, BUNDLE, scene.wanted(doctor)).call({"from": patient})

    def granting(epoch: int, stamp: int = 0) -> ContractFunction:
        wanted = scene.wanted(doctor, stamp=stamp, epoch=epoch)
        return consents.grantSigned(patient, TERMS, BUNDLE, wanted, *scene.sign_grant(TERMS, wanted))

    key = {"actor": patient, "key": KEY, "version": 1, "deadline": DEADLINE}
    own = {"custodian": patient, "recordId": RECORD, "patient": patient, "deadline": DEADLINE}
    revoking = {"patient": patient, "grantId": grant_id, "lastEpoch": 3, "mandate": 0, "deadline": DEADLINE}
    all_revoking = {"patient": patient, "stamp": 0, "mandate": 0, "deadline": DEADLINE}
    steps = [
        (
            "setEncryptionKeySigned, first",
            consortium.setEncryptionKeySigned(
                patient, KEY, 1, DEADLINE, scene.signature("Consortium", "SetEncryptionKey", key)
            ),
        ),
        (
            "registerSigned",
            records.registerSigned(
                patient, RECORD, patient, DEADLINE, scene.signature("RecordRegistry", "Register", own)
            ),
        ),
        ("grantSigned, first", granting(0)),
        ("grantSigned, again", granting(1)),
        ("revokeSigned", consents.revokeSigned(grant_id, 3, *scene.authorize("Revoke", revoking))),
        ("revokeAllSigned, first", consents.revokeAllSigned(patient, 0, *scene.authorize("RevokeAll", all_revoking))),
    ]
    return {name: scene.cost(function, relayer) for name, function in steps}


def _people(scene: _Scene) -> dict[str, Cost]:
    """Delegates and recovery."""
    patient, doctor, delegate = scene.patient, scene.doctor, scene.custodian
    consents = scene.functions("ConsentRegistry")
    delegation = EXPIRES_AT << 40 | TREAT << 24 | BOTH_VERBS << 16
    wanted = scene.wanted(doctor)
    grant_id = consents.grant(TERMS, BUNDLE, wanted).call({"from": patient})
    steps = [
        ("appoint, first", patient, consents.appoint(patient, delegate, delegation)),
        ("appoint, again", patient, consents.appoint(patient, delegate, delegation)),
        ("grantFor, by a delegate", delegate, consents.grantFor(patient, TERMS, BUNDLE, wanted)),
        ("revoke, by a delegate", delegate, consents.revoke(grant_id)),
        ("dismiss", patient, consents.dismiss(patient, delegate)),
        ("nameGuardians, first", patient, consents.nameGuardians(patient, TERMS, 86_400)),
    ]
    return {name: scene.cost(function, sender) for name, sender, function in steps}


def _batched(scene: _Scene) -> dict[str, Cost]:
    """A hundred grants, and a hundred revocations of them, in one transaction each: what one of them costs."""
    patient, doctor = scene.patient, scene.doctor
    consents = scene.functions("ConsentRegistry")
    contract = scene.contracts["ConsentRegistry"]
    terms = [keccak(number.to_bytes(2, "big")) for number in range(BATCH)]
    wanted = scene.wanted(doctor)
    ids = [consents.grant(each, BUNDLE, wanted).call({"from": patient}) for each in terms]
    granting = [contract.encode_abi("grant", [each, BUNDLE, wanted]) for each in terms]
    signed = []
    for each in terms:
        again = scene.wanted(doctor, epoch=1)
        signed.append(
            contract.encode_abi("grantSigned", [patient, each, BUNDLE, again, *scene.sign_grant(each, again)])
        )
    revoking = [contract.encode_abi("revoke", [each]) for each in ids]
    steps = [
        (f"grant, one of {BATCH} in a batch", patient, consents.batch(granting)),
        (f"grantSigned, again, one of {BATCH} in a batch", scene.relayer, consents.batch(signed)),
        (f"revoke, one of {BATCH} in a batch", patient, consents.batch(revoking)),
    ]
    costs = {}
    for name, sender, function in steps:
        whole = scene.cost(function, sender, gas=20_000_000)
        costs[name] = Cost(gas=round(whole.gas / BATCH), new_slots=round(whole.new_slots / BATCH))
    return costs


def _emergency(scene: _Scene) -> dict[str, Cost]:
    """Break-glass by a clinician, and its review."""
    patient, doctor, reviewer = scene.patient, scene.doctor, scene.researcher
    emergency = scene.functions("EmergencyAccess")
    scene.accredit(doctor, CLINICIAN)
    scene.accredit(reviewer, REVIEWER)
    opening = emergency.breakGlass(patient, 1, REASON, 3600)
    episode = opening.call({"from": doctor})
    steps = [
        ("breakGlass, first of a clinician", doctor, opening),
        ("release", scene.custodian, emergency.release(episode, BUNDLE)),
        ("end", doctor, emergency.end(episode)),
        ("review", reviewer, emergency.review(episode, 1, REASON)),
        ("breakGlass, later", doctor, opening),
    ]
    return {name: scene.cost(function, sender) for name, sender, function in steps}


def _attesting(scene: _Scene) -> dict[str, Cost]:
    """What an assessor says of records, and a custodian of receipts."""
    assessor, attestations = scene.doctor, scene.functions("Attestations")
    scene.accredit(assessor, ASSESSOR)
    steps = [
        ("attest, first", assessor, attestations.attest(RECORD, 1, 90)),
        ("attest, again", assessor, attestations.attest(RECORD, 1, 91)),
        ("attestBatch", assessor, attestations.attestBatch(CONTENT, 1, 1000)),
        ("withdraw an attestation", assessor, attestations.withdraw(RECORD)),
        ("anchorReceipts", scene.custodian, attestations.anchorReceipts(DOCUMENT, 1000)),
    ]
    return {name: scene.cost(function, sender) for name, sender, function in steps}


def _governing(scene: _Scene) -> dict[str, Cost]:
    """What members do, and what three of them decide."""
    one, two, three = scene.members
    doctor, consortium = scene.doctor, scene.functions("Consortium")
    admitting = scene.contracts["Consortium"].encode_abi("admit", [scene.relayer])
    periods = scene.contracts["AccessRequests"].encode_abi("setPeriods", [3600, 3600])
    targets = (scene.contracts["Consortium"].address, scene.contracts["AccessRequests"].address)
    steps = [
        ("accredit, first", one, consortium.accredit(doctor, CLINICIAN, FOR_EVER)),
        ("accredit, again", one, consortium.accredit(doctor, CLINICIAN, FOR_EVER - 1)),
        ("suspendAccreditation", one, consortium.suspendAccreditation(doctor, CLINICIAN)),
        ("reinstateAccreditation", one, consortium.reinstateAccreditation(doctor, CLINICIAN)),
        ("propose, first", one, consortium.propose(targets[0], admitting, REASON)),
        ("vote", two, consortium.vote(1)),
        ("execute, admit", scene.relayer, consortium.execute(1, admitting)),
        ("propose, another contract", three, consortium.propose(targets[1], periods, REASON)),
    ]
    costs = {name: scene.cost(function, sender) for name, sender, function in steps}
    for member in (one, two):
        scene.cost(consortium.vote(2), member)
    return costs | {"execute, setPeriods": scene.cost(consortium.execute(2, periods), scene.relayer)}


def _asking(scene: _Scene) -> dict[str, Cost]:
    """A request in the chain's own coin: three patients' worth of each step."""
    requests, researcher, custodian = scene.functions("AccessRequests"), scene.researcher, scene.custodian
    delegate, committee = scene.doctor, scene.members[1]
    patient, other, third = scene.patient, scene.members[2], scene.relayer
    scene.accredit(committee, ETHICS)
    leaf, sibling = scene.leaf(patient), scene.leaf(other)
    named = scene.request(invitees=keccak(min(leaf, sibling) + max(leaf, sibling)))
    costs = {
        "open, first": scene.cost(requests.open(scene.request()), researcher, value=3 * REWARD),
        "open, later": scene.cost(requests.open(named), researcher, value=3 * REWARD),
        "approveStudy": scene.cost(requests.approveStudy(1), committee),
    }
    consents = scene.functions("ConsentRegistry")
    scene.cost(consents.appoint(third, delegate, EXPIRES_AT << 40 | RESEARCH << 24 | BOTH_VERBS << 16), third)
    by_delegate = scene.acceptance(1, third, signer=delegate, mandate=1)
    steps: list[tuple[str, ChecksumAddress, ContractFunction]] = [
        ("accept, open call", scene.doctor, requests.accept(1, scene.acceptance(1, patient), OPEN_CALL)),
        ("accept, open call, by a delegate", scene.doctor, requests.accept(1, by_delegate, OPEN_CALL)),
        ("accept, open call, last place", scene.doctor, requests.accept(1, scene.acceptance(1, other), OPEN_CALL)),
        ("accept, by invitation", scene.doctor, requests.accept(2, scene.acceptance(2, patient), (SALT, [sibling]))),
        ("deliver", custodian, requests.deliver(1, patient, CONTENT, BUNDLE, 0)),
        ("deliver, later", custodian, requests.deliver(1, other, CONTENT, BUNDLE, 0)),
        ("decline", custodian, requests.decline(1, third)),
        ("confirm, first earnings", researcher, requests.confirm(1, patient)),
        ("confirm, later", researcher, requests.confirm(1, other)),
        ("withdraw, first", custodian, requests.withdraw(custodian, NATIVE, custodian)),
        ("withdrawSigned, first", scene.doctor, scene.withdrawing(patient)),
        ("cancel", researcher, requests.cancel(1)),
    ]
    costs |= {name: scene.cost(function, sender) for name, sender, function in steps}
    return costs | _settling(scene)


def _settling(scene: _Scene) -> dict[str, Cost]:
    """Disputes, and what is left of a request by invitation after its deadline."""
    requests, researcher, custodian, patient = (
        scene.functions("AccessRequests"),
        scene.researcher,
        scene.custodian,
        scene.patient,
    )
    other, sibling = scene.members[2], scene.leaf(patient)
    scene.cost(requests.accept(2, scene.acceptance(2, other), (SALT, [sibling])), other)
    for each in (patient, other):
        scene.cost(requests.deliver(2, each, CONTENT, BUNDLE, 0), custodian)
    costs = {"dispute": scene.cost(requests.dispute(2, patient, REASON), researcher)}
    deciding = scene.contracts["AccessRequests"].encode_abi("decide", [2, patient, False])
    consortium, address = scene.functions("Consortium"), scene.contracts["AccessRequests"].address
    scene.cost(consortium.propose(address, deciding, REASON), scene.members[0])
    scene.cost(consortium.vote(1), scene.members[1])
    costs["decide, goes back, by execute"] = scene.cost(consortium.execute(1, deciding), scene.relayer)
    scene.wait_until(REQUEST_DEADLINE)
    return costs | {
        "release, later earnings": scene.cost(requests.release(2, other), scene.relayer),
        "returnUnearned": scene.cost(requests.returnUnearned(2), scene.relayer),
    }


def _weighing(scene: _Scene) -> dict[str, Cost]:
    """A request that asks for a score, and weighs it: part of the reward goes back."""
    requests, researcher, patient = scene.functions("AccessRequests"), scene.researcher, scene.patient
    asked = scene.request(invitees=scene.leaf(patient), quality=(80, 1, 5_000))
    scene.cost(requests.open(asked), researcher, value=3 * REWARD)
    scene.cost(requests.accept(1, scene.acceptance(1, patient), (SALT, [])), patient)
    delivering = requests.deliver(1, patient, CONTENT, BUNDLE, 90)
    return {
        "deliver, with a score": scene.cost(delivering, scene.custodian),
        "confirm, part goes back, first earnings": scene.cost(requests.confirm(1, patient), researcher),
    }


def _paying_in_tokens(scene: _Scene) -> dict[str, Cost]:
    """A request in an ERC-20 token."""
    requests, researcher, patient = scene.functions("AccessRequests"), scene.researcher, scene.patient
    token = scene.token()
    allowing = scene.contracts["AccessRequests"].encode_abi("setTokenAllowed", [token.address, True])
    consortium, address = scene.functions("Consortium"), scene.contracts["AccessRequests"].address
    scene.cost(consortium.propose(address, allowing, REASON), scene.members[0])
    scene.cost(consortium.vote(1), scene.members[1])
    costs = {"execute, setTokenAllowed": scene.cost(consortium.execute(1, allowing), scene.relayer)}
    scene.cost(token.functions.mint(researcher, 1 << 128), researcher)
    scene.cost(token.functions.approve(address, (1 << 256) - 1), researcher)
    asked = scene.request(token=token.address, invitees=scene.leaf(patient))
    costs["open, in a token"] = scene.cost(requests.open(asked), researcher)
    scene.cost(requests.accept(1, scene.acceptance(1, patient), (SALT, [])), patient)
    scene.cost(requests.deliver(1, patient, CONTENT, BUNDLE, 0), scene.custodian)
    costs["confirm, in a token"] = scene.cost(requests.confirm(1, patient), researcher)
    costs["withdraw, in a token"] = scene.cost(requests.withdraw(patient, token.address, patient), patient)
    return costs


def measure_grown(sizes: Sequence[int]) -> dict[int, dict[str, Cost]]:
    """Return what granting and registering cost once there are so many entries of each, sizes ascending."""
    scene, costs = _Scene(), {}
    patient = scene.patient
    wanted = scene.wanted(scene.doctor)
    done = 0
    for size in sizes:
        for first in range(done, size, BATCH):
            digests = [keccak(number.to_bytes(4, "big")) for number in range(first, min(first + BATCH, size))]
            for name, verb, more in (
                ("ConsentRegistry", "grant", (BUNDLE, wanted)),
                ("RecordRegistry", "register", (patient,)),
            ):
                calls = [scene.contracts[name].encode_abi(verb, [digest, *more]) for digest in digests]
                batch = scene.functions(name).batch(calls)
                scene.send(batch.build_transaction({"from": patient, "gas": 20_000_000}))
        done = size
        costs[size] = {
            "grant, first": scene.cost(scene.functions("ConsentRegistry").grant(_nth(size), BUNDLE, wanted), patient),
            "register, one's own": scene.cost(scene.functions("RecordRegistry").register(_nth(size), patient), patient),
        }
    return costs


def _nth(number: int) -> bytes:
    """Return a digest that no entry has, without a zero byte, which would be cheaper."""
    return keccak(b"after" + number.to_bytes(4, "big")).replace(b"\x00", b"\x01")


def measure_bytes() -> dict[str, Size]:
    """Return how much of the ledger each of the commonest verbs takes for ever."""
    scene, other = _Scene(), _Scene()
    patient, wanted = scene.patient, scene.wanted(scene.doctor)
    consents, records = scene.functions("ConsentRegistry"), scene.functions("RecordRegistry")
    grant_id = consents.grant(TERMS, BUNDLE, wanted).call({"from": patient})
    signed = other.functions("ConsentRegistry")
    revoking = {"patient": patient, "grantId": grant_id, "lastEpoch": 2, "mandate": 0, "deadline": DEADLINE}
    steps: list[tuple[str, _Scene, ChecksumAddress, ContractFunction]] = [
        ("register", scene, scene.custodian, records.register(RECORD, patient)),
        ("anchorBatch", scene, scene.custodian, records.anchorBatch(DOCUMENT, CONTENT, COUNT)),
        ("grant, first", scene, patient, consents.grant(TERMS, BUNDLE, wanted)),
        ("revoke", scene, patient, consents.revoke(grant_id)),
        ("revokeAll, first", scene, patient, consents.revokeAll(patient)),
        *(
            (
                name,
                other,
                other.relayer,
                signed.grantSigned(patient, TERMS, BUNDLE, each, *other.sign_grant(TERMS, each)),
            )
            for name, each in (
                ("grantSigned, first", wanted),
                ("grantSigned, again", other.wanted(other.doctor, epoch=1)),
            )
        ),
        ("revokeSigned", other, other.relayer, signed.revokeSigned(grant_id, 2, *other.authorize("Revoke", revoking))),
    ]
    return {
        name: place.size_of(function.build_transaction({"from": sender, "gas": GAS}))
        for name, place, sender, function in steps
    }


class _Scene(FreshChain):
    """Our contracts on a fresh chain: three members, an accredited custodian and a researcher."""

    def __init__(self) -> None:
        super().__init__()
        self.relayer, self.patient, self.custodian, self.doctor, self.researcher, *others = self.accounts
        self.members = others[:3]
        consortium = self._deploy("Consortium", self.members, 51, 604_800)
        consents = self._deploy("ConsentRegistry")
        links = (consents.address, consortium.address)
        self.contracts = {
            "Consortium": consortium,
            "RecordRegistry": self._deploy("RecordRegistry", consortium.address),
            "ConsentRegistry": consents,
            "EmergencyAccess": self._deploy("EmergencyAccess", *links, 14_400, 259_200, 16),
            "AccessRequests": self._deploy("AccessRequests", *links[::-1], (7_000, 2_000, True), 3600, 86_400),
            "Attestations": self._deploy("Attestations", consortium.address),
        }
        self.accredit(self.custodian, CUSTODIAN)
        self.accredit(self.researcher, RESEARCHER)

    def accredit(self, actor: ChecksumAddress, kind: int) -> None:
        """Accredit somebody for ever, as the first member."""
        self.cost(self.functions("Consortium").accredit(actor, kind, FOR_EVER), self.members[0])

    def token(self) -> Contract:
        """Return a token, whose slots are counted, too."""
        token: Json = json.loads(TOKEN.read_text("utf-8"))
        self.contracts["token"] = self.place(token)
        return self.contracts["token"]

    @staticmethod
    def request(
        token: str = NATIVE, invitees: bytes = bytes(32), quality: tuple[int, int, int] = (0, 0, 0)
    ) -> tuple[object, ...]:
        """Return the terms of a request for three patients; of quality the minimum score, the method and the weight."""
        return (RESEARCH, 1, 3, REQUEST_DEADLINE, 90, token, REWARD, DOCUMENT, invitees, *quality)

    @staticmethod
    def leaf(patient: ChecksumAddress) -> bytes:
        """Return a patient's leaf."""
        return keccak(keccak(bytes(12) + bytes.fromhex(patient[2:]) + SALT))

    def acceptance(
        self, request: int, patient: ChecksumAddress, *, signer: ChecksumAddress | None = None, mandate: int = 0
    ) -> tuple[object, ...]:
        """Return what a patient signs to accept, or a delegate for him."""
        named = (self.contracts["AccessRequests"].address, self.custodian)
        contract, custodian = (bytes(12) + bytes.fromhex(each[2:]) for each in named)
        terms = keccak(contract + request.to_bytes(32, "big") + custodian + CONTENT)
        wanted = int(self.researcher, 16) << 96 | EXPIRES_AT << 32 | RESEARCH << 16
        message = self._grant_message(patient, terms, wanted) | {"mandate": mandate}
        signature = self.signature("ConsentRegistry", "Grant", message, signer or patient)
        authorization = (int(signer, 16) << 96 if signer else 0) | DEADLINE << 8 | mandate
        return (patient, self.custodian, CONTENT, BUNDLE, wanted, authorization, signature)

    def withdrawing(self, account: ChecksumAddress) -> ContractFunction:
        """Return a withdrawal of coins that the account signed, its first."""
        message = {"account": account, "token": NATIVE, "to": account, "count": 0, "deadline": DEADLINE}
        signature = self.signature("AccessRequests", "Withdraw", message, account)
        withdraw = self.functions("AccessRequests").withdrawSigned
        return withdraw(account, NATIVE, account, 0, account, DEADLINE, signature)

    def functions(self, name: str) -> ContractFunctions:
        """Return the functions of a contract."""
        return self.contracts[name].functions

    @staticmethod
    def wanted(grantee: ChecksumAddress, *, stamp: int = 0, epoch: int = 0) -> int:
        """Return a grant as the caller sends it."""
        return int(grantee, 16) << 96 | EXPIRES_AT << 32 | TREAT << 16 | stamp << 8 | epoch

    def sign_grant(self, terms: bytes, wanted: int) -> tuple[int, bytes]:
        """Return the patient's authorization of a grant and his signature."""
        return self.authorize("Grant", self._grant_message(self.patient, terms, wanted))

    @staticmethod
    def _grant_message(patient: ChecksumAddress, terms: bytes, wanted: int) -> Json:
        return {
            "patient": patient,
            "grantee": Web3.to_checksum_address(f"{wanted >> 96:#042x}"),
            "terms": terms,
            "bundle": BUNDLE,
            "purposes": wanted >> 16 & 0xFFFF,
            "notBefore": wanted >> 64 & 0xFFFFFFFF,
            "expiresAt": wanted >> 32 & 0xFFFFFFFF,
            "stamp": wanted >> 8 & 0xFF,
            "epoch": wanted & 0xFF,
            "mandate": 0,
            "deadline": DEADLINE,
        }

    def authorize(self, struct: str, message: Json) -> tuple[int, bytes]:
        """Return an authorization of ConsentRegistry and the patient's signature."""
        return (DEADLINE << 8, self.signature("ConsentRegistry", struct, message))

    def signature(self, contract: str, struct: str, message: Json, signer: ChecksumAddress | None = None) -> bytes:
        """Return the patient's, or another's, signature of a struct of one of our contracts."""
        domain = {
            "name": f"medshare {contract}",
            "version": "1",
            "chainId": self.w3.eth.chain_id,
            "verifyingContract": self.contracts[contract].address,
        }
        return self.sign(signer or self.patient, domain, {struct: STRUCTS[struct]}, message)

    def _deploy(self, name: str, *arguments: object) -> Contract:
        return self.place(read_artifact(name), *arguments)


# -------------------------------------------------------------------------------------------- what comes of it


def over_budget(costs: Mapping[str, Cost]) -> list[str]:
    """Return the operations that cost more than the design allows."""
    return [name for name, target in TARGETS.items() if target.budget is not None and costs[name].gas > target.budget]


def floor_of(name: str) -> int | None:
    """Return the least that an operation can cost: as measured, else as the design estimates it."""
    measured = floors.measure().get(name)
    return measured.gas if measured else TARGETS.get(name, Target(None, None)).floor


def table(costs: Mapping[str, Cost]) -> str:
    """Return the figures for people."""
    rows = [f"{'operation':<24} {'gas':>8} {'new slots':>9} {'floor':>8} {'budget':>8}  best of others"]
    for name, cost in costs.items():
        target = TARGETS.get(name, Target(None, None))
        floor, budget = ("" if figure is None else f"{figure:,}" for figure in (floor_of(name), target.budget))
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
        "floors": {name: cost.gas for name, cost in floors.measure().items()},
        "ledgerBytes": {name: asdict(size) for name, size in measure_bytes().items()},
        "codeSizes": code_sizes(),
    }
    files = {"gas.json": encode_json(gas)}
    for name in DEPLOYED:
        artifact = read_artifact(name)
        files[f"abi/{name}.json"] = encode_json(
            {"methodIdentifiers": artifact["methodIdentifiers"], "abi": artifact["abi"]}
        )
        files[f"storage_layout/{name}.json"] = encode_json(artifact["storageLayout"])
    return files


def code_sizes() -> dict[str, int]:
    """Return the size of each contract's runtime code in bytes."""
    return {name: len(bytes.fromhex(read_artifact(name)["deployedBytecode"][2:])) for name in DEPLOYED}


def read_artifact(name: str) -> Json:
    """Return what the package ships of a contract."""
    artifact: Json = json.loads((ARTIFACTS / f"{name}.json").read_text("utf-8"))
    return artifact


if __name__ == "__main__":
    sys.exit(main())
