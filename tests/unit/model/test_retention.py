"""A retention policy: what its file may say, and until when it keeps a record.

given a policy
├─ a category with a rule, one without, a manifest that does not open → its years, the default, the longest
├─ a clinical date of a year, a month or a day → from its last day; none → from the day of registration
├─ 29 February, and years past the calendar's end → the day after, and the last day
└─ a file that is no policy → refused, and says which field
"""

from __future__ import annotations

from datetime import date

import pytest

from medshare.errors import InvalidInputError
from medshare.hashing import sha256
from medshare.model.record import Category
from medshare.model.retention import MAX_POLICY_SIZE, RetentionPolicy

pytestmark = pytest.mark.unit

POLICY = b"""
version = 1
jurisdiction = "Examplia"
default = 5
acknowledge_within = 30
[years]
imaging = 10
laboratory = 0
"""
REGISTERED = 1_800_000_000  # 2027-01-15


@pytest.mark.parametrize(
    ("category", "clinical_date", "until", "says"),
    [
        (Category.IMAGING, "2020-03-04", "2030-03-04", "imaging: 10 years from its clinical date (Examplia)"),
        (Category.IMAGING, "2020-03", "2030-03-31", "imaging: 10 years"),
        (Category.IMAGING, "2020", "2030-12-31", "imaging: 10 years"),
        (Category.IMAGING, None, "2037-01-15", "imaging: 10 years from registration (Examplia)"),
        (Category.DOCUMENT, "2020-03-04", "2025-03-04", "default: 5 years"),
        (Category.LABORATORY, "2020-03-04", "2020-03-04", "laboratory: 0 years"),
        (None, None, "2037-01-15", "the longest rule, since its manifest does not open: 10 years from registration"),
        (Category.DOCUMENT, "2024-02-29", "2029-03-01", "default: 5 years"),
        (Category.IMAGING, "2024-02-29", "2034-03-01", "imaging: 10 years"),
        (Category.IMAGING, "9995", "9999-12-31", "imaging: 10 years"),
    ],
)
def test_kept_until__category_and_date__is_the_first_day_on_which_it_may_go(
    category: Category | None, clinical_date: str | None, until: str, says: str
) -> None:
    kept = RetentionPolicy.from_toml(POLICY).kept_until(category, clinical_date, REGISTERED)
    assert kept.until == date.fromisoformat(until)
    assert says in kept.rule


def test_from_toml__whole__is_quoted_by_its_digest() -> None:
    policy = RetentionPolicy.from_toml(POLICY)
    assert policy.digest == sha256(POLICY)
    assert policy.years == {Category.IMAGING: 10, Category.LABORATORY: 0}
    assert (policy.default, policy.acknowledge_within) == (5, 30)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (POLICY + b"x = 1", "1 fields that this medshare does not know"),
        (POLICY.replace(b"imaging", b"x-rays"), "years: 1 fields that this medshare does not know"),
        (POLICY.replace(b"= 10", b"= 151"), "imaging"),
        (POLICY.replace(b"= 10", b"= -1"), "imaging"),
        (POLICY.replace(b"= 10", b"= true"), "imaging"),
        (POLICY.replace(b"= 10", b"= 1.5"), "imaging"),
        (POLICY.replace(b"default = 5\n", b""), "default"),
        (POLICY.replace(b"= 30", b"= 0"), "acknowledge_within"),
        (POLICY.replace(b"= 30", b"= 367"), "acknowledge_within"),
        (POLICY.replace(b"version = 1", b"version = 2"), "version 2"),
        (POLICY.replace(b'"Examplia"', b'"' + b"x" * 501 + b'"'), "jurisdiction"),
        (POLICY.replace(b"[years]", b"[[years]]"), "years"),
        (b"\xff", "not well-formed TOML"),
        (b"= 1", "not well-formed TOML"),
        (b"#" * (MAX_POLICY_SIZE + 1), "at most"),
    ],
)
def test_from_toml__no_policy__is_refused_and_says_where(changed: bytes, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        RetentionPolicy.from_toml(changed)
