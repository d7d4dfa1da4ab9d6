"""RecordRegistry.supersede

given the caller's active record
    when a new version takes its place: the old one ended now, the new one is its successor, of the same patient
    when another new version tries too: it is refused
    when the new id is in use, zero, or the old one itself: it is refused
given a record of another custodian, or of nobody
    it is refused
given a superseded or a retracted record
    it is refused, naming the status
given as many versions as 16 bits count
    the last but one can be superseded, the last cannot
given a custodian who is accredited no longer
    a record of somebody else gets no new version, and can be retracted; his own gets one
"""

from __future__ import annotations

import pytest
from evm import CUSTODIAN_KIND, Event, RecordView, RefusedError

pytestmark = pytest.mark.contracts

FIRST, SECOND, THIRD, REASON = b"\xc1" * 32, b"\xc2" * 32, b"\xc3" * 32, b"\xd1" * 32
OWN = b"\xc4" * 32
ACTIVE, SUPERSEDED, RETRACTED = 1, 2, 3


@pytest.fixture
def registered(ledger, actors):
    return ledger.register(actors.custodian, FIRST, actors.patient)


def test_supersede__active_record__takes_its_place(ledger, actors, registered):
    sent = ledger.supersede(actors.custodian, SECOND, FIRST, at=registered.time + 900)

    assert ledger.record(actors.custodian, FIRST) == RecordView(
        actors.patient, registered.time, sent.time, 1, SUPERSEDED
    )
    assert ledger.record(actors.custodian, SECOND) == RecordView(actors.patient, sent.time, 0, 2, ACTIVE)
    assert sent.events == (
        Event(
            "RecordSuperseded",
            {"custodian": actors.custodian, "patient": actors.patient, "recordId": SECOND, "previousId": FIRST},
            ledger.contracts.records.address,
        ),
    )


def test_supersede__again_and_again__counts_the_versions(ledger, actors, registered):
    second = ledger.supersede(actors.custodian, SECOND, FIRST, at=registered.time + 10)
    third = ledger.supersede(actors.custodian, THIRD, SECOND, at=registered.time + 20)

    assert ledger.record(actors.custodian, FIRST).ended_at == second.time
    assert ledger.record(actors.custodian, SECOND) == RecordView(actors.patient, second.time, third.time, 2, SUPERSEDED)
    assert ledger.record(actors.custodian, THIRD) == RecordView(actors.patient, third.time, 0, 3, ACTIVE)


def test_supersede__twice_the_same__the_second_is_refused(ledger, actors, registered):
    ledger.supersede(actors.custodian, SECOND, FIRST)

    with pytest.raises(RefusedError) as refused:
        ledger.supersede(actors.custodian, THIRD, FIRST)

    assert refused.value.args == ("RecordRegistryRecordNotActive", actors.custodian, FIRST, SUPERSEDED)
    with pytest.raises(RefusedError):
        ledger.record(actors.custodian, THIRD)


def test_supersede__retracted_record__is_refused(ledger, actors, registered):
    ledger.retract(actors.custodian, FIRST, REASON)

    with pytest.raises(RefusedError) as refused:
        ledger.supersede(actors.custodian, SECOND, FIRST)

    assert refused.value.args == ("RecordRegistryRecordNotActive", actors.custodian, FIRST, RETRACTED)


@pytest.mark.parametrize("caller", ["stranger", "patient", "other_custodian"])
def test_supersede__record_of_another_custodian__is_refused(ledger, actors, registered, caller):
    with pytest.raises(RefusedError) as refused:
        ledger.supersede(getattr(actors, caller), SECOND, FIRST)

    assert refused.value.args == ("RecordRegistryRecordUnknown", getattr(actors, caller), FIRST)
    assert ledger.record(actors.custodian, FIRST).status == ACTIVE


def test_supersede__own_record_of_the_same_id__leaves_the_other_custodians(ledger, actors, registered):
    ledger.register(actors.stranger, FIRST, actors.stranger)

    ledger.supersede(actors.stranger, SECOND, FIRST)

    assert ledger.record(actors.custodian, FIRST) == RecordView(actors.patient, registered.time, 0, 1, ACTIVE)
    assert ledger.record(actors.stranger, SECOND).patient == actors.stranger


def test_supersede__unknown_record__is_refused(ledger, actors, registered):
    with pytest.raises(RefusedError) as refused:
        ledger.supersede(actors.custodian, THIRD, SECOND)

    assert refused.value.args == ("RecordRegistryRecordUnknown", actors.custodian, SECOND)


def test_supersede__new_id_is_zero__is_refused(ledger, actors, registered):
    with pytest.raises(RefusedError) as refused:
        ledger.supersede(actors.custodian, bytes(32), FIRST)

    assert refused.value.args == ("RecordRegistryRecordIdIsZero",)
    assert ledger.record(actors.custodian, FIRST).status == ACTIVE


@pytest.mark.parametrize("new_id", [FIRST, SECOND], ids=["itself", "another record"])
def test_supersede__new_id_is_in_use__is_refused(ledger, actors, registered, new_id):
    ledger.register(actors.custodian, SECOND, actors.other_patient)

    with pytest.raises(RefusedError) as refused:
        ledger.supersede(actors.custodian, new_id, FIRST)

    assert refused.value.args == ("RecordRegistryRecordExists", actors.custodian, new_id)
    assert ledger.record(actors.custodian, FIRST) == RecordView(actors.patient, registered.time, 0, 1, ACTIVE)


def test_supersede__last_but_one_version__makes_the_last(ledger, actors, registered):
    ledger.store_record(actors.custodian, FIRST, RecordView(actors.patient, registered.time, 0, 0xFFFE, ACTIVE))

    ledger.supersede(actors.custodian, SECOND, FIRST)

    assert ledger.record(actors.custodian, SECOND).version == 0xFFFF


def test_supersede__last_version__is_refused(ledger, actors, registered):
    ledger.store_record(actors.custodian, FIRST, RecordView(actors.patient, registered.time, 0, 0xFFFF, ACTIVE))

    with pytest.raises(RefusedError) as refused:
        ledger.supersede(actors.custodian, SECOND, FIRST)

    assert refused.value.args == ("RecordRegistryVersionsExhausted", actors.custodian, FIRST)


@pytest.mark.parametrize("how", ["withdrawn", "suspended"])
def test_supersede__no_longer_accredited__is_refused_and_retracting_is_not(
    ledger, institutions, actors, registered, how
):
    ledger.register(actors.custodian, OWN, actors.custodian)
    if how == "withdrawn":
        institutions.accredit(actors.member, actors.custodian, CUSTODIAN_KIND, 0)
    else:
        institutions.suspend_accreditation(actors.member, actors.custodian, CUSTODIAN_KIND)

    with pytest.raises(RefusedError) as refused:
        ledger.supersede(actors.custodian, SECOND, FIRST)
    ledger.supersede(actors.custodian, THIRD, OWN)
    ledger.retract(actors.custodian, FIRST, REASON)

    assert refused.value.args == ("RecordRegistryNotAccredited", actors.custodian)
    assert ledger.record(actors.custodian, THIRD).version == 2
