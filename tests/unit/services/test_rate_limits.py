"""Limits: so many at once, then one by one; for each, and for all; kept through a restart.

given a limit of three an hour
├── three should be let through at once, and one more every twenty minutes
├── who waits should be told for how long, and take no turn by asking
└── after an hour in peace all three should be there again, and no more
given somebody else
└── he should have a limit of his own, and share the limit of all
given a turn that is given back
└── it should be there again
given any history
└── in no hour should more than the limit and its refill be let through
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medshare.errors import ConfigurationError, InvalidInputError
from medshare.services.rate_limits import RateLimit, RateLimits

pytestmark = pytest.mark.unit

NOW = 1_800_000_000
HOUR = 3_600
THREE = RateLimit(most=3, period=HOUR)
MANY = RateLimit(most=1_000, period=HOUR)


@pytest.fixture
def limits(tmp_path) -> RateLimits:
    return RateLimits(tmp_path / "limits.sqlite", each=THREE, together=MANY)


def test_admit__three_at_once__then_one_by_one(limits) -> None:
    assert limits.admit(["mary"] * 5, NOW) == [0, 0, 0, HOUR // 3, HOUR // 3]
    assert limits.admit(["mary"], NOW + HOUR // 3 - 1) == [1]
    assert limits.admit(["mary"] * 2, NOW + HOUR // 3) == [0, HOUR // 3]


def test_admit__after_a_long_peace__no_more_than_the_limit(limits) -> None:
    limits.admit(["mary"] * 3, NOW)

    assert limits.admit(["mary"] * 4, NOW + 100 * HOUR) == [0, 0, 0, HOUR // 3]


def test_admit__somebody_else__has_his_own(limits) -> None:
    limits.admit(["mary"] * 3, NOW)

    assert limits.admit(["john", "mary", "john"], NOW) == [0, HOUR // 3, 0]


def test_admit__limit_of_all__is_shared(tmp_path) -> None:
    limits = RateLimits(tmp_path / "limits.sqlite", each=MANY, together=THREE)

    assert limits.admit(["mary", "john", "ann", "tom"], NOW) == [0, 0, 0, HOUR // 3]
    assert limits.admit(["tom"], NOW + HOUR // 3) == [0]


def test_admit__opened_again__remembers(tmp_path) -> None:
    path = tmp_path / "limits.sqlite"
    RateLimits(path, each=THREE, together=MANY).admit(["mary"] * 3, NOW)

    assert RateLimits(path, each=THREE, together=MANY).admit(["mary"], NOW) == [HOUR // 3]


def test_give_back__turn_that_was_not_used__is_there_again(limits) -> None:
    limits.admit(["mary"] * 3, NOW)
    limits.give_back(["mary"], NOW)

    assert limits.admit(["mary"] * 2, NOW) == [0, HOUR // 3]


def test_give_back__more_than_were_taken__gains_nothing(limits) -> None:
    limits.admit(["mary"], NOW)
    limits.give_back(["mary"] * 5, NOW)

    assert limits.admit(["mary"] * 4, NOW) == [0, 0, 0, HOUR // 3]


def test_admit__file_is_something_else__says_what_to_do(tmp_path) -> None:
    path = tmp_path / "limits.sqlite"
    path.write_bytes(b"something else" * 100)

    with pytest.raises(ConfigurationError) as caught:
        RateLimits(path, each=THREE, together=MANY).admit(["mary"], NOW)
    assert "delete it" in caught.value.hint


@pytest.mark.parametrize(("most", "period"), [(0, 1), (1, 0), (-1, 5)])
def test_rate_limit__that_lets_nothing_through__is_not_made(most, period) -> None:
    with pytest.raises(InvalidInputError):
        RateLimit(most=most, period=period)


@given(st.integers(1, 20), st.lists(st.integers(0, HOUR), min_size=1, max_size=60))
def test_admit__any_history__never_more_than_limit_and_refill(tmp_path_factory, most, pauses) -> None:
    limit = RateLimit(most=most, period=HOUR)
    limits = RateLimits(tmp_path_factory.mktemp("limits") / "limits.sqlite", each=limit, together=MANY)
    now, passed = NOW, []
    for pause in pauses:
        now += pause
        if limits.admit(["mary"], now) == [0]:
            passed.append(now)

    for first, start in enumerate(passed):
        for count, end in enumerate(passed[first:], 1):
            assert count <= most + (end - start) / limit.turn
