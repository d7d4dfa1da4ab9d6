"""Break-glass: a clinician opens an episode, custodians release keys, it ends by itself, somebody else reviews it.

given an accredited clinician and a hospital with records of a patient
├─ without an episode, or before a custodian released: denied, each for its own reason
├─ released: opens for break-glass, for this clinician and this patient, and for nothing and nobody else
├─ over (by time, ended, suspended): opens no more, releases no more; the bundle is given up
├─ a custodian releases for episodes in force only: by categories, what opens, once, again when more came
├─ forged: a bundle by another custodian, or missing, opens nothing and hides nothing
├─ a grant is neither needed nor in the way; a denial does not bar, the patient's bar does
├─ reviews: by an accredited other, once; overdue ones suspend; texts stay here
└─ a crash between any two steps: the same command again goes on
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from service_doubles import CrashError, Faults, Overriding
from town import HOUR, Town, new_town
from world import DAY, TEXT

from medshare.content import Cid
from medshare.errors import (
    AccessDeniedError,
    AlreadyReviewedError,
    BreakGlassBarredError,
    ConfigurationError,
    EncryptionKeyNotSetError,
    EpisodeNotAllowedError,
    EpisodeOpenError,
    EpisodeOverError,
    IntegrityError,
    InvalidInputError,
    LedgerUnavailableError,
    NotAccreditedError,
    ReviewOverdueError,
    UnknownEpisodeError,
)
from medshare.model.accreditation import AccreditationKind
from medshare.model.consent import Effect, Provision
from medshare.model.decision import Reason
from medshare.model.emergency import Verdict
from medshare.model.ids import BundleId, EpisodeId
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Category
from medshare.services.bundles import bundle_files
from medshare.services.description import Description
from medshare.services.emergencies import Emergencies
from medshare.testing import new_actor

pytestmark = pytest.mark.unit
BTG = PurposeOfUse.BTG


@pytest.fixture
def town(tmp_path) -> Town:
    return new_town(tmp_path)


def opened(town: Town, published, reader=None, purpose=BTG) -> bytes:
    return b"".join(town.world.open(published, reader or town.clinician, purpose).stream())


def refusal(town: Town, published, reader=None, purpose=BTG) -> Reason:
    with pytest.raises(AccessDeniedError) as denied:
        town.world.open(published, reader or town.clinician, purpose)
    return denied.value.decision.reason


# ---------------------------------------------------------------------------------------- releasing


def test_open__without_episode_and_without_keys__is_denied_each_for_its_reason(town: Town) -> None:
    published = town.world.publish()
    assert refusal(town, published) is Reason.NO_EPISODE
    town.break_glass()
    assert refusal(town, published) is Reason.KEY_NOT_RELEASED


def test_release__the_record__opens_for_the_clinician_and_nobody_else(town: Town) -> None:
    published = town.world.publish()
    episode_id = town.break_glass()
    released = town.emergencies.release(episode_id, custodian=town.world.hospital)
    assert released.records == (published.record_id,)
    assert opened(town, published) == TEXT
    assert town.world.open(published, town.clinician, BTG).decision.episode_id == episode_id
    assert refusal(town, published, purpose=PurposeOfUse.TREAT) is Reason.NO_GRANT
    assert refusal(town, published, purpose=PurposeOfUse.ETREAT) is Reason.NO_GRANT
    assert refusal(town, published, town.world.doctor) is Reason.NO_EPISODE
    colleague = new_actor()
    town.world.ledger.directory.set_encryption_key(colleague.signer, colleague.identity.recipient.key)
    town.accredit(colleague)
    town.break_glass(colleague)
    assert refusal(town, published, colleague) is Reason.KEY_NOT_RELEASED


def test_release__another_patients_records__stay_closed(town: Town) -> None:
    world = town.world
    mine = world.publish()
    theirs = world.publishing.publish(
        b"theirs", custodian=world.hospital, patient=world.stranger.address, description=Description()
    )
    town.emergencies.release(town.break_glass(), custodian=world.hospital)
    assert opened(town, mine) == TEXT
    assert refusal(town, theirs) is Reason.NO_EPISODE


def test_release__history__holds_what_was_released(town: Town) -> None:
    town.world.publish()
    town.world.publish(b"second")
    town.emergencies.release(town.break_glass(), custodian=town.world.hospital)
    found = town.world.history.of(town.world.patient.address, reader=town.clinician, purpose=BTG)
    assert {b"".join(each.stream()) for each in found} == {TEXT, b"second"}
    assert found.failures == []


def test_release__some_categories__leaves_the_others_closed(town: Town) -> None:
    world = town.world
    plain = world.publish()
    scan = world.publishing.publish(
        b"scan",
        custodian=world.hospital,
        patient=world.patient.address,
        description=Description(category=Category.IMAGING, labels=("HIV", "V")),
    )
    episode_id = town.break_glass()
    town.emergencies.release(episode_id, custodian=world.hospital, categories=[Category.IMAGING])
    assert opened(town, scan) == b"scan"
    assert refusal(town, plain) is Reason.KEY_NOT_RELEASED
    with pytest.raises(InvalidInputError):
        town.emergencies.release(episode_id, custodian=world.hospital, categories=[Category.DISPENSATION])


def test_release__what_it_makes__hides_number_and_names_of_records(town: Town) -> None:
    for number in range(5):
        town.world.publish(f"text {number}".encode())
    released = town.emergencies.release(town.break_glass(), custodian=town.world.hospital)
    (bundle,) = released.bundles
    files = bundle_files(town.world.store, BundleId(bundle.digest))
    assert len(files) == 8
    assert len({link.size for link in files.values()}) == 1
    assert not any(record_id.hex() in name for record_id in released.records for name in files)
    assert town.emergencies.released_records(bundle, custodian=town.world.hospital) == list(released.records)


def test_release__is_refused_where_it_may_not(town: Town) -> None:
    world = town.world
    world.publish()
    with pytest.raises(UnknownEpisodeError):
        town.emergencies.release(EpisodeId(7), custodian=world.hospital)
    episode_id = town.break_glass()
    with pytest.raises(InvalidInputError):
        town.emergencies.release(episode_id, custodian=world.doctor)
    with pytest.raises(ConfigurationError):
        town.emergencies.release(episode_id, custodian=replace(world.hospital, identity=world.doctor.identity))
    unpublished = new_actor()
    town.accredit(unpublished)
    with pytest.raises(EncryptionKeyNotSetError):
        town.emergencies.release(town.break_glass(unpublished), custodian=world.hospital)
    assert world.auditing.emergency(episode_id).released == ()


# -------------------------------------------------------------------------------------------- ending


@pytest.mark.parametrize("ending", ["time", "clinician", "patient", "withdrawn", "suspended"])
def test_over__opens_no_more_and_releases_no_more(town: Town, ending: str) -> None:
    published = town.world.publish()
    episode_id = town.break_glass()
    (bundle,) = town.emergencies.release(episode_id, custodian=town.world.hospital).bundles
    assert opened(town, published) == TEXT
    match ending:
        case "time":
            town.pass_by(HOUR)
        case "clinician":
            town.emergencies.end(episode_id, actor=town.clinician)
        case "patient":
            town.emergencies.end(episode_id, actor=town.world.patient)
        case "withdrawn":
            town.accredit(town.clinician, days=0)
            town.pass_by(1)
        case _:
            town.world.ledger.accreditation.suspend(
                town.world.chain.member, town.clinician.address, AccreditationKind.CLINICIAN
            )
    assert refusal(town, published) is Reason.NO_EPISODE
    with pytest.raises(EpisodeOverError):
        town.emergencies.release(episode_id, custodian=town.world.hospital)
    assert bundle in town.world.store.pins()
    town.pass_by(HOUR)
    assert list(town.emergencies.serve(custodian=town.world.hospital)) == []
    assert bundle not in town.world.store.pins()
    assert Cid.of_directory(published.record_id) in town.world.store.pins()


def test_over__by_the_clock_while_the_chain_stands_still__opens_no_more(town: Town) -> None:
    published = town.world.publish()
    episode_id = town.break_glass()
    town.emergencies.release(episode_id, custodian=town.world.hospital)
    town.pass_by(HOUR, mining=False)
    assert refusal(town, published) is Reason.NO_EPISODE
    with pytest.raises(EpisodeOverError):
        town.emergencies.release(episode_id, custodian=town.world.hospital)


def test_end__by_somebody_else__is_refused(town: Town) -> None:
    episode_id = town.break_glass()
    town.appoint()
    for other in (town.world.stranger, town.mother, town.world.hospital):
        with pytest.raises(EpisodeNotAllowedError):
            town.emergencies.end(episode_id, actor=other)


def test_open__contract_and_client_disagree__is_an_integrity_error(town: Town) -> None:
    published = town.world.publish()
    town.emergencies.release(town.break_glass(), custodian=town.world.hospital)
    world = town.world
    lying = Overriding(world.ledger.emergencies, is_live=lambda *_asked, **_more: False)
    world.retrieving._ledger = replace(world.ledger, emergencies=lying)
    with pytest.raises(IntegrityError, match="disagree about episode"):
        world.open(published, town.clinician, BTG)


# --------------------------------------------------------------------------------------------- serve


def test_serve__new_episodes_and_new_records__are_answered_once_each(town: Town) -> None:
    first = town.world.publish()
    hospital = town.world.hospital
    assert list(town.emergencies.serve(custodian=hospital)) == []
    town.break_glass()
    (served,) = town.emergencies.serve(custodian=hospital)
    assert served.released.records == (first.record_id,)
    assert list(town.emergencies.serve(custodian=hospital)) == []
    later = town.world.publish(b"later")
    (again,) = town.emergencies.serve(custodian=hospital)
    assert set(again.released.records) == {first.record_id, later.record_id}
    assert opened(town, later) == b"later"


def test_serve__one_episode_fails__the_other_gets_its_keys(town: Town) -> None:
    published = town.world.publish()
    keyless = new_actor()
    town.accredit(keyless)
    town.break_glass(keyless)
    town.break_glass()
    served = list(town.emergencies.serve(custodian=town.world.hospital))
    assert [type(each.error) for each in served] == [EncryptionKeyNotSetError, type(None)]
    assert opened(town, published) == TEXT


def test_serve__the_chain_breaks_off__raises_and_goes_on_when_it_is_back(town: Town) -> None:
    published = town.world.publish()
    town.break_glass()
    world = town.world

    def breaks_off(*_asked):
        raise LedgerUnavailableError("gone")

    broken = Emergencies(
        ledger=replace(world.ledger, emergencies=Overriding(world.ledger.emergencies, release=breaks_off)),
        store=world.store,
        clock=world.clock,
        auditing=world.auditing,
        safe=town.safe,
    )
    with pytest.raises(LedgerUnavailableError):
        list(broken.serve(custodian=world.hospital))
    assert refusal(town, published) is Reason.KEY_NOT_RELEASED
    assert [each.error for each in town.emergencies.serve(custodian=world.hospital)] == [None]
    assert opened(town, published) == TEXT


# ----------------------------------------------------------------------------------------- crashes


def served_with(town: Town, faults: Faults) -> None:
    """Answer what waits, in a process that fails where ``faults`` say."""
    world = town.world
    emergencies = faults.wrap(world.ledger.emergencies, "episode", "is_live", "release")
    broken = Emergencies(
        ledger=replace(world.ledger, emergencies=emergencies),
        store=faults.wrap(world.store, "get", "put", "pin", "unpin", "pins"),
        clock=world.clock,
        auditing=world.auditing,
        safe=faults.wrap(town.safe, "keep"),
    )
    list(broken.serve(custodian=world.hospital))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_serve__the_process_dies_at_any_call__the_next_one_answers(tmp_path, after: bool) -> None:
    whole = Faults()
    counted = new_town(tmp_path / "counted")
    counted.world.publish()
    counted.break_glass()
    served_with(counted, whole)
    assert whole.calls > 10
    for at in range(1, whole.calls + 1):
        town = new_town(tmp_path / f"{at}")
        published = town.world.publish()
        town.break_glass()
        with pytest.raises(CrashError):
            served_with(town, Faults(at=at, after=after))
        assert all(each.error is None for each in town.emergencies.serve(custodian=town.world.hospital))
        assert opened(town, published) == TEXT


def test_open__given_again_after_a_lost_answer__names_the_episode_that_is_open(town: Town) -> None:
    world = town.world
    faults = Faults(at=1, after=True, error=lambda: LedgerUnavailableError("the answer is lost"))
    lossy = Emergencies(
        ledger=replace(world.ledger, emergencies=faults.wrap(world.ledger.emergencies, "break_glass")),
        store=world.store,
        clock=world.clock,
        auditing=world.auditing,
        safe=town.safe,
    )
    service, town.emergencies = town.emergencies, lossy
    with pytest.raises(LedgerUnavailableError):
        town.break_glass()
    town.emergencies = service
    with pytest.raises(EpisodeOpenError) as refused:
        town.break_glass()
    (standing,) = town.emergencies.episodes(clinician=town.clinician.address)
    assert standing.emergency.episode.episode_id == refused.value.episode_id
    assert "CANARY-details" in service.text_of(standing.emergency.opened.details, owner=town.clinician)


# ------------------------------------------------------------------------------------------- forged


def test_open__released_by_somebody_else_than_the_custodian__opens_nothing(town: Town) -> None:
    published = town.world.publish()
    episode_id = town.break_glass()
    (bundle,) = town.emergencies.release(episode_id, custodian=town.world.hospital).bundles
    town.world.ledger.emergencies.release(town.world.stranger.signer, episode_id, BundleId(bundle.digest))
    town.world.ledger.emergencies.release(town.world.hospital.signer, episode_id, BundleId(bytes(32)))
    assert opened(town, published) == TEXT


def test_open__only_a_stranger_announced_the_bundle__is_denied(town: Town) -> None:
    published = town.world.publish()
    episode_id = town.break_glass()
    town.world.ledger.emergencies.release(town.world.stranger.signer, episode_id, BundleId(bytes(32)))
    assert refusal(town, published) is Reason.KEY_NOT_RELEASED


# ------------------------------------------------------------------------------------------ consent


def test_open__the_patient_denied_this_reader__break_glass_still_opens_and_the_bar_does_not(town: Town) -> None:
    published = town.world.publish()
    world = town.world
    deny = Provision(effect=Effect.DENY, purposes=(PurposeOfUse.TREAT,), everything=True)
    permit = Provision(effect=Effect.PERMIT, purposes=(PurposeOfUse.HRESCH,), everything=True)
    world.consenting.grant(
        patient=world.patient,
        grantee=town.clinician.address,
        provisions=[permit, deny],
        expires_at=world.clock.now() + DAY,
    )
    town.emergencies.release(town.break_glass(), custodian=world.hospital)
    assert opened(town, published) == TEXT
    town.emergencies.set_bar(patient=world.patient, barred=True)
    town.pass_by(HOUR)
    with pytest.raises(BreakGlassBarredError):
        town.break_glass()
    town.emergencies.set_bar(patient=world.patient, barred=False)
    town.break_glass()


def test_break_glass__not_accredited_or_twice__is_refused(town: Town) -> None:
    with pytest.raises(NotAccreditedError):
        town.break_glass(town.world.doctor)
    episode_id = town.break_glass()
    with pytest.raises(EpisodeOpenError) as refused:
        town.break_glass()
    assert refused.value.episode_id == episode_id


# ------------------------------------------------------------------------------------------- review


def test_review__by_an_accredited_other__once(town: Town) -> None:
    episode_id = town.break_glass()
    for other in (town.clinician, town.world.patient, town.world.stranger):
        with pytest.raises(NotAccreditedError):
            town.emergencies.review(episode_id, Verdict.JUSTIFIED, "seen", reviewer=other)
    town.accredit(town.clinician, AccreditationKind.REVIEWER)
    with pytest.raises(EpisodeNotAllowedError):
        town.emergencies.review(episode_id, Verdict.JUSTIFIED, "seen", reviewer=town.clinician)
    town.emergencies.review(episode_id, Verdict.UNJUSTIFIED, "CANARY-review", reviewer=town.reviewer)
    with pytest.raises(AlreadyReviewedError):
        town.emergencies.review(episode_id, Verdict.JUSTIFIED, "seen", reviewer=town.reviewer)
    (standing,) = town.emergencies.episodes(clinician=town.clinician.address)
    assert standing.emergency.reviewed.verdict is Verdict.UNJUSTIFIED
    assert not standing.overdue
    assert town.emergencies.text_of(standing.emergency.reviewed.note, owner=town.reviewer) == "CANARY-review"
    details = standing.emergency.opened.details
    assert "CANARY-details" in town.emergencies.text_of(details, owner=town.clinician)
    kept = b"".join(path.read_bytes() for path in (town.world.folder / "safe").iterdir())
    assert b"CANARY" not in kept


def test_review__overdue__suspends_the_clinician_until_it_comes(town: Town) -> None:
    episode_id = town.break_glass()
    town.pass_by(72 * HOUR)
    (standing,) = town.emergencies.episodes(patient=town.world.patient.address)
    assert standing.overdue
    assert not standing.in_force
    with pytest.raises(ReviewOverdueError):
        town.break_glass()
    town.emergencies.review(episode_id, Verdict.JUSTIFIED, "late", reviewer=town.reviewer)
    town.break_glass()
