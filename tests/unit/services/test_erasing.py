"""Erasure: a record is gone in all its versions, from every store, and what is left is said.

given a record that a reader fetched, on the hospital's store and two nodes
├─ when it is erased: marked on chain, no block anywhere, nothing in the journal, no key opens it, fetching says why
├─ all versions go together, whichever was named; other records and their bundles stay
├─ the certificate names versions, blocks, stores, readers and what remains; anybody verifies it
└─ when it is erased again: the same certificate
given something that stands against it
├─ a legal hold, an emergency in force, a rule of retention → each its own error, and nothing was done
├─ no policy, a policy that cannot be read, no reason, a version on its way → refused, and nothing was done
└─ another process erases it → busy
given something that fails
├─ a node is down, or gives nothing up → unfinished and named; the same call finishes it
├─ the process is gone at any call, before or after it → the same call finishes it, and the mark comes before the blocks
└─ a reader is fetching → he gets the whole record, or an error and no file
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from erasure_town import REASON, ErasureTown, new_erasure_town
from held_keys import commitment, held_keys
from service_doubles import CrashError, Faults, Overriding, with_records
from town import HOUR
from world import DAY, TEXT

from medshare.errors import (
    BlobNotFoundError,
    ConfigurationError,
    EmergencyInForceError,
    IntegrityError,
    InvalidInputError,
    LedgerBusyError,
    LedgerUnavailableError,
    LegalHoldError,
    ReadOnlyStoreError,
    RecordErasedError,
    RecordNotActiveError,
    RetentionError,
    SignatureInvalidError,
    SignatureMismatchError,
    SigningRefusedError,
    StoreUnavailableError,
    UnknownRecordError,
    WrongDomainError,
)
from medshare.model.eip712 import Domain
from medshare.model.erasure import Certificate, Ground, Statement, ToldReader, erasure_mark
from medshare.model.provision import Effect, Provision
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Category, RecordStatus
from medshare.services.description import Description
from medshare.services.erasing import WHAT_REMAINS
from medshare.services.erasure_journal import ErasureStage
from medshare.services.index import LedgerIndex
from medshare.services.named_roots import Keep, named_roots
from medshare.services.registering import Published
from medshare.services.replicating import Replicating, Stray, plan
from medshare.services.statements import state
from medshare.testing import NamedSigner

pytestmark = [pytest.mark.unit, pytest.mark.timeout(120)]

GONE = {"here": 0, "clinic": 0, "university": 0}


@pytest.fixture
def town(tmp_path: Path) -> ErasureTown:
    return new_erasure_town(tmp_path)


@pytest.fixture
def record(town: ErasureTown) -> Published:
    published = town.world.publish()
    town.replicate(published.cid)
    return published


def described(town: ErasureTown, text: bytes = b"scan", **more) -> Published:
    world = town.world
    return world.publishing.publish(
        text, custodian=world.hospital, patient=world.patient.address, description=Description(**more)
    )


def status(town: ErasureTown, published: Published) -> RecordStatus:
    world = town.world
    return world.ledger.records.record(world.hospital.address, published.record_id, block=world.chain.head()).status


def assert_untouched(town: ErasureTown, published: Published) -> None:
    assert status(town, published) is RecordStatus.ACTIVE
    assert b"".join(town.world.open(published, town.world.patient).stream())
    assert town.journal.all(town.world.hospital.address) == []
    assert published.cid in town.world.store.pins()


# ------------------------------------------------------------------------------------------------ what is gone


def test_erase__published_and_replicated__is_gone_everywhere(town: ErasureTown, record: Published) -> None:
    world = town.world
    blocks, key = town.blocks(record.cid), commitment(world.store, record.record_id)
    assert key in held_keys(world.store, town.identities())
    assert town.held(blocks) == dict.fromkeys(GONE, len(blocks))
    erased = town.erase(record)
    assert town.held(blocks) == GONE
    assert erased.unfinished == ()
    assert not erased.already
    assert erased.certificate is not None
    assert status(town, record) is RecordStatus.RETRACTED
    assert all(record.cid not in store.pins() for store in town.places.values())
    for store in town.places.values():
        assert key not in held_keys(store, town.identities())
    assert world.journal.finished() == []
    world.chain.mine()
    for reader in (world.patient, world.hospital, world.doctor):
        with pytest.raises(RecordErasedError) as refused:
            world.open(record, reader)
        assert refused.value.erased_at == erased.certificate.stated.versions[0].marked_at
        assert "erased by its custodian at 20" in str(refused.value)
    with pytest.raises(RecordErasedError):
        world.retrieving.preview(world.ref(record), reader=world.doctor, purpose=PurposeOfUse.TREAT)


def test_erase__its_publication__is_in_no_file_of_the_journal(town: ErasureTown, record: Published) -> None:
    world = town.world
    publication = world.journal.finished()[0].publication_id
    assert publication.encode() in (world.folder / "publications.sqlite").read_bytes()
    assert list((world.folder / "locks").glob(f"{publication}*"))
    town.erase(record)
    everything = b"".join(path.read_bytes() for path in world.folder.glob("publications.sqlite*"))
    assert publication.encode() not in everything
    assert list((world.folder / "locks").glob(f"{publication}*")) == []


@pytest.mark.parametrize("named", [0, 1, 2])
def test_erase__any_version__erases_all_of_them(town: ErasureTown, record: Published, named: int) -> None:
    world = town.world
    second = world.publish(b"corrected", supersedes=record.record_id)
    third = world.publish(b"corrected again", supersedes=second.record_id)
    other = world.publish(b"another record")
    town.replicate(second.cid, third.cid, other.cid)
    blocks = town.blocks(record.cid, second.cid, third.cid)
    erased = town.erase((record, second, third)[named])
    assert erased.versions == (third.record_id, second.record_id, record.record_id)
    assert erased.record_id == third.record_id
    assert town.held(blocks) == GONE
    assert {status(town, each) for each in (record, second, third)} == {RecordStatus.RETRACTED}
    assert b"".join(world.open(other, world.patient).stream()) == b"another record"
    assert all(other.cid in store.pins() for store in town.places.values())


def test_erase__published_anew_afterwards__is_another_record(town: ErasureTown, record: Published) -> None:
    town.erase(record)
    again = town.world.publish()
    assert again.record_id != record.record_id
    assert b"".join(town.world.open(again, town.world.patient).stream()) == TEXT


def test_erase__history_and_wanted_roots__leave_it_out(town: ErasureTown, record: Published) -> None:
    world = town.world
    other = world.publish(b"another record")
    town.erase(record)
    history = world.history.of(world.patient.address, reader=world.patient, purpose=PurposeOfUse.PATRQT)
    assert [each.entry.record_id for each in history] == [other.record_id]
    assert history.failures == []
    world.auditing.sync()
    named = named_roots(world.auditing._index.events(), now=world.clock.now())
    assert (named[record.cid].keep, named[other.cid].keep) == (Keep.NEVER, Keep.YES)


def test_erase__readable_and_previewed__leave_it_out(town: ErasureTown, record: Published) -> None:
    world = town.world
    other = world.publish(b"another record")
    world.grant(record, other)
    town.town.appoint()
    town.erase(record)
    readable = world.retrieving.readable(reader=world.doctor, purpose=PurposeOfUse.TREAT)
    assert [each.record_id for each in readable.records] == [other.record_id]
    for actor, patient in ((world.patient, None), (town.town.mother, world.patient.address)):
        previewed = world.consenting.preview(patient=actor, reader=world.stranger.address, on_behalf_of=patient)
        assert [each.entry.record_id for each in previewed] == [other.record_id]
    with pytest.raises(RecordErasedError):
        world.grant(record)


def test_named_roots__another_states_the_record_too__the_first_decides(town: ErasureTown, record: Published) -> None:
    world = town.world
    world.ledger.records.register(world.stranger.signer, record.record_id, world.stranger.address)
    mark = erasure_mark(world.stranger.address, record.record_id)
    world.ledger.records.retract(world.stranger.signer, record.record_id, mark)
    world.auditing.sync()
    assert named_roots(world.auditing._index.events(), now=world.clock.now())[record.cid].keep is Keep.YES
    town.erase(record)
    world.auditing.sync()
    assert named_roots(world.auditing._index.events(), now=world.clock.now())[record.cid].keep is Keep.NEVER


# --------------------------------------------------------------------------------------------- the certificate


def test_certificate__says_what_was_done_and_what_remains__and_verifies(town: ErasureTown, record: Published) -> None:
    world = town.world
    world.grant(record)
    blocks = town.blocks(record.cid)
    certificate = town.erase(record).certificate.stated
    assert (certificate.custodian, certificate.patient) == (world.hospital.address, world.patient.address)
    assert [each.record_id for each in certificate.versions] == [record.record_id]
    assert certificate.versions[0].marked
    assert set(certificate.blocks) == set(map(str, blocks))
    assert [(each.name, each.remaining) for each in certificate.places] == [
        ("here", 0),
        ("clinic", 0),
        ("university", 0),
    ]
    assert certificate.readers == (ToldReader(reader=world.doctor.address, ground=Ground.GRANT),)
    assert certificate.acknowledge_by == certificate.versions[0].marked_at + 30 * DAY
    assert certificate.jurisdiction == "Examplia, Act on Records, s. 5"
    assert certificate.remains == WHAT_REMAINS
    assert REASON not in repr(certificate)
    assert town.town.emergencies.text_of(certificate.reason, owner=world.hospital) == REASON

    document = town.erase(record).certificate.to_json()
    found = town.book.verify(Statement.from_json(Certificate, document))
    assert found.holds
    assert found.unmarked == ()


def test_erase__again__returns_the_same_certificate(town: ErasureTown, record: Published) -> None:
    first, again = town.erase(record), town.erase(record)
    assert again.already
    assert again.certificate == first.certificate


def test_verify__a_block_came_back__is_found(town: ErasureTown, record: Published) -> None:
    block = town.blocks(record.cid)[0]
    data = town.world.store.blocks[block]
    certificate = town.erase(record).certificate
    town.stores["clinic"].blocks[block] = data
    found = town.book.verify(certificate)
    assert not found.holds
    assert {each.name: each.remaining for each in found.found} == {"here": 0, "clinic": 1, "university": 0}


def test_verify__changed_foreign_or_unmarked__is_refused_or_told(town: ErasureTown, record: Published) -> None:
    certificate = town.erase(record).certificate
    stated = certificate.stated
    changed = replace(certificate, stated=replace(stated, blocks=stated.blocks[1:]))
    with pytest.raises(SignatureInvalidError):
        town.book.verify(changed)
    domain = Domain.of("RecordRegistry", certificate.domain.chain_id + 1, certificate.domain.verifying_contract)
    with pytest.raises(WrongDomainError):
        town.book.verify(replace(certificate, domain=domain))
    never = replace(stated, versions=tuple(replace(each, transaction=b"\1" * 32) for each in stated.versions))
    lying = state(never, signer=town.world.hospital.signer, **town.signed)
    assert town.book.verify(lying).unmarked == (record.record_id,)


def test_erase__retracted_before_for_another_reason__is_erased_and_the_certificate_says_so(
    town: ErasureTown, record: Published
) -> None:
    town.world.publishing.retract(record.record_id, "wrong patient", custodian=town.world.hospital)
    blocks = town.blocks(record.cid)
    certificate = town.erase(record).certificate
    assert town.held(blocks) == GONE
    assert not certificate.stated.versions[0].marked
    assert any("had been withdrawn before" in each for each in certificate.stated.remains)
    assert town.book.verify(certificate).holds


def test_erase__custodian_has_only_a_gateway__is_marked_and_never_finished(
    town: ErasureTown, record: Published
) -> None:
    def refused(*_: object) -> None:
        raise ReadOnlyStoreError

    town.places["here"] = Overriding(town.world.store, unpin=refused, remove=refused)
    erased = town.erasing_with().erase(record.record_id, REASON, custodian=town.world.hospital)
    assert erased.certificate is None
    assert [(each.name, each.gone) for each in erased.unfinished] == [("here", False)]
    assert town.world.auditing.erasure(town.world.ref(record)) is not None
    town.places["here"] = town.world.store
    assert town.erase(record).certificate is not None


def test_erase__directory_is_gone__says_that_not_all_blocks_are_known(town: ErasureTown, record: Published) -> None:
    for store in town.places.values():
        del store.blocks[record.cid]
    town.policy.write_bytes(town.policy.read_bytes().replace(b"imaging = 10", b"imaging = 0"))
    town.world.store.unpin(record.cid)
    for store in town.stores.values():
        store.unpin(record.cid)
    certificate = town.erase(record).certificate.stated
    assert certificate.blocks == (str(record.cid),)
    assert any("not all of them are known" in each for each in certificate.remains)


def test_erase__custodian_signs_transactions_only__is_finished_when_he_can_sign(
    town: ErasureTown, record: Published
) -> None:
    world = town.world
    sender = replace(world.hospital, signer=NamedSigner(world.hospital.address))
    with pytest.raises(SigningRefusedError):
        town.erasing.erase(record.record_id, REASON, custodian=sender)
    assert status(town, record) is RecordStatus.RETRACTED
    assert town.erase(record).certificate is not None


# ------------------------------------------------------------------------------------------------- who is told


def test_readers__packet_grant_emergency_and_nothing__each_with_his_ground(town: ErasureTown) -> None:
    world = town.world
    known = world.publish(b"the first")
    world.grant(known, grantee=world.stranger.address)  # another record only
    everything = Provision(effect=Effect.PERMIT, purposes=(PurposeOfUse.TREAT,), everything=True)
    world.consenting.grant(
        patient=world.patient,
        grantee=world.doctor.address,
        provisions=[everything],
        expires_at=world.clock.now() + 30 * DAY,
    )
    record = world.publish(b"with a packet for the doctor")
    episode = town.town.break_glass()
    town.town.emergencies.release(episode, custodian=world.hospital)
    town.town.pass_by(2 * HOUR)
    certificate = town.erase(record).certificate.stated
    assert {each.reader: each.ground for each in certificate.readers} == {
        world.doctor.address: Ground.STANDING_PACKET,
        town.town.clinician.address: Ground.EMERGENCY,
    }


def test_readers__grant_has_ended_or_its_bundle_is_gone__counts(town: ErasureTown, record: Published) -> None:
    world = town.world
    granted = world.grant(record)
    world.consenting.revoke(granted.grant_id, patient=world.patient)
    world.store.collect()
    before = world.publish(b"published after the revocation")
    world.clock.advance(DAY)
    assert [each.reader for each in town.erase(record).certificate.stated.readers] == [world.doctor.address]
    assert town.erase(before).certificate.stated.readers == ()


# ------------------------------------------------------------------------------------------ what stands against it


def test_erase__legal_hold__is_refused_until_it_ends_or_is_released(town: ErasureTown, record: Published) -> None:
    hospital = town.world.hospital
    until = town.world.clock.now() + DAY
    town.holds.place(record.record_id, "court order CANARY-7", custodian=hospital, until=until)
    with pytest.raises(LegalHoldError) as refused:
        town.erase(record)
    assert "CANARY" not in f"{refused.value} {refused.value.hint}"
    assert refused.value.until == until
    assert_untouched(town, record)
    town.holds.place(record.record_id, "court order", custodian=hospital)
    town.world.clock.advance(1000 * DAY)
    with pytest.raises(LegalHoldError, match="until it is released"):
        town.erase(record)
    town.holds.release(record.record_id, custodian=hospital)
    assert town.erase(record).certificate is not None


def test_erase__legal_hold_on_an_earlier_version__holds_the_later_one(town: ErasureTown, record: Published) -> None:
    town.holds.place(record.record_id, "court order", custodian=town.world.hospital)
    second = town.world.publish(b"corrected", supersedes=record.record_id)
    with pytest.raises(LegalHoldError):
        town.erase(second)
    assert_untouched(town, second)


def test_erase__emergency_in_force__waits_until_it_is_over(town: ErasureTown, record: Published) -> None:
    town.town.break_glass()
    with pytest.raises(EmergencyInForceError) as refused:
        town.erase(record)
    assert refused.value.until == town.world.chain.head().time + HOUR
    assert_untouched(town, record)
    town.town.pass_by(HOUR)
    assert town.erase(record).certificate is not None


def test_erase__keys_were_released_in_an_emergency__go_too(town: ErasureTown, record: Published) -> None:
    world = town.world
    key = commitment(world.store, record.record_id)
    released = town.town.emergencies.release(town.town.break_glass(), custodian=world.hospital)
    town.replicate(*released.bundles)
    clinician = town.town.clinician.identity
    assert key in held_keys(world.store, [clinician])
    town.town.pass_by(2 * HOUR)
    town.erase(record)
    for store in town.places.values():
        assert key not in held_keys(store, [clinician])
        assert store.pins().isdisjoint(released.bundles)


def test_erase__retention__is_refused_to_the_day_and_says_by_which_rule(town: ErasureTown) -> None:
    scan = described(town, category=Category.IMAGING, clinical_date="2017-01-16")
    with pytest.raises(RetentionError) as refused:
        town.erase(scan)
    assert refused.value.kept_until.isoformat() == "2027-01-16"
    assert "imaging: 10 years from its clinical date (Examplia, Act on Records, s. 5)" in str(refused.value)
    assert_untouched(town, scan)
    # It is 2027-01-15 08:00:00 UTC.
    town.world.clock.advance(16 * HOUR - 1)
    with pytest.raises(RetentionError):
        town.erase(scan)
    town.world.clock.advance(1)
    assert town.erase(scan).certificate is not None


def test_erase__retention_of_an_earlier_version__keeps_them_all(town: ErasureTown) -> None:
    old = described(town, b"scan", category=Category.IMAGING, clinical_date="2020")
    world = town.world
    new = world.publishing.publish(
        b"report",
        custodian=world.hospital,
        patient=world.patient.address,
        description=Description(category=Category.DOCUMENT),
        supersedes=old.record_id,
    )
    with pytest.raises(RetentionError) as refused:
        town.erase(new)
    assert (refused.value.record_id, refused.value.kept_until.isoformat()) == (old.record_id, "2030-12-31")


def test_erase__manifest_does_not_open__the_longest_rule_counts(town: ErasureTown, record: Published) -> None:
    world = town.world
    for part in town.blocks(record.cid)[1:]:
        world.store.blocks.pop(part, None)
    with pytest.raises(RetentionError, match="the longest rule, since its manifest does not open: 10 years"):
        town.erase(record)


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        (None, "no retention policy"),
        (b"version = 1", "jurisdiction"),
        (b"version = 2", "version 2"),
        (b"\xff", "not well-formed TOML"),
        (b'version = 1\njurisdiction = "X"\ndefault = 1\nacknowledge_within = 1\nforever = 1', "does not know"),
        (b'version = 1\njurisdiction = "X"\ndefault = 1\nacknowledge_within = 1\n[years]\nx-ray = 1', "does not know"),
        (b'version = 1\njurisdiction = "X"\ndefault = -1\nacknowledge_within = 1', "default"),
    ],
    ids=["missing", "incomplete", "later version", "bytes", "unknown key", "unknown category", "negative"],
)
def test_erase__policy_that_cannot_be__is_refused(
    town: ErasureTown, record: Published, policy: bytes | None, says: str
) -> None:
    town.policy.unlink()
    if policy is not None:
        town.policy.write_bytes(policy)
    with pytest.raises(ConfigurationError, match=says):
        town.erase(record)
    assert_untouched(town, record)


def test_erase__no_reason_or_no_record__is_refused(town: ErasureTown, record: Published) -> None:
    with pytest.raises(InvalidInputError, match="reason"):
        town.erasing.erase(record.record_id, " \n", custodian=town.world.hospital)
    with pytest.raises(UnknownRecordError):
        town.erasing.erase(record.record_id, REASON, custodian=town.world.stranger)
    assert_untouched(town, record)


def test_erase__new_version_is_on_its_way__is_refused_until_it_is_finished(
    town: ErasureTown, record: Published
) -> None:
    world = town.world
    world.publishing.prepare(
        b"corrected",
        custodian=world.hospital,
        patient=world.patient.address,
        description=Description(),
        supersedes=record.record_id,
    )
    with pytest.raises(InvalidInputError, match="being published"):
        town.erase(record)
    assert status(town, record) is RecordStatus.ACTIVE
    (second,) = world.publishing.resume(world.hospital)
    assert town.erase(record).versions == (second.record_id, record.record_id)


def test_erase__new_version_at_the_same_moment__is_busy_and_then_erases_both(
    town: ErasureTown, record: Published
) -> None:
    world = town.world
    retract = world.ledger.records.retract
    later = []

    def superseded_first(signer, record_id, reason):
        if not later:
            later.append(world.publish(b"corrected", supersedes=record.record_id))
        return retract(signer, record_id, reason)

    racing = town.erasing_with(ledger=with_records(world, retract=superseded_first))
    with pytest.raises(LedgerBusyError, match="new version"):
        racing.erase(record.record_id, REASON, custodian=world.hospital)
    assert town.erase(record).versions == (later[0].record_id, record.record_id)
    assert {status(town, each) for each in (record, *later)} == {RecordStatus.RETRACTED}


def test_erase__another_process_does__is_busy(town: ErasureTown, record: Published) -> None:
    with town.journal.claimed(town.world.hospital.address, record.record_id), pytest.raises(LedgerBusyError):
        town.erase(record)
    assert_untouched(town, record)


# ------------------------------------------------------------------------------------------------- what fails


def test_erase__node_is_down__is_unfinished_and_named_until_it_answers(town: ErasureTown, record: Published) -> None:
    blocks = town.blocks(record.cid)
    town.stores["clinic"].down = True
    for _ in range(2):
        erased = town.erase(record)
        assert erased.certificate is None
        assert [(each.name, each.trouble) for each in erased.unfinished] == [("clinic", "the node cannot be reached")]
    assert town.held(blocks) == {**GONE, "clinic": len(blocks)}
    (standing,) = town.book.standings(town.world.hospital.address)
    assert standing.entry.stage is ErasureStage.MARKED
    town.stores["clinic"].down = False
    assert town.erase(record).certificate is not None
    assert town.held(blocks) == GONE


def test_status__node_was_down_when_it_was_erased__names_it_until_it_is_gone(
    town: ErasureTown, record: Published
) -> None:
    world = town.world
    replicating = Replicating(
        index=LedgerIndex(world.folder / "index.sqlite", world.ledger.chain),
        clock=world.clock,
        own=world.store,
        nodes=town.nodes,
        copies=2,
    )
    assert replicating.status().sound
    town.stores["clinic"].down = True
    town.erase(record)
    town.stores["clinic"].down = False
    found = replicating.status()
    assert not found.sound
    assert found.erased == (Stray(root=record.cid, nodes=("clinic",)),)
    assert (found.roots, found.ended, found.foreign, plan(found)) == ((), (), (), ())
    town.stores["clinic"].unpin(record.cid)
    assert replicating.status().erased == found.erased
    town.erase(record)
    assert replicating.status().sound


def test_erase__node_gives_nothing_up__is_named_with_what_it_holds(town: ErasureTown, record: Published) -> None:
    town.stores["university"].pins_only = True
    erased = town.erase(record)
    (left,) = erased.unfinished
    assert (left.name, left.remaining > 0, "refuses" in left.trouble) == ("university", True, True)
    assert erased.certificate is None


@pytest.mark.parametrize("at", range(1, 8))
def test_erase__store_is_down_before_anything_is_done__leaves_it_as_it_was(
    town: ErasureTown, record: Published, at: int
) -> None:
    faults = Faults(at=at, error=lambda: StoreUnavailableError("down"))
    with pytest.raises(StoreUnavailableError):
        town.erasing_with(faults=faults).erase(record.record_id, REASON, custodian=town.world.hospital)
    assert_untouched(town, record)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_erase__process_is_gone_at_any_call__the_same_call_finishes(tmp_path: Path, after: bool) -> None:
    at = 0
    while True:
        at += 1
        town = new_erasure_town(tmp_path / str(at) / str(after))
        world = town.world
        record = world.publish()
        second = world.publish(b"corrected", supersedes=record.record_id)
        town.replicate(record.cid, second.cid)
        blocks = town.blocks(record.cid, second.cid)
        faults = Faults(at=at, after=after)
        ledger = replace(world.ledger, records=faults.wrap(world.ledger.records, "record", "retract"))
        erasing = town.erasing_with(ledger=ledger, faults=faults, failing=("unpin", "remove"))
        try:
            erasing.erase(record.record_id, REASON, custodian=world.hospital)
        except CrashError:
            if any(town.held(blocks)[name] < len(blocks) for name in GONE):
                assert {status(town, each) for each in (record, second)} == {RecordStatus.RETRACTED}
        else:
            break
        certificate = town.erase(record).certificate
        assert town.held(blocks) == GONE, at
        assert town.book.verify(certificate).holds
        assert world.journal.finished() == []
    assert at > 20


def test_erase__answer_of_the_chain_is_lost__is_marked_once(town: ErasureTown, record: Published) -> None:
    world = town.world
    retract = world.ledger.records.retract
    calls = []

    def lost(signer, record_id, reason):
        retract(signer, record_id, reason)
        calls.append(record_id)
        raise LedgerUnavailableError("the line was cut")

    with pytest.raises(LedgerUnavailableError):
        town.erasing_with(ledger=with_records(world, retract=lost)).erase(
            record.record_id, REASON, custodian=world.hospital
        )
    assert town.erase(record).certificate is not None
    assert calls == [record.record_id]


def test_erase__mined_since_it_was_looked__is_no_error(town: ErasureTown, record: Published) -> None:
    world = town.world
    retract = world.ledger.records.retract

    def twice(signer, record_id, reason):
        retract(signer, record_id, reason)
        raise RecordNotActiveError(signer.address, record_id, 3)

    erased = town.erasing_with(ledger=with_records(world, retract=twice)).erase(
        record.record_id, REASON, custodian=world.hospital
    )
    assert erased.certificate is not None


def test_erase__chain_shows_no_mark__removes_nothing(town: ErasureTown, record: Published) -> None:
    blocks = town.blocks(record.cid)
    erasing = town.erasing_with(ledger=with_records(town.world, retract=lambda *_: None))
    with pytest.raises(IntegrityError, match="was withdrawn"):
        erasing.erase(record.record_id, REASON, custodian=town.world.hospital)
    assert town.held(blocks) == dict.fromkeys(GONE, len(blocks))
    assert town.erase(record).certificate is not None


def test_erase__more_blocks_than_a_certificate_names__is_refused(
    town: ErasureTown, record: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medshare.services.erasure_planning.MAX_BLOCKS", 4)
    with pytest.raises(InvalidInputError, match="5 blocks"):
        town.erase(record)
    assert_untouched(town, record)


def test_erase__wallet_signs_something_else__is_refused_and_finished_later(
    town: ErasureTown, record: Published
) -> None:
    hospital = town.world.hospital

    class Other:
        address = hospital.address
        sign_transaction = hospital.signer.sign_transaction

        def sign_typed_data(self, _typed_data: object) -> bytes:
            return b"\1" * 65

    with pytest.raises(SignatureMismatchError):
        town.erasing.erase(record.record_id, REASON, custodian=replace(hospital, signer=Other()))
    assert town.erase(record).certificate is not None


# ------------------------------------------------------------------------------------------ while a fetch runs


def test_erase__while_a_reader_fetches__he_gets_an_error_and_no_file(town: ErasureTown, tmp_path: Path) -> None:
    world = town.world
    text = bytes(range(256)) * (40 << 10)
    record = world.publish(text)
    world.grant(record)
    opened = world.open(record)

    def erase(_what: str, done: int, _total: int | None) -> None:
        if done < len(text) // 2:
            town.erase(record)

    folder = tmp_path / "fetched"
    folder.mkdir()
    with pytest.raises(BlobNotFoundError):
        opened.save(folder / "record", progress=erase)
    assert list(folder.iterdir()) == []
    with pytest.raises(RecordErasedError):
        world.open(record)


def test_erase__when_all_was_read__the_reader_has_the_whole_record(town: ErasureTown, tmp_path: Path) -> None:
    world = town.world
    record = world.publish()
    world.grant(record)
    opened = world.open(record)

    def erase(_what: str, done: int, total: int | None) -> None:
        if done == total:
            town.erase(record)

    opened.save(tmp_path / "record", progress=erase)
    assert (tmp_path / "record").read_bytes() == TEXT
