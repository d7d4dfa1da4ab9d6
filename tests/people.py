"""Delegates, guardians and clinicians: their verbs in short, on the chains of ``evm.py``; guardians' signatures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi import encode
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_utils import keccak
from evm import (
    BUNDLE,
    CLINICIAN_KIND,
    NEVER,
    REVIEWER_KIND,
    TERMS,
    TREAT,
    Chain,
    Contract,
    Contracts,
    Receipt,
    _mapping_slot,
    _slot,
    deploy,
    pack_grant,
)

GRANT, REVOKE, BOTH = 1, 2, 3
DAY = 86_400
NO_CIRCLE = bytes(32)
CLINICIAN, REVIEWER = CLINICIAN_KIND, REVIEWER_KIND
UNCONSCIOUS = 1
JUSTIFIED, UNJUSTIFIED = 1, 2
BTG = 1 << 8
DETAILS, NOTE = b"\xd1" * 32, b"\xd2" * 32
LONGEST, REVIEW_PERIOD, MOST = 4 * 3600, 3 * DAY, 3
"""What the tests' EmergencyAccess is deployed with; few may wait, so that the limit is reached soon."""


# ------------------------------------------------------------------------------------------- delegates


@dataclass(frozen=True, slots=True)
class DelegationView:
    """IAuthority.DelegationFields."""

    not_before: int
    expires_at: int
    purposes: int
    verbs: int
    stamp: int
    epoch: int

    @property
    def word(self) -> int:
        """The delegation as it lies in its slot."""
        return pack_delegation(
            self.not_before, self.expires_at, self.purposes, self.verbs, stamp=self.stamp, epoch=self.epoch
        )


def pack_delegation(
    not_before: int, expires_at: int, purposes: int, verbs: int, *, stamp: int = 0, epoch: int = 0
) -> int:
    """Return the word: notBefore (32), expiresAt (32), purposes (16), verbs (8), stamp (8), epoch (8)."""
    return not_before << 72 | expires_at << 40 | purposes << 24 | verbs << 16 | stamp << 8 | epoch


def unpack_delegation(word: int) -> DelegationView:
    """Return the fields of the word."""
    return DelegationView(
        word >> 72 & 0xFFFFFFFF,
        word >> 40 & 0xFFFFFFFF,
        word >> 24 & 0xFFFF,
        word >> 16 & 0xFF,
        word >> 8 & 0xFF,
        word & 0xFF,
    )


# ------------------------------------------------------------------------------------------- guardians


def account(name: str) -> LocalAccount:
    """Return somebody with a key and without coins."""
    return Account.from_key(keccak(text=f"medshare tests {name}"))


def guardians(count: int, *, family: str = "guardian") -> tuple[LocalAccount, ...]:
    """Return guardians in the order a circle wants: ascending."""
    people = (account(f"{family} {number}") for number in range(count))
    return tuple(sorted(people, key=lambda each: int(each.address, 16)))


@dataclass(frozen=True, slots=True)
class Circle:
    """IAuthority.Circle, with the guardians' keys."""

    guardians: tuple[LocalAccount, ...]
    threshold: int
    salt: bytes = b"\x5a" * 32

    @property
    def fields(self) -> tuple[list[str], int, bytes]:
        """As the contract takes it."""
        return ([each.address for each in self.guardians], self.threshold, self.salt)

    def digest(self, patient: str) -> bytes:
        """As the interface describes it."""
        return keccak(encode(["address", "address[]", "uint8", "bytes32"], [patient, *self.fields]))


@dataclass(frozen=True, slots=True)
class GuardianshipView:
    """IAuthority.Guardianship."""

    circle: bytes
    next_circle: bytes
    delay: int
    next_delay: int
    next_from: int
    ready_at: int
    attempt: int
    changes: int
    proposed: str


# ------------------------------------------------------------------------------------------- their verbs


@dataclass(frozen=True, slots=True)
class Authority:
    """The part of ConsentRegistry that says who may act for whom."""

    chain: Chain
    contract: Contract

    def _send(self, name: str, sender: str, *arguments: Any, **when: int) -> Receipt:
        return self.chain.send(self.contract.functions[name](*arguments), sender=sender, **when)

    def _ask(self, name: str, *arguments: Any) -> Any:
        return self.chain.call(self.contract.functions[name](*arguments))

    # delegates

    def appoint(
        self,
        sender: str,
        delegate: str,
        *,
        patient: str | None = None,
        not_before: int = 0,
        expires_at: int = NEVER,
        purposes: int = TREAT,
        verbs: int = BOTH,
        **when: int,
    ) -> Receipt:
        wanted = pack_delegation(not_before, expires_at, purposes, verbs)
        return self.appoint_word(sender, delegate, wanted, patient=patient, **when)

    def appoint_word(
        self, sender: str, delegate: str, wanted: int, *, patient: str | None = None, **when: int
    ) -> Receipt:
        return self._send("appoint", sender, patient or sender, delegate, wanted, **when)

    def dismiss(self, sender: str, patient: str, delegate: str, **when: int) -> Receipt:
        return self._send("dismiss", sender, patient, delegate, **when)

    def grant_for(
        self,
        sender: str,
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
        return self._send("grantFor", sender, patient, terms, bundle, wanted, **when)

    def revoke_all(self, sender: str, patient: str, **when: int) -> Receipt:
        return self._send("revokeAll", sender, patient, **when)

    def delegation(self, patient: str, delegate: str) -> DelegationView:
        return DelegationView(*self._ask("getDelegation", patient, delegate))

    def is_delegate(self, patient: str, delegate: str, verbs: int = GRANT, purposes: int = TREAT) -> bool:
        return self._ask("isDelegate", patient, delegate, verbs, purposes)

    # recovery

    def name_guardians(self, sender: str, patient: str, circle: bytes, delay: int = DAY, **when: int) -> Receipt:
        return self._send("nameGuardians", sender, patient, circle, delay, **when)

    def propose(
        self,
        patient: str,
        controller: str,
        circle: Circle,
        signatures: Sequence[bytes],
        *,
        sender: str,
        deadline: int = NEVER,
        **when: int,
    ) -> Receipt:
        return self._send("proposeRecovery", sender, patient, controller, circle.fields, deadline, signatures, **when)

    def object(self, sender: str, patient: str, **when: int) -> Receipt:
        return self._send("objectToRecovery", sender, patient, **when)

    def complete(self, sender: str, patient: str, **when: int) -> Receipt:
        return self._send("completeRecovery", sender, patient, **when)

    def controller(self, patient: str) -> tuple[str, int]:
        return tuple(self._ask("controllerOf", patient))

    def guardianship(self, patient: str) -> GuardianshipView:
        return GuardianshipView(*self._ask("getGuardianship", patient))

    def sign(
        self,
        signers: Iterable[LocalAccount],
        circle: Circle,
        patient: str,
        controller: str,
        *,
        attempt: int,
        deadline: int = NEVER,
    ) -> list[bytes]:
        """Return what `proposeRecovery` takes: a signature of each of `signers`, nothing of the circle's others."""
        members = ("address patient", "address controller", "uint32 attempt", "uint32 deadline")
        signable = encode_typed_data(
            domain_data={
                "name": "medshare ConsentRegistry",
                "version": "1",
                "chainId": self.chain.chain_id,
                "verifyingContract": self.contract.address,
            },
            message_types={"Recover": [dict(zip(("type", "name"), each.split(" "), strict=True)) for each in members]},
            message_data={"patient": patient, "controller": controller, "attempt": attempt, "deadline": deadline},
        )
        chosen = {each.address for each in signers}
        return [
            bytes(each.sign_message(signable).signature) if each.address in chosen else b"" for each in circle.guardians
        ]

    def recover(self, patient: str, controller: str, circle: Circle, *, sender: str) -> Receipt:
        """Propose and complete, by the first guardians that are enough, as soon as it can be."""
        attempt = self.guardianship(patient).attempt + 1
        signatures = self.sign(circle.guardians[: circle.threshold], circle, patient, controller, attempt=attempt)
        proposed = self.propose(patient, controller, circle, signatures, sender=sender)
        ready_at = proposed.events[-1].values["readyAt"]
        return self.complete(sender, patient, at=ready_at)

    # storage

    def store_control(self, patient: str, *, controller: int = 0, tenure: int = 0, stamp: int = 0) -> None:
        slot = _mapping_slot(_slot("ConsentRegistry", "_controls"), patient)
        self.chain.store(self.contract.address, slot, controller << 16 | tenure << 8 | stamp)

    def store_delegation(self, patient: str, delegate: str, delegation: DelegationView) -> None:
        base = _mapping_slot(_slot("ConsentRegistry", "_delegations"), patient)
        self.chain.store(self.contract.address, _mapping_slot(base, delegate), delegation.word)

    def slots_of(self, patient: str, delegate: str) -> tuple[int, ...]:
        """Return all that the contract holds of this patient and this delegate, but grants."""
        base = _mapping_slot(_slot("ConsentRegistry", "_delegations"), patient)
        guardianship = _mapping_slot(_slot("ConsentRegistry", "_guardianships"), patient)
        slots = [_mapping_slot(_slot("ConsentRegistry", "_controls"), patient), _mapping_slot(base, delegate)]
        return tuple(self.load(slot) for slot in (*slots, *range(guardianship, guardianship + 4)))

    def load(self, slot: int) -> int:
        return self.chain.load(self.contract.address, slot)


# ------------------------------------------------------------------------------------------- emergencies


@dataclass(frozen=True, slots=True)
class EpisodeView:
    """IEmergencyAccess.Episode."""

    patient: str
    opened_at: int
    ends_at: int
    reason: int
    verdict: int


@dataclass(frozen=True, slots=True)
class Emergencies:
    """EmergencyAccess, and the consortium that says who is a clinician."""

    chain: Chain
    accreditation: Contract
    contract: Contract
    accreditor: str

    def _send(self, name: str, sender: str, *arguments: Any, **when: int) -> Receipt:
        return self.chain.send(self.contract.functions[name](*arguments), sender=sender, **when)

    def _ask(self, name: str, *arguments: Any) -> Any:
        return self.chain.call(self.contract.functions[name](*arguments))

    def accredit(
        self, actor: str, kind: int = CLINICIAN, until: int = NEVER, *, sender: str | None = None, **when: int
    ) -> Receipt:
        function = self.accreditation.functions.accredit(actor, kind, until)
        return self.chain.send(function, sender=sender or self.accreditor, **when)

    def is_accredited(self, actor: str, kind: int = CLINICIAN) -> bool:
        return self.chain.call(self.accreditation.functions.isAccredited(actor, kind))

    def valid_until(self, actor: str, kind: int = CLINICIAN) -> int:
        return self.chain.call(self.accreditation.functions.getAccreditation(actor, kind))[0]

    def break_glass(
        self,
        clinician: str,
        patient: str,
        *,
        reason: int = UNCONSCIOUS,
        duration: int = LONGEST,
        **when: int,
    ) -> Receipt:
        return self._send("breakGlass", clinician, patient, reason, DETAILS, duration, **when)

    def end(self, sender: str, episode_id: int, **when: int) -> Receipt:
        return self._send("end", sender, episode_id, **when)

    def release(self, sender: str, episode_id: int, **when: int) -> Receipt:
        return self._send("release", sender, episode_id, BUNDLE, **when)

    def review(self, sender: str, episode_id: int, verdict: int = JUSTIFIED, **when: int) -> Receipt:
        return self._send("review", sender, episode_id, verdict, NOTE, **when)

    def set_bar(self, sender: str, patient: str, barred: bool, **when: int) -> Receipt:
        return self._send("setBar", sender, patient, barred, **when)

    def is_live(self, episode_id: int, purposes: int = BTG) -> bool:
        return self._ask("isLive", episode_id, purposes)

    def episode(self, episode_id: int) -> EpisodeView:
        return EpisodeView(*self._ask("getEpisode", episode_id))

    def standing(self, clinician: str) -> tuple[int, int]:
        return tuple(self._ask("getStanding", clinician))

    def bar(self, patient: str) -> tuple[bool, int]:
        return tuple(self._ask("getBar", patient))

    def balance(self, holder: str, episode_id: int) -> int:
        return self._ask("balanceOf", holder, episode_id)


def episode_id_of(clinician: str, number: int) -> int:
    """Return an episode's id: the clinician (160), the number of his episode (96)."""
    return int(clinician, 16) << 96 | number


def deploy_emergencies(
    chain: Chain,
    contracts: Contracts,
    *,
    accreditor: str,
    longest: int = LONGEST,
    period: int = REVIEW_PERIOD,
    most: int = MOST,
) -> Emergencies:
    """Deploy break-glass beside the other contracts; ``accreditor`` is one of the members."""
    authority = (contracts.consents.address, contracts.consortium.address)
    contract = deploy(chain, "EmergencyAccess", *authority, longest, period, most, sender=accreditor)
    return Emergencies(chain, contracts.consortium, contract, accreditor)
