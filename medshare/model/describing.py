"""What a message means, in plain words, for the person who is asked to sign it.

Every member is told, none twice, and what cannot be undone is told first. Where a wallet shows numbers and hex, this
shows whom, what for and until when.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from medshare.hashing import DIGEST_SIZE
from medshare.model.delegation import ALL_VERBS, Verbs
from medshare.model.eip712 import Domain, Value
from medshare.model.ids import Address, clinician_of, patient_of
from medshare.model.purpose import Purpose
from medshare.model.request import NATIVE
from medshare.model.telling import Names, lasting, moment, who
from medshare.model.typed_data import (
    Signable,
    SignableAnchorBatch,
    SignableAppoint,
    SignableDismiss,
    SignableEndEpisode,
    SignableGrant,
    SignableNameGuardians,
    SignableObjectToRecovery,
    SignableRecover,
    SignableRegister,
    SignableRetract,
    SignableRevoke,
    SignableRevokeAll,
    SignableSetBar,
    SignableSetEncryptionKey,
    SignableSupersede,
    SignableWithdraw,
    check_contract,
)

WARNING = "warning"
"""Label of the lines that come first."""

_VERBS = ((Verbs.GRANT, "grant access"), (Verbs.REVOKE, "revoke access"))
_LONG_GRANT = 366 * 86_400

MEANINGS = {
    "TREAT": "treatment",
    "ETREAT": "emergency treatment",
    "HPAYMT": "payment for healthcare",
    "HOPERAT": "healthcare operations",
    "HRESCH": "research",
    "PATRQT": "at the patient's request",
    "PUBHLTH": "public health",
    "HMARKT": "marketing",
    "BTG": "break-glass, in an emergency",
}
"""Purposes in words a patient knows, by HL7's code."""


class Line(NamedTuple):
    """One line for a person."""

    label: str
    text: str


def describe(message: Signable, domain: Domain, *, names: Names, now: int) -> tuple[Line, ...]:
    """Return what is signed, line by line, warnings first.

    Args:
        message: what is to be signed.
        domain: for which contract, on which chain.
        names: asked for each address.
        now: Unix seconds; times are told with how far away they are.

    Raises:
        WrongDomainError: the domain is another contract's.
    """
    check_contract(message, domain)
    told = _Teller(names=names, now=now)
    return (
        *(Line(WARNING, text) for text in _warnings(message, told)),
        Line("you sign", _ACTS[type(message)]),
        *(_member(told, name, value) for name, _, value in message.values()),
        Line("at the contract", f"{domain.name}, {domain.verifying_contract}"),
        Line("on the chain", str(domain.chain_id)),
    )


# --------------------------------------------------------------------------------------------- warnings


_ACTS: dict[type[Signable], str] = {
    SignableSetEncryptionKey: "a new encryption key",
    SignableRegister: "that you hold a record of a patient",
    SignableSupersede: "that a new version takes the place of a record",
    SignableRetract: "that a record is withdrawn",
    SignableAnchorBatch: "that you hold very many records of patients, as a batch",
    SignableGrant: "access for a reader",
    SignableRevoke: "the end of a grant",
    SignableRevokeAll: "the end of everything granted, delegated or signed so far",
    SignableAppoint: "a delegate, who may act for the patient",
    SignableDismiss: "the end of a delegation",
    SignableNameGuardians: "the guardians of the patient's key",
    SignableRecover: "as a guardian, a new key for a patient who lost his",
    SignableObjectToRecovery: "an objection: the key is not lost",
    SignableEndEpisode: "the end of an emergency episode",
    SignableSetBar: "whether the glass may be broken in an emergency",
    SignableWithdraw: "that all of a credit is paid out",
}


_WARNINGS: dict[type[Signable], tuple[str, ...]] = {
    SignableSetEncryptionKey: (
        "What is sent to you from now on opens with this key only.",
        "Keep the earlier key: what came before opens with no other.",
    ),
    SignableRegister: ("That you hold a record of this patient becomes public, and stays so.",),
    SignableSupersede: ("This cannot be undone.",),
    SignableRetract: ("This cannot be undone.",),
    SignableAnchorBatch: ("That you have published so many records becomes public, and stays so.",),
    SignableRevoke: ("What has been read stays with the reader.",),
    SignableRevokeAll: ("Everything granted and every delegation ends. Each must be given anew, by a new signature.",),
    SignableDismiss: ("What the delegate has granted stays; revoke it, or revoke everything.",),
    SignableEndEpisode: ("Its clinician gets no further keys. What has been read stays with him.",),
    SignableSetBar: ("If you come in unconscious, you will be treated without your records.",),
}


def _warnings(message: Signable, told: _Teller) -> Iterator[str]:
    match message:
        case SignableGrant():
            yield (
                f"This lets {told.who(message.grantee)} read the records that the terms name, for"
                f" {told.purposes(message.purposes)}, until {told.moment(message.expires_at)}."
            )
            yield "What has been read cannot be taken back: revoking ends what comes after it."
            yield from _unknown(message.grantee, told)
            if message.expires_at - max(message.not_before, told.now) > _LONG_GRANT:
                yield "This is for longer than a year."
        case SignableAppoint():
            yield from _appointing(message, told)
        case SignableNameGuardians(circle=circle) if not any(circle):
            yield "If you lose your key, nobody can give you a new one: what it opens is lost."
        case SignableNameGuardians():
            yield (
                "Enough of the guardians together can put another key in your place,"
                f" {told.lasting(message.delay)} after they propose it, unless you object."
            )
        case SignableRecover():
            yield (
                f"This helps to put all that {told.who(message.patient)} may do into the hands of"
                f" {told.who(message.controller)}. Speak with the patient first, in person or by voice."
            )
            yield from _unknown(message.controller, told)
        case SignableSetBar(barred=False):
            yield "An accredited clinician can open your records in an emergency, without asking you."
        case SignableWithdraw():
            yield f"All of this credit goes to {told.who(message.to)}, and cannot be called back."
            if message.to != message.account:
                yield from _unknown(message.to, told)
        case _:
            yield from _WARNINGS.get(type(message), ())


def _appointing(message: SignableAppoint, told: _Teller) -> Iterator[str]:
    if Verbs.GRANT in message.verbs:
        yield (
            f"This lets {told.who(message.delegate)} open the patient's records to anybody, without asking, for"
            f" {told.purposes(message.purposes)}, until {told.moment(message.expires_at)}."
        )
        yield "What others have read by then cannot be taken back."
    if Verbs.REVOKE in message.verbs:
        yield f"This lets {told.who(message.delegate)} take back what the patient has granted."
    yield from _unknown(message.delegate, told)


def _unknown(address: Address, told: _Teller) -> Iterator[str]:
    if told.names(address) is None:
        yield f"You have no name for {address}: make sure that it is whom you mean."


# ----------------------------------------------------------------------------------------------- members


@dataclass(frozen=True, slots=True, kw_only=True)
class _Teller:
    """Says values in words."""

    names: Names
    now: int

    def who(self, address: Address) -> str:
        return who(address, self.names)

    def purposes(self, purposes: Purpose) -> str:
        known = [f"{MEANINGS[code]} ({code})" for code in purposes.codes]
        rest = int(purposes) & ~sum(Purpose)
        return ", ".join([*known, *([f"purposes unknown here (bits {rest:#x})"] if rest else [])]) or "no purpose"

    def verbs(self, verbs: Verbs) -> str:
        said = [text for verb, text in _VERBS if verb in verbs]
        rest = int(verbs) & ~int(ALL_VERBS)
        return ", ".join([*said, *([f"things unknown here (bits {rest:#x})"] if rest else [])]) or "nothing"

    def moment(self, at: int) -> str:
        return moment(at, self.now)

    def beginning(self, at: int) -> str:
        return self.moment(at) if at > self.now else "as soon as it is on chain"

    def lasting(self, seconds: int) -> str:
        return lasting(seconds)

    def token(self, token: Address) -> str:
        return "the chain's own coin" if token == NATIVE else self.who(token)

    def hexed(self, value: bytes) -> str:
        return f"0x{value.hex()}" if value != bytes(DIGEST_SIZE) else "none"

    def mandate(self, value: int) -> str:
        return "the patient's own key" if value == 0 else f"mandate {value}: you act for the patient"


def _plain(_told: _Teller, value: Value) -> str:
    return str(value)


def _count(meaning: str) -> Callable[[_Teller, Value], str]:
    return lambda _told, value: f"{value} ({meaning})"


_STANDING = "must still be so when it is sent"
_MEMBERS: dict[str, tuple[str, Callable[[_Teller, Value], str]]] = {
    "actor": ("whose key", _Teller.who),
    "patient": ("patient", _Teller.who),
    "custodian": ("custodian", _Teller.who),
    "grantee": ("who shall read", _Teller.who),
    "delegate": ("delegate", _Teller.who),
    "controller": ("who takes over", _Teller.who),
    "account": ("whose credit", _Teller.who),
    "token": ("paid in", _Teller.token),
    "to": ("paid to", _Teller.who),
    "key": ("encryption key", _Teller.hexed),
    "version": ("version of the key", _plain),
    "recordId": ("record", _Teller.hexed),
    "root": ("root of the batch", _Teller.hexed),
    "catalogue": ("digest of its catalogue", _Teller.hexed),
    "records": ("records in it", _plain),
    "previousId": ("record that it follows", _Teller.hexed),
    "reason": ("salted digest of the reason", _Teller.hexed),
    "terms": ("salted digest of the terms", _Teller.hexed),
    "bundle": ("digest of the key bundle", _Teller.hexed),
    "circle": ("salted digest of the guardians", _Teller.hexed),
    "changes": ("changes of guardians so far", _plain),
    "purposes": ("purposes", _Teller.purposes),
    "verbs": ("may", _Teller.verbs),
    "notBefore": ("from", _Teller.beginning),
    "expiresAt": ("until", _Teller.moment),
    "delay": ("time to object", _Teller.lasting),
    "grantId": ("grant", lambda told, value: f"{value:#066x}, of {told.who(patient_of(value))}"),
    "episodeId": ("episode", lambda told, value: f"{value:#066x}, of clinician {told.who(clinician_of(value))}"),
    "barred": ("break-glass", lambda _told, value: "barred" if value else "allowed"),
    "stamp": ("how often everything was revoked", _count(_STANDING)),
    "epoch": ("how often this was changed", _count(_STANDING)),
    "lastEpoch": ("ends every change up to", _plain),
    "attempt": ("which proposal of a recovery", _plain),
    "count": ("how often this was done before", _count(_STANDING)),
    "mandate": ("signed with", _Teller.mandate),
    "deadline": ("can be sent until", _Teller.moment),
}


def _member(told: _Teller, name: str, value: Value) -> Line:
    label, say = _MEMBERS[name]
    return Line(label, say(told, value))
