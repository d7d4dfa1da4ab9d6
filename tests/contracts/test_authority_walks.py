"""Delegates and recovery, in stories that hypothesis writes

given any story of patients, delegates, guardians and strangers, in which time goes on, often to the second that matters
    a small oracle, written from the interface, and the contract refuse and allow alike, with the same error
    after each step they agree who is in control, who may act, and what is live
    nobody but the one in control, or a delegate within his scope, ever begins, changes or ends what is live
    no delegate's grant outlives the second in which his delegation as it was would have ended
    control moves by a completed recovery alone, a delay after its proposal, and never to the patient's own lost key
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache

import pytest
from bare_contract import BareContract
from bare_evm import BareEvm
from eth_account.messages import encode_typed_data
from eth_utils import to_checksum_address
from evm import BUNDLE, HRESCH, TERMS, TREAT, ZERO_ADDRESS, RefusedError, grant_id_of, pack_grant
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from people import BOTH, DAY, GRANT, NO_CIRCLE, REVOKE, Circle, guardians, pack_delegation

PATIENTS = PATIENT, OTHER_PATIENT = tuple(to_checksum_address(bytes([each]) * 20) for each in (0x11, 0x22))
OTHERS = PARENT, FRIEND, NEW_KEY, STRANGER = tuple(
    to_checksum_address(bytes([each]) * 20) for each in (0x33, 0x44, 0x55, 0x66)
)
ACTORS = (*PATIENTS, *OTHERS)
GRANTEE = to_checksum_address(b"\x77" * 20)
START, DEADLINE = 1_800_000_000, 2**32 - 1
CIRCLES = (Circle(guardians(3), 2), Circle(guardians(2, family="friend"), 1), None)
SCOPES = ((BOTH, TREAT), (BOTH, TREAT | HRESCH), (GRANT, HRESCH), (REVOKE, 0))
BAD_SCOPES = ((0, 0), (GRANT, 0), (REVOKE, TREAT), (8, TREAT))
PURPOSES = (TREAT, HRESCH, TREAT | HRESCH)

anybody = st.sampled_from(ACTORS)
patients = st.sampled_from(PATIENTS)
offsets = st.sampled_from([-50, -1, 0, 1, 20, 500, 5 * DAY])


@dataclass(frozen=True)
class Mandate:
    """A delegation, as the oracle sees it."""

    not_before: int
    expires_at: int
    purposes: int
    verbs: int
    stamp: int
    epoch: int


@dataclass(frozen=True)
class Right:
    """A grant, as the oracle sees it."""

    not_before: int
    expires_at: int
    purposes: int
    stamp: int


@dataclass
class Person:
    """What the oracle knows of a patient."""

    controller: str
    tenure: int = 0
    stamp: int = 0
    delegates: dict[str, Mandate] = field(default_factory=dict)
    rights: dict[str, Right] = field(default_factory=dict)
    circle: tuple[Circle | None, int] = (None, 0)
    waiting: tuple[Circle | None, int, int] | None = None
    attempt: int = 0
    proposed: tuple[str, int] | None = None

    def circle_at(self, now: int) -> tuple[Circle | None, int]:
        return self.waiting[:2] if self.waiting and self.waiting[2] <= now else self.circle

    def may(self, actor: str, verb: int, now: int) -> bool:
        """Whether a delegate may do this now."""
        each = self.delegates.get(actor)
        in_time = each is not None and each.not_before <= now < each.expires_at and each.stamp == self.stamp
        return in_time and bool(each.verbs & verb)

    def is_live(self, grantee: str, now: int) -> bool:
        right = self.rights.get(grantee)
        if right is None or not right.purposes or right.stamp != self.stamp:
            return False
        return right.not_before <= now < right.expires_at


class Scene:
    """The deployed registry, once for all stories."""

    def __init__(self) -> None:
        self.evm = BareEvm()
        self.registry = BareContract(self.evm, "ConsentRegistry")
        *_, self.chain_id, self.contract, _, _ = self.registry.ask(START, "eip712Domain")

    @cache  # noqa: B019 — one scene for the whole run
    def signatures(self, circle: Circle, count: int, patient: str, controller: str, attempt: int) -> list[bytes]:
        members = ("address patient", "address controller", "uint32 attempt", "uint32 deadline")
        signable = encode_typed_data(
            domain_data={
                "name": "medshare ConsentRegistry",
                "version": "1",
                "chainId": self.chain_id,
                "verifyingContract": self.contract,
            },
            message_types={"Recover": [dict(zip(("type", "name"), each.split(), strict=True)) for each in members]},
            message_data={"patient": patient, "controller": controller, "attempt": attempt, "deadline": DEADLINE},
        )
        signed = [bytes(each.sign_message(signable).signature) for each in circle.guardians[-count:]]
        return [b""] * (len(circle.guardians) - count) + (signed if count else [])


@cache
def scene() -> Scene:
    return Scene()


class AuthorityWalk(RuleBasedStateMachine):
    """Every verb by anybody, to the oracle and to the contract."""

    def __init__(self) -> None:
        super().__init__()
        self.registry = scene().registry
        self.mark = scene().evm.snapshot()
        self.people = {patient: Person(patient) for patient in PATIENTS}
        self.now = START
        self.edges: set[int] = set()

    def teardown(self) -> None:
        scene().evm.revert(self.mark)

    def both(self, error: str | None, sender: str, name: str, *arguments) -> bool:
        """Let the contract do it, and compare how it ends."""
        note(f"{self.now - START:+d}s {sender[:6]}: {name} {arguments} -> {error or 'done'}")
        if error is None:
            self.registry.do(sender, self.now, name, *arguments)
            return True
        with pytest.raises(RefusedError) as refused:
            self.registry.do(sender, self.now, name, *arguments)
        assert refused.value.name == error
        return False

    # -------------------------------------------------------------------------------------------------- verbs

    @initialize(patient=patients, circle=st.sampled_from(CIRCLES[:2]), scope=st.sampled_from(SCOPES))
    def begin_with_a_circle_and_a_delegate(self, patient, circle, scope):
        self.name_guardians(patient, patient, circle, DAY, True)
        self.appoint(patient, patient, PARENT, 0, 5 * DAY, scope, True)

    @rule(
        caller=anybody,
        patient=patients,
        delegate=st.sampled_from((PARENT, PARENT, FRIEND, NEW_KEY, *PATIENTS, ZERO_ADDRESS)),
        begin=offsets,
        end=offsets,
        scope=st.sampled_from((*SCOPES, *SCOPES, *BAD_SCOPES)),
        by_control=st.booleans(),
    )
    def appoint(self, caller, patient, delegate, begin, end, scope, by_control):
        person = self.people[patient]
        caller = person.controller if by_control else caller
        begin, end = self.now + begin, self.now + end
        verbs, purposes = scope
        error = None
        if caller != person.controller:
            error = "AuthorityNotAllowed"
        elif delegate in (ZERO_ADDRESS, patient, person.controller):
            error = "AuthorityDelegateInvalid"
        elif scope in BAD_SCOPES:
            error = "AuthorityScopeInvalid"
        elif max(begin, self.now) >= end:
            error = "AuthorityPeriodEmpty"
        word = pack_delegation(begin, end, purposes, verbs)
        if self.both(error, caller, "appoint", patient, delegate, word):
            epoch = person.delegates[delegate].epoch + 1 if delegate in person.delegates else 1
            person.delegates[delegate] = Mandate(max(begin, self.now), end, purposes, verbs, person.stamp, epoch)
            self.edges |= {begin, end}

    @rule(caller=anybody, patient=patients, delegate=st.sampled_from(ACTORS), by_control=st.booleans())
    def dismiss(self, caller, patient, delegate, by_control):
        person = self.people[patient]
        caller = person.controller if by_control else caller
        error = None if caller in (person.controller, delegate) else "AuthorityNotAllowed"
        if self.both(error, caller, "dismiss", patient, delegate):
            before = person.delegates.get(delegate, Mandate(0, 0, 0, 0, 0, 0))
            person.delegates[delegate] = replace(before, verbs=0, epoch=before.epoch + 1)

    @rule(
        caller=st.sampled_from((*[PARENT] * 5, FRIEND, NEW_KEY, STRANGER, *PATIENTS)),
        patient=patients,
        grantee=st.sampled_from((GRANTEE, PARENT)),
        begin=offsets,
        length=st.sampled_from([0, 1, 40, 2 * DAY, "his", "longer"]),
        purposes=st.sampled_from(PURPOSES),
    )
    def grant_for(self, caller, patient, grantee, begin, length, purposes):
        person = self.people[patient]
        mandate = person.delegates.get(caller)
        begin = self.now + begin
        if isinstance(length, int):
            end = max(begin, self.now) + length
        else:
            end = (mandate.expires_at if mandate else self.now + DAY) + (length == "longer")
        in_control = caller == person.controller
        error = None
        if not in_control and not person.may(caller, GRANT, self.now):
            error = "AuthorityNotAllowed"
        elif not in_control and (end > mandate.expires_at or purposes & ~mandate.purposes):
            error = "AuthorityBeyondDelegation"
        elif max(begin, self.now) >= end:
            error = "ConsentRegistryPeriodEmpty"
        word = pack_grant(grantee, begin, end, purposes)
        if self.both(error, caller, "grantFor", patient, TERMS, BUNDLE, word):
            person.rights[grantee] = Right(max(begin, self.now), end, purposes, person.stamp)
            self.edges |= {begin, end}

    @rule(caller=anybody, patient=patients, grantee=st.sampled_from((GRANTEE, PARENT)))
    def revoke(self, caller, patient, grantee):
        person = self.people[patient]
        may = caller in (patient, person.controller) or person.may(caller, REVOKE, self.now)
        error = None if may else "AuthorityNotAllowed"
        if self.both(error, caller, "revoke", grant_id_of(patient, grantee)) and grantee in person.rights:
            person.rights[grantee] = replace(person.rights[grantee], purposes=0)

    @rule(caller=st.sampled_from((*OTHERS, *OTHERS, *PATIENTS)), patient=patients)
    def revoke_all(self, caller, patient):
        person = self.people[patient]
        error = None if caller == person.controller else "AuthorityNotAllowed"
        if self.both(error, caller, "revokeAll", patient):
            person.stamp += 1

    @rule(
        caller=anybody,
        patient=patients,
        circle=st.sampled_from(CIRCLES),
        delay=st.sampled_from([DAY, DAY, 3 * DAY, 90 * DAY, DAY - 1, 90 * DAY + 1]),
        by_control=st.booleans(),
    )
    def name_guardians(self, caller, patient, circle, delay, by_control):
        person = self.people[patient]
        caller = person.controller if by_control else caller
        error = None
        if caller != person.controller:
            error = "AuthorityNotAllowed"
        elif not DAY <= delay <= 90 * DAY:
            error = "AuthorityDelayOutOfRange"
        digest = circle.digest(patient) if circle else NO_CIRCLE
        if self.both(error, caller, "nameGuardians", patient, digest, delay):
            self._take_turn(person)
            if person.circle[0] is None:
                person.circle = circle, delay
            else:
                person.waiting = circle, delay, self.now + person.circle[1]
                self.edges.add(person.waiting[2])

    @rule(
        sender=anybody,
        patient=patients,
        controller=st.sampled_from((NEW_KEY, NEW_KEY, FRIEND, PARENT, *PATIENTS, ZERO_ADDRESS)),
        circle=st.sampled_from(CIRCLES[:2]),
        signed=st.sampled_from([0, 1, 2, 3, 3, 3]),
        attempts_ahead=st.sampled_from([1, 1, 1, 0, 2]),
    )
    def propose(self, sender, patient, controller, circle, signed, attempts_ahead):
        person = self.people[patient]
        named, delay = person.circle_at(self.now)
        signed = min(signed, len(circle.guardians))
        error = None
        if controller in (ZERO_ADDRESS, patient) or (person.tenure and controller == person.controller):
            error = "AuthorityControllerInvalid"
        elif named is not circle:
            error = "AuthorityCircleInvalid"
        elif signed and attempts_ahead != 1:
            error = "SignedSignatureInvalid"
        elif signed < circle.threshold:
            error = "AuthorityGuardiansTooFew"
        attempt = person.attempt + attempts_ahead
        signatures = scene().signatures(circle, signed, patient, controller, attempt)
        arguments = (patient, controller, circle.fields, DEADLINE, signatures)
        if self.both(error, sender, "proposeRecovery", *arguments):
            self._take_turn(person)
            person.attempt = attempt
            person.proposed = controller, self.now + delay
            self.edges.add(self.now + delay)

    @precondition(lambda self: any(person.proposed for person in self.people.values()))
    @rule(caller=anybody, patient=patients, by_control=st.booleans())
    def object(self, caller, patient, by_control):
        person = self.people[patient]
        caller = person.controller if by_control else caller
        error = None
        if caller != person.controller:
            error = "AuthorityNotAllowed"
        elif person.proposed is None:
            error = "AuthorityNoRecovery"
        if self.both(error, caller, "objectToRecovery", patient):
            person.proposed = None

    @rule(caller=anybody, patient=patients, when_ready=st.booleans())
    def complete(self, caller, patient, when_ready):
        person = self.people[patient]
        if when_ready and person.proposed:
            self.now = max(self.now, person.proposed[1])
        error = None
        if person.proposed is None:
            error = "AuthorityNoRecovery"
        elif self.now < person.proposed[1]:
            error = "AuthorityTooEarly"
        if self.both(error, caller, "completeRecovery", patient):
            person.controller, person.proposed = person.proposed[0], None
            person.tenure += 1
            assert person.controller != patient

    @rule(seconds=st.sampled_from([1, 10, 600, DAY]))
    def wait(self, seconds):
        self.now += seconds

    @precondition(lambda self: any(edge - 1 > self.now for edge in self.edges))
    @rule(data=st.data(), around=st.sampled_from([-1, 0]))
    def wait_for_an_edge(self, data, around):
        """To the second in which something begins or ends, or the one before."""
        self.now = data.draw(st.sampled_from(sorted(edge for edge in self.edges if edge - 1 > self.now))) + around

    def _take_turn(self, person):
        person.circle = person.circle_at(self.now)
        if person.waiting and person.waiting[2] <= self.now:
            person.waiting = None

    # ----------------------------------------------------------------------------------- what must always hold

    @invariant()
    def they_agree(self):
        for patient, person in self.people.items():
            controller, tenure = self.registry.ask(self.now, "controllerOf", patient)
            assert (to_checksum_address(controller), tenure) == (person.controller, person.tenure)
            assert self.registry.ask(self.now, "getStamp", patient) == person.stamp
            for delegate in (*person.delegates, STRANGER):
                self._delegation_agrees(patient, person, delegate)
            for grantee in (GRANTEE, PARENT):
                live = person.is_live(grantee, self.now)
                grant_id = grant_id_of(patient, grantee)
                assert self.registry.ask(self.now, "balanceOf", grantee, grant_id) == int(live)
                for purposes in PURPOSES:
                    expected = live and person.rights[grantee].purposes & purposes == purposes
                    assert self.registry.ask(self.now, "isLive", grant_id, purposes) is expected

    def _delegation_agrees(self, patient, person, delegate):
        mandate = person.delegates.get(delegate, Mandate(0, 0, 0, 0, 0, 0))
        stored = self.registry.ask(self.now, "getDelegation", patient, delegate)
        fields = (mandate.not_before, mandate.expires_at, mandate.purposes, mandate.verbs, mandate.stamp, mandate.epoch)
        assert tuple(stored) == fields
        for verb in (GRANT, REVOKE):
            assert self.registry.ask(self.now, "isDelegate", patient, delegate, verb, 0) is person.may(
                delegate, verb, self.now
            )


TestAuthorityWalk = AuthorityWalk.TestCase
TestAuthorityWalk.pytestmark = [pytest.mark.contracts]
