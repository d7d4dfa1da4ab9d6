"""What is signed, hashed by everybody: Python, the contracts, eth-account and npm ethers

given any message of any struct, of the author's own or by mandate
    the contract takes the digest that Python computed, and no other
    ethers computes the same digest from the JSON for wallets, and would ask a wallet for the same JSON
    eth-account's signature of it recovers to the signer
given the same contracts at another place
    a digest made for the first is not taken
"""

from __future__ import annotations

import json
import random
import subprocess
from dataclasses import fields, replace

import pytest
from eth_utils import to_checksum_address
from evm import NEVER, Chain, RefusedError, _mapping_slot, _member, _slot, deploy_all
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from messages import FLAGS, KINDS, anything
from nodes import ROOT, require
from people import CLINICIAN, DAY

from medshare.chain.accounts import LocalSigner
from medshare.model.delegation import Circle
from medshare.model.eip712 import Domain
from medshare.model.signatures import recover
from medshare.model.typed_data import Mandated, SignableRecover, digest, field_name, to_typed_data

pytestmark = pytest.mark.contracts

DEPLOYED = ("Consortium", "RecordRegistry", "ConsentRegistry", "EmergencyAccess", "AccessRequests")
SEED = 712
EACH = 3


class Court:
    """The contracts, and how each is asked whether it takes a digest."""

    def __init__(self, chain: Chain, contracts, authority, emergencies, wallet: str, actors) -> None:
        self.chain = chain
        self.authority = authority
        self.emergencies = emergencies
        self.wallet = wallet
        self.actors = actors
        self.contracts = {
            "Consortium": contracts.consortium,
            "RecordRegistry": contracts.records,
            "ConsentRegistry": contracts.consents,
            "EmergencyAccess": emergencies.contract,
            "AccessRequests": contracts.requests,
        }
        self.circle = Circle.of([wallet], 1, b"\x5a" * 32)
        self.dice = random.Random(SEED)

    def domain(self, contract: str) -> Domain:
        return Domain.of(contract, self.chain.chain_id, self.contracts[contract].address)

    def draw(self, kind, *, by_mandate: bool):
        """Return a message with random values that the wallet can sign, and bring about the state that it needs."""
        values = {}
        for name, solidity in kind.members():
            values[field_name(name)] = self._value(name, solidity)
        values["deadline"] = self.dice.randrange(self.chain.now + DAY, NEVER)
        if kind.author is not None:
            values[kind.author] = self.wallet
        if issubclass(kind, Mandated):
            values["mandate"] = 0
            if by_mandate:
                values["patient"] = to_checksum_address(self.dice.randbytes(20))
                values["mandate"] = self.dice.randrange(1, 256)
                control = {"controller": int(self.wallet, 16), "tenure": values["mandate"]}
                self.authority.store_control(values["patient"], **control)
        if "grant_id" in values:
            values["grant_id"] = int(values["patient"], 16) << 96 | self.dice.getrandbits(96)
        self._bring_about(kind.struct(), values)
        return kind(**values)

    def _value(self, name: str, solidity: str):
        if solidity == "address":
            return to_checksum_address(self.dice.randbytes(20))
        if solidity == "bytes32":
            return self.dice.randbytes(32)
        if solidity == "bool":
            return self.dice.random() < 0.5
        return FLAGS.get(name, int)(self.dice.getrandbits(int(solidity.removeprefix("uint"))))

    def _bring_about(self, struct: str, values) -> None:
        match struct:
            case "ObjectToRecovery":
                base = _mapping_slot(_slot("ConsentRegistry", "_guardianships"), values["patient"])
                slot, shift = _member("ConsentRegistry", "Guardianship", "attempt")
                self.chain.store(self.contracts["ConsentRegistry"].address, base + slot, values["attempt"] << shift)
            case "Recover":
                values["patient"] = self.actors.patient
                values["attempt"] = 1
                if not any(self.authority.guardianship(self.actors.patient).circle):
                    self.authority.name_guardians(
                        self.actors.patient, self.actors.patient, self.circle.digest(self.actors.patient)
                    )
            case "EndEpisode":
                if not self.emergencies.is_accredited(self.actors.doctor):
                    self.emergencies.accredit(self.actors.doctor, CLINICIAN)
                    self.emergencies.break_glass(self.actors.doctor, self.wallet)
                values["episode_id"] = int(self.actors.doctor, 16) << 96 | 1
            case "SetBar":
                values["patient"] = self.wallet
            case "Withdraw":
                values["account"] = self.wallet

    def takes(self, message, digested: bytes) -> bool:
        """Whether the contract computes this digest for this message."""
        try:
            self.chain.call(self._call(message, digested))
        except RefusedError as refusal:
            return refusal.name != "SignedSignatureInvalid"
        return True

    def _call(self, message, signature: bytes):
        by = 0
        if isinstance(message, Mandated):
            signer = 0 if message.mandate == 0 else int(self.wallet, 16)
            by = signer << 96 | message.deadline << 8 | message.mandate
        return SIGNED_FORMS[message.struct()](self, self.contracts[message.contract].functions, message, by, signature)


def _grant(m) -> int:
    times = m.not_before << 64 | m.expires_at << 32
    return int(m.grantee, 16) << 96 | times | int(m.purposes) << 16 | m.stamp << 8 | m.epoch


def _delegation(m) -> int:
    times = m.not_before << 72 | m.expires_at << 40
    return times | int(m.purposes) << 24 | int(m.verbs) << 16 | m.stamp << 8 | m.epoch


def _proposal(court: Court, do, m, signature: bytes):
    circle = (court.circle.guardians, court.circle.threshold, court.circle.salt)
    return do.proposeRecovery(m.patient, m.controller, circle, m.deadline, [signature])


SIGNED_FORMS = {
    "SetEncryptionKey": lambda _court, do, m, _by, signature: do.setEncryptionKeySigned(
        m.actor, m.key, m.version, m.deadline, signature
    ),
    "Register": lambda _court, do, m, _by, signature: do.registerSigned(
        m.custodian, m.record_id, m.patient, m.deadline, signature
    ),
    "Supersede": lambda _court, do, m, _by, signature: do.supersedeSigned(
        m.custodian, m.record_id, m.previous_id, m.deadline, signature
    ),
    "Retract": lambda _court, do, m, _by, signature: do.retractSigned(
        m.custodian, m.record_id, m.reason, m.deadline, signature
    ),
    "AnchorBatch": lambda _court, do, m, _by, signature: do.anchorBatchSigned(
        m.custodian, m.root, m.catalogue, m.records, m.deadline, signature
    ),
    "Grant": lambda _court, do, m, by, signature: do.grantSigned(
        m.patient, m.terms, m.bundle, _grant(m), by, signature
    ),
    "Revoke": lambda _court, do, m, by, signature: do.revokeSigned(m.grant_id, m.last_epoch, by, signature),
    "RevokeAll": lambda _court, do, m, by, signature: do.revokeAllSigned(m.patient, m.stamp, by, signature),
    "Appoint": lambda _court, do, m, by, signature: do.appointSigned(
        m.patient, m.delegate, _delegation(m), by, signature
    ),
    "Dismiss": lambda _court, do, m, by, signature: do.dismissSigned(
        m.patient, m.delegate, m.last_epoch, by, signature
    ),
    "NameGuardians": lambda _court, do, m, by, signature: do.nameGuardiansSigned(
        m.patient, m.circle, m.delay, m.changes, by, signature
    ),
    "Recover": lambda court, do, m, _by, signature: _proposal(court, do, m, signature),
    "ObjectToRecovery": lambda _court, do, m, by, signature: do.objectToRecoverySigned(m.patient, by, signature),
    "EndEpisode": lambda court, do, m, _by, signature: do.endSigned(m.episode_id, court.wallet, m.deadline, signature),
    "SetBar": lambda court, do, m, _by, signature: do.setBarSigned(
        m.patient, m.barred, m.count, court.wallet, m.deadline, signature
    ),
    "Withdraw": lambda court, do, m, _by, signature: do.withdrawSigned(
        m.account, m.token, m.to, m.count, court.wallet, m.deadline, signature
    ),
}


@pytest.fixture
def court(chain, contracts, authority, emergencies, deploy_harness, actors) -> Court:
    return Court(chain, contracts, authority, emergencies, deploy_harness("Digest__Harness").address, actors)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.struct())
def test_digest__of_any_message__is_the_one_that_the_contract_computes(court, kind) -> None:
    domain = court.domain(kind.contract)
    for number in range(EACH * (2 if issubclass(kind, Mandated) else 1)):
        message = court.draw(kind, by_mandate=number >= EACH)
        ours = digest(message, domain)
        other = bytes([ours[0] ^ 1]) + ours[1:]

        assert court.takes(message, ours), message
        assert not court.takes(message, other), message


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind is not SignableRecover], ids=lambda kind: kind.struct()
)
def test_digest__of_another_value__is_not_taken(court, kind) -> None:
    domain = court.domain(kind.contract)
    message = court.draw(kind, by_mandate=False)
    for one in fields(kind):
        if one.name in ("patient", "grant_id", "mandate", "actor", "custodian", "account"):
            continue  # these name the wallet that is asked, or its mandate
        value = getattr(message, one.name)
        other = not value if isinstance(value, bool) else _changed(value)
        signed = digest(replace(message, **{one.name: other}), domain)

        assert not court.takes(message, signed), one.name


def _changed(value):
    if isinstance(value, bytes):
        return bytes([value[0] ^ 1]) + value[1:]
    if isinstance(value, str):
        return to_checksum_address(f"0x{int(value, 16) ^ 1:040x}")
    return type(value)(value ^ 1)


def test_digest__made_for_another_deployment_or_chain__is_not_taken(court, chain, actors) -> None:
    elsewhere = deploy_all(chain, sender=actors.deployer, members=[actors.member]).consents.address
    kind = next(kind for kind in KINDS if kind.struct() == "RevokeAll")
    message, domain = court.draw(kind, by_mandate=False), court.domain(kind.contract)

    assert court.takes(message, digest(message, domain))
    assert not court.takes(message, digest(message, replace(domain, verifying_contract=elsewhere)))
    assert not court.takes(message, digest(message, replace(domain, chain_id=domain.chain_id + 1)))


@pytest.mark.parametrize("contract", DEPLOYED)
def test_domain__asked_from_the_contract__is_ours(court, contract) -> None:
    domain = court.domain(contract)
    told = court.chain.call(court.contracts[contract].functions.eip712Domain())

    assert tuple(told) == (b"\x0f", domain.name, "1", domain.chain_id, domain.verifying_contract, bytes(32), [])


# ----------------------------------------------------------------------------------------------- other judges


@settings(max_examples=4, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.lists(anything, min_size=40, max_size=80))
def test_digest__of_any_message__is_the_one_that_ethers_computes(drawn) -> None:
    typed_data = [to_typed_data(message, domain) for message, domain in drawn]
    judge = subprocess.run(
        [require("node"), "tests/judges/typed_data.mjs"],
        input=json.dumps(typed_data),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert judge.returncode == 0, judge.stderr
    theirs = json.loads(judge.stdout)
    assert [one["digest"] for one in theirs] == ["0x" + digest(message, domain).hex() for message, domain in drawn]
    for ours, their in zip(typed_data, theirs, strict=True):
        payload = their["payload"]
        assert payload["primaryType"] == ours["primaryType"]
        assert payload["types"][ours["primaryType"]] == ours["types"][ours["primaryType"]]
        assert as_ethers_writes(payload["message"]) == as_ethers_writes(ours["message"])
        assert as_ethers_writes(payload["domain"]) == as_ethers_writes(ours["domain"])


def as_ethers_writes(values):
    """Return values without the differences that no wallet sees: every number as text, addresses in lower case."""
    return {
        name: value if isinstance(value, bool) else str(int(value, 16) if str(value).startswith("0x") else value)
        for name, value in values.items()
    }


@given(anything)
def test_sign__any_message__recovers_to_the_signer(drawn) -> None:
    signer = LocalSigner.from_key(b"\x07" * 32)

    signature = signer.sign_typed_data(to_typed_data(*drawn))

    assert recover(digest(*drawn), signature) == signer.address
