"""How many blocks are asked for logs at once.

given a node that takes at most so many blocks
├── every question it answers should be within that, and few should be refused
└── when it takes more again, more should be asked, and never more than the profile says
"""

from __future__ import annotations

import pytest

from medshare.chain.log_ranges import LogRange

pytestmark = pytest.mark.unit


def _read(sizes: LogRange, blocks: int, most: int) -> tuple[int, int]:
    """Read so many blocks of a node that takes ``most`` at once; return how often it answered and refused."""
    answered = refused = done = 0
    while done < blocks:
        asked = min(sizes.size, blocks - done)
        if asked > most:
            refused += 1
            sizes.refused(asked)
            continue
        answered += 1
        done += asked
        sizes.answered(asked)
    return answered, refused


@pytest.mark.parametrize("most", [1, 7, 100, 999, 10_000])
def test_range__node_takes_less_than_the_profile_says__is_found_and_kept(most: int) -> None:
    sizes = LogRange(10_000)
    answered, refused = _read(sizes, 40 * most, most)
    assert answered >= 40
    # To find the size once, and after each four answers one look whether it is more now.
    assert refused <= 14 + answered / 4 + 1


def test_range__node_takes_more_again__grows_and_never_beyond_the_profile() -> None:
    sizes = LogRange(1_000)
    _read(sizes, 100, 10)
    assert sizes.size <= 20
    _read(sizes, 100_000, 10_000)
    assert sizes.size == 1_000


def test_range__short_question_at_the_end__says_nothing() -> None:
    sizes = LogRange(1_000)
    sizes.refused(1_000)
    for _ in range(10):
        sizes.answered(3)
    assert sizes.size == 500
