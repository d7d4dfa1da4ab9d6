"""Accounts of read receipts, compared with the chain: what was left out, added or edited is found.

given a hospital that keeps receipts of an emergency and of deliveries, some in a batch on chain
├─ its account, of all or of a patient, should be borne out, and read as it was written
├─ to the patient it should tell emergencies first, what became of each, and whether it is on chain
├─ when one is left out, added, doubled, edited, moved or another's, it should be found
├─ when a root is withheld, it should be missed; when it came before the signature, be found
├─ when keys were released, or delivered, without one, it should be told
└─ what is no account should be refused
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from study_town import StudyTown, signing_actor
from world import DAY, new_world

from medshare.errors import InvalidInputError
from medshare.model.accreditation import AccreditationKind
from medshare.model.emergency import EmergencyReason
from medshare.model.ids import EpisodeId, GrantId
from medshare.model.receipt_account import AccountedReceipt, ReceiptAccount
from medshare.ports import Actor
from medshare.services.emergencies import Emergencies
from medshare.services.receipt_accounts import Compared, Fault, ReceiptAccounts
from medshare.services.receipt_journal import ReceiptJournal
from medshare.services.receipts import CLOCK_AHEAD, ReceiptBatch

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]


class Kept:
    """A town whose hospital keeps receipts, and the accounts of them."""

    def __init__(self, folder: Path) -> None:
        self.town = StudyTown(world=new_world(folder), researcher=signing_actor())
        self.town.study = replace(self.town.study, on_receipt=True)
        world = self.town.world
        self.hospital = world.hospital.address
        self.clinician = signing_actor()
        world.ledger.directory.set_encryption_key(self.clinician.signer, self.clinician.identity.recipient.key)
        world.chain.accredit(self.clinician.address, AccreditationKind.CLINICIAN)
        self.emergencies = Emergencies(
            ledger=world.ledger, store=world.store, clock=world.clock, auditing=world.auditing, safe=self.town.safe
        )
        self.accounts = ReceiptAccounts(
            ledger=world.ledger,
            auditing=world.auditing,
            journal=ReceiptJournal(world.folder),
            receipts=self.town.receipts,
        )
        self.town.publish()
        self.request_id = self.town.open().request_id
        self.town.accept(self.request_id)

    def grant(self) -> GrantId:
        return self.town.part(self.request_id).grant_id(self.town.world.ledger.requests.address)

    def break_glass(self, patient: Actor | None = None) -> EpisodeId:
        return self.emergencies.open(
            clinician=self.clinician,
            patient=(patient or self.town.mary).address,
            reason=EmergencyReason.UNCONSCIOUS,
            details="found",
            duration=3600,
        ).episode.episode_id

    def sign(self, episode: EpisodeId, *, release: bool = True) -> None:
        receipts = self.town.receipts
        receipts.keep(receipts.sign(episode, reader=self.clinician, custodian=self.hospital), custodian=self.hospital)
        if release:
            self.emergencies.release(episode, custodian=self.town.world.hospital, on=receipts)

    def deliver(self) -> None:
        town = self.town
        one = town.receipts.sign_for_grant(self.grant(), reader=town.researcher, custodian=self.hospital)
        town.receipts.keep(one, custodian=self.hospital)
        town.delivering.deliver(self.request_id, town.mary.address, custodian=town.world.hospital)

    def anchor(self) -> ReceiptBatch:
        batch = self.town.receipts.close_batch(self.hospital)
        assert batch is not None
        self.town.receipts.anchor(batch, custodian=self.town.world.hospital)
        return batch

    def of(self, patient: Actor | None = None) -> ReceiptAccount:
        return self.accounts.of(self.hospital, patient=None if patient is None else patient.address)

    def faults(self, account: ReceiptAccount) -> set[Fault]:
        return {each.fault for each in self.compared(account).faults}

    def compared(self, account: ReceiptAccount) -> Compared:
        return self.accounts.compare(ReceiptAccount.from_json(account.to_json()))


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    """Three receipts in a batch on chain, two of them Mary's, and one in none."""
    kept = Kept(tmp_path)
    kept.deliver()
    kept.sign(kept.break_glass())
    kept.town.publish(kept.town.paul)
    pauls = kept.break_glass(kept.town.paul)
    kept.sign(pauls)
    kept.anchor()
    kept.sign(pauls, release=False)
    return kept


def changed(account: ReceiptAccount, *receipts: AccountedReceipt) -> ReceiptAccount:
    return replace(account, receipts=receipts)


def test_account__of_all_and_of_a_patient__is_borne_out_and_read_as_it_was_written(kept: Kept) -> None:
    for account, count in ((kept.of(), 4), (kept.of(kept.town.mary), 2), (kept.of(kept.town.paul), 2)):
        assert len(account.receipts) == count
        assert ReceiptAccount.from_json(account.to_json()) == account
        assert kept.faults(account) == set()
    assert kept.of(kept.town.researcher).receipts == ()
    assert [each.patient for each in kept.accounts.about(kept.town.mary.address)] == [kept.town.mary.address]
    assert kept.accounts.about(kept.town.researcher.address) == []


def test_account__of_a_patient__tells_emergencies_first_and_what_became_of_each(kept: Kept) -> None:
    emergency, delivery = kept.compared(kept.of(kept.town.mary)).told
    assert (emergency.is_emergency, delivery.is_emergency) == (True, False)
    assert emergency.said.signed_at >= delivery.said.signed_at
    for each in (emergency, delivery):
        assert each.released_at >= each.said.signed_at
        assert each.anchored_at >= each.released_at
        assert len(each.records) == 1
    last = kept.compared(kept.of(kept.town.paul)).told[-1]
    assert (last.anchored_at, last.root, last.released_at) == (None, None, None)


def test_account__one_receipt_left_out__is_found_of_all(kept: Kept) -> None:
    account = kept.of()
    batched = [each for each in account.receipts if each.root is not None]
    for left in batched:
        rest = [each for each in account.receipts if each is not left]
        assert {Fault.BATCH_DIFFERS, Fault.COUNT_DIFFERS} <= kept.faults(changed(account, *rest))


def test_account__batch_left_out__leaves_a_root_on_chain(kept: Kept) -> None:
    account = kept.of()
    rest = [each for each in account.receipts if each.root is None]
    assert kept.faults(changed(account, *rest)) == {Fault.BATCH_OMITTED}


def test_account__receipt_put_into_a_batch_it_is_not_in__is_found(kept: Kept) -> None:
    account = kept.of()
    root = next(each.root for each in account.receipts if each.root is not None)
    moved = [replace(each, root=root) for each in account.receipts]
    assert {Fault.BATCH_DIFFERS, Fault.COUNT_DIFFERS} <= kept.faults(changed(account, *moved))


def test_account__of_a_patient_with_another_s_proof__is_found(kept: Kept) -> None:
    account = kept.of(kept.town.mary)
    one, other = account.receipts
    swapped = replace(one, proof=other.proof), replace(other, proof=one.proof)
    assert kept.faults(changed(account, *swapped)) == {Fault.BATCH_DIFFERS}


def test_account__doubled__is_found(kept: Kept) -> None:
    account = kept.of(kept.town.mary)
    assert Fault.TWICE in kept.faults(changed(account, *account.receipts, account.receipts[0]))


@given(field=st.sampled_from(["record", "right", "purposes", "signed_at", "salt", "patient", "deadline"]))
def test_account__any_field_edited__is_found(field: str, kept_once: Kept) -> None:
    account = kept_once.of(kept_once.town.mary)
    one, *rest = account.receipts
    edits: dict[str, Callable[[object], object]] = {
        "record": lambda _: b"\x01" * 32,
        "salt": lambda _: b"\x01" * 32,
        "patient": lambda _: kept_once.town.paul.address,
    }
    value = edits.get(field, lambda was: type(was)(was + 1))(getattr(one.signed.message, field))
    edited = replace(one, signed=replace(one.signed, message=replace(one.signed.message, **{field: value})))
    assert {Fault.NOT_SIGNED, Fault.BATCH_DIFFERS} <= kept_once.faults(changed(account, edited, *rest))


@pytest.fixture(scope="module")
def kept_once(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    kept = Kept(tmp_path_factory.mktemp("kept"))
    kept.deliver()
    kept.sign(kept.break_glass())
    kept.anchor()
    return kept


def test_account__with_receipts_of_another__is_found(kept: Kept) -> None:
    every = kept.of()
    assert Fault.NOT_ITS_OWN in kept.faults(replace(every, custodian=kept.town.world.stranger.address))
    mary, paul = kept.of(kept.town.mary), kept.of(kept.town.paul)
    assert Fault.NOT_ITS_OWN in kept.faults(changed(mary, *mary.receipts, *paul.receipts))


def test_account__root_withheld_from_the_chain__is_told_as_not_anchored(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.deliver()
    kept.town.receipts.close_batch(kept.hospital)
    compared = kept.compared(kept.of(kept.town.mary))
    assert compared.faults == ()
    (one,) = compared.told
    assert one.root is not None
    assert one.anchored_at is None


def test_account__signed_after_its_batch_was_anchored__is_found(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    town = kept.town
    ahead = town.world.chain.head().time + CLOCK_AHEAD
    town.world.clock.time = ahead + DAY
    one = town.receipts.sign_for_grant(kept.grant(), reader=town.researcher, custodian=kept.hospital)
    town.receipts.keep(one, custodian=kept.hospital)
    town.world.clock.time = ahead
    kept.anchor()
    assert kept.faults(kept.of()) == {Fault.ANCHORED_BEFORE}


def test_account__delivered_on_a_receipt_that_is_left_out__is_found(kept: Kept) -> None:
    account = kept.of(kept.town.mary)
    rest = [each for each in account.receipts if each.said.right != kept.grant()]
    compared = kept.compared(changed(account, *rest))
    assert [(each.fault, each.what) for each in compared.faults] == [(Fault.RECEIPT_OMITTED, f"{kept.grant():#x}")]


def test_account__keys_released_in_an_emergency_without_one__is_told(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    episode = kept.break_glass()
    kept.emergencies.release(episode, custodian=kept.town.world.hospital)
    compared = kept.compared(kept.of(kept.town.mary))
    assert (compared.without, compared.faults, compared.told) == ((episode,), (), ())


@given(document=st.binary(max_size=200) | st.from_regex(rb'\{"custodian":"0x[0-9a-f]{40}","receipts":\[.{0,40}\]\}'))
def test_account__any_bytes__are_read_or_refused(document: bytes) -> None:
    with suppress(InvalidInputError):
        ReceiptAccount.from_json(document)


def test_account__another_document__is_said_to_be_none() -> None:
    with pytest.raises(InvalidInputError, match="no account of receipts"):
        ReceiptAccount.from_json(b'{"version": 1}')
