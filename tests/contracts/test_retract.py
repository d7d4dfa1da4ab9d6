"""RecordRegistry.retract

given the caller's active record
    it is retracted, and ended now
given his superseded record
    it is retracted, and ended when it was superseded; its successor stays active
given his retracted record
    it is refused
given a record of another custodian, or of nobody
    it is refused
"""

from __future__ import annotations

import pytest
from evm import Event, RecordView, RefusedError

pytestmark = pytest.mark.contracts

RECORD, SECOND, REASON = b"\xc1" * 32, b"\xc2" * 32, b"\xd1" * 32
ACTIVE, SUPERSEDED, RETRACTED = 1, 2, 3


@pytest.fixture
def registered(ledger, actors):
    return ledger.register(actors.custodian, RECORD, actors.patient)


def test_retract__active_record__ends_it_now(ledger, actors, registered):
    sent = ledger.retract(actors.custodian, RECORD, REASON, at=registered.time + 70)

    assert ledger.record(actors.custodian, RECORD) == RecordView(
        actors.patient, registered.time, sent.time, 1, RETRACTED
    )
    assert sent.events == (
        Event(
            "RecordRetracted",
            {"custodian": actors.custodian, "recordId": RECORD, "reason": REASON},
            ledger.contracts.records.address,
        ),
    )


def test_retract__superseded_record__keeps_its_first_end(ledger, actors, registered):
    superseded = ledger.supersede(actors.custodian, SECOND, RECORD, at=registered.time + 70)

    ledger.retract(actors.custodian, RECORD, REASON, at=registered.time + 140)

    assert ledger.record(actors.custodian, RECORD) == RecordView(
        actors.patient, registered.time, superseded.time, 1, RETRACTED
    )
    assert ledger.record(actors.custodian, SECOND) == RecordView(actors.patient, superseded.time, 0, 2, ACTIVE)


def test_retract__new_version__leaves_the_old_one_superseded(ledger, actors, registered):
    ledger.supersede(actors.custodian, SECOND, RECORD)

    sent = ledger.retract(actors.custodian, SECOND, REASON)

    assert ledger.record(actors.custodian, RECORD).status == SUPERSEDED
    assert ledger.record(actors.custodian, SECOND) == RecordView(actors.patient, sent.time - 1, sent.time, 2, RETRACTED)


def test_retract__twice__the_second_is_refused(ledger, actors, registered):
    ledger.retract(actors.custodian, RECORD, REASON)
    before = ledger.record(actors.custodian, RECORD)

    with pytest.raises(RefusedError) as refused:
        ledger.retract(actors.custodian, RECORD, REASON)

    assert refused.value.args == ("RecordRegistryRecordNotActive", actors.custodian, RECORD, RETRACTED)
    assert ledger.record(actors.custodian, RECORD) == before


@pytest.mark.parametrize("caller", ["stranger", "patient", "other_custodian"])
def test_retract__record_of_another_custodian__is_refused(ledger, actors, registered, caller):
    with pytest.raises(RefusedError) as refused:
        ledger.retract(getattr(actors, caller), RECORD, REASON)

    assert refused.value.args == ("RecordRegistryRecordUnknown", getattr(actors, caller), RECORD)
    assert ledger.record(actors.custodian, RECORD).status == ACTIVE


def test_retract__own_record_of_the_same_id__leaves_the_other_custodians(ledger, actors, registered):
    ledger.register(actors.stranger, RECORD, actors.stranger)

    ledger.retract(actors.stranger, RECORD, REASON)

    assert ledger.record(actors.custodian, RECORD) == RecordView(actors.patient, registered.time, 0, 1, ACTIVE)


def test_retract__unknown_record__is_refused(ledger, actors, registered):
    with pytest.raises(RefusedError) as refused:
        ledger.retract(actors.custodian, SECOND, REASON)

    assert refused.value.args == ("RecordRegistryRecordUnknown", actors.custodian, SECOND)


@pytest.mark.parametrize("reason", [bytes(32), b"\xff" * 32])
def test_retract__any_reason_digest__is_told_as_given(ledger, actors, registered, reason):
    sent = ledger.retract(actors.custodian, RECORD, reason)

    assert [event.values["reason"] for event in sent.events] == [reason]
