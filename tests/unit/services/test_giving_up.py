"""Giving up a batch of a load that is stored and not anchored.

given a load that was stored, and not given to the chain
├─ when it is given up: nothing of it should be pinned, known or shown, and the same load publish all of it anew
└─ when a load was of the wrong patients: the right list should be taken afterwards
given one whose root the chain has refused
├─ when it is given up: nothing of it should be left, its catalogue included
└─ when what was signed for it may still arrive: it should be refused, and be anchored by ``resume``
given one that is on chain, another custodian's, or none
└─ it should be refused, and stay
given a process that dies at any step, or another one
├─ when the same is given again, or something is loaded: nothing should count as pinned that is not
└─ while another loads: it should be told to wait
given a root that its custodian has signed, and a payment that failed
├─ until its deadline: it should be refused, and stay one batch when somebody sends what was signed
└─ from then on: nothing of it should be left, and the same load publish all of it anew
given what was signed in a home
├─ what he sends himself: the outbox should say whether a root may still arrive
└─ what another pays for: it may, until the chain has confirmed a block at the deadline, whatever became of it
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from asked import NoWallets
from load_town import LoadTown, faulty, observation, stopped_before_anchoring
from service_doubles import CrashError, Faults
from study_town import signing_actor

from medshare.chain import LocalSigner
from medshare.errors import (
    CustodianNotAccreditedError,
    DeadlinePassedError,
    InvalidInputError,
    LedgerBusyError,
    TransactionFailedError,
)
from medshare.errors.ledger import moment
from medshare.ingesting import Assigned
from medshare.model.accreditation import AccreditationKind
from medshare.model.eip712 import Domain
from medshare.model.ids import Address, CatalogueId, RecordId
from medshare.model.record import RecordStatus
from medshare.model.typed_data import Signable, SignableAnchorBatch, SignableRegister, SignedMessage
from medshare.ports import CallOutcome, Receipt
from medshare.services.journal import PublicationJournal, Stage
from medshare.services.load_journal import Batch, LoadJournal
from medshare.services.paid import Paying, paid_ledger
from medshare.services.sent_roots import OnItsWay, SentRoots, anchoring_intent
from medshare.services.signing import Signing

pytestmark = pytest.mark.unit

LINES = [observation(number, number % 2) for number in range(5)]
ROOT = b"\x11" * 32
CUSTODIAN = Address("0x" + "11" * 20)
DEADLINE = 2_000_000_000


@pytest.fixture
def town(tmp_path: Path) -> LoadTown:
    return LoadTown(tmp_path)


def left(town: LoadTown) -> Batch:
    (batch,) = town.loading.unfinished(town.hospital.actor.address)
    return batch


def refused_after_sealing(town: LoadTown) -> Batch:
    """Load, and lose the accreditation before the root is given to the chain."""
    hospital, member = town.hospital.actor.address, town.chain.member

    def suspend(_what: str, _done: int, total: int | None) -> None:
        if total is None:
            town.ledger.accreditation.suspend(member, hospital, AccreditationKind.CUSTODIAN)

    with pytest.raises(CustodianNotAccreditedError):
        town.night(town.export(*LINES), progress=suspend)
    return left(town)


def accredited_again(town: LoadTown) -> None:
    hospital = town.hospital.actor.address
    town.ledger.accreditation.reinstate(town.chain.member, hospital, AccreditationKind.CUSTODIAN)


def nothing_is_left(town: LoadTown) -> None:
    hospital = town.hospital.actor.address
    assert town.store.pins() == frozenset()
    assert town.loading.unfinished(hospital) == town.loads.given_up(hospital) == []
    assert town.hospital.book.known() == 0
    assert town.publications.record_ids(hospital) == {}
    assert town.stated("anna") == town.stated("ben") == []


# ---------------------------------------------------------------------------------------------- not sent yet


def test_give_up__stored_and_not_sent__nothing_is_left_and_the_same_is_loaded_anew(town: LoadTown) -> None:
    lines = stopped_before_anchoring(town, sent=False)
    batch = left(town)
    assert (batch.stage, batch.count) == (Stage.STORED, len(lines))
    assert town.loading.can_be_given_up(batch, town.hospital.actor.address)
    before = set(town.publications.record_ids(town.hospital.actor.address))
    assert town.loading.give_up(batch.number, town.hospital.actor) >= len(lines)
    nothing_is_left(town)
    town.store.collect()
    assert town.night(town.export(*lines)).counts == (len(lines), 0, 0)
    town.check_whole(*lines)
    assert before.isdisjoint(town.publications.record_ids(town.hospital.actor.address))


def test_give_up__said_of_the_wrong_patients__is_loaded_for_the_right_ones(town: LoadTown) -> None:
    lines = stopped_before_anchoring(town, sent=False)
    town.loading.give_up(left(town).number, town.hospital.actor)
    right = {f"Patient/{number}": town.homes[name].actor.address for number, name in enumerate(("ben", "anna"))}
    town.night(town.export(*lines), patients=Assigned(by_reference=right))
    assert town.texts("ben") == sorted(lines[::2])
    assert town.texts("anna") == sorted(lines[1::2])
    town.check_whole(*lines)


# ------------------------------------------------------------------------------------------------- refused


def test_give_up__refused_by_the_chain__nothing_is_left(town: LoadTown) -> None:
    batch = refused_after_sealing(town)
    assert (batch.stage, batch.count) == (Stage.SENDING, len(LINES))
    assert town.hospital.book.known() == len(LINES)
    assert town.loading.give_up(batch.number, town.hospital.actor) == len(LINES) + 1
    nothing_is_left(town)
    accredited_again(town)
    assert town.loading.resume(town.hospital.actor) == []
    assert town.night(town.export(*LINES)).counts == (len(LINES), 0, 0)
    town.check_whole(*LINES)


def test_give_up__may_be_on_its_way__is_refused_and_anchored_later(town: LoadTown) -> None:
    batch = refused_after_sealing(town)
    asked = []
    way = OnItsWay(until=None)
    sent = town.rebuilt(on_its_way=lambda custodian, root: asked.append((custodian, root)) or way)
    pins = town.store.pins()
    assert not sent.can_be_given_up(batch, town.hospital.actor.address)
    with pytest.raises(InvalidInputError, match="on its way") as caught:
        sent.give_up(batch.number, town.hospital.actor)
    assert "record resume" in caught.value.hint
    assert asked == [(town.hospital.actor.address, batch.root)] * 2
    assert (left(town), town.store.pins()) == (batch, pins)
    accredited_again(town)
    town.loading.resume(town.hospital.actor)
    town.check_whole(*LINES)


# ------------------------------------------------------------------------------------- on chain, or not his


@pytest.mark.parametrize("noted", [False, True])
def test_give_up__is_on_chain__is_refused_and_stays(town: LoadTown, noted: bool) -> None:
    lines = stopped_before_anchoring(town, sent=True)
    batch = left(town)
    if noted:
        town.loads.anchored(batch)
    assert not town.loading.can_be_given_up(left(town), town.hospital.actor.address)
    with pytest.raises(InvalidInputError, match="is on chain") as caught:
        town.loading.give_up(batch.number, town.hospital.actor)
    assert "record retract" in caught.value.hint
    town.loading.resume(town.hospital.actor)
    town.check_whole(*lines)
    assert {each.status for each in town.stated("anna")} == {RecordStatus.ACTIVE}


def test_give_up__another_custodians_or_none__is_refused(town: LoadTown) -> None:
    stopped_before_anchoring(town, sent=False)
    batch = left(town)
    for number, actor in ((batch.number, town.clinic.actor), (batch.number + 1, town.hospital.actor)):
        with pytest.raises(InvalidInputError, match="no unfinished batch"):
            town.loading.give_up(number, actor)
    assert left(town) == batch


# --------------------------------------------------------------------------------- dying, another process


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("then", ["give up", "resume", "load"])
def test_give_up__dies_at_any_step__goes_on(tmp_path: Path, after: bool, then: str) -> None:
    at = 0
    while True:
        at += 1
        folder = tmp_path / str(at)
        folder.mkdir()
        town = LoadTown(folder)
        batch = refused_after_sealing(town)
        faults = Faults(at=at, after=after)
        try:
            faulty(town, faults).give_up(batch.number, town.hospital.actor)
        except CrashError:
            pass
        else:
            break
        accredited_again(town)
        forgotten = faults.calls > 1 or after  # the first call is the one that forgets what is in it
        if then == "load":
            town.night(town.export(*LINES))
            town.store.collect()
            town.check_whole(*LINES)
        elif not forgotten:
            assert left(town) == batch
        elif then == "resume":
            assert town.loading.resume(town.hospital.actor) == []
            nothing_is_left(town)
        elif town.loads.given_up(town.hospital.actor.address):
            town.loading.give_up(batch.number, town.hospital.actor)
            nothing_is_left(town)
        else:
            nothing_is_left(town)
    assert at > 2 * len(LINES)


def test_give_up__another_process_loads__is_told_to_wait(town: LoadTown) -> None:
    stopped_before_anchoring(town, sent=False)
    batch = left(town)
    with town.loads.claimed(town.hospital.actor.address), pytest.raises(LedgerBusyError):
        town.loading.give_up(batch.number, town.hospital.actor)
    assert left(town) == batch


# ------------------------------------------------------------------------------------------ paid by another


@dataclass
class Payment:
    """A batch whose payment was mined and failed: what its custodian has signed is public."""

    town: LoadTown
    roots: SentRoots
    signed: SignedMessage

    def give_up(self) -> None:
        town = self.town
        town.rebuilt(on_its_way=self.roots.on_its_way).give_up(left(town).number, town.hospital.actor)

    def sent_by_a_stranger(self) -> CallOutcome:
        (outcome,) = self.town.ledger.relay(LocalSigner.generate(), [self.signed])
        return outcome


@pytest.fixture
def payment(tmp_path: Path) -> Payment:
    town = LoadTown(tmp_path, hospital=signing_actor())
    ledger, seen = town.hospital.ledger, []
    roots = SentRoots(has_sent=lambda *_: False, journal=town.loads, confirmed_at=lambda: town.chain.head().time)

    def pay(signed: SignedMessage) -> Receipt:
        roots.keep(signed)
        seen.append(signed)
        raise TransactionFailedError("0x00", "out of gas")

    signing = Signing(ledger=ledger, domains=town.chain.domains, wallets=NoWallets(), clock=town.clock)
    paying = Paying(payer=LocalSigner.generate(), confirm=lambda _: True, names=lambda _: None)
    paid = paid_ledger(ledger, signing=signing, pay=pay, paying=paying)
    with pytest.raises(TransactionFailedError):
        town.night(town.export(*LINES), loading=town.rebuilt(ledger=paid))
    (signed,) = seen
    return Payment(town=town, roots=roots, signed=signed)


def test_give_up__payment_failed__is_refused_until_the_deadline_and_stays_one_batch(payment: Payment) -> None:
    town = payment.town
    batch, pins = left(town), town.store.pins()
    with pytest.raises(InvalidInputError, match="on its way") as caught:
        payment.give_up()
    assert moment(payment.signed.deadline) in caught.value.hint
    assert (left(town), town.store.pins()) == (batch, pins)
    assert payment.sent_by_a_stranger().done
    with pytest.raises(InvalidInputError, match="is on chain"):
        payment.give_up()
    town.loading.resume(town.hospital.actor)
    town.check_whole(*LINES)


def test_give_up__deadline_of_what_was_signed_has_passed__nothing_is_left_and_nobody_can_send_it(
    payment: Payment,
) -> None:
    town = payment.town
    town.clock.time = payment.signed.deadline
    town.chain.mine()
    payment.give_up()
    nothing_is_left(town)
    town.store.collect()
    assert town.night(town.export(*LINES)).counts == (len(LINES), 0, 0)
    with pytest.raises(DeadlinePassedError):
        payment.sent_by_a_stranger()
    town.check_whole(*LINES)


# --------------------------------------------------------------------------------------- what was signed here


def signed(message: Signable) -> SignedMessage:
    domain = Domain.of("RecordRegistry", 1, Address("0x" + "44" * 20))
    return SignedMessage(message=message, domain=domain, signer=message.subject, signature=bytes(65))


def anchoring(root: bytes, *, custodian: Address = CUSTODIAN, deadline: int = DEADLINE) -> SignedMessage:
    return signed(
        SignableAnchorBatch(
            custodian=custodian, root=root, catalogue=CatalogueId(b"\x33" * 32), records=3, deadline=deadline
        )
    )


@pytest.fixture
def loads(tmp_path: Path) -> LoadJournal:
    return LoadJournal(PublicationJournal(tmp_path))


def test_on_its_way__sent_by_himself__as_his_outbox_says(loads: LoadJournal) -> None:
    sent = {(CUSTODIAN, anchoring_intent(ROOT))}
    roots = SentRoots(has_sent=lambda *asked: asked in sent, journal=loads, confirmed_at=lambda: DEADLINE)
    assert roots.on_its_way(CUSTODIAN, ROOT) == OnItsWay(until=None)
    assert roots.on_its_way(CUSTODIAN, b"\x12" * 32) is None


def test_on_its_way__another_pays__until_a_block_at_the_deadline_is_confirmed(loads: LoadJournal) -> None:
    now = [DEADLINE - 1]
    roots = SentRoots(has_sent=lambda *_: False, journal=loads, confirmed_at=lambda: now[0])
    roots.keep(anchoring(b"\x12" * 32))
    roots.keep(anchoring(ROOT, custodian=Address("0x" + "55" * 20)))
    assert roots.on_its_way(CUSTODIAN, ROOT) is None
    roots.keep(anchoring(ROOT))
    assert roots.on_its_way(CUSTODIAN, ROOT) == OnItsWay(until=DEADLINE)
    now[0] = DEADLINE
    assert roots.on_its_way(CUSTODIAN, ROOT) is None


def test_on_its_way__signed_twice__until_the_later_deadline(loads: LoadJournal) -> None:
    roots = SentRoots(has_sent=lambda *_: False, journal=loads, confirmed_at=lambda: DEADLINE)
    for deadline in (DEADLINE + 2, DEADLINE + 1):
        roots.keep(anchoring(ROOT, deadline=deadline))
    assert roots.on_its_way(CUSTODIAN, ROOT) == OnItsWay(until=DEADLINE + 2)


def test_keep__something_else_was_signed__keeps_nothing(loads: LoadJournal) -> None:
    roots = SentRoots(has_sent=lambda *_: False, journal=loads, confirmed_at=lambda: 0)
    roots.keep(
        signed(
            SignableRegister(
                custodian=CUSTODIAN, record_id=RecordId(ROOT), patient=Address("0x" + "55" * 20), deadline=DEADLINE
            )
        )
    )
    assert roots.on_its_way(CUSTODIAN, ROOT) is None
