"""Cells: each recipient gets his text and nobody another's, and nothing tells who has how much.

given texts of any lengths for any recipients
├─ each opens his own, whole; who has none gets nothing
├─ all buckets are equally long, and two writings of the same have no tag in common
└─ one fetches each bucket with a cell of his once, and no more
given a bucket that was changed, cut or mixed up
├─ the text is not there, or is refused; another's cell with the same tag hides nothing
└─ a text longer than it can be is refused by its first cell, one that states too much where the next cell is missing
"""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medshare.envelope import CELL_SIZE, MAX_BUCKETS, Identity, cells, open_cells, seal_cells
from medshare.errors import AuthenticationError, InvalidInputError

pytestmark = pytest.mark.unit

CELL_TEXT = cells.CELL_TEXT
PEOPLE = [Identity.generate() for _ in range(6)]
STRANGER = Identity.generate()
lengths = st.sampled_from([0, 1, CELL_TEXT - 5, CELL_TEXT - 4, CELL_TEXT - 3, 2 * CELL_TEXT, 9 * CELL_TEXT + 7])


class Fetching:
    """Gives buckets, and knows which."""

    def __init__(self, buckets: list[bytes]) -> None:
        self._buckets = buckets
        self.fetched: list[int] = []

    def __call__(self, number: int) -> bytes:
        self.fetched.append(number)
        return self._buckets[number]


def opened(buckets: list[bytes], who: Identity, writer: Identity) -> bytes | None:
    return open_cells(buckets.__getitem__, who, writer=writer.recipient, buckets=len(buckets))


@given(sizes=st.lists(lengths, max_size=len(PEOPLE)), seed=st.integers(0, 99))
def test_cells__of_any_texts__each_opens_his_own_whole(sizes: list[int], seed: int) -> None:
    dice = random.Random(seed)
    texts = {who.recipient: dice.randbytes(size) for who, size in zip(PEOPLE, sizes, strict=False)}
    writer = Identity.generate()
    buckets = list(seal_cells(texts.items(), writer=writer))
    assert len({len(bucket) for bucket in buckets}) == 1
    assert len(buckets[0]) % (4 * CELL_SIZE) == 0
    for who in (*PEOPLE, STRANGER):
        assert opened(buckets, who, writer) == texts.get(who.recipient)
        assert opened(buckets, who, Identity.generate()) is None


def test_cells__of_the_same_twice__have_no_tag_in_common() -> None:
    texts = [(who.recipient, b"text" * 999) for who in PEOPLE]
    tags = [
        {
            bucket[at : at + 16]
            for bucket in seal_cells(texts, writer=Identity.generate())
            for at in range(0, len(bucket), CELL_SIZE)
        }
        for _ in range(2)
    ]
    assert not tags[0] & tags[1]


def test_open__one_of_very_many__fetches_his_bucket_only() -> None:
    writer = Identity.generate()
    others = [(Identity.generate().recipient, b"other") for _ in range(200)]
    buckets = list(seal_cells([*others, (PEOPLE[0].recipient, b"mine")], writer=writer))
    fetching = Fetching(buckets)
    assert open_cells(fetching, PEOPLE[0], writer=writer.recipient, buckets=len(buckets)) == b"mine"
    assert (len(fetching.fetched), len(buckets)) == (1, 32)


def sealed(text: bytes) -> tuple[list[bytes], Identity]:
    writer = Identity.generate()
    return list(seal_cells([(PEOPLE[0].recipient, text), (PEOPLE[1].recipient, b"other")], writer=writer)), writer


@pytest.mark.parametrize("damage", [lambda bucket: bucket[: CELL_SIZE - 1], lambda _: b"", lambda b: bytes(len(b))])
def test_open__bucket_is_cut_or_empty__is_nothing(damage) -> None:
    buckets, writer = sealed(b"mine")
    assert opened([damage(bucket) for bucket in buckets], PEOPLE[0], writer) is None


def test_open__very_many_cells__fetches_each_bucket_once() -> None:
    text = random.Random(5).randbytes(300 * CELL_TEXT)
    buckets, writer = sealed(text)
    fetching = Fetching(buckets)
    assert open_cells(fetching, PEOPLE[0], writer=writer.recipient, buckets=len(buckets)) == text
    assert sorted(fetching.fetched) == list(range(len(buckets)))


def test_open__longer_than_it_can_be__is_refused_by_the_first_cell() -> None:
    buckets, writer = sealed(bytes(300 * CELL_TEXT))
    fetching = Fetching(buckets)
    with pytest.raises(AuthenticationError):
        open_cells(fetching, PEOPLE[0], writer=writer.recipient, buckets=len(buckets), longest=300 * CELL_TEXT - 1)
    assert len(fetching.fetched) == 1


def test_open__states_more_than_is_there__ends_at_the_first_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    cut = cells._cut
    monkeypatch.setattr(cells, "_cut", lambda text: [(60 << 20).to_bytes(4, "big") + cut(text)[0][4:]])
    writer = Identity.generate()
    others = [(Identity.generate().recipient, b"other") for _ in range(200)]
    buckets = list(seal_cells([*others, (PEOPLE[0].recipient, b"mine")], writer=writer))
    fetching = Fetching(buckets)
    with pytest.raises(AuthenticationError):
        open_cells(fetching, PEOPLE[0], writer=writer.recipient, buckets=len(buckets))
    assert len(fetching.fetched) == 1


def test_open__a_bit_of_his_cell_is_changed__is_nothing() -> None:
    buckets, writer = sealed(b"mine")
    changed = [bytes(byte ^ (at % CELL_SIZE == 40) for at, byte in enumerate(bucket)) for bucket in buckets]
    assert opened(changed, PEOPLE[0], writer) is None


def test_open__a_later_cell_is_missing__is_refused() -> None:
    buckets, writer = sealed(bytes(5 * CELL_TEXT))
    first = next(
        (number, at)
        for number, bucket in enumerate(buckets)
        for at in range(0, len(bucket), CELL_SIZE)
        if opened(
            [bucket[at : at + CELL_SIZE] if each == number else b"" for each in range(len(buckets))],
            PEOPLE[1],
            writer,
        )
        == b"other"
    )
    # Everything but the cell of another is shuffled away, one by one: his text is whole, or refused, or not there.
    number, at = first
    without = [
        bucket[:at] + bytes(CELL_SIZE) + bucket[at + CELL_SIZE :] if n == number else bucket
        for n, bucket in enumerate(buckets)
    ]
    assert opened(without, PEOPLE[0], writer) == bytes(5 * CELL_TEXT)
    outcomes = []
    for n, bucket in enumerate(buckets):
        for place in range(0, len(bucket), CELL_SIZE):
            cut = [*buckets]
            cut[n] = bucket[:place] + bytes(CELL_SIZE) + bucket[place + CELL_SIZE :]
            try:
                outcomes.append(opened(cut, PEOPLE[0], writer) is not None)
            except AuthenticationError:
                outcomes.append(False)
    assert outcomes.count(False) == 6


def test_open__another_cell_has_the_same_tag__hides_nothing() -> None:
    buckets, writer = sealed(b"mine")
    twins = [
        b"".join(
            bucket[at : at + 16] + bytes(CELL_SIZE - 16) + bucket[at : at + CELL_SIZE]
            for at in range(0, len(bucket), CELL_SIZE)
        )
        for bucket in buckets
    ]
    assert opened(twins, PEOPLE[0], writer) == b"mine"


def test_open__states_a_length_that_cannot_be__is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    buckets, writer = sealed(bytes(100))
    monkeypatch.setattr(cells, "MAX_TEXT", 99)
    with pytest.raises(AuthenticationError):
        opened(buckets, PEOPLE[0], writer)


def test_seal__too_much__is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "MAX_BUCKETS", 1)
    with pytest.raises(InvalidInputError):
        seal_cells([(PEOPLE[0].recipient, bytes(1 << 20))], writer=Identity.generate())
    monkeypatch.setattr(cells, "MAX_TEXT", 10)
    with pytest.raises(InvalidInputError):
        seal_cells([(PEOPLE[0].recipient, bytes(11))], writer=Identity.generate())
    assert MAX_BUCKETS == 4096
