"""One meaning of consent: who, what, for which purpose, when, and not revoked.

given grants with their terms
├─ when one of them is the reader's, names record and purpose, and is live, it permits
├─ when none permits, the one that came nearest says why
├─ when terms are written and read, they are the same, and so is their digest
└─ when terms are not those of the grant, no consent can be made of the two
"""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medshare.errors import AccessDeniedError, InvalidInputError
from medshare.model.consent import (
    MAX_RECORDS,
    Consent,
    Decision,
    Grant,
    Reason,
    RecordRef,
    Terms,
    decide,
    liveness,
)
from medshare.model.ids import RecordId, address, derive_grant_id, patient_of
from medshare.model.purpose import Purpose

pytestmark = pytest.mark.unit

PATIENT, DOCTOR, STRANGER, HOSPITAL, CLINIC = (address("0x" + f"{number:02x}" * 20) for number in range(1, 6))
ONE, TWO = (RecordRef(custodian=HOSPITAL, record_id=RecordId(bytes([number]) * 32)) for number in (1, 2))
ONE_ELSEWHERE = replace(ONE, custodian=CLINIC)
BEGIN, END = 1_000, 2_000


def consent(
    *,
    grantee=DOCTOR,
    records=(ONE,),
    purposes=Purpose.TREAT,
    on_chain=None,
    begin=BEGIN,
    end=END,
    revoked=False,
    stamp=0,
    stamp_now=0,
    salt=b"\1" * 32,
) -> Consent:
    terms = Terms(patient=PATIENT, grantee=grantee, purposes=purposes, records=tuple(records), salt=salt)
    grant = Grant(
        grant_id=terms.grant_id(),
        grantee=grantee,
        not_before=begin,
        expires_at=end,
        purposes=Purpose(0) if revoked else (purposes if on_chain is None else on_chain),
        stamp=stamp,
        epoch=1,
    )
    return Consent(grant=grant, terms=terms, stamp=stamp_now)


def ask(*consents: Consent, record=ONE, purpose=Purpose.TREAT, reader=DOCTOR, now=BEGIN) -> Decision:
    return decide(consents, record=record, purpose=purpose, reader=reader, now=now)


@pytest.mark.parametrize(
    ("given_", "asked", "reason"),
    [
        ({}, {}, Reason.PERMITTED),
        ({}, {"now": END - 1}, Reason.PERMITTED),
        ({}, {"now": BEGIN - 1}, Reason.NOT_YET),
        ({}, {"now": END}, Reason.EXPIRED),
        ({}, {"now": 1 << 40}, Reason.EXPIRED),
        ({}, {"reader": STRANGER}, Reason.OTHER_READER),
        ({}, {"reader": PATIENT}, Reason.OTHER_READER),
        ({}, {"record": TWO}, Reason.RECORD_NOT_COVERED),
        ({}, {"record": ONE_ELSEWHERE}, Reason.RECORD_NOT_COVERED),
        ({"records": (ONE, TWO)}, {"record": TWO}, Reason.PERMITTED),
        ({}, {"purpose": Purpose.HRESCH}, Reason.PURPOSE_NOT_GRANTED),
        ({}, {"purpose": Purpose.ETREAT}, Reason.PURPOSE_NOT_GRANTED),
        ({}, {"purpose": Purpose.TREAT | Purpose.HRESCH}, Reason.PURPOSE_NOT_GRANTED),
        ({}, {"purpose": Purpose(0)}, Reason.PURPOSE_NOT_GRANTED),
        ({"purposes": Purpose.ETREAT}, {}, Reason.PURPOSE_NOT_GRANTED),
        ({"purposes": Purpose.TREAT | Purpose.HRESCH}, {"purpose": Purpose.HRESCH}, Reason.PERMITTED),
        ({"purposes": Purpose.TREAT | Purpose.HRESCH, "on_chain": Purpose.TREAT}, {}, Reason.PERMITTED),
        (
            {"purposes": Purpose.TREAT | Purpose.HRESCH, "on_chain": Purpose.TREAT},
            {"purpose": Purpose.HRESCH},
            Reason.PURPOSE_NOT_GRANTED,
        ),
        ({"on_chain": Purpose.TREAT | Purpose.HRESCH}, {"purpose": Purpose.HRESCH}, Reason.PURPOSE_NOT_GRANTED),
        ({"revoked": True}, {}, Reason.REVOKED),
        ({"revoked": True}, {"now": END}, Reason.REVOKED),
        ({"stamp_now": 1}, {}, Reason.REVOKED),
        ({"stamp": 1, "stamp_now": 1}, {}, Reason.PERMITTED),
        ({"stamp": 1, "stamp_now": 0}, {}, Reason.REVOKED),
        ({"stamp_now": 1, "begin": END - 1}, {}, Reason.REVOKED),
        ({"revoked": True}, {"record": TWO}, Reason.RECORD_NOT_COVERED),
        ({"revoked": True}, {"purpose": Purpose.HRESCH}, Reason.PURPOSE_NOT_GRANTED),
    ],
    ids=str,
)
def test_decide__one_grant__falls_for_its_reason(given_: dict, asked: dict, reason: Reason) -> None:
    given_consent = consent(**given_)
    decision = ask(given_consent, **asked)
    assert decision.reason is reason
    assert decision.permitted == (reason is Reason.PERMITTED)
    assert decision.grant == given_consent.grant
    assert (decision.at, decision.block) == (asked.get("now", BEGIN), None)


def test_decide__no_grant__says_so() -> None:
    decision = ask()
    assert decision.reason is Reason.NO_GRANT
    assert decision.grant is None


NEAREST_LAST = [
    (Reason.OTHER_READER, consent(grantee=STRANGER)),
    (Reason.RECORD_NOT_COVERED, consent(records=(TWO,))),
    (Reason.PURPOSE_NOT_GRANTED, consent(purposes=Purpose.HRESCH)),
    (Reason.REVOKED, consent(revoked=True)),
    (Reason.EXPIRED, consent(end=BEGIN)),
    (Reason.NOT_YET, consent(begin=END)),
    (Reason.PERMITTED, consent(salt=b"\2" * 32)),
]


@pytest.mark.parametrize("count", range(1, len(NEAREST_LAST) + 1))
def test_decide__several_grants_in_any_order__the_nearest_speaks(count: int) -> None:
    reason, nearest = NEAREST_LAST[count - 1]
    others = [each for _, each in NEAREST_LAST[:count]]
    orders = permutations(others) if count < 5 else [others, others[::-1], others[2:] + others[:2]]
    for order in orders:
        decision = ask(*order)
        assert decision.reason is reason
        assert decision.grant == nearest.grant


purposes = st.integers(0, 7).map(Purpose)
consents = st.builds(
    consent,
    grantee=st.sampled_from([DOCTOR, STRANGER]),
    records=st.sampled_from([(ONE,), (TWO,), (ONE, TWO), (ONE_ELSEWHERE,)]),
    purposes=st.integers(1, 7).map(Purpose),
    on_chain=st.none() | purposes,
    begin=st.integers(0, 6),
    end=st.integers(0, 6),
    revoked=st.booleans(),
    stamp=st.integers(0, 1),
    stamp_now=st.integers(0, 1),
)


@given(
    held=st.lists(consents, max_size=5),
    record=st.sampled_from([ONE, TWO, ONE_ELSEWHERE]),
    purpose=purposes,
    reader=st.sampled_from([DOCTOR, STRANGER, PATIENT]),
    now=st.integers(0, 6),
)
def test_decide__any_grants__permits_if_and_only_if_one_of_them_does(held, record, purpose, reader, now) -> None:
    """Spelled out bit by bit and second by second, and not as the code says it."""

    def permits(each: Consent) -> bool:
        wanted = set(purpose.codes)
        return (
            each.grant.grantee == reader
            and any(named == record for named in each.terms.records)
            and bool(wanted)
            and wanted <= set(each.terms.purposes.codes)
            and wanted <= set(each.grant.purposes.codes)
            and each.grant.stamp == each.stamp
            and now in range(each.grant.not_before, each.grant.expires_at)
        )

    decision = decide(held, record=record, purpose=purpose, reader=reader, now=now)
    assert decision.permitted == any(permits(each) for each in held)
    if decision.permitted:
        assert any(permits(each) and each.grant == decision.grant for each in held)
    assert (decision.reason is Reason.NO_GRANT) == (not held)
    assert decision.explain().startswith("permitted" if decision.permitted else "denied")


@given(
    held=consents,
    purpose=purposes,
    now=st.integers(0, 6),
)
def test_liveness__any_grant__never_outlives_decide(held: Consent, purpose: Purpose, now: int) -> None:
    live = liveness(held.grant, stamp=held.stamp, purpose=purpose, now=now) is Reason.PERMITTED
    decision = decide([held], record=held.terms.records[0], purpose=purpose, reader=held.grant.grantee, now=now)
    covered = purpose & held.terms.purposes == purpose
    assert decision.permitted == (live and covered)


# ------------------------------------------------------------------------------------------------ in words


def test_explain__permitted__names_purpose_time_and_block() -> None:
    said = replace(ask(consent(), purpose=Purpose.TREAT), block=7).explain()
    assert said == ("permitted for TREAT: the patient's grant permits it (as of 1970-01-01 00:16:40 UTC, block 7)")


def test_explain__expired_or_not_yet__says_since_or_until_when() -> None:
    assert "expired on 1970-01-01 00:33:20 UTC" in ask(consent(), now=END).explain()
    assert "begins on 1970-01-01 00:16:40 UTC" in ask(consent(), now=0).explain()
    assert "(as of 1970-01-01 00:00:00 UTC)" in ask(consent(), now=0).explain()


@pytest.mark.parametrize("reason", Reason)
def test_explain_and_advice__each_reason__has_words(reason: Reason) -> None:
    decision = Decision(reason=reason, reader=DOCTOR, purpose=Purpose.TREAT | Purpose.HRESCH, at=0)
    assert len(decision.explain()) > 40
    assert "for TREAT,HRESCH" in decision.explain()
    assert bool(decision.advice()) != decision.permitted
    if not decision.permitted:
        error = AccessDeniedError(decision)
        assert (str(error), error.hint, error.decision) == (decision.explain(), decision.advice(), decision)


def test_explain__each_reason__is_told_apart() -> None:
    said = {Decision(reason=reason, reader=DOCTOR, purpose=Purpose.TREAT, at=0).explain() for reason in Reason}
    assert len(said) == len(Reason)


# --------------------------------------------------------------------------------------------------- terms

words = st.binary(min_size=32, max_size=32)
accounts = st.binary(min_size=20, max_size=20).map(lambda raw: address("0x" + raw.hex()))
characters = st.characters(exclude_categories=["Cs"])
FIELDS = {"version", "patient", "grantee", "purposes", "records", "salt"}
extras = st.dictionaries(
    st.text(characters).filter(lambda name: name not in FIELDS),
    st.integers(-(10**30), 10**30) | st.text(characters) | st.lists(st.booleans() | st.none(), max_size=3),
    max_size=3,
)
all_terms = st.builds(
    Terms,
    patient=accounts,
    grantee=accounts,
    purposes=st.integers(1, 255).map(Purpose),
    records=st.lists(
        st.builds(RecordRef, custodian=accounts, record_id=words.map(RecordId)), min_size=1, max_size=5, unique=True
    ).map(tuple),
    salt=words,
    extra=extras,
)


@given(terms=all_terms)
def test_terms__any__come_back_with_their_digest_and_the_fields_of_a_later_version(terms: Terms) -> None:
    document = terms.to_json()
    again = Terms.from_json(document)
    assert again == terms
    assert again.extra == terms.extra
    assert again.to_json() == document
    assert again.digest() == terms.digest()
    assert again.grant_id() == derive_grant_id(terms.patient, terms.grantee, terms.digest())
    assert patient_of(again.grant_id()) == terms.patient


@given(terms=all_terms, other=all_terms)
def test_terms__another_field__is_another_digest(terms: Terms, other: Terms) -> None:
    changes = [{name: getattr(other, name)} for name in Terms.__dataclass_fields__]
    for change in changes:
        changed = replace(terms, **change)
        assert (changed.digest() == terms.digest()) == (changed == terms)


def test_header_name__each_record_and_salt__is_its_own_and_tells_neither() -> None:
    terms = consent(records=(ONE, TWO)).terms
    names = {
        each.header_name(record.record_id)
        for each in (terms, replace(terms, salt=b"\7" * 32))
        for record in terms.records
    }
    assert len(names) == 4
    assert all(len(name) == 64 + len(".c4gh") for name in names)
    assert not any(ONE.record_id.hex() in name for name in names)


@pytest.mark.parametrize(
    "change",
    [
        {"records": ()},
        {"records": (ONE, TWO, ONE)},
        {
            "records": tuple(
                RecordRef(custodian=HOSPITAL, record_id=RecordId(n.to_bytes(32, "big"))) for n in range(1001)
            )
        },
        {"purposes": Purpose(0)},
    ],
    ids=["no records", "one twice", "too many", "no purpose"],
)
def test_terms__that_say_nothing_or_too_much__are_refused(change: dict) -> None:
    with pytest.raises(InvalidInputError):
        replace(consent().terms, **change)


def test_terms__the_most_records__are_taken() -> None:
    many = tuple(RecordRef(custodian=HOSPITAL, record_id=RecordId(n.to_bytes(32, "big"))) for n in range(MAX_RECORDS))
    terms = replace(consent().terms, records=many)
    assert Terms.from_json(terms.to_json()) == terms


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        (field, wrong)
        for field in ("patient", "grantee", "purposes", "records", "salt", "version")
        for wrong in (None, 1, True, "x", [], {}, [1], ["BTG"], [{}], [{"custodian": HOSPITAL}])
        if not (field == "version" and wrong == 1 and wrong is not True)
    ],
    ids=str,
)
def test_terms__field_of_another_type__are_refused(field: str, wrong: object) -> None:
    document = json.loads(consent().terms.to_json()) | {field: wrong}
    with pytest.raises(InvalidInputError):
        Terms.from_json(json.dumps(document).encode())


def test_consent__terms_of_another_grant__cannot_be_put_together() -> None:
    one, other = consent(), consent(salt=b"\2" * 32)
    with pytest.raises(InvalidInputError):
        Consent(grant=one.grant, terms=other.terms, stamp=0)
