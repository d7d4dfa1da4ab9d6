"""The adapters on real EVMs: the embedded chain and anvil.

Directory
├── a published key should be read back, and counted up when rotated
└── none, the same and a zero key should be refused
RecordRegistry
├── register, supersede and retract should be read back as entries
└── each refusal of the contract should arrive as its exception
ConsentRegistry
├── grant, revoke and revoke all should be read back, and ``is_live`` should follow
├── many grants should be asked about in one call, in their order
└── each refusal of the contract should arrive as its exception
EventSource
├── every change should be there once, in order, with block, time and transaction
└── reads at an earlier block should answer for that block
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from chain_world import World

from medshare.chain.consent_registry import ConsentRegistryAdapter
from medshare.errors import (
    CustodianNotAccreditedError,
    EncryptionKeyIsZeroError,
    EncryptionKeyNotSetError,
    EncryptionKeyUnchangedError,
    GranteeIsPatientError,
    GranteeIsZeroError,
    InvalidInputError,
    LedgerUnavailableError,
    NotAllowedToActError,
    PatientIsZeroError,
    PeriodEmptyError,
    PurposesEmptyError,
    RecordExistsError,
    RecordIdIsZeroError,
    RecordNotActiveError,
    UnknownGrantError,
    UnknownRecordError,
)
from medshare.hashing import sha256
from medshare.model import events
from medshare.model.consent import MAX_TIME, GrantRequest
from medshare.model.ids import ZERO_ADDRESS, Address, BundleId, GrantId, RecordId, TermsDigest, derive_grant_id
from medshare.model.purpose import Purpose
from medshare.model.record import RecordStatus
from medshare.ports import ConsentLedger, DirectoryLedger, EventSource, RecordLedger

pytestmark = pytest.mark.integration

R1, R2 = RecordId(sha256(b"one")), RecordId(sha256(b"two"))


def _request(grantee: Address, **changes: object) -> GrantRequest:
    request = GrantRequest(
        grantee=grantee,
        terms=TermsDigest(sha256(b"terms")),
        bundle=BundleId(sha256(b"bundle")),
        not_before=0,
        expires_at=MAX_TIME,  # whatever time other tests have given the chain
        purposes=Purpose.TREAT | Purpose.HRESCH,
    )
    return replace(request, **changes)  # type: ignore[arg-type]  # each change has its field's type


def test_adapters__all__are_what_the_ports_ask_for(world: World) -> None:
    directory: DirectoryLedger = world.ledger.directory
    records: RecordLedger = world.ledger.records
    consents: ConsentLedger = world.ledger.consents
    source: EventSource = world.ledger.chain
    assert source.chain_id == world.chain.profile.chain_id
    assert all((directory, records, consents))


def test_encryption_key__set_and_rotated__is_read_back(world: World) -> None:
    actor, directory = world.actor(), world.ledger.directory
    first = directory.set_encryption_key(actor, b"\1" * 32)
    second = directory.set_encryption_key(actor, b"\2" * 32)
    old = directory.encryption_key(actor.address, block=first.block)
    new = directory.encryption_key(actor.address, block=second.block)
    assert (old.key, old.version, old.set_at) == (b"\1" * 32, 1, first.block.time)
    assert (new.key, new.version, new.set_at) == (b"\2" * 32, 2, second.block.time)


def test_encryption_key__refusals__are_typed(world: World) -> None:
    actor, directory = world.actor(), world.ledger.directory
    with pytest.raises(EncryptionKeyNotSetError) as caught:
        directory.encryption_key(actor.address, block=world.ledger.chain.head())
    assert caught.value.actor == actor.address
    with pytest.raises(EncryptionKeyIsZeroError):
        directory.set_encryption_key(actor, bytes(32))
    with pytest.raises(InvalidInputError):
        directory.set_encryption_key(actor, b"short")
    directory.set_encryption_key(actor, b"\1" * 32)
    with pytest.raises(EncryptionKeyUnchangedError):
        directory.set_encryption_key(actor, b"\1" * 32)


def test_record__registered_superseded_retracted__is_read_back(world: World) -> None:
    custodian, patient, records = world.custodian(), world.actor(), world.ledger.records
    registered = records.register(custodian, R1, patient.address)
    superseded = records.supersede(custodian, R2, R1)
    retracted = records.retract(custodian, R2, sha256(b"reason"))

    entry = records.record(custodian.address, R1, block=registered.block)
    assert (entry.patient, entry.status, entry.version) == (patient.address, RecordStatus.ACTIVE, 1)
    assert (entry.registered_at, entry.ended_at) == (registered.block.time, 0)
    entry = records.record(custodian.address, R1, block=superseded.block)
    assert (entry.status, entry.ended_at) == (RecordStatus.SUPERSEDED, superseded.block.time)
    entry = records.record(custodian.address, R2, block=retracted.block)
    assert (entry.status, entry.version, entry.patient) == (RecordStatus.RETRACTED, 2, patient.address)


def test_record__refusals__are_typed(world: World) -> None:
    custodian, patient, records = world.custodian(), world.actor(), world.ledger.records
    with pytest.raises(UnknownRecordError) as caught:
        records.record(custodian.address, R1, block=world.ledger.chain.head())
    assert (caught.value.custodian, caught.value.record_id) == (custodian.address, R1)
    with pytest.raises(PatientIsZeroError):
        records.register(custodian, R1, ZERO_ADDRESS)
    with pytest.raises(RecordIdIsZeroError):
        records.register(custodian, RecordId(bytes(32)), patient.address)
    with pytest.raises(UnknownRecordError):
        records.supersede(custodian, R2, R1)
    records.register(custodian, R1, patient.address)
    with pytest.raises(RecordExistsError):
        records.register(custodian, R1, patient.address)
    records.retract(custodian, R1, sha256(b"reason"))
    with pytest.raises(RecordNotActiveError) as inactive:
        records.retract(custodian, R1, sha256(b"reason"))
    assert inactive.value.status == RecordStatus.RETRACTED


def test_register__by_who_is_not_accredited__is_refused_and_his_own_is_not(world: World) -> None:
    somebody, patient, records = world.actor(), world.actor(), world.ledger.records
    with pytest.raises(CustodianNotAccreditedError) as refused:
        records.register(somebody, R1, patient.address)
    assert refused.value.custodian == somebody.address
    records.register(somebody, R1, somebody.address)


def test_grant__given_and_revoked__is_read_back(world: World) -> None:
    patient, doctor, consents = world.actor(), world.actor(), world.ledger.consents
    request = _request(doctor.address)
    grant_id = derive_grant_id(patient.address, doctor.address, request.terms)
    granted = consents.grant(patient, request)
    grant = consents.get_grant(grant_id, block=granted.block)
    assert (grant.grant_id, grant.grantee, grant.patient) == (grant_id, doctor.address, patient.address)
    assert (grant.not_before, grant.expires_at) == (granted.block.time, request.expires_at)
    assert (grant.purposes, grant.stamp, grant.epoch) == (request.purposes, 0, 1)
    assert consents.is_live(grant_id, Purpose.TREAT, block=granted.block)
    assert not consents.is_live(grant_id, Purpose.ETREAT, block=granted.block)

    revoked = consents.revoke(patient, grant_id)
    assert not consents.is_live(grant_id, Purpose.TREAT, block=revoked.block)
    assert consents.is_live(grant_id, Purpose.TREAT, block=granted.block)
    assert consents.get_grant(grant_id, block=revoked.block).purposes == 0


def test_revoke_all__ends_every_grant(world: World) -> None:
    patient, doctor, consents = world.actor(), world.actor(), world.ledger.consents
    request = _request(doctor.address)
    grant_id = derive_grant_id(patient.address, doctor.address, request.terms)
    granted = consents.grant(patient, request)
    ended = consents.revoke_all(patient, patient.address)
    assert consents.stamp(patient.address, block=granted.block) == 0
    assert consents.stamp(patient.address, block=ended.block) == 1
    assert not consents.is_live(grant_id, Purpose.TREAT, block=ended.block)


def test_grant__refusals__are_typed(world: World) -> None:
    patient, doctor, consents = world.actor(), world.actor(), world.ledger.consents
    for error, request in (
        (GranteeIsZeroError, _request(ZERO_ADDRESS)),
        (GranteeIsPatientError, _request(patient.address)),
        (PurposesEmptyError, _request(doctor.address, purposes=Purpose(0))),
        (PeriodEmptyError, _request(doctor.address, expires_at=1)),
    ):
        with pytest.raises(error):
            consents.grant(patient, request)
    head = world.ledger.chain.head()
    with pytest.raises(UnknownGrantError):
        consents.get_grant(GrantId(5), block=head)
    with pytest.raises(NotAllowedToActError) as caught:
        consents.revoke(patient, GrantId(5))
    assert (caught.value.patient, caught.value.actor) == (ZERO_ADDRESS, patient.address)
    with pytest.raises(PurposesEmptyError):
        consents.is_live(GrantId(5), Purpose(0), block=head)


def test_are_live__many__is_asked_in_one_call_and_in_order(world: World) -> None:
    patient, doctor, consents = world.actor(), world.actor(), world.ledger.consents
    assert isinstance(consents, ConsentRegistryAdapter)
    request = _request(doctor.address)
    grant_id = derive_grant_id(patient.address, doctor.address, request.terms)
    granted = consents.grant(patient, request)
    asked = [GrantId(number + 1) for number in range(1200)]
    asked[0] = asked[700] = asked[1199] = grant_id
    live = consents.are_live(asked, Purpose.TREAT, block=granted.block)
    assert [number for number, one in enumerate(live) if one] == [0, 700, 1199]
    assert consents.are_live([], Purpose.TREAT, block=granted.block) == ()


def test_intent__same_registration_twice__is_one_transaction(world: World) -> None:
    custodian, patient, records = world.custodian(), world.actor(), world.ledger.records
    first = records.register(custodian, R1, patient.address, intent="publish/one")
    assert records.register(custodian, R1, patient.address, intent="publish/one") == first


def test_events__every_change__is_there_once_in_order_with_its_place(world: World) -> None:
    patient, doctor, custodian, ledger = world.actor(), world.actor(), world.custodian(), world.ledger
    request = _request(doctor.address)
    grant_id = derive_grant_id(patient.address, doctor.address, request.terms)
    receipts = [
        ledger.directory.set_encryption_key(doctor, b"\1" * 32),
        ledger.records.register(custodian, R1, patient.address),
        ledger.records.supersede(custodian, R2, R1),
        ledger.records.retract(custodian, R2, sha256(b"reason")),
        ledger.consents.grant(patient, request),
        ledger.consents.revoke(patient, grant_id),
        ledger.consents.revoke_all(patient, patient.address),
    ]
    found = list(ledger.chain.events(receipts[0].block.number, receipts[-1].block.number))
    assert [event.place.tx_hash for event in found] == [receipt.tx_hash for receipt in receipts]
    assert [event.place.block for event in found] == [receipt.block for receipt in receipts]
    place = {receipt.tx_hash: event.place for receipt, event in zip(receipts, found, strict=True)}
    places = [place[receipt.tx_hash] for receipt in receipts]
    assert found[0] == events.EncryptionKeySet(place=places[0], actor=doctor.address, key=b"\1" * 32, version=1)
    assert found[1] == events.RecordRegistered(
        place=places[1], custodian=custodian.address, patient=patient.address, record_id=R1
    )
    assert found[2] == events.RecordSuperseded(
        place=places[2], custodian=custodian.address, patient=patient.address, record_id=R2, previous_id=R1
    )
    assert found[3] == events.RecordRetracted(
        place=places[3], custodian=custodian.address, record_id=R2, reason=sha256(b"reason")
    )
    granted = ledger.consents.get_grant(grant_id, block=receipts[4].block)
    assert found[4] == events.AccessGranted(place=places[4], terms=request.terms, bundle=request.bundle, grant=granted)
    assert found[5] == events.AccessRevoked(place=places[5], grant_id=grant_id, epoch=2)
    assert found[6] == events.AllAccessRevoked(place=places[6], patient=patient.address, stamp=1)


def test_event_source__blocks__are_what_they_are(world: World) -> None:
    source = world.ledger.chain
    head = source.head()
    assert source.block(head.number) == head
    assert 0 < source.first_block <= head.number
    with pytest.raises(LedgerUnavailableError):
        source.block(head.number + 1000)
    with pytest.raises(InvalidInputError):
        list(source.events(-1, 5))
    assert list(source.events(5, 4)) == []


def test_read__at_a_block_of_another_chain__is_refused(world: World) -> None:
    elsewhere = replace(world.ledger.chain.head(), hash=sha256(b"another chain"))
    with pytest.raises(LedgerUnavailableError):
        world.ledger.consents.stamp(world.actor().address, block=elsewhere)


def test_web3__same_connection__is_there_for_more(world: World) -> None:
    web3 = world.chain.client.web3
    assert web3.eth.chain_id == world.chain.profile.chain_id
    assert web3.eth.get_block("latest")["number"] >= world.ledger.chain.first_block
    assert web3.provider.global_ccip_read_enabled is False
