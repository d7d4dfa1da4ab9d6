"""What each case costs: how often who does what, and which figure of tests/snapshots/gas.json that is.

``scripts/write_reference.py`` writes docs/cases/costs.md from it; the tests compare it with what the cases do.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Something that is done on chain in a case, so many times."""

    event: str
    """By which event everybody sees it."""
    times: int
    gas: str
    """The figure's name."""
    words: str


def _cost(event: str, times: int, gas: str, words: str) -> Cost:
    return Cost(event=event, times=times, gas=gas, words=words)


COSTS: dict[str, tuple[Cost, ...]] = {
    "referral": (
        _cost("RecordRegistered", 27, "register", "a hospital registers a record"),
        _cost("AccessGranted", 2, "grant, first", "the patient grants"),
        _cost("AccessRevoked", 1, "revoke", "the patient revokes"),
    ),
    "cross_region": (
        _cost("RecordRegistered", 20, "register", "a custodian registers a record"),
        _cost("AccessGranted", 1, "grant, first", "the patient grants"),
    ),
    "cohort": (
        _cost("RecordRegistered", 12, "register", "a hospital registers a record"),
        _cost("RequestOpened", 1, "open, first", "the researcher opens a request and deposits"),
        _cost("StudyApproved", 1, "approveStudy", "the ethics committee approves"),
        _cost("RewardReserved", 5, "accept, open call", "a patient accepts: the grant and the reservation"),
        _cost("AccessDelivered", 5, "deliver", "a hospital delivers"),
        _cost("RewardPaid", 1, "confirm, first earnings", "the researcher confirms, the first time"),
        _cost("RewardPaid", 4, "confirm, later", "the researcher confirms, later"),
        _cost("AccessRevoked", 1, "revoke", "a patient revokes"),
        _cost("Withdrawn", 7, "withdraw, first", "a patient or a hospital withdraws"),
        _cost("Proposed", 1, "propose, first", "a member of the consortium proposes to withdraw, which is its vote"),
        _cost("ProposalExecuted", 1, "execute, setPeriods", "anybody executes it; the figure of another such call"),
        _cost("Withdrawn", 1, "withdraw, first", "so that the consortium withdraws"),
    ),
    "telemedicine": (
        _cost("RecordRegistered", 32, "register", "the clinic registers a record"),
        _cost("AccessGranted", 1, "grant, first", "the patient grants"),
        _cost("AccessGranted", 1, "grant, again", "the patient grants the same anew"),
    ),
    "emergency": (
        _cost("RecordRegistered", 25, "register", "a hospital registers a record"),
        _cost("GlassBroken", 1, "breakGlass, first of a clinician", "the clinician breaks the glass"),
        _cost("KeysReleased", 2, "release", "a hospital releases keys"),
        _cost("EpisodeEnded", 1, "end", "the patient ends the episode"),
        _cost("EpisodeReviewed", 1, "review", "the reviewer reviews"),
    ),
    "repeat_exam": (
        _cost("RecordRegistered", 4, "register", "a hospital registers a record"),
        _cost("AccessGranted", 2, "grant, first", "the patient grants"),
    ),
    "coming_of_age": (
        _cost("RecordRegistered", 3, "register", "the hospital registers a record"),
        _cost("DelegateAppointed", 1, "appoint, first", "the daughter's key appoints"),
        _cost("AccessGranted", 2, "grant, first", "the daughter's key grants"),
        _cost("AccessGranted", 2, "grantFor, by a delegate", "the mother grants for her"),
        _cost("DelegateDismissed", 1, "dismiss", "the daughter dismisses"),
        _cost("AccessRevoked", 3, "revoke", "the daughter revokes"),
    ),
    "drug_recall": (
        _cost("RecordRegistered", 16, "register", "a hospital registers a record of a patient"),
        _cost("RecordRegistered", 3, "register, one's own", "the manufacturer registers a record of its own"),
        _cost("AccessGranted", 8, "grant, first", "a patient or the manufacturer grants"),
    ),
}
