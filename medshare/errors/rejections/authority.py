"""Refusals of who acts for a patient (``Authority``, ``Recovery``)."""

from __future__ import annotations

from dataclasses import dataclass

from medshare.errors.ledger import RejectedError, moment


@dataclass(eq=False)
class NotAllowedToActError(RejectedError):
    """This address may not do this for this patient."""

    solidity = "AuthorityNotAllowed"
    hint = "only the patient, the key that took over, or a delegate in force may; compare address and patient"
    patient: str
    actor: str

    def _message(self) -> str:
        return f"{self.actor} may not do this for patient {self.patient}"


@dataclass(eq=False)
class BeyondDelegationError(RejectedError):
    """A delegate may grant neither for other purposes nor for longer than he is appointed."""

    solidity = "AuthorityBeyondDelegation"
    hint = "grant within the delegation's purposes and dates, or ask the patient to appoint anew"
    patient: str
    delegate: str


@dataclass(eq=False)
class MandateEndedError(RejectedError):
    """The signature is by a mandate that has ended, or that is not the signer's."""

    solidity = "AuthorityMandateEnded"
    hint = "sign anew, with the mandate that the chain shows now"
    patient: str
    signer: str
    mandate: int


@dataclass(eq=False)
class DelegateInvalidError(RejectedError):
    """Nobody can be his own delegate, and neither can the zero address."""

    solidity = "AuthorityDelegateInvalid"
    hint = "name another address as delegate"
    delegate: str


@dataclass(eq=False)
class DelegationScopeError(RejectedError):
    """A delegation needs a verb that can be delegated, and purposes exactly where it allows granting."""

    solidity = "AuthorityScopeInvalid"
    hint = "allow granting with purposes, or revoking, or both"
    verbs: int
    purposes: int


@dataclass(eq=False)
class DelegationPeriodEmptyError(RejectedError):
    """The delegation would end before it begins, or has ended already."""

    solidity = "AuthorityPeriodEmpty"
    hint = "let it end after it begins, and after now"
    not_before: int
    expires_at: int

    def _message(self) -> str:
        return f"a delegation from {moment(self.not_before)} until {moment(self.expires_at)} would never be in force"


@dataclass(eq=False)
class AuthorityExhaustedError(RejectedError):
    """A counter has come to its end: this delegate, or this patient, can have no more of these."""

    solidity = "AuthorityExhausted"
    hint = "appoint another address; or use a new address for the patient"
    patient: str


@dataclass(eq=False)
class DelayOutOfRangeError(RejectedError):
    """The delay of a recovery must be between one and ninety days."""

    solidity = "AuthorityDelayOutOfRange"
    hint = "choose a delay between 86400 and 7776000 seconds"
    delay: int


@dataclass(eq=False)
class CircleInvalidError(RejectedError):
    """These are not the patient's guardians in force, or not in ascending order, or the threshold cannot be met."""

    solidity = "AuthorityCircleInvalid"
    hint = "use the circle as the patient named it last, once its time has come"
    patient: str


@dataclass(eq=False)
class GuardiansTooFewError(RejectedError):
    """Too few of the guardians signed."""

    solidity = "AuthorityGuardiansTooFew"
    hint = "gather the signatures of more guardians"
    signed: int
    threshold: int

    def _message(self) -> str:
        return f"{self.signed} of the guardians signed, {self.threshold} are needed"


@dataclass(eq=False)
class ControllerInvalidError(RejectedError):
    """The key that shall take over is zero, the patient's own lost one, or the one in control already."""

    solidity = "AuthorityControllerInvalid"
    hint = "let the patient make a new key, and the guardians sign for its address"
    controller: str


@dataclass(eq=False)
class NoRecoveryError(RejectedError):
    """No recovery is proposed for this patient."""

    solidity = "AuthorityNoRecovery"
    hint = "have the guardians propose one, if the key is lost"
    patient: str


@dataclass(eq=False)
class RecoveryTooEarlyError(RejectedError):
    """The patient can still object: the recovery is not ready."""

    solidity = "AuthorityTooEarly"
    hint = "complete it once that time has come"
    ready_at: int

    def _message(self) -> str:
        return f"the patient can object to the recovery until {moment(self.ready_at)}"
