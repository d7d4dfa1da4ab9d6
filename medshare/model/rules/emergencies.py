"""EmergencyAccess: break-glass, and its review."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from medshare.errors import (
    AlreadyReviewedError,
    BreakGlassBarredError,
    EmergencyReasonUnknownError,
    EpisodeDurationError,
    EpisodeNotAllowedError,
    EpisodeOpenError,
    EpisodeOverError,
    EpisodePatientInvalidError,
    NotAccreditedError,
    ReviewOverdueError,
    SignedOutdatedError,
    TooManyUnreviewedError,
    UnknownEpisodeError,
    VerdictMissingError,
)
from medshare.model.accreditation import AccreditationKind
from medshare.model.emergency import (
    SHORTEST_EPISODE,
    Bar,
    EmergencyLimits,
    EmergencyReason,
    Episode,
    EpisodeRequest,
    Standing,
    Verdict,
)
from medshare.model.events import (
    BarSet,
    EmergencyEvent,
    EpisodeEnded,
    EpisodeReviewed,
    EventPlace,
    GlassBroken,
    KeysReleased,
)
from medshare.model.ids import ZERO_ADDRESS, Address, BundleId, EpisodeId, clinician_of, derive_episode_id, number_of
from medshare.model.rules.authority import AuthorityRules
from medshare.model.rules.directory import DirectoryRules
from medshare.model.rules.signatures import require_signature
from medshare.model.typed_data import SignableEndEpisode, SignableSetBar


@dataclass
class EmergencyRules(AuthorityRules, DirectoryRules):
    """State and verbs of EmergencyAccess, which asks the authority who is in control, the directory who is who."""

    limits: EmergencyLimits = field(default_factory=EmergencyLimits)
    episodes: dict[EpisodeId, Episode] = field(default_factory=dict)
    standings: dict[Address, Standing] = field(default_factory=dict)
    bars: dict[Address, Bar] = field(default_factory=dict)

    # ----------------------------------------------------------------------------- breaking the glass

    def break_glass(self, caller: Address, request: EpisodeRequest, place: EventPlace) -> tuple[GlassBroken]:
        """Open an emergency episode, as an accredited clinician."""
        now = place.block.time
        if not self.is_accredited(caller, AccreditationKind.CLINICIAN, now):
            raise NotAccreditedError(caller)
        if self.bar(request.patient).barred:
            raise BreakGlassBarredError(request.patient)
        self._require_standing(caller, now)
        if request.patient in (ZERO_ADDRESS, caller):
            raise EpisodePatientInvalidError(request.patient)
        if request.reason not in list(EmergencyReason):
            raise EmergencyReasonUnknownError(request.reason)
        if not SHORTEST_EPISODE <= request.duration <= self.limits.longest_episode:
            raise EpisodeDurationError(request.duration, self.limits.longest_episode)
        self._require_none_open(caller, request.patient, now)
        event = GlassBroken(
            place=place,
            patient=request.patient,
            clinician=caller,
            episode_id=derive_episode_id(caller, self.standing(caller).episodes + 1),
            reason=request.reason,
            details=request.details,
            ends_at=now + request.duration,
        )
        self._apply_emergency(event)
        return (event,)

    def _require_standing(self, clinician: Address, now: int) -> None:
        """The oldest one unreviewed must not be overdue, and not too many may wait."""
        standing = self.standing(clinician)
        waiting = standing.episodes - standing.reviewed
        if waiting == 0:
            return
        oldest = derive_episode_id(clinician, standing.reviewed + 1)
        if now >= self.episodes[oldest].opened_at + self.limits.review_period:
            raise ReviewOverdueError(oldest)
        if waiting >= self.limits.most_unreviewed:
            raise TooManyUnreviewedError(clinician, self.limits.most_unreviewed)

    def _require_none_open(self, clinician: Address, patient: Address, now: int) -> None:
        for number in range(self.standing(clinician).episodes, 0, -1):
            episode = self.episodes[derive_episode_id(clinician, number)]
            if now >= episode.opened_at + self.limits.longest_episode:
                return
            if episode.patient == patient and now < episode.ends_at:
                raise EpisodeOpenError(episode.episode_id)

    # ----------------------------------------------------------------------------------------- its end

    def end_episode(self, caller: Address, episode_id: EpisodeId, place: EventPlace) -> tuple[EpisodeEnded]:
        """End an episode now, as its clinician or the one in control of the patient."""
        episode = self.episode(episode_id)
        if caller != episode.clinician:
            self._require_patient(episode.patient, caller)
        return self._end_episode(episode, caller, place)

    def _end_episode_signed(
        self, message: SignableEndEpisode, signer: Address, place: EventPlace, *, valid: bool
    ) -> tuple[EpisodeEnded]:
        episode = self.episode(message.episode_id)
        self._require_patient(episode.patient, signer)
        require_signature(signer, deadline=message.deadline, now=place.block.time, valid=valid)
        return self._end_episode(episode, signer, place)

    def _end_episode(self, episode: Episode, by: Address, place: EventPlace) -> tuple[EpisodeEnded]:
        if place.block.time >= episode.ends_at:
            raise EpisodeOverError(episode.episode_id)
        event = EpisodeEnded(place=place, episode_id=episode.episode_id, by=by)
        self._apply_emergency(event)
        return (event,)

    # -------------------------------------------------------------------------- releasing, reviewing

    def release(
        self, caller: Address, episode_id: EpisodeId, bundle: BundleId, place: EventPlace
    ) -> tuple[KeysReleased]:
        """State, as a custodian, which keys were released to the clinician of a live episode."""
        self.episode(episode_id)
        if not self.is_episode_live(episode_id, place.block.time):
            raise EpisodeOverError(episode_id)
        event = KeysReleased(place=place, episode_id=episode_id, custodian=caller, bundle=bundle)
        self._apply_emergency(event)
        return (event,)

    def review(
        self, caller: Address, episode_id: EpisodeId, verdict: Verdict, note: bytes, place: EventPlace
    ) -> tuple[EpisodeReviewed]:
        """Review an episode, as an accredited reviewer who is neither of the two."""
        episode = self.episode(episode_id)
        if not self.is_accredited(caller, AccreditationKind.REVIEWER, place.block.time):
            raise NotAccreditedError(caller)
        if caller in (episode.clinician, episode.patient, self.controller_of(episode.patient).controller):
            raise EpisodeNotAllowedError(caller)
        if episode.verdict is not Verdict.NONE:
            raise AlreadyReviewedError(episode_id)
        if verdict is Verdict.NONE:
            raise VerdictMissingError
        event = EpisodeReviewed(place=place, episode_id=episode_id, reviewer=caller, verdict=verdict, note=note)
        self._apply_emergency(event)
        return (event,)

    # ----------------------------------------------------------------------------------------- barring

    def set_bar(self, caller: Address, patient: Address, place: EventPlace, *, barred: bool) -> tuple[BarSet]:
        """Bar break-glass for a patient, or allow it again, as the one in control of him."""
        self._require_patient(patient, caller)
        return self._set_bar(patient, place, barred=barred)

    def _set_bar_signed(
        self, message: SignableSetBar, signer: Address, place: EventPlace, *, valid: bool
    ) -> tuple[BarSet]:
        self._require_patient(message.patient, signer)
        require_signature(signer, deadline=message.deadline, now=place.block.time, valid=valid)
        count = self.bar(message.patient).count
        if message.count != count:
            raise SignedOutdatedError(message.count, count)
        return self._set_bar(message.patient, place, barred=message.barred)

    def _set_bar(self, patient: Address, place: EventPlace, *, barred: bool) -> tuple[BarSet]:
        event = BarSet(place=place, patient=patient, barred=barred, count=self.bar(patient).count + 1)
        self._apply_emergency(event)
        return (event,)

    def _require_patient(self, patient: Address, actor: Address) -> None:
        if actor != self.controller_of(patient).controller:
            raise EpisodeNotAllowedError(actor)

    # ------------------------------------------------------------------------------------ reads, replay

    def episode(self, episode_id: EpisodeId) -> Episode:
        """Return an episode as it stands; raises ``UnknownEpisodeError``."""
        if episode_id not in self.episodes:
            raise UnknownEpisodeError(episode_id)
        return self.episodes[episode_id]

    def is_episode_live(self, episode_id: EpisodeId, now: int) -> bool:
        """Whether an episode is in force at ``now``: it lasts, and its clinician is accredited."""
        episode = self.episodes.get(episode_id)
        is_clinician = self.is_accredited(clinician_of(episode_id), AccreditationKind.CLINICIAN, now)
        return episode is not None and now < episode.ends_at and is_clinician

    def standing(self, clinician: Address) -> Standing:
        """Return how many episodes a clinician has opened, and up to which all are reviewed."""
        return self.standings.get(clinician, Standing())

    def bar(self, patient: Address) -> Bar:
        """Return whether a patient has barred break-glass."""
        return self.bars.get(patient, Bar())

    def _apply_emergency(self, event: EmergencyEvent) -> None:
        match event:
            case GlassBroken():
                self._open(event)
            case EpisodeEnded():
                ended = replace(self.episode(event.episode_id), ends_at=event.place.block.time)
                self.episodes[event.episode_id] = ended
            case KeysReleased():
                pass
            case EpisodeReviewed():
                self.episodes[event.episode_id] = replace(self.episode(event.episode_id), verdict=event.verdict)
                self._count_reviewed(clinician_of(event.episode_id))
            case BarSet():
                self.bars[event.patient] = Bar(barred=event.barred, count=event.count)

    def _open(self, event: GlassBroken) -> None:
        self.episodes[event.episode_id] = Episode(
            episode_id=event.episode_id,
            patient=event.patient,
            reason=event.reason,
            opened_at=event.place.block.time,
            ends_at=event.ends_at,
            verdict=Verdict.NONE,
        )
        standing = self.standing(event.clinician)
        self.standings[event.clinician] = replace(standing, episodes=number_of(event.episode_id))

    def _count_reviewed(self, clinician: Address) -> None:
        standing = self.standing(clinician)
        reviewed = standing.reviewed
        while reviewed < standing.episodes:
            following = self.episodes.get(derive_episode_id(clinician, reviewed + 1))
            if following is None or following.verdict is Verdict.NONE:
                break
            reviewed += 1
        self.standings[clinician] = replace(standing, reviewed=reviewed)
