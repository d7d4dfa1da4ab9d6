"""The contracts' rules as a state machine: each refusal, and replay.

given any history of verbs
├─ when its events are applied to an empty model, the state is the same
├─ when a verb is refused, nothing has changed
└─ when stamps and epochs come to 255, everything can still be revoked, and nothing granted
"""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
from founded import MEMBER, founded
from hypothesis import given
from hypothesis import strategies as st

from medshare.errors import (
    CustodianNotAccreditedError,
    EncryptionKeyIsZeroError,
    EncryptionKeyNotSetError,
    EncryptionKeyUnchangedError,
    GranteeIsPatientError,
    GranteeIsZeroError,
    GrantExhaustedError,
    GrantIdTakenError,
    NotAllowedToActError,
    PatientExhaustedError,
    PatientIsZeroError,
    PeriodEmptyError,
    PurposesEmptyError,
    RecordExistsError,
    RecordIdIsZeroError,
    RecordNotActiveError,
    RejectedError,
    UnknownGrantError,
    UnknownRecordError,
    VersionsExhaustedError,
)
from medshare.hashing import sha256
from medshare.model.accreditation import AccreditationKind
from medshare.model.consent import MAX_TIME, GrantRequest
from medshare.model.events import BlockRef, EventPlace
from medshare.model.ids import ZERO_ADDRESS, BundleId, RecordId, TermsDigest, address, derive_grant_id
from medshare.model.ledger import LAST_COUNT, LAST_VERSION, LedgerModel
from medshare.model.purpose import Purpose
from medshare.model.record import RecordStatus

pytestmark = pytest.mark.unit

PATIENT, DOCTOR, HOSPITAL, CLINIC = ACTORS = tuple(address("0x" + f"{number:02x}" * 20) for number in range(1, 5))
DIGESTS = tuple(sha256(bytes([number])) for number in range(4))
ONE, TWO, THREE, _ = (RecordId(digest) for digest in DIGESTS)
ZERO = bytes(32)
NOW = 1_000


def at(time: int = NOW, number: int = 1) -> EventPlace:
    return EventPlace(block=BlockRef(number=number, hash=sha256(b"%d" % number), time=time), log_index=0, tx_hash=ZERO)


def request(**change) -> GrantRequest:
    usual = {
        "grantee": DOCTOR,
        "terms": TermsDigest(DIGESTS[0]),
        "bundle": BundleId(DIGESTS[1]),
        "not_before": 0,
        "expires_at": NOW + 100,
        "purposes": Purpose.TREAT,
    }
    return GrantRequest(**{**usual, **change})


actors = st.sampled_from((*ACTORS, ZERO_ADDRESS))
digests = st.sampled_from((*DIGESTS, ZERO))
requests = st.builds(
    request,
    grantee=actors,
    terms=digests.map(TermsDigest),
    not_before=st.integers(0, NOW + 60),
    expires_at=st.integers(NOW - 5, NOW + 90),
    purposes=st.integers(0, 3).map(Purpose),
)
grant_ids = st.builds(derive_grant_id, actors, actors, digests.map(TermsDigest))
verbs = st.one_of(
    st.tuples(st.just("set_encryption_key"), actors, digests),
    st.tuples(st.just("register"), actors, digests, actors),
    st.tuples(st.just("supersede"), actors, digests, digests),
    st.tuples(st.just("retract"), actors, digests, digests),
    st.tuples(st.just("grant"), actors, requests),
    st.tuples(st.just("revoke"), actors, grant_ids),
    st.tuples(st.just("revoke_all"), actors, actors),
)


@given(history=st.lists(st.tuples(verbs, st.integers(0, 10)), max_size=40))
def test_apply__own_events_of_any_history__rebuild_the_state(history) -> None:
    model, replayed, time = founded(HOSPITAL), founded(HOSPITAL), NOW
    for number, ((verb, *arguments), pause) in enumerate(history):
        time += pause
        before = copy.deepcopy(model)
        try:
            events = getattr(model, verb)(*arguments, at(time, number))
        except RejectedError:
            assert model == before, "a refused verb changed the state"
            continue
        for event in events:
            assert event.place.block.time == time
            replayed.apply(event)
        assert replayed == model


def test_set_encryption_key__zero_or_unchanged__is_refused_and_others_count_up() -> None:
    model = founded(HOSPITAL, CLINIC)
    with pytest.raises(EncryptionKeyNotSetError):
        model.encryption_key(PATIENT)
    with pytest.raises(EncryptionKeyIsZeroError):
        model.set_encryption_key(PATIENT, ZERO, at())
    for version in (1, 2, 3):
        (event,) = model.set_encryption_key(PATIENT, DIGESTS[version], at(NOW + version))
        assert event.version == model.encryption_key(PATIENT).version == version
        assert model.encryption_key(PATIENT).set_at == NOW + version
        with pytest.raises(EncryptionKeyUnchangedError):
            model.set_encryption_key(PATIENT, DIGESTS[version], at())
    assert model.set_encryption_key(PATIENT, DIGESTS[1], at())[0].version == 4


def test_register__twice_or_zero__is_refused_and_another_custodian_may() -> None:
    model = founded(HOSPITAL, CLINIC)
    with pytest.raises(PatientIsZeroError):
        model.register(HOSPITAL, ONE, ZERO_ADDRESS, at())
    with pytest.raises(RecordIdIsZeroError):
        model.register(HOSPITAL, RecordId(ZERO), PATIENT, at())
    model.register(HOSPITAL, ONE, PATIENT, at())
    with pytest.raises(RecordExistsError):
        model.register(HOSPITAL, ONE, DOCTOR, at())
    model.register(CLINIC, ONE, DOCTOR, at())
    assert model.record(HOSPITAL, ONE).patient == PATIENT
    assert model.record(CLINIC, ONE).patient == DOCTOR
    with pytest.raises(UnknownRecordError):
        model.record(DOCTOR, ONE)


def test_register__by_who_is_not_accredited__his_own_alone() -> None:
    model = founded()
    with pytest.raises(CustodianNotAccreditedError) as caught:
        model.register(HOSPITAL, ONE, PATIENT, at())
    assert caught.value.custodian == HOSPITAL
    model.register(PATIENT, ONE, PATIENT, at())
    model.supersede(PATIENT, TWO, ONE, at())
    model.retract(PATIENT, ONE, ZERO, at())


def test_supersede__no_longer_accredited__is_refused_and_retracting_is_not() -> None:
    model = founded(HOSPITAL)
    model.register(HOSPITAL, ONE, PATIENT, at())
    model.accredit(MEMBER, HOSPITAL, AccreditationKind.CUSTODIAN, 0, at())
    with pytest.raises(CustodianNotAccreditedError):
        model.supersede(HOSPITAL, TWO, ONE, at())
    model.retract(HOSPITAL, ONE, ZERO, at())


def test_supersede__a_line_of_versions__each_once_and_only_the_active_one() -> None:
    model = founded(HOSPITAL, CLINIC)
    with pytest.raises(UnknownRecordError):
        model.supersede(HOSPITAL, TWO, ONE, at())
    model.register(HOSPITAL, ONE, PATIENT, at(NOW))
    with pytest.raises(RecordExistsError):
        model.supersede(HOSPITAL, ONE, ONE, at())
    with pytest.raises(RecordIdIsZeroError):
        model.supersede(HOSPITAL, RecordId(ZERO), ONE, at())
    model.supersede(HOSPITAL, TWO, ONE, at(NOW + 5))
    old, new = model.record(HOSPITAL, ONE), model.record(HOSPITAL, TWO)
    assert (old.status, old.ended_at, old.version) == (RecordStatus.SUPERSEDED, NOW + 5, 1)
    assert (new.status, new.ended_at, new.version, new.patient) == (RecordStatus.ACTIVE, 0, 2, PATIENT)
    with pytest.raises(RecordNotActiveError):
        model.supersede(HOSPITAL, THREE, ONE, at())
    model.retract(HOSPITAL, TWO, ZERO, at())
    with pytest.raises(RecordNotActiveError):
        model.supersede(HOSPITAL, THREE, TWO, at())


def test_supersede__the_last_version_that_can_be_counted__is_refused() -> None:
    model = founded(HOSPITAL, CLINIC)
    model.register(HOSPITAL, ONE, PATIENT, at())
    model.records[HOSPITAL, ONE] = replace(model.record(HOSPITAL, ONE), version=LAST_VERSION - 1)
    model.supersede(HOSPITAL, TWO, ONE, at())
    assert model.record(HOSPITAL, TWO).version == LAST_VERSION
    with pytest.raises(VersionsExhaustedError):
        model.supersede(HOSPITAL, THREE, TWO, at())


def test_retract__superseded_before__keeps_the_time_it_ended_first() -> None:
    model = founded(HOSPITAL, CLINIC)
    model.register(HOSPITAL, ONE, PATIENT, at(NOW))
    model.supersede(HOSPITAL, TWO, ONE, at(NOW + 5))
    model.retract(HOSPITAL, ONE, ZERO, at(NOW + 9))
    entry = model.record(HOSPITAL, ONE)
    assert (entry.status, entry.ended_at) == (RecordStatus.RETRACTED, NOW + 5)
    with pytest.raises(RecordNotActiveError):
        model.retract(HOSPITAL, ONE, ZERO, at())
    with pytest.raises(UnknownRecordError):
        model.retract(CLINIC, ONE, ZERO, at())


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"grantee": ZERO_ADDRESS}, GranteeIsZeroError),
        ({"grantee": PATIENT}, GranteeIsPatientError),
        ({"purposes": Purpose(0)}, PurposesEmptyError),
        ({"expires_at": NOW}, PeriodEmptyError),
        ({"expires_at": NOW - 1}, PeriodEmptyError),
        ({"not_before": NOW + 50, "expires_at": NOW + 50}, PeriodEmptyError),
    ],
    ids=str,
)
def test_grant__that_could_not_be__is_refused(change: dict, error: type) -> None:
    model = founded(HOSPITAL, CLINIC)
    with pytest.raises(error):
        model.grant(PATIENT, request(**change), at())
    assert model == founded(HOSPITAL, CLINIC)


def test_grant__dates__begin_no_earlier_than_the_block() -> None:
    model = founded(HOSPITAL, CLINIC)
    now = model.grant(PATIENT, request(not_before=5), at())[0].grant
    later = model.grant(PATIENT, request(not_before=NOW + 7, expires_at=MAX_TIME), at())[0].grant
    assert (now.not_before, later.not_before, later.expires_at) == (NOW, NOW + 7, MAX_TIME)
    assert (now.epoch, later.epoch) == (1, 2)
    assert now.grant_id == later.grant_id
    assert [model.is_live(later.grant_id, Purpose.TREAT, time) for time in (NOW + 6, NOW + 7, MAX_TIME)] == [
        False,
        True,
        False,
    ]


def test_grant__two_grantees_meet_in_one_id__is_refused() -> None:
    model = founded(HOSPITAL, CLINIC)
    granted = model.grant(PATIENT, request(), at())[0].grant
    model.grants[granted.grant_id] = replace(granted, grantee=CLINIC)
    with pytest.raises(GrantIdTakenError) as caught:
        model.grant(PATIENT, request(), at())
    assert caught.value.grantee == CLINIC


def test_revoke__in_advance__burns_nothing_and_is_no_grant() -> None:
    model = founded(HOSPITAL, CLINIC)
    grant_id = derive_grant_id(PATIENT, DOCTOR, TermsDigest(DIGESTS[0]))
    with pytest.raises(UnknownGrantError):
        model.get_grant(grant_id)
    assert not model.is_live(grant_id, Purpose.TREAT, NOW)
    with pytest.raises(NotAllowedToActError):
        model.revoke(DOCTOR, grant_id, at())
    model.revoke(PATIENT, grant_id, at())
    assert model.get_grant(grant_id).grantee == ZERO_ADDRESS
    assert not model.is_live(grant_id, Purpose.TREAT, NOW)
    granted = model.grant(PATIENT, request(), at())[0].grant
    assert (granted.epoch, granted.grantee) == (2, DOCTOR)
    assert model.is_live(grant_id, Purpose.TREAT, NOW)


def test_is_live__no_purpose__is_refused() -> None:
    with pytest.raises(PurposesEmptyError):
        LedgerModel().is_live(derive_grant_id(PATIENT, DOCTOR, TermsDigest(ZERO)), Purpose(0), NOW)


def test_epoch__comes_to_its_end__the_last_can_be_revoked_and_none_granted() -> None:
    model = founded(HOSPITAL, CLINIC)
    for epoch in range(1, LAST_COUNT):
        assert model.grant(PATIENT, request(), at())[0].grant.epoch == epoch
    grant_id = derive_grant_id(PATIENT, DOCTOR, TermsDigest(DIGESTS[0]))
    with pytest.raises(GrantExhaustedError):
        model.grant(PATIENT, request(), at())
    assert model.is_live(grant_id, Purpose.TREAT, NOW)
    for _ in range(3):
        model.revoke(PATIENT, grant_id, at())
        assert model.get_grant(grant_id).epoch == LAST_COUNT
        assert not model.is_live(grant_id, Purpose.TREAT, NOW)
    with pytest.raises(GrantExhaustedError):
        model.grant(PATIENT, request(), at())
    assert model.grant(PATIENT, request(terms=TermsDigest(DIGESTS[3])), at())[0].grant.epoch == 1


def test_stamp__comes_to_its_end__everything_is_revoked_and_nothing_granted() -> None:
    model = founded(HOSPITAL, CLINIC)
    for stamp in range(1, LAST_COUNT + 1):
        if stamp < LAST_COUNT:
            assert model.revoke_all(PATIENT, PATIENT, at())[0].stamp == stamp
    last = model.grant(PATIENT, request(), at())[0].grant
    assert last.stamp == LAST_COUNT - 1
    assert model.is_live(last.grant_id, Purpose.TREAT, NOW)
    for _ in range(3):
        assert model.revoke_all(PATIENT, PATIENT, at())[0].stamp == LAST_COUNT
        assert not model.is_live(last.grant_id, Purpose.TREAT, NOW)
    with pytest.raises(PatientExhaustedError):
        model.grant(PATIENT, request(terms=TermsDigest(DIGESTS[2])), at())
    assert model.stamp(DOCTOR) == 0
    model.grant(DOCTOR, request(grantee=PATIENT), at())
