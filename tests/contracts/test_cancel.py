"""AccessRequests.cancel and returnUnearned: what becomes of what nobody earned

given a request, and its researcher or a vote, before the deadline
    what nobody has reserved is credited to the researcher at once; it is told; nobody else can accept
    who has accepted keeps his reservation, is delivered and paid; where he is declined, his place goes back, too
    anybody else is refused, and so is a second time
from the deadline on
    it is not cancelled any more: anybody gives back what was not delivered, once, and told
    before the deadline, or with nothing left to give back, that is refused
    what was delivered is not given back, disputed or not
given any walk to the end
    what was paid and what went back add up to what was deposited
"""

from __future__ import annotations

import pytest
from asking import AWAITING, CANCELLED, NONE, RESERVED, RETURNED, REWARD, SOMEWHERE
from evm import DISPUTE_PERIOD, RESEARCHER_KIND, Event, refusal

pytestmark = pytest.mark.contracts


def deadline_of(asking, request):
    return asking.request(request).deadline


# ----------------------------------------------------------------------------------------------------- cancelling


@pytest.mark.parametrize("by", ["researcher", "vote"])
def test_cancel__nobody_has_accepted__all_goes_back_and_is_told(asking, institutions, actors, study, by):
    if by == "vote":
        sent = institutions.decide([actors.member], asking.call("cancel", study))
        by = institutions.contract.address
    else:
        sent = asking.cancel(actors.researcher, study)
        by = actors.researcher

    address = asking.contract.address
    assert sent.events[-2:] == (
        Event("RequestCancelled", {"id": study, "by": by, "returned": 2}, address),
        Event("Credited", {"account": actors.researcher, "token": "0x" + "00" * 20, "amount": 2 * REWARD}, address),
    )
    request = asking.request(study)
    assert (request.status, request.places, request.returned) == (CANCELLED, 0, 2)
    assert asking.credit(actors.researcher) == 2 * REWARD


def test_cancel__awaiting_approval__all_goes_back(asking, actors):
    request = asking.opened(actors.researcher)
    assert asking.request(request).status == AWAITING

    asking.cancel(actors.researcher, request)

    assert asking.credit(actors.researcher) == 2 * REWARD


def test_cancel__researcher_is_suspended__he_still_may(asking, institutions, actors, study):
    institutions.suspend_accreditation(actors.member, actors.researcher, RESEARCHER_KIND)

    asking.cancel(actors.researcher, study)

    assert asking.credit(actors.researcher) == 2 * REWARD


@pytest.mark.parametrize("who", ["stranger", "patient", "custodian", "member", "deployer"])
def test_cancel__by_anybody_else__is_refused(asking, actors, reserved, who):
    caller = getattr(actors, who)

    assert refusal(lambda: asking.cancel(caller, reserved)) == ("AccessRequestsNotAllowed", caller)


def test_cancel__twice__is_refused(asking, institutions, actors, study):
    asking.cancel(actors.researcher, study)
    said = ("AccessRequestsRequestNotOpen", study, CANCELLED)

    assert refusal(lambda: asking.cancel(actors.researcher, study)) == said
    assert refusal(lambda: institutions.decide([actors.member], asking.call("cancel", study))) == said
    assert asking.credit(actors.researcher) == 2 * REWARD


@pytest.mark.parametrize(("before", "is_done"), [(1, True), (0, False), (-1, False)])
def test_cancel__around_the_deadline__no_longer_at_it(asking, actors, study, before, is_done):
    deadline = deadline_of(asking, study)

    if is_done:
        asking.cancel(actors.researcher, study, at=deadline - before)
    else:
        refused = refusal(lambda: asking.cancel(actors.researcher, study, at=deadline - before))
        assert refused == ("AccessRequestsDeadlinePassed", study, deadline)


def test_cancel__then_accept__is_refused(asking, actors, reserved):
    acceptance = asking.acceptance(reserved, actors.other_patient, actors.custodian)
    asking.cancel(actors.researcher, reserved)

    refused = refusal(lambda: asking.accept(actors.other_patient, reserved, acceptance))

    assert refused == ("AccessRequestsRequestNotOpen", reserved, CANCELLED)


def test_cancel__somebody_has_accepted__he_is_delivered_and_paid(asking, actors, reserved):
    asking.cancel(actors.researcher, reserved)
    assert asking.credit(actors.researcher) == REWARD
    assert asking.reservation(reserved, actors.patient).status == RESERVED

    asking.deliver(actors.custodian, reserved, actors.patient)
    asking.confirm(actors.researcher, reserved, actors.patient)

    assert asking.credit(actors.patient) > 0
    deadline = deadline_of(asking, reserved)
    refused = refusal(lambda: asking.return_unearned(actors.stranger, reserved, at=deadline))
    assert refused == ("AccessRequestsNothingToReturn", reserved)


def test_cancel__then_decline__that_place_goes_back_too(asking, actors, reserved):
    asking.cancel(actors.researcher, reserved)

    sent = asking.decline(actors.custodian, reserved, actors.patient)

    assert [event.name for event in sent.events] == ["Credited", "DeliveryDeclined"]
    request = asking.request(reserved)
    assert (request.places, request.returned) == (0, 2)
    assert asking.credit(actors.researcher) == 2 * REWARD
    assert asking.reservation(reserved, actors.patient).status == NONE
    acceptance = asking.acceptance(reserved, actors.patient, actors.custodian, epoch=1)
    assert refusal(lambda: asking.accept(actors.patient, reserved, acceptance))[0] == "AccessRequestsRequestNotOpen"
    refused = refusal(lambda: asking.return_unearned(actors.stranger, reserved, at=request.deadline))
    assert refused == ("AccessRequestsNothingToReturn", reserved)


def test_decline__then_cancel__all_goes_back_once(asking, actors, reserved):
    asking.decline(actors.custodian, reserved, actors.patient)

    asking.cancel(actors.researcher, reserved)

    assert asking.credit(actors.researcher) == 2 * REWARD
    asking.withdraw(actors.researcher, actors.researcher, SOMEWHERE)
    assert asking.held() == 0


# ------------------------------------------------------------------------------------------------------ giving back


@pytest.mark.parametrize("who", ["stranger", "researcher", "patient"])
def test_return_unearned__from_the_deadline_on__by_anybody_and_told(asking, actors, reserved, who):
    deadline = deadline_of(asking, reserved)

    sent = asking.return_unearned(getattr(actors, who), reserved, at=deadline)

    assert sent.events[0] == Event("UnearnedReturned", {"id": reserved, "returned": 2}, asking.contract.address)
    assert asking.credit(actors.researcher) == 2 * REWARD
    assert (asking.request(reserved).places, asking.request(reserved).returned) == (0, 2)
    for act in (
        lambda: asking.deliver(actors.custodian, reserved, actors.patient),
        lambda: asking.decline(actors.custodian, reserved, actors.patient),
    ):
        assert refusal(act) == ("AccessRequestsDeadlinePassed", reserved, deadline)


@pytest.mark.parametrize("before", [1, 1000])
def test_return_unearned__before_the_deadline__is_refused(asking, actors, reserved, before):
    deadline = deadline_of(asking, reserved)

    refused = refusal(lambda: asking.return_unearned(actors.researcher, reserved, at=deadline - before))

    assert refused == ("AccessRequestsTooEarly", reserved, deadline)


def test_return_unearned__twice__is_refused(asking, actors, reserved):
    asking.return_unearned(actors.stranger, reserved, at=deadline_of(asking, reserved))

    assert refusal(lambda: asking.return_unearned(actors.stranger, reserved)) == (
        "AccessRequestsNothingToReturn",
        reserved,
    )


def test_return_unearned__never_approved__all_goes_back(asking, actors):
    request = asking.opened(actors.researcher)

    asking.return_unearned(actors.stranger, request, at=deadline_of(asking, request))

    assert asking.credit(actors.researcher) == 2 * REWARD


def test_return_unearned__cancelled_with_one_reserved__that_one_goes_back(asking, actors, reserved):
    asking.cancel(actors.researcher, reserved)

    asking.return_unearned(actors.stranger, reserved, at=deadline_of(asking, reserved))

    assert asking.credit(actors.researcher) == 2 * REWARD


@pytest.mark.parametrize("how", ["delivered", "disputed", "paid", "decided for the researcher"])
def test_return_unearned__one_was_delivered__only_the_other_goes_back(asking, institutions, actors, delivered, how):
    deadline = deadline_of(asking, delivered)
    if how == "paid":
        asking.confirm(actors.researcher, delivered, actors.patient)
    elif how != "delivered":
        asking.dispute(actors.researcher, delivered, actors.patient)
        if how != "disputed":
            institutions.decide([actors.member], asking.call("decide", delivered, actors.patient, False))
            assert asking.reservation(delivered, actors.patient).status == RETURNED
            assert asking.credit(actors.researcher) == REWARD

    sent = asking.return_unearned(actors.stranger, delivered, at=deadline)

    assert sent.events[0].values["returned"] == 1
    assert asking.request(delivered).delivered == 1


@pytest.mark.parametrize("number", [0, 9])
def test_cancel_and_return__nobody_opened_it__is_refused(asking, actors, number):
    for act in (asking.cancel, asking.return_unearned):
        refused = refusal(lambda act=act: act(actors.researcher, number))
        assert refused == ("AccessRequestsRequestUnknown", number)


# ------------------------------------------------------------------------------------------------------- to the end


def test_walk__one_is_paid_one_disputed_one_declined_one_left__adds_up(asking, institutions, actors):
    request = asking.opened(actors.researcher, asking.terms(grants=5, invitees=bytes(32)))
    institutions.decide([actors.member], asking.call("approveStudy", request))
    patients = (actors.patient, actors.other_patient, actors.stranger, actors.doctor)
    for patient in patients:
        asking.accept(actors.stranger, request, asking.acceptance(request, patient, actors.custodian))
    for patient in patients[:2]:
        asking.deliver(actors.custodian, request, patient)
    asking.decline(actors.custodian, request, patients[2])
    asking.dispute(actors.researcher, request, patients[1])
    institutions.decide([actors.member], asking.call("decide", request, patients[1], False))
    deadline = deadline_of(asking, request)
    asking.release(actors.stranger, request, patients[0], at=max(deadline, asking.chain.now + DISPUTE_PERIOD))
    asking.return_unearned(actors.stranger, request)

    accounts = (actors.patient, actors.custodian, institutions.contract.address, actors.researcher)
    earned = [asking.credit(account) for account in accounts]
    assert sum(earned) == 5 * REWARD == asking.held()
    assert earned[-1] == 4 * REWARD
    for account in accounts:
        if account == institutions.contract.address:
            treasury = asking.call("withdraw", account, "0x" + "00" * 20, SOMEWHERE)
            institutions.decide([actors.member], treasury)
        else:
            asking.withdraw(account, account, SOMEWHERE)
    assert asking.held() == 0
    assert asking.chain.balance(SOMEWHERE) == 5 * REWARD
