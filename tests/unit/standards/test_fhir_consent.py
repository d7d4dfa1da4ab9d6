"""Terms as FHIR Consent, R4 and R5, and back.

given terms
├─ when they go through R4 or R5 and come back, every decision is what it was, alone and beside another consent
├─ and they say the same, and hold for the same time
├─ what is written is a valid resource, by the judge
├─ when FHIR has no place for something, it should refuse and name the provision
└─ when they accept a request or were given by another, it should say so
given a Consent of another
├─ when it says what provisions cannot, it should refuse and name the element
└─ when what is left out in it would mean more to us, or less, it should say what is meant
"""

from __future__ import annotations

import copy
import json
from collections import Counter
from dataclasses import replace
from datetime import date

import pytest
from consent_table import BEGIN, CLINIC, DOCTOR, END, HOSPITAL, OTHER, PATIENT, RECORD, deny, must, permit
from consents import CHAIN, KNOWN, as_consent, as_given, given_consent, meant, one_grant
from fhir.resources.consent import Consent as JudgeR5
from fhir.resources.R4B.consent import Consent as JudgeR4
from hypothesis import event, given, settings
from hypothesis import strategies as st
from test_decide import FEW_PURPOSES, subjects, worlds

from medshare.content import Cid, Codec
from medshare.errors import InvalidInputError, NotExpressibleError
from medshare.model.consent import Duty, decide
from medshare.model.documents import MAX_DOCUMENT_SIZE
from medshare.model.ids import RecordId, address
from medshare.model.purpose import PurposeOfUse
from medshare.model.purpose import PurposeOfUse as P
from medshare.model.record import RecordRef
from medshare.model.request import AcceptedRequest
from medshare.model.terms import Terms
from medshare.standards.fhir_consent import BreakGlass, Known, Version, r4, r5, read_consent, version_of
from medshare.standards.fhir_consent.codes import ERASE_BY, KIND_SYSTEM, LABEL_SYSTEM, POLICY

pytestmark = [pytest.mark.unit, pytest.mark.timeout(1_200)]

WRITERS = {Version.R4: r4.to_fhir, Version.R5: r5.to_fhir}
JUDGES = {Version.R4: JudgeR4, Version.R5: JudgeR5}
THOUSAND = settings(max_examples=1_000, deadline=None)
versions = pytest.mark.parametrize("version", Version)
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"


def through(version: Version, consent) -> object:
    """Write a consent and read it again, as bytes."""
    document = json.dumps(WRITERS[version](consent)).encode()
    return read_consent(document, KNOWN)


def is_said_in_r5(provisions) -> bool:
    """Whether there is something under which each denial can stand as an exception."""
    general = any(each.effect == "permit" and not each.records for each in provisions)
    return general or not any(each.effect == "deny" and not each.records for each in provisions)


@THOUSAND
@given(
    said=one_grant,
    beside=worlds,
    subject=subjects,
    purpose=st.sampled_from([*FEW_PURPOSES, P.CLINTRL, P.TRANSRCH, P.HPAYMT, P.BTG]),
    now=st.integers(1, 6),
)
def test_round_trip__any_terms__decide_as_before(said, beside, subject, purpose, now) -> None:
    if not is_said_in_r5(said.provisions):
        event("a denial that R5 cannot say")
        with pytest.raises(NotExpressibleError, match="provision"):
            r5.to_fhir(as_given(said))
        assert meant(through(Version.R4, as_given(said)).provisions) == meant(said.provisions)
        said = replace(said, provisions=(*said.provisions, permit(P.HPAYMT)))
    consent = as_given(said)
    before = as_consent(said.provisions, consent.grant)
    for version in Version:
        again = through(version, consent)
        assert (again.patient, again.reader) == (consent.terms.patient, consent.terms.grantee)
        assert (again.not_before, again.expires_at) == (consent.grant.not_before, consent.grant.expires_at)
        assert again.break_glass is BreakGlass.UNSAID
        assert meant(again.provisions) == meant(said.provisions)
        after = as_consent(again.provisions, consent.grant)
        for pool in ([], beside):
            answers = [
                decide([one, *pool], subject=subject, purpose=purpose, reader=DOCTOR, now=now)
                for one in (before, after)
            ]
            assert answers[0].permitted == answers[1].permitted
            assert answers[0].obligations == answers[1].obligations


@versions
@given(said=one_grant)
def test_written__any_terms__are_a_valid_resource(version, said) -> None:
    if is_said_in_r5(said.provisions):
        JUDGES[version].model_validate(WRITERS[version](as_given(said)))


@versions
def test_written__what_everybody_must_understand__is_in_hl7s_words(version) -> None:
    consent = WRITERS[version](
        given_consent(
            permit(
                P.TREAT,
                labels=("HIV",),
                obligations=(must(Duty.NORDSCLCD), must(Duty.ERASE_BY, END)),
                custodians=(CLINIC,),
            )
        )
    )
    (rule,) = consent["provision"]["provision"] if version is Version.R4 else consent["provision"]
    assert [(each["system"].rsplit("/")[-1], each["code"]) for each in rule["securityLabel"]] == [
        ("v3-Confidentiality", "N"),
        ("v3-ActCode", "HIV"),
        ("v3-ActCode", "NORDSCLCD"),
    ]
    assert [each["code"] for each in rule["purpose"]] == ["TREAT"]
    assert rule["actor"][0]["role"]["coding"][0]["code"] == "CST"
    assert rule["modifierExtension"][0]["valueInstant"] == "2026-07-01T00:00:00Z"


@versions
def test_written__no_salt_and_no_terms_digest__are_in_it(version) -> None:
    consent = given_consent(permit())
    text = json.dumps(WRITERS[version](consent))
    for secret in (consent.terms.salt, consent.terms.digest(), consent.terms.content()):
        assert secret.hex() not in text


@versions
def test_written__of_another_giver_a_request_and_an_ended_grant__says_so(version) -> None:
    accepted = AcceptedRequest(contract=CLINIC, request_id=7, custodian=HOSPITAL)
    consent = given_consent(permit())
    terms = replace(consent.terms, request=accepted)
    said = replace(
        consent,
        terms=terms,
        grant=replace(consent.grant, grant_id=terms.grant_id()),
        given_by=CLINIC,
        revoked_at=BEGIN,
        organization=None,
    )
    written = WRITERS[version](said)
    JUDGES[version].model_validate(written)
    assert written["status"] == "inactive"
    assert written["extension"][0]["valueReference"]["identifier"]["value"].endswith(f"{CLINIC}#7")
    giver = written["performer" if version is Version.R4 else "grantor"][0]
    assert (giver["type"], giver["identifier"]["value"][-42:]) == ("RelatedPerson", CLINIC)
    assert not {"organization", "controller"} & written.keys()
    with pytest.raises(NotExpressibleError, match=r"Consent\.status: it is not in force"):
        read_consent(json.dumps(written).encode(), KNOWN)


@versions
def test_write__what_has_no_place__is_refused_by_its_number(version) -> None:
    with pytest.raises(NotExpressibleError, match="provision 2: nothing happened before"):
        WRITERS[version](given_consent(permit(), permit(until=date.min)))


def test_write__more_than_a_medshare_reads__is_refused() -> None:
    ten = tuple(RecordRef(custodian=HOSPITAL, record_id=RecordId(bytes([number]) * 32)) for number in range(10))
    said = given_consent(*[permit(records=ten)] * 30, *[deny(records=ten)] * 70)
    assert read_consent(json.dumps(r4.to_fhir(said)).encode(), KNOWN).permits
    with pytest.raises(NotExpressibleError, match="larger than medshare reads"):
        r5.to_fhir(said)


@versions
def test_written__of_an_expired_grant__is_inactive(version) -> None:
    consent = given_consent(permit(), as_of=END - 1)
    statuses = [WRITERS[version](replace(consent, as_of=at))["status"] for at in (END - 1, END)]
    assert statuses == ["active", "inactive"]


def test_r5__denial_that_is_under_no_permission__is_refused_by_its_number() -> None:
    said = given_consent(permit(records=(RECORD,)), deny(P.HRESCH))
    with pytest.raises(NotExpressibleError) as caught:
        r5.to_fhir(said)
    assert caught.value.what == "provision 2"


def test_given__fields_of_a_later_version__are_refused() -> None:
    consent = given_consent(permit())
    terms = Terms(**{**{n: getattr(consent.terms, n) for n in Terms.__slots__}, "extra": {"if": 1}})
    later = replace(consent, terms=terms, grant=replace(consent.grant, grant_id=terms.grant_id()))
    for write in WRITERS.values():
        with pytest.raises(NotExpressibleError, match="later medshare"):
            write(later)
    with pytest.raises(InvalidInputError, match="not the ones"):
        replace(consent, terms=terms)


# ------------------------------------------------------------------------------------------------ bad input


def foreign(version: Version = Version.R4) -> dict:
    """A Consent as others write it: treatment permitted to one practitioner."""
    purpose = [{"system": ACT_REASON, "code": "TREAT"}]
    if version is Version.R5:
        return {
            "resourceType": "Consent",
            "status": "active",
            "subject": {"reference": "Patient/1"},
            "grantee": [{"reference": "Practitioner/2"}],
            "policyBasis": {"url": "https://example.org/policy"},
            "decision": "deny",
            "provision": [{"purpose": purpose}],
        }
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]
        },
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": "Patient/1"},
        "policy": [{"uri": "https://example.org/policy"}],
        "provision": {
            "type": "permit",
            "actor": [
                {
                    "role": {
                        "coding": [
                            {"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}
                        ]
                    },
                    "reference": {"reference": "Practitioner/2"},
                }
            ],
            "purpose": purpose,
        },
    }


HERE = Known(
    chain_id=CHAIN,
    people={"Patient/1": PATIENT, "Practitioner/2": DOCTOR, "Organization/3": HOSPITAL},
    records={"Observation/4": RECORD, "Observation/5": OTHER},
    policies=frozenset({"https://example.org/policy"}),
)


def read(consent: dict, known: Known = HERE, reader=None):
    return read_consent(json.dumps(consent).encode(), known, reader)


def changed(consent: dict, path: str, value: object) -> dict:
    """Return a Consent with something else at ``path``; None takes it away."""
    again = copy.deepcopy(consent)
    *above, last = path.split(".")
    place = again
    for step in above:
        place = place[int(step)] if step.isdigit() else place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return again


@versions
def test_read__of_another__is_what_fhir_says(version) -> None:
    found = read(foreign(version))
    assert (found.patient, found.reader, found.expires_at) == (PATIENT, DOCTOR, None)
    assert found.break_glass is BreakGlass.REFUSED
    (said,) = found.provisions
    assert said == permit(P.TREAT, labels=said.labels)
    assert {"V", "HIV", "SPI"} <= set(said.labels)
    assert version_of(foreign(version)) is version


def record(uri: str) -> dict:
    """A reference to a record, as its hospital states it."""
    assigner = {"reference": "Organization/3"}
    return {"identifier": {"system": "urn:ietf:rfc:3986", "value": uri, "assigner": assigner}}


PART = Cid.of(Codec.RAW, b"a part")
PURPOSES = [{"system": ACT_REASON, "code": "TREAT"}]
LABEL = {"system": ACT_CODE, "code": "PSY"}
R4_REFUSED = [
    ("status", "draft", "Consent.status"),
    ("status", "entered-in-error", "Consent.status"),
    ("status", None, "Consent.status"),
    ("resourceType", "Contract", "Consent.resourceType"),
    ("scope", {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "adr"}]}, "scope"),
    ("scope", {"text": "privacy"}, "Consent.scope"),
    (
        "category",
        [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentcategorycodes", "code": "dnr"}]}],
        r"Consent.category\[0\]",
    ),
    ("patient", None, "Consent.patient"),
    ("patient", {"reference": "Patient/9"}, "Consent.patient: nobody"),
    ("patient", "Patient/1", "Consent.patient: must be one"),
    ("policy", [{"uri": "https://example.org/other"}], "Consent.policy: nobody here has read"),
    ("policy", [{"authority": "https://example.org"}], r"Consent.policy\[0\]"),
    ("policy", [], "Consent.policy: must be a list"),
    ("policy.0.authority", "https://example.org", r"Consent.policy\[0\].authority"),
    ("policy", [{"uri": "https://profiles.ihe.net/ITI/PCF/Policy-deny"}], "no permission"),
    ("policyRule", {"coding": [{"system": ACT_CODE, "code": "hipaa-auth"}]}, "Consent.policyRule"),
    ("policyRule", {"coding": [{"system": ACT_CODE, "code": "OPTOUT"}]}, "Consent.provision.type: says otherwise"),
    ("verification", [{"verified": False}], r"Consent.verification\[0\].verified"),
    ("verification", [{}], r"Consent.verification\[0\].verified"),
    ("implicitRules", "https://example.org/rules", "Consent.implicitRules"),
    ("modifierExtension", [{"url": "https://example.org/not"}], "Consent.modifierExtension"),
    ("organization", [{"reference": "Organization/9"}], r"Consent.organization\[0\]: nobody"),
    ("organization", {"reference": "Organization/3"}, "Consent.organization: must be a list"),
    ("except", [{}], "Consent.except"),
    ("a b\n", 1, "Consent.an element"),
    ("provision", None, "Consent.provision"),
    ("provision.type", None, "Consent.provision.type: neither"),
    ("provision.type", "maybe", "Consent.provision.type"),
    ("provision.action", [{}], "Consent.provision.action"),
    ("provision.code", [{}], "Consent.provision.code"),
    ("provision.class", [{"system": "http://hl7.org/fhir/resource-types", "code": "Observation"}], r"class\[0\]"),
    ("provision.class", [{"code": "imaging"}], r"class\[0\]: a code and its system"),
    ("provision.purpose", [{"system": "https://example.org/purposes", "code": "FooBar"}], r"purpose\[0\]"),
    ("provision.purpose", [{"system": ACT_REASON, "code": "FooBar"}], r"purpose\[0\]"),
    ("provision.purpose", [{"system": ACT_REASON, "code": "TREAT", "if": 1}], r"purpose\[0\].if"),
    ("provision.securityLabel", [{"system": ACT_CODE, "code": "NOSUCH"}], r"securityLabel\[0\]"),
    ("provision.securityLabel", [LABEL], "what is sensitive permits what is not"),
    ("provision.securityLabel", [{"system": ACT_CODE, "code": "AUDIT"}], "depends on a policy"),
    ("provision.data", [{"meaning": "related", "reference": {"reference": "Encounter/1"}}], r"data\[0\].meaning"),
    ("provision.data", [{"meaning": "authoredby", "reference": {"reference": "Organization/3"}}], r"data\[0\].meaning"),
    ("provision.data", [{"reference": {"reference": "Observation/4"}}], r"data\[0\].meaning"),
    ("provision.data", [{"meaning": "instance"}], r"data\[0\]: names no record"),
    ("provision.data", [{"meaning": "instance", "reference": {"reference": "Observation/9"}}], "which record"),
    ("provision.dataPeriod", {"start": "2022-01-01T10:00:00Z"}, "dataPeriod: medshare counts whole days"),
    ("provision.dataPeriod", {"start": "2022-13"}, "dataPeriod"),
    ("provision.dataPeriod", {"start": "2022", "end": "2021"}, "no day in it"),
    ("provision.dataPeriod", {"end": "9999-12-31"}, "dataPeriod"),
    ("provision.dataPeriod", {}, "no day in it"),
    ("provision.period", {}, "period: says nothing"),
    ("provision.period", {"end": "soon"}, "period.end"),
    ("provision.period", {"end": "2150"}, "outside of what the chain"),
    ("provision.period", {"end": "2026-01-01T25:00:00Z"}, "period.end"),
    (
        "provision.actor",
        [{"role": {"text": "doctor"}, "reference": {"reference": "Practitioner/2"}}],
        "a code is needed",
    ),
    ("provision.actor.0.role.coding.0.code", "AUT", "recipients"),
    ("provision.actor.0.reference", None, "names nobody"),
    ("provision.actor.0.reference", {"reference": "Practitioner/9"}, "nobody here knows"),
    ("provision.actor.0.reference", {"reference": "Group/9"}, "for a group"),
    ("provision.modifierExtension", [{"url": "https://example.org/not"}], r"modifierExtension\[0\]"),
    ("provision._type", {"extension": []}, "Consent.provision._type"),
    (
        "provision.provision",
        [{"type": "deny", "provision": [{"type": "permit"}]}],
        r"provision\[0\].provision: medshare has",
    ),
    ("provision.provision", [{}], r"provision.provision\[0\].type"),
    ("provision.provision", [{"type": "deny", "period": {"end": "2026"}}], "the period of its grant"),
    (
        "provision.provision",
        [{"type": "deny", "purpose": [{"system": ACT_REASON, "code": "BTG"}], "securityLabel": [LABEL]}],
        "cannot be limited",
    ),
    (
        "provision.provision",
        [{"type": "permit", "purpose": [{"system": ACT_REASON, "code": "BTG"}]}],
        "cannot be for one reader",
    ),
    (
        "provision.provision",
        [
            {
                "type": "deny",
                "securityLabel": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "N"}],
            }
        ],
        "reaches all that is higher",
    ),
    ("decision", "permit", "is a Consent of FHIR R4, not R5"),
    ("status", 1, "Consent.status: must be text"),
    ("status", " ", "Consent.status: must be text"),
    ("category", ["59284-0"], "Consent.category: must be a list of elements"),
    ("verification", [{"verified": "true"}], r"verified: must be true or false"),
    ("policy", [{"id": "x"}], r"Consent.policy\[0\].uri: a policy is named"),
    ("policy", [{"uri": POLICY}, {"uri": "https://example.org/policy"}], "another policy beside medshare's own"),
    ("provision.class", [{"system": KIND_SYSTEM, "code": "poems"}], r"class\[0\]: is no kind"),
    ("provision.securityLabel", [{"system": LABEL_SYSTEM, "code": "HIV"}], r"securityLabel\[0\]"),
    ("provision.securityLabel", [{"system": LABEL_SYSTEM, "code": "a b"}], r"securityLabel\[0\]"),
    ("provision.modifierExtension", [{"url": ERASE_BY}], "must be an instant"),
    ("provision.modifierExtension", [{"url": ERASE_BY, "valueInstant": "2026-07-01T00:00:00.5Z"}], "whole seconds"),
    ("provision.modifierExtension", [{"url": ERASE_BY, "valueInstant": "2026-07-01T00:00:00Z"}] * 2, "says twice"),
    ("provision.data", [{"meaning": "instance", "reference": record("ipfs://bafy")}], "not the CID of a record"),
    ("provision.data", [{"meaning": "instance", "reference": record(f"ipfs://{PART}")}], "a part of a record"),
]


@pytest.mark.parametrize(("path", "value", "says"), R4_REFUSED, ids=lambda value: str(value)[:40])
def test_read_r4__what_provisions_cannot_say__is_refused_by_its_element(path, value, says) -> None:
    with pytest.raises(NotExpressibleError, match=says):
        read(changed(foreign(), path, value))


R5_REFUSED = [
    ("status", "unknown", "Consent.status"),
    ("subject", None, "no patient"),
    ("decision", None, "Consent.decision"),
    ("decision", "maybe", "Consent.decision"),
    ("policyBasis", {"reference": {"reference": "Contract/1"}}, "policyBasis.reference"),
    ("policyBasis", {"url": "https://example.org/other"}, "has read this policy"),
    ("policyText", [{"reference": "DocumentReference/1"}], "policyText"),
    ("regulatoryBasis", [{}], "regulatoryBasis"),
    ("patient", {"reference": "Patient/1"}, "is a Consent of FHIR R4, not R5"),
    ("verification", [{"verified": False}], "verification"),
    ("provision.0.resourceType", [{}], "resourceType"),
    ("provision.0.expression", {}, "expression"),
    ("provision.0.type", "permit", "type"),
    ("provision.0.class", [{}], "class"),
    ("provision.0.provision", [{"provision": [{}]}], "no exceptions to exceptions"),
    ("grantee", [{"reference": "Group/9"}], "for a group"),
    ("controller", [{"reference": "Organization/9"}], "nobody here knows"),
    ("policyBasis", {"id": "x"}, "named by its URL"),
    (
        "provision",
        [{"purpose": PURPOSES, "provision": [{"modifierExtension": [{"url": ERASE_BY}]}]}],
        "what this changes",
    ),
]


@pytest.mark.parametrize(("path", "value", "says"), R5_REFUSED, ids=lambda value: str(value)[:40])
def test_read_r5__what_provisions_cannot_say__is_refused_by_its_element(path, value, says) -> None:
    with pytest.raises(NotExpressibleError, match=says):
        read(changed(foreign(Version.R5), path, value))


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (b"", "JSON"),
        (b"[]", "object"),
        (b'{"resourceType":"Consent","resourceType":"Consent"}', "twice"),
        (b'{"resourceType":' + b"[" * 40 + b"]" * 40 + b"}", "deeper"),
        (b'{"resourceType":"Consent","x":NaN}', "NaN"),
        (b"\xff", "JSON"),
        (b" " * (MAX_DOCUMENT_SIZE + 1), "bytes"),
    ],
    ids=["empty", "list", "duplicate keys", "deep", "NaN", "not UTF-8", "large"],
)
def test_read__no_document__is_refused(document, says) -> None:
    with pytest.raises(InvalidInputError, match=says):
        read_consent(document, HERE)


def test_read__another_versions__is_refused() -> None:
    with pytest.raises(NotExpressibleError, match="R5, not R4"):
        r4.from_fhir(foreign(Version.R5), HERE)
    with pytest.raises(NotExpressibleError, match="R4, not R5"):
        r5.from_fhir(foreign(), HERE)
    for reader in (r4.from_fhir, r5.from_fhir):
        with pytest.raises(NotExpressibleError, match="is no Consent"):
            reader({**foreign(), "resourceType": "Contract"}, HERE)


@versions
def test_read__any_element_more__is_refused_or_says_nothing_of_access(version) -> None:
    """Nothing that we do not know is passed over but ids, narratives and what the tables say."""
    passed = Counter()
    for name in ("id", "text", "language", "contained", "extension", "identifier", "sourceReference", "performer"):
        consent = {**foreign(version), name: [{"x": 1}]}
        try:
            assert read(consent).provisions == read(foreign(version)).provisions
            passed[name] += 1
        except NotExpressibleError:
            assert (version, name) == (Version.R5, "performer")
    assert sum(passed.values()) == (8 if version is Version.R4 else 7)


@versions
@pytest.mark.parametrize("number", [100, 101, 4_096, 5_000])
def test_read__more_provisions_than_terms_have__is_refused_at_once(version, number) -> None:
    consent = foreign(version)
    rules = [{"type": "deny", "dataPeriod": {"start": f"{year:04}"}} for year in range(1, number + 1)]
    if version is Version.R4:
        consent["provision"]["provision"] = rules[1:]
    else:
        consent["decision"] = "permit"
        consent["provision"] = [{"dataPeriod": each["dataPeriod"]} for each in rules[1:]]
    if number == 100:
        assert len(read(consent).provisions) == number
        return
    with pytest.raises(NotExpressibleError, match=r"at most 100 provisions|1 to 4096"):
        read(consent)


def test_read_r5__more_exceptions_than_terms_have__is_refused() -> None:
    consent = foreign(Version.R5)
    years = [{"dataPeriod": {"start": f"{year:04}"}} for year in range(1, 102)]
    consent["provision"][0]["provision"] = years
    with pytest.raises(NotExpressibleError, match="at most 100 provisions"):
        read(consent)
    # With the permission itself they are one too many.
    consent["provision"] = [{"purpose": PURPOSES, "provision": years[:100]}]
    with pytest.raises(NotExpressibleError, match="at most 100 provisions"):
        read(consent)


def test_read__account_of_another_chain_or_mistyped__is_refused() -> None:
    def by(identifier: str) -> dict:
        reference = {"identifier": {"system": "urn:ietf:rfc:3986", "value": identifier}}
        return changed(foreign(), "provision.actor.0.reference", reference)

    assert read(by(f"did:pkh:eip155:{CHAIN}:{DOCTOR}")).reader == DOCTOR
    with pytest.raises(NotExpressibleError, match="another chain"):
        read(by(f"did:pkh:eip155:1:{DOCTOR}"))
    mixed = address("0x" + "ab" * 20)
    wrong = mixed[:-1] + mixed[-1].swapcase()
    with pytest.raises(NotExpressibleError, match="checksum"):
        read(by(f"did:pkh:eip155:{CHAIN}:{wrong}"))
    with pytest.raises(NotExpressibleError, match="nobody here"):
        read(by("mailto:doctor@example.org"))


# ---------------------------------------------------------------------------------- what others leave unsaid


def nested(*rules: dict) -> dict:
    return changed(foreign(), "provision.provision", list(rules))


def test_read__exception_without_purposes__has_those_of_the_root() -> None:
    said = read(nested({"type": "deny", "dataPeriod": {"start": "2022-01", "end": "2022-12"}})).provisions
    assert said[1] == deny(P.TREAT, since=date(2022, 1, 1), until=date(2023, 1, 1))


def test_read__permission_without_labels__has_those_of_the_root() -> None:
    label = [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "N"}]
    within = {"type": "permit", "purpose": [{"system": ACT_REASON, "code": "HRESCH"}]}
    said = read(changed(nested(within), "provision.securityLabel", label)).provisions
    assert said == (permit(P.TREAT), permit(P.HRESCH))


def test_read__no_purpose_at_all__is_every_purpose_and_emergencies_by_name() -> None:
    (said,) = read(changed(foreign(), "provision.purpose", None)).provisions
    for purpose in PurposeOfUse:
        assert any(each.covers(purpose) for each in said.purposes) == (purpose is not P.BTG)


def test_read__organization__is_whose_data_it_is_about() -> None:
    consent = {**foreign(), "organization": [{"reference": "Organization/3"}]}
    assert read(consent).provisions[0].custodians == (HOSPITAL,)
    named = changed(consent, "provision.data", [{"meaning": "instance", "reference": {"reference": "Observation/4"}}])
    assert read(named).provisions[0].records == (RECORD,)
    elsewhere = replace(HERE, records={"Observation/4": replace(RECORD, custodian=CLINIC)})
    with pytest.raises(NotExpressibleError, match="others than the organization"):
        read(named, elsewhere)


def test_read__named_records_permitted__do_not_escape_a_denial() -> None:
    """FHIR's exception prevails; ours about named records would: so it is refused."""
    root = changed(foreign(), "provision.data", [{"meaning": "instance", "reference": {"reference": "Observation/4"}}])
    with pytest.raises(NotExpressibleError, match="prevails over a denial"):
        read(changed(root, "provision.provision", [{"type": "deny", "securityLabel": [LABEL]}]))
    other = {"type": "deny", "data": [{"meaning": "instance", "reference": {"reference": "Observation/5"}}]}
    assert read(changed(root, "provision.provision", [other])).provisions[1].records == (OTHER,)


def test_read__named_records_of_a_kind__are_refused() -> None:
    data = [{"meaning": "instance", "reference": {"reference": "Observation/4"}}]
    root = changed(foreign(), "provision.data", data)
    with pytest.raises(NotExpressibleError, match="cannot be narrowed further"):
        read(changed(root, "provision.class", [{"system": KIND_SYSTEM, "code": "imaging"}]))


def test_read__named_records_with_labels__are_refused() -> None:
    """Ours covers a named record whatever its labels: it would be weakened."""
    data = [{"meaning": "instance", "reference": {"reference": "Observation/4"}}]
    normal = [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "N"}]
    root = changed(foreign(), "provision.data", data)
    with pytest.raises(NotExpressibleError, match="whatever their labels"):
        read(changed(root, "provision.securityLabel", normal))


def test_read__without_a_policy__is_what_fhir_says() -> None:
    said = changed(foreign(Version.R5), "policyBasis", None)
    assert read(said, replace(HERE, policies=frozenset())).provisions == read(foreign(Version.R5)).provisions


def test_read__what_a_provision_cannot_hold__is_refused_by_its_element() -> None:
    labels = [{"system": LABEL_SYSTEM, "code": f"label-{number}"} for number in range(65)]
    with pytest.raises(NotExpressibleError, match=r"Consent\.provision\.provision\[0\]: a provision has at most 64"):
        read(nested({"type": "deny", "securityLabel": labels}))


def test_read__sensitive_data_beside_what_is_ordinary__is_permitted_with_it() -> None:
    normal = [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "N"}]
    root = changed(foreign(), "provision.securityLabel", normal)
    found = read(changed(root, "provision.provision", [{"type": "permit", "securityLabel": [LABEL]}]))
    assert found.provisions == (permit(P.TREAT), permit(P.TREAT, labels=("PSY",)))
    for more in (
        {"purpose": [{"system": ACT_REASON, "code": "HRESCH"}]},
        {"purpose": [{"system": ACT_REASON, "code": "ETREAT"}]},
    ):
        with pytest.raises(NotExpressibleError, match="permits what is not"):
            read(changed(root, "provision.provision", [{"type": "permit", "securityLabel": [LABEL], **more}]))
    only = changed(root, "provision.securityLabel", [LABEL])
    with pytest.raises(NotExpressibleError, match="permits what is not"):
        read(changed(only, "provision.provision", [{"type": "permit", "securityLabel": [LABEL]}]))


def test_read__permission_within_a_narrow_root__is_refused() -> None:
    root = changed(foreign(), "provision.dataPeriod", {"start": "2022"})
    with pytest.raises(NotExpressibleError, match="less than it says"):
        read(changed(root, "provision.provision", [{"type": "permit", "securityLabel": [LABEL]}]))


def test_read__base_that_denies_some_data__is_refused() -> None:
    consent = changed(changed(foreign(), "provision.type", "deny"), "provision.securityLabel", [LABEL])
    with pytest.raises(NotExpressibleError, match="nothing about the rest"):
        read(consent)


def test_read_r5__denial_under_one_permission_alone__is_refused() -> None:
    consent = foreign(Version.R5)
    imaging = {"purpose": PURPOSES, "securityLabel": [LABEL]}
    consent["provision"] = [{"purpose": PURPOSES, "provision": [imaging]}, {"purpose": PURPOSES}]
    with pytest.raises(NotExpressibleError, match="not for one alone"):
        read(consent)
    consent["provision"][1]["provision"] = [imaging]
    assert len(read(consent).provisions) == 2


def test_read_r5__permitted_but_for_exceptions__denies_them() -> None:
    consent = changed(foreign(Version.R5), "decision", "permit")
    consent["provision"] = [{"securityLabel": [LABEL]}]
    permission, denial = read(consent).provisions
    assert permission.everything
    assert denial.labels == ("PSY",)
    consent["provision"][0]["provision"] = [{"purpose": PURPOSES}]
    with pytest.raises(NotExpressibleError, match="within a denial"):
        read(consent)


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        ({"start": "2026", "end": "2026-06-30"}, (BEGIN, END)),
        ({"start": "2026-01-01T01:00:00+01:00", "end": "2026-06-30T23:59:59Z"}, (BEGIN, END)),
        ({"start": "2025-12-31T23:59:59.5Z", "end": "2026-06-30T23:59:59.999Z"}, (BEGIN, END)),
        ({"end": "2026-06"}, (None, END)),
    ],
    ids=["days", "offsets", "fractions", "month"],
)
def test_read__period__holds_from_its_first_second_to_its_last(period, expected) -> None:
    found = read(changed(foreign(), "provision.period", period))
    assert (found.not_before, found.expires_at) == expected


def test_read__for_whom__must_be_said_once() -> None:
    everybody = changed(foreign(), "provision.actor", None)
    with pytest.raises(InvalidInputError, match="names not one reader"):
        read(everybody)
    assert read(everybody, reader=CLINIC).reader == CLINIC
    with pytest.raises(InvalidInputError, match="other readers"):
        read(foreign(), reader=CLINIC)
