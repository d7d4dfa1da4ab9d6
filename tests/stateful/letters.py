"""Signed messages in stories: who signed what, with which flaw, and how it is sent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from signed_cases import CASES, NAMING_THE_SIGNER
from signing import authorize, sign, signable
from stage import GUARDIANS, KEYS, Stage, stage

from medshare.model.ids import Address
from medshare.model.typed_data import Signable, SignableRecover

_FORMS = {case.struct: case for case in CASES}
FORGERIES = ("altered", "other key", "other chain", "one bit")
MISCOUNTS = ("later", "earlier", "stamp", "mandate")


@dataclass(frozen=True)
class Letter:
    """A message, whose word it is said to be, and a signature of it or of something else."""

    message: Signable
    signer: Address
    is_genuine: bool
    signature: bytes

    @property
    def contract(self) -> str:
        return self.message.contract

    @property
    def call(self) -> tuple[Any, ...]:
        """The signed form's name and arguments."""
        values = {name: value for name, _, value in self.message.values()}
        case, deadline = _FORMS[self.message.struct()], self.message.deadline
        trailing: tuple[Any, ...] = (deadline,)
        if self.contract == "ConsentRegistry":
            signer = None if self.signer == self.message.subject else self.signer
            trailing = (authorize(deadline, signer=signer, mandate=values["mandate"]),)
        elif self.contract in NAMING_THE_SIGNER:
            trailing = (self.signer, deadline)
        return (case.verb, *case.arguments(values), *trailing, self.signature)

    def __repr__(self) -> str:
        genuine = "" if self.is_genuine else "forged "
        return f"{genuine}{self.message} of {self.signer[:6]}"


def write(message: Signable, signer: Address, forgery: str | None, other: Address) -> Letter:
    """Return the message as ``signer`` signs it, or as somebody pretends that he did."""
    by = other if forgery == "other key" else signer
    meant = replace(message, deadline=message.deadline ^ 64) if forgery == "altered" else message
    signature = _signature(by, meant, forgery == "other chain")
    if forgery == "one bit":
        signature = signature[:40] + bytes([signature[40] ^ 1]) + signature[41:]
    is_genuine = forgery is None or (forgery == "other key" and other == signer)
    return Letter(message=message, signer=signer, is_genuine=is_genuine, signature=signature)


def approve(guardian: Address, message: SignableRecover) -> bytes:
    """Return a guardian's signature of a recovery."""
    return _signature(guardian, message, False)


@cache
def _signature(by: Address, message: Signable, elsewhere: bool) -> bytes:
    on: Stage = stage()
    domain = on.domain(message.contract)
    if elsewhere:
        domain = domain.but(chain_id=domain.chain_id + 1)
    values = {name: value for name, _, value in message.values()}
    return sign({**KEYS, **GUARDIANS}[by], signable(domain, message.struct(), values))
