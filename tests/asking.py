"""Requests for access: their verbs in short, on the chains of ``evm.py``; what patients sign, and who is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from eth_utils import keccak
from evm import BUNDLE, HRESCH, NEVER, ZERO_ADDRESS, Call, Chain, Contract, Receipt, grant_id_of, pack_grant
from people import DAY
from signing import Domain, authorize, key_of, sign, signable

NATIVE = ZERO_ADDRESS
REWARD = 1_001
"""Does not divide evenly."""
WHOLE = 10_000
CONTENT, OTHER_CONTENT = b"\xc1" * 32, b"\xc2" * 32
DOCUMENT = b"\xd0" * 32
REASON = b"\xe1" * 32
NOBODY = b"\x00" * 32
NOT_INVITED: tuple[bytes, list[bytes]] = (bytes(32), [])
"""Of an open call nothing needs to be shown."""
COMMITTEE, OTHER_RESEARCHER = "0xbDA5747bFD65F08deb54cb465eB87D40e51B197E", "0xdD2FD4581271e230360230F9337D5c0430Bf44C0"
"""An ethics committee, and the researcher of another study; accounts of the nodes' mnemonic, with ether."""
SOMEWHERE = "0x1111111111111111111111111111111111111111"
"""Where money goes: nobody has been there before."""
HOSTILE_MANNERS = {
    "honest": 0,
    "takes a fee": 1,
    "gives more": 2,
    "returns nothing": 3,
    "says no": 4,
    "reverts": 5,
    "reenters": 8,
}
"""How HostileToken__Mock can behave in stories; what burns all gas is in test_hostile_tokens."""
UNKNOWN, AWAITING, OPEN, CANCELLED = range(4)
NONE, RESERVED, DELIVERED, DISPUTED, PAID, RETURNED = range(6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """IAccessRequests.Terms; without a deadline, 30 days from when it is sent."""

    purposes: int = HRESCH
    category: int = 1
    grants: int = 2
    deadline: int = 0
    access_days: int = 90
    token: str = NATIVE
    reward: int = REWARD
    document: bytes = DOCUMENT
    invitees: bytes = NOBODY
    minimum_score: int = 0
    quality_method: int = 0
    quality_weight: int = 0

    def but(self, **changes: Any) -> Terms:
        """Return other terms."""
        return replace(self, **changes)

    @property
    def budget(self) -> int:
        return self.reward * self.grants

    @property
    def access_until(self) -> int:
        return self.deadline + self.access_days * DAY

    @property
    def fields(self) -> tuple[Any, ...]:
        """As they are sent."""
        named = (self.purposes, self.category, self.grants, self.deadline, self.access_days)
        quality = (self.minimum_score, self.quality_method, self.quality_weight)
        return (*named, self.token, self.reward, self.document, self.invitees, *quality)


@dataclass(frozen=True, slots=True)
class RequestView:
    """IAccessRequests.Request."""

    requester: str
    deadline: int
    access_days: int
    purposes: int
    places: int
    status: int
    is_open_call: bool
    token: str
    grants: int
    delivered: int
    returned: int
    patient_share: int
    custodian_share: int
    category: int
    minimum_score: int
    reward: int
    dispute_period: int
    decision_period: int
    quality_method: int
    quality_weight: int
    document: bytes
    invitees: bytes


@dataclass(frozen=True, slots=True)
class ReservationView:
    """IAccessRequests.Reservation."""

    custodian: str
    since: int
    status: int
    score: int = 0


@dataclass(frozen=True, slots=True)
class Acceptance:
    """IAccessRequests.Acceptance."""

    patient: str
    custodian: str
    content: bytes
    bundle: bytes
    wanted: int
    authorization: int
    signature: bytes

    @property
    def fields(self) -> tuple[Any, ...]:
        """As they are sent."""
        named = (self.patient, self.custodian, self.content, self.bundle)
        return (*named, self.wanted, self.authorization, self.signature)


@dataclass(frozen=True, slots=True)
class Requests:
    """AccessRequests, and the ConsentRegistry that it sends patients' signatures to."""

    chain: Chain
    contract: Contract
    consents: Contract

    def _send(self, name: str, sender: str, *arguments: Any, **when: int) -> Receipt:
        return self.chain.send(self.contract.functions[name](*arguments), sender=sender, **when)

    def _ask(self, name: str, *arguments: Any) -> Any:
        return self.chain.call(self.contract.functions[name](*arguments))

    # asking

    def terms(self, **terms: Any) -> Terms:
        """Return terms that can be sent now."""
        return Terms(**{"deadline": self.chain.now + 30 * DAY, **terms})

    def open(self, requester: str, terms: Terms | None = None, *, value: int | None = None, **when: int) -> Receipt:
        terms = terms or self.terms()
        owed = terms.budget if terms.token == NATIVE else 0
        return self._send("open", requester, terms.fields, value=owed if value is None else value, **when)

    def opened(self, requester: str, terms: Terms | None = None) -> int:
        """Open and return the number."""
        return self.open(requester, terms).events[-1].values["id"]

    def approve(self, sender: str, request: int, **when: int) -> Receipt:
        return self._send("approveStudy", sender, request, **when)

    def cancel(self, sender: str, request: int, **when: int) -> Receipt:
        return self._send("cancel", sender, request, **when)

    def return_unearned(self, sender: str, request: int, **when: int) -> Receipt:
        return self._send("returnUnearned", sender, request, **when)

    # accepting

    def terms_for(self, request: int, custodian: str, content: bytes = CONTENT) -> bytes:
        """Return the terms digest that binds a grant to a request, as the interface describes it."""
        words = (_word(self.contract.address), request.to_bytes(32, "big"), _word(custodian), content)
        return keccak(b"".join(words))

    def grant_id(self, request: int, patient: str, custodian: str, content: bytes = CONTENT) -> int:
        requester = self.request(request).requester
        return grant_id_of(patient, requester, self.terms_for(request, custodian, content))

    def acceptance(
        self,
        request: int,
        patient: str,
        custodian: str,
        *,
        signer: str | None = None,
        key: str | None = None,
        mandate: int = 0,
        content: bytes = CONTENT,
        grantee: str | None = None,
        purposes: int | None = None,
        not_before: int = 0,
        expires_at: int = NEVER,
        epoch: int = 0,
        stamp: int = 0,
        deadline: int = NEVER,
    ) -> Acceptance:
        """Return what the patient signs to accept, or a signer for him by his mandate; `key` is whose key it is."""
        asked = self.request(request)
        message = {
            "patient": patient,
            "grantee": grantee or asked.requester,
            "terms": self.terms_for(request, custodian, content),
            "bundle": BUNDLE,
            "purposes": asked.purposes if purposes is None else purposes,
            "notBefore": not_before,
            "expiresAt": expires_at,
            "stamp": stamp,
            "epoch": epoch,
            "mandate": mandate,
            "deadline": deadline,
        }
        dates = (message["notBefore"], message["expiresAt"])
        wanted = pack_grant(message["grantee"], *dates, message["purposes"], stamp, epoch)
        domain = Domain("medshare ConsentRegistry", self.chain.chain_id, self.consents.address)
        signature = sign(key_of(key or signer or patient), signable(domain, "Grant", message))
        by = authorize(deadline, signer=signer, mandate=mandate)
        return Acceptance(patient, custodian, content, BUNDLE, wanted, by, signature)

    def accepting(
        self, request: int, acceptance: Acceptance, invitation: tuple[bytes, list[bytes]] = NOT_INVITED
    ) -> Call:
        return self.contract.functions.accept(request, acceptance.fields, invitation)

    def accept(
        self,
        sender: str,
        request: int,
        acceptance: Acceptance,
        invitation: tuple[bytes, list[bytes]] = NOT_INVITED,
        **when: int,
    ) -> Receipt:
        return self.chain.send(self.accepting(request, acceptance, invitation), sender=sender, **when)

    def grant_signed(self, acceptance: Acceptance, request: int) -> Call:
        """Return the call that sends an acceptance's signature to the ConsentRegistry itself."""
        terms = self.terms_for(request, acceptance.custodian, acceptance.content)
        trailing = (acceptance.bundle, acceptance.wanted, acceptance.authorization, acceptance.signature)
        return self.consents.functions.grantSigned(acceptance.patient, terms, *trailing)

    # delivering

    def deliver(
        self, sender: str, request: int, patient: str, *, content: bytes = CONTENT, score: int = 0, **when: int
    ) -> Receipt:
        return self._send("deliver", sender, request, patient, content, BUNDLE, score, **when)

    def decline(self, sender: str, request: int, patient: str, **when: int) -> Receipt:
        return self._send("decline", sender, request, patient, **when)

    def confirm(self, sender: str, request: int, patient: str, **when: int) -> Receipt:
        return self._send("confirm", sender, request, patient, **when)

    def dispute(self, sender: str, request: int, patient: str, **when: int) -> Receipt:
        return self._send("dispute", sender, request, patient, REASON, **when)

    def release(self, sender: str, request: int, patient: str, **when: int) -> Receipt:
        return self._send("release", sender, request, patient, **when)

    def call(self, name: str, *arguments: Any) -> Call:
        """Return a call that is for a vote to make."""
        return self.contract.functions[name](*arguments)

    # money

    def withdraw(self, sender: str, account: str, to: str, *, token: str = NATIVE, **when: int) -> Receipt:
        return self._send("withdraw", sender, account, token, to, **when)

    def credit(self, account: str, token: str = NATIVE) -> int:
        return self._ask("creditOf", account, token)

    def withdrawals(self, account: str) -> int:
        return self._ask("withdrawalsOf", account)

    def held(self) -> int:
        """Return how much of the chain's coin lies here."""
        return self.chain.balance(self.contract.address)

    # views

    def request(self, request: int) -> RequestView:
        return RequestView(*self._ask("getRequest", request))

    def reservation(self, request: int, patient: str) -> ReservationView:
        return ReservationView(*self._ask("getReservation", request, patient))

    def split(self, category: int) -> tuple[int, int, bool]:
        return tuple(self._ask("getSplit", category))

    def periods(self) -> tuple[int, int]:
        return tuple(self._ask("periods"))


def divide(reward: int, patient_share: int, custodian_share: int) -> tuple[int, int, int]:
    """Return what patient, custodian and consortium get: rounding is the patient's gain."""
    custodian = reward * custodian_share // WHOLE
    consortium = reward * (WHOLE - patient_share - custodian_share) // WHOLE
    return reward - custodian - consortium, custodian, consortium


def not_earned(to_custodian: int, weight: int, score: int) -> int:
    """Return what of the custodian's share goes back: rounding is his gain."""
    return to_custodian * weight * (100 - score) // (WHOLE * 100)


# ------------------------------------------------------------------------------------------------- who is asked


def leaf_of(patient: str, salt: bytes) -> bytes:
    """Return a patient's leaf, hashed twice."""
    return keccak(keccak(_word(patient) + salt))


def tree_of(leaves: Sequence[bytes]) -> tuple[bytes, list[list[bytes]]]:
    """Return the root over these leaves, and for each the proof that leads to it; an odd one goes up alone."""
    proofs: list[list[bytes]] = [[] for _ in leaves]
    level = [(leaf, [index]) for index, leaf in enumerate(leaves)]
    while len(level) > 1:
        above = []
        for left, right in zip(level[::2], level[1::2], strict=False):
            for index in left[1]:
                proofs[index].append(right[0])
            for index in right[1]:
                proofs[index].append(left[0])
            above.append((parent_of(left[0], right[0]), left[1] + right[1]))
        level = above + ([level[-1]] if len(level) % 2 else [])
    return level[0][0], proofs


def parent_of(one: bytes, other: bytes) -> bytes:
    """Return the node above two, whichever comes first."""
    return keccak(min(one, other) + max(one, other))


def _word(account: str) -> bytes:
    return bytes(12) + bytes.fromhex(account[2:])
