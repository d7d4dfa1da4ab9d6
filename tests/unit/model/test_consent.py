"""A grant and its terms, and the words of a decision; what is decided is in test_consent_table.py and test_decide.py.

given a grant
├─ it is live from its beginning to its end, for purposes it has, unless it or everything was revoked
└─ it goes together with its own terms only
given a decision
├─ it says in a sentence what was decided, why, by what, and as of when, and what can be done
├─ it names the rule for each provision that did not prevail
└─ it comes back from JSON the same, or is refused
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from consent_table import (
    BEGIN,
    DOCTOR,
    END,
    HOSPITAL,
    NOW,
    PATIENT,
    RECORD,
    deny,
    episode,
    given,
    must,
    permit,
    subject,
)

from medshare.errors import AccessDeniedError, InvalidInputError
from medshare.model.consent import Consent, Decision, Duty, Reason, Subject, decide, liveness
from medshare.model.ids import RecordId
from medshare.model.purpose import Purpose, PurposeOfUse
from medshare.model.record import Category, Manifest, RecordEntry, RecordStatus

pytestmark = pytest.mark.unit


def ask(*grants, purpose=PurposeOfUse.TREAT, now=NOW, about=None, **more) -> Decision:
    consents = [each.consent(number) for number, each in enumerate(grants)]
    return decide(consents, subject=about or subject(), purpose=purpose, reader=DOCTOR, now=now, **more)


# ------------------------------------------------------------------------------------------------ grants


@pytest.mark.parametrize(
    ("standing", "purpose", "now", "reason"),
    [
        ({}, Purpose.TREAT, BEGIN, Reason.PERMITTED),
        ({}, Purpose.TREAT, END - 1, Reason.PERMITTED),
        ({}, Purpose.TREAT, BEGIN - 1, Reason.NOT_YET),
        ({}, Purpose.TREAT, END, Reason.EXPIRED),
        ({}, Purpose.TREAT, 1 << 40, Reason.EXPIRED),
        ({}, Purpose.HRESCH, BEGIN, Reason.PURPOSE_NOT_ON_CHAIN),
        ({}, Purpose.TREAT | Purpose.HRESCH, BEGIN, Reason.PURPOSE_NOT_ON_CHAIN),
        ({}, Purpose(0), BEGIN, Reason.PURPOSE_NOT_ON_CHAIN),
        ({"on_chain": Purpose.TREAT | Purpose.HRESCH}, Purpose.TREAT | Purpose.HRESCH, BEGIN, Reason.PERMITTED),
        ({"revoked": True}, Purpose.TREAT, END, Reason.REVOKED),
        ({"stamp_now": 1}, Purpose.TREAT, BEGIN - 1, Reason.REVOKED),
        ({"stamp": 1}, Purpose.TREAT, BEGIN, Reason.REVOKED),
        ({"stamp": 1, "stamp_now": 1}, Purpose.TREAT, BEGIN, Reason.PERMITTED),
    ],
    ids=str,
)
def test_liveness__a_grant__is_as_the_contract_says(standing: dict, purpose: Purpose, now: int, reason: Reason) -> None:
    consent = given(permit(), **standing).consent(0)
    assert liveness(consent.grant, stamp=consent.stamp, purpose=purpose, now=now) is reason


def test_consent__terms_of_another_grant__cannot_be_put_together() -> None:
    one, other = given(permit()).consent(0), given(permit()).consent(1)
    for terms in (other.terms, other.terms.excerpt_for(HOSPITAL)):
        with pytest.raises(InvalidInputError):
            Consent(grant=one.grant, terms=terms, stamp=0)


# ------------------------------------------------------------------------------------------------ subjects


def test_subject__of_entry_and_manifest__has_their_facts() -> None:
    entry = RecordEntry(
        record_id=RECORD.record_id,
        custodian=HOSPITAL,
        patient=PATIENT,
        registered_at=BEGIN,
        ended_at=0,
        version=2,
        status=RecordStatus.ACTIVE,
    )
    manifest = Manifest(
        patient=PATIENT,
        custodian=HOSPITAL,
        media_type="text/plain",
        category=Category.LABORATORY,
        size=1,
        digest=bytes(32),
        salt=bytes(32),
        labels=("HIV",),
        clinical_date="2026-02",
    )
    lineage = (RecordId(b"\2" * 32),)
    expected = subject(lineage=lineage, labels=("HIV",), clinical_date="2026-02")
    assert Subject.described(entry, manifest, lineage) == expected
    before = Subject.on_chain(entry, lineage)
    assert before == replace(expected, category=None, labels=(), clinical_date=None)
    assert not before.is_described
    assert not {"HIV", "2026", "laboratory"} & set(repr(expected).replace("'", " ").split())


@pytest.mark.parametrize(
    "facts",
    [
        {"category": None},
        {"category": None, "clinical_date": None, "labels": ("HIV",)},
        {"clinical_date": "yesterday"},
        {"labels": ("a b",)},
        {"labels": ("HIV",) * 65},
    ],
    ids=str,
)
def test_subject__that_cannot_be__is_refused(facts: dict) -> None:
    with pytest.raises(InvalidInputError):
        subject(**facts)


# ------------------------------------------------------------------------------------------------ words


def test_explain__permitted__names_purpose_time_block_and_provision() -> None:
    said = ask(given(permit()), block=7).explain()
    assert said.startswith(
        "permitted for TREAT: the patient's grant permits it (as of 2026-03-01 12:00:00 UTC, block 7); decided by "
        "provision 0 of grant 0x"
    )


def test_explain__obligations__are_told() -> None:
    said = ask(given(permit(obligations=(must(Duty.AUDIT), must(Duty.ERASE_BY, NOW + 60))))).explain()
    assert said.endswith("; obligations: AUDIT, erase by 2026-03-01 12:01:00 UTC")


def test_explain__expired_or_not_yet__says_since_or_until_when() -> None:
    assert "expired on 2026-07-01 00:00:00 UTC" in ask(given(permit()), now=END).explain()
    assert "begins on 2026-01-01 00:00:00 UTC" in ask(given(permit()), now=BEGIN - 1).explain()


def test_explain__waiting_for_the_manifest__is_neither_permitted_nor_denied() -> None:
    decision = ask(given(permit()), about=subject(category=None, clinical_date=None))
    assert decision.explain().startswith("undecided for TREAT")
    assert decision.undecided
    assert not decision.permitted


@pytest.mark.parametrize("reason", Reason)
def test_explain_and_advice__each_reason__has_words_and_a_rule(reason: Reason) -> None:
    decision = Decision(reason=reason, subject=subject(), reader=DOCTOR, purpose=PurposeOfUse.BIORCH, at=0)
    assert len(decision.explain()) > 40
    assert "for BIORCH" in decision.explain()
    assert reason.rule in {f"R{number}" for number in range(10)}
    if not decision.permitted and reason is not Reason.OUTRANKED:
        error = AccessDeniedError(decision)
        assert (str(error), error.hint, error.decision) == (decision.explain(), decision.advice(), decision)
        assert decision.advice()


def test_explain__each_reason__is_told_apart() -> None:
    said = {replace(ask(), reason=reason).explain() for reason in Reason}
    assert len(said) == len(Reason)


def test_grounds__provisions_that_lost__are_named_with_their_rules() -> None:
    decision = ask(given(permit(PurposeOfUse.HRESCH), permit(), deny(records=(RECORD,))), given(permit(), revoked=True))
    assert decision.reason is Reason.REFUSED
    lines = decision.grounds()
    assert {line.split("(")[-1] for line in lines} == {"R4)", "R3)", "R2)"}
    assert all(line.startswith("provision ") for line in lines)


# ------------------------------------------------------------------------------------------------ kept


def kept() -> dict:
    decision = ask(
        given(permit(obligations=(must(Duty.ERASE_BY, NOW + 60),)), deny(PurposeOfUse.HRESCH)),
        given(permit(), grantee=HOSPITAL),
        block=7,
    )
    return json.loads(decision.to_json())


def test_decision__with_an_episode__comes_back() -> None:
    decision = ask(purpose=PurposeOfUse.BTG, episodes=[episode()], block=9)
    assert decision.episode_id == episode().episode_id
    assert Decision.from_json(decision.to_json()) == decision


@pytest.mark.parametrize("field", list(kept()))
@pytest.mark.parametrize("wrong", [True, "x", [1], [{}], {"x": 1}, -1, 1.5], ids=str)
def test_decision__field_of_another_type__is_refused(field: str, wrong: object) -> None:
    with pytest.raises(InvalidInputError):
        Decision.from_json(json.dumps(kept() | {field: wrong}).encode())


@pytest.mark.parametrize("inner", ["subject", "grant"])
def test_decision__field_that_we_do_not_know__is_refused(inner: str) -> None:
    document = kept()
    assert Decision.from_json(json.dumps(document).encode()).permitted
    for changed in (document | {"more": 1}, document | {inner: document[inner] | {"more": 1}}):
        with pytest.raises(InvalidInputError):
            Decision.from_json(json.dumps(changed).encode())
