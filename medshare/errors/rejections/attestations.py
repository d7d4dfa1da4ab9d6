"""Refusals of attestations (``Attestations``)."""

from __future__ import annotations

from dataclasses import dataclass

from medshare.errors.ledger import RejectedError


@dataclass(eq=False)
class AttestingNotAccreditedError(RejectedError):
    """Only an accredited assessor attests quality, and only an accredited custodian anchors receipts."""

    solidity = "AttestationsNotAccredited"
    hint = "ask a member of the consortium to accredit this one: medshare consortium accredit"
    actor: str


@dataclass(eq=False)
class SubjectIsZeroError(RejectedError):
    """A record id or a root of zeros."""

    solidity = "AttestationsSubjectIsZero"
    hint = "name a record, or a root"


@dataclass(eq=False)
class MethodMissingError(RejectedError):
    """A method is numbered from 1."""

    solidity = "AttestationsMethodMissing"
    hint = "name the method by its number, 1 or more"


@dataclass(eq=False)
class ScoreOutOfRangeError(RejectedError):
    """A score lies between 0 and 100."""

    solidity = "AttestationsScoreOutOfRange"
    hint = "state a score from 0 to 100"
    score: int


@dataclass(eq=False)
class CountIsZeroError(RejectedError):
    """Nothing is under the root."""

    solidity = "AttestationsCountIsZero"
    hint = "nothing needs to be said of nothing"


@dataclass(eq=False)
class RootKnownError(RejectedError):
    """This one has said this of this root already."""

    solidity = "AttestationsRootKnown"
    hint = "a root is stated once; nothing needs to be repeated"
    actor: str
    root: bytes


@dataclass(eq=False)
class UnknownAttestationError(RejectedError):
    """The assessor has attested no such record or root."""

    solidity = "AttestationsUnknown"
    hint = "see what was attested of a record: medshare quality show RECORD"
    assessor: str
    subject: bytes


@dataclass(eq=False)
class AttestationWithdrawnError(RejectedError):
    """The attestation was withdrawn before."""

    solidity = "AttestationsWithdrawn"
    hint = "it does not count any more; its assessor can attest it anew"
    assessor: str
    subject: bytes
