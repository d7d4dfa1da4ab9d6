"""AccessRequests.approveStudy

given an open call that awaits approval
    an accredited ethics committee approves it, or a vote; it is told, and patients can accept from then on
    anybody else is refused: the researcher, another, a stranger, a member alone, a committee no longer accredited
    who asks never approves his own study, a committee though he may be
given a request that does not await approval: it names patients, was approved, was cancelled
    it is refused, with how it stands
given no request
    it is refused
"""

from __future__ import annotations

import pytest
from asking import CANCELLED, COMMITTEE, OPEN, OTHER_RESEARCHER
from evm import ETHICS_KIND, Event, refusal

pytestmark = pytest.mark.contracts


@pytest.fixture
def awaiting(asking, actors):
    return asking.opened(actors.researcher)


def test_approve_study__by_a_committee__is_told_and_open(asking, actors, awaiting):
    acceptance = asking.acceptance(awaiting, actors.patient, actors.custodian)
    refused = refusal(lambda: asking.accept(actors.patient, awaiting, acceptance))
    assert refused == ("AccessRequestsRequestNotOpen", awaiting, 1)

    sent = asking.approve(COMMITTEE, awaiting)

    assert sent.events == (Event("StudyApproved", {"id": awaiting, "by": COMMITTEE}, asking.contract.address),)
    assert asking.request(awaiting).status == OPEN
    asking.accept(actors.patient, awaiting, acceptance)


def test_approve_study__by_vote__is_open(asking, institutions, actors, awaiting):
    sent = institutions.decide([actors.member], asking.call("approveStudy", awaiting))

    assert sent.events[-1].values == {"id": awaiting, "by": institutions.contract.address}
    assert asking.request(awaiting).status == OPEN


@pytest.mark.parametrize("who", ["stranger", "patient", "custodian", "doctor", "member", "deployer"])
def test_approve_study__by_anybody_else__is_refused(asking, actors, awaiting, who):
    caller = getattr(actors, who)

    assert refusal(lambda: asking.approve(caller, awaiting)) == ("AccessRequestsNotAccredited", caller)
    assert refusal(lambda: asking.approve(OTHER_RESEARCHER, awaiting))[0] == "AccessRequestsNotAccredited"


def test_approve_study__committee_no_longer_accredited__is_refused(asking, institutions, actors, awaiting):
    institutions.suspend_accreditation(actors.member, COMMITTEE, ETHICS_KIND)
    assert refusal(lambda: asking.approve(COMMITTEE, awaiting)) == ("AccessRequestsNotAccredited", COMMITTEE)
    institutions.reinstate_accreditation(actors.member, COMMITTEE, ETHICS_KIND)

    asking.approve(COMMITTEE, awaiting)


def test_approve_study__his_own__is_refused_and_anothers_is_not(asking, institutions, actors, awaiting):
    assert refusal(lambda: asking.approve(actors.researcher, awaiting)) == (
        "AccessRequestsNotAllowed",
        actors.researcher,
    )
    institutions.accredit(actors.member, actors.researcher, ETHICS_KIND)
    others = asking.opened(OTHER_RESEARCHER)

    assert refusal(lambda: asking.approve(actors.researcher, awaiting)) == (
        "AccessRequestsNotAllowed",
        actors.researcher,
    )
    asking.approve(actors.researcher, others)


@pytest.mark.parametrize(("how", "status"), [("named", OPEN), ("approved", OPEN), ("cancelled", CANCELLED)])
def test_approve_study__does_not_await_it__is_refused(asking, institutions, actors, awaiting, how, status):
    match how:
        case "named":
            awaiting = asking.opened(actors.researcher, asking.terms(invitees=b"\x1e" * 32))
        case "approved":
            asking.approve(COMMITTEE, awaiting)
        case _:
            asking.cancel(actors.researcher, awaiting)
    said = ("AccessRequestsRequestNotOpen", awaiting, status)

    assert refusal(lambda: asking.approve(COMMITTEE, awaiting)) == said
    assert refusal(lambda: institutions.decide([actors.member], asking.call("approveStudy", awaiting))) == said


@pytest.mark.parametrize("number", [0, 2])
def test_approve_study__nobody_opened_it__is_refused(asking, actors, awaiting, number):
    assert refusal(lambda: asking.approve(COMMITTEE, number)) == ("AccessRequestsRequestUnknown", number)
