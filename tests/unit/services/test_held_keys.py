"""Deliveries on read receipts: what is for the reader is closed in for the custodian until the reader has signed.

given a study that says so, and a patient who has accepted it
├─ the requester can open nothing, the patient her terms, the custodian neither terms nor keys
├─ the custodian cannot deliver before a receipt is kept; afterwards the requester reads, and confirms
├─ it can be interrupted anywhere: the bundle that is delivered is the same each time
├─ a receipt for something else, or no good any more, releases nothing
├─ what is closed in and not the patient's, or malformed, is refused
├─ what the custodian publishes meanwhile has no packet for the requester by this grant; another of the patient's to him
│  gives his packets all the while, but for what this one denies; so it is where its bundle is missing, and another says
│  that it waits; what never waits gives packets by what another says
├─ an erased record's key in what is closed in, or was delivered, is left and named, and goes when the grant has ended
├─ inboxes say what is due
└─ a revoked grant is neither signed for nor delivered
given a study that does not say so
└─ a custodian can ask for a receipt all the same, before he states that it was delivered
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from asked import NoWallets
from held_keys import commitment, held_keys
from study_town import StudyTown, signing_actor
from world import DAY, new_world

from medshare.content import Cid
from medshare.envelope import Identity
from medshare.errors import (
    BlobNotFoundError,
    DeadlinePassedError,
    EnvelopeError,
    GrantNotLiveError,
    IntegrityError,
    InvalidInputError,
    NotARecipientError,
    ReceiptMissingError,
    SignatureInvalidError,
    UnknownGrantError,
    WrongDomainError,
)
from medshare.model.documents import encode_document
from medshare.model.eip712 import Domain
from medshare.model.erasure import erasure_mark
from medshare.model.ids import GrantId, RequestId
from medshare.model.provision import Effect, Provision
from medshare.model.purpose import PurposeOfUse
from medshare.model.read_receipt import receipt_of
from medshare.model.record import Category, RecordRef
from medshare.model.request import ReservationStatus
from medshare.model.terms import TERMS_FILE
from medshare.ports import Actor
from medshare.services.blob_writer import BlobWriter
from medshare.services.bundles import bundle_files, open_document, open_terms, sealed_document
from medshare.services.consenting import Granted
from medshare.services.erasure_journal import ErasureJournal
from medshare.services.forgetting import Forgetting
from medshare.services.held_keys import HELD_FILE, is_held, sealed_held, write_held
from medshare.services.receipts import CLOCK_AHEAD
from medshare.services.registering import Published
from medshare.services.replicating import HERE
from medshare.services.standing import Obstacle

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]


@pytest.fixture
def town(tmp_path: Path) -> StudyTown:
    town = StudyTown(world=new_world(tmp_path), researcher=signing_actor())
    town.study = replace(town.study, on_receipt=True)
    return town


@pytest.fixture
def record(town: StudyTown) -> RecordRef:
    published = town.publish()
    return RecordRef(custodian=town.world.hospital.address, record_id=published.record_id)


@pytest.fixture
def request_id(town: StudyTown, record: RecordRef) -> RequestId:
    opened = town.open()
    town.accept(opened.request_id)
    return opened.request_id


def grant_of(town: StudyTown, request_id: RequestId) -> GrantId:
    return town.part(request_id).grant_id(town.world.ledger.requests.address)


def deliver(town: StudyTown, request_id: RequestId, **more):
    return town.delivering.deliver(request_id, town.mary.address, custodian=town.world.hospital, **more)


def signed(town: StudyTown, request_id: RequestId, **more):
    wanted = {"reader": town.researcher, "custodian": town.world.hospital.address}
    return town.receipts.sign_for_grant(grant_of(town, request_id), **{**wanted, **more})


def keep(town: StudyTown, one) -> None:
    town.receipts.keep(one, custodian=town.world.hospital.address)


def read(town: StudyTown, record: RecordRef, reader: Actor | None = None) -> bytes:
    opened = town.world.retrieving.open(record, reader=reader or town.researcher, purpose=PurposeOfUse.BIORCH)
    return b"".join(opened.stream())


def test_accepted__before_a_receipt__requester_opens_nothing_and_the_patient_her_terms(
    town: StudyTown, request_id: RequestId, record: RecordRef
) -> None:
    standing = town.world.auditing.grant(grant_of(town, request_id))
    files = bundle_files(town.world.store, standing.bundle)
    assert is_held(files)
    for link in files.values():
        with pytest.raises(EnvelopeError):
            open_document(town.world.store, link, town.researcher.identity)
    with pytest.raises(NotARecipientError, match="read receipt") as caught:
        read(town, record)
    assert "medshare receipt sign" in caught.value.hint
    readable = town.world.retrieving.readable(reader=town.researcher, purpose=PurposeOfUse.BIORCH)
    assert (readable.records, len(readable.unreadable)) == ((), 1)
    assert open_terms(town.world.store, standing, town.mary.identity).digest() == standing.terms
    assert ("released", "when the requester has signed that he is about to read; not before") in town.shown


def test_custodian__opens_what_is_closed_in__learns_neither_terms_nor_keys(
    town: StudyTown, request_id: RequestId
) -> None:
    store, hospital = town.world.store, town.world.hospital
    standing = town.world.auditing.grant(grant_of(town, request_id))
    files = bundle_files(store, standing.bundle)
    keys = town.world.standing.writers(standing)
    released = write_held(store, files, custodian=hospital, writer_keys=keys)
    inner = bundle_files(store, released.digest)
    assert TERMS_FILE in inner
    assert len(inner) == 2
    for link in (*inner.values(), files[TERMS_FILE]):
        with pytest.raises(EnvelopeError):
            open_document(store, link, hospital.identity)


def test_deliver__without_a_receipt__states_nothing_and_with_one_everything(
    town: StudyTown, request_id: RequestId, record: RecordRef
) -> None:
    with pytest.raises(ReceiptMissingError):
        town.delivering.check(request_id, town.mary.address, custodian=town.world.hospital)
    with pytest.raises(ReceiptMissingError):
        deliver(town, request_id)
    assert town.part(request_id).status is ReservationStatus.RESERVED
    one = signed(town, request_id)
    said = receipt_of(one)
    assert (said.right, said.patient, said.purposes) == (
        grant_of(town, request_id),
        town.mary.address,
        town.study.purposes,
    )
    keep(town, one)
    done = deliver(town, request_id).found
    granted = town.world.auditing.grant(grant_of(town, request_id)).bundle
    assert done.bundle != granted
    assert town.part(request_id).bundle == done.bundle
    assert done.records == (record,)
    assert {Cid.of_directory(done.bundle), Cid.of_directory(granted)} <= town.world.store.pins()
    assert read(town, record).startswith(b"{")
    assert town.world.retrieving.readable(reader=town.researcher, purpose=PurposeOfUse.BIORCH).records == (record,)
    terms = bundle_files(town.world.store, done.bundle)[TERMS_FILE]
    with pytest.raises(EnvelopeError):
        open_document(town.world.store, terms, town.world.stranger.identity)
    inspected = town.requesting.confirm(request_id, town.mary.address, requester=town.researcher).found
    assert inspected.records == (record,)
    assert town.part(request_id).status is ReservationStatus.PAID


def test_deliver__interrupted__goes_on_with_the_same_bundle(town: StudyTown, request_id: RequestId) -> None:
    keep(town, signed(town, request_id))
    found = town.delivering.check(request_id, town.mary.address, custodian=town.world.hospital)
    again = town.delivering.check(request_id, town.mary.address, custodian=town.world.hospital)
    assert deliver(town, request_id).bundle == found.bundle == again.bundle


def test_deliver__on_a_receipt_for_something_else__is_refused(town: StudyTown, request_id: RequestId) -> None:
    town.publish(town.paul)
    town.accept(request_id, town.paul)
    pauls = town.part(request_id, town.paul).grant_id(town.world.ledger.requests.address)
    hospital = town.world.hospital.address
    keep(town, town.receipts.sign_for_grant(pauls, reader=town.researcher, custodian=hospital))
    other = town.receipts.sign_for_grant(
        grant_of(town, request_id), reader=town.researcher, custodian=town.world.stranger.address
    )
    with pytest.raises(InvalidInputError, match="another custodian"):
        keep(town, other)
    town.receipts.keep(other, custodian=town.world.stranger.address)
    with pytest.raises(ReceiptMissingError):
        deliver(town, request_id)


def test_deliver__on_a_receipt_that_is_good_no_more__is_refused(town: StudyTown, request_id: RequestId) -> None:
    one = signed(town, request_id, validity=DAY)
    keep(town, one)
    town.pass_by(DAY)
    with pytest.raises(ReceiptMissingError):
        deliver(town, request_id)
    with pytest.raises(DeadlinePassedError):
        keep(town, one)


def test_keep__forged_or_of_another_chain__is_refused(town: StudyTown, request_id: RequestId) -> None:
    one = signed(town, request_id)
    forged = replace(one, message=replace(one.message, reader=town.paul.address), signer=town.paul.address)
    with pytest.raises(SignatureInvalidError):
        keep(town, forged)
    signature = bytes([one.signature[0] ^ 1]) + one.signature[1:]
    with pytest.raises(SignatureInvalidError):
        keep(town, replace(one, signature=signature))
    elsewhere = Domain.of("ReadReceipts", one.domain.chain_id + 1, one.domain.verifying_contract)
    with pytest.raises(WrongDomainError):
        keep(town, replace(one, domain=elsewhere))
    assert town.receipts.all(town.world.hospital.address) == []


def test_keep__replayed__is_kept_once(town: StudyTown, request_id: RequestId) -> None:
    one = signed(town, request_id)
    hospital = town.world.hospital.address
    assert [town.receipts.keep(one, custodian=hospital) for _ in range(3)] == [True, False, False]


def test_keep__signed_by_a_clock_that_is_ahead__is_refused_beyond_some_minutes(
    town: StudyTown, request_id: RequestId
) -> None:
    now = town.world.chain.head().time
    town.world.clock.time = now + CLOCK_AHEAD
    near = signed(town, request_id)
    town.world.clock.time += 1
    far = signed(town, request_id)
    town.world.clock.time = now
    keep(town, near)
    with pytest.raises(InvalidInputError, match="still to come") as caught:
        keep(town, far)
    assert "clock" in caught.value.hint


def test_sign__not_one_s_own_or_not_live__is_refused(town: StudyTown, request_id: RequestId) -> None:
    with pytest.raises(InvalidInputError, match="another reader"):
        signed(town, request_id, reader=town.paul)
    with pytest.raises(UnknownGrantError):
        town.receipts.sign_for_grant(
            GrantId(grant_of(town, request_id) ^ 1),
            reader=town.researcher,
            custodian=town.world.hospital.address,
        )
    town.world.consenting.revoke(grant_of(town, request_id), patient=town.mary)
    with pytest.raises(InvalidInputError, match="not live"):
        signed(town, request_id)


def test_deliver__revoked_after_the_receipt__is_refused(town: StudyTown, request_id: RequestId) -> None:
    keep(town, signed(town, request_id))
    town.world.consenting.revoke(grant_of(town, request_id), patient=town.mary)
    with pytest.raises(GrantNotLiveError):
        deliver(town, request_id)


@pytest.mark.parametrize(
    "document",
    [
        b"no json",
        encode_document({"version": 2, "files": []}),
        encode_document({"version": 1, "files": [{"name": "x", "content": "zz"}]}),
        encode_document({"version": 1, "files": [{"name": HELD_FILE, "content": ""}]}),
        encode_document({"version": 1, "files": [{"name": "x", "content": "", "more": 1}]}),
    ],
    ids=["no json", "version", "hexadecimal", "twice", "field"],
)
def test_write_held__malformed__is_refused(town: StudyTown, document: bytes) -> None:
    store, hospital, mary = town.world.store, town.world.hospital, town.mary
    with BlobWriter(store) as writer:
        link = writer.file(sealed_document(document, mary.identity, [hospital.identity.recipient]))
    keys = [mary.identity.recipient]
    with pytest.raises(IntegrityError):
        write_held(store, {HELD_FILE: link}, custodian=hospital, writer_keys=keys)


def test_write_held__sealed_by_another_or_for_another__is_refused(town: StudyTown) -> None:
    store, hospital, mary, paul = town.world.store, town.world.hospital, town.mary, town.paul
    pieces = sealed_held({"x.c4gh": [b"y"]}, paul.identity, hospital.identity.recipient)
    with BlobWriter(store) as writer:
        link = writer.file(pieces)
    with pytest.raises(IntegrityError, match="sealed neither"):
        write_held(store, {HELD_FILE: link}, custodian=hospital, writer_keys=[mary.identity.recipient])
    with pytest.raises(NotARecipientError):
        write_held(store, {HELD_FILE: link}, custodian=town.world.stranger, writer_keys=[paul.identity.recipient])


def test_publish__before_the_delivery__makes_no_packet_for_the_requester(
    town: StudyTown, request_id: RequestId
) -> None:
    first = town.publish(text=b'{"resourceType":"Observation","valueInteger":1}')
    assert [each.obstacle for each in first.withheld] == [Obstacle.NOT_DELIVERED]
    keep(town, signed(town, request_id))
    deliver(town, request_id)
    later = town.publish(text=b'{"resourceType":"Observation","valueInteger":2}')
    assert later.withheld == ()
    ref = RecordRef(custodian=town.world.hospital.address, record_id=later.record_id)
    assert read(town, ref)


def grant(town: StudyTown, *provisions: Provision) -> Granted:
    """Grant the researcher something beside the request."""
    return town.world.consenting.grant(
        patient=town.mary,
        grantee=town.researcher.address,
        expires_at=town.world.clock.now() + 300 * DAY,
        provisions=provisions,
    )


def said(effect: Effect, *categories: Category, **more) -> Provision:
    return Provision(effect=effect, purposes=(PurposeOfUse.BIORCH,), categories=categories, **more)


def publish(town: StudyTown, number: int, **more) -> Published:
    return town.publish(text=b'{"resourceType":"Observation","valueInteger":%d}' % number, **more)


def told(town: StudyTown, published: Published) -> tuple[bool, list[Obstacle]]:
    """Return whether the requester holds the record's key, and what was withheld from him."""
    world = town.world
    holds = commitment(world.store, published.record_id) in held_keys(world.store, [town.researcher.identity])
    assert holds == (town.researcher.address in published.readers)
    return holds, [each.obstacle for each in published.withheld]


def test_publish__before_the_delivery_and_another_grant_permits__has_a_packet_by_that_one(
    town: StudyTown, request_id: RequestId
) -> None:
    grant(town, said(Effect.PERMIT, Category.LABORATORY, Category.IMAGING))
    lab, scan = publish(town, 1), publish(town, 2, category=Category.IMAGING)
    assert (told(town, lab), told(town, scan)) == ((True, []), (True, []))
    assert read(town, RecordRef(custodian=town.world.hospital.address, record_id=lab.record_id))
    only_held = publish(town, 3, category=Category.OBSERVATION)
    assert told(town, only_held) == (False, [Obstacle.NOT_DELIVERED])
    assert [each.grant_id for each in only_held.withheld] == [grant_of(town, request_id)]
    assert told(town, publish(town, 4, category=Category.ENCOUNTER)) == (False, [])


def test_publish__before_the_delivery__what_the_held_grant_denies_is_denied(town: StudyTown, record: RecordRef) -> None:
    request_id = town.open().request_id
    town.accept(request_id, provisions=(town.study.wanted, said(Effect.DENY, Category.IMAGING)))
    grant(town, said(Effect.PERMIT, Category.LABORATORY, Category.IMAGING))
    assert told(town, publish(town, 1, category=Category.IMAGING)) == (False, [])
    assert told(town, publish(town, 2)) == (True, [])


def test_publish__before_the_delivery__what_the_held_grant_permits_outweighs_no_denial(
    town: StudyTown, record: RecordRef
) -> None:
    request_id = town.open().request_id
    town.accept(request_id, provisions=(replace(town.study.wanted, categories=(), records=(record,)),))
    grant(town, said(Effect.PERMIT, Category.LABORATORY))
    grant(town, said(Effect.PERMIT, Category.IMAGING), said(Effect.DENY, Category.LABORATORY))
    later = publish(town, 1, supersedes=record.record_id)
    assert told(town, later) == (False, [Obstacle.NOT_DELIVERED])
    keep(town, signed(town, request_id))
    deliver(town, request_id)
    assert told(town, publish(town, 2, supersedes=later.record_id)) == (True, [])


def test_grant__before_the_delivery__what_the_held_grant_permits_outweighs_no_denial_and_what_it_denies_counts(
    town: StudyTown, record: RecordRef
) -> None:
    scan = publish(town, 1, category=Category.IMAGING)
    request_id = town.open().request_id
    named = replace(town.study.wanted, categories=(), records=(record,))
    town.accept(request_id, provisions=(named, said(Effect.DENY, Category.IMAGING)))
    grant(town, said(Effect.PERMIT, Category.ENCOUNTER), said(Effect.DENY, Category.LABORATORY))
    wanted = said(Effect.PERMIT, Category.LABORATORY, Category.IMAGING)
    assert grant(town, wanted).released == ()
    keep(town, signed(town, request_id))
    deliver(town, request_id)
    assert grant(town, wanted).released == (record,)
    assert scan.record_id != record.record_id


def test_publish__held_grant_says_nothing_to_this_custodian__gives_nothing_by_another_either(
    town: StudyTown, request_id: RequestId
) -> None:
    town.world.hospital = replace(town.world.hospital, identity=Identity.generate())
    hospital = town.world.hospital
    town.world.ledger.directory.set_encryption_key(hospital.signer, hospital.identity.recipient.key)
    assert told(town, publish(town, 1)) == (False, [Obstacle.UNTOLD])


def lose_bundle(town: StudyTown, grant_id: GrantId) -> None:
    standing = town.world.auditing.grant(grant_id)
    assert standing is not None
    del town.world.store.blocks[Cid.of_directory(standing.bundle)]


def test_publish__before_the_delivery_the_bundle_is_missing_and_another_tells_its_terms__makes_no_packet(
    town: StudyTown, request_id: RequestId
) -> None:
    def digest() -> bytes:
        return town.world.standing.of(town.world.hospital, town.mary.address).digest

    # Told under a key that the grant itself does not speak to, the hospital finds its terms in the other's bundle.
    town.world.hospital = replace(town.world.hospital, identity=Identity.generate())
    hospital = town.world.hospital
    town.world.ledger.directory.set_encryption_key(hospital.signer, hospital.identity.recipient.key)
    grant(town, said(Effect.PERMIT, Category.IMAGING))
    assert told(town, publish(town, 1)) == (False, [Obstacle.NOT_DELIVERED])
    before = digest()
    lose_bundle(town, grant_of(town, request_id))
    assert told(town, publish(town, 2)) == (False, [Obstacle.NOT_DELIVERED])
    assert told(town, publish(town, 3, category=Category.IMAGING)) == (True, [])
    assert digest() == before
    keep(town, signed(town, request_id))
    with pytest.raises(BlobNotFoundError):
        deliver(town, request_id)


def test_publish__delivered_and_the_bundle_is_missing_and_another_tells_its_terms__has_a_packet(
    town: StudyTown, request_id: RequestId
) -> None:
    keep(town, signed(town, request_id))
    deliver(town, request_id)
    town.world.hospital = replace(town.world.hospital, identity=Identity.generate())
    hospital = town.world.hospital
    town.world.ledger.directory.set_encryption_key(hospital.signer, hospital.identity.recipient.key)
    grant(town, said(Effect.PERMIT, Category.IMAGING))
    lose_bundle(town, grant_of(town, request_id))
    assert told(town, publish(town, 1)) == (True, [])


@pytest.mark.parametrize("study", [False, True], ids=["a grant as any other", "a study's that waits for no receipt"])
def test_publish__bundle_of_a_grant_that_never_waits_is_missing_and_another_tells_its_terms__has_a_packet(
    town: StudyTown, study: bool
) -> None:
    if study:
        town.study = replace(town.study, on_receipt=False)
        town.publish()
        request_id = town.open().request_id
        town.accept(request_id)
        lost = grant_of(town, request_id)
    else:
        town.publish()
        lost = grant(town, said(Effect.PERMIT, Category.LABORATORY)).grant_id
    town.world.hospital = replace(town.world.hospital, identity=Identity.generate())
    hospital = town.world.hospital
    town.world.ledger.directory.set_encryption_key(hospital.signer, hospital.identity.recipient.key)
    grant(town, said(Effect.PERMIT, Category.IMAGING))
    lose_bundle(town, lost)
    assert told(town, publish(town, 1)) == (True, [])


def test_publish__bundle_is_missing_and_nothing_tells_its_terms__says_that_it_is_missing(
    town: StudyTown, request_id: RequestId
) -> None:
    lose_bundle(town, grant_of(town, request_id))
    assert told(town, publish(town, 1)) == (False, [Obstacle.BUNDLE_UNREADABLE])


def test_digest__the_keys_were_released_meanwhile__is_another(town: StudyTown, request_id: RequestId) -> None:
    def digest() -> bytes:
        return town.world.standing.of(town.world.hospital, town.mary.address).digest

    before = digest()
    keep(town, signed(town, request_id))
    assert digest() == before
    deliver(town, request_id)
    assert digest() != before


def test_inboxes__say_what_is_due__until_it_is_delivered(town: StudyTown, request_id: RequestId) -> None:
    def kinds(actor: Actor) -> list[tuple[str, str]]:
        return [(each.kind, each.says) for each in town.inbox.read(actor.address).notices if each.waits]

    ((kind, says),) = kinds(town.researcher)
    assert (kind, "read receipt" in says) == ("ReceiptDue", True)
    ((kind, says),) = kinds(town.world.hospital)
    assert (kind, "read receipt" in says) == ("DeliveryDue", True)
    keep(town, signed(town, request_id))
    deliver(town, request_id)
    assert [kind for kind, _ in kinds(town.researcher)] == ["DeliveryToConfirm"]
    assert kinds(town.world.hospital) == []


def test_deliver__custodian_asks_for_a_receipt_of_his_own_accord__before_he_states_it(
    town: StudyTown, record: RecordRef
) -> None:
    town.study = replace(town.study, on_receipt=False)
    request_id = town.open().request_id
    town.accept(request_id)
    granted = town.world.auditing.grant(grant_of(town, request_id)).bundle
    with pytest.raises(ReceiptMissingError):
        deliver(town, request_id, on_receipt=True)
    keep(town, signed(town, request_id))
    assert deliver(town, request_id, on_receipt=True).bundle == granted


def forgetting(town: StudyTown) -> Forgetting:
    world = town.world
    return Forgetting(
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


@pytest.mark.parametrize("delivered", [False, True])
def test_forget__closed_in_or_delivered__is_left_until_the_grant_has_ended(
    town: StudyTown, request_id: RequestId, record: RecordRef, delivered: bool
) -> None:
    world = town.world
    grant_id = grant_of(town, request_id)
    bundles = [world.auditing.grant(grant_id).bundle]
    if delivered:
        keep(town, signed(town, request_id))
        bundles.append(deliver(town, request_id).bundle)
    mark = erasure_mark(record.custodian, record.record_id)
    world.ledger.records.retract(world.hospital.signer, record.record_id, mark)
    forgotten = forgetting(town).forget(record, patient=town.mary)
    assert (forgotten.finished, forgotten.left, forgotten.given_up) == (False, (grant_id,), ())
    world.consenting.revoke(grant_id, patient=town.mary)
    forgotten = forgetting(town).forget(record, patient=town.mary)
    assert (forgotten.finished, forgotten.left) == (True, ())
    assert forgotten.given_up == tuple(bundles)
    assert not any(world.store.has(Cid.of_directory(each)) for each in bundles)


def test_acknowledge__was_delivered_and_has_ended__the_readers_own_store_has_no_key_any_more(
    town: StudyTown, request_id: RequestId, record: RecordRef
) -> None:
    world = town.world
    keep(town, signed(town, request_id))
    bundle = deliver(town, request_id).bundle
    world.consenting.revoke(grant_of(town, request_id), patient=town.mary)
    mark = erasure_mark(record.custodian, record.record_id)
    world.ledger.records.retract(world.hospital.signer, record.record_id, mark)
    forgetting(town).acknowledge(record, reader=town.researcher)
    assert not world.store.has(Cid.of_directory(bundle))
