"""Break-glass, in stories that hypothesis writes

given any story of clinicians, reviewers, patients and a member, in which time goes on, often to the very second
    a small oracle, which looks at every episode there was, and the contract refuse and allow alike, with the same error
    after each step they agree what is in force, which standing each clinician has and which patient has barred it
    nothing is in force for longer than the limit, after its end, without accreditation, or for anything but BTG
    no clinician has two episodes in force for one patient, nor more waiting than the limit
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import combinations

import pytest
from bare_contract import BareContract
from bare_evm import BareEvm
from eth_utils import to_checksum_address
from evm import BUNDLE, QUORUM, TREAT, VOTING_PERIOD, RefusedError
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from people import BTG, CLINICIAN, DETAILS, LONGEST, MOST, NOTE, REVIEW_PERIOD, REVIEWER, episode_id_of

ACTORS = tuple(to_checksum_address(bytes([each]) * 20) for each in range(0x11, 0x17))
DOCTOR, NURSE, REVIEWING, PATIENT, OTHER_PATIENT, ACCREDITOR = ACTORS
CLINICIANS, PATIENTS = (DOCTOR, NURSE), (PATIENT, OTHER_PATIENT, NURSE)
START, ALWAYS = 1_800_000_000, 2**40 - 1

anybody = st.sampled_from(ACTORS)


@dataclass
class Episode:
    """What the oracle knows of an episode."""

    clinician: str
    number: int
    patient: str
    opened_at: int
    ends_at: int
    reason: int
    verdict: int = 0

    @property
    def episode_id(self) -> int:
        return episode_id_of(self.clinician, self.number)


class Scene:
    """The deployed contracts, once for all stories."""

    def __init__(self) -> None:
        self.evm = BareEvm()
        self.accreditation = BareContract(self.evm, "Consortium", [ACCREDITOR], QUORUM, VOTING_PERIOD)
        authority = BareContract(self.evm, "ConsentRegistry").address
        arguments = (authority, self.accreditation.address, LONGEST, REVIEW_PERIOD, MOST)
        self.emergencies = BareContract(self.evm, "EmergencyAccess", *arguments)


@cache
def scene() -> Scene:
    return Scene()


class EmergencyWalk(RuleBasedStateMachine):
    """Every verb by anybody, to the oracle and to the contract."""

    def __init__(self) -> None:
        super().__init__()
        self.contract = scene().emergencies
        self.mark = scene().evm.snapshot()
        self.valid_until: dict[tuple[str, int], int] = {}
        self.episodes: list[Episode] = []
        self.bars: dict[str, tuple[bool, int]] = {}
        self.now = START
        self.edges: set[int] = set()

    def teardown(self) -> None:
        scene().evm.revert(self.mark)

    def both(self, error: str | None, contract: BareContract, sender: str, name: str, *arguments) -> bool:
        """Let the contract do it, and compare how it ends."""
        note(f"{self.now - START:+d}s {sender[:6]}: {name} {arguments} -> {error or 'done'}")
        if error is None:
            contract.do(sender, self.now, name, *arguments)
            return True
        with pytest.raises(RefusedError) as refused:
            contract.do(sender, self.now, name, *arguments)
        assert refused.value.name == error
        return False

    def is_accredited(self, actor, kind):
        return self.now < self.valid_until.get((actor, kind), 0)

    def is_in_force(self, episode):
        return self.now < episode.ends_at and self.is_accredited(episode.clinician, CLINICIAN)

    def of(self, clinician):
        return [each for each in self.episodes if each.clinician == clinician]

    def reviewed_up_to(self, clinician):
        episodes = self.of(clinician)
        waiting = [each.number for each in episodes if not each.verdict]
        return waiting[0] - 1 if waiting else len(episodes)

    # -------------------------------------------------------------------------------------------------- verbs

    @initialize()
    def begin_with_accredited_people(self):
        self.accredit(ACCREDITOR, DOCTOR, CLINICIAN, None)
        self.accredit(ACCREDITOR, NURSE, CLINICIAN, 2 * LONGEST)
        self.accredit(ACCREDITOR, REVIEWING, REVIEWER, None)

    @rule(
        sender=st.sampled_from((ACCREDITOR, ACCREDITOR, ACCREDITOR, DOCTOR, REVIEWING)),
        actor=st.sampled_from((DOCTOR, NURSE, REVIEWING, PATIENT)),
        kind=st.sampled_from((CLINICIAN, REVIEWER)),
        seconds=st.sampled_from([*[None] * 6, -START, 0, 1, 300, LONGEST]),
    )
    def accredit(self, sender, actor, kind, seconds):
        until = ALWAYS if seconds is None else self.now + seconds
        error = None if sender == ACCREDITOR else "DirectoryNotAMember"
        if self.both(error, scene().accreditation, sender, "accredit", actor, kind, until):
            self.valid_until[actor, kind] = until
            self.edges.add(until if seconds is not None else 0)

    @rule(
        caller=st.sampled_from((*[DOCTOR] * 4, NURSE, NURSE, PATIENT)),
        patient=st.sampled_from(PATIENTS),
        reason=st.sampled_from([*[1, 2, 3, 4] * 3, 0, 5]),
        duration=st.sampled_from([*[60, 61, 600, LONGEST] * 3, 59, LONGEST + 1]),
    )
    def break_glass(self, caller, patient, reason, duration):
        own = self.of(caller)
        waiting = own[self.reviewed_up_to(caller) :]
        error = None
        if not self.is_accredited(caller, CLINICIAN):
            error = "EmergencyAccessNotAccredited"
        elif self.bars.get(patient, (False, 0))[0]:
            error = "EmergencyAccessBarred"
        elif waiting and self.now >= waiting[0].opened_at + REVIEW_PERIOD:
            error = "EmergencyAccessReviewOverdue"
        elif len(waiting) >= MOST:
            error = "EmergencyAccessTooManyUnreviewed"
        elif patient == caller:
            error = "EmergencyAccessPatientInvalid"
        elif reason in (0, 5):
            error = "EmergencyAccessReasonUnknown"
        elif not 60 <= duration <= LONGEST:
            error = "EmergencyAccessDurationOutOfRange"
        elif any(each.patient == patient and self.now < each.ends_at for each in own):
            error = "EmergencyAccessEpisodeOpen"
        if self.both(error, self.contract, caller, "breakGlass", patient, reason, DETAILS, duration):
            episode = Episode(caller, len(own) + 1, patient, self.now, self.now + duration, reason)
            self.episodes.append(episode)
            self.edges |= {episode.ends_at, episode.opened_at + LONGEST, episode.opened_at + REVIEW_PERIOD}

    @precondition(lambda self: self.episodes)
    @rule(data=st.data(), caller=anybody, of_those=st.booleans())
    def end(self, data, caller, of_those):
        episode = data.draw(st.sampled_from(self.episodes))
        caller = episode.patient if of_those else caller
        error = None
        if caller not in (episode.clinician, episode.patient):
            error = "EmergencyAccessNotAllowed"
        elif self.now >= episode.ends_at:
            error = "EmergencyAccessEpisodeOver"
        if self.both(error, self.contract, caller, "end", episode.episode_id):
            episode.ends_at = self.now

    @precondition(lambda self: self.episodes)
    @rule(data=st.data(), caller=anybody)
    def release(self, data, caller):
        episode = data.draw(st.sampled_from(self.episodes))
        error = None if self.is_in_force(episode) else "EmergencyAccessEpisodeOver"
        self.both(error, self.contract, caller, "release", episode.episode_id, BUNDLE)

    @precondition(lambda self: self.episodes)
    @rule(
        data=st.data(),
        caller=st.sampled_from((REVIEWING, REVIEWING, REVIEWING, DOCTOR, NURSE, PATIENT)),
        verdict=st.sampled_from([1, 2, 2, 0]),
    )
    def review(self, data, caller, verdict):
        unreviewed = [each for each in self.episodes if not each.verdict]
        episode = data.draw(st.sampled_from(unreviewed or self.episodes))
        error = None
        if not self.is_accredited(caller, REVIEWER):
            error = "EmergencyAccessNotAccredited"
        elif caller in (episode.clinician, episode.patient):
            error = "EmergencyAccessNotAllowed"
        elif episode.verdict:
            error = "EmergencyAccessReviewed"
        elif not verdict:
            error = "EmergencyAccessVerdictMissing"
        if self.both(error, self.contract, caller, "review", episode.episode_id, verdict, NOTE):
            episode.verdict = verdict

    @rule(caller=anybody, patient=st.sampled_from(PATIENTS), barred=st.sampled_from([False, False, False, True]))
    def set_bar(self, caller, patient, barred):
        error = None if caller == patient else "EmergencyAccessNotAllowed"
        if self.both(error, self.contract, caller, "setBar", patient, barred):
            self.bars[patient] = barred, self.bars.get(patient, (False, 0))[1] + 1

    @rule(seconds=st.sampled_from([1, 30, 60, 600]))
    def wait(self, seconds):
        self.now += seconds

    @precondition(lambda self: any(edge - 1 > self.now for edge in self.edges))
    @rule(data=st.data(), around=st.sampled_from([-1, 0]))
    def wait_for_an_edge(self, data, around):
        """To the second in which something ends or is due, or the one before."""
        self.now = data.draw(st.sampled_from(sorted(edge for edge in self.edges if edge - 1 > self.now))) + around

    # ----------------------------------------------------------------------------------- what must always hold

    @invariant()
    def they_agree(self):
        for episode in self.episodes:
            stored = self.contract.ask(self.now, "getEpisode", episode.episode_id)
            fields = (episode.opened_at, episode.ends_at, episode.reason, episode.verdict)
            assert (to_checksum_address(stored[0]), *stored[1:]) == (episode.patient, *fields)
            in_force = self.is_in_force(episode)
            assert self.contract.ask(self.now, "isLive", episode.episode_id, BTG) is in_force
            assert not self.contract.ask(self.now, "isLive", episode.episode_id, BTG | TREAT)
            assert self.contract.ask(self.now, "balanceOf", episode.clinician, episode.episode_id) == int(in_force)
            assert self.contract.ask(self.now, "balanceOf", episode.patient, episode.episode_id) == 0
        for clinician in CLINICIANS:
            standing = self.contract.ask(self.now, "getStanding", clinician)
            assert standing == (len(self.of(clinician)), self.reviewed_up_to(clinician))
            assert standing[0] - standing[1] <= MOST
        for patient in PATIENTS:
            assert self.contract.ask(self.now, "getBar", patient) == self.bars.get(patient, (False, 0))

    @invariant()
    def one_at_a_time_and_never_long(self):
        open_now = [each for each in self.episodes if self.now < each.ends_at]
        assert all(self.now - each.opened_at < LONGEST for each in open_now)
        for one, other in combinations(open_now, 2):
            assert (one.clinician, one.patient) != (other.clinician, other.patient)


TestEmergencyWalk = EmergencyWalk.TestCase
TestEmergencyWalk.pytestmark = [pytest.mark.contracts]
