"""RecordRegistry.register

given a record id that the caller has not used
    it is version 1, active, of this patient, since this block
    whether or not anybody else, the first to see the id included, has registered it too
given a record id that the caller has used, whatever became of it
    it is refused, for any patient
given no record id, or no patient
    it is refused
given who is no accredited custodian: never was, no longer is, is suspended, or his member has lost its seat
    a record of somebody else is refused, his own is not
given a custodian or an id that is not known
    the question is refused
"""

from __future__ import annotations

import pytest
from evm import CUSTODIAN_KIND, RESEARCHER_KIND, ZERO_ADDRESS, Event, RecordView, RefusedError
from institutions import INSTITUTIONS

pytestmark = pytest.mark.contracts

RECORD, OTHER_RECORD, REASON = b"\xc1" * 32, b"\xc2" * 32, b"\xd1" * 32
ACTIVE = 1


def test_register__first__is_active_version_one_since_this_block(ledger, actors):
    sent = ledger.register(actors.custodian, RECORD, actors.patient)

    assert ledger.record(actors.custodian, RECORD) == RecordView(actors.patient, sent.time, 0, 1, ACTIVE)
    assert sent.events == (
        Event(
            "RecordRegistered",
            {"custodian": actors.custodian, "patient": actors.patient, "recordId": RECORD},
            ledger.contracts.records.address,
        ),
    )


def test_register__squatter_came_first__the_custodian_is_not_blocked(ledger, actors):
    squatted = ledger.register(actors.stranger, RECORD, actors.stranger)

    sent = ledger.register(actors.custodian, RECORD, actors.patient)

    assert ledger.record(actors.custodian, RECORD) == RecordView(actors.patient, sent.time, 0, 1, ACTIVE)
    assert ledger.record(actors.stranger, RECORD) == RecordView(actors.stranger, squatted.time, 0, 1, ACTIVE)


def test_register__two_custodians__each_speaks_for_himself(ledger, actors):
    ledger.register(actors.custodian, RECORD, actors.patient)
    ledger.register(actors.other_custodian, RECORD, actors.other_patient)

    assert ledger.record(actors.custodian, RECORD).patient == actors.patient
    assert ledger.record(actors.other_custodian, RECORD).patient == actors.other_patient


def test_register__two_records_of_one_patient__both_stand(ledger, actors):
    first = ledger.register(actors.custodian, RECORD, actors.patient)
    second = ledger.register(actors.custodian, OTHER_RECORD, actors.patient, at=first.time + 500)

    assert ledger.record(actors.custodian, RECORD).registered_at == first.time
    assert ledger.record(actors.custodian, OTHER_RECORD).registered_at == second.time


def test_register__custodian_is_the_patient__is_allowed(ledger, actors):
    ledger.register(actors.patient, RECORD, actors.patient)

    assert ledger.record(actors.patient, RECORD).patient == actors.patient


@pytest.mark.parametrize("patient", ["patient", "other_patient"])
def test_register__active_record__is_refused_for_any_patient(ledger, actors, patient):
    first = ledger.register(actors.custodian, RECORD, actors.patient)

    with pytest.raises(RefusedError) as refused:
        ledger.register(actors.custodian, RECORD, getattr(actors, patient))

    assert refused.value.args == ("RecordRegistryRecordExists", actors.custodian, RECORD)
    assert ledger.record(actors.custodian, RECORD) == RecordView(actors.patient, first.time, 0, 1, ACTIVE)


def test_register__retracted_record__is_refused(ledger, actors):
    ledger.register(actors.custodian, RECORD, actors.patient)
    ledger.retract(actors.custodian, RECORD, REASON)
    before = ledger.record(actors.custodian, RECORD)

    with pytest.raises(RefusedError) as refused:
        ledger.register(actors.custodian, RECORD, actors.patient)

    assert refused.value.args == ("RecordRegistryRecordExists", actors.custodian, RECORD)
    assert ledger.record(actors.custodian, RECORD) == before


def test_register__superseded_record__is_refused(ledger, actors):
    ledger.register(actors.custodian, RECORD, actors.patient)
    ledger.supersede(actors.custodian, OTHER_RECORD, RECORD)

    with pytest.raises(RefusedError) as refused:
        ledger.register(actors.custodian, RECORD, actors.patient)

    assert refused.value.args == ("RecordRegistryRecordExists", actors.custodian, RECORD)


def test_register__record_id_is_zero__is_refused(ledger, actors):
    with pytest.raises(RefusedError) as refused:
        ledger.register(actors.custodian, bytes(32), actors.patient)

    assert refused.value.args == ("RecordRegistryRecordIdIsZero",)


def test_register__patient_is_zero__is_refused(ledger, actors):
    with pytest.raises(RefusedError) as refused:
        ledger.register(actors.custodian, RECORD, ZERO_ADDRESS)

    assert refused.value.args == ("RecordRegistryPatientIsZero",)


def test_get_record__nobody_registered_it__is_refused(ledger, actors):
    with pytest.raises(RefusedError) as refused:
        ledger.record(actors.custodian, RECORD)

    assert refused.value.args == ("RecordRegistryRecordUnknown", actors.custodian, RECORD)


def test_get_record__another_custodian_registered_it__is_refused(ledger, actors):
    ledger.register(actors.custodian, RECORD, actors.patient)

    with pytest.raises(RefusedError) as refused:
        ledger.record(actors.other_custodian, RECORD)

    assert refused.value.args == ("RecordRegistryRecordUnknown", actors.other_custodian, RECORD)


@pytest.mark.parametrize("time", [2**32 - 2, 2**32 - 1])
def test_register__at_the_last_seconds_that_fit__keeps_the_time(ledger, actors, time):
    ledger.register(actors.custodian, RECORD, actors.patient, at=time)

    assert ledger.record(actors.custodian, RECORD).registered_at == time


# ----------------------------------------------------------------------------------------------- accredited or not


@pytest.mark.parametrize("who", ["stranger", "doctor", "researcher", "member", "deployer"])
def test_register__not_accredited_as_custodian__is_refused_and_his_own_is_not(ledger, actors, who):
    caller = getattr(actors, who)

    with pytest.raises(RefusedError) as refused:
        ledger.register(caller, RECORD, actors.patient)
    ledger.register(caller, RECORD, caller)

    assert refused.value.args == ("RecordRegistryNotAccredited", caller)
    assert ledger.record(caller, RECORD).patient == caller


def test_register__accredited_as_something_else__is_refused(ledger, institutions, actors):
    institutions.accredit(actors.member, actors.stranger, RESEARCHER_KIND)

    with pytest.raises(RefusedError) as refused:
        ledger.register(actors.stranger, RECORD, actors.patient)

    assert refused.value.args == ("RecordRegistryNotAccredited", actors.stranger)


@pytest.mark.parametrize(("before", "is_done"), [(1, True), (0, False)])
def test_register__around_the_end_of_the_accreditation__no_longer_at_it(ledger, institutions, actors, before, is_done):
    end = ledger.chain.now + 1000
    institutions.accredit(actors.member, actors.stranger, CUSTODIAN_KIND, end)

    if is_done:
        ledger.register(actors.stranger, RECORD, actors.patient, at=end - before)
    else:
        with pytest.raises(RefusedError) as refused:
            ledger.register(actors.stranger, RECORD, actors.patient, at=end - before)
        assert refused.value.args == ("RecordRegistryNotAccredited", actors.stranger)


def test_register__suspended__is_refused_until_it_is_lifted(ledger, institutions, actors):
    institutions.suspend_accreditation(actors.member, actors.custodian, CUSTODIAN_KIND)
    with pytest.raises(RefusedError) as refused:
        ledger.register(actors.custodian, RECORD, actors.patient)
    institutions.reinstate_accreditation(actors.member, actors.custodian, CUSTODIAN_KIND)

    ledger.register(actors.custodian, RECORD, actors.patient)

    assert refused.value.args == ("RecordRegistryNotAccredited", actors.custodian)


def test_register__his_member_lost_its_seat__is_refused(ledger, institutions, actors):
    institutions.decide([actors.member], institutions.call("admit", INSTITUTIONS[0]))
    both = [actors.member, INSTITUTIONS[0]]
    institutions.decide(both, institutions.call("suspend", actors.member))

    with pytest.raises(RefusedError) as refused:
        ledger.register(actors.custodian, RECORD, actors.patient)

    assert refused.value.args == ("RecordRegistryNotAccredited", actors.custodian)
