"""Break-glass in the pure model.

given accredited clinicians and reviewers
├─ an episode lasts its time while the clinician is accredited, and each refusal has its error
├─ who leaves an episode unreviewed too long, or too many, opens no other until they are reviewed
└─ the one in control of the patient can end it, bar the next, and allow it again
given any history, with episodes
└─ its events rebuild the state
"""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
from founded import MEMBER, NEVER, founded, refused
from hypothesis import given
from hypothesis import strategies as st

from medshare.errors import (
    AlreadyReviewedError,
    BreakGlassBarredError,
    DeadlinePassedError,
    EmergencyReasonUnknownError,
    EpisodeDurationError,
    EpisodeNotAllowedError,
    EpisodeOpenError,
    EpisodeOverError,
    EpisodePatientInvalidError,
    NotAccreditedError,
    RejectedError,
    ReviewOverdueError,
    SignatureInvalidError,
    SignedOutdatedError,
    TooManyUnreviewedError,
    UnknownEpisodeError,
    VerdictMissingError,
)
from medshare.hashing import sha256
from medshare.model.accreditation import AccreditationKind
from medshare.model.delegation import Control
from medshare.model.emergency import Bar, EmergencyLimits, EmergencyReason, Episode, EpisodeRequest, Standing, Verdict
from medshare.model.events import BlockRef, EventPlace
from medshare.model.ids import ZERO_ADDRESS, address, derive_episode_id
from medshare.model.ledger import LedgerModel
from medshare.model.typed_data import SignableEndEpisode, SignableSetBar

pytestmark = pytest.mark.unit

PATIENT, DOCTOR, REVIEWER, HOSPITAL, STRANGER = PEOPLE = tuple(address("0x" + f"{n:02x}" * 20) for n in range(1, 6))
OTHER_PATIENT, NEW_KEY = (address("0x" + f"{n:02x}" * 20) for n in (0x11, 0x12))
CLINICIAN_KIND, REVIEWER_KIND = AccreditationKind.CLINICIAN, AccreditationKind.REVIEWER
DETAILS, BUNDLE = sha256(b"details"), sha256(b"bundle")
NOW = 1_000_000
LIMITS = EmergencyLimits(longest_episode=600, review_period=900, most_unreviewed=2)
FIRST, SECOND, THIRD = (derive_episode_id(DOCTOR, number) for number in (1, 2, 3))


def at(time: int = NOW) -> EventPlace:
    return EventPlace(block=BlockRef(number=1, hash=bytes(32), time=time), log_index=0, tx_hash=bytes(32))


def wanted(**change) -> EpisodeRequest:
    usual = {"patient": PATIENT, "reason": EmergencyReason.UNCONSCIOUS, "details": DETAILS, "duration": 300}
    return EpisodeRequest(**{**usual, **change})


@pytest.fixture
def model() -> LedgerModel:
    model = founded(limits=LIMITS)
    model.accredit(MEMBER, DOCTOR, CLINICIAN_KIND, NEVER, at())
    model.accredit(MEMBER, REVIEWER, REVIEWER_KIND, NEVER, at())
    return model


@pytest.fixture
def broken(model: LedgerModel) -> LedgerModel:
    model.break_glass(DOCTOR, wanted(), at())
    return model


def test_break_glass__by_a_clinician__lasts_its_time(model: LedgerModel) -> None:
    (event,) = model.break_glass(DOCTOR, wanted(), at())
    assert (event.episode_id, event.ends_at) == (FIRST, NOW + 300)
    assert model.episode(FIRST) == Episode(
        episode_id=FIRST,
        patient=PATIENT,
        reason=EmergencyReason.UNCONSCIOUS,
        opened_at=NOW,
        ends_at=NOW + 300,
        verdict=Verdict.NONE,
    )
    assert model.episode(FIRST).clinician == DOCTOR
    assert [model.is_episode_live(FIRST, time) for time in (NOW, NOW + 299, NOW + 300)] == [True, True, False]
    assert model.standing(DOCTOR) == Standing(episodes=1, reviewed=0)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"patient": ZERO_ADDRESS}, EpisodePatientInvalidError),
        ({"patient": DOCTOR}, EpisodePatientInvalidError),
        ({"reason": 0}, EmergencyReasonUnknownError),
        ({"reason": 5}, EmergencyReasonUnknownError),
        ({"duration": 59}, EpisodeDurationError),
        ({"duration": 601}, EpisodeDurationError),
    ],
    ids=str,
)
def test_break_glass__that_could_not_be__is_refused(model: LedgerModel, change: dict, error: type) -> None:
    with refused(model, error):
        model.break_glass(DOCTOR, wanted(**change), at())


@pytest.mark.parametrize("caller", [PATIENT, REVIEWER, HOSPITAL, STRANGER])
def test_break_glass__by_who_is_no_clinician__is_refused(model: LedgerModel, caller: str) -> None:
    with refused(model, NotAccreditedError):
        model.break_glass(caller, wanted(patient=OTHER_PATIENT), at())


def test_break_glass__one_is_open_for_the_patient__another_patient_may(broken: LedgerModel) -> None:
    with refused(broken, EpisodeOpenError):
        broken.break_glass(DOCTOR, wanted(), at(NOW + 299))
    broken.break_glass(DOCTOR, wanted(patient=OTHER_PATIENT), at())
    assert broken.standing(DOCTOR).episodes == 2


def test_break_glass__again_once_it_is_over__is_another_episode(broken: LedgerModel) -> None:
    broken.break_glass(DOCTOR, wanted(), at(NOW + 300))
    assert broken.is_episode_live(SECOND, NOW + 300)


def test_clinician__no_longer_accredited__holds_no_episode(broken: LedgerModel) -> None:
    broken.accredit(MEMBER, DOCTOR, CLINICIAN_KIND, 0, at())
    assert not broken.is_episode_live(FIRST, NOW)
    with refused(broken, EpisodeOverError):
        broken.release(HOSPITAL, FIRST, BUNDLE, at())


def test_review__missing__suspends_and_a_late_one_lifts_it(broken: LedgerModel) -> None:
    broken.break_glass(DOCTOR, wanted(patient=OTHER_PATIENT), at(NOW + 300))
    again = wanted(patient=HOSPITAL)
    with refused(broken, TooManyUnreviewedError):
        broken.break_glass(DOCTOR, again, at(NOW + 899))
    with refused(broken, ReviewOverdueError):
        broken.break_glass(DOCTOR, again, at(NOW + 900))
    broken.review(REVIEWER, SECOND, Verdict.JUSTIFIED, DETAILS, at())
    assert broken.standing(DOCTOR).reviewed == 0
    with refused(broken, ReviewOverdueError):
        broken.break_glass(DOCTOR, again, at(NOW + 900))
    broken.review(REVIEWER, FIRST, Verdict.UNJUSTIFIED, DETAILS, at(NOW + 5_000))
    assert broken.standing(DOCTOR) == Standing(episodes=2, reviewed=2)
    broken.break_glass(DOCTOR, again, at(NOW + 5_000))


def test_review__that_could_not_be__is_refused(broken: LedgerModel) -> None:
    act = lambda by, **change: (  # noqa: E731
        lambda: broken.review(by, change.get("episode", FIRST), change.get("verdict", Verdict.JUSTIFIED), DETAILS, at())
    )
    with refused(broken, UnknownEpisodeError):
        act(REVIEWER, episode=THIRD)()
    with refused(broken, NotAccreditedError):
        act(HOSPITAL)()
    with refused(broken, VerdictMissingError):
        act(REVIEWER, verdict=Verdict.NONE)()
    for party in (DOCTOR, PATIENT):
        broken.accredit(MEMBER, party, REVIEWER_KIND, NEVER, at())
        with refused(broken, EpisodeNotAllowedError):
            act(party)()
    act(REVIEWER)()
    with refused(broken, AlreadyReviewedError):
        act(REVIEWER)()


@pytest.mark.parametrize("by", [DOCTOR, PATIENT])
def test_end__by_either_side__is_at_once_and_once(broken: LedgerModel, by: str) -> None:
    with refused(broken, EpisodeNotAllowedError):
        broken.end_episode(HOSPITAL, FIRST, at())
    (event,) = broken.end_episode(by, FIRST, at(NOW + 7))
    assert event.by == by
    assert (broken.episode(FIRST).ends_at, broken.is_episode_live(FIRST, NOW + 7)) == (NOW + 7, False)
    with refused(broken, EpisodeOverError):
        broken.end_episode(by, FIRST, at(NOW + 8))
    with refused(broken, UnknownEpisodeError):
        broken.end_episode(by, SECOND, at())


def test_end_and_bar__after_a_recovery__are_the_new_keys(broken: LedgerModel) -> None:
    broken.controls[PATIENT] = Control(controller=NEW_KEY, tenure=1)
    with refused(broken, EpisodeNotAllowedError):
        broken.end_episode(PATIENT, FIRST, at())
    with refused(broken, EpisodeNotAllowedError):
        broken.set_bar(PATIENT, PATIENT, at(), barred=True)
    broken.end_episode(NEW_KEY, FIRST, at())
    broken.set_bar(NEW_KEY, PATIENT, at(), barred=True)


def test_release__by_any_custodian_of_a_live_episode__is_told_and_changes_nothing(broken: LedgerModel) -> None:
    before = copy.deepcopy(broken)
    (event,) = broken.release(HOSPITAL, FIRST, BUNDLE, at())
    assert (event.custodian, event.bundle) == (HOSPITAL, BUNDLE)
    assert broken == before
    with refused(broken, EpisodeOverError):
        broken.release(HOSPITAL, FIRST, BUNDLE, at(NOW + 300))
    with refused(broken, UnknownEpisodeError):
        broken.release(HOSPITAL, SECOND, BUNDLE, at())


def test_bar__set_and_lifted__counts_and_leaves_what_is_open(broken: LedgerModel) -> None:
    broken.set_bar(PATIENT, PATIENT, at(), barred=True)
    assert broken.is_episode_live(FIRST, NOW)
    with refused(broken, BreakGlassBarredError):
        broken.break_glass(DOCTOR, wanted(), at(NOW + 300))
    with refused(broken, EpisodeNotAllowedError):
        broken.set_bar(DOCTOR, PATIENT, at(), barred=False)
    broken.set_bar(PATIENT, PATIENT, at(), barred=False)
    assert broken.bar(PATIENT) == Bar(barred=False, count=2)
    broken.break_glass(DOCTOR, wanted(), at(NOW + 300))


def test_relay__end_and_bar__by_the_one_in_control_alone(broken: LedgerModel) -> None:
    end = SignableEndEpisode(episode_id=FIRST, deadline=NOW + 60)
    bar = SignableSetBar(patient=PATIENT, barred=True, count=0, deadline=NOW + 60)
    for message in (end, bar):
        with refused(broken, EpisodeNotAllowedError):
            broken.relay(message, DOCTOR, at())
        with refused(broken, DeadlinePassedError):
            broken.relay(message, PATIENT, at(NOW + 60))
        with refused(broken, SignatureInvalidError):
            broken.relay(message, PATIENT, at(), valid=False)
        broken.relay(message, PATIENT, at())
    with refused(broken, EpisodeOverError):
        broken.relay(end, PATIENT, at())
    with refused(broken, SignedOutdatedError):
        broken.relay(bar, PATIENT, at())
    with refused(broken, UnknownEpisodeError):
        broken.relay(replace(end, episode_id=SECOND), PATIENT, at())


people = st.sampled_from(PEOPLE)
episodes = st.sampled_from((FIRST, SECOND, THIRD))
steps = st.one_of(
    st.tuples(st.just("accredit"), people, people, st.sampled_from(AccreditationKind), st.sampled_from([0, NEVER])),
    st.tuples(st.just("break_glass"), people, st.builds(wanted, patient=people)),
    st.tuples(st.just("break_glass"), st.just(DOCTOR), st.builds(wanted, patient=people)),
    st.tuples(st.just("end_episode"), people, episodes),
    st.tuples(st.just("release"), people, episodes, st.just(BUNDLE)),
    st.tuples(st.just("review"), people, episodes, st.sampled_from(Verdict), st.just(DETAILS)),
    st.tuples(st.just("set_bar"), people, people),
)


@given(history=st.lists(st.tuples(steps, st.sampled_from([0, 0, 100, 400]), st.booleans()), max_size=40))
def test_apply__own_events_of_any_history__rebuild_the_state(history) -> None:
    model, time = founded(limits=LIMITS), NOW
    replayed = copy.deepcopy(model)
    for number, kind in ((1, CLINICIAN_KIND), (2, REVIEWER_KIND)):
        for event in model.accredit(MEMBER, PEOPLE[number], kind, NEVER, at()):
            replayed.apply(event)
    for (verb, *arguments), pause, barred in history:
        time += pause
        more = {"barred": barred} if verb == "set_bar" else {}
        try:
            events = getattr(model, verb)(*arguments, at(time), **more)
        except RejectedError:
            continue
        for event in events:
            replayed.apply(event)
        assert replayed == model
