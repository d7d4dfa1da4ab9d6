"""Refusals of what was signed (``Signed``)."""

from __future__ import annotations

from dataclasses import dataclass

from medshare.errors.ledger import RejectedError, moment


@dataclass(eq=False)
class DeadlinePassedError(RejectedError):
    """The signature comes too late; sign anew."""

    solidity = "SignedDeadlinePassed"
    hint = "sign anew, with a later deadline"
    deadline: int

    def _message(self) -> str:
        return f"the signature could be sent until {moment(self.deadline)}, it is too late"


@dataclass(eq=False)
class SignatureInvalidError(RejectedError):
    """The signature is not the signer's for this meaning, chain, contract and state."""

    solidity = "SignedSignatureInvalid"
    hint = "check who signed, and that network and deployment are the same on both sides"
    signer: str

    def _message(self) -> str:
        return f"the signature is not {self.signer}'s for this message, chain and contract"


@dataclass(eq=False)
class SignedOutdatedError(RejectedError):
    """What was signed counts from a state that has passed: it was used, or something came in between."""

    solidity = "SignedOutdated"
    hint = "look what the chain shows now; if it is not done yet, sign anew"
    signed: int
    current: int
