"""A consent covers what is published later: the custodian's client finds the live grants, decides, and makes packets.

given a grant by category, and a custodian who was told of it
├─ when he publishes what it permits, the reader opens it without the patient acting; nothing else
├─ when he was not told, the patient's client finds that, and which grant tells him when it is given again
├─ when it is revoked, with all others, or has ended, what is published later stays shut, with the whole store at hand
├─ when another live grant denies, or cannot be read, or does not speak to him, nothing is released
└─ when bundles, keys or the chain are not what they should be, it is said, and publishing goes on
given any grants, revocations and publications in any order
└─ who holds a packet is whom the decision permitted then, and nobody else; fewer only where a custodian was not told
the bundle
└─ tells an outsider neither which custodians are told nor how many
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from held_keys import commitment, held_keys
from hypothesis import given, settings
from hypothesis import strategies as st
from service_doubles import Overriding, publishing_with, with_consents
from world import DAY, TEXT, World, new_world

from medshare.content import Cid, list_directory
from medshare.envelope import Identity
from medshare.errors import AccessDeniedError, IntegrityError, NotARecipientError, StoreUnavailableError
from medshare.model.consent import Consent, Effect, Provision, decide
from medshare.model.ids import Address, RecordId
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Category, RecordStatus
from medshare.model.subject import Subject
from medshare.ports import Actor
from medshare.services import excerpts, standing
from medshare.services.bundles import bundle_files
from medshare.services.consenting import Untold
from medshare.services.description import Description
from medshare.services.excerpts import excerpt_name, open_excerpt
from medshare.services.registering import Published
from medshare.services.standing import Obstacle, StandingConsents
from medshare.testing import new_actor

pytestmark = [pytest.mark.unit, pytest.mark.timeout(120)]

TREAT, HRESCH = PurposeOfUse.TREAT, PurposeOfUse.HRESCH
LAB, SCAN = Category.LABORATORY, Category.IMAGING


def permit(*purposes: PurposeOfUse, **what) -> Provision:
    return said(Effect.PERMIT, purposes, what)


def deny(*purposes: PurposeOfUse, **what) -> Provision:
    return said(Effect.DENY, purposes, what)


def said(effect: Effect, purposes, what: dict) -> Provision:
    if not what.keys() & {"records", "categories"}:
        what["everything"] = True
    return Provision(effect=effect, purposes=purposes or (TREAT,), **what)


def say(world: World, *provisions: Provision, **more):
    wanted = {"patient": world.patient, "grantee": world.doctor.address, "expires_at": world.clock.now() + 30 * DAY}
    return world.consenting.grant(**{**wanted, "provisions": provisions, **more})


def publish(world: World, text: bytes = TEXT, *, by: Actor | None = None, supersedes=None, **what) -> Published:
    return world.publishing.publish(
        text,
        custodian=by or world.hospital,
        patient=world.patient.address,
        description=Description(**{"media_type": "text/plain", "category": LAB, **what}),
        supersedes=supersedes,
    )


def with_key(world: World, actor: Actor) -> Actor:
    """Return another hospital: accredited, with its key published."""
    world.chain.accredit(actor.address)
    world.ledger.directory.set_encryption_key(actor.signer, actor.identity.recipient.key)
    return actor


def opens(world: World, published: Published, reader: Actor | None = None, purpose: PurposeOfUse = TREAT) -> bool:
    try:
        opened = world.retrieving.open(published.entry.ref, reader=reader or world.doctor, purpose=purpose)
    except AccessDeniedError:
        return False
    assert b"".join(opened.stream())
    return True


def holds(world: World, published: Published, *identities: Identity) -> bool:
    """Whether any header in the whole store gives one of these keys the record's file key."""
    return commitment(world.store, published.record_id) in held_keys(world.store, identities or [world.doctor.identity])


def obstacles(published: Published) -> list[Obstacle]:
    return [each.obstacle for each in published.withheld]


# ------------------------------------------------------------------------------------------- what is covered


def test_publish__after_a_grant_by_category__is_open_to_the_reader_at_once(known: World) -> None:
    granted = say(known, permit(categories=(LAB,)))
    assert granted.told == (known.hospital.address,)
    assert granted.released == ()
    before = known.chain.head().number
    lab, scan = publish(known, b"lab"), publish(known, b"scan", category=SCAN)
    assert known.chain.head().number == before + 2, "the patient did nothing"
    assert (lab.readers, scan.readers) == ((known.doctor.address,), ())
    opened = known.retrieving.open(lab.entry.ref, reader=known.doctor, purpose=TREAT)
    assert b"".join(opened.stream()) == b"lab"
    assert opened.decision.grant == granted.grant
    assert not opens(known, scan)
    assert not holds(known, scan)
    assert not holds(known, lab, known.stranger.identity)
    assert known.retrieving.readable(reader=known.doctor, purpose=TREAT).records == (lab.entry.ref,)
    assert known.retrieving.readable(reader=known.doctor, purpose=HRESCH).records == ()


def test_publish__a_later_version_of_a_named_record__is_covered_as_far_as_its_labels_are(known: World) -> None:
    first = publish(known, labels=("HIV",))
    say(known, permit(records=(first.entry.ref,)))
    second = publish(known, b"second", labels=("HIV",), supersedes=first.record_id)
    third = publish(known, b"third", labels=("HIV",), supersedes=second.record_id)
    fourth = publish(known, b"fourth", labels=("HIV", "SUD"), supersedes=third.record_id)
    assert [opens(known, each) for each in (first, second, third, fourth)] == [True, True, True, False]
    assert [holds(known, each) for each in (first, second, third, fourth)] == [True, True, True, False]
    assert not holds(known, publish(known, b"another"))


def test_publish__a_sensitive_label_that_is_not_named__is_not_covered(known: World) -> None:
    say(known, permit())
    assert opens(known, publish(known, labels=("N",)))
    assert not holds(known, publish(known, labels=("R",)))


def test_publish__of_another_patient__is_not_covered(known: World) -> None:
    say(known, permit())
    other = with_key(known, new_actor())
    published = known.publishing.publish(
        TEXT, custodian=known.hospital, patient=other.address, description=Description(category=LAB)
    )
    assert published.readers == ()
    assert not holds(known, published)


def test_publish__readers_none_one_or_two__have_headers_of_one_size(known: World) -> None:
    sizes = []
    for reader in (None, known.doctor, known.stranger):
        if reader is not None:
            say(known, permit(), grantee=reader.address)
        published = publish(known, b"for %d" % len(sizes))
        assert len(published.readers) == len(sizes)
        sizes.append(list_directory(known.store.get, published.cid)["header.c4gh"].size)
    assert len(set(sizes)) == 1


def test_publish__reader_is_a_custodian_or_the_patient_publishes__everybody_has_one_packet(known: World) -> None:
    say(known, permit(), grantee=known.hospital.address)
    assert publish(known).readers == ()
    own = publish(known, b"measured at home", by=known.patient)
    assert own.readers == ()
    assert opens(known, own, known.patient)
    assert obstacles(own) == [Obstacle.UNTOLD]  # until the patient states something, he is no custodian
    say(known, permit(), grantee=known.hospital.address)
    assert publish(known, b"again", by=known.patient).readers == (known.hospital.address,)


# ------------------------------------------------------------------------------------------- key epochs


def end_by_revoking(world: World, granted) -> None:
    world.consenting.revoke(granted.grant_id, patient=world.patient)


def end_by_revoking_all(world: World, _granted) -> None:
    world.consenting.revoke_all(patient=world.patient)


def end_on_chain(world: World, granted) -> None:
    world.clock.time = granted.grant.expires_at
    world.chain.mine()


def end_by_the_clock(world: World, granted) -> None:
    """No block is mined: the chain's newest block still says that the grant is live."""
    world.clock.time = granted.grant.expires_at


@pytest.mark.parametrize("end", [end_by_revoking, end_by_revoking_all, end_on_chain, end_by_the_clock])
def test_publish__after_the_grant_has_ended__is_shut_with_every_old_key_and_the_whole_store(known: World, end) -> None:
    old = known.doctor.identity
    named = publish(known, b"named")
    granted = say(known, permit(), permit(records=(named.entry.ref,)))
    before = publish(known, b"before")
    rotated = Identity.generate()
    known.ledger.directory.set_encryption_key(known.doctor.signer, rotated.recipient.key)
    between = publish(known, b"between")
    end(known, granted)
    after = [
        publish(known, b"after"),
        publish(known, b"named 2", supersedes=named.record_id),
        publish(known, b"before 2", supersedes=before.record_id),
        known.resealing.reseal(between.entry, custodian=known.hospital),
    ]
    assert all(each.readers == () for each in after)
    held = held_keys(known.store, [old, rotated])
    assert {commitment(known.store, each.record_id) for each in (named, before, between)} <= held
    assert not {commitment(known.store, each.record_id) for each in after} & held
    assert held_keys(known.store, [known.patient.identity]) >= {
        commitment(known.store, each.record_id) for each in after
    }


def test_publish__before_the_grant_begins__is_not_covered_and_after_it_is(known: World) -> None:
    start = known.clock.now() + DAY
    say(known, permit(), not_before=start)
    early = publish(known, b"early")
    assert (early.readers, early.withheld) == ((), ())
    known.clock.time = start
    known.chain.mine()
    assert opens(known, publish(known, b"in time"))
    assert not holds(known, early)


def test_publish__begun_by_the_clock_and_not_on_chain_yet__waits_for_the_chain(known: World) -> None:
    start = known.clock.now() + DAY
    say(known, permit(), not_before=start)
    known.clock.time = start
    assert publish(known, b"the block is old").readers == ()
    assert publish(known, b"the block is new").readers == (known.doctor.address,)


# ------------------------------------------------------------------------------------------- denials


@pytest.mark.parametrize("order", [1, -1], ids=["denied first", "denied last"])
def test_publish__another_live_grant_denies__nothing_is_released_until_it_ends(known: World, order: int) -> None:
    given = {}
    for name, provisions in [
        ("yes", [permit()]),
        ("no", [permit(HRESCH, categories=(SCAN,)), deny(categories=(LAB,))]),
    ][::order]:
        given[name] = say(known, *provisions)
    denied = publish(known)
    assert (denied.readers, denied.withheld) == ((), ())
    assert not holds(known, denied)
    known.consenting.revoke(given["no"].grant_id, patient=known.patient)
    assert opens(known, publish(known, b"now"))


def test_publish__permitted_for_one_purpose_and_denied_for_another__has_the_key_and_the_reader_decides(
    known: World,
) -> None:
    say(known, permit(TREAT, HRESCH), deny(TREAT))
    published = publish(known)
    assert opens(known, published, purpose=HRESCH)
    assert not opens(known, published, purpose=TREAT)


def spoil_directory(world: World, bundle: Cid) -> None:
    del world.store.blocks[bundle]


def spoil_excerpts(world: World, bundle: Cid) -> None:
    for link in list_directory(world.store.get, bundle).values():
        del world.store.blocks[link.cid]


@pytest.mark.parametrize("spoil", [spoil_directory, spoil_excerpts])
def test_publish__a_bundle_is_missing__says_so_and_publishes_for_the_others(known: World, spoil) -> None:
    lost = say(known, permit())
    say(known, permit(), grantee=known.stranger.address)
    spoil(known, lost.bundle)
    published = publish(known)
    assert published.readers == (known.stranger.address,)
    (withheld,) = published.withheld
    assert (withheld.grant_id, withheld.reader) == (lost.grant_id, known.doctor.address)
    assert withheld.obstacle is Obstacle.BUNDLE_UNREADABLE
    assert "anew" in withheld.obstacle.explain()
    assert publish(known).already


def test_publish__a_bundle_that_may_deny_is_missing__the_reader_gets_nothing_by_another_grant(known: World) -> None:
    say(known, permit())
    lost = say(known, permit(HRESCH, categories=(SCAN,)), deny(categories=(LAB,)))
    spoil_directory(known, lost.bundle)
    for published in (publish(known, b"lab"), publish(known, b"scan", category=SCAN)):
        assert (published.readers, obstacles(published)) == ((), [Obstacle.BUNDLE_UNREADABLE])
        assert not holds(known, published)


def test_publish__store_is_unreachable_for_bundles__publishes_for_nobody_else(known: World) -> None:
    granted = say(known, permit())

    def get(cid, *rest):
        if cid == granted.bundle:
            raise StoreUnavailableError("the test says so")
        return known.store.get(cid, *rest)

    store = Overriding(known.store, get=get)
    consents = StandingConsents(ledger=known.ledger, store=store, clock=known.clock, auditing=known.auditing)
    known.publishing = publishing_with(known, standing=consents)
    published = publish(known)
    assert obstacles(published) == [Obstacle.BUNDLE_UNREADABLE]
    assert published.entry.status is RecordStatus.ACTIVE


# ------------------------------------------------------------------------------------------- who is told


def test_grant__custodian_is_met_later__is_told_by_the_next_grant_of_all_of_them(known: World) -> None:
    clinic = with_key(known, new_actor())
    first = say(known, permit(HRESCH, categories=(LAB,)), deny(categories=(SCAN,)))
    unknown = publish(known, b"lab", by=clinic)
    assert (unknown.readers, obstacles(unknown)) == ((), [Obstacle.UNTOLD])
    second = say(known, permit(categories=(LAB, SCAN)))
    assert set(second.told) == {known.hospital.address, clinic.address}
    assert second.released == (unknown.entry.ref,)
    assert publish(known, b"lab 2", by=clinic).readers == (known.doctor.address,)
    scan = publish(known, b"scan", by=clinic, category=SCAN)
    assert (scan.readers, scan.withheld) == ((), ()), "the clinic heeds the first grant's denial, too"
    known.consenting.revoke(second.grant_id, patient=known.patient)
    assert obstacles(publish(known, b"lab 3", by=clinic)) == [Obstacle.UNTOLD]
    known.consenting.revoke(first.grant_id, patient=known.patient)
    assert publish(known, b"lab 4", by=clinic).withheld == ()


def again(world: World, found: Untold, patient: Actor | None = None):
    """Give a grant again as it was, as ``medshare consent renew`` does."""
    assert found.again is not None
    grant = found.again.grant
    return say(
        world,
        *(each for _, each in found.again.terms.numbered),
        patient=patient or world.patient,
        grantee=found.reader,
        not_before=grant.not_before,
        expires_at=grant.expires_at,
        on_behalf_of=world.patient.address,
    )


def test_untold__custodian_is_met_later__one_grant_given_again_tells_him_of_all(known: World) -> None:
    clinic = with_key(known, new_actor())
    shorter = say(known, permit(HRESCH, categories=(LAB,)), deny(categories=(SCAN,)))
    longer = say(known, permit(categories=(LAB, SCAN)), expires_at=known.clock.now() + 60 * DAY)
    assert known.consenting.untold(patient=known.patient) == []
    unknown = publish(known, b"lab", by=clinic)
    assert obstacles(unknown) == [Obstacle.UNTOLD, Obstacle.UNTOLD]
    (found,) = known.consenting.untold(patient=known.patient)
    assert (found.reader, found.custodians) == (known.doctor.address, (clinic.address,))
    assert found.again is not None
    assert found.again.grant.grant_id == longer.grant_id
    renewed = again(known, found)
    assert (renewed.grant_id, renewed.grant.expires_at) == (longer.grant_id, longer.grant.expires_at)
    assert renewed.released == (unknown.entry.ref,)
    assert known.consenting.untold(patient=known.patient) == []
    assert publish(known, b"lab 2", by=clinic).readers == (known.doctor.address,)
    assert publish(known, b"scan", by=clinic, category=SCAN).readers == ()
    assert len([each for each in known.auditing.grants(patient=known.patient.address) if each.live]) == 2
    assert known.auditing.grant(shorter.grant_id).live


def test_untold__what_is_granted_reaches_no_later_record_of_his__is_nobody(known: World) -> None:
    clinic, keyless = with_key(known, new_actor()), new_actor()
    say(known, permit(records=(publish(known).entry.ref,)))
    say(known, permit(custodians=(known.hospital.address,)), deny())
    say(known, permit(), grantee=clinic.address)
    ended = say(known, permit(), grantee=known.stranger.address)
    known.consenting.revoke(ended.grant_id, patient=known.patient)
    publish(known, b"by the clinic", by=clinic)
    assert known.consenting.untold(patient=known.patient) == []
    say(known, permit(custodians=(keyless.address,)), grantee=known.stranger.address)
    assert known.consenting.untold(patient=known.patient) == []


def test_untold__custodian_changed_his_key__is_told_anew(known: World) -> None:
    say(known, permit())
    known.hospital = with_key(known, replace(known.hospital, identity=Identity.generate()))
    (found,) = known.consenting.untold(patient=known.patient)
    assert found.custodians == (known.hospital.address,)
    again(known, found)
    assert known.consenting.untold(patient=known.patient) == []
    assert publish(known).readers == (known.doctor.address,)


def test_untold__the_grant_would_be_another_one__any_other_must_be_given(known: World) -> None:
    named = publish(known)
    say(known, permit(), permit(records=(named.entry.ref,)))
    clinic = with_key(known, new_actor())
    publish(known, b"by the clinic", by=clinic)
    known.publishing.retract(named.record_id, custodian=known.hospital, reason="false")
    (found,) = known.consenting.untold(patient=known.patient)
    assert (found.custodians, found.again) == ((clinic.address,), None)
    say(known, permit())
    known.patient = with_key(known, replace(known.patient, identity=Identity.generate()))
    known.hospital = with_key(known, replace(known.hospital, identity=Identity.generate()))
    with pytest.raises(IntegrityError, match="cannot be read"):
        known.consenting.untold(patient=known.patient)


def test_grant__provision_names_a_custodian_who_has_stated_nothing__tells_him(known: World) -> None:
    clinic = with_key(known, new_actor())
    granted = say(known, permit(custodians=(clinic.address,)))
    assert set(granted.told) == {clinic.address, known.hospital.address}
    assert opens(known, publish(known, by=clinic))
    elsewhere = publish(known)
    assert (elsewhere.readers, elsewhere.withheld) == ((), ()), "the hospital was told that nothing concerns it"


def test_grant__named_custodian_has_no_usable_key__is_listed_as_untold(known: World) -> None:
    keyless, broken = new_actor(), new_actor()
    known.ledger.directory.set_encryption_key(broken.signer, b"\1" + bytes(31))
    granted = say(known, permit(custodians=(keyless.address, broken.address, known.hospital.address)))
    assert granted.told == (known.hospital.address,)
    assert set(granted.untold) == {keyless.address, broken.address}


def test_grant__too_many_custodians_for_one_bundle__lists_those_left_out(
    known: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinics = [with_key(known, new_actor()) for _ in range(3)]
    monkeypatch.setattr(excerpts, "MAX_EXCERPTS", 2)
    granted = say(known, permit(custodians=tuple(clinic.address for clinic in clinics)))
    assert (len(granted.told), len(granted.untold)) == (2, 2)
    assert set(granted.told) | set(granted.untold) == {
        known.hospital.address,
        *(clinic.address for clinic in clinics),
    }


def test_publish__custodian_changed_his_key__is_told_by_the_next_grant(known: World) -> None:
    say(known, permit())
    known.hospital = with_key(known, replace(known.hospital, identity=Identity.generate()))
    assert obstacles(publish(known)) == [Obstacle.UNTOLD]
    say(known, permit(HRESCH))
    assert publish(known, b"second").readers == (known.doctor.address,)


def test_publish__patient_changed_his_key__earlier_grants_still_count(known: World) -> None:
    say(known, permit())
    known.patient = with_key(known, replace(known.patient, identity=Identity.generate()))
    assert opens(known, publish(known))


# ------------------------------------------------------------------------------------------- readers' keys


def test_publish__reader_changed_his_key__gets_the_packet_for_the_new_one(known: World) -> None:
    say(known, permit())
    old = known.doctor.identity
    known.doctor = with_key(known, replace(known.doctor, identity=Identity.generate()))
    published = publish(known)
    assert holds(known, published)
    assert not holds(known, published, old)
    say(known, permit())  # the terms were sealed for the old key, too
    assert opens(known, published)


def test_publish__reader_s_key_cannot_be_used__says_so(known: World) -> None:
    say(known, permit())
    known.ledger.directory.set_encryption_key(known.doctor.signer, b"\1" + bytes(31))
    assert obstacles(publish(known)) == [Obstacle.NO_KEY]


def test_publish__more_readers_than_a_header_holds__the_oldest_grants_come_first(
    known: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "MAX_READERS", 1)
    say(known, permit())
    say(known, permit(), grantee=known.stranger.address)
    published = publish(known)
    assert published.readers == (known.doctor.address,)
    assert [(each.reader, each.obstacle) for each in published.withheld] == [
        (known.stranger.address, Obstacle.HEADER_FULL)
    ]


def test_publish__contract_does_not_agree__releases_nothing(known: World) -> None:
    say(known, permit())
    ledger = with_consents(known, is_live=lambda *_args, **_more: False)
    consents = StandingConsents(ledger=ledger, store=known.store, clock=known.clock, auditing=known.auditing)
    known.publishing = publishing_with(known, standing=consents)
    assert obstacles(publish(known)) == [Obstacle.NOT_ON_CHAIN]


# ------------------------------------------------------------------------------------------- the excerpt


def test_excerpt__name__is_computed_by_both_and_nobody_else(known: World) -> None:
    terms = say(known, permit()).terms.digest()
    other = say(known, permit(HRESCH)).terms.digest()
    patient, hospital, stranger = (each.identity for each in (known.patient, known.hospital, known.stranger))
    name = excerpt_name(patient, hospital.recipient, terms)
    assert name == excerpt_name(hospital, patient.recipient, terms)
    others = {
        excerpt_name(stranger, hospital.recipient, terms),
        excerpt_name(stranger, patient.recipient, terms),
        excerpt_name(patient, hospital.recipient, other),
    }
    assert name not in others
    assert len(others) == 3


@pytest.mark.parametrize(("custodians", "files"), [(0, 4), (1, 4), (3, 4), (4, 8)])
def test_bundle__of_any_number_of_custodians__has_a_power_of_two_of_like_files(
    known: World, custodians: int, files: int
) -> None:
    clinics = tuple(with_key(known, new_actor()).address for _ in range(custodians))
    granted = say(known, permit(custodians=clinics))
    assert len(granted.told) == custodians + 1
    sizes = [
        link.size
        for name, link in list_directory(known.store.get, granted.bundle).items()
        if name != "terms.c4gh" and link.size != 124
    ]
    assert len(sizes) == files
    assert set(sizes) <= {124 + 28 + 1024, 124 + 28 + 2048}


def test_bundle__what_other_bundles_tell_already__is_not_written_again(known: World) -> None:
    clinics = tuple(with_key(known, new_actor()).address for _ in range(2))
    told = []
    for purpose in (TREAT, HRESCH, PurposeOfUse.PUBHLTH):
        granted = say(known, permit(purpose, custodians=(*clinics, known.hospital.address)))
        told.append(len(list_directory(known.store.get, granted.bundle)) - 1)
    assert told == [5, 5, 5], "one header, and excerpts of this grant for three, made up to four"


def test_excerpt__of_one_custodian__is_opened_by_no_other(known: World) -> None:
    clinic = with_key(known, new_actor())
    granted = say(known, permit(custodians=(clinic.address, known.hospital.address)))
    files = list_directory(known.store.get, granted.bundle)
    (found,) = known.auditing.grants(patient=known.patient.address)
    keys = [known.patient.identity.recipient]
    for custodian in (clinic, known.hospital):
        excerpt = open_excerpt(known.store, files, found, custodian=custodian, writer_keys=keys)
        assert excerpt == granted.terms.excerpt_for(custodian.address)
    assert open_excerpt(known.store, files, found, custodian=known.stranger, writer_keys=keys) is None
    mine = files[excerpt_name(clinic.identity, keys[0], found.terms)]
    misplaced = {excerpt_name(known.hospital.identity, keys[0], found.terms): mine}
    with pytest.raises(NotARecipientError):
        open_excerpt(known.store, misplaced, found, custodian=known.hospital, writer_keys=keys)


def forge_writer(world: World, monkeypatch) -> None:
    whole = excerpts.sealed_document
    monkeypatch.setattr(
        excerpts, "sealed_document", lambda document, _writer, readers: whole(document, Identity.generate(), readers)
    )


def forge_text(world: World, monkeypatch) -> None:
    whole = excerpts.sealed_document
    monkeypatch.setattr(
        excerpts, "sealed_document", lambda document, writer, readers: whole(b"{}" + document[2:], writer, readers)
    )


def forge_custodian(world: World, monkeypatch) -> None:
    whole = excerpts.Terms.excerpt_for
    monkeypatch.setattr(excerpts.Terms, "excerpt_for", lambda terms, _custodian: whole(terms, world.stranger.address))


def forge_grant(world: World, monkeypatch) -> None:
    whole = excerpts.Terms.excerpt_for
    monkeypatch.setattr(
        excerpts.Terms, "excerpt_for", lambda terms, custodian: whole(replace(terms, salt=bytes(32)), custodian)
    )


@pytest.mark.parametrize("forge", [forge_writer, forge_text, forge_custodian, forge_grant])
def test_publish__excerpt_is_not_what_it_should_be__is_not_heeded(known: World, monkeypatch, forge) -> None:
    forge(known, monkeypatch)
    say(known, permit())
    published = publish(known)
    assert (published.readers, obstacles(published)) == ((), [Obstacle.BUNDLE_UNREADABLE])


def test_open_excerpt__of_another_grant__is_an_integrity_error(known: World) -> None:
    one, two = say(known, permit()), say(known, permit(HRESCH))
    keys = [known.patient.identity.recipient]
    _, second = known.auditing.grants(patient=known.patient.address)
    files = bundle_files(known.store, second.bundle)
    wrong = bundle_files(known.store, known.auditing.grants(patient=known.patient.address)[0].bundle)
    name = excerpt_name(known.hospital.identity, keys[0], two.terms.digest())
    swapped = {name: wrong[excerpt_name(known.hospital.identity, keys[0], one.terms.digest())]}
    assert name in files
    with pytest.raises(IntegrityError, match="another grant"):
        open_excerpt(known.store, swapped, second, custodian=known.hospital, writer_keys=keys)


# ------------------------------------------------------------------------------------------- the property

described = st.fixed_dictionaries(
    {
        "category": st.sampled_from([LAB, SCAN]),
        "labels": st.lists(st.sampled_from(["N", "R", "HIV", "SUD"]), max_size=2, unique=True).map(tuple),
        "clinical_date": st.sampled_from([None, "2025", "2026-02"]),
    }
)


@st.composite
def provisions(draw, effects=tuple(Effect)):
    what: dict = {
        "effect": draw(st.sampled_from(effects)),
        "purposes": draw(st.sampled_from([(TREAT,), (HRESCH,), (PurposeOfUse.ETREAT, HRESCH), (PurposeOfUse.COC,)])),
        "labels": draw(st.lists(st.sampled_from(["R", "HIV", "SPI"]), max_size=2, unique=True).map(tuple)),
    }
    match draw(st.sampled_from(["records", "categories", "categories", "everything"])):
        case "records":
            what["records"] = draw(st.lists(st.integers(0, 9), min_size=1, max_size=2, unique=True))
        case "categories":
            what["categories"] = (draw(st.sampled_from([LAB, SCAN])),)
        case _:
            what["everything"] = True
    if "records" not in what:
        what["custodians"] = draw(st.sampled_from([(), (), (0,), (1,)]))
    return what


steps = st.one_of(
    st.tuples(st.just("publish"), st.integers(0, 1), described),
    st.tuples(st.just("supersede"), st.integers(0, 9), described),
    st.tuples(st.just("reseal"), st.integers(0, 9)),
    st.tuples(
        st.just("grant"),
        st.integers(0, 1),
        st.tuples(provisions(effects=(Effect.PERMIT,)), st.lists(provisions(), max_size=2)),
        st.sampled_from([0, 0, 50]),
        st.sampled_from([100, 10_000]),
    ),
    st.tuples(st.just("revoke"), st.integers(0, 9)),
    st.tuples(st.just("revoke all")),
    st.tuples(st.just("change key"), st.integers(0, 1)),
    st.tuples(st.just("wait"), st.sampled_from([40, 100])),
)


class Life:
    """A patient, two custodians, two readers; what each reader was ever permitted is written down."""

    def __init__(self, world: World, *, met: bool) -> None:
        self.world = world
        self.met = met
        self.custodians = [world.hospital, with_key(world, new_actor())]
        self.readers = [world.doctor, world.stranger]
        self.identities: dict[Address, list[Identity]] = {each.address: [each.identity] for each in self.readers}
        self.given: list = []
        self.records: list[Published] = []
        self.expected: dict[Address, set[RecordId]] = {each.address: set() for each in self.readers}
        for number, custodian in enumerate(self.custodians if met else self.custodians[:1]):
            self.records.append(publish(world, b"first %d" % number, by=custodian))

    def take(self, step: tuple) -> None:
        what, *rest = step
        match what, rest:
            case "publish", [number, described]:
                self.published(publish(self.world, self.text(), by=self.custodians[number], **described))
            case "supersede", [number, described]:
                if (old := self.active(number)) is not None:
                    by = next(each for each in self.custodians if each.address == old.entry.custodian)
                    self.published(publish(self.world, self.text(), by=by, supersedes=old.record_id, **described), old)
            case "reseal", [number]:
                if (old := self.active(number)) is not None:
                    by = next(each for each in self.custodians if each.address == old.entry.custodian)
                    self.published(self.world.resealing.reseal(old.entry, custodian=by), old)
            case "grant", [number, (first, others), start, length]:
                reader = self.readers[number].address
                begin = self.now() + start if start else 0
                granted = say(
                    self.world,
                    *map(self.meant, [first, *others]),
                    grantee=reader,
                    not_before=begin,
                    expires_at=self.now() + start + length,
                )
                assert granted.untold == ()
                self.given = [each for each in self.given if each.grant_id != granted.grant_id] + [granted]
                self.expected[reader] |= {each.record_id for each in granted.released}
            case "revoke", [number]:
                if number < len(self.given):
                    self.world.consenting.revoke(self.given[number].grant_id, patient=self.world.patient)
            case "revoke all", []:
                self.world.consenting.revoke_all(patient=self.world.patient)
            case "change key", [number]:
                reader = replace(self.readers[number], identity=Identity.generate())
                self.readers[number] = with_key(self.world, reader)
                self.identities[reader.address].append(reader.identity)
            case "wait", [seconds]:
                self.world.clock.advance(seconds)
                self.world.chain.mine()
            case _:
                raise AssertionError(step)

    def published(self, published: Published, old: Published | None = None) -> None:
        """Compare who got a packet with whom the decision permitted it, just before it was registered."""
        world, entry = self.world, published.entry
        self.records.append(published)
        if self.met:
            assert published.withheld == ()
        before = world.chain.block(world.chain.head().number - 1)
        stamp = world.ledger.consents.stamp(world.patient.address, block=before)
        manifest = world.retrieving.open(entry.ref, reader=world.patient, purpose=TREAT).manifest
        lineage = world.auditing.lineages(world.patient.address).get(entry.ref, ())
        subject = Subject.described(entry, manifest, lineage)
        assert (old is None) == (lineage == ())
        consents = [
            Consent(grant=world.ledger.consents.get_grant(each.grant_id, block=before), terms=each.terms, stamp=stamp)
            for each in self.given
        ]
        permitted = {
            reader.address
            for reader in self.readers
            for purpose in PurposeOfUse
            if decide(consents, subject=subject, purpose=purpose, reader=reader.address, now=before.time).permitted
        }
        unknown = {each.reader for each in published.withheld}
        assert set(published.readers) == permitted - unknown
        for reader in published.readers:
            self.expected[reader].add(entry.record_id)

    def check_keys(self) -> None:
        for reader, identities in self.identities.items():
            held = held_keys(self.world.store, identities)
            opens = {each.record_id for each in self.records if commitment(self.world.store, each.record_id) in held}
            assert opens == self.expected[reader]

    def meant(self, what: dict) -> Provision:
        more = {}
        if "records" in what:
            named = [self.records[number % len(self.records)].entry.ref for number in what["records"]]
            more["records"] = tuple(dict.fromkeys(named))
        if "custodians" in what:
            more["custodians"] = tuple(self.custodians[number].address for number in what["custodians"])
        return Provision(**{**what, **more})

    def active(self, number: int) -> Published | None:
        found = self.records[number % len(self.records)]
        entries = {each.record_id: each for each in self.world.auditing.records(self.world.patient.address)}
        return found if entries[found.record_id].status is RecordStatus.ACTIVE else None

    def text(self) -> bytes:
        return b"text %d" % len(self.records)

    def now(self) -> int:
        return max(self.world.clock.now(), self.world.chain.head().time)


@settings(max_examples=40)
@given(story=st.lists(steps, min_size=4, max_size=14), met=st.booleans())
def test_packets__after_any_story__are_those_that_the_decision_permitted_and_no_others(story, met: bool) -> None:
    """A custodian whom the patient meets in the middle of it may know too little: he gives less, never more."""
    with tempfile.TemporaryDirectory() as folder:
        life = Life(new_world(Path(folder)), met=met)
        for step in story:
            life.take(step)
        life.check_keys()
