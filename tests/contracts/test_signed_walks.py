"""Signed verbs in stories that hypothesis writes: whoever signs whatever, and whoever sends it, whenever and how often

given any messages, by any keys, in anybody's name, some changed after signing, sent by anybody, again and again
    one is done exactly if its signer may do this now, signed exactly this, and the counts are as they stand
    rights appear and grow through the one in control and delegates in force alone, for delegates within their scope
    rights and delegations of a patient end through those who may end them alone
    a signature is done once
    a batch does what its calls do one by one, and tells which were refused
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import pytest
from bare_contract import BareContract
from bare_evm import BareEvm
from eth_utils import to_checksum_address
from evm import BUNDLE, HRESCH, TERMS, TREAT, RefusedError, _mapping_slot, _slot, grant_id_of, pack_grant
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, rule
from people import GRANT, REVOKE, account, pack_delegation, unpack_delegation
from signing import Domain, authorize, members_of, sign, signable

KEYS = {key.address: key for key in map(account, ("walker one", "walker two", "walker three", "walker four"))}
ACTORS = ONE, TWO, THREE, FOUR = tuple(KEYS)
PATIENTS = ONE, TWO
GRANTEE = to_checksum_address(b"\x77" * 20)
GRANTEES = (GRANTEE, TWO, THREE)
START, FAR = 1_800_000_000, 2**32 - 1
STRUCTS = ("Grant", "Grant", "Revoke", "RevokeAll", "Appoint", "Dismiss")
FLAWS = ("later", "earlier", "stamp", "mandate", "late", "claim", "empty", "over", "chain", "message", "bit")
SCOPES = ((GRANT | REVOKE, TREAT), (GRANT, TREAT | HRESCH), (REVOKE, 0), (GRANT, 0), (0, 0), (4, 0))

actors = st.sampled_from(ACTORS)
patients = st.sampled_from(PATIENTS)
seconds = st.sampled_from([0, 1, 1, 29, 400])


@dataclass(frozen=True)
class Signed:
    """A message, by whom it claims to be, and a signature of it or of something else."""

    struct: str
    message: dict[str, Any]
    signer: str | None
    by: str
    is_genuine: bool
    signature: bytes

    @property
    def patient(self) -> str:
        return self.message["patient"]

    @property
    def arguments(self) -> tuple[Any, ...]:
        m = self.message
        word = authorize(m["deadline"], signer=self.signer, mandate=m["mandate"])
        match self.struct:
            case "Grant":
                counts = m["purposes"], m["stamp"], m["epoch"]
                wanted = pack_grant(m["grantee"], m["notBefore"], m["expiresAt"], *counts)
                leading = ("grantSigned", m["patient"], TERMS, BUNDLE, wanted)
            case "Revoke":
                leading = ("revokeSigned", m["grantId"], m["lastEpoch"])
            case "RevokeAll":
                leading = ("revokeAllSigned", m["patient"], m["stamp"])
            case "Appoint":
                dates = m["notBefore"], m["expiresAt"], m["purposes"], m["verbs"]
                wanted = pack_delegation(*dates, stamp=m["stamp"], epoch=m["epoch"])
                leading = ("appointSigned", m["patient"], m["delegate"], wanted)
            case _:
                leading = ("dismissSigned", m["patient"], m["delegate"], m["lastEpoch"])
        return (*leading, word, self.signature)


@cache
def registry() -> tuple[BareEvm, BareContract]:
    evm = BareEvm()
    return evm, BareContract(evm, "ConsentRegistry")


class SignedWalk(RuleBasedStateMachine):
    """Everybody signs, and everybody sends."""

    messages = Bundle("messages")

    def __init__(self) -> None:
        super().__init__()
        self.evm, self.registry = registry()
        self.mark = self.evm.snapshot()
        self.now = START
        self.done: set[bytes] = set()
        _, name, _, chain_id, contract, _, _ = self.registry.ask(START, "eip712Domain")
        self.domain = Domain(name, chain_id, to_checksum_address(contract))

    def teardown(self) -> None:
        self.evm.revert(self.mark)

    # ------------------------------------------------------------------------------------------ what the chain holds

    def load(self, label: str, *keys: Any) -> int:
        slot = _slot("ConsentRegistry", label)
        for key in keys:
            slot = _mapping_slot(slot, key)
        return self.evm.load(self.registry.address, slot)

    def control(self, patient: str) -> tuple[str, int, int]:
        """Return who is in control, his tenure, and the stamp."""
        word = self.load("_controls", patient)
        moved = word >> 16
        controller = to_checksum_address(f"{moved:#042x}") if moved else patient
        return controller, word >> 8 & 0xFF, word & 0xFF

    def delegation(self, patient: str, delegate: str):
        return unpack_delegation(self.load("_delegations", patient, delegate))

    def may(self, patient: str, actor: str, verb: int) -> bool:
        """Whether a delegate is in force for this."""
        each, stamp = self.delegation(patient, actor), self.control(patient)[2]
        return each.not_before <= self.now < each.expires_at and each.stamp == stamp and bool(each.verbs & verb)

    def words(self) -> dict[tuple[str, ...], int]:
        grants = {
            ("grant", patient, grantee): self.load("_grants", grant_id_of(patient, grantee))
            for patient, grantee in product(PATIENTS, GRANTEES)
        }
        people = {
            ("delegation", patient, actor): self.load("_delegations", patient, actor)
            for patient, actor in product(PATIENTS, ACTORS)
        }
        controls = {("control", patient): self.load("_controls", patient) for patient in PATIENTS}
        return {**grants, **people, **controls}

    # --------------------------------------------------------------------------------------------- what must happen

    def is_signers(self, signed: Signed) -> bool:
        """Whether whoever is named as signer may do this now, by the mandate he names."""
        m, patient = signed.message, signed.patient
        controller, tenure, _ = self.control(patient)
        signer = patient if signed.signer is None else signed.signer
        if signed.signer is None:
            return controller == patient and m["mandate"] == 0
        if signed.struct == "Dismiss" and signer == m["delegate"]:
            return m["mandate"] == self.delegation(patient, signer).epoch
        if signer == controller:
            return m["mandate"] == tenure
        verb = {"Grant": GRANT, "Revoke": REVOKE}.get(signed.struct, 0)
        return self.may(patient, signer, verb) and m["mandate"] == self.delegation(patient, signer).epoch

    def is_as_it_stands(self, signed: Signed) -> bool:
        """Whether the counts are the chain's, and what is wanted can be had."""
        m, patient = signed.message, signed.patient
        controller, _, stamp = self.control(patient)
        match signed.struct:
            case "Grant":
                epoch = self.load("_grants", grant_id_of(patient, m["grantee"])) & 0xFF
                scope = self.delegation(patient, signed.by)
                within = signed.by == controller or (
                    m["expiresAt"] <= scope.expires_at and not m["purposes"] & ~scope.purposes
                )
                wanted = m["grantee"] != patient and m["purposes"] and max(m["notBefore"], self.now) < m["expiresAt"]
                return bool(within and wanted and (m["stamp"], m["epoch"]) == (stamp, epoch))
            case "Revoke":
                return self.load("_grants", m["grantId"]) & 0xFF <= m["lastEpoch"]
            case "RevokeAll":
                return m["stamp"] == stamp
            case "Appoint":
                scope = m["verbs"] in (1, 2, 3) and bool(m["verbs"] & GRANT) == bool(m["purposes"])
                in_time = max(m["notBefore"], self.now) < m["expiresAt"]
                counts = (m["stamp"], m["epoch"]) == (stamp, self.delegation(patient, m["delegate"]).epoch)
                return scope and in_time and counts and m["delegate"] not in (patient, controller)
            case _:
                return self.delegation(patient, m["delegate"]).epoch <= m["lastEpoch"]

    def is_done(self, signed: Signed) -> bool:
        signer = signed.patient if signed.signer is None else signed.signer
        is_signed = signed.is_genuine and signed.by == signer and self.now < signed.message["deadline"]
        return is_signed and self.is_signers(signed) and self.is_as_it_stands(signed)

    def judge(self, before: dict[tuple[str, ...], int], signed: Signed) -> None:
        """Whatever changed was this author's to change: said once more, without regard to how it is checked."""
        author, m = signed.by, signed.message
        for what, word in self.words().items():
            if word == before[what]:
                continue
            patient, controller = what[1], before_controller(before, what[1])
            assert patient == signed.patient
            if what[0] == "grant" and signed.struct == "Grant":
                allowed = unpack_delegation(before.get(("delegation", patient, author), 0))
                assert author == controller or (
                    allowed.verbs & GRANT
                    and allowed.not_before <= self.now < allowed.expires_at
                    and (word >> 32 & 0xFFFFFFFF) <= allowed.expires_at
                    and not (word >> 16 & 0xFFFF) & ~allowed.purposes
                    and allowed.stamp == word >> 8 & 0xFF
                )
            elif what[0] == "grant":
                allowed = unpack_delegation(before.get(("delegation", patient, author), 0))
                assert signed.struct == "Revoke"
                assert word >> 16 & 0xFFFF == 0
                assert author == controller or allowed.verbs & REVOKE
            elif what[0] == "delegation":
                is_resigning = author == what[2] == m["delegate"] and unpack_delegation(word).verbs == 0
                assert author == controller or is_resigning
            else:
                assert signed.struct == "RevokeAll"
                assert author == controller
                assert word == before[what] + 1

    # ------------------------------------------------------------------------------------------------------- rules

    @initialize(moved=st.booleans())
    def begin(self, moved):
        self.appoint_directly(ONE, THREE, SCOPES[0])
        if moved:
            self.move_control(TWO, FOUR)

    @rule(patient=patients, controller=actors, really=st.sampled_from([False, False, True]))
    def sometimes_move_control(self, patient, controller, really):
        if really:
            self.move_control(patient, controller)

    def move_control(self, patient, controller):
        """As a completed recovery does it."""
        current, tenure, stamp = self.control(patient)
        if controller in (patient, current):
            return
        note(f"control of {patient} moves to {controller}")
        slot = _mapping_slot(_slot("ConsentRegistry", "_controls"), patient)
        self.evm.store(self.registry.address, slot, int(controller, 16) << 16 | (tenure + 1) << 8 | stamp)

    @rule(by=seconds)
    def wait(self, by):
        self.now += by

    @rule(sender=actors, grantee=st.sampled_from(GRANTEES))
    def grant_directly(self, sender, grantee):
        self._try(sender, "grant", TERMS, BUNDLE, pack_grant(grantee, 0, self.now + 300, TREAT))

    @rule(sender=actors, delegate=actors, scope=st.sampled_from(SCOPES[:3]))
    def appoint_directly(self, sender, delegate, scope):
        verbs, purposes = scope
        patient = next((each for each in PATIENTS if self.control(each)[0] == sender), sender)
        self._try(sender, "appoint", patient, delegate, pack_delegation(0, self.now + 300, purposes, verbs))

    @rule(sender=actors, patient=patients, delegate=actors)
    def end_directly(self, sender, patient, delegate):
        self._try(sender, "dismiss", patient, delegate)
        self._try(sender, "revoke", grant_id_of(patient, GRANTEE))

    def _try(self, sender, name, *arguments):
        try:
            self.registry.do(sender, self.now, name, *arguments)
        except RefusedError as error:
            note(f"{sender} {name}: {error.name}")
        else:
            note(f"{sender} {name}: done")

    @rule(
        target=messages,
        struct=st.sampled_from(STRUCTS),
        patient=patients,
        by=st.sampled_from(["controller", "controller", "delegate", "delegate", *ACTORS]),
        other=actors,
        grantee=st.sampled_from(GRANTEES),
        scope=st.sampled_from(SCOPES),
        purposes=st.sampled_from([TREAT, TREAT, HRESCH, TREAT | HRESCH]),
        begin=st.sampled_from([-5, 0, 1]),
        length=st.sampled_from([1, 30, 200, 300, 301]),
        deadline=st.sampled_from([FAR, FAR, FAR, 2, 30]),
        flaw=st.sampled_from([*[None] * 12, *FLAWS]),
        sender=st.sampled_from([*ACTORS, *ACTORS, None]),
    )
    def sign(self, struct, patient, by, other, grantee, scope, purposes, begin, length, deadline, flaw, sender):
        """Somebody signs something, most often what he may, and perhaps it is sent at once."""
        by = self.author(by, struct, patient)
        controller, tenure, _ = self.control(patient)
        is_resigning = struct == "Dismiss" and by == other
        is_controllers = by == controller and not is_resigning
        mandate = tenure if is_controllers else self.delegation(patient, by).epoch
        wanted = {
            "grantee": grantee,
            "delegate": other,
            "verbs": scope[0],
            "purposes": scope[1] if struct == "Appoint" else purposes,
            "notBefore": self.now + begin,
            "expiresAt": self.now + length,
            "mandate": mandate,
            "deadline": deadline if deadline == FAR else self.now + deadline,
        }
        message = self.message(struct, patient, wanted)
        spoil(message, flaw, self.now)
        signer = None if by == patient and is_controllers else by
        domain = self.domain.but(chain_id=self.domain.chain_id + 1) if flaw == "chain" else self.domain
        meant = {**message, "deadline": message["deadline"] ^ 64} if flaw == "message" else message
        signature = sign(KEYS[by], signable(domain, struct, meant))
        if flaw == "bit":
            signature = signature[:40] + bytes([signature[40] ^ 1]) + signature[41:]
        is_genuine = flaw not in ("chain", "message", "bit")
        signed = Signed(struct, message, other if flaw == "claim" else signer, by, is_genuine, signature)
        if sender is not None:
            self.send_one(signed, sender)
        return signed

    def author(self, by: str, struct: str, patient: str) -> str:
        """Return who signs: the one in control, a delegate who may if there is one, or the one who is named."""
        if by == "controller":
            return self.control(patient)[0]
        if by == "delegate":
            verb = REVOKE if struct == "Revoke" else GRANT
            return next((each for each in reversed(ACTORS) if self.may(patient, each, verb)), THREE)
        return by

    def message(self, struct: str, patient: str, wanted: dict[str, Any]) -> dict[str, Any]:
        """Return what is signed, with the counts as they stand."""
        grant_id = grant_id_of(patient, wanted["grantee"])
        grants_epoch = self.load("_grants", grant_id) & 0xFF
        epoch = grants_epoch if struct in ("Grant", "Revoke") else self.delegation(patient, wanted["delegate"]).epoch
        known = {
            **wanted,
            "patient": patient,
            "grantId": grant_id,
            "terms": TERMS,
            "bundle": BUNDLE,
            "stamp": self.control(patient)[2],
            "epoch": epoch,
            "lastEpoch": epoch,
        }
        return {name: known[name] for _, name in members_of(struct)}

    @rule(signed=messages, sender=actors)
    def send(self, signed, sender):
        """Anybody sends it, as often as he likes."""
        self.send_one(signed, sender)

    def send_one(self, signed: Signed, sender: str) -> None:
        before = self.words()
        if not self.is_done(signed):
            with pytest.raises(RefusedError) as refused:
                self.registry.do(sender, self.now, *signed.arguments)
            note(f"{sender} sends {signed}: {refused.value}")
            return
        self.registry.do(sender, self.now, *signed.arguments)
        note(f"{sender} sends {signed}: done")
        self.judge(before, signed)
        assert signed.signature not in self.done
        self.done.add(signed.signature)

    @rule(several=st.lists(messages, min_size=1, max_size=4), sender=actors)
    def send_together(self, several, sender):
        """A batch, beside the same calls one by one."""
        mark, told, outcomes = self.evm.snapshot(), [], []
        for signed in several:
            try:
                told += self.registry.do(sender, self.now, *signed.arguments)
                outcomes.append(True)
            except RefusedError:
                outcomes.append(False)
        one_by_one = self.words()
        self.evm.revert(mark)

        calls = [self.registry.data(*signed.arguments) for signed in several]
        assert list(self.registry.ask(self.now, "batch", calls)) == outcomes
        logs = self.registry.do(sender, self.now, "batch", calls)

        assert self.words() == one_by_one
        refused = [log for log in logs if log not in told]
        assert [log for log in logs if log in told] == told
        assert [int.from_bytes(log.topics[1], "big") for log in refused] == [
            place for place, was_done in enumerate(outcomes) if not was_done
        ]
        done = [signed.signature for signed, was_done in zip(several, outcomes, strict=True) if was_done]
        assert not self.done & set(done)
        assert len(set(done)) == len(done)
        self.done |= set(done)


def spoil(message: dict[str, Any], flaw: str | None, now: int) -> None:
    """Change what is going to be signed, where it has such a member."""
    counts = {"later": 1, "earlier": -1}
    changes = {
        "epoch": lambda epoch: max(0, epoch + counts.get(flaw, 0)),
        "lastEpoch": lambda epoch: max(0, epoch + counts.get(flaw, 0)),
        "stamp": lambda stamp: stamp + (flaw == "stamp"),
        "mandate": lambda mandate: mandate + (flaw == "mandate"),
        "deadline": lambda deadline: now if flaw == "late" else deadline,
        "purposes": lambda purposes: 0 if flaw == "empty" else purposes,
        "expiresAt": lambda expires_at: now if flaw == "over" else expires_at,
    }
    for name, change in changes.items():
        if name in message:
            message[name] = change(message[name])


def before_controller(before: dict[tuple[str, ...], int], patient: str) -> str:
    moved = before["control", patient] >> 16
    return to_checksum_address(f"{moved:#042x}") if moved else patient


TestSignedWalk = SignedWalk.TestCase
TestSignedWalk.pytestmark = [pytest.mark.contracts]
