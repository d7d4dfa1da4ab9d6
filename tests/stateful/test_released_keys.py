"""The keys that people hold, beside the model (README.md beside this file)

given any story of consents, direct, signed, batched and by a delegate, of emergencies, publications and time
    after each step who gets a file key out of anything in the store is whom the decision permitted it, nobody else
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from held_keys import commitment, held_keys
from hypothesis import note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from town import NoWallets, new_town

from medshare.chain import LocalSigner
from medshare.envelope import Identity
from medshare.errors import (
    AccessDeniedError,
    BeyondDelegationError,
    EpisodeOpenError,
    EpisodeOverError,
    IntegrityError,
    NotAllowedToActError,
)
from medshare.model.accreditation import AccreditationKind
from medshare.model.consent import Consent, Effect, Grant, Provision, decide
from medshare.model.delegation import Verbs
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Category, RecordStatus
from medshare.model.subject import Subject
from medshare.services.consenting import Consenting
from medshare.services.paid import Paying, paid_ledger
from medshare.services.publishing import Description
from medshare.services.relaying import Relaying, RelayState
from medshare.services.representing import everything_for
from medshare.services.signing import Signing
from medshare.testing import new_actor

TREAT, HRESCH, PATRQT = PurposeOfUse.TREAT, PurposeOfUse.HRESCH, PurposeOfUse.PATRQT
LAB, SCAN = Category.LABORATORY, Category.IMAGING
ASKED = (TREAT, HRESCH, PATRQT, PurposeOfUse.ETREAT, PurposeOfUse.COC)
LENGTHS = (100, 10_000, 10_000)

numbers = st.integers(0, 9)
described = st.fixed_dictionaries(
    {"category": st.sampled_from([LAB, SCAN]), "labels": st.sampled_from([(), (), ("R",), ("HIV",)])}
)


@st.composite
def provisions(draw, effect=Effect.PERMIT):
    what = draw(
        st.sampled_from([{"everything": True}, {"categories": (LAB,)}, {"categories": (SCAN,)}, {"records": 0}])
    )
    if "records" in what:
        what = {"records": tuple(draw(st.lists(numbers, min_size=1, max_size=2)))}
    purposes = draw(st.sampled_from([(TREAT,), (TREAT,), (TREAT,), (HRESCH,), (PurposeOfUse.ETREAT, TREAT)]))
    return {"effect": effect, "purposes": purposes, "labels": draw(st.sampled_from([(), ("R",), ("R", "HIV")])), **what}


said_together = st.tuples(provisions(), st.none() | provisions(Effect.DENY)).map(
    lambda both: [each for each in both if each]
)
ways = st.sampled_from(["direct", "signed"])


MEMORY = "/dev/shm"  # noqa: S108 - a folder of its own is made there
"""Where there is such a place, a story's databases lie in it: tens of thousands of commits would wait for the disk."""


class ReleasedKeys(RuleBasedStateMachine):
    """A patient, her mother, two custodians, two readers and a clinician; whose key is whose is written down."""

    @initialize(acquainted=st.sampled_from([True, True, True, True, False]), said=said_together)
    def begin(self, acquainted, said):
        self.place = tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None)
        folder = Path(self.place.name)
        self.town = town = new_town(folder)
        self.world = world = town.world
        for number, (whose, name) in enumerate([(world, "patient"), (town, "mother")]):
            person = replace(getattr(whose, name), signer=LocalSigner.from_key(bytes([0x70 + number]) * 32))
            setattr(whose, name, self.with_key(person))
        self.signing = Signing(ledger=world.ledger, domains=world.chain.domains, wallets=NoWallets(), clock=world.clock)
        payer = LocalSigner.from_key(b"\x7f" * 32)
        self.relaying = Relaying(
            relay=world.ledger.relay,
            chain=world.ledger.chain,
            payer=payer,
            domains=world.chain.domains,
            wallets=NoWallets(),
            clock=world.clock,
            folder=folder / "relay",
        )
        paying = Paying(payer=payer, confirm=lambda _: True, names=lambda _: None)
        ledger = paid_ledger(world.ledger, signing=self.signing, pay=self.relaying.pay, paying=paying)
        paid = Consenting(ledger=ledger, store=world.store, auditing=world.auditing, retrieving=world.retrieving)
        self.consenting = {"direct": world.consenting, "signed": paid}
        self.custodians = [world.hospital, self.with_key(new_actor())]
        town.accredit(self.custodians[1], AccreditationKind.CUSTODIAN)
        self.readers = [world.doctor, world.stranger]
        people = [*self.readers, town.mother, town.clinician]
        self.identities = {each.address: [each.identity] for each in people}
        self.expected = {each.address: set() for each in people}
        self.records, self.manifests, self.terms = [], {}, {}
        self.letters, self.episodes = [], []
        for number in range(2):
            self.published(self.publish(number, {}))
        if acquainted:
            self.appoint_mother(10_000)
            self.grant_reader(0, said, 0, 10_000, "direct")

    def teardown(self):
        self.place.cleanup()

    def with_key(self, actor):
        self.world.ledger.directory.set_encryption_key(actor.signer, actor.identity.recipient.key)
        return actor

    # ------------------------------------------------------------------------------- what is known without the services

    def now(self):
        return max(self.world.clock.now(), self.world.chain.head().time)

    def entries(self):
        return {each.ref: each for each in self.world.auditing.records(self.world.patient.address)}

    def subjects(self):
        lineages = self.world.auditing.lineages(self.world.patient.address)
        return [
            Subject.described(entry, self.manifests[ref], lineages.get(ref, ()))
            for ref, entry in self.entries().items()
            if entry.status is not RecordStatus.RETRACTED
        ]

    def consents(self, reader, block):
        """Return what the chain has of a reader at a block, with the terms that were said."""
        ledger, patient = self.world.ledger.consents, self.world.patient.address
        stamp = ledger.stamp(patient, block=block)
        return [
            Consent(grant=ledger.get_grant(grant_id, block=block), terms=terms, stamp=stamp)
            for grant_id, terms in self.terms.items()
            if terms.grantee == reader
        ]

    def permits(self, consents, subject, reader, at, among=ASKED):
        return {
            purpose
            for purpose in among
            if decide(consents, subject=subject, purpose=purpose, reader=reader, now=at).permitted
        }

    def releases(self, prepared):
        """Return the records that a grant permits beside the others, and would alone, when it begins."""
        head, request = self.world.chain.head(), prepared.request
        start = max(request.not_before, head.time)
        stamp = self.world.ledger.consents.stamp(prepared.patient, block=head)
        grant = Grant(
            grant_id=prepared.grant_id,
            grantee=request.grantee,
            not_before=start,
            expires_at=request.expires_at,
            purposes=request.purposes,
            stamp=stamp,
            epoch=1,
        )
        alone = [Consent(grant=grant, terms=prepared.terms, stamp=stamp)]
        others = [each for each in self.consents(request.grantee, head) if each.grant.grant_id != prepared.grant_id]
        return {
            subject.record
            for subject in self.subjects()
            if self.permits([*alone, *others], subject, request.grantee, start)
            & self.permits(alone, subject, request.grantee, start)
        }

    def readable(self, reader, purposes):
        """Return what somebody may read now for one of these purposes, and holds the key of."""
        consents = self.consents(reader, self.world.chain.head())
        return {
            subject.record
            for subject in self.subjects()
            if subject.record.record_id in self.expected[reader]
            and self.permits(consents, subject, reader, self.now(), purposes)
        }

    def is_delegate(self):
        head, town = self.world.chain.head(), self.town
        held = self.world.ledger.authority.delegation(self.world.patient.address, town.mother.address, block=head)
        stamp = self.world.ledger.consents.stamp(self.world.patient.address, block=head)
        return held.permits(Verbs.GRANT, stamp=stamp, now=head.time)

    # ---------------------------------------------------------------------------------------------------- publishing

    def publish(self, number, what, **more):
        return self.world.publishing.publish(
            b"text %d" % len(self.records),
            custodian=self.custodians[number],
            patient=self.world.patient.address,
            description=Description(**{"media_type": "text/plain", "category": LAB, **what}),
            **more,
        )

    def published(self, published):
        """Whom the decision permitted it, just before it was registered, got a packet."""
        world, entry = self.world, published.entry
        opened = world.retrieving.open(entry.ref, reader=world.patient, purpose=TREAT)
        self.manifests[entry.ref] = opened.manifest
        self.records.append(entry.ref)
        before = world.chain.block(world.chain.head().number - 1)
        subject = next(each for each in self.subjects() if each.record == entry.ref)
        permitted = {
            reader
            for reader in self.expected
            if self.permits(self.consents(reader, before), subject, reader, before.time)
        }
        assert published.withheld == ()
        assert set(published.readers) == permitted
        for reader in permitted:
            self.expected[reader].add(entry.record_id)

    def active(self, number):
        """Return a record in force, and which custodian's it is."""
        entries = [each for each in self.entries().values() if each.status is RecordStatus.ACTIVE]
        entry = entries[number % len(entries)]
        return entry, [each.address for each in self.custodians].index(entry.custodian)

    @rule(number=st.integers(0, 1), what=described)
    def publish_more(self, number, what):
        self.published(self.publish(number, what))

    @rule(number=numbers, what=described)
    def supersede(self, number, what):
        entry, by = self.active(number)
        self.published(self.publish(by, what, supersedes=entry.record_id))

    @rule(number=numbers)
    def rotate(self, number):
        entry, by = self.active(number)
        self.published(self.world.publishing.reseal(entry, custodian=self.custodians[by]))

    # ---------------------------------------------------------------------------------------------------- consenting

    def meant(self, what):
        if "records" not in what:
            return Provision(**what)
        return Provision(
            **{**what, "records": tuple(dict.fromkeys(self.active(each)[0].ref for each in what["records"]))}
        )

    def prepare(self, by, reader, said, start, length):
        begin = self.now() + start if start else 0
        patient = self.world.patient
        return self.world.consenting.prepare(
            patient=by,
            grantee=reader,
            provisions=[self.meant(each) for each in said],
            not_before=begin,
            expires_at=self.now() + start + length,
            on_behalf_of=None if by is patient else patient.address,
        )

    @rule(
        number=st.integers(0, 1),
        said=said_together,
        start=st.sampled_from([0, 0, 50]),
        length=st.sampled_from(LENGTHS),
        way=ways,
    )
    def grant(self, number, said, start, length, way):
        self.grant_reader(number, said, start, length, way)

    def grant_reader(self, number, said, start, length, way):
        prepared = self.prepare(self.world.patient, self.readers[number].address, said, start, length)
        self.keys_of(prepared, self.releases(prepared))
        self.consenting[way].send(prepared, patient=self.world.patient)
        self.terms[prepared.grant_id] = prepared.terms

    def keys_of(self, prepared, released):
        """From the moment it is prepared a bundle lies in the store."""
        assert set(prepared.released) == released
        assert prepared.untold == ()
        self.expected[prepared.request.grantee] |= {each.record_id for each in released}
        note(f"releases {len(released)}")

    @rule(number=st.sampled_from([0, 1, 1]), said=said_together, way=ways)
    def grant_by_delegate(self, number, said, way):
        """A mother releases what she may read, and nothing where she cannot know what the patient has denied."""
        mother, reader = self.town.mother, self.readers[number].address
        try:
            prepared = self.prepare(mother, reader, said, 0, 100)
        except NotAllowedToActError:
            assert not self.is_delegate()
            return
        except (BeyondDelegationError, AccessDeniedError, IntegrityError) as error:
            note(f"    refused: {type(error).__name__}")
            return
        assert self.is_delegate()
        purposes = (PATRQT, *(purpose for each in prepared.terms.provisions for purpose in each.purposes))
        self.keys_of(prepared, self.releases(prepared) & self.readable(mother.address, purposes))
        self.consenting[way].send(prepared, patient=mother)
        self.terms[prepared.grant_id] = prepared.terms

    @rule(length=st.sampled_from(LENGTHS))
    def appoint(self, length):
        self.appoint_mother(length)

    def appoint_mother(self, length):
        access = [everything_for(PATRQT)]
        head, end = self.world.chain.head(), self.now() + length
        wanted = {"grantee": self.town.mother.address, "provisions": access, "expires_at": end}
        prepared = self.world.consenting.prepare(patient=self.world.patient, **wanted)
        self.keys_of(prepared, self.releases(prepared))
        assert head == self.world.chain.head()
        self.town.appoint(expires_at=end)
        self.terms[prepared.grant_id] = prepared.terms

    @rule(number=st.integers(0, 1), said=said_together)
    def sign_for_later(self, number, said):
        prepared = self.prepare(self.world.patient, self.readers[number].address, said, 0, 10_000)
        self.keys_of(prepared, self.releases(prepared))
        message = self.signing.draft(self.world.patient.address).grant(self.world.patient.address, prepared.request)
        signed = self.signing.sign(message, self.world.patient.signer, confirm=lambda _: True, names=lambda _: None)
        self.letters.append((prepared, signed))

    @precondition(lambda self: self.letters)
    @rule()
    def relay_together(self):
        """In one batch; those that something came in between of are refused, and give nobody a right."""
        letters, self.letters = self.letters, []
        told = self.relaying.relay([signed for _, signed in letters])
        for (prepared, signed), relayed in zip(letters, told, strict=True):
            assert relayed.signed == signed
            if relayed.state is RelayState.DONE:
                self.terms[prepared.grant_id] = prepared.terms
            else:
                assert relayed.state is RelayState.REFUSED

    @precondition(lambda self: self.terms)
    @rule(number=numbers, by=st.sampled_from(["patient", "patient", "mother"]), way=ways)
    def revoke(self, number, by, way):
        grant_id = sorted(self.terms)[number % len(self.terms)]
        actor = self.world.patient if by == "patient" else self.town.mother
        try:
            self.consenting[way].revoke(grant_id, patient=actor)
        except NotAllowedToActError:
            assert by == "mother"
            assert not self.is_delegate()

    @rule(way=ways, seldom=st.sampled_from([True, False, False]))
    def revoke_all(self, way, seldom):
        if seldom:
            self.consenting[way].revoke_all(patient=self.world.patient)

    @rule(number=st.integers(0, 1))
    def change_key(self, number):
        reader = replace(self.readers[number], identity=Identity.generate())
        self.readers[number] = self.with_key(reader)
        self.identities[reader.address].append(reader.identity)

    # --------------------------------------------------------------------------------------------------- emergencies

    @rule(duration=st.sampled_from([60, 3_600]))
    def break_glass(self, duration):
        try:
            self.episodes.append(self.town.break_glass(duration=duration))
        except EpisodeOpenError:
            assert self.in_force(self.episodes[-1])

    def in_force(self, episode_id):
        return self.world.ledger.emergencies.is_live(episode_id, block=self.world.chain.head())

    @precondition(lambda self: self.episodes)
    @rule(number=st.integers(0, 1), which=numbers)
    def release(self, number, which):
        """Of the active records, while the contract says so, and of no others."""
        episode_id, custodian = self.episodes[-1 - which % len(self.episodes)], self.custodians[number]
        in_force = self.in_force(episode_id)
        try:
            self.town.emergencies.release(episode_id, custodian=custodian)
        except EpisodeOverError:
            assert not in_force
            return
        assert in_force
        self.expected[self.town.clinician.address] |= {
            entry.record_id
            for entry in self.entries().values()
            if entry.custodian == custodian.address and entry.status is RecordStatus.ACTIVE
        }

    @precondition(lambda self: self.episodes)
    @rule()
    def end_episode(self):
        if self.in_force(self.episodes[-1]):
            self.town.emergencies.end(self.episodes[-1], actor=self.world.patient)

    # ---------------------------------------------------------------------------------------------------------- time

    @rule(seconds=st.sampled_from([1, 40, 100]))
    def wait(self, seconds):
        self.world.clock.time = self.now() + seconds
        self.world.chain.mine()

    # ------------------------------------------------------------------------------------------------------ the keys

    @invariant()
    def who_holds_a_key_was_permitted_it(self):
        store = self.world.store
        commitments = {commitment(store, ref.record_id): ref.record_id for ref in self.records}
        for person, identities in self.identities.items():
            held = held_keys(store, identities)
            assert {record_id for each, record_id in commitments.items() if each in held} == self.expected[person]


TestReleasedKeys = ReleasedKeys.TestCase
TestReleasedKeys.settings = settings(stateful_step_count=20)
TestReleasedKeys.pytestmark = [pytest.mark.stateful, pytest.mark.timeout(4 * 3600)]
