"""Whose turn it is to seal a block, as Clique counts.

given signers in their order on chain, and a block
└─ each is named once, in order, and the one on whose turn it is comes last
"""

from __future__ import annotations

import pytest

from medshare.network.local import turn_last

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("number", "expected"), [(1, ["c", "d", "a", "b"]), (3, ["a", "b", "c", "d"]), (8, ["b", "c", "d", "a"])]
)
def test_turn_last__a_block__ends_with_whose_turn_it_is(number: int, expected: list[str]) -> None:
    assert turn_last(["a", "b", "c", "d"], number) == expected


def test_turn_last__one_signer__is_that_one() -> None:
    assert turn_last(["a"], 5) == ["a"]
