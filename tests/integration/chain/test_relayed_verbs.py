"""A patient without coins does everything through a relayer, on real chains.

given a patient whose address never held anything
├── every verb of his should be done by a relayer who has only his signature
├── a delegate without coins should act for him, by mandate, and no longer once dismissed
├── he should take back what he granted, and object when somebody wants to take his place
└── his address should have sent nothing and hold nothing afterwards
given messages of several patients, one of them forged, one outdated, one of another chain
└── the others should go out together, in one transaction
given the same file twice, or a relayer that begins anew
└── it should be done once
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from chain_world import World, anvil_profile
from nodes import running_anvil

from medshare.chain import LocalSigner, OpenChain, load_network, open_chain
from medshare.chain.signing import ChainWallets, domains_of
from medshare.errors import (
    MedshareError,
    SignatureInvalidError,
    SignedOutdatedError,
    UnknownGrantError,
    WrongDomainError,
)
from medshare.model.accreditation import AccreditationKind
from medshare.model.consent import MAX_TIME
from medshare.model.delegation import Circle, Verbs
from medshare.model.emergency import EmergencyReason, EpisodeRequest
from medshare.model.ids import TermsDigest, derive_grant_id
from medshare.model.purpose import Purpose
from medshare.model.record import RecordStatus
from medshare.model.typed_data import (
    Signable,
    SignableAppoint,
    SignableDismiss,
    SignableEndEpisode,
    SignableGrant,
    SignableNameGuardians,
    SignableObjectToRecovery,
    SignableRecover,
    SignableRegister,
    SignableRetract,
    SignableRevoke,
    SignableRevokeAll,
    SignableSetBar,
    SignableSetEncryptionKey,
    SignableSupersede,
    SignedMessage,
)
from medshare.services.drop_box import DropBox
from medshare.services.relaying import Relayed, Relaying, RelayState
from medshare.services.signing import sign

pytestmark = pytest.mark.integration

DAY = 86_400
TERMS, BUNDLE = TermsDigest(b"\xa1" * 32), b"\xb1" * 32
FIRST, SECOND, REASON = b"\xf1" * 32, b"\xf2" * 32, b"\xf3" * 32


class ChainClock:
    """The chain's own time: anvil's runs ahead when tests have put it forward."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now(self) -> int:
        return self._world.ledger.chain.head().time


class Office:
    """A relayer with coins, and everything around it."""

    def __init__(self, world: World, folder: Path) -> None:
        self.reopen(world)
        self.payer = world.actor()
        self.folder = folder

    def reopen(self, world: World) -> None:
        self.world = world
        self.ledger = world.ledger
        self.domains = domains_of(world.chain.deployment)
        self.wallets = ChainWallets(world.chain.client)

    def open(self) -> Relaying:
        return Relaying(
            relay=self.ledger.relay,
            chain=self.ledger.chain,
            payer=self.payer,
            domains=self.domains,
            wallets=self.wallets,
            clock=ChainClock(self.world),
            folder=self.folder,
        )

    @property
    def now(self) -> int:
        return self.ledger.chain.head().time

    def signed(self, signer: LocalSigner, kind: type[Signable], **values: object) -> SignedMessage:
        message = kind(**values, deadline=self.now + DAY)
        return sign(message, self.domains[kind.contract], signer=signer, now=self.now, wallets=self.wallets)

    def send(self, *messages: SignedMessage) -> tuple[Relayed, ...]:
        return self.open().relay(messages)

    def do(self, signer: LocalSigner, kind: type[Signable], **values: object) -> None:
        (relayed,) = self.send(self.signed(signer, kind, **values))
        assert relayed.state is RelayState.DONE, relayed.error

    def refused(self, signer: LocalSigner, kind: type[Signable], **values: object) -> MedshareError | None:
        (relayed,) = self.send(self.signed(signer, kind, **values))
        assert relayed.state is RelayState.REFUSED
        assert relayed.tx_hash is None
        return relayed.error

    def granting(self, patient: LocalSigner, grantee: LocalSigner, **more: object) -> dict[str, object]:
        wanted = {
            "patient": patient.address,
            "grantee": grantee.address,
            "terms": TERMS,
            "bundle": BUNDLE,
            "purposes": Purpose.TREAT,
            "not_before": 0,
            "expires_at": self.now + 30 * DAY,
            "stamp": 0,
            "epoch": 0,
        }
        return {**wanted, **more}


@pytest.fixture
def office(world: World, tmp_path: Path) -> Office:
    return Office(world, tmp_path / "relay")


@pytest.fixture
def poor() -> Callable[[], LocalSigner]:
    """People without coins."""
    return LocalSigner.generate


def test_relay__patient_without_coins__does_every_verb_of_records_and_keys(office, poor) -> None:
    mary, ledger = poor(), office.ledger

    office.do(mary, SignableSetEncryptionKey, actor=mary.address, key=b"\5" * 32, version=1)
    office.do(mary, SignableRegister, custodian=mary.address, record_id=FIRST, patient=mary.address)
    office.do(mary, SignableSupersede, custodian=mary.address, record_id=SECOND, previous_id=FIRST)
    office.do(mary, SignableRetract, custodian=mary.address, record_id=SECOND, reason=REASON)

    block = ledger.chain.head()
    assert ledger.directory.encryption_key(mary.address, block=block).key == b"\5" * 32
    statuses = [ledger.records.record(mary.address, one, block=block).status for one in (FIRST, SECOND)]
    assert statuses == [RecordStatus.SUPERSEDED, RecordStatus.RETRACTED]
    assert_untouched(office, mary)


def test_relay__patient_without_coins__grants_and_takes_back(office, poor) -> None:
    mary, doctor, ledger = poor(), poor(), office.ledger
    grant_id = derive_grant_id(mary.address, doctor.address, TERMS)

    office.do(mary, SignableGrant, **office.granting(mary, doctor))
    assert ledger.consents.is_live(grant_id, Purpose.TREAT, block=ledger.chain.head())
    office.do(mary, SignableRevoke, patient=mary.address, grant_id=grant_id, last_epoch=1)
    assert not ledger.consents.is_live(grant_id, Purpose.TREAT, block=ledger.chain.head())
    error = office.refused(mary, SignableGrant, **office.granting(mary, doctor, bundle=TERMS))
    assert isinstance(error, SignedOutdatedError)
    office.do(mary, SignableGrant, **office.granting(mary, doctor, epoch=2))
    office.do(mary, SignableRevokeAll, patient=mary.address, stamp=0)
    assert not ledger.consents.is_live(grant_id, Purpose.TREAT, block=ledger.chain.head())
    assert ledger.consents.stamp(mary.address, block=ledger.chain.head()) == 1
    assert_untouched(office, mary, doctor)


def test_relay__delegate_without_coins__acts_by_mandate_until_he_is_dismissed(office, poor) -> None:
    mary, son, doctor, ledger = poor(), poor(), poor(), office.ledger
    grant_id = derive_grant_id(mary.address, doctor.address, TERMS)
    office.do(
        mary,
        SignableAppoint,
        patient=mary.address,
        delegate=son.address,
        verbs=Verbs.GRANT | Verbs.REVOKE,
        purposes=Purpose.TREAT,
        not_before=0,
        expires_at=office.now + 60 * DAY,
        stamp=0,
        epoch=0,
    )

    office.do(son, SignableGrant, **office.granting(mary, doctor, mandate=1))
    assert ledger.consents.is_live(grant_id, Purpose.TREAT, block=ledger.chain.head())
    office.refused(son, SignableGrant, **office.granting(mary, doctor, mandate=1, epoch=1, expires_at=MAX_TIME))
    office.refused(son, SignableGrant, **office.granting(mary, doctor, mandate=1, epoch=1, purposes=Purpose.HRESCH))
    office.do(son, SignableRevoke, patient=mary.address, grant_id=grant_id, last_epoch=1, mandate=1)
    assert not ledger.consents.is_live(grant_id, Purpose.TREAT, block=ledger.chain.head())
    office.do(mary, SignableDismiss, patient=mary.address, delegate=son.address, last_epoch=1)
    office.refused(son, SignableGrant, **office.granting(mary, doctor, mandate=1, epoch=2))
    assert_untouched(office, mary, son, doctor)


def test_relay__guardians__are_named_and_a_recovery_is_objected_to(office, poor) -> None:
    mary, thief = poor(), poor()
    guardians = {one.address: one for one in (poor(), poor())}
    circle = Circle.of(guardians, 2, b"\x5a" * 32)
    office.do(
        mary,
        SignableNameGuardians,
        patient=mary.address,
        circle=circle.digest(mary.address),
        delay=DAY,
        changes=0,
    )
    words = [
        office.signed(guardians[one], SignableRecover, patient=mary.address, controller=thief.address, attempt=1)
        for one in circle.guardians
    ]
    assert [one.state for one in office.send(*words)] == [RelayState.REFUSED] * 2
    office.ledger.authority.propose_recovery(office.payer, circle, words)

    office.do(mary, SignableObjectToRecovery, patient=mary.address, attempt=1)

    guardianship = office.ledger.authority.guardianship(mary.address, block=office.ledger.chain.head())
    assert guardianship.ready_at == 0
    assert_untouched(office, mary, *guardians.values())


def test_relay__bar__is_set_and_lifted(office, poor) -> None:
    mary, ledger = poor(), office.ledger

    office.do(mary, SignableSetBar, patient=mary.address, barred=True, count=0)
    assert ledger.emergencies.bar(mary.address, block=ledger.chain.head()).barred
    office.refused(mary, SignableSetBar, patient=mary.address, barred=False, count=0)
    office.do(mary, SignableSetBar, patient=mary.address, barred=False, count=1)
    assert not ledger.emergencies.bar(mary.address, block=ledger.chain.head()).barred
    office.refused(poor(), SignableSetBar, patient=mary.address, barred=True, count=2)


def test_relay__episode__is_ended_by_a_patient_without_coins(poor, tmp_path) -> None:
    with open_chain(load_network("embedded"), tmp_path) as chain:
        deployer = LocalSigner.generate()
        chain.fund(deployer.address)
        chain.deploy(deployer)
        office = Office(World(chain), tmp_path / "relay")
        mary, doctor, emergencies = poor(), office.world.actor(), office.ledger.emergencies
        office.ledger.accreditation.accredit(
            chain.development_member(), doctor.address, AccreditationKind.CLINICIAN, MAX_TIME
        )
        request = EpisodeRequest(
            patient=mary.address, reason=EmergencyReason.UNCONSCIOUS, details=REASON, duration=3_600
        )
        episode_id = emergencies.break_glass(doctor, request).episode_id
        assert emergencies.is_live(episode_id, block=office.ledger.chain.head())

        office.refused(poor(), SignableEndEpisode, episode_id=episode_id)
        office.do(mary, SignableEndEpisode, episode_id=episode_id)

        assert not emergencies.is_live(episode_id, block=office.ledger.chain.head())
        assert_untouched(office, mary)


def test_relay__many_patients_and_some_that_cannot_be__the_good_ones_in_one_transaction(office, poor) -> None:
    doctor = poor()
    people = [poor() for _ in range(6)]
    good = [office.signed(one, SignableGrant, **office.granting(one, doctor)) for one in people[:3]]
    forged = replace(
        office.signed(people[3], SignableGrant, **office.granting(people[3], doctor)), signature=good[0].signature
    )
    outdated = office.signed(people[4], SignableGrant, **office.granting(people[4], doctor, epoch=1))
    elsewhere = replace(good[0], domain=replace(good[0].domain, chain_id=1))

    relayed = office.send(good[0], forged, good[1], outdated, elsewhere, good[2])

    assert [type(one.error) for one in relayed] == [
        type(None),
        SignatureInvalidError,
        type(None),
        SignedOutdatedError,
        WrongDomainError,
        type(None),
    ]
    assert len({one.tx_hash for one in relayed if one.state is RelayState.DONE}) == 1
    for one in people[:3]:
        grant_id = derive_grant_id(one.address, doctor.address, TERMS)
        assert office.ledger.consents.is_live(grant_id, Purpose.TREAT, block=office.ledger.chain.head())
    grant_id = derive_grant_id(people[4].address, doctor.address, TERMS)
    with pytest.raises(UnknownGrantError):
        office.ledger.consents.get_grant(grant_id, block=office.ledger.chain.head())


def test_relay__two_that_exclude_each_other__only_one_is_paid_for(office, poor) -> None:
    mary = poor()
    first = office.signed(mary, SignableRevokeAll, patient=mary.address, stamp=0)
    second = sign(
        replace(first.message, deadline=first.deadline + 1),
        first.domain,
        signer=mary,
        now=office.now,
        wallets=office.wallets,
    )

    relayed = office.send(first, second)

    assert relayed[0].state is RelayState.DONE
    assert relayed[1].tx_hash is None
    assert office.ledger.consents.stamp(mary.address, block=office.ledger.chain.head()) == 1
    assert office.world.chain.client.nonce(office.payer.address, pending=True) == 1


def test_relay__again_by_a_relayer_that_begins_anew__is_done_once(office, poor) -> None:
    mary, doctor = poor(), poor()
    signed = office.signed(mary, SignableGrant, **office.granting(mary, doctor))

    first, again = office.send(signed), office.send(signed)

    assert (first[0].tx_hash, first[0].block_number) == (again[0].tx_hash, again[0].block_number)
    office.folder = office.folder.with_name("another")
    (elsewhere,) = office.send(signed)
    assert isinstance(elsewhere.error, SignedOutdatedError)
    assert office.world.chain.client.nonce(office.payer.address, pending=True) == 1


@pytest.mark.anvil
def test_relay__broke_off_while_its_batch_waited_to_be_mined__is_taken_up(poor, tmp_path) -> None:
    with running_anvil() as anvil:
        with open_chain(anvil_profile(anvil.url), tmp_path) as chain:
            office = Office(deployed(chain), tmp_path / "relay")
            people, doctor = [poor() for _ in range(3)], poor()
            messages = [office.signed(one, SignableGrant, **office.granting(one, doctor)) for one in people]
            chain.client.request("evm_setAutomine", False)
        with open_chain(replace(anvil_profile(anvil.url), receipt_timeout=0.5), tmp_path) as chain:
            office.reopen(World(chain))
            assert [one.state for one in office.send(*messages[:2])] == [RelayState.LATER] * 2
            chain.client.request("evm_setAutomine", True)
            chain.client.request("evm_mine")
        with open_chain(anvil_profile(anvil.url), tmp_path) as chain:
            office.reopen(World(chain))
            relayed = office.send(*messages)

            assert [one.state for one in relayed] == [RelayState.DONE] * 3
            assert relayed[0].tx_hash == relayed[1].tx_hash != relayed[2].tx_hash
            assert chain.client.nonce(office.payer.address, pending=True) == 2


def deployed(chain: OpenChain) -> World:
    deployer = LocalSigner.generate()
    chain.fund(deployer.address)
    chain.deploy(deployer)
    return World(chain)


def test_drop_box__files_on_a_real_chain__get_their_outcomes(office, poor, tmp_path) -> None:
    mary, doctor = poor(), poor()
    box = DropBox(tmp_path / "box", office.open())
    signed = office.signed(mary, SignableGrant, **office.granting(mary, doctor))
    (tmp_path / "box" / "pending" / "mary.json").write_bytes(signed.to_json())

    (handled,) = box.handle()

    assert handled.state is RelayState.DONE
    assert (tmp_path / "box" / "done" / "mary.json").read_bytes() == signed.to_json()


def assert_untouched(office: Office, *people: LocalSigner) -> None:
    client = office.world.chain.client
    assert [(client.balance(one.address), client.nonce(one.address, pending=True)) for one in people] == [
        (0, 0) for _ in people
    ]
