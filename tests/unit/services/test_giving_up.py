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
given what was signed in a home
└─ the outbox, and the journal of each payer, should say whether a root may still arrive
"""

from __future__ import annotations

from pathlib import Path

import pytest
from load_town import LoadTown, faulty, observation, stopped_before_anchoring
from service_doubles import CrashError, Faults

from medshare.errors import CustodianNotAccreditedError, InvalidInputError, LedgerBusyError
from medshare.files import private_folder
from medshare.ingesting import Assigned
from medshare.model.accreditation import AccreditationKind
from medshare.model.eip712 import Domain
from medshare.model.ids import Address, CatalogueId
from medshare.model.record import RecordStatus
from medshare.model.typed_data import SignableAnchorBatch, SignedMessage
from medshare.services.journal import Stage
from medshare.services.load_journal import Batch
from medshare.services.relay_journal import RelayJournal
from medshare.services.sent_roots import SentRoots, anchoring_intent

pytestmark = pytest.mark.unit

LINES = [observation(number, number % 2) for number in range(5)]
ROOT = b"\x11" * 32
CUSTODIAN, PAYER = Address("0x" + "11" * 20), "0x" + "22" * 20


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
    sent = town.rebuilt(may_arrive=lambda custodian, root: asked.append((custodian, root)) or True)
    pins = town.store.pins()
    with pytest.raises(InvalidInputError, match="on its way") as caught:
        sent.give_up(batch.number, town.hospital.actor)
    assert "record resume" in caught.value.hint
    assert asked == [(town.hospital.actor.address, batch.root)]
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


# --------------------------------------------------------------------------------------- what was signed here


def signed(root: bytes, custodian: Address = CUSTODIAN) -> SignedMessage:
    return SignedMessage(
        message=SignableAnchorBatch(
            custodian=custodian, root=root, catalogue=CatalogueId(b"\x33" * 32), records=3, deadline=2_000_000_000
        ),
        domain=Domain.of("RecordRegistry", 1, Address("0x" + "44" * 20)),
        signer=custodian,
        signature=bytes(65),
    )


def test_may_arrive__sent_by_himself__as_his_outbox_says(tmp_path: Path) -> None:
    sent = {(CUSTODIAN, anchoring_intent(ROOT))}
    roots = SentRoots(has_sent=lambda *asked: asked in sent, relays=tmp_path / "relay")
    assert roots.may_arrive(CUSTODIAN, ROOT)
    assert not roots.may_arrive(CUSTODIAN, b"\x12" * 32)


def test_may_arrive__another_pays__as_long_as_nobody_knows_what_became_of_it(tmp_path: Path) -> None:
    folder = private_folder(tmp_path / "relay" / PAYER)
    journal = RelayJournal(folder / "relay.sqlite")
    roots = SentRoots(has_sent=lambda *_: False, relays=tmp_path / "relay")
    assert not roots.may_arrive(CUSTODIAN, ROOT)
    journal.begin("relay/1", [signed(b"\x12" * 32), signed(ROOT, Address("0x" + "55" * 20))])
    assert not roots.may_arrive(CUSTODIAN, ROOT)
    journal.begin("relay/2", [signed(ROOT)])
    assert roots.may_arrive(CUSTODIAN, ROOT)
    journal.abandon("relay/2")
    assert not roots.may_arrive(CUSTODIAN, ROOT)
