"""ConsentRegistry.nameGuardians

given a patient without guardians
    the first circle holds at once, told by its digest and delay alone
given a circle in force
    another one holds after the delay of the one before, to the second; until then the one before recovers, then the new
    named again while one waits: the last one counts, and its time begins anew
    naming none dismisses the circle after the delay; then the next holds at once
    a change of heart is one more change: the circle in force is named again
given the delay
    one day and ninety days can be, a second less or more cannot
given who may not
    strangers, delegates and guardians name nobody
given a proposal that is pending
    naming other guardians or none leaves it: who does not want it objects
"""

from __future__ import annotations

import pytest
from evm import ZERO_ADDRESS, Event, RefusedError
from people import DAY, NO_CIRCLE, Circle, GuardianshipView, guardians

pytestmark = pytest.mark.contracts

OLD = Circle(guardians(3), 2)
NEW = Circle(guardians(3, family="friend"), 2)
NOBODY = GuardianshipView(NO_CIRCLE, NO_CIRCLE, 0, 0, 0, 0, 0, 0, ZERO_ADDRESS)


def named_event(authority, patient, circle, delay, since):
    values = {"patient": patient, "circle": circle, "delay": delay, "from": since}
    return Event("GuardiansNamed", values, authority.contract.address)


def name(authority, actors, circle, delay=DAY, **when):
    digest = circle.digest(actors.patient) if isinstance(circle, Circle) else circle
    return authority.name_guardians(actors.patient, actors.patient, digest, delay, **when)


def propose(authority, actors, circle, **when):
    patient, attempt = actors.patient, authority.guardianship(actors.patient).attempt + 1
    signatures = authority.sign(circle.guardians, circle, patient, actors.doctor, attempt=attempt)
    return authority.propose(patient, actors.doctor, circle, signatures, sender=actors.stranger, **when)


def assert_no_circle(authority, actors, circle, **when):
    with pytest.raises(RefusedError) as refused:
        propose(authority, actors, circle, **when)
    assert refused.value.args == ("AuthorityCircleInvalid", actors.patient)


# ------------------------------------------------------------------------------------------ the first


def test_name_guardians__first__holds_at_once_and_is_told(authority, actors):
    assert authority.guardianship(actors.patient) == NOBODY

    sent = name(authority, actors, OLD, 2 * DAY)

    digest = OLD.digest(actors.patient)
    stands = GuardianshipView(digest, NO_CIRCLE, 2 * DAY, 0, 0, 0, 0, 1, ZERO_ADDRESS)
    assert authority.guardianship(actors.patient) == stands
    assert sent.events == (named_event(authority, actors.patient, digest, 2 * DAY, sent.time),)
    proposed = propose(authority, actors, OLD)
    assert proposed.events[0].values["readyAt"] == proposed.time + 2 * DAY


def test_name_guardians__another_patients__are_two_circles(authority, actors):
    name(authority, actors, OLD)

    authority.name_guardians(actors.other_patient, actors.other_patient, OLD.digest(actors.patient))

    assert authority.guardianship(actors.other_patient).circle == OLD.digest(actors.patient)
    signatures = authority.sign(OLD.guardians, OLD, actors.other_patient, actors.doctor, attempt=1)
    with pytest.raises(RefusedError) as refused:
        authority.propose(actors.other_patient, actors.doctor, OLD, signatures, sender=actors.stranger)
    assert refused.value.args == ("AuthorityCircleInvalid", actors.other_patient)


def test_name_guardians__none_first__leaves_none_and_the_next_holds_at_once(authority, actors):
    name(authority, actors, NO_CIRCLE, 90 * DAY)
    assert authority.guardianship(actors.patient).next_from == 0

    name(authority, actors, OLD)

    assert authority.guardianship(actors.patient).circle == OLD.digest(actors.patient)
    propose(authority, actors, OLD)


# ------------------------------------------------------------------------------------------ a change


def test_name_guardians__change__waits_for_the_delay_of_the_one_before(authority, actors):
    name(authority, actors, OLD, 3 * DAY)

    sent = name(authority, actors, NEW, 7 * DAY)

    old, new, since = OLD.digest(actors.patient), NEW.digest(actors.patient), sent.time + 3 * DAY
    stands = GuardianshipView(old, new, 3 * DAY, 7 * DAY, since, 0, 0, 2, ZERO_ADDRESS)
    assert authority.guardianship(actors.patient) == stands
    assert sent.events == (named_event(authority, actors.patient, new, 7 * DAY, since),)


@pytest.mark.parametrize(("when", "in_force"), [(-1, "old"), (0, "new"), (1, "new")])
def test_name_guardians__around_the_end_of_the_delay__exactly_one_circle_recovers(authority, actors, when, in_force):
    name(authority, actors, OLD, 3 * DAY)
    since = name(authority, actors, NEW, 7 * DAY).time + 3 * DAY
    by_old, by_new = (OLD, NEW) if in_force == "old" else (NEW, OLD)
    mark = authority.chain.snapshot()

    assert_no_circle(authority, actors, by_new, at=since + when)
    authority.chain.revert(mark)
    proposed = propose(authority, actors, by_old, at=since + when)

    delay = 3 * DAY if in_force == "old" else 7 * DAY
    assert proposed.events[0].values["readyAt"] == since + when + delay
    stands = authority.guardianship(actors.patient)
    assert stands.circle == by_old.digest(actors.patient)
    assert (stands.next_from == 0) is (in_force == "new")


def test_name_guardians__while_another_waits__replaces_it_and_waits_anew(authority, actors):
    name(authority, actors, OLD, 3 * DAY)
    first = name(authority, actors, NEW, 7 * DAY)
    third = Circle(guardians(2, family="neighbour"), 1)

    sent = name(authority, actors, third, 5 * DAY, at=first.time + 2 * DAY)

    since = sent.time + 3 * DAY
    stands = authority.guardianship(actors.patient)
    assert (stands.next_circle, stands.next_delay, stands.next_from) == (third.digest(actors.patient), 5 * DAY, since)
    mark = authority.chain.snapshot()
    assert_no_circle(authority, actors, NEW, at=since - 1)
    authority.chain.revert(mark)
    propose(authority, actors, third, at=since)


def test_name_guardians__the_one_in_force_again__undoes_the_change(authority, actors):
    name(authority, actors, OLD, 3 * DAY)
    name(authority, actors, NEW, 7 * DAY)
    since = name(authority, actors, OLD, 3 * DAY).time + 3 * DAY
    mark = authority.chain.snapshot()

    assert_no_circle(authority, actors, NEW, at=since + 10 * DAY)
    authority.chain.revert(mark)
    propose(authority, actors, OLD, at=since + 10 * DAY)


def test_name_guardians__after_a_change_took_effect__the_next_waits_for_the_new_delay(authority, actors):
    name(authority, actors, OLD, 3 * DAY)
    since = name(authority, actors, NEW, 7 * DAY).time + 3 * DAY

    sent = name(authority, actors, OLD, 1 * DAY, at=since)

    stands = authority.guardianship(actors.patient)
    assert (stands.circle, stands.delay) == (NEW.digest(actors.patient), 7 * DAY)
    assert (stands.next_circle, stands.next_from) == (OLD.digest(actors.patient), sent.time + 7 * DAY)


@pytest.mark.parametrize(("when", "dismissed"), [(-1, False), (0, True), (1, True)])
def test_name_guardians__none__dismisses_the_circle_after_the_delay(authority, actors, when, dismissed):
    name(authority, actors, OLD, 3 * DAY)
    since = name(authority, actors, NO_CIRCLE).time + 3 * DAY

    if dismissed:
        assert_no_circle(authority, actors, OLD, at=since + when)
    else:
        propose(authority, actors, OLD, at=since + when)


def test_name_guardians__after_the_circle_was_dismissed__holds_at_once(authority, actors):
    name(authority, actors, OLD, 3 * DAY)
    since = name(authority, actors, NO_CIRCLE).time + 3 * DAY

    sent = name(authority, actors, NEW, 7 * DAY, at=since)

    stands = GuardianshipView(NEW.digest(actors.patient), NO_CIRCLE, 7 * DAY, 0, 0, 0, 0, 3, ZERO_ADDRESS)
    assert authority.guardianship(actors.patient) == stands
    assert sent.events[0].values["from"] == since


def test_get_guardianship__the_turn_has_come_and_nobody_acted__shows_both_and_since_when(authority, actors):
    name(authority, actors, OLD, 3 * DAY)
    before = name(authority, actors, NEW, 7 * DAY)
    waiting = authority.guardianship(actors.patient)

    authority.chain.mine_at(before.time + 10 * DAY)

    assert authority.guardianship(actors.patient) == waiting, "who reads it compares nextFrom with the clock"
    assert waiting.next_from == before.time + 3 * DAY
    propose(authority, actors, NEW)
    assert authority.guardianship(actors.patient).circle == NEW.digest(actors.patient)


def test_events__replayed__say_which_circle_holds_when(authority, actors):
    third = Circle(guardians(2, family="neighbour"), 1)
    start = name(authority, actors, OLD, 3 * DAY)
    sent = [
        start,
        name(authority, actors, NEW, 7 * DAY),
        name(authority, actors, third, 2 * DAY, at=start.time + DAY),
        name(authority, actors, NO_CIRCLE, 2 * DAY, at=start.time + 9 * DAY),
    ]

    def holds_at(time):
        """Who reads nothing but the events knows this."""
        circle, waiting, since = NO_CIRCLE, NO_CIRCLE, 2**40
        for receipt in sent:
            values = receipt.events[0].values
            if since <= receipt.time:
                circle, since = waiting, 2**40
            if values["from"] == receipt.time:
                circle = values["circle"]
            else:
                waiting, since = values["circle"], values["from"]
        return waiting if since <= time else circle

    turns = [sent[-1].time + 1, sent[-1].time + 2 * DAY - 1, sent[-1].time + 2 * DAY]
    assert [holds_at(time) for time in turns] == [third.digest(actors.patient)] * 2 + [NO_CIRCLE]
    mark = authority.chain.snapshot()
    for time in turns:
        for circle in (OLD, NEW, third):
            if circle.digest(actors.patient) == holds_at(time):
                propose(authority, actors, circle, at=time)
            else:
                assert_no_circle(authority, actors, circle, at=time)
            authority.chain.revert(mark)
            mark = authority.chain.snapshot()


# ------------------------------------------------------------------------------------------ what cannot be


@pytest.mark.parametrize("delay", [DAY, DAY + 1, 90 * DAY - 1, 90 * DAY])
@pytest.mark.parametrize("nth", ["first", "change"])
def test_name_guardians__delay_of_one_to_ninety_days__is_taken(authority, actors, delay, nth):
    if nth == "change":
        name(authority, actors, OLD)

    sent = name(authority, actors, NEW, delay)

    assert sent.events[0].values["delay"] == delay


@pytest.mark.parametrize("delay", [0, 1, DAY - 1, 90 * DAY + 1, 2**32 - 1])
@pytest.mark.parametrize("nth", ["first", "change"])
def test_name_guardians__shorter_or_longer_delay__is_refused(authority, actors, delay, nth):
    if nth == "change":
        name(authority, actors, OLD)
    before = authority.guardianship(actors.patient)

    for circle in (NEW, NO_CIRCLE):
        with pytest.raises(RefusedError) as refused:
            name(authority, actors, circle, delay)
        assert refused.value.args == ("AuthorityDelayOutOfRange", delay)
    assert authority.guardianship(actors.patient) == before


@pytest.mark.parametrize("caller", ["stranger", "doctor", "custodian", "other_patient", "deployer"])
def test_name_guardians__caller_is_another__is_refused(authority, actors, caller):
    name(authority, actors, OLD)
    before = authority.guardianship(actors.patient)

    for circle in (NEW.digest(actors.patient), NO_CIRCLE):
        with pytest.raises(RefusedError) as refused:
            authority.name_guardians(getattr(actors, caller), actors.patient, circle)
        assert refused.value.args == ("AuthorityNotAllowed", actors.patient, getattr(actors, caller))
    assert authority.guardianship(actors.patient) == before


def test_name_guardians__recovery_is_pending__leaves_it_to_an_objection(authority, actors):
    name(authority, actors, OLD, 3 * DAY)
    ready_at = propose(authority, actors, OLD).events[0].values["readyAt"]

    name(authority, actors, NO_CIRCLE)

    stands = authority.guardianship(actors.patient)
    assert (stands.proposed, stands.ready_at) == (actors.doctor, ready_at)
    mark = authority.chain.snapshot()
    authority.complete(actors.stranger, actors.patient, at=ready_at)
    assert authority.controller(actors.patient) == (actors.doctor, 1)
    authority.chain.revert(mark)
    authority.object(actors.patient, actors.patient)
    with pytest.raises(RefusedError) as refused:
        authority.complete(actors.stranger, actors.patient, at=ready_at)
    assert refused.value.args == ("AuthorityNoRecovery", actors.patient)


def test_name_guardians__patient_revokes_all__the_circle_stays(authority, actors):
    name(authority, actors, OLD)
    before = authority.guardianship(actors.patient)

    authority.revoke_all(actors.patient, actors.patient)

    assert authority.guardianship(actors.patient) == before
