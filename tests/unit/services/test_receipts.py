"""Read receipts: signed by the reader before a custodian releases keys, kept by him, shown one by one.

given a clinician with an episode, and two custodians
├─ what he signs is what eth-account would, in a domain that no contract has
├─ a custodian who asks for a receipt releases nothing without one, and everything with one
├─ serve goes on with other episodes where one has none
├─ a receipt for another custodian, episode, chain, or past its deadline opens nothing
├─ only the episode's clinician signs, and only with a key that signs typed data
├─ one bit of a receipt changed: it is nobody's
├─ each receipt is kept once, and batched once; the root says nothing of it
├─ a root is put on chain once, by its custodian
├─ a proof shows one receipt to others; edited, or of another batch, it is refused
└─ a document that is no receipt or proof, or is too large, is refused
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st
from town import HOUR, Town, new_town
from world import DAY, TEXT

from medshare.chain import LocalSigner
from medshare.envelope import Identity
from medshare.errors import (
    AttestingNotAccreditedError,
    DeadlinePassedError,
    DeadlineTooFarError,
    IntegrityError,
    InvalidInputError,
    ReceiptMissingError,
    SignatureInvalidError,
    SigningRefusedError,
    UnknownEpisodeError,
    WrongDomainError,
)
from medshare.model.eip712 import Domain
from medshare.model.ids import EpisodeId
from medshare.model.merkle import nodes_of
from medshare.model.purpose import Purpose, PurposeOfUse
from medshare.model.read_receipt import (
    ReceiptProof,
    SignableReadReceipt,
    leaf_of,
    receipt_from_json,
    receipt_of,
    receipts_domain,
)
from medshare.model.typed_data import SIGNABLES, SignedMessage, to_typed_data
from medshare.ports import Actor
from medshare.services.receipt_journal import ReceiptJournal
from medshare.services.receipts import Receipts

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]


class NoWallets:
    def accepts(self, *_: object) -> bool:
        return False


@pytest.fixture
def town(tmp_path: Path) -> Town:
    town = new_town(tmp_path)
    signing = Actor(signer=LocalSigner.from_key(b"\x09" * 32), identity=Identity.generate())
    town.world.ledger.directory.set_encryption_key(signing.signer, signing.identity.recipient.key)
    town.clinician = signing
    town.accredit(signing)
    return town


@pytest.fixture
def receipts(town: Town) -> Receipts:
    return receipts_of(town)


def receipts_of(town: Town) -> Receipts:
    world = town.world
    return Receipts(
        ledger=world.ledger,
        journal=ReceiptJournal(world.folder / "receipts"),
        consents=world.chain.domains["ConsentRegistry"],
        wallets=NoWallets(),
        clock=world.clock,
    )


@pytest.fixture
def episode(town: Town) -> EpisodeId:
    town.world.publish()
    return town.break_glass()


def signed(town: Town, receipts: Receipts, episode: EpisodeId, **more) -> SignedMessage:
    return receipts.sign(episode, **{"reader": town.clinician, "custodian": town.world.hospital.address, **more})


# -------------------------------------------------------------------------------------------- signing


def test_sign__for_an_episode__is_what_eth_account_signs(town: Town, receipts: Receipts, episode: EpisodeId) -> None:
    one = signed(town, receipts, episode)
    data = to_typed_data(one.message, one.domain)
    assert Account.recover_message(encode_typed_data(full_message=data), signature=one.signature) == one.signer
    said = receipt_of(one)
    assert (said.reader, said.patient) == (town.clinician.address, town.world.patient.address)
    assert (said.right, said.purposes, said.record) == (episode, Purpose.BTG, bytes(32))
    assert said.deadline == said.signed_at + DAY
    assert receipt_of(signed(town, receipts, episode)).salt != said.salt


def test_domain__of_receipts__is_no_contract_s(town: Town, receipts: Receipts, episode: EpisodeId) -> None:
    one = signed(town, receipts, episode)
    assert one.domain == receipts_domain(town.world.chain.domains["ConsentRegistry"])
    assert one.domain.name == "medshare ReadReceipts"
    assert one.domain.name not in {domain.name for domain in town.world.chain.domains.values()}
    assert SignableReadReceipt.struct() not in SIGNABLES
    with pytest.raises(InvalidInputError):
        SignedMessage.from_json(one.to_json())


def test_sign__not_the_episode_s_clinician__is_refused(town: Town, receipts: Receipts, episode: EpisodeId) -> None:
    stranger = Actor(signer=LocalSigner.generate(), identity=Identity.generate())
    with pytest.raises(InvalidInputError, match="another clinician"):
        signed(town, receipts, episode, reader=stranger)
    with pytest.raises(UnknownEpisodeError):
        signed(town, receipts, EpisodeId(episode + 1))


def test_sign__with_a_key_that_signs_transactions_only__is_refused(town: Town, receipts: Receipts) -> None:
    town.world.publish()
    other = town.reviewer
    town.accredit(other)
    opened = town.break_glass(clinician=other)
    with pytest.raises(SigningRefusedError):
        signed(town, receipts, opened, reader=other)


@pytest.mark.parametrize(("validity", "error"), [(0, DeadlinePassedError), (31 * DAY, DeadlineTooFarError)])
def test_sign__for_no_time_or_for_absurdly_long__is_refused(
    town: Town, receipts: Receipts, episode: EpisodeId, validity: int, error: type[Exception]
) -> None:
    with pytest.raises(error):
        signed(town, receipts, episode, validity=validity)


# ------------------------------------------------------------------------------------------- releasing


def test_release__on_a_receipt__gives_nothing_without_and_everything_with_one(
    town: Town, receipts: Receipts, episode: EpisodeId
) -> None:
    hospital = town.world.hospital
    before = town.world.store.pins()
    with pytest.raises(ReceiptMissingError):
        town.emergencies.release(episode, custodian=hospital, on=receipts)
    assert town.world.store.pins() == before
    assert town.world.auditing.emergency(episode).released == ()
    assert receipts.keep(signed(town, receipts, episode), custodian=hospital.address)
    released = town.emergencies.release(episode, custodian=hospital, on=receipts)
    assert len(released.records) == 1
    record = replace(town.world.auditing.records(town.world.patient.address)[0].ref)
    opened = town.world.retrieving.open(record, reader=town.clinician, purpose=PurposeOfUse.BTG)
    assert b"".join(opened.stream()) == TEXT


def test_serve__on_a_receipt__goes_on_with_others(town: Town, receipts: Receipts, episode: EpisodeId) -> None:
    other = Actor(signer=LocalSigner.generate(), identity=Identity.generate())
    town.world.ledger.directory.set_encryption_key(other.signer, other.identity.recipient.key)
    town.accredit(other)
    opened = town.break_glass(clinician=other)
    receipts.keep(signed(town, receipts, opened, reader=other), custodian=town.world.hospital.address)
    served = {each.episode_id: each for each in town.emergencies.serve(custodian=town.world.hospital, on=receipts)}
    assert isinstance(served[episode].error, ReceiptMissingError)
    assert served[opened].released is not None


def test_release__on_a_receipt_for_another_custodian_or_episode__gives_nothing(
    town: Town, receipts: Receipts, episode: EpisodeId
) -> None:
    hospital, stranger = town.world.hospital, town.world.stranger
    for_another = signed(town, receipts, episode, custodian=stranger.address)
    with pytest.raises(InvalidInputError, match="another custodian"):
        receipts.keep(for_another, custodian=hospital.address)
    assert receipts.keep(for_another, custodian=stranger.address)
    town.emergencies.end(episode, actor=town.clinician)
    again = town.break_glass()
    receipts.keep(signed(town, receipts, episode), custodian=hospital.address)
    with pytest.raises(ReceiptMissingError):
        town.emergencies.release(again, custodian=hospital, on=receipts)


def test_release__on_a_receipt_of_which_the_reader_says_another__gives_nothing(
    town: Town, receipts: Receipts, episode: EpisodeId
) -> None:
    """Somebody else signs, rightly, that he reads under the clinician's episode."""
    stranger = LocalSigner.generate()
    message = replace(receipt_of(signed(town, receipts, episode)), reader=stranger.address)
    domain = receipts_domain(town.world.chain.domains["ConsentRegistry"])
    forged = SignedMessage(
        message=message,
        domain=domain,
        signer=stranger.address,
        signature=stranger.sign_typed_data(to_typed_data(message, domain)),
    )
    receipts.keep(forged, custodian=town.world.hospital.address)
    with pytest.raises(ReceiptMissingError):
        town.emergencies.release(episode, custodian=town.world.hospital, on=receipts)


def test_receipt__past_its_deadline__is_neither_kept_nor_released_on(
    town: Town, receipts: Receipts, episode: EpisodeId
) -> None:
    hospital = town.world.hospital.address
    kept, late = (signed(town, receipts, episode, validity=HOUR // 2) for _ in range(2))
    receipts.keep(kept, custodian=hospital)
    town.pass_by(HOUR // 2 - 1)
    assert receipts.require(episode, custodian=hospital) == kept
    town.pass_by(1)
    with pytest.raises(ReceiptMissingError):
        receipts.require(episode, custodian=hospital)
    with pytest.raises(DeadlinePassedError):
        receipts.keep(late, custodian=hospital)


def test_keep__of_another_chain__is_refused(town: Town, receipts: Receipts, episode: EpisodeId) -> None:
    one = signed(town, receipts, episode)
    other = replace(one, domain=replace(one.domain, chain_id=1))
    with pytest.raises(WrongDomainError):
        receipts.keep(other, custodian=town.world.hospital.address)


@pytest.mark.parametrize("field", ["patient", "record", "right", "purposes", "signed_at", "salt", "deadline"])
def test_keep__one_member_changed__is_nobody_s(town: Town, receipts: Receipts, episode: EpisodeId, field: str) -> None:
    one = signed(town, receipts, episode)
    said = receipt_of(one)
    values = {
        "patient": town.world.doctor.address,
        "record": b"\x01" * 32,
        "right": said.right + 1,
        "purposes": Purpose.TREAT,
        "signed_at": said.signed_at - 1,
        "salt": bytes(32),
        "deadline": said.deadline + 1,
    }
    other = replace(one, message=replace(said, **{field: values[field]}))
    with pytest.raises(SignatureInvalidError):
        receipts.keep(other, custodian=said.custodian)


# -------------------------------------------------------------------------------------- batches, proofs


def test_batch__of_what_is_kept__is_closed_once(town: Town, receipts: Receipts, episode: EpisodeId) -> None:
    hospital = town.world.hospital.address
    assert receipts.close_batch(hospital) is None
    several = [signed(town, receipts, episode) for _ in range(3)]
    for one in several:
        assert receipts.keep(one, custodian=hospital)
        assert not receipts.keep(one, custodian=hospital)
    first = receipts.close_batch(hospital)
    assert first is not None
    assert (first.count, first.root) == (3, nodes_of(map(leaf_of, several))[0])
    assert receipts.close_batch(hospital) is None
    receipts.keep(signed(town, receipts, episode), custodian=hospital)
    second = receipts.close_batch(hospital)
    assert second is not None
    assert second.count == 1
    assert [each.batch for each in receipts_of(town).all(hospital)].count(first.root) == 3
    assert receipts.all(town.world.stranger.address) == []


def test_anchor__of_a_batch__is_on_chain_once_under_its_custodian(
    town: Town, receipts: Receipts, episode: EpisodeId
) -> None:
    hospital = town.world.hospital
    receipts.keep(signed(town, receipts, episode), custodian=hospital.address)
    closed = receipts.close_batch(hospital.address)
    assert closed is not None
    assert receipts.batches(hospital.address) == (closed,)
    assert receipts.anchor(closed, custodian=hospital) is not None
    assert receipts.anchor(closed, custodian=hospital) is None
    (anchored,) = town.world.auditing.anchored(hospital.address)
    assert (anchored.root, anchored.count) == (closed.root, 1)
    with pytest.raises(AttestingNotAccreditedError):
        receipts.anchor(closed, custodian=town.mother)


def test_proof__of_each_receipt__shows_it_to_others(town: Town, receipts: Receipts, episode: EpisodeId) -> None:
    hospital = town.world.hospital.address
    several = [signed(town, receipts, episode) for _ in range(5)]
    for one in several:
        receipts.keep(one, custodian=hospital)
    with pytest.raises(InvalidInputError):
        receipts.prove(several[0].digest, custodian=hospital)
    batch = receipts.close_batch(hospital)
    assert batch is not None
    for one in several:
        proof = ReceiptProof.from_json(receipts.prove(one.digest, custodian=hospital).to_json())
        assert (proof.signed, proof.root) == (one, batch.root)
        receipts.check(proof)
    town.pass_by(2 * DAY)
    receipts.check(proof)
    with pytest.raises(InvalidInputError):
        receipts.prove(several[0].digest, custodian=town.world.stranger.address)


def test_proof__edited__is_refused(town: Town, receipts: Receipts, episode: EpisodeId) -> None:
    hospital = town.world.hospital.address
    for _ in range(2):
        receipts.keep(signed(town, receipts, episode), custodian=hospital)
    receipts.close_batch(hospital)
    proof = receipts.prove(receipts.all(hospital)[0].signed.digest, custodian=hospital)
    with pytest.raises(IntegrityError):
        receipts.check(replace(proof, root=bytes(32)))
    with pytest.raises(IntegrityError):
        receipts.check(replace(proof, proof=()))
    edited = replace(proof.signed, message=replace(receipt_of(proof.signed), salt=bytes(32)))
    with pytest.raises(IntegrityError):
        receipts.check(replace(proof, signed=edited))
    alone = replace(edited, signature=proof.signed.signature)
    with pytest.raises(SignatureInvalidError):
        receipts.check(ReceiptProof(signed=alone, root=leaf_of(alone), proof=()))


# ----------------------------------------------------------------------------------------- documents


def test_json__of_receipt_and_proof__is_read_back(town: Town, receipts: Receipts, episode: EpisodeId) -> None:
    one = signed(town, receipts, episode)
    assert receipt_from_json(one.to_json()) == one
    proof = ReceiptProof(signed=one, root=leaf_of(one), proof=(b"\x01" * 32,))
    assert ReceiptProof.from_json(proof.to_json()) == proof
    for change in ({"version": 2}, {"root": "00"}, {"receipt": []}, {"more": 1}, {"proof": ["00" * 32] * 33}):
        with pytest.raises(InvalidInputError):
            ReceiptProof.from_json(json.dumps({**json.loads(proof.to_json()), **change}).encode())


@given(st.binary(max_size=200))
def test_json__that_is_none__is_refused(document: bytes) -> None:
    for read in (receipt_from_json, ReceiptProof.from_json):
        with pytest.raises(InvalidInputError):
            read(document)


def test_receipt_of__another_message__is_refused(town: Town) -> None:
    domain = Domain.of("ConsentRegistry", 1, town.world.doctor.address)
    other = SIGNABLES["RevokeAll"](patient=town.world.patient.address, stamp=0, deadline=1)
    message = SignedMessage(message=other, domain=domain, signer=town.world.patient.address, signature=b"\x01")
    with pytest.raises(InvalidInputError):
        receipt_of(message)
