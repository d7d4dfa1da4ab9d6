"""A patient grants what is his, once for each consent, and takes it back.

given a published record, its patient, and a doctor with a key
├─ when the request could never be live, or names nobody, nobody's record or no purpose, nothing is stored
├─ when the same consent is given again, it is the same grant with new dates
├─ when records, purposes, grantee or patient differ, it is another grant with another salt
├─ when one more reader is granted access, it costs one small header for each record, whatever the record's size
├─ when others to this reader are live, of each two blocks are read and the terms opened, once in a process; of those
│  that have ended, nothing
├─ when the process dies at any call, repeating leaves one grant
└─ when access is revoked, it has ended; given again it is sent again, since something may be on its way
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from service_doubles import (
    CrashError,
    Faults,
    Overriding,
    consenting_with,
    faulty_consenting,
    with_consents,
)
from world import DAY, World, new_world

from medshare.content import list_directory
from medshare.envelope import Identity
from medshare.errors import (
    BlobNotFoundError,
    EncryptionKeyNotSetError,
    GranteeIsPatientError,
    GranteeIsZeroError,
    IntegrityError,
    InvalidInputError,
    KeyCommitmentError,
    MedshareError,
    NotAllowedToActError,
    NotARecipientError,
    PeriodEmptyError,
    PurposesEmptyError,
    RecordNotActiveError,
    UnknownRecordError,
)
from medshare.model.consent import MAX_RECORDS, MAX_TIME, Effect, Provision, RecordRef
from medshare.model.events import AccessGranted
from medshare.model.ids import ZERO_ADDRESS, GrantId
from medshare.model.purpose import PurposeOfUse
from medshare.ports import Actor
from medshare.services import bundles, opened_terms
from medshare.services.consenting import Consenting
from medshare.services.desk import _salt
from medshare.services.registering import Published
from medshare.testing import new_actor

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]

HEADER_SIZE = 124
"""Crypt4GH: magic, version and count (16), and one X25519 packet (108)."""


def given_grants(world: World) -> list[AccessGranted]:
    return [each for each in world.chain.events(0, world.chain.head().number) if isinstance(each, AccessGranted)]


# ------------------------------------------------------------------------------------------------ refused


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ({"grantee": ZERO_ADDRESS}, GranteeIsZeroError),
        ({"purposes": []}, PurposesEmptyError),
        ({"purposes": PurposeOfUse.BTG}, InvalidInputError),
        ({"purposes": [PurposeOfUse.TREAT, PurposeOfUse.BTG]}, InvalidInputError),
        ({"records": []}, InvalidInputError),
        ({"expires_at": 1}, PeriodEmptyError),
        ({"expires_at": 0}, PeriodEmptyError),
        ({"expires_at": -5}, PeriodEmptyError),
        ({"expires_at": MAX_TIME + 1}, PeriodEmptyError),
        ({"not_before": MAX_TIME + 1, "expires_at": MAX_TIME + 2}, PeriodEmptyError),
        ({"not_before": -1}, PeriodEmptyError),
        ({"not_before": MAX_TIME, "expires_at": MAX_TIME}, PeriodEmptyError),
    ],
    ids=str,
)
def test_grant__could_never_be_live__is_refused_before_storing(world: World, request_: dict, error: type) -> None:
    published = world.publish()
    before = dict(world.store.blocks)
    with pytest.raises(error):
        world.grant(published, **request_)
    assert world.store.blocks == before
    assert given_grants(world) == []


def test_grant__to_oneself__is_refused(world: World) -> None:
    with pytest.raises(GranteeIsPatientError) as caught:
        world.grant(world.publish(), grantee=world.patient.address)
    assert caught.value.patient == world.patient.address


def test_grant__ends_now__is_refused_and_one_second_later_is_not(world: World) -> None:
    published = world.publish()
    now = world.chain.head().time
    with pytest.raises(PeriodEmptyError):
        world.grant(published, expires_at=now)
    assert world.grant(published, expires_at=now + 2).grant.expires_at == now + 2


def test_grant__until_the_last_second_a_grant_can_name__is_given(world: World) -> None:
    assert world.grant(world.publish(), expires_at=MAX_TIME).grant.expires_at == MAX_TIME


def test_grant__record_twice__is_refused(world: World) -> None:
    published = world.publish()
    with pytest.raises(InvalidInputError, match="twice"):
        world.grant(published, published)


def test_grant__more_records_than_a_grant_names__is_refused_at_once(world: World) -> None:
    records = [
        RecordRef(custodian=world.hospital.address, record_id=number.to_bytes(32, "big"))
        for number in range(MAX_RECORDS + 1)
    ]
    with pytest.raises(InvalidInputError, match=str(MAX_RECORDS)) as caught:
        world.grant(records=records)
    assert caught.value.hint


def test_grant__grantee_has_no_key__is_refused(world: World) -> None:
    nobody = new_actor().address
    published = world.publish()
    before = dict(world.store.blocks)
    with pytest.raises(EncryptionKeyNotSetError) as caught:
        world.grant(published, grantee=nobody)
    assert caught.value.actor == nobody
    assert world.store.blocks == before


@pytest.mark.parametrize("key", [b"\1" + bytes(31), b"\xff" * 32], ids=["low order", "not canonical"])
def test_grant__grantee_published_an_unusable_key__is_refused(world: World, key: bytes) -> None:
    """With such a key everybody, or nobody, could open the header."""
    published = world.publish()
    world.ledger.directory.set_encryption_key(world.doctor.signer, key)
    before = dict(world.store.blocks)
    with pytest.raises(InvalidInputError):
        world.grant(published)
    assert world.store.blocks == before


def test_grant__record_of_somebody_else__is_refused(world: World) -> None:
    published = world.publish()
    with pytest.raises(InvalidInputError, match="not registered as yours"):
        world.grant(published, patient=world.stranger)
    with pytest.raises(InvalidInputError):
        world.grant(published, patient=world.hospital)
    assert given_grants(world) == []


def test_grant__record_that_nobody_registered__is_refused(world: World) -> None:
    published = world.publish()
    elsewhere = RecordRef(custodian=world.stranger.address, record_id=published.record_id)
    with pytest.raises(UnknownRecordError):
        world.grant(published, records=[world.ref(published), elsewhere])


def test_grant__record_was_retracted__is_refused(world: World) -> None:
    published = world.publish()
    world.publishing.retract(published.record_id, "wrong", custodian=world.hospital)
    with pytest.raises(RecordNotActiveError):
        world.grant(published)


def test_grant__record_was_superseded__is_given(world: World) -> None:
    first = world.publish(b"one")
    world.publish(b"two", supersedes=first.record_id)
    world.grant(first)
    assert b"".join(world.open(first).stream()) == b"one"


def test_grant__thief_claims_the_record_for_himself__cannot_share_it(world: World) -> None:
    """Anybody can register a stranger's record id under his own name: without the key it is worth nothing."""
    published = world.publish()
    world.ledger.records.register(world.stranger.signer, published.record_id, world.stranger.address)
    theirs = RecordRef(custodian=world.stranger.address, record_id=published.record_id)
    with pytest.raises(MedshareError):
        world.grant(patient=world.stranger, records=[theirs])
    assert given_grants(world) == []


def test_grant__custodian_sealed_the_header_under_another_identity__is_refused(world: World, monkeypatch) -> None:
    published = world.publish()
    monkeypatch.setattr(world.auditing, "encryption_keys", lambda _actor: [])
    with pytest.raises(IntegrityError, match="custodian"):
        world.grant(published)


def test_grant__header_holds_another_key_than_committed__is_refused(world: World, monkeypatch) -> None:
    from medshare.services import desk

    published, other = world.publish(b"one"), world.publish(b"other")
    read = desk.own_header
    files = desk.locate(world.store, other.record_id)
    monkeypatch.setattr(desk, "own_header", lambda store, _files: read(store, files))
    with pytest.raises(KeyCommitmentError):
        world.grant(published)


def test_grant__blocks_of_the_record_are_gone__says_so(world: World) -> None:
    published = world.publish()
    world.store.blocks.clear()
    with pytest.raises(BlobNotFoundError):
        world.grant(published)
    assert given_grants(world) == []


# --------------------------------------------------------------------------------------------- same and other


def test_grant__same_consent_again__is_the_same_grant_with_new_dates(world: World) -> None:
    published = world.publish()
    first = world.grant(published, expires_at=world.clock.now() + DAY)
    second = world.grant(published, expires_at=world.clock.now() + 9 * DAY)
    assert first.grant_id == second.grant_id
    assert second.grant.expires_at == first.grant.expires_at + 8 * DAY
    assert second.grant.epoch == first.grant.epoch + 1
    (standing,) = world.auditing.grants(patient=world.patient.address)
    assert standing.bundle == second.bundle.digest
    assert b"".join(world.open(published).stream())


def test_grant__records_in_any_order__are_the_same_consent(world: World) -> None:
    records = [world.publish(b"%d" % number) for number in range(3)]
    ids = {world.grant(*order).grant_id for order in itertools.permutations(records)}
    assert len(ids) == 1


def test_grant__records_purposes_or_grantee_differ__are_other_grants(world: World) -> None:
    one, two = world.publish(b"one"), world.publish(b"two")
    grants = [
        world.grant(one),
        world.grant(two),
        world.grant(one, two),
        world.grant(one, purposes=PurposeOfUse.HRESCH),
        world.grant(one, purposes=[PurposeOfUse.TREAT, PurposeOfUse.HRESCH]),
        world.grant(one, grantee=world.stranger.address),
    ]
    assert len({each.grant_id for each in grants}) == len(grants)
    assert len({each.terms.salt for each in grants}) == len(grants)
    assert {each.grant.patient for each in grants} == {world.patient.address}


def test_grant__somebody_else_says_the_same__the_salt_is_the_patient_s_own(world: World) -> None:
    """The salt comes from the patient's secret key: nobody else can test a guess about the terms."""
    salts = set()
    for _ in range(3):
        world.consenting.revoke_all(patient=world.patient)  # what the earlier identity granted
        world.patient = Actor(signer=world.patient.signer, identity=Identity.generate())
        world.ledger.directory.set_encryption_key(world.patient.signer, world.patient.identity.recipient.key)
        published = world.publish(os.urandom(8))
        once, again = world.grant(published), world.grant(published)
        assert once.terms.salt == again.terms.salt
        salts.add(once.terms.salt)
    assert len(salts) == 3


def test_salt__same_words_of_two_patients__differ(world: World) -> None:
    said = [Provision(effect=Effect.PERMIT, purposes=(PurposeOfUse.TREAT,), records=(world.ref(world.publish()),))]
    people = (world.patient, world.stranger, world.patient)
    one, other, again = (_salt(each.identity, world.doctor.address, said) for each in people)
    assert one == again != other


def test_grant__after_revoking__is_live_again(world: World) -> None:
    published = world.publish()
    first = world.grant(published)
    world.consenting.revoke(first.grant_id, patient=world.patient)
    assert world.grant(published).grant_id == first.grant_id
    assert b"".join(world.open(published).stream())


# ----------------------------------------------------------------------------------------------------- cost


@pytest.mark.parametrize("size", [1, 70_000, 3_000_000])
def test_grant__record_of_any_size__costs_one_small_header(world: World, size: int) -> None:
    published = world.publish(os.urandom(size))
    before = set(world.store.blocks)
    granted = world.grant(published)
    files = list_directory(world.store.get, granted.bundle)
    header = files[granted.terms.header_name(published.record_id)]
    assert {name for name, link in files.items() if link.size == HEADER_SIZE} == {
        granted.terms.header_name(published.record_id)
    }
    assert header.size == HEADER_SIZE
    added = sum(len(world.store.blocks[cid]) for cid in set(world.store.blocks) - before)
    assert added < 8_000, "terms, header, directory, and four excerpts or decoys of 1 KiB"


def test_grant__many_records__costs_one_header_each_and_tells_how_far_it_is(world: World) -> None:
    records = [world.publish(b"record %d" % number) for number in range(12)]
    told = []
    granted = world.grant(*records, progress=lambda *what: told.append(what))
    files = list_directory(world.store.get, granted.bundle)
    headers = {name for name, link in files.items() if link.size == HEADER_SIZE}
    assert headers == {granted.terms.header_name(each.record_id) for each in records}
    assert not {each.record_id.hex() for each in records} & {name.split(".")[0] for name in files}
    assert told == [("wrapping keys", done, 12) for done in range(12)] + [("granting", 12, 12)]
    for each in records:
        assert b"".join(world.open(each).stream())


class Costs:
    """What granting does: blocks read from the store, sealed documents opened, questions about single grants."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        self.counts: Counter[str] = Counter()
        monkeypatch.setattr(bundles, "unwrap", self.counting("opened", bundles.unwrap))

    def counting(self, name: str, verb: Callable) -> Callable:
        def count(*args, **more):
            self.counts[name] += 1
            return verb(*args, **more)

        return count

    def command(self) -> Consenting:
        """Return what a new process has."""
        store = Overriding(self.world.store, get=self.counting("read", self.world.store.get))
        get_grant = self.counting("asked", self.world.ledger.consents.get_grant)
        return consenting_with(self.world, store=store, ledger=with_consents(self.world, get_grant=get_grant))

    def of(self, consenting: Consenting, published: Published) -> tuple[int, int, int]:
        """Return what one more grant costs."""
        self.counts.clear()
        self.world.consenting = consenting
        self.world.grant(published)
        return self.counts["read"], self.counts["opened"], self.counts["asked"]


def test_grant__others_to_this_reader__each_costs_two_blocks_and_one_opening_once_in_a_process(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = Costs(world, monkeypatch)
    published = [world.publish(b"text %d" % number) for number in range(6)]
    read, opened, asked = costs.of(costs.command(), published[0])
    assert (read, opened, asked) == (4, 0, 1)
    for others in (1, 2):
        assert costs.of(costs.command(), published[others]) == (read + 2 * others, others, asked)
    session = costs.command()
    assert costs.of(session, published[3]) == (read + 2 * 3, 3, asked)
    assert costs.of(session, published[4]) == (read + 4, 0, asked)
    assert costs.of(session, published[5]) == (read + 5, 0, asked)
    monkeypatch.setattr(opened_terms, "MAX_KEPT", 1)
    assert costs.of(session, published[5]) == (read + 5, 0, asked)
    assert costs.of(session, published[5]) == (read + 2 * 5, 5, asked), "it had started over"


def test_grant__others_to_this_reader_have_ended__cost_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    costs = Costs(world, monkeypatch)
    published = [world.publish(b"text %d" % number) for number in range(4)]
    alone = costs.of(costs.command(), published[0])
    world.grant(published[1], expires_at=world.clock.now() + DAY)
    world.consenting.revoke(given_grants(world)[0].grant.grant_id, patient=world.patient)
    world.clock.advance(DAY)
    world.chain.mine()
    world.grant(published[2], grantee=world.stranger.address)
    assert costs.of(costs.command(), published[3]) == alone


def test_opened_terms__somebody_else_asks__cannot_open_them(world: World) -> None:
    world.grant(world.publish())
    (standing,) = world.auditing.grants(patient=world.patient.address)
    files = bundles.bundle_files(world.store, standing.bundle)
    opened = opened_terms.OpenedTerms()
    terms = opened.open(world.store, files, standing, world.patient.identity)
    assert opened.open(world.store, {}, standing, world.patient.identity) is terms
    with pytest.raises(NotARecipientError):
        opened.open(world.store, files, standing, world.stranger.identity)


# --------------------------------------------------------------------------------------------------- failures


@pytest.mark.parametrize("after", [False, True], ids=["before", "lost-answer"])
def test_grant__process_dies_at_any_call__repeating_leaves_one_grant(tmp_path, after: bool) -> None:
    for at in range(1, 60):
        world = new_world(tmp_path / str(at))
        published = world.publish()
        faults = Faults(at=at, after=after)
        consenting, world.consenting = world.consenting, faulty_consenting(world, faults)
        try:
            world.grant(published)
        except CrashError:
            struck = True
        else:
            struck = False
        world.consenting = consenting
        if not struck:
            break
        granted = world.grant(published)
        (standing,) = world.auditing.grants(patient=world.patient.address)
        assert standing.grant.grant_id == granted.grant_id
        world.store.collect()
        assert b"".join(world.open(published).stream())
        world.consenting.revoke(granted.grant_id, patient=world.patient)
        assert world.auditing.may_read(world.patient.address) == []
    assert at > 10
    assert not struck, "raise the limit: the last calls were not reached"


# --------------------------------------------------------------------------------------------------- revoking


def test_revoke__grant_of_another_patient__is_refused(world: World) -> None:
    granted = world.grant(world.publish())
    for other in (world.stranger, world.doctor, world.hospital):
        with pytest.raises(NotAllowedToActError) as caught:
            world.consenting.revoke(granted.grant_id, patient=other)
        assert (caught.value.patient, caught.value.actor) == (world.patient.address, other.address)
    assert [each.live for each in world.auditing.grants(patient=world.patient.address)] == [True]


def test_revoke__grant_that_never_was__is_sent_and_said(world: World) -> None:
    """Its answer may have been lost, and the grant may be on its way: a revoke is never held back."""
    granted = world.grant(world.publish())
    other = GrantId(granted.grant_id ^ 1)
    revoked = world.consenting.revoke(other, patient=world.patient)
    assert not revoked.had_been_granted
    assert world.chain.model.get_grant(other).epoch == 1
    assert world.consenting.revoke(granted.grant_id, patient=world.patient).had_been_granted


def test_revoke__twice__is_sent_twice_and_no_error(world: World) -> None:
    """What was signed since, wherever, may be on its way: only a revocation that is sent ends it."""
    granted = world.grant(world.publish())
    first = world.consenting.revoke(granted.grant_id, patient=world.patient)
    second = world.consenting.revoke(granted.grant_id, patient=world.patient)
    assert (first.bundles_left, second.bundles_left) == (0, 0)
    assert second.receipt.block.number > first.receipt.block.number
    standing = world.auditing.grant(granted.grant_id)
    assert standing.revoked_at == first.receipt.block.time


def test_revoke__other_grants__stay(world: World) -> None:
    one, two = world.publish(b"one"), world.publish(b"two")
    world.consenting.revoke(world.grant(one).grant_id, patient=world.patient)
    kept = world.grant(two)
    assert [each.grant.grant_id for each in world.auditing.may_read(world.patient.address)] == [kept.grant_id]
    assert b"".join(world.open(two).stream()) == b"two"


def test_revoke_all__also_what_begins_later__ends_everything(world: World) -> None:
    one, two = world.publish(b"one"), world.publish(b"two")
    world.grant(one)
    later = world.grant(two, not_before=world.clock.now() + DAY)
    revoked = world.consenting.revoke_all(patient=world.patient)
    assert revoked.bundles_left == 0
    assert world.store.pins() == {one.cid, two.cid}
    world.clock.advance(2 * DAY)
    world.chain.mine()
    assert world.auditing.may_read(world.patient.address) == []
    assert world.auditing.grant(later.grant_id).revoked_at == revoked.receipt.block.time
    world.grant(two)
    assert b"".join(world.open(two).stream()) == b"two"


def test_revoke_all__nothing_was_granted__is_no_error(world: World) -> None:
    assert world.consenting.revoke_all(patient=world.patient).bundles_left == 0


def test_revoke_all__of_one_patient__leaves_the_others_grants(world: World) -> None:
    published = world.publish()
    world.grant(published)
    world.consenting.revoke_all(patient=world.stranger)
    assert b"".join(world.open(published).stream())


def test_granted__by_whom_and_to_whom__are_in_the_terms(world: World) -> None:
    published = world.publish()
    granted = world.grant(published)
    assert (granted.terms.patient, granted.terms.grantee) == (world.patient.address, world.doctor.address)
    (provision,) = granted.terms.provisions
    assert provision.records == granted.released == (world.ref(published),)
    assert granted.terms.grant_id() == granted.grant_id
    assert replace(granted.terms, salt=bytes(32)).grant_id() != granted.grant_id
