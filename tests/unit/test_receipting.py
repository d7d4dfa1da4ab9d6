"""Receipts of consents: made with them, kept by their parties, derived anew from what the chain tells.

given a patient who consents, with a client that makes receipts
├─ what is in the bundle should say when it was given, and open for patient and reader alone
├─ what is shown should be the chain's, and verify; what is in a bundle and is no receipt of it should be refused
├─ a receipt that cannot be made, for whatever typed reason, should keep no consent from being given
├─ a receipt of another chain, or of nobody's grant, should not verify
└─ a profile should be kept whole, replaced, and refused where it cannot be read
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from world import DAY, World, new_world

from medshare.content import Cid
from medshare.errors import EnvelopeError, IntegrityError, InvalidInputError, MedshareError, StoreFullError
from medshare.model.ids import BundleId, address
from medshare.ports import Actor
from medshare.receipting import ControllerProfiles, Receipting
from medshare.services.blob_writer import BlobWriter
from medshare.services.bundles import bundle_files
from medshare.services.consent_receipts import RECEIPT_FILE, open_receipt, sealed_receipt
from medshare.services.consenting import Consenting, Granted
from medshare.services.safe import Safe
from medshare.standards.receipt_27560 import ConsentState, Receipt

PROFILE = {
    "party_id": "https://hospital.example",
    "party_name": "Hospital",
    "party_address": "1 Example Street",
    "party_contact": "dpo@hospital.example",
    "party_type": "hospital",
    "privacy_notice": "https://hospital.example/privacy",
    "language": "en",
    "storage_locations": ["DE"],
    "retention_period": "P10Y",
    "jurisdiction": "DE",
    "withdrawal_method": "medshare access revoke",
}

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]


def receipting_of(world: World, folder: Path, **parts) -> Receipting:
    usual = {
        "ledger": world.ledger,
        "store": world.store,
        "auditing": world.auditing,
        "safe": Safe(folder / "safe"),
        "profiles": ControllerProfiles(folder / "controllers"),
        "chain_id": world.chain.chain_id,
        "registry": address(world.chain.domains["ConsentRegistry"].verifying_contract),
    }
    return Receipting(**{**usual, **parts})


def consenting_of(world: World, receipts) -> Consenting:
    return Consenting(ledger=world.ledger, store=world.store, auditing=world.auditing, receipts=receipts)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return new_world(tmp_path)


@pytest.fixture
def receipting(world: World, tmp_path: Path) -> Receipting:
    made = receipting_of(world, tmp_path)
    world.consenting = consenting_of(world, made)
    return made


@pytest.fixture
def granted(world: World, receipting: Receipting) -> Granted:
    return world.grant(world.publish())


def with_receipt(world: World, granted: Granted, document: bytes) -> Granted:
    """Grant again with another receipt in the bundle, as a client of one's own would."""
    files = dict(bundle_files(world.store, granted.request.bundle))
    readers = [world.doctor.identity.recipient]
    with BlobWriter(world.store) as writer:
        files[RECEIPT_FILE] = writer.file(sealed_receipt(document, world.patient.identity, readers))
        bundle = writer.directory(files)
    world.store.pin(bundle)
    request = replace(granted.request, bundle=BundleId(bundle.digest), expires_at=granted.request.expires_at + DAY)
    world.ledger.consents.grant(world.patient.signer, request)
    return granted


def test_bundle__of_a_consent__has_a_receipt_that_opens_for_its_parties_alone(world: World, granted: Granted) -> None:
    documents = [
        open_receipt(world.store, granted.request.bundle, each.identity) for each in (world.patient, world.doctor)
    ]
    assert documents[0] == documents[1]
    receipt = Receipt.from_json(documents[0])
    assert receipt.state is ConsentState.GIVEN
    assert receipt.grant_id == granted.grant_id
    assert receipt.created_at <= granted.receipt.block.time
    for stranger in (world.hospital, world.stranger):
        with pytest.raises(EnvelopeError):
            open_receipt(world.store, granted.request.bundle, stranger.identity)


def test_receipt__shown__is_the_chain_s_and_verifies(world: World, receipting: Receipting, granted: Granted) -> None:
    shown = receipting.of(granted.grant_id, party=world.doctor)
    assert shown.created_at == granted.receipt.block.time
    assert not receipting.verify(shown).study_compared
    world.consenting.revoke(granted.grant_id, patient=world.patient)
    with pytest.raises(IntegrityError, match="withdrawn"):
        receipting.verify(shown)
    assert receipting.of(granted.grant_id, party=world.doctor).state is ConsentState.WITHDRAWN


@pytest.mark.parametrize("document", [b"no json", b"{}"], ids=["no json", "no fields"])
def test_receipt__malformed_in_the_bundle__is_refused_and_hides_no_other(
    world: World, receipting: Receipting, granted: Granted, document: bytes
) -> None:
    other = world.grant(world.publish(b'{"resourceType":"Observation"}'))
    with_receipt(world, granted, document)
    with pytest.raises(IntegrityError, match="malformed"):
        receipting.of(granted.grant_id, party=world.doctor)
    kept = {each.standing.grant.grant_id: each for each in receipting.all(world.doctor)}
    assert kept[granted.grant_id].receipt is None
    assert isinstance(kept[granted.grant_id].error, IntegrityError)
    assert kept[other.grant_id].receipt is not None


def test_receipt__of_another_consent_in_the_bundle__is_refused(
    world: World, receipting: Receipting, granted: Granted
) -> None:
    other = world.grant(world.publish(b'{"resourceType":"Observation"}'))
    with_receipt(world, granted, receipting.of(other.grant_id, party=world.patient).to_json())
    with pytest.raises(IntegrityError, match="of another one"):
        receipting.of(granted.grant_id, party=world.doctor)


def test_verify__of_another_chain__is_refused(
    world: World, receipting: Receipting, granted: Granted, tmp_path: Path
) -> None:
    elsewhere = receipting_of(world, tmp_path, chain_id=world.chain.chain_id + 1)
    with pytest.raises(InvalidInputError, match="another chain"):
        elsewhere.verify(receipting.of(granted.grant_id, party=world.patient))


@pytest.mark.parametrize("error", [StoreFullError("full"), InvalidInputError("too large")], ids=repr)
def test_receipt__that_cannot_be_made__keeps_no_consent_from_being_given(
    world: World, tmp_path: Path, error: MedshareError
) -> None:
    class Failing:
        def make(self, *_: object, **__: object) -> bytes:
            raise error

    world.consenting = consenting_of(world, Failing())
    published = world.publish()
    granted = world.grant(published)
    assert not granted.receipted
    assert RECEIPT_FILE not in bundle_files(world.store, granted.request.bundle)
    assert world.open(published).manifest is not None
    later = receipting_of(world, tmp_path)
    assert later.of(granted.grant_id, party=world.doctor).state is ConsentState.GIVEN
    later.verify(later.of(granted.grant_id, party=world.patient))


def test_keep__by_a_reader__is_his_when_the_bundle_is_gone(
    world: World, receipting: Receipting, granted: Granted
) -> None:
    assert receipting.keep(granted.grant, party=world.doctor)
    assert not receipting.keep(granted.grant, party=world.stranger)
    assert not receipting.keep(None, party=world.doctor)
    world.store.unpin(Cid.of_directory(granted.request.bundle))
    world.store.collect()
    assert receipting.of(granted.grant_id, party=world.doctor).grant_id == granted.grant_id
    assert receipting.keep(granted.grant, party=world.doctor)


def test_keep__nothing_to_be_had__is_no_error(world: World, receipting: Receipting, granted: Granted) -> None:
    newcomer: Actor = replace(world.doctor, identity=world.stranger.identity)
    assert not receipting.keep(granted.grant, party=newcomer)


def test_profile__kept__is_found_and_replaced_and_refused_where_it_cannot_be_read(tmp_path: Path) -> None:
    profiles, account = ControllerProfiles(tmp_path / "controllers"), address("0x" + "d0" * 20)
    assert profiles.of(account) is None
    for name in ("Clinic", "Hospital"):
        profiles.keep(account, json.dumps({**PROFILE, "party_name": name}).encode())
        assert profiles.of(account).party["party_name"] == name
    with pytest.raises(InvalidInputError, match="lacks"):
        profiles.keep(account, b"{}")
    assert profiles.of(account).party["party_name"] == "Hospital"
    (file,) = (tmp_path / "controllers").iterdir()
    file.unlink()
    file.mkdir()
    with pytest.raises(InvalidInputError, match="cannot be read"):
        profiles.of(account)
