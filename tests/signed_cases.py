"""Each signed verb, by each who may sign it, beside the direct form that must do the same.

A case says what must be there before, what is signed, how it is sent, and what refuses it the second time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from evm import (
    BUNDLE,
    HRESCH,
    NEVER,
    RESEARCHER_KIND,
    TERMS,
    TREAT,
    ZERO_ADDRESS,
    Call,
    Chain,
    Contract,
    Contracts,
    Ledger,
    Receipt,
    _mapping_slot,
    _slot,
    grant_id_of,
    pack_grant,
)
from institutions import Institutions
from people import BOTH, DAY, Authority, Circle, Emergencies, episode_id_of, guardians, pack_delegation
from signing import Domain, authorize, key_of, sign, signable

Message = dict[str, Any]

KEY, RECORD, NEXT_RECORD, REASON = b"\xc1" * 32, b"\xc2" * 32, b"\xc3" * 32, b"\xc4" * 32
CIRCLE = Circle(guardians(3), 2)
NEW_KEY = "0x00000000000000000000000000000000000000e1"
FAR = NEVER
"""A deadline that no test reaches."""
NAMING_THE_SIGNER = frozenset({"EmergencyAccess", "AccessRequests"})
"""Contracts that ask the ConsentRegistry who is in control, and are told who signed."""
EARNED = 1_000


@dataclass(frozen=True, slots=True)
class Scene:
    """Our contracts on one chain, and who takes part."""

    chain: Chain
    contracts: Contracts
    actors: Any
    emergencies: Emergencies | None = None

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.chain, self.contracts)

    @property
    def authority(self) -> Authority:
        return Authority(self.chain, self.contracts.consents)

    def contract(self, name: str) -> Contract:
        if name == "EmergencyAccess":
            return self.emergencies.contract
        return {
            "ConsentRegistry": self.contracts.consents,
            "Consortium": self.contracts.consortium,
            "RecordRegistry": self.contracts.records,
            "AccessRequests": self.contracts.requests,
        }[name]

    def domain(self, name: str) -> Domain:
        return Domain(f"medshare {name}", self.chain.chain_id, self.contract(name).address)

    # signing and sending

    def sign(self, case: Case, message: Message, *, by: str | None = None, **how: Any) -> bytes:
        """Return the signature of who the case says, or of another; with `domain` or `called`, of another meaning."""
        domain = how.pop("domain", None) or self.domain(case.contract)
        key = key_of(by or getattr(self.actors, case.by))
        return sign(key, signable(domain, case.struct, message, **how))

    def form(self, case: Case, message: Message, signature: bytes, **changes: Any) -> Call:
        """Return the signed form; `signer`, `mandate` and `unused` change what goes with the signature."""
        signer = changes.pop("signer", getattr(self.actors, case.by))
        deadline = message["deadline"]
        if case.contract == "ConsentRegistry":
            is_patients = case.is_patients and signer == getattr(self.actors, case.by)
            mandate = changes.pop("mandate", message["mandate"])
            word = authorize(deadline, signer=None if is_patients else signer, mandate=mandate, **changes)
            trailing: tuple[Any, ...] = (word,)
        elif case.contract in NAMING_THE_SIGNER:
            trailing = (signer, deadline)
        else:
            trailing = (deadline,)
        function = self.contract(case.contract).functions[case.verb]
        return function(*case.arguments(message), *trailing, signature)

    def signed(self, case: Case, message: Message | None = None, **how: Any) -> Call:
        """Return the signed form with the signature that belongs to it."""
        message = message or self.message(case)
        return self.form(case, message, self.sign(case, message, **how))

    def message(self, case: Case, *, deadline: int = FAR, **changes: Any) -> Message:
        """Return what is signed, as the chain stands."""
        message = case.message(self)
        if case.contract == "ConsentRegistry":
            message["mandate"] = case.mandate
        return {**message, "deadline": deadline, **changes}

    def relay(self, function: Call, **when: Any) -> Receipt:
        """Send it as somebody who has nothing to do with it."""
        return self.chain.send(function, sender=self.actors.stranger, **when)

    def observe(self, case: Case) -> Any:
        """Return all that the verb can change."""
        return case.observe(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One signed verb by one who may sign it."""

    verb: str
    struct: str
    contract: str
    message: Callable[[Scene], Message]
    arguments: Callable[[Message], tuple[Any, ...]]
    direct: Callable[[Scene, Message], Call]
    observe: Callable[[Scene], Any]
    again: str
    by: str = "patient"
    role: str = "patient"
    mandate: int = 0
    prepare: tuple[Callable[[Scene], object], ...] = ()
    of_state: frozenset[str] = frozenset()
    """Members that are not sent: the contract has them."""

    @property
    def is_patients(self) -> bool:
        return self.role == "patient"

    @property
    def name(self) -> str:
        return f"{self.verb} by {self.role}"

    def set_up(self, scene: Scene) -> None:
        for step in self.prepare:
            step(scene)


# --------------------------------------------------------------------------------------------- what must be there


def control_moved(scene: Scene) -> None:
    """The researcher's key took over for the patient."""
    scene.authority.store_control(scene.actors.patient, controller=int(scene.actors.researcher, 16), tenure=1)


def delegate_appointed(scene: Scene) -> None:
    """The researcher may do everything that can be delegated."""
    scene.authority.appoint(scene.actors.patient, scene.actors.researcher)


def granted(scene: Scene) -> None:
    """The doctor may read."""
    scene.ledger.grant(scene.actors.patient, scene.actors.doctor)


def helper_appointed(scene: Scene) -> None:
    """There is somebody to dismiss."""
    scene.authority.appoint(scene.actors.patient, scene.actors.other_custodian)


def recovery_proposed(scene: Scene) -> None:
    """Guardians want another key for the patient."""
    patient = scene.actors.patient
    scene.authority.name_guardians(patient, patient, CIRCLE.digest(patient))
    signatures = scene.authority.sign(CIRCLE.guardians[:2], CIRCLE, patient, NEW_KEY, attempt=1)
    scene.authority.propose(patient, NEW_KEY, CIRCLE, signatures, sender=scene.actors.stranger)


def glass_broken(scene: Scene) -> None:
    """The doctor has an episode for the patient."""
    scene.emergencies.accredit(scene.actors.doctor)
    scene.emergencies.break_glass(scene.actors.doctor, scene.actors.patient)


def earned(scene: Scene) -> None:
    """The patient has a credit in the chain's own coin, and there is as much to pay it from."""
    terms = (HRESCH, 1, 1, FAR, 0, ZERO_ADDRESS, EARNED, KEY, REASON, 0, 0, 0)
    member = scene.actors.member
    Institutions(scene.chain, scene.contracts.consortium).accredit(member, member, RESEARCHER_KIND)
    scene.chain.send(scene.contracts.requests.functions.open(terms), sender=member, value=EARNED)
    slot = _mapping_slot(_mapping_slot(_slot("AccessRequests", "_credits"), scene.actors.patient), ZERO_ADDRESS)
    scene.chain.store(scene.contracts.requests.address, slot, EARNED)


def registered(scene: Scene) -> None:
    """The custodian has a record."""
    scene.ledger.register(scene.actors.custodian, RECORD, scene.actors.patient)


# ------------------------------------------------------------------------------------------------------ each verb


def _grant_word(message: Message) -> int:
    names = ("grantee", "notBefore", "expiresAt", "purposes", "stamp", "epoch")
    return pack_grant(*(message[name] for name in names))


def _delegation_word(message: Message) -> int:
    names = ("notBefore", "expiresAt", "purposes", "verbs")
    return pack_delegation(*(message[name] for name in names), stamp=message["stamp"], epoch=message["epoch"])


def _grant_slot(scene: Scene) -> Any:
    grant_id = grant_id_of(scene.actors.patient, scene.actors.doctor)
    stamp = scene.ledger.stamp(scene.actors.patient)
    return scene.ledger.balance(scene.actors.doctor, grant_id), scene.ledger.get_grant(grant_id), stamp


def _records(*record_ids: bytes) -> Callable[[Scene], Any]:
    return lambda scene: [scene.ledger.record(scene.actors.custodian, each) for each in record_ids]


def _key(scene: Scene) -> Any:
    return scene.chain.call(scene.contracts.consortium.functions.getEncryptionKey(scene.actors.doctor))


def _credit(scene: Scene) -> Any:
    do, patient = scene.contracts.requests.functions, scene.actors.patient
    asked = (do.creditOf(patient, ZERO_ADDRESS), do.withdrawalsOf(patient))
    return *map(scene.chain.call, asked), scene.chain.balance(NEW_KEY)


def _consents(verb: str, *arguments: str) -> Callable[[Scene, Message], Call]:
    return lambda scene, message: scene.contracts.consents.functions[verb](*(message[name] for name in arguments))


GRANT: Mapping[str, Any] = {
    "verb": "grantSigned",
    "struct": "Grant",
    "contract": "ConsentRegistry",
    "message": lambda scene: {
        "patient": scene.actors.patient,
        "grantee": scene.actors.doctor,
        "terms": TERMS,
        "bundle": BUNDLE,
        "purposes": TREAT,
        "notBefore": 0,
        "expiresAt": NEVER,
        "stamp": 0,
        "epoch": 0,
    },
    "arguments": lambda message: (message["patient"], message["terms"], message["bundle"], _grant_word(message)),
    "observe": _grant_slot,
    "again": "SignedOutdated",
}
REVOKE: Mapping[str, Any] = {
    "verb": "revokeSigned",
    "struct": "Revoke",
    "contract": "ConsentRegistry",
    "prepare": (granted,),
    "message": lambda scene: {
        "patient": scene.actors.patient,
        "grantId": grant_id_of(scene.actors.patient, scene.actors.doctor),
        "lastEpoch": 1,
    },
    "arguments": lambda message: (message["grantId"], message["lastEpoch"]),
    "direct": _consents("revoke", "grantId"),
    "observe": _grant_slot,
    "again": "SignedOutdated",
}
REVOKE_ALL: Mapping[str, Any] = {
    "verb": "revokeAllSigned",
    "struct": "RevokeAll",
    "contract": "ConsentRegistry",
    "prepare": (granted,),
    "message": lambda scene: {"patient": scene.actors.patient, "stamp": 0},
    "arguments": lambda message: (message["patient"], message["stamp"]),
    "direct": _consents("revokeAll", "patient"),
    "observe": _grant_slot,
    "again": "SignedOutdated",
}
APPOINT: Mapping[str, Any] = {
    "verb": "appointSigned",
    "struct": "Appoint",
    "contract": "ConsentRegistry",
    "message": lambda scene: {
        "patient": scene.actors.patient,
        "delegate": scene.actors.other_custodian,
        "verbs": BOTH,
        "purposes": TREAT,
        "notBefore": 0,
        "expiresAt": NEVER,
        "stamp": 0,
        "epoch": 0,
    },
    "arguments": lambda message: (message["patient"], message["delegate"], _delegation_word(message)),
    "direct": lambda scene, message: scene.contracts.consents.functions.appoint(
        message["patient"], message["delegate"], _delegation_word(message)
    ),
    "observe": lambda scene: scene.authority.slots_of(scene.actors.patient, scene.actors.other_custodian),
    "again": "SignedOutdated",
}
DISMISS: Mapping[str, Any] = {
    "verb": "dismissSigned",
    "struct": "Dismiss",
    "contract": "ConsentRegistry",
    "prepare": (helper_appointed,),
    "message": lambda scene: {
        "patient": scene.actors.patient,
        "delegate": scene.actors.other_custodian,
        "lastEpoch": 1,
    },
    "arguments": lambda message: (message["patient"], message["delegate"], message["lastEpoch"]),
    "direct": _consents("dismiss", "patient", "delegate"),
    "observe": lambda scene: scene.authority.slots_of(scene.actors.patient, scene.actors.other_custodian),
    "again": "SignedOutdated",
}
NAME_GUARDIANS: Mapping[str, Any] = {
    "verb": "nameGuardiansSigned",
    "struct": "NameGuardians",
    "contract": "ConsentRegistry",
    "message": lambda scene: {
        "patient": scene.actors.patient,
        "circle": CIRCLE.digest(scene.actors.patient),
        "delay": 2 * DAY,
        "changes": 0,
    },
    "arguments": lambda message: tuple(message[name] for name in ("patient", "circle", "delay", "changes")),
    "direct": _consents("nameGuardians", "patient", "circle", "delay"),
    "observe": lambda scene: scene.authority.slots_of(scene.actors.patient, scene.actors.other_custodian),
    "again": "SignedOutdated",
}
OBJECT: Mapping[str, Any] = {
    "verb": "objectToRecoverySigned",
    "struct": "ObjectToRecovery",
    "contract": "ConsentRegistry",
    "prepare": (recovery_proposed,),
    "message": lambda scene: {"patient": scene.actors.patient, "attempt": 1},
    "arguments": lambda message: (message["patient"],),
    "direct": _consents("objectToRecovery", "patient"),
    "observe": lambda scene: scene.authority.slots_of(scene.actors.patient, scene.actors.other_custodian),
    "again": "AuthorityNoRecovery",
    "of_state": frozenset({"attempt"}),
}
END: Mapping[str, Any] = {
    "verb": "endSigned",
    "struct": "EndEpisode",
    "contract": "EmergencyAccess",
    "prepare": (glass_broken,),
    "message": lambda scene: {"episodeId": episode_id_of(scene.actors.doctor, 1)},
    "arguments": lambda message: (message["episodeId"],),
    "direct": lambda scene, message: scene.emergencies.contract.functions.end(message["episodeId"]),
    "observe": lambda scene: scene.emergencies.episode(episode_id_of(scene.actors.doctor, 1)),
    "again": "EmergencyAccessEpisodeOver",
}
SET_BAR: Mapping[str, Any] = {
    "verb": "setBarSigned",
    "struct": "SetBar",
    "contract": "EmergencyAccess",
    "message": lambda scene: {"patient": scene.actors.patient, "barred": True, "count": 0},
    "arguments": lambda message: (message["patient"], message["barred"], message["count"]),
    "direct": lambda scene, message: scene.emergencies.contract.functions.setBar(message["patient"], message["barred"]),
    "observe": lambda scene: scene.emergencies.bar(scene.actors.patient),
    "again": "SignedOutdated",
}
WITHDRAW: Mapping[str, Any] = {
    "verb": "withdrawSigned",
    "struct": "Withdraw",
    "contract": "AccessRequests",
    "prepare": (earned,),
    "message": lambda scene: {
        "account": scene.actors.patient,
        "token": ZERO_ADDRESS,
        "to": NEW_KEY,
        "count": 0,
    },
    "arguments": lambda message: tuple(message[name] for name in ("account", "token", "to", "count")),
    "direct": lambda scene, message: scene.contracts.requests.functions.withdraw(
        message["account"], message["token"], message["to"]
    ),
    "observe": _credit,
    "again": "SignedOutdated",
}
RECORDS: Mapping[str, Any] = {
    "contract": "RecordRegistry",
    "by": "custodian",
    "role": "custodian",
}


def _records_form(verb: str, *arguments: str) -> Callable[[Scene, Message], Call]:
    return lambda scene, message: scene.contracts.records.functions[verb](*(message[name] for name in arguments))


def _own(case: Mapping[str, Any], **changes: Any) -> Case:
    return Case(**{**case, **changes})


def _controllers(case: Mapping[str, Any], **changes: Any) -> Case:
    """The same verb by the key that took over, which acts under its tenure."""
    prepare = (*case.get("prepare", ()), control_moved)
    return Case(**{**case, **changes, "prepare": prepare, "by": "researcher", "role": "controller", "mandate": 1})


def _delegates(case: Mapping[str, Any], **changes: Any) -> Case:
    """The same verb by a delegate, who acts under the epoch of his appointment."""
    prepare = (*case.get("prepare", ()), delegate_appointed)
    return Case(**{**case, **changes, "prepare": prepare, "by": "researcher", "role": "delegate", "mandate": 1})


def _grant_for(scene: Scene, message: Message) -> Call:
    return scene.contracts.consents.functions.grantFor(*GRANT["arguments"](message))


OWN_GRANT = _own(
    GRANT, direct=lambda scene, message: scene.contracts.consents.functions.grant(*GRANT["arguments"](message)[1:])
)
OWN_REVOKE, OWN_REVOKE_ALL, OWN_APPOINT = _own(REVOKE), _own(REVOKE_ALL), _own(APPOINT)
OWN_DISMISS, OWN_NAME_GUARDIANS, OWN_OBJECT = _own(DISMISS), _own(NAME_GUARDIANS), _own(OBJECT)
OWN_END, OWN_SET_BAR, OWN_WITHDRAW = _own(END), _own(SET_BAR), _own(WITHDRAW)
DELEGATES_GRANT, DELEGATES_REVOKE = _delegates(GRANT, direct=_grant_for), _delegates(REVOKE)
CONTROLLERS_GRANT, CONTROLLERS_REVOKE = _controllers(GRANT, direct=_grant_for), _controllers(REVOKE)
RESIGN = Case(**{**DISMISS, "by": "other_custodian", "role": "delegate", "mandate": 1})
SET_KEY = Case(
    verb="setEncryptionKeySigned",
    struct="SetEncryptionKey",
    contract="Consortium",
    by="doctor",
    role="actor",
    message=lambda scene: {"actor": scene.actors.doctor, "key": KEY, "version": 1},
    arguments=lambda message: (message["actor"], message["key"], message["version"]),
    direct=lambda scene, message: scene.contracts.consortium.functions.setEncryptionKey(message["key"]),
    observe=_key,
    again="SignedOutdated",
)
REGISTER = Case(
    **RECORDS,
    verb="registerSigned",
    struct="Register",
    message=lambda scene: {
        "custodian": scene.actors.custodian,
        "recordId": RECORD,
        "patient": scene.actors.patient,
    },
    arguments=lambda message: (message["custodian"], message["recordId"], message["patient"]),
    direct=_records_form("register", "recordId", "patient"),
    observe=_records(RECORD),
    again="RecordRegistryRecordExists",
)
SUPERSEDE = Case(
    **RECORDS,
    verb="supersedeSigned",
    struct="Supersede",
    prepare=(registered,),
    message=lambda scene: {"custodian": scene.actors.custodian, "recordId": NEXT_RECORD, "previousId": RECORD},
    arguments=lambda message: (message["custodian"], message["recordId"], message["previousId"]),
    direct=_records_form("supersede", "recordId", "previousId"),
    observe=_records(RECORD, NEXT_RECORD),
    again="RecordRegistryRecordNotActive",
)
RETRACT = Case(
    **RECORDS,
    verb="retractSigned",
    struct="Retract",
    prepare=(registered,),
    message=lambda scene: {"custodian": scene.actors.custodian, "recordId": RECORD, "reason": REASON},
    arguments=lambda message: (message["custodian"], message["recordId"], message["reason"]),
    direct=_records_form("retract", "recordId", "reason"),
    observe=_records(RECORD),
    again="RecordRegistryRecordNotActive",
)

ANCHOR_BATCH = Case(
    **RECORDS,
    verb="anchorBatchSigned",
    struct="AnchorBatch",
    message=lambda scene: {
        "custodian": scene.actors.custodian,
        "root": RECORD,
        "catalogue": REASON,
        "records": 1_000,
    },
    arguments=lambda message: (message["custodian"], message["root"], message["catalogue"], message["records"]),
    direct=_records_form("anchorBatch", "root", "catalogue", "records"),
    observe=lambda scene: scene.chain.call(scene.contracts.records.functions.getBatch(scene.actors.custodian, RECORD)),
    again="RecordRegistryBatchExists",
)

CASES = (
    SET_KEY,
    REGISTER,
    SUPERSEDE,
    RETRACT,
    ANCHOR_BATCH,
    OWN_GRANT,
    OWN_REVOKE,
    OWN_REVOKE_ALL,
    OWN_APPOINT,
    OWN_DISMISS,
    OWN_NAME_GUARDIANS,
    OWN_OBJECT,
    OWN_END,
    OWN_SET_BAR,
    OWN_WITHDRAW,
    DELEGATES_GRANT,
    DELEGATES_REVOKE,
    RESIGN,
    CONTROLLERS_GRANT,
    CONTROLLERS_REVOKE,
    *map(_controllers, (REVOKE_ALL, APPOINT, DISMISS, NAME_GUARDIANS, OBJECT, END, SET_BAR, WITHDRAW)),
)
BY_PATIENT = tuple(case for case in CASES if case.is_patients)
