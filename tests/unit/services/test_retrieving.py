"""A record is opened only when everything agrees.

given a published record
├─ its patient and its custodian open it
├─ when the patient granted the doctor, the doctor opens it, whole, in ranges, into a file
├─ when a stranger, an expired, a revoked, a not yet entitled reader asks, each is refused for his reason
└─ when chain, bundle, header, manifest or store disagree, nothing is released
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace

import pytest
from world import DAY, TEXT, World

from medshare.content import Cid, build_directory, build_file, list_directory, read_file
from medshare.envelope import CIPHER_SEGMENT_SIZE, SEGMENT_SIZE, FileKey, wrap
from medshare.errors import (
    AccessDeniedError,
    BlobMismatchError,
    BlobNotFoundError,
    IntegrityError,
    InvalidInputError,
    KeyCommitmentError,
    MedshareError,
    NotARecipientError,
    UnknownRecordError,
)
from medshare.model.consent import GrantRequest, Reason, RecordRef
from medshare.model.ids import BundleId, RecordId
from medshare.model.purpose import Purpose, PurposeOfUse
from medshare.services.retrieving import OpenRecord

pytestmark = pytest.mark.unit


def refusal(world: World, published, **how) -> Reason:
    with pytest.raises(AccessDeniedError) as caught:
        world.open(published, **how)
    assert caught.value.decision.block == world.chain.head().number
    return caught.value.decision.reason


def plaintext(opened: OpenRecord) -> bytes:
    return b"".join(opened.stream())


@pytest.mark.parametrize("who", ["patient", "hospital"])
def test_open__reader_is_patient_or_custodian__opens_without_grant(world: World, who: str) -> None:
    opened = world.open(world.publish(), reader=getattr(world, who))
    assert plaintext(opened) == TEXT
    assert opened.decision.reason is Reason.OWN_RECORD


def test_open__doctor_was_granted__gets_the_original_bytes_and_the_manifest(world: World) -> None:
    published = world.publish()
    world.grant(published)
    opened = world.open(published)
    assert plaintext(opened) == TEXT
    assert opened.manifest.media_type == "application/fhir+json"
    assert opened.decision.reason is Reason.PERMITTED


def test_open__large_record__streams_reads_ranges_and_saves(world: World, tmp_path) -> None:
    text = os.urandom(3_000_000)
    published = world.publish(text)
    world.grant(published)
    opened = world.open(published)
    assert plaintext(opened) == text
    for offset, length in [(0, 0), (0, 1), (65_535, 3), (1_048_570, 131_072), (2_999_999, 1), (3_000_000, 0)]:
        assert opened.read(offset, length) == text[offset : offset + length]
    with pytest.raises(InvalidInputError):
        opened.read(2_999_999, 2)
    assert opened.save(tmp_path / "record") == len(text)
    assert (tmp_path / "record").read_bytes() == text
    with pytest.raises(InvalidInputError):
        opened.save(tmp_path / "record")


def test_open__stranger__is_denied_for_lack_of_a_grant(world: World) -> None:
    published = world.publish()
    world.grant(published)
    assert refusal(world, published, reader=world.stranger) is Reason.NO_GRANT


def test_open__other_purpose__is_denied(world: World) -> None:
    published = world.publish()
    world.grant(published)
    assert refusal(world, published, purpose=PurposeOfUse.HRESCH) is Reason.PURPOSE_NOT_GRANTED


def test_open__treatment_was_granted__does_not_open_emergencies(world: World) -> None:
    published = world.publish()
    world.grant(published)
    assert refusal(world, published, purpose=PurposeOfUse.ETREAT) is Reason.PURPOSE_NOT_GRANTED


def test_open__another_record_was_granted__is_denied(world: World) -> None:
    one, other = world.publish(b"one"), world.publish(b"other")
    world.grant(one)
    assert refusal(world, other) is Reason.RECORD_NOT_COVERED


def test_open__around_the_expiry__is_exact(world: World) -> None:
    published = world.publish()
    end = world.clock.now() + 10
    world.grant(published, expires_at=end)
    world.clock.time = end - 1
    assert plaintext(world.open(published)) == TEXT
    world.clock.time = end
    assert refusal(world, published) is Reason.EXPIRED
    world.chain.mine()
    assert refusal(world, published) is Reason.EXPIRED


def test_open__clock_lags_behind_the_chain__the_chain_s_time_counts(world: World) -> None:
    published = world.publish()
    world.grant(published, expires_at=world.clock.now() + 10)
    world.clock.advance(20)
    world.chain.mine()
    world.clock.advance(-DAY)
    assert refusal(world, published) is Reason.EXPIRED


def test_open__before_the_grant_begins__is_denied(world: World) -> None:
    published = world.publish()
    start = world.clock.now() + DAY
    world.grant(published, not_before=start)
    assert refusal(world, published) is Reason.NOT_YET
    world.clock.time = start
    world.chain.mine()
    assert plaintext(world.open(published)) == TEXT


def test_open__revoked__is_denied_and_the_bundle_is_given_up(world: World) -> None:
    published = world.publish()
    granted = world.grant(published)
    world.consenting.revoke(granted.grant_id, patient=world.patient)
    assert refusal(world, published) is Reason.REVOKED
    world.store.collect()
    assert not world.store.has(granted.bundle)
    assert refusal(world, published) is Reason.REVOKED
    assert plaintext(world.open(published, reader=world.patient)) == TEXT


def test_open__all_revoked__is_denied(world: World) -> None:
    published = world.publish()
    world.grant(published)
    world.consenting.revoke_all(patient=world.patient)
    assert refusal(world, published) is Reason.REVOKED


def test_open__one_grant_revoked_another_live__opens(world: World) -> None:
    published = world.publish()
    first = world.grant(published)
    world.grant(published, purposes=[PurposeOfUse.TREAT, PurposeOfUse.HOPERAT])
    world.consenting.revoke(first.grant_id, patient=world.patient)
    assert plaintext(world.open(published)) == TEXT


def test_open__retracted__only_patient_and_custodian_still_open_it(world: World) -> None:
    published = world.publish()
    world.grant(published)
    world.publishing.retract(published.record_id, "entered in error", custodian=world.hospital)
    assert refusal(world, published) is Reason.RETRACTED
    preview = world.retrieving.preview(world.ref(published), reader=world.doctor, purpose=PurposeOfUse.TREAT)
    assert preview.reason is Reason.RETRACTED
    assert plaintext(world.open(published, reader=world.patient)) == TEXT


def test_open__unknown_record__is_said(world: World) -> None:
    with pytest.raises(UnknownRecordError):
        world.retrieving.open(
            RecordRef(custodian=world.hospital.address, record_id=b"\1" * 32),
            reader=world.doctor,
            purpose=PurposeOfUse.TREAT,
        )


def test_open__record_claimed_by_a_thief__names_another_custodian_than_the_manifest(world: World) -> None:
    published = world.publish()
    world.ledger.records.register(world.stranger.signer, published.record_id, world.patient.address)
    theirs = RecordRef(custodian=world.stranger.address, record_id=published.record_id)
    with pytest.raises(IntegrityError):
        world.retrieving.open(theirs, reader=world.patient, purpose=PurposeOfUse.PATRQT)
    assert len(world.auditing.claims(published.record_id)) == 2


def test_stream__block_was_changed_in_the_store__nothing_false_comes_out(world: World) -> None:
    published = world.publish(os.urandom(2_500_000))
    world.grant(published)
    opened = world.open(published)
    cid = max(world.store.blocks, key=lambda each: len(world.store.blocks[each]))
    block = world.store.blocks[cid]
    world.store.blocks[cid] = block[:-1] + bytes([block[-1] ^ 1])
    with pytest.raises(BlobMismatchError):
        plaintext(opened)


def test_save__block_is_missing__leaves_no_file(world: World, tmp_path) -> None:
    published = world.publish(os.urandom(2_500_000))
    world.grant(published)
    opened = world.open(published)
    del world.store.blocks[max(world.store.blocks, key=lambda each: len(world.store.blocks[each]))]
    with pytest.raises(BlobNotFoundError):
        opened.save(tmp_path / "target")
    assert not [path for path in tmp_path.iterdir() if "target" in path.name]


def test_stream__manifest_states_another_digest__holds_the_end_back(world: World) -> None:
    published = world.publish(os.urandom(2_500_000))
    opened = world.open(published, reader=world.patient)
    opened.manifest = replace(opened.manifest, digest=bytes(32))
    stream = opened.stream()
    released = [next(stream)]
    with pytest.raises(IntegrityError):
        released.extend(stream)
    assert sum(map(len, released)) < opened.manifest.size


@pytest.mark.parametrize("places", [(1, 0), (0, 0)], ids=["swapped", "repeated"])
def test_stream__custodian_changed_the_places_of_segments__is_not_the_text(world: World, places) -> None:
    """Each segment is authentic, the tree is in order, and the record is registered: only the digest tells."""
    size = CIPHER_SEGMENT_SIZE
    published = world.publish(os.urandom(2 * SEGMENT_SIZE))
    files = list_directory(world.store.get, published.cid)
    whole = b"".join(read_file(world.store.get, files["payload.c4gh"].cid, max_size=1 << 20))
    segments = whole[:size], whole[size:]

    def put(block):
        world.store.put([block])

    files["payload.c4gh"] = build_file([segments[place] for place in places], put)
    forged = RecordId(build_directory(files, put).cid.digest)
    world.ledger.records.register(world.hospital.signer, forged, world.patient.address)
    ref = RecordRef(custodian=world.hospital.address, record_id=forged)
    opened = world.retrieving.open(ref, reader=world.patient, purpose=PurposeOfUse.PATRQT)
    with pytest.raises(IntegrityError):
        plaintext(opened)


def tampered_bundle(world: World, published, change) -> None:
    """Grant properly, then let the patient's grant point to a changed bundle."""
    granted = world.grant(published)
    files = list_directory(world.store.get, granted.bundle)
    files = change(files, granted, lambda data: build_file([data], lambda block: world.store.put([block])))
    root = build_directory(files, lambda block: world.store.put([block]))
    world.ledger.consents.grant(
        world.patient.signer,
        GrantRequest(
            grantee=world.doctor.address,
            terms=granted.terms.digest(),
            bundle=BundleId(root.cid.digest),
            not_before=0,
            expires_at=world.clock.now() + DAY,
            purposes=Purpose.TREAT,
        ),
    )


def test_open__header_holds_another_key_than_the_record_commits_to__is_refused(world: World) -> None:
    published = world.publish()

    def change(files, granted, store):
        header = wrap(FileKey.generate(), writer=world.patient.identity, recipients=[world.doctor.identity.recipient])
        return {**files, granted.terms.header_name(published.record_id): store(header)}

    tampered_bundle(world, published, change)
    with pytest.raises(KeyCommitmentError):
        world.open(published)


def test_open__header_was_written_by_somebody_else__is_refused(world: World) -> None:
    published = world.publish()

    def change(files, granted, store):
        key = world.open(published, reader=world.patient).file_key
        header = wrap(key, writer=world.stranger.identity, recipients=[world.doctor.identity.recipient])
        return {**files, granted.terms.header_name(published.record_id): store(header)}

    tampered_bundle(world, published, change)
    with pytest.raises(IntegrityError):
        world.open(published)


def test_open__bundle_without_the_header__is_refused(world: World) -> None:
    published = world.publish()

    def change(files, granted, _store):
        return {name: link for name, link in files.items() if name != granted.terms.header_name(published.record_id)}

    tampered_bundle(world, published, change)
    assert refusal(world, published) is Reason.KEY_NOT_RELEASED


def test_open__live_grant_whose_bundle_is_gone__says_the_store_lacks_it(world: World) -> None:
    published = world.publish()
    granted = world.grant(published)
    del world.store.blocks[granted.bundle]
    with pytest.raises(BlobNotFoundError) as caught:
        world.open(published)
    assert "of the bundle of a live grant" in caught.value.hint


def test_open__contract_and_model_disagree__stops(world: World, monkeypatch) -> None:
    published = world.publish()
    world.grant(published)
    lying = type(world.ledger.consents)
    monkeypatch.setattr(lying, "is_live", lambda *_args, **_more: False)
    with pytest.raises(IntegrityError, match="disagree"):
        world.open(published)


def test_open__directory_key_rotated_after_publishing__old_headers_stay_attributable(world: World) -> None:
    from medshare.envelope import Identity

    published = world.publish()
    world.grant(published)
    for actor in (world.hospital, world.patient):
        world.ledger.directory.set_encryption_key(actor.signer, Identity.generate().recipient.key)
    assert plaintext(world.open(published)) == TEXT


def test_open__any_block_of_the_record_is_missing_or_wrong__only_typed_errors(world: World) -> None:
    published = world.publish()
    world.grant(published)
    for cid, data in list(world.store.blocks.items()):
        for other in (None, data[:-1], data + b"\0", bytes([data[0] ^ 1]) + data[1:]):
            if other is None:
                del world.store.blocks[cid]
            else:
                world.store.blocks[cid] = other
            with suppress(MedshareError):
                assert plaintext(world.open(published)) == TEXT
            world.store.blocks[cid] = data
    assert Cid.of_directory(published.record_id) in world.store.blocks


def test_preview__without_right__answers_instead_of_raising(world: World) -> None:
    published = world.publish()
    decision = world.retrieving.preview(world.ref(published), reader=world.doctor, purpose=PurposeOfUse.TREAT)
    assert decision.reason is Reason.NO_GRANT
    assert "denied for TREAT" in decision.explain()
    world.grant(published)
    decision = world.retrieving.preview(world.ref(published), reader=world.doctor, purpose=PurposeOfUse.TREAT)
    assert decision.permitted


def spam(world: World) -> None:
    """Anybody grants anybody anything: terms and bundle that are nowhere."""
    world.ledger.consents.grant(
        world.stranger.signer,
        GrantRequest(
            grantee=world.doctor.address,
            terms=b"\7" * 32,
            bundle=BundleId(b"\7" * 32),
            not_before=0,
            expires_at=world.clock.now() + DAY,
            purposes=Purpose.TREAT,
        ),
    )


def test_readable__stranger_granted_a_bundle_that_is_nowhere__hides_nothing(world: World) -> None:
    published = world.publish()
    world.grant(published)
    spam(world)
    found = world.retrieving.readable(reader=world.doctor, purpose=PurposeOfUse.TREAT)
    assert found.records == (world.ref(published),)
    assert len(found.unreadable) == 1


def test_open__reader_rotated_his_key__what_was_granted_to_the_new_one_opens(world: World) -> None:
    from dataclasses import replace as changed

    from medshare.envelope import Identity

    old, new = world.publish(b"old"), world.publish(b"new")
    world.grant(old)
    rotated = changed(world.doctor, identity=Identity.generate())
    world.ledger.directory.set_encryption_key(rotated.signer, rotated.identity.recipient.key)
    world.grant(new)
    assert plaintext(world.open(new, reader=rotated)) == b"new"
    with pytest.raises(NotARecipientError):
        world.open(old, reader=rotated)
    found = world.retrieving.readable(reader=rotated, purpose=PurposeOfUse.TREAT)
    assert (found.records, len(found.unreadable)) == ((world.ref(new),), 1)


def test_open__ended_grant_never_covered_the_record__is_not_the_reason(world: World) -> None:
    one, other = world.publish(b"one"), world.publish(b"other")
    granted = world.grant(one)
    world.consenting.revoke(granted.grant_id, patient=world.patient)
    assert refusal(world, one) is Reason.REVOKED
    assert refusal(world, other) is Reason.RECORD_NOT_COVERED
