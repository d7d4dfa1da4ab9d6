"""The conflict table of docs/consent-table.md, row by row.

given what a patient has said, a record, a purpose and a time
├─ the decision is the row's, for the row's reason
├─ in whatever order grants and provisions come
└─ the same by the excerpt for the record's custodian, and when the decision is kept and replayed
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from consent_table import CASES, Case

from medshare.model.consent import Consent, Decision, decide

pytestmark = pytest.mark.unit

rows = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def decided(case: Case, consents: list[Consent]) -> Decision:
    return decide(
        consents,
        subject=case.subject,
        purpose=case.purpose,
        reader=case.reader,
        now=case.now,
        episodes=case.episodes,
        block=7,
    )


def test_table__rows__are_many_and_named_once() -> None:
    assert len(CASES) >= 70
    assert len({case.name for case in CASES}) == len(CASES)
    assert {rule for case in CASES for rule in case.rules} == {f"R{number}" for number in range(10)}


@rows
def test_row__decided__is_as_the_table_says(case: Case) -> None:
    consents = case.consents()
    decision = decided(case, consents)
    assert decision.reason is case.outcome
    assert decision.reason.rule in (*case.rules, "R3")
    assert decision.obligations == case.obligations
    if case.decided_by is not None:
        expected = [(consents[grant].grant.grant_id, number) for grant, number in case.decided_by]
        assert [(each.grant_id, each.number) for each in decision.decided_by] == expected
    assert decision.explain().startswith(("permitted", "denied", "undecided"))


@rows
def test_row__grants_the_other_way_round__is_decided_alike(case: Case) -> None:
    consents = case.consents()
    assert decided(case, consents[::-1]) == decided(case, consents)
    turned = [
        replace(given, provisions=given.provisions[::-1]).consent(number) for number, given in enumerate(case.given)
    ]
    assert decided(case, turned).reason is case.outcome


@rows
def test_row__by_the_custodian_s_excerpts__is_decided_alike(case: Case) -> None:
    consents = case.consents()
    excerpts = [replace(each, terms=each.terms.excerpt_for(case.subject.record.custodian)) for each in consents]
    assert decided(case, excerpts) == decided(case, consents)


@rows
def test_row__kept_and_replayed__is_decided_alike(case: Case) -> None:
    kept = Decision.from_json(decided(case, case.consents()).to_json())
    again = decide(
        case.consents(),
        subject=kept.subject,
        purpose=kept.purpose,
        reader=kept.reader,
        now=kept.at,
        episodes=case.episodes,
        block=kept.block,
    )
    assert again == kept
    assert kept.to_json() == again.to_json()
