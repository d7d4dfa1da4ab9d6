"""Rotation: a new version with the same text and a fresh key, for those who are permitted now.

given records of a patient that two readers could open, and one whose grant has been revoked
├─ when they are rotated, the remaining reader opens the new versions, the other one none of them with all he has
├─ of very many, some are registered in one transaction
├─ what is due: records registered before a consent changed; what a grant covered: by its excerpt, or all
├─ when old versions are to be forgotten, their blocks go with the next collection, and nothing else does
└─ when one record cannot be rotated, the others are, and it is said
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from held_keys import commitment, held_keys
from service_doubles import Overriding, publishing_with, with_records
from test_standing import LAB, SCAN, deny, holds, opens, permit, publish, say, with_key
from world import DAY, TEXT, World

from medshare.content import Cid
from medshare.errors import (
    BlobNotFoundError,
    NotARecipientError,
    RecordNotActiveError,
    StoreUnavailableError,
    UnknownGrantError,
)
from medshare.hashing import keccak256
from medshare.model.events import BlockRef
from medshare.model.ids import GrantId
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Category, Manifest, RecordStatus
from medshare.services import rotating
from medshare.services.description import Description
from medshare.services.examining import Examining, Health
from medshare.services.registering import Published
from medshare.services.rotating import Rotating, Rotation
from medshare.testing import new_actor

pytestmark = [pytest.mark.unit, pytest.mark.timeout(120)]


def rotate(world: World, *published: Published, **more) -> list[Rotation]:
    return list(world.rotating.rotate([each.entry for each in published], custodian=world.hospital, **more))


def due(world: World) -> list[bytes]:
    return [each.record_id for each in world.rotating.due(world.patient.address, custodian=world.hospital)]


def covered(world: World, grant_id: GrantId) -> list[bytes]:
    return [each.record_id for each in world.rotating.covered(grant_id, custodian=world.hospital)]


def manifest(world: World, published: Published) -> Manifest:
    return world.retrieving.open(published.entry.ref, reader=world.patient, purpose=PurposeOfUse.TREAT).manifest


def text(world: World, published: Published) -> bytes:
    opened = world.retrieving.open(published.entry.ref, reader=world.patient, purpose=PurposeOfUse.TREAT)
    return b"".join(opened.stream())


# ------------------------------------------------------------------------------------------------ who can open


def test_rotate__after_a_revocation__shuts_the_revoked_out_and_keeps_the_others(known: World) -> None:
    revoked = say(known, permit(categories=(LAB,)))
    say(known, permit(), grantee=known.stranger.address)
    lab = publish(known, b"lab", labels=("N",), clinical_date="2026-02", resource_type="Observation")
    known.consenting.revoke(revoked.grant_id, patient=known.patient)
    (rotation,) = rotate(known, lab)
    new = rotation.published
    assert new is not None
    assert (rotation.previous, rotation.error, rotation.forgotten) == (lab.entry, None, False)
    assert new.readers == (known.stranger.address,)
    assert (new.entry.version, new.entry.status) == (2, RecordStatus.ACTIVE)
    assert text(known, new) == b"lab"
    before, after = manifest(known, lab), manifest(known, new)
    assert replace(after, salt=before.salt, digest=before.digest, supersedes=None) == before
    assert after.salt != before.salt
    assert after.supersedes == lab.record_id
    assert opens(known, new, known.stranger)
    assert holds(known, lab)
    assert not holds(known, new)


def test_rotate__named_records_and_categories__both_kinds_of_grant_get_the_new_key(known: World) -> None:
    lab = publish(known, b"lab", labels=("HIV",))
    say(known, permit(records=(lab.entry.ref,)))
    say(known, permit(labels=("HIV",)), grantee=known.stranger.address)
    (rotation,) = rotate(known, lab)
    assert set(rotation.published.readers) == {known.doctor.address, known.stranger.address}
    for reader in (known.doctor, known.stranger):
        assert opens(known, rotation.published, reader)


def test_rotate__a_denial_was_given_since__is_heeded(known: World) -> None:
    say(known, permit())
    lab = publish(known)
    assert opens(known, lab)
    say(known, permit(PurposeOfUse.HRESCH, categories=(SCAN,)), deny(categories=(LAB,)))
    (rotation,) = rotate(known, lab)
    assert rotation.published.readers == ()
    assert not holds(known, rotation.published)


# ------------------------------------------------------------------------------------------------ together


def test_rotate__very_many__are_registered_some_in_one_transaction(known: World, monkeypatch) -> None:
    monkeypatch.setattr(rotating, "TOGETHER", 4)
    labs = [publish(known, b"%d" % number) for number in range(9)]
    before = known.chain.sent
    told: list[str] = []
    rotations = rotate(known, *labs, labs[0], progress=lambda what, *_: told.append(what))
    assert [each.previous for each in rotations] == [each.entry for each in labs]
    assert [each.published.entry.version for each in rotations] == [2] * 9
    assert not any(each.published.already for each in rotations)
    assert known.chain.sent - before == 3
    assert {"encrypting 1 of 9", "encrypting 9 of 9"} <= set(told)
    assert all(each.published.already for each in rotate(known, *labs))


# ------------------------------------------------------------------------------------------------ which


def test_due__nothing_changed_since__is_nothing(known: World) -> None:
    assert due(known) == []
    granted = say(known, permit())
    first = known.auditing.records(known.patient.address)[0].record_id
    assert due(known) == [first]
    lab = publish(known)
    assert due(known) == [first]
    known.consenting.revoke(granted.grant_id, patient=known.patient)
    assert due(known) == [first, lab.record_id]
    list(
        known.rotating.rotate(
            known.rotating.due(known.patient.address, custodian=known.hospital), custodian=known.hospital
        )
    )
    assert due(known) == []


@pytest.mark.parametrize("mined", [True, False], ids=["on chain", "by the clock"])
def test_due__a_grant_has_expired__are_the_records_before_it(known: World, mined: bool) -> None:
    say(known, permit(), expires_at=known.clock.now() + DAY)
    lab = publish(known)
    assert lab.record_id not in due(known)
    known.clock.advance(DAY)
    if mined:
        known.chain.mine()
    assert lab.record_id in due(known)


def test_due__a_grant_has_begun__are_the_records_before_it(known: World) -> None:
    say(known, permit(), not_before=known.clock.now() + DAY)
    lab = publish(known)
    known.clock.advance(DAY)
    assert lab.record_id in due(known)
    (rotation,) = rotate(known, lab)
    assert rotation.published.readers == (), "the newest block is older than the grant's beginning"
    (again,) = rotate(known, rotation.published)
    assert opens(known, again.published)


def test_due__revoked_while_it_was_registered__is_found_by_its_header(known: World) -> None:
    """Decided before the revocation, registered after it: in the order of the chain nothing has changed since."""
    granted = say(known, permit())
    registered = known.ledger.records.register

    def register(*args, **more):
        known.consenting.revoke(granted.grant_id, patient=known.patient)
        return registered(*args, **more)

    known.publishing = publishing_with(known, ledger=with_records(known, register=register))
    lab = publish(known, b"lab")
    assert holds(known, lab)
    assert lab.record_id in due(known)
    (rotation,) = rotate(known, lab)
    assert rotation.published.record_id not in due(known)
    assert not holds(known, rotation.published)


def test_due__everything_in_one_second__goes_by_the_order_of_the_chain(known: World, monkeypatch) -> None:
    """As on chains whose blocks come faster than their clock ticks."""

    def next_ref(number: int) -> BlockRef:
        return BlockRef(number=number, hash=keccak256(number.to_bytes(8, "big")), time=known.clock.now() + 100)

    monkeypatch.setattr(known.chain, "_next_ref", next_ref)
    known.chain.mine()
    before = publish(known, b"before")
    granted = say(known, permit(records=(before.entry.ref,)), expires_at=known.clock.now() + 30 * DAY)
    known.consenting.revoke(granted.grant_id, patient=known.patient)
    after = publish(known, b"after")
    assert before.entry.registered_at == after.entry.registered_at
    found = due(known)
    assert before.record_id in found
    assert after.record_id not in found


def test_due__a_live_grant_s_bundle_is_missing__is_no_reason(known: World) -> None:
    granted = say(known, permit())
    lab = publish(known, b"lab")
    del known.store.blocks[granted.bundle]
    assert lab.record_id not in due(known)


def test_due__a_record_does_not_open__is_due_so_that_it_is_said(known: World) -> None:
    lab = publish(known, b"lab")
    del known.store.blocks[lab.cid]
    assert due(known) == [lab.record_id]
    (rotation,) = rotate(known, lab)
    assert isinstance(rotation.error, BlobNotFoundError)


def test_due__revoked_all__are_all_active_records_of_this_custodian_only(known: World) -> None:
    clinic = with_key(known, new_actor())
    elsewhere = publish(known, by=clinic)
    old = publish(known, b"old")
    new = publish(known, b"new", supersedes=old.record_id)
    retracted = publish(known, b"retracted")
    known.publishing.retract(retracted.record_id, "wrong", custodian=known.hospital)
    say(known, permit())
    known.consenting.revoke_all(patient=known.patient)
    found = due(known)
    assert new.record_id in found
    assert not {elsewhere.record_id, old.record_id, retracted.record_id} & set(found)


def test_covered__by_a_grant__are_the_records_of_which_it_gave_keys(known: World) -> None:
    lab, hiv = publish(known, b"lab"), publish(known, b"hiv", labels=("HIV",))
    granted = say(known, permit(categories=(LAB,)), permit(PurposeOfUse.HRESCH, records=(hiv.entry.ref,)))
    later, scan = publish(known, b"later"), publish(known, b"scan", category=SCAN)
    assert covered(known, granted.grant_id) == [lab.record_id, hiv.record_id, later.record_id]
    known.consenting.revoke(granted.grant_id, patient=known.patient)
    after = publish(known, b"after the end")
    expected = [lab.record_id, hiv.record_id, later.record_id]
    assert covered(known, granted.grant_id) == expected
    assert not {scan.record_id, after.record_id} & set(expected)


def test_covered__excerpt_is_gone__are_all_records_up_to_its_end(known: World) -> None:
    granted = say(known, permit(categories=(LAB,)))
    lab = publish(known, b"lab")
    known.consenting.revoke(granted.grant_id, patient=known.patient)
    after = publish(known, b"after the end")
    known.store.collect()
    found = covered(known, granted.grant_id)
    assert len(found) == 2
    assert lab.record_id in found
    assert after.record_id not in found


def test_covered__a_record_does_not_open__counts_as_covered(known: World) -> None:
    lab = publish(known, b"lab")
    granted = say(known, permit(categories=(LAB,)))
    del known.store.blocks[lab.cid]
    assert covered(known, granted.grant_id) == [
        each.record_id for each in known.auditing.records(known.patient.address) if each.record_id == lab.record_id
    ]


def test_covered__store_does_not_answer__is_an_error(known: World) -> None:
    granted = say(known, permit())

    def get(_cid, *_rest):
        raise StoreUnavailableError("the test says so")

    rotating = Rotating(
        store=Overriding(known.store, get=get),
        clock=known.clock,
        auditing=known.auditing,
        standing=known.standing,
        resealing=known.resealing,
    )
    with pytest.raises(StoreUnavailableError):
        rotating.covered(granted.grant_id, custodian=known.hospital)


def test_covered__never_granted__is_an_error(known: World) -> None:
    with pytest.raises(UnknownGrantError):
        covered(known, GrantId(int(known.patient.address, 16) << 96 | 1))


# ------------------------------------------------------------------------------------------------ forgetting


def test_rotate__old_blocks_are_to_be_forgotten__go_with_the_next_collection(known: World) -> None:
    say(known, permit())
    lab = publish(known)
    first = known.auditing.records(known.patient.address)[0]
    (rotation,) = rotate(known, lab, forget_old=True)
    assert rotation.forgotten
    known.store.collect()
    assert not known.store.has(lab.cid)
    assert opens(known, rotation.published)
    assert known.store.has(Cid.of_directory(first.record_id))
    examining = Examining(
        ledger=known.ledger,
        store=known.store,
        clock=known.clock,
        auditing=known.auditing,
        journal=known.journal,
        folder=known.folder,
    )
    assert {each.health for each in examining.examine([], deep=True) if each.check == "publications"} == {Health.GOOD}
    assert publish(known).record_id == rotation.published.record_id


def test_rotate__store_does_not_give_up_old_blocks__says_so(known: World) -> None:
    def refuse(_root):
        raise StoreUnavailableError("the test says so")

    rotating = Rotating(
        store=Overriding(known.store, unpin=refuse),
        clock=known.clock,
        auditing=known.auditing,
        standing=known.standing,
        resealing=known.resealing,
    )
    lab = publish(known)
    (rotation,) = rotating.rotate([lab.entry], custodian=known.hospital, forget_old=True)
    assert rotation.published is not None
    assert not rotation.forgotten


# ------------------------------------------------------------------------------------------------ failures


def test_rotate__one_cannot_be__says_so_and_goes_on(known: World) -> None:
    gone, superseded, good = (publish(known, b"%d" % number) for number in range(3))
    del known.store.blocks[gone.cid]
    publish(known, b"newer", supersedes=superseded.record_id)
    clinic = with_key(known, new_actor())
    foreign = publish(known, b"of the clinic", by=clinic)
    rotations = rotate(known, gone, superseded, foreign, good)
    assert [type(each.error) for each in rotations] == [
        BlobNotFoundError,
        RecordNotActiveError,
        NotARecipientError,
        type(None),
    ]
    assert [each.published is None for each in rotations] == [True, True, True, False]
    assert text(known, rotations[-1].published) == b"2"


# ------------------------------------------------------------------------------------------------ size


def test_rotate__a_large_record__is_read_and_written_in_pieces(known: World, tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes(5 << 20) + TEXT)
    lab = known.publishing.publish(
        path,
        custodian=known.hospital,
        patient=known.patient.address,
        description=Description(category=Category.IMAGING),
    )
    told: list[tuple[str, int, int | None]] = []
    (rotation,) = rotate(known, lab, progress=lambda *what: told.append(what))
    size = (5 << 20) + len(TEXT)
    done = [units for what, units, _ in told if what == "encrypting 1 of 1"]
    assert len(done) == 6
    assert (done[-1], {of for what, _, of in told if what == "encrypting 1 of 1"}) == (size, {size})
    assert max(b - a for a, b in zip([0, *done], done, strict=False)) <= 1 << 20
    assert text(known, rotation.published) == path.read_bytes()
    keys = {commitment(known.store, each.record_id) for each in (lab, rotation.published)}
    assert len(keys) == 2
    assert keys <= held_keys(known.store, [known.hospital.identity])
