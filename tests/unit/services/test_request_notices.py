"""What requests mean for an account, in its inbox: told in words, and what waits is told until it is answered.

given a study on open call
├─ the committee is told until it is approved; then patients with records are asked, in words
given named patients
├─ everybody with records is told that some are asked, and nobody who
given an acceptance
├─ the custodian is told until he delivers; the requester until he confirms, with the day of the release
├─ what others did is news to patient, custodian and requester, once
└─ after the deadline the requester is told of what goes back
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from studies import STUDY
from study_town import DAY, StudyTown, new_study_town

from medshare.model.governed import DecideDispute
from medshare.ports import Actor
from medshare.services.notices import Notice, Urgency

pytestmark = [pytest.mark.unit, pytest.mark.timeout(120)]


@pytest.fixture
def town(tmp_path: Path) -> StudyTown:
    return new_study_town(tmp_path)


def told(town: StudyTown, who: Actor) -> list[Notice]:
    mail = town.inbox.read(who.address)
    town.inbox.mark_seen(who.address, mail)
    return [notice for notice in mail.notices if notice.request_id is not None]


def kinds(town: StudyTown, who: Actor) -> list[str]:
    return [notice.kind for notice in told(town, who)]


def test_inbox__study_awaits_approval__the_committee_is_told_until_it_is_approved(town: StudyTown) -> None:
    opened = town.requesting.open(town.study, requester=town.researcher)
    for _ in range(2):
        (notice,) = told(town, town.committee)
        assert (notice.kind, notice.urgency, notice.waits) == ("StudyAwaitsApproval", Urgency.DUE, True)
        assert STUDY.title in notice.says
        assert notice.answer == f"medshare request approve {opened.request_id} --as {{me}}"
    town.publish()
    assert told(town, town.mary) == []
    town.requesting.approve(opened.request_id, committee=town.committee)
    assert told(town, town.committee) == []
    assert kinds(town, town.researcher) == ["StudyApproved"]
    assert told(town, town.researcher) == []


def test_inbox__open_call__asks_patients_with_records_in_words_once(town: StudyTown) -> None:
    opened = town.open()
    town.publish()
    (notice,) = told(town, town.mary)
    assert (notice.kind, notice.urgency, notice.who) == ("RequestOpen", Urgency.NEWS, town.researcher.address)
    for words in (STUDY.title, STUDY.institution, STUDY.summary, "laboratory", "700001", "90 days"):
        assert words in notice.says
    assert town.world.chain.member.address in notice.says
    assert notice.until == STUDY.deadline
    assert notice.answer == f"medshare request accept {opened.request_id} --as {{me}}"
    assert told(town, town.mary) == []
    assert told(town, town.paul) == []


def test_inbox__named_patients__says_nothing_of_whom_or_what(town: StudyTown) -> None:
    town.open(town.mary)
    for patient in (town.mary, town.paul):
        town.publish(patient)
    mary, paul = (told(town, patient) for patient in (town.mary, town.paul))
    assert [replace(each, patient=None) for each in mary] == [replace(each, patient=None) for each in paul]
    (notice,) = mary
    assert STUDY.title not in notice.says
    assert "offers" in notice.answer


def test_inbox__study_is_missing__says_so(town: StudyTown) -> None:
    opened = town.open()
    town.publish()
    town.world.store.unpin(opened.cid)
    town.world.store.collect()
    (notice,) = told(town, town.mary)
    assert "missing or wrong" in notice.says


def test_inbox__accepted__custodian_and_requester_are_told_until_it_is_done(town: StudyTown) -> None:
    hospital = town.world.hospital
    opened = town.open()
    town.publish()
    town.accept(opened.request_id)
    for _ in range(2):
        (notice,) = told(town, hospital)
        assert (notice.kind, notice.waits, notice.until) == ("DeliveryDue", True, STUDY.deadline)
        assert notice.answer == (
            f"medshare request deliver {opened.request_id} --patient {town.mary.address} --as {{me}}"
        )
    assert set(kinds(town, town.researcher)) == {"RewardReserved", "StudyApproved"}
    town.delivering.deliver(opened.request_id, town.mary.address, custodian=hospital)
    assert told(town, hospital) == []
    for _ in range(2):
        (notice,) = told(town, town.researcher)
        assert (notice.kind, notice.waits) == ("DeliveryToConfirm", True)
        assert notice.until == town.part(opened.request_id).released_at
    assert kinds(town, town.mary) == ["AccessDelivered"]
    town.requesting.confirm(opened.request_id, town.mary.address, requester=town.researcher)
    assert told(town, town.researcher) == []
    assert kinds(town, town.mary) == kinds(town, hospital) == ["RewardPaid"]


@pytest.mark.parametrize(("paid", "kind"), [(True, "RewardPaid"), (False, "RewardReturned")])
def test_inbox__dispute_decided__all_three_are_told_once(town: StudyTown, paid: bool, kind: str) -> None:
    request_id = town.delivered()
    everybody = (town.mary, town.world.hospital, town.researcher)
    for who in everybody:
        told(town, who)
    town.requesting.dispute(request_id, town.mary.address, "empty", requester=town.researcher)
    assert kinds(town, town.mary) == kinds(town, town.world.hospital) == ["DeliveryDisputed"]
    town.vote(DecideDispute(request_id=request_id, patient=town.mary.address, paid=paid))
    for who in everybody:
        assert kinds(town, who) == [kind]
        assert told(town, who) == []


def test_inbox__declined__patient_and_requester_are_told(town: StudyTown) -> None:
    opened = town.open()
    town.publish()
    town.accept(opened.request_id)
    for who in (town.mary, town.researcher):
        told(town, who)
    town.delivering.decline(opened.request_id, town.mary.address, custodian=town.world.hospital)
    assert kinds(town, town.mary) == kinds(town, town.researcher) == ["DeliveryDeclined"]


def test_inbox__after_the_deadline__requester_is_told_of_what_goes_back_until_it_did(town: StudyTown) -> None:
    request_id = town.delivered()
    town.until(STUDY.deadline)
    told(town, town.researcher)
    notices = {notice.kind: notice for notice in told(town, town.researcher)}
    assert "2 rewards" in notices["MoneyUnearned"].says
    town.requesting.return_unearned(request_id, payer=town.mary.signer)
    assert "MoneyUnearned" not in kinds(town, town.researcher)
    town.pass_by(14 * DAY)
    assert kinds(town, town.researcher) == ["DeliveryToConfirm"]
