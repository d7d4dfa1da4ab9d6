"""Refusals of grants and of their tokens (``ConsentRegistry``, ``AccessToken``)."""

from __future__ import annotations

from dataclasses import dataclass

from medshare.errors.ledger import RejectedError, moment


@dataclass(eq=False)
class GranteeIsZeroError(RejectedError):
    """Access cannot be granted to the zero address."""

    solidity = "ConsentRegistryGranteeIsZero"
    hint = "name the reader's address"


@dataclass(eq=False)
class GranteeIsPatientError(RejectedError):
    """A patient needs no grant for his own records."""

    solidity = "ConsentRegistryGranteeIsPatient"
    hint = "the patient reads without a grant; name another reader"
    patient: str


@dataclass(eq=False)
class PeriodEmptyError(RejectedError):
    """The grant would end before it begins, or has ended already."""

    solidity = "ConsentRegistryPeriodEmpty"
    hint = "let it end after it begins, and after now"
    not_before: int
    expires_at: int

    def _message(self) -> str:
        begins, ends = moment(self.not_before), moment(self.expires_at)
        return f"a grant from {begins} until {ends} would never be live: it must end after it begins, and after now"


@dataclass(eq=False)
class PurposesEmptyError(RejectedError):
    """A grant or a question needs at least one purpose."""

    solidity = "ConsentRegistryPurposesEmpty"
    hint = "name a purpose"


@dataclass(eq=False)
class UnknownGrantError(RejectedError):
    """No access was ever granted under this id."""

    solidity = "ConsentRegistryGrantUnknown"
    hint = "check the id, which the grant showed"
    grant_id: int

    def _message(self) -> str:
        return f"no access was ever granted under {self.grant_id:#x}"


@dataclass(eq=False)
class GrantIdTakenError(RejectedError):
    """Two sets of terms met in one grant id; draw a new salt for the terms."""

    solidity = "ConsentRegistryGrantIdTaken"
    hint = "grant under terms with a new salt"
    grant_id: int
    grantee: str


@dataclass(eq=False)
class GrantExhaustedError(RejectedError):
    """This grant was changed as often as it can be; write new terms (a new salt) instead."""

    solidity = "ConsentRegistryGrantExhausted"
    hint = "grant under terms with a new salt"
    grant_id: int


@dataclass(eq=False)
class PatientExhaustedError(RejectedError):
    """This address has revoked all as often as it can; it can grant nothing more, use a new address."""

    solidity = "ConsentRegistryPatientExhausted"
    hint = "use a new address for the patient"
    patient: str


@dataclass(eq=False)
class TokenNotTransferableError(RejectedError):
    """An access token never moves and nobody can be approved for it."""

    solidity = "AccessTokenNotTransferable"
    hint = "to give somebody else access, let the patient grant it"


@dataclass(eq=False)
class TokenLengthMismatchError(RejectedError):
    """Two lists that belong together have different lengths."""

    solidity = "AccessTokenLengthMismatch"
    hint = "ask with one id for each account"
    accounts: int
    ids: int
