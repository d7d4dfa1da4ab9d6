"""The inbox: what happened to somebody since he last looked, and what waits for him; emergencies first.

It is read from the chain's own events, so that no message can be lost, held back or forged: a crash, or a machine that
was off for a month, changes nothing. Only a mark up to where it was seen is kept, for each account. What waits for an
answer (an episode in force, a recovery, a review that is due) is told until it is answered, seen or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from medshare.errors import InvalidInputError, LedgerUnavailableError
from medshare.files import private_folder, write_whole
from medshare.model.accreditation import AccreditationKind
from medshare.model.documents import Reader, decode_document, encode_document
from medshare.model.emergency import Verdict
from medshare.model.events import (
    AccessGranted,
    AccessRevoked,
    AllAccessRevoked,
    BarSet,
    BlockRef,
    ControlMoved,
    DelegateAppointed,
    DelegateDismissed,
    EpisodeEnded,
    EpisodeReviewed,
    GlassBroken,
    GuardiansNamed,
    KeysReleased,
    LedgerEvent,
    RecoveryObjected,
    RecoveryProposed,
)
from medshare.model.ids import Address
from medshare.ports import Clock, Ledger
from medshare.services.acts import Act, acts
from medshare.services.auditing import Auditing
from medshare.services.custodian_notices import custodians_met, recovered
from medshare.services.emergencies import Emergencies, EpisodeStanding
from medshare.services.erasure_notices import ErasureNotices
from medshare.services.governing import Governing
from medshare.services.governing_notices import seats_and_accreditations, votes_due
from medshare.services.notices import Notice, Urgency
from medshare.services.request_notices import RequestNotices

_MARK_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """What an inbox holds at a block."""

    notices: tuple[Notice, ...]
    block: BlockRef


class Inbox:
    """Reads the inbox of any account; no key is needed.

    Args:
        ledger: the contracts.
        clock: the time on the wall.
        auditing: the chain's events.
        emergencies: how episodes stand.
        governing: how proposals stand.
        requests: what requests for access mean for an account.
        erasures: what erasures mean for an account.
        folder: where the marks are.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        clock: Clock,
        auditing: Auditing,
        emergencies: Emergencies,
        governing: Governing,
        requests: RequestNotices,
        erasures: ErasureNotices,
        folder: Path,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._auditing = auditing
        self._emergencies = emergencies
        self._governing = governing
        self._requests = requests
        self._erasures = erasures
        self._folder = folder

    def read(self, account: Address, *, everything: bool = False) -> Mail:
        """Return what waits for ``account``, and what happened since it was ``seen``, emergencies first, newest first.

        Args:
            account: whose inbox: a patient's, delegate's, clinician's, custodian's, reviewer's, requester's, ethics
                committee's or member's.
            everything: all that ever happened.

        Raises:
            LedgerError: the chain failed.
        """
        block = self._auditing.sync()
        after = -1 if everything else self._seen(account)
        notices = [*self._as_patient(account, block, after), *self._as_clinician(account, after)]
        notices += [*self._as_custodian(account, after), *self._as_reviewer(account, block)]
        notices += [*votes_due(self._governing, account), *seats_and_accreditations(self._governing, account, after)]
        patients = self._patients(account, block)
        notices += self._requests.of(account, patients, after=after, now=self._now(block))
        notices += self._erasures.of(account, patients)
        notices.sort(key=lambda notice: (notice.urgency, not notice.waits, -notice.at))
        return Mail(notices=tuple(dict.fromkeys(notices)), block=block)

    def mark_seen(self, account: Address, mail: Mail) -> None:
        """Note that ``account`` has seen ``mail``: what came before its block is not told again, unless it waits.

        Raises:
            StoreFullError, ConfigurationError: it could not be noted; then it is told again.
        """
        mark = {"version": _MARK_VERSION, "block": mail.block.number, "hash": mail.block.hash.hex()}
        write_whole(private_folder(self._folder) / f"{account}.json", encode_document(mark), replace=True)

    def _seen(self, account: Address) -> int:
        """Return the last block that was seen; -1 where the mark is missing, damaged, or of a branch that lost."""
        with suppress(OSError, InvalidInputError, LedgerUnavailableError):
            read = Reader(decode_document((self._folder / f"{account}.json").read_bytes()), "mark")
            read.version(_MARK_VERSION)
            number = read.integer("block", 0, 1 << 64)
            if self._ledger.chain.block(number).hash == read.digest("hash"):
                return number
        return -1

    # ---------------------------------------------------------------------------------------- as a patient

    def _as_patient(self, account: Address, block: BlockRef, after: int) -> Iterator[Notice]:
        """What happened to those for whom ``account`` answers: himself, whom he took over, and whom he represents."""
        for patient in self._patients(account, block):
            control = self._ledger.authority.controller_of(patient, block=block)
            in_control = control.controller == account
            episodes = self._emergencies.episodes(patient=patient)
            # What is in force says all that its opening says.
            lasting = {each.emergency.opened for each in episodes if each.in_force}
            for act in acts(self._auditing.trail(patient)):
                if act.event.place.block.number > after and act.event not in lasting:
                    yield from _news(act, patient, account)
            for each in episodes:
                if each.in_force:
                    yield _in_force(each, patient, may_end=in_control)
                elif each.overdue:
                    yield _overdue(each, patient)
            yield from self._recovery(patient, block, may_object=in_control)
            if in_control:
                acting = _for(patient) if patient != account else ""
                yield from custodians_met(self._auditing, patient, block, after=after, acting=acting)

    def _patients(self, account: Address, block: BlockRef) -> list[Address]:
        taken_over = [
            patient
            for patient in self._auditing.controlled_by(account)
            if self._ledger.authority.controller_of(patient, block=block).controller == account
        ]
        represented = [
            each.patient
            for each in self._auditing.delegations(delegate=account)
            if each.permits(each.verbs, stamp=self._auditing.stamp(each.patient), now=self._now(block))
        ]
        return list(dict.fromkeys([account, *taken_over, *represented]))

    def _recovery(self, patient: Address, block: BlockRef, *, may_object: bool) -> Iterator[Notice]:
        standing = self._ledger.authority.guardianship(patient, block=block)
        if standing.ready_at == 0:
            return
        proposed = [each for each in self._auditing.trail(patient) if isinstance(each, RecoveryProposed)]
        yield Notice(
            urgency=Urgency.CONTROL,
            kind="RecoveryWaits",
            at=proposed[-1].place.block.time if proposed else block.time,
            says="guardians want to give this patient's records to another key"
            if self._now(block) < standing.ready_at
            else "the time to object is over: anybody can complete the recovery",
            who=standing.proposed,
            patient=patient,
            until=standing.ready_at,
            waits=True,
            answer="medshare guardian object --as {me}" + _for(patient) if may_object else "",
        )

    # ------------------------------------------------------------------- as clinician, custodian, reviewer

    def _as_clinician(self, account: Address, after: int) -> Iterator[Notice]:
        for each in self._emergencies.episodes(clinician=account):
            emergency = each.emergency
            patient, episode_id = emergency.episode.patient, emergency.episode.episode_id
            told = [*emergency.released, emergency.ended, emergency.reviewed]
            for event in told:
                if event is not None and event.place.block.number > after and _by(event) != account:
                    yield _about_an_episode(event, patient)
            if each.overdue:
                yield Notice(
                    urgency=Urgency.DUE,
                    kind="ReviewOverdue",
                    at=emergency.episode.opened_at,
                    says="your episode was not reviewed in time: you can open no other until it is",
                    patient=patient,
                    until=each.review_due_at,
                    waits=True,
                    episode_id=episode_id,
                )

    def _as_custodian(self, account: Address, after: int) -> Iterator[Notice]:
        yield from recovered(self._auditing, account, after=after)
        for emergency in self._emergencies.waiting(account):
            episode = emergency.episode
            yield Notice(
                urgency=Urgency.EMERGENCY,
                kind="KeysWanted",
                at=episode.opened_at,
                says="a clinician waits for the keys of this patient's records",
                who=episode.clinician,
                patient=episode.patient,
                until=episode.ends_at,
                waits=True,
                episode_id=episode.episode_id,
                answer=f"medshare emergency release {episode.episode_id:#x} --as {{me}}",
            )

    def _as_reviewer(self, account: Address, block: BlockRef) -> Iterator[Notice]:
        if not self._ledger.accreditation.is_accredited(account, AccreditationKind.REVIEWER, block=block):
            return
        for each in self._emergencies.episodes():
            episode = each.emergency.episode
            parties = (episode.clinician, episode.patient)
            if episode.verdict is not Verdict.NONE or account in parties:
                continue
            yield Notice(
                urgency=Urgency.DUE,
                kind="ReviewDue",
                at=episode.opened_at,
                says="an emergency is to be reviewed" + (", and its time is over" if each.overdue else ""),
                who=episode.clinician,
                patient=episode.patient,
                until=each.review_due_at,
                waits=True,
                episode_id=episode.episode_id,
                answer=f"medshare emergency review {episode.episode_id:#x} --as {{me}} --verdict ... --note-file ...",
            )

    def _now(self, block: BlockRef) -> int:
        return max(block.time, self._clock.now())


def _news(act: Act, patient: Address, account: Address) -> Iterator[Notice]:
    """What others did to a patient; what one did oneself is no news."""
    event = act.event
    if act.by == account:
        return
    if isinstance(event, GlassBroken | KeysReleased | EpisodeEnded | EpisodeReviewed):
        yield _about_an_episode(event, patient)
        return
    said = _said(event, account)
    if said is not None:
        urgency, sentence, until = said
        yield Notice(
            urgency=urgency,
            kind=type(event).__name__,
            at=event.place.block.time,
            says=sentence,
            who=act.by or act.concerns,
            patient=patient,
            until=until,
        )


def _said(event: LedgerEvent, account: Address) -> tuple[Urgency, str, int | None] | None:
    match event:
        case RecoveryProposed():
            return Urgency.CONTROL, "a recovery of this patient's key was proposed", event.ready_at
        case RecoveryObjected():
            return Urgency.CONTROL, "the recovery was objected to, and will not happen", None
        case ControlMoved():
            return Urgency.CONTROL, "another key took over for this patient", None
        case GuardiansNamed():
            return Urgency.CONTROL, "guardians were named, changed or dismissed", event.begins_at
        case DelegateAppointed(delegation=delegation):
            whom = "you were" if delegation.delegate == account else f"{delegation.delegate} was"
            return Urgency.NEWS, f"{whom} appointed to act for this patient", delegation.expires_at
        case DelegateDismissed():
            whom = "you were" if event.delegate == account else f"{event.delegate} was"
            return Urgency.NEWS, f"{whom} dismissed, or resigned", None
        case AccessGranted(grant=grant):
            codes = ",".join(grant.purposes.codes)
            return (
                Urgency.NEWS,
                f"access was granted to {grant.grantee} for {codes}, in the patient's name",
                (grant.expires_at),
            )
        case AccessRevoked():
            return Urgency.NEWS, f"grant {event.grant_id:#x} was revoked, in the patient's name", None
        case AllAccessRevoked():
            return Urgency.NEWS, "everything was revoked, in the patient's name", None
        case BarSet():
            return (
                Urgency.NEWS,
                f"break-glass was {'barred' if event.barred else 'allowed'}, in the patient's name",
                None,
            )
        case _:
            return None


def _about_an_episode(event: GlassBroken | KeysReleased | EpisodeEnded | EpisodeReviewed, patient: Address) -> Notice:
    return Notice(
        urgency=Urgency.NEWS if isinstance(event, EpisodeReviewed) else Urgency.EMERGENCY,
        kind=type(event).__name__,
        at=event.place.block.time,
        says=_what_happened(event),
        who=_by(event),
        patient=patient,
        until=event.ends_at if isinstance(event, GlassBroken) else None,
        episode_id=event.episode_id,
    )


def _what_happened(event: GlassBroken | KeysReleased | EpisodeEnded | EpisodeReviewed) -> str:
    match event:
        case GlassBroken():
            return f"the glass was broken: {event.reason.name.lower().replace('_', ' ')}"
        case KeysReleased():
            return "keys of the patient's records were released"
        case EpisodeEnded():
            return "the emergency was ended"
        case EpisodeReviewed():
            return f"the emergency was reviewed: {event.verdict.name.lower()}"


def _by(event: GlassBroken | KeysReleased | EpisodeEnded | EpisodeReviewed) -> Address:
    match event:
        case GlassBroken():
            return event.clinician
        case KeysReleased():
            return event.custodian
        case EpisodeEnded():
            return event.by
        case EpisodeReviewed():
            return event.reviewer


def _in_force(each: EpisodeStanding, patient: Address, *, may_end: bool) -> Notice:
    episode = each.emergency.episode
    return Notice(
        urgency=Urgency.EMERGENCY,
        kind="EpisodeInForce",
        at=episode.opened_at,
        says=f"an emergency is in force: {episode.reason.name.lower().replace('_', ' ')}",
        who=episode.clinician,
        patient=patient,
        until=episode.ends_at,
        waits=True,
        episode_id=episode.episode_id,
        answer=f"medshare emergency end {episode.episode_id:#x} --as {{me}}" if may_end else "",
    )


def _overdue(each: EpisodeStanding, patient: Address) -> Notice:
    episode = each.emergency.episode
    return Notice(
        urgency=Urgency.DUE,
        kind="ReviewOverdue",
        at=episode.opened_at,
        says="an emergency was not reviewed in time: its clinician can open no other until it is",
        who=episode.clinician,
        patient=patient,
        until=each.review_due_at,
        waits=True,
        episode_id=episode.episode_id,
    )


def _for(patient: Address) -> str:
    return f" --for {patient}"
