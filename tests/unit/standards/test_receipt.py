"""Receipts of ISO/IEC TS 27560: complete, the same each time, and compared with the chain.

given a consent and its controller's profile
├─ when a receipt is made, it should have every mandatory field, also as a JSON-LD document of DPV
├─ and be the same bytes each time, and others after the grant is given anew, or revoked
├─ and agree with the consent it was made of, whatever the terms
├─ when any of its fields is changed, it should disagree and name the field
├─ when its terms are others than those of its grant, it should be no receipt
├─ when it accepts a request, it should state the study, and its purposes in DUO, too
└─ when nothing is known of its controller, each mandatory field should be there and say so
given a profile or a receipt that lacks what is mandatory
└─ it should be refused with the names of all that is missing
"""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from datetime import date

import pytest
from consent_table import BEGIN, CLINIC, DOCTOR, END, HOSPITAL, OTHER, PATIENT, RECORD, must, permit
from consents import CHAIN, REGISTRY, as_given, given_consent, one_grant
from hypothesis import given, settings
from hypothesis import strategies as st
from test_duo import intended_uses

from medshare.errors import IntegrityError, InvalidInputError
from medshare.hashing import tagged_sha256
from medshare.model.consent import Duty
from medshare.model.documents import encode_document
from medshare.model.duo import DuoCode
from medshare.model.ids import DocumentId
from medshare.model.purpose import PurposeOfUse as P
from medshare.model.record import Category
from medshare.model.stated_use import StatedStudy, StatedUse, stated_uses
from medshare.standards.receipt_27560 import ConsentState, PiiController, Receipt
from medshare.standards.receipt_27560.fields import CONTEXT, EVENT, PARTY, PROCESSING
from medshare.standards.receipt_27560.fields import RECORD as RECORD_FIELDS
from medshare.standards.receipt_27560.pii_controller import MAX_PROFILE_SIZE, NOT_STATED

pytestmark = pytest.mark.unit

PROFILE = {
    "party_id": "https://hospital.example",
    "party_name": "Hospital of the Example",
    "party_address": "1 Example Street",
    "party_contact": "dpo@hospital.example",
    "party_type": "hospital",
    "privacy_notice": "https://hospital.example/privacy",
    "language": "en",
    "storage_locations": ["DE", "FR"],
    "retention_period": "P10Y",
    "jurisdiction": "DE",
    "withdrawal_method": "medshare access revoke",
}
CONTROLLER = PiiController.read(PROFILE)
CONSENT = given_consent(
    permit(P.TREAT, labels=("HIV",), categories=(Category.IMAGING, Category.LABORATORY)),
    permit(P.HRESCH, records=(RECORD, OTHER), obligations=(must(Duty.NORDSCLCD), must(Duty.ERASE_BY, END))),
    as_of=BEGIN + 1,
)


STUDY = StatedStudy(
    title="Sleep and blood sugar",
    institution="University Hospital",
    contact="study@example.org",
    document=DocumentId(b"\xd0" * 32),
    uses=(StatedUse(code=DuoCode.DS, values=("MONDO:0005015",)), StatedUse(code=DuoCode.GS, values=("FI",))),
)
ACCEPTING = replace(CONSENT, study=STUDY)


def fields(receipt: Receipt) -> dict:
    return json.loads(receipt.to_json())


def test_receipt__of_a_consent__has_every_mandatory_field() -> None:
    made = fields(Receipt.of(CONSENT, CONTROLLER))
    record = made["consent_record"]
    assert record.keys() >= set(RECORD_FIELDS)
    for several, mandatory in (("processing", PROCESSING), ("parties", PARTY), ("events", EVENT)):
        assert record[several]
        for each in record[several]:
            assert each.keys() >= set(mandatory)
    assert uuid.UUID(record["record_id"]).version == 4
    assert uuid.UUID(made["receipt_id"]).version == 4
    assert record["pii_principal_id"] == f"did:pkh:eip155:{CHAIN}:{PATIENT}"
    assert made["grant"] == f"eip155:{CHAIN}/erc1155:{REGISTRY}/{CONSENT.grant.grant_id}"


def test_receipt__of_a_consent__says_what_is_permitted() -> None:
    care, research = fields(Receipt.of(CONSENT, CONTROLLER))["consent_record"]["processing"]
    assert [each.rsplit("#")[-1] for each in (*care["purposes"], *research["purposes"])] == ["TREAT", "HRESCH"]
    assert [each["pii_type"] for each in care["pii_information"]] == [
        "health records: imaging",
        "health records: laboratory",
    ]
    assert care["pii_information"][0]["sensitive_pii_category"] == ["HIV"]
    assert len({each["pii_attribute_id"] for each in research["pii_information"]}) == 2
    assert care["retention_period"] == "P10Y"
    assert research["retention_period"] == "until 2026-07-01T00:00:00Z"
    assert research["obligations"] == ["NORDSCLCD", "erase by 2026-07-01 00:00:00 UTC"]
    assert research["recipient_third_parties"] == [f"did:pkh:eip155:{CHAIN}:{DOCTOR}"]


def test_receipt__as_json_ld__maps_every_name_it_uses() -> None:
    """A processor drops what the context does not map: nothing but the proof may be lost."""
    used = set()

    def walk(value: object) -> None:
        if isinstance(value, dict):
            used.update(value)
            for each in value.values():
                walk(each)
        elif isinstance(value, list):
            for each in value:
                walk(each)

    made = fields(Receipt.of(ACCEPTING, CONTROLLER))
    walk({name: value for name, value in made.items() if name not in ("@context", "terms")})
    assert {name for name in used if name not in CONTEXT and not name.startswith("@")} == set()
    assert made["@context"] == CONTEXT
    assert [name for name, meaning in CONTEXT.items() if meaning is None] == ["grant", "terms"]


def test_receipt__made_again__is_the_same_bytes_and_changes_with_the_grant() -> None:
    made = Receipt.of(CONSENT, CONTROLLER)
    assert Receipt.of(replace(CONSENT, as_of=END + 5), CONTROLLER).to_json() == made.to_json()
    assert Receipt.from_json(made.to_json()) == made
    anew = Receipt.of(replace(CONSENT, given_at=BEGIN + 9), CONTROLLER)
    revoked = Receipt.of(replace(CONSENT, revoked_at=BEGIN + 9), CONTROLLER)
    other = Receipt.of(CONSENT, PiiController.read({**PROFILE, "party_name": "Another"}))
    every = [fields(each) for each in (made, anew, revoked, other)]
    assert len({each["receipt_id"] for each in every}) == 4
    assert len({each["consent_record"]["record_id"] for each in every}) == 1
    assert [made.created_at, anew.created_at, revoked.created_at] == [BEGIN, BEGIN + 9, BEGIN + 9]
    assert [made.state, revoked.state] == [ConsentState.GIVEN, ConsentState.WITHDRAWN]


def test_digest__of_a_receipt__needs_the_salt_and_nothing_else() -> None:
    made = Receipt.of(CONSENT, CONTROLLER)
    assert made.digest() == tagged_sha256("medshare/receipt/1", CONSENT.terms.salt, made.to_json())
    assert made.digest() != Receipt.of(replace(CONSENT, revoked_at=BEGIN + 9), CONTROLLER).digest()


@settings(max_examples=100, deadline=None)
@given(said=one_grant, revoked_at=st.none() | st.integers(BEGIN, END))
def test_receipt__of_any_terms__agrees_with_what_it_was_made_of(said, revoked_at) -> None:
    consent = replace(as_given(said), revoked_at=revoked_at)
    receipt = Receipt.from_json(Receipt.of(consent, CONTROLLER).to_json())
    assert (receipt.chain_id, receipt.registry, receipt.grant_id) == (CHAIN, REGISTRY, consent.grant.grant_id)
    assert receipt.terms == consent.terms
    receipt.check_against(consent)


LEAVES = [
    "schema_version",
    "receipt_id",
    "created",
    "consent_record.record_id",
    "consent_record.pii_principal_id",
    "consent_record.events.0.event_time",
    "consent_record.events.0.validity_duration",
    "consent_record.events.0.entity_id",
    "consent_record.events.0.event_state",
    "consent_record.processing.0.purposes.0",
    "consent_record.processing.0.pii_information.0.pii_type",
    "consent_record.processing.0.recipient_third_parties.0",
    "consent_record.processing.1.retention_period",
    "consent_record.processing.1.obligations.0",
    "consent_record.processing.1.jurisdiction",
]


@pytest.mark.parametrize("path", LEAVES)
def test_receipt__with_another_field__disagrees_and_names_it(path: str) -> None:
    altered = fields(Receipt.of(CONSENT, CONTROLLER))
    place = altered
    *above, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in above:
        place = place[step]
    place[last] = "something else"
    named = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in (*above, last)).lstrip(".")
    with pytest.raises(IntegrityError) as caught:
        Receipt.from_json(encode_document(altered)).check_against(CONSENT)
    assert str(caught.value).endswith(f": {named}")


def test_receipt__with_another_word_of_its_controller__disagrees_by_its_id() -> None:
    altered = fields(Receipt.of(CONSENT, CONTROLLER))
    altered["consent_record"]["parties"][0]["party_name"] = "Another"
    with pytest.raises(IntegrityError, match=": receipt_id"):
        Receipt.from_json(encode_document(altered)).check_against(CONSENT)


def test_receipt__with_a_field_more__disagrees() -> None:
    altered = fields(Receipt.of(CONSENT, CONTROLLER))
    altered["note"] = "and everything else"
    with pytest.raises(IntegrityError, match="fields"):
        Receipt.from_json(encode_document(altered)).check_against(CONSENT)


@pytest.mark.parametrize(
    "change",
    [
        {"given_at": BEGIN + 1},
        {"given_by": CLINIC},
        {"revoked_at": BEGIN + 5},
        {"chain_id": CHAIN + 1},
        {"registry": HOSPITAL},
        {"grant": replace(CONSENT.grant, expires_at=END + 1)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_receipt__of_another_state_of_the_grant__disagrees(change: dict) -> None:
    with pytest.raises(IntegrityError, match="says something else"):
        Receipt.of(CONSENT, CONTROLLER).check_against(replace(CONSENT, **change))


def test_receipt__with_other_terms__is_none() -> None:
    altered = fields(Receipt.of(CONSENT, CONTROLLER))
    altered["terms"]["provisions"][0]["purposes"] = ["HMARKT"]
    with pytest.raises(IntegrityError, match="not those of the grant"):
        Receipt.from_json(encode_document(altered))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"grant": "eip155:1/erc1155:0x/1"}, "names no grant"),
        ({"terms": "x"}, "names no grant"),
        ({"terms": {"version": 99}}, "version 99"),
        ({"consent_record": "x"}, "consent_record.record_id, consent_record.pii"),
        ({"receipt_id": "", "created": None}, "lacks: receipt_id, created"),
    ],
    ids=str,
)
def test_receipt__malformed__is_refused(change: dict, says: str) -> None:
    altered = {**fields(Receipt.of(CONSENT, CONTROLLER)), **change}
    with pytest.raises(InvalidInputError, match=says):
        Receipt.from_json(json.dumps(altered).encode())


@pytest.mark.parametrize("several", ["processing", "parties", "events"])
@pytest.mark.parametrize("nonsense", ["x", [1], [{}]], ids=str)
def test_receipt__with_nonsense_for_a_section__names_what_is_missing(several: str, nonsense: object) -> None:
    altered = fields(Receipt.of(CONSENT, CONTROLLER))
    altered["consent_record"][several] = nonsense
    with pytest.raises(InvalidInputError, match=rf"consent_record\.{several}\[0\]\."):
        Receipt.from_json(encode_document(altered))


def test_time_and_state__nonsense__are_refused() -> None:
    altered = {**fields(Receipt.of(CONSENT, CONTROLLER)), "created": "yesterday"}
    altered["consent_record"]["events"][0]["event_state"] = "dpv:ConsentDreamed"
    receipt = Receipt.from_json(encode_document(altered))
    with pytest.raises(InvalidInputError, match="when it was made"):
        str(receipt.created_at)
    with pytest.raises(InvalidInputError, match="no state of a consent"):
        str(receipt.state)


@pytest.mark.parametrize("name", list(PROFILE))
def test_profile__without_a_mandatory_field__names_it(name: str) -> None:
    with pytest.raises(InvalidInputError, match=rf"lacks: {name}$"):
        PiiController.read({key: value for key, value in PROFILE.items() if key != name})


def test_profile__without_several__names_them_all() -> None:
    with pytest.raises(InvalidInputError, match="lacks: party_name, party_contact, jurisdiction"):
        PiiController.read({**PROFILE, "party_name": "", "party_contact": None, "jurisdiction": ""})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"shoe_size": "44"}, "1 fields that"),
        ({"privacy_notice": "ask us"}, "must be a URL"),
        ({"language": "the best one"}, "language tag"),
        ({"storage_locations": "DE"}, "must be a list"),
        ({"storage_locations": ["DE", 7]}, "storage_locations must be text"),
        ({"party_name": "x" * 1001}, "1 to 1000 characters"),
        ({"party_role": "  "}, "party_role must be text"),
    ],
    ids=str,
)
def test_profile__that_is_wrong__is_refused(change: dict, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        PiiController.read({**PROFILE, **change})


def test_profile__from_a_file__is_bounded_and_without_duplicate_keys() -> None:
    assert PiiController.from_json(json.dumps({**PROFILE, "party_role": "controller"}).encode()).party["party_role"]
    with pytest.raises(InvalidInputError, match="twice"):
        PiiController.from_json(b'{"party_id":"x","party_id":"y"}')
    with pytest.raises(InvalidInputError, match="bytes"):
        PiiController.from_json(b" " * (MAX_PROFILE_SIZE + 1))


def test_optional_fields__of_the_profile__are_in_each_processing() -> None:
    more = {"lawful_basis": "eu-gdpr:A9-2-a", "privacy_rights": ["access", "erasure"], "authority_party": "DPA"}
    receipt = Receipt.of(CONSENT, PiiController.read({**PROFILE, **more}))
    for processing in fields(receipt)["consent_record"]["processing"]:
        assert {name: processing[name] for name in more} == more
    receipt.check_against(CONSENT)
    only_erased = given_consent(permit(obligations=(must(Duty.ERASE_BY, END),), since=date(2026, 1, 1)))
    Receipt.of(only_erased, CONTROLLER).check_against(only_erased)


# ------------------------------------------------------------------------------------------- studies


def test_receipt__of_an_accepted_request__states_the_study_and_its_purposes_in_duo() -> None:
    made = Receipt.of(ACCEPTING, CONTROLLER)
    record = fields(made)["consent_record"]
    for processing in record["processing"]:
        assert "http://purl.obolibrary.org/obo/DUO_0000007" in processing["purposes"]
        assert "http://purl.obolibrary.org/obo/DUO_0000022" not in processing["purposes"]
    assert record["study"]["data_use"] == [
        {"code": "DUO:0000007", "values": ["MONDO:0005015"]},
        {"code": "DUO:0000022", "values": ["FI"]},
    ]
    assert record["study"]["document"].startswith("ipfs://bafy")
    assert made.study == STUDY
    assert Receipt.of(CONSENT, CONTROLLER).study is None


@settings(max_examples=100, deadline=None)
@given(use=intended_uses(), title=st.text(min_size=1, max_size=200), document=st.binary(min_size=32, max_size=32))
def test_receipt__of_any_study__is_read_as_it_was_made(use, title: str, document: bytes) -> None:
    study = replace(STUDY, title=title, document=DocumentId(document), uses=stated_uses(use))
    consent = replace(CONSENT, study=study)
    receipt = Receipt.from_json(Receipt.of(consent, CONTROLLER).to_json())
    assert receipt.study == study
    receipt.check_against(consent)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"title": "Another"}, "study.title"),
        ({"document": DocumentId(b"\xd1" * 32)}, "study.document"),
        ({"uses": (StatedUse(code=DuoCode.GRU),)}, "processing[0].purposes[1]"),
        ({"uses": (*STUDY.uses, StatedUse(code=DuoCode.IRB))}, "study.data_use"),
    ],
    ids=str,
)
def test_receipt__of_another_study__disagrees_and_names_the_field(change: dict, named: str) -> None:
    other = replace(CONSENT, study=replace(STUDY, **change))
    with pytest.raises(IntegrityError, match="says something else") as caught:
        Receipt.of(other, CONTROLLER).check_against(ACCEPTING)
    assert str(caught.value).endswith(named)


def test_receipt__that_leaves_the_study_out__disagrees() -> None:
    with pytest.raises(IntegrityError, match="says something else"):
        Receipt.of(CONSENT, CONTROLLER).check_against(ACCEPTING)
    with pytest.raises(IntegrityError, match="says something else"):
        Receipt.of(ACCEPTING, CONTROLLER).check_against(CONSENT)


@pytest.mark.parametrize(
    "change",
    [
        {"title": 7},
        {"document": "ipfs://bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"},
        {"document": "https://example.org"},
        {"data_use": [{"code": "DUO:9999999", "values": []}]},
        {"data_use": ["GRU"]},
        {"note": "more"},
    ],
    ids=str,
)
def test_study__malformed_in_a_receipt__is_refused(change: dict) -> None:
    altered = fields(Receipt.of(ACCEPTING, CONTROLLER))
    altered["consent_record"]["study"] |= change
    with pytest.raises(InvalidInputError):
        str(Receipt.from_json(encode_document(altered)).study)
    altered["consent_record"]["study"] = "a study"
    with pytest.raises(InvalidInputError, match="no object"):
        str(Receipt.from_json(encode_document(altered)).study)


# ------------------------------------------------------------------------------------- nothing is known


def test_receipt__of_a_controller_of_whom_nothing_is_known__has_each_field_and_says_so() -> None:
    silent = PiiController.silent("did:pkh:eip155:1:0x00", contact="study@example.org")
    made = Receipt.of(CONSENT, silent)
    assert made.pii_controller == silent
    assert silent.party["party_contact"] == "study@example.org"
    assert silent.not_stated == (
        *("party_name", "party_address", "party_type", "privacy_notice"),
        *("storage_locations", "retention_period", "jurisdiction"),
    )
    made.check_against(CONSENT)
    assert CONTROLLER.not_stated == ()


def test_profile__of_a_file_that_states_nothing__is_refused() -> None:
    document = json.dumps({**PROFILE, "privacy_notice": NOT_STATED, "storage_locations": [NOT_STATED]}).encode()
    with pytest.raises(InvalidInputError, match="does not state: privacy_notice, storage_locations"):
        PiiController.from_json(document)
