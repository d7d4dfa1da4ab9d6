"""Refusals of requests (``AccessRequests``)."""

from __future__ import annotations

from dataclasses import dataclass

from medshare.errors.ledger import RejectedError, moment


@dataclass(eq=False)
class RequestNotAccreditedError(RejectedError):
    """This address is not accredited for what it asked of requests."""

    solidity = "AccessRequestsNotAccredited"
    hint = "ask a member of the consortium: researchers open requests, ethics committees approve, custodians deliver"
    actor: str

    def _message(self) -> str:
        return f"{self.actor} is not accredited for this now"


@dataclass(eq=False)
class RequestNotAllowedError(RejectedError):
    """This address may not do this to this request."""

    solidity = "AccessRequestsNotAllowed"
    hint = "requesters confirm, dispute and cancel; the custodian whom the patient named delivers or declines"
    caller: str


@dataclass(eq=False)
class UnknownRequestError(RejectedError):
    """Nobody opened such a request."""

    solidity = "AccessRequestsRequestUnknown"
    hint = "check the number, network and deployment"
    request_id: int

    def _message(self) -> str:
        return f"there is no request {self.request_id}"


@dataclass(eq=False)
class RequestNotOpenError(RejectedError):
    """The request awaits approval, is approved already, or was cancelled."""

    solidity = "AccessRequestsRequestNotOpen"
    hint = "see how it stands: medshare request show"
    request_id: int
    status: int


@dataclass(eq=False)
class RequestDeadlinePassedError(RejectedError):
    """It is too late for this request."""

    solidity = "AccessRequestsDeadlinePassed"
    hint = "ask the requester to open another"
    request_id: int
    deadline: int

    def _message(self) -> str:
        return f"request {self.request_id}: this could be done until {moment(self.deadline)}"


@dataclass(eq=False)
class RequestTooEarlyError(RejectedError):
    """It is too early: the period has not ended."""

    solidity = "AccessRequestsTooEarly"
    hint = "repeat it after that time"
    request_id: int
    earliest: int

    def _message(self) -> str:
        return f"request {self.request_id}: this can be done from {moment(self.earliest)} on"


@dataclass(eq=False)
class RequestUsedUpError(RejectedError):
    """As many patients have accepted as there are rewards."""

    solidity = "AccessRequestsUsedUp"
    hint = "ask the requester to open another"
    request_id: int


@dataclass(eq=False)
class RequestTermsInvalidError(RejectedError):
    """A request needs a purpose that can be asked for, a grant, a document, a deadline ahead, for quality a method."""

    solidity = "AccessRequestsTermsInvalid"
    hint = "emergency purposes cannot be asked for; let the deadline lie ahead; name the method by which scores count"


@dataclass(eq=False)
class RequestCategoryUnknownError(RejectedError):
    """The consortium has not said how rewards of this category are divided."""

    solidity = "AccessRequestsCategoryUnknown"
    hint = "choose one of the categories that have a split, or propose one"
    category: int


@dataclass(eq=False)
class NotInvitedError(RejectedError):
    """The patient is not among those who are asked."""

    solidity = "AccessRequestsNotInvited"
    hint = "the request names its patients: ask the requester for an invitation"
    request_id: int
    patient: str


@dataclass(eq=False)
class ReservedAlreadyError(RejectedError):
    """The patient has accepted already: one reward for each patient."""

    solidity = "AccessRequestsReservedAlready"
    hint = "there is nothing to do"
    request_id: int
    patient: str


@dataclass(eq=False)
class GrantUnfitError(RejectedError):
    """The grant is not what the request asks for: another grantee, fewer purposes, begun later or ended earlier."""

    solidity = "AccessRequestsGrantUnfit"
    hint = "sign anew, from the request as it stands on chain"
    request_id: int
    wanted: int


@dataclass(eq=False)
class GrantNotLiveError(RejectedError):
    """The grant is not live: it was revoked or has ended, or is not for this request."""

    solidity = "AccessRequestsGrantNotLive"
    hint = "nothing can be delivered without a live grant"
    request_id: int
    patient: str


@dataclass(eq=False)
class ScoreUnfitError(RejectedError):
    """What is delivered is not as good as the request asks for, or the score is none."""

    solidity = "AccessRequestsScoreUnfit"
    hint = "have the records attested, or decline"
    request_id: int
    score: int
    minimum_score: int


@dataclass(eq=False)
class ReservationNotError(RejectedError):
    """The patient's part in the request has not come so far, or is past it."""

    solidity = "AccessRequestsReservationNot"
    hint = "see how it stands: medshare request show"
    request_id: int
    patient: str
    status: int


@dataclass(eq=False)
class NothingToReturnError(RejectedError):
    """There is nothing to give back."""

    solidity = "AccessRequestsNothingToReturn"
    hint = "all was delivered or went back already"
    request_id: int


@dataclass(eq=False)
class PeriodsOutOfRangeError(RejectedError):
    """Periods must be between an hour and 90 days."""

    solidity = "AccessRequestsPeriodsOutOfRange"
    hint = "choose 3600 to 7776000 seconds"
    dispute_period: int
    decision_period: int
