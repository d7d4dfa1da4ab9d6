"""Consortium.accredit, suspendAccreditation, reinstateAccreditation, isAccredited

given a member that has its seat
    it accredits in its own name until a date, changes the date, and withdraws with 0; told by its event
    one kind is not the other, and the last second before the date is the last
    what it accredited counts only while it has its seat: suspended or removed, not; readmitted, again
    records that were registered meanwhile stay
given who has no seat: the accredited himself, a stranger, who deployed, a suspended or removed member
    it is refused
given an accreditation by another member
    while it is in force and that member has its seat, nobody else changes it
    once it has ended, was withdrawn, or that member has lost its seat, it can be taken over
given a suspension
    the member that accredited him lays it on and lifts it; a new date does not; taking over does
    a vote lays it on and lifts it whoever accredited; what a vote laid on, no member lifts
    another member can neither lay it on nor lift it
    it is not laid on twice, nor lifted where there is none, nor laid on who was never accredited
given nobody, or nothing to be
    it is refused
"""

from __future__ import annotations

import pytest
from evm import (
    ALWAYS,
    ASSESSOR_KIND,
    CLINICIAN_KIND,
    CUSTODIAN_KIND,
    ETHICS_KIND,
    RESEARCHER_KIND,
    REVIEWER_KIND,
    ZERO_ADDRESS,
    Event,
    RefusedError,
)
from institutions import BY_MEMBER, BY_VOTE, INSTITUTIONS, NOT_SUSPENDED, found

pytestmark = pytest.mark.contracts

KINDS = (CUSTODIAN_KIND, CLINICIAN_KIND, RESEARCHER_KIND, ETHICS_KIND, ASSESSOR_KIND, REVIEWER_KIND)
RECORD, NEXT_RECORD = b"\xc1" * 32, b"\xc2" * 32
OTHER, THIRD = INSTITUTIONS[:2]


def assert_refused(act, *args):
    with pytest.raises(RefusedError) as refused:
        act()
    assert refused.value.args == args


@pytest.fixture
def member(institutions, actors):
    """The founding member, which admitted two others."""
    for each in (OTHER, THIRD):
        institutions.decide([actors.member, *((OTHER,) if each == THIRD else ())], institutions.call("admit", each))
    return actors.member


def by_vote(institutions, member, name, *arguments):
    """Two of three members decide."""
    return institutions.decide([member, OTHER], institutions.call(name, *arguments))


# ------------------------------------------------------------------------------------------------- accrediting


@pytest.mark.parametrize("kind", KINDS)
def test_accredit__by_a_member__is_told_and_of_one_kind(institutions, actors, kind):
    sent = institutions.accredit(actors.member, actors.doctor, kind)

    values = {"actor": actors.doctor, "kind": kind, "member": actors.member, "validUntil": ALWAYS}
    assert sent.events == (Event("Accredited", values, institutions.contract.address),)
    assert [each for each in range(7) if institutions.is_accredited(actors.doctor, each)] == [kind]
    assert institutions.accreditation(actors.doctor, kind) == (ALWAYS, 1, NOT_SUSPENDED)
    assert not institutions.is_accredited(actors.stranger, kind)


@pytest.mark.parametrize("who", ["doctor", "stranger", "deployer", "patient"])
def test_accredit__by_who_has_no_seat__is_refused(institutions, actors, who):
    institutions.accredit(actors.member, actors.doctor, CLINICIAN_KIND)
    caller = getattr(actors, who)

    for until in (0, ALWAYS):
        assert_refused(
            lambda until=until: institutions.accredit(caller, actors.doctor, CLINICIAN_KIND, until),
            "DirectoryNotAMember",
            caller,
        )
    assert institutions.is_accredited(actors.doctor, CLINICIAN_KIND)


@pytest.mark.parametrize(("when", "is_still"), [(-1, True), (0, False), (1, False)])
def test_is_accredited__around_its_end__no_longer_at_it(institutions, actors, when, is_still):
    end = institutions.chain.now + 1000
    institutions.accredit(actors.member, actors.doctor, CLINICIAN_KIND, end)

    institutions.chain.mine_at(end + when)

    assert institutions.is_accredited(actors.doctor, CLINICIAN_KIND) is is_still


@pytest.mark.parametrize("until", [0, 1, ALWAYS])
def test_accredit__again__replaces_the_date(institutions, actors, until):
    institutions.accredit(actors.member, actors.doctor, CLINICIAN_KIND, institutions.chain.now + 1000)

    institutions.accredit(actors.member, actors.doctor, CLINICIAN_KIND, until)

    assert institutions.accreditation(actors.doctor, CLINICIAN_KIND) == (until, 1, NOT_SUSPENDED)
    assert institutions.is_accredited(actors.doctor, CLINICIAN_KIND) is (until == ALWAYS)


def test_accredit__latest_date_there_is__is_kept(institutions, actors):
    institutions.accredit(actors.member, actors.doctor, CLINICIAN_KIND, ALWAYS)

    institutions.chain.mine_at(2**32 + 1)

    assert institutions.is_accredited(actors.doctor, CLINICIAN_KIND)


def test_accredit__the_zero_address_or_as_nothing__is_refused(institutions, actors):
    for actor, kind in ((ZERO_ADDRESS, CLINICIAN_KIND), (actors.doctor, 0), (ZERO_ADDRESS, 0)):
        assert_refused(
            lambda actor=actor, kind=kind: institutions.accredit(actors.member, actor, kind),
            "DirectoryAccreditationInvalid",
            actor,
            kind,
        )


# --------------------------------------------------------------------------------------------- whose word it is


def test_accredit__another_members_word_stands__is_refused(institutions, actors, member):
    institutions.accredit(member, actors.doctor, CLINICIAN_KIND)

    for until in (0, ALWAYS):
        assert_refused(
            lambda until=until: institutions.accredit(OTHER, actors.doctor, CLINICIAN_KIND, until),
            "DirectoryAccreditedByAnother",
            actors.doctor,
            CLINICIAN_KIND,
            1,
        )
    institutions.accredit(OTHER, actors.doctor, REVIEWER_KIND)
    assert institutions.accreditation(actors.doctor, CLINICIAN_KIND)[1] == 1


def test_accredit__another_members_word_has_ended__is_taken_over(institutions, actors, member):
    end = institutions.chain.now + 1000
    institutions.accredit(member, actors.doctor, CLINICIAN_KIND, end)

    assert_refused(
        lambda: institutions.accredit(OTHER, actors.doctor, CLINICIAN_KIND, at=end - 1),
        "DirectoryAccreditedByAnother",
        actors.doctor,
        CLINICIAN_KIND,
        1,
    )
    institutions.accredit(OTHER, actors.doctor, CLINICIAN_KIND, at=end)

    assert institutions.accreditation(actors.doctor, CLINICIAN_KIND) == (ALWAYS, 2, NOT_SUSPENDED)


def test_accredit__another_withdrew_it__is_taken_over(institutions, actors, member):
    institutions.accredit(member, actors.doctor, CLINICIAN_KIND)
    institutions.accredit(member, actors.doctor, CLINICIAN_KIND, 0)

    institutions.accredit(OTHER, actors.doctor, CLINICIAN_KIND)

    assert institutions.is_accredited(actors.doctor, CLINICIAN_KIND)


@pytest.mark.parametrize("verb", ["suspend", "remove"])
def test_accredit__its_member_lost_its_seat__is_taken_over(institutions, actors, member, verb):
    institutions.accredit(THIRD, actors.doctor, CLINICIAN_KIND)
    by_vote(institutions, member, verb, THIRD)
    assert not institutions.is_accredited(actors.doctor, CLINICIAN_KIND)

    institutions.accredit(OTHER, actors.doctor, CLINICIAN_KIND)

    assert institutions.is_accredited(actors.doctor, CLINICIAN_KIND)
    by_vote(institutions, member, "reinstate" if verb == "suspend" else "admit", THIRD)
    assert institutions.accreditation(actors.doctor, CLINICIAN_KIND)[1] == 2


@pytest.mark.parametrize(("verb", "back"), [("suspend", "reinstate"), ("remove", "admit")])
def test_is_accredited__its_member_loses_its_seat__not_until_it_has_it_again(institutions, actors, member, verb, back):
    institutions.accredit(THIRD, actors.doctor, CLINICIAN_KIND)
    institutions.accredit(member, actors.researcher, CLINICIAN_KIND)

    by_vote(institutions, member, verb, THIRD)
    assert not institutions.is_accredited(actors.doctor, CLINICIAN_KIND)
    assert institutions.is_accredited(actors.researcher, CLINICIAN_KIND)
    for act in (institutions.accredit, institutions.suspend_accreditation, institutions.reinstate_accreditation):
        assert_refused(lambda act=act: act(THIRD, actors.doctor, CLINICIAN_KIND), "DirectoryNotAMember", THIRD)

    by_vote(institutions, member, back, THIRD)
    assert institutions.is_accredited(actors.doctor, CLINICIAN_KIND)
    institutions.accredit(THIRD, actors.doctor, CLINICIAN_KIND, 0)


def test_remove__its_custodian_has_records__they_stay_and_no_more_come(institutions, ledger, actors, member):
    institutions.accredit(THIRD, actors.stranger, CUSTODIAN_KIND)
    ledger.register(actors.stranger, RECORD, actors.patient)
    before = ledger.record(actors.stranger, RECORD)

    by_vote(institutions, member, "remove", THIRD)

    assert ledger.record(actors.stranger, RECORD) == before
    for act in (
        lambda: ledger.register(actors.stranger, NEXT_RECORD, actors.patient),
        lambda: ledger.supersede(actors.stranger, NEXT_RECORD, RECORD),
    ):
        assert_refused(act, "RecordRegistryNotAccredited", actors.stranger)
    ledger.retract(actors.stranger, RECORD, bytes(32))


# --------------------------------------------------------------------------------------------------- suspensions


def test_suspend__by_the_member_that_accredited__at_once_and_lifted_by_it(institutions, actors, member):
    institutions.accredit(member, actors.doctor, CLINICIAN_KIND)

    laid = institutions.suspend_accreditation(member, actors.doctor, CLINICIAN_KIND)
    assert not institutions.is_accredited(actors.doctor, CLINICIAN_KIND)
    assert laid.events == (
        Event(
            "AccreditationSuspended",
            {"actor": actors.doctor, "kind": CLINICIAN_KIND, "by": BY_MEMBER},
            institutions.contract.address,
        ),
    )

    lifted = institutions.reinstate_accreditation(member, actors.doctor, CLINICIAN_KIND)
    assert institutions.is_accredited(actors.doctor, CLINICIAN_KIND)
    assert [event.name for event in lifted.events] == ["AccreditationReinstated"]


def test_accredit__suspended_by_itself__a_new_date_lifts_nothing(institutions, actors, member):
    institutions.accredit(member, actors.doctor, CLINICIAN_KIND)
    institutions.suspend_accreditation(member, actors.doctor, CLINICIAN_KIND)

    institutions.accredit(member, actors.doctor, CLINICIAN_KIND)

    assert institutions.accreditation(actors.doctor, CLINICIAN_KIND) == (ALWAYS, 1, BY_MEMBER)


def test_accredit__taken_over__the_former_members_suspension_ends(institutions, actors, member):
    end = institutions.chain.now + 1000
    institutions.accredit(member, actors.doctor, CLINICIAN_KIND, end)
    institutions.suspend_accreditation(member, actors.doctor, CLINICIAN_KIND)

    institutions.accredit(OTHER, actors.doctor, CLINICIAN_KIND, at=end)

    assert institutions.accreditation(actors.doctor, CLINICIAN_KIND) == (ALWAYS, 2, NOT_SUSPENDED)


def test_accredit__suspended_by_vote__taking_over_lifts_nothing(institutions, actors, member):
    end = institutions.chain.now + 1000
    institutions.accredit(member, actors.doctor, CLINICIAN_KIND, end)
    by_vote(institutions, member, "suspendAccreditation", actors.doctor, CLINICIAN_KIND)

    institutions.accredit(OTHER, actors.doctor, CLINICIAN_KIND, at=end)

    assert institutions.accreditation(actors.doctor, CLINICIAN_KIND) == (ALWAYS, 2, BY_VOTE)
    assert not institutions.is_accredited(actors.doctor, CLINICIAN_KIND)


def test_suspend__by_another_member__is_refused(institutions, actors, member):
    institutions.accredit(member, actors.doctor, CLINICIAN_KIND)
    said = ("DirectoryAccreditedByAnother", actors.doctor, CLINICIAN_KIND, 1)

    assert_refused(lambda: institutions.suspend_accreditation(OTHER, actors.doctor, CLINICIAN_KIND), *said)
    institutions.suspend_accreditation(member, actors.doctor, CLINICIAN_KIND)
    assert_refused(lambda: institutions.reinstate_accreditation(OTHER, actors.doctor, CLINICIAN_KIND), *said)


@pytest.mark.parametrize("who", ["doctor", "stranger", "deployer"])
def test_suspend__by_who_has_no_seat__is_refused(institutions, actors, who):
    caller = getattr(actors, who)
    institutions.accredit(actors.member, actors.doctor, CLINICIAN_KIND)

    for act in (institutions.suspend_accreditation, institutions.reinstate_accreditation):
        assert_refused(lambda act=act: act(caller, actors.doctor, CLINICIAN_KIND), "DirectoryNotAMember", caller)


@pytest.mark.parametrize("before", ["free", "suspended by its member"])
def test_suspend__by_vote__outranks_the_member(institutions, actors, member, before):
    institutions.accredit(THIRD, actors.doctor, CLINICIAN_KIND)
    if before != "free":
        institutions.suspend_accreditation(THIRD, actors.doctor, CLINICIAN_KIND)

    by_vote(institutions, member, "suspendAccreditation", actors.doctor, CLINICIAN_KIND)

    assert institutions.accreditation(actors.doctor, CLINICIAN_KIND) == (ALWAYS, 3, BY_VOTE)
    assert_refused(
        lambda: institutions.reinstate_accreditation(THIRD, actors.doctor, CLINICIAN_KIND),
        "DirectorySuspendedByVote",
        actors.doctor,
        CLINICIAN_KIND,
    )
    assert_refused(
        lambda: institutions.suspend_accreditation(THIRD, actors.doctor, CLINICIAN_KIND),
        "DirectorySuspensionInvalid",
        actors.doctor,
        CLINICIAN_KIND,
        BY_VOTE,
    )
    by_vote(institutions, member, "reinstateAccreditation", actors.doctor, CLINICIAN_KIND)
    assert institutions.is_accredited(actors.doctor, CLINICIAN_KIND)


def test_reinstate__by_vote__lifts_a_members_suspension(institutions, actors, member):
    institutions.accredit(THIRD, actors.doctor, CLINICIAN_KIND)
    institutions.suspend_accreditation(THIRD, actors.doctor, CLINICIAN_KIND)

    by_vote(institutions, member, "reinstateAccreditation", actors.doctor, CLINICIAN_KIND)

    assert institutions.is_accredited(actors.doctor, CLINICIAN_KIND)


def test_suspend__twice_or_never_accredited__is_refused(institutions, actors, member):
    institutions.accredit(member, actors.doctor, CLINICIAN_KIND)
    institutions.suspend_accreditation(member, actors.doctor, CLINICIAN_KIND)

    for actor, suspension in ((actors.doctor, BY_MEMBER), (actors.stranger, NOT_SUSPENDED)):
        assert_refused(
            lambda actor=actor: institutions.suspend_accreditation(member, actor, CLINICIAN_KIND),
            "DirectorySuspensionInvalid",
            actor,
            CLINICIAN_KIND,
            suspension,
        )
    assert_refused(
        lambda: by_vote(institutions, member, "suspendAccreditation", actors.stranger, CLINICIAN_KIND),
        "DirectorySuspensionInvalid",
        actors.stranger,
        CLINICIAN_KIND,
        NOT_SUSPENDED,
    )


def test_reinstate__not_suspended__is_refused(institutions, actors, member):
    institutions.accredit(member, actors.doctor, CLINICIAN_KIND)

    for actor in (actors.doctor, actors.stranger):
        assert_refused(
            lambda actor=actor: institutions.reinstate_accreditation(member, actor, CLINICIAN_KIND),
            "DirectorySuspensionInvalid",
            actor,
            CLINICIAN_KIND,
            NOT_SUSPENDED,
        )


def test_accredit__two_consortia__know_nothing_of_each_other(institutions, chain, actors):
    others = found(chain, [OTHER], sender=actors.deployer)
    institutions.accredit(actors.member, actors.doctor, CLINICIAN_KIND)

    assert not others.is_accredited(actors.doctor, CLINICIAN_KIND)
    assert_refused(
        lambda: others.accredit(actors.member, actors.doctor, CLINICIAN_KIND), "DirectoryNotAMember", actors.member
    )
