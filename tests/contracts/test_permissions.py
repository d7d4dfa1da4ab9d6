"""Who may call what (``permission_table.py``)

given one world in which everybody plays his part
    each role may call each function, or is refused with the error that the table names; signed rows are signed by him
given the ABIs
    every function that changes something has its rows, and none is listed that there is not
given what only a vote may do
    it is what the library knows how to propose, and nothing else
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from asking import CONTENT, DOCUMENT, NATIVE, REWARD, SOMEWHERE, leaf_of, tree_of
from bare_contract import BareContract
from bare_evm import BareEvm
from eth_utils import to_checksum_address
from evm import (
    ALWAYS,
    ASSESSOR_KIND,
    BUNDLE,
    CLINICIAN_KIND,
    CUSTODIAN_KIND,
    DECISION_PERIOD,
    DISPUTE_PERIOD,
    ETHICS_KIND,
    HRESCH,
    NEVER,
    QUORUM,
    RESEARCHER_KIND,
    REVIEWER_KIND,
    SPLIT,
    TERMS,
    TREAT,
    VOTING_PERIOD,
    RefusedError,
    artifact,
    grant_id_of,
    pack_grant,
)
from people import BOTH, DAY, DETAILS, LONGEST, MOST, REVIEW_PERIOD, account, episode_id_of, pack_delegation
from permission_table import CONTRACTS, EVERYBODY, ROLES, ROWS, SIGNED_CONTRACTS, Row
from signing import Domain, authorize, sign, signable

from medshare.hashing import keccak256
from medshare.model.delegation import Circle
from medshare.model.governed import GOVERNED
from medshare.model.ids import Address, RecordId
from medshare.model.record_batch import BatchedRecord

pytestmark = pytest.mark.contracts

START = 1_800_000_000
DEADLINE = START + 60 * DAY
KEYS = {role: account(role) for role in ROLES if role != "vote"}
GUARDIAN = account("guardian")
SALT = b"\x5a" * 32
RECORD, NEW, REASON = b"\xc1" * 32, b"\xc2" * 32, b"\xe1" * 32
NOTE = b"\xd2" * 32
ASKED, AWAITING, RESERVED, DELIVERED, DISPUTED, PAID = range(1, 7)
"""Requests, by how far the two patients have come in them; the second is an open call."""
NOT_PASSED, PASSED = 1, 2
"""Proposals."""


class World:
    """Everybody in his part, once for all rows."""

    def __init__(self) -> None:
        self.evm = BareEvm()
        members = [self.of(role) for role in ("member", "other member", "former member")]
        consortium = BareContract(self.evm, "Consortium", members, QUORUM, VOTING_PERIOD)
        self.consortium = to_checksum_address(consortium.address)
        consents = BareContract(self.evm, "ConsentRegistry")
        links = (consents.address, consortium.address)
        periods = (DISPUTE_PERIOD, DECISION_PERIOD)
        self.contracts = {
            "Consortium": consortium,
            "RecordRegistry": BareContract(self.evm, "RecordRegistry", consortium.address),
            "ConsentRegistry": consents,
            "EmergencyAccess": BareContract(self.evm, "EmergencyAccess", *links, LONGEST, REVIEW_PERIOD, MOST),
            "AccessRequests": BareContract(self.evm, "AccessRequests", *links[::-1], SPLIT, *periods),
            "Attestations": BareContract(self.evm, "Attestations", consortium.address),
        }
        self.requests = to_checksum_address(self.contracts["AccessRequests"].address)
        self._institutions()
        self._people()
        self._research()

    def of(self, role: str) -> str:
        """Return who plays this part."""
        return self.consortium if role == "vote" else KEYS[role].address

    def subject(self, role: str) -> str:
        """Return which patient is meant where a role acts: the one who lost his key, or the other."""
        return self.of("lost key" if role in ("controller", "lost key") else "patient")

    def do(self, role: str, contract: str, name: str, *arguments: Any, at: int = START, value: int = 0) -> None:
        self.contracts[contract].do(self.of(role), at, name, *arguments, value=value)

    # what has happened

    def _institutions(self) -> None:
        def accredit(role: str, kind: int) -> None:
            self.do("member", "Consortium", "accredit", self.of(role), kind, ALWAYS)

        for role, kind in (
            ("custodian", CUSTODIAN_KIND),
            ("other custodian", CUSTODIAN_KIND),
            ("clinician", CLINICIAN_KIND),
            ("reviewer", REVIEWER_KIND),
            ("assessor", ASSESSOR_KIND),
            ("researcher", RESEARCHER_KIND),
            ("other researcher", RESEARCHER_KIND),
            ("committee", ETHICS_KIND),
        ):
            accredit(role, kind)
        proposing = ("propose", self.consortium, self.admitting, REASON)
        self.do("former member", "Consortium", *proposing)
        self.do("former member", "Consortium", *proposing)
        self.do("member", "Consortium", "vote", 2)
        self.do("other member", "Consortium", "vote", 2)
        self.do("vote", "Consortium", "remove", self.of("former member"))

    @property
    def admitting(self) -> bytes:
        return self.contracts["Consortium"].data("admit", SOMEWHERE)

    def _people(self) -> None:
        circle = self.circle
        for patient in ("patient", "lost key"):
            whose = self.of(patient)
            self.do(patient, "ConsentRegistry", "nameGuardians", whose, circle.digest(whose), DAY, at=START - 9 * DAY)
        self._recover("lost key", "controller", 1, START - 8 * DAY)
        self.do("stranger", "ConsentRegistry", "completeRecovery", self.of("lost key"), at=START - 6 * DAY)
        for patient, by in (("patient", "patient"), ("lost key", "controller")):
            whose = self.of(patient)
            if by == "patient":
                delegation = pack_delegation(0, NEVER, 0xFFFF, BOTH)
                self.do(by, "ConsentRegistry", "appoint", whose, self.of("delegate"), delegation)
            word = pack_grant(self.of("clinician"), 0, NEVER, TREAT)
            self.do(by, "ConsentRegistry", "grantFor", whose, TERMS, BUNDLE, word)
            self._recover(patient, "stranger", 2 if patient == "lost key" else 1, START)
            self.do("clinician", "EmergencyAccess", "breakGlass", whose, 1, DETAILS, LONGEST, at=START + DAY - 60)
        self.do("custodian", "RecordRegistry", "register", RECORD, self.of("patient"))
        self.do("custodian", "RecordRegistry", "anchorBatch", self.batched.leaf, BUNDLE, 1)
        self.do("assessor", "Attestations", "attest", RECORD, 1, 80)

    @property
    def batched(self) -> BatchedRecord:
        return BatchedRecord(record_id=RecordId(NEW), patient=Address(self.of("patient")), salt=SALT)

    @property
    def circle(self) -> Circle:
        return Circle.of([GUARDIAN.address], 1, SALT)

    def recovery(self, patient: str, controller: str, attempt: int) -> tuple[Any, ...]:
        message = {"patient": patient, "controller": controller, "attempt": attempt, "deadline": NEVER}
        signature = sign(GUARDIAN, signable(self.domain("ConsentRegistry"), "Recover", message))
        circle = (self.circle.guardians, self.circle.threshold, self.circle.salt)
        return (patient, controller, circle, NEVER, [signature])

    def _recover(self, patient: str, controller: str, attempt: int, at: int) -> None:
        arguments = self.recovery(self.of(patient), self.of(controller), attempt)
        self.do("stranger", "ConsentRegistry", "proposeRecovery", *arguments, at=at)

    def _research(self) -> None:
        root, _ = self.invited
        patients = ("patient", "controller")
        for request in range(ASKED, PAID + 1):
            invitees = bytes(32) if request == AWAITING else root
            terms = (HRESCH, 1, 2, DEADLINE, 1, NATIVE, REWARD, DOCUMENT, invitees, 0, 0, 0)
            self.do("researcher", "AccessRequests", "open", terms, value=2 * REWARD)
        for role in patients:
            whose = self.subject(role)
            for request in range(RESERVED, PAID + 1):
                self.do("stranger", "AccessRequests", "accept", *self.acceptance(request, role))
            for request in range(DELIVERED, PAID + 1):
                self.do("custodian", "AccessRequests", "deliver", request, whose, CONTENT, BUNDLE, 0)
            self.do("researcher", "AccessRequests", "dispute", DISPUTED, whose, REASON)
            self.do("researcher", "AccessRequests", "confirm", PAID, whose)

    @property
    def invited(self) -> tuple[bytes, list[list[bytes]]]:
        return tree_of([leaf_of(self.of(role), SALT) for role in ("patient", "lost key")])

    # what is signed

    def domain(self, contract: str) -> Domain:
        _, name, version, chain_id, address, _, _ = self.contracts[contract].ask(START, "eip712Domain")
        return Domain(name, chain_id, to_checksum_address(address), version)

    def sign(self, role: str, contract: str, struct: str, message: dict[str, Any]) -> bytes:
        return sign(KEYS[role], signable(self.domain(contract), struct, message))

    def mandate(self, role: str) -> int:
        return 1 if role in ("controller", "delegate") else 0

    def episode(self, role: str) -> int:
        """Return the clinician's episode for the patient who is meant."""
        return episode_id_of(self.of("clinician"), 2 if self.subject(role) == self.of("lost key") else 1)

    def as_himself(self, role: str, contract: str, struct: str, message: dict[str, Any]) -> tuple[Any, ...]:
        """Return what a role signs in its own name."""
        signature = self.sign(role, contract, struct, {**message, "deadline": NEVER})
        return (*message.values(), NEVER, signature)

    def naming_signer(self, role: str, contract: str, struct: str, message: dict[str, Any]) -> tuple[Any, ...]:
        """Return what a role signs where the signer is named beside."""
        signature = self.sign(role, contract, struct, {**message, "deadline": NEVER})
        return (*message.values(), self.of(role), NEVER, signature)

    def authorized(self, role: str, struct: str, message: dict[str, Any]) -> tuple[int, bytes]:
        """Return the word and the signature of a role for a patient."""
        mandate = self.mandate(role)
        by_himself = self.of(role) == self.subject(role)
        word = authorize(NEVER, signer=None if by_himself else self.of(role), mandate=mandate)
        message = {**message, "mandate": mandate, "deadline": NEVER}
        return word, self.sign(role, "ConsentRegistry", struct, message)

    def acceptance(self, request: int, role: str) -> tuple[Any, ...]:
        """Return what a role signs to let a patient accept."""
        whose = self.subject(role)
        words = [bytes(12) + bytes.fromhex(each[2:]) for each in (self.requests, self.of("custodian"))]
        terms = keccak256(words[0] + request.to_bytes(32, "big") + words[1] + CONTENT)
        word = pack_grant(self.of("researcher"), 0, NEVER, HRESCH)
        message = granting(whose, self.of("researcher"), terms, HRESCH, 0)
        authorization, signature = self.authorized(role, "Grant", message)
        _, proofs = self.invited
        proof = proofs[1 if whose == self.of("lost key") else 0]
        acceptance = (whose, self.of("custodian"), CONTENT, BUNDLE, word, authorization, signature)
        return (request, acceptance, (SALT, proof))


def granting(patient: str, grantee: str, terms: bytes, purposes: int, epoch: int) -> dict[str, Any]:
    """Return the Grant struct, without what goes with it."""
    asked = {"patient": patient, "grantee": grantee, "terms": terms, "bundle": BUNDLE, "purposes": purposes}
    return {**asked, "notBefore": 0, "expiresAt": NEVER, "stamp": 0, "epoch": epoch}


@cache
def world() -> World:
    return World()


# ------------------------------------------------------------------------------------------------- what each row does


Acts = dict[str, Callable[[World, str], tuple[Any, ...]]]

DIRECT: Acts = {
    "Consortium.accredit, who is not accredited": lambda w, _: (w.of("stranger"), CLINICIAN_KIND, ALWAYS),
    "Consortium.accredit, whom the member accredited": lambda w, _: (w.of("clinician"), CLINICIAN_KIND, 0),
    "Consortium.suspendAccreditation": lambda w, _: (w.of("clinician"), CLINICIAN_KIND),
    "Consortium.reinstateAccreditation, whom the member suspended": lambda w, _: (w.of("clinician"), CLINICIAN_KIND),
    "Consortium.reinstateAccreditation, whom a vote suspended": lambda w, _: (w.of("clinician"), CLINICIAN_KIND),
    "Consortium.setEncryptionKey": lambda _w, _r: (NEW,),
    "Consortium.propose": lambda w, _: (w.consortium, w.admitting, REASON),
    "Consortium.vote": lambda _w, _r: (NOT_PASSED,),
    "Consortium.execute, what has passed": lambda w, _: (PASSED, w.admitting),
    "Consortium.execute, what has not passed": lambda w, _: (NOT_PASSED, w.admitting),
    "Consortium.admit": lambda _w, _r: (SOMEWHERE,),
    "Consortium.remove": lambda w, _: (w.of("other member"),),
    "Consortium.suspend": lambda w, _: (w.of("other member"),),
    "Consortium.reinstate": lambda w, _: (w.of("other member"),),
    "Consortium.setVotingRules": lambda _w, _r: (67, DAY),
    "RecordRegistry.register, of somebody else": lambda _w, _r: (NEW, SOMEWHERE),
    "RecordRegistry.register, of himself": lambda w, role: (NEW, w.of(role)),
    "RecordRegistry.anchorBatch": lambda _w, _r: (NEW, BUNDLE, 1_000),
    "RecordRegistry.registerFromBatch, what he can show": lambda w, _: (
        w.of("custodian"),
        w.batched.leaf,
        NEW,
        w.of("patient"),
        SALT,
        [],
    ),
    "RecordRegistry.supersede": lambda _w, _r: (NEW, RECORD),
    "RecordRegistry.retract": lambda _w, _r: (RECORD, REASON),
    "ConsentRegistry.grant, for himself": lambda w, _: (NEW, BUNDLE, pack_grant(w.requests, 0, NEVER, TREAT)),
    "ConsentRegistry.grantFor": lambda w, role: (
        w.subject(role),
        NEW,
        BUNDLE,
        pack_grant(w.requests, 0, NEVER, TREAT),
    ),
    "ConsentRegistry.revoke": lambda w, role: (grant_id_of(w.subject(role), w.of("clinician")),),
    "ConsentRegistry.revokeAll": lambda w, role: (w.subject(role),),
    "ConsentRegistry.appoint": lambda w, role: (w.subject(role), SOMEWHERE, pack_delegation(0, NEVER, TREAT, BOTH)),
    "ConsentRegistry.dismiss": lambda w, role: (w.subject(role), w.of("delegate")),
    "ConsentRegistry.nameGuardians": lambda w, role: (w.subject(role), NEW, DAY),
    "ConsentRegistry.proposeRecovery, with enough guardians' signatures": lambda w, _: w.recovery(
        w.of("patient"), SOMEWHERE, 2
    ),
    "ConsentRegistry.objectToRecovery": lambda w, role: (w.subject(role),),
    "ConsentRegistry.completeRecovery, after its delay": lambda w, _: (w.of("patient"),),
    "EmergencyAccess.breakGlass": lambda _w, _r: (SOMEWHERE, 1, DETAILS, 60),
    "EmergencyAccess.end": lambda w, role: (w.episode(role),),
    "EmergencyAccess.release, of an episode in force": lambda w, role: (w.episode(role), BUNDLE),
    "EmergencyAccess.review": lambda w, role: (w.episode(role), 1, NOTE),
    "EmergencyAccess.setBar": lambda w, role: (w.subject(role), True),
    "AccessRequests.open": lambda _w, _r: ((HRESCH, 1, 1, DEADLINE, 1, NATIVE, 0, DOCUMENT, bytes(32), 0, 0, 0),),
    "AccessRequests.approveStudy": lambda _w, _r: (AWAITING,),
    "AccessRequests.cancel": lambda _w, _r: (ASKED,),
    "AccessRequests.returnUnearned, after the deadline": lambda _w, _r: (ASKED,),
    "AccessRequests.deliver": lambda w, _: (RESERVED, w.of("patient"), CONTENT, BUNDLE, 0),
    "AccessRequests.decline, while the custodian is accredited": lambda w, _: (RESERVED, w.of("patient")),
    "AccessRequests.decline, when he no longer is": lambda w, _: (RESERVED, w.of("patient")),
    "AccessRequests.confirm": lambda w, _: (DELIVERED, w.of("patient")),
    "AccessRequests.dispute": lambda w, _: (DELIVERED, w.of("patient"), REASON),
    "AccessRequests.decide": lambda w, _: (DISPUTED, w.of("patient"), False),
    "AccessRequests.release, after the period for a dispute": lambda w, _: (DELIVERED, w.of("patient")),
    "AccessRequests.release, within the period for a dispute": lambda w, _: (DELIVERED, w.of("patient")),
    "AccessRequests.withdraw, what a patient earned": lambda w, role: (w.subject(role), NATIVE, SOMEWHERE),
    "AccessRequests.withdraw, what the consortium earned": lambda w, _: (w.consortium, NATIVE, SOMEWHERE),
    "AccessRequests.setSplit": lambda _w, _r: (1, 0, 0),
    "AccessRequests.setPeriods": lambda _w, _r: (3600, 3600),
    "AccessRequests.setTokenAllowed": lambda _w, _r: (SOMEWHERE, True),
    "Attestations.attest": lambda _w, _r: (NEW, 1, 80),
    "Attestations.attestBatch": lambda _w, _r: (NEW, 1, 3),
    "Attestations.withdraw": lambda _w, _r: (RECORD,),
    "Attestations.anchorReceipts": lambda _w, _r: (NEW, 3),
    **{
        f"{contract}.{name}": arguments
        for contract in ("ConsentRegistry", "EmergencyAccess")
        for name, arguments in {
            "safeTransferFrom": lambda w, role: (w.of(role), SOMEWHERE, w.episode(role), 1, b""),
            "safeBatchTransferFrom": lambda w, role: (w.of(role), SOMEWHERE, [w.episode(role)], [1], b""),
            "setApprovalForAll": lambda _w, _r: (SOMEWHERE, True),
        }.items()
    },
    **{f"{contract}.batch, as himself": lambda _w, _r: ([],) for contract in SIGNED_CONTRACTS},
}
"""What a role sends."""

SIGNED: dict[str, Callable[[World, str], tuple[Any, ...]]] = {
    "Consortium.setEncryptionKeySigned, his own key": lambda w, role: w.as_himself(
        role, "Consortium", "SetEncryptionKey", {"actor": w.of(role), "key": NEW, "version": 1}
    ),
    "RecordRegistry.registerSigned, of somebody else": lambda w, role: w.as_himself(
        role, "RecordRegistry", "Register", {"custodian": w.of(role), "recordId": NEW, "patient": SOMEWHERE}
    ),
    "RecordRegistry.supersedeSigned": lambda w, role: w.as_himself(
        role, "RecordRegistry", "Supersede", {"custodian": w.of(role), "recordId": NEW, "previousId": RECORD}
    ),
    "RecordRegistry.retractSigned": lambda w, role: w.as_himself(
        role, "RecordRegistry", "Retract", {"custodian": w.of(role), "recordId": RECORD, "reason": REASON}
    ),
    "RecordRegistry.anchorBatchSigned": lambda w, role: w.as_himself(
        role,
        "RecordRegistry",
        "AnchorBatch",
        {"custodian": w.of(role), "root": NEW, "catalogue": BUNDLE, "records": 1_000},
    ),
    "ConsentRegistry.grantSigned": lambda w, role: (
        w.subject(role),
        NEW,
        BUNDLE,
        pack_grant(w.requests, 0, NEVER, TREAT),
        *w.authorized(role, "Grant", granting(w.subject(role), w.requests, NEW, TREAT, 0)),
    ),
    "ConsentRegistry.revokeSigned": lambda w, role: (
        grant_id_of(w.subject(role), w.of("clinician")),
        1,
        *w.authorized(
            role,
            "Revoke",
            {"patient": w.subject(role), "grantId": grant_id_of(w.subject(role), w.of("clinician")), "lastEpoch": 1},
        ),
    ),
    "ConsentRegistry.revokeAllSigned": lambda w, role: (
        w.subject(role),
        0,
        *w.authorized(role, "RevokeAll", {"patient": w.subject(role), "stamp": 0}),
    ),
    "ConsentRegistry.appointSigned": lambda w, role: (
        w.subject(role),
        SOMEWHERE,
        pack_delegation(0, NEVER, TREAT, BOTH),
        *w.authorized(
            role,
            "Appoint",
            {
                "patient": w.subject(role),
                "delegate": SOMEWHERE,
                "verbs": BOTH,
                "purposes": TREAT,
                "notBefore": 0,
                "expiresAt": NEVER,
                "stamp": 0,
                "epoch": 0,
            },
        ),
    ),
    "ConsentRegistry.dismissSigned": lambda w, role: (
        w.subject(role),
        w.of("delegate"),
        1,
        *w.authorized(role, "Dismiss", {"patient": w.subject(role), "delegate": w.of("delegate"), "lastEpoch": 1}),
    ),
    "ConsentRegistry.nameGuardiansSigned": lambda w, role: (
        w.subject(role),
        NEW,
        DAY,
        1,
        *w.authorized(role, "NameGuardians", {"patient": w.subject(role), "circle": NEW, "delay": DAY, "changes": 1}),
    ),
    "ConsentRegistry.objectToRecoverySigned": lambda w, role: (
        w.subject(role),
        *w.authorized(
            role,
            "ObjectToRecovery",
            {"patient": w.subject(role), "attempt": 2 if w.subject(role) == w.of("lost key") else 1},
        ),
    ),
    "EmergencyAccess.endSigned": lambda w, role: w.naming_signer(
        role, "EmergencyAccess", "EndEpisode", {"episodeId": w.episode(role)}
    ),
    "EmergencyAccess.setBarSigned": lambda w, role: w.naming_signer(
        role, "EmergencyAccess", "SetBar", {"patient": w.subject(role), "barred": True, "count": 0}
    ),
    "AccessRequests.withdrawSigned, what a patient earned": lambda w, role: w.naming_signer(
        role, "AccessRequests", "Withdraw", {"account": w.subject(role), "token": NATIVE, "to": SOMEWHERE, "count": 0}
    ),
    "AccessRequests.accept": lambda w, role: w.acceptance(ASKED, role),
}
"""What somebody sends with a role's signature."""

BEFORE: dict[str, Callable[[World], None]] = {
    "Consortium.reinstateAccreditation, whom the member suspended": lambda w: w.do(
        "member", "Consortium", "suspendAccreditation", w.of("clinician"), CLINICIAN_KIND
    ),
    "Consortium.reinstateAccreditation, whom a vote suspended": lambda w: w.do(
        "vote", "Consortium", "suspendAccreditation", w.of("clinician"), CLINICIAN_KIND
    ),
    "Consortium.reinstate": lambda w: w.do("vote", "Consortium", "suspend", w.of("other member")),
    "AccessRequests.decline, when he no longer is": lambda w: w.do(
        "member", "Consortium", "accredit", w.of("custodian"), CUSTODIAN_KIND, 0
    ),
}
"""What brings about the state of a row."""

AT = {
    "ConsentRegistry.completeRecovery, after its delay": START + DAY,
    "AccessRequests.returnUnearned, after the deadline": DEADLINE,
    "AccessRequests.release, after the period for a dispute": START + DISPUTE_PERIOD,
}
NOW = START + DAY - 30
"""Where nothing else is said: the episodes are in force."""


# ------------------------------------------------------------------------------------------------------- the tests


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_permission__each_role__may_or_is_refused_as_the_table_says(row: Row) -> None:
    stage = world()
    contract, said = stage.contracts[row.contract], {}

    for role in ROLES:
        mark = stage.evm.snapshot()
        BEFORE.get(row.name, lambda _w: None)(stage)
        if row.signed and role == "vote":
            said[role] = row.error(role)  # a contract without a key signs nothing
        else:
            arguments = (SIGNED if row.signed else DIRECT)[row.name](stage, role)
            sender = stage.of("deployer" if row.signed else role)
            try:
                contract.do(sender, AT.get(row.name, NOW), row.function, *arguments)
                said[role] = None
            except RefusedError as refused:
                said[role] = refused.name
        stage.evm.revert(mark)

    assert said == {role: row.error(role) for role in ROLES}


def test_permission_table__against_the_abis__has_every_function_that_changes_something() -> None:
    changing = {
        (contract, entry["name"])
        for contract in CONTRACTS
        for entry in artifact(contract)["abi"]
        if entry["type"] == "function" and entry["stateMutability"] in ("nonpayable", "payable", "pure")
    }
    listed = {(row.contract, row.function) for row in ROWS}
    answering = {("ConsentRegistry", name) for name in ("isApprovedForAll", "locked")}
    answering |= {("EmergencyAccess", name) for name in ("isApprovedForAll", "locked")}

    assert listed == changing - answering
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_permission_table__what_a_vote_decides__is_what_can_be_proposed() -> None:
    by_vote = {(row.contract, row.function) for row in ROWS if "vote" in row.may and row.may != EVERYBODY}

    # A consortium can grant for itself, as anybody can: of nobody's records.
    assert by_vote - {("ConsentRegistry", "grant")} == {
        (kind.contract, kind.signature.partition("(")[0]) for kind in GOVERNED
    }


def test_permission_table__no_vote_reaches_a_patients_contracts() -> None:
    """What a consortium may do there is what every stranger may."""
    for row in ROWS:
        if row.contract in ("RecordRegistry", "ConsentRegistry", "EmergencyAccess"):
            assert row.error("vote") == row.error("stranger"), row.name
            assert row.error("deployer") == row.error("stranger"), row.name
