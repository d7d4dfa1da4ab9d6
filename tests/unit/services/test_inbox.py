"""The inbox: what happened to somebody since he last looked, and what waits for him, from the chain alone.

├─ a patient: an episode in force comes first and until it ends; releases, reviews, overdue ones; who was told once is
│  not told again; after a crash, with no mark or a mark of another branch, all is told
├─ a recovery: until when to object, and how; who took over
├─ what others did in one's name; what one did oneself is no news
├─ a custodian is told once of each patient of his whose key was recovered, with the command that encrypts for the new
│  one; not where nothing is left from before
├─ a custodian whose first record came after a grant is named to the patient, with the command that tells him; once
├─ a delegate gets what concerns the child; a clinician, his releases and overdue reviews; a custodian, who waits for
│  keys; a reviewer, what is to be reviewed
└─ a stranger gets nothing
"""

from __future__ import annotations

import pytest
from town import HOUR, Town, new_town
from world import DAY

from medshare.model.emergency import Verdict
from medshare.model.ids import Address
from medshare.services.description import Description
from medshare.services.notices import Urgency
from medshare.testing import new_actor

pytestmark = pytest.mark.unit


@pytest.fixture
def town(tmp_path) -> Town:
    return new_town(tmp_path)


def kinds(town: Town, account: Address, *, seen: bool = False, **more) -> list[str]:
    mail = town.inbox.read(account, **more)
    if seen:
        town.inbox.mark_seen(account, mail)
    return [notice.kind for notice in mail.notices]


def test_read__an_emergency__comes_first_and_waits_until_it_is_over(town: Town) -> None:
    patient = town.world.patient.address
    town.world.publish()
    town.appoint()
    town.grant_for(town.world.publish(b"second"))
    episode_id = town.break_glass()
    town.emergencies.release(episode_id, custodian=town.world.hospital)
    mail = town.inbox.read(patient)
    assert [(each.kind, each.urgency) for each in mail.notices] == [
        ("EpisodeInForce", Urgency.EMERGENCY),
        ("KeysReleased", Urgency.EMERGENCY),
        ("AccessGranted", Urgency.NEWS),
    ]
    first = mail.notices[0]
    assert (first.who, first.patient, first.waits) == (town.clinician.address, patient, True)
    assert first.answer == f"medshare emergency end {episode_id:#x} --as {{me}}"
    assert first.until == first.at + HOUR
    town.inbox.mark_seen(patient, mail)
    assert kinds(town, patient) == ["EpisodeInForce"]
    town.emergencies.end(episode_id, actor=town.clinician)
    assert kinds(town, patient, seen=True) == ["EpisodeEnded"]
    assert kinds(town, patient) == []
    everything = kinds(town, patient, everything=True)
    assert everything[:3] == ["EpisodeEnded", "KeysReleased", "GlassBroken"]


def test_read__away_during_the_whole_emergency__is_told_all_of_it(town: Town) -> None:
    patient = town.world.patient.address
    town.world.publish()
    kinds(town, patient, seen=True)
    episode_id = town.break_glass()
    town.emergencies.release(episode_id, custodian=town.world.hospital)
    town.pass_by(2 * HOUR)
    town.emergencies.review(episode_id, Verdict.JUSTIFIED, "fine", reviewer=town.reviewer)
    assert kinds(town, patient) == ["KeysReleased", "GlassBroken", "EpisodeReviewed"]


def test_read__a_review_is_overdue__patient_clinician_and_reviewer_are_told(town: Town) -> None:
    assert kinds(town, town.reviewer.address, seen=True) == ["Accredited"]
    town.break_glass()
    assert kinds(town, town.reviewer.address) == ["ReviewDue"]
    town.pass_by(72 * HOUR)
    for account in (town.world.patient.address, town.clinician.address):
        kinds(town, account, seen=True)
        assert kinds(town, account) == ["ReviewOverdue"]
    (notice,) = town.inbox.read(town.reviewer.address).notices
    assert "its time is over" in notice.says
    assert notice.answer.startswith("medshare emergency review 0x")


def test_read__mark_lost_damaged_or_of_another_branch__all_is_told_again(town: Town) -> None:
    patient = town.world.patient.address
    first, second = town.world.publish(), town.world.publish(b"second")
    town.appoint()
    town.grant_for(first)
    assert kinds(town, patient, seen=True) == ["AccessGranted"]
    assert kinds(town, patient) == []
    (mark,) = (town.world.folder / "inbox").iterdir()
    kept = mark.read_bytes()
    for damaged in (b"", b"{}", kept[:-9], kept.replace(b'"hash":"', b'"hash":"00')):
        mark.write_bytes(damaged)
        assert kinds(town, patient) == ["AccessGranted"]
    mark.write_bytes(kept)
    town.world.chain.reorganise(1)
    town.grant_for(second)
    town.world.chain.mine()
    assert kinds(town, patient) == ["AccessGranted"]


def test_read__a_recovery__says_until_when_and_how_to_object(town: Town) -> None:
    patient = town.world.patient
    circle = town.guarding.name(
        patient=patient, guardians=[each.address for each in town.guardians], threshold=2, delay=DAY
    ).circle
    assert kinds(town, patient.address, seen=True) == []
    town.propose(circle)
    mail = town.inbox.read(patient.address)
    waits, told = mail.notices
    assert (waits.kind, told.kind) == ("RecoveryWaits", "RecoveryProposed")
    assert waits.until == told.until
    assert waits.who == town.newcomer.address
    assert waits.answer == f"medshare guardian object --as {{me}} --for {patient.address}"
    town.inbox.mark_seen(patient.address, mail)
    assert kinds(town, patient.address) == ["RecoveryWaits"]
    town.guarding.object(patient=patient)
    assert kinds(town, patient.address) == []


def test_read__control_moved__both_are_told(town: Town) -> None:
    town.recover()
    assert kinds(town, town.world.patient.address)[0] == "ControlMoved"
    assert kinds(town, town.newcomer.address)[0] == "ControlMoved"


def test_read__control_moved__custodian_of_what_was_published_before_is_told_once_with_the_command(town: Town) -> None:
    world, patient = town.world, town.world.patient.address
    published = world.publish()
    other = world.publish(b"second")
    assert kinds(town, world.hospital.address, seen=True) == ["Accredited"]
    town.recover()
    (notice,) = town.inbox.read(world.hospital.address).notices
    assert (notice.kind, notice.urgency, notice.waits) == ("ControlMoved", Urgency.CONTROL, False)
    assert (notice.who, notice.patient) == (town.newcomer.address, patient)
    assert notice.answer == f"medshare record rotate --as {{me}} --patient {patient}"
    assert "ControlMoved" not in kinds(town, world.stranger.address), "he has nothing of hers"
    assert kinds(town, world.hospital.address, seen=True) == ["ControlMoved"]
    assert kinds(town, world.hospital.address) == []
    assert kinds(town, world.hospital.address, everything=True) == ["ControlMoved", "Accredited"]
    for each in (published, other):
        world.publishing.retract(each.record_id, "wrong", custodian=world.hospital)
    town.pass_by(HOUR)
    world.publish(b"for the new key")
    assert kinds(town, world.hospital.address, everything=True) == ["Accredited"], "nothing is left from before"


def test_read__a_delegate__gets_what_concerns_whom_he_represents(town: Town) -> None:
    assert kinds(town, town.mother.address) == []
    town.appoint()
    assert kinds(town, town.mother.address, seen=True) == ["AccessGranted", "DelegateAppointed"]
    town.break_glass()
    (notice,) = town.inbox.read(town.mother.address).notices
    assert (notice.kind, notice.answer) == ("EpisodeInForce", "")
    town.representing.dismiss(town.mother.address, actor=town.world.patient, patient=town.world.patient.address)
    assert kinds(town, town.mother.address) == []


def test_read__custodian_met_after_a_grant__is_named_with_the_command_until_something_is_granted(town: Town) -> None:
    world, patient = town.world, town.world.patient.address
    clinic = new_actor()
    world.chain.accredit(clinic.address)
    world.ledger.directory.set_encryption_key(clinic.signer, clinic.identity.recipient.key)
    first = world.publish()
    assert kinds(town, patient) == [], "nothing was granted"
    world.grant(first)
    assert kinds(town, patient) == [], "he knew the hospital"
    for text in (b"by the clinic", b"again"):
        world.publishing.publish(text, custodian=clinic, patient=patient, description=Description())
    (notice,) = town.inbox.read(patient).notices
    assert (notice.kind, notice.who, notice.patient, notice.waits) == ("CustodianMet", clinic.address, patient, False)
    assert "to 1 reader before" in notice.says
    assert notice.answer == "medshare consent renew --as {me}"
    assert kinds(town, patient, seen=True) == ["CustodianMet"]
    assert kinds(town, patient) == []
    assert kinds(town, patient, everything=True) == ["CustodianMet"]
    world.grant(first)
    assert kinds(town, patient, everything=True) == []


def test_read__custodian_met_after_control_moved__who_took_over_is_told_and_nobody_else(town: Town) -> None:
    world, patient = town.world, town.world.patient.address
    world.grant(world.publish())
    town.appoint()
    town.recover()
    world.publishing.publish(b"theirs", custodian=world.stranger, patient=patient, description=Description())
    met = {
        account: [each.answer for each in town.inbox.read(account).notices if each.kind == "CustodianMet"]
        for account in (town.newcomer.address, patient, town.mother.address)
    }
    assert met[town.newcomer.address] == [f"medshare consent renew --as {{me}} --for {patient}"]
    assert (met[patient], met[town.mother.address]) == ([], [])


def test_read__custodian_met_after_a_grant_to_himself_or_one_that_ended__is_no_news(town: Town) -> None:
    world, patient = town.world, town.world.patient.address
    world.grant(world.publish(), grantee=world.stranger.address)
    ended = world.grant(world.publish(b"second"))
    world.consenting.revoke(ended.grant_id, patient=world.patient)
    world.publishing.publish(b"theirs", custodian=world.stranger, patient=patient, description=Description())
    assert kinds(town, patient) == []


def test_read__a_custodian__is_asked_for_keys_until_he_released_them(town: Town) -> None:
    hospital = town.world.hospital
    for account in (hospital.address, town.clinician.address):
        assert kinds(town, account, seen=True) == ["Accredited"]
    episode_id = town.break_glass()
    assert kinds(town, hospital.address) == []
    town.world.publish()
    (notice,) = town.inbox.read(hospital.address).notices
    assert (notice.kind, notice.who) == ("KeysWanted", town.clinician.address)
    assert notice.answer == f"medshare emergency release {episode_id:#x} --as {{me}}"
    town.emergencies.release(episode_id, custodian=hospital)
    assert kinds(town, hospital.address) == []
    assert kinds(town, town.clinician.address) == ["KeysReleased"]


def test_read__a_stranger__gets_nothing(town: Town) -> None:
    town.appoint()
    town.break_glass()
    assert kinds(town, new_actor().address) == []
