"""Terms and their provisions: written, read, excerpted, and refused where they say nothing, too much, or nonsense.

given terms
├─ when written and read they are the same, and so is their digest
├─ when any field differs, so does the digest
├─ the bits on chain are those of what they permit
├─ when they accept a request, the digest binds contract, request and custodian to the content
└─ an excerpt for a custodian has what concerns him, and not a word of others
given provisions that cannot mean anything, or documents that are no terms
└─ it should raise InvalidInputError
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest
from consent_table import CLINIC, DOCTOR, ELSEWHERE, HOSPITAL, OTHER, PATIENT, RECORD, deny, must, permit
from hypothesis import given
from hypothesis import strategies as st
from test_decide import grants, provisions

from medshare.errors import InvalidInputError
from medshare.model.consent import MAX_RECORDS, MAX_TIME, Duty, Excerpt, Obligation, Provision, RecordRef, Terms
from medshare.model.ids import RecordId, RequestId, address, derive_grant_id, patient_of
from medshare.model.purpose import Purpose, PurposeOfUse
from medshare.model.record import Category
from medshare.model.request import MAX_REQUEST_ID, AcceptedRequest, request_terms_digest
from medshare.model.terms import MAX_PROVISIONS

pytestmark = pytest.mark.unit

words = st.binary(min_size=32, max_size=32)
accounts = st.binary(min_size=20, max_size=20).map(lambda raw: address("0x" + raw.hex()))
characters = st.characters(exclude_categories=["Cs"])
FIELDS = {"version", "patient", "grantee", "provisions", "salt", "request"}
extras = st.dictionaries(
    st.text(characters).filter(lambda name: name not in FIELDS),
    st.integers(-(10**30), 10**30) | st.text(characters) | st.lists(st.booleans() | st.none(), max_size=3),
    max_size=3,
)
accepted_requests = st.builds(
    AcceptedRequest,
    contract=accounts,
    request_id=st.integers(1, MAX_REQUEST_ID).map(RequestId),
    custodian=accounts,
)
all_terms = st.builds(
    Terms,
    patient=accounts,
    grantee=accounts,
    provisions=grants().map(lambda said: said.provisions),
    salt=words,
    request=st.none() | accepted_requests,
    extra=extras,
)


def terms(*said: Provision) -> Terms:
    return Terms(patient=PATIENT, grantee=DOCTOR, provisions=said or (permit(),), salt=b"\xab" * 32)


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
    for name in Terms.__dataclass_fields__:
        changed = replace(terms, **{name: getattr(other, name)})
        assert (changed.digest() == terms.digest()) == (changed == terms)


@given(one=provisions(), other=provisions())
def test_provision__another_word__is_another_digest(one: Provision, other: Provision) -> None:
    first, second = (terms(permit(), each) for each in (one, other))
    assert (first.digest() == second.digest()) == (one == other)
    assert (one.in_words() == other.in_words()) or one != other


def test_purposes__of_terms__are_the_bits_of_what_they_permit() -> None:
    said = terms(
        permit(PurposeOfUse.COC, PurposeOfUse.ERTREAT),
        permit(PurposeOfUse.BIORCH, records=(RECORD,)),
        deny(PurposeOfUse.HMARKT),
    )
    assert said.purposes == Purpose.TREAT | Purpose.ETREAT | Purpose.HRESCH


def test_header_name__each_record_and_salt__is_its_own_and_tells_neither() -> None:
    names = {
        each.header_name(record.record_id)
        for each in (terms(), replace(terms(), salt=b"\7" * 32))
        for record in (RECORD, OTHER)
    }
    assert len(names) == 4
    assert all(len(name) == 64 + len(".c4gh") for name in names)
    assert not any(RECORD.record_id.hex() in name for name in names)


# ------------------------------------------------------------------------------------- accepting a request


@given(accepted=accepted_requests, other=accepted_requests)
def test_digest__terms_that_accept_a_request__binds_it_and_its_custodian(
    accepted: AcceptedRequest, other: AcceptedRequest
) -> None:
    accepting = replace(terms(), request=accepted)
    bound = request_terms_digest(
        accepted.contract, accepted.request_id, accepted.custodian, content=accepting.content()
    )
    assert accepting.digest() == bound != accepting.content()
    assert accepting.grant_id() == derive_grant_id(PATIENT, DOCTOR, bound)
    assert (replace(terms(), request=other).digest() == bound) == (other == accepted)


def test_digest__terms_without_a_request__is_the_content() -> None:
    assert terms().digest() == terms().content()


def test_excerpt__of_terms_that_accept_a_request__leads_to_the_same_grant() -> None:
    accepting = replace(terms(), request=AcceptedRequest(contract=CLINIC, request_id=RequestId(7), custodian=HOSPITAL))
    assert accepting.excerpt_for(HOSPITAL).grant_id() == accepting.grant_id()


@pytest.mark.parametrize(
    "request_part",
    [
        {},
        {"contract": CLINIC, "request_id": 7},
        {"contract": CLINIC, "request_id": 0, "custodian": HOSPITAL},
        {"contract": CLINIC, "request_id": "7", "custodian": HOSPITAL},
        {"contract": CLINIC, "request_id": 7, "custodian": HOSPITAL, "also": 1},
        [],
        "7",
    ],
    ids=str,
)
def test_from_json__request_that_cannot_be__is_refused(request_part: object) -> None:
    fields = json.loads(terms().to_json())
    with pytest.raises(InvalidInputError):
        Terms.from_json(json.dumps({**fields, "request": request_part}).encode())


# ------------------------------------------------------------------------------------------------ refused


@pytest.mark.parametrize(
    "make",
    [
        lambda: permit(records=()),
        lambda: permit(records=(RECORD,), categories=(Category.IMAGING,)),
        lambda: permit(records=(RECORD,), everything=True),
        lambda: permit(categories=(Category.IMAGING,), everything=True),
        lambda: replace(permit(), purposes=()),
        lambda: permit(PurposeOfUse.BTG),
        lambda: permit(PurposeOfUse.TREAT, PurposeOfUse.BTG),
        lambda: deny(PurposeOfUse.BTG),
        lambda: permit(PurposeOfUse.TREAT, PurposeOfUse.TREAT),
        lambda: permit(records=(RECORD, OTHER, RECORD)),
        lambda: permit(categories=(Category.IMAGING, Category.IMAGING)),
        lambda: permit(custodians=(HOSPITAL, HOSPITAL)),
        lambda: permit(records=(RECORD,), custodians=(HOSPITAL,)),
        lambda: permit(labels=("HIV", "HIV")),
        lambda: permit(labels=("no label",)),
        lambda: permit(labels=tuple(f"L{number}" for number in range(65))),
        lambda: permit(custodians=tuple(address(f"0x{number:040x}") for number in range(101))),
        lambda: permit(since=date(2026, 1, 1), until=date(2026, 1, 1)),
        lambda: permit(since=date(2026, 1, 2), until=date(2026, 1, 1)),
        lambda: deny(obligations=(must(Duty.AUDIT),)),
        lambda: permit(obligations=(must(Duty.AUDIT), must(Duty.AUDIT))),
        lambda: permit(obligations=(must(Duty.ERASE_BY, 5), must(Duty.ERASE_BY, 6))),
        lambda: must(Duty.ERASE_BY),
        lambda: must(Duty.AUDIT, 5),
        lambda: must(Duty.ERASE_BY, 0),
        lambda: must(Duty.ERASE_BY, MAX_TIME + 1),
        lambda: permit(records=many(MAX_RECORDS + 1)),
        lambda: Terms(patient=PATIENT, grantee=DOCTOR, provisions=(), salt=bytes(32)),
        lambda: terms(deny()),
        lambda: terms(*[permit()] * (MAX_PROVISIONS + 1)),
        lambda: terms(permit(records=many(MAX_RECORDS)), deny(records=(RECORD,))),
    ],
)
def test_terms__that_say_nothing_too_much_or_nonsense__are_refused(make) -> None:
    with pytest.raises(InvalidInputError):
        make()


def many(count: int) -> tuple[RecordRef, ...]:
    return tuple(RecordRef(custodian=HOSPITAL, record_id=RecordId(n.to_bytes(32, "big"))) for n in range(count))


def test_terms__the_most_that_can_be_said__are_taken() -> None:
    said = terms(permit(records=many(MAX_RECORDS)), *[permit(*list(PurposeOfUse)[:50])] * (MAX_PROVISIONS - 1))
    assert Terms.from_json(said.to_json()) == said


@pytest.mark.parametrize("field", ["patient", "grantee", "provisions", "salt", "version"])
@pytest.mark.parametrize("wrong", [None, 1, True, "x", [], {}, [1], [{}], [{"effect": "permit"}]], ids=str)
def test_terms__field_of_another_type__are_refused(field: str, wrong: object) -> None:
    document = json.loads(terms().to_json()) | {field: wrong}
    with pytest.raises(InvalidInputError):
        Terms.from_json(json.dumps(document).encode())


FULL = permit(
    categories=(Category.IMAGING,),
    custodians=(HOSPITAL,),
    labels=("HIV",),
    since=date(2026, 1, 1),
    until=date(2026, 2, 1),
    obligations=(Obligation(duty=Duty.ERASE_BY, by=5),),
).fields()


@pytest.mark.parametrize(
    "change",
    [
        {name: wrong}
        for name in [*FULL, "records", "everything"]
        for wrong in (1, "x", [1], [{}], {"x": 1}, [[]], "2026-W01-1", "20260101", ["BTG"], ["treat"])
        if not (name == "labels" and wrong in (["BTG"], ["treat"]))
    ]
    + [
        {"unknown-condition": "only on Sundays"},
        {"categories": []},
        {"everything": True},
        {"everything": "yes"},
        {"effect": None},
        {"purposes": None},
        {"obligations": [{"duty": "erase-by"}]},
        {"obligations": [{"duty": "AUDIT", "by": 5}]},
        {"obligations": [{"duty": "AUDIT", "more": 5}]},
        {"records": [{"custodian": HOSPITAL, "record_id": "11" * 32}]},
    ],
    ids=str,
)
def test_provision__malformed_or_with_a_condition_we_do_not_know__is_refused(change: dict) -> None:
    """What could be a condition is never passed over: the terms would permit more than the patient said."""
    document = json.loads(terms().to_json())
    Terms.from_json(json.dumps(document | {"provisions": [FULL]}).encode())
    with pytest.raises(InvalidInputError):
        Terms.from_json(json.dumps(document | {"provisions": [FULL | change]}).encode())


# ------------------------------------------------------------------------------------------------ excerpts


def test_excerpt__for_a_custodian__has_what_concerns_him_and_names_nobody_else() -> None:
    said = terms(
        permit(records=(RECORD, ELSEWHERE)),
        permit(custodians=(CLINIC,)),
        deny(categories=(Category.IMAGING,), custodians=(CLINIC, HOSPITAL)),
        permit(),
        deny(records=(ELSEWHERE,)),
    )
    excerpt = said.excerpt_for(HOSPITAL)
    assert excerpt.numbered == (
        (0, permit(records=(RECORD,))),
        (2, deny(categories=(Category.IMAGING,), custodians=(HOSPITAL,))),
        (3, permit()),
    )
    assert CLINIC.encode() not in excerpt.to_json()
    assert said.salt.hex().encode() not in excerpt.to_json()
    assert (excerpt.terms, excerpt.grant_id()) == (said.digest(), said.grant_id())
    assert terms(permit(records=(RECORD,))).excerpt_for(CLINIC).numbered == ()


@given(terms=all_terms, custodian=st.sampled_from([HOSPITAL, CLINIC, DOCTOR]))
def test_excerpt__of_any_terms__comes_back(terms: Terms, custodian: str) -> None:
    for excerpt in (terms.excerpt_for(custodian), replace(terms.excerpt_for(custodian), on_receipt=True)):
        again = Excerpt.from_json(excerpt.to_json())
        assert again == excerpt
    assert again.grant_id() == terms.grant_id()


@pytest.mark.parametrize(
    "change",
    [
        {"provisions": [{"number": 1, "provision": FULL}, {"number": 1, "provision": FULL}]},
        {"provisions": [{"number": 1, "provision": FULL}, {"number": 0, "provision": FULL}]},
        {"provisions": [{"number": MAX_PROVISIONS, "provision": FULL}]},
        {"provisions": [{"number": 0, "provision": FULL | {"custodians": [HOSPITAL, CLINIC]}}]},
        {"provisions": [{"number": 0, "provision": FULL | {"custodians": [CLINIC]}}]},
        {"provisions": [FULL]},
        {"provisions": None},
        {"terms": "11"},
        {"version": 1},
        {"custodian": "0x"},
        {"on_receipt": "yes"},
        {"more": 1},
    ],
    ids=str,
)
def test_excerpt__that_cannot_be_one__is_refused(change: dict) -> None:
    document = json.loads(terms().excerpt_for(HOSPITAL).to_json())
    Excerpt.from_json(json.dumps(document | {"provisions": [{"number": 0, "provision": FULL}]}).encode())
    with pytest.raises(InvalidInputError):
        Excerpt.from_json(json.dumps(document | change).encode())
