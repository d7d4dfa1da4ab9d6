"""Refusals of emergencies (``EmergencyAccess``)."""

from __future__ import annotations

from dataclasses import dataclass

from medshare.errors.ledger import RejectedError


@dataclass(eq=False)
class NotAccreditedError(RejectedError):
    """Only an accredited clinician can break the glass, and only an accredited reviewer review."""

    solidity = "EmergencyAccessNotAccredited"
    hint = "ask a member of the consortium to accredit this one: medshare consortium accredit"
    actor: str


@dataclass(eq=False)
class BreakGlassBarredError(RejectedError):
    """The patient has barred break-glass."""

    solidity = "EmergencyAccessBarred"
    hint = "treat without the records; only the patient can allow it again"
    patient: str


@dataclass(eq=False)
class EpisodePatientInvalidError(RejectedError):
    """An emergency episode needs a patient other than the clinician."""

    solidity = "EmergencyAccessPatientInvalid"
    hint = "name the patient's address"
    patient: str


@dataclass(eq=False)
class EmergencyReasonUnknownError(RejectedError):
    """The reason of an emergency is none of the codes."""

    solidity = "EmergencyAccessReasonUnknown"
    hint = "state one of the coded reasons, 1 to 4"
    reason: int


@dataclass(eq=False)
class EpisodeDurationError(RejectedError):
    """An emergency episode lasts a minute at least, and no longer than the limit."""

    solidity = "EmergencyAccessDurationOutOfRange"
    hint = "choose a duration within these bounds; another episode can follow"
    duration: int
    limit: int

    def _message(self) -> str:
        return f"an emergency episode lasts 60 to {self.limit} seconds, not {self.duration}"


@dataclass(eq=False)
class EpisodeOpenError(RejectedError):
    """The clinician has an emergency episode open for this patient already."""

    solidity = "EmergencyAccessEpisodeOpen"
    hint = "use the episode that is open, or end it first"
    episode_id: int


@dataclass(eq=False)
class ReviewOverdueError(RejectedError):
    """An earlier episode was not reviewed in time: the clinician opens no other until it is."""

    solidity = "EmergencyAccessReviewOverdue"
    hint = "have the earlier episode reviewed: a late review lifts the suspension"
    episode_id: int


@dataclass(eq=False)
class TooManyUnreviewedError(RejectedError):
    """Too many of the clinician's episodes wait for review."""

    solidity = "EmergencyAccessTooManyUnreviewed"
    hint = "have the earlier episodes reviewed"
    clinician: str
    limit: int


@dataclass(eq=False)
class UnknownEpisodeError(RejectedError):
    """There is no such emergency episode."""

    solidity = "EmergencyAccessEpisodeUnknown"
    hint = "check the id, network and deployment"
    episode_id: int

    def _message(self) -> str:
        return f"there is no emergency episode {self.episode_id:#x}"


@dataclass(eq=False)
class EpisodeOverError(RejectedError):
    """The emergency episode is over, or its clinician is no longer accredited."""

    solidity = "EmergencyAccessEpisodeOver"
    hint = "if the emergency lasts, the clinician opens another episode"
    episode_id: int


@dataclass(eq=False)
class EpisodeNotAllowedError(RejectedError):
    """This address may not do this to this emergency episode, or for this patient."""

    solidity = "EmergencyAccessNotAllowed"
    hint = "let the one do it whose part it is: clinician or patient end it, somebody else reviews it"
    actor: str


@dataclass(eq=False)
class AlreadyReviewedError(RejectedError):
    """The emergency episode was reviewed before."""

    solidity = "EmergencyAccessReviewed"
    hint = "there is nothing to do: a review stands"
    episode_id: int


@dataclass(eq=False)
class VerdictMissingError(RejectedError):
    """A review says whether the emergency was justified."""

    solidity = "EmergencyAccessVerdictMissing"
    hint = "state whether it was justified or not"
