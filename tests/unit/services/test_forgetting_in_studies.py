"""Forgetting an erased record that was granted for a study: nobody is blamed, and what is left is delivered and earned.

given a delivery of two records
├─ when the patient forgets the one that is erased: the requester should confirm the other, and be told of the bundle
├─ when all is erased: the requester should be told so, and the reward be paid all the same, forgotten or not
├─ when another is erased: it should be an excuse only where the terms may have permitted it, and open to dispute
├─ when the patient has taken out what was not erased: likewise
├─ when batches are looked for: what another bundle came for should not be looked for again
├─ when the bundle that was delivered is none of the patient's, or no longer his: it should not be confirmed
└─ when nothing opens since the custodian withdrew it: likewise
given an acceptance
├─ when a record is forgotten before it is delivered: what is left should be delivered and confirmed
└─ when the custodian has another key by then: he should be told by that one, too, what it says
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from asked import NoWallets
from studies import STUDY
from study_town import DAY, StudyTown, new_study_town

from medshare.content import Cid
from medshare.envelope import Identity
from medshare.errors import DeliveryGoneError, IntegrityError
from medshare.model.erasure import erasure_mark
from medshare.model.grant import GrantRequest
from medshare.model.ids import BundleId, RequestId
from medshare.model.record import Category, RecordRef
from medshare.model.request import ReservationStatus
from medshare.model.terms import TERMS_FILE
from medshare.ports import Actor
from medshare.services.batch_book import BatchBook
from medshare.services.blob_writer import BlobWriter
from medshare.services.bundles import bundle_files
from medshare.services.erasure_journal import ErasureJournal
from medshare.services.finding import Finding
from medshare.services.forgetting import Forgetting, Forgotten
from medshare.services.registering import Published
from medshare.services.replicating import HERE
from medshare.services.requesting import Inspected

pytestmark = [pytest.mark.unit, pytest.mark.timeout(120)]

OTHER = b'{"resourceType":"Observation","valueQuantity":{"value":6.1}}'
THIRD = b'{"resourceType":"Observation","valueQuantity":{"value":7.2}}'


@pytest.fixture
def town(tmp_path: Path) -> StudyTown:
    return new_study_town(tmp_path)


def accepted(town: StudyTown) -> tuple[RequestId, Published, Published]:
    """Return a request, and the two records for which Mary has accepted it."""
    records = town.publish(), town.publish(text=OTHER)
    request_id = town.open().request_id
    town.accept(request_id)
    return request_id, *records


def deliver(town: StudyTown, request_id: RequestId) -> list[bytes]:
    found = town.delivering.deliver(request_id, town.mary.address, custodian=town.world.hospital).found
    assert found is not None
    return [each.record_id for each in found.records]


def confirm(town: StudyTown, request_id: RequestId) -> Inspected:
    found = town.requesting.confirm(request_id, town.mary.address, requester=town.researcher).found
    assert found is not None
    return found


def erase(town: StudyTown, *published: Published) -> None:
    for each in published:
        mark = erasure_mark(town.world.hospital.address, each.record_id)
        town.world.ledger.records.retract(town.world.hospital.signer, each.record_id, mark)


def forget(town: StudyTown, published: Published) -> Forgotten:
    world = town.world
    forgetting = Forgetting(
        ledger=world.ledger,
        store=world.store,
        clock=world.clock,
        auditing=world.auditing,
        journal=ErasureJournal(world.folder),
        places={HERE: world.store},
        own=HERE,
        domain=world.chain.domains["RecordRegistry"],
        wallets=NoWallets(),
    )
    record = RecordRef(custodian=world.hospital.address, record_id=published.record_id)
    return forgetting.forget(record, patient=town.mary)


def earned_all_the_same(town: StudyTown, request_id: RequestId) -> None:
    town.pass_by(14 * DAY)
    town.requesting.release(request_id, town.mary.address, payer=town.world.stranger.signer)
    assert town.part(request_id).status is ReservationStatus.PAID
    assert town.credit(town.mary.address) == 700_001


def another_key(town: StudyTown) -> Actor:
    """Have the hospital publish another key; return it with the earlier one."""
    world, earlier = town.world, town.world.hospital
    world.hospital = replace(earlier, identity=Identity.generate())
    world.ledger.directory.set_encryption_key(world.hospital.signer, world.hospital.identity.recipient.key)
    return earlier


# ---------------------------------------------------------------------------------- between delivery and confirmation


def test_confirm__one_was_forgotten_since__pays_for_what_is_left_and_tells_of_the_bundle(town: StudyTown) -> None:
    request_id, gone, stays = accepted(town)
    deliver(town, request_id)
    erase(town, gone)
    assert forget(town, gone).finished
    assert not town.world.store.has(Cid.of_directory(town.part(request_id).bundle))
    found = confirm(town, request_id)
    assert ([each.record_id for each in found.records], found.replaced) == ([stays.record_id], True)
    assert town.part(request_id).status is ReservationStatus.PAID


def test_confirm__nothing_was_forgotten__the_bundle_is_the_delivered_one(town: StudyTown) -> None:
    request_id, *_ = accepted(town)
    deliver(town, request_id)
    found = confirm(town, request_id)
    assert (len(found.records), found.replaced) == (2, False)


@pytest.mark.parametrize("forgotten", [False, True])
def test_confirm__all_was_erased_since__says_so_and_it_is_earned(town: StudyTown, forgotten: bool) -> None:
    request_id, *records = accepted(town)
    deliver(town, request_id)
    erase(town, *records)
    if forgotten:
        for each in records:
            assert forget(town, each).finished
    with pytest.raises(DeliveryGoneError, match="erased") as caught:
        confirm(town, request_id)
    assert "medshare request release" in caught.value.hint
    assert town.part(request_id).status is ReservationStatus.DELIVERED
    earned_all_the_same(town, request_id)


def test_confirm__published_later_and_erased_since__says_so(town: StudyTown) -> None:
    town.publish(text=OTHER)
    request_id = town.open().request_id
    town.accept(request_id)
    first = town.world.auditing.records(town.mary.address)[0]
    town.world.publishing.retract(first.record_id, "wrong", custodian=town.world.hospital)
    later = town.publish()
    assert deliver(town, request_id) == [later.record_id]
    erase(town, later)
    with pytest.raises(DeliveryGoneError, match="its custodian has erased it"):
        confirm(town, request_id)


def regrant(town: StudyTown, request_id: RequestId, *names: str) -> None:
    """Have Mary's client grant the same with a bundle that holds only these files of the one before."""
    world = town.world
    standing = world.auditing.grant(town.part(request_id).grant_id(world.ledger.requests.address))
    files = bundle_files(world.store, standing.bundle)
    with BlobWriter(world.store) as writer:
        bundle = writer.directory({name: files[name] for name in names})
    world.ledger.consents.grant(
        town.mary.signer,
        GrantRequest(
            grantee=standing.grant.grantee,
            terms=standing.terms,
            bundle=BundleId(bundle.digest),
            not_before=standing.grant.not_before,
            expires_at=standing.grant.expires_at,
            purposes=standing.purposes,
        ),
    )


def test_confirm__patient_has_taken_all_keys_out__says_so_and_it_is_earned(town: StudyTown) -> None:
    request_id, *_ = accepted(town)
    deliver(town, request_id)
    regrant(town, request_id, TERMS_FILE)
    with pytest.raises(DeliveryGoneError, match="the patient has put another bundle in its place"):
        confirm(town, request_id)
    earned_all_the_same(town, request_id)


def test_confirm__a_bundle_that_was_never_granted__is_not_confirmed_whatever_was_erased(town: StudyTown) -> None:
    request_id, gone, _ = accepted(town)
    part, world = town.part(request_id), town.world
    world.ledger.requests.deliver(
        world.hospital.signer, request_id, town.mary.address, part.reserved.content, BundleId(bytes(31) + b"\1"), 0
    )
    erase(town, gone)
    forget(town, gone)
    with pytest.raises(IntegrityError, match="another bundle than the patient had granted by then"):
        confirm(town, request_id)


def test_confirm__a_bundle_that_was_replaced_before_it_was_delivered__is_not_confirmed(town: StudyTown) -> None:
    request_id, gone, _ = accepted(town)
    part, world = town.part(request_id), town.world
    earlier = world.auditing.grant(part.grant_id(world.ledger.requests.address)).bundle
    erase(town, gone)
    forget(town, gone)
    world.ledger.requests.deliver(
        world.hospital.signer, request_id, town.mary.address, part.reserved.content, earlier, 0
    )
    with pytest.raises(IntegrityError, match="another bundle than the patient had granted by then"):
        confirm(town, request_id)


def test_confirm__withdrawn_by_its_custodian_and_not_erased__is_not_confirmed(town: StudyTown) -> None:
    request_id, *records = accepted(town)
    deliver(town, request_id)
    for each in records:
        town.world.publishing.retract(each.record_id, "not his", custodian=town.world.hospital)
    with pytest.raises(IntegrityError, match="no record of this custodian opens"):
        confirm(town, request_id)


def test_confirm__erased_before_it_was_delivered__is_no_excuse(town: StudyTown) -> None:
    request_id, gone, other = accepted(town)
    erase(town, gone)
    deliver(town, request_id)
    town.world.publishing.retract(other.record_id, "not his", custodian=town.world.hospital)
    with pytest.raises(IntegrityError, match="no record of this custodian opens"):
        confirm(town, request_id)


def another_erased_since(town: StudyTown, request_id: RequestId, *, category: Category) -> None:
    """Have the hospital deliver, withdraw what it has delivered, and erase another record, which came in between."""
    (first,) = town.world.auditing.records(town.mary.address)
    other = town.publish(text=OTHER, category=category)
    deliver(town, request_id)
    town.world.publishing.retract(first.record_id, "not his", custodian=town.world.hospital)
    erase(town, other)


def test_confirm__another_was_erased_that_the_terms_do_not_permit__is_no_excuse(town: StudyTown) -> None:
    record = town.publish()
    request_id = town.open().request_id
    named = replace(STUDY.wanted, categories=(), records=(record.entry.ref,))
    town.accept(request_id, provisions=(named,))
    another_erased_since(town, request_id, category=Category.LABORATORY)
    with pytest.raises(IntegrityError, match="no record of this custodian opens"):
        confirm(town, request_id)


def test_confirm__another_was_erased_of_a_category_that_nobody_can_know__may_be_an_excuse_and_can_be_disputed(
    town: StudyTown,
) -> None:
    town.publish()
    request_id = town.open().request_id
    town.accept(request_id)
    another_erased_since(town, request_id, category=Category.IMAGING)
    with pytest.raises(DeliveryGoneError, match="its custodian has erased it") as caught:
        confirm(town, request_id)
    assert "dispute it in time" in caught.value.hint
    town.requesting.dispute(request_id, town.mary.address, "he has withdrawn it", requester=town.researcher)
    assert town.part(request_id).status is ReservationStatus.DISPUTED


@pytest.mark.parametrize("replaced", [True, False], ids=["forgotten since", "lost"])
def test_find__delivered_bundle_is_gone__is_tried_again_only_where_no_other_came_in_its_place(
    town: StudyTown, replaced: bool
) -> None:
    request_id, gone, _ = accepted(town)
    deliver(town, request_id)
    bundle, world = town.part(request_id).bundle, town.world
    if replaced:
        erase(town, gone)
        assert forget(town, gone).finished
    else:
        del world.store.blocks[Cid.of_directory(bundle)]
    finding = Finding(store=world.store, auditing=world.auditing, book=BatchBook(world.folder))
    for _ in range(2):
        assert [each.source for each in finding.find(town.researcher).unread] == ([] if replaced else [bundle])


# --------------------------------------------------------------------------------------------- before the delivery


def test_deliver__one_was_forgotten__what_is_left_is_delivered_and_confirmed(town: StudyTown) -> None:
    request_id, gone, stays = accepted(town)
    erase(town, gone)
    assert forget(town, gone).finished
    assert deliver(town, request_id) == [stays.record_id]
    assert not confirm(town, request_id).replaced


def test_deliver__custodian_has_another_key_when_it_is_forgotten__is_told_by_that_one_too(town: StudyTown) -> None:
    gone = town.publish()
    request_id = town.open().request_id
    town.accept(request_id)
    another_key(town)
    erase(town, gone)
    assert town.publish(text=OTHER).readers == ()
    with pytest.raises(IntegrityError, match="an earlier key of his"):
        deliver(town, request_id)
    assert forget(town, gone).finished
    later = town.publish(text=THIRD)
    assert later.readers == (town.researcher.address,)
    assert later.record_id in deliver(town, request_id)
    assert [each.record_id for each in confirm(town, request_id).records] == [later.record_id]


def test_deliver__with_the_earlier_key__goes_on_as_if_nothing_had_been_forgotten(town: StudyTown) -> None:
    request_id, gone, stays = accepted(town)
    earlier = another_key(town)
    erase(town, gone)
    assert forget(town, gone).finished
    town.world.hospital = earlier
    assert deliver(town, request_id) == [stays.record_id]
    assert [each.record_id for each in confirm(town, request_id).records] == [stays.record_id]


def test_forget__nobody_has_another_key__tells_nobody_anew(town: StudyTown) -> None:
    request_id, gone, _ = accepted(town)
    grant_id = town.part(request_id).grant_id(town.world.ledger.requests.address)
    before = bundle_files(town.world.store, town.world.auditing.grant(grant_id).bundle)
    erase(town, gone)
    assert forget(town, gone).finished
    after = bundle_files(town.world.store, town.world.auditing.grant(grant_id).bundle)
    assert len(before) == len(after) + 1
    assert after.items() < before.items()
