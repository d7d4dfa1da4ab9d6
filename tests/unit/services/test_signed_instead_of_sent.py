"""What is drafted, shown, signed and paid for by another, on the ledger in memory.

given a draft
├── it should name the counts that the chain shows; what ends something should end what is on its way, too
├── a delegate and the key that took over should sign by their mandate; a stranger should be refused
└── a deadline beyond what a relayer takes should be refused before anybody is asked
given a ledger on which another pays
├── the services should do as ever: the same state, with not one transaction of the person's own
├── a person who says no should have signed nothing, and a grant's bundle should be given up
└── somebody who has sent the same words first should not cost the patient her bundle
given a payment that broke off
└── the same message should be paid once
"""

from __future__ import annotations

from pathlib import Path

import pytest
from world import World, publishing_on

from medshare.chain import LocalSigner
from medshare.content import Cid
from medshare.envelope import Identity
from medshare.errors import (
    DeadlineTooFarError,
    LedgerUnavailableError,
    NotAllowedToActError,
    SignatureMismatchError,
    SignedOutdatedError,
    SigningRefusedError,
    TransactionFailedError,
)
from medshare.model.delegation import DelegationRequest, Verbs
from medshare.model.grant import GrantRequest
from medshare.model.ids import BundleId, TermsDigest, derive_grant_id
from medshare.model.purpose import Purpose, PurposeOfUse
from medshare.ports import Actor, Ledger
from medshare.services.bundle_journal import BundleJournal
from medshare.services.consenting import Consenting
from medshare.services.description import Description
from medshare.services.paid import Paying, paid_ledger
from medshare.services.publishing import Publishing
from medshare.services.relaying import Relaying
from medshare.services.signing import Signing

pytestmark = pytest.mark.unit

DAY = 86_400
BUNDLE, TERMS = BundleId(b"\x0b" * 32), TermsDigest(b"\x0e" * 32)


class NoWallets:
    def accepts(self, *_: object) -> bool:
        return False


class Town:
    """A world in which Mary signs, her father pays, and a relayer is at work."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.ledger = world.ledger
        self.mary = Actor(signer=LocalSigner.generate(), identity=Identity.generate())
        self.father = LocalSigner.generate()
        self.signing = Signing(ledger=world.ledger, domains=world.chain.domains, wallets=NoWallets(), clock=world.clock)
        self.folder = folder
        self.wanted = True
        self.shown: list[str] = []

    def relaying(self, relay: object = None) -> Relaying:
        return Relaying(
            relay=relay or self.ledger.relay,
            chain=self.ledger.chain,
            payer=self.father,
            domains=self.world.chain.domains,
            wallets=NoWallets(),
            clock=self.world.clock,
            folder=self.folder,
        )

    def confirm(self, lines) -> bool:
        self.shown.append(next(text for label, text in lines if label == "you sign"))
        return self.wanted

    def paid(self, pay=None) -> Ledger:
        paying = Paying(payer=self.father, confirm=self.confirm, names=lambda _: None)
        return paid_ledger(self.ledger, signing=self.signing, pay=pay or self.relaying().pay, paying=paying)

    def consenting(self, pay=None) -> Consenting:
        return Consenting(ledger=self.paid(pay), store=self.world.store, auditing=self.world.auditing)

    def signed(self, drafted, signer=None):
        signer = signer or self.mary.signer
        message = drafted(self.signing.draft(signer.address))
        return self.signing.sign(message, signer, confirm=lambda _: True, names=lambda _: None)

    def request(self, *, terms: TermsDigest = TERMS) -> GrantRequest:
        return GrantRequest(
            grantee=self.world.doctor.address,
            terms=terms,
            bundle=BUNDLE,
            not_before=0,
            expires_at=self.signing.now + DAY,
            purposes=Purpose.TREAT,
        )

    def record(self):
        """Return a record of Mary's that the hospital has published."""
        self.paid().directory.set_encryption_key(self.mary.signer, self.mary.identity.recipient.key)
        return self.world.publishing.publish(
            b"text", custodian=self.world.hospital, patient=self.mary.address, description=Description()
        ).entry.ref

    def grant(self, consenting: Consenting, record):
        return consenting.grant(
            patient=self.mary,
            grantee=self.world.doctor.address,
            records=[record],
            purposes=PurposeOfUse.TREAT,
            expires_at=self.signing.now + DAY,
        )


@pytest.fixture
def town(world: World, tmp_path: Path) -> Town:
    return Town(world, tmp_path / "relay")


# ------------------------------------------------------------------------------------------------ drafting


def test_draft__of_a_revocation__ends_a_grant_that_is_on_its_way(town: Town) -> None:
    pending = town.signed(lambda draft: draft.grant(town.mary.address, town.request()))
    grant_id = derive_grant_id(town.mary.address, town.world.doctor.address, TERMS)
    revocation = town.signed(lambda draft: draft.revoke(grant_id))
    relaying = town.relaying()
    relaying.pay(revocation)
    with pytest.raises(SignedOutdatedError):
        relaying.pay(pending)


def test_draft__of_a_dismissal__ends_an_appointment_that_is_on_its_way(town: Town) -> None:
    delegate = LocalSigner.generate()
    wanted = DelegationRequest(
        delegate=delegate.address,
        verbs=Verbs.REVOKE,
        purposes=Purpose(0),
        not_before=0,
        expires_at=town.signing.now + DAY,
    )
    pending = town.signed(lambda draft: draft.appoint(town.mary.address, wanted))
    dismissal = town.signed(lambda draft: draft.dismiss(town.mary.address, delegate.address))
    relaying = town.relaying()
    relaying.pay(dismissal)
    with pytest.raises(SignedOutdatedError):
        relaying.pay(pending)


def test_draft__by_a_delegate__names_his_mandate_and_is_taken(town: Town) -> None:
    delegate = LocalSigner.generate()
    wanted = DelegationRequest(
        delegate=delegate.address,
        verbs=Verbs.GRANT | Verbs.REVOKE,
        purposes=Purpose.TREAT,
        not_before=0,
        expires_at=town.signing.now + 2 * DAY,
    )
    paid = town.paid()
    paid.authority.appoint(town.mary.signer, town.mary.address, wanted)
    grant_id = derive_grant_id(town.mary.address, town.world.doctor.address, TERMS)
    receipt = paid.consents.grant_for(delegate, town.mary.address, town.request())
    assert town.ledger.consents.is_live(grant_id, Purpose.TREAT, block=receipt.block)
    receipt = paid.consents.revoke(delegate, grant_id)
    assert not town.ledger.consents.is_live(grant_id, Purpose.TREAT, block=receipt.block)
    paid.authority.dismiss(delegate, town.mary.address, delegate.address)
    with pytest.raises(NotAllowedToActError):
        paid.consents.revoke(delegate, grant_id)


def test_draft__by_a_stranger__is_refused_before_he_is_asked(town: Town) -> None:
    stranger, mary = LocalSigner.generate(), town.mary.address
    paid = town.paid()
    grant_id = derive_grant_id(mary, town.world.doctor.address, TERMS)
    for attempt in (
        lambda: paid.consents.grant_for(stranger, mary, town.request()),
        lambda: paid.consents.revoke(stranger, grant_id),
        lambda: paid.consents.revoke_all(stranger, mary),
        lambda: paid.authority.object_to_recovery(stranger, mary),
        lambda: paid.emergencies.set_bar(stranger, mary, barred=True),
    ):
        with pytest.raises(NotAllowedToActError):
            attempt()
    assert town.shown == []


def test_sign__deadline_beyond_a_month__is_refused_before_anybody_is_asked(town: Town) -> None:
    draft = town.signing.draft(town.mary.address, valid_for=31 * DAY)
    with pytest.raises(DeadlineTooFarError):
        town.signing.sign(
            draft.revoke_all(town.mary.address), town.mary.signer, confirm=town.confirm, names=lambda _: None
        )
    assert town.shown == []


def test_sign__wallet_signs_with_another_account__is_noticed(town: Town) -> None:
    class Other:
        address = town.mary.address

        def sign_typed_data(self, typed_data):
            return town.father.sign_typed_data(typed_data)

    with pytest.raises(SignatureMismatchError):
        town.signed(lambda draft: draft.revoke_all(town.mary.address), Other())


def test_sign__signer_of_transactions_only__is_told_so(town: Town) -> None:
    with pytest.raises(SigningRefusedError):
        town.signed(lambda draft: draft.revoke_all(town.world.patient.address), town.world.patient.signer)


# ------------------------------------------------------------------------------------------------ paying


def test_paid_ledger__grant_and_revoke__do_as_ever(town: Town) -> None:
    record = town.record()
    granted = town.grant(town.consenting(), record)
    opened = town.world.retrieving.open(record, reader=town.world.doctor, purpose=PurposeOfUse.TREAT)
    assert opened.manifest.patient == town.mary.address
    assert town.consenting().revoke(granted.grant_id, patient=town.mary).bundles_left == 0
    assert granted.bundle not in town.world.store.pins()
    assert town.shown == ["a new encryption key", "access for a reader", "the end of a grant"]


def test_paid_ledger__person_says_no__nothing_is_signed_and_the_bundle_is_given_up(town: Town) -> None:
    record = town.record()
    pins = town.world.store.pins()
    town.wanted = False
    with pytest.raises(SigningRefusedError):
        town.grant(town.consenting(), record)
    assert town.world.store.pins() == pins
    assert town.world.auditing.grants(patient=town.mary.address) == []


def test_paid_ledger__somebody_sends_the_same_words_first__the_bundle_is_kept(town: Town) -> None:
    record = town.record()

    def overtaken(signed):
        town.ledger.relay(LocalSigner.generate(), [signed])
        return town.relaying().pay(signed)

    with pytest.raises(SignedOutdatedError):
        town.grant(town.consenting(overtaken), record)
    (standing,) = town.world.auditing.grants(patient=town.mary.address)
    assert standing.live
    assert Cid.of_directory(standing.bundle) in town.world.store.pins()
    opened = town.world.retrieving.open(record, reader=town.world.doctor, purpose=PurposeOfUse.TREAT)
    assert opened.manifest.patient == town.mary.address


def test_revoke__again_and_what_was_signed_since_was_not_paid__ends_that_too(town: Town) -> None:
    """Anybody can send what stands in a transaction that failed."""
    record, seen = town.record(), []

    def failing(signed):
        seen.append(signed)
        raise TransactionFailedError("0x00", "mined and reverted")

    journal = BundleJournal(town.folder / "bundles.sqlite")

    def consenting(pay=None) -> Consenting:
        return Consenting(ledger=town.paid(pay), store=town.world.store, auditing=town.world.auditing, journal=journal)

    grant_id = town.grant(consenting(), record).grant_id
    consenting().revoke(grant_id, patient=town.mary)
    with pytest.raises(TransactionFailedError):
        town.grant(consenting(failing), record)
    consenting().revoke(grant_id, patient=town.mary)
    with pytest.raises(SignedOutdatedError):
        town.ledger.relay(town.father, seen)
    assert not town.world.auditing.grant(grant_id).live


def test_tidy__revoked_by_somebody_else__gives_up_the_bundles_of_revoked_grants_only(town: Town) -> None:
    record = town.record()
    granted = town.grant(town.consenting(), record)
    assert town.consenting().tidy(town.mary.address) == 0
    assert granted.bundle in town.world.store.pins()
    town.relaying().pay(town.signed(lambda draft: draft.revoke(granted.grant_id)))
    assert town.consenting().tidy(town.mary.address) == 0
    assert granted.bundle not in town.world.store.pins()


def test_pay__answer_lost__the_same_message_is_paid_once(town: Town) -> None:
    signed = town.signed(lambda draft: draft.revoke_all(town.mary.address))
    sent: list[str | None] = []

    class LosesAnswers:
        rehearse = staticmethod(town.ledger.relay.rehearse)

        def __call__(self, payer, messages, *, intent=None):
            sent.append(intent)
            town.ledger.relay(payer, messages, intent=intent)
            raise LedgerUnavailableError("the answer is lost")

    with pytest.raises(LedgerUnavailableError):
        town.relaying(LosesAnswers()).pay(signed)
    assert town.relaying().relay([signed])[0].error is None
    assert town.ledger.consents.stamp(town.mary.address, block=town.ledger.chain.head()) == 1
    assert len(sent) == 1


def test_publishing__register_sent_by_somebody_else_in_between__counts_as_published(town: Town) -> None:
    town.record()
    published = overtaken_publishing(town).publish(
        b"diary", custodian=town.mary, patient=town.mary.address, description=Description()
    )
    assert not published.already
    assert published.entry.custodian == town.mary.address


def overtaken_publishing(town: Town) -> Publishing:
    """Return publishing on a ledger where each message is sent by another relayer just before it is paid for."""

    def overtaken(signed):
        town.ledger.relay(LocalSigner.generate(), [signed])
        return town.relaying().pay(signed)

    world = town.world
    return publishing_on(
        ledger=town.paid(overtaken),
        store=world.store,
        journal=world.journal,
        auditing=world.auditing,
        standing=world.standing,
    )
