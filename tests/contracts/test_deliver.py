"""AccessRequests.deliver and decline: the custodian's part

given a reservation, and the custodian whom the patient named, accredited, before the deadline
    he delivers while the grant stands: told, counted, and the time to dispute begins
    he has nothing to deliver: told, the place is free again, the grant is as it was
given anybody else: the patient, the researcher, another accredited custodian, a stranger
    it is refused; but who is accredited no longer is declined by anybody
given a grant that was revoked, one by one or all at once, or a content that is not the one that was signed
    it is not delivered: what was not yet earned is lost to nobody but this reward
given a reservation that is none, was delivered, disputed, paid or given back
    it is refused, with how it stands
given the deadline
    one second before it is done, from then on it is refused
"""

from __future__ import annotations

import pytest
from asking import (
    DELIVERED,
    DISPUTED,
    NONE,
    OTHER_CONTENT,
    PAID,
    RESERVED,
    RETURNED,
    ReservationView,
)
from evm import BUNDLE, CUSTODIAN_KIND, HRESCH, NEVER, RESEARCHER_KIND, Event, pack_grant, refusal
from institutions import INSTITUTIONS, data_of

pytestmark = pytest.mark.contracts


@pytest.fixture
def grant_id(asking, actors, reserved):
    return asking.grant_id(reserved, actors.patient, actors.custodian)


# ------------------------------------------------------------------------------------------------------ delivering


def test_deliver__by_the_named_custodian__is_told_and_counted(asking, actors, reserved):
    sent = asking.deliver(actors.custodian, reserved, actors.patient)

    told = {"id": reserved, "patient": actors.patient, "bundle": BUNDLE, "score": 0}
    assert sent.events == (Event("AccessDelivered", told, asking.contract.address),)
    assert asking.reservation(reserved, actors.patient) == ReservationView(actors.custodian, sent.time, DELIVERED)
    request = asking.request(reserved)
    assert (request.places, request.delivered, request.returned) == (1, 1, 0)


@pytest.mark.parametrize("who", ["patient", "researcher", "other_custodian", "stranger", "member"])
def test_deliver__by_anybody_else__is_refused(asking, actors, reserved, who):
    caller = getattr(actors, who)

    refused = refusal(lambda: asking.deliver(caller, reserved, actors.patient))

    assert refused == ("AccessRequestsNotAllowed", caller)


@pytest.mark.parametrize("how", ["withdrawn", "suspended", "member without seat"])
def test_deliver__no_longer_accredited__is_refused(asking, institutions, actors, reserved, how):
    match how:
        case "withdrawn":
            institutions.accredit(actors.member, actors.custodian, CUSTODIAN_KIND, 0)
        case "suspended":
            institutions.suspend_accreditation(actors.member, actors.custodian, CUSTODIAN_KIND)
        case _:
            institutions.decide([actors.member], institutions.call("admit", INSTITUTIONS[0]))
            institutions.decide([actors.member, INSTITUTIONS[0]], institutions.call("suspend", actors.member))

    refused = refusal(lambda: asking.deliver(actors.custodian, reserved, actors.patient))

    assert refused == ("AccessRequestsNotAccredited", actors.custodian)


def test_deliver__researcher_is_suspended__what_was_accepted_is_delivered(asking, institutions, actors, reserved):
    institutions.suspend_accreditation(actors.member, actors.researcher, RESEARCHER_KIND)

    asking.deliver(actors.custodian, reserved, actors.patient)

    assert asking.reservation(reserved, actors.patient).status == DELIVERED


@pytest.mark.parametrize("how", ["revoked", "revoked all", "replaced by one for less"])
def test_deliver__the_grant_does_not_stand__is_refused(asking, ledger, actors, reserved, grant_id, how):
    match how:
        case "revoked":
            ledger.revoke(actors.patient, grant_id)
        case "revoked all":
            ledger.revoke_all(actors.patient)
        case _:
            terms = asking.terms_for(reserved, actors.custodian)
            ledger.grant_word(actors.patient, pack_grant(actors.researcher, 0, NEVER, 1), terms=terms)

    refused = refusal(lambda: asking.deliver(actors.custodian, reserved, actors.patient))

    assert refused == ("AccessRequestsGrantNotLive", reserved, actors.patient)
    assert asking.reservation(reserved, actors.patient).status == RESERVED
    asking.decline(actors.custodian, reserved, actors.patient)


def test_deliver__revoked_and_granted_again__is_done(asking, ledger, actors, reserved, grant_id):
    ledger.revoke(actors.patient, grant_id)
    again = asking.acceptance(reserved, actors.patient, actors.custodian, epoch=2)
    asking.chain.send(asking.grant_signed(again, reserved), sender=actors.stranger)

    asking.deliver(actors.custodian, reserved, actors.patient)

    assert asking.reservation(reserved, actors.patient).status == DELIVERED


@pytest.mark.parametrize("content", [OTHER_CONTENT, bytes(32)])
def test_deliver__another_content__is_refused(asking, actors, reserved, content):
    refused = refusal(lambda: asking.deliver(actors.custodian, reserved, actors.patient, content=content))

    assert refused == ("AccessRequestsGrantNotLive", reserved, actors.patient)


@pytest.mark.parametrize("patient", ["other_patient", "researcher"])
def test_deliver__nobody_accepted__is_refused(asking, actors, reserved, patient):
    who = getattr(actors, patient)

    for act in (asking.deliver, asking.decline):
        refused = refusal(lambda act=act: act(actors.custodian, reserved, who))
        assert refused == ("AccessRequestsReservationNot", reserved, who, NONE)


@pytest.mark.parametrize("how", ["delivered", "disputed", "paid", "returned", "declined"])
def test_deliver__is_past_it__is_refused(asking, institutions, actors, reserved, how):
    status = {"delivered": DELIVERED, "disputed": DISPUTED, "paid": PAID, "returned": RETURNED, "declined": NONE}[how]
    if how == "declined":
        asking.decline(actors.custodian, reserved, actors.patient)
    else:
        asking.deliver(actors.custodian, reserved, actors.patient)
    if how in ("disputed", "returned"):
        asking.dispute(actors.researcher, reserved, actors.patient)
    if how == "returned":
        institutions.decide([actors.member], asking.call("decide", reserved, actors.patient, False))
    if how == "paid":
        asking.confirm(actors.researcher, reserved, actors.patient)
    before = asking.request(reserved)

    for act in (asking.deliver, asking.decline):
        refused = refusal(lambda act=act: act(actors.custodian, reserved, actors.patient))
        assert refused == ("AccessRequestsReservationNot", reserved, actors.patient, status)
    assert asking.request(reserved) == before


@pytest.mark.parametrize("verb", ["deliver", "decline"])
@pytest.mark.parametrize(("before", "is_done"), [(2, True), (1, True), (0, False), (-1, False)])
def test_deliver_and_decline__around_the_deadline__no_longer_at_it(asking, actors, reserved, verb, before, is_done):
    act, deadline = getattr(asking, verb), asking.request(reserved).deadline

    if is_done:
        act(actors.custodian, reserved, actors.patient, at=deadline - before)
    else:
        refused = refusal(lambda: act(actors.custodian, reserved, actors.patient, at=deadline - before))
        assert refused == ("AccessRequestsDeadlinePassed", reserved, deadline)


@pytest.mark.parametrize("number", [0, 9])
def test_deliver_and_decline__nobody_opened_it__is_refused(asking, actors, reserved, number):
    for act in (asking.deliver, asking.decline):
        refused = refusal(lambda act=act: act(actors.custodian, number, actors.patient))
        assert refused == ("AccessRequestsRequestUnknown", number)


def test_deliver__many_in_a_batch__each_is_delivered_or_reported(asking, actors, reserved):
    asking.accept(actors.stranger, reserved, asking.acceptance(reserved, actors.other_patient, actors.custodian))
    patients = (actors.patient, actors.patient, actors.other_patient)
    content = b"\xc1" * 32
    calls = [data_of(asking.call("deliver", reserved, patient, content, BUNDLE, 0)) for patient in patients]

    sent = asking.chain.send(asking.call("batch", calls), sender=actors.custodian)

    assert [event.name for event in sent.events] == ["AccessDelivered", "CallRefused", "AccessDelivered"]
    assert asking.request(reserved).delivered == 2


# ------------------------------------------------------------------------------------------------------- declining


def test_decline__by_the_named_custodian__is_told_and_the_place_is_free(asking, ledger, actors, reserved, grant_id):
    sent = asking.decline(actors.custodian, reserved, actors.patient)

    told = {"id": reserved, "patient": actors.patient}
    assert sent.events == (Event("DeliveryDeclined", told, asking.contract.address),)
    assert asking.request(reserved).places == 2
    assert asking.reservation(reserved, actors.patient).status == NONE
    assert ledger.is_live(grant_id, HRESCH)
    assert asking.credit(actors.researcher) == 0


@pytest.mark.parametrize("who", ["patient", "researcher", "other_custodian", "stranger", "member"])
def test_decline__by_anybody_else__only_where_the_custodian_is_accredited_no_longer(
    asking, institutions, actors, reserved, who
):
    caller = getattr(actors, who)

    assert refusal(lambda: asking.decline(caller, reserved, actors.patient)) == ("AccessRequestsNotAllowed", caller)
    institutions.suspend_accreditation(actors.member, actors.custodian, CUSTODIAN_KIND)
    asking.decline(caller, reserved, actors.patient)

    assert asking.request(reserved).places == 2


def test_decline__by_a_custodian_who_is_accredited_no_longer__is_done(asking, institutions, actors, reserved):
    institutions.accredit(actors.member, actors.custodian, CUSTODIAN_KIND, 0)

    asking.decline(actors.custodian, reserved, actors.patient)

    assert asking.request(reserved).places == 2
